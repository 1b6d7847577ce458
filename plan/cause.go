package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Cause says why a console keeps an account from being what its entry wants: a
// fact, by the name that the facts have it under, or what is wrong with the account
// there. Its text is a stable code.
type Cause string

// What a console cannot do.
const (
	FactTypes         Cause = "types"
	FactRename        Cause = "rename"
	FactRefStable     Cause = "ref_stable"
	FactMaxAliases    Cause = "max_aliases"
	FactDomains       Cause = "domains"
	FactDeletedBlocks Cause = "deleted_blocks_for"
	// FactAttributes is that of a value which is too long for the console.
	FactAttributes Cause = "attributes"
)

// What is wrong with an account that is left as it is.
const (
	NotUnderstood Cause = "not_understood" // it has what cannot be read
	NoPrimary     Cause = "no_primary"
	SeveralMarks  Cause = "several_marks"  // other accounts have the same mark
	SharedAddress Cause = "shared_address" // another account has an address of it, too
	Undecided     Cause = "undecided"      // an interrupted run may have created it
	NotSettled    Cause = "not_settled"    // it was applied, and is not seen yet
)

// Bar is why an account of a console is left as it is. The zero Bar is none.
type Bar struct {
	// Foreign is the mark of an account that belongs to another configuration. No
	// entry adopts it.
	Foreign identity.Mark
	// Cause is why it is frozen, "" if it is not, and Detail what it is about: the
	// address that is shared, the mark, or what cannot be understood.
	Cause  Cause
	Detail string
}

// causes are the sentences of each cause: what it says of a rejection, and what to
// do about it.
var causes = map[Cause]struct {
	message func(r *Rejection, n Names) string
	advice  string
}{
	FactTypes: {
		func(r *Rejection, _ Names) string { return "the console has no accounts of type " + r.Type.String() },
		"leave the object out of the scope, or set type in the scope",
	},
	FactRename: {
		func(r *Rejection, n Names) string {
			return "the console cannot give an account another primary, which would be " + n.address(r.Detail)
		},
		"keep the primary in the directory, or change it in the console by hand",
	},
	FactRefStable: {
		func(r *Rejection, n Names) string {
			return "the console cannot follow an account to another primary, which would be " + n.address(r.Detail)
		},
		"keep the primary in the directory, or change it in the console by hand",
	},
	FactMaxAliases: {
		func(r *Rejection, _ Names) string {
			return fmt.Sprintf("the account would have %s, and the console allows %s", several(r.Length, "alias", "aliases"), Thousands(r.Limit))
		},
		"remove aliases from the entry",
	},
	FactDomains: {
		func(r *Rejection, n Names) string {
			return "the console does not manage the domain of " + n.address(r.Detail)
		},
		"add the domain to the console, or remove the address from the directory",
	},
	FactDeletedBlocks: {
		func(r *Rejection, n Names) string {
			return "the account that had " + n.address(r.Detail) + " was removed, and the console keeps the address blocked for a while"
		},
		"wait, and plan again; or purge the removed account from the console now",
	},
	FactAttributes: {
		func(*Rejection, Names) string { return "the console allows fewer characters" },
		"shorten the value in the directory",
	},
	NotUnderstood: {
		func(r *Rejection, n Names) string {
			return "the account in the console cannot be understood and stays unchanged: " + named(n.Detail, r.Detail)
		},
		"correct it in the console",
	},
	NoPrimary: {
		func(*Rejection, Names) string { return "the account in the console has no primary and stays unchanged" },
		"give it a primary in the console",
	},
	SeveralMarks: {
		func(*Rejection, Names) string {
			return "several accounts of the console are marked as this object's, and stay unchanged"
		},
		"remove the mark from those that are not the object's, or remove them from the console",
	},
	SharedAddress: {
		func(r *Rejection, n Names) string {
			return "several accounts of the console have " + n.address(r.Detail) + ", and stay unchanged"
		},
		"leave the address with one account in the console",
	},
	Undecided: {
		func(*Rejection, Names) string {
			return "a run was interrupted while it created the account, and it is unknown whether the one in the console is it"
		},
		"if it is, rollcall state rebind gives it its object; otherwise give one of the two another address",
	},
	NotSettled: {
		func(*Rejection, Names) string {
			return "the account was applied a moment ago, and the console does not show it yet"
		},
		"wait, and plan again",
	},
}

// Causes returns all causes of rejections, in byte order.
func Causes() []Cause { return slices.Sorted(maps.Keys(causes)) }

// isFact reports whether the cause is a fact of the console.
func (c Cause) isFact() bool {
	switch c {
	case FactTypes, FactRename, FactRefStable, FactMaxAliases, FactDomains, FactDeletedBlocks, FactAttributes:
		return true
	}
	return false
}

// advice says what to do about it, "" where there is nothing to say.
func (c Cause) advice() string { return causes[c].advice }

// message says what a cause says of a rejection.
func (r *Rejection) causeMessage(n Names) string {
	row, known := causes[r.Cause]
	if !known {
		return "the console cannot hold the account as the directory wants it"
	}
	text := row.message(r, n)
	if r.Cause.isFact() {
		text += " (fact " + string(r.Cause) + ")"
	}
	return text
}

package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Reason says why a claim, or a change, is rejected.
type Reason uint8

// The reasons in the order in which they are listed.
const (
	noReason Reason = iota
	AliasRejected
	PrimaryRejected
	AliasMalformed
	PrimaryMalformed
	ProtectedDeactivation
	ProtectedPrimaryToAlias
	ProtectedMove
	UnknownDomain
	PreexistingAddress
	LocalPrimaryNotAdopted
	NoValidPrimary
	OtherDirectory
	PublicAddress
	LegalHold
	AttributeTooLong
	GUIDChanged
	MissingGUID
	PrerequisiteMissing
	ConsoleUnsupported
	Reasons int = iota // one more than there are
)

// reasons has a row for each reason: its name in plans, what it stands for as a
// heading, the rule that gives it, what is rejected and who stands in the way in one
// sentence, what to do about it, and what proposes how, if anything can.
var reasons = [Reasons]struct {
	name, meaning   string
	rule            Rule
	message, remedy func(r *Rejection, n Names) string
	fix             func(x *explainer, r *Rejection)
}{
	AliasRejected: {
		name: "alias_rejected", meaning: "alias claimed by several entries, or another entry's primary", rule: RuleContest, fix: (*explainer).share,
		message: func(r *Rejection, n Names) string { return "the alias is also listed by " + r.others(n) },
		remedy:  always("leave the alias with one of the entries"),
	},
	PrimaryRejected: {
		name: "primary_rejected", meaning: "primary claimed by several entries", rule: RuleContest, fix: (*explainer).share,
		message: func(r *Rejection, n Names) string {
			return "the primary is also claimed by " + r.others(n) + ", so it is unclear whose it is"
		},
		remedy: always("leave the primary with one entry and give the others their own"),
	},
	AliasMalformed: {
		name: "alias_malformed", meaning: "invalid alias address", rule: RuleValue, fix: (*explainer).take,
		message: func(r *Rejection, _ Names) string { return "the alias is not a valid mail address: " + r.fault() },
		remedy:  always("correct or remove the value in the directory"),
	},
	PrimaryMalformed: {
		name: "primary_malformed", meaning: "invalid primary address", rule: RuleValue, fix: (*explainer).take,
		message: func(r *Rejection, _ Names) string { return "the primary is not a valid mail address: " + r.fault() },
		remedy:  always("correct or remove the value in the directory"),
	},
	ProtectedDeactivation: {
		name: "protected_deactivation", meaning: "protected address no longer in the directory", rule: RuleAccount, fix: (*explainer).restore,
		message: func(r *Rejection, n Names) string {
			switch {
			case r.Wanted != "":
				return fmt.Sprintf("%s no longer lists the protected primary and declares %s; the primary stays", r.Other.text(n), n.address(r.Wanted))
			case r.Other.Kind == EntryParty:
				return r.Other.text(n) + " no longer lists the protected address; it stays"
			case r.Address == r.Primary:
				return "the account no longer has a directory entry; it stays because protected addresses depend on it"
			}
			return fmt.Sprintf("account %s no longer has a directory entry; the protected address stays on it", n.address(r.Primary))
		},
		remedy: restore,
	},
	ProtectedPrimaryToAlias: {
		name: "protected_primary_to_alias", meaning: "protected primary that would become an alias", rule: RuleHolder, fix: (*explainer).restore,
		message: func(r *Rejection, n Names) string {
			if r.Wanted != "" {
				wanted := n.address(r.Wanted)
				return fmt.Sprintf("%s makes %s its primary; the protected primary stays, and %s becomes an alias", r.Other.text(n), wanted, wanted)
			}
			return "the address is the protected primary of " + r.others(n) + " and would become an alias of another account"
		},
		remedy: func(r *Rejection, n Names) string {
			if r.Wanted != "" {
				return restore(r, n)
			}
			return takeBack(r, n)
		},
	},
	ProtectedMove: {
		name: "protected_move", meaning: "protected address that would move to another account", rule: RuleHolder, fix: (*explainer).take,
		message: func(r *Rejection, n Names) string { return "the address is protected and stays with " + r.others(n) },
		remedy:  takeBack,
	},
	UnknownDomain: {
		name: "unknown_domain", meaning: "domain not among those of the scope", rule: RuleValue, fix: (*explainer).take,
		message: func(r *Rejection, n Names) string {
			return fmt.Sprintf("%s is neither a domain of scope %s nor an alias of one", domainOf(n.address(r.Address)), quote(r.Scope))
		},
		remedy: func(r *Rejection, n Names) string {
			if routing := r.Routing(); routing != "" {
				return fmt.Sprintf("it only routes mail: declare domain %s { ignore = true }, and such addresses are skipped", quote(routing))
			}
			return fmt.Sprintf("declare domain %s and add it to the domains of scope %s, or remove the address from the directory", quote(domainOf(n.address(r.Address))), quote(r.Scope))
		},
	},
	PreexistingAddress: {
		name: "preexisting_address", meaning: "address of another account, which keeps it", rule: RuleHolder, fix: (*explainer).share,
		message: func(r *Rejection, n Names) string {
			return "the address belongs to " + r.others(n) + ", which keeps it"
		},
		remedy: func(r *Rejection, n Names) string {
			switch {
			case r.Other.Owner != "":
				return leaveToOwner(r)
			case r.Other.Kind == AccountParty && r.Other.Directory == "":
				return "give the entry another address; or remove this one from the local account, or let an entry that has no account yet declare the account's primary in a scope with adopt = true"
			}
			return "give the entry another address; or, if the address is to move, remove it first from the entry of " + r.Other.name(n)
		},
	},
	LocalPrimaryNotAdopted: {
		name: "local_primary_not_adopted", meaning: "alias of a local account that is not adopted", rule: RuleHolder, fix: (*explainer).take,
		message: func(r *Rejection, n Names) string {
			return "the address is an alias of " + r.others(n) + ", whose primary is not adopted"
		},
		remedy: func(r *Rejection, n Names) string {
			if r.Other.Owner != "" {
				return leaveToOwner(r)
			}
			return fmt.Sprintf("let an entry declare %s as its primary in a scope with adopt = true, or remove the alias from the local account", r.Other.name(n))
		},
	},
	NoValidPrimary: {
		name: "no_valid_primary", meaning: "entry without a valid primary", rule: RulePrimary,
		message: func(r *Rejection, n Names) string {
			if r.Other.Kind == NoParty {
				return "none of the entry's addresses can be its primary, so all are rejected"
			}
			return "the entry has no primary left because of " + r.others(n) + ", so all its addresses are rejected"
		},
		remedy: always("give the entry a primary of its own in a domain of its scope"),
	},
	OtherDirectory: {
		name: "other_directory", meaning: "address of an account of another directory", rule: RuleHolder, fix: (*explainer).share,
		message: func(r *Rejection, n Names) string {
			what := "the address or the entry's GUID"
			if r.Address == r.Other.Name {
				what = "the address"
			}
			return what + " belongs to " + r.others(n)
		},
		remedy: always("give the entry another address; or, if both are one person, leave one of the two objects out of its scope by a filter"),
	},
	PublicAddress: {
		name: "public_address", meaning: "public address that does not go with the primary", rule: RulePublic, fix: (*explainer).take,
		message: func(r *Rejection, n Names) string {
			return fmt.Sprintf("addresses in the public domain %s cannot be aliases of %s", domainOf(r.Address), n.address(r.Primary))
		},
		remedy: always("add the primary's domain to alias_for of the public domain, or remove the address from the directory"),
	},
	LegalHold: {
		name: "legal_hold", meaning: "account on legal hold", rule: RuleAccount,
		message: func(r *Rejection, n Names) string {
			hold := "legal hold " + quote(r.Guard)
			switch {
			case r.Attribute != "":
				return fmt.Sprintf("%s keeps the account unchanged; the directory has another %s", hold, r.Attribute)
			case r.Other.Kind == AccountParty && r.Other.Name == r.Primary:
				return hold + " keeps the address; the account no longer has a directory entry"
			case r.Other.Kind == AccountParty:
				return "the address belongs to " + r.others(n) + ", which " + hold + " keeps unchanged"
			}
			return hold + " keeps the account unchanged, against what " + r.others(n) + " lists"
		},
		remedy: func(r *Rejection, _ Names) string {
			return fmt.Sprintf("no action while the hold lasts; otherwise take the address out of legal_hold %s", quote(r.Guard))
		},
	},
	AttributeTooLong: {
		name: "attribute_too_long", meaning: "attribute value over its maximum length", rule: RuleAccount,
		message: func(r *Rejection, _ Names) string {
			limit := "the limit"
			if r.Cause != "" {
				limit += " of the console"
			}
			return fmt.Sprintf("%s has %s characters, and %s is %s; the old value stays", r.Attribute, Thousands(r.Length), Thousands(r.Limit), limit)
		},
		remedy: func(r *Rejection, _ Names) string {
			return fmt.Sprintf("shorten the value in the directory, or raise max_length of scope %s if the console allows longer ones", quote(r.Scope))
		},
	},
	GUIDChanged: {
		name: "guid_changed", meaning: "GUID no longer in the directory", rule: RuleDeclared, fix: (*explainer).rebind,
		message: func(r *Rejection, n Names) string {
			return fmt.Sprintf("%s is bound to a GUID that the directory no longer has; the entry's is %s", r.others(n), n.guid(r.GUID))
		},
		remedy: func(r *Rejection, n Names) string {
			return fmt.Sprintf("if it is the same person: rollcall state rebind %s %s, or on_guid_change = \"rebind\" in scope %s for all of them", r.Other.name(n), n.guid(r.GUID), quote(r.Scope))
		},
	},
	MissingGUID: {
		name: "missing_guid", meaning: "entry without a GUID of its own", rule: RuleObject,
		message: func(r *Rejection, n Names) string {
			if r.Other.Kind == NoParty {
				return "the entry has no GUID in " + cmp.Or(r.Attribute, "objectGUID or entryUUID") + ", so no account can be bound to it"
			}
			return "the entry shares its GUID with " + r.others(n)
		},
		remedy: func(r *Rejection, _ Names) string {
			switch {
			case r.Other.Kind != NoParty:
				return "remove one of the two objects, or set guid_attribute to an attribute that is unique"
			case r.Attribute != "":
				return fmt.Sprintf("give the entry a value in %s, or name another attribute in guid_attribute of scope %s", r.Attribute, quote(r.Scope))
			}
			return fmt.Sprintf("let the account that reads the directory see objectGUID or entryUUID, or name another attribute in guid_attribute of scope %s: 389 Directory Server has nsUniqueId", quote(r.Scope))
		},
	},
	PrerequisiteMissing: {
		name: "prerequisite_missing", meaning: "entry that another system does not have yet", rule: RulePrerequisite,
		message: func(r *Rejection, n Names) string {
			text := fmt.Sprintf("%s does not list the entry yet, as prerequisite %s requires", r.Other.text(n), quote(r.Guard))
			if !r.Since.IsZero() && !r.New {
				text += "; it has waited since " + r.Since.UTC().Format(time.DateOnly)
			}
			if r.Overdue {
				text += ", which is overdue"
			}
			return text
		},
		remedy: func(r *Rejection, n Names) string {
			return fmt.Sprintf("create it in %s, with %s in %s; the next run looks again", r.Other.text(n), r.awaited(n), r.Attribute)
		},
	},
	ConsoleUnsupported: {
		name: "console_unsupported", meaning: "account that the console cannot hold", rule: RuleConsole,
		message: func(r *Rejection, n Names) string { return r.causeMessage(n) },
		remedy:  always("change the entry, or let the console have such accounts"),
	},
}

// String returns the name by which plans speak of the reason.
func (r Reason) String() string { return reasons[r].name }

// Meaning is what the reason stands for, as a heading over what is rejected.
func (r Reason) Meaning() string { return reasons[r].meaning }

// parseReason reads the name of a reason.
func parseReason(name string) (Reason, error) {
	for r := noReason + 1; int(r) < Reasons; r++ {
		if reasons[r].name == name {
			return r, nil
		}
	}
	return noReason, fmt.Errorf("unknown reason %q", name)
}

// Message says in one sentence what is rejected and who stands in the way.
func (r *Rejection) Message(n Names) string {
	text := reasons[r.Reason].message(r, n)
	if r.Cause != "" && !r.Cause.isFact() && r.Reason != ConsoleUnsupported {
		text += ": " + r.causeMessage(n)
	}
	return text
}

// Remedy says what to do about it.
func (r *Rejection) Remedy(n Names) string {
	if advice := r.Cause.advice(); advice != "" {
		return advice
	}
	return reasons[r.Reason].remedy(r, n)
}

func always(text string) func(*Rejection, Names) string {
	return func(*Rejection, Names) string { return text }
}

func restore(r *Rejection, _ Names) string {
	return fmt.Sprintf("restore it in the directory, or take it out of protected %s if the change is wanted", quote(r.Guard))
}

func takeBack(r *Rejection, _ Names) string {
	return fmt.Sprintf("take it from the entry, or out of protected %s if the change is wanted", quote(r.Guard))
}

func leaveToOwner(r *Rejection) string {
	return fmt.Sprintf("give the entry another address; or let configuration %s remove this one from the account", quote(r.Other.Owner))
}

// awaited is what the other system must list, as the prerequisite matches it.
func (r *Rejection) awaited(n Names) string {
	switch r.Match {
	case MatchAddress:
		return n.address(cmp.Or(r.Primary, r.Address)) + " or another of its addresses"
	case MatchGUID:
		if r.GUID.Named() {
			return "what the entry has in guid_attribute"
		}
		return "the GUID " + n.guid(r.GUID)
	case MatchUsername:
		if r.Detail == "" {
			return "the entry's username, which it lacks,"
		}
		return named(n.Detail, r.Detail)
	}
	if r.Primary == "" {
		return "the entry's primary, which it lacks,"
	}
	return n.address(r.Primary)
}

// fault says why the rejected text is no mail address.
func (r *Rejection) fault() string {
	if _, err := identity.ParseAddress(r.Address); err != nil {
		return err.Error()
	}
	return "not well-formed"
}

// others names all who stand in the way.
func (r *Rejection) others(n Names) string {
	text := r.Other.text(n)
	switch more := r.Other.More; {
	case more == 1:
		text += " and another entry"
	case more > 1:
		text += fmt.Sprintf(" and %s more entries", Thousands(more))
	}
	return text
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

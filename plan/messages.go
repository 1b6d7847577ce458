package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Meaning says in plain words what a reason stands for.
func (r Reason) Meaning() string {
	switch r {
	case AliasRejected:
		return "aliases that several entries list, or that are another entry's primary"
	case PrimaryRejected:
		return "primaries that several entries declare"
	case AliasMalformed:
		return "aliases that are no mail addresses"
	case PrimaryMalformed:
		return "primaries that are no mail addresses"
	case ProtectedDeactivation:
		return "protected addresses that the directory has no more"
	case ProtectedPrimaryToAlias:
		return "protected primaries that would become aliases"
	case ProtectedMove:
		return "protected addresses that would go to another account"
	case UnknownDomain:
		return "addresses in domains that their scope does not take"
	case PreexistingAddress:
		return "addresses that belong to an account that keeps them"
	case LocalPrimaryNotAdopted:
		return "aliases of local accounts that are not adopted"
	case NoValidPrimary:
		return "addresses of entries for which no primary is left"
	case OtherDirectory:
		return "addresses that belong to an account of another directory"
	case PublicAddress:
		return "public addresses that do not go with their entry's primary"
	case LegalHold:
		return "addresses and accounts on legal hold"
	case AttributeTooLong:
		return "attribute values over their limit"
	case GUIDChanged:
		return "accounts whose GUID the directory has no more"
	case MissingGUID:
		return "entries without a GUID of their own"
	case ConsoleUnsupported:
		return "addresses of accounts that the console cannot hold"
	}
	return ""
}

// Message says in one sentence what is refused and who stands in the way.
func (r *Rejection) Message() string {
	text := r.message()
	if r.Cause != "" && !r.Cause.isFact() && r.Reason != ConsoleUnsupported {
		text += ": " + r.causeMessage()
	}
	return text
}

func (r *Rejection) message() string {
	other := r.Other.text()
	if r.Other.More == 1 {
		other += " and another entry"
	} else if r.Other.More > 1 {
		other += fmt.Sprintf(" and %d more entries", r.Other.More)
	}
	switch r.Reason {
	case AliasRejected:
		return "the alias is listed by " + other + " too"
	case PrimaryRejected:
		return "the primary is declared by " + other + " too, so nobody can tell whose it is"
	case AliasMalformed, PrimaryMalformed:
		why := "not well-formed"
		if _, err := identity.ParseAddress(r.Address); err != nil {
			why = err.Error()
		}
		role := "alias"
		if r.Reason == PrimaryMalformed {
			role = "primary"
		}
		return "the " + role + " is no mail address: " + why
	case ProtectedDeactivation:
		switch {
		case r.Wanted != "":
			return fmt.Sprintf("%s no longer lists the protected primary and declares %s; the primary stays", r.Other.text(), r.Wanted)
		case r.Other.Kind == EntryParty:
			return r.Other.text() + " no longer lists the protected address; it stays"
		case r.Address == r.Primary:
			return "no entry stands behind the account any more; it stays because protected addresses depend on it"
		}
		return fmt.Sprintf("no entry stands behind account %s any more; the protected address stays on it", r.Primary)
	case ProtectedPrimaryToAlias:
		if r.Wanted != "" {
			return fmt.Sprintf("%s makes %s its primary; the protected primary stays, and %s becomes an alias", r.Other.text(), r.Wanted, r.Wanted)
		}
		return "the address is the protected primary of " + other + " and would become an alias of another account"
	case ProtectedMove:
		return "the address is protected and stays with " + other
	case UnknownDomain:
		domain := r.Address[strings.LastIndexByte(r.Address, '@')+1:]
		return fmt.Sprintf("%s is neither a domain of scope %s nor an alias of one", domain, quote(r.Scope))
	case PreexistingAddress:
		return "the address belongs to " + other + ", which keeps it"
	case LocalPrimaryNotAdopted:
		return "the address is an alias of " + other + ", whose primary is not adopted"
	case NoValidPrimary:
		if r.Other.Kind == NoParty {
			return "no address of the entry may be its primary, so that all are refused"
		}
		return "the entry has no primary left because of " + other + ", so that all its addresses are refused"
	case OtherDirectory:
		return "the address or its GUID is attached to " + other
	case PublicAddress:
		domain := r.Address[strings.LastIndexByte(r.Address, '@')+1:]
		return fmt.Sprintf("addresses in the public domain %s may not be aliases of %s", domain, r.Primary)
	case LegalHold:
		return r.holdMessage(other)
	case AttributeTooLong:
		limit := "the limit"
		if r.Cause != "" {
			limit += " of the console"
		}
		return fmt.Sprintf("%s has %d characters, and %d is %s; the old value stays", r.Attribute, r.Length, r.Limit, limit)
	case GUIDChanged:
		return fmt.Sprintf("%s is bound to a GUID that the directory no longer has; the entry's is %s", other, r.GUID)
	case MissingGUID:
		if r.Other.Kind == NoParty {
			return "the entry has no GUID in " + cmp.Or(r.Attribute, "objectGUID or entryUUID") + ", so nothing can be bound to it"
		}
		return "the entry shares its GUID with " + other
	case ConsoleUnsupported:
		return r.causeMessage()
	}
	return ""
}

func (r *Rejection) holdMessage(other string) string {
	hold := "legal hold " + quote(r.Guard)
	switch {
	case r.Attribute != "":
		return fmt.Sprintf("%s keeps the account as it is; the directory has another %s", hold, r.Attribute)
	case r.Other.Kind == AccountParty && r.Other.Name == r.Primary:
		return hold + " keeps the address; no entry stands behind the account any more"
	case r.Other.Kind == AccountParty:
		return "the address belongs to " + other + ", which " + hold + " keeps as it is"
	}
	return hold + " keeps the account as it is, against what " + other + " lists"
}

// Remedy says what to do about it.
func (r *Rejection) Remedy() string {
	if advice := r.Cause.advice(); advice != "" {
		return advice
	}
	if r.Other.Owner != "" && (r.Reason == PreexistingAddress || r.Reason == LocalPrimaryNotAdopted) {
		return fmt.Sprintf("give the entry another address; or let configuration %s remove this one from the account", quote(r.Other.Owner))
	}
	switch r.Reason {
	case AliasRejected:
		return "leave the alias with one of the entries"
	case PrimaryRejected:
		return "leave the primary with one entry and give the others their own"
	case AliasMalformed, PrimaryMalformed:
		return "correct or remove the value in the directory"
	case ProtectedDeactivation, ProtectedPrimaryToAlias, ProtectedMove:
		return fmt.Sprintf("restore it in the directory, or take it out of protected %s if the change is wanted", quote(r.Guard))
	case UnknownDomain:
		if routing := r.Routing(); routing != "" {
			return fmt.Sprintf("it only routes mail: declare domain %s { ignore = true }, and no such address is looked at", quote(routing))
		}
		domain := r.Address[strings.LastIndexByte(r.Address, '@')+1:]
		return fmt.Sprintf("declare domain %s and add it to the domains of scope %s, or remove the address from the directory", quote(domain), quote(r.Scope))
	case PreexistingAddress:
		if r.Other.Kind == AccountParty && r.Other.Directory == "" {
			return "give the entry another address; or remove this one from the local account, or let an entry that has no account yet declare the account's primary in a scope with adopt = true"
		}
		return fmt.Sprintf("give the entry another address; or, if the address is to move, remove it first from the entry of %s", r.Other.Name)
	case LocalPrimaryNotAdopted:
		return fmt.Sprintf("let an entry declare %s as its primary in a scope with adopt = true, or remove the alias from the local account", r.Other.Name)
	case NoValidPrimary:
		return "give the entry a primary of its own in a domain of its scope"
	case OtherDirectory:
		return "give the entry another address; or, if both are one person, remove the object from one of the directories, and read both in the same run"
	case PublicAddress:
		return "add the primary's domain to alias_for of the public domain, or remove the address from the directory"
	case LegalHold:
		return fmt.Sprintf("nothing, while the hold lasts; otherwise take the address out of legal_hold %s", quote(r.Guard))
	case AttributeTooLong:
		return fmt.Sprintf("shorten the value in the directory, or raise max_length of scope %s if the console takes longer ones", quote(r.Scope))
	case GUIDChanged:
		return fmt.Sprintf("if it is the same person: rollcall state rebind %s %s, or on_guid_change = \"rebind\" in scope %s for all of them", r.Other.Name, r.GUID, quote(r.Scope))
	case MissingGUID:
		switch {
		case r.Other.Kind != NoParty:
			return "remove one of the two objects, or set guid_attribute to an attribute that is unique"
		case r.Attribute != "":
			return fmt.Sprintf("give the entry a value in %s, or name another attribute in guid_attribute of scope %s", r.Attribute, quote(r.Scope))
		}
		return fmt.Sprintf("let the account that reads the directory see objectGUID or entryUUID, or name another attribute in guid_attribute of scope %s: 389 Directory Server has nsUniqueId", quote(r.Scope))
	case ConsoleUnsupported:
		return "change the entry, or let the console have such accounts"
	}
	return ""
}

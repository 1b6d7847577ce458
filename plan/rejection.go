package plan

import (
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// PartyKind says what stands in the way of a rejected address.
type PartyKind uint8

const (
	NoParty PartyKind = iota
	EntryParty
	AccountParty
	DirectoryParty
)

// Party is the other side of a rejection: an entry by its DN, an account by its
// primary, or a directory by its label.
type Party struct {
	Kind PartyKind
	// Name is the entry's DN, the account's primary, or the directory's label.
	Name string
	// Directory is the label of its directory, "" for a local account. Owner is the
	// configuration that an account belongs to which is not of this one.
	Directory, Owner string
	// More counts further parties of the same kind that also stand in the way.
	More int
}

// Rejection is one row. The sentences that explain it are derived from its
// fields: see Message and Remedy.
type Rejection struct {
	// Address is normalised, or, malformed, as it was listed in lower case and
	// without prefix.
	Address string
	// Primary is the primary of the entry or account that the row is about, ""
	// where it has none.
	Primary   string
	DN        string
	Directory string
	Scope     string
	// Other is who stands in the way.
	Other Party
	// Guard is the label of the protected, legal_hold or prerequisite block that
	// speaks.
	Guard string
	// Attribute, Limit and Length belong to attribute_too_long; Limit and
	// Length are in characters. Attribute names the values that a legal hold
	// keeps, too, the attribute in which missing_guid found no GUID, and that in
	// which the directory of a prerequisite has what Match says.
	Attribute     string
	Limit, Length int
	// Wanted is the primary that the entry would have in place of a protected
	// one.
	Wanted string
	// Cause is why a console does not take what the directory wants, "" for other
	// reasons, and Detail what it is about: an address, a mark, or a text of the
	// console. For prerequisite_missing it is the username that is awaited. Limit and Length then count aliases.
	Cause  Cause
	Detail string
	GUID   identity.GUID
	Type   identity.Type
	Reason Reason
	Match  Match
	// NoAccount says that the entry has no account, and gets none.
	NoAccount bool
	// New says that the run before did not have the rejection, and Since, in
	// UTC, since when it stands; zero where that is not known. MarkNew sets both.
	New   bool
	Since time.Time
	// Overdue says that the entry has waited for another system longer than its
	// prerequisite says. MarkNew sets it, too.
	Overdue bool
}

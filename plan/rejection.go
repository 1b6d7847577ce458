package plan

import (
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Reason says why a claim, or a change, is refused.
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
	ConsoleUnsupported
	Reasons int = iota // one more than there are
)

var reasonNames = [Reasons]string{
	"", "alias_rejected", "primary_rejected", "alias_malformed", "primary_malformed", "protected_deactivation",
	"protected_primary_to_alias", "protected_move", "unknown_domain", "preexisting_address", "local_primary_not_adopted",
	"no_valid_primary", "other_directory", "public_address", "legal_hold", "attribute_too_long", "guid_changed", "missing_guid",
	"console_unsupported",
}

// String returns the name by which plans speak of the reason.
func (r Reason) String() string { return reasonNames[r] }

// PartyKind says what stands in the way of a rejected address.
type PartyKind uint8

const (
	NoParty PartyKind = iota
	EntryParty
	AccountParty
)

// Party is the other side of a rejection: an entry by its DN, or an account by
// its primary.
type Party struct {
	Kind PartyKind
	// Name is the entry's DN or the account's primary.
	Name string
	// Directory is the label of its directory, "" for a local account. Owner is the
	// configuration that an account belongs to which is not of this one.
	Directory, Owner string
	// More counts further parties of the same kind that also stand in the way.
	More int
}

// Rejection is one refusal. The sentences that explain it are derived from its
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
	// Guard is the label of the protected or legal_hold block that speaks.
	Guard string
	// Attribute, Limit and Length belong to attribute_too_long; Limit and
	// Length are in characters. Attribute names the values that a legal hold
	// keeps, too, and the attribute in which missing_guid found no GUID.
	Attribute     string
	Limit, Length int
	// Wanted is the primary that the entry would have in place of a protected
	// one.
	Wanted string
	// Cause is why a console does not take what the directory wants, "" for other
	// reasons, and Detail what it is about: an address, a mark, or a text of the
	// console. Limit and Length then count aliases.
	Cause  Cause
	Detail string
	GUID   identity.GUID
	Type   identity.Type
	Reason Reason
	// New tells that the run before did not have the rejection, and Since, in
	// UTC, since when it stands; zero where that is not known. Compare sets both.
	New   bool
	Since time.Time
}

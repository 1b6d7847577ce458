package plan

import (
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Plan is the difference between the console as it is and as the directories
// want it, with what is rejected and why.
type Plan struct {
	Header
	// Accounts are the accounts that change, in byte order of their primaries
	// (the one after the change, or else the one before).
	Accounts []AccountChange
	// Changes are the rows of the change set, derived from Accounts; ordered by
	// category, address and the rest of the row.
	Changes []Change
	// Groups are the equal changes among Changes as [Plan.Group] found them last, by
	// category, the largest first.
	Groups []Group
	// Rejections are ordered by reason, address and the rest of the row.
	Rejections []Rejection
	// LeftOut are the rows that the selection leaves out, ordered as Changes;
	// LeftOutAccounts counts the account changes that they are of.
	LeftOut         []LeftOut
	LeftOutAccounts int
	// Strangers are the addresses of the selection that no account holds and no
	// entry lists. They are not saved.
	Strangers []identity.Address
	// Allowances are those of the directories that lose anything, sorted.
	Allowances []Allowance
	// Drift is what was changed in the console otherwise, by kind, primary and
	// field.
	Drift []Drift
	// Ignored counts the addresses that entries list in ignored domains, and
	// IgnoredObjects, by directory, the objects that list no others. These are
	// not saved.
	Ignored        int
	IgnoredObjects map[string]int
	// Ambiguous are the entries that list several possible primaries, in byte
	// order of their DNs. They are not saved.
	Ambiguous []Ambiguity
	// Unchanged counts the accounts that agree with the directories.
	Unchanged int
	// Agreed are the accounts, by index, that were changed in the console otherwise
	// and stay as they are now, since their entries want nothing else. They are not
	// saved.
	Agreed []int32

	// Sums and Spoken are what the input asks for by Count. They are not saved.
	Sums   Sums
	Spoken Spoken

	// Recorded marks the plan that a run had, as far as its record has it: without the
	// reasons of losses.
	Recorded bool

	// Active counts the accounts that were active before, by directory, in byte
	// order; a directory that has none is left out.
	Active []ActiveAccounts
	// WithoutAccount counts the entries that list an address and get no account.
	WithoutAccount int
	// Risks are as they were assessed last, in a fixed order.
	Risks []Risk

	id string // of a plan that was read from its document
}

// Header says where a plan comes from and what it is bound to.
type Header struct {
	// ToolVersion is the version of rollcall that made the plan.
	ToolVersion string
	// Created and Expires are in UTC.
	Created, Expires time.Time
	// ConfigDigest is "sha256:" and the digest of the configuration.
	ConfigDigest string
	// Lineage, Serial and StateSum, the checksum, are those of the state that the
	// plan was made on; "" and 0 where there was none.
	Lineage  string
	Serial   int64
	StateSum string
	// Directories are the receipts of what was read, in declared order.
	Directories []identity.Receipt
	// Unread are the declared directories that were not read in this run.
	Unread []string
	// Prerequisites are the receipts of what other systems list, in declared order.
	Prerequisites []PrerequisiteReceipt
	// Console is the receipt of the console; nil in plans of older versions.
	Console *ConsoleReceipt
	// Undoes is the number of the run that the plan takes back, 0 for a plan of
	// the directories.
	Undoes int
	// Only and Except are the selectors that the plan was made with.
	Only, Except []string
	// Causes say what a mass change comes from, as far as that is known.
	Causes []string
	// Warnings are remarks for the reader of the plan.
	Warnings []string
	// FirstFormat marks a plan that was read from a document of version 1.0. It
	// is there to be read, and cannot be applied.
	FirstFormat bool
	// Redacted marks a plan that has masks in place of what identifies people.
	// It is there to be read, and cannot be applied.
	Redacted bool
}

// AccountChange is one account before and after.
type AccountChange = identity.Change

// ActiveAccounts counts the active accounts of a directory.
type ActiveAccounts struct {
	Directory string
	Accounts  int
}

// Category is the kind of a change row.
type Category uint8

// The categories in the order of the change set.
const (
	Add Category = iota
	Inactive
	PrimaryChange
	DirectorySwitch
	AliasSwitch
	AliasToPrimary
	PrimaryToAlias
	PrimarySwitch
	TypeChange
	UsernameChange
	Adoption
	GUIDChange
	Reactivation
	Removal
	AttributeChange
	Categories int = iota // how many there are
)

var categoryNames = [Categories]string{
	"add", "inactive", "primary_change", "directory_switch", "alias_switch", "alias_to_primary", "primary_to_alias",
	"primary_switch", "type_change", "username_change", "adoption", "guid_change", "reactivation", "removal", "attribute_change",
}

// String returns the name by which plans and flags speak of the category.
func (c Category) String() string { return categoryNames[c] }

// parseCategory reads the name of a category.
func parseCategory(name string) (Category, error) {
	if n := slices.Index(categoryNames[:], name); n >= 0 {
		return Category(n), nil
	}
	return 0, &UnknownError{"category", name}
}

// Change is one row of the change set: what becomes of one address, or of one
// account at its primary.
type Change struct {
	// Address is the subject; account rows stand at the primary after the
	// change.
	Address identity.Address
	// Before is the account that had the address, or the account before the
	// change; nil for an add to an account that is new.
	Before *identity.Account
	// After is the account that has the address, or the account after the
	// change; nil for a record that goes and whose address nobody has.
	After *identity.Account
	// Reason says why an address of an inactive row is lost.
	Reason LossReason
	// Attribute names what changed in an attribute_change: "dn" or the name of
	// an attribute.
	Attribute string
	group     int32 // its place in the Groups of its plan, counted from 1; 0 for none
	Category  Category
	// Withheld marks a loss that a brake keeps from being done.
	Withheld bool
	// Drift marks what takes drift back.
	Drift bool
}

// Row is a change spelled out. Fields that its category does not have are "".
type Row struct {
	Category          Category
	Withheld, Drift   bool
	Address           string
	Type              string
	Directory         string
	NewPrimary        string
	OriginalPrimary   string
	GUID              string
	OriginalGUID      string
	NewGUID           string
	Username          string
	OriginalUsername  string
	NewUsername       string
	DN                string
	OriginalDirectory string
	NewDirectory      string
	OriginalType      string
	NewType           string
	Reason            string
	Attribute         string
	Original          string
	New               string
	DNChange          string
}

// Summary counts what is in a plan.
type Summary struct {
	// Changes counts by category, withheld rows included, and WithheldChanges those.
	Changes, WithheldChanges [Categories]int
	// Rejections counts the rejection rows, Withheld the change rows that a
	// brake withholds, Unchanged the accounts that agree with the directories,
	// Ignored the addresses in ignored domains.
	Rejections, Withheld, Unchanged, Ignored int
	// WithheldAccounts counts the accounts from which a brake withholds a loss.
	WithheldAccounts int
	// LeftOut counts the change rows that the selection leaves out, which
	// Changes does not count, LeftOutAccounts the account changes of them.
	LeftOut, LeftOutAccounts int
	Totals                   Totals
}

// Pending counts the change rows that an apply would commit.
func (s *Summary) Pending() int {
	n := -s.Withheld
	for _, count := range s.Changes {
		n += count
	}
	return n
}

// Expiries are the ends of what the reads of the plan rest on, as far as that is known;
// none for a plan that was saved.
func (p *Plan) Expiries() (all []identity.Expiry) {
	for i := range p.Directories {
		all = append(all, p.Directories[i].Expiries...)
	}
	for i := range p.Prerequisites {
		all = append(all, p.Prerequisites[i].Expiries...)
	}
	if p.Console != nil {
		all = append(all, p.Console.Expiries...)
	}
	return all
}

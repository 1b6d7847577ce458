package plan

import (
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Rules are what the configuration says about the reconciliation, checked and
// resolved: names are lower case where case does not count, and every
// reference has its referent.
type Rules struct {
	// Directories are the labels of the declared directories.
	Directories []string
	Domains     []Domain
	// Scopes are in declared order: an object that two of them match belongs
	// to the first.
	Scopes    []Scope
	Protected []Guard
	Holds     []Guard
	// Prerequisites come in the order in which the first that is not met speaks.
	Prerequisites []Prerequisite
	Limits        Limits
	Risk          RiskRules
}

// Domain is a mail domain, in lower case.
type Domain struct {
	Name string
	// Aliases are rewritten to Name.
	Aliases []string
	// Public marks a domain of the public, such as a free mail provider's,
	// whose addresses are never primaries; AliasFor are the domains of the
	// primaries that they may be aliases of.
	Public   bool
	AliasFor []string
	// Ignore marks a domain whose addresses are skipped as if nobody listed them,
	// such as a routing domain. Its name may be "*." and a domain, for all below
	// that, at any depth, which are not declared themselves.
	Ignore bool
}

// Scope says how the entries of one part of a directory are synchronized.
type Scope struct {
	Name      string
	Directory string
	// Base is the name that all its entries are below. It decides nothing but
	// to which scopes a [Selection] counts an account that has no entry.
	Base identity.DN
	// GUIDAttribute is the attribute of GUIDs that it reads, "" for objectGUID or
	// else entryUUID. It decides nothing, and is there to be named.
	GUIDAttribute string
	// Domains are the names of the declared domains whose addresses it takes.
	Domains []string
	// Adopt lets an entry take over a local account with its primary.
	Adopt bool
	// Rebind lets an entry take over an account whose GUID has vanished.
	Rebind bool
	// MaxLength limits attributes, in characters, by their names; "username"
	// and "display_name" among them.
	MaxLength map[string]int
}

// Guard is a labelled set of addresses: protected ones, or a legal hold.
type Guard struct {
	Label  string
	Reason string
	// Until is the last day of a hold, the zero time where it has none.
	Until     time.Time
	Addresses []identity.Address
}

// Default limits of attribute values in characters; a DN has none.
const (
	maxUsername    = 256
	maxDisplayName = 256
	maxAttribute   = 255
)

// Username is the name by which limits and rejections speak of the username.
const Username = "username"

// Limit returns the most characters that the named attribute may have.
func (s *Scope) Limit(attribute string) int {
	if n, ok := s.MaxLength[attribute]; ok {
		return n
	}
	switch attribute {
	case Username:
		return maxUsername
	case identity.DisplayName:
		return maxDisplayName
	}
	return maxAttribute
}

// Input is everything that a plan depends on.
type Input struct {
	Rules Rules
	// Entries are what the directories returned, in any order, beside Same, which are
	// those that a preview has found to say what an account says. They are read only.
	Entries []identity.Entry
	Same    []identity.Same
	// Accounts are what the console has, in any order. They are read only.
	Accounts []identity.Account
	// Merged is what the accounts were made with, where a console has them: they
	// are then its own, in its order. It is nil where the state is the console.
	Merged *Merged
	// Facts are those of the console.
	Facts Facts
	// Blocked are addresses of accounts that were removed from the console lately,
	// and until when it gives them to nobody.
	Blocked map[identity.Address]time.Time
	// Others are what the directories of the prerequisites list, each at the index
	// of its prerequisite.
	Others []PrerequisiteValues
	// Read are the labels of the directories that were read completely in
	// this run.
	Read []string
	// Selection is the part of the change set that is wanted; all of it if it
	// is empty.
	Selection Selection
	// Now decides which legal holds are over: a hold lasts until its last day
	// has ended in UTC.
	Now time.Time
	// Preview, unless nil, is one of these rules and accounts, and Seen what it has said of
	// each of Entries and Same.
	Preview *Preview
	Seen    []int32
	// Count asks for the sums of the plan, and of whom it has something to say.
	Count bool
	// Rest are the sums of accounts and entries that are not among those above. Nothing
	// is to be said of them, and they have nothing to do with those above.
	Rest *Sums
}

// whole returns an input whose entries are all in Entries.
func (in Input) whole() Input {
	all := slices.Clip(in.Entries)
	for _, s := range in.Same {
		var e identity.Entry
		s.Put(&e)
		all = append(all, e)
	}
	in.Entries, in.Same = all, nil
	return in
}

// Listed are all entries of the input.
func (in *Input) Listed() identity.Entries { return identity.Entries{Whole: in.Entries, Same: in.Same} }

// Over reports whether the guard's last day has ended in UTC.
func (g *Guard) Over(now time.Time) bool {
	return !g.Until.IsZero() && !now.Before(g.Until.AddDate(0, 0, 1))
}

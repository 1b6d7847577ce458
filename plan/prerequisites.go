package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Prerequisite is another system that must list an entry before the entry gets its
// first account. Nothing is taken from an entry that has one.
type Prerequisite struct {
	// Label is that of the block, Directory that of the directory that must list
	// the entry, and Attribute where that has what is compared.
	Label, Directory, Attribute string
	Match                       Match
	// Scopes are the labels of those whose entries wait.
	Scopes []string
	// Overdue is how long an entry may wait before it is pointed out; 0 for ever.
	Overdue time.Duration
}

// Match says what of an entry the other system must list.
type Match uint8

const (
	// MatchPrimary is the declared primary, MatchAddress any well-formed address of
	// the entry, in ignored domains too. Both are compared as accounts have them:
	// in lower case, alias domains rewritten.
	MatchPrimary Match = iota
	MatchAddress
	// MatchGUID is the GUID, in any of its spellings, an immutable ID among them.
	MatchGUID
	// MatchUsername is the username, whose letter case does not count.
	MatchUsername
)

var matchNames = [...]string{"primary", "address", "guid", "username"}

// String returns the name by which the configuration speaks of it.
func (m Match) String() string { return matchNames[m] }

// MatchNames returns the names of all matches, the default first.
func MatchNames() []string { return slices.Clone(matchNames[:]) }

// ParseMatch reads the name of a match.
func ParseMatch(name string) (Match, error) {
	n := slices.Index(matchNames[:], name)
	if n < 0 {
		return 0, fmt.Errorf("unknown match %q", name)
	}
	return Match(n), nil
}

// PrerequisiteValues are what the directory of a prerequisite lists.
type PrerequisiteValues struct{ values []string } // sorted, each once

// Values are those that a directory has in the attribute: addresses without a prefix
// such as "smtp:", and GUIDs as [identity.GUID.String] writes them. What cannot be
// matched is left out. The slice is taken over.
func (m Match) Values(values []string, domains *Domains) PrerequisiteValues {
	kept := values[:0]
	for _, value := range values {
		if value = m.folded(value, domains); value != "" {
			kept = append(kept, value)
		}
	}
	slices.Sort(kept)
	return PrerequisiteValues{slices.Compact(kept)}
}

// Len is how many values there are.
func (v PrerequisiteValues) Len() int { return len(v.values) }

// Has reports whether a value is listed that is written as it is compared: addresses
// as accounts have them, usernames in lower case.
func (v PrerequisiteValues) Has(value string) bool {
	_, found := slices.BinarySearch(v.values, value)
	return value != "" && found
}

// folded returns the text by which a value is compared, "" where it cannot be what
// is matched.
func (m Match) folded(value string, domains *Domains) string {
	switch m {
	case MatchPrimary, MatchAddress:
		a, err := identity.ParseAddress(value)
		if err != nil {
			return ""
		}
		return domains.Canonical(a).String()
	case MatchUsername:
		return strings.ToLower(value)
	}
	return value
}

// PrerequisiteReceipt says what was read for a prerequisite.
type PrerequisiteReceipt struct {
	Name, Directory, Attribute string
	// Server names what answered: a URL, or the files that were read.
	Server string
	// Scanned counts the objects that were looked at, Listed the different values.
	Scanned, Listed int
	// Seconds is how long the read took.
	Seconds float64
	// Expiries are the ends of what the read rests on, as far as that is known. They are
	// not saved.
	Expiries []identity.Expiry
}

func (r *PrerequisiteReceipt) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "name", r.Name)
	b = appendMember(b, ", ", "directory", r.Directory)
	b = appendMember(b, ", ", "attribute", r.Attribute)
	b = appendMember(b, ", ", "server", r.Server)
	return fmt.Appendf(b, `, "scanned": %d, "listed": %d, "seconds": %.3f}`, r.Scanned, r.Listed, r.Seconds)
}

// awaitOthers rejects whole the entries that other systems must list first and do
// not: those that have no account, and whose primary no account has that they
// would take over.
func (e *engine) awaitOthers() {
	if len(e.in.Rules.Prerequisites) == 0 {
		return
	}
	waits := make([][]int32, len(e.scopes))
	for s := range e.scopes {
		for n := range e.in.Rules.Prerequisites {
			if slices.Contains(e.in.Rules.Prerequisites[n].Scopes, e.scopes[s].Name) {
				waits[s] = append(waits[s], int32(n))
			}
		}
	}
	for i := range e.entries {
		t := &e.entries[i]
		if t.account != none || t.whole != noReason || t.flags&dropped != 0 {
			continue
		}
		for _, n := range waits[e.in.Entries[i].Scope] {
			if !e.listedFor(int32(i), n) {
				e.rejectWhole(int32(i), PrerequisiteMissing, n, false)
				break
			}
		}
	}
}

// listedFor reports whether the directory of prerequisite n lists entry i.
func (e *engine) listedFor(i, n int32) bool {
	in, match, other := e.said(i), e.in.Rules.Prerequisites[n].Match, e.in.Others[n]
	switch match {
	case MatchPrimary:
		t := &e.entries[i]
		return t.declared != none && other.Has(e.text(t.declared).String())
	case MatchAddress:
		lists := func(text string) bool { return other.Has(match.folded(text, e.domains)) }
		return slices.ContainsFunc(in.Primaries, lists) || slices.ContainsFunc(in.Aliases, lists)
	case MatchGUID:
		return !in.GUID.IsZero() && other.Has(in.GUID.String())
	}
	return other.Has(match.folded(in.Username, e.domains))
}

// Overdue says in a sentence which entries have waited too long; "" for none.
func (p *Plan) Overdue() string {
	seen, first := map[string]bool{}, (*Rejection)(nil)
	for i := range p.Rejections {
		r := &p.Rejections[i]
		if !r.Overdue {
			continue
		}
		seen[r.Directory+" "+r.object()] = true
		if first == nil || r.Since.Before(first.Since) {
			first = r
		}
	}
	if first == nil {
		return ""
	}
	return fmt.Sprintf("%s waited too long for another directory: the first is %s, which directory %q has not listed since %s",
		several(len(seen), "entry has", "entries have"), first.DN, first.Other.Directory, first.Since.UTC().Format(time.DateOnly))
}

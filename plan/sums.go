package plan

import (
	"maps"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Sums are what a plan counts. Those of accounts and entries that have nothing to do with
// the others are the sums of all without those of the others.
type Sums struct {
	Accounts int `json:"accounts"`
	Local    int `json:"local"`
	// Unchanged, Ignored and WithoutAccount are those of a [Plan].
	Unchanged      int `json:"unchanged"`
	Ignored        int `json:"ignored"`
	WithoutAccount int `json:"without_account"`
	// IgnoredObjects and Active are those of a [Plan], Recorded the active accounts, by
	// the directories that the accounts name, and InService those that no change is of, by whom they count for.
	IgnoredObjects map[string]int       `json:"ignored_objects"`
	Active         map[string]int       `json:"active"`
	Recorded       map[string]int       `json:"recorded"`
	InService      map[string]InService `json:"in_service"`
	// Changes count the accounts that change, Rejections and Ambiguous are how many
	// there are.
	Changes    int `json:"changes"`
	Rejections int `json:"rejections"`
	Ambiguous  int `json:"ambiguous"`
}

// InService counts accounts in service, and their addresses.
type InService struct {
	Accounts  int `json:"accounts"`
	Addresses int `json:"addresses"`
}

// Without returns the sums of what is left without a part.
func (s Sums) Without(part *Sums) Sums { return s.plus(part, -1) }

// plus returns the sums with those of a part, so many times.
func (s Sums) plus(part *Sums, times int) Sums {
	s.Accounts, s.Local = s.Accounts+times*part.Accounts, s.Local+times*part.Local
	s.Unchanged, s.Ignored, s.WithoutAccount = s.Unchanged+times*part.Unchanged, s.Ignored+times*part.Ignored, s.WithoutAccount+times*part.WithoutAccount
	s.Changes, s.Rejections, s.Ambiguous = s.Changes+times*part.Changes, s.Rejections+times*part.Rejections, s.Ambiguous+times*part.Ambiguous
	count := func(n, of int) int { return n + times*of }
	s.IgnoredObjects, s.Active, s.Recorded = both(s.IgnoredObjects, part.IgnoredObjects, count), both(s.Active, part.Active, count), both(s.Recorded, part.Recorded, count)
	s.InService = both(s.InService, part.InService, func(n, of InService) InService {
		return InService{n.Accounts + times*of.Accounts, n.Addresses + times*of.Addresses}
	})
	return s
}

// both puts the counts of a part to others; what comes to nothing is left out.
func both[T comparable](counts, part map[string]T, put func(n, of T) T) map[string]T {
	all := maps.Clone(counts)
	for name, of := range part {
		var nothing T
		if all[name] = put(all[name], of); all[name] == nothing {
			delete(all, name)
		}
	}
	return all
}

// Quiet reports whether nothing is to be said of any of what is counted.
func (s *Sums) Quiet() bool {
	return s.Changes == 0 && s.Rejections == 0 && s.Ambiguous == 0 && s.WithoutAccount == 0
}

// Spoken are the entries and accounts of which a plan has something to say, by their
// indexes in the input.
type Spoken struct{ Entries, Accounts []int32 }

// sums counts a plan of which so many accounts change.
func (e *engine) sums(p *Plan, changed int) Sums {
	s := Sums{
		Accounts: len(e.in.Accounts), Unchanged: p.Unchanged, Ignored: p.Ignored, WithoutAccount: p.WithoutAccount,
		IgnoredObjects: map[string]int{}, Active: map[string]int{}, Recorded: map[string]int{}, InService: map[string]InService{},
		Changes: changed, Rejections: len(p.Rejections), Ambiguous: len(p.Ambiguous),
	}
	maps.Copy(s.IgnoredObjects, p.IgnoredObjects)
	for _, a := range p.Active {
		s.Active[a.Directory] = a.Accounts
	}
	for _, a := range activeBy(e.in.Accounts, func(i int) string { return e.in.Accounts[i].Directory }) {
		s.Recorded[a.Directory] = a.Accounts
	}
	changing := make(map[*identity.Account]bool, len(p.Accounts))
	for i := range p.Accounts {
		changing[p.Accounts[i].Before] = true
	}
	for i := range e.in.Accounts {
		a := &e.in.Accounts[i]
		s.Local += boolInt(a.Local())
		if !a.Active() || changing[a] {
			continue
		}
		if name := e.countsFor(i); name != "" {
			n := s.InService[name]
			s.InService[name] = InService{n.Accounts + 1, n.Addresses + 1 + len(a.Aliases)}
		}
	}
	return s
}

// spoken lists of whom the plan has something to say.
func (e *engine) spoken() Spoken {
	is := make([]bool, len(e.entries))
	for i := range e.entries {
		t := &e.entries[i]
		is[i] = t.whole != noReason || t.stuck() || slices.ContainsFunc(e.claims[t.first:t.end], func(c claim) bool { return c.reason != noReason })
	}
	for i := range e.rejected {
		is[e.rejected[i].entry] = true
	}
	for _, i := range e.served {
		is[i] = true
	}
	for _, a := range e.ambiguous {
		is[a.entry] = true
	}
	var s Spoken
	for i := range is {
		if is[i] {
			s.Entries = append(s.Entries, int32(i))
		}
	}
	s.Accounts = e.speaking
	return s
}

// count adds the sums of what the plan was not made of.
func (p *Plan) count(rest *Sums) {
	p.Unchanged, p.Ignored, p.WithoutAccount = p.Unchanged+rest.Unchanged, p.Ignored+rest.Ignored, p.WithoutAccount+rest.WithoutAccount
	for name, n := range rest.IgnoredObjects {
		if p.IgnoredObjects == nil {
			p.IgnoredObjects = map[string]int{}
		}
		p.IgnoredObjects[name] += n
	}
	active := map[string]int{}
	for name, n := range rest.Active {
		active[name] = n
	}
	for _, a := range p.Active {
		active[a.Directory] += a.Accounts
	}
	p.Active = nil
	for _, name := range slices.Sorted(maps.Keys(active)) {
		p.Active = append(p.Active, ActiveAccounts{name, active[name]})
	}
}

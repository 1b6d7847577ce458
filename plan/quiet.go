package plan

import (
	"math"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Most accounts are as their entries want them, and have to do with no others: they are
// quiet. A plan has nothing to say of them, and only counts them. Where a preview has found
// them, the plan is made of the others alone.
//
//	entries, accounts ──> those that are in no pair that says the same
//	                       │ + pairs that have an address or the GUID of one of those entries,
//	                       │   or an address that the rules name
//	                       v
//	                      part ──> its plan ──┐
//	the others ──> sums of them ──────────────┴─> plan of all
//
// No more comes to the part by these pairs: no two accounts hold one address.

// Marks of an account in place of the entry that wants it as it is.
const (
	unpaired = -1 - iota // no entry does
	taken                // it is in the part
)

// split takes an input apart into what a plan has to be made of, and what is quiet.
type split struct {
	*Input
	wants  []int32     // of each account, the entry that wants it as it is, or a mark
	paired []InService // of each scope, the accounts that an entry of it wants as they are

	part Input
	rest Sums
	// entries and accounts are the indexes in the input of those in the part.
	entries, accounts []int32
}

// splits reports whether what is quiet can be told from the rest by pairs: what a console
// cannot keep is found otherwise.
func (in *Input) splits() bool {
	return in.Preview != nil && len(in.Seen) == len(in.Entries)+len(in.Same) && max(len(in.Seen), len(in.Accounts)) <= math.MaxInt32 && in.Merged == nil && in.Rest == nil &&
		!in.Facts.restricts() && len(in.Facts.Lengths)+len(in.Blocked) == 0
}

// computeSplit makes the plan of an input that splits.
func computeSplit(in *Input) (*Plan, error) {
	s := &split{Input: in, wants: slices.Repeat([]int32{unpaired}, len(in.Accounts)), paired: make([]InService, len(in.Rules.Scopes))}
	s.pair()
	s.meet()
	s.assemble()
	e, err := newEngine(s.part)
	if err != nil {
		return nil, err
	}
	p, err := e.compute()
	if err != nil || !in.Count {
		return p, err
	}
	p.Sums = p.Sums.plus(&s.rest, 1)
	for _, indexes := range [...]struct{ of, from []int32 }{{p.Spoken.Entries, s.entries}, {p.Spoken.Accounts, s.accounts}} {
		for n, i := range indexes.of {
			indexes.of[n] = indexes.from[i]
		}
	}
	return p, nil
}

// pair makes pairs of entries and accounts by what the preview has seen.
func (s *split) pair() {
	read := make([]bool, len(s.Rules.Scopes))
	for i := range s.Rules.Scopes {
		read[i] = slices.Contains(s.Read, s.Rules.Scopes[i].Directory)
	}
	all := s.Listed()
	for i, a := range s.Seen {
		scope := all.Scope(i)
		switch {
		case a < 0:
		case scope < 0 || int(scope) >= len(read) || !read[scope]:
			s.take(a)
		case s.wants[a] == unpaired:
			s.wants[a] = int32(i)
			s.count(scope, a, 1)
		default: // another has its GUID
			s.take(a)
		}
	}
}

// take takes an account into the part, and the entry that wants it as it is.
func (s *split) take(a int32) {
	if i := s.wants[a]; i >= 0 {
		all := s.Listed()
		s.count(all.Scope(int(i)), a, -1)
	}
	s.wants[a] = taken
}

// count counts an account that an entry of a scope wants as it is.
func (s *split) count(scope, a int32, by int) {
	s.paired[scope].Accounts += by
	s.paired[scope].Addresses += by * int(s.Preview.first[a+1]-s.Preview.first[a])
}

// quiet reports whether entry i is.
func (s *split) quiet(i int) bool { return s.Seen[i] >= 0 && s.wants[s.Seen[i]] == int32(i) }

// meet takes into the part the accounts that have the GUID of one of its entries, and those
// that have an address which one of them lists, or the rules.
func (s *split) meet() {
	met, domains := s.Preview.newTable(len(s.Entries)), s.Preview.rules.domains
	meet := func(x identity.Address) { met.add(domains.Canonical(x)) }
	for _, blocks := range [...][]Guard{s.Rules.Protected, s.Rules.Holds} {
		for b := range blocks {
			for _, x := range blocks[b].Addresses {
				meet(x)
			}
		}
	}
	for _, selectors := range [...][]Selector{s.Selection.Only, s.Selection.Except} {
		for n := range selectors {
			if selectors[n].kind == byAddress {
				meet(selectors[n].address)
			}
		}
	}
	for i := range s.Entries {
		if s.quiet(i) {
			continue
		}
		own := &identity.Account{}
		if g := s.Entries[i].GUID; !g.IsZero() {
			if a := s.Preview.account(g); a != none {
				own = &s.Accounts[a]
				s.take(a)
			}
		}
		for _, texts := range [...][]string{s.Entries[i].Primaries, s.Entries[i].Aliases} {
			for _, text := range texts {
				if x, is := spelled(own, text); is && domains.Canonical(x) == x {
					continue // nobody else has it
				}
				if x, err := identity.ParseAddress(text); err == nil {
					meet(x)
				}
			}
		}
	}
	s.Preview.holds(met, func(a int32) bool { return s.wants[a] >= 0 }, s.take)
}

// spelled returns the address of an account that a text spells.
func spelled(a *identity.Account, text string) (x identity.Address, is bool) {
	if a.Primary.Spells(text) {
		return a.Primary, true
	}
	if n := slices.IndexFunc(a.Aliases, func(x identity.Address) bool { return x.Spells(text) }); n >= 0 {
		return a.Aliases[n], true
	}
	return x, false
}

// assemble makes the input of the part, and the sums of what is quiet.
func (s *split) assemble() {
	s.part = *s.Input
	s.part.Preview, s.part.Seen, s.part.Same, s.part.Accounts = nil, nil, nil, nil
	s.part.Rest = &s.rest
	s.rest = Sums{Active: map[string]int{}, Recorded: map[string]int{}, InService: map[string]InService{}}

	for i := range s.Seen {
		if !s.quiet(i) {
			s.entries = append(s.entries, int32(i))
		}
	}
	if n := len(s.entries); n == len(s.Entries) && (n == 0 || int(s.entries[n-1]) == n-1) {
		s.part.Entries = s.Entries
	} else {
		all := s.Listed()
		s.part.Entries = make([]identity.Entry, len(s.entries))
		for n, i := range s.entries {
			s.part.Entries[n] = *all.At(int(i), &s.part.Entries[n])
		}
	}
	for i, n := range s.paired {
		if n.Accounts > 0 {
			name := s.Rules.Scopes[i].Directory
			s.rest.Accounts, s.rest.Unchanged = s.rest.Accounts+n.Accounts, s.rest.Unchanged+n.Accounts
			s.rest.Active[name] += n.Accounts
			s.rest.Recorded[name] += n.Accounts
			there := s.rest.InService[name]
			s.rest.InService[name] = InService{there.Accounts + n.Accounts, there.Addresses + n.Addresses}
		}
	}
	if s.rest.Accounts == 0 {
		s.part.Accounts = s.Accounts
		for a := range s.Accounts {
			s.accounts = append(s.accounts, int32(a))
		}
		return
	}
	s.part.Accounts, s.accounts = make([]identity.Account, 0, len(s.Accounts)-s.rest.Accounts), make([]int32, 0, len(s.Accounts)-s.rest.Accounts)
	for a, i := range s.wants {
		if i < 0 {
			s.part.Accounts, s.accounts = append(s.part.Accounts, s.Accounts[a]), append(s.accounts, int32(a))
		}
	}
}

package apply

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// family is groups of changes among whom addresses move, in the order in which
// they are made. A group is changes that are made as a whole, those that go first.
type family [][]int32

// families yields the changes by families.
func (r *runner) families() iter.Seq[family] {
	return func(yield func(family) bool) {
		if len(r.giver) == 0 {
			for i := range r.changes {
				if !yield(family{{int32(i)}}) {
					return
				}
			}
			return
		}
		var found family
		s := search{runner: r, found: make([]int32, len(r.changes)), yield: func(group []int32) {
			group = slices.Clone(group)
			slices.SortFunc(group, func(a, b int32) int {
				return cmp.Or(-compareBool(r.goes(a), r.goes(b)), cmp.Compare(a, b))
			})
			found = append(found, group)
		}}
		seen := make([]bool, len(r.changes))
		var members []int32
		join := func(i int32) {
			if !seen[i] {
				seen[i] = true
				members = append(members, i)
			}
		}
		for i := range seen {
			members = members[:0]
			join(int32(i))
			for n := 0; n < len(members); n++ {
				c := &r.changes[members[n]]
				r.others(r.giver, c.Result(), c.Before, join)
				r.others(r.taker, c.Before, c.Result(), join)
			}
			found = nil
			for _, i := range members {
				s.visit(i)
			}
			if len(found) > 0 && !yield(found) {
				return
			}
		}
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// others calls join with those of a list who have an address that x has and y
// has not.
func (r *runner) others(list map[identity.Address]int32, x, y *identity.Account, join func(int32)) {
	if len(list) == 0 {
		return
	}
	lacking(x, y, func(a identity.Address) {
		if i, there := list[a]; there {
			join(i)
		}
	})
}

// search puts those who give an address up before who gets it. It is Tarjan's
// algorithm for strongly connected components (Depth-first search and linear
// graph algorithms, 1972), which finds each component after those that it
// depends on. Its path is no recursion, since a chain may be as long as the plan.
type search struct {
	*runner
	yield func([]int32)
	// found says when each change was found, counted from 1: 0 not yet, closed
	// once it is yielded.
	found []int32
	open  []int32 // what was found and not yielded
	clock int32
	path  []step
	next  []int32 // what the steps of the path have still to look at
}

// step is a change on the path of a search.
type step struct {
	at     int   // in open
	next   int   // where its part of next begins
	oldest int32 // when the oldest change was found that it leads to
}

const closed = math.MaxInt32

// enter puts a change on the path.
func (s *search) enter(i int32) {
	s.clock++
	s.found[i] = s.clock
	s.path = append(s.path, step{len(s.open), len(s.next), s.clock})
	s.open = append(s.open, i)
	c := &s.changes[i]
	begin := len(s.next)
	s.others(s.giver, c.Result(), c.Before, func(g int32) { s.next = append(s.next, g) })
	goes := s.goes(i)
	s.others(s.taker, c.Before, c.Result(), func(t int32) {
		// It stays if nobody can have its addresses.
		if goes || s.facts.Groups && s.becomesList(i, t) {
			s.next = append(s.next, t)
		}
	})
	slices.Reverse(s.next[begin:])
}

// becomesList reports whether an alias that one change gives up becomes the list that
// another makes. A console that makes both as a whole can keep whom it reaches.
func (r *runner) becomesList(giver, taker int32) bool {
	was, list := r.changes[giver].Before, &r.changes[taker]
	after := list.Result()
	return list.Before == nil && after != nil && after.Type == identity.List && was.Primary != after.Primary && was.Holds(after.Primary)
}

// visit looks at what a change depends on, and yields the groups that are whole
// thereby.
func (s *search) visit(i int32) {
	if s.found[i] != 0 {
		return
	}
	for s.enter(i); len(s.path) > 0; {
		at := &s.path[len(s.path)-1]
		if n := len(s.next) - 1; n >= at.next {
			g := s.next[n]
			s.next = s.next[:n]
			if s.found[g] == 0 {
				s.enter(g)
			} else {
				at.oldest = min(at.oldest, s.found[g])
			}
			continue
		}
		done := *at
		s.path = s.path[:len(s.path)-1]
		if done.oldest < s.found[s.open[done.at]] {
			before := &s.path[len(s.path)-1]
			before.oldest = min(before.oldest, done.oldest)
			continue
		}
		group := s.open[done.at:]
		for _, g := range group {
			s.found[g] = closed
		}
		s.open = s.open[:done.at]
		s.yield(group)
	}
}

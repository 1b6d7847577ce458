package apply

import (
	"math"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// groups yields the changes in the order in which they are made: those among
// whom addresses move one after the other, and those together who form a ring.
func (r *run) groups(yield func(group []int32) error) error {
	s := search{run: r, yield: yield, found: make([]int32, len(r.changes))}
	seen := make([]bool, len(r.changes))
	var family []int32
	for i := range seen {
		family = family[:0]
		join := func(i int32) {
			if !seen[i] {
				seen[i] = true
				family = append(family, i)
			}
		}
		join(int32(i))
		for n := 0; n < len(family); n++ {
			c := &r.changes[family[n]]
			r.others(r.giver, c.Result(), c.Before, join)
			r.others(r.taker, c.Before, c.Result(), join)
		}
		for _, i := range family {
			if _, err := s.visit(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// others calls join with those of a list who have an address that x has and y
// has not.
func (r *run) others(list map[identity.Address]int32, x, y *identity.Account, join func(int32)) {
	if len(list) == 0 {
		return
	}
	for _, a := range lacking(x, y) {
		if i, there := list[a]; there {
			join(i)
		}
	}
}

// search puts those who give an address up before who gets it. It is Tarjan's
// algorithm for strongly connected components (Depth-first search and linear
// graph algorithms, 1972), which finds each component after those that it
// depends on.
type search struct {
	*run
	yield func([]int32) error
	// found tells when each change was found, counted from 1: 0 not yet, closed
	// once it is yielded.
	found []int32
	open  []int32 // what was found and not yielded
	clock int32
}

const closed = math.MaxInt32

// visit looks at what a change depends on, yields the groups that are whole
// thereby, and returns when the oldest change was found that it leads to and
// that is not yielded.
func (s *search) visit(i int32) (oldest int32, err error) {
	if s.found[i] != 0 {
		return s.found[i], nil
	}
	s.clock++
	at, mine := len(s.open), s.clock
	s.found[i], oldest = mine, mine
	s.open = append(s.open, i)
	c := &s.changes[i]
	s.others(s.giver, c.Result(), c.Before, func(g int32) {
		if err == nil {
			var reached int32
			reached, err = s.visit(g)
			oldest = min(oldest, reached)
		}
	})
	if err != nil || oldest < mine {
		return oldest, err
	}
	group := s.open[at:]
	for _, g := range group {
		s.found[g] = closed
	}
	s.open = s.open[:at]
	return closed, s.yield(group)
}

package partial

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestChanges: what runs have done is the difference between the accounts before and after,
// whoever takes a primary from whom.
func TestChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	name := func() identity.Address { return identity.MustAddress(fmt.Sprintf("p%d@example.com", r.IntN(12))) }
	less := func(accounts, others []identity.Account) (all []string) {
		for i := range accounts {
			if !slices.ContainsFunc(others, func(b identity.Account) bool { return b.Equal(&accounts[i]) }) {
				all = append(all, fmt.Sprint(accounts[i].Primary, accounts[i].Username))
			}
		}
		slices.Sort(all)
		return all
	}
	texts := func(accounts []identity.Account) []string { return less(accounts, nil) }
	for range 2000 {
		var base []identity.Account
		for _, x := range r.Perm(12)[:r.IntN(8)] {
			base = append(base, identity.Account{Primary: identity.MustAddress(fmt.Sprintf("p%d@example.com", x)), Username: fmt.Sprint(x)})
		}
		now := slices.Clone(base)
		var c Changes
		for range r.IntN(4) {
			var run []identity.Change
			next := []identity.Account{}
			taken := map[identity.Address]bool{}
			take := func(a identity.Account) bool {
				if taken[a.Primary] {
					return false
				}
				taken[a.Primary] = true
				next = append(next, a)
				return true
			}
			changing := make([]bool, len(now))
			for i := range now {
				if changing[i] = r.IntN(2) == 0; !changing[i] {
					take(now[i])
				}
			}
			for i := range now {
				if !changing[i] {
					continue
				}
				before, after := now[i], now[i]
				change := identity.Change{Before: &before}
				if r.IntN(4) > 0 {
					if after.Primary = name(); r.IntN(2) == 0 {
						after.Username = fmt.Sprint(r.IntN(3))
					}
					if take(after) {
						change.After = &after
					}
				}
				run = append(run, change)
			}
			for range r.IntN(3) {
				if after := (identity.Account{Primary: name(), Username: fmt.Sprint(r.IntN(3))}); take(after) {
					run = append(run, identity.Change{After: &after})
				}
			}
			r.Shuffle(len(run), func(i, j int) { run[i], run[j] = run[j], run[i] })
			c.Add(run)
			now = next
		}
		gone, come := c.Net()
		if x, y := texts(gone), less(base, now); !slices.Equal(x, y) {
			t.Fatalf("gone are %v, want %v", x, y)
		}
		if x, y := texts(come), less(now, base); !slices.Equal(x, y) {
			t.Fatalf("come are %v, want %v", x, y)
		}
	}
}

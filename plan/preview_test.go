package plan_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestPreview: with a preview, of all entries or of some, the plan is the same as without.
func TestPreview(t *testing.T) {
	t.Parallel()
	inputs, found, same := 12_000, 0, 0
	if testing.Short() {
		inputs /= 4
	}
	for n := range uint64(inputs) {
		in := generate(3, n)
		if n%2 == 0 {
			in = several(3, n)
		}
		if n%7 == 0 { // objects that were read twice
			in.Entries = append(in.Entries, in.Entries[:len(in.Entries)/2]...)
		}
		want, err := plan.Compute(in)
		for range 2 {
			if err != nil {
				break
			}
			if in.Accounts, err = applied(in.Accounts, want); err == nil {
				want, err = plan.Compute(in)
			}
		}
		if err != nil {
			continue
		}
		p, err := plan.NewPreview(in.Rules, in.Accounts)
		if err != nil {
			t.Fatal(err)
		}
		in.Preview = p
		entries, accounts := in.Entries, []int32{}
		in.Entries = nil
		for i := range entries {
			e := &entries[i]
			seen := p.Of(e)
			if seen >= 0 {
				found++
				if a := p.Same(e, seen); a != nil && n%4 > 0 {
					in.Same, accounts = append(in.Same, identity.Same{Account: a, Scope: e.Scope}), append(accounts, seen)
					same++
					continue
				}
			}
			if n%3 == 0 && i%2 == 0 {
				seen = plan.Unseen
			}
			in.Entries, in.Seen = append(in.Entries, *e), append(in.Seen, seen)
		}
		if in.Seen = append(in.Seen, accounts...); n%5 == 0 {
			in.Seen = nil
		}
		got, err := plan.Compute(in)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		if x, y := whole(t, want), whole(t, got); x != y {
			t.Fatalf("input %d: the plan is\n%s\nand with a preview\n%s\n%s", n, x, y, report(in))
		}
	}
	if found < inputs/2 || same < inputs/4 {
		t.Errorf("%d entries of %d inputs were found to have their accounts, and %d to say the same", found, inputs, same)
	}
}

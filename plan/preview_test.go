package plan_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/plan"
)

// TestPreview: with a preview, of all entries or of some, the plan is the same as without.
func TestPreview(t *testing.T) {
	t.Parallel()
	inputs, found := 12_000, 0
	if testing.Short() {
		inputs /= 4
	}
	for n := range uint64(inputs) {
		in := generate(3, n)
		if n%2 == 0 {
			in = several(3, n)
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
		for i := range in.Entries {
			seen := p.Of(&in.Entries[i])
			if seen >= 0 {
				found++
			}
			if n%3 == 0 && i%2 == 0 {
				seen = plan.Unseen
			}
			in.Seen = append(in.Seen, seen)
		}
		got, err := plan.Compute(in)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		if x, y := whole(t, want), whole(t, got); x != y {
			t.Fatalf("input %d: the plan is\n%s\nand with a preview\n%s\n%s", n, x, y, report(in))
		}
	}
	if found < inputs/2 {
		t.Errorf("%d entries of %d inputs were found to have their accounts", found, inputs)
	}
}

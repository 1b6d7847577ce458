package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
		in.Count = true
		want, err := plan.Compute(in)
		for range 2 {
			if err != nil {
				break
			}
			if in.Accounts, err = applied(in.Accounts, want); err == nil {
				want, err = plan.Compute(in)
			}
		}
		for k := range n % 3 { // of somebody, or of nobody
			x := fmt.Sprint("nobody", k, "@", pick(&generator{Rand: rand.New(rand.NewPCG(n, k))}, in.Rules.Domains).Name)
			if len(in.Accounts) > 1 && k > 0 {
				x = in.Accounts[int(n)%len(in.Accounts)].Primary.String()
			}
			if s, err := plan.ParseSelector("address:"+x, nil); err == nil {
				in.Selection.Except = append(in.Selection.Except, s)
			}
		}
		if err == nil {
			want, err = plan.Compute(in)
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
		var whence, whenceSame []int32 // in entries
		in.Entries = nil
		for i := range entries {
			e := &entries[i]
			seen := p.Of(e)
			if seen >= 0 {
				found++
				if a := p.Same(e, seen); a != nil && n%4 > 0 {
					in.Same, accounts = append(in.Same, identity.Same{Account: a, Scope: e.Scope}), append(accounts, seen)
					whenceSame = append(whenceSame, int32(i))
					same++
					continue
				}
			}
			if n%3 == 0 && i%2 == 0 {
				seen = plan.Unseen
			}
			in.Entries, in.Seen, whence = append(in.Entries, *e), append(in.Seen, seen), append(whence, int32(i))
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
		whence = append(whence, whenceSame...)
		for k, i := range got.Spoken.Entries {
			got.Spoken.Entries[k] = whence[i]
		}
		slices.Sort(got.Spoken.Entries)
		if x, y := fmt.Sprint(want.Sums, want.Spoken, want.Strangers), fmt.Sprint(got.Sums, got.Spoken, got.Strangers); x != y {
			t.Fatalf("input %d: the plan counts\n%s\nand with a preview\n%s\n%s", n, x, y, report(in))
		}
	}
	if found < inputs/2 || same < inputs/4 {
		t.Errorf("%d entries of %d inputs were found to have their accounts, and %d to say the same", found, inputs, same)
	}
}

// TestPreviewUnread: what an account already says counts as little as anything else where its
// directory was not read.
func TestPreviewUnread(t *testing.T) {
	t.Parallel()
	in := corpusInput(10)
	p, err := plan.NewPreview(in.Rules, in.Accounts)
	if err != nil {
		t.Fatal(err)
	}
	e := identity.Entry{Scope: 0}
	identity.Same{Account: &in.Accounts[0]}.Put(&e)
	in.Preview, in.Entries, in.Seen, in.Read = p, []identity.Entry{e}, []int32{p.Of(&e)}, nil
	if _, err := plan.Compute(in); in.Seen[0] != 0 || err == nil || !strings.Contains(err.Error(), "was not read completely") {
		t.Errorf("account %d, %v", in.Seen[0], err)
	}
}

package plan_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/plan"
)

// TestSortedImport: of a first import that several processors make, no account and no row is
// lost, and the rows are in their order.
func TestSortedImport(t *testing.T) {
	in := corpusInput(2*plan.ManyToSort + 2000)
	in.Accounts = nil
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{} // addresses, with the primary of who lists them
	for i := range in.Entries {
		e := &in.Entries[i]
		for _, text := range append([]string{e.Primaries[0]}, e.Aliases...) {
			listed[text] = e.Primaries[0]
		}
	}
	if len(p.Accounts) != len(in.Entries) || len(p.Changes) != len(listed) || len(p.Rejections) > 0 {
		t.Fatalf("%d accounts of %d entries, %d rows of %d addresses", len(p.Accounts), len(in.Entries), len(p.Changes), len(listed))
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Category != plan.Add || listed[c.Address.String()] != c.After.Primary.String() || !c.After.Holds(c.Address) {
			t.Fatalf("%+v", c)
		}
		delete(listed, c.Address.String())
		if i > 0 && p.Changes[i-1].Address.Compare(c.Address) >= 0 {
			t.Fatalf("%s stands behind %s", c.Address, p.Changes[i-1].Address)
		}
	}
}

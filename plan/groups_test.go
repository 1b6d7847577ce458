package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// alike is a plan of n accounts that all change alike.
func alike(n int, edit func(i int, before, after *identity.Account)) *plan.Plan {
	p := &plan.Plan{}
	for i := range n {
		name := fmt.Sprintf("user%02d", i)
		before := &identity.Account{
			Primary: identity.MustAddress(name + "@corp.example"), Directory: "corp", DN: fmt.Sprintf(`CN=P\, %s,OU=Berlin,DC=corp`, name),
			Username: name + "@corp.example", Attributes: []identity.Attribute{{Name: "department", Value: "Sales"}, {Name: "title", Value: fmt.Sprint(i)}},
		}
		before.Aliases = []identity.Address{identity.MustAddress(name + "@old.example")}
		after := *before
		after.Attributes = slices.Clone(before.Attributes)
		edit(i, before, &after)
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: &after})
	}
	p.Changes = plan.Rows(p.Accounts)
	return p
}

func TestGroups(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		edit func(i int, before, after *identity.Account)
		want []string
	}{
		{"a renamed OU", 12, func(i int, _, a *identity.Account) { a.DN = fmt.Sprintf(`CN=P\, user%02d,OU=Germany-North,DC=corp`, i) },
			[]string{"attribute_change dn_component 12 accounts: dn: OU=Berlin -> OU=Germany-North"}},
		{"too few", 9, func(i int, _, a *identity.Account) { a.DN = fmt.Sprintf("CN=user%02d,OU=X,DC=corp", i) }, nil},
		{"a migration", 11, func(_ int, b, a *identity.Account) {
			a.Primary = identity.MustAddress(b.Primary.Local() + "@newco.example")
			a.Aliases = []identity.Address{b.Primary, b.Aliases[0]}
			a.Username = b.Primary.Local() + "@newco.example"
		}, []string{
			"add domain_added 11 accounts: get an address in @newco.example",
			"primary_change domain 11 accounts: @corp.example -> @newco.example, the old one stays as an alias",
			"username_change domain 11 accounts: @corp.example -> @newco.example",
		}},
		{"a migration that drops the old domain", 10, func(_ int, b, a *identity.Account) {
			a.Primary = identity.MustAddress(b.Primary.Local() + "@newco.example")
		}, []string{
			"add domain_added 10 accounts: get an address in @newco.example",
			"inactive domain_dropped 10 accounts: lose all their addresses in @corp.example",
			"primary_change domain 10 accounts: @corp.example -> @newco.example, the old one is lost",
		}},
		{"leavers", 10, func(_ int, _, a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil },
			[]string{"inactive reason 10 accounts (20 addresses): lose all mail: not looked up"}},
		{"people who return", 10, func(_ int, b, _ *identity.Account) { b.Status, b.Aliases = identity.Inactive, nil },
			[]string{"add category 10 accounts: come back with one more address", "reactivation category 10 accounts: come back"}},
		{"a value", 10, func(_ int, _, a *identity.Account) { a.Attributes[0].Value = "Vertrieb" },
			[]string{"attribute_change value 10 accounts: department: Sales -> Vertrieb"}},
		{"values that go", 10, func(_ int, _, a *identity.Account) { a.Attributes = a.Attributes[:1] },
			[]string{"attribute_change value_removed 10 accounts: title: a value -> (none)"}},
		{"one value that goes", 10, func(_ int, _, a *identity.Account) { a.Attributes = a.Attributes[1:] },
			[]string{"attribute_change value_removed 10 accounts: department: Sales -> (none)"}},
		{"a value that comes", 10, func(_ int, _, a *identity.Account) {
			a.Attributes = append(a.Attributes, identity.Attribute{Name: "unit", Value: "X"})
		},
			[]string{"attribute_change value_added 10 accounts: unit: (none) -> X"}},
		{"an address less in a domain that stays", 10, func(i int, b, a *identity.Account) {
			b.Aliases = append(b.Aliases, identity.MustAddress(fmt.Sprintf("u%d@corp.example", i)))
		},
			[]string{"inactive domain_reduced 10 accounts: lose an address in @corp.example and keep others in it"}},
		{"values of their own", 10, func(i int, _, a *identity.Account) { a.Attributes[1].Value = fmt.Sprint("chief ", i) }, nil},
		{"GUIDs", 10, func(i int, _, a *identity.Account) { a.GUID = identity.GUID{15: byte(i + 1)} },
			[]string{"guid_change category 10 accounts: change their GUID"}},
	} {
		p := alike(tt.n, tt.edit)
		p.Group()
		var got []string
		for i := range p.Groups {
			x := &p.Groups[i]
			got = append(got, fmt.Sprintf("%s %s %s: %s", x.Category, x.Kind, x.Counted(), x.Text()))
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
		rows := make([]int, len(p.Groups))
		for i := range p.Changes {
			if n, grouped := p.Changes[i].Group(); grouped {
				rows[n]++
				if p.Changes[i].Category != p.Groups[n].Category {
					t.Errorf("%s: row %d of %s is in a group of %s", tt.name, i, p.Changes[i].Category, p.Groups[n].Category)
				}
			}
		}
		for n := range rows {
			if rows[n] != p.Groups[n].Rows {
				t.Errorf("%s: %d rows are in group %d, which says %d", tt.name, rows[n], n, p.Groups[n].Rows)
			}
		}
	}
}

// TestDriftIsNotGrouped: what takes back a change that a person made by hand is
// seen row by row.
func TestDriftIsNotGrouped(t *testing.T) {
	p := alike(10, func(_ int, _, a *identity.Account) { a.Attributes[0].Value = "Vertrieb" })
	for i := range p.Changes {
		p.Changes[i].Drift = true
	}
	if p.Group(); len(p.Groups) != 0 {
		t.Errorf("%+v", p.Groups)
	}
}

func BenchmarkGroup(b *testing.B) {
	p := alike(99, func(i int, _, a *identity.Account) { a.DN = fmt.Sprintf(`CN=P\, user%02d,OU=Zürich,DC=corp`, i) })
	rows := make([]plan.Change, 0, 99_000)
	for range 1000 {
		rows = append(rows, p.Changes...)
	}
	p.Changes = rows
	b.ReportAllocs()
	for b.Loop() {
		p.Group()
	}
}

package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// risky is a plan that has every kind of risk.
func risky(t testing.TB) *plan.Plan {
	p := &plan.Plan{Header: header(), Unchanged: 1200}
	add := func(before, after *identity.Account) {
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: after})
	}
	gone := func(n int, addresses ...string) *identity.Account {
		a := person(n, fmt.Sprint("u", n), "Somebody", "Leavers", addresses...)
		add(a, inactive(a))
		return a
	}
	gone(1, "ann@example.com", "postmaster@example.com", "abuse@example.com", "security@example.com", "info@example.com")
	gone(2, "team@example.com").Type = identity.List
	gone(3, "desk@example.com").Attributes = []identity.Attribute{{Name: plan.RecipientType, Value: "4"}}
	lab := gone(4, "lab@example.org")
	lab.Directory = "lab"
	late := gone(5, "late@example.com")
	p.Accounts[4].Withheld, p.Accounts[4].Kept = true, late
	bob := person(6, "bob", "Bob Jones", "Sales", "bob@example.com", "sales.eu@example.com")
	add(bob, but(bob, func(a *identity.Account) { a.Aliases, a.GUID = nil, guidOf(7) }))
	add(nil, person(8, "kim", "Kim Lee", "Sales", "kim@example.com", "sales.eu@example.com"))
	p.Changes = plan.Rows(p.Accounts)
	p.LeftOut = part(t).LeftOut
	p.Allowances = []plan.Allowance{{Directory: "corp", Accounts: 1204, Losses: [plan.Brakes]plan.Loss{{Count: 3, Bound: 3}}}, {Directory: "lab", Accounts: 3, Losses: [plan.Brakes]plan.Loss{{Count: 1, Lifted: true}}}}
	return assessed(p)
}

// TestRisk shows the end of a text.
func TestRisk(t *testing.T) {
	for _, width := range []int{80, 120} {
		for _, color := range []bool{false, true} {
			got := textOf(t, risky(t), TextOptions{Width: width, Color: color})
			checkText(t, got, width, color)
			_, end, found := strings.Cut(got, "Risk: ")
			if !found {
				t.Fatalf("no risk in\n%s", got)
			}
			name := fmt.Sprintf("risk-%d", width)
			if color {
				name += "-color"
			}
			golden(t, name+".txt", "Risk: "+end)
		}
	}
}

// TestRiskIsCalm: a plan that takes nothing from anybody says so in one line.
func TestRiskIsCalm(t *testing.T) {
	got := textOf(t, nothing(), TextOptions{})
	if want := "\n\nRisk: none, no address stops receiving mail\n\nPlan: no changes · risk: none\nNothing to do"; strings.Count(got, "Risk") != 1 || !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

// TestHostileRisk: a directory's label, which is not from a directory but may be
// from a saved plan, passes nothing raw.
func TestHostileRisk(t *testing.T) {
	p := risky(t)
	p.Accounts[0].Before.Directory = hostile
	p.Allowances = []plan.Allowance{{Directory: hostile, Accounts: 1, Losses: [plan.Brakes]plan.Loss{{Count: 1, Bound: 1}}}}
	p.Assess(plan.DefaultRisk())
	checkText(t, textOf(t, p, TextOptions{Width: 80}), 80, false)
}

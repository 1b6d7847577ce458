package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestTotalsProperties: each account counts once, addresses are counted as they
// receive mail before and afterwards, groups hold what they say, and the document
// says the same.
func TestTotalsProperties(t *testing.T) {
	inputs := *propertyInputs / 8
	if testing.Short() || raceDetector {
		inputs /= 10
	}
	for n := range inputs {
		in := generate(*propertySeed+11, uint64(n))
		p, err := plan.Compute(in)
		if err != nil {
			continue
		}
		sum := p.Summary()
		totals := &sum.Totals
		created := 0
		for i := range p.Accounts {
			if p.Accounts[i].Before == nil {
				created++
			}
		}
		if got, want := totals.Accounts()+totals.Unchanged, len(in.Accounts)+created; len(p.LeftOut) == 0 && got != want {
			t.Fatalf("input %d: %d accounts are counted, of %d: %+v", n, got, want, totals)
		}
		after, err := applied(in.Accounts, p)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		before, then := active(in.Accounts), active(after)
		lost := 0
		for x := range before {
			if !then[x] {
				lost++
			}
		}
		if totals.AddressesLost != lost {
			t.Fatalf("input %d: %d addresses are lost, and %d are counted", n, lost, totals.AddressesLost)
		}
		if leaving := activeAccounts(in.Accounts) - activeAccounts(after); leaving != totals.Leaving-totals.Returning-totals.Added+removedActive(p) {
			t.Fatalf("input %d: %d active accounts fewer, and the totals are %+v", n, leaving, totals)
		}

		var document struct {
			RiskLevel string `json:"risk_level"`
			Totals    struct {
				Added   int `json:"accounts_added"`
				Without int `json:"entries_without_account"`
			}
		}
		if err := json.Unmarshal(written(t, p), &document); err != nil {
			t.Fatal(err)
		}
		if document.RiskLevel != p.RiskLevel().String() || document.Totals.Added != totals.Added || document.Totals.Without != totals.WithoutAccount {
			t.Fatalf("input %d: the document has %+v, the plan %+v", n, document, totals)
		}
		if !strings.HasSuffix(p.Verdict(), "risk: "+document.RiskLevel) {
			t.Fatalf("input %d: the verdict is %q", n, p.Verdict())
		}
	}
}

func active(accounts []identity.Account) map[identity.Address]bool {
	all := map[identity.Address]bool{}
	for i := range accounts {
		if accounts[i].Active() {
			accounts[i].EachAddress(func(x identity.Address) { all[x] = true })
		}
	}
	return all
}

func activeAccounts(accounts []identity.Account) (n int) {
	for i := range accounts {
		if accounts[i].Active() {
			n++
		}
	}
	return n
}

// removedActive counts the records that go of accounts that were active.
func removedActive(p *plan.Plan) (n int) {
	for i := range p.Accounts {
		if c := &p.Accounts[i]; c.Before != nil && c.Before.Active() && c.Result() == nil {
			n++
		}
	}
	return n
}

func TestVerdict(t *testing.T) {
	account := func(name string) *identity.Account {
		return &identity.Account{Primary: identity.MustAddress(name + "@example.com"), Directory: "corp"}
	}
	with := func(a *identity.Account, edit func(*identity.Account)) *identity.Account {
		b := *a
		edit(&b)
		return &b
	}
	inactive := func(a *identity.Account) *identity.Account {
		return with(a, func(b *identity.Account) { b.Status = identity.Inactive })
	}
	a, b, c := account("ann"), account("bob"), account("cat")
	renamed := with(a, func(x *identity.Account) { x.Primary = identity.MustAddress("eve@example.com") })
	other := with(b, func(x *identity.Account) { x.Username = "x" })
	for _, tt := range []struct {
		changes []plan.AccountChange
		want    string
	}{
		{nil, "no changes · risk: none"},
		{[]plan.AccountChange{{After: a}}, "1 added · risk: none"},
		{[]plan.AccountChange{{Before: a, After: other}}, "1 renamed · risk: low"},
		{[]plan.AccountChange{{Before: b, After: other}}, "1 account changes · risk: none"},
		{[]plan.AccountChange{{Before: b, After: other}, {After: c}}, "1 added, 1 other change · risk: none"},
		{[]plan.AccountChange{{Before: a, After: renamed}, {Before: b, After: inactive(b)}, {Before: inactive(c), After: c}},
			"1 returns, 1 renamed, 1 leaves · risk: low"},
		{[]plan.AccountChange{{Before: b, After: inactive(b), Kept: b, Withheld: true}}, "no changes · withheld: 1 leaves · risk: none"},
	} {
		p := &plan.Plan{Accounts: tt.changes, Changes: plan.Rows(tt.changes)}
		p.Assess(plan.DefaultRisk())
		if got := p.Verdict(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// riskInput has a company of so many people, user0@example.com and on, who are
// all in the directory.
func riskInput(people int) plan.Input {
	in := plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp"}, Domains: []plan.Domain{{Name: "example.com"}},
			Scopes: []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}, Adopt: true, Rebind: true}},
			Limits: plan.DefaultLimits(), Risk: plan.DefaultRisk(),
		},
		Read: []string{"corp"},
	}
	for n := range people {
		a := riskAccount(n+1, fmt.Sprintf("user%d", n))
		in.Accounts = append(in.Accounts, a)
		in.Entries = append(in.Entries, riskEntry(&a))
	}
	return in
}

func riskAccount(n int, names ...string) identity.Account {
	a := identity.Account{Primary: identity.MustAddress(names[0] + "@example.com"), Directory: "corp", DN: "cn=" + names[0], GUID: identity.GUID{14: byte(n >> 8), 15: byte(n)}}
	for _, name := range names[1:] {
		a.Aliases = append(a.Aliases, identity.MustAddress(name+"@example.com"))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
	return a
}

func riskEntry(a *identity.Account) identity.Entry {
	e := identity.Entry{GUID: a.GUID, DN: a.DN, Primaries: []string{a.Primary.String()}, Attributes: a.Attributes, Type: a.Type}
	for _, x := range a.Aliases {
		e.Aliases = append(e.Aliases, x.String())
	}
	return e
}

// listed writes risks as lines.
func listed(all []plan.Risk) string {
	var b strings.Builder
	for i := range all {
		fmt.Fprintf(&b, "%s %s: %s\n", all[i].Level, all[i].Code, all[i].Text())
	}
	return b.String()
}

func TestRisks(t *testing.T) {
	// leavers are accounts of nobody any more.
	leavers := func(in *plan.Input, all ...identity.Account) { in.Accounts = append(in.Accounts, all...) }
	list := func(a identity.Account) identity.Account { a.Type = identity.List; return a }
	shared := func(a identity.Account, value string) identity.Account {
		a.Attributes = []identity.Attribute{{Name: plan.RecipientType, Value: value}}
		return a
	}
	for _, tt := range []struct {
		name   string
		people int
		change func(in *plan.Input)
		want   string
	}{
		{"nothing changes", 1, func(*plan.Input) {}, `
none addresses_stop: no address stops receiving mail
`},
		{"somebody comes", 1, func(in *plan.Input) { in.Accounts = nil }, `
none addresses_stop: no address stops receiving mail
`},
		{"an alias goes", 1, func(in *plan.Input) {
			in.Accounts[0].Aliases = []identity.Address{identity.MustAddress("old@example.com")}
		}, `
low addresses_stop: 1 address stops receiving mail
`},
		{"people leave", 30, func(in *plan.Input) { leavers(in, riskAccount(100, "ann", "a.smith"), riskAccount(101, "bob")) }, `
low addresses_stop: 3 addresses stop receiving mail; 2 accounts lose all mail
high accounts_lose_mail_or_primary: 2 of 32 active accounts of corp lose all mail (6.3%)
`},
		{"lists, roles and shared mailboxes among them", 60, func(in *plan.Input) {
			leavers(in, list(riskAccount(100, "team", "abuse", "sales")), shared(riskAccount(101, "desk", "postmaster"), "4"),
				shared(riskAccount(102, "room", "info"), "16"), shared(riskAccount(103, "ann", "abuser"), "1"))
		}, `
low addresses_stop: 9 addresses stop receiving mail; 4 accounts lose all mail
high accounts_lose_mail_or_primary: 4 of 64 active accounts of corp lose all mail (6.3%)
medium lists_stop: 1 list stops receiving mail: team@example.com
high role_addresses_stop: 4 role addresses stop working: abuse@example.com, info@example.com, postmaster@example.com and 1 more
medium shared_mailboxes_stop: 2 shared, room or equipment mailboxes stop receiving mail: desk@example.com, room@example.com
`},
		{"a role that somebody else takes over", 1, func(in *plan.Input) {
			leavers(in, riskAccount(100, "ann", "security"))
			in.Entries[0].Aliases = []string{"security@example.com"}
		}, `
low addresses_stop: 1 address stops receiving mail; 1 account loses all mail
low accounts_lose_mail_or_primary: 1 of 2 active accounts of corp loses all mail (50%)
low addresses_move: 1 address moves to another account
`},
		{"accounts change hands", 1, func(in *plan.Input) {
			local, rebound := riskAccount(100, "kim"), riskAccount(101, "lou")
			in.Entries = append(in.Entries, riskEntry(&local), riskEntry(&rebound))
			local.Directory, local.GUID = "", identity.GUID{}
			rebound.GUID[0] = 9
			leavers(in, local, rebound)
		}, `
none addresses_stop: no address stops receiving mail
low accounts_change_hands: 2 accounts get a different owner
`},
		{"far from the limit", 100, func(in *plan.Input) {
			for n := range 7 {
				leavers(in, riskAccount(1000+n, fmt.Sprint("leaver", n)))
			}
		}, `
low addresses_stop: 7 addresses stop receiving mail; 7 accounts lose all mail
high accounts_lose_mail_or_primary: 7 of 107 active accounts of corp lose all mail (6.5%)
`},
		{"near the limit", 100, func(in *plan.Input) {
			for n := range 8 {
				leavers(in, riskAccount(1000+n, fmt.Sprint("leaver", n)))
			}
		}, `
low addresses_stop: 8 addresses stop receiving mail; 8 accounts lose all mail
high accounts_lose_mail_or_primary: 8 of 108 active accounts of corp lose all mail (7.4%)
low near_limit: 8 of 108 accounts of corp are deactivated (limit 10)
`},
		{"over the limit, which keeps an alias too", 1, func(in *plan.Input) {
			in.Accounts[0].Aliases = []identity.Address{identity.MustAddress("old@example.com")}
			for n := range 12 {
				leavers(in, riskAccount(1000+n, fmt.Sprint("leaver", n)))
			}
		}, `
none addresses_stop: no address stops receiving mail
none withheld: 13 addresses would stop receiving mail, but a brake withholds that
`},
		{"over the limit, roles among them", 1, func(in *plan.Input) {
			for n := range 12 {
				leavers(in, riskAccount(1000+n, fmt.Sprint("leaver", n)))
			}
			leavers(in, riskAccount(2000, "kim", "security", "sales", "noc", "abuse"))
		}, `
none addresses_stop: no address stops receiving mail
none withheld: 17 addresses would stop receiving mail, but a brake withholds that; 4 of them are role addresses: abuse@example.com, noc@example.com, sales@example.com and 1 more
`},
		{"over the limit, which is lifted", 1, func(in *plan.Input) {
			in.Rules.Limits[plan.Deactivations].Allowed = 12
			for n := range 12 {
				leavers(in, riskAccount(1000+n, fmt.Sprint("leaver", n)))
			}
		}, `
low addresses_stop: 12 addresses stop receiving mail; 12 accounts lose all mail
low accounts_lose_mail_or_primary: 12 of 13 active accounts of corp lose all mail (92.3%)
high limit_lifted: 12 of 13 accounts of corp are deactivated (limit 10, lifted for this run)
`},
		{"left out", 1, func(in *plan.Input) {
			leavers(in, riskAccount(100, "ann", "postmaster"))
			in.Selection.Except = selectors(t, &in.Rules, "inactive")
		}, `
none addresses_stop: no address stops receiving mail
none left_out: 2 addresses would stop receiving mail, but this plan leaves that out; 1 of them is a role address: postmaster@example.com
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := riskInput(tt.people)
			tt.change(&in)
			p, err := plan.Compute(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want[1:], listed(p.Risks)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			saved, err := plan.ReadJSON(bytes.NewReader(written(t, p)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(listed(p.Risks), listed(saved.Risks)); diff != "" {
				t.Errorf("of the saved plan, -made +saved:\n%s", diff)
			}
		})
	}
}

// TestRiskProperties: what is said to stop is in service before a plan and not
// after it, what is said to move is somebody else's afterwards, and a saved plan
// says the same.
func TestRiskProperties(t *testing.T) {
	inputs := *propertyInputs / 4
	if testing.Short() || raceDetector {
		inputs /= 20
	}
	for n := range inputs {
		in := generate(*propertySeed+2, uint64(n))
		p, err := plan.Compute(in)
		if err != nil {
			continue
		}
		after, err := applied(in.Accounts, p)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		inService := func(accounts []identity.Account) map[identity.Address]bool {
			all := map[identity.Address]bool{}
			for i := range accounts {
				if a := &accounts[i]; a.Active() {
					all[a.Primary] = true
					for _, x := range a.Aliases {
						all[x] = true
					}
				}
			}
			return all
		}
		stops := 0
		then := inService(after)
		for x := range inService(in.Accounts) {
			if !then[x] {
				stops++
			}
		}
		all := slices.Clone(p.Risks)
		if all[0].Code != plan.AddressesStop || all[0].Count != stops {
			t.Fatalf("input %d: %d addresses stop, but it is said:\n%s", n, stops, listed(all))
		}
		saved, err := plan.ReadJSON(bytes.NewReader(written(t, p)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(listed(all), listed(saved.Risks)); diff != "" {
			t.Fatalf("input %d: of the saved plan, -made +saved:\n%s", n, diff)
		}
	}
}

// Above a prompt stands what is gravest, or what it comes from.
func TestAlarm(t *testing.T) {
	risk := func(code plan.RiskCode, level plan.RiskLevel) plan.Risk {
		return plan.Risk{Code: code, Level: level, Count: 1, Words: string(code)}
	}
	stop := risk(plan.AddressesStop, plan.LowRisk)
	for _, c := range []struct {
		risks  []plan.Risk
		causes []string
		want   string
	}{
		{[]plan.Risk{stop}, []string{"cause"}, ""},
		{[]plan.Risk{stop, risk(plan.AccountsLose, plan.MediumRisk)}, nil, "medium risk: accounts_lose_mail_or_primary"},
		{[]plan.Risk{stop, risk(plan.AccountsLose, plan.MediumRisk)}, []string{"cause", "other"}, "medium risk: cause"},
		{[]plan.Risk{stop, risk(plan.AccountsLose, plan.MediumRisk), risk(plan.RolesStop, plan.HighRisk)}, []string{"cause"}, "high risk: role_addresses_stop"},
	} {
		p := plan.Plan{Header: plan.Header{Causes: c.causes}, Risks: c.risks}
		if got := p.Alarm(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestLimitsAreSummedUp: the limits of a saved plan cannot be edited.
func TestLimitsAreSummedUp(t *testing.T) {
	in := riskInput(30)
	in.Accounts = append(in.Accounts, riskAccount(100, "ann"))
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	text := string(written(t, p))
	const limit = `{"directory": "corp", "active": 31, "addresses": 31, "deactivations": 10, "deactivations_counted": 1, "deactivations_lifted": false, ` +
		`"removals": 10, "removals_counted": 0, "removals_lifted": false, "primary_changes": 10, "primary_changes_counted": 0, "primary_changes_lifted": false, "braked": false}`
	if !strings.Contains(text, "\"limits\": [\n    "+limit+"\n  ]") {
		t.Fatalf("no limits in\n%s", text)
	}
	for _, edited := range []string{strings.Replace(limit, "10", "11", 1), ""} {
		if _, err := plan.ReadJSON(strings.NewReader(strings.Replace(text, limit, edited, 1))); err == nil {
			t.Errorf("with %q for the limits, the plan is read", edited)
		}
	}
}

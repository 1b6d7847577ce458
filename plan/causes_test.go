package plan_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func TestCausesOfLeaving(t *testing.T) {
	const staff = "OU=Staff,DC=x"
	unit := func(n int) string { return fmt.Sprintf("OU=Unit%02d,%s", n, staff) }
	scopes := []plan.Scope{{Directory: "corp"}, {Directory: "lab"}}
	type people map[string]int // by container
	spread := func(units, each int) people {
		all := people{}
		for n := range units {
			all[unit(n)] = each
		}
		return all
	}
	for _, c := range []struct {
		story       string
		gone, stays people
		want        string
	}{
		{"few", people{unit(1): 9}, nil, ""},
		{"one unit", people{unit(1): 10}, people{unit(2): 5}, "10 people lose all mail (directory corp). It is unknown why. All of them were below OU=Unit01,OU=Staff,DC=x, where no entry is left."},
		{"thousands", people{unit(1): 5996}, people{unit(2): 5}, "5,996 people lose all mail (directory corp). It is unknown why. All of them were below OU=Unit01,OU=Staff,DC=x, where no entry is left."},
		{"nearly all of one unit", people{unit(1): 10, unit(2): 2}, people{unit(2): 5}, "12 people lose all mail (directory corp). It is unknown why. 10 of them were below OU=Unit01,OU=Staff,DC=x, where no entry is left."},
		{"half of one unit", people{unit(1): 10, unit(2): 1, unit(3): 1}, people{unit(1): 10, unit(2): 2345, unit(3): 5},
			"12 people lose all mail (directory corp). It is unknown why. 10 of them were below OU=Unit01,OU=Staff,DC=x, where 10 entries are left."},
		{"most of one unit", people{unit(2): 1, unit(5): 1234}, people{unit(2): 5, unit(5): 1},
			"1,235 people lose all mail (directory corp). It is unknown why. 1,234 of them were below OU=Unit05,OU=Staff,DC=x, where 1 entry is left."},
		{"two units", people{unit(5): 100, unit(6): 100}, spread(5, 359),
			"200 people lose all mail (directory corp). It is unknown why. 100 were below OU=Unit05,OU=Staff,DC=x, 100 below OU=Unit06,OU=Staff,DC=x, where no entry is left."},
		{"two units, and others", people{unit(0): 70, unit(5): 30, unit(6): 1000}, spread(5, 359),
			"1,100 people lose all mail (directory corp). It is unknown why. 1,000 were below OU=Unit06,OU=Staff,DC=x, 30 below OU=Unit05,OU=Staff,DC=x, where no entry is left."},
		{"five units", people{unit(5): 3, unit(6): 4, unit(7): 5, unit(8): 6, unit(9): 7}, spread(5, 359),
			"25 people lose all mail (directory corp). It is unknown why. 7 were below OU=Unit09,OU=Staff,DC=x, 6 below OU=Unit08,OU=Staff,DC=x, 5 below OU=Unit07,OU=Staff,DC=x, and 2 more, where no entry is left."},
		{"a unit with units", people{"OU=A," + unit(5): 5, "OU=B," + unit(5): 5}, spread(5, 359),
			"10 people lose all mail (directory corp). It is unknown why. All of them were below OU=Unit05,OU=Staff,DC=x, where no entry is left."},
		{"a unit in a unit", people{"OU=A," + unit(5): 10}, spread(5, 359),
			"10 people lose all mail (directory corp). It is unknown why. All of them were below OU=A,OU=Unit05,OU=Staff,DC=x, where no entry is left."},
		{"a directory", spread(5, 10), nil, "50 people lose all mail (directory corp). It is unknown why. All of them were below OU=Staff,DC=x, where no entry is left."},
		{"scattered", spread(5, 40), spread(5, 359), "200 people lose all mail (directory corp). It is unknown why."},
		{"scattered, each alone in a unit", spread(50, 1), people{staff: 1796}, "50 people lose all mail (directory corp). It is unknown why."},
		{"scattered, and a small unit", people{unit(0): 50, unit(1): 50, unit(5): 3}, spread(5, 359), "103 people lose all mail (directory corp). It is unknown why."},
		{"of the largest unit", people{unit(1): 10}, people{unit(1): 90, unit(2): 9}, "10 people lose all mail (directory corp). It is unknown why."},
		{"spelled otherwise", people{"ou=unit01,  OU=Staff,DC=x": 5, unit(1): 5}, people{"OU=Unit01, ou=staff,dc=X": 1, unit(2): 5},
			"10 people lose all mail (directory corp). It is unknown why. All of them were below OU=Unit01,OU=Staff,DC=x, where 1 entry is left."},
		{"another name with the same end", people{"OU=Sales,DC=x": 10}, people{`CN=b\,OU=Sales,DC=x`: 1},
			"10 people lose all mail (directory corp). It is unknown why. All of them were below OU=Sales,DC=x, where no entry is left."},
		{"no names", people{"": 5, "nowhere": 6}, people{unit(1): 5}, "11 people lose all mail (directory corp). It is unknown why."},
	} {
		p := &plan.Plan{}
		for ou, n := range c.gone {
			for range n {
				before := &identity.Account{Directory: "corp", DN: fmt.Sprintf(`CN=Smith\, P%d,%s`, len(p.Accounts), ou)}
				after := *before
				after.Status = identity.Inactive
				p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: &after})
			}
		}
		// Another directory has the same containers.
		entries := []identity.Entry{{DN: "CN=e," + unit(1), Scope: 1}, {DN: "CN=e," + unit(5), Scope: 1}}
		for ou, n := range c.stays {
			for range n {
				entries = append(entries, identity.Entry{DN: fmt.Sprintf("CN=e%d,%s", len(entries), ou)})
			}
		}
		if got := strings.Join(p.Diagnose(identity.Entries{Whole: entries}, scopes), "; "); got != c.want {
			t.Errorf("%s: got %s", c.story, got)
		}
	}
}

// TestDeepContainers: containers of many parts are reported in a time that grows with
// the length of their names.
func TestDeepContainers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the clock of Windows is too coarse")
	}
	took := func(parts int) (least time.Duration) {
		p := &plan.Plan{}
		for n := range 10 {
			before := &identity.Account{Directory: "corp", DN: fmt.Sprintf("CN=P%d,%sDC=x", n, strings.Repeat("OU=a,", parts))}
			after := *before
			after.Status = identity.Inactive
			p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: &after})
		}
		for i := range 5 {
			start := time.Now()
			if got := p.Diagnose(identity.Entries{}, []plan.Scope{{Directory: "corp"}}); len(got) != 1 {
				t.Fatalf("got %d causes", len(got))
			}
			if d := time.Since(start); i == 0 || d < least {
				least = d
			}
		}
		return least
	}
	// Quadratic would be 256 times as long.
	if short, long := took(500), took(8_000); long > 100*short {
		t.Errorf("500 parts take %v, 8,000 take %v", short, long)
	}
}

// TestManyGUIDs: accounts count, not their addresses.
func TestManyGUIDs(t *testing.T) {
	const asAfter = "as after a restore or a migration of the directory"
	refused := func(accounts, rows int) (all []plan.Rejection) {
		for n := range accounts * rows {
			other := plan.Party{Kind: plan.AccountParty, Name: fmt.Sprintf("p%d@x.example", n/rows)}
			all = append(all, plan.Rejection{Reason: plan.GUIDChanged, Directory: "corp", Other: other})
		}
		return all
	}
	bound := func(directory string, n int) []plan.Change {
		return slices.Repeat([]plan.Change{
			{Category: plan.GUIDChange, After: &identity.Account{Directory: directory}},
			{Category: plan.AttributeChange, Attribute: plan.AttributeDN, After: &identity.Account{Directory: directory}},
		}, n)
	}
	for _, c := range []struct {
		story   string
		refused []plan.Rejection
		bound   []plan.Change
		want    string
	}{
		{"four accounts with three addresses each", refused(4, 3), nil, ""},
		{"a thousand", refused(1000, 3), nil, `1,000 accounts of corp have entries with different GUIDs, ` + asAfter + `. ` +
			`rollcall state import repairs them from an export, or on_guid_change = "rebind" does.`},
		{"few that are bound anew", nil, slices.Concat(bound("corp", 9), bound("lab", 9)), ""},
		{"many that are bound anew", nil, bound("corp", 10), `10 accounts of corp are bound to entries with different GUIDs, ` + asAfter + `.`},
	} {
		p := &plan.Plan{Rejections: c.refused, Changes: c.bound}
		if got := strings.Join(p.Diagnose(identity.Entries{}, nil), "; "); got != c.want {
			t.Errorf("%s: got %s", c.story, got)
		}
	}
}

// TestCausesOfWhoWasLookedUp: what nobody was asked about is not taken for gone.
func TestCausesOfWhoWasLookedUp(t *testing.T) {
	p := &plan.Plan{}
	var all []plan.Departed
	for n := range 40 {
		before := &identity.Account{
			Primary: identity.MustAddress(fmt.Sprintf("user%02d@example.com", n)), Directory: "corp", GUID: identity.GUID{15: byte(n + 1)},
		}
		after := *before
		after.Status = identity.Inactive
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: &after})
	}
	p.Changes = plan.Rows(p.Accounts)
	for i := range p.Changes {
		p.Changes[i].Reason = plan.EntryGone
	}
	all = p.Departed()
	known := map[plan.Departed]plan.LossReason{}
	for _, d := range all[:12] {
		known[d] = plan.EntryWithoutAddress
	}
	p.ExplainDepartures(known, all[12:])
	want := "40 people lose all mail (directory corp). The 12 objects that were looked up are still in the directory but list no address. Was there an import?"
	if got := strings.Join(p.Diagnose(identity.Entries{}, []plan.Scope{{Directory: "corp"}}), "; "); got != want {
		t.Errorf("got %s", got)
	}
	groups := map[string]int{}
	for _, g := range p.Groups {
		groups[g.Text()] = g.Accounts
	}
	if want := map[string]int{"lose all mail: no address listed": 12, "lose all mail: not looked up": 28}; !maps.Equal(groups, want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
}

// TestCausesOfRemoval: a list that lists the primaries of people takes their accounts.
func TestCausesOfRemoval(t *testing.T) {
	in := riskInput(60)
	team := riskAccount(999, "team")
	team.Type = identity.List
	in.Accounts = append(in.Accounts, team)
	e := riskEntry(&team)
	for n := range 30 {
		e.Aliases = append(e.Aliases, in.Accounts[n].Primary.String())
	}
	in.Accounts[29].Type = identity.List
	in.Entries = append(in.Entries[30:], e)
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	p.Assess(plan.DefaultRisk())
	if want := `none addresses_stop: no address stops receiving mail
high accounts_lose_mail_or_primary: 30 of 61 active accounts of corp are removed (49.2%)
medium lists_stop: 1 list is removed: user29@example.com
low addresses_move: 30 addresses move to another account
`; listed(p.Risks) != want {
		t.Errorf("got %s", listed(p.Risks))
	}
	want := []string{"30 accounts are removed (49.2% of 61 accounts of corp), because team@example.com gets their primaries."}
	if got := p.Diagnose(in.Listed(), in.Rules.Scopes); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestCausesOfAsking: newcomers who ask for addresses of accounts are counted, and not
// as newcomers without an account once more.
func TestCausesOfAsking(t *testing.T) {
	in := riskInput(20)
	for n := range 12 {
		a := riskAccount(100+n, fmt.Sprintf("new%d", n), fmt.Sprintf("user%d", n))
		e := riskEntry(&a)
		if n == 0 {
			e.Primaries, e.Aliases = e.Aliases, nil
		}
		in.Entries = append(in.Entries, e)
	}
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"12 new entries of corp list addresses that accounts of corp already have; 1 of them gets no account. Are they the same people?"}
	if got := p.Diagnose(in.Listed(), in.Rules.Scopes); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestCausesOfShrinking: why addresses are lost is said where it is known, and an
// account that gets another primary is not counted once more for the one before.
func TestCausesOfShrinking(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(n int, e *identity.Entry)
		want []string
	}{
		{"values gone", func(_ int, e *identity.Entry) { e.Aliases = nil },
			[]string{"30 accounts that stay lose 30 addresses (100% of 30 accounts of corp). Their entries no longer list them."}},
		{"some rejected", func(n int, e *identity.Entry) {
			if e.Aliases = nil; n < 10 {
				e.Aliases = []string{fmt.Sprintf("user%d@gone.example", n)}
			}
		}, []string{"30 accounts that stay lose 30 addresses (100% of 30 accounts of corp). Their entries no longer list 20 of them, and 10 are rejected."}},
		{"another primary, the old one is lost", func(n int, e *identity.Entry) { e.Primaries = []string{fmt.Sprintf("user%d@new.example", n)} },
			[]string{"30 people get another primary (100% of 30 accounts of corp). @example.com becomes @new.example. The old address of 30 accounts is lost."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := riskInput(30)
			in.Rules.Domains = append(in.Rules.Domains, plan.Domain{Name: "new.example"})
			in.Rules.Scopes[0].Domains = append(in.Rules.Scopes[0].Domains, "new.example")
			for b := range in.Rules.Limits {
				in.Rules.Limits[b].Percent = 100
			}
			for n := range in.Accounts {
				alias := fmt.Sprintf("alias%d@example.com", n)
				if tt.name == "some rejected" && n < 10 {
					alias = fmt.Sprintf("user%d@gone.example", n)
				}
				in.Accounts[n].Aliases = []identity.Address{identity.MustAddress(alias)}
				in.Entries[n].Aliases = []string{alias}
				tt.edit(n, &in.Entries[n])
			}
			p, err := plan.Compute(in)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Diagnose(in.Listed(), in.Rules.Scopes); !slices.Equal(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

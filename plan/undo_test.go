package plan_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// sound returns what the accounts break of RULES: an address or a GUID of one
// directory held twice, or an account that is none.
func sound(accounts []identity.Account) string {
	addresses, owners := map[identity.Address]bool{}, map[string]bool{}
	for i := range accounts {
		a := &accounts[i]
		if err := a.Check(); err != nil {
			return fmt.Sprintf("%s: %v", a.Primary, err)
		}
		for _, x := range append([]identity.Address{a.Primary}, a.Aliases...) {
			if addresses[x] {
				return fmt.Sprintf("%s is held twice", x)
			}
			addresses[x] = true
		}
		if key := a.Directory + " " + a.GUID.String(); !a.Local() {
			if owners[key] {
				return fmt.Sprintf("%s owns two accounts", key)
			}
			owners[key] = true
		}
	}
	return ""
}

// TestUndoProperties applies random plans, changes some accounts, and takes the
// plan back: what was not changed is as it was, what the run created is out of
// service, and nothing is held twice.
func TestUndoProperties(t *testing.T) {
	inputs := *propertyInputs / 4
	if testing.Short() || raceDetector {
		inputs /= 20
	}
	for n := range inputs {
		in := generate(*propertySeed+1, uint64(n))
		in.Rules.Protected, in.Rules.Holds = nil, nil
		allow(&in, math.MaxInt)
		p, err := plan.Compute(in)
		if err != nil {
			continue
		}
		after, err := applied(in.Accounts, p)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		random := rand.New(rand.NewPCG(*propertySeed, uint64(n)))
		touched := map[identity.Address]bool{}
		if random.IntN(2) == 0 {
			for i := range after {
				if random.IntN(4) == 0 {
					after[i].Username += "x"
					touched[after[i].Primary] = true
				}
			}
		}
		back, kept := plan.Undo(p.Accounts, plan.Input{Accounts: after, Rules: in.Rules})
		end, err := applied(after, back)
		if err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		if broken := sound(end); broken != "" {
			t.Fatalf("input %d: after the undo %s\n%s", n, broken, report(in))
		}
		now := map[string]bool{}
		for i := range end {
			now[string(end[i].AppendJSON(nil))] = true
		}
		if len(touched) == 0 && len(kept) > 0 {
			t.Fatalf("input %d: %v is kept though nobody changed anything", n, kept)
		}
		if len(touched) > 0 {
			continue
		}
		for i := range in.Accounts {
			if text := string(in.Accounts[i].AppendJSON(nil)); !now[text] {
				t.Fatalf("input %d: %s is not there again", n, text)
			}
		}
		for i := range end {
			if a := &end[i]; a.Active() && !slices.ContainsFunc(in.Accounts, func(b identity.Account) bool { return b.Primary == a.Primary }) {
				t.Fatalf("input %d: %s is still in service", n, a.Primary)
			}
		}
	}
}

// TestUndoImport: of the accounts that an import has brought, those that are local
// still and those that were never in service go; one of a directory goes out of
// service, and one that was changed since, as by its adoption, stays.
func TestUndoImport(t *testing.T) {
	account := func(primary, directory string, status identity.Status) identity.Account {
		a := identity.Account{Primary: identity.MustAddress(primary), Directory: directory, Status: status}
		if directory != "" {
			a.GUID = identity.GUID{primary[0], 1}
		}
		return a
	}
	imported := []identity.Account{
		account("adopted@x.example", "", identity.Active), account("idle@x.example", "corp", identity.Inactive),
		account("local@x.example", "", identity.Active), account("owned@x.example", "corp", identity.Active),
	}
	var done []plan.AccountChange
	for i := range imported {
		done = append(done, plan.AccountChange{After: &imported[i]})
	}
	now := slices.Clone(imported)
	now[0].Directory, now[0].GUID = "corp", identity.GUID{9}
	p, kept := plan.Undo(done, plan.Input{Accounts: now, Rules: plan.Rules{Limits: bounded(1, 0)}})
	end, err := applied(now, p)
	if err != nil {
		t.Fatal(err)
	}
	gone := imported[3]
	gone.Status = identity.Inactive
	want := []string{string(now[0].AppendJSON(nil)), string(gone.AppendJSON(nil))}
	var got []string
	for i := range end {
		got = append(got, string(end[i].AppendJSON(nil)))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || len(kept) != 1 || kept[0].Account != now[0].Primary {
		t.Errorf("got %v, kept %v", got, kept)
	}
}

// TestUndoChain: 20,000 accounts have passed an address on to the next one, and
// the first was changed since. All stay, whichever way the chain runs.
func TestUndoChain(t *testing.T) {
	const n = 20_000
	for _, forward := range []bool{true, false} {
		var done []plan.AccountChange
		var now []identity.Account
		for i := range n {
			from, to := i, i+1
			if !forward {
				from, to = i+1, i
			}
			a := identity.Account{Primary: identity.MustAddress(fmt.Sprintf("p%05d@x.example", i)), Directory: "corp", GUID: identity.GUID{byte(i >> 16), byte(i >> 8), byte(i), 1}}
			before, after := a, a
			before.Aliases = []identity.Address{identity.MustAddress(fmt.Sprintf("a%05d@x.example", from))}
			after.Aliases = []identity.Address{identity.MustAddress(fmt.Sprintf("a%05d@x.example", to))}
			done = append(done, plan.AccountChange{Before: &before, After: &after})
			now = append(now, after)
		}
		// Each account wants what its neighbour has, but the first has changed.
		first := &now[n-1]
		if forward {
			first = &now[0]
		}
		first.Username = "changed"
		p, kept := plan.Undo(done, plan.Input{Accounts: now, Rules: plan.Rules{Limits: bounded(n, 100)}})
		if len(p.Accounts) != 0 || len(kept) != n {
			t.Errorf("forward %t: %d accounts change, %d stay", forward, len(p.Accounts), len(kept))
		}
	}
}

// TestUndoGuarded takes runs back after blocks and limits have come that the
// runs did not know.
func TestUndoGuarded(t *testing.T) {
	inputs := *propertyInputs / 4
	if testing.Short() || raceDetector {
		inputs /= 20
	}
	for n := range inputs {
		in := generate(*propertySeed+2, uint64(n))
		now := plan.Input{Rules: in.Rules, Now: in.Now}
		if n%2 == 0 {
			in.Rules.Protected, in.Rules.Holds = nil, nil
		}
		allow(&in, math.MaxInt)
		p, err := plan.Compute(in)
		if err != nil {
			continue
		}
		if now.Accounts, err = applied(in.Accounts, p); err != nil {
			t.Fatalf("input %d: %v", n, err)
		}
		back, _ := plan.Undo(p.Accounts, now)
		end, err := applied(now.Accounts, back)
		if err != nil {
			t.Fatalf("input %d: %v\n%s", n, err, report(in))
		}
		broken := sound(end)
		if broken == "" {
			broken = disregarded(now, end)
		}
		if broken != "" {
			t.Fatalf("input %d: after the undo %s\n%s", n, broken, report(in))
		}
	}
}

// disregarded says what a block in force says of the accounts of an input that
// does not hold for those at the end; "" for nothing.
func disregarded(in plan.Input, end []identity.Account) string {
	holder := map[identity.Address]*identity.Account{}
	for i := range end {
		for _, x := range append([]identity.Address{end[i].Primary}, end[i].Aliases...) {
			holder[x] = &end[i]
		}
	}
	each := func(blocks []plan.Guard, check func(before, after *identity.Account, x identity.Address) string) string {
		for b := range blocks {
			if blocks[b].Over(in.Now) {
				continue
			}
			for _, x := range blocks[b].Addresses {
				for i := range in.Accounts {
					if before := &in.Accounts[i]; before.Holds(x) {
						if broken := check(before, holder[x], x); broken != "" {
							return broken
						}
					}
				}
			}
		}
		return ""
	}
	return cmp.Or(
		each(in.Rules.Holds, func(before, after *identity.Account, x identity.Address) string {
			if after == nil || string(after.AppendJSON(nil)) != string(before.AppendJSON(nil)) {
				return fmt.Sprintf("%s is on hold and changed", before.Primary)
			}
			return ""
		}),
		each(in.Rules.Protected, func(before, after *identity.Account, x identity.Address) string {
			switch {
			case !before.Active():
			case after == nil || !after.Active():
				return fmt.Sprintf("%s is protected and out of service", x)
			case before.Primary == x && after.Primary != x:
				return fmt.Sprintf("%s is a protected primary and became an alias", x)
			}
			return ""
		}))
}

func TestUndo(t *testing.T) {
	account := func(n byte, primary string, aliases ...string) *identity.Account {
		a := &identity.Account{Primary: identity.MustAddress(primary + "@x.example"), Directory: "corp", GUID: identity.GUID{n}}
		for _, x := range aliases {
			a.Aliases = append(a.Aliases, identity.MustAddress(x+"@x.example"))
		}
		return a
	}
	renamed := account(1, "ann")
	renamed.Username = "changed"
	for _, c := range []struct {
		story        string
		done         []plan.AccountChange
		now          []*identity.Account
		guard        string
		changes, why string
	}{
		{"an alias moves back", []plan.AccountChange{{Before: account(1, "ann", "a"), After: account(1, "ann")}, {Before: account(2, "bob"), After: account(2, "bob", "a")}},
			[]*identity.Account{account(1, "ann"), account(2, "bob", "a")}, "", "alias_switch a@x.example", ""},
		{"who got it has changed since, and so both stay", []plan.AccountChange{{Before: account(1, "ann", "a"), After: account(1, "ann")}, {Before: account(2, "bob"), After: account(2, "bob", "a")}},
			[]*identity.Account{account(1, "ann"), account(2, "bob", "a", "b")}, "", "", "ann@x.example: a@x.example belongs to bob@x.example now; bob@x.example: it was changed since"},
		{"a new account goes out of service", []plan.AccountChange{{After: account(1, "ann", "a")}}, []*identity.Account{account(1, "ann", "a")}, "", "inactive a@x.example, inactive ann@x.example", ""},
		{"a new account whose primary goes back is dropped", []plan.AccountChange{{Before: account(2, "ann"), After: account(2, "bob")}, {After: account(1, "ann")}},
			[]*identity.Account{account(2, "bob"), account(1, "ann")}, "", "inactive bob@x.example, primary_change ann@x.example, primary_switch ann@x.example, removal ann@x.example", ""},
		{"changed since", []plan.AccountChange{{Before: account(1, "ann", "a"), After: account(1, "ann")}}, []*identity.Account{renamed}, "", "", "ann@x.example: it was changed since"},
		{"not there any more", []plan.AccountChange{{Before: account(1, "ann", "a"), After: account(1, "ann")}}, nil, "", "", "ann@x.example: it is no longer there"},
		{"dropped, and there again", []plan.AccountChange{{Before: account(1, "ann")}}, []*identity.Account{account(3, "ann")}, "", "", "ann@x.example: there is another account of that primary now"},
		{"dropped, and its GUID has another account", []plan.AccountChange{{Before: account(1, "ann")}}, []*identity.Account{account(1, "new")}, "", "", "ann@x.example: its GUID belongs to new@x.example now"},
		{"protected", []plan.AccountChange{{After: account(1, "ann", "a")}}, []*identity.Account{account(1, "ann", "a")}, "a", "", `ann@x.example: a@x.example is protected by "board"`},
	} {
		in := plan.Input{Rules: plan.Rules{Limits: bounded(10, 100)}}
		for _, a := range c.now {
			in.Accounts = append(in.Accounts, *a)
		}
		if c.guard != "" {
			in.Rules.Protected = []plan.Guard{{Label: "board", Addresses: []identity.Address{identity.MustAddress(c.guard + "@x.example")}}}
		}
		p, kept := plan.Undo(c.done, in)
		var changes, why []string
		for i := range p.Changes {
			changes = append(changes, p.Changes[i].Category.String()+" "+p.Changes[i].Address.String())
		}
		for _, k := range kept {
			why = append(why, k.Account.String()+": "+k.Why)
		}
		if strings.Join(changes, ", ") != c.changes || strings.Join(why, "; ") != c.why {
			t.Errorf("%s: got %q, %q", c.story, changes, why)
		}
	}
}

package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// selectors reads selectors of the rules' scopes.
func selectors(t testing.TB, rules *plan.Rules, texts ...string) (list []plan.Selector) {
	t.Helper()
	var scopes []string
	for _, s := range rules.Scopes {
		scopes = append(scopes, s.Name)
	}
	for _, text := range texts {
		s, err := plan.ParseSelector(text, scopes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// TestSelection: Ann gets an alias of Bob, who leaves; Cat moves to Sales; Dan
// leaves the laboratory; Eve joins it; Fay and Gus swap an alias.
func TestSelection(t *testing.T) {
	account := func(n byte, ou, primary string, aliases ...string) identity.Account {
		a := identity.Account{
			Primary: identity.MustAddress(primary + "@example.com"), Directory: "corp", GUID: identity.GUID{15: n},
			Username: primary, DN: "cn=" + primary + ",ou=" + ou + ",dc=corp",
		}
		for _, x := range aliases {
			a.Aliases = append(a.Aliases, identity.MustAddress(x+"@example.com"))
		}
		return a
	}
	entry := func(n byte, scope int32, ou, primary string, aliases ...string) identity.Entry {
		e := identity.Entry{
			GUID: identity.GUID{15: n}, Scope: scope, Username: primary, DN: "cn=" + primary + ",ou=" + ou + ",dc=corp",
			Primaries: []string{primary + "@example.com"},
		}
		for _, x := range aliases {
			e.Aliases = append(e.Aliases, x+"@example.com")
		}
		return e
	}
	scope := func(name, base string) plan.Scope {
		dn, err := identity.ParseDN(base)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Scope{Name: name, Directory: "corp", Domains: []string{"example.com"}, Base: dn}
	}
	cat := entry(3, 0, "staff", "cat")
	cat.Attributes = []identity.Attribute{{Name: "department", Value: "Sales"}}
	in := plan.Input{
		Now: poolNow, Read: []string{"corp"},
		Rules: plan.Rules{
			Directories: []string{"corp"},
			Domains:     []plan.Domain{{Name: "example.com", Aliases: []string{"example.net"}}},
			// Both scopes below the root may have had an account that no entry
			// stands behind; one of ou=lab is of the laboratory or of add.
			Scopes: []plan.Scope{scope("staff", "ou=staff,dc=corp"), scope("lab", "ou=lab,dc=corp"), scope("add", "ou=lab,dc=corp")},
			Limits: bounded(1, 100),
		},
		Accounts: []identity.Account{
			account(1, "staff", "ann"), account(2, "staff", "bob", "shared"), account(3, "staff", "cat"),
			account(4, "lab", "dan"), account(6, "lab", "fay", "one"), account(7, "lab", "gus", "two"),
		},
		Entries: []identity.Entry{
			entry(1, 0, "staff", "ann", "shared"), cat, entry(5, 1, "lab", "eve"),
			entry(6, 1, "lab", "fay", "two"), entry(7, 1, "lab", "gus", "one"),
		},
	}
	const (
		eve, shared, one, two = "add eve", "alias_switch shared", "alias_switch one", "alias_switch two"
		department, bob, dan  = "attribute_change cat", "inactive bob", "inactive dan"
	)
	for _, c := range []struct {
		name         string
		only, except []string
		made         []string
		left         []string // with the row that it goes with
	}{
		{"everything: a limit withholds both leavers",
			nil, nil, []string{eve, bob + " withheld", dan + " withheld", one, shared, two, department}, nil},
		{"a category", []string{"add"}, nil, []string{eve},
			[]string{bob, dan, one, shared, two, department}},
		{"all but a category; Bob keeps his alias when he stays, and Ann waits for it", nil, []string{"inactive"},
			[]string{eve, one, two, department}, []string{bob, dan, shared + " with " + bob}},
		{"leavers without those whose alias moves; the limit counts one", []string{"inactive"}, nil, []string{dan},
			[]string{eve, bob + " with " + shared, one, shared, two, department}},
		{"a scope, and of leavers those who can be of no other", []string{"staff"}, nil,
			[]string{bob, shared, department}, []string{eve, dan, one, two}},
		{"two scopes that a leaver may be of", []string{"lab", "scope:add"}, nil,
			[]string{eve, dan, one, two}, []string{bob, shared, department}},
		{"all but a scope that a leaver may be of", nil, []string{"scope:add"},
			[]string{eve, bob, one, shared, two, department}, []string{dan}},
		{"an account, by an alias that it loses", []string{"one@example.com"}, nil,
			[]string{one, two}, []string{eve, bob, dan, shared, department}},
		{"all but an address of an alias domain, and what it swaps with", nil, []string{"address:ONE@example.net"},
			[]string{eve, bob + " withheld", dan + " withheld", shared, department}, []string{one, two}},
		{"one of each kind", []string{"inactive", "alias_switch", "staff"}, nil,
			[]string{bob, shared}, []string{eve, dan, one, two, department}},
		{"only and except", []string{"staff"}, []string{"category:attribute_change"},
			[]string{bob, shared}, []string{eve, dan, one, two, department}},
		{"an address that nothing happens to", []string{"nobody@example.com"}, nil, nil,
			[]string{eve, bob, dan, one, shared, two, department}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := in
			in.Selection = plan.Selection{Only: selectors(t, &in.Rules, c.only...), Except: selectors(t, &in.Rules, c.except...)}
			p := compute(in)
			name := func(category plan.Category, x identity.Address) string { return category.String() + " " + x.Local() }
			var made, left []string
			for i := range p.Changes {
				row := &p.Changes[i]
				text := name(row.Category, row.Address)
				if row.Withheld {
					text += " withheld"
				}
				made = append(made, text)
			}
			for i := range p.LeftOut {
				row := p.LeftOut[i].Row()
				text := name(row.Category, identity.MustAddress(row.Address))
				if with := p.LeftOut[i].With; !with.Address.IsZero() {
					text += " with " + name(with.Category, with.Address)
				}
				left = append(left, text)
			}
			if !slices.Equal(made, c.made) || !slices.Equal(left, c.left) {
				t.Errorf("makes %q, leaves out %q\nwant  %q, leaves out %q", made, left, c.made, c.left)
			}
		})
	}
}

// TestParseSelector: what is read is written, and what is wrong is named.
func TestParseSelector(t *testing.T) {
	scopes := []string{"staff", "add", "a b"}
	for text, want := range map[string]string{
		"add": "add", "category:add": "add", "scope:add": "scope:add", "staff": "scope:staff", "scope:a b": "scope:a b",
		"Ann@Example.com": "ann@example.com", "address:ann@example.com": "ann@example.com",
	} {
		s, err := plan.ParseSelector(text, scopes)
		if err != nil || s.String() != want {
			t.Errorf("%q is read as %q, %v", text, s, err)
		}
		if again, err := plan.ParseSelector(s.String(), scopes); err != nil || again != s {
			t.Errorf("%q is read as %q, %v", s, again, err)
		}
	}
	for text, want := range map[string]string{
		"":             `"" is not a category, a scope or an address`,
		"adds":         `"adds" is not a category, a scope or an address`,
		"smtp:add":     `"smtp:add" is not a category`,
		"category:x":   `unknown category "x"`,
		"scope:x":      `unknown scope "x"`,
		"address:ann":  "@",
		"ann@@example": "@",
	} {
		if _, err := plan.ParseSelector(text, scopes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func allCategories() (names []string) {
	for c := range plan.Categories {
		names = append(names, plan.Category(c).String())
	}
	return names
}

// randomSelection chooses a few selectors, most of them such as fit something.
func randomSelection(t testing.TB, r *rand.Rand, in plan.Input) plan.Selection {
	some := func() (texts []string) {
		for range r.IntN(4) {
			switch r.IntN(3) {
			case 0:
				texts = append(texts, pickFrom(r, allCategories()))
			case 1:
				if len(in.Rules.Scopes) > 0 {
					texts = append(texts, "scope:"+pickFrom(r, in.Rules.Scopes).Name)
				}
			case 2:
				if len(in.Accounts) > 0 {
					texts = append(texts, pickFrom(r, in.Accounts).Primary.String())
				}
			}
		}
		return texts
	}
	var s plan.Selection
	if r.IntN(3) > 0 {
		s.Only = selectors(t, &in.Rules, some()...)
		if r.IntN(2) == 0 {
			s.Only = append(s.Only, selectors(t, &in.Rules, allCategories()[:1+r.IntN(plan.Categories)]...)...)
		}
	}
	if r.IntN(3) > 0 {
		s.Except = selectors(t, &in.Rules, some()...)
	}
	return s
}

func pickFrom[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// plainRows are rows, made or left out.
func plainRows(p *plan.Plan) (rows []plan.Row) {
	for i := range p.Changes {
		rows = append(rows, p.Changes[i].Row())
	}
	for i := range p.LeftOut {
		rows = append(rows, p.LeftOut[i].Row())
	}
	return rows
}

// existing counts the account changes of accounts that are there.
func existing(p *plan.Plan) (n int) {
	for i := range p.Accounts {
		if p.Accounts[i].Before != nil {
			n++
		}
	}
	return n
}

// judgeSelection checks what holds of every selection, and says what does not.
func judgeSelection(in plan.Input, selection plan.Selection, every []plan.Selector) string {
	whole, wholePlan, err := engine(in)
	if err != nil {
		return err.Error()
	}
	some := in
	some.Selection = selection
	p := compute(some)
	// A brake changes rows, and what it counts is another for a part.
	free := some
	free.Rules.Limits = bounded(1<<30, 100)
	parts := plainRows(compute(free))
	free.Selection = plan.Selection{}
	all := plainRows(compute(free))
	if rest := without(all, parts, equal); len(rest) > 0 {
		return "neither made nor left out: " + brief(rest[0])
	}
	if rest := without(parts, all, equal); len(rest) > 0 {
		return "not a row of the whole plan: " + brief(rest[0])
	}
	if p.Unchanged != wholePlan.Unchanged || len(p.Accounts)+p.LeftOutAccounts != len(wholePlan.Accounts) {
		return fmt.Sprintf("%d changed, %d left out and %d unchanged, of %d and %d",
			len(p.Accounts), p.LeftOutAccounts, p.Unchanged, len(wholePlan.Accounts), wholePlan.Unchanged)
	}
	if !reflect.DeepEqual(p.Rejections, wholePlan.Rejections) {
		return "a selection changes the rejections"
	}
	if !reflect.DeepEqual(spelled(p), spelled(compute(shuffled(some)))) {
		return "a shuffled input has another plan"
	}
	some.Selection = plan.Selection{Only: every}
	if q := compute(some); len(q.LeftOut) > 0 || !reflect.DeepEqual(spelled(q), spelled(wholePlan)) {
		return "all categories are not everything"
	}
	some.Selection = plan.Selection{Except: every}
	if q := compute(some); len(q.Accounts) > 0 || len(q.LeftOut) != len(all) {
		return "something is made although each category is left out"
	}

	// The console afterwards is whole; what is left out is reported.
	counted := *p
	counted.Unchanged += existing(wholePlan) - existing(p)
	var out outcome
	if out.console, err = applied(in.Accounts, &counted); err != nil {
		return err.Error()
	}
	for i := range p.Changes {
		out.changes = append(out.changes, p.Changes[i].Row())
	}
	out.rejections = slices.Clone(whole.rejections)
	tell := func(x string) {
		out.rejections = append(out.rejections, refRejection{Reason: plan.AliasRejected, Address: x})
	}
	for i := range p.LeftOut {
		tell(p.LeftOut[i].Row().Address)
	}
	made := map[*identity.Account]bool{}
	for i := range p.Accounts {
		made[p.Accounts[i].Before] = true
	}
	for i := range wholePlan.Accounts {
		// What an account that is left out has already, it keeps, though under
		// its old owner.
		if before := wholePlan.Accounts[i].Before; before != nil && !made[before] {
			tell(before.Primary.String())
			for _, x := range before.Aliases {
				tell(x.String())
			}
		}
	}
	return invariants(in, out)
}

// judgeEnd checks that plans without a selection, after one with it, reach the
// end that a plan without one reaches at once. Limits are lifted, since what
// they count differs. It does not hold of a plan that gives somebody an address
// on hold which nobody had: whoever has it then is on hold in the next plan.
func judgeEnd(in plan.Input, selection plan.Selection) string {
	allow(&in, math.MaxInt)
	whole, wholePlan, err := engine(in)
	if err != nil {
		return err.Error()
	}
	if gainsHeld(in, wholePlan) {
		return ""
	}
	some := in
	some.Selection = selection
	p := compute(some)
	p.Unchanged += existing(wholePlan) - existing(p)
	if in.Accounts, err = applied(in.Accounts, p); err != nil {
		return err.Error()
	}
	rest, _, err := engine(in)
	if err != nil {
		return err.Error()
	}
	var s strings.Builder
	compare(&s, "account", "rest", rest.console, "whole plan", whole.console, sameAccount)
	return s.String()
}

// TestSelectionProperties chooses parts of the plans of random inputs.
func TestSelectionProperties(t *testing.T) {
	inputs := *propertyInputs / 4
	if testing.Short() || raceDetector {
		inputs /= 20
	}
	workers := runtime.GOMAXPROCS(0)
	every := selectors(t, &plan.Rules{}, allCategories()...)
	var parted, joined atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d plans make a part, %d leave something out with something else", parted.Load(), joined.Load())
		if !t.Failed() && (parted.Load() == 0 || joined.Load() == 0) {
			t.Error("no selection parts a plan, or none leaves out what it would make alone")
		}
	})
	for w := range workers {
		t.Run(strconv.Itoa(w), func(t *testing.T) {
			t.Parallel()
			for n := w; n < inputs; n += workers {
				in := generate(*propertySeed, uint64(n))
				r := rand.New(rand.NewPCG(*propertySeed, uint64(n)))
				s := randomSelection(t, r, in)
				broken := judgeSelection(in, s, every)
				if broken == "" {
					broken = judgeEnd(in, s)
				}
				in.Selection = s
				p := compute(in)
				if len(p.Accounts) > 0 && len(p.LeftOut) > 0 {
					parted.Add(1)
				}
				if slices.ContainsFunc(p.LeftOut, func(l plan.LeftOut) bool { return !l.With.Address.IsZero() }) {
					joined.Add(1)
				}
				if broken != "" {
					t.Fatalf("input %d of seed %d, only %v, except %v: %s", n, *propertySeed, s.Only, s.Except, broken)
				}
			}
		})
	}
}

// selectingMany returns an input of n accounts that all change, and the same with
// selectors for this many of them.
func selectingMany(tb testing.TB, n, selectors int) (whole, selected plan.Input) {
	whole = crowd(n, func(_ int, e *identity.Entry, _ *identity.Account) { e.Username = "new" })
	selected = whole
	for i := range selectors {
		s, err := plan.ParseSelector(whole.Accounts[i*(n/selectors)].Primary.String(), nil)
		if err != nil {
			tb.Fatal(err)
		}
		selected.Selection.Only = append(selected.Selection.Only, s)
	}
	return whole, selected
}

// TestSelectMany: 10,000 selectors cost no more than twice what the plan itself
// does; if each change were held against each selector, it would be a hundred
// times as much.
func TestSelectMany(t *testing.T) {
	const selectors = 10_000
	whole, selected := selectingMany(t, 5*selectors, selectors)
	compute := func(in plan.Input, want int) func() {
		return func() {
			if p, err := plan.Compute(in); err != nil || len(p.Accounts) != want {
				t.Fatal(len(p.Accounts), err)
			}
		}
	}
	var ratio float64
	for range 3 { // others may have the machine for a moment
		ratio = float64(fastest(3, compute(selected, selectors))) / float64(fastest(3, compute(whole, 5*selectors)))
		if ratio < 6 {
			return
		}
	}
	t.Errorf("the plan takes %.1f times as long with a selector for each account", ratio)
}

// BenchmarkSelect measures plans without selectors and with 10,000: of as many
// changes, of 200,000, and of 200,000 accounts of which a hundredth changes.
func BenchmarkSelect(b *testing.B) {
	few, fewOnly := selectingMany(b, 10_000, 10_000)
	many, manyOnly := selectingMany(b, 200_000, 10_000)
	usual := corpusInput(200_000)
	usualOnly := usual
	for i := range 10_000 {
		s, err := plan.ParseSelector(usual.Accounts[19*i].Primary.String(), nil)
		if err != nil {
			b.Fatal(err)
		}
		usualOnly.Selection.Only = append(usualOnly.Selection.Only, s)
	}
	for _, c := range []struct {
		name string
		in   plan.Input
	}{{"few/all", few}, {"few/only", fewOnly}, {"many/all", many}, {"many/only", manyOnly}, {"usual/all", usual}, {"usual/only", usualOnly}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := plan.Compute(c.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

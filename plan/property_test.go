package plan_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var (
	propertySeed   = flag.Uint64("properties.seed", 1, "seed of the random inputs of TestProperties")
	propertyInputs = flag.Int("properties.inputs", 80_000, "how many random inputs TestProperties judges")
)

// outcome is what a plan says and what an apply of it leaves.
type outcome struct {
	changes    []refChange
	rejections []refRejection
	console    []identity.Account
}

// engine runs the engine and applies its plan to the input's accounts.
func engine(in plan.Input) (outcome, *plan.Plan, error) {
	p, err := plan.Compute(in)
	if err != nil {
		return outcome{}, nil, err
	}
	var out outcome
	for i := range p.Changes {
		row := p.Changes[i].Row()
		row.DNChange = "" // follows from the DNs: see TestDNChange
		if row.Category == plan.TypeChange {
			row.Reason = ""
		}
		row.Drift = false
		out.changes = append(out.changes, row)
	}
	for _, r := range p.Rejections {
		out.rejections = append(out.rejections, refRejection{r.Reason, r.Address, r.GUID.String(), r.DN, r.Directory, r.Scope})
	}
	out.console, err = applied(in.Accounts, p)
	return out, p, err
}

// applied puts the accounts of a plan in the place of those they change.
func applied(accounts []identity.Account, p *plan.Plan) ([]identity.Account, error) {
	changed := map[identity.Address]*plan.AccountChange{}
	var after []identity.Account
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if c.Withheld != (c.Kept != nil) {
			return nil, fmt.Errorf("account change %d: withheld is %t, but what is kept is %v", i, c.Withheld, c.Kept)
		}
		switch {
		case c.Before == nil && c.After == nil:
			return nil, fmt.Errorf("account change %d has neither before nor after", i)
		case c.Before == nil:
			after = append(after, *c.After)
		case c.Gone:
		case changed[c.Before.Primary] != nil:
			return nil, fmt.Errorf("%s changes twice", c.Before.Primary)
		default:
			changed[c.Before.Primary] = c
		}
	}
	unchanged := 0
	for _, a := range accounts {
		c := changed[a.Primary]
		switch {
		case c == nil:
			after = append(after, a)
			unchanged++
			continue
		case !sameAccount(*c.Before, a):
			return nil, fmt.Errorf("%s is not as the plan has it before", a.Primary)
		case c.Kept != nil:
			after = append(after, *c.Kept)
		case c.After != nil:
			after = append(after, *c.After)
		}
		if c.After != nil && sameAccount(*c.After, a) {
			return nil, fmt.Errorf("%s is listed as changed and does not change", a.Primary)
		}
		delete(changed, a.Primary)
	}
	if len(changed) > 0 {
		return nil, fmt.Errorf("%d accounts change that the console does not have", len(changed))
	}
	if unchanged != p.Unchanged {
		return nil, fmt.Errorf("the plan counts %d unchanged accounts of %d", p.Unchanged, unchanged)
	}
	return after, nil
}

func model(in plan.Input) outcome {
	var out outcome
	out.changes, out.rejections, out.console = reference(in)
	return out
}

func sameAccount(a, b identity.Account) bool {
	return a.Primary == b.Primary && a.Directory == b.Directory && a.GUID == b.GUID && a.Username == b.Username && a.DN == b.DN &&
		a.Type == b.Type && a.Status == b.Status && slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Attributes, b.Attributes)
}

// without returns what a has and b does not, counting.
func without[T any](a, b []T, same func(x, y T) bool) (rest []T) {
	gone := make([]bool, len(b))
next:
	for _, x := range a {
		for i, y := range b {
			if !gone[i] && same(x, y) {
				gone[i] = true
				continue next
			}
		}
		rest = append(rest, x)
	}
	return rest
}

func equal[T comparable](x, y T) bool { return x == y }

// difference says in what two outcomes differ, "" if in nothing.
func difference(aName string, a outcome, bName string, b outcome) string {
	var s strings.Builder
	compare(&s, "change", aName, a.changes, bName, b.changes, equal)
	compare(&s, "rejection", aName, a.rejections, bName, b.rejections, equal)
	compare(&s, "account", aName, a.console, bName, b.console, sameAccount)
	return s.String()
}

func compare[T any](s *strings.Builder, what, aName string, a []T, bName string, b []T, same func(x, y T) bool) {
	for _, x := range without(a, b, same) {
		fmt.Fprintf(s, "%s of the %s alone: %s\n", what, aName, brief(x))
	}
	for _, x := range without(b, a, same) {
		fmt.Fprintf(s, "%s of the %s alone: %s\n", what, bName, brief(x))
	}
}

// judge checks every property on one input and says what is broken, "" if
// nothing is.
func judge(in plan.Input) (broken string) {
	defer func() {
		if r := recover(); r != nil {
			broken = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	want := model(in)
	if broken := invariants(in, want); broken != "" {
		return "the reference: " + broken
	}
	got, p, err := engine(in)
	if err != nil {
		return "the engine: " + err.Error()
	}
	if d := difference("engine", got, "reference", want); d != "" {
		return d
	}
	if broken := invariants(in, got); broken != "" {
		return "the engine: " + broken
	}
	if !reflect.DeepEqual(spelled(p), spelled(compute(shuffled(in)))) {
		return "the engine: a shuffled input has another plan"
	}

	if broken := brakes(in, got, p); broken != "" {
		return broken
	}
	if broken := spares(in, p); broken != "" {
		return broken
	}

	// Two more plans, each on what the one before left. It is another thing if an
	// address on hold joins an account from which a brake withholds a loss: with
	// the account on hold, the loss counts no more, and the brake may not trip.
	if p.Summary().WithheldAccounts > 0 && gainsHeld(in, p) {
		return ""
	}
	first := got
	for round := 2; round <= 3; round++ {
		next := in
		next.Accounts = first.console
		second, _, err := engine(next)
		if err != nil {
			return fmt.Sprintf("the engine, plan %d: %v", round, err)
		}
		if d := difference("engine", second, "reference", model(next)); d != "" {
			return fmt.Sprintf("plan %d: %s", round, d)
		}
		for _, c := range second.changes {
			if !c.Withheld || !slices.ContainsFunc(p.Allowances, func(a plan.Allowance) bool { return a.Braked() }) {
				return fmt.Sprintf("plan %d after an apply has a change that no brake withholds: %s", round, brief(c))
			}
		}
		if len(without(second.console, first.console, sameAccount))+len(without(first.console, second.console, sameAccount)) > 0 {
			return fmt.Sprintf("plan %d after an apply changes accounts", round)
		}
		first = second
	}
	return ""
}

// brakes checks what is promised of a plan whose brakes have tripped: nothing is
// taken away but what others were granted, and once they are lifted the end is
// as if they had never been there, but for the inactive records of accounts
// whose primary went to somebody else.
func brakes(in plan.Input, got outcome, p *plan.Plan) string {
	braked := map[string]bool{}
	for i := range p.Allowances {
		braked[p.Allowances[i].Directory] = p.Allowances[i].Braked()
	}
	if !slices.ContainsFunc(p.Allowances, func(a plan.Allowance) bool { return a.Braked() }) {
		return ""
	}
	active := map[identity.Address]*identity.Account{}
	for i := range got.console {
		if a := &got.console[i]; a.Active() {
			for _, x := range held(a) {
				active[x] = a
			}
		}
	}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if c.Before == nil || !c.Before.Active() || !braked[ownerOf(c)] {
			continue
		}
		for _, x := range held(c.Before) {
			if active[x] == nil {
				return fmt.Sprintf("the brake of %s has tripped, and %s is lost", ownerOf(c), x)
			}
		}
	}
	// What joins an account while a brake keeps the rest of it there may put it on
	// hold, or be protected from then on.
	if len(in.Rules.Holds)+len(in.Rules.Protected) > 0 || !reflect.DeepEqual(in.Facts, plan.Facts{}) {
		return "" // nor may a console have what a brake keeps beside what joins it
	}
	lifted := in
	lifted.Rules.Limits = bounded(1<<30, 100)
	want, _, err := engine(lifted)
	if err != nil {
		return err.Error()
	}
	lifted.Accounts = got.console
	end, _, err := engine(lifted)
	if err != nil {
		return err.Error()
	}
	if lost := without(want.console, end.console, sameAccount); len(lost) > 0 {
		return "once the brake is lifted, an account is another: " + brief(lost[0])
	}
	for _, a := range without(end.console, want.console, sameAccount) {
		if a.Active() {
			return "once the brake is lifted, an account is there too: " + brief(a)
		}
	}
	return ""
}

// spares checks that a prerequisite takes nothing from an account that is there: no
// account loses an address that it would keep without it. Where a brake trips, what is
// withheld may be another.
func spares(in plan.Input, p *plan.Plan) string {
	if len(in.Rules.Prerequisites) == 0 {
		return ""
	}
	in.Rules.Prerequisites, in.Others = nil, nil
	free := compute(in)
	if p.Summary().WithheldAccounts+free.Summary().WithheldAccounts > 0 {
		return ""
	}
	lost := func(p *plan.Plan) map[identity.Address]bool {
		all := map[identity.Address]bool{}
		for i := range p.Accounts {
			c := &p.Accounts[i]
			if c.Before == nil {
				continue
			}
			for _, x := range held(c.Before) {
				if c.After == nil || !slices.Contains(held(c.After), x) {
					all[x] = true
				}
			}
		}
		return all
	}
	without := lost(free)
	for x := range lost(p) {
		if !without[x] {
			return fmt.Sprintf("a prerequisite takes %s from its account", x)
		}
	}
	return ""
}

// gainsHeld reports whether somebody gets an address on hold which nobody had.
func gainsHeld(in plan.Input, p *plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		return slices.ContainsFunc(in.Rules.Holds, func(g plan.Guard) bool { return slices.Contains(g.Addresses, c.Address) })
	})
}

// ownerOf returns the directory that an account change counts for.
func ownerOf(c *plan.AccountChange) string {
	if c.After != nil && !c.After.Local() {
		return c.After.Directory
	}
	return c.Before.Directory
}

func compute(in plan.Input) *plan.Plan {
	p, err := plan.Compute(in)
	if err != nil {
		panic(err)
	}
	return p
}

// plainPlan is a plan without pointers, for comparing it to the last byte.
type plainPlan struct {
	Rows       []plan.Row
	Rejections []plan.Rejection
	Messages   []string
	Accounts   []plainChange
	Warnings   []string
}

type plainChange struct {
	Before, After, Kept identity.Account
	Withheld            bool
}

func spelled(p *plan.Plan) plainPlan {
	s := plainPlan{Rejections: p.Rejections, Warnings: p.Warnings}
	for i := range p.Changes {
		s.Rows = append(s.Rows, p.Changes[i].Row())
	}
	for _, c := range p.Accounts {
		plain := plainChange{Withheld: c.Withheld}
		for _, part := range []struct {
			to   *identity.Account
			from *identity.Account
		}{{&plain.Before, c.Before}, {&plain.After, c.After}, {&plain.Kept, c.Kept}} {
			if part.from != nil {
				*part.to = *part.from
				if len(part.to.Aliases) == 0 {
					part.to.Aliases = nil
				}
				if len(part.to.Attributes) == 0 {
					part.to.Attributes = nil
				}
			}
		}
		s.Accounts = append(s.Accounts, plain)
	}
	return s
}

// shuffled is the same input in another order: entries, accounts, values,
// guards and what was read. The order of scopes means something.
func shuffled(in plan.Input) plan.Input {
	r := rand.New(rand.NewPCG(uint64(len(in.Entries)), uint64(len(in.Accounts))))
	in.Entries = mixed(r, in.Entries)
	in.Accounts = mixed(r, in.Accounts)
	in.Read = mixed(r, in.Read)
	in.Rules.Directories = mixed(r, in.Rules.Directories)
	in.Rules.Domains = mixed(r, in.Rules.Domains)
	in.Rules.Protected = mixed(r, in.Rules.Protected)
	in.Rules.Holds = mixed(r, in.Rules.Holds)
	for i := range in.Entries {
		e := &in.Entries[i]
		e.Primaries, e.Aliases = mixed(r, e.Primaries), mixed(r, e.Aliases)
	}
	return in
}

func mixed[T any](r *rand.Rand, s []T) []T {
	s = slices.Clone(s)
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	return s
}

// invariants checks what always holds, whatever the rules made of the input.
func invariants(in plan.Input, out outcome) string {
	holder := map[identity.Address]*identity.Account{}
	owners := map[string]bool{}
	for i := range out.console {
		a := &out.console[i]
		if !a.Active() && len(a.Aliases) > 0 {
			return fmt.Sprintf("%s is inactive and has aliases", a.Primary)
		}
		if !slices.IsSortedFunc(a.Aliases, identity.Address.Compare) {
			return fmt.Sprintf("the aliases of %s are not in byte order", a.Primary)
		}
		for _, x := range append([]identity.Address{a.Primary}, a.Aliases...) {
			if x.IsZero() {
				return "an account has an empty address"
			}
			if holder[x] != nil {
				return fmt.Sprintf("%s is held twice", x)
			}
			holder[x] = a
		}
		if owner := a.Directory + " " + a.GUID.String(); !a.Local() {
			if owners[owner] {
				return fmt.Sprintf("two accounts belong to %s", owner)
			}
			owners[owner] = true
		}
	}

	rules := &in.Rules
	guarded := func(guards []plan.Guard, a *identity.Account) bool {
		return slices.ContainsFunc(guards, func(g plan.Guard) bool {
			return !g.Over(in.Now) && slices.ContainsFunc(g.Addresses, a.Holds)
		})
	}
	for i := range in.Accounts {
		a := &in.Accounts[i]
		after := holder[a.Primary]
		same := after != nil && sameAccount(*a, *after)
		if guarded(rules.Holds, a) && !same {
			return fmt.Sprintf("%s is on hold and changed", a.Primary)
		}
		adopted := a.Local() && slices.ContainsFunc(out.changes, func(c refChange) bool {
			return c.Category == plan.Adoption && (c.Address == a.Primary.String() || c.GUID == a.GUID.String())
		})
		if a.Local() && !adopted && !same {
			return fmt.Sprintf("%s is local and changed", a.Primary)
		}
		if !a.Local() && slices.Contains(rules.Directories, a.Directory) && !slices.Contains(in.Read, a.Directory) && !same {
			return fmt.Sprintf("%s was not read and changed", a.Primary)
		}
		if !a.Active() {
			continue
		}
		for _, g := range rules.Protected {
			for _, x := range g.Addresses {
				if !a.Holds(x) {
					continue
				}
				now := holder[x]
				switch {
				case now == nil || !now.Active():
					return fmt.Sprintf("%s is protected and not active any more", x)
				case a.Primary == x && now.Primary != x:
					return fmt.Sprintf("%s is protected and not a primary any more", x)
				case now.Primary != a.Primary && (now.GUID != a.GUID || a.GUID.IsZero()):
					return fmt.Sprintf("%s is protected and moved from %s to %s", x, a.Primary, now.Primary)
				}
			}
		}
	}

	told := map[string]bool{}
	for _, r := range out.rejections {
		told[r.Address] = true
		if r.Reason == 0 || r.Address == "" {
			return fmt.Sprintf("a rejection says nothing: %s", brief(r))
		}
	}
	for i := range in.Entries {
		e := &in.Entries[i]
		dir := rules.Scopes[e.Scope].Directory
		if hidden(in, e) {
			continue
		}
		for _, value := range slices.Concat(e.Primaries, e.Aliases) {
			x := strings.ToLower(value)
			if parsed, err := identity.ParseAddress(value); err == nil {
				if d := plan.NewDomains(rules.Domains).Of(parsed.Domain()); d != nil && d.Ignore {
					continue
				}
				for _, d := range rules.Domains {
					if slices.Contains(d.Aliases, parsed.Domain()) {
						parsed = parsed.WithDomain(d.Name)
						break
					}
				}
				x = parsed.String()
				if a := holder[parsed]; a != nil && (a.Directory == dir || wasSwitched(in, a)) && a.GUID == e.GUID {
					continue
				}
			}
			if !told[x] {
				return fmt.Sprintf("%s is listed by %s, not held by its account and not rejected", x, e.DN)
			}
		}
	}
	for _, c := range out.changes {
		if c.Withheld && c.Category != plan.Inactive && c.Category != plan.PrimaryChange && c.Category != plan.Removal {
			return fmt.Sprintf("withheld, and takes nothing away: %s", brief(c))
		}
	}
	// An account is known by its owner, or by its primary: one that is gone has a
	// row.
	for i := range in.Accounts {
		a := &in.Accounts[i]
		there := holder[a.Primary] != nil && holder[a.Primary].Primary == a.Primary || slices.ContainsFunc(out.console, func(b identity.Account) bool {
			return !b.Local() && b.GUID == a.GUID
		})
		if !there && !slices.ContainsFunc(out.changes, func(c refChange) bool {
			return c.Category == plan.Removal && !c.Withheld && c.Address == a.Primary.String() && c.GUID == a.GUID.String()
		}) && !slices.ContainsFunc(out.changes, func(c refChange) bool {
			return c.Category == plan.GUIDChange && c.OriginalGUID == a.GUID.String()
		}) {
			return fmt.Sprintf("the record of %s is gone without a row", a.Primary)
		}
	}
	return ""
}

// hidden reports whether another result of the same object stands for e.
func hidden(in plan.Input, e *identity.Entry) bool {
	dir := in.Rules.Scopes[e.Scope].Directory
	return slices.ContainsFunc(in.Entries, func(o identity.Entry) bool {
		return o.Scope < e.Scope && in.Rules.Scopes[o.Scope].Directory == dir && o.GUID == e.GUID && identity.EqualDN(o.DN, e.DN)
	})
}

// wasSwitched reports whether a is as before the plan: its entry may be in
// another directory, if a hold or a contest kept it from following.
func wasSwitched(in plan.Input, a *identity.Account) bool {
	return slices.ContainsFunc(in.Accounts, func(b identity.Account) bool { return sameAccount(*a, b) })
}

// TestProperties compares the engine with the model on random inputs and
// checks what the rules promise of every plan.
func TestProperties(t *testing.T) {
	inputs := *propertyInputs
	if testing.Short() || raceDetector {
		inputs /= 20
	}
	seed := *propertySeed
	t.Logf("seed %d, %d inputs", seed, inputs)
	workers := runtime.GOMAXPROCS(0)
	var mu sync.Mutex
	var total coverage
	t.Run("inputs", func(t *testing.T) {
		for w := range workers {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				var seen coverage
				for n := w; n < inputs; n += workers {
					in := generate(seed, uint64(n))
					if broken := judge(in); broken != "" {
						t.Fatalf("input %d of seed %d:\n%s", n, seed, report(in))
					}
					if n%64 == w && !reflect.DeepEqual(in, generate(seed, uint64(n))) {
						t.Fatalf("input %d of seed %d was written to", n, seed)
					}
					seen.note(in)
				}
				mu.Lock()
				defer mu.Unlock()
				total.add(&seen)
			})
		}
	})
	if !t.Failed() {
		total.check(t)
	}
}

// coverage counts what the inputs made the rules say.
type coverage struct {
	categories [plan.Categories]int
	reasons    [plan.Reasons]int
	refTrace
	rounds [4]int // inputs by rounds of the fixpoint, the last for more
}

func (c *coverage) note(in plan.Input) {
	m := newReference(in)
	for _, row := range m.changes() {
		c.categories[row.Category]++
	}
	for _, r := range m.rejected {
		c.reasons[r.Reason]++
	}
	c.rounds[min(m.trace.fixpoint, len(c.rounds)-1)]++
	c.sum(&m.trace)
}

func (c *coverage) sum(t *refTrace) {
	for i, n := range t.holderRows {
		c.holderRows[i] += n
	}
	c.fixpoint += t.fixpoint
	c.stuck += t.stuck
	c.orphans += t.orphans
	for b := range t.withheld {
		c.withheld[b] += t.withheld[b]
		c.allowed[b] += t.allowed[b]
	}
	c.recorded += t.recorded
	c.doubted += t.doubted
	c.chosen += t.chosen
	c.ignored += t.ignored
	c.met += t.met
}

func (c *coverage) add(o *coverage) {
	for i, n := range o.categories {
		c.categories[i] += n
	}
	for i, n := range o.reasons {
		c.reasons[i] += n
	}
	for i, n := range o.rounds {
		c.rounds[i] += n
	}
	c.sum(&o.refTrace)
}

// check fails the test for whatever no input reached.
func (c *coverage) check(t *testing.T) {
	need := func(what string, n int) {
		t.Logf("%-40s %8d", what, n)
		if n == 0 {
			t.Errorf("no input reaches %s", what)
		}
	}
	for i, n := range c.categories {
		need("category "+plan.Category(i).String(), n)
	}
	for i, n := range c.reasons[1:] {
		need("reason "+plan.Reason(i+1).String(), n)
	}
	for i, n := range c.holderRows {
		need("rule 4, row "+strconv.Itoa(i+1), n)
	}
	for i, n := range c.rounds {
		need("fixpoint rounds "+strconv.Itoa(i), n)
	}
	need("stuck entries", c.stuck)
	need("orphans frozen by rule 6", c.orphans)
	for b := range plan.Brake(plan.Brakes) {
		need(b.String()+" withheld", c.withheld[b])
		need(b.String()+" that a flag let through", c.allowed[b])
	}
	need("adoptions by a recorded GUID", c.recorded)
	need("adoptions that a recorded GUID keeps", c.doubted)
	need("candidates that the primary attribute decides", c.chosen)
	need("ignored addresses", c.ignored)
	need("prerequisites that are met", c.met)
}

// report shows the smallest input that still breaks the same way, and both
// outcomes.
func report(in plan.Input) string {
	in = shrink(in)
	var s strings.Builder
	s.WriteString(judge(in))
	s.WriteString("\n--- input\n")
	r := &in.Rules
	fmt.Fprintf(&s, "directories %v, read %v, limits %+v\nfacts %+v\n", r.Directories, in.Read, r.Limits, in.Facts)
	for _, d := range r.Domains {
		fmt.Fprintf(&s, "domain %+v\n", d)
	}
	for _, c := range r.Scopes {
		fmt.Fprintf(&s, "scope %+v\n", c)
	}
	for _, g := range r.Protected {
		fmt.Fprintf(&s, "protected %s\n", texts(g.Addresses))
	}
	for _, g := range r.Holds {
		fmt.Fprintf(&s, "hold %s over=%t\n", texts(g.Addresses), g.Over(in.Now))
	}
	for i, w := range r.Prerequisites {
		fmt.Fprintf(&s, "prerequisite %s of %v: %v\n", w.Match, w.Scopes, in.Others[i])
	}
	for i := range in.Entries {
		e := &in.Entries[i]
		fmt.Fprintf(&s, "entry %s %s %q user=%q %s\n      primaries=%q aliases=%q %v\n", r.Scopes[e.Scope].Name, e.GUID, e.DN, e.Username, e.Type, e.Primaries, e.Aliases, e.Attributes)
	}
	for _, a := range in.Accounts {
		fmt.Fprintln(&s, brief(a))
	}
	show := func(name string, out outcome) {
		fmt.Fprintf(&s, "--- %s\n", name)
		for _, list := range [][]string{lines(out.changes), lines(out.rejections), lines(out.console)} {
			for _, line := range list {
				fmt.Fprintln(&s, line)
			}
		}
	}
	show("reference", model(in))
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(&s, "--- engine panics: %v\n", r)
		}
	}()
	got, _, err := engine(in)
	if err != nil {
		fmt.Fprintf(&s, "--- engine: %v\n", err)
	}
	show("engine", got)
	return s.String()
}

func lines[T any](list []T) (s []string) {
	for _, x := range list {
		s = append(s, brief(x))
	}
	slices.Sort(s)
	return s
}

func texts(list []identity.Address) string {
	var s []string
	for _, x := range list {
		s = append(s, x.String())
	}
	return strings.Join(s, " ")
}

// brief writes one row without its empty fields.
func brief(x any) string {
	switch v := x.(type) {
	case identity.Account:
		owner := "local"
		if !v.Local() {
			owner = v.Directory + " " + v.GUID.String()
		}
		return fmt.Sprintf("account %s [%s] %s %s %s dn=%q user=%q %v", v.Primary, texts(v.Aliases), v.Type, v.Status, owner, v.DN, v.Username, v.Attributes)
	case refRejection:
		return fmt.Sprintf("refuse %s %s (%s %q %s %s)", v.Reason, v.Address, v.GUID, v.DN, v.Directory, v.Scope)
	}
	var s strings.Builder
	s.WriteString("row")
	row := reflect.ValueOf(x)
	for i := range row.NumField() {
		if f := row.Field(i); !f.IsZero() || i == 0 {
			fmt.Fprintf(&s, " %s=%v", row.Type().Field(i).Name, f.Interface())
		}
	}
	return s.String()
}

// shrink drops parts of a failing input for as long as it fails in the same
// way.
func shrink(in plan.Input) plan.Input {
	symptom := kindOf(judge(in))
	fails := func(try plan.Input) bool { return kindOf(judge(try)) == symptom }
	for again := true; again; {
		again = false
		for _, smaller := range smallerInputs(in) {
			if fails(smaller) {
				in, again = smaller, true
				break
			}
		}
	}
	return in
}

// kindOf is the first line of what is broken without the names in it.
func kindOf(broken string) string {
	if broken == "" {
		return ""
	}
	line, _, _ := strings.Cut(broken, "\n")
	words := strings.Fields(line)
	return strings.Join(words[:min(len(words), 3)], " ")
}

func smallerInputs(in plan.Input) (all []plan.Input) {
	for i := range in.Entries {
		next := in
		next.Entries = cut(in.Entries, i)
		all = append(all, next)
	}
	for i := range in.Accounts {
		next := in
		next.Accounts = cut(in.Accounts, i)
		all = append(all, next)
	}
	for i := range in.Rules.Protected {
		next := in
		next.Rules.Protected = cut(in.Rules.Protected, i)
		all = append(all, next)
	}
	for i := range in.Rules.Prerequisites {
		next := in
		next.Rules.Prerequisites, next.Others = cut(in.Rules.Prerequisites, i), cut(in.Others, i)
		all = append(all, next)
	}
	for i := range in.Rules.Holds {
		next := in
		next.Rules.Holds = cut(in.Rules.Holds, i)
		all = append(all, next)
	}
	entry := func(i int, change func(e *identity.Entry)) {
		next := in
		next.Entries = slices.Clone(in.Entries)
		change(&next.Entries[i])
		if len(consistent(next)) == len(next.Entries) {
			all = append(all, next)
		}
	}
	for i, e := range in.Entries {
		for j := range e.Primaries {
			entry(i, func(e *identity.Entry) { e.Primaries = cut(e.Primaries, j) })
		}
		for j := range e.Aliases {
			entry(i, func(e *identity.Entry) { e.Aliases = cut(e.Aliases, j) })
		}
		if len(e.Attributes) > 0 {
			entry(i, func(e *identity.Entry) { e.Attributes = nil })
		}
		if e.Username != "" {
			entry(i, func(e *identity.Entry) { e.Username = "" })
		}
		if e.Type != identity.User {
			entry(i, func(e *identity.Entry) { e.Type = identity.User })
		}
	}
	account := func(i int, change func(a *identity.Account)) {
		next := in
		next.Accounts = slices.Clone(in.Accounts)
		change(&next.Accounts[i])
		all = append(all, next)
	}
	for i, a := range in.Accounts {
		for j := range a.Aliases {
			account(i, func(a *identity.Account) { a.Aliases = cut(a.Aliases, j) })
		}
		if len(a.Attributes) > 0 {
			account(i, func(a *identity.Account) { a.Attributes = nil })
		}
		if a.Username != "" {
			account(i, func(a *identity.Account) { a.Username = "" })
		}
		if a.Type != identity.User {
			account(i, func(a *identity.Account) { a.Type = identity.User })
		}
	}
	for _, guards := range []func(r *plan.Rules) *[]plan.Guard{
		func(r *plan.Rules) *[]plan.Guard { return &r.Protected }, func(r *plan.Rules) *[]plan.Guard { return &r.Holds },
	} {
		for i, g := range *guards(&in.Rules) {
			for j := range g.Addresses {
				next := in
				list := slices.Clone(*guards(&in.Rules))
				list[i].Addresses = cut(g.Addresses, j)
				*guards(&next.Rules) = list
				all = append(all, next)
			}
		}
	}
	return all
}

func cut[T any](list []T, i int) []T { return slices.Delete(slices.Clone(list), i, i+1) }

// TestScenarios runs every scenario through the model and the engine.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want := readScenario(t, archive)
			t.Run("reference", func(t *testing.T) {
				want.check(t, model(in))
			})
			t.Run("engine", func(t *testing.T) {
				got, _, err := engine(in)
				if err != nil {
					t.Fatal(err)
				}
				want.check(t, got)
			})
			if broken := judge(in); broken != "" {
				t.Error(broken)
			}
		})
	}
}

// wanted is the want.json of a scenario: complete sets of rows, each with the
// fields to compare.
type wanted struct {
	Directories []string            `json:"directories"`
	Changes     []map[string]string `json:"changes"`
	Rejections  []map[string]string `json:"rejections"`
	Accounts    []scenarioAccount   `json:"accounts"`
}

type scenarioAccount struct {
	Primary     string            `json:"primary"`
	Aliases     []string          `json:"aliases"`
	Type        string            `json:"type"`
	Status      string            `json:"status"`
	Directory   string            `json:"directory"`
	GUID        string            `json:"guid"`
	Username    string            `json:"username"`
	DN          string            `json:"dn"`
	DisplayName string            `json:"display_name,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

func (w *wanted) check(t *testing.T, got outcome) {
	var changes, rejections []map[string]string
	for _, c := range got.changes {
		changes = append(changes, rowFields(c))
	}
	for _, r := range got.rejections {
		rejections = append(rejections, map[string]string{
			"reason": r.Reason.String(), "address": r.Address, "guid": r.GUID, "dn": r.DN, "directory": r.Directory, "scope": r.Scope,
		})
	}
	checkRows(t, "change", changes, w.Changes)
	checkRows(t, "rejection", rejections, w.Rejections)
	accounts := []scenarioAccount{}
	for _, a := range got.console {
		s := scenarioAccount{
			Primary: a.Primary.String(), Aliases: []string{}, Type: a.Type.String(), Status: a.Status.String(), Directory: a.Directory,
			GUID: a.GUID.String(), Username: a.Username, DN: a.DN, DisplayName: identity.Lookup(a.Attributes, identity.DisplayName),
		}
		for _, x := range a.Aliases {
			s.Aliases = append(s.Aliases, x.String())
		}
		accounts = append(accounts, s)
	}
	slices.SortFunc(accounts, func(a, b scenarioAccount) int { return cmp.Compare(a.Primary, b.Primary) })
	if !reflect.DeepEqual(accounts, w.Accounts) {
		t.Errorf("the console is\n%v\nwant\n%v", accounts, w.Accounts)
	}
}

// checkRows compares sets: rows that the compared fields do not tell apart
// count once.
func checkRows(t *testing.T, what string, got, want []map[string]string) {
	matches := func(g, w map[string]string) bool {
		for field, value := range w {
			if g[field] != value {
				return false
			}
		}
		return true
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g map[string]string) bool { return matches(g, w) }) {
			t.Errorf("missing %s: %v", what, w)
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w map[string]string) bool { return matches(g, w) }) {
			t.Errorf("unexpected %s: %v", what, g)
		}
	}
}

func rowFields(c refChange) map[string]string {
	return map[string]string{
		"category": c.Category.String(), "address": c.Address, "type": c.Type, "directory": c.Directory, "new_primary": c.NewPrimary,
		"original_primary": c.OriginalPrimary, "guid": c.GUID, "original_guid": c.OriginalGUID, "new_guid": c.NewGUID, "username": c.Username,
		"original_username": c.OriginalUsername, "new_username": c.NewUsername, "dn": c.DN, "original_directory": c.OriginalDirectory,
		"new_directory": c.NewDirectory, "original_type": c.OriginalType, "new_type": c.NewType, "attribute": c.Attribute,
		"original": c.Original, "new": c.New,
	}
}

// scenarioScope is a scope with what a reader of its directory needs.
type scenarioScope struct {
	plan.Scope
	base               identity.DN
	username, aliasing string
}

// readScenario reads the few constructs that scenarios are written in.
func readScenario(t *testing.T, archive *txtar.Archive) (in plan.Input, want wanted) {
	t.Helper()
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	if err := json.Unmarshal([]byte(files["want.json"]), &want); err != nil {
		t.Fatal(err)
	}
	in.Now, in.Read = poolNow, want.Directories
	paths := map[string]string{}
	var scopes []scenarioScope
	for _, b := range readBlocks(t, files["rollcall.hcl"]) {
		switch b.kind {
		case "directory":
			in.Rules.Directories = append(in.Rules.Directories, b.label)
			paths[b.label] = b.text("path")
		case "domain":
			in.Rules.Domains = append(in.Rules.Domains, plan.Domain{
				Name: b.label, Aliases: b.list("aliases"), Public: b.values["public"] == "true", Ignore: b.values["ignore"] == "true", AliasFor: b.list("alias_for"),
			})
		case "scope":
			base, err := identity.ParseDN(b.text("base_dn"))
			if err != nil {
				t.Fatal(err)
			}
			s := scenarioScope{base: base, username: cmp.Or(b.text("username_attribute"), "sAMAccountName"), aliasing: "proxyAddresses"}
			if list := b.list("alias_attributes"); len(list) > 0 {
				s.aliasing = list[0]
			}
			s.Scope = plan.Scope{
				Name: b.label, Directory: strings.TrimPrefix(b.values["directory"], "directory."), Domains: b.list("domains"),
				Adopt: b.values["adopt"] == "true", Rebind: b.text("on_guid_change") == "rebind", MaxLength: b.lengths,
			}
			scopes = append(scopes, s)
			in.Rules.Scopes = append(in.Rules.Scopes, s.Scope)
		case "protected":
			in.Rules.Protected = append(in.Rules.Protected, b.guard())
		case "legal_hold":
			in.Rules.Holds = append(in.Rules.Holds, b.guard())
		case "limits":
			for brake := range in.Rules.Limits {
				name := plan.Brake(brake).String()
				in.Rules.Limits[brake] = plan.Limit{Most: b.number(t, name), Percent: b.number(t, name+"_percent")}
			}
		default:
			t.Fatalf("unknown block %q", b.kind)
		}
	}
	for i, s := range scopes {
		if !slices.Contains(in.Read, s.Directory) {
			continue
		}
		for _, object := range readObjects(t, files[paths[s.Directory]]) {
			if e, ok := s.entry(t, object); ok {
				e.Scope = int32(i)
				in.Entries = append(in.Entries, e)
			}
		}
	}
	for line := range strings.Lines(files["accounts.jsonl"]) {
		in.Accounts = append(in.Accounts, readAccount(t, line))
	}
	return in, want
}

type block struct {
	kind, label string
	values      map[string]string
	lengths     map[string]int
}

var (
	blockLine  = regexp.MustCompile(`^(\w+)(?: "([^"]*)")? \{$`)
	valueLine  = regexp.MustCompile(`^ +(\w+) += (.+)$`)
	quotedText = regexp.MustCompile(`"([^"]*)"`)
)

func readBlocks(t *testing.T, text string) (blocks []*block) {
	t.Helper()
	nested := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		var b *block
		if len(blocks) > 0 {
			b = blocks[len(blocks)-1]
		}
		if m := blockLine.FindStringSubmatch(line); m != nil {
			blocks = append(blocks, &block{kind: m[1], label: m[2], values: map[string]string{}})
		} else if line == "  max_length = {" {
			nested, b.lengths = true, map[string]int{}
		} else if m := valueLine.FindStringSubmatch(line); m != nil && nested {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			b.lengths[m[1]] = n
		} else if m != nil {
			b.values[m[1]] = m[2]
		} else if line == "  }" {
			nested = false
		} else if line != "" && line != "}" {
			t.Fatalf("unknown line %q", line)
		}
	}
	return blocks
}

func (b *block) list(name string) (list []string) {
	for _, m := range quotedText.FindAllStringSubmatch(b.values[name], -1) {
		list = append(list, m[1])
	}
	return list
}

func (b *block) text(name string) string { return strings.Trim(b.values[name], `"`) }

func (b *block) number(t *testing.T, name string) int {
	n, err := strconv.Atoi(b.values[name])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *block) guard() plan.Guard {
	g := plan.Guard{Label: b.label, Reason: b.text("reason")}
	for _, x := range b.list("addresses") {
		g.Addresses = append(g.Addresses, identity.MustAddress(x))
	}
	return g
}

// readObjects reads LDIF records: attributes with their values in order.
func readObjects(t *testing.T, text string) (objects []map[string][]string) {
	t.Helper()
	text = strings.ReplaceAll(text, "\n ", "")
	for record := range strings.SplitSeq(text, "\n\n") {
		object := map[string][]string{}
		for line := range strings.Lines(record) {
			name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
			if encoded, ok := strings.CutPrefix(value, ":"); ok {
				raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
				if err != nil {
					t.Fatal(err)
				}
				value = string(raw)
			}
			object[name] = append(object[name], strings.TrimLeft(value, " "))
		}
		if len(object["dn"]) > 0 {
			objects = append(objects, object)
		}
	}
	return objects
}

// entry is the object in the scope; false if it is outside or lists nothing.
func (s *scenarioScope) entry(t *testing.T, object map[string][]string) (e identity.Entry, ok bool) {
	first := func(name string) string { return slices.Concat(object[name], []string{""})[0] }
	e.DN = first("dn")
	dn, err := identity.ParseDN(e.DN)
	if err != nil {
		t.Fatal(err)
	}
	if !dn.Within(s.base) {
		return e, false
	}
	if wire := first("objectGUID"); wire != "" {
		e.GUID, err = identity.WireGUID([]byte(wire))
	} else if text := first("entryUUID"); text != "" {
		e.GUID, err = identity.ParseGUID(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Username = first(s.username)
	for _, class := range object["objectClass"] {
		if strings.HasPrefix(strings.ToLower(class), "group") {
			e.Type = identity.List
		}
	}
	if name := first("displayName"); name != "" {
		e.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: name}}
	}
	scheme := regexp.MustCompile(`^([A-Za-z0-9+.-]+):(.*)$`)
	for _, value := range object[s.aliasing] {
		value = strings.TrimSpace(value)
		prefix := ""
		if m := scheme.FindStringSubmatch(value); m != nil {
			prefix, value = m[1], strings.TrimSpace(m[2])
		}
		switch {
		case value == "":
		case prefix == "SMTP":
			e.Primaries = append(e.Primaries, value)
		case prefix == "" || strings.EqualFold(prefix, "smtp"):
			e.Aliases = append(e.Aliases, value)
		}
	}
	if len(e.Primaries) == 0 {
		for _, value := range object["mail"] {
			if value = strings.TrimSpace(value); value != "" {
				e.Primaries = append(e.Primaries, value)
			}
		}
	}
	if len(e.Primaries) > 1 {
		e.Mail = slices.DeleteFunc(object["mail"], func(s string) bool { return strings.TrimSpace(s) == "" })
	}
	return e, len(e.Primaries)+len(e.Aliases) > 0
}

func readAccount(t *testing.T, line string) identity.Account {
	t.Helper()
	var s scenarioAccount
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatal(err)
	}
	a := identity.Account{Primary: identity.MustAddress(s.Primary), Directory: s.Directory, Username: s.Username, DN: s.DN}
	for _, x := range s.Aliases {
		a.Aliases = append(a.Aliases, identity.MustAddress(x))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
	if s.Type == "list" {
		a.Type = identity.List
	}
	if s.Status == "inactive" {
		a.Status = identity.Inactive
	}
	if s.GUID != "" {
		guid, err := identity.ParseGUID(s.GUID)
		if err != nil {
			t.Fatal(err)
		}
		a.GUID = guid
	}
	if name := s.Attributes["display_name"]; name != "" {
		a.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: name}}
	}
	return a
}

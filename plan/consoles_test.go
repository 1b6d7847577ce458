package plan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// console is a product in a few lines: accounts by their keys, a ledger of what was
// asked for, and what it can do.
type console struct {
	in     plan.Input // rules and entries
	facts  plan.Facts
	live   []identity.Live // by key
	ledger map[identity.Address]identity.Account
	placed map[identity.Address]identity.Placed
	keys   int
	// shouting products write usernames in capitals.
	shouting bool
	blocked  map[identity.Address]time.Time
	// conflict says that the ledger lost a record to another of the same primary:
	// one of an account that was renamed by hand and stays so.
	conflict bool
	// created counts the accounts that were made for an object.
	created map[string]int
	late    []identity.Address // primaries of what the ledger has learned in the end
}

func (c *console) key() string {
	c.keys++
	return fmt.Sprintf("u-%03d", c.keys)
}

func owned(a *identity.Account) string { return a.Directory + "/" + a.GUID.String() }

// stored is an account as the product has it: without what it does not store, and
// in its own spelling.
func (c *console) stored(a identity.Account) identity.Account {
	a.Directory, a.GUID = "", identity.GUID{}
	f := &c.facts
	if !f.Keeps(plan.FieldAliases) {
		a.Aliases = nil
	}
	if !f.Keeps(plan.FieldType) {
		a.Type = identity.User
	}
	if !f.Keeps(plan.FieldStatus) {
		a.Status = identity.Active
	}
	if !f.Keeps(plan.FieldDN) {
		a.DN = ""
	}
	if !f.Keeps(plan.FieldUsername) {
		a.Username = ""
	} else if c.shouting {
		a.Username = strings.ToUpper(a.Username)
	}
	a.Attributes = slices.DeleteFunc(slices.Clone(a.Attributes), func(x identity.Attribute) bool { return !f.Keeps(x.Name) })
	return a
}

func (c *console) mark(a *identity.Account) identity.Mark {
	if !c.facts.Marks || a.Local() {
		return identity.Mark{}
	}
	return identity.Mark{By: "hq", Directory: a.Directory, GUID: a.GUID}
}

// keep records an account in the ledger, as it was asked for and read back.
func (c *console) keep(a identity.Account, ref string) {
	for x, other := range c.ledger {
		if owned(&other) == owned(&a) { // an object has one record
			delete(c.ledger, x)
			delete(c.placed, x)
		}
	}
	if other, taken := c.ledger[a.Primary]; taken && owned(&other) != owned(&a) {
		c.conflict = true
	}
	found := c.stored(a)
	c.ledger[a.Primary] = a
	c.placed[a.Primary] = identity.Placed{Ref: ref, Applied: poolNow, Found: &found}
}

// there reports whether the console has an account of this status at all.
func (c *console) there(a *identity.Account) bool { return a.Active() || !c.facts.Removes }

// newConsole makes a console with the accounts of a random input.
func newConsole(g *generator, in plan.Input) *console {
	c := &console{in: in, ledger: map[identity.Address]identity.Account{}, placed: map[identity.Address]identity.Placed{}, blocked: map[identity.Address]time.Time{}, created: map[string]int{}}
	f := &c.facts
	if g.chance(0.5) {
		*f = g.facts()
		if g.chance(0.5) {
			f.Settles = time.Minute
		}
	}
	f.Marks = g.chance(0.5)
	f.Unstable = g.chance(0.15)
	f.Publishes = f.Unstable && g.chance(0.5)
	f.Exclusive = f.Publishes && g.chance(0.5)
	f.Removes = g.chance(0.2)
	c.shouting = g.chance(0.3)
	if g.chance(0.2) {
		f.Stores = []string{plan.FieldAliases, plan.FieldType, plan.FieldStatus, plan.FieldUsername, plan.FieldDN, identity.DisplayName, "department"}
		drop := g.IntN(len(f.Stores))
		f.Stores = slices.Delete(f.Stores, drop, drop+1)
		if !slices.Contains(f.Stores, plan.FieldStatus) {
			f.Removes = true
		}
	}
	for _, a := range in.Accounts {
		ref := ""
		if c.there(&a) {
			ref = c.key()
			c.live = append(c.live, identity.Live{Account: c.stored(a), Mark: c.mark(&a), Ref: ref})
		}
		if !a.Local() {
			c.keep(a, ref)
			placed := c.placed[a.Primary]
			placed.Applied = poolNow.Add(-time.Hour)
			c.placed[a.Primary] = placed
		}
	}
	return c
}

func (c *console) merging() plan.Merging {
	m := plan.Merging{Placed: c.placed, Live: c.live, Facts: c.facts, By: "hq", Directories: c.in.Rules.Directories, Attributes: []string{identity.DisplayName, "department"}, Now: poolNow}
	for _, x := range slices.SortedFunc(maps.Keys(c.ledger), identity.Address.Compare) {
		m.Ledger = append(m.Ledger, c.ledger[x])
	}
	return m
}

// input is what the engine gets of a console.
func (c *console) input() plan.Input {
	in := c.in
	in.Merged = plan.Merge(c.merging())
	in.Accounts, in.Facts, in.Blocked = in.Merged.Accounts, c.facts, c.blocked
	return in
}

// tamper does what people do by hand, to one account of the console or beside it.
func (c *console) tamper(g *generator) {
	if len(c.live) == 0 || g.chance(0.1) {
		a := identity.Live{Account: identity.Account{Primary: g.address()}, Ref: c.key()}
		if g.chance(0.3) {
			a.Mark = identity.Mark{By: pick(g, []string{"hq", "other", ""}), Directory: pick(g, poolDirectories), GUID: poolGUID(g.IntN(8))}
		}
		c.live = append(c.live, a)
		return
	}
	n := g.IntN(len(c.live))
	a := &c.live[n]
	switch g.IntN(16) {
	case 0:
		a.Primary = g.address()
	case 1, 2:
		a.Aliases = append(slices.Clone(a.Aliases), g.address())
	case 3, 4:
		if len(a.Aliases) > 0 {
			a.Aliases = a.Aliases[1:]
		}
	case 5:
		a.Status = identity.Inactive - a.Status
	case 6:
		a.Type = identity.List - a.Type
	case 7:
		a.Username = pick(g, poolNames)
	case 8:
		a.Attributes = g.attributes()
	case 9, 10:
		c.live = slices.Delete(c.live, n, n+1)
	case 11:
		a.Mark = identity.Mark{}
	case 12:
		a.Mark = identity.Mark{By: pick(g, []string{"hq", "hq", "other"}), Directory: pick(g, poolDirectories), GUID: poolGUID(g.IntN(8))}
	case 13:
		a.Odd = "nonsense"
	case 14:
		a.Primary = identity.Address{}
	case 15:
		again := *a
		again.Ref, again.Aliases = c.key(), nil
		if again.Primary = g.address(); g.chance(0.3) {
			again.Primary = a.Primary
		}
		c.live = append(c.live, again)
	}
	for i := range c.live {
		if !c.facts.Keeps(plan.FieldAliases) {
			c.live[i].Aliases = nil
		}
		if !c.facts.Keeps(plan.FieldStatus) {
			c.live[i].Status = identity.Active
		}
		if !c.facts.Marks {
			c.live[i].Mark = identity.Mark{}
		}
	}
}

// forget loses what a ledger may lose.
func (c *console) forget(g *generator) {
	for _, x := range slices.SortedFunc(maps.Keys(c.ledger), identity.Address.Compare) {
		placed := c.placed[x]
		switch g.IntN(12) {
		case 0:
			delete(c.ledger, x)
			continue
		case 1:
			placed.Ref = ""
		case 2:
			placed.Undecided, placed.Ref, placed.Found = true, "", nil
		case 3, 4, 5:
			placed.Applied = poolNow
		}
		c.placed[x] = placed
	}
	if g.chance(0.1) {
		clear(c.ledger)
	}
}

// apply commits a plan as an apply would, and says what cannot be.
func (c *console) apply(in plan.Input, p *plan.Plan) string {
	m := in.Merged
	for _, x := range m.Forget {
		delete(c.ledger, x)
	}
	for _, l := range m.Learn {
		delete(c.ledger, l.Was)
		c.ledger[l.Account.Primary], c.placed[l.Account.Primary] = l.Account, l.Placed
	}
	at := map[*identity.Account]int{}
	for i := range in.Accounts {
		at[&in.Accounts[i]] = i
	}
	next := slices.Clone(c.live)
	gone := map[int32]bool{}
	type record struct {
		account identity.Account
		ref     string
	}
	var records []record
	for n := range p.Accounts {
		change := &p.Accounts[n]
		after := change.Result()
		if change.Gone {
			delete(c.ledger, change.Before.Primary)
			continue
		}
		live := int32(-1)
		if change.Before != nil {
			i := at[change.Before]
			if m.Bars[int32(i)] != (plan.Bar{}) {
				return fmt.Sprintf("%s is barred and changes", change.Before.Primary)
			}
			live = m.Origins[i].Live
			delete(c.ledger, m.Origins[i].Ledger)
		}
		switch {
		case after == nil || !c.there(after):
			if live >= 0 {
				gone[live] = true
				if c.facts.DeletedBlocks > 0 {
					old := c.live[live]
					old.EachAddress(func(x identity.Address) { c.blocked[x] = poolNow.Add(c.facts.DeletedBlocks) })
				}
			}
			if after != nil {
				records = append(records, record{*after, ""})
			}
		case live < 0:
			for i := range c.live {
				if mark := c.live[i].Mark; c.facts.Marks && mark == c.mark(after) {
					return fmt.Sprintf("a second account is created for %s", owned(after))
				}
			}
			c.created[owned(after)]++
			next = append(next, identity.Live{Account: c.stored(*after), Mark: c.mark(after), Ref: c.key()})
			records = append(records, record{*after, next[len(next)-1].Ref})
		default:
			a := next[live]
			others := slices.DeleteFunc(slices.Clone(a.Attributes), func(x identity.Attribute) bool { return x.Name == identity.DisplayName || x.Name == "department" })
			a.Account, a.Mark = c.stored(*after), c.mark(after)
			a.Attributes = append(a.Attributes, others...)
			next[live] = a
			records = append(records, record{*after, a.Ref})
		}
	}
	for _, i := range p.Agreed {
		delete(c.ledger, m.Origins[i].Ledger)
		records = append(records, record{in.Accounts[i], c.live[m.Origins[i].Live].Ref})
	}
	for _, r := range records {
		c.keep(r.account, r.ref)
	}
	changed := map[identity.Address]bool{}
	for n := range p.Accounts {
		if before := p.Accounts[n].Before; before != nil {
			changed[before.Primary] = true
		}
	}
	c.late = nil
	for _, l := range m.Late {
		if _, taken := c.ledger[l.Account.Primary]; !taken && !changed[l.Account.Primary] {
			c.ledger[l.Account.Primary], c.placed[l.Account.Primary] = l.Account, l.Placed
			c.late = append(c.late, l.Account.Primary)
		}
	}
	// What addresses several accounts have there were several already.
	count := func(list []identity.Live, gone map[int32]bool) map[identity.Address]int {
		all := map[identity.Address]int{}
		for i := range list {
			if !gone[int32(i)] {
				seen := map[identity.Address]bool{{}: true}
				list[i].EachAddress(func(x identity.Address) {
					if !seen[x] {
						seen[x] = true
						all[x]++
					}
				})
			}
		}
		return all
	}
	before := count(c.live, nil)
	for x, n := range count(next, gone) {
		if n > 1 && n > before[x] {
			return fmt.Sprintf("%s is on %d accounts of the console, and was on %d", x, n, before[x])
		}
	}
	// Foreign accounts are what they were.
	for i, bar := range m.Bars {
		if live := m.Origins[i].Live; live >= 0 && !bar.Foreign.IsZero() && (gone[live] || !reflect.DeepEqual(next[live], c.live[live])) {
			return fmt.Sprintf("foreign account %s changes", c.live[live].Primary)
		}
	}
	c.live = nil
	for i := range next {
		if !gone[int32(i)] {
			c.live = append(c.live, next[i])
		}
	}
	return ""
}

// generateConsole makes the console of a seed and a number.
func generateConsole(seed, n uint64) *console {
	in := generate(seed, n)
	g := &generator{Rand: rand.New(rand.NewPCG(seed^0xc0, n)), used: map[identity.Address]bool{}}
	for i := range in.Accounts {
		in.Accounts[i].EachAddress(func(x identity.Address) { g.used[x] = true })
	}
	c := newConsole(g, in)
	if g.chance(0.7) {
		for range 1 + g.IntN(5) {
			c.tamper(g)
		}
	}
	if g.chance(0.3) {
		c.forget(g)
	}
	if c.facts.DeletedBlocks > 0 && g.chance(0.5) {
		c.blocked[g.address()] = poolNow.Add(time.Duration(g.IntN(3)-1) * time.Minute)
	}
	return c
}

// withNames gives accounts without a primary one that nobody else has.
func withNames(accounts []identity.Account) []identity.Account {
	accounts = slices.Clone(accounts)
	for i, n := 0, 0; i < len(accounts); i++ {
		if accounts[i].Primary.IsZero() {
			accounts[i].Primary = identity.MustAddress(fmt.Sprintf("nameless-%d@nowhere.example", n))
			n++
		}
	}
	return accounts
}

// merged is what of a merge does not depend on the order of the live accounts.
func merged(c *console, m *plan.Merged) string {
	return strings.Join(words(c.merging(), m), "\n") + strings.Join(m.Notes, "\n")
}

// judgeConsole checks one console and says what is broken, "" if nothing is.
func judgeConsole(c *console) string {
	in := c.input()
	again := *c
	again.live = slices.Clone(c.live)
	slices.Reverse(again.live)
	if a, b := merged(c, in.Merged), merged(&again, again.input().Merged); a != b {
		return "another order, another merge:\n" + a + "\n---\n" + b
	}
	seen := map[identity.Address]bool{}
	for i := range in.Accounts {
		a := &in.Accounts[i]
		if i > 0 && a.Primary.Compare(in.Accounts[i-1].Primary) < 0 {
			return "the accounts are not in order"
		}
		if err := a.Check(); err != nil && !a.Primary.IsZero() {
			return err.Error()
		}
		broken := ""
		a.EachAddress(func(x identity.Address) {
			if seen[x] && !x.IsZero() {
				broken = fmt.Sprintf("%s is numbered twice", x)
			}
			seen[x] = true
		})
		if broken != "" {
			return broken
		}
	}
	got, p, err := engine(in)
	if err != nil {
		return err.Error()
	}
	if d := difference("engine", got, "reference", model(in)); d != "" {
		return d
	}
	named, namedIn := got, in
	named.console, namedIn.Accounts = withNames(got.console), withNames(in.Accounts)
	if broken := invariants(namedIn, named); broken != "" && !strings.Contains(broken, "two accounts belong to") {
		return broken
	}
	if broken := c.apply(in, p); broken != "" {
		return broken
	}
	held := p.Summary().WithheldAccounts > 0
	was := map[identity.Address]bool{} // of accounts that the first plan has settled
	for i := range p.Accounts {
		if r := p.Accounts[i].Result(); r != nil {
			was[r.Primary] = true
		}
	}
	for _, i := range p.Agreed {
		was[in.Accounts[i].Primary] = true
	}
	next := c.input()
	for _, d := range next.Merged.Drift {
		if was[d.Primary] && d.Kind == plan.DriftChanged || d.Kind == plan.DriftUnrecorded && slices.Contains(c.late, d.Primary) {
			return fmt.Sprintf("drift after an apply: %+v", d)
		}
	}
	second, q, err := engine(next)
	if err != nil {
		return "plan 2: " + err.Error()
	}
	if d := difference("engine", second, "reference", model(next)); d != "" {
		return "plan 2: " + d
	}
	for i := range q.Accounts {
		if q.Accounts[i].Before == nil {
			if o := owned(q.Accounts[i].After); c.created[o] > 0 {
				return "a second plan creates an account again for " + o
			}
		}
	}
	// Once one of several accounts with one mark is gone, the other is found by it.
	// And what an inactive account has beside its primary is free once it comes back
	// without that.
	released := slices.ContainsFunc(p.Accounts, func(change plan.AccountChange) bool {
		i := slices.IndexFunc(in.Accounts, func(a identity.Account) bool { return change.Before != nil && a.Primary == change.Before.Primary })
		return i >= 0 && in.Merged.Reserved[int32(i)] != nil
	})
	// And an inactive account whose address somebody has is one again once he has not.
	ousted := slices.ContainsFunc(in.Merged.Gone, func(a identity.Account) bool { return !a.Active() })
	ambiguous := released || ousted || c.conflict || slices.ContainsFunc(slices.Collect(maps.Values(in.Merged.Bars)), func(b plan.Bar) bool { return b.Cause == plan.SeveralMarks })
	if !held && !ambiguous && len(q.Accounts) > 0 && !gainsHeld(in, p) {
		text := "plan 2 after an apply has a change:"
		for i := range q.Changes {
			text += "\n" + brief(q.Changes[i].Row())
		}
		return text
	}
	return ""
}

// TestConsoles: whatever people do to a console by hand and a ledger forgets, a
// merge does not depend on order; what the engine makes of it is what the reference
// makes of it; an apply leaves foreign and barred accounts as they are and no
// object with two accounts; and after it nothing has drifted that the plan was about,
// and a second plan changes nothing.
func TestConsoles(t *testing.T) {
	inputs := *propertyInputs / 4
	if testing.Short() || raceDetector {
		inputs /= 10
	}
	var mu sync.Mutex
	causes, kinds := map[plan.Cause]int{}, [plan.DriftKinds]int{}
	t.Run("inputs", func(t *testing.T) {
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				for n := w; n < inputs; n += workers {
					make := func() *console { return generateConsole(*propertySeed, uint64(n)) }
					in := make().input()
					if broken := judgeConsole(make()); broken != "" {
						t.Fatalf("console %d of seed %d:\n%s", n, *propertySeed, reportConsole(make, broken))
					}
					p := compute(in)
					mu.Lock()
					for _, r := range p.Rejections {
						causes[r.Cause]++
					}
					for _, d := range in.Merged.Drift {
						kinds[d.Kind]++
					}
					mu.Unlock()
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	for _, c := range plan.Causes() {
		if causes[c] == 0 {
			t.Errorf("no console has a rejection because of %s", c)
		}
	}
	for kind, n := range kinds {
		if n == 0 {
			t.Errorf("no console has drift %s", plan.DriftKind(kind))
		}
	}
}

// reportConsole shows a console that breaks something.
func reportConsole(make func() *console, broken string) string {
	c := make()
	in := c.input()
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n--- facts %+v\ndirectories %v read %v\n", broken, c.facts, c.in.Rules.Directories, c.in.Read)
	for _, g := range c.in.Rules.Protected {
		fmt.Fprintf(&s, "protected %s\n", texts(g.Addresses))
	}
	for _, g := range c.in.Rules.Holds {
		fmt.Fprintf(&s, "hold %s over=%t\n", texts(g.Addresses), g.Over(in.Now))
	}
	for _, x := range c.in.Rules.Scopes {
		fmt.Fprintf(&s, "scope %+v\n", x)
	}
	for _, a := range c.merging().Ledger {
		placed := c.placed[a.Primary]
		fmt.Fprintf(&s, "ledger %s ref=%q undecided=%t\n", brief(a), placed.Ref, placed.Undecided)
	}
	for i := range c.live {
		a := &c.live[i]
		fmt.Fprintf(&s, "live %s ref=%q mark=%v odd=%q\n", brief(a.Account), a.Ref, a.Mark, a.Odd)
	}
	for i := range in.Entries {
		e := &in.Entries[i]
		fmt.Fprintf(&s, "entry %s %s %q %s primaries=%q aliases=%q\n", in.Rules.Scopes[e.Scope].Name, e.GUID, e.DN, e.Type, e.Primaries, e.Aliases)
	}
	s.WriteString("--- merged\n" + merged(c, in.Merged) + "\n")
	got, p, err := engine(in)
	if err != nil {
		return s.String() + err.Error()
	}
	for _, r := range p.Rejections {
		fmt.Fprintf(&s, "reject %s %s cause=%s %s\n", r.Reason, r.Address, r.Cause, r.Message(plan.Names{}))
	}
	s.WriteString("--- plan\n" + strings.Join(lines(got.changes), "\n"))
	if c.apply(in, p); true {
		s.WriteString("\n--- merged again\n" + merged(c, c.input().Merged) + "\n")
	}
	return s.String()
}

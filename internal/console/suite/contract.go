package suite

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func (r *run) reads() {
	r.unread = true // until it was read
	first := r.read()
	r.unread = false
	r.before = first.rest
	refs := map[string]bool{}
	for i := range first.rest {
		l := &first.rest[i]
		if l.Ref != "" && refs[l.Ref] {
			r.fail("a read has two accounts with the ref %q", l.Ref)
		}
		refs[l.Ref] = true
	}
	if n := len(first.rest); first.receipt.Accounts != n {
		r.fail("a read has %d accounts, and its receipt counts %d", n, first.receipt.Accounts)
	}
	if second := r.read(); !same(first.rest, second.rest) {
		r.fail("two reads, with nothing between, differ: %s", firstDifference(first.rest, second.rest))
	}
}

// byRef brings accounts into an order, since a console need not have one.
func byRef(all []identity.Live) []identity.Live {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b identity.Live) int {
		if a.Ref != b.Ref {
			return strings.Compare(a.Ref, b.Ref)
		}
		return a.Primary.Compare(b.Primary)
	})
	return all
}

func same(a, b []identity.Live) bool { return firstDifference(a, b) == "" }

func firstDifference(a, b []identity.Live) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d accounts before, %d after", len(a), len(b))
	}
	a, b = byRef(a), byRef(b)
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) {
			return fmt.Sprintf("before %s, after %s", describe(&a[i]), describe(&b[i]))
		}
	}
	return ""
}

// describe reports everything of an account.
func describe(l *identity.Live) string {
	return fmt.Sprintf("{ref %q rev %q primary %s aliases %s %s %s owner %s username %q dn %q attributes %q}",
		l.Ref, l.Rev, l.Primary, l.Aliases, l.Type, l.Status, shown(l.Mark), l.Username, l.DN, l.Attributes)
}

func (r *run) sensible() {
	f := r.facts
	if len(f.Domains) > 0 && !slices.Contains(f.Domains, r.Domain) {
		r.fail("fact domains is %q, without %q, which the suite is to use", f.Domains, r.Domain)
	}
	for name, n := range f.Lengths {
		if n <= 0 {
			r.fail("fact attributes gives %s the length %d", name, n)
		}
		if !f.Keeps(name) {
			r.fail("fact attributes has %s, and fact stores does not", name)
		}
	}
	for _, name := range []string{"id", "ref", "rev", "attributes"} {
		if slices.Contains(f.Stores, name) {
			r.fail("fact stores has %q; it names fields of accounts (aliases, type, status, owner, username, dn) and attributes by their own names", name)
		}
	}
	if f.DryRun {
		if _, can := r.target.(apply.Trier); !can {
			r.fail("fact dry_run is true, and the console tries nothing")
		}
	}
	if err := r.reopen(); err != nil {
		r.fail("the console cannot be opened again: %w", err)
	}
	if !reflect.DeepEqual(f, r.facts) {
		r.fail("the facts were %s, and when the console was opened again %s", f.AppendJSON(nil), r.facts.AppendJSON(nil))
	}
}

// lives are accounts of a group, and what becomes of them.
func (r *run) group(n int) (accounts []*identity.Account, lives []*identity.Live) {
	for i := range n {
		accounts = append(accounts, r.account(string(rune('a'+i))))
	}
	return accounts, r.create(accounts...)
}

// with returns an account with another primary.
func with(a *identity.Account, primary identity.Address) *identity.Account {
	return changed(a, func(a *identity.Account) { a.Primary = primary })
}

// next is an account as it is after a step, by its answer.
func next(step apply.Step, a apply.Answer) *identity.Live {
	l := identity.Live{Account: *step.After, Mark: markOf(step.After, step.By), Ref: a.Ref, Rev: a.Rev}
	l.Directory, l.GUID = "", identity.GUID{}
	return &l
}

// rotate gives each account the primary of the next.
func (r *run) rotate(n int) {
	accounts, lives := r.group(n)
	var after []*identity.Account
	for i, a := range accounts {
		after = append(after, with(a, accounts[(i+1)%n].Primary))
	}
	if r.facts.Groups || r.facts.Publishes {
		var steps []apply.Step
		for i := range after {
			steps = append(steps, r.put(lives[i], after[i]))
		}
		r.make(together(steps...)...)
		r.expect(after...)
		return
	}
	// The first makes room, the others follow from the last on, each onto what
	// was left, and then the first takes what the second had.
	temporary := with(accounts[0], r.address("temporary"))
	steps := []apply.Step{r.put(lives[0], temporary)}
	for i := n - 1; i > 0; i-- {
		steps = append(steps, r.put(lives[i], after[i]))
	}
	answers := r.make(together(steps...)...)
	r.make(r.put(next(steps[0], answers[0]), after[0]))
	r.expect(after...)
	r.absent("it was temporary", temporary.Primary)
}

// rotateTaken begins a swap of which the second change wants an address of a
// third account.
func (r *run) rotateTaken() {
	accounts, lives := r.group(4)
	first := with(accounts[0], accounts[1].Primary)
	if !r.facts.Groups {
		first = with(accounts[0], r.address("temporary"))
	}
	r.failAt(1, apply.Taken, accounts, together(
		r.put(lives[0], first),
		r.put(lives[1], with(accounts[1], accounts[3].Primary)),
		r.put(lives[2], with(accounts[2], r.address("c.other")))))
}

// rotateChanged begins a ring of which the second change meets an account that
// somebody else has changed.
func (r *run) rotateChanged() {
	accounts, lives := r.group(3)
	stale := *lives[1]
	stale.Rev, stale.Primary = "", r.address("b.was")
	after := []*identity.Account{with(accounts[0], accounts[1].Primary), with(accounts[1], accounts[2].Primary), with(accounts[2], accounts[0].Primary)}
	if !r.facts.Groups {
		after[0], after[2] = with(accounts[0], r.address("temporary")), with(accounts[2], r.address("c.other"))
	}
	r.failAt(1, apply.Changed, accounts, together(r.put(lives[0], after[0]), r.put(&stale, after[1]), r.put(lives[2], after[2])))
}

// failAt asks for a group whose change at an index fails.
func (r *run) failAt(at int, code apply.Code, accounts []*identity.Account, steps []apply.Step) {
	answers := r.apply(r.target, steps)
	want := slices.Clone(accounts)
	for i := range answers {
		a := &answers[i]
		switch {
		case i == at:
			if apply.Code(codeOf(a)) != code {
				r.fail("in a group, %s, %s; the answer is %s", says(&steps[i]), answered(a), code)
			}
		case i > at || r.facts.Groups:
			if codeOf(a) != apply.Cancelled {
				r.fail("%s, in a group of which another change failed, %s; the answer is cancelled", says(&steps[i]), answered(a))
			}
		case a.Err != nil:
			r.fail("%s, before the change of its group that fails, %s", says(&steps[i]), answered(a))
		default:
			want[i] = steps[i].After
		}
	}
	r.expect(want...)
}

// codeOf is the code of an answer, or "".
func codeOf(a *apply.Answer) apply.Code {
	if a.Err == nil {
		return ""
	}
	return a.Err.Code
}

func (r *run) repeatedKey() {
	a := r.account("ann")
	create := r.put(nil, a)
	created := r.make(create)[0]
	live := r.find(a)[0]
	change := r.put(live, r.altered(a))
	r.make(change)
	live = r.find(change.After)[0]
	again := r.apply(r.target, []apply.Step{create})[0]
	if again.Err != nil || again.Ref != created.Ref {
		r.fail("%s again, with a key that was answered ok and ref %q, %s and ref %q", says(&create), created.Ref, answered(&again), again.Ref)
	}
	r.stays("a key came again", live)
	remove := r.remove(live)
	r.make(remove)
	if again := r.apply(r.target, []apply.Step{remove})[0]; again.Err != nil {
		r.fail("%s again, with a key that was answered ok, %s", says(&remove), answered(&again))
	}
	if again := r.apply(r.target, []apply.Step{create})[0]; again.Err != nil {
		r.fail("%s again, with a key that was answered ok, %s", says(&create), answered(&again))
	}
	r.absent("its creation was asked for again with an old key", a.Primary)
}

// altered returns an account with one change that the console can make.
func (r *run) altered(a *identity.Account) *identity.Account {
	return changed(a, func(a *identity.Account) {
		switch {
		case r.attribute != "":
			a.Attributes = []identity.Attribute{{Name: r.attribute, Value: r.short("altered")}}
		case aliases(r) == "":
			r.alias(a, "altered")
		case renames(r) == "":
			a.Primary = r.address("altered")
		default:
			r.skip("the console has no field that can change")
		}
	})
}

func (r *run) answers() {
	a := r.account("ann")
	create := r.put(nil, a)
	made := r.make(create)[0]
	b := r.altered(a)
	step := r.put(next(create, made), b)
	made = r.make(step)[0]
	live := r.find(b)[0]
	if made.Ref != live.Ref {
		r.fail("%s, the console answered ref %q, and a read has ref %q", says(&step), made.Ref, live.Ref)
	}
	if made.Rev != "" && made.Rev != live.Rev {
		r.fail("%s, the console answered rev %q, and a read has rev %q", says(&step), made.Rev, live.Rev)
	}
	if made.Found != nil {
		if diff := r.differences(b, r.Owner, made.Found); len(diff) > 0 {
			r.fail("%s, the account of the answer is another: %s", says(&step), diff[0])
		}
	}
}

const staleWhy = "the account was changed since it was read"

func (r *run) staleRev() {
	a := r.account("ann")
	live := r.create(a)[0]
	if live.Rev == "" {
		r.skip("accounts have no rev")
	}
	b := r.altered(a)
	r.make(r.put(live, b))
	now := r.find(b)[0]
	stale := *now
	stale.Rev = live.Rev
	c := changed(b, func(c *identity.Account) { c.Username, c.DN = "other", "CN=other" })
	step := r.put(&stale, c)
	if len(step.Fields) == 0 {
		step = r.put(&stale, a)
	}
	r.refuse(apply.Changed, staleWhy, step)
	r.refuse(apply.Changed, staleWhy, r.remove(&stale))
	r.stays("changes of it were answered changed", now)
}

// stays reads accounts again, which must be byte for byte as they were.
func (r *run) stays(though string, lives ...*identity.Live) {
	view := r.read()
	for _, l := range lives {
		now := view.byPrimary(l.Primary)
		if now == nil {
			r.fail("a read does not have %s any more, though %s", l.Primary, though)
		}
		if !reflect.DeepEqual(l, now) {
			r.fail("an account was changed, though %s: before %s, after %s", though, describe(l), describe(now))
		}
	}
}

func (r *run) staleBefore() {
	a := r.account("ann", "ann.alias")
	live := r.create(a)[0]
	b := r.altered(a)
	for _, stale := range []struct {
		field string
		make  func(*identity.Live)
	}{
		{plan.FieldPrimary, func(l *identity.Live) { l.Primary = r.address("was") }},
		{plan.FieldAliases, func(l *identity.Live) { l.Aliases = nil }},
		{plan.FieldStatus, func(l *identity.Live) { l.Status = identity.Inactive }},
		{plan.FieldUsername, func(l *identity.Live) { l.Username = "was" }},
		{plan.FieldDN, func(l *identity.Live) { l.DN = "CN=was" }},
		{r.attribute, func(l *identity.Live) { l.Attributes = []identity.Attribute{{Name: r.attribute, Value: "was"}} }},
	} {
		if stale.field == "" || stale.field != plan.FieldPrimary && !r.facts.Keeps(stale.field) {
			continue
		}
		was := *live
		was.Rev = ""
		stale.make(&was)
		step := r.put(live, b)
		step.Live = &was
		r.refuse(apply.Changed, "the "+stale.field+" of before is not that of the account", step)
	}
	was := *live
	was.Rev, was.Primary = "", r.address("was")
	r.refuse(apply.Changed, "the primary of before is not that of the account", r.remove(&was))
	r.stays("changes of it were answered changed", live)
}

func (r *run) gone() {
	a := r.account("ann")
	live := r.create(a)[0]
	r.make(r.remove(live))
	r.absent("the account was removed", a.Primary)
	r.refuse(apply.Gone, "the account was removed", r.put(live, r.altered(a)))
	r.refuse(apply.Gone, "the account was removed", r.remove(live))
	r.absent("a change of an account that was removed makes none", a.Primary)
}

// taken asks for what gives an address of a holder to another account.
func (r *run) taken(x identity.Address, holder *identity.Live, step apply.Step) {
	a := r.refuse(apply.Taken, fmt.Sprintf("%s has %s", holder.Primary, x), step)
	if a.Err.Address != x.String() {
		r.fail("%s, the console answered taken with the address %q; it is %q", says(&step), a.Err.Address, x)
	}
	if a.Err.Holder != holder.Ref {
		r.fail("%s, the console answered taken with the holder %q; it is %q", says(&step), a.Err.Holder, holder.Ref)
	}
}

func (r *run) takenPrimary() {
	a, b := r.account("ann"), r.account("bob")
	lives := r.create(a, b)
	r.taken(a.Primary, lives[0], r.put(nil, with(r.account("new"), a.Primary)))
	if renames(r) == "" {
		r.taken(a.Primary, lives[0], r.put(lives[1], with(b, a.Primary)))
	}
	if aliases(r) == "" {
		r.taken(a.Primary, lives[0], r.put(lives[1], changed(b, func(b *identity.Account) { r.alias(b, "ann") })))
	}
	r.stays("what was asked for was answered taken", lives...)
}

func (r *run) takenAlias() {
	b := r.account("bob")
	lives := r.create(r.account("ann", "help"), b)
	x := r.address("help")
	r.taken(x, lives[0], r.put(nil, with(r.account("new"), x)))
	r.taken(x, lives[0], r.put(lives[1], changed(b, func(b *identity.Account) { r.alias(b, "help") })))
	r.stays("what was asked for was answered taken", lives...)
}

func (r *run) markTwice() {
	a := r.account("ann")
	live := r.create(a)[0]
	b := changed(r.account("bob"), func(b *identity.Account) { b.GUID = a.GUID })
	step := r.put(nil, b)
	if answer := r.apply(r.target, []apply.Step{step})[0]; answer.Err == nil {
		r.fail("%s with the mark of %s, %s; two accounts would have one mark", says(&step), a.Primary, answered(&answer))
	}
	r.stays("another was to get its mark", live)
	r.absent("another account has its mark", b.Primary)
}

func (r *run) foreign() {
	a := r.account("ann", "ann.alias")
	step := r.put(nil, a)
	step.By = other
	if answer := r.apply(r.asOther(), []apply.Step{step})[0]; answer.Err != nil {
		r.fail("%s as owner %s, %s", says(&step), other, answered(&answer))
	}
	live := r.find(a)[0]
	if want := markOf(a, other); live.Mark != want {
		r.fail("an account of owner %s is read with the mark %s, not %s", other, shown(live.Mark), shown(want))
	}
	const why = "the mark of the account is another's"
	r.refuse(apply.Refused, why, r.put(live, r.altered(a)))
	r.refuse(apply.Refused, why, r.remove(live))
	r.stays("its mark is another's", live)
}

func (r *run) gets() {
	a, b := r.account("ann", "help"), r.account("bob")
	lives := r.create(a, b)
	ask := func(what string, want []*identity.Live, refs []string, addresses ...identity.Address) {
		r.eventually(func() error {
			got := r.get(refs, addresses...)
			var expected []identity.Live
			for _, l := range want {
				expected = append(expected, *l)
			}
			if !same(expected, got) {
				return fmt.Errorf("get %s: %s (before as read, after as got)", what, firstDifference(expected, got))
			}
			return nil
		})
	}
	ref := lives[0].Ref
	if ref != "" {
		ask("by ref", lives[:1], []string{ref})
		ask("by ref and by its own address", lives[:1], []string{ref}, a.Primary)
		ask("by ref, and by the address of another", lives, []string{ref}, b.Primary)
	}
	ask("by primary", lives[1:], nil, b.Primary)
	for _, x := range a.Aliases {
		ask("by alias", lives[:1], nil, x)
	}
	ask("by an address that nobody has", nil, nil, r.address("nobody"))
	ask("by a ref that nobody has", nil, []string{"rollcall-test-none"})
}

func (r *run) dryRun() {
	a, b := r.account("ann"), r.account("bob")
	live := r.create(a)[0]
	trier, can := r.target.(apply.Trier)
	if !can {
		r.fail("fact dry_run is true, and the console tries nothing")
	}
	for _, step := range []apply.Step{r.put(live, r.altered(a)), r.put(nil, b), r.remove(live)} {
		r.tried(trier, step, "")
	}
	r.tried(trier, r.put(nil, with(r.account("new"), a.Primary)), apply.Taken)
	r.stays("changes of it were tried alone", live)
	r.absent("its creation was tried alone", b.Primary)
}

func (r *run) tried(t apply.Trier, step apply.Step, want apply.Code) {
	n := 0
	var got apply.Answer
	if err := t.Try(r.ctx, []apply.Step{step}, func(_ int, a apply.Answer) { got = a; n++ }); err != nil {
		r.fail("trying a change (%s) ended with: %w", says(&step), err)
	}
	if n != 1 || codeOf(&got) != want {
		wanted := string(want)
		if wanted == "" {
			wanted = "ok"
		}
		r.fail("trying a change (%s), %s; the answer is %s, once", says(&step), answered(&got), wanted)
	}
}

// interrupted breaks a request off at its first answer.
func (r *run) interrupted() {
	accounts := r.several(20, "n")
	steps := make([]apply.Step, len(accounts))
	for i, a := range accounts {
		steps[i] = r.put(nil, a)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	ok := make([]bool, len(steps))
	err := r.target.Apply(ctx, steps, func(i int, a apply.Answer) {
		ok[i] = a.Err == nil
		cancel()
	})
	var said *apply.Error
	if err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, &said) {
		r.fail("a request that was broken off ended with: %w", err)
	}
	if err == nil {
		if err := r.target.Publish(r.ctx); err != nil {
			r.fail("publishing failed: %w", err)
		}
	}
	if err := r.reopen(); err != nil {
		r.fail("after a request was broken off, the console cannot be opened: %w", err)
	}
	r.whole(accounts, ok)
}

// several makes up accounts with everything that an account can have, no more than
// go into one request. Their names begin with a text.
func (r *run) several(n int, begin string) []*identity.Account {
	accounts := make([]*identity.Account, min(n, r.facts.BatchSize()))
	for i := range accounts {
		name := fmt.Sprintf("%s%d", begin, i)
		accounts[i] = r.account(name, name+".alias")
	}
	return accounts
}

// whole reads the console, which has each account as a whole or not at all, and
// those that were answered ok. What it lacks is then made.
func (r *run) whole(accounts []*identity.Account, ok []bool) {
	var lacking []apply.Step
	r.eventually(func() error {
		view := r.read()
		lacking = nil
		for i, a := range accounts {
			if view.byPrimary(a.Primary) != nil {
				if err := r.is(view, a, r.Owner); err != nil {
					return fmt.Errorf("a change was made by half: %w", err)
				}
				continue
			}
			if ok[i] {
				return fmt.Errorf("asked to create %s, the console answered ok, and a read does not have it", a.Primary)
			}
			if held := heldOf(view, a); held != "" {
				return fmt.Errorf("a change was made by half: %s is there, and %s not", held, a.Primary)
			}
			lacking = append(lacking, r.put(nil, a))
		}
		return nil
	})
	r.make(lacking...)
	r.expect(accounts...)
}

// heldOf returns an address of an account that somebody has.
func heldOf(view *view, a *identity.Account) (held string) {
	a.EachAddress(func(x identity.Address) {
		if len(view.holders(x)) > 0 {
			held = x.String()
		}
	})
	return held
}

func (r *run) many() {
	n := r.Many
	if n == 0 {
		n = 10_000
	}
	steps := make([]apply.Step, n)
	for i := range steps {
		name := fmt.Sprintf("n%d", i)
		steps[i] = r.put(nil, r.account(name, name+".alias"))
	}
	r.make(steps...)
	var lives map[identity.Address]*identity.Live
	r.eventually(func() error {
		view := r.read()
		if len(view.ours) != n {
			return fmt.Errorf("asked to create %d accounts, the console answered ok, and a read has %d", n, len(view.ours))
		}
		lives = make(map[identity.Address]*identity.Live, n)
		for i := range view.ours {
			lives[view.ours[i].Primary] = &view.ours[i]
		}
		return nil
	})
	for i := range steps {
		a := steps[i].After
		l := lives[a.Primary]
		if l == nil {
			r.fail("a read does not have %s, which the console answered to have made", a.Primary)
		}
		if diff := r.differences(a, r.Owner, l); len(diff) > 0 {
			r.fail("%s is read otherwise than it was asked for: %s", a.Primary, diff[0])
		}
		steps[i] = r.remove(l)
	}
	r.make(steps...)
	r.eventually(func() error {
		if left := len(r.read().ours); left > 0 {
			return fmt.Errorf("asked to remove %d accounts, the console answered ok, and a read has %d of them", n, left)
		}
		return nil
	})
}

func (r *run) throttling() {
	if len(r.throttled) > 0 {
		r.fail("%d times in this run something was wrong with that; the first: %s", len(r.throttled), r.throttled[0])
	}
	if r.waits == 0 {
		r.skip("the console has put nothing off in this run")
	}
}

func (r *run) leftAlone() {
	diff := firstDifference(r.before, r.read().rest)
	r.neighbours = nil
	r.sweep()
	r.eventually(func() error {
		if left := r.read().ours; len(left) > 0 {
			return fmt.Errorf("%d accounts of the suite cannot be removed; the first: %s", len(left), describe(&left[0]))
		}
		return nil
	})
	if diff != "" {
		r.fail("accounts that no check has to do with have changed: %s", diff)
	}
}

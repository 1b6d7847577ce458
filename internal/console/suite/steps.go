package suite

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// prefix begins the addresses of the suite.
const prefix = "rollcall-test-"

// address returns an address of the check at hand; the same name is the same.
func (r *run) address(name string) identity.Address {
	return identity.MustAddress(fmt.Sprintf("%s%s-%d-%s@%s", prefix, r.id, r.check, name, r.Domain))
}

// own reports whether an account is one of a check.
func (r *run) own(l *identity.Live) bool {
	if slices.Contains(r.neighbours, l.Primary) {
		return false
	}
	own := false
	l.EachAddress(func(x identity.Address) { own = own || strings.HasPrefix(x.Local(), prefix+r.id+"-") })
	return own
}

// account makes up an active user with aliases.
func (r *run) account(name string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: r.address(name), Directory: "rollcall-test", Username: name, DN: "CN=" + name + ",OU=Test,DC=example,DC=com"}
	_, _ = rand.Read(a.GUID[:]) // never fails
	if len(r.facts.Types) > 0 {
		a.Type = r.facts.Types[0]
	}
	if r.attribute != "" {
		a.Attributes = []identity.Attribute{{Name: r.attribute, Value: r.short(name + " test")}}
	}
	if r.facts.Keeps(plan.FieldAliases) {
		r.alias(a, aliases...)
	}
	return a
}

// alias gives an account other aliases, as many as the console takes.
func (r *run) alias(a *identity.Account, names ...string) {
	if n := r.facts.MaxAliases; n > 0 {
		names = names[:min(n, len(names))]
	}
	a.Aliases = nil
	for _, name := range names {
		a.Aliases = append(a.Aliases, r.address(name))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
}

// short cuts a text to what the attribute of the suite takes, in characters.
func (r *run) short(text string) string {
	if n, bound := r.facts.Lengths[r.attribute]; bound && len([]rune(text)) > n {
		return string([]rune(text)[:n])
	}
	return text
}

// changed returns a copy of an account, changed.
func changed(a *identity.Account, change func(*identity.Account)) *identity.Account {
	b := *a
	b.Aliases, b.Attributes = slices.Clone(a.Aliases), slices.Clone(a.Attributes)
	change(&b)
	return &b
}

// key returns a key that no other step of the run has.
func (r *run) key() string {
	r.keys++
	return r.id + "-" + strconv.Itoa(r.keys)
}

// put is the step that makes an account what after says, or creates it for a nil
// live. It is a group of its own.
func (r *run) put(live *identity.Live, after *identity.Account) apply.Step {
	s := apply.Step{Key: r.key(), Group: r.keys, Live: live, After: after, By: r.Owner}
	if live == nil {
		return s
	}
	differ := func(name string, differs bool) {
		if differs && (name == plan.FieldPrimary || r.facts.Keeps(name)) {
			s.Fields = append(s.Fields, name)
		}
	}
	differ(plan.FieldPrimary, live.Primary != after.Primary)
	differ(plan.FieldAliases, !slices.Equal(live.Aliases, after.Aliases))
	differ(plan.FieldType, live.Type != after.Type)
	differ(plan.FieldStatus, live.Status != after.Status)
	differ(plan.FieldOwner, live.Mark != markOf(after, r.Owner))
	differ(plan.FieldUsername, live.Username != after.Username)
	differ(plan.FieldDN, live.DN != after.DN)
	if r.attribute != "" {
		was, is := identity.Lookup(live.Attributes, r.attribute), identity.Lookup(after.Attributes, r.attribute)
		differ(r.attribute, was != is)
		if was != "" && is == "" {
			s.Clear = []string{r.attribute}
		}
	}
	return s
}

// markOf is the mark that says whose an account is.
func markOf(a *identity.Account, by string) identity.Mark {
	if a.Local() {
		return identity.Mark{}
	}
	return identity.Mark{By: by, Directory: a.Directory, GUID: a.GUID}
}

func (r *run) remove(live *identity.Live) apply.Step {
	return apply.Step{Key: r.key(), Group: r.keys, Live: live, By: r.Owner}
}

// together puts steps into one group, and says which addresses move among them.
func together(steps ...apply.Step) []apply.Step {
	from := map[identity.Address]string{}
	for i := range steps {
		steps[i].Group = steps[0].Group
		if l := steps[i].Live; l != nil {
			l.EachAddress(func(x identity.Address) { from[x] = l.Ref })
		}
	}
	for i := range steps {
		s := &steps[i]
		s.After.EachAddress(func(x identity.Address) {
			if ref, moves := from[x]; moves && (s.Creates() || ref != s.Live.Ref) {
				s.Moves = append(s.Moves, apply.Move{Address: x, From: ref})
			}
		})
	}
	return steps
}

// says describes a step in an error.
func says(s *apply.Step) string {
	switch {
	case s.Removes():
		return fmt.Sprintf("asked to remove %s", s.Live.Primary)
	case s.Creates():
		return fmt.Sprintf("asked to create %s", s.After.Primary)
	case s.Live.Primary != s.After.Primary:
		return fmt.Sprintf("asked to make %s of %s", s.After.Primary, s.Live.Primary)
	}
	return fmt.Sprintf("asked to change %s", s.After.Primary)
}

// answered describes an answer in an error.
func answered(a *apply.Answer) string {
	if a.Err == nil {
		return "the console answered ok"
	}
	return fmt.Sprintf("the console answered %s: %v", a.Err.Code, a.Err)
}

// maxAttempts is how often a step is tried that a console puts off.
const maxAttempts = 5

// apply asks for steps, as rollcall does: no more in a request than the console
// takes, again what it puts off, and each answered once.
func (r *run) apply(t console.Target, steps []apply.Step) []apply.Answer {
	answers := make([]apply.Answer, len(steps))
	open := make([]int, len(steps)) // what is still to be asked for
	for i := range open {
		open[i] = i
	}
	for attempt := 1; len(open) > 0; attempt++ {
		for rest := open; len(rest) > 0; {
			n := r.request(steps, rest)
			r.send(t, steps, rest[:n], answers)
			rest = rest[n:]
		}
		if err := t.Publish(r.ctx); err != nil {
			r.fail("publishing failed: %w", err)
		}
		again, wait := putOff(steps, open, answers)
		r.note(steps, again, answers, attempt)
		if attempt == maxAttempts {
			break
		}
		if len(again) > 0 {
			r.wait(wait)
		}
		open = again
	}
	return answers
}

// request returns how many of the steps are asked for at once: a group is never
// split.
func (r *run) request(steps []apply.Step, which []int) int {
	n := min(r.facts.BatchSize(), len(which))
	if !r.facts.Groups || n == len(which) {
		return n
	}
	whole := n
	for whole > 0 && steps[which[whole-1]].Group == steps[which[whole]].Group {
		whole--
	}
	if whole == 0 {
		return n
	}
	return whole
}

// send makes one request.
func (r *run) send(t console.Target, steps []apply.Step, which []int, answers []apply.Answer) {
	asked := make([]apply.Step, len(which))
	for i, n := range which {
		asked[i] = steps[n]
	}
	times := make([]int, len(asked))
	err := t.Apply(r.ctx, asked, func(i int, a apply.Answer) {
		times[i]++
		answers[which[i]] = a
	})
	if err != nil {
		r.fail("a request of %d changes (the first: %s) ended with: %w", len(asked), says(&asked[0]), err)
	}
	for i, n := range times {
		if n != 1 {
			r.fail("%s, the console answered %d times; each change is answered once", says(&asked[i]), n)
		}
	}
}

// putOff returns the steps of groups of which one is to be asked for again later,
// and when.
func putOff(steps []apply.Step, open []int, answers []apply.Answer) (again []int, wait time.Duration) {
	groups := map[int]bool{}
	for _, i := range open {
		if e := answers[i].Err; e != nil && (e.Code == apply.Throttled || e.Code == apply.Temporary) {
			groups[steps[i].Group] = true
			wait = max(wait, e.RetryAfter, 10*time.Millisecond)
		}
	}
	for _, i := range open {
		if groups[steps[i].Group] && answers[i].Err != nil {
			again = append(again, i)
		}
	}
	return again, wait
}

// note keeps what is wrong with answers that put a step off.
func (r *run) note(steps []apply.Step, again []int, answers []apply.Answer, attempt int) {
	for _, i := range again {
		e := answers[i].Err
		if e.Code != apply.Throttled && e.Code != apply.Temporary {
			continue
		}
		r.waits++
		switch {
		case e.Code == apply.Throttled && e.RetryAfter <= 0:
			r.throttled = append(r.throttled, fmt.Sprintf("%s, the console answered throttled without retry_after", says(&steps[i])))
		case attempt == maxAttempts:
			r.throttled = append(r.throttled, fmt.Sprintf("%s %d times, the console answered %s each time", says(&steps[i]), attempt, e.Code))
		}
	}
}

func (r *run) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.ctx.Done():
		r.fail("%w", r.ctx.Err())
	}
}

// make asks for steps that the console has to make.
func (r *run) make(steps ...apply.Step) []apply.Answer {
	answers := r.apply(r.target, steps)
	for i := range answers {
		if answers[i].Err != nil {
			r.fail("%s, %s", says(&steps[i]), answered(&answers[i]))
		}
	}
	return answers
}

// refuse asks for a step that the console must not make.
func (r *run) refuse(code apply.Code, why string, step apply.Step) apply.Answer {
	return r.refuseAs(r.target, code, why, step)
}

func (r *run) refuseAs(t console.Target, code apply.Code, why string, step apply.Step) apply.Answer {
	a := r.apply(t, []apply.Step{step})[0]
	if a.Err == nil || a.Err.Code != code {
		r.fail("%s, %s; the answer is %s, because %s", says(&step), answered(&a), code, why)
	}
	return a
}

// create makes accounts and returns them as the console has them.
func (r *run) create(accounts ...*identity.Account) []*identity.Live {
	steps := make([]apply.Step, len(accounts))
	for i, a := range accounts {
		steps[i] = r.put(nil, a)
	}
	r.make(steps...)
	return r.find(accounts...)
}

// find returns accounts by their primaries.
func (r *run) find(accounts ...*identity.Account) []*identity.Live {
	found := make([]*identity.Live, len(accounts))
	r.eventually(func() error {
		view := r.read()
		for i, a := range accounts {
			l := view.byPrimary(a.Primary)
			if l == nil {
				return fmt.Errorf("asked to create %s, the console answered ok, and a read does not have it", a.Primary)
			}
			found[i] = l
		}
		return nil
	})
	return found
}

// view is a read of the console.
type view struct {
	receipt console.Receipt
	ours    []identity.Live
	rest    []identity.Live
}

func (r *run) read() *view {
	v := &view{}
	receipt, err := r.target.Accounts(r.ctx, func(l identity.Live) error {
		if r.own(&l) {
			v.ours = append(v.ours, l)
		} else {
			v.rest = append(v.rest, l)
		}
		return nil
	})
	if err != nil {
		r.fail("reading all accounts failed: %w", err)
	}
	v.receipt = receipt
	return v
}

func (v *view) byPrimary(x identity.Address) *identity.Live {
	for i := range v.ours {
		if v.ours[i].Primary == x {
			return &v.ours[i]
		}
	}
	return nil
}

// holders returns the accounts that have an address.
func (v *view) holders(x identity.Address) (held []*identity.Live) {
	for i := range v.ours {
		if v.ours[i].Holds(x) {
			held = append(held, &v.ours[i])
		}
	}
	return held
}

// eventually waits until what a change has made is seen, no longer than the
// console says.
func (r *run) eventually(see func() error) {
	const often = 20
	for i := 0; ; i++ {
		err := see()
		if err == nil {
			return
		}
		if r.facts.Settles == 0 || i == often {
			r.fail("%w", err)
		}
		r.wait(r.facts.Settles / often)
	}
}

// expect reads the console, which must have the accounts as they are given, each
// address once.
func (r *run) expect(accounts ...*identity.Account) {
	r.eventually(func() error {
		view := r.read()
		for _, a := range accounts {
			if err := r.is(view, a, r.Owner); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) is(view *view, a *identity.Account, by string) error {
	l := view.byPrimary(a.Primary)
	if l == nil {
		return fmt.Errorf("a read does not have %s, which the console answered to have made", a.Primary)
	}
	if diff := r.differences(a, by, l); len(diff) > 0 {
		return fmt.Errorf("%s is read otherwise than it was asked for: %s", a.Primary, strings.Join(diff, "; "))
	}
	var err error
	a.EachAddress(func(x identity.Address) {
		if n := len(view.holders(x)); n > 1 && err == nil {
			err = fmt.Errorf("a read has %d accounts with the address %s", n, x)
		}
	})
	return err
}

// absent reads the console, which must have none of the addresses.
func (r *run) absent(why string, addresses ...identity.Address) {
	r.eventually(func() error {
		view := r.read()
		for _, x := range addresses {
			if held := view.holders(x); len(held) > 0 {
				return fmt.Errorf("a read has %s still or again, with account %s: %s", x, held[0].Primary, why)
			}
		}
		return nil
	})
}

// differences says in which of the fields that the console stores an account is
// not what was asked.
func (r *run) differences(want *identity.Account, by string, got *identity.Live) (all []string) {
	differ := func(field string, asked, found any) {
		all = append(all, fmt.Sprintf("%s, asked for %q, found %q", field, asked, found))
	}
	keeps := r.facts.Keeps
	if got.Odd != "" {
		all = append(all, got.Odd)
	}
	if want.Primary != got.Primary {
		differ("primary", want.Primary, got.Primary)
	}
	if keeps(plan.FieldAliases) && !slices.Equal(want.Aliases, got.Aliases) {
		differ(plan.FieldAliases, want.Aliases, got.Aliases)
	}
	if keeps(plan.FieldType) && want.Type != got.Type {
		differ(plan.FieldType, want.Type, got.Type)
	}
	if keeps(plan.FieldStatus) && want.Status != got.Status {
		differ(plan.FieldStatus, want.Status, got.Status)
	}
	if r.facts.Marks {
		if mark := markOf(want, by); mark != got.Mark {
			all = append(all, fmt.Sprintf("owner, asked for %s, found %s", shown(mark), shown(got.Mark)))
		}
	}
	if keeps(plan.FieldUsername) && want.Username != got.Username {
		differ(plan.FieldUsername, want.Username, got.Username)
	}
	if keeps(plan.FieldDN) && want.DN != got.DN && !identity.EqualDN(want.DN, got.DN) {
		differ(plan.FieldDN, want.DN, got.DN)
	}
	if r.attribute != "" {
		asked, found := identity.Lookup(want.Attributes, r.attribute), identity.Lookup(got.Attributes, r.attribute)
		if asked != found {
			differ(r.attribute, asked, found)
		}
	}
	return all
}

func shown(m identity.Mark) string {
	if m.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%s:%s/%s", m.By, m.Directory, m.GUID)
}

// get asks for accounts.
func (r *run) get(refs []string, addresses ...identity.Address) []identity.Live {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	found, err := r.target.Get(ctx, refs, addresses)
	if err != nil {
		r.fail("get of refs %q and addresses %q failed: %w", refs, addresses, err)
	}
	return found
}

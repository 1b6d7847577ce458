package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// batches puts groups together that are sent in one request. One whose accounts
// let go of addresses first stands alone.
func (r *runner) batches(groups family) (all []family) {
	var b family
	n := 0
	flush := func() {
		if n > 0 {
			all = append(all, b)
		}
		b, n = nil, 0
	}
	most := r.batchSize()
	for _, group := range groups {
		if len(group) > 1 && !r.facts.Groups {
			all = append(all, family{group})
			continue
		}
		if n+len(group) > most {
			flush()
		}
		b = append(b, group)
		n += len(group)
	}
	flush()
	return all
}

// makeBatch makes the changes of groups.
func (r *runner) makeBatch(ctx context.Context, b family) error {
	b = slices.DeleteFunc(b, func(group []int32) bool {
		i, x, waits := r.waiting(group)
		if waits {
			r.fail(group, i, fmt.Errorf("%s stays with %s, which failed", x, r.name(r.giver[x])))
		}
		return waits
	})
	var err error
	if len(b) == 1 && len(b[0]) > 1 && !r.facts.Groups {
		err = r.makePhases(ctx, b[0])
	} else {
		err = r.makeAtOnce(ctx, b)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.since >= saved && r.job.Journal != nil {
		r.since = 0
		err = r.job.Journal.Save(r.job.Ledger)
	}
	return err
}

// makeAtOnce makes the changes of groups in one request.
func (r *runner) makeAtOnce(ctx context.Context, b family) error {
	var tasks, of []*task // of is nil for a change that makes nothing
	for _, group := range b {
		number := r.number()
		for _, i := range group {
			var t *task
			if !r.changes[i].Idle() {
				t = r.final(i, number)
				tasks = append(tasks, t)
			}
			of = append(of, t)
		}
	}
	err := r.send(ctx, tasks)
	var kept []Received
	for _, group := range b {
		kept = append(kept, r.settle(group, of[:len(group)], err != nil || cause(ctx) != nil)...)
		of = of[len(group):]
	}
	return errors.Join(err, r.answered(kept))
}

// settle records what became of a group whose steps were sent, those of each change
// in its order, and returns what the ledger alone has learned. Where the run has
// ended, what was not begun has not failed.
func (r *runner) settle(group []int32, of []*task, ended bool) (kept []Received) {
	failed, cut := -1, -1
	for n, t := range of {
		switch {
		case t == nil || t.Keep || !t.fails():
		case t.cut():
			cut = n
		case failed < 0:
			failed = n
		}
	}
	switch {
	case failed < 0 && !ended:
		failed = cut
	case ended && cut >= 0:
		r.ends()
	}
	var lost []int32
	for n, i := range group {
		switch t := of[n]; {
		case t == nil:
			r.idle()
		case t.Keep && failed < 0 && cut < 0:
			if !r.facts.Publishes { // else it is learned with what is published
				kept = append(kept, Received{Key: t.Key})
			}
			r.made(i, t)
		case !t.Keep && !t.fails():
			r.made(i, t)
		default:
			lost = append(lost, i)
		}
	}
	if failed >= 0 && len(lost) > 0 {
		r.failAs(lost, group[failed], of[failed])
	}
	return kept
}

// ends notes that the run has ended before all was begun.
func (r *runner) ends() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
}

// cut reports whether a step was not begun.
func (t *task) cut() bool {
	return !t.answered || t.answer.Err != nil && t.answer.Err.Code == Cancelled
}

// failAs lists changes as failed because of a step of one of them.
func (r *runner) failAs(group []int32, because int32, t *task) {
	if t.answer.Err != nil && t.answer.Err.Code == undecidedCode {
		r.mu.Lock()
		r.unsure = append(r.unsure, r.name(because))
		r.mu.Unlock()
	}
	r.fail(group, because, t.why())
}

// idle counts a change that a brake withholds wholly.
func (r *runner) idle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Withheld++
	r.count(1)
}

// number returns the number of another group.
func (r *runner) number() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers++
	return r.numbers
}

// final returns the step by which a change is made. It is one to keep if the
// console has nothing to do: what it stores is so already, or the account is not
// in it.
func (r *runner) final(i int32, group int) *task {
	c := &r.changes[i]
	known := r.knownOf(i)
	t := &task{Sent: Sent{Step: Step{Group: group, Live: known.Live, By: r.job.By}, Change: int(i), Final: true}, known: known}
	after := c.Result()
	switch {
	case r.goes(i), after == nil:
		t.Keep = known.Live == nil
	case known.Live == nil && r.facts.Removes && !after.Active():
		t.After, t.Keep = after, true
	case known.Live == nil:
		t.After, t.Initial, t.Moves = after, r.job.Initial, r.movesTo(i)
	default:
		t.After, t.Moves = after, r.movesTo(i)
		t.Fields, t.Clear = r.changed(c.Before, after, known.Live)
		t.Keep = len(t.Fields) == 0
	}
	return t
}

// movesTo returns which addresses of a change come from other accounts.
func (r *runner) movesTo(i int32) (moves []Move) {
	if len(r.giver) == 0 {
		return nil
	}
	c := &r.changes[i]
	lacking(c.Result(), c.Before, func(x identity.Address) {
		if g, given := r.giver[x]; given {
			if from := r.knownOf(g).Live; from != nil {
				moves = append(moves, Move{x, from.Ref})
			}
		}
	})
	return moves
}

// changed returns the names of what is to change of an account that is there, of
// what the console stores, and which attributes go. Before is the account as the
// plan has it: a text that a product has normalised counts there as it was asked
// for.
func (r *runner) changed(before, after *identity.Account, live *identity.Live) (fields, clear []string) {
	f := &r.facts
	add := func(name string, differs bool) {
		if differs && (name == plan.FieldPrimary || f.Keeps(name)) {
			fields = append(fields, name)
		}
	}
	add(plan.FieldPrimary, after.Primary != live.Primary)
	add(plan.FieldAliases, !slices.Equal(after.Aliases, live.Aliases))
	add(plan.FieldType, after.Type != live.Type)
	add(plan.FieldStatus, after.Status != live.Status)
	add(plan.FieldOwner, mark(r.job.By, after) != live.Mark)
	add(plan.FieldUsername, after.Username != before.Username)
	add(plan.FieldDN, after.DN != before.DN)
	for _, x := range after.Attributes {
		add(x.Name, x.Value != identity.Lookup(before.Attributes, x.Name))
	}
	for _, x := range before.Attributes {
		if identity.Lookup(after.Attributes, x.Name) == "" && f.Keeps(x.Name) {
			fields, clear = append(fields, x.Name), append(clear, x.Name)
		}
	}
	return fields, clear
}

// makePhases makes the changes of a group whose accounts depend on each other, in
// a console that cannot make them at once:
//
//	first    accounts let go of the addresses that others of the group get; one
//	         that loses its primary so gets a temporary one
//	then     each becomes what it is to be
//	last     those go that are to go
//
// Of a group that fails, what was done is taken back in reverse.
func (r *runner) makePhases(ctx context.Context, group []int32) error {
	var done []*task
	var kept []Received
	number := r.number()
	live := map[int32]*identity.Live{} // as accounts are by now
	of := map[int32]*task{}
	for _, phase := range r.phases(group, number) {
		for _, t := range phase {
			i := int32(t.Change)
			if now := live[i]; now != nil && t.Live != nil {
				t.Live = now
				if !t.Removes() {
					t.Fields, t.Clear = r.changed(r.changes[i].Before, t.After, now)
				}
			}
			if t.Final {
				of[i] = t
			}
		}
		err := r.send(ctx, phase)
		for _, t := range phase {
			if !t.Keep && !t.fails() {
				done = append(done, t)
				live[int32(t.Change)] = left(t)
			}
		}
		if failed := slices.IndexFunc(phase, func(t *task) bool { return !t.Keep && t.fails() }); failed >= 0 {
			return errors.Join(err, r.takeBack(ctx, group, phase[failed], done))
		}
		if err != nil {
			return err
		}
	}
	for _, i := range group {
		t := of[i]
		if r.changes[i].Idle() {
			r.idle()
			continue
		}
		if t.Keep {
			kept = append(kept, Received{Key: t.Key})
		}
		r.made(i, t)
	}
	return r.answered(kept)
}

// left returns an account as a step that was made leaves it; nil for one that
// was removed.
func left(t *task) *identity.Live {
	l := t.Outcome()
	if l != nil {
		l.Ref, l.Rev = cmp.Or(t.answer.Ref, l.Ref), t.answer.Rev
	}
	return l
}

// phases returns the steps of a group, phase by phase.
func (r *runner) phases(group []int32, number int) [][]*task {
	var release, become, leave []*task
	inside := map[int32]bool{}
	for _, i := range group {
		inside[i] = true
	}
	for _, i := range group {
		if r.changes[i].Idle() {
			continue
		}
		final := r.final(i, number)
		given := map[identity.Address]bool{}
		r.given(i, func(x identity.Address, taker int32) {
			if inside[taker] {
				given[x] = true
			}
		})
		losesPrimary := given[final.primary()]
		switch {
		case final.Keep, final.Live == nil, len(given) == 0:
		case final.Removes() && losesPrimary && r.facts.FixedPrimary:
			// It cannot be renamed, and so goes first.
			release = append(release, final)
			continue
		default:
			release = append(release, r.released(i, number, given, losesPrimary))
		}
		if final.Removes() {
			leave = append(leave, final)
		} else {
			become = append(become, final)
		}
	}
	return [][]*task{release, become, leave}
}

// primary is that of the account that a step changes or removes.
func (t *task) primary() identity.Address {
	if t.Live == nil {
		return identity.Address{}
	}
	return t.Live.Primary
}

// given calls f for each address that a change gives up and somebody gets.
func (r *runner) given(i int32, f func(x identity.Address, taker int32)) {
	c := &r.changes[i]
	lacking(c.Before, c.Result(), func(x identity.Address) {
		if t, taken := r.taker[x]; taken && t != i {
			f(x, t)
		}
	})
}

// released returns the step by which an account lets go of addresses.
func (r *runner) released(i int32, number int, given map[identity.Address]bool, primary bool) *task {
	c := &r.changes[i]
	known := r.knownOf(i)
	a := *c.Before
	a.Aliases = slices.DeleteFunc(slices.Clone(a.Aliases), func(x identity.Address) bool { return given[x] })
	if primary {
		a.Primary = identity.Temporary(r.job.Random(), a.Primary.Domain())
	}
	t := &task{Sent: Sent{Step: Step{Group: number, Live: known.Live, After: &a, By: r.job.By}, Change: int(i)}, known: known}
	t.Fields, t.Clear = r.changed(c.Before, &a, known.Live)
	// Nothing but addresses changes yet, be it that the mark is another.
	t.Fields = slices.DeleteFunc(t.Fields, func(name string) bool { return name != plan.FieldPrimary && name != plan.FieldAliases })
	t.Clear = nil
	return t
}

// takeBack undoes the steps of a group that were made, the last one first, because
// of one that failed.
func (r *runner) takeBack(ctx context.Context, group []int32, failed *task, done []*task) error {
	because := int32(failed.Change)
	why := failed.why()
	ended := failed.answer.Err == nil || failed.answer.Err.Code == Cancelled && cause(ctx) != nil
	var stopped error
	now, again := map[int]*identity.Live{}, map[int]*task{}
	for _, t := range done {
		now[t.Change] = left(t)
	}
	for ; len(done) > 0; done = done[:len(done)-1] {
		t := done[len(done)-1]
		back := r.reverse(t, lastOf(done[:len(done)-1], t.Change), now[t.Change])
		if back == nil {
			continue
		}
		err := r.send(context.WithoutCancel(ctx), []*task{back})
		if err == nil && back.fails() {
			err = back.why()
		}
		if err != nil {
			var unusable Unusable
			if errors.As(err, &unusable) {
				stopped = err
			}
			why = errors.Join(why, fmt.Errorf("taking back what was done to %s: %w", r.name(int32(t.Change)), err))
			break
		}
		now[t.Change] = left(back)
		if back.Creates() {
			again[t.Change] = back
		}
	}
	for _, i := range group {
		if err := r.remember(lastOf(done, int(i)), again[int(i)]); err != nil {
			why = errors.Join(why, err)
		}
	}
	if ended && stopped == nil {
		r.ends()
		return nil
	}
	if failed.answer.Err != nil && failed.answer.Err.Code == undecidedCode {
		r.mu.Lock()
		r.unsure = append(r.unsure, r.name(because))
		r.mu.Unlock()
	}
	r.fail(group, because, why)
	return stopped
}

// lastOf returns the last step of a change, or nil.
func lastOf(tasks []*task, change int) *task {
	for _, t := range slices.Backward(tasks) {
		if t.Change == change {
			return t
		}
	}
	return nil
}

// remember writes into the ledger what the last step of a change that was not made
// has left of its account, or the step that has created the account again. Both are nil
// where it is as before.
func (r *runner) remember(t, again *task) error {
	switch {
	case t == nil && again == nil:
		return nil
	case t == nil:
		t = again
	case again != nil:
		t.answer.Ref = again.answer.Ref
	}
	after := t.After
	if t.Removes() {
		after = r.changes[t.Change].Result() // it could not be created again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case after != nil && !after.Local():
		return r.job.Ledger.Put(t.known.Recorded, after, placedBy(&t.Sent, t.answer, &r.facts, after))
	case t.Removes() && !t.known.Recorded.IsZero():
		return r.job.Ledger.Remove(t.known.Recorded)
	}
	return nil // the console has no account that is ours, as before
}

// reverse returns the step that takes another back, which left the account as now.
// The one before it, if there is one, has made the account what it becomes again; nil
// is returned where it is that.
func (r *runner) reverse(t, previous *task, now *identity.Live) *task {
	back := &task{Sent: Sent{Step: Step{Group: r.number(), Live: now, By: r.job.By}, Change: t.Change, Back: true}, known: t.known}
	switch {
	case t.Creates():
		return back
	case previous != nil:
		back.After = previous.After
	default:
		was := *r.changes[t.Change].Before
		was.Primary = t.Live.Primary
		if r.facts.Keeps(plan.FieldAliases) {
			was.Aliases = t.Live.Aliases // an inactive account may have some
		}
		back.After = &was
	}
	if now == nil {
		back.Initial = others(back.After, t.Live)
		return back
	}
	back.Fields, back.Clear = r.changed(t.After, back.After, now)
	if t.Live.Mark == now.Mark || !r.facts.Marks {
		back.Fields = slices.DeleteFunc(back.Fields, func(name string) bool { return name == plan.FieldOwner })
	}
	if len(back.Fields) == 0 {
		return nil
	}
	return back
}

// others returns the attributes that an account has in the console beside its own.
func others(a *identity.Account, live *identity.Live) (all []identity.Attribute) {
	for _, x := range live.Attributes {
		if identity.Lookup(a.Attributes, x.Name) == "" {
			all = append(all, x)
		}
	}
	return all
}

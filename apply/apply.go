// Package apply commits a plan to a console.
//
// A plan is a list of account changes, and a console makes one change of one
// account at a time. The order is such that no address is ever held twice, and
// that none is held by nobody for longer than it must be: who gives an address up
// comes before who gets it. Accounts that swap addresses, two or more in a ring,
// form a group with each other, and so does an account that goes with those who
// get its addresses. A group is changed as a whole or not at all, and nobody gets
// an address of one that failed.
//
// Consoles differ in how much of that they can do themselves:
//
//	a console that        is given
//	makes groups          the changes of a group in one request
//	does not              first, accounts without the addresses that they give
//	                      to others of the group, or with a temporary primary;
//	                      then each as it will be; then those that go
//	publishes             everything, and then publishes it
//
// Every step is written into a journal before it is sent. What becomes of it is
// known from its answer, or else from looking at the account: a step without an
// answer is never sent again blindly. What was made is written into the ledger,
// the memory that rollcall has of the console.
package apply

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Job is what is to be applied, and to what.
type Job struct {
	Changes []plan.AccountChange
	Console Console
	Ledger  *Ledger
	// Journal is nil for a console that takes effect with its ledger.
	Journal Journal
	// Known returns what console and ledger have of the account that a change has
	// as its account before.
	Known func(before *identity.Account) Known
	// By is the owner in the marks of accounts.
	By string
	// Initial are the attributes that accounts are created with.
	Initial []identity.Attribute
	// Run begins the keys of steps, and no other run's.
	Run string
	Options
	// Listen hears of what happens; nil for nobody.
	Listen func(Event)

	// Now, Wait and Random are the world: the time, waiting and letters that
	// nobody can guess, as [identity.Temporary] has them. They are those of the
	// computer where they are nil.
	Now    func() time.Time
	Wait   func(context.Context, time.Duration) error
	Random func() string
}

// Known is what is known of an account.
type Known struct {
	// Live is the account as the console has it, or nil.
	Live *identity.Live
	// Recorded is its primary in the ledger; zero for one that is not there.
	Recorded identity.Address
}

// Options say how to apply.
type Options struct {
	// Concurrency is how many requests are made at a time; less than 2 is one.
	Concurrency int
	// Rate is how many account changes are made in a second at most; 0 is no
	// bound.
	Rate float64
	// Attempts is how often a change is tried that the console cannot make now;
	// 0 is [DefaultAttempts].
	Attempts int
	// Verify reads what was changed again at the end.
	Verify bool
	// Canary is how many account changes are made and verified first; 0 is none.
	Canary int
}

// DefaultAttempts is how often a change is tried if nothing else is said.
const DefaultAttempts = 5

// Difference is a field of an account that is not what was asked for.
type Difference struct {
	Account       identity.Address
	Field         string
	Wanted, Found string
}

// Result is the outcome of an apply.
type Result struct {
	run.Result
	// Begun says that some step was made, be it of an account that is not changed as a
	// whole.
	Begun bool
	// Made are the indexes of the changes that were made, which Applied counts.
	Made []int32
	// Undecided are accounts of which it is unknown whether they were made.
	Undecided []identity.Address
	// Unknown counts the steps that were sent and of which is not known what became
	// of them, because the console cannot be used any more. The next run finds
	// out.
	Unknown int
	// Verified counts the accounts that were read again and are as they were
	// asked for. Differences are those of the others.
	Verified, Differ int
	Differences      []Difference
	// Canary says that the run ended with its canary, which was not right.
	Canary bool
}

// Event reports to a listener what happens: [Progress], [Waiting], [LookingUp] or
// [Verifying].
type Event interface{ event() }

// Progress says how far an apply is, in account changes.
type Progress struct{ Done, Total int }

// Waiting says that the console cannot make a change now. Err is nil for one that it
// has not made and not answered.
type Waiting struct {
	Err *Error
	For time.Duration
}

// LookingUp says that so many steps had no answer and are looked up.
type LookingUp struct{ Steps int }

// Verifying says how many accounts of how many were read again.
type Verifying struct{ Done, Total int }

func (Progress) event()  {}
func (Waiting) event()   {}
func (LookingUp) event() {}
func (Verifying) event() {}

// every is how many account changes lie between two events, and saved between
// two versions of the ledger.
const (
	every = 1000
	saved = 5000
)

// Run applies account changes. An account that the console refuses is listed in
// the result and stays as it is, with those that would get its addresses or swap
// with it; the rest goes on. The result says what was made also where there is an
// error: that of ctx, which ends the run between two groups, or of a console that
// cannot be used any more. A console that publishes has then published nothing, or what
// the result tells.
func Run(ctx context.Context, job Job) (Result, error) {
	r := newRun(job)
	r.lost, r.wanted = r.lostRecords(), wanted(job.Changes)
	err := r.all(ctx)
	if err == nil && r.job.Verify {
		err = r.verify(ctx)
	}
	return r.finish(), err
}

// runner is an apply that goes on. Changes are named by their index.
type runner struct {
	begun    atomic.Bool // some step was made
	job      Job
	facts    plan.Facts
	changes  []plan.AccountChange
	giver    map[identity.Address]int32 // who gives an address up
	taker    map[identity.Address]int32 // who gets one that was given up
	round    []int32                    // of the changes of a family that is sorted, from 1; else 0
	lost     map[owner]identity.Address // records of accounts that are gone, whose owners get others
	wanted   map[identity.Address]bool  // primaries that accounts are to have
	toVerify []int32

	mu      sync.Mutex // of all below
	failed  map[int32]error
	unsure  []identity.Address
	result  Result
	done    int // changes that are made, failed or need nothing
	keys    int
	numbers int       // groups that have one
	unsent  time.Time // when the next change may be sent, by the rate
	settled time.Time // when all that was sent is certainly seen; zero for at once
	staged  []staged  // what waits to be published
	since   int       // changes since the ledger was saved
	cut     bool      // the user has ended the run before all changes were begun
}

// staged is a change that is made once it is published, by the step of a task.
type staged struct {
	change int32
	task   *task
}

func newRun(job Job) *runner {
	if job.Now == nil {
		job.Now = time.Now
	}
	if job.Wait == nil {
		job.Wait = wait
	}
	if job.Random == nil {
		job.Random = rand.Text
	}
	if job.Attempts == 0 {
		job.Attempts = DefaultAttempts
	}
	if job.Listen == nil {
		job.Listen = func(Event) {}
	}
	r := &runner{job: job, facts: job.Console.Facts(), changes: job.Changes, failed: map[int32]error{}}
	r.moves()
	return r
}

// all makes the changes: those of the canary first, if there is one.
func (r *runner) all(ctx context.Context) error {
	if r.job.Canary <= 0 || r.job.Canary >= len(r.changes) {
		return r.make(ctx, r.families())
	}
	first, rest := r.split(slices.Collect(r.families()))
	if err := r.make(ctx, slices.Values(first)); err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	if len(r.failed)+r.result.Differ > 0 {
		r.result.Canary = true
		return nil
	}
	return r.make(ctx, slices.Values(rest))
}

// make makes families of changes, as many at a time as the console takes, and
// publishes them.
func (r *runner) make(ctx context.Context, families iter.Seq[family]) error {
	if err := r.work(ctx, r.units(families)); err != nil {
		return err
	}
	if r.cut {
		return cause(ctx)
	}
	return r.publish(ctx)
}

// units yields what is made by one worker. A change that is alone in its family
// shares a request with others of its kind; of the other families each has its
// turn, so that no address is nobody's while strangers are changed.
func (r *runner) units(families iter.Seq[family]) iter.Seq[family] {
	return func(yield func(family) bool) {
		most := r.batchSize()
		var alone family
		for f := range families {
			if len(f) > 1 || len(f[0]) > 1 {
				if !yield(f) {
					return
				}
				continue
			}
			if alone == nil {
				alone = make(family, 0, min(most, len(r.changes)))
			}
			if alone = append(alone, f[0]); len(alone) >= most {
				if !yield(alone) {
					return
				}
				alone = nil
			}
		}
		if len(alone) > 0 {
			yield(alone)
		}
	}
}

// batchSize is how many changes a request has at most: no more than may be made in
// a second.
func (r *runner) batchSize() int {
	n := r.facts.BatchSize()
	if r.job.Rate > 0 {
		n = min(n, max(1, int(r.job.Rate)))
	}
	return n
}

// work makes families by as many workers as the console takes.
func (r *runner) work(ctx context.Context, units iter.Seq[family]) error {
	if r.job.Concurrency < 2 {
		for f := range units {
			if err := r.makeFamily(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(r.job.Concurrency)
	for f := range units {
		all.Go(func() error { return r.makeFamily(ctx, f) })
	}
	return all.Wait()
}

// makeFamily makes groups of changes, round by round: what is made in one waits
// for nothing but the rounds before.
func (r *runner) makeFamily(ctx context.Context, f family) error {
	for _, round := range r.rounds(f) {
		for _, b := range r.batches(round) {
			if err := cause(ctx); err != nil {
				return err
			}
			if err := r.makeBatch(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// rounds sorts the groups of a family into rounds. A group is in the one after the
// last that it waits for.
func (r *runner) rounds(f family) (rounds []family) {
	if len(r.giver) == 0 || len(f) == 1 {
		return []family{f}
	}
	for _, group := range f {
		n := int32(0)
		for _, i := range group {
			c := &r.changes[i]
			r.others(r.giver, c.Result(), c.Before, func(g int32) { n = max(n, r.round[g]) })
		}
		for _, i := range group {
			r.round[i] = n + 1
		}
		if int(n) == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], group)
	}
	for _, group := range f {
		for _, i := range group {
			r.round[i] = 0
		}
	}
	return rounds
}

// cause returns why a context has ended; nil for one that has not.
func cause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// publish has the console publish what it was given, which is then made. Where that
// ends with an error, it is looked up what has become of it.
func (r *runner) publish(ctx context.Context) error {
	if !r.facts.Publishes {
		return nil
	}
	if err := cause(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	all := r.staged
	r.staged = nil
	failed := r.job.Console.Publish(ctx)
	if failed != nil && !r.published(ctx, all) {
		return failed
	}
	var answers []Received
	for _, s := range all {
		answers = append(answers, Received{s.task.Key, s.task.answer})
		r.record(s.change, s.task.known.Recorded, s.task.answer)
	}
	return errors.Join(failed, r.answered(answers))
}

// published reports whether the console has what was staged, and counts it as unknown
// where that is unknown.
func (r *runner) published(ctx context.Context, all []staged) bool {
	var tasks []*task
	var sent []*Sent
	for _, s := range all {
		if !s.task.Keep {
			tasks, sent = append(tasks, s.task), append(sent, &s.task.Sent)
		}
	}
	if len(tasks) == 0 {
		return false
	}
	verdict := otherwise
	if live, err := r.get(ctx, tasks); err == nil {
		verdict = indexed(live, r.job.Ledger).published(&r.facts, sent)
	}
	if verdict == otherwise {
		r.result.Unknown += len(tasks)
	}
	return verdict == wasMade
}

// finish completes the result.
func (r *runner) finish() Result {
	r.result.Begun = r.begun.Load()
	for i, err := range r.failed {
		r.result.Failures = append(r.result.Failures, run.Failure{Account: r.name(i).String(), Code: string(CodeOf(err)), Error: err.Error()})
	}
	slices.SortFunc(r.result.Failures, func(a, b run.Failure) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Error, b.Error))
	})
	r.result.Undecided = r.unsure
	slices.SortFunc(r.result.Undecided, identity.Address.Compare)
	return r.result
}

// moves finds out which addresses are given up, and who gets them.
func (r *runner) moves() {
	r.giver, r.taker = map[identity.Address]int32{}, map[identity.Address]int32{}
	for i := range r.changes {
		if c := &r.changes[i]; !c.Gone { // whose addresses are free already
			lacking(c.Before, c.Result(), func(x identity.Address) { r.giver[x] = int32(i) })
		}
	}
	if len(r.giver) == 0 {
		return
	}
	r.round = make([]int32, len(r.changes))
	for i := range r.changes {
		c := &r.changes[i]
		lacking(c.Result(), c.Before, func(x identity.Address) {
			if _, given := r.giver[x]; given {
				r.taker[x] = int32(i)
			}
		})
	}
}

// lacking calls f with the addresses of x that y has not. Either may be nil.
func lacking(x, y *identity.Account, f func(identity.Address)) {
	if x == nil {
		return
	}
	if y == nil || !y.Holds(x.Primary) {
		f(x.Primary)
	}
	for _, a := range x.Aliases {
		if y == nil || !y.Holds(a) {
			f(a)
		}
	}
}

// goes reports whether a change takes an account out of the console.
func (r *runner) goes(i int32) bool {
	c := &r.changes[i]
	after := c.Result()
	return c.Before != nil && (after == nil || r.facts.Removes && !after.Active())
}

// waiting finds a change of the group, and an address, that waits for another
// change which has failed.
func (r *runner) waiting(group []int32) (change int32, x identity.Address, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failed) == 0 {
		return change, x, false
	}
	for _, i := range group {
		c := &r.changes[i]
		lacking(c.Result(), c.Before, func(a identity.Address) {
			if g, given := r.giver[a]; given && r.failed[g] != nil && !waits {
				change, x, waits = i, a, true
			}
		})
		if waits {
			break
		}
	}
	return change, x, waits
}

// fail lists the changes of a group as failed, because of one of them.
func (r *runner) fail(group []int32, because int32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range group {
		why := err
		if i != because {
			why = fmt.Errorf("it swaps addresses with %s, which failed", r.name(because))
		}
		r.failed[i] = why
	}
	r.count(len(group))
}

// count says how many changes more are through. The caller holds the lock.
func (r *runner) count(n int) {
	if r.done/every != (r.done+n)/every {
		r.job.Listen(Progress{Done: r.done + n, Total: len(r.changes)})
	}
	r.done += n
}

// name returns the address by which people know the account of a change.
func (r *runner) name(i int32) identity.Address {
	c := &r.changes[i]
	if after := c.Result(); after != nil {
		return after.Primary
	}
	return c.Before.Primary
}

// knownOf returns what is known of the account before a change.
func (r *runner) knownOf(i int32) Known {
	switch c := &r.changes[i]; {
	case c.Before == nil:
		return Known{}
	case c.Gone:
		return Known{Recorded: c.Before.Primary} // whoever may have the address now
	default:
		return r.job.Known(c.Before)
	}
}

// made says that a change was made by a task: now, or once it is published. Where the
// ledger is the console, there is nothing to wait for.
func (r *runner) made(i int32, t *task) {
	if t.answer.Ref == "" && t.known.Live != nil && !r.goes(i) {
		t.answer.Ref = t.known.Live.Ref
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.facts.Publishes && !r.facts.Embedded {
		r.staged = append(r.staged, staged{i, t})
		return
	}
	r.record(i, t.known.Recorded, t.answer)
}

// record writes into the ledger that a change was made to the account that has
// the primary recorded there. The caller holds the lock, or is alone.
func (r *runner) record(i int32, recorded identity.Address, a Answer) {
	c := &r.changes[i]
	r.count(1)
	after := c.Result()
	var err error
	switch {
	case after != nil && (r.facts.Embedded || !after.Local()):
		err = r.job.Ledger.Put(recorded, after, r.placed(i, a))
		if x, gone := r.lost[ownerOf(after)]; gone && err == nil && !after.Local() {
			err = r.job.Ledger.Remove(x)
		}
	case !recorded.IsZero():
		err = r.job.Ledger.Remove(recorded)
	}
	if err != nil {
		r.failed[i] = err
		return
	}
	if c.Withheld {
		r.result.Withheld++
	}
	r.result.Applied++
	r.result.Made = append(r.result.Made, i)
	if r.job.Verify || r.job.Canary > 0 {
		r.toVerify = append(r.toVerify, i)
	}
	r.since++
}

// lostRecords returns the primaries of the records whose owners get other accounts:
// the console no longer has theirs.
func (r *runner) lostRecords() map[owner]identity.Address {
	if r.facts.Embedded {
		return nil
	}
	get, there := map[owner]bool{}, map[identity.Address]bool{}
	for i := range r.changes {
		c := &r.changes[i]
		there[r.knownOf(int32(i)).Recorded] = true
		if after := c.Result(); after != nil && (c.Before == nil || ownerOf(after) != ownerOf(c.Before)) {
			get[ownerOf(after)] = true
		}
	}
	lost := map[owner]identity.Address{}
	for i := range r.job.Ledger.accounts {
		a := &r.job.Ledger.accounts[i]
		if o := ownerOf(a); get[o] && !there[a.Primary] && !a.Local() {
			lost[o] = a.Primary
		}
	}
	return lost
}

// placed is what the ledger knows of an account that was changed, beside the account.
func (r *runner) placed(i int32, a Answer) identity.Placed {
	if r.facts.Embedded {
		return identity.Placed{}
	}
	p := identity.Placed{Ref: a.Ref, Applied: identity.Moment(r.job.Now())}
	if r.goes(i) {
		p.Ref = ""
	}
	return p
}

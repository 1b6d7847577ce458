package apply

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// task is a step on its way to a console.
type task struct {
	Sent
	known    Known
	attempts int // in which it was begun
	answered bool
	answer   Answer
}

// fails reports whether the step was not made.
func (t *task) fails() bool { return !t.answered || t.answer.Err != nil }

// why says why the step was not made.
func (t *task) why() error {
	if t.answer.Err != nil {
		return t.answer.Err
	}
	return &Error{Code: Cancelled, Message: "not started"}
}

// backoff is how long to wait before the second attempt; it doubles with each.
const (
	backoff     = time.Second
	mostBackoff = time.Minute
)

// send makes the steps of one request and waits until each has an answer, its own
// or one that a look at the account gives. What the console cannot make now is
// tried again. An error ends the run: the console cannot be used any more, or the
// journal cannot be written.
func (r *runner) send(ctx context.Context, tasks []*task) error {
	r.keyed(tasks)
	open := slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return t.Keep })
	if len(open) == 0 {
		return r.intend(ctx, tasks)
	}
	for first := true; ; first = false {
		if r.pace(ctx, len(open)) != nil {
			cancelled(open)
			if first {
				return nil
			}
			return r.answers(open)
		}
		intended := open
		if first {
			intended = tasks
		}
		// From when it is sent, it takes a while until it is seen.
		if first || r.facts.Settles > 0 {
			if err := r.intend(ctx, intended); err != nil {
				return err
			}
		}
		if err := r.request(ctx, open); err != nil {
			if err := r.unanswered(ctx, open, err); err != nil {
				return err
			}
		}
		for _, t := range open {
			if !t.answered || t.answer.Err == nil || t.answer.Err.Code != Cancelled {
				t.attempts++
			}
		}
		again, pause, why := r.repeatable(open)
		if len(again) > 0 && cause(ctx) == nil {
			r.job.Listen(Waiting{Err: why, For: pause})
			err := r.job.Wait(ctx, pause)
			if err == nil {
				// What is sent again is answered later, and not known until then.
				if err := r.answers(slices.DeleteFunc(open, func(t *task) bool { return slices.Contains(again, t) })); err != nil {
					return err
				}
				for _, t := range again {
					t.answered, t.answer = false, Answer{}
				}
				open = again
				continue
			}
		}
		for _, t := range open {
			if !t.answered {
				t.answered, t.answer = true, Answer{Err: &Error{Code: Temporary, Message: fmt.Sprintf("no answer in %d attempts, and the account is as it was", t.attempts)}}
			}
		}
		if cause(ctx) == nil {
			unbegun(open)
		}
		return r.answers(open)
	}
}

// unanswered settles what becomes of steps that a failed request has not answered. An
// error ends the run.
//
//	the console says                       its steps
//	that the credentials or the
//	configuration are not taken            were not made, and the run ends
//	that it has failed                     are looked up; what was not made has failed
//	something else                         have failed with that
//	nothing, and can be asked              are looked up; what was not made is repeated
//	nothing, and cannot be used any more   are unknown, and the run ends
func (r *runner) unanswered(ctx context.Context, tasks []*task, failed error) error {
	var unusable Unusable
	switch code := CodeOf(failed); {
	case code == Auth, code == Misused:
		cancelled(tasks) // nothing more of it was made
		return errors.Join(failed, r.answers(tasks))
	case r.facts.Publishes:
		return failed // nothing of it has taken effect
	case errors.As(failed, &unusable):
		r.unknown(tasks)
		return failed
	case code == "", code == Internal:
		if err := r.lookUp(ctx, tasks); err != nil {
			r.unknown(tasks)
			return err
		}
		if code == "" {
			return nil
		}
	}
	for _, t := range tasks {
		if !t.answered {
			t.answered, t.answer = true, Answer{Err: asError(failed)}
		}
	}
	return nil
}

// unknown counts the steps of which is not known what became of them.
func (r *runner) unknown(tasks []*task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tasks {
		if !t.answered {
			r.result.Unknown++
		}
	}
}

// asError returns an error of a console as it stands in an answer.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: err.Error()}
}

func cancelled(tasks []*task) {
	for _, t := range tasks {
		if !t.answered {
			t.answered, t.answer = true, Answer{Err: &Error{Code: Cancelled, Message: "not started"}}
		}
	}
}

// request sends steps once.
func (r *runner) request(ctx context.Context, tasks []*task) error {
	steps := make([]Step, len(tasks))
	for i, t := range tasks {
		steps[i] = t.Step
	}
	return r.job.Console.Apply(ctx, steps, func(i int, a Answer) {
		if i >= 0 && i < len(tasks) && !tasks[i].answered {
			tasks[i].answered, tasks[i].answer = true, a
		}
	})
}

// answers writes what is known of steps into the journal. What waits to be
// published is not known yet.
func (r *runner) answers(tasks []*task) error {
	var all []Received
	for _, t := range tasks {
		if t.answered && (!r.facts.Publishes || t.answer.Err != nil) {
			all = append(all, Received{t.Key, t.answer})
		}
		if !r.facts.Publishes && !t.fails() {
			r.begun.Store(true)
		}
	}
	return r.answered(all)
}

// repeatable returns the steps that are to be tried again, how long to wait before,
// and the error because of which, or nil: those that the console cannot make now, and
// those that had no answer and were not made, unless they were tried often enough; and
// with them those that were not begun, unless a step of their group has failed for good.
func (r *runner) repeatable(tasks []*task) (again []*task, pause time.Duration, why *Error) {
	failed := map[int]bool{} // groups
	retried := map[*task]bool{}
	for _, t := range tasks {
		switch e := t.answer.Err; {
		case t.answered && (e == nil || e.Code == Cancelled):
		case t.attempts < r.job.Attempts && (!t.answered || e.Code == Throttled || e.Code == Temporary):
			if len(retried) == 0 {
				why = e
			}
			retried[t] = true
			if e != nil && e.Code == Throttled && e.RetryAfter > 0 {
				pause = max(pause, e.RetryAfter)
			} else {
				pause = max(pause, jittered(t.attempts))
			}
		default:
			failed[t.Group] = true
		}
	}
	if len(retried) == 0 {
		return nil, 0, nil
	}
	for _, t := range tasks {
		if retried[t] || t.answer.Err != nil && t.answer.Err.Code == Cancelled && !failed[t.Group] {
			again = append(again, t)
		}
	}
	return again, pause, why
}

// unbegun answers the steps that were not begun, because the console was throttled for
// too long, with that.
func unbegun(tasks []*task) {
	i := slices.IndexFunc(tasks, func(t *task) bool { return t.answer.Err != nil && t.answer.Err.Code == Throttled })
	if i < 0 {
		return
	}
	for _, t := range tasks {
		if e := t.answer.Err; e != nil && e.Code == Cancelled && t.Group != tasks[i].Group {
			t.answer.Err = &Error{Code: Throttled, Message: "not started: " + tasks[i].answer.Err.Error()}
		}
	}
}

// jittered is how long to wait after so many attempts: up to half of it less, so
// that many who were turned away together do not come back together.
func jittered(attempt int) time.Duration {
	d := mostBackoff
	if attempt < 7 {
		d = min(d, backoff<<(attempt-1))
	}
	return d - time.Duration(mathrand.Int64N(int64(d/2)))
}

// pace waits until so many more changes may be sent.
func (r *runner) pace(ctx context.Context, n int) error {
	if r.job.Rate <= 0 {
		return cause(ctx)
	}
	r.mu.Lock()
	now := r.job.Now()
	from := r.unsent
	if from.Before(now) {
		from = now
	}
	r.unsent = from.Add(time.Duration(float64(n) / r.job.Rate * float64(time.Second)))
	r.mu.Unlock()
	if from.After(now) {
		return r.job.Wait(ctx, from.Sub(now))
	}
	return cause(ctx)
}

// lookUp finds out what became of the steps that have no answer. Those that were
// not made have none afterwards either.
func (r *runner) lookUp(ctx context.Context, tasks []*task) error {
	ctx = context.WithoutCancel(ctx) // what was sent must be known
	if tasks = slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return t.answered }); len(tasks) == 0 {
		return nil
	}
	r.job.Listen(LookingUp{Steps: len(tasks)})
	for len(tasks) > 0 {
		asked := r.job.Now()
		live, err := r.get(ctx, tasks)
		if err != nil {
			return err
		}
		var unsettled time.Duration
		var rest []*task
		verdicts, found := r.judge(tasks, live)
		for n, t := range tasks {
			l := found[n]
			if left := t.At.Add(r.facts.Settles).Sub(asked); verdicts[n] != wasMade && r.facts.Settles > 0 && left > 0 {
				unsettled = max(unsettled, left)
				rest = append(rest, t)
				continue
			}
			switch verdicts[n] {
			case wasMade:
				t.answered = true
				if l != nil {
					t.answer = Answer{Ref: l.Ref, Rev: l.Rev, Found: l}
				}
			case notMade:
				if l != nil && alike(t.Live, l) {
					t.Live = l // with the rev that it has now
				}
			case undecidable:
				t.answered, t.answer = true, Answer{Err: &Error{Code: undecidedCode, Message: "it is unknown whether it was made: an account without an owner mark holds one of its addresses"}}
			case otherwise:
				t.answered, t.answer = true, Answer{Err: &Error{Code: Changed, Message: "the console gave no answer, and the account is in neither its old nor its new state"}}
			}
		}
		if tasks = rest; unsettled > 0 {
			if err := r.job.Wait(ctx, unsettled); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge says what became of steps, by what the console has now.
func (r *runner) judge(tasks []*task, live []identity.Live) (verdicts []verdict, found []*identity.Live) {
	r.mu.Lock() // of the ledger
	defer r.mu.Unlock()
	seen := indexed(live, r.job.Ledger)
	for _, t := range tasks {
		v, l := seen.judge(&r.facts, &t.Sent)
		verdicts, found = append(verdicts, v), append(found, l)
	}
	return verdicts, found
}

// undecidedCode marks a step of which it is unknown whether it was made. No
// console says that of itself.
const undecidedCode Code = "undecided"

// wait waits for a time, or until the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

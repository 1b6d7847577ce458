package apply

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// ErrNoDryRun is returned for a console that cannot try changes.
var ErrNoDryRun = errors.New("the console cannot try changes without making them")

// Tried is what a console says of changes that it did not make.
type Tried struct {
	// Changes counts those that were tried.
	Changes int
	// Untried counts those that take several steps, which cannot be tried.
	Untried int
	// Refused are those that the console would not make.
	Refused []run.Failure
}

// Try asks a console what it would say to account changes. Nothing is changed.
func Try(ctx context.Context, job Job) (Tried, error) {
	r := newRun(job)
	var tried Tried
	trier, able := job.Console.(Trier)
	if !able || !r.facts.DryRun {
		return tried, ErrNoDryRun
	}
	try := func(tasks []*task) error {
		if len(tasks) == 0 {
			return nil
		}
		steps := make([]Step, len(tasks))
		for i, t := range tasks {
			t.Key = r.key()
			steps[i] = t.Step
		}
		tried.Changes += len(tasks)
		return trier.Try(ctx, steps, func(i int, a Answer) {
			if i >= 0 && i < len(tasks) && a.Err != nil && a.Err.Code != Cancelled {
				tried.Refused = append(tried.Refused, run.Failure{Account: r.name(int32(tasks[i].Change)).String(), Error: a.Err.Error()})
			}
		})
	}
	var alone []*task
	for f := range r.families() {
		tasks, whole := r.trial(f)
		switch {
		case !whole:
			for _, group := range f {
				tried.Untried += len(group)
			}
			continue
		case len(f) > 1 || len(f[0]) > 1:
			if err := try(tasks); err != nil {
				return tried, err
			}
			continue
		}
		if alone = append(alone, tasks...); len(alone) >= r.facts.BatchSize() {
			if err := try(alone); err != nil {
				return tried, err
			}
			alone = nil
		}
	}
	err := try(alone)
	slices.SortFunc(tried.Refused, func(a, b run.Failure) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Error, b.Error))
	})
	return tried, err
}

// trial returns the steps of a family, and whether one request has them all.
func (r *runner) trial(f family) (tasks []*task, whole bool) {
	for _, group := range f {
		if len(group) > 1 && !r.facts.Groups {
			return nil, false
		}
		number := r.number()
		for _, i := range group {
			if r.changes[i].Idle() {
				continue
			}
			if t := r.final(i, number); !t.Keep {
				tasks = append(tasks, t)
			}
		}
	}
	return tasks, len(tasks) <= max(r.facts.BatchSize(), 1)
}

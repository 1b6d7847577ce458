// Package apply commits a plan to a console, one account at a time.
//
// The order is such that no address is ever held twice, and that none is held
// by nobody for longer than it must be: accounts among which addresses move are
// changed without others in between, who gives an address up before who gets
// it. Those that swap addresses, two or more in a ring, form a group: they let
// go of those addresses, and then each becomes what the plan says. A group is
// changed as a whole or not at all, and nobody gets an address of one that
// failed.
package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Console is a target that plans are applied to. Accounts are named by the
// primary that they had when the apply began.
type Console interface {
	// Release takes addresses away from an account, be its primary among them.
	Release(ctx context.Context, account identity.Address, addresses []identity.Address) error
	// Put makes an account what after says; the zero address creates it. An
	// error leaves the account as it was.
	Put(ctx context.Context, account identity.Address, after *identity.Account) error
	// Remove drops the record of an account.
	Remove(ctx context.Context, account identity.Address) error
}

// Event tells a listener how far an apply is.
type Event struct {
	// Done and Total count account changes.
	Done, Total int
}

// every is how many account changes lie between two events.
const every = 1000

// Run applies the account changes of a plan. An account that the console
// refuses is listed in the result and stays as it is, with those that would get
// its addresses or swap with it; the rest goes on. Cancelling ctx ends the run
// between two groups, with the error of the context.
func Run(ctx context.Context, p *plan.Plan, console Console, listen func(Event)) (run.Result, error) {
	r := engine{changes: p.Accounts, console: console, failed: map[int32]error{}}
	r.moves()
	step := context.WithoutCancel(ctx) // what has begun is finished
	done := 0
	err := r.groups(func(group []int32) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if listen != nil && done/every != (done+len(group))/every {
			listen(Event{Done: done, Total: len(r.changes)})
		}
		done += len(group)
		r.commit(step, group)
		return nil
	})
	return r.result, err
}

// engine is an apply that goes on. Changes are named by their index.
type engine struct {
	changes []plan.AccountChange
	console Console
	giver   map[identity.Address]int32 // who gives an address up
	taker   map[identity.Address]int32 // who gets one that was given up
	failed  map[int32]error
	result  run.Result
}

// moves finds out which addresses are given up, and who gets them.
func (r *engine) moves() {
	r.giver, r.taker = map[identity.Address]int32{}, map[identity.Address]int32{}
	for i := range r.changes {
		for _, x := range lacking(r.changes[i].Before, r.changes[i].Result()) {
			r.giver[x] = int32(i)
		}
	}
	if len(r.giver) == 0 {
		return
	}
	for i := range r.changes {
		for _, x := range lacking(r.changes[i].Result(), r.changes[i].Before) {
			if _, given := r.giver[x]; given {
				r.taker[x] = int32(i)
			}
		}
	}
}

// lacking returns the addresses of x that y has not. Either may be nil.
func lacking(x, y *identity.Account) []identity.Address {
	if x == nil {
		return nil
	}
	var all []identity.Address
	if y == nil || !y.Holds(x.Primary) {
		all = append(all, x.Primary)
	}
	for _, a := range x.Aliases {
		if y == nil || !y.Holds(a) {
			all = append(all, a)
		}
	}
	return all
}

// commit makes the changes of a group. Of one that fails it takes back what was
// done.
func (r *engine) commit(ctx context.Context, group []int32) {
	if i, x, waits := r.waiting(group); waits {
		r.fail(group, i, fmt.Errorf("%s stays with %s, which failed", x, r.name(r.giver[x])))
		return
	}
	swaps := len(group) > 1
	for n, i := range group {
		if !swaps {
			break
		}
		if err := r.console.Release(ctx, r.changes[i].Before.Primary, lacking(r.changes[i].Before, r.changes[i].Result())); err != nil {
			r.fail(group, i, errors.Join(err, r.restore(ctx, group[:n], nil)))
			return
		}
	}
	for n, i := range group {
		c := &r.changes[i]
		if c.Idle() {
			continue
		}
		var before identity.Address
		if c.Before != nil {
			before = c.Before.Primary
		}
		var err error
		if after := c.Result(); after == nil {
			err = r.console.Remove(ctx, before)
		} else {
			err = r.console.Put(ctx, before, after)
		}
		if err != nil {
			if swaps {
				err = errors.Join(err, r.restore(ctx, group, group[:n]))
			}
			r.fail(group, i, err)
			return
		}
	}
	for _, i := range group {
		if r.changes[i].Withheld {
			r.result.Withheld++
		}
		if !r.changes[i].Idle() {
			r.result.Applied++
		}
	}
}

// waiting finds a change of the group, and an address, that waits for another
// change which has failed.
func (r *engine) waiting(group []int32) (int32, identity.Address, bool) {
	if len(r.failed) == 0 {
		return 0, identity.Address{}, false
	}
	for _, i := range group {
		c := &r.changes[i]
		for _, x := range lacking(c.Result(), c.Before) {
			if g, given := r.giver[x]; given && r.failed[g] != nil {
				return i, x, true
			}
		}
	}
	return 0, identity.Address{}, false
}

// restore gives the accounts of a ring back what they had; those that were put
// let go first of what they got.
func (r *engine) restore(ctx context.Context, group, put []int32) error {
	var failed []error
	for _, i := range put {
		c := &r.changes[i]
		// The account keeps the name that it had when the apply began.
		failed = append(failed, r.console.Release(ctx, c.Before.Primary, lacking(c.Result(), c.Before)))
	}
	for _, i := range group {
		before := r.changes[i].Before
		failed = append(failed, r.console.Put(ctx, before.Primary, before))
	}
	return errors.Join(failed...)
}

// fail lists the changes of a group as failed, because of one of them.
func (r *engine) fail(group []int32, because int32, err error) {
	for _, i := range group {
		why := err
		if i != because {
			why = fmt.Errorf("it swaps addresses with %s, which failed", r.name(because))
		}
		r.failed[i] = why
		r.result.Failures = append(r.result.Failures, run.Failure{Account: r.name(i).String(), Error: why.Error()})
	}
}

// name returns the address by which people know the account of a change.
func (r *engine) name(i int32) identity.Address {
	c := &r.changes[i]
	if after := c.Result(); after != nil {
		return after.Primary
	}
	return c.Before.Primary
}

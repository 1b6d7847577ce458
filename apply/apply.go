// Package apply commits a plan to a console, one account at a time.
//
// The order is such that no address is ever held twice, whatever the plan
// moves: first every account lets go of the addresses that another account
// will have, then each account becomes what the plan says. Chains and swaps
// need no case of their own.
package apply

import (
	"context"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Console is a target that plans are applied to. Accounts are named by the
// primary that they had when the apply began.
type Console interface {
	// Release takes addresses away from an account, be its primary among them.
	Release(ctx context.Context, account identity.Address, addresses []identity.Address) error
	// Put makes an account what after says; the zero address creates it.
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

// Failure is an account change that the console refused.
type Failure struct {
	Account identity.Address
	Err     error
}

// Result is the outcome of an apply.
type Result struct {
	// Applied counts the account changes that were committed, Withheld those
	// that a limit kept back.
	Applied, Withheld int
	Failures          []Failure
}

// Run applies the account changes of a plan. An account that the console
// refuses is listed in the result, and the rest goes on. If it refuses to
// release an address, the run ends with that error, since nobody could be given
// it; cancelling ctx ends the run with the context's.
func Run(ctx context.Context, p *plan.Plan, console Console, listen func(Event)) (Result, error) {
	var result Result
	for i := range p.Accounts {
		c := &p.Accounts[i]
		moved := leaving(c)
		if len(moved) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return result, err
		}
		if err := console.Release(ctx, c.Before.Primary, moved); err != nil {
			return result, fmt.Errorf("release the addresses of %s: %w", c.Before.Primary, err)
		}
	}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if i%every == 0 && listen != nil {
			listen(Event{Done: i, Total: len(p.Accounts)})
		}
		if err := ctx.Err(); err != nil {
			return result, err
		}
		var before identity.Address
		if c.Before != nil {
			before = c.Before.Primary
		}
		after := c.Result()
		var err error
		if after == nil {
			err = console.Remove(ctx, before)
		} else {
			err = console.Put(ctx, before, after)
		}
		switch {
		case err != nil && after != nil:
			result.Failures = append(result.Failures, Failure{after.Primary, err})
		case err != nil:
			result.Failures = append(result.Failures, Failure{before, err})
		case c.Withheld:
			result.Withheld++
		default:
			result.Applied++
		}
	}
	return result, nil
}

// leaving returns the addresses that an account has before the change and not
// after it.
func leaving(c *plan.AccountChange) []identity.Address {
	if c.Before == nil {
		return nil
	}
	after := c.Result()
	var all []identity.Address
	if after == nil || !after.Holds(c.Before.Primary) {
		all = append(all, c.Before.Primary)
	}
	for _, x := range c.Before.Aliases {
		if after == nil || !after.Holds(x) {
			all = append(all, x)
		}
	}
	return all
}

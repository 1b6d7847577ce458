// Package local is the embedded console: the accounts of the state file itself.
// What is applied to it takes effect when the ledger, which that file is, is
// saved; the console sees to it that no address is held twice.
package local

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var _ console.Target = (*Console)(nil)

// Facts are those of the embedded console.
var Facts = plan.Facts{Groups: true, Batch: 10_000, Publishes: true, Embedded: true}

// Console holds accounts in memory.
type Console struct {
	accounts []identity.Account           // in byte order of their primaries
	touched  map[identity.Address]*record // by the primary at first
	claimed  map[identity.Address]*record // addresses of touched and created accounts
}

// record is an account on its way from one state to the next.
type record struct {
	account identity.Account
	gone    bool
}

// New makes a console of accounts, which must be in byte order of their
// primaries and are not changed.
func New(accounts []identity.Account) *Console {
	return &Console{accounts: accounts, touched: map[identity.Address]*record{}, claimed: map[identity.Address]*record{}}
}

// Facts returns [Facts].
func (c *Console) Facts() plan.Facts { return Facts }

// Accounts yields the accounts as they were at first.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	for i := range c.accounts {
		if err := ctx.Err(); err != nil {
			return console.Receipt{}, err
		}
		if err := yield(live(&c.accounts[i])); err != nil {
			return console.Receipt{}, err
		}
	}
	return console.Receipt{Product: "rollcall", Accounts: len(c.accounts)}, nil
}

func live(a *identity.Account) identity.Live {
	l := identity.Live{Account: *a}
	l.Directory, l.GUID = "", identity.GUID{}
	return l
}

// Apply makes changes, those of a group all or none.
func (c *Console) Apply(_ context.Context, steps []apply.Step, answer func(int, apply.Answer)) error {
	for begin := 0; begin < len(steps); {
		end := begin + 1
		for end < len(steps) && steps[end].Group == steps[begin].Group {
			end++
		}
		bad, err := c.group(steps[begin:end])
		for i := begin; i < end; i++ {
			switch {
			case err == nil:
				answer(i, apply.Answer{})
			case i == begin+bad:
				answer(i, apply.Answer{Err: err})
			default:
				answer(i, apply.Answer{Err: &apply.Error{Code: apply.Cancelled, Message: "another change of its group failed"}})
			}
		}
		begin = end
	}
	return nil
}

// group makes the changes of a group, or says which of them cannot be made and
// makes none.
func (c *Console) group(steps []apply.Step) (bad int, err *apply.Error) {
	records := make([]*record, len(steps))
	for i := range steps {
		if records[i], err = c.record(&steps[i]); err != nil {
			return i, err
		}
	}
	for _, r := range records {
		c.let(r)
	}
	for i := range steps {
		if bad, err = i, c.take(records[i], steps[i].After); err != nil {
			break
		}
	}
	if err == nil {
		for i := range steps {
			if records[i].gone = steps[i].Removes(); !records[i].gone {
				records[i].account = *steps[i].After
			}
		}
		return 0, nil
	}
	for i := range bad {
		if after := steps[i].After; after != nil {
			after.EachAddress(func(x identity.Address) { delete(c.claimed, x) })
		}
	}
	for _, r := range records {
		c.claim(r)
	}
	return bad, err
}

// record returns the record of the account of a step.
func (c *Console) record(s *apply.Step) (*record, *apply.Error) {
	if s.After != nil {
		if err := s.After.Check(); err != nil {
			return nil, &apply.Error{Code: apply.Refused, Message: err.Error()}
		}
	}
	if s.Creates() {
		return &record{gone: true}, nil
	}
	primary := s.Live.Primary
	if r := c.touched[primary]; r != nil {
		if r.gone {
			return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("account %s is removed already", primary)}
		}
		return r, nil
	}
	i, there := c.find(primary)
	if !there {
		return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("the console has no account %s", primary)}
	}
	r := &record{account: c.accounts[i]}
	c.touched[primary] = r
	c.claim(r)
	return r, nil
}

func (c *Console) find(primary identity.Address) (int, bool) {
	return slices.BinarySearchFunc(c.accounts, primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
}

// claim notes that an account has its addresses.
func (c *Console) claim(r *record) {
	if !r.gone {
		r.account.EachAddress(func(x identity.Address) { c.claimed[x] = r })
	}
}

// let takes its addresses away from an account.
func (c *Console) let(r *record) {
	r.account.EachAddress(func(x identity.Address) {
		if c.claimed[x] == r {
			delete(c.claimed, x)
		}
	})
}

// take gives an account the addresses that it is to have, or none.
func (c *Console) take(r *record, after *identity.Account) (taken *apply.Error) {
	after.EachAddress(func(x identity.Address) {
		if h := c.claimed[x]; h != nil && taken == nil {
			taken = &apply.Error{Code: apply.Taken, Message: fmt.Sprintf("%s is held by %s", x, h.account.Primary)}
		}
	})
	if taken == nil {
		after.EachAddress(func(x identity.Address) { c.claimed[x] = r })
	}
	return taken
}

// Get returns the accounts that hold an address of the list and were changed.
func (c *Console) Get(_ context.Context, _ []string, addresses []identity.Address) (all []identity.Live, err error) {
	seen := map[*record]bool{}
	for _, x := range addresses {
		if r := c.claimed[x]; r != nil && !seen[r] {
			seen[r] = true
			all = append(all, live(&r.account))
		}
	}
	return all, nil
}

// Publish is an error if an address is held by an account that was changed and
// by one that was not.
func (c *Console) Publish(context.Context) error {
	for i := range c.accounts {
		a := &c.accounts[i]
		if c.touched[a.Primary] != nil {
			continue
		}
		var err error
		a.EachAddress(func(x identity.Address) {
			if h := c.claimed[x]; h != nil && err == nil {
				err = fmt.Errorf("%s is held by %s and would go to %s too", x, a.Primary, h.account.Primary)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing: the accounts are the caller's.
func (c *Console) Close() error { return nil }

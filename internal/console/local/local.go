// Package local is the embedded console: the accounts of the state file itself.
// What is applied to it takes effect when the ledger, which that file is, is
// saved; the console sees to it that no address is held twice. The key of an
// account is its primary, as it was at first.
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
var Facts = plan.Facts{Groups: true, Batch: 10_000, Unstable: true, Publishes: true, Embedded: true}

// Console holds accounts in memory.
type Console struct {
	accounts []identity.Account           // in byte order of their primaries
	touched  map[identity.Address]*record // by the primary at first
	claimed  map[identity.Address]*record // addresses of touched and created accounts
	holders  *table                       // of the accounts; nil until somebody asks
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
	l := identity.Live{Account: *a, Ref: a.Primary.String()}
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
			case err == nil && steps[i].Removes():
				answer(i, apply.Answer{})
			case err == nil:
				answer(i, apply.Answer{Ref: steps[i].After.Primary.String()})
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
	records, after := make([]*record, len(steps)), make([]*identity.Account, len(steps))
	for i := range steps {
		if records[i], err = c.record(&steps[i]); err != nil {
			return i, err
		}
		after[i] = outcome(&steps[i])
	}
	for _, r := range records {
		c.let(r)
	}
	for i := range steps {
		if bad, err = i, c.take(records[i], after[i]); err != nil {
			break
		}
	}
	if err == nil {
		for i := range steps {
			if records[i].gone = after[i] == nil; !records[i].gone {
				records[i].account = *after[i]
			}
		}
		return 0, nil
	}
	for i := range bad {
		after[i].EachAddress(func(x identity.Address) { delete(c.claimed, x) })
	}
	for _, r := range records {
		c.claim(r)
	}
	return bad, err
}

// outcome returns an account as a step leaves it, or nil.
func outcome(s *apply.Step) *identity.Account {
	l := s.Outcome()
	if l == nil {
		return nil
	}
	l.Directory, l.GUID = s.After.Directory, s.After.GUID
	return &l.Account
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
	if s.Live.Ref != "" && s.Live.Ref != primary.String() {
		return nil, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("the primary of %s is another one", s.Live.Ref)}
	}
	r := c.touched[primary]
	switch {
	case r == nil:
		i, there := c.find(primary)
		if !there {
			return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("the console has no account %s", primary)}
		}
		r = &record{account: c.accounts[i]}
	case r.gone:
		return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("account %s is removed already", primary)}
	}
	if !same(&r.account, &s.Live.Account) {
		return nil, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("account %s is not what it was", primary)}
	}
	c.touched[primary] = r
	c.claim(r)
	return r, nil
}

// same reports whether accounts are equal but for their owners.
func same(a, b *identity.Account) bool {
	return a.Primary == b.Primary && a.Type == b.Type && a.Status == b.Status && a.Username == b.Username && a.DN == b.DN &&
		slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Attributes, b.Attributes)
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
		if holder := c.holder(r, x); holder != nil && taken == nil {
			taken = &apply.Error{Code: apply.Taken, Message: "the address is taken", Address: x.String(), Holder: holder.Primary.String()}
		}
	})
	if taken == nil {
		after.EachAddress(func(x identity.Address) { c.claimed[x] = r })
	}
	return taken
}

// holder returns the account that has an address, other than that of a record.
func (c *Console) holder(r *record, x identity.Address) *identity.Account {
	if h := c.claimed[x]; h != nil {
		return &h.account
	}
	if r.account.Holds(x) {
		return nil // it has just let go of it
	}
	if c.holders == nil {
		c.holders = tabled(c.accounts)
	}
	if i := c.holders.find(c.accounts, x); i >= 0 && c.touched[c.accounts[i].Primary] == nil {
		return &c.accounts[i]
	}
	return nil
}

// Get returns the accounts that have a ref of the list, as their primary at first,
// or hold one of the addresses.
func (c *Console) Get(_ context.Context, refs []string, addresses []identity.Address) (all []identity.Live, err error) {
	for _, ref := range refs {
		if x, err := identity.ParseAddress(ref); err == nil {
			addresses = append(slices.Clip(addresses), x)
		}
	}
	seen := map[*identity.Account]bool{}
	for _, x := range addresses {
		if a := c.holder(&record{}, x); a != nil && !seen[a] {
			seen[a] = true
			all = append(all, live(a))
		}
	}
	return all, nil
}

// Publish does nothing: what was applied takes effect with the ledger.
func (c *Console) Publish(context.Context) error { return nil }

// Close does nothing: the accounts are the caller's.
func (c *Console) Close() error { return nil }

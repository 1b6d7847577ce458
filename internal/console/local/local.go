// Package local is the embedded console: the accounts of the state file itself.
// What is applied to it takes effect when the ledger, which that file is, is
// saved; the console sees to it that no address is held twice. The key of an
// account is its primary, as it was at first.
package local

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var _ console.Target = (*Console)(nil)

// Facts are those of the embedded console.
var Facts = plan.Facts{Groups: true, Batch: 10_000, Unstable: true, Publishes: true, Embedded: true}

// Console holds accounts in memory, by numbers: those that were there at first in
// their order, then those that were created.
type Console struct {
	accounts []identity.Account  // as they were at first, in byte order of their primaries
	now      []*identity.Account // by number: nil for what is as it was; empty until something changes
	holders  *identity.Index     // by addresses that they have or had; nil until somebody gets one
	seed     maphash.Seed        // of its hashes
	group    []member            // of the changes that are being made
}

// member is the account of a change.
type member struct {
	number        int
	before, after *identity.Account // gone for none
}

// gone is an account that is not there.
var gone = &identity.Account{}

// New makes a console of accounts, which must be in byte order of their
// primaries and are not changed.
func New(accounts []identity.Account) *Console { return &Console{accounts: accounts} }

// account returns an account as it is now.
func (c *Console) account(number int) *identity.Account {
	switch {
	case number < len(c.now) && c.now[number] != nil:
		return c.now[number]
	case number < len(c.accounts):
		return &c.accounts[number]
	}
	return gone
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
		bad, err := c.change(steps[begin:end])
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

// change makes the changes of a group, or says which of them cannot be made and
// makes none.
func (c *Console) change(steps []apply.Step) (bad int, failed *apply.Error) {
	if c.now == nil {
		c.now = make([]*identity.Account, len(c.accounts))
	}
	created := len(c.now)
	c.group = c.group[:0]
	for i := range steps {
		m, err := c.member(&steps[i])
		if err != nil {
			bad, failed = i, err
			break
		}
		if m.before == gone {
			m.number = len(c.now)
			c.now = append(c.now, gone)
		}
		if c.holders == nil && gets(m.before, m.after) {
			c.index()
		}
		c.group = append(c.group, m)
	}
	if failed == nil {
		// All let go of everything before anybody takes.
		for _, m := range c.group {
			c.now[m.number] = gone
		}
		for i := range c.group {
			if bad, failed = i, c.take(&c.group[i]); failed != nil {
				break
			}
		}
	}
	if failed != nil {
		for _, m := range c.group {
			c.now[m.number] = m.before
		}
		c.now = c.now[:created]
	}
	return bad, failed
}

// member returns the account of a step. It has no number yet if it is created.
func (c *Console) member(s *apply.Step) (m member, err *apply.Error) {
	if s.After != nil {
		if err := s.After.Check(); err != nil {
			return m, &apply.Error{Code: apply.Refused, Message: err.Error()}
		}
	}
	if s.Creates() {
		return member{before: gone, after: outcome(s)}, nil
	}
	primary := s.Live.Primary
	if s.Live.Ref != "" && s.Live.Ref != primary.String() {
		return m, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("the primary of %s is another one", s.Live.Ref)}
	}
	number, there := slices.BinarySearchFunc(c.accounts, primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
	if !there {
		return m, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("the console has no account %s", primary)}
	}
	m = member{number, c.account(number), outcome(s)}
	switch {
	case m.before == gone:
		return m, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("account %s is removed already", primary)}
	case !same(m.before, &s.Live.Account):
		return m, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("account %s is not what it was", primary)}
	}
	return m, nil
}

// outcome returns an account as a step leaves it.
func outcome(s *apply.Step) *identity.Account {
	l := s.Outcome()
	switch {
	case l == nil:
		return gone
	case same(&l.Account, s.After):
		return s.After // of which somebody keeps a copy anyway
	}
	l.Directory, l.GUID = s.After.Directory, s.After.GUID
	return &l.Account
}

// same reports whether accounts are equal but for their owners.
func same(a, b *identity.Account) bool {
	return a.Primary == b.Primary && a.Type == b.Type && a.Status == b.Status && a.Username == b.Username && a.DN == b.DN &&
		slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Attributes, b.Attributes)
}

// gets reports whether an account gets an address.
func gets(before, after *identity.Account) (any bool) {
	eachAddress(after, func(x identity.Address) { any = any || !before.Holds(x) })
	return any
}

// eachAddress calls f with the addresses of an account, which may be gone.
func eachAddress(a *identity.Account, f func(identity.Address)) {
	if a != gone {
		a.EachAddress(f)
	}
}

// take gives an account the addresses that it is to have, or none. Somebody else
// may have one that it had itself only where that is in its group.
func (c *Console) take(m *member) (taken *apply.Error) {
	eachAddress(m.after, func(x identity.Address) {
		if taken != nil || c.holders == nil || len(c.group) == 1 && m.before.Holds(x) {
			return
		}
		if holder := c.holder(x); holder >= 0 {
			taken = &apply.Error{Code: apply.Taken, Message: "the address is taken", Address: x.String(), Holder: c.account(holder).Primary.String()}
		}
	})
	if taken != nil {
		return taken
	}
	c.now[m.number] = m.after
	if c.holders != nil {
		eachAddress(m.after, func(x identity.Address) {
			if !m.before.Holds(x) {
				c.holders.Add(c.hash(x), m.number)
			}
		})
	}
	return nil
}

// index makes the index of who holds an address.
func (c *Console) index() {
	all := max(len(c.accounts), len(c.now))
	n := 0
	for i := range all {
		n += 1 + len(c.account(i).Aliases)
	}
	c.holders, c.seed = identity.NewIndex(n), maphash.MakeSeed()
	for i := range all {
		eachAddress(c.account(i), func(x identity.Address) { c.holders.Add(c.hash(x), i) })
	}
}

func (c *Console) hash(x identity.Address) uint32 { return uint32(maphash.String(c.seed, x.String())) }

// holder returns the number of the account that has an address, or -1.
func (c *Console) holder(x identity.Address) int {
	return c.holders.Find(c.hash(x), func(number int) bool { return c.account(number).Holds(x) })
}

// Get returns the accounts that have a ref of the list, as their primary at first,
// or hold one of the addresses.
func (c *Console) Get(_ context.Context, refs []string, addresses []identity.Address) (all []identity.Live, err error) {
	if c.holders == nil {
		c.index()
	}
	for _, ref := range refs {
		if x, err := identity.ParseAddress(ref); err == nil {
			addresses = append(slices.Clip(addresses), x)
		}
	}
	seen := map[int]bool{}
	for _, x := range addresses {
		if number := c.holder(x); number >= 0 && !seen[number] {
			seen[number] = true
			all = append(all, live(c.account(number)))
		}
	}
	return all, nil
}

// Publish does nothing: what was applied takes effect with the ledger.
func (c *Console) Publish(context.Context) error { return nil }

// Close does nothing: the accounts are the caller's.
func (c *Console) Close() error { return nil }

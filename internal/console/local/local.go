// Package local is the embedded console: the accounts of the state file, held
// in memory while a plan is applied to them.
package local

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ apply.Console = (*Console)(nil)

// Console holds accounts in memory.
type Console struct {
	accounts []identity.Account // in byte order of their primaries
	touched  map[int]*record    // by index of accounts
	created  []*record
	claimed  map[identity.Address]*record // addresses of touched and created accounts
}

// record is an account on its way from one state to the next.
type record struct {
	account identity.Account
	gone    bool
}

// New makes a console of accounts, which must be in byte order of their
// primaries and are not changed. It is told how many of them, old and new, are
// about to change.
func New(accounts []identity.Account, changing int) *Console {
	return &Console{
		accounts: accounts,
		touched:  make(map[int]*record, min(changing, len(accounts))),
		claimed:  make(map[identity.Address]*record, 2*changing),
	}
}

// touch returns the record of the account that had the primary at first.
func (c *Console) touch(primary identity.Address) (*record, error) {
	i, ok := slices.BinarySearchFunc(c.accounts, primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
	if !ok {
		return nil, fmt.Errorf("the console has no account %s", primary)
	}
	r := c.touched[i]
	if r == nil {
		r = &record{account: c.accounts[i]}
		r.account.Aliases = slices.Clone(r.account.Aliases)
		c.touched[i] = r
		c.claim(r)
	}
	if r.gone {
		return nil, fmt.Errorf("account %s is removed already", primary)
	}
	return r, nil
}

func (c *Console) claim(r *record) {
	for _, x := range addresses(&r.account) {
		c.claimed[x] = r
	}
}

func addresses(a *identity.Account) []identity.Address {
	if a.Primary.IsZero() {
		return a.Aliases
	}
	return append([]identity.Address{a.Primary}, a.Aliases...)
}

// Release takes addresses away from an account.
func (c *Console) Release(_ context.Context, account identity.Address, released []identity.Address) error {
	r, err := c.touch(account)
	if err != nil {
		return err
	}
	gone := make(map[identity.Address]bool, len(released))
	for _, x := range released {
		gone[x] = true
		if c.claimed[x] == r {
			delete(c.claimed, x)
		}
	}
	if gone[r.account.Primary] {
		r.account.Primary = identity.Address{}
	}
	r.account.Aliases = slices.DeleteFunc(r.account.Aliases, func(x identity.Address) bool { return gone[x] })
	return nil
}

// Put makes an account what after says.
func (c *Console) Put(_ context.Context, account identity.Address, after *identity.Account) error {
	if err := after.Check(); err != nil {
		return err
	}
	r := &record{}
	if !account.IsZero() {
		var err error
		if r, err = c.touch(account); err != nil {
			return err
		}
	}
	for _, x := range addresses(after) {
		if h := c.claimed[x]; h != nil && h != r {
			return fmt.Errorf("%s is held by %s", x, h.account.Primary)
		}
	}
	for _, x := range addresses(&r.account) {
		if c.claimed[x] == r {
			delete(c.claimed, x)
		}
	}
	r.account = *after
	c.claim(r)
	if account.IsZero() {
		c.created = append(c.created, r)
	}
	return nil
}

// Remove drops the record of an account.
func (c *Console) Remove(_ context.Context, account identity.Address) error {
	r, err := c.touch(account)
	if err != nil {
		return err
	}
	for _, x := range addresses(&r.account) {
		if c.claimed[x] == r {
			delete(c.claimed, x)
		}
	}
	r.gone = true
	return nil
}

// Accounts returns all accounts in byte order of their primaries. An address
// that two of them hold is an error, and so is one that was left without a
// primary.
func (c *Console) Accounts() ([]identity.Account, error) {
	var changed []identity.Account
	add := func(r *record) error {
		if r.gone {
			return nil
		}
		if r.account.Primary.IsZero() {
			return fmt.Errorf("an account of GUID %s was left without a primary", r.account.GUID)
		}
		changed = append(changed, r.account)
		return nil
	}
	all := make([]identity.Account, 0, len(c.accounts)+len(c.created))
	for i := range c.accounts {
		if r := c.touched[i]; r != nil {
			if err := add(r); err != nil {
				return nil, err
			}
			continue
		}
		a := &c.accounts[i]
		if h := c.claimed[a.Primary]; h != nil {
			return nil, fmt.Errorf("%s is held by %s and would go to %s too", a.Primary, a.Primary, h.account.Primary)
		}
		for _, x := range a.Aliases {
			if h := c.claimed[x]; h != nil {
				return nil, fmt.Errorf("%s is held by %s and would go to %s too", x, a.Primary, h.account.Primary)
			}
		}
		all = append(all, *a)
	}
	for _, r := range c.created {
		if err := add(r); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(changed, byPrimary)
	return merge(all, changed), nil
}

func byPrimary(a, b identity.Account) int { return a.Primary.Compare(b.Primary) }

// merge merges two sorted lists, the first of which has room for both.
func merge(long, short []identity.Account) []identity.Account {
	i, j := len(long)-1, len(short)-1
	long = append(long, short...)
	for k := len(long) - 1; j >= 0; k-- {
		if i >= 0 && byPrimary(long[i], short[j]) > 0 {
			long[k] = long[i]
			i--
		} else {
			long[k] = short[j]
			j--
		}
	}
	return long
}

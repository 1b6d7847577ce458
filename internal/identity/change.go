package identity

import "slices"

// Change is one account before and after.
type Change struct {
	// Before is nil for an account that does not exist yet.
	Before *Account
	// After is nil for a record that goes.
	After *Account
	// Kept is set where Withheld is: the account as this run leaves it, with what
	// it gets, and whatever it has that nobody else was granted.
	Kept *Account
	// Withheld marks a change that takes something away which a brake withholds.
	// After is then what the account would become.
	Withheld bool
	// Gone marks a record that goes because the console does not have the account
	// any more: there is nothing to change there.
	Gone bool
}

// Result returns the account as an apply leaves it, or nil for a record that
// goes.
func (c *Change) Result() *Account {
	if c.Withheld {
		return c.Kept
	}
	return c.After
}

// Idle reports whether nothing of the change is made, because a brake withholds
// all of it.
func (c *Change) Idle() bool { return c.Withheld && c.Before.Equal(c.Kept) }

// Name returns the address by which people know the account of the change.
func (c *Change) Name() Address {
	if after := c.Result(); after != nil {
		return after.Primary
	}
	return c.Before.Primary
}

// Equal reports whether two accounts are the same in every field. Either may be
// nil.
func (a *Account) Equal(b *Account) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Primary == b.Primary && a.Status == b.Status && a.Type == b.Type && a.Directory == b.Directory &&
		a.GUID == b.GUID && a.Username == b.Username && a.DN == b.DN &&
		slices.Equal(a.Attributes, b.Attributes) && slices.Equal(a.Aliases, b.Aliases)
}

package partial

import (
	"maps"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Changes are what runs have done to accounts, one run after the other.
type Changes struct {
	gone, come map[identity.Address]identity.Account
}

// Add adds the changes of a run. In a run, accounts may pass primaries to each other, so
// that what was before counts before what is after, whatever the order.
func (c *Changes) Add(run []identity.Change) {
	if c.gone == nil {
		c.gone, c.come = map[identity.Address]identity.Account{}, map[identity.Address]identity.Account{}
	}
	for i := range run {
		before := run[i].Before
		if before == nil {
			continue
		}
		if _, new := c.come[before.Primary]; new {
			delete(c.come, before.Primary)
		} else {
			c.gone[before.Primary] = *before
		}
	}
	for i := range run {
		if after := run[i].Result(); after != nil {
			c.come[after.Primary] = *after
		}
	}
}

// Net returns the accounts that were there before all runs and are not as they were, and
// those that are there after them and were not so.
func (c *Changes) Net() (gone, come []identity.Account) {
	for x, a := range c.gone {
		if now, is := c.come[x]; is && now.Equal(&a) {
			delete(c.gone, x)
			delete(c.come, x)
		}
	}
	return slices.Collect(maps.Values(c.gone)), slices.Collect(maps.Values(c.come))
}

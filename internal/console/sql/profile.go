package sql

import (
	"context"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// profile is how a product stores accounts. It knows nothing of owners, of which the
// table of owners does.
type profile interface {
	// facts finds out what the product can do. It fails where the database is not
	// one of the product.
	facts(ctx context.Context, a asker) (plan.Facts, error)
	// all reads every account.
	all(ctx context.Context, a asker) (snapshot, error)
	// some reads the accounts with these primaries, as they are stored, and those that
	// hold one of the addresses. Those with the primaries are locked, if lock is set.
	some(ctx context.Context, a asker, keys []string, addresses []identity.Address, lock bool) (snapshot, error)
	// forget is called before and after the changes of a request, and when one was not
	// made: what is known of the database is so no longer.
	forget()
	// keeps reports whether the product stores an attribute of the account that a change
	// makes.
	keeps(c *change, name string) bool
	// take is called before anything is changed for an address that a change gives its
	// account, if another account of the group gives it up or it is parked.
	take(c *change, from *found, x identity.Address)
	// release takes from the account of a change what it loses, and its primary, too, if
	// it gets another and c.temporary is one to wait with.
	release(ctx context.Context, a asker, c *change) error
	// put makes the account what it is to be, after all accounts of the group were
	// released.
	put(ctx context.Context, a asker, c *change) error
	// check looks for problems.
	check(ctx context.Context, a asker) ([]console.Finding, error)
}

// snapshot is what a profile has read.
type snapshot interface {
	// keys are the primaries of accounts of which the owners have to be known.
	keys() []string
	// accounts makes accounts of it.
	accounts(*owners) []*row
	// skipped says what was read and is no account; "" for nothing.
	skipped() string
}

// change is one change of an account on its way.
type change struct {
	step *apply.Step
	was  *found         // nil creates
	is   *identity.Live // nil removes
	key  string         // the primary that the account has at the moment
	// temporary is an address to wait with while others of the group change; zero for
	// a change that is alone.
	temporary identity.Address
	initial   []identity.Attribute
	between   *identity.Account // the account after release; nil if it is as it was
	detail    any               // the profile's
	// left is what the product keeps of an account that is removed; known by release.
	left []identity.Attribute
}

// renames reports whether the account gets another primary.
func (c *change) renames() bool {
	return c.was != nil && c.is != nil && c.was.account.Primary != c.is.Primary
}

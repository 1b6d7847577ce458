package apply

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Basis is what a saved plan is to be applied on.
type Basis struct {
	// Lineage, Serial and Sum are those of the state.
	Lineage string
	Serial  int64
	Sum     string
	// Digest is that of the configuration and of what its console can do.
	Digest string
	Now    time.Time
}

// ErrRedacted keeps a plan of masks from being applied, ErrFirstFormat one that
// does not show all that an apply takes away, ErrExpired one that is too old.
var (
	ErrRedacted    = errors.New("the plan is redacted, and has masks in place of addresses and names")
	ErrFirstFormat = errors.New("the plan has format version 1.0, which does not show every loss")
	ErrExpired     = errors.New("the plan expired")
)

// Fits says why a saved plan cannot be applied on a basis, or returns nil.
func Fits(p *plan.Plan, b Basis) error {
	switch {
	case p.Redacted:
		return ErrRedacted
	case p.FirstFormat:
		return ErrFirstFormat
	case p.Lineage == "" && b.Lineage != "":
		return errors.New("the plan was made before there was a state, and there is one now")
	case p.Lineage != b.Lineage:
		return errors.New("the plan was made on another state")
	case p.Serial < b.Serial:
		return fmt.Errorf("the plan was made on version %d of the state, which is at %d now: it was applied already, or something else has changed the state", p.Serial, b.Serial)
	case p.Serial > b.Serial:
		return fmt.Errorf("the plan was made on version %d of the state, and the state is back at %d", p.Serial, b.Serial)
	case p.StateSum != b.Sum:
		return fmt.Errorf("the plan was made on another version %d of the state, as after a backup was put back", b.Serial)
	case p.ConfigDigest != b.Digest:
		return errors.New("the configuration has changed since the plan was made")
	case b.Now.After(p.Expires):
		return fmt.Errorf("%w at %s", ErrExpired, p.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// Moved says which account that a plan touches is not what it was when the plan
// was made, or which address that it gives somebody has somebody else now. Others
// may have changed. The accounts are those that a plan would be made of now, in
// byte order of their primaries; barred says which of them a plan leaves as they are,
// because of what they are in the console.
func Moved(p *plan.Plan, accounts []identity.Account, barred func(i int) bool) error {
	wanted, gone := map[identity.Address]*identity.Account{}, map[identity.Address]bool{}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		lacking(c.Result(), c.Before, func(x identity.Address) { wanted[x] = c.Result() })
		lacking(c.Before, c.Result(), func(x identity.Address) { gone[x] = true })
		if c.Before == nil || c.Gone {
			continue
		}
		n, there := slices.BinarySearchFunc(accounts, c.Before.Primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
		if !there || !accounts[n].Equal(c.Before) || barred(n) {
			return fmt.Errorf("account %s is not what it was when the plan was made", c.Before.Primary)
		}
	}
	for i := range accounts {
		var err error
		a := &accounts[i]
		a.EachAddress(func(x identity.Address) {
			if to := wanted[x]; to != nil && !gone[x] && err == nil {
				err = fmt.Errorf("%s, which the plan gives to %s, is held by account %s now", x, to.Primary, a.Primary)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Pending reports whether an apply of the changes would write anything.
func Pending(changes []plan.AccountChange) bool {
	return slices.ContainsFunc(changes, func(c plan.AccountChange) bool { return !c.Idle() })
}

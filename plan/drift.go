package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Drift is a difference between what was applied to a console and what it has
// now: somebody changed it otherwise.
type Drift struct {
	Kind DriftKind
	// Primary is that of the account as the plan names it.
	Primary identity.Address
	// Ref is the console's own key, or "".
	Ref string
	// Field is what differs, such as "aliases" or "display_name"; "" where the
	// kind says it all.
	Field string
	// Recorded and Found are the values of the field, as text: several addresses
	// with ", " between them, and whose an account is as owner:directory/GUID.
	Recorded, Found string
	// Directory is that of the owner in the ledger, or else that of the mark. It is
	// not saved.
	Directory string
}

func compareDrift(a, b Drift) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Primary.Compare(b.Primary), strings.Compare(a.Field, b.Field), strings.Compare(a.Ref, b.Ref),
		strings.Compare(a.Recorded, b.Recorded), strings.Compare(a.Found, b.Found))
}

// DriftKind says what happened to an account.
type DriftKind uint8

// The kinds of drift, in the order of the plan.
const (
	DriftGone       DriftKind = iota // the console has it no more
	DriftForeign                     // another configuration has marked it as its own
	DriftOwner                       // its mark names another object
	DriftChanged                     // a field has another value
	DriftUnrecorded                  // it is there, and the ledger does not know it
	DriftKinds      int       = iota // how many there are
)

var driftNames = [DriftKinds]string{"gone", "foreign", "owner", "changed", "unrecorded"}

// String returns the name by which plans speak of the kind.
func (k DriftKind) String() string { return driftNames[k] }

func parseDriftKind(name string) (DriftKind, error) {
	for k, n := range driftNames {
		if n == name {
			return DriftKind(k), nil
		}
	}
	return 0, fmt.Errorf("no kind of drift %q", name)
}

// ConsoleReceipt is what a console says about the read of it that a plan was made
// on.
type ConsoleReceipt struct {
	// Name is the label of the console's block and Kind its kind; "local" and
	// "local" where there is none.
	Name, Kind string
	// Product and Version are what the console calls itself; "" where it does not.
	Product, Version string
	// Accounts counts all accounts. Owned belong to a directory of this
	// configuration, Foreign to another configuration, Local to nobody.
	Accounts, Owned, Local, Foreign int
	// Seconds is how long the read took.
	Seconds float64
	Facts   Facts
}

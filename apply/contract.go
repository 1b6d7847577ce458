package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Console is a target that plans are applied to.
type Console interface {
	// Facts are what it can do.
	Facts() plan.Facts
	// Apply makes changes in their order, no two of them of one account, and
	// calls answer for each that the console has answered, by index of steps. When
	// ctx ends, the change at hand is finished, and the others are answered with
	// [Cancelled]; so are those that were not begun because the console was
	// [Throttled]. An error means that nobody knows of those without an answer
	// whether they were made; it is an [*Error] where the console said why. After
	// one that says that the console is not reachable, see [Unusable], it cannot be
	// used any more.
	Apply(ctx context.Context, steps []Step, answer func(i int, a Answer)) error
	// Get returns the accounts that have one of the refs or hold one of the
	// addresses, each once.
	Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error)
	// Publish makes what was applied take effect, in a console that publishes as a
	// whole. In others it does nothing.
	Publish(ctx context.Context) error
}

// Trier is a console that can say what changes would come to without making them.
type Trier interface {
	Try(ctx context.Context, steps []Step, answer func(i int, a Answer)) error
}

// Step is one change of one account, as a console is asked to make it.
type Step struct {
	// Key is new for each step of a run. A console that is given the same again
	// answers as it did, and makes nothing.
	Key string
	// Group numbers what is made all or none, where the console can do that: swaps and
	// rings, an account that goes with who gets its addresses, and one that loses an
	// alias with the new list that the alias becomes.
	Group int
	// Live is the account as it was read; nil for one that is to be created.
	Live *identity.Live
	// After is what the account becomes; nil removes it. It has an owner, which
	// By completes to the account's mark.
	After *identity.Account
	By    string
	// Fields are the names of what changes of an account that is there: "primary"
	// and the fields and attributes that the console stores. Nothing else is
	// written. It is nil for one that is created or removed.
	Fields []string
	// Clear are the names of attributes that the account loses, which are among
	// Fields.
	Clear []string
	// Initial are attributes that an account is created with.
	Initial []identity.Attribute
	// Moves are those of its addresses that come from other accounts.
	Moves []Move
}

// Removes reports whether the step takes the account out of the console.
func (s *Step) Removes() bool { return s.After == nil }

// Creates reports whether the step makes an account.
func (s *Step) Creates() bool { return s.Live == nil }

// Outcome returns the account as the step leaves it, or nil if it removes it.
func (s *Step) Outcome() *identity.Live {
	if s.Removes() {
		return nil
	}
	if s.Creates() {
		l := identity.Live{Account: *s.After, Mark: mark(s.By, s.After)}
		l.Directory, l.GUID = "", identity.GUID{}
		if len(s.Initial) > 0 {
			l.Attributes = byName(slices.Concat(s.Initial, s.After.Attributes))
		}
		return &l
	}
	l := *s.Live
	l.Directory, l.GUID = "", identity.GUID{}
	for _, name := range s.Fields {
		switch name {
		case plan.FieldPrimary:
			l.Primary = s.After.Primary
		case plan.FieldAliases:
			l.Aliases = s.After.Aliases
		case plan.FieldType:
			l.Type = s.After.Type
		case plan.FieldStatus:
			l.Status = s.After.Status
		case plan.FieldOwner:
			l.Mark = mark(s.By, s.After)
		case plan.FieldUsername:
			l.Username = s.After.Username
		case plan.FieldDN:
			l.DN = s.After.DN
		}
	}
	changes := func(x identity.Attribute) bool { return slices.Contains(s.Fields, x.Name) }
	if !slices.ContainsFunc(l.Attributes, changes) && !slices.ContainsFunc(s.After.Attributes, changes) {
		return &l
	}
	l.Attributes = slices.DeleteFunc(slices.Clone(l.Attributes), changes)
	for _, x := range s.After.Attributes {
		if changes(x) {
			l.Attributes = append(l.Attributes, x)
		}
	}
	byName(l.Attributes)
	return &l
}

// byName sorts attributes.
func byName(all []identity.Attribute) []identity.Attribute {
	slices.SortFunc(all, func(a, b identity.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Move is an address that comes from an account, which has the ref.
type Move struct {
	Address identity.Address
	From    string
}

// Answer is what a console says to a step.
type Answer struct {
	// Ref and Rev are those of the account afterwards.
	Ref, Rev string
	// Found is the account as it is now, where the console says; nil elsewhere.
	Found *identity.Live
	// Err says why the step was not made; nil if it was.
	Err *Error
}

// Code says of what kind an error of a console is.
type Code string

// The codes of the protocol rollcall-console/1.
const (
	Taken       Code = "taken"       // somebody else has the address
	Changed     Code = "changed"     // the account is not what the plan saw
	Gone        Code = "gone"        // there is no such account
	Throttled   Code = "throttled"   // too many requests
	Temporary   Code = "temporary"   // it may work later
	Refused     Code = "refused"     // the console will not
	Cancelled   Code = "cancelled"   // it was not started
	Unsupported Code = "unsupported" // the console cannot
	Auth        Code = "auth"        // the credentials are not taken
	Misused     Code = "config"      // the configuration is wrong
	Internal    Code = "internal"    // the console has failed
)

// Error is what a console says went wrong.
type Error struct {
	Code    Code
	Message string
	// Address is the one that Holder, a ref, has already, for [Taken].
	Address, Holder string
	// RetryAfter is how long to wait, for [Throttled].
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = string(e.Code)
	}
	if e.Address != "" {
		text += fmt.Sprintf(" (%s", e.Address)
		if e.Holder != "" {
			text += ", which " + e.Holder + " has"
		}
		text += ")"
	}
	return text
}

// Unusable is an error of a console that cannot be used any more in this run.
type Unusable interface {
	error
	Unusable()
}

// CodeOf returns the code of an error of a console, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

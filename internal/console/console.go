// Package console says what a console offers to rollcall: the product that has
// the accounts. Each kind is a folder below this one.
package console

import (
	"context"
	"fmt"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Target is a console that is read and written.
type Target interface {
	Reader
	apply.Console
	// Close ends what the console has begun.
	Close() error
}

// Reader reads every account of a console.
type Reader interface {
	// Accounts yields every account, foreign ones too. Without an error, none is
	// missing. A [*ReadError] says that some may be.
	Accounts(ctx context.Context, yield func(identity.Live) error) (Receipt, error)
}

// Checker is a console that can look for problems.
type Checker interface {
	Check(ctx context.Context) ([]Finding, error)
}

// Finding is what a check has found. Status is "ok", "warning" or "failed".
type Finding struct{ Check, Status, Evidence, Remedy string }

// Receipt is what a console says about one read of it.
type Receipt struct {
	// Product and Version are what the console calls itself.
	Product, Version string
	// Accounts counts what was read.
	Accounts int
	// Expiries are the ends of what the read rests on, as far as that is known.
	Expiries []identity.Expiry
}

// ReadError is a console that could not be reached, or not be read completely.
type ReadError struct {
	Console string // the label of its block
	Err     error
	Advice  string
}

func (e *ReadError) Error() string { return fmt.Sprintf("console %q: %v", e.Console, e.Err) }

// Unusable says that the console cannot be used any more in this run.
func (e *ReadError) Unusable() {}

func (e *ReadError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *ReadError) Hint() string { return e.Advice }

// Quoting is an error whose text has in it what a console has said or written, which
// may be anything.
type Quoting interface {
	error
	// Quoted is that part of the text; "" for none.
	Quoted() string
}

// RefusedError is a console that refused the credentials.
type RefusedError struct {
	Console string
	Err     error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("console %q: %v", e.Console, e.Err) }

// Unusable says that the console cannot be used any more in this run.
func (e *RefusedError) Unusable() {}

func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *RefusedError) Hint() string {
	return "renew the credentials in the console block; nothing is tried again with these"
}

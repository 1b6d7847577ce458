package main

import (
	"context"
	"errors"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/state"
)

// exitCode is what the program ends with.
type exitCode int

// The exit codes, which scripts rely on; docs/reference/exit-codes.md lists them.
const (
	exitOK          exitCode = 0
	exitFailed      exitCode = 1
	exitPending     exitCode = 2
	exitIncomplete  exitCode = 3
	exitWithheld    exitCode = 4
	exitStale       exitCode = 5
	exitDeclined    exitCode = 6
	exitNew         exitCode = 7
	exitRisky       exitCode = 8
	exitFindings    exitCode = 9
	exitUnreachable exitCode = 10
	exitLocked      exitCode = 11
	exitRefused     exitCode = 12
	exitDrift       exitCode = 13
	exitInternal    exitCode = 70
	exitUsage       exitCode = 80
	exitInterrupted exitCode = 130
)

// codeOf is the one place where an error becomes an exit code.
func codeOf(err error) exitCode {
	var (
		said    silent
		usage   usageError
		stale   staleError
		refused *directory.RefusedError
		read    *directory.ReadError
		locked  *state.LockedError
		lost    *state.LostError
		unclear *state.UnclearError
		store   *state.AccessError
		unread  *console.ReadError
		denied  *console.RefusedError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &said):
		return said.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &stale):
		return exitStale
	case errors.As(err, &unclear):
		return exitIncomplete
	case errors.As(err, &refused), errors.As(err, &denied), apply.CodeOf(err) == apply.Auth:
		return exitRefused
	case errors.As(err, &read), errors.As(err, &unread):
		return exitUnreachable
	case errors.As(err, &locked), errors.As(err, &lost):
		return exitLocked
	case errors.As(err, &store) && store.Refused:
		return exitRefused
	case errors.As(err, &store):
		return exitUnreachable
	}
	return exitFailed
}

// silent ends a command with a code when all was said already.
type silent struct{ code exitCode }

func (silent) Error() string { return "" }

// stopped is silent for the terminal; the history says why.
type stopped struct {
	silent
	reason string
}

func (e stopped) Unwrap() error { return e.silent }

// usageError is a command line that is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// staleError is a saved plan that does not fit what is there now.
type staleError struct{ error }

func (e staleError) Unwrap() error { return e.error }

// Hint says what to do next.
func (staleError) Hint() string { return "make a new plan, review it and apply that" }

// expiredError is the reason of a staleError whose plan is too old.
type expiredError struct{ error }

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// Hint says what to do next.
func (e hinted) Hint() string { return e.hint }

package run

import (
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Step is one thing that a run asks of a console, as it is written down before.
type Step struct {
	// Key is new for each step of a run.
	Key string
	// Change is the account change that the step is for, by its place in the record
	// of the run, from 0.
	Change int
	// Op is [Put] or [Remove], or [Keep].
	Op string
	// Ref is the console's own key of the account before the step; "" for one that
	// is created. Rev is what changes with it, where the console has such a text.
	Ref, Rev string
	// Final marks the step by which the change is made, Back one that takes it back.
	Final, Back bool
	// After is what the account is to become; nil for a record that goes.
	After *identity.Account
	// Clear are the names of the attributes that the account loses by it.
	Clear []string
	// At is when the step was written down, in UTC, to the second.
	At time.Time
}

// What a step asks of a console.
const (
	Put    = "put"    // the account is to become what the step says
	Remove = "remove" // the account is to go
	// Keep asks nothing: the account is in the console what it is to become, and the
	// ledger alone has to learn it. The answer is the run's own.
	Keep = "keep"
)

// Answer is what is known of a step. Of several answers to one step the last one
// counts.
type Answer struct {
	// Key is that of the step.
	Key string
	// Ref and Rev are the console's own, after the step.
	Ref, Rev string
	// Found is the account as the console has it, without an owner; nil where it was
	// not read, or is not there.
	Found *identity.Account
	// Error says why the step was not made; "" if it was.
	Error string
}

// Record is a run with what became of each of its account changes.
type Record struct {
	Run
	// Done says of each account change, by its place in the record, whether a
	// console has said that it was made, and not that it was taken back. It is nil
	// for a run without steps, which has changed nothing but the state.
	Done []bool
}

// Made returns a function that says of an account change of the run, by its place
// in the record, whether it was made. Without steps, each is but those that failed,
// if the run has written the state.
func (r *Record) Made() func(i int, c *identity.Change) bool {
	switch {
	case r.Done != nil:
		return func(i int, _ *identity.Change) bool { return r.Done[i] }
	case !r.Outcome.Changed():
		return func(int, *identity.Change) bool { return false }
	}
	failed := map[string]bool{}
	for _, f := range r.Failures {
		failed[f.Account] = true
	}
	return func(_ int, c *identity.Change) bool { return !failed[c.Name().String()] }
}

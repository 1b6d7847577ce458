package apply

import (
	"context"
	"time"
)

// Journal keeps what a run does, so that one that is killed can be made out
// afterwards.
type Journal interface {
	// Intend records steps that are about to be made, or to be tried again. When it
	// returns without an error, they are on disk.
	Intend(ctx context.Context, steps []Sent) error
	// Answered records what the console has answered.
	Answered(answers []Received) error
	// Save writes the ledger as it is now.
	Save(l *Ledger) error
}

// Sent is a step that was sent, or is about to be.
type Sent struct {
	Step
	// Change is the index of the account change that the step belongs to.
	Change int
	// Final marks the step by which the change is made, Back one that takes it
	// back.
	Final, Back bool
	// Keep marks what the ledger alone has to learn. The console is not asked.
	Keep bool
	// At is when it was sent, as [identity.Moment] has it.
	At time.Time
}

// Received is what was answered to the step with a key.
type Received struct {
	Key string
	Answer
}

// unrecorded is the journal of a console that takes effect with its ledger, which
// is recorded as a whole.
type unrecorded struct{}

func (unrecorded) Intend(context.Context, []Sent) error { return nil }
func (unrecorded) Answered([]Received) error            { return nil }
func (unrecorded) Save(*Ledger) error                   { return nil }

package apply

import (
	"context"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
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

// keyed gives steps their keys.
func (r *runner) keyed(tasks []*task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tasks {
		t.Key = r.key()
	}
}

// intend writes into the journal that steps are sent now.
func (r *runner) intend(ctx context.Context, tasks []*task) error {
	if r.job.Journal == nil || len(tasks) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := identity.Moment(r.job.Now())
	if r.facts.Settles > 0 {
		r.settled = now.Add(r.facts.Settles)
	}
	sent := make([]Sent, len(tasks))
	for i, t := range tasks {
		t.At = now
		sent[i] = t.Sent
	}
	return r.job.Journal.Intend(context.WithoutCancel(ctx), sent)
}

// key returns the key of another step.
func (r *runner) key() string {
	r.keys++
	return r.job.Run + "-" + strconv.Itoa(r.keys)
}

// answered writes answers into the journal.
func (r *runner) answered(all []Received) error {
	if r.job.Journal == nil || len(all) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job.Journal.Answered(all)
}

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// made is an error if a run was ended from outside and nobody has found out yet
// what the console has made of it.
func (s *session) made() error {
	if s.unsettled == nil {
		return nil
	}
	u := s.unsettled
	return hinted{fmt.Errorf("run %d, of %s, was killed while it changed console %q", u.Number, stamp(u.Started), u.Console),
		s.command("apply") + " finds out first what it has changed; then run this again"}
}

// makeOut finds out what a run has changed that was ended from outside, by what
// the console has now, and takes it into the ledger. Who holds the lock saves that
// and ends the record of the run. Where the console needs time to show what was
// done, it waits, and the console is to be read again.
func (s *session) makeOut(cfg *config.Config, st *recorded, live []identity.Live, facts *plan.Facts, read time.Time) (again time.Duration, err error) {
	u := s.unsettled
	if s.locked == nil {
		if u, err = s.store.Unsettled(s.ctx); err != nil {
			return 0, err
		}
	}
	if u == nil {
		return 0, nil
	}
	if s.looked.IsZero() {
		s.looked = read
	}
	for i := range u.Steps {
		// The clock of another machine may be wrong. Whoever has taken over its lock has waited
		// longer than this for what it has asked for.
		if u.Steps[i].At.After(s.looked) {
			u.Steps[i].At = s.looked
		}
	}
	ledger := apply.NewLedger(st.Accounts, placedOr(st.Placed))
	found, err := apply.Recover(interrupted(u, cfg.Console.Owner, facts), ledger, live, *facts, read)
	if err != nil {
		return 0, fmt.Errorf("find out what run %d has changed: %w", u.Number, err)
	}
	if found.Wait > 0 {
		s.note("console %q may take %v more to show what run %d has changed: waiting", cfg.Console.Name, found.Wait.Round(time.Second), u.Number)
		select {
		case <-s.ctx.Done():
			return 0, context.Canceled
		case <-time.After(found.Wait):
		}
		return found.Wait, nil
	}
	st.take(ledger)
	if s.locked == nil {
		s.note("run %d, of %s, is still running or was killed: %s of its changes are made so far", u.Number, stamp(u.Started), plan.Thousands(found.Applied))
		return 0, nil
	}
	if err := s.concludes(u, st.State, &found); err != nil {
		return 0, fmt.Errorf("settle run %d of the history: %w", u.Number, err)
	}
	s.unsettled = nil
	s.note("run %d, of %s at %s, was killed while it changed console %q: %s of its changes were made; version %d of the state has them",
		u.Number, by(s.mask.Name(u.User), s.mask.Name(u.Host)), stamp(u.Started), cfg.Console.Name, plan.Thousands(found.Applied), st.Serial)
	for _, x := range found.Undecided {
		s.warn("unknown whether that run created %s: an account without an owner holds one of its addresses", x)
	}
	return 0, nil
}

// placedOr returns a map to write to.
func placedOr(placed map[identity.Address]identity.Placed) map[identity.Address]identity.Placed {
	if placed == nil {
		return map[identity.Address]identity.Placed{}
	}
	return placed
}

// concludes saves what was found out of a run, and ends its record.
func (s *session) concludes(u *state.Unsettled, st *state.State, found *apply.Recovered) error {
	ctx := context.WithoutCancel(s.ctx)
	recorder, err := s.store.Resume(ctx, u)
	if err != nil {
		return err
	}
	answers := make([]run.Answer, len(found.Answers))
	for i := range found.Answers {
		answers[i] = recordedAnswer(&found.Answers[i])
	}
	if err := recorder.Answer(ctx, answers); err != nil {
		return err
	}
	result := run.Result{Applied: found.Applied, Failures: found.Failures}
	err = s.store.Save(ctx, st, release, s.now(), func(next *state.State) error {
		if err := s.locked.Held(ctx); err != nil {
			return err
		}
		s.notices.found(u, found)
		return recorder.Intend(result, next)
	})
	if err != nil {
		return err
	}
	s.notices.settle()
	outcome, reason := run.Incomplete, "the run was killed; the next one found out what it had changed"
	if found.Applied == pendingIn(u.Changes) {
		outcome, reason = run.Applied, ""
	}
	return recorder.End(ctx, outcome, reason, s.now())
}

// pendingIn counts the changes that make anything.
func pendingIn(changes []identity.Change) (n int) {
	for i := range changes {
		if !changes[i].Idle() {
			n++
		}
	}
	return n
}

// interrupted is a run as its record has it.
func interrupted(u *state.Unsettled, owner string, facts *plan.Facts) apply.Interrupted {
	in := apply.Interrupted{Changes: u.Changes, Answers: map[string]apply.Answer{}}
	for i := range u.Steps {
		step := &u.Steps[i]
		sent := apply.Sent{Step: apply.Step{Key: step.Key, By: owner, Clear: step.Clear}, Change: step.Change, Final: step.Final, Back: step.Back, Keep: step.Op == run.Keep, At: step.At}
		if step.Op != run.Remove {
			sent.After = step.After
		}
		before := u.Changes[step.Change].Before
		switch {
		case step.Ref != "":
			sent.Live = &identity.Live{Ref: step.Ref, Rev: step.Rev}
		case step.Op == run.Remove && before != nil:
			sent.Live = &identity.Live{}
		}
		if sent.Live != nil && before != nil {
			sent.Live.Account = *before
			sent.Live.Directory, sent.Live.GUID = "", identity.GUID{}
			if facts.Marks && !before.Local() {
				sent.Live.Mark = identity.Mark{By: owner, Directory: before.Directory, GUID: before.GUID}
			}
		}
		in.Sent = append(in.Sent, sent)
	}
	for i := range u.Answers {
		a := &u.Answers[i]
		answer := apply.Answer{Ref: a.Ref, Rev: a.Rev}
		if a.Found != nil {
			answer.Found = &identity.Live{Account: *a.Found, Ref: a.Ref, Rev: a.Rev}
		}
		if a.Error != "" {
			answer.Err = &apply.Error{Code: apply.Internal, Message: strings.TrimSpace(a.Error)}
		}
		in.Answers[a.Key] = answer
	}
	return in
}

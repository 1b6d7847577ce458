package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	stores "github.com/rollcall-cli/rollcall/internal/store/all"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// drifted stops an apply if the console was changed otherwise and that is to be
// seen first. What the ledger does not know, and what belongs to directories that
// were not read, is none of it.
func (c *applyCommand) drifted(cfg *config.Config, m *made) *stop {
	if !cfg.Console.FailOnDrift || c.AcceptDrift {
		return nil
	}
	n := 0
	for i := range m.view.Drift { // as it is now, whatever a saved plan knows of it
		if d := &m.view.Drift[i]; d.Fails(m.plan.Unread) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &stop{
		fmt.Sprintf("console %q was changed by hand since the last apply: %s in the console", cfg.Console.Name, counted(n, "difference")),
		"look at the drift above; apply with --accept-drift, or correct the console", exitDrift,
	}
}

// commit applies a plan to the console and saves the state. A console that takes
// effect with the state is changed as a whole; of another, what was made is saved
// however the run ends.
func (s *session) commit(cfg *config.Config, m *made, r *record, canary int) error {
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	facts := &m.view.Receipt.Facts
	ledger, _ := m.ledger()
	c := cfg.Console
	job := apply.Job{
		Changes: m.plan.Accounts, Console: s.console, Ledger: ledger, Known: m.view.Known, By: c.Owner, Initial: c.Initial,
		Options: apply.Options{Concurrency: c.Concurrency, Rate: c.Rate, Attempts: c.MaxAttempts, Verify: verifies(c, facts), Canary: canary},
		Listen:  func(e apply.Event) { s.follow(progress, c, e) },
	}
	if !facts.Embedded {
		if err := s.store.Replaceable(); err != nil {
			return err
		}
		if err := s.cover(cfg, facts); err != nil {
			return err
		}
		if err := s.claim(cfg, m); err != nil {
			return err
		}
		if err := r.begin(); err != nil {
			return err
		}
		job.Run = strings.ToLower(rand.Text()[:6])
		job.Journal = &journal{s, r, m}
	}
	if canary > 0 && canary < len(job.Changes) {
		s.note("%s", render.CanaryLine(canary))
	}
	result, err := apply.Run(s.ctx, job)
	if facts.Embedded && err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("apply the plan: %w", errors.Join(err, failures(result.Result)))
	}
	m.agree(ledger)
	m.state.take(ledger)
	progress.Update("writing the state", "accounts", len(m.state.Accounts))
	if failed := r.keep(m.state.State, &result, err); failed != nil {
		if facts.Embedded || result.Applied+result.Unknown == 0 && !result.Begun {
			return failed
		}
		progress.Clear()
		r.leave(&result, failed)
		s.tellFailures(&result)
		s.say(levelError, s.errorText(failed), directory.HintOf(failed), exitIncomplete)
		s.say(levelWarning, fmt.Sprintf("%s changed, and the state does not know it; the next run looks them up first", counted(result.Applied, "account")), "", exitIncomplete)
		return silent{exitIncomplete}
	}
	progress.Clear()
	if err != nil && result.Applied+result.Unknown == 0 {
		s.tellFailures(&result)
		if !result.Begun || errors.Is(err, context.Canceled) {
			return err
		}
		s.say(levelError, s.errorText(err), directory.HintOf(err), exitIncomplete)
		s.say(levelWarning, "no account is changed as a whole, and some are in part; the next run goes on with them", "", exitIncomplete)
		return silent{exitIncomplete}
	}
	r.remember(m)
	return s.report(cfg, m, &result, err)
}

// try asks the console what it would say to a plan. What it would refuse is a
// warning of the plan.
func (s *session) try(cfg *config.Config, m *made) error {
	const most = 20
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	progress.Update("trying", "accounts", len(m.plan.Accounts))
	tried, err := apply.Try(s.ctx, apply.Job{
		Changes: m.plan.Accounts, Console: s.console, Known: m.view.Known, By: cfg.Console.Owner, Initial: cfg.Console.Initial, Run: "try",
	})
	if errors.Is(err, apply.ErrNoDryRun) {
		return hinted{fmt.Errorf("console %q: %w", cfg.Console.Name, err), "plan without --try; rollcall console shows what the console can do"}
	}
	if err != nil {
		return err
	}
	told := func(format string, args ...any) {
		m.plan.Warnings = append(m.plan.Warnings, fmt.Sprintf("console %q ", cfg.Console.Name)+fmt.Sprintf(format, args...))
	}
	for i, f := range tried.Refused {
		if i == most {
			told("would not accept %s more", counted(len(tried.Refused)-most, "change"))
			break
		}
		told("would not accept the change of %s: %s", f.Account, s.said(f.Error))
	}
	if tried.Untried > 0 {
		told("cannot try %s that take several steps", counted(tried.Untried, "change"))
	}
	s.note("console %q %s", cfg.Console.Name, acceptance(tried.Changes, len(tried.Refused)))
	return nil
}

// acceptance says how many of the changes that it was asked about a console would make.
func acceptance(asked, refused int) string {
	switch {
	case refused == 0 && asked == 1:
		return "would accept the change"
	case refused == 0:
		return "would accept all " + counted(asked, "change")
	}
	return fmt.Sprintf("would accept %s of %s", plan.Thousands(asked-refused), counted(asked, "change"))
}

// commitNothing ends an apply that has nothing to do, or all of it withheld. What
// the ledger has to learn of the console, it learns all the same, and a console that is
// taken over is.
func (s *session) commitNothing(cfg *config.Config, m *made, r *record) error {
	if m.view.Ledger != "" {
		if err := s.claim(cfg, m); err != nil {
			return err
		}
	}
	ledger, learned := m.ledger()
	if m.agree(ledger) || learned {
		m.state.take(ledger)
		if err := s.store.Save(context.WithoutCancel(s.ctx), m.state.State, release, s.now(), func(*state.State) error { return s.locked.Held(s.ctx) }); err != nil {
			return err
		}
		s.note("recorded what console %q has in %s, version %d", cfg.Console.Name, s.store, m.state.Serial)
	}
	r.remember(m)
	return s.withheld(m, false)
}

// ledger is that of the state, to be changed, once it has learned what the console
// has and the state does not know, and forgotten what others have taken. It reports
// whether that is anything.
func (m *made) ledger() (l *apply.Ledger, learned bool) {
	v := m.view
	if v.Receipt.Facts.Embedded {
		return apply.NewLedger(m.state.Accounts, nil), false
	}
	l = apply.NewLedger(m.state.Accounts, placedOr(m.state.Placed))
	for _, x := range v.Forget {
		learned = l.Remove(x) == nil || learned
	}
	for i := range v.Learn {
		learned = l.Put(v.Learn[i].Was, &v.Learn[i].Account, v.Learn[i].Placed) == nil || learned
	}
	if learned {
		l = apply.NewLedger(l.Accounts())
	}
	for _, o := range v.Origins {
		if o.Live < 0 || o.Ledger.IsZero() {
			continue
		}
		if now := v.Live[o.Live].Primary; now != o.Ledger && !now.IsZero() {
			l.Moved(o.Ledger, now)
		}
	}
	return l, learned
}

// agree writes into the ledger what has drifted to what the directories want, and what
// it could not learn before, and reports whether that is anything.
func (m *made) agree(l *apply.Ledger) (learned bool) {
	v := m.view
	for _, i := range m.plan.Agreed {
		if o := v.Origins[i]; !o.Ledger.IsZero() {
			p := l.Placed(o.Ledger)
			p.Found = nil
			if o.Live >= 0 {
				p.Ref = v.Live[o.Live].Ref
			}
			learned = l.Put(o.Ledger, &v.Accounts[i], p) == nil || learned
		}
	}
	if len(v.Late) == 0 {
		return learned
	}
	changed := map[identity.Address]bool{}
	for i := range m.plan.Accounts {
		if before := m.plan.Accounts[i].Before; before != nil {
			changed[before.Primary] = true
		}
	}
	for i := range v.Late {
		if late := &v.Late[i]; !changed[late.Account.Primary] {
			learned = l.Put(identity.Address{}, &late.Account, late.Placed) == nil || learned
		}
	}
	return learned
}

// take takes over what a ledger has become.
func (r *recorded) take(l *apply.Ledger) {
	accounts, placed := l.Accounts()
	r.keep(accounts)
	r.Placed = placed
}

// follow says what happens while a plan is applied.
func (s *session) follow(progress *render.Progress, c *config.Console, e apply.Event) {
	switch e := e.(type) {
	case apply.Progress:
		progress.Update("applying", "accounts", e.Done)
	case apply.Verifying:
		progress.Update("verifying", "accounts", e.Done)
	case apply.LookingUp:
		progress.Clear()
		s.note("console %q gave no answer to %s: looking up what became of it", c.Name, counted(e.Steps, "change"))
	case apply.Waiting:
		progress.Clear()
		why := "no answer, and nothing was changed"
		if e.Err != nil {
			why = s.errorText(e.Err)
		}
		s.note("console %q: %s; trying again in %v", c.Name, why, e.For.Round(time.Second/10))
	}
}

// cover sees to it that nobody else gets the lock of a state that is elsewhere while
// what this run has asked of the console may still be under way there.
func (s *session) cover(cfg *config.Config, facts *plan.Facts) error {
	if err := unfenced(cfg, facts); err != nil {
		return hinted{err, "keep the state in a file, or in postgres; docs/howto/shared-state.md says why"}
	}
	return s.locked.Cover(s.ctx, cfg.Console.Timeout+facts.Settles)
}

// unfenced is an error if neither the store of the state nor what the console can do keeps
// two runs apart.
func unfenced(cfg *config.Config, facts *plan.Facts) error {
	kind := cfg.Store.Kind
	if kind == "" || stores.Kind(kind).Fenced || facts.Embedded || facts.Marks || facts.Publishes {
		return nil
	}
	return fmt.Errorf("console %q does not store whose its accounts are, and a state in %s cannot keep two runs from making the same account", cfg.Console.Name, kind)
}

// journal is the record of a run, as an apply writes it.
type journal struct {
	s *session
	r *record
	m *made
}

// Intend records steps.
func (j *journal) Intend(ctx context.Context, steps []apply.Sent) error {
	if err := j.s.locked.Held(ctx); err != nil {
		return err
	}
	all := make([]run.Step, len(steps))
	for i := range steps {
		all[i] = recordedStep(&steps[i])
	}
	if err := j.r.recorder.Step(ctx, all); err != nil {
		return err
	}
	// That may have taken long.
	return j.s.locked.Held(ctx)
}

func recordedStep(t *apply.Sent) run.Step {
	step := run.Step{Key: t.Key, Change: t.Change, Op: run.Put, Final: t.Final, Back: t.Back, After: t.After, Clear: t.Clear, At: t.At}
	switch {
	case t.Keep:
		step.Op = run.Keep
	case t.Removes():
		step.Op = run.Remove
	}
	if t.Live != nil {
		step.Ref, step.Rev = t.Live.Ref, t.Live.Rev
	}
	return step
}

// Answered records answers.
func (j *journal) Answered(answers []apply.Received) error {
	all := make([]run.Answer, len(answers))
	for i := range answers {
		all[i] = recordedAnswer(&answers[i])
	}
	return j.r.recorder.Answer(j.s.ctx, all)
}

func recordedAnswer(a *apply.Received) run.Answer {
	answer := run.Answer{Key: a.Key, Ref: a.Ref, Rev: a.Rev}
	if a.Found != nil {
		found := a.Found.Account
		answer.Found = &found
	}
	if a.Err != nil {
		answer.Error = a.Err.Error()
	}
	return answer
}

// Save writes the ledger as it is by now.
func (j *journal) Save(l *apply.Ledger) error {
	j.m.state.take(l)
	return j.s.store.Save(context.WithoutCancel(j.s.ctx), j.m.state.State, release, j.s.now(), func(*state.State) error { return j.s.locked.Held(j.s.ctx) })
}

func failures(r run.Result) error {
	var all []error
	for _, f := range r.Failures {
		all = append(all, fmt.Errorf("account %s: %s", f.Account, f.Error))
	}
	return errors.Join(all...)
}

func (s *session) tellFailures(r *apply.Result) {
	for _, f := range r.Failures {
		s.say(levelError, fmt.Sprintf("account %s failed: %s", f.Account, s.said(f.Error)), "", exitIncomplete)
	}
}

// report says what was done, and what ended it before its end.
func (s *session) report(cfg *config.Config, m *made, r *apply.Result, ended error) error {
	s.tellFailures(r)
	for _, d := range r.Differences {
		field := d.Field
		if field == "" {
			field = "account"
		}
		s.say(levelError, fmt.Sprintf("account %s differs from what was applied: %s is %q, not %q", d.Account, field, s.said(d.Found), s.said(d.Wanted)), "", exitIncomplete)
	}
	if len(r.Undecided) > 0 {
		s.say(levelError, render.UndecidedLine(spelledAddresses(r.Undecided)), "give it an owner with "+s.command("state", "rebind")+", or leave it local with "+s.command("state", "release"), exitIncomplete)
	}
	if cfg.Console.Kind == config.Local {
		s.note("applied: %s changed, version %d of the state written to %s", counted(r.Applied, "account"), m.state.Serial, s.store)
	} else {
		s.note("%s; version %d of the state written to %s", render.AppliedLine(r.Applied, r.Verified, r.Differ), m.state.Serial, s.store)
	}
	if r.Unknown > 0 {
		s.say(levelWarning, fmt.Sprintf("the outcome of %s is unknown; the next run looks it up first", counted(r.Unknown, "change")), "", exitIncomplete)
	}
	switch {
	case errors.Is(ended, context.Canceled):
		s.say(levelError, "interrupted: what was applied by then is in the state", "apply again for the rest", exitInterrupted)
		return silent{exitInterrupted}
	case ended != nil:
		s.say(levelError, s.errorText(ended), directory.HintOf(ended), exitIncomplete)
		return silent{exitIncomplete}
	case r.Canary:
		s.say(levelError, "the canary failed: the other changes were not made", "look at what differs or failed above", exitIncomplete)
		return silent{exitIncomplete}
	case len(r.Failures)+r.Differ > 0:
		return silent{exitIncomplete}
	}
	return s.withheld(m, true)
}

func spelledAddresses(all []identity.Address) (texts []string) {
	for _, x := range all {
		texts = append(texts, x.String())
	}
	return texts
}

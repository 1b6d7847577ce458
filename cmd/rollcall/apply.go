package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console/local"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type applyCommand struct {
	Plan string `arg:"" optional:"" help:"A saved plan, made by plan -o json=PLAN."`
	reading
	showing
	locking
	quieting
	failing
	lifting
	AutoApprove bool `help:"Do not ask."`
}

// lifting are the flags that lift brakes.
type lifting struct {
	AllowDeactivations  int `placeholder:"N" help:"Let up to N accounts go out of service although that is over a limit, this run only."`
	AllowRemovals       int `placeholder:"N" help:"Let up to N addresses be removed although that is over a limit, this run only."`
	AllowPrimaryChanges int `placeholder:"N" help:"Let up to N accounts get another primary although that is over a limit, this run only."`
}

func (c *lifting) allowed() [plan.Brakes]int {
	return [plan.Brakes]int{plan.Deactivations: c.AllowDeactivations, plan.Removals: c.AllowRemovals, plan.PrimaryChanges: c.AllowPrimaryChanges}
}

func (c *lifting) check() error {
	for b, n := range c.allowed() {
		if n < 0 {
			return fmt.Errorf("%s must not be negative", plan.Brake(b).Flag())
		}
	}
	return nil
}

func (applyCommand) Help() string {
	return `Makes a fresh plan, shows it, asks, and commits it to the state. With a saved plan it commits exactly that one, without asking, if nothing has changed since it was made.

Examples:
  rollcall apply
  rollcall apply --auto-approve
  rollcall apply --except inactive
  rollcall apply plan.json

Exit codes: 0 done, or nothing to do; 1 failed, nothing was changed; 3 some changes failed, each is named; 4 a brake withheld what a directory would lose, everything else was done; 5 the saved plan does not fit, or was rejected; 6 you said no; 7 done, and there are new rejections, with --fail-on-new-rejections; 10 a directory could not be read completely, or was empty where it had accounts; 11 the state is locked; 12 a directory refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *applyCommand) Validate() error {
	if err := c.check(); err != nil {
		return err
	}
	switch {
	case c.Plan != "" && (len(c.Directory) > 0 || c.Snapshot != "" || c.AllowEmpty):
		return errors.New("a saved plan was read already: --directory, --snapshot and --allow-empty go with plan, or with an apply without PLAN")
	case c.Plan != "" && len(c.Only)+len(c.Except) > 0:
		return errors.New("a saved plan is applied as it is: --only and --except go with plan, or with an apply without PLAN")
	}
	return nil
}

func (c *applyCommand) Run(s *session) error {
	if c.Plan == "" && !c.AutoApprove && !s.in.Interactive {
		return hinted{errors.New("apply asks before it changes anything, and standard input is no terminal"),
			"give --auto-approve, or make a plan with -o json=plan.json and apply that"}
	}
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	lock, err := s.lock("rollcall apply")
	if err != nil {
		return err
	}
	defer lock.Release()
	run := s.record(cfg)
	run.head.Allowed, run.head.AllowedRemovals, run.head.AllowedPrimaryChanges = c.AllowDeactivations, c.AllowRemovals, c.AllowPrimaryChanges
	if c.Plan != "" {
		err = c.applySaved(s, cfg, run)
	} else {
		err = c.applyFresh(s, cfg, run)
	}
	if err = run.end(err); err == nil || codeOf(err) == exitWithheld {
		err = cmp.Or(err, c.fails(s, run.plan))
	}
	return err
}

// applyFresh commits a plan that it makes, shows and asks about.
func (c *applyCommand) applyFresh(s *session, cfg *config.Config, run *record) error {
	m, err := s.plan(cfg, c.reading, c.allowed())
	if err != nil {
		return advised(err, cfg, c.reading)
	}
	m.plan.Expires = m.plan.Created.Add(24 * time.Hour)
	run.identify(m.plan)
	next := "answer yes"
	if c.AutoApprove {
		next = "about to be made"
	}
	advice := s.unmatched(m)
	advice.Apply, advice.Next = s.command("apply"), next
	if err := s.writePlan(m.plan, c.showing, advice); err != nil {
		return err
	}
	if !pending(m.plan) {
		return run.nothing(m)
	}
	if !c.AutoApprove {
		sum := m.plan.Summary()
		if err := s.ask(fmt.Sprintf("apply these %d changes?", sum.Pending())); err != nil {
			return err
		}
	}
	return s.commit(cfg, m, run)
}

// pending reports whether an apply of the plan would write anything.
func pending(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Accounts, func(c plan.AccountChange) bool { return !c.Idle() })
}

// ask asks whether to go on. Only "yes" is yes.
func (s *session) ask(question string) error {
	s.prompt(question + ` only "yes" is taken:`)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(s.stdin).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-s.ctx.Done():
		s.unanswered()
		return s.ctx.Err()
	case line := <-answer:
		if line == "yes" {
			return nil
		}
		if line == "" {
			s.unanswered()
			// The end of a terminal is no decision. Its signal comes beside it.
			select {
			case <-s.ctx.Done():
				return s.ctx.Err()
			case <-time.After(time.Second / 4):
			}
		}
	}
	s.note("declined: nothing was changed")
	return silent{exitDeclined}
}

// applySaved commits a saved plan, if it fits what is there now.
func (c *applyCommand) applySaved(s *session, cfg *config.Config, run *record) error {
	s.inputs = append(s.inputs, c.Plan)
	p, err := readPlan(c.Plan)
	if err != nil {
		return err
	}
	if p.Redacted {
		return fmt.Errorf("%s: %w", c.Plan, errRedacted)
	}
	run.identify(p)
	if err := run.barred(); err != nil {
		return fmt.Errorf("%s: %w", c.Plan, err)
	}
	st, _, err := c.known(s, cfg)
	if err != nil {
		return err
	}
	if err := fits(p, st.State, cfg, s.now()); err != nil {
		return staleError{fmt.Errorf("%s: %w", c.Plan, err)}
	}
	p.Allow(c.allowed())
	m := &made{plan: p, state: st, known: s.standing(), again: s.command("apply", c.Plan), saved: true}
	p.Compare(m.known)
	run.plans(p)
	if err := s.writePlan(p, c.showing, render.Advice{Full: s.command("show", c.Plan, "--all"), Apply: s.command("apply", c.Plan), Next: "about to be made"}); err != nil {
		return err
	}
	if !pending(p) {
		return run.nothing(m)
	}
	return s.commit(cfg, m, run)
}

// nothing ends an apply that has nothing to do, or all of it withheld.
func (r *record) nothing(m *made) error {
	r.remember(m)
	return r.s.withheld(m, false)
}

// fits checks that a saved plan was made on this very state, with this very
// configuration, and not too long ago.
func fits(p *plan.Plan, st *state.State, cfg *config.Config, now time.Time) error {
	switch {
	case p.Redacted:
		return errRedacted
	case p.FirstFormat:
		return errFirstFormat
	case p.Lineage == "" && st.Lineage != "":
		return errors.New("the plan was made before there was a state, and there is one now")
	case p.Lineage != st.Lineage:
		return errors.New("the plan was made on another state")
	case p.Serial < st.Serial:
		return fmt.Errorf("the plan was made on version %d of the state, which is at %d now: it was applied already, or something else has changed the state", p.Serial, st.Serial)
	case p.Serial > st.Serial:
		return fmt.Errorf("the plan was made on version %d of the state, and the state is back at %d", p.Serial, st.Serial)
	case p.StateSum != st.Sum:
		return fmt.Errorf("the plan was made on another version %d of the state, as after a backup was put back", st.Serial)
	case p.ConfigDigest != cfg.Digest():
		return errors.New("the configuration has changed since the plan was made")
	case now.After(p.Expires):
		return expired(p)
	}
	for i := range p.Accounts {
		before := p.Accounts[i].Before
		if before == nil {
			continue
		}
		if a := st.Primary(before.Primary); a == nil || !bytes.Equal(a.AppendJSON(nil), before.AppendJSON(nil)) {
			return fmt.Errorf("account %s is not what it was when the plan was made", before.Primary)
		}
	}
	return nil
}

// errRedacted keeps a plan of masks from being applied.
var errRedacted = hinted{staleError{errors.New("the plan is redacted, and has masks in place of addresses and names")}, "take the plan that was saved without --redact"}

// errFirstFormat keeps a plan from being applied that does not tell all that an
// apply takes away.
var errFirstFormat = hinted{staleError{errors.New("the plan has format version 1.0, which does not show every loss")}, "make a new plan: rollcall plan -o json=FILE"}

func expired(p *plan.Plan) error {
	return expiredError{fmt.Errorf("the plan expired at %s", stamp(p.Expires))}
}

func readPlan(path string) (*plan.Plan, error) {
	const hint = "rollcall plan -o json=FILE makes a plan"
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingPlan{err, path}
	}
	if err != nil {
		return nil, hinted{err, hint}
	}
	defer f.Close()
	p, err := plan.ReadJSON(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, hinted{fmt.Errorf("%s: %w", path, err), hint}
	}
	return p, nil
}

// commit applies a plan to the local console and saves the state. Until the
// state is replaced as a whole, nothing is changed.
func (s *session) commit(cfg *config.Config, m *made, run *record) error {
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	ledger := apply.NewLedger(m.state.Accounts, nil)
	result, err := apply.Run(s.ctx, apply.Job{
		Changes: m.plan.Accounts, Console: local.New(m.state.Accounts), Ledger: ledger,
		Known: func(before *identity.Account) apply.Known {
			return apply.Known{Live: &identity.Live{Account: *before}, Recorded: before.Primary}
		},
		Listen: func(e apply.Event) {
			if p, is := e.(apply.Progress); is {
				progress.Update("applying", "accounts", p.Done)
			}
		},
	})
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return fmt.Errorf("apply the plan: %w", errors.Join(err, failures(result.Result)))
	}
	accounts, _ := ledger.Accounts()
	m.state.keep(accounts)
	progress.Update("writing the state", "accounts", len(accounts))
	if err := run.save(m.state.State, result.Result); err != nil {
		return err
	}
	progress.Clear()
	run.remember(m)
	return s.report(cfg, m, result.Result)
}

func failures(r run.Result) error {
	var all []error
	for _, f := range r.Failures {
		all = append(all, fmt.Errorf("account %s: %s", f.Account, f.Error))
	}
	return errors.Join(all...)
}

// report tells what was done.
func (s *session) report(cfg *config.Config, m *made, r run.Result) error {
	for _, f := range r.Failures {
		s.say(levelError, fmt.Sprintf("account %s failed: %s", f.Account, f.Error), "", exitIncomplete)
	}
	s.note("applied: %s changed, version %d of the state written to %s",
		counted(r.Applied, "account"), m.state.Serial, s.store)
	if len(r.Failures) > 0 {
		return silent{exitIncomplete}
	}
	return s.withheld(m, true)
}

// withheld ends a run from which a brake withheld something, and that has written
// the state or not.
func (s *session) withheld(m *made, written bool) error {
	p := m.plan
	if p.Summary().Withheld == 0 {
		return nil
	}
	s.warn("withheld: %s", render.Withholding(p))
	options := strings.Join(plan.Options(plan.Tripped(p.Allowances)), " ")
	switch saved := m.saved; {
	case saved && written && p.Undoes > 0:
		s.note("if that is meant, take this run back first (rollcall history), and apply the plan of %s with %s", s.command("undo", strconv.Itoa(p.Undoes)), options)
	case saved && written:
		s.note("if that is meant, make a new plan of the rest, and apply it with %s", options)
	default:
		s.note("if that is meant: %s %s", m.again, options)
	}
	return silent{exitWithheld}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type showCommand struct {
	Plan string `arg:"" help:"A saved plan."`
	showing
}

func (showCommand) Help() string {
	return `Shows a saved plan in any format. It need not fit the state any more; where it does not, a warning says why.

Examples:
  rollcall show plan.json
  rollcall show plan.json -o csv=plan.csv

Exit codes: 0 done; 1 the plan cannot be read; 80 wrong usage.`
}

func (c *showCommand) Run(s *session) error {
	s.inputs = append(s.inputs, c.Plan)
	p, err := readPlan(c.Plan)
	if err != nil {
		return err
	}
	// A plan can be shown where there is no configuration, or another one.
	cfg, diags := config.Load(s.dir, s.now(), knownKinds)
	if diags.HasErrors() {
		cfg = nil
	} else {
		s.store = state.At(cfg.StatePath)
		s.keep(cfg)
	}
	if s.mask != nil {
		s.keyedBy(p, cfg)
	}
	advice := render.Advice{Full: s.command("show", c.Plan, "--all"), Apply: s.command("apply", c.Plan)}
	if err := s.stale(p, cfg); err != nil {
		s.warn("%v, so that it can no longer be applied", err)
		advice.Next = "make a new plan"
	}
	return s.writePlan(p, c.showing, advice)
}

// stale says why a saved plan cannot be applied with a configuration and on the
// state that it names. Without one, nobody can tell.
func (s *session) stale(p *plan.Plan, cfg *config.Config) error {
	if s.now().After(p.Expires) {
		return expired(p)
	}
	if cfg == nil {
		return nil
	}
	if err := s.barred(p.ID()); err != nil {
		return err
	}
	st, _, err := reading{}.known(s, cfg)
	if err != nil {
		return err
	}
	return fits(p, st.State, cfg, s.now())
}

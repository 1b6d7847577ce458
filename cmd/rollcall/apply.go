package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
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
	AcceptDrift bool `help:"Continue although the console was changed by hand and on_drift is \"fail\"."`
	MaxRisk     risk `words:"risks" placeholder:"LEVEL" help:"Change nothing if the risk of the plan is higher: none, low, medium or high."`
	Canary      int  `placeholder:"N" help:"Make N account changes first, verify them, and go on only if all are right."`
}

// risk is the flag --max-risk: the highest level if it is not given.
type risk struct{ *plan.RiskLevel }

func (r *risk) UnmarshalText(text []byte) error {
	level, err := plan.ParseRiskLevel(string(text))
	if err != nil {
		return words.Unknown("risk", string(text), plan.RiskLevels())
	}
	r.RiskLevel = &level
	return nil
}

// stop is why an apply ends before it changes anything.
type stop struct {
	message, hint string
	code          exitCode
}

// forbids stops an apply whose plan is riskier than the flag allows.
func (r risk) forbids(p *plan.Plan) *stop {
	if r.RiskLevel == nil || p.RiskLevel() <= *r.RiskLevel {
		return nil
	}
	return &stop{
		fmt.Sprintf("the risk of the plan is %s, and --max-risk is %s: nothing was changed", p.RiskLevel(), *r.RiskLevel),
		"look at the risk above; apply without --max-risk to continue", exitRisky,
	}
}

// showOrStop shows the plan that an apply is about to make, and ends the apply where
// the console has drifted or the plan is too risky.
func (c *applyCommand) showOrStop(s *session, cfg *config.Config, m *made, advice render.Advice) error {
	stop := cmp.Or(c.drifted(cfg, m), c.MaxRisk.forbids(m.plan))
	if stop != nil {
		advice.Next = "Nothing is changed."
	}
	if err := s.writePlan(m.plan, c.showing, advice); err != nil || stop == nil {
		return err
	}
	s.say(levelError, stop.message, stop.hint, stop.code)
	return stopped{silent{stop.code}, stop.message}
}

// lifting are the flags that lift brakes.
type lifting struct {
	AllowDeactivations  int `placeholder:"N" help:"Allow up to N deactivations in this run, although that is over a limit."`
	AllowRemovals       int `placeholder:"N" help:"Allow up to N addresses to be removed in this run, although that is over a limit."`
	AllowPrimaryChanges int `placeholder:"N" help:"Allow up to N accounts to get another primary in this run, although that is over a limit."`
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
	return `Makes a fresh plan, shows it, asks, and applies it to the console and the state. With a saved plan it applies exactly that one, without asking, if nothing that it touches has changed since it was made.

A change that the console cannot make right now is tried again; one that it does not accept fails for that account and those that depend on it, and the rest goes on. What was changed is read again and compared. --canary makes a few changes first, at least one of each category, and goes on only if they are right. Ctrl-C finishes the current change; whatever was applied by then is in the state.

Examples:
  rollcall apply
  rollcall apply --auto-approve --max-risk low
  rollcall apply --except inactive
  rollcall apply plan.json
  rollcall apply --canary 20

Exit codes: 0 done, or nothing to do; 1 failed, nothing was changed; 3 some changes failed or differ, each is named, or the console could not be used any more; 4 a brake withheld something, everything else was done; 5 the saved plan does not fit, or was declined; 6 you said no; 7 done, and there are new rejections, with --fail-on-new-rejections; 8 the risk is above --max-risk, nothing was changed; 10 a directory or the console could not be read completely, or was empty where it had accounts; 11 the state is locked; 12 a directory or the console refused the credentials; 13 the console was changed by hand, and on_drift is "fail"; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *applyCommand) Validate() error {
	if err := c.check(); err != nil {
		return err
	}
	switch {
	case c.Canary < 0:
		return errors.New("--canary must not be negative")
	case c.Plan != "" && (len(c.Directory) > 0 || c.Snapshot != "" || c.AllowEmpty):
		return errors.New("--directory, --snapshot and --allow-empty do not go with a saved plan; give them to plan, or to apply without PLAN")
	case c.Plan != "" && len(c.Only)+len(c.Except) > 0:
		return errors.New("--only and --except do not go with a saved plan, which is applied as it is; give them to plan, or to apply without PLAN")
	}
	return nil
}

func (c *applyCommand) Run(s *session) (err error) {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	beat := s.beat(cfg)
	if c.Plan == "" && !c.AutoApprove && !s.in.Interactive {
		err := hinted{errors.New("apply asks before it changes anything, and standard input is not a terminal"),
			"give --auto-approve, or make a plan with -o json=plan.json and apply that"}
		beat.end(nil, err)
		return err
	}
	lock, err := s.lock("rollcall apply")
	if err != nil {
		beat.end(nil, err)
		return err
	}
	defer s.release(lock)
	run := s.record(cfg)
	s.notices = s.tellsOf(cfg)
	err = silent{exitInternal} // of a run that does not come to its end
	defer func() {
		s.notices.end(run, err)
		run.memorize()
		s.notices.send()
		beat.end(run, err)
	}()
	run.options = append(c.reading.args(), plan.Options(c.allowed())...)
	if c.AcceptDrift {
		run.options = append(run.options, "--accept-drift")
	}
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
	run.fresh = true
	run.await(m)
	next := "Nothing is changed yet."
	if c.AutoApprove {
		next = applying(m.plan)
	}
	advice := s.unmatched(m)
	advice.Apply, advice.Next = s.command("apply"), next
	if err := c.showOrStop(s, cfg, m, advice); err != nil {
		return err
	}
	if !apply.Pending(m.plan.Accounts) {
		return s.commitNothing(cfg, m, run)
	}
	if !c.AutoApprove {
		if alarm := m.plan.Alarm(); alarm != "" {
			s.warn("%s", alarm)
		}
		if err := s.askTo("apply", "Change "+counted(changing(m.plan), "account")+"?"); err != nil {
			return err
		}
	}
	return s.commit(cfg, m, run, c.Canary)
}

// changing counts the accounts that a plan changes.
func changing(p *plan.Plan) int {
	s := p.Summary()
	return s.Totals.Accounts()
}

// applying says that a plan is applied without a question.
func applying(p *plan.Plan) string {
	return "Applying changes to " + counted(changing(p), "account") + "."
}

// ask asks whether to go on.
func (s *session) ask(question string) error { return s.askTo("confirm", question) }

// askTo asks whether to do what a verb says. Only "yes" is yes.
func (s *session) askTo(do, question string) error {
	s.prompt(question + " Type yes to " + do + ":")
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
	p, err := s.readPlan(c.Plan)
	if err != nil {
		return err
	}
	if p.Redacted {
		return fmt.Errorf("%s: %w", c.Plan, s.unfit(apply.ErrRedacted))
	}
	run.identify(p)
	if err := run.barred(); err != nil {
		return fmt.Errorf("%s: %w", c.Plan, err)
	}
	st, _, err := c.known(s, cfg)
	if err != nil {
		return err
	}
	if err := apply.Fits(p, s.basis(st.State, digest(cfg, factsOf(p)))); err != nil {
		return fmt.Errorf("%s: %w", c.Plan, s.unfit(err))
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	// What the plan touches is compared below.
	view, err := s.see(cfg, st, reading{AllowEmpty: true, NewState: c.NewState}, progress)
	progress.Clear()
	if err != nil {
		return err
	}
	if p.ConfigDigest != digest(cfg, &view.Receipt.Facts) {
		return fmt.Errorf("%s: %w", c.Plan, s.unfit(fmt.Errorf("console %q reports other facts than when the plan was made", cfg.Console.Name)))
	}
	if err := apply.Moved(p, view.Accounts, view.Barred); err != nil {
		return fmt.Errorf("%s: %w", c.Plan, s.unfit(err))
	}
	p.Allow(c.allowed())
	m := &made{plan: p, state: st, view: view, known: s.standing(), again: s.command("apply", c.Plan), saved: true}
	p.MarkNew(m.known, cfg.Rules.Prerequisites)
	p.Assess(cfg.Rules.Risk)
	run.plans(p)
	advice := render.Advice{Full: s.command("show", c.Plan, "--all"), Apply: s.command("apply", c.Plan), Next: applying(p)}
	if err := c.showOrStop(s, cfg, m, advice); err != nil {
		return err
	}
	if !apply.Pending(p.Accounts) {
		return s.commitNothing(cfg, m, run)
	}
	return s.commit(cfg, m, run, c.Canary)
}

// basis is what a saved plan must have been made on.
func (s *session) basis(st *state.State, digest string) apply.Basis {
	return apply.Basis{Lineage: st.Lineage, Serial: st.Serial, Sum: st.Sum, Digest: digest, Now: s.now()}
}

// unfit is the error of a saved plan that does not fit.
func (s *session) unfit(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, apply.ErrRedacted):
		return hinted{staleError{err}, "take the plan that was saved without --redact"}
	case errors.Is(err, apply.ErrFirstFormat):
		return hinted{staleError{err}, "make a new plan: " + s.command("plan", "-o", "json=FILE")}
	case errors.Is(err, apply.ErrExpired):
		return staleError{expiredError{err}}
	}
	return staleError{err}
}

func (s *session) readPlan(path string) (*plan.Plan, error) {
	hint := s.command("plan", "-o", "json=FILE") + " makes a plan"
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingPlan{err, path, hint}
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

// withheld ends a run from which a brake withheld something, and that has written
// the state or not.
func (s *session) withheld(m *made, written bool) error {
	p := m.plan
	if p.Summary().Withheld == 0 {
		return nil
	}
	options := strings.Join(plan.Options(plan.Tripped(p.Allowances)), " ")
	hint := fmt.Sprintf("if meant, run %s %s", m.again, options)
	switch saved := m.saved; {
	case saved && written && p.Undoes > 0:
		hint = fmt.Sprintf("if meant, take this run back first (%s), and apply the plan of %s with %s", s.command("history"), s.command("undo", strconv.Itoa(p.Undoes)), options)
	case saved && written:
		hint = "if meant, make a new plan of the rest, and apply it with " + options
	}
	s.say(levelWarning, "withheld: "+render.Withholding(p), hint, exitWithheld)
	return silent{exitWithheld}
}

// counted counts with separators between thousands.
func counted(n int, what string) string { return oneOrMany(n, what, what+"s") }

type showCommand struct {
	Plan string `arg:"" help:"A saved plan."`
	showing
}

func (showCommand) Help() string {
	return `Shows a saved plan in any format. It need not fit the state any longer; if it does not, a warning says why.

Examples:
  rollcall show plan.json
  rollcall show plan.json -o csv=plan.csv

Exit codes: 0 done; 1 the plan cannot be read; 80 wrong usage.`
}

func (c *showCommand) Run(s *session) error {
	s.inputs = append(s.inputs, c.Plan)
	p, err := s.readPlan(c.Plan)
	if err != nil {
		return err
	}
	// A plan can be shown where there is no configuration, or another one.
	cfg, diags := config.Load(s.dir, s.now(), knownKinds)
	if diags.HasErrors() {
		cfg = nil
	} else {
		if err := s.reach(cfg); err != nil {
			return err
		}
		s.keep(cfg)
	}
	if s.mask != nil {
		s.keyedBy(p, cfg)
	}
	advice := render.Advice{Full: s.command("show", c.Plan, "--all"), Apply: s.command("apply", c.Plan)}
	if err := s.stale(p, cfg); err != nil {
		s.warn("%v; it can no longer be applied", err)
		advice.Next = "It cannot be applied: make a new plan."
	}
	if p.Redacted {
		advice.Next = "It is redacted and cannot be applied."
	}
	return s.writePlan(p, c.showing, advice)
}

// stale says why a saved plan cannot be applied with a configuration and on the
// state that it names. Without one, that is unknown.
func (s *session) stale(p *plan.Plan, cfg *config.Config) error {
	if s.now().After(p.Expires) {
		return fmt.Errorf("%w at %s", apply.ErrExpired, stamp(p.Expires))
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
	if err := apply.Fits(p, s.basis(st.State, digest(cfg, factsOf(p)))); err != nil || factsOf(p) != nil {
		return err // of a console that is elsewhere, apply asks
	}
	return apply.Moved(p, st.Accounts, func(int) bool { return false })
}

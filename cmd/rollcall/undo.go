package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type undoCommand struct {
	Number int `arg:"" placeholder:"N" help:"A run, as rollcall history counts them."`
	showing
	Expires time.Duration `default:"24h" placeholder:"DURATION" help:"How long the saved plan may be applied (default 24h)."`
}

func (undoCommand) Help() string {
	return `Makes a plan that takes back what a run changed, as far as nobody has changed the accounts since, and says of the rest why not. Changes the run did not get to are left alone, and so are records that went because the console had lost their accounts. An account that the run created becomes inactive. The state and the console are read, no directory is, and nothing is changed. Save the plan, review it, and apply it like any other.

The next plan of the directories makes the same changes again, unless the directories or the configuration have changed by then.

Examples:
  rollcall undo 12
  rollcall undo 12 -o text -o json=undo.json
  rollcall apply undo.json

Exit codes: 0 done; 1 failed, or there is no such run, or it changed nothing; 10 the console could not be read completely; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *undoCommand) Validate() error { return positive("--expires", c.Expires) }

func (c *undoCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	done, past, err := s.pastRun(c.Number)
	if err != nil {
		return err
	}
	if done.Outcome == run.Unfinished && done.Console != "" {
		return hinted{fmt.Errorf("run %d is still running, or was killed while it changed console %q", c.Number, done.Console),
			s.command("apply") + " finds out first what it has changed; then it can be taken back"}
	}
	if !done.Outcome.Changed() {
		return hinted{fmt.Errorf("run %d changed nothing: it ended as %s", c.Number, done.Outcome), s.command("history") + " lists the runs"}
	}
	st, _, err := reading{}.known(s, cfg)
	if err != nil {
		return err
	}
	if err := s.sameLineage(done, st.State); err != nil {
		return err
	}
	for _, warning := range s.rewound() {
		s.warn("%s", warning)
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	view, err := s.see(cfg, st, reading{}, progress)
	progress.Clear()
	if err != nil {
		return err
	}
	in := plan.Input{Rules: cfg.Rules, Now: s.now()}
	header := plan.Header{Undoes: c.Number, ToolVersion: release, Created: s.moment(), Lineage: st.Lineage, Serial: st.Serial, StateSum: st.Sum}
	if err := s.consider(cfg, view, &in, &header); err != nil {
		return err
	}
	var kept []plan.Kept
	p, err := await(s, func() (p *plan.Plan, err error) {
		p, kept = plan.Undo(readAs(&cfg.Rules, succeeded(done, past.Accounts)), in)
		return p, nil
	})
	if err != nil {
		return err
	}
	p.Header, p.Drift = header, view.Drift
	p.Group()
	p.Expires = s.now().UTC().Truncate(time.Second).Add(c.Expires)
	for _, k := range kept {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s is not taken back: %s", k.Account, k.Why))
	}
	again := s.command("undo", strconv.Itoa(c.Number))
	advice := render.Advice{Full: again + " --all", Nothing: fmt.Sprintf("nothing of run %d can be taken back", c.Number)}
	if !slices.ContainsFunc(c.Output, func(o output) bool { return o.format == "json" && o.file != "" }) {
		advice.Apply, advice.Next = s.command("apply", "FILE"), "To apply it: save the plan with "+again+" -o json=FILE, and run "+s.command("apply", "FILE")
	}
	return s.writePlan(p, c.showing, advice)
}

// sameLineage is an error if a run has left another state than this one, which
// was begun anew since.
func (s *session) sameLineage(done *run.Record, st *state.State) error {
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return err
	}
	left := state.LineageLeft(runs, done.Number)
	if left == "" || left == st.Lineage {
		return nil
	}
	since := "since"
	if begun := state.Begun(runs, st.Lineage); begun != nil {
		since = fmt.Sprintf("by run %d, of %s", begun.Number, stamp(begun.Started))
	}
	return hinted{fmt.Errorf("run %d changed another state: this one was begun anew %s", done.Number, since), s.command("history") + " lists the runs; those of this state can be undone"}
}

// succeeded returns the account changes of a run that were made.
func succeeded(done *run.Record, changes []plan.AccountChange) (made []plan.AccountChange) {
	was := done.Made()
	for i := range changes {
		if was(i, &changes[i]) {
			made = append(made, changes[i])
		}
	}
	return made
}

// readAs returns account changes with the accounts as the rules write addresses.
func readAs(rules *plan.Rules, changes []plan.AccountChange) []plan.AccountChange {
	domains := plan.NewDomains(rules.Domains)
	for i := range changes {
		c := &changes[i]
		c.Before, c.After, c.Kept = canonicalAccount(domains, c.Before), canonicalAccount(domains, c.After), canonicalAccount(domains, c.Kept)
	}
	return changes
}

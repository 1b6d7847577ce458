package main

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// approving is the flag of commands that ask.
type approving struct {
	AutoApprove bool `help:"Do not ask."`
}

// editing says how the state is edited.
type editing struct {
	command        string // in the lock
	approved, anew bool   // as by --auto-approve and --new-state
	// local edits are for a console that is in the state.
	local bool
}

// edited is what an edit has done to a state that is not written yet.
type edited struct {
	done string // what to say once it is written
	// question is asked before, "" for none. Where nobody can be asked, refusal,
	// if it is set, ends the edit.
	question string
	refusal  error
	// decides says that the account at the address is decided by the edit, be it
	// that nothing of it changes.
	decides identity.Address
}

// edit changes the state under its lock, as a run of the history that can be
// undone. change changes what it is given, and an error of it leaves no run.
// What changes nothing leaves none either.
func (s *session) edit(how editing, change func(*config.Config, *state.State) (edited, error)) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	lock, err := s.lock(how.command)
	if err != nil {
		return err
	}
	defer s.release(lock)
	if err := s.made(); err != nil {
		return err
	}
	if !consoles.Kind(cfg.Console.Kind).Embedded {
		return s.editConsole(cfg, how, change)
	}
	st, err := reading{NewState: how.anew}.state(s)
	if err != nil {
		return err
	}
	before := slices.Clone(st.Accounts)
	e, err := change(cfg, st)
	if err != nil {
		return err
	}
	if changes := differences(before, st.Accounts); len(changes) > 0 {
		if err := s.asks(how, &e); err != nil {
			return err
		}
		run := s.record(cfg)
		run.edits(st, changes)
		if err := run.end(run.edit(st, e.question)); err != nil {
			return err
		}
		number := run.recorder.Number()
		s.note("version %d of the state written to %s, as run %d: %s takes it back", st.Serial, s.store, number, s.command("undo", fmt.Sprint(number)))
	}
	s.announce(e.done)
	return nil
}

// asks settles whether an edit asks: not if it was approved, and not where nobody
// can be asked, which some edits refuse.
func (s *session) asks(how editing, e *edited) error {
	switch {
	case how.approved:
		e.question = ""
	case e.question != "" && !s.in.Interactive:
		if e.refusal != nil {
			return e.refusal
		}
		e.question = ""
	}
	return nil
}

// announce says what was done, which stays done, whoever could not be reported.
func (s *session) announce(done string) {
	if _, err := fmt.Fprintln(s.stdout, done); err != nil {
		s.note("%s (and standard output: %v)", done, err)
	}
}

// editConsole makes an edit through the console: change is given the accounts as
// ledger and console have them together, and what it makes of them is applied.
func (s *session) editConsole(cfg *config.Config, how editing, change func(*config.Config, *state.State) (edited, error)) error {
	if how.local {
		return hinted{fmt.Errorf("%s is for the local console, and the accounts of this configuration are in console %q", how.command, cfg.Console.Name),
			"change them there, or let their entries adopt them"}
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	st, _, err := reading{}.known(s, cfg)
	if err != nil {
		return err
	}
	view, err := s.see(cfg, st, reading{AllowEmpty: true}, progress)
	progress.Clear()
	if err != nil {
		return err
	}
	edits := *st.State
	edits.Accounts = slices.Clone(view.Accounts)
	e, err := change(cfg, &edits)
	if err != nil {
		return err
	}
	changes := differences(view.Accounts, edits.Accounts)
	if a := view.Account(e.decides); a != nil && len(changes) == 0 && st.Placed[view.Known(a).Recorded].Undecided {
		changes = []plan.AccountChange{{Before: a, After: a}}
	}
	if len(changes) == 0 {
		s.announce(e.done)
		return nil
	}
	for i := range changes {
		if err := editable(view, &changes[i]); err != nil {
			return err
		}
	}
	if err := s.asks(how, &e); err != nil {
		return err
	}
	r := s.record(cfg)
	r.edits(st.State, changes)
	if e.question != "" {
		err = s.ask(e.question)
	}
	if err == nil {
		err = s.commit(cfg, &made{plan: &plan.Plan{Accounts: changes}, state: st, view: view}, r, 0)
	}
	if err := r.end(err); err != nil {
		return err
	}
	s.note("%s takes it back", s.command("undo", fmt.Sprint(r.recorder.Number())))
	s.announce(e.done)
	return nil
}

// editable is an error if a change is of an account that belongs to another
// configuration, or would drop the record of one that is there.
func editable(v *console.View, c *plan.AccountChange) error {
	if c.Before == nil {
		return nil
	}
	if mark := v.MarkOfOther(c.Before.Primary); !mark.IsZero() {
		return fmt.Errorf("account %s belongs to configuration %q", c.Before.Primary, mark.By)
	}
	if c.After == nil && v.Known(c.Before).Live != nil {
		return hinted{fmt.Errorf("account %s is still in the console", c.Before.Primary), "remove it there first"}
	}
	return nil
}

// edits binds the record to account changes that no plan has.
func (r *record) edits(st *state.State, changes []plan.AccountChange) {
	r.head.Scopes, r.head.Domains = nil, nil // which were not read
	r.head.Lineage, r.head.Serial = st.Lineage, st.Serial
	r.plans(&plan.Plan{Accounts: changes, Changes: plan.Rows(changes)})
}

// edit asks and writes the state.
func (r *record) edit(st *state.State, question string) error {
	if question != "" {
		if err := r.s.ask(question); err != nil {
			return err
		}
	}
	if err := r.s.ctx.Err(); err != nil {
		return err
	}
	return r.save(st, run.Result{Applied: len(r.accounts)}, nil)
}

// differences returns what an edit has changed, by primary, which no edit
// changes. The accounts before are in order of their primaries.
func differences(before, after []identity.Account) (changes []plan.AccountChange) {
	after = slices.Clone(after)
	slices.SortFunc(after, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	for len(before) > 0 || len(after) > 0 {
		order := -1
		switch {
		case len(before) == 0:
			order = 1
		case len(after) > 0:
			order = before[0].Primary.Compare(after[0].Primary)
		}
		c := plan.AccountChange{}
		if order <= 0 {
			c.Before, before = &before[0], before[1:]
		}
		if order >= 0 {
			c.After, after = &after[0], after[1:]
		}
		if order != 0 || string(c.Before.AppendJSON(nil)) != string(c.After.AppendJSON(nil)) {
			changes = append(compact.Grown(changes), c)
		}
	}
	return changes
}

// onHold is an error if an account that is to change or to go is on legal hold.
func (s *session) onHold(cfg *config.Config, a *identity.Account) error {
	return s.guarded(cfg, a, cfg.Rules.Holds, "on legal hold by")
}

// protected is an error if an account that is to go has a protected address.
func (s *session) protected(cfg *config.Config, a *identity.Account) error {
	return s.guarded(cfg, a, cfg.Rules.Protected, "protected by")
}

func (s *session) guarded(cfg *config.Config, a *identity.Account, blocks []plan.Guard, words string) error {
	read := canonicalAccount(plan.NewDomains(cfg.Rules.Domains), a)
	for i := range blocks {
		b := &blocks[i]
		if b.Over(s.now()) {
			continue
		}
		for _, x := range b.Addresses {
			if a.Holds(x) || read.Holds(x) {
				return hinted{fmt.Errorf("account %s stays as it is: %s is %s %q", a.Primary, x, words, b.Label), "if this is meant, take it out of that block"}
			}
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/store"
	stores "github.com/rollcall-cli/rollcall/internal/store/all"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type stateSetupCommand struct {
	approving
}

func (stateSetupCommand) Help() string {
	return `Makes what a store needs once before several machines can keep a state there: the tables in PostgreSQL. It shows what it is about to run, and asks. Where a login may not make tables, somebody else can run what is shown. Of S3 and HTTP it looks whether the store does what a state needs, and makes nothing.

A state in a file needs nothing.

Examples:
  rollcall state setup
  rollcall state setup --auto-approve

Exit codes: 0 done, or nothing to do; 1 failed; 6 you said no; 10 the store could not be reached, or did not take it; 12 it refused the credentials; 80 wrong usage; 130 interrupted.`
}

func (c *stateSetupCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	if cfg.Store.Kind == "" {
		s.note("the state is in a file, %s: nothing to do", s.store)
		return nil
	}
	setup, err := stores.Kind(cfg.Store.Kind).Setup(s.ctx, openingOf(cfg))
	switch {
	case s.ctx.Err() != nil:
		return context.Canceled
	case err != nil:
		return err
	case setup.Script == "":
		s.note("%s has what it needs: nothing to do", s.store)
		return nil
	}
	if err := s.runs(setup.Script, setup.Run, c.AutoApprove, "Run this?"); err != nil {
		return err
	}
	s.note("%s has what it needs now", s.store)
	return nil
}

// openingOf says how to open the store of a configuration.
func openingOf(cfg *config.Config) store.Opening {
	return store.Opening{Settings: cfg.Store.Settings, Cache: cfg.StatePath, Release: release}
}

// storeOf returns the store of the state that a configuration names, which says by warn
// what somebody should look at. It is not asked yet.
func storeOf(cfg *config.Config, warn func(text string)) (*state.Store, error) {
	if cfg.Store.Kind == "" {
		return state.At(cfg.StatePath), nil
	}
	opening := openingOf(cfg)
	opening.Warn = warn
	shared, err := stores.Kind(cfg.Store.Kind).Open(opening)
	if err != nil {
		return nil, err
	}
	return state.On(shared, cfg.StatePath), nil
}

// examineStore tests the store of a state that is elsewhere, as far as that goes without
// its lock.
func (s *session) examineStore(cfg *config.Config) *doctor.Report {
	if cfg.Store.Kind == "" {
		return nil
	}
	r := &doctor.Report{Name: s.store.String(), Kind: cfg.Store.Kind}
	r.Check(doctor.Reach, s.store.String(), func(c *doctor.Check) {
		v, err := s.store.Newest(s.ctx)
		var failure *state.AccessError
		switch {
		case errors.As(err, &failure):
			r.Refused = failure.Refused
			c.Fail(failure.Err.Error(), failure.Advice)
		case err != nil:
			c.Fail(err.Error(), "look into the store")
		case v.Serial == 0:
			c.Pass("it answers, and has no state yet")
		default:
			c.Pass(fmt.Sprintf("it answers, and has version %d of the state", v.Serial), "lineage "+v.Lineage)
		}
	})
	return r
}

type statePullCommand struct {
	File  string `arg:"" optional:"" help:"Where to write it; standard output without it."`
	Older int    `placeholder:"N" help:"The Nth version before the newest, as far as they are kept."`
}

func (statePullCommand) Help() string {
	return `Writes the state as a state file, verified on the way: for a backup, or to look at. It holds addresses: keep it as the state is kept.

Examples:
  rollcall state pull monday.state.jsonl
  rollcall state pull --older 1 before.state.jsonl
  rollcall state pull | head -n 1

Exit codes: 0 done; 1 there is no such version, or it is damaged; 10 the store could not be reached; 12 it refused the credentials; 80 wrong usage; 130 interrupted.`
}

// Validate refuses a version after the newest.
func (c *statePullCommand) Validate() error {
	if c.Older < 0 || c.Older > math.MaxInt32 {
		return errors.New("--older is a number of versions, from 0 on")
	}
	return nil
}

func (c *statePullCommand) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	var st *state.State
	write := func(w io.Writer) (err error) {
		st, err = s.store.Export(s.ctx, c.Older, interruptibleWriter{s.ctx, w})
		return err
	}
	var err error
	switch {
	case c.File == "":
		err = write(s.stdout)
	case s.input(c.File) != "" || s.keeps(c.File) != "":
		return hinted{fmt.Errorf("%s is a file that rollcall keeps or reads", c.File), "name another file"}
	case !state.Replaceable(c.File):
		return hinted{fmt.Errorf("%s is there, and is no state file", c.File), "name another file"}
	default:
		err = writeFile(c.File, write)
	}
	if errors.Is(err, fs.ErrNotExist) && c.Older > 0 {
		return hinted{fmt.Errorf("%s: version %d before the newest is not there", s.store, c.Older), "versions are kept as long as the runs that replaced them: see history_days and history_runs"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no state yet", s.store)
	}
	if err != nil {
		return err
	}
	if c.File != "" {
		s.note("wrote version %d, %s, to %s", st.Serial, counted(len(st.Accounts), "account"), c.File)
	}
	return nil
}

type statePushCommand struct {
	File  string `arg:"" help:"A state file."`
	Force bool   `help:"Take it although it is of another history, or older than the state."`
	approving
}

func (statePushCommand) Help() string {
	return `Puts the accounts of a state file into the state as its next version, as to bring back a backup. A state that was lost gets the file as it is. The file is verified whole. It must be of the same history as the state, and not older: --force takes it all the same, and the next plan makes again what it does not know. Of a console that is elsewhere, the ledger is replaced, and nothing in the console.

It is a run in the history; rollcall undo takes it back where the console is the state.

Examples:
  rollcall state push monday.state.jsonl
  rollcall state push --force monday.state.jsonl

Exit codes: 0 done, or nothing to do; 1 the file cannot be read, is damaged or of another history, nothing was changed; 6 you said no; 10 the store could not be reached; 11 the state is locked; 12 the store refused the credentials; 80 wrong usage; 130 interrupted.`
}

func (c *statePushCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	file, err := state.LoadFile(c.File)
	if err == nil {
		err = file.Verify(c.File)
	}
	if err != nil {
		return err
	}
	lock, err := s.lock("rollcall state push")
	if err != nil {
		return err
	}
	defer s.release(lock)
	if err := s.made(); err != nil {
		return err
	}
	r := s.record(cfg)
	st, err := s.store.Load(s.ctx)
	if lost := (*state.Error)(nil); errors.As(err, &lost) && !s.store.Exists(s.ctx) {
		st, err = &state.State{}, nil // which this command brings back
	}
	if err != nil {
		return err
	}
	if st.Serial == 0 {
		if err := c.asks(s); err != nil {
			return err
		}
		err = c.bringBack(s, r, file)
	} else {
		var changes []plan.AccountChange
		if r.head.Console == "" {
			changes = differences(st.Accounts, file.Accounts)
		}
		if len(changes) == 0 && (r.head.Console == "" || st.Sum == file.Sum) {
			s.announce(fmt.Sprintf("the state is as %s has it: nothing to do", c.File))
			return nil
		}
		if err := c.follows(s, st, file); err != nil {
			return err
		}
		err = c.replace(s, r, st, file, changes)
	}
	if err = r.end(err); err != nil {
		return err
	}
	s.announce(fmt.Sprintf("pushed %s, as run %d", counted(len(file.Accounts), "account"), r.recorder.Number()))
	return nil
}

// bringBack makes a file the state where there is none.
func (c *statePushCommand) bringBack(s *session, r *record, file *state.State) error {
	if err := c.asked(s, fmt.Sprintf("Make version %d of %s, with %s, the state?", file.Serial, c.File, counted(len(file.Accounts), "account"))); err != nil {
		return err
	}
	r.edits(&state.State{Lineage: file.Lineage}, nil)
	if err := r.begin(); err != nil {
		return err
	}
	if err := s.store.Adopt(s.ctx, file, func(next *state.State) error { return r.recorder.Intend(run.Result{}, next) }); err != nil {
		return err
	}
	r.outcome = run.Applied
	return nil
}

// follows is an error if a file is not what the state may become without --force, or
// nobody can be asked.
func (c *statePushCommand) follows(s *session, st, file *state.State) error {
	switch {
	case c.Force:
	case file.Lineage != st.Lineage:
		return hinted{fmt.Errorf("%s is of another history than %s", c.File, s.store), "--force takes it all the same"}
	case file.Serial < st.Serial:
		return hinted{fmt.Errorf("%s is version %d, and %s is at version %d", c.File, file.Serial, s.store, st.Serial), "--force takes it all the same; rollcall state diff " + c.File + " shows what that takes back"}
	}
	return c.asks(s)
}

// replace makes the accounts of a file the next version.
func (c *statePushCommand) replace(s *session, r *record, st, file *state.State, changes []plan.AccountChange) error {
	question := fmt.Sprintf("Replace version %d, with %s, by %s, with %s?", st.Serial, counted(len(st.Accounts), "account"), c.File, counted(len(file.Accounts), "account"))
	r.edits(st, changes)
	if err := c.asked(s, question); err != nil {
		return err
	}
	st.Accounts, st.Placed = slices.Clone(file.Accounts), file.Placed
	return r.save(st, run.Result{Applied: len(changes)}, nil)
}

// asks is an error if somebody has to be asked and nobody can be.
func (c *statePushCommand) asks(s *session) error {
	if !c.AutoApprove && !s.in.Interactive {
		return hinted{errors.New("push asks before it changes anything, and standard input is not a terminal"), "give --auto-approve"}
	}
	return nil
}

func (c *statePushCommand) asked(s *session, question string) error {
	if c.AutoApprove {
		return nil
	}
	return s.ask(question)
}

type stateMigrateCommand struct {
	From string `placeholder:"DIR" help:"The folder of a configuration whose state is moved; without it, the file at path is."`
	approving
}

func (stateMigrateCommand) Help() string {
	return `Copies a state, the history of its runs, the rejections that stand and the notices that wait into the store that the configuration names, which must be empty. Without --from it takes the state file at path, so that a state in a file comes into a store once a block such as postgres stands in the state block. Both are locked, both are verified whole, and each document is read back and compared. Of the source nothing is changed; it must not be used any more. A migration that was ended in the middle goes on when it is run again.

Examples:
  rollcall state migrate
  rollcall state migrate --from ../old

Exit codes: 0 done; 1 the source cannot be read or the store is not empty; 6 you said no; 10 a store could not be reached; 11 one of them is locked; 12 a store refused the credentials; 80 wrong usage; 130 interrupted.`
}

func (c *stateMigrateCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	from, err := c.source(s, cfg)
	if err != nil {
		return err
	}
	defer from.Close()
	if !c.AutoApprove {
		if !s.in.Interactive {
			return hinted{errors.New("migrate asks before it changes anything, and standard input is not a terminal"), "give --auto-approve"}
		}
		if err := s.ask(fmt.Sprintf("Copy %s and its history to %s?", from, s.store)); err != nil {
			return err
		}
	}
	source, err := from.Lock(s.ctx, "rollcall state migrate", s.lockTimeout)
	if err != nil {
		return err
	}
	defer source.Release()
	past, open, err := from.Settle(s.ctx, s.now())
	if err != nil {
		return err
	}
	if past != nil {
		s.note("run %d of %s was killed; the history has it as %s", past.Number, from, past.Outcome)
	}
	if open != nil {
		return hinted{fmt.Errorf("run %d of %s was killed while it changed console %q", open.Number, from, open.Console), "apply with the old configuration once more, which finds out what it has changed"}
	}
	target, err := s.store.Lock(s.ctx, "rollcall state migrate", s.lockTimeout)
	if err != nil {
		return err
	}
	s.locked = target
	defer s.release(target)
	moved, err := state.Migrate(s.ctx, from, s.store, source.Held)
	if err != nil {
		return err
	}
	s.announce(fmt.Sprintf("%s has version %d with %s, and %s", s.store, moved.State.Serial, counted(len(moved.State.Accounts), "account"), counted(moved.Runs, "run")))
	if c.From == "" {
		s.note("%s is the copy from now on; the history in %s is not used any more", from, from.Folders()[0])
	} else {
		s.note("%s must not be used any more", from)
	}
	return nil
}

// source is the store that is moved.
func (c *stateMigrateCommand) source(s *session, cfg *config.Config) (*state.Store, error) {
	if c.From == "" {
		if cfg.Store.Kind == "" {
			return nil, hinted{fmt.Errorf("the state is at %s already", s.store), "name the store to move it to in the state block, or the folder of the configuration to move it from with --from"}
		}
		return state.At(cfg.StatePath), nil
	}
	other, diags := config.Load(c.From, s.now(), knownKinds)
	if diags.HasErrors() {
		if err := s.diagnose(diags); err != nil {
			return nil, err
		}
		return nil, silent{exitFailed}
	}
	from, err := storeOf(other, s.warning)
	if err == nil && from.String() == s.store.String() {
		return nil, hinted{fmt.Errorf("the configuration in %s has the same state, %s", c.From, from), "name the folder of another configuration"}
	}
	return from, err
}

// release gives the lock back, and says if that fails.
func (s *session) release(lock *state.Lock) {
	if err := lock.Release(); err != nil {
		s.say(levelWarning, "could not give the lock of the state back: "+err.Error(), directory.HintOf(err), 0)
	}
}

// warning is warn for a text.
func (s *session) warning(text string) { s.warn("%s", text) }

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type stateCommand struct {
	locking

	List    stateListCommand    `cmd:"" help:"List the accounts."`
	Show    stateShowCommand    `cmd:"" help:"Show the account that holds an address."`
	Import  stateImportCommand  `cmd:"" help:"Import existing accounts from JSON lines or CSV."`
	Rebind  stateRebindCommand  `cmd:"" help:"Bind an account to an object of a directory, by its GUID."`
	Release stateReleaseCommand `cmd:"" help:"Make an account local."`
	Forget  stateForgetCommand  `cmd:"" help:"Drop the record of an inactive account."`
	Remove  stateRemoveCommand  `cmd:"" help:"Remove a local account."`
	Diff    stateDiffCommand    `cmd:"" help:"Show what differs from the version before."`
	Verify  stateVerifyCommand  `cmd:"" help:"Check the state."`
	Unlock  stateUnlockCommand  `cmd:"" help:"Remove a lock that outlived its run."`
	Setup   stateSetupCommand   `cmd:"" group:"setup" help:"Make what the store of a shared state needs."`
	Pull    statePullCommand    `cmd:"" help:"Write the state to a file or to standard output."`
	Push    statePushCommand    `cmd:"" help:"Put the accounts of a state file into the state."`
	Migrate stateMigrateCommand `cmd:"" group:"setup" help:"Move the state and its history to another store."`
}

func (stateCommand) Help() string {
	return `Shows the accounts as they are recorded, and changes what no directory can. A command that changes them does so whole or not at all, under the lock that apply takes. It is a run in the history, and rollcall undo takes it back.

Examples:
  rollcall state list
  rollcall state show ann@example.com
  rollcall state import mailboxes.csv --dry-run

Exit codes: 0 done; 1 failed, nothing was changed; 6 asked, you said no; 10 a directory could not be asked for a GUID; 11 the state is locked; 12 a directory refused the credentials; 80 wrong usage; 130 interrupted. The help of each command says when.`
}

type stateListCommand struct {
	Local  bool    `help:"Only local accounts, which no entry has matched."`
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"accounts" help:"${formats}"`
	separating
	redacting
}

func (stateListCommand) Help() string {
	return `Lists the accounts as recorded, in byte order of their primaries.

Examples:
  rollcall state list
  rollcall state list --local
  rollcall state list -o json | jq -r '.[] | select(.status == "inactive") | .primary'

Exit codes: 0 done; 1 the state cannot be read; 80 wrong usage; 130 interrupted.`
}

func (c *stateListCommand) Run(s *session) error {
	_, st, err := s.state()
	if err != nil {
		return err
	}
	accounts := st.Accounts
	if c.Local {
		accounts = slices.DeleteFunc(slices.Clone(accounts), func(a identity.Account) bool { return !a.Local() })
	}
	accounts = s.redactedAccounts(accounts)
	return accountsReport.write(s, c.Output, accounts, render.TextOptions{})
}

// writeAccounts writes accounts as a JSON array, one a line.
func writeAccounts(w io.Writer, accounts []identity.Account) error {
	line := []byte("[")
	for i := range accounts {
		if i > 0 {
			line = append(line, ',')
		}
		line = accounts[i].AppendJSON(append(line, "\n  "...))
		if _, err := w.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	if len(accounts) > 0 {
		line = append(line, '\n')
	}
	_, err := w.Write(append(line, "]\n"...))
	return err
}

type stateShowCommand struct {
	Address string  `arg:"" help:"A primary or an alias."`
	Output  outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"account" help:"${formats}"`
	separating
	redacting
}

func (stateShowCommand) Help() string {
	return `Shows the account that holds an address, as recorded.

Example:
  rollcall state show ann@example.com

Exit codes: 0 done; 1 no account holds the address, or the state cannot be read; 80 wrong usage; 130 interrupted.`
}

func (c *stateShowCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	spellings, err := spellingsOf(cfg, c.Address)
	if err != nil {
		return err
	}
	st, err := s.store.Holding(s.ctx, spellings...)
	if err != nil {
		return err
	}
	a, err := s.find(cfg, st, c.Address)
	if err != nil {
		return err
	}
	return accountReport.write(s, c.Output, &s.redactedAccounts([]identity.Account{*a})[0], render.TextOptions{})
}

// writeAccount writes an account as one line of JSON.
func writeAccount(w io.Writer, a *identity.Account) error {
	_, err := w.Write(append(a.AppendJSON(nil), '\n'))
	return err
}

// find returns the account that holds the address that a user has typed.
func (s *session) find(cfg *config.Config, st *state.State, text string) (*identity.Account, error) {
	spellings, err := spellingsOf(cfg, text)
	if err != nil {
		return nil, err
	}
	for _, x := range spellings {
		if a := st.Find(x); a != nil {
			return a, nil
		}
	}
	return nil, hinted{fmt.Errorf("no account holds %s", spellings[0]), s.command("state", "list") + " shows all accounts"}
}

// spellingsOf returns the address that a user has typed, and how it may be recorded in
// alias domains.
func spellingsOf(cfg *config.Config, text string) ([]identity.Address, error) {
	x, err := identity.ParseAddress(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%q is not a mail address: %w", text, err)}
	}
	return append([]identity.Address{x}, plan.NewDomains(cfg.Rules.Domains).Spellings(x)...), nil
}

// state loads the configuration and the state that it names.
func (s *session) state() (*config.Config, *state.State, error) {
	cfg, err := s.configuration()
	if err != nil {
		return nil, nil, err
	}
	st, err := s.store.Recall(s.ctx)
	return cfg, st, err
}

// lock takes the lock of the state, and tells whose end left it behind and how
// far that run came.
func (s *session) lock(command string) (*state.Lock, error) {
	lock, err := s.store.Lock(s.ctx, command, s.lockTimeout)
	if locked, ok := errors.AsType[*state.LockedError](err); ok && s.mask != nil {
		masked := *locked
		masked.Holder = s.redactedHolder(locked.Holder)
		err = hinted{&masked, locked.Hint()}
	}
	if err == nil && lock.Left != nil {
		s.note("took over the lock of %s, a run that ended without releasing it", s.redactedHolder(lock.Left))
	}
	if err == nil {
		s.locked = lock
		if err := s.settle(); err != nil {
			lock.Release()
			return nil, err
		}
	}
	return lock, err
}

type stateVerifyCommand struct{}

func (stateVerifyCommand) Help() string {
	return `Checks the state file: its checksum and order, that every line is an account, and that no address and no GUID of one directory is held twice.

Example:
  rollcall state verify

Exit codes: 0 the state is intact; 1 it is not, or cannot be read; 80 wrong usage; 130 interrupted.`
}

func (stateVerifyCommand) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	st, err := s.store.Load(s.ctx)
	if err != nil {
		return err
	}
	if st.Serial == 0 {
		_, err := fmt.Fprintf(s.stdout, "there is no state yet at %s\n", s.store)
		return err
	}
	if err := st.Verify(s.store.String()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is intact: version %d, %s\n", s.store, st.Serial, counted(len(st.Accounts), "account"))
	return err
}

type stateDiffCommand struct {
	File string `arg:"" optional:"" help:"A state file to compare with, in place of the backup."`
	redacting
}

func (stateDiffCommand) Help() string {
	return `Shows how the accounts changed from the version before, which is kept as the backup, or from another state file. Each hunk of the unified diff is about one account and bears its primary; a line is one value.

Examples:
  rollcall state diff
  rollcall state diff monday.state.jsonl

Exit codes: 0 done, whether anything differs or not; 1 a state cannot be read; 80 wrong usage; 130 interrupted.`
}

func (c *stateDiffCommand) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	// The older one first: whatever is written meanwhile, the other is newer.
	from, before, err := c.before(s)
	if err != nil {
		return err
	}
	st, err := s.store.Load(s.ctx)
	if err != nil {
		return err
	}
	if before.Lineage != "" && before.Lineage != st.Lineage {
		s.warn("%s is of another history than %s", from, s.store)
	}
	return render.AccountsDiff(interruptibleWriter{s.ctx, s.stdout}, versionOf(from, before), versionOf(s.store.String(), st),
		s.redactedAccounts(before.Accounts), s.redactedAccounts(st.Accounts), s.out.Color)
}

// before returns the state to compare with, and its path. The first version
// has nothing before it.
func (c *stateDiffCommand) before(s *session) (string, *state.State, error) {
	if c.File != "" {
		st, err := state.LoadFile(c.File)
		return c.File, st, err
	}
	st, path, err := s.store.LoadBackup(s.ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return path, st, err
	}
	now, err := s.store.Load(s.ctx)
	if err == nil && now.Serial > 1 {
		err = hinted{fmt.Errorf("there is no backup at %s", path), "name another state file to compare with"}
	}
	return os.DevNull, &state.State{}, err
}

// versionOf names a state file as the head of a diff does.
func versionOf(path string, st *state.State) string {
	path = render.Escape(path)
	if st.Serial == 0 {
		return path
	}
	return fmt.Sprintf("%s\tversion %d of %s", path, st.Serial, st.Written.Format(time.RFC3339))
}

type stateUnlockCommand struct {
	approving
}

func (stateUnlockCommand) Help() string {
	return `Removes the lock of a run that has ended. This is rarely needed: the lock of a file goes with its process, and that of a database or a bucket ends by itself after the lease, which the error says. Only some network file systems keep it, when the host that had it went down, and stores behind HTTP. The holder is shown; if its process is there on this host, the lock stays. Make sure that no run goes on elsewhere: with files, two runs writing at once would overwrite each other; in a database, the other stops before its next change.

Examples:
  rollcall state unlock
  rollcall state unlock --auto-approve

Exit codes: 0 the lock is free; 1 it cannot be removed; 6 you said no; 11 the lock stays: its holder is at work or unknown, or nobody could be asked; 80 wrong usage; 130 interrupted.`
}

func (c *stateUnlockCommand) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	lock, err := s.lock("rollcall state unlock")
	if err == nil {
		if err := lock.Release(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.stdout, "the lock is free")
		return err
	}
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.Running() {
		return err
	}
	if !c.AutoApprove {
		if !s.in.Interactive {
			return hinted{fmt.Errorf("%w; unlock asks before it removes the lock, and standard input is not a terminal", err), "give --auto-approve"}
		}
		s.note("%v", err)
		if err := s.ask("Has that run ended, and should its lock be removed?"); err != nil {
			return err
		}
	}
	if err := s.store.Unlock(s.ctx, locked.Holder); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "removed the lock of %s\n", render.Escape(locked.Holder.String()))
	return err
}

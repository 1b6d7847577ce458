package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type stateImportCommand struct {
	File     string `arg:"" help:"JSON lines, a JSON array, or CSV with a header."`
	DryRun   bool   `help:"Show what would be done, and change nothing."`
	NewState bool   `help:"Begin with an empty state although the history says that there was one."`
	approving
}

func (stateImportCommand) Help() string {
	return `Takes over accounts that the console has already, so that a plan finds them. Only "primary" is required. CSV columns bear the names of the JSON keys; PrimarySMTPAddress and GUID of mailbox exports are understood. Everything is checked before anything is changed, and an account that is there already, the same in every field, is skipped.

A file with the columns PrimarySMTPAddress and GUID alone, as mailbox exports are, repairs changed GUIDs as well: an account with that primary and another GUID gets the GUID of the file, and keeps everything else. Each of them is shown. Where accounts of a directory get another owner so, import asks before it writes, and warns if the directory does not know the GUIDs: ExchangeGuid is not the objectGUID of the user.

Examples:
  rollcall state import accounts.jsonl
  rollcall state import mailboxes.csv --dry-run
  rollcall state import mailboxes.csv --auto-approve

Exit codes: 0 done; 1 the file or the state cannot be read, a line cannot be taken, or nobody could be asked, nothing was changed; 6 you said no; 11 the state is locked; 80 wrong usage; 130 interrupted.`
}

func (c *stateImportCommand) Run(s *session) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.DryRun {
		return c.dry(s, f)
	}
	return s.edit(editing{command: "rollcall state import", approved: c.AutoApprove, anew: c.NewState, local: true}, func(cfg *config.Config, st *state.State) (edited, error) {
		m, err := c.merge(s, cfg, st, f)
		if err != nil {
			return edited{}, err
		}
		e := edited{done: fmt.Sprintf("imported %s; ", counted(len(m.Added), "account"))}
		if n := len(m.Repaired); n > 0 {
			e.done += counted(n, "GUID") + " repaired; "
		}
		e.done += fmt.Sprintf("%s there already", plan.Thousands(m.Same))
		if n := len(owned(m.Repaired)); n > 0 {
			e.question = fmt.Sprintf("Give %s another owner?", counted(n, "account"))
			e.refusal = hinted{fmt.Errorf("the import would give %s another owner; it asks before that, and standard input is not a terminal", counted(n, "account")),
				"look at them with --dry-run, then give --auto-approve"}
		}
		return e, nil
	})
}

// dry shows what an import would do.
func (c *stateImportCommand) dry(s *session, f io.Reader) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	st, err := reading{NewState: c.NewState}.state(s)
	if err != nil {
		return err
	}
	m, err := c.merge(s, cfg, st, f)
	if err != nil {
		return err
	}
	if err := render.Accounts(s.stdout, m.Added, render.TextOptions{Width: s.out.Width, Color: s.out.Color}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "would import %s and repair %s; %s there already; nothing was changed\n",
		counted(len(m.Added), "account"), counted(len(m.Repaired), "GUID"), plan.Thousands(m.Same))
	return err
}

// merge imports into a state that is not written yet, and shows the repairs.
func (c *stateImportCommand) merge(s *session, cfg *config.Config, st *state.State, f io.Reader) (*state.Merged, error) {
	m, err := st.Import(c.File, interruptible{s.ctx, f})
	if err != nil {
		return nil, err
	}
	c.misspelt(s, cfg, m.Added)
	repaired := make([]render.Binding, len(m.Repaired))
	for i, r := range m.Repaired {
		repaired[i] = render.Binding(r)
	}
	if err := render.Bindings(s.stdout, repaired, render.TextOptions{Width: s.out.Width, Color: s.out.Color}); err != nil {
		return nil, err
	}
	return m, s.strange(cfg, owned(m.Repaired))
}

// misspelt warns of attributes that no scope reads, where something else has nearly
// the same name: of a column of CSV, whatever its name is, comes an attribute.
func (c *stateImportCommand) misspelt(s *session, cfg *config.Config, added []identity.Account) {
	read := attributesRead(cfg)
	seen := map[string]bool{}
	for i := range added {
		for _, a := range added[i].Attributes {
			seen[a.Name] = seen[a.Name] || !slices.Contains(read, a.Name)
		}
	}
	const shortest = 4 // of a name that may be misspelt: cn is not dn, nor uid guid
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if near := words.Nearest(name, append(state.AccountFields(), read...)); seen[name] && near != "" && len(name) >= shortest {
			s.warn("%s: no scope reads the attribute %q; did you mean %q?", c.File, name, near)
		}
	}
}

// owned returns the repairs of accounts that a directory owns.
func owned(all []state.Repair) (owned []state.Repair) {
	for _, r := range all {
		if r.Directory != "" {
			owned = append(owned, r)
		}
	}
	return owned
}

// interruptible is a reader that ends with its context.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

type stateRebindCommand struct {
	Address   string `arg:"" help:"A primary or an alias of the account."`
	GUID      string `arg:"" name:"guid" help:"The new GUID in any spelling: with hyphens, in braces, 32 hex digits, or Base64 (an immutable ID); of a CSV directory also any text in guid_attribute, such as an employee number."`
	Directory string `placeholder:"NAME" help:"The directory that has the GUID. By default that of the account, or, for a local account, the one that turns out to have it."`
	Unchecked bool   `help:"Do not ask the directory whether it has the GUID."`
	approving
}

func (stateRebindCommand) Help() string {
	return `Gives an account the GUID that its person has now, after the object was created anew, so that the next plan matches the two. The directory is asked whether it has the GUID. A local account gets an owner this way.

Examples:
  rollcall state rebind ann@example.com MsNKjF+XF0ete7pKTpaP/w==
  rollcall state rebind ann@example.com 8c4ac332-975f-4717-ad7b-ba4a4e968fff --directory corp
  rollcall state rebind ann@example.com 4711 --directory hr

Exit codes: 0 done; 1 no such account, it is on legal hold, another one has the GUID, or no directory has it, nothing was changed; 6 you said no; 10 the directory could not be asked; 11 the state is locked; 12 the directory refused the credentials; 80 wrong usage; 130 interrupted.`
}

func (c *stateRebindCommand) Run(s *session) error {
	return s.edit(editing{command: "rollcall state rebind", approved: c.AutoApprove}, func(cfg *config.Config, st *state.State) (edited, error) {
		if err := c.understood(cfg); err != nil {
			return edited{}, err
		}
		a, err := s.find(cfg, st, c.Address)
		if err != nil {
			return edited{}, err
		}
		if err := s.onHold(cfg, a); err != nil {
			return edited{}, err
		}
		was, old := a.Directory, a.GUID
		if guid, err := c.in(cfg, was); err == nil && old == guid && was != "" && (c.Directory == "" || c.Directory == was) {
			return edited{done: fmt.Sprintf("%s has GUID %s already", a.Primary, guid), decides: a.Primary}, nil
		}
		owner, guid, err := c.owner(s, cfg, a)
		if err == nil {
			err = st.Rebind(a, owner, guid)
		}
		if err != nil {
			return edited{}, err
		}
		e := edited{question: fmt.Sprintf("Make GUID %s of directory %q the owner of %s?", guid, owner, a.Primary)}
		switch was {
		case owner:
			e.done = fmt.Sprintf("%s: GUID %s is now %s", a.Primary, old, guid)
		case "":
			e.done = fmt.Sprintf("%s: the owner is now GUID %s of directory %q", a.Primary, guid, owner)
		default:
			e.done = fmt.Sprintf("%s: the owner, GUID %s of directory %q, is now %s of directory %q", a.Primary, old, was, guid, owner)
		}
		return e, nil
	})
}

type stateReleaseCommand struct {
	Address string `arg:"" help:"A primary or an alias of the account."`
	approving
}

func (stateReleaseCommand) Help() string {
	return `Makes an account local: no directory owns it any longer, and no plan touches it unless an entry adopts it. A local account that records a GUID, as an import may have given it, drops that.

Example:
  rollcall state release ann@example.com

Exit codes: 0 done; 1 no such account, or it is local or on legal hold, nothing was changed; 6 you said no; 11 the state is locked; 80 wrong usage; 130 interrupted.`
}

func (c *stateReleaseCommand) Run(s *session) error {
	return s.edit(editing{command: "rollcall state release", approved: c.AutoApprove}, func(cfg *config.Config, st *state.State) (edited, error) {
		a, err := s.find(cfg, st, c.Address)
		if err == nil {
			err = s.onHold(cfg, a)
		}
		if err != nil {
			return edited{}, err
		}
		e := edited{
			done:     a.Primary.String() + " is local now",
			question: fmt.Sprintf("Make %s local, so that directory %q no longer owns it?", a.Primary, a.Directory),
		}
		if a.Local() {
			e = edited{done: fmt.Sprintf("%s no longer records GUID %s", a.Primary, a.GUID)}
		}
		return e, st.Release(a)
	})
}

type stateForgetCommand struct {
	Address string `arg:"" help:"The primary of the account."`
}

func (stateForgetCommand) Help() string {
	return `Drops the record of an inactive account, so that its address is free for everybody.

Example:
  rollcall state forget ann@example.com

Exit codes: 0 done; 1 no such account, or it is active or on legal hold, nothing was changed; 11 the state is locked; 80 wrong usage; 130 interrupted.`
}

func (c *stateForgetCommand) Run(s *session) error {
	return s.edit(editing{command: "rollcall state forget"}, func(cfg *config.Config, st *state.State) (edited, error) {
		a, err := s.find(cfg, st, c.Address)
		if err == nil {
			err = s.onHold(cfg, a)
		}
		if err != nil {
			return edited{}, err
		}
		primary, local := a.Primary.String(), a.Local()
		if err = st.Forget(a); err != nil && local {
			err = hinted{err, s.command("state", "remove", primary) + " removes a local account"}
		} else if err != nil {
			err = hinted{err, "it goes when its entry does; " + s.command("explain", primary) + " shows which one that is"}
		}
		return edited{done: primary + " is forgotten"}, err
	})
}

type stateRemoveCommand struct {
	Address string `arg:"" help:"A primary or an alias of the account."`
	approving
}

func (stateRemoveCommand) Help() string {
	return `Removes a local account, such as one that an import has brought and nobody needs. Its addresses are free for everybody then. An account of a directory goes when its entry does; rollcall state release makes it local.

Examples:
  rollcall state list --local
  rollcall state remove old-printer@example.com

Exit codes: 0 done; 1 no such account, or a directory owns it, or it is on legal hold or protected, nothing was changed; 6 you said no; 11 the state is locked; 80 wrong usage; 130 interrupted.`
}

func (c *stateRemoveCommand) Run(s *session) error {
	return s.edit(editing{command: "rollcall state remove", approved: c.AutoApprove, local: true}, func(cfg *config.Config, st *state.State) (edited, error) {
		a, err := s.find(cfg, st, c.Address)
		if err == nil {
			err = errors.Join(s.onHold(cfg, a), s.protected(cfg, a))
		}
		if err != nil {
			return edited{}, err
		}
		primary := a.Primary.String()
		with := ""
		if n := len(a.Aliases); n > 0 {
			with = " and " + oneOrMany(n, "alias", "aliases")
		}
		if err = st.Remove(a); err != nil {
			err = hinted{err, s.command("state", "release", primary) + " makes it local"}
		}
		return edited{done: primary + " is removed", question: fmt.Sprintf("Remove %s%s?", primary, with)}, err
	})
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// connect opens the console of a configuration, once in a session, which closes it
// in the end. Who holds the lock of the state may change it.
func (s *session) connect(cfg *config.Config, ledger []identity.Account) (console.Target, error) {
	if s.console != nil {
		return s.console, nil
	}
	c := cfg.Console
	o := console.Opening{
		Label: c.Name, Settings: c.Settings, Owner: c.Owner, Domains: ownDomains(&cfg.Rules), Release: release,
		Timeout: c.Timeout, Concurrency: c.Concurrency, Ledger: ledger,
		Log:      func(line string) { s.note("console %q: %s", c.Name, s.said(line)) },
		Progress: func(text string) { s.note("console %q: %s", c.Name, s.said(text)) },
	}
	if s.locked != nil {
		o.LockFile = consoleLock(cfg.StatePath)
	}
	target, err := consoles.Kind(c.Kind).Open(s.ctx, o)
	if s.ctx.Err() != nil {
		return nil, context.Canceled
	}
	if err != nil {
		return nil, err
	}
	s.console = target
	return target, nil
}

// consoleLock is the file that a run holds, and what it starts to change the
// console.
func consoleLock(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".console" }

// hangUp closes what a command has used: the state, and the console.
func (s *session) hangUp() {
	for _, rows := range s.rows {
		rows.Close()
	}
	if s.console == nil {
		return
	}
	if err := s.console.Close(); err != nil {
		s.warn("%s", s.errorText(err))
	}
	s.console = nil
}

// ownDomains are the domains that the configuration declares and that are neither
// public nor ignored, with those that are rewritten to them, sorted.
func ownDomains(rules *plan.Rules) (names []string) {
	for i := range rules.Domains {
		if d := &rules.Domains[i]; !d.Public && !d.Ignore {
			names = append(append(names, d.Name), d.Aliases...)
		}
	}
	slices.Sort(names)
	return names
}

// see reads the console and merges it with the ledger.
func (s *session) see(cfg *config.Config, st *recorded, flags reading, progress *render.Progress) (*console.View, error) {
	c := cfg.Console
	kind := consoles.Kind(c.Kind)
	if kind.Embedded {
		if err := s.made(); err != nil {
			return nil, err
		}
		if n := len(st.Placed); n > 0 {
			return nil, hinted{fmt.Errorf("%s in another console, and the configuration has no console block", oneOrMany(n, "account of the state is", "accounts of the state are")),
				"put the console block back; to continue without it, begin another state with path in the state block"}
		}
		target, err := s.connect(cfg, st.Accounts)
		if err != nil {
			return nil, err
		}
		return console.Embedded(st.Accounts, c.Name, c.Kind, target.Facts()), nil
	}
	var live []identity.Live
	var receipt plan.ConsoleReceipt
	var ledger string
	var read time.Time // when the read began: what is seen is as old as that
	for again := time.Duration(1); again > 0; {
		var err error
		read = s.now()
		if ledger, err = s.ledgerOf(cfg, st, flags, progress); err != nil {
			return nil, err
		}
		if live, receipt, err = s.live(cfg, flags.Snapshot, read, progress); err != nil {
			return nil, err
		}
		if again, err = s.makeOut(cfg, st, live, &receipt.Facts, read); err != nil {
			return nil, err
		}
	}
	v := console.See(live, receipt, merging(cfg, st, read))
	v.Ledger = ledger
	for _, g := range v.GoneBeyond(cfg.Rules.Limits) {
		if !flags.AllowEmpty {
			return nil, &console.ReadError{Console: c.Name, Advice: "check that the login sees all accounts of the console; if these are really gone, plan and apply with --allow-empty",
				Err: fmt.Errorf("%s of %s accounts of directory %q are no longer there (limit %s)", plan.Thousands(g.Count), plan.Thousands(g.Of), g.Directory, plan.Thousands(g.Bound))}
		}
	}
	return v, nil
}

// live reads all accounts of a console that is not the state, or those that a
// snapshot of it has. Who may change the console reads itself in any case. It was begun at
// a time.
func (s *session) live(cfg *config.Config, snapshot string, begun time.Time, progress *render.Progress) (live []identity.Live, receipt plan.ConsoleReceipt, err error) {
	c := cfg.Console
	switch {
	case s.seen != nil:
		return s.seen.Live, s.seen.Receipt, nil
	case snapshot != "" && s.locked == nil:
		path := filepath.Join(snapshot, savedConsole)
		s.inputs = append(s.inputs, path)
		return readSavedConsole(c, path)
	}
	target, err := s.connect(cfg, nil)
	if err != nil {
		return nil, receipt, err
	}
	task := "reading console " + c.Name
	progress.Update(task, "accounts", 0)
	live, receipt, err = console.Read(s.ctx, target, c.Name, c.Kind, begun, s.now, func(n int) { progress.Update(task, "accounts", n) })
	progress.Clear()
	return live, receipt, err
}

// savedConsole is the file of a snapshot that has the accounts of the console.
const savedConsole = "console.accounts.jsonl"

// readSavedConsole reads the accounts of a console from a snapshot.
func readSavedConsole(c *config.Console, path string) (live []identity.Live, receipt plan.ConsoleReceipt, err error) {
	failed := func(err error) error {
		return &console.ReadError{Console: c.Name, Err: fmt.Errorf("the snapshot: %w", err), Advice: "make a new one: rollcall snapshot saves the console, too"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, receipt, failed(err)
	}
	defer f.Close()
	saved, err := wire.ReadAccounts(bufio.NewReaderSize(f, 1<<20), func(l identity.Live) error {
		live = append(compact.Grown(live), l)
		return nil
	})
	if err != nil {
		return nil, receipt, failed(fmt.Errorf("%s: %w", path, err))
	}
	if saved.Name != c.Name || saved.Kind != c.Kind {
		return nil, receipt, failed(fmt.Errorf("%s: it is of console %q of kind %q", path, saved.Name, saved.Kind))
	}
	return live, plan.ConsoleReceipt{Name: c.Name, Kind: c.Kind, Product: saved.Product, Version: saved.Version, Accounts: len(live), Facts: saved.Facts}, nil
}

// consider gives an input what the console has, and a header what is to be said of
// it.
func (s *session) consider(cfg *config.Config, v *console.View, in *plan.Input, p *plan.Header) error {
	in.Accounts, in.Facts = v.Accounts, v.Receipt.Facts
	p.Console, p.ConfigDigest = &v.Receipt, digest(cfg, &v.Receipt.Facts)
	if v.Receipt.Facts.Embedded {
		return nil
	}
	in.Merged = v.Merged
	for _, note := range v.Notes {
		p.Warnings = append(p.Warnings, fmt.Sprintf("console %q: %s", cfg.Console.Name, note))
	}
	blocked, err := s.blocked(&v.Receipt.Facts)
	in.Blocked = blocked
	return err
}

// blocked returns the addresses of accounts that runs have removed from a console
// which gives them to nobody for a while, and until when.
func (s *session) blocked(f *plan.Facts) (map[identity.Address]time.Time, error) {
	if f.DeletedBlocks == 0 {
		return nil, nil
	}
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return nil, err
	}
	all := map[identity.Address]time.Time{}
	for i := range runs {
		past := &runs[i]
		until := past.Started.Add(f.DeletedBlocks)
		if past.Ended != nil {
			until = past.Ended.Add(f.DeletedBlocks)
		}
		if !past.Outcome.Changed() || !until.After(s.now()) {
			continue
		}
		_, err := s.store.Run(s.ctx, past.Number, func(c *identity.Change) {
			if after := c.Result(); c.Before != nil && c.Before.Active() && (after == nil || f.Removes && !after.Active()) {
				c.Before.EachAddress(func(x identity.Address) { all[x] = until })
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// merging says with what the accounts of a console are merged.
func merging(cfg *config.Config, st *recorded, now time.Time) plan.Merging {
	return plan.Merging{Ledger: st.Accounts, Placed: st.Placed, By: cfg.Console.Owner, Directories: cfg.Rules.Directories, Attributes: attributesRead(cfg), Now: now}
}

// attributesRead are the names of the attributes that some scope reads, sorted.
func attributesRead(cfg *config.Config) []string {
	names := map[string]bool{}
	for i := range cfg.Scopes {
		for _, a := range cfg.Scopes[i].Attributes {
			names[a.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// digest is that of the configuration and of what its console can do for accounts.
func digest(cfg *config.Config, facts *plan.Facts) string {
	if facts == nil || facts.Embedded {
		return cfg.Digest()
	}
	f := *facts
	f.Ledger = false // by which no plan is another
	return cfg.Digest(string(f.AppendJSON(nil)))
}

// factsOf are those of the console that a plan was made on, or nil.
func factsOf(p *plan.Plan) *plan.Facts {
	if p.Console == nil || p.Console.Kind == config.Local {
		return nil
	}
	return &p.Console.Facts
}

// verifies reports whether what was changed is read again: where the configuration
// says so, or else wherever accounts can be looked up outside the state.
func verifies(c *config.Console, facts *plan.Facts) bool {
	if c.Verify != nil {
		return *c.Verify
	}
	return !facts.Embedded
}

// lockedWriter is a stream that several goroutines write lines to.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// rehearsed is the view of a console with facts that a test gives: ledger and
// console both have the accounts, as they would after an apply.
func rehearsed(cfg *config.Config, accounts []identity.Account, facts *plan.Facts, now time.Time) *console.View {
	st := &recorded{State: &state.State{Placed: map[identity.Address]identity.Placed{}}}
	var live []identity.Live
	for i := range accounts {
		a := &accounts[i]
		l := identity.Live{Account: *a, Ref: fmt.Sprintf("test-%d", i+1)}
		l.Directory, l.GUID = "", identity.GUID{}
		there := !facts.Removes || a.Active()
		if !a.Local() {
			st.Accounts = append(st.Accounts, *a)
			placed := identity.Placed{Applied: now.Add(-facts.Settles - time.Second)}
			if there {
				placed.Ref = l.Ref
			}
			st.Placed[a.Primary] = placed
			if facts.Marks {
				l.Mark = identity.Mark{By: cfg.Console.Owner, Directory: a.Directory, GUID: a.GUID}
			}
		}
		if there {
			live = append(live, l)
		}
	}
	receipt := plan.ConsoleReceipt{Name: cfg.Console.Name, Kind: cfg.Console.Kind, Accounts: len(live), Facts: *facts}
	return console.See(live, receipt, merging(cfg, st, now))
}

package main

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/partial"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// A plan of all can be made of a part, where directories are followed and the state is the
// console: see package partial. Whatever is not certain to be the same so is planned whole.

// shares of the entries and accounts that a part may have. A larger one costs as much.
const (
	mostPartPercent = 3
	mostPart        = 2000
)

// mostRuns is how many runs a plan looks through for what they have changed.
const mostRuns = 50

// largest is how much a part may have, beside so many accounts in all.
func largest(accounts int) int { return max(mostPart, accounts*mostPartPercent/100) }

// parted is what a plan of a part needs beside what has changed.
type parted struct {
	base *partial.Base
	rows *state.Rows
	gone []identity.Account
	come []identity.Account
}

// partly reports whether the configuration is one whose plans can be made of a part.
func (s *session) partly(cfg *config.Config, flags reading) bool {
	return consoles.Kind(cfg.Console.Kind).Embedded && len(cfg.Prerequisites) == 0 && !flags.NewState && s.copies == nil &&
		len(flags.Only)+len(flags.Except)+len(flags.Directory) == 0 && flags.Snapshot == ""
}

// parted opens what a plan of a part needs; nil where it cannot be one.
func (s *session) parted(cfg *config.Config, flags reading) *parted {
	if !s.partly(cfg, flags) || flags.Full || s.unsettled != nil {
		return nil
	}
	base, err := partial.Open(partial.BaseName(cfg.StatePath))
	if err != nil || base.Large || base.Made.Release != release || base.Made.Config != cfg.Digest() {
		return nil
	}
	holds := cfg.Rules.Holds
	if slices.ContainsFunc(holds, func(g plan.Guard) bool { return g.Over(base.At) != g.Over(s.now()) }) {
		return nil
	}
	p := &parted{base: base}
	if p.rows, err = s.store.Rows(s.ctx); err != nil {
		return nil
	}
	s.rows = append(s.rows, p.rows)
	if !s.since(cfg, p) {
		return nil
	}
	return p
}

// since finds out from the history which accounts have changed since the base, and reports
// whether that is certain.
func (s *session) since(cfg *config.Config, p *parted) bool {
	if p.rows.Lineage != p.base.Made.Lineage {
		return false
	}
	runs, err := s.store.RunsAfter(s.ctx, p.base.Run)
	if err != nil {
		return false
	}
	if len(runs) > mostRuns {
		return false
	}
	serial, sum := p.base.Serial, p.base.Sum
	var changes partial.Changes
	for i := range runs {
		past := &runs[i]
		if past.Outcome == run.Damaged || past.Outcome == run.Unfinished || !hasAllOf(cfg, past) {
			return false
		}
		if !past.Outcome.Changed() || past.SerialAfter == past.Serial {
			continue
		}
		if past.Serial != serial || past.LineageAfter != p.rows.Lineage {
			return false
		}
		serial, sum = past.SerialAfter, past.StateAfter
		var all []identity.Change
		if _, err := s.store.Run(s.ctx, past.Number, func(c *identity.Change) { all = append(all, *c) }); err != nil {
			return false
		}
		changes.Add(all)
	}
	p.gone, p.come = changes.Net()
	return serial == p.rows.Serial && sum == p.rows.Sum
}

// hasAllOf reports whether a configuration has all scopes and domains that a run knew, if
// that read directories.
func hasAllOf(cfg *config.Config, past *run.Run) bool {
	if past == nil || !past.Reads() {
		return true
	}
	lost := func(before run.Scope) bool {
		return !slices.ContainsFunc(cfg.Scopes, func(c config.Scope) bool { return c.Name == before.Name })
	}
	same := func(a, b run.Domain) bool {
		return a.Name == b.Name && a.Kind == b.Kind && slices.Equal(a.Aliases, b.Aliases)
	}
	return !slices.ContainsFunc(past.Scopes, lost) && slices.EqualFunc(past.Domains, domainsOf(cfg), same)
}

// planPart makes the plan of a part, and gives it what gather gives others; nil where all
// has to be planned.
func (s *session) planPart(cfg *config.Config, p *parted, read *followed.Reading, in plan.Input, header plan.Header, flags reading) (*gathered, error) {
	delta := read.Delta()
	if delta == nil || delta.ID != p.base.Entries {
		return nil, nil
	}
	domains := plan.NewDomains(cfg.Rules.Domains)
	world := partial.World{
		Canonical: domains.Canonical, Kept: delta.Find, Held: p.rows.Find,
		Touched: delta.Touched, Fresh: delta.Fresh, Objects: delta.Objects, Gone: p.gone, Come: p.come,
	}
	part, err := world.Find(&p.base.Earlier, largest(p.base.Sums.Accounts))
	if err != nil {
		return nil, nil
	}
	if odd := func(a identity.Account) bool {
		other := false
		a.EachAddress(func(x identity.Address) { other = other || domains.Canonical(x) != x })
		return other
	}; slices.ContainsFunc(part.Is.Accounts, odd) {
		return nil, nil
	}
	target, err := consoles.Kind(cfg.Console.Kind).Open(s.ctx, console.Opening{Label: cfg.Console.Name})
	if err != nil {
		return nil, nil
	}
	in.Facts = target.Facts()
	result, err := part.Compute(in, &p.base.Earlier, p.base.At)
	if err != nil || result.MassLeaving() {
		return nil, nil
	}
	sums := p.base.Sums
	for _, half := range [...]struct {
		accounts []identity.Account
		sign     int
	}{{part.Was.Accounts, -1}, {part.Is.Accounts, 1}} {
		for i := range half.accounts {
			a := &half.accounts[i]
			sums.Accounts += half.sign
			if a.Local() {
				sums.Local += half.sign
			}
			if a.Active() && !a.Local() {
				sums.Recorded[a.Directory] += half.sign
			}
		}
	}
	reading := directory.Reading{Directories: directories(cfg), Canonical: domains.Canonical}
	now, known := p.base.Tally.Changed(tallyOf(reading, domains, &part.Was), tallyOf(reading, domains, &part.Is))
	if !known {
		return nil, nil
	}
	header.Directories = slices.Clone(read.Receipts)
	reading.Entries, reading.Accounts = heeded(domains, identity.Entries{Whole: part.Is.Entries}), part.Is.Accounts
	missing := []string{}
	for i := range header.Directories {
		g := reading.GapsOf(now, &header.Directories[i])
		if err := g.Err(); err != nil && !flags.AllowEmpty {
			return nil, err
		}
		missing = append(missing, g.Warnings()...)
	}
	st, err := p.rows.Part(part.Is.Accounts)
	if err != nil {
		return nil, nil
	}
	view, err := s.see(cfg, &recorded{State: st}, flags, nil)
	if err != nil {
		return nil, err
	}
	if err := s.consider(cfg, view, &in, &header); err != nil {
		return nil, err
	}
	view.Receipt.Accounts, view.Receipt.Local, view.Receipt.Owned = sums.Accounts, sums.Local, sums.Accounts-sums.Local
	in.Entries = part.Is.Entries
	if err := unfenced(cfg, &view.Receipt.Facts); err != nil {
		header.Warnings = append(header.Warnings, err.Error()+": nothing can be applied")
	}
	header.Lineage, header.Serial, header.StateSum = p.rows.Lineage, p.rows.Serial, p.rows.Sum
	header.Warnings = slices.Concat(header.Warnings, missing, undeclared(cfg, sums.Recorded))
	return &gathered{in: in, header: header, state: &recorded{State: st}, view: view, plan: result}, nil
}

// tallyOf counts the half of a part.
func tallyOf(of directory.Reading, domains *plan.Domains, half *partial.Half) directory.Tally {
	of.Entries, of.Accounts = heeded(domains, identity.Entries{Whole: half.Entries}), half.Accounts
	return of.Tally(true)
}

// countable reports whether the plan of what was read can be one that others go on from,
// and is not known to speak of too much for that.
func (s *session) countable(cfg *config.Config, read *followed.Reading, flags reading) bool {
	if !s.partly(cfg, flags) || !read.Followed() || !hasAllOf(cfg, s.lastApplied()) {
		return false
	}
	base, err := partial.Open(partial.BaseName(cfg.StatePath))
	return err != nil || !base.Large || base.Entries != read.ID()
}

// keepRead keeps what was read for the next plan, and what is planned of it.
func (s *session) keepRead(cfg *config.Config, read *followed.Reading, g *gathered, last int) (bool, error) {
	id, err := read.Keep(g.in.Count)
	if err != nil || id == "" || !g.in.Count {
		return false, err
	}
	planned := <-g.planned
	objects, listed := read.Objects(), g.in.Listed()
	if planned == nil || len(objects) != listed.Len() {
		return false, nil
	}
	spoken := planned.Spoken
	domains := plan.NewDomains(cfg.Rules.Domains)
	of := directory.Reading{Directories: directories(cfg), Canonical: domains.Canonical, Accounts: g.in.Accounts, Entries: heeded(domains, listed)}
	base := partial.Base{
		Made: followed.Made{Release: release, Config: cfg.Digest(), Lineage: g.header.Lineage}, Entries: id,
		Serial: g.header.Serial, Sum: g.header.StateSum, At: g.in.Now, Tally: of.Tally(false), Run: last,
		Earlier: partial.Earlier{Sums: planned.Sums},
	}
	if base.Large = len(spoken.Entries)+len(spoken.Accounts) > largest(len(g.in.Accounts)); base.Large {
		spoken = plan.Spoken{}
	}
	for _, i := range spoken.Entries {
		base.Objects = append(base.Objects, objects[i])
	}
	for _, a := range spoken.Accounts {
		base.Primaries = append(base.Primaries, g.in.Accounts[a].Primary)
	}
	if err := base.Save(partial.BaseName(cfg.StatePath)); err != nil {
		return false, fmt.Errorf("what the plan counts: %w", err)
	}
	return true, nil
}

package main

import (
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/state"
)

// ledgerOf returns the lineage of the state to which the accounts of the owner belong,
// as the console has it; "" for none, and for one that remembers none or is not read. It
// is an error if that is another state than this one, unless a new one takes over.
func (s *session) ledgerOf(cfg *config.Config, st *recorded, flags reading, progress *render.Progress) (string, error) {
	if s.seen != nil || flags.Snapshot != "" && s.locked == nil {
		return "", nil // nobody asks the console
	}
	target, err := s.connect(cfg, nil)
	if err != nil {
		return "", err
	}
	ledgers := console.LedgeredOf(target)
	if ledgers == nil {
		return "", nil
	}
	progress.Update("reading console "+cfg.Console.Name, "accounts", 0)
	lineage, err := ledgers.Ledger(s.ctx)
	progress.Clear()
	if err != nil {
		return "", err
	}
	if !flags.NewState {
		err = s.otherState(cfg, st.State, lineage)
	}
	return lineage, err
}

// otherState is an error if the accounts of the owner belong to a state of another
// lineage; "" is none. A state that is empty and was never written is another one.
func (s *session) otherState(cfg *config.Config, st *state.State, lineage string) error {
	if lineage == "" || lineage == st.Lineage {
		return nil
	}
	c := cfg.Console
	another, this, begin := "another state", "there is no state here yet", "begin anew with --new-state"
	if strings.Contains(lineage, " ") {
		another = "several states"
	}
	if st.Lineage != "" {
		this = "this one is " + s.shortLineage(st.Lineage)
	}
	if len(st.Accounts) > 0 {
		begin = "move this state away and begin anew with --new-state"
	}
	return hinted{fmt.Errorf("console %q: the accounts of owner %q belong to %s, %s, and %s", c.Name, c.Owner, another, s.shortLineage(lineage), this),
		"if the other state is gone, " + begin + ", which takes the console over; otherwise give this configuration another owner"}
}

// shortLineage is enough of a lineage, or of several, to tell it from another one. What is
// none, somebody has written into the console by hand.
func (s *session) shortLineage(lineage string) string {
	const shown = 8
	var all []string
	for l := range strings.FieldsSeq(lineage) {
		if !console.IsLineage(l) {
			return fmt.Sprintf("%q", s.said(lineage))
		}
		all = append(all, l[:shown])
	}
	return strings.Join(all, " and ")
}

// claim has the console remember that the accounts of the owner belong to this state, as
// long as it has what was read. A state that has no lineage yet is written first: if the
// run ends in between, the next one claims.
func (s *session) claim(cfg *config.Config, m *made) error {
	ledgers := console.LedgeredOf(s.console)
	if ledgers == nil || m.state.Lineage != "" && m.view.Ledger == m.state.Lineage {
		return nil
	}
	if m.state.Lineage == "" {
		if err := s.store.Save(s.ctx, m.state.State, release, s.now(), func(*state.State) error { return s.locked.Held(s.ctx) }); err != nil {
			return err
		}
	}
	if err := s.locked.Held(s.ctx); err != nil {
		return err
	}
	err := ledgers.Claim(s.ctx, m.state.Lineage, m.view.Ledger)
	claimed := console.AsClaimed(err)
	if claimed == nil {
		return err
	}
	if other := s.otherState(cfg, m.state.State, claimed.Lineage); other != nil {
		return other
	}
	return hinted{fmt.Errorf("console %q: %w", cfg.Console.Name, claimed), "run the command again"}
}

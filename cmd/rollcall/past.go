package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// past lists what became of an address.
func (c *historyListCommand) past(s *session, cfg *config.Config, runs []run.Run) error {
	x, err := identity.ParseAddress(c.Address)
	if err != nil {
		return usageError{fmt.Errorf("%q is not a mail address: %w", c.Address, err)}
	}
	x = plan.NewDomains(cfg.Rules.Domains).Canonical(x)
	var all []render.Past
	for i := range runs {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		record, p, err := s.changesOf(cfg, runs[i].Number, x)
		if err != nil {
			s.warn("run %d: %v", runs[i].Number, err)
			continue
		}
		if past, changed := pastOf(p, x); changed {
			past.Run = *record
			all = append(all, past)
		}
	}
	if m := s.mask; m != nil {
		x = identity.MustAddress(m.Address(x.String()))
		for i := range all {
			record, p := s.redactedRecord(&all[i].Run, &plan.Plan{Accounts: all[i].Accounts})
			past, _ := pastOf(p, x)
			past.Run = *record
			all[i] = past
		}
	}
	return pastReport.write(s, c.Output, addressPast{x, all}, render.TextOptions{})
}

// changesOf returns those account changes of a run before or after which an
// account has an address, in whichever spelling of its domain, and what the run made
// of them.
func (s *session) changesOf(cfg *config.Config, number int, addresses ...identity.Address) (*run.Record, *plan.Plan, error) {
	p := &plan.Plan{}
	var places []int // in the record
	domains := plan.NewDomains(cfg.Rules.Domains)
	spellings := map[identity.Address]bool{}
	for _, x := range addresses {
		for _, spelling := range domains.Spellings(x) {
			spellings[spelling] = true
		}
	}
	holds := func(a *identity.Account) (any bool) {
		if a != nil {
			a.EachAddress(func(x identity.Address) { any = any || spellings[x] })
		}
		return any
	}
	n := 0
	record, err := s.store.Run(s.ctx, number, func(c *identity.Change) {
		if holds(c.Before) || holds(c.After) || holds(c.Kept) {
			p.Accounts, places = append(p.Accounts, *c), append(places, n)
		}
		n++
	})
	if record != nil && record.Done != nil {
		done := make([]bool, len(places))
		for i, place := range places {
			done[i] = record.Done[place]
		}
		record.Done = done
	}
	p.Accounts = readAs(&cfg.Rules, p.Accounts)
	return record, p, err
}

// pastOf says what becomes of an address by account changes, and whether it is
// another account's then, or something of its account has changed that its rows
// or its owner tell.
func pastOf(p *plan.Plan, x identity.Address) (past render.Past, changed bool) {
	past.Accounts = p.Accounts
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if c.Before != nil && c.Before.Holds(x) {
			past.Before = c.Before
		}
		if after := c.Result(); after != nil && after.Holds(x) {
			past.After = after
		}
	}
	for _, row := range plan.Rows(p.Accounts) {
		if row.Address == x || row.Category == plan.PrimaryChange && row.Before.Primary == x {
			past.Rows = append(past.Rows, row)
		}
	}
	b, a := past.Before, past.After
	same := b != nil && a != nil && b.Primary == a.Primary && b.Status == a.Status && b.Directory == a.Directory && b.GUID == a.GUID
	return past, len(past.Rows) > 0 || !same && (b != nil || a != nil)
}

// addressPast is what became of an address, run by run.
type addressPast struct {
	address identity.Address
	runs    []render.Past
}

// writePast writes what became of an address as a JSON array, one run a line.
func writePast(w io.Writer, all []render.Past) error {
	text := []byte("[")
	for i := range all {
		past := &all[i]
		if i > 0 {
			text = append(text, ',')
		}
		r, became := &past.Run, render.RowOutcomes(&past.Run, past.Accounts)
		text = fmt.Appendf(text, "\n  {\"run\": %d, \"started\": %q, \"user\": ", r.Number, stamp(r.Started))
		text = identity.AppendJSONString(text, r.User)
		text = identity.AppendJSONString(append(text, `, "host": `...), r.Host)
		text = identity.AppendJSONString(append(text, `, "command": `...), r.Command)
		text = fmt.Appendf(text, `, "outcome": %q, "reason": `, r.Outcome)
		text = identity.AppendJSONString(text, r.Reason)
		text = identity.AppendOptional(append(text, `, "before": `...), past.Before)
		text = identity.AppendOptional(append(text, `, "after": `...), past.After)
		text = append(text, `, "changes": [`...)
		for n := range past.Rows {
			if n > 0 {
				text = append(text, ", "...)
			}
			outcome, failure := became(&past.Rows[n])
			text = bytes.TrimSuffix(past.Rows[n].AppendJSON(text), []byte("}"))
			text = fmt.Appendf(text, `, "outcome": %q, "error": `, outcome)
			text = append(identity.AppendJSONString(text, failure), '}')
		}
		text = append(text, "]}"...)
	}
	if len(all) > 0 {
		text = append(text, '\n')
	}
	_, err := w.Write(append(text, "]\n"...))
	return err
}

// whereabouts returns, for each address of an explanation, the run by which it came to
// where it is, and the one by which whoever had it before lost it, the newest first, as
// far as the history goes.
func (s *session) whereabouts(cfg *config.Config, x *plan.Explanation) (all []explain.Past, err error) {
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return nil, nil // what it says is no part of the plan
	}
	var sought []identity.Address
	for i := range x.Addresses[:min(len(x.Addresses), explain.MostPast)] {
		if y, err := identity.ParseAddress(x.Addresses[i].Address); err == nil {
			sought = append(sought, y)
		}
	}
	for _, past := range slices.Backward(runs) {
		if len(sought) == 0 || s.ctx.Err() != nil {
			break
		}
		if !past.Outcome.Changed() {
			continue
		}
		record, p, err := s.changesOf(cfg, past.Number, sought...)
		var damage *state.Error
		if err != nil && !errors.As(err, &damage) {
			break
		}
		if record.Done != nil {
			p.Accounts = succeeded(record, p.Accounts)
		}
		sought = slices.DeleteFunc(sought, func(y identity.Address) bool {
			moved, last := s.movedBy(p, y)
			if moved == nil {
				return false
			}
			moved.Run, moved.Started, moved.Command = past.Number, past.Started, s.mask.Text(past.Command)
			all = append(all, *moved)
			return last
		})
	}
	return all, s.ctx.Err()
}

// movedBy says whose an address was before and after account changes, in words; nil
// where it did not move. It was found out then where it came from, if that is the last
// to be said.
func (s *session) movedBy(p *plan.Plan, x identity.Address) (moved *explain.Past, last bool) {
	past, _ := pastOf(p, x)
	had, has := past.Before != nil && past.Before.Active(), past.After != nil && past.After.Active()
	same := slices.ContainsFunc(p.Accounts, func(c plan.AccountChange) bool {
		return past.Before != nil && past.After != nil && c.Before == past.Before && c.Result() == past.After
	})
	if same && had == has || !had && !has {
		return nil, false // at most its role there changed
	}
	masked := identity.MustAddress(s.mask.Address(x.String()))
	moved = &explain.Past{Address: masked.String()}
	switch {
	case had:
		moved.Before = render.Role(masked, plan.RedactAccount(past.Before, s.mask))
	case same:
		moved.Before = explain.WasInactive
	}
	if has {
		moved.After = render.Role(masked, plan.RedactAccount(past.After, s.mask))
	}
	return moved, had
}

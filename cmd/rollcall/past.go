package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
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
		return usageError{fmt.Errorf("%q is no mail address: %w", c.Address, err)}
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
	return s.writeOutputs(c.Output, func(w io.Writer, format string, t render.Terminal) error {
		switch format {
		case "json":
			return writePast(w, all)
		case "csv":
			return render.PastCSV(w, x, all)
		case "markdown":
			return render.PastMarkdown(w, x, all)
		}
		return render.PastText(w, x, all, render.TextOptions{Width: t.Width, Color: t.Color})
	})
}

// changesOf returns those account changes of a run before or after which an
// account has an address, in whichever spelling of its domain, and what the run made
// of them.
func (s *session) changesOf(cfg *config.Config, number int, x identity.Address) (*run.Record, *plan.Plan, error) {
	p := &plan.Plan{}
	var places []int // in the record
	spellings := plan.NewDomains(cfg.Rules.Domains).Spellings(x)
	holds := func(a *identity.Account) bool { return a != nil && slices.ContainsFunc(spellings, a.Holds) }
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

// formerly tells of an address that no account has who had it last, and which
// run took it; "" where nobody had it, as far as the history goes.
func (s *session) formerly(cfg *config.Config, accounts []identity.Account, about plan.Subject) string {
	x, err := identity.ParseAddress(about.Text)
	if err != nil || about.Kind != plan.AddressSubject {
		return ""
	}
	x = plan.NewDomains(cfg.Rules.Domains).Canonical(x)
	if slices.ContainsFunc(accounts, func(a identity.Account) bool { return a.Holds(x) }) {
		return ""
	}
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return ""
	}
	for _, run := range slices.Backward(runs) {
		if !run.Outcome.Changed() {
			continue
		}
		record, p, err := s.changesOf(cfg, run.Number, x)
		var damage *state.Error
		if err != nil && !errors.As(err, &damage) {
			return ""
		}
		if record.Done != nil {
			p.Accounts = succeeded(record, p.Accounts)
		}
		if past, _ := pastOf(p, x); past.Before != nil && past.After == nil {
			return fmt.Sprintf("%s was %s until run %d, of %s (%s); %s shows all of its past",
				x, render.Role(x, past.Before), run.Number, stamp(run.Started), run.Command, s.command("history", "--address", x.String()))
		}
	}
	return ""
}

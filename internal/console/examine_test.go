package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// examined is a console for doctor.
type examined struct {
	apply.Console
	facts    plan.Facts
	live     []identity.Live
	found    []Finding
	readErr  error
	checkErr error
}

func (c *examined) Facts() plan.Facts { return c.facts }
func (c *examined) Close() error      { return nil }

func (c *examined) Accounts(_ context.Context, yield func(identity.Live) error) (Receipt, error) {
	for _, l := range c.live {
		if err := yield(l); err != nil {
			return Receipt{}, err
		}
	}
	return Receipt{Product: "acme", Version: "3", Accounts: len(c.live)}, c.readErr
}

func (c *examined) Check(context.Context) ([]Finding, error) { return c.found, c.checkErr }

// TestExamine: what doctor finds of a console, and what it skips.
func TestExamine(t *testing.T) {
	live := func(by string) identity.Live {
		l := identity.Live{Ref: "u-1", Account: identity.Account{Primary: identity.MustAddress("ann@example.com")}}
		if by != "" {
			l.Mark = identity.Mark{By: by, Directory: "corp"}
		}
		return l
	}
	marks := plan.Facts{Marks: true}
	const skipped = "skipped: not tested, because reach of console \"gateway\" failed"
	for _, c := range []struct {
		story   string
		console examined
		openErr error
		want    []string
		refused bool
	}{
		{"all is well", examined{facts: marks, live: []identity.Live{live("hq"), live("branch"), live("")}, found: []Finding{{"licence", "ok", "3 of 10 used", ""}}}, nil, []string{
			"reach ok: the console answers",
			"facts ok: they fit the configuration",
			`read ok: complete: 3 accounts, 1 marked by "hq", 1 by others, 1 without a mark`,
			"finding ok: the console's own check: 1 finding",
			"finding ok: 3 of 10 used",
		}, false},
		{"facts that do not fit", examined{facts: plan.Facts{Domains: []string{"Example.com"}}}, nil, []string{
			"reach ok: the console answers",
			"facts warning: it does not manage example.org, whose addresses no account can get there (add the domain to the console, or take it out of the configuration)",
			"read ok: complete: 0 accounts",
			"finding skipped: the console has no checks of its own",
		}, false},
		{"nothing to know an account by", examined{facts: plan.Facts{Unstable: true}, live: []identity.Live{live("")}}, nil, []string{
			"reach ok: the console answers",
			"facts warning: it neither stores whose an account is nor has keys that stay, so that no account can get another primary (let the console store owners, or give its accounts keys that never change)",
			"read ok: complete: 1 account",
			"finding skipped: the console has no checks of its own",
		}, false},
		{"accounts that cannot be understood, and findings", examined{live: []identity.Live{{Ref: "u-2", Odd: "no @"}, {Ref: "u-3"}},
			found: []Finding{{"quota", "warning", "90 % used", "buy more"}, {"disk", "failed", "full", "clean up"}}}, nil, []string{
			"reach ok: the console answers",
			"facts ok: they fit the configuration",
			"read warning: complete: 2 accounts; left as they are, because they cannot be understood: 2 (correct them in the console)",
			"finding ok: the console's own check: 2 findings",
			"finding warning: 90 % used (buy more)",
			"finding failed: full (clean up)",
		}, false},
		{"a read that fails", examined{readErr: &ReadError{"gateway", errors.New("cut short"), "try again"}, checkErr: errors.New("no")}, nil, []string{
			"reach ok: the console answers",
			"facts ok: they fit the configuration",
			"read failed: cut short (try again)",
			"finding failed: no",
		}, false},
		{"no console", examined{}, &ReadError{"gateway", errors.New("no such program"), "correct command"}, []string{
			"reach failed: no such program (correct command)", "facts " + skipped, "read " + skipped, "finding " + skipped,
		}, false},
		{"credentials that are refused", examined{}, &RefusedError{"gateway", errors.New("wrong token")}, []string{
			"reach failed: wrong token (renew the credentials in the console block; nothing is tried again with these)",
			"facts " + skipped, "read " + skipped, "finding " + skipped,
		}, true},
	} {
		e := Examining{Name: "gateway", Kind: "exec", Owner: "hq", Domains: []string{"example.com", "example.org"}}
		if len(c.console.facts.Domains) == 0 {
			e.Domains = nil
		}
		r, err := Examine(t.Context(), e, func() (Target, error) { return &c.console, c.openErr }, time.Now, func(int) {})
		if err != nil {
			t.Errorf("%s: %v", c.story, err)
			continue
		}
		var got []string
		for _, k := range r.Checks {
			text := fmt.Sprintf("%s %s: %s", k.Name, k.Status, k.Finding)
			if k.Remedy != "" {
				text += " (" + k.Remedy + ")"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) || r.Refused != c.refused || r.Name != "gateway" || r.Kind != "exec" {
			t.Errorf("%s: refused %t\n%q\nwant\n%q", c.story, r.Refused, got, c.want)
		}
	}
}

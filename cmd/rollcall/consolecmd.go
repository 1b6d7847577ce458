package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

type consoleCommand struct {
	Show     consoleShowCommand     `cmd:"" default:"withargs" help:"Show what the console is, what it can do, and how many accounts it has."`
	Accounts consoleAccountsCommand `cmd:"" help:"List the accounts as the console has them."`
	Test     consoleTestCommand     `cmd:"" group:"setup" help:"Test whether the console does what rollcall relies on."`
	Setup    consoleSetupCommand    `cmd:"" group:"setup" help:"Make what the console needs before it can be used."`
}

func (consoleCommand) Help() string {
	return `Shows the console, the product that has the accounts, tests whether it does what rollcall relies on, and makes what it needs. "rollcall console" alone is "rollcall console show".

Examples:
  rollcall console
  rollcall console accounts --foreign
  rollcall console test

Exit codes: 0 done; 1 failed; 6 asked, you said no; 9 a test has failed; 10 the console could not be reached or not read completely; 11 the state is locked; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted. The help of each command says when.`
}

type consoleShowCommand struct {
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"console" help:"${formats}"`
}

func (consoleShowCommand) Help() string {
	return `Reads the console of the configuration and shows its name and version, its facts (what it can do and what it stores), and how many accounts it has: those that belong to directories of this configuration (owned), those of another configuration (foreign), and those of nobody (local). Nothing is changed.

Examples:
  rollcall console
  rollcall console -o json

Exit codes: 0 done; 1 failed; 10 the console could not be read completely; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *consoleShowCommand) Run(s *session) error {
	_, v, err := s.lookAtConsole()
	if err != nil {
		return err
	}
	return consoleReport.write(s, c.Output, v, render.TextOptions{})
}

// lookAtConsole reads the console for a report.
func (s *session) lookAtConsole() (*console.View, *render.ConsoleReport, error) {
	cfg, err := s.configuration()
	if err != nil {
		return nil, nil, err
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	st, _, err := reading{}.known(s, cfg)
	if err != nil {
		return nil, nil, err
	}
	// Whoever looks may look into what belongs to another state.
	v, err := s.see(cfg, st, reading{AllowEmpty: true, NewState: true}, progress)
	if err != nil {
		return nil, nil, err
	}
	if other := s.otherState(cfg, st.State, v.Ledger); other != nil {
		s.warn("%v", other)
	}
	return v, &render.ConsoleReport{ConsoleReceipt: v.Receipt, Owner: cfg.Console.Owner}, nil
}

type consoleAccountsCommand struct {
	Local   bool    `help:"Only accounts that belong to nobody." xor:"whose"`
	Foreign bool    `help:"Only accounts that belong to another configuration." xor:"whose"`
	Output  outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"console accounts" help:"${formats}"`
	separating
}

func (consoleAccountsCommand) Help() string {
	return `Lists the accounts as the console has them now, with whose they are and the console's own key of each. rollcall state list shows what was applied last. Nothing is changed.

Examples:
  rollcall console accounts
  rollcall console accounts --foreign
  rollcall console accounts --local -o csv=local.csv

Exit codes: 0 done; 1 failed; 10 the console could not be read completely; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *consoleAccountsCommand) Run(s *session) error {
	v, _, err := s.lookAtConsole()
	if err != nil {
		return err
	}
	var all []render.ConsoleAccount
	for _, a := range accountsOf(v) {
		if whole := !c.Local && !c.Foreign; whole || c.Foreign && a.Foreign || c.Local && !a.Foreign && a.Mark.IsZero() {
			all = append(all, a)
		}
	}
	return consoleAccountsReport.write(s, c.Output, all, render.TextOptions{})
}

// accountsOf are the accounts of a console, with whose they are: as the console
// says or, where it stores no marks, the ledger.
func accountsOf(v *console.View) (all []render.ConsoleAccount) {
	for i := range v.Accounts {
		a := render.ConsoleAccount{Live: identity.Live{Account: v.Accounts[i]}}
		if v.Origins != nil {
			n := v.Origins[i].Live
			if n < 0 {
				continue // the ledger alone has it
			}
			a.Live = v.Live[n]
		}
		if bar := v.Bars[int32(i)]; !bar.Foreign.IsZero() {
			a.Foreign = true
		} else if owner := &v.Accounts[i]; a.Mark.IsZero() && !owner.Local() {
			a.Mark = identity.Mark{Directory: owner.Directory, GUID: owner.GUID}
		}
		a.Directory, a.GUID = "", identity.GUID{}
		all = append(all, a)
	}
	return all
}

type consoleTestCommand struct {
	Many   int     `placeholder:"N" default:"10000" help:"How many accounts the test of large numbers creates (default 10,000)."`
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"console test" help:"${formats}"`
}

func (consoleTestCommand) Help() string {
	return `Tests whether the console does what rollcall relies on, and reports of each test that fails what was expected and what the console did. It makes accounts of its own, whose addresses begin with rollcall-test-, changes them in every way that a plan does, and removes them again. Nothing else may change the console meanwhile.

It runs only where the console block says test = true. The local console is tested in a temporary folder.

Examples:
  rollcall console test
  rollcall console test --many 100 -o json=report.json

Exit codes: 0 every test has passed, or does not apply; 1 failed; 9 a test has failed; 10 the console could not be reached; 11 the state is locked; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

// Validate refuses a number of accounts that tests nothing.
func (c *consoleTestCommand) Validate() error {
	if c.Many < 1 {
		return errors.New("--many must be at least 1")
	}
	return nil
}

func (c *consoleTestCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	subject, release, err := s.subject(cfg)
	if err != nil {
		return err
	}
	defer release()
	subject.Many = c.Many
	report := render.ConsoleTest{Console: plan.ConsoleReceipt{Name: cfg.Console.Name, Kind: cfg.Console.Kind}}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	begun := s.now()
	progress.Update("testing console "+cfg.Console.Name, "tests", 0)
	counts, err := suite.Run(s.ctx, subject, func(r suite.Result) {
		report.Results = append(report.Results, render.ContractResult{Name: r.Check, Status: render.ContractStatus(r.Outcome), Asks: r.Asks, Did: r.Why})
		progress.Update("testing console "+cfg.Console.Name, "tests", len(report.Results))
	})
	progress.Clear()
	if s.ctx.Err() != nil {
		return context.Canceled
	}
	if err != nil && len(report.Results) == 0 {
		return err
	}
	report.Seconds = s.now().Sub(begun).Round(time.Millisecond).Seconds()
	if err := consoleTestReport.write(s, c.Output, &report, render.TextOptions{}); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if counts.Failed > 0 {
		return silent{exitFindings}
	}
	return nil
}

// subject is the console of a configuration for the suite, and what ends its use.
func (s *session) subject(cfg *config.Config) (suite.Subject, func(), error) {
	c := cfg.Console
	domains := ownDomains(&cfg.Rules)
	if len(domains) == 0 {
		return suite.Subject{}, nil, hinted{errors.New("the configuration declares no domain to test in"), `write domain "example.com" {}, with a domain of the console`}
	}
	if consoles.Kind(c.Kind).Embedded {
		return s.trial(domains[0])
	}
	if !c.Test {
		return suite.Subject{}, nil, hinted{fmt.Errorf("console %q may not be tested: its tests make, change and remove accounts", c.Name), "write test = true into its block, if it is one for tests"}
	}
	lock, err := s.lock("rollcall console test")
	if err != nil {
		return suite.Subject{}, nil, err
	}
	if err := s.made(); err != nil {
		s.release(lock)
		return suite.Subject{}, nil, err
	}
	subject := suite.Subject{Owner: c.Owner, Domain: domains[0]}
	subject.Open = func(ctx context.Context, owner string) (console.Target, error) {
		return consoles.Kind(c.Kind).Open(ctx, console.Opening{
			Label: c.Name, Settings: c.Settings, Owner: owner, Domains: domains, Release: release, Timeout: c.Timeout, Concurrency: 1,
			Log: func(line string) { s.note("console %q: %s", c.Name, line) },
		})
	}
	if program := consoles.Kind(c.Kind).Program; program != nil {
		command, folder, given := program(c.Settings)
		subject.Connector = &suite.Connector{Start: suite.Command(folder, io.Discard, command...), Config: json.RawMessage(given)}
	}
	return subject, func() { s.release(lock) }, nil
}

type consoleSetupCommand struct {
	AutoApprove bool `help:"Do not ask."`
}

func (consoleSetupCommand) Help() string {
	return `Makes what a console needs once, before it can be used: in a database the tables rollcall_owner, which says whose an account is, and rollcall_ledger, which says to which state the accounts of an owner belong. It shows what it is about to run, and asks. Accounts are not changed. Where a login may not make tables, somebody else can run what is shown.

Consoles of other kinds need nothing.

Examples:
  rollcall console setup
  rollcall console setup --auto-approve

Exit codes: 0 done, or nothing to do; 1 failed; 6 you said no; 10 the console could not be reached, or did not take it; 12 it refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *consoleSetupCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	k := cfg.Console
	kind := consoles.Kind(k.Kind)
	if kind.Setup == nil {
		s.note("console %q: a console of kind %s needs no setup", k.Name, k.Kind)
		return nil
	}
	setup, err := kind.Setup(s.ctx, console.Opening{
		Label: k.Name, Settings: k.Settings, Owner: k.Owner, Domains: ownDomains(&cfg.Rules), Release: release, Timeout: k.Timeout, Concurrency: 1,
		Log: func(line string) { s.note("console %q: %s", k.Name, line) },
	})
	switch {
	case s.ctx.Err() != nil:
		return context.Canceled
	case err != nil:
		return err
	case setup.Script == "":
		s.note("console %q has what it needs: nothing to do", k.Name)
		return nil
	}
	if err := s.runs(setup.Script, setup.Run, c.AutoApprove, fmt.Sprintf("Run this in console %q?", k.Name)); err != nil {
		return err
	}
	s.note("console %q has what it needs now", k.Name)
	return nil
}

// runs shows a script, asks, and runs it.
func (s *session) runs(script string, run func(context.Context) error, approved bool, question string) error {
	if _, err := io.WriteString(s.stdout, script); err != nil {
		return err
	}
	if !approved {
		if !s.in.Interactive {
			return hinted{errors.New("setup asks before it changes anything, and standard input is not a terminal"), "read what is above, and give --auto-approve"}
		}
		if err := s.ask(question); err != nil {
			return err
		}
	}
	if err := run(s.ctx); err != nil {
		if s.ctx.Err() != nil {
			return context.Canceled
		}
		return err
	}
	return nil
}

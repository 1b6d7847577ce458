package main

import (
	"errors"
	"time"

	"github.com/rollcall-cli/rollcall/plan"
)

const description = `Plan and apply what your directories change in your mail accounts.

HCL files declare which entries of Active Directory or LDAP are synchronized, for which mail domains, and which addresses are protected or on legal hold. plan shows every change by category and every refusal by reason; apply commits it.`

// commandLine is every command and flag.
type commandLine struct {
	Dir string `short:"C" default:"." placeholder:"DIR" help:"The configuration directory; all its *.hcl files are one configuration."`

	logging

	Init     initCommand     `cmd:"" help:"Write a starter configuration, made for a server with --url."`
	Validate validateCommand `cmd:"" help:"Check the configuration."`
	Fmt      fmtCommand      `cmd:"" help:"Lay out the configuration files canonically."`
	Test     testCommand     `cmd:"" help:"Run the tests of the configuration."`
	Plan     planCommand     `cmd:"" help:"Show what would change, and what is refused and why."`
	Apply    applyCommand    `cmd:"" help:"Commit a fresh plan after asking, or a saved one."`
	Show     showCommand     `cmd:"" help:"Show a saved plan."`
	Explain  explainCommand  `cmd:"" help:"Say why an address is where it is, and what to do."`
	Decline  declineCommand  `cmd:"" aliases:"reject" help:"Decline a saved plan, so that nobody applies it."`
	History  historyCommand  `cmd:"" help:"List past runs, and show what one changed."`
	Undo     undoCommand     `cmd:"" help:"Make a plan that takes back what a run changed."`
	Snapshot snapshotCommand `cmd:"" help:"Save what each directory returns, for plan --snapshot."`
	Doctor   doctorCommand   `cmd:"" help:"Test every directory, and say what to do."`
	Lint     lintCommand     `cmd:"" help:"Find what is wrong in the mail data of the directories."`
	Console  consoleCommand  `cmd:"" help:"Look at the console, and test it."`
	State    stateCommand    `cmd:"" help:"Look at the accounts as recorded, and bring in existing ones."`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print a completion script for a shell."`
}

// reading are the flags of commands that read directories.
type reading struct {
	Directory []string `placeholder:"NAME" sep:"none" help:"Read only this directory; repeatable. Accounts of the others are left alone."`
	Snapshot  string   `type:"path" placeholder:"DIR" help:"Read DIR/<directory>.ldif in place of each server, and the accounts of the console in DIR in place of those that it has, unless they are changed."`

	NewState   bool `help:"Begin with an empty state although the history says that there was one."`
	AllowEmpty bool `help:"Continue even if a scope that had accounts is now empty, or all its entries have lost their aliases, usernames, an attribute or their type."`

	Only   []string `placeholder:"WHAT" sep:"none" help:"Only changes of these categories, scopes or addresses; repeatable, or separated by commas."`
	Except []string `placeholder:"WHAT" sep:"none" help:"Leave out changes of these categories, scopes or addresses."`
}

// args returns the flags as they are given on a command line.
func (r reading) args() (args []string) {
	for _, list := range [...]struct {
		flag   string
		values []string
	}{{"--directory", r.Directory}, {"--only", r.Only}, {"--except", r.Except}} {
		for _, value := range list.values {
			args = append(args, list.flag, value)
		}
	}
	if r.Snapshot != "" {
		args = append(args, "--snapshot", r.Snapshot)
	}
	if r.NewState {
		args = append(args, "--new-state")
	}
	if r.AllowEmpty {
		args = append(args, "--allow-empty")
	}
	return args
}

// showing are the flags of commands that show a plan.
type showing struct {
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" set:"formats=text, json, csv, markdown, html" help:"Write as ${formats}; to standard output without =FILE; repeatable."`
	All    bool    `help:"Show every row of long categories as text."`
	redacting
}

// quieting is the flag of commands that run on a schedule.
type quieting struct {
	Quiet bool `short:"q" help:"Write nothing to standard output if there is nothing to do, no drift and no new refusal."`
}

// failing is the flag of commands that find rejections.
type failing struct {
	FailOnNewRejections bool `help:"Exit 7 if there are rejections that the last apply did not have."`
}

// fails ends a plan that is done with exit code 7, if that was asked for.
func (f failing) fails(s *session, p *plan.Plan) error {
	if n := p.NewRejections(); f.FailOnNewRejections && n > 0 {
		s.warn("%s that the last apply did not have", counted(n, "rejection"))
		return silent{exitNew}
	}
	return nil
}

// locking is the flag of commands that write the state.
type locking struct {
	LockTimeout time.Duration `placeholder:"DURATION" default:"0s" help:"Wait this long for the lock of the state, such as 30s or 5m."`
}

// Validate refuses a negative duration.
func (l locking) Validate() error {
	if l.LockTimeout < 0 {
		return errors.New("--lock-timeout must not be negative")
	}
	return nil
}

package main

import (
	"errors"
	"time"

	"github.com/rollcall-cli/rollcall/plan"
)

const description = `Rollcall keeps the accounts of your mail gateway in step with Active Directory or LDAP, and shows every change before it happens.

HCL files declare which entries are synchronized, for which mail domains, and which addresses are protected or on legal hold. plan shows every change by category and every rejection by reason; apply makes the changes.`

// commandLine is every command and flag. The groups are those of its help.
type commandLine struct {
	Dir string `short:"C" default:"." placeholder:"DIR" help:"The configuration directory; all its *.hcl files are one configuration."`

	logging
	PrintVersion versionFlag `name:"version" help:"Print the version."`

	Plan    planCommand    `cmd:"" group:"daily" help:"Show what would change, and what is rejected and why."`
	Apply   applyCommand   `cmd:"" group:"daily" help:"Apply a fresh plan after asking, or a saved one."`
	Show    showCommand    `cmd:"" group:"daily" help:"Show a saved plan."`
	Decline declineCommand `cmd:"" group:"daily" aliases:"reject" help:"Decline a saved plan, so that nobody applies it."`
	History historyCommand `cmd:"" group:"daily" help:"List past runs, and show what one changed."`
	Undo    undoCommand    `cmd:"" group:"daily" help:"Make a plan that takes back what a run changed."`

	Explain  explainCommand  `cmd:"" group:"investigate" help:"Explain who has an address, and how to fix it."`
	Lint     lintCommand     `cmd:"" group:"investigate" help:"Find mistakes in the mail data of the directories."`
	Doctor   doctorCommand   `cmd:"" group:"investigate" help:"Test the connection to every directory and to the console."`
	Notify   notifyCommand   `cmd:"" group:"investigate" help:"Test the notify blocks."`
	Snapshot snapshotCommand `cmd:"" group:"investigate" help:"Save what each directory returns, for plan --snapshot."`

	State stateCommand `cmd:"" group:"state" help:"Look at the accounts as recorded, and bring in existing ones."`

	Console consoleCommand `cmd:"" group:"investigate" help:"Look at the console, test it, and set it up."`

	Directory directoryCommand `cmd:"" group:"setup" help:"Test the connector of a directory."`

	Init       initCommand       `cmd:"" group:"setup" help:"Write a starter configuration, made for a server with --url."`
	Validate   validateCommand   `cmd:"" group:"setup" help:"Check the configuration."`
	Fmt        fmtCommand        `cmd:"" group:"setup" help:"Format configuration files."`
	Test       testCommand       `cmd:"" group:"setup" help:"Run the tests of the configuration."`
	Completion completionCommand `cmd:"" group:"setup" help:"Print a completion script for a shell."`
	Man        manCommand        `cmd:"" group:"setup" help:"Write a man page for each command."`
	Schema     schemaCommand     `cmd:"" group:"setup" help:"Print the JSON Schema of a document."`
	Version    versionCommand    `cmd:"" group:"setup" help:"Print the version."`
	Help       helpCommand       `cmd:"" group:"setup" help:"Show the help of a command."`
}

// reading are the flags of commands that read directories.
type reading struct {
	Directory []string `placeholder:"NAME" sep:"none" help:"Read only this directory; repeatable. Accounts of the others are left alone."`
	Snapshot  string   `type:"path" placeholder:"DIR" help:"Read DIR/<directory>.ldif instead of each server, and the accounts of the console from DIR, unless they are about to be changed."`

	Full       bool `help:"Read every directory completely, also one that is followed by what changes."`
	NewState   bool `help:"Begin with an empty state although the history says that there was one."`
	AllowEmpty bool `help:"Continue even if a scope that had accounts is now empty, or all its entries have lost their aliases, usernames, an attribute or their type."`

	Only   []string `words:"categories" placeholder:"WHAT" sep:"none" help:"Only changes of these categories, scopes or addresses; repeatable, or separated by commas."`
	Except []string `words:"categories" placeholder:"WHAT" sep:"none" help:"Leave out changes of these categories, scopes or addresses."`
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
	if r.Full {
		args = append(args, "--full")
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
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"plan" help:"${formats}"`
	separating
	All bool `help:"Show every row of long categories as text."`
	redacting
}

// quieting is the flag of commands that run on a schedule.
type quieting struct {
	Quiet bool `short:"q" help:"Write nothing to standard output if there is nothing to do or withheld, no drift and no new rejection."`
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

package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/plan"
)

// release is the version of this source; builds of other commits add theirs.
const release = "0.2.0"

// released is when that version was made, which its manual bears.
const released = "2026-12-01"

func version() string {
	if commit := madeFrom(); commit != "" {
		return "rollcall " + release + " (" + commit + ")"
	}
	return "rollcall " + release
}

// madeFrom returns the commit that the program was made from, when that was made, and whether
// anything else was, as far as Go has written that into it.
func madeFrom() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	of := map[string]string{}
	for _, setting := range info.Settings {
		of[setting.Key] = setting.Value
	}
	commit := of["vcs.revision"]
	if commit == "" {
		return ""
	}
	text := "commit " + commit[:min(12, len(commit))]
	if of["vcs.time"] != "" {
		text += " of " + of["vcs.time"]
	}
	if of["vcs.modified"] == "true" {
		text += ", with changes"
	}
	return text
}

type versionCommand struct{}

func (versionCommand) Help() string {
	return `Prints the version of the program, the commit that it was made from with its date, the version of
Go, and that of the plan document. rollcall --version does the same. Nobody is asked whether there is
a newer one.

Example:
  rollcall version

Exit codes: 0 done; 80 wrong usage.`
}

func (versionCommand) Run(s *session) error { return printVersion(s.stdout) }

func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n%s %s/%s, plan format %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, plan.FormatVersion)
	return err
}

// versionFlag prints the version in place of any command.
type versionFlag bool

// IgnoreDefault keeps kong from choosing a default command.
func (versionFlag) IgnoreDefault() {}

// BeforeReset prints the version and ends the program.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	if err := printVersion(k.Stdout); err != nil {
		return err
	}
	k.Exit(0)
	return nil
}

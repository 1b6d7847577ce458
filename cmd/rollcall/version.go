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
const release = "0.1.0"

// released is when that version was made, which its manual bears.
const released = "2026-11-30"

func version() string {
	v := "rollcall " + release
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
				v += " (" + setting.Value[:12] + ")"
			}
		}
	}
	return v
}

type versionCommand struct{}

func (versionCommand) Help() string {
	return `Prints the version of the program, of Go and of the plan document. rollcall --version does the same.

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

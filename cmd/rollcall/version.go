package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/rollcall-cli/rollcall/plan"
)

// release is the version of this source; builds of other commits add theirs.
const release = "0.1.0"

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
	return "Example:\n  rollcall version\n\nExit codes: 0."
}

func (versionCommand) Run(s *session) error {
	_, err := fmt.Fprintf(s.stdout, "%s\n%s %s/%s, plan format %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, plan.FormatVersion)
	return err
}

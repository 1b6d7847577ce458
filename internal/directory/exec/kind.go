package exec

import (
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "exec".
var Kind = directory.Kind{
	Kind: settings.Kind{
		Name: "exec", Help: "A connector: a program that speaks the protocol rollcall-directory/1.", Judged: true,
		Settings: append(connector.Settings(`{ url = "https://people.example.com" }`),
			settings.Setting{Name: "timeout", Type: settings.Duration, Default: connector.Silence, Help: "how long the connector may be silent"}),
		Check: connector.Check, Where: connector.Where,
	},
	Keys: true,
	Open: func(o directory.Opening) (directory.Source, error) {
		run := connector.OptionsOf(o.Settings)
		run.Release, run.Timeout, run.Log = o.Release, o.Settings.Duration("timeout"), o.Log
		return New(Options{Options: run, Domains: o.Domains}), nil
	},
}

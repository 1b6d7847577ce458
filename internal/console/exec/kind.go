package exec

import (
	"context"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "exec".
var Kind = console.Kind{
	Kind: settings.Kind{
		Name: "exec", Help: "A connector: a program that speaks the protocol rollcall-console/1.",
		Settings: connector.Settings(`{ url = "https://gateway.example.com" }`), Check: connector.Check, Where: connector.Where,
	},
	Program: func(v settings.Values) (command []string, folder string, config []byte) {
		return v.Texts("command"), v.Folder(), []byte(v.JSON("config").All.Reveal())
	},
	Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
		run := connector.OptionsOf(o.Settings)
		run.Label, run.Release, run.Timeout, run.Concurrency, run.LockFile = o.Label, o.Release, o.Timeout, o.Concurrency, o.LockFile
		run.Log, run.Progress = o.Log, o.Progress
		c := New(Options{Options: run, Domains: o.Domains, Owner: o.Owner})
		if err := c.Open(ctx); err != nil {
			_ = c.Close() // what failed is reported already
			return nil, err
		}
		return c, nil
	},
}

package exec

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "exec".
var Kind = console.Kind{
	Kind: settings.Kind{
		Name: "exec", Help: "A connector: a program that speaks the protocol rollcall-console/1.",
		Settings: []settings.Setting{
			{Name: "command", Type: settings.Texts, Required: true, Example: `["./connector"]`, Help: "the program and its arguments, run without a shell in the folder of the file"},
			{Name: "config", Type: settings.Any, Example: `{ url = "https://gateway.example.com" }`, Help: "what the connector gets in hello, of any shape; its texts are secret"},
		},
		Check: func(v settings.Values) []settings.Problem {
			if command := v.Texts("command"); len(command) > 0 && strings.TrimSpace(command[0]) == "" {
				return []settings.Problem{{Setting: "command", Summary: "the command names no program", Hint: `write command = ["./connector"]`}}
			}
			return nil
		},
		Where: func(v settings.Values) []string { return append(v.Texts("command"), v.JSON("config").Shown) },
	},
	Program: func(v settings.Values) (command []string, folder string, config []byte) {
		return v.Texts("command"), v.Folder(), []byte(v.JSON("config").All.Reveal())
	},
	Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
		c := New(Options{
			Options: connector.Options{
				Label: o.Label, Command: o.Settings.Texts("command"), Dir: o.Settings.Folder(), Config: json.RawMessage(o.Settings.JSON("config").All.Reveal()),
				Release: o.Release, Timeout: o.Timeout, Concurrency: o.Concurrency, LockFile: o.LockFile, Log: o.Log, Progress: o.Progress,
			},
			Domains: o.Domains, Owner: o.Owner,
		})
		if err := c.Open(ctx); err != nil {
			_ = c.Close() // what failed is reported already
			return nil, err
		}
		return c, nil
	},
}

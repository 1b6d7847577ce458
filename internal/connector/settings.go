package connector

import (
	"encoding/json"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Settings are those of every kind of block that names a connector, with an example of
// what such a one gets.
func Settings(config string) []settings.Setting {
	return []settings.Setting{
		{Name: "command", Type: settings.Texts, Required: true, Example: `["./connector"]`, Help: "the program and its arguments, run without a shell in the folder of the file"},
		{Name: "config", Type: settings.Any, Example: config, Help: "what the connector gets in hello, of any shape; its texts are secret"},
	}
}

// Check looks for what is wrong with [Settings].
func Check(v settings.Values) []settings.Problem {
	if command := v.Texts("command"); len(command) > 0 && strings.TrimSpace(command[0]) == "" {
		return []settings.Problem{{Setting: "command", Summary: "the command names no program", Hint: `write command = ["./connector"]`}}
	}
	return nil
}

// Where is what [Settings] say of the place of a connector: its command, and what it gets
// that is no secret.
func Where(v settings.Values) []string { return append(v.Texts("command"), v.JSON("config").Shown) }

// OptionsOf are what [Settings] say of how a connector is run.
func OptionsOf(v settings.Values) Options {
	return Options{Label: v.Label(), Command: v.Texts("command"), Dir: v.Folder(), Config: json.RawMessage(v.JSON("config").All.Reveal())}
}

package local

import (
	"context"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "local", which a configuration without a console block has.
var Kind = console.Kind{
	Kind:     settings.Kind{Name: "local", Help: "The accounts of the state file."},
	Embedded: true,
	Open:     func(_ context.Context, o console.Opening) (console.Target, error) { return New(o.Ledger), nil },
}

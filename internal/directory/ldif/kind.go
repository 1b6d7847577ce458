package ldif

import (
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind are the LDIF files of a path, or of patterns of paths.
var Kind = directory.Kind{
	Kind: settings.Kind{Name: "ldif", Files: true, Settings: []settings.Setting{files.Path(`"export.ldif"`)}, Where: files.Where},
	Open: func(o directory.Opening) (directory.Source, error) {
		return New(o.Settings.Label(), files.Patterns(o.Settings)), nil
	},
}

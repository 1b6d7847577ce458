package ldif

import "github.com/rollcall-cli/rollcall/internal/directory"

// Kind are the LDIF files of a path, or of patterns of paths.
var Kind = directory.Kind{
	Name: "ldif", Files: true,
	Open: func(label string, s directory.Settings) (directory.Source, error) {
		return New(label, directory.Setting[[]string](s, "path")), nil
	},
}

package ldif

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind are the LDIF files of a path, or of patterns of paths.
var Kind = directory.Kind{
	Kind: settings.Kind{
		Name: "ldif", Files: true,
		Settings: []settings.Setting{{
			Name: "path", Type: settings.Texts, Required: true, Alone: true, Check: checkPath,
			Example: `"export.ldif"`, Help: "it is relative to this file",
		}},
		Where: func(v settings.Values) []string {
			var paths []string
			for _, path := range v.Texts("path") {
				paths = append(paths, filepath.ToSlash(filepath.Clean(path)))
			}
			slices.Sort(paths)
			return slices.Compact(paths)
		},
	},
	Open: func(v settings.Values) (directory.Source, error) {
		var patterns []string
		for _, path := range v.Texts("path") {
			patterns = append(patterns, settings.ResolvePattern(v.Folder(), path))
		}
		return New(v.Label(), patterns), nil
	},
}

func checkPath(path string) (p settings.Problem) {
	if strings.TrimSpace(path) == "" {
		return settings.Problem{Summary: `"path" is empty`, Hint: "give it a value, or remove it"}
	}
	if _, err := filepath.Match(path, ""); err != nil && strings.ContainsAny(path, "*?[") {
		return settings.Problem{Summary: "%s is not a pattern of file names", Hint: `a set of characters is written [a-z]; a literal "[" is written [[]`}
	}
	return p
}

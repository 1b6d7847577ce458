package files

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Path is the setting of every kind: the files, or patterns of them, with an
// example of it.
func Path(example string) settings.Setting {
	return settings.Setting{
		Name: "path", Type: settings.Texts, Required: true, Alone: true, Check: checkPath,
		Example: example, Help: "it is relative to this file",
	}
}

// Where is what settings with [Path] say of the place of the files: their paths as
// they are written.
func Where(v settings.Values) []string {
	var paths []string
	for _, path := range v.Texts("path") {
		paths = append(paths, filepath.ToSlash(filepath.Clean(path)))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Patterns returns what [New] is given of settings with [Path].
func Patterns(v settings.Values) (patterns []string) {
	for _, path := range v.Texts("path") {
		patterns = append(patterns, settings.ResolvePattern(v.Folder(), path))
	}
	return patterns
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

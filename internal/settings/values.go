package settings

import (
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Values are what is configured of one console or directory. A getter that asks
// for a setting which the kind does not have, or not of that type, panics.
type Values struct {
	label, folder string
	settings      []Setting
	blocks        []Block
	set           map[string]any
}

// JSON is a value of any shape, as JSON.
type JSON struct {
	// All is the whole of it; null where nothing is written.
	All Secret
	// Shown has "(secret)" in place of whatever came from the environment or a
	// file, or has the name of a secret.
	Shown string
}

// Values returns what a block with the label says, which stands in a file of the
// folder. What is set is by its name as the getter of its type returns it, or,
// for a block, as Values made by [Block.Values]; nil is written, but not known.
func (k *Kind) Values(label, folder string, set map[string]any) Values {
	return Values{label, folder, k.Settings, k.Blocks, set}
}

// Values returns what a block inside another says.
func (b *Block) Values(folder string, set map[string]any) Values {
	return Values{b.Name, folder, b.Settings, nil, set}
}

// Label is that of the block.
func (v Values) Label() string { return v.label }

// Folder is where the file of the block stands: relative paths begin there, and
// programs are run there.
func (v Values) Folder() string { return v.folder }

// Has reports whether a setting or a block is written.
func (v Values) Has(name string) bool {
	_, ok := v.set[name]
	return ok
}

// Text returns a [Text].
func (v Values) Text(name string) string {
	if v.setting(name).Secret {
		panic("settings: " + name + " is a secret")
	}
	return get[string](v, name, Text)
}

// Secret returns a [Text] that nobody may read.
func (v Values) Secret(name string) Secret {
	if !v.setting(name).Secret {
		panic("settings: " + name + " is no secret")
	}
	return get[Secret](v, name, Text)
}

// Texts returns [Texts] in their order.
func (v Values) Texts(name string) []string { return get[[]string](v, name, Texts) }

// Number returns a [Number].
func (v Values) Number(name string) int { return get[int](v, name, Number) }

// Flag returns a [Flag].
func (v Values) Flag(name string) bool { return get[bool](v, name, Flag) }

// Duration returns a [Duration].
func (v Values) Duration(name string) time.Duration { return get[time.Duration](v, name, Duration) }

// JSON returns [Any] value.
func (v Values) JSON(name string) JSON {
	if all := get[JSON](v, name, Any); all.Shown != "" {
		return all
	}
	return JSON{NewSecret("null"), "null"}
}

// Map returns a [Map].
func (v Values) Map(name string) map[string]string {
	return maps.Clone(get[map[string]string](v, name, Map))
}

// Path returns a [Path] that can be opened, or "".
func (v Values) Path(name string) string {
	if written := v.Written(name); written != "" {
		return Resolve(v.folder, written)
	}
	return ""
}

// Written returns a [Path] as it is written.
func (v Values) Written(name string) string { return get[string](v, name, Path) }

// Block returns what a block inside says, and whether it is there.
func (v Values) Block(name string) (Values, bool) {
	i := slices.IndexFunc(v.blocks, func(b Block) bool { return b.Name == name })
	if i < 0 {
		panic("settings: there is no block " + name)
	}
	inner, ok := v.set[name].(Values)
	return inner, ok
}

// Resolve returns a path that begins at a folder, unless it is absolute.
// Slashes part its names on every system.
func Resolve(folder, path string) string {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// ResolvePattern is [Resolve] for a path that may be a pattern of [filepath.Match]:
// the folder stands for itself in it.
func ResolvePattern(folder, path string) string {
	if strings.ContainsAny(path, "*?[") && runtime.GOOS != "windows" { // which has no escapes in patterns
		folder = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(folder)
	}
	return Resolve(folder, path)
}

func (v Values) setting(name string) *Setting {
	i := slices.IndexFunc(v.settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		panic("settings: there is no setting " + name)
	}
	return &v.settings[i]
}

func get[T any](v Values, name string, of Type) (value T) {
	s := v.setting(name)
	if s.Type != of {
		panic("settings: " + name + " is of another type")
	}
	if set := v.set[name]; set != nil {
		return set.(T)
	}
	if s.Default != nil {
		return s.Default.(T)
	}
	return value
}

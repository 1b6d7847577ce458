package directory

import "fmt"

// Kind is a kind of source, which has a folder of its own here. Those that there
// are stand in the list of package all.
type Kind struct {
	// Name is the value of the argument "kind" of a directory block.
	Name string
	// Files says that the directory is files. They may be a part of what somebody
	// has, written on purpose, and are the same however often they are read.
	Files bool
	// Open returns the directory of this label. It touches neither files nor the
	// network: that is for those who read. An error names what of the settings
	// cannot be.
	Open func(label string, s Settings) (Source, error)
}

// Settings are the values of a directory's block, by the names of its arguments.
// The configuration has checked them. A value is a string, a bool, an int, a
// [time.Duration], a list of strings, for a secret a func() string, and for a
// block in the block again Settings. What is not set may be missing.
type Settings map[string]any

// Setting returns a value of the settings, or the zero value where there is none.
// It panics where the value is of another type than the one that is asked for.
func Setting[T any](s Settings, name string) (value T) {
	given, ok := s[name]
	if !ok {
		return value
	}
	if value, ok = given.(T); !ok {
		panic(fmt.Sprintf("the setting %q is of type %T, and %T was asked for", name, given, value))
	}
	return value
}

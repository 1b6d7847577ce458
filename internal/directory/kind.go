package directory

import "github.com/rollcall-cli/rollcall/internal/settings"

// Kind is a kind of source, which has a folder of its own here. Those that there
// are stand in the list of package all.
type Kind struct {
	settings.Kind
	// Keys says that objects need no GUID: any text by which one is known, such as
	// a number, may stand in the GUID attribute of a scope. See [Scope].
	Keys bool
	// Open returns the directory of a block. It touches neither files nor the
	// network, and starts nothing: that is for those who read. An error names what of
	// the settings cannot be.
	Open func(Opening) (Source, error)
}

// Opening says which directory is opened, and for whom.
type Opening struct {
	Settings settings.Values
	// Domains are the mail domains that matter, Release is the version of rollcall.
	Domains []string
	Release string
	// Log, unless nil, hears what a program writes of itself, a line each.
	Log func(line string)
}

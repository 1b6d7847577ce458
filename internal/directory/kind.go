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
	// network: that is for those who read. An error names what of the settings
	// cannot be.
	Open func(settings.Values) (Source, error)
}

package render

import "github.com/rollcall-cli/rollcall/internal/identity"

// Escape makes a message fit for a terminal: what would act on the terminal
// becomes an escape, and line breaks stay.
func Escape(s string) string {
	return escape(s, func(r, _ rune) bool { return r != '\n' && identity.Unprintable(r) })
}

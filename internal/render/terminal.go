package render

import (
	"os"
	"strconv"

	"golang.org/x/term"
)

// Terminal says what a stream can show.
type Terminal struct {
	// Interactive is true where a person reads the stream on a terminal.
	Interactive bool
	// Width is that of a line in cells: the variable COLUMNS, else what the
	// terminal says, else 80. It is 0, for no limit, where the stream is no
	// terminal and COLUMNS is not set.
	Width int
	// Color is true on a terminal that understands escape sequences, unless
	// NO_COLOR or CI is set and not empty, or TERM is "dumb".
	Color bool
}

const fallbackWidth = 80

// TerminalOf asks about an open file, and prepares it for escape sequences
// where the system wants that (the console of Windows).
func TerminalOf(f *os.File) Terminal {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return terminal(false, 0, os.Getenv)
	}
	width, _, err := term.GetSize(fd)
	if err != nil {
		width = 0
	}
	t := terminal(true, width, os.Getenv)
	t.Color = t.Color && enableEscapes(f)
	return t
}

func terminal(interactive bool, width int, env func(string) string) Terminal {
	if columns, err := strconv.Atoi(env("COLUMNS")); err == nil && columns > 0 {
		width = columns
	} else if interactive && width <= 0 {
		width = fallbackWidth
	}
	return Terminal{
		Interactive: interactive,
		Width:       width,
		Color:       interactive && env("NO_COLOR") == "" && env("CI") == "" && env("TERM") != "dumb",
	}
}

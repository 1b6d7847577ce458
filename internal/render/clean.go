package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// longest is how many octets of one value are shown; the middle of a longer
// one is left out.
const longest = 4096

// clean makes a value fit for a terminal: what is no UTF-8, acts on the
// terminal or cannot be seen becomes an escape in the spelling of Go, and so do
// spaces at either end.
func clean(s string) string {
	if plainASCII(s) {
		return s
	}
	if len(s) > longest {
		head, tail := ends(s, longest)
		return clean(head) + "…" + clean(tail)
	}
	inner := strings.Trim(s, " ")
	left := strings.Index(s, inner)
	return strings.Repeat(`\x20`, left) + escape(inner, invisible) + strings.Repeat(`\x20`, len(s)-left-len(inner))
}

// ends returns the head and the tail of a text that is longer than n octets,
// each of up to n/2 and of whole characters.
func ends(s string, n int) (head, tail string) {
	i, j := n/2, len(s)-n/2
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	for j < len(s) && !utf8.RuneStart(s[j]) {
		j++
	}
	return s[:i], s[j:]
}

// plainASCII reports whether clean has nothing to do.
func plainASCII(s string) bool {
	if s == "" {
		return true
	}
	if len(s) > longest || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// invisible reports whether a reader could not see r. The joiners of scripts
// and emoji are left alone behind a character of such a script.
func invisible(r, before rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return before < utf8.RuneSelf
	case '\u3000':
		return false
	}
	return identity.Unprintable(r) || !unicode.IsPrint(r)
}

// escape replaces the characters that hidden reports, given the one before
// them, and octets that are not UTF-8.
func escape(s string, hidden func(r, before rune) bool) string {
	var b strings.Builder
	start, before := 0, rune(0)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		invalid := r == utf8.RuneError && n == 1
		if !invalid && !hidden(r, before) {
			i += n
			before = r
			continue
		}
		b.WriteString(s[start:i])
		switch {
		case invalid:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
		start, before = i, 0
	}
	if start == 0 {
		return s
	}
	b.WriteString(s[start:])
	return b.String()
}

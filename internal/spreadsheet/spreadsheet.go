// Package spreadsheet says in which cells of a CSV file a spreadsheet would see a
// formula, and makes text of them.
package spreadsheet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A cell in which a spreadsheet would see a formula would be computed by whoever
// opens the file. An apostrophe before it makes text of it. Since nobody knows at
// which character a spreadsheet divides a line (in countries with a decimal comma
// it is the semicolon, and then quotes inside of a line do not count), each part
// of a value between such characters is treated as a cell.

// separators are the characters that may divide a line.
const separators = ",;\t|"

// Formula reports whether a spreadsheet could take a cell for a formula: behind
// white space, quotes and what cannot be seen it begins with = + - or @, also in
// full width or small.
func Formula(cell string) bool {
	start := strings.TrimLeftFunc(cell, func(r rune) bool { return blank(r) || strings.ContainsRune("'\"`‘’“”", r) })
	first, _ := utf8.DecodeRuneInString(start)
	return strings.ContainsRune("=+-@＝＋－＠﹦﹢﹣﹫", first)
}

// blank reports whether a character shows nothing: white space, and format
// characters, fillers and marks that a program may pass over (Default_Ignorable
// of Unicode).
func blank(r rune) bool {
	if r < 0x80 {
		return r <= ' ' || r == 0x7f
	}
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == 0x2800 || // the empty pattern of Braille
		unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Inert returns a value with an apostrophe before each part that is a [Formula].
func Inert(value string) string {
	return parts(value, func(b *strings.Builder, part string) string {
		if Formula(part) {
			b.WriteByte('\'')
		}
		return part
	})
}

// Original returns the value that [Inert] was given.
func Original(value string) string {
	return parts(value, func(_ *strings.Builder, part string) string {
		if rest, ok := strings.CutPrefix(part, "'"); ok && Formula(rest) {
			return rest
		}
		return part
	})
}

// parts gives f what is left of a value at its beginning and behind each
// separator. f may write something before it, and returns what goes on.
func parts(value string, f func(b *strings.Builder, part string) string) string {
	var b strings.Builder
	for {
		value = f(&b, value)
		n := strings.IndexAny(value, separators)
		if n < 0 {
			b.WriteString(value)
			return b.String()
		}
		b.WriteString(value[:n+1])
		value = value[n+1:]
	}
}

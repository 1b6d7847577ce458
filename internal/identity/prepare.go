package identity

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Settled reports whether string preparation leaves a character as it is, but for
// letter case, wherever it stands: ASCII, and the letters of Latin scripts that
// are neither ligatures nor put together of several characters.
func Settled(r rune) bool {
	return r < utf8.RuneSelf || r >= 0xc0 && r < 0x17f && r != 0x132 && r != 0x133 && r != 0x13f && r != 0x140 && r != 0x149
}

// Prepare returns text, which must be UTF-8, in the one form that equal texts
// have in common (RFC 4518 section 2.3, normalization form KC): "ü" of "u" and
// U+0308, "fi" of U+FB01. With lower, it is such that it stays in that form when
// it is made lower case, rune by rune. Text that is in that form, as nearly all
// is, is returned as it is.
//
// What section 2.2 maps to nothing is kept, as OpenLDAP keeps it.
func Prepare(text []byte, lower bool) []byte {
	if norm.NFKC.IsNormal(text) && !(lower && bytes.ContainsFunc(text, isMark)) {
		return text
	}
	text = norm.NFKC.Bytes(text)
	if lower {
		// "H" and U+0331 are two characters, "h" and U+0331 are one.
		text = norm.NFKC.Bytes(bytes.ToLower(text))
	}
	return text
}

func isMark(r rune) bool { return r >= 0x300 && unicode.Is(unicode.Mn, r) }

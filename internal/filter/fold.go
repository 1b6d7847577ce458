package filter

import (
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// folding says what does not count when texts are compared, beside the spaces
// at both ends and all but one in a row (RFC 4518).
type folding uint8

const (
	lower      folding = 1 << iota // letter case
	unspaced                       // any space
	unhyphened                     // hyphens
)

// trimming says at which ends spaces do not count.
type trimming uint8

const (
	trimNone  trimming = 0
	trimLeft  trimming = 1
	trimRight trimming = 2
	trimBoth           = trimLeft | trimRight
)

// bufSize is room for a folded value on the stack; longer ones are allocated.
const bufSize = 256

func isText(b []byte) bool { return utf8.Valid(b) }

// appendFold appends text, which must be UTF-8, such that equal texts append
// equal octets.
func appendFold(dst, text []byte, f folding, trim trimming) []byte {
	start := len(dst)
	gap, prepared := false, false
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
			if !prepared && !identity.Settled(r) {
				text = identity.Prepare(text, f&lower != 0)
				dst, gap, prepared, i = dst[:start], false, true, 0
				continue
			}
		}
		i += n
		switch {
		case r > ' ' && r < utf8.RuneSelf && r != '-':
		case unicode.IsSpace(r):
			gap = f&unspaced == 0
			continue
		case r == '-' && f&unhyphened != 0:
			continue
		}
		if gap && (len(dst) > start || trim&trimLeft == 0) {
			dst = append(dst, ' ')
		}
		gap = false
		if r < utf8.RuneSelf {
			c := byte(r)
			if f&lower != 0 {
				c = lowerASCII(c)
			}
			dst = append(dst, c)
			continue
		}
		if f&lower != 0 {
			r = unicode.ToLower(r)
		}
		dst = utf8.AppendRune(dst, r)
	}
	if gap && trim&trimRight == 0 {
		dst = append(dst, ' ')
	}
	return dst
}

// foldedEqual reports whether text folds to want, which is folded already.
// Text that is not UTF-8 is equal to nothing that is.
func foldedEqual(text []byte, want string, f folding) bool {
	at, gap := 0, false
	for _, c := range text {
		switch {
		case c >= utf8.RuneSelf:
			return foldsTo(text, want, f)
		case c == ' ' || c >= '\t' && c <= '\r':
			gap = at > 0 && f&unspaced == 0
			continue
		case c == '-' && f&unhyphened != 0:
			continue
		}
		if gap {
			if at == len(want) || want[at] != ' ' {
				return false
			}
			at++
			gap = false
		}
		if f&lower != 0 {
			c = lowerASCII(c)
		}
		if at == len(want) || want[at] != c {
			// A letter and a mark behind it may be one character.
			return at < len(want) && want[at] >= utf8.RuneSelf && foldsTo(text, want, f)
		}
		at++
	}
	return at == len(want)
}

// foldsTo is foldedEqual of text that need not be ASCII.
func foldsTo(text []byte, want string, f folding) bool {
	if !isText(text) {
		return false
	}
	var buf [bufSize]byte
	return string(appendFold(buf[:0], text, f, trimBoth)) == want
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

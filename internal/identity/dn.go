package identity

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// DN is a parsed distinguished name: its relative names from the leaf to the
// root, each folded so that equal names have equal text.
type DN []string

// ErrDN is returned by [ParseDN]. It says at which octet the name stops being
// one and what to write there.
type ErrDN struct {
	Text   string // the name as given
	Offset int    // octets before the fault
	Reason string // what is wrong, and what to write
}

func (e *ErrDN) Error() string {
	return fmt.Sprintf("%q is not a distinguished name: %s at character %d", e.Text, e.Reason, utf8.RuneCountInString(e.Text[:e.Offset])+1)
}

// ParseDN reads the string form of RFC 4514 and folds it: attribute types and
// values in lower case, escapes resolved, runs of white space squeezed to one
// space, and the parts of a multi-valued relative name sorted. Spaces around
// "=", "," and "+" do not count, and values may stand in quotes, as in RFC 2253.
// "" is the root, an empty DN.
func ParseDN(s string) (DN, error) {
	if strings.TrimSpace(s) == "" {
		return DN{}, nil
	}
	p := dnParser{text: s}
	var dn DN
	for {
		rdn, err := p.rdn()
		if err != nil {
			return nil, err
		}
		dn = append(dn, rdn)
		if p.pos == len(s) {
			return dn, nil
		}
		p.pos++ // the comma
	}
}

// Within reports whether d is base or lies below it.
func (d DN) Within(base DN) bool {
	return len(d) >= len(base) && slices.Equal(d[len(d)-len(base):], base)
}

// ParentDN cuts the first relative name off a DN as it is written, and returns
// "" for the last (RFC 4514 section 2).
func ParentDN(text string) string {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.TrimLeft(text[i+1:], " ")
		}
	}
	return ""
}

// EqualDN reports whether two names are the same name (RFC 4514): letter case
// and spacing do not count. Texts that are no names are equal when their bytes
// are.
func EqualDN(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := ParseDN(a)
	y, errY := ParseDN(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

type dnParser struct {
	text string
	pos  int
}

func (p *dnParser) fail(at int, reason string) error {
	return &ErrDN{Text: p.text, Offset: at, Reason: reason}
}

func (p *dnParser) spaces() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

// rdn reads one relative name and stops at the comma behind it or at the end.
func (p *dnParser) rdn() (string, error) {
	var parts []string
	for {
		typ, err := p.attributeType()
		if err != nil {
			return "", err
		}
		value, err := p.attributeValue()
		if err != nil {
			return "", err
		}
		parts = append(parts, typ+"="+value)
		if p.pos == len(p.text) || p.text[p.pos] != '+' {
			break
		}
		p.pos++
	}
	slices.Sort(parts)
	return strings.Join(parts, "+"), nil
}

func (p *dnParser) attributeType() (string, error) {
	behind := p.pos - 1
	p.spaces()
	start := p.pos
	for p.pos < len(p.text) && typeOctet(p.text[p.pos]) {
		p.pos++
	}
	typ := p.text[start:p.pos]
	p.spaces()
	if typ == "" || p.pos == len(p.text) || p.text[p.pos] != '=' {
		if behind >= 0 && p.text[behind] == ',' {
			return "", p.fail(behind, `expected an attribute type and "=" behind the comma (a comma inside a value is written "\,")`)
		}
		return "", p.fail(start, `expected an attribute type and "=", as in "OU=Staff"`)
	}
	p.pos++
	return strings.ToLower(typ), nil
}

func typeOctet(c byte) bool {
	return c == '-' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func (p *dnParser) attributeValue() (string, error) {
	p.spaces()
	if p.pos < len(p.text) {
		switch p.text[p.pos] {
		case '#':
			return p.hexValue()
		case '"':
			return p.quotedValue()
		}
	}
	var b strings.Builder
	keep := 0 // length of b up to its last octet that is not a trailing space
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch c {
		case ',', '+', ';':
			if c == ';' {
				return "", p.fail(p.pos, `";" separates nothing in a name of RFC 4514; write "," between parts, or "\;" inside a value`)
			}
			return fold(b.String()[:keep]), nil
		case '"', '<', '>', 0:
			return "", p.fail(p.pos, fmt.Sprintf(`%q must be escaped in a value; write "\%s"`, string(c), escapeText(c)))
		case '\\':
			octet, n := unescape(p.text[p.pos:])
			if n == 0 {
				return "", p.fail(p.pos, `a backslash escapes one of , + " \ < > ; = # space, or is followed by two hex digits; a backslash itself is written "\\"`)
			}
			b.WriteByte(octet)
			p.pos += n
			keep = b.Len()
			continue
		}
		b.WriteByte(c)
		if c != ' ' {
			keep = b.Len()
		}
		p.pos++
	}
	return fold(b.String()[:keep]), nil
}

// quotedValue reads a value in quotes, in which only quotes and backslashes are
// escaped (RFC 2253 section 4). It is the same value as without.
func (p *dnParser) quotedValue() (string, error) {
	start := p.pos
	p.pos++
	var b strings.Builder
	for p.pos < len(p.text) && p.text[p.pos] != '"' {
		octet, n := p.text[p.pos], 1
		if octet == '\\' {
			if octet, n = unescape(p.text[p.pos:]); n == 0 {
				return "", p.fail(p.pos, `a backslash in quotes escapes one of , + " \ < > ; = # space, or is followed by two hex digits`)
			}
		}
		b.WriteByte(octet)
		p.pos += n
	}
	if p.pos == len(p.text) {
		return "", p.fail(start, `the quote that begins here has no end`)
	}
	p.pos++
	p.spaces()
	if p.pos < len(p.text) && p.text[p.pos] != ',' && p.text[p.pos] != '+' {
		return "", p.fail(p.pos, `expected "," or "+" behind a value in quotes`)
	}
	return fold(b.String()), nil
}

func escapeText(c byte) string {
	if c == 0 {
		return "00"
	}
	return string(c)
}

// hexValue reads "#" and the hex of a BER value, which is compared as it is.
func (p *dnParser) hexValue() (string, error) {
	start := p.pos
	p.pos++
	for p.pos < len(p.text) && hexDigit(p.text[p.pos]) < 16 {
		p.pos++
	}
	value := p.text[start:p.pos]
	p.spaces()
	if end := p.pos == len(p.text) || p.text[p.pos] == ',' || p.text[p.pos] == '+'; !end || len(value) < 3 || len(value)%2 == 0 {
		return "", p.fail(start, `"#" begins a hexadecimal value; write "\#" for a value that begins with it`)
	}
	return strings.ToLower(value), nil
}

// unescape reads one escape at the front of s and returns its octet and its
// length, which is 0 where there is none.
func unescape(s string) (byte, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if strings.IndexByte(`,+"\<>;=# `, s[1]) >= 0 {
		return s[1], 2
	}
	if len(s) >= 3 {
		if hi, lo := hexDigit(s[1]), hexDigit(s[2]); hi < 16 && lo < 16 {
			return hi<<4 | lo, 3
		}
	}
	return 0, 0
}

// fold makes equal values equal text: lower case, white space squeezed, and
// the octets that separate the parts of a name escaped again.
func fold(s string) string {
	s = strings.Join(strings.Fields(strings.ToLower(s)), " ")
	if strings.ContainsAny(s, `\+,`) {
		s = strings.NewReplacer(`\`, `\\`, `+`, `\+`, `,`, `\,`).Replace(s)
	}
	return s
}

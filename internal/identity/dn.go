package identity

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
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

// ParseDN reads the string form of RFC 4514 and folds it, so that equal names
// become equal text:
//
//	types     in lower case, by the one name of [AttributeName]
//	values    without letter case, composed (RFC 4518), runs of white space as one
//	          space, none at the ends, escapes resolved; a value that is not UTF-8
//	          keeps its octets
//	#04...    the hex of a BER value, which equals no value that is written as text
//	a=1+b=2   the parts sorted
//
// Spaces around "=", "," and "+" do not count, and values may stand in quotes, as
// in RFC 2253. "" is the root, an empty DN.
func ParseDN(s string) (DN, error) {
	if strings.TrimSpace(s) == "" {
		return DN{}, nil
	}
	p := dnParser{text: s, folded: make([]byte, 0, len(s)+8)}
	ends := make([]int, 0, 8)
	for {
		if err := p.rdn(); err != nil {
			return nil, err
		}
		ends = append(ends, len(p.folded))
		if p.pos == len(s) {
			break
		}
		p.pos++ // the comma
	}
	// The names share one text.
	text, start := string(p.folded), 0
	dn := make(DN, len(ends))
	for i, end := range ends {
		dn[i] = text[start:end]
		start = end
	}
	return dn, nil
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

// LeafValue returns the first value of a name without escapes, or the text as it is
// where it is no name.
func LeafValue(dn string) string {
	_, value, found := strings.Cut(dn, "=")
	if !found {
		return dn
	}
	value, quoted := strings.CutPrefix(strings.TrimLeft(value, " "), `"`)
	var b []byte
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			octet, n := unescape(value[i:])
			if n == 0 {
				return dn
			}
			b = append(b, octet)
			i += n - 1
		case quoted && c == '"', !quoted && (c == ',' || c == '+'):
			i = len(value)
		default:
			b = append(b, c)
		}
	}
	if leaf := strings.TrimRight(string(b), " "); leaf != "" {
		return leaf
	}
	return dn
}

// EqualDN reports whether two names are the same name (RFC 4514): letter case
// and spacing do not count. Texts that are no names are equal when their bytes
// are.
func EqualDN(a, b string) bool {
	if a == b {
		return true
	}
	if PlainDN(a) && PlainDN(b) {
		return strings.EqualFold(a, b)
	}
	x, errX := ParseDN(a)
	y, errY := ParseDN(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// FoldDN returns a text that is equal for equal names. What is no name stands for itself.
func FoldDN(text string) string {
	dn, err := ParseDN(text)
	if err != nil {
		return text
	}
	return strings.Join(dn, ",")
}

// PlainDN reports whether a text is certainly a distinguished name in which
// nothing but letter case can differ from an equal one: no escapes, no other
// names of types, no several-valued parts, no spaces that do not count. Two such
// names are compared by [strings.EqualFold].
func PlainDN[T string | []byte](name T) bool {
	for i := 0; i < len(name); i++ {
		start := i
		for i < len(name) && typeOctets[name[i]] {
			i++
		}
		if i == len(name) || name[i] != '=' || !PlainType(name[start:i]) {
			return false
		}
		before := byte(' ')
		for i++; i < len(name) && name[i] != ','; i++ {
			c := name[i]
			if !plainOctets[c] || c == ' ' && before == ' ' {
				return false
			}
			before = c
		}
		if before == ' ' || i == len(name)-1 {
			return false
		}
	}
	return len(name) > 0
}

// typeOctets may stand in an attribute type, plainOctets in a value where they
// mean themselves.
var typeOctets, plainOctets = func() (types, values [256]bool) {
	for c := range 256 {
		types[c] = c == '-' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		values[c] = c >= ' ' && c < 0x7f && strings.IndexByte(`,+"\<>;#`, byte(c)) < 0
	}
	return types, values
}()

type dnParser struct {
	text   string
	pos    int
	folded []byte
	value  []byte // an unescaped value
}

func (p *dnParser) fail(at int, reason string) error {
	return &ErrDN{Text: p.text, Offset: at, Reason: reason}
}

func (p *dnParser) spaces() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

// rdn folds one relative name and stops at the comma behind it or at the end.
func (p *dnParser) rdn() error {
	start, several := len(p.folded), false
	for {
		if err := p.attributeType(); err != nil {
			return err
		}
		if err := p.attributeValue(); err != nil {
			return err
		}
		if p.pos == len(p.text) || p.text[p.pos] != '+' {
			break
		}
		several = true
		p.folded = append(p.folded, '+')
		p.pos++
	}
	if several {
		parts := slices.Sorted(Parts(string(p.folded[start:])))
		p.folded = append(p.folded[:start], strings.Join(parts, "+")...)
	}
	return nil
}

// Parts yields the parts, type=value, of a folded relative name.
func Parts(rdn string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; i < len(rdn); i++ {
			switch rdn[i] {
			case '\\':
				i++
			case '+':
				if !yield(rdn[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(rdn[start:])
	}
}

func (p *dnParser) attributeType() error {
	behind := p.pos - 1
	p.spaces()
	start := p.pos
	for p.pos < len(p.text) && typeOctets[p.text[p.pos]] {
		p.pos++
	}
	typ := p.text[start:p.pos]
	p.spaces()
	if typ == "" || p.pos == len(p.text) || p.text[p.pos] != '=' {
		if behind >= 0 && p.text[behind] == ',' {
			return p.fail(behind, `expected an attribute type and "=" after the comma (a comma inside a value is written "\,")`)
		}
		return p.fail(start, `expected an attribute type and "=", as in "OU=Staff"`)
	}
	p.pos++
	p.folded = append(append(p.folded, AttributeName(typ)...), '=')
	return nil
}

func (p *dnParser) attributeValue() error {
	p.spaces()
	if p.pos < len(p.text) {
		switch p.text[p.pos] {
		case '#':
			return p.hexValue()
		case '"':
			return p.quotedValue()
		}
	}
	p.value = p.value[:0]
	for ; p.pos < len(p.text) && p.text[p.pos] != ',' && p.text[p.pos] != '+'; p.pos++ {
		c := p.text[p.pos]
		switch c {
		case ';':
			return p.fail(p.pos, `";" separates nothing in a name of RFC 4514; write "," between parts, or "\;" inside a value`)
		case '"', '<', '>', 0:
			return p.fail(p.pos, fmt.Sprintf(`%q must be escaped in a value; write "\%s"`, string(c), escapeText(c)))
		case '\\':
			octet, n := unescape(p.text[p.pos:])
			if n == 0 {
				return p.fail(p.pos, `a backslash escapes one of , + " \ < > ; = # space, or is followed by two hex digits; a backslash itself is written "\\"`)
			}
			c = octet
			p.pos += n - 1
		}
		p.value = append(p.value, c)
	}
	p.folded = appendFolded(p.folded, p.value)
	return nil
}

// quotedValue reads a value in quotes, in which only quotes and backslashes are
// escaped (RFC 2253 section 4). It is the same value as without.
func (p *dnParser) quotedValue() error {
	start := p.pos
	p.pos++
	p.value = p.value[:0]
	for p.pos < len(p.text) && p.text[p.pos] != '"' {
		octet, n := p.text[p.pos], 1
		if octet == '\\' {
			if octet, n = unescape(p.text[p.pos:]); n == 0 {
				return p.fail(p.pos, `a backslash in quotes escapes one of , + " \ < > ; = # space, or is followed by two hex digits`)
			}
		}
		p.value = append(p.value, octet)
		p.pos += n
	}
	if p.pos == len(p.text) {
		return p.fail(start, `the quote that begins here has no end`)
	}
	p.pos++
	p.spaces()
	if p.pos < len(p.text) && p.text[p.pos] != ',' && p.text[p.pos] != '+' {
		return p.fail(p.pos, `expected "," or "+" after a value in quotes`)
	}
	p.folded = appendFolded(p.folded, p.value)
	return nil
}

func escapeText(c byte) string {
	if c == 0 {
		return "00"
	}
	return string(c)
}

// hexValue folds "#" and the hex of a BER value, which is compared as it is.
func (p *dnParser) hexValue() error {
	start := p.pos
	p.pos++
	for p.pos < len(p.text) && hexDigit(p.text[p.pos]) < 16 {
		p.pos++
	}
	value := p.text[start:p.pos]
	p.spaces()
	if end := p.pos == len(p.text) || p.text[p.pos] == ',' || p.text[p.pos] == '+'; !end || len(value) < 3 || len(value)%2 == 0 {
		return p.fail(start, `"#" begins a hexadecimal value; write "\#" for a value that begins with it`)
	}
	p.folded = append(p.folded, strings.ToLower(value)...)
	return nil
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

// appendFolded makes equal values equal text. The octets that separate the parts
// of a name, a leading "#", and those that are not UTF-8 are escaped.
func appendFolded(dst, value []byte) []byte {
	start := len(dst)
	gap, prepared := false, false
	for i := 0; i < len(value); {
		r, n := rune(value[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(value[i:])
		}
		if !prepared && !Settled(r) {
			prepared = true
			if utf8.Valid(value) {
				value, dst, gap, i = Prepare(value, true), dst[:start], false, 0
				continue
			}
		}
		if unicode.IsSpace(r) {
			gap = true
			i += n
			continue
		}
		if gap && len(dst) > start {
			dst = append(dst, ' ')
		}
		gap = false
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\%02x`, value[i])
		case r == '\\', r == '+', r == ',', r == '#' && len(dst) == start:
			dst = append(dst, '\\', byte(r))
		case r >= 'A' && r <= 'Z':
			dst = append(dst, byte(r)|0x20)
		case r < utf8.RuneSelf:
			dst = append(dst, byte(r))
		default:
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		i += n
	}
	return dst
}

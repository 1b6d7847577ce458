package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// maxDepth bounds how deep parentheses may nest; servers refuse far less.
const maxDepth = 200

// SyntaxError is returned by [Parse]. It says where a text stops being a
// filter and what to write there.
type SyntaxError struct {
	Text   string // the filter as given
	Offset int    // octets before the fault
	Reason string // what is wrong, and what to write
}

func (e *SyntaxError) Error() string {
	at := fmt.Sprintf("at character %d", utf8.RuneCountInString(e.Text[:e.Offset])+1)
	if e.Offset == len(e.Text) {
		at = "at the end"
	}
	return fmt.Sprintf("not a search filter: %s, %s", e.Reason, at)
}

// Parse reads a filter of RFC 4515, with the empty (&) and (|) of RFC 4526.
// White space and line breaks may stand between its parts, and around the
// whole; an item may stand alone without parentheses, as in "mail=*".
func Parse(text string) (*Filter, error) {
	p := parser{text: text}
	p.space()
	var root node
	var err error
	switch p.peek() {
	case '(':
		root, err = p.filter(1)
	case '&', '|', '!':
		err = p.fail(p.pos, `a combined filter stands in parentheses; write "(" before it and ")" after it`)
	case 0:
		err = p.fail(p.pos, `nothing is there; (objectClass=*) matches every object`)
	default:
		root.item, err = p.item(strings.TrimRight(text, spaces))
	}
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(text) {
		return nil, p.fail(p.pos, `something follows the closing parenthesis; filters are combined as (&(...)(...)) or (|(...)(...)), and a ")" inside a value is written \29`)
	}
	slices.Sort(p.attributes)
	return &Filter{root: root, attributes: slices.Compact(p.attributes), unsupported: p.unsupported, impossible: p.impossible}, nil
}

const spaces = " \t\r\n"

type parser struct {
	text        string
	pos         int
	attributes  []string
	unsupported string
	impossible  []Impossible
}

func (p *parser) fail(at int, reason string) error {
	return &SyntaxError{Text: p.text, Offset: at, Reason: reason}
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(spaces, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// peek returns the next octet, or 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// filter reads from an opening parenthesis through the closing one.
func (p *parser) filter(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, p.fail(p.pos, fmt.Sprintf("parentheses nest deeper than %d", maxDepth))
	}
	p.pos++
	p.space()
	n := node{op: p.peek()}
	var err error
	switch n.op {
	case '&', '|':
		p.pos++
		for p.space(); p.peek() == '('; p.space() {
			child, err := p.filter(depth + 1)
			if err != nil {
				return node{}, err
			}
			n.nodes = append(n.nodes, child)
		}
		return n, p.close(`expected "(" or ")"; each filter inside (&...) or (|...) has its own parentheses`)
	case '!':
		p.pos++
		if p.space(); p.peek() != '(' {
			return node{}, p.fail(p.pos, `expected "(" after "!", as in (!(mail=*))`)
		}
		child, err := p.filter(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.nodes = []node{child}
		p.space()
		return n, p.close(`expected ")"; "!" negates exactly one filter, as in (!(mail=*))`)
	case '(':
		// Parentheses around parentheses mean nothing, and are common.
		if n, err = p.filter(depth + 1); err != nil {
			return node{}, err
		}
		p.space()
		return n, p.close(`expected ")"; several filters are combined as (&(...)(...)) or (|(...)(...))`)
	case ')':
		return node{}, p.fail(p.pos, `expected a filter between the parentheses, as in (mail=*)`)
	}
	end := strings.IndexByte(p.text[p.pos:], ')')
	if end < 0 {
		end = len(p.text)
	} else {
		end += p.pos
	}
	n.op = 0
	if n.item, err = p.item(p.text[:end]); err != nil {
		return node{}, err
	}
	p.pos = end
	return n, p.close(`expected ")" after the value`)
}

func (p *parser) close(reason string) error {
	if p.peek() != ')' {
		return p.fail(p.pos, reason)
	}
	p.pos++
	return nil
}

// item reads one comparison, which extends to the end of text; text is the
// filter up to there.
func (p *parser) item(text string) (item, error) {
	start := p.pos
	desc := p.word(text, true)
	rest := text[p.pos:]
	a := assertion{description: desc, attribute: AttributeName(desc), options: optionsOf(desc)}
	switch {
	case strings.HasPrefix(rest, ":"):
		if err := p.extensible(text, &a); err != nil {
			return item{}, err
		}
	case desc == "":
		return item{}, p.fail(p.pos, `expected an attribute, as in (mail=*)`)
	case strings.HasPrefix(rest, "="):
		a.op = "="
	case strings.HasPrefix(rest, ">="), strings.HasPrefix(rest, "<="), strings.HasPrefix(rest, "~="):
		a.op = rest[:2]
	default:
		return item{}, p.fail(p.pos, `expected one of = >= <= ~= := after the attribute, whose name consists of letters, digits and hyphens`)
	}
	p.pos += len(a.op)
	if err := p.value(text, &a); err != nil {
		return item{}, err
	}
	it, c := a.compile()
	if c.unsupported != "" && p.unsupported == "" {
		p.unsupported = "(" + it.text + ") " + c.unsupported
	}
	if c.impossible != "" {
		p.impossible = append(p.impossible, Impossible{Text: "(" + it.text + ")", Offset: start, Length: p.pos - start, Reason: c.impossible, Remedy: c.remedy})
	}
	if a.attribute != "" {
		p.attributes = append(p.attributes, a.attribute)
	}
	return it, nil
}

// extensible reads what stands between the attribute and ":=" (RFC 4515
// section 3, "extensible").
func (p *parser) extensible(text string, a *assertion) error {
	a.op = ":="
	for !strings.HasPrefix(text[p.pos:], ":=") {
		at := p.pos
		if p.pos < len(text) && text[p.pos] == ':' {
			p.pos++
		}
		word := p.word(text, false)
		switch {
		case word == "" || p.pos == len(text) || text[p.pos] != ':':
			return p.fail(p.pos, `expected a matching rule and ":=", as in (groupType:1.2.840.113556.1.4.803:=2147483648)`)
		case !a.dn && a.rule == "" && strings.EqualFold(word, "dn"):
			a.dn = true
		case a.rule == "":
			a.rule = word
		default:
			return p.fail(at, `expected ":=" after the matching rule`)
		}
	}
	if a.attribute == "" && a.rule == "" {
		return p.fail(p.pos, `expected an attribute or a matching rule before ":="`)
	}
	return nil
}

// word reads an attribute description, with options, or the name or OID of a
// matching rule, without.
func (p *parser) word(text string, options bool) string {
	start := p.pos
	for p.pos < len(text) {
		c := text[p.pos]
		if c != '-' && c != '.' && c != '_' && (c != ';' || !options || p.pos == start) && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		p.pos++
	}
	return text[start:p.pos]
}

// AttributeName returns the form in which objects are asked for an attribute:
// the one name by which it is known, in lower case and without options (RFC 4512
// section 2.5). See [identity.AttributeName].
func AttributeName(description string) string {
	name, _, _ := strings.Cut(description, ";")
	return identity.AttributeName(name)
}

// optionsOf returns the options of an attribute description, in lower case, that
// tell values apart; ";binary" says how they travel (RFC 4522).
func optionsOf(description string) (options []string) {
	_, rest, _ := strings.Cut(strings.ToLower(description), ";")
	for option := range strings.SplitSeq(rest, ";") {
		if option != "" && option != "binary" {
			options = append(options, option)
		}
	}
	return options
}

// value reads the assertion value. White space at its end belongs to the
// layout if there is a line break in it.
func (p *parser) value(text string, a *assertion) error {
	if body := strings.TrimRight(text, spaces); strings.Contains(text[max(len(body), p.pos):], "\n") {
		text = text[:max(len(body), p.pos)]
	}
	var piece strings.Builder
	for p.pos < len(text) {
		c := text[p.pos]
		switch {
		case c == '*' && a.op == "=":
			a.pieces = append(a.pieces, piece.String())
			piece.Reset()
			p.pos++
		case c == '*', c == '(', c == ')', c == 0:
			return p.fail(p.pos, fmt.Sprintf(`%q inside a value is written \%02x`, string(c), c))
		case c == '\\':
			octet, ok := hexOctet(text[p.pos+1:])
			if !ok {
				return p.fail(p.pos, `a backslash is followed by the two hex digits of an octet; a backslash itself is written \5c`)
			}
			piece.WriteByte(octet)
			p.pos += 3
		default:
			r, n := utf8.DecodeRuneInString(text[p.pos:])
			if r == utf8.RuneError && n == 1 {
				return p.fail(p.pos, fmt.Sprintf(`octet %02x is not UTF-8; an octet is written \%02x`, c, c))
			}
			piece.WriteString(text[p.pos : p.pos+n])
			p.pos += n
		}
	}
	a.pieces = append(a.pieces, piece.String())
	return nil
}

func hexOctet(s string) (octet byte, ok bool) {
	if len(s) < 2 {
		return 0, false
	}
	for _, c := range []byte(s[:2]) {
		switch {
		case c >= '0' && c <= '9':
			octet = octet<<4 | (c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			octet = octet<<4 | (c | 0x20 - 'a' + 10)
		default:
			return 0, false
		}
	}
	return octet, true
}

// Escape writes a value as RFC 4515 section 3 wants it. What cannot be seen is
// escaped too.
func Escape(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRuneInString(value[i:])
		if r == utf8.RuneError || identity.Unprintable(r) || strings.ContainsRune(`*()\`, r) {
			for _, c := range []byte(value[i : i+n]) {
				fmt.Fprintf(&b, `\%02x`, c)
			}
		} else {
			b.WriteString(value[i : i+n])
		}
		i += n
	}
	return b.String()
}

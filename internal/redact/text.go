package redact

import (
	"cmp"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// shortest is how many octets a value has at least that Text looks for by heart.
const shortest = 3

// span is a part of a text, and what comes in its place.
type span struct {
	start, end int
	mask       string
}

// Text masks, in a sentence, every address, name and DN that was masked before,
// and whatever else looks like an address, a DN or a GUID. Where it cannot tell
// where a DN ends, it takes the rest of the clause for a part of it.
func (m *Mask) Text(s string) string { return m.text(s, 1) }

// Source masks the text of a configuration or a filter as [Mask.Text] does, but
// takes nothing for a DN that may be a setting or a condition, such as
// title = 64 or (mail=*): a DN stands in quotes of its own or has two parts.
func (m *Mask) Source(s string) string { return m.text(s, 2) }

// text masks a text, in which a DN without quotes has as many parts at least.
func (m *Mask) text(s string, parts int) string {
	if m == nil || s == "" {
		return s
	}
	all := slices.Concat(m.remembered(s), m.addresses(s), m.dns(s, parts), m.guids(s))
	slices.SortStableFunc(all, func(x, y span) int { return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(y.end, x.end)) })
	var b strings.Builder
	at := 0
	for _, found := range all {
		switch {
		case found.start >= at:
			b.WriteString(s[at:found.start])
			b.WriteString(found.mask)
		case found.end > at:
			// The half that the value before has left.
			b.WriteString(":" + m.code(kindName, s[at:found.end]))
		}
		at = max(at, found.end)
	}
	return b.String() + s[at:]
}

// remembered finds values that were masked before, from one word boundary to
// another.
func (m *Mask) remembered(s string) (all []span) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sorted == nil {
		for n := range m.lengths {
			if n >= shortest {
				m.sorted = append(m.sorted, n)
			}
		}
		slices.SortFunc(m.sorted, func(x, y int) int { return y - x })
	}
	for i := range len(s) {
		if !boundary(s, i) {
			continue
		}
		for _, n := range m.sorted {
			if i+n > len(s) || !boundary(s, i+n) {
				continue
			}
			if mask, ok := m.lookUp(s[i : i+n]); ok {
				all = append(all, span{i, i + n, mask})
				break
			}
		}
	}
	return all
}

func (m *Mask) lookUp(text string) (mask string, ok bool) {
	for _, kind := range [...]byte{kindDN, kindName, kindAddress} {
		if mask, ok = m.given[value{kind, text}]; ok {
			return mask, true
		}
	}
	return "", false
}

// boundary reports whether a word can begin or end at an octet of s.
func boundary(s string, i int) bool {
	return i == 0 || i == len(s) || !word(s[i-1]) || !word(s[i])
}

func word(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}

// longest is how many octets of a text may be an address that is known.
const longest = 512

// signs are what may stand before an address without being a part of it.
const signs = "='`{}|*/"

var addressLike = regexp.MustCompile(`[^\s"<>()\[\],;:@]+(?:@+[^\s"<>()\[\],;:@'/` + "`" + `{}|=]+)+`)

// addresses finds what looks like an address. Behind a sign that may belong to
// it or to the sentence, one that is known is preferred to a longer one.
func (m *Mask) addresses(s string) (all []span) {
	for _, at := range addressLike.FindAllStringIndex(s, -1) {
		start, end := at[0], at[1]
		for end > start && (s[end-1] == '.' || s[end-1] == '-') {
			end--
		}
		text := strings.ToLower(s[start:end])
		if len(text) != end-start || text[len(text)-1] == '@' {
			text = s[start:end]
		}
		for i := max(0, len(text)-longest); i < len(text); i++ {
			if (i == 0 || strings.IndexByte(signs, text[i-1]) >= 0) && m.knows(text[i:]) {
				start, text = start+i, text[i:]
				break
			}
		}
		own := strings.TrimLeft(text, signs)
		if !m.knows(text) && !strings.HasPrefix(own, "@") {
			start, text = start+len(text)-len(own), own
		}
		all = append(all, span{start, end, m.Address(text)})
	}
	return all
}

// knows reports whether an address was masked before, or is a mask.
func (m *Mask) knows(address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.given[value{kindAddress, address}]
	return known || isAddressMask(address)
}

// dnLike finds what may be a DN with or without a quote before it, of types of
// any name. A doubled backslash is an escape in quotes.
var dnLike = func() *regexp.Regexp {
	typ, value := `(?:[a-z][a-z0-9-]*|`+oid+`)`, `=(?:\\\\[,+;<>]|\\[\s\S]|[^\\,+;"<>\n])*`
	// Between a type and its sign, a space is a part of the name where the type is
	// one of DNs, or else all of "title = 64" would be one.
	shown := `(?:` + strings.Join(types, "|") + `|` + oid + `)`
	return regexp.MustCompile(`(?i)(?:" *|\b)(?:` + shown + ` *|` + typ + `)` + value + `(?: *[,+;] *(?:` + shown + ` *|` + typ + `)` + value + `)*`)
}()

// anyType and shownHere find types that stand directly before their sign.
var (
	anyType   = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9-]*|` + oid + `)=`)
	shownHere = regexp.MustCompile(`(?i)\b(?:` + strings.Join(types, "|") + `|` + oid + `)=`)
)

// containers are the types that stand at the end of a DN.
var containers = regexp.MustCompile(`(?i)^ *(?:dc|ou|o|c|l|st|domaincomponent|organizationalunitname|organizationname|countryname|localityname|` + oid + `) *$`)

// startOfDN returns where a DN begins in a text that dnLike found, or its length:
// with a type of DNs in quotes or directly before its sign, or, if the whole ends
// as DNs do, with whatever is no DN in the value of something else.
func startOfDN(text string, quoted bool) int {
	first, value, _ := strings.Cut(text, "=")
	shown := shownType.MatchString(first)
	if shown && (quoted || !strings.HasSuffix(first, " ")) {
		return 0
	}
	last := 0
	for next := valueEnd(text); next < len(text); next = last + valueEnd(text[last:]) {
		last = next + 1
	}
	typ, _, _ := strings.Cut(text[last:], "=")
	if last > 0 && containers.MatchString(typ) {
		inner := anyType.FindAllStringIndex(value[:valueEnd(value)], -1)
		if shown || len(inner) == 0 {
			return 0
		}
		return len(first) + 1 + inner[len(inner)-1][0]
	}
	if at := shownHere.FindStringIndex(value); at != nil {
		return len(first) + 1 + at[0]
	}
	return len(text)
}

// conditionEnd returns where the condition of a filter that a text begins in
// ends, or else its length.
func conditionEnd(s string) int {
	open := 0
	for i, c := range []byte(s) {
		switch {
		case c == '(':
			open++
		case c == ')' && open > 0:
			open--
		case c == ')' && (i+1 == len(s) || s[i+1] == '(' || s[i+1] == ')'):
			return i
		}
	}
	return len(s)
}

// dns finds what looks like a DN. In quotes it ends with them; without, it has as
// many parts at least.
func (m *Mask) dns(s string, parts int) (all []span) {
	for from := 0; ; {
		at := dnLike.FindStringIndex(s[from:])
		if at == nil {
			return all
		}
		start, end := from+at[0], from+at[1]
		quote := s[start] == '"'
		if quote {
			start++
		}
		if skipped := startOfDN(s[start:end], quote); skipped > 0 {
			from = start + skipped
			continue
		}
		if quote {
			if inner, ok := quoted(s[start:]); ok {
				from = start + len(inner)
				all = append(all, span{start, from, m.like(unquoted(inner))})
				continue
			}
		}
		text := s[start:end]
		text = text[:conditionEnd(text)]
		// The last value ends with the clause, that of a DC with the word.
		last, count := 0, 1
		for next := valueEnd(text); next < len(text); next = last + valueEnd(text[last:]) {
			last = next + 1
			count++
		}
		typ, value, _ := strings.Cut(text[last:], "=")
		ends := ":)}"
		if strings.EqualFold(strings.Trim(typ, " "), "dc") {
			ends = " :)}'"
			value = strings.TrimLeft(value, " ")
		}
		if i := strings.IndexAny(value, ends); i >= 0 {
			text = text[:len(text)-len(value)+i]
		}
		text = strings.TrimRight(text, " .")
		from = start + len(text)
		if count >= parts && !(count == 1 && (value == "" || value[0] == '*' && strings.HasSuffix(text, "=*"))) {
			all = append(all, span{start, from, m.like(text)})
		}
	}
}

// quoted returns what stands before a closing quote, as it is written.
func quoted(s string) (inner string, ok bool) {
	for i := 0; i < len(s) && s[i] != '\n'; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], true
		}
	}
	return "", false
}

// unquoted resolves the escapes of a quoted text where it can.
func unquoted(inner string) string {
	if text, err := strconv.Unquote(`"` + inner + `"`); err == nil {
		return text
	}
	return inner
}

var guidLike = regexp.MustCompile(`(?i)\{?\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b\}?` + // as text
	`|\b[0-9a-f]{8}(?:-[0-9a-f]{8}){3}\b|\b[0-9a-f]{32}\b` +
	`|\b[A-Za-z0-9+/]{22}==` + // Base64
	`|(?:\\[0-9a-f]{2}){16}`) // in a filter

// guids finds what looks like a GUID.
func (m *Mask) guids(s string) (all []span) {
	for _, at := range guidLike.FindAllStringIndex(s, -1) {
		text := s[at[0]:at[1]]
		if strings.HasPrefix(text, `\`) {
			wire, _ := hex.DecodeString(strings.ReplaceAll(text, `\`, ""))
			g, err := identity.WireGUID(wire)
			if err != nil {
				continue
			}
			text = g.String()
		}
		all = append(all, span{at[0], at[1], m.GUID(text)})
	}
	return all
}

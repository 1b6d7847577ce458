package redact

import (
	"cmp"
	"encoding/hex"
	"regexp"
	"slices"
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
func (m *Mask) Text(s string) string {
	if m == nil || s == "" {
		return s
	}
	all := slices.Concat(m.remembered(s), m.addresses(s), m.dns(s), m.guids(s))
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

var dnLike = func() *regexp.Regexp {
	rdn := `(?:` + strings.Join(types, "|") + `) *=(?:\\[\s\S]|[^\\,+;"<>\n])*`
	return regexp.MustCompile(`(?i)\b` + rdn + `(?: *[,+;] *` + rdn + `)*`)
}()

// dns finds what looks like a DN.
func (m *Mask) dns(s string) (all []span) {
	for _, at := range dnLike.FindAllStringIndex(s, -1) {
		text := s[at[0]:at[1]]
		// The last value ends with the clause, that of a DC with the word.
		last := 0
		for next := valueEnd(text); next < len(text); next = last + valueEnd(text[last:]) {
			last = next + 1
		}
		typ, value, _ := strings.Cut(text[last:], "=")
		ends := `:)`
		if strings.EqualFold(strings.Trim(typ, " "), "dc") {
			ends = " :)'"
			value = strings.TrimLeft(value, " ")
		}
		if i := strings.IndexAny(value, ends); i >= 0 {
			text = text[:len(text)-len(value)+i]
		}
		text = strings.TrimRight(text, " .")
		all = append(all, span{at[0], at[0] + len(text), m.like(text)})
	}
	return all
}

// like masks what looks like a DN, and does not remember it.
func (m *Mask) like(text string) string {
	if masked, ok := m.names(text); ok {
		return masked
	}
	return "dn-" + m.sum(kindDN, text)[:digits]
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

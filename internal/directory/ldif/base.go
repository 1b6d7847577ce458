package ldif

import (
	"bytes"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// name is the distinguished name of a record, split at its commas as far as
// that can be seen without unescaping it. Most names of a directory end alike
// and plainly, and so need no more to be compared with a base.
type name struct {
	text  []byte
	parts []part
	// parsed is made when the plain comparison does not decide.
	parsed identity.DN
}

// part is a relative name: where it starts, and whether nothing in it but its
// letter case can differ from an equal one.
type part struct {
	start int
	plain bool
}

// set takes a name, or fails if it is none.
func (n *name) set(text []byte) error {
	n.text, n.parsed = text, nil
	if !n.split() {
		dn, err := identity.ParseDN(string(text))
		if err != nil {
			return err
		}
		n.parsed, n.parts = dn, n.parts[:0]
	}
	return nil
}

// split finds the parts, and is false if the name is not certainly one.
func (n *name) split() bool {
	n.parts = n.parts[:0]
	text := n.text
	for i := 0; i < len(text); {
		p := part{start: i, plain: true}
		for {
			// The type.
			for i < len(text) && text[i] == ' ' {
				p.plain = false
				i++
			}
			start := i
			for i < len(text) && typeOctets[text[i]] {
				i++
			}
			if i == start || i == len(text) || text[i] != '=' {
				return false
			}
			if !identity.PlainType(text[start:i]) {
				p.plain = false
			}
			// The value.
			before := text[i]
			for i++; i < len(text) && text[i] != ',' && text[i] != '+'; i++ {
				c := text[i]
				if valueOctets[c] {
					before = c
					continue
				}
				switch c {
				case ' ':
					if before == ' ' || before == '=' {
						p.plain = false
					}
				case '\\':
					p.plain = false
					if i++; i == len(text) || strings.IndexByte(`,+"\<>;=# `, text[i]) < 0 {
						return false
					}
				default:
					if c < 0x80 {
						return false
					}
					p.plain = false
				}
				before = c
			}
			if before == ' ' {
				p.plain = false
			}
			if i == len(text) || text[i] == ',' {
				break
			}
			p.plain = false
			i++
		}
		n.parts = append(n.parts, p)
		if i < len(text) {
			if i++; i == len(text) {
				return false
			}
		}
	}
	return true
}

// typeOctets may stand in the type of a relative name, valueOctets in its
// value where they mean themselves.
var typeOctets, valueOctets = func() (types, values [256]bool) {
	for c := range 256 {
		types[c] = c == '-' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		values[c] = c > ' ' && c < 0x7f && strings.IndexByte(`,+"\<>;#`, byte(c)) < 0
	}
	return types, values
}()

// base is the name at or below which a scope's objects are.
type base struct {
	name
	dn    identity.DN
	plain bool
}

func newBase(text string) (base, error) {
	dn, err := identity.ParseDN(text)
	if err != nil {
		return base{}, err
	}
	b := base{dn: dn}
	b.text = []byte(text)
	b.plain = b.split()
	for _, p := range b.parts {
		b.plain = b.plain && p.plain
	}
	return b, nil
}

// contains reports whether the name is the base or lies below it.
func (b *base) contains(n *name) bool {
	if len(b.dn) == 0 {
		return true
	}
	if n.parsed == nil {
		first := len(n.parts) - len(b.dn)
		if first < 0 {
			return false
		}
		plain := b.plain
		for _, p := range n.parts[first:] {
			plain = plain && p.plain
		}
		if plain {
			return bytes.EqualFold(n.text[n.parts[first].start:], b.text)
		}
		// A name that was split is one.
		n.parsed, _ = identity.ParseDN(string(n.text))
	}
	return n.parsed.Within(b.dn)
}

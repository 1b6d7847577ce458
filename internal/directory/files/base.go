package files

import (
	"bytes"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Name is the distinguished name of a record, split at its commas as far as
// that can be seen without unescaping it. Most names of a directory end alike
// and plainly, and so need no more to be compared with a base.
type Name struct {
	Text  []byte // as it is written
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

// Set takes a name, which stays in use, or fails if it is none.
func (n *Name) Set(text []byte) error {
	n.Text, n.parsed = text, nil
	if !n.split() {
		dn, err := identity.ParseDN(string(text))
		if err != nil {
			return err
		}
		n.parsed, n.parts = dn, n.parts[:0]
	}
	return nil
}

// AppendKey appends a text that equal names have in common (RFC 4514), and others have
// not.
func (n *Name) AppendKey(b []byte) []byte {
	plain := n.parsed == nil
	for _, p := range n.parts {
		plain = plain && p.plain
	}
	if plain {
		for _, c := range n.Text {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			b = append(b, c)
		}
		return b
	}
	if n.parsed == nil {
		n.parsed, _ = identity.ParseDN(string(n.Text)) // a name that was split is one
	}
	return append(b, strings.Join(n.parsed, ",")...)
}

// split finds the parts, and is false if the name is not certainly one.
func (n *Name) split() bool {
	n.parts = n.parts[:0]
	text := n.Text
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

// TypeOctet reports whether an octet may stand in an attribute type (RFC 4512 section
// 2.5).
func TypeOctet(c byte) bool { return typeOctets[c] }

// Base is the name at or below which a scope's objects are.
type Base struct {
	Name
	dn    identity.DN
	plain bool
}

// NewBase returns the base of this DN.
func NewBase(text string) (Base, error) {
	dn, err := identity.ParseDN(text)
	if err != nil {
		return Base{}, err
	}
	b := Base{dn: dn}
	b.Text = []byte(text)
	b.plain = b.split()
	for _, p := range b.parts {
		b.plain = b.plain && p.plain
	}
	return b, nil
}

// Contains reports whether the name is the base or lies below it.
func (b *Base) Contains(n *Name) bool {
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
			return bytes.EqualFold(n.Text[n.parts[first].start:], b.Text)
		}
		// A name that was split is one.
		n.parsed, _ = identity.ParseDN(string(n.Text))
	}
	return n.parsed.Within(b.dn)
}

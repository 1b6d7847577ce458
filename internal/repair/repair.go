// Package repair writes a change of one directory object as text that an admin
// runs: a PowerShell command of the module ActiveDirectory, or LDIF.
//
// The values come from directories, where anybody may have written them, so
// that quoting is all that matters here: no value ends its string, begins
// another command or another record, or hides from whoever reviews the text,
// which is printable ASCII throughout.
package repair

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Change is a change of the attributes of one object. Removals come first, then
// additions, then replacements, as Set-ADObject makes them.
type Change struct {
	// DN is the object's name; GUID its objectGUID in text form, or "", and never
	// the value of another attribute, which may be the objectGUID of another
	// object. A PowerShell command prefers the GUID, because names change; LDIF
	// knows names alone.
	DN, GUID string
	// LDAP marks an object outside of Active Directory, which no PowerShell
	// command finds.
	LDAP   bool
	Remove []Values
	Add    []Values
	// Replace puts the values in place of those that are there; without any,
	// it clears the attribute.
	Replace []Values
}

// Values are values of one attribute, whose name must be one of RFC 4512.
type Values struct {
	Attribute string
	Values    []string
}

// Of is a list of one attribute's values.
func Of(attribute string, values ...string) []Values { return []Values{{attribute, values}} }

// Edit is what becomes of one value of an attribute: To stands in place of From.
// From is "" where To is one more value, and To is "" where From goes.
type Edit struct{ From, To string }

// Edit changes values of an attribute. present are all that it has, each From
// among them.
//
// Active Directory and most other servers compare addresses without letter case,
// and remove the first value that is equal to the one to remove: smtp:a@b.example
// may be meant and SMTP:a@b.example go. So the change names single values where
// no other value comes close, and else replaces all.
func (c *Change) Edit(attribute string, present []string, edits ...Edit) {
	if after, apart := After(present, edits); !apart {
		c.Replace = append(c.Replace, Values{attribute, after})
		return
	}
	var remove, add []string
	for _, e := range edits {
		if e.From != "" {
			remove = append(remove, e.From)
		}
		if e.To != "" {
			add = append(add, e.To)
		}
	}
	if len(remove) > 0 {
		c.Remove = append(c.Remove, Values{attribute, remove})
	}
	if len(add) > 0 {
		c.Add = append(c.Add, Values{attribute, add})
	}
}

// After returns what an attribute with the values present has after the edits,
// and whether any server can tell the values that come and go from the others.
func After(present []string, edits []Edit) (after []string, apart bool) {
	to := map[string][]string{}
	likes := map[string]int{} // values by what a server may compare
	for _, e := range edits {
		if e.From != "" {
			to[e.From] = append(to[e.From], e.To)
		}
		if like := folded(e.To); like != folded(e.From) {
			likes[like]++
		}
	}
	has := map[string]bool{"": true}
	put := func(v string) {
		if !has[v] {
			has[v] = true
			after = append(after, v)
		}
	}
	for _, v := range present {
		likes[folded(v)]++
		if next := to[v]; len(next) > 0 {
			to[v] = next[1:]
			v = next[0]
		}
		put(v)
	}
	apart = true
	for _, e := range edits {
		if e.From == "" {
			put(e.To)
		}
		apart = apart && (e.From == "" || likes[folded(e.From)] <= 1) && (e.To == "" || likes[folded(e.To)] <= 1)
	}
	return after, apart
}

// folded returns a text without what any server leaves aside when it compares:
// letter case, spaces, widths (RFC 4518), and the accents that Active Directory
// does not see.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || unicode.IsMark(r) {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, norm.NFKD.String(s))
}

// Empty reports whether nothing is to be changed.
func (c *Change) Empty() bool { return len(c.Remove)+len(c.Add)+len(c.Replace) == 0 }

// PowerShell returns the change as one command without a line end. It is ""
// for an empty change, for an object outside of Active Directory, and for octets
// that are no UTF-8, which no string of PowerShell holds.
func (c *Change) PowerShell() string {
	if c.LDAP || c.Empty() || !c.text() {
		return ""
	}
	identity := c.GUID
	if identity == "" {
		identity = c.DN
	}
	var replaced, cleared []Values
	for _, v := range c.Replace {
		if len(v.Values) > 0 {
			replaced = append(replaced, v)
		} else {
			cleared = append(cleared, v)
		}
	}
	b := append([]byte("Set-ADObject -Identity "), appendQuoted(nil, identity)...)
	b = appendTable(b, " -Remove ", c.Remove)
	b = appendTable(b, " -Add ", c.Add)
	b = appendTable(b, " -Replace ", replaced)
	for i, v := range cleared {
		b = append(b, [...]string{" -Clear ", ","}[min(i, 1)]...)
		b = appendQuoted(b, v.Attribute)
	}
	return string(b)
}

// text reports whether the change is UTF-8.
func (c *Change) text() bool {
	if !utf8.ValidString(c.DN) && c.GUID == "" {
		return false
	}
	for _, list := range [][]Values{c.Remove, c.Add, c.Replace} {
		for _, v := range list {
			for _, value := range v.Values {
				if !utf8.ValidString(value) {
					return false
				}
			}
		}
	}
	return true
}

// appendTable appends a parameter whose value is a hash table, as in
//
//	-Remove @{'proxyAddresses'='smtp:a@example.com','smtp:b@example.com'}
func appendTable(b []byte, parameter string, list []Values) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(append(b, parameter...), "@{"...)
	for i, v := range list {
		if i > 0 {
			b = append(b, "; "...)
		}
		b = append(appendQuoted(b, v.Attribute), '=')
		for i, value := range v.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, value)
		}
	}
	return append(b, '}')
}

// Quote returns a PowerShell expression of a text, which must be UTF-8:
//
//	'Ann''s'
//	('M' + [char]0xFC + 'ller')
//
// Within single quotes nothing but a quote has a meaning, and PowerShell takes
// U+2018 to U+201B for quotes too. What is no printable ASCII is written by its
// number, so that neither the encoding of a file nor a mark of direction
// changes it.
func Quote(s string) string { return string(appendQuoted(nil, s)) }

func appendQuoted(b []byte, s string) []byte {
	start := len(b)
	joined := false
	b = append(b, '\'')
	open := true
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			if !open {
				b = append(b, " + '"...)
				open = true
			}
			if r == '\'' {
				b = append(b, '\'')
			}
			b = append(b, byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			if open {
				b = append(b, '\'')
				open = false
			}
			b = append(b, " + [char]0x"...)
			b = append(b, strings.ToUpper(strconv.FormatUint(uint64(unit), 16))...)
			joined = true
		}
	}
	if open {
		b = append(b, '\'')
	}
	if joined {
		b = append(b, ')')
		b = append(b[:start], append([]byte{'('}, b[start:]...)...)
	}
	return b
}

// LDIF returns the change as a record of RFC 2849 with the blank line behind
// it; "" for an empty change.
func (c *Change) LDIF() string {
	if c.Empty() {
		return ""
	}
	b := append(appendLine(nil, "dn", c.DN), "changetype: modify\n"...)
	for _, part := range []struct {
		operation string
		list      []Values
	}{{"delete", c.Remove}, {"add", c.Add}, {"replace", c.Replace}} {
		for _, v := range part.list {
			b = appendLine(b, part.operation, v.Attribute)
			for _, value := range v.Values {
				b = appendLine(b, v.Attribute, value)
			}
			b = append(b, "-\n"...)
		}
	}
	return string(append(b, '\n'))
}

// appendLine appends a value in Base64 unless it is printable ASCII that
// nothing mistakes: a SAFE-STRING of RFC 2849 without a space at its end.
func appendLine(b []byte, name, value string) []byte {
	b = append(append(b, name...), ':')
	switch {
	case value == "":
	case plain(value):
		b = append(append(b, ' '), value...)
	default:
		b = base64.StdEncoding.AppendEncode(append(b, ": "...), []byte(value))
	}
	return append(b, '\n')
}

func plain(value string) bool {
	if c := value[0]; c == ' ' || c == ':' || c == '<' || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

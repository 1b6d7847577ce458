// Package redact replaces what identifies people by masks, for reports that
// others may read. Equal values have equal masks under one key, so that a
// reader can still follow an address through a report:
//
//	ann@example.com                       u-3f9a2c71d0b4@example.com
//	ann@elsewhere.example                 u-3f9a2c71d0b4@d-44c0a91be2d7.invalid
//	Ann Smith                             n-c82d5e0f1a97
//	CN=Ann Smith,OU=Sales,DC=corp         CN=n-c82d5e0f1a97,OU=n-0be41d93c5aa,DC=n-7f21c60d98e3
//	8c4ac332-975f-4717-ad7b-ba4a4e968fff  00000000-0000-8000-8000-5d03b7c1e9f2
//
// A mask is the first 48 bits of an HMAC-SHA256. Among 1,000,000 values of one
// kind, the odds that any two share a mask are 1 in 560.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"regexp"
	"strings"
	"sync"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Mask gives masks. A nil Mask gives every value back as it is, and every Mask
// gives back a mask as it is.
type Mask struct {
	keeps map[string]bool // domains

	mu      sync.Mutex
	hash    hash.Hash
	given   map[value]string // masks, for Text
	lengths map[int]bool     // of these values, in octets
	sorted  []int            // the lengths from the longest; nil when it is to be made anew
}

// value is a value that has a mask of a kind.
type value struct {
	kind byte
	text string
}

// New returns the Mask of a key. Who does not know the key cannot find out by
// guessing whether a mask is that of a certain value. Addresses in the given
// domains keep their domain.
func New(key []byte, domains ...string) *Mask {
	m := &Mask{hash: hmac.New(sha256.New, key), keeps: map[string]bool{}, given: map[value]string{}, lengths: map[int]bool{}}
	m.Keep(domains...)
	return m
}

// Keep lets addresses in further domains keep their domain, unless it is so long
// that masks in it would be no addresses. It comes before any mask is given.
func (m *Mask) Keep(domains ...string) {
	for _, domain := range domains {
		m.keeps[strings.ToLower(domain)] = len(domain) <= longestKept
	}
}

const (
	// digits is how many hex digits of the HMAC a mask has.
	digits = 12
	// longestKept is how many octets a domain has at most that masks keep: an
	// address has at most 254, and the longest local part is "u-", the digits and
	// a dot.
	longestKept = 254 - len("u-") - digits - len(".@")
)

// sum returns the HMAC of a value as one of a kind, in hex.
func (m *Mask) sum(kind byte, value string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hash.Reset()
	m.hash.Write([]byte{kind})
	m.hash.Write([]byte(value))
	return hex.EncodeToString(m.hash.Sum(nil))
}

// code returns a mask without a shape: the kind and the first digits.
func (m *Mask) code(kind byte, value string) string {
	return string(kind) + "-" + m.sum(kind, value)[:digits]
}

// isCode reports whether s is what code returns.
func isCode(kind byte, s string) bool {
	return len(s) == 2+digits && s[0] == kind && s[1] == '-' && isHex(s[2:])
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// once returns the mask that f makes of a value, and remembers it for Text.
func (m *Mask) once(kind byte, text string, f func() string) string {
	if m == nil || text == "" {
		return text
	}
	key := value{kind, text}
	m.mu.Lock()
	mask, known := m.given[key]
	m.mu.Unlock()
	if known {
		return mask
	}
	mask = f()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.given[key] = mask
	if !m.lengths[len(text)] {
		m.lengths[len(text)] = true
		m.sorted = nil
	}
	return mask
}

// Kinds of values.
const (
	kindAddress = 'u'
	kindName    = 'n'
	kindDomain  = 'd'
	kindDN      = 'D'
	kindGUID    = 'g'
	kindPart    = 'p' // of a DN, which Text does not look for
)

// Address masks a mail address; those that differ in their domains alone have masks
// that do. One that is not well-formed has a mask that is not well-formed for the same
// reason. Letter case does not count.
func (m *Mask) Address(s string) string {
	if m == nil || isAddressMask(s) {
		return s
	}
	s = strings.ToLower(s)
	return m.once(kindAddress, s, func() string {
		local := m.code(kindAddress, s)
		address, err := identity.ParseAddress(s)
		if err == nil {
			local = m.code(kindAddress, address.Local())
		}
		if errors.Is(err, identity.ErrAddressAt) {
			return local
		}
		domain := s[strings.LastIndexByte(s, '@')+1:]
		switch {
		case errors.Is(err, identity.ErrAddressLength):
			local = "u-" + m.sum(kindAddress, s)
		case errors.Is(err, identity.ErrAddressLocal):
			local += "."
		case err != nil:
			return local + "@" + m.code(kindDomain, domain)
		}
		return local + "@" + m.domain(domain)
	})
}

// domain masks a domain in lower case unless it is one to keep. The mask is in
// a domain that nobody can have (RFC 2606).
func (m *Mask) domain(s string) string {
	if m.keeps[s] {
		return s
	}
	return m.code(kindDomain, s) + ".invalid"
}

// isAddressMask reports whether s is a mask of an address. Of a mask with a
// domain that is kept, the local part tells.
func isAddressMask(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	local = strings.TrimSuffix(local, ".")
	long := len(local) == 2+2*sha256.Size && isHex(local[2:]) && local[:2] == "u-"
	return (isCode(kindAddress, local) || long) && !strings.ContainsAny(domain, "@ ")
}

// Name masks a display name, a username or another value of an attribute. One
// that is an address in lower case has the mask of the address; of any other,
// letter case counts.
func (m *Mask) Name(s string) string {
	switch {
	case isCode(kindName, s):
		return s
	case isAddress(s):
		return m.Address(s)
	}
	return m.once(kindName, s, func() string { return m.code(kindName, s) })
}

// isAddress reports whether s is an address as addresses are reported: in lower case.
func isAddress(s string) bool {
	address, err := identity.ParseAddress(s)
	return err == nil && address.String() == s
}

// DN masks each value of a distinguished name, so that names in one container
// can be seen to be; what is no DN, or has attribute types that no DN of people
// has, is masked as a whole.
func (m *Mask) DN(s string) string {
	return m.once(kindDN, s, func() string { return m.like(s) })
}

// like masks what may be a DN, and does not remember it.
func (m *Mask) like(s string) string {
	masked, ok := m.names(s)
	switch {
	case ok:
		return masked
	case strings.HasPrefix(s, "dn-") && isHex(s[len("dn-"):]) && len(s) == len("dn-")+digits:
		return s
	}
	return "dn-" + m.sum(kindDN, s)[:digits]
}

// GUID masks a GUID in any spelling. The mask is a GUID of version 8 (RFC 9562).
func (m *Mask) GUID(s string) string {
	if m == nil || s == "" || strings.HasPrefix(s, guidMask) {
		return s
	}
	g, err := identity.ParseGUID(s)
	if err != nil {
		return m.Name(s)
	}
	return guidMask + m.sum(kindGUID, g.String())[:digits]
}

// guidMask is how the masks of GUIDs begin.
const guidMask = "00000000-0000-8000-8000-"

// types are the attribute types that a masked DN shows.
var types = []string{
	"cn", "ou", "dc", "o", "c", "l", "st", "street", "uid", "sn", "givenname", "mail", "e", "emailaddress", "samaccountname", "displayname",
	"employeeid", "employeenumber", "serialnumber", "title", "nsuniqueid", "entryuuid", "name",
	"commonname", "surname", "userid", "domaincomponent", "organizationalunitname", "organizationname", "countryname", "localityname",
}

// oid is an attribute type by its number.
const oid = `(?:oid\.)?[0-2](?:\.[0-9]+){2,}`

var shownType = regexp.MustCompile(`(?i)^ *(?:` + strings.Join(types, "|") + `|` + oid + `) *$`)

// names masks the values of a DN as it is written.
func (m *Mask) names(s string) (masked string, ok bool) {
	var b strings.Builder
	for {
		typ, rest, found := strings.Cut(s, "=")
		if !found || !shownType.MatchString(typ) {
			return "", false
		}
		end := valueEnd(rest)
		b.WriteString(typ)
		b.WriteByte('=')
		b.WriteString(m.part(rest[:end]))
		if end == len(rest) {
			return b.String(), true
		}
		b.WriteByte(rest[end])
		s = rest[end+1:]
	}
}

// part masks a value of a DN as it is written; the mask is that of the name.
func (m *Mask) part(s string) string {
	s = strings.Trim(unescaped(s), " ")
	switch {
	case isCode(kindName, s):
		return s
	case isAddress(s):
		return m.Address(s)
	}
	return m.once(kindPart, s, func() string { return m.code(kindName, s) })
}

// valueEnd returns where a value of a DN ends: before an unescaped separator.
func valueEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',', '+', ';':
			return i
		}
	}
	return len(s)
}

// unescaped resolves the escapes of RFC 4514 section 2.4.
func unescaped(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if octet, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(octet) == 1 {
			b = append(b, octet[0])
			i += 2
			continue
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

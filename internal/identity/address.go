package identity

import (
	"errors"
	"strings"
)

// Limits of RFC 5321 section 4.5.3.1 in octets. A whole address is limited to
// 254, because a forward path of 256 includes its angle brackets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// Address is a well-formed mail address in lower case. The zero Address is no
// address.
type Address struct{ text string }

// Errors of [ParseAddress]: what keeps a text from being an address.
var (
	ErrAddressAt     = errors.New("an address has exactly one @")
	ErrAddressLength = errors.New("an address has at most 254 octets, at most 64 of them before the @")
	ErrAddressLocal  = errors.New("the part before the @ consists of letters, digits and !#$%&'*+-/=?^_`{|}~ with single dots between them (RFC 5321 dot-string)")
	ErrAddressDomain = errors.New("the domain consists of two or more labels of 1 to 63 letters, digits and inner hyphens")
)

// ParseAddress reads local@domain: the local part a dot-string of RFC 5321
// section 4.1.2 of 1 to 64 octets, the domain two or more LDH labels of 1 to
// 63 octets, 254 octets in all. Letter case is folded, for both parts. The
// text is judged as it stands: nothing is trimmed.
func ParseAddress(s string) (Address, error) {
	at := strings.IndexByte(s, '@')
	if at < 0 || strings.IndexByte(s[at+1:], '@') >= 0 {
		return Address{}, ErrAddressAt
	}
	if len(s) > maxAddress || at > maxLocal {
		return Address{}, ErrAddressLength
	}
	if !dotString(s[:at]) {
		return Address{}, ErrAddressLocal
	}
	if !ValidDomain(s[at+1:]) {
		return Address{}, ErrAddressDomain
	}
	for i := range len(s) {
		if s[i]-'A' < 26 {
			return Address{strings.ToLower(s)}, nil
		}
	}
	return Address{s}, nil
}

// MustAddress is [ParseAddress] for text known to be well-formed; it panics
// otherwise.
func MustAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(s + ": " + err.Error())
	}
	return a
}

// String returns the address in lower case, or "" for the zero Address.
func (a Address) String() string { return a.text }

// Is reports whether a text is the address, letter for letter.
func (a Address) Is(text string) bool { return a.text == text }

// Spells reports whether a text is the address, with letters of ASCII in whichever case.
func (a Address) Spells(text string) bool {
	if len(a.text) != len(text) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != a.text[i] {
			return false
		}
	}
	return true
}

// MarshalText writes the address as text.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.text), nil }

// UnmarshalText reads it as [ParseAddress] does.
func (a *Address) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAddress(string(text))
	return err
}

// IsZero reports whether a is no address.
func (a Address) IsZero() bool { return a.text == "" }

// Domain returns the part after the @.
func (a Address) Domain() string { return a.text[strings.IndexByte(a.text, '@')+1:] }

// Local returns the part before the @.
func (a Address) Local() string { return a.text[:max(strings.IndexByte(a.text, '@'), 0)] }

// temporaryPrefix and temporaryLetters are what the local part of a temporary
// address consists of: the letters are those of base32 in lower case.
const (
	temporaryPrefix  = "rollcall-"
	temporaryLetters = 13
)

// Temporary returns the address that an account has for a moment while its own goes
// to another: of letters that nobody can guess, as crypto/rand.Text returns them.
func Temporary(letters, domain string) Address {
	return Address{temporaryPrefix + strings.ToLower(letters[:temporaryLetters]) + "@" + domain}
}

// IsTemporary reports whether the address is one of [Temporary].
func (a Address) IsTemporary() bool {
	letters, is := strings.CutPrefix(a.Local(), temporaryPrefix)
	return is && len(letters) == temporaryLetters && strings.Trim(letters, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// WithDomain returns the address in another domain, which must be lower case
// and satisfy [ValidDomain].
func (a Address) WithDomain(domain string) Address {
	return Address{a.Local() + "@" + domain}
}

// Compare orders addresses by their bytes.
func (a Address) Compare(b Address) int { return strings.Compare(a.text, b.text) }

// atext marks the octets of RFC 5322 section 3.2.3.
var atext = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~" {
		t[c] = true
	}
	return t
}()

func dotString(s string) bool {
	dot := true
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !atext[s[i]] {
			return false
		}
		dot = false
	}
	return !dot
}

// DomainHint says how to write a domain that was written otherwise.
func DomainHint(text string) string {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f }):
		return "write the A-label form of an internationalized domain, which begins with xn--"
	case strings.Contains(text, "@"):
		return "write only what comes after the @"
	case strings.HasPrefix(text, "*."):
		return "write each domain by its name, or ignore = true for all below one"
	case strings.HasSuffix(text, "."):
		return "write it without the dot at the end"
	}
	return `a domain is two or more labels of letters, digits and inner hyphens, as in "example.com"`
}

// ValidDomain reports whether s consists of two or more labels of 1 to 63
// letters, digits and hyphens, none with a hyphen at either end (RFC 1123
// section 2.1). Internationalized domains are written as A-labels (RFC 5890).
func ValidDomain(s string) bool {
	labels, start := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if c := s[i]; c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
			continue
		}
		if n := i - start; n == 0 || n > maxLabel || s[start] == '-' || s[i-1] == '-' {
			return false
		}
		labels++
		start = i + 1
	}
	return labels >= 2
}

package identity

import (
	"bytes"
	"crypto/sha1" // which version 5 of UUIDs is made with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// GUID is a globally unique identifier, its sixteen bytes in the order of its
// text form (RFC 9562 section 4). The zero GUID stands for none.
type GUID [16]byte

// ErrGUID is returned for a text or value that is no GUID.
var ErrGUID = errors.New("not a GUID: expected 8c4ac332-975f-4717-ad7b-ba4a4e968fff, the same in braces, 32 hex digits, or Base64 of the 16 wire bytes")

// IsZero reports whether g stands for no GUID.
func (g GUID) IsZero() bool { return g == GUID{} }

// Compare orders GUIDs by their bytes.
func (g GUID) Compare(h GUID) int { return bytes.Compare(g[:], h[:]) }

// String returns the lower-case form with hyphens, or "" for the zero GUID.
func (g GUID) String() string {
	if g.IsZero() {
		return ""
	}
	return string(g.Append(make([]byte, 0, 36)))
}

// Append appends the lower-case form with hyphens to b; the zero GUID appends
// nothing.
func (g GUID) Append(b []byte) []byte {
	if g.IsZero() {
		return b
	}
	b = hex.AppendEncode(b, g[0:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, g[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, g[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, g[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, g[10:16])
}

// ParseGUID reads any spelling that admins meet: with hyphens, in braces, 32
// hex digits, the Base64 of the wire bytes (an immutable ID), or the four groups
// of eight digits of 389 Directory Server's nsUniqueId. The zero GUID is
// refused.
func ParseGUID(s string) (GUID, error) {
	t := strings.TrimSpace(s)
	if len(t) >= 2 && t[0] == '{' && t[len(t)-1] == '}' {
		t = t[1 : len(t)-1]
	}
	var g GUID
	switch len(t) {
	case 36:
		if t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
			return GUID{}, ErrGUID
		}
		for _, p := range [...]struct{ dst, src, end int }{{0, 0, 8}, {4, 9, 13}, {6, 14, 18}, {8, 19, 23}, {10, 24, 36}} {
			if !unhex(g[p.dst:], t[p.src:p.end]) {
				return GUID{}, ErrGUID
			}
		}
	case 32:
		if !unhex(g[:], t) {
			return GUID{}, ErrGUID
		}
	case 24:
		wire, err := base64.StdEncoding.Strict().DecodeString(t)
		if err != nil || len(wire) != 16 {
			return GUID{}, ErrGUID
		}
		return WireGUID(wire)
	case 35:
		// nsUniqueId of 389 Directory Server: four groups of eight digits.
		if t[8] != '-' || t[17] != '-' || t[26] != '-' ||
			!unhex(g[0:], t[0:8]) || !unhex(g[4:], t[9:17]) || !unhex(g[8:], t[18:26]) || !unhex(g[12:], t[27:35]) {
			return GUID{}, ErrGUID
		}
	default:
		return GUID{}, ErrGUID
	}
	if g.IsZero() {
		return GUID{}, ErrGUID
	}
	return g, nil
}

// WireGUID reads the sixteen octets of objectGUID, whose first three fields
// are little-endian (MS-DTYP section 2.3.4.2).
func WireGUID(wire []byte) (GUID, error) {
	if len(wire) != 16 {
		return GUID{}, ErrGUID
	}
	g := GUID{wire[3], wire[2], wire[1], wire[0], wire[5], wire[4], wire[7], wire[6]}
	copy(g[8:], wire[8:])
	if g.IsZero() {
		return GUID{}, ErrGUID
	}
	return g, nil
}

// names is the namespace of [NamedGUID].
var names = GUID{0x5c, 0x1d, 0x0f, 0x8e, 0x3b, 0x57, 0x4a, 0x5e, 0x9a, 0x2e, 0x6f, 0x0c, 0x94, 0xd3, 0x71, 0xb6}

// MarshalText writes the GUID as [GUID.String] does.
func (g GUID) MarshalText() ([]byte, error) { return g.Append(nil), nil }

// UnmarshalText reads it as [ParseGUID] does.
func (g *GUID) UnmarshalText(text []byte) (err error) {
	*g, err = ParseGUID(string(text))
	return err
}

// Named reports whether a GUID is name-based, of version 5, as [NamedGUID] makes it.
func (g GUID) Named() bool { return g[6]>>4 == 5 && g[8]>>6 == 2 }

// NamedGUID returns the name-based UUID of a text (RFC 9562 section 5.5, version
// 5) in the namespace 5c1d0f8e-3b57-4a5e-9a2e-6f0c94d371b6:
//
//	uuidgen --sha1 --namespace 5c1d0f8e-3b57-4a5e-9a2e-6f0c94d371b6 --name TEXT
func NamedGUID(text string) (g GUID) {
	digest := sha1.Sum(append(names[:], text...))
	copy(g[:], digest[:])
	g[6] = g[6]&0x0f | 0x50
	g[8] = g[8]&0x3f | 0x80
	return g
}

func unhex(dst []byte, src string) bool {
	for i := 0; i+1 < len(src); i += 2 {
		hi, lo := hexDigit(src[i]), hexDigit(src[i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i/2] = hi<<4 | lo
	}
	return true
}

// hexDigits are the values of hexadecimal digits, and 255 of all other octets.
var hexDigits = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for i, c := range "0123456789abcdef" {
		t[c], t[strings.ToUpper(string(c))[0]] = byte(i), byte(i)
	}
	return t
}()

func hexDigit(c byte) byte { return hexDigits[c] }

package filter

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// assertion is an item as it was written.
type assertion struct {
	description string   // the attribute with its options
	attribute   string   // in lower case, without options
	dn          bool     // ":dn" of an extensible item
	rule        string   // the matching rule of an extensible item
	op          string   // "=", ">=", "<=", "~=" or ":="
	pieces      []string // the value; with "=", what stands between asterisks
}

// compile chooses the comparison. The second result says why the item cannot
// be judged in memory, "" if it can.
func (a *assertion) compile() (item, string) {
	it := item{attribute: a.attribute, ownName: a.attribute == "distinguishedname" || a.attribute == "entrydn"}
	a.squeeze()
	it.text = a.String()
	if len(a.pieces) == 2 && a.pieces[0] == "" && a.pieces[1] == "" {
		it.always = a.attribute == "objectclass"
		return it, ""
	}
	var why string
	if a.op == ":=" {
		it.test, it.rdn, why = a.extensible()
	} else {
		it.test, why = a.plain()
	}
	if it.unsupported = why; why != "" {
		it.test = func([]byte) truth { return undefined }
	}
	return it, why
}

// squeeze takes asterisks in a row as one.
func (a *assertion) squeeze() {
	last := len(a.pieces) - 1
	if last < 1 {
		return
	}
	inner := slices.DeleteFunc(slices.Clone(a.pieces[1:last]), func(s string) bool { return s == "" })
	a.pieces = slices.Concat(a.pieces[:1], inner, a.pieces[last:])
}

func (a *assertion) String() string {
	s := a.description
	if a.dn {
		s += ":dn"
	}
	if a.rule != "" {
		s += ":" + a.rule
	}
	s += a.op
	for i, piece := range a.pieces {
		if i > 0 {
			s += "*"
		}
		s += Escape(piece)
	}
	return s
}

// plain compiles "=", ">=", "<=" and "~=". Approximate is equal, as it is for
// Active Directory.
func (a *assertion) plain() (test, string) {
	octets := octetAttributes[a.attribute]
	if a.attribute == "anr" {
		return nil, "searches several attributes (ambiguous name resolution), which only a server can do; name the attributes"
	}
	if nameAttributes[a.attribute] && (len(a.pieces) > 1 || a.op == ">=" || a.op == "<=") {
		return nil, fmt.Sprintf("never matches: %s holds distinguished names, which are compared whole", a.description)
	}
	if len(a.pieces) > 1 {
		return substrings(a.pieces, octets), ""
	}
	value := a.pieces[0]
	switch a.op {
	case ">=":
		return ordered(value, octets, func(c int) bool { return c >= 0 }), ""
	case "<=":
		return ordered(value, octets, func(c int) bool { return c <= 0 }), ""
	}
	switch {
	case octets:
		return octetsEqual(value), ""
	case a.attribute == "objectclass":
		return classEqual(value), ""
	case a.attribute == "objectcategory" && !strings.Contains(value, "="):
		return categoryEqual(value), ""
	case nameAttributes[a.attribute]:
		return nameEqual(value), ""
	}
	return textEqual(value, lower), ""
}

// extensible compiles ":=". The relative name that it returns may stand in the
// object's name instead of among the values (":dn").
func (a *assertion) extensible() (_ test, rdn, why string) {
	value := a.pieces[0]
	if a.attribute == "" {
		return nil, "", "names no attribute, so that a server's schema is needed to choose them; name the attribute"
	}
	rule, known := rules[strings.ToLower(a.rule)]
	switch {
	case a.rule == "":
		plain := assertion{description: a.description, attribute: a.attribute, op: "=", pieces: a.pieces}
		rule.compile = func(string) (test, string) { return plain.plain() }
		rule.folds = true
	case a.rule == inChain:
		return nil, "", "follows nested memberships, which only a server can do; name the groups with memberOf=, or read the directory live"
	case !known:
		return nil, "", fmt.Sprintf("has the matching rule %s, which only a server knows", a.rule)
	}
	if a.dn {
		if !rule.folds {
			return nil, "", fmt.Sprintf("compares the names above the object by %s; only rules for text without letter case can be used with :dn", a.rule)
		}
		var err error
		if rdn, err = foldRDN(a.attribute, value); err != nil {
			return nil, "", "compares the names above the object with something that is no name"
		}
	}
	t, why := rule.compile(value)
	return t, rdn, why
}

// inChain is LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS section 3.1.1.3.4.4.3).
const inChain = "1.2.840.113556.1.4.1941"

// rule is a matching rule that needs no server.
type rule struct {
	compile func(value string) (test, string)
	folds   bool // compares text without letter case, as names are compared
}

// rules are known by name and by OID (RFC 4517 section 4.2; the bit rules from
// MS-ADTS section 3.1.1.3.4.4).
var rules = func() map[string]rule {
	always := func(f func(string) test) func(string) (test, string) {
		return func(value string) (test, string) { return f(value), "" }
	}
	text := func(f folding) rule {
		return rule{always(func(value string) test { return textEqual(value, f) }), f == lower}
	}
	less := func(octets bool) rule {
		return rule{compile: always(func(value string) test {
			return ordered(value, octets, func(c int) bool { return c < 0 })
		})}
	}
	m := map[string]rule{}
	for _, r := range []struct {
		name, oid string
		rule
	}{
		{"objectidentifiermatch", "2.5.13.0", text(lower)},
		{"distinguishednamematch", "2.5.13.1", rule{compile: always(nameEqual)}},
		{"caseignorematch", "2.5.13.2", text(lower)},
		{"caseignoreorderingmatch", "2.5.13.3", less(false)},
		{"caseexactmatch", "2.5.13.5", text(0)},
		{"numericstringmatch", "2.5.13.8", text(lower | unspaced)},
		{"caseignorelistmatch", "2.5.13.11", text(lower)},
		{"booleanmatch", "2.5.13.13", text(lower)},
		{"integermatch", "2.5.13.14", rule{compile: func(value string) (test, string) {
			return onIntegers(value, func(v, want int64) bool { return v == want })
		}}},
		{"integerorderingmatch", "2.5.13.15", rule{compile: func(value string) (test, string) {
			return onIntegers(value, func(v, want int64) bool { return v < want })
		}}},
		{"octetstringmatch", "2.5.13.17", rule{compile: always(octetsEqual)}},
		{"octetstringorderingmatch", "2.5.13.18", less(true)},
		{"telephonenumbermatch", "2.5.13.20", text(lower | unspaced | unhyphened)},
		{"generalizedtimematch", "2.5.13.27", text(lower)},
		{"generalizedtimeorderingmatch", "2.5.13.28", less(false)},
		{"caseexactia5match", "1.3.6.1.4.1.1466.109.114.1", text(0)},
		{"caseignoreia5match", "1.3.6.1.4.1.1466.109.114.2", text(lower)},
		{"uuidmatch", "1.3.6.1.1.16.2", text(lower)},
		{"uuidorderingmatch", "1.3.6.1.1.16.3", less(false)},
		{"", "1.2.840.113556.1.4.803", rule{compile: func(value string) (test, string) {
			return onIntegers(value, func(v, mask int64) bool { return v&mask == mask })
		}}},
		{"", "1.2.840.113556.1.4.804", rule{compile: func(value string) (test, string) {
			return onIntegers(value, func(v, mask int64) bool { return v&mask != 0 })
		}}},
	} {
		m[r.oid] = r.rule
		if r.name != "" {
			m[r.name] = r.rule
		}
	}
	return m
}()

// onIntegers compares decimal integers of up to 64 bits with sign. A negative
// groupType of 32 bits has its sign extended by that, so that the bit 2^31 is
// found in it.
func onIntegers(value string, hold func(v, want int64) bool) (test, string) {
	want, ok := integer([]byte(value))
	if !ok {
		return nil, "compares with something that is no integer of 64 bits; write a decimal number"
	}
	return func(v []byte) truth {
		n, ok := integer(v)
		if !ok {
			return undefined
		}
		return is(hold(n, want))
	}, ""
}

// integer reads a decimal integer of up to 64 bits.
func integer(b []byte) (int64, bool) {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if len(digits) < len(b) {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}

// ordered compares integers by number, other text folded, and octets by octet.
// Times (YYYYMMDDhhmmss.0Z) are in order as text.
func ordered(value string, octets bool, hold func(c int) bool) test {
	raw := []byte(value)
	if octets || !isText(raw) {
		return func(v []byte) truth { return is(hold(bytes.Compare(v, raw))) }
	}
	number, numeric := integer(raw)
	folded := appendFold(nil, raw, lower, trimBoth)
	return func(v []byte) truth {
		if numeric {
			if n, ok := integer(v); ok {
				return is(hold(cmp.Compare(n, number)))
			}
		}
		if !isText(v) {
			return is(hold(bytes.Compare(v, raw)))
		}
		var buf [bufSize]byte
		return is(hold(bytes.Compare(appendFold(buf[:0], v, lower, trimBoth), folded)))
	}
}

func octetsEqual(value string) test {
	raw := []byte(value)
	return func(v []byte) truth { return is(bytes.Equal(v, raw)) }
}

// classEqual also finds the classes derived from the one asked for, because a
// server knows of them where the object does not list them all (RFC 4512
// section 2.4.1).
func classEqual(value string) test {
	class := string(appendFold(nil, []byte(value), lower, trimBoth))
	if class == "top" {
		return func([]byte) truth { return yes }
	}
	classes := []string{class}
	for i := 0; i < len(classes); i++ {
		for _, d := range derived {
			if d.from == classes[i] {
				classes = append(classes, d.class)
			}
		}
	}
	return func(v []byte) truth {
		for _, c := range classes {
			if foldedEqual(v, c, lower) {
				return yes
			}
		}
		return no
	}
}

// derived are the structural classes of people in RFC 4519, RFC 2798 and the
// schema of Active Directory.
var derived = []struct{ class, from string }{
	{"organizationalperson", "person"},
	{"residentialperson", "person"},
	{"inetorgperson", "organizationalperson"},
	{"user", "organizationalperson"},
	{"contact", "organizationalperson"},
	{"computer", "user"},
}

// categoryEqual compares an objectCategory, such as
// CN=Person,CN=Schema,CN=Configuration,..., with the name of a class. Active
// Directory takes the class's default category for it (MS-ADTS section
// 3.1.1.3.1.3.5), whose name is the class's with hyphens between the words.
func categoryEqual(value string) test {
	want := strings.ReplaceAll(string(appendFold(nil, []byte(value), lower, trimBoth)), "-", "")
	switch want {
	case "user", "contact", "inetorgperson", "organizationalperson":
		want = "person"
	}
	return func(v []byte) truth {
		leaf, _, _ := bytes.Cut(v, []byte(","))
		if len(leaf) >= 3 && bytes.EqualFold(leaf[:3], []byte("cn=")) {
			leaf = leaf[3:]
		}
		return is(foldedEqual(leaf, want, lower|unhyphened))
	}
}

// textEqual compares as caseIgnoreMatch and its kin do.
func textEqual(value string, f folding) test {
	raw := []byte(value)
	if !isText(raw) {
		return octetsEqual(value)
	}
	want := string(appendFold(nil, raw, f, trimBoth))
	return func(v []byte) truth { return is(foldedEqual(v, want, f)) }
}

// substrings finds the pieces in order: the first at the start, the last at
// the end, the others between.
func substrings(pieces []string, octets bool) test {
	last := len(pieces) - 1
	raw, folded := make([][]byte, last+1), make([][]byte, last+1)
	for i, piece := range pieces {
		raw[i] = []byte(piece)
		octets = octets || !isText(raw[i])
		trim := trimNone
		switch i {
		case 0:
			trim = trimLeft
		case last:
			trim = trimRight
		}
		folded[i] = appendFold(nil, raw[i], lower, trim)
	}
	return func(v []byte) truth {
		if octets || !isText(v) {
			return is(inOrder(v, raw))
		}
		var buf [bufSize]byte
		return is(inOrder(appendFold(buf[:0], v, lower, trimBoth), folded))
	}
}

func inOrder(v []byte, pieces [][]byte) bool {
	last := len(pieces) - 1
	if !bytes.HasPrefix(v, pieces[0]) {
		return false
	}
	v = v[len(pieces[0]):]
	for _, piece := range pieces[1:last] {
		i := bytes.Index(v, piece)
		if i < 0 {
			return false
		}
		v = v[i+len(piece):]
	}
	return bytes.HasSuffix(v, pieces[last])
}

// nameEqual compares distinguished names; what is no name compares as text.
func nameEqual(value string) test {
	asText := textEqual(value, lower)
	want, err := identity.ParseDN(value)
	if err != nil {
		return asText
	}
	raw := []byte(value)
	plain := plainName(raw)
	return func(v []byte) truth {
		if plain && plainName(v) {
			return is(bytes.EqualFold(v, raw))
		}
		got, err := identity.ParseDN(string(v))
		if err != nil {
			return asText(v)
		}
		return is(slices.Equal(got, want))
	}
}

// plainName reports whether nothing in the text but its letter case can differ
// from an equal name: no escapes, no several-valued parts, no spaces that do
// not count.
func plainName(b []byte) bool {
	before := byte(',')
	for _, c := range b {
		switch {
		case c >= 0x80, c < ' ', c == '\\', c == '+', c == '#', c == '"', c == ';', c == '<', c == '>':
			return false
		case c == ' ' && (before == ' ' || before == ',' || before == '='), before == ' ' && (c == ',' || c == '='):
			return false
		}
		before = c
	}
	return before != ' '
}

// foldRDN returns the relative name attribute=value as identity.ParseDN folds
// it.
func foldRDN(attribute, value string) (string, error) {
	var b strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	dn, err := identity.ParseDN(attribute + "=" + b.String())
	if err != nil {
		return "", err
	}
	return dn[0], nil
}

// hasRDN reports whether a folded relative name is one of the name's parts.
func hasRDN(name, rdn string) bool {
	dn, err := identity.ParseDN(name)
	if err != nil {
		return false
	}
	for _, part := range dn {
		start := 0
		for i := 0; i <= len(part); i++ {
			switch {
			case i == len(part), part[i] == '+':
				if part[start:i] == rdn {
					return true
				}
				start = i + 1
			case part[i] == '\\':
				i++
			}
		}
	}
	return false
}

package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// assertion is an item as it was written.
type assertion struct {
	description string   // the attribute with its options
	attribute   string   // the name by which it is known, without options
	options     []string // see Tagged
	dn          bool     // ":dn" of an extensible item
	rule        string   // the matching rule of an extensible item
	op          string   // "=", ">=", "<=", "~=" or ":="
	pieces      []string // the value; with "=", what stands between asterisks
}

// comparison is what an assertion asks of one value. It is true for no object if
// it has no test, and nor is its negation.
type comparison struct {
	test test
	// unsupported says why only a server can judge it, "" if it can be judged.
	unsupported string
	// impossible says why it can never be true, and remedy what to write; "" if
	// it can.
	impossible, remedy string
}

// compile chooses the comparison. The second result is about the whole item.
func (a *assertion) compile() (item, comparison) {
	it := item{description: a.description, attribute: a.attribute, options: a.options}
	it.ownName = len(a.options) == 0 && (a.attribute == "distinguishedname" || a.attribute == "entrydn")
	a.squeeze()
	it.text = a.String()
	if len(a.pieces) == 2 && a.pieces[0] == "" && a.pieces[1] == "" {
		it.always = a.attribute == "objectclass" && len(a.options) == 0
		it.presence = true
		return it, comparison{}
	}
	var c comparison
	if a.op == ":=" {
		c, it.rdn = a.extensible()
	} else {
		c = a.plain()
	}
	if c.unsupported != "" || c.impossible != "" {
		c.test = nil
	}
	it.test, it.unsupported, it.impossible = c.test, c.unsupported, c.impossible
	return it, c
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
func (a *assertion) plain() comparison {
	if a.attribute == "anr" {
		return comparison{unsupported: "searches several attributes (ambiguous name resolution), which only a server can do; name the attributes"}
	}
	k := kinds[a.attribute]
	if len(a.pieces) > 1 {
		switch k {
		case names, integers, booleans, times, uuids:
			return comparison{unsupported: fmt.Sprintf("never matches: %s holds %s, which are compared whole", a.description, k)}
		case phones:
			return comparison{test: substrings(a.pieces, false, loose)}
		}
		return comparison{test: substrings(a.pieces, k == octets, lower)}
	}
	value := a.pieces[0]
	if ordering := a.op == ">=" || a.op == "<="; ordering {
		hold := func(c int) bool { return c >= 0 }
		if a.op == "<=" {
			hold = func(c int) bool { return c <= 0 }
		}
		switch k {
		case names, booleans:
			return comparison{unsupported: fmt.Sprintf("never matches: %s holds %s, which have no order", a.description, k)}
		case integers:
			return onNumbers(value, hold)
		case times:
			return onTimes(value, hold)
		case uuids:
			return onUUIDs(value, hold)
		case octets:
			return comparison{test: octetsOrdered(value, hold)}
		}
		return a.onText(value, ordered(value, hold))
	}
	equal := func(c int) bool { return c == 0 }
	switch {
	case k == octets:
		return comparison{test: octetsEqual(value)}
	case k == integers:
		return onNumbers(value, equal)
	case k == booleans:
		return onBooleans(value)
	case k == times:
		return onTimes(value, equal)
	case k == uuids:
		return onUUIDs(value, equal)
	case k == phones:
		return a.onText(value, textEqual(value, loose))
	case a.attribute == "objectclass":
		return a.onText(value, classEqual(value))
	case a.attribute == "objectcategory" && !strings.Contains(value, "="):
		return comparison{test: categoryEqual(value)}
	case k == names:
		return onNames(value)
	}
	return a.onText(value, textEqual(value, lower))
}

// loose is how telephone numbers are compared (RFC 4517 section 4.2.29).
const loose = lower | unspaced | unhyphened

// onText is a comparison of text, which is never empty (RFC 4517 section 3.3.6).
func (a *assertion) onText(value string, t test) comparison {
	if value == "" {
		return comparison{impossible: "compares with nothing", remedy: fmt.Sprintf("write (!(%s=*)) for the objects without it", a.description)}
	}
	return comparison{test: t}
}

// extensible compiles ":=". The relative name that it returns may stand in the
// object's name instead of among the values (":dn").
func (a *assertion) extensible() (_ comparison, rdn string) {
	value := a.pieces[0]
	unsupported := func(why string) (comparison, string) { return comparison{unsupported: why}, "" }
	if a.attribute == "" {
		return unsupported("names no attribute, so that a server's schema is needed to choose them; name the attribute")
	}
	rule, known := rules[strings.ToLower(a.rule)]
	switch {
	case a.rule == "":
		plain := assertion{description: a.description, attribute: a.attribute, op: "=", pieces: a.pieces}
		rule.compile = func(string) comparison { return plain.plain() }
		rule.folds = true
	case a.rule == inChain:
		return unsupported("follows nested memberships, which only a server can do; name the groups with memberOf=, or read the directory live")
	case !known:
		return unsupported(fmt.Sprintf("has the matching rule %s, which only a server knows", a.rule))
	}
	if a.dn {
		if !rule.folds {
			return unsupported(fmt.Sprintf("compares the names above the object by %s; only rules for text without letter case can be used with :dn", a.rule))
		}
		var err error
		if rdn, err = foldRDN(a.attribute, value); err != nil {
			return unsupported("compares the names above the object with something that is no name")
		}
	}
	return rule.compile(value), rdn
}

// inChain is LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS section 3.1.1.3.4.4.3).
const inChain = "1.2.840.113556.1.4.1941"

// rule is a matching rule that needs no server.
type rule struct {
	compile func(value string) comparison
	folds   bool // compares text without letter case, as names are compared
}

// rules are known by name and by OID (RFC 4517 section 4.2; the bit rules from
// MS-ADTS section 3.1.1.3.4.4).
var rules = func() map[string]rule {
	equal := func(c int) bool { return c == 0 }
	less := func(c int) bool { return c < 0 }
	always := func(f func(string) test) rule {
		return rule{compile: func(value string) comparison { return comparison{test: f(value)} }}
	}
	text := func(f folding) rule {
		r := always(func(value string) test { return textEqual(value, f) })
		r.folds = f == lower
		return r
	}
	by := func(f func(string, func(int) bool) comparison, hold func(int) bool) rule {
		return rule{compile: func(value string) comparison { return f(value, hold) }}
	}
	textLess := always(func(value string) test { return ordered(value, less) })
	m := map[string]rule{}
	for _, r := range []struct {
		name, oid string
		rule
	}{
		{"objectidentifiermatch", "2.5.13.0", text(lower)},
		{"distinguishednamematch", "2.5.13.1", rule{compile: onNames}},
		{"caseignorematch", "2.5.13.2", text(lower)},
		{"caseignoreorderingmatch", "2.5.13.3", textLess},
		{"caseexactmatch", "2.5.13.5", text(0)},
		{"numericstringmatch", "2.5.13.8", text(lower | unspaced)},
		{"caseignorelistmatch", "2.5.13.11", text(lower)},
		{"booleanmatch", "2.5.13.13", rule{compile: onBooleans}},
		{"integermatch", "2.5.13.14", by(onNumbers, equal)},
		{"integerorderingmatch", "2.5.13.15", by(onNumbers, less)},
		{"octetstringmatch", "2.5.13.17", always(octetsEqual)},
		{"octetstringorderingmatch", "2.5.13.18", always(func(value string) test { return octetsOrdered(value, less) })},
		{"telephonenumbermatch", "2.5.13.20", text(loose)},
		{"generalizedtimematch", "2.5.13.27", by(onTimes, equal)},
		{"generalizedtimeorderingmatch", "2.5.13.28", by(onTimes, less)},
		{"caseexactia5match", "1.3.6.1.4.1.1466.109.114.1", text(0)},
		{"caseignoreia5match", "1.3.6.1.4.1.1466.109.114.2", text(lower)},
		{"uuidmatch", "1.3.6.1.1.16.2", by(onUUIDs, equal)},
		{"uuidorderingmatch", "1.3.6.1.1.16.3", by(onUUIDs, less)},
		{"", "1.2.840.113556.1.4.803", rule{compile: func(value string) comparison {
			return onBits(value, func(v, mask int64) bool { return v&mask == mask })
		}}},
		{"", "1.2.840.113556.1.4.804", rule{compile: func(value string) comparison {
			return onBits(value, func(v, mask int64) bool { return v&mask != 0 })
		}}},
	} {
		m[r.oid] = r.rule
		if r.name != "" {
			m[r.name] = r.rule
		}
	}
	return m
}()

// ordered compares numbers by number, times by time and other text folded.
func ordered(value string, hold func(c int) bool) test {
	raw := []byte(value)
	if !isText(raw) {
		return octetsOrdered(value, hold)
	}
	wanted, numeric := parseNumber(raw)
	at, timed := parseTime(raw)
	folded := appendFold(nil, raw, lower, trimBoth)
	return func(v []byte) truth {
		if numeric {
			if n, ok := parseNumber(v); ok {
				return is(hold(n.compare(wanted)))
			}
		}
		if timed {
			if t, ok := parseTime(v); ok {
				return is(hold(t.compare(at)))
			}
		}
		if !isText(v) {
			return is(hold(bytes.Compare(v, raw)))
		}
		var buf [bufSize]byte
		return is(hold(bytes.Compare(appendFold(buf[:0], v, lower, trimBoth), folded)))
	}
}

func octetsOrdered(value string, hold func(c int) bool) test {
	raw := []byte(value)
	return func(v []byte) truth { return is(hold(bytes.Compare(v, raw))) }
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
	if name, ok := classOIDs[class]; ok {
		class = name
	}
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

// derived are the classes below others in RFC 4519, RFC 4524, RFC 2798 and the
// schema of Active Directory.
var derived = []struct{ class, from string }{
	{"organizationalperson", "person"},
	{"residentialperson", "person"},
	{"inetorgperson", "organizationalperson"},
	{"user", "organizationalperson"},
	{"contact", "organizationalperson"},
	{"computer", "user"},
	{"msds-managedserviceaccount", "computer"},
	{"msds-groupmanagedserviceaccount", "computer"},
	{"friendlycountry", "country"},
	{"domaindns", "domain"},
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
func substrings(pieces []string, octets bool, f folding) test {
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
		folded[i] = appendFold(nil, raw[i], f, trim)
	}
	return func(v []byte) truth {
		if octets || !isText(v) {
			return is(inOrder(v, raw))
		}
		var buf [bufSize]byte
		return is(inOrder(appendFold(buf[:0], v, f, trimBoth), folded))
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

// onNames compares distinguished names.
func onNames(value string) comparison {
	want, err := identity.ParseDN(value)
	switch {
	case err == nil && slices.ContainsFunc(want, hasNoText):
		return comparison{}
	case err == nil:
	case strings.HasPrefix(value, "<"):
		return comparison{unsupported: "names an object by what only Active Directory knows; write its distinguished name"}
	case !strings.Contains(value, "="):
		return comparison{impossible: fmt.Sprintf("compares a distinguished name with %q", value), remedy: "write the whole name, as in CN=Sales,OU=Groups,DC=example,DC=com"}
	default:
		return comparison{}
	}
	raw := []byte(value)
	plain := identity.PlainDN(raw)
	return comparison{test: func(v []byte) truth {
		if plain && identity.PlainDN(v) {
			return is(bytes.EqualFold(v, raw))
		}
		got, err := identity.ParseDN(string(v))
		if err != nil {
			return undefined
		}
		return is(slices.Equal(got, want))
	}}
}

// hasNoText reports whether a value of a folded relative name is empty, which no
// text is (RFC 4517 section 3.3.6), or in BER, which only a server can read.
func hasNoText(rdn string) bool {
	for p := range identity.Parts(rdn) {
		if _, value, _ := strings.Cut(p, "="); value == "" || value[0] == '#' {
			return true
		}
	}
	return false
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
		for p := range identity.Parts(part) {
			if p == rdn {
				return true
			}
		}
	}
	return false
}

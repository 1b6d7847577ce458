package ldif

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestAsSlapd puts random filters and bases to an OpenLDAP server and to its
// export, and both select the same objects. With ROLLCALL_ATTACK=1 there are
// twenty times as many, other ones each time.
//
// What is left out is what the two decide differently, on purpose or for want of
// a schema: an order on text, an empty value of mail (an IA5 string, which may be
// empty), "~=" on text (which OpenLDAP compares by sound), classes, attributes and
// options that the server does not know, attributes that others are derived from
// ("name"), fractions of hours and minutes (which OpenLDAP takes for fractions of
// seconds), control characters, and letters that change under compatibility and
// case at once ("™").
func TestAsSlapd(t *testing.T) {
	questions, seed := 3000, uint64(1)
	if os.Getenv("ROLLCALL_ATTACK") == "1" {
		questions, seed = 20*questions, uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	g := &world{Rand: rand.New(rand.NewPCG(seed, 0))}
	server := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(g.tree()), SizeLimit: 10_000})
	c := server.Connect(t)

	search := func(base, text string, attributes ...string) ([]*ldap.Entry, error) {
		found, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, text, attributes, nil))
		if err != nil {
			return nil, err
		}
		return found.Entries, nil
	}
	all, err := search(servertest.Base, "(objectClass=*)", "*", "+")
	if err != nil {
		t.Fatal(err)
	}
	export := exported(all)

	type question struct {
		base, filter string
		within       files.Base
		parsed       *filter.Filter
		asked, read  []string
	}
	var asked []*question
	for range questions {
		q := &question{base: servertest.Base, filter: "(objectClass=*)"}
		if g.IntN(4) == 0 {
			q.base = g.spell(g.name())
		} else {
			q.filter = g.filter(3)
		}
		if q.parsed, err = filter.Parse(q.filter); err != nil {
			t.Errorf("filter %s: %v", q.filter, err)
			continue
		}
		// A server is sent what was read of the filter.
		entries, err := search(q.base, q.parsed.String(), "1.1")
		var refused *ldap.Error
		if errors.As(err, &refused) && (refused.ResultCode == ldap.LDAPResultNoSuchObject || refused.ResultCode == ldap.LDAPResultInvalidDNSyntax) {
			err = nil
		}
		if err != nil {
			t.Fatalf("base %q, filter %s: %v", q.base, q.filter, err)
		}
		for _, e := range entries {
			q.asked = append(q.asked, e.DN)
		}
		if q.within, err = files.NewBase(q.base); err != nil {
			if refused == nil {
				t.Errorf("base %q: %v", q.base, err)
			}
			continue
		}
		asked = append(asked, q)
	}

	var attributes []string
	for _, q := range asked {
		attributes = append(attributes, q.parsed.Attributes()...)
	}
	slices.Sort(attributes)
	texts := &compact.Arena{}
	r := newReader(strings.NewReader(export), slices.Compact(attributes), texts, func(*files.Name) bool { return true })
	for {
		rec, err := r.record()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range asked {
			if q.within.Contains(rec.Name()) && q.parsed.Match(rec) {
				q.read = append(q.read, rec.DN())
			}
		}
	}
	selective := 0
	for _, q := range asked {
		if len(q.asked) > 0 && len(q.asked) < len(all) {
			selective++
		}
		slices.Sort(q.asked)
		slices.Sort(q.read)
		if !slices.Equal(q.asked, q.read) {
			t.Errorf("base %q, filter %s\nserver %q\nfile   %q", q.base, q.filter, lacking(q.asked, q.read), lacking(q.read, q.asked))
		}
		if impossible := q.parsed.Impossible(); len(impossible) > 0 {
			for _, text := range []string{impossible[0].Text, "(!" + impossible[0].Text + ")"} {
				if entries, err := search(servertest.Base, text, "1.1"); err != nil || len(entries) > 0 {
					t.Errorf("%s is called impossible, and selects %d objects: %v", text, len(entries), err)
				}
			}
		}
	}
	if selective < len(asked)/4 {
		t.Errorf("only %d of %d questions select some objects and not all", selective, len(asked))
	}
}

func lacking(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

// exported writes objects as a file.
func exported(entries []*ldap.Entry) string {
	var b strings.Builder
	b.WriteString("version: 1\n\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(e.DN)))
		for _, a := range e.Attributes {
			for _, v := range a.ByteValues {
				fmt.Fprintf(&b, "%s:: %s\n", a.Name, base64.StdEncoding.EncodeToString(v))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// world makes a tree, and questions about it.
type world struct {
	*rand.Rand
	names []dn
}

// dn is a name, from the leaf to the root, of types and values.
type dn [][]typed

type typed struct{ typ, value string }

var root = dn{{{"dc", "corp"}}, {{"dc", "example"}}, {{"dc", "com"}}}

func pick[T any](g *world, list ...T) T { return list[g.IntN(len(list))] }

// word is a short text; few different ones, so that they meet.
func (g *world) word() string {
	return pick(g, "a", "b", "Ann", "ann b", "Ann  B", "M\u00fcller", "Mu\u0308ller", "MULLER", "\u00c9a", "e\u0301A", "\u0141\u00f3d\u017a", "\u042f\u043d\u0430",
		"\u03a3\u03c3", "stra\u00dfe", "\ufb01n", "fin", "\uff21nn", "a-b", "a,b", "a+b", "#04", "#0401", "a\\b", "x*y", "(z)", "a=b", "a;b", "<c>", `"q"`, "  a", "b  ", "H\u0331", "\u1e96", "1", "02")
}

func (g *world) name() dn {
	if g.IntN(8) == 0 {
		return append(dn{{{pick(g, "cn", "ou"), g.word()}}}, pick(g, g.names...)...)
	}
	return pick(g, g.names...)
}

// tree returns the objects below the root as LDIF, with parents first.
func (g *world) tree() string {
	var b strings.Builder
	g.names = []dn{root}
	seen := map[string]bool{}
	add := func(parent dn, rdn []typed) bool {
		name := append(dn{rdn}, parent...)
		folded, err := identity.ParseDN(name.String())
		if err != nil {
			panic(err)
		}
		key := strings.Join(folded, ",")
		if seen[key] {
			return false
		}
		seen[key] = true
		g.names = append(g.names, name)
		fmt.Fprintf(&b, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(name.String())))
		for _, p := range rdn {
			fmt.Fprintf(&b, "%s:: %s\n", p.typ, base64.StdEncoding.EncodeToString([]byte(p.value)))
		}
		return true
	}
	value := func(attribute, v string) {
		fmt.Fprintf(&b, "%s:: %s\n", attribute, base64.StdEncoding.EncodeToString([]byte(v)))
	}
	maybe := func(attribute string, v func() string) {
		if g.IntN(3) > 0 {
			value(attribute, v())
		}
	}
	containers := []dn{root}
	for len(containers) < 12 {
		if add(pick(g, containers...), []typed{{"ou", strings.TrimSpace(g.word())}}) {
			containers = append(containers, g.names[len(g.names)-1])
			b.WriteString("objectClass: organizationalUnit\n")
			maybe("description", g.word)
			b.WriteString("\n")
		}
	}
	for len(g.names) < 70 {
		rdn := []typed{{"cn", strings.TrimSpace(g.word())}}
		if g.IntN(5) == 0 {
			rdn = append(rdn, typed{"sn", strings.TrimSpace(g.word())})
		}
		if !add(pick(g, containers...), rdn) {
			continue
		}
		class := pick(g, "user", "user", "contact", "group", "inetOrgPerson")
		value("objectClass", class)
		for _, attribute := range []string{"description", "displayName"} {
			maybe(attribute, g.word)
		}
		if class == "group" {
			for range g.IntN(3) {
				value("member", g.name().String())
			}
			maybe("managedBy", func() string { return g.name().String() })
			maybe("groupType", func() string { return pick(g, "-2147483646", "2", "8", "-2147483644") })
		} else {
			if len(rdn) == 1 {
				value("sn", g.word())
			}
			for _, option := range []string{";lang-de", ";lang-en", ";lang-en-US", ";lang-de;lang-en"} {
				if g.IntN(3) == 0 {
					value("sn"+option, g.word())
				}
				if g.IntN(3) == 0 {
					value("mail"+option, pick(g, "a@x.example", "b@x.example"))
				}
			}
			maybe("givenName", g.word)
			maybe("title", g.word)
			maybe("seeAlso", func() string { return g.name().String() })
			maybe("telephoneNumber", func() string { return pick(g, "+49 30 123-456", "+4930123456", "030-1") })
		}
		maybe("mail", func() string { return pick(g, "a@x.example", "B@x.example", "a.b@x.example") })
		if class != "inetOrgPerson" {
			maybe("proxyAddresses", func() string { return pick(g, "SMTP:a@x.example", "smtp:b@x.example", "X500:/o=a") })
			maybe("uSNChanged", func() string { return pick(g, "0", "5", "10", "9999999999") })
			maybe("whenChanged", g.time)
			maybe("msExchHideFromAddressLists", func() string { return pick(g, "TRUE", "FALSE") })
			maybe("objectGUID", func() string { return pick(g, "abcdefghijklmnop", "ABCDEFGHIJKLMNOP", "\x00\xff\xfe0123456789ab*") })
		}
		if class == "user" {
			maybe("userAccountControl", func() string { return pick(g, "512", "514", "66048", "66050") })
			maybe("accountExpires", func() string { return pick(g, "0", "9223372036854775807", "-1") })
			maybe("manager", func() string { return g.name().String() })
			maybe("department", g.word)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// String writes a name as RFC 4514 wants it.
func (n dn) String() string {
	var parts []string
	for _, rdn := range n {
		var avas []string
		for _, p := range rdn {
			avas = append(avas, p.typ+"="+ldap.EscapeDN(p.value))
		}
		parts = append(parts, strings.Join(avas, "+"))
	}
	return strings.Join(parts, ",")
}

// spell writes a name, or one that is nearly it, in one of many ways.
func (g *world) spell(n dn) string {
	var b strings.Builder
	for i, rdn := range n {
		if i > 0 {
			b.WriteString(pick(g, ",", ",", ", "))
		}
		for j, k := range g.Perm(len(rdn)) {
			if j > 0 {
				b.WriteString("+")
			}
			p := rdn[k]
			b.WriteString(g.attribute(p.typ))
			b.WriteString("=")
			b.WriteString(g.escapeDN(g.twist(p.value)))
		}
	}
	return b.String()
}

func (g *world) escapeDN(value string) string {
	if g.IntN(2) == 0 {
		return ldap.EscapeDN(value)
	}
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		switch {
		case g.IntN(6) == 0 || c < ' ':
			b.WriteString(`\` + hex.EncodeToString([]byte{c}))
		case strings.IndexByte(`,+"\<>;=#`, c) >= 0 || c == ' ' && (i == 0 || i == len(value)-1):
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// twist changes a text into one that is equal or nearly so.
func (g *world) twist(s string) string {
	switch g.IntN(8) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.Map(unicode.ToLower, s)
	case 2:
		return norm.NFD.String(s)
	case 3:
		return norm.NFC.String(s)
	case 4:
		return strings.ReplaceAll(s, " ", "  ")
	case 5:
		return s + pick(g, " ", "x", "")
	}
	return s
}

// attribute returns one of the names of an attribute.
func (g *world) attribute(name string) string {
	others := map[string][]string{
		"cn": {"commonName", "2.5.4.3"}, "sn": {"surname", "2.5.4.4"}, "ou": {"organizationalUnitName", "2.5.4.11"}, "dc": {"domainComponent", "0.9.2342.19200300.100.1.25"},
		"mail": {"rfc822Mailbox", "0.9.2342.19200300.100.1.3"}, "givenName": {"gn", "2.5.4.42"}, "title": {"2.5.4.12"}, "description": {"2.5.4.13"},
		"displayName": {"2.16.840.1.113730.3.1.241"}, "member": {"2.5.4.31"}, "manager": {"0.9.2342.19200300.100.1.10"}, "seeAlso": {"2.5.4.34"},
		"objectClass": {"2.5.4.0"}, "telephoneNumber": {"2.5.4.20"}, "proxyAddresses": {"1.2.840.113556.1.2.210"}, "userAccountControl": {"1.2.840.113556.1.4.8"},
		"whenChanged": {"1.2.840.113556.1.2.3"}, "uSNChanged": {"1.2.840.113556.1.2.120"}, "createTimestamp": {"2.5.18.1"}, "entryUUID": {"1.3.6.1.1.16.4"},
	}
	switch g.IntN(4) {
	case 0:
		return pick(g, append(others[name], name)...)
	case 1:
		return strings.ToUpper(name)
	}
	return name
}

// time is a point in time in one of many spellings, near others.
func (g *world) time() string {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(g.IntN(4)) * 30 * time.Minute).Add(time.Duration(g.IntN(2)*30) * time.Second)
	zone := pick(g, "Z", "Z", "+0100", "-0530", "+02")
	offset := map[string]time.Duration{"+0100": time.Hour, "-0530": -5*time.Hour - 30*time.Minute, "+02": 2 * time.Hour}[zone]
	at = at.Add(offset)
	text := at.Format("20060102150405")
	switch {
	case g.IntN(3) == 0 && at.Minute() == 0 && at.Second() == 0:
		return text[:10] + zone
	case g.IntN(3) == 0 && at.Second() == 0:
		return text[:12] + zone
	}
	return text + pick(g, "", "", ".0", ",000", ".5", ".50") + zone
}

// filter makes a filter that nests at most so deep.
func (g *world) filter(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		return g.item()
	}
	switch g.IntN(3) {
	case 0:
		return "(!" + g.filter(depth-1) + ")"
	default:
		text := "(" + pick(g, "&", "|")
		for range 1 + g.IntN(3) {
			text += g.filter(depth - 1)
		}
		return text + ")"
	}
}

func (g *world) item() string {
	item := func(attribute, op, value string) string {
		if op != "=" { // asterisks are text
			value = strings.ReplaceAll(value, "*", `\2a`)
		}
		return "(" + g.attribute(attribute) + op + value + ")"
	}
	escaped := func(value string) string {
		if g.IntN(4) > 0 {
			return filter.Escape(value)
		}
		return g.escape(value)
	}
	word := g.word()
	order := func() string { return pick(g, "=", ">=", "<=", "~=") }
	switch g.IntN(14) {
	case 0:
		return item(pick(g, "uSNChanged", "userAccountControl", "accountExpires", "groupType"), order(),
			pick(g, "0", "5", "10", "514", "512", "-1", "9223372036854775808", "-99999999999999999999", "0x2", "", " 5", "5 ", "007", "-0", "+5", "5*", "x"))
	case 1:
		return "(" + g.attribute(pick(g, "userAccountControl", "groupType", "accountExpires", "uSNChanged")) + ":" + pick(g, "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804", "integerMatch", "2.5.13.14", "integerOrderingMatch") +
			":=" + pick(g, "2", "512", "65536", "514", "2147483648", "-2147483648", "8", "0x2", "", "02") + ")"
	case 2:
		return item(pick(g, "msExchHideFromAddressLists", "isCriticalSystemObject"), pick(g, "=", "=", "=", ">=", "<="), pick(g, "TRUE", "FALSE", "true", "1", "", "*", "T*"))
	case 3:
		value := g.time()
		if g.IntN(4) == 0 {
			value = pick(g, "20260301Z", "20260301120000", "20260229120000Z", "20261301120000Z", "2026-03-01", "", "2026*", "20260301120000z", "20260301250000Z", "20260301120000+2500", "20260301120000.Z", "20260301120060Z", "202603011")
		}
		return item(pick(g, "whenChanged", "whenChanged", "createTimestamp"), order(), value)
	case 4:
		rule := pick(g, "generalizedTimeMatch", "2.5.13.27", "generalizedTimeOrderingMatch", "2.5.13.28")
		return "(" + g.attribute("whenChanged") + ":" + rule + ":=" + pick(g, g.time(), "x") + ")"
	case 5:
		value := escaped(g.spell(g.name()))
		if g.IntN(5) == 0 {
			value = pick(g, "Ann", "", "cn=", "cn=a,", "*", "cn=*", "cn=a\\5c", "cn=#0402")
		}
		return item(pick(g, "manager", "member", "managedBy", "seeAlso"), pick(g, "=", "=", "=", ":distinguishedNameMatch:="), value)
	case 6:
		return item("objectClass", "=", pick(g, "*", "user", "person", "top", "group", "contact", "inetOrgPerson", "organizationalUnit", "2.5.6.6", "2.5.6.7", "2.5.6.0", "2.5.6.5",
			"1.2.840.113556.1.5.9", "1.2.840.113556.1.5.8", "2.16.840.1.113730.3.2.2", "USER", ""))
	case 7:
		return item("objectGUID", "=", pick(g, "*", "abcdefghijklmnop", "ABCDEFGHIJKLMNOP", `\00\ff\fe0123456789ab\2a`, "abc", ""))
	case 8:
		return item("telephoneNumber", "=", pick(g, "*", "+4930123456", "+49-30 123 456", "*301*", "*30-1", "0301", "+49 3*", "*4 5*"))
	case 9:
		options := pick(g, ";lang-de", ";LANG-EN", ";lang-en-us", ";lang-", ";lang-en-", ";lang-de;lang-en", ";lang-fr")
		if g.IntN(2) == 0 {
			return "(" + g.attribute("mail") + options + "=" + pick(g, "*", "a@x.example", "A@*", "*@x.example") + ")"
		}
		return "(" + g.attribute("sn") + options + pick(g, "=*", "="+escaped(g.twist(word)), ":caseExactMatch:="+escaped(g.twist(word))) + ")"
	case 10:
		return "(" + g.attribute(pick(g, "ou", "cn")) + ":dn" + pick(g, "", ":caseIgnoreMatch", ":2.5.13.2") + ":=" + escaped(g.twist(g.word())) + ")"
	case 11:
		return item(pick(g, "mail", "proxyAddresses"), "=", pick(g, "*", "a@x.example", "A@X.example", "*@x.example", "smtp:*", "smtp:b@x.example", "a*b*example"))
	}
	attribute := pick(g, "cn", "sn", "givenName", "title", "description", "displayName", "department", "ou")
	switch g.IntN(8) {
	case 0:
		return item(attribute, "=", "*")
	case 1:
		return item(attribute, "=", "")
	case 2, 3:
		runes := []rune(g.twist(word))
		from := g.IntN(len(runes) + 1)
		middle := string(runes[from:])
		return item(attribute, "=", pick(g, escaped(string(runes[:from]))+"*", "*"+escaped(middle), "*"+escaped(middle)+"*", escaped(string(runes[:from]))+"*"+escaped(middle)))
	case 4:
		return item(attribute, pick(g, ":caseExactMatch:=", ":2.5.13.5:=", ":caseIgnoreMatch:=", ":="), escaped(g.twist(word)))
	}
	return item(attribute, "=", escaped(g.twist(word)))
}

// escape writes a value of a filter with more escapes than are needed.
func (g *world) escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c >= 0x80 || g.IntN(3) == 0 || strings.IndexByte(`*()\`, c) >= 0 || c == 0 {
			b.WriteString(`\` + hex.EncodeToString([]byte{c}))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

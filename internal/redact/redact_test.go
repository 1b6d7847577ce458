package redact

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

var key = []byte("a key of thirty-two random octets")

const (
	annGUID = "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	annDN   = "CN=Ann Smith,OU=Sales,DC=corp,DC=example,DC=com"
)

func TestMasks(t *testing.T) {
	m := New(key, "Example.com")
	for _, c := range []struct{ name, got, want string }{
		{"address", m.Address("ann@example.com"), "u-" + m.sum('u', "ann")[:12] + "@example.com"},
		{"letter case of an address", m.Address("Ann@EXAMPLE.com"), m.Address("ann@example.com")},
		{"foreign domain", m.Address("ann@elsewhere.example"), "u-" + m.sum('u', "ann")[:12] + "@d-" + m.sum('d', "elsewhere.example")[:12] + ".invalid"},
		{"name", m.Name("Ann Smith"), "n-" + m.sum('n', "Ann Smith")[:12]},
		{"a name that is an address", m.Name("ann@example.com"), m.Address("ann@example.com")},
		{"DN", m.DN("CN=Ann Smith,OU=Sales"), "CN=" + m.Name("Ann Smith") + ",OU=" + m.Name("Sales")},
		{"DN with escapes", m.DN(`cn=Smith\, Ann\2b1 + uid=ann, ou=Sales`), "cn=" + m.Name("Smith, Ann+1") + "+ uid=" + m.Name("ann") + ", ou=" + m.Name("Sales")},
		{"DN with types by their numbers", m.DN("2.5.4.3=Ann Smith,OID.0.9.2342.19200300.100.1.25=corp"), "2.5.4.3=" + m.Name("Ann Smith") + ",OID.0.9.2342.19200300.100.1.25=" + m.Name("corp")},
		{"no DN", m.DN("Ann=Smith"), "dn-" + m.sum('D', "Ann=Smith")[:12]},
		{"masked again", m.DN(m.DN("Ann=Smith")), m.DN("Ann=Smith")},
		{"GUID", m.GUID(annGUID), "00000000-0000-8000-8000-" + m.sum('g', annGUID)[:12]},
		{"GUID in another spelling", m.GUID("MsNKjF+XF0ete7pKTpaP/w=="), m.GUID(annGUID)},
		{"nothing", m.Address("") + m.Name("") + m.DN("") + m.GUID("") + m.Text(""), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	for _, mask := range []func(string) string{m.Name, func(s string) string { return m.DN("CN=" + s) }} {
		for _, name := range []string{"Ann Smith", "Ann@example.com"} {
			if mask(name) == mask(strings.ToLower(name)) {
				t.Errorf("%s in other letters has the same mask, so that a change of it cannot be seen", name)
			}
		}
	}
	if other := New([]byte("another key"), "example.com"); other.Address("ann@example.com") == m.Address("ann@example.com") {
		t.Error("the key makes no difference")
	}
	if g, err := identity.ParseGUID(m.GUID(annGUID)); err != nil || g.IsZero() {
		t.Errorf("the mask of a GUID is none: %v", err)
	}
}

// A malformed address has a mask that is malformed for the same reason.
func TestMalformed(t *testing.T) {
	m := New(key, "example.com")
	for _, s := range []string{
		"ann", "ann@b@example.com", "ann smith@example.com", ".ann@example.com", "ann@example", "ann@-x.example.com", "@example.com", "ann@",
		strings.Repeat("ann", 30) + "@example.com", "ann@" + strings.Repeat("example.", 40) + "com", "änn@example.com",
	} {
		mask := m.Address(s)
		_, want := identity.ParseAddress(s)
		if _, got := identity.ParseAddress(mask); got != want || want == nil {
			t.Errorf("%q is no address because %v, its mask %q because %v", s, want, mask, got)
		}
		if strings.Contains(mask, "ann") || m.Address(mask) != mask {
			t.Errorf("%q has the mask %q, and that %q", s, mask, m.Address(mask))
		}
	}
}

// A domain that is kept can be so long that a mask in it would be no address.
func TestLongDomain(t *testing.T) {
	for n := 230; n <= 247; n++ {
		domain := strings.Repeat("d.", 100) + strings.Repeat("x", n-203) + ".com"
		m := New(key, domain)
		for _, local := range []string{"a", ".a"} {
			_, want := identity.ParseAddress(local + "@" + domain)
			mask := m.Address(local + "@" + domain)
			if _, err := identity.ParseAddress(mask); err != want {
				t.Errorf("an address in a domain of %d octets has the mask %q: %v", len(domain), mask, err)
			}
			if kept := strings.HasSuffix(mask, domain); kept != (len(domain) <= longestKept) {
				t.Errorf("a domain of %d octets stays: %t", len(domain), kept)
			}
		}
	}
}

func TestNone(t *testing.T) {
	var m *Mask
	for _, s := range []string{"Ann@Example.com", "Ann Smith", annDN, annGUID} {
		for _, got := range []string{m.Address(s), m.Name(s), m.DN(s), m.GUID(s), m.Text(s)} {
			if got != s {
				t.Errorf("%q became %q", s, got)
			}
		}
	}
}

func TestText(t *testing.T) {
	m := New(key, "example.com")
	ann, dn, guid := m.Address("ann@example.com"), m.DN(annDN), m.GUID(annGUID)
	bob := m.Name("Bob Jones")
	odd := m.Address("pat smith@example.com")
	unknown := func(address string) string { return New(key, "example.com").Address(address) }
	jane := New(key).DN(`CN=Doe\, Jane,OU=Sales`)
	sales := "OU=" + m.Name("Sales") + ",DC=" + m.Name("corp")
	for _, c := range []struct{ text, want string }{
		{"no entry stands behind account ann@example.com any more.", "no entry stands behind account " + ann + " any more."},
		{"ask Ann@Example.com.", "ask " + ann + "."},
		{"the alias is also listed by " + annDN + "", "the alias is also listed by " + dn + ""},
		{`Set-ADUser -Identity "` + annDN + `" -Remove @{proxyAddresses='smtp:ann@example.com'}`, `Set-ADUser -Identity "` + dn + `" -Remove @{proxyAddresses='smtp:` + ann + `'}`},
		{"mail=ann@example.com", "mail=" + ann},
		{"ann@@example.com", unknown("ann@@example.com")},
		{"for Bob Jones, of Bob Joneson", "for " + bob + ", of Bob Joneson"},
		{"pat smith@example.com is no address", odd + " is no address"},
		{"joann@example.com and ann@example.community", unknown("joann@example.com") + " and " + unknown("ann@example.community")},
		{`scope "staff" has base_dn "OU=Sales,DC=corp", which was "OU=Sales, DC=corp"`, `scope "staff" has base_dn "` + sales + `", which was "` + strings.ReplaceAll(sales, ",", ", ") + `"`},
		{"12 of them were below OU=Sales,DC=corp, where no entry is left", "12 of them were below " + sales + ", where no entry is left"},
		{"GUID {8C4AC332-975F-4717-AD7B-BA4A4E968FFF} or MsNKjF+XF0ete7pKTpaP/w==", "GUID " + guid + " or " + guid},
		{`(objectGUID=\32\c3\4a\8c\5f\97\17\47\ad\7b\ba\4a\4e\96\8f\ff)`, "(objectGUID=" + guid + ")"},
		// As %q writes them.
		{`entry "CN=Doe\\, Jane,OU=Sales" is not there`, `entry "` + jane + `" is not there`},
		{`entry "CN = Doe\\, Jane" is not there`, `entry "CN =` + strings.TrimPrefix(New(key).DN(`CN=Doe\, Jane`), "CN=") + `" is not there`},
		{`rollcall explain "CN=Jane \"JD\" Doe,DC=corp" --redact`, `rollcall explain "` + New(key).DN(`CN=Jane "JD" Doe,DC=corp`) + `" --redact`},
		{`"2.5.4.3=Jane Doe,2.5.4.11=Sales" or 2.5.4.3=Jane Doe`, `"2.5.4.3=` + m.Name("Jane Doe") + `,2.5.4.11=` + m.Name("Sales") + `" or 2.5.4.3=` + m.Name("Jane Doe")},
		{`(|(cn=Jane Doe)(ou=Sales))`, `(|(cn=` + m.Name("Jane Doe") + `)(ou=` + m.Name("Sales") + `))`},
		// With spaces before the sign, and with types of any name.
		{`of uid =ann,dc=x`, `of uid =` + m.Name("ann") + `,dc=` + m.Name("x")},
		{`of uid = ann, dc = x`, `of uid =` + m.Name("ann") + `, dc =` + m.Name("x")},
		{`of employeeCode=77,ou=Sales,dc=corp`, `of ` + m.DN("employeeCode=77,ou=Sales,dc=corp")},
		{`"employeeCode=77,ou=Sales" and cn=Ann Smith+badge=5,dc=corp`, `"` + m.DN("employeeCode=77,ou=Sales") + `" and ` + m.DN("cn=Ann Smith+badge=5,dc=corp")},
		{`(memberOf=employeeCode=77,ou=Sales)`, `(memberOf=` + m.DN("employeeCode=77,ou=Sales") + `)`},
		// What is none.
		{`--output=json, --limit=5`, `--output=json, --limit=5`},
		{`(&(mail=*)(title=*)(userAccountControl:1.2.840.113556.1.4.803:=2))`, `(&(mail=*)(title=*)(userAccountControl:1.2.840.113556.1.4.803:=2))`},
		{`max_length = { title = 64, name = 5 }`, `max_length = { title = 64, name = 5 }`},
		{"3 accounts changed, version 7 of the state written to rollcall.state.jsonl", "3 accounts changed, version 7 of the state written to rollcall.state.jsonl"},
	} {
		if got := m.Text(c.text); got != c.want {
			t.Errorf("%q became\n%q, want\n%q", c.text, got, c.want)
		}
		if got := m.Text(c.want); got != c.want {
			t.Errorf("masked again, %q became\n%q", c.want, got)
		}
	}
}

// TestLongText: a text of many parts takes a time that grows with its length.
func TestLongText(t *testing.T) {
	took := func(parts int) (least time.Duration) {
		for i := range 5 {
			start := time.Now()
			for _, part := range []string{"a=b,", "title = 64, ", "a=a=", "cn=a,", "a=1,cn =2,"} {
				New(key).Text(strings.Repeat(part, parts) + "dc=x")
				New(key).Text(strings.Repeat(part, parts) + "a=x")
			}
			if d := time.Since(start); i == 0 || d < least {
				least = d
			}
		}
		return least
	}
	// Quadratic would be 64 times as long.
	if short, long := took(100), took(800); long > 30*short {
		t.Errorf("100 parts take %v, 800 take %v", short, long)
	}
}

// TestSource: in a configuration, what is a setting or a condition stays.
func TestSource(t *testing.T) {
	m := New(key, "example.com")
	ann, dn := m.Address("ann@example.com"), m.DN(annDN)
	bob := m.Name("Bob Jones")
	for _, c := range []struct{ text, want string }{
		{"  max_length = {title=64}", "  max_length = {title=64}"},
		{`  filter = "(&(mail=*)(title=Manager)(memberOf=` + annDN + `))"`, `  filter = "(&(mail=*)(title=Manager)(memberOf=` + dn + `))"`},
		{`  base_dn = "` + annDN + `" # of Bob Jones`, `  base_dn = "` + dn + `" # of ` + bob},
		{`  base_dn = "OU = Sales"`, `  base_dn = "OU =` + m.Name("Sales") + `"`},
		{`addresses = ["ann@example.com"]`, `addresses = ["` + ann + `"]`},
		{"# see " + annDN, "# see " + dn},
	} {
		if got := m.Source(c.text); got != c.want {
			t.Errorf("%q became\n%q, want\n%q", c.text, got, c.want)
		}
	}
}

// FuzzText: whatever stands around it, what was masked before does not stay, and
// no address does.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"ann@example.com", annDN + " lists it", "CN=a\\", "x=y@z", "a@b@c", "'ann@x.y'", "\xff@\xfe", "cn=ann@example.com,dc=x ann@example.com",
		"{" + annGUID + "}", "u-0123456789ab@example.com", "ou=x: cn=y", `\32\c3\4a\8c\5f\97\17\47\ad\7b\ba\4a\4e\96\8f\ff`,
	} {
		f.Add(s, annDN)
		f.Add(s, "pat smith@example.com")
		f.Add(annDN, s)
	}
	f.Fuzz(func(t *testing.T, s, secret string) {
		m := New(key, "example.com")
		for _, address := range addressLike.FindAllString(m.Text(s), -1) {
			if !strings.Contains(address, "u-") {
				t.Errorf("%q became %q, which has %q", s, m.Text(s), address)
			}
		}
		if len(secret) < 2*shortest || strings.Contains(s, secret) || hasMask.MatchString(secret) {
			return
		}
		for _, mask := range []func(string) string{m.Address, m.Name} {
			mask(strings.ToLower(secret))
		}
		text := s + " \"" + strings.ToLower(secret) + "\" " + s
		if got := m.Text(text); strings.Contains(got, strings.ToLower(secret)) {
			t.Errorf("%q stays in %q", secret, got)
		}
	})
}

// hasMask finds parts of masks, which stay.
var hasMask = regexp.MustCompile(`(?i)^[^a-z0-9]*([und]|dn)-[0-9a-f]|^[0-9a-f.@-]*$|invalid|0000`)

package repair

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// hostile are values that would like to be more than values.
var hostile = []string{
	"", "plain@example.com", "O'Neil", "''", "'; Remove-ADUser ceo; '", "‘; calc; ’", "‚‛; calc #", "a\u2019", "$(calc)", "$env:PATH", "`n`0", "a\nRemove-ADUser ceo",
	"a\r\n\r\ndn: cn=admin\nchangetype: delete\n", "\nchangetype: delete", "a\x00b", "a\u202egnp.exe", "\u200f", "\ufeffa", "Müller", "Zoë 😀", "a\u2028b", "\x1b[31m", "\x85", "\u0085",
	" leading", "trailing ", ": colon", "< file:///etc/passwd", "# comment", "-", "@{a=1}", ")", "}", "\"; calc; \"", "#> calc <#", "--%", "\\", "\\'", "'\u2018'",
	"smtp:ann@example.com'} -Clear mail #", strings.Repeat("ü'", 5000), strings.Repeat("x", 10_000), "a\xff\xfe", "日本語", "```\n<script>",
}

// TestQuote reads each text back as PowerShell would.
func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":          `''`,
		"a b":       `'a b'`,
		"Ann's":     `'Ann''s'`,
		"Müller":    `('M' + [char]0xFC + 'ller')`,
		"’":         `('' + [char]0x2019)`,
		"a\n\nb":    `('a' + [char]0xA + [char]0xA + 'b')`,
		"😀":         `('' + [char]0xD83D + [char]0xDE00)`,
		"x'} ;calc": `'x''} ;calc'`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	for _, text := range hostile {
		if utf8.ValidString(text) {
			readsBack(t, text)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			readsBack(t, text)
		}
	})
}

func readsBack(t *testing.T, text string) {
	t.Helper()
	quoted := Quote(text)
	got, rest, err := expression(quoted)
	if err != nil || rest != "" || got != text {
		t.Errorf("%q is quoted as %s, which PowerShell reads as %q, leaving %q (%v)", text, quoted, got, rest, err)
	}
	printable(t, quoted)
}

func printable(t *testing.T, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("%q has a character that is no printable ASCII at octet %d", text, i)
	}
}

// expression reads one string expression of PowerShell from the front: a
// string in single quotes, or, in parentheses, one and what is added to it. Any
// of the five single quotes opens, closes and, doubled, stands for itself.
func expression(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, "(") {
		return quoted(s)
	}
	units := []uint16{}
	text, s, err = quoted(s[1:])
	for err == nil && !strings.HasPrefix(s, ")") {
		units = append(units, utf16.Encode([]rune(text))...)
		text = ""
		var found bool
		if s, found = strings.CutPrefix(s, " + "); !found {
			return "", s, fmt.Errorf("expected + or ) at %.40q", s)
		}
		if number, found := strings.CutPrefix(s, "[char]0x"); found {
			end := strings.IndexFunc(number, func(r rune) bool { return !strings.ContainsRune("0123456789ABCDEF", r) })
			var unit uint64
			if unit, err = strconv.ParseUint(number[:end], 16, 16); err == nil {
				units = append(units, uint16(unit))
			}
			s = number[end:]
			continue
		}
		text, s, err = quoted(s)
	}
	if err != nil {
		return "", s, err
	}
	units = append(units, utf16.Encode([]rune(text))...)
	return string(utf16.Decode(units)), s[1:], nil
}

func quoted(s string) (text, rest string, err error) {
	quote := func(s string) int {
		if r, n := utf8.DecodeRuneInString(s); n > 0 && strings.ContainsRune("'‘’‚‛", r) {
			return n
		}
		return 0
	}
	n := quote(s)
	if n == 0 {
		return "", s, fmt.Errorf("expected a quote at %.40q", s)
	}
	var b strings.Builder
	for s = s[n:]; s != ""; s = s[n:] {
		if end := quote(s); end > 0 {
			if quote(s[end:]) == 0 {
				return b.String(), s[end:], nil
			}
			s = s[end:]
		}
		_, n = utf8.DecodeRuneInString(s)
		b.WriteString(s[:n])
	}
	return "", "", errors.New("the string has no end")
}

func TestPowerShell(t *testing.T) {
	const guid = "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	for _, c := range []struct {
		story  string
		change Change
		want   string
	}{
		{"nothing", Change{DN: "CN=a"}, ""},
		{"an alias in place of another", Change{DN: "CN=a", GUID: guid, Remove: Of("proxyAddresses", "SMTP:b@example.com"), Add: Of("proxyAddresses", "smtp:b@example.com")},
			`Set-ADObject -Identity '` + guid + `' -Remove @{'proxyAddresses'='SMTP:b@example.com'} -Add @{'proxyAddresses'='smtp:b@example.com'}`},
		{"no GUID", Change{DN: `CN=O'Neil\, Ann,DC=example`, Replace: Of("mail", "ann@example.com")},
			`Set-ADObject -Identity 'CN=O''Neil\, Ann,DC=example' -Replace @{'mail'='ann@example.com'}`},
		{"several values and attributes", Change{GUID: guid, Remove: []Values{{"proxyAddresses", []string{"a", "b"}}, {"otherMailbox", []string{"c"}}}, Replace: []Values{{"mail", nil}, {"info", nil}}},
			`Set-ADObject -Identity '` + guid + `' -Remove @{'proxyAddresses'='a','b'; 'otherMailbox'='c'} -Clear 'mail','info'`},
		{"outside of Active Directory", Change{DN: "uid=a", LDAP: true, Replace: Of("mail", "a")}, ""},
		{"no UTF-8", Change{GUID: guid, Remove: Of("mail", "a\xff")}, ""},
		{"a name that is no UTF-8", Change{DN: "CN=\xff", Remove: Of("mail", "a")}, ""},
		{"such a name, and a GUID", Change{DN: "CN=\xff", GUID: guid, Remove: Of("mail", "a")}, `Set-ADObject -Identity '` + guid + `' -Remove @{'mail'='a'}`},
	} {
		if got := c.change.PowerShell(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.story, got, c.want)
		}
	}
}

// TestPowerShellHostile: around any value the command is the same.
func TestPowerShellHostile(t *testing.T) {
	for _, value := range hostile {
		if !utf8.ValidString(value) {
			continue
		}
		c := Change{DN: value, Remove: Of("proxyAddresses", value), Add: Of("proxyAddresses", value, value)}
		command := c.PowerShell()
		printable(t, command)
		rest := command
		for _, own := range []string{"Set-ADObject -Identity ", " -Remove @{'proxyAddresses'=", "} -Add @{'proxyAddresses'=", ","} {
			tail, found := strings.CutPrefix(rest, own)
			if !found {
				t.Fatalf("%.100q: expected %q at %.100q", value, own, rest)
			}
			got, after, err := expression(tail)
			if err != nil || got != value {
				t.Fatalf("%.100q: read back as %.100q (%v)", value, got, err)
			}
			rest = after
		}
		if rest != "}" {
			t.Errorf("%.100q: the command ends with %q", value, rest)
		}
	}
}

// TestEdit: single values are named where no server takes them for others.
func TestEdit(t *testing.T) {
	for _, c := range []struct {
		story   string
		present []string
		edits   []Edit
		want    Change
	}{
		{"nothing", []string{"a"}, nil, Change{}},
		{"one goes", []string{"a", "b"}, []Edit{{"a", ""}}, Change{Remove: Of("p", "a")}},
		{"one comes", []string{"a"}, []Edit{{"", "b"}}, Change{Add: Of("p", "b")}},
		{"one in place of another", []string{"a", "b"}, []Edit{{"a", "A"}}, Change{Remove: Of("p", "a"), Add: Of("p", "A")}},
		{"the primary is another", []string{"SMTP:a", "smtp:b"}, []Edit{{"SMTP:a", "smtp:a"}, {"smtp:b", "SMTP:b"}},
			Change{Remove: Of("p", "SMTP:a", "smtp:b"), Add: Of("p", "smtp:a", "SMTP:b")}},
		{"letter case", []string{"SMTP:a", "X500:/o=x", "smtp:a"}, []Edit{{"smtp:a", ""}}, Change{Replace: Of("p", "SMTP:a", "X500:/o=x")}},
		{"letter case, the other way round", []string{"smtp:a", "SMTP:a"}, []Edit{{"smtp:a", ""}}, Change{Replace: Of("p", "SMTP:a")}},
		{"both go", []string{"smtp:a", "SMTP:a"}, []Edit{{"smtp:a", ""}, {"SMTP:a", ""}}, Change{Replace: Of("p")}},
		{"letter case elsewhere", []string{"smtp:a", "X500:/o=x", "x500:/o=x"}, []Edit{{"smtp:a", ""}}, Change{Remove: Of("p", "smtp:a")}},
		{"a space", []string{"smtp:a", "smtp: a"}, []Edit{{"smtp: a", ""}}, Change{Replace: Of("p", "smtp:a")}},
		{"an accent and a width", []string{"müller", "mu\u0308ller", "Ｍuller"}, []Edit{{"müller", ""}}, Change{Replace: Of("p", "mu\u0308ller", "Ｍuller")}},
		{"what comes is like one that stays", []string{"smtp:a", "b"}, []Edit{{"b", "SMTP:a"}}, Change{Replace: Of("p", "smtp:a", "SMTP:a")}},
		{"what comes is there", []string{"a", "a ", "c"}, []Edit{{"a ", "a"}}, Change{Replace: Of("p", "a", "c")}},
		{"twice the same in a file", []string{"a", "a"}, []Edit{{"a", ""}}, Change{Replace: Of("p", "a")}},
	} {
		before := slices.Clone(c.present)
		var got Change
		got.Edit("p", c.present, c.edits...)
		if !reflect.DeepEqual(got, c.want) || !slices.Equal(c.present, before) {
			t.Errorf("%s: got %+v, want %+v", c.story, got, c.want)
		}
	}
}

func TestLDIF(t *testing.T) {
	for _, c := range []struct {
		story  string
		change Change
		want   string
	}{
		{"nothing", Change{DN: "CN=a"}, ""},
		{"an alias in place of another", Change{DN: "CN=a,DC=example", Remove: Of("proxyAddresses", "SMTP:b@example.com"), Add: Of("proxyAddresses", "smtp:b@example.com")},
			"dn: CN=a,DC=example\nchangetype: modify\ndelete: proxyAddresses\nproxyAddresses: SMTP:b@example.com\n-\nadd: proxyAddresses\nproxyAddresses: smtp:b@example.com\n-\n\n"},
		{"a cleared attribute", Change{DN: "CN=a", Replace: Of("mail")}, "dn: CN=a\nchangetype: modify\nreplace: mail\n-\n\n"},
		{"Base64", Change{DN: "CN=Müller", Replace: Of("mail", " a", "a ", ":a", "<a", "a\nb")},
			"dn:: Q049TcO8bGxlcg==\nchangetype: modify\nreplace: mail\nmail:: IGE=\nmail:: YSA=\nmail:: OmE=\nmail:: PGE=\nmail:: YQpi\n-\n\n"},
	} {
		if got := c.change.LDIF(); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.story, got, c.want)
		}
	}
}

// TestLDIFHostile: around any value the record is the same, line by line.
func TestLDIFHostile(t *testing.T) {
	for _, value := range hostile {
		c := Change{DN: value, Remove: Of("proxyAddresses", value), Add: Of("proxyAddresses", value)}
		text := c.LDIF()
		printable(t, strings.ReplaceAll(text, "\n", ""))
		var got []string
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n") {
			name, rest, _ := strings.Cut(line, ":")
			if base, found := strings.CutPrefix(rest, ": "); found {
				decoded, err := base64.StdEncoding.DecodeString(base)
				if err != nil {
					t.Fatal(err)
				}
				rest = " " + string(decoded)
			}
			got = append(got, name+"="+strings.TrimPrefix(rest, " "))
		}
		want := []string{"dn=" + value, "changetype=modify", "delete=proxyAddresses", "proxyAddresses=" + value, "-=", "add=proxyAddresses", "proxyAddresses=" + value, "-="}
		if !slices.Equal(got, want) {
			t.Errorf("got %.300q, want %.300q", got, want)
		}
	}
}

// TestLdapmodify has OpenLDAP make the changes: hostile values come, are
// changed by value, and go.
func TestLdapmodify(t *testing.T) {
	t.Parallel()
	program := servertest.Need(t, "ldapmodify", "ldap-utils")
	name := `CN=Müller\, \"Ann\" \+ Co\0A,` + servertest.Base
	s := servertest.NewSlapd(t, servertest.SlapdOptions{})
	conn := s.Connect(t)
	person := ldap.NewAddRequest(name, nil)
	person.Attribute("objectClass", []string{"user"})
	person.Attribute("cn", []string{"Müller, \"Ann\" + Co\n"})
	person.Attribute("sn", []string{"Müller"})
	person.Attribute("mail", []string{"old@example.com"})
	if err := conn.Add(person); err != nil {
		t.Fatal(err)
	}
	modify := func(c Change) {
		t.Helper()
		cmd := exec.Command(program, "-x", "-H", s.URL, "-D", s.Admin, "-w", servertest.Password)
		cmd.Stdin = strings.NewReader(c.LDIF())
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s\n%s", err, said.String(), c.LDIF())
		}
	}
	values := func(attribute string) []string {
		t.Helper()
		found, err := conn.Search(ldap.NewSearchRequest(servertest.Base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=user)", []string{attribute}, nil))
		if err != nil || len(found.Entries) != 1 {
			t.Fatalf("found %v (%v)", found, err)
		}
		return slices.Sorted(slices.Values(found.Entries[0].GetAttributeValues(attribute)))
	}
	// Those that the server's syntax takes, each once by its rule of equality.
	var fit []string
	for _, value := range hostile {
		if value = "smtp:" + value + "@example.com"; utf8.ValidString(value) && !strings.ContainsAny(value, "\x00") {
			fit = append(fit, value)
		}
	}
	slices.Sort(fit)
	modify(Change{DN: name, Add: Of("proxyAddresses", fit...), Replace: Of("mail", "ann@example.com")})
	if got := values("proxyAddresses"); !slices.Equal(got, fit) {
		t.Errorf("the server has %q, not %q", got, fit)
	}
	if got := values("mail"); !slices.Equal(got, []string{"ann@example.com"}) {
		t.Errorf("the server has mail %q", got)
	}
	modify(Change{DN: name, Remove: Of("proxyAddresses", fit[1:]...), Replace: Of("mail")})
	if got := values("proxyAddresses"); !slices.Equal(got, fit[:1]) {
		t.Errorf("the server still has %q", got)
	}
	// The same address in the other role, as servers take it in one request.
	modify(Change{DN: name, Remove: Of("proxyAddresses", fit[0]), Add: Of("proxyAddresses", "SMTP:"+fit[0][5:])})
	if got := values("proxyAddresses"); !slices.Equal(got, []string{"SMTP:" + fit[0][5:]}) || len(values("mail")) > 0 {
		t.Errorf("the server has %q and mail %q", got, values("mail"))
	}
}

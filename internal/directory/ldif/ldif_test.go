package ldif

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// write puts files into a new folder and returns its path.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func everyone() directory.Scope {
	return directory.Scope{
		Name: "everyone", Base: "dc=example", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid", Type: directory.Auto,
		Attributes: []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}},
	}
}

// read returns the entries in the form "scope type primaries aliases".
func read(s *files.Source, scopes ...directory.Scope) ([]string, identity.Receipt, error) {
	var got []string
	collector := directory.NewCollector(scopes)
	receipt, err := s.Read(context.Background(), scopes, collector, nil)
	for _, e := range collector.Entries() {
		got = append(got, fmt.Sprint(e.Scope, e.Type, e.Primaries, e.Aliases))
	}
	return got, receipt, err
}

const company = `version: 1

dn: dc=example
objectClass: domain

dn: ou=Staff,dc=example
objectClass: organizationalUnit
mail;lang-en: ou@example.com

dn: uid=ann,ou=Staff,dc=example
objectClass: inetOrgPerson
uid: ann
sn: Smith
entryUUID: 00000001-0000-4000-8000-000000000001
mail: ann@example.com
proxyAddresses: smtp:a@example.com
displayName: Ann Smith

dn: cn=team,ou=Groups,dc=example
objectClass: groupOfNames
mail: team@example.com
member: uid=ann,ou=Staff,dc=example

dn: uid=off,ou=Staff,dc=example
objectClass: inetOrgPerson
mail: off@example.com
nsAccountLock: true

dn: uid=x500,ou=Staff,dc=example
objectClass: inetOrgPerson
proxyAddresses: X500:/o=x

dn: uid=else,dc=elsewhere
mail: else@example.com
`

func TestRead(t *testing.T) {
	source := New("corp", []string{filepath.Join(write(t, map[string]string{"corp.ldif": company}), "corp.ldif")})
	scope := func(index int32, base, filter string) directory.Scope {
		s := everyone()
		s.Index, s.Base, s.Filter = index, base, filter
		return s
	}
	skipping := scope(0, "ou=Staff,dc=example", "")
	skipping.SkipDisabled = true
	noAddress := scope(0, "dc=example", "")
	noAddress.PrimaryAttribute, noAddress.AliasAttributes = "otherMailbox", nil
	noAddress.Filter = "(uid=ann)"

	for _, c := range []struct {
		story  string
		scopes []directory.Scope
		want   []string
	}{
		{"the default filter", []directory.Scope{scope(0, "dc=example", "")},
			[]string{"0 user [] [ou@example.com]", "0 user [ann@example.com] [a@example.com]", "0 list [team@example.com] []", "0 user [off@example.com] []"}},
		{"a base", []directory.Scope{scope(0, "OU=groups, DC=example", "")}, []string{"0 list [team@example.com] []"}},
		{"a filter", []directory.Scope{scope(0, "", "(|(sn=smith)(uid=e*)(mail=else@*))")}, []string{"0 user [ann@example.com] [a@example.com]", "0 user [else@example.com] []"}},
		{"a filter on the name", []directory.Scope{scope(0, "", "(ou:dn:=groups)")}, []string{"0 list [team@example.com] []"}},
		{"the first scope that matches", []directory.Scope{scope(2, "ou=Staff,dc=example", "(uid=*)"), scope(4, "dc=example", "")},
			[]string{"4 user [] [ou@example.com]", "2 user [ann@example.com] [a@example.com]", "4 list [team@example.com] []", "4 user [off@example.com] []"}},
		{"also where it finds no address", []directory.Scope{noAddress, scope(1, "dc=example", "(|(uid=ann)(objectClass=groupOfNames))")}, []string{"1 list [team@example.com] []"}},
		{"without disabled ones", []directory.Scope{skipping}, []string{"0 user [] [ou@example.com]", "0 user [ann@example.com] [a@example.com]"}},
		{"no scope", nil, nil},
	} {
		got, receipt, err := read(source, c.scopes...)
		want := identity.Receipt{Name: "corp", Server: "corp.ldif", Scanned: 7, Complete: true}
		if err != nil || !slices.Equal(got, c.want) || !reflect.DeepEqual(receipt, want) {
			t.Errorf("%s: got %q, %+v, %v", c.story, got, receipt, err)
		}
	}
}

func TestEntry(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"corp.ldif": company}), "corp.ldif")
	scopes := []directory.Scope{everyone()}
	collector := directory.NewCollector(scopes)
	if _, err := New("corp", []string{path}).Read(context.Background(), scopes, collector, nil); err != nil {
		t.Fatal(err)
	}
	want := `{00000001-0000-4000-8000-000000000001 uid=ann,ou=Staff,dc=example ann [ann@example.com] [] [a@example.com] [{display_name Ann Smith}] 0 user}`
	if got := fmt.Sprint(collector.Entries()[1]); got != want {
		t.Errorf("got %s", got)
	}
}

func TestFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"b.ldif":    "dn: cn=b\nmail: b@example.com\n",
		"a.ldif":    "dn: cn=a\nmail: a@example.com\n",
		"c[1].ldif": "dn: cn=c\nmail: c@example.com\n",
		"other":     "nothing of the kind",
	})
	in := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
		return paths
	}
	s := everyone()
	s.Base = ""
	for _, c := range []struct {
		patterns     []string
		server, want string
	}{
		{in("b.ldif"), "b.ldif", "[0 user [b@example.com] []]"},
		{in("b.ldif", "*.ldif", "a.ldif"), "a.ldif, b.ldif, c[1].ldif", "[0 user [a@example.com] [] 0 user [b@example.com] [] 0 user [c@example.com] []]"},
		{in("c[1].ldif"), "c[1].ldif", "[0 user [c@example.com] []]"},
	} {
		got, receipt, err := read(New("corp", c.patterns), s)
		if err != nil || receipt.Server != c.server || fmt.Sprint(got) != c.want {
			t.Errorf("%q: got %q, %+v, %v", c.patterns, got, receipt, err)
		}
	}
	for _, c := range []struct{ pattern, what string }{
		{"none.ldif", ""},
		{"*.none", "no file matches the pattern"},
		{"[", "syntax error in pattern"},
	} {
		pattern := filepath.Join(dir, c.pattern)
		_, receipt, err := read(New("corp", []string{pattern}), s)
		failed := (*directory.ReadError)(nil)
		if !errors.As(err, &failed) || failed.From != pattern || failed.Directory != "corp" || receipt.Complete || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: got %v", c.pattern, err)
		}
	}
	if _, _, err := read(New("corp", in("none.ldif")), s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReadError(t *testing.T) {
	dir := write(t, map[string]string{
		"a.ldif": "dn: cn=a\nmail: a@example.com\n",
		"b.ldif": "dn: cn=b\nmail: b@example.com\n\ndn: cn=c\nmail\n",
	})
	s := everyone()
	s.Base = ""
	got, receipt, err := read(New("corp", []string{filepath.Join(dir, "*")}), s)
	want := fmt.Sprintf(`directory "corp": %s:5: expected "attribute: value", but there is no colon in the line`, filepath.Join(dir, "b.ldif"))
	if err == nil || err.Error() != want || receipt.Complete || len(got) != 2 {
		t.Errorf("got %q, %+v, %v", got, receipt, err)
	}
}

// TestAdvice: what other tools write is refused with what to do instead.
func TestAdvice(t *testing.T) {
	for text, hint := range map[string]string{
		"dn: cn=a\nchangetype: add\nmail: a@b\n":                                "rollcall snapshot -o DIR",
		"dn: cn=a\nmail: a@b\n\ndn: cn=a\nchangetype: modify\nadd: member\n-\n": "rollcall snapshot -o DIR",
		"\xff\xfed\x00n\x00": "Set-Content NEW -Encoding utf8",
		"DN,mail\n":          `kind = "csv"`,
		"# extended LDIF\n\ndn: cn=a\n\n# numEntries: 2\n": "export it again",
	} {
		_, _, err := read(file(t, text), everyone())
		if got := directory.HintOf(err); !strings.Contains(got, hint) {
			t.Errorf("%q: %v, hint %q", text, err, got)
		}
	}
}

// TestReferences: references are reported, sorted, each once.
func TestReferences(t *testing.T) {
	_, receipt, err := read(file(t, "dn: cn=a\n\nref: ldap://b.example/dc=b,dc=e\n xample\n\nref:: bGRhcDovL2EuZXhhbXBsZS9kYz1h\n\nref: ldap://b.example/dc=b,dc=example\n"), everyone())
	if want := []string{"ldap://a.example/dc=a", "ldap://b.example/dc=b,dc=example"}; err != nil || !slices.Equal(receipt.References, want) {
		t.Errorf("%q, %v", receipt.References, err)
	}
}

// A part of the values is only a fault where somebody reads the attribute.
func TestRanges(t *testing.T) {
	text := "dn: cn=a,dc=example\nmail: a@example.com\nmember;range=0-1499: cn=b\n\ndn: cn=b,dc=else\nproxyAddresses;range=0-1499: smtp:b@example.com\n"
	source := New("corp", []string{filepath.Join(write(t, map[string]string{"a": text}), "a")})
	if got, _, err := read(source, everyone()); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
	members, all := everyone(), everyone()
	members.Filter, all.Base = "(member=cn=c)", ""
	for _, c := range []struct {
		scope directory.Scope
		what  string
	}{
		{members, ":3: member: the export holds a part of the values only (range=0-1499)"},
		{all, ":6: proxyAddresses: the export holds a part"},
	} {
		if _, _, err := read(source, c.scope); err == nil || !strings.Contains(err.Error(), c.what) {
			t.Errorf("got %v", err)
		}
	}
}

// Scopes that cannot be read are refused before the files are looked at.
func TestRefusedScopes(t *testing.T) {
	for _, c := range []struct{ base, filter, want string }{
		{"dc", "", `scope "everyone": base DN: "dc" is not a distinguished name`},
		{"dc=x", "(mail=", `scope "everyone": filter: not a search filter`},
	} {
		s := everyone()
		s.Base, s.Filter = c.base, c.filter
		_, _, err := read(New("corp", []string{"none.ldif"}), s)
		if failed := (*directory.ReadError)(nil); err == nil || errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v", err)
		}
	}
}

// many returns n objects as Active Directory exports them.
func many(n int) string {
	var b bytes.Buffer
	guid := make([]byte, 16)
	for i := range n {
		guid[0], guid[1], guid[2], guid[3] = byte(i), byte(i>>8), byte(i>>16), 1
		fmt.Fprintf(&b, `dn: CN=Smith\, Ann %[1]d,OU=Unit%02[2]d,OU=People,DC=corp,DC=example
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
cn: Smith, Ann %[1]d
sn: Smith
givenName: Ann
displayName: Smith, Ann %[1]d
sAMAccountName: u%07[1]d
userPrincipalName: u%07[1]d@corp.example
userAccountControl: 512
department: Sales
l: Berlin
mail: ann.smith%[1]d@corp.example
proxyAddresses: SMTP:ann.smith%[1]d@corp.example
proxyAddresses: smtp:ann.smith%[1]d.a0@corp.example
proxyAddresses: smtp:ann.smith%[1]d.a1@corp.example
objectGUID:: %[3]s
uSNChanged: %[1]d
whenChanged: 20240101000000.0Z

`, i, i%20, base64.StdEncoding.EncodeToString(guid))
	}
	return b.String()
}

// sink answers every object alike.
type sink struct{ err error }

func (s sink) Put(int, directory.Object) error          { return s.err }
func (s sink) Replace(int, int, directory.Object) error { return s.err }
func (s sink) Reset() error                             { return s.err }

func TestProgressAndCancel(t *testing.T) {
	source := New("corp", []string{filepath.Join(write(t, map[string]string{"a": many(25_000)}), "a")})
	var heard []int
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	receipt, err := source.Read(ctx, []directory.Scope{everyone()}, sink{}, func(p directory.Progress) {
		if p.Directory != "corp" || filepath.Base(p.From) != "a" {
			t.Errorf("got %+v", p)
		}
		if heard = append(heard, p.Objects); len(heard) == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || receipt.Complete || receipt.Scanned != 20_000 || !slices.Equal(heard, []int{10_000, 20_000}) {
		t.Errorf("heard %d, got %+v, %v", heard, receipt, err)
	}

	full := errors.New("full")
	s := everyone()
	s.Base = ""
	if _, err := source.Read(context.Background(), []directory.Scope{s}, sink{full}, nil); err != full {
		t.Errorf("got %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	text := many(20_000)
	s := everyone()
	s.Base, s.Filter, s.UsernameAttribute, s.SkipDisabled = "dc=corp,dc=example", "(|(objectClass=user)(objectClass=group))", "sAMAccountName", true
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		sel, err := files.NewSelection([]directory.Scope{s})
		if err != nil {
			b.Fatal(err)
		}
		mapper := directory.NewMapper(&s)
		r := newReader(strings.NewReader(text), sel.Attributes, &sel.Texts, (&files.Wanted{Selection: sel}).Below)
		for {
			rec, err := r.record()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if sel.Scope(rec) != 0 {
				b.Fatal("no object of the scope")
			}
			if _, why := mapper.Entry(rec); why != "" {
				b.Fatal("no entry")
			}
		}
	}
}

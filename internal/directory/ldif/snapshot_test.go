package ldif

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// snapshot makes the text of a snapshot into which fill puts objects.
func snapshot(t testing.TB, scopes []directory.Scope, fill func(*Snapshot) error) string {
	t.Helper()
	dir := t.TempDir()
	s, err := NewSnapshot(dir, scopes)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(s); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	return b.String()
}

// file returns the source of a file with this text.
func file(t testing.TB, text string) *files.Source {
	t.Helper()
	return New("corp", []string{filepath.Join(write(t, map[string]string{"corp.ldif": text}), "corp.ldif")})
}

// A snapshot is read to what the directory gave.
func TestSnapshot(t *testing.T) {
	source := file(t, company)
	staff, rest := everyone(), everyone()
	staff.Base, staff.Filter, staff.SkipDisabled, rest.Index = "ou=Staff,dc=example", "(uid=*)", true, 1
	scopes := []directory.Scope{staff, rest}
	text := snapshot(t, scopes, func(s *Snapshot) error {
		_, err := source.Read(context.Background(), scopes, s, nil)
		if s.Objects() != 5 {
			t.Errorf("%d objects", s.Objects())
		}
		return err
	})
	head, body, _ := strings.Cut(text, "\n\n")
	if !regexp.MustCompile(`^# rollcall-scopes: sha256:[0-9a-f]{64}\n# rollcall-attributes: ([\w-]+ )+zimbraaccountstatus\nversion: 1$`).MatchString(head) {
		t.Errorf("the head is %s", head)
	}
	want := `# rollcall-scope: 1
dn: uid=ann,ou=Staff,dc=example
displayname: Ann Smith
entryuuid: 00000001-0000-4000-8000-000000000001
mail: ann@example.com
objectclass: inetOrgPerson
proxyaddresses: smtp:a@example.com
uid: ann

# rollcall-scope: 2
dn: uid=off,ou=Staff,dc=example
mail: off@example.com
nsaccountlock: true
objectclass: inetOrgPerson

dn: ou=Staff,dc=example
mail;lang-en: ou@example.com
objectclass: organizationalUnit

dn: cn=team,ou=Groups,dc=example
mail: team@example.com
objectclass: groupOfNames

dn: uid=x500,ou=Staff,dc=example
objectclass: inetOrgPerson
proxyaddresses: X500:/o=x

# rollcall-objects: 5
`
	if body != want {
		t.Errorf("got %s", body)
	}
	before, _, err := read(source, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	after, receipt, err := read(file(t, text), scopes...)
	slices.Sort(before)
	slices.Sort(after)
	if err != nil || !slices.Equal(before, after) || receipt.Scanned != 5 {
		t.Errorf("before %q, after %q, %v", before, after, err)
	}
}

// Whatever happens on the way, the same objects make the same file.
func TestSnapshotOfChanges(t *testing.T) {
	scopes := []directory.Scope{everyone(), everyone()}
	ann := object{"uid=ann,dc=example", "entryUUID", octets("00000001-0000-4000-8000-000000000001")}
	old := object{"uid=old,dc=example", "entryUUID", ann.values}
	bob, eve, off := person("bob"), person("eve"), person("off")
	want := snapshot(t, scopes, func(s *Snapshot) error {
		return errors.Join(s.Put(0, ann), s.Put(1, bob), s.Put(1, eve))
	})
	for story, fill := range map[string]func(*Snapshot) error{
		"in another order": func(s *Snapshot) error { return errors.Join(s.Put(1, eve), s.Put(1, bob), s.Put(0, ann)) },
		"a newer version": func(s *Snapshot) error {
			return errors.Join(s.Put(0, old), s.Put(1, bob), s.Put(1, eve), s.Replace(0, 0, ann))
		},
		"of another scope": func(s *Snapshot) error {
			return errors.Join(s.Put(1, old), s.Put(1, bob), s.Put(1, eve), s.Replace(0, 0, ann))
		},
		"replaced twice": func(s *Snapshot) error {
			return errors.Join(s.Put(1, bob), s.Put(0, old), s.Replace(1, 1, eve), s.Replace(1, 0, ann), s.Put(1, eve))
		},
		"one that is gone": func(s *Snapshot) error {
			return errors.Join(s.Put(0, ann), s.Put(0, off), s.Put(1, bob), s.Put(1, eve), s.Replace(1, 0, nil))
		},
		"gone and back": func(s *Snapshot) error {
			return errors.Join(s.Put(0, old), s.Put(1, bob), s.Replace(0, 0, nil), s.Put(1, eve), s.Replace(0, 0, ann))
		},
		"a read started anew": func(s *Snapshot) error {
			return errors.Join(s.Put(0, off), s.Put(0, old), s.Replace(0, 0, nil), s.Reset(), s.Put(0, ann), s.Put(1, bob), s.Put(1, eve))
		},
	} {
		if got := snapshot(t, scopes, fill); got != want {
			t.Errorf("%s: got\n%swant\n%s", story, got, want)
		}
	}
	if n := strings.Count(want, "\ndn: "); n != 3 || !strings.HasSuffix(want, "\n\n# rollcall-objects: 3\n") {
		t.Errorf("%d objects in\n%s", n, want)
	}
}

// person is an object without a GUID.
func person(name string) object {
	return object{"uid=" + name + ",dc=example", "mail", octets(name + "@example.com")}
}

// What only a server can judge is not judged again: the snapshot says which
// scope took an object. For other scopes it is a file as any other.
func TestSnapshotOfScopes(t *testing.T) {
	nested, rest := everyone(), everyone()
	nested.Filter, rest.Index = "(memberOf:1.2.840.113556.1.4.1941:=cn=team,ou=Groups,dc=example)", 1
	scopes := []directory.Scope{nested, rest}
	text := snapshot(t, scopes, func(s *Snapshot) error {
		return errors.Join(s.Put(0, person("ann")), s.Put(1, person("bob")))
	})
	plainText := regexp.MustCompile(`(?m)^# rollcall-.*\n`).ReplaceAllString(text, "")
	swapped := []directory.Scope{rest, nested}
	below, named, more := rest, rest, rest
	below.Base = "uid=ann,dc=example"
	named.Name, named.Index = "renamed", 9
	more.Attributes = []directory.Attribute{{Name: "room", Source: "roomNumber"}}
	const unsupported = `scope "everyone": filter: (memberOf:1.2.840.113556.1.4.1941:=cn=team,ou=Groups,dc=example) follows nested memberships`

	for _, c := range []struct {
		story, text string
		scopes      []directory.Scope
		want        string
	}{
		{"the same scopes", text, scopes, "0 user [ann@example.com] [], 1 user [bob@example.com] []"},
		{"the same bases and filters", text, []directory.Scope{nested, named}, "0 user [ann@example.com] [], 9 user [bob@example.com] []"},
		{"other scopes, which are evaluated", text, []directory.Scope{below}, "1 user [ann@example.com] []"},
		{"the scopes in another order", text, swapped, unsupported},
		{"no marks", plainText, []directory.Scope{rest}, "1 user [ann@example.com] [], 1 user [bob@example.com] []"},
		{"no marks, and a filter for servers", plainText, scopes, unsupported},
		{"no objects, and a filter for servers", "version: 1\n", scopes, unsupported},
		{"an attribute that was not asked for", text, []directory.Scope{nested, more}, "the snapshot was made without the attribute roomnumber, which is read now"},
	} {
		got, _, err := read(file(t, c.text), c.scopes...)
		if text := strings.Join(got, ", "); err == nil && text != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v", c.story, got, err)
		}
	}
}

// A snapshot is read as a whole or not at all.
func TestDamagedSnapshot(t *testing.T) {
	scopes := []directory.Scope{everyone()}
	text := snapshot(t, scopes, func(s *Snapshot) error {
		return errors.Join(s.Put(0, person("ann")), s.Put(0, person("bob")))
	})
	empty := snapshot(t, scopes, func(*Snapshot) error { return nil })
	for _, c := range []struct{ story, text, want string }{
		{"as it was written", text, ""},
		{"without objects", empty, ""},
		{"with line ends of Windows", strings.ReplaceAll(text, "\n", "\r\n"), ""},
		{"without its last line", strings.TrimSuffix(text, "# rollcall-objects: 2\n"), "cut short"},
		{"an object less", strings.Replace(text, "dn: uid=ann,dc=example\nmail: ann@example.com\n\n", "", 1), "its objects are 2, and in the file are 1"},
		{"an object more", text + "\ndn: cn=more\nmail: more@example.com\n\n", "its objects are 2, and in the file are 3"},
		{"a scope less", strings.Replace(text, "# rollcall-scope: 1\n", "", 1), "corp.ldif:5: the snapshot does not say which scope took this object"},
		{"a scope that is not there", strings.Replace(text, "# rollcall-scope: 1", "# rollcall-scope: 2", 1), "corp.ldif:6: the snapshot does not say which scope"},
		{"no scope", strings.Replace(text, "# rollcall-scope: 1", "# rollcall-scope: 0", 1), "corp.ldif:6: the snapshot does not say which scope"},
		{"a scope without a number", strings.Replace(text, "# rollcall-scope: 1", "# rollcall-scope: x", 1), "corp.ldif:5: the snapshot is damaged"},
		{"two in one file", text + text, "a snapshot begins here, after other objects"},
		{"behind other objects", "dn: cn=a\nmail: a@example.com\n\n" + text, "corp.ldif:4: a snapshot begins here"},
	} {
		got, _, err := read(file(t, c.text), scopes...)
		failed := (*directory.ReadError)(nil)
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &failed) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %q, %v", c.story, got, err)
		}
	}
	// The last octet is the end of the last line.
	path := filepath.Join(t.TempDir(), "corp.ldif")
	for n := range len(text) - 1 {
		if err := os.WriteFile(path, []byte(text[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, receipt, err := read(New("corp", []string{path}), scopes...); err == nil || receipt.Complete {
			t.Errorf("cut to %q, and is read", text[:n])
		}
	}
}

// The page on snapshots names every mark, and its example is one.
func TestSnapshotPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/snapshot.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{scopesMark, attributesMark, scopeMark, objectsMark} {
		if row := "\n| `" + markPrefix + strings.TrimSpace(mark) + "` |"; !strings.Contains(string(page), row) {
			t.Errorf("there is no %s", row)
		}
	}
	example := regexp.MustCompile("(?s)\n```\n(# rollcall-.*?\n)```\n").FindSubmatch(page)
	if example == nil {
		t.Fatal("there is no example")
	}
	if got, err := dump(bytes.NewReader(example[1])); err != nil || strings.Count(got, "\n") != 1 {
		t.Errorf("got %s, %v", got, err)
	}
}

package ldif

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const findable = `version: 1

dn: CN=Ann,OU=Staff,DC=example
objectClass: user
objectGUID:: dOXSvFiNNkGp34oZsUXbeQ==
sAMAccountName: ann
mail: Ann@Example.com
proxyAddresses: SMTP:ann@example.com
proxyAddresses: smtp:a.smith@example.net

dn: CN=Ann,OU=Left,DC=example
objectClass: user
uid: ann
mail: ann@example.com
entryUUID: 8c4ac332-975f-4717-ad7b-ba4a4e968fff

dn: CN=Bob,OU=Staff,DC=example
objectClass: user
objectGUID:: ff8AAAAAAAAAAAAAAAAAAQ==
mail: old.bob@example.com
proxyAddresses: SMTP:bob@example.com
userPrincipalName: bob.brown@example.com
department: Support

dn: CN=Shared,OU=Staff,DC=example
objectClass: user
mail: desk@example.com
userAccountControl: 514

dn: CN=Ann\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,OU=Sales,OU=Staff,DC=example
objectClass: user
mail: conflict@example.com
department: Sales
objectGUID:: ff8AAAAAAAAAAAAAAAAAAg==

dn: CN=SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1},OU=Staff,DC=example
objectClass: user
mail: system@example.com
objectGUID:: ff8AAAAAAAAAAAAAAAAAAw==

dn: CN=Gone\0ADEL:x,CN=Deleted Objects,DC=example
objectClass: user
isDeleted: TRUE
mail: gone@example.com

dn: CN=Only,OU=Staff,DC=example
objectClass: user
userPrincipalName: only@example.com

dn: CN=Evil\, *)(mail=*,OU=Staff,DC=example
objectClass: user
mail: *)(mail=*@example.com
department: Sales
`

// findScopes are two scopes, the second of which has the first one's objects
// below it.
func findScopes() []directory.Scope {
	sales := everyone()
	sales.Name, sales.Base, sales.Filter = "sales", "OU=Staff,DC=example", "(&(objectClass=user)(department=Sales))"
	staff := everyone()
	staff.Name, staff.Base, staff.SkipDisabled, staff.UsernameAttribute = "staff", "OU=Staff,DC=example", true, "sAMAccountName"
	return []directory.Scope{sales, staff}
}

// told writes findings as lines: an object with what names the subject, and
// below it the verdict of each scope.
func told(f directory.Findings) string {
	var b strings.Builder
	for _, o := range f.Objects {
		fmt.Fprintf(&b, "%s %s\n", o.DN, o.GUID)
		for _, v := range o.Values {
			fmt.Fprintf(&b, "  %s: %s\n", v.Attribute, v.Value)
		}
		for _, v := range o.Verdicts {
			fmt.Fprintf(&b, "  %s: %t", v.Scope, v.Taken)
			for _, x := range v.Obstacles {
				b.WriteString("; " + strings.TrimSpace(string(x.Kind)+" "+x.Detail))
			}
			b.WriteByte('\n')
		}
	}
	if f.Cut {
		b.WriteString("and more\n")
	}
	for _, n := range f.Notes {
		fmt.Fprintln(&b, "note:", n)
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

const noDepartment = "filter (department=Sales) is not true: the object has no department, or none that may be read"

func TestFind(t *testing.T) {
	dir := write(t, map[string]string{"corp.ldif": findable})
	source := New("corp", []string{filepath.Join(dir, "corp.ldif")})
	domains := [][]string{{"example.com"}, {"example.com", "example.net"}}
	for _, tt := range []struct {
		name  string
		query directory.Query
		want  string
	}{
		{"an address, in the scope and outside of it", directory.Query{Addresses: []string{"ann@example.com"}}, `
CN=Ann,OU=Left,DC=example 8c4ac332-975f-4717-ad7b-ba4a4e968fff
  mail: ann@example.com
  sales: false; outside_base OU=Staff,DC=example; ` + noDepartment + `
  staff: false; outside_base OU=Staff,DC=example
CN=Ann,OU=Staff,DC=example bcd2e574-8d58-4136-a9df-8a19b145db79
  mail: Ann@Example.com
  proxyAddresses: SMTP:ann@example.com
  sales: false; ` + noDepartment + `
  staff: true
`},
		{"an address under two domains, of which one scope takes neither", directory.Query{Addresses: []string{"a.smith@example.org", "a.smith@example.net"}, Domains: [][]string{{"example.com"}, {"example.net"}}}, `
CN=Ann,OU=Staff,DC=example bcd2e574-8d58-4136-a9df-8a19b145db79
  proxyAddresses: smtp:a.smith@example.net
  sales: false; ` + noDepartment + `; domain example.net
  staff: true
`},
		{"mail is not read beside SMTP:", directory.Query{Addresses: []string{"old.bob@example.com"}, Domains: domains}, `
CN=Bob,OU=Staff,DC=example 0000ff7d-0000-0000-0000-000000000001
  mail: old.bob@example.com
  sales: false; filter (department=Sales) is not true: the object's department is "Support"; beside_smtp mail is not read beside SMTP:bob@example.com
  staff: true; beside_smtp mail is not read beside SMTP:bob@example.com
`},
		{"an attribute that no scope reads", directory.Query{Addresses: []string{"only@example.com"}}, `
CN=Only,OU=Staff,DC=example
  userPrincipalName: only@example.com
  sales: false; ` + noDepartment + `; no_address mail, proxyAddresses; no_guid
  staff: false; no_address mail, proxyAddresses; no_guid
`},
		{"disabled, without GUID", directory.Query{Addresses: []string{"desk@example.com"}}, `
CN=Shared,OU=Staff,DC=example
  mail: desk@example.com
  sales: false; ` + noDepartment + `; no_guid
  staff: false; disabled; no_guid
`},
		{"a conflict, and the scope before", directory.Query{Addresses: []string{"conflict@example.com"}}, `
CN=Ann\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,OU=Sales,OU=Staff,DC=example 0000ff7d-0000-0000-0000-000000000002
  mail: conflict@example.com
  sales: false; conflict
  staff: false; earlier_scope sales
`},
		{"a system mailbox", directory.Query{Addresses: []string{"system@example.com"}}, `
CN=SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1},OU=Staff,DC=example 0000ff7d-0000-0000-0000-000000000003
  mail: system@example.com
  sales: false; ` + noDepartment + `; system
  staff: false; system
`},
		{"deleted", directory.Query{Addresses: []string{"gone@example.com"}}, `
CN=Gone\0ADEL:x,CN=Deleted Objects,DC=example
  mail: gone@example.com
  sales: false; deleted
  staff: false; deleted
`},
		{"a hostile subject finds itself alone", directory.Query{Addresses: []string{"*)(mail=*@example.com"}}, `
CN=Evil\, *)(mail=*,OU=Staff,DC=example
  mail: *)(mail=*@example.com
  sales: true; no_guid
  staff: false; earlier_scope sales
`},
		{"a GUID", directory.Query{GUID: guid(t, "bcd2e574-8d58-4136-a9df-8a19b145db79")}, `
CN=Ann,OU=Staff,DC=example bcd2e574-8d58-4136-a9df-8a19b145db79
  objectGUID: bcd2e574-8d58-4136-a9df-8a19b145db79
  sales: false; ` + noDepartment + `
  staff: true
`},
		{"a DN", directory.Query{DN: "cn=ann, ou=left,dc=EXAMPLE"}, `
CN=Ann,OU=Left,DC=example 8c4ac332-975f-4717-ad7b-ba4a4e968fff
  dn: CN=Ann,OU=Left,DC=example
  sales: false; outside_base OU=Staff,DC=example; ` + noDepartment + `
  staff: false; outside_base OU=Staff,DC=example
`},
		{"a username, in any attribute", directory.Query{Username: "ANN"}, `
CN=Ann,OU=Left,DC=example 8c4ac332-975f-4717-ad7b-ba4a4e968fff
  uid: ann
  sales: false; outside_base OU=Staff,DC=example; ` + noDepartment + `
  staff: false; outside_base OU=Staff,DC=example
CN=Ann,OU=Staff,DC=example bcd2e574-8d58-4136-a9df-8a19b145db79
  sAMAccountName: ann
  sales: false; ` + noDepartment + `
  staff: true
`},
		{"nobody", directory.Query{Addresses: []string{"nobody@example.com"}}, "\n"},
		{"nothing", directory.Query{}, "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := source.Find(context.Background(), tt.query, findScopes())
			if got := "\n" + told(found); err != nil || got != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

func guid(t *testing.T, text string) identity.GUID {
	t.Helper()
	g, err := identity.ParseGUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestFindEntries: the values of entries are shown by their DNs, every octet as it
// is there and under the scope's spelling, whatever is looked for beside them.
func TestFindEntries(t *testing.T) {
	dir := write(t, map[string]string{"corp.ldif": "version: 1\n\ndn: CN=Odd,OU=Staff,DC=example\nmail: odd@example.com\nproxyaddresses:: " +
		base64.StdEncoding.EncodeToString([]byte("smtp:  two@\xff.example ")) + "\nproxyaddresses: SMTP:odd@example.com\nuserPrincipalName: odd@example.com\n"})
	query := directory.Query{Entries: []string{"CN=Odd,OU=Staff,DC=example", "CN=Nobody,DC=example"}, Addresses: []string{"nobody@example.com"}}
	found, err := New("corp", []string{dir + "/*.ldif"}).Find(context.Background(), query, findScopes())
	if err != nil || len(found.Objects) > 0 || len(found.Entries) != 1 {
		t.Fatalf("%v, %+v", err, found)
	}
	want := []directory.FoundValue{{Attribute: "mail", Value: "odd@example.com"}, {Attribute: "proxyAddresses", Value: "smtp:  two@\xff.example "}, {Attribute: "proxyAddresses", Value: "SMTP:odd@example.com"}}
	if got := found.Entries[0].Held; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFindOptions: a value is reported with the options of its attribute, which a
// change of it must name.
func TestFindOptions(t *testing.T) {
	dir := write(t, map[string]string{"corp.ldif": "version: 1\n\ndn: uid=ann,dc=example\nmail;lang-de: anna@example.com\nmail: ann@example.com\nproxyAddresses: smtp:\n"})
	found, err := New("corp", []string{dir + "/*.ldif"}).Find(context.Background(), directory.Query{Addresses: []string{"anna@example.com"}}, []directory.Scope{everyone()})
	if err != nil || len(found.Objects) != 1 {
		t.Fatalf("%v, %+v", err, found)
	}
	if v := found.Objects[0].Values; len(v) != 1 || v[0].Attribute != "mail;lang-de" {
		t.Errorf("%+v", v)
	}
	if v := found.Objects[0].Held; len(v) != 3 || v[0].Attribute != "mail" || v[1].Attribute != "mail;lang-de" {
		t.Errorf("%+v", v)
	}
}

// TestFindCut: no more than MaxFound objects are reported, and that there are more.
func TestFindCut(t *testing.T) {
	for _, n := range []int{directory.MaxFound, directory.MaxFound + 1, 3 * directory.MaxFound} {
		var b strings.Builder
		b.WriteString("version: 1\n")
		for i := range n {
			fmt.Fprintf(&b, "\ndn: uid=%d,dc=example\nmail: info@example.com\n", i)
		}
		dir := write(t, map[string]string{"corp.ldif": b.String()})
		found, err := New("corp", []string{dir + "/*.ldif"}).Find(context.Background(), directory.Query{Addresses: []string{"info@example.com"}}, []directory.Scope{everyone()})
		if err != nil || len(found.Objects) != directory.MaxFound || found.Cut != (n > directory.MaxFound) {
			t.Errorf("of %d, %d are found, cut: %t, %v", n, len(found.Objects), found.Cut, err)
		}
	}
}

// TestFindInSnapshot: a snapshot knows which scope took an object, also where
// only a server can judge the filter, and says that it does not hold the others.
func TestFindInSnapshot(t *testing.T) {
	scopes := findScopes()
	dir := write(t, map[string]string{"corp.ldif": findable})
	snapshot, err := NewSnapshot(t.TempDir(), scopes)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	if _, err := New("corp", []string{filepath.Join(dir, "corp.ldif")}).Read(context.Background(), scopes, snapshot, nil); err != nil {
		t.Fatal(err)
	}
	var taken bytes.Buffer
	if err := snapshot.Write(&taken); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "taken.ldif")
	write := func(text string) *files.Source {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return New("corp", []string{path})
	}
	const note = "note: the snapshot taken.ldif holds no object but those that a scope selected when it was made"
	query := directory.Query{Addresses: []string{"ann@example.com"}}
	found, err := write(taken.String()).Find(context.Background(), query, scopes)
	if got, want := told(found), `CN=Ann,OU=Staff,DC=example bcd2e574-8d58-4136-a9df-8a19b145db79
  mail: Ann@Example.com
  proxyAddresses: SMTP:ann@example.com
  sales: false; `+noDepartment+`
  staff: true
`+note+"\n"; err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}

	scopes[1].Filter = "(memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=example)"
	found, err = write(taken.String()).Find(context.Background(), query, scopes)
	if got := told(found); err != nil || !strings.Contains(got, "staff: false; filter_unknown (memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=example) follows nested memberships") ||
		!strings.Contains(got, note+", and not their attribute memberof") {
		t.Errorf("other scopes: %v\n%s", err, got)
	}
	sel, err := files.NewSelection(scopes)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(taken.String(), "\n")
	found, err = write(strings.Replace(taken.String(), head, markPrefix+scopesMark+sel.Digest, 1)).Find(context.Background(), query, scopes)
	if got := told(found); err != nil || !strings.Contains(got, "  staff: true\n") {
		t.Errorf("recorded: %v\n%s", err, got)
	}
}

// TestFindFails: what cannot be read is an error, with file and line.
func TestFindFails(t *testing.T) {
	dir := write(t, map[string]string{"bad.ldif": "dn: dc=example\nmail:< file:///etc/passwd\n"})
	_, err := New("corp", []string{dir + "/bad.ldif"}).Find(context.Background(), directory.Query{Addresses: []string{"a@example.com"}}, []directory.Scope{everyone()})
	if read, ok := errors.AsType[*directory.ReadError](err); !ok || read.Line != 2 {
		t.Errorf("got %v", err)
	}
	if _, err := New("corp", nil).Find(context.Background(), directory.Query{DN: "no name"}, nil); err == nil {
		t.Error("a DN that is none is looked for")
	}
}

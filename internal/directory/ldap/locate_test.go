package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// flags writes what was located, a line each: the first part of the DN and why it is
// no entry.
func flags(located map[identity.GUID]directory.Located) []string {
	var lines []string
	for _, at := range located {
		// Tombstones are CN=NAME\0ADEL:GUID or nsuniqueid=ID,uid=NAME.
		rdn, rest, _ := strings.Cut(strings.ToLower(at.DN), ",")
		if strings.HasPrefix(rdn, "nsuniqueid=") {
			rdn, _, _ = strings.Cut(rest, ",")
		}
		rdn, _, _ = strings.Cut(rdn, `\`)
		line := rdn
		for _, flag := range []struct {
			set  bool
			name string
		}{{at.Deleted, "deleted"}, {at.Disabled, "disabled"}, {at.WithoutAddress, "without address"}} {
			if flag.set {
				line += " " + flag.name
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func locate(t *testing.T, o Options, guids []identity.GUID, scopes ...directory.Scope) []string {
	t.Helper()
	located, err := New(o).Locate(t.Context(), guids, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return flags(located)
}

// add adds an object and returns its GUID, as the attribute has it.
func add(t *testing.T, c *goldap.Conn, attribute, dn string, pairs ...string) identity.GUID {
	t.Helper()
	request := goldap.NewAddRequest(dn, nil)
	for _, a := range servertest.NewEntry(dn, pairs...).Attributes {
		request.Attribute(a.Name, a.Values)
	}
	if err := c.Add(request); err != nil {
		t.Fatal(err)
	}
	result, err := c.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil || len(result.Entries) != 1 {
		t.Fatal(result, err)
	}
	v := result.Entries[0].GetRawAttributeValue(attribute)
	g, err := identity.WireGUID(v)
	if len(v) != 16 {
		g, err = identity.ParseGUID(string(v))
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func try(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestLocateSamba(t *testing.T) {
	d := servertest.NewSamba(t, servertest.SambaOptions{})
	c := d.Connect(t)
	for _, ou := range []string{"Staff", "Elsewhere"} {
		add(t, c, "objectGUID", "OU="+ou+","+servertest.Base, "objectClass", "organizationalUnit")
	}
	var guids []identity.GUID
	for _, name := range []string{"deleted", "moved", "disabled", "blank", "there", "off and blank"} {
		guids = append(guids, add(t, c, "objectGUID", "CN="+name+","+staffBase, "objectClass", "user", "sAMAccountName", strings.ReplaceAll(name, " ", ""),
			"userAccountControl", "544", "mail", "x@example.com", "proxyAddresses", "SMTP:x@example.com"))
	}
	modify := func(name, attribute string, values ...string) error {
		m := goldap.NewModifyRequest("CN="+name+","+staffBase, nil)
		m.Replace(attribute, values)
		return c.Modify(m)
	}
	try(t, c.Del(goldap.NewDelRequest("CN=deleted,"+staffBase, nil)),
		c.ModifyDN(goldap.NewModifyDNRequest("CN=moved,"+staffBase, "CN=moved", true, "OU=Elsewhere,"+servertest.Base)),
		modify("disabled", "userAccountControl", "546"), modify("blank", "mail"), modify("blank", "proxyAddresses"),
		modify("off and blank", "userAccountControl", "546"), modify("off and blank", "mail"), modify("off and blank", "proxyAddresses"))
	guids = append(guids, identity.GUID{1, 2, 3}, identity.GUID{})

	options := func(name string) Options {
		return Options{Label: "corp", ActiveDirectory: true, URLs: []string{d.LDAPS}, CAFile: d.CA.File, BindDN: name, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 1000}
	}
	scope := func(filter string, skip bool) directory.Scope {
		s := staff()
		s.Base, s.Filter, s.SkipDisabled = staffBase, filter, skip
		return s
	}
	all := []string{"cn=blank without address", "cn=deleted deleted", "cn=disabled disabled", "cn=moved", "cn=off and blank disabled"}
	for _, c := range []struct {
		name   string
		reader string
		scope  directory.Scope
		want   []string
	}{
		{"no filter", d.Admin, scope("", true), all},
		{"a filter", d.Admin, scope("(objectClass=user)", true), all},
		{"a filter that says all", d.Admin, scope("(&(objectClass=user)(|(mail=*)(proxyAddresses=*))(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", false), all},
		{"a filter of a group", d.Admin, scope("(&(objectClass=user)(memberOf:1.2.840.113556.1.4.1941:=CN=Domain Users,CN=Users,"+servertest.Base+"))", true),
			[]string{"cn=blank without address", "cn=deleted deleted", "cn=disabled disabled", "cn=moved", "cn=off and blank disabled", "cn=there"}},
		{"a filter that keeps all out", d.Admin, scope("(objectClass=group)", true), []string{"cn=blank", "cn=deleted deleted", "cn=disabled", "cn=moved", "cn=off and blank", "cn=there"}},
		{"disabled ones are entries", d.Admin, scope("", false), []string{"cn=blank without address", "cn=deleted deleted", "cn=moved", "cn=off and blank without address"}},
		{"who sees no deleted objects", d.Reader, scope("", true), []string{"cn=blank without address", "cn=disabled disabled", "cn=moved", "cn=off and blank disabled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := locate(t, options(c.reader), guids, c.scope); !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
	// A second scope has the object's part of the directory.
	other := scope("", true)
	other.Name, other.Base, other.PrimaryAttribute, other.AliasAttributes = "other", "OU=Elsewhere,"+servertest.Base, "otherMailbox", nil
	if got := locate(t, options(d.Admin), guids, scope("", true), other); !slices.Contains(got, "cn=moved without address") {
		t.Errorf("got %q", got)
	}
}

func TestLocateDS389(t *testing.T) {
	x := servertest.NewDS389(t)
	x.Replicate(t)
	c := x.Connect(t)
	for _, ou := range []string{"Staff", "Elsewhere"} {
		add(t, c, "entryUUID", "ou="+ou+","+servertest.Base, "objectClass", "organizationalUnit")
	}
	var guids []identity.GUID
	for _, name := range []string{"deleted", "moved", "disabled", "blank", "there"} {
		guids = append(guids, add(t, c, "entryUUID", "uid="+name+",ou=Staff,"+servertest.Base, "objectClass", "inetOrgPerson", "cn", name, "sn", name, "mail", "x@example.com"))
	}
	modify := func(name, attribute string, values ...string) error {
		m := goldap.NewModifyRequest("uid="+name+",ou=Staff,"+servertest.Base, nil)
		m.Replace(attribute, values)
		return c.Modify(m)
	}
	try(t, c.Del(goldap.NewDelRequest("uid=deleted,ou=Staff,"+servertest.Base, nil)),
		c.ModifyDN(goldap.NewModifyDNRequest("uid=moved,ou=Staff,"+servertest.Base, "uid=moved", true, "ou=Elsewhere,"+servertest.Base)),
		modify("disabled", "nsAccountLock", "TRUE"), modify("blank", "mail"))
	o := Options{Label: "lab", URLs: []string{x.LDAPS}, CAFile: x.CAFile, BindDN: x.Admin, Password: secret(x.AdminPassword), Timeout: 20 * time.Second, PageSize: 500}
	scope := directory.Scope{Name: "staff", Base: "ou=Staff," + servertest.Base, PrimaryAttribute: "mail", SkipDisabled: true, Type: directory.Users}
	want := []string{"uid=blank without address", "uid=deleted deleted", "uid=disabled disabled", "uid=moved"}
	if got := locate(t, o, guids, scope); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Who may not see tombstones is shown none.
	o.BindDN = ""
	if got := locate(t, o, guids, scope); slices.ContainsFunc(got, func(line string) bool { return strings.HasSuffix(line, " deleted") }) {
		t.Errorf("got %q", got)
	}
}

// Where the head of the directory is hidden, the bases of the scopes are searched.
func TestLocateSlapd(t *testing.T) {
	var b strings.Builder
	person := func(name, unit, more string) {
		fmt.Fprintf(&b, "dn: cn=%[1]s,ou=%[2]s,%[3]s\nobjectClass: user\ncn: %[1]s\nentryUUID: %[4]s\n%[5]s\n", name, unit, servertest.Base, "6ba7b810-9dad-11d1-80b4-00c04fd43000", more)
	}
	fmt.Fprintf(&b, "dn: ou=a,%s\nobjectClass: organizationalUnit\nou: a\n\ndn: ou=b,%[1]s\nobjectClass: organizationalUnit\nou: b\n\n", servertest.Base)
	person("moved", "b", "mail: x@example.com\n")
	guid, err := identity.ParseGUID("6ba7b810-9dad-11d1-80b4-00c04fd43000")
	try(t, err)
	scope := func(base string) directory.Scope {
		return directory.Scope{Name: base, Base: base + servertest.Base, PrimaryAttribute: "mail", Filter: "(mail=*)", Type: directory.Users}
	}
	other := scope("ou=b,")
	other.Filter = "(title=*)"
	for _, c := range []struct {
		access []string
		scopes []directory.Scope
		want   []string
	}{
		{nil, []directory.Scope{scope("ou=a,")}, []string{"cn=moved"}},
		{[]string{fmt.Sprintf("to dn.base=%q by * none", servertest.Base)}, []directory.Scope{scope("ou=a,")}, nil},
		{[]string{fmt.Sprintf("to dn.base=%q by * none", servertest.Base)}, []directory.Scope{scope("ou=a,"), other}, []string{"cn=moved"}},
	} {
		s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(b.String()), Access: c.access})
		o := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 500}
		if got := locate(t, o, []identity.GUID{guid}, c.scopes...); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q", c.access, got)
		}
	}
}

// A thousand GUIDs take few requests, whatever became of them, and what ends the
// lookup is an error, not an answer.
func TestLocateMany(t *testing.T) {
	silent := false
	s := company(t, 1200, servertest.StubOptions{Answer: func(a *servertest.Answer) { a.Silent = silent && a.Scope == "sub" }})
	var guids []identity.GUID
	_, err := New(optionsOf(s)).Read(t.Context(), []directory.Scope{staff()}, sinkOf(func(o directory.Object) {
		g, err := identity.WireGUID(o.Values("objectguid")[0])
		try(t, err)
		guids = append(guids, g)
	}), nil)
	try(t, err)
	for n := range 300 {
		s.Delete(fmt.Sprintf("CN=Person %d,%s", n, staffBase))
	}
	scope := staff()
	scope.Base = "OU=Nowhere," + servertest.Base
	before := len(s.Requests())
	located, err := New(optionsOf(s)).Locate(t.Context(), guids[:1000], []directory.Scope{scope})
	if err != nil || len(located) != 1000 {
		t.Errorf("located %d, %v", len(located), err)
	}
	deleted := 0
	for _, at := range located {
		if at.Deleted {
			deleted++
		}
	}
	if requests := len(s.Requests()) - before; requests > 25 || deleted != 300 {
		t.Errorf("%d requests, %d deleted", requests, deleted)
	}

	silent = true
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if located, err := New(optionsOf(s)).Locate(ctx, guids, []directory.Scope{scope}); !errors.Is(err, context.Canceled) && ctx.Err() == nil || located != nil {
		t.Errorf("located %d, %v", len(located), err)
	}
	o := optionsOf(s)
	o.Timeout = 100 * time.Millisecond
	if located, err := New(o).Locate(t.Context(), guids, []directory.Scope{scope}); !errors.As(err, new(*directory.ReadError)) || located != nil {
		t.Errorf("located %d, %v", len(located), err)
	}
}

// sinkOf is a sink that only looks at what is put.
type sinkOf func(directory.Object)

func (s sinkOf) Put(_ int, o directory.Object) error      { s(o); return nil }
func (s sinkOf) Replace(int, int, directory.Object) error { return nil }
func (s sinkOf) Reset() error                             { return nil }

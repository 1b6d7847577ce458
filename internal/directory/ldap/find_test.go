package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// findable is what TestFind finds on every server: Ann in the scope, another
// Ann beside it, and people with names that a filter must not take for its own.
const findable = `dn: OU=Staff,DC=corp,DC=example,DC=com
objectClass: organizationalUnit
ou: Staff

dn: OU=Left,DC=corp,DC=example,DC=com
objectClass: organizationalUnit
ou: Left

dn: CN=Ann,OU=Staff,DC=corp,DC=example,DC=com
objectClass: user
cn: Ann
sn: Ann
sAMAccountName: ann
department: Sales
mail: Ann@example.com
proxyAddresses: SMTP:ann@example.com
proxyAddresses: smtp:a.smith@example.com

dn: CN=Former Ann,OU=Left,DC=corp,DC=example,DC=com
objectClass: user
cn: Former Ann
sn: Ann
sAMAccountName: ann2
mail: ann@example.com

dn: CN=Star,OU=Left,DC=corp,DC=example,DC=com
objectClass: user
cn: Star
sn: Star
sAMAccountName: star
mail: *)(mail=*@example.com
`

// findScope takes Sales; only a server knows what follows nested memberships.
func findScope() directory.Scope {
	s := staff()
	s.Base, s.Filter = "OU=Staff,"+servertest.Base, "(&(objectClass=user)(department=Sales))"
	return s
}

// told writes findings as a line for each object.
func told(f directory.Findings) []string {
	var lines []string
	for _, o := range f.Objects {
		line := strings.ToLower(o.DN)
		for _, v := range o.Values {
			if v.Attribute == "dn" {
				v.Value = strings.ToLower(v.Value)
			}
			line += fmt.Sprintf(" %s=%s", v.Attribute, v.Value)
		}
		for _, v := range o.Verdicts {
			line += fmt.Sprintf(" %s:%t", v.Scope, v.Taken)
			for _, x := range v.Obstacles {
				line += " " + string(x.Kind)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestFind(t *testing.T) {
	secret := func() string { return servertest.Password }
	for name, start := range map[string]func(t *testing.T) Options{
		"domain controller": func(t *testing.T) Options {
			s := servertest.NewStub(t, servertest.StubOptions{})
			for block := range strings.SplitSeq(findable, "\n\n") {
				var pairs []string
				for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
					name, value, _ := strings.Cut(line, ": ")
					pairs = append(pairs, name, value)
				}
				s.Put(servertest.NewEntry(pairs[1], pairs[2:]...))
			}
			return Options{URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: "svc@corp.example.com", ActiveDirectory: true}
		},
		"Samba": func(t *testing.T) Options {
			s := servertest.NewSamba(t, servertest.SambaOptions{LDIF: findable})
			return Options{URLs: []string{s.URL}, StartTLS: true, CAFile: s.CA.File, BindDN: s.Reader, ActiveDirectory: true}
		},
		"OpenLDAP": func(t *testing.T) Options {
			s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(findable)})
			return Options{URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t)
			o.Label, o.Timeout, o.PageSize, o.Password = "corp", 20*time.Second, 1000, secret
			find := func(q directory.Query) directory.Findings {
				t.Helper()
				found, err := New(o).Find(t.Context(), q, []directory.Scope{findScope()})
				if err != nil || found.Cut || len(found.Notes) > 0 {
					t.Fatalf("%v, %+v", err, found)
				}
				return found
			}
			const (
				ann    = "cn=ann,ou=staff,dc=corp,dc=example,dc=com"
				former = "cn=former ann,ou=left,dc=corp,dc=example,dc=com"
				star   = "cn=star,ou=left,dc=corp,dc=example,dc=com"
			)
			for _, tt := range []struct {
				query directory.Query
				want  []string
			}{
				{directory.Query{Addresses: []string{"ann@example.com"}}, []string{
					ann + " mail=Ann@example.com proxyAddresses=SMTP:ann@example.com staff:true",
					former + " mail=ann@example.com staff:false outside_base filter",
				}},
				{directory.Query{Addresses: []string{"a.smith@example.net", "a.smith@example.com"}}, []string{ann + " proxyAddresses=smtp:a.smith@example.com staff:true"}},
				{directory.Query{Addresses: []string{"*)(mail=*@example.com"}}, []string{star + " mail=*)(mail=*@example.com staff:false outside_base filter"}},
				{directory.Query{Addresses: []string{"*@example.com"}}, nil},
				{directory.Query{Addresses: []string{"\x00\xff\\)(&\u202e"}}, nil},
				{directory.Query{Username: "Ann"}, []string{ann + " sAMAccountName=ann staff:true"}},
				{directory.Query{DN: "cn=Former  Ann,ou=Left," + servertest.Base}, []string{former + " dn=" + former + " staff:false outside_base filter"}},
				{directory.Query{DN: "cn=nobody," + servertest.Base}, nil},
				{directory.Query{DN: "cn=nobody,dc=elsewhere"}, nil},
				{directory.Query{GUID: identity.GUID{1}}, nil},
				{directory.Query{}, nil},
			} {
				found := find(tt.query)
				got := told(found)
				if !slices.Equal(got, tt.want) {
					t.Errorf("%+v\n got %q\nwant %q", tt.query, got, tt.want)
				}
				// Whatever is found is found by its GUID, too.
				for _, x := range found.Objects {
					if again := find(directory.Query{GUID: x.GUID}); x.GUID.IsZero() || len(again.Objects) != 1 || again.Objects[0].DN != x.DN {
						t.Errorf("%s by its GUID %s: %+v", x.DN, x.GUID, again)
					}
				}
			}
		})
	}
}

// TestFindAsksTheServer: what only a server can judge it is asked for, and only
// about objects that were found.
func TestFindAsksTheServer(t *testing.T) {
	s := servertest.NewSamba(t, servertest.SambaOptions{LDIF: findable + `
dn: CN=Inner,OU=Left,DC=corp,DC=example,DC=com
objectClass: group
cn: Inner
sAMAccountName: inner
member: CN=Ann,OU=Staff,DC=corp,DC=example,DC=com

dn: CN=Outer,OU=Left,DC=corp,DC=example,DC=com
objectClass: group
cn: Outer
sAMAccountName: outer
member: CN=Inner,OU=Left,DC=corp,DC=example,DC=com
`})
	o := Options{Label: "corp", URLs: []string{s.URL}, StartTLS: true, CAFile: s.CA.File, BindDN: s.Reader, ActiveDirectory: true,
		Password: func() string { return servertest.Password }, Timeout: 20 * time.Second, PageSize: 1000}
	nested := staff()
	nested.Name, nested.Filter = "nested", "(&(objectClass=user)(memberOf:1.2.840.113556.1.4.1941:=CN=Outer,OU=Left,"+servertest.Base+"))"
	others := nested
	others.Name, others.Filter = "others", "(!(memberOf:1.2.840.113556.1.4.1941:=CN=Outer,OU=Left,"+servertest.Base+"))"
	found, err := New(o).Find(t.Context(), directory.Query{Addresses: []string{"ann@example.com"}}, []directory.Scope{nested, others})
	want := []string{
		"cn=ann,ou=staff,dc=corp,dc=example,dc=com mail=Ann@example.com proxyAddresses=SMTP:ann@example.com nested:true others:false filter",
		"cn=former ann,ou=left,dc=corp,dc=example,dc=com mail=ann@example.com nested:false filter others:true",
	}
	if got := told(found); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n got %q\nwant %q", err, got, want)
	}
}

// TestFindDeleted: a deleted object is found as such by who may see it.
func TestFindDeleted(t *testing.T) {
	s := company(t, 3, servertest.StubOptions{})
	dn := servertest.Person(1)
	found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{DN: dn.DN}, []directory.Scope{staff()})
	if err != nil || len(found.Objects) != 1 {
		t.Fatalf("%v, %+v", err, found)
	}
	g := found.Objects[0].GUID
	s.Delete(dn.DN)
	found, err = New(optionsOf(s)).Find(t.Context(), directory.Query{GUID: g}, []directory.Scope{staff()})
	if err != nil || len(found.Objects) != 1 || !found.Objects[0].Deleted || found.Objects[0].Verdicts[0].Obstacles[0].Kind != directory.Deleted {
		t.Errorf("%v, %+v", err, found)
	}
}

// TestFindRanges: an address among more values than a server sends at a time is
// found.
func TestFindRanges(t *testing.T) {
	s := servertest.NewStub(t, servertest.StubOptions{})
	pairs := []string{"objectClass", "user"}
	for n := range 4000 {
		pairs = append(pairs, "proxyAddresses", fmt.Sprintf("smtp:a%d@example.com", n))
	}
	s.Put(servertest.NewEntry("CN=Ann,"+staffBase, pairs...))
	found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"a3999@example.com"}}, []directory.Scope{staff()})
	want := []string{"cn=ann," + strings.ToLower(staffBase) + " proxyAddresses=smtp:a3999@example.com staff:true"}
	if got := told(found); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %q", err, got)
	}
}

// TestFindLimits: a server that sends less than there is, or refuses the head
// of its tree, is no error.
func TestFindLimits(t *testing.T) {
	mail := servertest.Person(0)
	s := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		switch {
		case a.Base == "" || strings.Contains(a.Filter, "objectClass=organizationalUnit"):
		case strings.EqualFold(a.Base, servertest.Base):
			a.Entries, a.Result = nil, servertest.Result{Code: 32}
		case len(a.Entries) > directory.MaxFound:
			a.Entries, a.Result = a.Entries[:directory.MaxFound+1], servertest.Result{Code: 4}
		}
	}})
	for n := range 2 * directory.MaxFound {
		e := servertest.NewEntry(fmt.Sprintf("CN=Info %02d,%s", n, staffBase), "objectClass", "user", "mail", "info@example.com")
		s.Put(e)
	}
	s.Put(mail)
	scope := staff()
	scope.Base = staffBase
	found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"info@example.com"}}, []directory.Scope{scope})
	if err != nil || len(found.Objects) != directory.MaxFound || !found.Cut || len(found.Notes) != 1 || !strings.HasPrefix(found.Notes[0], `below "DC=corp,DC=example,DC=com" only the scopes were searched: `) {
		t.Errorf("%v, %d found, cut: %t, %q", err, len(found.Objects), found.Cut, found.Notes)
	}
}

// TestFindReported: a server that stops at a limit of its own, or refers to another,
// is reported.
func TestFindReported(t *testing.T) {
	for name, tt := range map[string]struct {
		result servertest.Result
		cut    bool
		notes  []string
	}{
		"limit":    {servertest.Result{Code: 4}, true, nil},
		"referral": {servertest.Result{Code: 10}, false, []string{`below "DC=corp,DC=example,DC=com" nothing was searched: the server refers to another`}},
	} {
		s := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
			if strings.Contains(a.Filter, "mail=") && !strings.Contains(a.Filter, "isDeleted") {
				a.Entries, a.Result = a.Entries[:5], tt.result
			}
		}})
		for n := range 10 {
			s.Put(servertest.NewEntry(fmt.Sprintf("CN=Info %02d,%s", n, staffBase), "objectClass", "user", "mail", "info@example.com"))
		}
		found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"info@example.com"}}, []directory.Scope{staff()})
		if err != nil || len(found.Objects) != 5 || found.Cut != tt.cut || !slices.Equal(found.Notes, tt.notes) {
			t.Errorf("%s: %v, %d found, cut: %t, %q", name, err, len(found.Objects), found.Cut, found.Notes)
		}
	}
}

// TestFindOptions: a value is reported with the options of its attribute, which a
// change of it must name.
func TestFindOptions(t *testing.T) {
	s := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		for i := range a.Entries {
			for k := range a.Entries[i].Attributes {
				if x := &a.Entries[i].Attributes[k]; x.Name == "otherMailbox" {
					x.Name = "mail;lang-de"
				}
			}
		}
	}})
	s.Put(servertest.NewEntry("CN=Ann,"+staffBase, "objectClass", "user", "mail", "ann@example.com", "otherMailbox", "anna@example.com"))
	scope := staff()
	scope.AliasAttributes = []string{"proxyAddresses", "otherMailbox"}
	found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"anna@example.com"}, Entries: []string{"CN=Ann," + staffBase}}, []directory.Scope{scope})
	want := []directory.FoundValue{{Attribute: "mail", Value: "ann@example.com"}, {Attribute: "mail;lang-de", Value: "anna@example.com"}}
	if err != nil || len(found.Entries) != 1 || !slices.Equal(found.Entries[0].Held, want) || !slices.Equal(found.Entries[0].Values, want[1:]) {
		t.Errorf("%v, %+v", err, found)
	}
}

// TestFindFails: the errors are those of a read.
func TestFindFails(t *testing.T) {
	refusing := servertest.NewStub(t, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.LoginRefused("52e") }})
	q := directory.Query{Addresses: []string{"ann@example.com"}}
	_, err := New(optionsOf(refusing)).Find(t.Context(), q, []directory.Scope{staff()})
	if _, refused := errors.AsType[*directory.RefusedError](err); !refused {
		t.Errorf("refused: %v", err)
	}
	gone := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) { a.Close = strings.Contains(a.Filter, "mail=") }})
	_, err = New(optionsOf(gone)).Find(t.Context(), q, []directory.Scope{staff()})
	if _, failed := errors.AsType[*directory.ReadError](err); !failed {
		t.Errorf("closed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = New(optionsOf(gone)).Find(ctx, q, []directory.Scope{staff()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

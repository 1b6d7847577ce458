package servertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// ask searches and returns the result in a line per entry, attributes with the
// number of their values.
func ask(c *ldap.Conn, base string, scope int, filter string, controls []ldap.Control, attributes ...string) (string, *ldap.SearchResult, error) {
	found, err := c.Search(ldap.NewSearchRequest(base, scope, 0, 0, 0, false, filter, attributes, controls))
	if found == nil {
		found = &ldap.SearchResult{}
	}
	var lines []string
	for _, e := range found.Entries {
		line := e.DN
		for _, a := range e.Attributes {
			line += fmt.Sprintf(" %s[%d]", a.Name, len(a.Values))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), found, err
}

// stub starts one with n people and logs in.
func stub(t *testing.T, n int, o StubOptions) (*Stub, *ldap.Conn) {
	t.Helper()
	s := NewStub(t, o)
	for i := range n {
		s.Put(Person(i))
	}
	return s, connect(t, s.LDAPS, s.CA, "reader@corp.example.com", Password)
}

func TestStubPaging(t *testing.T) {
	t.Parallel()
	s, c := stub(t, 2500, StubOptions{References: []string{"ldap://child.corp.example.com/DC=child," + Base}})
	const users = "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
	for _, q := range []struct {
		page  uint32
		found int
		code  uint16
	}{{0, 1000, 4}, {500, 2500, 0}, {5000, 2500, 0}} {
		if found, code := count(c, users, q.page); found != q.found || code != q.code {
			t.Errorf("in pages of %d: got %d entries and code %d", q.page, found, code)
		}
	}
	want := []string{
		"bind reader@corp.example.com",
		"search " + Base + " sub " + users + " page 1", // code 4
		"search " + Base + " sub " + users + " page 1", // in pages of 500
		"search " + Base + " sub " + users + " page 2",
	}
	if got := s.Requests(); len(got) != 1+1+5+3 || !slices.Equal(got[:4], want) {
		t.Errorf("got %q", got)
	}
	paging := ldap.NewControlPaging(10)
	paging.SetCookie([]byte("made up"))
	if _, _, err := ask(c, Base, 2, users, []ldap.Control{paging}); code(err) != 12 {
		t.Errorf("got %v for a cookie that was made up", err)
	}
	references := func(controls ...ldap.Control) string {
		_, found, err := ask(c, Base, 2, "(cn=none)", controls)
		must(t, err)
		return strings.Join(found.Referrals, " ")
	}
	if got := references(); got != "ldap://corp.example.com/CN=Configuration,"+Base+" ldap://corp.example.com/DC=DomainDnsZones,"+Base+
		" ldap://corp.example.com/DC=ForestDnsZones,"+Base+" ldap://child.corp.example.com/DC=child,"+Base {
		t.Errorf("got references to %s", got)
	}
	if got := references(ldap.NewControlString(controlDomainScope, true, "")); got != "" {
		t.Errorf("got references to %s", got)
	}
}

func TestStubRanges(t *testing.T) {
	t.Parallel()
	s, c := stub(t, 0, StubOptions{ValRange: 3})
	e := NewEntry("CN=Team,OU=Lists,"+Base, "mail", "team@example.com")
	for i := range 7 {
		e.add("proxyAddresses", fmt.Sprintf("smtp:a%d@example.com", i))
	}
	s.Put(e)
	for _, q := range []struct{ asked, want string }{
		{"proxyAddresses", "proxyAddresses[0] proxyAddresses;range=0-2[3]"},
		{"PROXYADDRESSES;range=3-*", "proxyAddresses;range=3-5[3]"},
		{"proxyAddresses;Range=3-4", "proxyAddresses;range=3-4[2]"},
		{"proxyAddresses;range=6-*", "proxyAddresses;range=6-*[1]"},
		{"proxyAddresses;range=7-*", "code 1"},
		{"mail", "mail[1]"},
		{"1.1", ""},
	} {
		got, _, err := ask(c, e.DN, 0, "(objectClass=*)", nil, q.asked)
		if got = strings.TrimSpace(strings.TrimPrefix(got, e.DN)); err != nil {
			got = fmt.Sprintf("code %d", code(err))
		}
		if got != q.want {
			t.Errorf("%s: got %s", q.asked, got)
		}
	}
}

func TestStubObjects(t *testing.T) {
	t.Parallel()
	s, c := stub(t, 2, StubOptions{RootDSE: map[string][]string{"isGlobalCatalogReady": nil, "dnsHostName": {"dc9.corp.example.com"}}})
	usn := func() string {
		_, found, err := ask(c, "", 0, "(objectClass=*)", nil, "highestCommittedUSN", "dnsHostName", "isGlobalCatalogReady")
		must(t, err)
		if e := found.Entries[0]; e.GetAttributeValue("dnsHostName") != "dc9.corp.example.com" || len(e.Attributes) != 2 {
			t.Errorf("the root DSE has %v", e.Attributes)
		}
		return found.Entries[0].GetAttributeValue("highestCommittedUSN")
	}
	before := usn()
	_, found, err := ask(c, Person(1).DN, 0, "(objectClass=*)", nil, "objectGUID")
	must(t, err)
	moved := Person(1)
	moved.DN = "CN=Person 1,OU=Gone," + Base
	moved.Set("objectGUID", found.Entries[0].GetAttributeValue("objectGUID"))
	s.Put(moved)
	changed := fmt.Sprintf("(&(uSNChanged>=%s)(!(uSNChanged=%s))(objectClass=user))", before, before)
	if got, _, _ := ask(c, Base, 2, changed, nil, "1.1"); got != moved.DN {
		t.Errorf("%s finds %q", changed, got)
	}
	s.Delete(Person(0).DN)
	if got, _, _ := ask(c, Base, 2, changed, nil, "1.1"); got != moved.DN {
		t.Errorf("%s finds %q, one of which is deleted", changed, got)
	}
	got, _, _ := ask(c, "CN=Deleted Objects,"+Base, 1, changed, []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}, "mail", "sAMAccountName", "isDeleted")
	if !strings.HasPrefix(got, `CN=Person 0\0ADEL:`) || !strings.HasSuffix(got, ",CN=Deleted Objects,"+Base+" sAMAccountName[1] isDeleted[1]") {
		t.Errorf("of deleted objects %s finds %q", changed, got)
	}
	if got, _, err := ask(c, service, 0, "(objectClass=*)", nil, "invocationId"); got != service+" invocationId[1]" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, q := range []struct {
		base    string
		code    uint16
		matched string
	}{
		{"OU=none,OU=Staff," + Base, 32, "OU=Staff," + Base},
		{"DC=elsewhere", 10, ""},
		{"<GUID=00000000-0000-0000-0000-000000000001>", 32, ""},
	} {
		_, _, err := ask(c, q.base, 2, "(objectClass=*)", nil)
		if e, ok := err.(*ldap.Error); !ok || e.ResultCode != q.code || e.MatchedDN != q.matched {
			t.Errorf("%s: got %v", q.base, err)
		}
	}
}

func TestStubLogin(t *testing.T) {
	t.Parallel()
	s := NewStub(t, StubOptions{Bind: func(b Bind) Result {
		switch {
		case !b.Encrypted:
			return SigningRequired
		case b.Password != Password:
			return LoginRefused("52e")
		}
		return Result{}
	}})
	c := dial(t, s.URL, s.CA)
	if _, got := count(c, "(objectClass=*)", 0); got != 1 {
		t.Errorf("nobody gets code %d", got)
	}
	if got := code(c.Bind("reader", Password)); got != 8 {
		t.Errorf("got code %d without encryption", got)
	}
	secure(t, c, s.CA)
	if err := c.Bind("reader", "wrong"); code(err) != 49 || !strings.Contains(err.Error(), "data 52e, v4563\x00") {
		t.Errorf("got %v for a wrong password", err)
	}
	must(t, c.Bind("reader", Password))
	if found, got := count(c, "(objectClass=domain)", 0); found != 1 || got != 0 {
		t.Errorf("got %d entries and code %d", found, got)
	}
	want := []string{"search " + Base + " sub (objectClass=*) page 1", "bind reader", "StartTLS", "bind reader", "bind reader", "search " + Base + " sub (objectClass=domain) page 1"}
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestStubAnswer spoils the pages after the first one in each way there is.
func TestStubAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		story string
		spoil func(*Stub, *Answer)
		want  string // entries of each page, code of the last one
	}{
		{"not", func(*Stub, *Answer) {}, "2 2 1, code 0"},
		{"no control", func(_ *Stub, a *Answer) { a.NoPaging = true }, "2 2, code 0"},
		{"busy", func(_ *Stub, a *Answer) { a.Entries, a.Result = nil, Busy }, "2 0, code 51"},
		{"broken off", func(_ *Stub, a *Answer) { a.Close = true }, "2 2, code 200"},
		{"twice", func(_ *Stub, a *Answer) { a.Entries = append(a.Entries, a.Entries[0]) }, "2 3 2, code 0"},
		{"endless", func(_ *Stub, a *Answer) { a.More = a.Page < 6 }, "2 2 1 0 0 0, code 0"},
		{"something is deleted", func(s *Stub, a *Answer) {
			if a.More {
				s.Delete(Person(4).DN)
			}
		}, "2 2 0, code 0"},
	} {
		var s *Stub
		s, conn := stub(t, 5, StubOptions{Answer: func(a *Answer) {
			if a.Page > 1 {
				c.spoil(s, a)
			}
		}})
		var got []string
		var err error
		for paging := ldap.NewControlPaging(2); paging != nil && err == nil; {
			var found *ldap.SearchResult
			_, found, err = ask(conn, "OU=Staff,"+Base, 1, "(mail=*)", []ldap.Control{paging})
			got = append(got, fmt.Sprint(len(found.Entries)))
			answer, _ := ldap.FindControl(found.Controls, controlPaging).(*ldap.ControlPaging)
			if paging = answer; answer != nil {
				paging.PagingSize = 2
				if len(answer.Cookie) == 0 {
					paging = nil
				}
			}
		}
		if got := fmt.Sprintf("%s, code %d", strings.Join(got, " "), code(err)); got != c.want {
			t.Errorf("%s: got %s", c.story, got)
		}
	}
}

func TestStubSilence(t *testing.T) {
	t.Parallel()
	_, c := stub(t, 0, StubOptions{Answer: func(a *Answer) { a.Silent = a.Filter == "(cn=*)" }})
	c.SetTimeout(50 * time.Millisecond)
	if _, got := count(c, "(cn=*)", 0); got != ldap.ErrorNetwork {
		t.Errorf("got code %d of a server that does not answer", got)
	}
	c.SetTimeout(patience)
	if found, got := count(c, "(objectClass=domain)", 0); found != 1 || got != 0 {
		t.Errorf("then got %d entries and code %d", found, got)
	}
}

package servertest

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// people is LDIF of n users below OU=Staff.
func people(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\n\ndn: OU=Staff,%s\nobjectClass: organizationalUnit\nou: Staff\n\n", Base)
	for i := range n {
		e := Person(i)
		fmt.Fprintf(&b, "dn: %s\ncn: Person %d\nobjectGUID:: %s\n", e.DN, i, "AAAAAAAAAAAAAAAAAAAAAA==")
		for _, a := range e.Attributes {
			for _, v := range a.Values {
				fmt.Fprintf(&b, "%s: %s\n", a.Name, v)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// dial connects without logging in.
func dial(t *testing.T, url string, ca *CA) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL(url, ldap.DialWithTLSConfig(ca.client(t)))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetTimeout(patience)
	return c
}

// secure begins TLS on a connection to 127.0.0.1.
func secure(t *testing.T, c *ldap.Conn, ca *CA) {
	t.Helper()
	settings := ca.client(t)
	settings.ServerName = "127.0.0.1"
	must(t, c.StartTLS(settings))
}

// count returns how many objects are below Base, and with what code the
// search ended.
func count(c *ldap.Conn, filter string, page uint32) (int, uint16) {
	r := ldap.NewSearchRequest(Base, ldap.ScopeWholeSubtree, 0, 0, 0, false, filter, []string{"mail"}, nil)
	if page > 0 {
		found, err := c.SearchWithPaging(r, page)
		return len(found.Entries), code(err)
	}
	found, err := c.Search(r)
	if found == nil {
		return 0, code(err)
	}
	return len(found.Entries), code(err)
}

func code(err error) uint16 {
	if err == nil {
		return 0
	}
	if e, ok := err.(*ldap.Error); ok {
		return e.ResultCode
	}
	return ldap.ErrorNetwork
}

func TestSlapd(t *testing.T) {
	t.Parallel()
	s := NewSlapd(t, SlapdOptions{LDIF: strings.NewReader(people(1200)), SizeLimit: 10})
	const users = "(&(objectClass=user)(proxyAddresses=smtp:PERSON*)(!(userAccountControl=514)))"
	for _, c := range []struct {
		url, name string
		page      uint32
		found     int
		code      uint16
	}{
		{s.URL, "", 0, 10, 4},
		{s.LDAPS, "", 5, 10, 4},
		{s.LDAPS, s.Reader, 0, 500, 4},
		{s.LDAPS, s.Reader, 500, 1200, 0},
		{s.LDAPS, s.Admin, 0, 1200, 0},
	} {
		conn := dial(t, c.url, s.CA)
		if c.name != "" {
			must(t, conn.Bind(c.name, Password))
		}
		if found, code := count(conn, users, c.page); found != c.found || code != c.code {
			t.Errorf("%s in pages of %d: got %d entries and code %d", c.name, c.page, found, code)
		}
	}
	conn := dial(t, s.URL, s.CA)
	secure(t, conn, s.CA)
	if got := code(conn.Bind(s.Reader, "wrong")); got != 49 {
		t.Errorf("got code %d for a wrong password", got)
	}
	found, err := s.Connect(t).Search(ldap.NewSearchRequest(Base, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"contextCSN"}, nil))
	if err != nil || len(found.Entries) != 1 || found.Entries[0].GetAttributeValue("contextCSN") == "" {
		t.Errorf("there is no contextCSN: %v", err)
	}

	s.Kill()
	if _, got := count(conn, users, 0); got != ldap.ErrorNetwork {
		t.Errorf("got code %d of a server that was killed", got)
	}
	s.Start()
	if found, _ := count(s.Connect(t), users, 0); found != 1200 {
		t.Errorf("got %d entries of the new server", found)
	}
	s.Stop()
	if _, err := ldap.DialURL(s.URL); err == nil {
		t.Error("the server still listens")
	}
}

func TestSlapdDemands(t *testing.T) {
	t.Parallel()
	ca := NewCA(t)
	s := NewSlapd(t, SlapdOptions{CA: ca, NoAnonymous: true, Confidential: true, ClientCertificates: "try"})
	plain := dial(t, s.URL, ca)
	if got := code(plain.Bind(s.Reader, Password)); got != ldap.LDAPResultConfidentialityRequired {
		t.Errorf("got code %d without encryption", got)
	}
	if _, got := count(dial(t, s.LDAPS, ca), "(objectClass=*)", 0); got != ldap.LDAPResultUnwillingToPerform {
		t.Errorf("got code %d for nobody", got)
	}
	settings := ca.client(t)
	settings.Certificates = []tls.Certificate{ca.Issue(t, Leaf{CommonName: "reader"}).TLS}
	conn, err := ldap.DialURL(s.LDAPS, ldap.DialWithTLSConfig(settings))
	must(t, err)
	defer conn.Close()
	must(t, conn.ExternalBind())
	who, err := conn.WhoAmI(nil)
	if err != nil || !strings.EqualFold(who.AuthzID, "dn:"+s.Reader) {
		t.Errorf("the certificate logs in as %+v, %v", who, err)
	}
}

func TestSlapdPasswordPolicy(t *testing.T) {
	t.Parallel()
	s := NewSlapd(t, SlapdOptions{PasswordPolicy: true})
	for _, c := range []struct {
		name, want string
	}{
		{"fine", "0 expire -1 grace -1 error -1"},
		{"reset", "0 expire -1 grace -1 error 2"},
		{"expired", "49 expire -1 grace -1 error 0"},
		{"grace", "0 expire -1 grace 1 error -1"},
		{"warned", "0 expire 1 grace -1 error -1"},
		{"locked", "49 expire -1 grace -1 error 1"},
	} {
		r := ldap.NewSimpleBindRequest(s.Person(c.name), Password, []ldap.Control{ldap.NewControlBeheraPasswordPolicy()})
		result, err := dial(t, s.LDAPS, s.CA).SimpleBind(r)
		i := slices.IndexFunc(result.Controls, func(c ldap.Control) bool { return c.GetControlType() == ldap.ControlTypeBeheraPasswordPolicy })
		if i < 0 {
			t.Errorf("%s: no control, %v", c.name, err)
			continue
		}
		p := result.Controls[i].(*ldap.ControlBeheraPasswordPolicy)
		if got := fmt.Sprintf("%d expire %d grace %d error %d", code(err), min(p.Expire, 1), p.Grace, p.Error); got != c.want {
			t.Errorf("%s: got %s", c.name, got)
		}
	}
}

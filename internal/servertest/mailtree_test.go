package servertest

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestMailTree: an address is held once in a tree, and again in another; the writer
// writes and the reader does not.
func TestMailTree(t *testing.T) {
	t.Parallel()
	m := NewMailTree(t)
	one, other := m.Tree(t), m.Tree(t)
	add := func(name, password, dn string) error {
		c := connect(t, m.URL, nil, name, password)
		request := ldap.NewAddRequest(dn, nil)
		request.Attribute("objectClass", m.Classes)
		request.Attribute("sn", []string{"x"})
		request.Attribute("mail", []string{"ann@example.com"})
		request.Attribute(m.Alias, []string{"ann@example.com"})
		return c.Add(request)
	}
	for _, c := range []struct {
		name, password, dn string
		code               uint16
	}{
		{m.Reader, m.ReaderPassword, "cn=a," + one, ldap.LDAPResultInsufficientAccessRights},
		{m.Writer, m.WriterPassword, "cn=a," + one, ldap.LDAPResultSuccess},
		{m.Writer, m.WriterPassword, "cn=b," + one, ldap.LDAPResultConstraintViolation},
		{m.Writer, m.WriterPassword, "cn=b," + other, ldap.LDAPResultSuccess},
	} {
		if err := add(c.name, c.password, c.dn); (c.code != 0 || err != nil) && !ldap.IsErrorWithCode(err, c.code) {
			t.Errorf("%s as %s: %v, want code %d", c.dn, c.name, err, c.code)
		}
	}
}

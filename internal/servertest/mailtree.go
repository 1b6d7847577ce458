package servertest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// MailTree is a server with trees of mail recipients, as gateways query them.
type MailTree struct {
	*Server
	// URL and LDAPS are those of the server, CAFile is the certificate of the authority
	// that has certified it. Misnamed leads to it by a name that its certificate lacks.
	URL, LDAPS, Misnamed, CAFile string
	// Writer may change what is below the trees, Reader may read it.
	Writer, WriterPassword, Reader, ReaderPassword string
	// Alias is the attribute that holds all addresses of an account, Classes are those
	// of a user, and ListClass is the one that a list has besides.
	Alias     string
	Classes   []string
	ListClass string

	connect func(t T) *ldap.Conn
	next    atomic.Int32
}

// mostTrees is how many trees a server can have.
const mostTrees = 100

// NewMailTree starts an OpenLDAP server with the class inetLocalMailRecipient, in
// whose trees the values of mail and mailLocalAddress are unique (slapo-unique).
func NewMailTree(t T) *MailTree {
	t.Helper()
	writer := "cn=writer," + Base
	var ldif strings.Builder
	fmt.Fprintf(&ldif, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: %s\n\n", writer, Password)
	database := []string{fmt.Sprintf("limits dn.exact=%q size.soft=500 size.hard=500 size.pr=1000 size.prtotal=unlimited", writer), "index mailLocalAddress,employeeNumber eq", "overlay unique"}
	for n := range mostTrees {
		database = append(database, fmt.Sprintf("unique_uri ldap:///%s?mail,mailLocalAddress?sub", treeName(n)))
	}
	access := []string{"to attrs=userPassword by * auth"}
	access = append(access, fmt.Sprintf("to dn.subtree=%q by dn.exact=%q write by * read", Base, writer))
	ca := NewCA(t)
	s := NewSlapd(t, SlapdOptions{CA: ca, Certificate: ca.Issue(t, Leaf{Hosts: []string{"127.0.0.1"}}), LDIF: strings.NewReader(ldif.String()), Schemas: []string{"misc"}, Database: database, Access: access})
	return &MailTree{
		Server: s.Server, URL: s.URL, LDAPS: s.LDAPS, Misnamed: strings.Replace(s.LDAPS, "127.0.0.1", "localhost", 1), CAFile: s.CA.File, Writer: writer, WriterPassword: Password, Reader: s.Reader, ReaderPassword: Password,
		Alias: "mailLocalAddress", Classes: []string{"inetOrgPerson", "inetLocalMailRecipient"}, ListClass: "labeledURIObject", connect: s.Connect,
	}
}

// NewMailTree389 starts a 389 Directory Server, whose schema has mailRecipient and
// mailAlternateAddress in place of the names of [NewMailTree], and which does not keep
// their values unique.
func NewMailTree389(t T) *MailTree {
	t.Helper()
	x := NewDS389(t)
	c := x.Connect(t)
	m := &MailTree{
		Server: x.Server, URL: x.URL, LDAPS: x.LDAPS, Misnamed: strings.Replace(x.LDAPS, "localhost", "127.0.0.1", 1), CAFile: x.CAFile, Writer: "cn=writer," + Base, WriterPassword: x.AdminPassword, Reader: "cn=reader," + Base, ReaderPassword: x.AdminPassword,
		Alias: "mailAlternateAddress", Classes: []string{"inetOrgPerson", "mailRecipient"}, ListClass: "mailGroup", connect: x.Connect,
	}
	// A plugin takes nothing but ASCII in uid, and a slow hash is for others.
	for _, change := range [][3]string{{"cn=config", "passwordStorageScheme", "CLEAR"}, {"cn=config", "nsslapd-dynamic-plugins", "on"}, {"cn=7-bit check,cn=plugins,cn=config", "nsslapd-pluginEnabled", "off"}} {
		request := ldap.NewModifyRequest(change[0], nil)
		request.Replace(change[1], []string{change[2]})
		must(t, c.Modify(request))
	}
	for _, dn := range []string{m.Writer, m.Reader} {
		account := ldap.NewAddRequest(dn, nil)
		account.Attribute("objectClass", []string{"applicationProcess", "simpleSecurityObject"})
		account.Attribute("userPassword", []string{x.AdminPassword})
		for _, limit := range []string{"nsSizeLimit", "nsLookThroughLimit", "nsPagedLookThroughLimit"} {
			account.Attribute(limit, []string{"-1"})
		}
		must(t, c.Add(account))
	}
	index(t, c, "employeeNumber")
	rights := ldap.NewModifyRequest(Base, nil)
	rights.Add("aci", []string{
		fmt.Sprintf(`(targetattr="*")(version 3.0; acl "read"; allow (read, search, compare)(userdn="ldap:///%s");)`, m.Reader),
		fmt.Sprintf(`(targetattr="*")(version 3.0; acl "write"; allow (all)(userdn="ldap:///%s");)`, m.Writer),
		fmt.Sprintf(`(target_from="ldap:///%[1]s")(target_to="ldap:///%[1]s")(version 3.0; acl "move"; allow (moddn)(userdn="ldap:///%[2]s");)`, Base, m.Writer),
	})
	must(t, c.Modify(rights))
	return m
}

// index makes an index of an attribute. A server does not use it before a task has gone
// through the entries.
func index(t T, c *ldap.Conn, attribute string) {
	t.Helper()
	entry := ldap.NewAddRequest("cn="+attribute+",cn=index,cn=userRoot,cn=ldbm database,cn=plugins,cn=config", nil)
	entry.Attribute("objectClass", []string{"nsIndex"})
	entry.Attribute("nsSystemIndex", []string{"false"})
	entry.Attribute("nsIndexType", []string{"eq", "pres"})
	task := ldap.NewAddRequest("cn="+attribute+",cn=index,cn=tasks,cn=config", nil)
	task.Attribute("objectClass", []string{"extensibleObject"})
	task.Attribute("nsInstance", []string{"userRoot"})
	task.Attribute("nsIndexAttribute", []string{attribute})
	must(t, c.Add(entry), c.Add(task))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r, err := c.Search(ldap.NewSearchRequest(task.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"nsTaskExitCode"}, nil))
		if err != nil || len(r.Entries) == 1 && r.Entries[0].GetEqualFoldAttributeValue("nsTaskExitCode") != "" {
			must(t, err)
			return
		}
	}
	t.Fatalf("the index of %s is not made", attribute)
}

func treeName(n int) string { return fmt.Sprintf("ou=recipients%d,%s", n, Base) }

// Tree makes a tree, and returns its name.
func (m *MailTree) Tree(t T) string {
	t.Helper()
	n := int(m.next.Add(1) - 1)
	if n >= mostTrees {
		t.Fatalf("a server has %d trees", mostTrees)
	}
	unit := ldap.NewAddRequest(treeName(n), nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	must(t, m.connect(t).Add(unit))
	return treeName(n)
}

// Connect returns a connection of the admin, which ends with the test.
func (m *MailTree) Connect(t T) *ldap.Conn { return m.connect(t) }

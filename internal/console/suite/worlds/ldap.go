package worlds

import (
	"fmt"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// The trees on LDAP servers.
var (
	OpenLDAP = &Subject{Name: "OpenLDAP", Kind: "ldap", Serve: func(t *testing.T) func(*testing.T) *World { return Trees(servertest.NewMailTree(t)) }}
	DS389    = &Subject{Name: "389 Directory Server", Kind: "ldap", Serve: func(t *testing.T) func(*testing.T) *World { return Trees(servertest.NewMailTree389(t)) }}
)

// names389 are those that the schema of 389 Directory Server has.
const names389 = `  alias_attribute = "mailAlternateAddress"
  user_classes    = ["inetOrgPerson", "mailRecipient"]
  list_classes    = ["inetOrgPerson", "mailRecipient", "mailGroup"]
`

// Trees returns what makes a console of a tree on a server.
func Trees(m *servertest.MailTree) func(*testing.T) *World {
	names := ""
	if m.Alias == "mailAlternateAddress" {
		names = names389
	}
	return func(t *testing.T) *World {
		base := m.Tree(t)
		block := func(user, password string, trusting bool) string {
			text := fmt.Sprintf("  urls = [%q]\n  bind_dn = %q\n  bind_password = %q\n  base_dn = %q\n%s", m.LDAPS, user, password, base, names)
			if trusting {
				text += fmt.Sprintf("  ca_file = %q\n", m.CAFile)
			}
			return text
		}
		dn := func(primary string) string { return "cn=" + primary + "," + base }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		find := func(c *goldap.Conn, primary string) string {
			t.Helper()
			found, err := c.Search(goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, "(mail="+goldap.EscapeFilter(primary)+")", []string{"1.1"}, nil))
			must(err)
			if len(found.Entries) != 1 {
				t.Fatalf("%d entries have the primary %s", len(found.Entries), primary)
			}
			return found.Entries[0].DN
		}
		return &World{
			Block:     block(m.Writer, m.WriterPassword, true),
			Refused:   block(m.Writer, "wrong", true),
			Untrusted: block(m.Writer, m.WriterPassword, false),
			Misnamed:  strings.Replace(block(m.Writer, m.WriterPassword, true), m.LDAPS, m.Misnamed, 1),
			ReadOnly:  block(m.Reader, m.ReaderPassword, true),
			Add: func(primary string, aliases ...string) {
				name, _, _ := strings.Cut(primary, "@")
				add := goldap.NewAddRequest(dn(primary), nil)
				add.Attribute("objectClass", m.Classes)
				add.Attribute("sn", []string{name})
				add.Attribute("uid", []string{name})
				add.Attribute("mail", []string{primary})
				add.Attribute(m.Alias, append([]string{primary}, aliases...))
				must(m.Connect(t).Add(add))
			},
			SetAliases: func(primary string, aliases ...string) {
				c := m.Connect(t)
				change := goldap.NewModifyRequest(find(c, primary), nil)
				change.Replace(m.Alias, append([]string{primary}, aliases...))
				must(c.Modify(change))
			},
			Remove: func(primary string) {
				c := m.Connect(t)
				must(c.Del(goldap.NewDelRequest(find(c, primary), nil)))
			},
			Client: []string{"ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-H", m.URL, "-D", m.Reader, "-w", m.ReaderPassword, "-b", base, "(mail=*)", "*", "+"},
			Stop:   m.Kill,
			Start:  m.Start,
		}
	}
}

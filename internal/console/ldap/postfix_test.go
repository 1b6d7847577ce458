package ldap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// gateway starts a Postfix that asks a tree for its recipients and aliases.
func gateway(t *testing.T, m *servertest.MailTree, base, next string) *servertest.Postfix {
	t.Helper()
	if _, err := os.Stat("/usr/lib/postfix/postfix-ldap.so"); err != nil {
		if os.Getenv("ROLLCALL_SERVERS") == "required" {
			t.Fatalf("%v: apt-get install postfix-ldap", err)
		}
		t.Skipf("%v: apt-get install postfix-ldap", err)
	}
	p := servertest.NewPostfix(t, servertest.PostfixOptions{Next: next})
	write := func(path, text string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// As docs/reference/ldap.md has it.
	tree := fmt.Sprintf("server_host = %s\nversion = 3\nsearch_base = %s\nbind = yes\nbind_dn = %s\nbind_pw = %s\n", m.URL, base, m.Reader, m.ReaderPassword)
	recipients := write(filepath.Join(p.Folder, "ldap-recipients.cf"), tree+fmt.Sprintf("query_filter = (%s=%%s)\nresult_attribute = mail\n", m.Alias))
	aliases := write(filepath.Join(p.Folder, "ldap-aliases.cf"), tree+fmt.Sprintf("query_filter = (&(%[1]s=%%s)(!(mail=%%s)))\nresult_attribute = mail\n", m.Alias))
	for _, command := range [][]string{
		{"postconf", "-c", p.Config, "-e", "relay_recipient_maps=ldap:" + recipients, "virtual_alias_maps=ldap:" + aliases}, {"postfix", "-c", p.Config, "reload"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	return p
}

// TestPostfix: a gateway that asks the tree takes mail for who is in service, rewrites
// aliases, and refuses who is not, from one change to the next.
func TestPostfix(t *testing.T) {
	t.Parallel()
	m := servertest.NewMailTree(t)
	b := begin(t, m, "")
	sink := servertest.NewSink(t)
	p := gateway(t, m, b.c.tree.base, sink.Address)
	answers := func(when string, want ...int) {
		t.Helper()
		codes, err := servertest.Recipients(p.Address, "ann@example.com", "a@example.com", "ann.smith@example.com", "bob@example.com")
		if err != nil || !slices.Equal(codes, want) {
			t.Errorf("%s the answers are %v, want %v (%v)\n%s", when, codes, want, err, p.Mail())
		}
	}
	answers("at first", 550, 550, 550, 550)
	ann, bob := account("ann@example.com", "a@example.com"), account("bob@example.com")
	ann.Type = identity.List
	live := b.made(b.step(nil, ann))
	other := b.made(b.step(nil, with(bob, func(a *identity.Account) { a.GUID[0]++ })))
	answers("created,", 250, 250, 550, 250)
	if err := servertest.Deliver(p.Address, "A@Example.com"); err != nil || !sink.Await("ann@example.com") {
		t.Errorf("mail for the alias does not come to the primary: %v\n%s", err, p.Mail())
	}
	smith := with(ann, func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.com") })
	live = b.made(b.step(live, smith, plan.FieldPrimary))
	answers("renamed,", 550, 250, 250, 250)
	idle := with(smith, func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil })
	live = b.made(b.step(live, idle, plan.FieldStatus, plan.FieldAliases))
	answers("inactive,", 550, 550, 550, 250)
	b.made(b.step(live, smith, plan.FieldStatus, plan.FieldAliases))
	answers("active again,", 550, 250, 250, 250)
	if a := b.ask(b.step(other, nil)); a.Err != nil {
		t.Error(a.Err)
	}
	answers("removed,", 550, 250, 250, 550)
}

package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestLDAP runs the example on a server, and compares Ann's entry with that of its
// README.
func TestLDAP(t *testing.T) {
	m := servertest.NewMailTree(t)
	base := m.Tree(t)
	run, dir := program(t), copied(t, "ldap")
	t.Setenv("TREE_PASSWORD", m.WriterPassword)
	if out, code := run(dir, "fmt", "--check"); code != 0 {
		t.Errorf("fmt --check exits %d\n%s", code, out)
	}
	file := filepath.Join(dir, "rollcall.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	site := strings.NewReplacer("ldaps://ldap.example.com", m.LDAPS, `"ca.pem"`, `"`+m.CAFile+`"`, "cn=rollcall,dc=example,dc=com", m.Writer, "ou=recipients,dc=example,dc=com", base)
	if err := os.WriteFile(file, []byte(site.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		code int
	}{
		{[]string{"validate"}, 0}, {[]string{"doctor"}, 0}, {[]string{"plan", "--detailed-exitcode"}, 2}, {[]string{"apply", "--auto-approve"}, 0},
		{[]string{"plan", "--detailed-exitcode"}, 0}, {[]string{"state", "verify"}, 0},
	} {
		if out, code := run(dir, step.args...); code != step.code {
			t.Errorf("rollcall %v exits %d, not %d\n%s", step.args, code, step.code, out)
		}
	}
	found, err := m.Connect(t).Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(mail=ann@example.com)", nil, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	readme, err := os.ReadFile("ldap/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range found.Entries[0].Attributes {
		for _, v := range a.Values {
			if !strings.Contains(string(readme), a.Name+": "+v+"\n") {
				t.Errorf("the README does not have %s: %s", a.Name, v)
			}
		}
	}
}

package examples

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestLDAP runs the example on a server that is configured as its README says, and
// compares Ann's entry with that of the README.
func TestLDAP(t *testing.T) {
	local := func(text string) string {
		return strings.NewReplacer("dc=example,dc=com", servertest.Base, "userPassword: *", "userPassword: "+servertest.Password).Replace(text)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	readme := read("ldap/README.md")
	_, conf, _ := strings.Cut(readme, "moduleload unique\n")
	conf, _, ok := strings.Cut(conf, "```")
	if !ok {
		t.Fatal("the README has no configuration of the server")
	}
	sameRights(t, conf)
	conf = strings.Replace(conf, "objectClass,entryUUID,entryCSN,mail,", "", 1) // they have an index already
	m := servertest.NewSlapd(t, servertest.SlapdOptions{Schemas: []string{"misc"}, LDIF: strings.NewReader(local(read("ldap/tree.ldif"))), Database: []string{local(conf)}})
	run, dir := program(t), copied(t, "ldap")
	t.Setenv("TREE_PASSWORD", servertest.Password)
	if out, code := run(dir, "fmt", "--check"); code != 0 {
		t.Errorf("fmt --check exits %d\n%s", code, out)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", read(m.CA.File))
	write("rollcall.hcl", strings.ReplaceAll(local(read("ldap/rollcall.hcl")), "ldaps://ldap.example.com", m.LDAPS))
	steps := func(all ...[]string) {
		t.Helper()
		for _, args := range all {
			want := 0
			if args[0] == "changes" {
				want, args = 2, []string{"plan", "--detailed-exitcode"}
			}
			if out, code := run(dir, args...); code != want {
				t.Errorf("rollcall %v exits %d, not %d\n%s", args, code, want, out)
			}
		}
	}
	quiet := []string{"plan", "--detailed-exitcode"}
	steps([]string{"validate"}, []string{"doctor"}, []string{"changes"}, []string{"apply", "--auto-approve"}, quiet, []string{"state", "verify"})
	found, err := m.Connect(t).Search(ldap.NewSearchRequest("ou=recipients,"+servertest.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(mail=ann@example.com)", nil, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, a := range found.Entries[0].Attributes {
		for _, v := range a.Values {
			if !strings.Contains(readme, a.Name+": "+v+"\n") {
				t.Errorf("the README does not have %s: %s", a.Name, v)
			}
		}
	}

	// Bob leaves.
	export := read("ldap/corp.ldif")
	before, bob, _ := strings.Cut(export, "dn: CN=Bob Jones")
	_, after, _ := strings.Cut(bob, "\n\n")
	write("corp.ldif", strings.NewReplacer("numResponses: 4", "numResponses: 3", "numEntries: 3", "numEntries: 2").Replace(before+after))
	steps([]string{"apply", "--auto-approve"}, quiet)
	found, err = m.Connect(t).Search(ldap.NewSearchRequest("ou=inactive,ou=recipients,"+servertest.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(mail=bob@example.com)", []string{"mailLocalAddress"}, nil))
	if err != nil || len(found.Entries) != 1 || len(found.Entries[0].Attributes) > 0 {
		t.Errorf("Bob is %v, %v", found, err)
	}
}

// sameRights holds each page that says which rights the account of rollcall needs on
// OpenLDAP to say so as a configuration does.
func sameRights(t *testing.T, conf string) {
	t.Helper()
	rights := conf[strings.Index(conf, "access to"):]
	pages := 0
	err := filepath.WalkDir("../docs", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), `access to dn.subtree="ou=recipients`) {
			pages++
			if !strings.Contains(string(text), rights) {
				t.Errorf("%s gives other rights than\n%s", path, rights)
			}
		}
		return err
	})
	if err != nil || pages == 0 {
		t.Errorf("%d pages give rights, %v", pages, err)
	}
}

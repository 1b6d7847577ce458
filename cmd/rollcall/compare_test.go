package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestCompareServer: a server is read once for both configurations, whatever
// their scopes select; twice, as is reported, only where it alone can judge filters
// that are not the same.
func TestCompareServer(t *testing.T) {
	const members = "(memberOf:1.2.840.113556.1.4.1941:=CN=Board,OU=Groups," + servertest.Base + ")"
	var board []servertest.Entry
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	var logins atomic.Int32
	server := servertest.NewStub(t, servertest.StubOptions{
		Bind: func(servertest.Bind) servertest.Result {
			logins.Add(1)
			return servertest.Result{}
		},
		Answer: func(a *servertest.Answer) {
			if a.Filter == members {
				a.Entries = board
			}
		},
	})
	for n := range 20 {
		p := servertest.Person(n)
		if n < 2 {
			p.Set("objectGUID", fmt.Sprintf("sixteen octets %d", n))
			board = append(board, p)
		}
		server.Put(p)
	}
	dir := t.TempDir()
	configure := func(name, staff, more string) {
		t.Helper()
		text := fmt.Sprintf(`
directory "corp" {
  kind          = "active_directory"
  urls          = [%q]
  ca_file       = %q
  bind_dn       = "svc@corp.example.com"
  bind_password = "secret"
}
domain "example.com" {}
%s
scope "staff" {
  directory  = directory.corp
  base_dn    = "OU=Staff,%s"
%s
}
`, server.LDAPS, server.CA.File, more, servertest.Base, staff)
		path := filepath.Join(dir, name, "rollcall.hcl")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scope := func(filter string) string {
		return fmt.Sprintf("scope \"board\" {\n  directory = directory.corp\n  filter = %q\n  type = \"list\"\n}", filter)
	}
	const all, two = `  filter = "(objectClass=user)"`, `  filter = "(&(objectClass=user)(|(mail=person30@example.com)(cn=none)))"`
	for _, c := range []struct {
		name                             string
		baseStaff, baseMore, staff, more string
		logins                           int32
		differ, told                     string
	}{
		{"the same", all, "", all, "", 1, "the plans do not differ: both have the same 40 changes", ""},
		{"another filter", all, "", two, "", 1, "the plans differ: in 40 changes", ""},
		{"another attribute", all, scope(members), all + "\n  username_attribute = \"userPrincipalName\"", scope(members), 1, "the plans differ: in 36 changes", ""},
		{"a filter for the server alone", all, "", all, scope(members), 2, "the plans differ: in 4 changes", `directory "corp" is read twice`},
	} {
		configure("base", c.baseStaff, c.baseMore)
		configure("head", c.staff, c.more)
		logins.Store(0)
		out, talk, code := at(context.Background(), nil, false, "-C", filepath.Join(dir, "head"), "plan", "--compare", filepath.Join(dir, "base"))
		if code != exitOK || !strings.Contains(out, c.differ) || !strings.Contains(talk, c.told) || c.told == "" && talk != "" {
			t.Errorf("%s: exit %d, %s%s", c.name, code, out, talk)
		}
		if !strings.Contains(out, server.LDAPS) {
			t.Errorf("%s: the server is not named:\n%s", c.name, out)
		}
		if n := logins.Load(); n != c.logins {
			t.Errorf("%s: %d logins, not %d", c.name, n, c.logins)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

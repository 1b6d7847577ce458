package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// served is a configuration directory of one scope that a stub serves.
func served(t *testing.T, s *servertest.Stub) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("STUB_PASSWORD", "opensesame")
	text := fmt.Sprintf(`
directory "corp" {
  kind          = "active_directory"
  urls          = [%q]
  ca_file       = %q
  bind_dn       = "svc@corp.example.com"
  bind_password = env("STUB_PASSWORD")
}
domain "example.com" {}
scope "staff" {
  directory = directory.corp
  base_dn   = %q
}
`, s.LDAPS, s.CA.File, servertest.Base)
	if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestReceiptOfServer: what a server said about the read stands in the saved
// plan and in its text, and what it left out is reported.
func TestReceiptOfServer(t *testing.T) {
	stub := servertest.NewStub(t, servertest.StubOptions{PageSize: 2, References: []string{"ldaps://child.corp.example.com/DC=child," + servertest.Base}})
	for n := range 3 {
		stub.Put(servertest.Person(n))
	}
	dir := served(t, stub)
	saved := filepath.Join(dir, "plan.json")
	out, talk, code := at(context.Background(), nil, false, "-C", dir, "plan", "-o", "text", "-o", "json="+saved)
	if code != exitOK {
		t.Fatalf("exit %d, %s", code, talk)
	}
	data, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.ReadJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Directories[0]
	want := identity.Receipt{
		Name: "corp", Kind: "active_directory", Server: stub.LDAPS, Scanned: 3, Entries: 3, Pages: 2, Complete: true,
		Identity: r.Identity, USNBefore: r.USNBefore, USNAfter: r.USNBefore, References: r.References, Seconds: r.Seconds,
	}
	if diff := cmp.Diff(want, r); diff != "" || r.USNBefore == 0 || len(r.Identity) != 36 {
		t.Errorf("receipt %+v (-want +got):\n%s", r, diff)
	}
	warning := fmt.Sprintf(`directory "corp": the server refers to DC=child,%s, which no scope covers: entries there are not read`, servertest.Base)
	if diff := cmp.Diff([]string{warning}, p.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	line := fmt.Sprintf(`3 entries of 3 objects  from %s  2 pages in \d+\.\d s  invocation id %s  USN %d  1 reference not followed\n`,
		regexp.QuoteMeta(stub.LDAPS), r.Identity, r.USNBefore)
	if !regexp.MustCompile(line).MatchString(out) {
		t.Errorf("no %s in\n%s", line, out)
	}
	if again, _, code := at(context.Background(), nil, false, "-C", dir, "show", saved, "-o", "json"); code != exitOK || again != string(data) {
		t.Errorf("show: exit %d\n%s", code, again)
	}
}

// TestEmptyServer: accounts that were all found yesterday are not given up
// because a server shows none of them today.
func TestEmptyServer(t *testing.T) {
	stub := servertest.NewStub(t, servertest.StubOptions{})
	person := servertest.Person(1)
	stub.Put(person)
	dir := served(t, stub)
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--auto-approve"); code != exitOK {
		t.Fatalf("exit %d, %s", code, talk)
	}
	stub.Delete(person.DN)
	for _, command := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, command...)...)
		if code != exitUnreachable || out != "" || !strings.Contains(talk, `scope "staff" found no entry`) || !strings.Contains(talk, "1 active account\n") || !strings.Contains(talk, "--allow-empty") {
			t.Errorf("%v: exit %d, %s%s", command, code, out, talk)
		}
	}
	if out, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--auto-approve", "--allow-empty"); code != exitOK || !strings.Contains(out, "- person1@example.com") {
		t.Errorf("allowed: exit %d, %s%s", code, out, talk)
	}
}

// TestRefusedLogin: credentials that are refused have their own exit code, are
// tried once, and are not shown.
func TestRefusedLogin(t *testing.T) {
	var logins atomic.Int32
	dir := served(t, servertest.NewStub(t, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result {
		logins.Add(1)
		return servertest.LoginRefused("52e")
	}}))
	out, talk, code := at(context.Background(), nil, false, "-C", dir, "plan")
	if code != exitRefused || out != "" || logins.Load() != 1 || !strings.Contains(talk, `error: directory "corp": ldaps://`) || strings.Contains(talk, "opensesame") {
		t.Errorf("exit %d after %d logins, %s%s", code, logins.Load(), out, talk)
	}
}

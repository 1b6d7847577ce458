package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestSnapshotOfServer: the snapshot of a server is read to the same plan as
// the server, pages, ranges and a filter that only the server can judge
// included.
func TestSnapshotOfServer(t *testing.T) {
	const members = "(memberOf:1.2.840.113556.1.4.1941:=CN=Board,OU=Groups," + servertest.Base + ")"
	var board []servertest.Entry
	server := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if a.Filter == members {
			a.Entries = board
		}
	}})
	var aliases []string
	for n := range 3100 {
		aliases = append(aliases, fmt.Sprintf("smtp:alias%d@example.com", n))
	}
	for n := range 2100 {
		p := servertest.Person(n)
		switch n {
		case 7, 8:
			p.Set("objectGUID", fmt.Sprintf("sixteen octets %d", n))
			board = append(board, p)
		case 9:
			p.Set("proxyAddresses", aliases...)
		}
		server.Put(p)
	}
	dir := t.TempDir()
	configure := func(more string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), fmt.Appendf(nil, `
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
  filter     = "(objectClass=user)"
  attributes = { department = "department" }
}
`, server.LDAPS, server.CA.File, more, servertest.Base), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(fmt.Sprintf(`
scope "board" {
  directory = directory.corp
  filter    = %q
  type      = "list"
}
`, members))
	run := func(args ...string) string {
		t.Helper()
		out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d, %s", args, code, talk)
		}
		return out
	}
	saved := filepath.Join(dir, "saved")
	want := fmt.Sprintf("corp: 2,100 objects from %s written to %s\n", server.LDAPS, filepath.Join(saved, "corp.ldif"))
	if out := run("snapshot", "-o", saved); out != want {
		t.Errorf("got %s, want %s", out, want)
	}
	live, again := run("plan", "-o", "json"), run("plan", "--snapshot", saved, "-o", "json")
	for _, row := range []string{`"address": "alias3099@example.com"`, `"address": "p7@example.com", "type": "list"`, `"address": "p2099@example.com", "type": "user"`} {
		if !strings.Contains(live, row) {
			t.Errorf("the plan has no %s", row)
		}
	}
	same := func(live, again string) {
		t.Helper()
		// Ahead of the summary stands when and how the directory was read, and
		// the checksum covers the time.
		rows := func(document string) string {
			return document[strings.Index(document, `"summary"`):strings.Index(document, `"id": "sha256`)]
		}
		if diff := cmp.Diff(rows(live), rows(again)); diff != "" {
			t.Errorf("(-live +snapshot):\n%s", diff)
		}
	}
	same(live, again)

	// The staff alone: what the board scope took is read, too.
	configure("")
	live, again = run("plan", "-o", "json"), run("plan", "--snapshot", saved, "-o", "json")
	if row := `"address": "p7@example.com", "type": "user"`; !strings.Contains(live, row) {
		t.Errorf("the plan has no %s", row)
	}
	same(live, again)
}

// An interrupted snapshot leaves nothing behind.
func TestSnapshotInterrupted(t *testing.T) {
	dir := quickstart(t)
	saved := filepath.Join(dir, "saved")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if out, talk, code := at(cancelled, nil, false, "-C", dir, "snapshot", "-o", saved); code != exitInterrupted || out != "" {
		t.Errorf("exit %d, %s%s", code, out, talk)
	}
	if left, err := os.ReadDir(saved); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestSnapshotLeftovers: what a killed snapshot left is removed, and one that is
// under way still ends well.
func TestSnapshotLeftovers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rollcall.hcl": "directory \"corp\" {\n  kind = \"ldif\"\n  path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"staff\" {\n  directory = directory.corp\n}\n",
		"corp.ldif":    "dn: cn=ann,dc=example\nmail: ann@example.com\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	saved := filepath.Join(dir, "saved")
	if err := os.Mkdir(saved, 0o700); err != nil {
		t.Fatal(err)
	}
	scopes := []directory.Scope{{Name: "staff", PrimaryAttribute: "mail"}}
	under, err := ldif.NewSnapshot(saved, scopes)
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	if _, err := ldif.New("corp", []string{filepath.Join(dir, "corp.ldif")}).Read(context.Background(), scopes, under, nil); err != nil {
		t.Fatal(err)
	}
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "snapshot", "-o", saved); code != exitOK {
		t.Fatalf("exit %d, %s", code, talk)
	}
	files, err := os.ReadDir(saved)
	if err != nil || runtime.GOOS != "windows" && len(files) != 1 {
		t.Errorf("%v is left, %v", files, err)
	}
	var b strings.Builder
	if err := under.Write(&b); err != nil || !strings.Contains(b.String(), "\nmail: ann@example.com\n") {
		t.Errorf("%v, %s", err, b.String())
	}
}

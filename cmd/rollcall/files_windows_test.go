package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/state"
)

// TestWindowsHeld: an apply waits for a program that has the state open, as a virus scanner
// has, and changes nothing if that takes long.
func TestWindowsHeld(t *testing.T) {
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	apply := func() (string, exitCode) {
		_, talk, code := at(t.Context(), nil, false, "-C", dir, "apply", "--auto-approve")
		return talk, code
	}
	scanner, err := os.Open(path) // which lets nobody replace the file
	if err != nil {
		t.Fatal(err)
	}
	talk, code := apply()
	if code != exitFailed || !strings.Contains(talk, "rollcall.state.jsonl: it cannot be replaced: another program has it open") || !strings.Contains(talk, "hint: close the program that has the file open") {
		t.Errorf("held: exit %d, %s", code, talk)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("held, and the state has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*.tmp*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	time.AfterFunc(time.Second, func() { scanner.Close() })
	if talk, code := apply(); code != exitOK {
		t.Errorf("held for a second: exit %d, %s", code, talk)
	}
	if out, talk, code := at(t.Context(), nil, false, "-C", dir, "plan"); code != exitOK || !strings.Contains(out, "Nothing to do") {
		t.Errorf("afterwards: exit %d, %s%s", code, out, talk)
	}
}

// TestWindowsReadOnly: a file with the read-only attribute is not replaced.
func TestWindowsReadOnly(t *testing.T) {
	dir := quickstart(t)
	plan := filepath.Join(dir, "plan.json")
	if err := os.WriteFile(plan, []byte("mine"), 0o400); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rollcall.state.jsonl")
	if err := state.At(path).Replaceable(); err != nil {
		t.Errorf("before it is read-only: %v", err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(path, 0o600)
	if err := state.At(path).Replaceable(); err == nil { // which is asked before a console is changed
		t.Error("the state can be replaced")
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"plan", "-o", "json=" + plan}, {"apply", "--auto-approve"}} {
		_, talk, code := at(t.Context(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != exitFailed || !strings.Contains(talk, "the file is read-only") || !strings.Contains(talk, "attrib -r") {
			t.Errorf("%v: exit %d, %s", args, code, talk)
		}
	}
	if text, err := os.ReadFile(plan); err != nil || string(text) != "mine" {
		t.Errorf("the plan is %q, %v", text, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the state has changed")
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&0o200 != 0 {
		t.Error("the attribute is gone")
	}
}

// TestWindowsPaths: the configuration, the state and the history are where a path says that
// only Windows has.
func TestWindowsPaths(t *testing.T) {
	share := os.Getenv("ROLLCALL_SHARE")
	if share == "" {
		t.Skip("ROLLCALL_SHARE names no share of a file server, such as \\\\server\\share")
	}
	shared, err := os.MkdirTemp(share, "Büro Süd ")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(shared)
	local := t.TempDir()
	deep := filepath.Join(local, strings.Repeat("Abteilung Größe\\", 20)) // above the 260 characters of old
	for name, dir := range map[string]string{"a share": shared, `\\?\`: `\\?\` + local + `\x`, "slashes": filepath.ToSlash(local) + "/y", "a long path": deep} {
		t.Run(name, func(t *testing.T) {
			if err := os.CopyFS(strings.TrimPrefix(dir, `\\?\`), os.DirFS("../../examples/quickstart")); err != nil {
				t.Fatal(err)
			}
			rollcall := func(args ...string) string {
				t.Helper()
				out, err := exec.Command(program(t), append([]string{"-C", dir}, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			plan := filepath.Join(dir, "Plan Größe.json")
			rollcall("plan", "-o", "json="+plan)
			rollcall("apply", plan, "--auto-approve")
			if out := rollcall("plan"); !strings.Contains(out, "Nothing to do") {
				t.Errorf("after apply:\n%s", out)
			}
			rollcall("snapshot", "-o", filepath.Join(dir, "Montag früh"))
			if out := rollcall("plan", "--snapshot", filepath.Join(dir, "Montag früh")); !strings.Contains(out, "Nothing to do") {
				t.Errorf("of the snapshot:\n%s", out)
			}
			rollcall("undo", "1", "-o", "json="+plan)
			rollcall("apply", plan, "--auto-approve")
			if out := rollcall("history"); strings.Count(out, " applied ") != 2 {
				t.Errorf("the history:\n%s", out)
			}
			rollcall("state", "verify")
		})
	}
}

// TestWindowsReadOnlyLedger: a console is not changed where the state or its backup cannot be
// replaced afterwards.
func TestWindowsReadOnlyLedger(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	company := func(names ...string) {
		t.Helper()
		var text strings.Builder
		for n, name := range names {
			fmt.Fprintf(&text, "dn: CN=%[1]s,DC=example,DC=com\nobjectClass: user\nentryUUID: 00000000-0000-4000-8000-%012[2]d\nmail: %[1]s@example.com\n\n", name, n+1)
		}
		write("corp.ldif", text.String())
	}
	write("rollcall.hcl", `
directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
domain "example.com" {}
scope "staff" {
  directory = directory.corp
  base_dn   = "DC=example,DC=com"
  filter    = "(objectClass=user)"
}
console "gateway" {
  kind       = "postfix"
  owner      = "hq"
  recipients = "recipients"
  aliases    = "aliases"
  map        = "texthash"
  reload     = ["cmd.exe", "/c", "exit 0"]
}
`)
	apply := func() (talk string, code exitCode) {
		_, talk, code = at(t.Context(), nil, false, "-C", dir, "apply", "--auto-approve")
		return talk, code
	}
	for _, names := range [][]string{{"a.first"}, {"a.first", "b.second"}} {
		company(names...)
		if talk, code := apply(); code != exitOK {
			t.Fatalf("exit %d, %s", code, talk)
		}
	}
	company("a.first", "b.second", "c.third")
	recipients := filepath.Join(dir, "recipients")
	before, err := os.ReadFile(recipients)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.jsonl.backup"} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		talk, code := apply()
		if code != exitFailed || !strings.Contains(talk, "the file is read-only") {
			t.Errorf("%s: exit %d, %s", name, code, talk)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if after, err := os.ReadFile(recipients); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the console has changed", name)
		}
	}
	if talk, code := apply(); code != exitOK {
		t.Errorf("at last: exit %d, %s", code, talk)
	}
}

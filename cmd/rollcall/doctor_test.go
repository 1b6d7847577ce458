package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestDoctor: doctor's exit code is that of the worst check of all directories,
// and no password is in what it prints.
func TestDoctor(t *testing.T) {
	well := servertest.NewStub(t, servertest.StubOptions{})
	well.Put(servertest.Person(1))
	strict := servertest.NewStub(t, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.LoginRefused("775") }})
	cut := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) { a.Close = a.PageSize > 0 }})
	const password = "correct horse"
	t.Setenv("ROLLCALL_TEST_PASSWORD", password)

	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("domain \"example.com\" {}\n")
	for name, s := range map[string]*servertest.Stub{"well": well, "strict": strict, "cut": cut} {
		fmt.Fprintf(&b, "directory %[1]q {\n  kind = \"active_directory\"\n  urls = [%[2]q]\n  bind_dn = \"svc@corp.example.com\"\n  bind_password = env(\"ROLLCALL_TEST_PASSWORD\")\n  ca_file = %[3]q\n}\n"+
			"scope %[1]q {\n  directory = directory.%[1]s\n  base_dn = %[4]q\n}\n", name, s.LDAPS, filepath.ToSlash(s.CA.File), servertest.Base)
	}
	if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		directories []string
		code        exitCode
		text        string
	}{
		{[]string{"well"}, exitOK, "17 ok, 0 warnings, 0 failed, 0 skipped"},
		{[]string{"well", "cut"}, exitUnreachable, "FAIL  read"},
		{[]string{"strict"}, exitRefused, "the account is locked out (result code 49"},
		{[]string{"cut", "strict", "well"}, exitRefused, "FAIL  login"},
	} {
		args := []string{"-C", dir, "doctor", "-o", "text", "-o", "json=" + filepath.Join(dir, "doctor.json")}
		for _, name := range c.directories {
			args = append(args, "--directory", name)
		}
		out, talk, code := at(context.Background(), nil, false, args...)
		if code != c.code || !strings.Contains(out, c.text) || talk != "" {
			t.Errorf("%v: exit %d\n%s%s", c.directories, code, out, talk)
		}
		document, err := os.ReadFile(filepath.Join(dir, "doctor.json"))
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Directories []struct {
				Name    string
				Refused bool
				Checks  []struct{ Name, Status string }
			}
		}
		if err := json.Unmarshal(document, &read); err != nil {
			t.Fatal(err)
		}
		if len(read.Directories) != len(c.directories) {
			t.Errorf("%v: %d directories as JSON", c.directories, len(read.Directories))
		}
		for _, d := range read.Directories {
			if d.Refused != (d.Name == "strict") || len(d.Checks) != 17 {
				t.Errorf("directory %s as JSON: %+v", d.Name, d)
			}
		}
		if strings.Contains(out+string(document), password) {
			t.Error("the password is in the diagnosis")
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, code := at(cancelled, nil, false, "-C", dir, "doctor"); code != exitInterrupted {
		t.Errorf("interrupted: exit %d", code)
	}
}

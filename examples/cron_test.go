//go:build !windows

package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCronConfiguration: it is valid, with the password where systemd and
// rollcall-cron have it.
func TestCronConfiguration(t *testing.T) {
	credentials := t.TempDir()
	for name, text := range map[string]string{"corp-password": "secret\n", "smtp-password": "secret\n", "ping-url": "https://hc.example.com/0b3f\n"} {
		if err := os.WriteFile(filepath.Join(credentials, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(read(t, "cron/credentials.conf"), "\nLoadCredential="+name+":/etc/rollcall/credentials/"+name+"\n") {
			t.Errorf("credentials.conf has no %s", name)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	run := program(t)
	for _, args := range [][]string{{"validate"}, {"fmt", "--check"}} {
		if out, code := run("cron", args...); code != 0 {
			t.Errorf("%v exits %d\n%s", args, code, out)
		}
	}
}

// cron runs rollcall-cron with the given program as rollcall, and more in the
// environment.
func cron(t *testing.T, dir, program string, more ...string) (out string, code int) {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "rollcall")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "cron/rollcall-cron")
	cmd.Env = append([]string{"PATH=" + bin + ":/usr/bin:/bin", "ROLLCALL_CONFIG=" + dir, "ROLLCALL_STATE=" + dir, "ROLLCALL_LOG=" + filepath.Join(dir, "log")}, more...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// TestCronScript: a run with something to tell prints it, one without prints
// nothing, and the talk is in the log as JSON lines.
func TestCronScript(t *testing.T) {
	dir, path := t.TempDir(), built(t, "rollcall")
	for name, text := range map[string]string{
		"rollcall.hcl": "directory \"corp\" {\n  kind = \"ldif\"\n  path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"staff\" {\n  directory = directory.corp\n}\n",
		"corp.ldif":    "version: 1\n\ndn: cn=ann,dc=corp\nobjectClass: user\nobjectGUID:: AQAAABERIkKDMwAAAAAAAQ==\nmail: ann@example.com\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := cron(t, dir, path); code != 0 || !strings.HasPrefix(out, "rollcall: 1 added · risk: none\n\nPlan: 1 added") ||
		!strings.Contains(out, "ann@example.com") || !strings.HasSuffix(out, "\napplied: 1 account changed, version 1 of the state written to "+dir+"/rollcall.state.jsonl\n") {
		t.Errorf("a run with a change exits %d\n%s", code, out)
	}
	if out, code := cron(t, dir, path); code != 0 || out != "" {
		t.Errorf("a run with nothing to do exits %d\n%s", code, out)
	}
	if err := os.Remove(filepath.Join(dir, "corp.ldif")); err != nil {
		t.Fatal(err)
	}
	if out, code := cron(t, dir, path); code != 10 || !strings.HasPrefix(out, "rollcall: a directory or the console could not be read completely; nothing was changed, and the next run tries again; see "+filepath.Join(dir, "log")+"\n") || !strings.Contains(out, "\ndirectory \"corp\": ") || !strings.Contains(out, "corp.ldif") {
		t.Errorf("a run that cannot read exits %d\n%s", code, out)
	}
	var levels []string
	for line := range strings.Lines(read(t, filepath.Join(dir, "log"))) {
		var l struct {
			Time, Level, Message, Hint string
			Code                       int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Message == "" || (l.Level == "error") != (l.Code == 10) {
			t.Errorf("log line %q: %v", line, err)
		}
		levels = append(levels, l.Level)
	}
	if got := strings.Join(levels, " "); got != "info error" {
		t.Errorf("the log has the levels %q", got)
	}
}

// TestCronRefusedCredentials: they are tried once.
func TestCronRefusedCredentials(t *testing.T) {
	dir := t.TempDir()
	stub := filepath.Join(dir, "stub")
	if err := os.WriteFile(stub, []byte("#!/bin/sh\necho run >&2\nexit 12\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, code := cron(t, dir, stub); code != 12 || !strings.Contains(out, "credentials were refused") {
		t.Errorf("exits %d\n%s", code, out)
	}
	if out, code := cron(t, dir, stub); code != 12 || out != "" {
		t.Errorf("once more, exits %d\n%s", code, out)
	}
	if log := read(t, filepath.Join(dir, "log")); log != "run\n" {
		t.Errorf("runs: %q", log)
	}
}

// TestCronRefusedUnwritable: where it cannot be remembered that credentials were
// refused, they are not tried, and a mail says so; the marker of a run that ended
// well does not stay.
func TestCronRefusedUnwritable(t *testing.T) {
	dir := t.TempDir()
	stub := filepath.Join(dir, "stub")
	if err := os.WriteFile(stub, []byte("#!/bin/sh\necho run >&2\nexit ${CODE:-12}\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{filepath.Join(dir, "nowhere"), stub, "/proc"} {
		for range 2 {
			out, code := cron(t, dir, stub, "ROLLCALL_STATE="+state)
			if code != 1 || !strings.Contains(out, "no run: "+state+" cannot be written, so that refused credentials would be tried again") {
				t.Errorf("exits %d\n%s", code, out)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "log")); err == nil {
		t.Errorf("runs: %q", read(t, filepath.Join(dir, "log")))
	}

	// The folder goes while the program runs.
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	vanish := filepath.Join(dir, "vanish")
	if err := os.WriteFile(vanish, []byte("#!/bin/sh\nrm -r "+state+"\nexit 12\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, code := cron(t, dir, vanish, "ROLLCALL_STATE="+state)
	if code != 12 || !strings.Contains(out, "credentials were refused") || !strings.Contains(out, "stop the schedule now") {
		t.Errorf("exits %d\n%s", code, out)
	}
	if out, code := cron(t, dir, vanish, "ROLLCALL_STATE="+state); code != 1 || !strings.Contains(out, "no run") {
		t.Errorf("once more, exits %d\n%s", code, out)
	}

	if out, code := cron(t, dir, stub, "CODE=0"); code != 0 || out != "" {
		t.Errorf("exits %d\n%s", code, out)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "credentials-refused*")); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestCronLog: a missing folder of the log is made, and without one the run begins
// all the same, and the mail has its lines.
func TestCronLog(t *testing.T) {
	dir := t.TempDir()
	stub := filepath.Join(dir, "stub")
	if err := os.WriteFile(stub, []byte("#!/bin/sh\necho run >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "logs", "rollcall.jsonl")
	if out, code := cron(t, dir, stub, "ROLLCALL_LOG="+log); code != 3 || out != "rollcall: some changes failed, and the next run tries them again; see "+log+"\n" || read(t, log) != "run\n" {
		t.Errorf("exits %d\n%s", code, out)
	}
	log = filepath.Join(stub, "log") // no folder can be made there
	out, code := cron(t, dir, stub, "ROLLCALL_LOG="+log)
	if code != 3 || !strings.HasPrefix(out, "rollcall: "+log+" cannot be written") || !strings.Contains(out, "\nrun\n") || !strings.Contains(out, "\nrollcall: some changes failed, and the next run tries them again; see below\n") {
		t.Errorf("exits %d\n%s", code, out)
	}
}

// TestCronService: its command line is one that the program takes, and the
// same as that of rollcall-cron; and systemd takes the units.
func TestCronService(t *testing.T) {
	const prefix = "\nExecStart=rollcall -C /etc/rollcall "
	_, line, ok := strings.Cut(read(t, "cron/rollcall.service"), prefix)
	if !ok {
		t.Fatal("rollcall.service does not start rollcall")
	}
	line, _, _ = strings.Cut(line, "\n")
	if !strings.Contains(read(t, "cron/rollcall-cron"), "  rollcall -C \"$config\" "+line+"\n") {
		t.Errorf("rollcall-cron does not run rollcall %s", line)
	}
	if out, code := program(t)(copied(t, "quickstart"), strings.Fields(line)...); code != 0 || out == "" {
		t.Errorf("rollcall %s exits %d\n%s", line, code, out)
	}

	analyze := servertest.Need(t, "systemd-analyze", "systemd")
	path, units := built(t, "rollcall"), t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"rollcall.service", "rollcall.timer", "rollcall-failed@.service"} {
		text := strings.ReplaceAll(read(t, filepath.Join("cron", name)), "ExecStart=rollcall ", "ExecStart="+path+" ")
		unit := filepath.Join(units, name)
		if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, unit)
	}
	if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || strings.Contains(string(out), units) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestCronCodes: the README has a row for each exit code of docs/reference/exit-codes.md
// that a scheduled apply can end with.
func TestCronCodes(t *testing.T) {
	readme := read(t, "cron/README.md")
	never := map[string]bool{"2": true, "5": true, "6": true, "7": true, "9": true}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(read(t, "../docs/reference/exit-codes.md"), -1)
	if len(rows) == 0 {
		t.Fatal("docs/reference/exit-codes.md has no codes")
	}
	for _, m := range rows {
		if strings.Contains(readme, "\n| "+m[1]+" |") == never[m[1]] {
			t.Errorf("exit code %s", m[1])
		}
	}
}

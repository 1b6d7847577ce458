package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/state"
)

// TestIndexedState: commands on a large state use its index as long as that is of the file,
// and refuse the file once it was damaged.
func TestIndexedState(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	says := func(want exitCode, told string, args ...string) {
		t.Helper()
		out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != want || !strings.Contains(out+talk, told) {
			t.Fatalf("%s: exit %d, %.1000s%.1000s", args, code, out, talk)
		}
	}
	var export strings.Builder
	export.WriteString("PrimarySMTPAddress,EmailAddresses,GUID\n")
	for i := range 12_000 {
		fmt.Fprintf(&export, "p%d@example.com,smtp:alias%d@example.com,%08x-1111-4222-8333-000000000001\n", i, i, i+1)
	}
	if err := os.WriteFile(filepath.Join(dir, "export.csv"), []byte(export.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".backup"} {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "rollcall.state.history")); err != nil {
		t.Fatal(err)
	}
	says(exitOK, "12,000", "state", "import", "--auto-approve", filepath.Join(dir, "export.csv"))
	index := filepath.Join(dir, "rollcall.state.index")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(index); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	for range 2 {
		says(exitOK, "p7123@example.com", "state", "show", "alias7123@example.com")
		says(exitFailed, "no account holds", "state", "show", "nobody@example.com")
		says(exitOK, "12,000 accounts", "state", "verify")
		says(exitFailed, "which rollcall reads", "state", "list", "-o", "json="+index)
		// It is made anew by who reads all.
		if err := os.WriteFile(index, whole[:len(whole)/2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	says(exitOK, "alias9@example.com", "state", "list")
	if again, err := os.ReadFile(index); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("the index was not made anew: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte("alias7123@"), []byte("alias7124@"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"state", "show", "alias7123@example.com"}, {"state", "list"}, {"plan"}, {"state", "verify"}} {
		says(exitFailed, "the checksum in the last line does not fit", args...)
	}
}

// TestUnlock: a lock that outlived its run is removed after asking; that of a
// run at work, and one of which nobody knows whose it is, are not.
func TestUnlock(t *testing.T) {
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	lock, err := state.At(path).Lock(t.Context(), "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	unlock := func(answer string, terminal bool, flags ...string) (string, string, exitCode) {
		return at(context.Background(), strings.NewReader(answer), terminal, append([]string{"-C", dir, "state", "unlock"}, flags...)...)
	}
	if _, talk, code := unlock("yes\n", true); code != exitLocked || !strings.Contains(talk, fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("at work: exit %d, %s", code, talk)
	}
	export := filepath.Join(t.TempDir(), "mailboxes.csv")
	if err := os.WriteFile(export, []byte("PrimarySMTPAddress,GUID\nnew@example.com,00000009-1111-4222-8333-000000000009\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"plan", "state list", "state diff", "state verify", "state import --dry-run EXPORT"} {
		words := strings.Fields(args)
		for i := range words {
			words[i] = strings.Replace(words[i], "EXPORT", export, 1)
		}
		if _, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, words...)...); code != exitOK {
			t.Errorf("while the state is locked, %s exits %d: %s", args, code, talk)
		}
	}
	write := func(holder string) {
		if err := os.WriteFile(path+".lock", []byte("\x00"+holder), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("{")
	if _, talk, code := unlock("yes\n", true, "--auto-approve"); code != exitLocked || !strings.Contains(talk, "is locked by a process that has just begun") {
		t.Errorf("unknown holder: exit %d, %s", code, talk)
	}
	write(`{"command":"rollcall apply --only ann@example.com","pid":7,"user":"ann","host":"elsewhere.example.com","since":"2026-11-20T22:00:00Z"}`)
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--redact", "--auto-approve"); code != exitLocked || strings.Contains(talk, "ann") ||
		strings.Contains(talk, "elsewhere") || !strings.Contains(talk, "rollcall state unlock") || !strings.Contains(talk, "process 7 of n-") {
		t.Errorf("with masks: exit %d, %s", code, talk)
	}
	if _, talk, code := unlock("", false); code != exitLocked || !strings.Contains(talk, "hint: give --auto-approve") {
		t.Errorf("without a terminal: exit %d, %s", code, talk)
	}
	if _, talk, code := unlock("no\n", true); code != exitDeclined || !strings.Contains(talk, `process 7 of ann on elsewhere.example.com, since 2026-11-20T22:00:00Z`) {
		t.Errorf("declined: exit %d, %s", code, talk)
	}
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "state", "release", "anna.adler@example.com"); code != exitLocked || !strings.Contains(talk, "rollcall state unlock") {
		t.Errorf("still locked: exit %d, %s", code, talk)
	}
	if runtime.GOOS == "windows" {
		// The lock is of this program.
		if _, talk, code := unlock("yes\n", true); code != exitFailed || !strings.Contains(talk, "hint: end the program that has the file open") {
			t.Errorf("yes: exit %d, %s", code, talk)
		}
		return
	}
	if out, talk, code := unlock("yes\n", true); code != exitOK || !strings.Contains(out, "removed the lock of ") {
		t.Errorf("yes: exit %d, %s", code, talk)
	}
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "state", "release", "anna.adler@example.com"); code != exitOK {
		t.Errorf("unlocked: exit %d, %s", code, talk)
	}
}

// TestEditsAsk: on a terminal, what changes owners or removes an account asks, and
// a no is on record and changes nothing.
func TestEditsAsk(t *testing.T) {
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	export := filepath.Join(t.TempDir(), "mailboxes.csv")
	if err := os.WriteFile(export, []byte("PrimarySMTPAddress,GUID\nanna.adler@example.com,00000009-1111-4222-8333-000000000009\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	local := ""
	st, err := state.At(path).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range st.Accounts {
		if a := &st.Accounts[i]; a.Local() {
			local = a.Primary.String()
		}
	}
	edit := func(answer string, args ...string) (string, string, exitCode) {
		return at(context.Background(), strings.NewReader(answer), true, append([]string{"-C", dir, "state"}, args...)...)
	}
	declined := 0
	for _, c := range []struct {
		args     []string
		question string
	}{
		{[]string{"import", export}, "Give 1 account another owner?"},
		{[]string{"rebind", "anna.adler@example.com", "00000009-1111-4222-8333-000000000009", "--unchecked"}, `Make GUID 00000009-1111-4222-8333-000000000009 of directory "corp" the owner of anna.adler@example.com?`},
		{[]string{"release", "anna.adler@example.com"}, `Make anna.adler@example.com local, so that directory "corp" no longer owns it?`},
		{[]string{"remove", local}, "Remove " + local},
	} {
		if out, talk, code := edit("no\n", c.args...); code != exitDeclined || !strings.Contains(talk, c.question) || strings.Contains(out, "is now") || strings.Contains(out, "removed") {
			t.Errorf("%v: no: exit %d, %s%s", c.args, code, out, talk)
		}
		declined++
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%v: declined, and the state has changed", c.args)
		}
	}
	runs, err := state.At(path).Runs(t.Context())
	if err != nil || len(runs) != declined {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, r := range runs {
		if r.Outcome != run.Declined || r.Accounts != 1 {
			t.Errorf("%+v", r)
		}
	}
	if _, talk, code := edit("yes\n", "remove", local); code != exitOK || !strings.Contains(talk, commandIn(dir, "undo", "5")+" takes it back") {
		t.Errorf("yes: exit %d, %s", code, talk)
	}
	if _, talk, code := edit("", "release", "anna.adler@example.com", "--auto-approve"); code != exitOK || strings.Contains(talk, "?") {
		t.Errorf("approved: exit %d, %s", code, talk)
	}
}

// TestReadersDuringApply: plan and state list read on while applies write, wait
// for none of them, and see each state whole.
func TestReadersDuringApply(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rollcall.hcl", "directory \"corp\" {\n  kind = \"ldif\"\n  path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"staff\" {\n  directory = directory.corp\n}\n")
	// The two directories have the same people under different names, so that
	// each apply changes all of them, and a mixture would be seen.
	const people = 50
	var sides [2]string
	for side := range sides {
		var b strings.Builder
		b.WriteString("version: 1\n")
		for i := range people {
			fmt.Fprintf(&b, "\ndn: cn=p%d,dc=corp\nobjectClass: user\nobjectGUID: p%015d\nmail: p%d@example.com\ndisplayName: side %d\n", i, i, i, side)
		}
		sides[side] = b.String()
	}
	write("corp.ldif", sides[0])
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--auto-approve"); code != exitOK {
		t.Fatal(talk)
	}
	write("a.ldif", sides[0])
	write("b.ldif", sides[1])
	stop, applied := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { applied <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			n++
			from, to := filepath.Join(dir, []string{"a.ldif", "b.ldif"}[n%2]), filepath.Join(dir, "next.ldif")
			if os.Link(from, to) != nil || os.Rename(to, filepath.Join(dir, "corp.ldif")) != nil {
				return
			}
			if _, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--auto-approve"); code != exitOK {
				t.Errorf("apply %d: exit %d, %s", n, code, talk)
				return
			}
		}
	}()
	for n := range 200 {
		args := []string{"-C", dir, "state", "list", "-o", "json"}
		if n%4 == 0 {
			args = []string{"-C", dir, "plan", "-o", "json"}
		}
		out, talk, code := at(context.Background(), nil, false, args...)
		if code != exitOK {
			t.Fatalf("read %d: exit %d, %s", n, code, talk)
		}
		if n%4 == 0 {
			if !json.Valid([]byte(out)) {
				t.Fatalf("read %d: no JSON", n)
			}
			continue
		}
		if a, b := strings.Count(out, "side 0"), strings.Count(out, "side 1"); a+b != people || a*b != 0 {
			t.Fatalf("read %d: %d accounts of one state and %d of the other", n, a, b)
		}
	}
	close(stop)
	if n := <-applied; n < 10 {
		t.Errorf("%d applies in the time of 200 reads", n)
	}
}

// TestJSONTalk: with --log-format json every line of standard error is a JSON
// object with the same keys, questions and panics among them.
func TestJSONTalk(t *testing.T) {
	dir := quickstart(t)
	var talk bytes.Buffer
	s := &session{stderr: &talk, stdout: panicking{}, now: time.Now}
	if code := execute(context.Background(), []string{"--log-format", "json", "version"}, s); code != exitInternal {
		t.Errorf("exit %d", code)
	}
	for _, c := range []struct {
		args string
		code exitCode
		want string
	}{
		{"apply", exitDeclined, `info: Change 21 accounts? Type yes to apply:`},
		{"plan --nonsense", exitUsage, `error: unknown flag "--nonsense"`},
		{"state show nobody@example.com", exitFailed, "error: no account holds nobody@example.com"},
		{"apply --auto-approve", exitOK, "info: applied: "},
	} {
		_, more, code := at(context.Background(), strings.NewReader(""), true, append([]string{"-C", dir, "--log-format=json"}, strings.Fields(c.args)...)...)
		var lines []string
		for line := range strings.Lines(more) {
			var l struct {
				Level, Message string
				Code           exitCode
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Errorf("%s: %q: %v", c.args, line, err)
			}
			if l.Level == "error" && l.Code != c.code {
				t.Errorf("%s: the line says code %d", c.args, l.Code)
			}
			lines = append(lines, l.Level+": "+l.Message)
		}
		if code != c.code || !strings.Contains(strings.Join(lines, "\n"), c.want) {
			t.Errorf("%s: exit %d\n%s", c.args, code, strings.Join(lines, "\n"))
		}
		talk.WriteString(more)
	}
	for line := range strings.Lines(talk.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil || len(l) != 5 {
			t.Errorf("%q: %v", line, err)
		}
		for _, key := range []string{"time", "level", "message", "hint", "code"} {
			if _, ok := l[key]; !ok {
				t.Errorf("%q lacks %s", line, key)
			}
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var keep = flag.Bool("keep", false, "write what this release writes into testdata/releases")

// TestReleases: what each release has written is read by this one. testdata/releases has a
// folder for each, with a configuration, a state, a history, standing rejections and saved
// plans; its file holds says what there is.
func TestReleases(t *testing.T) {
	own := filepath.Join("testdata", "releases", release)
	if *keep {
		t.Run("keep", func(t *testing.T) { keepRelease(t, own) })
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("nothing is kept of this release: run go test ./cmd/rollcall -run TestReleases -keep, and commit it with the release")
	}
	all, err := os.ReadDir(filepath.Dir(own))
	if err != nil || len(all) < 2 {
		t.Fatalf("%d releases, %v", len(all), err)
	}
	for _, kept := range all {
		t.Run(kept.Name(), func(t *testing.T) {
			readRelease(t, filepath.Join("testdata", "releases", kept.Name()))
		})
	}
}

func readRelease(t *testing.T, kept string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	later := 30 * 24 * time.Hour
	var written time.Time
	in := func(args ...string) (out, talk string, code exitCode) {
		var stdout, stderr bytes.Buffer
		s := &session{stdout: &stdout, stderr: &stderr, now: func() time.Time { return written.Add(later) }}
		code = execute(context.Background(), append([]string{"-C", dir}, args...), s)
		return stdout.String(), stderr.String(), code
	}
	verified := func() {
		if _, talk, code := in("state", "verify"); code != exitOK {
			t.Errorf("state verify: exit %d, %s", code, talk)
		}
	}
	holds, err := os.ReadFile(filepath.Join(dir, "holds"))
	if err != nil {
		t.Fatal(err)
	}
	accounts, saved, runs := 0, 0, map[string]string{}
	for line := range strings.Lines(string(holds)) {
		var run, outcome, day string
		switch {
		case scanned(line, "written %s\n", &day):
			if written, err = time.Parse(time.DateOnly, day); err != nil {
				t.Fatal(err)
			}
		case scanned(line, "accounts %d\n", &accounts), scanned(line, "saved %d\n", &saved):
		case scanned(line, "run %s %s\n", &run, &outcome):
			runs[run] = outcome
		default:
			t.Fatalf("%s/holds: %q", kept, line)
		}
	}

	plans, err := filepath.Glob(filepath.Join(dir, "saved", "*.json"))
	if err != nil || len(plans) != saved {
		t.Fatalf("%d saved plans, %v", len(plans), err)
	}
	for _, path := range plans {
		out, talk, code := in("show", path, "--all")
		if code != exitOK || !strings.Contains(out, "Summary") {
			t.Errorf("show %s: exit %d, %s", path, code, talk)
		}
		if _, talk, code := in("apply", path); code != exitStale || !strings.Contains(talk, "hint: ") {
			t.Errorf("apply %s: exit %d, %s", path, code, talk)
		} else if first := filepath.Base(kept) == "0.1.0" && strings.HasPrefix(filepath.Base(path), "undo"); first && !strings.Contains(talk, "format version 1.0") {
			t.Errorf("apply %s, an undo of another format: %s", path, talk)
		}
	}
	out, talk, code := in("state", "list", "-o", "json")
	var listed []map[string]any
	if err := json.Unmarshal([]byte(out), &listed); code != exitOK || err != nil || len(listed) != accounts {
		t.Errorf("state list: exit %d, %d accounts, %v, %s", code, len(listed), err, talk)
	}
	verified()
	out, talk, code = in("history")
	if code != exitOK || strings.Count(out, "\n") <= len(runs) || strings.Contains(out, "damaged") {
		t.Errorf("history: exit %d, %s%s", code, out, talk)
	}
	for number, outcome := range runs {
		if out, talk, code := in("history", "show", number); code != exitOK || !strings.HasPrefix(out, "Run "+number+": "+outcome) {
			t.Errorf("history show %s: exit %d, %s%s", number, code, out, talk)
		}
	}
	if out, talk, code := in("history", "--address", "nora@example.com"); code != exitOK || !strings.Contains(out, "an alias of nora.novak@example.com") {
		t.Errorf("history --address: exit %d, %s%s", code, out, talk)
	}
	if _, talk, code := in("undo", "3"); code != exitOK || strings.Contains(talk, "not taken back") {
		t.Errorf("undo: exit %d, %s", code, talk)
	}
	if _, talk, code := in("apply", "--auto-approve", "--fail-on-new-rejections"); code != exitOK {
		t.Errorf("apply: exit %d, %s", code, talk)
	}

	if filepath.Base(kept) == "0.1.0" { // whose tables were not kept
		return
	}
	dir, later = filepath.Join(dir, "tables"), time.Hour
	verified()
	out, talk, code = in("history", "show", "2")
	if code != exitOK || !strings.HasPrefix(out, "Run 2: applied") {
		t.Errorf("history of a console: exit %d, %s%s", code, out, talk)
	}
	out, talk, code = in("plan")
	if code != exitOK || !strings.Contains(out, "Plan: no changes") || !strings.Contains(out, "53 owned") || strings.Contains(out, "drift") {
		t.Errorf("plan for a console: exit %d, %s%s", code, out, talk)
	}
}

func scanned(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}

// keepRelease lets this release write what is kept of it, from the directories of the
// example.
func keepRelease(t *testing.T, kept string) {
	kept, err := filepath.Abs(kept)
	clock, invalid := time.Parse(time.DateOnly, released)
	if err := errors.Join(err, invalid); err != nil {
		t.Fatal(err)
	}
	behind := quickstart(t) // its accounts will be behind a console
	t.Chdir(quickstart(t))
	if err := os.Mkdir("saved", 0o700); err != nil {
		t.Fatal(err)
	}
	in := func(want exitCode, args ...string) {
		clock = clock.Add(time.Minute)
		var stdout, stderr bytes.Buffer
		s := &session{stdout: &stdout, stderr: &stderr, now: func() time.Time { return clock }, user: "admin", host: "gateway"}
		if code := execute(context.Background(), args, s); code != want {
			t.Fatalf("%s: exit %d\n%s%s", args, code, &stdout, &stderr)
		}
	}
	in(exitOK, "plan", "-o", "json=saved/plan.json")
	in(exitOK, "plan", "--only", "add", "-o", "json=saved/part.json")
	in(exitOK, "plan", "--redact", "-o", "json=saved/redacted.json")
	in(exitOK, "apply", "--auto-approve") // run 1
	change := func(name, from, to string) {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte(from)) {
			t.Fatalf("%s has no %s: %v", name, from, err)
		}
		if err := os.WriteFile(name, bytes.ReplaceAll(text, []byte(from), []byte(to)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change("corp.ldif", "smtp:nora@example.com", "smtp:nora.n@example.com")
	in(exitOK, "plan", "-o", "json=saved/rejected.json")
	in(exitOK, "reject", "saved/rejected.json", "--reason", "wait for the board") // run 2
	in(exitOK, "plan", "-o", "json=saved/applied.json")
	in(exitOK, "apply", "saved/applied.json")    // run 3
	in(exitStale, "apply", "saved/applied.json") // run 4
	in(exitOK, "undo", "3", "-o", "json=saved/undo.json")
	in(exitOK, "undo", "1", "-o", "json=saved/undo1.json")
	if err := os.Rename("lab.ldif", "away"); err != nil {
		t.Fatal(err)
	}
	in(exitUnreachable, "apply", "--auto-approve") // run 5
	if err := os.Rename("away", "lab.ldif"); err != nil {
		t.Fatal(err)
	}

	// A ledger, with the console whose accounts are files.
	if err := os.CopyFS("tables", os.DirFS(behind)); err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile("tables/rollcall.hcl")
	if err != nil {
		t.Fatal(err)
	}
	configuration = append(configuration, `
console "gateway" {
  kind       = "postfix"
  owner      = "hq"
  recipients = "recipients"
  aliases    = "aliases"
  map        = "texthash"
  reload     = ["true"]
}
`...)
	if err := errors.Join(os.Remove("tables/rollcall.state.jsonl"), os.WriteFile("tables/rollcall.hcl", configuration, 0o600)); err != nil {
		t.Fatal(err)
	}
	in(exitOK, "-C", "tables", "apply", "--auto-approve")
	change("tables/corp.ldif", "smtp:nora@example.com", "smtp:nora.n@example.com")
	in(exitOK, "-C", "tables", "apply", "--auto-approve")

	if err := os.WriteFile("holds", []byte("written "+released+"\naccounts 56\nsaved 7\nrun 1 applied\nrun 2 rejected\nrun 3 applied\nrun 4 stale\nrun 5 failed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove("rollcall.state.jsonl.lock"), os.Remove("tables/rollcall.state.jsonl.lock"), os.Remove("tables/recipients.lock"), os.RemoveAll(kept), os.CopyFS(kept, os.DirFS("."))); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstFormat is a copy of a configuration with a state, a history, standing
// rejections and saved plans as version 1.0 of the formats has them.
func firstFormat(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/format-1.0")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFirstFormat: what version 1.0 of the formats has written is read.
func TestFirstFormat(t *testing.T) {
	dir := firstFormat(t)
	in := func(args ...string) (out, talk string, code exitCode) {
		return at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
	}
	saved, err := filepath.Glob(filepath.Join(dir, "saved", "*.json"))
	if err != nil || len(saved) != 8 {
		t.Fatalf("%v, %v", saved, err)
	}
	for _, path := range saved {
		out, talk, code := in("show", path, "--all")
		if code != exitOK || !strings.Contains(out, "Summary") {
			t.Errorf("show %s: exit %d, %s", path, code, talk)
		}
		if strings.HasPrefix(filepath.Base(path), "undo") {
			continue // they fit
		}
		if _, talk, code := in("apply", path); code != exitStale {
			t.Errorf("apply %s: exit %d, %s", path, code, talk)
		}
	}
	out, talk, code := in("state", "list", "-o", "json")
	var accounts []map[string]any
	if err := json.Unmarshal([]byte(out), &accounts); code != exitOK || err != nil || len(accounts) != 56 {
		t.Errorf("state list: exit %d, %d accounts, %v, %s", code, len(accounts), err, talk)
	}
	if _, talk, code := in("state", "verify"); code != exitOK {
		t.Errorf("state verify: exit %d, %s", code, talk)
	}
	out, talk, code = in("history")
	if code != exitOK || strings.Count(out, "\n") < 6 || strings.Contains(out, "damaged") {
		t.Errorf("history: exit %d, %s%s", code, out, talk)
	}
	for number, outcome := range []string{1: "applied", 2: "rejected", 3: "applied", 4: "stale", 5: "failed"} {
		if outcome == "" {
			continue
		}
		number := string(rune('0' + number))
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
}

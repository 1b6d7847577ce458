package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRejectedInTheSameSecond: a plan that is made anew in the second in which
// one was rejected is another one.
func TestRejectedInTheSameSecond(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	second := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	rollcall := func(want exitCode, args ...string) {
		t.Helper()
		var talk bytes.Buffer
		s := &session{stdin: strings.NewReader(""), stdout: new(bytes.Buffer), stderr: &talk, now: func() time.Time { return second }}
		if code := execute(context.Background(), append([]string{"-C", dir}, args...), s); code != want {
			t.Fatalf("%s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, talk.String())
		}
	}
	plan := filepath.Join(dir, "plan.json")
	rollcall(exitOK, "plan", "-o", "json="+plan)
	rollcall(exitOK, "reject", plan, "--reason", "no")
	rollcall(exitStale, "apply", plan)
	rollcall(exitOK, "plan", "-o", "json="+plan)
	rollcall(exitOK, "apply", plan)
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFollowedKilled kills a plan before each call by which it changes a file, as when it
// keeps what it has read: the next plan is that of a complete read. Short of an attack, it is
// before every third.
func TestFollowedKilled(t *testing.T) {
	t.Parallel()
	w := scripted(t, 6, 25, true)
	if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", w.dir, "apply", "--auto-approve"); code != exitOK && code != exitWithheld {
		t.Fatalf("exit code %d\n%s", code, talk)
	}
	created := time.Now().UTC().Truncate(time.Second)
	w.document(t, created, false)
	for range 4 {
		w.change()
	}
	before := kept(t, w.dir)
	want, _ := w.document(t, created, true)
	made := map[string]bool{}
	n, step := 1, 3
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		step = 1
	}
	for ; ; n += step {
		for _, name := range keeps {
			if err := os.WriteFile(filepath.Join(w.dir, name), before[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(program(t), "-C", w.dir, "plan", "--full", "-o", "json="+filepath.Join(t.TempDir(), "p.json"))
		call, _ := signalled(t, cmd, n, syscall.SIGKILL)
		if call == "" {
			break
		}
		now := kept(t, w.dir)
		for _, name := range keeps {
			made[fmt.Sprint(name, string(now[name]) == string(before[name]))] = true
		}
		if got, _ := w.document(t, created, false); got != want {
			t.Fatalf("killed at call %d, %s: the plan is\n%s\nand that of all\n%s", n, call, got, want)
		}
	}
	if n < 5 || len(made) < 3 {
		t.Errorf("killed at %d calls, by which the files were %v", n-1, made)
	}
}

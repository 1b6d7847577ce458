package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCSV: people are the same by their numbers in the file and in a snapshot of it,
// whoever has left is found and named, and an export that is cut changes nothing.
func TestCSV(t *testing.T) {
	t.Parallel()
	run := program(t)
	dir := copied(t, "csv")
	export := filepath.Join(dir, "hr.csv")
	whole, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	must := func(code int, args ...string) string {
		t.Helper()
		out, got := run(dir, args...)
		if got != code {
			t.Fatalf("rollcall %v exits %d, not %d\n%s", args, got, code, out)
		}
		return out
	}
	changes := func(text string) string {
		_, rest, _ := strings.Cut(text, "\"changes\"")
		rest, _, _ = strings.Cut(rest, "\"id\": \"sha256")
		return rest
	}
	must(0, "snapshot", "-o", filepath.Join(dir, "monday"))
	live, saved := must(0, "plan", "-o", "json"), must(0, "plan", "-o", "json", "--snapshot", filepath.Join(dir, "monday"))
	if changes(live) != changes(saved) || !strings.Contains(live, `"server": "hr.csv (semicolons, UTF-8)"`) {
		t.Errorf("live\n%s\nsaved\n%s", live, saved)
	}
	must(0, "apply", "--auto-approve")
	state, err := os.ReadFile(filepath.Join(dir, "rollcall.state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}

	for _, cut := range []int{1, 2, 20} {
		if err := os.WriteFile(export, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		must(10, "apply", "--auto-approve")
	}
	if now, err := os.ReadFile(filepath.Join(dir, "rollcall.state.jsonl")); err != nil || !bytes.Equal(state, now) {
		t.Errorf("the state is another one (%v)", err)
	}

	left := bytes.Replace(whole, []byte("Sales;active"), []byte("Sales;left"), 1)
	if err := os.WriteFile(export, left, 0o600); err != nil {
		t.Fatal(err)
	}
	must(2, "plan", "--detailed-exitcode")
	if told := must(0, "explain", "ann.smith@example.com"); !strings.Contains(told, "(Status=active)") || strings.Contains(told, "LDIF") || strings.Contains(told, "ldapmodify") || strings.Contains(told, "Set-ADObject") {
		t.Errorf("explained as\n%s", told)
	}
}

package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoSystems: who came to one system waits, whatever happens, and is added by the
// run after they came to the other. Nothing is taken from those who have an account.
func TestTwoSystems(t *testing.T) {
	t.Parallel()
	run := program(t)
	dir := copied(t, "two-systems")
	has := func(when string, want bool) {
		t.Helper()
		out, code := run(dir, "state", "list")
		if code != 0 || strings.Contains(out, "mateo.silva@example.com") != want || !strings.Contains(out, "anna.adler@example.com") {
			t.Errorf("%s, exit %d: %s", when, code, out)
		}
	}
	apply := func() {
		t.Helper()
		if out, code := run(dir, "apply", "--auto-approve"); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
	}
	for range 3 {
		apply()
		has("before the cloud lists him", false)
	}
	tomorrow, err := os.ReadFile(filepath.Join(dir, "tomorrow.ldif"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "cloud.ldif"), tomorrow, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	apply()
	has("once the cloud lists him", true)
	if err := os.WriteFile(filepath.Join(dir, "cloud.ldif"), []byte("version: 1\n\ndn: CN=nobody,DC=cloud\nobjectClass: user\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	apply()
	has("once the cloud lists nobody", true)
}

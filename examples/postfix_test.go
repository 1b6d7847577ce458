package examples

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPostfix walks through the README of the example: rows that were kept by hand, an
// apply, an edit by hand, its drift, and another apply.
func TestPostfix(t *testing.T) {
	run := program(t)
	dir := copied(t, "postfix")
	rows := func(table string) (all []string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "tables", table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				all = append(all, strings.TrimSpace(line))
			}
		}
		return all
	}
	have := func(table, want string) {
		t.Helper()
		if got := strings.Join(rows(table), ", "); got != want {
			t.Errorf("%s: %s\nwant: %s", table, got, want)
		}
	}
	apply := func() {
		t.Helper()
		if out, code := run(dir, "apply", "--auto-approve"); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
	}
	apply()
	const recipients = "ann@example.com OK, bob@example.com OK, eve@example.com OK, postmaster@example.com OK, sales@example.com OK"
	have("recipients", recipients)
	have("aliases", "a.smith@example.com ann@example.com, abuse@example.com postmaster@example.com, orders@example.com sales@example.com, press@example.com agency@agency.example")

	path := filepath.Join(dir, "tables", "recipients")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "bob@example.com OK\n", "", 1) + "carl@example.com OK\n"
	if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	out, code := run(dir, "plan", "-o", "json")
	var plan struct {
		Drift []struct{ Kind, Primary string }
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	drift := map[string]string{}
	for _, d := range plan.Drift {
		drift[d.Primary] = d.Kind
	}
	if drift["bob@example.com"] != "gone" || drift["carl@example.com"] != "unrecorded" {
		t.Errorf("the drift is %v", drift)
	}
	apply()
	have("recipients", strings.Replace(recipients, "bob@example.com OK, ", "bob@example.com OK, carl@example.com OK, ", 1))
}

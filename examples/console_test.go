package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsole walks through the README of the example: a plan, an apply, an edit by
// hand, its drift, and another apply.
func TestConsole(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil && os.Getenv("ROLLCALL_SERVERS") != "required" {
		t.Skip("there is no python3")
	}
	run := program(t)
	dir := copied(t, "console")
	file := filepath.Join(dir, "accounts.csv")
	accounts := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	type document struct {
		Summary map[string]int
		Drift   []struct{ Kind, Primary, Field, Recorded, Found string }
		Changes []struct {
			Category, Address string
			Drift             bool
		}
		Rejections []struct{ Reason, Address string }
	}
	plan := func() (p document) {
		t.Helper()
		out, code := run(dir, "plan", "-o", "json")
		if code != 0 {
			t.Fatalf("plan exits %d", code)
		}
		if err := json.Unmarshal([]byte(out), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	apply := func() {
		t.Helper()
		if out, code := run(dir, "apply", "--auto-approve"); code != 0 {
			t.Fatalf("apply exits %d\n%s", code, out)
		}
	}

	before := accounts()
	first := plan()
	if first.Summary["adoption"] != 2 || first.Summary["add"] != 4 || len(first.Drift) != 0 {
		t.Errorf("the first plan: %+v", first)
	}
	if len(first.Rejections) != 1 || first.Rejections[0].Reason != "preexisting_address" || first.Rejections[0].Address != "dora@example.com" {
		t.Errorf("rejections: %+v", first.Rejections)
	}
	if accounts() != before {
		t.Error("a plan has written the file")
	}
	apply()
	applied := accounts()
	for _, row := range strings.SplitAfter(before, "\n") {
		if (strings.Contains(row, "dora@") || strings.Contains(row, "postmaster@")) && !strings.Contains(applied, row) {
			t.Errorf("the file lacks the row %q:\n%s", row, applied)
		}
	}
	apply()
	if accounts() != applied {
		t.Error("an apply without changes has written the file")
	}

	var edited strings.Builder
	for _, row := range strings.SplitAfter(applied, "\n") {
		if !strings.Contains(row, ",carl@") {
			edited.WriteString(strings.Replace(row, ",Ann Smith", ",Ann Jones", 1))
		}
	}
	if err := os.WriteFile(file, []byte(edited.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	second := plan()
	found := map[string]string{}
	for _, d := range second.Drift {
		found[d.Kind+" "+d.Primary+" "+d.Field] = d.Recorded + " -> " + d.Found
	}
	if len(found) != 2 || found["changed ann@example.com display_name"] != "Ann Smith -> Ann Jones" {
		t.Errorf("drift: %+v", second.Drift)
	}
	if _, gone := found["gone carl@example.com "]; !gone {
		t.Errorf("drift: %+v", second.Drift)
	}
	for _, c := range second.Changes {
		if !c.Drift {
			t.Errorf("a change that drift does not explain: %+v", c)
		}
	}
	apply()
	if last := plan(); len(last.Changes) != 0 || len(last.Drift) != 0 {
		t.Errorf("after all: %+v", last)
	}
	if text := accounts(); !strings.Contains(text, "Ann Smith") || !strings.Contains(text, ",carl@example.com,") {
		t.Errorf("the edits are not taken back:\n%s", text)
	}
}

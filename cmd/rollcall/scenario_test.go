package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// built is the real program, built once for all tests in a folder of its own.
var built struct {
	sync.Once
	dir string
	err error
}

// program returns the path of the real program, which may be there already.
func program(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("ROLLCALL_PROGRAM"); path != "" {
		return path
	}
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "rollcall-test-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "rollcall.exe"), ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "rollcall.exe")
}

// tidy removes what was built once all tests have run.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	defer func() { os.RemoveAll(built.dir) }()
	return t.M.Run()
}

// TestScenarios runs every scenario of the rules through the real program:
// import, plan, apply, list, and a second plan that has nothing to do. Half of
// the work is done twice, by a fresh apply and by one of the saved plan.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../plan/testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	rollcall := program(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			for _, saved := range []bool{false, true} {
				scenario(t, rollcall, file, saved)
			}
		})
	}
}

type row = map[string]any

func scenario(t *testing.T, rollcall, file string, saved bool) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var want struct {
		Directories                   []string
		Changes, Rejections, Accounts []row
	}
	declared, accounts := 0, false
	for _, f := range archive.Files {
		if f.Name == "want.json" {
			if err := json.Unmarshal(f.Data, &want); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if f.Name == "rollcall.hcl" {
			declared = bytes.Count(f.Data, []byte("\ndirectory ")) + strings.Count(string(f.Data[:min(10, len(f.Data))]), "directory ")
		}
		accounts = accounts || f.Name == "accounts.jsonl" && len(bytes.TrimSpace(f.Data)) > 0
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command(rollcall, append([]string{"-C", dir}, args...)...)
		var out, talk bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &talk
		if err := cmd.Run(); err != nil {
			t.Fatalf("rollcall %v: %v\n%s", args, err, talk.Bytes())
		}
		return out.Bytes()
	}
	var only []string
	if len(want.Directories) < declared {
		for _, name := range want.Directories {
			only = append(only, "--directory", name)
		}
	}
	if accounts {
		run("state", "import", filepath.Join(dir, "accounts.jsonl"))
	}
	saves := filepath.Join(dir, "plan.json")
	run(append([]string{"plan", "-o", "json=" + saves}, only...)...)
	var plan struct{ Changes, Rejections []row }
	data, err := os.ReadFile(saves)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &plan); err != nil {
		t.Fatal(err)
	}
	if err := conforms("plan", data); err != nil {
		t.Error(err)
	}
	same(t, "changes", want.Changes, plan.Changes)
	same(t, "rejections", want.Rejections, plan.Rejections)
	if saved {
		run("apply", saves)
	} else {
		run(append([]string{"apply", "--auto-approve"}, only...)...)
	}
	var list []row
	if err := json.Unmarshal(run("state", "list", "-o", "json"), &list); err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		a["display_name"] = ""
		if name, ok := a["attributes"].(map[string]any)["display_name"]; ok {
			a["display_name"] = name
		}
	}
	same(t, "accounts", want.Accounts, list)
	run(append([]string{"plan", "--detailed-exitcode"}, only...)...)
}

// same compares rows as sets, each cut to the keys of the wanted ones: two
// entries that list one address are two rows of which the scenario names one.
func same(t *testing.T, what string, want, got []row) {
	t.Helper()
	keys := map[string]map[string]bool{}
	kind := func(r row) string {
		if c, ok := r["category"]; ok {
			return fmt.Sprint(c)
		}
		return fmt.Sprint(r["reason"])
	}
	for _, r := range want {
		k := kind(r)
		if keys[k] == nil {
			keys[k] = map[string]bool{}
		}
		for key := range r {
			keys[k][key] = true
		}
	}
	lines := func(rows []row) []string {
		var all []string
		for _, r := range rows {
			cut := row{}
			for key, v := range r {
				if keys[kind(r)] == nil || keys[kind(r)][key] {
					cut[key] = v
				}
			}
			line, err := json.Marshal(cut)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(line))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Package examples runs every example, so that none can rot.
package examples

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// copied puts a copy of an example where the program may write.
func copied(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// folder is where the program is built once for all tests.
var folder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "rollcall-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "rollcall")
	build := exec.Command("go", "build", "-o", path, "../cmd/rollcall")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

// built returns the path of a copy of the program, made from the sources.
func built(t *testing.T, name string) string {
	t.Helper()
	made, err := build()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if os.Link(made, path) != nil {
		text, err := os.ReadFile(made)
		if err == nil {
			err = os.WriteFile(path, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func program(t *testing.T) func(dir string, args ...string) (string, int) {
	t.Helper()
	path := built(t, "rollcall.exe")
	return func(dir string, args ...string) (string, int) {
		cmd := exec.Command(path, append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "NO_COLOR=1")
		var talk strings.Builder
		cmd.Stderr = &talk
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if talk.Len() > 0 {
			t.Logf("%v: %s", args, talk.String())
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
}

// served are the folders whose examples need a server, and have a test of their own.
var served = map[string]bool{"sql": true, "scim": true, "ldap": true, "graph": true, "google": true}

// TestEveryExample: each folder with a configuration is valid, laid out
// canonically, and converges: after an apply there is nothing to do.
func TestEveryExample(t *testing.T) {
	run := program(t)
	n := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && served[path] {
			return filepath.SkipDir
		}
		if err != nil || d.Name() != "rollcall.hcl" {
			return err
		}
		n++
		dir := copied(t, filepath.Dir(path))
		for _, step := range []struct {
			args []string
			code int
		}{
			{[]string{"validate"}, 0},
			{[]string{"fmt", "--check"}, 0},
			{[]string{"test"}, 0},
			{[]string{"plan", "--detailed-exitcode"}, 2},
			{[]string{"apply", "--auto-approve"}, 0},
			{[]string{"plan", "--detailed-exitcode"}, 0},
			{[]string{"state", "verify"}, 0},
		} {
			if out, code := run(dir, step.args...); code != step.code {
				t.Errorf("%s: rollcall %v exits %d, not %d\n%s", path, step.args, code, step.code, out)
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d examples, %v", n, err)
	}
}

// TestQuickstart: every category and every reason occurs in its first plan, as
// the comments in its data say.
func TestQuickstart(t *testing.T) {
	run := program(t)
	out, code := run(copied(t, "quickstart"), "plan", "-o", "json")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var plan struct {
		Summary    map[string]int
		Rejections []struct{ Reason string }
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatal(err)
	}
	comments := ""
	for _, name := range []string{"corp.ldif", "lab.ldif"} {
		text, err := os.ReadFile(filepath.Join("quickstart", name))
		if err != nil {
			t.Fatal(err)
		}
		comments += string(text)
	}
	for category, n := range plan.Summary {
		if strings.HasPrefix(category, "withheld") || strings.HasPrefix(category, "left_out") {
			continue
		}
		if n == 0 {
			t.Errorf("no %s", category)
		}
		if category != "rejection" && category != "unchanged_accounts" && !strings.Contains(comments, "# "+category+":") {
			t.Errorf("no comment says where %s comes from", category)
		}
	}
	reasons := map[string]bool{}
	for _, r := range plan.Rejections {
		reasons[r.Reason] = true
	}
	for reason := range reasons {
		if !strings.Contains(comments, "# "+reason+":") {
			t.Errorf("no comment says where %s comes from", reason)
		}
	}
	if len(reasons) < 17 {
		t.Errorf("%d reasons: %v", len(reasons), reasons)
	}
}

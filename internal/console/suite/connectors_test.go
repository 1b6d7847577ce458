package suite_test

import (
	"context"
	"encoding/json"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/exec"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
)

// passes runs the suite against a connector, which skips no check but those named.
func passes(t *testing.T, many int, config map[string]string, skipped string, command ...string) {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	s := suite.Subject{
		Open: func(ctx context.Context, owner string) (console.Target, error) {
			c := exec.New(exec.Options{Domains: []string{"example.com"}, Owner: owner,
				Options: connector.Options{Label: "test", Command: command, Dir: ".", Config: text, Log: func(line string) { t.Log(line) }}})
			return c, c.Open(ctx)
		},
		Owner: "hq", Domain: "example.com", Many: many,
		Connector: &suite.Connector{Start: suite.Command(".", os.Stderr, command...), Config: text},
	}
	suite.Hold(context.Background(), t, s, skipped)
}

// python returns the interpreter that connector.py needs.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "python"} {
		if path, err := osexec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("ROLLCALL_SERVERS") == "required" {
		t.Fatal("there is no python3")
	}
	t.Skip("there is no python3")
	return ""
}

// byHand are rows as somebody has edited them: another order of columns than the
// connector has, quotes that nothing asks for, a short row, a column more.
const byHand = "primary,ref,display_name,aliases,type,status,by,directory,guid,username,dn,phone\r\n" +
	"\"Ann@Example.com\",\"u-1\",\"Ann \"\"A\"\" Smith\",A.Smith@example.com,user,,,,,,,\r\n" +
	"bob@example.com,u-2\r\n" +
	"carl@example.com,u-3,\"Carl,\r\n of Sales\",,user,active,branch,corp,8C4AC332-975F-4717-AD7B-BA4A4E968FFF,carl,,\"+1 555, ext. 2\",more\n"

// TestPython: the connector in Python passes the suite, and rows of others are byte
// for byte the same.
func TestPython(t *testing.T) {
	file := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(file, []byte(byHand), 0o600); err != nil {
		t.Fatal(err)
	}
	passes(t, 10_000, map[string]string{"file": file}, "throttled", python(t), "../../../examples/console/connector.py")
	if text, err := os.ReadFile(file); err != nil || string(text) != byHand {
		t.Errorf("the file has become\n%s(%v)", text, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// TestMinimal: the connector in Go passes what its facts leave of the suite.
func TestMinimal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no compiler where programs of Windows are tested")
	}
	program := filepath.Join(t.TempDir(), "minimal.exe")
	if out, err := osexec.Command("go", "build", "-o", program, "../../../examples/console/minimal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := t.TempDir()
	const before = `{"primary": "Ann@example.com", "type": "user", "aliases": ["a@example.com"]}`
	if err := os.WriteFile(filepath.Join(folder, "u-1.json"), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	passes(t, 1_000, map[string]string{"folder": folder},
		"directory_switch username_change adoption guid_change dn_change stale_rev mark_twice foreign dry_run ledger throttled", program)
	if text, err := os.ReadFile(filepath.Join(folder, "u-1.json")); err != nil || string(text) != before {
		t.Errorf("the file has become\n%s(%v)", text, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %d, %v", len(left), err)
	}
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/render"
)

// varying is what differs from run to run, or with the style of the page: times,
// digests, and the text of style sheets and scripts.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?( UTC|Z)|sha256[:-](?:[0-9A-Za-z+/=]|&#43;)+|(?s)<style[^>]*>.*?</style>|<script>.*?</script>`)

// TestQuickstartReports writes the example in every format, as a document of
// what each of them is.
func TestQuickstartReports(t *testing.T) {
	if drive := filepath.VolumeName(os.TempDir()); drive != "" {
		t.Setenv("TMP", drive+`\`) // a short path that no shell wants quoted
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	for file, command := range map[string]string{
		"plan.txt":              "plan",
		"plan.json":             "plan -o json",
		"plan.csv":              "plan -o csv",
		"plan.md":               "plan -o markdown",
		"plan.html":             "plan -o html",
		"plan-redacted.txt":     "plan --redact",
		"plan-redacted.md":      "plan --redact -o markdown",
		"explain.txt":           "explain helpdesk@example.com",
		"explain.json":          "explain helpdesk@example.com -o json",
		"explain.md":            "explain helpdesk@example.com -o markdown",
		"explain-nobody.txt":    "explain nobody@example.com",
		"explain-dn.txt":        "explain CN=Visitor,OU=Berlin,OU=Staff,DC=corp,DC=example,DC=com",
		"explain-redacted.txt":  "explain helpdesk@example.com --redact",
		"lint.txt":              "lint",
		"lint.json":             "lint -o json",
		"lint.csv":              "lint -o csv",
		"lint.md":               "lint -o markdown",
		"lint.sarif":            "lint -o sarif",
		"test.txt":              "test",
		"test.json":             "test -o json",
		"test.xml":              "test -o junit",
		"compare-with-self.txt": "plan --compare DIR",
	} {
		t.Run(file, func(t *testing.T) {
			var out, talk bytes.Buffer
			s := &session{
				stdin: strings.NewReader(""), stdout: &out, stderr: &talk, out: render.Terminal{Width: 100},
				now: func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) },
			}
			args := strings.Fields(command)
			for i := range args {
				args[i] = strings.Replace(args[i], "DIR", dir, 1)
			}
			if code := execute(context.Background(), append([]string{"-C", dir}, args...), s); code != exitOK {
				t.Fatalf("exit code %d\n%s", code, talk.String())
			}
			got := strings.NewReplacer(dir, "DIR", filepath.ToSlash(dir), "DIR").Replace(varying.ReplaceAllString(out.String(), "*"))
			golden := filepath.Join("testdata", "quickstart", file)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("rollcall %s differs from %s; run the test with -update and read the difference\n%s", command, golden, got)
			}
		})
	}
}

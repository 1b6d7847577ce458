package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/spreadsheet"
)

// hostileValues are what a directory may hold that is meant for whoever shows
// it: a terminal, a browser, a spreadsheet, GitHub, a shell.
var hostileValues = []string{
	"\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\u009b31mC1", "bell\x07\b\bback", "nul\x00in",
	"two\r\nlines", "line\u2028separator", "tab\tand\vmore",
	"\u202egnp.exe", "\u2066isolate\u2069", "\u200fmark", "\ufeffbom", "tag\U000e0041",
	"invalid \xff\xfe utf-8",
	`<script>alert(1)</script>`, `</script><script>alert(2)</script>`, `<!--<script>`, `<img src=x onerror=alert(3)>`, `"><svg onload=alert(4)>`, `]]>`, `javascript:alert(5)`, "&lt;b&gt;",
	`=HYPERLINK("http://example.com","x")`, "+1+1", "-1", "@SUM(A1)", `'=1`, "\uff1d1",
	"| cell | cell |", "`code`", "```\nfence", "[link](javascript:alert(6))", "**bold** _x_", "@octocat #1 GH-1", "http://example.com/auto", "/close", "<details>", "# heading", "- [ ] task",
	"$(reboot)", "'; reboot; '", "\u2019; reboot; \u2018", "%s%n%d", `C:\new\table`, "{{.}}", "${env}",
	strings.Repeat("long", 2500),
}

// hostileSite is a configuration whose directory and state hold all of them in
// every place, and a second one that reads less.
func hostileSite(t *testing.T) (dir, base string) {
	t.Helper()
	dir, base = t.TempDir(), t.TempDir()
	var people, accounts strings.Builder
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for i, v := range hostileValues {
		var cn strings.Builder // every octet escaped as RFC 4514 section 2.4 has it
		for _, octet := range []byte(v) {
			fmt.Fprintf(&cn, `\%02x`, octet)
		}
		rdns := []string{"cn=" + cn.String(), "cn=x" + strings.NewReplacer("\x00", "", ",", `\,`, "+", `\+`, `"`, `\"`, `\`, `\\`, "<", `\<`, ">", `\>`, ";", `\;`, "=", `\=`).Replace(v)}
		for n, rdn := range rdns {
			guid := fmt.Sprintf("%08d-000%d-4000-8000-000000000000", i, n)
			fmt.Fprintf(&people, "dn:: %s\nentryUUID: %s\nmail:: %s\nmail: p%d.%d@example.com\nproxyAddresses:: %s\nproxyAddresses: SMTP:p%d.%d@example.com\n"+
				"displayName:: %s\nuid:: %s\ndepartment:: %s\n\n", b64(rdn+",ou=people,dc=corp"), guid, b64(v), i, n, b64("smtp:"+v), i, n, b64(v), b64(v), b64(v))
		}
		text := strings.ToValidUTF8(v, "?")
		account, err := json.Marshal(map[string]any{
			"primary": fmt.Sprintf("old%d@example.com", i), "directory": "corp", "guid": fmt.Sprintf("%08d-0009-4000-8000-000000000000", i),
			"username": text, "dn": "cn=" + text + ",ou=people,dc=corp", "attributes": map[string]string{"display_name": text, "department": text},
		})
		if err != nil {
			t.Fatal(err)
		}
		accounts.Write(append(account, '\n'))
	}
	const configuration = `directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
domain "example.com" {}
scope "staff" {
  directory          = directory.corp
  username_attribute = "uid"
  attributes         = { department = "department" }
  max_length         = { display_name = 20 }
}
protected "board" {
  addresses = ["old1@example.com"]
  reason    = "the board <script>alert(7)</script> | x"
}
limits {
  deactivations_percent = 100
}
`
	for folder, text := range map[string]string{dir: configuration, base: strings.Replace(configuration, "= 20", "= 30", 1)} {
		for name, content := range map[string]string{"rollcall.hcl": text, "corp.ldif": people.String()} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "accounts.jsonl"), []byte(accounts.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	test := "test \"fails\" {\n  directories = { corp = \"corp.ldif\" }\n  expect {\n    add = 1\n  }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "x.rollcall-test.hcl"), []byte(test), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, base
}

// TestHostileValues runs every command in every format on them. What comes out
// is text of its format, in which nothing acts.
func TestHostileValues(t *testing.T) {
	dir, base := hostileSite(t)
	rollcall := func(command string, color bool) (out, talk string, code exitCode) {
		var stdout, stderr bytes.Buffer
		s := &session{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, out: render.Terminal{Width: 100, Color: color}, err: render.Terminal{Width: 100}, now: time.Now}
		args := append([]string{"-C", dir}, strings.Split(command, " ")...)
		for i := range args {
			args[i] = strings.NewReplacer("PLAN", filepath.Join(dir, "plan.json"), "ACCOUNTS", filepath.Join(dir, "accounts.jsonl"), "BASE", base).Replace(args[i])
		}
		code = execute(context.Background(), args, s)
		return stdout.String(), stderr.String(), code
	}
	if _, talk, code := rollcall("state import ACCOUNTS", false); code != exitOK {
		t.Fatalf("import: exit %d\n%s", code, talk)
	}
	if _, talk, code := rollcall("plan -o json=PLAN", false); code != exitOK {
		t.Fatalf("plan: exit %d\n%s", code, talk)
	}
	plans := []string{"text", "json", "csv", "markdown", "html"}
	commands := []struct {
		command string
		formats []string
	}{
		{"plan --all", plans}, {"plan --redact", plans}, {"show PLAN", plans},
		{"plan --except inactive,p1.0@example.com", plans},
		{"plan --compare BASE", []string{"text", "json", "csv", "markdown"}},
		{"explain p0.0@example.com", []string{"text", "json", "markdown"}}, {"explain -v p0.0@example.com", []string{"text", "markdown"}}, {"explain old3@example.com", []string{"text", "json", "markdown"}},
		{"explain 00000003-0000-4000-8000-000000000000", []string{"text", "json", "markdown"}}, {"explain -v 00000003-0000-4000-8000-000000000000", []string{"text", "markdown"}},
		{"lint --all", []string{"text", "json", "csv", "markdown", "sarif"}},
		{"doctor", []string{"text", "json", "markdown"}},
		{"test", []string{"text", "json", "junit"}},
		{"apply --auto-approve", plans},
		{"history", []string{"text", "json", "csv", "markdown"}}, {"history show 1 --all", []string{"text", "json", "csv", "markdown"}}, {"undo 1 --all", plans},
		{"state list", []string{"text", "json", "csv", "markdown"}}, {"state show p2.0@example.com", []string{"text", "json", "csv"}}, {"state diff", []string{"text"}},
	}
	for i, v := range hostileValues {
		for n, explain := range [...]string{"explain", "explain -v"} {
			commands = append(commands, struct {
				command string
				formats []string
			}{fmt.Sprintf("%s %08d-000%d-4000-8000-000000000000", explain, i, n), []string{"text", "json", "markdown"}})
		}
		if !strings.ContainsAny(v, " \x00") && utf8.ValidString(v) && len(v) < 100 {
			commands = append(commands, struct {
				command string
				formats []string
			}{fmt.Sprintf("explain -- cn=%s,ou=people,dc=corp%d", v, i), []string{"text"}})
		}
	}
	for _, c := range commands {
		for _, format := range c.formats {
			command := c.command
			if format != "text" {
				command = strings.Replace(command+" -o "+format, " -- ", " ", 1)
			}
			t.Run(strings.ToValidUTF8(fmt.Sprintf("%.60s", command), "?"), func(t *testing.T) {
				out, talk, code := rollcall(command, false)
				if code != exitOK && code != exitFindings || out == "" {
					t.Fatalf("exit %d\n%s", code, talk)
				}
				if strings.HasPrefix(command, "plan --all") && !strings.Contains(out, "alert(1)") {
					t.Error("the values are not in it")
				}
				// A tab stands before the time of each file of a diff, as POSIX has it.
				inert(t, format, diffTimes.ReplaceAllString(out, "$1 "))
				inert(t, "text", talk)
				if format == "text" {
					colored, _, _ := rollcall(command, true)
					for part := range strings.SplitSeq(colored, "\x1b[") {
						if _, rest, sgr := strings.Cut(part, "m"); sgr {
							part = rest
						}
						if strings.ContainsRune(part, 0x1b) {
							t.Errorf("an escape sequence that sets no colour: %q", part)
						}
					}
				}
			})
		}
	}
}

var diffTimes = regexp.MustCompile(`(?m)^((?:---|\+\+\+) .*)\t`)

// inert checks that a text is one of its format and that nothing of it acts.
func inert(t *testing.T, format, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Error("not UTF-8")
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && identity.Unprintable(r) }); i >= 0 {
		t.Errorf("a character that acts: %q", text[max(0, i-40):min(len(text), i+40)])
	}
	raw := func(parts ...string) {
		for _, part := range parts {
			if i := strings.Index(text, part); i >= 0 {
				t.Errorf("%q is raw: %q", part, text[max(0, i-60):min(len(text), i+60)])
			}
		}
	}
	switch format {
	case "json", "sarif":
		if !json.Valid([]byte(text)) {
			t.Error("not JSON")
		}
	case "csv":
		rows := csv.NewReader(strings.NewReader(text))
		for {
			row, err := rows.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, cell := range row {
				if spreadsheet.Formula(cell) && !strings.HasPrefix(cell, "'") {
					t.Errorf("a formula: %q", cell)
				}
			}
		}
	case "html":
		raw("<script>alert", "<img", "<svg onload", "<!--<")
		if n := strings.Count(text, "</script>"); n != strings.Count(text, "<script") {
			t.Errorf("%d ends of scripts", n)
		}
	case "markdown":
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "/close") || strings.HasPrefix(line, "# h") {
				t.Errorf("a line that acts: %q", line)
			}
		}
	case "junit":
		if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil {
			t.Error(err)
		}
	}
}

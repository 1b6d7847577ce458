package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestMassChanges holds the plans of the four cases that matter to what was looked
// at once: an ordinary week, a migration, a broken import and a merger. Text and
// Markdown are kept whole, as is CSV of the smallest size; of JSON all but the rows, and
// of the rest its sum. ROLLCALL_ATTACK=1 adds 50,000 people.
func TestMassChanges(t *testing.T) {
	sizes := []int{300, 5000}
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		sizes = append(sizes, 50_000)
	}
	kept, err := filepath.Abs("testdata/masschange")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		for _, c := range corpus.Cases(n) {
			t.Run(fmt.Sprintf("%s-%d", c.Name, n), func(t *testing.T) {
				dir := t.TempDir()
				t.Chdir(dir)
				clock := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
				run := func(width int, args ...string) string {
					t.Helper()
					var out, talk bytes.Buffer
					s := &session{
						stdin: strings.NewReader(""), stdout: &out, stderr: &talk, out: render.Terminal{Width: width},
						now: func() time.Time { return clock }, user: "ann", host: "admin1",
					}
					if code := execute(context.Background(), args, s); code != exitOK && code != exitWithheld {
						t.Fatalf("%v: exit code %d\n%s", args, code, talk.String())
					}
					return out.String()
				}
				if err := c.Before.Write(dir); err != nil {
					t.Fatal(err)
				}
				run(80, "apply", "--auto-approve", "--quiet", "-o", "json=first.json")
				if err := c.After.Write(dir); err != nil {
					t.Fatal(err)
				}
				clock = clock.AddDate(0, 0, 7)
				narrow := run(80, "plan", "-o", "text", "-o", "json=plan.json", "-o", "csv=plan.csv", "-o", "html=plan.html", "-o", "markdown=plan.md")
				decidable(t, c.Name, narrow)
				golden := func(name, text string) {
					t.Helper()
					path := filepath.Join(kept, fmt.Sprintf("%s-%d.%s", c.Name, n, name))
					if *update {
						if err := os.MkdirAll(kept, 0o755); err != nil {
							t.Fatal(err)
						}
						if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
							t.Fatal(err)
						}
					}
					want, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					if text != string(want) {
						t.Errorf("%s: run the test with -update and read the difference\n%s", path, difference(string(want), text))
					}
				}
				golden("80.txt", narrow)
				golden("120.txt", run(120, "show", "plan.json"))
				wide := run(200, "show", "plan.json")
				golden("200.txt", wide)
				golden("md", read(t, "plan.md"))
				golden("json", abridged(t, read(t, "plan.json")))
				if n == sizes[0] {
					golden("csv", read(t, "plan.csv"))
				} else {
					golden("csv.sha256", fmt.Sprintf("%x\n", sha256.Sum256([]byte(read(t, "plan.csv")))))
				}
				page := read(t, "plan.html")
				golden("html.txt", textOf(page))
				if masked, plain := run(80, "show", "plan.json", "--redact", "-o", "json"), read(t, "plan.json"); strings.Count(masked, `"keeps_old"`) != strings.Count(plain, `"keeps_old"`) {
					t.Error("a redacted plan has other groups")
				}
				agree(t, wide, read(t, "plan.md"), textOf(page), read(t, "plan.json"))
			})
		}
	}
}

// screen is how many lines a reader sees at once.
const screen = 50

// decidable holds a plan of a mass change to one screen, and to say in its first
// lines what has happened: of a broken import in the first three.
func decidable(t *testing.T, name, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if name != "week" && len(lines) > screen {
		t.Errorf("the plan has %d lines:\n%s", len(lines), text)
	}
	for _, c := range map[string][]struct {
		lines int
		want  string
	}{
		"week":          {{2, " added, "}, {2, " leave"}, {2, "risk: low"}},
		"migration":     {{4, "get another primary"}, {4, "@corp.example becomes @newco.example"}, {5, "the new address comes as an alias for now"}},
		"broken-import": {{3, "withheld: "}, {3, "would lose all mail"}, {3, "are still in the directory but list no address. Was there an import?"}},
		"merger":        {{3, " rejected"}, {3, "new entries of acquired list addresses that accounts of corp already have"}},
	}[name] {
		if first := strings.Join(strings.Fields(strings.Join(lines[:c.lines], " ")), " "); !strings.Contains(first, c.want) {
			t.Errorf("the first %d lines do not say %q:\n%s", c.lines, c.want, first)
		}
	}
}

// textOf is the text of a page above its rows, a line for each.
func textOf(page string) string {
	page, _, _ = strings.Cut(page, "<script")
	_, page, _ = strings.Cut(page, "<body>")
	page = regexp.MustCompile(`</?(bdi|strong|span|code|a|td|th|svg|rect|label)\b[^>]*>`).ReplaceAllString(page, " ")
	page = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, "\n"))
	var lines strings.Builder
	for line := range strings.Lines(page) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, "sha256:") {
			lines.WriteString(line + "\n")
		}
	}
	return lines.String()
}

// agree holds all formats to the same numbers: what every reader takes from a plan.
func agree(t *testing.T, text, markdown, page, document string) {
	t.Helper()
	var doc struct {
		Totals  map[string]int
		Summary map[string]int
		Risk    []struct{ Text string }
		Groups  []struct {
			Category, Kind string
			Count          int
			Withheld       bool
		}
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	lose, leaving := 0, doc.Totals["accounts_leaving"]
	for _, g := range doc.Groups {
		if g.Category == "inactive" && g.Kind == "reason" && !g.Withheld {
			lose += g.Count
		}
	}
	if lose > leaving {
		t.Errorf("groups have %d accounts that lose all mail, totals %d", lose, leaving)
	}
	if want := plan.Thousands(leaving) + " account"; leaving > 0 && !strings.Contains(doc.Risk[0].Text, "; "+want) {
		t.Errorf("the risk %q does not say that %s loses all mail", doc.Risk[0].Text, want)
	}
	verdict, _, _ := strings.Cut(strings.TrimPrefix(text, "Plan: "), "\n")
	before, risk, _ := strings.Cut(verdict, plan.VerdictSeparator+"risk: ")
	unchanged := plan.Thousands(doc.Totals["accounts_unchanged"])
	withheld, changes := doc.Summary["withheld_accounts"], plan.Thousands(doc.Summary["withheld"])
	for _, c := range []struct{ format, text, pattern string }{
		{"text", text, `(?m)^  unchanged +` + unchanged + ` accounts?$`},
		{"Markdown", markdown, `(?m)^\|  \| unchanged \| ` + unchanged + ` \| accounts? \|$`},
		{"HTML", page, `(?m)^` + unchanged + ` accounts? unchanged$`},
		{"Markdown", markdown, regexp.QuoteMeta(verdict)},
		{"HTML", page, regexp.QuoteMeta(before) + ` risk: ` + risk},
	} {
		if !regexp.MustCompile(c.pattern).MatchString(c.text) {
			t.Errorf("%s does not say %s", c.format, c.pattern)
		}
	}
	if withheld == 0 {
		return
	}
	n := plan.Thousands(withheld)
	for _, c := range []struct{ format, text, pattern string }{
		{"text", text, `(?m)^  withheld +` + n + ` accounts?: a brake withholds ` + changes + ` of these changes$`},
		{"Markdown", markdown, `\| withheld \| ` + n + ` \| accounts?: a brake withholds ` + changes + ` of these changes \|`},
		{"HTML", page, `(?m)^` + n + ` accounts? withheld$`},
		{"HTML", page, `stop receiving mail, ([0-9,]+ of them )?withheld`},
	} {
		if !regexp.MustCompile(c.pattern).MatchString(c.text) {
			t.Errorf("%s does not say %s", c.format, c.pattern)
		}
	}
}

// abridged is a plan document without its rows, and without what is random.
func abridged(t *testing.T, document string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &all); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"rollcall_version", "config_digest", "state", "changes", "rejections", "accounts", "left_out", "id", "checksum"} {
		delete(all, key)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

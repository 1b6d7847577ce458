package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/render"
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
				decidable(t, c.Name, n, narrow)
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
				verdict, _, _ := strings.Cut(strings.TrimPrefix(wide, "Plan: "), "\n")
				if page := read(t, "plan.html"); !strings.Contains(page, verdict) {
					t.Errorf("the page does not say %q", verdict)
				}
			})
		}
	}
}

// screen is how many lines a reader sees at once.
const screen = 50

// decidable holds a plan of a mass change to one screen, and to say in its first
// lines what has happened: of a broken import in the first three.
func decidable(t *testing.T, name string, n int, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if mass := name == "broken-import" || name != "week" && n >= 5000; mass && len(lines) > screen {
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

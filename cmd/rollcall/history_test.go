package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/state"
)

// TestHistoryOfAnswers: what a person at a terminal says is on record.
func TestHistoryOfAnswers(t *testing.T) {
	dir := quickstart(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	at(context.Background(), strings.NewReader("no\n"), true, "-C", dir, "apply")
	at(cancelled, strings.NewReader(""), true, "-C", dir, "apply")
	at(context.Background(), strings.NewReader("yes\n"), true, "-C", dir, "apply")
	runs, err := state.At(filepath.Join(dir, "rollcall.state.jsonl")).Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []run.Outcome
	for _, r := range runs {
		got = append(got, r.Outcome)
		if r.Automatic || r.User == "" || r.Host == "" {
			t.Errorf("run %d: %+v", r.Number, r)
		}
	}
	if want := []run.Outcome{run.Declined, run.Interrupted, run.Applied}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r := runs[len(runs)-1]; r.Applied != 21 || r.SerialAfter != r.Serial+1 || r.Summary["add"] != 8 || r.Summary["rejection"] != 22 {
		t.Errorf("applied: %+v", r)
	}
}

// TestRescoped: scopes are compared with the last run that withheld nothing, and
// where there is none, with the first that changed the state.
func TestRescoped(t *testing.T) {
	type past struct {
		base     string
		outcome  run.Outcome
		withheld int
	}
	for _, c := range []struct {
		story string
		runs  []past
		want  string
	}{
		{"no run", nil, ""},
		{"none that changed anything", []past{{"dc=old", run.Failed, 0}}, ""},
		{"as before", []past{{"dc=old", run.Applied, 0}, {"dc=now", run.Applied, 0}}, ""},
		{"narrowed", []past{{"dc=older", run.Applied, 0}, {"dc=old", run.Incomplete, 0}, {"dc=now", run.Failed, 0}}, `run 2, of 2026-11-21T08:00:00Z, scope "staff" has base_dn "dc=now", and had "dc=old"`},
		{"withheld since", []past{{"dc=old", run.Applied, 0}, {"dc=now", run.Applied, 3}, {"dc=now", run.Applied, 3}}, `run 1, `},
		{"an edit and an undo read nothing", []past{{"dc=old", run.Applied, 0}, {"", run.Applied, 0}}, `run 1, `},
		{"always something withheld", []past{{"dc=old", run.Applied, 3}, {"dc=now", run.Applied, 3}}, `run 1, `},
	} {
		s := &session{ctx: t.Context(), store: state.At(filepath.Join(t.TempDir(), "s.jsonl"))}
		cfg := &config.Config{Scopes: []config.Scope{{Name: "staff", BaseDN: "dc=now"}}}
		for _, had := range c.runs {
			var scopes []run.Scope
			if had.base != "" {
				scopes = []run.Scope{{Name: "staff", BaseDN: had.base}}
			}
			r, err := s.store.Begin(s.ctx, run.Head{
				Started: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Scopes: scopes, Summary: map[string]int{"withheld": had.withheld},
			})
			if err != nil {
				t.Fatal(err)
			}
			if had.outcome.Changed() {
				if err := r.Intend(run.Result{}, &state.State{Sum: "sum"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.End(s.ctx, had.outcome, "", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(s.rescoped(cfg), "; "); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", c.story, got)
		}
	}
}

// TestHistoryPage: the page explains every key and every outcome.
func TestHistoryPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/history.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{}
	line, err := json.Marshal(&run.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !regexp.MustCompile("(?m)^\\| .*`" + key + "`.* \\|").Match(page) {
			t.Errorf("the page does not explain %s", key)
		}
	}
	for _, o := range []run.Outcome{run.Applied, run.Incomplete, run.Withheld, run.Declined, run.Rejected, run.Stale,
		run.Expired, run.Failed, run.Interrupted, run.Unfinished, run.Damaged} {
		if !strings.Contains(string(page), "| `"+string(o)+"` |") {
			t.Errorf("the page does not explain %s", o)
		}
	}
}

// TestHistoryNarrow: on a narrow page nothing of the counts, and of whose an address was,
// is left out.
func TestHistoryNarrow(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	at(t.Context(), strings.NewReader(""), false, "-C", dir, "apply", "--auto-approve")
	run := func(args ...string) string {
		var out bytes.Buffer
		s := &session{stdin: strings.NewReader(""), stdout: &out, stderr: &out, out: render.Terminal{Width: 80}, now: time.Now}
		if code := execute(t.Context(), append([]string{"-C", dir}, args...), s); code != exitOK {
			t.Fatalf("exit code %d\n%s", code, out.String())
		}
		return out.String()
	}
	if out := run("history"); !strings.Contains(out, "\n    changes 8 add, ") || !strings.Contains(out, "2 inactive, 22\n") || strings.Contains(out, "…") {
		t.Error(out)
	}
	if out := run("history", "--address", "sales@example.com"); !strings.Contains(out, "run 1\n    started ") ||
		!strings.Contains(out, "\n    before the primary of Sales EMEA (list account of corp)\n    after the primary of Sales (list account of corp)\n") {
		t.Error(out)
	}
}

// TestQuotedWord: a shell takes a command line that is suggested as it is meant.
func TestQuotedWord(t *testing.T) {
	for word, want := range map[string][2]string{
		"apply":                     {"apply", "apply"},
		"":                          {`""`, `""`},
		`C:\corp`:                   {`"C:\\corp"`, `C:\corp`},
		`\\fileserver\IT Abteilung`: {`"\\\\fileserver\\IT Abteilung"`, `"\\fileserver\IT Abteilung"`},
		`say "x"`:                   {`"say \"x\""`, `"say \"x\""`},
		`C:\IT Abteilung\`:          {`"C:\\IT Abteilung\\"`, `"C:\IT Abteilung\\"`},
		`C:\R&D`:                    {`"C:\\R&D"`, `"C:\R&D"`},
		`C:\a;(b)`:                  {`"C:\\a;(b)"`, `"C:\a;(b)"`},
		`@example.com`:              {`@example.com`, `"@example.com"`},
	} {
		if unix, windows := quotedWord(word, false), quotedWord(word, true); unix != want[0] || windows != want[1] {
			t.Errorf("%s is %s and %s, want %s", word, unix, windows, want)
		}
	}
}

package render

import (
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// pastRuns is a history of every outcome, a run a day.
func pastRuns() []run.Run {
	started := time.Date(2026, 10, 20, 5, 0, 0, 0, time.UTC)
	var runs []run.Run
	for i, o := range []run.Outcome{
		run.Applied, run.Applied, run.Declined, run.Incomplete, run.Withheld, run.Rejected, run.Stale, run.Expired, run.Failed, run.Interrupted, run.Applied, run.Applied, run.Unfinished,
	} {
		r := run.Run{Head: run.Head{
			Number: i + 1, Started: started.AddDate(0, 0, i), User: "rollcall", Host: "mail1.example.com", Automatic: i%3 > 0, Serial: int64(i), Accounts: 3 * i,
			Summary: map[string]int{"add": i, "inactive": i / 2, "attribute_change": 3 * i, "rejection": 22 - i, "drift": i % 3, "withheld": i / 4},
		}, Outcome: o, Result: run.Result{Withheld: i / 4}, SerialAfter: int64(i)}
		if o.Changed() {
			r.Applied, r.SerialAfter = 3*i, int64(i)+1
		}
		if o == run.Incomplete {
			r.Failures = []run.Failure{{Account: "bob@example.com", Error: "the console says no"}}
		}
		if o == run.Failed {
			r.Reason = "directory corp: ldaps://dc1.corp.example.com: connection refused"
		}
		runs = append(runs, r)
	}
	return append(runs, run.Run{Head: run.Head{Number: 14, Summary: map[string]int{}}, Outcome: run.Damaged, Reason: "line 3 is no JSON"})
}

// manyRuns is a history of n runs, one every six hours, mostly of a few changes.
func manyRuns(n int) []run.Run {
	random := rand.New(rand.NewPCG(1, 2))
	runs := make([]run.Run, n)
	for i := range runs {
		adds, losses := random.IntN(9), random.IntN(6)
		if i%500 == 250 {
			adds, losses = 2000, 40
		}
		runs[i] = run.Run{Head: run.Head{
			Number: i + 1, Started: time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 6 * time.Hour), User: "rollcall", Host: "mail1.example.com", Automatic: true,
			Serial: int64(i), Accounts: adds + losses, Summary: map[string]int{"add": adds, "inactive": losses, "rejection": 20 + i/400, "drift": random.IntN(50) / 49},
		}, Outcome: run.Applied, SerialAfter: int64(i + 1), Result: run.Result{Applied: adds + losses}}
		if i%97 == 50 {
			runs[i].Outcome, runs[i].Reason, runs[i].Applied, runs[i].SerialAfter = run.Failed, "directory corp: the server is not reachable", 0, int64(i)
		}
	}
	return runs
}

func historyOf(t testing.TB, runs []run.Run) string {
	t.Helper()
	var b strings.Builder
	if err := HistoryHTML(&b, runs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func pastPage(t testing.TB, all []Past) string {
	t.Helper()
	var b strings.Builder
	if err := PastHTML(&b, mail("ann@example.com"), all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pastOfAnn is what a run did to an address.
func pastOfAnn() []Past {
	r, p := pastRun()
	return []Past{{Run: *r, After: p.Accounts[0].After, Accounts: p.Accounts[:1], Rows: p.Changes[:1]}}
}

func TestHistoryHTML(t *testing.T) {
	for name, page := range map[string]string{"history": historyOf(t, pastRuns()), "history-none": historyOf(t, nil), "history-address": pastPage(t, pastOfAnn())} {
		golden(t, name+".html", ownParts.ReplaceAllString(page, "…"))
		for _, word := range []string{"<script", "http:", "https:", "url(", "@import", "style="} {
			if strings.Contains(page, word) {
				t.Errorf("%s has %s", name, word)
			}
		}
		if text := html.UnescapeString(page); !strings.Contains(text, "script-src 'none'") || !strings.Contains(text, digest(string(baseStyle+historyStyle))) {
			t.Errorf("%s has another policy", name)
		}
	}
}

// TestHistoryHTMLIsSafe: what a record says is text.
func TestHistoryHTMLIsSafe(t *testing.T) {
	tags := func(page string) int { return strings.Count(page, "<") }
	write := func(text string) string {
		runs := pastRuns()
		for i := range runs {
			r := &runs[i]
			r.User, r.Host, r.Command, r.Reason, r.Outcome, r.Console = text, text, text, text, run.Outcome(text), text
		}
		past := pastOfAnn()
		past[0].Run.User, past[0].Run.Outcome, past[0].After.Directory = text, run.Outcome(text), text
		return historyOf(t, runs) + pastPage(t, past)
	}
	want := tags(write("text"))
	for _, text := range append(slices.Clone(markings), hostile) {
		page := write(text)
		if got := tags(page); got != want {
			t.Errorf("%.40q makes %d tags of %d", text, got, want)
		}
		if i := strings.IndexFunc(page, func(r rune) bool { return r != '\n' && identity.Unprintable(r) }); i >= 0 || !utf8.ValidString(page) {
			t.Errorf("%.40q stands at octet %d as it is", text, i)
		}
	}
}

// TestTimeLine: however long a history is, its parts are few, and each run counts in
// one of them.
func TestTimeLine(t *testing.T) {
	at := func(times ...string) (runs []run.Run) {
		for i, text := range times {
			started, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run.Run{Head: run.Head{Number: i + 1, Started: started, Summary: map[string]int{"add": 2, "rejection": 10 - i}}, Outcome: run.Applied, Result: run.Result{Applied: 3}})
		}
		return runs
	}
	for _, c := range []struct {
		story string
		runs  []run.Run
		unit  string
		slots []string
	}{
		{"one run", at("2026-11-21T08:15:00Z"), "hour", []string{"2026-11-21 08:00"}},
		{"one day", at("2026-11-21T08:15:00Z", "2026-11-21T08:45:00Z", "2026-11-21T23:00:00Z"), "hour", []string{"2026-11-21 08:00", "2026-11-21 23:00"}},
		{"other zones", at("2026-11-21T23:30:00-08:00", "2026-12-21T08:45:00+09:00"), "day", []string{"2026-11-22", "2026-12-20"}},
		{"weeks begin on Monday", at("2025-11-23T08:15:00Z", "2025-11-24T08:15:00Z", "2026-11-22T08:45:00Z"), "week", []string{"2025-11-17", "2025-11-24", "2026-11-16"}},
		{"five years", at("2021-12-31T23:59:59Z", "2026-01-01T00:00:00Z"), "month", []string{"2021-12", "2026-01"}},
		{"a wrong clock", at("1970-01-01T00:00:01Z", "2026-01-01T00:00:00Z"), "year", []string{"1970", "2026"}},
		{"a very wrong clock", at("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:01Z"), "hundred years", []string{"0000", "2000", "9900"}},
		{"a clock that went back", at("2026-11-21T08:15:00Z", "2026-11-20T08:15:00Z", "2026-11-21T08:45:00Z"), "hour", []string{"2026-11-20 08:00", "2026-11-21 08:00"}},
	} {
		line := newTimeLine(c.runs)
		var names []string
		var sum, want runFigures
		for _, s := range line.Slots {
			names = append(names, s.Name)
			sum.add(s.Figures)
		}
		for i := range c.runs {
			want.add(figuresOf(&c.runs[i]))
		}
		if line.Unit != c.unit || !slices.Equal(names, c.slots) || sum != want {
			t.Errorf("%s: by %s, %q, %+v, want %+v", c.story, line.Unit, names, sum, want)
		}
	}
	if newTimeLine([]run.Run{{Outcome: run.Damaged}}) != nil {
		t.Error("a history without a time has a time line")
	}
	for _, n := range []int{1, 10, 200, 3000} {
		line := newTimeLine(manyRuns(n))
		bars := 0
		for _, p := range line.Panels {
			bars = max(bars, len(p.Bars))
		}
		if bars == 0 || bars > mostSlots || len(line.Slots) > mostSlots || len(line.Ticks) > 5 {
			t.Errorf("%d runs: %d bars, %d parts, %d names", n, bars, len(line.Slots), len(line.Ticks))
		}
	}
}

// TestFiguresOf: each category counts once, and a run that changed nothing counts none.
func TestFiguresOf(t *testing.T) {
	summary := map[string]int{
		"rejection": 1000, "withheld": 3, "withheld_inactive": 1, "withheld_primary_change": 2, "withheld_removal": 0, "left_out": 3000, "drift": 4000,
	}
	total := 0
	for i, c := range order {
		summary[c.String()] = 1 << i
		total += 1 << i
	}
	f := figuresOf(&run.Run{Head: run.Head{Summary: summary}, Outcome: run.Incomplete, Result: run.Result{Applied: 7, Withheld: 8}})
	if f.Comes+f.Alters+f.Goes != total-3 || f.Comes == 0 || f.Alters == 0 || f.Goes != summary["inactive"]+summary["removal"]-1 {
		t.Errorf("by kind %+v of %d", f, total)
	}
	older := map[string]int{"inactive": 32, "withheld": 32, "add": 5} // by which kind, it does not say
	if f := figuresOf(&run.Run{Head: run.Head{Summary: older}, Outcome: run.Applied}); f.Goes != 0 || f.Comes != 5 {
		t.Errorf("of an older run %+v", f)
	}
	f.Comes, f.Alters, f.Goes = 0, 0, 0
	if want := (runFigures{Runs: 1, Failed: 1, Accounts: 7, Withheld: 8, Rejections: 1000, Drift: 4000}); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
	if f := figuresOf(&run.Run{Head: run.Head{Summary: summary}, Outcome: run.Declined}); f != (runFigures{Runs: 1, Unchanged: 1, Rejections: 1000, Drift: 4000}) {
		t.Errorf("declined: %+v", f)
	}
}

// The page of a history shows each run, and the same figures as its bars; long ones
// have few open rows.
func browserHistory(t *testing.T, b *servertest.Browser) {
	runs := pastRuns()
	openPage(t, b, historyOf(t, runs))
	var want []string
	for _, r := range slices.Backward(runs) {
		want = append(want, fmt.Sprint(r.Number, " ", string(r.Outcome)))
	}
	got := eval[[]string](t, b, `return [...document.querySelectorAll("[aria-label^='Runs of'] tbody tr")].map((row) => row.cells[0].innerText + " " + row.cells[3].innerText)`)
	if !slices.Equal(got, want) {
		t.Errorf("runs %q, want %q", got, want)
	}
	// The largest number of each panel is in the table below.
	most := eval[map[string]string](t, b, `return Object.fromEntries([...document.querySelectorAll("figure")].map((f) => [f.querySelector("strong").innerText, f.querySelector(".most").innerText.split(": ")[1]]))`)
	if want := map[string]string{"Runs": "1 run", "Accounts changed": "33 accounts", "Changes by kind": "47 changes", "Rejections": "22 rejections", "Accounts withheld by a limit": "3 accounts", "Drift": "2 differences"}; !maps.Equal(most, want) {
		t.Errorf("most %q, want %q", most, want)
	}
	b.Click("main > details > summary")
	b.Until(`document.querySelector("main > details").open`)
	if got := eval[[]string](t, b, `return [...document.querySelector("[aria-label='The time line in figures'] tbody").rows].at(-2).innerText.split("\t")`); !slices.Equal(got, []string{"2026-10-31", "1", "", "33", "11", "33", "3", "2", "11", "2"}) {
		t.Errorf("figures %q", got)
	}

	page := historyOf(t, manyRuns(5000))
	openPage(t, b, page)
	shown := eval[int](t, b, `return [...document.querySelectorAll("[aria-label^='Runs of'] tbody tr")].filter((row) => row.checkVisibility()).length`)
	rows := eval[int](t, b, `return document.querySelectorAll("[aria-label^='Runs of'] tbody tr").length`)
	if shown < 25 || shown > 400 || rows != 5000 {
		t.Errorf("%d rows of %d are shown", shown, rows)
	}
	for _, width := range []int{1280, 400} {
		b.Look(width, 800, false)
		if got := eval[int](t, b, "return document.documentElement.scrollWidth"); got > width {
			t.Errorf("the page is %d pixels wide of %d", got, width)
		}
	}
}

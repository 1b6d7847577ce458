package render

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func textOf(t testing.TB, p *plan.Plan, opt TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, p, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	plans := []struct {
		name string
		plan *plan.Plan
	}{{"everything", everything()}, {"nothing", nothing()}, {"part", part(t)}, {"poisoned", poisoned()}, {"standing", standing()}, {"drift", drifting()}, {"drift-poisoned", poisonedDrift()}}
	for _, p := range plans {
		for _, width := range []int{40, 80, 120, 200, 0} {
			for _, color := range []bool{false, true} {
				name := fmt.Sprintf("%s-%d", p.name, width)
				if color {
					name += "-color"
				}
				t.Run(name, func(t *testing.T) {
					got := textOf(t, p.plan, TextOptions{Width: width, Color: color})
					checkText(t, got, width, color)
					if width == 80 || width == 200 || width == 120 && p.plan.Console != nil {
						golden(t, name+".txt", got)
					}
				})
			}
		}
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// checkText holds every text to what a terminal needs.
func checkText(t *testing.T, got string, width int, color bool) {
	t.Helper()
	if color {
		got = escapes.ReplaceAllString(got, "")
	}
	for line := range strings.Lines(got) {
		line = strings.TrimSuffix(line, "\n")
		if strings.TrimRight(line, " ") != line {
			t.Errorf("spaces at the end of %q", line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool {
			return identity.Unprintable(r) && r != '\u2068' && r != '\u2069' || r == '\ufffd'
		}); i >= 0 {
			t.Errorf("raw character at octet %d of %q", i, line)
		}
		// Only what a row is about may be longer than the page, and stands alone then.
		if n := cells(line); width >= 80 && n > width && strings.Contains(line[2:], " ") && !strings.Contains(line, `\x1b`) {
			t.Errorf("%d cells on a page of %d: %q", n, width, line)
		}
	}
}

func TestFixtureIsComplete(t *testing.T) {
	p := everything()
	s := p.Summary()
	for c, n := range s.Changes {
		if n == 0 {
			t.Errorf("no row of category %s", plan.Category(c))
		}
	}
	for r := plan.AliasRejected; int(r) < plan.Reasons; r++ {
		if !slices.ContainsFunc(p.Rejections, func(x plan.Rejection) bool { return x.Reason == r }) {
			t.Errorf("no row of reason %s", r)
		}
	}
}

// Colour adds nothing but colour, so that what is copied is true.
func TestColorChangesNoWord(t *testing.T) {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, width := range []int{40, 80, 200, 0} {
		without := words(textOf(t, drifting(), TextOptions{Width: width}))
		with := words(escapes.ReplaceAllString(textOf(t, drifting(), TextOptions{Width: width, Color: true}), ""))
		if with != without {
			t.Errorf("width %d: with colour:\n%s\nwithout:\n%s", width, with, without)
		}
	}
}

func TestCut(t *testing.T) {
	p := everything()
	for _, c := range []struct {
		opt   TextOptions
		signs map[string]int
		more  []string
	}{
		{TextOptions{Rows: 5}, map[string]int{"-": 8}, []string{"… 2 more: rollcall plan --all, or -o csv=FILE", "… 42 more: "}},
		{TextOptions{Rows: 5, Advice: Advice{Full: "rollcall show p.json --all"}}, map[string]int{"-": 8}, []string{"… 42 more: rollcall show p.json --all, or -o csv=FILE"}},
		{TextOptions{Rows: 2}, map[string]int{"-": 5, "!": 25}, []string{"… 45 more: "}},
		{TextOptions{All: true}, map[string]int{"-": 50, "!": 25}, nil},
	} {
		got := textOf(t, p, c.opt)
		for sign, want := range c.signs {
			// The summary has one line of each sign, too.
			if n := strings.Count(got, "\n"+sign+" "); n != want {
				t.Errorf("%+v: %d lines of %s, want %d", c.opt, n, sign, want)
			}
		}
		for _, more := range c.more {
			if !strings.Contains(got, more) {
				t.Errorf("%+v: no line %q", c.opt, more)
			}
		}
		if c.more == nil && strings.Contains(got, "more: ") {
			t.Errorf("%+v: something is cut", c.opt)
		}
	}
}

// Where not every rejection is shown, the new ones are; and without an earlier run
// none is marked.
func TestNewRejections(t *testing.T) {
	p := &plan.Plan{Header: header()}
	known := map[string]time.Time{}
	for i := range 20 {
		p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.AliasRejected, Address: fmt.Sprintf("x%02d@example.com", i)})
		if i < 17 {
			known[p.Rejections[i].Key()] = p.Created.AddDate(0, -1, 0)
		}
	}
	p.MarkNew(known, nil)
	got := textOf(t, p, TextOptions{Rows: 4})
	for _, want := range []string{"! x17@example.com  new\n", "! x19@example.com  new\n", "! x00@example.com  2026-10-21\n", "20 rejections, 3 of them new; see above for what to do"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if p.Rejections[0].Address != "x00@example.com" {
		t.Error("the plan is in another order")
	}
	p.MarkNew(nil, nil)
	if got := textOf(t, p, TextOptions{}) + csvOf(t, p); regexp.MustCompile(`\bnew\b|since`).MatchString(got) {
		t.Errorf("marked without an earlier run:\n%s", got)
	}
}

func TestClosingLine(t *testing.T) {
	account := person(1, "a", "A", "B", "a@example.com")
	goes := plan.Change{Category: plan.Inactive, Address: account.Primary, Before: account, After: inactive(account)}
	withheld := goes
	withheld.Withheld = true
	for _, c := range []struct {
		name string
		plan plan.Plan
		next string
		want string
	}{
		{"nothing", plan.Plan{}, "", "Nothing to do: the accounts agree with the directories."},
		{"one change", plan.Plan{Changes: []plan.Change{goes}}, "", "To apply it: rollcall apply"},
		{"saved plan", plan.Plan{Changes: []plan.Change{goes}}, "Do something else.", "Do something else."},
		{"all withheld", plan.Plan{Changes: []plan.Change{withheld}}, "", "Nothing to apply: all changes are withheld."},
		{"all left out", plan.Plan{LeftOut: part(t).LeftOut}, "", "Nothing to apply: all changes are left out."},
		{"rejections alone", plan.Plan{Rejections: rejections()}, "", "Nothing to do. 24 rejections remain."},
	} {
		lines := strings.Split(strings.TrimSuffix(textOf(t, &c.plan, TextOptions{Advice: Advice{Next: c.next}}), "\n"), "\n")
		if got := lines[len(lines)-1]; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A remedy that rows of one reason share is reported once, also when the rows do
// not follow each other.
func TestSharedRemedies(t *testing.T) {
	got := textOf(t, everything(), TextOptions{})
	for remedy, want := range map[string]int{`declare domain "example.info"`: 1, `declare domain "subsidiary.example"`: 1} {
		if n := strings.Count(got, remedy); n != want {
			t.Errorf("%q is shown %d times, want %d", remedy, n, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12403: "12,403", 3000000: "3,000,000", -1: "-1", -1234: "-1,234", -123: "-123"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
}

// Why an address stops receiving mail is never shortened.
func TestLossReasonsFitTheirColumn(t *testing.T) {
	column := categories[plan.Inactive].columns[slices.IndexFunc(categories[plan.Inactive].columns, func(c changeColumn) bool { return c.head == "because" })]
	for _, r := range plan.LossReasons() {
		if n := cells(r.Text()); n > column.least {
			t.Errorf("%q takes %d cells, and the column has %d", r.Text(), n, column.least)
		}
	}
}

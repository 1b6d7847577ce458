package render

import (
	"io"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// The local console is the state file: every report is as it is without a receipt.
func TestLocalConsoleIsNotShown(t *testing.T) {
	without, with := everything(), everything()
	with.Console = &plan.ConsoleReceipt{Name: "local", Kind: "local", Accounts: 12_510, Owned: 12_403, Local: 107, Facts: plan.Facts{Embedded: true}}
	for name, write := range map[string]func(*plan.Plan) string{
		"text":     func(p *plan.Plan) string { return textOf(t, p, TextOptions{Width: 80}) },
		"markdown": func(p *plan.Plan) string { return commentOf(t, p, Advice{}) },
		"html":     func(p *plan.Plan) string { return htmlOf(t, p) },
		"csv":      func(p *plan.Plan) string { return csvOf(t, p) },
	} {
		if write(with) != write(without) {
			t.Errorf("%s shows the local console", name)
		}
	}
}

// Drift is cut as other tables are, and counted whole.
func TestDriftIsCut(t *testing.T) {
	p := drifting()
	for _, c := range []struct {
		opt  TextOptions
		rows int
		more string
	}{
		{TextOptions{Rows: 3}, 3, "… 10 more: rollcall plan --all\n"},
		{TextOptions{Rows: 3, Advice: Advice{Full: "rollcall show p.json --all"}}, 3, "… 10 more: rollcall show p.json --all\n"},
		{TextOptions{}, len(p.Drift), ""},
		{TextOptions{All: true}, len(p.Drift), ""},
	} {
		got := textOf(t, p, c.opt)
		// The summary has one line of the sign, too.
		if n := strings.Count(got, "\n* "); n != c.rows+1 {
			t.Errorf("%+v: %d rows, want %d", c.opt, n-1, c.rows)
		}
		if !strings.Contains(got, c.more) || !strings.Contains(got, "13 differences in 11 accounts") {
			t.Errorf("%+v: no %q in\n%s", c.opt, c.more, got)
		}
	}
}

// What takes drift back is counted with what a brake withholds of it.
func TestCorrecting(t *testing.T) {
	row := func(drift, withheld bool) plan.Change { return plan.Change{Drift: drift, Withheld: withheld} }
	for _, c := range []struct {
		changes []plan.Change
		want    string
	}{
		{nil, ""},
		{[]plan.Change{row(false, true), row(false, false)}, ""},
		{[]plan.Change{row(true, false)}, "1 change is marked drift and corrects it"},
		{[]plan.Change{row(true, false), row(true, false)}, "2 changes are marked drift and correct it"},
		{[]plan.Change{row(true, false), row(true, true)}, "2 changes are marked drift and correct it, but 1 is withheld"},
	} {
		if got := correcting(c.changes); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// Of aliases, drift shows those that came or went, and the domain where it is not
// that of the account.
func TestDriftOfAliases(t *testing.T) {
	for _, c := range []struct{ recorded, found, long, short string }{
		{"a@example.com b@example.com", "b@example.com c@example.org", "-a@example.com +c@example.org", "-a@ +c@example.org"},
		{"", "a@example.com", "+a@example.com", "+a@"},
		{"a@example.com, b@example.com", "", "-a@example.com -b@example.com", "-a@ -b@"},
		{"", "a@example.com b@example.com c@example.com d@example.com e@example.com", "+a@example.com +b@example.com +c@example.com and 2 more", "+a@ +b@ +c@ and 2 more"},
		{"", "x\x1b[2J\u202e", `+x\x1b[2J\u202e`, `+x\x1b[2J\u202e`},
		{"a@example.com b@example.com", "b@example.com a@example.com", "a@example.com b@example.com -> b@example.com a@example.com", "a@example.com b@example.com -> b@example.com a@example.com"},
		{"a@example.com", "a@example.com", "", ""},
	} {
		d := plan.Drift{Kind: plan.DriftChanged, Primary: mail("x@example.com"), Field: plan.FieldAliases, Recorded: c.recorded, Found: c.found}
		for short, want := range map[bool]string{false: c.long, true: c.short} {
			if got := drift(&d, short).plain(); got != want {
				t.Errorf("%q became %q: %q, want %q", c.recorded, c.found, got, want)
			}
		}
	}
}

// A comparison reads one console for both plans: its receipt is there once, and
// drift, which both have, is not.
func TestDifferenceOfDriftingPlans(t *testing.T) {
	base, head := drifting(), drifting()
	base.Accounts = base.Accounts[3:]
	base.Changes = plan.Rows(base.Accounts)
	c := &Comparison{Created: head.Created, With: "../base", Difference: plan.Compare(base, head)}
	pages(t, "difference-drift", func(w io.Writer, opt TextOptions) error { return DifferenceText(w, c, opt) })
	pagesOf := map[string]string{
		"text":     textFrom(t, func(w io.Writer) error { return DifferenceText(w, c, TextOptions{}) }),
		"markdown": textFrom(t, func(w io.Writer) error { return DifferenceMarkdown(w, c) }),
		"json":     textFrom(t, func(w io.Writer) error { return DifferenceJSON(w, c) }),
		"csv":      textFrom(t, func(w io.Writer) error { return DifferenceCSV(w, c, Dialect{}) }),
	}
	golden(t, "difference-drift.md", pagesOf["markdown"])
	checkMarkdown(t, pagesOf["markdown"])
	for format, want := range map[string]string{
		"text": "changes marked drift correct what was changed in the console by hand", "markdown": "Changes marked drift correct what was changed in the console by hand.",
		"json": `"console": "gateway"`,
	} {
		if n := strings.Count(pagesOf[format], want); n != 1 {
			t.Errorf("%s has %q %d times", format, want, n)
		}
	}
	if n := strings.Count(pagesOf["text"], "exec console"); n != 1 {
		t.Errorf("the receipt is there %d times", n)
	}
	for format, page := range pagesOf {
		for _, no := range []string{"u-41", "unrecorded"} {
			if strings.Contains(page, no) {
				t.Errorf("%s shows drift: %s", format, no)
			}
		}
	}
	same := &Comparison{Created: head.Created, With: "../base", Difference: plan.Compare(drifting(), head)}
	if !same.Empty() {
		t.Error("the same drift is a difference")
	}
}

// Names of any script stay as they are, and before stands before after.
func TestDriftOfNames(t *testing.T) {
	p := drifting()
	for format, got := range map[string]string{"text": textOf(t, p, TextOptions{Width: 80}), "markdown": commentOf(t, p, Advice{}), "html": htmlOf(t, p)} {
		before, after := strings.Index(got, "דנה לוי"), strings.Index(got, "مها خليل")
		if before < 0 || after < before {
			t.Errorf("%s has the names at %d and %d", format, before, after)
		}
	}
}

// However long the texts of a console are, a row is bounded.
func TestDriftIsBounded(t *testing.T) {
	p := &plan.Plan{Header: plan.Header{Console: console()}}
	for i := range 12 {
		p.Drift = append(p.Drift, plan.Drift{
			Kind: plan.DriftChanged, Primary: mail("x@example.com"), Ref: strings.Repeat("r", 1<<20), Field: "department",
			Recorded: strings.Repeat(string(rune('a'+i)), 255), Found: strings.Repeat("\U000e0041x", 1<<18),
		})
	}
	got := textOf(t, p, TextOptions{Width: 80}) + commentOf(t, p, Advice{})
	if len(got) > 20_000 || strings.ContainsFunc(strings.ReplaceAll(got, "\n", ""), identity.Unprintable) {
		t.Errorf("%d octets", len(got))
	}
}

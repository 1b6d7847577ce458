package render

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// narrowed is a comparison in which rows of many categories and reasons appear,
// vanish and differ.
func narrowed() *Comparison {
	base, head := everything(), everything()
	base.Accounts = base.Accounts[4:]
	head.Accounts = head.Accounts[:len(head.Accounts)-15]
	for i := range head.Accounts {
		c := &head.Accounts[i]
		if c.After != nil && c.After.Type == identity.List {
			c.After = but(c.After, func(a *identity.Account) { a.Type = identity.User })
		}
		c.Withheld, c.Kept = false, nil
	}
	base.Changes, head.Changes = plan.Rows(base.Accounts), plan.Rows(head.Accounts)
	base.Rejections = base.Rejections[:len(base.Rejections)-4]
	head.Rejections = head.Rejections[3:]
	for i := range head.Rejections {
		if r := &head.Rejections[i]; r.Guard == "executives" {
			r.Guard = "board"
		}
	}
	text := func(s string) *string { return &s }
	return &Comparison{
		Version: "1.0.0", Created: head.Created, With: "../base", Difference: plan.Compare(base, head),
		Files: []FileDifference{
			{Name: "holds.txt", Head: text("ann@example.com\n")},
			{Name: "password.txt", Base: text("hunter2"), Head: text("hunter3"), Concealed: true},
			{Name: "rollcall.hcl", Base: text("protected \"executives\" {\n}\n"), Head: text("protected \"board\" {\n}\n")},
		},
	}
}

// hostileComparison has hostile text in every field that comes from outside.
func hostileComparison() *Comparison {
	text := hostile + "\n```\n<script>@everyone"
	c := &Comparison{With: hostile, Files: []FileDifference{{Name: hostile, Head: &text}, {Name: hostile, Base: &text, Concealed: true}}}
	base, head := poisoned(), poisoned()
	base.Accounts = base.Accounts[:1]
	base.Accounts[0].After = but(base.Accounts[0].After, func(a *identity.Account) { a.Username = "x" + hostile })
	base.Changes = plan.Rows(base.Accounts)
	for i := range base.Rejections {
		base.Rejections[i].Guard = ""
	}
	c.Difference = plan.Compare(base, head)
	return c
}

func unchangedComparison() *Comparison {
	return &Comparison{Version: "1.0.0", Created: header().Created, With: "../base", Difference: plan.Compare(standing(), standing())}
}

func TestDifferenceText(t *testing.T) {
	for name, c := range map[string]*Comparison{"difference": narrowed(), "difference-none": unchangedComparison(), "difference-poisoned": hostileComparison()} {
		for _, width := range []int{80, 200} {
			for _, color := range []bool{false, true} {
				var b strings.Builder
				if err := DifferenceText(&b, c, TextOptions{Width: width, Color: color, Rows: 4}); err != nil {
					t.Fatal(err)
				}
				file := fmt.Sprintf("%s-%d", name, width)
				if color {
					file += "-color"
				}
				golden(t, file+".txt", b.String())
				for line := range strings.Lines(escapes.ReplaceAllString(b.String(), "")) {
					checkLine(t, strings.TrimSuffix(line, "\n"))
				}
				if strings.Contains(b.String(), "hunter") {
					t.Errorf("%s shows a secret", file)
				}
			}
		}
	}
}

// checkLine finds what nobody should see as it is.
func checkLine(t *testing.T, line string) {
	t.Helper()
	if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && identity.Unprintable(r) || r == '\ufffd' }); i >= 0 {
		t.Errorf("raw character at octet %d of %q", i, line)
	}
}

func TestDifferenceCSV(t *testing.T) {
	for name, c := range map[string]*Comparison{"difference": narrowed(), "difference-poisoned": hostileComparison()} {
		var b strings.Builder
		if err := DifferenceCSV(&b, c, Dialect{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".csv", b.String())
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, value := range row {
				checkCell(t, value)
			}
		}
	}
}

func TestDifferenceJSON(t *testing.T) {
	for name, c := range map[string]*Comparison{"difference": narrowed(), "difference-none": unchangedComparison(), "difference-poisoned": hostileComparison()} {
		var b strings.Builder
		if err := DifferenceJSON(&b, c); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", b.String())
		var doc struct {
			Configuration []struct {
				Diff      string
				Concealed bool
			}
			Changes, Rejections []struct {
				Effect     string
				Base, Head map[string]any
				Fields     []string
			}
		}
		if err := json.Unmarshal([]byte(b.String()), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Changes) != len(c.Changes) || len(doc.Rejections) != len(c.Rejections) || len(doc.Configuration) != len(c.Files) {
			t.Errorf("%s: %d changes, %d rejections and %d files", name, len(doc.Changes), len(doc.Rejections), len(doc.Configuration))
		}
		for _, row := range append(doc.Changes, doc.Rejections...) {
			if (row.Base == nil) != (row.Effect == "appears") || (row.Head == nil) != (row.Effect == "vanishes") || (len(row.Fields) > 0) != (row.Effect == "differs") {
				t.Errorf("%s: %+v", name, row)
			}
		}
		if _, err := plan.ReadJSON(strings.NewReader(b.String())); err == nil || !strings.Contains(err.Error(), "comparison of two configurations") {
			t.Errorf("%s: taken for a plan: %v", name, err)
		}
	}
}

func markdownOf(t *testing.T, c *Comparison) string {
	t.Helper()
	var b strings.Builder
	if err := DifferenceMarkdown(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDifferenceMarkdown(t *testing.T) {
	for name, c := range map[string]*Comparison{"difference": narrowed(), "difference-none": unchangedComparison(), "difference-poisoned": hostileComparison()} {
		got := markdownOf(t, c)
		golden(t, name+".md", got)
		if strings.Contains(got, "hunter") {
			t.Errorf("%s shows a secret", name)
		}
		bars := regexp.MustCompile(`(^|[^\\])\|`)
		fence, want := "", 0
		for line := range strings.Lines(got) {
			checkLine(t, strings.TrimSuffix(line, "\n"))
			switch {
			case fence == "" && strings.HasPrefix(line, "```"):
				fence = strings.TrimSuffix(line, "diff\n")
			case fence != "":
				if strings.TrimSuffix(line, "\n") == fence {
					fence = ""
				}
			case strings.HasPrefix(line, "|"):
				n := len(bars.FindAllString(line, -1))
				if want == 0 {
					want = n
				}
				if n != want {
					t.Errorf("%s: %d cells in place of %d: %s", name, n-1, want-1, line)
				}
			default:
				want = 0
				if rest := regexp.MustCompile("^<details><summary><b>[a-z_]*</b>: [a-z0-9, ]*</summary>$|^</details>$|`[^`]*`").ReplaceAllString(outside(t, strings.TrimSpace(line)), ""); regexp.MustCompile(`(^|[^\\])[<@]`).MatchString(rest) {
					t.Errorf("%s: raw %q", name, line)
				}
			}
		}
		if fence != "" {
			t.Errorf("%s: a fence is open at the end", name)
		}
	}
}

// TestDifferenceMarkdownIsStable: where the other configuration was is not shown,
// not even where a report is cut.
func TestDifferenceMarkdownIsStable(t *testing.T) {
	head := &plan.Plan{}
	for n := range 5000 {
		head.Accounts = append(head.Accounts, plan.AccountChange{After: person(n, "user", "A", "B", fmt.Sprintf("p%d@example.com", n))})
	}
	head.Changes = plan.Rows(head.Accounts)
	c := &Comparison{With: "/tmp/one", Difference: plan.Compare(&plan.Plan{}, head)}
	one := markdownOf(t, c)
	c.With = "/tmp/other"
	if two := markdownOf(t, c); one != two || !strings.Contains(one, "`rollcall plan --compare DIR --all`") {
		t.Errorf("the reports differ:\n%.300s\n%.300s", one, two)
	}
}

// TestDifferenceMarkdownIsShort: whatever differs, it fits in a comment, says how
// much it has not, and every section keeps some rows.
func TestDifferenceMarkdownIsShort(t *testing.T) {
	long := strings.Repeat("\U0001F469|", 5000)
	base, head := &plan.Plan{}, &plan.Plan{}
	for n := range 5000 {
		head.Accounts = append(head.Accounts, plan.AccountChange{After: person(n, long, "A", "B", fmt.Sprintf("p%d@example.com", n))})
		base.Rejections = append(base.Rejections, plan.Rejection{Reason: plan.LegalHold, Address: fmt.Sprint(n, long), Guard: long, DN: long})
	}
	for reason := plan.AliasRejected; int(reason) < plan.Reasons; reason++ {
		head.Rejections = append(head.Rejections, plan.Rejection{Reason: reason, Address: long, Guard: long, DN: long, Scope: long})
	}
	head.Changes = plan.Rows(head.Accounts)
	for range 1000 {
		head.Warnings = append(head.Warnings, long)
	}
	c := &Comparison{Difference: plan.Compare(base, head)}
	for n := range 1000 {
		c.Files = append(c.Files, FileDifference{Name: fmt.Sprint(n, long), Head: &long, Concealed: n%2 == 0})
	}
	got := markdownOf(t, c)
	if len(got) > longestReport || len(got) < longestReport*2/3 {
		t.Errorf("%d octets", len(got))
	}
	for _, want := range []string{"- … 980 more", "lines are not shown here**", "… 979 files more", "| `p0@example.com` | new user |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%.300s\n%q", want, got, regexp.MustCompile("….{0,30}more.{0,20}").FindAllString(got, 9))
		}
	}
	if open, shut := strings.Count(got, "<details>"), strings.Count(got, "</details>"); open != shut || open != 3+len(head.Rejections) {
		t.Errorf("%d sections are opened and %d closed", open, shut)
	}
}

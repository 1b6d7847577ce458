package render

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

func commentOf(t testing.TB, p *plan.Plan, opt Advice) string {
	t.Helper()
	var b strings.Builder
	if err := Markdown(&b, p, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	for _, p := range []struct {
		name string
		plan *plan.Plan
	}{{"everything", everything()}, {"nothing", nothing()}, {"part", part(t)}, {"poisoned", poisoned()}, {"standing", standing()}, {"drift", drifting()}, {"drift-poisoned", poisonedDrift()}} {
		t.Run(p.name, func(t *testing.T) {
			golden(t, p.name+".md", commentOf(t, p.plan, Advice{}))
		})
	}
}

// lively values would like to be more than values.
var livelyValues = []string{
	"@octocat", "x @org/team y", "#123", "GH-7", "GL-12", "owner/repo#5", "!1", "~bug", "%2", "&3", "$x$", "^a", ":+1:", "a:smile:b", "deadbeef", "0123456789abcdef0123456789abcdef01234567",
	"http://example.com", "see www.example.com", "ann@example.com", "mailto:ann@example.com", "<b>", "<script>alert(1)</script>", "</details>", "<!-- x", "&lt;b&gt;", "&#64;octocat",
	"[a](http://example.com)", "![a](b)", "[^1]", "*a*", "**a**", "_a_", "__a__", "~~a~~", "`a`", "``", "`", "a`b``c", "|", "a|b", `a\|b`, `a\\|b`, `a\`, `\`, "\\`", "| a | b |",
	"- a", "1. a", "> a", "# a", "---", "a  \nb", "\r\n\r\n| x |", "```\nx\n```", "\u202egnp", "a\u200bb", strings.Repeat("x|`@", 3000), "-> @a ->",
}

// outside is a line without its code spans, which hide what they hold.
func outside(t *testing.T, line string) string {
	t.Helper()
	var b strings.Builder
	for line != "" {
		start := strings.IndexByte(line, '`')
		if start < 0 {
			b.WriteString(line)
			break
		}
		b.WriteString(line[:start])
		rest := strings.TrimLeft(line[start:], "`")
		fence := line[start : len(line)-len(rest)]
		end := -1
		for at := 0; at < len(rest); {
			i := strings.Index(rest[at:], fence)
			if i < 0 {
				break
			}
			n := len(rest[at+i:]) - len(strings.TrimLeft(rest[at+i:], "`"))
			if n == len(fence) {
				end = at + i
				break
			}
			at += i + n
		}
		if end < 0 {
			t.Fatalf("a code span that does not end: %s", line)
		}
		b.WriteString("code")
		line = rest[end+len(fence):]
	}
	return b.String()
}

var (
	ownMarkup    = regexp.MustCompile(`^(## |> )|\*\*\w[\w ,:()]*\*\*|^\| ~ \||^(<details><summary><b>\w+</b>: [\w ,:'-]+</summary>|</details>)$|!` + "`?" + ` \| rejected|\(?[0-9][0-9.]*%\)?([ .,;:]|$)`)
	livelySign   = regexp.MustCompile(`[@#<>*~$%^&\[\]{}` + "`" + `]|://|www\.|:\w*[a-z]\w*:`)
	unescapedBar = regexp.MustCompile(`(^|[^\\])\|`)
)

// checkMarkdown holds every page to what keeps values from being markup, and
// tables tables.
func checkMarkdown(t *testing.T, page string) {
	t.Helper()
	checkText(t, strings.ReplaceAll(page, " |\n", "|\n"), 0, false)
	if n := len(page); n > longestReport {
		t.Errorf("%d octets", n)
	}
	columns := 0
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		rest := outside(t, line)
		if found := livelySign.FindString(ownMarkup.ReplaceAllString(rest, "")); found != "" {
			t.Errorf("%q could mean something in %q", found, line)
		}
		n := len(unescapedBar.FindAllString(line, -1))
		if columns > 0 && n > 0 && n != columns {
			t.Errorf("a row of %d cells among those of %d: %s", n-1, columns-1, line)
		}
		columns = n
	}
	if open, shut := strings.Count(page, "\n<details>"), strings.Count(page, "\n</details>\n"); open != shut {
		t.Errorf("%d sections are opened, %d closed", open, shut)
	}
}

// TestMarkdownBlocks: a plan has its warnings as a list, the risk as another, and
// nothing else is an item of either.
func TestMarkdownBlocks(t *testing.T) {
	p := everything()
	p.Only = []string{"add"}
	program := servertest.Need(t, "cmark-gfm", "cmark-gfm")
	c := exec.Command(program, "-e", "table")
	c.Stdin = strings.NewReader(commentOf(t, p, Advice{}))
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	html := string(out)
	for _, want := range []string{"<p>Read: corp", "<p>Only: add</p>"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in\n%.3000s", want, html)
		}
	}
	lists := regexp.MustCompile(`(?s)<ul>.*?</ul>`).FindAllString(html, -1)
	if len(lists) != 2 || strings.Count(lists[0], "<li>") != len(p.Warnings)+1 || strings.Count(lists[1], "<li>") != len(p.Risks) {
		t.Errorf("lists %q", lists)
	}
}

// livelyPlan has a value of livelyValues in every field that takes any text.
func livelyPlan() *plan.Plan {
	p := &plan.Plan{Header: header()}
	for n, value := range livelyValues {
		a := person(n, value, value, value, fmt.Sprintf("x%02d|`{y}@example.com", n))
		p.Accounts = append(p.Accounts, plan.AccountChange{After: a})
		b := person(100+n, "b", "b", "b", fmt.Sprintf("y%02d@example.com", n))
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: b, After: but(b, func(b *identity.Account) { b.Attributes, b.DN, b.Username = a.Attributes, value, value })})
		p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.AliasMalformed, Address: value, DN: value, Directory: value, Scope: value, Other: plan.Party{Kind: plan.EntryParty, Name: value + "x"}})
	}
	p.Changes = plan.Rows(p.Accounts)
	for _, value := range livelyValues {
		p.Drift = append(p.Drift, plan.Drift{Kind: plan.DriftChanged, Primary: mail("x|`{y}@example.com"), Ref: value, Field: value, Recorded: value, Found: value + "x"})
	}
	p.Console = &plan.ConsoleReceipt{Name: "a|b @octocat", Kind: "<b>", Product: "`x` #1", Version: "**1**"}
	p.Warnings, p.Unread, p.Only = livelyValues, livelyValues, livelyValues
	return p
}

// TestMarkdownIsInert: no value becomes markup, a link, a reference or a mention.
func TestMarkdownIsInert(t *testing.T) {
	r, past := pastRun()
	r.User, r.Command, r.Reason, r.Failures[0].Error = "@octocat", "rollcall apply --only a|b@example.com", "see #7", "<b>"
	pages := map[string]string{
		"lively": commentOf(t, livelyPlan(), Advice{Full: "rollcall show `a|b`.json", Next: "run rollcall apply @a"}), "poisoned": commentOf(t, poisoned(), Advice{}),
		"everything": commentOf(t, everything(), Advice{}), "drift": commentOf(t, drifting(), Advice{}), "drift-poisoned": commentOf(t, poisonedDrift(), Advice{}), "part": commentOf(t, part(t), Advice{}),
	}
	for name, write := range map[string]func(io.Writer) error{
		"run":  func(w io.Writer) error { return RunMarkdown(w, r, past, "rollcall history show 7 --all") },
		"runs": func(w io.Writer) error { return RunsMarkdown(w, []run.Run{r.Run, r.Run}) },
		"accounts": func(w io.Writer) error {
			return AccountsMarkdown(w, []identity.Account{*past.Accounts[0].After, *livelyPlan().Accounts[0].After})
		},
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		pages[name] = b.String()
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			checkMarkdown(t, page)
			asGitHub(t, page)
		})
	}
}

// asGitHub checks a page as GitHub's own renderer makes HTML of it, where that
// is installed.
func asGitHub(t *testing.T, page string) {
	t.Helper()
	program := servertest.Need(t, "cmark-gfm", "cmark-gfm")
	c := exec.Command(program, "--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tagfilter")
	c.Stdin = strings.NewReader(page)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	html := string(out)
	for _, tag := range regexp.MustCompile(`<[a-z!][^>]*>`).FindAllString(html, -1) {
		if !regexp.MustCompile(`^<(h2|p|table|thead|tbody|tr|t[hd]( align="right")?|strong|b|code|ul|li|details|summary)>$`).MatchString(tag) {
			t.Errorf("a value became %s", tag)
		}
	}
	if text := regexp.MustCompile(`(?s)<code>.*?</code>`).ReplaceAllString(html, ""); strings.ContainsAny(text, "@#`|") {
		t.Errorf("outside of code: %s", regexp.MustCompile(".*[@#`|].*").FindString(text))
	}
	for row := range strings.SplitSeq(html, "<tr>") {
		if strings.Contains(row, "<td></td>\n</tr>") && strings.Contains(row, "code</td>\n<td></td>\n<td></td>") {
			t.Errorf("a row is cut off: %s", row)
		}
	}
}

// TestMarkdownIsCut: whatever there is, a report is short enough, each section
// keeps some rows, and it is reported how many are missing.
func TestMarkdownIsCut(t *testing.T) {
	p := everything()
	for n := range 3000 {
		p.Accounts = append(p.Accounts, plan.AccountChange{After: person(1000+n, "joiner", "Joiner", "Staff", fmt.Sprintf("joiner%04d@example.com", n))})
		p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.MissingGUID, Address: fmt.Sprintf("x%04d@example.com", n)})
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	for range 500 {
		p.Warnings = append(p.Warnings, strings.Repeat("a long warning ", 1000))
	}
	page := commentOf(t, p, Advice{Full: "rollcall show p.json --all"})
	checkMarkdown(t, page)
	if len(page) < longestReport*9/10 {
		t.Errorf("only %d octets", len(page))
	}
	shown, missing := 0, 0
	for _, section := range strings.Split(page, "<details>")[1:] {
		rows := strings.Count(section, "\n|") - 2
		if rows < 1 {
			t.Errorf("no row in <details>%s", section)
		}
		shown += rows
		if m := regexp.MustCompile(`\n… ([\d,]+) more\n`).FindStringSubmatch(section); m != nil {
			n, _ := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
			missing += n
		}
	}
	total, grouped := len(p.Changes)+len(p.Rejections), 0
	for _, g := range p.Groups {
		grouped += g.Rows // which one line stands for
	}
	want := fmt.Sprintf("**%s of %s changes and rejections are not shown here**", number(total-shown), number(total))
	if shown+missing+grouped != total || grouped == 0 || !strings.Contains(page, want) || !strings.Contains(page, "`rollcall show p.json --all`") {
		t.Errorf("%d rows are shown and %d missing, of %d; no %q", shown, missing, total, want)
	}
	for _, want := range []string{"<b>attribute_change</b>: 4 attributes change", "- **Withheld**: ", "- … 482 more\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestMarkdownIsStable: what differs from run to run without a change of the
// plan is not shown.
func TestMarkdownIsStable(t *testing.T) {
	p, later := everything(), everything()
	later.Created, later.Expires, later.ConfigDigest, later.Serial = p.Created.AddDate(0, 0, 1), p.Expires.AddDate(0, 0, 1), "sha256:1", 9
	r := &later.Directories[0]
	r.Server, r.Scanned, r.Seconds, r.Identity, r.USNBefore, r.USNAfter, r.Pages, r.Reread = "ldaps://dc2", 20000, 99, "x", 1, 2, 3, 4
	if commentOf(t, p, Advice{}) != commentOf(t, later, Advice{}) {
		t.Error("the reports differ, and the plans do not")
	}
}

// TestTableRow: a bar parts cells and nothing else, whatever is before it.
func TestTableRow(t *testing.T) {
	if got, want := tableRow(markdown("(|(a=b)(c=d))"), markdown(`a\|b`), ""), "| `(\\|(a=b)(c=d))` | `a\\x7cb` |  |\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBarsInSentences: outside of tables a filter stays as it is.
func TestBarsInSentences(t *testing.T) {
	p := &plan.Plan{Header: header()}
	p.Warnings = []string{"no entry matches (|(mail=*)(uid=*))"}
	if page := commentOf(t, p, Advice{}); !strings.Contains(page, "- **Warning**: no entry matches `(|(mail=*)(uid=*))`\n") {
		t.Errorf("got:\n%s", page)
	}
}

// TestMarkdownOctets: what takes no room on the screen takes none of the comment
// from the rest.
func TestMarkdownOctets(t *testing.T) {
	p := everything()
	marks := "e" + strings.Repeat("\u0301", 3000)
	for range 100 {
		p.Warnings = append(p.Warnings, strings.Repeat(marks, 100))
		p.Unread = append(p.Unread, marks)
	}
	if n := len(remark(marks)); n > longestRemark*octetsPerCell+len("…") {
		t.Errorf("a remark of %d octets", n)
	}
	page := commentOf(t, p, Advice{})
	if len(page) > longestReport || strings.Contains(page, "are not shown here") {
		t.Errorf("%d octets, or rows are missing", len(page))
	}
}

func TestInert(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Ann Müller (Sales)", "Ann Müller (Sales)"},
		{"CN=Ann,DC=example", "CN=Ann,DC=example"},
		{"ask ann@example.com.", "ask `ann@example.com`."},
		{"ann@example.com, bob@example.com,", "`ann@example.com`, `bob@example.com,`"},
		{",@ ,", "`,@` ,"},
		{"legal_hold", `legal\_hold`},
		{"a -> b", "a → b"},
		{"- a - 1.", "`-` a - 1."},
		{"1. a", "`1.` a"},
		{"a|b", "`a|b`"},
		{`a\|b`, "`a\\|b`"},
		{"GL-12 gl-1 agl-1", "`GL-12` `gl-1` agl-1"},
		{"a`b", "``a`b``"},
		{"`", "`` ` ``"},
		{"2026-11-21T08:00:00Z", "2026-11-21T08:00:00Z"},
		{":+1: a:smile:b :100:", "`:+1:` `a:smile:b` `:100:`"},
		{`CN=Smith\, Ann`, "`CN=Smith\\,` Ann"},
		{"#7 at http://x", "`#7` at `http://x`"},
		{"\x1b[2J\u202e", "`\\x1b[2J\\u202e`"},
	} {
		if got := markdown(c.text); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
}

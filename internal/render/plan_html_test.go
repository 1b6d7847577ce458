package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

func htmlOf(t testing.TB, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := HTML(&b, p, Advice{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// reports are the plans that every test of the page goes through.
func reports(t testing.TB) []struct {
	name string
	plan *plan.Plan
} {
	return []struct {
		name string
		plan *plan.Plan
	}{{"everything", everything()}, {"nothing", nothing()}, {"part", part(t)}, {"poisoned", poisoned()}, {"standing", standing()}, {"drift", drifting()}, {"drift-poisoned", poisonedDrift()}, {"marked-up", markedUp()}}
}

// markings are what would be more than text, if a page took it for markup.
var markings = []string{
	`</script><script>owned=1</script>`, `<img src=x onerror=owned=1>`, `"><svg onload=owned=1>`, `'onmouseover='owned=1`, `<!--<script>`, `-->`, `]]>`,
	`javascript:owned=1`, `&lt;b&gt;&#x3c;i&#x3e;`, `{{.Verdict}}`, "${owned=1}`", "\u202egnp.exe\u2066", "\u2028\u2029", "\x00\x1b[2J", "\xff\xfe", "שלום ann עולם", "a\u200bb\u00adc", " a ", "</title></style>",
	strings.Repeat("long<b>", 1500), "__proto__",
}

// markedUp has each of these in every field that comes from outside.
func markedUp() *plan.Plan {
	p := &plan.Plan{Header: header()}
	p.Warnings, p.Unread, p.Only, p.Except = markings, markings, markings, markings
	p.ConfigDigest, p.ToolVersion = markings[0], markings[0]
	p.Console = &plan.ConsoleReceipt{Name: markings[0], Kind: markings[1], Product: markings[2], Version: markings[3]}
	for i, text := range markings {
		p.Drift = append(p.Drift, plan.Drift{Kind: plan.DriftChanged, Primary: mail(fmt.Sprintf("account%02d@example.com", i)), Ref: text, Field: text, Recorded: text, Found: text + "2"})
		p.Directories = append(p.Directories, identity.Receipt{Name: text, Kind: text, Server: text, Identity: text})
		name := fmt.Sprintf("account%02d", i)
		before := person(i+1, text, text, text, name+"@example.com", name+".b@example.com")
		before.Directory = text
		before.Attributes = []identity.Attribute{{Name: text, Value: text}}
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: but(before, func(a *identity.Account) {
			a.Aliases, a.Username, a.DN = []identity.Address{mail(name + ".a@example.com")}, text+"2", text+"2"
			a.Attributes = []identity.Attribute{{Name: text, Value: text + "2"}}
		})})
		p.Rejections = append(p.Rejections, plan.Rejection{
			Reason: plan.UnknownDomain, Address: text, Primary: text, DN: text, Directory: text, Scope: text, Guard: text, Attribute: text, Wanted: text,
			Other: plan.Party{Kind: plan.EntryParty, Name: text, Directory: text},
		})
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	return p
}

var (
	ownParts  = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*</script>|sha256-[^=]*=`)
	dataBlock = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)
)

func TestHTML(t *testing.T) {
	for _, p := range reports(t) {
		t.Run(p.name, func(t *testing.T) {
			got := htmlOf(t, p.plan)
			if htmlOf(t, p.plan) != got {
				t.Error("the same plan gives other bytes")
			}
			if p.name != "marked-up" {
				golden(t, p.name+".html", ownParts.ReplaceAllString(got, "…"))
			}
			if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && identity.Unprintable(r) }); i >= 0 || !utf8.ValidString(got) {
				t.Errorf("raw character at octet %d", i)
			}
			data := dataBlock.FindStringSubmatch(got)
			if data == nil || !json.Valid([]byte(data[1])) {
				t.Fatal("the data is no JSON")
			}
			if strings.ContainsAny(data[1], "<>&") {
				t.Error("the data has markup")
			}
		})
	}
}

// TestReportPolicy ties what the page is allowed to what it has.
func TestReportPolicy(t *testing.T) {
	page := htmlOf(t, nothing())
	for _, part := range []string{"<style>" + string(reportStyle) + "</style>", "<script>" + string(reportScript) + "</script>"} {
		if strings.Count(page, part) != 1 {
			t.Errorf("the page does not have %.40s… as it is", part)
		}
	}
	for _, word := range []string{"unsafe", "http:", "https:", "*"} {
		if strings.Contains(reportPolicy, word) {
			t.Errorf("the policy allows %s", word)
		}
	}
	for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "http://", "https://", "url("} {
		if strings.Contains(string(reportScript)+string(reportStyle), word) {
			t.Errorf("the page has %s", word)
		}
	}
}

// open writes a report into a file, opens it and returns its URL.
func open(t *testing.T, b *servertest.Browser, p *plan.Plan) string {
	t.Helper()
	return openPage(t, b, htmlOf(t, p))
}

func openPage(t *testing.T, b *servertest.Browser, page string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Open("file://" + file)
	return "file://" + file
}

// eval returns what the body of a function returns in the page.
func eval[T any](t *testing.T, b *servertest.Browser, body string, args ...any) (value T) {
	t.Helper()
	b.Eval(&value, body, args...)
	return value
}

// cellsShown returns the texts of the rows of the table that can be seen.
func cellsShown(t *testing.T, b *servertest.Browser) [][]string {
	t.Helper()
	return eval[[][]string](t, b, `return [...document.querySelectorAll("#table tbody tr:not(.gap)")].map((row) => [...row.children].map((cell) => cell.innerText))`)
}

// untilShown waits until the page says that it shows n of all that a tab has.
func untilShown(b *servertest.Browser, n, all int, noun string) {
	text := fmt.Sprintf("%d of %d %s", n, all, noun)
	if n == all {
		text = fmt.Sprintf("%d %s", all, noun)
	}
	b.Until(fmt.Sprintf(`document.getElementById("status").textContent === %q`, text))
}

// firstCells are those of the rows.
func firstCells(t *testing.T, b *servertest.Browser) (all []string) {
	t.Helper()
	for _, row := range cellsShown(t, b) {
		all = append(all, row[0])
	}
	return all
}

func TestHTMLInBrowser(t *testing.T) {
	t.Parallel()
	b := servertest.NewBrowser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *servertest.Browser)
	}{
		{"rows", browserRows},
		{"tabs", browserTabs},
		{"links", browserLinks},
		{"search", browserSearch},
		{"filters", browserFilters},
		{"details", browserDetails},
		{"withheld", browserWithheld},
		{"left out", browserLeftOut},
		{"drift", browserDrift},
		{"download", browserDownload},
		{"hostile values", browserHostile},
		{"visible", browserVisible},
		{"dark", browserDark},
		{"sorting", browserSorting},
		{"groups", browserGroups},
		{"nothing found", browserNothingFound},
		{"wrapped", browserWrapped},
		{"print", browserPrint},
		{"mass change on paper", browserPaper},
		{"addresses on paper", browserWhole},
		{"history", browserHistory},
		{"without scripts", browserWithoutScripts},
		{"narrow", browserNarrow},
		{"100,000 rows", browserMany},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := b.With(t)
			b.Look(1280, 900, false)
			b.Complaints()
			test.run(t, b)
			if all := b.Complaints(); len(all) > 0 {
				t.Errorf("the console says %q", all)
			}
		})
	}
}

// Each plan has the tabs and the numbers of rows that its summary says.
func browserRows(t *testing.T, b *servertest.Browser) {
	for _, p := range reports(t) {
		open(t, b, p.plan)
		want := map[string]string{"Summary": ""}
		tab := func(name string, n int) {
			if n > 0 {
				want[name] = number(n)
			}
		}
		s := p.plan.Summary()
		for c, n := range s.Changes {
			tab(plan.Category(c).String(), n)
		}
		tab("All changes", len(p.plan.Changes))
		tab("Left out", s.LeftOut)
		tab("Drift", len(p.plan.Drift))
		tab("Rejections", s.Rejections)
		got := eval[map[string]string](t, b, `return Object.fromEntries([...document.querySelectorAll("[role=tab]")].map((tab) => [tab.querySelector("code")?.textContent ?? tab.innerText.split("\n")[0].replace(/\d+$/, ""), tab.children[1]?.textContent ?? ""]))`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: tabs (-want +got):\n%s", p.name, diff)
		}
	}
}

// The tabs are one stop of the tab key; arrows move between them, Home and End
// to the ends.
func browserTabs(t *testing.T, b *servertest.Browser) {
	open(t, b, everything())
	focused := func() string { return eval[string](t, b, "return document.activeElement.textContent") }
	b.Press(servertest.Tab)
	if got := focused(); got != "Skip to the content" {
		t.Errorf("first is %q", got)
	}
	b.Eval(nil, `document.querySelector("[role=tab][aria-selected=true]").focus()`)
	rejected := fmt.Sprint("Rejections", len(everything().Rejections))
	for _, step := range []struct{ keys, want, heading string }{
		{servertest.Down, "All changes72", "All changes"},
		{servertest.Right, "addresses start receiving mail add7", "addresses start receiving mail"},
		{servertest.Up + servertest.Left, "Summary", ""},
		{servertest.Up, rejected, "Rejections"},
		{servertest.Home, "Summary", ""},
		{servertest.End, rejected, "Rejections"},
	} {
		b.Press(step.keys)
		if got := focused(); got != step.want {
			t.Errorf("after %q the focus is on %q, want %q", step.keys, got, step.want)
		}
		heading := eval[string](t, b, `return document.getElementById("rows").hidden ? "" : document.getElementById("heading").textContent`)
		if heading != step.heading {
			t.Errorf("after %q the page shows %q, want %q", step.keys, heading, step.heading)
		}
		selected := eval[[]string](t, b, `return [...document.querySelectorAll("[role=tab]")].filter((tab) => tab.getAttribute("aria-selected") === "true" || tab.tabIndex === 0).map((tab) => tab.textContent)`)
		if !slices.Equal(selected, []string{step.want}) {
			t.Errorf("after %q %q are selected or in the way of the tab key", step.keys, selected)
		}
	}
	roles := eval[[]string](t, b, `const table = document.getElementById("table");
return [table.getAttribute("role"), table.getAttribute("aria-rowcount"), document.querySelector("#table thead th").scope, document.querySelector("#rows").getAttribute("aria-labelledby")]`)
	if want := []string{"grid", fmt.Sprint(1 + len(everything().Rejections) + plan.Reasons - 1), "col", "tab-rejections"}; !slices.Equal(roles, want) {
		t.Errorf("the table says %q, want %q", roles, want)
	}
}

// A link names a tab, and of rejections a reason.
func browserLinks(t *testing.T, b *servertest.Browser) {
	url := open(t, b, everything())
	b.Open("about:blank")
	b.Open(url + "#adoption")
	if got, want := firstCells(t, b), []string{"kim@example.com"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	b.Click("#tab-summary")
	b.Click(`a[href="#type_change"]`)
	b.Until(`document.getElementById("heading").textContent === "account changes its type"`)
	want := [][]string{{"team@example.com", "user", "list", "the entry is a list now", "corp"}}
	if diff := cmp.Diff(want, cellsShown(t, b)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	b.Eval(nil, `location.hash = "rejections/unknown_domain"`)
	untilShown(b, 3, len(everything().Rejections), "rejections")
	if got, want := firstCells(t, b), []string{"3 rejected: " + plan.UnknownDomain.Meaning() + "unknown_domain", "pat@example.info", "pat@subsidiary.example", "quinn@example.info"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	b.Eval(nil, `location.hash = "rejections"`)
	untilShown(b, len(everything().Rejections), len(everything().Rejections), "rejections")
	b.Eval(nil, `location.hash = "nowhere"`)
	if got := eval[string](t, b, `return document.getElementById("heading").textContent`); got != "Rejections" {
		t.Errorf("a link to nowhere leads to %q", got)
	}
}

// textOfAccounts is what is searched of the account that a row takes from, and
// of the one that it gives to.
func textOfAccounts(p *plan.Plan, row *plan.Change) string {
	var b strings.Builder
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if (row.Before == nil || row.Before != c.Before) && (row.After == nil || row.After != c.After) {
			continue
		}
		for _, a := range []*identity.Account{c.Before, c.After} {
			if a != nil {
				b.Write(a.AppendJSON(nil))
			}
		}
		if c.Withheld {
			b.WriteString("withheld")
		}
	}
	return strings.ToLower(b.String())
}

// A search finds the changes whose accounts have all its words before or after,
// wherever they have them.
func browserSearch(t *testing.T, b *servertest.Browser) {
	p := everything()
	open(t, b, p)
	for _, words := range []string{"ann.jones", "ANN SMITH", "info@example.com", "ou=marketing ajones", "8c4ac30e-975f", "李伟", "leaver.two", "jørgen &", "withheld student07", "nobody-has-this"} {
		var want []string
		for i := range p.Changes {
			text := textOfAccounts(p, &p.Changes[i])
			if !slices.ContainsFunc(strings.Fields(strings.ToLower(words)), func(word string) bool { return !strings.Contains(text, word) }) {
				want = append(want, p.Changes[i].Address.String())
			}
		}
		search(b, words, "changes", len(want))
		b.Click("#tab-changes")
		if diff := cmp.Diff(want, firstCells(t, b)); diff != "" {
			t.Errorf("search for %q (-want +got):\n%s", words, diff)
		}
	}
	if got := eval[bool](t, b, `return document.getElementById("shown").disabled`); !got {
		t.Error("no rows can be downloaded")
	}
	search(b, "quinn lee", "rejections", 3)
	search(b, "", "changes", len(p.Changes))
}

// search types a search and waits until a tab has that many rows.
func search(b *servertest.Browser, text, tab string, rows int) {
	b.Click("#search")
	b.Eval(nil, `document.getElementById("search").value = ""; document.getElementById("search").dispatchEvent(new Event("input"))`)
	b.Press(text)
	b.Until(fmt.Sprintf(`document.getElementById("search").value === %q && document.querySelector("#tab-%s .n").textContent === %q`, text, tab, number(rows)))
}

// choose takes an option of a list.
func choose(b *servertest.Browser, id, value string) {
	b.Eval(nil, `const list = document.getElementById(arguments[0]); list.value = arguments[1]; list.dispatchEvent(new Event("change"))`, id, value)
}

func browserFilters(t *testing.T, b *servertest.Browser) {
	p := standing()
	open(t, b, p)
	b.Click("#tab-rejections")
	b.Click("#new")
	untilShown(b, newOnes(p.Rejections), len(p.Rejections), "rejections")
	for _, row := range cellsShown(t, b) {
		if len(row) > 1 && row[1] != "new" {
			t.Errorf("%q is not new", row)
		}
	}
	p = everything()
	open(t, b, p)
	b.Click("#tab-changes")
	choose(b, "directory", "=lab")
	n := 0
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Before != nil && c.Before.Directory == "lab" || c.After != nil && c.After.Directory == "lab" {
			n++
		}
	}
	untilShown(b, n, len(p.Changes), "changes")
	choose(b, "directory", "=")
	b.Until(`document.querySelector("#tab-adoption .n").textContent === "1" && document.querySelector("#tab-add .n").textContent === "0"`)
	choose(b, "directory", "")
	choose(b, "type", "=list")
	untilShown(b, 2, len(p.Changes), "changes")
	if got, want := firstCells(t, b), []string{"all@example.com", "team@example.com"}; !slices.Equal(got, want) {
		t.Errorf("lists %q, want %q", got, want)
	}
}

// sidesShown returns the values of the open details, with those that are marked
// as gone or new between - - and + +.
func sidesShown(t *testing.T, b *servertest.Browser) [][]string {
	t.Helper()
	return eval[[][]string](t, b, `
const marked = (cell) => [...cell.children].map((part) => part.querySelector("del") ? "-" + part.innerText + "-" : part.querySelector("ins") ? "+" + part.innerText + "+" : part.innerText).join(" ");
return [...document.querySelectorAll("#details h3, #details tr")].map((row) => row.tagName === "H3" ? [row.innerText] :
  [...row.children].map((cell) => cell.tagName === "TH" ? (row.className === "changed" ? "*" : "") + cell.innerText.trim().split(/\s*\(/)[0] : marked(cell)))`)
}

// Enter opens a row, Escape closes it and leads back to the row; a row of two
// accounts shows both.
func browserDetails(t *testing.T, b *servertest.Browser) {
	open(t, b, everything())
	b.Click("#tab-primary_change")
	b.Eval(nil, `document.querySelector("#table tr[tabindex='0']").focus()`)
	b.Press(servertest.Enter)
	b.Until(`document.getElementById("details").open`)
	want := [][]string{
		{"Account ann.jones@example.com"},
		{"value", "before", "after"},
		{"*primary", "-ann.smith@example.com-", "+ann.jones@example.com+"},
		{"*aliases", "a.smith@example.com -sales@example.com-", "a.smith@example.com +ann.smith@example.com+"},
		{"type", "user", "user"},
		{"status", "active", "active"},
		{"directory", "corp", "corp"},
		{"guid", "8c4ac301-975f-4717-ad7b-ba4a4e960001", "8c4ac301-975f-4717-ad7b-ba4a4e960001"},
		{"*username", "-asmith-", "+ajones+"},
		{"*dn", "-CN=Ann Smith,OU=Sales,DC=corp,DC=example,DC=com-", "+CN=Ann Jones,OU=Marketing,DC=corp,DC=example,DC=com+"},
		{"*department", "", "+Marketing+"},
		{"*display_name", "-Ann Smith-", "+Ann Jones+"},
	}
	if diff := cmp.Diff(want, sidesShown(t, b)); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	b.Press(servertest.Escape)
	b.Until(`!document.getElementById("details").open`)
	if got := eval[string](t, b, `return document.activeElement.firstChild.innerText`); got != "ann.jones@example.com" {
		t.Errorf("the focus is on %q", got)
	}
	b.Press(servertest.Down + servertest.Enter)
	b.Until(`document.getElementById("subject").innerText === "desk@example.com"`)
	b.Click("#next")
	b.Until(`document.getElementById("subject").innerText === "fay@example.com" && document.getElementById("next").disabled`)
	b.Click("#close")

	b.Click("#tab-alias_switch")
	b.Click("#table tr[tabindex='0']")
	b.Until(`document.getElementById("subject").innerText === "sales@example.com"`)
	var accounts []string
	for _, row := range sidesShown(t, b) {
		if len(row) == 1 {
			accounts = append(accounts, row[0])
		}
	}
	if want := []string{"Account ann.jones@example.com", "Account bob@example.com"}; !slices.Equal(accounts, want) {
		t.Errorf("accounts %q, want %q", accounts, want)
	}
	b.Press(servertest.Escape)

	b.Eval(nil, `location.hash = "rejections/guid_changed"`)
	untilShown(b, 1, len(everything().Rejections), "rejections")
	b.Click("#table tr[tabindex='0']")
	got := eval[string](t, b, `return document.getElementById("detail").innerText`)
	r := &everything().Rejections[19]
	for _, want := range []string{r.Message(plan.Names{}), r.Remedy(plan.Names{}), r.DN, r.GUID.String(), r.Scope, r.Reason.Meaning()} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

// A withheld row is marked, and its details show how the account stays.
func browserWithheld(t *testing.T, b *servertest.Browser) {
	open(t, b, everything())
	b.Click("#tab-inactive")
	for _, row := range cellsShown(t, b) {
		if want := map[bool]string{true: "withheld"}[strings.HasPrefix(row[0], "student")]; row[1] != want {
			t.Errorf("%s is marked %q, want %q", row[0], row[1], want)
		}
	}
	b.Eval(nil, `[...document.querySelectorAll("#table tr")].find((row) => row.innerText.includes("student00.old")).click()`)
	b.Until(`document.getElementById("details").open`)
	want := [][]string{
		{"Account student00@example.org"},
		{"value", "before", "after", "wanted, which a limit withholds"},
		{"primary", "student00@example.org", "student00@example.org", "student00@example.org"},
		{"aliases", "student00.old@example.org", "student00.old@example.org", ""},
		{"type", "user", "user", "user"},
		{"status", "active", "active", "inactive"},
	}
	if diff := cmp.Diff(want, sidesShown(t, b)[:6]); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

func browserLeftOut(t *testing.T, b *servertest.Browser) {
	p := part(t)
	open(t, b, p)
	b.Click("#tab-left_out")
	rows := cellsShown(t, b)
	if len(rows) != len(p.LeftOut) {
		t.Fatalf("%d rows, want %d", len(rows), len(p.LeftOut))
	}
	for i := range p.LeftOut {
		row := p.LeftOut[i].Row()
		if want := []string{row.Address, row.Category.String(), primaryOf(&row), p.LeftOut[i].Why()}; !slices.Equal(rows[i], want) {
			t.Errorf("row %d is %q, want %q", i, rows[i], want)
		}
	}
	b.Click("#table tr[tabindex='0']")
	got := eval[string](t, b, `return document.getElementById("detail").innerText`)
	if !strings.HasPrefix(got, p.LeftOut[0].Why()) || !strings.Contains(got, rows[0][1]) {
		t.Errorf("details %q", got)
	}
}

// The page writes the very CSV of -o csv; only what is no UTF-8 is lost to a
// page.
func browserDownload(t *testing.T, b *servertest.Browser) {
	lossy := strings.NewReplacer(`\xff`, "\ufffd", `\xfe`, "\ufffd")
	for _, p := range reports(t) {
		open(t, b, p.plan)
		b.Click("#all")
		if diff := cmp.Diff(lossy.Replace(csvOf(t, p.plan)), lossy.Replace(string(b.Downloaded("rollcall-plan.csv")))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.name, diff)
		}
	}
	p := everything()
	open(t, b, p)
	search(b, "student07", "inactive", 2)
	b.Click("#tab-inactive")
	b.Click("#shown")
	var want []string
	for line := range strings.Lines(csvOf(t, p)) {
		if len(want) == 0 || strings.Contains(line, "student07") {
			want = append(want, line)
		}
	}
	if diff := cmp.Diff(strings.Join(want, ""), string(b.Downloaded("rollcall-inactive.csv"))); diff != "" {
		t.Errorf("shown rows (-want +got):\n%s", diff)
	}
}

// What was changed in the console by hand has a tab, in which it stands by kind; a
// link may name one. Changes that take it back are marked.
func browserDrift(t *testing.T, b *servertest.Browser) {
	p := drifting()
	open(t, b, p)
	text := eval[string](t, b, `return document.getElementById("summary").innerText`)
	for _, want := range []string{"differences in the console", "accounts are no longer in the console", "12,512 accounts: 12,403 owned, 79 local, 30 foreign", "acme-gateway 3.1", "2.1 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary does not show %q", want)
		}
	}
	b.Click(`a[href="#drift/changed"]`)
	untilShown(b, 6, len(p.Drift), "differences")
	want := [][]string{
		{"6 fields have other valueschanged"},
		{"ann.smith@example.com", "aliases", "a.smith@example.com sales@example.com", "a.smith@example.com ann@example.com sales@example.com", "u-1"},
	}
	if diff := cmp.Diff(want, cellsShown(t, b)[:2]); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	choose(b, "reason", "gone")
	untilShown(b, 2, len(p.Drift), "differences")
	b.Until(`location.hash === "#drift/gone"`)
	choose(b, "reason", "")
	untilShown(b, len(p.Drift), len(p.Drift), "differences")
	search(b, "dana active", "drift", 1)
	b.Click("#shown")
	if diff := cmp.Diff("kind,account,ref,field,recorded,found\nchanged,dana@example.com,u-41,status,active,inactive\n", string(b.Downloaded("rollcall-drift.csv"))); diff != "" {
		t.Errorf("as CSV (-want +got):\n%s", diff)
	}
	b.Click("#table tbody tr:not(.gap):not(.head)")
	b.Until(`document.getElementById("details").open`)
	if got := eval[string](t, b, `return document.getElementById("details").innerText.replace(/\s+/g, " ")`); !strings.Contains(got, "dana@example.com changed: somebody changed the console by hand field status recorded active found inactive ref u-41") {
		t.Errorf("details %q", got)
	}
	b.Click("#close")
	search(b, "", "drift", 13)
	// Of rejections, the list has the reasons again.
	b.Click("#tab-rejections")
	choose(b, "reason", "unknown_domain")
	untilShown(b, 3, len(p.Rejections), "rejections")
	b.Until(`document.querySelector("#tab-drift .n").textContent === "13"`)
	b.Click("#tab-add")
	marked := map[string]string{}
	for _, row := range cellsShown(t, b) {
		if row[1] != "" {
			marked[row[0]] = row[1]
		}
	}
	if diff := cmp.Diff(map[string]string{"all@example.com": "drift", "wei.li@example.com": "drift"}, marked); diff != "" {
		t.Errorf("marked (-want +got):\n%s", diff)
	}
	b.Click("#tab-primary_change")
	if got := eval[string](t, b, `return document.querySelector("#table thead").innerText`); strings.Contains(got, "mark") {
		t.Errorf("a category without marks has the columns %q", got)
	}
}

// No value becomes anything but text: every tab and every row of a plan of
// hostile values is opened.
func browserHostile(t *testing.T, b *servertest.Browser) {
	for _, p := range []*plan.Plan{markedUp(), poisoned(), poisonedDrift()} {
		b.Look(1280, 2_000, false)
		open(t, b, p)
		opened := 0
		b.Eval(&opened, `let opened = 0;
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.click();
  await new Promise(requestAnimationFrame);
  for (let head; (head = document.querySelector("#table tr[aria-expanded=false]"));) head.click();
  const rows = Number(document.getElementById("table").getAttribute("aria-rowcount")) - 1;
  for (let i = 0; i < rows && tab.id !== "tab-summary"; i++) {
    const row = document.querySelector("#table tr[tabindex='0']");
    row.click();
    if (document.getElementById("details").open) opened++;
    document.getElementById("details").close();
    document.getElementById("scroller").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
  }
}
dispatchEvent(new Event("beforeprint"));
return opened;`)
		if want := 2*len(p.Changes) + len(p.Rejections) + len(p.Drift); opened < want {
			t.Errorf("%d rows were opened, want %d", opened, want)
		}
		var found struct {
			Owned    bool
			Scripts  int
			Tags     []string
			Handlers int
			Links    []string
		}
		b.Eval(&found, `const all = [...document.querySelectorAll("*")];
return {owned: "owned" in window, scripts: document.scripts.length, tags: [...new Set(all.map((node) => node.localName))].sort(),
  handlers: all.filter((node) => node.getAttributeNames().some((name) => name.startsWith("on") || name === "style" && node.localName !== "col" && node.localName !== "td")).length,
  links: all.filter((node) => node.hasAttribute("href") || node.hasAttribute("src")).map((node) => node.getAttribute("href") ?? node.getAttribute("src")).filter((link) => !/^#[a-z_/0-9]+$/.test(link))}`)
		want := []string{
			"a", "bdi", "body", "br", "button", "code", "col", "colgroup", "dd", "del", "details", "dialog", "div", "dl", "dt", "form", "h1", "h2", "h3", "head", "header", "html",
			"input", "ins", "label", "li", "main", "meta", "nav", "noscript", "option", "p", "rect", "script", "section", "select", "span", "strong", "style", "summary", "svg", "table", "tbody", "td", "th",
			"thead", "title", "tr", "ul", "wbr",
		}
		for _, tag := range found.Tags {
			if !slices.Contains(want, tag) {
				t.Errorf("the page has a <%s>", tag)
			}
		}
		if found.Owned || found.Scripts != 1 || found.Handlers > 0 || len(found.Links) > 0 {
			t.Errorf("the page has %+v", found)
		}
	}
}

// What cannot be seen looks as it does in a terminal.
func browserVisible(t *testing.T, b *servertest.Browser) {
	p := markedUp()
	b.Look(1280, 9000, false)
	open(t, b, p)
	b.Eval(nil, `location.hash = "rejections"`)
	b.Until(`document.getElementById("heading").textContent === "Rejections"`)
	var want []string
	for _, text := range markings {
		if utf8.ValidString(text) && len(text) < longest {
			want = append(want, clean(text))
		}
	}
	var got []string
	for _, row := range eval[[]string](t, b, `return [...document.querySelectorAll("#table tbody th")].map((cell) => cell.textContent)`) {
		if !strings.ContainsRune(row, utf8.RuneError) && !strings.HasPrefix(row, "long") {
			got = append(got, row)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if n := eval[int](t, b, `return Math.max(...[...document.querySelectorAll("#table bdi")].map((value) => value.textContent.length))`); n > longest+1 {
		t.Errorf("a cell shows %d characters", n)
	}
}

// The page is dark where the reader wants it, and the button changes that.
func browserDark(t *testing.T, b *servertest.Browser) {
	bright := func() bool {
		return eval[bool](t, b, `return getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).every((n) => n > 128)`)
	}
	for _, dark := range []bool{false, true} {
		b.Look(1280, 900, dark)
		open(t, b, everything())
		if bright() == dark {
			t.Errorf("wanted dark %v", dark)
		}
		b.Click("#theme")
		if bright() != dark {
			t.Errorf("the button does not change dark %v", dark)
		}
	}
}

// On paper are the summary and, of each category, kind and reason, the rows.
func browserPrint(t *testing.T, b *servertest.Browser) {
	p := drifting()
	open(t, b, p)
	b.Click("#tab-add")
	b.Eval(nil, `addEventListener("beforeprint", () => { window.paper = document.getElementById("print").textContent; })`)
	if pdf := b.Print(); !bytes.HasPrefix(pdf, []byte("%PDF")) {
		t.Errorf("%d octets are no PDF", len(pdf))
	}
	paper := eval[string](t, b, "return window.paper")
	for i := range p.Changes {
		if !strings.Contains(paper, p.Changes[i].Address.String()) {
			t.Errorf("%s is not printed", p.Changes[i].Address)
		}
	}
	for i := range p.Rejections {
		if !strings.Contains(paper, p.Rejections[i].Message(plan.Names{})) || !strings.Contains(paper, p.Rejections[i].Remedy(plan.Names{})) {
			t.Errorf("the rejection of %s is not printed", p.Rejections[i].Address)
		}
	}
	for i := range p.Drift {
		if d := &p.Drift[i]; !strings.Contains(paper, d.Primary.String()) || !strings.Contains(paper, d.Recorded) || !strings.Contains(paper, d.Found) || !strings.Contains(paper, d.Ref) {
			t.Errorf("the drift of %s is not printed", d.Primary)
		}
	}
	if eval[bool](t, b, `return document.getElementById("print").hasChildNodes()`) {
		t.Error("what is printed stays in the page")
	}
}

// Without its script the page has the summary, the warnings and the receipts.
func browserWithoutScripts(t *testing.T, b *servertest.Browser) {
	b.Scripts(false)
	defer b.Scripts(true)
	open(t, b, everything())
	text := eval[string](t, b, "return document.body.innerText")
	for _, want := range []string{strings.ReplaceAll(everything().Verdict(), plan.VerdictSeparator+"risk", " risk"), "This browser runs no scripts", "case-2024-003", "47", "addresses stop receiving mail", "unknown_domain", "ldaps://dc1.corp.example.com", "USN 812345 to 812351", "14 pages in 3.2 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(text, "Search") || strings.Contains(text, "Download") {
		t.Error("the page shows what does nothing")
	}
}

// On a telephone nothing is wider than the page.
func browserNarrow(t *testing.T, b *servertest.Browser) {
	b.Look(400, 800, false)
	for _, tab := range []string{"summary", "changes", "drift", "rejections"} {
		open(t, b, drifting())
		b.Click("#tab-" + tab)
		if got := eval[int](t, b, "return Math.max(document.documentElement.scrollWidth, document.getElementById('main').scrollWidth, document.getElementById('scroller').scrollWidth)"); got > 400 {
			t.Errorf("%s is %d pixels wide", tab, got)
		}
	}
	// Columns that only help leave no gap, however the page has become as narrow.
	const short = `const all = [...document.querySelectorAll("#table tr:not(.gap)")], edge = document.getElementById("table").getBoundingClientRect().right;
return all.filter((row) => Math.abs([...row.children].filter((c) => c.offsetWidth > 0).at(-1).getBoundingClientRect().right - edge) > 1).length`
	b.Look(1280, 900, false)
	for _, width := range []int{1280, 700, 500, 900} {
		b.Look(width, 800, false)
		for _, tab := range []string{"rejections", "summary", "drift", "rejections"} {
			b.Click("#tab-" + tab)
			if tab == "summary" {
				continue
			}
			if n := eval[int](t, b, short); n > 0 {
				t.Errorf("%d lines of %s end before the table of %d pixels does", n, tab, width)
			}
		}
	}
}

// crowd is a plan in which n accounts change, by four rows each, with a rejection
// for one in ten.
func crowd(n int) *plan.Plan {
	p := &plan.Plan{Header: header()}
	for i := range n {
		name := fmt.Sprintf("person.%06d", i)
		before := person(i, name, "Person "+name, "Staff", name+"@example.com", name+".b@example.com")
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: but(before, func(a *identity.Account) {
			a.Username, a.DN = name+"x", strings.Replace(a.DN, "OU=Staff", "OU=Sales", 1)
			a.Aliases = []identity.Address{mail(name + ".a@example.com")}
		})})
		if i%10 == 0 {
			p.Rejections = append(p.Rejections, plan.Rejection{
				Reason: plan.UnknownDomain, Address: name + "@example.info", Scope: "staff", DN: before.DN, Directory: "corp", Primary: before.Primary.String(), GUID: before.GUID,
			})
		}
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	return p
}

// However many rows there are, few are in the document, and all can be reached.
func browserMany(t *testing.T, b *servertest.Browser) {
	open(t, b, crowd(25_000))
	b.Click("#tab-changes")
	b.Until(`document.getElementById("status").textContent === "100,000 changes"`)
	const unfold = `for (let heads; (heads = document.querySelectorAll("#table tr[aria-expanded=false]")).length > 0;) [...heads].at(-1).click(); return document.querySelectorAll("#table tr.folds").length`
	groups := eval[int](t, b, unfold)
	if groups == 0 {
		t.Error("no equal changes")
	}
	if n := len(firstCells(t, b)); n > 100 {
		t.Errorf("%d rows are in the document", n)
	}
	lines := eval[int](t, b, `return Number(document.getElementById("table").getAttribute("aria-rowcount"))`)
	if lines != 100_001+len(crowd(25_000).Groups) {
		t.Errorf("%d lines", lines)
	}
	b.Eval(nil, `document.querySelector("#table tr[tabindex='0']").focus()`)
	b.Press(servertest.End)
	b.Until(fmt.Sprintf(`document.activeElement.getAttribute("aria-rowindex") === "%d"`, lines))
	if got := eval[bool](t, b, `const row = document.activeElement.getBoundingClientRect(), box = document.getElementById("scroller").getBoundingClientRect(); return row.bottom <= box.bottom + 1 && row.top >= box.top`); !got {
		t.Error("the last row is out of sight")
	}
	b.Eval(nil, `document.getElementById("scroller").scrollTop = 0`)
	b.Until(`document.querySelector("#table tr[aria-rowindex='2']")`)
	// The active row is out of sight: in its place the keyboard reaches the table,
	// and from there the rows.
	stops := `const all = [...document.querySelectorAll("#scroller, #scroller [tabindex]")].filter((e) => e.tabIndex === 0); return all.map((e) => e.id || e.localName)`
	if got := eval[[]string](t, b, stops); !slices.Equal(got, []string{"scroller"}) {
		t.Errorf("tab stops %q with the active row out of sight", got)
	}
	b.Eval(nil, `document.getElementById("scroller").focus()`)
	b.Press(servertest.Home)
	b.Until(`document.activeElement.getAttribute("aria-rowindex") === "2"`)
	if got := eval[[]string](t, b, stops); !slices.Equal(got, []string{"tr"}) {
		t.Errorf("tab stops %q with the active row in sight", got)
	}
	search(b, "person.012345x", "changes", 4)
	if got, want := firstCells(t, b), []string{
		"1 of 25,000 accounts lose an address in @example.com and keep others in itinactive", "person.012345.b@example.com",
		"1 of 25,000 accounts dn: OU=Staff -> OU=Salesattribute_change", "person.012345@example.com", "person.012345.a@example.com", "person.012345@example.com",
	}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	search(b, "person.02499", "rejections", 1)
	search(b, "", "rejections", 2500)
}

// A column orders the rows, by mouse or keyboard; a second time the other way round,
// a third time as they were. Groups stay.
func browserSorting(t *testing.T, b *servertest.Browser) {
	p := everything()
	open(t, b, p)
	b.Click("#tab-changes")
	unsorted := firstCells(t, b)
	sorts := `return [...document.querySelectorAll("#table thead th")].map((th) => th.getAttribute("aria-sort") ?? "")`
	b.Click("#table thead th:nth-child(2) button")
	kinds := func() (all []string) {
		for _, row := range cellsShown(t, b) {
			all = append(all, strings.ToLower(row[1]))
		}
		return all
	}
	if got := kinds(); !slices.IsSorted(got) || got[0] != "account changes its directory" {
		t.Errorf("by kind: %q", got)
	}
	if got := eval[[]string](t, b, sorts); got[1] != "ascending" || got[0] != "" {
		t.Errorf("the heads say %q", got)
	}
	b.Press(servertest.Enter)
	b.Until(`document.querySelector("#table thead th:nth-child(2)").getAttribute("aria-sort") === "descending"`)
	if got := kinds(); got[0] != "record of an account goes" {
		t.Errorf("by kind, the other way round: %q", got)
	}
	b.Press(" ")
	b.Until(`!document.querySelector("#table [aria-sort]")`)
	if got := firstCells(t, b); !slices.Equal(got, unsorted) {
		t.Errorf("as they were: %q, want %q", got, unsorted)
	}
	b.Click("#tab-rejections")
	b.Click("#table thead th:nth-child(1) button")
	b.Click("#table thead th:nth-child(1) button")
	b.Eval(nil, `location.hash = "rejections/unknown_domain"`)
	untilShown(b, 3, len(p.Rejections), "rejections")
	if got, want := firstCells(t, b)[1:], []string{"quinn@example.info", "pat@subsidiary.example", "pat@example.info"}; !slices.Equal(got, want) {
		t.Errorf("rejections %q, want %q", got, want)
	}
}

// moved is a plan in which 30 accounts go to another OU, and 3 elsewhere.
func moved() *plan.Plan {
	p := &plan.Plan{Header: header()}
	for i := range 33 {
		name, to := fmt.Sprintf("person.%02d", i), "OU=Germany-North"
		if i >= 30 {
			to = "OU=" + name
		}
		before := person(i, name, "Person "+name, "Berlin", name+"@example.com")
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: but(before, func(a *identity.Account) { a.DN = strings.Replace(a.DN, "OU=Berlin", to, 1) })})
	}
	p.Changes = plan.Rows(p.Accounts)
	return assessed(p)
}

// Equal changes are one line, which opens and closes; a link, a search and paper
// show what a reader wants of them.
func browserGroups(t *testing.T, b *servertest.Browser) {
	url := open(t, b, moved())
	const line = "30 accounts dn: OU=Berlin -> OU=Germany-North"
	text := eval[string](t, b, `return document.querySelector("details.group summary").innerText.replace(/\s+/g, " ")`)
	if want := "~ 30 accounts dn: OU=Berlin -> OU=Germany-North attribute_change"; text != want {
		t.Errorf("the summary says %q, want %q", text, want)
	}
	b.Click("details.group summary")
	b.Until(`document.querySelectorAll("details.group li").length === 20 && document.querySelector("details.group p").innerText.trim() === "All 30 changes"`)
	b.Click("#tab-attribute_change")
	singles := []string{line + "attribute_change", "person.30@example.com", "person.31@example.com", "person.32@example.com"}
	if got := firstCells(t, b); !slices.Equal(got, singles) {
		t.Errorf("closed: %q", got)
	}
	if got := cellsShown(t, b)[1]; got[2] != "OU=Berlin" || got[3] != "OU=person.30" {
		t.Errorf("a single change is %q", got)
	}
	b.Eval(nil, `document.querySelector("#table tr[tabindex='0']").focus()`)
	b.Press(servertest.Enter)
	b.Until(`document.activeElement.getAttribute("aria-expanded") === "true" && document.getElementById("table").getAttribute("aria-rowcount") === "35"`)
	b.Press(servertest.Down + servertest.Enter)
	b.Until(`document.getElementById("details").open && document.getElementById("subject").innerText === "person.00@example.com" && document.getElementById("previous").disabled`)
	b.Press(servertest.Escape)
	b.Press(servertest.Up + servertest.Enter)
	b.Until(`document.activeElement.getAttribute("aria-expanded") === "false"`)
	search(b, "person.07", "attribute_change", 1)
	if got, want := firstCells(t, b), []string{"1 of " + line + "attribute_change", "person.07@example.com"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	search(b, "", "attribute_change", 33)
	b.Eval(nil, `addEventListener("beforeprint", () => { window.paper = document.getElementById("print").textContent; })`)
	b.Print()
	paper := eval[string](t, b, "return window.paper")
	if !strings.Contains(paper, line) || strings.Contains(paper, "person.00@") || !strings.Contains(paper, "person.30@") {
		t.Errorf("printed is %q", paper)
	}
	b.Open("about:blank")
	b.Open(url + "#attribute_change/1")
	untilShown(b, 30, 33, "changes of this kind")
	if got := firstCells(t, b); got[1] != "person.00@example.com" {
		t.Errorf("a link shows %q", got)
	}
}

// A search without a result says where there is one, and leads there.
func browserNothingFound(t *testing.T, b *servertest.Browser) {
	open(t, b, everything())
	b.Click("#tab-rejections")
	search(b, "ann.jones", "rejections", 0)
	status := func() string { return eval[string](t, b, `return document.getElementById("status").textContent`) }
	n := eval[string](t, b, `return document.querySelector("#tab-changes .n").textContent`)
	if got, want := status(), `no rejections match "ann.jones"; `+n+" changes do"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Click("#status a")
	b.Until(`document.getElementById("heading").textContent === "All changes"`)
	search(b, "pat.smith@gmail.com", "rejections", 1)
	if got, want := status(), `no changes match "pat.smith@gmail.com"; 1 rejection does`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	search(b, "nobody-has-this", "rejections", 0)
	if got, want := status(), `no changes match "nobody-has-this"`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	choose(b, "directory", "=lab")
	b.Until(`document.getElementById("status").textContent === 'no changes match "nobody-has-this" and the filters'`)
}

// Nothing of a rejection is cut off, at any width; with thousands of them the keyboard
// comes to the last one and back to the first.
func browserWrapped(t *testing.T, b *servertest.Browser) {
	const cut = `return [...document.querySelectorAll("#table tbody tr:not(.gap):not(.head)")].flatMap((row) => [...row.cells]).filter((cell) => cell.scrollWidth > cell.clientWidth || cell.scrollHeight > cell.clientHeight).length`
	open(t, b, everything())
	b.Click("#tab-rejections")
	for _, width := range []int{1280, 900, 400} {
		b.Look(width, 900, false)
		if n := eval[int](t, b, cut); n > 0 {
			t.Errorf("%d cells are cut off at %d pixels", n, width)
		}
	}
	open(t, b, crowd(25_000))
	b.Click("#tab-rejections")
	const inSight = `const row = document.activeElement.getBoundingClientRect(), box = document.getElementById("scroller").getBoundingClientRect(); return row.bottom <= box.bottom + 1 && row.top >= box.top + 33`
	for _, step := range []struct{ key, index string }{{servertest.End, "2502"}, {servertest.Up, "2501"}, {servertest.Home, "3"}, {servertest.Down, "4"}} {
		b.Eval(nil, `(document.querySelector("#table tr[tabindex='0']") ?? document.getElementById("scroller")).focus()`)
		b.Press(step.key)
		b.Until(fmt.Sprintf(`document.activeElement.getAttribute("aria-rowindex") === %q`, step.index))
		if !eval[bool](t, b, inSight) {
			t.Errorf("row %s is out of sight", step.index)
		}
	}
	// The end of the scroll bar is that of the table.
	b.Eval(nil, `document.getElementById("scroller").scrollTop = 1e9`)
	b.Until(`document.querySelector("#table tr[aria-rowindex='2502']")?.getBoundingClientRect().bottom <= document.getElementById("scroller").getBoundingClientRect().bottom + 2`)
}

// sheetsOf counts the pages of a PDF that Chromium has made.
func sheetsOf(pdf []byte) int { return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)) }

// A mass change takes few pages, however many rows it has.
func browserPaper(t *testing.T, b *servertest.Browser) {
	open(t, b, crowd(5_000))
	if n := sheetsOf(b.Print()); n == 0 || n > 8 {
		t.Errorf("20,000 changes are printed on %d pages", n)
	}
}

// Nothing printed is wider than paper, and no address goes over the end of a line.
func browserWhole(t *testing.T, b *servertest.Browser) {
	const a4 = 700 // pixels between usual margins
	b.Look(a4, 900, false)
	for _, p := range []*plan.Plan{drifting(), part(t), standing()} {
		open(t, b, p)
		b.Eval(nil, `dispatchEvent(new Event("beforeprint"));
for (const sheet of document.styleSheets) for (const rule of sheet.cssRules) if (rule instanceof CSSMediaRule) rule.media.mediaText = rule.media.mediaText === "print" ? "all" : "not all"`)
		broken := eval[[]string](t, b, `return [...document.querySelectorAll("#print .address")].filter((address) => new Set([...address.getClientRects()].map((part) => part.top)).size !== 1).map((address) => address.innerText)`)
		if all := eval[int](t, b, `return document.querySelectorAll("#print .address").length`); len(broken) > 0 || all == 0 {
			t.Errorf("of %d addresses %q are broken", all, broken)
		}
		if wide := eval[int](t, b, "return document.documentElement.scrollWidth"); wide > a4 {
			t.Errorf("the page is %d pixels wide", wide)
		}
	}
}

// TestBarriersInBrowser: nobody is kept from using the pages, as far as axe-core can
// see that, wide and narrow, light and dark.
func TestBarriersInBrowser(t *testing.T) {
	t.Parallel()
	b := servertest.NewBrowser(t)
	check := func(what string) {
		for _, barrier := range b.Barriers() {
			t.Errorf("%s: %s", what, barrier)
		}
	}
	for _, look := range []struct {
		width int
		dark  bool
	}{{1280, false}, {1280, true}, {400, false}, {400, true}} {
		b.Look(look.width, 900, look.dark)
		is := func(page string) string { return fmt.Sprintf("%s, %d pixels, dark %v", page, look.width, look.dark) }
		open(t, b, moved())
		b.Click("details.group summary")
		check(is("equal changes"))
		b.Click("#tab-changes")
		check(is("all changes"))
		open(t, b, drifting())
		check(is("summary"))
		for _, tab := range []string{"inactive", "rejections"} {
			b.Click("#tab-" + tab)
			check(is(tab))
		}
		b.Click("#table thead button")
		b.Click("#table tr[tabindex='0']")
		b.Until(`document.getElementById("details").open`)
		check(is("details"))
		b.Click("#close")
		search(b, "ann.jones", "rejections", 0)
		check(is("nothing found"))
		openPage(t, b, historyOf(t, pastRuns()))
		b.Click("main > details > summary")
		check(is("history"))
		openPage(t, b, pastPage(t, pastOfAnn()))
		check(is("history of an address"))
	}
}

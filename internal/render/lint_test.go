package render

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	source "github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/lint"
	"github.com/rollcall-cli/rollcall/internal/spreadsheet"
	"github.com/rollcall-cli/rollcall/plan"
)

// listing is an object with the attributes mail and proxyAddresses.
type listing struct {
	dn            string
	guid          byte
	mail, proxies []string
}

func (o *listing) DN() string                              { return o.dn }
func (o *listing) Attributes() iter.Seq2[string, [][]byte] { panic("not asked for") }
func (o *listing) Options(string, int) string              { return "" }

func (o *listing) Values(name string) (list [][]byte) {
	switch name {
	case "objectguid":
		if o.guid > 0 {
			return [][]byte{append(make([]byte, 15), o.guid)}
		}
	case "mail", "proxyaddresses":
		values := o.mail
		if name == "proxyaddresses" {
			values = o.proxies
		}
		for _, v := range values {
			list = append(list, []byte(v))
		}
	}
	return list
}

// linted is what is found in objects of two directories: those of the first
// slice are Active Directory's, those of the second an LDAP server's.
func linted(t *testing.T, corp, lab []*listing) *Lint {
	t.Helper()
	rules := &plan.Rules{Domains: []plan.Domain{{Name: "example.com"}}, Scopes: []plan.Scope{{Name: "staff", Domains: []string{"example.com"}}, {Name: "lab", Domains: []string{"example.com"}}}}
	l := lint.New(rules, lint.Info)
	for i, d := range []struct {
		name, kind, server string
		objects            []*listing
	}{{"corp", "active_directory", "ldaps://dc1.corp.example.com", corp}, {"lab", "ldap", "ldaps://lab.example.com", lab}} {
		l.Begin(d.name, d.kind, []source.Scope{{Index: int32(i), Name: rules.Scopes[i].Name, PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}}})
		for _, o := range d.objects {
			if err := l.Put(0, o); err != nil {
				t.Fatal(err)
			}
		}
		l.End(identity.Receipt{Name: d.name, Kind: d.kind, Server: d.server, Scanned: len(d.objects), Complete: true})
	}
	return &Lint{Version: "1.2.3", Created: time.Date(2026, 11, 21, 12, 0, 0, 5, time.FixedZone("", 3600)), Report: l.Report()}
}

// faulty has findings of every severity.
func faulty(t *testing.T) *Lint {
	var people []*listing
	for i := range 15 {
		people = append(people, &listing{fmt.Sprintf("CN=Person %02d,OU=Staff,DC=corp,DC=example,DC=com", i), byte(10 + i), []string{fmt.Sprintf("p%d@example.com", i)}, []string{fmt.Sprintf("smtp:p%d@partner.example", i)}})
	}
	return linted(t, append(people,
		&listing{`CN=Smith\, Ann,OU=Staff,DC=corp,DC=example,DC=com`, 1, []string{"ann@example.com"}, []string{"SMTP:ann@example.com", "SMTP:a.smith@example.com", "smtp:team@example.com"}},
		&listing{"CN=Ben,OU=Staff,DC=corp,DC=example,DC=com", 2, []string{"Ben@example.com"}, []string{"SMTP:ben@example.com", " smtp:b@example.com", "smtp:nobody"}},
		&listing{`CN=Ben\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,OU=Staff,DC=corp,DC=example,DC=com`, 3, []string{"ben@example.com"}, nil},
	), []*listing{
		{"uid=dora,ou=people,dc=lab", 4, []string{"dora@example.com"}, []string{"smtp:Team@example.com", "d@example.com"}},
		{"uid=emil,ou=people,dc=lab", 5, []string{"emil@example.com."}, nil},
	})
}

// bait are values that would like to be more than values.
var bait = []string{
	"\x1b[31mred\x07", "a\u202egnp.exe", "\u200f\ufeff", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</details>", "=HYPERLINK(\"http://example.com\")", "+1", "-1", "@SUM(1)", "\t=1",
	"*bold* _em_ `code`", "[link](http://example.com)", "| cell | cell |", "\n```\n# heading\n", "a\r\nb", "'; calc; '", "‘; calc; ’", "$(calc)", "{0} [a](1) \\", "\x00", "a\xffb", "\u2028", "\u009b31m", "@everyone",
	strings.Repeat("x", 10_000),
}

// baited has each bait as address, alias, name and attribute's value.
func baited(t *testing.T) *Lint {
	var corp, lab []*listing
	for _, b := range bait {
		corp = append(corp, &listing{"CN=" + b + ",DC=corp", 0, []string{b + "@example.com"}, []string{"SMTP:" + b, " smtp:" + b + "@example.com ", "smtp:same@example.com"}})
		lab = append(lab, &listing{"uid=" + b, 0, []string{"ann@example.com."}, []string{"smtp:same@example.com", b}})
	}
	for guid := range byte(3) { // in a file that somebody put together
		corp = append(corp, &listing{"CN=!,DC=corp", 1 + guid, []string{"twice@example.com"}, []string{"smtp:twice@example.com"}})
	}
	return linted(t, corp, lab)
}

// written is what a renderer writes.
func written(t *testing.T, l *Lint, write func(io.Writer, *Lint) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func lintText(opt TextOptions) func(io.Writer, *Lint) error {
	return func(w io.Writer, l *Lint) error { return LintText(w, l, opt) }
}

func TestLint(t *testing.T) {
	found, nothing := faulty(t), linted(t, nil, nil)
	for _, width := range []int{40, 80, 200, 0} {
		for _, color := range []bool{false, true} {
			opt := TextOptions{Width: width, Color: color, Advice: Advice{Full: "rollcall lint --all"}}
			got := written(t, found, lintText(opt))
			if width == 80 || width == 200 {
				golden(t, fmt.Sprintf("lint-%d%s.txt", width, map[bool]string{true: "-color"}[color]), got)
			}
			for i := range found.Findings {
				if f := &found.Findings[i]; f.Directory == "lab" && !strings.Contains(got+"\n", "\n\n"+f.Change().LDIF()) {
					t.Errorf("width %d: what is wrong with %s cannot be repaired by a copy of\n%s", width, f.DN, got)
				}
			}
			if opt.Color = false; color && escapes.ReplaceAllString(got, "") != written(t, found, lintText(opt)) {
				t.Error("colour changes more than colour")
			}
		}
	}
	golden(t, "lint-none.txt", written(t, nothing, lintText(TextOptions{})))
	for _, f := range []struct {
		name  string
		write func(io.Writer, *Lint) error
	}{{"json", LintJSON}, {"csv", lintCSV}, {"md", LintMarkdown}, {"sarif", LintSARIF}} {
		golden(t, "lint."+f.name, written(t, found, f.write))
		golden(t, "lint-none."+f.name, written(t, nothing, f.write))
	}
}

// TestLintNarrow: a page too narrow for all still names the directory, where
// there are several.
func TestLintNarrow(t *testing.T) {
	people := []*listing{{"CN=" + strings.Repeat("n", 60) + ",DC=corp", 1, []string{"ann@example.com"}, []string{"smtp:" + strings.Repeat("long", 8) + "@partner.example"}}}
	for _, width := range []int{50, 80} {
		if got := written(t, linted(t, people, people), lintText(TextOptions{Width: width})); !regexp.MustCompile(`(?s)\bcorp\b.*\blab\b`).MatchString(got[strings.Index(got, "unknown_domain"):]) {
			t.Errorf("width %d: the directories are not named\n%s", width, got)
		}
	}
	one := linted(t, people, nil)
	one.Directories = one.Directories[:1]
	if got := written(t, one, lintText(TextOptions{Width: 80})); strings.Contains(got, "  directory") {
		t.Errorf("the only directory has a column\n%s", got)
	}
}

// TestLintMarkdownStable: another run at another time, by another release, makes
// the same comment.
func TestLintMarkdownStable(t *testing.T) {
	l := faulty(t)
	first := written(t, l, LintMarkdown)
	l.Created, l.Version = l.Created.Add(time.Hour), "1.2.4"
	if written(t, l, LintMarkdown) != first {
		t.Error("the comment changes, and no finding does")
	}
}

// TestLintHostile: no value acts on who reads a report.
func TestLintHostile(t *testing.T) {
	l := baited(t)
	raw := regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
	for _, f := range []struct {
		name  string
		write func(io.Writer, *Lint) error
	}{{"text", lintText(TextOptions{All: true})}, {"narrow text", lintText(TextOptions{All: true, Width: 60})}, {"JSON", LintJSON}, {"CSV", lintCSV}, {"Markdown", LintMarkdown}, {"SARIF", LintSARIF}} {
		text := written(t, l, f.write)
		if at := raw.FindStringIndex(text); at != nil {
			t.Errorf("%s holds %q raw: %q", f.name, text[at[0]:at[1]], text[max(at[0]-40, 0):at[1]])
		}
		if f.name == "JSON" || f.name == "SARIF" {
			if !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON", f.name)
			}
		}
	}

	cells, err := csv.NewReader(strings.NewReader(written(t, l, lintCSV))).ReadAll()
	if err != nil || len(cells) != len(l.Findings)+1 {
		t.Fatalf("%d rows for %d findings (%v)", len(cells), len(l.Findings), err)
	}
	for _, row := range cells {
		for _, cell := range row {
			if spreadsheet.Formula(cell) && !strings.HasPrefix(cell, "'") {
				t.Errorf("a cell starts a formula: %.80q", cell)
			}
		}
	}

	text := written(t, l, LintMarkdown)
	if n := len([]rune(text)); n > longestReport {
		t.Errorf("Markdown has %d characters", n)
	}
	fenced, open := "", 0
	bars := regexp.MustCompile(`(^|[^\\])\|`)
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```") && fenced == "":
			fenced = strings.TrimSpace(line)
		case line == "```\n":
			fenced = ""
		case fenced == "```powershell":
			if !strings.HasPrefix(line, "Set-ADObject -Identity ") {
				t.Errorf("no command: %.80q", line)
			}
		case fenced != "":
		case strings.HasPrefix(line, "<details>"):
			open++
		case strings.HasPrefix(line, "</details>"):
			open--
		case strings.HasPrefix(line, "| ") && open > 0:
			if n := len(bars.FindAllString(line, -1)); n != 6 {
				t.Errorf("a row of %d cells: %.200s", n-1, line)
			}
			fallthrough
		default:
			if regexp.MustCompile(`<script|<img|\]\(`).MatchString(outside(t, line)) {
				t.Errorf("markup: %.200s", line)
			}
		}
	}
	if fenced != "" || open != 0 {
		t.Errorf("the blocks are not closed: %q, %d", fenced, open)
	}
}

// TestLintMarkdownCut: what does not fit is counted.
func TestLintMarkdownCut(t *testing.T) {
	var corp []*listing
	for i := range 3000 {
		corp = append(corp, &listing{fmt.Sprintf("CN=%d,OU=Staff,DC=corp", i), 0, []string{fmt.Sprintf("a%d@example.com", i)}, []string{fmt.Sprintf("b%d@example.com", i), "smtp:nobody"}})
	}
	text := written(t, linted(t, corp, nil), LintMarkdown)
	if n := len([]rune(text)); n > longestReport || n < longestReport*8/10 {
		t.Errorf("Markdown has %d characters", n)
	}
	told := 0
	for _, m := range regexp.MustCompile(`(?m)^([0-9,]+) more: rollcall lint -o csv=FILE$`).FindAllStringSubmatch(text, -1) {
		var n int
		fmt.Sscan(strings.ReplaceAll(m[1], ",", ""), &n)
		told += n
	}
	if rows := strings.Count(text, "| CN=") + told; rows != 6000 {
		t.Errorf("%d findings are shown or counted", rows)
	}
}

// sarifKeys are the names that the schema of SARIF 2.1.0 knows of what is
// written, those behind the bar only if they may be left out. No object takes
// others but a bag of properties.
var sarifKeys = map[string]string{
	"":                              "version runs | $schema",
	"runs":                          "tool results | columnKind", // without results, no scan was made
	"runs.tool":                     "driver |",
	"runs.tool.driver":              "name | version informationUri rules",
	"runs.tool.driver.rules":        "id | shortDescription fullDescription help defaultConfiguration",
	"runs.results":                  "message | ruleId ruleIndex level locations relatedLocations partialFingerprints properties",
	"runs.results.message":          "text |",
	"runs.results.locations":        "| id logicalLocations",
	"runs.results.relatedLocations": "| id logicalLocations",
	"runs.results.locations.logicalLocations":        "| name fullyQualifiedName kind",
	"runs.results.relatedLocations.logicalLocations": "| name fullyQualifiedName kind",
	"runs.tool.driver.rules.shortDescription":        "text |",
	"runs.tool.driver.rules.fullDescription":         "text |",
	"runs.tool.driver.rules.help":                    "text |",
	"runs.tool.driver.rules.defaultConfiguration":    "| level",
	"runs.results.partialFingerprints":               "rollcall/v1 |",
	"runs.results.properties":                        "directory scope dn guid attribute value powershell ldif |",
}

// sarifFits checks the names in a value, and that lists have each item once
// where the schema wants it.
func sarifFits(t *testing.T, path string, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		seen := map[string]bool{}
		unique := strings.HasSuffix(path, "ocations") && path != "runs.results.locations" || strings.HasSuffix(path, "rules")
		for _, item := range value {
			text, _ := json.Marshal(item)
			if unique && seen[string(text)] {
				t.Errorf("%s has twice %s", path, text)
			}
			seen[string(text)] = true
			sarifFits(t, path, item)
		}
	case map[string]any:
		required, others, known := strings.Cut(sarifKeys[path], "|")
		if !known {
			t.Errorf("%s is an object", path)
		}
		for _, name := range strings.Fields(required) {
			if _, there := value[name]; !there {
				t.Errorf("%s lacks %s", path, name)
			}
		}
		for name, inner := range value {
			if !slices.Contains(strings.Fields(required+others), name) {
				t.Errorf("%s has %s", path, name)
			}
			sarifFits(t, strings.TrimPrefix(path+"."+name, "."), inner)
		}
	}
}

// TestLintSARIF checks what the schema of SARIF 2.1.0 demands.
func TestLintSARIF(t *testing.T) {
	type message struct{ Text *string }
	var document struct {
		Version string
		Schema  string `json:"$schema"`
		Runs    []struct {
			ColumnKind string
			Tool       struct {
				Driver *struct {
					Name, InformationURI string
					Rules                []struct {
						ID                                      string
						ShortDescription, FullDescription, Help *message
						DefaultConfiguration                    struct{ Level string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   *message
				Locations []struct {
					LogicalLocations []struct{ Name, FullyQualifiedName, Kind string }
				}
				PartialFingerprints map[string]string
			}
		}
	}
	l := baited(t)
	if err := json.Unmarshal([]byte(written(t, l, LintSARIF)), &document); err != nil {
		t.Fatal(err)
	}
	var schemaless any
	if err := json.Unmarshal([]byte(written(t, l, LintSARIF)), &schemaless); err != nil {
		t.Fatal(err)
	}
	sarifFits(t, "", schemaless)
	if document.Version != "2.1.0" || !strings.HasSuffix(document.Schema, "sarif-schema-2.1.0.json") || len(document.Runs) != 1 {
		t.Fatalf("got %q, %q, %d runs", document.Version, document.Schema, len(document.Runs))
	}
	run := document.Runs[0]
	levels := []string{"none", "note", "warning", "error"}
	ids := map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		if ids[r.ID] || r.ShortDescription.Text == nil || r.FullDescription.Text == nil || r.Help.Text == nil || !slices.Contains(levels, r.DefaultConfiguration.Level) {
			t.Errorf("rule %+v", r)
		}
		ids[r.ID] = true
	}
	if run.Tool.Driver.Name == "" || run.ColumnKind != "utf16CodeUnits" || len(run.Results) != len(l.Findings) {
		t.Errorf("the run of %q has %d results", run.Tool.Driver.Name, len(run.Results))
	}
	prints := map[string]bool{}
	for i, r := range run.Results {
		if r.RuleID != run.Tool.Driver.Rules[r.RuleIndex].ID || !slices.Contains(levels, r.Level) || r.Message.Text == nil || len(r.Locations) != 1 || len(r.Locations[0].LogicalLocations) != 1 {
			t.Errorf("result %d: %+v", i, r)
		}
		print := r.PartialFingerprints["rollcall/v1"]
		if print == "" || prints[print] {
			t.Errorf("result %d has the fingerprint %q, which is none of its own", i, print)
		}
		prints[print] = true
	}
}

func lintCSV(w io.Writer, l *Lint) error { return LintCSV(w, l, Dialect{}) }

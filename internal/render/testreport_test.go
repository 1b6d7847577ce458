package render

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// testResults are tests that passed, failed and had no plan, with hostile text
// in every field.
func testResults() []TestResult {
	return []TestResult{
		{Name: "joiners", File: "a.rollcall-test.hcl", Line: 1},
		{Name: hostile, File: "a.rollcall-test.hcl", Line: 9, Mismatches: []TestMismatch{
			{Line: 12, What: hostile, Expected: []string{hostile}, Actual: []string{"]]></failure>" + hostile, "b"}},
			{What: "change of " + hostile, Actual: []string{hostile}},
			{Line: 13, What: "rejection of x", Expected: []string{"unknown_domain"}},
		}},
		{Name: "no plan", File: hostile, Line: 3, Error: hostile + "\n" + `  "quoted" <b>` + "\n" + hostile},
	}
}

// TestTestsTextIsShort: of a plan that nobody expects, a text has some rows and
// says how many more there are.
func TestTestsTextIsShort(t *testing.T) {
	r := TestResult{Name: "exact", File: "a.rollcall-test.hcl", Line: 1, Mismatches: []TestMismatch{{Line: 2, What: "add", Expected: []string{"1"}, Actual: []string{"3000"}}}}
	for n := range 3000 {
		r.Mismatches = append(r.Mismatches, TestMismatch{What: fmt.Sprint("change of p", n, "@example.com"), Actual: []string{"add"}})
	}
	var b strings.Builder
	if err := TestsText(&b, []TestResult{r}, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "not expected: change"); got != defaultRows {
		t.Errorf("%d rows", got)
	}
	if want := "\n      … 2,988 more not expected: -o json has them all\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

func TestTestReports(t *testing.T) {
	for _, format := range []struct {
		file  string
		write func(b *strings.Builder) error
		reads func(text []byte) error
	}{
		{"testreport.txt", func(b *strings.Builder) error { return TestsText(b, testResults(), TextOptions{}) }, nil},
		{"testreport-color.txt", func(b *strings.Builder) error { return TestsText(b, testResults(), TextOptions{Color: true}) }, nil},
		{"testreport.json", func(b *strings.Builder) error { return TestsJSON(b, testResults()) }, func(text []byte) error {
			var doc struct{ Tests []struct{ Mismatches []any } }
			return json.Unmarshal(text, &doc)
		}},
		{"testreport.xml", func(b *strings.Builder) error { return TestsJUnit(b, testResults()) }, func(text []byte) error {
			var doc struct {
				Tests  int `xml:"tests,attr"`
				Suites []struct {
					Cases []struct {
						Failure string `xml:"failure"`
						Error   string `xml:"error"`
					} `xml:"testcase"`
				} `xml:"testsuite"`
			}
			if err := xml.Unmarshal(text, &doc); err != nil {
				return err
			}
			if doc.Tests != 3 || len(doc.Suites) != 2 || !strings.Contains(doc.Suites[0].Cases[1].Failure, "]]></failure>") || doc.Suites[1].Cases[0].Error == "" {
				t.Errorf("read back: %+v", doc)
			}
			return nil
		}},
	} {
		var b strings.Builder
		if err := format.write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, format.file, b.String())
		for line := range strings.Lines(escapes.ReplaceAllString(b.String(), "")) {
			checkLine(t, strings.TrimSuffix(line, "\n"))
		}
		if format.reads != nil {
			if err := format.reads([]byte(b.String())); err != nil {
				t.Errorf("%s: %v", format.file, err)
			}
		}
	}
}

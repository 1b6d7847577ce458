package render

import (
	"encoding/json"
	"encoding/xml"
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

package render

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestResult is how a test of a configuration ended.
type TestResult struct {
	Name string
	// File is where the test is, Line where it begins.
	File string
	Line int
	// Error is why it has no plan to be judged, "" where it has one.
	Error string
	// Mismatches are what the plan was expected to be and is not.
	Mismatches []TestMismatch
}

// TestMismatch is one expectation that does not hold.
type TestMismatch struct {
	// Line is that of the expectation, 0 for what nothing expects.
	Line             int
	What             string
	Expected, Actual []string
}

// Passed reports whether the test has passed.
func (r *TestResult) Passed() bool { return r.Error == "" && len(r.Mismatches) == 0 }

func failedTests(all []TestResult) (n int) {
	for i := range all {
		if !all[i].Passed() {
			n++
		}
	}
	return n
}

// TestsText writes a line for each test, and below one that failed what was
// expected (-) and what the plan is (+). Of what nothing expects, which comes
// last, it has the first rows alone.
func TestsText(w io.Writer, all []TestResult, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	for i := range all {
		r := &all[i]
		if r.Passed() {
			o.put(green, "ok")
			o.at(6)
			o.put(plain, clean(r.File)+": "+clean(r.Name))
			o.end()
			continue
		}
		o.put(red, "FAIL")
		o.at(6)
		o.put(bold, fmt.Sprintf("%s:%d: %s", clean(r.File), r.Line, clean(r.Name)))
		o.end()
		for _, line := range r.errorLines() {
			o.at(6)
			o.put(plain, line)
			o.end()
		}
		first := slices.IndexFunc(r.Mismatches, func(m TestMismatch) bool { return m.Line == 0 })
		if first < 0 {
			first = len(r.Mismatches)
		}
		shown := first + opt.cut(len(r.Mismatches)-first)
		for _, m := range r.Mismatches[:shown] {
			o.at(6)
			o.put(plain, m.head())
			o.end()
			for _, line := range m.lines() {
				o.at(8)
				o.put(line.style, line.text)
				o.end()
			}
		}
		if more := len(r.Mismatches) - shown; more > 0 {
			o.at(6)
			o.put(plain, ellipsis+" "+number(more)+" more not expected: -o json has them all")
			o.end()
		}
	}
	failed := failedTests(all)
	if len(all) > 0 {
		o.end()
	}
	o.prose(0, count(len(all), "test", "tests")+": ", bold, number(len(all)-failed)+" passed, "+number(failed)+" failed")
	return o.flush()
}

// errorLines are the lines of the error, with the spaces that they begin with.
func (r *TestResult) errorLines() (all []string) {
	for line := range strings.Lines(r.Error) {
		line = strings.TrimRight(line, " \r\n")
		words := strings.TrimLeft(line, " ")
		all = append(all, line[:len(line)-len(words)]+clean(words))
	}
	return all
}

// head names the expectation.
func (m *TestMismatch) head() string {
	if m.Line == 0 {
		return "not expected: " + clean(m.What)
	}
	return fmt.Sprintf("line %d: %s", m.Line, clean(m.What))
}

// lines are the difference: what was expected, and what there is.
func (m *TestMismatch) lines() (all []span) {
	for _, e := range m.Expected {
		all = append(all, span{"- " + clean(e), red})
	}
	for _, a := range m.Actual {
		all = append(all, span{"+ " + clean(a), green})
	}
	if len(m.Actual) == 0 {
		all = append(all, span{"+ the plan has none of this address", green})
	}
	return all
}

// TestsJSON writes the results as one JSON document.
func TestsJSON(w io.Writer, all []TestResult) error {
	out := bufio.NewWriter(w)
	failed := failedTests(all)
	fmt.Fprintf(out, "{\n  \"passed\": %d,\n  \"failed\": %d", len(all)-failed, failed)
	writeList(out, "tests", len(all), func(b []byte, i int) []byte {
		r := &all[i]
		b = identity.AppendJSONString(append(b, `{"name": `...), r.Name)
		b = identity.AppendJSONString(append(b, `, "file": `...), r.File)
		b = fmt.Appendf(b, `, "line": %d, "passed": %t, "error": `, r.Line, r.Passed())
		b = append(identity.AppendJSONString(b, r.Error), `, "mismatches": [`...)
		for i, m := range r.Mismatches {
			b = fmt.Appendf(b, `%s{"line": %d, "what": `, strings.Repeat(", ", min(i, 1)), m.Line)
			b = identity.AppendJSONString(b, m.What)
			for _, side := range []struct {
				key  string
				rows []string
			}{{"expected", m.Expected}, {"actual", m.Actual}} {
				b = fmt.Appendf(b, ", %q: [", side.key)
				for k, row := range side.rows {
					b = identity.AppendJSONString(append(b, strings.Repeat(", ", min(k, 1))...), row)
				}
				b = append(b, ']')
			}
			b = append(b, '}')
		}
		return append(b, "]}"...)
	})
	out.WriteString("\n}\n")
	return out.Flush()
}

// TestsJUnit writes the results as JUnit XML: a suite for each file. A test that
// has no plan is an error, one whose plan is another a failure.
func TestsJUnit(w io.Writer, all []TestResult) error {
	out := bufio.NewWriter(w)
	text := func(s string) string {
		var b strings.Builder
		// A strings.Builder takes whatever is written.
		xml.EscapeText(&b, []byte(s))
		return strings.ReplaceAll(b.String(), "&#xA;", "\n")
	}
	errors := 0
	for i := range all {
		if all[i].Error != "" {
			errors++
		}
	}
	out.WriteString(xml.Header)
	fmt.Fprintf(out, "<testsuites name=\"rollcall test\" tests=\"%d\" failures=\"%d\" errors=\"%d\">\n", len(all), failedTests(all)-errors, errors)
	for len(all) > 0 {
		n, failures, errors := 0, 0, 0
		for n < len(all) && all[n].File == all[0].File {
			switch {
			case all[n].Error != "":
				errors++
			case !all[n].Passed():
				failures++
			}
			n++
		}
		file := text(clean(all[0].File))
		fmt.Fprintf(out, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\">\n", file, n, failures, errors)
		for i := range all[:n] {
			r := &all[i]
			fmt.Fprintf(out, "    <testcase classname=\"%s\" name=\"%s\" file=\"%s\" line=\"%d\"", file, text(clean(r.Name)), file, r.Line)
			switch {
			case r.Passed():
				out.WriteString("/>\n")
				continue
			case r.Error != "":
				lines := r.errorLines()
				fmt.Fprintf(out, ">\n      <error message=\"%s\">%s</error>\n", text(lines[0]), text(strings.Join(lines, "\n")))
			default:
				var b strings.Builder
				for _, m := range r.Mismatches {
					b.WriteString(m.head() + "\n")
					for _, line := range m.lines() {
						b.WriteString("  " + line.text + "\n")
					}
				}
				fmt.Fprintf(out, ">\n      <failure message=\"%s\">%s</failure>\n", text(r.Mismatches[0].head()), text(b.String()))
			}
			out.WriteString("    </testcase>\n")
		}
		out.WriteString("  </testsuite>\n")
		all = all[n:]
	}
	out.WriteString("</testsuites>\n")
	return out.Flush()
}

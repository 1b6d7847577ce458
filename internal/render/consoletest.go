package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// ConsoleTest is a run of the conformance suite against a console.
type ConsoleTest struct {
	// Console says which console it is; its counts and facts are not shown.
	Console plan.ConsoleReceipt
	// Seconds is how long the run took.
	Seconds float64
	Results []ContractResult
}

// ContractResult is how a test of the suite ended.
type ContractResult struct {
	Name   string
	Status ContractStatus
	// Asks is what the contract asks.
	Asks string
	// Did is what was done instead or, of a test that was skipped, why it was; of one
	// that has passed, what was found, or "".
	Did string
}

// ContractStatus says how a test of the suite ended.
type ContractStatus string

// The outcomes of a test of the suite.
const (
	ContractPassed  ContractStatus = "passed"
	ContractFailed  ContractStatus = "failed"
	ContractSkipped ContractStatus = "skipped"
)

var contractStatuses = []ContractStatus{ContractPassed, ContractFailed, ContractSkipped}

// sign marks the outcome as text.
func (s ContractStatus) sign() span {
	switch s {
	case ContractPassed:
		return span{"ok", green}
	case ContractSkipped:
		return span{"skip", dim}
	}
	return span{"FAIL", red}
}

// countOf returns how many tests had an outcome.
func countOf(results []ContractResult, s ContractStatus) int {
	n := 0
	for i := range results {
		if results[i].Status == s {
			n++
		}
	}
	return n
}

// ConsoleTestText writes a line for each test and, below one that failed, what
// the contract asks and what the console did. Only the width and the colour of
// the options count.
func ConsoleTestText(w io.Writer, c *ConsoleTest, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.consoleTitle(c.Console.Name, slices.Concat([]string{kindOf(&c.Console)}, productOf(&c.Console)))
	o.contract(c.Results, c.Seconds)
	return o.flush()
}

// contract writes what came of tests, which took so many seconds.
func (o *page) contract(results []ContractResult, seconds float64) {
	const name = margin + 4 + gap
	for i := range results {
		r := &results[i]
		sign := r.Status.sign()
		o.at(margin)
		o.put(sign.style, sign.text)
		o.at(name)
		switch r.Status {
		case ContractPassed:
			text := clean(r.Name)
			if r.Did != "" {
				text += ": " + clean(r.Did)
			}
			o.prose(name, "", plain, text)
		case ContractSkipped:
			o.prose(name, "", plain, clean(r.Name)+": "+clean(r.Did))
		default:
			o.prose(name, "", bold, clean(r.Name))
			o.prose(name, "asked: ", dim, clean(r.Asks))
			o.prose(name, "found: ", dim, clean(r.Did))
		}
	}
	parts := make([]string, len(contractStatuses))
	for i, s := range contractStatuses {
		parts[i] = number(countOf(results, s)) + " " + string(s)
	}
	o.end()
	o.prose(0, count(len(results), "test", "tests")+" in "+strconv.FormatFloat(seconds, 'f', 1, 64)+" s: ", bold, strings.Join(parts, ", "))
}

// ConsoleTestJSON writes the same as one JSON document.
func ConsoleTestJSON(w io.Writer, c *ConsoleTest) error {
	out := bufio.NewWriter(w)
	b := appendConsole([]byte("{\n  \"format_version\": \"1.0\""), &c.Console)
	return writeContract(out, b, c.Results, c.Seconds)
}

// writeContract writes what came of tests behind the members that a document has, and
// ends it.
func writeContract(out *bufio.Writer, b []byte, results []ContractResult, seconds float64) error {
	b = fmt.Appendf(b, ",\n  \"seconds\": %s", strconv.FormatFloat(seconds, 'f', 3, 64))
	for _, s := range contractStatuses {
		b = fmt.Appendf(b, ",\n  %q: %d", string(s), countOf(results, s))
	}
	out.Write(b)
	writeList(out, "results", len(results), func(b []byte, i int) []byte {
		r := &results[i]
		for n, m := range []struct{ key, value string }{{"name", r.Name}, {"status", string(r.Status)}, {"asked", r.Asks}, {"found", r.Did}} {
			b = identity.AppendJSONString(fmt.Appendf(b, "%s%q: ", [...]string{"{", ", "}[min(n, 1)], m.key), m.value)
		}
		return append(b, '}')
	})
	out.WriteString("\n}\n")
	return out.Flush()
}

// DirectoryTest is a run of the tests of a directory's connector.
type DirectoryTest struct {
	// Name is the directory's label, Kind its kind.
	Name, Kind string
	// Seconds is how long the run took.
	Seconds float64
	Results []ContractResult
}

// DirectoryTestText is as [ConsoleTestText].
func DirectoryTestText(w io.Writer, d *DirectoryTest, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.consoleTitle(d.Name, []string{clean(d.Kind) + " directory"})
	o.contract(d.Results, d.Seconds)
	return o.flush()
}

// DirectoryTestJSON writes the same as one JSON document.
func DirectoryTestJSON(w io.Writer, d *DirectoryTest) error {
	b := []byte("{\n  \"format_version\": \"1.0\"")
	for _, m := range []struct{ key, value string }{{"directory", d.Name}, {"kind", d.Kind}} {
		b = identity.AppendJSONString(fmt.Appendf(b, ",\n  %q: ", m.key), m.value)
	}
	return writeContract(bufio.NewWriter(w), b, d.Results, d.Seconds)
}

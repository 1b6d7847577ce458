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
	Results []ConsoleResult
}

// ConsoleResult is how a test of the suite ended.
type ConsoleResult struct {
	Name   string
	Status ConsoleStatus
	// Asks is what the contract asks of a console.
	Asks string
	// Did is what the console did instead or, of a test that was skipped, why it
	// was; "" for one that has passed.
	Did string
}

// ConsoleStatus says how a test of a console ended.
type ConsoleStatus string

// The outcomes of a test of a console.
const (
	ConsolePassed  ConsoleStatus = "passed"
	ConsoleFailed  ConsoleStatus = "failed"
	ConsoleSkipped ConsoleStatus = "skipped"
)

var consoleStatuses = []ConsoleStatus{ConsolePassed, ConsoleFailed, ConsoleSkipped}

// sign marks the outcome as text.
func (s ConsoleStatus) sign() span {
	switch s {
	case ConsolePassed:
		return span{"ok", green}
	case ConsoleSkipped:
		return span{"skip", dim}
	}
	return span{"FAIL", red}
}

// Count returns how many tests had an outcome.
func (c *ConsoleTest) Count(s ConsoleStatus) int {
	n := 0
	for i := range c.Results {
		if c.Results[i].Status == s {
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
	const name = margin + 4 + gap
	for i := range c.Results {
		r := &c.Results[i]
		sign := r.Status.sign()
		o.at(margin)
		o.put(sign.style, sign.text)
		o.at(name)
		switch r.Status {
		case ConsolePassed:
			o.prose(name, "", plain, clean(r.Name))
		case ConsoleSkipped:
			o.prose(name, "", plain, clean(r.Name)+": "+clean(r.Did))
		default:
			o.prose(name, "", bold, clean(r.Name))
			o.prose(name, "asked: ", dim, clean(r.Asks))
			o.prose(name, "found: ", dim, clean(r.Did))
		}
	}
	parts := make([]string, len(consoleStatuses))
	for i, s := range consoleStatuses {
		parts[i] = number(c.Count(s)) + " " + string(s)
	}
	o.end()
	o.prose(0, count(len(c.Results), "test", "tests")+" in "+strconv.FormatFloat(c.Seconds, 'f', 1, 64)+" s: ", bold, strings.Join(parts, ", "))
	return o.flush()
}

// ConsoleTestJSON writes the same as one JSON document.
func ConsoleTestJSON(w io.Writer, c *ConsoleTest) error {
	out := bufio.NewWriter(w)
	b := appendConsole([]byte("{\n  \"format_version\": \"1.0\""), &c.Console)
	b = fmt.Appendf(b, ",\n  \"seconds\": %s", strconv.FormatFloat(c.Seconds, 'f', 3, 64))
	for _, s := range consoleStatuses {
		b = fmt.Appendf(b, ",\n  %q: %d", string(s), c.Count(s))
	}
	out.Write(b)
	writeList(out, "results", len(c.Results), func(b []byte, i int) []byte {
		r := &c.Results[i]
		for n, m := range []struct{ key, value string }{{"name", r.Name}, {"status", string(r.Status)}, {"asked", r.Asks}, {"found", r.Did}} {
			b = identity.AppendJSONString(fmt.Appendf(b, "%s%q: ", [...]string{"{", ", "}[min(n, 1)], m.key), m.value)
		}
		return append(b, '}')
	})
	out.WriteString("\n}\n")
	return out.Flush()
}

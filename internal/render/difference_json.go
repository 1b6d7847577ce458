package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// comparisonVersion is that of the JSON document.
const comparisonVersion = "1.0"

// DifferenceCSV writes one row per change and rejection that appears or
// vanishes, and two for one that differs, below a line of headings. The columns
// are those of [CSV], behind effect ("appears", "vanishes", "differs") and plan
// ("base" or "head", which has the row).
func DifferenceCSV(w io.Writer, c *Comparison, d Dialect) error {
	out := d.writer(w)
	out.Write(slices.Concat([]string{"effect", "plan"}, planHeader))
	for _, d := range c.Changes {
		if d.Base != nil {
			writeSafe(out, changeCells([]string{d.Effect().String(), "base"}, d.Base))
		}
		if d.Head != nil {
			writeSafe(out, changeCells([]string{d.Effect().String(), "head"}, d.Head))
		}
	}
	for _, d := range c.Rejections {
		if d.Base != nil {
			writeSafe(out, rejectionCells([]string{d.Effect().String(), "base"}, d.Base))
		}
		if d.Head != nil {
			writeSafe(out, rejectionCells([]string{d.Effect().String(), "head"}, d.Head))
		}
	}
	out.Flush()
	return out.Error()
}

// DifferenceJSON writes the comparison as one JSON document, which is no saved
// plan. Its keys and rows are in fixed order, none is left out, and lists are
// never null.
func DifferenceJSON(w io.Writer, c *Comparison) error {
	out := bufio.NewWriterSize(w, 1<<16)
	b := identity.AppendJSONString([]byte("{\n  \"comparison_version\": "), comparisonVersion)
	member := func(key, value string) {
		b = identity.AppendJSONString(fmt.Appendf(b, ",\n  %q: ", key), value)
	}
	member("rollcall_version", c.Version)
	member("created", c.Created.UTC().Format(time.RFC3339))
	b = fmt.Appendf(b, ",\n  \"redacted\": %t", c.Head.Redacted)
	member("base", c.With)
	member("base_digest", c.Base.ConfigDigest)
	member("head_digest", c.Head.ConfigDigest)
	texts := func(key string, all []string) {
		b = fmt.Appendf(b, ",\n  %q: [", key)
		for i, text := range all {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = identity.AppendJSONString(b, text)
		}
		b = append(b, ']')
	}
	var read []string
	for i := range c.Head.Directories {
		read = append(read, c.Head.Directories[i].Name)
	}
	texts("directories", read)
	texts("unread", c.Head.Unread)
	console := ""
	if r := otherConsole(&c.Head.Header); r != nil {
		console = r.Name
	}
	member("console", console)
	texts("only", c.Head.Only)
	texts("except", c.Head.Except)
	texts("warnings", c.Head.Warnings)
	risks := func(key string, all []plan.Risk) {
		b = fmt.Appendf(b, "\n    %q: [", key)
		for i := range all {
			b = all[i].AppendJSON(append(b, strings.Repeat(", ", min(i, 1))...))
		}
		b = append(b, ']')
	}
	b = append(b, ",\n  \"risk\": {"...)
	risks("base", c.Base.Risks)
	b = append(b, ',')
	risks("head", c.Head.Risks)
	b = append(b, "\n  },\n  \"counts\": {"...)
	categories, reasons := c.Categories(), c.Reasons()
	comma := ""
	appendTally := func(name string, t plan.Tally) {
		b = fmt.Appendf(b, "%s\n    %q: {\"base\": %d, \"head\": %d", comma, name, t.Base, t.Head)
		for e, n := range t.Effects {
			b = fmt.Appendf(b, ", %q: %d", plan.Effect(e).String(), n)
		}
		b = append(b, '}')
		comma = ","
	}
	for x, t := range categories {
		appendTally(plan.Category(x).String(), t)
	}
	for x, t := range reasons {
		if x > 0 {
			appendTally(plan.Reason(x).String(), t)
		}
	}
	b = append(b, "\n  }"...)
	out.Write(b)
	writeList(out, "configuration", len(c.Files), func(b []byte, i int) []byte {
		f := &c.Files[i]
		b = identity.AppendJSONString(append(b, `{"file": `...), f.Name)
		b = fmt.Appendf(b, `, "status": %q, "concealed": %t, "diff": `, f.status(), f.Concealed)
		return append(identity.AppendJSONString(b, f.unified(false)), '}')
	})
	writeList(out, "changes", len(c.Changes), func(b []byte, i int) []byte {
		return appendDiffering(b, c.Changes[i], (*plan.Change).AppendJSON, plan.ChangeFields)
	})
	writeList(out, "rejections", len(c.Rejections), func(b []byte, i int) []byte {
		return appendDiffering(b, c.Rejections[i], (*plan.Rejection).AppendJSON, plan.RejectionFields)
	})
	out.WriteString("\n}\n")
	return out.Flush()
}

// writeList writes a member that is a list of n items.
func writeList(out *bufio.Writer, name string, n int, item func(b []byte, i int) []byte) {
	fmt.Fprintf(out, ",\n  %q: [", name)
	var b []byte
	for i := range n {
		out.Write(item(append(b[:0], strings.Repeat(",", min(i, 1))+"\n    "...), i))
	}
	if n > 0 {
		out.WriteString("\n  ")
	}
	out.WriteByte(']')
}

func appendDiffering[T any](b []byte, d plan.Differing[T], row func(*T, []byte) []byte, fields func(plan.Differing[T]) []plan.FieldDifference) []byte {
	b = fmt.Appendf(b, `{"effect": %q`, d.Effect().String())
	for _, side := range []struct {
		key string
		row *T
	}{{"base", d.Base}, {"head", d.Head}} {
		b = fmt.Appendf(b, ", %q: ", side.key)
		if side.row == nil {
			b = append(b, "null"...)
		} else {
			b = row(side.row, b)
		}
	}
	b = append(b, `, "fields": [`...)
	for i, f := range fields(d) {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = identity.AppendJSONString(b, f.Name)
	}
	return append(b, "]}"...)
}

package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/lint"
	"github.com/rollcall-cli/rollcall/internal/repair"
)

// Lint is a run of lint.
type Lint struct {
	// Version is that of the program, Created the time of the run.
	Version string
	Created time.Time
	*lint.Report
}

// totals counts the findings by severity, in words.
func (l *Lint) totals() string {
	var parts []string
	for _, s := range lint.Severities {
		parts = append(parts, ofSeverity(l.Count(s), s))
	}
	return strings.Join(parts, ", ")
}

// ofSeverity counts findings.
func ofSeverity(n int, s lint.Severity) string {
	if s == lint.Info {
		return number(n) + " info"
	}
	return count(n, s.String(), s.String()+"s")
}

// signs of findings, by severity.
var lintSigns = [...]span{lint.Info: {"!", dim}, lint.Warning: {"!", yellow}, lint.Error: {"!", red}}

// lintColumns are those of findings like this one: about a value, or about a
// whole entry.
func lintColumns(of *lint.Finding) []column[*lint.Finding] {
	first := []column[*lint.Finding]{{head: "entry", cell: func(f *lint.Finding, _ bool) cell { return subject(f.DN) }}}
	if of.Value != "" {
		first = []column[*lint.Finding]{
			{head: "value", cell: func(f *lint.Finding, _ bool) cell { return subject(f.Value) }},
			{head: "entry", least: 30, cell: func(f *lint.Finding, _ bool) cell { return text(f.DN) }},
		}
	}
	return append(first,
		column[*lint.Finding]{head: "because of", wraps: true, cell: func(f *lint.Finding, _ bool) cell { return text(lintBecause(f)) }},
		column[*lint.Finding]{head: "attribute", least: 8, helps: true, cell: func(f *lint.Finding, _ bool) cell { return styled(dim, f.Attribute) }},
		column[*lint.Finding]{head: "directory", least: 8, helps: true, cell: func(f *lint.Finding, _ bool) cell { return styled(dim, f.Directory) }},
	)
}

// lintBecause tells what belongs to a finding beside the value.
func lintBecause(f *lint.Finding) string {
	var parts []string
	if f.Other != "" {
		parts = append(parts, f.Other)
	}
	if f.Reason != "" {
		parts = append(parts, f.Reason)
	}
	for i := range f.Others {
		o := &f.Others[i]
		name := o.DN
		if o.Directory != f.Directory {
			name += " (" + o.Directory + ")"
		}
		parts = append(parts, name)
	}
	if f.More > 0 {
		parts = append(parts, number(f.More)+" more")
	}
	return strings.Join(parts, ", ")
}

// longestRepair is the most octets that a repair takes as text. A longer one
// holds a value that nobody reads there.
const longestRepair = 1000

// LintText writes findings for a person: a table for each code with what to do
// about it, and what they come to. Repairs that need no decision stand below
// their table: LDIF for LDAP servers, and else PowerShell.
func LintText(w io.Writer, l *Lint, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	ldif := map[string]bool{}
	for i := range l.Directories {
		d := &l.Directories[i]
		ldif[d.Name] = d.Kind == "ldap"
		o.put(bold, clean(d.Name))
		o.next(0, margin, styled(dim, d.Kind))
		o.next(0, margin, styled(plain, count(d.Scanned, "object", "objects")))
		if d.Server != "" {
			o.next(0, margin, styled(dim, "from "+d.Server))
		}
		o.end()
	}
	for _, c := range lint.Codes() {
		found := l.Of(c)
		if len(found) == 0 {
			continue
		}
		o.title(c.String(), ofSeverity(l.Counts[c], c.Severity())+", "+c.Meaning())
		t := table[*lint.Finding]{
			columns: lintColumns(&found[0]), sign: lintSigns[c.Severity()], rows: opt.cut(len(found)),
			row: func(i int) *lint.Finding { return &found[i] },
		}
		t.all(o)
		o.prose(nested, "hint: ", dim, c.Advice())
		for i := range found[:t.rows] {
			o.repair(found[i].Change(), ldif[found[i].Directory])
		}
		o.cut(l.Counts[c]-t.rows, opt)
	}
	o.end()
	if len(l.Findings) == 0 {
		o.line(bold, "nothing found")
		return o.flush()
	}
	o.prose(0, l.totals()+": ", bold, "-o json, csv or markdown has every repair as PowerShell and as LDIF")
	return o.flush()
}

// repair writes a change as it can be copied: unwrapped.
func (p *page) repair(c *repair.Change, ldif bool) {
	text := c.PowerShell()
	if ldif || text == "" {
		text = strings.TrimSuffix(c.LDIF(), "\n\n")
	}
	if len(text) > longestRepair {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			p.at(nested)
			p.put(plain, line)
			p.end()
		}
	}
}

var lintHeader = []string{"severity", "code", "directory", "scope", "dn", "guid", "attribute", "value", "message", "advice", "powershell", "ldif"}

// LintCSV writes one row per finding below a line of headings. Cells are as safe
// as those of [CSV]; those of repairs are printable ASCII, LDIF with its line
// ends.
func LintCSV(w io.Writer, l *Lint) error {
	out := csv.NewWriter(w)
	out.Write(lintHeader)
	row := make([]string, 0, len(lintHeader))
	for i := range l.Findings {
		f := &l.Findings[i]
		row = append(row[:0], f.Severity().String(), f.Code.String(), f.Directory, f.Scope, f.DN, f.GUID, f.Attribute, f.Value, f.Message(), f.Advice())
		for n, value := range row {
			row[n] = safe(value)
		}
		change := f.Change()
		out.Write(append(row, change.PowerShell(), change.LDIF()))
	}
	out.Flush()
	return out.Error()
}

// LintMarkdown writes findings for a ticket or a comment: a table of the codes,
// and one collapsible section for each, with the repairs of its rows. What does
// not fit is counted.
func LintMarkdown(w io.Writer, l *Lint) error {
	var b strings.Builder
	var names []string
	for i := range l.Directories {
		names = append(names, markdown(l.Directories[i].Name))
	}
	fmt.Fprintf(&b, "# rollcall lint: %s\n\nrollcall %s, %s: %s\n\n", strings.Join(names, ", "), markdown(l.Version), moment(l.Created), l.totals())
	var present []lint.Code
	for _, c := range lint.Codes() {
		if l.Counts[c] > 0 {
			present = append(present, c)
		}
	}
	if len(present) > 0 {
		b.WriteString("| | findings | | |\n|---|---:|---|---|\n")
	}
	for _, c := range present {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", c.Severity(), number(l.Counts[c]), c, c.Meaning())
	}
	for i, c := range present {
		// What sections leave over, those behind them share.
		b.WriteString(lintSection(c, l.Of(c), l.Counts[c], (longestReport-b.Len())/(len(present)-i)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lintSection writes the findings of a code in at most room octets, as far as
// they fit.
func lintSection(c lint.Code, found []lint.Finding, total, room int) string {
	head := fmt.Sprintf("\n<details><summary><code>%s</code>: %s, %s</summary>\n\n%s What to do: %s.\n\n| value | attribute | entry | directory | because of |\n|---|---|---|---|---|\n",
		c, ofSeverity(total, c.Severity()), c.Meaning(), c.Matters(), c.Advice())
	const foot = "\n</details>\n"
	const spare = len("\n0,000,000 more: rollcall lint -o csv=FILE\n") + len("\n```powershell\n```\n\n```ldif\n```\n")
	room -= len(head) + len(foot) + spare
	var rows, shell, ldif strings.Builder
	n := 0
	for ; n < len(found); n++ {
		f := &found[n]
		row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", remark(f.Value), markdown(f.Attribute), remark(f.DN), markdown(f.Directory), remark(lintBecause(f)))
		change := f.Change()
		command, record := change.PowerShell(), change.LDIF()
		if room -= len(row) + len(command) + 1 + len(record); room < 0 {
			break
		}
		rows.WriteString(row)
		if ldif.WriteString(record); command != "" {
			shell.WriteString(command + "\n")
		}
	}
	section := head + rows.String()
	if n < total {
		section += "\n" + number(total-n) + " more: rollcall lint -o csv=FILE\n"
	}
	for _, block := range []struct{ language, text string }{{"powershell", shell.String()}, {"ldif", strings.TrimSuffix(ldif.String(), "\n")}} {
		if block.text != "" {
			section += "\n```" + block.language + "\n" + block.text + "```\n"
		}
	}
	return section + foot
}

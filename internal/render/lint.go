package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/lint"
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

// columns are those of findings like this one: about a value, or about a whole
// entry. Of a single directory none is named.
func (l *Lint) columns(of *lint.Finding) []column[*lint.Finding] {
	first := []column[*lint.Finding]{{head: "entry", cell: func(f *lint.Finding, _ bool) cell { return subject(f.DN) }}}
	if of.Value != "" {
		first = []column[*lint.Finding]{
			{head: "value", cell: func(f *lint.Finding, _ bool) cell { return subject(f.Value) }},
			{head: "entry", least: 30, cell: func(f *lint.Finding, _ bool) cell { return text(f.DN) }},
		}
	}
	if len(l.Directories) > 1 {
		first = append(first, column[*lint.Finding]{head: "directory", least: 8, cell: func(f *lint.Finding, _ bool) cell { return styled(dim, f.Directory) }})
	}
	return append(first,
		column[*lint.Finding]{head: "because of", wraps: true, cell: func(f *lint.Finding, _ bool) cell { return sentence(plain, lintBecause(f)) }},
		column[*lint.Finding]{head: "attribute", least: 8, helps: true, cell: func(f *lint.Finding, _ bool) cell { return styled(dim, f.Attribute) }},
	)
}

// lintBecause says what belongs to a finding beside the value.
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
// their table, as they can be copied: PowerShell, or LDIF where there is none.
func LintText(w io.Writer, l *Lint, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	for i := range l.Directories {
		d := &l.Directories[i]
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
			columns: l.columns(&found[0]), sign: lintSigns[c.Severity()], rows: opt.cut(len(found)),
			row: func(i int) *lint.Finding { return &found[i] },
		}
		t.all(o)
		o.cut(l.Counts[c]-t.rows, opt)
		for _, advice := range lintAdvice(found[:t.rows]) {
			o.prose(nested, "hint: ", dim, advice)
		}
		o.repairs(found[:t.rows])
	}
	o.end()
	if len(l.Findings) == 0 {
		o.line(bold, "nothing found")
		return o.flush()
	}
	repaired := 0
	for i := range l.Findings {
		if !l.Findings[i].Change().Empty() {
			repaired++
		}
	}
	if repaired == 0 {
		o.line(bold, "%s", l.totals())
	} else {
		o.prose(0, l.totals()+": ", bold, number(repaired)+oneOf(repaired, " has", " have")+" a repair, in -o json, csv, markdown and sarif as LDIF and, for Active Directory, as PowerShell")
	}
	return o.flush()
}

// lintAdvice is what to do about findings of one code, each advice once.
func lintAdvice(found []lint.Finding) (list []string) {
	for i := range found {
		if advice := found[i].Advice(); !slices.Contains(list, advice) {
			list = append(list, advice)
		}
	}
	return list
}

// repairs writes each repair once: commands first, and then, from the first cell
// on and between blank lines, records of LDIF, in which a line that begins with a
// blank goes on the one before (RFC 2849).
func (p *page) repairs(found []lint.Finding) {
	var commands, records []string
	for i := range found {
		c := found[i].Change()
		list, text := &commands, c.PowerShell()
		if text == "" {
			list, text = &records, c.LDIF()
		}
		if text != "" && len(text) <= longestRepair {
			*list = append(*list, text)
		}
	}
	// Those of an entry follow each other.
	commands, records = slices.Compact(commands), slices.Compact(records)
	for _, command := range commands {
		p.at(nested)
		p.put(plain, command)
		p.end()
	}
	for _, record := range records {
		p.end()
		for line := range strings.Lines(strings.TrimSuffix(record, "\n")) {
			p.put(plain, strings.TrimSuffix(line, "\n"))
			p.end()
		}
	}
}

var lintHeader = []string{"severity", "code", "directory", "scope", "dn", "guid", "attribute", "value", "message", "advice", "powershell", "ldif"}

// LintCSV writes one row per finding below a line of headings. Cells are as safe
// as those of [CSV]; those of repairs are printable ASCII, LDIF with its line
// ends.
func LintCSV(w io.Writer, l *Lint, d Dialect) error {
	out := d.writer(w)
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
// not fit is counted. Two runs differ only where the findings do.
func LintMarkdown(w io.Writer, l *Lint) error {
	var b strings.Builder
	var names []string
	for i := range l.Directories {
		names = append(names, markdown(l.Directories[i].Name))
	}
	fmt.Fprintf(&b, "# rollcall lint: %s\n\n%s\n\n", strings.Join(names, ", "), l.totals())
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
		c, ofSeverity(total, c.Severity()), c.Meaning(), c.Matters(), markdown(strings.Join(lintAdvice(found), "; or: ")))
	const foot = "\n</details>\n"
	const spare = len("\n0,000,000 more: rollcall lint -o csv=FILE\n") + len("\n```powershell\n```\n\n```ldif\n```\n")
	room -= len(head) + len(foot) + spare
	var rows, shell, ldif strings.Builder
	last := "" // the repair of the row before
	n := 0
	for ; n < len(found); n++ {
		f := &found[n]
		row := tableRow(remark(f.Value), markdown(f.Attribute), remark(f.DN), markdown(f.Directory), remark(lintBecause(f)))
		change := f.Change()
		command, record := change.PowerShell(), change.LDIF()
		if record == last {
			command, record = "", ""
		}
		if room -= len(row) + len(command) + 1 + len(record); room < 0 {
			break
		}
		rows.WriteString(row)
		if ldif.WriteString(record); command != "" {
			shell.WriteString(command + "\n")
		}
		if record != "" {
			last = record
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

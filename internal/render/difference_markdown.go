package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// longestDiff is how many octets of a report the difference of the files takes
// at most.
const longestDiff = 16_000

// DifferenceMarkdown writes a comparison as the comment of a pull request, in
// the way of [Markdown]: the counts, and a section for the files and for what
// appears, vanishes and differs of each category and reason.
func DifferenceMarkdown(w io.Writer, c *Comparison) error {
	// Not the folder of the other configuration, which may be another in each run.
	r := comment{full: "rollcall plan --compare DIR --all"}
	verdict, what := c.verdict()
	r.put("## rollcall: %s%s\n\n", verdict, what)
	if c.Head.Redacted {
		r.put("Masks stand for addresses, names, DNs and GUIDs: equal ones for equal values.\n\n")
	}
	lines := c.lines()
	if len(lines) > 0 {
		r.put("| | before | after | |\n|---|---:|---:|---|\n")
	}
	for _, l := range lines {
		r.put("%s", tableRow(markdown(l.name), number(l.Base), number(l.Head), effectsOf(l.Tally, "", "")))
	}
	if len(lines) > 0 {
		r.put("\n")
	}
	r.list(warnings(c.Head))
	r.risks(c)
	if c.marked() {
		r.put("Changes marked drift correct what was changed in the console by hand.\n\n")
	}
	r.names("Not read", c.Head.Unread)
	r.names("Only", c.Head.Only)
	r.names("Except", c.Head.Except)
	r.files(c)
	for _, x := range order {
		var rows []plan.Differing[plan.Change]
		for _, d := range c.Changes {
			if d.Row().Category == x {
				rows = append(rows, d)
			}
		}
		addEffects(&r, x.String(), "change", "changes", rows, plan.ChangeFields, namedChange,
			categories[x].columns, func(c *plan.Change) *change { return &change{c, c.Row()} })
	}
	columns := append(slices.Clone(rejectionColumns), remedyColumn)
	for x := plan.AliasRejected; int(x) < plan.Reasons; x++ {
		var rows []plan.Differing[plan.Rejection]
		for _, d := range c.Rejections {
			if d.Row().Reason == x {
				rows = append(rows, d)
			}
		}
		addEffects(&r, x.String(), "rejection", "rejections", rows, plan.RejectionFields, namedRejection,
			columns, func(r *plan.Rejection) *plan.Rejection { return r })
	}
	return r.write(w)
}

// addEffects adds a section for each effect on the rows of a category or reason.
func addEffects[T, R any](r *comment, title, one, many string, rows []plan.Differing[T], fields func(plan.Differing[T]) []plan.FieldDifference,
	name named[T], columns []column[R], row func(*T) R) {
	// What helps only, but for names, and since when a rejection stands, has no room.
	var kept []column[R]
	for _, c := range columns {
		if (!c.helps || c.head == nameBefore.head) && c.head != "since" {
			kept = append(kept, c)
		}
	}
	for e := range plan.Effect(plan.Effects) {
		var of []plan.Differing[T]
		for _, d := range rows {
			if d.Effect() == e {
				of = append(of, d)
			}
		}
		meaning := count(len(of), one, many) + " " + oneOf(len(of), effects[e].one, effects[e].many)
		if e == plan.Differs {
			addSection(r, title, meaning, "", differsColumns(name, fields), len(of), func(i int) plan.Differing[T] { return of[i] })
		} else {
			addSection(r, title, meaning, "", kept, len(of), func(i int) R { return row(of[i].Row()) })
		}
	}
}

// risks reports the risk before and after where it is reported in other words.
func (r *comment) risks(c *Comparison) {
	levels := c.riskLevels()
	if levels == "" {
		return
	}
	r.put("**Risk: %s**\n\n", levels)
	if len(c.Risks) == 0 {
		return
	}
	r.put("| before | after |\n|---|---|\n")
	for _, d := range c.Risks {
		r.put("%s", tableRow(riskRemark(d.Base), riskRemark(d.Head)))
	}
	r.put("\n")
}

// files adds the section of how the configurations differ.
func (r *comment) files(c *Comparison) {
	all := c.Files
	if len(all) == 0 {
		return
	}
	var diff strings.Builder
	var parts, concealed []string
	more := 0
	for i := range all {
		f := &all[i]
		switch why := c.hidden(f); {
		case why != "" && len(concealed) < mostRemarks:
			concealed = append(concealed, "- "+remark(f.Name)+" "+f.status()+": "+why)
		case why != "", diff.Len() > longestDiff:
			more++
		default:
			diff.WriteString(f.unified(false))
		}
	}
	if shown := diff.String(); shown != "" {
		end := len(shown)
		if end > longestDiff {
			end = strings.LastIndexByte(shown[:longestDiff], '\n') + 1
		}
		fence := "```"
		for strings.Contains(shown[:end], fence) {
			fence += "`"
		}
		parts = append(parts, fence+"diff\n"+shown[:end]+fence)
		if lines := strings.Count(shown[end:], "\n"); lines > 0 {
			parts = append(parts, fmt.Sprintf("… %s more", count(lines, "line", "lines")))
		}
	}
	if len(concealed) > 0 {
		parts = append(parts, strings.Join(concealed, "\n"))
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("… %s more", count(more, "file", "files")))
	}
	r.sections = append(r.sections, section{
		title: "<b>configuration</b>: " + count(len(all), "file differs", "files differ"),
		lead:  strings.Join(parts, "\n\n"),
	})
}

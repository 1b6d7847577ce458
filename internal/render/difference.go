package render

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/plan"
)

// Comparison is what a change of the configuration does: the difference of two
// plans, and that of the files.
type Comparison struct {
	// Version is that of the program, Created when the plans were made.
	Version string
	Created time.Time
	// With is how the configuration to compare with was named.
	With string
	*plan.Difference
	// Files are those that differ, in order of their names.
	Files []FileDifference
}

// FileDifference is a file of a configuration that is not the same in another.
type FileDifference struct {
	Name string
	// Base and Head are its texts, nil where the file is not there.
	Base, Head *string
	// Concealed marks texts that nobody may see.
	Concealed bool
}

// status says in a word what became of the file.
func (f *FileDifference) status() string {
	switch {
	case f.Base == nil:
		return "added"
	case f.Head == nil:
		return "removed"
	}
	return "changed"
}

// unified returns the difference as a unified diff, "" for texts that are
// concealed. What cannot be seen in a text is written as an escape.
func (f *FileDifference) unified(color bool) string {
	if f.Concealed {
		return ""
	}
	side := func(prefix string, text *string) (name, shown string) {
		if text == nil {
			return "/dev/null", ""
		}
		return prefix + f.Name, escape(*text, func(r, before rune) bool { return r != '\n' && r != '\t' && invisible(r, before) })
	}
	baseName, base := side("a/", f.Base)
	headName, head := side("b/", f.Head)
	var b strings.Builder
	// A strings.Builder takes whatever is written.
	UnifiedDiff(&b, baseName, headName, base, head, color)
	return b.String()
}

// hidden says why nothing is shown of a file that differs, "" if something is.
// Beside the text of a configuration, masks would tell whose they are.
func (c *Comparison) hidden(f *FileDifference) string {
	switch {
	case f.Concealed && c.Head.Redacted:
		return "its content is not shown beside masks"
	case !f.Concealed && f.Base != nil && f.Head != nil && *f.Base == *f.Head:
		return "it differs only in what is masked"
	case !f.Concealed:
		return ""
	}
	return "its content is not shown, for it may be a secret"
}

// marked reports whether any of the changes takes drift back.
func (c *Comparison) marked() bool {
	return slices.ContainsFunc(c.Changes, func(d plan.Differing[plan.Change]) bool { return d.Row().Drift })
}

// driftMark explains the mark where drift itself is not shown.
const driftMark = "changes marked drift correct what was changed in the console by hand"

// Signs of the rows of a difference are those of a diff.
var effects = [plan.Effects]struct {
	sign      span
	one, many string
}{
	plan.Appears:  {span{"+", green}, "appears", "appear"},
	plan.Vanishes: {span{"-", red}, "vanishes", "vanish"},
	plan.Differs:  {span{"~", yellow}, "differs", "differ"},
}

// effectsOf says what becomes of rows: "2 rows appear, 1 vanishes"; without
// nouns "2 appear, 1 vanishes".
func effectsOf(t plan.Tally, one, many string) string {
	var parts []string
	for e, n := range t.Effects {
		if n == 0 {
			continue
		}
		what := number(n)
		if len(parts) == 0 && one != "" {
			what = count(n, one, many)
		}
		parts = append(parts, what+" "+oneOf(n, effects[e].one, effects[e].many))
	}
	return strings.Join(parts, ", ")
}

// differing counts the rows that differ.
func differing(t plan.Tally) (n int) {
	for _, of := range t.Effects {
		n += of
	}
	return n
}

// named are the fields of a row by which differences name it.
type named[T any] struct{ address, attribute func(*T) string }

var (
	namedChange    = named[plan.Change]{func(c *plan.Change) string { return c.Address.String() }, func(c *plan.Change) string { return c.Attribute }}
	namedRejection = named[plan.Rejection]{func(r *plan.Rejection) string { return r.Address }, func(r *plan.Rejection) string { return r.Attribute }}
)

// differsColumns are those of rows that both plans have.
func differsColumns[T any](row named[T], fields func(plan.Differing[T]) []plan.FieldDifference) []column[plan.Differing[T]] {
	return []column[plan.Differing[T]]{
		{head: "address", cell: func(d plan.Differing[T], _ bool) cell { return subject(row.address(d.Head)) }},
		{head: "attribute", least: 8, cell: func(d plan.Differing[T], _ bool) cell {
			if row.attribute(d.Base) != row.attribute(d.Head) {
				return cell{} // it is what differs
			}
			return text(row.attribute(d.Head))
		}},
		{head: "differs in", wraps: true, cell: func(d plan.Differing[T], _ bool) cell {
			var parts []span
			for i, f := range fields(d) {
				if i > 0 {
					parts = append(parts, span{", ", dim})
				}
				parts = append(parts, span{f.Name + " ", dim}, span{orNothing(f.Base), plain}, span{" -> ", dim}, span{orNothing(f.Head), plain})
			}
			return spans(parts...)
		}},
	}
}

// orNothing is a value that may be empty.
func orNothing(value string) string {
	if value == "" {
		return "(none)"
	}
	return clean(value)
}

// DifferenceText writes a comparison for a person who decides on the change of
// the configuration: its files, the rows of each category and reason that appear
// (+), vanish (-) or differ (~), and last all counts.
func DifferenceText(w io.Writer, c *Comparison, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	opt.Full = cmp.Or(opt.Full, "the same with --all")
	o.line(bold, "%s", "Comparison of "+moment(c.Created)+" with the configuration in "+clean(c.With))
	header := c.Head.Header
	header.Created = time.Time{}
	o.header(&plan.Plan{Header: header})
	if c.marked() {
		o.prose(margin, "", plain, driftMark)
	}
	o.files(c)
	columns := func(x plan.Category) []changeColumn {
		return columnsOf(x, severalDirectories(c.Base) || severalDirectories(c.Head))
	}
	categories := c.Categories()
	for _, x := range order {
		if differing(categories[x]) == 0 {
			continue
		}
		o.title(x.String(), effectsOf(categories[x], "change", "changes"))
		first := slices.IndexFunc(c.Changes, func(d plan.Differing[plan.Change]) bool { return d.Row().Category == x })
		effectTables(o, c.Changes[first:first+differing(categories[x])], opt, plan.ChangeFields, namedChange,
			func(sign span, rows []plan.Differing[plan.Change]) {
				var row change
				t := table[*change]{columns: columns(x), sign: sign, rows: len(rows), row: func(i int) *change {
					row = change{rows[i].Row(), rows[i].Row().Row()}
					return &row
				}}
				t.all(o)
			})
	}
	reasons := c.Reasons()
	for rest := c.Rejections; len(rest) > 0; {
		x := rest[0].Row().Reason
		o.title(x.String(), effectsOf(reasons[x], "rejection", "rejections"))
		effectTables(o, rest[:differing(reasons[x])], opt, plan.RejectionFields, namedRejection,
			func(sign span, rows []plan.Differing[plan.Rejection]) {
				t := table[*plan.Rejection]{columns: rejectionColumns, sign: sign, rows: len(rows), row: func(i int) *plan.Rejection { return rows[i].Row() }}
				t.all(o)
			})
		rest = rest[differing(reasons[x]):]
	}
	o.tallies(c)
	o.risks(c)
	verdict, what := c.verdict()
	o.prose(0, verdict, bold, what)
	return o.flush()
}

// effectTables writes a table of the rows that appear, one of those that vanish,
// both with alone, and one of those that differ.
func effectTables[T any](p *page, rows []plan.Differing[T], opt TextOptions, fields func(plan.Differing[T]) []plan.FieldDifference,
	row named[T], alone func(sign span, rows []plan.Differing[T])) {
	left := 0
	for e := range plan.Effect(plan.Effects) {
		of := slices.DeleteFunc(slices.Clone(rows), func(d plan.Differing[T]) bool { return d.Effect() != e })
		n := opt.cut(len(of))
		left += len(of) - n
		switch of := of[:n]; e {
		case plan.Differs:
			t := table[plan.Differing[T]]{
				columns: differsColumns(row, fields), sign: effects[e].sign,
				rows: n, row: func(i int) plan.Differing[T] { return of[i] },
			}
			t.all(p)
		default:
			alone(effects[e].sign, of)
		}
	}
	p.cut(left, opt)
}

// files shows how the configurations differ.
func (p *page) files(c *Comparison) {
	all := c.Files
	if len(all) == 0 {
		return
	}
	p.title("configuration", count(len(all), "file differs", "files differ"))
	for i := range all {
		f := &all[i]
		if why := c.hidden(f); why != "" {
			p.prose(margin, "", plain, clean(f.Name)+" "+f.status()+": "+why)
		} else {
			p.out.WriteString(f.unified(p.color))
		}
	}
}

// tallies counts the rows of what differs, and says what it comes to.
func (p *page) tallies(c *Comparison) {
	lines := c.lines()
	names, digits := len("Summary"), len("before")
	for _, l := range lines {
		names, digits = max(names, len(l.name)), max(digits, len(number(l.Base)), len(number(l.Head)))
	}
	p.end()
	if len(lines) > 0 {
		p.put(bold, "Summary")
		p.numbers(margin+names+gap, digits, "before", "after")
		p.end()
	}
	for _, l := range lines {
		p.at(margin)
		p.put(plain, l.name)
		p.numbers(margin+names+gap, digits, number(l.Base), number(l.Head))
		if differing(l.Tally) > 0 {
			p.next(0, margin, styled(dim, effectsOf(l.Tally, "", "")))
		}
		p.end()
	}
	if len(lines) > 0 {
		p.end()
	}
}

// risks says in which words the risk is described for the one plan and not of the
// other.
func (p *page) risks(c *Comparison) {
	levels := c.riskLevels()
	if levels == "" {
		return
	}
	p.prose(0, "Risk: ", bold, levels)
	for _, d := range c.Risks {
		for _, side := range []struct {
			effect plan.Effect
			risk   *plan.Risk
		}{{plan.Vanishes, d.Base}, {plan.Appears, d.Head}} {
			if r := side.risk; r != nil {
				sign := effects[side.effect].sign
				what := clean(r.Text())
				if r.Level >= plan.MediumRisk {
					what = r.Level.String() + ": " + what
				}
				p.prose(0, sign.text+" ", sign.style, what)
			}
		}
	}
	p.end()
}

// riskLevels are those of both plans; "" where nothing differs.
func (c *Comparison) riskLevels() string {
	base, head := plan.RiskOf(c.Base.Risks), plan.RiskOf(c.Head.Risks)
	switch {
	case c.Empty() && len(c.Risks) == 0:
		return ""
	case base == head:
		return head.String() + ", as before"
	}
	return base.String() + " before, " + head.String() + " after"
}

// numbers writes texts as columns from col on, each of so many cells, to the
// right.
func (p *page) numbers(col, width int, texts ...string) {
	for _, text := range texts {
		p.at(col + width - len(text))
		p.put(plain, text)
		col += width + gap
	}
}

// countLine is a line of the summary.
type countLine struct {
	name string
	plan.Tally
}

// lines count the categories and reasons in which the plans differ, in the order
// of their tables.
func (c *Comparison) lines() (all []countLine) {
	add := func(name string, t plan.Tally) {
		if t.Base != t.Head || differing(t) > 0 {
			all = append(all, countLine{name, t})
		}
	}
	categories := c.Categories()
	for _, x := range order {
		add(x.String(), categories[x])
	}
	for x, t := range c.Reasons() {
		add(plan.Reason(x).String(), t)
	}
	base, head := c.Base.Summary(), c.Head.Summary()
	add("withheld", plan.Tally{Base: base.Withheld, Head: head.Withheld})
	add("left_out", plan.Tally{Base: base.LeftOut, Head: head.LeftOut})
	add("unchanged", plan.Tally{Base: base.Unchanged, Head: head.Unchanged})
	return all
}

// verdict says in a sentence what the change of the configuration does.
func (c *Comparison) verdict() (verdict, what string) {
	amount := func(changes, rejections int) string {
		return count(changes, "change", "changes") + " and " + count(rejections, "rejection", "rejections")
	}
	if c.Empty() {
		if len(c.Head.Changes) == 0 {
			return "the plans do not differ: ", "both have no changes and the same " + count(len(c.Head.Rejections), "rejection", "rejections")
		}
		return "the plans do not differ: ", "both have the same " + amount(len(c.Head.Changes), len(c.Head.Rejections))
	}
	return "the plans differ: ", "in " + amount(len(c.Changes), len(c.Rejections))
}

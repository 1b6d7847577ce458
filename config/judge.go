package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// Mismatch is something that a plan was expected to be and is not.
type Mismatch struct {
	// Line is that of the expectation, 0 for rows that nothing expects.
	Line int
	// What is expected: the name of a count, or a row by kind and address.
	What string
	// Expected and Actual are rows or numbers as text; either may be empty.
	Expected, Actual []string
}

// Judge compares a plan with what it is to be, and says with the masks of m how
// they differ. The mismatches are in order of the source; rows that nothing
// expects come last.
func (e *Expectation) Judge(p *plan.Plan, m plan.Masker) (all []Mismatch) {
	counts := countsOf(p)
	for _, c := range e.Counts {
		if n := counts[c.Name]; n != c.N {
			x := Mismatch{Line: c.Line, What: c.Name, Expected: []string{fmt.Sprint(c.N)}, Actual: []string{fmt.Sprint(n)}}
			if c.Name == "warnings" {
				for _, warning := range p.Warnings {
					x.Actual = append(x.Actual, m.Text(warning))
				}
			}
			all = append(all, x)
		}
	}
	var changes, rejections []actualRow
	for i := range p.Changes {
		row := p.Changes[i].Row()
		changes = append(changes, actualRow{kind: row.Category.String(), address: row.Address, fields: row.Fields()})
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		rejections = append(rejections, actualRow{kind: r.Reason.String(), address: r.Address, fields: r.Fields()})
	}
	missing := append(match("change", e.Changes, changes, m), match("rejection", e.Rejections, rejections, m)...)
	all = append(all, missing...)
	slices.SortStableFunc(all, func(a, b Mismatch) int { return cmp.Compare(a.Line, b.Line) })
	if e.Exact {
		for _, list := range []struct {
			what string
			rows []actualRow
		}{{"change", changes}, {"rejection", rejections}} {
			for i := range list.rows {
				if r := &list.rows[i]; !r.expected {
					all = append(all, Mismatch{What: list.what + " of " + m.Address(r.address), Actual: []string{r.text(nil, m)}})
				}
			}
		}
	}
	return all
}

// countsOf counts what an expectation can name.
func countsOf(p *plan.Plan) map[string]int {
	sum := p.Summary()
	counts := map[string]int{
		"changes": len(p.Changes), "rejections": len(p.Rejections), "withheld": sum.Withheld, "unchanged": sum.Unchanged, "warnings": len(p.Warnings),
	}
	for c, n := range sum.Changes {
		counts[plan.Category(c).String()] = n
	}
	for i := range p.Rejections {
		counts[p.Rejections[i].Reason.String()]++
	}
	return counts
}

// actualRow is a change or rejection of the plan, and whether the expectation has
// it.
type actualRow struct {
	kind, address string
	fields        []plan.Field
	expected      bool
}

func (r *actualRow) value(name string) (string, bool) {
	i := slices.IndexFunc(r.fields, func(f plan.Field) bool { return f.Name == name })
	if i < 0 {
		return "", false
	}
	return r.fields[i].Value, true
}

// fits reports whether a row is one that is expected.
func (r *actualRow) fits(e *ExpectedRow) bool {
	return r.near(e) && (e.Kind == "" || r.kind == e.Kind) && !slices.ContainsFunc(e.Fields, func(f plan.Field) bool {
		value, _ := r.value(f.Name)
		return value != f.Value
	})
}

// near reports whether a row is about the address of one that is expected.
func (r *actualRow) near(e *ExpectedRow) bool { return strings.EqualFold(r.address, e.Address) }

// masked is the row with masks in its fields.
func (r *actualRow) masked(m plan.Masker) *actualRow {
	masked := *r
	masked.fields = plan.RedactFields(r.fields, m)
	return &masked
}

// masked is the expectation with masks in its fields.
func (e *ExpectedRow) masked(m plan.Masker) *ExpectedRow {
	masked := *e
	masked.Fields = plan.RedactFields(e.Fields, m)
	return &masked
}

// text spells out a row: its kind and the named fields, or all that are not
// empty.
func (r *actualRow) text(names []plan.Field, m plan.Masker) string {
	masked := r.masked(m)
	if names == nil {
		return spelled(r.kind, slices.DeleteFunc(masked.fields, func(f plan.Field) bool {
			return f.Value == "" || f.Value == "false" || f.Value == "0"
		}))
	}
	var fields []plan.Field
	for _, f := range names {
		if value, ok := masked.value(f.Name); ok {
			fields = append(fields, plan.Field{Name: f.Name, Value: value})
		}
	}
	return spelled(r.kind, fields)
}

func spelled(kind string, fields []plan.Field) string {
	parts := []string{}
	if kind != "" {
		parts = append(parts, kind)
	}
	for _, f := range fields {
		parts = append(parts, fmt.Sprintf("%s=%q", f.Name, f.Value))
	}
	return strings.Join(parts, " ")
}

// match finds a row of the plan for each that is expected, the most particular
// first, and returns those that there are none for.
func match(what string, expected []ExpectedRow, rows []actualRow, m plan.Masker) (missing []Mismatch) {
	sorted := slices.Clone(expected)
	slices.SortStableFunc(sorted, func(a, b ExpectedRow) int { return len(b.Fields) - len(a.Fields) })
	for i := range sorted {
		e := &sorted[i]
		at := slices.IndexFunc(rows, func(r actualRow) bool { return !r.expected && r.fits(e) })
		if at >= 0 {
			rows[at].expected = true
			continue
		}
		x := Mismatch{Line: e.Line, What: what + " of " + m.Address(e.Address), Expected: []string{cmp.Or(spelled(e.Kind, e.masked(m).Fields), "any")}}
		ofKind := slices.ContainsFunc(rows, func(r actualRow) bool { return r.near(e) && r.kind == e.Kind })
		for k := range rows {
			if r := &rows[k]; r.near(e) && (!ofKind || r.kind == e.Kind) {
				shown := r.text(append([]plan.Field{}, e.Fields...), m)
				if !r.fits(e) && r.masked(m).fits(e.masked(m)) {
					shown += ", which differs only in what is masked"
				}
				x.Actual = append(x.Actual, shown)
			}
		}
		missing = append(missing, x)
	}
	return missing
}

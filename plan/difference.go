package plan

import (
	"cmp"
	"slices"
	"strings"
)

// Difference is in what two plans of the same entries and accounts differ: what
// a change of the rules does.
type Difference struct {
	// Base and Head are the plans before and after that change.
	Base, Head *Plan
	// Changes are the rows of the change sets that differ, ordered as those of a
	// plan. Two rows are the same one when category, address and attribute are.
	Changes []Differing[Change]
	// Rejections are the rejections that differ, ordered by reason, address and
	// object. Two are the same one when their reason and [Rejection.Key] are.
	// Since when they stand does not count.
	Rejections []Differing[Rejection]
	// Risks are those that differ, in the order in which they are reported. Two are
	// the same one when code and directory are.
	Risks []Differing[Risk]
}

// Differing is a row that one of two plans has alone, or that they have with
// different fields.
type Differing[T any] struct {
	// Base is nil for a row that appears, Head for one that vanishes.
	Base, Head *T
}

// Effect says what becomes of a row from the one plan to the other.
type Effect uint8

const (
	Appears Effect = iota
	Vanishes
	Differs
	Effects int = iota // how many there are
)

// String returns "appears", "vanishes" or "differs".
func (e Effect) String() string { return [...]string{"appears", "vanishes", "differs"}[e] }

// Effect says what becomes of the row.
func (d Differing[T]) Effect() Effect {
	switch {
	case d.Base == nil:
		return Appears
	case d.Head == nil:
		return Vanishes
	}
	return Differs
}

// Row is the row of the plan that has it, of Head if both have.
func (d Differing[T]) Row() *T {
	if d.Head == nil {
		return d.Base
	}
	return d.Head
}

// Tally counts the rows of a category or reason in two plans, and what becomes
// of them.
type Tally struct {
	Base, Head int
	Effects    [Effects]int
}

// Compare returns the difference of two plans.
func Compare(base, head *Plan) *Difference {
	d := &Difference{Base: base, Head: head}
	d.Changes = Differences(base.Changes, head.Changes, func(x, y *Change) int {
		return cmp.Or(cmp.Compare(x.Category, y.Category), x.Address.Compare(y.Address), strings.Compare(x.Attribute, y.Attribute))
	}, func(x, y *Change) bool { return x.Row() == y.Row() })
	d.Rejections = Differences(base.Rejections, head.Rejections, func(x, y *Rejection) int {
		return cmp.Or(cmp.Compare(x.Reason, y.Reason), strings.Compare(x.Address, y.Address), strings.Compare(x.Directory, y.Directory),
			compareObjects(x, y), strings.Compare(x.keyAttribute(), y.keyAttribute()))
	}, func(x, y *Rejection) bool {
		a, b := *x, *y
		a.Since, a.New = b.Since, b.New
		return a == b
	})
	d.Risks = Differences(base.Risks, head.Risks, func(x, y *Risk) int {
		return cmp.Or(cmp.Compare(slices.Index(riskOrder, x.Code), slices.Index(riskOrder, y.Code)), strings.Compare(x.Directory, y.Directory))
	}, func(x, y *Risk) bool { return x.Level == y.Level && x.Text() == y.Text() })
	return d
}

// keyAttribute is the attribute that tells the rejection from others. A legal hold
// has one row for all that it keeps of an object, a missing GUID is missing by
// whatever name, and an entry waits wherever another system must list it.
func (r *Rejection) keyAttribute() string {
	switch r.Reason {
	case LegalHold, MissingGUID, PrerequisiteMissing:
		return ""
	}
	return r.Attribute
}

// compareObjects orders rejections of one reason by the object of their keys.
func compareObjects(x, y *Rejection) int {
	if x.Reason == MissingGUID || x.GUID.IsZero() && y.GUID.IsZero() {
		return strings.Compare(x.DN, y.DN)
	}
	return x.GUID.Compare(y.GUID)
}

func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

// Differences puts together the rows that order does not tell apart, one by one,
// and returns those that are not the same, in that order.
func Differences[T any](base, head []T, order func(x, y *T) int, same func(x, y *T) bool) []Differing[T] {
	before, after := pointers(base), pointers(head)
	slices.SortStableFunc(before, order)
	slices.SortStableFunc(after, order)
	var all []Differing[T]
	for len(before)+len(after) > 0 {
		var d Differing[T]
		next := len(after) - len(before) // where one list has ended, the other is next
		if len(before) > 0 && len(after) > 0 {
			next = order(before[0], after[0])
		}
		if next <= 0 {
			d.Base, before = before[0], before[1:]
		}
		if next >= 0 {
			d.Head, after = after[0], after[1:]
		}
		if d.Base == nil || d.Head == nil || !same(d.Base, d.Head) {
			all = append(all, d)
		}
	}
	return all
}

// Empty reports whether the plans have the same rows and rejections.
func (d *Difference) Empty() bool { return len(d.Changes)+len(d.Rejections) == 0 }

// Categories counts the rows of each category.
func (d *Difference) Categories() (all [Categories]Tally) {
	base, head := d.Base.Summary(), d.Head.Summary()
	for c := range all {
		all[c].Base, all[c].Head = base.Changes[c], head.Changes[c]
	}
	for _, x := range d.Changes {
		all[x.Row().Category].Effects[x.Effect()]++
	}
	return all
}

// Reasons counts the rejections of each reason; the first is none.
func (d *Difference) Reasons() (all [Reasons]Tally) {
	for i := range d.Base.Rejections {
		all[d.Base.Rejections[i].Reason].Base++
	}
	for i := range d.Head.Rejections {
		all[d.Head.Rejections[i].Reason].Head++
	}
	for _, x := range d.Rejections {
		all[x.Row().Reason].Effects[x.Effect()]++
	}
	return all
}

// FieldDifference is a [Field] that differs in two rows.
type FieldDifference struct{ Name, Base, Head string }

// ChangeFields returns in which fields a row differs; none of one that only one
// plan has.
func ChangeFields(d Differing[Change]) []FieldDifference {
	if d.Effect() != Differs {
		return nil
	}
	base, head := d.Base.Row(), d.Head.Row()
	return fieldDifferences(base.Fields(), head.Fields())
}

// RejectionFields returns in which fields a rejection differs; none of one that
// only one plan has.
func RejectionFields(d Differing[Rejection]) []FieldDifference {
	if d.Effect() != Differs {
		return nil
	}
	return fieldDifferences(d.Base.Fields(), d.Head.Fields())
}

// fieldDifferences compares two lists of the same fields.
func fieldDifferences(base, head []Field) (all []FieldDifference) {
	for i := range base {
		if base[i].Value != head[i].Value {
			all = append(all, FieldDifference{head[i].Name, base[i].Value, head[i].Value})
		}
	}
	return all
}

// AppendJSON appends the rejection as the plan document has it.
func (r *Rejection) AppendJSON(b []byte) []byte { return r.appendJSON(b) }

// AppendJSON appends the risk as the plan document has it.
func (r *Risk) AppendJSON(b []byte) []byte { return r.appendJSON(b) }

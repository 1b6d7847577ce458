package render

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

type rejectionColumn = column[*plan.Rejection]

var rejectionColumns = []rejectionColumn{
	{head: "address", cell: func(r *plan.Rejection, _ bool) cell { return subject(r.Address) }},
	{head: "since", cell: func(r *plan.Rejection, _ bool) cell { return since(r) }},
	{head: "entry or account", least: 30, cell: about},
	{head: "because of", wraps: true, cell: becauseOf},
	{head: "scope", least: 8, helps: true, cell: func(r *plan.Rejection, _ bool) cell { return styled(dim, r.Scope) }},
}

// day is the layout of a date.
const day = "2006-01-02"

// marked reports whether the plan was compared with an earlier run, so that it
// means something that a rejection is new.
func marked(r *plan.Rejection) bool { return !r.Since.IsZero() }

// since says since when a rejection stands, or that it is new.
func since(r *plan.Rejection) cell {
	switch {
	case !marked(r):
		return cell{}
	case r.New:
		return styled(yellow, "new")
	}
	return styled(dim, r.Since.UTC().Format(day))
}

// newOnes counts the rejections that are marked as new.
func newOnes(all []plan.Rejection) int {
	n := 0
	for i := range all {
		if marked(&all[i]) && all[i].New {
			n++
		}
	}
	return n
}

// about names the entry or else the account that the row is about.
func about(r *plan.Rejection, short bool) cell {
	switch {
	case r.DN != "":
		return text(r.DN)
	case r.Primary != "":
		return words("account ", shortAddress(r.Primary, r.Address, short))
	}
	return cell{}
}

// becauseOf names who or what stands in the way.
func becauseOf(r *plan.Rejection, short bool) cell {
	var parts []plan.Part
	add := func(own, value, after string) {
		if len(parts) > 0 {
			own = ", " + own
		}
		for _, part := range []plan.Part{{Text: own}, {Text: value, Value: true}, {Text: after}} {
			if part.Text != "" {
				parts = append(parts, part)
			}
		}
	}
	switch r.Reason {
	case plan.AliasMalformed, plan.PrimaryMalformed:
		add(fault(r.Address), "", "")
	case plan.AttributeTooLong:
		add("", r.Attribute, ": "+number(r.Length)+" characters, at most "+number(r.Limit))
	case plan.LegalHold:
		add("legal_hold ", strconv.Quote(r.Guard), "")
		if r.Attribute != "" {
			add("keeps its ", r.Attribute, "")
		}
	case plan.PrerequisiteMissing:
		add("prerequisite ", strconv.Quote(r.Guard), "")
		if r.Overdue {
			add("overdue", "", "")
		}
	default:
		if r.Guard != "" {
			add("protected ", strconv.Quote(r.Guard), "")
		}
	}
	if r.Wanted != "" {
		add("wanted ", shortAddress(r.Wanted, r.Address, short), "")
	}
	self := r.Other.Name == r.DN || r.DN == "" && r.Other.Name == r.Primary
	if o := r.Other; o.Kind != plan.NoParty && !self {
		own, name, after := "", o.Name, ""
		if o.Kind == plan.AccountParty {
			own, name = "account ", shortAddress(name, r.Address, short)
		}
		if o.Directory != "" && o.Directory != r.Directory && o.Kind != plan.DirectoryParty {
			after = " (" + o.Directory + ")"
		}
		if o.More > 0 {
			after += " and " + count(o.More, "other", "others")
		}
		add(own, name, after)
	}
	return phrase(parts...)
}

// fault says in a few words why a text is no address.
func fault(text string) string {
	_, err := identity.ParseAddress(text)
	switch {
	case errors.Is(err, identity.ErrAddressAt):
		return "not exactly one @"
	case errors.Is(err, identity.ErrAddressLength):
		return "too long"
	case errors.Is(err, identity.ErrAddressLocal):
		return "fault before the @"
	case errors.Is(err, identity.ErrAddressDomain):
		return "fault in the domain"
	}
	return ""
}

// batch is how many rows of a reason are looked at together to show a remedy
// that they share once.
const batch = 1024

// rejections writes the rejections, reason by reason. Where not all are shown,
// those that are marked as new come first.
func (p *page) rejections(all []plan.Rejection, opt TextOptions) {
	for len(all) > 0 {
		reason := all[0].Reason
		n, _ := slices.BinarySearchFunc(all, reason+1, func(r plan.Rejection, next plan.Reason) int { return cmp.Compare(r.Reason, next) })
		group := all[:n]
		all = all[n:]

		p.title(reason.String(), number(n)+" rejected, "+reason.Meaning())
		if opt.cut(n) < n {
			group = newFirst(group)
		}
		shown := group[:opt.cut(n)]
		for rows := range slices.Chunk(shown, batch) {
			p.rows(rows)
		}
		p.cut(n-len(shown), opt)
	}
}

// claimants returns rows with those of one address, which stand together, no longer
// naming each other's entries as what is in the way.
func claimants(rows []*plan.Rejection) []*plan.Rejection {
	all := slices.Clone(rows)
	for i, r := range rows {
		beside := func(n int) bool {
			return n >= 0 && n < len(rows) && rows[n].Address == r.Address && rows[n].DN == r.Other.Name
		}
		if r.Other.Kind == plan.EntryParty && r.Other.More == 0 && (beside(i-1) || beside(i+1)) {
			alone := *r
			alone.Other = plan.Party{}
			all[i] = &alone
		}
	}
	return all
}

// rows writes rows of one reason, those with the same remedy together.
func (p *page) rows(rows []plan.Rejection) {
	var remedies []string
	byRemedy := map[string][]*plan.Rejection{}
	var sorted []*plan.Rejection
	for i := range rows {
		r := &rows[i]
		remedy := r.Remedy(plan.Names{})
		if byRemedy[remedy] == nil {
			remedies = append(remedies, remedy)
		}
		byRemedy[remedy] = append(byRemedy[remedy], r)
	}
	for _, remedy := range remedies {
		sorted = append(sorted, byRemedy[remedy]...)
	}
	t := table[*plan.Rejection]{
		columns: rejectionColumns,
		sign:    rejected,
		rows:    len(sorted),
		row:     func(i int) *plan.Rejection { return sorted[i] },
	}
	l := t.layout(p.width)
	if l.short {
		sorted = claimants(sorted)
	}
	t.head(p, l)
	i := 0
	for _, remedy := range remedies {
		for range byRemedy[remedy] {
			t.write(p, i, l)
			i++
		}
		p.prose(nested, "hint: ", dim, clean(remedy))
	}
}

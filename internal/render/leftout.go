package render

import (
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// omitted is a row that the selection leaves out.
type omitted struct {
	*plan.LeftOut
	plan.Row
}

var omittedColumns = []column[*omitted]{
	{head: "address", cell: func(r *omitted, _ bool) cell { return subject(r.Address) }},
	{head: "change", cell: func(r *omitted, _ bool) cell { return text(r.Category.String()) }},
	{head: "account", least: leastAddress, address: true, cell: func(r *omitted, short bool) cell {
		if primary := primaryOf(&r.Row); primary != r.Address {
			return text(shortAddress(primary, r.Address, short))
		}
		return cell{}
	}},
	{head: "because", wraps: true, cell: func(r *omitted, _ bool) cell { return sentence(dim, r.Why()) }},
}

// primaryOf returns the primary of the account that a row is about: the one
// afterwards, or, where an address goes out of service, before.
func primaryOf(r *plan.Row) string {
	switch r.Category {
	case plan.Add, plan.AliasSwitch, plan.PrimaryToAlias:
		return r.NewPrimary
	case plan.Inactive:
		return r.OriginalPrimary
	}
	return r.Address
}

// leftOut writes what the selection leaves out, below a count of each category.
func (o *page) leftOut(p *plan.Plan, opt TextOptions) {
	all := p.LeftOut
	if len(all) == 0 {
		return
	}
	o.title("left_out", leftOutOf(p))
	var counts [plan.Categories]int
	for i := range all {
		row := all[i].Row()
		counts[row.Category]++
	}
	var parts []string
	for _, c := range order {
		if counts[c] > 0 {
			parts = append(parts, c.String()+" "+number(counts[c]))
		}
	}
	o.prose(margin, "", plain, strings.Join(parts, ", "))
	var row omitted
	t := table[*omitted]{
		columns: omittedColumns,
		sign:    skipped,
		rows:    opt.cut(len(all)),
		row: func(i int) *omitted {
			row = omitted{&all[i], all[i].Row()}
			return &row
		},
	}
	t.all(o)
	o.cut(len(all)-t.rows, opt)
}

// leftOutOf says how much the selection leaves out.
func leftOutOf(p *plan.Plan) string {
	return count(p.LeftOutAccounts, "account is", "accounts are") + " left out, not selected: " + count(len(p.LeftOut), "change is", "changes are") + " not made"
}

// selection says with which selectors a plan was made.
func (p *page) selection(h *plan.Header) {
	for _, list := range []struct {
		label string
		names []string
	}{{"only: ", h.Only}, {"except: ", h.Except}} {
		if len(list.names) > 0 {
			p.prose(margin, list.label, yellow, clean(strings.Join(list.names, ", ")))
		}
	}
}

package render

import (
	"io"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// drifted is the sign of what was changed in the console by hand.
var drifted = span{"*", yellow}

// driftKinds say of each kind what its rows are, after their number.
var driftKinds = [plan.DriftKinds]struct{ one, many string }{
	plan.DriftGone:       {"account is no longer in the console", "accounts are no longer in the console"},
	plan.DriftForeign:    {"account now belongs to another configuration", "accounts now belong to another configuration"},
	plan.DriftOwner:      {"account has the mark of another entry", "accounts have the marks of other entries"},
	plan.DriftChanged:    {"field has another value", "fields have other values"},
	plan.DriftUnrecorded: {"account is missing from the state", "accounts are missing from the state"},
}

type driftColumn = column[*plan.Drift]

var driftColumns = []driftColumn{
	{head: "account", cell: func(d *plan.Drift, _ bool) cell { return accountOf(d.Primary.String()) }},
	{head: "drift", cell: func(d *plan.Drift, _ bool) cell { return text(d.Kind.String()) }},
	{head: "field", least: 12, cell: func(d *plan.Drift, _ bool) cell { return text(d.Field) }},
	{head: "change", wraps: true, cell: drift},
	{head: "ref", least: 8, helps: true, cell: func(d *plan.Drift, _ bool) cell { return styled(dim, d.Ref) }},
}

// drift says how what was recorded became what was found.
func drift(d *plan.Drift, short bool) cell {
	switch {
	case d.Recorded == d.Found:
		return cell{}
	case d.Field == plan.FieldAliases:
		return changedAliases(d, short)
	}
	return changed(d.Recorded, d.Found)
}

// mostAliases is how many aliases are shown that came or went.
const mostAliases = 3

// changedAliases says which aliases an account has lost and got, the first of
// them.
func changedAliases(d *plan.Drift, short bool) cell {
	members := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' })
	}
	var all []span
	differ := func(of, from []string, sign string, s style) {
		other := make(map[string]bool, len(from))
		for _, member := range from {
			other[member] = true
		}
		for _, member := range of {
			if !other[member] {
				all = append(all, span{sign + clean(shortAddress(member, d.Primary.String(), short)), s})
			}
		}
	}
	old, new := members(d.Recorded), members(d.Found)
	differ(old, new, goes.text, red)
	differ(new, old, comes.text, green)
	if len(all) == 0 {
		return changed(d.Recorded, d.Found)
	}
	var parts []span
	for i, s := range all[:min(len(all), mostAliases)] {
		if i > 0 {
			parts = append(parts, span{" ", plain})
		}
		parts = append(parts, s)
	}
	if more := len(all) - mostAliases; more > 0 {
		parts = append(parts, span{" and " + number(more) + " more", dim})
	}
	return spans(parts...)
}

// accountOf is the primary of an account of a console, which may have none.
func accountOf(primary string) cell {
	if primary == "" {
		return styled(dim, "(no primary)")
	}
	return subject(primary)
}

const driftOne, driftMany = "difference in the console, changed by hand", "differences in the console, changed by hand"

// driftAccounts counts the accounts that drift is of.
func driftAccounts(all []plan.Drift) int {
	type account struct{ primary, ref string }
	seen := make(map[account]bool, len(all))
	for i := range all {
		seen[account{all[i].Primary.String(), all[i].Ref}] = true
	}
	return len(seen)
}

// driftMeaning says what drift comes to.
func driftMeaning(p *plan.Plan) string {
	where := "the console"
	if p.Console != nil && p.Console.Name != "" {
		where = "console \"" + clean(p.Console.Name) + "\""
	}
	return count(len(p.Drift), "difference", "differences") + " in " + count(driftAccounts(p.Drift), "account", "accounts") + ": somebody changed " + where + " by hand"
}

// driftCounts says how much drift of each kind there is, in their order.
func driftCounts(all []plan.Drift) (kinds []plan.DriftKind, counts []string) {
	for k := range plan.DriftKind(plan.DriftKinds) {
		n := 0
		for i := range all {
			if all[i].Kind == k {
				n++
			}
		}
		if n > 0 {
			kinds, counts = append(kinds, k), append(counts, count(n, driftKinds[k].one, driftKinds[k].many))
		}
	}
	return kinds, counts
}

// correcting says how many changes take drift back, "" for none.
func correcting(changes []plan.Change) string {
	n, withheld := 0, 0
	for i := range changes {
		switch c := &changes[i]; {
		case c.Drift && c.Withheld:
			n, withheld = n+1, withheld+1
		case c.Drift:
			n++
		}
	}
	if n == 0 {
		return ""
	}
	text := count(n, "change is marked drift and corrects it", "changes are marked drift and correct it")
	if withheld > 0 {
		text += ", but " + number(withheld) + oneOf(withheld, " is withheld", " are withheld")
	}
	return text
}

// drift shows what was changed in the console by hand.
func (o *page) drift(p *plan.Plan, opt TextOptions) {
	n := len(p.Drift)
	if n == 0 {
		return
	}
	o.title("drift", driftMeaning(p))
	kinds, counts := driftCounts(p.Drift)
	names := 0
	for _, k := range kinds {
		names = max(names, len(k.String()))
	}
	for i, k := range kinds {
		o.prose(margin, k.String()+strings.Repeat(" ", names+gap-len(k.String())), plain, counts[i])
	}
	t := table[*plan.Drift]{columns: driftColumns, sign: drifted, rows: opt.cut(n), row: func(i int) *plan.Drift { return &p.Drift[i] }}
	t.all(o)
	if more := n - t.rows; more > 0 {
		o.prose(margin, ellipsis+" ", dim, number(more)+" more: "+opt.full())
	}
	if text := correcting(p.Changes); text != "" {
		o.prose(margin, "", plain, text)
	}
}

// drift adds the section of what was changed in the console by hand.
func (r *comment) drift(p *plan.Plan) {
	_, lead := driftCounts(p.Drift)
	if text := correcting(p.Changes); text != "" {
		lead = append(lead, text)
	}
	meaning := count(len(p.Drift), "difference", "differences") + " in " + count(driftAccounts(p.Drift), "account", "accounts") + " of the console, changed by hand"
	addSection(r, "drift", meaning, strings.Join(lead, "; "), driftColumns, len(p.Drift), func(i int) *plan.Drift { return &p.Drift[i] })
}

// Unverified writes what an apply asked of accounts and did not find when it
// read them again, all of it: Recorded is what was asked. Only the width and the
// colour of the options count.
func Unverified(w io.Writer, all []plan.Drift, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	columns := slices.DeleteFunc(slices.Clone(driftColumns), func(c driftColumn) bool { return c.head == "drift" })
	for i := range columns {
		if columns[i].head == "change" {
			columns[i].head = "asked -> found"
		}
	}
	t := table[*plan.Drift]{columns: columns, sign: rejected, rows: len(all), row: func(i int) *plan.Drift { return &all[i] }}
	t.all(o)
	return o.flush()
}

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// A change is a mass change if it is of many accounts of a directory, and of more
// than manyPercent of those that are active.
const (
	many        = 10
	manyPercent = 1
)

// Diagnose says of each directory what a mass change comes from, as far as that
// is known: accounts that lose all mail, or addresses, get another primary or
// another GUID, and newcomers who get no account. Each is a text of a sentence or
// more. entries and scopes are those that the plan was made of.
func (p *Plan) Diagnose(entries []identity.Entry, scopes []Scope) []string {
	d := diagnosis{plan: p, entries: entries, scopes: scopes, by: map[string]*directoryLosses{}}
	d.collect()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.by)) {
		l := d.by[name]
		found := []massChange{
			{len(l.leavers), d.leaving}, {len(l.shrunk), d.shrinking}, {len(l.renamed), d.renaming},
			{len(l.changedGUID), d.mismatched}, {l.rebound, d.rebound}, {len(l.newcomers), d.newcomers},
		}
		slices.SortStableFunc(found, func(x, y massChange) int { return cmp.Compare(y.accounts, x.accounts) })
		for _, f := range found {
			if f.accounts >= many && f.accounts*100 > manyPercent*l.active {
				all = append(all, f.say(l))
			}
		}
	}
	return all
}

// massChange is a change of so many accounts, and how to say what it is.
type massChange struct {
	accounts int
	say      func(*directoryLosses) string
}

type diagnosis struct {
	plan    *Plan
	entries []identity.Entry
	scopes  []Scope
	groups  []Group // nil until somebody asks
	by      map[string]*directoryLosses
}

// directoryLosses are the mass changes of one directory.
type directoryLosses struct {
	name            string
	active          int
	braked          bool
	leavers         []*identity.Account
	reasons         map[LossReason]int         // of leavers, in accounts
	unasked         int                        // leavers whose objects nobody looked up
	shrunk, renamed map[*identity.Account]bool // accounts that stay
	lost            int                        // addresses of those shrunk
	rebound         int
	changedGUID     map[string]bool // primaries of accounts
	newcomers       map[string]map[Reason]bool
}

func (d *diagnosis) of(name string) *directoryLosses {
	l := d.by[name]
	if l == nil {
		l = &directoryLosses{
			name: name, active: d.plan.activeOf(name), reasons: map[LossReason]int{}, shrunk: map[*identity.Account]bool{},
			renamed: map[*identity.Account]bool{}, changedGUID: map[string]bool{}, newcomers: map[string]map[Reason]bool{},
		}
		for i := range d.plan.Allowances {
			if a := &d.plan.Allowances[i]; a.Directory == name {
				l.braked = a.Braked()
			}
		}
		d.by[name] = l
	}
	return l
}

// collect counts the changes as the directories want them, those that a brake
// withholds among them.
func (d *diagnosis) collect() {
	leaving := map[*identity.Account]*directoryLosses{}
	for i := range d.plan.Accounts {
		c := &d.plan.Accounts[i]
		if deactivates(c) {
			l := d.of(c.Before.Directory)
			l.leavers = append(l.leavers, c.Before)
			leaving[c.Before] = l
		}
	}
	for i := range d.plan.Changes {
		switch c := &d.plan.Changes[i]; c.Category {
		case Inactive:
			if l := leaving[c.Before]; l != nil {
				if c.Reason == EntryGone && d.plan.unasked[Departed{c.Before.Directory, c.Before.GUID}] {
					l.unasked++
				} else {
					l.reasons[c.Reason]++
				}
				delete(leaving, c.Before)
				continue
			}
			if c.After != nil && c.After.Active() {
				l := d.of(c.After.Directory)
				l.shrunk[c.Before] = true
				l.lost++
			}
		case PrimaryChange:
			d.of(c.After.Directory).renamed[c.Before] = true
		case GUIDChange:
			d.of(c.After.Directory).rebound++
		}
	}
	for i := range d.plan.Rejections {
		r := &d.plan.Rejections[i]
		l := d.of(r.Directory)
		if r.Reason == GUIDChanged {
			l.changedGUID[r.Other.Name] = true
		} else if r.NoAccount {
			if l.newcomers[r.object()] == nil {
				l.newcomers[r.object()] = map[Reason]bool{}
			}
			l.newcomers[r.object()][r.Reason] = true
		}
	}
}

// leaving says how many lose all mail, what became of their objects, and in which
// containers they were.
func (d *diagnosis) leaving(l *directoryLosses) string {
	n := len(l.leavers)
	text := fmt.Sprintf("%s %s all mail (%s).%s %s", who(l.leavers), l.would("lose"), l.part(n), l.brake(), l.whereabouts())
	here := func(e *identity.Entry) bool { return d.scopes[e.Scope].Directory == l.name }
	if where := common(l.leavers, d.entries, here); where != "" {
		text += " " + where + "."
	}
	return text
}

// would is a verb of what happens, or would but for a brake.
func (l *directoryLosses) would(verb string) string {
	if l.braked {
		return "would " + verb
	}
	return verb
}

// brake says that a brake withholds the change before it, "" where none does.
func (l *directoryLosses) brake() string {
	if l.braked {
		return " A brake withholds that."
	}
	return ""
}

// whereabouts says what became of the objects of the leavers.
func (l *directoryLosses) whereabouts() string {
	known := slices.SortedFunc(maps.Keys(l.reasons), func(x, y LossReason) int {
		return cmp.Or(cmp.Compare(l.reasons[y], l.reasons[x]), strings.Compare(string(x), string(y)))
	})
	if len(known) == 0 {
		return "It is unknown why."
	}
	if first, asked := known[0], len(l.leavers)-l.unasked; l.reasons[first]*5 >= asked*4 {
		all := "Their objects"
		switch {
		case l.unasked > 0:
			all = Thousands(l.reasons[first]) + " of the " + Thousands(asked) + " objects that were looked up"
		case l.reasons[first] < asked:
			all = Thousands(l.reasons[first]) + " of their objects"
		}
		switch first {
		case EntryGone:
			return all + " are gone from the directory."
		case EntryDeleted:
			return all + " were deleted."
		case EntryMoved:
			return all + " are outside every scope."
		case EntryDisabled:
			return all + " are disabled."
		case EntryWithoutAddress:
			return all + " are still in the directory and no longer list an address: was there an import?"
		case NotGranted:
			return "All that " + strings.ToLower(all[:1]) + all[1:] + " list is rejected."
		case DirectoryUndeclared:
			return "The configuration no longer declares directory " + l.name + "."
		}
	}
	var parts []string
	for _, reason := range known {
		parts = append(parts, Thousands(l.reasons[reason])+" "+reason.Text())
	}
	why := "Why: "
	if l.unasked > 0 {
		why = "Of the " + Thousands(len(l.leavers)-l.unasked) + " objects that were looked up: "
	}
	return why + strings.Join(parts, ", ") + "."
}

// shrinking says how many lose addresses and keep others.
func (d *diagnosis) shrinking(l *directoryLosses) string {
	n := len(l.shrunk)
	return fmt.Sprintf("%s that stay %s %s (%s).%s Their entries no longer list them, or a rejection says why not.",
		several(n, "account", "accounts"), l.would("lose"), several(l.lost, "address", "addresses"), l.part(n), l.brake())
}

// renaming says how many get another primary, and in which domain.
func (d *diagnosis) renaming(l *directoryLosses) string {
	n := len(l.renamed)
	accounts := slices.Collect(maps.Keys(l.renamed))
	text := fmt.Sprintf("%s %s another primary (%s).%s", who(accounts), l.would("get"), l.part(n), l.brake())
	if d.groups == nil {
		d.groups = d.plan.Grouping().Groups
	}
	best := Group{}
	for _, g := range d.groups {
		if g.Category == PrimaryChange && g.Accounts > best.Accounts {
			best = g
		}
	}
	if best.Accounts*5 >= n*4 {
		text += fmt.Sprintf(" %s becomes %s", best.From, best.To)
		if best.KeepsOld {
			text += ", and the old address stays as an alias"
		}
		text += "."
	}
	return text
}

const asAfter = "as after a restore or a migration of the directory"

// mismatched says how many accounts have entries with other GUIDs, which do not get
// them.
func (d *diagnosis) mismatched(l *directoryLosses) string {
	return fmt.Sprintf("%s accounts of %s have entries with different GUIDs, %s. rollcall state import repairs them from an export, or on_guid_change = \"rebind\" does.",
		Thousands(len(l.changedGUID)), l.name, asAfter)
}

// rebound says how many accounts are bound to entries with other GUIDs.
func (d *diagnosis) rebound(l *directoryLosses) string {
	return fmt.Sprintf("%s accounts of %s are bound to entries with different GUIDs, %s.", Thousands(l.rebound), l.name, asAfter)
}

// newcomers says how many new entries get no account, and why most do not.
func (d *diagnosis) newcomers(l *directoryLosses) string {
	n := len(l.newcomers)
	var counts [Reasons]int
	most := noReason
	for _, reasons := range l.newcomers {
		for r := range reasons {
			counts[r]++
		}
	}
	for r := range counts {
		if counts[r] > counts[most] {
			most = Reason(r)
		}
	}
	return fmt.Sprintf("%s new entries of %s get no account, %s of them with rejection %s (%s).", Thousands(n), l.name, Thousands(counts[most]), most, most.Meaning())
}

// part is n as a part of the accounts that were active.
func (l *directoryLosses) part(n int) string {
	if l.active == 0 {
		return "directory " + l.name
	}
	return Percent(n, l.active) + " of " + l.name
}

// who counts accounts as people or lists, where they are of one type.
func who(accounts []*identity.Account) string {
	n, lists := len(accounts), 0
	for _, a := range accounts {
		lists += boolInt(a.Type == identity.List)
	}
	switch lists {
	case 0:
		return several(n, "person", "people")
	case n:
		return several(n, "list", "lists")
	}
	return several(n, "account", "accounts")
}

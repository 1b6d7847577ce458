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
func (p *Plan) Diagnose(entries identity.Entries, scopes []Scope) []string {
	d := diagnosis{plan: p, entries: entries, scopes: scopes, by: map[string]*directoryLosses{}}
	d.collect()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.by)) {
		l := d.by[name]
		found := []massChange{
			{len(l.leavers), d.leaving}, {len(l.removed), d.removing}, {len(l.shrunk), d.shrinking}, {len(l.renamed), d.renaming},
			{len(l.changedGUID), d.mismatched}, {l.rebound, d.rebound}, {len(l.newcomers), d.newcomers}, {len(l.askers), d.asking},
		}
		slices.SortStableFunc(found, func(x, y massChange) int { return cmp.Compare(y.accounts, x.accounts) })
		for _, f := range found {
			if l.isMass(f.accounts) {
				all = append(all, f.say(l))
			}
		}
	}
	return all
}

// MassLeaving reports whether so many accounts of a directory lose all mail that
// [Plan.Diagnose] looks at all entries.
func (p *Plan) MassLeaving() bool {
	d := diagnosis{plan: p, by: map[string]*directoryLosses{}}
	d.collect()
	for _, l := range d.by {
		if l.isMass(len(l.leavers)) {
			return true
		}
	}
	return false
}

// isMass reports whether a change of so many accounts is a mass change.
func (l *directoryLosses) isMass(accounts int) bool {
	return accounts >= many && accounts*100 > manyPercent*l.active
}

// massChange is a change of so many accounts, and how to say what it is.
type massChange struct {
	accounts int
	say      func(*directoryLosses) string
}

type diagnosis struct {
	plan    *Plan
	entries identity.Entries
	scopes  []Scope
	by      map[string]*directoryLosses
}

// directoryLosses are the mass changes of one directory.
type directoryLosses struct {
	name            string
	active          int
	braked          bool
	leavers         []*identity.Account
	reasons         map[LossReason]int // of leavers, in accounts
	unasked         int                // leavers whose objects were not looked up
	removed         []*identity.Account
	takers          map[string]int             // primaries of accounts that get those of the removed
	shrunk, renamed map[*identity.Account]bool // accounts that stay
	lost            map[LossReason]int         // addresses of those shrunk
	oldLost         int                        // primaries of those renamed
	newAlias        bool                       // whether any of them get an address that they did not have
	rebound         int
	changedGUID     map[string]bool            // primaries of accounts
	newcomers       map[string]map[Reason]bool // objects that get no account, and why
	askers          map[string]bool            // new objects that list addresses of accounts, and whether they get an account
	asked           map[string]map[string]bool // those, by the directory of the accounts
}

func (d *diagnosis) of(name string) *directoryLosses {
	l := d.by[name]
	if l == nil {
		l = &directoryLosses{
			name: name, active: d.plan.activeOf(name), reasons: map[LossReason]int{}, shrunk: map[*identity.Account]bool{},
			renamed: map[*identity.Account]bool{}, changedGUID: map[string]bool{}, newcomers: map[string]map[Reason]bool{},
			takers: map[string]int{}, lost: map[LossReason]int{}, askers: map[string]bool{}, asked: map[string]map[string]bool{},
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
	added := map[Departed]bool{} // of the objects that accounts stand in the way of: whether they get an account
	for i := range d.plan.Rejections {
		if r := &d.plan.Rejections[i]; r.Other.Kind == AccountParty {
			added[Departed{r.Directory, r.GUID}] = false
		}
	}
	for i := range d.plan.Accounts {
		c := &d.plan.Accounts[i]
		if c.Before == nil && len(added) > 0 {
			if of := (Departed{c.After.Directory, c.After.GUID}); hasKey(added, of) {
				added[of] = true
			}
		}
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
				if c.Reason == NotLookedUp {
					l.unasked++
				} else {
					l.reasons[c.Reason]++
				}
				delete(leaving, c.Before)
				continue
			}
			if c.After != nil && c.After.Active() {
				l := d.of(c.After.Directory)
				if c.Address == c.Before.Primary {
					l.oldLost++
					continue
				}
				l.shrunk[c.Before] = true
				l.lost[c.Reason]++
			}
		case Removal:
			if c.After != nil && c.Before.Active() {
				l := d.of(c.Before.Directory)
				l.removed = append(l.removed, c.Before)
				l.takers[c.After.Primary.String()]++
			}
		case PrimaryChange:
			l := d.of(c.After.Directory)
			l.renamed[c.Before] = true
			l.newAlias = l.newAlias || !c.Before.Holds(c.After.Primary)
		case GUIDChange:
			d.of(c.After.Directory).rebound++
		}
	}
	for i := range d.plan.Rejections {
		r := &d.plan.Rejections[i]
		l, object := d.of(r.Directory), r.object()
		switch {
		case r.Reason == GUIDChanged:
			l.changedGUID[r.Other.Name] = true
		case r.Other.Kind == AccountParty && (r.NoAccount || added[Departed{r.Directory, r.GUID}]):
			l.askers[object] = !r.NoAccount
			if l.asked[r.Other.Directory] == nil {
				l.asked[r.Other.Directory] = map[string]bool{}
			}
			l.asked[r.Other.Directory][object] = true
		case r.NoAccount:
			if l.newcomers[object] == nil {
				l.newcomers[object] = map[Reason]bool{}
			}
			l.newcomers[object][r.Reason] = true
		}
	}
	for _, l := range d.by {
		maps.DeleteFunc(l.newcomers, func(object string, _ map[Reason]bool) bool { _, asks := l.askers[object]; return asks })
	}
}

func hasKey[K comparable, V any](of map[K]V, key K) bool {
	_, has := of[key]
	return has
}

// leaving says how many lose all mail, what became of their objects, and in which
// containers they were.
func (d *diagnosis) leaving(l *directoryLosses) string {
	n := len(l.leavers)
	text := fmt.Sprintf("%s %s all mail (%s). %s", who(l.leavers), l.would("lose"), l.part(n), l.whereabouts())
	here := func(e *identity.Entry) bool { return d.scopes[e.Scope].Directory == l.name }
	if where := common(l.leavers, d.entries, here); where != "" {
		text += " " + where + "."
	}
	return text + l.brake("")
}

// removing says how many go because other accounts get their primaries.
func (d *diagnosis) removing(l *directoryLosses) string {
	n := len(l.removed)
	most := slices.MaxFunc(slices.Sorted(maps.Keys(l.takers)), func(x, y string) int { return cmp.Compare(l.takers[x], l.takers[y]) })
	takers := "other accounts get their primaries"
	switch many := l.takers[most]; {
	case many == n:
		takers = most + " gets their primaries"
	case many > 1:
		takers += ", " + most + " " + Thousands(many) + " of them"
	}
	return fmt.Sprintf("%s %s removed (%s), because %s.%s", who(l.removed), oneOf(l.braked, "would be", "are"), l.part(n), takers, l.brake(""))
}

// would is a verb of what happens, or would but for a brake.
func (l *directoryLosses) would(verb string) string {
	if l.braked {
		return "would " + verb
	}
	return verb
}

// brake says that a brake withholds what stands before it, and what comes of that;
// "" where none does.
func (l *directoryLosses) brake(instead string) string {
	if l.braked {
		return " A brake withholds that" + instead + "."
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
		case l.unasked > 0 && l.reasons[first] == asked:
			all = "The " + Thousands(asked) + " objects that were looked up"
		case l.unasked > 0:
			all = Thousands(l.reasons[first]) + " of the " + Thousands(asked) + " objects that were looked up"
		case l.reasons[first] < asked:
			all = Thousands(l.reasons[first]) + " objects"
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
			return all + " are still in the directory but list no address. Was there an import?"
		case NotGranted:
			return "All addresses that " + strings.ToLower(all[:1]) + all[1:] + " list are rejected."
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
	n, lost := len(l.shrunk), 0
	for _, addresses := range l.lost {
		lost += addresses
	}
	why := ""
	switch rejected := l.lost[NotGranted]; {
	case l.lost[ValueGone]+rejected < lost:
	case rejected == 0:
		why = " Their entries no longer list them."
	case rejected == lost:
		why = " Their entries list them, and rejections say why they are not granted."
	default:
		why = fmt.Sprintf(" Their entries no longer list %s of them, and %s are rejected.", Thousands(lost-rejected), Thousands(rejected))
	}
	return fmt.Sprintf("%s that stay %s %s (%s).%s%s",
		several(n, "account", "accounts"), l.would("lose"), several(lost, "address", "addresses"), l.part(n), why, l.brake(""))
}

// renaming says how many get another primary, in which domain, and what becomes of
// the one before.
func (d *diagnosis) renaming(l *directoryLosses) string {
	n := len(l.renamed)
	accounts := slices.Collect(maps.Keys(l.renamed))
	text := fmt.Sprintf("%s %s another primary (%s).", who(accounts), l.would("get"), l.part(n))
	best := Group{}
	for _, g := range d.plan.Groups {
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
	if l.oldLost > 0 {
		text += fmt.Sprintf(" The old address of %s %s.", several(l.oldLost, "account", "accounts"), oneOf(l.braked, "would be lost", "is lost"))
	}
	return text + l.brake(oneOf(l.newAlias, "; the new address comes as an alias for now", ""))
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

// asking says how many new entries list addresses that accounts have.
func (d *diagnosis) asking(l *directoryLosses) string {
	without := 0
	for _, gets := range l.askers {
		without += boolInt(!gets)
	}
	whose, all := "", slices.Sorted(maps.Keys(l.asked))
	if len(all) == 1 && all[0] != "" {
		whose = " of " + all[0]
	}
	text := fmt.Sprintf("%s new entries of %s list addresses that accounts%s already have", Thousands(len(l.askers)), l.name, whose)
	if without > 0 {
		text += fmt.Sprintf("; %s of them", Thousands(without)) + oneOrMany(without, " gets", " get") + " no account"
	}
	return text + ". Are they the same people?"
}

// part is n as a part of the accounts that were active.
func (l *directoryLosses) part(n int) string {
	if l.active == 0 {
		return "directory " + l.name
	}
	return fmt.Sprintf("%s of %s accounts of %s", Percent(n, l.active), Thousands(l.active), l.name)
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

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// LossReason says why an address that was in service is in service nowhere any
// more. Its text is a stable code.
type LossReason string

const (
	// NotLookedUp: the account has no directory entry, and the object was not looked
	// up.
	NotLookedUp LossReason = ""
	// EntryGone: the account has no directory entry, and no object was found.
	EntryGone LossReason = "entry_gone"
	// EntryDeleted: the object is among the deleted ones.
	EntryDeleted LossReason = "entry_deleted"
	// EntryMoved: the object exists outside every scope.
	EntryMoved LossReason = "entry_moved"
	// EntryDisabled: the object is disabled, in a scope that skips such.
	EntryDisabled LossReason = "entry_disabled"
	// EntryWithoutAddress: the object lists no address any more.
	EntryWithoutAddress LossReason = "entry_without_address"
	// ValueGone: the entry is there, and does not list the address.
	ValueGone LossReason = "value_gone"
	// NotGranted: the entry lists the address, and a rejection says why it is not
	// granted.
	NotGranted LossReason = "refused"
	// DirectoryUndeclared: the configuration does not declare the directory.
	DirectoryUndeclared LossReason = "directory_undeclared"
)

var lossReasons = []LossReason{
	EntryGone, EntryDeleted, EntryMoved, EntryDisabled, EntryWithoutAddress, ValueGone, NotGranted, DirectoryUndeclared,
}

// LossReasons returns all reasons in a fixed order.
func LossReasons() []LossReason { return slices.Clone(lossReasons) }

// Text is the reason in a few words.
func (r LossReason) Text() string {
	switch r {
	case EntryGone:
		return "object gone"
	case EntryDeleted:
		return "object deleted"
	case EntryMoved:
		return "object out of scope"
	case EntryDisabled:
		return "object disabled"
	case EntryWithoutAddress:
		return "no address listed"
	case ValueGone:
		return "no longer listed"
	case NotGranted:
		return "rejected"
	case DirectoryUndeclared:
		return "directory removed"
	}
	return ""
}

// parseLossReason reads a code; "" is none.
func parseLossReason(text string) (LossReason, error) {
	if r := LossReason(text); text == "" || slices.Contains(lossReasons, r) {
		return r, nil
	}
	return "", fmt.Errorf("unknown reason %q of an inactive address", text)
}

// explainLosses gives inactive rows their reasons, as far as the entries show
// them.
func (e *engine) explainLosses(rows []Change) {
	of := map[*identity.Account]int32{}
	for n := range rows {
		if rows[n].Category == Inactive {
			of[rows[n].Before] = none
		}
	}
	if len(of) == 0 {
		return
	}
	type value struct {
		entry int32
		text  string
	}
	rejected := map[value]bool{}
	for i := range e.in.Accounts {
		if _, asked := of[&e.in.Accounts[i]]; !asked {
			continue
		}
		of[&e.in.Accounts[i]] = int32(i)
		if t := &e.accounts[i]; t.entry != none {
			for _, c := range e.claims[e.entries[t.entry].first:e.entries[t.entry].end] {
				if c.reason != noReason {
					rejected[value{t.entry, e.text(c.id).String()}] = true
				}
			}
		}
	}
	for _, v := range e.rejected {
		if e.entries[v.entry].account != none {
			rejected[value{v.entry, v.text}] = true
		}
	}
	for n := range rows {
		r := &rows[n]
		if r.Category != Inactive {
			continue
		}
		a := of[r.Before]
		switch {
		case !e.bound(a):
			r.Reason = e.departure(a)
		case rejected[value{e.accounts[a].entry, e.domains.Canonical(r.Address).String()}]:
			r.Reason = NotGranted
		default:
			r.Reason = ValueGone
		}
	}
}

// departure says why account a has no directory entry.
func (e *engine) departure(a int32) LossReason {
	if !e.dirInfo[e.accounts[a].dir].declared {
		return DirectoryUndeclared
	}
	if e.emptied == nil {
		e.emptied = map[Departed]bool{}
		for i := range e.entries {
			if e.entries[i].flags&empty != 0 {
				e.emptied[Departed{e.dirInfo[e.entryDir(int32(i))].name, e.guid(int32(i))}] = true
			}
		}
	}
	if account := &e.in.Accounts[a]; e.emptied[Departed{account.Directory, account.GUID}] {
		return EntryWithoutAddress
	}
	return EntryGone
}

// Departed is the owner of an account without a directory entry.
type Departed struct {
	Directory string
	GUID      identity.GUID
}

// Departed returns the owners of the accounts of which the plan knows no more
// than that their entries are gone, each once, in the order of the rows.
func (p *Plan) Departed() []Departed {
	var all []Departed
	seen := map[Departed]bool{}
	p.eachLoss(func(r *Change) {
		d := Departed{r.Before.Directory, r.Before.GUID}
		if r.Reason == EntryGone && !seen[d] {
			seen[d] = true
			all = append(all, d)
		}
	})
	return all
}

// ExplainDepartures says of inactive rows what became of the objects, where that is
// known; of those that were not looked up it is not. It decides nothing.
func (p *Plan) ExplainDepartures(known map[Departed]LossReason, unasked []Departed) {
	if len(known)+len(unasked) == 0 {
		return
	}
	skipped := make(map[Departed]bool, len(unasked))
	for _, d := range unasked {
		skipped[d] = true
	}
	p.eachLoss(func(r *Change) {
		d := Departed{r.Before.Directory, r.Before.GUID}
		switch why := known[d]; {
		case r.Reason != EntryGone:
		case why != "":
			r.Reason = why
		case skipped[d]:
			r.Reason = NotLookedUp
		}
	})
	p.Group()
}

// Departed returns the owners of the accounts that concern the subject, and of which
// no more is known than that their entries are gone.
func (x *Explanation) Departed() (all []Departed) {
	for n := range x.Accounts {
		if f := &x.Accounts[n]; f.lost == EntryGone {
			all = append(all, Departed{f.Before.Directory, f.Before.GUID})
		}
	}
	return all
}

// ExplainDepartures says what became of the objects, as [Plan.ExplainDepartures] does.
func (x *Explanation) ExplainDepartures(known map[Departed]LossReason, unasked []Departed) {
	x.Plan.ExplainDepartures(known, unasked)
	for n := range x.Accounts {
		f := &x.Accounts[n]
		if f.lost != EntryGone {
			continue
		}
		switch d := (Departed{f.Before.Directory, f.Before.GUID}); {
		case known[d] != "":
			f.lost = known[d]
		case slices.Contains(unasked, d):
			f.lost = NotLookedUp
		}
	}
}

func (p *Plan) eachLoss(f func(*Change)) {
	for i := range p.Changes {
		if p.Changes[i].Category == Inactive {
			f(&p.Changes[i])
		}
	}
	for i := range p.LeftOut {
		if c := p.LeftOut[i].change; c != nil && c.Category == Inactive {
			f(c)
		}
	}
}

// derive makes the rows anew from the accounts. Each address that is lost is so
// for the reason that it was, before the function renamed it, and what took drift
// back does so.
func (p *Plan) derive(rename func(identity.Address) identity.Address) {
	type key struct {
		category  Category
		address   identity.Address
		attribute string
	}
	reasons, drift := map[identity.Address]LossReason{}, map[key]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Category == Inactive {
			reasons[rename(c.Address)] = c.Reason
		}
		if c.Drift {
			drift[key{c.Category, rename(c.Address), c.Attribute}] = true
		}
	}
	p.Changes = Rows(p.Accounts)
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Category == Inactive {
			c.Reason = reasons[c.Address]
		}
		c.Drift = drift[key{c.Category, c.Address, c.Attribute}]
	}
	p.Group()
}

// Ambiguities says which entries list several possible primaries, "" where none
// does.
func (p *Plan) Ambiguities() string {
	const named = 3
	n := len(p.Ambiguous)
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("%s several addresses as their primary:", several(n, "entry lists", "entries list"))
	if n == 1 {
		text = "1 entry lists several addresses as its primary:"
	}
	for i := range p.Ambiguous[:min(n, named)] {
		a := &p.Ambiguous[i]
		var others []string
		for _, x := range a.Others[:min(len(a.Others), named)] {
			others = append(others, x.String())
		}
		if more := len(a.Others) - named; more > 0 {
			others = append(others, Thousands(more)+" more")
		}
		text += fmt.Sprintf(" %s uses %s as the primary, and %s as an alias;", a.DN, a.Chosen, strings.Join(others, ", "))
	}
	text = strings.TrimSuffix(text, ";")
	if n > named {
		text += fmt.Sprintf("; and %s more", Thousands(n-named))
	}
	return text
}

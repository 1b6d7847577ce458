package plan

import "slices"

// Fix is one thing to do, and what the plan would be then.
type Fix struct {
	Kind FixKind
	// Reason is the rejection that it ends; none for those that commit changes.
	Reason  Reason
	Address string
	// Listing is the value to remove.
	Listing Listing
	// Wanted is the primary that the entry has in place of the one to restore.
	Wanted string
	// Primary is the primary that the entry has once the value is removed, ""
	// for none.
	Primary string
	// Account and GUID are those of a rebind, N the number of an allowance.
	Account, GUID string
	N             int
	// After are the addresses that have another place afterwards: for RemoveValue
	// than under the plan as it is, of those of the entry and the address itself;
	// for ApplyIt than before, of those that are told of and go.
	After []Moved

	yielding bool // the entry that has the address gives it up
}

// Moved is an address that has another place after a fix.
type Moved struct {
	Address string
	// After is nil where nobody has it then.
	After *Holding
	// Lost is set if it is in service now or under the plan as it is, and is not
	// any more then.
	Lost bool
}

// FixKind is what to do. Its text is a stable code.
type FixKind string

// The kinds of fixes.
const (
	RemoveValue FixKind = "remove_value" // take the address from an entry
	RestoreIt   FixKind = "add_value"    // give a protected address back to an entry
	MakePrimary FixKind = "make_primary" // of an entry that has it as an alias, or no more
	Rebind      FixKind = "rebind"       // rollcall state rebind
	ApplyIt     FixKind = "apply"        // commit the pending changes of an address
	AllowIt     FixKind = "allow"        // lift the limit for this run
)

// mostFixes is how many fixes are worked out, for each is another plan.
const mostFixes = 4

// fix lists what to do about the rejections, and about what is pending.
func (x *explainer) fix() error {
	for _, r := range x.out.Rejections {
		switch r.Reason {
		case AliasRejected, PrimaryRejected, UnknownDomain, PublicAddress, AliasMalformed, PrimaryMalformed, ProtectedMove, LocalPrimaryNotAdopted:
			x.remove(r, r.entry(), false)
		case PreexistingAddress, OtherDirectory:
			x.remove(r, r.entry(), false)
			if f := x.facted[r.Address]; f != nil {
				for _, l := range f.Listed {
					if l.Entry != r.entry() && x.standsBehind(l.Entry, f.Before) {
						x.remove(r, l.Entry, true)
					}
				}
			}
		case ProtectedDeactivation, ProtectedPrimaryToAlias:
			f := Fix{Kind: RestoreIt, Reason: r.Reason, Address: r.Address, Listing: Listing{Entry: r.entry(), Address: r.Address}, Wanted: r.Wanted}
			if r.Wanted != "" {
				f.Kind = MakePrimary
			}
			if r.Other.Kind == EntryParty {
				x.addFix(f)
			}
		case GUIDChanged:
			if r.Other.Kind == AccountParty && !r.GUID.IsZero() {
				x.addFix(Fix{Kind: Rebind, Reason: r.Reason, Address: r.Address, Account: r.Other.Name, GUID: r.GUID.String()})
			}
		}
	}
	// Of what is pending, the row of an address that is told of comes first, and
	// then that of its account.
	withheld, own, pending := false, false, ""
	for _, c := range x.out.Changes {
		told := x.facted[c.Address.String()] != nil
		switch {
		case c.Withheld:
			withheld = true
		case pending == "", told && !own:
			pending, own = c.Address.String(), told
		}
	}
	if pending != "" {
		f := Fix{Kind: ApplyIt, Address: pending}
		for n := range x.out.Addresses {
			if a := &x.out.Addresses[n]; a.Fate() == Goes && !a.Withheld {
				f.After = append(f.After, Moved{a.Address, a.After, true})
			}
		}
		x.addFix(f)
	}
	if withheld {
		s := x.out.Plan.Summary()
		x.addFix(Fix{Kind: AllowIt, N: s.WithheldAccounts})
	}
	for n := range x.out.Fixes {
		if f := &x.out.Fixes[n]; f.Kind == RemoveValue {
			if err := x.workOut(f); err != nil {
				return err
			}
		}
	}
	// Who has the address gives it up for somebody, or not at all.
	x.out.Fixes = slices.DeleteFunc(x.out.Fixes, func(f Fix) bool { return f.yielding && f.Loses() })
	return nil
}

// standsBehind reports whether an entry is that of the account that has an
// address.
func (x *explainer) standsBehind(e EntryRef, h *Holding) bool {
	return h != nil && slices.ContainsFunc(x.out.Accounts, func(f AccountFacts) bool { return f.Before == h.Account && f.Entry == e })
}

// remove proposes to take the address of a rejection from an entry; yielding
// tells that it is the one that has it.
func (x *explainer) remove(r *Rejection, from EntryRef, yielding bool) {
	f := x.facted[r.Address]
	if f == nil {
		return
	}
	if n := slices.IndexFunc(f.Listed, func(l Listing) bool { return l.Entry == from }); n >= 0 {
		x.addFix(Fix{Kind: RemoveValue, Reason: r.Reason, Address: r.Address, Listing: f.Listed[n], yielding: yielding})
	}
}

func (x *explainer) addFix(f Fix) {
	same := func(g Fix) bool {
		return g.Kind == f.Kind && g.Address == f.Address && g.Listing.Entry == f.Listing.Entry && g.Account == f.Account
	}
	switch {
	case slices.ContainsFunc(x.out.Fixes, same):
	case len(x.out.Fixes) < mostFixes:
		x.out.Fixes = append(x.out.Fixes, f)
	default:
		x.out.MoreFixes++
	}
}

// workOut plans once more, without the value, and notes which addresses have
// another place then.
func (x *explainer) workOut(f *Fix) error {
	if x.without == nil {
		x.without = slices.Clone(x.in.Entries)
	}
	in := x.in
	in.Entries = x.without
	i := int32(none)
	for _, n := range x.entries {
		ref := x.ref(n)
		if ref.Directory != f.Listing.Entry.Directory || ref.DN != f.Listing.Entry.DN {
			continue
		}
		if i == none || x.engine.entries[n].flags&dropped == 0 {
			i = n
		}
		s := &x.engine.scopes[in.Entries[n].Scope]
		other := func(value string) bool { return x.normalise(s, value).text == f.Address }
		in.Entries[n].Primaries = slices.DeleteFunc(slices.Clone(in.Entries[n].Primaries), other)
		in.Entries[n].Aliases = slices.DeleteFunc(slices.Clone(in.Entries[n].Aliases), other)
	}
	p, err := Compute(in)
	for _, n := range x.entries {
		x.without[n] = x.in.Entries[n]
	}
	if err != nil {
		return err
	}
	then := &explainer{engine: x.engine, facted: map[string]*AddressFacts{}}
	then.out.Plan = x.out.Plan
	texts := []string{f.Address}
	texts = append(texts, x.everyListing(i)...)
	if a := x.engine.entries[i].account; a != none {
		for id := x.engine.accounts[a].first; id < x.end(a); id++ {
			texts = append(texts, x.text(id).String())
		}
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	for _, text := range texts {
		then.facted[text] = &AddressFacts{Address: text}
	}
	then.holdings()
	planned := map[string]AddressFacts{}
	for text, facts := range then.facted {
		planned[text] = *facts
		*facts = AddressFacts{Address: text}
	}
	then.out.Plan = p
	then.holdings()
	for _, text := range texts {
		h, e := then.facted[text].After, &x.in.Entries[i]
		if h.Active() && h.Primary && h.Account.GUID == e.GUID && h.Account.Directory == f.Listing.Entry.Directory {
			f.Primary = text
		}
	}
	for _, text := range texts {
		now, after := planned[text], then.facted[text].After
		if !sameHolding(now.After, after) {
			lost := !after.Active() && (now.Before.Active() || now.After.Active())
			f.After = append(f.After, Moved{text, after, lost})
		}
	}
	return nil
}

// everyListing returns the addresses that an entry lists.
func (x *explainer) everyListing(i int32) (texts []string) {
	in := &x.in.Entries[i]
	s := &x.engine.scopes[in.Scope]
	for _, values := range [...][]string{in.Primaries, in.Aliases} {
		for _, value := range values {
			texts = append(texts, x.normalise(s, value).text)
		}
	}
	return texts
}

// sameHolding reports whether an address has the same place.
func sameHolding(a, b *Holding) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Primary == b.Primary && a.Active() == b.Active() && a.Account.Directory == b.Account.Directory && a.Account.GUID == b.Account.GUID &&
		(a.Account.Primary == b.Account.Primary || !a.Account.Local())
}

package plan

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// console makes the accounts as they are afterwards. It returns those that
// change and counts the others.
func (e *engine) console() (changes []AccountChange, unchanged int) {
	for n := range e.accounts {
		a := int32(n)
		change, changed := e.accountAfter(a)
		if !changed {
			unchanged++
			continue
		}
		changes = append(changes, change)
	}
	for n := range e.entries {
		i, t := int32(n), &e.entries[n]
		if t.flags&(dropped|stuck) != 0 || t.whole != noReason || t.account != none {
			continue
		}
		changes = append(changes, AccountChange{After: e.newAccount(i)})
	}
	sortFunc(changes, func(x, y AccountChange) int {
		return cmp.Or(subject(&x).Primary.Compare(subject(&y).Primary), compareBefore(&x, &y))
	})
	return changes, unchanged
}

// subject is the account after the change, or before it where nothing is left.
func subject(c *AccountChange) *identity.Account {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

func compareBefore(c, d *AccountChange) int {
	switch {
	case c.Before == nil || d.Before == nil:
		return cmp.Compare(boolInt(c.Before != nil), boolInt(d.Before != nil))
	default:
		return c.Before.Primary.Compare(d.Before.Primary)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *engine) accountAfter(a int32) (AccountChange, bool) {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	if t.hold != none {
		e.noteHeld(a)
		return AccountChange{}, false
	}
	switch {
	case t.is(frozen):
		return AccountChange{}, false
	case e.bound(a):
		after := e.boundAccount(a)
		return AccountChange{Before: before, After: after}, after != nil
	case !e.orphan(a):
		return AccountChange{}, false
	case !before.Active():
		return AccountChange{Before: before}, e.granted(t.first)
	case t.is(protectedAlias) || e.has(t.first, protected):
		after := e.protectedOrphan(a)
		return AccountChange{Before: before, After: after}, after != nil
	case e.granted(t.first):
		return AccountChange{Before: before}, true
	}
	after := *before
	after.Status, after.Aliases = identity.Inactive, nil
	return AccountChange{Before: before, After: &after}, true
}

// boundAccount returns the account of an entry as the entry wants it, or nil if
// it is so already.
func (e *engine) boundAccount(a int32) *identity.Account {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	i := t.entry
	entry, in := &e.entries[i], &e.in.Entries[i]
	after := *before
	after.Status, after.Type, after.GUID = identity.Active, in.Type, in.GUID
	after.Directory = e.scopes[in.Scope].Directory
	if !identity.EqualDN(before.DN, in.DN) {
		after.DN = in.DN
	}

	primary := e.claims[entry.primary].id
	keepsPrimary := before.Active() && e.has(t.first, protected) && primary != t.first
	if keepsPrimary {
		e.noteProtectedPrimary(a, primary)
		primary = t.first
	}
	standing, own := 0, 0
	for c := entry.first; c < entry.end; c++ {
		if e.claims[c].reason == noReason {
			standing++
			own += boolInt(e.holder(e.claims[c].id) == a)
		}
	}
	kept := e.protectedAliasesLeft(a)
	if sameAddresses := before.Active() && primary == t.first && !keepsPrimary && len(kept) == 0 &&
		standing == own && own == 1+len(before.Aliases); !sameAddresses {
		after.Primary = e.text(primary)
		after.Aliases = e.aliases(i, primary, kept)
	}
	e.setAttributes(i, &after, before)
	if before.Equal(&after) {
		return nil
	}
	// A copy, so that only accounts that change are allocated.
	changed := after
	return &changed
}

// protectedAliasesLeft returns the protected aliases of a bound account that
// its entry does not claim, or not validly. They stay.
func (e *engine) protectedAliasesLeft(a int32) []identity.Address {
	t := &e.accounts[a]
	if !t.is(protectedAlias) {
		return nil
	}
	var kept []identity.Address
	for id := t.first + 1; id < e.end(a); id++ {
		if e.has(id, protected) && !e.has(id, ownClaim) {
			kept = append(kept, e.text(id))
			e.note(e.accountRow(a, ProtectedDeactivation, id))
		}
	}
	return kept
}

func (e *engine) newAccount(i int32) *identity.Account {
	t, in := &e.entries[i], &e.in.Entries[i]
	primary := e.claims[t.primary].id
	after := &identity.Account{
		Primary: e.text(primary), Directory: e.scopes[in.Scope].Directory, GUID: in.GUID, DN: in.DN, Type: in.Type,
	}
	after.Aliases = e.aliases(i, primary, nil)
	e.setAttributes(i, after, nil)
	return after
}

// aliases returns the addresses that entry i is granted beside its primary, and
// those that are kept, in byte order.
func (e *engine) aliases(i, primary int32, kept []identity.Address) []identity.Address {
	for _, cl := range e.claims[e.entries[i].first:e.entries[i].end] {
		if cl.reason == noReason && cl.id != primary {
			kept = append(kept, e.text(cl.id))
		}
	}
	slices.SortFunc(kept, identity.Address.Compare)
	return e.slab.Copy(kept)
}

// protectedOrphan returns an orphan that keeps its primary and its protected
// addresses, or nil if it has nothing else.
func (e *engine) protectedOrphan(a int32) *identity.Account {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	e.note(e.accountRow(a, ProtectedDeactivation, t.first))
	var kept []identity.Address
	for id := t.first + 1; id < e.end(a); id++ {
		if e.has(id, protected) {
			kept = append(kept, e.text(id))
			e.note(e.accountRow(a, ProtectedDeactivation, id))
		}
	}
	if len(kept) == len(before.Aliases) {
		return nil
	}
	after := *before
	after.Aliases = kept
	return &after
}

// setAttributes gives an account its entry's username and attributes. A value
// over its limit is told, and the old one stays.
func (e *engine) setAttributes(i int32, after, before *identity.Account) {
	in := &e.in.Entries[i]
	s := &e.scopes[in.Scope]
	after.Username = in.Username
	if tooLong(in.Username, s.Limit(Username)) {
		after.Username = ""
		if before != nil {
			after.Username = before.Username
		}
		e.noteTooLong(i, after, Username, in.Username)
	}
	long := slices.ContainsFunc(in.Attributes, func(x identity.Attribute) bool { return tooLong(x.Value, s.Limit(x.Name)) })
	if !long {
		after.Attributes = in.Attributes
		return
	}
	var attrs []identity.Attribute
	for _, x := range in.Attributes {
		if tooLong(x.Value, s.Limit(x.Name)) {
			e.noteTooLong(i, after, x.Name, x.Value)
			x.Value = ""
			if before != nil {
				x.Value = identity.Lookup(before.Attributes, x.Name)
			}
		}
		if x.Value != "" {
			attrs = append(attrs, x)
		}
	}
	after.Attributes = attrs
}

func tooLong(value string, limit int) bool {
	return len(value) > limit && utf8.RuneCountInString(value) > limit
}

// deactivates reports whether an account goes from active to inactive.
func deactivates(c *AccountChange) bool {
	return c.Before != nil && c.Before.Active() && c.After != nil && !c.After.Active()
}

// countsFor returns the label of the directory that account i of the console
// counts for, if no change is of it: that of its entry, or else of its owner. It
// is "" for local accounts and for those of directories that were not read.
func (e *engine) countsFor(i int) string {
	a := int32(i)
	switch {
	case e.local(a):
	case e.bound(a):
		return e.dirInfo[e.entryDir(e.accounts[a].entry)].name
	case e.orphan(a):
		return e.in.Accounts[i].Directory
	}
	return ""
}

// noteProtectedPrimary tells that a protected primary stays the primary though
// the entry would have another.
func (e *engine) noteProtectedPrimary(a, wanted int32) {
	t := &e.accounts[a]
	reason := ProtectedDeactivation
	entry := &e.entries[t.entry]
	if slices.ContainsFunc(e.claims[entry.first:entry.end], func(c claim) bool { return c.id == t.first }) {
		reason = ProtectedPrimaryToAlias
	}
	row := e.accountRow(a, reason, t.first)
	row.Wanted = e.text(wanted).String()
	e.note(row)
}

// noteTooLong tells that an attribute's old value stays. The row stands at the
// account's primary after this run.
func (e *engine) noteTooLong(i int32, after *identity.Account, name, value string) {
	row := e.entryRow(i, AttributeTooLong, after.Primary.String())
	row.Primary = row.Address
	row.Attribute, row.Limit, row.Length = name, e.scopes[e.in.Entries[i].Scope].Limit(name), utf8.RuneCountInString(value)
	e.note(row)
}

// noteHeld tells what a legal hold keeps from happening to account a.
func (e *engine) noteHeld(a int32) {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	if t.is(quiet) || e.local(a) || e.unread(a) || e.orphan(a) && !before.Active() {
		return
	}
	told := map[int32]bool{}
	tell := func(id int32, what string) {
		if told[id] {
			return
		}
		told[id] = true
		row := e.accountRow(a, LegalHold, id)
		row.Attribute = what
		e.note(row)
	}
	if e.orphan(a) {
		for id := t.first; id < e.end(a); id++ {
			tell(id, "")
		}
		return
	}
	entry, in := &e.entries[t.entry], &e.in.Entries[t.entry]
	primary := int32(none)
	if entry.primary != none {
		primary = e.claims[entry.primary].id
	}
	claimed := map[int32]bool{}
	for c := entry.first; c < entry.end; c++ {
		id := e.claims[c].id
		claimed[id] = true
		inPlace := before.Active() && e.holder(id) == a && (id == primary) == (id == t.first)
		if !inPlace {
			tell(id, "")
		}
	}
	for id := t.first; id < e.end(a); id++ {
		if !claimed[id] {
			tell(id, "")
		}
	}
	var changed []string
	for _, c := range [...]struct {
		name string
		is   bool
	}{
		{"type", before.Type != in.Type},
		{"username", before.Username != in.Username},
		{"dn", !identity.EqualDN(before.DN, in.DN)},
		{"directory", before.Directory != e.scopes[in.Scope].Directory},
	} {
		if c.is {
			changed = append(changed, c.name)
		}
	}
	eachAttribute(before, &identity.Account{Attributes: in.Attributes}, func(name, old, new string) {
		if old != new {
			changed = append(changed, name)
		}
	})
	if len(changed) > 0 {
		tell(t.first, strings.Join(changed, ", "))
	}
}

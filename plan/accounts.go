package plan

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// console makes the accounts as they are afterwards. It returns those that
// change and counts the others.
func (e *engine) console() (changes []AccountChange, unchanged int) {
	wanted := e.asWanted(max(len(e.accounts)/runtime.GOMAXPROCS(0), manyToSort) + 1)
	for n := range e.accounts {
		a := int32(n)
		if wanted[a] {
			unchanged++
			e.noteAgreed(a)
			continue
		}
		notes := len(e.notes)
		change, changed := e.accountAfter(a)
		if e.in.Count && (changed || len(e.notes) > notes) {
			e.speaking = append(e.speaking, a)
		}
		if !changed {
			unchanged++
			e.noteAgreed(a)
			continue
		}
		changes = append(changes, change)
	}
	for n := range e.entries {
		if t := &e.entries[n]; t.flags&(dropped|stuck) == 0 && t.whole == noReason && t.account == none {
			e.served = append(e.served, int32(n))
		}
	}
	changes = slices.Grow(changes, len(e.served))
	for _, a := range e.newAccounts(e.served) {
		changes = append(changes, AccountChange{After: a})
	}
	changes = append(changes, e.gone()...)
	sortByKey(changes, func(x *AccountChange, from int) sortKey { return keyOf(0, subject(x).Primary.String(), from) }, func(x, y *AccountChange) int {
		return cmp.Or(subject(x).Primary.Compare(subject(y).Primary), compareBefore(x, y))
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
		return AccountChange{Before: before}, e.dispossessed(a)
	case t.is(protectedAlias) || e.has(t.first, protected):
		after := e.protectedOrphan(a)
		return AccountChange{Before: before, After: after}, after != nil
	case e.dispossessed(a):
		return AccountChange{Before: before}, true
	}
	after := *before
	after.Status, after.Aliases = identity.Inactive, nil
	return AccountChange{Before: before, After: &after}, true
}

// dispossessed reports whether the primary of an orphan goes to another account. One
// that has a temporary primary has lost its own so, in a run that did not come to its
// end.
func (e *engine) dispossessed(a int32) bool {
	return e.granted(e.accounts[a].first) || e.in.Accounts[a].Primary.IsTemporary()
}

// asWanted says of which accounts it is certain that their entries want them as they are,
// and that nothing is to be said of them. Most are: to look at each account and its entry
// takes long, for they lie far from each other, and so several processors do, each so many
// at a time.
func (e *engine) asWanted(each int) []bool {
	all := make([]bool, len(e.accounts))
	var wg sync.WaitGroup
	for first := 0; first < len(all); first += each {
		part := all[first:min(first+each, len(all))]
		wg.Go(func() {
			for n := range part {
				part[n] = e.isAsWanted(int32(first + n))
			}
		})
	}
	wg.Wait()
	return all
}

func (e *engine) isAsWanted(a int32) bool {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	if t.hold != none || t.is(frozen|protectedAlias) || !e.bound(a) {
		return false
	}
	if in := e.said(t.entry); !e.agrees(&e.scopes[in.Scope], in, before) {
		return false
	}
	return !e.keepsPrimary(a, e.claims[e.entries[t.entry].primary].id) && e.keepsAddresses(t.entry)
}

// boundAccount returns the account of an entry as the entry wants it, or nil if
// it is so already.
func (e *engine) boundAccount(a int32) *identity.Account {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	i := t.entry
	entry, in := &e.entries[i], e.said(i)
	after := *before
	after.Status, after.Type, after.GUID = identity.Active, in.Type, in.GUID
	after.Directory = e.scopes[in.Scope].Directory
	if !identity.EqualDN(before.DN, in.DN) {
		after.DN = in.DN
	}

	if primary := e.claims[entry.primary].id; e.keepsPrimary(a, primary) {
		e.noteProtectedPrimary(a, primary)
	}
	for _, id := range e.protectedAliasesLeft(a) {
		e.note(e.accountRow(a, ProtectedDeactivation, id))
	}
	after.Primary, after.Aliases = e.boundAddresses(i)
	e.setAttributes(i, &after, before)
	if before.Equal(&after) {
		return nil
	}
	// A copy, so that only accounts that change are allocated.
	changed := after
	return &changed
}

// keepsPrimary reports whether a bound account keeps its protected primary though
// its entry would have another.
func (e *engine) keepsPrimary(a, primary int32) bool {
	first := e.accounts[a].first
	return e.active(a) && e.has(first, protected) && primary != first
}

// boundAddresses returns the addresses that the account of a bound entry gets.
func (e *engine) boundAddresses(i int32) (primary identity.Address, aliases []identity.Address) {
	entry := &e.entries[i]
	a := entry.account
	before, id := &e.in.Accounts[a], e.claims[entry.primary].id
	keeps := e.keepsPrimary(a, id)
	left := e.protectedAliasesLeft(a)
	if !keeps && len(left) == 0 && e.keepsAddresses(i) {
		return before.Primary, before.Aliases
	}
	if keeps {
		id = e.accounts[a].first
	}
	return e.text(id), e.aliases(i, id, e.texts(left))
}

// keepsAddresses reports whether a bound entry claims the very addresses that its account
// has, the primary as that.
func (e *engine) keepsAddresses(i int32) bool {
	entry := &e.entries[i]
	a := entry.account
	before := &e.in.Accounts[a]
	if !before.Active() || e.claims[entry.primary].id != e.accounts[a].first {
		return false
	}
	standing, own := 0, 0
	for c := entry.first; c < entry.end; c++ {
		if e.claims[c].reason == noReason {
			standing++
			own += boolInt(e.lists(a, e.claims[c].id))
		}
	}
	return standing == own && own == 1+len(before.Aliases)
}

// protectedAliasesLeft returns the protected aliases of a bound account that
// its entry does not claim, or not validly. They stay, and come back where they
// were removed by hand.
func (e *engine) protectedAliasesLeft(a int32) (left []int32) {
	if !e.accounts[a].is(protectedAlias) {
		return nil
	}
	for _, id := range e.protectedAliases(a) {
		if !e.has(id, ownClaim) {
			left = append(left, id)
		}
	}
	return left
}

// protectedAliases returns the protected aliases of an account, and those that were
// removed from it by hand.
func (e *engine) protectedAliases(a int32) (all []int32) {
	for id := e.accounts[a].first + 1; id < e.end(a); id++ {
		if e.has(id, protected) {
			all = append(all, id)
		}
	}
	if e.active(a) {
		all = append(all, e.removedByHand(a)...)
	}
	return all
}

// texts returns the addresses with the given numbers.
func (e *engine) texts(ids []int32) (all []identity.Address) {
	for _, id := range ids {
		all = append(all, e.text(id))
	}
	return all
}

// newAccounts returns the accounts that entries get. A first import makes very many.
func (e *engine) newAccounts(of []int32) []*identity.Account {
	all := make([]*identity.Account, len(of))
	room := make([]identity.Account, len(of))
	inParts(len(of), func(first, end int) {
		var slab compact.Slab[identity.Address]
		kept := make([]identity.Address, 0, manyValues)
		for n := first; n < end; n++ {
			t, in, after := &e.entries[of[n]], e.said(of[n]), &room[n]
			primary := e.claims[t.primary].id
			*after = identity.Account{
				Primary: e.text(primary), Directory: e.scopes[in.Scope].Directory, GUID: in.GUID, DN: in.DN, Type: in.Type,
			}
			after.Aliases = e.aliasesIn(&slab, of[n], primary, kept)
			all[n] = after
		}
	})
	for n, i := range of {
		e.setAttributes(i, all[n], nil)
	}
	return all
}

// aliases returns the addresses that entry i is granted beside its primary, and
// those that are kept, in byte order.
func (e *engine) aliases(i, primary int32, kept []identity.Address) []identity.Address {
	return e.aliasesIn(&e.slab, i, primary, kept)
}

// aliasesIn is aliases with room in a slab.
func (e *engine) aliasesIn(slab *compact.Slab[identity.Address], i, primary int32, kept []identity.Address) []identity.Address {
	for _, cl := range e.claims[e.entries[i].first:e.entries[i].end] {
		if cl.reason == noReason && cl.id != primary {
			kept = append(kept, e.text(cl.id))
		}
	}
	slices.SortFunc(kept, identity.Address.Compare)
	return slab.Copy(kept)
}

// protectedOrphan returns an orphan that keeps its primary and its protected
// addresses, or nil if it has nothing else.
func (e *engine) protectedOrphan(a int32) *identity.Account {
	before := &e.in.Accounts[a]
	e.note(e.accountRow(a, ProtectedDeactivation, e.accounts[a].first))
	aliases := e.protectedAliases(a)
	for _, id := range aliases {
		e.note(e.accountRow(a, ProtectedDeactivation, id))
	}
	kept := e.texts(aliases)
	slices.SortFunc(kept, identity.Address.Compare)
	if slices.Equal(kept, before.Aliases) {
		return nil
	}
	after := *before
	after.Aliases = kept
	return &after
}

// setAttributes gives an account its entry's username and attributes. A value
// over its limit is reported, and the old one stays.
func (e *engine) setAttributes(i int32, after, before *identity.Account) {
	in := e.said(i)
	s := &e.scopes[in.Scope]
	after.Username = in.Username
	if tooLong(in.Username, e.limit(s, Username)) {
		after.Username = ""
		if before != nil {
			after.Username = before.Username
		}
		e.noteTooLong(i, after, Username, in.Username)
	}
	long := slices.ContainsFunc(in.Attributes, func(x identity.Attribute) bool { return tooLong(x.Value, e.limit(s, x.Name)) })
	if !long {
		after.Attributes = in.Attributes
		return
	}
	var attrs []identity.Attribute
	for _, x := range in.Attributes {
		if tooLong(x.Value, e.limit(s, x.Name)) {
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

// limit returns the most characters of an attribute: the fewer of what the scope
// and the console say.
func (e *engine) limit(s *scope, name string) int {
	if most, bound := e.in.Facts.Lengths[name]; bound {
		return min(most, s.Limit(name))
	}
	return s.Limit(name)
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

// boundTo is countsFor, and says for an adopted account which directory it
// counts for.
func (e *engine) boundTo(i int) string {
	if a := int32(i); e.local(a) && e.bound(a) {
		return e.dirInfo[e.entryDir(e.accounts[a].entry)].name
	}
	return e.countsFor(i)
}

// noteProtectedPrimary says that a protected primary stays the primary though
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

// noteTooLong says that an attribute's old value stays. The row stands at the
// account's primary after this run.
func (e *engine) noteTooLong(i int32, after *identity.Account, name, value string) {
	row := e.entryRow(i, AttributeTooLong, after.Primary.String())
	row.Primary = row.Address
	s := e.scopeOf(i)
	row.Attribute, row.Limit, row.Length = name, e.limit(s, name), utf8.RuneCountInString(value)
	if row.Limit < s.Limit(name) {
		row.Cause = FactAttributes
	}
	e.note(row)
}

// noteHeld says what a legal hold keeps from happening to account a.
func (e *engine) noteHeld(a int32) {
	t, before := &e.accounts[a], &e.in.Accounts[a]
	if t.is(quiet) || e.local(a) || e.unread(a) || e.orphan(a) && !before.Active() {
		return
	}
	rejected := map[int32]bool{}
	reject := func(id int32, what string) {
		if rejected[id] || e.text(id).IsZero() { // an account of a console may have no primary
			return
		}
		rejected[id] = true
		row := e.accountRow(a, LegalHold, id)
		row.Attribute = what
		e.note(row)
	}
	if e.orphan(a) {
		for id := t.first; id < e.end(a); id++ {
			reject(id, "")
		}
		return
	}
	entry, in := &e.entries[t.entry], e.said(t.entry)
	primary := int32(none)
	if entry.primary != none {
		primary = e.claims[entry.primary].id
	}
	claimed := map[int32]bool{}
	for c := entry.first; c < entry.end; c++ {
		id := e.claims[c].id
		claimed[id] = true
		inPlace := before.Active() && e.lists(a, id) && (id == primary) == (id == t.first)
		if !inPlace {
			reject(id, "")
		}
	}
	for id := t.first; id < e.end(a); id++ {
		if !claimed[id] {
			reject(id, "")
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
		reject(t.first, strings.Join(changed, ", "))
	}
}

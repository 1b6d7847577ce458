package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// mergeObjects keeps one of several results for the same object (equal
// directory, GUID and DN): that of the scope declared first. Objects that list
// no address are then no entries. Entries that are left without a GUID of
// their own are marked, and each entry learns which accounts its GUID owns.
func (e *engine) mergeObjects() {
	e.sharedEntries, e.sharedAccounts, e.recorded = map[identity.GUID][]int32{}, map[identity.GUID][]int32{}, map[identity.GUID][]int32{}
	nameless := e.findByGUID()
	for i := range e.in.Accounts {
		g := e.in.Accounts[i].GUID
		if g.IsZero() {
			continue
		}
		first := e.guids.find(g)
		if first == none {
			continue
		}
		if e.local(int32(i)) {
			e.recorded[g] = append(e.recorded[g], int32(i))
			continue
		}
		if owned := &e.entries[first].owned; *owned == none {
			*owned = int32(i)
		} else {
			if e.sharedAccounts[g] == nil {
				e.sharedAccounts[g] = []int32{*owned}
			}
			e.sharedAccounts[g] = append(e.sharedAccounts[g], int32(i))
		}
	}
	for g, group := range e.sharedEntries {
		if _, shared := e.sharedAccounts[g]; !shared && e.entries[group[0]].owned != none {
			e.sharedAccounts[g] = []int32{e.entries[group[0]].owned}
		}
	}
	e.mergeSame(nameless)
	for _, group := range e.sharedEntries {
		e.mergeSame(group)
	}
	e.dropEmpty()
	for g, group := range e.sharedEntries {
		group = slices.DeleteFunc(group, func(i int32) bool { return e.entries[i].flags&dropped != 0 })
		e.sharedEntries[g] = group
		slices.SortFunc(group, e.compareEntries)
		for len(group) > 0 {
			n := 1
			for n < len(group) && e.entryDir(group[n]) == e.entryDir(group[0]) {
				n++
			}
			if n > 1 {
				for _, i := range group[:n] {
					e.entries[i].flags |= noOwnGUID
					e.entries[i].other = group[0]
				}
				e.entries[group[0]].other = group[1]
			}
			group = group[n:]
		}
	}
}

// findByGUID makes entries found by their GUIDs, notes which share one, and returns those
// without.
func (e *engine) findByGUID() (nameless []int32) {
	e.guids = newGUIDTable(e.in.Entries)
	for n := range e.entries {
		i, g := int32(n), e.guid(int32(n))
		if g.IsZero() {
			nameless = append(nameless, i)
			e.entries[i].flags |= noOwnGUID
			continue
		}
		if first := e.guids.add(i); first != i {
			if e.sharedEntries[g] == nil {
				e.sharedEntries[g] = []int32{first}
			}
			e.sharedEntries[g] = append(e.sharedEntries[g], i)
		}
	}
	return nameless
}

// dropEmpty drops the objects that list no address, or none but ignored ones:
// they are no entries.
func (e *engine) dropEmpty() {
	ignoring := e.domains.Ignoring()
	for i := range e.entries {
		in := e.said(int32(i))
		switch {
		case e.entries[i].flags&dropped != 0:
		case len(in.Primaries)+len(in.Aliases) == 0:
			e.entries[i].flags |= dropped | empty
		case ignoring && e.domains.OnlyIgnored(*in):
			e.entries[i].flags |= dropped | empty
			e.ignored += addressesOf(in)
			if e.ignoredObjects == nil {
				e.ignoredObjects = map[string]int{}
			}
			e.ignoredObjects[e.dirInfo[e.entryDir(int32(i))].name]++
		}
	}
}

// mergeSame drops all but the first of the results in group that are the same
// object. The results share their GUID, or have none.
func (e *engine) mergeSame(group []int32) {
	if len(group) < 2 {
		return
	}
	names := make(map[int32]string, len(group))
	for _, i := range group {
		names[i] = identity.FoldDN(e.said(i).DN)
	}
	sorted := slices.Clone(group)
	slices.SortFunc(sorted, func(a, b int32) int {
		return cmp.Or(cmp.Compare(e.entryDir(a), e.entryDir(b)), strings.Compare(names[a], names[b]),
			cmp.Compare(e.in.Entries[a].Scope, e.in.Entries[b].Scope), e.compareEntries(a, b))
	})
	for len(sorted) > 0 {
		n, inScope := 1, 1
		for n < len(sorted) && e.entryDir(sorted[n]) == e.entryDir(sorted[0]) && names[sorted[n]] == names[sorted[0]] {
			e.entries[sorted[n]].flags |= dropped
			if e.scopeOf(sorted[n]) == e.scopeOf(sorted[0]) {
				inScope++
			}
			n++
		}
		e.unite(sorted[:inScope])
		sorted = sorted[n:]
	}
}

// unite gives the first of several results for one object and scope, read
// while the object changed or in several files, the addresses of all of them:
// none is dropped silently.
func (e *engine) unite(results []int32) {
	first := *e.said(results[0])
	if !slices.ContainsFunc(results[1:], func(i int32) bool {
		x := e.said(i)
		return compareSets(first.Primaries, x.Primaries) != 0 || compareSets(first.Aliases, x.Aliases) != 0
	}) {
		return
	}
	first.Primaries, first.Aliases, first.Mail = nil, nil, nil
	for _, i := range results {
		x := e.said(i)
		first.Mail = append(first.Mail, x.Mail...)
		first.Primaries = append(first.Primaries, x.Primaries...)
		first.Aliases = append(first.Aliases, x.Aliases...)
	}
	if e.united == nil {
		e.united = map[int32]*identity.Entry{}
	}
	e.united[results[0]] = &first
}

// compareEntries orders entries by what they say, so that any choice among
// them is independent of the order in which they came.
func (e *engine) compareEntries(a, b int32) int {
	x, y := e.said(a), e.said(b)
	if c := cmp.Or(
		strings.Compare(e.dirInfo[e.entryDir(a)].name, e.dirInfo[e.entryDir(b)].name),
		x.GUID.Compare(y.GUID), strings.Compare(x.DN, y.DN), cmp.Compare(x.Scope, y.Scope)); c != 0 {
		return c // what follows is sorted first, and may be long
	}
	return cmp.Or(
		strings.Compare(x.Username, y.Username), cmp.Compare(x.Type, y.Type), slices.Compare(x.Mail, y.Mail),
		compareSets(x.Primaries, y.Primaries), compareSets(x.Aliases, y.Aliases),
		slices.CompareFunc(x.Attributes, y.Attributes, func(p, q identity.Attribute) int {
			return cmp.Or(strings.Compare(p.Name, q.Name), strings.Compare(p.Value, q.Value))
		}))
}

func compareSets(a, b []string) int {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Compare(a, b)
}

// entriesOf returns the entries that carry the GUID of entry i.
func (e *engine) entriesOf(i int32) []int32 {
	if len(e.sharedEntries) > 0 {
		if group, shared := e.sharedEntries[e.guid(i)]; shared {
			return group
		}
	}
	return []int32{i}
}

// accountsOf returns the accounts that the GUID of entry i owns, in whichever
// directories.
func (e *engine) accountsOf(i int32) []int32 {
	if len(e.sharedAccounts) > 0 {
		if group, shared := e.sharedAccounts[e.guid(i)]; shared {
			return group
		}
	}
	if owned := e.entries[i].owned; owned != none {
		return []int32{owned}
	}
	return nil
}

// carriedIn reports whether an entry of the directory carries the GUID of
// entry i.
func (e *engine) carriedIn(dir, i int32) bool {
	return slices.ContainsFunc(e.entriesOf(i), func(j int32) bool { return e.entryDir(j) == dir })
}

// bindByGUID binds each entry to the account that its GUID owns. The account
// of another directory is only taken over where it is certain that the object
// moved: that directory was read (or is gone from the configuration) and
// nobody else carries the GUID.
func (e *engine) bindByGUID() {
	for n := range e.entries {
		i, t := int32(n), &e.entries[n]
		if t.flags&dropped != 0 {
			continue
		}
		owners := e.accountsOf(i)
		own := slices.IndexFunc(owners, func(a int32) bool { return e.accounts[a].dir == e.entryDir(i) })
		switch {
		case t.flags&noOwnGUID != 0:
			e.rejectWhole(i, MissingGUID, t.other, false)
			if own >= 0 {
				e.accounts[owners[own]].flags |= frozen | quiet
				continue
			}
		case len(owners) == 0:
			e.adoptByGUID(i)
			continue
		case own >= 0:
			e.bind(i, owners[own])
			continue
		case len(owners) == 1 && len(e.entriesOf(i)) == 1 && !e.dirInfo[e.accounts[owners[0]].dir].unread():
			e.bind(i, owners[0])
			continue
		default:
			e.rejectWhole(i, OtherDirectory, e.firstAccount(owners), true)
		}
		// It is unknown where the object is now. An account whose directory
		// has it no more may be its, and stays.
		if group := e.entriesOf(i); group[0] != i && t.flags&noOwnGUID != 0 && e.entryDir(group[0]) == e.entryDir(i) {
			continue // the first of the group has settled it
		}
		for _, a := range owners {
			if dir := e.accounts[a].dir; !e.dirInfo[dir].unread() && !e.carriedIn(dir, i) {
				e.accounts[a].flags |= frozen | quiet
			}
		}
	}
}

// adoptByGUID binds an entry whose GUID owns no account to the local account that
// records it, as an import with GUIDs does, if nobody else carries the GUID.
func (e *engine) adoptByGUID(i int32) {
	locals := e.recorded[e.guid(i)]
	if len(locals) == 1 && len(e.entriesOf(i)) == 1 && e.scopeOf(i).Adopt && e.adoptable(locals[0]) && !e.onHold(locals[0]) {
		e.bind(i, locals[0])
	}
}

// adoptable reports whether an entry may adopt local account a, whoever that is.
func (e *engine) adoptable(a int32) bool { return !e.accounts[a].is(foreign | barred) }

// onHold reports whether an address of account a is on legal hold. It is for the
// few that ask before addresses have numbers.
func (e *engine) onHold(a int32) bool { return e.holdsOn(&e.in.Accounts[a]) }

// holdsOn reports whether an account has an address on legal hold.
func (e *engine) holdsOn(a *identity.Account) bool {
	return slices.ContainsFunc(e.in.Rules.Holds, func(hold Guard) bool {
		return !hold.Over(e.in.Now) && slices.ContainsFunc(hold.Addresses, a.Holds)
	})
}

// recordsAnother reports whether local account a records a GUID other than that
// of entry i which some entry carries and another account too: it is unknown
// whose it is.
func (e *engine) recordsAnother(i, a int32) bool {
	g := e.in.Accounts[a].GUID
	if g.IsZero() || g == e.guid(i) {
		return false
	}
	j := e.guids.find(g)
	if j == none || len(e.recorded[g]) < 2 && len(e.accountsOf(j)) == 0 {
		return false
	}
	return slices.ContainsFunc(e.entriesOf(j), func(k int32) bool { return e.entries[k].flags&dropped == 0 })
}

func (e *engine) bind(i, a int32) {
	e.entries[i].account, e.accounts[a].entry = a, i
}

// firstAccount returns the account whose primary comes first in byte order.
func (e *engine) firstAccount(accounts []int32) int32 {
	return slices.MinFunc(accounts, func(a, b int32) int {
		return e.in.Accounts[a].Primary.Compare(e.in.Accounts[b].Primary)
	})
}

// bindByPrimary binds entries that are not bound yet by their declared
// primary: to a local account (adoption), or to an account whose GUID the
// directory no longer has (GUID change).
func (e *engine) bindByPrimary() {
	for n := range e.entries {
		i, t := int32(n), &e.entries[n]
		if t.account != none || t.whole != noReason || t.declared == none || e.declarers[t.declared] > 1 {
			continue
		}
		a := e.holder(t.declared)
		if a == none || e.accounts[a].first != t.declared || e.bound(a) || e.unread(a) || e.accounts[a].hold != none {
			continue
		}
		s := e.scopeOf(i)
		switch {
		case e.local(a):
			if s.Adopt && e.adoptable(a) && !e.recordsAnother(i, a) {
				e.bind(i, a)
			}
		case s.Rebind && !e.has(t.declared, protected) && !e.accounts[a].is(frozen):
			e.bind(i, a)
		default:
			reason := GUIDChanged
			if e.active(a) && e.accounts[a].dir != s.dir {
				reason = OtherDirectory
			}
			e.rejectWhole(i, reason, a, true)
			e.accounts[a].flags |= frozen
		}
	}
}

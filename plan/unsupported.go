package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// obstacle is what keeps the console from having an account as its entry wants.
type obstacle struct {
	cause  Cause
	detail string
	limit  int
	length int
}

// cannot says which fact keeps an account from becoming another in the console, in
// which it is before, or is not there, as nil says. What it has already it keeps.
func (f *Facts) cannot(before, after *identity.Account) obstacle {
	had := func(x identity.Address) bool { return before != nil && before.Holds(x) }
	if len(f.Types) > 0 && !slices.Contains(f.Types, after.Type) && (before == nil || before.Type != after.Type) {
		return obstacle{cause: FactTypes}
	}
	if before != nil && before.Primary != after.Primary {
		switch {
		case f.FixedPrimary:
			return obstacle{cause: FactRename, detail: after.Primary.String()}
		case f.Unstable && !f.Marks && !f.Publishes:
			return obstacle{cause: FactRefStable, detail: after.Primary.String()}
		}
	}
	if n := len(after.Aliases); f.MaxAliases > 0 && n > f.MaxAliases && (before == nil || !before.Active() || !slices.Equal(before.Aliases, after.Aliases)) {
		return obstacle{cause: FactMaxAliases, limit: f.MaxAliases, length: n}
	}
	var o obstacle
	if len(f.Domains) > 0 {
		after.EachAddress(func(x identity.Address) {
			if o.cause == "" && !had(x) && !slices.ContainsFunc(f.Domains, func(name string) bool { return strings.EqualFold(name, x.Domain()) }) {
				o = obstacle{cause: FactDomains, detail: x.String()}
			}
		})
	}
	return o
}

// restricts reports whether there is anything that the console cannot do.
func (f *Facts) restricts() bool {
	return len(f.Types) > 0 || f.FixedPrimary || f.Unstable && !f.Marks && !f.Publishes || f.MaxAliases > 0 || len(f.Domains) > 0 || f.DeletedBlocks > 0
}

// settleConsole makes the entries stuck whose accounts would become what the
// console cannot hold, and lets that spread, until nothing changes.
func (e *engine) settleConsole() {
	if !e.in.Facts.restricts() && len(e.in.Blocked) == 0 {
		return
	}
	for {
		found := map[int32]obstacle{}
		for n := range e.entries {
			if t := &e.entries[n]; t.flags&(dropped|stuck) == 0 && t.whole == noReason {
				if o := e.obstacle(int32(n)); o.cause != "" {
					found[int32(n)] = o
				}
			}
		}
		if len(found) == 0 {
			break
		}
		if e.obstacles == nil {
			e.obstacles = map[int32]obstacle{}
		}
		maps.Copy(e.obstacles, found)
		for _, i := range slices.Sorted(maps.Keys(found)) {
			e.stick(i)
			for c := e.entries[i].first; c < e.entries[i].end; c++ {
				if e.claims[c].reason == noReason {
					e.claims[c].reason = ConsoleUnsupported
				}
			}
		}
		e.spread()
	}
	e.rejectStuck()
}

// obstacle says what keeps the console from having the account of entry i as the
// entry wants it.
func (e *engine) obstacle(i int32) obstacle {
	t := &e.entries[i]
	after := identity.Account{Type: e.said(i).Type}
	var before *identity.Account
	if t.account == none {
		primary := e.claims[t.primary].id
		after.Primary, after.Aliases = e.text(primary), e.aliases(i, primary, nil)
	} else {
		after.Primary, after.Aliases = e.boundAddresses(i)
		if e.present(t.account) {
			before = &e.in.Accounts[t.account]
		}
	}
	if o := e.in.Facts.cannot(before, &after); o.cause != "" {
		return o
	}
	if e.in.Facts.DeletedBlocks == 0 && len(e.in.Blocked) == 0 {
		return obstacle{}
	}
	var blocked identity.Address
	for c := t.first; c < t.end; c++ {
		cl := &e.claims[c]
		if cl.reason != noReason || before != nil && before.Holds(e.text(cl.id)) {
			continue
		}
		x := e.text(cl.id)
		if e.blocked(cl.id, t.account) && (blocked.IsZero() || x.Compare(blocked) < 0) {
			blocked = x
		}
	}
	if !blocked.IsZero() {
		return obstacle{cause: FactDeletedBlocks, detail: blocked.String()}
	}
	return obstacle{}
}

// present reports whether the console has account a.
func (e *engine) present(a int32) bool {
	return e.in.Merged == nil || e.in.Merged.Origins[a].Live != none
}

// blocked reports whether the console gives an address to nobody for a while: an
// account that had it was removed, or would be in this run. own is the account of who
// asks. The primary of an orphan is free only once its record goes, its aliases as
// soon as it is inactive.
func (e *engine) blocked(id, own int32) bool {
	if until, lately := e.in.Blocked[e.text(id)]; lately && e.in.Now.Before(until) {
		return true
	}
	h := e.holder(id)
	if e.in.Facts.DeletedBlocks == 0 || h == none || h == own || !e.present(h) || !e.orphan(h) || e.accounts[h].is(frozen) {
		return false
	}
	return id == e.accounts[h].first || e.in.Facts.Removes && e.in.Facts.Keeps(FieldAliases) && e.active(h) && !e.accounts[h].is(protectedAlias) && !e.has(e.accounts[h].first, protected)
}

// numberBeside numbers the addresses that accounts have beside those that they
// list, as far as anybody asks: the reserved ones, and those that were removed by
// hand and that a block guards. It returns the reserved ones that another account
// lists.
func (e *engine) numberBeside() (twice []int32) {
	m := e.in.Merged
	if m == nil {
		return nil
	}
	e.beside = map[int32]int32{}
	number := func(a int32, x identity.Address) (id int32, asked bool) {
		n, asked := e.loose.find(x)
		if asked && e.looseID[n] == none {
			e.looseID[n] = e.held + int32(len(e.newText))
			e.newText = append(e.newText, x)
			e.beside[e.looseID[n]] = a
			return e.looseID[n], false
		}
		if asked {
			return e.looseID[n], true
		}
		return none, false
	}
	for _, a := range slices.Sorted(maps.Keys(m.Reserved)) {
		for _, x := range m.Reserved[a] {
			if id, taken := number(a, x); taken {
				twice = append(twice, id)
			}
		}
	}
	if len(m.Remembered) == 0 {
		return twice
	}
	guarded := map[identity.Address]bool{}
	for b := range e.in.Rules.Protected {
		for _, x := range e.in.Rules.Protected[b].Addresses {
			guarded[x] = true
		}
	}
	onHold := e.holds()
	for _, a := range slices.Sorted(maps.Keys(m.Remembered)) {
		for _, x := range m.Remembered[a] {
			if _, held := onHold[x]; held || guarded[x] && e.active(a) {
				number(a, x)
			}
		}
	}
	return twice
}

// holds returns the addresses on legal hold, each with the first block that lists it.
func (e *engine) holds() map[identity.Address]int32 {
	all := map[identity.Address]int32{}
	for b := range e.in.Rules.Holds {
		for _, x := range e.in.Rules.Holds[b].Addresses {
			if _, known := all[x]; !known && !e.in.Rules.Holds[b].Over(e.in.Now) {
				all[x] = int32(b)
			}
		}
	}
	return all
}

// holdBeside puts the accounts on hold that have such an address without listing it,
// or had it in the ledger, whoever has it now.
func (e *engine) holdBeside() {
	m := e.in.Merged
	if m == nil || len(m.Remembered)+len(m.Reserved) == 0 || len(e.in.Rules.Holds) == 0 {
		return
	}
	onHold := e.holds()
	for _, all := range [...]map[int32][]identity.Address{m.Reserved, m.Remembered} {
		for a, addresses := range all {
			t := &e.accounts[a]
			for _, x := range addresses {
				if b, held := onHold[x]; held && (t.hold == none || b < t.hold) {
					t.hold = b
					t.flags |= frozen
				}
			}
		}
	}
}

// removedByHand returns the protected addresses that account a has in the ledger
// alone, and that nobody else has in the console.
func (e *engine) removedByHand(a int32) (all []int32) {
	if e.in.Merged == nil {
		return nil
	}
	for _, x := range e.in.Merged.Remembered[a] {
		if n, known := e.loose.find(x); known && e.has(e.looseID[n], protected) && e.looseID[n] >= e.held && e.holder(e.looseID[n]) == a {
			all = append(all, e.looseID[n])
		}
	}
	return all
}

// noteAgreed notes that account a, which no change is of, has drifted to what is
// wanted.
func (e *engine) noteAgreed(a int32) {
	if e.in.Merged != nil && e.in.Merged.recorded[a] != nil && !e.accounts[a].is(frozen) && (e.bound(a) || e.orphan(a)) {
		e.agreed = append(e.agreed, a)
	}
}

// gone returns the records of accounts that the console has no more and that no
// entry stands behind, as far as directories show. They go, unless they are on hold.
func (e *engine) gone() (changes []AccountChange) {
	if e.in.Merged == nil {
		return nil
	}
	for n := range e.in.Merged.Gone {
		a := &e.in.Merged.Gone[n]
		dir, known := e.dirs[a.Directory]
		if known && e.dirInfo[dir].unread() || e.holdsOn(a) {
			continue
		}
		i := e.guids.find(a.GUID)
		if known && i != none && slices.ContainsFunc(e.entriesOf(i), func(k int32) bool {
			return e.entries[k].flags&dropped == 0 && e.entryDir(k) == dir
		}) {
			continue
		}
		changes = append(changes, AccountChange{Before: a, Gone: true})
	}
	return changes
}

// markDrift marks the rows that take back what was changed in the console otherwise.
func (e *engine) markDrift(p *Plan) {
	m := e.in.Merged
	if m == nil || len(m.recorded)+len(m.Gone) == 0 {
		return
	}
	// What the ledger has of the accounts of rows, before and after.
	recorded := make(map[*identity.Account]*identity.Account, len(m.recorded))
	for a, record := range m.recorded {
		recorded[&e.in.Accounts[a]] = record
	}
	gone := make(map[owner]*identity.Account, len(m.Gone))
	for n := range m.Gone {
		gone[ownerOf(&m.Gone[n])] = &m.Gone[n]
	}
	for n := range p.Accounts {
		c := &p.Accounts[n]
		record := recorded[c.Before]
		if c.Before == nil {
			record = gone[ownerOf(c.After)]
		}
		if record != nil && c.After != nil {
			recorded[c.After] = record
		}
		if record != nil && c.Kept != nil {
			recorded[c.Kept] = record
		}
	}
	for n := range p.Changes {
		c := &p.Changes[n]
		c.Drift = c.takesBack(recorded[c.Before], recorded[c.After])
	}
}

// takesBack reports whether a row makes something again what it is in the ledger,
// in which its accounts are before and after, nil where nothing of them differs
// from it.
func (c *Change) takesBack(before, after *identity.Account) bool {
	has := func(a *identity.Account) bool { return a != nil && a.Active() && a.Holds(c.Address) }
	switch c.Category {
	case Add:
		return has(after)
	case Inactive:
		return before != nil && !has(before)
	case AliasSwitch, AliasToPrimary, PrimaryToAlias, PrimarySwitch:
		return has(after) || before != nil && !has(before)
	}
	if after == nil {
		return false
	}
	switch c.Category {
	case PrimaryChange:
		return c.After.Primary == after.Primary
	case DirectorySwitch:
		return c.After.Directory == after.Directory
	case TypeChange:
		return c.After.Type == after.Type
	case UsernameChange:
		return c.After.Username == after.Username
	case GUIDChange:
		return c.After.GUID == after.GUID
	case Reactivation:
		return after.Active()
	case AttributeChange:
		if c.Attribute == AttributeDN {
			return identity.EqualDN(c.After.DN, after.DN)
		}
		return identity.Lookup(c.After.Attributes, c.Attribute) == identity.Lookup(after.Attributes, c.Attribute)
	}
	return false
}

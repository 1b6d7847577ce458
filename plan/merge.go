package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Merging is what a ledger knows of a console and what the console has.
type Merging struct {
	// Ledger are the accounts that are owned, as they were asked for, in byte order
	// of their primaries. Placed says more of each, by its primary. What has no
	// owner is passed over.
	Ledger []identity.Account
	Placed map[identity.Address]identity.Placed
	// Live are all accounts of the console, in any order.
	Live  []identity.Live
	Facts Facts
	// By is the owner that the console block names.
	By string
	// Directories are the labels of the declared directories.
	Directories []string
	// Attributes are the names of those that some scope reads. What else a live
	// account has is nobody's business.
	Attributes []string
	// Now tells what has had time to settle.
	Now time.Time
}

// Merged is what the engine works on: the accounts, and what the ledger and the
// console say of them beside.
type Merged struct {
	// Accounts are in byte order of their primaries. Those that have none come
	// first, and are frozen. Otherwise no address is there twice.
	Accounts []identity.Account
	// Origins say where each account comes from, by its index.
	Origins []Origin
	// Bars are those of the accounts that are left as they are, by index.
	Bars map[int32]Bar
	// Reserved are addresses that an account has in the console beside those that
	// it lists: as aliases of an inactive one, or together with another account.
	Reserved map[int32][]identity.Address
	// Remembered are addresses that an account has in the ledger and no more in the
	// console. Legal holds and protection look at them, too.
	Remembered map[int32][]identity.Address
	// Gone are accounts of the ledger that the console has no more, and inactive
	// ones whose address somebody else has, in byte order of their primaries.
	Gone []identity.Account
	// Drift is what was changed in the console otherwise, in the order of the plan.
	Drift []Drift
	// Learn and Forget are what the ledger should have, whatever is applied: Learn
	// takes the place of records, Forget are primaries of those that leave it.
	Learn  []Learned
	Forget []identity.Address
	// Notes tell of what a person should look at, as warnings of the plan.
	Notes []string
	// Owned, Local and Foreign count the accounts of the console by whose they are.
	Owned, Local, Foreign int

	recorded map[int32]*identity.Account // of what has drifted: as the ledger has it
	lost     []Gone                      // active accounts that are gone, by directory
}

// Origin is where an account comes from.
type Origin struct {
	// Live is its index among the live accounts, or -1.
	Live int32
	// Ledger is the primary of its record, once the ledger has learned; zero where
	// it has none.
	Ledger identity.Address
}

// Learned is a record that the ledger should have.
type Learned struct {
	// Was is the primary of the record whose place it takes; zero for none.
	Was     identity.Address
	Account identity.Account
	Placed  identity.Placed
}

// Gone counts the active accounts of a directory that are in the ledger, and
// those among them that the console has no more.
type Gone struct {
	Directory string
	Count, Of int
	Bound     int
}

// GoneBeyond returns the directories of which more accounts are gone than may be
// deactivated in one run, in byte order: the console was not read completely.
func (m *Merged) GoneBeyond(limits Limits) []Gone {
	var all []Gone
	for _, g := range m.lost {
		if g.Bound = limits[Deactivations].bound(g.Of); g.Count > g.Bound {
			all = append(all, g)
		}
	}
	return all
}

// Merge makes of a ledger and of the live accounts those that the engine works
// on. It depends on nothing else, and not on the order of the live accounts.
//
//	ledger     live                              account                    drift
//	has        as asked for, or read back        the live one, owned
//	has        another value of what is stored   the live one, owned        changed
//	has        mark of another object of ours    the live one, of the mark  owner
//	has        mark of another configuration     foreign                    foreign
//	active     lacks it, and should have it      none                       gone
//	active     lacks it, not settled             the ledger's, frozen
//	inactive   lacks it                          the ledger's, unless a
//	                                             live one has its address
//	lacks      our mark, directory declared      the live one, of the mark  unrecorded
//	lacks      our mark, not declared            foreign                    unrecorded
//	lacks      mark of another configuration     foreign
//	lacks      no mark                           local                      unrecorded, where all
//	                                                                        accounts are ours
//
// They are matched by mark, by ref, and by primary, in this order, each account
// once: by primary only what is active in the ledger and has no ref there, and never
// with an account that has no mark where marks are stored. A ref that is not stable
// counts with the same primary alone, and otherwise as if there were none. A mark of ours whose directory is not declared is foreign
// to a record that has another owner, too.
//
// What is compared: addresses, type and status with what was asked for; username,
// DN and attributes with that and with what was read back, since a product may
// write them in its own way. What was read back counts as what was asked for. What
// the console does not store is the ledger's, and so are attributes that no scope
// reads any more. Aliases that an inactive account still has are not compared: they
// are reserved, and nobody is granted one.
//
// Frozen is what nobody can decide: accounts that have an address together, of
// which the owned one lists it, or else that whose primary it is; several with one
// mark, but for the one that has the ledger's ref; one without a primary, or with
// what cannot be understood; and one that a run may have created.
func Merge(in Merging) *Merged {
	m := &merger{
		Merging: in, out: &Merged{}, liveOf: repeated(none, len(in.Ledger)), ledgerOf: repeated(none, len(in.Live)),
		directories: map[string]bool{}, attributes: map[string]bool{}, notes: map[Cause][]string{},
	}
	for _, name := range in.Directories {
		m.directories[name] = true
	}
	for _, name := range in.Attributes {
		m.attributes[name] = in.Facts.Keeps(name)
	}
	m.keeps = keeping{
		aliases: in.Facts.Keeps(FieldAliases), kind: in.Facts.Keeps(FieldType), status: in.Facts.Keeps(FieldStatus),
		username: in.Facts.Keeps(FieldUsername), dn: in.Facts.Keeps(FieldDN),
	}
	m.order = make([]int32, len(in.Live))
	for i := range m.order {
		m.order[i] = int32(i)
	}
	sortFunc(m.order, func(a, b int32) int { return compareLive(&in.Live[a], &in.Live[b]) })

	groups := m.matchMarks()
	m.matchRefs()
	m.settleMarks(groups)
	m.matchPrimaries()
	m.matchUndecided()
	m.makeLive()
	m.shareOut()
	m.makeMissing()
	m.assemble()
	return m.out
}

func repeated(v int32, n int) []int32 { return slices.Repeat([]int32{v}, n) }

// merger is the working state of one Merge.
type merger struct {
	Merging
	out *Merged

	order    []int32 // the live accounts, in an order of what they are
	liveOf   []int32 // by record of the ledger; none where the console has it not
	ledgerOf []int32 // by live account

	directories map[string]bool
	attributes  map[string]bool // declared; whether the console stores them
	keeps       keeping

	made    []made // by live account
	missing []made // of the ledger alone, in byte order of their primaries
	holders map[identity.Address]int32
	several map[int32]bool // live accounts that have their mark with others: whether one stands for the object
	notes   map[Cause][]string
}

// keeping tells which fields the console stores.
type keeping struct{ aliases, kind, status, username, dn bool }

// made is an account that is being made.
type made struct {
	account    identity.Account
	origin     Origin
	bar        Bar
	reserved   []identity.Address
	remembered []identity.Address
	recorded   *identity.Account // of one that has drifted
}

// compareLive orders live accounts by all that they are.
func compareLive(a, b *identity.Live) int {
	if c := cmp.Or(a.Primary.Compare(b.Primary), strings.Compare(a.Ref, b.Ref)); c != 0 {
		return c
	}
	return cmp.Or(
		strings.Compare(a.Mark.By, b.Mark.By), strings.Compare(a.Mark.Directory, b.Mark.Directory), a.Mark.GUID.Compare(b.Mark.GUID),
		cmp.Compare(a.Status, b.Status), cmp.Compare(a.Type, b.Type), slices.CompareFunc(a.Aliases, b.Aliases, identity.Address.Compare),
		strings.Compare(a.Username, b.Username), strings.Compare(a.DN, b.DN), strings.Compare(a.Odd, b.Odd), strings.Compare(a.Rev, b.Rev),
		slices.CompareFunc(a.Attributes, b.Attributes, func(x, y identity.Attribute) int {
			return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value))
		}))
}

// ours reports whether a live account has a mark of this configuration.
func (m *merger) ours(i int32) bool {
	mark := &m.Live[i].Mark
	return m.By != "" && mark.By == m.By
}

// declared reports whether a mark names an object of a declared directory.
func (m *merger) declared(mark *identity.Mark) bool {
	return m.directories[mark.Directory] && !mark.GUID.IsZero()
}

// isIt reports whether a live account is the one that a record is about, by what
// the ledger knows of it.
func (m *merger) isIt(record, i int32) bool {
	ref := m.Placed[m.Ledger[record].Primary].Ref
	return ref != "" && m.Live[i].Ref == ref && (!m.Facts.Unstable || m.Live[i].Primary == m.Ledger[record].Primary)
}

func (m *merger) match(record, i int32) { m.liveOf[record], m.ledgerOf[i] = i, record }

// matchMarks matches accounts by the owners that they are marked with. It returns
// those that have one mark and are not what the ledger has under it.
func (m *merger) matchMarks() (groups [][]int32) {
	m.several = map[int32]bool{}
	if !slices.ContainsFunc(m.order, m.ours) {
		return nil
	}
	records := make(map[owner]int32, len(m.Ledger))
	for n := range m.Ledger {
		if a := &m.Ledger[n]; !a.Local() {
			records[owner{a.Directory, a.GUID}] = int32(n)
		}
	}
	first, others := map[owner]int32{}, map[owner][]int32{}
	for _, i := range m.order {
		if !m.ours(i) {
			continue
		}
		mark := owner{m.Live[i].Mark.Directory, m.Live[i].Mark.GUID}
		record, recorded := records[mark]
		one, met := first[mark]
		if recorded {
			one, met = m.liveOf[record], m.liveOf[record] != none
		}
		switch {
		case met:
			if others[mark] == nil {
				others[mark] = []int32{one}
			}
			others[mark] = append(others[mark], i)
		case recorded:
			m.match(record, i)
		default:
			first[mark] = i
		}
	}
	for mark, group := range others {
		for _, i := range group {
			m.several[i] = false
		}
		if record, recorded := records[mark]; recorded {
			if n := slices.IndexFunc(group, func(i int32) bool { return m.isIt(record, i) }); n >= 0 {
				m.ledgerOf[group[0]] = none
				m.match(record, group[n])
				delete(m.several, group[n])
				continue
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// settleMarks lets one of several accounts with one mark stand for the object, so
// that it gets no other account: the first that the ledger does not have for another.
func (m *merger) settleMarks(groups [][]int32) {
	for _, group := range groups {
		for _, i := range group {
			if n := m.ledgerOf[i]; n == none || ownerOf(&m.Ledger[n]) == (owner{m.Live[i].Mark.Directory, m.Live[i].Mark.GUID}) {
				m.several[i] = true
				break
			}
		}
	}
}

// matchRefs matches by the console's own keys what no mark does. One that is not
// stable may be another account's by now, which then has another primary.
func (m *merger) matchRefs() {
	records := map[string]int32{}
	for n := range m.Ledger {
		if a := &m.Ledger[n]; m.liveOf[n] == none && !a.Local() {
			if ref := m.Placed[a.Primary].Ref; ref != "" {
				records[ref] = int32(n)
			}
		}
	}
	if len(records) == 0 {
		return
	}
	for _, i := range m.order {
		if m.ledgerOf[i] != none || m.Live[i].Ref == "" {
			continue
		}
		if record, found := records[m.Live[i].Ref]; found && m.liveOf[record] == none && m.isIt(record, i) {
			m.match(record, i)
		}
	}
}

// matchPrimaries matches what is left by primary. Both lists are in its order.
func (m *merger) matchPrimaries() {
	next := 0
	for n := range m.Ledger {
		a := &m.Ledger[n]
		for next < len(m.order) && m.Live[m.order[next]].Primary.Compare(a.Primary) < 0 {
			next++
		}
		if m.liveOf[n] != none || a.Local() || !a.Active() {
			continue
		}
		if placed := m.Placed[a.Primary]; placed.Undecided || placed.Ref != "" && !m.Facts.Unstable {
			continue
		}
		for k := next; k < len(m.order) && m.Live[m.order[k]].Primary == a.Primary; k++ {
			i := m.order[k]
			if m.ledgerOf[i] == none && !(m.Facts.Marks && m.Live[i].Mark.IsZero()) {
				m.match(int32(n), i)
				break
			}
		}
	}
}

// matchUndecided matches the records of which nobody knows whether the console has
// made the account with what may be it: an account without a mark that has their
// primary, or else another address of theirs.
func (m *merger) matchUndecided() {
	wanted := map[identity.Address]int32{}
	for n := range m.Ledger {
		if a := &m.Ledger[n]; m.liveOf[n] == none && !a.Local() && m.Placed[a.Primary].Undecided {
			a.EachAddress(func(x identity.Address) { wanted[x] = int32(n) })
		}
	}
	if len(wanted) == 0 {
		return
	}
	for _, primary := range [...]bool{true, false} {
		for _, i := range m.order {
			live := &m.Live[i]
			if m.ledgerOf[i] != none || !live.Mark.IsZero() {
				continue
			}
			live.EachAddress(func(x identity.Address) {
				record, found := wanted[x]
				if found && m.liveOf[record] == none && m.ledgerOf[i] == none && (!primary || x == m.Ledger[record].Primary) {
					m.match(record, i)
				}
			})
		}
	}
}

// makeLive makes the accounts of those that the console has.
func (m *merger) makeLive() {
	m.made = make([]made, len(m.Live))
	for _, i := range m.order {
		m.makeOne(i)
	}
}

func (m *merger) makeOne(i int32) {
	live, one := &m.Live[i], &m.made[i]
	one.account, one.origin.Live = live.Account, i
	a := &one.account
	a.Directory, a.GUID = "", identity.GUID{}
	m.sortAliases(a)
	var record *identity.Account
	if n := m.ledgerOf[i]; n != none {
		record = &m.Ledger[n]
	}
	if mark := &live.Mark; !mark.IsZero() && !(m.ours(i) && (m.declared(mark) || record != nil && ownerOf(record) == owner{mark.Directory, mark.GUID})) {
		one.bar.Foreign = *mark
	}
	_, several := m.several[i]
	switch {
	case live.Odd != "":
		m.freeze(i, NotUnderstood, live.Odd)
	case a.Primary.IsZero():
		m.freeze(i, NoPrimary, "")
	case several:
		m.freeze(i, SeveralMarks, markText(live.Mark))
	case record != nil && m.Placed[record.Primary].Undecided && live.Mark.IsZero():
		m.freeze(i, Undecided, "")
	}
	if record != nil && one.bar.Foreign.IsZero() {
		one.origin.Ledger = record.Primary
	}
	m.settleOwner(i, record)
	m.compare(i, record)
	if !a.Active() && len(a.Aliases) > 0 {
		one.reserved, a.Aliases = a.Aliases, nil
	}
}

// sortAliases puts the aliases of an account in the order that accounts have.
func (m *merger) sortAliases(a *identity.Account) {
	orderly := true
	for n, x := range a.Aliases {
		orderly = orderly && x != a.Primary && (n == 0 || a.Aliases[n-1].Compare(x) < 0)
	}
	if orderly {
		return
	}
	aliases := slices.Clone(a.Aliases)
	slices.SortFunc(aliases, identity.Address.Compare)
	a.Aliases = slices.DeleteFunc(slices.Compact(aliases), func(x identity.Address) bool { return x == a.Primary })
}

// settleOwner gives a live account its owner, and notes where that is news.
func (m *merger) settleOwner(i int32, record *identity.Account) {
	live, one := &m.Live[i], &m.made[i]
	a, mark := &one.account, owner{live.Mark.Directory, live.Mark.GUID}
	told := func(kind DriftKind) {
		d := Drift{Kind: kind, Primary: a.Primary, Ref: live.Ref, Found: markText(live.Mark), Directory: live.Mark.Directory}
		if record != nil {
			d.Recorded, d.Directory = markText(identity.Mark{By: m.By, Directory: record.Directory, GUID: record.GUID}), record.Directory
		}
		m.out.Drift = append(m.out.Drift, d)
	}
	stands, several := m.several[i]
	switch {
	case !one.bar.Foreign.IsZero():
		m.out.Foreign++
		if record != nil {
			told(DriftForeign)
			m.out.Forget = append(m.out.Forget, record.Primary)
		} else if m.ours(i) {
			told(DriftUnrecorded)
		}
	case record == nil && live.Mark.IsZero():
		m.out.Local++
		if m.Facts.Exclusive {
			told(DriftUnrecorded)
		}
	case record == nil:
		m.out.Owned++
		told(DriftUnrecorded)
		if !several || stands {
			a.Directory, a.GUID = mark.directory, mark.guid
		}
	case live.Mark.IsZero() || several || ownerOf(record) == mark:
		m.out.Owned++
		a.Directory, a.GUID = record.Directory, record.GUID
		if m.Facts.Marks && live.Mark.IsZero() && one.bar.Cause == "" {
			m.notes[unmarked] = append(m.notes[unmarked], a.Primary.String())
		}
	default:
		m.out.Owned++
		told(DriftOwner)
		a.Directory, a.GUID = mark.directory, mark.guid
		one.recorded = record
	}
}

// markText writes a mark as drift tells it: owner:directory/GUID.
func markText(m identity.Mark) string {
	if m.IsZero() {
		return ""
	}
	return m.By + ":" + m.Directory + "/" + m.GUID.String()
}

func ownerOf(a *identity.Account) owner { return owner{a.Directory, a.GUID} }

// freeze bars a live account, for the first cause that there is.
func (m *merger) freeze(i int32, cause Cause, detail string) {
	if bar := &m.made[i].bar; bar.Cause == "" {
		bar.Cause, bar.Detail = cause, detail
	}
	name := m.Live[i].Primary.String()
	switch {
	case name != "":
	case len(m.Live[i].Aliases) > 0:
		name = m.Live[i].Aliases[0].String()
	default:
		name = "one without an address"
	}
	if cause == SharedAddress {
		name = detail
	}
	m.notes[cause] = append(m.notes[cause], name)
}

// compare gives an account that the ledger has the fields that count, and notes
// what has drifted.
func (m *merger) compare(i int32, record *identity.Account) {
	live, one := &m.Live[i], &m.made[i]
	a := &one.account
	if record == nil || !one.bar.Foreign.IsZero() {
		a.Attributes = m.read(a.Attributes)
		return
	}
	differs := func(field, recorded, found string) {
		if live.Odd == "" {
			one.recorded = record
			m.out.Drift = append(m.out.Drift, Drift{Kind: DriftChanged, Primary: a.Primary, Ref: live.Ref, Field: field, Recorded: recorded, Found: found, Directory: record.Directory})
		}
	}
	if a.Primary != record.Primary {
		differs(FieldPrimary, record.Primary.String(), a.Primary.String())
	}
	switch {
	case m.keeps.status:
	case m.Facts.Removes:
		a.Status = identity.Active
	default:
		a.Status = record.Status
	}
	if a.Status != record.Status {
		differs(FieldStatus, record.Status.String(), a.Status.String())
	}
	if !m.keeps.kind {
		a.Type = record.Type
	} else if a.Type != record.Type {
		differs(FieldType, record.Type.String(), a.Type.String())
	}
	if !m.keeps.aliases {
		a.Aliases = nil
		if a.Active() {
			a.Aliases = record.Aliases
		}
	} else if a.Active() && !slices.Equal(a.Aliases, record.Aliases) {
		differs(FieldAliases, addressText(record.Aliases), addressText(a.Aliases))
	}
	if record.Active() && (a.Primary != record.Primary || !slices.Equal(a.Aliases, record.Aliases)) {
		record.EachAddress(func(x identity.Address) {
			if !a.Holds(x) {
				one.remembered = append(one.remembered, x)
			}
		})
	}

	found := record // as it was read back
	if placed := m.Placed[record.Primary]; placed.Found != nil {
		found = placed.Found
	}
	if !m.keeps.username || a.Username == found.Username {
		a.Username = record.Username
	} else if a.Username != record.Username {
		differs(FieldUsername, record.Username, a.Username)
	}
	if !m.keeps.dn || identity.EqualDN(a.DN, record.DN) || identity.EqualDN(a.DN, found.DN) {
		a.DN = record.DN
	} else {
		differs(FieldDN, record.DN, a.DN)
	}
	if !slices.Equal(a.Attributes, record.Attributes) {
		a.Attributes = m.compareAttributes(a.Attributes, record.Attributes, found.Attributes, differs)
	}
}

// compareAttributes returns the attributes that count of a live account.
func (m *merger) compareAttributes(live, recorded, found []identity.Attribute, differs func(name, recorded, found string)) (all []identity.Attribute) {
	eachAttribute(&identity.Account{Attributes: recorded}, &identity.Account{Attributes: live}, func(name, asked, value string) {
		if !m.attributes[name] || value == identity.Lookup(found, name) {
			value = asked
		}
		if value != asked {
			differs(name, asked, value)
		}
		if value != "" {
			all = append(all, identity.Attribute{Name: name, Value: value})
		}
	})
	return all
}

// read returns those of some attributes that scopes read and the console stores.
func (m *merger) read(attrs []identity.Attribute) []identity.Attribute {
	other := func(x identity.Attribute) bool { return !m.attributes[x.Name] }
	if !slices.ContainsFunc(attrs, other) {
		return attrs
	}
	return slices.DeleteFunc(slices.Clone(attrs), other)
}

// addressText lists addresses as drift tells them.
func addressText(list []identity.Address) string {
	var b strings.Builder
	for n, x := range list {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.String())
	}
	return b.String()
}

// shareOut leaves each address with one account. Where several have one, it stays
// with the owned ones and as a primary first, and all of them are frozen.
func (m *merger) shareOut() {
	n := len(m.Live)
	for i := range m.made {
		n += len(m.made[i].account.Aliases)
	}
	m.holders = make(map[identity.Address]int32, n)
	take := func(i int32, x identity.Address) bool {
		h, taken := m.holders[x]
		if !taken {
			m.holders[x] = i
			return true
		}
		m.freeze(h, SharedAddress, x.String())
		m.freeze(i, SharedAddress, x.String())
		m.made[i].reserved = append(m.made[i].reserved, x)
		return false
	}
	for _, owned := range [...]bool{true, false} {
		for _, i := range m.order {
			if a := &m.made[i].account; a.Local() != owned && !a.Primary.IsZero() && !take(i, a.Primary) {
				a.Primary = identity.Address{}
			}
		}
		for _, i := range m.order {
			if a := &m.made[i].account; a.Local() != owned && m.keeps.aliases {
				kept := 0
				for kept < len(a.Aliases) && take(i, a.Aliases[kept]) {
					kept++
				}
				if kept == len(a.Aliases) {
					continue
				}
				rest := a.Aliases[kept+1:]
				a.Aliases = slices.Clone(a.Aliases[:kept])
				for _, x := range rest {
					if take(i, x) {
						a.Aliases = append(a.Aliases, x)
					}
				}
			}
		}
	}
	for _, i := range m.order {
		one := &m.made[i]
		if one.account.Active() {
			continue
		}
		reserved := one.reserved
		one.reserved = nil
		for _, x := range reserved {
			if take(i, x) {
				one.reserved = append(one.reserved, x)
			}
		}
	}
	if m.keeps.aliases {
		return
	}
	// Aliases that the ledger alone knows yield to what the console has.
	for _, i := range m.order {
		a := &m.made[i].account
		if slices.ContainsFunc(a.Aliases, m.isHeld) {
			a.Aliases = slices.DeleteFunc(slices.Clone(a.Aliases), m.isHeld)
		}
	}
}

// isHeld reports whether a live account has the address.
func (m *merger) isHeld(x identity.Address) bool {
	_, held := m.holders[x]
	return held
}

// makeMissing makes the accounts that the ledger alone has.
func (m *merger) makeMissing() {
	directories := map[string]*Gone{}
	for n := range m.Ledger {
		a := &m.Ledger[n]
		if a.Local() {
			continue
		}
		placed := m.Placed[a.Primary]
		settled := !m.Now.Before(placed.Applied.Add(m.Facts.Settles))
		gone := directories[a.Directory]
		if gone == nil {
			gone = &Gone{Directory: a.Directory}
			directories[a.Directory] = gone
		}
		if a.Active() && !placed.Undecided {
			gone.Of++
		}
		switch {
		case m.liveOf[n] != none:
		case !a.Active() && m.isHeld(a.Primary):
			m.out.Gone = append(m.out.Gone, *a)
		case !a.Active():
			m.missing = append(m.missing, made{account: *a, origin: Origin{none, a.Primary}})
		case !settled:
			m.missing = append(m.missing, m.unsettled(a))
		case placed.Undecided:
			m.out.Forget = append(m.out.Forget, a.Primary) // it was not made
		default:
			gone.Count++
			m.out.Gone = append(m.out.Gone, *a)
			m.out.Drift = append(m.out.Drift, Drift{Kind: DriftGone, Primary: a.Primary, Ref: placed.Ref, Directory: a.Directory})
		}
	}
	for _, g := range directories {
		m.out.lost = append(m.out.lost, *g)
	}
	slices.SortFunc(m.out.lost, func(x, y Gone) int { return strings.Compare(x.Directory, y.Directory) })
}

// unsettled returns an account that may be seen in the console yet. What others
// have there is theirs.
func (m *merger) unsettled(a *identity.Account) made {
	one := made{account: *a, origin: Origin{none, a.Primary}, bar: Bar{Cause: NotSettled}}
	if slices.ContainsFunc(a.Aliases, m.isHeld) {
		one.account.Aliases = slices.DeleteFunc(slices.Clone(a.Aliases), m.isHeld)
	}
	if m.isHeld(a.Primary) {
		one.account.Primary = identity.Address{}
	}
	m.notes[NotSettled] = append(m.notes[NotSettled], a.Primary.String())
	return one
}

// assemble puts the accounts in their order, and what is said of them.
func (m *merger) assemble() {
	out := m.out
	n := len(m.Live) + len(m.missing)
	out.Accounts, out.Origins = make([]identity.Account, 0, n), make([]Origin, 0, n)
	out.Bars, out.Reserved, out.Remembered, out.recorded = map[int32]Bar{}, map[int32][]identity.Address{}, map[int32][]identity.Address{}, map[int32]*identity.Account{}
	add := func(one *made) {
		at := int32(len(out.Accounts))
		out.Accounts, out.Origins = append(out.Accounts, one.account), append(out.Origins, one.origin)
		if one.bar != (Bar{}) {
			out.Bars[at] = one.bar
		}
		if one.reserved != nil {
			out.Reserved[at] = one.reserved
		}
		if one.remembered != nil {
			out.Remembered[at] = one.remembered
		}
		if one.recorded != nil {
			out.recorded[at] = one.recorded
		}
	}
	addLive := func(i int32) {
		m.learn(i)
		add(&m.made[i])
	}
	missing := m.missing
	addMissing := func() {
		add(&missing[0])
		missing = missing[1:]
	}
	// What has no primary comes first.
	nameless := func(one *made) bool { return one.account.Primary.IsZero() }
	for _, i := range m.order {
		if nameless(&m.made[i]) {
			addLive(i)
		}
	}
	m.missing = slices.DeleteFunc(m.missing, func(one made) bool {
		if nameless(&one) {
			add(&one)
			return true
		}
		return false
	})
	missing = m.missing
	for _, i := range m.order {
		if nameless(&m.made[i]) {
			continue
		}
		for len(missing) > 0 && missing[0].account.Primary.Compare(m.made[i].account.Primary) < 0 {
			addMissing()
		}
		addLive(i)
	}
	for len(missing) > 0 {
		addMissing()
	}

	slices.SortFunc(out.Drift, compareDrift)
	slices.SortFunc(out.Forget, identity.Address.Compare)
	out.Notes = m.tell()
}

// learn notes what the ledger should have of a live account, unless that is frozen.
func (m *merger) learn(i int32) {
	live, one := &m.Live[i], &m.made[i]
	a := &one.account
	if one.bar != (Bar{}) || a.Local() {
		return
	}
	n := m.ledgerOf[i]
	if n == none {
		if _, taken := slices.BinarySearchFunc(m.Ledger, a.Primary, func(r identity.Account, x identity.Address) int { return r.Primary.Compare(x) }); !taken {
			one.origin.Ledger = a.Primary
			m.out.Learn = append(m.out.Learn, Learned{Account: *a, Placed: identity.Placed{Ref: live.Ref, Applied: m.Now.UTC().Truncate(time.Second)}})
		}
		return
	}
	record := m.Ledger[n]
	placed := m.Placed[record.Primary]
	if placed.Ref == live.Ref && !placed.Undecided && ownerOf(&record) == ownerOf(a) {
		return
	}
	record.Directory, record.GUID = a.Directory, a.GUID
	placed.Ref, placed.Undecided = live.Ref, false
	m.out.Learn = append(m.out.Learn, Learned{Was: record.Primary, Account: record, Placed: placed})
}

// mostTold is how many accounts a note names.
const mostTold = 3

// unmarked are accounts that have lost their marks.
const unmarked Cause = "unmarked"

// tell makes the notes.
func (m *merger) tell() (all []string) {
	for _, note := range [...]struct {
		cause      Cause
		one, other string
	}{
		{SharedAddress, "address that several accounts of the console have", "addresses that several accounts of the console have"},
		{SeveralMarks, "account of the console that has its mark together with others", "accounts of the console that have their marks together with others"},
		{NoPrimary, "account of the console without a primary", "accounts of the console without a primary"},
		{NotUnderstood, "account of the console that cannot be understood", "accounts of the console that cannot be understood"},
		{Undecided, "account that an interrupted run may have created or not", "accounts that an interrupted run may have created or not"},
		{NotSettled, "account that was applied and is not seen in the console yet", "accounts that were applied and are not seen in the console yet"},
		{unmarked, "account that has lost its mark in the console", "accounts that have lost their marks in the console"},
	} {
		names := m.notes[note.cause]
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		names = slices.Compact(names)
		text := several(len(names), note.one, note.other) + ": " + strings.Join(names[:min(len(names), mostTold)], ", ")
		if more := len(names) - mostTold; more > 0 {
			text += fmt.Sprintf(" and %s more", Thousands(more))
		}
		if advice := note.cause.advice(); advice != "" {
			text += "; " + advice
		}
		all = append(all, text)
	}
	return all
}

package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
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
	// Now says what has had time to settle.
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
	// Remembered are addresses that an account has in the ledger and no longer in the
	// console. Legal holds and protection look at them, too.
	Remembered map[int32][]identity.Address
	// Gone are accounts of the ledger that are no longer in the console, and inactive
	// ones whose address somebody else has, in byte order of their primaries.
	Gone []identity.Account
	// Drift is what was changed in the console otherwise, in the order of the plan.
	Drift []Drift
	// Learn and Forget are what the ledger should have, whatever is applied: Learn
	// takes the place of records, Forget are primaries of those that leave it. Late
	// is what it can learn once the run has ended, if nothing has changed it: the
	// record of an account that has moved has the primary until then.
	Learn  []Learned
	Late   []Learned
	Forget []identity.Address
	// Notes name what a person should look at, as warnings of the plan.
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
		Merging: in, liveOf: slices.Repeat([]int32{none}, len(in.Ledger)), ledgerOf: slices.Repeat([]int32{none}, len(in.Live)),
		out: &Merged{
			Bars: map[int32]Bar{}, Reserved: map[int32][]identity.Address{}, Remembered: map[int32][]identity.Address{}, recorded: map[int32]*identity.Account{},
		},
		directories: map[string]bool{}, attributes: map[string]bool{}, notes: map[Cause][]string{}, seed: maphash.MakeSeed(),
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
	m.sort()

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

// merger is the working state of one Merge.
type merger struct {
	Merging
	out *Merged

	live     []*identity.Live // in an order of what they are
	at       []int32          // where they came
	liveOf   []int32          // by record of the ledger; none where the console has it not
	ledgerOf []int32          // by live account
	news     []int32          // live accounts of which the ledger may learn

	directories map[string]bool
	attributes  map[string]bool // declared; whether the console stores them
	keeps       keeping

	holders *identity.Index              // the live accounts, by the addresses that are left to them
	seed    maphash.Seed                 // of its hashes, and of those of owners
	held    map[int32][]identity.Address // aliases of inactive accounts
	several map[int32]bool               // live accounts that have their mark with others: whether one stands for the object
	notes   map[Cause][]string
}

// keeping says which fields the console stores.
type keeping struct{ aliases, kind, status, username, dn bool }

// sort puts the live accounts in order. What is said of them until they are
// assembled goes by that. Most differ in the beginning of their primaries, which is
// at hand.
func (m *merger) sort() {
	type key struct {
		primary [2]uint64 // its first octets
		at      int32
	}
	keys := make([]key, len(m.Live))
	for i := range keys {
		var b [16]byte
		copy(b[:], m.Live[i].Primary.String())
		keys[i] = key{[2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, int32(i)}
	}
	sortFunc(keys, func(a, b key) int {
		for n := range a.primary {
			if a.primary[n] != b.primary[n] {
				return cmp.Compare(a.primary[n], b.primary[n])
			}
		}
		return compareLive(&m.Live[a.at], &m.Live[b.at])
	})
	m.live, m.at = make([]*identity.Live, len(keys)), make([]int32, len(keys))
	for i := range keys {
		m.live[i], m.at[i] = &m.Live[keys[i].at], keys[i].at
	}
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
func (m *merger) ours(live *identity.Live) bool { return m.By != "" && live.Mark.By == m.By }

// declared reports whether a mark names an object of a declared directory.
func (m *merger) declared(mark *identity.Mark) bool {
	return m.directories[mark.Directory] && !mark.GUID.IsZero()
}

// isIt reports whether a live account is the one that a record is about, by what
// the ledger knows of it.
func (m *merger) isIt(record, i int32) bool {
	ref := m.Placed[m.Ledger[record].Primary].Ref
	return ref != "" && m.live[i].Ref == ref && (!m.Facts.Unstable || m.live[i].Primary == m.Ledger[record].Primary)
}

func (m *merger) match(record, i int32) { m.liveOf[record], m.ledgerOf[i] = i, record }

// matchMarks matches accounts by the owners that they are marked with. It returns
// those that have one mark and are not what the ledger has under it.
func (m *merger) matchMarks() (groups [][]int32) {
	m.several = map[int32]bool{}
	if !slices.ContainsFunc(m.live, m.ours) {
		return nil
	}
	records := identity.NewIndex(len(m.Ledger))
	for n := range m.Ledger {
		if a := &m.Ledger[n]; !a.Local() {
			records.Add(m.hashGUID(a.GUID), n)
		}
	}
	recordOf := func(mark owner) (int32, bool) {
		n := records.Find(m.hashGUID(mark.guid), func(n int) bool { return ownerOf(&m.Ledger[n]) == mark })
		return int32(n), n >= 0
	}
	first, others := map[owner]int32{}, map[owner][]int32{}
	for n, live := range m.live {
		if !m.ours(live) {
			continue
		}
		i, mark := int32(n), owner{live.Mark.Directory, live.Mark.GUID}
		record, recorded := recordOf(mark)
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
		if record, recorded := recordOf(mark); recorded {
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

func (m *merger) hashGUID(g identity.GUID) uint32 { return uint32(maphash.Bytes(m.seed, g[:])) }

// settleMarks lets one of several accounts with one mark stand for the object, so
// that it gets no other account: the first that the ledger does not have for another.
func (m *merger) settleMarks(groups [][]int32) {
	for _, group := range groups {
		for _, i := range group {
			if n := m.ledgerOf[i]; n == none || ownerOf(&m.Ledger[n]) == (owner{m.live[i].Mark.Directory, m.live[i].Mark.GUID}) {
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
	for n, live := range m.live {
		i := int32(n)
		if m.ledgerOf[i] != none || live.Ref == "" {
			continue
		}
		if record, found := records[live.Ref]; found && m.liveOf[record] == none && m.isIt(record, i) {
			m.match(record, i)
		}
	}
}

// matchPrimaries matches what is left by primary. Both lists are in its order.
func (m *merger) matchPrimaries() {
	next := 0
	for n := range m.Ledger {
		a := &m.Ledger[n]
		for next < len(m.live) && m.live[next].Primary.Compare(a.Primary) < 0 {
			next++
		}
		if m.liveOf[n] != none || a.Local() || !a.Active() {
			continue
		}
		if placed := m.Placed[a.Primary]; placed.Undecided || placed.Ref != "" && !m.Facts.Unstable {
			continue
		}
		for i := next; i < len(m.live) && m.live[i].Primary == a.Primary; i++ {
			if m.ledgerOf[i] == none && !(m.Facts.Marks && m.live[i].Mark.IsZero()) {
				m.match(int32(n), int32(i))
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
		for n, live := range m.live {
			i := int32(n)
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
	n := len(m.live)
	m.out.Accounts, m.out.Origins = make([]identity.Account, n), make([]Origin, n)
	for i := range m.live {
		m.makeOne(int32(i))
	}
}

func (m *merger) makeOne(i int32) {
	live, a, origin := m.live[i], &m.out.Accounts[i], &m.out.Origins[i]
	*a, *origin = live.Account, Origin{Live: m.at[i]}
	a.Directory, a.GUID = "", identity.GUID{}
	m.sortAliases(a)
	var record *identity.Account
	var placed identity.Placed
	if n := m.ledgerOf[i]; n != none {
		record = &m.Ledger[n]
		placed = m.Placed[record.Primary]
	}
	mark := &live.Mark
	isForeign := !mark.IsZero() && !(m.ours(live) && (m.declared(mark) || record != nil && ownerOf(record) == owner{mark.Directory, mark.GUID}))
	if isForeign {
		m.out.Bars[i] = Bar{Foreign: *mark}
	} else if record != nil {
		origin.Ledger = record.Primary
	}
	_, several := m.several[i]
	switch {
	case live.Odd != "":
		m.freeze(i, NotUnderstood, live.Odd)
	case a.Primary.IsZero():
		m.freeze(i, NoPrimary, "")
	case several:
		m.freeze(i, SeveralMarks, live.Mark.String())
	case placed.Undecided && mark.IsZero():
		m.freeze(i, Undecided, "")
	}
	m.settleOwner(i, record, isForeign)
	if record == nil || isForeign {
		a.Attributes = m.read(a.Attributes)
	} else {
		m.compare(i, record, placed.Found)
	}
	if !a.Local() && (record == nil || placed.Ref != live.Ref || placed.Undecided || ownerOf(record) != ownerOf(a)) {
		m.news = append(m.news, i)
	}
	if !a.Active() && len(a.Aliases) > 0 {
		m.out.Reserved[i], a.Aliases = a.Aliases, nil
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
func (m *merger) settleOwner(i int32, record *identity.Account, isForeign bool) {
	live, a := m.live[i], &m.out.Accounts[i]
	mark := owner{live.Mark.Directory, live.Mark.GUID}
	drifted := func(kind DriftKind) {
		d := Drift{Kind: kind, Primary: a.Primary, Ref: live.Ref, Found: live.Mark.String(), Directory: live.Mark.Directory}
		if record != nil {
			d.Recorded, d.Directory = identity.Mark{By: m.By, Directory: record.Directory, GUID: record.GUID}.String(), record.Directory
		}
		m.out.Drift = append(m.out.Drift, d)
	}
	stands, several := m.several[i]
	switch {
	case isForeign:
		m.out.Foreign++
		if record != nil {
			drifted(DriftForeign)
			m.out.Forget = append(m.out.Forget, record.Primary)
		} else if m.ours(live) {
			drifted(DriftUnrecorded)
		}
	case record == nil && live.Mark.IsZero():
		m.out.Local++
		if m.Facts.Exclusive {
			drifted(DriftUnrecorded)
		}
	case record == nil:
		m.out.Owned++
		drifted(DriftUnrecorded)
		if !several || stands {
			a.Directory, a.GUID = mark.directory, mark.guid
		}
	case live.Mark.IsZero() || several || ownerOf(record) == mark:
		m.out.Owned++
		a.Directory, a.GUID = record.Directory, record.GUID
		if m.Facts.Marks && live.Mark.IsZero() && !m.frozen(i) {
			m.notes[unmarked] = append(m.notes[unmarked], a.Primary.String())
		}
	default:
		m.out.Owned++
		drifted(DriftOwner)
		a.Directory, a.GUID = mark.directory, mark.guid
		m.out.recorded[i] = record
	}
}

func ownerOf(a *identity.Account) owner { return owner{a.Directory, a.GUID} }

// freeze bars a live account, for the first cause that there is.
func (m *merger) freeze(i int32, cause Cause, detail string) {
	if bar := m.out.Bars[i]; bar.Cause == "" {
		bar.Cause, bar.Detail = cause, detail
		m.out.Bars[i] = bar
	}
	name, live := detail, m.live[i]
	switch {
	case cause == SharedAddress:
	case !live.Primary.IsZero():
		name = live.Primary.String()
	case len(live.Aliases) > 0:
		name = live.Aliases[0].String()
	default:
		name = "one without an address"
	}
	m.notes[cause] = append(m.notes[cause], name)
}

func (m *merger) frozen(i int32) bool { return m.out.Bars[i].Cause != "" }

// compare gives an account that the ledger has the fields that count, and notes
// what has drifted. found is what was read back, if that was another.
func (m *merger) compare(i int32, record, found *identity.Account) {
	live, a := m.live[i], &m.out.Accounts[i]
	differs := func(field, recorded, found string) {
		if live.Odd == "" && !m.Placed[record.Primary].Undecided {
			m.out.recorded[i] = record
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
				m.out.Remembered[i] = append(m.out.Remembered[i], x)
			}
		})
	}

	if found == nil {
		found = record
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

// addressText lists addresses as drift shows them.
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
	accounts := m.out.Accounts
	n := len(accounts)
	for i := range accounts {
		n += len(accounts[i].Aliases)
	}
	m.holders = identity.NewIndex(n)
	m.held, m.out.Reserved = m.out.Reserved, map[int32][]identity.Address{}
	for _, owned := range [...]bool{true, false} {
		for i := range accounts {
			if a := &accounts[i]; a.Local() != owned && !a.Primary.IsZero() && !m.take(int32(i), a.Primary) {
				a.Primary = identity.Address{}
			}
		}
		for i := range accounts {
			if a := &accounts[i]; a.Local() != owned && m.keeps.aliases {
				a.Aliases = without(a.Aliases, func(x identity.Address) bool { return !m.take(int32(i), x) })
			}
		}
	}
	for _, i := range slices.Sorted(maps.Keys(m.held)) {
		for _, x := range m.held[i] {
			if m.take(i, x) {
				m.out.Reserved[i] = append(m.out.Reserved[i], x)
			}
		}
	}
	if m.keeps.aliases {
		return
	}
	// Aliases that the ledger alone knows yield to what the console has.
	for i := range accounts {
		accounts[i].Aliases = without(accounts[i].Aliases, m.isHeld)
	}
}

// take lets a live account have an address, if no other has it. It freezes both
// otherwise.
func (m *merger) take(i int32, x identity.Address) bool {
	h := m.holder(x, i)
	if h == none {
		m.holders.Add(m.hash(x), int(i))
		return true
	}
	m.freeze(h, SharedAddress, x.String())
	m.freeze(i, SharedAddress, x.String())
	m.out.Reserved[i] = append(m.out.Reserved[i], x)
	return false
}

func (m *merger) hash(x identity.Address) uint32 { return uint32(maphash.String(m.seed, x.String())) }

// holder returns the live account that an address was left to, but for one of them,
// or none.
func (m *merger) holder(x identity.Address, but int32) int32 {
	return int32(m.holders.Find(m.hash(x), func(n int) bool {
		a := &m.out.Accounts[n]
		return int32(n) != but && (a.Primary == x || slices.Contains(a.Aliases, x) || slices.Contains(m.held[int32(n)], x))
	}))
}

// without returns a list without what the function drops, which is the list itself
// where that is nothing.
func without(list []identity.Address, drop func(identity.Address) bool) []identity.Address {
	for n, x := range list {
		if drop(x) {
			return append(slices.Clone(list[:n]), slices.DeleteFunc(slices.Clone(list[n+1:]), drop)...)
		}
	}
	return list
}

// isHeld reports whether a live account has the address.
func (m *merger) isHeld(x identity.Address) bool { return m.holder(x, none) != none }

// makeMissing makes the accounts that the ledger alone has.
func (m *merger) makeMissing() {
	directories := map[string]*Gone{}
	for n := range m.Ledger {
		a := &m.Ledger[n]
		if a.Local() {
			continue
		}
		gone := directories[a.Directory]
		if gone == nil {
			gone = &Gone{Directory: a.Directory}
			directories[a.Directory] = gone
		}
		if m.liveOf[n] != none {
			gone.Of += boolInt(a.Active())
			continue
		}
		placed := m.Placed[a.Primary]
		gone.Of += boolInt(a.Active() && !placed.Undecided)
		switch {
		case !a.Active() && m.isHeld(a.Primary):
			m.out.Gone = append(m.out.Gone, *a)
		case !a.Active():
			m.add(*a)
		case m.Facts.Settles > 0 && m.Now.Before(placed.Applied.Add(m.Facts.Settles)):
			m.out.Bars[m.add(*a)] = Bar{Cause: NotSettled}
			m.notes[NotSettled] = append(m.notes[NotSettled], a.Primary.String())
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

// add adds an account that the ledger alone has, without what others have in the
// console, and returns its index.
func (m *merger) add(a identity.Account) int32 {
	m.out.Origins = append(m.out.Origins, Origin{none, a.Primary})
	a.Aliases = without(a.Aliases, m.isHeld)
	if m.isHeld(a.Primary) {
		a.Primary = identity.Address{}
	}
	m.out.Accounts = append(m.out.Accounts, a)
	return int32(len(m.out.Accounts) - 1)
}

// assemble puts the accounts in their order, and what is said of them.
func (m *merger) assemble() {
	out := m.out
	for _, i := range m.news {
		m.learn(i)
	}
	compare := func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) }
	if !slices.IsSortedFunc(out.Accounts, compare) {
		order := make([]int32, len(out.Accounts))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return out.Accounts[a].Primary.Compare(out.Accounts[b].Primary) })
		to := make([]int32, len(order))
		for i, from := range order {
			to[from] = int32(i)
		}
		out.Accounts, out.Origins = permuted(out.Accounts, order), permuted(out.Origins, order)
		out.Bars, out.Reserved, out.Remembered, out.recorded = moved(out.Bars, to), moved(out.Reserved, to), moved(out.Remembered, to), moved(out.recorded, to)
	}
	for _, list := range [...][]Learned{out.Learn, out.Late} {
		slices.SortFunc(list, func(x, y Learned) int {
			return cmp.Or(x.Account.Primary.Compare(y.Account.Primary), x.Was.Compare(y.Was))
		})
	}
	slices.SortFunc(out.Drift, compareDrift)
	slices.SortFunc(out.Forget, identity.Address.Compare)
	out.Notes = m.remarks()
}

// permuted returns a list in an order.
func permuted[T any](list []T, order []int32) []T {
	all := make([]T, len(order))
	for i, from := range order {
		all[i] = list[from]
	}
	return all
}

// moved returns a map by index with the indices that those have moved to.
func moved[T any](from map[int32]T, to []int32) map[int32]T {
	all := make(map[int32]T, len(from))
	for i, x := range from {
		all[to[i]] = x
	}
	return all
}

// learn notes what the ledger should have of a live account that is news to it,
// unless that is barred.
func (m *merger) learn(i int32) {
	live, a := m.live[i], &m.out.Accounts[i]
	if m.out.Bars[i] != (Bar{}) {
		return
	}
	if n := m.ledgerOf[i]; n != none {
		learned := Learned{Was: m.Ledger[n].Primary, Account: m.Ledger[n], Placed: m.Placed[m.Ledger[n].Primary]}
		learned.Account.Directory, learned.Account.GUID = a.Directory, a.GUID
		learned.Placed.Ref, learned.Placed.Undecided = live.Ref, false
		m.out.Learn = append(m.out.Learn, learned)
		return
	}
	learned := Learned{Account: *a, Placed: identity.Placed{Ref: live.Ref, Applied: identity.Moment(m.Now)}}
	n, taken := slices.BinarySearchFunc(m.Ledger, a.Primary, func(r identity.Account, x identity.Address) int { return r.Primary.Compare(x) })
	switch {
	case !taken:
		m.out.Origins[i].Ledger = a.Primary
		m.out.Learn = append(m.out.Learn, learned)
	case m.liveOf[n] != none && m.live[m.liveOf[n]].Primary != a.Primary:
		m.out.Late = append(m.out.Late, learned)
	}
}

// mostTold is how many accounts a note names.
const mostTold = 3

// unmarked are accounts that have lost their marks.
const unmarked Cause = "unmarked"

// remarks says what a person should look at.
func (m *merger) remarks() (all []string) {
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

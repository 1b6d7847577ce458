package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// addresses lists the addresses that are explained: those wanted, or else all that
// the entries list and the accounts have or get.
func (x *explainer) addresses() {
	x.facted = map[string]*AddressFacts{}
	var listed []Listing
	for _, i := range x.entries {
		listed = append(listed, x.listings(i)...)
	}
	texts := map[string]bool{}
	for text := range x.wanted {
		texts[text] = true
	}
	if x.wanted == nil {
		for _, l := range listed {
			texts[l.Address] = true
		}
		add := func(y identity.Address) { texts[y.String()] = true }
		for _, a := range x.accounts {
			x.in.Accounts[a].EachAddress(add)
		}
		for n := range x.out.Plan.Accounts {
			if c := &x.out.Plan.Accounts[n]; x.ownChange(c) {
				c.Result().EachAddress(add)
			}
		}
	}
	for text := range texts {
		x.facted[text] = &AddressFacts{Address: text, Domain: x.domainFacts(text), Guards: x.guardFacts(text)}
	}
	for _, l := range listed {
		if f := x.facted[l.Address]; f != nil {
			f.Listed = append(f.Listed, l)
		}
	}
	x.holdings()
	for _, f := range x.facted {
		// What is asked for is rewritten, unless somebody has it as it is.
		if asked := x.subject.Text; f.Address == asked && len(x.wanted) > 1 && f.Before == nil && f.After == nil && len(f.Listed) == 0 {
			continue
		}
		if f.Domain.Name != "" && len(x.wanted) > 1 && f.Address != x.subject.Text {
			f.Domain.Alias = x.subject.Text[strings.LastIndexByte(x.subject.Text, '@')+1:]
		}
		x.out.Addresses = append(x.out.Addresses, *f)
	}
	slices.SortFunc(x.out.Addresses, func(a, b AddressFacts) int { return strings.Compare(a.Address, b.Address) })
	for n := range x.out.Addresses {
		x.facted[x.out.Addresses[n].Address] = &x.out.Addresses[n]
	}
}

// listings returns the watched values of an entry.
func (x *explainer) listings(i int32) []Listing {
	in, t := x.said(i), &x.engine.entries[i]
	s := &x.engine.scopes[in.Scope]
	seen := map[Listing]bool{}
	var all []Listing
	list := func(values []string, role Role) {
		for _, value := range values {
			l := Listing{Entry: x.ref(i), Address: x.normalise(s, value).text, Value: value, Role: role}
			if !x.watches(l.Address) || seen[l] {
				continue
			}
			seen[l] = true
			if role == CandidateRole && (len(values) == 1 || t.declared != none && x.text(t.declared).String() == l.Address) {
				l.Role = DeclaredRole
			}
			all = append(all, l)
		}
	}
	list(in.Primaries, CandidateRole)
	list(in.Aliases, AliasRole)
	slices.SortFunc(all, func(a, b Listing) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), cmp.Compare(b.Role, a.Role), strings.Compare(a.Value, b.Value))
	})
	return all
}

// mostNear is how many values are shown that are nearly an address.
const mostNear = 3

// near looks for values that are the address but for what stands around it,
// such as a full stop or a bracket.
func (x *explainer) near() {
	if x.subject.Kind != AddressSubject || len(x.entries)+len(x.accounts) > 0 {
		return
	}
	for i := range x.in.Entries {
		in := x.said(int32(i))
		for _, values := range [...][]string{in.Primaries, in.Aliases} {
			for _, value := range values {
				bare := strings.Trim(value, " .,;:<>()[]\"'")
				if len(bare) < len(value) && x.wanted[strings.ToLower(bare)] {
					x.out.Near = append(x.out.Near, Listing{Entry: x.ref(int32(i)), Address: strings.ToLower(bare), Value: value})
				}
			}
		}
	}
	slices.SortFunc(x.out.Near, func(a, b Listing) int {
		return cmp.Or(strings.Compare(a.Entry.Directory, b.Entry.Directory), strings.Compare(a.Entry.DN, b.Entry.DN), strings.Compare(a.Value, b.Value))
	})
	x.out.Near = x.out.Near[:min(len(x.out.Near), mostNear)]
}

func (x *explainer) domainFacts(address string) DomainFacts {
	name := address[strings.LastIndexByte(address, '@')+1:]
	index := x.domains.index(name)
	if index == none || !strings.Contains(address, "@") {
		return DomainFacts{Name: name}
	}
	d := &x.in.Rules.Domains[index]
	f := DomainFacts{Name: d.Name, Declared: true, Public: d.Public, Ignored: d.Ignore, AliasFor: d.AliasFor}
	if d.Name != name && !d.Ignore {
		f.Alias = name
	}
	for n := range x.engine.scopes {
		if s := &x.engine.scopes[n]; d.Public || s.domains[index] {
			f.Scopes = append(f.Scopes, s.Name)
		}
	}
	return f
}

func (x *explainer) guardFacts(address string) (facts []GuardFacts) {
	for _, kind := range [...]struct {
		guards []Guard
		hold   bool
	}{{x.in.Rules.Protected, false}, {x.in.Rules.Holds, true}} {
		for n := range kind.guards {
			g := &kind.guards[n]
			if slices.ContainsFunc(g.Addresses, func(y identity.Address) bool { return y.String() == address }) {
				facts = append(facts, GuardFacts{g, kind.hold, g.Over(x.in.Now)})
			}
		}
	}
	return facts
}

// holdings finds who has the addresses before and after.
func (x *explainer) holdings() {
	each := func(a *identity.Account, f func(*AddressFacts, *Holding)) {
		a.EachAddress(func(y identity.Address) {
			if facts := x.facted[y.String()]; facts != nil {
				f(facts, &Holding{a, a.Primary == y, x.foreignOwner(a)})
			}
		})
	}
	for n := range x.in.Accounts {
		each(&x.in.Accounts[n], func(f *AddressFacts, h *Holding) { f.Before, f.After = h, h })
	}
	changes := x.out.Plan.Accounts
	for n := range changes {
		if !changes[n].Gone {
			each(changes[n].Before, func(f *AddressFacts, _ *Holding) { f.After = nil })
		}
	}
	for n := range changes {
		c := &changes[n]
		each(c.Result(), func(f *AddressFacts, h *Holding) {
			f.After, f.Withheld = h, c.Withheld
			f.Moved = f.Before != nil && f.Before.Account != c.Before
		})
	}
}

// ownChange reports whether an account change is of an account or entry that
// concerns the subject.
func (x *explainer) ownChange(c *AccountChange) bool {
	if c.Before == nil {
		return x.newEntry(c.After) != none
	}
	if x.own == nil {
		x.own = map[*identity.Account]bool{}
		for _, a := range x.accounts {
			x.own[&x.in.Accounts[a]] = true
		}
	}
	return x.own[c.Before]
}

// newEntry returns the entry that an account that is new would be of, or none.
func (x *explainer) newEntry(after *identity.Account) int32 {
	if x.newcomers == nil {
		x.newcomers = map[owner]int32{}
		for _, i := range slices.Backward(x.entries) { // the first of several stands
			t, in := &x.engine.entries[i], x.said(i)
			if t.account == none && t.flags&(dropped|stuck) == 0 && t.whole == noReason {
				x.newcomers[owner{x.engine.scopes[in.Scope].Directory, in.GUID}] = i
			}
		}
	}
	if i, found := x.newcomers[owner{after.Directory, after.GUID}]; found {
		return i
	}
	return none
}

// facts collects what becomes of the entries and accounts.
func (x *explainer) facts() {
	changed := map[*identity.Account]*AccountChange{}
	var created []*AccountChange
	for n := range x.out.Plan.Accounts {
		switch c := &x.out.Plan.Accounts[n]; {
		case c.Before != nil:
			changed[c.Before] = c
		case x.ownChange(c):
			created = append(created, c)
		}
	}
	for _, a := range x.accounts {
		x.out.Accounts = append(x.out.Accounts, x.accountFacts(a, changed[&x.in.Accounts[a]]))
	}
	for _, c := range created {
		x.out.Accounts = append(x.out.Accounts, AccountFacts{After: c.After, Entry: x.ref(x.newEntry(c.After))})
	}
	// Of an address, the accounts that have it after count, too: one that its
	// entry does not list can get none.
	slices.SortStableFunc(x.out.Accounts, func(a, b AccountFacts) int { return a.subject().Primary.Compare(b.subject().Primary) })
	x.out.holders = map[*identity.Account]*AccountFacts{}
	for n := range x.out.Accounts {
		f := &x.out.Accounts[n]
		x.out.holders[f.Before], x.out.holders[f.After] = f, f
	}
	delete(x.out.holders, nil)
	x.owned = map[owner]int32{}
	for _, i := range slices.Backward(x.entries) { // the first of several stands
		in := x.said(i)
		x.owned[owner{x.engine.scopes[in.Scope].Directory, in.GUID}] = i
	}
	for _, i := range x.entries {
		x.out.Entries = append(x.out.Entries, x.entryFacts(i))
	}
}

func (x *explainer) accountFacts(a int32, c *AccountChange) AccountFacts {
	t, before := &x.engine.accounts[a], &x.in.Accounts[a]
	f := AccountFacts{Before: before, After: before, Frozen: t.is(frozen)}
	if f.Frozen {
		f.by = x.frozenBy(a)
	}
	if t.hold != none {
		hold := &x.in.Rules.Holds[t.hold]
		f.Hold, f.hold = hold.Label, &GuardFacts{hold, true, false}
	}
	if t.is(barred) {
		bar := x.in.Merged.Bars[a]
		f.Remedy, f.bar = bar.Cause.advice(), &Rejection{Cause: bar.Cause, Detail: bar.Detail}
	}
	switch {
	case x.bound(a):
		f.Entry = x.ref(t.entry)
	case t.is(foreign):
		f.Standing, f.Owner = Foreign, x.foreignOwner(before)
	case x.local(a):
		f.Standing = Local
	case x.unread(a):
		f.Standing = Unread
	default:
		f.Standing, f.lost = Orphan, x.departure(a)
	}
	if c != nil {
		f.After, f.Withheld = c.Result(), c.Withheld
	}
	return f
}

func (x *explainer) entryFacts(i int32) EntryFacts {
	t := &x.engine.entries[i]
	f := EntryFacts{
		Ref: x.ref(i), Entry: x.said(i), Whole: t.whole, Stuck: t.stuck(), Unsupported: t.stuck() && x.obstacleOf(i).cause != "",
		Merged: t.flags&dropped != 0, Empty: t.flags&empty != 0,
	}
	if t.account != none {
		f.Account, f.account = x.in.Accounts[t.account].Primary.String(), x.out.holders[&x.in.Accounts[t.account]]
	}
	if t.primary != none {
		f.Primary = x.claimText(t.primary)
	}
	f.other, f.guard = x.wholeParty(i)
	if t.whole == LegalHold && t.other != none {
		if h := x.engine.accounts[t.other].hold; h != none {
			f.guard = x.in.Rules.Holds[h].Label
		}
	}
	return f
}

// foreignOwner returns the configuration that an account belongs to, if it is another
// one, "" otherwise.
func (x *explainer) foreignOwner(a *identity.Account) string {
	if x.owners == nil {
		x.owners = map[*identity.Account]string{}
		for n := range x.engine.accounts {
			if x.engine.accounts[n].is(foreign) {
				x.owners[&x.in.Accounts[n]] = x.accountParty(int32(n)).Owner
			}
		}
	}
	return x.owners[a]
}

// subject is the account before, or after where there was none.
func (f *AccountFacts) subject() *identity.Account {
	if f.Before != nil {
		return f.Before
	}
	return f.After
}

// rows picks the rows of the plan that concern the subject.
func (x *explainer) rows() {
	p := x.out.Plan
	own := func(c *Change) bool {
		account := cmp.Or(c.Before, c.After)
		return x.facted[c.Address.String()] != nil || (x.wanted == nil || c.Category.ofAccount()) && x.out.holders[account] != nil
	}
	for n := range p.Changes {
		c := &p.Changes[n]
		if own(c) {
			x.out.Changes = append(x.out.Changes, c)
		}
	}
	x.out.rejections, x.out.protectors = map[string][]*Rejection{}, map[string]string{}
	for n := range p.Rejections {
		r := &p.Rejections[n]
		if r.Wanted != "" {
			x.out.protectors[r.Address] = r.Guard
		}
		f := x.facted[r.Address]
		if f != nil {
			f.Rejected++
		}
		if f != nil || x.concerns(r) {
			x.out.Rejections = append(x.out.Rejections, r)
			x.out.rejections[r.Address] = append(x.out.rejections[r.Address], r)
		}
	}
}

// drift picks what was changed in the console by hand of the accounts that concern the
// subject, and of those that the console has lost.
func (x *explainer) drift() {
	m := x.in.Merged
	if m == nil || len(m.Drift) == 0 {
		return
	}
	concerned := map[identity.Address]bool{}
	for n := range x.out.Accounts {
		for _, a := range [...]*identity.Account{x.out.Accounts[n].Before, x.out.Accounts[n].After} {
			if a != nil && !a.Primary.IsZero() {
				concerned[a.Primary] = true
			}
		}
	}
	named := x.names()
	for n := range m.Gone {
		a := &m.Gone[n]
		if _, owned := x.owned[ownerOf(a)]; owned || named.account(a) {
			concerned[a.Primary] = true
		}
	}
	for _, d := range m.Drift {
		if concerned[d.Primary] {
			x.out.Drift = append(x.out.Drift, d)
		}
	}
}

// ofAccount reports whether rows of the category say what becomes of an
// account, and not of an address.
func (c Category) ofAccount() bool {
	switch c {
	case PrimaryChange, DirectorySwitch, TypeChange, UsernameChange, Adoption, GUIDChange, Reactivation, AttributeChange:
		return true
	}
	return false
}

// concerns reports whether a rejection is of an entry or account that concerns
// the subject; of an address, whether it is of the address, or keeps an entry
// that lists it where it is.
func (x *explainer) concerns(r *Rejection) bool {
	if x.wanted[r.Address] {
		return true
	}
	if x.refs == nil {
		x.refs = map[EntryRef][]int32{}
		for _, i := range x.entries {
			x.refs[x.ref(i)] = append(x.refs[x.ref(i)], i)
		}
		x.primaries = map[string]int32{}
		for _, a := range x.accounts {
			x.primaries[x.in.Accounts[a].Primary.String()] = a
		}
	}
	for _, i := range x.refs[r.entry()] {
		t := &x.engine.entries[i]
		if x.wanted == nil || (t.whole != noReason || t.stuck()) && t.primary != none && x.claimText(t.primary) == r.Address {
			return true
		}
	}
	a, found := x.primaries[r.Primary]
	if !found || x.wanted != nil || r.Scope != "" {
		return false
	}
	account := &x.in.Accounts[a]
	return account.Directory == r.Directory && account.GUID == r.GUID
}

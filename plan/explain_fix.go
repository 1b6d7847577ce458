package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Fix is one thing to do, and what the plan would be then.
type Fix struct {
	Kind FixKind
	// Reason is the rejection that it ends; none for those that commit changes.
	Reason  Reason
	Address string
	// Listing is the value to remove, and Listings are all by which the object
	// lists the address, in whatever scope and domain: they go together.
	Listing  Listing
	Listings []Listing
	// Wanted is the primary that the entry has in place of the one to restore.
	Wanted string
	// New is an address that nobody has or lists, to take the place of Address.
	New string
	// Primary is the primary that the entry has once the value is removed, ""
	// for none.
	Primary string
	// Account and GUID are those of a rebind.
	Account, GUID string
	// Directory is the one to read.
	Directory string
	// Only are the addresses that a commit selects, With the primaries of the other
	// accounts that it changes, and Lift is what it needs to be allowed, by brake.
	Only, With []string
	Lift       [Brakes]int
	// After are the addresses that have another place afterwards: for RemoveValue
	// than under the plan as it is, for a commit than before, of those that go.
	After []Moved

	yielding bool     // the entry that has the address gives it up
	rejected EntryRef // the entry that the rejection is of
	vain     bool     // it would not be served
	only     bool     // the object has no other valid address, as far as is known
}

// Moved is an address that has another place after a fix.
type Moved struct {
	Address string
	// After is nil where nobody has it then.
	After *Holding
	// Lost is set if it receives mail now or under the plan as it is, and no
	// longer then, or only because a limit withholds that.
	Lost bool

	entry EntryRef // of the account that has it then, if it is of the subject's
}

// FixKind is what to do. Its text is a stable code.
type FixKind string

// The kinds of fixes.
const (
	OtherValue  FixKind = "other_address" // give an entry another address in its place
	RemoveValue FixKind = "remove_value"  // take the address from an entry
	RestoreIt   FixKind = "add_value"     // give a protected address back to an entry
	MakePrimary FixKind = "make_primary"  // of an entry that has it as an alias, or no longer
	Rebind      FixKind = "rebind"        // rollcall state rebind
	ReadIt      FixKind = "read"          // explain once more with a directory that was not read
	ApplyIt     FixKind = "apply"         // commit the pending changes of an address
	AllowIt     FixKind = "allow"         // the same past the limit
)

// mostFixes is how many fixes are worked out, for each is another plan.
const mostFixes = 4

// fix lists what to do about the rejections, and about what is pending.
func (x *explainer) fix() error {
	for _, r := range x.out.Rejections {
		if fix := reasons[r.Reason].fix; fix != nil {
			fix(x, r)
		}
	}
	// What an entry no longer lists can be given back to it.
	for n := range x.out.Addresses {
		f := &x.out.Addresses[n]
		a := x.out.accountOf(f.Before)
		if f.After.Active() || a == nil || a.Standing != Bound || !f.Before.Active() || len(x.out.rejections[f.Address]) > 0 {
			continue
		}
		if _, found := x.listedBy(f, a.Entry); !found {
			x.addFix(Fix{Kind: RestoreIt, Address: f.Address, Listing: Listing{Entry: a.Entry, Address: f.Address}})
		}
	}
	// Of what is pending, the row of an address that is explained comes first, and
	// then that of its account. What a limit withholds is another commit.
	for _, withheld := range [...]bool{false, true} {
		found, pending := false, ""
		for _, c := range x.out.Changes {
			own := x.facted[c.Address.String()] != nil
			if c.Withheld == withheld && (pending == "" || own && !found) {
				pending, found = c.Address.String(), own
			}
		}
		if pending != "" {
			x.addFix(Fix{Kind: ApplyIt, Address: pending})
		}
	}
	for n := range x.out.Fixes {
		var err error
		switch f := &x.out.Fixes[n]; f.Kind {
		case RemoveValue, OtherValue:
			err = x.workOut(f, nil)
		case ApplyIt:
			err = x.commit(f)
		}
		if err != nil {
			return err
		}
	}
	// An object may have another address that the plan does not know: see Declaring.
	x.out.Fixes = slices.DeleteFunc(x.out.Fixes, func(f Fix) bool { return f.Vain() && !f.only })
	x.out.again = x.workOut
	return nil
}

// take proposes to take the address from the entry of a rejection.
func (x *explainer) take(r *Rejection) {
	if r.Routing() == "" { // mail flows through such an address
		x.remove(r, r.entry(), false)
	}
}

// share proposes what ends a quarrel. A newcomer is commonly given another address. Who
// is there already keeps theirs, and comes last.
func (x *explainer) share(r *Rejection) {
	x.instead(r)
	x.remove(r, r.entry(), false)
	if incumbent, found := x.incumbent(r.Address); found && incumbent != r.entry() {
		x.remove(r, incumbent, true)
	}
}

// restore proposes to give a protected address back to the entry that had it.
func (x *explainer) restore(r *Rejection) {
	f := Fix{Kind: RestoreIt, Reason: r.Reason, Address: r.Address, Listing: Listing{Entry: r.entry(), Address: r.Address}, Wanted: r.Wanted}
	if r.Wanted != "" {
		f.Kind = MakePrimary
	}
	switch r.Other.Kind {
	case EntryParty:
		x.addFix(f)
	case AccountParty: // whose protected primary the entry lists
		x.remove(r, r.entry(), false)
	}
}

// rebind proposes to give an account the GUID of the entry that declares its primary.
func (x *explainer) rebind(r *Rejection) {
	if r.Other.Kind == AccountParty && !r.GUID.IsZero() {
		x.addFix(Fix{Kind: Rebind, Reason: r.Reason, Address: r.Address, Account: r.Other.Name, GUID: r.GUID.String()})
	}
}

// Vain reports whether an object would give up its only address, or one that it
// has for nobody, or the rejection would only give way to another.
func (f *Fix) Vain() bool { return f.only || f.vain || f.yielding && f.Loses() }

// instead proposes another address for the entry of a rejection that wants it as
// its primary, or has no other.
func (x *explainer) instead(r *Rejection) {
	f := x.facted[r.Address]
	if f == nil || x.unreadHolder(r, f.Before) != "" {
		return
	}
	n, found := x.listedBy(f, r.entry())
	if !found || f.Listed[n].Role == AliasRole && !x.only(r.entry(), r.Address) {
		return
	}
	kept := x.propose(f, Fix{Kind: OtherValue, Reason: r.Reason, Address: r.Address, Listing: f.Listed[n], rejected: r.entry()})
	if kept == nil {
		return
	}
	if kept.New = x.free(r.Address, identity.LeafValue(r.DN)); kept.New == "" {
		x.out.Fixes = x.out.Fixes[:len(x.out.Fixes)-1]
	}
}

// propose adds a fix of an object's values, all of them, and returns it if it is to
// be worked out.
func (x *explainer) propose(f *AddressFacts, fix Fix) *Fix {
	if !x.addFix(fix) {
		return nil
	}
	kept := &x.out.Fixes[len(x.out.Fixes)-1]
	for _, l := range f.Listed {
		if l.Entry.sameObject(fix.Listing.Entry) {
			kept.Listings = append(kept.Listings, l)
		}
	}
	return kept
}

// only reports whether an address is the only one of an object that could be its
// primary, whoever has it: without it, the object would be nobody.
func (x *explainer) only(e EntryRef, address string) bool {
	if x.objects == nil {
		x.objects = map[EntryRef][]int32{}
		for _, i := range x.entries {
			o := x.ref(i).object()
			x.objects[o] = append(x.objects[o], i)
		}
	}
	listed := false
	for _, i := range x.objects[e.object()] {
		t := &x.engine.entries[i]
		for c := t.first; c < t.end; c++ {
			switch cl := &x.claims[c]; {
			case x.claimText(c) == address:
				listed = true
			case !cl.public:
				return false
			}
		}
	}
	return listed
}

// mostTried bounds the numbers that are tried behind a name.
const mostTried = 1000

// free returns an address in the domain of one that is taken, which no account has, no
// entry lists and no block guards: of the name of a person, or else like the one that is
// taken, with a number behind the name; "" for none.
func (x *explainer) free(taken, name string) string {
	if x.taken == nil {
		x.taken = map[string]bool{}
		for i := range x.in.Accounts {
			x.in.Accounts[i].EachAddress(func(y identity.Address) { x.taken[y.String()] = true })
		}
		for id := range x.newText {
			x.taken[x.newText[id].String()] = true
		}
		for n := range x.rejected {
			x.taken[x.rejected[n].text] = true
		}
		for _, guards := range [...][]Guard{x.in.Rules.Protected, x.in.Rules.Holds} {
			for n := range guards {
				for _, y := range guards[n].Addresses {
					x.taken[y.String()] = true
				}
			}
		}
	}
	at := strings.LastIndexByte(taken, '@')
	for n := 1; at > 0 && n < mostTried; n++ {
		text := taken[:at] + strconv.Itoa(n) + taken[at:]
		if n == 1 {
			text = personal(name) + taken[at:]
		}
		if _, err := identity.ParseAddress(text); err == nil && !x.taken[text] {
			x.taken[text] = true // proposed once
			return text
		}
	}
	return ""
}

// personal is what is before the @ in the address of a person of a name, such as
// "ann.smith"; "" where the name says no such thing.
func personal(name string) string {
	words := strings.Fields(strings.ToLower(name))
	if len(words) != 2 || strings.Trim(words[0]+words[1], "abcdefghijklmnopqrstuvwxyz-") != "" {
		return ""
	}
	return words[0] + "." + words[1]
}

// routing are domains below which clouds give every mailbox an address that only
// they use, to route mail: of Microsoft 365, its national clouds, and Google.
var routing = []string{"onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.de", "onmschina.cn", "test-google-a.com", "gappssmtp.com"}

// Routing returns what to declare with ignore = true if the address is in a domain
// that only routes mail, such as *.onmicrosoft.com; "" if it is in another one.
func (r *Rejection) Routing() string {
	for _, domain := range routing {
		if r.Reason == UnknownDomain && strings.HasSuffix(r.Address, "."+domain) {
			return "*." + domain
		}
	}
	return ""
}

// incumbent returns the entry of the account that has an address.
func (x *explainer) incumbent(address string) (e EntryRef, found bool) {
	f := x.facted[address]
	if f == nil || f.Before == nil {
		return e, false
	}
	holder := x.out.holders[f.Before.Account]
	if holder == nil || holder.Standing != Bound {
		return e, false
	}
	return holder.Entry, true
}

// remove proposes to take the address of a rejection from an entry; yielding
// says that it is the one that has it. Where whoever has it was not looked at,
// because its directory was not read, it is unknown what that comes to.
func (x *explainer) remove(r *Rejection, from EntryRef, yielding bool) {
	f := x.facted[r.Address]
	if f == nil {
		return
	}
	if unread := x.unreadHolder(r, f.Before); unread != "" {
		x.addFix(Fix{Kind: ReadIt, Reason: r.Reason, Address: r.Address, Directory: unread})
		return
	}
	if n, found := x.listedBy(f, from); found {
		x.propose(f, Fix{
			Kind: RemoveValue, Reason: r.Reason, Address: r.Address, Listing: f.Listed[n], yielding: yielding, rejected: r.entry(), only: x.only(from, r.Address),
		})
	}
}

// listedBy returns the first value by which an entry lists an address.
func (x *explainer) listedBy(f *AddressFacts, e EntryRef) (n int, found bool) {
	if x.listed[f] == nil {
		first := map[EntryRef]int{}
		for n := range slices.Backward(f.Listed) {
			first[f.Listed[n].Entry] = n
		}
		x.listed[f] = first
	}
	n, found = x.listed[f][e]
	return n, found
}

// object names the object of an entry, whatever scope makes it.
func (e EntryRef) object() EntryRef { return EntryRef{Directory: e.Directory, DN: e.DN, GUID: e.GUID} }

// sameObject reports whether two scopes make the entries of one object.
func (e EntryRef) sameObject(other EntryRef) bool { return e.object() == other.object() }

// unreadHolder returns the directory of the account that has a rejected address,
// or else of the one that stands in the way, if it was not read; "" otherwise.
func (x *explainer) unreadHolder(r *Rejection, h *Holding) string {
	var names []string
	if h != nil {
		names = append(names, h.Account.Directory)
	}
	if r.Other.Kind == AccountParty && r.Other.Owner == "" {
		names = append(names, r.Other.Directory)
	}
	for _, name := range names {
		if slices.ContainsFunc(x.dirInfo, func(d dirInfo) bool { return d.name == name && d.unread() }) {
			return name
		}
	}
	return ""
}

// fixKey is in what fixes differ.
type fixKey struct {
	kind                        FixKind
	address, account, directory string
	entry                       EntryRef
}

// addFix proposes a fix once, and reports whether it is to be worked out.
func (x *explainer) addFix(f Fix) bool {
	key := fixKey{f.Kind, f.Address, f.Account, f.Directory, f.Listing.Entry}
	if x.proposed[key] {
		return false
	}
	x.proposed[key] = true
	if len(x.out.Fixes) == mostFixes {
		x.out.MoreFixes++
		return false
	}
	x.out.Fixes = append(x.out.Fixes, f)
	return true
}

// Declaring works a removal out once more for an entry that has these values in
// its primary attribute, which is read once no value with "SMTP:" is left.
func (x *Explanation) Declaring(f *Fix, values []string) error { return x.again(f, values) }

// workOut plans once more, without the value, and notes which addresses have
// another place then. declared are what the entry declares in its place.
func (x *explainer) workOut(f *Fix, declared []string) error {
	if x.without == nil {
		x.without = slices.Clone(x.in.Entries)
	}
	in := x.in
	in.Entries = x.without
	i := int32(none)
	var changed []int
	for n := range in.Entries {
		e := &in.Entries[n]
		if e.DN != f.Listing.Entry.DN || !x.ref(int32(n)).sameObject(f.Listing.Entry) {
			continue
		}
		changed = append(changed, n)
		if i == none || x.engine.entries[n].flags&dropped == 0 {
			i = int32(n)
		}
		s := &x.engine.scopes[e.Scope]
		for _, values := range [...]*[]string{&e.Primaries, &e.Mail, &e.Aliases} {
			*values = x.replaced(s, *values, f)
		}
		if s.Name == f.Listing.Entry.Scope && len(e.Primaries) == 0 {
			e.Primaries = slices.Clone(declared)
		}
	}
	p, err := Compute(in)
	for _, n := range changed {
		x.without[n] = x.in.Entries[n]
	}
	if err != nil {
		return err
	}
	f.After, f.Primary = x.compare(p), x.primaryOf(i, p)
	f.vain = x.spoiled(f, p)
	f.only = f.only && (len(declared) == 0 || f.Primary == "")
	return nil
}

// replaced returns values without the address of a fix, or with the new one in its
// place.
func (x *explainer) replaced(s *scope, values []string, f *Fix) (all []string) {
	for _, value := range values {
		if x.normalise(s, value).text != f.Address {
			all = append(all, value)
		} else if f.New != "" && !slices.Contains(all, f.New) {
			all = append(all, f.New)
		}
	}
	return all
}

// spoiled reports whether the entry of a rejection is not served by a fix of it:
// it does not get what another one gives up, or the new address. Nor may any entry
// stand then before an account whose own entry is gone.
func (x *explainer) spoiled(f *Fix, p *Plan) bool {
	before := map[EntryRef]bool{}
	for n := range x.out.Plan.Rejections {
		if r := &x.out.Plan.Rejections[n]; r.Reason == GUIDChanged {
			before[r.entry()] = true
		}
	}
	return slices.ContainsFunc(p.Rejections, func(r Rejection) bool {
		return r.Reason == GUIDChanged && !before[r.entry()] ||
			r.entry() == f.rejected && (f.yielding && r.Address == f.Address || f.New != "" && r.Address == f.New)
	})
}

// primaryOf returns the primary of the active account of an entry's GUID under a
// plan, "" for none.
func (x *explainer) primaryOf(i int32, p *Plan) string {
	directory, guid := x.dirInfo[x.entryDir(i)].name, x.said(i).GUID
	own := func(a *identity.Account) bool {
		return a != nil && a.Active() && a.GUID == guid && a.Directory == directory
	}
	a := x.engine.entries[i].account
	for n := range p.Accounts {
		c := &p.Accounts[n]
		if r := c.Result(); own(r) {
			return r.Primary.String()
		}
		if a != none && c.Before == &x.in.Accounts[a] {
			a = none
		}
	}
	if a != none && own(&x.in.Accounts[a]) {
		return x.in.Accounts[a].Primary.String()
	}
	return ""
}

// compare returns the addresses that have another place under another plan for
// the same accounts, in order.
func (x *explainer) compare(p *Plan) (all []Moved) {
	type key struct {
		before *identity.Account
		owner  owner // of one that is new
	}
	changes := map[key][2]*AccountChange{} // now and then
	for side, accounts := range [...][]AccountChange{x.out.Plan.Accounts, p.Accounts} {
		for n := range accounts {
			c := &accounts[n]
			k := key{before: c.Before}
			if c.Before == nil {
				k.owner = ownerOf(c.After)
			}
			both := changes[k]
			both[side] = c
			changes[k] = both
		}
	}
	type place struct {
		before *Holding
		at     [2]*Holding
		held   [2]bool // by a limit
	}
	places := map[identity.Address]*place{}
	each := func(a *identity.Account, f func(*place, *Holding)) {
		a.EachAddress(func(y identity.Address) {
			if places[y] == nil {
				places[y] = &place{}
			}
			f(places[y], &Holding{a, a.Primary == y, x.foreignOwner(a)})
		})
	}
	for k, both := range changes {
		results, withheld := [2]*identity.Account{k.before, k.before}, [2]bool{}
		for side, c := range both {
			if c != nil {
				results[side], withheld[side] = c.Result(), c.Withheld
			}
		}
		if withheld[0] == withheld[1] && sameResult(results[0], results[1]) {
			continue
		}
		each(k.before, func(p *place, h *Holding) { p.before = h })
		for side := range results {
			each(results[side], func(p *place, h *Holding) { p.at[side], p.held[side] = h, withheld[side] })
		}
	}
	for y, p := range places {
		now, then := p.at[0], p.at[1]
		lost := p.held[1] && !p.held[0] && now.Active() || !then.Active() && (p.before.Active() || now.Active())
		if sameHolding(now, then) && !(p.held[1] && lost) {
			continue
		}
		m := Moved{Address: y.String(), After: then, Lost: lost}
		if then != nil {
			if i, found := x.owned[ownerOf(then.Account)]; found {
				m.entry = x.ref(i)
			}
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Moved) int { return strings.Compare(a.Address, b.Address) })
	return all
}

// sameResult reports whether two accounts have the same addresses in the same
// places.
func sameResult(a, b *identity.Account) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Primary == b.Primary && a.Status == b.Status && a.Directory == b.Directory && a.GUID == b.GUID && slices.Equal(a.Aliases, b.Aliases)
}

// sameHolding reports whether an address has the same place.
func sameHolding(a, b *Holding) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Primary == b.Primary && a.Active() == b.Active() && a.Account.Directory == b.Account.Directory && a.Account.GUID == b.Account.GUID &&
		(a.Account.Primary == b.Account.Primary || !a.Account.Local())
}

// commit selects the changes of an address, past the limits if they withhold
// them, and notes which accounts change with it, and what goes.
func (x *explainer) commit(f *Fix) error {
	address, err := identity.ParseAddress(f.Address)
	if err != nil {
		return err
	}
	f.Only = []string{f.Address}
	made, allowances := x.selecting(f.Only)
	if !slices.ContainsFunc(made, func(c AccountChange) bool { return holds(&c, address) }) {
		// Some rows of its group do not name it: others must be selected with it.
		s := x.newSelecting(x.out.Plan.Accounts)
		own := slices.IndexFunc(s.changes, func(c AccountChange) bool { return holds(&c, address) })
		for n := range s.changes {
			if c := &s.changes[n]; s.group(int32(n)) == s.group(int32(own)) && !holds(c, address) {
				f.Only = append(f.Only, subject(c).Primary.String())
			}
		}
		slices.Sort(f.Only[1:])
		made, allowances = x.selecting(f.Only)
	}
	f.Lift = Tripped(allowances)
	// Whose commit is it? That of who has the address in the end, or else had it.
	own := slices.IndexFunc(made, func(c AccountChange) bool { return c.After != nil && c.After.Holds(address) })
	if own < 0 {
		own = slices.IndexFunc(made, func(c AccountChange) bool { return holds(&c, address) })
	}
	served := map[identity.Address]bool{}
	for n := range made {
		c := &made[n]
		if c.Withheld {
			f.Kind = AllowIt
		}
		if n != own {
			f.With = append(f.With, subject(c).Primary.String())
		}
		if c.After != nil && c.After.Active() {
			c.After.EachAddress(func(y identity.Address) { served[y] = true })
		}
	}
	for n := range made {
		if c := &made[n]; c.Before != nil && c.Before.Active() && !c.Gone {
			c.Before.EachAddress(func(y identity.Address) {
				if !served[y] {
					f.After = append(f.After, Moved{Address: y.String(), Lost: true})
				}
			})
		}
	}
	slices.Sort(f.With)
	slices.SortFunc(f.After, func(a, b Moved) int { return strings.Compare(a.Address, b.Address) })
	return nil
}

// selecting returns the account changes that are made if these addresses alone
// are selected, and what directories lose by them.
func (x *explainer) selecting(addresses []string) ([]AccountChange, []Allowance) {
	e := *x.engine
	e.in.Selection = Selection{}
	for b := range e.in.Rules.Limits {
		e.in.Rules.Limits[b].Allowed = 0
	}
	for _, text := range addresses {
		e.in.Selection.Only = append(e.in.Selection.Only, Selector{kind: byAddress, address: identity.MustAddress(text)})
	}
	changes := slices.Clone(x.out.Plan.Accounts)
	for n := range changes {
		changes[n].Withheld, changes[n].Kept = false, nil
	}
	made, _, _ := e.selected(changes)
	return made, e.withhold(made, e.countsFor)
}

// holds reports whether an account has an address before or after its change.
func holds(c *AccountChange, y identity.Address) bool {
	return c.Before != nil && c.Before.Holds(y) || c.After != nil && c.After.Holds(y)
}

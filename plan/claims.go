package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// listed is one value of an entry after parsing.
type listed struct {
	address identity.Address // normalised; zero if malformed
	text    string           // what a row shows
	reason  Reason           // AliasMalformed, UnknownDomain or none
	public  bool
	ignored bool // in an ignored domain: nobody listed it
}

// normalise parses a value and rewrites its domain for the entry's scope.
func (e *engine) normalise(s *scope, value string) listed {
	a, err := identity.ParseAddress(value)
	if err != nil {
		return listed{text: strings.ToLower(value), reason: AliasMalformed}
	}
	name := a.Domain()
	n := e.domains.index(name)
	if n == none {
		return listed{address: a, text: a.String(), reason: UnknownDomain}
	}
	d := &e.in.Rules.Domains[n]
	if d.Ignore {
		return listed{address: a, text: a.String(), ignored: true}
	}
	if d.Name != name {
		a = a.WithDomain(d.Name)
	}
	l := listed{address: a, text: a.String(), public: d.Public}
	if !d.Public && !s.domains[n] {
		l.reason = UnknownDomain
	}
	return l
}

// listClaims turns the values of every entry into claims, and sets aside the
// values that cannot be any. A claim on an address of the entry's own account
// gets its number at once; the others wait in the loose table, so that a
// console that changes little costs no table of all its addresses.
func (e *engine) listClaims() {
	e.claims = make([]claim, 0, len(e.entries)*3)
	loose := 0
	for n := range e.entries {
		if in := e.said(int32(n)); e.entries[n].account == none && e.entries[n].flags&dropped == 0 {
			loose += len(in.Primaries) + len(in.Aliases)
		}
	}
	e.loose = newLooseTable(loose)
	var values []listed
	var skipped []string
	for n := range e.entries {
		i, t := int32(n), &e.entries[n]
		t.first = int32(len(e.claims))
		t.end = t.first
		if t.flags&dropped != 0 {
			continue
		}
		in, s := e.said(i), e.scopeOf(i)
		values = values[:0]
		skipped = skipped[:0]
		list := func(texts []string) {
			for _, text := range texts {
				if v := e.normalise(s, text); v.ignored {
					skipped = append(skipped, v.text)
				} else {
					values = append(values, v)
				}
			}
		}
		list(in.Primaries)
		candidates := len(values)
		if declared := e.declaredPrimary(i, values); declared > 0 {
			values[0], values[declared] = values[declared], values[0]
		}
		list(in.Aliases)
		e.addClaims(i, values, candidates)
		e.ignored += distinct(skipped)
	}
}

// distinct counts the different texts of a list, which it sorts.
func distinct(texts []string) int {
	slices.Sort(texts)
	return len(slices.Compact(texts))
}

// addressesOf counts the different addresses of an object that lists no others
// than well-formed ones.
func addressesOf(in *identity.Entry) int {
	var all []string
	for _, text := range slices.Concat(in.Primaries, in.Aliases) {
		all = append(all, strings.ToLower(text))
	}
	return distinct(all)
}

// Ambiguity is an entry that lists several addresses which could be its declared
// primary.
type Ambiguity struct {
	DN string
	// Chosen is the one that was taken, Others those that became aliases, in
	// byte order.
	Chosen identity.Address
	Others []identity.Address

	entry int32
}

// declaredPrimary chooses among several candidates of entry i, by the first of
// these that tells two apart:
//
//	well-formed, in a domain of the scope, not public
//	the primary of the account that its GUID binds it to
//	the entry's first well-formed value of the primary attribute
//	the primary of a local account that no GUID binds
//	the least in byte order
func (e *engine) declaredPrimary(i int32, candidates []listed) int {
	if len(candidates) < 2 {
		return 0
	}
	c := chooser{present: e.entries[i].account, named: e.named(i)}
	best := 0
	for n := 1; n < len(candidates); n++ {
		if e.betterPrimary(&c, &candidates[n], &candidates[best]) {
			best = n
		}
	}
	chosen := &candidates[best]
	var others []identity.Address
	for n := range candidates {
		if x := &candidates[n]; x.reason == noReason && !x.public && x.address != chosen.address {
			others = append(others, x.address)
		}
	}
	if len(others) > 0 {
		slices.SortFunc(others, identity.Address.Compare)
		e.ambiguous = append(e.ambiguous, Ambiguity{e.said(i).DN, chosen.address, slices.Compact(others), i})
	}
	return best
}

// chooser is what an entry says about its candidates.
type chooser struct {
	present int32            // the account that its GUID binds it to
	named   identity.Address // by the primary attribute
}

// named returns the first well-formed value of the primary attribute of an entry
// with several candidates, the zero address where there is none.
func (e *engine) named(i int32) identity.Address {
	in := e.said(i)
	for _, text := range in.Mail {
		if v := e.normalise(&e.scopes[in.Scope], text); v.reason != AliasMalformed {
			return v.address
		}
	}
	return identity.Address{}
}

func (e *engine) betterPrimary(c *chooser, a, b *listed) bool {
	if x, y := a.reason == noReason && !a.public, b.reason == noReason && !b.public; x != y {
		return x
	}
	if c.present != none && !e.in.Accounts[c.present].Primary.IsZero() { // nor is a malformed candidate an address
		present := e.in.Accounts[c.present].Primary
		if x, y := a.address == present, b.address == present; x != y {
			return x
		}
	}
	if !c.named.IsZero() {
		if x, y := a.address == c.named, b.address == c.named; x != y {
			return x
		}
	}
	if x, y := e.localPrimary(a.address), e.localPrimary(b.address); x != y {
		return x
	}
	return a.text < b.text
}

// localPrimary reports whether an address is the primary of a local account. One
// that is adopted by its recorded GUID is none any more, so that the entry
// chooses as it will once the account has its owner. Few entries ask.
func (e *engine) localPrimary(x identity.Address) bool {
	if e.localPrimaries == nil {
		e.localPrimaries = map[identity.Address]bool{}
		for a := range e.in.Accounts {
			if e.local(int32(a)) && !e.bound(int32(a)) && !e.in.Accounts[a].Primary.IsZero() {
				e.localPrimaries[e.in.Accounts[a].Primary] = true
			}
		}
	}
	return e.localPrimaries[x]
}

// manyValues is the number of values from which an entry's are deduplicated by
// a table.
const manyValues = 32

// addClaims records the values of entry i, each address once. The first of them
// are the candidates for the declared primary, and the very first is it, so
// that its role wins.
func (e *engine) addClaims(i int32, values []listed, candidates int) {
	t := &e.entries[i]
	declared := candidates > 0
	type key struct {
		text   string
		reason Reason
	}
	var seen map[key]bool
	if len(values) > manyValues {
		seen = make(map[key]bool, len(values))
	}
	for n := range values {
		v := &values[n]
		if seen != nil {
			k := key{v.text, v.reason}
			if seen[k] {
				continue
			}
			seen[k] = true
		} else if slices.ContainsFunc(values[:n], func(w listed) bool { return w.text == v.text && w.reason == v.reason }) {
			continue
		}
		if v.reason != noReason {
			reason := v.reason
			if reason == AliasMalformed && declared && n == 0 {
				reason = PrimaryMalformed
			}
			e.rejected = append(e.rejected, rejectedValue{v.text, i, reason})
			continue
		}
		id := e.number(t.account, v.address)
		if declared && n == 0 && !v.public {
			t.declared = id
		}
		e.claims = append(e.claims, claim{id: id, entry: i, public: v.public, rival: n > 0 && n < candidates && !v.public})
	}
	t.end = int32(len(e.claims))
}

// number returns the number of an address if account a holds it, or else its
// place in the loose table as a number below none.
func (e *engine) number(a int32, x identity.Address) int32 {
	if a != none {
		account := &e.in.Accounts[a]
		if account.Primary == x {
			return e.accounts[a].first
		}
		if len(account.Aliases) > manyValues {
			if n, ok := slices.BinarySearchFunc(account.Aliases, x, identity.Address.Compare); ok {
				return e.accounts[a].first + 1 + int32(n)
			}
		} else if n := slices.Index(account.Aliases, x); n >= 0 {
			return e.accounts[a].first + 1 + int32(n)
		}
	}
	return looseNumber(e.loose.add(x))
}

// looseNumber turns a place in the loose table into a number below none, and
// such a number into the place.
func looseNumber(n int32) int32 { return none - 1 - n }

// guardedID returns the number of an address that a block lists.
func (e *engine) guardedID(x identity.Address) int32 {
	n, _ := e.loose.find(x)
	return e.looseID[n]
}

// resolveAddresses numbers the loose addresses: those that some account holds
// by their holders, the others behind. It then marks what is protected and
// what is on hold.
func (e *engine) resolveAddresses() {
	for _, blocks := range [...][]Guard{e.in.Rules.Protected, e.in.Rules.Holds} {
		for b := range blocks {
			for _, x := range blocks[b].Addresses {
				e.loose.add(x)
			}
		}
	}
	if m := e.in.Merged; m != nil {
		for _, reserved := range m.Reserved {
			for _, x := range reserved {
				e.loose.add(x)
			}
		}
	}
	e.looseID = slices.Repeat([]int32{none}, len(e.loose.texts))
	if len(e.loose.texts) > 0 {
		for id := range e.held {
			n, found := e.loose.find(e.text(id))
			switch {
			case !found:
			case e.looseID[n] != none:
				e.failed = fmt.Errorf("the console holds %s twice, on %s and on %s: repair the state before planning",
					e.loose.texts[n], e.in.Accounts[e.holder(e.looseID[n])].Primary, e.in.Accounts[e.holder(id)].Primary)
				return
			default:
				e.looseID[n] = id
			}
		}
	}
	twice := e.numberBeside()
	unheld := 0
	for _, id := range e.looseID {
		unheld += boolInt(id == none)
	}
	e.newText = slices.Grow(e.newText, unheld)
	for n := range e.looseID {
		if e.looseID[n] == none {
			e.looseID[n] = e.held + int32(len(e.newText))
			e.newText = append(e.newText, e.loose.texts[n])
		}
	}
	ids := e.held + int32(len(e.newText))
	e.flags, e.declarers = make([]idFlag, ids), make([]uint8, ids)
	for _, id := range twice {
		e.flags[id] |= shared
	}
	for c := range e.claims {
		e.claims[c].id = e.resolved(e.claims[c].id)
	}
	for n := range e.entries {
		t := &e.entries[n]
		t.declared = e.resolved(t.declared)
		if t.declared != none && e.declarers[t.declared] < 2 {
			e.declarers[t.declared]++
		}
	}

	e.guards = map[int32]int32{}
	for b := range e.in.Rules.Protected {
		for _, x := range e.in.Rules.Protected[b].Addresses {
			id := e.guardedID(x)
			if e.has(id, protected) {
				continue
			}
			e.flags[id] |= protected
			e.guards[id] = int32(b)
			if h := e.holder(id); h != none && e.accounts[h].first != id {
				e.accounts[h].flags |= protectedAlias
				if e.accounts[h].guard == none {
					e.accounts[h].guard = int32(b)
				}
			}
		}
	}
	for b := range e.in.Rules.Holds {
		hold := &e.in.Rules.Holds[b]
		if hold.Over(e.in.Now) {
			continue
		}
		for _, x := range hold.Addresses {
			if h := e.holder(e.guardedID(x)); h != none && e.accounts[h].hold == none {
				e.accounts[h].hold = int32(b)
				e.accounts[h].flags |= frozen
			}
		}
	}
	e.holdBeside()
}

func (e *engine) resolved(id int32) int32 {
	if id < none {
		return e.looseID[looseNumber(id)]
	}
	return id
}

package plan

import (
	"hash/maphash"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Preview compares entries with the accounts of their GUIDs while they are read, for a
// console that is the state. Most accounts are as their entries want them: of these nobody
// has to look at a text again. It decides nothing; a plan is the same without it.
type Preview struct {
	rules    *engine // of which it has the scopes and domains
	accounts []identity.Account
	seed     maphash.Seed
	slots    []guidSlot
	hashes   []uint32 // of the addresses of all accounts, account by account
	first    []int32  // of each account, where its hashes begin; one more at the end
}

// What a [Preview] says of an entry in place of the index of an account.
const (
	// Unseen is an entry that nobody has looked at.
	Unseen = -2 - iota
	// Other is one of which the account has to be looked for, or differs.
	Other
)

// NewPreview returns the preview of a plan with these rules and accounts.
func NewPreview(rules Rules, accounts []identity.Account) (*Preview, error) {
	e, err := newEngine(Input{Rules: rules, Others: make([]PrerequisiteValues, len(rules.Prerequisites))})
	if err != nil {
		return nil, err
	}
	p := &Preview{rules: e, accounts: accounts, seed: maphash.MakeSeed()}
	size := 16
	for size < 2*len(accounts) {
		size *= 2
	}
	p.slots = make([]guidSlot, size)
	held := 0
	for i := range accounts {
		held += 1 + len(accounts[i].Aliases)
	}
	p.hashes, p.first = make([]uint32, 0, held), make([]int32, 0, len(accounts)+1)
	for i := range accounts {
		a := &accounts[i]
		p.first = append(p.first, int32(len(p.hashes)))
		p.hashes = append(p.hashes, p.hash(a.Primary))
		for _, x := range a.Aliases {
			p.hashes = append(p.hashes, p.hash(x))
		}
		if a.GUID.IsZero() {
			continue
		}
		s, tag := p.slot(a.GUID)
		if s.entry == 0 {
			*s = guidSlot{tag, int32(i) + 1}
		} else {
			s.entry = -abs(s.entry) // several accounts have it
		}
	}
	p.first = append(p.first, int32(len(p.hashes)))
	return p, nil
}

func (p *Preview) hash(x identity.Address) uint32 { return uint32(maphash.String(p.seed, x.String())) }

func abs(n int32) int32 { return max(n, -n) }

// slot returns where the account of a GUID is, or where it would be.
func (p *Preview) slot(g identity.GUID) (*guidSlot, uint32) {
	hash := maphash.Comparable(p.seed, g)
	tag, mask := uint32(hash>>32), uint64(len(p.slots)-1)
	for n := hash & mask; ; n = (n + 1) & mask {
		s := &p.slots[n]
		if s.entry == 0 || s.tag == tag && p.accounts[abs(s.entry)-1].GUID == g {
			return s, tag
		}
	}
}

// account returns the index of the one account that has a GUID, or none.
func (p *Preview) account(g identity.GUID) int32 {
	slot, _ := p.slot(g)
	return max(slot.entry, 0) - 1
}

// Of returns the index of the account that is as an entry wants it, as far as that shows in
// the two alone, or Other.
func (p *Preview) Of(e *identity.Entry) int32 {
	if e.GUID.IsZero() || len(e.Primaries) != 1 {
		return Other
	}
	n := p.account(e.GUID)
	if n == none {
		return Other
	}
	a := &p.accounts[n]
	s := &p.rules.scopes[e.Scope]
	if len(e.Aliases) != len(a.Aliases) || len(e.Aliases) > manyValues || !a.Active() || !p.rules.agrees(s, e, a) {
		return Other
	}
	is := func(text string, x identity.Address) bool {
		v := p.rules.normalise(s, text)
		return v.address == x && v.reason == noReason && !v.ignored && !v.public
	}
	if !is(e.Primaries[0], a.Primary) {
		return Other
	}
	var met uint64
	for _, text := range e.Aliases {
		k := slices.IndexFunc(a.Aliases, func(x identity.Address) bool { return is(text, x) })
		if k < 0 || met&(1<<k) != 0 {
			return Other
		}
		met |= 1 << k
	}
	return n
}

// Same returns the account that was found for an entry, if that says the same
// ([identity.Same]); nil otherwise.
func (p *Preview) Same(e *identity.Entry, account int32) *identity.Account {
	a := &p.accounts[account]
	if !identity.SaysTheSame(e, a, identity.Address.Spells) {
		return nil
	}
	return a
}

// newTable returns a table for [Preview.holds].
func (p *Preview) newTable(many int) *looseTable {
	t := newLooseTable(many)
	t.seed = p.seed
	return t
}

// holds calls a function with each account of those that are asked for that has an address
// of a table. It looks at the hashes of addresses first, and at few texts.
func (p *Preview) holds(table *looseTable, asked func(a int32) bool, found func(a int32)) {
	bits := 64
	for bits < 32*len(table.texts) {
		bits *= 2
	}
	mask, filter := uint32(bits-1), make([]uint64, bits/64)
	for _, s := range table.slots {
		if h := s.hash & mask; s.at > 0 {
			filter[h/64] |= 1 << (h % 64)
		}
	}
	for id, h := range p.hashes {
		if m := h & mask; filter[m/64]&(1<<(m%64)) == 0 || !table.hashed(h) {
			continue
		}
		n, begins := slices.BinarySearch(p.first, int32(id))
		if !begins {
			n--
		}
		if !asked(int32(n)) {
			continue
		}
		if _, is := table.find(addressOf(&p.accounts[n], id-int(p.first[n]))); is {
			found(int32(n))
		}
	}
}

// agrees reports whether an account has what its entry says beside addresses.
func (e *engine) agrees(s *scope, in *identity.Entry, a *identity.Account) bool {
	return a.GUID == in.GUID && a.Type == in.Type && a.Directory == s.Directory && a.Username == in.Username && identity.EqualDN(a.DN, in.DN) &&
		slices.Equal(a.Attributes, in.Attributes) && !tooLong(in.Username, e.limit(s, Username)) &&
		!slices.ContainsFunc(in.Attributes, func(x identity.Attribute) bool { return tooLong(x.Value, e.limit(s, x.Name)) })
}

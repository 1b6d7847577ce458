package local

import (
	"hash/maphash"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// table finds accounts, which are numbered, by their addresses. It is a hash table
// with open addressing that keeps no addresses of its own. Nothing is taken out of
// it: an account may stand under an address that it has no more.
type table struct {
	seed   maphash.Seed
	places []place // at least a quarter of them are free
	used   int
}

// place is what stands in the table: the number of an account and one, so that 0
// is free, and the hash of an address.
type place struct{ account, hash uint32 }

// newTable makes a table for so many addresses.
func newTable(addresses int) *table {
	return &table{seed: maphash.MakeSeed(), places: make([]place, 8+addresses/2*3)}
}

func (t *table) hash(x identity.Address) uint32 {
	return uint32(maphash.String(t.seed, x.String()))
}

// begin returns where to look for a hash first, and next where after that.
func (t *table) begin(hash uint32) int { return int(uint64(hash) * uint64(len(t.places)) >> 32) }

func (t *table) next(at int) int {
	if at++; at < len(t.places) {
		return at
	}
	return 0
}

// add puts an account under an address.
func (t *table) add(account int, x identity.Address) {
	if t.used++; 4*t.used > 3*len(t.places) {
		all := t.places
		t.places = make([]place, 2*len(all))
		for _, p := range all {
			if p.account != 0 {
				t.put(p)
			}
		}
	}
	t.put(place{uint32(account) + 1, t.hash(x)})
}

func (t *table) put(p place) {
	at := t.begin(p.hash)
	for t.places[at].account != 0 {
		at = t.next(at)
	}
	t.places[at] = p
}

// find returns the account that stands under an address and holds it, or -1.
func (t *table) find(x identity.Address, account func(number int) *identity.Account) int {
	hash := t.hash(x)
	for at := t.begin(hash); t.places[at].account != 0; at = t.next(at) {
		if p := t.places[at]; p.hash == hash && account(int(p.account)-1).Holds(x) {
			return int(p.account) - 1
		}
	}
	return -1
}

package local

import (
	"hash/maphash"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// table finds the account that holds an address. It is a hash table with open
// addressing that has nothing but indexes of accounts in it: four octets for each
// of its places, of which there are twice as many as addresses.
type table struct {
	seed   maphash.Seed
	places []int32 // an index of accounts and one; 0 is free
	mask   uint64
}

// tabled returns the table of accounts.
func tabled(accounts []identity.Account) *table {
	n := 0
	for i := range accounts {
		n += 1 + len(accounts[i].Aliases)
	}
	size := 8
	for size < 2*n {
		size *= 2
	}
	t := &table{maphash.MakeSeed(), make([]int32, size), uint64(size - 1)}
	for i := range accounts {
		accounts[i].EachAddress(func(x identity.Address) {
			at := t.begin(x)
			for t.places[at] != 0 {
				at = (at + 1) & t.mask
			}
			t.places[at] = int32(i) + 1
		})
	}
	return t
}

func (t *table) begin(x identity.Address) uint64 { return maphash.String(t.seed, x.String()) & t.mask }

// find returns the index of the account that holds an address, or -1.
func (t *table) find(accounts []identity.Account, x identity.Address) int {
	for at := t.begin(x); t.places[at] != 0; at = (at + 1) & t.mask {
		if i := int(t.places[at]) - 1; accounts[i].Holds(x) {
			return i
		}
	}
	return -1
}

package plan

import (
	"hash/maphash"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// looseTable numbers addresses in the order of first sight. It is a table of open
// addressing that keeps no keys of its own, and looks at a text only where the hash is
// equal: at three million addresses most of the time of a map would go into growing it.
type looseTable struct {
	seed  maphash.Seed
	slots []looseSlot
	shift int
	texts []identity.Address // by number
}

type looseSlot struct {
	hash uint32
	at   int32 // number plus one, 0 for a free slot
}

// newLooseTable returns a table for about so many addresses.
func newLooseTable(many int) *looseTable {
	t := &looseTable{seed: maphash.MakeSeed(), texts: make([]identity.Address, 0, many)}
	t.grow(many)
	return t
}

// grow makes room for so many addresses.
func (t *looseTable) grow(many int) {
	size, shift := 16, 28
	for size < 2*many {
		size, shift = 2*size, shift-1
	}
	old := t.slots
	t.slots, t.shift = make([]looseSlot, size), shift
	for _, s := range old {
		if s.at > 0 {
			n := s.hash >> t.shift
			for t.slots[n].at > 0 {
				n = (n + 1) & uint32(size-1)
			}
			t.slots[n] = s
		}
	}
}

// slot returns where an address is, or where it would be.
func (t *looseTable) slot(x identity.Address) (*looseSlot, uint32) {
	hash := uint32(maphash.String(t.seed, x.String()))
	for n := hash >> t.shift; ; n = (n + 1) & uint32(len(t.slots)-1) {
		s := &t.slots[n]
		if s.at == 0 || s.hash == hash && t.texts[s.at-1] == x {
			return s, hash
		}
	}
}

// add returns the number of an address.
func (t *looseTable) add(x identity.Address) int32 {
	s, hash := t.slot(x)
	if s.at == 0 {
		if 2*len(t.texts) >= len(t.slots) {
			t.grow(len(t.slots))
			s, _ = t.slot(x)
		}
		t.texts = append(t.texts, x)
		*s = looseSlot{hash, int32(len(t.texts))}
	}
	return s.at - 1
}

// hashed reports whether an address of the table has a hash.
func (t *looseTable) hashed(hash uint32) bool {
	for n := hash >> t.shift; t.slots[n].at > 0; n = (n + 1) & uint32(len(t.slots)-1) {
		if t.slots[n].hash == hash {
			return true
		}
	}
	return false
}

// find returns the number of an address, if it has one.
func (t *looseTable) find(x identity.Address) (n int32, found bool) {
	s, _ := t.slot(x)
	return s.at - 1, s.at > 0
}

package plan

import (
	"hash/maphash"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// guidTable finds entries by their GUIDs. It is a table of open addressing that
// keeps no keys of its own: at a million entries most of the time of a map
// would go into fetching them.
type guidTable struct {
	seed    maphash.Seed
	slots   []guidSlot
	entries []identity.Entry
}

type guidSlot struct {
	tag   uint32 // upper half of the hash
	entry int32  // index of the entry plus one, 0 for a free slot
}

func newGUIDTable(entries []identity.Entry) *guidTable {
	size := 16
	for size < 2*len(entries) {
		size *= 2
	}
	return &guidTable{seed: maphash.MakeSeed(), slots: make([]guidSlot, size), entries: entries}
}

// slot returns where the GUID is, or where it would be.
func (t *guidTable) slot(g identity.GUID) (*guidSlot, uint32) {
	hash := maphash.Comparable(t.seed, g)
	tag, mask := uint32(hash>>32), uint64(len(t.slots)-1)
	for n := hash & mask; ; n = (n + 1) & mask {
		s := &t.slots[n]
		if s.entry == 0 || s.tag == tag && t.entries[s.entry-1].GUID == g {
			return s, tag
		}
	}
}

// add returns the first entry with the GUID of entry i, which may be i itself.
func (t *guidTable) add(i int32) int32 {
	s, tag := t.slot(t.entries[i].GUID)
	if s.entry == 0 {
		*s = guidSlot{tag, i + 1}
	}
	return s.entry - 1
}

// find returns the first entry with a GUID, or none.
func (t *guidTable) find(g identity.GUID) int32 {
	s, _ := t.slot(g)
	return s.entry - 1
}

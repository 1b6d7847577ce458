package identity

import (
	"iter"
	"slices"
)

// Entries are entries in any order. They are numbered from 0: first those that are whole.
type Entries struct {
	Whole []Entry
	// Same are those that say what an account says, which takes little memory.
	Same []Same
}

// Same is an entry of a scope that says the same as an account: its one primary is that of
// the account, in whichever letter case, and so are its aliases, in whichever order.
type Same struct {
	*Account
	Scope int32
}

// SaysTheSame reports whether an entry has the texts of an account, and its addresses as
// spells compares them. Of a few aliases, no two may be the same.
func SaysTheSame(e *Entry, a *Account, spells func(x Address, text string) bool) bool {
	if e.DN != a.DN || len(e.Primaries) != 1 || !spells(a.Primary, e.Primaries[0]) || len(e.Mail) > 0 || len(e.Aliases) != len(a.Aliases) {
		return false
	}
	for _, text := range e.Aliases {
		if !slices.ContainsFunc(a.Aliases, func(x Address) bool { return spells(x, text) }) {
			return false
		}
	}
	return true
}

// Put makes an entry of what is the same. It keeps the room of the lists that the entry has.
func (s Same) Put(e *Entry) {
	primaries, aliases := append(e.Primaries[:0], s.Primary.String()), e.Aliases[:0]
	for _, x := range s.Aliases {
		aliases = append(aliases, x.String())
	}
	*e = Entry{GUID: s.GUID, DN: s.DN, Username: s.Username, Primaries: primaries, Aliases: aliases, Attributes: s.Attributes, Scope: s.Scope, Type: s.Type}
}

// Len returns how many there are.
func (all *Entries) Len() int { return len(all.Whole) + len(all.Same) }

// At returns entry i. room is where one that is not whole is put, which then is valid for
// as long as nobody puts another there.
func (all *Entries) At(i int, room *Entry) *Entry {
	if i < len(all.Whole) {
		return &all.Whole[i]
	}
	all.Same[i-len(all.Whole)].Put(room)
	return room
}

// GUID returns the GUID of entry i.
func (all *Entries) GUID(i int) GUID {
	if i < len(all.Whole) {
		return all.Whole[i].GUID
	}
	return all.Same[i-len(all.Whole)].GUID
}

// Scope returns the scope of entry i.
func (all *Entries) Scope(i int) int32 {
	if i < len(all.Whole) {
		return all.Whole[i].Scope
	}
	return all.Same[i-len(all.Whole)].Scope
}

// All yields the entries by their numbers. Each is valid until the next.
func (all *Entries) All() iter.Seq2[int, *Entry] {
	return func(yield func(int, *Entry) bool) {
		var room Entry
		for i := range all.Len() {
			if !yield(i, all.At(i, &room)) {
				return
			}
		}
	}
}

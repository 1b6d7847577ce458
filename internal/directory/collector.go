package directory

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Collector is a [Sink] that makes entries of objects.
type Collector struct {
	scopes  []Scope
	keyed   bool // keys are wanted
	look    Look // nil where nobody looks
	mappers []*Mapper
	entries identity.Entries
	// at holds, by the number of an object, the index of its entry among those that are
	// whole, firstSame less that among the others, or why it is none.
	at   []int32
	gone bool // entries hold some whose Scope is none
	// seen holds what was said of each entry that is whole, and accounts of each other,
	// where somebody looks.
	seen, accounts []int32
	// keys holds, by the number of an object, its key, where objects are [Keyed].
	keys []identity.GUID
	// broken holds, by the number of an object, how many values are not UTF-8.
	broken map[int]int
}

// Why an object is no entry. Of the first kind nothing is reported.
const (
	none = -1 - iota
	deleted
	conflict
	system
	firstSame
)

var _ Sink = (*Collector)(nil)

// NewCollector returns the collector of a read of these scopes.
func NewCollector(scopes []Scope) *Collector {
	c := &Collector{scopes: scopes}
	c.reset()
	return c
}

// NewKeyedCollector returns the collector of a read whose objects are [Keyed], and whose
// keys are wanted, too.
func NewKeyedCollector(scopes []Scope) *Collector {
	c := NewCollector(scopes)
	c.keyed = true
	return c
}

// Look looks at an entry as soon as it is read, and says something of it. It returns the
// account that says the same, if there is one, in whichever letter case: of objects that are
// [Keyed], which are kept for later, every letter counts.
type Look func(*identity.Entry) (seen int32, same *identity.Account)

// Show shows each entry to somebody. It is called before the read.
func (c *Collector) Show(look Look) { c.look = look }

func (c *Collector) reset() {
	c.mappers = nil
	for i := range c.scopes {
		c.mappers = append(c.mappers, NewMapper(&c.scopes[i]))
	}
	c.entries, c.at, c.gone, c.seen, c.accounts, c.keys, c.broken = identity.Entries{}, nil, false, nil, nil, nil, map[int]int{}
}

// Reset implements [Sink].
func (c *Collector) Reset() error {
	c.reset()
	return nil
}

// Put implements [Sink].
func (c *Collector) Put(scope int, o Object) error {
	c.at = append(compact.Grown(c.at), none)
	c.take(len(c.at)-1, scope, o)
	return nil
}

// Replace implements [Sink].
func (c *Collector) Replace(n, scope int, o Object) error {
	switch i := c.at[n]; {
	case i >= 0:
		c.entries.Whole[i].Scope, c.gone = none, true
	case i <= firstSame:
		c.entries.Same[firstSame-i].Scope, c.gone = none, true
	}
	c.at[n] = none
	delete(c.broken, n)
	if o != nil {
		c.take(n, scope, o)
	}
	return nil
}

func (c *Collector) take(n, scope int, o Object) {
	m := c.mappers[scope]
	if c.keyed {
		for len(c.keys) <= n {
			c.keys = append(compact.Grown(c.keys), identity.GUID{})
		}
		c.keys[n] = o.(Keyed).Key()
	}
	e, why := m.Entry(o)
	switch why {
	case "":
		if c.look != nil {
			seen, same := c.look(&e)
			if same != nil && m.Broken == 0 && (!c.keyed || identity.SaysTheSame(&e, same, identity.Address.Is)) {
				m.Forget()
				c.at[n] = firstSame - int32(len(c.entries.Same))
				c.entries.Same = append(compact.Grown(c.entries.Same), identity.Same{Account: same, Scope: e.Scope})
				c.accounts = append(compact.Grown(c.accounts), seen)
				return
			}
			c.seen = append(compact.Grown(c.seen), seen)
		}
		c.at[n] = int32(len(c.entries.Whole))
		c.entries.Whole = append(compact.Grown(c.entries.Whole), e)
		if m.Broken > 0 {
			c.broken[n] = m.Broken
		}
	case Deleted:
		c.at[n] = deleted
	case Conflict:
		c.at[n] = conflict
	case System:
		c.at[n] = system
	}
}

// Tell adds to the receipt of the read how many entries there are, and what of
// the objects is none or cannot be read. It is called before Entries.
func (c *Collector) Tell(r *identity.Receipt) {
	n := 0
	for _, i := range c.at {
		if i >= 0 || i <= firstSame {
			n++
		}
	}
	Tell(r, n, c.Remarks())
}

// Remark is what is to be said of an object beside its entry, or in place of one.
type Remark struct {
	// Key is that of a [Keyed] object, DN the name of an entry.
	Key identity.GUID
	DN  string
	// PassedOver is why it is no entry: [Deleted], [Conflict] or [System].
	PassedOver ObstacleKind
	// Broken counts the values of an entry that are not UTF-8.
	Broken int
}

// Remarks returns those of the objects. It is called before Entries.
func (c *Collector) Remarks() (all []Remark) {
	for n, i := range c.at {
		var m Remark
		switch {
		case i == deleted:
			m.PassedOver = Deleted
		case i == conflict:
			m.PassedOver = Conflict
		case i == system:
			m.PassedOver = System
		case i < 0 || len(c.broken) == 0 || c.broken[n] == 0:
			continue
		default:
			m.DN, m.Broken = c.entries.Whole[i].DN, c.broken[n]
		}
		if c.keyed {
			m.Key = c.keys[n]
		}
		all = append(all, m)
	}
	return all
}

// Tell adds to a receipt how many entries there are, and what is to be said of objects.
func Tell(r *identity.Receipt, entries int, remarks []Remark) {
	r.Entries, r.PassedOver = entries, identity.PassedOver{Ignored: r.PassedOver.Ignored}
	values, broken, first := 0, 0, ""
	for i := range remarks {
		switch m := &remarks[i]; m.PassedOver {
		case Deleted:
			r.PassedOver.Deleted++
		case Conflict:
			r.PassedOver.Conflict++
		case System:
			r.PassedOver.System++
		default:
			if values += m.Broken; broken == 0 || m.DN < first {
				first = m.DN
			}
			broken++
		}
	}
	if broken == 0 {
		return
	}
	verb := "are"
	if values == 1 {
		verb = "is"
	}
	r.Notes = append(r.Notes, fmt.Sprintf("%s of %s %s not UTF-8, and \uFFFD stands for what cannot be read: convert the data, or the export, to UTF-8; the first entry is %s",
		counted(values, "value", "values"), counted(broken, "entry", "entries"), verb, first))
}

// Entries returns the entries of a read at which nobody looks. The collector must not be used
// any more.
func (c *Collector) Entries() []identity.Entry { return c.All().Whole }

// All returns the entries. The collector must not be used any more.
func (c *Collector) All() identity.Entries {
	if c.gone {
		c.entries.Whole = slices.DeleteFunc(c.entries.Whole, func(e identity.Entry) bool { return e.Scope == none })
		c.entries.Same = slices.DeleteFunc(c.entries.Same, func(s identity.Same) bool { return s.Scope == none })
	}
	c.at = nil
	return c.entries
}

// Keys returns the key of each of the entries, and is called before them.
func (c *Collector) Keys() []identity.GUID {
	keys := make([]identity.GUID, c.entries.Len())
	for n, i := range c.at {
		switch {
		case i >= 0:
			keys[i] = c.keys[n]
		case i <= firstSame:
			keys[len(c.entries.Whole)+int(firstSame-i)] = c.keys[n]
		}
	}
	return present(c, keys)
}

// Seen returns what was said of each of the entries, and is called before them; nil where
// nobody looked.
func (c *Collector) Seen() []int32 {
	if c.look == nil {
		return nil
	}
	return present(c, slices.Concat(c.seen, c.accounts))
}

// present returns what a list has of the entries that are there.
func present[T any](c *Collector, list []T) []T {
	if !c.gone {
		return list
	}
	kept := list[:0]
	for i := range list {
		there := false
		if whole := len(c.entries.Whole); i < whole {
			there = c.entries.Whole[i].Scope != none
		} else {
			there = c.entries.Same[i-whole].Scope != none
		}
		if there {
			kept = append(kept, list[i])
		}
	}
	return kept
}

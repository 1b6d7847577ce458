package directory

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Collector is a [Sink] that makes entries of objects.
type Collector struct {
	scopes  []Scope
	mappers []*Mapper
	entries []identity.Entry
	// at holds, by the number of an object, the index of its entry, or why it is
	// none.
	at   []int32
	gone bool // entries hold some whose Scope is none
	// broken holds, by the number of an object, how many values are not UTF-8.
	broken map[int]int
}

// Why an object is no entry. Of the first kind nothing is reported.
const (
	none = -1 - iota
	deleted
	conflict
	system
)

var _ Sink = (*Collector)(nil)

// NewCollector returns the collector of a read of these scopes.
func NewCollector(scopes []Scope) *Collector {
	c := &Collector{scopes: scopes}
	c.reset()
	return c
}

func (c *Collector) reset() {
	c.mappers = nil
	for i := range c.scopes {
		c.mappers = append(c.mappers, NewMapper(&c.scopes[i]))
	}
	c.entries, c.at, c.gone, c.broken = nil, nil, false, map[int]int{}
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
	if i := c.at[n]; i >= 0 {
		c.entries[i].Scope, c.gone = none, true
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
	e, why := m.Entry(o)
	switch why {
	case "":
		c.at[n] = int32(len(c.entries))
		c.entries = append(compact.Grown(c.entries), e)
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
	r.Entries = 0
	for _, i := range c.at {
		switch i {
		case none:
		case deleted:
			r.PassedOver.Deleted++
		case conflict:
			r.PassedOver.Conflict++
		case system:
			r.PassedOver.System++
		default:
			r.Entries++
		}
	}
	if len(c.broken) == 0 {
		return
	}
	values, first := 0, slices.Min(slices.Collect(maps.Keys(c.broken)))
	for _, n := range c.broken {
		values += n
	}
	verb := "are"
	if values == 1 {
		verb = "is"
	}
	r.Notes = append(r.Notes, fmt.Sprintf("%s of %s %s not UTF-8, and \uFFFD stands for what cannot be read: convert the data, or the export, to UTF-8; the first entry is %s",
		counted(values, "value", "values"), counted(len(c.broken), "entry", "entries"), verb, c.entries[c.at[first]].DN))
}

// Entries returns the entries. The collector must not be used any more.
func (c *Collector) Entries() []identity.Entry {
	if c.gone {
		c.entries = slices.DeleteFunc(c.entries, func(e identity.Entry) bool { return e.Scope == none })
	}
	c.at = nil
	return c.entries
}

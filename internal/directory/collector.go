package directory

import (
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Collector is a [Sink] that makes entries of objects.
type Collector struct {
	scopes  []Scope
	mappers []*Mapper
	entries []identity.Entry
	// at holds, by the number of an object, the index of its entry, or none.
	at   []int32
	gone bool // entries hold some whose Scope is none
}

const none = -1

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
	c.entries, c.at, c.gone = nil, nil, false
}

// Reset implements [Sink].
func (c *Collector) Reset() error {
	c.reset()
	return nil
}

// Put implements [Sink].
func (c *Collector) Put(scope int, o Object) error {
	c.at = append(identity.Grown(c.at), none)
	c.take(len(c.at)-1, scope, o)
	return nil
}

// Replace implements [Sink].
func (c *Collector) Replace(n, scope int, o Object) error {
	if i := c.at[n]; i != none {
		c.entries[i].Scope = none
		c.at[n], c.gone = none, true
	}
	if o != nil {
		c.take(n, scope, o)
	}
	return nil
}

func (c *Collector) take(n, scope int, o Object) {
	if e, ok := c.mappers[scope].Entry(o); ok {
		c.at[n] = int32(len(c.entries))
		c.entries = append(identity.Grown(c.entries), e)
	}
}

// Entries returns the entries. The collector must not be used any more.
func (c *Collector) Entries() []identity.Entry {
	if c.gone {
		c.entries = slices.DeleteFunc(c.entries, func(e identity.Entry) bool { return e.Scope == none })
	}
	c.at = nil
	return c.entries
}

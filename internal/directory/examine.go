package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// Examine reads a source to the end and adds what it found to the report: the
// check of the read, whose subject is from, and of each scope's entries.
func Examine(ctx context.Context, source Source, from string, scopes []Scope, r *doctor.Report, progress func(Progress), needs ...*doctor.Check) {
	c := newCensus(scopes)
	var counts []tally
	read := r.Check(doctor.Read, from, func(k *doctor.Check) {
		if len(scopes) == 0 {
			k.Warn("no scope reads this directory", "declare a scope for it, or remove the directory block")
			return
		}
		receipt, err := source.Read(ctx, scopes, c, progress)
		if err != nil {
			r.Refused = r.Refused || errors.As(err, new(*RefusedError))
			k.Fail(strings.ReplaceAll(cause(err, from), "\n  ", "; "), HintOf(err))
			return
		}
		total := 0
		counts = c.counts()
		for _, n := range counts {
			total += n.objects
		}
		k.Pass("complete: "+counted(total, "object", "objects")+" of the scopes", evidence(&receipt)...)
	}, needs...)
	for i := range scopes {
		r.Check(doctor.Entries, scopes[i].Subject(), func(k *doctor.Check) { counts[i].tell(&scopes[i], k) }, read)
	}
}

// cause is the text of a failed read without what its check says already.
func cause(err error, from string) string {
	var failed *ReadError
	if !errors.As(err, &failed) {
		return err.Error()
	}
	if failed.From == from && failed.Line == 0 {
		return failed.Err.Error()
	}
	return strings.TrimPrefix(failed.Error(), fmt.Sprintf("directory %q: ", failed.Directory))
}

// evidence says what a receipt says of a read of a server.
func evidence(r *identity.Receipt) []string {
	var facts []string
	add := func(n int, one, many string) {
		if n > 0 {
			facts = append(facts, counted(n, one, many))
		}
	}
	if r.Server != "" {
		facts = append(facts, "from "+r.Server)
	}
	add(r.Pages, "page", "pages")
	add(r.Ranged, "value came in a range", "values came in ranges")
	add(r.Reread, "object changed meanwhile and was read again", "objects changed meanwhile and were read again")
	for _, u := range r.References {
		facts = append(facts, "refers to "+u)
	}
	return facts
}

// census is a [Sink] that counts what objects have.
type census struct {
	scopes  []Scope
	names   [][]string // of the attributes that are counted, as objects are asked for them
	mappers []*Mapper
	// objects are numbers of traits, of which there are few.
	objects []int32
	traits  []trait
	known   map[trait]int32
}

// trait is what is counted of an object.
type trait struct {
	scope       int32
	entry, guid bool
	// has is an octet for each of the scope's configured attributes, 1 where the
	// object has a value of it.
	has string
}

// configured returns the attributes that a scope names beside that of the GUID,
// each once.
func (s *Scope) configured() (names []string) {
	all := append(append([]string{s.PrimaryAttribute}, s.AliasAttributes...), s.UsernameAttribute)
	for _, a := range s.Attributes {
		all = append(all, a.Source)
	}
	for _, name := range all {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

var _ Sink = (*census)(nil)

func newCensus(scopes []Scope) *census {
	c := &census{scopes: scopes, known: map[trait]int32{}}
	for i := range scopes {
		names := scopes[i].configured()
		for i := range names {
			names[i] = filter.AttributeName(names[i])
		}
		c.names = append(c.names, names)
	}
	return c
}

// Reset implements [Sink].
func (c *census) Reset() error {
	*c = *newCensus(c.scopes)
	return nil
}

// Put implements [Sink].
func (c *census) Put(scope int, o Object) error {
	c.objects = append(compact.Grown(c.objects), c.number(scope, o))
	return nil
}

// Replace implements [Sink].
func (c *census) Replace(n, scope int, o Object) error {
	c.objects[n] = none
	if o != nil {
		c.objects[n] = c.number(scope, o)
	}
	return nil
}

// number returns that of the object's trait.
func (c *census) number(scope int, o Object) int32 {
	t := c.trait(scope, o)
	n, known := c.known[t]
	if !known {
		n = int32(len(c.traits))
		c.traits, c.known[t] = append(c.traits, t), n
	}
	return n
}

func (c *census) trait(scope int, o Object) trait {
	// Mappers keep what they read: each is used for a while and let go.
	if len(c.mappers) == 0 || len(c.objects)%10_000 == 0 {
		c.mappers = nil
		for i := range c.scopes {
			c.mappers = append(c.mappers, NewMapper(&c.scopes[i]))
		}
	}
	m := c.mappers[scope]
	t := trait{scope: int32(scope)}
	_, why := m.Entry(o)
	t.entry = why == ""
	t.guid = !m.GUID(o).IsZero()
	var has []byte
	for _, name := range c.names[scope] {
		if plainest(o, name) != nil {
			has = append(has, 1)
		} else {
			has = append(has, 0)
		}
	}
	t.has = string(has)
	return t
}

// tally counts the objects of a scope, the entries among them, and those of these
// that have a GUID and each of the configured attributes.
type tally struct {
	objects, entries, guid int
	having                 []int
}

func (c *census) counts() []tally {
	list := make([]tally, len(c.scopes))
	for i := range list {
		list[i].having = make([]int, len(c.scopes[i].configured()))
	}
	for _, number := range c.objects {
		if number == none {
			continue
		}
		t := &c.traits[number]
		n := &list[t.scope]
		n.objects++
		if !t.entry {
			continue
		}
		n.entries++
		if t.guid {
			n.guid++
		}
		for i := range t.has {
			n.having[i] += int(t.has[i])
		}
	}
	return list
}

// Subject is how reports name the scope.
func (s *Scope) Subject() string {
	if s.Listing {
		return `prerequisite "` + s.Name + `"`
	}
	return `scope "` + s.Name + `"`
}

func (n *tally) tell(s *Scope, k *doctor.Check) {
	if s.Listing {
		finding := fmt.Sprintf("%s with %s", counted(n.entries, "object", "objects"), s.PrimaryAttribute)
		if n.entries == 0 {
			k.Warn(finding, "see whether base_dn, filter and attribute fit, and whether the account may read them")
		} else {
			k.Pass(finding)
		}
		return
	}
	finding := "of " + counted(n.entries, "entry", "entries")
	var nowhere []string
	for i, name := range s.configured() {
		finding += fmt.Sprintf(", %s with %s", number.Thousands(n.having[i]), name)
		if n.having[i] == 0 {
			nowhere = append(nowhere, name)
		}
	}
	finding += ", " + number.Thousands(n.guid) + " with a GUID"
	objects := counted(n.objects, "object", "objects") + ", " + number.Thousands(n.entries) + " with an address"
	switch {
	case n.entries == 0:
		k.Warn("no entry with an address was found", "see whether base_dn and filter fit, and whether the account may read what is below base_dn", objects)
	case n.guid < n.entries:
		k.Warn(finding, "set guid_attribute to an attribute that every entry has and that stays when it is renamed: without, a renamed entry counts as a new one", objects)
	case len(nowhere) > 0:
		k.Warn(finding, "no entry has "+strings.Join(nowhere, ", or ")+": correct the name in the scope, give the account the right to read it, or leave it out", objects)
	default:
		k.Pass(finding, objects)
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return number.Thousands(n) + " " + many
}

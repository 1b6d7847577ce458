package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Examine reads a source to the end and adds what it found to the report: the
// check of the read, whose subject is from, and of each scope's entries.
func Examine(ctx context.Context, source Source, from string, scopes []Scope, r *doctor.Report, progress func(Progress), needs ...*doctor.Check) {
	c := &census{scopes: scopes}
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
		r.Check(doctor.Entries, `scope "`+scopes[i].Name+`"`, func(k *doctor.Check) { counts[i].tell(&scopes[i], k) }, read)
	}
}

// cause is the text of a failed read without what its check tells already.
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

// evidence tells what a receipt says of a read of a server.
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
	mappers []*Mapper
	objects []trait
}

// trait is what is counted of an object. Its scope is none once it is gone.
type trait struct {
	scope                       int32
	entry, primary, alias, guid bool
}

var _ Sink = (*census)(nil)

// Reset implements [Sink].
func (c *census) Reset() error {
	c.objects, c.mappers = nil, nil
	return nil
}

// Put implements [Sink].
func (c *census) Put(scope int, o Object) error {
	c.objects = append(identity.Grown(c.objects), c.trait(scope, o))
	return nil
}

// Replace implements [Sink].
func (c *census) Replace(n, scope int, o Object) error {
	c.objects[n] = trait{scope: none}
	if o != nil {
		c.objects[n] = c.trait(scope, o)
	}
	return nil
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
	t.primary = plainest(o, m.primary) != nil
	for _, name := range m.aliases {
		t.alias = t.alias || plainest(o, name) != nil
	}
	t.guid = !m.GUID(o).IsZero()
	return t
}

// tally counts the objects of a scope, and the entries among them.
type tally struct{ objects, entries, primary, alias, guid int }

func (c *census) counts() []tally {
	list := make([]tally, len(c.scopes))
	for _, t := range c.objects {
		if t.scope == none {
			continue
		}
		n := &list[t.scope]
		n.objects++
		if !t.entry {
			continue
		}
		n.entries++
		for _, has := range []struct {
			it bool
			n  *int
		}{{t.primary, &n.primary}, {t.alias, &n.alias}, {t.guid, &n.guid}} {
			if has.it {
				*has.n++
			}
		}
	}
	return list
}

func (n *tally) tell(s *Scope, k *doctor.Check) {
	finding := "of " + counted(n.entries, "entry", "entries")
	if s.PrimaryAttribute != "" {
		finding += fmt.Sprintf(", %d with %s", n.primary, s.PrimaryAttribute)
	}
	if len(s.AliasAttributes) > 0 {
		finding += fmt.Sprintf(", %d with %s", n.alias, strings.Join(s.AliasAttributes, " or "))
	}
	finding += fmt.Sprintf(", %d with a GUID", n.guid)
	objects := fmt.Sprintf("%s, %d with an address", counted(n.objects, "object", "objects"), n.entries)
	switch {
	case n.entries == 0:
		k.Warn("no entry with an address was found", "see whether base_dn and filter fit, and whether the account may read what is below base_dn", objects)
	case n.guid < n.entries:
		k.Warn(finding, "set guid_attribute to an attribute that every entry has and that stays when it is renamed: without, a renamed entry counts as a new one", objects)
	default:
		k.Pass(finding, objects)
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

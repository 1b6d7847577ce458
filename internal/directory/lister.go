package directory

import (
	"bytes"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/filter"
)

// Value reads a value of an attribute, which is named as objects are asked for it;
// "" where it is none.
type Value func(attribute string, value []byte) string

// AddressValue is a mail address without its prefix; what has another prefix than
// "smtp:" is none.
func AddressValue(_ string, value []byte) string {
	value = bytes.TrimSpace(value)
	if n := scheme(value); n > 0 {
		if !bytes.EqualFold(value[:n], []byte("smtp")) {
			return ""
		}
		value = bytes.TrimSpace(value[n+1:])
	}
	return string(value)
}

// GUIDValue is a GUID as [identity.GUID.String] writes it, of its text in any
// spelling or of its octets; in a [Scope.Keyspace] that of any text, as objects
// there have it.
func GUIDValue(keyspace string) Value {
	return func(attribute string, value []byte) string { return keyOf(keyspace, attribute, value).String() }
}

// TextValue is the value as it is, but for blanks around it.
func TextValue(_ string, value []byte) string { return string(bytes.TrimSpace(value)) }

// Lister is a [Sink] that collects the values of one attribute: of every object
// that is not deleted, the loser of a replication conflict, or a system mailbox.
type Lister struct {
	attribute string
	reads     []Value
	mapper    *Mapper
	objects   [][]string
	texts     compact.Slab[string]
	arena     compact.Arena
	values    []string
}

var _ Sink = (*Lister)(nil)

// NewLister returns the lister of a read of one scope, whose primary attribute it
// is that is collected. Each value is read in each way.
func NewLister(s *Scope, reads ...Value) *Lister {
	return &Lister{attribute: filter.AttributeName(s.PrimaryAttribute), reads: reads, mapper: NewMapper(s)}
}

// Reset implements [Sink].
func (l *Lister) Reset() error {
	l.objects = nil
	return nil
}

// Put implements [Sink].
func (l *Lister) Put(_ int, o Object) error {
	l.objects = append(compact.Grown(l.objects), l.of(o))
	return nil
}

// Replace implements [Sink].
func (l *Lister) Replace(n, _ int, o Object) error {
	l.objects[n] = nil
	if o != nil {
		l.objects[n] = l.of(o)
	}
	return nil
}

func (l *Lister) of(o Object) []string {
	l.values = l.values[:0]
	if l.mapper.Absent(o) != "" {
		return nil
	}
	for _, value := range o.Values(l.attribute) {
		for _, read := range l.reads {
			if text := read(l.attribute, value); text != "" {
				l.values = append(l.values, l.arena.String([]byte(strings.ToValidUTF8(text, "\uFFFD"))))
			}
		}
	}
	return l.texts.Copy(l.values)
}

// Values returns what was collected. The lister must not be used any more.
func (l *Lister) Values() []string {
	n := 0
	for _, values := range l.objects {
		n += len(values)
	}
	all := make([]string, 0, n)
	for _, values := range l.objects {
		all = append(all, values...)
	}
	l.objects = nil
	return all
}

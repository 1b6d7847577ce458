package ldif

import (
	"iter"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// record is one object of a file. It keeps the attributes that something
// reads, and is overwritten by the next record.
type record struct {
	name files.Name
	// line is that of the record's "dn:".
	line int
	// read is false for a record below no base, whose values are passed over.
	read bool
	// lines counts the attribute values, also those passed over.
	lines int
	// scope is what a snapshot says took the object, counted from 1, or 0.
	scope int

	attributes *attributes
	values     [][][]byte // by the numbers of attributes
	options    []optional
	buf        []byte // what values and the name point into
	dn         string
	texts      *compact.Arena
}

// optional is a value with options, such as ";lang-en": the number of its
// attribute, and its own there.
type optional struct {
	attribute, value int
	options          string
}

var _ files.Record = (*record)(nil)

// Name implements [files.Record].
func (r *record) Name() *files.Name { return &r.name }

// Line implements [files.Record].
func (r *record) Line() int { return r.line }

// Taker implements [files.Record].
func (r *record) Taker() int { return r.scope - 1 }

func (r *record) reset(line int) {
	r.line, r.read, r.lines, r.dn = line, false, 0, ""
	r.buf = r.buf[:0]
	r.options = r.options[:0]
	for i := range r.values {
		r.values[i] = r.values[i][:0]
	}
}

// DN implements [directory.Object]; the text stays valid.
func (r *record) DN() string {
	if r.dn == "" {
		r.dn = r.texts.String(r.name.Text)
	}
	return r.dn
}

// Values implements [directory.Object].
func (r *record) Values(attribute string) [][]byte {
	for i, name := range r.attributes.names {
		if name == attribute {
			return r.values[i]
		}
	}
	return nil
}

// Options implements [directory.Object].
func (r *record) Options(attribute string, n int) string {
	for _, o := range r.options {
		if o.value == n && r.attributes.names[o.attribute] == attribute {
			return o.options
		}
	}
	return ""
}

// Attributes implements [directory.Object].
func (r *record) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		for i, name := range r.attributes.names {
			plain, tagged := r.values[i], r.tagged(i)
			if len(tagged) > 0 {
				plain = nil
				for n, v := range r.values[i] {
					if !slices.ContainsFunc(tagged, func(o optional) bool { return o.value == n }) {
						plain = append(plain, v)
					}
				}
			}
			if len(plain) > 0 && !yield(name, plain) {
				return
			}
			for len(tagged) > 0 {
				var values [][]byte
				options := tagged[0].options
				for _, o := range tagged {
					if o.options == options {
						values = append(values, r.values[i][o.value])
					}
				}
				tagged = slices.DeleteFunc(tagged, func(o optional) bool { return o.options == options })
				if !yield(name+options, values) {
					return
				}
			}
		}
	}
}

// tagged returns a copy of what is known of the values of an attribute that have
// options.
func (r *record) tagged(attribute int) (list []optional) {
	for _, o := range r.options {
		if o.attribute == attribute {
			list = append(list, o)
		}
	}
	return list
}

// attributes numbers the attributes that something reads, so that they are
// found quickly among the many that a record has.
type attributes struct {
	names    []string // in lower case
	byLength [][]spelling
}

// spelling is a name of an attribute in lower case; an attribute may have others
// than the one by which it is read.
type spelling struct {
	name   string
	number int
}

// Numbers of what is no such attribute.
const (
	unread     = -1
	dnLine     = -2
	changeLine = -3
)

func newAttributes(names []string) *attributes {
	a := &attributes{names: names}
	a.add("dn", dnLine)
	a.add("changetype", changeLine)
	for i, name := range names {
		a.add(name, i)
	}
	// A name that is read for itself stands for nothing else.
	for i, name := range names {
		for _, other := range identity.OtherNames(name) {
			if a.find([]byte(other)) == unread {
				a.add(other, i)
			}
		}
	}
	return a
}

func (a *attributes) add(name string, number int) {
	for len(a.byLength) <= len(name) {
		a.byLength = append(a.byLength, nil)
	}
	a.byLength[len(name)] = append(a.byLength[len(name)], spelling{name, number})
}

func (a *attributes) find(name []byte) int {
	if len(name) >= len(a.byLength) {
		return unread
	}
	for _, s := range a.byLength[len(name)] {
		if equalFold(name, s.name) {
			return s.number
		}
	}
	return unread
}

// equalFold compares an attribute name with one of equal length in lower case.
func equalFold(name []byte, lower string) bool {
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// describe splits an attribute description into the length of its type and
// whether it is one at all (RFC 4512 section 2.5). Options may hold what servers
// write there, such as "range=0-1499".
func describe(description []byte) (typ int, ok bool) {
	for typ < len(description) && (files.TypeOctet(description[typ]) || description[typ] == '_') {
		typ++
	}
	for _, c := range description[typ:] {
		if c <= ' ' || c >= 0x7f {
			return 0, false
		}
	}
	return typ, typ > 0 && (typ == len(description) || description[typ] == ';')
}

// partial returns the range option of a description that stands for a part of
// the values (MS-ADTS section 3.1.1.3.1.3.3), or "".
func partial(options string) string {
	for option := range strings.SplitSeq(options, ";") {
		if option = strings.ToLower(option); strings.HasPrefix(option, "range=") && option != "range=0-*" {
			return option
		}
	}
	return ""
}

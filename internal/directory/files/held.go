package files

import (
	"iter"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Held is an object of which the attributes are held that something reads. A record of
// a format has one, and uses it for one object after the other.
type Held struct {
	// Buf is what values and the name may point into.
	Buf []byte

	name    Name
	names   *names
	values  [][][]byte // by the numbers of attributes
	options []optional
	dn      string
	texts   *compact.Arena
}

// optional is a value with options, such as ";lang-en": the number of its
// attribute, and its own there.
type optional struct {
	attribute, value int
	options          string
}

var _ directory.Object = (*Held)(nil)

// NewHeld holds attributes of these names, as of [identity.AttributeName]. Names of
// objects are kept in texts. [Held.Find] knows the reserved words.
func NewHeld(attributes []string, texts *compact.Arena, reserved ...string) Held {
	return Held{names: newNames(attributes, reserved), values: make([][][]byte, len(attributes)), texts: texts}
}

// Reset forgets the object.
func (h *Held) Reset() {
	h.dn, h.Buf, h.options = "", h.Buf[:0], h.options[:0]
	for i := range h.values {
		h.values[i] = h.values[i][:0]
	}
}

// SetName takes the name of the object, which stays in use, or fails if it is none.
func (h *Held) SetName(dn []byte) error { return h.name.Set(dn) }

// Name is that of the object.
func (h *Held) Name() *Name { return &h.name }

// Find returns the number of an attribute, in whatever letter case, and by its other
// names; [Unread] for one that is not held, and [Reserved] and less for the reserved words in their
// order.
func (h *Held) Find(name []byte) int { return h.names.find(name) }

// Add adds a value of the attribute with a number, which stays in use, with options as
// [directory.Options] keeps them, or "".
func (h *Held) Add(attribute int, options string, value []byte) {
	if options != "" {
		h.options = append(h.options, optional{attribute, len(h.values[attribute]), options})
	}
	h.values[attribute] = append(h.values[attribute], value)
}

// Numbers of what is no attribute that is held.
const (
	Unread   = -1
	Reserved = -2
)

// DN implements [directory.Object]; the text stays valid.
func (h *Held) DN() string {
	if h.dn == "" {
		h.dn = h.texts.String(h.name.Text)
	}
	return h.dn
}

// Values implements [directory.Object].
func (h *Held) Values(attribute string) [][]byte {
	for i, name := range h.names.list {
		if name == attribute {
			return h.values[i]
		}
	}
	return nil
}

// Options implements [directory.Object].
func (h *Held) Options(attribute string, n int) string {
	for _, o := range h.options {
		if o.value == n && h.names.list[o.attribute] == attribute {
			return o.options
		}
	}
	return ""
}

// Attributes implements [directory.Object].
func (h *Held) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		for i, name := range h.names.list {
			plain, tagged := h.values[i], h.tagged(i)
			if len(tagged) > 0 {
				plain = nil
				for n, v := range h.values[i] {
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
						values = append(values, h.values[i][o.value])
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
func (h *Held) tagged(attribute int) (list []optional) {
	for _, o := range h.options {
		if o.attribute == attribute {
			list = append(list, o)
		}
	}
	return list
}

// names number the attributes that something reads, so that they are
// found quickly among the many that a record has.
type names struct {
	list     []string // in lower case
	byLength [][]spelling
}

// spelling is a name of an attribute in lower case; an attribute may have others
// than the one by which it is read.
type spelling struct {
	name   string
	number int
}

func newNames(list, reserved []string) *names {
	a := &names{list: list}
	for i, word := range reserved {
		a.add(word, Reserved-i)
	}
	for i, name := range list {
		a.add(name, i)
	}
	// A name that is read for itself stands for nothing else.
	for i, name := range list {
		for _, other := range identity.OtherNames(name) {
			if a.find([]byte(other)) == Unread {
				a.add(other, i)
			}
		}
	}
	return a
}

func (a *names) add(name string, number int) {
	for len(a.byLength) <= len(name) {
		a.byLength = append(a.byLength, nil)
	}
	a.byLength[len(name)] = append(a.byLength[len(name)], spelling{name, number})
}

func (a *names) find(name []byte) int {
	if len(name) >= len(a.byLength) {
		return Unread
	}
	for _, s := range a.byLength[len(name)] {
		if equalFold(name, s.name) {
			return s.number
		}
	}
	return Unread
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

// Partial returns the range option of a description that stands for a part of
// the values (MS-ADTS section 3.1.1.3.1.3.3), or "".
func Partial(options string) string {
	for option := range strings.SplitSeq(options, ";") {
		if option = strings.ToLower(option); strings.HasPrefix(option, "range=") && option != "range=0-*" {
			return option
		}
	}
	return ""
}

package ldap

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// object is a search result entry. It keeps the attributes that were asked
// for, and is overwritten by the next one.
type object struct {
	wanted []string // attribute names in lower case, sorted
	names  []string // as the server writes them
	values [][][]byte
	ids    []string // see guidAttributes
	raw    []byte   // the DN
	dn     string
	texts  *compact.Arena
	// parts are the attributes of which only a range has come.
	parts []latePart
	// tags are the runs of values that have options.
	tags []tag
}

// tag says which options the values first to end of an attribute have.
type tag struct {
	attribute, first, end int
	options               string
}

var (
	_ directory.Object = (*object)(nil)
	_ directory.Keyed  = (*object)(nil)
)

func newObject(wanted, ids []string, texts *compact.Arena) *object {
	return &object{wanted: wanted, names: make([]string, len(wanted)), values: make([][][]byte, len(wanted)), ids: ids, texts: texts}
}

// set reads an entry, whose octets must stay as they are while it is used.
func (o *object) set(body []byte) error {
	for i := range o.values {
		o.values[i] = o.values[i][:0]
	}
	o.dn, o.parts, o.tags = "", o.parts[:0], o.tags[:0]
	var err error
	o.raw, err = parseEntry(body, o.attribute)
	return err
}

// complete adds the values that came later.
func (o *object) complete(parts []latePart) {
	o.parts = o.parts[:0]
	for _, p := range parts {
		o.values[p.index] = append(o.values[p.index], p.values...)
	}
}

func (o *object) attribute(description, values []byte) error {
	name, options, _ := bytes.Cut(description, []byte(";"))
	i := o.index(name)
	if i < 0 {
		return nil
	}
	if len(o.values[i]) == 0 && o.names[i] != string(name) {
		o.names[i] = string(name)
	}
	kept, deleted := "", false
	if len(options) > 0 {
		if kept, deleted = directory.Options(string(options)); deleted {
			return nil
		}
		_, first, next, _, err := attributeRange(string(description))
		if err != nil {
			return err
		}
		if first != 0 {
			return fmt.Errorf("the server sent the values %q without those before", description)
		}
		if next > 0 {
			o.parts = append(o.parts, latePart{attribute: o.wanted[i], index: i, next: next})
		}
	}
	var err error
	before := len(o.values[i])
	if o.values[i], err = appendOctets(o.values[i], values); kept != "" {
		o.tags = append(o.tags, tag{i, before, len(o.values[i]), kept})
	}
	return err
}

// attributeRange splits an attribute description into its name, in lower
// case, and what its option "range=low-high" says (MS-ADTS section
// 3.1.1.3.1.3.3): next is the number of the first value behind the range, or 0
// without one; last is true for the last range, "low-*".
func attributeRange(description string) (name string, first, next int, last bool, err error) {
	name, options, _ := strings.Cut(strings.ToLower(description), ";")
	for option := range strings.SplitSeq(options, ";") {
		bounds, found := strings.CutPrefix(option, "range=")
		if !found {
			continue
		}
		low, high, _ := strings.Cut(bounds, "-")
		from, err := strconv.ParseUint(low, 10, 31)
		if err == nil && high == "*" {
			return name, int(from), 0, true, nil
		}
		to, errHigh := strconv.ParseUint(high, 10, 31)
		if err != nil || errHigh != nil || to < from {
			return "", 0, 0, false, fmt.Errorf("the server sent the values %q, whose range cannot be read", description)
		}
		return name, int(from), int(to) + 1, false, nil
	}
	return name, 0, 0, false, nil
}

// index returns the number of an attribute that is wanted, or -1.
func (o *object) index(name []byte) int {
wanted:
	for i, want := range o.wanted {
		if len(want) != len(name) {
			continue
		}
		for j, c := range name {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			if want[j] != c {
				continue wanted
			}
		}
		return i
	}
	if identity.PlainType(name) {
		return -1
	}
	return slices.Index(o.wanted, identity.AttributeName(string(name)))
}

// DN implements [directory.Object]; the text stays valid.
func (o *object) DN() string {
	if o.dn == "" {
		o.dn = o.texts.String(o.raw)
	}
	return o.dn
}

// Values implements [directory.Object].
func (o *object) Values(name string) [][]byte {
	for i, want := range o.wanted {
		if want == name {
			return o.values[i]
		}
	}
	return nil
}

// Options implements [directory.Object].
func (o *object) Options(name string, n int) string {
	for _, t := range o.tags {
		if n >= t.first && n < t.end && o.wanted[t.attribute] == name {
			return t.options
		}
	}
	return ""
}

// Attributes implements [directory.Object].
func (o *object) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		for i, values := range o.values {
			at := 0
			for _, t := range o.tags {
				if t.attribute != i {
					continue
				}
				if at < t.first && !yield(o.names[i], values[at:t.first]) || !yield(o.names[i]+t.options, values[t.first:t.end]) {
					return
				}
				at = t.end
			}
			if at < len(values) && !yield(o.names[i], values[at:]) {
				return
			}
		}
	}
}

// guidAttributes returns the attributes that identify objects, of which the
// first counts that an object has: that of Active Directory, or those of RFC
// 4530 and 389 Directory Server. Servers alone set these; elsewhere objectGUID
// is an attribute like any other, and two objects may have the same.
func guidAttributes(ad bool) []string {
	if ad {
		return []string{"objectguid"}
	}
	return []string{"entryuuid", "nsuniqueid"}
}

// guid returns what identifies the object through renames, or zeros.
func (o *object) guid() identity.GUID { return idOf(o.ids, o.Values) }

// Key implements [directory.Keyed].
func (o *object) Key() identity.GUID { return o.guid() }

func idOf(ids []string, values func(name string) [][]byte) identity.GUID {
	for _, name := range ids {
		for _, v := range values(name) {
			g, err := identity.WireGUID(v)
			if len(v) != 16 {
				g, err = identity.ParseGUID(string(v))
			}
			if err == nil && !g.IsZero() {
				return g
			}
		}
	}
	return identity.GUID{}
}

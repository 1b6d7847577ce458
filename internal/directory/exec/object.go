package exec

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// line is what one line of a connector says. What it does not say is nil, false or "".
type line struct {
	connector.Line
	// Object is set where the line is an object, which the decoder has until the next
	// line.
	Object bool
	// Attributes is set where it has attributes, and no dn.
	Attributes bool
	// Objects and Complete end objects.
	Objects  *int64
	Complete bool
	// Error is what went wrong with the request.
	Error *Error
}

// object is one that a connector has sent. Its texts are valid until the next line.
type object struct {
	files.Held
	number int // in the order of the answer, from 1
	// odd is what is wrong with its DN.
	odd error
}

var _ files.Record = (*object)(nil)

// Line implements [files.Record]: it is the number of the object.
func (o *object) Line() int { return o.number }

// Taker implements [files.Record].
func (o *object) Taker() int { return -1 }

// decoder reads lines into one object.
type decoder struct {
	object object
	// deleted is the number of the attribute that marks deleted objects.
	deleted int
}

// Options of the attribute that marks deleted objects, and its value.
var (
	isDeleted = []byte("isDeleted")
	isTrue    = []byte("TRUE")
)

// holding makes the decoder hold these attributes of objects, which are named as by
// [identity.AttributeName]. Names of objects are kept with those of the selection.
func (d *decoder) holding(attributes []string, sel *files.Selection) {
	d.object = object{Held: files.NewHeld(attributes, &sel.Texts)}
	d.deleted = d.object.Find(isDeleted)
}

// line reads one line, without its newline. An error says why it is no message.
func (d *decoder) line(text []byte) (line, error) {
	if err := connector.CheckUTF8(text); err != nil {
		return line{}, err
	}
	if l, ok := d.plain(text); ok {
		return l, nil
	}
	return d.any(text)
}

// The keys of an object, as bits of those that were met.
const (
	haveID = 1 << iota
	haveDN
	haveAttributes
	haveDeleted
)

// plain reads an object that has nothing twice. Any other line is left to any, which
// agrees with this one on what both understand.
func (d *decoder) plain(text []byte) (line, bool) {
	s := connector.Scanner{Rest: text}
	if !s.Is('{') {
		return line{}, false
	}
	d.object.Reset()
	var id int64
	var dn []byte
	met, deleted := 0, false
	// once notes a key, and reports whether it is met for the first time.
	once := func(key int) bool {
		first := met&key == 0
		met |= key
		return first
	}
	for n := 0; !s.Is('}'); n++ {
		if n > 0 && !s.Is(',') {
			return line{}, false
		}
		key, ok := s.Text()
		if !ok || !s.Is(':') {
			return line{}, false
		}
		switch string(key) {
		case "id":
			if id, ok = s.Number(); ok {
				ok = once(haveID)
			}
		case "dn":
			if dn, ok = s.Text(); ok {
				ok = once(haveDN)
			}
		case "attributes":
			ok = once(haveAttributes) && d.attributes(&s)
		case "deleted":
			if deleted = s.Lit("true"); deleted || s.Lit("false") {
				ok = once(haveDeleted)
			} else {
				ok = false
			}
		case "objects", "complete", "error", "progress", "protocol", "name", "version", "facts", "findings":
			ok = false
		default:
			ok = s.Skip()
		}
		if !ok {
			return line{}, false
		}
	}
	s.Space()
	if len(s.Rest) > 0 || met&haveID == 0 || met&haveDN == 0 {
		return line{}, false
	}
	d.end(dn, deleted)
	return line{Line: connector.Line{ID: id}, Object: true}, true
}

// end names an object whose attributes are read.
func (d *decoder) end(dn []byte, deleted bool) {
	if deleted && d.deleted >= 0 {
		d.object.Add(d.deleted, "", isTrue)
	}
	d.object.odd = d.object.SetName(dn)
}

// attributes reads those of an object that are held: lists of texts. Attributes whose
// names differ in letter case alone are one.
func (d *decoder) attributes(s *connector.Scanner) bool {
	if !s.Is('{') {
		return false
	}
	for n := 0; !s.Is('}'); n++ {
		if n > 0 && !s.Is(',') {
			return false
		}
		name, ok := s.Text()
		if !ok || !s.Is(':') {
			return false
		}
		options, none := "", false
		if i := bytes.IndexByte(name, ';'); i >= 0 {
			text := string(name[i:])
			if files.Partial(text) != "" {
				return false
			}
			options, none = directory.Options(text)
			name = name[:i]
		}
		number := d.object.Find(name)
		if none {
			number = files.Unread
		}
		if !d.values(s, number, options) {
			return false
		}
	}
	return true
}

// values reads a list of texts, or null, as those of an attribute.
func (d *decoder) values(s *connector.Scanner, number int, options string) bool {
	if s.Lit("null") {
		return true
	}
	if !s.Is('[') {
		return false
	}
	for n := 0; !s.Is(']'); n++ {
		if n > 0 && !s.Is(',') {
			return false
		}
		value, ok := s.Text()
		if !ok {
			return false
		}
		if number >= 0 {
			d.object.Add(number, options, value)
		}
	}
	return true
}

// any reads every line.
func (d *decoder) any(text []byte) (l line, err error) {
	m := connector.NewMembers(text)
	if m.Err != nil {
		return l, m.Err
	}
	common, id := m.Line()
	l.Line = common
	l.Objects = m.Number("objects")
	m.Value("complete", &l.Complete, "true or false")
	var said struct {
		Code, Message string
		RetryAfter    float64 `json:"retry_after"`
	}
	if m.Value("error", &said, "an object with code and message") {
		l.Error = &Error{Code: said.Code, Message: said.Message, RetryAfter: connector.Seconds(said.RetryAfter)}
	}
	dn := m.Text("dn")
	var deleted bool
	m.Value("deleted", &deleted, "true or false")
	attributes := m.Raw["attributes"]
	l.Object, l.Attributes = dn != nil, dn == nil && !connector.Absent(attributes)
	switch {
	case m.Err != nil:
		return l, m.Err
	case !id:
		return l, connector.ErrNoID
	case !l.Object:
		return l, nil
	}
	d.object.Reset()
	if !connector.Absent(attributes) && !d.attributes(&connector.Scanner{Rest: attributes}) {
		return l, oddAttributes(attributes)
	}
	d.end([]byte(*dn), deleted)
	return l, nil
}

// oddAttributes says what is wrong with attributes that are valid JSON.
func oddAttributes(raw json.RawMessage) error {
	all, err := connector.OptionalObject(raw)
	if err != nil {
		return fmt.Errorf(`"attributes" %w`, err)
	}
	for _, name := range connector.SortedKeys(all) {
		if i := bytes.IndexByte([]byte(name), ';'); i >= 0 {
			if part := files.Partial(name[i:]); part != "" {
				return fmt.Errorf("attribute %s has a part of its values alone", connector.Quote(name))
			}
		}
		list, err := connector.List(all[name])
		if err != nil {
			return fmt.Errorf("attribute %s %w", connector.Quote(name), err)
		}
		for _, value := range list {
			if value[0] != '"' {
				return fmt.Errorf("a value of attribute %s is %s, where a string is expected", connector.Quote(name), connector.Kind(value))
			}
		}
	}
	return fmt.Errorf(`"attributes" cannot be read`)
}

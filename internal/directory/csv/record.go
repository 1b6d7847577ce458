package csv

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// record is the object of a row. It keeps the attributes that something reads, and
// is overwritten by the next one.
type record struct {
	name files.Name
	line int
	// attributes are the names by which objects are asked, values theirs.
	attributes []string
	values     [][][]byte
	buf        []byte // the name
	dn         string
	texts      *compact.Arena
}

var _ files.Record = (*record)(nil)

// Name implements [files.Record].
func (r *record) Name() *files.Name { return &r.name }

// Line implements [files.Record].
func (r *record) Line() int { return r.line }

// Taker implements [files.Record].
func (r *record) Taker() int { return -1 }

// DN implements [directory.Object]; the text stays valid.
func (r *record) DN() string {
	if r.dn == "" {
		r.dn = r.texts.String(r.name.Text)
	}
	return r.dn
}

// Values implements [directory.Object].
func (r *record) Values(attribute string) [][]byte {
	for i, name := range r.attributes {
		if name == attribute {
			return r.values[i]
		}
	}
	return nil
}

// Options implements [directory.Object].
func (r *record) Options(string, int) string { return "" }

// Attributes implements [directory.Object].
func (r *record) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		for i, name := range r.attributes {
			if len(r.values[i]) > 0 && !yield(name, r.values[i]) {
				return
			}
		}
	}
}

// read makes the record of a row, whose cells it points into.
func (r *record) read(line int, cells [][]byte, l *layout, separator string) error {
	r.line, r.dn = line, ""
	for i, n := range l.number {
		if n >= 0 {
			r.values[n] = appendValues(r.values[n][:0], bytes.TrimSpace(cells[i]), separator)
			if l.guid[n] && len(r.values[n]) > 1 {
				return files.Advise(fmt.Sprintf("the cell of %q has %d values, and one identifies the object", l.columns[i].header, len(r.values[n])),
					fmt.Sprintf("leave one of them, or name in separator another text than %q, if that is a part of the value", separator))
			}
		}
	}
	r.buf = r.buf[:0]
	for i, column := range l.id {
		value := bytes.TrimSpace(cells[column])
		if len(value) == 0 {
			return files.Advise(fmt.Sprintf("the cell of %q is empty, of which the DN is made", l.columns[column].header), `fill it, or name columns that every row has a value of, as in id = ["EmployeeID"]`)
		}
		if l.isDN {
			r.buf = append(r.buf, value...)
			break
		}
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		r.buf = append(append(r.buf, l.types[i]...), '=')
		r.buf = appendEscaped(r.buf, value)
	}
	if err := r.name.Set(r.buf); err != nil {
		return files.Advise(err.Error(), `write DNs as RFC 4514 has them, as in "CN=Smith\\, Ann,OU=Staff,DC=example", or name other columns, as in id = ["EmployeeID"]`)
	}
	return nil
}

// appendEscaped appends a value of a DN (RFC 4514 section 2.4). It has no white
// space at its ends.
func appendEscaped(b, value []byte) []byte {
	for i, c := range value {
		switch {
		case c < ' ':
			b = fmt.Appendf(b, `\%02x`, c)
		case strings.IndexByte(`,+"\<>;=`, c) >= 0, c == '#' && i == 0:
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendValues splits a cell at the separator. One behind a backslash separates
// nothing, nor does one within an X.400 address, whose parts have an equals sign:
// "X400:c=US;a= ;p=Corp;;ann@example.com" are two values.
func appendValues(values [][]byte, cell []byte, separator string) [][]byte {
	x400 := -1 // the beginning of such an address
	for start, from := 0, 0; start < len(cell); {
		end := len(cell)
		if n := bytes.Index(cell[from:], []byte(separator)); n >= 0 {
			end = from + n
			if escaped(cell[start:end]) {
				from = end + len(separator)
				continue
			}
		}
		value := bytes.TrimSpace(cell[start:end])
		switch {
		case x400 >= 0 && ofX400(value):
			values[len(values)-1] = cell[x400:end]
		case len(value) > 0:
			if x400 = -1; len(value) > 5 && bytes.EqualFold(value[:5], []byte("X400:")) {
				x400 = start
			}
			values = append(values, octets(value))
		}
		start = end + len(separator)
		from = start
	}
	return values
}

// escaped reports whether a text ends with a backslash that no other one escapes.
func escaped(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 1
}

// ofX400 reports whether a text can be a part of an X.400 address, as in "c=US", or
// what is behind its last one.
func ofX400(text []byte) bool {
	key, _, part := bytes.Cut(text, []byte{'='})
	return len(text) == 0 || part && len(key) > 0 && !bytes.ContainsAny(key, ":@")
}

// octets decodes the form in which csvde writes octets, X'8c4ac332', and returns
// any other value as it is.
func octets(value []byte) []byte {
	if len(value) < 5 || len(value)%2 == 0 || value[0] != 'X' || value[1] != '\'' || value[len(value)-1] != '\'' {
		return value
	}
	decoded := make([]byte, (len(value)-3)/2)
	if _, err := hex.Decode(decoded, value[2:len(value)-1]); err != nil {
		return value
	}
	return decoded
}

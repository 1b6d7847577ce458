package identity

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
)

// RowWriter writes accounts in a short binary form, for a [RowReader]. Texts stand with
// their lengths before them, names of directories and attributes by their numbers. It is
// for caches alone: the form may change with any version.
type RowWriter struct {
	numbers map[string]int
	names   []string
}

// The first octet of a row.
const (
	rowList = 1 << iota
	rowInactive
	rowOwned // a GUID follows
)

// Append appends an account.
func (w *RowWriter) Append(b []byte, a *Account) []byte {
	var first byte
	if a.Type == List {
		first |= rowList
	}
	if a.Status == Inactive {
		first |= rowInactive
	}
	if !a.GUID.IsZero() {
		first |= rowOwned
	}
	b = AppendText(append(b, first), a.Primary.text)
	b = binary.AppendUvarint(b, uint64(len(a.Aliases)))
	for _, x := range a.Aliases {
		b = AppendText(b, x.text)
	}
	b = binary.AppendUvarint(b, uint64(w.number(a.Directory)))
	if first&rowOwned != 0 {
		b = append(b, a.GUID[:]...)
	}
	b = AppendText(AppendText(b, a.Username), a.DN)
	b = binary.AppendUvarint(b, uint64(len(a.Attributes)))
	for i := range a.Attributes {
		b = binary.AppendUvarint(b, uint64(w.number(a.Attributes[i].Name)))
		b = AppendText(b, a.Attributes[i].Value)
	}
	return b
}

// number is that of a name. There are few, of which the first are the usual ones.
func (w *RowWriter) number(name string) int {
	const few = 8
	for n, known := range w.names[:min(few, len(w.names))] {
		if known == name {
			return n
		}
	}
	n, known := w.numbers[name]
	if !known {
		if w.numbers == nil {
			w.numbers = map[string]int{}
		}
		n = len(w.names)
		w.numbers[name] = n
		w.names = append(w.names, name)
	}
	return n
}

// AppendNames appends the names of the rows that were written since, and begins anew.
func (w *RowWriter) AppendNames(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(w.names)))
	for _, name := range w.names {
		b = AppendText(b, name)
	}
	w.numbers, w.names = nil, nil
	return b
}

// AppendText appends a text with its length before it.
func AppendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// ErrRows is the error of rows that no [RowWriter] has written.
var ErrRows = errors.New("the rows are damaged")

// RowReader reads what a [RowWriter] has written. What it reads was checked when it was
// written, and has to be known to be the same since, as by a checksum: nothing of it is
// checked again but that it can be read. Texts are parts of the one that is read. The zero
// RowReader is ready to use, by one goroutine at a time.
type RowReader struct {
	text      string
	at        int
	bad       bool
	names     []string
	known     map[string]string
	addresses compact.Slab[Address]
	attrs     compact.Slab[Attribute]

	addressBuf []Address
	attrBuf    []Attribute
}

// Reset begins with other rows, and the names in them.
func (r *RowReader) Reset(rows, names string) {
	r.text, r.at, r.bad = names, 0, false
	if r.known == nil {
		r.known = map[string]string{}
	}
	r.names = r.names[:0]
	for range r.count() {
		name := r.Text()
		one, known := r.known[name]
		if !known {
			one = strings.Clone(name)
			r.known[one] = one
		}
		r.names = append(r.names, one)
	}
	r.bad = r.bad || r.at < len(names)
	r.text, r.at = rows, 0
}

// Err is [ErrRows] if something could not be read.
func (r *RowReader) Err() error {
	if r.bad {
		return ErrRows
	}
	return nil
}

// Done reports whether everything was read, or something could not be.
func (r *RowReader) Done() bool { return r.bad || r.at == len(r.text) }

// Byte reads an octet.
func (r *RowReader) Byte() byte {
	if r.bad || r.at >= len(r.text) {
		r.bad = true
		return 0
	}
	r.at++
	return r.text[r.at-1]
}

// Number reads a number that is not negative.
func (r *RowReader) Number() uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		c := r.Byte()
		if shift > 63 || r.bad {
			r.bad = true
			return 0
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

// count reads how many of something follow, each of which takes an octet at least.
func (r *RowReader) count() int {
	n := r.Number()
	if n > uint64(len(r.text)-r.at) {
		r.bad = true
		return 0
	}
	return int(n)
}

// Text reads a text.
func (r *RowReader) Text() string {
	n := r.count()
	start := r.at
	r.at += n
	return r.text[start:r.at]
}

func (r *RowReader) name() string {
	n := r.Number()
	if n >= uint64(len(r.names)) {
		r.bad = true
		return ""
	}
	return r.names[n]
}

// Account reads an account.
func (r *RowReader) Account() (a Account) {
	first := r.Byte()
	if first&rowList != 0 {
		a.Type = List
	}
	if first&rowInactive != 0 {
		a.Status = Inactive
	}
	a.Primary = Address{r.Text()}
	r.addressBuf = r.addressBuf[:0]
	for range r.count() {
		r.addressBuf = append(r.addressBuf, Address{r.Text()})
	}
	a.Aliases = r.addresses.Copy(r.addressBuf)
	a.Directory = r.name()
	if first&rowOwned != 0 {
		if r.at+len(a.GUID) > len(r.text) {
			r.bad = true
			return a
		}
		r.at += copy(a.GUID[:], r.text[r.at:])
	}
	a.Username, a.DN = r.Text(), r.Text()
	r.attrBuf = r.attrBuf[:0]
	for range r.count() {
		name := r.name()
		r.attrBuf = append(r.attrBuf, Attribute{name, r.Text()})
	}
	a.Attributes = r.attrs.Copy(r.attrBuf)
	return a
}

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
	return w.appendAttributes(b, a.Attributes)
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

// AppendNames appends the names of the rows that were written before it to the same
// text, and begins anew.
func (w *RowWriter) AppendNames(b []byte) []byte {
	begin := len(b)
	b = binary.AppendUvarint(b, uint64(len(w.names)))
	for _, name := range w.names {
		b = AppendText(b, name)
	}
	w.numbers, w.names = nil, nil
	return binary.LittleEndian.AppendUint32(b, uint32(len(b)-begin))
}

// AppendEntry appends an entry.
func (w *RowWriter) AppendEntry(b []byte, e *Entry) []byte {
	var first byte
	if e.Type == List {
		first |= rowList
	}
	if !e.GUID.IsZero() {
		first |= rowOwned
	}
	b = append(b, first)
	if first&rowOwned != 0 {
		b = append(b, e.GUID[:]...)
	}
	b = AppendText(AppendText(b, e.DN), e.Username)
	for _, list := range [...][]string{e.Primaries, e.Mail, e.Aliases} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, text := range list {
			b = AppendText(b, text)
		}
	}
	b = binary.AppendUvarint(b, uint64(e.Scope))
	return w.appendAttributes(b, e.Attributes)
}

func (w *RowWriter) appendAttributes(b []byte, attrs []Attribute) []byte {
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	for i := range attrs {
		b = binary.AppendUvarint(b, uint64(w.number(attrs[i].Name)))
		b = AppendText(b, attrs[i].Value)
	}
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

	texts compact.Slab[string]

	addressBuf []Address
	attrBuf    []Attribute
	textBuf    []string
}

// Reset begins with another text of rows, and the names behind them.
func (r *RowReader) Reset(text string) {
	rows, names := "", ""
	r.bad = true
	if end := len(text) - 4; end >= 0 {
		if n := int(binary.LittleEndian.Uint32([]byte(text[end:]))); n <= end {
			rows, names, r.bad = text[:end-n], text[end-n:end], false
		}
	}
	r.text, r.at = names, 0
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
		a.GUID = r.GUID()
	}
	a.Username, a.DN = r.Text(), r.Text()
	a.Attributes = r.attributes()
	return a
}

// Entry reads an entry.
func (r *RowReader) Entry() (e Entry) {
	first := r.Byte()
	if first&rowList != 0 {
		e.Type = List
	}
	if first&rowOwned != 0 {
		e.GUID = r.GUID()
	}
	e.DN, e.Username = r.Text(), r.Text()
	e.Primaries, e.Mail, e.Aliases = r.list(), r.list(), r.list()
	e.Scope = int32(r.Number())
	e.Attributes = r.attributes()
	return e
}

// GUID reads a GUID.
func (r *RowReader) GUID() (g GUID) {
	if r.at+len(g) > len(r.text) {
		r.bad = true
		return g
	}
	r.at += copy(g[:], r.text[r.at:])
	return g
}

func (r *RowReader) list() []string {
	r.textBuf = r.textBuf[:0]
	for range r.count() {
		r.textBuf = append(r.textBuf, r.Text())
	}
	return r.texts.Copy(r.textBuf)
}

func (r *RowReader) attributes() []Attribute {
	r.attrBuf = r.attrBuf[:0]
	for range r.count() {
		name := r.name()
		r.attrBuf = append(r.attrBuf, Attribute{name, r.Text()})
	}
	return r.attrs.Copy(r.attrBuf)
}

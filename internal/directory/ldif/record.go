package ldif

import (
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// record is one object of a file. It is overwritten by the next record.
type record struct {
	files.Held
	// line is that of the record's "dn:".
	line int
	// read is false for a record below no base, whose values are passed over.
	read bool
	// lines counts the attribute values, also those passed over.
	lines int
	// scope is what a snapshot says took the object, counted from 1, or 0.
	scope int
}

// Numbers of lines that are no attributes.
const (
	dnLine     = files.Reserved
	changeLine = files.Reserved - 1
)

var _ files.Record = (*record)(nil)

// Line implements [files.Record].
func (r *record) Line() int { return r.line }

// Taker implements [files.Record].
func (r *record) Taker() int { return r.scope - 1 }

func (r *record) reset(line int) {
	r.Reset()
	r.line, r.read, r.lines = line, false, 0
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

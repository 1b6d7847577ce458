package ldif

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// writer makes records of objects, one value a line: lines are not folded, so
// that tools which compare lines show whole values. Servers keep no order of
// values, so they are sorted.
type writer struct {
	name   files.Name
	dn     []byte
	values [][]byte
}

// appendRecord appends an object and the blank line behind it. What a reader
// of LDIF would not take, or would take for something else, is an error.
func (w *writer) appendRecord(b []byte, o directory.Object) ([]byte, error) {
	w.dn = append(w.dn[:0], o.DN()...)
	if err := w.name.Set(w.dn); err != nil {
		return b, err
	}
	b, err := appendLine(b, "dn", w.dn)
	if err != nil {
		return b, err
	}
	for name, values := range o.Attributes() {
		if n, ok := describe([]byte(name)); !ok || strings.EqualFold(name[:n], "dn") || strings.EqualFold(name[:n], "changetype") {
			return b, fmt.Errorf("%q: %q is not the name of an attribute", w.dn, name)
		}
		w.values = append(w.values[:0], values...)
		slices.SortFunc(w.values, bytes.Compare)
		for _, v := range w.values {
			if b, err = appendLine(b, name, v); err != nil {
				return b, fmt.Errorf("%q: %w", w.dn, err)
			}
		}
	}
	return append(b, '\n'), nil
}

// appendLine appends an attribute's value: as it is where that is printable
// ASCII that nothing mistakes (RFC 2849), else in Base64.
func appendLine(b []byte, name string, value []byte) ([]byte, error) {
	start := len(b)
	b = append(append(b, name...), ':')
	switch {
	case len(value) == 0:
	case plain(value):
		b = append(append(b, ' '), value...)
	default:
		b = base64.StdEncoding.AppendEncode(append(b, ": "...), value)
	}
	if len(b)-start > maxLine {
		return b[:start], fmt.Errorf("%s: a value of %d octets is too long to be kept", name, len(value))
	}
	return append(b, '\n'), nil
}

func plain(value []byte) bool {
	if c := value[0]; c == ' ' || c == ':' || c == '<' || value[len(value)-1] == ' ' {
		return false
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

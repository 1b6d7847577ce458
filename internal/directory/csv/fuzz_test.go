package csv

import (
	"bytes"
	encoding "encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// cells returns the rows of a text until its end or its first fault.
func cells(in io.Reader, separator byte) (all [][]string, err error) {
	r := newRows(in, utf8Name)
	r.buf, r.separator = make([]byte, 8), separator
	for {
		row, err := r.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		var texts []string
		for _, cell := range row {
			texts = append(texts, strings.ReplaceAll(string(cell), "\r\n", "\n"))
		}
		all = append(all, texts)
	}
}

// FuzzRows: what is taken for CSV is what the standard library takes it for, in
// whatever portions it arrives, and a text that is cut anywhere but behind a row is
// not taken.
func FuzzRows(f *testing.F) {
	for _, text := range []string{"a,b\n1,2\n", "a;b\r\n\"1\";\"x\"\"y\r\nz\"\r\n", "\"", "a\"b\n", "\"a\"b\n", "a\rb\n", "a\tb\n\n\t\n", "ü,\"\"\n", "\"\"\"\"\n,\n"} {
		f.Add(text, byte(';'))
	}
	f.Fuzz(func(t *testing.T, text string, separator byte) {
		if separator != ',' && separator != ';' && separator != '\t' {
			separator = ','
		}
		got, err := cells(strings.NewReader(text), separator)
		if again, err2 := cells(iotest.OneByteReader(strings.NewReader(text)), separator); !cmp.Equal(got, again) || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("in portions: %q, %v, not %q, %v", again, err2, got, err)
		}
		if err != nil {
			if fault := (*files.Fault)(nil); !errors.As(err, &fault) || fault.Line < 1 || fault.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		reader := encoding.NewReader(strings.NewReader(text))
		reader.Comma, reader.FieldsPerRecord = rune(separator), -1
		want, err := reader.ReadAll()
		if err != nil {
			t.Fatalf("%q is taken, and is no CSV: %v", text, err)
		}
		// The library passes over blank lines.
		var rows [][]string
		for _, row := range got {
			if len(row) > 1 || row[0] != "" || strings.Contains(text, `""`) {
				rows = append(rows, row)
			}
		}
		if !strings.Contains(text, `""`) {
			if diff := cmp.Diff(want, rows); diff != "" && len(want)+len(rows) > 0 {
				t.Fatalf("%q: (-want +got)\n%s", text, diff)
			}
		}
		if cut := strings.TrimRight(text, "\r\n"); cut != "" {
			if rows, err := cells(strings.NewReader(cut), separator); err == nil {
				t.Fatalf("%q is cut, and is taken as %q", cut, rows)
			}
		}
	})
}

// FuzzRead: no file makes a read fail without a line, or names that are none.
func FuzzRead(f *testing.F) {
	f.Add([]byte("id,mail\n1,a@x.example\n"), "id", "")
	f.Add([]byte("\xff\xfei\x00d\x00,\x00m\x00a\x00i\x00l\x00\n\x001\x00,\x00x\x00\n\x00"), "", "windows-1252")
	f.Add([]byte("sep=;\nDN;id;mail\nCN=\\#a;X'00';\"a;X400:b=;c\"\n"), "DN", "ibm850")
	f.Fuzz(func(t *testing.T, text []byte, id, encoding string) {
		o := Options{Separator: ";"}
		if id != "" {
			o.ID = strings.Fields(id)
		}
		for _, p := range codePages {
			if p.name == encoding {
				o.Encoding = encoding
			}
		}
		scopes := []directory.Scope{people()}
		sel, err := files.NewSelection(scopes)
		if err != nil {
			t.Fatal(err)
		}
		r := open(&o)(bytes.NewReader(text), &files.Wanted{Selection: sel, Attributes: sel.Attributes})
		mapper := directory.NewMapper(&scopes[0])
		for {
			rec, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				if fault := (*files.Fault)(nil); !errors.As(err, &fault) || fault.Line < 1 {
					t.Fatalf("%v", err)
				}
				return
			}
			if _, err := identity.ParseDN(rec.DN()); err != nil {
				t.Fatal(err)
			}
			mapper.Entry(rec)
			for _, values := range rec.Attributes() {
				for _, v := range values {
					if len(v) == 0 {
						t.Fatal("an empty value")
					}
				}
			}
		}
	})
}

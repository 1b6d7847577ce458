// Package csv reads directories from CSV files (RFC 4180), as systems for human
// resources, Entra ID, Intune, Google Workspace and csvde export them.
//
// The first row names attributes, by [AttributeName]; each other row is an object,
// and each of its cells the values of one attribute. An empty cell is an attribute
// that the object has not. The columns of an id make the DN, from the leaf up:
//
//	id = ["EmployeeID", "Company"]    EmployeeID=4711,Company=Contoso
//	id = ["DN"]                       CN=Ann,OU=Staff,DC=example
//
// Commas, semicolons or tabs separate the cells, whichever the header has, and the
// encoding is found by the first octets, or named. A file of which a part may be
// missing is refused: one that ends within a row, a row with more or fewer cells
// than the header, an id that two rows have, a column that a scope cannot do
// without.
package csv

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// Options say how files are read, beside what they say themselves.
type Options struct {
	// ID are the columns that make the DN of an object, from the leaf up; none are
	// the first column. One called DN or distinguishedName holds the DN.
	ID []string
	// Separator separates the values of a cell; "" is a semicolon.
	Separator string
	// Encoding is the code page of files without the marks of UTF-8 and UTF-16, by
	// its name of IANA; "" is UTF-8.
	Encoding string
}

// New returns the directory of this label. The patterns are paths, or globs as
// in [filepath.Match]; no file is touched before they are read.
func New(label string, patterns []string, o Options) *files.Source {
	o.Separator = cmp.Or(o.Separator, ";")
	return files.New(label, patterns, open(&o))
}

func open(o *Options) files.Format {
	return func(file io.Reader, want *files.Wanted) files.Records {
		if want.Seen == nil { // of a file that is read alone
			want.Seen = &files.Seen{}
		}
		return &records{
			file: file, options: o, want: want,
			record: record{attributes: want.Attributes, values: make([][][]byte, len(want.Attributes)), texts: &want.Texts},
		}
	}
}

// records are those of a file.
type records struct {
	file    io.Reader
	options *Options
	want    *files.Wanted
	about   files.About

	text   *text
	rows   *rows
	layout *layout
	record record
	key    []byte
}

// seed is that of the hashes of DNs, by which objects are known in the files of a read.
var seed = maphash.MakeSeed()

var _ files.Records = (*records)(nil)

// About implements [files.Records].
func (r *records) About() *files.About { return &r.about }

// Next implements [files.Records].
func (r *records) Next() (files.Record, error) {
	if r.rows == nil {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	for {
		cells, err := r.rows.next()
		switch {
		case err == io.EOF && r.text.raw != nil && r.text.raw.isUTF8():
			return nil, files.At(1, files.Advise("the whole file is UTF-8, and encoding says "+r.text.encoding, "take the attribute encoding out of the directory block"))
		case err != nil:
			return nil, err
		}
		line := r.rows.line
		switch {
		case !slices.ContainsFunc(cells, func(cell []byte) bool { return len(cell) > 0 }):
			continue // as spreadsheets write empty rows
		case len(cells) != len(r.layout.columns):
			return nil, files.At(line, r.uneven(len(cells)))
		}
		if r.layout.isHeader(cells) {
			return nil, files.At(line, files.Advise("the row is the header once more: exports were put one behind the other", "export into one file, or name several in path"))
		}
		if err := r.record.read(line, cells, r.layout, r.options.Separator); err != nil {
			return nil, files.At(line, err)
		}
		if err := r.unique(); err != nil {
			return nil, files.At(line, err)
		}
		return &r.record, nil
	}
}

// begin reads what stands before the first row of objects.
func (r *records) begin() error {
	text, err := decode(r.file, r.options.Encoding)
	if err != nil {
		return err
	}
	r.text, r.rows = text, newRows(text, text.encoding)
	header, err := r.rows.row()
	if err == nil && bytes.HasPrefix(header, []byte("#TYPE ")) {
		// The Export-Csv of PowerShell names the type of its objects first.
		header, err = r.rows.row()
	}
	var separator byte
	if err == nil {
		if separator = announced(header); separator != 0 {
			header, err = r.rows.row()
		}
	}
	switch {
	case err == io.EOF:
		return files.At(r.rows.following, files.Advise("the file is empty: there is no header", "export it again; an export without rows has a header"))
	case err != nil:
		return err
	}
	at := func(err error) error { return files.At(r.rows.line, err) }
	if separator == 0 {
		if separator, err = separatorOf(header); err != nil {
			return at(err)
		}
	}
	r.rows.separator = separator
	if err := r.rows.split(header); err != nil {
		return err
	}
	if r.layout, err = layoutOf(columnsOf(r.rows.cells), r.options.ID, r.want); err != nil {
		return at(err)
	}
	name := fmt.Sprintf("separator %q", separator)
	for _, s := range separators {
		if s.octet == separator {
			name = s.name
		}
	}
	r.about.Format = name + ", " + text.encoding
	return nil
}

// uneven says what is wrong with a row of so many cells.
func (r *records) uneven(cells int) error {
	columns := len(r.layout.columns)
	many := "cells"
	if cells == 1 {
		many = "cell"
	}
	fault := fmt.Sprintf("the row has %d %s, and the header %d", cells, many, columns)
	if cells < columns {
		return files.Advise(fault, "export it again if the row was cut; Excel leaves out empty cells at the end of rows, unless the last column has a value in each")
	}
	return files.Advise(fault, fmt.Sprintf("quote cells that contain %q", r.rows.separator))
}

// unique reports an object that stands twice, be it in two files: by its DN, or by the text of the cells
// that the DN is made from, whose letter case may tell two apart. That two texts have
// one hash happens once in 37 million files of a million rows.
func (r *records) unique() error {
	name := r.record.name.Text
	key := name
	if r.layout.isDN {
		r.key = r.record.name.AppendKey(r.key[:0])
		key = r.key
	}
	hash := maphash.Bytes(seed, key)
	if file, line, twice := r.want.Seen.Twice(hash, r.want.Name, r.record.line); twice {
		where := fmt.Sprintf("line %d", line)
		if file != r.want.Name {
			where += " of " + file
		}
		return files.Advise(fmt.Sprintf("the row in %s has the same DN, %q", where, name), `export each object once, or name columns that tell all rows apart, as in id = ["EmployeeID"]`)
	}
	return nil
}

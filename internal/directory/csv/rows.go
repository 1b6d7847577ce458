package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

const (
	blockSize = 1 << 20
	maxRow    = 16 << 20 // octets of one row
)

// rows splits a text into rows and these into cells (RFC 4180). Rows end with LF
// or CRLF; a cell in quotes may hold both, the separator, and quotes that are
// doubled. It holds no more than the longest row and one block.
type rows struct {
	r io.Reader
	// buf[pos:end] is not consumed yet.
	buf      []byte
	pos, end int
	eof      bool

	separator byte
	// line is that of the row last returned, following that of the next, counted
	// from 1.
	line, following int
	cells           [][]byte
	// encoding is the one that the text came in. What could not be decoded is U+FFFD
	// in it.
	encoding string
}

func newRows(r io.Reader, encoding string) *rows {
	return &rows{r: r, buf: make([]byte, blockSize), following: 1, encoding: encoding}
}

var (
	errCut = files.Advise("the file ends in the middle of this row, so the export was cut short",
		"export it again; if the row is whole and only the line break behind it is missing, add that")
	errOpen = files.Advise("the quote that opens this cell is never closed: the export was cut short, or the cell holds a quote that is not doubled",
		`export it again; a quote inside a cell is written twice, as in "Ann ""Annie"" Smith"`)
	errBare = files.Advise("a quote stands inside a cell that does not begin with one",
		`put the whole cell in quotes, and write the quote inside it twice, as in "Ann ""Annie"" Smith"`)
	errBehind = files.Advise("something other than a separator stands behind the closing quote of a cell",
		`a quote inside a cell is written twice, as in "Ann ""Annie"" Smith"`)
	errCR   = files.Advise("a carriage return stands alone, without a line feed", "end lines with LF or CRLF; put a cell with a line break in quotes")
	errNUL  = files.Advise("a NUL octet: this is no text, or one in UTF-16 without a byte order mark", `export the file as "CSV UTF-8"`)
	errUTF8 = files.Advise("the text is not UTF-8", `export the file as "CSV UTF-8", or say in the directory block which code page it has, as in encoding = "windows-1252"`)
	errLong = files.Advise(fmt.Sprintf("the row is longer than %d MiB", maxRow>>20), "close the quote that is opened here, if one is; a quote inside a cell is written twice")
)

// next returns the cells of the next row, valid until the next call, and io.EOF
// behind the last one.
func (r *rows) next() ([][]byte, error) {
	row, err := r.row()
	if err != nil {
		return nil, err
	}
	if err := r.split(row); err != nil {
		return nil, err
	}
	return r.cells, nil
}

// row returns the next row without its end: up to the first line break that an
// even number of quotes precedes.
func (r *rows) row() ([]byte, error) {
	searched, open := 0, false
	for {
		rest := r.buf[r.pos+searched : r.end]
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			open = open != (bytes.Count(rest[:n], quote)%2 == 1)
			if searched += n + 1; !open {
				return r.take(searched, bytes.TrimSuffix(r.buf[r.pos:r.pos+searched-1], cr))
			}
			continue
		}
		if !r.eof {
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if bytes.Count(rest, quote)%2 == 1 {
			open = !open
		}
		rest = r.buf[r.pos:r.end]
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest, err := r.take(len(rest), rest)
		switch {
		case err != nil:
			return nil, err
		case r.separator == 0 && open: // in the header
			return nil, files.At(r.line, errOpen)
		case r.separator == 0 && bytes.IndexByte(rest, '\r') >= 0:
			return nil, files.At(r.line, errCR)
		case r.separator != 0:
			if err := r.split(rest); err != nil {
				return nil, err
			}
		}
		return nil, files.At(r.following, errCut)
	}
}

var quote, cr = []byte{'"'}, []byte{'\r'}

// take consumes octets, which hold a row, and checks its text.
func (r *rows) take(octets int, row []byte) ([]byte, error) {
	r.line = r.following
	r.following += bytes.Count(r.buf[r.pos:r.pos+octets], []byte{'\n'})
	r.pos += octets
	switch {
	case bytes.IndexByte(row, 0) >= 0:
		return nil, files.At(r.line, errNUL)
	case !utf8.Valid(row):
		return nil, files.At(r.line, errUTF8)
	case r.encoding != utf8Name && bytes.ContainsRune(row, utf8.RuneError):
		return nil, files.At(r.line, files.Advise("the text is not "+r.encoding+": some of it stands for no character", `export the file as "CSV UTF-8", or name the code page that it has in encoding`))
	}
	return row, nil
}

// split makes cells of a row. It overwrites the row where quotes are doubled.
func (r *rows) split(row []byte) error {
	r.cells = r.cells[:0]
	if bytes.IndexByte(row, '"') < 0 {
		if bytes.IndexByte(row, '\r') >= 0 {
			return files.At(r.line, errCR)
		}
		for {
			n := bytes.IndexByte(row, r.separator)
			if n < 0 {
				r.cells = append(r.cells, row)
				return nil
			}
			r.cells = append(r.cells, row[:n])
			row = row[n+1:]
		}
	}
	line := r.line
	for {
		var cell []byte
		if len(row) > 0 && row[0] == '"' {
			var ok bool
			if cell, row, ok = unquote(row[1:]); !ok {
				return files.At(line, errOpen)
			}
			line += bytes.Count(cell, []byte{'\n'})
			switch {
			case len(row) == 0 || row[0] == r.separator:
			case row[0] == '\r':
				return files.At(line, errCR)
			default:
				return files.At(line, errBehind)
			}
		} else {
			n := bytes.IndexByte(row, r.separator)
			if n < 0 {
				n = len(row)
			}
			cell, row = row[:n], row[n:]
			// A row that a quote has made too long is wrong at its first line.
			switch {
			case bytes.IndexByte(cell, '"') >= 0:
				return files.At(line, errBare)
			case bytes.IndexByte(cell, '\r') >= 0:
				return files.At(line, errCR)
			}
		}
		r.cells = append(r.cells, cell)
		if len(row) == 0 {
			return nil
		}
		row = row[1:]
	}
}

// unquote returns what stands before the closing quote of a text, and what stands
// behind it.
func unquote(text []byte) (cell, rest []byte, ok bool) {
	written, read := 0, 0
	for {
		n := bytes.IndexByte(text[read:], '"')
		if n < 0 {
			return nil, nil, false
		}
		written += copy(text[written:], text[read:read+n])
		if read += n + 1; read == len(text) || text[read] != '"' {
			return text[:written], text[read:], true
		}
		text[written] = '"'
		written++
		read++
	}
}

func (r *rows) fill() error {
	r.end = copy(r.buf, r.buf[r.pos:r.end])
	r.pos = 0
	if r.end == len(r.buf) {
		if r.end >= maxRow {
			return files.At(r.following, errLong)
		}
		r.buf = slices.Grow(r.buf, len(r.buf))[:2*len(r.buf)]
	}
	for range 100 {
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
			return nil
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
	return io.ErrNoProgress
}

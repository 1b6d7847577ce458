package ldif

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// reader makes records of lines.
type reader struct {
	*lines
	rec record
	// below says whether the objects of a name are read.
	below func(*files.Name) bool

	inRecord bool
	// found is set by the first line that is no comment.
	found  bool
	result result
	marks  marks
	trailer
	// references are the URLs of other servers that a search gave.
	references []string
}

// trailer is what the comments of ldapsearch and ldbsearch say about a search.
type trailer struct {
	// entries counts the objects since the search began.
	entries int
	// returned is set between the two comments that end one of ldbsearch.
	returned bool
}

// comment takes a comment line. ldapsearch begins each page anew and ends with
// the number of entries of all pages, ldbsearch with that of records and then
// that of entries. more is set between pages.
func (t *trailer) comment(line []byte, more bool) error {
	if len(line) < 3 || line[1] != ' ' {
		return nil
	}
	text := string(line[2:min(len(line), 60)])
	returned := t.returned
	t.returned = strings.HasPrefix(text, "returned ") && strings.HasSuffix(text, " records")
	said, found := strings.CutPrefix(text, "numEntries: ")
	if !found && returned {
		said, found = strings.CutSuffix(text, " entries")
	}
	switch {
	case text == "extended LDIF", text == "record 1":
		if !more {
			t.entries = 0
		}
	case found:
		n, err := strconv.Atoi(said)
		if err == nil && n > t.entries {
			return files.Advise(fmt.Sprintf("the search returned %d entries, but the file holds %d", n, t.entries), "export it again; if entries were taken out on purpose, remove this comment too")
		}
		t.entries = 0
	}
	return nil
}

// result is what ldapsearch says about a search, between records: lines such
// as "search: 2" and "result: 0 Success".
type result struct {
	reading bool
	// begun is the line of a search whose result is not read yet, or 0.
	begun int
	// more is set where a page was not the last one.
	more bool
}

func newReader(r io.Reader, attributes []string, texts *compact.Arena, below func(*files.Name) bool) *reader {
	return &reader{
		lines: newLines(r),
		below: below,
		rec:   record{Held: files.NewHeld(attributes, texts, "dn", "changetype")},
	}
}

// record returns the next record, or io.EOF. It is valid until the next call.
func (r *reader) record() (*record, error) {
	if r.number == 0 {
		if err := r.mark(); err != nil {
			return nil, err
		}
	}
	for {
		line, err := r.next()
		at := r.number
		switch {
		case err == io.EOF:
			return r.last()
		case err != nil:
		case len(line) == 0:
			r.result.reading = false
			if r.inRecord {
				r.inRecord = false
				return &r.rec, nil
			}
		case bytes.HasPrefix(line, []byte(markPrefix)):
			if line, err = r.unfold(line); err == nil {
				err = r.marks.take(string(line[len(markPrefix):]))
			}
		case line[0] == '#':
			if err = r.comment(line, r.result.more); err == nil {
				_, err = r.skipFold()
			}
		default:
			r.found = true
			err = r.line(at, line)
		}
		if err != nil {
			if f := (*files.Fault)(nil); !errors.As(err, &f) {
				err = files.At(at, err)
			}
			return nil, err
		}
	}
}

// mark passes over a byte order mark.
func (r *reader) mark() error {
	for r.end < 3 && !r.eof {
		if err := r.fill(); err != nil {
			return files.At(1, err)
		}
	}
	start := r.buf[:r.end]
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		r.pos, r.searched = 3, 3
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")), len(start) > 1 && (start[0] == 0) != (start[1] == 0):
		return files.At(1, errUTF16)
	}
	return nil
}

// last ends the file, of which a record may be left.
func (r *reader) last() (*record, error) {
	switch {
	case r.inRecord:
		r.inRecord = false
		if r.rec.lines == 0 {
			return nil, files.At(r.number, errors.New("the file breaks off in a record; export it again"))
		}
		return &r.rec, nil
	case !r.found:
		return nil, files.At(max(r.number, 1), errors.New(`the file is empty; an export without objects has a line "version: 1"`))
	case r.result.begun > 0:
		return nil, files.At(r.result.begun, errors.New(`the file breaks off before the result of the search; export it again`))
	case r.result.more:
		return nil, files.At(r.number, errors.New("the export is incomplete: it ends with a page that is not the last one; export all pages, as with ldapsearch -E pr=1000/noprompt"))
	}
	if err := r.marks.whole(); err != nil {
		return nil, files.At(r.number, err)
	}
	return nil, io.EOF
}

// line takes a line that begins with something.
func (r *reader) line(at int, line []byte) (err error) {
	if line[0] == ' ' {
		return errors.New("the line begins with a space and so continues another one, but there is none before it")
	}
	colon := bytes.IndexByte(line, ':')
	if (colon < 0 || colon == len(line)-1) && r.continues() {
		if line, err = r.unfold(line); err != nil {
			return err
		}
		colon = bytes.IndexByte(line, ':')
	}
	if colon < 0 {
		if len(line) == 1 && line[0] == '-' {
			return errChange
		}
		if at == 1 && bytes.HasPrefix(line, []byte("DN,")) {
			return errCSV
		}
		return errors.New(`expected "attribute: value", but there is no colon in the line`)
	}
	typ, ok := describe(line[:colon])
	if !ok {
		return fmt.Errorf("%s is not the name of an attribute", excerpt(line[:colon]))
	}
	if r.inRecord {
		return r.attribute(at, line, colon, typ)
	}
	if line, err = r.unfold(line); err != nil {
		return err
	}
	key := strings.ToLower(string(line[:colon]))
	switch {
	case r.result.reading, key == "search", key == "result", key == "ref":
		return r.aboutSearch(at, key, line[colon+1:])
	case key == "dn":
		r.inRecord = true
		r.rec.reset(at)
		dn, err := r.value(line[colon+1:])
		if err == nil {
			if err = r.rec.SetName(dn); err != nil && bytes.HasPrefix(dn, []byte("<GUID=")) {
				err = errExtended
			}
		}
		if err != nil {
			return files.At(at, err)
		}
		r.marks.count++
		r.entries++
		r.rec.scope = r.marks.scope
		r.rec.read = r.marks.recorded || r.below(r.rec.Name())
		return nil
	case key == "version":
		if v := string(bytes.TrimSpace(line[colon+1:])); v != "1" {
			return fmt.Errorf("LDIF version %q is not known; version 1 is (RFC 2849)", v)
		}
		return nil
	}
	return fmt.Errorf(`a record begins with "dn:", not with %s`, excerpt(line[:colon+1]))
}

// What other tools write, and which command to run instead.
var (
	errChange = files.Advise("a change record, as ldifde and Novell ice write them; an export of objects is needed",
		`read Active Directory itself, with kind = "active_directory", or export with rollcall snapshot -o DIR; or with ldapsearch -o ldif-wrap=no -E pr=1000/noprompt -H ldap://SERVER -D USER -W -b BASE "(mail=*)" > FILE`)
	errUTF16 = files.Advise("the file is UTF-16, as ldifde -u and the > of PowerShell write it; LDIF is UTF-8",
		"export without -u; or, in PowerShell: Get-Content FILE -Encoding unicode | Set-Content NEW -Encoding utf8")
	errCSV      = files.Advise("this is CSV, as csvde writes it, not LDIF", `read it as a directory with kind = "csv"`)
	errExtended = files.Advise("the name is an extended DN, with the GUID in front of it",
		"export without extended names: ldbsearch without --extended-dn, ldapsearch without the control 1.2.840.113556.1.4.529")
)

// attribute takes a line of a record: a type of typ octets, options, a colon,
// and a value.
func (r *reader) attribute(at int, line []byte, colon, typ int) (err error) {
	number := r.rec.Find(line[:typ])
	switch {
	case number == dnLine:
		return files.At(at, errors.New(`a second "dn:" in one record; records are separated by a blank line`))
	case number == changeLine:
		return files.At(at, errChange)
	}
	r.rec.lines++
	if number < 0 || !r.rec.read {
		return r.pass(at, line[colon+1:])
	}
	if r.continues() {
		if line, err = r.unfold(line); err != nil {
			return err
		}
	}
	options, deleted := "", false
	if typ < colon {
		if part := files.Partial(string(line[typ:colon])); part != "" {
			return files.At(at, fmt.Errorf("%s: the export holds a part of the values only (%s); export them all, or on the server raise MaxValRange", line[:typ], part))
		}
		if options, deleted = directory.Options(string(line[typ:colon])); deleted {
			return nil
		}
	}
	value, err := r.value(line[colon+1:])
	if err != nil {
		return files.At(at, fmt.Errorf("%s: %w", line[:typ], err))
	}
	r.rec.Add(number, options, value)
	return nil
}

var (
	errBase64 = errors.New("the value is not complete Base64; the file is damaged, export it again")
	errURL    = errors.New(`the value is in another file (":<"), and such files are not read; export the value itself`)
)

// pass passes over a value of which the first part is given. That Base64 is
// whole can be seen by its length.
func (r *reader) pass(at int, rest []byte) error {
	var kind byte
	n := 0
	if len(rest) > 0 {
		if kind = rest[0]; kind == ':' {
			n = len(bytes.Trim(rest[1:], " "))
		}
	}
	folded, err := r.skipFold()
	switch {
	case err != nil:
		return err
	case kind == ':' && (n+folded)%4 != 0:
		return files.At(at, errBase64)
	}
	return nil
}

// value stores what follows the first colon of a line, decoded.
func (r *reader) value(rest []byte) ([]byte, error) {
	buf := r.rec.Buf
	start := len(buf)
	switch {
	case len(rest) > 0 && rest[0] == ':':
		text := bytes.Trim(rest[1:], " ")
		buf = slices.Grow(buf, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(buf[start:cap(buf)], text)
		if err != nil {
			return nil, errBase64
		}
		buf = buf[:start+n]
	case len(rest) > 0 && rest[0] == '<':
		return nil, errURL
	default:
		buf = append(buf, bytes.TrimLeft(rest, " ")...)
	}
	r.rec.Buf = buf
	return buf[start:len(buf):len(buf)], nil
}

// aboutSearch takes a line of what ldapsearch prints between records, and
// behind the last one: references to other servers, which are not followed,
// and the result of the search.
func (r *reader) aboutSearch(at int, key string, rest []byte) error {
	r.result.reading = true
	text := strings.TrimSpace(string(rest))
	switch key {
	case "ref":
		url, err := r.value(rest)
		if err != nil {
			return files.At(at, err)
		}
		r.references = append(r.references, string(url))
	case "search":
		r.result.begun, r.result.more = at, false
	case "result":
		r.result.begun = 0
		if code, _, _ := strings.Cut(text, " "); code != "0" {
			return files.At(at, fmt.Errorf("the export is incomplete: the server ended the search with result %q; export it again, with paging if the server limits the size", text))
		}
	case "pagedresults":
		_, cookie, _ := strings.Cut(text, "cookie=")
		r.result.more = cookie != ""
	}
	return nil
}

// excerpt quotes the start of a text.
func excerpt(text []byte) string {
	if len(text) > 40 {
		return fmt.Sprintf("%q...", text[:40])
	}
	return fmt.Sprintf("%q", text)
}

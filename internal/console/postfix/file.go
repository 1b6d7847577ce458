package postfix

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// header is the line that says who has written a file.
type header struct {
	owner  string
	serial int64
	sum    string // SHA-256 of what follows the line, in hexadecimal; "" for a file that was handed over
	apart  bool   // aliases have a file of their own
}

// begins is how a header begins.
const begins = "# rollcall owner="

// note stands below the header.
const note = "# Written by rollcall. What is changed by hand is drift, which the next apply takes back.\n"

func (h *header) String() string {
	where := "here"
	if h.apart {
		where = "apart"
	}
	return fmt.Sprintf("%s%s serial=%d aliases=%s sha256=%s\n", begins, strconv.Quote(h.owner), h.serial, where, h.sum)
}

// parseHeader reads a header, of which all but the owner may be absent.
func parseHeader(line string) (*header, bool) {
	rest, is := strings.CutPrefix(line, begins)
	quoted, err := strconv.QuotedPrefix(rest)
	if !is || err != nil {
		return nil, false
	}
	h := &header{}
	if h.owner, err = strconv.Unquote(quoted); err != nil || h.owner == "" {
		return nil, false
	}
	for _, field := range strings.Fields(rest[len(quoted):]) {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "serial":
			if h.serial, err = strconv.ParseInt(value, 10, 64); err != nil || h.serial < 0 {
				return nil, false
			}
		case "aliases":
			h.apart = value == "apart"
		case "sha256":
			h.sum = value
		default:
			return nil, false
		}
	}
	return h, true
}

// row is a key of a table and what is found there, both without the blanks around
// them.
type row struct {
	key, value string
	line       int
}

func (r row) compare(s row) int { return strings.Compare(r.key, s.key) }

// file is a source as it was read.
type file struct {
	path   string
	there  bool
	sum    [sha256.Size]byte // of all that it has; zero for one that is not there
	body   []byte            // what follows the header
	header *header           // nil for none
	rows   []row
}

// edited reports whether somebody else has changed the file since rollcall wrote it.
func (f *file) edited() bool {
	return f.header != nil && f.header.sum != "" && f.header.sum != digest(f.body)
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// parse reads a source as postmap does, see postmap(1): a line that begins with
// blanks continues the one before; a line of blanks alone, or with # as its first
// other character, is none.
//
// What postmap would pass over with a warning is an [*atomicfile.Error]: a row
// without a value or without a beginning, and a key that is there already. Which of
// two values counts depends on the type of table.
func parse(path string, text []byte) (*file, error) {
	f := &file{path: path, there: true, sum: sha256.Sum256(text), body: text}
	wrong := func(line int, advice, format string, args ...any) error {
		return &atomicfile.Error{Path: path, Line: line, Reason: fmt.Sprintf(format, args...), Advice: advice}
	}
	var logical []byte
	begun, number := 0, 0
	lines := bytes.Count(text, []byte{'\n'}) + 1
	keys := make(map[string]int, lines)
	f.rows = make([]row, 0, lines)
	finish := func() error {
		if begun == 0 {
			return nil
		}
		line := string(bytes.TrimRight(logical, blanks))
		end := strings.IndexAny(line, blanks)
		if end < 0 {
			return wrong(begun, "give it a value, such as OK, or remove the line", "%s has no value, so that Postfix passes over it", strconv.Quote(line))
		}
		r := row{strings.ToLower(line[:end]), strings.Trim(line[end:], blanks), begun}
		if first := keys[r.key]; first > 0 {
			return wrong(begun, "remove one of the two lines", "%s is in line %d already", strconv.Quote(r.key), first)
		}
		keys[r.key] = begun
		f.rows = append(f.rows, r)
		logical, begun = logical[:0], 0
		return nil
	}
	for rest := text; len(rest) > 0; {
		number++
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		start := bytes.TrimLeft(line, blanks)
		switch {
		case len(start) == 0:
		case start[0] == '#':
			if !bytes.HasPrefix(line, []byte(begins)) {
				continue
			}
			h, ok := parseHeader(string(bytes.TrimRight(line, blanks)))
			if !ok {
				return nil, wrong(number, "restore the line as rollcall has written it, or from a backup", "the header cannot be understood")
			}
			if f.header != nil {
				return nil, wrong(number, "remove one of the two", "the file has a second header")
			}
			f.header = h
			if f.body = rest; number > 1 {
				f.body = text // which is never what rollcall has written
			}
		case len(start) < len(line) && begun == 0:
			return nil, wrong(number, "remove the blanks at its beginning", "the line continues none")
		case len(start) < len(line):
			logical = append(logical, line...)
		default:
			if err := finish(); err != nil {
				return nil, err
			}
			logical, begun = append(logical, line...), number
		}
	}
	return f, finish()
}

// blanks are those of the C locale, as Postfix takes them.
const blanks = " \t\r\v\f\n"

// write returns a file with the rows, which are sorted. A key that is there twice, or
// that postmap would not take as it is, is an error: one duplicate makes a texthash
// unusable.
func write(path string, h header, rows []row) ([]byte, error) {
	body := make([]byte, 0, len(note)+64*len(rows))
	body = append(body, note...)
	for i, r := range rows {
		switch {
		case i > 0 && rows[i-1].key >= r.key:
			return nil, &atomicfile.Error{Path: path, Reason: fmt.Sprintf("the key %q cannot be written twice, or out of order", r.key), Advice: "report this as a bug; nothing was written"}
		case r.key == "", r.key[0] == '#', strings.ContainsAny(r.key, blanks), r.key != strings.ToLower(r.key), r.value == "", strings.Trim(r.value, blanks) != r.value, strings.Contains(r.value, "\n"):
			return nil, &atomicfile.Error{Path: path, Reason: fmt.Sprintf("the row %q %q cannot be written", r.key, r.value), Advice: "remove it by hand; nothing was written"}
		}
		body = append(append(append(append(body, r.key...), ' '), r.value...), '\n')
	}
	h.sum = digest(body)
	return append([]byte(h.String()), body...), nil
}

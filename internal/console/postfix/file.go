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
	ledger string // the lineage of the state to which the accounts belong, among the recipients; "" for none
}

// begins is how a header begins.
const begins = "# rollcall owner="

// note stands below the header.
const note = "# Written by rollcall. What is changed by hand is drift, which the next apply takes back.\n"

// String returns the line. That of a file which was handed over is as short as it may be.
func (h *header) String() string {
	line := begins + strconv.Quote(h.owner)
	if h.sum != "" || h.serial > 0 {
		line += fmt.Sprintf(" serial=%d", h.serial)
	}
	if h.apart {
		line += " aliases=apart"
	} else if h.sum != "" {
		line += " aliases=here"
	}
	if h.sum != "" {
		line += " sha256=" + h.sum
	}
	if h.ledger != "" {
		line += " ledger=" + h.ledger
	}
	return line + "\n"
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
		case "ledger":
			h.ledger = value
		default:
			return nil, false
		}
	}
	return h, true
}

// headerOf returns the header that a line is, or nil.
func headerOf(path string, number int, line []byte) (*header, error) {
	if !bytes.HasPrefix(line, []byte(begins)) {
		return nil, nil
	}
	h, ok := parseHeader(string(bytes.TrimRight(line, blanks)))
	if !ok {
		return nil, &atomicfile.Error{Path: path, Line: number, Reason: "the header cannot be understood", Advice: "restore the line as rollcall has written it, or from a backup"}
	}
	return h, nil
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
	text   []byte
	begin  int // of the header within the text, as is end; both are 0 for none
	end    int
	rows   []row
}

// edited reports whether somebody else has changed the file since rollcall wrote it.
func (f *file) edited() bool {
	return f.header != nil && f.header.sum != "" && f.header.sum != digest(f.body)
}

// touched reports whether a file of ours is not as rollcall wrote it: somebody has edited
// it, or has handed it over.
func (f *file) touched() bool { return f.header != nil && f.header.sum == "" || f.edited() }

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// parse reads a source as postmap does, see postmap(1): a line that begins with
// blanks continues the one before; a line of blanks alone, or with # as its first
// other character, is none.
//
// What postmap would pass over with a warning is an [*atomicfile.Error]: a row
// without a value, without a beginning or with open quotes, and a key that is there already. Which of
// two values counts depends on the type of table.
func parse(path string, text []byte) (*file, error) {
	f := &file{path: path, there: true, sum: sha256.Sum256(text), body: text, text: text}
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
		line := string(logical)
		end, closed := keyEnd(line)
		if !closed {
			return wrong(begun, "close it, or remove the line", "a quote of %s is not closed, so that Postfix passes over it", strconv.Quote(line))
		}
		r := row{fold(line[:end]), strings.Trim(line[end:], blanks), begun}
		if r.value == "" {
			return wrong(begun, "give it a value, such as OK, or remove the line", "%s has no value, so that Postfix passes over it", strconv.Quote(r.key))
		}
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
			h, err := headerOf(path, number, line)
			if err != nil {
				return nil, err
			}
			if h == nil {
				continue
			}
			if f.header != nil {
				return nil, wrong(number, "remove one of the two", "the file has a second header")
			}
			f.header, f.end = h, len(text)-len(rest)
			f.begin = bytes.LastIndexByte(text[:f.end-1], '\n') + 1
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

// keyEnd returns where the key of a line ends, which is at the first blank without quotes
// around it and without a backslash before it, and whether its quotes are closed. Quotes
// and backslashes are part of the key (postmap.c of Postfix).
func keyEnd(line string) (end int, closed bool) {
	closed = true
	for ; end < len(line); end++ {
		switch c := line[end]; {
		case c == '\\':
			end++
		case c == '"':
			closed = !closed
		case closed && strings.IndexByte(blanks, c) >= 0:
			return end, true
		}
	}
	return len(line), closed
}

// fold returns a key in lower case, of which Postfix knows A to Z alone where it is not to
// take UTF-8 (smtputf8_enable): a key may be of any octets.
func fold(key string) string {
	if !strings.ContainsAny(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return key
	}
	b := []byte(key)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// writable reports whether a line of the row is read as that.
func (r row) writable() bool {
	end, closed := keyEnd(r.key + " " + r.value)
	return r.key != "" && r.key[0] != '#' && closed && end == len(r.key) && r.key == fold(r.key) &&
		r.value != "" && r.value == strings.Trim(r.value, blanks) && !strings.Contains(r.key+r.value, "\n")
}

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
		case !r.writable():
			return nil, &atomicfile.Error{Path: path, Reason: fmt.Sprintf("the row %q %q cannot be written", r.key, r.value), Advice: "remove it by hand; nothing was written"}
		}
		body = append(append(append(append(body, r.key...), ' '), r.value...), '\n')
	}
	h.sum = digest(body)
	return append([]byte(h.String()), body...), nil
}

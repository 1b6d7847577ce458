package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Line is what a line of a connector says in every protocol. What it does not say is
// nil or "".
type Line struct {
	// ID is that of the request.
	ID int64
	// Progress is for whoever watches.
	Progress *string
	// Protocol, Name, Version and Facts answer hello.
	Protocol      *int64
	Name, Version string
	Facts         []byte
	// Findings answer check.
	Findings []Finding
}

// Finding is one of the findings of a check.
type Finding struct{ Check, Status, Evidence, Remedy string }

// Finding returns one without secrets, or says what is wrong with its status.
func (h *Host[L]) Finding(f Finding) (Finding, error) {
	switch f.Status {
	case "ok", "warning", "failed":
	default:
		return f, &Breach{Text: fmt.Sprintf(`found something whose status %s is not "ok", "warning" or "failed"`, Quote(f.Status))}
	}
	return Finding{h.Clean(f.Check), f.Status, h.Clean(f.Evidence), h.Clean(f.Remedy)}, nil
}

// ErrUTF8 is a line in another charset.
var ErrUTF8 = errors.New("it is not valid UTF-8")

// CheckUTF8 fails where a line is none.
func CheckUTF8(line []byte) error {
	if !utf8.Valid(line) {
		return ErrUTF8
	}
	return nil
}

// Members are those of a line that is any JSON object. Null is as good as no member.
type Members struct {
	Raw map[string]json.RawMessage
	// Err is what was wrong with the first that was wrong.
	Err error
}

// NewMembers reads a line.
func NewMembers(line []byte) *Members {
	raw, err := Object(line)
	return &Members{raw, err}
}

// Value reads the value of a member into to, and reports whether there is one.
// expected says what it should be.
func (m *Members) Value(key string, to any, expected string) bool {
	raw := m.Raw[key]
	if m.Err != nil || Absent(raw) {
		return false
	}
	if json.Unmarshal(raw, to) != nil {
		m.Err = fmt.Errorf("%q is %s, where %s is expected", key, Kind(raw), expected)
	}
	return m.Err == nil
}

// Number reads a whole number; nil where there is none.
func (m *Members) Number(key string) *int64 {
	var f float64
	if !m.Value(key, &f, "a whole number") {
		return nil
	}
	n := int64(f)
	if float64(n) != f {
		m.Err = fmt.Errorf("%q is %v, where a whole number is expected", key, f)
	}
	return &n
}

// Text reads a string; nil where there is none.
func (m *Members) Text(key string) *string {
	var text string
	if !m.Value(key, &text, "a string") {
		return nil
	}
	return &text
}

// Line reads what every protocol has, and reports whether there is an id.
func (m *Members) Line() (l Line, id bool) {
	if n := m.Number("id"); n != nil {
		l.ID, id = *n, true
	}
	l.Protocol, l.Progress = m.Number("protocol"), m.Text("progress")
	m.Value("name", &l.Name, "a string")
	m.Value("version", &l.Version, "a string")
	if !Absent(m.Raw["facts"]) {
		l.Facts = m.Raw["facts"]
	}
	m.Value("findings", &l.Findings, "a list of objects of strings")
	return l, id
}

// ErrNoID is a line that belongs to no request.
var ErrNoID = errors.New(`it has no "id"`)

// Seconds is a time to wait of at most a day.
func Seconds(n float64) time.Duration {
	const day = 24 * 60 * 60
	return time.Duration(min(max(n, 0), day) * float64(time.Second))
}

// Absent reports whether there is no value, or null.
func Absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// Object reads the members of a JSON object. Of a key that stands there twice
// the last counts.
func Object(text []byte) (map[string]json.RawMessage, error) {
	switch t := bytes.TrimLeft(text, " \t\r\n"); {
	case len(t) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(t, []byte("\ufeff")):
		return nil, errors.New("it begins with a byte order mark")
	case bytes.IndexByte(t, 0) >= 0:
		return nil, errors.New("it has a NUL octet")
	case t[0] != '{' && json.Valid(text):
		return nil, fmt.Errorf("it is %s, where an object is expected", Kind(t))
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, errors.New("it is not JSON: " + err.Error())
	}
	return keys, nil
}

// OptionalObject reads the members of an object; null is none. An error goes on from what
// it is an object of.
func OptionalObject(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var keys map[string]json.RawMessage
	if !Absent(raw) && json.Unmarshal(raw, &keys) != nil {
		return nil, fmt.Errorf("is %s, where an object is expected", Kind(raw))
	}
	return keys, nil
}

// List reads a list; null is none. An error is as of [OptionalObject].
func List(raw json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if !Absent(raw) && json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("is %s, where a list is expected", Kind(raw))
	}
	return list, nil
}

// Text reads a string; null is none. An error is as of [OptionalObject].
func Text(raw json.RawMessage) (string, error) {
	var s string
	if !Absent(raw) && json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("is %s, where a string is expected", Kind(raw))
	}
	return s, nil
}

// Kind says what a JSON value is, which may not be empty.
func Kind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// SortedKeys returns the keys of members, sorted.
func SortedKeys(m map[string]json.RawMessage) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// Scanner walks over a line of JSON that is written plainly, and gives up where it is
// not; encoding/json reads any. The text is valid UTF-8.
type Scanner struct {
	// Rest is what was not passed over yet.
	Rest []byte
}

// Space passes over white space.
func (s *Scanner) Space() {
	for len(s.Rest) > 0 && (s.Rest[0] == ' ' || s.Rest[0] == '\t' || s.Rest[0] == '\r' || s.Rest[0] == '\n') {
		s.Rest = s.Rest[1:]
	}
}

// Is passes over a character, if it is there.
func (s *Scanner) Is(c byte) bool {
	s.Space()
	if len(s.Rest) == 0 || s.Rest[0] != c {
		return false
	}
	s.Rest = s.Rest[1:]
	return true
}

// Lit passes over a text, if it is there.
func (s *Scanner) Lit(text string) bool {
	s.Space()
	if len(s.Rest) < len(text) || string(s.Rest[:len(text)]) != text {
		return false
	}
	s.Rest = s.Rest[len(text):]
	return true
}

// Key passes over a key and its colon.
func (s *Scanner) Key(name string) bool {
	text, ok := s.Text()
	return ok && string(text) == name && s.Is(':')
}

// Number reads a whole number of few digits.
func (s *Scanner) Number() (n int64, ok bool) {
	const digits = 15
	s.Space()
	i := 0
	for ; i < len(s.Rest) && i < digits && s.Rest[i] >= '0' && s.Rest[i] <= '9'; i++ {
		n = 10*n + int64(s.Rest[i]-'0')
	}
	if i == 0 || i > 1 && s.Rest[0] == '0' {
		return 0, false
	}
	s.Rest = s.Rest[i:]
	return n, true
}

// Text reads a string; it is not nil if it is there.
func (s *Scanner) Text() ([]byte, bool) {
	if !s.Is('"') {
		return nil, false
	}
	for i, c := range s.Rest {
		if c == '"' {
			text := s.Rest[:i:i]
			s.Rest = s.Rest[i+1:]
			return text, true
		}
		if c == '\\' {
			return s.escaped(i)
		}
		if c < ' ' {
			break
		}
	}
	return nil, false
}

// escaped reads a string of which the quote is passed over, and which has its
// first escape at i.
func (s *Scanner) escaped(i int) ([]byte, bool) {
	for ; i < len(s.Rest); i++ {
		switch s.Rest[i] {
		case '\\':
			i++
		case '"':
			quoted := append(append([]byte{'"'}, s.Rest[:i]...), '"')
			s.Rest = s.Rest[i+1:]
			var text string
			err := json.Unmarshal(quoted, &text)
			return []byte(text), err == nil
		}
	}
	return nil, false
}

// Optional reads a string, or null for none.
func (s *Scanner) Optional() ([]byte, bool) {
	if s.Lit("null") {
		return nil, true
	}
	return s.Text()
}

// Skip passes over any value.
func (s *Scanner) Skip() bool {
	s.Space()
	depth, quoted := 0, false
	for i := 0; i < len(s.Rest); i++ {
		switch c := s.Rest[i]; {
		case quoted:
			if c == '\\' {
				i++
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ',' || c == '}'):
			value := s.Rest[:i]
			s.Rest = s.Rest[i:]
			return json.Valid(value)
		}
	}
	return false
}

// Quote is a text as messages quote it: escaped, and not longer than a line.
func Quote(text string) string {
	const most = 80
	n := 0
	for i := range text {
		if n++; n > most {
			return strconv.Quote(text[:i] + "…")
		}
	}
	return strconv.Quote(text)
}

// AppendTexts appends the texts of elements with commas between them, as the
// inside of a JSON list.
func AppendTexts[T any](b []byte, elements []T, text func(T) string) []byte {
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = identity.AppendJSONString(b, text(e))
	}
	return b
}

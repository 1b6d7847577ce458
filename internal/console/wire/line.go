package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Line is what one line of a connector says. What it does not say is nil, false or
// "".
type Line struct {
	// ID is that of the request.
	ID int64
	// Account is one of those that were asked for, or, with Key, what became of it.
	// It is valid until the next line is read.
	Account *identity.Live
	// Accounts and Complete end a read.
	Accounts *int64
	Complete bool
	// Key names the change that is answered, OK says that it was made, Ref and Rev
	// are those of the account afterwards.
	Key      *string
	OK       bool
	Ref, Rev string
	// Done ends the answers to changes.
	Done *int64
	// Error is what went wrong: with the change, or with the whole request.
	Error *apply.Error
	// Progress is for whoever watches.
	Progress *string
	// Protocol, Name, Version and Facts answer hello.
	Protocol      *int64
	Name, Version string
	Facts         []byte
	// Findings answer check.
	Findings []Finding
	// Ledger answers ledger.
	Ledger string
}

// Finding is one of the findings of a check.
type Finding struct{ Check, Status, Evidence, Remedy string }

var errUTF8 = errors.New("it is not valid UTF-8")

// Line reads one line, without its newline. An error says why it is no message.
func (d *Decoder) Line(line []byte) (Line, error) {
	if !utf8.Valid(line) {
		return Line{}, errUTF8
	}
	if l, ok := d.accountLine(line); ok {
		return l, nil
	}
	return d.anyLine(line)
}

// accountLine reads a line that has an id and a plain account and nothing else.
func (d *Decoder) accountLine(line []byte) (Line, bool) {
	s := scanner{rest: line}
	if !s.is('{') || !s.key("id") {
		return Line{}, false
	}
	id, ok := s.number()
	if !ok || !s.is(',') || !s.key("account") || !d.plain(&s, &d.live) || !s.is('}') {
		return Line{}, false
	}
	s.space()
	return Line{ID: id, Account: &d.live}, len(s.rest) == 0
}

// anyLine reads every line.
func (d *Decoder) anyLine(line []byte) (Line, error) {
	l, found, err := d.object(line)
	if err == nil && !found {
		err = errors.New(`it has no "id"`)
	}
	return l, err
}

// object reads a line, and reports whether it has an id.
func (d *Decoder) object(line []byte) (l Line, id bool, err error) {
	keys, err := parseObject(line)
	if err != nil {
		return l, false, err
	}
	// value reads the value of a key, unless there is none.
	value := func(key string, to any, expected string) bool {
		raw := keys[key]
		if err != nil || absent(raw) {
			return false
		}
		if json.Unmarshal(raw, to) != nil {
			err = fmt.Errorf("%q is %s, where %s is expected", key, kind(raw), expected)
		}
		return err == nil
	}
	number := func(key string) *int64 {
		var f float64
		if !value(key, &f, "a whole number") {
			return nil
		}
		n := int64(f)
		if float64(n) != f {
			err = fmt.Errorf("%q is %v, where a whole number is expected", key, f)
		}
		return &n
	}
	if n := number("id"); n != nil {
		l.ID, id = *n, true
	}
	l.Accounts, l.Done, l.Protocol = number("accounts"), number("done"), number("protocol")
	value("complete", &l.Complete, "true or false")
	value("ok", &l.OK, "true or false")
	var key, progress string
	if value("key", &key, "a string") {
		l.Key = &key
	}
	if value("progress", &progress, "a string") {
		l.Progress = &progress
	}
	value("ref", &l.Ref, "a string")
	value("rev", &l.Rev, "a string")
	value("name", &l.Name, "a string")
	value("version", &l.Version, "a string")
	if !absent(keys["facts"]) {
		l.Facts = keys["facts"]
	}
	value("ledger", &l.Ledger, "a string")
	value("findings", &l.Findings, "a list of objects of strings")
	var said struct {
		Code, Message, Address, Holder string
		RetryAfter                     float64 `json:"retry_after"`
	}
	if value("error", &said, "an object with code and message") {
		l.Error = &apply.Error{Code: code(said.Code), Message: said.Message, Address: said.Address, Holder: said.Holder, RetryAfter: seconds(said.RetryAfter)}
	}
	if err == nil && !absent(keys["account"]) {
		l.Account = &d.live
		err = d.odd(keys["account"], l.Account)
	}
	return l, id, err
}

// code returns a code of the protocol; one that it does not have is internal.
func code(name string) apply.Code {
	switch c := apply.Code(name); c {
	case apply.Taken, apply.Changed, apply.Gone, apply.Throttled, apply.Temporary, apply.Refused,
		apply.Cancelled, apply.Unsupported, apply.Auth, apply.Misused:
		return c
	}
	return apply.Internal
}

// seconds is a time to wait of at most a day.
func seconds(n float64) time.Duration {
	const day = 24 * 60 * 60
	return time.Duration(min(max(n, 0), day) * float64(time.Second))
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// parseObject reads the keys of a JSON object. Of a key that stands there twice
// the last counts.
func parseObject(text []byte) (map[string]json.RawMessage, error) {
	switch t := bytes.TrimLeft(text, " \t\r\n"); {
	case len(t) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(t, []byte("\ufeff")):
		return nil, errors.New("it begins with a byte order mark")
	case bytes.IndexByte(t, 0) >= 0:
		return nil, errors.New("it has a NUL octet")
	case t[0] != '{' && json.Valid(text):
		return nil, fmt.Errorf("it is %s, where an object is expected", kind(t))
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, errors.New("it is not JSON: " + err.Error())
	}
	return keys, nil
}

// parseOptional reads an object; null is none.
func parseOptional(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var keys map[string]json.RawMessage
	if !absent(raw) && json.Unmarshal(raw, &keys) != nil {
		return nil, fmt.Errorf("is %s, where an object is expected", kind(raw))
	}
	return keys, nil
}

func parseList(raw json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if !absent(raw) && json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("is %s, where a list is expected", kind(raw))
	}
	return list, nil
}

func parseText(raw json.RawMessage) (string, error) {
	var s string
	if !absent(raw) && json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("is %s, where a string is expected", kind(raw))
	}
	return s, nil
}

// kind says what a JSON value is.
func kind(raw []byte) string {
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

func sortedKeys(m map[string]json.RawMessage) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// scanner walks over a line of JSON.
type scanner struct{ rest []byte }

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\r' || s.rest[0] == '\n') {
		s.rest = s.rest[1:]
	}
}

// is passes over a character, if it is there.
func (s *scanner) is(c byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// lit passes over a text, if it is there.
func (s *scanner) lit(text string) bool {
	s.space()
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// key passes over a key and its colon.
func (s *scanner) key(name string) bool {
	text, ok := s.text()
	return ok && string(text) == name && s.is(':')
}

// number reads a whole number of few digits.
func (s *scanner) number() (n int64, ok bool) {
	const digits = 15
	s.space()
	i := 0
	for ; i < len(s.rest) && i < digits && s.rest[i] >= '0' && s.rest[i] <= '9'; i++ {
		n = 10*n + int64(s.rest[i]-'0')
	}
	if i == 0 || i > 1 && s.rest[0] == '0' {
		return 0, false
	}
	s.rest = s.rest[i:]
	return n, true
}

// text reads a string; it is not nil if it is there.
func (s *scanner) text() ([]byte, bool) {
	if !s.is('"') {
		return nil, false
	}
	for i, c := range s.rest {
		if c == '"' {
			text := s.rest[:i:i]
			s.rest = s.rest[i+1:]
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
func (s *scanner) escaped(i int) ([]byte, bool) {
	for ; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			quoted := append(append([]byte{'"'}, s.rest[:i]...), '"')
			s.rest = s.rest[i+1:]
			var text string
			err := json.Unmarshal(quoted, &text)
			return []byte(text), err == nil
		}
	}
	return nil, false
}

// optional reads a string, or null for none.
func (s *scanner) optional() ([]byte, bool) {
	if s.lit("null") {
		return nil, true
	}
	return s.text()
}

// skip passes over any value.
func (s *scanner) skip() bool {
	s.space()
	depth, quoted := 0, false
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
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
			value := s.rest[:i]
			s.rest = s.rest[i:]
			return json.Valid(value)
		}
	}
	return false
}

package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/compact"
)

// AppendJSON appends the account as one JSON object on one line, without a
// newline. The keys stand in fixed order and none is left out, so that equal
// accounts are equal bytes.
func (a *Account) AppendJSON(b []byte) []byte {
	b = append(b, `{"primary":`...)
	b = AppendJSONString(b, a.Primary.text)
	b = append(b, `,"aliases":[`...)
	for i, alias := range a.Aliases {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSONString(b, alias.text)
	}
	b = append(b, `],"type":"`...)
	b = append(b, a.Type.String()...)
	b = append(b, `","status":"`...)
	b = append(b, a.Status.String()...)
	b = append(b, `","directory":`...)
	b = AppendJSONString(b, a.Directory)
	b = append(b, `,"guid":"`...)
	b = a.GUID.Append(b)
	b = append(b, `","username":`...)
	b = AppendJSONString(b, a.Username)
	b = append(b, `,"dn":`...)
	b = AppendJSONString(b, a.DN)
	b = append(b, `,"attributes":{`...)
	for i, attr := range a.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSONString(b, attr.Name)
		b = append(b, ':')
		b = AppendJSONString(b, attr.Value)
	}
	return append(b, `}}`...)
}

// AppendJSONString appends s as a JSON string. What a terminal would act upon
// (control characters and marks of text direction) is escaped, and octets that
// are not UTF-8 become U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := plain(s); i < len(s); i += plain(s[i:]) {
		c := s[i]
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if !(r == utf8.RuneError && n == 1) && !Unprintable(r) {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r > 0xffff:
			// A tag character of the supplementary planes, as two surrogates.
			v := r - 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+v>>10, 0xdc00+v&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// Unprintable reports whether a character acts on a terminal instead of being
// shown by it: controls, line separators, and the invisible marks that change
// the direction of the text around them (Unicode annex 9).
func Unprintable(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0,
		r == 0x061c, r == 0x200e, r == 0x200f,
		r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069,
		r == 0xfeff, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// MarshalLine returns one line of JSON, without its newline, in which no character
// acts on a terminal.
func MarshalLine(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	// What is not ASCII is inside a string.
	var line []byte
	for _, r := range strings.TrimSuffix(text.String(), "\n") {
		switch {
		case !Unprintable(r):
			line = utf8.AppendRune(line, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			line = fmt.Appendf(line, `\u%04x\u%04x`, high, low)
		default:
			line = fmt.Appendf(line, `\u%04x`, r)
		}
	}
	return line, nil
}

// Decoder reads accounts from JSON and stores their texts compactly. Use one
// Decoder for many accounts. The zero Decoder is ready to use, by one
// goroutine at a time.
type Decoder struct {
	arena     compact.Arena
	addresses compact.Slab[Address]
	attrs     compact.Slab[Attribute]
	names     map[string]string

	aliasBuf []Address
	attrBuf  []Attribute
}

// Account reads one account. Lines in the layout of [Account.AppendJSON] are
// read directly; any other JSON object with the same keys is understood too.
// "primary" alone is required; an absent type is "user", an absent status
// "active". The account is checked as [Account.Check] says.
func (d *Decoder) Account(line []byte) (Account, error) {
	if a, ok := d.canonical(line); ok {
		return a, a.Check()
	}
	raw, err := parseRaw(line)
	if err != nil {
		return Account{}, err
	}
	return d.Raw(raw)
}

// Found reads an account as a console may have it, which [Account.Check] would not
// let pass: without a primary, or inactive and with aliases.
func (d *Decoder) Found(line []byte) (Account, error) {
	if a, ok := d.canonical(line); ok {
		return a, nil
	}
	raw, err := parseRaw(line)
	if err != nil {
		return Account{}, err
	}
	return d.fields(raw)
}

// AppendOptional appends an account as [Account.AppendJSON] does, or null.
func AppendOptional(b []byte, a *Account) []byte {
	if a == nil {
		return append(b, "null"...)
	}
	return a.AppendJSON(b)
}

// Optional reads what [AppendOptional] writes; nothing at all is nil, too.
func (d *Decoder) Optional(text []byte) (*Account, error) {
	return optional(text, d.Account)
}

// OptionalFound reads what [AppendOptional] writes of an account as a console has
// it.
func (d *Decoder) OptionalFound(text []byte) (*Account, error) {
	return optional(text, d.Found)
}

func optional(text []byte, read func([]byte) (Account, error)) (*Account, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	a, err := read(text)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Raw is an account as text, as JSON lines and CSV files bring it.
type Raw struct {
	Primary    string            `json:"primary"`
	Aliases    []string          `json:"aliases"`
	Type       string            `json:"type"`
	Status     string            `json:"status"`
	Directory  string            `json:"directory"`
	GUID       string            `json:"guid"`
	Username   string            `json:"username"`
	DN         string            `json:"dn"`
	Attributes map[string]string `json:"attributes"`
}

// parseRaw reads any JSON object with the keys of an account.
func parseRaw(line []byte) (raw Raw, err error) {
	if !utf8.Valid(line) {
		return raw, errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if t := bytes.TrimSpace(line); len(t) == 0 || t[0] != '{' {
		return raw, errors.New("expected a JSON object")
	}
	if err := dec.Decode(&raw); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return raw, errors.New("the JSON object is cut short")
		}
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) {
			return raw, fmt.Errorf("%q is a %s, where %s is expected", mistyped.Field, mistyped.Value, expected(mistyped.Field))
		}
		return raw, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); err != io.EOF {
		return raw, errors.New("something follows the JSON object")
	}
	return raw, nil
}

// expected says of what kind the value of a key is.
func expected(key string) string {
	switch key {
	case "aliases":
		return "a list of strings"
	case "attributes":
		return "an object of strings"
	}
	return "a string"
}

// shown is a text as messages quote it: escaped, and not longer than a line.
func shown(text string) string {
	const most = 80
	if r := []rune(text[:min(len(text), 4*most)]); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return strconv.Quote(text)
}

// Raw parses every field of an account and checks it as [Account.Check] says.
func (d *Decoder) Raw(raw Raw) (Account, error) {
	if raw.Primary == "" {
		return Account{}, errors.New(`"primary" is missing`)
	}
	a, err := d.fields(raw)
	if err != nil {
		return a, err
	}
	return a, a.Check()
}

// fields parses every field of an account, of which the primary may be absent.
func (d *Decoder) fields(raw Raw) (a Account, err error) {
	if raw.Primary != "" {
		if a.Primary, err = d.address(raw.Primary); err != nil {
			return a, fmt.Errorf("primary %s: %w", shown(raw.Primary), err)
		}
	}
	d.aliasBuf = d.aliasBuf[:0]
	for _, text := range raw.Aliases {
		alias, err := d.address(text)
		if err != nil {
			return a, fmt.Errorf("alias %s: %w", shown(text), err)
		}
		d.aliasBuf = append(d.aliasBuf, alias)
	}
	slices.SortFunc(d.aliasBuf, Address.Compare)
	a.Aliases = d.addresses.Copy(d.aliasBuf)
	if raw.Type != "" {
		if a.Type, err = ParseType(raw.Type); err != nil {
			return a, err
		}
	}
	if raw.Status != "" {
		if a.Status, err = ParseStatus(raw.Status); err != nil {
			return a, err
		}
	}
	if raw.GUID != "" {
		if a.GUID, err = ParseGUID(raw.GUID); err != nil {
			return a, fmt.Errorf("guid %s: %w", shown(raw.GUID), err)
		}
	}
	a.Directory = d.name([]byte(raw.Directory))
	a.Username = d.arena.String([]byte(raw.Username))
	a.DN = d.arena.String([]byte(raw.DN))
	d.attrBuf = d.attrBuf[:0]
	for name, value := range raw.Attributes {
		if value != "" {
			d.attrBuf = append(d.attrBuf, Attribute{d.name([]byte(name)), d.arena.String([]byte(value))})
		}
	}
	slices.SortFunc(d.attrBuf, func(x, y Attribute) int { return strings.Compare(x.Name, y.Name) })
	a.Attributes = d.attrs.Copy(d.attrBuf)
	return a, nil
}

// Check reports what makes an account impossible by itself: aliases listed
// twice or equal to the primary, aliases of an inactive account, and an owner
// that lacks its GUID, since nothing could ever be matched with it.
func (a *Account) Check() error {
	for i, alias := range a.Aliases {
		if alias == a.Primary {
			return fmt.Errorf("%s is the primary and an alias of the same account", alias)
		}
		if i > 0 && a.Aliases[i-1] == alias {
			return fmt.Errorf("alias %s is listed twice", alias)
		}
	}
	if !a.Active() && len(a.Aliases) > 0 {
		return errors.New("an inactive account has no aliases")
	}
	if a.Directory != "" && a.GUID.IsZero() {
		return fmt.Errorf("directory %q without a guid: an owned account needs both, a local account has no directory", a.Directory)
	}
	return nil
}

func (d *Decoder) address(text string) (Address, error) {
	a, err := ParseAddress(text)
	if err != nil {
		return Address{}, err
	}
	return Address{d.arena.String([]byte(a.text))}, nil
}

// name interns a text of which there are few, such as a directory's label.
func (d *Decoder) name(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	s := string(b)
	d.names[s] = s
	return s
}

// canonical reads a line in the very layout of AppendJSON whose strings need
// no escapes. Anything else is not ok and left to the general reader, which
// also finds the words for an error.
func (d *Decoder) canonical(line []byte) (a Account, ok bool) {
	s := scanner{rest: line}
	if !s.lit(`{"primary":"`) {
		return a, false
	}
	if a.Primary, ok = d.plainAddress(s.text()); !ok || !s.lit(`,"aliases":[`) {
		return a, false
	}
	d.aliasBuf = d.aliasBuf[:0]
	for !s.lit(`]`) {
		if len(d.aliasBuf) > 0 && !s.lit(`,`) || !s.lit(`"`) {
			return a, false
		}
		alias, ok := d.plainAddress(s.text())
		if !ok || len(d.aliasBuf) > 0 && d.aliasBuf[len(d.aliasBuf)-1].text >= alias.text {
			return a, false
		}
		d.aliasBuf = append(d.aliasBuf, alias)
	}
	switch {
	case s.lit(`,"type":"user"`):
	case s.lit(`,"type":"list"`):
		a.Type = List
	default:
		return a, false
	}
	switch {
	case s.lit(`,"status":"active"`):
	case s.lit(`,"status":"inactive"`):
		a.Status = Inactive
	default:
		return a, false
	}
	if !s.lit(`,"directory":"`) {
		return a, false
	}
	a.Directory = d.name(s.text())
	if !s.lit(`,"guid":"`) {
		return a, false
	}
	if guid := s.text(); len(guid) == 36 {
		g, err := ParseGUID(string(guid))
		if err != nil {
			return a, false
		}
		a.GUID = g
	} else if len(guid) != 0 {
		return a, false
	}
	if !s.lit(`,"username":"`) {
		return a, false
	}
	username := s.text()
	if !s.lit(`,"dn":"`) {
		return a, false
	}
	dn := s.text()
	if !s.lit(`,"attributes":{`) {
		return a, false
	}
	d.attrBuf = d.attrBuf[:0]
	for !s.lit(`}}`) {
		if len(d.attrBuf) > 0 && !s.lit(`,`) || !s.lit(`"`) {
			return a, false
		}
		name := s.text()
		if !s.lit(`:"`) {
			return a, false
		}
		value := s.text()
		if s.bad || len(value) == 0 || len(d.attrBuf) > 0 && d.attrBuf[len(d.attrBuf)-1].Name >= string(name) {
			return a, false
		}
		d.attrBuf = append(d.attrBuf, Attribute{d.name(name), d.arena.String(value)})
	}
	if s.bad || len(s.rest) > 0 {
		return a, false
	}
	a.Username, a.DN = d.arena.String(username), d.arena.String(dn)
	a.Aliases = d.addresses.Copy(d.aliasBuf)
	a.Attributes = d.attrs.Copy(d.attrBuf)
	return a, true
}

// plainAddress stores an address that is lower case already.
func (d *Decoder) plainAddress(b []byte) (Address, bool) {
	text := d.arena.String(b)
	a, err := ParseAddress(text)
	return a, err == nil && a.text == text
}

// scanner walks over a line; once bad, it stays bad.
type scanner struct {
	rest []byte
	bad  bool
}

func (s *scanner) lit(text string) bool {
	if s.bad || len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// text reads up to the closing quote of a string without escapes.
func (s *scanner) text() []byte {
	if s.bad {
		return nil
	}
	ascii := true
	for i := plain(s.rest); i < len(s.rest); i += plain(s.rest[i:]) {
		c := s.rest[i]
		if c == '"' {
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			if !ascii && !utf8.Valid(text) {
				s.bad = true
			}
			return text
		}
		if c < ' ' || c == '\\' {
			break
		}
		if c >= utf8.RuneSelf {
			ascii = false
		}
		i++
	}
	s.bad = true
	return nil
}

// plain counts the octets at the beginning of a text that are in [printables].
func plain[T string | []byte](s T) int {
	const every, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := x^every*'"', x^every*'\\'
		// The high bit of each octet is set that is not printable, or no ASCII, or that is
		// one of the two; of octets behind it, too.
		if (x|(x-every*' ')|(x+every)|(quote-every)|(backslash-every))&high != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if !printables[s[i]] {
			return i
		}
	}
	return len(s)
}

// printables are the printable octets of ASCII but for a quote and a backslash.
var printables = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	}
	return t
}()

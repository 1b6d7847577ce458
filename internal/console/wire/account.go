package wire

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Decoder reads lines, and stores the texts of accounts compactly. Use one Decoder
// for many lines. The zero Decoder is ready to use, by one goroutine at a time.
type Decoder struct {
	arena     compact.Arena
	addresses compact.Slab[identity.Address]
	attrs     compact.Slab[identity.Attribute]
	names     map[string]string

	aliasBuf []identity.Address
	attrBuf  []identity.Attribute
	live     identity.Live // what [Line.Account] points to
}

// The keys of accounts, as bits of those that were met.
const (
	haveRef = 1 << iota
	haveRev
	havePrimary
	haveAliases
	haveType
	haveStatus
	haveOwner
	haveUsername
	haveDN
	haveAttributes
)

// plain reads an account that is as most are: no key twice, and nothing odd.
// Anything else is left to odd, which understands all, and agrees with this one on
// what both do.
func (d *Decoder) plain(s *connector.Scanner, a *identity.Live) bool {
	*a = identity.Live{}
	d.aliasBuf, d.attrBuf = d.aliasBuf[:0], d.attrBuf[:0]
	met, n := 0, 0
	// once notes a key, and reports whether it is met for the first time.
	once := func(key int) bool {
		first := met&key == 0
		met |= key
		return first
	}
	if !s.Is('{') {
		return false
	}
	for ; !s.Is('}'); n++ {
		if n > 0 && !s.Is(',') {
			return false
		}
		key, ok := s.Text()
		if !ok || !s.Is(':') {
			return false
		}
		switch string(key) {
		case "ref":
			ok = once(haveRef) && d.string(s, &a.Ref)
		case "rev":
			ok = once(haveRev) && d.string(s, &a.Rev)
		case "primary":
			ok = once(havePrimary) && d.address(s, &a.Primary)
		case "aliases":
			ok = once(haveAliases) && (s.Lit("null") || d.aliases(s))
		case "type":
			ok = once(haveType) && (s.Lit("null") || s.Lit(`"user"`) || s.Lit(`"list"`) && set(&a.Type, identity.List))
		case "status":
			ok = once(haveStatus) && (s.Lit("null") || s.Lit(`"active"`) || s.Lit(`"inactive"`) && set(&a.Status, identity.Inactive))
		case "owner":
			ok = once(haveOwner) && (s.Lit("null") || d.mark(s, &a.Mark))
		case "username":
			ok = once(haveUsername) && d.string(s, &a.Username)
		case "dn":
			ok = once(haveDN) && d.string(s, &a.DN)
		case "attributes":
			ok = once(haveAttributes) && (s.Lit("null") || d.attributes(s))
		default:
			ok = s.Skip()
		}
		if !ok {
			return false
		}
	}
	d.settle(a)
	return true
}

func set[T any](p *T, v T) bool {
	*p = v
	return true
}

// settle brings aliases and attributes into order. Aliases that fold to one, or to
// the primary, are that one; an attribute without a value is none.
func (d *Decoder) settle(a *identity.Live) {
	slices.SortFunc(d.aliasBuf, identity.Address.Compare)
	aliases := slices.Compact(d.aliasBuf)
	if i, ok := slices.BinarySearchFunc(aliases, a.Primary, identity.Address.Compare); ok {
		aliases = slices.Delete(aliases, i, i+1)
	}
	a.Aliases = d.addresses.Copy(aliases)
	d.attrBuf = slices.DeleteFunc(d.attrBuf, func(a identity.Attribute) bool { return a.Value == "" })
	slices.SortFunc(d.attrBuf, func(x, y identity.Attribute) int { return strings.Compare(x.Name, y.Name) })
	a.Attributes = d.attrs.Copy(d.attrBuf)
}

func (d *Decoder) string(s *connector.Scanner, to *string) bool {
	text, ok := s.Optional()
	*to = d.arena.String(text)
	return ok
}

// address reads an address; "" and null are none.
func (d *Decoder) address(s *connector.Scanner, to *identity.Address) bool {
	text, ok := s.Optional()
	if !ok || len(text) == 0 {
		return ok
	}
	a, err := identity.ParseAddress(d.arena.String(text))
	*to = a
	return err == nil
}

func (d *Decoder) aliases(s *connector.Scanner) bool {
	if !s.Is('[') {
		return false
	}
	for !s.Is(']') {
		if len(d.aliasBuf) > 0 && !s.Is(',') {
			return false
		}
		var alias identity.Address
		if !d.address(s, &alias) || alias.IsZero() {
			return false
		}
		d.aliasBuf = append(d.aliasBuf, alias)
	}
	return true
}

func (d *Decoder) mark(s *connector.Scanner, m *identity.Mark) bool {
	if !s.Is('{') {
		return false
	}
	var by, directory, guid []byte
	for n := 0; !s.Is('}'); n++ {
		if n > 0 && !s.Is(',') {
			return false
		}
		key, ok := s.Text()
		if !ok || !s.Is(':') {
			return false
		}
		var to *[]byte
		switch string(key) {
		case "by":
			to = &by
		case "directory":
			to = &directory
		case "guid":
			to = &guid
		}
		if to == nil || *to != nil {
			return false
		}
		// An empty one makes the mark odd.
		if *to, ok = s.Text(); !ok || len(*to) == 0 {
			return false
		}
	}
	if by == nil || directory == nil || guid == nil {
		return false
	}
	m.By, m.Directory = d.name(by), d.name(directory)
	var err error
	m.GUID, err = identity.ParseGUID(string(guid))
	return err == nil
}

func (d *Decoder) attributes(s *connector.Scanner) bool {
	const many = 100
	if !s.Is('{') {
		return false
	}
	for n := 0; !s.Is('}'); n++ {
		if n > 0 && !s.Is(',') {
			return false
		}
		name, ok := s.Text()
		if !ok || !s.Is(':') {
			return false
		}
		value, ok := s.Optional()
		if !ok || n == many || slices.ContainsFunc(d.attrBuf, func(a identity.Attribute) bool { return a.Name == string(name) }) {
			return false
		}
		d.attrBuf = append(d.attrBuf, identity.Attribute{Name: d.name(name), Value: d.arena.String(value)})
	}
	return true
}

// name interns a text of which there are few, such as the name of an attribute.
func (d *Decoder) name(b []byte) string {
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

// odd reads any account. What it does not understand it says in Odd.
func (d *Decoder) odd(object json.RawMessage, a *identity.Live) error {
	keys, err := connector.Object(object)
	if err != nil {
		return fmt.Errorf(`"account": %w`, err)
	}
	*a = identity.Live{}
	d.aliasBuf, d.attrBuf = d.aliasBuf[:0], d.attrBuf[:0]
	var wrong problems
	text := func(keys map[string]json.RawMessage, key, what string) []byte {
		s, err := connector.Text(keys[key])
		if err != nil {
			wrong.add("%s %v", what, err)
		}
		return []byte(s)
	}
	a.Ref = d.arena.String(text(keys, "ref", "ref"))
	a.Rev = d.arena.String(text(keys, "rev", "rev"))
	if primary := text(keys, "primary", "primary"); len(primary) > 0 {
		if a.Primary, err = identity.ParseAddress(d.arena.String(primary)); err != nil {
			wrong.add("primary %s: %v", connector.Quote(string(primary)), err)
		}
	}
	list, err := connector.List(keys["aliases"])
	if err != nil {
		wrong.add("aliases %v", err)
	}
	for _, element := range list {
		alias, err := connector.Text(element)
		if err != nil {
			wrong.add("alias %v", err)
			continue
		}
		address, err := identity.ParseAddress(d.arena.String([]byte(alias)))
		if err != nil {
			wrong.add("alias %s: %v", connector.Quote(alias), err)
			continue
		}
		d.aliasBuf = append(d.aliasBuf, address)
	}
	if name := text(keys, "type", "type"); len(name) > 0 {
		if a.Type, err = identity.ParseType(string(name)); err != nil {
			wrong.add("%v", err)
		}
	}
	if name := text(keys, "status", "status"); len(name) > 0 {
		if a.Status, err = identity.ParseStatus(string(name)); err != nil {
			wrong.add("%v", err)
		}
	}
	owner, err := connector.OptionalObject(keys["owner"])
	if err != nil {
		wrong.add("owner %v", err)
	}
	if len(owner) > 0 {
		a.Mark.By = d.name(text(owner, "by", `owner "by"`))
		a.Mark.Directory = d.name(text(owner, "directory", `owner "directory"`))
		guid := text(owner, "guid", `owner "guid"`)
		if len(guid) > 0 {
			if a.Mark.GUID, err = identity.ParseGUID(string(guid)); err != nil {
				wrong.add("owner %s: %v", connector.Quote(string(guid)), err)
			}
		}
		if a.Mark.By == "" || a.Mark.Directory == "" || len(guid) == 0 {
			wrong.add(`owner lacks "by", "directory" or "guid"`)
		}
	}
	a.Username = d.arena.String(text(keys, "username", "username"))
	a.DN = d.arena.String(text(keys, "dn", "dn"))
	attributes, err := connector.OptionalObject(keys["attributes"])
	if err != nil {
		wrong.add("attributes %v", err)
	}
	for _, name := range connector.SortedKeys(attributes) {
		value := text(attributes, name, "attribute "+connector.Quote(name))
		d.attrBuf = append(d.attrBuf, identity.Attribute{Name: d.name([]byte(name)), Value: d.arena.String(value)})
	}
	d.settle(a)
	a.Odd = wrong.String()
	return nil
}

// problems collects what is wrong with an account; of many it reports the first.
type problems struct {
	texts []string
	more  int
}

func (p *problems) add(format string, args ...any) {
	const most = 3
	if len(p.texts) == most {
		p.more++
		return
	}
	p.texts = append(p.texts, fmt.Sprintf(format, args...))
}

func (p *problems) String() string {
	text := strings.Join(p.texts, "; ")
	if p.more > 0 {
		text += fmt.Sprintf("; and %d more", p.more)
	}
	return text
}

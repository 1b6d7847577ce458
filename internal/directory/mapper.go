package directory

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Mapper makes entries of a scope's objects. It copies the values, and stores
// them compactly: use one Mapper for the whole read of a scope, in one
// goroutine.
//
// An alias attribute's value is read by its prefix, the letters, digits, "+",
// "-" and "." up to a colon:
//
//	SMTP:ann@example.com    a candidate for the declared primary
//	smtp:ann@example.com    an alias, as in any other letter case
//	ann@example.com         an alias
//	X500:/o=..., SIP:...    no mail address
//
// The primary attribute is only read where no value begins with "SMTP:", or
// where several do, so that it can say which of them is meant. A value with a
// language option is an alias at most.
type Mapper struct {
	scope      int32
	typ        EntryType
	primary    string
	aliases    []string
	username   string
	guid       string
	keyspace   string
	attributes []Attribute // Source as asked of objects
	disabled   bool

	// Broken counts the values of the last entry that are not UTF-8, of which
	// only a part can be read.
	Broken int

	mark      compact.Mark
	attrsRoom []identity.Attribute
	listRoom  []string
	arena     compact.Arena
	texts     compact.Slab[string]
	attrs     compact.Slab[identity.Attribute]
	primaries []string
	mail      []string
	others    []string
	read      []identity.Attribute
}

// NewMapper returns the mapper of a scope.
func NewMapper(s *Scope) *Mapper {
	m := &Mapper{
		scope:    s.Index,
		typ:      s.Type,
		primary:  filter.AttributeName(s.PrimaryAttribute),
		username: filter.AttributeName(s.UsernameAttribute),
		guid:     filter.AttributeName(s.GUIDAttribute),
		keyspace: s.Keyspace,
		disabled: s.SkipDisabled,
	}
	for _, name := range s.AliasAttributes {
		m.aliases = append(m.aliases, filter.AttributeName(name))
	}
	for _, a := range s.Attributes {
		m.attributes = append(m.attributes, Attribute{a.Name, filter.AttributeName(a.Source)})
	}
	return m
}

// The attributes that are read whatever a scope names, in the form in which
// objects are asked for them.
const (
	objectClass      = "objectclass"
	objectGUID       = "objectguid"
	entryUUID        = "entryuuid"
	nsUniqueID       = "nsuniqueid"
	recipientDetails = "msexchrecipienttypedetails"
	deletedMark      = "isdeleted"
	nsConflict       = "nsds5replconflict"
	syncConflict     = "ds-sync-conflict"
)

// Attributes returns the names of the attributes that the mapper reads, as
// [AttributeName] writes them, sorted.
func (m *Mapper) Attributes() []string {
	names := append([]string{m.primary, m.username, m.guid, objectClass, recipientDetails, deletedMark, nsConflict, syncConflict}, m.aliases...)
	if m.guid == "" {
		names = append(names, objectGUID, entryUUID)
	}
	if m.disabled {
		names = append(names, flagNames...)
	}
	for _, a := range m.attributes {
		names = append(names, a.Source)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// Entry reads an object of the scope, or says why it is no entry: NoAddress,
// Deleted, Conflict, System or Disabled.
//
// Of several values where an entry has one, those in no language come first (RFC
// 3866), and then the least in byte order, because servers keep no order.
func (m *Mapper) Entry(o Object) (e identity.Entry, why ObstacleKind) {
	m.Broken, m.mark, m.listRoom, m.attrsRoom = 0, m.arena.Mark(), m.texts.Room(), m.attrs.Room()
	if !m.addresses(o) {
		return identity.Entry{}, NoAddress
	}
	if why := m.Absent(o); why != "" {
		return identity.Entry{}, why
	}
	e = identity.Entry{
		GUID:      m.GUID(o),
		DN:        m.name(o.DN()),
		Username:  m.text(plainest(o, m.username)),
		Primaries: m.texts.Copy(m.primaries),
		Mail:      m.texts.Copy(m.mail),
		Aliases:   m.texts.Copy(m.others),
		Scope:     m.scope,
		Type:      m.entryType(o),
	}
	m.read = m.read[:0]
	for _, a := range m.attributes {
		if v := plainest(o, a.Source); len(v) > 0 {
			m.read = append(m.read, identity.Attribute{Name: a.Name, Value: m.text(v)})
		}
	}
	e.Attributes = m.attrs.Copy(m.read)
	return e, ""
}

// Forget drops the texts and attributes of the last entry, which nobody has any more.
func (m *Mapper) Forget() {
	m.arena.Rewind(m.mark)
	m.texts.Rewind(m.listRoom)
	m.attrs.Rewind(m.attrsRoom)
}

// addresses collects the addresses of an object and reports whether there are
// any.
func (m *Mapper) addresses(o Object) bool {
	m.primaries, m.mail, m.others = m.primaries[:0], m.mail[:0], m.others[:0]
	for _, name := range m.aliases {
		for i, v := range o.Values(name) {
			v = bytes.TrimSpace(v)
			n := scheme(v)
			primary := string(v[:n]) == "SMTP" && !InLanguage(o.Options(name, i))
			if n > 0 {
				if !bytes.EqualFold(v[:n], []byte("smtp")) {
					continue
				}
				v = bytes.TrimSpace(v[n+1:])
			}
			switch {
			case len(v) == 0:
			case primary:
				m.primaries = append(m.primaries, m.text(v))
			default:
				m.others = append(m.others, m.text(v))
			}
		}
	}
	if m.primary != "" && (len(m.primaries) == 0 || m.several()) {
		declared := len(m.primaries) == 0
		for i, v := range o.Values(m.primary) {
			if v = bytes.TrimSpace(v); len(v) == 0 {
				continue
			}
			switch language := InLanguage(o.Options(m.primary, i)); {
			case declared && language:
				m.others = append(m.others, m.text(v))
			case declared:
				m.primaries = append(m.primaries, m.text(v))
			case !language:
				m.mail = append(m.mail, m.text(v))
			}
		}
		if declared && len(m.primaries) > 1 && m.several() {
			m.mail = append(m.mail, m.primaries...)
		}
	}
	return len(m.primaries)+len(m.others) > 0
}

// several reports whether the primaries are more than one address.
func (m *Mapper) several() bool {
	return slices.ContainsFunc(m.primaries[1:], func(p string) bool { return !strings.EqualFold(p, m.primaries[0]) })
}

// scheme returns the length of the prefix before a colon, 0 where there is
// none.
func scheme(v []byte) int {
	for i, c := range v {
		switch {
		case c == ':':
			return i
		case c == '+', c == '-', c == '.', c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
		default:
			return 0
		}
	}
	return 0
}

// GUID returns the object's GUID, or the zero GUID where it has none that
// can be read.
func (m *Mapper) GUID(o Object) identity.GUID {
	if m.guid != "" {
		return keyOf(m.keyspace, m.guid, plainest(o, m.guid))
	}
	if value := plainest(o, objectGUID); value != nil {
		return guidOf(objectGUID, value)
	}
	return guidOf(entryUUID, plainest(o, entryUUID))
}

// keyOf reads a GUID of an attribute; in a keyspace any text stands for one.
func keyOf(keyspace, attribute string, value []byte) identity.GUID {
	if keyspace != "" && (len(value) != 16 || printable(value)) {
		return keyed(keyspace, string(value))
	}
	return guidOf(attribute, value)
}

// keyed reads a GUID of a text, which may be any; the zero GUID of none.
func keyed(keyspace, text string) identity.GUID {
	if text = strings.TrimSpace(text); text == "" {
		return identity.GUID{}
	}
	if g, err := identity.ParseGUID(text); err == nil {
		return g
	}
	return identity.NamedGUID(keyspace + ":" + text)
}

// printable reports whether octets are a text of ASCII.
func printable(value []byte) bool {
	return !slices.ContainsFunc(value, func(c byte) bool { return c < ' ' || c > '~' })
}

// guidOf reads a GUID of an attribute, the zero GUID where there is none.
func guidOf(attribute string, value []byte) identity.GUID {
	var g identity.GUID
	switch {
	// No text form of a GUID has sixteen octets.
	case len(value) != 16:
		g, _ = identity.ParseGUID(string(value))
	case littleEndian(attribute):
		g, _ = identity.WireGUID(value)
	default:
		copy(g[:], value)
	}
	return g
}

// littleEndian reports whether an attribute, in lower case, holds GUIDs as
// Windows has them in memory, the first three fields little-endian (MS-DTYP
// section 2.3.4.2). All others have them in the order of their text (RFC 9562),
// such as the GUID of eDirectory.
func littleEndian(attribute string) bool {
	return attribute == objectGUID || attribute == "ms-ds-consistencyguid" ||
		strings.HasPrefix(attribute, "msexch") && strings.HasSuffix(attribute, "guid")
}

func (m *Mapper) entryType(o filter.Object) identity.Type {
	if m.typ == Lists || m.typ == Auto && isList(o) {
		return identity.List
	}
	return identity.User
}

// plainest returns the value of an attribute that counts where an entry has one:
// the least that is not empty, of those in no language if there are any; nil
// where there is none.
func plainest(o Object, name string) []byte {
	if name == "" {
		return nil
	}
	var best []byte
	foreign := false
	for i, v := range o.Values(name) {
		if len(v) == 0 {
			continue
		}
		language := InLanguage(o.Options(name, i))
		if best == nil || foreign && !language || foreign == language && bytes.Compare(v, best) < 0 {
			best, foreign = v, language
		}
	}
	return best
}

// text stores a copy of a value, as valid UTF-8.
func (m *Mapper) text(b []byte) string {
	if !utf8.Valid(b) {
		m.Broken++
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return m.arena.String(b)
}

// name returns a DN as valid UTF-8.
func (m *Mapper) name(dn string) string {
	if utf8.ValidString(dn) {
		return dn
	}
	m.Broken++
	return strings.ToValidUTF8(dn, "\uFFFD")
}

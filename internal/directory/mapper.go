package directory

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
// The primary attribute is only read where no value begins with "SMTP:".
type Mapper struct {
	scope      int32
	typ        EntryType
	primary    string
	aliases    []string
	username   string
	guid       string
	attributes []Attribute // Source as asked of objects
	disabled   bool

	arena     identity.Arena
	texts     identity.Slab[string]
	attrs     identity.Slab[identity.Attribute]
	primaries []string
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
	objectClass    = "objectclass"
	objectGUID     = "objectguid"
	entryUUID      = "entryuuid"
	accountControl = "useraccountcontrol"
	accountLock    = "nsaccountlock"
	lockedTime     = "pwdaccountlockedtime"
	recipientType  = "msexchrecipienttypedetails"
)

// Attributes returns the names of the attributes that the mapper reads, as
// [AttributeName] writes them, sorted.
func (m *Mapper) Attributes() []string {
	names := append([]string{m.primary, m.username, m.guid, recipientType}, m.aliases...)
	if m.guid == "" {
		names = append(names, objectGUID, entryUUID)
	}
	if m.typ == Auto {
		names = append(names, objectClass)
	}
	if m.disabled {
		names = append(names, accountControl, accountLock, lockedTime)
	}
	for _, a := range m.attributes {
		names = append(names, a.Source)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// Entry reads an object. It is not ok if the object is no entry of the scope:
// it lists no mail address, is the server's own or the loser of a replication
// conflict, or is disabled in a scope that skips such objects.
//
// Of several values where an entry has one, the least in byte order is taken,
// because servers keep no order.
func (m *Mapper) Entry(o filter.Object) (e identity.Entry, ok bool) {
	if m.disabled && isDisabled(o) || !m.addresses(o) || isSystem(o) || isConflict(o.DN()) {
		return identity.Entry{}, false
	}
	e = identity.Entry{
		GUID:      m.GUID(o),
		DN:        strings.ToValidUTF8(o.DN(), "\uFFFD"),
		Username:  m.text(least(o, m.username)),
		Primaries: m.texts.Copy(m.primaries),
		Aliases:   m.texts.Copy(m.others),
		Scope:     m.scope,
		Type:      m.entryType(o),
	}
	m.read = m.read[:0]
	for _, a := range m.attributes {
		if v := least(o, a.Source); len(v) > 0 {
			m.read = append(m.read, identity.Attribute{Name: a.Name, Value: m.text(v)})
		}
	}
	e.Attributes = m.attrs.Copy(m.read)
	return e, true
}

// addresses collects the addresses of an object and reports whether there are
// any.
func (m *Mapper) addresses(o filter.Object) bool {
	m.primaries, m.others = m.primaries[:0], m.others[:0]
	for _, name := range m.aliases {
		for _, v := range o.Values(name) {
			v = bytes.TrimSpace(v)
			n := scheme(v)
			primary := string(v[:n]) == "SMTP"
			if n > 0 {
				if !primary && !bytes.EqualFold(v[:n], []byte("smtp")) {
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
	if len(m.primaries) == 0 && m.primary != "" {
		for _, v := range o.Values(m.primary) {
			if v = bytes.TrimSpace(v); len(v) > 0 {
				m.primaries = append(m.primaries, m.text(v))
			}
		}
	}
	return len(m.primaries)+len(m.others) > 0
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
func (m *Mapper) GUID(o filter.Object) identity.GUID {
	var value []byte
	switch {
	case m.guid != "":
		value = least(o, m.guid)
	default:
		if value = least(o, objectGUID); value == nil {
			value = least(o, entryUUID)
		}
	}
	return guidOf(value)
}

// guidOf reads a GUID, the zero GUID where there is none.
func guidOf(value []byte) identity.GUID {
	// No text form of a GUID has sixteen octets.
	if len(value) == 16 {
		g, _ := identity.WireGUID(value)
		return g
	}
	g, _ := identity.ParseGUID(string(value))
	return g
}

// groupClasses are the object classes of lists, in lower case: those of Active
// Directory and Exchange, of RFC 2256, RFC 2307 with its successor, and of the
// mail schemas of Netscape, 389 Directory Server and sendmail.
var groupClasses = []string{
	"group", "groupofnames", "groupofuniquenames", "posixgroup", "groupofurls", "msexchdynamicdistributionlist", "mailgroup",
	"inetmailgroup", "rfc822mailgroup", "nismailalias", "groupofmembers", "groupofentries", "dynamicgroup",
}

func (m *Mapper) entryType(o filter.Object) identity.Type {
	switch m.typ {
	case Users:
		return identity.User
	case Lists:
		return identity.List
	}
	for _, v := range o.Values(objectClass) {
		for _, class := range groupClasses {
			if len(v) == len(class) && strings.EqualFold(string(v), class) {
				return identity.List
			}
		}
	}
	return identity.User
}

// userAccountControl and msExchRecipientTypeDetails are sets of bits.
const (
	accountDisable = 1 << 1 // MS-ADTS section 2.2.16

	linkedMailbox   = 1 << 1
	sharedMailbox   = 1 << 2
	roomMailbox     = 1 << 4
	equipment       = 1 << 5
	remoteRoom      = 1 << 33
	remoteEquipment = 1 << 34
	remoteShared    = 1 << 35

	// disabledByDesign are mailboxes whose accounts nobody signs in with.
	disabledByDesign = linkedMailbox | sharedMailbox | roomMailbox | equipment | remoteRoom | remoteEquipment | remoteShared
)

// systemMailboxes are mailboxes that Exchange keeps for itself: system
// attendant, system mailbox, Exchange's own, arbitration, plan and discovery.
const systemMailboxes = 1<<13 | 1<<14 | 1<<22 | 1<<23 | 1<<24 | 1<<29

// systemNames begin the names of such mailboxes, and of the accounts of
// synchronization tools, where the recipient type is not there to tell.
var systemNames = []string{"cn=systemmailbox{", "cn=discoverysearchmailbox ", "cn=healthmailbox", "cn=migration.", "cn=federatedemail.", "cn=cas_{", "cn=aad_", "cn=msol_"}

func isSystem(o filter.Object) bool {
	if hasBits(o, recipientType, systemMailboxes) {
		return true
	}
	dn := o.DN()
	for _, name := range systemNames {
		if len(dn) >= len(name) && strings.EqualFold(dn[:len(name)], name) {
			return true
		}
	}
	return false
}

// isConflict reports whether an object lost its name to another that was
// created under it on another domain controller: its relative name has a line
// feed and CNF: with its GUID (MS-ADTS section 3.1.1.5.1.2).
func isConflict(dn string) bool {
	end := 0
	for end < len(dn) && dn[end] != ',' {
		if dn[end] == '\\' {
			end++
		}
		end++
	}
	return strings.Contains(dn[:min(end, len(dn))], `\0ACNF:`)
}

func isDisabled(o filter.Object) bool {
	off := hasBits(o, accountControl, accountDisable) || len(o.Values(lockedTime)) > 0
	for _, v := range o.Values(accountLock) {
		off = off || bytes.EqualFold(bytes.TrimSpace(v), []byte("true"))
	}
	return off && !hasBits(o, recipientType, disabledByDesign)
}

func hasBits(o filter.Object, name string, mask int64) bool {
	for _, v := range o.Values(name) {
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && n&mask != 0 {
			return true
		}
	}
	return false
}

// least returns the least value of an attribute that is not empty, or nil.
func least(o filter.Object, name string) []byte {
	if name == "" {
		return nil
	}
	var min []byte
	for _, v := range o.Values(name) {
		if len(v) > 0 && (min == nil || bytes.Compare(v, min) < 0) {
			min = v
		}
	}
	return min
}

// text stores a copy of a value, as valid UTF-8.
func (m *Mapper) text(b []byte) string {
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return m.arena.String(b)
}

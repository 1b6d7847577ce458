package directory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Finder is a source that can be asked for single objects, be they in a scope
// or not:
//
//	found, err := source.(directory.Finder).Find(ctx, directory.Query{Addresses: []string{"ann@example.com"}}, scopes)
//
// An answer is never complete, so that nothing follows from what is not in it,
// and an error only means that it is unknown.
type Finder interface {
	// Find looks for the objects of the query in all of the directory, and says
	// of each scope, which are those that Read is given, why it takes the object
	// or not.
	Find(ctx context.Context, q Query, scopes []Scope) (Findings, error)
}

// Query says which objects to find: those that have any of what is set.
type Query struct {
	// Addresses are an address in lower case, well-formed or not, in each of the
	// domains that are rewritten to its own.
	Addresses []string
	GUID      identity.GUID
	DN        string
	// Username is one of any attribute that holds such.
	Username string
	// Entries are the DNs of objects, as the directory spells them, whose values
	// are wanted whatever they are.
	Entries []string
	// Domains, unless nil, are for each scope the mail domains whose addresses
	// it takes, aliases of domains included, in lower case.
	Domains [][]string
	// Declared are the domains to which their aliases are rewritten, by alias.
	Declared map[string]string
	// Kind is the directory's, as of [InActiveDirectory].
	Kind string
}

// MaxFound is how many objects are looked for in one directory.
const MaxFound = 20

// Findings are what was found in one directory.
type Findings struct {
	// Objects are ordered by DN.
	Objects []Found
	// Entries are those of the query that are there.
	Entries []Found
	// Cut is set where there are more than MaxFound, or than a server sends.
	Cut bool
	// Notes say what was not looked at, and why.
	Notes []string
}

// Found is an object of a directory.
type Found struct {
	DN string
	// GUID is as the first of the scopes reads it that finds one.
	GUID identity.GUID
	// LDAP is set if the object is none of Active Directory; ObjectGUID, by which
	// commands of that find it, is zero then, or where nobody may read it.
	LDAP       bool
	ObjectGUID identity.GUID
	// Row is set if no command changes the object, as [IsRow] says.
	Row bool
	// Values name what was looked for, as the directory has them.
	Values []FoundValue
	// Held are all values of the attributes from which a scope reads addresses,
	// in the directory's order, every octet as it is there.
	Held []FoundValue
	// Deleted marks an object that is kept for a while after its deletion.
	Deleted bool
	// Disabled marks one that nobody can sign in with, as scopes judge it.
	Disabled bool
	// DisabledByDesign is the recipient type of one that nobody is to sign in with, such
	// as SharedMailbox, and that is disabled therefore; "" for others.
	DisabledByDesign string
	// Verdicts are those of the scopes, in their order.
	Verdicts []Verdict
}

// FoundValue is a value that names what was looked for.
type FoundValue struct {
	// Attribute is spelled as in the scope or a schema, with the options of the
	// value, as in "mail;lang-en"; Value is raw but for what is not UTF-8.
	Attribute, Value string
}

// Verdict says whether a scope makes an entry of an object, and why not.
type Verdict struct {
	Scope string
	// GUID is as the scope reads it.
	GUID identity.GUID
	// Taken is set if it does. Obstacles then say why the entry is refused
	// nevertheless; otherwise they are what keeps the object out, all of it, in
	// the order in which it is looked at.
	Taken     bool
	Obstacles []Obstacle
}

// Obstacle is what is between an object and a scope.
type Obstacle struct {
	Kind ObstacleKind
	// Detail is, by kind, the base DN, the clause in half a sentence, the name
	// of the scope, the attributes that are read, the attribute that the scope
	// names for GUIDs, what is not read beside what, the attributes that list the
	// address, or the domain as it is declared; "" for the others.
	Detail string
	// Clause is the part of the filter, for FilterFalse and FilterUnknown.
	Clause *filter.Clause
}

// ObstacleKind is what stands in an object's way. Its text is a stable code.
type ObstacleKind string

// What keeps an object out of a scope, and, behind NoGUID, what keeps an entry
// from being granted its address.
const (
	Deleted       ObstacleKind = "deleted"        // it is a tombstone
	OutsideBase   ObstacleKind = "outside_base"   // not at or below the base DN
	FilterFalse   ObstacleKind = "filter"         // a clause of the filter does not hold
	FilterUnknown ObstacleKind = "filter_unknown" // only a server can judge a clause
	EarlierScope  ObstacleKind = "earlier_scope"  // which selects it and comes first
	Disabled      ObstacleKind = "disabled"       // and the scope skips disabled objects
	NoAddress     ObstacleKind = "no_address"     // in the attributes that the scope reads
	System        ObstacleKind = "system"         // the server's own mailbox or account
	Conflict      ObstacleKind = "conflict"       // the loser of a replication conflict
	NoGUID        ObstacleKind = "no_guid"        // that can be read
	BesideSMTP    ObstacleKind = "beside_smtp"    // the address is in the primary attribute, which a value with SMTP: silences
	NotRead       ObstacleKind = "not_read"       // the address is in other attributes than are read
	OtherDomain   ObstacleKind = "domain"         // the scope does not take the address's domain
)

// Judge compares the objects of a directory with a query and with scopes, for
// a [Finder].
type Judge struct {
	query  Query
	dn     identity.DN
	scopes []judged
	// Attributes in lower case that hold addresses, usernames and GUIDs.
	listing, login, ids []string
	// held are those of the scopes that hold addresses.
	held    []string
	entries map[string]bool
	spelled map[string]string // attributes as scopes and schemas spell them
}

type judged struct {
	*Scope
	base   identity.DN
	filter *filter.Filter
	mapper *Mapper
}

// NewJudge fails where a scope cannot be read.
func NewJudge(q Query, scopes []Scope) (*Judge, error) {
	j := &Judge{
		query:   q,
		listing: []string{"mail", "proxyaddresses", "mailalternateaddress", "maillocaladdress", userPrincipalName},
		login:   []string{"samaccountname", "uid", userPrincipalName},
		ids:     []string{objectGUID, entryUUID, nsUniqueID},
		entries: map[string]bool{},
		spelled: map[string]string{},
	}
	for _, name := range schemaNames {
		j.spelled[strings.ToLower(name)] = name
	}
	for _, dn := range q.Entries {
		j.entries[dn] = true
	}
	if q.DN != "" {
		dn, err := identity.ParseDN(q.DN)
		if err != nil {
			return nil, err
		}
		j.dn = dn
	}
	for i := range scopes {
		s := &scopes[i]
		base, err := identity.ParseDN(s.Base)
		if err != nil {
			return nil, fmt.Errorf("scope %q: base DN: %w", s.Name, err)
		}
		f, err := s.ParseFilter()
		if err != nil {
			return nil, err
		}
		m := NewMapper(s)
		j.scopes = append(j.scopes, judged{s, base, f, m})
		j.held = append(append(j.held, m.primary), m.aliases...)
		j.login = append(j.login, m.username)
		for _, name := range append([]string{s.PrimaryAttribute, s.UsernameAttribute, s.GUIDAttribute}, s.AliasAttributes...) {
			j.spelled[filter.AttributeName(name)] = name
		}
		j.ids = append(j.ids, m.guid)
	}
	j.listing = append(j.listing, j.held...)
	for _, list := range []*[]string{&j.listing, &j.login, &j.ids} {
		slices.Sort(*list)
		*list = slices.DeleteFunc(slices.Compact(*list), func(name string) bool { return name == "" })
	}
	return j, nil
}

// Attributes of objects that are read in a search for one, beside those of
// [Mapper.Attributes].
const userPrincipalName = "userprincipalname"

// schemaNames are attributes as schemas spell them, for files and servers that
// do not.
var schemaNames = []string{"proxyAddresses", "mailAlternateAddress", "mailLocalAddress", "userPrincipalName", "sAMAccountName", "objectGUID", "entryUUID", "nsUniqueId"}

// spelling returns the name of an attribute as it is shown, with its options.
func (j *Judge) spelling(name string) string {
	if spelled := j.spelled[filter.AttributeName(name)]; spelled != "" {
		if _, options, tagged := strings.Cut(name, ";"); tagged {
			spelled += ";" + options
		}
		return spelled
	}
	return name
}

// Attributes returns the names of the attributes that the judge reads, in
// lower case, sorted.
func (j *Judge) Attributes() []string {
	names := slices.Concat(j.listing, j.login, j.ids, flagNames, []string{objectClass, recipientDetails, deletedMark, nsConflict, syncConflict})
	for i := range j.scopes {
		s := &j.scopes[i]
		names = append(append(names, s.mapper.Attributes()...), s.filter.Attributes()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Filter returns the search filter of RFC 4515 for the query but for its DN,
// "" if it has nothing else.
func (j *Judge) Filter() string {
	var b strings.Builder
	item := func(attribute, value string) {
		b.WriteString("(" + attribute + "=" + value + ")")
	}
	for _, name := range j.listing {
		for _, address := range j.query.Addresses {
			value := filter.Escape(address)
			if value == "" {
				continue
			}
			item(name, value)
			if name != "mail" && name != userPrincipalName {
				item(name, "smtp:"+value)
				item(name, "SMTP:"+value) // one of an attribute that tells letter case apart
			}
		}
	}
	if j.query.Username != "" {
		for _, name := range j.login {
			item(name, filter.Escape(j.query.Username))
		}
	}
	if g := j.query.GUID; !g.IsZero() {
		for _, name := range j.ids {
			if name != objectGUID {
				item(name, g.String())
			}
			if name != objectGUID && name != entryUUID {
				item(name, fmt.Sprintf("%x-%x-%x-%x", g[:4], g[4:8], g[8:12], g[12:])) // as 389 Directory Server writes it
			}
			if name != entryUUID && name != nsUniqueID {
				item(name, octets(name, g))
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "(|" + b.String() + ")"
}

// octets writes a GUID as an attribute has it that holds octets, for a filter.
func octets(attribute string, g identity.GUID) string {
	if littleEndian(attribute) {
		g, _ = identity.WireGUID(g[:]) // which swaps the same octets back
	}
	var b strings.Builder
	for _, c := range g {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return b.String()
}

// Values returns the values of an object that name what is looked for; none
// where it is another object.
func (j *Judge) Values(o Object) []FoundValue {
	var found []FoundValue
	if j.query.DN != "" {
		if dn, err := identity.ParseDN(o.DN()); err == nil && slices.Equal(dn, j.dn) {
			found = append(found, FoundValue{"dn", o.DN()})
		}
	}
	for spelled, values := range o.Attributes() {
		name := filter.AttributeName(spelled)
		for _, test := range [...]struct {
			attributes []string
			names      func(value []byte) bool
		}{{j.listing, j.isAddress}, {j.login, j.isUsername}, {j.ids, func(v []byte) bool { return j.isGUID(name, v) }}} {
			if !slices.Contains(test.attributes, name) {
				continue
			}
			for _, v := range values {
				if !test.names(v) {
					continue
				}
				if value := (FoundValue{j.spelling(spelled), valueText(name, v)}); !slices.Contains(found, value) {
					found = append(found, value)
				}
			}
		}
	}
	slices.SortStableFunc(found, func(a, b FoundValue) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Attribute), strings.ToLower(b.Attribute)), strings.Compare(a.Value, b.Value))
	})
	return found
}

// Wants reports whether the query has the object among its entries.
func (j *Judge) Wants(dn []byte) bool { return j.entries[string(dn)] }

// isAddress compares with the addresses of the query.
func (j *Judge) isAddress(v []byte) bool {
	return slices.ContainsFunc(j.query.Addresses, func(address string) bool { return lists(v, address) })
}

// lists compares without prefix, letter case and surrounding spaces.
func lists(v []byte, address string) bool {
	v = bytes.TrimSpace(v)
	if n := scheme(v); n > 0 && bytes.EqualFold(v[:n], []byte("smtp")) {
		v = bytes.TrimSpace(v[n+1:])
	}
	return len(v) > 0 && strings.EqualFold(strings.ToValidUTF8(string(v), "\uFFFD"), address)
}

func (j *Judge) isUsername(v []byte) bool {
	return j.query.Username != "" && strings.EqualFold(string(v), j.query.Username)
}

func (j *Judge) isGUID(attribute string, v []byte) bool {
	is := func(g identity.GUID) bool { return !g.IsZero() && g == j.query.GUID }
	return is(guidOf(attribute, v)) || slices.ContainsFunc(j.scopes, func(s judged) bool { return s.mapper.guid == attribute && is(keyOf(s.mapper.keyspace, attribute, v)) })
}

// valueText is a value as text; one that is a GUID's octets as a GUID.
func valueText(attribute string, v []byte) string {
	if len(v) == 16 && !utf8.Valid(v) {
		return guidOf(attribute, v).String()
	}
	return strings.ToValidUTF8(string(v), "\uFFFD")
}

// Found judges an object. values are those that the judge returned for it. taker
// is the index of the scope that is known to select it, or -1. ask, which may be
// nil, knows what of a filter only a server does; see [filter.Filter.Explain].
func (j *Judge) Found(o Object, values []FoundValue, taker int, ask func(part string) (holds, known bool)) Found {
	f := Found{DN: strings.ToValidUTF8(o.DN(), "\uFFFD"), Values: values, LDAP: !InActiveDirectory(j.query.Kind, o), Row: IsRow(j.query.Kind, o), Deleted: isDeleted(o)}
	if !f.LDAP {
		f.ObjectGUID = guidOf(objectGUID, plainest(o, objectGUID))
	}
	for spelled, values := range o.Attributes() {
		if slices.Contains(j.held, filter.AttributeName(spelled)) {
			for _, v := range values {
				f.Held = append(f.Held, FoundValue{j.spelling(spelled), string(v)})
			}
		}
	}
	f.Disabled, f.DisabledByDesign = isDisabled(o), designOf(o)
	dn, err := identity.ParseDN(o.DN())
	first := ""
	for i := range j.scopes {
		s := &j.scopes[i]
		v := Verdict{Scope: s.Name, GUID: s.mapper.GUID(o)}
		if f.GUID.IsZero() {
			f.GUID = v.GUID
		}
		add := func(kind ObstacleKind, detail string) {
			v.Obstacles = append(v.Obstacles, Obstacle{Kind: kind, Detail: detail})
		}
		if f.Deleted {
			add(Deleted, "")
			f.Verdicts = append(f.Verdicts, v)
			continue
		}
		if len(s.base) > 0 && (err != nil || !dn.Within(s.base)) {
			add(OutsideBase, s.Base)
		}
		switch {
		case i == taker:
		case s.Filter == "":
			if !s.filter.Match(o) {
				add(NoAddress, s.reads())
			}
		default:
			for _, c := range s.filter.Explain(o, ask) {
				kind := FilterFalse
				if c.Unknown != "" {
					kind = FilterUnknown
				}
				v.Obstacles = append(v.Obstacles, Obstacle{kind, c.String(), &c})
			}
		}
		switch selected := len(v.Obstacles) == 0; {
		case selected && first != "":
			add(EarlierScope, first)
		default:
			if selected {
				first = s.Name
			}
			j.entry(i, o, values, &v)
			v.Taken = !slices.ContainsFunc(v.Obstacles, func(x Obstacle) bool { return !x.Kind.refuses() })
		}
		f.Verdicts = append(f.Verdicts, v)
	}
	return f
}

// refuses reports whether the obstacle leaves the object an entry.
func (k ObstacleKind) refuses() bool {
	return k == NoGUID || k == BesideSMTP || k == NotRead || k == OtherDomain
}

// reads names the attributes from which the scope reads addresses.
func (s *Scope) reads() string {
	return strings.Join(append([]string{s.PrimaryAttribute}, s.AliasAttributes...), ", ")
}

// entry adds what keeps the object from being an entry of the scope, as
// [Mapper.Entry] judges it, and the entry from being granted its address.
func (j *Judge) entry(n int, o Object, values []FoundValue, v *Verdict) {
	s := &j.scopes[n]
	add := func(kind ObstacleKind, detail string) {
		v.Obstacles = append(v.Obstacles, Obstacle{Kind: kind, Detail: detail})
	}
	if s.SkipDisabled && isDisabled(o) {
		add(Disabled, "")
	}
	listed := s.mapper.addresses(o)
	if !listed && !slices.ContainsFunc(v.Obstacles, func(x Obstacle) bool { return x.Kind == NoAddress }) {
		add(NoAddress, s.reads())
	}
	if isSystem(o) {
		add(System, "")
	}
	if isConflict(o) {
		add(Conflict, "")
	}
	if s.mapper.GUID(o).IsZero() {
		add(NoGUID, s.GUIDAttribute)
	}
	if len(j.query.Addresses) == 0 {
		return
	}
	named := func(value string) bool { return j.isAddress([]byte(value)) }
	if !slices.ContainsFunc(s.mapper.primaries, named) && !slices.ContainsFunc(s.mapper.others, named) {
		var others []string
		for _, value := range values {
			if named(value.Value) {
				others = append(others, value.Attribute)
			}
		}
		switch {
		case len(others) == 0: // the object was found otherwise
			return
		case !listed:
		// The primary attribute is read, unless a value begins with SMTP:.
		case slices.ContainsFunc(others, func(name string) bool { return strings.EqualFold(name, s.PrimaryAttribute) }):
			add(BesideSMTP, s.PrimaryAttribute+" is not read beside SMTP:"+slices.Min(s.mapper.primaries))
		default:
			add(NotRead, strings.Join(slices.Compact(others), ", "))
		}
	}
	if n >= len(j.query.Domains) {
		return
	}
	// Of the addresses of the query, those that the object lists count.
	domain := ""
	for _, address := range j.query.Addresses {
		if !slices.ContainsFunc(values, func(v FoundValue) bool { return lists([]byte(v.Value), address) }) {
			continue
		}
		its := address[strings.LastIndexByte(address, '@')+1:]
		if slices.Contains(j.query.Domains[n], its) {
			return
		}
		if domain == "" {
			domain = cmp.Or(j.query.Declared[its], its)
		}
	}
	if domain != "" {
		add(OtherDomain, domain)
	}
}

// SortFound orders what a [Finder] found, cuts it to [MaxFound], and reports
// whether that took something away.
func SortFound(all []Found) (sorted []Found, cut bool) {
	slices.SortFunc(all, func(a, b Found) int { return cmp.Or(strings.Compare(a.DN, b.DN), a.GUID.Compare(b.GUID)) })
	return all[:min(len(all), MaxFound)], len(all) > MaxFound
}

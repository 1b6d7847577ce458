package servertest

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// StubOptions change how a [Stub] answers.
type StubOptions struct {
	// CA and Certificate replace the server's own.
	CA          *CA
	Certificate *Certificate
	// TLS may change how TLS is spoken.
	TLS func(*tls.Config)
	// RootDSE replaces attributes of the root DSE; those without values are
	// left out.
	RootDSE map[string][]string
	// PageSize is how many entries a search gives at most at a time, ValRange
	// how many values of an attribute; 0 stands for 1000 and 1500, as domain
	// controllers have it.
	PageSize, ValRange int
	// References are given, beside those to the domain's own other naming
	// contexts, by a search of the whole domain.
	References []string
	// Bind judges logins; nil lets everybody in.
	Bind func(Bind) Result
	// BindControls, by OID, come with the answer to a login.
	BindControls map[string]string
	// Answer may change the answer to a search before it is sent. It may also
	// change the server's objects, for searches and pages to come.
	Answer func(*Answer)
}

// Bind is a login.
type Bind struct {
	Name, Password string
	// Mechanism is that of SASL, "" for a simple login.
	Mechanism string
	Encrypted bool
}

// Result is how an operation ended (RFC 4511 section 4.1.9).
type Result struct {
	Code             int
	Matched, Message string
	Referrals        []string
}

// Entry is an object, as it is kept or sent.
type Entry struct {
	DN         string
	Attributes []Attribute
}

// Attribute is a name, with options such as ";range=0-1499", and its values.
type Attribute struct {
	Name   string
	Values []string
}

// Answer is what a search, or a page of one, is answered. Controls are named
// by OID, Scope is "base", "one" or "sub".
type Answer struct {
	Base, Scope, Filter  string
	Attributes, Controls []string
	// PageSize is what was asked for, 0 without the paging control, and Page
	// counts the pages of a search from 1.
	PageSize, Page int

	// What follows is sent, and may be changed.

	Entries    []Entry
	References []string
	// EntryControls are those of the entries, in their order, and DoneControls those of
	// the result, by OID. Intermediate are responses (RFC 4511 section 4.13) between the
	// two, each a name and a value.
	EntryControls []map[string]string
	DoneControls  map[string]string
	Intermediate  [][2]string
	Result
	// More says that the paging control has a cookie, NoPaging leaves the
	// control out.
	More, NoPaging bool
	// Close ends the connection where the result would come, and Silent sends
	// nothing at all. With Notice, the server ends the connection by a notice of
	// disconnection (RFC 4511 section 4.4.1) that has the result.
	Close, Silent, Notice bool
}

// Results of domain controllers.
var (
	SigningRequired = Result{Code: 8, Message: "00002028: LdapErr: DSID-0C09023A, comment: The server requires binds to turn on integrity checking " +
		"if SSL\\TLS are not already active on the connection, data 0, v4563\x00"}
	NotBound = Result{Code: 1, Message: "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind " +
		"must be completed on the connection., data 0, v4563\x00"}
	PageRefused = Result{Code: 12, Message: "00000057: LdapErr: DSID-0C0907B5, comment: Error processing control, data 0, v4563\x00"}
	Busy        = Result{Code: 51, Message: "0000200E: LdapErr: DSID-0C090D1C, comment: The server is busy., data 0, v4563\x00"}
	Unavailable = Result{Code: 52, Message: "0000200F: LdapErr: DSID-0C090D1D, comment: The server is not operational., data 0, v4563\x00"}
)

// LoginRefused is the result of a login, by the sub-code, such as "52e".
func LoginRefused(data string) Result {
	return Result{Code: 49, Message: "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data " + data + ", v4563\x00"}
}

// NewEntry makes an object of names and values, in pairs.
func NewEntry(dn string, pairs ...string) Entry {
	e := Entry{DN: dn}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.add(pairs[i], pairs[i+1])
	}
	return e
}

// Person makes up user number n: CN=Person n,OU=Staff with the address
// personn@example.com and the alias pn@example.com.
func Person(n int) Entry {
	id := strconv.Itoa(n)
	return NewEntry("CN=Person "+id+",OU=Staff,"+Base, "objectClass", "top", "objectClass", "person", "objectClass", "organizationalPerson", "objectClass", "user",
		"sAMAccountName", "person"+id, "userPrincipalName", "person"+id+"@corp.example.com", "userAccountControl", "512", "displayName", "Person "+id,
		"mail", "person"+id+"@example.com", "proxyAddresses", "SMTP:person"+id+"@example.com", "proxyAddresses", "smtp:p"+id+"@example.com")
}

func (e *Entry) at(name string) int {
	return slices.IndexFunc(e.Attributes, func(a Attribute) bool { return strings.EqualFold(a.Name, name) })
}

// Get returns the values of an attribute.
func (e *Entry) Get(name string) []string {
	if i := e.at(name); i >= 0 {
		return e.Attributes[i].Values
	}
	return nil
}

// Set replaces the values of an attribute; without values it removes it.
func (e *Entry) Set(name string, values ...string) {
	e.Attributes = slices.DeleteFunc(slices.Clone(e.Attributes), func(a Attribute) bool { return strings.EqualFold(a.Name, name) })
	if len(values) > 0 {
		e.Attributes = append(e.Attributes, Attribute{name, values})
	}
}

func (e *Entry) add(name, value string) { e.Set(name, append(slices.Clip(e.Get(name)), value)...) }

// Stub is a server that behaves like a domain controller of Windows.
type Stub struct {
	// URL is ldap://127.0.0.1:PORT with StartTLS, and LDAPS is
	// ldaps://127.0.0.1:PORT.
	URL, LDAPS string
	// CA has certified the server; its file is CA.File.
	CA *CA

	options  StubOptions
	mu       sync.Mutex
	usn      int
	order    []string // objectGUIDs, from the oldest object to the newest
	byGUID   map[string]*object
	byName   map[string]*object // by the folded name
	requests []string
}

// object implements [filter.Object]. It does not change: a change makes another
// one with the same guid.
type object struct {
	Entry
	name identity.DN
	guid string
}

func (o *object) DN() string { return o.Entry.DN }

func (o *object) Values(attribute string) [][]byte {
	var values [][]byte
	for _, v := range o.Get(attribute) {
		values = append(values, []byte(v))
	}
	return values
}

func (o *object) deleted() bool { return o.Get("isDeleted") != nil }

// contexts are the naming contexts, inner ones before those around them.
var contexts = []string{"CN=Schema," + configuration, configuration, "DC=DomainDnsZones," + Base, "DC=ForestDnsZones," + Base, Base}

var contextNames = func() (names []identity.DN) {
	for _, c := range contexts {
		name, err := identity.ParseDN(c)
		if err != nil {
			panic(err)
		}
		names = append(names, name)
	}
	return names
}()

const configuration = "CN=Configuration," + Base

// service is the object that knows the server's invocationId.
const service = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites," + configuration

// Put adds objects, or replaces those with the same objectGUID or, where none
// is given, the same name. It makes up what is missing: parents, objectGUID,
// uSNChanged, uSNCreated and whenChanged.
func (s *Stub) Put(entries ...Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.put(e)
	}
}

func (s *Stub) put(e Entry) {
	name, err := identity.ParseDN(e.DN)
	if err != nil {
		panic(err)
	}
	if context(name) == "" {
		panic(e.DN + " is not below " + Base)
	}
	if e.DN != Base && s.byName[key(name[1:])] == nil {
		s.put(NewEntry(identity.ParentDN(e.DN), "objectClass", "top", "objectClass", "organizationalUnit"))
	}
	old := s.byName[key(name)]
	if guid := e.Get("objectGUID"); guid != nil {
		old = s.byGUID[guid[0]]
	} else if old != nil {
		e.Set("objectGUID", old.guid)
	} else {
		digest := sha256.Sum256([]byte(key(name)))
		e.Set("objectGUID", string(digest[:16]))
	}
	s.usn++
	e.Set("uSNChanged", strconv.Itoa(s.usn))
	e.Set("uSNCreated", strconv.Itoa(s.usn))
	if old != nil {
		e.Set("uSNCreated", old.Get("uSNCreated")...)
	}
	e.Set("whenChanged", time.Now().UTC().Format("20060102150405.0Z"))
	e.Set("distinguishedName", e.DN)
	o := &object{Entry: e, name: name, guid: e.Get("objectGUID")[0]}
	if old != nil {
		delete(s.byName, key(old.name))
	} else {
		s.order = append(s.order, o.guid)
	}
	s.byGUID[o.guid], s.byName[key(name)] = o, o
}

// Delete deletes an object. Its tombstone, which has no address any more, is
// shown to who asks for deleted objects.
func (s *Stub) Delete(dn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _ := identity.ParseDN(dn)
	o := s.byName[key(name)]
	if o == nil {
		panic("no object has the name " + dn)
	}
	guid, _ := identity.WireGUID([]byte(o.guid))
	rdn := strings.TrimSuffix(o.Entry.DN, ","+identity.ParentDN(o.Entry.DN))
	tombstone := NewEntry(fmt.Sprintf(`%s\0ADEL:%s,CN=Deleted Objects,%s`, rdn, guid, Base), "objectGUID", o.guid, "isDeleted", "TRUE", "lastKnownParent", identity.ParentDN(o.Entry.DN))
	for _, kept := range []string{"objectClass", "sAMAccountName", "userAccountControl", "groupType"} {
		tombstone.Set(kept, o.Get(kept)...)
	}
	s.put(tombstone)
}

// Rename gives an object, and all that is below it, another name. Only the object
// itself has a trace of that.
func (s *Stub) Rename(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := identity.ParseDN(from)
	if err != nil || s.byName[key(old)] == nil {
		panic("no object has the name " + from)
	}
	for _, guid := range s.order {
		o := s.byGUID[guid]
		if !o.name.Within(old) {
			continue
		}
		e := o.Entry
		e.DN = e.DN[:len(e.DN)-len(from)] + to
		name, err := identity.ParseDN(e.DN)
		if err != nil {
			panic(err)
		}
		if len(o.name) == len(old) {
			s.usn++
			e.Set("uSNChanged", strconv.Itoa(s.usn))
		}
		e.Set("distinguishedName", e.DN)
		moved := &object{Entry: e, name: name, guid: guid}
		delete(s.byName, key(o.name))
		s.byGUID[guid], s.byName[key(name)] = moved, moved
	}
}

// Requests returns what the server was asked so far, a line a request:
//
//	bind NAME, or the SASL mechanism, with the OIDs of controls
//	search BASE SCOPE FILTER page N
//	StartTLS
func (s *Stub) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Stub) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, fmt.Sprintf(format, args...))
}

func key(name identity.DN) string { return strings.Join(name, "\n") }

// context returns the naming context of a name, "" for none.
func context(name identity.DN) string {
	for i, c := range contextNames {
		if name.Within(c) {
			return contexts[i]
		}
	}
	return ""
}

// root returns the root DSE (MS-ADTS section 3.1.1.3.2).
func (s *Stub) root() *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := NewEntry("", "defaultNamingContext", Base, "rootDomainNamingContext", Base, "configurationNamingContext", configuration, "schemaNamingContext", "CN=Schema,"+configuration,
		"dnsHostName", "dc1.corp.example.com", "dsServiceName", service, "serverName", identity.ParentDN(service), "ldapServiceName", "corp.example.com:dc1$@CORP.EXAMPLE.COM",
		"currentTime", time.Now().UTC().Format("20060102150405.0Z"), "highestCommittedUSN", strconv.Itoa(s.usn), "isSynchronized", "TRUE", "isGlobalCatalogReady", "TRUE",
		"domainControllerFunctionality", "7", "supportedCapabilities", "1.2.840.113556.1.4.800", "supportedCapabilities", "1.2.840.113556.1.4.1670")
	e.Set("namingContexts", contexts...)
	e.Set("supportedLDAPVersion", "3", "2")
	e.Set("supportedSASLMechanisms", "GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5")
	e.Set("supportedControl", controlPaging, controlShowDeleted, "1.2.840.113556.1.4.841", "1.2.840.113556.1.4.529", controlDomainScope, "1.2.840.113556.1.4.801", "1.2.840.113556.1.4.1948")
	e.Set("supportedExtension", startTLS)
	for name, values := range s.options.RootDSE {
		e.Set(name, values...)
	}
	return &object{Entry: e}
}

const (
	controlPaging      = "1.2.840.113556.1.4.319"
	controlShowDeleted = "1.2.840.113556.1.4.417"
	controlDomainScope = "1.2.840.113556.1.4.1339"
	startTLS           = "1.3.6.1.4.1.1466.20037"
)

// find returns the objects, by objectGUID, that a search is about.
func (s *Stub) find(a *Answer) ([]string, Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := filter.Parse(a.Filter)
	if err != nil {
		return nil, Result{Code: 87, Message: err.Error()}
	}
	deleted := slices.Contains(a.Controls, controlShowDeleted)
	base, refused := s.base(a.Base, deleted)
	if refused.Code != 0 {
		return nil, refused
	}
	within := context(base.name)
	var found []string
	for _, guid := range s.order {
		o := s.byGUID[guid]
		if !o.name.Within(base.name) || context(o.name) != within || o.deleted() && !deleted || !f.Match(o) {
			continue
		}
		if depth := len(o.name) - len(base.name); a.Scope == "sub" || a.Scope == "one" && depth == 1 || a.Scope == "base" && depth == 0 {
			found = append(found, guid)
		}
	}
	if a.Scope == "sub" && base.Entry.DN == Base && !slices.Contains(a.Controls, controlDomainScope) {
		for _, c := range contexts {
			if identity.ParentDN(c) == Base {
				a.References = append(a.References, "ldap://corp.example.com/"+c)
			}
		}
		a.References = append(a.References, s.options.References...)
	}
	return found, Result{}
}

// base returns the object that a search starts at; its name may have the form
// <GUID=...>.
func (s *Stub) base(dn string, deleted bool) (*object, Result) {
	if text, ok := strings.CutPrefix(strings.ToUpper(dn), "<GUID="); ok {
		guid, err := identity.ParseGUID(strings.TrimSuffix(text, ">"))
		for _, o := range s.byGUID {
			if wire, _ := identity.WireGUID([]byte(o.guid)); err == nil && wire == guid && (deleted || !o.deleted()) {
				return o, Result{}
			}
		}
		return nil, Result{Code: 32, Message: "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t''\n\x00"}
	}
	name, err := identity.ParseDN(dn)
	if err != nil {
		return nil, Result{Code: 34, Message: "0000208F: NameErr: DSID-03100232, problem 2006 (BAD_NAME), data 8350, best match of:\n\t'" + dn + "'\n\x00"}
	}
	if context(name) == "" {
		return nil, Result{Code: 10, Message: "0000202B: RefErr: DSID-0310078A, data 0, 1 access points\n\tref 1: 'other.example.com'\n\x00", Referrals: []string{"ldap://other.example.com/" + dn}}
	}
	if o := s.byName[key(name)]; o != nil && (deleted || !o.deleted()) {
		return o, Result{}
	}
	matched := Base
	for up := name[1:]; len(up) > 0; up = up[1:] {
		if o := s.byName[key(up)]; o != nil {
			matched = o.Entry.DN
			break
		}
	}
	return nil, Result{Code: 32, Matched: matched, Message: "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'" + matched + "'\n\x00"}
}

// show returns what an object has of the attributes that are asked for, in
// ranges where they are many.
//
// It fails for a range that begins behind the last value.
func (s *Stub) show(o *object, asked []string) (Entry, bool) {
	shown := Entry{DN: o.Entry.DN}
	if len(asked) == 0 || slices.Contains(asked, "*") {
		asked = append(slices.Clone(asked), "*")
		for _, a := range o.Attributes {
			asked = append(asked, a.Name)
		}
	}
	for _, name := range asked {
		plain, option, _ := strings.Cut(name, ";")
		i := o.at(plain)
		if i < 0 {
			continue
		}
		a := o.Attributes[i]
		from, until := 0, len(a.Values)
		ranged := strings.HasPrefix(strings.ToLower(option), "range=")
		if ranged {
			low, high, _ := strings.Cut(option[len("range="):], "-")
			from, _ = strconv.Atoi(low)
			if n, err := strconv.Atoi(high); err == nil {
				until = min(until, n+1)
			}
			if from >= len(a.Values) {
				return Entry{}, false
			}
		}
		most := s.options.ValRange
		if until-from > most {
			until = from + most
			if !ranged {
				shown.Attributes = append(shown.Attributes, Attribute{Name: a.Name})
				ranged = true
			}
		}
		answer := Attribute{a.Name, a.Values[from:until]}
		if ranged && until == len(a.Values) {
			answer.Name += fmt.Sprintf(";range=%d-*", from)
		} else if ranged {
			answer.Name += fmt.Sprintf(";range=%d-%d", from, until-1)
		}
		shown.Attributes = append(shown.Attributes, answer)
	}
	return shown, true
}

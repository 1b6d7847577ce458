package directory

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// object is an object for tests, made of "attribute;options: value" lines.
type object map[string][][]byte

func (o object) DN() string { return "CN=x,DC=example" }

func (o object) Values(name string) (all [][]byte) {
	for _, v := range o.described(name) {
		all = append(all, o[v]...)
	}
	return all
}

func (o object) Options(name string, n int) string {
	for _, v := range o.described(name) {
		if n < len(o[v]) {
			return v[len(name):]
		}
		n -= len(o[v])
	}
	return ""
}

// described returns the descriptions of an attribute, sorted.
func (o object) described(name string) (all []string) {
	for v := range o {
		if v == name || strings.HasPrefix(v, name+";") {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

func newObject(lines ...string) object {
	o := object{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		o[name] = append(o[name], []byte(strings.TrimPrefix(value, " ")))
	}
	return o
}

func staff() Scope {
	return Scope{
		Index: 3, Name: "staff", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", Type: Auto,
		Attributes: []Attribute{{"department", "department"}, {identity.DisplayName, "displayName"}},
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		story              string
		object             object
		primaries, aliases []string
	}{
		{"mail alone", newObject("mail: Ann@Example.com"), []string{"Ann@Example.com"}, nil},
		{"an SMTP: value, and mail is not read", newObject("mail: old@example.com", "proxyAddresses: SMTP:ann@example.com", "proxyAddresses: smtp:a@example.com"),
			[]string{"ann@example.com"}, []string{"a@example.com"}},
		{"no SMTP: value, and mail is read", newObject("mail: ann@example.com", "proxyAddresses: smtp:a@example.com"), []string{"ann@example.com"}, []string{"a@example.com"}},
		{"two SMTP: values", newObject("proxyAddresses: SMTP:b@example.com", "proxyAddresses: SMTP:a@example.com"), []string{"b@example.com", "a@example.com"}, nil},
		{"several values of mail", newObject("mail: b@example.com", "mail: a@example.com"), []string{"b@example.com", "a@example.com"}, nil},
		{"any other spelling of smtp: is an alias", newObject("proxyAddresses: Smtp:a@example.com", "proxyAddresses: sMTP:b@example.com"), nil, []string{"a@example.com", "b@example.com"}},
		{"no scheme", newObject("proxyAddresses: a@example.com"), nil, []string{"a@example.com"}},
		{"other schemes", newObject("mail: a@example.com", "proxyAddresses: X500:/o=Corp/cn=a:b", "proxyAddresses: SIP:a@example.com", "proxyAddresses: sip:a@example.com",
			"proxyAddresses: EUM:1;phone-context=x", "proxyAddresses: x-a+b.2:c"), []string{"a@example.com"}, nil},
		{"a colon behind something else is no scheme", newObject("proxyAddresses: a b:c", "proxyAddresses: a@b:c", "proxyAddresses: :a"), nil, []string{"a b:c", "a@b:c", ":a"}},
		{"trimmed before and after the prefix", newObject("proxyAddresses:  \tSMTP: a@b.example ", "proxyAddresses:  smtp:\u00a0c@b.example\u00a0"), []string{"a@b.example"}, []string{"c@b.example"}},
		{"the primary attribute has no prefix", newObject("mail:  SMTP:a@example.com "), []string{"SMTP:a@example.com"}, nil},
		{"empty values are skipped", newObject("mail: a@example.com", "proxyAddresses: SMTP: ", "proxyAddresses: smtp:", "proxyAddresses:  "), []string{"a@example.com"}, nil},
		{"a language is an alias at most", newObject("mail: ann@example.com", "mail;lang-de: anne@example.com"), []string{"ann@example.com"}, []string{"anne@example.com"}},
		{"a language alone", newObject("mail;lang-de: anne@example.com"), nil, []string{"anne@example.com"}},
		{"a primary in a language", newObject("mail: ann@example.com", "proxyAddresses;x-y;LANG-de: SMTP:anne@example.com"), []string{"ann@example.com"}, []string{"anne@example.com"}},
		{"a language beside SMTP:", newObject("mail;lang-de: old@example.com", "proxyAddresses: SMTP:ann@example.com"), []string{"ann@example.com"}, nil},
		{"an option that is no language", newObject("mail;x-work: ann@example.com"), []string{"ann@example.com"}, nil},
		{"malformed is still listed", newObject("mail: nobody"), []string{"nobody"}, nil},
		{"octets that are no UTF-8", newObject("mail: a\xff\xfe@example.com"), []string{"a\ufffd@example.com"}, nil},

		{"X500: only is no entry", newObject("proxyAddresses: X500:/o=Corp/cn=a"), nil, nil},
		{"blank mail is no entry", newObject("mail:  "), nil, nil},
		{"nothing is no entry", newObject("cn: x"), nil, nil},
	} {
		s := staff()
		e, why := NewMapper(&s).Entry(c.object)
		if ok := why == ""; ok != (len(c.primaries)+len(c.aliases) > 0) || !slices.Equal(e.Primaries, c.primaries) || !slices.Equal(e.Aliases, c.aliases) {
			t.Errorf("%s: got %q, primaries %q, aliases %q", c.story, why, e.Primaries, e.Aliases)
		}
	}
}

func TestSeveralAliasAttributes(t *testing.T) {
	s := staff()
	s.AliasAttributes = []string{"mailAlternateAddress", "Mail"}
	e, _ := NewMapper(&s).Entry(newObject("mail: a@example.com", "mail: b@example.com", "mailAlternateAddress: c@example.com"))
	if got := fmt.Sprint(e.Primaries, e.Aliases); got != "[a@example.com b@example.com] [c@example.com a@example.com b@example.com]" {
		t.Error(got)
	}
}

func TestValues(t *testing.T) {
	s := staff()
	m := NewMapper(&s)
	o := newObject("mail: a@example.com", "sAMAccountName: zed", "sAMAccountName: ann", "displayName: Zed", "displayName: Ann", "displayName:", "department:")
	e, _ := m.Entry(o)
	for _, values := range o {
		for _, v := range values {
			clear(v)
		}
	}
	if e.Username != "ann" || e.Primaries[0] != "a@example.com" || e.DN != "CN=x,DC=example" || e.Scope != 3 || fmt.Sprint(e.Attributes) != "[{display_name Ann}]" {
		t.Errorf("got %+v", e)
	}
	if got := strings.Join(m.Attributes(), " "); got != "department displayname ds-sync-conflict entryuuid isdeleted mail msexchrecipienttypedetails nsds5replconflict objectclass objectguid proxyaddresses samaccountname" {
		t.Errorf("reads %s", got)
	}
}

// TestTexts: a value in no language goes before one in a language, and of two
// alike the least counts, because servers keep no order.
func TestTexts(t *testing.T) {
	s := staff()
	for _, c := range []struct {
		object object
		want   string
	}{
		{newObject("displayName: Zoe", "displayName;lang-en: Ann"), "Zoe"},
		{newObject("displayName;lang-en: Zoe", "displayName;lang-de: Ann"), "Ann"},
		{newObject("displayName: ", "displayName;lang-de: Ann"), "Ann"},
		{newObject("displayName: Zoe", "displayName;x-y: Ann"), "Ann"},
	} {
		c.object["mail"] = [][]byte{[]byte("a@example.com")}
		if e, _ := NewMapper(&s).Entry(c.object); identity.Lookup(e.Attributes, identity.DisplayName) != c.want {
			t.Errorf("%s: got %v, want %q", c.object, e.Attributes, c.want)
		}
	}
}

// TestMail: the primary attribute of an entry with several addresses that begin
// with SMTP: is kept, in the directory's order.
func TestMail(t *testing.T) {
	s := staff()
	for _, c := range []struct {
		object object
		want   string
	}{
		{newObject("mail: two@x.example", "proxyAddresses: SMTP:abc@x.example", "proxyAddresses: SMTP:two@x.example"), "[two@x.example]"},
		{newObject("mail:  z@x.example ", "mail: ", "mail: a@x.example", "mail;lang-de: b@x.example", "proxyAddresses: SMTP:abc@x.example", "proxyAddresses: SMTP:two@x.example"), "[z@x.example a@x.example]"},
		{newObject("mail: two@x.example", "proxyAddresses: SMTP:abc@x.example", "proxyAddresses: SMTP:ABC@x.example"), "[]"},
		{newObject("mail: two@x.example", "proxyAddresses: SMTP:abc@x.example"), "[]"},
		{newObject("mail: two@x.example", "mail: abc@x.example"), "[two@x.example abc@x.example]"},
	} {
		if e, _ := NewMapper(&s).Entry(c.object); fmt.Sprint(e.Mail) != c.want {
			t.Errorf("%s: got %v, want %s", c.object, e.Mail, c.want)
		}
	}
}

// The wire order of objectGUID: the first three fields are little-endian.
func TestGUID(t *testing.T) {
	for _, c := range []struct{ text, wire string }{
		{"bcd2e574-8d58-4136-a9df-8a19b145db79", "74e5d2bc588d3641a9df8a19b145db79"},
		{"8c4ac332-975f-4717-ad7b-ba4a4e968fff", "32c34a8c5f971747ad7bba4a4e968fff"},
		{"6701fa1a-fb0f-45a8-9356-d302b2affbb1", "1afa01670ffba8459356d302b2affbb1"},
		{"7f858372-fe69-4a2b-917f-1e1055720033", "7283857f69fe2b4a917f1e1055720033"},
		{"00112233-4455-6677-8899-aabbccddeeff", "33221100554477668899aabbccddeeff"},
	} {
		wire, err := hex.DecodeString(c.wire)
		if err != nil {
			t.Fatal(err)
		}
		o := newObject("mail: a@example.com")
		o["objectguid"] = [][]byte{wire}
		s := staff()
		if e, _ := NewMapper(&s).Entry(o); e.GUID.String() != c.text {
			t.Errorf("%s: got %s", c.text, e.GUID)
		}
	}

	const guid, other = "00112233-4455-6677-8899-aabbccddeeff", "6701fa1a-fb0f-45a8-9356-d302b2affbb1"
	wire := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	for _, c := range []struct {
		story, attribute string
		object           object
		want             string
	}{
		{"objectGUID as text", "", newObject("objectGUID: {" + strings.ToUpper(guid) + "}"), guid},
		{"entryUUID", "", newObject("entryUUID: " + guid), guid},
		{"objectGUID goes before entryUUID", "", newObject("entryUUID: "+other, "objectGUID: "+guid), guid},
		{"no GUID", "", newObject(), ""},
		{"an unreadable one is none", "", newObject("objectGUID: x", "entryUUID: "+guid), ""},
		{"all zeros is none", "", newObject("objectGUID: 00000000-0000-0000-0000-000000000000"), ""},
		{"a named attribute alone, octets", "mS-DS-ConsistencyGuid", newObject("mS-DS-ConsistencyGuid: "+wire, "objectGUID: "+other), guid},
		{"an Exchange GUID, octets", "msExchMailboxGuid", newObject("msExchMailboxGuid: " + wire), guid},
		{"octets of any other attribute", "GUID", newObject("GUID: " + wire), "33221100-5544-7766-8899-aabbccddeeff"},
		{"a named attribute alone, text", "nsUniqueId", newObject("nsUniqueId: 00112233-44556677-8899aabb-ccddeeff", "entryUUID: "+other), guid},
		{"a named attribute that is not there", "mS-DS-ConsistencyGuid", newObject("objectGUID: " + other), ""},
		{"several values: the least", "", newObject("objectGUID: "+other, "objectGUID: "+guid), guid},
	} {
		c.object["mail"] = [][]byte{[]byte("a@example.com")}
		s := staff()
		s.GUIDAttribute = c.attribute
		if e, _ := NewMapper(&s).Entry(c.object); e.GUID.String() != c.want {
			t.Errorf("%s: got %q", c.story, e.GUID)
		}
	}
}

func TestType(t *testing.T) {
	for _, c := range []struct {
		scope   EntryType
		classes string
		want    identity.Type
	}{
		{Auto, "top person organizationalPerson user", identity.User},
		{Auto, "top contact", identity.User},
		{Auto, "", identity.User},
		{Auto, "top GROUP", identity.List},
		{Auto, "top groupOfNames", identity.List},
		{Auto, "top groupOfUniqueNames", identity.List},
		{Auto, "top posixGroup", identity.List},
		{Auto, "top groupOfURLs", identity.List},
		{Auto, "top msExchDynamicDistributionList", identity.List},
		{Auto, "top mailGroup", identity.List},
		{Auto, "top rfc822MailGroup", identity.List},
		{Auto, "top nisMailAlias", identity.List},
		{Users, "top group", identity.User},
		{Lists, "top user", identity.List},
	} {
		o := newObject("mail: a@example.com")
		for class := range strings.FieldsSeq(c.classes) {
			o["objectclass"] = append(o["objectclass"], []byte(class))
		}
		s := staff()
		s.Type = c.scope
		if e, _ := NewMapper(&s).Entry(o); e.Type != c.want {
			t.Errorf("%s, %s: got %s", c.scope, c.classes, e.Type)
		}
	}
}

func TestDisabled(t *testing.T) {
	for _, c := range []struct {
		object   object
		disabled bool
	}{
		{newObject("userAccountControl: 512"), false},
		{newObject("userAccountControl: 514"), true},
		{newObject("userAccountControl: 66050"), true},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 1"), true},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 2"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 4"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 16"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 32"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 2147483648"), true}, // remote user mailbox
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 8589934592"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 17179869184"), false},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 34359738368"), false},
		{newObject("nsAccountLock: TRUE"), true},
		{newObject("nsAccountLock: false"), false},
		{newObject("pwdAccountLockedTime: 000001010000Z"), true},
		{newObject("pwdAccountLockedTime: 20261129101500Z"), false}, // after wrong passwords, for minutes
		{newObject("nsRoleDN: cn=nsManagedDisabledRole,dc=example"), true},
		{newObject("nsRoleDN: cn=nsManagedDisabledRoles,dc=example"), false},
		{newObject("zimbraAccountStatus: locked"), false}, // no login, but mail
		{newObject("inetUserStatus: active"), false},
		{newObject(), false},
	} {
		c.object["mail"] = [][]byte{[]byte("a@example.com")}
		s := staff()
		if _, why := NewMapper(&s).Entry(c.object); why != "" {
			t.Errorf("%s: %s", c.object, why)
		}
		s.SkipDisabled = true
		if _, why := NewMapper(&s).Entry(c.object); (why == Disabled) != c.disabled {
			t.Errorf("%s: %q", c.object, why)
		}
	}
}

// TestDesign: the recipient type says why an object is disabled that is to have mail.
func TestDesign(t *testing.T) {
	for _, c := range []struct {
		object object
		want   string
	}{
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 4"), "SharedMailbox"},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 8589934592"), "RemoteRoomMailbox"},
		{newObject("userAccountControl: 512", "msExchRecipientTypeDetails: 4"), ""},
		{newObject("userAccountControl: 514", "msExchRecipientTypeDetails: 1"), ""},
		{newObject("userAccountControl: 514"), ""},
	} {
		if got := designOf(c.object); got != c.want {
			t.Errorf("%s: %q, want %q", c.object, got, c.want)
		}
	}
}

// TestNoEntries: what is deleted, lost its name to another, or belongs to a
// server is no entry, though it may list addresses.
func TestNoEntries(t *testing.T) {
	const guid = "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	for _, c := range []struct {
		dn   string
		want ObstacleKind
		has  []string
	}{
		{"CN=Ann,DC=example", "", nil},
		{"CN=Ann,DC=example", Deleted, []string{"isDeleted: TRUE"}},
		{"CN=Ann,DC=example", "", []string{"isDeleted: FALSE"}},
		{`CN=Ann\0ADEL:` + guid + `,CN=Deleted Objects,DC=example`, Deleted, nil},
		{`CN=Ann\0adel:` + guid + `,CN=Deleted Objects,DC=example`, Deleted, nil},
		{"nsuniqueid=8c4ac332-975f11e4-ad7bba4a-00000007,uid=ann,dc=example", Deleted, []string{"objectClass: person", "objectClass: NSTombstone"}},
		{"entryuuid=" + guid + "+uid=ann,dc=example", Deleted, []string{"objectClass: ds-soft-delete-entry"}},

		{`CN=Ann\0ACNF:` + guid + `,DC=example`, Conflict, nil},
		{`CN=Ann\0aCNF:` + guid + `,DC=example`, Conflict, nil},
		{`CN=Ann\0Acnf:` + guid + `,DC=example`, Conflict, nil},
		{"CN=Ann\nCNF:" + guid + ",DC=example", Conflict, nil},
		{"CN=Ann\\\nCNF:" + guid + ",DC=example", Conflict, nil},
		{"CN=\"Ann\nCNF:" + guid + "\",DC=example", Conflict, nil},
		{`CN=Smith\, Ann\0ACNF:` + guid + `,DC=example`, Conflict, nil},
		{`CN=Ann,OU=x\0ACNF:` + guid + `,DC=example`, "", nil},
		{`CN=Ann CNF:x,DC=example`, "", nil},
		{`CN=Ann\`, "", nil},
		{"uid=ann,dc=example", Conflict, []string{"nsds5ReplConflict: namingConflict (ADD) uid=ann,dc=example"}},
		{"nsuniqueid=8c4ac332-975f11e4-ad7bba4a-00000009+uid=ann,dc=example", Conflict, []string{"objectClass: ldapSubEntry"}},
		{"uid=ann+nsUniqueId=8c4ac332-975f11e4-ad7bba4a-00000009,dc=example", Conflict, []string{"objectClass: ldapSubEntry"}},
		{"nsuniqueid=8c4ac332-975f11e4-ad7bba4a-00000009,dc=example", "", []string{"objectClass: person"}},
		{"cn=policy,dc=example", "", []string{"objectClass: ldapSubEntry"}},
		{"entryuuid=" + guid + "+uid=ann,dc=example", Conflict, []string{"ds-sync-conflict: uid=ann,dc=example"}},
		{"entryuuid=" + guid + "+uid=ann,dc=example", Conflict, []string{"objectClass: ds-sync-conflict-entry"}},

		{"CN=SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1},CN=Users,DC=example", System, nil},
		{"CN=DiscoverySearchMailbox {D919BA05-46A6-415f-80AD-7E09334BB852},CN=Users,DC=example", System, nil},
		{"cn=HealthMailboxc3d7722415ad41a5b19e3e00e165edbe,DC=example", System, nil},
		{"CN=Migration.8f3e7716-2011-43e4-96b1-aba62d229136,DC=example", System, nil},
		{"CN=FederatedEmail.4c1f4d8b-8179-4148-93bf-00a95fa1e042,DC=example", System, nil},
		{"CN=CAS_{0123456789abcdef},DC=example", System, nil},
		{"CN=AAD_0123456789ab,DC=example", System, []string{"objectClass: user"}},
		{"CN=MSOL_0123456789AB,DC=example", System, []string{"objectClass: user"}},
		{"CN=MSOL_0123456789AB,DC=example", "", []string{"objectClass: group"}},
		{"CN=MSOL_0123456789AB,DC=example", "", []string{"objectClass: contact"}},
		{"CN=MSOL_0123456789AB2,DC=example", "", nil},
		{"OU=MSOL_0123456789AB,DC=example", "", nil},
		{"CN=HealthMailbox0a1,DC=example", "", nil},
		{"CN=HealthMailbox Owners,DC=example", "", nil},
		{"CN=Migration.Helpdesk,DC=example", "", nil},
		{"CN=Migration.8f3e7716-2011-43e4-96b1-aba62d22913x,DC=example", "", nil},
		{"CN=SystemMailbox{x},DC=example", "", nil},
		{"CN=Team,OU=AAD_x,DC=example", "", nil},
		{"CN=x,DC=example", System, []string{"msExchRecipientTypeDetails: 8388608"}},
		{"CN=x,DC=example", System, []string{"msExchRecipientTypeDetails: 536870912"}},
		{"CN=monitoring,DC=example", System, []string{"msExchRecipientTypeDetails: 549755813888"}},
		{"CN=audit log,DC=example", System, []string{"msExchRecipientTypeDetails: 4398046511104"}},
		{"CN=public folder,DC=example", "", []string{"msExchRecipientTypeDetails: 4096"}},
		{"CN=room list,DC=example", "", []string{"msExchRecipientTypeDetails: 268435456"}},
		{`CN=Administrator,DC=example`, "", []string{"isCriticalSystemObject: TRUE"}},
	} {
		s := staff()
		o := named{newObject(append(c.has, "mail: a@example.com")...), c.dn}
		if _, why := NewMapper(&s).Entry(o); why != c.want {
			t.Errorf("%q %s: got %q, want %q", c.dn, c.has, why, c.want)
		}
		if _, why := NewMapper(&s).Entry(named{newObject(c.has...), c.dn}); why != NoAddress {
			t.Errorf("%q %s without an address: %q", c.dn, c.has, why)
		}
	}
}

// named is an object with a name of its own.
type named struct {
	object
	dn string
}

func (n named) DN() string { return n.dn }

func TestParseFilter(t *testing.T) {
	for _, c := range []struct {
		scope Scope
		want  string
	}{
		{Scope{PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses", "otherMailbox"}}, "(|(mail=*)(proxyAddresses=*)(otherMailbox=*))"},
		{Scope{PrimaryAttribute: "mail"}, "(|(mail=*))"},
		{Scope{PrimaryAttribute: "mail", Filter: " (sn=x)\n"}, "(sn=x)"},
		{Scope{Name: "staff", Filter: "(sn=x"}, `scope "staff": filter: not a search filter: expected ")" after the value, at the end`},
	} {
		f, err := c.scope.ParseFilter()
		if got := fmt.Sprint(f, err); !strings.Contains(got, c.want) {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestReadError(t *testing.T) {
	for _, c := range []struct {
		err  ReadError
		want string
	}{
		{ReadError{"lab", "lab.ldif", 12, fmt.Errorf("broken")}, `directory "lab": lab.ldif:12: broken`},
		{ReadError{"corp", "ldaps://dc1", 0, fmt.Errorf("broken")}, `directory "corp": ldaps://dc1: broken`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %s", got)
		}
	}
}

// FuzzAddresses checks that an entry lists only valid text without blanks
// around it, and declares by prefix or by the primary attribute, never both.
func FuzzAddresses(f *testing.F) {
	f.Add("SMTP:a@example.com", "a@example.com")
	f.Add(" smtp: a@example.com", "")
	f.Add("X500:/o=x", "\xff")
	f.Fuzz(func(t *testing.T, proxy, mail string) {
		o := object{"proxyaddresses": {[]byte(proxy)}, "mail": {[]byte(mail)}}
		s := staff()
		e, why := NewMapper(&s).Entry(o)
		ok := why == ""
		if ok != (len(e.Primaries)+len(e.Aliases) > 0) {
			t.Fatalf("%q", e)
		}
		for _, text := range append(e.Primaries, e.Aliases...) {
			if text == "" || text != strings.ToValidUTF8(strings.TrimSpace(text), "\ufffd") {
				t.Fatalf("%q", text)
			}
		}
		if strings.HasPrefix(strings.TrimSpace(proxy), "SMTP:") && len(e.Aliases) > 0 || len(e.Primaries) > 1 {
			t.Fatalf("%q", e)
		}
	})
}

package directory

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// object is an object for tests, made of "attribute: value" lines.
type object map[string][][]byte

func (o object) DN() string                  { return "CN=x,DC=example" }
func (o object) Values(name string) [][]byte { return o[name] }

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
		{"malformed is still listed", newObject("mail: nobody"), []string{"nobody"}, nil},
		{"octets that are no UTF-8", newObject("mail: a\xff\xfe@example.com"), []string{"a\ufffd@example.com"}, nil},

		{"X500: only is no entry", newObject("proxyAddresses: X500:/o=Corp/cn=a"), nil, nil},
		{"blank mail is no entry", newObject("mail:  "), nil, nil},
		{"nothing is no entry", newObject("cn: x"), nil, nil},
	} {
		s := staff()
		e, ok := NewMapper(&s).Entry(c.object)
		if ok != (len(c.primaries)+len(c.aliases) > 0) || !slices.Equal(e.Primaries, c.primaries) || !slices.Equal(e.Aliases, c.aliases) {
			t.Errorf("%s: got %v, primaries %q, aliases %q", c.story, ok, e.Primaries, e.Aliases)
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
	if got := strings.Join(m.Attributes(), " "); got != "department displayname entryuuid mail msexchrecipienttypedetails objectclass objectguid proxyaddresses samaccountname" {
		t.Errorf("reads %s", got)
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
		{newObject(), false},
	} {
		c.object["mail"] = [][]byte{[]byte("a@example.com")}
		s := staff()
		if _, ok := NewMapper(&s).Entry(c.object); !ok {
			t.Errorf("%s: not kept", c.object)
		}
		s.SkipDisabled = true
		if _, ok := NewMapper(&s).Entry(c.object); ok == c.disabled {
			t.Errorf("%s: kept %v", c.object, ok)
		}
	}
}

// What Exchange and replication keep for themselves is no entry, though it may
// list addresses.
func TestSystemObjects(t *testing.T) {
	for _, c := range []struct {
		dn    string
		lines []string
		taken bool
	}{
		{"CN=Ann,DC=example", nil, true},
		{"CN=SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1},CN=Users,DC=example", nil, false},
		{"CN=DiscoverySearchMailbox {D919BA05-46A6-415f-80AD-7E09334BB852},CN=Users,DC=example", nil, false},
		{"cn=HealthMailbox0a1,DC=example", nil, false},
		{"CN=Migration.8f3e7716-2011-43e4-96b1-aba62d229136,DC=example", nil, false},
		{"CN=FederatedEmail.4c1f4d8b-8179-4148-93bf-00a95fa1e042,DC=example", nil, false},
		{"CN=Migration team,DC=example", nil, true},
		{"CN=Team,OU=AAD_x,DC=example", nil, true},
		{"CN=x,DC=example", []string{"msExchRecipientTypeDetails: 8388608"}, false},
		{"CN=x,DC=example", []string{"msExchRecipientTypeDetails: 536870912"}, false},
		{"CN=public folder,DC=example", []string{"msExchRecipientTypeDetails: 4096"}, true},
		{"CN=room list,DC=example", []string{"msExchRecipientTypeDetails: 268435456"}, true},
		{`CN=Ann\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,DC=example`, nil, false},
		{`CN=Smith\, Ann\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,DC=example`, nil, false},
		{`CN=Ann,OU=x\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,DC=example`, nil, true},
		{`CN=Ann\`, nil, true},
		{`CN=Administrator,DC=example`, []string{"isCriticalSystemObject: TRUE"}, true},
	} {
		s := staff()
		o := named{newObject(append(c.lines, "mail: a@example.com")...), c.dn}
		if _, taken := NewMapper(&s).Entry(o); taken != c.taken {
			t.Errorf("%s %s: taken %v", c.dn, c.lines, taken)
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
		{Scope{Name: "staff", Filter: "(sn=x"}, `scope "staff": filter: not a search filter: expected ")" behind the value, at the end`},
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
		e, ok := NewMapper(&s).Entry(o)
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

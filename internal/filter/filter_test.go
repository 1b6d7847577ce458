package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// object is an object for tests: its name and "attribute;options: value" lines.
type object struct {
	name    string
	values  map[string][][]byte
	options map[string][]string
}

func (o object) DN() string                  { return o.name }
func (o object) Values(name string) [][]byte { return o.values[name] }
func (o object) Options(name string, n int) string {
	if n < len(o.options[name]) {
		return o.options[name][n]
	}
	return ""
}
func newObject(name, lines string) object {
	o := object{name, map[string][][]byte{}, map[string][]string{}}
	for line := range strings.Lines(lines) {
		if attr, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			attr, options, tagged := strings.Cut(strings.ToLower(attr), ";")
			if tagged {
				options = ";" + options
			}
			o.values[attr] = append(o.values[attr], []byte(value))
			o.options[attr] = append(o.options[attr], options)
		}
	}
	return o
}

var ann = newObject("CN=Smith\\, Ann,OU=Sales,DC=corp,DC=example", `
	objectClass: top
	objectClass: inetOrgPerson
	objectClass: user
	objectCategory: CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example
	cn: Smith,  Ann
	sn: Smith
	displayName: Ann (Sales) Müller*
	mail: Ann@Example.com
	proxyAddresses: SMTP:ann@example.com
	proxyAddresses: X500:/o=Corp/cn=ann
	memberOf: CN=All Staff,OU=Groups,DC=corp,DC=example
	memberOf: CN=Jones\, Bob's Friends,OU=Groups,DC=corp,DC=example
	userAccountControl: 66050
	whenChanged: 20260301120000.0Z
	uSNChanged: 10007
	hidden: TRUE
	telephoneNumber: +49 30 123-456
	employeeID: 0042
`)

var group = newObject("CN=Team,OU=Groups,DC=corp,DC=example", `
	objectClass: top
	objectClass: group
	objectCategory: CN=Group,CN=Schema,CN=Configuration,DC=corp,DC=example
	cn: Team
	groupType: -2147483646
`)

func TestMatch(t *testing.T) {
	binary := newObject("CN=b", "cn: b")
	binary.values["objectguid"] = [][]byte{{0x74, 0xe5, 0xd2, 0xbc, 0x58, 0x8d, 0x36, 0x41, 0xa9, 0xdf, 0x8a, 0x19, 0xb1, 0x45, 0xdb, 0x79}}
	binary.values["ms-ds-consistencyguid"] = [][]byte{[]byte("abcdefghijklmnop")}
	binary.values["blob"] = [][]byte{{'A', 0xff}}
	bare := newObject("uid=x,dc=example", "objectClass: inetOrgPerson")
	list := newObject("CN=d", "objectCategory: CN=ms-Exch-Dynamic-Distribution-List,CN=Schema,CN=Configuration,DC=x")

	for _, c := range []struct {
		filter string
		object object
		want   bool
	}{
		// Text: letter case and extra spaces do not count.
		{"(mail=ann@example.COM)", ann, true},
		{"(cn=smith, ann)", ann, true},
		{"(cn= SMITH,   ann )", ann, true},
		{"(cn=smith,ann)", ann, false},
		{`(displayName=ANN \28SALES\29 MÜLLER\2A)`, ann, true},
		{`(displayName=ANN \28SALES\29 M\c3\bcller\2a)`, ann, true},
		{"(mail~=ANN@example.com)", ann, true},
		{"(hidden=true)", ann, true},

		// Presence and absence.
		{"(mail=*)", ann, true},
		{"mail=*", ann, true},
		{"(department=*)", ann, false},
		{"(!(department=*))", ann, true},
		{"(!(department=x))", ann, true},
		{"(objectClass=*)", newObject("", ""), true},
		{"(!(objectClass=*))", newObject("", ""), false},

		// Classes include those they are derived from.
		{"(objectClass=USER)", ann, true},
		{"(objectClass=person)", bare, true},
		{"(objectClass=top)", bare, true},
		{"(objectClass=user)", bare, false},
		{"(objectClass=group)", ann, false},

		// And, or, not.
		{"(&)", ann, true},
		{"(|)", ann, false},
		{"(!(&))", ann, false},
		{"(&(sn=smith)(mail=*))", ann, true},
		{"(&(sn=smith)(department=*))", ann, false},
		{"(|(sn=jones)(mail=*))", ann, true},
		{"(|(sn=jones)(!(sn=smith)))", ann, false},

		// Substrings.
		{"(proxyAddresses=smtp:*)", ann, true},
		{"(proxyAddresses=*@EXAMPLE.com)", ann, true},
		{"(proxyAddresses=*ann*com)", ann, true},
		{"(proxyAddresses=smtp:*ann*ann*)", ann, false},
		{"(sn=smi*mith)", ann, false},
		{"(cn=*,*a*n*n)", ann, true},
		{"(cn=*,*a*n*n*n)", ann, false},
		{"(cn=s**th*)", ann, true},
		{"(cn=*,   ann)", ann, true},
		{"(displayName=*müll*)", ann, true},
		{`(displayName=*\2a)`, ann, true},
		{"(mail=a*z)", ann, false},

		// Order: by number if both are numbers.
		{"(uSNChanged>=9999)", ann, true},
		{"(uSNChanged<=9999)", ann, false},
		{"(uSNChanged>=10007)", ann, true},
		{"(employeeID>=41)", ann, true},
		{"(groupType<=-1)", group, true},
		{"(whenChanged>=20260301000000.0Z)", ann, true},
		{"(whenChanged<=20260301000000.0Z)", ann, false},
		{"(sn>=SMI)", ann, true},
		{"(sn<=smi)", ann, false},

		// Names.
		{"(memberOf=cn=all staff, ou=groups,dc=CORP, dc=example)", ann, true},
		{"(memberOf=CN=All,OU=Groups,DC=corp,DC=example)", ann, false},
		{`(memberOf=CN=jones\5c, bob's friends,OU=Groups,DC=corp,DC=example)`, ann, true},
		{`(memberOf=CN=jones\5c2c bob's friends,OU=Groups,DC=corp,DC=example)`, ann, true},
		{"(memberOf=no name)", ann, false},
		{"(memberOf:distinguishedNameMatch:=cn=all staff,ou=groups,dc=corp,dc=example)", ann, true},
		{`(distinguishedName=cn=smith\5c, ann,ou=sales,dc=corp,dc=example)`, ann, true},
		{"(distinguishedName=*)", ann, true},
		{"(!(memberOf=*staff*))", ann, false}, // undefined, and so is its negation

		// AD resolves the short form of objectCategory.
		{"(objectCategory=person)", ann, true},
		{"(objectCategory=user)", ann, true},
		{"(objectCategory=contact)", ann, true},
		{"(objectCategory=inetOrgPerson)", ann, true},
		{"(objectCategory=organizationalPerson)", ann, true},
		{"(objectCategory=group)", ann, false},
		{"(objectCategory=group)", group, true},
		{"(objectCategory=computer)", group, false},
		{"(objectCategory=msExchDynamicDistributionList)", list, true},
		{"(objectCategory=cn=person,cn=schema,cn=configuration,dc=corp,dc=example)", ann, true},
		{"(objectCategory=cn=person,cn=schema,cn=configuration,dc=other)", ann, false},

		// Octets.
		{`(objectGUID=\74\e5\d2\bc\58\8d\36\41\a9\df\8a\19\b1\45\db\79)`, binary, true},
		{`(objectGUID=\74\e5\d2\bc*)`, binary, true},
		{`(objectGUID=\74\e5)`, binary, false},
		{"(mS-DS-ConsistencyGuid=abcdefghijklmnop)", binary, true},
		{"(mS-DS-ConsistencyGuid=ABCDEFGHIJKLMNOP)", binary, false},
		{`(blob=A\ff)`, binary, true},
		{`(blob=a\ff)`, binary, false},
		{`(blob=*\ff)`, binary, true},
		{"(blob=a)", binary, false},

		// Bits. 66050 is 0x10202, disabled and more.
		{"(userAccountControl:1.2.840.113556.1.4.803:=2)", ann, true},
		{"(userAccountControl:1.2.840.113556.1.4.803:=514)", ann, true},
		{"(userAccountControl:1.2.840.113556.1.4.803:=3)", ann, false},
		{"(userAccountControl:1.2.840.113556.1.4.804:=3)", ann, true},
		{"(userAccountControl:1.2.840.113556.1.4.804:=4)", ann, false},
		{"(groupType:1.2.840.113556.1.4.803:=2147483648)", group, true},
		{"(groupType:1.2.840.113556.1.4.803:=-2147483648)", group, true},
		{"(groupType:1.2.840.113556.1.4.803:=2147483650)", group, true},
		{"(groupType:1.2.840.113556.1.4.803:=8)", group, false},
		{"(!(userAccountControl:1.2.840.113556.1.4.803:=2))", group, true},
		{"(sn:1.2.840.113556.1.4.803:=2)", ann, false},
		{"(!(sn:1.2.840.113556.1.4.803:=2))", ann, false},

		// Matching rules by name and OID.
		{"(sn:caseExactMatch:=Smith)", ann, true},
		{"(sn:2.5.13.5:=smith)", ann, false},
		{"(sn:caseIgnoreMatch:=smith)", ann, true},
		{"(sn:=smith)", ann, true},
		{"(employeeID:integerMatch:=42)", ann, true},
		{"(employeeID=42)", ann, false},
		{"(employeeID:integerOrderingMatch:=43)", ann, true},
		{"(hidden:booleanMatch:=TRUE)", ann, true},
		{"(sn:octetStringMatch:=smith)", ann, false},
		{"(telephoneNumber:telephoneNumberMatch:=+4930123456)", ann, true},
		{"(whenChanged:generalizedTimeMatch:=20260301130000+0100)", ann, true},
		{"(whenChanged:generalizedTimeOrderingMatch:=20260301120001Z)", ann, true},
		{"(ou:dn:=sales)", ann, true},
		{"(OU:DN:caseIgnoreMatch:=SALES)", ann, true},
		{"(ou:dn:=marketing)", ann, false},
		{"(cn:dn:=smith, ann)", ann, true},
	} {
		f, err := Parse(c.filter)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
			continue
		}
		if got := f.Match(c.object); got != c.want {
			t.Errorf("%s on %s: got %v", c.filter, c.object.name, got)
		}
	}
}

// TestMatchBySyntax: what an attribute holds decides how it is compared, and what
// cannot be compared is undefined, and so its negation.
func TestMatchBySyntax(t *testing.T) {
	zoe := newObject("CN=Zo\u00eb,OU=M\u00fcnchen,DC=corp,DC=example", `
		objectClass: top
		objectClass: person
		objectClass: organizationalPerson
		objectClass: user
		cn: Zoë
		sn: Müller
		sn;lang-de: Müller
		sn;lang-en-GB;x-old: Miller
		mail;lang-de: zoe@example.com
		uid: zoe
		givenName: H̱
		description: ﬁn  ™
		userAccountControl: 512
		uSNChanged: 10007
		accountExpires: 9223372036854775807
		groupType: -2147483646
		whenChanged: 20260301120030.0Z
		contractEnd: 20260301120030.0Z
		createTimestamp: 20260301120030.25Z
		pwdLastSet: none
		msExchHideFromAddressLists: TRUE
		entryUUID: 8c4ac332-975f-4717-ad7b-ba4a4e968fff
		telephoneNumber: +49 30 123-456
		memberOf: CN=Everybody,OU=München,DC=corp,DC=example
		memberOf: CN=\#0401,DC=example
	`)
	zoe.values["manager"] = [][]byte{[]byte("no name")}
	group := newObject("CN=g", "objectClass: group")

	for text, want := range map[string]truth{
		// Points in time, in whatever spelling.
		"(whenChanged>=202603011200Z)":            yes,
		"(whenChanged<=202603011200Z)":            no,
		"(whenChanged=20260301120030Z)":           yes,
		"(whenChanged=20260301120030,000Z)":       yes,
		"(whenChanged=20260301130030+0100)":       yes,
		"(whenChanged=20260301063030-0530)":       yes,
		"(whenChanged=20260301140030+02)":         yes,
		"(whenChanged>=2026030112Z)":              yes,
		"(whenChanged>=2026030112.5Z)":            no,
		"(whenChanged<=2026030112.5Z)":            yes,
		"(whenChanged=202603011200.5Z)":           yes,
		"(whenChanged=20260301115990Z)":           undefined,
		"(whenChanged>=20260229120000Z)":          undefined,
		"(whenChanged>=20261301120000Z)":          undefined,
		"(whenChanged>=20260301Z)":                undefined,
		"(whenChanged>=20260301120000)":           undefined,
		"(whenChanged>=20260301120000z)":          undefined,
		"(whenChanged>=20260301120000.Z)":         undefined,
		"(whenChanged>=20260301120000+2400)":      undefined,
		"(whenChanged>=20260301120000+01000)":     undefined,
		"(whenChanged>=2026-03-01)":               undefined,
		"(whenChanged=)":                          undefined,
		"(createTimestamp=20260301120030.250Z)":   yes,
		"(createTimestamp>=20260301120030.3Z)":    no,
		"(modifyTimestamp>=2026-03-01)":           undefined, // which it has not
		"(contractEnd>=202603011200Z)":            yes,       // a time by its looks
		"(contractEnd<=20260301115959.9Z)":        no,
		"(2.5.18.1=20260301120030.25Z)":           yes,
		"(whenChanged:2.5.13.27:=20260301120030)": undefined,

		// Numbers.
		"(userAccountControl=512)":                             yes,
		"(userAccountControl=514)":                             no,
		"(userAccountControl=0x2)":                             undefined,
		"(userAccountControl=0512)":                            undefined,
		"(userAccountControl= 512)":                            undefined,
		"(userAccountControl=+512)":                            undefined,
		"(userAccountControl=)":                                undefined,
		"(userAccountControl>=x)":                              undefined,
		"(userAccountControl~=512)":                            yes,
		"(userAccountControl:1.2.840.113556.1.4.803:=0x200)":   undefined,
		"(userAccountControl:=0x2)":                            undefined,
		"(badPwdCount=0x2)":                                    undefined, // which it has not
		"(badPwdCount=2)":                                      no,
		"(uSNChanged>=9999)":                                   yes,
		"(uSNChanged<=99999999999999999999)":                   yes,
		"(uSNChanged>=-99999999999999999999)":                  yes,
		"(accountExpires>=9223372036854775808)":                no,
		"(groupType<=-2147483646)":                             yes,
		"(groupType<=-2147483647)":                             no,
		"(pwdLastSet=0)":                                       undefined,
		"(sn:integerMatch:=0)":                                 undefined,
		"(uSNChanged:integerMatch:=x)":                         undefined,
		"(uSNChanged:1.2.840.113556.1.4.804:=-99999999999999)": yes,

		// TRUE and FALSE.
		"(msExchHideFromAddressLists=TRUE)":                  yes,
		"(msExchHideFromAddressLists=FALSE)":                 no,
		"(msExchHideFromAddressLists=true)":                  undefined,
		"(msExchHideFromAddressLists=1)":                     undefined,
		"(isDeleted=true)":                                   undefined,
		"(msExchHideFromAddressLists:booleanMatch:=true)":    undefined,
		"(entryUUID=8C4AC332-975F-4717-AD7B-BA4A4E968FFF)":   yes,
		"(entryUUID=8c4ac332-975f-4717-ad7b-ba4a4e968ff)":    undefined,
		"(entryUUID>=8c4ac332-975f-4717-ad7b-ba4a4e968f00)":  yes,
		"(telephoneNumber=+4930123456)":                      yes,
		"(telephoneNumber=*301*4-5*)":                        yes,
		"(department=)":                                      undefined,
		"(sn=)":                                              undefined,
		"(sn= )":                                             no,
		"(memberOf=)":                                        no,
		"(memberOf=Everybody)":                               undefined,
		"(memberOf=cn=a+ou=,dc=x)":                           undefined,
		"(memberOf=cn=a,)":                                   undefined,
		"(manager=cn=x)":                                     undefined,
		"(memberOf=<GUID=8c4ac332975f4717ad7bba4a4e968fff>)": undefined,
		"(memberOf=*x)":                                      undefined,
		"(nosuch:1.2.3:=x)":                                  undefined,

		// Other names of attributes and classes.
		"(2.5.4.3=zoë)":                        yes,
		"(commonName=zoë)":                     yes,
		"(surname=müller)":                     yes,
		"(OID.2.5.4.4=müller)":                 yes,
		"(userid=zoe)":                         yes,
		"(rfc822Mailbox=zoe@example.com)":      yes,
		"(gn=*)":                               yes,
		"(1.2.840.113556.1.4.8=0x2)":           undefined,
		"(organizationalUnitName:dn:=München)": yes,
		"(2.5.4.11:dn:2.5.13.2:=münchen)":     yes,
		"(objectClass=2.5.6.6)":                yes,
		"(objectClass=1.2.840.113556.1.5.9)":   yes,
		"(2.5.4.0=1.2.840.113556.1.5.8)":       no,
		"(objectClass=)":                       undefined,
		"(memberOf=commonName=everybody,2.5.4.11=MÜNCHEN,DC=corp,DC=example)": yes,
		"(memberOf=CN=#0401,DC=example)":                                      undefined,
		"(memberOf=CN=\\5c#0401,DC=example)":                                  yes,

		// Options.
		"(sn;lang-de=müller)":          yes,
		"(sn;LANG-DE=*)":               yes,
		"(sn;lang-de=miller)":          no,
		"(sn;lang-en=*)":               no,
		"(sn;lang-en-=miller)":         yes,
		"(sn;lang-de-=*)":              yes,
		"(sn;lang-=*)":                 yes,
		"(sn;x-old=*)":                 yes,
		"(sn;x-old;lang-en-gb=miller)": yes,
		"(sn;x-old;lang-de=*)":         no,
		"(sn=miller)":                  yes,
		"(mail=*)":                     yes,
		"(mail;lang-de=*)":             yes,
		"(mail;lang-de=zoe@*)":         yes,
		"(uid;lang-de=*)":              no,
		"(uid;binary=zoe)":             yes,
		"(surname;lang-en-gb:caseExactMatch:=Miller)": yes,
		"(objectClass;lang-de=*)":                     no,
		"(distinguishedName;x-a=*)":                   no,

		// Composed and decomposed.
		"(sn=müller)":                 yes,
		"(sn=M\\55\\cc\\88LLER)":       yes,
		"(sn=*Üll*)":                   yes,
		"(sn=*Üll*)":                  yes,
		"(sn=muller)":                  no,
		"(sn:caseExactMatch:=Müller)": yes,
		"(sn:caseExactMatch:=müller)": no,
		"(givenName=ẖ)":                yes,
		"(description=FIN TM)":         yes,
		"(description=*n ™)":           yes,
		"(distinguishedName=cn=Zoë,ou=München,dc=corp,dc=example)": yes,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.root.eval(zoe); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
		negated, err := Parse("(!" + f.String() + ")")
		if err != nil || negated.Match(zoe) != (want == no) {
			t.Errorf("the negation of %s: %v, %v", text, negated.Match(zoe), err)
		}
		if impossible := len(f.Impossible()) > 0; impossible && (f.root.eval(group) != undefined || want != undefined) {
			t.Errorf("%s is called impossible", text)
		}
	}
}

// TestImpossible: what can never be true is reported with its place and with what to
// write.
func TestImpossible(t *testing.T) {
	for _, c := range []struct{ text, at, reason, remedy string }{
		{"(&(mail=*)(!(userAccountControl=0x2)))", "userAccountControl=0x2", `(userAccountControl=0x2) compares a whole number with "0x2"`, "decimal"},
		{"(uSNChanged>= 5)", "uSNChanged>= 5", `compares a whole number with " 5"`, "decimal"},
		{"(groupType:1.2.840.113556.1.4.803:=0x2)", "groupType:1.2.840.113556.1.4.803:=0x2", `compares a whole number with "0x2"`, "decimal"},
		{"(groupType:1.2.840.113556.1.4.803:=9223372036854775808)", "groupType:1.2.840.113556.1.4.803:=9223372036854775808", "more than 64", "64 bits"},
		{"(groupType:1.2.840.113556.1.4.803:=-9223372036854775808)", "", "", ""},
		{"msExchHideFromAddressLists=true", "msExchHideFromAddressLists=true", `compares TRUE or FALSE with "true"`, "capital"},
		{"(whenChanged>=2026-03-01)", "whenChanged>=2026-03-01", `compares a time with "2026-03-01"`, "20260301120000Z"},
		{"(entryUUID=5)", "entryUUID=5", `compares a UUID with "5"`, "hyphens"},
		{"( | (department=)(sn=x) )", "department=", "(department=) compares with nothing", "(!(department=*))"},
		{"(memberOf=Sales)", "memberOf=Sales", `compares a distinguished name with "Sales"`, "CN=Sales"},
		{"(memberOf=<SID=S-1-5-32-544>)", "", "", ""},
		{"(memberOf=*Sales*)", "", "", ""},
		{"(objectCategory=person)", "", "", ""},
		{`(objectGUID=\74)`, "", "", ""},
		{"(employeeID=0x2)", "", "", ""},
		{"(hidden=true)", "", "", ""},
	} {
		f, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		all := f.Impossible()
		if c.at == "" {
			if len(all) > 0 {
				t.Errorf("%s: got %+v", c.text, all)
			}
			continue
		}
		if len(all) != 1 {
			t.Errorf("%s: got %+v", c.text, all)
			continue
		}
		if i := all[0]; c.text[i.Offset:i.Offset+i.Length] != c.at || !strings.Contains(i.Text+" "+i.Reason, c.reason) || !strings.Contains(i.Remedy, c.remedy) {
			t.Errorf("%s: got %+v", c.text, i)
		}
	}
	if f, _ := Parse("(|(uSNChanged=x)(uSNChanged=y))"); len(f.Impossible()) != 2 {
		t.Errorf("got %+v", f.Impossible())
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"mail=*", "(mail=*)"},
		{"  (mail=*)\n", "(mail=*)"},
		{"\n(&\n  (objectClass=user)\n  (!(mail=*@old.example\n  ))\n)\n", "(&(objectClass=user)(!(mail=*@old.example)))"},
		{"(& ( | (a=1) (b=2) ) (! (c=*\n)))", "(&(|(a=1)(b=2))(!(c=*)))"},
		{"((a=1))", "(a=1)"},
		{"(CN;lang-DE=Jürgen )", "(CN;lang-DE=Jürgen )"},
		{`(cn=\28a\29\2A\5C\00)`, `(cn=\28a\29\2a\5c\00)`},
		{`(cn=\c3\bc\ff\0a)`, `(cn=ü\ff\0a)`},
		{"(cn=a**b*)", "(cn=a*b*)"},
		{"(cn=**)", "(cn=*)"},
		{"(cn=)", "(cn=)"},
		{"(a=b=c>=d)", "(a=b=c>=d)"},
		{"(ou:DN:2.5.13.2:=x)", "(ou:dn:2.5.13.2:=x)"},
		{"(:dn:caseExactMatch:=x)", "(:dn:caseExactMatch:=x)"},
		{"(2.5.4.3:=x)", "(2.5.4.3:=x)"},
		{"(&)", "(&)"},
		{"(|)", "(|)"},
	} {
		f, err := Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		} else if got := f.String(); got != c.want {
			t.Errorf("%q: got %s, want %s", c.text, got, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"", 0, "(objectClass=*) matches every object"},
		{"  ", 2, "(objectClass=*) matches every object"},
		{"()", 1, "expected a filter between the parentheses"},
		{"(mail=*", 7, `expected ")"`},
		{"(&(mail=*)", 10, `expected "(" or ")"`},
		{"(&(mail=*)sn=x)", 10, `its own parentheses`},
		{"(mail=*)(sn=x)", 8, "(&(...)(...))"},
		{"((mail=*)(sn=x))", 9, "(&(...)(...))"},
		{"(!(a=1)(b=2))", 7, "negates exactly one"},
		{"(!a=1)", 2, `expected "(" after "!"`},
		{"&(a=1)(b=2)", 0, "stands in parentheses"},
		{"(cn=a(b)", 5, `\28`},
		{"cn=a)", 4, `\29`},
		{"(cn>=a*)", 6, `\2a`},
		{"(cn:=a*)", 6, `\2a`},
		{"(cn=a\x00)", 5, `\00`},
		{`(cn=a\zz)`, 5, `\5c`},
		{`(cn=CN=Smith\, Ann)`, 12, `\5c`},
		{"(cn=\xff)", 4, `\ff`},
		{"(c n=a)", 2, "letters, digits and hyphens"},
		{"(=a)", 1, "expected an attribute"},
		{"(cn)", 3, "expected one of"},
		{"(cn>a)", 3, "expected one of"},
		{"(:=a)", 1, "an attribute or a matching rule"},
		{"(cn:rule:other:=a)", 8, `expected ":="`},
		{"(cn:dn:rule)", 11, "expected a matching rule"},
		{strings.Repeat("(!", 300) + "(a=1)" + strings.Repeat(")", 300), 400, "nest deeper than 200"},
	} {
		_, err := Parse(c.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: got %v", c.text, err)
			continue
		}
		if syntax.Offset != c.offset || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: got offset %d: %v", c.text, syntax.Offset, err)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"(&(mail=*)(memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=x))", "(memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=x) follows nested memberships"},
		{"(cn:1.2.3.4:=x)", "(cn:1.2.3.4:=x) has the matching rule 1.2.3.4"},
		{"(:caseIgnoreMatch:=x)", "names no attribute"},
		{"(ou:dn:caseExactMatch:=x)", "letter case"},
		{"(memberOf=*staff*)", "compared whole"},
		{"(anr=smith)", "ambiguous name resolution"},
		{"(whenChanged=2026*)", "whenChanged holds times, which are compared whole"},
		{"(userAccountControl=5*)", "userAccountControl holds whole numbers, which are compared whole"},
		{"(isDeleted>=TRUE)", "isDeleted holds TRUE or FALSE, which have no order"},
		{"(memberOf=<SID=S-1-5-32-544>)", "only Active Directory knows"},
		{"(&(mail=*)(userAccountControl:1.2.840.113556.1.4.803:=2))", ""},
	} {
		f, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Unsupported(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q", c.text, got)
		}
	}
}

func TestAttributes(t *testing.T) {
	f, err := Parse("(|(Mail;lang-en=*)(&(surname=x)(2.5.4.4=y)(mail=y))(:dn:2.5.13.2:=z))")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Attributes(); !slices.Equal(got, []string{"mail", "sn"}) {
		t.Errorf("got %q", got)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	f, err := Parse("(&(|(objectClass=user)(objectClass=group))(proxyAddresses=*@example.com)(displayName=*MÜLLER*)" +
		"(!(userAccountControl:1.2.840.113556.1.4.803:=1))(uSNChanged>=5)(objectCategory=person)(memberOf=CN=All Staff,OU=Groups,DC=corp,DC=example))")
	if err != nil {
		t.Fatal(err)
	}
	if !f.Match(ann) {
		t.Fatal("no match")
	}
	var o Object = ann
	if n := testing.AllocsPerRun(100, func() { f.Match(o) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	o := newObject("CN=Ann,DC=corp", "objectClass: top\nobjectClass: person\nobjectClass: user\nsn: Müller-Lüdenscheidt\nmail: ann@example.com\n"+
		"department: Vertrieb Süd\nuserAccountControl: 512\nwhenChanged: 20260301120030.0Z\nproxyAddresses: SMTP:ann@example.com\nproxyAddresses: X500:/o=Corp/cn=ann")
	for i := range 50 {
		o.values["memberof"] = append(o.values["memberof"], fmt.Appendf(nil, "CN=Group %d,OU=Groups,OU=Staff,DC=corp,DC=example,DC=com", i))
	}
	for _, c := range []struct{ name, filter string }{
		{"ordinary", "(&(|(objectClass=user)(objectClass=group))(proxyAddresses=*@example.com)(!(userAccountControl:1.2.840.113556.1.4.803:=1)))"},
		{"text", "(|(mail=bob@example.com)(department=Vertrieb Nord)(department=IT))"},
		{"umlaut", "(|(sn=Müller)(sn=*lüden*t))"},
		{"names", "(memberOf=CN=Group 50,OU=Groups,OU=Staff,DC=corp,DC=example,DC=com)"},
		{"order", "(&(userAccountControl>=2)(whenChanged>=20260301000000.0Z))"},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := Parse(c.filter)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var o Object = o
			for b.Loop() {
				f.Match(o)
			}
		})
	}
}

package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

const usual = "urls = [\"ldaps://ldap.example.com\"]\nbind_dn = \"cn=rollcall,dc=example,dc=com\"\nbind_password = \"secret\"\nbase_dn = \"ou=recipients,dc=example,dc=com\"\n"

// values are settings as config hands them over.
func values(set map[string]any) settings.Values {
	all := map[string]any{"urls": []string{"ldaps://ldap.example.com"}, "bind_dn": "cn=rollcall,dc=example,dc=com", "bind_password": settings.NewSecret("secret"), "base_dn": "ou=recipients,dc=example,dc=com"}
	for name, value := range set {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return Kind.Values("tree", ".", all)
}

// TestSettings: each setting has a place in the tree, and a default.
func TestSettings(t *testing.T) {
	t.Parallel()
	v, diags := block(t, usual)
	for _, d := range diags {
		if !strings.Contains(d.Summary, "password") {
			t.Errorf("%v", d)
		}
	}
	if got := fmt.Sprintf("%+v", newTree(v)); got != "{base:ou=recipients,dc=example,dc=com inactive:ou=inactive,ou=recipients,dc=example,dc=com name:cn primary:mail alias:mailLocalAddress owner:employeeNumber username:uid ref:entryUUID"+
		" users:[inetOrgPerson inetLocalMailRecipient] lists:[inetOrgPerson inetLocalMailRecipient labeledURIObject] listed:[labeledURIObject] used:[] attributes:[{name:display_name attribute:displayName}] singleOwner:false schema:<nil>}" {
		t.Error(got)
	}
	v, _ = block(t, usual+`
		inactive_dn = "ou=gone,ou=recipients,dc=example,dc=com"
		name_attribute = "ou"
		primary_attribute = "rfc822Mailbox"
		alias_attribute = "mailAlternateAddress"
		owner_attribute = "description"
		username_attribute = "userid"
		ref_attribute = "nsUniqueId"
		user_classes = ["inetOrgPerson", "mailRecipient"]
		list_classes = ["inetOrgPerson", "mailRecipient", "mailGroup"]
		attributes = { department = "departmentNumber", display_name = "displayName" }`)
	if got := fmt.Sprintf("%+v", newTree(v)); got != "{base:ou=recipients,dc=example,dc=com inactive:ou=gone,ou=recipients,dc=example,dc=com name:ou primary:rfc822Mailbox alias:mailAlternateAddress owner:description username:userid ref:nsUniqueId"+
		" users:[inetOrgPerson mailRecipient] lists:[inetOrgPerson mailRecipient mailGroup] listed:[mailGroup] used:[] attributes:[{name:department attribute:departmentNumber} {name:display_name attribute:displayName}] singleOwner:false schema:<nil>}" {
		t.Error(got)
	}
	where := Kind.Where(v)
	if got := strings.Join(where, " "); got != "ldaps://ldap.example.com ou=recipients,dc=example,dc=com" {
		t.Errorf("a saved plan is bound to %q", got)
	}
}

// TestProblems: what does not go together is reported with what to do.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set     map[string]any
		setting string
		says    string
	}{
		{nil, "", ""},
		{map[string]any{"client_cert": "cert.pem"}, "client_cert", `console "tree" sets "client_cert" without "client_key"`},
		{map[string]any{"urls": []string{"ldap://ldap.example.com"}}, "urls", "the password would pass over %s without encryption"},
		{map[string]any{"bind_dn": nil, "bind_password": nil}, "", `console "tree" has no login, and servers let nobody write without one`},
		{map[string]any{"inactive_dn": "ou=inactive,dc=example,dc=com"}, "inactive_dn", "inactive accounts would be outside of base_dn"},
		{map[string]any{"inactive_dn": "OU = Recipients, dc=example, dc=com"}, "", ""},
		{map[string]any{"alias_attribute": "rfc822Mailbox"}, "alias_attribute", "the attribute rfc822Mailbox is the primary_attribute already"},
		{map[string]any{"attributes": map[string]string{"name": "CN"}}, "attributes", "the attribute CN is the name_attribute already"},
		{map[string]any{"attributes": map[string]string{"a": "title", "b": "Title"}}, "attributes", `the attribute Title is for the attribute "a" already`},
		{map[string]any{"attributes": map[string]string{"a": "title;lang-de"}}, "attributes", `goes to "title;lang-de", which is not the name of an attribute`},
		{map[string]any{"list_classes": []string{"groupOfNames", "inetLocalMailRecipient"}}, "list_classes", "a list does not have inetOrgPerson of users"},
	} {
		problems := Kind.Check(values(c.set))
		if c.says == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || problems[0].Setting != c.setting || !strings.Contains(problems[0].Summary, c.says) || problems[0].Hint == "" {
			t.Errorf("%v: %+v, want %s: %s", c.set, problems, c.setting, c.says)
		}
	}
	for _, name := range []string{"", "1cn", "cn;lang-de", "cn)(uid", "ä", "c n"} {
		if checkName(name).Summary == "" {
			t.Errorf("%q is the name of an attribute", name)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	guid, _ := identity.ParseGUID("8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	for text, m := range map[string]identity.Mark{
		"hq:corp/8c4ac332-975f-4717-ad7b-ba4a4e968fff":            {By: "hq", Directory: "corp", GUID: guid},
		"a%3Ab%25:c:d/e/8c4ac332-975f-4717-ad7b-ba4a4e968fff":     {By: "a:b%", Directory: "c:d/e", GUID: guid},
		"Zürich 1:Büro, %3A/8c4ac332-975f-4717-ad7b-ba4a4e968fff": {By: "Zürich 1", Directory: "Büro, %3A", GUID: guid},
	} {
		if got := formatMark(m); got != text {
			t.Errorf("%+v is written %q, want %q", m, got, text)
		}
		if got, ok := parseMark(text); !ok || got != m {
			t.Errorf("%q is %+v", text, got)
		}
	}
	for _, text := range []string{"", "4711", "hq", "hq:corp", "hq:corp/", "hq:corp/1", ":corp/8c4ac332-975f-4717-ad7b-ba4a4e968fff", "hq:/8c4ac332-975f-4717-ad7b-ba4a4e968fff",
		"hq:corp/00000000-0000-0000-0000-000000000000", "hq:corp/8c4ac332975f4717ad7bba4a4e968fff", "hq:corp/{8c4ac332-975f-4717-ad7b-ba4a4e968fff}", "12:30/14:00"} {
		if m, ok := parseMark(text); ok {
			t.Errorf("%q is %+v", text, m)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add("hq:corp/8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := parseMark(text)
		if !ok {
			return
		}
		if again, ok := parseMark(formatMark(m)); !ok || again != m {
			t.Errorf("%q is %+v, which is written %q and read %+v", text, m, formatMark(m), again)
		}
	})
}

// TestSchema reads descriptions as OpenLDAP and 389 Directory Server write them.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := newSchema([]string{
		"( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
		"( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'it\\27s (a) name $' SUP name )",
		"(2.16.840.1.113730.3.1.3 NAME 'employeeNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE X-ORIGIN ( 'RFC 2798' 'user defined' ) )",
		"( 1.1 NAME 'loop' SUP loop )", "( 1.2 NAME", "no description", "",
	}, []string{
		"( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
		"( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ telephoneNumber ) )",
		"( 2.16.840.1.113730.3.2.2 NAME 'inetOrgPerson' SUP person MAY ( mail $ employeeNumber ) X-ORIGIN 'RFC 2798' )",
		"( 1.3.6.1.4.1.250.3.15 NAME 'labeledURIObject' SUP top AUXILIARY MAY labeledURI )",
		"( 1.3 NAME 'a' SUP b )", "( 1.4 NAME 'b' SUP a )",
	})
	classes := []string{"inetorgperson", "labeledURIObject"}
	if got := s.musts(classes); !slices.Equal(got, []string{"cn", "objectClass", "sn"}) {
		t.Errorf("demanded are %q", got)
	}
	for name, want := range map[string]bool{"mail": true, "rfc822Mailbox": true, "labeledURI": true, "cn": true, "displayName": false} {
		if s.allows(classes, name) != want {
			t.Errorf("%s is allowed: %v", name, !want)
		}
	}
	if got := s.structural([]string{"top", "person", "inetOrgPerson", "labeledURIObject", "unknown"}); !slices.Equal(got, []string{"inetOrgPerson"}) {
		t.Errorf("structural are %q", got)
	}
	if s.bound("CommonName") != 32768 || s.bound("employeeNumber") != 0 || s.bound("loop") != 0 || s.bound("unknown") != 0 || !s.single("EMPLOYEENUMBER") || s.single("cn") {
		t.Error("bounds, or who has one value, are others")
	}
	if got := s.musts([]string{"a"}); len(got) != 0 {
		t.Errorf("demanded are %q", got)
	}
}

func FuzzSchema(f *testing.F) {
	f.Add("( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'it\\27s (a) name $' SUP name SYNTAX 1.2{5} SINGLE-VALUE )")
	f.Add("( 1.3 NAME 'a' SUP ( a $ b ) MUST ( x $ y ) )")
	f.Fuzz(func(t *testing.T, text string) {
		s := newSchema([]string{text}, []string{text})
		for name := range s.classes {
			s.musts([]string{name})
			s.structural([]string{name, name})
			s.allows([]string{name}, "cn")
		}
		for name := range s.attributes {
			if s.bound(name) < 0 {
				t.Errorf("%q has the bound %d", name, s.bound(name))
			}
		}
	})
}

package ldap

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// surveyed is what TestSurvey finds on every server: two persons with aliases,
// one of them listed twice, a contact, and addresses that are none.
const surveyed = `dn: OU=Staff,DC=corp,DC=example,DC=com
objectClass: organizationalUnit
ou: Staff

dn: CN=Ann,OU=Staff,DC=corp,DC=example,DC=com
objectClass: user
cn: Ann
sn: Ann
sAMAccountName: ann
mail: Ann@example.com
proxyAddresses: SMTP:ann@example.com
proxyAddresses: smtp:ANN@example.com
proxyAddresses: smtp:ann@example.net
proxyAddresses: X500:/o=example/cn=ann

dn: CN=Bob,OU=Staff,DC=corp,DC=example,DC=com
objectClass: user
cn: Bob
sn: Bob
sAMAccountName: bob
mail: bob@example.com
proxyAddresses: smtp:bob@localhost

dn: CN=Customer,OU=Staff,DC=corp,DC=example,DC=com
objectClass: contact
cn: Customer
sn: Customer
mail: buyer@customer.example

dn: CN=Printer,OU=Staff,DC=corp,DC=example,DC=com
objectClass: user
cn: Printer
sn: Printer
sAMAccountName: printer
`

func TestSurvey(t *testing.T) {
	secret := func() string { return servertest.Password }
	domains := map[string]DomainCount{"example.com": {2, 0}, "example.net": {1, 0}, "customer.example": {1, 1}}
	for name, start := range map[string]func(t *testing.T) (Options, *Survey){
		"domain controller": func(t *testing.T) (Options, *Survey) {
			s := servertest.NewStub(t, servertest.StubOptions{})
			for block := range strings.SplitSeq(surveyed, "\n\n") {
				var pairs []string
				for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
					name, value, _ := strings.Cut(line, ": ")
					pairs = append(pairs, name, value)
				}
				s.Put(servertest.NewEntry(pairs[1], pairs[2:]...))
			}
			return Options{URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: "svc@corp.example.com", Password: secret}, &Survey{
				ActiveDirectory: true, Base: servertest.Base, Entries: 3, Domains: domains,
				Having: map[string]int{"proxyAddresses": 2, "sAMAccountName": 2, "objectGUID": 3},
			}
		},
		"Samba": func(t *testing.T) (Options, *Survey) {
			s := servertest.NewSamba(t, servertest.SambaOptions{LDIF: surveyed})
			return Options{URLs: []string{s.URL}, StartTLS: true, CAFile: s.CA.File, BindDN: s.Reader, Password: secret, ActiveDirectory: true}, &Survey{
				ActiveDirectory: true, Base: servertest.Base, Entries: 3, Domains: domains,
				Having: map[string]int{"proxyAddresses": 2, "sAMAccountName": 2, "objectGUID": 3},
			}
		},
		"OpenLDAP": func(t *testing.T) (Options, *Survey) {
			s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(surveyed)})
			return Options{URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret, ActiveDirectory: true}, &Survey{
				Base: strings.ToLower(servertest.Base), Entries: 3, Domains: domains,
				Having: map[string]int{"proxyAddresses": 2, "sAMAccountName": 2, "entryUUID": 3},
			}
		},
		"389 Directory Server": func(t *testing.T) (Options, *Survey) {
			s := servertest.NewDS389(t)
			c := s.Connect(t)
			for _, uid := range []string{"ann", "bob"} {
				add := goldap.NewAddRequest("uid="+uid+","+servertest.Base, nil)
				add.Attribute("objectClass", []string{"inetOrgPerson", "mailRecipient"})
				add.Attribute("cn", []string{uid})
				add.Attribute("sn", []string{uid})
				add.Attribute("mail", []string{uid + "@example.com"})
				add.Attribute("mailAlternateAddress", []string{uid + "@example.net", uid + "@EXAMPLE.com"})
				if err := c.Add(add); err != nil {
					t.Fatal(err)
				}
			}
			return Options{URLs: []string{s.LDAPS}, CAFile: s.CAFile, BindDN: s.Admin, Password: func() string { return s.AdminPassword }}, &Survey{
				Base: strings.ToLower(servertest.Base), Entries: 2, Domains: map[string]DomainCount{"example.com": {2, 0}, "example.net": {2, 0}},
				Having: map[string]int{"mailAlternateAddress": 2, "uid": 2, "entryUUID": 2, "nsUniqueId": 2},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, want := start(t)
			o.Label, o.Timeout, o.PageSize = "corp", 20*time.Second, 2
			got, err := New(o).Survey(context.Background(), SurveyOptions{
				FindKind: true, Aliases: []string{"proxyAddresses", "mailAlternateAddress"},
				Attributes: []string{"proxyAddresses", "mailAlternateAddress", "sAMAccountName", "uid", "objectGUID", "entryUUID", "nsUniqueId"},
			}, nil)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// TestSurveyRefused: a refused login is reported as such, and tried once.
func TestSurveyRefused(t *testing.T) {
	logins := 0
	s := servertest.NewStub(t, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result {
		logins++
		return servertest.LoginRefused("52e")
	}})
	_, err := New(optionsOf(s)).Survey(context.Background(), SurveyOptions{}, nil)
	if _, refused := errors.AsType[*directory.RefusedError](err); !refused || logins != 1 {
		t.Errorf("%d logins, %v", logins, err)
	}
	stranger := optionsOf(s)
	stranger.CAFile = ""
	_, err = New(stranger).Survey(context.Background(), SurveyOptions{}, nil)
	if _, failed := errors.AsType[*directory.ReadError](err); !failed || logins != 1 {
		t.Errorf("not trusted: %d logins, %v", logins, err)
	}
}

// TestSurveyContexts: which naming context is proposed.
func TestSurveyContexts(t *testing.T) {
	for name, tc := range map[string]struct {
		ad   bool
		root rootDSE
		base string
		more []string
	}{
		"domain controller": {true, rootDSE{defaultContext: "DC=a", namingContexts: []string{"DC=a", "CN=Configuration,DC=a", "DC=DomainDnsZones,DC=a"}}, "DC=a", nil},
		"one":               {false, rootDSE{namingContexts: []string{"dc=a"}}, "dc=a", nil},
		"several":           {false, rootDSE{namingContexts: []string{"o=b", "dc=a"}}, "", []string{"dc=a", "o=b"}},
		"one of several":    {false, rootDSE{defaultContext: "dc=a", namingContexts: []string{"o=b", "DC=A"}}, "dc=a", []string{"o=b"}},
		"none":              {false, rootDSE{}, "", nil},
	} {
		s := Survey{ActiveDirectory: tc.ad}
		if s.contexts(&tc.root); s.Base != tc.base || !cmp.Equal(s.Contexts, tc.more) {
			t.Errorf("%s: base %q and %q, want %q and %q", name, s.Base, s.Contexts, tc.base, tc.more)
		}
	}
}

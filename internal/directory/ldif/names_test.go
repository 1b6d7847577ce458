package ldif

import (
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
)

// TestOtherNames: attributes of scopes, filters, bases and files go by any of
// their names, and letters may be composed or not.
func TestOtherNames(t *testing.T) {
	source := New("corp", []string{write(t, map[string]string{"corp.ldif": `version: 1

dn: commonName=Ann,2.5.4.11=Mu` + "\u0308" + `nchen,dc=example
objectClass: inetOrgPerson
userid: ann
surname: Smith
rfc822Mailbox: ann@example.com
mail;lang-de: anna@example.com

dn: cn=Bob,ou=M` + "\u00fc" + `nchen,dc=example
objectClass: inetOrgPerson
uid: bob
sn: Smith
mail: bob@example.com

dn: cn=Eve,ou=Munchen,dc=example
objectClass: inetOrgPerson
uid: eve
sn: Smith
mail: eve@example.com
`}) + "/corp.ldif"})
	for _, c := range []struct {
		base, filter, primary, username string
		want                            []string
	}{
		{"OU=M\u00fcnchen,DC=example", "(sn=smith)", "mail", "uid", []string{"ann", "bob"}},
		{"OU=Mu\u0308nchen,DC=example", "(2.5.4.4=smith)", "rfc822Mailbox", "userid", []string{"ann", "bob"}},
		{"organizationalUnitName=MU\u0308NCHEN,domainComponent=example", "(surname=smith)", "0.9.2342.19200300.100.1.3", "0.9.2342.19200300.100.1.1", []string{"ann", "bob"}},
		{"dc=example", "(mail;lang-de=*)", "mail", "uid", []string{"ann"}},
		{"dc=example", "(!(rfc822Mailbox;lang-de=anna*))", "mail", "uid", []string{"bob", "eve"}},
		{"dc=example", "(objectClass=2.5.6.6)", "mail", "uid", []string{"ann", "bob", "eve"}},
	} {
		scopes := []directory.Scope{{Name: "all", Base: c.base, Filter: c.filter, PrimaryAttribute: c.primary, UsernameAttribute: c.username}}
		collector := directory.NewCollector(scopes)
		if _, err := source.Read(t.Context(), scopes, collector, nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range collector.Entries() {
			got = append(got, e.Username)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("base %q, filter %s: got %q, want %q", c.base, c.filter, got, c.want)
		}
	}
}

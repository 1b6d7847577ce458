package main

import (
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestTwins: an entry that is restored beside the live one, with its entryUUID, is
// told, and nobody leaves.
func TestTwins(t *testing.T) {
	t.Parallel()
	d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(5)})
	s := newSite(t, servertest.Password, servertest.Base).serve("ldap", d.LDAPS, d.CA.File, d.Reader)
	s.apply()
	const relax = "1.3.6.1.4.1.4203.666.5.12" // lets an administrator set entryUUID
	twin := goldap.NewAddRequest("cn=restored,"+suite.StaffUnit+","+servertest.Base, []goldap.Control{goldap.NewControlString(relax, true, "")})
	for name, value := range map[string]string{"objectClass": "user", "cn": "restored", "sn": "restored", "mail": "restored@example.com", "entryUUID": "00000000-0000-4000-8000-000000000003"} {
		twin.Attribute(name, []string{value})
	}
	if err := d.Connect(t).Add(twin); err != nil {
		t.Fatal(err)
	}
	s.becomes("an entry is restored beside the live one", "rejected missing_guid p3", "rejected missing_guid person3", "rejected missing_guid restored")
}

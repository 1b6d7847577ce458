package servertest

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func TestDS389(t *testing.T) {
	t.Parallel()
	x := NewDS389(t)
	c := x.Connect(t)
	add := ldap.NewAddRequest("uid=ann,"+Base, nil)
	add.Attribute("objectClass", []string{"inetOrgPerson"})
	add.Attribute("cn", []string{"Ann"})
	add.Attribute("sn", []string{"Smith"})
	add.Attribute("mail", []string{"ann@example.com"})
	must(t, c.Add(add))
	if got, _, err := ask(c, "uid=ann,"+Base, 0, "(objectClass=*)", nil, "entryUUID", "nsUniqueId"); got != "uid=ann,"+Base+" entryUUID[1] nsUniqueId[1]" {
		t.Errorf("got %q, %v", got, err)
	}
	c = connect(t, x.LDAPS, &CA{File: x.CAFile}, x.Admin, x.AdminPassword)
	if found, code := count(c, "(mail=ANN@example.com)", 10); found != 1 || code != 0 {
		t.Errorf("got %d entries and code %d", found, code)
	}
}

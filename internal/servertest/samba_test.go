package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func TestSamba(t *testing.T) {
	t.Parallel()
	var ldif strings.Builder
	fmt.Fprintf(&ldif, "dn: OU=Staff,%s\nobjectClass: organizationalUnit\n\n", Base)
	for i := range 3 {
		fmt.Fprintf(&ldif, "dn: CN=Person %[1]d,OU=Staff,%[2]s\nobjectClass: user\nsAMAccountName: person%[1]d\nmail: person%[1]d@example.com\n"+
			"mailNickname: person%[1]d\nmsExchRecipientTypeDetails: 1\nproxyAddresses: SMTP:person%[1]d@example.com\n\n", i, Base)
	}
	d := NewSamba(t, SambaOptions{LDIF: ldif.String()})
	c := connect(t, d.LDAPS, d.CA, d.Reader, Password)
	if found, code := count(c, "(&(objectClass=user)(proxyAddresses=smtp:*)(msExchRecipientTypeDetails=1))", 2); found != 3 || code != 0 {
		t.Errorf("got %d entries and code %d", found, code)
	}
	must(t, d.Connect(t).Del(ldap.NewDelRequest(Person(0).DN, nil)))

	for _, q := range []struct{ name, attribute, value, want string }{
		{"fine", "", "", ""},
		{"off", "userAccountControl", "514", "data 533"},
		{"past", "accountExpires", "133000000000000000", "data 701"},
		{"fresh", "pwdLastSet", "0", "data 773"},
		{"night", "logonHours", strings.Repeat("\x00", 21), "data 530"},
	} {
		var pairs []string
		if q.attribute != "" {
			pairs = []string{q.attribute, q.value}
		}
		upn := d.User(t, q.name, pairs...)
		c := dial(t, d.URL, d.CA)
		if got := code(c.Bind(upn, Password)); got != ldap.LDAPResultStrongAuthRequired {
			t.Errorf("got code %d without encryption", got)
		}
		c = dial(t, d.LDAPS, d.CA)
		if err := c.Bind(upn, Password); (err == nil) != (q.want == "") || err != nil && (code(err) != 49 || !strings.Contains(err.Error(), q.want)) {
			t.Errorf("%s: got %v", q.name, err)
		}
	}
}

func TestSambaKerberos(t *testing.T) {
	t.Parallel()
	d := NewSamba(t, SambaOptions{Kerberos: true})
	kinit := Need(t, "kinit", "krb5-user")
	kvno := Need(t, "kvno", "krb5-user")
	cache := t.TempDir() + "/cache"
	for _, args := range [][]string{{kinit, "-k", "-t", d.Keytab(t, "reader"), "reader@" + d.Realm}, {kvno, "ldap/" + d.Host}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "KRB5_CONFIG="+d.Krb5Conf, "KRB5CCNAME=FILE:"+cache)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
}

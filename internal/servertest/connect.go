package servertest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// connect logs in. A nil ca is for ldap:// without encryption.
func connect(t T, url string, ca *CA, name, password string) *ldap.Conn {
	t.Helper()
	var options []ldap.DialOpt
	if ca != nil {
		options = append(options, ldap.DialWithTLSConfig(ca.client(t)))
	}
	c, err := ldap.DialURL(url, options...)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetTimeout(patience)
	must(t, c.Bind(name, password))
	return c
}

// client trusts the authority alone.
func (ca *CA) client(t T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca.File)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// ago writes a generalized time (RFC 4517 section 3.3.13), some seconds back.
func ago(seconds int) string {
	return time.Now().UTC().Add(-time.Duration(seconds) * time.Second).Format("20060102150405Z")
}

package expiry

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, NotAfter: now.AddDate(0, 3, 0)}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, NotAfter: now.AddDate(10, 0, 0)}
	old := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, NotAfter: now.AddDate(0, 1, 0)}
	if got := Certificates("ldaps://dc1", nil); got != nil {
		t.Errorf("of no chain: %v", got)
	}
	if got := Certificates("ldaps://dc1", []*x509.Certificate{leaf, ca}); len(got) != 1 || got[0].Text() != "the certificate of ldaps://dc1" || !got[0].At.Equal(leaf.NotAfter) {
		t.Errorf("of a server: %v", got)
	}
	if got := Certificates("ldaps://dc1", []*x509.Certificate{leaf, old}); len(got) != 1 || got[0].Text() != `the certificate "CN=authority", which certifies ldaps://dc1,` || !got[0].At.Equal(old.NotAfter) {
		t.Errorf("of an authority that ends first: %v", got)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	got := Token("console \"mail\"", jwt(`{"exp": 1796000000, "sub": "bot"}`))
	if len(got) != 1 || got[0].At.Unix() != 1796000000 || got[0].Text() != `the token of console "mail"` {
		t.Errorf("of a token: %v", got)
	}
	for _, token := range []string{"", "opaque", "a.b", "a.!.c", jwt(`{}`), jwt(`{"exp": "soon"}`), jwt(`{"exp": -1}`), jwt(`{"exp": 1e300}`), jwt(`[`)} {
		if got := Token("x", token); got != nil {
			t.Errorf("%q ends %v", token, got)
		}
	}
}

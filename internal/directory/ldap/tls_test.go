package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// tlsFailure reads from a server, which must fail at TLS, and returns the words
// and the hint; doctor must have the same ones.
func tlsFailure(t *testing.T, o Options) (words, hint string) {
	t.Helper()
	_, _, err := read(t, o)
	if err == nil {
		t.Fatal("the server was read")
	}
	words, hint = err.Error(), directory.HintOf(err)
	for _, c := range diagnose(t, o).Checks {
		if c.Status == "failed" {
			if !strings.Contains(words, c.Finding) || c.Remedy != hint {
				t.Errorf("doctor says %s: %s (%s)\nread says %s (%s)", c.Name, c.Finding, c.Remedy, words, hint)
			}
			return words, hint
		}
	}
	t.Error("doctor finds nothing")
	return words, hint
}

// Over TCP, what ends a handshake is reported in words that say what to do.
func TestHandshakeFailures(t *testing.T) {
	const rsaOnly = "have no cipher suite in common (tls: handshake failure)"
	demand := func(c *tls.Config, by *servertest.CA) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, by.Pool()
	}
	ca, foreign := servertest.NewCA(t), servertest.NewCA(t)
	for _, c := range []struct {
		name        string
		leaf        servertest.Leaf
		tls         func(*tls.Config)
		client      *servertest.Certificate
		words, hint string
	}{
		{"RSA key exchange", servertest.Leaf{RSA: true}, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_GCM_SHA384}
		}, nil, rsaOnly, "ECDHE"},
		{"TLS 1.1", servertest.Leaf{RSA: true}, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, nil,
			"the server speaks no TLS 1.2 or later (tls: protocol version not supported)", "enable TLS 1.2 or 1.3"},
		{"client certificate", servertest.Leaf{}, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, nil,
			"the server demands a client certificate (tls: certificate required)", "set client_cert and client_key"},
		{"client certificate, TLS 1.2", servertest.Leaf{}, func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }, nil,
			"the server demands a client certificate (tls: ", "set client_cert and client_key"},
		{"authority of clients", servertest.Leaf{}, func(c *tls.Config) { demand(c, ca) }, foreign.Issue(t, servertest.Leaf{}),
			"the server demands a client certificate of an authority that it knows (tls: ", "issued by CN=Test CA "},
		{"authority of clients, TLS 1.2", servertest.Leaf{}, func(c *tls.Config) { demand(c, ca); c.MaxVersion = tls.VersionTLS12 }, foreign.Issue(t, servertest.Leaf{}),
			"the server demands a client certificate of an authority that it knows (tls: ", "issued by CN=Test CA "},
		{"client certificate expired", servertest.Leaf{}, func(c *tls.Config) { demand(c, ca) }, ca.Issue(t, servertest.Leaf{Until: -time.Hour}),
			"the server does not accept the client certificate (tls: ", "has not expired"},
		{"client certificate refused, TLS 1.2", servertest.Leaf{}, func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return fmt.Errorf("no") }
		}, ca.Issue(t, servertest.Leaf{}), "the server does not accept the client certificate (tls: ", "client_cert"},
		{"fault of the server", servertest.Leaf{}, func(c *tls.Config) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, tls.AlertError(112) }
		}, nil, "the server failed in the TLS handshake (tls: internal error)", "certificate or key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := company(t, 1, servertest.StubOptions{CA: ca, Certificate: ca.Issue(t, c.leaf), TLS: c.tls})
			o := optionsOf(s)
			if c.client != nil {
				o.ClientCert, o.ClientKey = c.client.CertFile, c.client.KeyFile
			}
			for _, url := range []string{s.LDAPS, s.URL} {
				o.URLs, o.StartTLS = []string{url}, url == s.URL
				if words, hint := tlsFailure(t, o); !strings.Contains(words, c.words) || !strings.Contains(hint, c.hint) {
					t.Errorf("%s says %s\nhint: %s", url, words, hint)
				}
			}
		})
	}
}

// A client certificate that is not sent, because the server does not ask for it or
// not for one of its authority, logs nobody in.
func TestUnsentClientCertificate(t *testing.T) {
	scope := directory.Scope{Name: "all", Base: servertest.Base, PrimaryAttribute: "mail", Filter: "(objectClass=*)", Type: directory.Auto}
	for _, c := range []struct{ ask, words, hint string }{
		{"", "the server asks for no client certificate, so that nobody is logged in by client_cert", "TLSVerifyClient"},
		{"try", "the server accepts no client certificate of the authority that issued client_cert", "issued by CN=Test CA "},
	} {
		s := servertest.NewSlapd(t, servertest.SlapdOptions{ClientCertificates: c.ask})
		theirs := servertest.NewCA(t).Issue(t, servertest.Leaf{CommonName: "reader"})
		o := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, ClientCert: theirs.CertFile, ClientKey: theirs.KeyFile, Timeout: 20 * time.Second, PageSize: 500}
		_, _, err := read(t, o, scope)
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(directory.HintOf(err), c.hint) {
			t.Errorf("got %v\nhint: %s", err, directory.HintOf(err))
		}
	}
}

// OpenSSL, which most servers on Linux are built on, ends handshakes as Go does or
// otherwise.
func TestHandshakeFailuresOfOpenSSL(t *testing.T) {
	program := servertest.Need(t, "openssl", "openssl")
	ca := servertest.NewCA(t)
	leaf := ca.Issue(t, servertest.Leaf{RSA: true})
	for _, c := range []struct {
		name        string
		args        []string
		words, hint string
	}{
		{"RSA key exchange", []string{"-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"}, "have no cipher suite in common (tls: handshake failure)", "ECDHE"},
		{"TLS 1.1", []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, "the server speaks no TLS 1.2 or later (tls: protocol version not supported)", "enable TLS 1.2"},
		{"client certificate", []string{"-tls1_3", "-Verify", "1", "-CAfile", ca.File}, "the server demands a client certificate", "set client_cert to a certificate that is issued by CN=Test CA"},
		{"client certificate, TLS 1.2", []string{"-tls1_2", "-Verify", "1"}, "the server demands a client certificate (tls: handshake failure)", "set client_cert and client_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, append([]string{"s_server", "-accept", address, "-cert", leaf.CertFile, "-key", leaf.KeyFile, "-quiet"}, c.args...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if nc, err := net.Dial("tcp", address); err == nil {
					nc.Close()
					break
				} else if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			o := Options{Label: "corp", URLs: []string{"ldaps://" + address}, CAFile: ca.File, BindDN: "svc@corp.example.com", Password: secret("secret"),
				ActiveDirectory: true, Timeout: 10 * time.Second, PageSize: 1000}
			_, _, err = read(t, o)
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(directory.HintOf(err), c.hint) {
				t.Errorf("says %v\nhint: %s", err, directory.HintOf(err))
			}
		})
	}
}

// Certificates that are wrong in a way of their own.
func TestOutdatedCertificates(t *testing.T) {
	ca := servertest.NewCA(t)
	for _, c := range []struct {
		name        string
		issue       func() *servertest.Certificate
		words, hint string
	}{
		{"SHA-1", func() *servertest.Certificate { return ca.Issue(t, servertest.Leaf{SHA1: true}) },
			`the certificate "CN=127.0.0.1" is signed with ECDSA-SHA1, which can be forged and is not accepted`, "signed with SHA-256"},
		{"renewed authority", func() *servertest.Certificate { return ca.Renewed(t).Issue(t, servertest.Leaf{}) },
			`the server's certificate is not signed by the authority "CN=Test CA `, "ask for the authority's new certificate and add it to ca_file"},
		{"another authority", func() *servertest.Certificate { return servertest.NewCA(t).Issue(t, servertest.Leaf{}) },
			`the server's certificate comes from the authority "CN=Test CA `, "set ca_file to the certificate of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := company(t, 1, servertest.StubOptions{CA: ca, Certificate: c.issue()})
			if words, hint := tlsFailure(t, optionsOf(s)); !strings.Contains(words, c.words) || !strings.Contains(hint, c.hint) {
				t.Errorf("says %s\nhint: %s", words, hint)
			}
		})
	}
}

// A byte order mark hides no certificate, and no key.
func TestByteOrderMark(t *testing.T) {
	s := company(t, 1, servertest.StubOptions{TLS: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }})
	mine := s.CA.Issue(t, servertest.Leaf{})
	marked := func(mark string, files ...string) string {
		path := filepath.Join(t.TempDir(), "marked.pem")
		text := mark
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text += string(b)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const utf8 = "\xef\xbb\xbf"
	o := optionsOf(s)
	o.CAFile = marked(utf8, s.CA.File, servertest.NewCA(t).File)
	o.ClientCert, o.ClientKey = marked(utf8, mine.CertFile), marked(utf8, mine.KeyFile)
	if got, _, err := read(t, o); err != nil || len(got) != 1 {
		t.Errorf("got %d entries, %v", len(got), err)
	}
	o.CAFile = marked("\xff\xfe", s.CA.File)
	if _, _, err := read(t, o); err == nil || !strings.Contains(err.Error(), "ca_file "+o.CAFile+": the file is UTF-16") || directory.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

// Package trust says how TLS is spoken to a server, by settings that several kinds have.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Settings are what is configured of it.
var Settings = []settings.Setting{
	{Name: "ca_file", Type: settings.Path, Help: "the authority of the server's certificate, in PEM; without it those of the system"},
	{Name: "client_cert", Type: settings.Path, Help: "a certificate to log in with, in PEM"},
	{Name: "client_key", Type: settings.Path, Help: "its key, in PEM"},
}

// Check looks for settings that do not go together.
func Check(v settings.Values) (problems []settings.Problem) {
	if v.Has("client_cert") != v.Has("client_key") {
		problems = append(problems, settings.Problem{Summary: "client_cert and client_key go together", Hint: "write both, or neither"})
	}
	return problems
}

// Config verifies the server, by its authority or those of the system, and logs in with
// the certificate, if there is one.
func Config(v settings.Values) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if file := v.Path("ca_file"); file != "" {
		if c.RootCAs, err = Authority(file); err != nil {
			return nil, err
		}
	}
	if cert := v.Path("client_cert"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, v.Path("client_key"))
		if err != nil {
			return nil, fmt.Errorf("client_cert and client_key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Authority reads the certificates of a ca_file.
func Authority(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM", file)
	}
	return pool, nil
}

// Package ldap reads directories from servers: Active Directory, OpenLDAP, 389
// Directory Server and others that speak LDAP version 3 (RFC 4511).
//
// A read goes from server to server until one has answered completely:
//
//	targets ── open: dial, TLS, login, rootDSE ──> reading
//	                                                 │ for each scope
//	           fetcher ── pages, ranges ──> batches ─┴─> object ──> sink
//
// The fetcher asks and the reading takes, each in its own goroutine. That an
// answer is complete is judged in one place, [fetcher.run]; everything else
// that goes wrong is an error, and an error ends the read of that server. Then
// the sink forgets what it was given, and the next server begins.
//
// In Active Directory the read is a picture of its end: what changed under it
// is found by update sequence numbers and read again.
package ldap

import (
	"context"
	"net"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
)

// Options say how to reach a directory and who reads it. They have been
// checked by the configuration.
type Options struct {
	// Label is the directory's.
	Label string
	// ActiveDirectory is true for domain controllers.
	ActiveDirectory bool
	// URLs are ldap://host[:port] or ldaps://host[:port], to be tried in order.
	URLs []string
	// Domain is the DNS domain whose servers are looked up by SRV records
	// where URLs is empty; Site goes before the others.
	Domain, Site string
	// BindDN is a distinguished name, for Active Directory also a user
	// principal name or DOMAIN\user; "" for nobody, or for whom the client
	// certificate or Kerberos names.
	BindDN string
	// Password returns the password of BindDN.
	Password func() string
	// CAFile holds the certificates, in PEM, of the authorities to trust in
	// place of the system's; "" for the system's. ClientCert and ClientKey are
	// PEM files, too; both or none is set.
	CAFile, ClientCert, ClientKey string
	// Kerberos, unless nil, logs in by GSSAPI (RFC 4752).
	Kerberos *Kerberos
	// StartTLS asks for encryption on ldap:// connections (RFC 4511 section
	// 4.14).
	StartTLS bool
	// Timeout is how long one request, or one page of a search, may take.
	Timeout time.Duration
	// PageSize is how many entries are asked for at a time.
	PageSize int
	// FullEvery is after how long a directory that is followed is read completely
	// again; 0 follows none.
	FullEvery time.Duration
}

// Kerberos says whose ticket to use.
type Kerberos struct {
	// Principal is name@REALM, "" with a Cache.
	Principal string
	// Keytab is the file of the principal's keys, Cache the file of a
	// credential cache. One of them is set.
	Keytab, Cache string
	// Config is a krb5.conf.
	Config string
	// Service is the principal of the server's service; "" for ldap/host.
	Service string
}

// Source is a directory on servers.
type Source struct {
	options Options
	lookup  func(ctx context.Context, name string) ([]*net.SRV, error)
}

var _ directory.Source = (*Source)(nil)

// New returns the directory. No server is spoken to before it is read.
func New(o Options) *Source { return &Source{o, lookupSRV} }

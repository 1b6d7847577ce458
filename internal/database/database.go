// Package database says where a database is, who asks it, and how that is kept secret
// on the way.
package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/trust"
)

// The schemes of URLs.
const (
	Postgres = "postgres"
	MySQL    = "mysql"
)

// Place is where a database is, and who asks it.
type Place struct {
	Scheme                   string // [Postgres] or [MySQL]
	Host, Port               string // a host with a slash is the folder of a socket, or the socket
	User, Password, Database string

	chain atomic.Pointer[tls.ConnectionState] // of the last connection with TLS
}

// Shown are the certificates that the server has shown, the first its own.
func (p *Place) Shown() []*x509.Certificate {
	state := p.chain.Load()
	if state == nil {
		return nil
	}
	return state.VerifiedChains[0]
}

// schemes are those that may be written, with those that they stand for.
var schemes = map[string]string{"postgres": Postgres, "postgresql": Postgres, "mysql": MySQL, "mariadb": MySQL}

// Parse reads SCHEME://USER:PASSWORD@HOST:PORT/DATABASE, with one of the schemes. Where
// ?host=/PATH stands behind it, the database is reached by the socket there. What an
// error says has nothing of the URL in it.
func Parse(text string, known ...string) (*Place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	p := &Place{Scheme: schemes[strings.ToLower(u.Scheme)], Host: u.Hostname(), Port: u.Port(), User: u.User.Username(), Database: strings.TrimPrefix(u.Path, "/")}
	p.Password, _ = u.User.Password()
	if !slices.Contains(known, p.Scheme) {
		if len(known) == 1 {
			return nil, fmt.Errorf("it does not begin with %s://", known[0])
		}
		return nil, fmt.Errorf("it begins neither with %s://", strings.Join(known, ":// nor with "))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("what follows its ? cannot be read")
	}
	for name, all := range query {
		switch {
		case name == "host" && len(all) == 1 && strings.HasPrefix(all[0], "/") && p.Host == "":
			p.Host = all[0]
		case name == "sslmode" && len(all) == 1 && all[0] == "verify-full":
		default:
			return nil, errors.New("after its ? it has an unknown parameter: only host=/PATH is known, for a socket; TLS is always verified, except for a server on this machine")
		}
	}
	switch {
	case p.Host == "":
		return nil, errors.New("it names no host")
	case p.User == "":
		return nil, errors.New("it names no user")
	case p.Database == "" || strings.Contains(p.Database, "/"):
		return nil, errors.New("it names no database after the host")
	}
	if p.Port == "" {
		p.Port = map[string]string{Postgres: "5432", MySQL: "3306"}[p.Scheme]
	}
	if _, err := strconv.ParseUint(p.Port, 10, 16); err != nil {
		return nil, errors.New("its port is not 0 to 65535")
	}
	return p, nil
}

// Socket reports whether the database is reached by a socket of this machine.
func (p *Place) Socket() bool { return strings.HasPrefix(p.Host, "/") }

// local reports whether nobody is between here and the database.
func (p *Place) local() bool {
	ip := net.ParseIP(p.Host)
	return p.Socket() || strings.EqualFold(p.Host, "localhost") || ip != nil && ip.IsLoopback()
}

// String says where the database is, without who asks it.
func (p *Place) String() string {
	if p.Socket() {
		return fmt.Sprintf("%s:%s/%s", p.Scheme, p.Host, p.Database)
	}
	return fmt.Sprintf("%s://%s/%s", p.Scheme, net.JoinHostPort(p.Host, p.Port), p.Database)
}

// Check looks for settings that do not go together.
func Check(v settings.Values, p *Place) (problems []settings.Problem) {
	problems = trust.Check(v)
	if p != nil && p.Socket() && (v.Has("ca_file") || v.Has("client_cert")) {
		problems = append(problems, settings.Problem{Warning: true, Setting: "ca_file", Summary: "the database is reached by a socket, where there is no TLS", Hint: "remove ca_file, client_cert and client_key"})
	}
	return problems
}

// Security is how TLS is spoken; nil for none. On this machine it is spoken only
// where an authority is named.
func (p *Place) Security(v settings.Values) (*tls.Config, error) {
	if p.Socket() || p.local() && v.Path("ca_file") == "" && v.Path("client_cert") == "" {
		return nil, nil
	}
	c, err := trust.Config(v)
	if err != nil {
		return nil, err
	}
	c.ServerName = p.Host
	c.VerifyConnection = func(s tls.ConnectionState) error {
		p.chain.Store(&s)
		return nil
	}
	return c, nil
}

// Untrusted reports whether TLS has failed.
func Untrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) ||
		errors.As(err, new(x509.CertificateInvalidError)) || errors.As(err, new(tls.RecordHeaderError)) || strings.Contains(err.Error(), "server refused TLS")
}

// Unnamed is an error of a connection to a [Postgres] without who asked.
func Unnamed(err error) error {
	var operation *net.OpError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &operation):
		return operation
	case errors.As(err, &connect):
		// Its own text has the user in it.
		inner := errors.Unwrap(connect)
		if inner == nil {
			return errors.New("no connection")
		}
		for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
			inner = next
		}
		return inner
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was lost")
	}
	return err
}

// Postgres says how connections to a [Postgres] are opened, none of which may take
// longer than the timeout.
func (p *Place) Postgres(security *tls.Config, timeout time.Duration) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig("host=localhost sslmode=disable target_session_attrs=any") // what the environment says beside that is replaced
	if err != nil {
		return nil, errors.New("the environment has PG… variables that cannot be used")
	}
	port, _ := strconv.ParseUint(p.Port, 10, 16) // Parse has looked
	c.Port = uint16(port)
	c.Host, c.User, c.Password, c.Database, c.TLSConfig, c.Fallbacks, c.ConnectTimeout = p.Host, p.User, p.Password, p.Database, security, nil, timeout
	c.RuntimeParams = map[string]string{"application_name": "rollcall", "client_encoding": "UTF8"}
	return c, nil
}

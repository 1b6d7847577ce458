package sql

import (
	"crypto/tls"
	"crypto/x509"
	dbsql "database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// place is where a database is, and who asks it.
type place struct {
	d                        *dialect
	host, port               string // a host with a slash is the folder of a socket, or the socket
	user, password, database string

	chain atomic.Pointer[tls.ConnectionState] // of the last connection with TLS
}

// shown are the certificates that the server has shown, the first its own.
func (p *place) shown() []*x509.Certificate {
	state := p.chain.Load()
	if state == nil {
		return nil
	}
	return state.VerifiedChains[0]
}

// schemes are those of URLs, with their dialects.
var schemes = map[string]*dialect{"postgres": postgres, "postgresql": postgres, "mysql": mysql, "mariadb": mysql}

// parseURL reads SCHEME://USER:PASSWORD@HOST:PORT/DATABASE. Where ?host=/PATH stands
// behind it, the database is reached by the socket there. What an error says has
// nothing of the URL in it.
func parseURL(text string) (*place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	p := &place{d: schemes[strings.ToLower(u.Scheme)], host: u.Hostname(), port: u.Port(), user: u.User.Username(), database: strings.TrimPrefix(u.Path, "/")}
	p.password, _ = u.User.Password()
	if p.d == nil {
		return nil, errors.New("it begins neither with postgres:// nor with mysql://")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("what follows its ? cannot be read")
	}
	for name, all := range query {
		switch {
		case name == "host" && len(all) == 1 && strings.HasPrefix(all[0], "/") && p.host == "":
			p.host = all[0]
		case name == "sslmode" && len(all) == 1 && all[0] == "verify-full":
		default:
			return nil, errors.New("after its ? it has an unknown parameter: only host=/PATH is known, for a socket; TLS is always verified, except for a server on this machine")
		}
	}
	switch {
	case p.host == "":
		return nil, errors.New("it names no host")
	case p.user == "":
		return nil, errors.New("it names no user")
	case p.database == "" || strings.Contains(p.database, "/"):
		return nil, errors.New("it names no database after the host")
	}
	if p.port == "" {
		p.port = map[*dialect]string{postgres: "5432", mysql: "3306"}[p.d]
	}
	if _, err := strconv.ParseUint(p.port, 10, 16); err != nil {
		return nil, errors.New("its port is not 0 to 65535")
	}
	return p, nil
}

// socket reports whether the database is reached by a socket of this machine.
func (p *place) socket() bool { return strings.HasPrefix(p.host, "/") }

// local reports whether nobody is between here and the database.
func (p *place) local() bool {
	ip := net.ParseIP(p.host)
	return p.socket() || strings.EqualFold(p.host, "localhost") || ip != nil && ip.IsLoopback()
}

// String says where the database is, without who asks it.
func (p *place) String() string {
	if p.socket() {
		return fmt.Sprintf("%s:%s/%s", p.d.scheme, p.host, p.database)
	}
	return fmt.Sprintf("%s://%s/%s", p.d.scheme, net.JoinHostPort(p.host, p.port), p.database)
}

// security is how TLS is spoken; nil for none. On this machine it is spoken only
// where an authority is named.
func (p *place) security(v settings.Values) (*tls.Config, error) {
	ca, cert := v.Path("ca_file"), v.Path("client_cert")
	if p.socket() || p.local() && ca == "" && cert == "" {
		return nil, nil
	}
	c := &tls.Config{ServerName: p.host, MinVersion: tls.VersionTLS12, VerifyConnection: func(s tls.ConnectionState) error {
		p.chain.Store(&s)
		return nil
	}}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s has no certificate in PEM", ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, v.Path("client_key"))
		if err != nil {
			return nil, fmt.Errorf("client_cert and client_key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// connector is what opens connections. None may take longer than the timeout.
func (p *place) connector(security *tls.Config, timeout time.Duration) (driver.Connector, error) {
	if p.d.postgres {
		c, err := pgx.ParseConfig("host=localhost sslmode=disable target_session_attrs=any") // what the environment says beside that is replaced
		if err != nil {
			return nil, errors.New("the environment has PG… variables that cannot be used")
		}
		port, _ := strconv.ParseUint(p.port, 10, 16) // parseURL has looked
		c.Port = uint16(port)
		c.Host, c.User, c.Password, c.Database, c.TLSConfig, c.Fallbacks, c.ConnectTimeout = p.host, p.user, p.password, p.database, security, nil, timeout
		c.RuntimeParams = map[string]string{"application_name": "rollcall", "client_encoding": "UTF8"}
		return stdlib.GetConnector(*c), nil
	}
	c := mysqldriver.NewConfig()
	c.User, c.Passwd, c.DBName, c.TLS, c.Timeout = p.user, p.password, p.database, security, timeout
	c.Net, c.Addr = "tcp", net.JoinHostPort(p.host, p.port)
	if p.socket() {
		c.Net, c.Addr = "unix", p.host
	}
	c.ClientFoundRows, c.InterpolateParams, c.Collation = true, true, "utf8mb4_general_ci"
	c.Logger = &mysqldriver.NopLogger{}
	c.ReadTimeout, c.WriteTimeout = timeout, timeout
	return mysqldriver.NewConnector(c)
}

// open opens the database; nothing is asked yet.
func (p *place) open(v settings.Values, timeout time.Duration) (*dbsql.DB, *tls.Config, error) {
	security, err := p.security(v)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.connector(security, timeout)
	if err != nil {
		return nil, nil, err
	}
	db := dbsql.OpenDB(c)
	db.SetMaxIdleConns(1)
	return db, security, nil
}

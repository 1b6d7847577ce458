package sql

import (
	"crypto/tls"
	dbsql "database/sql"
	"database/sql/driver"
	"net"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rollcall-cli/rollcall/internal/database"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// place is where a database is, and its dialect.
type place struct {
	*database.Place
	d *dialect
}

func parseURL(text string) (*place, error) {
	p, err := database.Parse(text, database.Postgres, database.MySQL)
	if err != nil {
		return nil, err
	}
	return &place{p, map[string]*dialect{database.Postgres: postgres, database.MySQL: mysql}[p.Scheme]}, nil
}

// connector is what opens connections. None may take longer than the timeout.
func (p *place) connector(security *tls.Config, timeout time.Duration) (driver.Connector, error) {
	if p.d.postgres {
		c, err := p.Postgres(security, timeout)
		if err != nil {
			return nil, err
		}
		return stdlib.GetConnector(*c), nil
	}
	c := mysqldriver.NewConfig()
	c.User, c.Passwd, c.DBName, c.TLS, c.Timeout = p.User, p.Password, p.Database, security, timeout
	c.Net, c.Addr = "tcp", net.JoinHostPort(p.Host, p.Port)
	if p.Socket() {
		c.Net, c.Addr = "unix", p.Host
	}
	c.ClientFoundRows, c.InterpolateParams, c.Collation = true, true, "utf8mb4_general_ci"
	c.Logger = &mysqldriver.NopLogger{}
	c.ReadTimeout, c.WriteTimeout = timeout, timeout
	return mysqldriver.NewConnector(c)
}

// open opens the database; nothing is asked yet.
func (p *place) open(v settings.Values, timeout time.Duration) (*dbsql.DB, *tls.Config, error) {
	security, err := p.Security(v)
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

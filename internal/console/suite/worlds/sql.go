package worlds

import (
	"database/sql"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// Databases of PostfixAdmin.
var (
	PostfixAdminPostgres = &Subject{Name: "PostfixAdmin in PostgreSQL", Kind: "sql", Serve: serveSQL(servertest.NewPostgres)}
	PostfixAdminMariaDB  = &Subject{Name: "PostfixAdmin in MariaDB", Kind: "sql", Serve: serveSQL(servertest.NewMariaDB)}
)

// PostfixAdmin are the tables of PostfixAdmin with those of its columns that mail
// servers read and this program uses, in SQL of our own, by the scheme of URLs.
var PostfixAdmin = map[string]string{
	"postgres": `
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '', backupmx boolean NOT NULL DEFAULT false, active boolean NOT NULL DEFAULT true);
CREATE TABLE mailbox (
  username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL DEFAULT '', name varchar(255) NOT NULL DEFAULT '', maildir varchar(255) NOT NULL DEFAULT '',
  quota bigint NOT NULL DEFAULT 0, local_part varchar(255) NOT NULL, domain varchar(255) REFERENCES domain (domain),
  created timestamptz DEFAULT now(), modified timestamptz DEFAULT now(), active boolean NOT NULL DEFAULT true);
CREATE TABLE alias (
  address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL REFERENCES domain (domain),
  created timestamptz DEFAULT now(), modified timestamptz DEFAULT now(), active boolean NOT NULL DEFAULT true);`,
	"mysql": `
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '', backupmx tinyint(1) NOT NULL DEFAULT 0, active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=latin1;
CREATE TABLE mailbox (
  username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL, name varchar(255) CHARACTER SET utf8mb4 NOT NULL, maildir varchar(255) NOT NULL,
  quota bigint NOT NULL DEFAULT 0, local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL,
  created datetime NOT NULL DEFAULT '2000-01-01', modified datetime NOT NULL DEFAULT '2000-01-01', active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=latin1;
CREATE TABLE alias (
  address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL,
  created datetime NOT NULL DEFAULT '2000-01-01', modified datetime NOT NULL DEFAULT '2000-01-01', active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=latin1;`,
}

// Grants are the rights of the user rollcall, which changes accounts, by the scheme of
// URLs.
var Grants = map[string][]string{
	"postgres": {
		"GRANT SELECT, INSERT, UPDATE, DELETE ON mailbox, alias TO rollcall;", "GRANT SELECT ON domain TO rollcall;",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON rollcall_owner TO rollcall;", "GRANT SELECT, INSERT, UPDATE, DELETE ON rollcall_ledger TO rollcall;",
	},
	"mysql": {
		"GRANT SELECT, INSERT, UPDATE, DELETE ON mailbox TO rollcall;", "GRANT SELECT, INSERT, UPDATE, DELETE ON alias TO rollcall;", "GRANT SELECT ON domain TO rollcall;",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON rollcall_owner TO rollcall;", "GRANT SELECT, INSERT, UPDATE, DELETE ON rollcall_ledger TO rollcall;",
	},
}

func serveSQL(start func(servertest.T) *servertest.SQL) func(*testing.T) func(*testing.T) *World {
	return func(t *testing.T) func(*testing.T) *World {
		server := start(t)
		return func(t *testing.T) *World { return newPostfixAdmin(t, server) }
	}
}

// newPostfixAdmin makes a database with domains and nobody in them.
func newPostfixAdmin(t *testing.T, server *servertest.SQL) *World {
	t.Helper()
	name, db := server.Database(t)
	do := func(query string, args ...any) {
		t.Helper()
		if server.Scheme == "postgres" {
			for n := 1; strings.Contains(query, "?"); n++ {
				query = strings.Replace(query, "?", fmt.Sprintf("$%d", n), 1)
			}
		}
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	do(PostfixAdmin[server.Scheme])
	for _, domain := range []string{"ALL", "example.com", "example.net", "example.org"} {
		do("INSERT INTO domain (domain) VALUES (?)", domain)
	}
	reader := "reader_" + name
	switch server.Scheme {
	case "postgres":
		do(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]s; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO %[1]s", reader, servertest.Password))
		t.Cleanup(func() { dropRole(db, reader) })
	default:
		do(fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'; GRANT SELECT ON %s.* TO %[1]s", reader, servertest.Password, name))
	}
	line := servertest.NewLine(t, server.Host)
	block := func(user, password, more string) string {
		return fmt.Sprintf("profile = \"postfixadmin\"\nurl = %q\n%s", fmt.Sprintf("%s://%s:%s@%s/%s", server.Scheme, user, password, line.Host, name), more)
	}
	w := &World{
		Block:   block(servertest.Superuser, servertest.Password, fmt.Sprintf("ca_file = %q\n", server.CA.File)),
		Refused: block(servertest.Superuser, "wrong", ""), ReadOnly: block(reader, servertest.Password, ""),
		Untrusted: block(servertest.Superuser, servertest.Password, fmt.Sprintf("ca_file = %q\n", servertest.NewCA(t).File)),
		Setup:     true, Stop: line.Stop, Start: line.Start,
	}
	host, port, _ := net.SplitHostPort(server.Host)
	const everything = "SELECT * FROM mailbox; SELECT * FROM alias; SELECT * FROM rollcall_owner"
	w.Client = []string{"mariadb", "--no-defaults", "--skip-ssl", "-h", host, "-P", port, "-u", servertest.Superuser, "-p" + servertest.Password, name, "-BNe", everything}
	if server.Scheme == "postgres" {
		w.Client = []string{"psql", server.URL(servertest.Superuser, servertest.Password, name), "-X", "-At", "-c", everything}
	}
	domain := func(address string) string { return address[strings.IndexByte(address, '@')+1:] }
	alias := func(address, target string) {
		do("INSERT INTO alias (address, goto, domain) VALUES (?, ?, ?)", address, target, domain(address))
	}
	w.Add = func(primary string, aliases ...string) {
		local, _, _ := strings.Cut(primary, "@")
		do("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES (?, '', '', ?, ?, ?)", primary, domain(primary)+"/"+local+"/", local, domain(primary))
		alias(primary, primary)
		for _, a := range aliases {
			alias(a, primary)
		}
	}
	w.SetAliases = func(primary string, aliases ...string) {
		do("DELETE FROM alias WHERE goto = ? AND address <> ?", primary, primary)
		for _, a := range aliases {
			alias(a, primary)
		}
	}
	w.Remove = func(primary string) {
		do("DELETE FROM alias WHERE goto = ? OR address = ?", primary, primary)
		do("DELETE FROM mailbox WHERE username = ?", primary)
	}
	return w
}

// dropRole removes a role, which belongs to all databases of a server.
func dropRole(db *sql.DB, role string) {
	_, _ = db.Exec("DROP OWNED BY " + role + "; DROP ROLE " + role) // the server ends soon
}

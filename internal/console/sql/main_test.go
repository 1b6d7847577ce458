package sql

import (
	dbsql "database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// product is a server for all tests of a kind.
type product struct {
	name  string
	start func(servertest.T) *servertest.SQL
}

var products = []product{{"PostgreSQL", servertest.NewPostgres}, {"MariaDB", servertest.NewMariaDB}}

// testDatabase is one with the tables of PostfixAdmin, and nobody in them.
type testDatabase struct {
	t      *testing.T
	server *servertest.SQL
	name   string
	db     *dbsql.DB
	url    string
}

func newDatabase(t *testing.T, server *servertest.SQL) *testDatabase {
	t.Helper()
	d := emptyDatabase(t, server)
	d.do(worlds.PostfixAdmin[server.Scheme])
	d.addDomains("INSERT INTO domain (domain) VALUES (?)")
	return d
}

// newOwnDatabase is one whose tables PostfixAdmin has made itself.
func newOwnDatabase(t *testing.T, server *servertest.SQL) *testDatabase {
	t.Helper()
	d := emptyDatabase(t, server)
	server.PostfixAdmin(t, d.name)
	d.do("DELETE FROM domain")
	d.addDomains("INSERT INTO domain (domain, description, transport) VALUES (?, '', 'virtual')")
	return d
}

func emptyDatabase(t *testing.T, server *servertest.SQL) *testDatabase {
	t.Helper()
	name, db := server.Database(t)
	return &testDatabase{t, server, name, db, server.URL(servertest.Superuser, servertest.Password, name)}
}

func (d *testDatabase) addDomains(insert string) {
	d.t.Helper()
	for _, domain := range []string{"ALL", "example.com", "example.net"} {
		d.do(insert, domain)
	}
}

// bound writes a query with the placeholders of the server.
func (d *testDatabase) bound(query string) string {
	for n := 1; d.server.Scheme == "postgres" && strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", n), 1)
	}
	return query
}

func (d *testDatabase) do(query string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(d.bound(query), args...); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
}

// rows returns the rows of a query, a line each, with their values parted by blanks.
func (d *testDatabase) rows(query string, args ...any) string {
	d.t.Helper()
	rows, err := d.db.Query(d.bound(query), args...)
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		d.t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values := make([]dbsql.NullString, len(columns))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			d.t.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, strings.NewReplacer("true", "1", "false", "0").Replace(v.String))
		}
		lines = append(lines, strings.Join(texts, " "))
	}
	if rows.Err() != nil {
		d.t.Fatal(rows.Err())
	}
	return strings.Join(lines, "\n")
}

// granted is the database for a user that may do what the page says and no more.
func (d *testDatabase) granted() string {
	d.t.Helper()
	user := "limited_" + d.name
	switch d.server.Scheme {
	case "postgres":
		d.do(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", user, servertest.Password))
	default:
		d.do(fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'", user, servertest.Password))
	}
	for _, grant := range worlds.Grants[d.server.Scheme] {
		d.do(strings.Replace(grant, "TO rollcall", "TO "+user, 1))
	}
	return d.server.URL(user, servertest.Password, d.name)
}

// TestPage: the rights and the statements of the pages are those that are tested.
func TestPage(t *testing.T) {
	var text []byte
	for _, page := range []string{page, rightsPage} {
		more, err := os.ReadFile("../../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, more...)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	shown := words(string(text))
	want := slices.Concat(worlds.Grants["postgres"], worlds.Grants["mysql"])
	for name, statement := range customs["postgres"].statements {
		if text, ok := statement.(string); ok {
			want = append(want, text)
		} else {
			want = append(want, statement.([]string)...)
		}
		if !strings.Contains(shown, " "+name+" = ") {
			t.Errorf("the page has no statement %s", name)
		}
	}
	for _, x := range append(want, customs["postgres"].tables) {
		if !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(shown, "( ", "("), " )", ")"), words(x)) {
			t.Errorf("the page does not have %s", words(x))
		}
	}
}

// TestConsole is everything that runs on a real server.
func TestConsole(t *testing.T) {
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			server := p.start(t)
			t.Run("Mail", func(t *testing.T) { testMail(t, server) })
			t.Run("Tables", func(t *testing.T) {
				for name, test := range pitfalls {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						d := newDatabase(t, server)
						setUp(t, postfixadmin(d.url))
						test(newDesk(t, d))
					})
				}
			})
			for _, test := range []struct {
				name string
				run  func(*testing.T, *servertest.SQL)
			}{
				{"Reach", testReach}, {"Survey", testSurvey}, {"ReadOnly", testReadOnly}, {"Lock", testLock}, {"Deadlock", testDeadlock}, {"LostCommit", testLostCommit}, {"Ledger", testLedger}, {"Claims", testClaims}, {"LostClaim", testLostClaim}, {"Silence", testSilence},
				{"Killed", testKilled}, {"TLS", testTLS}, {"Custom", testCustom}, {"CustomEngine", testCustomEngine}, {"CustomRows", testCustomRows}, {"CustomCheck", testCustomCheck}, {"CustomRead", testCustomRead},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(t, server) })
			}
			t.Run("Suite", func(t *testing.T) {
				d := newOwnDatabase(t, server)
				setUp(t, postfixadmin(d.url))
				conform(t, postfixadmin(d.granted()), "stale_rev")
			})
		})
	}
}

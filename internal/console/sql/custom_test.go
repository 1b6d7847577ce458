package sql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// customs are tables of somebody's, with the statements for them, by the scheme of URLs:
// the example of the page, where everything is in one table, and one with a table of
// aliases.
var customs = map[string]struct {
	tables     string
	statements map[string]any
}{
	"postgres": {
		`CREATE TABLE people (email text PRIMARY KEY, others text NOT NULL, active boolean NOT NULL, kind text NOT NULL, full_name text NOT NULL, department text)`,
		map[string]any{
			"read": "SELECT email AS address, others AS aliases, active AS status, kind AS type, full_name AS display_name, department AS attribute_department FROM people",
			"insert": []string{`INSERT INTO people (email, others, active, kind, full_name, department)
				VALUES (:address, :aliases, :active, :type, :display_name, nullif(:attribute_department, ''))`},
			"update": []string{`UPDATE people SET email = :address, others = :aliases, active = :active, kind = :type, full_name = :display_name, department = nullif(:attribute_department, '')
				WHERE email = :was_address AND others = :was_aliases AND active = :was_active`},
			"delete": []string{"DELETE FROM people WHERE email = :address AND others = :aliases"},
		},
	},
	"mysql": {
		`CREATE TABLE recipients (id int AUTO_INCREMENT PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, status varchar(8) NOT NULL, name text NOT NULL) DEFAULT CHARSET=utf8mb4;
		CREATE TABLE recipient_aliases (recipient int NOT NULL, email varchar(255) PRIMARY KEY)`,
		map[string]any{
			"read": "SELECT email AS address, coalesce((SELECT group_concat(a.email SEPARATOR ',') FROM recipient_aliases a WHERE a.recipient = r.id), '') AS aliases, status, name AS display_name FROM recipients r",
			"insert": []string{
				"INSERT INTO recipients (email, status, name) VALUES (:address, :status, :display_name)",
				"INSERT INTO recipient_aliases SELECT r.id, j.email FROM recipients r, JSON_TABLE(concat('[\"', replace(:aliases, ' ', '\",\"'), '\"]'), '$[*]' COLUMNS (email varchar(255) PATH '$')) j WHERE r.email = :address AND j.email <> ''",
			},
			"update": []string{
				"UPDATE recipients SET email = :address, status = :status, name = :display_name WHERE email = :was_address AND status = :was_status",
				"DELETE FROM recipient_aliases WHERE recipient = (SELECT id FROM recipients WHERE email = :address)",
				"INSERT INTO recipient_aliases SELECT r.id, j.email FROM recipients r, JSON_TABLE(concat('[\"', replace(:aliases, ' ', '\",\"'), '\"]'), '$[*]' COLUMNS (email varchar(255) PATH '$')) j WHERE r.email = :address AND j.email <> ''",
			},
			"delete": []string{
				"DELETE FROM recipients WHERE email = :address",
				"DELETE FROM recipient_aliases WHERE recipient NOT IN (SELECT id FROM recipients)",
			},
		},
	},
}

func customSettings(url string, statements map[string]any) map[string]any {
	return map[string]any{"url": settings.NewSecret(url), "profile": profileCustom, "statements": statementsBlock.Values(".", statements)}
}

// testCustom: tables of anybody's keep the contract, by statements of the configuration.
func testCustom(t *testing.T, server *servertest.SQL) {
	name, db := server.Database(t)
	d := &testDatabase{t, server, name, db, server.URL(servertest.Superuser, servertest.Password, name)}
	custom := customs[server.Scheme]
	d.do(custom.tables)
	set := customSettings(d.url, custom.statements)
	if problems := Kind.Check(Kind.Values("mail", ".", set)); len(problems) > 0 {
		t.Fatalf("%+v", problems)
	}
	setUp(t, set)
	conform(t, set, "stale_rev")

	desk := &desk{testDatabase: d, c: opened(t, "hq", set)}
	found, err := desk.c.Check(t.Context())
	if err != nil || strings.Count(fmt.Sprint(found), "the database takes the statement") != 3 {
		t.Errorf("%v, %v", found, err)
	}
	desk.make(desk.step(nil, account("ann@example.com", "a@example.com")))
	live := desk.read("ann@example.com")
	desk.make(desk.step(nil, account("bob@example.com")))
	table := map[string]string{"postgres": "people", "mysql": "recipients"}[server.Scheme]
	before := d.rows("SELECT * FROM " + table)
	for story, c := range map[string]struct {
		where string
		code  apply.Code
		told  string
	}{
		"a statement that hits nobody": {" AND 1 = 0", apply.Changed, "not what the plan saw"},
		"a statement that hits others": {" OR email = 'bob@example.com' AND :address <> ''", apply.Refused, "hits 2 rows, not one"},
	} {
		statements := maps.Clone(custom.statements)
		texts := slices.Clone(statements["update"].([]string))
		texts[0] += c.where
		if c.code == apply.Refused {
			texts[0] = strings.Replace(texts[0], "email = :address, ", "", 1)
		}
		statements["update"] = texts
		desk.c.Close()
		desk.c = opened(t, "hq", customSettings(d.url, statements))
		after := live.Account
		after.Directory, after.GUID, after.Status = live.Mark.Directory, live.Mark.GUID, identity.Inactive
		if a := desk.apply(desk.step(live, &after, plan.FieldStatus))[0]; a.Err == nil || a.Err.Code != c.code || !strings.Contains(a.Err.Message, c.told) {
			t.Errorf("%s: %+v", story, a)
		}
		if now := d.rows("SELECT * FROM " + table); now != before {
			t.Errorf("%s: the rows are\n%s", story, now)
		}
	}
	for story, c := range map[string]struct{ name, text, told string }{
		"a table that is not there":   {"read", "SELECT address, aliases, status FROM nowhere", "nowhere"},
		"a column that is missing":    {"read", "SELECT 'a@example.com' AS address, * FROM (SELECT 'active' AS status) AS x", `gives no column "aliases"`},
		"a column that nobody knows":  {"read", "SELECT 'a@example.com' AS address, '' AS aliases, 'active' AS status, 1 AS shoe_size", "attribute_shoe_size"},
		"a column that is not kept":   {"read", "SELECT 'a@example.com' AS address, '' AS aliases, 'active' AS status, 'x' AS attribute_office", "it lacks :attribute_office"},
		"two columns of the one name": {"read", "SELECT 'a@example.com' AS address, '' AS aliases, 'active' AS status, 'x' AS STATUS", ""},
	} {
		if server.Scheme == "mysql" && strings.Contains(c.text, ", * FROM") {
			continue // which MariaDB does not know
		}
		statements := maps.Clone(custom.statements)
		statements[c.name] = c.text
		_, err := open(t.Context(), opening("hq", customSettings(d.url, statements)))
		var unread *console.ReadError
		if !errors.As(err, &unread) || !strings.Contains(err.Error(), c.told) || !strings.Contains(unread.Advice, "statements") && !strings.Contains(unread.Advice, "log of") {
			t.Errorf("%s: %v", story, err)
		}
	}
}

// TestCustomRows: what a row says is understood, or said to be odd.
func TestCustomRows(t *testing.T) {
	c := &custom{columns: []string{columnAddress, columnAliases, columnStatus, columnType}}
	for _, x := range []struct {
		row  customRow
		want string
	}{
		{customRow{"address": "Ann@Example.com", "aliases": "b@example.com, a@example.com;b@example.com\n", "status": "t", "type": "list"}, "ann@example.com [a@example.com b@example.com] list active "},
		{customRow{"address": "ann@example.com", "aliases": "", "status": "0", "type": "user"}, "ann@example.com [] user inactive "},
		{customRow{"address": "ann", "aliases": "", "status": "active", "type": "user"}, " [] user active its address: an address has exactly one @"},
		{customRow{"address": "ann@example.com", "aliases": "x", "status": "active", "type": "user"}, `ann@example.com [] user active its alias "x": an address has exactly one @`},
		{customRow{"address": "ann@example.com", "aliases": "", "status": "maybe", "type": "user"}, `ann@example.com [] user active its status "maybe" is neither active nor inactive`},
		{customRow{"address": "ann@example.com", "aliases": "", "status": "active", "type": "robot"}, `ann@example.com [] user active its type "robot" is neither "user" nor "list"`},
	} {
		r := c.account(x.row, nil)
		if got := fmt.Sprintf("%s %v %s %s %s", r.account.Primary, r.account.Aliases, r.account.Type, r.account.Status, r.odd); got != x.want {
			t.Errorf("%v is %s\nwant %s", x.row, got, x.want)
		}
	}
}

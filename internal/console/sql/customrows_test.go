package sql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// people are a database with the table and the statements of the page.
func people(t *testing.T, server *servertest.SQL) (*testDatabase, map[string]any) {
	t.Helper()
	d := emptyDatabase(t, server)
	custom := customs["postgres"]
	tables := custom.tables
	if server.Scheme == "mysql" {
		tables = strings.Replace(tables, "email text", "email varchar(255)", 1)
	}
	d.do(tables)
	setUp(t, customSettings(d.url, custom.statements))
	return d, maps.Clone(custom.statements)
}

// testCustomEngine: tables without transactions are not written.
func testCustomEngine(t *testing.T, server *servertest.SQL) {
	if server.Scheme != "mysql" {
		return
	}
	other := emptyDatabase(t, server)
	for story, c := range map[string]struct {
		make        string
		table, told string
	}{
		"a table":              {"ALTER TABLE people ENGINE=MyISAM", "people", "people is of engine MyISAM"},
		"a table in quotes":    {"ALTER TABLE people ENGINE=Aria", "`people`", "people is of engine Aria"},
		"a view":               {"ALTER TABLE people ENGINE=MyISAM, RENAME TO folk; CREATE VIEW people AS SELECT * FROM folk", "people", "folk is of engine MyISAM"},
		"of another database":  {"CREATE TABLE " + other.name + ".folk ENGINE=MyISAM AS SELECT * FROM people", other.name + ".folk", "folk is of engine MyISAM"},
		"a view of what is so": {"ALTER TABLE people RENAME TO folk; CREATE VIEW people AS SELECT * FROM folk", "people", ""},
	} {
		d, statements := people(t, server)
		d.do(c.make)
		for name, all := range statements {
			if list, is := all.([]string); is {
				list = slices.Clone(list)
				for i, text := range list {
					list[i] = strings.Replace(text, " people", " "+c.table, 1)
				}
				statements[name] = list
			}
		}
		console, err := open(t.Context(), opening("hq", customSettings(d.url, statements)))
		switch {
		case c.told == "" && err != nil, c.told != "" && (err == nil || !strings.Contains(err.Error(), c.told)):
			t.Errorf("%s: %v", story, err)
		}
		if err == nil {
			console.Close()
		}
	}
}

// testCustomRows: rows are found again as they are stored, however their aliases are
// parted and written.
func testCustomRows(t *testing.T, server *servertest.SQL) {
	d, statements := people(t, server)
	set := customSettings(d.url, statements)
	desk := &desk{testDatabase: d, c: opened(t, "hq", set)}
	for _, row := range []string{
		"'ann@example.com', 'b@example.com,a@example.com', true, 'user', 'Ann', NULL",
		"'bob@example.com', 'B.Smith@example.com; bs@Example.com', true, 'user', 'Bob', 'Sales'",
		"'carl@example.com', 'z@example.com, c@example.com', true, 'user', 'Carl', NULL",
	} {
		d.do("INSERT INTO people VALUES (" + row + ")")
	}
	const rows = "SELECT email, others, active, full_name, department FROM people ORDER BY email"
	for _, primary := range []string{"ann@example.com", "bob@example.com", "carl@example.com"} {
		live := desk.read(primary)
		after := live.Account
		owned := account(primary)
		after.Directory, after.GUID = owned.Directory, owned.GUID
		desk.make(desk.step(live, &after, plan.FieldOwner))
	}
	desk.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Inactive }, plan.FieldStatus)
	ann, bob := desk.read("ann@example.com"), desk.read("bob@example.com")
	after := func(l *identity.Live, primary string) *identity.Account {
		a := l.Account
		a.Directory, a.GUID, a.Primary = l.Mark.Directory, l.Mark.GUID, identity.MustAddress(primary)
		return &a
	}
	desk.make(desk.step(ann, after(ann, "bob@example.com"), plan.FieldPrimary), desk.step(bob, after(bob, "ann@example.com"), plan.FieldPrimary))
	desk.make(desk.step(desk.read("carl@example.com"), nil))
	desk.sees("the rows", "ann@example.com b.smith@example.com bs@example.com 1 Bob Sales\nbob@example.com a@example.com b@example.com 0 Ann ", rows)
	if a := desk.apply(desk.step(bob, nil))[0]; a.Err == nil || a.Err.Code != apply.Changed {
		t.Errorf("a row that was changed meanwhile is removed: %+v", a)
	}
}

// testCustomCheck: doctor says which statement is wrong, and which right is missing.
func testCustomCheck(t *testing.T, server *servertest.SQL) {
	d, statements := people(t, server)
	check := func(url string, statements map[string]any) map[string]console.Finding {
		t.Helper()
		c := opened(t, "hq", customSettings(url, statements))
		defer c.Close()
		all, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]console.Finding{}
		for _, f := range all {
			for _, name := range []string{"insert", "update", "delete"} {
				if f.Check == "statement" && strings.Contains(f.Evidence, "statement "+name) {
					found[name] = f
				}
			}
		}
		if len(found) != 3 {
			t.Fatalf("%+v", all)
		}
		return found
	}
	wrong := maps.Clone(statements)
	wrong["insert"] = []string{"INSERT INTO nowhere VALUES (:address, :aliases, :active, :type, :display_name, :attribute_department)"}
	found := check(d.url, wrong)
	if found["insert"].Status != "failed" || found["update"].Status != "ok" || found["delete"].Status != "ok" {
		t.Errorf("a wrong insert: %+v", found)
	}
	for _, mayDelete := range []bool{false, true} {
		reader := fmt.Sprintf("reader_%s_%t", d.name, mayDelete)
		switch server.Scheme {
		case "postgres":
			d.do(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]s", reader, servertest.Password))
		default:
			d.do(fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'; GRANT SELECT ON people TO %[1]s; GRANT SELECT ON rollcall_owner TO %[1]s", reader, servertest.Password))
		}
		want := map[string]string{"insert": "failed", "update": "failed", "delete": "failed"}
		if mayDelete {
			d.do("GRANT DELETE ON people TO " + reader)
			want["delete"] = "ok"
		}
		for name, f := range check(server.URL(reader, servertest.Password, d.name), statements) {
			if f.Status != want[name] || f.Status == "failed" && !strings.Contains(f.Remedy, "grant") {
				t.Errorf("who may read, and delete %t: %s: %+v", mayDelete, name, f)
			}
		}
	}
	if now := d.rows("SELECT * FROM people"); now != "" {
		t.Errorf("the rows are %s", now)
	}
}

// testCustomRead: a statement read may end in a comment; what is wrong in it is reported with
// where it stands.
func testCustomRead(t *testing.T, server *servertest.SQL) {
	d, statements := people(t, server)
	statements["read"] = statements["read"].(string) + " -- everybody"
	desk := &desk{testDatabase: d, c: opened(t, "hq", customSettings(d.url, statements))}
	desk.make(desk.step(nil, account("ann@example.com", "a@example.com")))
	desk.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Inactive }, plan.FieldStatus)
	statements["read"] = "SELECT email AS address, others AS aliases, active AS status FROM people WHERE"
	_, err := open(t.Context(), opening("hq", customSettings(d.url, statements)))
	unread, is := err.(*console.ReadError)
	if !is || unread.Advice != "correct statements.read" {
		t.Errorf("a wrong read: %v", err)
	}
}

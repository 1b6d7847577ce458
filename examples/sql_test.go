package examples

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestSQL walks through the README of the example, on a database in which Ann has a
// mailbox.
func TestSQL(t *testing.T) {
	server := servertest.NewPostgres(t)
	name, db := server.Database(t)
	do := func(query string) {
		t.Helper()
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	do(worlds.PostfixAdmin[server.Scheme])
	do("INSERT INTO domain (domain) VALUES ('example.com')")
	do("INSERT INTO mailbox (username, maildir, local_part, domain) VALUES ('ann@example.com', 'ann/', 'ann', 'example.com')")
	do("INSERT INTO alias (address, goto, domain) VALUES ('ann@example.com', 'ann@example.com', 'example.com')")
	t.Setenv("DATABASE_URL", server.URL(servertest.Superuser, servertest.Password, name))
	run, dir := program(t), copied(t, "sql")
	for _, step := range []struct {
		args []string
		code int
	}{
		{[]string{"validate"}, 0}, {[]string{"fmt", "--check"}, 0}, {[]string{"plan"}, 10}, {[]string{"console", "setup", "--auto-approve"}, 0}, {[]string{"doctor"}, 0},
		{[]string{"plan", "--try", "--detailed-exitcode"}, 2}, {[]string{"apply", "--auto-approve"}, 0}, {[]string{"plan", "--detailed-exitcode"}, 0}, {[]string{"state", "verify"}, 0},
	} {
		if out, code := run(dir, step.args...); code != step.code {
			t.Fatalf("rollcall %v exits %d, not %d\n%s", step.args, code, step.code, out)
		}
	}
	rows, err := db.Query("SELECT address, goto, active FROM alias ORDER BY address")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	table := fmt.Sprintf("%-21s%-19s%s\n", "address", "goto", "active")
	for rows.Next() {
		var address, target string
		var active bool
		if err := rows.Scan(&address, &target, &active); err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("%-21s%-19s%.1s\n", address, target, fmt.Sprint(active))
	}
	readme, err := os.ReadFile("sql/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), table) {
		t.Errorf("the README does not have\n%s", table)
	}
	var quota int64
	var maildir string
	if err := db.QueryRow("SELECT quota, maildir FROM mailbox WHERE username = 'bob@example.com'").Scan(&quota, &maildir); err != nil || quota != 1<<30 || maildir != "example.com/bob/" {
		t.Errorf("bob has a quota of %d, and mail in %s: %v", quota, maildir, err)
	}
}

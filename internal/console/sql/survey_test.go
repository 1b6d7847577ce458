package sql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// testSurvey: who begins a block is reported what the database has.
func testSurvey(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	ask := func() (profile, notes string) {
		found, err := Kind.Survey(t.Context(), opening("hq", postfixadmin(d.url)), func(name string) bool { return name == "url" })
		if err != nil {
			t.Fatal(err)
		}
		return found.Settings["profile"], strings.Join(found.Notes, "\n")
	}
	if profile, notes := ask(); profile != "postfixadmin" || !strings.Contains(notes, "with the domains example.com, example.net.") || !strings.Contains(notes, "rollcall console setup") {
		t.Errorf("profile %q, %s", profile, notes)
	}
	setUp(t, postfixadmin(d.url))
	if _, notes := ask(); strings.Contains(notes, "rollcall console setup") {
		t.Errorf("with the table of owners: %s", notes)
	}
	d.do("DROP TABLE alias; DROP TABLE mailbox; DROP TABLE domain")
	if profile, notes := ask(); profile != "" || !strings.Contains(notes, `profile = "custom"`) {
		t.Errorf("without PostfixAdmin: profile %q, %s", profile, notes)
	}
	found, err := Kind.Survey(t.Context(), opening("hq", postfixadmin(d.url)), func(string) bool { return false })
	if err != nil || len(found.Notes)+len(found.Settings) > 0 {
		t.Errorf("without a url: %+v, %v", found, err)
	}
	wrong := postfixadmin(server.URL(servertest.Superuser, "hunter2", d.name))
	if _, err := Kind.Survey(t.Context(), opening("hq", wrong), func(string) bool { return true }); err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("a wrong password: %v", err)
	}
	if !slices.Contains(Kind.Where(Kind.Values("mail", ".", postfixadmin(d.url))), server.Scheme+"://"+server.Host+"/"+d.name) {
		t.Error("a plan is not bound to the database")
	}
}

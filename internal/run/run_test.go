package run

import (
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestMade: a run without steps has made all but what failed, if it has written the
// state; one with steps what its console has said.
func TestMade(t *testing.T) {
	ann, bob := &identity.Account{Primary: identity.MustAddress("ann@example.com")}, &identity.Account{Primary: identity.MustAddress("bob@example.com")}
	changes := []identity.Change{{After: ann}, {Before: bob}}
	for _, c := range []struct {
		story  string
		record Record
		want   []bool
	}{
		{"applied", Record{Run: Run{Outcome: Applied}}, []bool{true, true}},
		{"one failed", Record{Run: Run{Outcome: Incomplete, Result: Result{Failures: []Failure{{Account: "bob@example.com"}}}}}, []bool{true, false}},
		{"changed nothing", Record{Run: Run{Outcome: Declined}}, []bool{false, false}},
		{"of a console", Record{Run: Run{Outcome: Incomplete}, Done: []bool{false, true}}, []bool{false, true}},
		{"of a console, and killed", Record{Run: Run{Outcome: Unfinished}, Done: []bool{true, false}}, []bool{true, false}},
	} {
		made := c.record.Made()
		if got := []bool{made(0, &changes[0]), made(1, &changes[1])}; !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.story, got)
		}
	}
}

// TestJSON: keys stand in their order and lists are never null; the console is reported
// where there is one.
func TestJSON(t *testing.T) {
	const head, tail = `{"number":7,"started":"0001-01-01T00:00:00Z","user":"ann","host":"","automatic":false,"command":"","tool":"",`,
		`"plan":"","expires":null,"config_digest":"","scopes":[],"domains":[],"unread":[],"undoes":0,"only":[],"except":[],"lineage":"","serial":0,` +
			`"allow_deactivations":0,"allow_removals":0,"allow_primary_changes":0,"accounts":0,"summary":{},"outcome":"failed","reason":"\u202e","ended":null,` +
			`"seconds":0,"settled":false,"applied":0,"withheld":0,"failures":[],"serial_after":0,"lineage_after":""}`
	for console, want := range map[string]string{"": head + tail, "gateway": head + `"console":"gateway",` + tail} {
		r := Run{Head: Head{Number: 7, User: "ann", Console: console, Unread: []string{}, Summary: map[string]int{}}, Outcome: Failed, Reason: "\u202e", Result: Result{Failures: []Failure{}}}
		if text, err := r.JSON(); err != nil || string(text) != want {
			t.Errorf("got  %s, %v\nwant %s", text, err, want)
		}
	}
}

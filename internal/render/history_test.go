package render

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// pastRun is a run in which one account was changed, one failed, and one was
// withheld.
func pastRun() (*run.Record, *plan.Plan) {
	ann, bob, cat := person(1, "ann", "Ann", "Staff", "ann@example.com"), person(2, "bob", "Bob", "Staff", "bob@example.com"), person(3, "cat", "Cat", "Staff", "cat@example.com")
	renamed := but(bob, func(a *identity.Account) { a.Username = "robert" })
	gone := but(cat, func(a *identity.Account) { a.Status = identity.Inactive })
	p := &plan.Plan{Accounts: []plan.AccountChange{{After: ann}, {Before: bob, After: renamed}, {Before: cat, After: gone, Kept: cat, Withheld: true}}}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	started := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	ended := started.Add(2 * time.Second)
	return &run.Record{Run: run.Run{
		Head: run.Head{
			Number: 7, Started: started, User: "ann", Host: "mail1", Command: "rollcall apply", Plan: "sha256:1",
			Only: []string{"add", "inactive"}, Except: []string{"eve@example.com"}, Serial: 6, Accounts: 3,
			Summary: map[string]int{"add": 1, "username_change": 1, "inactive": 1, "withheld": 1},
		},
		Outcome: run.Incomplete, Ended: &ended, Seconds: 2.1, SerialAfter: 7,
		Result: run.Result{Applied: 1, Withheld: 1, Failures: []run.Failure{{Account: "bob@example.com", Error: "the console says no"}}},
	}}, p
}

func TestRunText(t *testing.T) {
	r, p := pastRun()
	var b strings.Builder
	if err := RunText(&b, r, p, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	const want = `Run 7: incomplete
  started  2026-11-21T08:00:00Z
  took     2.1 s
  by       ann on mail1, manual
  command  rollcall apply
  plan     sha256:1
  only     add, inactive
  except   eve@example.com
  changes  1 add, 1 username_change, 1 inactive, 1 withheld
  state    version 6 became 7
`
	if got := b.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "failed: 1 account could not be changed\n  account          because\n! bob@example.com  the console says no\n") ||
		!strings.HasSuffix(got, "\nincomplete: 1 account changed, 1 withheld by a limit, 1 failed\n") {
		t.Error(got)
	}
}

func TestRunCSV(t *testing.T) {
	for _, c := range []struct {
		outcome run.Outcome
		want    []string
	}{
		{run.Incomplete, []string{"add ann@example.com applied ", "inactive cat@example.com withheld ", "username_change bob@example.com failed the console says no"}},
		{run.Interrupted, []string{"add ann@example.com not_applied ", "inactive cat@example.com not_applied ", "username_change bob@example.com not_applied "}},
	} {
		r, p := pastRun()
		r.Outcome = c.outcome
		var b strings.Builder
		if err := RunCSV(&b, r, p, Dialect{}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range rows[1:] {
			got = append(got, row[0]+" "+row[1]+" "+row[firstAdded]+" "+row[firstAdded+1])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.outcome, got, c.want)
		}
	}
}

// TestRunOfConsole: of a run that was ended before it came to all of its changes,
// each says whether it was made.
func TestRunOfConsole(t *testing.T) {
	r, p := pastRun()
	r.Done, r.Failures = []bool{true, false, false}, nil
	became := RowOutcomes(r, p.Accounts)
	var got []string
	for i := range p.Changes {
		outcome, _ := became(&p.Changes[i])
		got = append(got, p.Changes[i].Category.String()+" "+outcome)
	}
	if want := []string{"add applied", "inactive withheld", "username_change not_applied"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var b strings.Builder
	if err := RunText(&b, r, p, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nincomplete: 1 account changed, 1 withheld by a limit, 1 not made\n") {
		t.Error(b.String())
	}
}

// TestRunsAreSafe: what a record says does not act on a terminal or in a
// spreadsheet, at any width.
func TestRunsAreSafe(t *testing.T) {
	r, p := pastRun()
	const poison = "=cmd\x1b[2J\u202e"
	r.User, r.Host, r.Command, r.Reason, r.Outcome, r.Plan, r.Failures[0].Error = poison, poison, poison, poison, poison, poison, poison
	var all strings.Builder
	for _, width := range []int{0, 20, 80} {
		if err := Runs(&all, []run.Run{r.Run}, TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		if err := RunText(&all, r, p, TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
	}
	if err := RunsCSV(&all, []run.Run{r.Run}, Dialect{}); err != nil {
		t.Fatal(err)
	}
	if err := RunCSV(&all, r, p, Dialect{}); err != nil {
		t.Fatal(err)
	}
	if got := all.String(); strings.ContainsAny(got, "\x1b\u202e") || strings.Contains(got, ",=") {
		t.Errorf("%q", got)
	}
}

package render

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// textFrom returns what a function writes.
func textFrom(t testing.TB, write func(w io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pages holds a text to what a terminal needs, at every width, and to its golden
// files at those that most people have.
func pages(t *testing.T, name string, write func(w io.Writer, opt TextOptions) error) {
	t.Helper()
	for _, width := range []int{40, 80, 120, 200, 0} {
		without := textFrom(t, func(w io.Writer) error { return write(w, TextOptions{Width: width}) })
		with := textFrom(t, func(w io.Writer) error { return write(w, TextOptions{Width: width, Color: true}) })
		checkText(t, without, width, false)
		checkText(t, with, width, true)
		if width >= 80 {
			golden(t, fmt.Sprintf("%s-%d.txt", name, width), without)
			golden(t, fmt.Sprintf("%s-%d-color.txt", name, width), with)
		}
	}
}

// modest is a console that can do little and says all of it.
func modest() *ConsoleReport {
	c := &ConsoleReport{ConsoleReceipt: *console(), Owner: "hq"}
	c.Facts = plan.Facts{
		Types: []identity.Type{identity.User}, Removes: true, FixedPrimary: true, Marks: true, Unstable: true, Stores: []string{"aliases", "status", "display_name"},
		Lengths: map[string]int{"display_name": 64, "department": 1024}, MaxAliases: 1, Domains: []string{"example.com", "example.org"}, Batch: 1, Groups: true, DryRun: true,
		DeletedBlocks: 36 * time.Hour, Settles: 1500 * time.Millisecond, Publishes: true, Exclusive: true, Embedded: true,
	}
	return c
}

// stranger is a console with hostile text in all that it says.
func stranger() *ConsoleReport {
	return &ConsoleReport{Owner: hostile, ConsoleReceipt: plan.ConsoleReceipt{
		Name: hostile, Kind: hostile, Product: hostile, Version: hostile,
		Facts: plan.Facts{Stores: []string{hostile}, Lengths: map[string]int{hostile: 1}, Domains: []string{hostile}},
	}}
}

// silentConsole says nothing of itself.
func silentConsole() *ConsoleReport {
	return &ConsoleReport{ConsoleReceipt: plan.ConsoleReceipt{Name: "local", Kind: "local", Accounts: 1, Owned: 1}}
}

func TestConsoleReport(t *testing.T) {
	for name, c := range map[string]*ConsoleReport{"console": modest(), "console-silent": silentConsole(), "console-poisoned": stranger()} {
		pages(t, name, func(w io.Writer, opt TextOptions) error { return ConsoleText(w, c, opt) })
		text := textFrom(t, func(w io.Writer) error { return ConsoleJSON(w, c) })
		golden(t, name+".json", text)
		checkText(t, text, 0, false)
		var doc struct {
			Console string
			Facts   json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "console-poisoned" {
			continue
		}
		// The facts that a console states are those that can be read again.
		facts, err := plan.ParseFacts(doc.Facts)
		if err != nil {
			t.Fatal(err)
		}
		facts.Publishes, facts.Exclusive, facts.Embedded = c.Facts.Publishes, c.Facts.Exclusive, c.Facts.Embedded
		if got, want := string(facts.AppendJSON(nil)), string(c.Facts.AppendJSON(nil)); name == "console" && got != want {
			t.Errorf("%s: facts %s, want %s", name, got, want)
		}
	}
}

// liveAccounts are accounts of every owner, and of a console that says odd things.
func liveAccounts() []ConsoleAccount {
	live := func(n int, by, name string, addresses ...string) ConsoleAccount {
		a := person(n, name, name, "Staff", addresses...)
		l := identity.Live{Account: *a, Ref: fmt.Sprintf("u-%d", n), Rev: "9", Mark: identity.Mark{By: by, Directory: "corp", GUID: a.GUID}}
		l.Account.Directory, l.Account.GUID = "", identity.GUID{}
		if by == "" {
			l.Mark = identity.Mark{}
		}
		return ConsoleAccount{Live: l}
	}
	all := []ConsoleAccount{
		live(1, "hq", "asmith", "ann.smith@example.com", "a.smith@example.com", "sales@example.com"),
		live(2, "", "admin", "admin@example.com", "postmaster@example.com"),
		live(3, "branch", "bo", "bo@example.com"),
		live(4, "hq", "李伟", "wei.li@example.com"),
		live(5, "hq", "דנה לוי", "dana@example.com"),
		live(6, "hq", hostile, "=x@example.com"),
	}
	all[2].Foreign = true
	all[3].Status = identity.Inactive
	odd := &all[5]
	odd.Ref, odd.Rev, odd.Odd, odd.Mark = hostile, hostile, "no address: "+hostile, identity.Mark{By: hostile, Directory: hostile}
	return append(all, ConsoleAccount{Live: identity.Live{Ref: "u-7", Odd: "it has no primary address"}}, ConsoleAccount{Live: identity.Live{Account: identity.Account{Primary: mail("map@example.com")}}, Foreign: true})
}

func TestConsoleAccounts(t *testing.T) {
	all := liveAccounts()
	pages(t, "console-accounts", func(w io.Writer, opt TextOptions) error { return ConsoleAccounts(w, all, opt) })
	if text := textFrom(t, func(w io.Writer) error { return ConsoleAccounts(w, nil, TextOptions{}) }); text != "" {
		t.Errorf("no accounts are %q", text)
	}

	table := textFrom(t, func(w io.Writer) error { return ConsoleAccountsCSV(w, all, Dialect{}) })
	golden(t, "console-accounts.csv", table)
	rows := parseCSV(t, table)
	if len(rows) != 1+len(all) {
		t.Errorf("%d rows", len(rows))
	}
	owner := slices.Index(rows[0], "owner")
	for i, want := range []string{"owned", "local", "foreign", "owned", "owned", "owned", "local", "foreign"} {
		if got := rows[i+1][owner]; got != want {
			t.Errorf("account %d is %s, want %s", i, got, want)
		}
	}

	lines := textFrom(t, func(w io.Writer) error { return ConsoleAccountsJSON(w, all) })
	golden(t, "console-accounts.jsonl", lines)
	checkText(t, lines, 0, false)
	n := 0
	for line := range strings.Lines(lines) {
		var a struct {
			Primary, Whose, Ref string
			Owner               *struct{ By, Directory, GUID string }
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if (a.Owner == nil) != all[n].Mark.IsZero() || a.Primary != all[n].Primary.String() {
			t.Errorf("account %d: %+v", n, a)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d lines", n)
	}
}

// suite is a run of the conformance suite with every outcome, and with what a
// connector says of itself.
func suite() *ConsoleTest {
	return &ConsoleTest{Console: *console(), Seconds: 12.34, Results: []ContractResult{
		{Name: "the receipt names the console and counts its accounts", Status: ContractPassed, Asks: "hello is answered with name, version and facts"},
		{
			Name: "a ring of three", Status: ContractFailed, Asks: "three accounts that pass their primaries on in a ring end with each other's, and no address is lost or held twice",
			Did: `after the third step b@example.com was held by nobody; the second was answered with error "taken"`,
		},
		{Name: "a dry run changes nothing", Status: ContractSkipped, Did: "the console does not state the fact dry_run"},
		{Name: hostile, Status: ContractFailed, Asks: hostile, Did: hostile + "\n" + strings.Repeat("long ", 100)},
		{Name: "non-ASCII texts", Status: ContractPassed, Asks: "李伟, דנה לוי and 👩‍🔬 are stored as they are"},
	}}
}

func TestConsoleTest(t *testing.T) {
	c := suite()
	pages(t, "console-test", func(w io.Writer, opt TextOptions) error { return ConsoleTestText(w, c, opt) })
	text := textFrom(t, func(w io.Writer) error { return ConsoleTestJSON(w, c) })
	golden(t, "console-test.json", text)
	checkText(t, text, 0, false)
	var doc struct {
		Passed, Failed, Skipped int
		Results                 []struct{ Name, Status, Asked, Found string }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Passed != 2 || doc.Failed != 2 || doc.Skipped != 1 || len(doc.Results) != 5 || doc.Results[1].Found != c.Results[1].Did {
		t.Errorf("read back: %+v", doc)
	}
}

func TestDirectoryTest(t *testing.T) {
	d := &DirectoryTest{Name: "people", Kind: "exec", Seconds: 3.21, Results: append(suite().Results, ContractResult{Name: "read", Status: ContractPassed, Did: "1,204 objects of " + hostile})}
	pages(t, "directory-test", func(w io.Writer, opt TextOptions) error { return DirectoryTestText(w, d, opt) })
	text := textFrom(t, func(w io.Writer) error { return DirectoryTestJSON(w, d) })
	golden(t, "directory-test.json", text)
	checkText(t, text, 0, false)
}

// What an apply read again and did not find is reported field by field.
func TestUnverified(t *testing.T) {
	all := slices.DeleteFunc(drifting().Drift, func(d plan.Drift) bool { return d.Kind != plan.DriftChanged })
	all = append(all, poisonedDrift().Drift[plan.DriftChanged])
	pages(t, "unverified", func(w io.Writer, opt TextOptions) error { return Unverified(w, all, opt) })
}

func TestAppliedLines(t *testing.T) {
	names := []string{"ann@example.com", "x\x1b[2J\u202e@example.com", "李@example.com", "d@example.com", "e@example.com"}
	for got, want := range map[string]string{
		AppliedLine(1204, 1203, 1): "applied 1,204, verified 1,203, 1 differs",
		AppliedLine(1204, 1201, 3): "applied 1,204, verified 1,201, 3 differ",
		AppliedLine(1204, 1204, 0): "applied 1,204, verified 1,204",
		AppliedLine(1, 0, 1):       "applied 1, verified 0, 1 differs",
		AppliedLine(1204, 0, 0):    "applied 1,204",
		CanaryLine(1):              "canary: 1 account change first",
		CanaryLine(1020):           "canary: 1,020 account changes first",
		UnknownLine(nil):           "",
		UnknownLine(names[:1]):     "unknown: the console did not answer for 1 account (ann@example.com); the next run looks it up before it changes anything",
		UnknownLine(names):         `unknown: the console did not answer for 5 accounts (ann@example.com, x\x1b[2J\u202e@example.com, 李@example.com and 2 more); the next run looks them up before it changes anything`,
		UndecidedLine(nil):         "",
		UndecidedLine(names[:1]):   "undecided: a run may have created 1 account (ann@example.com) before it was interrupted; it stays unchanged until you take it with rollcall state rebind, or leave it local",
		UndecidedLine(names[1:3]):  `undecided: a run may have created 2 accounts (x\x1b[2J\u202e@example.com, 李@example.com) before it was interrupted; they stay unchanged until you take them with rollcall state rebind, or leave them local`,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// able are the facts of a console that can do everything.
var able = plan.Facts{Marks: true, Groups: true, DryRun: true, Ledger: true}

// bare are those of one that can do as little as possible.
var bare = plan.Facts{
	Types: []identity.Type{identity.User}, Removes: true, FixedPrimary: true, Stores: []string{}, Domains: []string{"example.com"}, Batch: 7,
}

// outcomes runs the suite and returns the names of the checks that ended so, in
// their order.
func outcomes(t *testing.T, s Subject) map[Outcome]string {
	t.Helper()
	names := map[Outcome][]string{}
	counts, err := Run(context.Background(), s, func(r Result) {
		names[r.Outcome] = append(names[r.Outcome], r.Check)
		if r.Outcome == Failed {
			t.Logf("%s: %s\n    %s", r.Check, r.Asks, r.Why)
		}
		if (r.Outcome == Passed) != (r.Why == "") {
			t.Errorf("%s %s, because %q", r.Check, r.Outcome, r.Why)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := counts.Passed + counts.Failed + counts.Skipped; n != len(checks) || counts.Failed != len(names[Failed]) {
		t.Errorf("%d checks are counted %+v", len(checks), counts)
	}
	joined := map[Outcome]string{}
	for outcome, all := range names {
		joined[outcome] = strings.Join(all, " ")
	}
	return joined
}

func subject(c *reference) Subject {
	return Subject{Open: c.open, Owner: "hq", Domain: "example.com", Many: 120}
}

// TestKept: a console that keeps the contract passes, whatever it can do, and is
// left as it was.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		name      string
		facts     plan.Facts
		fault     string
		connector bool
		skipped   string
	}{
		{"able", able, "", true, "throttled"},
		{"without groups", plan.Facts{Marks: true}, "", false, "dry_run ledger hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"},
		{"without marks", plan.Facts{Groups: true}, "", true, "directory_switch adoption guid_change mark_twice foreign dry_run ledger throttled"},
		{"without revs", able, "no revs", false, "stale_rev hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"},
		{"throttling", able, "throttles", false, "hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed"},
		{"bounded", plan.Facts{Marks: true, MaxAliases: 1, Lengths: map[string]int{"display_name": 5}, Batch: 3}, "", false,
			"dry_run ledger hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			console := newReference(c.facts, c.fault)
			before := identity.Live{Account: identity.Account{Primary: identity.MustAddress("ann@example.com"), Username: "ann"}, Ref: "r1", Rev: "1"}
			console.accounts["r1"] = before
			s := subject(console)
			if c.connector {
				s.Connector = console.connector()
			}
			got := outcomes(t, s)
			if got[Failed] != "" || got[Skipped] != c.skipped {
				t.Errorf("failed: %s\nskipped: %s\nwant:    %s", got[Failed], got[Skipped], c.skipped)
			}
			for owner, lineage := range console.ledgers {
				if lineage != "" {
					t.Errorf("left behind: %s is remembered of owner %s", lineage, owner)
				}
			}
			if len(console.accounts) != 1 || fmt.Sprint(console.accounts["r1"]) != fmt.Sprint(before) {
				t.Errorf("left behind: %v", console.accounts)
			}
		})
	}
}

// TestBare: what a console cannot do is skipped and never passed.
func TestBare(t *testing.T) {
	t.Parallel()
	got := outcomes(t, subject(newReference(bare, "")))
	const want = "read facts add inactive primary_switch reactivation removal taken_primary get interrupted many left_alone"
	if got[Failed] != "" || got[Passed] != want {
		t.Errorf("failed: %s\npassed: %s\nwant:   %s", got[Failed], got[Passed], want)
	}
}

// TestFaults: of a console with one fault, the checks fail that ask for what it
// does wrong, and no others.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault, fails string
		connector    bool
	}{
		{"miscounted", "read", false},
		{"facts vary", "facts", false},
		{"one alias created", "add", false},
		{"inactive keeps aliases", "inactive", false},
		{"renamed anew", "primary_change", false},
		{"directory fixed", "directory_switch", false},
		{"guid fixed", "guid_change", false},
		{"empty list ignored", "inactive alias_switch alias_to_primary aliases_emptied", false},
		{"old primaries dropped", "primary_to_alias", false},
		{"removed is reserved", "primary_switch", false},
		{"type fixed", "type_change", false},
		{"username fixed", "username_change untouched_fields", false},
		{"never adopted", "adoption", false},
		{"never active again", "reactivation", false},
		{"attribute fixed", "attribute_change", false},
		{"dn fixed", "dn_change", false},
		{"null ignored", "attribute_cleared", false},
		{"all fields written", "untouched_fields initial_attributes", false},
		{"initial ignored", "initial_attributes", false},
		{"line feeds lost", "texts", false},
		{"latin alone", "texts", false},
		{"unquoted", "texts", false},
		{"groups one by one", "swap ring swap_failed ring_failed", false},
		{"groups by half", "swap_failed ring_failed", false},
		{"cancelled is internal", "swap_failed ring_failed", false},
		{"keys forgotten", "repeated_key", false},
		{"old rev answered", "answers", false},
		{"wrong ref answered", "answers", false},
		{"wrong account answered", "answers", false},
		{"stale rev taken", "stale_rev", false},
		{"stale before taken", "ring_failed stale_before", false},
		{"username not compared", "stale_before", false},
		{"gone made anew", "gone", false},
		{"gone is changed", "gone", false},
		{"primaries taken twice", "swap_failed taken_primary dry_run", false},
		{"aliases taken twice", "taken_alias", false},
		{"no holder", "taken_primary taken_alias", false},
		{"no address", "taken_primary taken_alias", false},
		{"taken is refused", "swap_failed taken_primary taken_alias dry_run", false},
		{"marks twice", "mark_twice", false},
		{"others changed", "foreign", false},
		{"mark of others hidden", "foreign", false},
		{"others written", "left_alone", false},
		{"get misses aliases", "get", false},
		{"get doubles", "get", false},
		{"try makes", "dry_run", false},
		{"no claim written", "ledger", false},
		{"any claim taken", "ledger", false},
		{"one ledger for all", "ledger", false},
		{"forgets when broken off", "interrupted", false},
		{"one page read", "many", false},
		{"throttles in silence", "throttled", false},
		{"removed is inactive", "removal many left_alone", false},

		{"no name", "hello", true},
		{"any protocol", "hello", true},
		{"anything goes", "unknown_type", true},
		{"strict", "unknown_fields", true},
		{"null aliases ignored", "absent_and_null", true},
		{"no attributes clear all", "absent_and_null", true},
		{"done miscounted", "lines cancel killed", true},
		{"read not complete", "unknown_type lines cancel", true},
		{"cancel ignored", "cancel", true},
		{"never ends", "bye end_of_input", true},
		{"end ignored", "end_of_input", true},
		{"answers early", "absent_and_null cancel end_of_input killed", true},
		{"no ids", "hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed", true},
		{"stray line", "unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed", true},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			console := newReference(able, c.fault)
			s := subject(console)
			if c.connector {
				s.Connector = console.connector()
			}
			if failed := outcomes(t, s)[Failed]; failed != c.fails {
				t.Errorf("failed: %s\nwant:   %s", failed, c.fails)
			}
		})
	}
}

// TestAbandoned: a run that is broken off removes its accounts, too.
func TestAbandoned(t *testing.T) {
	console := newReference(able, "")
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	_, err := Run(ctx, subject(console), func(r Result) {
		if r.Check == "swap" {
			seen = len(console.accounts)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || seen == 0 || len(console.accounts) > 0 {
		t.Errorf("%v; %d accounts before, left: %v", err, seen, console.accounts)
	}
}

// TestUnreachable: a console that cannot be opened is no result.
func TestUnreachable(t *testing.T) {
	s := subject(newReference(able, ""))
	s.Open = func(context.Context, string) (console.Target, error) { return nil, errors.New("no route") }
	counts, err := Run(context.Background(), s, func(r Result) { t.Errorf("%+v", r) })
	if err == nil || counts != (Counts{}) {
		t.Errorf("%+v, %v", counts, err)
	}
}

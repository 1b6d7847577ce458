package suite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// able are the facts of a console that can do everything.
var able = plan.Facts{Marks: true, Groups: true, DryRun: true}

// bare are those of one that can do as little as possible.
var bare = plan.Facts{
	Types: []identity.Type{identity.User}, Removes: true, FixedPrimary: true, Stores: []string{}, Domains: []string{"example.com"}, Batch: 7,
}

// outcomes runs the suite and returns the names of the checks that ended so.
func outcomes(t *testing.T, s Subject, outcome Outcome) []string {
	t.Helper()
	var names []string
	counts, err := Run(context.Background(), s, func(r Result) {
		if r.Outcome == outcome {
			names = append(names, r.Check)
		}
		if r.Outcome == Failed {
			t.Logf("%s: %s\n    %s", r.Check, r.Asks, r.Why)
		}
		if r.Outcome != Passed && r.Why == "" {
			t.Errorf("%s %s and does not say why", r.Check, r.Outcome)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := counts.Passed + counts.Failed + counts.Skipped; n != len(checks) {
		t.Errorf("%d of %d checks are counted", n, len(checks))
	}
	return names
}

func subject(c *reference) Subject {
	return Subject{Open: c.open, Owner: "hq", Domain: "example.com", Many: 300}
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
		{"without groups", plan.Facts{Marks: true}, "", false, "dry_run hello unknown_type unknown_fields lines cancel bye end_of_input killed throttled"},
		{"without marks", plan.Facts{Groups: true}, "", true, "directory_switch adoption guid_change mark_twice foreign dry_run throttled"},
		{"without revs", able, "no revs", false, "stale_rev hello unknown_type unknown_fields lines cancel bye end_of_input killed throttled"},
		{"throttling", able, "throttles", false, "hello unknown_type unknown_fields lines cancel bye end_of_input killed"},
		{"bounded", plan.Facts{Marks: true, MaxAliases: 1, Lengths: map[string]int{"display_name": 5}, Batch: 3}, "", false,
			"dry_run hello unknown_type unknown_fields lines cancel bye end_of_input killed throttled"},
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
			if failed := outcomes(t, s, Failed); len(failed) > 0 {
				t.Errorf("failed: %v", failed)
			}
			if len(console.accounts) != 1 || fmt.Sprint(console.accounts["r1"]) != fmt.Sprint(before) {
				t.Errorf("left behind: %v", console.accounts)
			}
			if skipped := strings.Join(outcomes(t, s, Skipped), " "); skipped != c.skipped {
				t.Errorf("skipped: %s\nwant:    %s", skipped, c.skipped)
			}
		})
	}
}

// TestBare: what a console cannot do is skipped and never passed.
func TestBare(t *testing.T) {
	t.Parallel()
	s := subject(newReference(bare, ""))
	if failed := outcomes(t, s, Failed); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	passed := outcomes(t, s, Passed)
	want := strings.Fields("read facts add inactive primary_switch reactivation removal taken_primary get interrupted many left_alone")
	if !slices.Equal(passed, want) {
		t.Errorf("passed: %v", passed)
	}
}

// TestFaults: of a console with one fault, the checks fail that ask for what it
// does wrong, and no others.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ fault, fails string }{
		{"miscounted", "read"},
		{"facts vary", "facts"},
		{"one alias created", "add"},
		{"inactive keeps aliases", "inactive"},
		{"renamed anew", "primary_change"},
		{"directory fixed", "directory_switch"},
		{"guid fixed", "guid_change"},
		{"empty list ignored", "inactive alias_switch alias_to_primary aliases_emptied"},
		{"old primaries dropped", "primary_to_alias"},
		{"removed is reserved", "primary_switch"},
		{"type fixed", "type_change"},
		{"username fixed", "username_change untouched_fields"},
		{"never adopted", "adoption"},
		{"never active again", "reactivation"},
		{"attribute fixed", "attribute_change"},
		{"dn fixed", "dn_change"},
		{"null ignored", "attribute_cleared"},
		{"all fields written", "untouched_fields initial_attributes"},
		{"initial ignored", "initial_attributes"},
		{"line feeds lost", "texts"},
		{"latin alone", "texts"},
		{"unquoted", "texts"},
		{"groups one by one", "swap ring"},
		{"groups by half", "swap_failed ring_failed"},
		{"cancelled is internal", "swap_failed ring_failed"},
		{"keys forgotten", "repeated_key"},
		{"old rev answered", "answers"},
		{"wrong ref answered", "answers"},
		{"wrong account answered", "answers"},
		{"stale rev taken", "stale_rev"},
		{"stale before taken", "ring_failed stale_before"},
		{"username not compared", "stale_before"},
		{"gone made anew", "gone"},
		{"gone is changed", "gone"},
		{"primaries taken twice", "swap_failed taken_primary"},
		{"aliases taken twice", "taken_alias"},
		{"no holder", "taken_primary taken_alias"},
		{"no address", "taken_primary taken_alias"},
		{"taken is refused", "swap_failed taken_primary taken_alias dry_run"},
		{"marks twice", "mark_twice"},
		{"others changed", "foreign"},
		{"mark of others hidden", "foreign"},
		{"others written", "left_alone"},
		{"get misses aliases", "get"},
		{"get doubles", "get"},
		{"try makes", "dry_run"},
		{"forgets when broken off", "interrupted"},
		{"one page read", "many"},
		{"throttles in silence", "throttled"},
		{"removed is inactive", "removal many left_alone"},

		{"no name", "hello"},
		{"any protocol", "hello"},
		{"anything goes", "unknown_type"},
		{"strict", "unknown_fields"},
		{"done miscounted", "lines cancel killed"},
		{"read not complete", "unknown_type lines cancel"},
		{"cancel ignored", "cancel"},
		{"never ends", "bye end_of_input"},
		{"end ignored", "end_of_input"},
		{"answers early", "killed"},
		{"no ids", "hello unknown_type unknown_fields lines cancel bye end_of_input killed"},
		{"stray line", "unknown_type unknown_fields lines cancel bye end_of_input killed"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			console := newReference(able, c.fault)
			s := subject(console)
			s.Connector = console.connector()
			if failed := strings.Join(outcomes(t, s, Failed), " "); failed != c.fails {
				t.Errorf("failed: %s\nwant:   %s", failed, c.fails)
			}
		})
	}
}

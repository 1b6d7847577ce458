package suite

import (
	"context"
	"strings"
)

// T is what [Hold] needs of a *testing.T.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Hold runs the suite in a test, and has it fail where a check does, or where others
// are skipped than those that are named, in their order and parted by blanks.
func Hold(ctx context.Context, t T, s Subject, skipped string) {
	t.Helper()
	var left []string
	counts, err := Run(ctx, s, func(r Result) {
		switch r.Outcome {
		case Failed:
			t.Errorf("%s failed: %s\n    %s", r.Check, r.Asks, r.Why)
		case Skipped:
			left = append(left, r.Check)
		}
		t.Logf("%-20s %s %v", r.Check, r.Outcome, r.Took)
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if got := strings.Join(left, " "); got != skipped {
		t.Errorf("skipped: %s\nwant:    %s", got, skipped)
	}
	t.Logf("%+v", counts)
}

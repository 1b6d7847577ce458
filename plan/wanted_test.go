package plan_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/plan"
)

// TestAsWanted: of no account that is taken to be as its entry wants it is there anything
// to do or to say, before a plan was applied and after it, when most are so.
func TestAsWanted(t *testing.T) {
	certain, others := 0, 0
	for n := range uint64(3000) {
		in := generate(11, n)
		for range 2 {
			wrong, c, o, err := plan.AsWanted(in)
			if err != nil {
				break // no plan can be made of it
			}
			if wrong != "" {
				t.Fatalf("input %d: %s is not as its entry wants it", n, wrong)
			}
			certain, others = certain+c, others+o
			in.Accounts = newReference(in).console()
		}
	}
	if t.Logf("%d accounts, and %d others", certain, others); certain < 1000 {
		t.Errorf("%d accounts are as they are wanted, and %d others are, too", certain, others)
	}
}

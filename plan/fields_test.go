package plan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestRedactFields: the fields of a row have the masks that it has in a redacted
// plan.
func TestRedactFields(t *testing.T) {
	p := corpusPlan(t, 600)
	p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.UnknownDomain, Address: "x@example.info", Other: plan.Party{Kind: plan.EntryParty, Name: "CN=Ann Smith,DC=corp"}})
	mask := redact.New([]byte("key"), "example.com")
	fields := func(p *plan.Plan, redacted func([]plan.Field) []plan.Field) map[string]int {
		all := map[string]int{}
		for i := range p.Changes {
			row := p.Changes[i].Row()
			all[fmt.Sprint(row.Category, redacted(row.Fields()))]++
		}
		for i := range p.Rejections {
			all[fmt.Sprint(p.Rejections[i].Reason, redacted(p.Rejections[i].Fields()))]++
		}
		return all
	}
	got := fields(p, func(all []plan.Field) []plan.Field { return plan.RedactFields(all, mask) })
	want := fields(p.Redact(mask), func(all []plan.Field) []plan.Field { return all })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-of the redacted plan +redacted:\n%s", diff)
	}
}

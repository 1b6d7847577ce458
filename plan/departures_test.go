package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func TestDepartures(t *testing.T) {
	leaver := func(n int, ou string) plan.AccountChange {
		before := &identity.Account{Primary: identity.MustAddress(fmt.Sprintf("p%d@x.example", n)), Directory: "corp", DN: fmt.Sprintf(`CN=Smith\, P%d,%s`, n, ou)}
		after := *before
		after.Status = identity.Inactive
		return plan.AccountChange{Before: before, After: &after}
	}
	// Another directory has the same containers.
	scopes := []plan.Scope{{Directory: "corp"}, {Directory: "lab"}}
	entries := []identity.Entry{{DN: "CN=d,OU=Sales,DC=x", Scope: 1}, {DN: "CN=e,ou=Old,OU=Sales,DC=x", Scope: 1}, {DN: "CN=a,OU=Staff,DC=x"}, {DN: "CN=b,ou=sales, DC=x"}, {DN: "CN=c,OU=Sales,DC=x"}, {DN: "CN=xOU=Sales,DC=x"}}
	for _, c := range []struct {
		story       string
		ous         []string // of ten leavers each, or of one
		guidChanges int
		want        string
	}{
		{"few", []string{"OU=Sales,DC=x"}, 9, ""},
		{"one unit", []string{"10 OU=Sales,DC=x"}, 0, `directory "corp": 10 accounts go out of service at once: 10 of them were below OU=Sales,DC=x, where 1 entry is left`},
		{"nearly all of one unit", []string{"10 ou=Old,OU=Sales,DC=x", "OU=Staff,DC=x", "OU=Staff,DC=x"}, 0,
			`directory "corp": 12 accounts go out of service at once: 10 of them were below ou=Old,OU=Sales,DC=x, where no entry is left`},
		{"two units", []string{"10 OU=Sales,DC=x", "10 OU=Staff,DC=x"}, 0, `directory "corp": 20 accounts go out of service at once: 20 of them were below DC=x, where 4 entries are left`},
		{"other GUIDs", nil, 10, `directory "corp": 10 accounts have entries with other GUIDs, as after a restore or a migration of the directory: ` +
			`state import repairs them from an export, or on_guid_change = "rebind" does`},
	} {
		p := &plan.Plan{}
		for _, ou := range c.ous {
			times := 1
			if rest, ten := strings.CutPrefix(ou, "10 "); ten {
				ou, times = rest, 10
			}
			for range times {
				p.Accounts = append(p.Accounts, leaver(len(p.Accounts), ou))
			}
		}
		for range c.guidChanges {
			p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.GUIDChanged, Directory: "corp"})
		}
		if got := strings.Join(p.Departures(entries, scopes), "; "); got != c.want {
			t.Errorf("%s: got %s", c.story, got)
		}
	}
}

package plan_test

import (
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestMatch: what another system lists equals what an entry has, however the two
// spell it.
func TestMatch(t *testing.T) {
	t.Parallel()
	entry := identity.Entry{
		GUID: poolGUID(1), DN: "CN=Ann,DC=x", Username: "ASmith", Primaries: []string{"Ann@Example.net"}, Aliases: []string{"ann@Tenant.com", "a.smith@example.com"},
	}
	for _, c := range []struct {
		match  plan.Match
		listed string
		met    bool
	}{
		{plan.MatchPrimary, "ann@EXAMPLE.com", true},
		{plan.MatchPrimary, "ann@example.net", true},
		{plan.MatchPrimary, "a.smith@example.com", false},
		{plan.MatchAddress, "a.smith@example.net", true},
		{plan.MatchAddress, "ANN@tenant.com", true}, // which is ignored
		{plan.MatchAddress, "ann@example.org", false},
		{plan.MatchAddress, "no address", false},
		{plan.MatchGUID, poolGUID(1).String(), true},
		{plan.MatchGUID, poolGUID(2).String(), false},
		{plan.MatchUsername, "asmith", true},
		{plan.MatchUsername, "asmith2", false},
		{plan.MatchUsername, "", false},
	} {
		in := waiting(c.match, c.listed)
		in.Entries = []identity.Entry{entry}
		p := compute(in)
		if added := p.Summary().Totals.Added == 1; added != c.met {
			t.Errorf("%s %q: added %t, want %t", c.match, c.listed, added, c.met)
		}
		if !c.met && (len(p.Rejections) != 2 || p.Rejections[0].Reason != plan.PrerequisiteMissing || !p.Rejections[0].NoAccount) {
			t.Errorf("%s %q: %+v", c.match, c.listed, p.Rejections)
		}
	}
}

func waiting(match plan.Match, listed ...string) (in plan.Input) {
	in.Now = poolNow
	in.Read = []string{"corp"}
	in.Rules = plan.Rules{
		Directories: []string{"corp", "cloud"},
		Domains:     []plan.Domain{{Name: "example.com", Aliases: []string{"example.net"}}, {Name: "tenant.com", Ignore: true}},
		Scopes:      []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}}},
		Prerequisites: []plan.Prerequisite{{
			Label: "in-the-cloud", Directory: "cloud", Attribute: "mail", Match: match, Scopes: []string{"staff"}, Overdue: 24 * time.Hour,
		}},
		Limits: plan.DefaultLimits(),
	}
	in.Others = []plan.PrerequisiteValues{match.Values(listed, plan.NewDomains(in.Rules.Domains))}
	return in
}

// TestOverdue: an entry that waits longer than its prerequisite says is pointed out,
// from the first run on that rejected it.
func TestOverdue(t *testing.T) {
	t.Parallel()
	in := waiting(plan.MatchPrimary)
	in.Entries = []identity.Entry{
		{GUID: poolGUID(1), DN: "CN=Ann,DC=x", Primaries: []string{"ann@example.com"}, Aliases: []string{"a@example.com"}},
		{GUID: poolGUID(2), DN: "CN=Bob,DC=x", Primaries: []string{"bob@example.com"}},
	}
	known := map[string]time.Time{}
	for hours, want := range map[int]string{
		0:  "",
		24: "",
		25: `1 entry has waited too long for another directory: the first is CN=Ann,DC=x, which directory "cloud" has not listed since 2026-11-21T12:00:00Z`,
	} {
		p := compute(in)
		p.Created = poolNow.Add(time.Duration(hours) * time.Hour)
		for i := range p.Rejections {
			if r := &p.Rejections[i]; r.DN == "CN=Ann,DC=x" {
				known[r.Key()] = poolNow
			}
		}
		p.MarkNew(known, in.Rules.Prerequisites)
		if got := p.Overdue(); got != want {
			t.Errorf("after %d hours: %q, want %q", hours, got, want)
		}
	}
}

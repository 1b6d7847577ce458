package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestAwaited: the remedy names what the other system must list.
func TestAwaited(t *testing.T) {
	t.Parallel()
	number := identity.NamedGUID("hr:4711")
	for _, c := range []struct {
		match plan.Match
		entry identity.Entry
		want  string
	}{
		{plan.MatchPrimary, identity.Entry{GUID: poolGUID(1), Primaries: []string{"ann@example.com"}}, "with ann@example.com in mail"},
		{plan.MatchAddress, identity.Entry{GUID: poolGUID(1), Primaries: []string{"ann@example.com"}}, "with ann@example.com or another of its addresses in mail"},
		{plan.MatchUsername, identity.Entry{GUID: poolGUID(1), Username: "ann", Primaries: []string{"ann@example.com"}}, "with ann in mail"},
		{plan.MatchUsername, identity.Entry{GUID: poolGUID(1), Primaries: []string{"ann@example.com"}}, "with the entry's username, which it lacks, in mail"},
		{plan.MatchGUID, identity.Entry{GUID: poolGUID(1), Primaries: []string{"ann@example.com"}}, "with the GUID " + poolGUID(1).String() + " in mail"},
		{plan.MatchGUID, identity.Entry{GUID: number, Primaries: []string{"ann@example.com"}}, "with what the entry has in guid_attribute in mail"},
	} {
		in := waiting(c.match)
		c.entry.DN = "CN=Ann,DC=x"
		in.Entries = []identity.Entry{c.entry}
		if r := compute(in).Rejections[0]; !strings.Contains(r.Remedy(plan.Names{}), c.want) {
			t.Errorf("%s: %s, want %q", c.match, r.Remedy(plan.Names{}), c.want)
		}
	}
}

// TestOverdue: an entry that waits longer than its prerequisite says is pointed out,
// from the first plan on that found it waiting.
func TestOverdue(t *testing.T) {
	t.Parallel()
	in := waiting(plan.MatchPrimary)
	in.Entries = []identity.Entry{
		{GUID: poolGUID(1), DN: "CN=Ann,DC=x", Primaries: []string{"ann@example.com"}, Aliases: []string{"a@example.com"}},
	}
	known := waitingAt(in, 0, nil).Awaited(nil)
	in.Entries = append(in.Entries, identity.Entry{GUID: poolGUID(2), DN: "CN=Bob,DC=x", Primaries: []string{"bob@example.com"}})
	for hours, want := range map[int]string{
		0:  "",
		24: "",
		25: `1 entry has waited too long for another directory: the first is CN=Ann,DC=x, which directory "cloud" has not listed since 2026-11-21`,
	} {
		if got := waitingAt(in, hours, known).Overdue(); got != want {
			t.Errorf("after %d hours: %q, want %q", hours, got, want)
		}
	}
}

// waitingAt is a plan of a run so many hours later, which knows of earlier ones.
func waitingAt(in plan.Input, hours int, known map[string]time.Time) *plan.Plan {
	p := compute(in)
	p.Created = poolNow.Add(time.Duration(hours) * time.Hour)
	p.Directories = []identity.Receipt{{Name: "corp"}}
	p.MarkNew(known, in.Rules.Prerequisites)
	return p
}

// TestWaits: a wait is that of an object for a prerequisite. It begins with the first
// plan that has it, whatever became of that, and ends once the entry is listed.
func TestWaits(t *testing.T) {
	t.Parallel()
	in := waiting(plan.MatchPrimary)
	ann := identity.Entry{GUID: poolGUID(1), DN: "CN=Ann,DC=x", Primaries: []string{"ann@example.com"}, Aliases: []string{"a@example.com"}}
	in.Entries = []identity.Entry{ann}
	known := waitingAt(in, 0, map[string]time.Time{}).Awaited(map[string]time.Time{})
	since := func(what string, p *plan.Plan, hours int, overdue bool) {
		t.Helper()
		for i := range p.Rejections {
			if r := &p.Rejections[i]; r.Reason == plan.PrerequisiteMissing && (!r.Since.Equal(poolNow.Add(time.Duration(hours)*time.Hour)) || r.Overdue != overdue) {
				t.Errorf("%s: %s waits since %s, overdue %t", what, r.Address, r.Since, r.Overdue)
			}
		}
	}
	since("the next run", waitingAt(in, 30, known), 0, true)

	renamed := in
	renamed.Entries = []identity.Entry{{GUID: ann.GUID, DN: "CN=Anna,DC=x", Primaries: []string{"anna@example.com"}, Aliases: []string{"b@example.com"}}}
	p := waitingAt(renamed, 30, known)
	since("other addresses", p, 0, true)
	if !p.Rejections[0].New {
		t.Errorf("another address is an old rejection: %+v", p.Rejections[0])
	}

	met := in
	met.Others = []plan.PrerequisiteValues{plan.MatchPrimary.Values([]string{"ann@example.com"}, plan.NewDomains(in.Rules.Domains))}
	met.Rules.Prerequisites = append(slices.Clone(in.Rules.Prerequisites), in.Rules.Prerequisites[0])
	met.Rules.Prerequisites[1].Label = "in-the-branch"
	met.Others = append(met.Others, plan.PrerequisiteValues{})
	since("the second prerequisite", waitingAt(met, 30, known), 30, false)

	first := in
	first.Rules.Prerequisites, first.Others = nil, nil
	first.Entries = []identity.Entry{ann, {GUID: poolGUID(2), DN: "CN=Bob,DC=x", Primaries: []string{"ann@example.com"}}}
	before := waitingAt(first, 0, map[string]time.Time{}).Remembered(nil)
	since("rejected for another reason before", waitingAt(in, 30, before), 30, false)

	listed := in
	listed.Others = met.Others[:1]
	since("listed in between", waitingAt(in, 40, waitingAt(listed, 30, known).Awaited(known)), 40, false)

	unread := waitingAt(in, 30, known)
	unread.Directories, unread.Unread, unread.Rejections = []identity.Receipt{{Name: "lab"}}, []string{"corp"}, nil
	since("a directory that was not read", waitingAt(in, 40, unread.Remembered(known)), 0, true)

	// What is remembered of a plan that was not applied are its waits alone.
	other := in
	other.Entries = append(slices.Clone(in.Entries), identity.Entry{GUID: poolGUID(3), DN: "CN=Eve,DC=x", Primaries: []string{"eve@elsewhere.example"}})
	if diff := cmp.Diff(known, waitingAt(other, 30, known).Awaited(known)); diff != "" {
		t.Errorf("a plan that was not applied is remembered (-want +got):\n%s", diff)
	}
	if got := plan.Known(known); len(got) != 1 || !cmp.Equal(got, known) {
		t.Errorf("%v is read as %v", known, got)
	}
	if got := waitingAt(listed, 0, nil).Awaited(nil); got != nil {
		t.Errorf("a run without waits knows %v", got)
	}
	if got := waitingAt(in, 30, known).Remembered(known); len(got) != 3 {
		t.Errorf("after an apply, %v is known", got)
	}
}

// TestWaitingIsNoRisk: newcomers who wait for another system come in the way in which
// they should.
func TestWaitingIsNoRisk(t *testing.T) {
	t.Parallel()
	in := waiting(plan.MatchPrimary)
	in.Entries = []identity.Entry{
		{GUID: poolGUID(1), DN: "CN=Ann,DC=x", Primaries: []string{"ann@example.com"}, Aliases: []string{"no address", "a@elsewhere.example"}},
	}
	level := func() plan.RiskLevel {
		p := waitingAt(in, 0, map[string]time.Time{})
		p.Assess(plan.DefaultRisk())
		return p.RiskLevel()
	}
	if got := level(); got != plan.NoRisk {
		t.Errorf("the risk is %s", got)
	}
	in.Entries = append(in.Entries, identity.Entry{GUID: poolGUID(2), DN: "CN=Bob,DC=x", Primaries: []string{"bob@elsewhere.example"}})
	if got := level(); got != plan.MediumRisk {
		t.Errorf("with somebody rejected it is %s", got)
	}
}

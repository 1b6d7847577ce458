package notice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

func account(name string, active bool) *identity.Account {
	a := &identity.Account{Primary: identity.MustAddress(name + "@example.com"), Directory: "corp"}
	if !active {
		a.Status = identity.Inactive
	}
	return a
}

// joiners is a plan that adds n accounts and deactivates one.
func joiners(n int) *plan.Plan {
	p := &plan.Plan{}
	for i := range n {
		p.Accounts = append(p.Accounts, plan.AccountChange{After: account(fmt.Sprintf("p%02d", i), true)})
	}
	p.Accounts = append(p.Accounts, plan.AccountChange{Before: account("gone", true), After: account("gone", false)})
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	return p
}

func command(args ...string) string { return "rollcall " + strings.Join(args, " ") }

func one(t *testing.T, r *Run, kind run.NoticeKind) *Finding {
	t.Helper()
	r.Command = command
	all, _ := Find(r)
	i := slices.IndexFunc(all, func(f Finding) bool { return f.Kind == kind })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// TestApplied: it names the accounts that were changed, and no others, those first that
// lose their mail.
func TestApplied(t *testing.T) {
	t.Parallel()
	p := joiners(60)
	made := []int32{3, 5, 60}
	r := &Run{Plan: p, Made: true, Committed: true, Done: true, Number: 7, Foremost: Foremost(p.Accounts, made), Result: run.Result{Applied: 3}, Ended: errors.New("interrupted")}
	f := one(t, r, run.NoticeApplied)
	var names []string
	for _, item := range f.Items {
		names = append(names, item.Account+" "+item.Text)
	}
	want := []string{"gone@example.com is deactivated: no longer receives mail", "p03@example.com is added", "p05@example.com is added"}
	if !slices.Equal(names, want) || f.Count != 3 || f.Title != "3 accounts changed" || f.Command != "rollcall history show 7 --all" || f.Lines[0] != "Not all of the plan was made. The plan was:" || !f.Event {
		t.Errorf("%q\n%+v", names, f)
	}
	r.Ended, r.Result.Applied, r.Foremost = nil, 61, Foremost(p.Accounts, nil)
	if f = one(t, r, run.NoticeApplied); len(f.Items) != Most || f.Count != 61 || f.Items[0].Account != "gone@example.com" || strings.HasPrefix(f.Lines[0], "Not all") {
		t.Errorf("%+v", f)
	}
	if one(t, r, run.NoticeIncomplete) != nil {
		t.Error("a run that did all is told as incomplete")
	}
}

// TestIncomplete: what failed, what differs, what ended the run, and the next step.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	r := &Run{Plan: joiners(2), Made: true, Committed: true, Result: run.Result{Failures: []run.Failure{{Account: "a@example.com", Code: "taken", Error: "somebody has it"}, {Account: "b@example.com", Error: "odd"}}}}
	f := one(t, r, run.NoticeIncomplete)
	if f.Title != "2 changes failed" || f.Items[0].Reason != "taken" || f.Items[1].Reason != "failed" || f.Items[0].Remedy == f.Items[1].Remedy || f.Count != 2 {
		t.Errorf("%+v", f)
	}
	sum := f.Sum
	r.Result.Failures[1].Error = "else"
	if f = one(t, r, run.NoticeIncomplete); f.Sum == sum {
		t.Error("another error is no change")
	}
	r.Result.Failures, r.Differences, r.Undecided = nil, []run.NoticeItem{{Account: "c@example.com"}}, []string{"d@example.com"}
	if f = one(t, r, run.NoticeIncomplete); f.Title != "2 accounts are not as asked" || f.Items[1].Remedy == "" {
		t.Errorf("%+v", f)
	}
	r.Differences, r.Undecided, r.Ended = nil, nil, errors.New("line one\nline two")
	if f = one(t, r, run.NoticeIncomplete); f.Title != "the run ended before all changes were made" || f.Lines[0] != "The run ended before all changes were made: line one; line two" || f.Lines[1] != "The next run makes the rest." {
		t.Errorf("%+v", f)
	}
	for _, code := range []string{"", "taken", "changed", "gone", "throttled", "temporary", "refused", "cancelled", "unsupported", "auth", "config", "internal"} {
		if remedyOf(code) == "" {
			t.Errorf("nothing is to be done about %q", code)
		}
	}
}

// TestDrift: what was changed by hand, and, where that stops every run, how to go on.
func TestDrift(t *testing.T) {
	t.Parallel()
	p := joiners(1)
	p.Drift = []plan.Drift{{Kind: plan.DriftGone, Primary: identity.MustAddress("a@example.com")}}
	corrected := one(t, &Run{Plan: p, Made: true, Committed: true}, run.NoticeDrift)
	stopped := one(t, &Run{Plan: p, Made: true, Refused: true}, run.NoticeDrift)
	if corrected.Next != "" || stopped.Next != "rollcall apply --accept-drift" || !strings.HasSuffix(stopped.Title, "nothing was changed") || corrected.Sum == stopped.Sum {
		t.Errorf("%+v\n%+v", corrected, stopped)
	}
	if one(t, &Run{Plan: p, Committed: true}, run.NoticeDrift) != nil {
		t.Error("a saved plan says what has drifted")
	}
}

// TestReview: the command that makes the plan has the options of the run.
func TestReview(t *testing.T) {
	t.Parallel()
	p := joiners(1)
	p.Risks = []plan.Risk{{Level: plan.HighRisk, Words: "much is lost"}}
	f := one(t, &Run{Plan: p, Made: true, Risky: true, Options: []string{"--allow-deactivations", "46"}}, run.NoticePlanReview)
	if f.Next != "rollcall apply --allow-deactivations 46" || f.Title != "a plan of high risk waits for a review; nothing was changed" || !slices.Contains(f.Lines, "high risk: much is lost") ||
		f.Items[0].Text != "would be deactivated: no longer receives mail" || f.Count != 2 {
		t.Errorf("%+v", f)
	}
}

// TestJudges: which kinds a run knows all about.
func TestJudges(t *testing.T) {
	t.Parallel()
	part, undo := joiners(1), joiners(1)
	part.Only, undo.Undoes = []string{"add"}, 3
	all := []run.NoticeKind{run.NoticeWithheld, run.NoticeNewRejections, run.NoticeOverdue, run.NoticeDrift, run.NoticePlanReview, run.NoticeIncomplete, run.NoticeFailed}
	for name, x := range map[string]struct {
		run  Run
		want []run.NoticeKind
	}{
		"all of it":              {Run{Plan: joiners(1), Made: true, Committed: true, Done: true}, slices.Clone(all)},
		"a part":                 {Run{Plan: part, Made: true, Committed: true, Done: true}, nil},
		"an undo":                {Run{Plan: undo, Made: true, Committed: true, Done: true}, nil},
		"a saved plan":           {Run{Plan: joiners(1), Committed: true, Done: true}, nil},
		"one that failed early":  {Run{Failed: true, Error: errors.New("no")}, []run.NoticeKind{run.NoticeFailed}},
		"one that is too risky":  {Run{Plan: joiners(1), Made: true, Risky: true}, slices.Clone(all[1:4])},
		"one that drift stopped": {Run{Plan: joiners(1), Made: true, Refused: true}, slices.Clone(all[1:4])},
		"one that was killed":    {Run{Plan: joiners(1), Killed: true, Committed: true}, nil},
	} {
		x.run.Command = command
		_, judged := Find(&x.run)
		var got []run.NoticeKind
		for _, j := range judged {
			if j.Keys == nil {
				got = append(got, j.Kind)
			}
		}
		slices.Sort(got)
		slices.Sort(x.want)
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

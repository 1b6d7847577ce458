package notice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Run is what a run has come to.
type Run struct {
	// Plan is nil where the run ended before it had one. Made says that the run has made
	// it, of what there is now; of one that was saved, no conditions are known.
	Plan *plan.Plan
	Made bool
	// Number is that of the history, 0 where nothing is recorded.
	Number int
	// Committed says that the plan was applied, be it in part: Result and Differences
	// are then what came of it, Undecided the accounts of which that is unknown, and
	// Ended the error that ended it before its end. It says so too of a run that had
	// nothing to do.
	Committed   bool
	Result      run.Result
	Differences []run.NoticeItem
	Undecided   []string
	Ended       error
	// Foremost are the changes to show of those that were made; see [Foremost].
	Foremost []plan.AccountChange
	// Open says that of some changes nobody knows what became of them, and that the next
	// run finds out.
	Open bool
	// Killed says that the run was killed, and that the plan has its changes alone.
	Killed bool
	// Risky says that the plan was riskier than allowed.
	Risky bool
	// Refused says that on_drift = "fail" has stopped the run.
	Refused bool
	// Done says that the run did what it may, so that runs do not fail any more; Failed
	// that this one did, with an error and a hint.
	Done, Failed bool
	Error        error
	Hint         string
	// Options are those of the command line that change what is applied.
	Options []string
	// Expiries are when further credentials end.
	Expiries []identity.Expiry
	Now      time.Time
	// Command spells a command line.
	Command func(args ...string) string
}

// Find returns what there is to tell of a run, and the kinds of which that is all.
func Find(r *Run) (all []Finding, judged []Judged) {
	f := finder{Run: r}
	if p := r.Plan; p != nil && r.Made {
		f.whole = len(p.Unread)+len(p.Only)+len(p.Except) == 0 && p.Undoes == 0
		f.withheld()
		f.rejections()
		f.overdue()
		f.drift()
		f.expiries()
	}
	f.review()
	if r.Committed {
		f.applied()
		f.incomplete()
	}
	f.failed()
	return f.all, f.judged
}

// finder collects findings.
type finder struct {
	*Run
	whole  bool // the plan is of all that there is
	all    []Finding
	judged []Judged
}

func (f *finder) judge(known bool, kind run.NoticeKind) {
	if known {
		f.judged = append(f.judged, Judged{Kind: kind})
	}
}

func (f *finder) add(x Finding) {
	x.Items = x.Items[:min(len(x.Items), Most)]
	f.all = append(f.all, x)
}

// verdict says what the plan comes to, why, and at what risk.
func (f *finder) verdict() []string {
	lines := append([]string{f.Plan.Verdict()}, f.Plan.Causes...)
	for i := range f.Plan.Risks {
		if r := &f.Plan.Risks[i]; r.Level > plan.NoRisk {
			lines = append(lines, r.Level.String()+" risk: "+r.Text())
		}
	}
	return lines
}

func (f *finder) review() {
	f.judge(f.Committed && f.whole, run.NoticePlanReview)
	if !f.Risky {
		return
	}
	level := f.Plan.RiskLevel()
	lines := f.verdict()
	f.add(Finding{
		Notice: run.Notice{
			Kind: run.NoticePlanReview, Title: "a plan of " + level.String() + " risk waits for a review; nothing was changed",
			Lines: lines, Items: items(Foremost(f.Plan.Accounts, nil), planned), Count: len(f.Plan.Accounts),
			Command: f.Command("plan", "--all"), Next: f.apply(),
		},
		Sum: sum(append([]string{level.String()}, lines[1:]...)),
	})
}

func (f *finder) applied() {
	if f.Result.Applied == 0 || f.Open {
		return
	}
	title := number.Count(f.Result.Applied, "account", "accounts") + " changed"
	var lines []string
	switch {
	case f.Killed:
		title += " by a run that was killed"
	case f.Ended != nil || len(f.Result.Failures)+len(f.Differences)+len(f.Undecided) > 0:
		lines = append([]string{"Not all of the plan was made. The plan was:"}, f.verdict()...)
	default:
		lines = f.verdict()
	}
	f.add(Finding{
		Notice: run.Notice{
			Kind: run.NoticeApplied, Title: title, Lines: lines,
			Items: items(f.Foremost, made), Count: f.Result.Applied, Command: f.show(),
		},
		Event: true,
	})
}

// show is the command that shows the run.
func (f *finder) show() string {
	if f.Number == 0 {
		return f.Command("history")
	}
	return f.Command("history", "show", fmt.Sprint(f.Number), "--all")
}

func (f *finder) incomplete() {
	f.judge(f.whole, run.NoticeIncomplete)
	var items []run.NoticeItem
	for _, failure := range f.Result.Failures {
		items = append(items, run.NoticeItem{
			Account: failure.Account, Reason: cmp.Or(failure.Code, "failed"), Rule: "console", Text: failure.Error, Remedy: remedyOf(failure.Code),
		})
	}
	items = append(items, f.Differences...)
	for _, x := range f.Undecided {
		items = append(items, run.NoticeItem{
			Account: x, Reason: string(plan.Undecided), Rule: "console", Text: "unknown whether the run created it: an account without an owner holds one of its addresses",
			Remedy: "give it an owner with rollcall state rebind, or leave it local with rollcall state release",
		})
	}
	if len(items) == 0 && f.Ended == nil {
		return
	}
	var lines, keys []string
	if f.Ended != nil {
		text := oneLine(f.Ended.Error())
		lines = append(lines, "The run ended before all changes were made: "+text, "The next run makes the rest.")
		keys = append(keys, text)
	}
	for i := range items {
		keys = append(keys, items[i].Account+" "+items[i].Reason+" "+items[i].Text)
	}
	var parts []string
	if n := len(f.Result.Failures); n > 0 {
		parts = append(parts, number.Count(n, "change", "changes")+" failed")
	}
	if n := len(items) - len(f.Result.Failures); n > 0 {
		parts = append(parts, number.Count(n, "account is", "accounts are")+" not as asked")
	}
	if f.Ended != nil {
		parts = append(parts, "the run ended before all changes were made")
	}
	title := strings.Join(parts, ", ")
	f.add(Finding{Notice: run.Notice{Kind: run.NoticeIncomplete, Title: title, Lines: lines, Items: items, Count: len(items), Command: f.show()}, Sum: sum(keys)})
}

// remedyOf says what to do about a change that a console did not make, by the code of
// its error.
func remedyOf(code string) string {
	switch code {
	case "taken":
		return "remove the address from the other account in the console, or give the entry another one"
	case "changed", "gone", "throttled", "temporary", "cancelled":
		return "the next run reads the account again and tries again"
	case "refused", "unsupported":
		return "change the entry in the directory, or what the console accepts; rollcall console shows what it can hold"
	}
	return "the next run tries again; rollcall doctor tests the console"
}

func (f *finder) withheld() {
	f.judge(f.whole && f.Committed, run.NoticeWithheld)
	p := f.Plan
	if p.Summary().Withheld == 0 {
		return
	}
	text := render.Withholding(p)
	items, n := []run.NoticeItem(nil), 0
	var keys []string
	for i := range p.Allowances {
		for b, loss := range p.Allowances[i].Losses {
			if p.Allowances[i].Braked() && loss.Over() {
				keys = append(keys, p.Allowances[i].Directory+" "+plan.Brake(b).String())
			}
		}
	}
	options := strings.Join(plan.Options(plan.Tripped(p.Allowances)), " ")
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if !c.Withheld {
			continue
		}
		keys = append(keys, c.Name().String())
		if n++; n <= Most {
			items = append(items, run.NoticeItem{Account: c.Name().String(), Reason: "withheld", Rule: plan.RuleLimit.String(), Text: planned.becomes(c.Before, c.After)})
		}
	}
	next := ""
	if options != "" {
		next = f.apply() + " " + options
	}
	f.add(Finding{
		Notice: run.Notice{
			Kind: run.NoticeWithheld, Title: "a brake withholds losses of " + number.Count(n, "account", "accounts"), Lines: append([]string{text}, p.Causes...), Items: items, Count: n,
			Command: f.Command("plan", "--all"), Next: next,
		},
		Sum: sum(keys),
	})
}

// apply is the command that makes the plan.
func (f *finder) apply() string { return f.Command(append([]string{"apply"}, f.Options...)...) }

func (f *finder) rejections() {
	f.judge(f.whole, run.NoticeNewRejections)
	p := f.Plan
	if len(p.Rejections) == 0 {
		return
	}
	var keys []string
	for i := range p.Rejections {
		if r := &p.Rejections[i]; r.New {
			keys = append(keys, r.Key())
		}
	}
	n, all := len(keys), len(p.Rejections)
	title := number.Count(n, "new rejection", "new rejections")
	switch {
	case n == 0:
		title = number.Count(all, "rejection stands", "rejections stand")
	case n < all:
		title += ", " + plan.Thousands(all) + " in all"
	}
	members := make([]string, 0, n)
	for _, key := range keys {
		members = append(members, sum([]string{key})[:12])
	}
	if n > mostMembers {
		members = nil
	}
	f.add(Finding{
		Notice: run.Notice{
			Kind: run.NoticeNewRejections, Title: title, Items: f.rejected(func(r *plan.Rejection) bool { return r.New }, n < all),
			Count: all, Command: f.Command("plan", "--all"),
		},
		Sum: sum(keys), Members: members,
	})
}

// mostMembers is how many new rejections are remembered one by one.
const mostMembers = 1000

// rejected lists the rejections that come first, and then the others, if they are
// wanted.
func (f *finder) rejected(first func(*plan.Rejection) bool, others bool) (items []run.NoticeItem) {
	for _, turn := range [...]bool{true, false} {
		for i := range f.Plan.Rejections {
			if r := &f.Plan.Rejections[i]; len(items) < Most && first(r) == turn && (turn || others) {
				items = append(items, rejection(r))
			}
		}
	}
	return items
}

func rejection(r *plan.Rejection) run.NoticeItem {
	item := run.NoticeItem{
		Account: cmp.Or(r.Primary, r.DN), Entry: r.DN, Address: r.Address, Reason: r.Reason.String(), Rule: r.Rule().String(),
		Other: r.Other.Text(), Text: r.Message(plan.Names{}), Remedy: r.Remedy(plan.Names{}),
	}
	if r.Guard != "" {
		item.Rule += fmt.Sprintf(" %q", r.Guard)
	}
	return item
}

func (f *finder) overdue() {
	f.judge(f.whole, run.NoticeOverdue)
	text := f.Plan.Overdue()
	if text == "" {
		return
	}
	var keys []string
	for i := range f.Plan.Rejections {
		if r := &f.Plan.Rejections[i]; r.Overdue {
			keys = append(keys, r.Key())
		}
	}
	n := len(keys)
	f.add(Finding{
		Notice: run.Notice{
			Kind: run.NoticeOverdue, Title: number.Count(n, "address waits", "addresses wait") + " too long for another directory", Lines: []string{text},
			Items: f.rejected(func(r *plan.Rejection) bool { return r.Overdue }, false), Count: n, Command: f.Command("plan", "--all"),
		},
		Sum: sum(keys),
	})
}

func (f *finder) drift() {
	f.judge(f.whole, run.NoticeDrift)
	if len(f.Plan.Drift) == 0 {
		return
	}
	var items []run.NoticeItem
	var keys []string
	for i := range f.Plan.Drift {
		d := &f.Plan.Drift[i]
		keys = append(keys, strings.Join([]string{d.Kind.String(), d.Primary.String(), d.Ref, d.Field, d.Recorded, d.Found}, " "))
		if len(items) < Most {
			items = append(items, drifted(d))
		}
	}
	n := run.Notice{
		Kind: run.NoticeDrift, Title: "the console was changed by hand: " + number.Count(len(keys), "difference", "differences"),
		Lines: []string{"What the directories want otherwise is corrected. What is meant belongs into the directory."},
		Items: items, Count: len(keys), Command: f.Command("plan", "--all"),
	}
	if f.Refused {
		keys = append(keys, "refused")
		n.Title += "; nothing was changed"
		n.Lines = []string{`Nothing is changed by any run as long as the differences stand, since on_drift is "fail".`, "Correct the console, or let an apply go on with --accept-drift."}
		n.Next = f.apply() + " --accept-drift"
	}
	f.add(Finding{Notice: n, Sum: sum(keys)})
}

func drifted(d *plan.Drift) run.NoticeItem {
	return run.NoticeItem{Account: d.Primary.String(), Reason: d.Kind.String(), Rule: "console", Text: d.Message()}
}

func (f *finder) failed() {
	f.judge(f.Failed || f.Done && f.whole, run.NoticeFailed)
	if !f.Failed {
		return
	}
	text := f.Error.Error()
	first, rest, _ := strings.Cut(text, "\n")
	var lines []string
	for _, line := range strings.Split(rest, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if f.Hint != "" {
		lines = append(lines, f.Hint)
	}
	f.add(Finding{Notice: run.Notice{Kind: run.NoticeFailed, Title: "apply failed: " + first, Lines: lines, Command: f.Command("doctor")}, Sum: sum([]string{text})})
}

// tense says whether changes were made, or are what a plan has.
type tense bool

const (
	made    tense = true
	planned tense = false
)

// outcome is an account as a change leaves it, or would.
func (t tense) outcome(c *plan.AccountChange) *identity.Account {
	if t == made {
		return c.Result()
	}
	return c.After
}

// Foremost returns the changes to show of those that were made, by their indexes, which
// are all of a plan if there are none: those first by which an account loses its mail.
func Foremost(all []plan.AccountChange, indexes []int32) (first []plan.AccountChange) {
	n, t := len(all), planned
	if indexes != nil {
		n, t = len(indexes), made
	}
	for _, losing := range [...]bool{true, false} {
		for i := range n {
			c := &all[i]
			if t == made {
				c = &all[indexes[i]]
			}
			if len(first) < Most && loses(c.Before, t.outcome(c)) == losing {
				first = append(first, *c)
			}
		}
	}
	return first
}

// items say what becomes of accounts.
func items(changes []plan.AccountChange, t tense) (all []run.NoticeItem) {
	for i := range changes {
		c := &changes[i]
		all = append(all, run.NoticeItem{Account: c.Name().String(), Text: t.becomes(c.Before, t.outcome(c))})
	}
	return all
}

func loses(before, after *identity.Account) bool {
	return before != nil && before.Active() && (after == nil || !after.Active())
}

// becomes says what becomes of an account.
func (t tense) becomes(before, after *identity.Account) string {
	verb, gain, lose, change := "would be ", "would gain ", "would lose ", "would change in "
	if t == made {
		verb, gain, lose, change = "is ", "gains ", "loses ", "changes in "
	}
	switch {
	case before == nil:
		return verb + "added"
	case after == nil:
		return verb + "removed"
	case before.Active() && !after.Active():
		return verb + "deactivated: no longer receives mail"
	case !before.Active() && after.Active():
		return verb + "active again"
	case before.Primary != after.Primary:
		return fmt.Sprintf("%srenamed from %s to %s", verb, before.Primary, after.Primary)
	}
	var parts []string
	part := func(what string, all []string) {
		const most = 5
		if len(all) == 0 {
			return
		}
		text := what + strings.Join(all[:min(len(all), most)], ", ")
		if more := len(all) - most; more > 0 {
			text += " and " + plan.Thousands(more) + " more"
		}
		parts = append(parts, text)
	}
	part(gain, without(after, before))
	part(lose, without(before, after))
	part(change, fields(before, after))
	if len(parts) == 0 {
		return verb + "changed"
	}
	return strings.Join(parts, "; ")
}

// without returns the addresses of an account that another one does not hold.
func without(a, other *identity.Account) (all []string) {
	a.EachAddress(func(x identity.Address) {
		if !other.Holds(x) {
			all = append(all, x.String())
		}
	})
	return all
}

// fields names what differs between two accounts beside their addresses.
func fields(a, b *identity.Account) (names []string) {
	for _, f := range [...]struct {
		name string
		same bool
	}{
		{plan.FieldType, a.Type == b.Type}, {plan.FieldOwner, a.Directory == b.Directory && a.GUID == b.GUID}, {plan.FieldUsername, a.Username == b.Username}, {plan.FieldDN, a.DN == b.DN},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	var attributes []string
	for _, pair := range [...][2]*identity.Account{{a, b}, {b, a}} {
		for _, x := range pair[0].Attributes {
			if !slices.Contains(pair[1].Attributes, x) {
				attributes = append(attributes, x.Name)
			}
		}
	}
	return append(names, slices.Compact(slices.Sorted(slices.Values(attributes)))...)
}

// oneLine is a text without line breaks.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// Bounds are how long before its end a credential is spoken of, the longest first.
var Bounds = [...]time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour}

func (f *finder) expiries() {
	keys := []string{}
	for _, e := range slices.Concat(f.Plan.Expiries(), f.Expiries) {
		key := e.Text()
		if slices.Contains(keys, key) {
			continue
		}
		keys = append(keys, key)
		left := e.At.Sub(f.Now)
		bound := slices.IndexFunc(Bounds[:], func(b time.Duration) bool { return left > b })
		switch {
		case bound == 0:
			continue
		case bound < 0:
			bound = len(Bounds)
		}
		title := fmt.Sprintf("%s expires on %s, in %s", key, e.At.UTC().Format(time.DateOnly), period(left))
		if left <= 0 {
			title, bound = fmt.Sprintf("%s expired on %s", key, e.At.UTC().Format(time.DateOnly)), len(Bounds)+1
		}
		f.add(Finding{
			Notice: run.Notice{Kind: run.NoticeCredentials, Title: title, Lines: []string{e.Remedy}, Command: f.Command("doctor")},
			Key:    key, Sum: fmt.Sprint(bound),
		})
	}
	f.judged = append(f.judged, Judged{run.NoticeCredentials, keys})
}

// period says how long it is, in days or hours.
func period(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return number.Count(int(d/(24*time.Hour)), "day", "days")
	case d >= time.Hour:
		return number.Count(int(d/time.Hour), "hour", "hours")
	}
	return "less than an hour"
}

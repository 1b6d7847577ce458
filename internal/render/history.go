package render

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// mode says whether somebody sat at the run.
func mode(r *run.Run) string {
	if r.Automatic {
		return "automatic"
	}
	return "manual"
}

// outcome is the cell of how a run ended.
func outcome(r *run.Run) cell {
	switch {
	case r.Outcome == run.Applied:
		return styled(green, string(r.Outcome))
	case r.Outcome == run.Incomplete, r.Outcome == run.Failed, r.Outcome == run.Damaged:
		return styled(red, string(r.Outcome))
	}
	return styled(yellow, string(r.Outcome))
}

// counts reports the rows of a run's plan in few words.
func counts(r *run.Run) string {
	var parts []string
	add := func(key string) {
		if n := r.Summary[key]; n > 0 {
			parts = append(parts, number(n)+" "+key)
		}
	}
	for _, c := range order {
		add(c.String())
	}
	add("withheld")
	add("left_out")
	add("rejection")
	add("drift")
	if len(parts) == 0 && r.Accounts > 0 { // which make no row
		return count(r.Accounts, "inactive record", "inactive records")
	}
	return strings.Join(parts, ", ")
}

func second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

var runColumns = []column[*run.Run]{
	{head: "run", cell: func(r *run.Run, _ bool) cell { return text(strconv.Itoa(r.Number)) }},
	{head: "started", cell: func(r *run.Run, _ bool) cell { return text(second(r.Started)) }},
	{head: "by", least: 12, cell: func(r *run.Run, _ bool) cell {
		if r.User == "" {
			return cell{}
		}
		return text(r.User + "@" + r.Host)
	}},
	{head: "how", helps: true, cell: func(r *run.Run, _ bool) cell { return styled(dim, mode(r)) }},
	{head: "outcome", cell: func(r *run.Run, _ bool) cell { return outcome(r) }},
	{head: "changes", wraps: true, cell: func(r *run.Run, _ bool) cell { return sentence(plain, counts(r)) }},
}

// Runs writes a table of runs. Only the width and the colour of the options
// count.
func Runs(w io.Writer, runs []run.Run, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	if len(runs) == 0 {
		o.line(plain, "no run is recorded yet")
	}
	t := table[*run.Run]{columns: runColumns, rows: len(runs), row: func(i int) *run.Run { return &runs[i] }}
	t.all(o)
	return o.flush()
}

// runHeader are the columns of a run, before those of the counts and of its console.
var runHeader = []string{
	"run", "started", "ended", "seconds", "user", "host", "mode", "command", "outcome", "reason", "plan", "serial", "serial_after",
	"accounts", "applied", "withheld_accounts", "failed",
}

// RunsCSV writes one row per run, below a line of headings: its facts, and the
// rows of its plan by category. Cells are as safe as those of [CSV].
func RunsCSV(w io.Writer, runs []run.Run, d Dialect) error {
	keys := make([]string, 0, plan.Categories+3)
	for c := range plan.Category(plan.Categories) {
		keys = append(keys, c.String())
	}
	keys = append(keys, "rejection", "withheld", "left_out")
	out := d.writer(w)
	out.Write(slices.Concat(runHeader, keys, []string{"console", "drift"}))
	for i := range runs {
		r := &runs[i]
		ended := ""
		if r.Ended != nil {
			ended = second(*r.Ended)
		}
		row := []string{
			strconv.Itoa(r.Number), second(r.Started), ended, strconv.FormatFloat(r.Seconds, 'f', 3, 64), r.User, r.Host, mode(r), r.Command,
			string(r.Outcome), r.Reason, r.Plan, strconv.FormatInt(r.Serial, 10), strconv.FormatInt(r.SerialAfter, 10),
			strconv.Itoa(r.Accounts), strconv.Itoa(r.Applied), strconv.Itoa(r.Withheld), strconv.Itoa(len(r.Failures)),
		}
		for _, key := range keys {
			row = append(row, strconv.Itoa(r.Summary[key]))
		}
		writeSafe(out, append(row, r.Console, strconv.Itoa(r.Summary["drift"])))
	}
	out.Flush()
	return out.Error()
}

// RowOutcomes returns a function that says what became of a row of the account
// changes of a run: "applied", "withheld", "failed" with the error, or
// "not_applied" where the run did not come so far, or changed nothing.
func RowOutcomes(r *run.Record, changes []plan.AccountChange) func(*plan.Change) (outcome, failure string) {
	failed := map[string]string{}
	for _, f := range r.Failures {
		failed[f.Account] = f.Error
	}
	unmade := map[*identity.Account]bool{}
	for i, done := range r.Done {
		if c := &changes[i]; !done {
			unmade[c.Before], unmade[c.Result()] = true, true
		}
	}
	return func(c *plan.Change) (string, string) {
		switch {
		case r.Done == nil && !r.Outcome.Changed():
			return "not_applied", ""
		case c.Withheld:
			return "withheld", ""
		}
		account := c.After
		if account == nil {
			account = c.Before
		}
		if failure, failed := failed[account.Primary.String()]; failed {
			return "failed", failure
		}
		if unmade[account] {
			return "not_applied", ""
		}
		return "applied", ""
	}
}

// made counts the account changes that are recorded as made.
func made(r *run.Record) (n int) {
	for _, done := range r.Done {
		if done {
			n++
		}
	}
	return n
}

// unreached counts the account changes that a run did not come to.
func unreached(r *run.Record, changes []plan.AccountChange) int {
	n := 0
	for i, done := range r.Done {
		if !done && !changes[i].Idle() {
			n++
		}
	}
	return max(0, n-len(r.Failures))
}

// failuresOf returns the failures of a run in order of their accounts.
func failuresOf(r *run.Run) []run.Failure {
	return slices.SortedFunc(slices.Values(r.Failures), func(a, b run.Failure) int { return strings.Compare(a.Account, b.Account) })
}

// RunText writes a run with each change of its plan.
func RunText(w io.Writer, r *run.Record, p *plan.Plan, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.put(bold, fmt.Sprintf("Run %d: ", r.Number))
	o.cell(outcome(&r.Run))
	o.end()
	fact := func(name, value string) {
		if value != "" {
			o.prose(margin, fmt.Sprintf("%-*s", len("started")+gap, name), dim, clean(value))
		}
	}
	fact("reason", r.Reason)
	fact("started", second(r.Started))
	switch {
	case r.Ended != nil && r.Settled:
		fact("settled", second(*r.Ended)+", by a later run")
	case r.Ended != nil:
		fact("took", strconv.FormatFloat(r.Seconds, 'f', 1, 64)+" s")
	}
	fact("by", r.User+" on "+r.Host+", "+mode(&r.Run))
	fact("command", r.Command)
	fact("console", r.Console)
	fact("plan", r.Plan)
	if r.Undoes > 0 {
		fact("undoes", "run "+number(r.Undoes))
	}
	fact("only", strings.Join(r.Only, ", "))
	fact("except", strings.Join(r.Except, ", "))
	fact("changes", counts(&r.Run))
	if r.Outcome.Changed() {
		fact("state", fmt.Sprintf("version %d became %d", r.Serial, r.SerialAfter))
	}
	sum := p.Summary()
	o.categories(p, &sum, opt)
	if n := len(r.Failures); n > 0 {
		failures := failuresOf(&r.Run)
		o.title("failed", count(n, "account could not be changed", "accounts could not be changed"))
		t := table[*run.Failure]{
			columns: failureColumns,
			sign:    rejected, rows: opt.cut(n), row: func(i int) *run.Failure { return &failures[i] },
		}
		t.all(o)
		o.cut(n-t.rows, opt)
	}
	o.end()
	switch {
	case r.Outcome == run.Unfinished && r.Done != nil:
		o.prose(0, "unfinished: ", bold, count(made(r), "account change was", "account changes were")+" made by now, as far as is recorded; the run is still going, or was killed; the next run finds out")
	case r.Outcome == run.Unfinished:
		o.prose(0, "unfinished: ", bold, "the run is still going, or was killed; the next run finds out")
	case !r.Outcome.Changed() && len(p.Changes) > 0:
		o.prose(0, "nothing was changed: ", bold, "this is what the plan would have done")
	case !r.Outcome.Changed() && r.Accounts > 0:
		o.prose(0, "nothing was changed: ", bold, "the changes of the plan are not recorded one by one")
	case !r.Outcome.Changed():
		o.prose(0, "nothing was changed", bold, "")
	default:
		done := count(r.Applied, "account", "accounts") + " changed"
		if r.Withheld > 0 {
			done += ", " + number(r.Withheld) + " withheld by a limit"
		}
		if n := len(r.Failures); n > 0 {
			done += ", " + number(n) + " failed"
		}
		if n := unreached(r, p.Accounts); n > 0 {
			done += ", " + number(n) + " not made"
		}
		o.prose(0, clean(string(r.Outcome))+": ", bold, done)
	}
	return o.flush()
}

// RunCSV writes the changes of a run's plan as [CSV] does, with the outcome and
// the error of each.
func RunCSV(w io.Writer, r *run.Record, p *plan.Plan, d Dialect) error {
	out := d.writer(w)
	out.Write(slices.Insert(slices.Clone(planHeader), firstAdded, "outcome", "error"))
	cells := make([]string, 0, len(planHeader)+2)
	became := RowOutcomes(r, p.Accounts)
	for i := range p.Changes {
		outcome, failure := became(&p.Changes[i])
		writeSafe(out, slices.Insert(changeCells(cells[:0], &p.Changes[i]), firstAdded, outcome, failure))
	}
	out.Flush()
	return out.Error()
}

// RunMarkdown writes a run with each change of its plan and what became of it,
// as [Markdown] does.
func RunMarkdown(w io.Writer, past *run.Record, p *plan.Plan, full string) error {
	r := comment{full: full}
	r.put("## Run %d: %s\n\n| | |\n|---|---|\n", past.Number, markdown(string(past.Outcome)))
	fact := func(name, value string) {
		if value != "" {
			r.put("%s", tableRow(name, remark(value)))
		}
	}
	fact("reason", past.Reason)
	fact("started", second(past.Started))
	fact("by", past.User+" on "+past.Host+", "+mode(&past.Run))
	fact("command", past.Command)
	fact("console", past.Console)
	fact("changes", counts(&past.Run))
	if past.Outcome.Changed() {
		fact("state", fmt.Sprintf("version %d became %d", past.Serial, past.SerialAfter))
	}
	r.put("\n")
	r.categories(p, past)
	if n := len(past.Failures); n > 0 {
		failures := failuresOf(&past.Run)
		addSection(&r, "failed", count(n, "account could not be changed", "accounts could not be changed"), "", failureColumns, n, func(i int) *run.Failure { return &failures[i] })
	}
	return r.write(w)
}

var failureColumns = []column[*run.Failure]{
	{head: "account", cell: func(f *run.Failure, _ bool) cell { return subject(f.Account) }},
	{head: "because", wraps: true, cell: func(f *run.Failure, _ bool) cell { return sentence(plain, f.Error) }},
}

// RunsMarkdown writes a table of runs, the newest first, for what is too much
// is cut at the end.
func RunsMarkdown(w io.Writer, runs []run.Run) error {
	r := comment{full: "rollcall history"}
	r.put("## rollcall history: %s\n\n", count(len(runs), "run", "runs"))
	addSection(&r, "", "", "", runColumns, len(runs), func(i int) *run.Run { return &runs[len(runs)-1-i] })
	return r.write(w)
}

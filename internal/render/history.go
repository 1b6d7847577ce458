package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/plan"
)

// Run is a past run of apply.
type Run struct {
	Number              int
	Started             time.Time
	Ended               *time.Time // nil while it goes on
	Seconds             float64
	User, Host, Command string
	Automatic           bool
	Outcome, Reason     string
	// Changed tells that the run has written the state, Settled that a later
	// one has found out how it ended.
	Changed, Settled    bool
	Plan                string   // its checksum
	Undoes              int      // the run that it takes back, or 0
	Only, Except        []string // the selectors that the plan was made with
	Serial, SerialAfter int64
	// Accounts counts the account changes of the plan, Applied and Withheld what
	// became of them.
	Accounts, Applied, Withheld int
	Failures                    []RunFailure
	// Counts are the rows of the plan by category, "rejection", "withheld" and
	// "left_out".
	Counts map[string]int
}

// RunFailure is an account that the console refused to change.
type RunFailure struct{ Account, Error string }

// mode tells whether somebody sat at the run.
func (r *Run) mode() string {
	if r.Automatic {
		return "automatic"
	}
	return "manual"
}

// outcome is the cell of how a run ended.
func (r *Run) outcome() cell {
	switch {
	case r.Outcome == "applied":
		return styled(green, r.Outcome)
	case r.Changed, r.Outcome == "failed", r.Outcome == "damaged":
		return styled(red, r.Outcome)
	}
	return styled(yellow, r.Outcome)
}

// counts tells the rows of a run's plan in few words.
func (r *Run) counts() string {
	var parts []string
	add := func(key string) {
		if n := r.Counts[key]; n > 0 {
			parts = append(parts, number(n)+" "+key)
		}
	}
	for _, c := range order {
		add(c.String())
	}
	add("withheld")
	add("left_out")
	add("rejection")
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

var runColumns = []column[*Run]{
	{head: "run", cell: func(r *Run, _ bool) cell { return text(strconv.Itoa(r.Number)) }},
	{head: "started", cell: func(r *Run, _ bool) cell { return text(second(r.Started)) }},
	{head: "by", least: 12, cell: func(r *Run, _ bool) cell {
		if r.User == "" {
			return cell{}
		}
		return text(r.User + "@" + r.Host)
	}},
	{head: "how", helps: true, cell: func(r *Run, _ bool) cell { return styled(dim, r.mode()) }},
	{head: "outcome", cell: func(r *Run, _ bool) cell { return r.outcome() }},
	{head: "changes", wraps: true, cell: func(r *Run, _ bool) cell { return text(r.counts()) }},
}

// Runs writes a table of runs. Only the width and the colour of the options
// count.
func Runs(w io.Writer, runs []Run, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	if len(runs) == 0 {
		o.line(plain, "no run is recorded yet")
	}
	t := table[*Run]{columns: runColumns, rows: len(runs), row: func(i int) *Run { return &runs[i] }}
	t.all(o)
	return o.flush()
}

// runHeader are the columns of a run, before those of the counts.
var runHeader = []string{
	"run", "started", "ended", "seconds", "user", "host", "mode", "command", "outcome", "reason", "plan", "serial", "serial_after",
	"accounts", "applied", "withheld_accounts", "failed",
}

// RunsCSV writes one row per run, below a line of headings: its facts, and the
// rows of its plan by category. Cells are as safe as those of [CSV].
func RunsCSV(w io.Writer, runs []Run) error {
	keys := make([]string, 0, plan.Categories+3)
	for c := range plan.Category(plan.Categories) {
		keys = append(keys, c.String())
	}
	keys = append(keys, "rejection", "withheld", "left_out")
	out := csv.NewWriter(w)
	out.Write(slices.Concat(runHeader, keys))
	for i := range runs {
		r := &runs[i]
		ended := ""
		if r.Ended != nil {
			ended = second(*r.Ended)
		}
		row := []string{
			strconv.Itoa(r.Number), second(r.Started), ended, strconv.FormatFloat(r.Seconds, 'f', 3, 64), r.User, r.Host, r.mode(), r.Command,
			r.Outcome, r.Reason, r.Plan, strconv.FormatInt(r.Serial, 10), strconv.FormatInt(r.SerialAfter, 10),
			strconv.Itoa(r.Accounts), strconv.Itoa(r.Applied), strconv.Itoa(r.Withheld), strconv.Itoa(len(r.Failures)),
		}
		for _, key := range keys {
			row = append(row, strconv.Itoa(r.Counts[key]))
		}
		writeSafe(out, row)
	}
	out.Flush()
	return out.Error()
}

// RowOutcome tells what became of a row of a run's plan: "applied", "withheld",
// "failed" with the error, or "not_applied" in a run that changed nothing.
func (r *Run) RowOutcome(c *plan.Change) (outcome, failure string) {
	switch {
	case !r.Changed:
		return "not_applied", ""
	case c.Withheld:
		return "withheld", ""
	}
	account := c.After
	if account == nil {
		account = c.Before
	}
	if i, failed := slices.BinarySearchFunc(r.Failures, account.Primary.String(), func(f RunFailure, x string) int { return strings.Compare(f.Account, x) }); failed {
		return "failed", r.Failures[i].Error
	}
	return "applied", ""
}

// RunText writes a run with each change of its plan. Failures must be in order
// of their accounts.
func RunText(w io.Writer, r *Run, p *plan.Plan, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.put(bold, fmt.Sprintf("Run %d: ", r.Number))
	o.cell(r.outcome())
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
	fact("by", r.User+" on "+r.Host+", "+r.mode())
	fact("command", r.Command)
	fact("plan", r.Plan)
	if r.Undoes > 0 {
		fact("undoes", "run "+number(r.Undoes))
	}
	fact("only", strings.Join(r.Only, ", "))
	fact("except", strings.Join(r.Except, ", "))
	fact("rows", r.counts())
	if r.Changed {
		fact("state", fmt.Sprintf("version %d became %d", r.Serial, r.SerialAfter))
	}
	sum := p.Summary()
	for _, c := range order {
		o.category(p, c, sum.Changes[c], opt)
	}
	if n := len(r.Failures); n > 0 {
		o.title("failed", count(n, "account could not be changed", "accounts could not be changed"))
		t := table[*RunFailure]{
			columns: failureColumns,
			sign:    refused, rows: opt.cut(n), row: func(i int) *RunFailure { return &r.Failures[i] },
		}
		t.all(o)
		o.cut(n-t.rows, opt)
	}
	o.end()
	switch {
	case r.Outcome == "unfinished":
		o.prose(0, "unfinished: ", bold, "the run goes on, or was ended from outside; the next one finds out")
	case !r.Changed && len(p.Changes) > 0:
		o.prose(0, "nothing was changed: ", bold, "this is what the plan would have done")
	case !r.Changed && r.Accounts > 0:
		o.prose(0, "nothing was changed: ", bold, "the changes of the plan are not recorded one by one")
	case !r.Changed:
		o.prose(0, "nothing was changed", bold, "")
	default:
		done := count(r.Applied, "account", "accounts") + " changed"
		if r.Withheld > 0 {
			done += ", " + number(r.Withheld) + " withheld by a limit"
		}
		if n := len(r.Failures); n > 0 {
			done += ", " + number(n) + " failed"
		}
		o.prose(0, clean(r.Outcome)+": ", bold, done)
	}
	return o.flush()
}

// RunCSV writes the changes of a run's plan as [CSV] does, with the outcome and
// the error of each. Failures must be in order of their accounts.
func RunCSV(w io.Writer, r *Run, p *plan.Plan) error {
	out := csv.NewWriter(w)
	out.Write(append(slices.Clone(planHeader), "outcome", "error"))
	cells := make([]string, 0, len(planHeader)+2)
	for i := range p.Changes {
		outcome, failure := r.RowOutcome(&p.Changes[i])
		writeSafe(out, append(changeCells(cells[:0], &p.Changes[i]), outcome, failure))
	}
	out.Flush()
	return out.Error()
}

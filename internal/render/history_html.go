package render

import (
	"bufio"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

//go:embed html/history.css
var historyStyle template.CSS

// historyPage is a page about runs. Its texts are clean.
type historyPage struct {
	Policy       string
	Style        template.CSS
	Title, About string
	Facts        []reportFact
	Last         string
	Line         *timeLine
	Runs         []runGroup
	Past         *pastTable
}

// HistoryHTML writes a page of runs, oldest first, that needs no other file, no
// network and no script: what they did on a time line, the same in figures, and each
// run, the newest first. Times are in UTC.
func HistoryHTML(w io.Writer, runs []run.Run) error {
	h := historyPage{Title: "rollcall history", About: "no run is recorded yet"}
	if len(runs) > 0 {
		h.Line = newTimeLine(runs)
		h.About = count(len(runs), "run", "runs") + h.Line.period()
		h.Facts, h.Runs = runFacts(runs), groupedRuns(runs)
		h.Last = lastRun(&runs[len(runs)-1])
	}
	return h.write(w)
}

// pastAbout counts the runs of an address, and those that changed something.
func pastAbout(all []Past) string {
	changed := 0
	for i := range all {
		if all[i].Run.Outcome.Changed() {
			changed++
		}
	}
	const what = " changed who has it, or its account"
	if changed == len(all) {
		return count(len(all), "run", "runs") + what
	}
	return count(len(all), "run", "runs") + ", " + number(changed) + " of which" + what
}

// PastHTML writes the table of [PastText] as such a page, the newest run first.
func PastHTML(w io.Writer, x identity.Address, all []Past) error {
	h := historyPage{Title: "rollcall history of " + clean(x.String()), About: pastAbout(all)}
	h.Past = &pastTable{}
	columns := pastColumns(x)
	for _, c := range columns {
		h.Past.Heads = append(h.Past.Heads, c.head)
	}
	for _, p := range slices.Backward(all) {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.cell(&p, false).plain()
		}
		h.Past.Rows = append(h.Past.Rows, row)
	}
	return h.write(w)
}

type pastTable struct {
	Heads []string
	Rows  [][]string
}

func (h *historyPage) write(w io.Writer) error {
	h.Style = baseStyle + historyStyle
	h.Policy = policy("", h.Style)
	out := bufio.NewWriterSize(w, 1<<16)
	if err := report.ExecuteTemplate(out, "history", h); err != nil {
		return err
	}
	return out.Flush()
}

// runFigures are the numbers of a run, or of several. They count runs by how they
// ended, accounts, and changes of the plans that were applied; of rejections and drift,
// several runs have the most that one of them had.
type runFigures struct {
	Runs, Applied, Unchanged, Failed int
	Accounts, Comes, Alters, Goes    int
	Withheld, Rejections, Drift      int
}

func figuresOf(r *run.Run) runFigures {
	f := runFigures{Runs: 1, Accounts: r.Applied, Withheld: r.Withheld, Rejections: r.Summary["rejection"], Drift: r.Summary["drift"]}
	switch outcome(r).style {
	case green:
		f.Applied = 1
	case red:
		f.Failed = 1
	default:
		f.Unchanged = 1
	}
	if r.Outcome.Changed() {
		withheld := r.Summary["withheld"]
		for _, c := range slices.Backward(order) { // what takes something away comes last
			n := r.Summary[c.String()]
			kept, known := r.Summary["withheld_"+c.String()]
			if !known && c.Loses() { // of an older run
				kept = min(n, withheld)
			}
			n, withheld = n-kept, withheld-kept
			switch categories[c].sign {
			case comes:
				f.Comes += n
			case goes:
				f.Goes += n
			default:
				f.Alters += n
			}
		}
	}
	return f
}

func (f *runFigures) add(g runFigures) {
	f.Runs, f.Applied, f.Unchanged, f.Failed = f.Runs+g.Runs, f.Applied+g.Applied, f.Unchanged+g.Unchanged, f.Failed+g.Failed
	f.Accounts, f.Comes, f.Alters, f.Goes = f.Accounts+g.Accounts, f.Comes+g.Comes, f.Alters+g.Alters, f.Goes+g.Goes
	f.Withheld, f.Rejections, f.Drift = f.Withheld+g.Withheld, max(f.Rejections, g.Rejections), max(f.Drift, g.Drift)
}

// Cells are the figures that a line of a table has, without those that are 0.
func (f *runFigures) Cells() []string {
	all := []int{f.Accounts, f.Comes, f.Alters, f.Goes, f.Withheld, f.Rejections, f.Drift}
	texts := make([]string, len(all))
	for i, n := range all {
		if n != 0 {
			texts[i] = number(n)
		}
	}
	return texts
}

func runFacts(runs []run.Run) []reportFact {
	var f runFigures
	for i := range runs {
		f.add(figuresOf(&runs[i]))
	}
	facts := []reportFact{{number(f.Runs), oneOf(f.Runs, "run", "runs"), ""}}
	add := func(n int, noun, kind string) {
		if n > 0 {
			facts = append(facts, reportFact{number(n), noun, kind})
		}
	}
	add(f.Accounts, oneOf(f.Accounts, "account change", "account changes"), kinds[alters])
	add(f.Unchanged, oneOf(f.Unchanged, "run without a change", "runs without a change"), kinds[skipped])
	add(f.Failed, oneOf(f.Failed, "run with errors", "runs with errors"), kinds[goes])
	return facts
}

func lastRun(r *run.Run) string {
	f := figuresOf(r)
	text := "run " + number(r.Number)
	if !r.Started.IsZero() {
		text += " of " + moment(r.Started)
	}
	text += ": " + outcome(r).plain()
	add := func(n int, one, many string) {
		if n > 0 {
			text += ", " + count(n, one, many)
		}
	}
	add(f.Accounts, "account changed", "accounts changed")
	add(f.Withheld, "account withheld", "accounts withheld")
	add(f.Rejections, "rejection", "rejections")
	add(f.Drift, "difference in the console", "differences in the console")
	if r.Reason != "" {
		text += "; " + clean(r.Reason)
	}
	return text
}

// --- the time line -----------------------------------------------------

// timeLine is what runs did in equal parts of the time from the first to the last.
type timeLine struct {
	// Unit is how long a part is, as in "day".
	Unit string
	// Panels are charts with a bar for each part; Empty names the figures that are 0
	// in every part.
	Panels []timePanel
	Empty  string
	Ticks  []timeTick
	// Slots are the parts in which anything ran.
	Slots       []timeSlot
	first, last time.Time
}

type timeSlot struct {
	Name    string
	Figures runFigures
}

// timePanel is one chart: what it counts, the largest sum of a bar, its colours where
// it has several, and its bars.
type timePanel struct {
	Name, Most string
	Legend     []timeSeries
	Bars       []timeBar
}

type timeSeries struct {
	Kind, Name string
	of         func(*runFigures) int
}

// timeBar is the bar of a part, of one piece for each colour. Its lengths are in
// percent of the chart's width, and in pixels.
type timeBar struct {
	X, Width, Text string
	Pieces         []timePiece
}

type timePiece struct{ Kind, Y, Height string }

// timeTick is a name on the axis.
type timeTick struct {
	X, Text, Anchor string
	Spare           bool // left out where there is little room
}

const (
	mostSlots   = 120
	panelHeight = 64 // pixels
)

// timeUnit is a length of time that a calendar knows.
type timeUnit struct {
	name, layout string
	floor        func(time.Time) time.Time
	years        int
	months       int
	days         int
	hours        int
}

func (u *timeUnit) next(t time.Time) time.Time {
	return t.AddDate(u.years, u.months, u.days).Add(time.Duration(u.hours) * time.Hour)
}

// timeUnits are tried until all runs are in so few parts that one can see them.
var timeUnits = []timeUnit{
	{name: "hour", layout: "2006-01-02 15:04", hours: 1, floor: func(t time.Time) time.Time { return t.Truncate(time.Hour) }},
	{name: "day", layout: day, days: 1, floor: dayOf},
	{name: "week", layout: day, days: 7, floor: func(t time.Time) time.Time { return dayOf(t).AddDate(0, 0, -(int(t.Weekday())+6)%7) }},
	{name: "month", layout: "2006-01", months: 1, floor: func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }},
	{name: "year", layout: "2006", years: 1, floor: func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) }},
	{name: "hundred years", layout: "2006", years: 100, floor: func(t time.Time) time.Time { return time.Date(t.Year()/100*100, 1, 1, 0, 0, 0, 0, time.UTC) }},
}

func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// newTimeLine lays out the runs that have a time. It is nil if none has.
func newTimeLine(runs []run.Run) *timeLine {
	l := &timeLine{}
	for i := range runs {
		t := runs[i].Started.UTC()
		if t.IsZero() {
			continue
		}
		if l.first.IsZero() || t.Before(l.first) {
			l.first = t
		}
		if t.After(l.last) {
			l.last = t
		}
	}
	if l.first.IsZero() {
		return nil
	}
	unit, starts := l.parts()
	figures := make([]runFigures, len(starts))
	for i := range runs {
		if t := runs[i].Started.UTC(); !t.IsZero() {
			n, exact := slices.BinarySearchFunc(starts, t, time.Time.Compare)
			if !exact {
				n--
			}
			figures[n].add(figuresOf(&runs[i]))
		}
	}
	l.Unit = unit.name
	for i := range starts {
		if figures[i].Runs > 0 {
			l.Slots = append(l.Slots, timeSlot{starts[i].Format(unit.layout), figures[i]})
		}
	}
	l.panels(unit, starts, figures)
	l.ticks(unit, starts)
	return l
}

// parts returns the smallest unit in which the runs are in few parts, and when these
// begin.
func (l *timeLine) parts() (unit *timeUnit, starts []time.Time) {
	for i := range timeUnits {
		unit, starts = &timeUnits[i], starts[:0]
		for t := unit.floor(l.first); !t.After(l.last) && len(starts) <= mostSlots; t = unit.next(t) {
			starts = append(starts, t)
		}
		if len(starts) <= mostSlots {
			break
		}
	}
	return unit, starts
}

// period says from when to when there are runs.
func (l *timeLine) period() string {
	if l == nil {
		return ""
	}
	from, to := l.first.Format(day), l.last.Format(day)
	if from == to {
		return " on " + from
	}
	return ", " + from + " to " + to
}

var timePanels = []struct {
	name, one, many string
	series          []timeSeries
}{
	{"Runs", "run", "runs", []timeSeries{
		{kinds[comes], "applied", func(f *runFigures) int { return f.Applied }},
		{kinds[alters], "without a change", func(f *runFigures) int { return f.Unchanged }},
		{kinds[goes], "with errors", func(f *runFigures) int { return f.Failed }},
	}},
	{"Accounts changed", "account", "accounts", []timeSeries{{"", "", func(f *runFigures) int { return f.Accounts }}}},
	{"Changes by kind", "change", "changes", []timeSeries{
		{kinds[comes], "additions", func(f *runFigures) int { return f.Comes }},
		{kinds[alters], "modifications", func(f *runFigures) int { return f.Alters }},
		{kinds[goes], "losses", func(f *runFigures) int { return f.Goes }},
	}},
	{"Rejections", "rejection", "rejections", []timeSeries{{kinds[rejected], "", func(f *runFigures) int { return f.Rejections }}}},
	{"Accounts withheld by a limit", "account", "accounts", []timeSeries{{kinds[goes], "", func(f *runFigures) int { return f.Withheld }}}},
	{"Drift", "difference", "differences", []timeSeries{{kinds[drifted], "", func(f *runFigures) int { return f.Drift }}}},
}

func (l *timeLine) panels(unit *timeUnit, starts []time.Time, figures []runFigures) {
	var empty []string
	for _, p := range timePanels {
		sum := func(f *runFigures) (n int) {
			for _, s := range p.series {
				n += s.of(f)
			}
			return n
		}
		most := 0
		for i := range figures {
			most = max(most, sum(&figures[i]))
		}
		if most == 0 {
			empty = append(empty, strings.ToLower(p.name))
			continue
		}
		panel := timePanel{Name: p.name, Most: count(most, p.one, p.many)}
		for _, s := range p.series {
			if s.Name != "" && slices.ContainsFunc(figures, func(f runFigures) bool { return s.of(&f) > 0 }) {
				panel.Legend = append(panel.Legend, s)
			}
		}
		step := 100 / float64(len(starts))
		width := min(0.8*step, 3)
		for i := range figures {
			if sum(&figures[i]) == 0 {
				continue
			}
			bar := timeBar{X: percent((float64(i)+0.5)*step - width/2), Width: percent(width), Text: starts[i].Format(unit.layout) + ": " + count(sum(&figures[i]), p.one, p.many)}
			foot := float64(panelHeight)
			for _, s := range p.series {
				n := s.of(&figures[i])
				if n == 0 {
					continue
				}
				if len(p.series) > 1 {
					bar.Text += ", " + number(n) + " " + s.Name
				}
				height := min(max(panelHeight*float64(n)/float64(most), 2), foot)
				foot -= height
				bar.Pieces = append(bar.Pieces, timePiece{s.Kind, pixels(foot), pixels(height)})
			}
			panel.Bars = append(panel.Bars, bar)
		}
		l.Panels = append(l.Panels, panel)
	}
	l.Empty = strings.Join(empty, ", ")
}

func percent(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }

func pixels(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// ticks names the first part, the last, and three between them.
func (l *timeLine) ticks(unit *timeUnit, starts []time.Time) {
	const gaps = 4
	last := len(starts) - 1
	for i := range gaps + 1 {
		n := i * last / gaps
		if i > 0 && n == (i-1)*last/gaps {
			continue
		}
		tick := timeTick{X: percent((float64(n) + 0.5) * 100 / float64(len(starts))), Text: starts[n].Format(unit.layout), Anchor: "middle", Spare: i%2 == 1}
		switch {
		case n == 0:
			tick.X, tick.Anchor = "0%", "start"
		case n == last:
			tick.X, tick.Anchor = "100%", "end"
		}
		l.Ticks = append(l.Ticks, tick)
	}
}

// --- the runs ----------------------------------------------------------

// runGroup are the runs of a month.
type runGroup struct {
	Name, Text string
	Open       bool
	Rows       []runRow
}

type runRow struct {
	Number, Started, By, How, Kind, Outcome, Serial, Remarks string
	Figures                                                  runFigures
}

// outcomeKinds are the classes of outcomes by their colours.
var outcomeKinds = map[style]string{green: kinds[comes], red: kinds[goes], yellow: kinds[alters]}

func groupedRuns(runs []run.Run) (groups []runGroup) {
	// As many runs are open as one looks at at once.
	const wanted, most = 25, 400
	shown := 0
	for end := len(runs); end > 0; {
		begin, month := end-1, monthOf(&runs[end-1])
		for begin > 0 && monthOf(&runs[begin-1]) == month {
			begin--
		}
		var f runFigures
		g := runGroup{Name: month, Open: shown == 0 || shown < wanted && end-begin < most}
		for i := end - 1; i >= begin; i-- {
			row := rowOf(&runs[i])
			f.add(row.Figures)
			g.Rows = append(g.Rows, row)
		}
		g.Text = count(f.Runs, "run", "runs") + ", " + count(f.Accounts, "account changed", "accounts changed")
		if f.Failed > 0 {
			g.Text += ", " + count(f.Failed, "run", "runs") + " with errors"
		}
		groups = append(groups, g)
		shown += end - begin
		end = begin
	}
	return groups
}

func monthOf(r *run.Run) string {
	if r.Started.IsZero() {
		return "without a time"
	}
	return r.Started.UTC().Format("2006-01")
}

func rowOf(r *run.Run) runRow {
	end := outcome(r)
	row := runRow{
		Number: strconv.Itoa(r.Number), How: mode(r), Kind: outcomeKinds[end.style], Outcome: end.plain(),
		Serial: strconv.FormatInt(max(r.Serial, r.SerialAfter), 10), Figures: figuresOf(r),
	}
	if !r.Started.IsZero() {
		row.Started = r.Started.UTC().Format("2006-01-02 15:04")
	}
	if r.User != "" {
		row.By = clean(r.User + "@" + r.Host)
	}
	var remarks []string
	if r.Undoes > 0 {
		remarks = append(remarks, "takes back run "+number(r.Undoes))
	}
	if r.Reason != "" {
		remarks = append(remarks, clean(r.Reason))
	}
	if n := len(r.Failures); n > 0 {
		remarks = append(remarks, count(n, "account", "accounts")+" failed")
	}
	row.Remarks = strings.Join(remarks, "; ")
	return row
}

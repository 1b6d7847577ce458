package render

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

const (
	// longestReport is how many octets a report has at most, and so characters:
	// GitHub takes comments of 65,536 characters.
	longestReport = 65_000
	// longestCell is how wide a value is at most in terminal cells; the middle
	// of a longer one is left out.
	longestCell = 120
	// longestRemark is how wide a sentence is at most, and mostRemarks how many
	// of a kind there are.
	longestRemark, mostRemarks = 400, 20
	// octetsPerCell is how many octets a value has at most for each cell that it
	// may be wide: marks that take no cell are not without end.
	octetsPerCell = 2
)

// Markdown writes a plan as the comment of a pull request: what it comes to,
// what that means, and a collapsible section for each category and each reason
// of refusal. It says nothing of times and servers, so that two reports differ
// only where the plans do. A report that is too long is cut, each section in
// its turn, and says how much of it is missing.
func Markdown(w io.Writer, p *plan.Plan, advice Advice) error {
	s := p.Summary()
	r := comment{full: advice.full()}
	r.verdict(p)
	r.counts(p, &s)
	r.remarks(p, &s, &advice)
	r.meaning(p)
	r.reading(p)
	if s.Pending() > 0 {
		r.put("%s\n\n", markdown(advice.next()))
	}
	r.drift(p)
	r.categories(p, nil)
	r.leftOut(p.LeftOut)
	r.rejections(p.Rejections)
	return r.write(w)
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
	fact("rows", counts(&past.Run))
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
	{head: "because", wraps: true, cell: func(f *run.Failure, _ bool) cell { return text(f.Error) }},
}

// RunsMarkdown writes a table of runs, the newest first, for what is too much
// is cut at the end.
func RunsMarkdown(w io.Writer, runs []run.Run) error {
	r := comment{full: "rollcall history"}
	r.put("## rollcall history: %s\n\n", count(len(runs), "run", "runs"))
	addSection(&r, "", "", "", runColumns, len(runs), func(i int) *run.Run { return &runs[len(runs)-1-i] })
	return r.write(w)
}

// AccountsMarkdown writes a table of accounts.
func AccountsMarkdown(w io.Writer, accounts []identity.Account) error {
	r := comment{full: "rollcall state list"}
	r.put("## rollcall state: %s\n\n", count(len(accounts), "account", "accounts"))
	addSection(&r, "", "", "", accountColumns, len(accounts), func(i int) *identity.Account { return &accounts[i] })
	return r.write(w)
}

// comment is a Markdown page whose tables are cut to the length that it may have.
type comment struct {
	head     strings.Builder
	sections []section
	full     string // the command that shows all
}

// section is a table below its title, which is the line that opens and closes
// it; without a title it is always open.
type section struct {
	title string // of own words
	lead  string // stands above the table
	head  string
	rows  []string // as many as could ever be shown
	total int
}

// ends are what stands around the rows of a section.
func (s *section) ends(shown int) (before, after string) {
	if s.title != "" {
		before, after = "<details><summary>"+s.title+"</summary>\n\n", "</details>\n\n"
	}
	if s.lead != "" {
		before += s.lead + "\n\n"
	}
	more := ""
	if shown < s.total {
		more = "… " + number(s.total-shown) + " more\n\n"
	}
	return before + s.head, "\n" + more + after
}

func (r *comment) put(format string, args ...any) { fmt.Fprintf(&r.head, format, args...) }

// write writes the page, with as many rows of each section as there is room for.
func (r *comment) write(w io.Writer) error {
	const notice = 300 // octets, at most, of what is said about a cut
	room := longestReport - r.head.Len() - notice - len(r.full)
	needs := make([]int, len(r.sections))
	for i := range r.sections {
		before, after := r.sections[i].ends(-1)
		room -= len(before) + len(after)
		for _, row := range r.sections[i].rows {
			needs[i] += len(row)
		}
	}
	var body strings.Builder
	shares := share(room, needs)
	shown, total := 0, 0
	left := 0 // of the shares of the sections before, too little for a row
	for i := range r.sections {
		s := &r.sections[i]
		left += shares[i]
		n := 0
		for ; n < len(s.rows) && len(s.rows[n]) <= left; n++ {
			left -= len(s.rows[n])
		}
		before, after := s.ends(n)
		body.WriteString(before)
		for _, row := range s.rows[:n] {
			body.WriteString(row)
		}
		body.WriteString(after)
		shown += n
		total += s.total
	}
	if shown < total {
		r.put("**%s of %s rows are not shown here**, where only so much has room. All of them: %s\n\n",
			number(total-shown), number(total), code(r.full))
	}
	_, err := io.WriteString(w, r.head.String()+strings.TrimSuffix(body.String(), "\n"))
	return err
}

// share divides room among needs: none gets more than it needs, and those that
// do not get all get the same.
func share(room int, needs []int) []int {
	shares := make([]int, len(needs))
	byNeed := make([]int, len(needs))
	for i := range byNeed {
		byNeed[i] = i
	}
	slices.SortFunc(byNeed, func(a, b int) int { return cmp.Compare(needs[a], needs[b]) })
	for n, i := range byNeed {
		shares[i] = max(min(needs[i], room/(len(needs)-n)), 0)
		room -= shares[i]
	}
	return shares
}

// addSection adds a section with the columns that any of its rows fills.
func addSection[T any](r *comment, name, meaning, lead string, columns []column[T], n int, row func(i int) T) {
	s := section{lead: lead, total: n}
	if name != "" {
		s.title = "<b>" + name + "</b>: " + meaning
	}
	var rows [][]string
	used := make([]bool, len(columns))
	for i, size := 0, 0; i < n && size <= longestReport; i++ {
		one := row(i)
		cells := make([]string, len(columns))
		for c := range columns {
			limit := longestCell
			switch {
			case c == 0:
				limit = longestSubject
			case columns[c].wraps:
				limit = longestRemark
			}
			shown := bounded(columns[c].cell(one, false), limit)
			if cells[c] = inert(shown); c == 0 && cells[c] != shown {
				cells[c] = code(shown)
			}
			used[c] = used[c] || cells[c] != ""
			size += len(cells[c]) + 3
		}
		rows = append(rows, cells)
	}
	head, line := "|", "|"
	for c := range columns {
		if used[c] {
			head, line = head+" "+columns[c].head+" |", line+"---|"
		}
	}
	s.head = head + "\n" + line + "\n"
	for _, cells := range rows {
		var shown []string
		for c := range cells {
			if used[c] {
				shown = append(shown, cells[c])
			}
		}
		s.rows = append(s.rows, tableRow(shown...))
	}
	if n == 0 {
		s.head = ""
	}
	if n > 0 || lead != "" {
		r.sections = append(r.sections, s)
	}
}

// plain is the text of a cell as it is without colour.
func (c cell) plain() string {
	if c.spans == nil {
		return c.text
	}
	var b strings.Builder
	for _, s := range c.spans {
		b.WriteString(s.text)
	}
	return b.String()
}

// verdict is the title.
func (r *comment) verdict(p *plan.Plan) {
	title := "rollcall"
	if p.Undoes > 0 {
		title += ", to undo run " + number(p.Undoes)
	}
	r.put("## %s: %s\n\n", title, p.Verdict())
	for _, cause := range p.Causes {
		r.put("**%s**\n\n", remark(cause))
	}
	if p.Redacted {
		r.put("Masks stand for addresses, names, DNs and GUIDs: equal ones for equal values.\n\n")
	}
}

// counts is the table of the summary.
func (r *comment) counts(p *plan.Plan, s *plan.Summary) {
	r.put("| | | | |\n|---|---|---:|---|\n")
	line := func(sign, name string, n int, one, many string) {
		if n > 0 {
			r.put("| %s | %s | %s | %s |\n", sign, markdown(name), number(n), oneOf(n, one, many))
		}
	}
	for _, c := range order {
		k := &categories[c]
		line(k.sign.text, c.String(), s.Changes[c], k.one, k.many)
	}
	line("", "withheld", s.Withheld, "of these changes is withheld by a brake", "of these changes are withheld by a brake")
	line(skipped.text, "left_out", s.LeftOut, "more change is left out: not selected", "more changes are left out: not selected")
	line(rejected.text, "rejected", s.Rejections, "rejected; see below for what to do", "rejected; see below for what to do")
	line("", "drift", len(p.Drift), driftOne, driftMany)
	line("", "ignored", s.Ignored, ignoredOne, ignoredMany)
	r.put("| | unchanged | %s | %s |\n\n", number(s.Unchanged), oneOf(s.Unchanged, "account unchanged", "accounts unchanged"))
}

// meaning is the risk in words.
func (r *comment) meaning(p *plan.Plan) {
	risks := p.Risks
	if len(risks) == 0 {
		return
	}
	r.put("**Risk: %s**\n\n", plan.RiskOf(risks))
	list := make([]string, len(risks))
	for i := range risks {
		list[i] = riskRemark(&risks[i])
	}
	r.list(list)
}

// riskRemark is a risk in words, "" for none.
func riskRemark(r *plan.Risk) string {
	switch {
	case r == nil:
		return ""
	case r.Level >= plan.MediumRisk:
		return "**" + r.Level.String() + "**: " + remark(r.Text())
	}
	return remark(r.Text())
}

// list writes remarks as a list, as many as there may be.
func (r *comment) list(remarks []string) {
	for _, text := range remarks[:min(len(remarks), mostRemarks)] {
		r.put("- %s\n", text)
	}
	if n := len(remarks) - mostRemarks; n > 0 {
		r.put("- … %s more\n", number(n))
	}
	if len(remarks) > 0 {
		r.put("\n")
	}
}

// remarks tell what a reader should know before all else.
func (r *comment) remarks(p *plan.Plan, s *plan.Summary, advice *Advice) {
	var list []string
	if s.Withheld > 0 {
		list = append(list, "**Withheld**: "+remark(Withholding(p))+"; every other change goes ahead. "+
			"If that is meant: "+code(advice.lifting(p)))
	}
	r.list(append(list, warnings(p)...))
}

// warnings are those of a plan as remarks.
func warnings(p *plan.Plan) (all []string) {
	for _, warning := range p.Warnings {
		all = append(all, "**Warning**: "+remark(warning))
	}
	return all
}

// reading tells what was read and what was selected.
func (r *comment) reading(p *plan.Plan) {
	var read []string
	for i := range p.Directories {
		d := &p.Directories[i]
		told := d.Name + " (" + d.Kind + ", " + count(d.Entries, "entry", "entries")
		if over := passedOver(&d.PassedOver); over != "" {
			told += ", " + over
		}
		if !d.Complete {
			told += ", incomplete"
		}
		read = append(read, told+")")
	}
	r.names("Read", read)
	if c := otherConsole(&p.Header); c != nil {
		r.names("Console", []string{c.Name + " (" + strings.Join(slices.Concat([]string{c.Kind}, productOf(c), []string{heldBy(c)}), ", ") + ")"})
	}
	r.names("Not read", p.Unread)
	r.names("Only", p.Only)
	r.names("Except", p.Except)
}

// names is a paragraph of names behind a label, for an item would continue the
// list above it.
func (r *comment) names(label string, all []string) {
	if len(all) > 0 {
		r.put("%s: %s\n\n", label, remark(strings.Join(all, ", ")))
	}
}

// categories adds the sections of changes, with what became of each in a run.
func (r *comment) categories(p *plan.Plan, past *run.Record) {
	var became func(*plan.Change) (outcome, failure string)
	if past != nil {
		became = RowOutcomes(past, p.Accounts)
	}
	sum, groups := p.Summary(), p.Grouping()
	for _, c := range order {
		n := sum.Changes[c]
		if n == 0 {
			continue
		}
		first, rows := firstOf(p, c), rowsOf(p, c, n)
		meaning := meaningOf(c, rows)
		lead := ""
		if past == nil {
			lead = groupList(groupsOf(groups.Groups, c))
		}
		single := make([]*plan.Change, 0, n)
		for i := range rows {
			if _, grouped := groups.In(first + i); !grouped || past != nil {
				single = append(single, &rows[i])
			}
		}
		// What tells objects apart helps nobody who cannot look at them.
		columns := slices.DeleteFunc(slices.Clone(columnsOf(c, severalDirectories(p))), func(c changeColumn) bool { return c.head == guid.head })
		if became != nil {
			columns = append(columns, changeColumn{head: "outcome", cell: func(x *change, _ bool) cell {
				outcome, _ := became(x.Change)
				return text(outcome)
			}})
		}
		addSection(r, c.String(), meaning, lead, columns, len(single), func(i int) *change { return &change{single[i], single[i].Row()} })
	}
}

// groupList is a list of groups of equal changes.
func groupList(groups []plan.Group) string {
	var lines []string
	for i := range groups[:min(len(groups), mostRemarks)] {
		g := &groups[i]
		lines = append(lines, "- **"+g.Counted()+"**: "+remark(groupText(g)))
	}
	if more := len(groups) - mostRemarks; more > 0 {
		lines = append(lines, "- … "+count(more, "more group", "more groups"))
	}
	return strings.Join(lines, "\n")
}

// rowsOf returns the n rows of a category.
func rowsOf(p *plan.Plan, c plan.Category, n int) []plan.Change {
	first := firstOf(p, c)
	return p.Changes[first : first+n]
}

// firstOf returns the index of the first row of a category.
func firstOf(p *plan.Plan, c plan.Category) int {
	first, _ := slices.BinarySearchFunc(p.Changes, c, func(x plan.Change, c plan.Category) int { return cmp.Compare(x.Category, c) })
	return first
}

func (r *comment) leftOut(all []plan.LeftOut) {
	addSection(r, "left_out", count(len(all), "change is not made: not selected", "changes are not made: not selected"), "", omittedColumns, len(all),
		func(i int) *omitted { return &omitted{&all[i], all[i].Row()} })
}

// remedyColumn says what to do about a rejection.
var remedyColumn = rejectionColumn{head: "what to do", cell: func(r *plan.Rejection, _ bool) cell { return text(r.Remedy(plan.Names{})) }}

// rejections adds the sections of refusals, those that are new first. A remedy
// that all of a reason share is told once.
func (r *comment) rejections(all []plan.Rejection) {
	for len(all) > 0 {
		reason := all[0].Reason
		n, _ := slices.BinarySearchFunc(all, reason+1, func(x plan.Rejection, next plan.Reason) int { return cmp.Compare(x.Reason, next) })
		group := newFirst(all[:n])
		all = all[n:]
		meaning := number(n) + " rejected, " + reason.Meaning()
		if fresh := newOnes(group); fresh > 0 {
			meaning += ", " + number(fresh) + " new"
		}
		columns, lead := rejectionColumns, "**What to do**: "+remark(group[0].Remedy(plan.Names{}))
		if slices.ContainsFunc(group, func(x plan.Rejection) bool { return x.Remedy(plan.Names{}) != group[0].Remedy(plan.Names{}) }) {
			columns, lead = append(slices.Clone(columns), remedyColumn), ""
		}
		addSection(r, reason.String(), meaning, lead, columns, n, func(i int) *plan.Rejection { return &group[i] })
	}
}

// newFirst returns rejections with those before all others that are marked as
// new.
func newFirst(group []plan.Rejection) []plan.Rejection {
	if newOnes(group) == 0 {
		return group
	}
	group = slices.Clone(group)
	slices.SortStableFunc(group, func(x, y plan.Rejection) int {
		switch {
		case x.New == y.New:
			return 0
		case x.New:
			return -1
		}
		return 1
	})
	return group
}

// remark is a sentence of a bearable length.
func remark(s string) string { return inert(bounded(text(s), longestRemark)) }

// bounded is the text of a cell that is so wide at most. Of one that has too many
// octets for that, the middle is left out, too.
func bounded(c cell, limit int) string {
	s := c.fit(limit).plain()
	if len(s) <= limit*octetsPerCell {
		return s
	}
	head, tail := ends(s, limit*octetsPerCell)
	return head + "…" + tail
}

// tableRow is a row of a table. Bars, which are in code spans alone, are escaped
// in its cells, where a backslash before them would undo that.
func tableRow(cells ...string) string {
	row := "|"
	for _, c := range cells {
		row += " " + strings.NewReplacer(`\|`, `\x7c`, "|", `\|`).Replace(c) + " |"
	}
	return row + "\n"
}

// markdown makes a value or a sentence fit for a line of Markdown or for
// [tableRow]: it is shown as it is, and is no markup, link, reference or
// mention. Words that could be any of these become code, the only place where
// GitHub and GitLab look for none.
func markdown(s string) string { return inert(clean(s)) }

// inert is markdown for a text that is clean.
func inert(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		switch {
		case w == "->":
			words[i] = "→"
		case harmless(w) && (i > 0 || !leading.MatchString(w)):
			words[i] = strings.ReplaceAll(w, "_", `\_`)
		case i < len(words)-1 && strings.HasSuffix(w, ",") && !strings.HasSuffix(w, `\,`):
			words[i] = code(strings.TrimSuffix(w, ",")) + "," // which parts a list
		default:
			words[i] = code(w)
		}
	}
	return strings.Join(words, " ")
}

// lively finds what becomes a link, an emoji or a reference without any markup:
// addresses of the web, :smile:, GH-1, GL-1 and the names of commits.
var lively = regexp.MustCompile(`(?i)://|www\.|:[a-z0-9_+-]*[a-z+-][a-z0-9_+-]*:|:[0-9]{3,}:|\bg[hl]-[0-9]|[0-9a-f]{7}`)

// leading finds what begins a list, a heading, a rule or a command at the head of a line.
var leading = regexp.MustCompile(`^(/.*|[-+=_]+|[0-9]+[.)])$`)

// harmless reports whether a word has nothing but letters, digits and signs
// that mean nothing within a line.
func harmless(w string) bool {
	for i := 0; i < len(w); i++ {
		if c := w[i]; c < utf8.RuneSelf && !word(c) && strings.IndexByte(`.,;:'"()-_=/+?`, c) < 0 {
			return false
		}
	}
	return !lively.MatchString(w)
}

func word(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// code is a clean text as a code span, in a fence that is longer than any in the
// text.
func code(s string) string {
	run, longest := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

package render

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Markdown writes a plan as the comment of a pull request: what it comes to,
// what that means, and a collapsible section for each category and each reason
// of rejection. It says nothing of times and servers, so that two reports differ
// only where the plans do. A report that is too long is cut, each section in
// its turn, and says how much of it is missing.
func Markdown(w io.Writer, p *plan.Plan, advice Advice) error {
	s := p.Summary()
	r := comment{full: advice.full(), counted: "changes and rejections"}
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
	r.leftOut(p)
	r.rejections(p.Rejections)
	return r.write(w)
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
	for _, l := range tallies(p, s, "below") {
		sign := strings.Trim(l.sign.text, drifted.text) // an asterisk would mean something
		r.put("| %s | %s | %s | %s |\n", sign, markdown(l.name), number(l.n), l.meaning)
	}
	r.put("\n")
}

// meaning is the risk in words.
func (r *comment) meaning(p *plan.Plan) {
	risks := p.Risks
	if len(risks) == 0 {
		return
	}
	level := plan.RiskOf(risks).String()
	if risks[0].Count == 0 && level == plan.NoRisk.String() {
		level += ", " + remark(risks[0].Text())
	}
	r.put("**Risk: %s**\n\n", level)
	var list []string
	for _, risk := range worthSaying(risks) {
		list = append(list, riskRemark(&risk))
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

// remarks say what a reader should know before all else.
func (r *comment) remarks(p *plan.Plan, s *plan.Summary, advice *Advice) {
	var list []string
	if s.Withheld > 0 {
		list = append(list, "**Withheld**: "+remark(Withholding(p))+"; every other change goes ahead. If that is meant: "+code(advice.lifting(p)))
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

// reading says what was read and what was selected.
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
	for i := range p.Prerequisites {
		x := &p.Prerequisites[i]
		read = append(read, x.Name+" (prerequisite, "+listed(x)+")")
	}
	r.names("Read", read)
	if c := otherConsole(&p.Header); c != nil {
		r.names("Console", []string{c.Name + " (" + strings.Join(slices.Concat([]string{c.Kind}, productOf(c), []string{heldBy(c)}), ", ") + ")"})
	}
	r.names("Not read", p.Unread)
	r.names("Only", p.Only)
	r.names("Except", p.Except)
}

// categories adds the sections of changes, with what became of each in a run.
func (r *comment) categories(p *plan.Plan, past *run.Record) {
	var became func(*plan.Change) (outcome, failure string)
	if past != nil {
		became = RowOutcomes(past, p.Accounts)
	}
	sum, several := p.Summary(), severalDirectories(p)
	for _, c := range order {
		n := sum.Changes[c]
		if n == 0 {
			continue
		}
		rows := rowsOf(p, c, n)
		meaning := meaningOf(&sum, c)
		lead := ""
		if past == nil {
			lead = groupList(groupsOf(p.Groups, c))
		}
		single := make([]*plan.Change, 0, n)
		for i := range rows {
			if _, grouped := rows[i].Group(); !grouped || past != nil {
				single = append(single, &rows[i])
			}
		}
		// What tells objects apart helps nobody who cannot look at them.
		columns := slices.DeleteFunc(slices.Clone(columnsOf(c, several)), func(c changeColumn) bool { return c.head == guid.head })
		if became != nil {
			columns = append(columns, changeColumn{head: "outcome", cell: func(x *change, _ bool) cell {
				outcome, _ := became(x.Change)
				return text(outcome)
			}})
		}
		addSection(r, c.String(), meaning, lead, columns, len(single), func(i int) *change { return &change{single[i], single[i].Row()} })
		r.sections[len(r.sections)-1].grouped = n - len(single)
	}
}

// groupList is a list of groups of equal changes.
func groupList(groups []plan.Group) string {
	var lines []string
	for i := range groups[:min(len(groups), mostRemarks)] {
		g := &groups[i]
		lines = append(lines, "- **"+g.Counted()+"** "+phrase(g.Parts()...).markdown(longestCell))
	}
	if more := len(groups) - mostRemarks; more > 0 {
		lines = append(lines, "- … "+count(more, "more group", "more groups"))
	}
	return strings.Join(lines, "\n")
}

// rowsOf returns the n rows of a category.
func rowsOf(p *plan.Plan, c plan.Category, n int) []plan.Change {
	first, _ := slices.BinarySearchFunc(p.Changes, c, func(x plan.Change, c plan.Category) int { return cmp.Compare(x.Category, c) })
	return p.Changes[first : first+n]
}

func (r *comment) leftOut(p *plan.Plan) {
	all := p.LeftOut
	addSection(r, "left_out", leftOutOf(p), "", omittedColumns, len(all),
		func(i int) *omitted { return &omitted{&all[i], all[i].Row()} })
}

// remedyColumn says what to do about a rejection.
var remedyColumn = rejectionColumn{head: "what to do", cell: func(r *plan.Rejection, _ bool) cell { return sentence(plain, r.Remedy(plan.Names{})) }}

// rejections adds the sections of rejections, those that are new first. A remedy
// that all of a reason share is reported once.
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

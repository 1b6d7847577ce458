package render

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TextOptions say how text is laid out. The zero value is for a pipe: as wide
// as it takes, without colour, long tables cut.
type TextOptions struct {
	// Width is that of a line in terminal cells; 0 shortens and wraps no table.
	Width int
	Color bool
	// All shows every row. Otherwise a category or reason of more than Rows+1
	// shows Rows of them, or 12 if Rows is 0.
	All  bool
	Rows int
	Advice
}

// Advice is what a report says of the commands around it.
type Advice struct {
	// Full is the command that shows all rows; "rollcall plan --all" if empty.
	Full string
	// Apply is the command that commits the plan; "rollcall apply" if empty.
	Apply string
	// Again is the command that commits a fresh plan of the same; "rollcall apply"
	// if empty.
	Again string
	// Next is a sentence that says how the changes are committed; that Apply does it
	// if empty.
	Next string
	// Nothing says what it means that there are no changes; that the accounts
	// agree with the directories if empty.
	Nothing string
	// Local counts the local accounts that no entry matched, and ListLocal is
	// the command that lists them.
	Local     int
	ListLocal string
}

func (a *Advice) full() string { return cmp.Or(a.Full, "rollcall plan --all") }
func (a *Advice) next() string {
	return cmp.Or(a.Next, "To apply it: "+cmp.Or(a.Apply, a.Again, "rollcall apply"))
}

// lifting is the command that commits a plan past its brakes.
func (a *Advice) lifting(p *plan.Plan) string {
	return strings.Join(append([]string{cmp.Or(a.Apply, a.Again, "rollcall apply")}, plan.Options(plan.Tripped(p.Allowances))...), " ")
}

// Of a plan with more than manyRows rows and rejections, each table shows fewer, and of
// one with more than mostRows and groups fewer still, so that the plan fits on a screen.
const (
	defaultRows = 12
	fewRows     = 3
	manyRows    = 100
	leastRows   = 1
	mostRows    = 2000
)

// cut returns how many of n rows are shown. No line that says "1 more" takes the
// place of a row.
func (o *TextOptions) cut(n int) int {
	if rows := cmp.Or(o.Rows, defaultRows); !o.All && n > rows+1 {
		return rows
	}
	return n
}

// Text writes a plan for a person who decides on it: its verdict and what a mass
// change comes from, where it comes from, what was changed in the console by hand, a
// table for each category and each reason of rejection, and last, where it stands
// above the prompt, what it comes to and what to do. Equal changes of many accounts
// are one line. Signs are * for what was changed by hand, + for what begins to
// receive mail, - for what stops, ~ for what changes, . for what is left out and ! for
// what is rejected.
func Text(w io.Writer, p *plan.Plan, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	s := p.Summary()
	switch n := len(p.Changes) + len(p.Rejections); {
	case n > mostRows && len(p.Groups) > 0:
		opt.Rows = cmp.Or(opt.Rows, leastRows)
	case n > manyRows:
		opt.Rows = cmp.Or(opt.Rows, fewRows)
	}
	verdict := p.Verdict()
	o.verdict(p, verdict)
	for _, cause := range p.Causes {
		o.prose(0, "! ", yellow, clean(cause))
	}
	o.header(p)
	o.drift(p, opt)
	o.categories(p, &s, opt)
	o.leftOut(p, opt)
	o.rejections(p.Rejections, opt)
	o.summary(p, &s, verdict, opt)
	return o.flush()
}

// verdict is the line that a reader sees first and last.
func (o *page) verdict(p *plan.Plan, verdict string) {
	label := "Plan: "
	if p.Undoes > 0 {
		label = "Plan to undo run " + number(p.Undoes) + ": "
	}
	o.put(bold, label)
	for i, part := range strings.Split(verdict, plan.VerdictSeparator) {
		if i > 0 {
			if part = plan.VerdictSeparator + part; o.col+cells(part) > o.width {
				o.end()
				o.at(cells(label) - 2)
			}
		}
		if level, is := strings.CutPrefix(part, plan.VerdictSeparator+riskLabel); is {
			o.put(plain, plan.VerdictSeparator+riskLabel)
			o.put(riskStyles[p.RiskLevel()], level)
			continue
		}
		o.put(plain, part)
	}
	o.end()
}

const riskLabel = "risk: "

// severalDirectories reports whether a reader must see of which directory
// an account is.
func severalDirectories(p *plan.Plan) bool {
	if len(p.Directories)+len(p.Unread) != 1 {
		return true
	}
	var only string
	for _, d := range p.Directories {
		only = d.Name
	}
	return slices.ContainsFunc(p.Accounts, func(c plan.AccountChange) bool {
		return c.Before != nil && c.Before.Directory != "" && c.Before.Directory != only
	})
}

// prerequisiteKind is what stands in place of a kind beside what was read for a
// prerequisite.
const prerequisiteKind = "prerequisite"

// listed says what was read for a prerequisite.
func listed(r *plan.PrerequisiteReceipt) string {
	return r.Directory + " lists " + count(r.Listed, "value", "values") + " of " + r.Attribute
}

// header says what was read, and what the reader should know before the rows.
func (o *page) header(p *plan.Plan) {
	o.end()
	if !p.Created.IsZero() {
		o.at(margin)
		o.put(dim, "made "+moment(p.Created))
		if !p.Expires.IsZero() {
			o.next(0, margin, styled(dim, "expires "+moment(p.Expires)))
		}
		o.end()
	}
	names, kinds := 0, 0
	for i := range p.Directories {
		d := &p.Directories[i]
		names, kinds = max(names, cells(clean(d.Name))), max(kinds, cells(clean(d.Kind)))
	}
	for i := range p.Prerequisites {
		names, kinds = max(names, cells(clean(p.Prerequisites[i].Name))), max(kinds, cells(prerequisiteKind))
	}
	console := otherConsole(&p.Header)
	if console != nil {
		names, kinds = max(names, cells(clean(console.Name))), max(kinds, cells(kindOf(console)))
	}
	names, kinds = min(names, longestName), min(kinds, longestName)
	for i := range p.Directories {
		d := &p.Directories[i]
		o.at(margin)
		o.cell(text(d.Name).fit(names))
		o.at(margin + names + gap)
		o.cell(text(d.Kind).fit(kinds))
		beside := margin + names + gap
		scanned := count(d.Entries, "entry", "entries") + " of " + count(d.Scanned, "object", "objects")
		if d.Delta {
			scanned = count(d.Entries, "entry", "entries") + ", " + number(d.Scanned) + " read anew"
		}
		if !d.Complete {
			scanned += ", incomplete"
		}
		o.next(beside+kinds+gap, beside, styled(plain, scanned))
		if d.Server != "" {
			o.next(0, beside, styled(dim, "from "+d.Server))
		}
		for _, fact := range facts(d) {
			o.next(0, beside, styled(dim, fact))
		}
		o.end()
	}
	for i := range p.Prerequisites {
		x := &p.Prerequisites[i]
		o.at(margin)
		o.cell(text(x.Name).fit(names))
		o.at(margin + names + gap)
		o.cell(text(prerequisiteKind).fit(kinds))
		beside := margin + names + gap
		o.next(beside+kinds+gap, beside, styled(plain, listed(x)))
		if x.Server != "" {
			o.next(0, beside, styled(dim, "from "+x.Server))
		}
		o.end()
	}
	if console != nil {
		o.at(margin)
		o.cell(text(console.Name).fit(names))
		o.at(margin + names + gap)
		o.cell(styled(plain, kindOf(console)).fit(kinds))
		beside := margin + names + gap
		o.next(beside+kinds+gap, beside, styled(plain, count(console.Accounts, "account", "accounts")))
		for _, fact := range consoleFacts(console) {
			o.next(0, beside, styled(dim, fact))
		}
		o.end()
	}
	if len(p.Unread) > 0 {
		names := make([]string, len(p.Unread))
		for i, name := range p.Unread {
			names[i] = clean(name)
		}
		o.prose(margin, "not read: ", yellow, strings.Join(names, ", ")+"; accounts of "+oneOf(len(names), "this directory", "these directories")+" stay unchanged")
	}
	o.selection(&p.Header)
	for _, warning := range p.Warnings {
		o.prose(margin, "warning: ", yellow, clean(warning))
	}
}

// passedOver says how many objects are no entries, by what they are; "" where
// there are none.
func passedOver(n *identity.PassedOver) string {
	var all []string
	for _, kind := range []struct {
		n    int
		name string
	}{{n.Deleted, "deleted"}, {n.Conflict, "conflict"}, {n.System, "system"}, {n.Ignored, "ignored"}} {
		if kind.n > 0 {
			all = append(all, number(kind.n)+" "+kind.name)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, ", ") + " passed over"
}

// facts says what is known of a read beside its entries.
func facts(r *identity.Receipt) []string {
	var all []string
	if r.Delta {
		all = append(all, "what changed since "+moment(r.Since))
	}
	if r.Full != "" {
		all = append(all, "read completely: "+r.Full)
	}
	if r.Pages > 0 {
		all = append(all, count(r.Pages, "page", "pages")+" in "+strconv.FormatFloat(r.Seconds, 'f', 1, 64)+" s")
	}
	if _, err := identity.ParseGUID(r.Identity); err == nil {
		all = append(all, "invocation id "+r.Identity)
	} else if r.Identity != "" {
		all = append(all, "contextCSN "+r.Identity)
	}
	if r.USNAfter > 0 {
		usn := "USN " + strconv.FormatInt(r.USNBefore, 10)
		if r.USNAfter != r.USNBefore {
			usn += " to " + strconv.FormatInt(r.USNAfter, 10)
		}
		all = append(all, usn)
	}
	if r.Reread > 0 {
		all = append(all, count(r.Reread, "object", "objects")+" read again")
	}
	if over := passedOver(&r.PassedOver); over != "" {
		all = append(all, over)
	}
	if r.Ranged > 0 {
		all = append(all, count(r.Ranged, "value", "values")+" in ranges")
	}
	n := 0
	for _, reference := range r.References {
		if !ownPartition.MatchString(reference) {
			n++
		}
	}
	if n > 0 {
		all = append(all, count(n, "reference", "references")+" not followed")
	}
	return all
}

// ownPartition finds the references to what Active Directory keeps for itself,
// and refers to from the head of each domain. Nobody misses entries there.
var ownPartition = regexp.MustCompile(`(?i)^ldaps?://[^/]*/(CN=Configuration|CN=Schema|DC=DomainDnsZones|DC=ForestDnsZones),`)

func oneOf(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// meaningOf counts the changes of a category in words, and those that are withheld.
func meaningOf(s *plan.Summary, c plan.Category) string {
	return number(s.Changes[c]) + " " + changesOf(s, c)
}

// changesOf says what the changes of a category are, and how many of them a brake
// withholds.
func changesOf(s *plan.Summary, c plan.Category) string {
	n, k := s.Changes[c], &categories[c]
	switch withheld := s.WithheldChanges[c]; withheld {
	case 0:
		return oneOf(n, k.one, k.many)
	case n:
		return oneOf(n, withheldOne[c], withheldMany[c]) + ", withheld"
	default:
		return oneOf(n, k.one, k.many) + ", " + number(withheld) + " of them withheld"
	}
}

// categories writes the changes.
func (o *page) categories(p *plan.Plan, s *plan.Summary, opt TextOptions) {
	several := severalDirectories(p)
	brief := false // whether the category before was nothing but groups
	for _, c := range order {
		if s.Changes[c] > 0 {
			brief = o.category(p, s, c, several, brief, opt)
		}
	}
}

// category writes the changes of a category, and reports whether they were nothing
// but groups. Such categories follow each other without a blank line.
func (o *page) category(p *plan.Plan, s *plan.Summary, c plan.Category, several, follows bool, opt TextOptions) (brief bool) {
	n := s.Changes[c]
	rows, groups := rowsOf(p, c, n), groupsOf(p.Groups, c)
	if opt.All {
		groups = nil
	}
	alone := n // rows that no group stands for
	for i := range groups {
		alone -= groups[i].Rows
	}
	single := make([]*plan.Change, 0, opt.cut(alone))
	for i := 0; len(single) < cap(single); i++ {
		if _, grouped := rows[i].Group(); !grouped || opt.All {
			single = append(single, &rows[i])
		}
	}
	if brief = len(single) == 0; !brief || !follows {
		o.end()
	}
	withheld := s.WithheldChanges[c] == n
	o.heading(c.String(), meaningOf(s, c))
	o.groups(groups, withheld)
	columns := columnsOf(c, several)
	if withheld && !slices.ContainsFunc(rows, func(r plan.Change) bool { return r.Drift }) { // the title says it
		columns = slices.DeleteFunc(slices.Clone(columns), func(c changeColumn) bool { return c.head == marks.head })
	}
	var row change
	t := table[*change]{
		columns: columns,
		sign:    categories[c].sign,
		rows:    len(single),
		row: func(i int) *change {
			row = change{single[i], single[i].Row()}
			return &row
		},
	}
	t.all(o)
	o.cut(alone-len(single), opt)
	return brief
}

// mostGroups is how many groups of a category are shown, unless all are.
const mostGroups = 8

// groups writes a line for each group of equal changes of a category, of which a brake
// withholds all or not.
func (o *page) groups(all []plan.Group, withheld bool) {
	shown := all[:min(len(all), mostGroups)]
	most := 0
	for i := range shown {
		most = max(most, cells(shown[i].Counted()))
	}
	for i := range shown {
		g := &shown[i]
		sign := categories[g.Category].sign
		o.put(sign.style, sign.text)
		o.at(margin)
		o.put(bold, g.Counted())
		parts := g.Parts()
		if g.Withheld && withheld { // the title says it
			parts = parts[:len(parts)-1]
		}
		o.phrase(margin+most+gap, parts)
	}
	if len(all) > len(shown) {
		o.prose(margin, ellipsis+" ", dim, number(len(all)-len(shown))+" more groups of equal changes")
	}
}

// groupsOf returns the groups of a category.
func groupsOf(all []plan.Group, c plan.Category) []plan.Group {
	first, _ := slices.BinarySearchFunc(all, c, func(g plan.Group, c plan.Category) int { return cmp.Compare(g.Category, c) })
	end := first
	for end < len(all) && all[end].Category == c {
		end++
	}
	return all[first:end]
}

// cut says how many rows are not shown, and how to see them.
func (o *page) cut(n int, opt TextOptions) {
	if n > 0 {
		o.isCut = true
		o.prose(margin, ellipsis+" ", dim, number(n)+" more: "+opt.full()+", or -o csv=FILE")
	}
}

const ignoredOne, ignoredMany = "address in an ignored domain", "addresses in ignored domains"

// tally is a line of a summary.
type tally struct {
	sign    span
	name    string
	n       int
	meaning string
}

// tallies count everything in a plan; where says where its rejections stand.
func tallies(p *plan.Plan, s *plan.Summary, where string) (lines []tally) {
	add := func(sign span, name string, n int, meaning string) {
		if n > 0 {
			lines = append(lines, tally{sign, name, n, meaning})
		}
	}
	for _, c := range order {
		if n := s.Changes[c]; n > 0 {
			k := &categories[c]
			add(k.sign, c.String(), n, changesOf(s, c))
		}
	}
	add(span{}, "withheld", s.WithheldAccounts, oneOf(s.WithheldAccounts, "account", "accounts")+": a brake withholds "+number(s.Withheld)+" of these changes")
	add(skipped, "left_out", s.LeftOutAccounts, oneOf(s.LeftOutAccounts, "account", "accounts")+": "+count(s.LeftOut, "more change is", "more changes are")+" left out, not selected")
	meaning := oneOf(s.Rejections, "rejection", "rejections")
	switch n := newOnes(p.Rejections); n {
	case 0:
	case s.Rejections:
		meaning += oneOf(n, ", new", ", all new")
	default:
		meaning += ", " + number(n) + " of them new"
	}
	add(rejected, "rejected", s.Rejections, meaning+"; see "+where+" for what to do")
	add(drifted, "drift", len(p.Drift), oneOf(len(p.Drift), driftOne, driftMany))
	add(span{}, "ignored", s.Ignored, oneOf(s.Ignored, ignoredOne, ignoredMany))
	return append(lines, tally{span{}, "unchanged", s.Totals.Unchanged, oneOf(s.Totals.Unchanged, "account", "accounts")})
}

// summary counts everything once more and says what to do.
func (o *page) summary(p *plan.Plan, s *plan.Summary, verdict string, opt TextOptions) {
	lines := tallies(p, s, "above")
	names, digits := 0, 0
	for _, l := range lines {
		names, digits = max(names, len(l.name)), max(digits, len(number(l.n)))
	}
	o.end()
	o.line(bold, "Summary")
	for _, l := range lines {
		o.put(l.sign.style, l.sign.text)
		o.at(margin)
		o.put(plain, l.name)
		n := number(l.n)
		o.at(margin + names + gap + digits - len(n))
		o.put(bold, n)
		o.put(plain, " ")
		o.cell(styled(dim, l.meaning).fit(max(o.width-o.col, 8)))
		o.end()
	}
	if len(p.Groups) > 0 && !opt.All && !o.isCut {
		o.prose(margin, ellipsis+" ", dim, "equal changes one by one: "+opt.full())
	}
	if opt.Local > 0 {
		o.prose(margin, "local: ", dim, count(opt.Local, "account", "accounts")+" that no entry matched; "+opt.ListLocal+" shows "+oneOf(opt.Local, "it", "them"))
	}
	if s.Withheld > 0 {
		o.end()
		o.prose(0, "withheld: ", yellow, Withholding(p)+"; every other change goes ahead")
		if plan.Tripped(p.Allowances) != [plan.Brakes]int{} { // else the plan does not say
			o.prose(0, "hint: ", dim, "if meant, run "+opt.lifting(p))
		}
	}
	if s.Withheld == 0 || p.RiskLevel() > plan.NoRisk { // else the risk is one more line
		o.end()
	}
	o.risk(p)
	o.end()
	o.closing(p, s, verdict, opt)
}

// Withholding says which brakes have tripped, and what they keep.
func Withholding(p *plan.Plan) string {
	var over, kept []string
	for i := range p.Allowances {
		a := &p.Allowances[i]
		if !a.Braked() {
			continue
		}
		kept = append(kept, clean(a.Directory))
		for b, loss := range a.Losses {
			if loss.Over() && !loss.Lifted {
				over = append(over, fmt.Sprintf("%s (limit %s%s)", plan.Brake(b).Text(loss.Count, a.Of(plan.Brake(b)), clean(a.Directory), "would be"), number(loss.Bound), newcomers(p, a, plan.Brake(b))))
			}
		}
	}
	if len(kept) == 0 { // of a plan that does not say
		return "a brake withholds what accounts would lose"
	}
	text := strings.Join(over, "; ") + ": accounts of " + strings.Join(kept, " and ") + " lose nothing"
	if slices.ContainsFunc(p.Accounts, func(c plan.AccountChange) bool {
		return c.Withheld && c.After != nil && c.Kept.Holds(c.After.Primary) && !c.Before.Holds(c.After.Primary)
	}) {
		text += ", and new primaries come as aliases for now"
	}
	return text
}

// newcomers says how many of the accounts that a limit is of come with the plan, "" for
// none.
func newcomers(p *plan.Plan, a *plan.Allowance, b plan.Brake) string {
	if b == plan.Removals {
		return ""
	}
	for _, before := range p.Active {
		if n := a.Accounts - before.Accounts; before.Directory == a.Directory && n > 0 {
			return "; " + number(n) + " of the " + number(a.Accounts) + " " + oneOf(n, "joins or returns", "join or return")
		}
	}
	return ""
}

// closing is the verdict once more, and what to do.
func (o *page) closing(p *plan.Plan, s *plan.Summary, verdict string, opt TextOptions) {
	o.verdict(p, verdict)
	o.prose(0, "", plain, whatNext(p, s, &opt.Advice))
}

// whatNext says how a plan is applied, or that there is nothing to apply.
func whatNext(p *plan.Plan, s *plan.Summary, advice *Advice) string {
	switch {
	case s.Pending() > 0 || len(p.Accounts) > s.WithheldAccounts: // inactive records make no row
		return advice.next()
	case s.Withheld > 0:
		return "Nothing to apply: all changes are withheld."
	case s.LeftOut > 0:
		return "Nothing to apply: all changes are left out."
	case advice.Nothing != "":
		return "Nothing to do: " + advice.Nothing
	case s.Rejections > 0:
		return "Nothing to do. " + count(s.Rejections, "rejection remains", "rejections remain") + "."
	}
	return "Nothing to do: the accounts agree with the directories."
}

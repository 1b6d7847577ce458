package render

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// The parts of a report that are the same in each: the frame in the language of
// html/template, how it looks, and what it does.
var (
	//go:embed html/report.tmpl
	reportFrame string
	//go:embed html/base.css
	baseStyle template.CSS
	//go:embed html/report.css
	ownReportStyle template.CSS
	reportStyle    = baseStyle + ownReportStyle
	//go:embed html/report.js
	reportScript template.JS

	//go:embed html/history.tmpl
	historyFrame string

	report = template.Must(template.Must(template.New("").Parse(reportFrame)).Parse(historyFrame))
)

var reportPolicy = policy(reportScript, reportStyle)

// policy allows a page its own style and script, which is "" for none, and nothing
// else: no request, no frame, no form, and no markup that is made of text (CSP level 3,
// Trusted Types). It knows both by their digests.
func policy(script template.JS, style template.CSS) string {
	scripts := "'none'"
	if script != "" {
		scripts = digest(string(script))
	}
	return fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		scripts, digest(string(style)))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTML writes a plan as one page that needs no other file and no network:
// summary, warnings and what was read as they stand, and, for the script of the
// page, every row and every account as data, each account once.
//
// No value becomes markup. In the summary they go through html/template, in the
// data every < > and & is an escape of JSON, and the script makes text of them.
// As in a terminal, what cannot be seen appears as an escape such as \u202e.
func HTML(w io.Writer, p *plan.Plan, advice Advice) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if err := report.ExecuteTemplate(out, "head", newReport(p, advice)); err != nil {
		return err
	}
	writeReportData(out, p)
	if err := report.ExecuteTemplate(out, "foot", reportScript); err != nil {
		return err
	}
	return out.Flush()
}

// reportPage is what the frame shows. Its texts are clean.
type reportPage struct {
	Policy string
	Style  template.CSS

	// Label, Verdict and Risk are the plan in one line.
	Label, Verdict, Risk, RiskKind string
	// Level is that of the risk, NoRisk what it means where no address stops, and
	// Next how to apply the plan.
	Level, NoRisk, Next string

	Created, Expires, Digest, Version string

	Serial int64
	Facts  []reportFact
	Causes []string
	Groups []reportGroup
	// MoreGroups counts those that the summary leaves out.
	MoreGroups string
	Notices    []reportNotice
	Risks      []reportRisk
	Drift      []reportCount
	Changes    []reportCount
	Rejected   []reportCount
	Reads      []reportRead
	Console    []reportMember
}

// reportMember is a line of a list of names and values.
type reportMember struct{ Name, Value string }

// reportGroup are equal changes: what they have in common, and the addresses of the
// first; More counts the others.
type reportGroup struct {
	Name, Link, Kind, Sign, Counted string
	Parts                           []plan.Part
	Rows                            string
	Addresses                       []string
	More                            string
}

// reportFact is a number that the page begins with.
type reportFact struct{ Number, Noun, Kind string }

// reportNotice is what a reader should know before all else.
type reportNotice struct{ Label, Text string }

// reportRisk is what the change set means, and how closely to look.
type reportRisk struct{ Kind, Level, Text string }

// reportCount is a line of a chart: what is counted, and how long its bar is in
// percent of the longest.
type reportCount struct {
	Name, Link, Kind, Sign, Number, Meaning, Bar string
}

// reportRead is the receipt of one directory.
type reportRead struct {
	Name, Kind, Server, Entries, Objects string
	Complete                             bool
	Facts                                []string
}

// kinds are the classes under which the style knows the signs.
var kinds = map[span]string{comes: "comes", goes: "goes", alters: "alters", rejected: "rejected", skipped: "skipped", drifted: "drifted"}

// riskKinds are the classes of the levels.
var riskKinds = [...]string{plan.NoRisk: kinds[comes], plan.LowRisk: kinds[skipped], plan.MediumRisk: kinds[alters], plan.HighRisk: kinds[goes]}

func newReport(p *plan.Plan, advice Advice) reportPage {
	s := p.Summary()
	r := reportPage{
		Policy: reportPolicy, Style: reportStyle, Label: "Plan", RiskKind: riskKinds[p.RiskLevel()],
		Digest: clean(p.ConfigDigest), Version: clean(p.ToolVersion), Serial: p.Serial,
	}
	if !p.Created.IsZero() {
		r.Created = moment(p.Created)
	}
	if !p.Expires.IsZero() {
		r.Expires = moment(p.Expires)
	}
	verdict := p.Verdict()
	last := strings.LastIndex(verdict, plan.VerdictSeparator)
	r.Verdict, r.Risk = verdict[:last], verdict[last+len(plan.VerdictSeparator):]
	if p.Undoes > 0 {
		r.Label = "Plan to undo run " + number(p.Undoes)
	}
	for _, cause := range p.Causes {
		r.Causes = append(r.Causes, clean(cause))
	}
	r.facts(p, &s)
	r.groups(p)
	r.notices(p, &s, &advice)
	for _, risk := range worthSaying(p.Risks) {
		r.Risks = append(r.Risks, reportRisk{riskKinds[risk.Level], risk.Level.String(), clean(risk.Text())})
	}
	if len(p.Risks) > 0 && p.Risks[0].Count == 0 {
		r.NoRisk = clean(p.Risks[0].Text())
	}
	r.Level = p.RiskLevel().String()
	r.Next = clean(whatNext(p, &s, &advice))
	r.counts(p, &s)
	r.console(otherConsole(&p.Header))
	for i := range p.Directories {
		d := &p.Directories[i]
		read := reportRead{
			Name: clean(d.Name), Kind: clean(d.Kind), Server: clean(d.Server), Entries: number(d.Entries), Objects: number(d.Scanned), Complete: d.Complete,
		}
		for _, fact := range facts(d) {
			read.Facts = append(read.Facts, clean(fact))
		}
		r.Reads = append(r.Reads, read)
	}
	for i := range p.Prerequisites {
		x := &p.Prerequisites[i]
		r.Reads = append(r.Reads, reportRead{
			Name: clean(x.Name), Kind: prerequisiteKind, Server: clean(x.Server), Entries: number(x.Listed), Objects: number(x.Scanned), Complete: true,
			Facts: []string{clean(listed(x))},
		})
	}
	return r
}

// console is the receipt of a console that is not the state file.
func (r *reportPage) console(c *plan.ConsoleReceipt) {
	if c == nil {
		return
	}
	member := func(name, value string) {
		if value != "" {
			r.Console = append(r.Console, reportMember{name, clean(value)})
		}
	}
	member("name", c.Name)
	member("kind", c.Kind)
	member("product", strings.Join(productOf(c), ""))
	member("accounts", heldBy(c))
	member("read in", strings.TrimPrefix(strings.Join(readIn(c), ""), "read in "))
}

func (r *reportPage) facts(p *plan.Plan, s *plan.Summary) {
	fact := func(n int, one, many, kind string) {
		if n > 0 {
			r.Facts = append(r.Facts, reportFact{number(n), oneOf(n, one, many), kind})
		}
	}
	t := &s.Totals
	fact(t.Added, "account added", "accounts added", kinds[comes])
	fact(t.Returning, "account returns", "accounts return", kinds[comes])
	fact(t.Renamed, "account renamed", "accounts renamed", kinds[alters])
	fact(t.Leaving, "account leaves", "accounts leave", kinds[goes])
	fact(t.Removed, "record removed", "records removed", kinds[goes])
	if t.Accounts() == t.Changed {
		fact(t.Changed, "account changes", "accounts change", kinds[alters])
	} else {
		fact(t.Changed, "account changes otherwise", "accounts change otherwise", kinds[alters])
	}
	fact(s.WithheldAccounts, "account withheld", "accounts withheld", kinds[goes])
	fact(s.LeftOutAccounts, "account left out", "accounts left out", kinds[skipped])
	fact(s.Rejections, "rejection", "rejections", kinds[rejected])
	fact(newOnes(p.Rejections), "of them new", "of them new", kinds[rejected])
	fact(t.WithoutAccount, "entry without an account", "entries without an account", kinds[rejected])
	fact(len(p.Drift), "difference in the console", "differences in the console", kinds[drifted])
	fact(s.Ignored, ignoredOne, ignoredMany, "")
	fact(t.Unchanged, "account unchanged", "accounts unchanged", "")
}

// groups shows equal changes as one line each. Without scripts a reader sees the
// first addresses of each.
func (r *reportPage) groups(p *plan.Plan) {
	const most, addresses = 50, 20
	if n := len(p.Groups) - most; n > 0 {
		r.MoreGroups = number(n)
	}
	for n := range min(len(p.Groups), most) {
		g := &p.Groups[n]
		sign := categories[g.Category].sign
		r.Groups = append(r.Groups, reportGroup{
			Name: g.Category.String(), Link: "#" + g.Category.String() + "/" + groupName(n), Kind: kinds[sign], Sign: sign.text, Counted: g.Counted(), Parts: phrase(g.Parts()...).parts, Rows: count(g.Rows, "change", "changes"),
		})
		if more := g.Rows - addresses; more > 0 {
			r.Groups[n].More = number(more)
		}
	}
	for i := range p.Changes {
		if n, in := p.Changes[i].Group(); in && n < most && len(r.Groups[n].Addresses) < addresses {
			r.Groups[n].Addresses = append(r.Groups[n].Addresses, clean(p.Changes[i].Address.String()))
		}
	}
}

// groupName is how links name a group.
func groupName(n int) string { return strconv.Itoa(n + 1) }

func (r *reportPage) notices(p *plan.Plan, s *plan.Summary, advice *Advice) {
	notice := func(label, text string) { r.Notices = append(r.Notices, reportNotice{label, text}) }
	if p.Redacted {
		notice("Redacted", "masks stand in place of addresses, names and entries; the same value has the same mask")
	}
	if len(p.Unread) > 0 {
		notice("Not read", clean(strings.Join(p.Unread, ", "))+"; accounts of "+oneOf(len(p.Unread), "this directory", "these directories")+" stay as they are")
	}
	if len(p.Only) > 0 {
		notice("Only", clean(strings.Join(p.Only, ", ")))
	}
	if len(p.Except) > 0 {
		notice("Except", clean(strings.Join(p.Except, ", ")))
	}
	for _, warning := range p.Warnings {
		notice("Warning", clean(warning))
	}
	if s.Withheld > 0 {
		text := Withholding(p) + "; every other change goes ahead"
		if len(plan.Options(plan.Tripped(p.Allowances))) > 0 {
			text += "; if meant, run " + advice.lifting(p)
		}
		notice("Withheld", text)
	}
}

func (r *reportPage) counts(p *plan.Plan, s *plan.Summary) {
	longest := slices.Max(s.Changes[:])
	for _, c := range order {
		if k, n := &categories[c], s.Changes[c]; n > 0 {
			r.Changes = append(r.Changes, reportCount{
				Name: c.String(), Link: "#" + c.String(), Kind: kinds[k.sign], Sign: k.sign.text, Number: number(n), Meaning: changesOf(s, c), Bar: bar(n, longest),
			})
		}
	}
	var drift [plan.DriftKinds]int
	for i := range p.Drift {
		drift[p.Drift[i].Kind]++
	}
	longest = slices.Max(drift[:])
	for kind, n := range drift {
		if n > 0 {
			name := plan.DriftKind(kind).String()
			r.Drift = append(r.Drift, reportCount{
				Name: name, Link: "#drift/" + name, Kind: kinds[drifted], Sign: drifted.text, Number: number(n), Meaning: oneOf(n, driftKinds[kind].one, driftKinds[kind].many), Bar: bar(n, longest),
			})
		}
	}
	var byReason [plan.Reasons]int
	for i := range p.Rejections {
		byReason[p.Rejections[i].Reason]++
	}
	longest = slices.Max(byReason[:])
	for reason, n := range byReason {
		if n > 0 {
			name := plan.Reason(reason).String()
			r.Rejected = append(r.Rejected, reportCount{
				Name: name, Link: "#rejections/" + name, Kind: kinds[rejected], Sign: rejected.text, Number: number(n), Meaning: plan.Reason(reason).Meaning(), Bar: bar(n, longest),
			})
		}
	}
}

// bar is the length of a bar in percent. What is there can be seen.
func bar(n, longest int) string {
	return fmt.Sprintf("%.1f", max(100*float64(n)/float64(longest), 0.5))
}

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
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// The parts of a report that are the same in each: the frame in the language of
// html/template, how it looks, and what it does.
var (
	//go:embed html/report.tmpl
	reportFrame string
	//go:embed html/report.css
	reportStyle template.CSS
	//go:embed html/report.js
	reportScript template.JS

	report = template.Must(template.New("").Parse(reportFrame))
)

// reportPolicy allows the page its own style and script and nothing else: no
// request, no frame, no form, and no markup that is made of text (CSP level 3,
// Trusted Types). It knows both by their digests.
var reportPolicy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	digest(string(reportScript)), digest(string(reportStyle)))

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
func HTML(w io.Writer, p *plan.Plan) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if err := report.ExecuteTemplate(out, "head", newReport(p)); err != nil {
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

	Verdict, Created, Expires, Digest, Version string

	Serial   int64
	Facts    []reportFact
	Notices  []reportNotice
	Risks    []reportRisk
	Drift    []reportCount
	Changes  []reportCount
	Refusals []reportCount
	Reads    []reportRead
	Console  []reportMember
}

// reportMember is a line of a list of names and values.
type reportMember struct{ Name, Value string }

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
var kinds = map[span]string{comes: "comes", goes: "goes", alters: "alters", rejected: "refused", skipped: "skipped", drifted: "drifted"}

// riskKinds are the classes of the levels.
var riskKinds = map[plan.RiskLevel]string{plan.LowRisk: "alters", plan.HighRisk: "goes"}

func newReport(p *plan.Plan) reportPage {
	s := p.Summary()
	r := reportPage{
		Policy: reportPolicy, Style: reportStyle, Verdict: verdict(&s),
		Digest: clean(p.ConfigDigest), Version: clean(p.ToolVersion), Serial: p.Serial,
	}
	if !p.Created.IsZero() {
		r.Created = moment(p.Created)
	}
	if !p.Expires.IsZero() {
		r.Expires = moment(p.Expires)
	}
	r.facts(p, &s)
	r.notices(p, &s)
	for _, risk := range p.Risks {
		r.Risks = append(r.Risks, reportRisk{riskKinds[risk.Level], risk.Level.String(), clean(risk.Text())})
	}
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

// verdict is the plan in one line.
func verdict(s *plan.Summary) string {
	switch pending := s.Pending(); {
	case pending > 0:
		return count(pending, "change", "changes") + " to make"
	case s.Withheld > 0:
		return "nothing to do: all changes are withheld"
	case s.LeftOut > 0:
		return "nothing to do: all changes are left out"
	case s.Rejections > 0:
		return "nothing to do: all that is not refused agrees with the directories"
	}
	return "nothing to do: the accounts agree with the directories"
}

func (r *reportPage) facts(p *plan.Plan, s *plan.Summary) {
	fact := func(n int, one, many, kind string) {
		if n > 0 {
			r.Facts = append(r.Facts, reportFact{number(n), oneOf(n, one, many), kind})
		}
	}
	fact(s.Pending(), "change to make", "changes to make", "alters")
	fact(s.Withheld, "change withheld", "changes withheld", "goes")
	fact(s.LeftOut, "change left out", "changes left out", "skipped")
	fact(s.Rejections, "refusal", "refusals", "refused")
	fact(newOnes(p.Rejections), "of them new", "of them new", "refused")
	fact(len(p.Drift), "difference in the console", "differences in the console", kinds[drifted])
	fact(s.Ignored, ignoredOne, ignoredMany, "")
	fact(s.Unchanged, "account stays as it is", "accounts stay as they are", "")
}

func (r *reportPage) notices(p *plan.Plan, s *plan.Summary) {
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
		if options := plan.Options(plan.Tripped(p.Allowances)); len(options) > 0 {
			text += "; if that is meant: apply with " + strings.Join(options, " ")
		}
		notice("Withheld", text)
	}
}

func (r *reportPage) counts(p *plan.Plan, s *plan.Summary) {
	longest := slices.Max(s.Changes[:])
	for _, c := range order {
		k, n := &categories[c], s.Changes[c]
		line := reportCount{Name: c.String(), Kind: kinds[k.sign], Sign: k.sign.text, Number: number(n), Meaning: oneOf(n, k.one, k.many), Bar: bar(n, longest)}
		if n > 0 {
			line.Link = "#" + line.Name
		}
		r.Changes = append(r.Changes, line)
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
	var refusals [plan.Reasons]int
	for i := range p.Rejections {
		refusals[p.Rejections[i].Reason]++
	}
	longest = slices.Max(refusals[:])
	for reason, n := range refusals {
		if n > 0 {
			name := plan.Reason(reason).String()
			r.Refusals = append(r.Refusals, reportCount{
				Name: name, Link: "#rejections/" + name, Kind: kinds[rejected], Sign: rejected.text, Number: number(n), Meaning: plan.Reason(reason).Meaning(), Bar: bar(n, longest),
			})
		}
	}
}

// bar is the length of a bar in percent. What is there can be seen.
func bar(n, longest int) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f", max(100*float64(n)/float64(longest), 0.5))
}

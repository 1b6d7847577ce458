package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// block is a section of an explanation, the same in every format for people.
type block struct {
	name    string
	items   []item
	aligned bool // the labels make a column
}

// item is a point of a section: a sign and a label, and what is to be said, in
// sentences below each other; and what to run.
type item struct {
	sign    span
	label   string
	text    string
	lines   []string
	loses   bool // an address stops receiving mail by it
	scripts []script
}

type script struct{ name, language, text string }

// mostShown is how many items of a section an explanation shows; its JSON form has
// all of them.
const mostShown = 40

// shown returns the items that are shown, and how many are not.
func (p *block) shown() (shown []item, more string) {
	n := min(len(p.items), mostShown)
	if rest := len(p.items) - n; rest > 0 {
		more = number(rest) + " more: -o json=FILE has all"
	}
	return p.items[:n], more
}

// mostDisabled is how many disabled entries are named below an answer.
const mostDisabled = 3

// notes are what stands below the answer, each behind a label.
func notes(d *explain.Document, verbose bool) []item {
	var all []item
	for i := range d.Disabled {
		if !verbose && i == mostDisabled {
			all = append(all, item{label: "disabled", text: number(len(d.Disabled)-i) + " more, likewise"})
			break
		}
		all = append(all, item{label: "disabled", text: d.Disabled[i].Message})
	}
	for i := range d.History {
		if d.Subject.Kind != plan.AddressSubject.String() && !verbose {
			break // the addresses have it
		}
		p := &d.History[i]
		text := p.Message()
		if verbose {
			text = p.Address + ": " + text + " (" + p.Command + ")"
		}
		all = append(all, item{label: "history", text: text})
	}
	for _, warning := range d.Warnings {
		all = append(all, item{label: "warning", text: warning})
	}
	return all
}

// parts lays an explanation out: who lists it, and what to do. With verbose, also
// what the rules have said, and names in full.
func parts(d *explain.Document, verbose bool) []block {
	several := false
	for i := range d.Entries {
		several = several || d.Entries[i].Directory != d.Entries[0].Directory
	}
	where := func(name, dn, directory, scope, guid string) (string, []string) {
		if verbose {
			about := "directory " + directory
			if scope != "" {
				about += ", scope " + scope
			}
			if guid != "" {
				about += ", GUID " + guid
			}
			return name, []string{dn, about}
		}
		if name = explain.Short(name, dn); several {
			name += ", directory " + directory
		}
		return name, nil
	}
	all := []block{addressPart(d, verbose), listedPart(d, where), outsidePart(d, verbose, where)}
	all = append(all, domainPart(d, verbose), accountPart(d, verbose), driftPart(d, verbose))
	if verbose {
		all = append(all, stepPart(d))
	}
	all = append(all, rowPart(d, verbose), actionPart(d, verbose))
	return slices.DeleteFunc(all, func(p block) bool { return len(p.items) == 0 })
}

// fates are the signs of what becomes of an address.
var fates = map[string]span{
	string(plan.Comes): {"+", green}, string(plan.Goes): {"-", red}, string(plan.Moves): {"~", yellow}, string(plan.ChangesRole): {"~", yellow},
}

// addressPart lists the addresses of a subject that may have several.
func addressPart(d *explain.Document, verbose bool) block {
	p := block{name: "Addresses", aligned: true}
	if d.Subject.Kind == plan.AddressSubject.String() {
		return p
	}
	for i := range d.Addresses {
		a := &d.Addresses[i]
		x := item{sign: fates[a.Fate], label: a.Address, text: placeOf(a)}
		if a.Rejections > 0 && x.sign.text == "" {
			x.sign = rejected
		}
		if n := slices.IndexFunc(d.History, func(p explain.Past) bool { return p.Address == a.Address }); n >= 0 && !verbose {
			past := &d.History[n]
			if x.text += "; " + past.When(); past.After == "" {
				x.text += ", " + past.Before
			}
		}
		p.items = append(p.items, x)
	}
	return p
}

// placeOf says in a few words what becomes of an address.
func placeOf(a *explain.Address) string {
	text := map[string]string{
		string(plan.Nobody): "nobody receives it", string(plan.Dormant): "its account is inactive", string(plan.Stays): "stays", string(plan.Comes): "starts to receive mail",
		string(plan.Goes): "stops receiving mail", string(plan.Moves): "moves", string(plan.ChangesRole): "changes",
	}[a.Fate]
	if a.Fate == string(plan.Comes) && a.Before != nil {
		text = "receives mail again"
	}
	h := a.After
	if h == nil {
		h = a.Before
	}
	if h != nil && h.Role == "alias" {
		text += ", alias of " + h.Primary
	} else if h != nil {
		text += ", primary"
	}
	if a.Withheld {
		text += ", withheld"
	}
	if a.Rejections > 0 {
		text += ", " + count(a.Rejections, "rejection", "rejections")
	}
	return text
}

// domainPart says what the configuration makes of the domains, and which blocks list an
// address; without verbose, only what keeps an address from everybody.
func domainPart(d *explain.Document, verbose bool) block {
	p := block{name: "In the configuration"}
	known := map[string]bool{}
	for i := range d.Addresses {
		a := &d.Addresses[i]
		ordinary := a.Domain.Declared && !a.Domain.Public && len(a.Domain.Scopes) > 0
		if !verbose && (ordinary || a.Fate != string(plan.Nobody) || a.Rejections > 0) {
			continue
		}
		for k := range a.Guards {
			p.items = append(p.items, item{text: a.Address + ": " + guardText(&a.Guards[k])})
		}
		if text := domainText(&a.Domain); text != "" && !known[text] {
			known[text] = true
			p.items = append(p.items, item{text: text})
		}
	}
	return p
}

func domainText(d *explain.Domain) string {
	text := ""
	switch {
	case d.Name == "":
		return ""
	case !d.Declared && !identity.ValidDomain(d.Name):
		return ""
	case !d.Declared:
		return `to have addresses in ` + d.Name + `, declare domain "` + d.Name + `" {} and add it to the domains of a scope`
	case d.Ignored:
		return d.Name + " is ignored: ignore = true of its domain block says so"
	case d.Public && len(d.AliasFor) == 0:
		text = d.Name + " is public, and alias_for is empty: its addresses may be aliases of no primary"
	case d.Public:
		text = d.Name + " is public: its addresses may be aliases of primaries in " + strings.Join(d.AliasFor, ", ")
	case len(d.Scopes) == 0:
		text = d.Name + " is declared, and no scope takes it"
	default:
		text = d.Name + " is taken by " + oneOf(len(d.Scopes), "scope ", "scopes ") + strings.Join(d.Scopes, ", ")
	}
	if d.Alias != "" {
		text += "; " + d.Alias + " is an alias of it"
	}
	return text
}

func guardText(g *explain.Guard) string {
	text := g.Kind + ` "` + g.Label + `"`
	if g.Reason != "" {
		text += ": " + g.Reason
	}
	if g.Until != "" {
		text += ", until " + g.Until
	}
	if g.Over {
		text += ", which is over"
	}
	return text
}

// listedPart groups the values of entries by entry.
func listedPart(d *explain.Document, where func(name, dn, directory, scope, guid string) (string, []string)) block {
	p := block{name: "Listed by"}
	type entry struct{ directory, scope, dn, guid string }
	of := map[entry]int{}
	for i := range d.Addresses {
		a := &d.Addresses[i]
		for k := range a.Listed {
			l := &a.Listed[k]
			e := entry{l.Directory, l.Scope, l.DN, l.GUID}
			n, known := of[e]
			if !known {
				n = len(p.items)
				of[e] = n
				label, lines := where(l.Name, l.DN, l.Directory, l.Scope, l.GUID)
				p.items = append(p.items, item{text: label, lines: lines})
			}
			p.items[n].lines = append(p.items[n].lines, valuesText(l, a.Address))
		}
	}
	return p
}

// valueText shows a value with all its spaces.
func valueText(v *explain.Value) string {
	return v.Attribute + ": " + strings.ReplaceAll(v.Value, "  ", ` \x20`)
}

// valuesText shows a listing as the directory has it.
func valuesText(l *explain.Listing, address string) string {
	var values []string
	for _, v := range l.Values {
		values = append(values, valueText(&v))
	}
	if len(values) == 0 {
		values = append(values, l.Value)
	}
	text := strings.Join(values, ", ")
	switch l.Role {
	case "declared":
		text += " (primary)"
	case "candidate":
		text += " (second candidate for the primary)"
	}
	if !strings.EqualFold(l.Value, address) {
		text += ", which is " + address
	}
	return text
}

// outsidePart lists objects beside the plan. The answer has said what keeps the first
// one out.
func outsidePart(d *explain.Document, verbose bool, where func(name, dn, directory, scope, guid string) (string, []string)) block {
	p := block{name: "In the directory, and not in the plan"}
	for i := range d.Outside {
		o := &d.Outside[i]
		label, lines := where(o.Name, o.DN, o.Directory, "", o.GUID)
		x := item{text: label, lines: lines}
		for k := range o.Values {
			if _, err := identity.ParseGUID(o.Values[k].Value); err == nil && !verbose {
				continue
			}
			x.lines = append(x.lines, valueText(&o.Values[k]))
		}
		for k := range o.Verdicts {
			v := &o.Verdicts[k]
			if !verbose && v != o.Nearest() {
				continue
			}
			for _, b := range v.Obstacles {
				text := "scope " + v.Scope + ": " + b.Text
				switch {
				case !verbose && i == 0 && b.Remedy != "":
					text = "hint: " + b.Remedy
				case b.Remedy != "":
					text += "; hint: " + b.Remedy
				}
				x.lines = append(x.lines, text)
			}
		}
		p.items = append(p.items, x)
	}
	return p
}

// accountText describes an account in a line.
func accountText(a *explain.Account) string {
	status := a.Status
	if a.New {
		status = "new"
	}
	parts := []string{status + " " + a.Type}
	add := func(condition bool, text string) {
		if condition {
			parts = append(parts, text)
		}
	}
	add(a.Owner != "", `configuration "`+a.Owner+`"`)
	add(a.Owner == "" && a.Directory != "", "directory "+a.Directory)
	add(a.Owner == "" && a.Directory == "" && !a.New, "local: no directory owns it")
	add(a.Standing == plan.Unread.String(), "its directory was not read")
	add(a.Standing == plan.Orphan.String(), "no directory entry")
	add(a.GUID != "", "GUID "+a.GUID)
	add(a.Hold != "", `on legal hold "`+a.Hold+`"`)
	add(a.Hold == "" && a.Frozen, "does not change in this run")
	add(a.Withheld, "a brake withholds what it would lose")
	add(len(a.Aliases) > 0, count(len(a.Aliases), "alias", "aliases"))
	if !a.New && a.NewStatus != "" {
		add(a.NewDirectory != a.Directory, "moves to directory "+a.NewDirectory)
		add(a.NewPrimary != a.Primary, "becomes "+a.NewPrimary)
		add(a.NewStatus != a.Status && !a.Withheld, "becomes "+a.NewStatus)
	}
	return strings.Join(parts, ", ")
}

// accountPart lists the accounts; without verbose, those that the console has in a state
// that nothing can be made of, if they are several.
func accountPart(d *explain.Document, verbose bool) block {
	p := block{name: "Accounts"}
	odd := 0
	for i := range d.Accounts {
		if d.Accounts[i].Remedy != "" {
			odd++
		}
	}
	for i := range d.Accounts {
		a := &d.Accounts[i]
		if !verbose && (odd < 2 || a.Remedy == "") {
			continue
		}
		x := item{text: a.Primary, lines: []string{accountText(a)}}
		if a.New {
			x.text = a.NewPrimary
		}
		if a.DN != "" {
			x.lines = append(x.lines, a.DN)
		}
		p.items = append(p.items, x)
	}
	return p
}

// driftPart lists what was changed in the console by hand. The answer has said which
// accounts are gone from it.
func driftPart(d *explain.Document, verbose bool) block {
	p := block{name: "Changed in the console by hand"}
	for i := range d.Drift {
		if !verbose && d.Drift[i].Kind == plan.DriftGone.String() {
			continue
		}
		p.items = append(p.items, item{sign: drifted, text: d.Drift[i].Message})
	}
	return p
}

func stepPart(d *explain.Document) block {
	p := block{name: "Why, rule by rule", aligned: true}
	for i := range d.Steps {
		p.items = append(p.items, item{label: d.Steps[i].Rule, text: d.Steps[i].Message})
	}
	return p
}

// rowText shows from what to what a row changes.
func rowText(r *explain.Row) string {
	text := r.Attribute
	if text != "" {
		text += ": "
	}
	switch {
	case r.Category == plan.Adoption.String(), r.Category == plan.Reactivation.String():
		text = "by the entry with GUID " + r.To
	case r.Category == plan.Add.String() && r.To == r.Address:
		text = "as a primary"
	case r.Category == plan.Add.String():
		text = "as an alias of " + r.To
	case r.Category == plan.Inactive.String() && r.From == r.Address:
		text = "with its account"
	case r.Category == plan.Inactive.String():
		text = "as an alias of " + r.From
	case r.From != "" && r.To != "":
		text += r.From + " becomes " + r.To
	case r.From != "":
		text += "was " + r.From
	case r.To != "":
		text += "to " + r.To
	}
	if r.Withheld {
		text += " (withheld)"
	}
	return strings.TrimSpace(text)
}

// rowPart lists rows of the plan: without verbose those that say more of an account than
// what becomes of its addresses.
func rowPart(d *explain.Document, verbose bool) block {
	p := block{name: "In the plan"}
	for i := range d.Changes {
		r := &d.Changes[i]
		for c := range plan.Category(plan.Categories) {
			switch {
			case c.String() != r.Category:
			case verbose, c == plan.TypeChange, c == plan.UsernameChange, c == plan.GUIDChange, c == plan.AttributeChange:
				p.items = append(p.items, item{sign: categories[c].sign, label: r.Category, text: r.Address + "  " + rowText(r)})
			}
		}
	}
	for i := range d.Rejections {
		if r := &d.Rejections[i]; verbose {
			x := item{sign: rejected, label: r.Reason, text: r.Address + standingText(r), lines: []string{r.Message}}
			if r.DN != "" {
				x.lines = append(x.lines, r.DN)
			}
			p.items = append(p.items, x)
		}
	}
	return p
}

// standingText says since when a rejection stands.
func standingText(r *explain.Rejection) string {
	switch {
	case r.Since == "":
		return ""
	case r.New:
		return ", new"
	}
	return ", since " + r.Since[:len(day)]
}

// actionPart says what to do: about each rejection, and about accounts that do not
// change for what the console has, each once; and what to run.
func actionPart(d *explain.Document, verbose bool) block {
	p := block{name: "What to do"}
	known := map[string]bool{}
	for i := range d.Rejections {
		r := &d.Rejections[i]
		if known[r.Remedy] {
			continue
		}
		known[r.Remedy] = true
		x := item{label: r.Reason + standingText(r), text: r.Remedy}
		if d.Subject.Kind != plan.AddressSubject.String() && !verbose {
			x.text, x.lines = r.Address+": "+r.Message, []string{r.Remedy}
		}
		p.items = append(p.items, x)
	}
	for i := range d.Accounts {
		if a := &d.Accounts[i]; a.Remedy != "" && !known[a.Remedy] {
			known[a.Remedy] = true
			p.items = append(p.items, item{label: "account in the console", text: a.Remedy})
		}
	}
	for i := range d.Actions {
		a := &d.Actions[i]
		x := item{sign: span{"-", plain}, text: a.Text, loses: a.Loses, scripts: scripts(a, verbose)}
		if a.Effect != "" {
			x.lines = []string{a.Effect}
		}
		p.items = append(p.items, x)
	}
	if d.MoreActions > 0 && verbose {
		p.items = append(p.items, item{text: count(d.MoreActions, "more change like these is", "more changes like these are") + " not worked out"})
	}
	return p
}

// scripts are what an action consists of. Without verbose, one of them will do.
func scripts(a *explain.Action, verbose bool) []script {
	all := []script{{"run", "sh", a.Command}, {"PowerShell", "powershell", a.PowerShell}, {"LDIF", "ldif", strings.TrimRight(a.LDIF, "\n")}}
	all = slices.DeleteFunc(all, func(s script) bool { return s.text == "" })
	if !verbose {
		all = all[:min(len(all), 1)]
	}
	return all
}

// ExplanationText writes an explanation for a person: the answer first, then what it
// rests on, and last, where it stands above the prompt, what to do. All of the options
// adds what the rules have said, and names in full; Width and Color count.
func ExplanationText(w io.Writer, d *explain.Document, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.prose(0, "", plain, clean(d.Answer))
	for _, x := range notes(d, opt.All) {
		o.prose(0, x.label+": ", yellow, clean(x.text))
	}
	for _, p := range parts(d, opt.All) {
		o.end()
		o.line(bold, "%s", p.name)
		shown, more := p.shown()
		column := 0
		for i := range shown {
			if p.aligned {
				column = max(column, min(cells(clean(shown[i].label)), widestLabel))
			}
		}
		for i := range shown {
			if i > 0 && len(shown[i].scripts) > 0 {
				o.end()
			}
			o.item(&shown[i], column)
		}
		if more != "" {
			o.prose(margin, ellipsis+" ", dim, more)
		}
	}
	return o.flush()
}

// widestLabel is to how many cells labels make a column.
const widestLabel = 40

// item writes a point of a section, its text from a column behind the label on, and
// what is to be copied of it.
func (o *page) item(x *item, column int) {
	o.put(x.sign.style, x.sign.text)
	label, hang := clean(x.label), nested
	if label != "" && x.text != "" {
		label += strings.Repeat(" ", max(column-cells(label), 0)+gap)
	}
	if column > 0 {
		hang = margin + column + gap
	}
	o.hanging(margin, hang, label, bold, clean(x.text))
	for _, line := range x.lines {
		if x.loses {
			o.prose(nested, "! ", red, clean(line))
		} else {
			o.prose(nested, "", plain, clean(line))
		}
	}
	for _, s := range x.scripts {
		if s.language == "ldif" || len(x.scripts) > 1 {
			o.line(dim, "%s%s:", strings.Repeat(" ", nested), s.name)
		}
		for line := range strings.Lines(s.text) {
			// What is to be copied is neither wrapped nor shortened, and LDIF not
			// indented: a line that begins with a space continues the one above.
			if s.language != "ldif" {
				o.at(nested + gap)
			}
			o.put(plain, Escape(strings.TrimSuffix(line, "\n")))
			o.end()
		}
	}
}

// ExplanationMarkdown writes an explanation for a ticket; with verbose as [ExplanationText]
// does with All.
func ExplanationMarkdown(w io.Writer, d *explain.Document, verbose bool) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# rollcall explain: %s\n\n%s", markdown(d.Subject.Text), markdown(d.Answer))
	for _, x := range notes(d, verbose) {
		line("\n**%s:** %s", x.label, markdown(x.text))
	}
	for _, p := range parts(d, verbose) {
		line("\n## %s\n", p.name)
		shown, more := p.shown()
		for _, x := range shown {
			text := ""
			if x.sign.text != "" && x.sign.text != "-" {
				text += " " + code(x.sign.text)
			}
			if x.label != "" {
				text += " **" + markdown(x.label) + "**"
			}
			line("*%s %s", text, markdown(x.text))
			for _, below := range x.lines {
				line("  <br>%s", markdown(below))
			}
			for _, s := range x.scripts {
				fence := fenceOf(s.text)
				line("\n%s%s\n%s\n%s\n", fence, s.language, Escape(s.text), fence)
			}
		}
		if more != "" {
			line("\n%s", markdown(more))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fenceOf returns a fence that no line of a text ends.
func fenceOf(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}

// ExplanationJSON writes an explanation as the document of docs/reference/explain.md.
func ExplanationJSON(w io.Writer, d *explain.Document) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeStrings(b.String()))
	return err
}

// escapeStrings escapes in the strings of a JSON text what [identity.AppendJSONString]
// does, and encoding/json does not.
func escapeStrings(text string) string {
	var b strings.Builder
	start := 0
	for i, r := range text {
		if r < ' ' || !identity.Unprintable(r) { // a control is layout: in strings it is escaped
			continue
		}
		b.WriteString(text[start:i])
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
		start = i + utf8.RuneLen(r)
	}
	b.WriteString(text[start:])
	return b.String()
}

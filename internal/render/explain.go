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

// mostTold is how many items of a list an explanation shows; its JSON form has
// all of them.
const mostTold = 40

// told returns the items of a list that are shown, and how many are not.
func told[T any](all []T) (shown []T, more int) {
	n := min(len(all), mostTold)
	return all[:n], len(all) - n
}

// ExplanationText writes an explanation for a person: the answer first, then
// what it rests on, and last, where it stands above the prompt, what to do. Only
// the width and the colour of the options count.
func ExplanationText(w io.Writer, d *explain.Document, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.prose(0, "", plain, clean(d.Answer))
	for _, warning := range d.Warnings {
		o.prose(0, "warning: ", yellow, clean(warning))
	}
	o.explainAddresses(d)
	o.explainListed(d)
	o.explainOutside(d)
	o.explainAccounts(d)
	o.explainDrift(d)
	o.explainSteps(d)
	o.explainRows(d)
	o.explainActions(d)
	return o.flush()
}

// section begins a part of an explanation.
func (o *page) section(name string) {
	o.end()
	o.line(bold, "%s", name)
}

// rest tells how many items of a list are not shown.
func (o *page) rest(n int) {
	if n > 0 {
		o.prose(margin, ellipsis+" ", dim, number(n)+" more: -o json=FILE has all")
	}
}

// fates are the signs of what becomes of an address.
var fates = map[string]span{
	string(plan.Comes): {"+", green}, string(plan.Goes): {"-", red}, string(plan.Moves): {"~", yellow}, string(plan.ChangesRole): {"~", yellow},
}

// explainAddresses lists the addresses of a subject that has several, and what
// the configuration says of the domain of one that nobody has.
func (o *page) explainAddresses(d *explain.Document) {
	var guards []explain.Guard
	for i := range d.Addresses {
		guards = append(guards, d.Addresses[i].Guards...)
	}
	if d.Subject.Kind != plan.AddressSubject.String() && len(d.Addresses) > 0 {
		o.section("Addresses")
		widest := 0
		shown, more := told(d.Addresses)
		for i := range shown {
			widest = max(widest, cells(clean(shown[i].Address)))
		}
		for i := range shown {
			a := &shown[i]
			sign := fates[a.Fate]
			if a.Rejections > 0 && sign.text == "" {
				sign = rejected
			}
			o.put(sign.style, sign.text)
			o.at(margin)
			o.put(plain, clean(a.Address))
			o.next(margin+min(widest, 40)+gap, nested, text(placeOf(a)))
			o.end()
		}
		o.rest(more)
	}
	for i := range d.Addresses {
		if text := domainText(&d.Addresses[i]); text != "" {
			o.section("Domain")
			o.prose(margin, "", plain, clean(text))
		}
	}
	if len(guards) > 0 {
		o.section("Protected or on hold")
		shown, more := told(guards)
		for i := range shown {
			o.prose(margin, "", plain, clean(guardText(&shown[i])))
		}
		o.rest(more)
	}
}

// placeOf says in a few words what becomes of an address.
func placeOf(a *explain.Address) string {
	text := strings.ReplaceAll(a.Fate, "_", " ")
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
		text += ", " + count(a.Rejections, "refusal", "refusals")
	}
	return text
}

// domainText says what the configuration makes of the domain of an address that
// nobody has; "" for others.
func domainText(a *explain.Address) string {
	d := &a.Domain
	text := d.Name + " is no domain of the configuration, and no alias of one: to have addresses in it, declare domain \"" + d.Name + "\" {} and add it to the domains of a scope"
	switch {
	case d.Name == "" || a.Rejections > 0 || a.Fate != string(plan.Nobody) && a.Fate != string(plan.Dormant):
		return ""
	case !d.Declared:
		return text
	case d.Ignored:
		return "addresses in " + d.Name + " are ignored: ignore = true of its domain block says so"
	case d.Public:
		text = d.Name + " is a public domain: its addresses may be aliases of no primary, because alias_for is empty"
		if len(d.AliasFor) > 0 {
			text = d.Name + " is a public domain: its addresses may be aliases of primaries in " + strings.Join(d.AliasFor, ", ")
		}
	case len(d.Scopes) == 0:
		text = d.Name + " is declared, and no scope takes it: add it to the domains of one"
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

// listedBy groups the values of entries by entry.
type listedBy struct {
	explain.Listing
	addresses []*explain.Address
	listings  []*explain.Listing
}

func listings(d *explain.Document) []listedBy {
	type entry struct{ directory, scope, dn, guid string }
	var all []listedBy
	of := map[entry]int{}
	for i := range d.Addresses {
		a := &d.Addresses[i]
		for k := range a.Listed {
			l := &a.Listed[k]
			e := entry{l.Directory, l.Scope, l.DN, l.GUID}
			n, known := of[e]
			if !known {
				n = len(all)
				of[e] = n
				all = append(all, listedBy{Listing: *l})
			}
			all[n].addresses, all[n].listings = append(all[n].addresses, a), append(all[n].listings, l)
		}
	}
	return all
}

// valueText tells a value with all its spaces.
func valueText(v *explain.Value) string {
	return v.Attribute + ": " + strings.ReplaceAll(v.Value, "  ", ` \x20`)
}

// valuesText tells a listing as the directory has it.
func valuesText(l *explain.Listing, address string) string {
	var parts []string
	for _, v := range l.Values {
		parts = append(parts, valueText(&v))
	}
	if len(parts) == 0 {
		parts = append(parts, l.Value)
	}
	text := strings.Join(parts, ", ")
	switch l.Role {
	case "declared":
		text += " (its primary)"
	case "candidate":
		text += " (a second candidate for its primary)"
	}
	if !strings.EqualFold(l.Value, address) {
		text += ", which is " + address
	}
	return text
}

func (o *page) explainListed(d *explain.Document) {
	all := listings(d)
	if len(all) == 0 {
		return
	}
	o.section("Listed by")
	shown, more := told(all)
	for i := range shown {
		g := &shown[i]
		o.prose(margin, "", plain, clean(g.DN))
		about := "directory " + g.Directory + ", scope " + g.Scope
		if g.GUID != "" {
			about += ", GUID " + g.GUID
		}
		o.prose(nested, "", plain, clean(about))
		for k, l := range g.listings {
			o.prose(nested, "", plain, clean(valuesText(l, g.addresses[k].Address)))
		}
	}
	o.rest(more)
}

func (o *page) explainOutside(d *explain.Document) {
	if len(d.Outside) == 0 {
		return
	}
	o.section("In the directory, and not in the plan")
	shown, more := told(d.Outside)
	for i := range shown {
		x := &shown[i]
		o.prose(margin, "", plain, clean(x.DN))
		about := "directory " + x.Directory
		if x.GUID != "" {
			about += ", GUID " + x.GUID
		}
		o.prose(nested, "", plain, clean(about))
		for i := range x.Values {
			o.prose(nested, "", plain, clean(valueText(&x.Values[i])))
		}
		for _, v := range x.Verdicts {
			for _, b := range v.Obstacles {
				o.prose(nested, "scope "+clean(v.Scope)+": ", yellow, clean(b.Text))
				if b.Remedy != "" {
					o.prose(nested, "hint: ", dim, clean(b.Remedy))
				}
			}
		}
	}
	o.rest(more)
}

// accountText tells of an account in a line.
func accountText(a *explain.Account) string {
	status := a.Status
	if a.New {
		status = "new"
	}
	parts := []string{status + " " + a.Type}
	if a.Owner != "" {
		parts = append(parts, `configuration "`+a.Owner+`"`)
	} else if a.Directory != "" {
		parts = append(parts, "directory "+a.Directory)
	} else if !a.New {
		parts = append(parts, "local: no directory owns it")
	}
	switch a.Standing {
	case "unread":
		parts = append(parts, "its directory was not read")
	case "orphan":
		parts = append(parts, "no entry stands behind it")
	}
	if a.GUID != "" {
		parts = append(parts, "GUID "+a.GUID)
	}
	if a.Hold != "" {
		parts = append(parts, `on legal hold "`+a.Hold+`"`)
	} else if a.Frozen {
		parts = append(parts, "stays as it is in this run")
	}
	if a.Withheld {
		parts = append(parts, "a limit keeps it in service")
	}
	if n := len(a.Aliases); n > 0 {
		parts = append(parts, count(n, "alias", "aliases"))
	}
	if a.New || a.NewStatus == "" {
		return strings.Join(parts, ", ")
	}
	if a.NewDirectory != a.Directory {
		parts = append(parts, "passes to directory "+a.NewDirectory)
	}
	if a.NewPrimary != a.Primary {
		parts = append(parts, "becomes "+a.NewPrimary)
	}
	if a.NewStatus != a.Status && !a.Withheld {
		parts = append(parts, "becomes "+a.NewStatus)
	}
	return strings.Join(parts, ", ")
}

// nameOf is the primary before, or that of an account that is new.
func nameOf(a *explain.Account) string {
	if a.New {
		return a.NewPrimary
	}
	return a.Primary
}

func (o *page) explainAccounts(d *explain.Document) {
	if len(d.Accounts) == 0 {
		return
	}
	o.section("Accounts")
	shown, more := told(d.Accounts)
	for i := range shown {
		a := &shown[i]
		o.prose(margin, "", plain, clean(nameOf(a)))
		o.prose(nested, "", plain, clean(accountText(a)))
		if a.DN != "" {
			o.prose(nested, "", plain, clean(a.DN))
		}
	}
	o.rest(more)
}

func (o *page) explainDrift(d *explain.Document) {
	if len(d.Drift) == 0 {
		return
	}
	o.section("Changed in the console by hand")
	shown, more := told(d.Drift)
	for i := range shown {
		o.prose(margin, drifted.text+" ", drifted.style, clean(shown[i].Message))
	}
	o.rest(more)
}

func (o *page) explainSteps(d *explain.Document) {
	if len(d.Steps) == 0 {
		return
	}
	o.section("Why, rule by rule")
	names := 0
	for i := range d.Steps {
		names = max(names, len(d.Steps[i].Rule))
	}
	shown, more := told(d.Steps)
	last := ""
	for i := range shown {
		s := &shown[i]
		rule := s.Rule
		if rule == last {
			rule = ""
		}
		last = s.Rule
		o.at(margin)
		o.put(bold, rule)
		o.at(margin + names + gap)
		o.prose(margin+names+gap, "", plain, clean(s.Message))
	}
	o.rest(more)
}

// rowText tells from what to what a row changes.
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

// signOfRow is the sign of a row's category.
func signOfRow(r *explain.Row) span {
	for c := range plan.Category(plan.Categories) {
		if c.String() == r.Category {
			return categories[c].sign
		}
	}
	return span{}
}

func (o *page) explainRows(d *explain.Document) {
	o.section("In the plan")
	if len(d.Changes)+len(d.Rejections) == 0 {
		o.prose(margin, "", plain, "nothing: no change and no refusal")
	}
	rows, more := told(d.Changes)
	for i := range rows {
		r := &rows[i]
		sign := signOfRow(r)
		o.put(sign.style, sign.text)
		o.at(margin)
		o.prose(margin, r.Category+" ", bold, clean(r.Address)+"  "+clean(rowText(r)))
	}
	o.rest(more)
	refusals, more := told(d.Rejections)
	for i := range refusals {
		r := &refusals[i]
		o.put(rejected.style, rejected.text)
		o.at(margin)
		o.prose(margin, r.Reason+" ", bold, clean(r.Address)+standingText(r))
		o.prose(nested, "", plain, clean(r.Message))
		if r.DN != "" {
			o.prose(nested, "", plain, clean(r.DN))
		}
	}
	o.rest(more)
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

// remedies are what to do about the rejections, and about accounts that the console
// keeps as they are, each once.
func remedies(d *explain.Document) []explain.Rejection {
	type advice struct{ reason, remedy string }
	var all []explain.Rejection
	known := map[advice]bool{}
	for _, r := range d.Rejections {
		if a := (advice{r.Reason, r.Remedy}); !known[a] {
			known[a] = true
			all = append(all, r)
		}
	}
	for i := range d.Accounts {
		a := &d.Accounts[i]
		if a.Remedy != "" && !slices.ContainsFunc(all, func(r explain.Rejection) bool { return r.Remedy == a.Remedy }) {
			all = append(all, explain.Rejection{Reason: "an account in the console that stays as it is", Remedy: a.Remedy})
		}
	}
	return all
}

func (o *page) explainActions(d *explain.Document) {
	all := remedies(d)
	if len(all)+len(d.Actions) == 0 {
		return
	}
	o.section("What to do")
	shown, more := told(all)
	for i := range shown {
		o.line(bold, "%s%s", strings.Repeat(" ", margin), shown[i].Reason)
		o.prose(nested, "", plain, clean(shown[i].Remedy))
	}
	o.rest(more)
	for i := range d.Actions {
		a := &d.Actions[i]
		if i+len(all) > 0 {
			o.end()
		}
		o.prose(margin, "- ", plain, clean(a.Text))
		if a.Effect != "" {
			style := dim
			if a.Loses {
				style = red
			}
			o.prose(nested, "effect: ", style, clean(a.Effect))
		}
		for _, script := range scripts(a) {
			o.line(dim, "%s%s:", strings.Repeat(" ", nested), script.name)
			for line := range strings.Lines(script.text) {
				// What is to be copied is neither wrapped nor shortened, and LDIF not
				// indented: a line that begins with a space continues the one above.
				if script.language != "ldif" {
					o.at(nested + gap)
				}
				o.put(plain, Escape(strings.TrimSuffix(line, "\n")))
				o.end()
			}
		}
	}
	o.moreActions(d)
}

func (o *page) moreActions(d *explain.Document) {
	if d.MoreActions > 0 {
		o.end()
		o.prose(margin, ellipsis+" ", dim, moreActions(d))
	}
}

// moreActions counts what is not worked out.
func moreActions(d *explain.Document) string {
	return count(d.MoreActions, "more change like these is", "more changes like these are") + " not worked out"
}

type script struct{ name, language, text string }

// scripts are what an action consists of.
func scripts(a *explain.Action) []script {
	all := []script{{"run", "sh", a.Command}, {"PowerShell", "powershell", a.PowerShell}, {"LDIF", "ldif", strings.TrimRight(a.LDIF, "\n")}}
	return slices.DeleteFunc(all, func(s script) bool { return s.text == "" })
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

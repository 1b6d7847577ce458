package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/plan"
)

// ExplanationMarkdown writes an explanation for a ticket.
func ExplanationMarkdown(w io.Writer, d *explain.Document) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	rest := func(n int) {
		if n > 0 {
			line("\n%s more: `-o json=FILE` has all.", number(n))
		}
	}
	line("# rollcall explain: %s\n\n%s", markdown(d.Subject.Text), markdown(d.Answer))
	for _, warning := range d.Warnings {
		line("\n**Warning:** %s", markdown(warning))
	}
	if d.Subject.Kind != plan.AddressSubject.String() && len(d.Addresses) > 0 {
		line("\n## Addresses\n\n| address | what becomes of it |\n|---|---|")
		shown, more := told(d.Addresses)
		for i := range shown {
			b.WriteString(tableRow(markdown(shown[i].Address), markdown(placeOf(&shown[i]))))
		}
		rest(more)
	}
	for i := range d.Addresses {
		if text := domainText(&d.Addresses[i]); text != "" {
			line("\n%s", markdown(text))
		}
		for k := range d.Addresses[i].Guards {
			line("\n%s: %s", markdown(d.Addresses[i].Address), markdown(guardText(&d.Addresses[i].Guards[k])))
		}
	}
	if all := listings(d); len(all) > 0 {
		line("\n## Listed by\n\n| directory | scope | entry | value |\n|---|---|---|---|")
		shown, more := told(all)
		for i := range shown {
			g := &shown[i]
			var values []string
			for k, l := range g.listings {
				values = append(values, markdown(valuesText(l, g.addresses[k].Address)))
			}
			b.WriteString(tableRow(markdown(g.Directory), markdown(g.Scope), markdown(g.DN), strings.Join(values, "<br>")))
		}
		rest(more)
	}
	if len(d.Outside) > 0 {
		line("\n## In the directory, and not in the plan\n\n| directory | object | value | scope | why not | what to do |\n|---|---|---|---|---|---|")
		shown, more := told(d.Outside)
		for i := range shown {
			x := &shown[i]
			var values []string
			for k := range x.Values {
				values = append(values, markdown(valueText(&x.Values[k])))
			}
			for _, v := range x.Verdicts {
				for _, o := range v.Obstacles {
					b.WriteString(tableRow(markdown(x.Directory), markdown(x.DN), strings.Join(values, "<br>"), markdown(v.Scope), markdown(o.Text), markdown(o.Remedy)))
				}
			}
		}
		rest(more)
	}
	if len(d.Accounts) > 0 {
		line("\n## Accounts\n\n| account | what it is | DN |\n|---|---|---|")
		shown, more := told(d.Accounts)
		for i := range shown {
			b.WriteString(tableRow(markdown(nameOf(&shown[i])), markdown(accountText(&shown[i])), markdown(shown[i].DN)))
		}
		rest(more)
	}
	if len(d.Drift) > 0 {
		line("\n## Changed in the console by hand\n")
		shown, more := told(d.Drift)
		for i := range shown {
			line("* %s", markdown(shown[i].Message))
		}
		rest(more)
	}
	if len(d.Steps) > 0 {
		line("\n## Why, rule by rule\n\n| rule | says |\n|---|---|")
		shown, more := told(d.Steps)
		for i := range shown {
			b.WriteString(tableRow(markdown(shown[i].Rule), markdown(shown[i].Message)))
		}
		rest(more)
	}
	line("\n## In the plan")
	if len(d.Changes)+len(d.Rejections) == 0 {
		line("\nNothing: no change and no refusal.")
	} else {
		line("\n| | what | address | |\n|---|---|---|---|")
		rows, more := told(d.Changes)
		for i := range rows {
			r := &rows[i]
			b.WriteString(tableRow(markdown(signOfRow(r).text), markdown(r.Category), markdown(r.Address), markdown(rowText(r))))
		}
		refusals, others := told(d.Rejections)
		for i := range refusals {
			r := &refusals[i]
			b.WriteString(tableRow(markdown(rejected.text), markdown(r.Reason), markdown(r.Address), markdown(r.Message)+markdown(standingText(r))))
		}
		rest(more + others)
	}
	if all := remedies(d); len(all)+len(d.Actions) > 0 {
		line("\n## What to do\n")
		shown, more := told(all)
		for i := range shown {
			line("* **%s**: %s", markdown(shown[i].Reason), markdown(shown[i].Remedy))
		}
		rest(more)
		for i := range d.Actions {
			a := &d.Actions[i]
			line("\n%s", markdown(a.Text))
			if a.Effect != "" {
				line("\n*Effect:* %s", markdown(a.Effect))
			}
			for _, s := range scripts(a) {
				fence := fenceOf(s.text)
				line("\n%s%s\n%s\n%s", fence, s.language, Escape(s.text), fence)
			}
		}
		if d.MoreActions > 0 {
			line("\n%s.", moreActions(d))
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

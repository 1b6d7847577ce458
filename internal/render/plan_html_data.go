package render

import (
	"bufio"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// accountField is a value of an account in the data of a report.
type accountField struct {
	name  string
	value func(*identity.Account) string
}

// accountFields come first; the script knows them by their places. Attributes
// follow.
var accountFields = []accountField{
	{"primary", func(a *identity.Account) string { return a.Primary.String() }},
	{"aliases", func(a *identity.Account) string {
		texts := make([]string, len(a.Aliases))
		for i, alias := range a.Aliases {
			texts[i] = alias.String()
		}
		return strings.Join(texts, " ")
	}},
	{"type", func(a *identity.Account) string { return a.Type.String() }},
	{"status", func(a *identity.Account) string { return a.Status.String() }},
	{"directory", func(a *identity.Account) string { return a.Directory }},
	{"guid", func(a *identity.Account) string { return a.GUID.String() }},
	{"username", func(a *identity.Account) string { return a.Username }},
	{"dn", func(a *identity.Account) string { return a.DN }},
}

// dataWriter writes the data of a report: one JSON object in which tables are
// lists of columns, so that nothing is written twice. A column is a list of
// texts, with 0 for the text of the row above (of the first row: the empty one)
// and 1 for the text that the same account has before the change. Its out keeps
// the first error.
type dataWriter struct {
	out *bufio.Writer
	buf []byte
}

func writeReportData(out *bufio.Writer, p *plan.Plan) {
	d := dataWriter{out: out}
	d.put("<script type=\"application/json\" id=\"data\">\n{\n\"several\": ", strconv.FormatBool(severalDirectories(p)), ",\n\"header\": ")
	d.texts(planHeader)
	d.accounts(p.Accounts)
	d.drift(p.Drift)
	d.changes(p)
	d.equal(p)
	d.leftOut(p.LeftOut)
	d.rejections(p.Rejections)
	d.put("\n}\n</script>\n")
}

func (d *dataWriter) put(texts ...string) {
	for _, text := range texts {
		d.out.WriteString(text)
	}
}

// markup are the characters of JSON that mean something in HTML.
var markup = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`)

func hasMarkup(text []byte) bool {
	for _, c := range text {
		if c == '<' || c == '>' || c == '&' {
			return true
		}
	}
	return false
}

func (d *dataWriter) text(s string) {
	d.buf = identity.AppendJSONString(d.buf[:0], s)
	if hasMarkup(d.buf) {
		markup.WriteString(d.out, string(d.buf))
		return
	}
	d.out.Write(d.buf)
}

// list writes n items, ten to a line.
func (d *dataWriter) list(n int, item func(i int)) {
	d.put("[")
	for i := range n {
		if i > 0 {
			d.put(",")
		}
		if i > 0 && i%10 == 0 {
			d.put("\n")
		}
		item(i)
	}
	d.put("]")
}

func (d *dataWriter) texts(all []string) { d.list(len(all), func(i int) { d.text(all[i]) }) }

func (d *dataWriter) numbers(n int, number func(i int) int) {
	d.list(n, func(i int) {
		d.buf = strconv.AppendInt(d.buf[:0], int64(number(i)), 10)
		d.out.Write(d.buf)
	})
}

// places writes the numbers of those rows of which something holds.
func (d *dataWriter) places(name string, n int, holds func(i int) bool) {
	var all []int
	for i := range n {
		if holds(i) {
			all = append(all, i)
		}
	}
	d.put(",\n", strconv.Quote(name), ": ")
	d.numbers(len(all), func(i int) int { return all[i] })
}

// column writes a column of texts; beside, which may be nil, gives those before
// the change.
func (d *dataWriter) column(n int, value, beside func(i int) string) {
	above := ""
	d.list(n, func(i int) {
		text := value(i)
		switch {
		case text == above:
			d.put("0")
		case beside != nil && text == beside(i):
			d.put("1")
		default:
			d.text(text)
		}
		above = text
	})
}

// table writes columns by their names.
func (d *dataWriter) table(name string, n int, columns ...dataColumn) {
	d.put(",\n", strconv.Quote(name), ": {")
	for i, c := range columns {
		if i > 0 {
			d.put(",")
		}
		d.put("\n", strconv.Quote(c.name), ": ")
		d.column(n, c.value, nil)
	}
	d.put("}")
}

type dataColumn struct {
	name  string
	value func(i int) string
}

// accounts writes the accounts before and after, and, where a brake withholds
// anything, as the directories want them.
func (d *dataWriter) accounts(all []plan.AccountChange) {
	names := map[string]bool{}
	kept := false
	for i := range all {
		for _, a := range []*identity.Account{all[i].Before, all[i].After, all[i].Kept} {
			if a != nil {
				for _, attr := range a.Attributes {
					names[attr.Name] = true
				}
			}
		}
		kept = kept || all[i].Kept != nil
	}
	fields := slices.Clone(accountFields)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fields = append(fields, accountField{name, func(a *identity.Account) string { return identity.Lookup(a.Attributes, name) }})
	}
	d.put(",\n\"fields\": ")
	d.list(len(fields), func(i int) { d.text(fields[i].name) })
	sides := []func(*plan.AccountChange) *identity.Account{
		func(c *plan.AccountChange) *identity.Account { return c.Before },
		(*plan.AccountChange).Result,
		func(c *plan.AccountChange) *identity.Account { return c.After },
	}
	if !kept {
		sides = sides[:2]
	}
	d.put(",\n\"sides\": [")
	for n, side := range sides {
		if n > 0 {
			d.put(",")
		}
		d.put("[")
		for f, field := range fields {
			if f > 0 {
				d.put(",\n")
			}
			of := func(a *identity.Account) string {
				if a == nil {
					return ""
				}
				return field.value(a)
			}
			var beside func(i int) string
			if n > 0 {
				beside = func(i int) string { return of(all[i].Before) }
			}
			d.column(len(all), func(i int) string { return of(side(&all[i])) }, beside)
		}
		d.put("]")
	}
	d.put("]")
	d.places("withheld", len(all), func(i int) bool { return all[i].Withheld })
}

// changes writes the categories in their order, each with the range of its
// rows, and the rows: the address, and the numbers of the accounts before and after,
// -1 for none; the former as the difference to that of the row above, the latter to
// the former.
func (d *dataWriter) changes(p *plan.Plan) {
	number := make(map[*identity.Account]int32, 2*len(p.Accounts))
	for i := range p.Accounts {
		c := &p.Accounts[i]
		number[c.Before], number[c.After], number[c.Kept] = int32(i), int32(i), int32(i)
	}
	number[nil] = -1
	s := p.Summary()
	var first [plan.Categories]int
	for c := 1; c < plan.Categories; c++ {
		first[c] = first[c-1] + s.Changes[c-1]
	}
	d.put(",\n\"categories\": [")
	for i, c := range order {
		if i > 0 {
			d.put(",")
		}
		k := &categories[c]
		d.group(c.String(), kinds[k.sign], k.one, changesOf(&s, c), first[c], s.Changes[c])
	}
	d.put("]")
	n := len(p.Changes)
	d.table("changes", n, dataColumn{"address", func(i int) string { return p.Changes[i].Address.String() }})
	before := make([]int, n)
	for i := range before {
		before[i] = int(number[p.Changes[i].Before])
	}
	above := 0
	d.put(",\n\"before\": ")
	d.numbers(n, func(i int) int {
		was := above
		above = before[i]
		return above - was
	})
	d.put(",\n\"after\": ")
	d.numbers(n, func(i int) int {
		after := p.Changes[i].After
		if b := before[i]; b >= 0 && p.Accounts[b].After == after {
			return 0
		}
		return int(number[after]) - before[i]
	})
	d.places("kept_back", n, func(i int) bool { return p.Changes[i].Withheld })
	d.places("corrects", n, func(i int) bool { return p.Changes[i].Drift })
	attributes := p.Changes[first[plan.AttributeChange]:][:s.Changes[plan.AttributeChange]]
	types := p.Changes[first[plan.TypeChange]:][:s.Changes[plan.TypeChange]]
	from, to := make([]string, len(attributes)), make([]string, len(attributes))
	for i := range attributes {
		if c := &attributes[i]; c.Attribute == plan.AttributeDN {
			if g, in := c.Group(); in {
				from[i], to[i] = p.Groups[g].From, p.Groups[g].To
			} else {
				from[i], to[i] = plan.DNChange(c.Before.DN, c.After.DN)
			}
		}
	}
	d.table("only", len(attributes),
		dataColumn{"attribute_change", func(i int) string { return attributes[i].Attribute }},
		dataColumn{"from", func(i int) string { return from[i] }},
		dataColumn{"to", func(i int) string { return to[i] }},
	)
	lost := p.Changes[first[plan.Inactive]:][:s.Changes[plan.Inactive]]
	d.table("because", len(types), dataColumn{"type_change", func(i int) string { return types[i].Row().Reason }})
	d.table("lost", len(lost), dataColumn{"inactive", func(i int) string { return lost[i].Row().Reason }})
	d.put(",\n\"meanings\": {")
	for i, r := range plan.LossReasons() {
		if i > 0 {
			d.put(",")
		}
		d.text(string(r))
		d.put(": ")
		d.text(r.Text())
	}
	d.put("}")
}

// equal writes the groups of equal changes, and the numbers of their rows, each as the
// difference to the one before.
func (d *dataWriter) equal(p *plan.Plan) {
	rows := make([][]int, len(p.Groups))
	for n := range p.Groups {
		rows[n] = make([]int, 0, p.Groups[n].Rows)
	}
	for i := range p.Changes {
		if n, in := p.Changes[i].Group(); in {
			rows[n] = append(rows[n], i)
		}
	}
	d.put(",\n\"groups\": [")
	for n := range p.Groups {
		if n > 0 {
			d.put(",")
		}
		g := &p.Groups[n]
		d.put("\n{\"name\": \"", groupName(n), "\", \"category\": ")
		d.text(g.Category.String())
		d.put(", \"meaning\": ")
		d.text(g.Counted() + " " + g.Text())
		d.put(", \"parts\": ")
		d.texts(pieces(g))
		d.put(", \"steps\": ")
		above := 0
		d.numbers(len(rows[n]), func(i int) int {
			step := rows[n][i] - above
			above = rows[n][i]
			return step
		})
		d.put("}")
	}
	d.put("]")
}

// pieces are the words and the values of a group, by turns.
func pieces(g *plan.Group) []string {
	texts := []string{g.Counted() + " "}
	for _, part := range g.Parts() {
		switch last := len(texts) - 1; {
		case part.Value == (last%2 == 1): // of one kind with the one before
			texts[last] += part.Text
		default:
			texts = append(texts, part.Text)
		}
	}
	return texts
}

// drift writes the kinds, each with the range of its rows, and the rows.
func (d *dataWriter) drift(all []plan.Drift) {
	d.put(",\n\"drift_kinds\": [")
	for first := 0; first < len(all); {
		kind, rows := all[first].Kind, 1
		for first+rows < len(all) && all[first+rows].Kind == kind {
			rows++
		}
		if first > 0 {
			d.put(",")
		}
		d.group(kind.String(), kinds[drifted], driftKinds[kind].one, oneOf(rows, driftKinds[kind].one, driftKinds[kind].many), first, rows)
		first += rows
	}
	d.put("]")
	column := func(name string, value func(d *plan.Drift) string) dataColumn {
		return dataColumn{name, func(i int) string { return value(&all[i]) }}
	}
	d.table("drift", len(all),
		column("kind", func(d *plan.Drift) string { return d.Kind.String() }),
		column("account", func(d *plan.Drift) string { return d.Primary.String() }),
		column("ref", func(d *plan.Drift) string { return d.Ref }),
		column("field", func(d *plan.Drift) string { return d.Field }),
		column("recorded", func(d *plan.Drift) string { return d.Recorded }),
		column("found", func(d *plan.Drift) string { return d.Found }),
	)
}

// group writes what a range of rows has in common: its code, its look, and what one row
// and all of them say.
func (d *dataWriter) group(name, kind, one, meaning string, first, rows int) {
	d.put("\n{\"name\": ")
	d.text(name)
	d.put(", \"kind\": ")
	d.text(kind)
	d.put(", \"one\": ")
	d.text(one)
	d.put(", \"meaning\": ")
	d.text(meaning)
	d.put(", \"first\": ", strconv.Itoa(first), ", \"rows\": ", strconv.Itoa(rows), "}")
}

// leftOut writes the cells of CSV, and why.
func (d *dataWriter) leftOut(all []plan.LeftOut) {
	columns := make([]dataColumn, 0, len(planHeader)+1)
	for n, name := range planHeader {
		var cells []string
		columns = append(columns, dataColumn{name, func(i int) string {
			cells = leftOutCells(cells[:0], &all[i])
			return cells[n]
		}})
	}
	columns = append(columns, dataColumn{"why", func(i int) string { return all[i].Why() }})
	d.table("left_out", len(all), columns...)
}

// rejections writes the reasons, each with the range of its rows, and the rows.
func (d *dataWriter) rejections(all []plan.Rejection) {
	d.put(",\n\"reasons\": [")
	for first := 0; first < len(all); {
		rows := 1
		for first+rows < len(all) && all[first+rows].Reason == all[first].Reason {
			rows++
		}
		if first > 0 {
			d.put(",")
		}
		meaning := all[first].Reason.Meaning()
		d.group(all[first].Reason.String(), kinds[rejected], meaning, meaning, first, rows)
		first += rows
	}
	d.put("]")
	column := func(name string, value func(r *plan.Rejection) string) dataColumn {
		return dataColumn{name, func(i int) string { return value(&all[i]) }}
	}
	d.table("rejections", len(all),
		column("reason", func(r *plan.Rejection) string { return r.Reason.String() }),
		column("address", func(r *plan.Rejection) string { return r.Address }),
		column("type", func(r *plan.Rejection) string { return r.Type.String() }),
		column("primary", func(r *plan.Rejection) string { return r.Primary }),
		column("guid", func(r *plan.Rejection) string { return r.GUID.String() }),
		column("dn", func(r *plan.Rejection) string { return r.DN }),
		column("directory", func(r *plan.Rejection) string { return r.Directory }),
		column("scope", func(r *plan.Rejection) string { return r.Scope }),
		column("attribute", func(r *plan.Rejection) string { return r.Attribute }),
		column("message", func(r *plan.Rejection) string { return r.Message(plan.Names{}) }),
		column("remedy", func(r *plan.Rejection) string { return r.Remedy(plan.Names{}) }),
		column("standing", standingSince),
	)
}

// standingSince is "new", the day since when a rejection stands, or "" where
// that is not known.
func standingSince(r *plan.Rejection) string {
	switch {
	case !marked(r):
		return ""
	case r.New:
		return "new"
	}
	return r.Since.UTC().Format(day)
}

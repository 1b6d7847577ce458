package render

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Past is what a run did to an address.
type Past struct {
	Run run.Record
	// Before and After are the accounts that had the address and that have it
	// then; nil for nobody.
	Before, After *identity.Account
	// Accounts are the changes of the accounts that have or had the address, and
	// Rows those of the address.
	Accounts []plan.AccountChange
	Rows     []plan.Change
}

// Role says what an address is to the account that has it, nil for nobody.
func Role(x identity.Address, a *identity.Account) string {
	switch {
	case a == nil:
		return "nobody's"
	case a.Active() && a.Primary != x:
		return "an alias of " + a.Primary.String()
	}
	kind := a.Type.String() + " account of " + a.Directory
	if a.Local() {
		kind = "local " + a.Type.String() + " account"
	}
	name := identity.Lookup(a.Attributes, "display_name")
	switch {
	case a.Active() && name != "":
		return "the primary of " + name + " (" + kind + ")"
	case a.Active():
		return "the primary of a " + kind
	case name != "":
		return "an inactive account of " + name + " (" + kind + ")"
	}
	return "an inactive " + kind
}

// categories are those of the rows, each once, with what became of them where the run
// did not do what it did otherwise.
func (p *Past) categories() string {
	became := RowOutcomes(&p.Run, p.Accounts)
	var all []string
	for i := range p.Rows {
		c := p.Rows[i].Category.String()
		if outcome, _ := became(&p.Rows[i]); p.Run.Outcome.Changed() && outcome != "applied" {
			c += " (" + strings.ReplaceAll(outcome, "_", " ") + ")"
		}
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return strings.Join(all, ", ")
}

func pastColumns(x identity.Address) []column[*Past] {
	return []column[*Past]{
		{head: "run", cell: func(p *Past, short bool) cell {
			if short {
				return text("run " + strconv.Itoa(p.Run.Number))
			}
			return text(strconv.Itoa(p.Run.Number))
		}},
		{head: "started", cell: func(p *Past, _ bool) cell { return text(second(p.Run.Started)) }},
		{head: "by", least: 12, helps: true, cell: func(p *Past, _ bool) cell { return text(p.Run.User + "@" + p.Run.Host) }},
		{head: "outcome", cell: func(p *Past, _ bool) cell { return outcome(&p.Run.Run) }},
		{head: "before", cell: func(p *Past, _ bool) cell { return sentence(plain, Role(x, p.Before)) }},
		{head: "after", cell: func(p *Past, _ bool) cell { return sentence(plain, Role(x, p.After)) }},
		{head: "changes", wraps: true, cell: func(p *Past, _ bool) cell { return sentence(dim, p.categories()) }},
	}
}

// PastText writes a table of the runs that changed something of an address,
// oldest first. Only the width and the colour of the options count.
func PastText(w io.Writer, x identity.Address, all []Past, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	if len(all) == 0 {
		o.line(plain, "no run has changed anything of %s", clean(x.String()))
	}
	t := table[*Past]{columns: pastColumns(x), stacks: true, rows: len(all), row: func(i int) *Past { return &all[i] }}
	t.all(o)
	return o.flush()
}

// PastMarkdown writes the table of [PastText], the newest run first.
func PastMarkdown(w io.Writer, x identity.Address, all []Past) error {
	r := comment{full: "rollcall history --address " + x.String()}
	r.put("## rollcall history of %s: %s\n\n", markdown(x.String()), count(len(all), "run", "runs"))
	addSection(&r, "", "", "", pastColumns(x), len(all), func(i int) *Past { return &all[len(all)-1-i] })
	return r.write(w)
}

// PastCSV writes one row per run, below a line of headings. Cells are as safe as
// those of [CSV].
func PastCSV(w io.Writer, x identity.Address, all []Past, d Dialect) error {
	out := d.writer(w)
	out.Write([]string{"run", "started", "user", "host", "command", "outcome", "reason", "address", "before", "account_before", "after", "account_after", "changes"})
	for i := range all {
		p := &all[i]
		account := func(a *identity.Account) string {
			if a == nil {
				return ""
			}
			return a.Primary.String()
		}
		writeSafe(out, []string{
			strconv.Itoa(p.Run.Number), second(p.Run.Started), p.Run.User, p.Run.Host, p.Run.Command, string(p.Run.Outcome), p.Run.Reason, x.String(),
			Role(x, p.Before), account(p.Before), Role(x, p.After), account(p.After), p.categories(),
		})
	}
	out.Flush()
	return out.Error()
}

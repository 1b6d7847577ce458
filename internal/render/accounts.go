package render

import (
	"cmp"
	"io"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

type accountColumn = column[*identity.Account]

var accountColumns = []accountColumn{
	{head: "primary", cell: func(a *identity.Account, _ bool) cell { return subject(a.Primary.String()) }},
	{head: "aliases", least: leastAddress, address: true, cell: someAliases},
	{head: "type", cell: func(a *identity.Account, _ bool) cell { return text(a.Type.String()) }},
	{head: "status", cell: func(a *identity.Account, _ bool) cell { return statusOf(a) }},
	{head: "owner", least: 8, cell: owner},
	{head: "username", least: 12, helps: true, cell: func(a *identity.Account, _ bool) cell { return text(a.Username) }},
}

// statusOf is the status of an account, with that which few have in sight.
func statusOf(a *identity.Account) cell {
	if !a.Active() {
		return styled(yellow, a.Status.String())
	}
	return text(a.Status.String())
}

// owner is the label of the directory, or "local" in the looks of a remark.
func owner(a *identity.Account, _ bool) cell {
	if a.Local() {
		return styled(dim, "(local)")
	}
	return text(a.Directory)
}

// someAliases shows the first alias and how many more there are.
func someAliases(a *identity.Account, short bool) cell {
	if len(a.Aliases) == 0 {
		return cell{}
	}
	first := shortAddress(a.Aliases[0].String(), a.Primary.String(), short)
	if more := len(a.Aliases) - 1; more > 0 {
		return spans(span{first, plain}, span{" and " + number(more) + " more", dim})
	}
	return text(first)
}

// Accounts writes a table of accounts, all of them. Only the width and the
// colour of the options count.
func Accounts(w io.Writer, accounts []identity.Account, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	t := table[*identity.Account]{
		columns: accountColumns,
		rows:    len(accounts),
		row:     func(i int) *identity.Account { return &accounts[i] },
	}
	t.all(o)
	return o.flush()
}

// longestName is the most cells that the names of fields take beside their
// values.
const longestName = 24

// Account writes everything that is recorded of one account, a line for each
// value. Only the width and the colour of the options count; nothing is
// shortened.
func Account(w io.Writer, a *identity.Account, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	type field struct{ name, value string }
	var fields []field
	for i, alias := range a.Aliases {
		fields = append(fields, field{oneOf(i+1, "aliases", ""), alias.String()})
	}
	fields = append(fields, field{"type", a.Type.String()}, field{"status", a.Status.String()}, field{"owner", cmp.Or(a.Directory, "(local)")},
		field{"guid", a.GUID.String()}, field{"username", a.Username}, field{"dn", a.DN})
	for _, attr := range a.Attributes {
		fields = append(fields, field{attr.Name, attr.Value})
	}
	names := 0
	for _, f := range fields {
		names = max(names, cells(clean(f.name)))
	}
	names = min(names, longestName)
	o.cell(styled(bold, a.Primary.String()))
	o.end()
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		o.at(margin)
		o.cell(styled(dim, f.name))
		// Behind a name that is too long, this begins a new line.
		o.at(margin + names + gap)
		o.cell(text(f.value))
		o.end()
	}
	return o.flush()
}

// AccountsMarkdown writes a table of accounts.
func AccountsMarkdown(w io.Writer, accounts []identity.Account) error {
	r := comment{full: "rollcall state list"}
	r.put("## rollcall state: %s\n\n", count(len(accounts), "account", "accounts"))
	addSection(&r, "", "", "", accountColumns, len(accounts), func(i int) *identity.Account { return &accounts[i] })
	return r.write(w)
}

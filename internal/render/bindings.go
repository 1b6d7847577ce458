package render

import (
	"io"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Binding is an account whose GUID changes.
type Binding struct {
	Primary   identity.Address
	Directory string // "" for a local account
	Old, New  identity.GUID
}

var bindingColumns = []column[*Binding]{
	{head: "account", cell: func(b *Binding, _ bool) cell { return subject(b.Primary.String()) }},
	{head: "guid before", least: leastGUID, cell: func(b *Binding, _ bool) cell { return text(b.Old.String()) }},
	{head: "guid after", least: leastGUID, cell: func(b *Binding, _ bool) cell { return arrow(b.New.String()) }},
	{head: "owner", least: 8, helps: true, cell: func(b *Binding, _ bool) cell {
		if b.Directory == "" {
			return styled(dim, "(local)")
		}
		return text(b.Directory)
	}},
}

// Bindings writes a table of accounts whose GUID changes, all of them, and
// nothing if there are none. Only the width and the colour of the options count.
func Bindings(w io.Writer, all []Binding, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	t := table[*Binding]{columns: bindingColumns, sign: span{"~", yellow}, rows: len(all), row: func(i int) *Binding { return &all[i] }}
	t.all(o)
	return o.flush()
}

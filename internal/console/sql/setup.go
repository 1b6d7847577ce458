package sql

import (
	"context"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// setup finds out whether the table of owners is there, and makes it.
func setup(ctx context.Context, o console.Opening) (console.Setup, error) {
	c, err := prepare(o)
	if err != nil {
		return console.Setup{}, err
	}
	there, err := c.hasOwners(ctx)
	if err != nil || there {
		_ = c.Close() // nothing was changed
		return console.Setup{}, c.unread(err)
	}
	return console.Setup{Script: c.place.d.ownerTable, Run: func(ctx context.Context) error {
		defer c.Close()
		conn, err := c.connect(ctx)
		if err != nil {
			return c.unread(err)
		}
		defer discard(conn)
		a := c.ask(conn)
		if err := a.begin(ctx, a.d.beginWrite); err != nil {
			return c.unread(err)
		}
		for statement := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(c.place.d.ownerTable), ";"), ";") {
			if _, err := a.run(ctx, statement); err != nil {
				return c.unread(err)
			}
		}
		_, err = a.run(ctx, "COMMIT")
		return c.unread(err)
	}}, nil
}

// hasOwners reports whether the table of owners is there, with all its columns.
func (c *Console) hasOwners(ctx context.Context) (there bool, err error) {
	err = c.reading(ctx, false, func(a asker) error {
		return a.each(ctx, "SELECT "+ownerColumns+" FROM "+ownerTable+" WHERE 1 = 0", nil, nil)
	})
	if err == nil {
		return true, nil
	}
	if kind, said := classify(err); kind == noTable && !strings.Contains(strings.ToLower(said), "column") {
		return false, nil
	}
	return false, err
}

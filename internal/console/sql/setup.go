package sql

import (
	"context"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// setup finds out which of the tables of owners and of ledgers are missing, and makes them.
func setup(ctx context.Context, o console.Opening) (console.Setup, error) {
	c, err := prepare(o)
	if err != nil {
		return console.Setup{}, err
	}
	script, err := c.missing(ctx)
	if err != nil || script == "" {
		_ = c.Close() // nothing was changed
		return console.Setup{}, c.unread(err)
	}
	return console.Setup{Script: script, Run: func(ctx context.Context) error {
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
		for statement := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(script), ";"), ";") {
			if _, err := a.run(ctx, statement); err != nil {
				return c.unread(err)
			}
		}
		_, err = a.run(ctx, "COMMIT")
		return c.unread(err)
	}}, nil
}

// missing is the script that makes what is not there.
func (c *Console) missing(ctx context.Context) (script string, err error) {
	owners, err := c.hasOwners(ctx)
	if err != nil {
		return "", err
	}
	ledgers, err := c.hasLedgers(ctx)
	if !owners {
		script = c.place.d.ownerTable
	}
	if !ledgers {
		script += c.place.d.ledgerTable
	}
	return script, err
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

package sql

import (
	"context"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// ledgerTable is the table that says to which ledger the accounts of an owner belong.
const ledgerTable = "rollcall_ledger"

// hasLedgers reports whether the table is there for the user. MariaDB says of a table
// that it shows nobody the same, be it there or not.
func (c *Console) hasLedgers(ctx context.Context) (bool, error) {
	err := c.reading(ctx, c.changing, func(a asker) error {
		return a.each(ctx, "SELECT owner, lineage FROM "+ledgerTable+" WHERE 1 = 0", nil, nil)
	})
	if err == nil {
		return true, nil
	}
	if kind, _ := classify(err); kind == noTable || kind == denied {
		return false, nil
	}
	return false, err
}

// ledger returns the lineage of an owner, and locks its row.
func (a asker) ledger(ctx context.Context, owner string, lock bool) (lineage string, err error) {
	err = a.each(ctx, "SELECT lineage FROM "+ledgerTable+" WHERE owner = ?"+a.locking(lock), []any{owner}, func(scan func(...any) error) error { return scan(&lineage) })
	return lineage, err
}

// Ledger returns the lineage of the state to which the accounts of the owner belong.
func (c *Console) Ledger(ctx context.Context) (lineage string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.reading(ctx, c.changing, func(a asker) (err error) {
		lineage, err = a.ledger(ctx, c.owner, false)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err()
	}
	return lineage, c.unread(err)
}

// Claim writes it, in a transaction of its own.
func (c *Console) Claim(ctx context.Context, lineage, was string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changing = true
	a, err := c.hold(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.unread(err)
	}
	ctx = context.WithoutCancel(ctx)
	if err := a.begin(ctx, a.d.beginWrite); err != nil {
		c.drop()
		return c.unread(err)
	}
	if err := a.claim(ctx, c.owner, lineage, was); err != nil {
		if _, ending := a.run(ctx, "ROLLBACK"); ending != nil {
			c.drop() // which takes it back as well
		}
		if refused := console.AsClaimed(err); refused != nil {
			return refused
		}
		if kind, _ := classify(err); kind == denied || kind == readOnly {
			return &console.UnclaimedError{Console: c.label, Err: explained(err), Advice: "grant the rights that " + rightsPage + " lists, on a server that can be written"}
		}
		return c.unread(err)
	}
	if _, err := a.run(ctx, "COMMIT"); err != nil {
		// The answer alone may be lost.
		c.drop()
		var now string
		asked := c.reading(ctx, true, func(a asker) (err error) {
			now, err = a.ledger(ctx, c.owner, false)
			return err
		})
		if asked != nil || now != lineage {
			return c.unread(err)
		}
	}
	return nil
}

// claim makes a claim within a transaction.
func (a asker) claim(ctx context.Context, owner, lineage, was string) error {
	now, err := a.ledger(ctx, owner, true)
	if err != nil {
		return err
	}
	made, err := console.Claimed(now, lineage, was)
	switch {
	case made || err != nil:
		return err
	case lineage == "":
		return a.one(ctx, "DELETE FROM "+ledgerTable+" WHERE owner = ?", owner)
	case now == "":
		return a.one(ctx, "INSERT INTO "+ledgerTable+" (owner, lineage) VALUES (?, ?)", owner, lineage)
	}
	return a.one(ctx, "UPDATE "+ledgerTable+" SET lineage = ? WHERE owner = ?", lineage, owner)
}

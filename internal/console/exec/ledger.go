package exec

import (
	"context"
	"errors"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
)

// Ledger asks the connector to which ledger the accounts of the owner belong. Only one
// with the fact ledger is asked.
func (c *Console) Ledger(ctx context.Context) (string, error) {
	lineage, err := c.ledger(ctx)
	return lineage, c.unread(err)
}

func (c *Console) ledger(ctx context.Context) (lineage string, err error) {
	err = c.request(ctx, "ledger", nil, false, func(l *wire.Line) (bool, error) {
		if l.Account != nil || l.Accounts != nil || l.Key != nil || l.Done != nil {
			return false, connector.Unexpected("ledger")
		}
		lineage = c.host.Clean(l.Ledger)
		return true, nil
	})
	return lineage, err
}

// Claim has the connector remember a ledger. Whether one that was lost has done so, the
// next one is asked. When ctx ends, the answer is awaited.
func (c *Console) Claim(ctx context.Context, lineage, was string) error {
	for attempt := 0; ; attempt++ {
		err := c.claim(ctx, lineage, was)
		var lost *connector.LostError
		unanswered := errors.As(err, &lost)
		var said *apply.Error
		switch {
		case unanswered:
		case apply.CodeOf(err) == apply.Refused && errors.As(err, &said):
			return &console.UnclaimedError{Console: c.label, Err: said, Advice: adviceFor(apply.Refused)}
		case apply.CodeOf(err) != apply.Changed:
			return c.unread(err)
		}
		now, failed := c.ledger(ctx)
		if failed != nil {
			return c.unread(failed)
		}
		if made, refused := console.Claimed(now, lineage, was); made || refused != nil {
			return refused
		}
		if !unanswered || attempt == connector.Restarts {
			return c.unread(err)
		}
	}
}

func (c *Console) claim(ctx context.Context, lineage, was string) error {
	return c.request(ctx, "claim", wire.AppendClaim(nil, lineage, was), true, func(l *wire.Line) (bool, error) {
		if l.Account != nil || l.Accounts != nil || l.Key != nil || l.Done != nil {
			return false, connector.Unexpected("claim")
		}
		return true, nil
	})
}

package state

import (
	"context"
	"errors"
	"io/fs"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// outbox is the name of the note that has a [run.Outbox].
const outbox = "outbox"

// Outbox returns what is to be sent, which is nothing at first. A draft is taken over if
// its run is known to have changed the state, and dropped if it is known not to have.
// A note that cannot be read is an error. The caller holds the lock, and has settled the
// runs before.
func (s *Store) Outbox(ctx context.Context) (*run.Outbox, error) {
	box := &run.Outbox{}
	if err := s.readNote(ctx, outbox, box); err != nil {
		return &run.Outbox{}, err
	}
	if box.Draft == nil {
		return box, nil
	}
	switch past, err := peekRun(ctx, direct(s.backend).History(), box.Draft.Run); {
	case errors.Is(err, fs.ErrNotExist):
		box.Draft = nil
	case err != nil:
		return box, err
	case past.Outcome.Changed() || past.Outcome == run.Damaged: // rather twice than never
		box.Conditions, box.Messages, box.Draft = box.Draft.Conditions, append(box.Messages, box.Draft.Messages...), nil
	case past.Outcome != run.Unfinished:
		box.Draft = nil
	}
	return box, nil
}

// SaveOutbox replaces what Outbox returns. The caller holds the lock.
func (s *Store) SaveOutbox(ctx context.Context, box *run.Outbox) error {
	return s.writeNote(ctx, outbox, box)
}

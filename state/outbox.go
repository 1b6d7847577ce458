package state

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// outbox is the name of the note that has one line, a [run.Outbox].
const outbox = "outbox"

// Outbox returns what is to be sent, which is nothing at first. A draft is taken over if
// its run is known to have changed the state, and dropped if it is known not to have.
// A note that cannot be read is an error. The caller holds the lock, and has settled the
// runs before.
func (s *Store) Outbox(ctx context.Context) (*run.Outbox, error) {
	box := &run.Outbox{}
	f, err := s.backend.History().Open(ctx, outbox)
	if errors.Is(err, fs.ErrNotExist) {
		return box, nil
	}
	if err != nil {
		return box, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err == nil {
		err = strict(line, box)
	}
	if err != nil {
		return &run.Outbox{}, &Error{Path: f.Name(), Reason: "it is damaged: " + err.Error(), Advice: "the next apply writes it anew"}
	}
	if box.Draft == nil {
		return box, nil
	}
	switch past, err := s.peekRun(ctx, box.Draft.Run); {
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
	line, err := identity.MarshalLine(box)
	if err != nil {
		return err
	}
	return s.backend.History().Replace(ctx, outbox, func(w io.Writer) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
}

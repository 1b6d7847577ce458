package state

import (
	"context"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// beat is the name of the note that has a [run.Beat].
const beat = "heartbeat"

// Beat returns what was kept for monitoring, which is nothing at first. A note that
// cannot be read is an error.
func (s *Store) Beat(ctx context.Context) (run.Beat, error) {
	var b run.Beat
	if err := s.readNote(ctx, beat, &b); err != nil {
		return run.Beat{}, err
	}
	return b, nil
}

// SaveBeat replaces what Beat returns. The caller holds the lock.
func (s *Store) SaveBeat(ctx context.Context, b run.Beat) error { return s.writeNote(ctx, beat, b) }

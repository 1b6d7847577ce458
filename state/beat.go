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

// beat is the name of the note that has one line, a [run.Beat].
const beat = "heartbeat"

// Beat returns what was kept for monitoring, which is nothing at first. A note that
// cannot be read is an error.
func (s *Store) Beat(ctx context.Context) (b run.Beat, err error) {
	f, err := s.backend.History().Open(ctx, beat)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err == nil {
		err = strict(line, &b)
	}
	if err != nil {
		return run.Beat{}, &Error{Path: f.Name(), Reason: "it is damaged: " + err.Error(), Advice: "the next apply writes it anew"}
	}
	return b, nil
}

// SaveBeat replaces what Beat returns. The caller holds the lock.
func (s *Store) SaveBeat(ctx context.Context, b run.Beat) error {
	line, err := identity.MarshalLine(b)
	if err != nil {
		return err
	}
	return s.backend.History().Replace(ctx, beat, func(w io.Writer) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
}

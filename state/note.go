package state

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// readNote reads a note that has one line of JSON into v, which stays as it is where
// there is no such note. One that cannot be read is an error, and one that is damaged an
// [Error]; v may then be filled in part.
func (s *Store) readNote(ctx context.Context, name string, v any) error {
	return readNote(ctx, s.backend.History(), name, v)
}

func readNote(ctx context.Context, h History, name string, v any) error {
	f, err := h.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err == nil {
		err = strict(line, v)
	}
	if err != nil {
		return &Error{Path: f.Name(), Reason: "it is damaged: " + err.Error(), Advice: "the next apply writes it anew"}
	}
	return nil
}

// writeNote replaces a note.
func (s *Store) writeNote(ctx context.Context, name string, v any) error {
	return writeNote(ctx, s.backend.History(), name, v)
}

func writeNote(ctx context.Context, h History, name string, v any) error {
	line, err := identity.MarshalLine(v)
	if err != nil {
		return err
	}
	return h.Replace(ctx, name, func(w io.Writer) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
}

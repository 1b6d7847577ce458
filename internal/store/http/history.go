package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// summed is the checksum of a text, as far as a tag goes.
func summed(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:10])
}

// history is what the document has beside the versions. While the lock is held, it is
// what was collected, and behind that the document as it was when the lock was taken.
type history struct{ s *Store }

// History is what the document has beside the versions.
func (s *Store) History() state.History { return history{s} }

func (h history) List(ctx context.Context) (all []state.Listed, err error) {
	doc, hold, err := h.s.current(ctx)
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	if hold != nil {
		names, err := hold.work.names(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			mine[name] = true
			all = append(all, state.Listed{Name: name})
		}
	}
	for i := range doc.Documents {
		e := &doc.Documents[i]
		if !mine[e.Name] && (hold == nil || !hold.work.replaces(e.Name)) {
			all = append(all, state.Listed{Name: e.Name, Tag: e.Tag})
		}
	}
	return all, nil
}

// text is a document of the history that is read out of that of the server.
type text struct {
	*bytes.Reader
	name string
}

func (t text) Name() string { return t.name }

func (t text) Close() error { return nil }

func (h history) Open(ctx context.Context, name string) (state.Document, error) {
	e := h.s.listed(name)
	if e == nil {
		doc, hold, err := h.s.current(ctx)
		if err != nil {
			return nil, err
		}
		if e = doc.find(name); hold != nil {
			d, err := hold.work.history.Open(ctx, name)
			if err == nil || !absent(err) {
				return d, err
			}
			if hold.work.replaces(name) {
				e = nil
			}
		}
		if e == nil {
			return nil, h.s.absent(name)
		}
	}
	said, err := store.Decompress(e.Text)
	if err != nil {
		return nil, h.s.access(err, "put back the version before on the server, if it keeps any")
	}
	return text{bytes.NewReader(said), name + " of " + h.s.Name(0)}, nil
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Append opens a document among those that are collected, which it is copied to if it is
// not.
func (h history) Append(ctx context.Context, name string, length int64) (state.Log, error) {
	hold, err := h.s.held()
	if err != nil {
		return nil, err
	}
	w := hold.work
	d, err := h.Open(ctx, name)
	if err != nil && !absent(err) {
		return nil, err
	}
	there := err == nil
	if there {
		defer d.Close()
	}
	switch {
	case length < 0 && there:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case length >= 0 && !there:
		return nil, err
	}
	if err := w.writing(name); err != nil {
		return nil, err
	}
	if _, sent := d.(text); there && sent {
		err := w.history.Replace(ctx, name, func(to io.Writer) error {
			_, err := io.Copy(to, d)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	l, err := w.history.Append(ctx, name, length)
	if err != nil {
		return nil, err
	}
	return &log{l, hold, name}, nil
}

// log is a document that grows among those that are collected.
type log struct {
	state.Log
	hold *hold
	name string
}

func (l *log) Write(b []byte) (int, error) {
	if err := l.hold.Held(context.Background()); err != nil {
		return 0, err
	}
	n, err := l.Log.Write(b)
	l.hold.work.touch()
	return n, err
}

func (l *log) Finish() error {
	if err := l.Log.Finish(); err != nil {
		return err
	}
	return l.hold.work.finish(l.name)
}

func (h history) Replace(ctx context.Context, name string, write func(io.Writer) error) error {
	hold, err := h.s.held()
	if err != nil {
		return err
	}
	if err := hold.work.writing(name); err != nil {
		return err
	}
	if err := hold.work.history.Replace(ctx, name, write); err != nil {
		return err
	}
	hold.work.touch()
	return nil
}

func (h history) Remove(ctx context.Context, names ...string) error {
	hold, err := h.s.held()
	if err != nil {
		return err
	}
	for _, name := range names {
		hold.work.remove(name)
		if err := hold.work.history.Remove(ctx, name); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

package state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// Adopt makes a state the first version of a store, with the lineage and the serial that
// it has. When it is durable, and before it takes its place, Adopt calls intend with it,
// which may be nil.
func (s *Store) Adopt(ctx context.Context, st *State, intend func(next *State) error) error {
	err := s.backend.Commit(ctx, Version{}, func(w io.Writer) (Version, error) {
		sum, err := st.write(w, nil)
		if err == nil && sum != st.Sum {
			err = errors.New("the state is not what its checksum says")
		}
		return st.version(), err
	}, func() error {
		if intend == nil {
			return nil
		}
		return intend(st)
	})
	if errors.Is(err, ErrOvertaken) {
		err = &Error{Path: s.String(), Reason: "there is a state already; nothing was changed", Advice: "name an empty store"}
	}
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}

// Export writes a version of the state to w as a state file, and verifies it whole on the
// way; older is 0 for the newest, 1 for the one before, and so on. Where there is none,
// the error is [fs.ErrNotExist].
func (s *Store) Export(ctx context.Context, older int, w io.Writer) (*State, error) {
	r, err := direct(s.backend).Open(ctx, older)
	if err != nil {
		return nil, err
	}
	return readNamed(struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, w), r}, s.backend.Name(older))
}

// Moved says what [Migrate] has copied.
type Moved struct {
	State *State
	Runs  int
	Notes int
}

// Migrate copies a state and its history into an empty store, and compares what is
// there then with what was here. One that was ended in the middle goes on where it was.
// The caller holds the locks of both; held is an error once that of the source is lost. Of
// the source nothing is changed.
func Migrate(ctx context.Context, from, to *Store, held func(context.Context) error) (Moved, error) {
	var moved Moved
	st, err := from.Load(ctx)
	if err != nil {
		return moved, err
	}
	if st.Serial == 0 {
		return moved, &Error{Path: from.String(), Reason: "there is no state in it", Advice: "look whether the configuration names the right one"}
	}
	if err := st.Verify(from.String()); err != nil {
		return moved, err
	}
	moved.State = st
	there, err := newest(ctx, to.backend)
	if err != nil {
		return moved, err
	}
	if there != (Version{}) && there != st.version() {
		return moved, &Error{Path: to.String(), Reason: fmt.Sprintf("there is a state in it already, version %d", there.Serial), Advice: "name an empty store"}
	}
	if there == (Version{}) {
		if err := vain(ctx, from, to); err != nil {
			return moved, err
		}
	}
	if err := moved.documents(ctx, from, to); err != nil {
		return moved, err
	}
	if there == (Version{}) {
		if err := to.Adopt(ctx, st, func(*State) error { return held(ctx) }); err != nil {
			return moved, err
		}
	}
	if now, err := newest(ctx, from.backend); err != nil || now != st.version() {
		return moved, cmp.Or(err, error(&Error{Path: from.String(), Reason: "somebody else has written the state since it was read", Advice: "name another store, and run the command again"}))
	}
	if err := held(ctx); err != nil {
		return moved, err
	}
	if there, err = newest(ctx, to.backend); err == nil && there != st.version() {
		err = &Error{Path: to.String(), Reason: "what was written is not what is there", Advice: "run the command again"}
	}
	if err == nil {
		_, err = to.Export(ctx, 0, io.Discard)
	}
	return moved, err
}

// vain removes from an empty store the records of runs that have changed nothing, and
// notes, which runs have left there that found no state.
func vain(ctx context.Context, from, to *Store) error {
	target := direct(to.backend).History()
	present, err := listed(ctx, target)
	if err != nil {
		return err
	}
	source, err := listed(ctx, direct(from.backend).History())
	if err != nil {
		return err
	}
	var gone []string
	for _, name := range present {
		n, failed := strconv.Atoi(name)
		if failed != nil {
			if !slices.Contains(source, name) {
				gone = append(gone, name)
			}
			continue
		}
		past, err := peekRun(ctx, target, n)
		if err != nil {
			return err
		}
		if !past.Outcome.Changed() && past.Outcome != run.Unfinished && past.Outcome != run.Damaged {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return target.Remove(ctx, gone...)
}

// documents copies the history.
func (m *Moved) documents(ctx context.Context, from, to *Store) error {
	source, target := direct(from.backend).History(), direct(to.backend).History()
	list, err := listed(ctx, source)
	if err != nil {
		return err
	}
	present, err := listed(ctx, target)
	if err != nil {
		return err
	}
	for _, name := range present {
		if !slices.Contains(list, name) {
			return &Error{Path: to.String(), Reason: fmt.Sprintf("there is a history in it already, with %q, which is not of %s", name, from), Advice: "name an empty store"}
		}
	}
	for _, name := range list {
		record := strings.Trim(name, "0123456789") == ""
		if record {
			m.Runs++
		} else {
			m.Notes++
		}
		if slices.Contains(present, name) {
			same, begun, err := compare(ctx, source, target, name)
			switch {
			case err != nil:
				return err
			case same:
				continue
			case record && !begun:
				return &Error{Path: to.String(), Reason: fmt.Sprintf("there is a history in it already, with another record %q than %s has", name, from), Advice: "name an empty store"}
			}
			if err := target.Remove(ctx, name); err != nil {
				return err
			}
		}
		if err := copyDocument(ctx, source, target, name, record); err != nil {
			return err
		}
		if same, _, err := compare(ctx, source, target, name); err != nil {
			return err
		} else if !same {
			return &Error{Path: to.String(), Reason: fmt.Sprintf("%q was written, and is something else there", name), Advice: "run the command again"}
		}
	}
	return nil
}

func copyDocument(ctx context.Context, from, to History, name string, record bool) error {
	d, err := from.Open(ctx, name)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	defer d.Close()
	if !record {
		return to.Replace(ctx, name, func(w io.Writer) error {
			_, err := io.Copy(w, d)
			return err
		})
	}
	log, err := to.Append(ctx, name, -1)
	if err != nil {
		return err
	}
	if _, err = io.Copy(log, d); err == nil {
		err = log.Sync()
	}
	if err == nil {
		return log.Finish()
	}
	log.Close()
	return err
}

// compare reports whether a document says the same in two places, and whether the
// second has the beginning of it.
func compare(ctx context.Context, a, b History, name string) (same, begun bool, err error) {
	x, err := a.Open(ctx, name)
	if err != nil {
		return false, false, fmt.Errorf("read the history: %w", err)
	}
	defer x.Close()
	y, err := b.Open(ctx, name)
	if err != nil {
		return false, false, fmt.Errorf("read the history: %w", err)
	}
	defer y.Close()
	var one, other [1 << 16]byte
	for {
		n, errX := io.ReadFull(x, one[:])
		m, errY := io.ReadFull(y, other[:])
		for _, err := range [...]error{errX, errY} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, false, fmt.Errorf("read the history: %w", err)
			}
		}
		same = bytes.Equal(one[:n], other[:m])
		if errX != nil || errY != nil || !same {
			return same && errX != nil, bytes.HasPrefix(one[:n], other[:m]), nil
		}
	}
}

// listed returns the names of all documents, in order.
func listed(ctx context.Context, h History) (names []string, err error) {
	all, err := h.List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	for _, l := range all {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return names, nil
}

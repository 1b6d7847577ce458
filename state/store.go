package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Store is where a state is, with the history of its runs and its lock. Whoever
// writes holds the lock: see [Store.Lock].
type Store struct {
	backend Backend
	locker  Locker
	local   files // the state, or the cache of one that is elsewhere
	shared  Shared
}

// At returns the store of the state file at a path, which need not be there yet.
func At(path string) *Store {
	f := files{path}
	return &Store{backend: f, locker: f, local: f}
}

// On returns the store of a state that is elsewhere, with a cache at a path, which
// need not be there yet.
func On(shared Shared, path string) *Store {
	f := files{path}
	return &Store{backend: newCached(shared, f), locker: shared, local: f, shared: shared}
}

// Close ends the connections to a store that is elsewhere.
func (s *Store) Close() error {
	if s.shared == nil {
		return nil
	}
	return s.shared.Close()
}

// String is what people call the state.
func (s *Store) String() string { return s.backend.Name(0) }

// Files returns the files that belong to the state, or are its cache, without its
// history.
func (s *Store) Files() []string { return s.local.all() }

// Folders returns the folder of the history, that of its cache, and those that a store
// keeps beside them which is elsewhere.
func (s *Store) Folders() []string {
	path := atomicfile.Resolve(s.local.path)
	all := []string{historyName(path), cacheName(path)}
	if keeps, ok := s.shared.(interface{ Folders() []string }); ok {
		all = append(all, keeps.Folders()...)
	}
	return all
}

// Sharing returns the other state that would have its history in the same folder;
// "" if there is none. Two states would share one whose names differ in nothing but
// ".jsonl".
func (s *Store) Sharing() string {
	if s.shared != nil {
		return ""
	}
	return s.local.sharing()
}

// Lock takes the right to write the state, as [Locker] says.
func (s *Store) Lock(ctx context.Context, command string, wait time.Duration) (*Lock, error) {
	return s.locker.Lock(ctx, command, wait)
}

// Unlock removes the lock that h holds, for a file system that keeps it although
// the process is gone. The caller makes sure that it is. If somebody else has the
// lock by now, or the process of h is there on this host, the error is a
// [*LockedError].
func (s *Store) Unlock(ctx context.Context, h *Holder) error {
	if h.Running() {
		return &LockedError{Path: s.String(), Holder: h}
	}
	return s.locker.Break(ctx, h)
}

// newest returns the newest version of a backend; the zero Version where there is none.
func newest(ctx context.Context, b Backend) (Version, error) {
	v, err := b.Newest(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return Version{}, nil
	}
	return v, err
}

// Newest says which version of the state is the newest, and reads no more than it must;
// the zero Version where there is none.
func (s *Store) Newest(ctx context.Context) (Version, error) { return newest(ctx, s.backend) }

// Lineage returns the lineage of the state and reads no more than it must; "" where
// there is no state, or none that can be read.
func (s *Store) Lineage(ctx context.Context) string {
	v, _ := s.backend.Newest(ctx)
	return v.Lineage
}

// Load reads the state and verifies it whole. One that does not exist is an empty
// state with serial 0, unless it was lost: there is a backup of it, or the history
// has a run that wrote it. Then it is an [*Error].
func (s *Store) Load(ctx context.Context) (*State, error) {
	st, damaged, err := s.load(ctx)
	if c, is := s.backend.(*cached); is && damaged && c.drop(ctx) {
		st, _, err = s.load(ctx)
	}
	return st, err
}

// Recall is Load by the index of the state, where it has one that fits. What somebody has
// changed in the file since is noticed; what a disk has lost is not before all of it is
// read.
func (s *Store) Recall(ctx context.Context) (*State, error) {
	if st := s.indexed(ctx, (*index).all); st != nil {
		return st, nil
	}
	st, err := s.Load(ctx)
	if err == nil && st.Serial > 0 {
		_ = s.local.index(st) // else the next one reads all of it again
	}
	return st, err
}

// Holding is Recall of the accounts alone that hold one of some addresses.
func (s *Store) Holding(ctx context.Context, addresses ...identity.Address) (*State, error) {
	if st := s.indexed(ctx, func(x *index) (*State, error) { return x.holding(addresses) }); st != nil {
		return st, nil
	}
	st, err := s.Recall(ctx)
	if err != nil {
		return nil, err
	}
	st.Accounts = slices.DeleteFunc(st.Accounts, func(a identity.Account) bool { return !slices.ContainsFunc(addresses, a.Holds) })
	maps.DeleteFunc(st.Placed, func(x identity.Address, _ identity.Placed) bool {
		return !slices.ContainsFunc(st.Accounts, func(a identity.Account) bool { return a.Primary == x })
	})
	return st, nil
}

// indexed reads something of the state by its index; nil where there is none that fits.
func (s *Store) indexed(ctx context.Context, read func(*index) (*State, error)) *State {
	r, err := s.backend.Open(ctx, 0)
	if err != nil {
		return nil
	}
	defer r.Close()
	file, is := r.(*os.File)
	if !is {
		return nil
	}
	x, err := s.local.openIndex(file)
	if err != nil {
		return nil
	}
	defer x.file.Close()
	st, err := read(x)
	if err != nil {
		return nil
	}
	return st
}

// load reads the state, and reports whether what was read is damaged.
func (s *Store) load(ctx context.Context) (_ *State, damaged bool, _ error) {
	r, err := s.backend.Open(ctx, 0)
	if errors.Is(err, fs.ErrNotExist) {
		lost := s.Lost(ctx)
		// The first versions may have been written in between.
		if r, err = s.backend.Open(ctx, 0); errors.Is(err, fs.ErrNotExist) {
			return &State{}, false, lost
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, false, &Error{Path: s.String(), Reason: "no permission to read the state",
			Advice: "run rollcall as the user who owns it, or give it to yours with chown"}
	}
	if err != nil {
		return nil, false, fmt.Errorf("open the state: %w", err)
	}
	st, err := readNamed(r, s.String())
	var damage *Error
	switch {
	case !errors.As(err, &damage), damage.Advice != "": // it is written by a later release
	case s.shared != nil:
		damage.Advice = damagedInStore
	case s.backedUp(ctx):
		damage.Advice = fmt.Sprintf("the file was changed by something other than rollcall; the version before is %s: "+
			"compare the two, then put back the good one with cp", s.backend.Name(1))
	default:
		damage.Advice = "the file was changed by something other than rollcall; put back a good copy of it"
	}
	return st, damage != nil, err
}

const damagedInStore = "what is in the store was changed by something other than rollcall; rollcall state pull --older 1 has the version before"

// readNamed reads a state, closes what it is read from, and names it in errors.
func readNamed(r io.ReadCloser, name string) (*State, error) {
	defer r.Close()
	st, err := Read(r)
	var damage *Error
	if errors.As(err, &damage) {
		damage.Path = name
	}
	return st, err
}

// backedUp reports whether the version before is there.
func (s *Store) backedUp(ctx context.Context) bool {
	r, err := s.backend.Open(ctx, 1)
	if err == nil {
		r.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// LoadBackup reads the version before, and says what people call it. Where there
// is none, the error is [fs.ErrNotExist].
func (s *Store) LoadBackup(ctx context.Context) (st *State, name string, err error) {
	name = s.backend.Name(1)
	r, err := s.backend.Open(ctx, 1)
	if err != nil {
		return nil, name, fmt.Errorf("open the state: %w", err)
	}
	st, err = readNamed(r, name)
	return st, name, err
}

// LoadFile reads a state file that is no store's, such as a copy.
func LoadFile(path string) (*State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	return readNamed(f, path)
}

// Lost is an error if there is no state and something shows that there was one,
// and says what to do; and if the store cannot be asked.
func (s *Store) Lost(ctx context.Context) error {
	switch _, err := s.backend.Newest(ctx); {
	case errors.As(err, new(*AccessError)):
		return err
	case !errors.Is(err, fs.ErrNotExist):
		return nil
	}
	c, elsewhere := s.backend.(*cached)
	kept := !elsewhere && s.backedUp(ctx)
	last, _, err := s.newestChange(ctx)
	switch {
	case err != nil:
		return err
	case last == nil && elsewhere:
		return c.unmoved(ctx)
	case last == nil && !kept:
		return nil
	}
	e := &Error{Path: s.String(), Reason: "the state is missing"}
	advice := "put back a copy of it"
	if elsewhere {
		advice += " with rollcall state push"
	}
	if v, err := s.local.Newest(ctx); elsewhere && err == nil && c.copied(ctx, v) {
		advice += fmt.Sprintf("; %s is one of version %d", s.local.path, v.Serial)
	}
	if last != nil {
		e.Reason += fmt.Sprintf(" (run %d, of %s, left it at version %d)", last.Number, last.Started.UTC().Format(time.RFC3339), last.SerialAfter)
	}
	if kept {
		e.Reason += "; its backup exists"
		advice = fmt.Sprintf("put back the version before with cp %s %s", s.backend.Name(1), s)
	}
	e.Advice = advice + "; or begin anew with --new-state, as if no account had ever been there"
	return e
}

// unmoved is an error if a store is empty and a state is or was in the place of its copy.
func (c *cached) unmoved(ctx context.Context) error {
	v, err := c.files.Newest(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		if lost := (*Error)(nil); errors.As(At(c.files.path).Lost(ctx), &lost) {
			return &Error{Path: c.Name(0), Reason: fmt.Sprintf("there is no state in it, and of that at %s %s", lost.Path, lost.Reason),
				Advice: lost.Advice + "; if that state belongs to something else, write another path into the state block"}
		}
		return nil
	}
	if info, err := os.Stat(c.files.path); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	e := &Error{Path: c.Name(0), Reason: fmt.Sprintf("there is no state in it, and version %d of one in %s", v.Serial, c.files.path),
		Advice: "rollcall state migrate takes that and its history into the store; if it belongs to something else, move it away, or write another path into the state block"}
	if v.Serial == 0 {
		e.Reason, e.Advice = fmt.Sprintf("there is no state in it, and something that cannot be read as one in %s", c.files.path), "look what that is; if it is not needed, move it away"
	}
	return e
}

// Exists reports whether there is a state, or nobody can tell.
func (s *Store) Exists(ctx context.Context) bool {
	_, err := s.backend.Newest(ctx)
	return !errors.Is(err, fs.ErrNotExist)
}

// New returns an empty state to begin anew with, although there may have been
// one. It is an error if there is one now that has accounts; one without any is
// returned as it is.
func (s *Store) New(ctx context.Context) (*State, error) {
	_, err := s.backend.Newest(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the state: %w", err)
	}
	if st, err := s.Load(ctx); err == nil && len(st.Accounts)+len(st.Placed) == 0 {
		return st, nil
	}
	anew := "move this file away first"
	if s.shared != nil {
		anew = "name another one in the state block"
	}
	return nil, &Error{Path: s.String(), Reason: "a new state was asked for, and there is one already",
		Advice: "leave out --new-state, which is for a state that was lost; to begin anew all the same, " + anew}
}

// Replaceable returns an error for a state of which Save is known to fail, because its file
// or its backup cannot be replaced. What is not there yet can.
func (s *Store) Replaceable() error {
	if s.shared != nil {
		return nil
	}
	for older := range 2 {
		if err := atomicfile.Replaceable(s.local.Name(older)); err != nil {
			return err
		}
	}
	return nil
}

// Save writes the next version of a state: its serial grows by one, a lineage is
// made where there is none, and the version before is kept as the backup. The
// state becomes that version. When it is durable, and before it takes the place of
// the old one, Save calls intend with it, which may be nil. An error of that
// leaves the old one, as any error does but an [UnclearError], and so does a state that
// is not the newest version any more.
func (s *Store) Save(ctx context.Context, st *State, tool string, now time.Time, intend func(next *State) error) error {
	slices.SortFunc(st.Accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	if st.rest != nil && st.rest.written {
		return errors.New("the state of a part was written already")
	}
	next := *st
	if next.Lineage == "" {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		next.Lineage = hex.EncodeToString(id)
	}
	next.Serial++
	next.Written, next.Tool = now.UTC(), tool
	ready := func() error {
		if s.shared == nil && st.rest != nil {
			st.rest.rows.file.Close() // not every system replaces a file that is open
		}
		if intend == nil {
			return nil
		}
		return intend(&next)
	}
	commit := func(x *indexWriter) error {
		return s.backend.Commit(ctx, st.version(), func(w io.Writer) (_ Version, err error) {
			next.Sum, err = next.write(w, x)
			return next.version(), err
		}, ready)
	}
	var err error
	if s.shared != nil {
		err = commit(nil) // others wait for it, and may write the next one
	} else {
		err = s.local.indexing(&next, commit)
	}
	if access := (*AccessError)(nil); errors.As(err, &access) && next.Sum != "" {
		// The answer alone may be lost.
		switch now, asked := newest(context.WithoutCancel(ctx), s.backend); {
		case asked == nil && now == next.version():
			err = nil
		case asked != nil || access.Unclear:
			return &UnclearError{next.Serial, err}
		}
	}
	if errors.Is(err, ErrOvertaken) {
		err = &Error{Path: s.String(), Reason: "somebody else has written the state since it was read; nothing was changed",
			Advice: "run the command again; if it says so again, look who removes the lock of the state"}
	}
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if next.rest != nil {
		next.rest.written = true
	}
	*st = next
	return nil
}

package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// Holder says who holds a lock. It stands in the lock file for others to read.
type Holder struct {
	Command string    `json:"command"`
	PID     int       `json:"pid"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	// ID is another one each time that the lock of a store is taken that is elsewhere.
	ID string `json:"id,omitempty"`
}

// String leaves out what is not known of another program, as the number of its process.
func (h *Holder) String() string {
	text := strconv.Quote(h.Command)
	if h.PID != 0 {
		text += fmt.Sprintf(", process %d", h.PID)
	}
	if h.User != "" {
		text += " of " + h.User
	}
	if h.Host != "" {
		text += " on " + h.Host
	}
	if !h.Since.IsZero() {
		text += ", since " + h.Since.UTC().Format(time.RFC3339)
	}
	return text
}

// Running reports whether the process of the holder is there. Of another host, or of
// another program, that is unknown, and it reports false.
func (h *Holder) Running() bool { return h.Host == hostname() && h.PID != 0 && alive(h.PID) }

// gone reports whether the process of the holder was on this host and is no more.
func (h *Holder) gone() bool { return h.Host == hostname() && !alive(h.PID) }

// LockedError is returned when somebody else holds the lock.
type LockedError struct {
	Path   string
	Holder *Holder // nil if it has not said yet who it is
	// Ends is when the lock ends unless it is renewed; 0 for one that does not end by
	// itself.
	Ends time.Duration
	// Stays says that the lock does not go with its process, nor at any time.
	Stays bool
}

func (e *LockedError) Error() string {
	switch {
	case e.Holder == nil && e.Stays:
		return e.Path + " is locked, and the store does not say by whom"
	case e.Holder == nil && e.Ends > 0:
		return fmt.Sprintf("%s is locked for %v more: what a run has asked of the console that had the lock before may be under way", e.Path, e.Ends.Round(time.Second/10))
	case e.Holder == nil:
		return e.Path + " is locked by a process that has just begun"
	}
	return e.Path + " is locked by " + e.Holder.String()
}

// Hint says what to do next.
func (e *LockedError) Hint() string {
	const wait = "wait until that run has ended, or give --lock-timeout to wait for it"
	switch {
	case e.Holder == nil && e.Ends > 0:
		return "wait for so long, or give --lock-timeout to wait for it"
	case e.Ends > 0:
		return fmt.Sprintf("%s; if its machine is gone, the lock ends in %v", wait, e.Ends.Round(time.Second))
	case e.Stays && e.Holder == nil:
		return wait + "; if nobody is at work, remove the lock on the server"
	case e.Stays && !e.Holder.Running():
		return wait + "; if its process is gone, the lock stays until rollcall state unlock removes it"
	case e.Stays:
		return wait
	}
	hint := wait + "; the lock goes when the process does"
	if e.Holder != nil && !e.Holder.Running() {
		hint += ". If a network file system keeps the lock of a process that is gone, rollcall state unlock removes it"
	}
	return hint
}

const (
	// lockRetry is how often a held lock is tried again.
	lockRetry = 100 * time.Millisecond
	// passing is how long a lock may outlive its holder on this host: who is killed
	// while it starts a program leaves a copy of the lock behind, until the program
	// has begun.
	passing = 2 * time.Second
)

// holderOffset is where the holder stands in the lock file. Windows lets nobody
// read the first octet, which is the one that is locked.
const holderOffset = 1

// fileLock is the lock of a state in files: a lock of the operating system, which
// drops it when the process ends, however it ends, so that a lock does not outlive
// its holder, unless a network file system keeps it: see [Store.Unlock].
type fileLock struct{ *flock.Flock }

func (f files) Lock(ctx context.Context, command string, wait time.Duration) (*Lock, error) {
	d, base, err := atomicfile.Locate(f.path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	name := d.Path(lockName(base))
	flag := os.O_CREATE | os.O_RDWR | atomicfile.NoFollow
	if d.Guarded() {
		flag &^= os.O_CREATE // it is made below
	}
	l := fileLock{flock.New(name, flock.SetPermissions(atomicfile.Mode), flock.SetFlag(flag))}
	begun := time.Now()
	deadline := begun.Add(wait)
	for {
		if err := makeLock(d, base); err != nil {
			return nil, lockFailed(name, err)
		}
		ok, err := l.TryLock()
		if errors.Is(err, fs.ErrNotExist) && d.Guarded() && ctx.Err() == nil {
			continue // somebody has removed it in between
		}
		if err != nil {
			return nil, lockFailed(name, err)
		}
		if ok && l.current() {
			break
		}
		if ok {
			l.Unlock()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			continue
		}
		holder := readHolder(name)
		if holder != nil && holder.gone() {
			deadline = begun.Add(max(wait, passing))
		}
		if !time.Now().Before(deadline) {
			return nil, &LockedError{Path: f.path, Holder: holder}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(lockRetry, time.Until(deadline))):
		}
	}
	left := readHolder(name)
	if err := writeHolder(name, command); err != nil {
		l.Unlock()
		return nil, lockFailed(name, err)
	}
	return &Lock{Left: left, Hold: l}, nil
}

// makeLock makes the lock file of a state if it is not there, for root: everybody
// else makes it by locking it.
func makeLock(d *atomicfile.Folder, state string) error {
	if !d.Guarded() {
		return nil
	}
	f, err := d.Open(lockName(state), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrExist) {
		f, err = d.Open(lockName(state), os.O_RDONLY) // no link?
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			f.Close()
		}
		return err
	}
	if err != nil {
		return err
	}
	d.GiveAway(f, state)
	return f.Close()
}

// openLock opens a lock file, and no link in its place.
func openLock(name string, flag int) (*os.File, error) {
	d, err := atomicfile.Enter(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.OpenNoLink(filepath.Base(name), flag)
}

// lockFailed says why the lock file could not be used.
func lockFailed(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &Error{Path: name, Reason: "no permission to lock the state",
			Advice: "run rollcall as the user who owns the state, or let yours write this file and its folder"}
	}
	var said *Error
	if errors.As(err, &said) {
		return said
	}
	return fmt.Errorf("lock the state: %w", err)
}

// current reports whether the file that was locked is the one at its path still:
// [files.Break] may have removed it in between.
func (l fileLock) current() bool {
	locked, err := l.Stat()
	if err != nil {
		return false
	}
	d, err := atomicfile.Enter(filepath.Dir(l.Path()))
	if err != nil {
		return false
	}
	defer d.Close()
	there, err := d.Lstat(filepath.Base(l.Path()))
	return err == nil && os.SameFile(locked, there)
}

// Release gives the lock back and takes the holder out of the lock file. The
// file stays, since removing it could take it away from under somebody who has
// just locked it.
func (l fileLock) Release() error {
	var err error
	if l.current() {
		var f *os.File
		if f, err = openLock(l.Path(), os.O_WRONLY); err == nil {
			err = errors.Join(f.Truncate(holderOffset), f.Close())
		}
	}
	return errors.Join(err, l.Unlock())
}

func (l fileLock) Held(context.Context) error {
	if !l.current() {
		return Lost(l.Path())
	}
	return nil
}

// Cover does nothing: the lock goes with its process.
func (l fileLock) Cover(context.Context, time.Duration) error { return nil }

// Linger does nothing: what the process has asked for ends with it.
func (l fileLock) Linger() {}

func (f files) Break(_ context.Context, h *Holder) error {
	d, base, err := atomicfile.Locate(f.path)
	if err != nil {
		return err
	}
	defer d.Close()
	if now := readHolder(d.Path(lockName(base))); now == nil || *now != *h {
		return &LockedError{Path: f.path, Holder: now}
	}
	if err := d.Remove(lockName(base)); err != nil {
		reason := err
		if at := (*fs.PathError)(nil); errors.As(err, &at) {
			reason = at.Err
		}
		return &Error{Path: d.Path(lockName(base)), Reason: "the lock cannot be removed: " + reason.Error(),
			Advice: "end the program that has the file open, or run rollcall as a user who may remove it"}
	}
	return nil
}

func hostname() string {
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "unknown host"
}

// Me is this process as a holder of the lock of a store that is elsewhere.
func Me(command string) *Holder {
	h := holder(command)
	h.ID = rand.Text()
	return h
}

func holder(command string) *Holder {
	h := &Holder{Command: command, PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second), User: "unknown user", Host: hostname()}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	return h
}

func writeHolder(name, command string) error {
	text, err := json.Marshal(holder(command))
	if err != nil {
		return err
	}
	f, err := openLock(name, os.O_WRONLY)
	if err != nil {
		return err
	}
	if err = f.Truncate(holderOffset); err == nil {
		_, err = f.WriteAt(append(text, '\n'), holderOffset)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func readHolder(name string) *Holder {
	f, err := openLock(name, os.O_RDONLY)
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, 4096)
	n, _ := f.ReadAt(buf, holderOffset)
	var h Holder
	if json.Unmarshal(bytes.TrimSpace(buf[:n]), &h) != nil || h.PID == 0 {
		return nil
	}
	return &h
}

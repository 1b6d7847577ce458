package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/gofrs/flock"
)

// Lock is the right to write a state. The operating system drops it when the
// process ends, however it ends, so that a lock never outlives its holder.
type Lock struct{ file *flock.Flock }

// Holder says who holds a lock. It stands in the lock file for others to read.
type Holder struct {
	Command string    `json:"command"`
	PID     int       `json:"pid"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
}

// LockedError is returned when somebody else holds the lock.
type LockedError struct {
	Path   string
	Holder *Holder // nil if it could not be read
}

func (e *LockedError) Error() string {
	if e.Holder == nil {
		return e.Path + " is locked by another run of rollcall"
	}
	h := e.Holder
	return fmt.Sprintf("%s is locked by %q, process %d of %s on %s, since %s",
		e.Path, h.Command, h.PID, h.User, h.Host, h.Since.UTC().Format(time.RFC3339))
}

// Hint says what to do next.
func (e *LockedError) Hint() string {
	return "wait until that run has ended, or give --lock-timeout to wait for it; the lock goes when the process does"
}

// lockRetry is how often a held lock is tried again.
const lockRetry = 100 * time.Millisecond

// holderOffset is where the holder stands in the lock file. Windows lets nobody
// read the first octet, which is the one that is locked.
const holderOffset = 1

// Acquire takes the lock of the state at path for the named command. If
// somebody holds it, Acquire tries again for as long as wait, and then returns
// a [LockedError]. Cancelling ctx ends the wait.
func Acquire(ctx context.Context, path, command string, wait time.Duration) (*Lock, error) {
	name := resolved(path) + ".lock"
	l := flock.New(name, flock.SetPermissions(private))
	deadline := time.Now().Add(wait)
	for {
		ok, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock the state: %w", err)
		}
		if ok {
			break
		}
		if !time.Now().Before(deadline) {
			return nil, &LockedError{Path: path, Holder: readHolder(name)}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(lockRetry, time.Until(deadline))):
		}
	}
	if err := writeHolder(name, command); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("lock the state: %w", err)
	}
	return &Lock{l}, nil
}

// Release gives the lock back. The lock file stays, since removing it could
// take it away from under somebody who has just locked it.
func (l *Lock) Release() error { return l.file.Unlock() }

func writeHolder(name, command string) error {
	h := Holder{Command: command, PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second), User: "unknown user", Host: "unknown host"}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		h.Host = host
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, private)
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
	f, err := os.Open(name)
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

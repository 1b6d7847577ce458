package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Backend keeps a state: its versions, and what its history has. It knows nothing
// of what they say but which version is the newest. Files are one; others are where
// several machines find the state, see [Shared].
//
// What is not there is [fs.ErrNotExist]. Whoever writes has the lock, and writes
// nothing any more once it is lost: see [LostError].
type Backend interface {
	// Name is what people call a version of the state: with older 0 the newest,
	// with 1 the one before.
	Name(older int) string
	// Newest says which version is the newest. What of it cannot be read is left
	// out, which reading it reports.
	Newest(ctx context.Context) (Version, error)
	// Open opens a version, older as for Name.
	Open(ctx context.Context, older int) (io.ReadCloser, error)
	// Commit makes what write writes, and says that it is, the newest version, and
	// keeps the one after which it comes. Once all of it is durable, and after is the
	// newest still, it calls ready. An error of write or of ready ends it, and so does
	// [ErrOvertaken]; then the newest version is what it was. After any other error it
	// is either.
	Commit(ctx context.Context, after Version, write func(io.Writer) (Version, error), ready func() error) error
	// Forget removes the versions with serials below one, but for the newest two.
	Forget(ctx context.Context, below int64) error
	// History is what is kept beside the versions.
	History() History
}

// History keeps documents by their names: the record of each run, which grows, and
// notes, which are replaced.
type History interface {
	// List returns all documents, in no order.
	List(ctx context.Context) ([]Listed, error)
	// Open opens a document for reading, as it is at one moment.
	Open(ctx context.Context, name string) (Document, error)
	// Append opens a document to write at its end, after so many octets of it; what
	// followed them is cut off. With length -1 it makes the document, which must
	// not be there.
	Append(ctx context.Context, name string, length int64) (Log, error)
	// Replace writes a document as a whole.
	Replace(ctx context.Context, name string, write func(io.Writer) error) error
	// Remove removes documents.
	Remove(ctx context.Context, names ...string) error
}

// Listed is a document of a list.
type Listed struct {
	Name string
	// Tag is another one whenever the document says something else; "" for one
	// that may be written to now, or where there are no tags. It consists of
	// letters and digits.
	Tag string
}

// Document is a document that is read.
type Document interface {
	io.ReadSeekCloser
	// Name is what people call it.
	Name() string
}

// Log is a document that is written.
type Log interface {
	io.Writer
	// Sync makes durable what was written.
	Sync() error
	// Finish says that the document, which is synced, is complete, and closes it.
	Finish() error
	// Close closes a document to which more may be written later.
	Close() error
}

// Version tells one version of a state from all others.
type Version struct {
	// Lineage identifies the state, and Serial counts its versions.
	Lineage string
	Serial  int64
	// Sum is the checksum of the version: SHA-256, in hex.
	Sum string
}

// ErrOvertaken is the error of a commit after a version that is not the newest.
var ErrOvertaken = errors.New("another version was committed meanwhile")

// Locker keeps all but one from writing a state.
type Locker interface {
	// Lock takes the lock for a command. If somebody holds it, it tries again for
	// as long as wait, and then returns a [*LockedError]. Cancelling ctx ends the
	// wait.
	Lock(ctx context.Context, command string, wait time.Duration) (*Lock, error)
	// Break takes the lock away from a holder. If somebody else has it by now, or
	// nobody, the error is a [*LockedError].
	Break(ctx context.Context, h *Holder) error
}

// Lock is the right to write a state.
type Lock struct {
	// Left is the holder before, if it ended without giving the lock back.
	Left *Holder
	Hold
}

// Hold is a lock that is held.
type Hold interface {
	// Held is a [*LostError] if the lock was taken away, as by [Store.Unlock], or may
	// end too soon: see Cover.
	Held(ctx context.Context) error
	// Cover sees to it that, from now on, whatever is begun while the lock is held may
	// go on for a time, and nobody gets the lock before that is over, even if this
	// process is killed: Held, and whatever is written to the history, then fail
	// unless the lock lasts for that time. Locks that end with their process only,
	// or when a person says so, last for any time.
	Cover(ctx context.Context, d time.Duration) error
	// Linger says that what was asked for may be under way when the lock is given back:
	// nobody gets it before what was covered is over.
	Linger()
	// Release gives the lock back.
	Release() error
}

// LostError is returned to who had the lock and has it no more.
type LostError struct {
	Store  string
	Reason string
	Advice string
}

func (e *LostError) Error() string { return e.Store + ": " + e.Reason }

// Hint says what to do next.
func (e *LostError) Hint() string { return e.Advice }

// Lost is the error of a store whose lock somebody else has taken.
func Lost(store string) *LostError {
	return &LostError{Store: store, Reason: "the lock was taken away while the command ran",
		Advice: "run the command again, and look who removes the lock, or why this machine did not reach the store for so long"}
}

// Shared is a store that several machines use.
type Shared interface {
	Backend
	Locker
	// Close ends the connections.
	Close() error
}

// AccessError is returned where a store that is elsewhere cannot be used.
type AccessError struct {
	Store string
	Err   error
	// Refused says that the store has refused the credentials.
	Refused bool
	// Unclear says that what was asked for may be done still, although it is not there.
	Unclear bool
	Advice  string
}

func (e *AccessError) Error() string { return fmt.Sprintf("%s: %v", e.Store, e.Err) }

func (e *AccessError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *AccessError) Hint() string { return e.Advice }

// UnclearError is returned where nobody knows whether a version was written. A run that
// meets it leaves its record open.
type UnclearError struct {
	Serial int64
	Err    error
}

func (e *UnclearError) Error() string {
	return fmt.Sprintf("it is unknown whether version %d of the state was written: %v", e.Serial, e.Err)
}

func (e *UnclearError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *UnclearError) Hint() string { return "once the store can be reached, the next run finds out" }

package state

import (
	"context"
	"errors"
	"io"
	"time"
)

// Backend keeps a state: its versions, and what its history has. It knows nothing
// of what they say but which version is the newest. Files are the one that there
// is; an object store or a database would be another one.
//
// What is not there is [fs.ErrNotExist].
type Backend interface {
	// Name is what people call a version of the state: with older 0 the newest,
	// with 1 the one before.
	Name(older int) string
	// Newest says which version is the newest; the zero Version where there is
	// none. What of it cannot be read is left out, which reading it reports.
	Newest(ctx context.Context) (Version, error)
	// Open opens a version, older as for Name.
	Open(ctx context.Context, older int) (io.ReadCloser, error)
	// Commit makes what write writes the newest version, and keeps the one after
	// which it comes as the one before. Once all of it is durable, and after is
	// the newest still, it calls ready. An error of write or of ready ends it, and
	// so does [ErrOvertaken]; then the newest version is what it was.
	Commit(ctx context.Context, after Version, write func(io.Writer) error, ready func() error) error
	// History is what is kept beside the versions.
	History() History
}

// History keeps documents by their names: the record of each run, which grows, and
// notes, which are replaced.
type History interface {
	// Names are those of all documents, in no order.
	Names(ctx context.Context) ([]string, error)
	// Open opens a document for reading.
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

// Document is a document that is read.
type Document interface {
	io.ReadSeekCloser
	// Name is what people call it.
	Name() string
}

// Log is a document that is written.
type Log interface {
	io.WriteCloser
	// Sync makes durable what was written.
	Sync() error
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
	// Break takes the lock away from a holder that is gone. If somebody else has
	// it by now, or the holder is seen to be there, the error is a [*LockedError].
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
	// Held is an error if the lock was taken away, as by [Store.Unlock].
	Held(ctx context.Context) error
	// Release gives the lock back.
	Release() error
}

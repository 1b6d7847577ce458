package directory

import (
	"context"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Follower is a source that can say what has changed since a complete read, which its
// receipt has a mark of.
//
// What it says is which objects were touched. Their values come from the searches of a
// read, for these objects alone, so that they are the same as in a read. An object that
// was touched and that no scope selects any more was looked up by its key: it was deleted,
// or is outside every scope.
type Follower interface {
	Source
	// FullEvery is after how long a read has to be complete again; 0 says that every
	// read has to be.
	FullEvery() time.Duration
	// Follow gives the sink the objects of the scopes that were touched since a complete
	// read of these scopes, each of the first scope that selects it. touched are the keys
	// of all objects that were: one that the read had and that is not given now is gone.
	//
	// Where that cannot be said for certain, the error is a [NotFollowedError], and the
	// directory has to be read. A refused login is a [RefusedError].
	Follow(ctx context.Context, scopes []Scope, since Since, sink Sink, progress func(Progress)) (receipt identity.Receipt, touched []identity.GUID, err error)
}

// Since is the complete read that a follow goes on from.
type Since struct {
	// Mark is that of its receipt.
	Mark string
	// Has returns those of some keys of which the read gave objects.
	Has func([]identity.GUID) (map[identity.GUID]bool, error)
	// Most is how many objects may have been touched.
	Most int
}

// Keyed is an object of a [Follower].
type Keyed interface {
	// Key is the GUID by which the server knows the object. It may be another than
	// that of the scope's attribute.
	Key() identity.GUID
}

// NotFollowedError says why a directory has to be read completely.
type NotFollowedError struct {
	// Why is a clause, as in "the server is another one".
	Why string
}

func (e *NotFollowedError) Error() string { return "a complete read is needed: " + e.Why }

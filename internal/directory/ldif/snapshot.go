package ldif

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Snapshot is a [directory.Sink] that writes what it takes as an LDIF file. The
// records wait in a temporary file, so that memory holds no more than where
// each one is: 40 octets an object.
type Snapshot struct {
	head    string
	mappers []*directory.Mapper
	file    *os.File
	out     *bufio.Writer
	end     int64 // of the file, with what out still holds
	spans   []span
	objects int

	records writer
	buf     []byte
}

// span is where an object's record is in the temporary file.
type span struct {
	// key orders the records: the object's GUID, or else what stands for its
	// name.
	key    identity.GUID
	offset int64
	length int // 0 for an object that is not there any more
	scope  int32
}

var _ directory.Sink = (*Snapshot)(nil)

// NewSnapshot returns the snapshot of a read of these scopes. It keeps a
// temporary file in dir until it is closed.
func NewSnapshot(dir string, scopes []directory.Scope) (*Snapshot, error) {
	sel, err := files.NewSelection(scopes)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, ".rollcall-snapshot.*.tmp")
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		// The marks come first, so that no part of a file is one of no objects.
		head: markPrefix + scopesMark + sel.Digest + "\n" + markPrefix + attributesMark + strings.Join(sel.Attributes, " ") + "\nversion: 1\n\n",
		file: file, out: bufio.NewWriterSize(file, blockSize),
	}
	for i := range scopes {
		s.mappers = append(s.mappers, directory.NewMapper(&scopes[i]))
	}
	return s, nil
}

// Close removes the temporary file.
func (s *Snapshot) Close() error {
	s.file.Close()
	return os.Remove(s.file.Name())
}

// Objects returns the number of objects.
func (s *Snapshot) Objects() int { return s.objects }

// Reset implements [directory.Sink].
func (s *Snapshot) Reset() error {
	s.out.Reset(s.file)
	s.spans, s.objects, s.end = nil, 0, 0
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

// Put implements [directory.Sink].
func (s *Snapshot) Put(scope int, o directory.Object) error {
	s.spans = append(compact.Grown(s.spans), span{})
	return s.take(len(s.spans)-1, scope, o)
}

// Replace implements [directory.Sink].
func (s *Snapshot) Replace(n, scope int, o directory.Object) error {
	if s.spans[n].length > 0 {
		s.spans[n].length = 0
		s.objects--
	}
	if o == nil {
		return nil
	}
	return s.take(n, scope, o)
}

func (s *Snapshot) take(n, scope int, o directory.Object) (err error) {
	if s.buf, err = s.records.appendRecord(s.buf[:0], o); err != nil {
		return err
	}
	key := s.mappers[scope].GUID(o)
	if key.IsZero() {
		digest := sha256.Sum256([]byte(o.DN()))
		key = identity.GUID(digest[:len(key)])
	}
	s.spans[n] = span{key, s.end, len(s.buf), int32(scope)}
	s.objects++
	s.end += int64(len(s.buf))
	_, err = s.out.Write(s.buf)
	return err
}

// Write writes the LDIF file. The same objects make the same file, in whatever
// order they came, as long as no two are the same one.
func (s *Snapshot) Write(w io.Writer) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.spans = slices.DeleteFunc(s.spans, func(p span) bool { return p.length == 0 })
	slices.SortFunc(s.spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.offset, b.offset))
	})
	out := bufio.NewWriterSize(w, blockSize)
	out.WriteString(s.head)
	for i, p := range s.spans {
		if i == 0 || p.scope != s.spans[i-1].scope {
			fmt.Fprintf(out, "%s%s%d\n", markPrefix, scopeMark, p.scope+1)
		}
		s.buf = slices.Grow(s.buf[:0], p.length)[:p.length]
		if _, err := s.file.ReadAt(s.buf, p.offset); err != nil {
			return err
		}
		if _, err := out.Write(s.buf); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s%s%d\n", markPrefix, objectsMark, s.objects)
	return out.Flush()
}

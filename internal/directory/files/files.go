// Package files is what the kinds of directories that are files have in common:
// which files there are, which of their objects a scope selects, and the loops
// that read them. A kind has a [Format], which reads one file.
//
// A file is read as a stream of objects to its end, or the read has failed: an
// object that is missing in a file must not be taken for one that is gone. That
// includes a file that somebody writes meanwhile.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Format begins to read a file. What is wrong with it is for the first call of
// Next.
type Format func(file io.Reader, want *Wanted) Records

// Wanted is what is read of a file.
type Wanted struct {
	// Name is that of the file, for notes.
	Name string
	*Selection
	// Attributes are those of objects that are looked at, by the names of
	// [identity.AttributeName], sorted.
	Attributes []string
	// Anywhere is set where objects are wanted that no scope selects, too.
	Anywhere bool
	// Seen is shared by the files of one read.
	Seen *Seen
}

// Seen knows where the objects of a read were found, by a hash that is the format's. The
// zero Seen has none.
type Seen struct {
	at    map[uint64]place
	files []string
}

type place struct{ file, line int32 }

// Twice takes down an object, and reports whether one of this hash was there before, and
// where.
func (s *Seen) Twice(hash uint64, file string, line int) (inFile string, onLine int, twice bool) {
	if at, twice := s.at[hash]; twice {
		return s.files[at.file], int(at.line), true
	}
	if s.at == nil {
		s.at = map[uint64]place{}
	}
	if n := len(s.files); n == 0 || s.files[n-1] != file {
		s.files = append(s.files, file)
	}
	s.at[hash] = place{int32(len(s.files) - 1), int32(line)}
	return "", 0, false
}

// Below reports whether an object of this name may be wanted.
func (w *Wanted) Below(n *Name) bool {
	return w.Anywhere || slices.ContainsFunc(w.scopes, func(s scope) bool { return s.base.Contains(n) })
}

// Records are the objects of a file in their order.
type Records interface {
	// Next returns the next object, which is valid until the next call, and io.EOF
	// behind the last one of a file that is whole. An error that [At] made has a
	// line.
	Next() (Record, error)
	// About says what is known of the file since the last call of Next.
	About() *About
}

// Record is an object of a file.
type Record interface {
	directory.Object
	// Name is that of the object, Line where it begins.
	Name() *Name
	Line() int
	// Taker is the index of the scope that took it, or -1, in a file that records
	// that.
	Taker() int
}

// About is what a file says about itself.
type About struct {
	// Format says how it is written, as in "semicolons, UTF-16LE"; "" where nobody
	// needs to know.
	Format string
	// Recorded says that each object knows which of the scopes took it. Otherwise
	// scopes are judged.
	Recorded bool
	// Notes are for whoever reads what came of the file.
	Notes []string
	// References are the URLs of other servers, which are not followed.
	References []string
}

// At returns an error at a line of a file, counted from 1.
func At(line int, err error) error { return &Fault{line, err} }

// Fault is what [At] returns.
type Fault struct {
	Line int
	Err  error
}

func (f *Fault) Error() string { return fmt.Sprintf("line %d: %v", f.Line, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// Advise returns an error that says what to do next, for [directory.HintOf].
func Advise(text, hint string) error { return &advised{text, hint, nil} }

type advised struct {
	text, hint string
	named      []string
}

// AdviseOn is [Advise] with a hint that names what a file says, which may be anything:
// in a list with ", " between them, and one perhaps in "did you mean NAME?".
func AdviseOn(text, hint string, named []string) error { return &advised{text, hint, named} }

// Named are the texts of a file that the hint has.
func (e *advised) Named() []string { return e.named }

func (e *advised) Error() string { return e.text }

// Hint says what to do next.
func (e *advised) Hint() string { return e.hint }

// Source is a directory of files.
type Source struct {
	label    string
	patterns []string
	format   Format
}

var _ directory.Source = (*Source)(nil)

// New returns the directory of this label. The patterns are paths, or globs as
// in [filepath.Match]; no file is touched before they are read.
func New(label string, patterns []string, format Format) *Source {
	return &Source{label, patterns, format}
}

// Files returns the paths of the files, sorted, each once. A pattern that
// matches nothing is a [directory.ReadError].
func (s *Source) Files() ([]string, error) {
	var files []string
	for _, pattern := range s.patterns {
		found := []string{pattern}
		// A file may bear a name that is a pattern too.
		if _, err := os.Stat(pattern); err != nil {
			if !strings.ContainsAny(pattern, `*?[`) {
				return nil, s.fail(pattern, err)
			}
			if found, err = filepath.Glob(pattern); err != nil {
				return nil, s.fail(pattern, err)
			}
			if len(found) == 0 {
				return nil, s.fail(pattern, errors.New("no file matches the pattern"))
			}
		}
		for _, file := range found {
			files = append(files, filepath.Clean(file))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// Patterns returns the patterns that [New] was given.
func (s *Source) Patterns() []string { return s.patterns }

// fail returns an error of a file, at its line where it has one.
func (s *Source) fail(from string, err error) error {
	line := 0
	if f := (*Fault)(nil); errors.As(err, &f) {
		line, err = f.Line, f.Err
	}
	return &directory.ReadError{Directory: s.label, From: from, Line: line, Err: cause(err)}
}

// cause strips the path from an error that is reported with the path.
func cause(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Read implements [directory.Source].
func (s *Source) Read(ctx context.Context, scopes []directory.Scope, sink directory.Sink, progress func(directory.Progress)) (identity.Receipt, error) {
	receipt := identity.Receipt{Name: s.label}
	sel, err := NewSelection(scopes)
	if err != nil {
		return receipt, err
	}
	files, err := s.Files()
	if err != nil {
		return receipt, err
	}
	names := make([]string, len(files))
	states := make([]os.FileInfo, len(files))
	seen := &Seen{}
	for i, path := range files {
		about, err := s.visit(ctx, path, &states[i], &Wanted{Selection: sel, Attributes: sel.Attributes, Seen: seen}, func(rec Record, about *About) error {
			receipt.Scanned++
			if progress != nil && receipt.Scanned%progressEvery == 0 {
				progress(directory.Progress{Directory: s.label, From: path, Objects: receipt.Scanned})
			}
			taker := rec.Taker()
			switch {
			case !about.Recorded && sel.unsupported != nil:
				return errEnough
			case !about.Recorded:
				taker = sel.Scope(rec)
			case uint(taker) >= uint(len(sel.scopes)):
				return s.fail(path, At(rec.Line(), errors.New("the snapshot does not say which scope took this object; make it again")))
			}
			if taker < 0 {
				return nil
			}
			return sink.Put(taker, rec)
		})
		if err != nil {
			return receipt, err
		}
		if !about.Recorded && sel.unsupported != nil {
			return receipt, sel.unsupported
		}
		names[i] = filepath.Base(path)
		if about.Format != "" {
			names[i] += " (" + about.Format + ")"
		}
		receipt.Notes = append(receipt.Notes, about.Notes...)
		receipt.References = append(receipt.References, about.References...)
	}
	if err := s.unchanged(files, states); err != nil {
		return receipt, err
	}
	slices.Sort(receipt.References)
	receipt.References = slices.Compact(receipt.References)
	receipt.Server = strings.Join(names, ", ")
	receipt.Complete = true
	return receipt, nil
}

// progressEvery is the number of objects between two calls of progress.
const progressEvery = 10_000

// errEnough ends a visit before the end of the file.
var errEnough = errors.New("enough")

// unchanged fails where the files are others by now than those that were read, as
// their states of then say: somebody who moves from one file to another in between
// would be in neither.
func (s *Source) unchanged(files []string, states []os.FileInfo) error {
	now, err := s.Files()
	if err != nil {
		return err
	}
	for _, path := range now {
		if !slices.Contains(files, path) {
			return s.fail(path, errAppeared)
		}
	}
	if len(files) == 1 {
		return nil // what was read of it belongs together
	}
	for i, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return s.fail(path, err)
		}
		if changed(states[i], info) || info.Mode().IsRegular() && !os.SameFile(states[i], info) {
			return s.fail(path, errReplaced)
		}
	}
	return nil
}

// changed reports whether a file was written between two looks at it.
func changed(before, after os.FileInfo) bool {
	return before.Mode().IsRegular() && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()))
}

// visit reads the objects of a file and gives them to each, whose error it
// returns as it is. state is what the file was like before.
func (s *Source) visit(ctx context.Context, path string, state *os.FileInfo, want *Wanted, each func(Record, *About) error) (*About, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, s.fail(path, err)
	}
	defer file.Close()
	if *state, err = file.Stat(); err != nil {
		return nil, s.fail(path, err)
	}
	want.Name = filepath.Base(path)
	records := s.format(file, want)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := records.Next()
		if err == nil {
			err = each(rec, records.About())
			if err == errEnough {
				return records.About(), nil
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		after, statErr := file.Stat()
		switch {
		case statErr != nil:
			return nil, s.fail(path, statErr)
		case changed(*state, after):
			return nil, s.fail(path, errChanged)
		case err != io.EOF:
			return nil, s.fail(path, err)
		}
		return records.About(), nil
	}
}

var (
	errChanged  = Advise("the file was written while it was read", "run again once the export is done; let it write another file, and rename that when it is complete")
	errReplaced = Advise("the file was replaced while the other files of the directory were read", "run again once the export of all files is done")
	errAppeared = Advise("the file appeared while the other files of the directory were read", "run again once the export of all files is done")
)

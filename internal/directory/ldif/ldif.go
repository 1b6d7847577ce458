// Package ldif reads directories from LDIF files (RFC 2849), in the shapes in
// which servers and their tools write them: ldapsearch with or without -LLL,
// slapcat and rollcall's own snapshots.
//
// A file is read as a stream of records, one an object, and only the
// attributes that a scope reads are decoded. Change records, values in other
// files and whatever shows that an export is incomplete end the read: an
// object that is missing in a file must not be taken for one that is gone.
//
// A [Snapshot] is LDIF too. Comments in it say for which scopes it was made and
// which of them took each object, so that a read of the same scopes gives what
// the directory gave, also where only a server can judge a filter:
//
//	# rollcall-scopes: sha256:...      the bases and filters of the scopes
//	# rollcall-attributes: mail ...    what was asked for
//	version: 1
//
//	# rollcall-scope: 1                the first scope took what follows
//	dn: cn=Ann,dc=example
//	mail: ann@example.com
//
//	# rollcall-objects: 1              the last line: how many there are
//
// A read of other scopes takes it for any LDIF file, but not where it lacks an
// attribute that these read. One without its last line is refused.
package ldif

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Source is a directory of LDIF files.
type Source struct {
	label    string
	patterns []string
}

var _ directory.Source = (*Source)(nil)

// New returns the directory of this label. The patterns are paths, or globs as
// in [filepath.Match]; no file is touched before they are read.
func New(label string, patterns []string) *Source {
	return &Source{label: label, patterns: patterns}
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
				return nil, s.fail(pattern, 0, cause(err))
			}
			if found, err = filepath.Glob(pattern); err != nil {
				return nil, s.fail(pattern, 0, err)
			}
			if len(found) == 0 {
				return nil, s.fail(pattern, 0, errors.New("no file matches the pattern"))
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

func (s *Source) fail(from string, line int, err error) error {
	return &directory.ReadError{Directory: s.label, From: from, Line: line, Err: err}
}

// LackingError says that a snapshot was made without an attribute that is read.
type LackingError struct{ Attribute string }

func (e *LackingError) Error() string {
	return fmt.Sprintf("the snapshot was made without the attribute %s, which is read now; make it again", e.Attribute)
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
	selection, err := newSelection(scopes)
	if err != nil {
		return receipt, err
	}
	files, err := s.Files()
	if err != nil {
		return receipt, err
	}
	names := make([]string, len(files))
	for i, path := range files {
		names[i] = filepath.Base(path)
		if err := s.readFile(ctx, path, selection, &receipt, sink, progress); err != nil {
			return receipt, err
		}
	}
	slices.Sort(receipt.References)
	receipt.References = slices.Compact(receipt.References)
	receipt.Server = strings.Join(names, ", ")
	receipt.Complete = true
	return receipt, nil
}

// progressEvery is the number of objects between two calls of progress.
const progressEvery = 10_000

func (s *Source) readFile(ctx context.Context, path string, sel *selection, receipt *identity.Receipt, sink directory.Sink, progress func(directory.Progress)) error {
	file, err := os.Open(path)
	if err != nil {
		return s.fail(path, 0, cause(err))
	}
	defer file.Close()
	r := newReader(file, sel.attributes, &sel.texts, sel.below)
	r.marks.wanted = sel.digest
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.record()
		if err != nil && err != io.EOF {
			line := 0
			if f := (*fault)(nil); errors.As(err, &f) {
				line, err = f.line, f.err
			}
			return s.fail(path, line, cause(err))
		}
		if first {
			if missing := r.marks.missing(sel.attributes); missing != "" {
				return s.fail(path, 0, &LackingError{missing})
			}
			if !r.marks.recorded && sel.unsupported != nil {
				return sel.unsupported
			}
			if r.marks.snapshot && !r.marks.recorded {
				receipt.Notes = append(receipt.Notes, "the scopes have changed since the snapshot "+filepath.Base(path)+
					" was made: what none of them selected then is not in it, and counts as not there")
			}
		}
		if err == io.EOF {
			receipt.References = append(receipt.References, r.references...)
			return nil
		}
		receipt.Scanned++
		if progress != nil && receipt.Scanned%progressEvery == 0 {
			progress(directory.Progress{Directory: s.label, From: path, Objects: receipt.Scanned})
		}
		scope := rec.scope - 1
		switch {
		case !r.marks.recorded:
			scope = sel.scope(rec)
		case uint(scope) >= uint(len(sel.scopes)):
			return s.fail(path, rec.line, errors.New("the snapshot does not say which scope took this object; make it again"))
		}
		if scope >= 0 {
			if err := sink.Put(scope, rec); err != nil {
				return err
			}
		}
	}
}

// selection holds the scopes of one read, compiled.
type selection struct {
	scopes     []scope
	attributes []string
	// digest identifies the bases and filters.
	digest string
	// unsupported, unless nil, says which filter only a server can judge.
	unsupported error
	texts       compact.Arena
}

type scope struct {
	base   base
	filter *filter.Filter
}

func newSelection(scopes []directory.Scope) (*selection, error) {
	sel := &selection{}
	digest := sha256.New()
	for i := range scopes {
		s := &scopes[i]
		base, err := newBase(s.Base)
		if err != nil {
			return nil, fmt.Errorf("scope %q: base DN: %w", s.Name, err)
		}
		f, err := s.ParseFilter()
		if err != nil {
			return nil, err
		}
		if why := f.Unsupported(); why != "" && sel.unsupported == nil {
			sel.unsupported = fmt.Errorf("scope %q: filter: %s", s.Name, why)
		}
		fmt.Fprintf(digest, "%q %q\n", s.Base, f)
		sel.scopes = append(sel.scopes, scope{base, f})
		sel.attributes = append(append(sel.attributes, directory.NewMapper(s).Attributes()...), f.Attributes()...)
	}
	slices.Sort(sel.attributes)
	sel.attributes = slices.Compact(sel.attributes)
	sel.digest = fmt.Sprintf("sha256:%x", digest.Sum(nil))
	return sel, nil
}

// below reports whether any scope's base contains the name.
func (sel *selection) below(n *name) bool {
	for i := range sel.scopes {
		if sel.scopes[i].base.contains(n) {
			return true
		}
	}
	return false
}

// scope returns the first scope that selects a record, or -1.
func (sel *selection) scope(rec *record) int {
	if rec.read {
		for i := range sel.scopes {
			if s := &sel.scopes[i]; s.base.contains(&rec.name) && s.filter.Match(rec) {
				return i
			}
		}
	}
	return -1
}

// Package ldif reads directories from LDIF files (RFC 2849), in the shapes in
// which servers and their tools write them: ldapsearch with or without -LLL,
// slapcat and rollcall's own snapshots.
//
// A file is read as a stream of records, one an object, and only the
// attributes that a scope reads are decoded. Change records, values in other
// files and whatever shows that an export is incomplete end the read: an
// object that is missing in a file must not be taken for one that is gone.
package ldif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

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

func (s *Source) fail(from string, line int, err error) error {
	return &directory.ReadError{Directory: s.label, From: from, Line: line, Err: err}
}

// cause strips the path from an error that is told with the path.
func cause(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Read implements [directory.Source].
func (s *Source) Read(ctx context.Context, scopes []directory.Scope, emit func(*identity.Entry) error, progress func(directory.Progress)) (identity.Receipt, error) {
	receipt := identity.Receipt{Name: s.label, Kind: "ldif"}
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
		if err := s.readFile(ctx, path, selection, &receipt, emit, progress); err != nil {
			return receipt, err
		}
	}
	receipt.Server = strings.Join(names, ", ")
	receipt.Complete = true
	return receipt, nil
}

func (s *Source) readFile(ctx context.Context, path string, sel *selection, receipt *identity.Receipt, emit func(*identity.Entry) error, progress func(directory.Progress)) error {
	file, err := os.Open(path)
	if err != nil {
		return s.fail(path, 0, cause(err))
	}
	defer file.Close()
	r := newReader(file, sel.attributes, &sel.texts, sel.below)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.record()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			line := 0
			if f := (*fault)(nil); errors.As(err, &f) {
				line, err = f.line, f.err
			}
			return s.fail(path, line, cause(err))
		}
		receipt.Scanned++
		if progress != nil && receipt.Scanned%directory.ProgressEvery == 0 {
			progress(directory.Progress{Directory: s.label, From: path, Objects: receipt.Scanned})
		}
		if entry, ok := sel.entry(rec); ok {
			receipt.Entries++
			if err := emit(&entry); err != nil {
				return err
			}
		}
	}
}

// selection holds the scopes of one read, compiled.
type selection struct {
	scopes     []scope
	attributes []string
	texts      identity.Arena
}

type scope struct {
	base   base
	filter *filter.Filter
	mapper *directory.Mapper
}

func newSelection(scopes []directory.Scope) (*selection, error) {
	sel := &selection{}
	scopes = slices.SortedStableFunc(slices.Values(scopes), func(a, b directory.Scope) int { return cmp.Compare(a.Index, b.Index) })
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
		if why := f.Unsupported(); why != "" {
			return nil, fmt.Errorf("scope %q: filter: %s", s.Name, why)
		}
		mapper := directory.NewMapper(s)
		sel.scopes = append(sel.scopes, scope{base, f, mapper})
		sel.attributes = append(append(sel.attributes, mapper.Attributes()...), f.Attributes()...)
	}
	slices.Sort(sel.attributes)
	sel.attributes = slices.Compact(sel.attributes)
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

// entry reads a record by the first scope that it matches.
func (sel *selection) entry(rec *record) (identity.Entry, bool) {
	if !rec.read {
		return identity.Entry{}, false
	}
	for i := range sel.scopes {
		s := &sel.scopes[i]
		if s.base.contains(&rec.name) && s.filter.Match(rec) {
			return s.mapper.Entry(rec)
		}
	}
	return identity.Entry{}, false
}

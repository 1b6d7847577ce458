package ldif

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ directory.Finder = (*Source)(nil)

// Find implements [directory.Finder]: it reads every record of the files.
func (s *Source) Find(ctx context.Context, q directory.Query, scopes []directory.Scope) (found directory.Findings, err error) {
	judge, err := directory.NewJudge(q, scopes)
	if err != nil {
		return found, err
	}
	selection, err := newSelection(scopes)
	if err != nil {
		return found, err
	}
	files, err := s.Files()
	if err != nil {
		return found, err
	}
	for _, path := range files {
		if err := s.findIn(ctx, path, &q, judge, selection, &found); err != nil {
			return found, err
		}
	}
	var cut bool
	found.Objects, cut = directory.SortFound(found.Objects)
	found.Cut = found.Cut || cut
	return found, nil
}

func (s *Source) findIn(ctx context.Context, path string, q *directory.Query, judge *directory.Judge, sel *selection, found *directory.Findings) error {
	return s.visit(ctx, path, judge.Attributes(), sel, func(m *marks) {
		if !m.snapshot {
			return
		}
		note := "the snapshot " + filepath.Base(path) + " holds no object but those that a scope selected when it was made"
		if missing := m.missing(sel.attributes); missing != "" {
			note = fmt.Sprintf("%s, and not their attribute %s", note, missing)
		}
		found.Notes = append(found.Notes, note)
	}, func(rec *record, taker int) (more bool) {
		values := judge.Values(rec)
		wanted := judge.Wants(rec.name.text)
		if len(values) == 0 && !wanted {
			return true
		}
		o := judge.Found(rec, values, taker, nil)
		if wanted {
			found.Entries = append(found.Entries, o)
		}
		switch {
		case len(values) == 0:
		case len(found.Objects) > directory.MaxFound:
			found.Cut = true
			return len(found.Entries) < len(q.Entries)
		default:
			found.Objects = append(found.Objects, o)
		}
		return true
	})
}

var _ directory.Locator = (*Source)(nil)

// Locate implements [directory.Locator]: it reads every record of the files. A
// snapshot holds no object but those that a scope selected when it was made.
func (s *Source) Locate(ctx context.Context, guids []identity.GUID, scopes []directory.Scope) (map[identity.GUID]directory.Located, error) {
	lookup, err := directory.NewLookup(guids, scopes)
	if err != nil || len(guids) == 0 {
		return nil, err
	}
	selection, err := newSelection(scopes)
	if err != nil {
		return nil, err
	}
	files, err := s.Files()
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		err := s.visit(ctx, path, lookup.Attributes(), selection, func(*marks) {}, func(rec *record, taker int) bool {
			lookup.Take(rec, taker)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return lookup.Located(), nil
}

// visit reads every record of a file, in a scope or not, with these attributes.
// begin hears of its marks first; each is given the record and the index of the
// scope that took it when a snapshot was made, or -1, and says whether to go on.
func (s *Source) visit(ctx context.Context, path string, attributes []string, sel *selection, begin func(*marks), each func(rec *record, taker int) (more bool)) error {
	file, err := os.Open(path)
	if err != nil {
		return s.fail(path, 0, cause(err))
	}
	defer file.Close()
	r := newReader(file, attributes, &sel.texts, func(*name) bool { return true })
	r.marks.wanted = sel.digest
	for n := 1; ; n++ {
		if n%progressEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := r.record()
		if n == 1 {
			begin(&r.marks)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			line := 0
			if f := (*fault)(nil); errors.As(err, &f) {
				line, err = f.line, f.err
			}
			return s.fail(path, line, cause(err))
		}
		taker := -1
		if r.marks.recorded {
			taker = rec.scope - 1
		}
		if !each(rec, taker) {
			return nil
		}
	}
}

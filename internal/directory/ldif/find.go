package ldif

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rollcall-cli/rollcall/internal/directory"
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
	file, err := os.Open(path)
	if err != nil {
		return s.fail(path, 0, cause(err))
	}
	defer file.Close()
	r := newReader(file, judge.Attributes(), &sel.texts, func(*name) bool { return true })
	r.marks.wanted = sel.digest
	for n := 1; ; n++ {
		if n%progressEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := r.record()
		if n == 1 && r.marks.snapshot {
			note := "the snapshot " + filepath.Base(path) + " holds no object but those that a scope selected when it was made"
			if missing := r.marks.missing(sel.attributes); missing != "" {
				note = fmt.Sprintf("%s, and not their attribute %s", note, missing)
			}
			found.Notes = append(found.Notes, note)
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
		values := judge.Values(rec)
		wanted := judge.Wants(rec.name.text)
		if len(values) == 0 && !wanted {
			continue
		}
		taker := -1
		if r.marks.recorded {
			taker = rec.scope - 1
		}
		o := judge.Found(rec, values, taker, nil)
		if wanted {
			found.Entries = append(found.Entries, o)
		}
		switch {
		case len(values) == 0:
		case len(found.Objects) > directory.MaxFound:
			found.Cut = true
			if len(found.Entries) == len(q.Entries) {
				return nil
			}
		default:
			found.Objects = append(found.Objects, o)
		}
	}
}

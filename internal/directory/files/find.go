package files

import (
	"context"
	"os"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ directory.Finder = (*Source)(nil)

// Search finds objects for a [directory.Finder] among all that it is given.
type Search struct {
	judge   *directory.Judge
	entries int // that are wanted
	found   directory.Findings
}

// NewSearch fails where a scope cannot be read.
func NewSearch(q directory.Query, scopes []directory.Scope) (*Search, error) {
	judge, err := directory.NewJudge(q, scopes)
	return &Search{judge: judge, entries: len(q.Entries)}, err
}

// Attributes are those that the search reads, by the names of
// [identity.AttributeName], sorted.
func (s *Search) Attributes() []string { return s.judge.Attributes() }

// Take looks at an object, and reports whether no other one needs to be looked at.
// taker is the index of the scope that is known to select it, or -1.
func (s *Search) Take(rec Record, taker int) (enough bool) {
	values := s.judge.Values(rec)
	wanted := s.judge.Wants(rec.Name().Text)
	if len(values) == 0 && !wanted {
		return false
	}
	o := s.judge.Found(rec, values, taker, nil)
	if wanted {
		s.found.Entries = append(s.found.Entries, o)
	}
	switch {
	case len(values) == 0:
	case len(s.found.Objects) > directory.MaxFound:
		s.found.Cut = true
		return len(s.found.Entries) >= s.entries
	default:
		s.found.Objects = append(s.found.Objects, o)
	}
	return false
}

// Has reports whether an object was found that a scope reads this GUID of.
func (s *Search) Has(g identity.GUID) bool {
	return slices.ContainsFunc(s.found.Objects, func(f directory.Found) bool {
		return slices.ContainsFunc(f.Verdicts, func(v directory.Verdict) bool { return v.GUID == g })
	})
}

// Note adds to the notes of what is found.
func (s *Search) Note(notes ...string) { s.found.Notes = append(s.found.Notes, notes...) }

// Found returns what was found. The search must not be used any more.
func (s *Search) Found() directory.Findings {
	var cut bool
	s.found.Objects, cut = directory.SortFound(s.found.Objects)
	s.found.Cut = s.found.Cut || cut
	return s.found
}

// Find implements [directory.Finder]: it reads every object of the files.
func (s *Source) Find(ctx context.Context, q directory.Query, scopes []directory.Scope) (directory.Findings, error) {
	search, err := NewSearch(q, scopes)
	if err != nil {
		return directory.Findings{}, err
	}
	err = s.all(ctx, search.Attributes(), scopes, func(rec Record, taker int) error {
		if search.Take(rec, taker) {
			return errEnough
		}
		return nil
	}, func(about *About) { search.Note(about.Notes...) })
	if err != nil {
		return search.found, err
	}
	return search.Found(), nil
}

var _ directory.Locator = (*Source)(nil)

// Locate implements [directory.Locator]: it reads every object of the files. A
// snapshot holds no object but those that a scope selected when it was made.
func (s *Source) Locate(ctx context.Context, guids []identity.GUID, scopes []directory.Scope) (map[identity.GUID]directory.Located, error) {
	lookup, err := directory.NewLookup(guids, scopes)
	if err != nil || len(guids) == 0 {
		return nil, err
	}
	err = s.all(ctx, lookup.Attributes(), scopes, func(rec Record, taker int) error {
		lookup.Take(rec, taker)
		return nil
	}, func(*About) {})
	if err != nil {
		return nil, err
	}
	return lookup.Located(), nil
}

// all reads every object of the files, in a scope or not, with these attributes.
// each is given the object and the index of the scope that took it when the file
// was made, or -1; end what is known of each file.
func (s *Source) all(ctx context.Context, attributes []string, scopes []directory.Scope, each func(rec Record, taker int) error, end func(*About)) error {
	sel, err := NewSelection(scopes)
	if err != nil {
		return err
	}
	files, err := s.Files()
	if err != nil {
		return err
	}
	states := make([]os.FileInfo, len(files))
	seen := &Seen{}
	for i, path := range files {
		about, err := s.visit(ctx, path, &states[i], &Wanted{Selection: sel, Attributes: attributes, Anywhere: true, Seen: seen}, func(rec Record, about *About) error {
			taker := -1
			if about.Recorded {
				taker = rec.Taker()
			}
			return each(rec, taker)
		})
		if err != nil {
			return err
		}
		end(about)
	}
	return s.unchanged(files, states)
}

package files

import (
	"context"
	"os"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ directory.Finder = (*Source)(nil)

// Find implements [directory.Finder]: it reads every object of the files.
func (s *Source) Find(ctx context.Context, q directory.Query, scopes []directory.Scope) (found directory.Findings, err error) {
	judge, err := directory.NewJudge(q, scopes)
	if err != nil {
		return found, err
	}
	err = s.all(ctx, judge.Attributes(), scopes, func(rec Record, taker int) error {
		values := judge.Values(rec)
		wanted := judge.Wants(rec.Name().Text)
		if len(values) == 0 && !wanted {
			return nil
		}
		o := judge.Found(rec, values, taker, nil)
		if wanted {
			found.Entries = append(found.Entries, o)
		}
		switch {
		case len(values) == 0:
		case len(found.Objects) > directory.MaxFound:
			found.Cut = true
			if len(found.Entries) >= len(q.Entries) {
				return errEnough
			}
		default:
			found.Objects = append(found.Objects, o)
		}
		return nil
	}, func(about *About) { found.Notes = append(found.Notes, about.Notes...) })
	if err != nil {
		return found, err
	}
	var cut bool
	found.Objects, cut = directory.SortFound(found.Objects)
	found.Cut = found.Cut || cut
	return found, nil
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

package files

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/filter"
)

// Selection holds the scopes of one read, compiled.
type Selection struct {
	// Scopes are those that are read.
	Scopes []directory.Scope
	// Attributes are those that the scopes and their filters read.
	Attributes []string
	// Digest identifies the bases and filters.
	Digest string
	// Texts keeps the names of objects.
	Texts compact.Arena

	scopes []scope
	// unsupported, unless nil, says which filter only a server can judge.
	unsupported error
}

type scope struct {
	base   Base
	filter *filter.Filter
}

// NewSelection fails where a scope cannot be read.
func NewSelection(scopes []directory.Scope) (*Selection, error) {
	sel := &Selection{Scopes: scopes}
	digest := sha256.New()
	for i := range scopes {
		s := &scopes[i]
		base, err := NewBase(s.Base)
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
		sel.Attributes = append(append(sel.Attributes, directory.NewMapper(s).Attributes()...), f.Attributes()...)
	}
	slices.Sort(sel.Attributes)
	sel.Attributes = slices.Compact(sel.Attributes)
	sel.Digest = fmt.Sprintf("sha256:%x", digest.Sum(nil))
	return sel, nil
}

// Unsupported says which filter only a server can judge; nil for none.
func (sel *Selection) Unsupported() error { return sel.unsupported }

// Scope returns the index of the first scope that selects an object, or -1.
func (sel *Selection) Scope(rec Record) int {
	name := rec.Name()
	return slices.IndexFunc(sel.scopes, func(s scope) bool { return s.base.Contains(name) && s.filter.Match(rec) })
}

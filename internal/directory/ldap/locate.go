package ldap

import (
	"context"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ directory.Locator = (*Source)(nil)

// maxLookups is how many GUIDs one search asks for. Their filter takes some fifty
// kilobytes: OpenLDAP takes 256 of who has not logged in, the others more. Every
// server sends that many entries without pages.
const maxLookups = 200

// Locate implements [directory.Locator]. The first server that can be reached is
// asked for the naming contexts of the scopes and those that it names as its own:
// one search for every 200 GUIDs and each of them, and, where a server keeps
// deleted entries as tombstones, another for those of which nothing was found.
func (s *Source) Locate(ctx context.Context, guids []identity.GUID, scopes []directory.Scope) (map[identity.GUID]directory.Located, error) {
	lookup, err := directory.NewLookup(guids, scopes)
	if err != nil {
		return nil, err
	}
	plan, err := s.searches(scopes)
	if err != nil || len(guids) == 0 {
		return nil, err
	}
	c, err := s.first(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	f := &asking{reading: &reading{source: s, scopes: plan, target: c.target, conn: c}, attributes: lookup.Attributes()}
	f.take = func(e *goldap.Entry) error {
		o, err := f.objectOf(e)
		if err == nil {
			lookup.Take(o, -1)
		}
		return err
	}
	for some := range slices.Chunk(guids, maxLookups) {
		if err := f.locate(lookup, some); err != nil {
			return nil, &directory.ReadError{Directory: s.options.Label, From: c.target.url, Err: s.cause(ctx, c, err)}
		}
	}
	return lookup.Located(), nil
}

func (f *asking) locate(lookup *directory.Lookup, guids []identity.GUID) error {
	filter := lookup.Filter(guids)
	if filter == "" {
		return nil
	}
	// Who may not see deleted objects is shown none.
	if f.source.options.ActiveDirectory {
		return f.lookEverywhere(filter, f.conn.root.showDeleted()...)
	}
	if err := f.lookEverywhere(filter); err != nil {
		return err
	}
	// 389 Directory Server and its relatives name their vendor, OpenLDAP, which
	// keeps no tombstones, none.
	if filter = lookup.Filter(guids); filter == "" || f.conn.root.vendor == "" {
		return nil
	}
	return f.lookEverywhere("(&(objectClass=nsTombstone)" + filter + ")")
}

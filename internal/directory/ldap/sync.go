package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// refreshRequired is e-syncRefreshRequired (RFC 4533 section 2.1).
const refreshRequired = 4096

// answer is what a server says to a request for content synchronization.
type answer struct {
	changes changes
	// deletes says that what is not mentioned did not change, and that what was deleted
	// is; otherwise what is not mentioned was deleted (RFC 4533 section 3.3).
	deletes bool
	// full says that the server tells what there is, not what changed, and lists that it
	// told what was deleted.
	full, lists bool
	// cut says that there are more changes than were asked for.
	cut bool
}

// synchronize asks for what changed below the bases since a state (RFC 4533 section
// 3.2).
func (f *following) synchronize(ctx context.Context, since state) (changes, error) {
	all := changes{}
	for _, base := range f.outerBases() {
		got, err := f.ask(ctx, base, goldap.ScopeWholeSubtree, since.cookie(f.conn.root.contextOf(base)), f.since.Most-len(all))
		switch {
		case goldap.IsErrorWithCode(err, refreshRequired):
			return nil, notFollowed("the server no longer knows what changed since (e-syncRefreshRequired)")
		case err != nil:
			return nil, within(f.said(ctx, err), fmt.Sprintf("asking for what changed below %q", base))
		case got.full || !got.deletes && !got.cut:
			return nil, notFollowed("the server no longer knows what was deleted since: it lost its session log, or keeps none that is long enough")
		case got.cut:
			return nil, f.tooMany()
		}
		for g, gone := range got.changes {
			// What left one base may have come into another.
			if was, known := all[g]; !known || was {
				all[g] = gone
			}
		}
	}
	return all, nil
}

// outerBases returns the bases of the scopes that are in no other.
func (r *reading) outerBases() (outer []string) {
	var bases []string
	for i := range r.scopes {
		bases = append(bases, r.bases(&r.scopes[i])...)
	}
	for i, base := range bases {
		dn, err := identity.ParseDN(base)
		inner := slices.ContainsFunc(bases[:i], func(b string) bool { return sameName(b, base) })
		for _, other := range bases {
			o, errOther := identity.ParseDN(other)
			inner = inner || err == nil && errOther == nil && len(o) < len(dn) && dn.Within(o) && r.conn.root.contextOf(other) == r.conn.root.contextOf(base)
		}
		if !inner {
			outer = append(outer, base)
		}
	}
	return outer
}

// tellsDeleted checks that the server does not leave out what was deleted. One with
// syncprov-nopresent and without a session log (slapo-syncprov(5)) does so in silence.
// It is asked with a cookie that is older than any change: who tells what is deleted
// cannot do so from then on, and says that, unless it has a log of everything.
func (r *reading) tellsDeleted(ctx context.Context, now state) error {
	old := state{}
	for context, values := range now {
		for _, v := range values {
			if sidOf(v) == "" {
				return notFollowed("the server shows no contextCSN, from which changes are counted")
			}
			old[context] = append(old[context], "19700101000000.000000Z"+v[len("19700101000000.000000Z"):])
		}
	}
	for _, base := range r.outerBases() {
		got, err := r.ask(ctx, base, goldap.ScopeBaseObject, old.cookie(r.conn.root.contextOf(base)), 1)
		if goldap.IsErrorWithCode(err, refreshRequired) {
			continue
		}
		if err != nil {
			return err
		}
		if got.deletes && !got.lists {
			return notFollowed("the server does not tell what was deleted: it is set to leave that out (syncprov-nopresent)")
		}
	}
	return nil
}

// errNoDone says that an answer has no synchronization done control.
var errNoDone = errors.New("the answer does not say whether it is complete (it lacks the control for content synchronization)")

// ask makes a request for content synchronization, and stops reading above so many
// changes. Otherwise the answer is complete: it ended with the result code 0 and the control.
func (r *reading) ask(ctx context.Context, base string, scope int, cookie []byte, most int) (answer, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.conn.wire.await()
	defer r.conn.wire.done()
	request := goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil)
	response := r.conn.Syncrepl(ctx, request, 0, goldap.SyncRequestModeRefreshOnly, cookie, false)
	got := answer{changes: changes{}}
	done := false
	for response.Next() {
		r.conn.wire.await()
		told := false
		for _, control := range response.Controls() {
			switch c := control.(type) {
			case *goldap.ControlSyncState:
				told = true
				got.changes[identity.GUID(c.EntryUUID)] = c.State == goldap.SyncStateDelete
				got.full = got.full || c.State == goldap.SyncStatePresent
			case *goldap.ControlSyncInfo:
				got.information(c)
			case *goldap.ControlSyncDone:
				done, got.deletes = true, c.RefreshDeletes
			}
		}
		switch {
		case response.Entry() != nil && !told:
			return got, errors.New("the server sent an entry without its state (RFC 4533 section 2.2)")
		case response.Referral() != "":
			continue
		case got.full:
			return got, nil
		case len(got.changes) > most:
			got.cut = true
			return got, nil
		}
	}
	if err := response.Err(); err != nil {
		return got, err
	}
	if !done {
		return got, errNoDone
	}
	return got, nil
}

// information takes a message between the entries (RFC 4533 section 2.5).
func (a *answer) information(c *goldap.ControlSyncInfo) {
	switch {
	case c.SyncIdSet != nil && c.SyncIdSet.RefreshDeletes:
		a.lists = true
		for _, id := range c.SyncIdSet.SyncUUIDs {
			// One that was also sent as an entry came back.
			if _, known := a.changes[identity.GUID(id)]; !known {
				a.changes[identity.GUID(id)] = true
			}
		}
	case c.RefreshDelete != nil, c.NewCookie != nil:
	default: // present identifiers, or the end of them
		a.full = true
	}
}

// checkContainers looks for those of what changed that objects are below, for these
// have other names when they are renamed. What is below one that is new was touched.
func (f *following) checkContainers(ctx context.Context, changed changes) error {
	found, err := f.lookUp(ctx, changed.guids())
	if err != nil {
		return err
	}
	for g := range changed {
		was, noted := f.mark.Containers[g.String()]
		is, there := found[g]
		switch {
		case noted && (!there || !sameName(was, is.dn)):
			return notFollowed("%q was renamed, moved or deleted, by which names below it may have changed", was)
		case !noted && there && is.parent && f.nearScope(is.dn) && !f.isAbove(g) && !f.mark.CSN.before(is.created):
			if err := f.checkBelow(ctx, g, is.dn); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAbove reports whether an object is a base or above one, and so has the name that it
// had, as [following.checkAbove] knows.
func (f *following) isAbove(g identity.GUID) bool {
	for _, above := range f.mark.Above {
		if above == g.String() {
			return true
		}
	}
	return false
}

// checkBelow checks that no objects of the scopes are below one that has changed.
func (f *following) checkBelow(ctx context.Context, g identity.GUID, dn string) error {
	below, err := identity.ParseDN(dn)
	if err != nil {
		return err
	}
	o := f.object(guidAttributes(false))
	for i := range f.scopes {
		s := &f.scopes[i]
		for _, base := range f.bases(s) {
			b, err := identity.ParseDN(base)
			if err != nil {
				return err
			}
			q := query{base: base, filter: s.filter, attributes: o.wanted}
			switch {
			case below.Within(b):
				q.base = dn
			case !b.Within(below):
				continue
			}
			err = f.search(ctx, q, o, func() (bool, error) {
				if o.guid() == g {
					return true, nil
				}
				return true, notFollowed("%q was changed, by which the name of %q may have changed", dn, o.DN())
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// maxRestarts is how often a read starts over because containers were moved or
// renamed under it; maxCatchUps how often it reads again what changed.
const (
	maxRestarts = 3
	maxCatchUps = 3
)

// containerFilter selects the objects whose move or new name changes the names
// below them, which leaves no trace on the objects there.
const containerFilter = "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain))"

// listContainers notes what the containers are called.
func (r *reading) listContainers(ctx context.Context) error {
	r.containers = map[identity.GUID]string{}
	o := r.object([]string{"objectguid"})
	return r.everywhere(ctx, query{filter: containerFilter, attributes: o.wanted}, o, func() (bool, error) {
		before := len(r.containers)
		r.containers[o.guid()] = o.DN()
		return len(r.containers) > before, nil
	})
}

// everywhere performs a query in every naming context that the scopes lie in,
// or, where its head may not be seen, in the scopes alone.
func (r *reading) everywhere(ctx context.Context, q query, o *object, take func() (bool, error)) error {
	for _, context := range r.contexts() {
		q.base = context
		err := r.search(ctx, q, o, take)
		var result *goldap.Error
		if !errors.As(err, &result) || result.ResultCode != goldap.LDAPResultNoSuchObject {
			if err != nil {
				return err
			}
			continue
		}
		for i := range r.scopes {
			for _, base := range r.bases(&r.scopes[i]) {
				if r.conn.root.contextOf(base) != context {
					continue
				}
				if q.base = base; base == context {
					return err
				}
				if err := r.search(ctx, q, o, take); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// catchUp reads again what changed in Active Directory during the read, and
// then what changed during that. It is not settled if a container was moved or
// renamed, so that names have changed below it.
func (r *reading) catchUp(ctx context.Context) (settled bool, err error) {
	for round := 1; round <= maxCatchUps; round++ {
		before := max(r.receipt.USNBefore, r.receipt.USNAfter)
		if err := r.conn.readRoot(); err != nil {
			return false, r.source.cause(ctx, r.conn, err)
		}
		if r.receipt.USNAfter = r.conn.root.usn; r.receipt.USNAfter <= before {
			break
		}
		since := fmt.Sprintf("(uSNChanged>=%d)", before+1)
		changed, moved, err := r.changed(ctx, since)
		if err != nil {
			return false, within(err, "looking for what changed during the read")
		}
		if moved {
			return false, nil
		}
		again, err := r.readAgain(ctx, since)
		if err != nil {
			return false, err
		}
		// An object that moves from a scope to one searched before it is in
		// neither answer. The next round finds it; after the last there is
		// none, and what is gone then waits for the next read.
		if round < maxCatchUps {
			if err := r.remove(changed, again); err != nil {
				return false, err
			}
		}
		if len(changed) == 0 {
			break
		}
	}
	return true, nil
}

// changed finds the objects that changed since (MS-ADTS section 3.1.1.1.9),
// deleted ones too where they may be read. moved is true if a container near
// a scope has another name than before.
func (r *reading) changed(ctx context.Context, since string) (changed map[identity.GUID]bool, moved bool, err error) {
	changed = map[identity.GUID]bool{}
	o := r.object([]string{"objectguid"})
	err = r.everywhere(ctx, query{filter: since, attributes: o.wanted, controls: r.conn.root.showDeleted()}, o, func() (bool, error) {
		g := o.guid()
		if g.IsZero() {
			return false, nil
		}
		fresh := !changed[g]
		changed[g] = true
		if was, known := r.containers[g]; known && was != o.DN() && (r.nearScope(was) || r.nearScope(o.DN())) {
			moved = true
		}
		return fresh, nil
	})
	return changed, moved, err
}

// nearScope reports whether a name is above or in the base of a scope.
func (r *reading) nearScope(text string) bool {
	dn, err := identity.ParseDN(text)
	if err != nil {
		return true
	}
	for i := range r.scopes {
		for _, base := range r.bases(&r.scopes[i]) {
			b, err := identity.ParseDN(base)
			if err != nil || dn.Within(b) || b.Within(dn) {
				return true
			}
		}
	}
	return false
}

// readAgain replaces the objects of the scopes that changed since, and returns
// their numbers.
func (r *reading) readAgain(ctx context.Context, since string) (again map[int32]bool, err error) {
	again = map[int32]bool{}
	for i := range r.scopes {
		s := &r.scopes[i]
		o := r.object(s.attributes)
		take := func() (bool, error) {
			if n, known := r.find(o); known && again[n] {
				return r.found(n), nil // an earlier scope has it
			}
			n, err := r.again(int32(i), o)
			again[n] = true
			r.receipt.Reread++
			return true, err
		}
		for _, base := range r.bases(s) {
			q := query{base: base, filter: "(&" + s.filter + since + ")", attributes: s.attributes, puts: true}
			if err := r.search(ctx, q, o, take); err != nil {
				return nil, within(err, fmt.Sprintf("scope %q: reading again what changed during the read", s.name))
			}
		}
	}
	return again, nil
}

// remove takes those for gone that changed and that no scope selects any more.
// Of several with one GUID it is not known which changed.
func (r *reading) remove(changed map[identity.GUID]bool, again map[int32]bool) error {
	for g := range changed {
		n, known := r.byGUID[g]
		if !known || again[n] || len(r.twins[g]) > 0 {
			continue
		}
		delete(r.byGUID, g)
		r.receipt.Reread++
		if err := r.sink.Replace(int(n), int(r.places[n].scope), nil); err != nil {
			return &sinkError{err}
		}
	}
	return nil
}

// catchUpByCSN reads again what changed in OpenLDAP during the read, as its
// contextCSN tells. Nothing is taken for gone: what was deleted, or left a
// scope, waits for the next read. A server without contextCSN says nothing.
func (r *reading) catchUpByCSN(ctx context.Context) error {
	for round := 1; round <= maxCatchUps && r.receipt.Identity != ""; round++ {
		before := strings.Fields(r.receipt.Identity)
		now, err := r.conn.identity(r.contexts())
		if err != nil {
			return within(r.source.cause(ctx, r.conn, err), "looking for what changed during the read")
		}
		if now == "" || now == r.receipt.Identity {
			break
		}
		r.receipt.Identity = now
		// With several writers the oldest counts, for its changes may come late.
		if _, err := r.readAgain(ctx, "(entryCSN>="+before[0]+")"); err != nil {
			return err
		}
	}
	return nil
}

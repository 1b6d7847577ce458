package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/apply"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Apply makes changes, one after the other. After one that fails, the later ones of
// its group are not begun.
func (c *Console) Apply(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	failed := map[int]bool{}
	for i := range steps {
		s := &steps[i]
		c.mu.Lock()
		a, made := c.made[s.Key]
		c.mu.Unlock()
		switch {
		case made:
		case ctx.Err() != nil:
			a.Err = &apply.Error{Code: apply.Cancelled, Message: "not started"}
		case failed[s.Group]:
			a.Err = &apply.Error{Code: apply.Cancelled, Message: "a change before it in its group was not made"}
		default:
			var err error
			if a, err = c.change(context.WithoutCancel(ctx), s); err != nil {
				return err
			}
		}
		if a.Err != nil {
			failed[s.Group] = true
		} else {
			c.mu.Lock()
			c.made[s.Key] = a
			c.mu.Unlock()
		}
		answer(i, a)
	}
	return nil
}

// change makes one change. An error is one of which nobody knows whether it was made,
// or a server that is not reachable.
func (c *Console) change(ctx context.Context, step *apply.Step) (apply.Answer, error) {
	for {
		s, used, err := c.session(ctx)
		if err != nil {
			return apply.Answer{}, err
		}
		ch := &change{Console: c, Step: step, s: s}
		a, err := ch.make()
		c.release(s, err)
		var said *apply.Error
		switch {
		case err == nil, errors.As(err, &said):
			a.Err = said
			return a, nil
		case ch.sent:
			return apply.Answer{}, fmt.Errorf("console %q: %s: %w", c.o.Label, s.Server(), quoting(c.words(ctx, s, err)))
		case !used || !lost(err):
			err = c.lookFailed(ctx, s, err)
			if errors.As(err, &said) {
				return apply.Answer{Err: said}, nil
			}
			return apply.Answer{}, err
		}
	}
}

// change is one under way. Its methods return what the server answers against it as an
// [apply.Error], and what it has not answered as go-ldap has it.
type change struct {
	*Console
	*apply.Step
	s    *servers.Session
	sent bool // what changes something
}

func (ch *change) make() (apply.Answer, error) {
	if ch.Creates() {
		return ch.create()
	}
	was, err := ch.find()
	if err != nil {
		return apply.Answer{}, err
	}
	return ch.makeOf(was)
}

// makeOf makes a change of an entry that was looked at.
func (ch *change) makeOf(was *entry) (apply.Answer, error) {
	if ch.Removes() {
		return apply.Answer{}, ch.send(was.dn, func(conn *goldap.Conn) error { return conn.Del(goldap.NewDelRequest(was.dn, ch.unchanged(was))) })
	}
	return ch.put(was)
}

// send makes a request that changes an entry.
func (ch *change) send(dn string, request func(*goldap.Conn) error) error {
	ch.sent = true
	err := ch.s.Do(request)
	if err != nil && servers.Answered(err) {
		return newRefusal(dn, err)
	}
	return err
}

// find looks at the entry of the step, which must be the account that the step saw.
func (ch *change) find() (*entry, error) {
	e, err := ch.byRef(ch.Live.Ref)
	if err != nil {
		return nil, err
	}
	now, is := identity.Live{}, false
	if e != nil {
		now, is = ch.tree.live(e)
	}
	switch {
	case !is:
		return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("there is no entry with %s %q", ch.tree.ref, ch.Live.Ref)}
	case !now.Mark.IsZero() && now.Mark.By != ch.o.Owner:
		return nil, &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("entry %q is marked as %s", e.dn, formatMark(now.Mark))}
	case now.Odd != "":
		return nil, &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("entry %q cannot be understood, and is left as it is: %s", e.dn, now.Odd)}
	}
	was := *ch.Live
	if rev, moved := ch.movedTo(); moved && rev == now.Rev {
		was.Rev = rev
	}
	if what := differs(&ch.facts, &was, &now); what != "" {
		return nil, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("entry %q is not what was seen: its %s is another", e.dn, what)}
	}
	return e, nil
}

// movedTo returns the rev that a move of an earlier attempt at this step has left.
func (ch *change) movedTo() (rev string, moved bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	rev, moved = ch.moved[ch.Key]
	return rev, moved
}

// differs returns in what that the tree stores an account is not what it was, or "".
func differs(f *plan.Facts, was, now *identity.Live) string {
	if was.Rev != "" && now.Rev != "" {
		if was.Rev != now.Rev {
			return entryCSN
		}
		return ""
	}
	switch {
	case was.Primary != now.Primary:
		return plan.FieldPrimary
	case !slices.Equal(was.Aliases, now.Aliases):
		return plan.FieldAliases
	case f.Keeps(plan.FieldType) && was.Type != now.Type:
		return plan.FieldType
	case was.Status != now.Status:
		return plan.FieldStatus
	case was.Mark != now.Mark:
		return plan.FieldOwner
	case was.Username != now.Username:
		return plan.FieldUsername
	}
	for _, name := range f.Stores {
		if identity.Lookup(was.Attributes, name) != identity.Lookup(now.Attributes, name) {
			return name
		}
	}
	return ""
}

// byRef returns the entry with a ref, or nil.
func (ch *change) byRef(ref string) (*entry, error) {
	found, err := ch.search(ch.s, ch.tree.base, ch.tree.filter([]string{ref}, nil, identity.Mark{}))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// unchanged asserts that the entry of this name is what was seen (RFC 4528); nothing
// where the server cannot. OpenLDAP asks the assertion of the base of its rule for
// unique values, too, so that it holds of entries of other names.
func (ch *change) unchanged(e *entry) []goldap.Control {
	rev := e.one(entryCSN)
	if !ch.asserts || rev == "" {
		return nil
	}
	filter, err := goldap.CompileFilter(fmt.Sprintf("(|(%s=%s)(!(entryDN=%s)))", entryCSN, goldap.EscapeFilter(rev), goldap.EscapeFilter(e.dn)))
	if err != nil {
		panic(err) // its values are escaped
	}
	return []goldap.Control{goldap.NewControlString(assertion, true, string(filter.Bytes()))}
}

// vacant makes sure that nobody else has addresses or a mark. The account that is to
// get them is known by its ref, if it is there.
func (ch *change) vacant(ref string, addresses []identity.Address, mark identity.Mark) error {
	for len(addresses) > 0 || !mark.IsZero() {
		some := addresses[:min(len(addresses), atOnce)]
		addresses = addresses[len(some):]
		if err := ch.vacantBelow(ch.tree.base, ref, some, mark); err != nil {
			return err
		}
		mark = identity.Mark{}
	}
	return nil
}

func (ch *change) vacantBelow(base, ref string, addresses []identity.Address, mark identity.Mark) error {
	found, err := ch.search(ch.s, base, ch.tree.filter(nil, addresses, mark))
	if err != nil {
		return err
	}
	for i := range found {
		l, is := ch.tree.live(&found[i])
		if !is || ref != "" && l.Ref == ref {
			continue
		}
		for _, a := range addresses {
			if l.Primary == a || slices.Contains(l.Aliases, a) {
				return &apply.Error{Code: apply.Taken, Message: fmt.Sprintf("entry %q has the address", found[i].dn), Address: a.String(), Holder: l.Ref}
			}
		}
		if !mark.IsZero() && slices.Contains(ch.tree.marks(&found[i]), mark) {
			return &apply.Error{Code: apply.Taken, Message: fmt.Sprintf("entry %q has the mark %s", found[i].dn, formatMark(mark)), Holder: l.Ref}
		}
	}
	return nil
}

// refusedAs finds out who has an address that the server refuses to give. Its rule for
// unique values may look beyond base_dn: who is nearest is meant.
func (ch *change) refusedAs(err error, ref string, addresses []identity.Address) error {
	if !answered(err, goldap.LDAPResultConstraintViolation) || len(addresses) == 0 {
		return err
	}
	context := ch.s.ContextOf(ch.tree.base)
	for base := ch.tree.base; base != ""; base = identity.ParentDN(base) {
		looked := ch.vacantBelow(base, ref, addresses[:min(len(addresses), atOnce)], identity.Mark{})
		if apply.CodeOf(looked) == apply.Taken {
			return looked
		}
		if looked != nil || identity.EqualDN(base, context) {
			break
		}
	}
	return err
}

// put changes the account of an entry.
func (ch *change) put(was *entry) (apply.Answer, error) {
	l, _ := ch.tree.live(was)
	want := ch.wanted(&l)
	edits, err := ch.tree.edits(was, &want, ch.writes)
	if err != nil {
		return apply.Answer{}, err
	}
	fresh := edits.added(ch.tree.primary, ch.tree.alias)
	mark := identity.Mark{}
	if want.Mark != l.Mark {
		mark = want.Mark
	}
	if err := ch.vacant(l.Ref, fresh, mark); err != nil {
		return apply.Answer{}, err
	}
	moved := false
	if ch.writes(plan.FieldStatus) && ch.tree.apart() && was.within(ch.tree.inactive) != (want.Status == identity.Inactive) {
		to, err := ch.move(was, ch.tree.place(want.Status))
		if err != nil {
			return apply.Answer{}, err
		}
		moved, was = to != was, to
	}
	if len(edits.all) > 0 {
		if err := ch.modify(was, edits); err != nil {
			var said *apply.Error
			if moved && errors.As(err, &said) {
				// What it leaves counts for nothing: the account is what it was.
				_, _ = ch.move(was, ch.tree.place(l.Status))
			}
			return apply.Answer{}, ch.refusedAs(err, l.Ref, fresh)
		}
	}
	a := apply.Answer{Ref: l.Ref}
	now, err := ch.byRef(l.Ref)
	if err != nil || now == nil {
		return a, nil // it was made; whoever needs more looks again
	}
	found, _ := ch.tree.live(now)
	return apply.Answer{Ref: l.Ref, Rev: found.Rev, Found: &found}, nil
}

// wanted is the account after the step.
func (ch *change) wanted(now *identity.Live) identity.Live {
	step := *ch.Step
	step.Live = now
	return *step.Outcome()
}

// writes reports whether the step writes one of the fields.
func (ch *change) writes(fields ...string) bool {
	return ch.Creates() || slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(ch.Fields, f) })
}

// apart reports whether inactive accounts have a place of their own.
func (t *tree) apart() bool { return !identity.EqualDN(t.inactive, t.base) }

// place is where accounts of a status are.
func (t *tree) place(s identity.Status) string {
	if s == identity.Inactive {
		return t.inactive
	}
	return t.base
}

// move brings an entry to a place, and returns it as it is there. Where its name is
// another's, it gets the next, if it is one that [change.create] gives.
func (ch *change) move(was *entry, to string) (*entry, error) {
	parent := identity.ParentDN(was.dn)
	if identity.EqualDN(parent, to) {
		return was, nil
	}
	rdn := strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(was.dn, parent), " "), ",")
	names := append([]string{rdn}, ch.tree.otherNames(rdn)...)
	var err error
	for _, name := range names {
		request := goldap.NewModifyDNWithControlsRequest(was.dn, name, name != rdn, to, ch.unchanged(was))
		err = ch.inPlace(to, func() error {
			return ch.send(was.dn, func(conn *goldap.Conn) error { return conn.ModifyDN(request) })
		})
		if !answered(err, goldap.LDAPResultEntryAlreadyExists) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	ref := was.one(ch.tree.ref)
	now, err := ch.byRef(ref)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return nil, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("entry %q was moved to %q, and is not there", was.dn, to)}
	}
	before, _ := ch.tree.live(was)
	after, _ := ch.tree.live(now)
	before.Rev, before.Status = "", after.Status
	if what := differs(&ch.facts, &before, &after); what != "" {
		return nil, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("entry %q was changed while it was moved: its %s is another", now.dn, what)}
	}
	ch.mu.Lock()
	ch.moved[ch.Key] = after.Rev
	ch.mu.Unlock()
	return now, nil
}

// inPlace makes a request for which a place has to be there. That of inactive accounts
// is made where it is missing.
func (ch *change) inPlace(place string, request func() error) error {
	err := request()
	if !answered(err, goldap.LDAPResultNoSuchObject) {
		return err
	}
	there, lookErr := object(ch.s, place, "objectClass")
	switch {
	case lookErr != nil:
		return lookErr
	case there != nil:
		return err
	case place != ch.tree.inactive || !ch.tree.apart():
		return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("there is no entry %q; make it, or correct base_dn in the console block", place)}
	}
	dn, parseErr := goldap.ParseDN(place)
	if parseErr != nil || len(dn.RDNs[0].Attributes) != 1 || !strings.EqualFold(dn.RDNs[0].Attributes[0].Type, "ou") {
		return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("there is no entry %q for inactive accounts; make it, or correct inactive_dn in the console block", place)}
	}
	unit := goldap.NewAddRequest(place, nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	unit.Attribute("ou", []string{dn.RDNs[0].Attributes[0].Value})
	if err := ch.send(place, func(conn *goldap.Conn) error { return conn.Add(unit) }); err != nil && !answered(err, goldap.LDAPResultEntryAlreadyExists) {
		return err
	}
	return request()
}

// modify makes edits of an entry.
func (ch *change) modify(was *entry, edits *edits) error {
	controls := ch.unchanged(was)
	request := goldap.NewModifyRequest(was.dn, controls)
	for _, e := range edits.all {
		if len(e.gone) > 0 {
			request.Delete(e.attribute, e.gone)
		}
		if len(e.fresh) > 0 {
			request.Add(e.attribute, e.fresh)
		}
	}
	if controls == nil && !edits.touches(ch.tree.owner) {
		// Without an assertion, the server refuses this where the mark is another.
		if mark := was.get(ch.tree.owner); len(mark) > 0 {
			request.Delete(ch.tree.owner, mark)
			request.Add(ch.tree.owner, mark)
		}
	}
	return ch.send(was.dn, func(conn *goldap.Conn) error { return conn.Modify(request) })
}

// mostNames is how many names are tried for an entry.
const mostNames = 10

// numbered returns the nth name of an entry that is made for a GUID, of letters that
// need no escape.
func (t *tree) numbered(guid identity.GUID, n int) string {
	if n == 1 {
		return guid.String()
	}
	return fmt.Sprintf("%s-%d", guid, n)
}

// numberedOf returns the GUID of a name that [tree.numbered] makes.
func numberedOf(name string) (guid identity.GUID, ok bool) {
	const length = 36 // of a GUID
	guid, err := identity.ParseGUID(name[:min(len(name), length)])
	return guid, err == nil && strings.HasPrefix(strings.ToLower(name), guid.String())
}

// otherNames returns the relative names that an entry could have as well, if its own is
// one that it was made with.
func (t *tree) otherNames(rdn string) (names []string) {
	kind, name, _ := strings.Cut(rdn, "=")
	guid, ok := numberedOf(name)
	if !ok || identity.AttributeName(kind) != identity.AttributeName(t.name) {
		return nil
	}
	for n := 1; n <= mostNames; n++ {
		if other := t.name + "=" + t.numbered(guid, n); !strings.EqualFold(other, rdn) {
			names = append(names, other)
		}
	}
	return names
}

// create makes an entry. Its name is the GUID of its first owner, by which the server
// does not make a second one; an entry that has become another's keeps it, and then a
// number is added.
func (ch *change) create() (apply.Answer, error) {
	for _, x := range ch.Initial {
		if !slices.ContainsFunc(ch.tree.attributes, func(m mapped) bool { return m.name == x.Name }) {
			return apply.Answer{}, &apply.Error{Code: apply.Unsupported, Message: fmt.Sprintf("the attribute %q has no place in entries; name one in attributes of the console block", x.Name)}
		}
	}
	want := *ch.Outcome()
	addresses := append([]identity.Address{want.Primary}, want.Aliases...)
	if err := ch.vacant("", addresses, want.Mark); err != nil {
		return apply.Answer{}, err
	}
	place := ch.tree.place(want.Status)
	for n := 1; ; n++ {
		name := ch.tree.numbered(ch.After.GUID, n)
		dn := ch.tree.name + "=" + name + "," + place
		request := goldap.NewAddRequest(dn, nil)
		blank := &entry{dn, map[string][]string{identity.AttributeName(ch.tree.name): {name}}}
		request.Attribute(ch.tree.name, []string{name})
		edits, err := ch.tree.edits(blank, &want, ch.writes)
		if err != nil {
			return apply.Answer{}, err
		}
		ch.tree.fill(edits, blank, want.Type)
		for _, e := range edits.all {
			request.Attribute(e.attribute, e.fresh)
		}
		err = ch.inPlace(place, func() error { return ch.send(dn, func(conn *goldap.Conn) error { return conn.Add(request) }) })
		if answered(err, goldap.LDAPResultEntryAlreadyExists) && n < mostNames {
			if err := ch.vacant("", addresses, want.Mark); err != nil { // made meanwhile
				return apply.Answer{}, err
			}
			continue
		}
		if err != nil {
			return apply.Answer{}, ch.refusedAs(err, "", addresses)
		}
		made, err := object(ch.s, dn, ch.tree.asked()...)
		if err != nil {
			return apply.Answer{}, err
		}
		if made == nil || made.one(ch.tree.ref) == "" {
			return apply.Answer{}, ch.unnamed(ch.s.Server(), dn)
		}
		found, _ := ch.tree.live(made)
		return apply.Answer{Ref: found.Ref, Rev: found.Rev, Found: &found}, nil
	}
}

package sql

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Apply makes changes, those of each group in one transaction.
func (c *Console) Apply(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changing = true
	c.profile.forget()
	defer c.profile.forget()
	return groups(steps, answer, func(group []apply.Step) ([]apply.Answer, error) { return c.group(ctx, group) })
}

// groups calls make with each group.
func groups(steps []apply.Step, answer func(i int, a apply.Answer), make func([]apply.Step) ([]apply.Answer, error)) error {
	for first := 0; first < len(steps); {
		last := first + 1
		for last < len(steps) && steps[last].Group == steps[first].Group {
			last++
		}
		answers, err := make(steps[first:last])
		if err != nil {
			return err
		}
		for i, a := range answers {
			answer(first+i, a)
		}
		first = last
	}
	return nil
}

// Try makes changes in a transaction that is then taken back.
func (c *Console) Try(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.profile.forget()
	defer c.profile.forget()
	conn, err := c.connect(ctx)
	if err != nil {
		return c.unread(err)
	}
	defer discard(conn) // which takes all of it back
	a := c.ask(conn)
	if err := a.begin(ctx, a.d.beginWrite); err != nil {
		return c.unread(err)
	}
	return groups(steps, answer, func(group []apply.Step) ([]apply.Answer, error) {
		if _, err := a.run(ctx, "SAVEPOINT tried"); err != nil {
			return nil, c.unread(err)
		}
		answers, at, err := c.transact(ctx, a, group)
		if err == nil {
			return answers, nil
		}
		c.profile.forget()
		if _, err := a.run(ctx, "ROLLBACK TO SAVEPOINT tried"); err != nil {
			return nil, c.unread(err)
		}
		return all(len(group), max(at, 0), c.failed(err)), nil
	})
}

// all answers every step alike, but for one that says why.
func all(n, because int, err *apply.Error) []apply.Answer {
	answers := make([]apply.Answer, n)
	for i := range answers {
		answers[i].Err = &apply.Error{Code: apply.Cancelled, Message: "it belongs together with a change that was not made"}
		if i == because {
			answers[i].Err = err
		}
	}
	return answers
}

// group makes the changes of one group, or none. An error says that the outcome is
// not known, or that the database is not to be reached.
func (c *Console) group(ctx context.Context, steps []apply.Step) ([]apply.Answer, error) {
	if answers, done := c.repeated(steps); done {
		return answers, nil
	}
	var a asker
	err := ctx.Err()
	if err == nil {
		a, err = c.hold(ctx)
	}
	switch {
	case ctx.Err() != nil:
		answers := all(len(steps), -1, nil)
		for i := range answers {
			answers[i].Err.Message = "not started"
		}
		return answers, nil
	case errors.Is(err, errLocked):
		return all(len(steps), 0, &apply.Error{Code: apply.Temporary, Message: err.Error()}), nil
	case err != nil:
		return nil, c.unread(err)
	}
	ctx = context.WithoutCancel(ctx)
	if err = a.begin(ctx, a.d.beginWrite); err != nil {
		c.drop()
		return all(len(steps), 0, c.failed(err)), nil
	}
	answers, at, err := c.transact(ctx, a, steps)
	if err != nil {
		c.profile.forget()
		if _, ending := a.run(ctx, "ROLLBACK"); ending != nil {
			c.drop() // which takes it back as well
		}
		return all(len(steps), max(at, 0), c.failed(err)), nil
	}
	if _, err := a.run(ctx, "COMMIT"); err != nil {
		kind, said := classify(err)
		c.drop()
		if said == "" || kind == interrupted || kind == lost {
			return nil, fmt.Errorf("the connection was lost at a commit: %w", explained(err))
		}
		return all(len(steps), 0, c.failed(err)), nil
	}
	for i := range steps {
		c.made[steps[i].Key] = answers[i]
	}
	return answers, nil
}

// repeated answers steps that were made as they were answered.
func (c *Console) repeated(steps []apply.Step) (answers []apply.Answer, done bool) {
	for i := range steps {
		a, made := c.made[steps[i].Key]
		if !made {
			return nil, false
		}
		answers = append(answers, a)
	}
	return answers, true
}

// transact makes the changes of a group within a transaction. An error is of the step at
// an index; -1 where it is of none alone.
func (c *Console) transact(ctx context.Context, a asker, steps []apply.Step) (answers []apply.Answer, at int, err error) {
	g := &group{c: c, a: a, steps: steps, changes: make([]*change, len(steps))}
	if err := g.look(ctx); err != nil {
		return nil, -1, err
	}
	for i := range steps {
		if err := g.prepare(i); err != nil {
			return nil, i, err
		}
	}
	for i := range steps {
		if err := g.claim(ctx, i); err != nil {
			return nil, i, err
		}
	}
	// What an account loses another may get, and a mark as well.
	for i, ch := range g.changes {
		err := c.profile.release(ctx, a, ch)
		if err == nil {
			err = g.disown(ctx, ch)
		}
		if err != nil {
			return nil, i, err
		}
	}
	for i, ch := range g.changes {
		if err := c.profile.put(ctx, a, ch); err != nil {
			return nil, i, err
		}
		answer, err := g.own(ctx, ch)
		if err != nil {
			return nil, i, err
		}
		answers = append(answers, answer)
	}
	return answers, -1, nil
}

// group is one group on its way.
type group struct {
	c       *Console
	a       asker
	steps   []apply.Step
	changes []*change
	seen    []*found
}

// look reads the accounts of the group, and those that have what it wants.
func (g *group) look(ctx context.Context) (err error) {
	var refs []string
	var wanted []identity.Address
	for i := range g.steps {
		s := &g.steps[i]
		if s.Live != nil {
			refs = append(refs, s.Live.Ref)
		}
		s.After.EachAddress(func(x identity.Address) {
			if s.Live == nil || !s.Live.Holds(x) {
				wanted = append(wanted, x)
			}
		})
	}
	g.seen, err = g.c.look(ctx, g.a, refs, wanted, true)
	return err
}

// prepare compares the account of a step with what the plan saw.
func (g *group) prepare(i int) error {
	s := &g.steps[i]
	ch := &change{step: s, is: s.Outcome(), initial: s.Initial}
	g.changes[i] = ch
	if ch.is != nil {
		ch.is.Attributes = slices.DeleteFunc(slices.Clone(ch.is.Attributes), func(x identity.Attribute) bool { return x.Value == "" })
	}
	if s.Creates() {
		ch.key = ch.is.Primary.String()
		if g.c.postfix() {
			for _, x := range s.Initial {
				if p := checkInitial(x.Name, x.Value); p.Summary != "" {
					return &apply.Error{Code: apply.Misused, Message: p.Summary + ": " + p.Hint}
				}
			}
			ch.is.Attributes = slices.DeleteFunc(ch.is.Attributes, func(x identity.Attribute) bool {
				return identity.Lookup(s.After.Attributes, x.Name) == "" && slices.Contains([]string{initialQuota, initialMaildir, initialGoto}, x.Name)
			})
		}
		return nil
	}
	n := slices.IndexFunc(g.seen, func(f *found) bool { return f.live.Ref == s.Live.Ref })
	if n < 0 {
		return &apply.Error{Code: apply.Gone, Message: "the account is no longer there"}
	}
	ch.was = g.seen[n]
	ch.key = ch.was.key
	live := &ch.was.live
	switch {
	case !live.Mark.IsZero() && live.Mark.By != g.c.owner:
		return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("the account belongs to %q", live.Mark.By)}
	case live.Mark != s.Live.Mark, live.Odd != s.Live.Odd, string(live.Account.AppendJSON(nil)) != string(s.Live.Account.AppendJSON(nil)):
		return errMoved
	}
	if len(g.steps) > 1 && ch.is != nil {
		ch.temporary = identity.Temporary(rand.Text(), ch.is.Primary.Domain())
	}
	return nil
}

// claim makes sure that nobody has what a step wants: addresses and a mark.
func (g *group) claim(ctx context.Context, i int) error {
	s, ch := &g.steps[i], g.changes[i]
	if ch.is == nil {
		return nil
	}
	var taken *apply.Error
	ch.is.EachAddress(func(x identity.Address) {
		for _, f := range g.seen {
			holds, parked := f.live.Holds(x), slices.Contains(f.parked, x)
			switch {
			case taken != nil, !holds && !parked, f == ch.was && (holds || x != ch.is.Primary):
			case holds && !g.gives(f, x), parked && f.live.Mark.By != g.c.owner:
				taken = &apply.Error{Code: apply.Taken, Message: "another account has the address", Address: x.String(), Holder: f.live.Ref}
			default:
				g.c.profile.take(ch, f, x)
			}
		}
		for n, other := range g.changes {
			if taken == nil && n != i && other.is != nil && other.is.Holds(x) {
				taken = &apply.Error{Code: apply.Taken, Message: "two changes want the address", Address: x.String()}
			}
		}
	})
	if taken != nil {
		return taken
	}
	if s.Live == nil || ch.is.Mark != s.Live.Mark {
		return g.claimMark(ctx, ch)
	}
	return nil
}

// gives reports whether an account of the group has an address no more after it.
func (g *group) gives(f *found, x identity.Address) bool {
	for _, ch := range g.changes {
		if ch.was == f {
			return ch.is == nil || !ch.is.Holds(x)
		}
	}
	return false
}

// claimMark makes sure that no account outside the group has a mark. The row of an
// account that somebody removed by hand goes.
func (g *group) claimMark(ctx context.Context, ch *change) error {
	m := ch.is.Mark
	if m.IsZero() {
		return nil
	}
	has := newOwners()
	err := g.a.each(ctx, "SELECT "+ownerColumns+" FROM "+ownerTable+" WHERE owner = ? AND directory = ? AND guid = ?"+g.a.locking(true), []any{m.By, m.Directory, m.GUID.String()}, has.scan)
	if err != nil {
		return err
	}
	for _, o := range has.byRef {
		if g.inGroup(o.ref) {
			continue
		}
		s, err := g.c.profile.some(ctx, g.a, []string{o.key}, nil, false)
		if err != nil {
			return err
		}
		if slices.Contains(s.keys(), o.key) {
			return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("account %q has the mark of the entry already", o.ref)}
		}
		if err := g.a.dropOwner(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) inGroup(ref string) bool {
	return slices.ContainsFunc(g.changes, func(ch *change) bool { return ch.was != nil && ch.was.live.Ref == ref })
}

// disown takes the row of an account that goes, and the mark of one that gets another.
func (g *group) disown(ctx context.Context, ch *change) error {
	switch {
	case ch.was == nil || ch.was.owner == nil:
		return nil
	case ch.is == nil:
		return g.a.dropOwner(ctx, ch.was.owner, ch.left...)
	case len(g.steps) > 1 && ch.is.Mark != ch.was.live.Mark && !ch.was.live.Mark.IsZero():
		without := *ch.was.owner
		without.mark = identity.Mark{}
		if err := g.a.putOwner(ctx, ch.was.owner, &without); err != nil {
			return err
		}
		ch.was.owner = &without
	}
	return nil
}

// own writes whose an account is, and answers the change.
func (g *group) own(ctx context.Context, ch *change) (apply.Answer, error) {
	if ch.is == nil {
		return apply.Answer{}, nil
	}
	o := &owner{key: ch.key, mark: ch.is.Mark, typ: ch.is.Type, active: ch.is.Active(), username: ch.is.Username, dn: ch.is.DN}
	var was *owner
	if ch.was == nil {
		o.ref = newRef()
	} else {
		o.ref, was = ch.was.live.Ref, ch.was.owner
	}
	for _, x := range ch.is.Aliases {
		o.aliases = append(o.aliases, x.String())
	}
	for _, x := range ch.is.Attributes {
		if !g.c.profile.keeps(ch, x.Name) {
			o.attributes = append(o.attributes, x)
		}
	}
	if was == nil || was.key != o.key {
		// Rows of accounts that somebody removed by hand.
		left := newOwners()
		if err := g.a.ownersOf(ctx, nil, []string{o.key}, true, left); err != nil {
			return apply.Answer{}, err
		}
		for _, x := range left.byRef {
			if x.ref == o.ref || g.inGroup(x.ref) {
				continue
			}
			if err := g.a.dropOwner(ctx, x); err != nil {
				return apply.Answer{}, err
			}
		}
	}
	return apply.Answer{Ref: o.ref}, g.a.putOwner(ctx, was, o)
}

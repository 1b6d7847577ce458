package postfix

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// stage is where changes are made until they are published.
type stage struct {
	base    *snapshot
	next    *contents
	holders map[identity.Address]string // the ref of who has an address
	keys    []string                    // of the steps that were made
}

func newStage(base *snapshot) *stage {
	s := &stage{base: base, next: base.contents.clone(), holders: make(map[identity.Address]string, 3*len(base.contents.accounts))}
	for _, table := range s.next.odd {
		for _, o := range table {
			s.holders[o.address] = o.ref
		}
	}
	delete(s.holders, identity.Address{})
	for x, held := range s.next.accounts {
		s.hold(x, held)
	}
	return s
}

func (s *stage) hold(x identity.Address, held []identity.Address) {
	s.holders[x] = x.String()
	for _, a := range held {
		s.holders[a] = x.String()
	}
}

func (s *stage) release(x identity.Address, held []identity.Address) {
	for _, a := range append([]identity.Address{x}, held...) {
		if s.holders[a] == x.String() {
			delete(s.holders, a)
		}
	}
}

// Apply makes changes, those of a group all or none. They take effect when they are
// published.
func (c *Console) Apply(ctx context.Context, steps []apply.Step, answer func(int, apply.Answer)) error {
	if c.stage == nil {
		base := c.base
		if base == nil {
			var err error
			if base, err = c.read(ctx); err != nil {
				return err
			}
		}
		c.stage = newStage(base)
	}
	for begin := 0; begin < len(steps); {
		end := begin + 1
		for end < len(steps) && steps[end].Group == steps[begin].Group {
			end++
		}
		group := steps[begin:end]
		bad, failed := -1, (*apply.Error)(nil)
		if ctx.Err() == nil {
			bad, failed = c.group(group)
		} else {
			failed = &apply.Error{Code: apply.Cancelled, Message: "not started"}
		}
		for i := range group {
			switch {
			case failed == nil:
				answer(begin+i, c.made[group[i].Key])
			case i == bad, bad < 0:
				answer(begin+i, apply.Answer{Err: failed})
			default:
				answer(begin+i, apply.Answer{Err: &apply.Error{Code: apply.Cancelled, Message: "another change of its group failed"}})
			}
		}
		begin = end
	}
	return nil
}

// member is the account of a step, which has the primary was and its aliases before,
// or is to be created.
type member struct {
	step   *apply.Step
	was    identity.Address
	before []identity.Address
	after  *identity.Live // nil for one that goes
}

// group makes the changes of a group, or says which of them cannot be made and makes
// none.
func (c *Console) group(steps []apply.Step) (bad int, failed *apply.Error) {
	s := c.stage
	var members []member
	for i := range steps {
		if _, again := c.made[steps[i].Key]; again {
			continue
		}
		m, err := s.member(&steps[i])
		if err != nil {
			return i, err
		}
		members = append(members, m)
	}
	// All let go of everything before anybody takes.
	for _, m := range members {
		if !m.was.IsZero() {
			s.release(m.was, m.before)
			delete(s.next.accounts, m.was)
		}
	}
	taken := 0
	for ; taken < len(members); taken++ {
		if failed = s.take(&members[taken]); failed != nil {
			break
		}
	}
	if failed != nil {
		for _, m := range members[:taken] {
			if m.after != nil {
				s.release(m.after.Primary, m.after.Aliases)
				delete(s.next.accounts, m.after.Primary)
			}
		}
		for _, m := range members {
			if !m.was.IsZero() {
				s.next.accounts[m.was] = m.before
				s.hold(m.was, m.before)
			}
		}
		return slices.IndexFunc(steps, func(x apply.Step) bool { return x.Key == members[taken].step.Key }), failed
	}
	for _, m := range members {
		var a apply.Answer
		if m.after != nil {
			a.Ref = m.after.Primary.String()
		}
		c.made[m.step.Key] = a
		s.keys = append(s.keys, m.step.Key)
	}
	return 0, nil
}

// member finds the account of a step, which must be what the step says.
func (s *stage) member(step *apply.Step) (m member, err *apply.Error) {
	m = member{step: step, after: step.Outcome()}
	if m.after != nil {
		var why string
		m.after.EachAddress(func(x identity.Address) {
			if why == "" {
				why = unwritable(x)
			}
		})
		if why != "" {
			return m, &apply.Error{Code: apply.Unsupported, Message: why}
		}
	}
	if step.Creates() {
		return m, nil
	}
	live := step.Live
	if live.Odd != "" {
		return m, &apply.Error{Code: apply.Refused, Message: live.Odd}
	}
	ref := live.Ref
	if ref == "" {
		ref = live.Primary.String()
	}
	x, parseErr := identity.ParseAddress(ref)
	held, there := s.next.accounts[x]
	switch {
	case parseErr != nil || !there:
		return m, &apply.Error{Code: apply.Gone, Message: fmt.Sprintf("account %s is no longer there", ref)}
	case live.Primary != x || !slices.Equal(live.Aliases, held):
		return m, &apply.Error{Code: apply.Changed, Message: fmt.Sprintf("account %s was changed since it was read", ref)}
	}
	m.was, m.before = x, held
	return m, nil
}

// take gives an account the addresses that it is to have, or none.
func (s *stage) take(m *member) (taken *apply.Error) {
	if m.after == nil {
		return nil
	}
	m.after.EachAddress(func(x identity.Address) {
		if holder, held := s.holders[x]; held && taken == nil {
			taken = &apply.Error{Code: apply.Taken, Message: "the address is taken", Address: x.String(), Holder: holder}
		}
	})
	if taken == nil {
		s.next.accounts[m.after.Primary] = m.after.Aliases
		s.hold(m.after.Primary, m.after.Aliases)
	}
	return taken
}

// forget drops what was staged and not published: its keys were never made.
func (c *Console) forget(s *stage) {
	for _, key := range s.keys {
		delete(c.made, key)
	}
}

// Facts are those of every console of the kind.
var facts = plan.Facts{
	Removes: true, Unstable: true, Stores: []string{plan.FieldAliases}, Groups: true, Batch: 10_000, Publishes: true, Exclusive: true, Ledger: true,
}

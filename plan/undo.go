package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Kept is an account that an undo leaves as it is.
type Kept struct {
	Account identity.Address
	Why     string
}

// Undo plans to take back the account changes that a run has made, as far as
// nobody has changed the accounts since:
//
//	the run        the account now    becomes
//	changed it     as the run left it what it was before
//	created it     as the run left it inactive; or it is dropped, where it is
//	                                  local or inactive, as of an import, or its
//	                                  primary goes back to another account
//	dropped it     not there          what it was before
//	any            otherwise          stays as it is, and the second result
//	                                  says why
//
// An account also stays that is on legal hold, that would get an address or a
// GUID which somebody has now who does not give it back, that would lose a
// protected address or keep a protected primary as an alias, or that the console
// cannot have so. A record that went because the console had the account no more
// does not come back. Limits withhold
// deactivations as in any plan, and so stop who wants what then stays. Of in,
// the accounts, the rules and the time count.
func Undo(done []AccountChange, in Input) (*Plan, []Kept) {
	u := &undo{e: &engine{in: in}, now: make(map[identity.Address]*identity.Account, len(in.Accounts)), holders: map[identity.Address]*identity.Account{},
		owners: map[owner]*identity.Account{}, guards: map[identity.Address]guardian{},
		wants: map[*identity.Account][]*reversal{}, by: map[*identity.Account]*reversal{}, taken: map[identity.Address]*reversal{}}
	if in.Merged != nil {
		u.index = make(map[*identity.Account]int32, len(in.Accounts))
		for i := range in.Accounts {
			u.index[&in.Accounts[i]] = int32(i)
		}
	}
	u.guard(in.Rules.Holds, true, in.Now)
	u.guard(in.Rules.Protected, false, in.Now)
	for i := range in.Accounts {
		u.now[in.Accounts[i].Primary] = &in.Accounts[i]
	}
	for i := range done {
		u.add(&done[i])
	}
	u.find()
	p := &Plan{}
	for again := true; again; again = u.keep(p.Accounts) {
		u.settle()
		p.Accounts = nil
		for _, r := range u.list {
			if r.why == "" && (r.before != nil || r.after != nil) {
				p.Accounts = append(p.Accounts, AccountChange{Before: r.before, After: r.after})
			}
		}
		p.Allowances = u.e.withhold(p.Accounts, func(i int) string { return in.Accounts[i].Directory })
	}
	sortFunc(p.Accounts, func(x, y AccountChange) int {
		return cmp.Or(subject(&x).Primary.Compare(subject(&y).Primary), compareBefore(&x, &y))
	})
	p.Changes = Rows(p.Accounts)
	p.Unchanged = len(in.Accounts)
	for i := range p.Accounts {
		if p.Accounts[i].Before != nil {
			p.Unchanged--
		}
	}
	p.Active = activeBy(in.Accounts, func(i int) string { return in.Accounts[i].Directory })
	p.Assess(in.Rules.Risk)
	var kept []Kept
	for _, r := range u.list {
		if r.why != "" {
			kept = append(kept, Kept{r.name(), r.why})
		}
	}
	slices.SortFunc(kept, func(x, y Kept) int { return x.Account.Compare(y.Account) })
	return p, kept
}

// reversal is an account change that is to be taken back.
type reversal struct {
	before, after *identity.Account // now, and then
	created       bool              // by the run
	why           string            // it stays, if set
}

func (r *reversal) name() identity.Address {
	if r.before != nil {
		return r.before.Primary
	}
	return r.after.Primary
}

// guardian is a block that keeps an address where it is, or, as a legal hold,
// its account as it is.
type guardian struct {
	hold  bool
	words string
}

// guard takes note of blocks, of which the first that lists an address counts.
func (u *undo) guard(blocks []Guard, hold bool, now time.Time) {
	words := "protected by"
	if hold {
		words = "on legal hold by"
	}
	for i := range blocks {
		if blocks[i].Over(now) {
			continue
		}
		for _, x := range blocks[i].Addresses {
			if _, guarded := u.guards[x]; !guarded {
				u.guards[x] = guardian{hold, fmt.Sprintf("%s %q", words, blocks[i].Label)}
			}
		}
	}
}

type owner struct {
	directory string
	guid      identity.GUID
}

type undo struct {
	e    *engine
	list []*reversal
	now  map[identity.Address]*identity.Account // by primary
	// holders and owners are the accounts that now have what a reversal wants.
	holders map[identity.Address]*identity.Account
	owners  map[owner]*identity.Account
	guards  map[identity.Address]guardian
	// index are the numbers of the accounts of a console.
	index map[*identity.Account]int32
	// wants are the reversals that want what an account has.
	wants map[*identity.Account][]*reversal
	// by are the reversals that are made, by the account now, and taken those
	// that get an address.
	by    map[*identity.Account]*reversal
	taken map[identity.Address]*reversal
}

// add reverses a change, if the account is as that has left it.
func (u *undo) add(c *AccountChange) {
	left := c.Result()
	r := &reversal{after: c.Before, created: c.Before == nil}
	switch {
	case left == nil && c.Before == nil, c.Gone:
		return
	case left != nil:
		r.before = u.now[left.Primary]
		switch {
		case r.before == nil:
			r.before, r.why = left, "it is no longer there"
		case string(r.before.AppendJSON(nil)) != string(left.AppendJSON(nil)):
			r.why = "it was changed since"
		case c.Before != nil && string(c.Before.AppendJSON(nil)) == string(left.AppendJSON(nil)):
			return // a limit withheld all of it
		}
	}
	if r.why == "" {
		r.why = u.guarded(r)
	}
	if r.why == "" {
		r.why = u.unsupported(r)
	}
	u.list = append(u.list, r)
}

// unsupported says what of the console keeps an account from being as it was, or "".
func (u *undo) unsupported(r *reversal) string {
	m, in := u.e.in.Merged, &u.e.in
	before := r.before
	var o obstacle
	if i, found := u.index[before]; found {
		o.cause, o.detail = m.Bars[i].Cause, m.Bars[i].Detail
		if m.Origins[i].Live == none {
			before = nil
		}
	}
	if o.cause == "" && !r.created && r.after.Active() {
		if o = in.Facts.cannot(before, r.after); o.cause == "" {
			r.after.EachAddress(func(x identity.Address) {
				if until, lately := in.Blocked[x]; lately && in.Now.Before(until) && o.cause == "" && (before == nil || !before.Holds(x)) {
					o = obstacle{cause: FactDeletedBlocks, detail: x.String()}
				}
			})
		}
	}
	if o.cause == "" {
		return ""
	}
	row := Rejection{Cause: o.cause, Detail: o.detail, Limit: o.limit, Length: o.length}
	if r.after != nil {
		row.Type = r.after.Type
	}
	return row.causeMessage(Names{})
}

// guarded says which guard keeps an address with the account, or "".
func (u *undo) guarded(r *reversal) (why string) {
	if r.before == nil || len(u.guards) == 0 {
		return ""
	}
	if i, found := u.index[r.before]; found {
		for _, x := range u.e.in.Merged.Remembered[i] {
			if g := u.guards[x]; g.hold {
				return fmt.Sprintf("%s is %s", x, g.words)
			}
		}
	}
	r.before.EachAddress(func(x identity.Address) {
		g, guarded := u.guards[x]
		lost := r.after == nil || !r.after.Holds(x) || r.before.Active() && (!r.after.Active() || x == r.before.Primary && x != r.after.Primary)
		if guarded && why == "" && (g.hold || lost) {
			why = fmt.Sprintf("%s is %s", x, g.words)
		}
	})
	return why
}

// keep stops the reversals that want what an account keeps from which a brake
// withholds a loss. It reports whether it stopped any.
func (u *undo) keep(changes []AccountChange) bool {
	held, owned := map[identity.Address]*identity.Account{}, map[owner]*identity.Account{}
	for i := range changes {
		if c := &changes[i]; c.Withheld {
			c.Kept.EachAddress(func(x identity.Address) { held[x] = c.Before })
			owned[owner{c.Kept.Directory, c.Kept.GUID}] = c.Before
		}
	}
	stopped := false
	for _, r := range u.list {
		if r.why != "" || r.after == nil {
			continue
		}
		stop := func(h *identity.Account, what string) {
			if h != nil && h != r.before && r.why == "" {
				r.why, stopped = fmt.Sprintf("a limit keeps %s active, with %s", h.Primary, what), true
			}
		}
		r.after.EachAddress(func(x identity.Address) { stop(held[x], x.String()) })
		if !r.after.Local() {
			stop(owned[owner{r.after.Directory, r.after.GUID}], "its GUID")
		}
	}
	return stopped
}

// find looks up who has what the reversals want.
func (u *undo) find() {
	for _, r := range u.list {
		if r.after == nil {
			continue
		}
		r.after.EachAddress(func(x identity.Address) { u.holders[x] = nil })
		u.owners[owner{r.after.Directory, r.after.GUID}] = nil
	}
	for i := range u.e.in.Accounts {
		a := &u.e.in.Accounts[i]
		a.EachAddress(func(x identity.Address) {
			if _, wanted := u.holders[x]; wanted {
				u.holders[x] = a
			}
		})
		if o := (owner{a.Directory, a.GUID}); !a.Local() {
			if _, wanted := u.owners[o]; wanted {
				u.owners[o] = a
			}
		}
	}
	if m := u.e.in.Merged; m != nil {
		for i, reserved := range m.Reserved {
			for _, x := range reserved {
				if h, wanted := u.holders[x]; wanted && h == nil {
					u.holders[x] = &u.e.in.Accounts[i]
				}
			}
		}
	}
	for _, r := range u.list {
		if r.after == nil {
			continue
		}
		want := func(h *identity.Account) {
			if h != nil && h != r.before {
				u.wants[h] = append(u.wants[h], r)
			}
		}
		r.after.EachAddress(func(x identity.Address) { want(u.holders[x]) })
		want(u.owners[owner{r.after.Directory, r.after.GUID}])
	}
}

// settle decides what becomes of created accounts, and stops the reversals that
// want what is not given back, and those that want what these would have given.
func (u *undo) settle() {
	clear(u.by)
	clear(u.taken)
	for _, r := range u.list {
		if r.why != "" {
			continue
		}
		if r.before != nil {
			u.by[r.before] = r
		}
		if !r.created {
			r.after.EachAddress(func(x identity.Address) { u.taken[x] = r })
		}
	}
	for _, r := range u.list {
		if r.created && r.why == "" {
			u.decide(r)
		}
	}
	open := slices.Clone(u.list)
	for len(open) > 0 {
		r := open[len(open)-1]
		open = open[:len(open)-1]
		if r.why == "" && !r.created {
			if r.why = u.lacks(r); r.why != "" {
				open = append(open, u.stopped(r)...)
			}
		}
	}
}

// decide takes a created account out of service, or drops it, where that would
// leave a record behind that nobody owns, or its primary goes back to another
// account.
func (u *undo) decide(r *reversal) {
	r.after = nil
	if u.taken[r.before.Primary] == nil && !r.before.Local() && r.before.Active() {
		gone := *r.before
		gone.Aliases, gone.Status = nil, identity.Inactive
		r.after = &gone
	}
	r.why = u.guarded(r)
}

// stopped returns the reversals that may stop because r has.
func (u *undo) stopped(r *reversal) []*reversal {
	open := u.wants[r.before]
	r.after.EachAddress(func(x identity.Address) {
		if u.taken[x] != r {
			return
		}
		delete(u.taken, x)
		if c := u.by[u.holders[x]]; c != nil && c.created && c.why == "" {
			if u.decide(c); c.why != "" {
				open = slices.Concat(open, u.wants[c.before])
			}
		}
	})
	return open
}

// gives reports whether an account is rid of something once the reversals are
// made.
func (u *undo) gives(a *identity.Account, rid func(after *identity.Account) bool) bool {
	r := u.by[a]
	return r != nil && r.why == "" && (r.after == nil || rid(r.after))
}

// lacks says what a reversal wants that is not given back, or "".
func (u *undo) lacks(r *reversal) (why string) {
	r.after.EachAddress(func(x identity.Address) {
		h := u.holders[x]
		if why == "" && h != nil && h != r.before && !u.gives(h, func(after *identity.Account) bool { return !after.Holds(x) }) {
			why = fmt.Sprintf("%s belongs to %s now", x, h.Primary)
			if h.Primary == r.name() {
				why = "there is another account of that primary now"
			}
		}
	})
	o := owner{r.after.Directory, r.after.GUID}
	if h := u.owners[o]; why == "" && h != nil && h != r.before && !r.after.Local() && !u.gives(h, func(after *identity.Account) bool { return owner{after.Directory, after.GUID} != o }) {
		why = fmt.Sprintf("its GUID belongs to %s now", h.Primary)
	}
	return why
}

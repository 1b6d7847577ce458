// Package partial makes the plan of all entries and accounts from a part of them: those
// that have changed since an earlier plan of all, and those that these have to do with.
//
//	            what has changed
//	             │ + whatever lists or holds one of its addresses, or has its GUID, and so on
//	             v
//	          part ──> as it was ──> sums of it ─┐
//	             │                               ├─> sums of the rest ─┐
//	earlier plan of all ──> sums of all ─────────┘                     ├─> plan of all
//	             └─────> as it is ─────────────────────────────────────┘
//
// Of the rest, the earlier plan has nothing to say: whatever it speaks of is in the part.
// So all rows come from the part, and only numbers from the rest. That the part as it was
// has the very rows of the earlier plan is looked at each time.
//
// What belongs to a part was found by experiment. Left out, each of these leads to another
// plan: an entry with a value of an entry, public ones too; who holds it, active or not; who
// has the same GUID, in any directory; what was there before a change; what an apply has
// changed; and an end after any number of steps.
package partial

import (
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// World is where the entries and accounts can be looked up, as they were in the earlier
// plan and as they are now.
type World struct {
	// Canonical returns an address as accounts have it.
	Canonical func(identity.Address) identity.Address
	// Kept looks up entries of the earlier plan, and whose they are, and Held accounts as they are. Both are asked with keys of [blockfile.Key], and may give
	// others, too.
	Kept func(wanted map[uint32]struct{}, each func(object followed.Object, e identity.Entry)) error
	Held func(wanted map[uint32]struct{}, each func(a identity.Account)) error
	// Touched are the objects whose entries of the earlier plan count no more; Fresh are
	// the entries that they have now, and Objects whose these are.
	Touched map[followed.Object]bool
	Fresh   []identity.Entry
	Objects []followed.Object
	// Gone are the accounts of the earlier plan that are otherwise now, Come those that
	// are as they were not.
	Gone, Come []identity.Account
}

// Earlier is an earlier plan of all, as far as it is needed.
type Earlier struct {
	Sums plan.Sums `json:"sums"`
	// Objects are those of whose entries it speaks, Primaries those of such accounts.
	Objects   []followed.Object  `json:"objects"`
	Primaries []identity.Address `json:"primaries"`
}

// Part is what is planned, as it was and as it is.
type Part struct{ Was, Is Half }

// Half are entries and accounts of one time.
type Half struct {
	Entries  []identity.Entry
	Accounts []identity.Account
}

// ErrLarge is the error of a part that is too large to be planned without the rest.
var ErrLarge = errors.New("too much belongs together")

// ErrDamaged is the error where what is looked up does not fit the earlier plan.
var ErrDamaged = errors.New("what is kept does not fit the earlier plan")

// keys are a set of them.
type keys = map[uint32]struct{}

// collector takes a part together.
type collector struct {
	*World
	part   Part
	left   int  // how many more there may be
	known  keys // that were looked up, or are among wanted
	wanted keys // that are to be

	objects   map[followed.Object]bool  // of entries of the earlier plan that are there
	primaries map[identity.Address]bool // of accounts as they are that are there
	come      map[identity.Address]*identity.Account
}

// Find takes together what has changed since the earlier plan, what that plan speaks of,
// and whatever these have to do with: so many entries and accounts at most, or [ErrLarge].
func (w *World) Find(earlier *Earlier, most int) (*Part, error) {
	if len(earlier.Objects)+len(earlier.Primaries)+len(w.Fresh)+len(w.Gone)+len(w.Come) > most {
		return nil, ErrLarge
	}
	if err := w.forget(); err != nil {
		return nil, err
	}
	c := &collector{
		World: w, left: most, known: keys{}, wanted: keys{}, objects: map[followed.Object]bool{}, primaries: map[identity.Address]bool{},
		come: map[identity.Address]*identity.Account{},
	}
	if err := c.begin(earlier); err != nil {
		return nil, err
	}
	for len(c.wanted) > 0 && c.left >= 0 {
		wanted := c.wanted
		c.wanted = keys{}
		if err := c.step(wanted); err != nil {
			return nil, err
		}
	}
	if c.left < 0 {
		return nil, ErrLarge
	}
	return &c.part, nil
}

// forget leaves out of what was touched what is as it was.
func (w *World) forget() error {
	at := make(map[followed.Object]int, len(w.Fresh))
	wanted := keys{}
	for i, o := range w.Objects {
		at[o] = i
		wanted[followed.ObjectKey(o.Key)] = struct{}{}
	}
	same := map[int]bool{}
	err := w.Kept(wanted, func(o followed.Object, e identity.Entry) {
		if i, is := at[o]; is && w.Fresh[i].Equal(&e) {
			same[i] = true
		}
	})
	if err != nil || len(same) == 0 {
		return err
	}
	touched := make(map[followed.Object]bool, len(w.Touched))
	for o := range w.Touched {
		if i, is := at[o]; !is || !same[i] {
			touched[o] = true
		}
	}
	var fresh []identity.Entry
	var objects []followed.Object
	for i := range w.Fresh {
		if !same[i] {
			fresh, objects = append(fresh, w.Fresh[i]), append(objects, w.Objects[i])
		}
	}
	w.Touched, w.Fresh, w.Objects = touched, fresh, objects
	return nil
}

// begin takes what has changed, and what the earlier plan speaks of.
func (c *collector) begin(earlier *Earlier) error {
	objects, wanted := make(map[followed.Object]bool, len(c.Touched)+len(earlier.Objects)), keys{}
	for o := range c.Touched {
		objects[o] = true
	}
	for _, o := range earlier.Objects {
		objects[o] = true
	}
	for o := range objects {
		wanted[followed.ObjectKey(o.Key)] = struct{}{}
	}
	err := c.Kept(wanted, func(o followed.Object, e identity.Entry) {
		if objects[o] {
			c.takeKept(o, &e)
		}
	})
	if err != nil {
		return err
	}
	c.part.Is.Entries = append(c.part.Is.Entries, c.Fresh...)
	for i := range c.Fresh {
		c.want(func(has func(uint32) bool) { c.entryHas(&c.Fresh[i], has) })
	}
	c.part.Was.Accounts = append(c.part.Was.Accounts, c.Gone...)
	for i := range c.Gone {
		c.want(func(has func(uint32) bool) { accountHas(&c.Gone[i], has) })
	}
	primaries := make(map[identity.Address]bool, len(earlier.Primaries)+len(c.Come))
	for _, x := range earlier.Primaries {
		primaries[x] = true
	}
	for i := range c.Come {
		c.come[c.Come[i].Primary] = &c.Come[i]
		primaries[c.Come[i].Primary] = true
	}
	clear(wanted)
	for x := range primaries {
		wanted[blockfile.Key([]byte(x.String()))] = struct{}{}
	}
	come := 0
	err = c.Held(wanted, func(a identity.Account) {
		if !primaries[a.Primary] {
			return
		}
		if now := c.come[a.Primary]; now != nil && now.Equal(&a) {
			come++
		}
		c.takeHeld(&a)
	})
	if err == nil && come != len(c.Come) {
		err = ErrDamaged
	}
	return err
}

// step takes what has one of the keys.
func (c *collector) step(wanted keys) error {
	has := func(key uint32) bool { _, is := wanted[key]; return is }
	err := c.Kept(wanted, func(o followed.Object, e identity.Entry) {
		if !c.objects[o] && c.entryHas(&e, has) {
			c.takeKept(o, &e)
		}
	})
	if err != nil {
		return err
	}
	return c.Held(wanted, func(a identity.Account) {
		if !c.primaries[a.Primary] && accountHas(&a, has) {
			c.takeHeld(&a)
		}
	})
}

func (c *collector) takeKept(o followed.Object, e *identity.Entry) {
	if c.objects[o] {
		return
	}
	c.objects[o] = true
	c.part.Was.Entries = append(c.part.Was.Entries, *e)
	if !c.Touched[o] {
		c.part.Is.Entries = append(c.part.Is.Entries, *e)
	}
	c.want(func(has func(uint32) bool) { c.entryHas(e, has) })
}

func (c *collector) takeHeld(a *identity.Account) {
	if c.primaries[a.Primary] {
		return
	}
	c.primaries[a.Primary] = true
	c.part.Is.Accounts = append(c.part.Is.Accounts, *a)
	if c.come[a.Primary] == nil {
		c.part.Was.Accounts = append(c.part.Was.Accounts, *a)
	}
	c.want(func(has func(uint32) bool) { accountHas(a, has) })
}

// want wants what has one of the keys of a row, which tells them to a function.
func (c *collector) want(tell func(func(uint32) bool)) {
	c.left--
	tell(func(key uint32) bool {
		if _, known := c.known[key]; !known {
			c.known[key], c.wanted[key] = struct{}{}, struct{}{}
		}
		return false
	})
}

// entryHas reports whether an entry has a key for which a function reports true.
func (w *World) entryHas(e *identity.Entry, has func(uint32) bool) (is bool) {
	followed.EachKey(e, w.Canonical, func(key []byte) { is = is || has(blockfile.Key(key)) })
	return is
}

// accountHas is the same for accounts, which have the keys of the index of a state.
func accountHas(a *identity.Account, has func(uint32) bool) (is bool) {
	state.EachKey(a, func(key uint32) { is = is || has(key) })
	return is
}

// Compute makes the plan of all. in has what a plan is made of beside entries and accounts,
// and was is when the earlier plan was made.
func (p *Part) Compute(in plan.Input, earlier *Earlier, was time.Time) (*plan.Plan, error) {
	before := in
	before.Entries, before.Accounts, before.Now, before.Count = p.Was.Entries, p.Was.Accounts, was, true
	before.Rules.Limits = plan.DefaultLimits()
	old, err := plan.Compute(before)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	rest := earlier.Sums.Without(&old.Sums)
	if !rest.Quiet() {
		return nil, ErrDamaged
	}
	in.Entries, in.Accounts, in.Rest, in.Count = p.Is.Entries, p.Is.Accounts, &rest, true
	return plan.Compute(in)
}

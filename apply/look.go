package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// index finds accounts of a console.
type index struct {
	byRef     map[string]*identity.Live
	byMark    map[identity.Mark]*identity.Live
	byAddress map[identity.Address]*identity.Live
	recorded  map[string]bool // the refs in the ledger
}

// indexed returns an index of accounts, of which the ledger has some.
func indexed(live []identity.Live, l *Ledger) *index {
	x := &index{map[string]*identity.Live{}, map[identity.Mark]*identity.Live{}, map[identity.Address]*identity.Live{}, l.refs()}
	for i := range live {
		l := &live[i]
		if l.Ref != "" {
			x.byRef[l.Ref] = l
		}
		if !l.Mark.IsZero() {
			x.byMark[l.Mark] = l
		}
		l.EachAddress(func(a identity.Address) {
			if !a.IsZero() {
				x.byAddress[a] = l
			}
		})
	}
	return x
}

// of returns the account that a step was for, as it is now, or nil. A key that is
// not stable may be nobody's by now, or another account's.
func (x *index) of(f *plan.Facts, s *Step) *identity.Live {
	was := s.Live
	if was.Ref != "" && !f.Unstable {
		return x.byRef[was.Ref]
	}
	marks, primaries := []identity.Mark{was.Mark}, []identity.Address{was.Primary}
	if s.After != nil {
		marks, primaries = append(marks, mark(s.By, s.After)), append(primaries, s.After.Primary)
	}
	if f.Marks {
		for _, m := range marks {
			if l := x.byMark[m]; l != nil {
				return l
			}
		}
	}
	for _, p := range primaries {
		if l := x.byAddress[p]; l != nil && l.Primary == p && (l.Mark.IsZero() || slices.Contains(marks, l.Mark)) {
			return l
		}
	}
	return nil
}

// created returns the account that a step has created, which is said to have the ref.
// A connector may have confused the answers of two changes: where the ref is of an
// account that another change has made, the account is the one that is what was
// asked for, if there is one.
func (x *index) created(f *plan.Facts, s *Sent, ref string, wanted map[identity.Address]bool) *identity.Live {
	said := x.byRef[ref]
	if said != nil && (said.Primary == s.After.Primary || !wanted[said.Primary]) {
		return said
	}
	if l := x.byAddress[s.After.Primary]; l != nil && len(differing(f, s, l)) == 0 {
		return l
	}
	return nil
}

// wanted are the primaries that accounts are to have after changes.
func wanted(changes []plan.AccountChange) map[identity.Address]bool {
	all := map[identity.Address]bool{}
	for i := range changes {
		if after := changes[i].Result(); after != nil {
			all[after.Primary] = true
		}
	}
	return all
}

// verdict is what a look at accounts says of a step without an answer.
type verdict uint8

const (
	notMade     verdict = iota // the account is as it was, or not there
	wasMade                    // it is as it was to be
	undecidable                // it may be the one that was created, or somebody else's
	otherwise                  // it is neither
)

// judge says what became of a step, and returns the account.
//
//	a step that    and now                                        says
//	creates        an account has the mark                        made
//	               without marks, an account is what was wanted   made
//	               without marks, another has its primary, which
//	               the ledger does not know                       undecidable
//	               else                                           not made
//	removes        the account is there                           not made
//	               it is not                                      made
//	changes        the account is as it was                       not made
//	               it is what was wanted                          made
//	               its rev alone is another                       not made
//	               else                                           otherwise
func (x *index) judge(f *plan.Facts, s *Sent) (verdict, *identity.Live) {
	if s.Creates() {
		if f.Marks {
			if l := x.byMark[mark(s.By, s.After)]; l != nil {
				return wasMade, l
			}
			return notMade, nil
		}
		l := x.byAddress[s.After.Primary]
		switch {
		case l == nil, x.recorded[l.Ref]:
			return notMade, nil
		case len(differing(f, s, l)) == 0:
			return wasMade, l
		}
		return undecidable, l
	}
	l := x.of(f, &s.Step)
	switch {
	case s.Removes() && l == nil:
		return wasMade, nil
	case s.Removes():
		return notMade, l
	case l == nil:
		return otherwise, nil
	case same(s.Live, l):
		return notMade, l
	case len(differing(f, s, l)) == 0:
		return wasMade, l
	case alike(s.Live, l):
		return notMade, l
	}
	return otherwise, l
}

// published says of the steps that a console was to publish as a whole whether it has.
// Their keys may change with them, and a primary may be another account's before and
// after, so that no step is judged alone. What counts are the primaries that make a
// difference:
//
//	now                                                  says
//	more of them are as they were to be than as they
//	were, or nothing makes a difference                  made
//	as many or more are as they were                     not made
//	none is either                                       otherwise
func (x *index) published(f *plan.Facts, sent []*Sent) verdict {
	before, after := map[identity.Address]*identity.Account{}, map[identity.Address]*identity.Account{}
	for _, s := range sent {
		if s.Live != nil {
			before[s.Live.Primary] = &s.Live.Account
		}
		if s.After != nil {
			after[s.After.Primary] = s.After
		}
	}
	same := func(a, b *identity.Account) bool {
		return a == nil && b == nil || a != nil && b != nil && (!f.Keeps(plan.FieldAliases) || slices.Equal(a.Aliases, b.Aliases))
	}
	all := maps.Clone(before)
	maps.Copy(all, after)
	differ, old, made := 0, 0, 0
	for primary := range all {
		was, is := before[primary], after[primary]
		if same(was, is) {
			continue
		}
		differ++
		var now *identity.Account
		if l := x.byAddress[primary]; l != nil && l.Primary == primary {
			now = &l.Account
		}
		switch {
		case same(now, is):
			made++
		case same(now, was):
			old++
		}
	}
	switch {
	case made > old, differ == 0:
		return wasMade
	case old > 0:
		return notMade
	}
	return otherwise
}

// mark returns the mark of an account; none for one without an owner.
func mark(by string, a *identity.Account) identity.Mark {
	if a.Local() {
		return identity.Mark{}
	}
	return identity.Mark{By: by, Directory: a.Directory, GUID: a.GUID}
}

// same reports whether an account is as it was.
func same(was, now *identity.Live) bool {
	if was.Rev != "" && now.Rev != "" {
		return was.Rev == now.Rev
	}
	return alike(was, now)
}

// alike reports whether an account is as it was, but for its rev.
func alike(was, now *identity.Live) bool {
	return was.Mark == now.Mark && string(was.AppendJSON(nil)) == string(now.AppendJSON(nil))
}

// difference is a field of an account that is not as it was asked for.
type difference struct{ field, wanted, found string }

// differing compares an account with what a step asked for, in what the console
// stores. Of texts other than addresses, the case of letters and the number of
// blanks do not count, since products normalise them.
func differing(f *plan.Facts, s *Sent, l *identity.Live) (all []difference) {
	want := s.After
	add := func(field, wanted, found string) { all = append(all, difference{field, wanted, found}) }
	if want.Primary != l.Primary {
		add(plan.FieldPrimary, want.Primary.String(), l.Primary.String())
	}
	if f.Keeps(plan.FieldAliases) && !slices.Equal(want.Aliases, l.Aliases) {
		add(plan.FieldAliases, listed(want.Aliases), listed(l.Aliases))
	}
	if f.Keeps(plan.FieldType) && want.Type != l.Type {
		add(plan.FieldType, want.Type.String(), l.Type.String())
	}
	if f.Keeps(plan.FieldStatus) && want.Status != l.Status {
		add(plan.FieldStatus, want.Status.String(), l.Status.String())
	}
	if m := mark(s.By, want); f.Marks && m != l.Mark {
		add(plan.FieldOwner, m.String(), l.Mark.String())
	}
	text := func(field, wanted, found string) {
		if f.Keeps(field) && !equalText(wanted, found) {
			add(field, wanted, found)
		}
	}
	text(plan.FieldUsername, want.Username, l.Username)
	text(plan.FieldDN, want.DN, l.DN)
	for _, x := range want.Attributes {
		text(x.Name, x.Value, identity.Lookup(l.Attributes, x.Name))
	}
	for _, name := range s.Clear {
		text(name, "", identity.Lookup(l.Attributes, name))
	}
	return all
}

func equalText(x, y string) bool {
	return x == y || strings.EqualFold(strings.Join(strings.Fields(x), " "), strings.Join(strings.Fields(y), " "))
}

func listed(all []identity.Address) string {
	texts := make([]string, len(all))
	for i, x := range all {
		texts[i] = x.String()
	}
	return strings.Join(texts, " ")
}

// foundAs returns an account as it was read back, for the ledger: what the console
// does not store is as it was asked for, and what nobody asked for is left out. It
// is nil for one that is what was asked for to the letter.
func foundAs(f *plan.Facts, l *identity.Live, want *identity.Account) *identity.Account {
	asked := *want
	asked.Directory, asked.GUID = "", identity.GUID{}
	found := asked
	found.Primary = l.Primary
	if f.Keeps(plan.FieldAliases) {
		found.Aliases = l.Aliases
	}
	if f.Keeps(plan.FieldType) {
		found.Type = l.Type
	}
	if f.Keeps(plan.FieldStatus) {
		found.Status = l.Status
	}
	if f.Keeps(plan.FieldUsername) {
		found.Username = l.Username
	}
	if f.Keeps(plan.FieldDN) {
		found.DN = l.DN
	}
	found.Attributes = nil
	for _, x := range asked.Attributes {
		if f.Keeps(x.Name) {
			x.Value = identity.Lookup(l.Attributes, x.Name)
		}
		if x.Value != "" {
			found.Attributes = append(found.Attributes, x)
		}
	}
	if string(found.AppendJSON(nil)) == string(asked.AppendJSON(nil)) {
		return nil
	}
	return &found
}

// get reads the accounts of steps. What the console cannot do now is tried again.
func (r *runner) get(ctx context.Context, tasks []*task) ([]identity.Live, error) {
	refs, addresses := map[string]bool{}, map[identity.Address]bool{}
	for _, t := range tasks {
		if t.Live != nil {
			if t.Live.Ref != "" {
				refs[t.Live.Ref] = true
			}
			if t.Live.Ref == "" || r.facts.Unstable {
				t.Live.EachAddress(func(x identity.Address) { addresses[x] = true })
			}
		}
		if t.answer.Ref != "" {
			refs[t.answer.Ref] = true
		}
		if t.answer.Ref == "" || t.known.Live == nil || r.facts.Unstable {
			t.After.EachAddress(func(x identity.Address) { addresses[x] = true })
		}
	}
	delete(addresses, identity.Address{})
	byRef, byAddress := slices.Sorted(maps.Keys(refs)), slices.SortedFunc(maps.Keys(addresses), identity.Address.Compare)
	for attempt := 1; ; attempt++ {
		live, err := r.job.Console.Get(ctx, byRef, byAddress)
		var e *Error
		if !errors.As(err, &e) || attempt >= r.job.Attempts || e.Code != Throttled && e.Code != Temporary {
			return live, err
		}
		pause := e.RetryAfter
		if pause == 0 {
			pause = jittered(attempt)
		}
		r.job.Listen(Waiting{Err: e, For: pause})
		if err := r.job.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

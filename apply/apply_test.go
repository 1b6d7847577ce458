package apply

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestDealing: whatever moves between accounts, nothing is ever held twice, and
// console and ledger end as the plan says.
func TestDealing(t *testing.T) {
	eachKind(t, func(t *testing.T, facts plan.Facts) {
		for seed := range times(300) {
			changes, start, want := dealt(seed)
			w := newWorld(t, facts, start)
			options := Options{Verify: seed%2 == 0, Canary: int(seed % 4)}
			result, err := w.run(context.Background(), changes, options)
			if err != nil || len(result.Failures)+result.Differ > 0 || result.Applied != len(changes) {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			w.equals(t, seed, want)
		}
	})
}

// TestDealingRefused: whatever a console refuses, each account is what it was or
// what the plan says, and those that are not what the plan says are named.
func TestDealingRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, facts plan.Facts) {
		tried := 0
		for seed := range times(500) {
			changes, start, _ := dealt(seed)
			names := map[identity.Address]bool{}
			for i := range changes {
				names[subject(&changes[i]).Primary] = true
			}
			if len(names) < len(changes) {
				continue // one goes, and another gets its primary: who is meant by it?
			}
			tried++
			w := newWorld(t, facts, start)
			r := rand.New(rand.NewPCG(seed, 2))
			refused := map[string]bool{}
			for i := range changes {
				if a := changes[i].After; a != nil && r.IntN(4) == 0 {
					refused[a.Username+" "+a.Primary.String()] = true
				}
			}
			w.refuses = func(s *Step) *Error {
				if s.After != nil && refused[s.After.Username+" "+s.After.Primary.String()] && !strings.HasPrefix(s.Key, "back") {
					if s.Live == nil || slices.Contains(s.Fields, "primary") {
						return &Error{Code: Refused, Message: "no"}
					}
				}
				return nil
			}
			result, err := w.run(context.Background(), changes, Options{})
			if err != nil || result.Applied+len(result.Failures) != len(changes) {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			if slices.ContainsFunc(result.Failures, func(f run.Failure) bool { return strings.Contains(f.Error, "taking back") }) {
				continue // what was is refused, too
			}
			failed := map[string]bool{}
			for _, f := range result.Failures {
				failed[f.Account] = true
			}
			var want []identity.Account
			for i := range changes {
				c := &changes[i]
				then := c.After
				if failed[subject(c).Primary.String()] {
					then = c.Before
				}
				if then != nil {
					want = append(want, *then)
				}
			}
			w.equals(t, seed, want)
		}
		if tried < 250 {
			t.Errorf("only %d plans were tried", tried)
		}
	})
}

// TestFaults: a console that turns changes away for a while, and whose answers are
// lost before or after a change was made, ends as the plan says, with nothing made
// twice.
func TestFaults(t *testing.T) {
	eachKind(t, func(t *testing.T, facts plan.Facts) {
		for seed := range times(150) {
			changes, start, want := dealt(seed)
			w := newWorld(t, facts, start)
			w.chance = rand.New(rand.NewPCG(seed, 3))
			result, err := w.run(context.Background(), changes, Options{Attempts: 1000})
			if err != nil || len(result.Failures) > 0 {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			w.equals(t, seed, want)
		}
	})
}

// killed is the panic that ends a run as kill -9 does.
type killed struct{}

// TestKilled: a run that is killed anywhere is made out by the next one, which
// ends as if nothing had happened.
func TestKilled(t *testing.T) {
	eachKind(t, func(t *testing.T, facts plan.Facts) {
		kills := 0
		for seed := range times(150) {
			changes, start, want := dealt(seed)
			w := newWorld(t, facts, start)
			r := rand.New(rand.NewPCG(seed, 4))
			if seed%2 == 0 {
				w.chance = rand.New(rand.NewPCG(seed, 5))
			}
			for range 3 {
				left := r.IntN(12)
				crash := func() {
					if left--; left < 0 {
						panic(killed{})
					}
				}
				ended := w.attempt(changes, crash)
				if ended {
					break
				}
				kills++
				changes = w.replan(want)
			}
			w.chance = nil
			changes = w.replan(want)
			if result, err := w.run(context.Background(), changes, Options{}); err != nil || len(result.Failures) > 0 {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			w.equals(t, seed, want)
			if again := w.replan(want); len(again) > 0 {
				t.Fatalf("seed %d: the next plan has %d changes", seed, len(again))
			}
		}
		if kills < 50 {
			t.Errorf("only %d runs were killed", kills)
		}
	})
}

// attempt runs changes until crash ends it, and then makes out what happened, as
// the next run does.
func (w *world) attempt(changes []plan.AccountChange, crash func()) (ended bool) {
	l := w.newLedger()
	j := &memory{answers: map[string]Answer{}, crash: crash, saved: func(*Ledger) {}}
	w.crash = crash
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(killed{}) {
				panic(r)
			}
		}()
		job := w.job(changes, l, j)
		job.Attempts = 1000
		if _, err := Run(context.Background(), job); err == nil {
			ended = true
		}
	}()
	w.crash = nil
	if ended {
		w.save(l)
		return true
	}
	w.keys = map[string]Answer{} // its process has ended, too
	l = w.newLedger()
	if _, err := Recover(Interrupted{Changes: changes, Sent: j.sent, Answers: j.answers}, l, w.live(), w.facts, w.now); err != nil {
		w.t.Fatal(err)
	}
	w.save(l)
	return false
}

// replan makes the changes that lead from what ledger and console have to what is
// wanted, by owner.
func (w *world) replan(want []identity.Account) (changes []plan.AccountChange) {
	now := map[identity.GUID]*identity.Account{}
	byRef := map[string]*identity.Live{}
	for ref, l := range w.accounts {
		byRef[ref] = l
	}
	placed := map[identity.Address]identity.Placed{}
	for i := range w.ledger {
		a := w.ledger[i]
		p := w.placed[a.Primary]
		if l := byRef[p.Ref]; l != nil {
			// The ledger learns what is there.
			directory, guid := a.Directory, a.GUID
			a = l.Account
			a.Directory, a.GUID = directory, guid
		} else if a.Active() || !w.facts.Removes {
			continue
		}
		w.ledger[i] = a
		placed[a.Primary] = p
		now[a.GUID] = &w.ledger[i]
	}
	w.ledger = slices.DeleteFunc(w.ledger, func(a identity.Account) bool { return now[a.GUID] == nil })
	slices.SortFunc(w.ledger, byPrimary)
	w.placed = placed
	for i := range w.ledger {
		now[w.ledger[i].GUID] = &w.ledger[i]
	}
	for i := range want {
		a := &want[i]
		before := now[a.GUID]
		delete(now, a.GUID)
		if before == nil || string(before.AppendJSON(nil)) != string(a.AppendJSON(nil)) {
			changes = append(changes, plan.AccountChange{Before: before, After: a})
		}
	}
	for _, a := range w.ledger {
		if before := now[a.GUID]; before != nil {
			changes = append(changes, plan.AccountChange{Before: before})
		}
	}
	slices.SortFunc(changes, func(a, b plan.AccountChange) int { return subject(&a).Primary.Compare(subject(&b).Primary) })
	return changes
}

// TestMovesTogether: between who gives an address up and who gets it, nobody
// else has a turn.
func TestMovesTogether(t *testing.T) {
	account := func(primary int, aliases ...int) *identity.Account {
		a := &identity.Account{Primary: numbered(primary), Directory: "corp", GUID: identity.GUID{15: byte(primary), 14: byte(primary >> 8)}}
		for _, n := range aliases {
			a.Aliases = append(a.Aliases, numbered(n))
		}
		return a
	}
	changes := []plan.AccountChange{
		{Before: account(100, 10), After: account(100)},              // gives 10 to 900
		{Before: account(200, 20, 21), After: account(200, 30)},      // swaps 20 for 30 with 800, gives 21 to 700
		{Before: account(300), After: account(300, 31)},              // on its own
		{After: account(700, 21)},                                    // new
		{Before: account(800, 30), After: account(800, 20)},          // swaps
		{Before: account(900), After: account(900, 10)},              // gets
		{Before: account(950, 95, 96), After: account(950, 95, 960)}, // on its own
	}
	var start []identity.Account
	for i := range changes {
		if b := changes[i].Before; b != nil {
			start = append(start, *b)
		}
	}
	w := newWorld(t, plan.Facts{Marks: true}, start)
	if result, err := w.run(context.Background(), changes, Options{}); err != nil || len(result.Failures) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	const want = "put a100, put a900, put a200, put a800, put a200, put a800, put a700, put a300, put a950"
	if got := strings.Join(w.turns, ", "); got != want {
		t.Errorf("turns\ngot  %s\nwant %s", got, want)
	}
}

// TestAliasBecomesList: a console that can make both as a whole is given the account that
// loses an alias with the new list that it becomes, and no other is.
func TestAliasBecomesList(t *testing.T) {
	account := func(n byte, primary string, aliases ...string) *identity.Account {
		a := &identity.Account{Primary: identity.MustAddress(primary + "@example.com"), Directory: "corp", GUID: identity.GUID{15: n}}
		for _, x := range aliases {
			a.Aliases = append(a.Aliases, identity.MustAddress(x+"@example.com"))
		}
		return a
	}
	list := account(3, "sales", "other")
	list.Type = identity.List
	changes := []plan.AccountChange{
		{Before: account(1, "ann", "sales", "x"), After: account(1, "ann")},
		{Before: account(2, "bob", "other"), After: account(2, "bob")}, // gives the list an alias
		{After: list},
		{After: account(4, "x")}, // a user
	}
	for _, groups := range []bool{false, true} {
		w := newWorld(t, plan.Facts{Groups: groups}, []identity.Account{*changes[0].Before, *changes[1].Before})
		together := map[string]int{}
		w.refuses = func(s *Step) *Error {
			together[s.After.Primary.Local()] = s.Group
			return nil
		}
		if result, err := w.run(context.Background(), changes, Options{}); err != nil || len(result.Failures) > 0 {
			t.Fatalf("%+v, %v", result, err)
		}
		if (together["ann"] == together["sales"]) != groups || together["ann"] == together["bob"] || together["ann"] == together["x"] {
			t.Errorf("groups %t: the groups are %v", groups, together)
		}
	}
}

// TestRing: three accounts swap their primaries in a console that makes one change
// at a time: through temporary primaries, and back if the last is refused.
func TestRing(t *testing.T) {
	account := func(n int, primary string) *identity.Account {
		return &identity.Account{Primary: identity.MustAddress(primary + "@example.com"), Directory: "corp", GUID: identity.GUID{15: byte(n)}}
	}
	changes := []plan.AccountChange{
		{Before: account(1, "c"), After: account(1, "a")},
		{Before: account(2, "a"), After: account(2, "b")},
		{Before: account(3, "b"), After: account(3, "c")},
	}
	start := []identity.Account{*changes[1].Before, *changes[2].Before, *changes[0].Before}
	for _, refused := range []bool{false, true} {
		w := newWorld(t, plan.Facts{}, start)
		want := []identity.Account{*changes[0].After, *changes[1].After, *changes[2].After}
		if refused {
			w.refuses = func(s *Step) *Error {
				if s.After.GUID[15] == 3 && s.After.Primary.String() == "c@example.com" {
					return &Error{Code: Refused, Message: "not that name"}
				}
				return nil
			}
			want = start
		}
		result, err := w.run(context.Background(), changes, Options{})
		if err != nil || (result.Applied == 3) == refused || (len(result.Failures) == 3) != refused {
			t.Fatalf("refused %t: %+v, %v", refused, result, err)
		}
		w.equals(t, 0, want)
		if !strings.HasPrefix(w.turns[0], "put rollcall-x") {
			t.Errorf("refused %t: %s has no temporary primary", refused, w.turns[0])
		}
	}
}

// TestCtrlC: a run that is ended by its user ends between two groups, and tells
// what it has made.
func TestCtrlC(t *testing.T) {
	var changes []plan.AccountChange
	for i := range 10 {
		changes = append(changes, plan.AccountChange{After: &identity.Account{Primary: numbered(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, plan.Facts{Marks: true, Batch: 2}, nil)
	w.crash = func() {
		if len(w.accounts) == 5 {
			cancel()
		}
	}
	result, err := w.run(ctx, changes, Options{})
	if !errors.Is(err, context.Canceled) || result.Applied != len(w.accounts) || len(result.Failures) > 0 || len(w.ledger) != result.Applied {
		t.Errorf("%+v, %v; the console has %d accounts", result, err, len(w.accounts))
	}
}

// unreachable is an error of a console that cannot be used any more.
type unreachable struct{ error }

func (unreachable) Unusable() {}

// TestUnreachable: a console that is gone ends the run; what was made before stays
// in the ledger, what was sent and not answered is counted as unknown, and nothing
// else is said to have failed.
func TestUnreachable(t *testing.T) {
	var changes []plan.AccountChange
	for i := range 6 {
		changes = append(changes, plan.AccountChange{After: &identity.Account{Primary: numbered(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}}})
	}
	w := newWorld(t, plan.Facts{Batch: 2}, nil)
	l := w.newLedger()
	j := &memory{answers: map[string]Answer{}, saved: func(*Ledger) {}}
	job := w.job(changes, l, j)
	job.Console = &failing{w.model, 2}
	result, err := Run(context.Background(), job)
	if !errors.As(err, &unreachable{}) || result.Applied != 2 || result.Unknown != 2 || len(result.Failures) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if len(j.sent) != 4 || len(j.answers) != 2 {
		t.Errorf("the journal has %d steps and %d answers", len(j.sent), len(j.answers))
	}
}

// failing is a console that is unreachable from its nth request on, which it has
// made.
type failing struct {
	*model
	requests int
}

func (f *failing) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	if f.requests--; f.requests == 0 {
		_ = f.model.Apply(ctx, steps, func(int, Answer) {})
		return unreachable{errors.New("no route to host")}
	}
	return f.model.Apply(ctx, steps, answer)
}

// TestUndecided: an account that may have been created is left to a person, and is
// not created again.
func TestUndecided(t *testing.T) {
	wanted := identity.Account{Primary: numbered(1), Username: "ann", Directory: "corp", GUID: identity.GUID{15: 1}}
	w := newWorld(t, plan.Facts{}, nil)
	theirs := identity.Live{Account: identity.Account{Primary: numbered(1), Username: "somebody"}, Ref: "x", Rev: "1"}
	l := w.newLedger()
	sent := []Sent{{Step: Step{Key: "r-1", After: &wanted, By: "hq"}, Final: true}}
	changes := []plan.AccountChange{{After: &wanted}}
	for range 2 { // as after another kill
		out, err := Recover(Interrupted{Changes: changes, Sent: sent}, l, []identity.Live{theirs}, w.facts, w.now)
		if err != nil || out.Applied != 0 || len(out.Undecided) != 1 || out.Undecided[0] != wanted.Primary {
			t.Fatalf("%+v, %v", out, err)
		}
		w.save(l)
		l = w.newLedger()
	}
	if len(w.ledger) != 1 || !w.placed[wanted.Primary].Undecided {
		t.Errorf("the ledger has %v, %v", w.ledger, w.placed)
	}

	// The same in a run: the answer is lost, and somebody else has the address.
	w = newWorld(t, plan.Facts{}, nil)
	w.accounts["x"] = &theirs
	job := w.job(changes, w.newLedger(), &memory{answers: map[string]Answer{}})
	job.Console = &mute{w.model}
	result, err := Run(context.Background(), job)
	if err != nil || len(result.Undecided) != 1 || len(result.Failures) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

// mute is a console that makes nothing and answers nothing.
type mute struct{ *model }

func (mute) Apply(context.Context, []Step, func(int, Answer)) error { return errLost }

// TestRevAlone: a change without an answer of an account whose rev alone has become
// another, as by a part of the change that counts for nothing, was not made, and is
// made in the same run.
func TestRevAlone(t *testing.T) {
	a := identity.Account{Primary: numbered(1), Username: "ann", Directory: "corp", GUID: identity.GUID{15: 1}}
	w := newWorld(t, plan.Facts{Marks: true}, []identity.Account{a})
	b := a
	b.Aliases = []identity.Address{numbered(2)}
	job := w.job([]plan.AccountChange{{Before: &a, After: &b}}, w.newLedger(), &memory{answers: map[string]Answer{}})
	job.Console = &halfway{model: w.model}
	result, err := Run(context.Background(), job)
	if err != nil || result.Applied != 1 || len(result.Failures) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// halfway is a console that once makes nothing of a request but another rev, and does
// not answer.
type halfway struct {
	*model
	begun bool
}

func (h *halfway) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	if h.begun {
		return h.model.Apply(ctx, steps, answer)
	}
	h.begun = true
	l := *h.accounts[steps[0].Live.Ref]
	l.Rev += "'"
	h.accounts[l.Ref] = &l
	return errLost
}

// TestSettles: a change that cannot be seen yet is not taken for one that was not
// made.
func TestSettles(t *testing.T) {
	wanted := identity.Account{Primary: numbered(1), Username: "ann", Directory: "corp", GUID: identity.GUID{15: 1}}
	w := newWorld(t, plan.Facts{Marks: true, Settles: time.Minute}, nil)
	begin := w.now
	job := w.job([]plan.AccountChange{{After: &wanted}}, w.newLedger(), &memory{answers: map[string]Answer{}})
	job.Console = &slow{w, begin.Add(30 * time.Second)}
	result, err := Run(context.Background(), job)
	if err != nil || result.Applied != 1 || w.now.Sub(begin) != time.Minute {
		t.Errorf("%+v, %v after %v", result, err, w.now.Sub(begin))
	}
	out, err := Recover(Interrupted{Changes: job.Changes, Sent: []Sent{{Step: Step{Key: "r-1", After: &wanted, By: "hq"}, Final: true, At: begin}}},
		w.newLedger(), nil, w.facts, begin.Add(10*time.Second))
	if err != nil || out.Wait != 50*time.Second {
		t.Errorf("%+v, %v", out, err)
	}
}

// slow is a console that loses the answer to its first request and shows nothing
// before a time.
type slow struct {
	*world
	shows time.Time
}

func (s *slow) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	_ = s.model.Apply(ctx, steps, func(int, Answer) {})
	return errLost
}

func (s *slow) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	if s.now.Before(s.shows) {
		return nil, nil
	}
	return s.model.Get(ctx, refs, addresses)
}

// altering is a console that makes something else of what it is given.
type altering struct {
	*model
	alter func(*identity.Live)
}

func (a *altering) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	err := a.model.Apply(ctx, steps, answer)
	for _, l := range a.accounts {
		a.alter(l)
	}
	return err
}

// TestVerify: what was changed is read again; each difference is reported, and what a
// product makes of a text is none and stands in the ledger.
func TestVerify(t *testing.T) {
	account := func(n int) *identity.Account {
		return &identity.Account{Primary: numbered(n), Username: "Ann  LEE", Directory: "corp", GUID: identity.GUID{15: byte(n)}}
	}
	changes := []plan.AccountChange{{After: account(1)}, {After: account(2)}, {After: account(3)}}
	w := newWorld(t, plan.Facts{Marks: true}, nil)
	l := w.newLedger()
	job := w.job(changes, l, &memory{answers: map[string]Answer{}})
	job.Verify = true
	job.Console = &altering{w.model, func(l *identity.Live) {
		l.Username = "ann lee"
		if l.Primary == numbered(2) {
			l.Type = identity.List
		}
	}}
	result, err := Run(context.Background(), job)
	if err != nil || result.Applied != 3 || result.Verified != 2 || result.Differ != 1 || len(result.Differences) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if d := result.Differences[0]; d.Account != numbered(2) || d.Field != "type" || d.Wanted != "user" || d.Found != "list" {
		t.Errorf("%+v", d)
	}
	w.save(l)
	if found := w.placed[numbered(1)].Found; found == nil || found.Username != "ann lee" {
		t.Errorf("the ledger has %+v as it was read back", found)
	}
}

// confusing is a console that answers two changes with each other's refs.
type confusing struct{ *model }

func (c confusing) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	answers := make([]Answer, len(steps))
	err := c.model.Apply(ctx, steps, func(i int, a Answer) { answers[i] = a })
	answers[0].Ref, answers[1].Ref = answers[1].Ref, answers[0].Ref
	for i, a := range answers {
		answer(i, a)
	}
	return err
}

// TestVerifyConfused: where accounts say whose they are and refs are not stable, an
// account is found by its mark, whatever ref was answered.
func TestVerifyConfused(t *testing.T) {
	account := func(n int, username string) *identity.Account {
		return &identity.Account{Primary: numbered(n), Username: username, Directory: "corp", GUID: identity.GUID{15: byte(n)}}
	}
	changes := []plan.AccountChange{{Before: account(1, "ann"), After: account(1, "anna")}, {Before: account(2, "bob"), After: account(2, "rob")}}
	w := newWorld(t, plan.Facts{Marks: true, Unstable: true}, []identity.Account{*changes[0].Before, *changes[1].Before})
	l := w.newLedger()
	job := w.job(changes, l, &memory{answers: map[string]Answer{}})
	job.Verify, job.Console = true, confusing{w.model}
	result, err := Run(context.Background(), job)
	if err != nil || result.Applied != 2 || result.Verified != 2 || result.Differ != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	w.save(l)
	for n := range 2 {
		if ref := w.placed[numbered(n+1)].Ref; w.owners[ref] != w.ledger[n].GUID {
			t.Errorf("the ledger has %s as %s", numbered(n+1), ref)
		}
	}
}

// TestCanary: so many changes are made first, one of each category; the rest only
// if they are right.
func TestCanary(t *testing.T) {
	var changes []plan.AccountChange
	for i := range 20 {
		changes = append(changes, plan.AccountChange{After: &identity.Account{Primary: numbered(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}}})
	}
	before := &identity.Account{Primary: numbered(50), Username: "a", Directory: "corp", GUID: identity.GUID{15: 50}}
	renamed := *before
	renamed.Username = "b"
	changes = append(changes, plan.AccountChange{Before: before, After: &renamed})
	for _, wrong := range []bool{false, true} {
		w := newWorld(t, plan.Facts{Marks: true, Batch: 2}, []identity.Account{*before})
		job := w.job(changes, w.newLedger(), &memory{answers: map[string]Answer{}})
		job.Canary = 3
		job.Console = &altering{w.model, func(l *identity.Live) {
			if wrong && l.Primary == numbered(0) {
				l.Aliases = []identity.Address{numbered(99)}
			}
		}}
		result, err := Run(context.Background(), job)
		switch {
		case err != nil, result.Canary != wrong:
			t.Errorf("wrong %t: %+v, %v", wrong, result, err)
		case wrong && (result.Applied != 3 || !slices.Contains(w.turns, "put a50")):
			t.Errorf("the canary made %d changes, %v", result.Applied, w.turns)
		case !wrong && (result.Applied != 21 || result.Verified != 3):
			t.Errorf("%+v", result)
		}
	}
}

// TestConcurrency: many requests at a time end as one at a time does.
func TestConcurrency(t *testing.T) {
	for seed := range times(100) {
		changes, start, want := dealt(seed)
		w := newWorld(t, kinds["marks"], start)
		job := w.job(changes, w.newLedger(), &memory{answers: map[string]Answer{}})
		job.Concurrency = 4
		job.Console, job.Random = &locked{model: w.model}, nil
		result, err := Run(context.Background(), job)
		if err != nil || len(result.Failures) > 0 || result.Applied != len(changes) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		w.save(job.Ledger)
		w.equals(t, seed, want)
	}
}

// locked is a console for several requests at a time.
type locked struct {
	*model
	mu sync.Mutex
}

func (l *locked) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.model.Apply(ctx, steps, answer)
}

// TestCtrlCAtTheEnd: a run whose last request is ended by its user is not one that has
// made everything.
func TestCtrlCAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, plan.Facts{Marks: true}, nil)
	w.crash = cancel
	changes := []plan.AccountChange{{After: &identity.Account{Primary: numbered(1), Directory: "corp", GUID: identity.GUID{15: 1}}}}
	if result, err := w.run(ctx, changes, Options{}); !errors.Is(err, context.Canceled) || result.Applied != 0 || len(w.accounts) != 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// saying is a console that answers nothing but an error of the whole request.
type saying struct {
	*model
	says     *Error
	requests int
}

func (s *saying) Apply(context.Context, []Step, func(int, Answer)) error {
	s.requests++
	return s.says
}

// TestRequestRefused: what a console says of a whole request counts for its changes,
// which are not repeated; credentials that are not taken end the run.
func TestRequestRefused(t *testing.T) {
	changes := []plan.AccountChange{{After: &identity.Account{Primary: numbered(1), Directory: "corp", GUID: identity.GUID{15: 1}}}}
	for _, code := range []Code{Internal, Refused, Unsupported, Auth, Misused} {
		w := newWorld(t, plan.Facts{Marks: true}, nil)
		job := w.job(changes, w.newLedger(), &memory{answers: map[string]Answer{}})
		console := &saying{model: w.model, says: &Error{Code: code, Message: "the database is down"}}
		job.Console = console
		result, err := Run(context.Background(), job)
		ends := code == Auth || code == Misused
		if ends != (err != nil) || result.Unknown != 0 || console.requests != 1 {
			t.Errorf("%s: %+v, %v after %d requests", code, result, err, console.requests)
		}
		if !ends && (len(result.Failures) != 1 || result.Failures[0].Error != "the database is down") {
			t.Errorf("%s: %+v", code, result.Failures)
		}
	}
}

// TestCaseAlone: a change of letter case that got no answer was not made if the
// account is as it was.
func TestCaseAlone(t *testing.T) {
	before := identity.Account{Primary: numbered(1), Username: "Ann", Directory: "corp", GUID: identity.GUID{15: 1}}
	after := before
	after.Username = "ANN"
	w := newWorld(t, plan.Facts{Marks: true}, []identity.Account{before})
	job := w.job([]plan.AccountChange{{Before: &before, After: &after}}, w.newLedger(), &memory{answers: map[string]Answer{}})
	job.Console = &mute{w.model}
	if result, err := Run(context.Background(), job); err != nil || result.Applied != 0 || len(result.Failures) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestNothingToSend: what is live already, and what the console does not store, is
// written into the ledger alone.
func TestNothingToSend(t *testing.T) {
	before := identity.Account{Primary: numbered(1), Username: "ann", DN: "cn=ann", Directory: "corp", GUID: identity.GUID{15: 1}}
	after := before
	after.DN, after.Username = "cn=ann,ou=x", "ann2"
	w := newWorld(t, plan.Facts{Stores: []string{"aliases", "type", "status"}}, []identity.Account{before})
	result, err := w.run(context.Background(), []plan.AccountChange{{Before: &before, After: &after}}, Options{})
	if err != nil || result.Applied != 1 || len(w.turns) > 0 {
		t.Fatalf("%+v, %v, %v", result, err, w.turns)
	}
	if w.ledger[0].DN != after.DN || w.ledger[0].Username != "ann2" {
		t.Errorf("the ledger has %v", w.ledger)
	}
}

// trying is a console that tries changes on a copy of itself.
type trying struct{ *model }

func (c trying) Try(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	accounts, turns := maps.Clone(c.accounts), c.turns
	err := c.model.Apply(ctx, steps, answer)
	c.accounts, c.turns, c.keys = accounts, turns, map[string]Answer{}
	return err
}

// TestTry: what a console would refuse is reported by account, and nothing is changed.
func TestTry(t *testing.T) {
	for seed := range times(50) {
		changes, start, _ := dealt(seed)
		w := newWorld(t, plan.Facts{Groups: true, Marks: true, DryRun: true}, start)
		job := w.job(changes, w.newLedger(), nil)
		job.Journal, job.Console = nil, trying{w.model}
		w.refuses = func(s *Step) *Error {
			if s.Removes() {
				return &Error{Code: Refused, Message: "no"}
			}
			return nil
		}
		removals := 0
		for i := range changes {
			if changes[i].After == nil {
				removals = 1
			}
		}
		tried, err := Try(context.Background(), job)
		if err != nil || min(len(tried.Refused), 1) != removals || tried.Changes == 0 || tried.Untried != 0 {
			t.Fatalf("seed %d: %+v, %v", seed, tried, err)
		}
		w.equals(t, seed, start)
	}
	if _, err := Try(context.Background(), newWorld(t, plan.Facts{}, nil).job(nil, nil, nil)); !errors.Is(err, ErrNoDryRun) {
		t.Error(err)
	}
}

// TestRate: no more changes are sent in a second than the rate allows.
func TestRate(t *testing.T) {
	var changes []plan.AccountChange
	for i := range 50 {
		changes = append(changes, plan.AccountChange{After: &identity.Account{Primary: numbered(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}}})
	}
	w := newWorld(t, plan.Facts{Marks: true, Batch: 5}, nil)
	begin := w.now
	if result, err := w.run(context.Background(), changes, Options{Rate: 10}); err != nil || result.Applied != 50 {
		t.Fatalf("%+v, %v", result, err)
	}
	if took := w.now.Sub(begin); took < 4*time.Second || took > 5*time.Second {
		t.Errorf("50 changes at 10 a second took %v", took)
	}
}

// quota is a console that takes some changes at a time, and then asks to wait.
type quota struct {
	*world
	most, left int
	asked      int
}

func (q *quota) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	q.left = q.most
	for i := range steps {
		switch {
		case q.left < 0:
			answer(i, Answer{Err: &Error{Code: Cancelled, Message: "not started"}})
		case q.left == 0:
			q.left, q.asked = -1, q.asked+1
			answer(i, Answer{Err: &Error{Code: Throttled, Message: "slow down", RetryAfter: 2 * time.Second}})
		default:
			q.left--
			if err := q.world.Apply(ctx, steps[i:i+1], func(_ int, a Answer) { answer(i, a) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestQuota: a change uses up an attempt when it is sent, and not while it waits behind
// others that are put off; a console that puts off everything fails all after the
// attempts of one.
func TestQuota(t *testing.T) {
	t.Parallel()
	var want []identity.Account
	var changes []plan.AccountChange
	for i := range 100 {
		want = append(want, identity.Account{Primary: numbered(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}})
	}
	for i := range want {
		changes = append(changes, plan.AccountChange{After: &want[i]})
	}
	for _, most := range []int{10, 1, 0} {
		w := newWorld(t, plan.Facts{}, nil)
		q := &quota{world: w, most: most}
		job := w.job(changes, w.newLedger(), &memory{answers: map[string]Answer{}, saved: func(*Ledger) {}})
		job.Console = q
		result, err := Run(t.Context(), job)
		if err != nil || most > 0 && (result.Applied != 100 || len(result.Failures) > 0) {
			t.Errorf("%d at a time: %d applied, %d failed, %v", most, result.Applied, len(result.Failures), err)
		}
		if most == 0 && (len(result.Failures) != 100 || q.asked != DefaultAttempts) {
			t.Errorf("%d failed after %d requests", len(result.Failures), q.asked)
		}
		for _, f := range result.Failures {
			if !strings.Contains(f.Error, "slow down") {
				t.Errorf("%s: %s", f.Account, f.Error)
			}
		}
	}
}

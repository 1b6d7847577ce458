// Package suite is what every store of a state is held to, for the tests of its
// adapter. The files of the local state are one of them.
package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/state"
)

// Subject is the store that is tested.
type Subject struct {
	// New makes a place for a state, in which there is none yet.
	New func(t *testing.T) Place
	// Lease is after what time a lock ends that nobody renews; 0 for locks that do not
	// end by themselves.
	Lease time.Duration
	// Slack is how much longer than its lease a lock is left to its holder.
	Slack time.Duration
	// Fenced says that a run which has lost its lock cannot add to its record.
	Fenced bool
}

// Place is where one state is.
type Place struct {
	// Open opens the store, as another process does; cache is the path of its copy.
	Open func(cache string) *state.Store
	// Break takes the lock away from a holder that may be this process; nil for files.
	Break func(h *state.Holder) error
	// Line is a way there that can break; nil for files.
	Line *Line
	// Restart ends the server at once and starts it again; nil for files. No other
	// test goes on meanwhile.
	Restart func()
}

// Line is a way to the store that can break.
type Line struct {
	// Open opens the store by it.
	Open func(cache string) *state.Store
	// Cut breaks it, and all that goes through it, after so many octets of answers
	// from now on; Mend mends it.
	Cut  func(after int64)
	Mend func()
}

// Run tests a store, but for [Writers].
func Run(t *testing.T, s Subject) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"Chain", chain}, {"Stale", stale}, {"Lock", lock}, {"Wait", wait}, {"Break", breaks}, {"Failing", failing},
		{"Reader", reader}, {"Documents", documents}, {"Records", records}, {"Prune", prune}, {"Cache", cache}, {"LostLock", lostLock},
		{"Paused", paused}, {"Takeover", takeover}, {"Broken", broken}, {"Answer", answer}, {"Absent", absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, s)
		})
	}
	t.Run("Restart", func(t *testing.T) { restart(t, s) })
}

// machine opens the store as one that has not used it yet.
func (p Place) machine(t *testing.T) *state.Store {
	t.Helper()
	return closing(t, p.Open(filepath.Join(t.TempDir(), "s.jsonl")))
}

func (l *Line) machine(t *testing.T) *state.Store {
	t.Helper()
	return closing(t, l.Open(filepath.Join(t.TempDir(), "s.jsonl")))
}

func closing(t *testing.T, s *state.Store) *state.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func address(n int) identity.Address {
	return identity.MustAddress(fmt.Sprintf("a%06d@example.com", n))
}

func account(n int) identity.Account {
	return identity.Account{Primary: address(n), Username: fmt.Sprint("user ", n)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hold takes the lock.
func hold(t *testing.T, s *state.Store) *state.Lock {
	t.Helper()
	l, err := s.Lock(t.Context(), "rollcall apply", time.Minute)
	must(t, err)
	return l
}

// add adds an account to the newest version.
func add(ctx context.Context, s *state.Store, n int) (*state.State, error) {
	st, err := s.Load(ctx)
	if err != nil {
		return nil, err
	}
	st.Accounts = append(st.Accounts, account(n))
	return st, s.Save(ctx, st, "test", time.Now(), nil)
}

// added adds an account under the lock.
func added(t *testing.T, s *state.Store, n int) *state.State {
	t.Helper()
	l := hold(t, s)
	st, err := add(t.Context(), s, n)
	must(t, err)
	must(t, l.Release())
	return st
}

func has(t *testing.T, s *state.Store, serial int64, accounts ...int) {
	t.Helper()
	st, err := s.Load(t.Context())
	must(t, err)
	var want []identity.Address
	for _, n := range accounts {
		want = append(want, address(n))
	}
	slices.SortFunc(want, identity.Address.Compare)
	var got []identity.Address
	for i := range st.Accounts {
		got = append(got, st.Accounts[i].Primary)
	}
	if st.Serial != serial || !slices.Equal(got, want) {
		t.Errorf("version %d has %v, want version %d with %v", st.Serial, got, serial, want)
	}
}

// chain: each version comes after the one before, and others read it at once.
func chain(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	st, err := a.Load(t.Context())
	must(t, err)
	if st.Serial != 0 || st.Lineage != "" {
		t.Fatalf("a state that was never written: %+v", st)
	}
	var all []int
	for n := 1; n <= 12; n++ {
		w, r := a, b
		if n%3 == 0 {
			w, r = b, a
		}
		added(t, w, n)
		all = append(all, n)
		has(t, r, int64(n), all...)
		has(t, w, int64(n), all...)
		if n > 1 {
			before, _, err := r.LoadBackup(t.Context())
			must(t, err)
			if before.Serial != int64(n-1) || len(before.Accounts) != n-1 {
				t.Fatalf("before version %d is version %d with %d accounts", n, before.Serial, len(before.Accounts))
			}
		}
	}
	if a.Lineage(t.Context()) == "" || a.Lineage(t.Context()) != b.Lineage(t.Context()) {
		t.Error("the lineage changes")
	}
}

// stale: what comes after another version than the newest is not committed.
func stale(t *testing.T, s Subject) {
	p := s.New(t)
	a := p.machine(t)
	l := hold(t, a)
	defer l.Release()
	first, err := add(t.Context(), a, 1)
	must(t, err)
	old := *first
	_, err = add(t.Context(), a, 2)
	must(t, err)
	other, unlike := old, old
	other.Lineage, unlike.Sum = strings.Repeat("0", 32), strings.Repeat("0", 64)
	empty := state.State{}
	for name, st := range map[string]*state.State{"older": &old, "foreign": &other, "unlike": &unlike, "empty": &empty} {
		ready := false
		err := a.Save(t.Context(), st, "test", time.Now(), func(*state.State) error { ready = true; return nil })
		if err == nil || ready || !strings.Contains(err.Error(), "somebody else has written") {
			t.Errorf("%s: %v, and it was ready: %t", name, err, ready)
		}
	}
	has(t, p.machine(t), 2, 1, 2)
}

// Writers tests that eight processes that write at the same time lose nothing of each
// other.
func Writers(t *testing.T, s Subject) {
	const many, rounds = 8, 25
	p := s.New(t)
	var group sync.WaitGroup
	for w := range many {
		m := p.machine(t)
		group.Go(func() {
			for r := range rounds {
				l, err := m.Lock(t.Context(), "rollcall apply", 5*time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = add(t.Context(), m, w*rounds+r)
				if err = errors.Join(err, l.Release()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	var all []int
	for n := range many * rounds {
		all = append(all, n)
	}
	has(t, p.machine(t), many*rounds, all...)
}

// lock: nobody gets a lock that is held, and everybody sees by whom.
func lock(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	l := hold(t, a)
	if l.Left != nil {
		t.Errorf("before the first holder there was %v", l.Left)
	}
	var locked *state.LockedError
	if _, err := b.Lock(t.Context(), "rollcall state", 0); !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.Command != "rollcall apply" || !locked.Holder.Running() {
		t.Fatalf("%v", err)
	}
	if s.Lease > 0 && (locked.Ends <= 0 || locked.Ends > s.Lease+s.Slack) {
		t.Errorf("the lock ends in %v, and its lease is %v", locked.Ends, s.Lease)
	}
	must(t, l.Held(t.Context()))
	must(t, l.Release())
	l = hold(t, b)
	if l.Left != nil {
		t.Errorf("%v has given it back", l.Left)
	}
	must(t, l.Release())
	must(t, l.Release())
}

// wait: who waits gets the lock when it is free, and who is interrupted stops waiting.
func wait(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	l := hold(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Lock(ctx, "rollcall state", time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who was interrupted has %v", err)
	}
	time.AfterFunc(300*time.Millisecond, func() { l.Release() })
	must(t, hold(t, b).Release())
}

// breaks: a lock is taken from the holder that was shown, and from nobody else.
func breaks(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	l := hold(t, a)
	var locked *state.LockedError
	if _, err := b.Lock(t.Context(), "rollcall state", 0); !errors.As(err, &locked) {
		t.Fatal(err)
	}
	if err := b.Unlock(t.Context(), locked.Holder); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("the lock of a process that runs: %v", err)
	}
	other := *locked.Holder
	other.Host, other.PID, other.ID = "elsewhere", 1, "another"
	if err := b.Unlock(t.Context(), &other); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("the lock of somebody else: %v", err)
	}
	must(t, l.Held(t.Context()))
	must(t, l.Release())
}

// failing: a version whose writer fails, or that is not wanted in the end, leaves the
// one before.
func failing(t *testing.T, s Subject) {
	p := s.New(t)
	a := p.machine(t)
	added(t, a, 1)
	l := hold(t, a)
	defer l.Release()
	st, err := a.Load(t.Context())
	must(t, err)
	st.Accounts = append(st.Accounts, account(2))
	unwanted := errors.New("unwanted")
	if err := a.Save(t.Context(), st, "test", time.Now(), func(*state.State) error { return unwanted }); !errors.Is(err, unwanted) {
		t.Error(err)
	}
	has(t, p.machine(t), 1, 1)
	must(t, a.Save(t.Context(), st, "test", time.Now(), nil))
	has(t, p.machine(t), 2, 1, 2)
}

// reader: who reads beside a writer reads whole versions, none older than the last, and
// waits for nobody.
func reader(t *testing.T, s Subject) {
	p := s.New(t)
	w := p.machine(t)
	added(t, w, 0)
	l := hold(t, w)
	defer l.Release()
	ended := make(chan error, 1)
	go func() {
		for n := range 40 {
			if _, err := add(t.Context(), w, n+1); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	r := p.machine(t)
	for serial := int64(0); ; {
		select {
		case err := <-ended:
			must(t, err)
			return
		default:
		}
		st, err := r.Load(t.Context())
		must(t, err)
		if st.Serial < serial || len(st.Accounts) != int(st.Serial) {
			t.Fatalf("version %d with %d accounts after version %d", st.Serial, len(st.Accounts), serial)
		}
		serial = st.Serial
	}
}

// documents: notes are replaced as a whole and seen by others.
func documents(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	if all, err := a.Rejections(t.Context()); err != nil || all != nil {
		t.Errorf("%v, %v", all, err)
	}
	at := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	for n := range 3 {
		l := hold(t, a)
		want := map[string]time.Time{}
		for i := range 3 - n {
			want[fmt.Sprint("key ", i, n)] = at
		}
		must(t, a.SaveRejections(t.Context(), want))
		must(t, l.Release())
		got, err := b.Rejections(t.Context())
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// begin begins the record of a run with n account changes.
func begin(t *testing.T, s *state.Store, n int) *state.Recorder {
	t.Helper()
	r, err := s.Begin(t.Context(), run.Head{Started: time.Now(), User: "it", Host: "here", Command: "rollcall apply", Tool: "test", Console: "gateway", Accounts: n, Summary: map[string]int{}})
	must(t, err)
	must(t, r.Changes(t.Context(), n, func(i int) *identity.Change {
		after := account(i)
		return &identity.Change{After: &after}
	}))
	return r
}

func step(n int) []run.Step {
	after := account(n)
	return []run.Step{{Key: fmt.Sprint("k-", n), Change: n, Op: run.Put, Final: true, After: &after, At: time.Now().UTC().Truncate(time.Second)}}
}

// records: what a run writes down others read, also of one that was left in the
// middle, which they end.
func records(t *testing.T, s Subject) {
	p := s.New(t)
	a, b := p.machine(t), p.machine(t)
	l := hold(t, a)
	st := &state.State{}
	for n := range 3 {
		r := begin(t, a, 4)
		for i := range 4 {
			must(t, r.Step(t.Context(), step(i)))
			must(t, r.Answer(t.Context(), []run.Answer{{Key: fmt.Sprint("k-", i), Ref: "u"}}))
		}
		st.Accounts = []identity.Account{account(n)}
		must(t, a.Save(t.Context(), st, "test", time.Now(), func(next *state.State) error { return r.Intend(run.Result{Applied: 4}, next) }))
		must(t, r.End(t.Context(), run.Applied, "", time.Now()))
	}
	must(t, l.Release())
	runs, err := b.Runs(t.Context())
	must(t, err)
	if len(runs) != 3 {
		t.Fatalf("%d runs", len(runs))
	}
	for n := 1; n <= 3; n++ {
		for range 2 { // the second from the copy
			changes := 0
			past, err := b.Run(t.Context(), n, func(*identity.Change) { changes++ })
			must(t, err)
			if changes != 4 || past.Outcome != run.Applied || past.SerialAfter != int64(n) || slices.Contains(past.Done, false) {
				t.Errorf("run %d: %+v with %d changes", n, past, changes)
			}
		}
	}

	l = hold(t, b)
	r := begin(t, b, 2)
	must(t, r.Step(t.Context(), step(0)))
	must(t, r.Answer(t.Context(), []run.Answer{{Key: "k-0", Ref: "u"}}))
	must(t, r.Step(t.Context(), step(1)))
	must(t, l.Release()) // as far as others know
	open, err := a.Unsettled(t.Context())
	must(t, err)
	if open == nil || len(open.Steps) != 2 || len(open.Answers) != 1 {
		t.Fatalf("%+v", open)
	}
	l = hold(t, a)
	defer l.Release()
	past, open, err := a.Settle(t.Context(), time.Now())
	must(t, err)
	if past != nil || open == nil {
		t.Fatalf("%+v, %+v", past, open)
	}
	again, err := a.Resume(t.Context(), open)
	must(t, err)
	must(t, again.Answer(t.Context(), []run.Answer{{Key: "k-1", Ref: "v"}}))
	st, err = a.Load(t.Context())
	must(t, err)
	must(t, a.Save(t.Context(), st, "test", time.Now(), func(next *state.State) error { return again.Intend(run.Result{Applied: 2}, next) }))
	must(t, again.End(t.Context(), run.Applied, "", time.Now()))
	must(t, l.Release()) // by when others have to see it
	found, err := p.machine(t).Run(t.Context(), 4, nil)
	must(t, err)
	if found.Outcome != run.Applied || !found.Settled || slices.Contains(found.Done, false) {
		t.Errorf("%+v", found)
	}
}

// prune: with a run that goes, the version before it does, but for the newest two.
func prune(t *testing.T, s Subject) {
	p := s.New(t)
	a := p.machine(t)
	l := hold(t, a)
	st := &state.State{}
	for n := range 6 {
		r, err := a.Begin(t.Context(), run.Head{Started: time.Now(), Command: "rollcall apply", Tool: "test", Lineage: st.Lineage, Serial: st.Serial, Summary: map[string]int{}})
		must(t, err)
		st.Accounts = []identity.Account{account(n)}
		must(t, a.Save(t.Context(), st, "test", time.Now(), func(next *state.State) error { return r.Intend(run.Result{Applied: 1}, next) }))
		must(t, r.End(t.Context(), run.Applied, "", time.Now()))
	}
	must(t, a.Prune(t.Context(), 90, 3, time.Now()))
	must(t, l.Release())
	b := p.machine(t)
	runs, err := b.Runs(t.Context())
	must(t, err)
	if len(runs) != 3 || runs[0].Number != 4 {
		t.Errorf("%d runs are left: %+v", len(runs), runs)
	}
	has(t, b, 6, 5)
	before, _, err := b.LoadBackup(t.Context())
	must(t, err)
	if before.Serial != 5 {
		t.Errorf("before the newest is version %d", before.Serial)
	}
}

// cache: what another machine wrote is read although there is a copy of what was, a
// copy that was damaged is not believed, and what is no copy stays.
func cache(t *testing.T, s Subject) {
	p := s.New(t)
	if p.Line == nil {
		t.Skip("files are no copy of anything")
	}
	a, b := p.machine(t), p.machine(t)
	added(t, a, 1)
	has(t, b, 1, 1)
	added(t, a, 2)
	has(t, b, 2, 1, 2)
	path := b.Files()[0]
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Replace(text, []byte("user 1"), []byte("user 7"), 1), 0o600))
	has(t, b, 2, 1, 2)
	has(t, b, 2, 1, 2)
	text, err = os.ReadFile(path)
	must(t, err)
	must(t, os.Truncate(path, int64(len(text)-20)))
	has(t, b, 2, 1, 2)

	// The copy of a record.
	l := hold(t, a)
	r := begin(t, a, 1)
	must(t, r.Step(t.Context(), step(0)))
	st, err := a.Load(t.Context())
	must(t, err)
	must(t, a.Save(t.Context(), st, "test", time.Now(), func(next *state.State) error { return r.Intend(run.Result{Applied: 1}, next) }))
	must(t, r.End(t.Context(), run.Applied, "", time.Now()))
	must(t, l.Release())
	for _, damage := range []func(path string) error{
		func(path string) error { return os.Truncate(path, 0) },
		func(path string) error { return os.Truncate(path, 300) },
		func(path string) error {
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, bytes.Replace(text, []byte("user 0"), []byte("user 7"), 1), 0o600))
		},
	} {
		runs, err := b.Runs(t.Context())
		must(t, err)
		if len(runs) != 1 || runs[0].Outcome != run.Applied {
			t.Fatalf("%+v", runs)
		}
		copies, err := filepath.Glob(filepath.Join(filepath.Dir(path), "s.cache", "000001-*.jsonl"))
		must(t, err)
		if len(copies) != 1 {
			t.Fatalf("copies: %v", copies)
		}
		must(t, damage(copies[0]))
		if _, err := b.Run(t.Context(), 1, nil); err != nil {
			t.Error(err)
		}
		l := hold(t, b)
		past, open, err := b.Settle(t.Context(), time.Now())
		must(t, errors.Join(err, l.Release()))
		if past != nil || open != nil {
			t.Errorf("what was damaged here was settled there: %+v, %+v", past, open)
		}
	}
	has(t, b, 3, 1, 2)

	// A state of something else, in the place of the copy.
	foreign := filepath.Join(t.TempDir(), "s.jsonl")
	must(t, state.At(foreign).Save(t.Context(), &state.State{Accounts: []identity.Account{account(9)}}, "test", time.Now(), nil))
	text, err = os.ReadFile(foreign)
	must(t, err)
	c := closing(t, p.Open(foreign))
	if _, err := c.Load(t.Context()); !errors.As(err, new(*state.Error)) {
		t.Errorf("a state that is no copy: %v", err)
	}
	if now, err := os.ReadFile(foreign); err != nil || !bytes.Equal(now, text) {
		t.Errorf("a state that is no copy was replaced: %v", err)
	}
}

// lostLock: who has lost its lock to somebody who broke it writes nothing any more.
func lostLock(t *testing.T, s Subject) {
	p := s.New(t)
	if p.Line == nil {
		t.Skip("the lock of files goes with the process")
	}
	a, b := p.machine(t), p.machine(t)
	added(t, a, 1)
	l := hold(t, a)
	defer l.Release()
	r := begin(t, a, 1)
	defer func() { _ = r.End(context.WithoutCancel(t.Context()), run.Failed, "", time.Now()) }() // which closes its file
	must(t, r.Step(t.Context(), step(0)))
	st, err := a.Load(t.Context())
	must(t, err)
	robbed(t, p, b)
	taken := hold(t, b)
	defer taken.Release()
	for name, f := range map[string]func() error{
		"a version": func() error {
			mine := *st
			return a.Save(t.Context(), &mine, "test", time.Now(), nil)
		},
		"a record": func() error { return r.Step(t.Context(), step(0)) },
		"a note":   func() error { return a.SaveBeat(t.Context(), run.Beat{Read: time.Now()}) },
		"a run": func() error {
			_, err := a.Begin(t.Context(), run.Head{Command: "rollcall apply", Tool: "test", Summary: map[string]int{}})
			return err
		},
	} {
		if !s.Fenced && name != "a version" {
			continue
		}
		if err := f(); !errors.As(err, new(*state.LostError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	has(t, p.machine(t), 1, 1)
	if beat, err := b.Beat(t.Context()); err != nil || !beat.Read.IsZero() {
		t.Errorf("%+v, %v", beat, err)
	}
}

// robbed takes the lock away, whoever has it.
func robbed(t *testing.T, p Place, s *state.Store) {
	t.Helper()
	var locked *state.LockedError
	if _, err := s.Lock(t.Context(), "rollcall state unlock", 0); !errors.As(err, &locked) {
		t.Fatalf("nobody has the lock: %v", err)
	}
	must(t, p.Break(locked.Holder))
}

// paused: a holder that is not heard of for longer than its lease loses the lock to who
// comes, and finds out when it goes on.
func paused(t *testing.T, s Subject) {
	p := s.New(t)
	if s.Lease == 0 {
		t.Skip("locks do not end by themselves")
	}
	added(t, p.machine(t), 1)
	a, b := p.Line.machine(t), p.machine(t)
	l := hold(t, a)
	r := begin(t, a, 2)
	must(t, r.Step(t.Context(), step(0)))
	st, err := a.Load(t.Context())
	must(t, err)
	p.Line.Cut(0)
	begun := time.Now()
	taken := hold(t, b)
	defer taken.Release()
	if waited := time.Since(begun); waited < s.Lease/3 {
		t.Errorf("the lease ended after %v", waited)
	}
	if taken.Left == nil || taken.Left.Command != "rollcall apply" {
		t.Errorf("the holder before was %v", taken.Left)
	}
	p.Line.Mend()
	time.Sleep(50 * time.Millisecond)
	if err := l.Held(t.Context()); !errors.As(err, new(*state.LostError)) {
		t.Errorf("who was paused: %v", err)
	}
	if err := r.Step(t.Context(), step(1)); !errors.As(err, new(*state.LostError)) {
		t.Errorf("a step of who was paused: %v", err)
	}
	if err := a.Save(t.Context(), st, "test", time.Now(), nil); !errors.As(err, new(*state.LostError)) {
		t.Errorf("a version of who was paused: %v", err)
	}
	_, open, err := b.Settle(t.Context(), time.Now())
	must(t, err)
	if open == nil || len(open.Steps) != 1 {
		t.Errorf("%+v", open)
	}
	must(t, taken.Held(t.Context()))
	l.Release()
	must(t, taken.Held(t.Context()))
}

// takeover: nobody gets the lock of who has covered a time and is gone before that is
// over.
func takeover(t *testing.T, s Subject) {
	p := s.New(t)
	if s.Lease == 0 {
		t.Skip("locks do not end by themselves")
	}
	a, b := p.Line.machine(t), p.machine(t)
	l := hold(t, a)
	margin := 2 * s.Lease
	must(t, l.Cover(t.Context(), margin))
	must(t, l.Held(t.Context()))
	begun := time.Now()
	p.Line.Cut(0)
	taken := hold(t, b)
	defer taken.Release()
	if waited := time.Since(begun); waited < margin-time.Second/2 {
		t.Errorf("the lock was to be had after %v, and %v were covered", waited, margin)
	}
	p.Line.Mend()
	l.Release()
}

// broken: nobody gets a lock that was broken before what its holder has covered is over.
// The same goes for one that was given back while that may be under way.
func broken(t *testing.T, s Subject) {
	p := s.New(t)
	if s.Lease == 0 {
		t.Skip("locks do not end by themselves")
	}
	a, b := p.machine(t), p.machine(t)
	const covered = time.Second
	for _, ends := range []func(l *state.Lock){
		func(l *state.Lock) {
			robbed(t, p, b)
			l.Release()
		},
		func(l *state.Lock) {
			l.Linger()
			must(t, l.Release())
		},
	} {
		l := hold(t, a)
		must(t, l.Cover(t.Context(), covered))
		begun := time.Now()
		ends(l)
		left(t, b, begun, covered, s.Slack)
	}
}

// left looks for how long nobody gets a lock.
func left(t *testing.T, b *state.Store, begun time.Time, covered, slack time.Duration) {
	t.Helper()
	var locked *state.LockedError
	if _, err := b.Lock(t.Context(), "rollcall apply", 0); !errors.As(err, &locked) || locked.Holder != nil || locked.Ends <= 0 || locked.Ends > covered+slack {
		t.Errorf("a lock that was broken: %v", err)
	}
	must(t, hold(t, b).Release())
	if waited := time.Since(begun); waited < covered-50*time.Millisecond {
		t.Errorf("the lock was to be had after %v, and %v were covered", waited, covered)
	}
}

// answer: wherever a line breaks, a version is there or not, and whoever is told that
// it is there can rely on it.
func answer(t *testing.T, s Subject) {
	p := s.New(t)
	if p.Line == nil {
		t.Skip("files answer always")
	}
	m := p.machine(t)
	added(t, m, 0)
	n := 1
	for cut := int64(1); cut < 6000 || n < 3 && cut < 1<<18; cut = cut*3/2 + 7 {
		a := p.Line.Open(filepath.Join(t.TempDir(), "s.jsonl"))
		l, err := a.Lock(t.Context(), "rollcall apply", 2*time.Minute)
		must(t, err)
		before, err := a.Load(t.Context())
		must(t, err)
		next := *before
		next.Accounts = append(slices.Clone(next.Accounts), account(n))
		p.Line.Cut(cut)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		saved := a.Save(ctx, &next, "test", time.Now(), nil)
		cancel()
		p.Line.Mend()
		now, err := m.Load(t.Context())
		must(t, err)
		switch {
		case now.Serial == before.Serial+1 && now.Find(address(n)) != nil:
			n++
		case now.Serial != before.Serial:
			t.Fatalf("after %d octets there is version %d, and before it was %d", cut, now.Serial, before.Serial)
		case saved == nil:
			t.Fatalf("after %d octets version %d was said to be there, and is not", cut, before.Serial+1)
		}
		l.Release()
		a.Close()
	}
	st, err := m.Load(t.Context())
	must(t, err)
	must(t, st.Verify("the state"))
	if n < 3 {
		t.Errorf("%d versions came through", n)
	}
}

// restart: a server that is started again has all that it has said yes to, and whoever
// held the lock holds it.
func restart(t *testing.T, s Subject) {
	p := s.New(t)
	if p.Restart == nil {
		t.Skip("there is no server")
	}
	a := p.machine(t)
	added(t, a, 1)
	l := hold(t, a)
	r := begin(t, a, 2)
	must(t, r.Step(t.Context(), step(0)))
	p.Restart()
	must(t, r.Step(t.Context(), step(1)))
	must(t, l.Held(t.Context()))
	st, err := a.Load(t.Context())
	must(t, err)
	st.Accounts = append(st.Accounts, account(2))
	must(t, a.Save(t.Context(), st, "test", time.Now(), func(next *state.State) error { return r.Intend(run.Result{Applied: 2}, next) }))
	must(t, r.End(t.Context(), run.Applied, "", time.Now()))
	must(t, l.Release())
	b := p.machine(t)
	has(t, b, 2, 1, 2)
	past, err := b.Run(t.Context(), 1, nil)
	must(t, err)
	if past.Outcome != run.Applied {
		t.Errorf("%+v", past)
	}
}

// absent: where nothing was written nothing is found.
func absent(t *testing.T, s Subject) {
	p := s.New(t)
	m := p.machine(t)
	if _, _, err := m.LoadBackup(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if past, open, err := m.Settle(t.Context(), time.Now()); past != nil || open != nil || err != nil {
		t.Error(past, open, err)
	}
	if runs, err := m.Runs(t.Context()); err != nil || len(runs) != 0 {
		t.Error(runs, err)
	}
	if _, err := m.New(t.Context()); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	_, _ = io.WriteString(&text, m.String())
	if text.Len() == 0 {
		t.Error("it has no name")
	}
}

package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// voyage is a run on a ledger that changes the accounts of a console: ann gets an
// alias, bob is new, cat goes.
type voyage struct {
	store   *Store
	path    string
	state   *State
	head    run.Head
	changes []identity.Change
}

func newVoyage(t testing.TB, path string) *voyage {
	t.Helper()
	v := &voyage{store: At(path), path: path, state: &State{Accounts: []identity.Account{*person("ann"), *person("cat")}}}
	v.state.Placed = map[identity.Address]identity.Placed{v.state.Accounts[0].Primary: {Ref: "u-1", Applied: began}, v.state.Accounts[1].Primary: {Ref: "u-3", Applied: began}}
	if err := v.store.Save(ctx, v.state, "1.0", began, nil); err != nil {
		t.Fatal(err)
	}
	v.changes = []identity.Change{{Before: person("ann"), After: person("ann", "a")}, {After: person("bob")}, {Before: person("cat")}}
	v.head = run.Head{
		Started: began, User: "ann", Host: "mail1", Command: "rollcall apply", Tool: "1.0", Console: "gateway", Plan: "sha256:1",
		Lineage: v.state.Lineage, Serial: v.state.Serial, Accounts: len(v.changes), Summary: map[string]int{"add": 1},
	}
	return v
}

func (v *voyage) step(change int) run.Step {
	s := run.Step{Key: fmt.Sprintf("k-%d", change), Change: change, Op: run.Put, Final: true, After: v.changes[change].After, At: began.Add(time.Second)}
	if s.After == nil {
		s.Op = run.Remove
	}
	if change == 0 {
		s.Rev, s.Clear = "9", []string{"department", "quota \"x\""}
	}
	return s
}

// answers of a console that has made what it was asked.
func (v *voyage) answer(change int) run.Answer {
	a := run.Answer{Key: fmt.Sprintf("k-%d", change), Ref: fmt.Sprintf("u-%d", change+1), Rev: "10"}
	if after := v.changes[change].After; after != nil {
		found := *after
		found.Directory, found.GUID = "", identity.GUID{}
		a.Found = &found
	}
	return a
}

// begin records the run up to its first step.
func (v *voyage) begin(t testing.TB) *Recorder {
	t.Helper()
	r, err := v.store.Begin(ctx, v.head)
	if err == nil {
		err = r.Changes(ctx, len(v.changes), func(i int) *identity.Change { return &v.changes[i] })
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// learn takes a change over into the ledger, and saves it.
func (v *voyage) learn(t testing.TB, change int, intend func(*State) error) {
	t.Helper()
	c := &v.changes[change]
	if c.Before != nil {
		v.state.drop(c.Before.Primary)
	}
	if c.After != nil {
		v.state.Accounts = append(v.state.Accounts, *c.After)
		v.state.Placed[c.After.Primary] = identity.Placed{Ref: v.answer(change).Ref, Applied: began.Add(time.Second)}
	}
	if err := v.store.Save(ctx, v.state, "1.0", began.Add(time.Second), intend); err != nil {
		t.Fatal(err)
	}
}

// make makes the whole run, and saves the ledger after each change.
func (v *voyage) make(t testing.TB) {
	t.Helper()
	r := v.begin(t)
	for i := range v.changes {
		if err := r.Step(ctx, []run.Step{v.step(i)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Answer(ctx, []run.Answer{v.answer(i)}); err != nil {
			t.Fatal(err)
		}
		var intend func(*State) error
		if i == len(v.changes)-1 {
			intend = func(next *State) error { return r.Intend(run.Result{Applied: 3}, next) }
		}
		v.learn(t, i, intend)
	}
	if err := r.End(ctx, run.Applied, "", began.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
}

// recorded returns the lines of the record of a whole run.
func recorded(t testing.TB, path string) []string {
	t.Helper()
	newVoyage(t, path).make(t)
	text, err := os.ReadFile(recordPath(path, 1))
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(string(text), "\n")
}

// TestJournal: steps and answers stand in the record as the page shows them, the
// ledger is written more than once, and the last version is the one that the run
// has left.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	lines := recorded(t, path)
	const (
		bob    = `{"primary":"bob@example.com","aliases":[],"type":"user","status":"active","directory":"corp","guid":"01000000-0000-0000-0000-000000000000","username":"","dn":"","attributes":{}}`
		found  = `{"primary":"bob@example.com","aliases":[],"type":"user","status":"active","directory":"","guid":"","username":"","dn":"","attributes":{}}`
		step   = `{"step":{"key":"k-1","change":1,"op":"put","ref":"","final":true,"back":false,"after":` + bob + `,"at":"2026-11-21T08:00:01Z"}}` + "\n"
		answer = `{"answer":{"key":"k-1","ref":"u-2","rev":"10","found":` + found + `,"error":""}}` + "\n"
	)
	if len(lines) != 13 || lines[6] != step || lines[7] != answer || !strings.Contains(lines[0], `"console":"gateway"`) {
		t.Errorf("%q", lines)
	}
	store := At(path)
	past, err := store.Run(ctx, 1, nil)
	if err != nil || past.SerialAfter != 4 || past.Outcome != run.Applied || !slices.Equal(past.Done, []bool{true, true, true}) {
		t.Errorf("%+v, %v", past, err)
	}
	if ended, open, err := store.Settle(ctx, began); ended != nil || open != nil || err != nil {
		t.Errorf("settled %+v, %+v, %v", ended, open, err)
	}
	if past, _ := store.Rewound(ctx); past != nil {
		t.Errorf("rewound: %+v", past)
	}
	if s, err := store.Load(ctx); err != nil || s.Serial != 4 || len(s.Placed) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestMisused: a step without its account change, and an answer without a step, are
// not written.
func TestMisused(t *testing.T) {
	v := newVoyage(t, filepath.Join(t.TempDir(), "s.jsonl"))
	r, err := v.store.Begin(ctx, v.head)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Drop(ctx)
	if err := r.Step(ctx, []run.Step{v.step(0)}); err == nil {
		t.Error("a step before the account changes")
	}
	if err := r.Changes(ctx, len(v.changes), func(i int) *identity.Change { return &v.changes[i] }); err != nil {
		t.Fatal(err)
	}
	if err := r.Answer(ctx, []run.Answer{v.answer(0)}); err == nil {
		t.Error("an answer before any step")
	}
	for _, change := range []int{-1, 3} {
		if err := r.Step(ctx, []run.Step{{Key: "k", Change: change}}); err == nil {
			t.Errorf("a step of change %d", change)
		}
	}
}

// TestDone: what became of a change, by its steps and their last answers.
func TestDone(t *testing.T) {
	for _, c := range []struct {
		story string
		lines string // a step "name", final "name!" or back "name<"; an answer "name+" or "name-"
		done  bool
	}{
		{"asked", "a!", false},
		{"made", "a! a+", true},
		{"refused", "a! a-", false},
		{"made at the second attempt", "a! a- a+", true},
		{"found not to be made", "a! a+ a-", false},
		{"a step on the way", "a a+", false},
		{"a step on the way, and the last", "a b! a+ b+", true},
		{"taken back", "a! a+ b< b+", false},
		{"not taken back", "a! a+ b< b-", true},
		{"taken back, or not", "a! a+ b<", true},
		{"taken back, and made again", "a! a+ b< b+ c! c+", true},
		{"known late, and taken back before", "a! b< b+ a+", false},
		{"an answer to no step", "a! b+", false},
	} {
		var j journal
		for word := range strings.FieldsSeq(c.lines) {
			key, kind := word[:1], word[1:]
			switch kind {
			case "+":
				j.answer(&run.Answer{Key: key})
			case "-":
				j.answer(&run.Answer{Key: key, Error: "no"})
			default:
				j.step(&run.Step{Key: key, Final: kind == "!", Back: kind == "<"}, 1)
			}
		}
		if done := j.done(); len(done) != 1 || done[0] != c.done {
			t.Errorf("%s: %v", c.story, done)
		}
	}
}

// TestJournalCutAnywhere: of a record that ends anywhere, every whole line counts.
func TestJournalCutAnywhere(t *testing.T) {
	lines := recorded(t, filepath.Join(t.TempDir(), "s.jsonl"))
	whole := strings.Join(lines, "")
	for n := range len(whole) {
		var read int
		count := func() { read++ }
		s, err := scanRun(strings.NewReader(whole[:n]), reader{
			change: func(*identity.Change) { count() }, step: func(*run.Step) { count() }, answer: func(*run.Answer) { count() },
		})
		for _, is := range []bool{s.head, s.intent != nil, s.end != nil} {
			if is {
				count()
			}
		}
		if good := strings.Count(whole[:n], "\n"); read != good || (err != nil) != (good == 0) {
			t.Fatalf("of the first %d octets, %d lines of %d are read, %v", n, read, good, err)
		}
	}
}

// TestKilledWithSteps leaves a run with steps all over its record, cut short or with
// zeros behind, and with each version of the ledger that there may be at that point.
// The next run has every step that the console may have made, finds out, and ends the
// record.
func TestKilledWithSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	lines := recorded(t, path)
	whole := []byte(strings.Join(lines, ""))
	newest := mustRead(t, path)
	v := newVoyage(t, filepath.Join(t.TempDir(), "s.jsonl"))
	first := mustRead(t, v.path)
	if err := os.Mkdir(v.store.Folders()[0], 0o700); err != nil {
		t.Fatal(err)
	}
	intent := len(whole) - len(lines[len(lines)-2])
	check := func(what string, cut, rest, ledger []byte, steps, answers int) {
		t.Helper()
		mustWrite(t, recordPath(v.path, 1), slices.Concat(cut, rest))
		mustWrite(t, v.path, ledger)
		ended, open, err := v.store.Settle(ctx, began.Add(time.Hour))
		switch {
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		case steps == 0 || len(cut) >= intent && bytes.Equal(ledger, newest):
			want := run.Interrupted
			if steps > 0 {
				want = run.Applied
			}
			if open != nil || ended == nil || ended.Outcome != want {
				t.Fatalf("%s: ended %+v, unsettled %+v", what, ended, open)
			}
			return
		case open == nil || len(open.Changes) != 3 || len(open.Steps) != steps || len(open.Answers) != answers:
			t.Fatalf("%s: ended %+v, unsettled %+v, want %d steps, %d answers", what, ended, open, steps, answers)
		}
		if past, _ := v.store.Rewound(ctx); past != nil {
			t.Fatalf("%s: rewound", what)
		}
		// What the console has made of the last step, it says.
		r, err := v.store.Resume(ctx, open)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		last := open.Steps[steps-1].Change
		if err := r.Answer(ctx, []run.Answer{v.answer(last)}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, again, err := v.store.Settle(ctx, began); err != nil || again == nil || len(again.Answers) != answers+1 {
			t.Fatalf("%s: killed again: %+v, %v", what, again, err)
		}
		st, err := v.store.Load(ctx)
		if err == nil {
			err = v.store.Save(ctx, st, "1.0", began, func(next *State) error { return r.Intend(run.Result{Applied: steps}, next) })
		}
		if err == nil {
			err = r.End(ctx, run.Incomplete, "the run was ended from outside", began.Add(time.Hour))
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		past, err := v.store.Run(ctx, 1, nil)
		if err != nil || past.Outcome != run.Incomplete || !past.Settled || past.Seconds != 0 || past.SerialAfter != st.Serial || !past.Done[last] || past.Done[2] != (last == 2) {
			t.Fatalf("%s: %+v, %v", what, past, err)
		}
		runs, err := v.store.Runs(ctx)
		if err != nil || len(runs) != 1 || !reflect.DeepEqual(runs[0], past.Run) {
			t.Fatalf("%s: %+v, %v", what, runs, err)
		}
	}
	end := 0
	steps, answers := 0, 0
	for _, line := range lines[:len(lines)-1] {
		for _, n := range []int{0, 1, len(line) / 2, len(line) - 1} {
			for _, ledger := range [][]byte{first, newest} {
				check(fmt.Sprintf("cut at %d", end+n), whole[:end+n], nil, ledger, steps, answers)
				check(fmt.Sprintf("zeros from %d", end+n), whole[:end+n], make([]byte, 100), ledger, steps, answers)
			}
		}
		end += len(line)
		switch {
		case strings.HasPrefix(line, string(stepPrefix)):
			steps++
		case strings.HasPrefix(line, string(answerPrefix)):
			answers++
		}
	}
}

// TestUnsettledStays: until somebody has asked the console, a run stays unsettled,
// whatever else is recorded meanwhile, and nothing removes its record.
func TestUnsettledStays(t *testing.T) {
	v := newVoyage(t, filepath.Join(t.TempDir(), "s.jsonl"))
	r := v.begin(t)
	if err := r.Step(ctx, []run.Step{v.step(0), v.step(1)}); err != nil {
		t.Fatal(err)
	}
	v.learn(t, 0, nil) // the process ends
	for range 3 {
		declined, err := v.store.Begin(ctx, run.Head{Started: began})
		if err == nil {
			err = declined.End(ctx, run.Rejected, "no", began)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := v.store.Prune(ctx, 1, 1, began.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	_, open, err := v.store.Settle(ctx, began)
	if err != nil || open == nil || open.Number != 1 || len(open.Steps) != 2 || open.Console != "gateway" || !reflect.DeepEqual(open.Steps[0], v.step(0)) {
		t.Fatalf("%+v, %v", open, err)
	}
	// Nothing of it was made.
	if r, err = v.store.Resume(ctx, open); err != nil {
		t.Fatal(err)
	}
	if err := r.Answer(ctx, []run.Answer{{Key: "k-0", Error: "not made"}, {Key: "k-1", Error: "not made"}}); err != nil {
		t.Fatal(err)
	}
	if err := r.End(ctx, run.Interrupted, "the console has made nothing of it", began); err != nil {
		t.Fatal(err)
	}
	if past, err := v.store.Run(ctx, 1, nil); err != nil || past.Outcome != run.Interrupted || slices.Contains(past.Done, true) {
		t.Errorf("%+v, %v", past, err)
	}
	if ended, open, err := v.store.Settle(ctx, began); ended != nil || open != nil || err != nil {
		t.Errorf("settled again: %+v, %+v, %v", ended, open, err)
	}
}

// TestStepsTogether: groups that are changed at the same time write whole lines.
func TestStepsTogether(t *testing.T) {
	v := newVoyage(t, filepath.Join(t.TempDir(), "s.jsonl"))
	r := v.begin(t)
	var groups sync.WaitGroup
	for i := range v.changes {
		groups.Go(func() {
			for range 5 {
				if err := errors.Join(r.Step(ctx, []run.Step{v.step(i)}), r.Answer(ctx, []run.Answer{v.answer(i)})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	groups.Wait()
	if err := r.End(ctx, run.Failed, "", began); err != nil {
		t.Fatal(err)
	}
	if past, err := v.store.Run(ctx, 1, nil); err != nil || slices.Contains(past.Done, false) {
		t.Errorf("%+v, %v", past, err)
	}
}

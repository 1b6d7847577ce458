package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

var began = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func person(name string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: identity.MustAddress(name + "@example.com"), Directory: "corp", GUID: identity.GUID{1}}
	for _, x := range aliases {
		a.Aliases = append(a.Aliases, identity.MustAddress(x+"@example.com"))
	}
	return a
}

// journey is a run on a state of one account, which gets an alias, while
// another account is new and a third fails.
type journey struct {
	path     string
	state    *State
	head     run.Head
	changes  []identity.Change
	failures []run.Failure
}

func newJourney(t *testing.T) *journey {
	t.Helper()
	j := &journey{path: filepath.Join(t.TempDir(), "mail.state.jsonl"), state: &State{Accounts: []identity.Account{*person("ann")}}}
	if err := At(j.path).Save(ctx, j.state, "1.0", began, nil); err != nil {
		t.Fatal(err)
	}
	j.changes = []identity.Change{
		{Before: person("ann"), After: person("ann", "a.smith")},
		{After: person("bob")},
		{Before: person("cat"), After: person("dog"), Kept: person("cat"), Withheld: true},
		{Before: person("eve"), Gone: true},
	}
	j.head = run.Head{
		Started: began, User: "ann", Host: "mail1", Command: "rollcall apply", Tool: "1.0", Plan: "sha256:1", ConfigDigest: "sha256:2",
		Lineage: j.state.Lineage, Serial: j.state.Serial, Accounts: len(j.changes), Summary: map[string]int{"add": 2},
	}
	return j
}

// next is the state after the run.
func (j *journey) next() *State {
	s := *j.state
	s.Accounts = []identity.Account{*person("ann", "a.smith"), *person("bob")}
	return &s
}

// changed records one account change.
func changed(r *Recorder, c *identity.Change) error {
	return r.Changes(ctx, 1, func(int) *identity.Change { return c })
}

func (j *journey) begin(t *testing.T) *Recorder {
	t.Helper()
	r, err := At(j.path).Begin(ctx, j.head)
	if err != nil {
		t.Fatal(err)
	}
	for i := range j.changes {
		if err := changed(r, &j.changes[i]); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// apply makes the whole run and returns the outcome that it records.
func (j *journey) apply(t *testing.T) run.Outcome {
	t.Helper()
	r := j.begin(t)
	err := At(j.path).Save(ctx, j.next(), "1.0", began.Add(time.Second), func(next *State) error {
		return r.Intend(run.Result{Applied: 1, Withheld: 1, Failures: j.failures}, next)
	})
	if err != nil {
		t.Fatal(err)
	}
	outcome := run.Applied
	if len(j.failures) > 0 {
		outcome = run.Incomplete
	}
	if err := r.End(ctx, outcome, "", began.Add(1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	return outcome
}

// recordPath and notePath are the files of a record and of a note.
func recordPath(path string, number int) string { return notePath(path, recordName(number)) }

func notePath(path, name string) string {
	return filepath.Join(At(path).Folders()[0], name+".jsonl")
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustWrite(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, atomicfile.Mode); err != nil {
		t.Fatal(err)
	}
}

// TestHistory: what is recorded is read again, in the list and in detail, and
// is nobody else's business.
func TestHistory(t *testing.T) {
	j := newJourney(t)
	j.failures = []run.Failure{{Account: "bob@example.com", Error: "the console says no"}}
	j.apply(t)
	r := j.begin(t)
	if err := r.End(ctx, run.Declined, "", began.Add(time.Second)); err != nil {
		t.Fatal(err)
	}

	runs, err := At(j.path).Runs(ctx)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	done := j.head
	done.Number = 1
	ended := began.Add(time.Second)
	want := run.Run{Head: done, Outcome: run.Incomplete, Ended: &ended, Seconds: 1.5,
		Result: run.Result{Applied: 1, Withheld: 1, Failures: j.failures}, SerialAfter: 2, LineageAfter: j.head.Lineage, StateAfter: runs[0].StateAfter}
	if st, err := At(j.path).Load(ctx); err != nil || st.Sum != want.StateAfter {
		t.Errorf("the state has the checksum %v, %v, and after the run it was %q", st, err, want.StateAfter)
	}
	if !reflect.DeepEqual(runs[0], want) {
		t.Errorf("got  %+v\nwant %+v", runs[0], want)
	}
	if r := &runs[1]; r.Number != 2 || r.Outcome != run.Declined || r.Applied != 0 || r.SerialAfter != 1 || r.Failures == nil {
		t.Errorf("declined: %+v", r)
	}
	for n := range runs {
		var changes []identity.Change
		past, err := At(j.path).Run(ctx, n+1, func(c *identity.Change) { changes = append(changes, *c) })
		if err != nil || !reflect.DeepEqual(past.Run, runs[n]) || past.Done != nil {
			t.Errorf("run %d: %+v, %v", n+1, past, err)
		}
		if len(changes) != len(j.changes) {
			t.Fatalf("run %d: %d changes", n+1, len(changes))
		}
		for i := range changes {
			if got, want := appendChange(nil, &changes[i]), appendChange(nil, &j.changes[i]); !bytes.Equal(got, want) {
				t.Errorf("change %d: got %s, want %s", i, got, want)
			}
		}
	}
	if _, err := At(j.path).Run(ctx, 3, nil); err == nil || !strings.Contains(err.Error(), "no run 3") {
		t.Errorf("run 3: %v", err)
	}
	if At(j.path).Folders()[0] != strings.TrimSuffix(j.path, ".jsonl")+".history" {
		t.Errorf("the history is at %s", At(j.path).Folders()[0])
	}
	for path, mode := range map[string]fs.FileMode{At(j.path).Folders()[0]: 0o700, recordPath(j.path, 1): 0o600} {
		if info, err := os.Stat(path); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if past, _, err := At(j.path).Settle(ctx, began); past != nil || err != nil {
		t.Errorf("settled %+v, %v", past, err)
	}
}

// TestPowerLoss leaves a run all over its record: cut short there, or with
// nothing but zeros behind or before, and with the state as it may be at that
// point. The next run finds out what happened.
func TestPowerLoss(t *testing.T) {
	for _, failures := range [][]run.Failure{nil, {{Account: "bob@example.com", Error: "no"}}} {
		j := newJourney(t)
		j.failures = failures
		if failures != nil {
			// A head that is longer than what is read at once.
			j.head.Scopes = []run.Scope{{Name: "staff", Filter: strings.Repeat("(cn=a)", 700)}}
		}
		oldState := mustRead(t, j.path)
		outcome := j.apply(t)
		newState := mustRead(t, j.path)
		record := recordPath(j.path, 1)
		whole := mustRead(t, record)
		ends := []int{} // of the lines
		for i, c := range whole {
			if c == '\n' {
				ends = append(ends, i+1)
			}
		}
		synced := ends[len(ends)-2] // the intent, after which the state may be replaced

		check := func(what string, image, state []byte) {
			t.Helper()
			mustWrite(t, record, image)
			mustWrite(t, j.path, state)
			past, _, err := At(j.path).Settle(ctx, began.Add(time.Hour))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if again, _, err := At(j.path).Settle(ctx, began); again != nil || err != nil {
				t.Fatalf("%s: settled twice: %+v, %v", what, again, err)
			}
			runs, err := At(j.path).Runs(ctx)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			replaced := bytes.Equal(state, newState)
			if len(runs) == 0 {
				if head := whole[:ends[0]]; replaced || bytes.HasPrefix(image, head) {
					t.Fatalf("%s: the run is gone", what)
				}
				if past == nil || past.Outcome != run.Interrupted || !past.Started.IsZero() {
					t.Fatalf("%s: reported %+v", what, past)
				}
				return
			}
			want := run.Interrupted
			if replaced {
				want = outcome
			}
			if runs[0].Outcome != want || replaced && (len(runs[0].Failures) != len(failures) || runs[0].SerialAfter != 2) {
				t.Fatalf("%s: %+v, want %s", what, runs[0], want)
			}
			if past != nil && !reflect.DeepEqual(*past, runs[0]) {
				t.Fatalf("%s: reported %+v, recorded %+v", what, *past, runs[0])
			}
			if _, err := At(j.path).Run(ctx, 1, nil); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if r, err := At(j.path).Begin(ctx, j.head); err != nil || r.Number() != 2 {
				t.Fatalf("%s: the next run: %v", what, err)
			} else {
				r.Drop(ctx)
			}
		}
		for n := range len(whole) {
			if n < synced-300 && n%31 != 0 && !slices.Contains(ends, n) {
				continue
			}
			cut := whole[:n]
			zeros := append(slices.Clone(cut), make([]byte, len(whole)-n)...)
			if n < synced {
				check(fmt.Sprintf("cut at %d", n), cut, oldState)
				check(fmt.Sprintf("zeros from %d", n), zeros, oldState)
				continue
			}
			for _, state := range [][]byte{oldState, newState} {
				check(fmt.Sprintf("cut at %d, after the intent", n), cut, state)
				check(fmt.Sprintf("zeros from %d, after the intent", n), zeros, state)
			}
		}
		// Writes that were not synced arrive in any order: the later of them
		// without the earlier.
		for _, end := range ends[:len(ends)-2] {
			for from := 1; from <= end; from += 17 + from/8 {
				image := slices.Clone(whole[:synced])
				clear(image[end-from : end])
				check(fmt.Sprintf("zeros from %d to %d", end-from, end), image, oldState)
			}
		}
		for _, end := range []int{1, 100, ends[0] - 1, ends[0], synced} {
			image := slices.Clone(whole[:synced])
			clear(image[:end])
			check(fmt.Sprintf("zeros to %d", end), image, oldState)
		}
	}
}

// TestDamaged: what is no crash's doing is reported and left alone.
func TestDamaged(t *testing.T) {
	j := newJourney(t)
	j.apply(t)
	whole := string(mustRead(t, recordPath(j.path, 1)))
	for _, c := range []struct{ name, old, new, list, show string }{
		{"edited", "a.smith", "b.smith", "", "the intent does not fit"},
		{"outcome", `"seconds":1.5`, `"seconds":9.5`, "", ""},
		{"other format", "rollcall-run", "rollcall-fun", "the first line is no head", "the first line is no head"},
		{"later version", `"version":1`, `"version":2,"owner":"hq"`, "reads 1", "reads 1"},
		{"other number", `"number":1`, `"number":5`, "that of run 5", ""},
		{"zeros in the head of what was done", `"user":"ann"`, "\"user\":\"\x00\x00\x00\"", "the first line is no head", "the first line is no head"},
		{"torn change", `{"before":null`, `{"before":`, "", "000001.jsonl:3: not an account change"},
		{"more", "\"sha256\":\"", "\n\"sha256\":\"", "", "000001.jsonl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.new, 1)
			if text == whole {
				t.Fatal("nothing to replace")
			}
			mustWrite(t, recordPath(j.path, 1), []byte(text))
			runs, err := At(j.path).Runs(ctx)
			if err != nil || len(runs) != 1 || (runs[0].Outcome == run.Damaged) != (c.list != "") || !strings.Contains(runs[0].Reason, c.list) {
				t.Errorf("listed: %+v, %v", runs, err)
			}
			_, err = At(j.path).Run(ctx, 1, nil)
			var damage *Error
			if c.list != "" {
				if past, _, err := At(j.path).Settle(ctx, began); past != nil || err != nil || string(mustRead(t, recordPath(j.path, 1))) != text {
					t.Errorf("settled %+v, %v", past, err)
				}
			}
			if c.show == "" && c.list == "" {
				if err != nil {
					t.Errorf("read: %v", err)
				}
			} else if c.show != "" && (!errors.As(err, &damage) || !strings.Contains(err.Error(), c.show)) {
				t.Errorf("read: %v", err)
			} else if damage != nil && strings.Contains(damage.Advice, "or a later one") != (c.name == "later version") {
				t.Errorf("hint: %s", damage.Advice)
			}
		})
	}
}

// TestRewound: a state that is older than its history is distinguished from one that is
// not, or is another.
func TestRewound(t *testing.T) {
	j := newJourney(t)
	old := mustRead(t, j.path)
	j.apply(t)
	now := mustRead(t, j.path)
	if err := j.begin(t).End(ctx, run.Failed, "", began); err != nil {
		t.Fatal(err)
	}
	another := &State{}
	if err := At(filepath.Join(t.TempDir(), "s")).Save(ctx, another, "1.0", began, nil); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := another.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		state   []byte
		rewound bool
		serial  int64
	}{
		{"as the run left it", now, false, 0},
		{"the version before", old, true, 1},
		{"of another lineage", text.Bytes(), true, 0},
		{"damaged", []byte("\x00"), false, 0},
	} {
		mustWrite(t, j.path, c.state)
		past, serial := At(j.path).Rewound(ctx)
		if (past != nil) != c.rewound || serial != c.serial || past != nil && (past.Number != 1 || past.SerialAfter != 2) {
			t.Errorf("%s: %+v, version %d", c.what, past, serial)
		}
	}
}

// TestLost: a state that a run has written, or that has a backup, and that is not
// there, was lost; one is begun anew only where there is none, or none with accounts.
func TestLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r, err := At(path).Begin(ctx, run.Head{Started: began})
	if err := errors.Join(err, r.End(ctx, run.Failed, "", began)); err != nil {
		t.Fatal(err)
	}
	if s, err := At(path).Load(ctx); err != nil || s.Serial != 0 {
		t.Errorf("a run that failed has written no state: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "s")
	s := &State{}
	if err := At(empty).Save(ctx, s, "1.0", began, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := At(empty).New(ctx); err != nil || got.Lineage != s.Lineage || got.Serial != 1 {
		t.Errorf("one that is empty: %+v, %v", got, err)
	}
	s = &State{Accounts: []identity.Account{*person("ann")}}
	r, err = At(path).Begin(ctx, run.Head{Started: began})
	err = errors.Join(err, At(path).Save(ctx, s, "1.0", began, func(next *State) error {
		return r.Intend(run.Result{}, next)
	}), r.End(ctx, run.Applied, "", began))
	if err != nil {
		t.Fatal(err)
	}
	var there *Error
	if _, err := At(path).New(ctx); !errors.As(err, &there) {
		t.Errorf("there is a state: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var lost *Error
	if _, err := At(path).Load(ctx); !errors.As(err, &lost) || !strings.Contains(lost.Reason, "run 2, of 2026-") || !strings.Contains(lost.Advice, "--new-state") || strings.Contains(lost.Advice, "cp ") {
		t.Errorf("lost: %v", err)
	}
	mustWrite(t, backupName(path), []byte("a copy"))
	if _, err := At(path).Load(ctx); !errors.As(err, &lost) || !strings.Contains(lost.Advice, "cp "+backupName(path)+" "+path) {
		t.Errorf("lost, with a backup: %v", err)
	}
	anew, err := At(path).New(ctx)
	if err != nil || anew.Serial != 0 || anew.Lineage != "" {
		t.Errorf("anew: %+v, %v", anew, err)
	}
	runs, err := At(path).Runs(ctx)
	if err != nil || LineageLeft(runs, 2) != s.Lineage || LineageLeft(runs, 1) != "" || Begun(runs, s.Lineage).Number != 2 || Begun(runs, "another") != nil {
		t.Errorf("%+v, %v", runs, err)
	}
	// The first records do not say which lineage their run left.
	runs[1].LineageAfter = ""
	next := run.Run{Head: run.Head{Number: 3, Lineage: s.Lineage}, Outcome: run.Applied}
	if got := LineageLeft(runs, 2); got != "" {
		t.Errorf("nothing says it, and it is %s", got)
	}
	if got := LineageLeft(append(runs, next), 2); got != s.Lineage {
		t.Errorf("the next run says it, and it is %q", got)
	}
}

// TestSharing: of two states that would share a history, each is warned of the
// other; nobody else is in the way.
func TestSharing(t *testing.T) {
	dir := t.TempDir()
	plain, named := filepath.Join(dir, "st"), filepath.Join(dir, "st.jsonl")
	if At(plain).Folders()[0] != At(named).Folders()[0] {
		t.Fatal("they share none")
	}
	mustWrite(t, plain, []byte("a note\n"))
	if other := At(named).Sharing(); other != "" {
		t.Errorf("%s is no state", other)
	}
	if err := os.Remove(plain); err != nil {
		t.Fatal(err)
	}
	if err := At(plain).Save(ctx, &State{}, "1.0", began, nil); err != nil {
		t.Fatal(err)
	}
	if other := At(named).Sharing(); other != plain {
		t.Errorf("beside %s: %q", plain, other)
	}
	if other := At(plain).Sharing(); other != "" {
		t.Errorf("it is alone, beside %s", other)
	}
	if err := os.Rename(plain, named); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(named, plain); err != nil {
		t.Skip(err)
	}
	if info, err := os.Lstat(plain); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("there are no symbolic links here")
	}
	if At(plain).Sharing() != "" || At(named).Sharing() != "" {
		t.Error("one state, and a link to it")
	}
}

// TestPrune: records go by age and by number, but not what is still needed, and
// what changed nothing goes before what changed something.
func TestPrune(t *testing.T) {
	j := newJourney(t)
	day := 24 * time.Hour
	later := began.Add(300 * day)
	add := func(outcome run.Outcome, started time.Time) {
		t.Helper()
		j.head.Started, j.head.Expires = started, &later
		r := j.begin(t)
		if outcome.Changed() {
			if err := r.Intend(run.Result{Applied: 1}, &State{Sum: "sum"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.End(ctx, outcome, "", started); err != nil {
			t.Fatal(err)
		}
	}
	left := func() string {
		numbers, err := At(j.path).numbers(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(numbers)
	}
	// One run a day, but for the clock of the third, which was wrong.
	for i, outcome := range []run.Outcome{run.Applied, run.Rejected, run.Failed, run.Applied, run.Failed, run.Incomplete, run.Withheld, run.Failed} {
		started := began.Add(time.Duration(i) * day)
		if i == 2 {
			started = later.Add(100 * day)
		}
		add(outcome, started)
	}
	for _, c := range []struct {
		what       string
		days, most int
		now        time.Time
		want       string
	}{
		{"young and few", 90, 1000, began.Add(10 * day), "[1 2 3 4 5 6 7 8]"},
		{"seven at most", 90, 7, began.Add(10 * day), "[1 2 4 5 6 7 8]"},
		{"five at most", 90, 5, began.Add(10 * day), "[1 2 4 6 8]"},
		{"four at most, and a rejection that stands", 90, 4, began.Add(10 * day), "[2 4 6 8]"},
		{"one at most", 90, 1, began.Add(10 * day), "[2 6 8]"},
		{"all too old, but what undo needs", 1, 1000, began.Add(200 * day), "[2 6 8]"},
		{"the rejected plan has expired", 1, 1, later.Add(day), "[6 8]"},
	} {
		if err := At(j.path).Prune(ctx, c.days, c.most, c.now); err != nil || left() != c.want {
			t.Errorf("%s: %s, want %s, %v", c.what, left(), c.want, err)
		}
	}
	add(run.Failed, later.Add(100*day))
	add(run.Failed, later)
	add(run.Failed, later)
	if err := At(j.path).Prune(ctx, 90, 1000, later.Add(91*day)); err != nil || left() != "[6 9 11]" {
		t.Errorf("after a clock in the future: %s, %v", left(), err)
	}
	// Edits and undone runs read nothing.
	j.head.Scopes = []run.Scope{{Name: "staff"}}
	add(run.Applied, later)
	add(run.Applied, later)
	j.head.Undoes = 13
	add(run.Applied, later)
	j.head.Undoes, j.head.Scopes = 0, nil
	add(run.Applied, later)
	add(run.Failed, later)
	if err := At(j.path).Prune(ctx, 90, 1, later.Add(day)); err != nil || left() != "[13 15 16]" {
		t.Errorf("after edits: %s, %v", left(), err)
	}
}

// FuzzRun: no text makes the reader fall over, and what it takes for the whole
// record of a run is written again to the same.
func FuzzRun(f *testing.F) {
	j := &journey{path: filepath.Join(f.TempDir(), "s.jsonl"), head: run.Head{Started: began, Accounts: 1}}
	r, err := At(j.path).Begin(ctx, j.head)
	if err != nil {
		f.Fatal(err)
	}
	err = errors.Join(changed(r, &identity.Change{Before: person("ann"), After: person("ann", "a")}), r.Intend(run.Result{Applied: 1}, &State{Sum: "sum"}), r.End(ctx, run.Applied, "", began))
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(recordPath(j.path, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(strings.Join(recorded(f, filepath.Join(f.TempDir(), "steps.jsonl")), "")))
	f.Add([]byte(strings.Join(strings.SplitAfter(string(whole), "\n")[:2], "")))
	path := filepath.Join(f.TempDir(), "again.jsonl")
	f.Fuzz(func(t *testing.T, text []byte) {
		lastLines(bytes.NewReader(text))
		var changes []identity.Change
		var journal []func(*Recorder) error
		s, err := scanRun(bytes.NewReader(text), reader{
			change: func(c *identity.Change) { changes = append(changes, *c) },
			step: func(s *run.Step) {
				journal = append(journal, func(r *Recorder) error { return r.Step(ctx, []run.Step{*s}) })
			},
			answer: func(a *run.Answer) {
				journal = append(journal, func(r *Recorder) error { return r.Answer(ctx, []run.Answer{*a}) })
			},
		})
		if s.length > int64(len(text)) {
			t.Fatalf("%d octets of %d are good", s.length, len(text))
		}
		if err != nil || s.end == nil || s.intent == nil {
			return
		}
		os.RemoveAll(At(path).Folders()[0])
		r, err := At(path).Begin(ctx, s.past.Head)
		if err != nil {
			t.Skip(err) // a time that JSON does not have
		}
		for i := range changes {
			if err := changed(r, &changes[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, entry := range journal {
			if err := entry(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(r.Intend(s.intent.Result, &State{Serial: s.intent.SerialAfter, Lineage: s.intent.LineageAfter, Sum: s.intent.State}), r.End(ctx, s.end.Outcome, s.end.Reason, s.past.Started)); err != nil {
			t.Fatal(err)
		}
		again := 0
		past, err := At(path).Run(ctx, 1, func(c *identity.Change) {
			if again >= len(changes) || !bytes.Equal(appendChange(nil, c), appendChange(nil, &changes[again])) {
				t.Errorf("change %d differs", again)
			}
			again++
		})
		if err != nil || again != len(changes) {
			t.Fatalf("%d changes of %d, %v", again, len(changes), err)
		}
		if !slices.Equal(past.Done, s.journal.done()) {
			t.Fatalf("got %v, want %v", past.Done, s.journal.done())
		}
		if !reflect.DeepEqual(past.Result, s.past.Result) || past.SerialAfter != s.past.SerialAfter || past.Plan != s.past.Plan || !past.Started.Equal(s.past.Started.Truncate(time.Second)) {
			t.Fatalf("got %+v, want %+v", past, s.past)
		}
	})
}

// FuzzRecord: whatever texts a run has, they are read as they were written.
func FuzzRecord(f *testing.F) {
	f.Add("ann", "rollcall apply plan.json", "no\nway", "a, b", uint16(3))
	f.Add("\x7f\U000e0041\u202e", "\u2028{\"outcome\":", "</script>", "\x00", uint16(0))
	path := filepath.Join(f.TempDir(), "s.jsonl")
	f.Fuzz(func(t *testing.T, user, command, reason, failure string, n uint16) {
		for _, text := range []*string{&user, &command, &reason, &failure} {
			*text = strings.ToValidUTF8(*text, "?")
		}
		os.RemoveAll(At(path).Folders()[0])
		want := run.Run{Head: run.Head{Number: 1, Started: began, User: user, Command: command, Accounts: 1, Summary: map[string]int{"add": int(n)}},
			Outcome: run.Incomplete, Reason: reason, Ended: &began, Result: run.Result{Applied: int(n), Failures: []run.Failure{}}, SerialAfter: int64(n), StateAfter: reason}
		for range n % 500 {
			want.Failures = append(want.Failures, run.Failure{Account: user, Error: failure})
		}
		r, err := At(path).Begin(ctx, want.Head)
		if err != nil {
			t.Fatal(err)
		}
		c := identity.Change{Before: person("ann"), After: person("ann", "a")}
		c.After.DN = command
		if err := errors.Join(changed(r, &c), r.Intend(want.Result, &State{Serial: want.SerialAfter, Sum: reason}), r.End(ctx, want.Outcome, reason, began)); err != nil {
			t.Fatal(err)
		}
		read, err := At(path).Run(ctx, 1, nil)
		if err != nil || !reflect.DeepEqual(read.Run, want) {
			t.Errorf("read %+v, %v, want %+v", read, err, want)
		}
		if runs, err := At(path).Runs(ctx); err != nil || len(runs) != 1 || !reflect.DeepEqual(runs[0], want) {
			t.Errorf("listed %+v, %v, want %+v", runs, err, want)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s.jsonl")
	c := identity.Change{After: person("ann.smith", "a.smith", "ann")}
	c.After.Attributes = []identity.Attribute{{Name: "display_name", Value: "Ann Smith"}}
	c.After.DN = "CN=Ann Smith,OU=Staff,DC=corp,DC=example,DC=com"
	const n = 1_000_000
	for b.Loop() {
		r, err := At(path).Begin(ctx, run.Head{Started: began, Accounts: n})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			if err := changed(r, &c); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(r.Intend(run.Result{Applied: n}, &State{Sum: "sum"}), r.End(ctx, run.Applied, "", began)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		r.Drop(ctx)
		b.StartTimer()
	}
}

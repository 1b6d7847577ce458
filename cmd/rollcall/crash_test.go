package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/state"
)

// accident is a plan in which everything moves that can: a chain of addresses,
// a swap of two primaries, a leaver and people who are new. What must not move
// is there too: an account on legal hold, a protected one whose entry is gone,
// and a local one whose address somebody wants.
type accident struct {
	program, dir, path string            // of rollcall, the configuration and the state
	before, after      []byte            // the accounts, without the run and once it is applied
	hook               *hook             // of notices; nil for none
	office             stateElsewhere    // where the state is; nil for files
	shared             *state.Store      // the state there, once it is opened
	fresh              map[string][]byte // the files of the state as it was before the run
}

// stateElsewhere is where a state is that is not in files.
type stateElsewhere interface {
	begin(t *testing.T, a *accident)
	open(t *testing.T, dir string) *state.Store
	leaves(dir string, log *strings.Builder) error // so that the next run is another machine's
}

func newAccident(t *testing.T, statePath string) *accident {
	t.Helper()
	return newAccidentIn(t, statePath, nil)
}

func newAccidentIn(t *testing.T, statePath string, office stateElsewhere) *accident {
	t.Helper()
	a := &accident{program: program(t), dir: t.TempDir(), path: statePath, office: office}
	if a.path == "" {
		a.path = filepath.Join(a.dir, "rollcall.state.jsonl")
	}
	var people, accounts strings.Builder
	person := func(n int, primary string, aliases ...string) {
		fmt.Fprintf(&people, "dn: cn=%d,dc=corp\nobjectGUID: %08d-1111-4222-8333-000000000001\nmail: %s@example.com\n", n, n, primary)
		for _, x := range aliases {
			fmt.Fprintf(&people, "proxyAddresses: smtp:%s@example.com\n", x)
		}
		people.WriteString("\n")
	}
	account := func(n int, primary, aliases string) {
		fmt.Fprintf(&accounts, `{"primary": "%s@example.com", "aliases": [%s], "directory": "corp", "guid": "%08d-1111-4222-8333-000000000001", "dn": "cn=%d,dc=corp"}`+"\n", primary, aliases, n, n)
	}
	account(1, "ann", `"first@example.com"`)
	account(2, "bob", `"second@example.com"`)
	account(3, "cat", `"third@example.com"`)
	account(4, "gone", ``)
	account(5, "held", `"kept@example.com"`)
	account(6, "chief", ``)
	accounts.WriteString(`{"primary": "door@example.com", "aliases": ["gate@example.com"]}` + "\n")
	person(1, "bob", "third")
	person(2, "ann", "first")
	person(3, "cat", "second")
	person(5, "renamed", "held")
	person(7, "wants", "gate")
	for n := 10; n < 40; n++ {
		person(n, fmt.Sprintf("new%d", n), fmt.Sprintf("other%d", n))
	}
	config := "directory \"corp\" {\n kind = \"ldif\"\n path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"all\" {\n directory = directory.corp\n guid_attribute = \"objectGUID\"\n}\n" +
		"legal_hold \"case\" {\n addresses = [\"kept@example.com\"]\n reason = \"a case\"\n}\nprotected \"board\" {\n addresses = [\"chief@example.com\"]\n reason = \"the board\"\n}\n"
	if office == nil {
		config += fmt.Sprintf("state {\n path = %q\n}\n", a.path)
	}
	for name, text := range map[string]string{"rollcall.hcl": config, "corp.ldif": people.String(), "accounts.jsonl": accounts.String()} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.reset(t)
	a.before = a.accounts(t)
	if out, code := a.run(t, "apply", "--auto-approve"); code != 0 {
		t.Fatalf("undisturbed: exit %d\n%s", code, out)
	}
	if a.after = a.accounts(t); bytes.Equal(a.before, a.after) {
		t.Fatal("the plan changes nothing")
	}
	for _, name := range []string{"held", "chief", "door"} {
		line := regexp.MustCompile(`(?m)^{"primary":"` + name + `@.*$`)
		if found := line.Find(a.before); found == nil || !bytes.Equal(found, line.Find(a.after)) {
			t.Errorf("what must stay was %s and became %s", found, line.Find(a.after))
		}
	}
	return a
}

// reset makes the state as it was before the run.
func (a *accident) reset(t *testing.T) {
	t.Helper()
	for _, name := range append(state.At(a.path).Files(), state.At(a.path).Folders()[0]) {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	if a.office != nil {
		a.office.begin(t, a)
		return
	}
	for name, text := range a.fresh {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if a.fresh == nil {
		if out, code := a.run(t, "state", "import", filepath.Join(a.dir, "accounts.jsonl")); code != 0 {
			t.Fatalf("import: exit %d\n%s", code, out)
		}
		a.fresh = map[string][]byte{}
		for _, name := range state.At(a.path).Files() {
			if text, err := os.ReadFile(name); err == nil {
				a.fresh[name] = text
			}
		}
	}
	if a.hook != nil {
		a.hook.next("/ops")
	}
	// The history has nothing but what the test is about.
	if err := os.RemoveAll(state.At(a.path).Folders()[0]); err != nil {
		t.Fatal(err)
	}
}

// store is where the state is.
func (a *accident) store(t *testing.T) *state.Store {
	t.Helper()
	if a.office == nil {
		return state.At(a.path)
	}
	if a.shared == nil {
		a.shared = a.office.open(t, a.dir)
	}
	return a.shared
}

func (a *accident) command(args ...string) *exec.Cmd {
	return exec.Command(a.program, append([]string{"-C", a.dir}, args...)...)
}

func (a *accident) run(t *testing.T, args ...string) (talk string, code int) {
	t.Helper()
	cmd := a.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return stderr.String(), cmd.ProcessState.ExitCode()
}

// accounts returns what the state has, which must be whole.
func (a *accident) accounts(t *testing.T) []byte {
	t.Helper()
	s, err := a.store(t).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(a.path); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for i := range s.Accounts {
		all = append(s.Accounts[i].AppendJSON(all), '\n')
	}
	return all
}

// recovers checks what a run left that ended somehow: all of its plan or
// nothing, and a further run says what happened and ends where an undisturbed
// one does. It returns whether the first run had written the state.
func (a *accident) recovers(t *testing.T, what string) (changed bool) {
	t.Helper()
	now := a.accounts(t)
	changed = bytes.Equal(now, a.after)
	if !changed && !bytes.Equal(now, a.before) {
		t.Fatalf("%s: half of the plan is done:\n%s", what, now)
	}
	unfinished := 0
	for _, r := range a.runs(t) {
		if r.Outcome == run.Unfinished {
			unfinished++
		}
	}
	log := &strings.Builder{}
	if a.office != nil {
		if err := a.office.leaves(a.dir, log); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, log)
		}
	}
	talk, code := a.run(t, "apply", "--auto-approve")
	if code != 0 {
		t.Fatalf("%s: the next run: exit %d\n%s", what, code, talk)
	}
	talk = log.String() + talk
	if told := strings.Count(talk, "was killed"); told != unfinished {
		t.Errorf("%s: %d unfinished, %d reported:\n%s", what, unfinished, told, talk)
	}
	if end := a.accounts(t); !bytes.Equal(end, a.after) {
		t.Fatalf("%s: after the next run:\n%s", what, end)
	}
	if s, err := a.store(t).Load(t.Context()); err != nil || s.Serial != 2 {
		t.Errorf("%s: version %d, so it was applied twice", what, s.Serial)
	}
	applied := 0
	for _, r := range a.runs(t) {
		if r.Outcome.Changed() {
			applied++
			if r.Settled != (changed && unfinished > 0) {
				t.Errorf("%s: run %d settled: %t", what, r.Number, r.Settled)
			}
		} else if r.Outcome != run.Interrupted && r.Outcome != run.Failed {
			t.Errorf("%s: run %d is %s", what, r.Number, r.Outcome)
		}
		if _, err := a.store(t).Run(t.Context(), r.Number, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if applied != 1 {
		t.Errorf("%s: the history has %d runs that changed something", what, applied)
	}
	a.told(t, what)
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(a.path), ".*.tmp*")); err != nil || len(left) > 0 && !changed && a.office == nil {
		t.Errorf("%s: left behind: %v", what, left)
	}
	return changed
}

// told checks what people were told of a run that ended somehow and of the next one:
// once each of what was applied and of what is rejected, though perhaps more than once
// by the same id.
func (a *accident) told(t *testing.T, what string) {
	t.Helper()
	if a.hook == nil {
		return
	}
	ids := map[run.NoticeKind]map[string]bool{run.NoticeApplied: {}, run.NoticeNewRejections: {}}
	for _, n := range a.hook.next("/ops") {
		switch {
		case n.Kind == run.NoticeFailed:
			continue // of one that was interrupted
		case ids[n.Kind] == nil:
			t.Errorf("%s: told %s %s: %s", what, n.Kind, n.Phase, n.Title)
			continue
		}
		ids[n.Kind][n.id] = true
	}
	for kind, all := range ids {
		if len(all) != 1 {
			t.Errorf("%s: %d notices %s", what, len(all), kind)
		}
	}
	if box, err := a.store(t).Outbox(t.Context()); err != nil {
		t.Error(err)
	} else if len(box.Messages) > 0 || box.Draft != nil {
		t.Errorf("%s: left in the outbox: %+v", what, box)
	}
}

func (a *accident) runs(t *testing.T) []run.Run {
	t.Helper()
	runs, err := a.store(t).Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// TestKilledAtRandom kills applies at random moments.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	most := cases(60)
	if testing.Short() {
		most = 20
	}
	a := newAccident(t, "")
	a.reset(t)
	start := time.Now()
	a.run(t, "apply", "--auto-approve")
	longest := time.Since(start)
	random := rand.New(rand.NewPCG(1, 2))
	killed, changed, n := 0, 0, 0
	for ; killed < most && n < 5*most; n++ {
		a.reset(t)
		cmd := a.command("apply", "--auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration(random.Int64N(int64(longest)))
		time.AfterFunc(moment, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		if a.recovers(t, fmt.Sprintf("kill %d, after %v", n, moment)) {
			changed++
		}
	}
	t.Logf("%d of %d were killed; %d had written the state", killed, n, changed)
	if killed < most {
		t.Errorf("only %d of %d were killed", killed, n)
	}
}

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/state"
)

// newUpheaval is a company in which everything is about to move.
func newUpheaval(marks, removes bool) *company {
	w := &company{random: rand.New(rand.NewPCG(1, 2))}
	w.facts.Batch, w.facts.Ledger = 2, true
	if marks {
		w.facts.Owner = "stored"
	}
	if removes {
		w.facts.Inactive = "removed"
	}
	for range 7 {
		w.join()
	}
	return w
}

// upheave changes the directory: two swap primaries, somebody leaves and somebody else
// gets the address, somebody gets another name, and others come and go.
func (w *company) upheave() {
	p := w.people
	p[0].addresses[0], p[1].addresses[0] = p[1].addresses[0], p[0].addresses[0]
	p[2].addresses = append(p[2].addresses, p[3].addresses[0])
	p[3].addresses = nil
	p[4].addresses = append([]string{w.address()}, p[4].addresses...)
	p[5].name = "Somebody Else"
	p[6].addresses = nil
	w.join()
	w.join()
}

// TestConsoleKilledAtEachCall kills an apply over a connector before each call by
// which it changes a file, and interrupts another one there. The next run ends where
// an undisturbed one does: where the state is in a database, on another machine. Short
// of an attack, each of the first three tries another third of the calls, and the others
// a twentieth.
func TestConsoleKilledAtEachCall(t *testing.T) {
	t.Parallel()
	rollcall := program(t)
	told := newHook(t)
	office := newSharedOffice(t)
	for i, c := range []struct {
		name           string
		marks, removes bool
		sig            syscall.Signal
		shared         bool
	}{
		{"killed", true, false, syscall.SIGKILL, false},
		{"killed, without marks", false, true, syscall.SIGKILL, false},
		{"interrupted", false, false, syscall.SIGINT, false},
		{"killed, in a database", true, true, syscall.SIGKILL, true},
		{"killed, in a database, without marks", false, false, syscall.SIGKILL, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			step, states := 3, 3
			if c.shared {
				step, states = 20, 2
			}
			if os.Getenv("ROLLCALL_ATTACK") != "" {
				step, states = 1, 5
			}
			dir := t.TempDir()
			w := newUpheaval(c.marks, c.removes)
			start := &premises{dir: filepath.Join(dir, "start"), log: &strings.Builder{}}
			if err := errors.Join(os.Mkdir(start.dir, 0o700), start.found(w)); err != nil {
				t.Fatalf("%v\n%s", err, start.log)
			}
			w.upheave()
			if err := errors.Join(start.write("corp.ldif", w.ldif()), start.configure(w, time.Minute)); err != nil {
				t.Fatal(err)
			}
			reference, err := start.copyTo(filepath.Join(dir, "reference"))
			if err != nil {
				t.Fatal(err)
			}
			tells := func(p *premises, path string) {
				if err := p.write("notify.hcl", told.block("ops", path)); err != nil {
					t.Fatal(err)
				}
			}
			// applied counts the accounts of which people were told that they were changed.
			applied := func(path string) (n int) {
				seen := map[string]bool{}
				for _, notice := range told.next(path) {
					if notice.Kind == run.NoticeApplied && !seen[notice.id] {
						seen[notice.id] = true
						n += notice.Count
					}
				}
				return n
			}
			path := fmt.Sprintf("/%d/", i)
			tells(reference, path+"reference")
			want, err := reference.end(w)
			if err != nil {
				t.Fatalf("undisturbed: %v\n%s", err, reference.log)
			}
			changed := applied(path + "reference")
			if changed < 5 {
				t.Fatalf("%d accounts were changed", changed)
			}
			calls, made := 0, map[string]bool{}
			for n := 1 + i%step; ; n += step {
				p, err := start.copyTo(filepath.Join(dir, fmt.Sprint(n)))
				if err != nil {
					t.Fatal(err)
				}
				tells(p, path+fmt.Sprint(n))
				if c.shared {
					if err := errors.Join(office.move(p, ""), p.configure(w, 300*time.Millisecond)); err != nil {
						t.Fatalf("%v\n%s", err, p.log)
					}
				}
				a := accident{program: rollcall, dir: p.dir}
				call, ws := signalled(t, a.command("apply", "--auto-approve"), n, c.sig)
				if call == "" {
					break
				}
				calls++
				what := fmt.Sprintf("%s at call %d, %s", c.sig, n, call)
				if c.sig == syscall.SIGINT && !(ws.Exited() && (ws.ExitStatus() == 0 || ws.ExitStatus() == 130)) {
					t.Errorf("%s: ended with %v", what, ws)
				}
				v, err := p.vault()
				if err != nil {
					t.Fatal(err)
				}
				made[strings.Join(v.contents(), "\n")] = true
				if c.shared {
					if err := p.elsewhere(); err != nil {
						t.Fatalf("%s: %v\n%s", what, err, p.log)
					}
				}
				got, err := p.end(w)
				if err != nil {
					t.Fatalf("%s: %v\n%s", what, err, p.log)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s: it does not end as without: %s\n%s", what, diff, p.log)
				}
				if n := applied(path + fmt.Sprint(n)); n != changed {
					t.Errorf("%s: people were told of %d accounts, and %d were changed\n%s", what, n, changed, p.log)
				}
				os.RemoveAll(p.dir)
			}
			t.Logf("%d calls, which left the console in %d states", calls, len(made))
			if calls < 30/step || len(made) < states {
				t.Errorf("%d calls, which left the console in %d states: they are not those that matter", calls, len(made))
			}
		})
	}
}

// TestConsoleKilledAtClaim kills a first apply, and one that takes a console over, before
// each call by which it changes a file, up to the first changes of accounts. The console
// never belongs to a state that is not there but by --new-state, and the next run of the
// same command ends where an undisturbed one does.
func TestConsoleKilledAtClaim(t *testing.T) {
	t.Parallel()
	rollcall := program(t)
	for _, takes := range []bool{false, true} {
		t.Run(fmt.Sprintf("takes over %t", takes), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := newUpheaval(true, false)
			start := &premises{dir: filepath.Join(dir, "start"), log: &strings.Builder{}}
			err := errors.Join(os.Mkdir(start.dir, 0o700), os.Mkdir(start.console(), 0o700), start.configure(w, time.Minute), start.write("corp.ldif", w.ldif()),
				withVault(start.console(), func(v *vault) bool {
					v.Facts = w.facts
					if takes {
						v.Ledgers = map[string]string{faultyOwner: strings.Repeat("5a", 16)}
					}
					return true
				}))
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"apply", "--auto-approve"}
			if takes {
				args = append(args, "--new-state")
			}
			reference, err := start.copyTo(filepath.Join(dir, "reference"))
			if err == nil {
				_, err = reference.undisturbed(args...)
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference.end(w)
			if err != nil {
				t.Fatal(err)
			}
			calls, unclaimed, claimed, changed := 0, 0, 0, 0
			for n := 1; changed < 2 || os.Getenv("ROLLCALL_ATTACK") != ""; n++ {
				p, err := start.copyTo(filepath.Join(dir, fmt.Sprint(n)))
				if err != nil {
					t.Fatal(err)
				}
				a := accident{program: rollcall, dir: p.dir}
				call, _ := signalled(t, a.command(args...), n, syscall.SIGKILL)
				if call == "" {
					break
				}
				calls++
				st, err := state.At(filepath.Join(p.dir, "rollcall.state.jsonl")).Load(t.Context())
				if err != nil {
					t.Fatalf("call %d, %s: %v", n, call, err)
				}
				v, err := p.vault()
				if err != nil {
					t.Fatal(err)
				}
				is := v.Ledgers[faultyOwner]
				switch {
				case st.Serial == 0 && is != "" && !takes, st.Serial == 0 && len(v.Rows) > 0, len(v.Rows) > 0 && is != st.Lineage:
					t.Errorf("call %d, %s: the state is %q, and the console has %q and %d accounts", n, call, st.Lineage, is, len(v.Rows))
				case st.Serial > 0 && is != st.Lineage:
					unclaimed++
				case st.Serial > 0 && len(v.Rows) == 0:
					claimed++
				case len(v.Rows) > 0:
					changed++
				}
				again := args
				if len(st.Accounts) > 0 {
					again = args[:2]
				}
				if _, err := p.undisturbed(again...); err != nil {
					t.Fatalf("call %d, %s: %v\n%s", n, call, err, p.log)
				}
				got, err := p.end(w)
				if err != nil {
					t.Fatalf("call %d, %s: %v\n%s", n, call, err, p.log)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("call %d, %s: it does not end as without: %s\n%s", n, call, diff, p.log)
				}
				os.RemoveAll(p.dir)
			}
			t.Logf("%d calls; %d left a state that had not claimed the console yet, %d one that had, and no accounts", calls, unclaimed, claimed)
			if calls < 10 || unclaimed == 0 || claimed == 0 {
				t.Error("they are not those that matter")
			}
		})
	}
}

// TestTablesTakenOverKilledAtEachCall kills an apply that takes tables for Postfix over for
// a new state, before each call by which it changes a file; short of an attack, before every
// fifth. The tables belong to one state or the other and have all rows of before or of
// after, and the next run ends where an undisturbed one does.
func TestTablesTakenOverKilledAtEachCall(t *testing.T) {
	t.Parallel()
	step := 5
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		step = 1
	}
	rollcall := program(t)
	d := t.TempDir()
	first := overTables(t, d)
	first.directory(somebody{1, "ann a1", ""}, somebody{2, "bob b1", ""})
	first.follow()
	names := []string{"recipients", "aliases"}
	was := ledgerOfTables(t, d)
	tables := func() (texts []string) {
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(d, name))
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		return texts
	}
	rows := func() (all string) {
		for _, text := range tables() {
			_, rows, _ := strings.Cut(text, "\n")
			all += rows
		}
		return all
	}
	before, rowsBefore := tables(), rows()
	kept, taken, after := 0, 0, ""
	for n := 0; ; n += step { // the first is undisturbed
		for i, name := range names {
			if err := os.WriteFile(filepath.Join(d, name), []byte(before[i]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		second := overTables(t, d)
		second.directory(somebody{1, "ann a1", ""}, somebody{2, "bob b1", ""}, somebody{3, "carl", ""})
		if n > 0 {
			call, _ := signalled(t, exec.Command(rollcall, "-C", second.dir, "apply", "--auto-approve", "--new-state"), n, syscall.SIGKILL)
			if call == "" {
				break
			}
			if now := ledgerOfTables(t, d); now == was {
				kept++
			} else if taken++; now != (&premises{dir: second.dir}).lineage(t) {
				t.Errorf("killed at call %d, %s: the tables belong to %q", n, call, now)
			}
			if got := rows(); got != rowsBefore && got != after {
				t.Errorf("killed at call %d, %s: the tables have\n%s", n, call, got)
			}
		}
		if _, talk, code := second.run("apply", "--auto-approve"); code != exitOK {
			if !strings.Contains(talk, "begin anew with --new-state") {
				t.Fatalf("exit %d after call %d: %s", code, n, talk)
			}
			second.must(exitOK, "apply", "--auto-approve", "--new-state")
		}
		second.quiet()
		if now := ledgerOfTables(t, d); now != (&premises{dir: second.dir}).lineage(t) {
			t.Errorf("after call %d, the tables belong to %q", n, now)
		}
		if n == 0 {
			after = rows()
		} else if got := rows(); got != after {
			t.Errorf("after call %d, the tables have\n%s", n, got)
		}
	}
	t.Logf("%d runs had taken the tables over, %d had not", taken, kept)
	if taken < 2 || kept < 2 {
		t.Error("the calls are not those that matter")
	}
}

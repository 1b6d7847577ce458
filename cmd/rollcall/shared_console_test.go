//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestConsoleKeptFromTwo: a runner stops in the middle of an apply, as a machine that is
// suspended, while the console is at a change for nearly as long as it may. Its lease
// ends, another one takes over and finishes. The first then goes on: it makes no other
// change, says that it has lost the lock, and all is as if there had been one runner.
func TestConsoleKeptFromTwo(t *testing.T) {
	t.Parallel()
	program(t)
	office := newSharedOffice(t)
	for _, c := range []struct {
		marks  bool
		points []int // at which the first is stopped: the console is about to make that change
	}{{true, []int{8, 11, 14}}, {false, []int{6, 10, 13}}} {
		w, start, want := upheaved(t, c.marks, c.marks)
		for _, point := range c.points {
			t.Run(fmt.Sprintf("marks %t, point %d", c.marks, point), func(t *testing.T) {
				t.Parallel()
				first, err := start.copyTo(filepath.Join(t.TempDir(), "first"))
				if err == nil {
					err = errors.Join(office.move(first, ""), first.configure(w, 4500*time.Millisecond))
				}
				var second *premises
				if err == nil {
					second, err = first.neighbour(filepath.Join(t.TempDir(), "second"))
				}
				if err != nil {
					t.Fatal(err)
				}
				const linger = 4 * time.Second // longer than a lease
				cmd, talk := first.stopped(t, faults{KillAt: point, Signal: int(syscall.SIGSTOP), Linger: linger})
				begun := time.Now()
				if _, err := second.undisturbed("apply", "--auto-approve", "--lock-timeout", "1m"); err != nil {
					t.Fatalf("the second runner: %v\n%s", err, second.log)
				}
				if waited := time.Since(begun); waited < linger {
					t.Errorf("the second runner had done all after %v, while the console may have been at a change of the first", waited)
				}
				after, err := second.vault()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // its code says it
				code := exitCode(cmd.ProcessState.ExitCode())
				if code != exitIncomplete && code != exitLocked || !strings.Contains(talk.String(), "the lock was taken away") {
					t.Errorf("the first runner ended with %d:\n%s", code, talk)
				}
				now, err := second.vault()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(after.contents(), now.contents()); diff != "" {
					t.Errorf("the first runner went on: %s\n%s", diff, talk)
				}
				got, err := second.end(w)
				if err != nil {
					t.Fatalf("%v\n%s\nthe first:\n%s", err, second.log, talk)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("it does not end as with one runner: %s\n%s\nthe first:\n%s", diff, second.log, talk)
				}
			})
		}
	}
}

// TestConsoleLineLost: the line to the state breaks somewhere in an apply, once or more
// often. Whatever was made by then, the next apply ends where an undisturbed one does,
// and people were not told that nothing was changed where something was.
func TestConsoleLineLost(t *testing.T) {
	t.Parallel()
	program(t)
	office := newSharedOffice(t)
	for _, marks := range []bool{true, false} {
		w, start, want := upheaved(t, marks, !marks)
		for seed := range cases(3) {
			t.Run(fmt.Sprintf("marks %t, %d", marks, seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(uint64(seed), 3))
				proxy := servertest.NewProxy(t, "postgres://"+office.server.Host)
				p, err := start.copyTo(filepath.Join(t.TempDir(), "copy"))
				if err == nil {
					err = errors.Join(office.move(p, strings.TrimPrefix(proxy.URL, "postgres://")), p.configure(w, 300*time.Millisecond))
				}
				if err != nil {
					t.Fatal(err)
				}
				whole := proxy.Sent() // of the migration
				for range 1 + random.IntN(2) {
					before, err := p.vault()
					if err != nil {
						t.Fatal(err)
					}
					proxy.CutAll(random.Int64N(2*whole), servertest.Reset)
					out, talk, code := at(t.Context(), nil, false, "-C", p.dir, "apply", "--auto-approve", "--lock-timeout", "1m")
					fmt.Fprintf(p.log, "$ rollcall apply, over a line that breaks\n%s%sexit %d\n", out, talk, code)
					proxy.Cut(0, servertest.Whole)
					after, err := p.vault()
					if err != nil {
						t.Fatal(err)
					}
					changed := !slices.Equal(before.contents(), after.contents())
					switch code {
					case exitOK, exitIncomplete:
					case exitUnreachable, exitLocked, exitFailed:
						if changed {
							t.Errorf("something was changed, and the apply ended with %d:\n%s", code, p.log)
						}
					default:
						t.Errorf("the apply ended with %d:\n%s", code, p.log)
					}
				}
				got, err := p.end(w)
				if err != nil {
					t.Fatalf("%v\n%s", err, p.log)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("it does not end as without: %s\n%s", diff, p.log)
				}
			})
		}
	}
}

// upheaved are a company and its premises before everything moves, and how an apply ends
// that nothing disturbs.
func upheaved(t *testing.T, marks, removes bool) (w *company, start *premises, want ending) {
	t.Helper()
	w = newUpheaval(marks, removes)
	start = &premises{dir: filepath.Join(t.TempDir(), "start"), log: &strings.Builder{}}
	if err := errors.Join(os.Mkdir(start.dir, 0o700), start.found(w)); err != nil {
		t.Fatalf("%v\n%s", err, start.log)
	}
	w.upheave()
	if err := start.write("corp.ldif", w.ldif()); err != nil {
		t.Fatal(err)
	}
	reference, err := start.copyTo(filepath.Join(t.TempDir(), "reference"))
	if err != nil {
		t.Fatal(err)
	}
	want, err = reference.end(w)
	if err != nil {
		t.Fatalf("undisturbed: %v\n%s", err, reference.log)
	}
	return w, start, want
}

// neighbour is another machine with the same configuration, console and state.
func (p *premises) neighbour(dir string) (*premises, error) {
	n := &premises{dir: dir, log: &strings.Builder{}}
	err := os.Mkdir(dir, 0o700)
	for _, name := range []string{"rollcall.hcl", "state.hcl", "corp.ldif"} {
		text, failed := os.ReadFile(filepath.Join(p.dir, name))
		err = errors.Join(err, failed, n.write(name, string(text)))
	}
	return n, errors.Join(err, os.Symlink(p.console(), n.console()))
}

// stopped begins an apply that is stopped by its console.
func (p *premises) stopped(t *testing.T, f faults) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	text, err := json.Marshal(&f)
	if err == nil {
		err = p.write("console/faults.json", string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"points", "processes", "pid"} {
		os.Remove(filepath.Join(p.console(), name))
	}
	cmd := exec.Command("rollcall", "-C", p.dir, "apply", "--auto-approve")
	talk := &strings.Builder{}
	cmd.Stderr = talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if err := p.write("console/pid", fmt.Sprint(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		state := string(status[strings.LastIndex(string(status), ")")+2])
		switch {
		case state == "T":
			return cmd, talk
		case state == "Z", time.Now().After(deadline):
			_ = cmd.Wait()
			t.Fatalf("the apply was not stopped:\n%s", talk)
		}
	}
}

// TestConsoleNeedsMarks: a store that cannot look at the lock in the step that writes is
// refused for a console that stores no marks, before anything is asked of it, and is good
// for one that does.
func TestConsoleNeedsMarks(t *testing.T) {
	t.Parallel()
	program(t)
	for _, marks := range []bool{false, true} {
		w := newUpheaval(marks, false)
		p := &premises{dir: filepath.Join(t.TempDir(), "start"), log: &strings.Builder{}}
		if err := errors.Join(os.Mkdir(p.dir, 0o700), p.found(w)); err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		w.upheave()
		web := httptest.NewServer(&stateServer{})
		defer web.Close()
		err := errors.Join(p.write("corp.ldif", w.ldif()), p.write("state.hcl", fmt.Sprintf("state {\n http {\n  address = \"%s/states/corp\"\n }\n}\n", web.URL)))
		if err == nil {
			_, err = p.undisturbed("state", "migrate", "--auto-approve")
		}
		var before vault
		if err == nil {
			before, err = p.vault()
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		if out, talk, code := at(t.Context(), nil, false, "-C", p.dir, "plan"); code != exitOK || strings.Contains(strings.Join(strings.Fields(out), " "), "nothing can be applied") == marks {
			t.Errorf("marks %t: plan: exit %d\n%s%s", marks, code, out, talk)
		}
		_, talk, code := at(t.Context(), nil, false, "-C", p.dir, "apply", "--auto-approve")
		after, err := p.vault()
		if err != nil {
			t.Fatal(err)
		}
		changed := !slices.Equal(before.contents(), after.contents())
		switch {
		case marks && (code != exitOK || !changed):
			t.Errorf("with marks: exit %d, changed: %t\n%s", code, changed, talk)
		case !marks && (code != exitFailed || changed || !strings.Contains(talk, `console "faulty" does not store whose its accounts are`) || !strings.Contains(talk, "postgres")):
			t.Errorf("without marks: exit %d, changed: %t\n%s", code, changed, talk)
		}
	}
}

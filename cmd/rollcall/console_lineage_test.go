//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/state"
)

// rival is a second configuration with the same owner on the same console, and without a
// state.
func (p *premises) rival(t *testing.T) *premises {
	t.Helper()
	n := &premises{dir: t.TempDir(), log: &strings.Builder{}}
	for _, name := range []string{"rollcall.hcl", "corp.ldif"} {
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		if err := errors.Join(err, n.write(name, string(text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(p.console(), n.console()); err != nil {
		t.Fatal(err)
	}
	return n
}

// lineage is that of the state of the premises.
func (p *premises) lineage(t *testing.T) string {
	t.Helper()
	st, err := state.LoadFile(filepath.Join(p.dir, "rollcall.state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return st.Lineage
}

// remembered is what the console has as the ledger of the owner.
func (p *premises) remembered(t *testing.T) string {
	t.Helper()
	v, err := p.vault()
	if err != nil || len(v.Wrong) > 0 {
		t.Fatalf("%v, %q", err, v.Wrong)
	}
	return v.Ledgers[faultyOwner]
}

// says runs a command, which ends with a code and says something.
func (p *premises) says(t *testing.T, code exitCode, told string, args ...string) {
	t.Helper()
	os.Remove(filepath.Join(p.console(), "faults.json"))
	out, talk, got := at(context.Background(), nil, false, append([]string{"-C", p.dir}, args...)...)
	if got != code || !strings.Contains(talk, told) || told == "" && strings.Contains(talk, "another state") {
		t.Errorf("rollcall %s: exit %d, not %d with %q\n%s%s", strings.Join(args, " "), got, code, told, out, talk)
	}
}

// headquarters is a place with a state, whose console has all accounts.
func headquarters(t *testing.T, change func(*company)) (*premises, *company) {
	t.Helper()
	w := newUpheaval(true, false)
	change(w)
	p := &premises{dir: filepath.Join(t.TempDir(), "first"), log: &strings.Builder{}}
	if err := errors.Join(os.Mkdir(p.dir, 0o700), p.found(w)); err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	return p, w
}

// TestConsoleOfTwoStates: of two states with one owner on one console, the second is
// refused by all that reads it for its accounts, until it takes the console over; then the
// first is.
func TestConsoleOfTwoStates(t *testing.T) {
	t.Parallel()
	for _, changes := range []bool{false, true} {
		t.Run(fmt.Sprintf("changes %t", changes), func(t *testing.T) {
			t.Parallel()
			first, w := headquarters(t, func(*company) {})
			was := first.lineage(t)
			if first.remembered(t) != was {
				t.Errorf("the console has %q, and the state is %q", first.remembered(t), was)
			}
			if changes {
				w.upheave()
			}
			if err := first.write("corp.ldif", w.ldif()); err != nil {
				t.Fatal(err)
			}
			saved := filepath.Join(first.dir, "plan.json")
			first.says(t, exitOK, "", "plan", "-o", "json="+saved)
			second := first.rival(t)
			before, err := first.vault()
			if err != nil {
				t.Fatal(err)
			}
			refused := fmt.Sprintf(`console "faulty": the accounts of owner "hq" belong to another state, %s, and there is no state here yet`, was[:8])
			ann := w.people[0].addresses[0]
			for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}, {"explain", ann}} {
				second.says(t, exitFailed, refused, args...)
				second.says(t, exitFailed, "hint: if the other state is gone, begin anew with --new-state, which takes the console over; otherwise give this configuration another owner", args...)
			}
			second.says(t, exitOK, "warning: "+refused, "console")
			second.says(t, exitOK, "", "plan", "--new-state")
			if after, err := first.vault(); err != nil || cmp.Diff(before, after) != "" {
				t.Errorf("%v, %s", err, cmp.Diff(before, after))
			}
			first.says(t, exitOK, "", "plan")

			second.says(t, exitOK, "", "apply", "--auto-approve", "--new-state")
			is := second.lineage(t)
			if is == was || second.remembered(t) != is {
				t.Errorf("the console has %q, the states are %q and %q", second.remembered(t), was, is)
			}
			refused = fmt.Sprintf(`belong to another state, %s, and this one is %s`, is[:8], was[:8])
			for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}, {"apply", saved}, {"undo", "1"}, {"state", "release", w.people[1].addresses[0], "--auto-approve"}} {
				first.says(t, exitFailed, refused, args...)
				first.says(t, exitFailed, "move this state away and begin anew with --new-state", args...)
			}
			second.says(t, exitOK, "", "apply", "--auto-approve")
			second.says(t, exitOK, "", "plan", "--detailed-exitcode")
			for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.jsonl.backup"} {
				if err := os.Rename(filepath.Join(first.dir, name), filepath.Join(first.dir, "old."+name)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			first.says(t, exitOK, "", "apply", "--auto-approve", "--new-state")
			second.says(t, exitFailed, "belong to another state", "plan")
		})
	}
}

// TestConsoleWithoutLedger: a console that does not remember ledgers is used as it is, and
// is asked nothing of the kind.
func TestConsoleWithoutLedger(t *testing.T) {
	t.Parallel()
	first, _ := headquarters(t, func(w *company) { w.facts.Ledger = false })
	if l := first.remembered(t); l != "" {
		t.Errorf("it remembers %q", l)
	}
	second := first.rival(t)
	second.says(t, exitOK, "", "plan")
	second.says(t, exitOK, "", "apply", "--auto-approve")
	first.says(t, exitOK, "", "plan")
}

// TestConsoleClaimedLater: a console that remembers ledgers from now on is claimed by the
// next apply that changes something; plans that were made before still fit.
func TestConsoleClaimedLater(t *testing.T) {
	t.Parallel()
	first, w := headquarters(t, func(w *company) { w.facts.Ledger = false })
	w.upheave()
	if err := first.write("corp.ldif", w.ldif()); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(first.dir, "plan.json")
	first.says(t, exitOK, "", "plan", "-o", "json="+saved)
	if err := withVault(first.console(), func(v *vault) bool { v.Facts.Ledger = true; return true }); err != nil {
		t.Fatal(err)
	}
	first.says(t, exitOK, "", "plan")
	if l := first.remembered(t); l != "" {
		t.Errorf("it remembers %q", l)
	}
	first.says(t, exitOK, "", "apply", saved)
	if l := first.remembered(t); l != first.lineage(t) {
		t.Errorf("it remembers %q", l)
	}
}

// answering calls a function before it answers yes.
type answering struct {
	before func()
	said   bool
}

func (a *answering) Read(b []byte) (int, error) {
	if a.said {
		select {}
	}
	a.before()
	a.said = true
	return copy(b, "yes\n"), nil
}

// TestConsoleClaimedMeanwhile: who was asked while another state has claimed the console
// changes nothing there. A new state that was written for the claim can be begun anew.
func TestConsoleClaimedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newUpheaval(true, false)
	first := &premises{dir: filepath.Join(t.TempDir(), "first"), log: &strings.Builder{}}
	if err := errors.Join(os.Mkdir(first.dir, 0o700), os.Mkdir(first.console(), 0o700), first.configure(w, time.Minute), first.write("corp.ldif", w.ldif()),
		withVault(first.console(), func(v *vault) bool { v.Facts = w.facts; return true })); err != nil {
		t.Fatal(err)
	}
	second := first.rival(t)
	_, talk, code := at(context.Background(), &answering{before: func() { second.says(t, exitOK, "", "apply", "--auto-approve") }}, true, "-C", first.dir, "apply")
	if code != exitFailed || !strings.Contains(talk, "belong to another state, "+second.lineage(t)[:8]+", and this one is "+first.lineage(t)[:8]) || !strings.Contains(talk, "begin anew with --new-state") || strings.Contains(talk, "move this state away") {
		t.Errorf("exit %d, %s", code, talk)
	}
	if first.remembered(t) != second.lineage(t) {
		t.Error("the claim of the second is gone")
	}
	second.says(t, exitOK, "", "plan", "--detailed-exitcode")
	first.says(t, exitFailed, "belong to another state", "apply", "--auto-approve")
	first.says(t, exitOK, "", "apply", "--auto-approve", "--new-state")
	if first.remembered(t) != first.lineage(t) {
		t.Error("the first has not taken the console over")
	}
	first.says(t, exitOK, "", "plan", "--detailed-exitcode")
	first.says(t, exitFailed, "there is one already", "plan", "--new-state")
}

// overTables is a configuration without a state whose accounts are in tables for Postfix.
func overTables(t *testing.T, folder string) *kindSite {
	t.Helper()
	k := &kindSite{World: &worlds.World{}, t: t, kind: "postfix", dir: t.TempDir()}
	k.configure(fmt.Sprintf("recipients = %q\naliases = %q\nmap = \"texthash\"\nreload = [\"true\"]\n", filepath.Join(folder, "recipients"), filepath.Join(folder, "aliases")))
	return k
}

// ledgerOfTables is what tables have as the ledger of their owner.
func ledgerOfTables(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "recipients"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	_, lineage, _ := strings.Cut(line, " ledger=")
	return lineage
}

// TestTablesOfTwoStates: two states with one owner on one pair of tables for Postfix find
// each other out by the header of the recipients. Tables of before, which do not say whose
// state they are of, are claimed by the next change, and so are those that were lost.
func TestTablesOfTwoStates(t *testing.T) {
	t.Parallel()
	d := t.TempDir()
	path := filepath.Join(d, "recipients")
	site := func() *kindSite {
		k := overTables(t, d)
		k.directory(somebody{1, "ann a1", ""}, somebody{2, "bob", ""})
		return k
	}
	remembered := func() string { return ledgerOfTables(t, d) }
	claimed := func(k *kindSite) {
		t.Helper()
		if is := (&premises{dir: k.dir}).lineage(t); remembered() != is {
			t.Errorf("the tables have %q, and the state is %q", remembered(), is)
		}
	}
	refused := func(k *kindSite, args ...string) {
		t.Helper()
		if talk := k.must(exitFailed, args...); !strings.Contains(talk, `the accounts of owner "hq" belong to another state, `+remembered()[:8]) || !strings.Contains(talk, "--new-state") {
			t.Errorf("rollcall %s: %s", strings.Join(args, " "), talk)
		}
	}
	first, second := site(), site()
	first.follow()
	claimed(first)
	refused(second, "plan")
	refused(second, "apply", "--auto-approve")
	first.quiet()
	second.must(exitOK, "apply", "--auto-approve", "--new-state")
	claimed(second)
	second.quiet()
	first.directory(somebody{1, "ann a1", ""})
	refused(first, "apply", "--auto-approve")

	text, err := os.ReadFile(path)
	if err := errors.Join(err, os.WriteFile(path, []byte(strings.Replace(string(text), " ledger="+remembered(), "", 1)), 0o600)); err != nil {
		t.Fatal(err)
	}
	if talk := second.must(exitOK, "plan"); strings.Contains(talk, "by hand") {
		t.Errorf("a header of before is an edit: %s", talk)
	}
	second.directory(somebody{1, "ann a2", ""}, somebody{2, "bob", ""}, somebody{3, "carl", ""})
	second.follow()
	claimed(second)
	for _, name := range []string{"recipients", "aliases"} {
		if err := os.Remove(filepath.Join(d, name)); err != nil {
			t.Fatal(err)
		}
	}
	second.must(exitOK, "apply", "--auto-approve", "--allow-empty")
	claimed(second)
	second.quiet()
}

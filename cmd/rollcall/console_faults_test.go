//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-cli/rollcall/state"
)

var (
	faultsFrom = flag.Int("faults.from", 0, "the first seed of TestConsoleKilled")
	faultsRuns = flag.Int("faults.runs", 0, "how many seeds TestConsoleKilled tries; 1 shows what happens")
)

// The worlds of TestConsoleKilled: a directory, which changes, and a console, which
// somebody edits by hand.
type human struct {
	number    int
	addresses []string // the primary first; none of one that is not there
	username  string
	name      string
	unit      string
}

type company struct {
	random *rand.Rand
	people []*human
	fresh  int
	facts  vaultFacts
	scope  string // more of the scope
	config string // the console block but for its timeout
}

// faultyOwner is that of the configuration.
const faultyOwner = "hq"

func newCompany(seed uint64) *company {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &company{random: r}
	f := &w.facts
	chance := func(percent int) bool { return r.IntN(100) < percent }
	if chance(50) {
		f.Owner = "stored"
	}
	f.Groups = chance(40)
	if chance(50) {
		f.Inactive = "removed"
	}
	if chance(80) {
		f.Batch = 1 + r.IntN(5)
	}
	if chance(40) {
		f.Stores = []string{"aliases", "status", "number"}
		for _, name := range []string{"type", "username", "dn", "display_name"} {
			if chance(50) {
				f.Stores = append(f.Stores, name)
			}
		}
	}
	if f.Owner == "stored" && chance(20) {
		unstable := false
		f.RefStable = &unstable
	}
	if chance(20) {
		f.Settles = 0.1
	}
	f.Ledger = seed%3 > 0
	w.config = fmt.Sprintf("concurrency = %d\n max_attempts = %d\n", 1+r.IntN(3), 1+r.IntN(4))
	if chance(50) {
		w.scope = "\n on_guid_change = \"rebind\""
	}
	if chance(25) {
		w.config += " verify = false\n"
	}
	if chance(30) {
		w.config += " initial = { policy = \"ungrouped\" }\n"
	}
	for range 6 + r.IntN(8) {
		w.join()
	}
	return w
}

// address returns one that nobody has had yet.
func (w *company) address() string {
	w.fresh++
	return fmt.Sprintf("x%02d@example.com", w.fresh)
}

func (w *company) join(addresses ...string) {
	h := &human{number: len(w.people) + 1, addresses: addresses}
	if len(addresses) == 0 {
		h.addresses = []string{w.address()}
	}
	for range w.random.IntN(3) {
		h.addresses = append(h.addresses, w.address())
	}
	h.username = fmt.Sprintf("user%02d", h.number)
	h.name, h.unit = fmt.Sprintf("Person %d", h.number), "Staff"
	w.people = append(w.people, h)
}

// some returns so many people who are there, or nil.
func (w *company) some(n int) []*human {
	var all []*human
	for _, h := range w.people {
		if len(h.addresses) > 0 {
			all = append(all, h)
		}
	}
	if len(all) < n+1 {
		return nil
	}
	w.random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:n]
}

// turn changes the directory in one way.
func (w *company) turn() {
	r := w.random
	pick := func(h *human) *string { return &h.addresses[r.IntN(len(h.addresses))] }
	switch kind := r.IntN(11); kind {
	case 0:
		w.join()
	case 1: // somebody leaves
		if all := w.some(1); all != nil {
			all[0].addresses = nil
		}
	case 2: // somebody leaves, and a new one gets an address
		if all := w.some(1); all != nil {
			x := *pick(all[0])
			all[0].addresses = nil
			w.join(x)
		}
	case 3: // somebody leaves, and somebody else gets an address as alias
		if all := w.some(2); all != nil {
			all[1].addresses = append(all[1].addresses, *pick(all[0]))
			all[0].addresses = nil
		}
	case 4: // another name; the old one stays, or not
		if all := w.some(1); all != nil {
			old := all[0].addresses
			if r.IntN(2) == 0 {
				old = old[1:]
			}
			all[0].addresses = append([]string{w.address()}, old...)
			all[0].username += "n"
		}
	case 5, 6: // a swap, or a ring
		if all := w.some(2 + r.IntN(3)); all != nil {
			first := make([]*string, len(all))
			for i, h := range all {
				if first[i] = pick(h); kind == 5 {
					first[i] = &h.addresses[0]
				}
			}
			x := *first[0]
			for i := range first[1:] {
				*first[i] = *first[i+1]
			}
			*first[len(first)-1] = x
		}
	case 7: // an alias goes to somebody else
		if all := w.some(2); all != nil && len(all[0].addresses) > 1 {
			last := len(all[0].addresses) - 1
			all[1].addresses = append(all[1].addresses, all[0].addresses[last])
			all[0].addresses = all[0].addresses[:last]
		}
	case 8: // primary and alias change places
		if all := w.some(1); all != nil && len(all[0].addresses) > 1 {
			all[0].addresses[0], all[0].addresses[1] = all[0].addresses[1], all[0].addresses[0]
		}
	case 9:
		if all := w.some(1); all != nil {
			all[0].name += " Jr"
			if r.IntN(2) == 0 {
				all[0].unit = "Sales"
			}
		}
	case 10: // somebody comes back
		for _, h := range w.people {
			if len(h.addresses) == 0 {
				h.addresses = []string{w.address()}
				break
			}
		}
	}
}

// ldif is the directory as a file.
func (w *company) ldif() string {
	var b strings.Builder
	b.WriteString("version: 1\n")
	for _, h := range w.people {
		if len(h.addresses) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\ndn: cn=%d,ou=%s,dc=corp\nobjectClass: user\nobjectGUID: %s\nsAMAccountName: %s\ndisplayName: %s\nemployeeNumber: %d\nmail: %s\n",
			h.number, h.unit, h.guid(), h.username, h.name, h.number, h.addresses[0])
		for _, x := range h.addresses[1:] {
			fmt.Fprintf(&b, "proxyAddresses: smtp:%s\n", x)
		}
	}
	return b.String()
}

func (h *human) guid() string { return fmt.Sprintf("%08d-1111-4222-8333-000000000001", h.number) }

// site is a folder with a configuration, its state, its directory and its console.
type premises struct {
	dir  string
	log  *strings.Builder
	kept int
}

func (p *premises) console() string { return filepath.Join(p.dir, "console") }

func (p *premises) write(name, text string) error {
	return os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600)
}

// configure writes the configuration, with how long its console may be silent.
func (p *premises) configure(w *company, timeout time.Duration) error {
	return p.write("rollcall.hcl", fmt.Sprintf("directory \"corp\" {\n kind = \"ldif\"\n path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\n"+
		"scope \"all\" {\n directory = directory.corp\n guid_attribute = \"objectGUID\"\n attributes = { number = \"employeeNumber\" }%s\n}\n"+
		"console \"faulty\" {\n kind = \"exec\"\n owner = %q\n command = [\"faulty-console\", \"console\"]\n timeout = \"%v\"\n %s}\n", w.scope, faultyOwner, timeout, w.config))
}

func (p *premises) vault() (v vault, err error) {
	err = withVault(p.console(), func(now *vault) bool { v = *now; return false })
	return v, err
}

// copyTo copies the premises to another folder.
func (p *premises) copyTo(dir string) (*premises, error) {
	if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
		return nil, err
	}
	return &premises{dir: dir, log: &strings.Builder{}}, nil
}

// keep keeps what is there before a command.
func (p *premises) keep() {
	if *faultsRuns == 1 {
		p.kept++
		_ = os.CopyFS(fmt.Sprintf("%s-before-%d", p.dir, p.kept), os.DirFS(p.dir))
	}
}

// undisturbed runs a command in which nothing goes wrong.
func (p *premises) undisturbed(args ...string) (out string, err error) {
	p.keep()
	os.Remove(filepath.Join(p.console(), "faults.json"))
	out, talk, code := at(context.Background(), nil, false, append([]string{"-C", p.dir}, args...)...)
	fmt.Fprintf(p.log, "$ rollcall %s\n%sexit %d\n", strings.Join(args, " "), talk, code)
	if code != exitOK {
		err = fmt.Errorf("rollcall %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out, err
}

// disturbed runs a command in which the connector does what faults say, and may
// kill rollcall.
func (p *premises) disturbed(f faults, args ...string) (code int, err error) {
	p.keep()
	text, err := json.Marshal(&f)
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"points", "processes", "pid"} {
		os.Remove(filepath.Join(p.console(), name))
	}
	if err := p.write("console/faults.json", string(text)); err != nil {
		return 0, err
	}
	fmt.Fprintf(p.log, "$ rollcall %s, with %s\n", strings.Join(args, " "), text)
	args = append([]string{"-C", p.dir}, args...)
	if f.KillAt == 0 {
		_, talk, code := at(context.Background(), nil, false, args...)
		fmt.Fprintf(p.log, "%sexit %d\n", talk, code)
		return int(code), nil
	}
	cmd := exec.Command("rollcall", args...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if err := p.write("console/pid", fmt.Sprint(cmd.Process.Pid)); err != nil {
		return 0, err
	}
	err = cmd.Wait()
	fmt.Fprintf(p.log, "%s%v\n", talk.Bytes(), cmd.ProcessState)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = nil
	}
	return cmd.ProcessState.ExitCode(), err
}

// edit changes the console by hand.
func (p *premises) edit(w *company) error {
	r := w.random
	return withVault(p.console(), func(v *vault) bool {
		at := time.Now().Add(-time.Hour).UnixMilli()
		rows := make([]*vaultRow, len(v.Rows))
		for i := range v.Rows {
			rows[i] = &v.Rows[i]
		}
		slices.SortFunc(rows, func(a, b *vaultRow) int { return strings.Compare(a.name(), b.name()) })
		for range r.IntN(3) {
			row := rows[r.IntN(len(rows))]
			was := row.now()
			if was == nil || was.Owner != nil && was.Owner.By != faultyOwner || was.Attributes["number"] == "" {
				continue
			}
			a := *was
			switch r.IntN(4) {
			case 0:
				a.Aliases = append(slices.Clone(a.Aliases), w.address())
			case 1:
				a.Attributes = map[string]string{"number": was.Attributes["number"], "display_name": "Somebody"}
			case 2:
				if !v.Facts.unstable() {
					a.Primary = w.address()
				}
			case 3:
				if a.Status == "active" {
					row.set(nil, at)
					continue
				}
			}
			row.set(&a, at)
		}
		return true
	})
}

// found makes the console and applies the directory as it is.
func (p *premises) found(w *company, others ...holding) error {
	if err := os.Mkdir(p.console(), 0o700); err != nil {
		return err
	}
	err := withVault(p.console(), func(v *vault) bool {
		v.Facts = w.facts
		for i, a := range others {
			if a.Ref = fmt.Sprintf("r-%d", i+1); v.Facts.unstable() {
				a.Ref = a.Primary
			}
			a.Type, a.Status, a.Attributes = "user", "active", map[string]string{}
			v.Rows = append(v.Rows, vaultRow{})
			v.Rows[i].set(&a, 0)
		}
		return true
	})
	if err != nil {
		return err
	}
	return p.follow(w)
}

// follow applies the directory as it is.
func (p *premises) follow(w *company) error {
	if err := errors.Join(p.configure(w, time.Minute), p.write("corp.ldif", w.ldif())); err != nil {
		return err
	}
	_, err := p.undisturbed("apply", "--auto-approve", "--lock-timeout", "1m")
	return err
}

// begin makes a world: people whose accounts are there, some of whom are gone
// already, accounts of others, and then a directory that has changed.
func (p *premises) begin(w *company) error {
	local, stranger := []string{w.address(), w.address()}, w.address()
	others := []holding{{Primary: local[0], Aliases: []string{w.address()}}, {Primary: local[1], Aliases: []string{}}}
	if w.facts.Owner == "stored" {
		mark := &ownerMark{"branch", "corp", "00000001-1111-4222-8333-000000000001"}
		others = append(others, holding{Primary: stranger, Aliases: []string{w.address()}, Owner: mark, Username: "user01"})
	}
	if err := p.found(w, others...); err != nil {
		return err
	}
	for range 3 {
		w.turn()
	}
	if err := errors.Join(p.follow(w), p.settle(w), p.edit(w)); err != nil {
		return err
	}
	for range 3 + w.random.IntN(6) {
		w.turn()
	}
	switch w.random.IntN(4) {
	case 0: // a local account is adopted, or its alias is wanted
		w.join(local[w.random.IntN(2)])
	case 1:
		w.join(w.address(), local[0])
	case 2:
		w.join(w.address(), stranger)
	}
	return p.write("corp.ldif", w.ldif())
}

// settle waits until the console shows all that was done.
func (p *premises) settle(w *company) error {
	if w.facts.Settles > 0 {
		// Times are recorded to the second.
		time.Sleep(time.Second + time.Duration(w.facts.Settles*float64(time.Second)))
	}
	return nil
}

// ending is what is there after a last run.
type ending struct {
	Console, Ledger []string
	// Theirs are the accounts that others have marked, with all that they were.
	Theirs []string
	// Drift is that of accounts that are frozen.
	Drift []string
}

// end makes an undisturbed run, after which there is nothing to do.
func (p *premises) end(w *company) (e ending, err error) {
	if err := errors.Join(p.configure(w, time.Minute), p.settle(w)); err != nil {
		return e, err
	}
	if _, err := p.undisturbed("apply", "--auto-approve", "--lock-timeout", "1m"); err != nil {
		return e, err
	}
	out, err := p.undisturbed("plan", "-o", "json")
	if err != nil {
		return e, err
	}
	var left struct {
		Changes []json.RawMessage
		Drift   []struct{ Kind, Primary, Field, Recorded, Found string }
	}
	if err := json.Unmarshal([]byte(out), &left); err != nil {
		return e, err
	}
	if len(left.Changes) > 0 {
		return e, fmt.Errorf("the plan after it is not empty: %s", left.Changes)
	}
	for _, d := range left.Drift {
		e.Drift = append(e.Drift, fmt.Sprint(d))
	}
	v, err := p.vault()
	if err != nil {
		return e, err
	}
	if len(v.Wrong) > 0 {
		return e, fmt.Errorf("it happened: %s", strings.Join(v.Wrong, "; "))
	}
	st, err := state.At(filepath.Join(p.dir, "rollcall.state.jsonl")).Load(context.Background())
	if err != nil {
		return e, err
	}
	refs := map[string]string{}
	for i := range v.Rows {
		if a := v.Rows[i].now(); a != nil {
			refs[a.Primary] = a.Ref
		}
	}
	for i := range st.Accounts {
		a := &st.Accounts[i]
		placed := st.Placed[a.Primary]
		if ref := refs[a.Primary.String()]; len(e.Drift) == 0 && ref != placed.Ref || placed.Undecided {
			err = errors.Join(err, fmt.Errorf("the ledger has %s as %q, and the console as %q", a.Primary, placed.Ref, ref))
		}
		e.Ledger = append(e.Ledger, string(a.AppendJSON(nil)))
	}
	e.Console, e.Theirs = v.contents(), v.others(faultyOwner)
	return e, err
}

// TestConsoleKilled: whatever a connector does wrong, and wherever it or rollcall
// is killed, no account is created twice, no account of others is written and no
// owner is lost. One undisturbed run ends where it would have ended without.
func TestConsoleKilled(t *testing.T) {
	t.Parallel()
	first, runs := *faultsFrom, *faultsRuns
	if runs == 0 {
		runs = cases(40)
	}
	const together = 4 // runs of a world
	var all errgroup.Group
	all.SetLimit(8)
	sum := &tally{}
	for begin := first - first%together; begin < first+runs; begin += together {
		all.Go(func() error {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("seeds from %d: %v\n%s", begin, r, debug.Stack())
				}
			}()
			dir, err := os.MkdirTemp("", "rollcall-faults-")
			if err != nil {
				return err
			}
			if runs > 1 {
				defer os.RemoveAll(dir)
			}
			world(t, dir, begin, max(begin, first), min(begin+together, first+runs), sum)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runs: %v", sum.runs, sum.codes)
	if runs >= 100 && (sum.codes[-1] < runs/4 || sum.codes[int(exitIncomplete)] < runs/8 || sum.codes[int(exitInterrupted)] < runs/20) {
		t.Errorf("too little went wrong")
	}
}

// tally counts how disturbed runs ended.
type tally struct {
	sync.Mutex
	runs  int
	codes map[int]int
}

func (s *tally) add(code int) {
	s.Lock()
	defer s.Unlock()
	if s.runs++; s.codes == nil {
		s.codes = map[int]int{}
	}
	s.codes[code]++
}

// world makes a world, and disturbs it from one seed to another.
func world(t *testing.T, dir string, seed, from, to int, sum *tally) {
	w := newCompany(uint64(seed))
	start := &premises{dir: filepath.Join(dir, "begin"), log: &strings.Builder{}}
	if err := errors.Join(os.Mkdir(start.dir, 0o700), start.begin(w)); err != nil {
		t.Errorf("seed %d: the world: %v\n%s", seed, err, start.log)
		return
	}
	fail := func(seed int, p *premises, format string, args ...any) {
		facts, _ := json.Marshal(&w.facts)
		v, _ := p.vault()
		t.Errorf("seed %d (go test -run TestConsoleKilled ./cmd/rollcall -args -faults.from %d -faults.runs 1): %s\nfacts %s\n%s\n%s\n%s\nthe console has\n%s", seed, seed, fmt.Sprintf(format, args...),
			facts, w.config, w.ldif(), p.log, strings.Join(v.contents(), "\n"))
	}
	p, err := start.copyTo(filepath.Join(dir, "reference"))
	if err != nil {
		t.Error(err)
		return
	}
	v, err := p.vault()
	if err != nil {
		t.Error(err)
		return
	}
	want, err := p.end(w)
	if err == nil && !slices.Equal(want.Theirs, v.others(faultyOwner)) {
		err = errors.New("accounts of others are written")
	}
	if err != nil {
		fail(seed, p, "undisturbed: %v", err)
		return
	}
	for ; from < to; from++ {
		p, err := start.copyTo(filepath.Join(dir, fmt.Sprint(from)))
		if err != nil {
			t.Error(err)
			return
		}
		if err := p.disturb(w, uint64(from), sum); err != nil {
			fail(from, p, "%v", err)
			continue
		}
		got, err := p.end(w)
		if err != nil {
			fail(from, p, "%v", err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			fail(from, p, "it does not end as without faults: %s", diff)
		}
		if *faultsRuns == 1 {
			t.Logf("%s\n%s", p.dir, p.log)
		}
	}
}

// disturb makes runs that are disturbed.
func (p *premises) disturb(w *company, seed uint64, sum *tally) error {
	r := rand.New(rand.NewPCG(seed, 2))
	for n := range 1 + r.IntN(4) {
		f := faults{Seed: seed*10 + uint64(n), Rate: []int{0, 10, 30, 60}[r.IntN(4)], Linger: time.Duration(r.IntN(60)) * time.Millisecond, Late: 400 * time.Millisecond}
		if f.Rate == 0 || r.IntN(100) < 75 {
			f.KillAt = 1 + r.IntN(8+r.IntN(40))
			f.Signal = int(syscall.SIGKILL)
			if r.IntN(4) == 0 {
				f.Signal = int(syscall.SIGINT)
			}
		}
		if err := p.configure(w, 300*time.Millisecond); err != nil {
			return err
		}
		args := []string{"apply", "--auto-approve"}
		switch r.IntN(8) {
		case 0:
			args = append(args, "--canary", fmt.Sprint(1+r.IntN(4)))
		case 1, 2:
			code, err := p.disturbed(f, "plan", "-o", "json="+filepath.Join(p.dir, "plan.json"))
			if err != nil {
				return err
			}
			if code != 0 {
				continue
			}
			args = []string{"apply", filepath.Join(p.dir, "plan.json")}
		}
		code, err := p.disturbed(f, args...)
		if err != nil {
			return err
		}
		sum.add(code)
		switch exitCode(code) {
		case -1, exitOK, exitFailed, exitIncomplete, exitStale, exitUnreachable, exitInterrupted:
		default:
			return fmt.Errorf("a run ended with %d", code)
		}
		v, err := p.vault()
		if err != nil {
			return err
		}
		if len(v.Wrong) > 0 {
			return fmt.Errorf("it happened: %s", strings.Join(v.Wrong, "; "))
		}
	}
	return nil
}

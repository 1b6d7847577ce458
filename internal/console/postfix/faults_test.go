package postfix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// script makes a program of lines for sh.
func script(t *testing.T, lines string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postmap")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// all are the files of a folder, with what is in them.
func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range namesIn(t, dir) {
		all[name] = read(t, filepath.Join(dir, name))
	}
	return all
}

// TestPostmapWarns: any word of postmap fails the run, be it that it ends with 0, and so
// does another end and no end at all. Sources and indexes stay as they were, and nothing
// is left beside them.
func TestPostmapWarns(t *testing.T) {
	for name, c := range map[string]struct{ lines, says string }{
		"warns":            {`postmap "$@"; echo 'postmap: warning: duplicate entry: "x"' >&2`, "duplicate entry"},
		"says something":   {`postmap "$@"; echo done`, "done"},
		"fails":            {`echo "postmap: fatal: unsupported dictionary type: hash" >&2; exit 1`, "unsupported dictionary type"},
		"fails in silence": {`exit 3`, "exit status 3"},
		"hangs":            {`sleep 60`, "has not ended in"},
		"at the aliases":   {`case "$1" in *aliases*) echo no >&2;; *) postmap "$@";; esac`, ": no"},
		"makes nothing":    {`exit 0`, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := files(t, "hash")
			publish(t, g.open(), step(nil, account("ann", "help")))
			before := contentsOf(t, g.Folder)
			g.set["postmap"] = script(t, c.lines)
			o := g.opening("hq")
			o.Timeout = 500 * time.Millisecond
			target, err := Kind.Open(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			broken := target.(*Console)
			stageAll(t, broken, step(account("ann", "help"), account("anna", "ann")))
			err = broken.Publish(context.Background())
			var unread *console.ReadError
			if !errors.As(err, &unread) || !strings.Contains(err.Error(), c.says) || unread.Advice == "" {
				t.Errorf("publishing ends with %v", err)
			}
			if after := contentsOf(t, g.Folder); !maps.Equal(before, after) {
				t.Errorf("the folder was\n%q, and is\n%q", before, after)
			}
			var quoting console.Quoting
			if strings.Contains(c.lines, "echo") && (!errors.As(err, &quoting) || !strings.Contains(quoting.Quoted(), strings.TrimPrefix(c.says, ": "))) {
				t.Errorf("what postmap has said is not marked as quoted: %v", err)
			}
			// The run may look what has become of it, and ask again.
			found, err := broken.Get(context.Background(), nil, []identity.Address{address("ann")})
			if err != nil || len(found) != 1 || found[0].Primary != address("ann") {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}

// TestNoRoom: where the folder cannot be written, nothing is changed, and nothing claimed.
func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a file system of its own")
	}
	g := files(t, "hash")
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", g.Folder).CombinedOutput(); err != nil {
		t.Skipf("no file system of its own: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", g.Folder).Run() })
	publish(t, g.open(), step(nil, account("ann", "help")))
	before := contentsOf(t, g.Folder)
	c := g.open()
	var steps []apply.Step
	for n := range 5000 {
		steps = append(steps, step(nil, account(fmt.Sprintf("somebody.with.a.long.name%d", n))))
	}
	stageAll(t, c, steps...)
	if err := c.Publish(context.Background()); err == nil {
		t.Fatal("it was published")
	}
	if after := contentsOf(t, g.Folder); !maps.Equal(before, after) {
		t.Errorf("the folder has %q, and had %q", namesIn(t, g.Folder), slices.Sorted(maps.Keys(before)))
	}
	f, err := os.Create(filepath.Join(g.Folder, "filling"))
	for err == nil {
		_, err = f.Write(make([]byte, 1024))
	}
	f.Close()
	var unclaimed *console.UnclaimedError
	if err := g.open().Claim(context.Background(), ours, ""); !errors.As(err, &unclaimed) || !errors.Is(err, syscall.ENOSPC) || unclaimed.Advice == "" {
		t.Errorf("the claim ends with %v", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	if after := contentsOf(t, g.Folder); !maps.Equal(before, after) {
		t.Errorf("after a claim, the folder has %q", namesIn(t, g.Folder))
	}
}

// TestReloadFails: tables that are written and not read again are reported, found as they
// are, and read again by the next run.
func TestReloadFails(t *testing.T) {
	g := files(t, texthash)
	mark := filepath.Join(t.TempDir(), "reloaded")
	g.set["reload"] = script(t, "echo 'postfix: fatal: the mail system is not running' >&2; exit 1")
	c := g.open()
	stageAll(t, c, step(nil, account("ann")))
	err := c.Publish(context.Background())
	var unread *console.ReadError
	if !errors.As(err, &unread) || !strings.Contains(err.Error(), "are written") || !strings.Contains(err.Error(), "not running") {
		t.Fatalf("publishing ends with %v", err)
	}
	if found, err := c.Get(context.Background(), []string{"ann@example.com"}, nil); err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := Kind.Open(context.Background(), g.opening("hq")); err == nil {
		t.Error("the next run goes on without a reload")
	}
	g.set["reload"] = script(t, "echo refreshing >&2; touch "+mark)
	expect(t, g.open(), "ann")
	if _, err := os.Stat(mark); err != nil {
		t.Error("the next run has not reloaded")
	}
	if left := namesIn(t, g.Folder); slices.Contains(left, "recipients.publishing") {
		t.Errorf("left: %q", left)
	}
}

// TestReloadStarts: a daemon that reload starts outlives the run without its lock, also
// where it keeps the output that it has inherited open.
func TestReloadStarts(t *testing.T) {
	for name, output := range map[string]string{"detached": ">/dev/null 2>&1", "attached": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := files(t, texthash)
			pid := filepath.Join(t.TempDir(), "pid")
			g.set["reload"] = []string{"sh", "-c", "sleep 60 " + output + " & echo $! >" + pid}
			publish(t, g.open(), step(nil, account("ann")))
			daemon, err := strconv.Atoi(strings.TrimSpace(read(t, pid)))
			if err != nil {
				t.Fatal(err)
			}
			running, err := os.FindProcess(daemon)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = running.Kill() })
			if err := running.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("the daemon is gone: %v", err)
			}
			next := g.opening("hq")
			next.Timeout = 50 * time.Millisecond
			if _, err := Kind.Open(context.Background(), next); err != nil {
				t.Errorf("the next run: %v", err)
			}
		})
	}
}

// brokenOff leaves what a run leaves that ends after it has decided, and after so many
// files were renamed. It returns how many there are.
func brokenOff(t *testing.T, g *gateway, renamed int) int {
	t.Helper()
	c := g.open()
	base, err := c.read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(base)
	c.stage = s
	stageAll(t, c, step(account("ann", "help"), account("help", "old")), step(account("bob"), account("bobby", "ann")))
	next := s.next.rows(true)
	h := header{owner: "hq", serial: 2, apart: true}
	heads := [tables]header{h, h}
	heads[recipients].ledger = base.files[recipients].header.ledger
	var texts [tables][]byte
	for table := range texts {
		if texts[table], err = write(c.paths[table], heads[table], next[table]); err != nil {
			t.Fatal(err)
		}
	}
	order, err := c.order(s, heads[recipients], next, texts, [tables]bool{true, true})
	if err != nil || len(order) != 3 {
		t.Fatalf("%d are written, %v", len(order), err)
	}
	r := &record{}
	for _, table := range c.used() {
		r.Sums[table] = []string{fmt.Sprintf("%x", base.files[table].sum)}
	}
	for _, x := range order {
		name, err := c.prepare(context.Background(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parse("", x.text)
		if err != nil {
			t.Fatal(err)
		}
		r.Writes, r.Sums[x.table] = append(r.Writes, replacement{x.table, name}), append(r.Sums[x.table], fmt.Sprintf("%x", f.sum))
	}
	if err := c.writeRecord(r); err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, w := range r.Writes {
		for _, ending := range []string{c.ending, ""} {
			if all++; all <= renamed {
				if err := os.Rename(filepath.Join(g.Folder, w.File+ending), c.paths[w.Table]+ending); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return all
}

// TestBrokenOff: wherever a run is broken off after it has decided, those who read find
// the accounts as they will be, and the next run finishes that.
func TestBrokenOff(t *testing.T) {
	for renamed := 0; renamed <= 6; renamed++ {
		t.Run(fmt.Sprint(renamed), func(t *testing.T) {
			t.Parallel()
			g := files(t, "hash")
			publish(t, g.open(), step(nil, account("ann", "help")), step(nil, account("bob")))
			if all := brokenOff(t, g, renamed); all != 6 {
				t.Fatalf("there are %d files", all)
			}
			o := g.opening("hq")
			o.LockFile = ""
			g.logs = nil
			reader, err := Kind.Open(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, reader.(*Console), "bobby ann", "help old")
			if len(g.logs) != 1 || !strings.Contains(g.logs[0], "broken off") {
				t.Errorf("the log has %q", g.logs)
			}
			c := g.open()
			expect(t, c, "bobby ann", "help old")
			if left := namesIn(t, g.Folder); !slices.Equal(left, []string{"aliases", "aliases.db", "recipients", "recipients.db", "recipients.lock"}) {
				t.Errorf("left: %q", left)
			}
			g.inStep()
			publish(t, c, step(account("help", "old"), nil))
			expect(t, g.open(), "bobby ann")
		})
	}
	t.Run("changed by hand", func(t *testing.T) {
		g := files(t, "hash")
		publish(t, g.open(), step(nil, account("ann", "help")), step(nil, account("bob")))
		brokenOff(t, g, 0)
		byHand := read(t, g.Recipients) + "carl@example.com OK\n"
		put(t, g.Recipients, byHand)
		_, err := Kind.Open(context.Background(), g.opening("hq"))
		if err == nil || !strings.Contains(err.Error(), "changed by hand") || read(t, g.Recipients) != byHand {
			t.Errorf("the next run: %v", err)
		}
		if err := os.Remove(g.Recipients + publishing); err != nil {
			t.Fatal(err)
		}
		expect(t, g.open(), "ann help", "bob", "carl")
	})
	t.Run("a strange record", func(t *testing.T) {
		g := files(t, "hash")
		publish(t, g.open(), step(nil, account("ann")))
		for _, text := range []string{"{", `{"writes":[{"table":0,"file":"../../etc/passwd"}]}`, `{"writes":[{"table":2,"file":".recipients.1.tmp"}]}`, `{"writes":[{"table":0,"file":".recipients.x.tmp"}]}`} {
			put(t, g.Recipients+publishing, text)
			if _, err := Kind.Open(context.Background(), g.opening("hq")); err == nil || !strings.Contains(err.Error(), publishing) {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

// inStep fails the test if an index does not have the rows of its source.
func (g *gateway) inStep() {
	g.t.Helper()
	c := g.open()
	s, err := c.read(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, table := range c.used() {
		if late, wrong := c.late(table), c.differs(context.Background(), s.files[table]); late+wrong != "" {
			g.t.Errorf("%s %s", late, wrong)
		}
	}
}

// TestIndexLost: an index that is missing or older than what rollcall has written is
// built by the next run that may change the tables; that of a file which somebody has
// edited is reported, and left to them and the plan.
func TestIndexLost(t *testing.T) {
	g := files(t, "hash")
	publish(t, g.open(), step(nil, account("ann", "help")))
	index := g.Recipients + ".db"
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	o := g.opening("hq")
	o.LockFile = ""
	reader, err := Kind.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, reader.(*Console), "ann help")
	if len(g.logs) != 1 || !strings.Contains(g.logs[0], "no index") {
		t.Errorf("the log has %q", g.logs)
	}
	g.inStep()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(index, old, old); err != nil {
		t.Fatal(err)
	}
	g.logs = nil
	g.inStep()
	if len(g.logs) != 1 || !strings.Contains(g.logs[0], "built anew") {
		t.Errorf("the log has %q", g.logs)
	}
	put(t, g.Recipients, read(t, g.Recipients)+"carl@example.com OK\n")
	if err := os.Chtimes(index, old, old); err != nil {
		t.Fatal(err)
	}
	g.logs = nil
	c := g.open()
	expect(t, c, "ann help", "carl")
	if len(g.logs) != 2 || !strings.Contains(g.logs[0]+g.logs[1], "older than the file") {
		t.Errorf("the log has %q", g.logs)
	}
	publish(t, c, step(account("carl"), nil))
	g.inStep()
}

// The two states between which TestKilled changes.
var (
	heads = [2][]*identity.Account{{account("ann", "help", "a"), account("bob")}, {account("help", "bob"), account("anna", "ann", "a")}}
	texts = [2][]string{{"ann a help", "bob"}, {"anna a ann", "help bob"}}
)

// TestMain also is the run that TestKilled kills.
func TestMain(m *testing.M) {
	dir := os.Getenv("ROLLCALL_PUBLISH_IN")
	if dir == "" {
		if os.Getenv("ROLLCALL_ATTACK") == "" {
			pause = 200 * time.Millisecond
		}
		os.Exit(m.Run())
	}
	pause = 5 * time.Millisecond
	v := Kind.Values("relay", dir, map[string]any{"recipients": filepath.Join(dir, "recipients"), "aliases": filepath.Join(dir, "aliases"), "map": "hash"})
	target, err := Kind.Open(context.Background(), console.Opening{Label: "relay", Owner: "hq", Settings: v, LockFile: "x"})
	fmt.Println("begun")
	for err == nil {
		c := target.(*Console)
		var now []identity.Live
		if _, err = c.Accounts(context.Background(), func(l identity.Live) error { now = append(now, l); return nil }); err != nil {
			break
		}
		is := 0
		if now[0].Primary == address("anna") {
			is = 1
		}
		var lineage string
		if lineage, err = c.Ledger(context.Background()); err != nil {
			break
		}
		if err = c.Claim(context.Background(), map[string]string{ours: theirs, theirs: ours}[lineage], lineage); err != nil {
			break
		}
		var steps []apply.Step
		for i := range now {
			steps = append(steps, step(&now[i].Account, heads[1-is][i]))
		}
		if err = c.Apply(context.Background(), steps, func(_ int, a apply.Answer) {
			if a.Err != nil {
				err = a.Err
			}
		}); err == nil {
			err = c.Publish(context.Background())
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestKilled: a run that is killed anywhere, also while it claims, leaves the tables as
// they were, or the next finishes them; and whoever reads finds one or the other.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 15
	if len(cases([]int{1}, 2)) > 1 {
		kills = 300
	}
	g := files(t, "hash")
	publish(t, g.open(), step(nil, heads[0][0]), step(nil, heads[0][1]))
	claim(t, g.open(), ours, "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seen, unfinished := map[string]int{}, 0
	for n := range kills {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "ROLLCALL_PUBLISH_IN="+g.Folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "begun\n" {
			t.Fatalf("it has said %q, %v", line, err)
		}
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		for deadline := time.Now().Add(10 * time.Second); n%2 == 1 && time.Now().Before(deadline); {
			if _, err := os.Stat(g.Recipients + publishing); err == nil {
				time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
				break // once it has decided
			}
		}
		_ = cmd.Process.Kill()
		rest, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		if len(rest) > 0 {
			t.Fatalf("it has ended with %s", rest)
		}
		if _, err := os.Stat(g.Recipients + publishing); err == nil {
			unfinished++
		}
		c := g.open()
		got := shown(t, c)
		if !slices.Equal(got, texts[0]) && !slices.Equal(got, texts[1]) {
			t.Fatalf("the accounts are %q", got)
		}
		ledger, err := c.Ledger(context.Background())
		if err != nil || ledger != ours && ledger != theirs {
			t.Fatalf("the ledger is %q, %v", ledger, err)
		}
		seen[strings.Join(got, ", ")]++
		seen[ledger]++
		g.inStep()
		if left := namesIn(t, g.Folder); len(left) != 5 {
			t.Fatalf("left: %q", left)
		}
	}
	if unfinished == 0 {
		t.Error("no run was killed after it had decided")
	}
	t.Logf("%d kills, %d of them after it was decided; found %v", kills, unfinished, seen)
}

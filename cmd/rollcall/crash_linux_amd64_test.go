package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/state"
)

// tells gives the configuration somebody who is told of runs.
func (a *accident) tells(t *testing.T) {
	t.Helper()
	a.hook = newHook(t)
	if err := os.WriteFile(filepath.Join(a.dir, "notify.hcl"), []byte(a.hook.block("ops", "/ops")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAtEachCall kills an apply before each call by which it changes a
// file, and interrupts another one there: short of an attack, at every third call.
func TestKilledAtEachCall(t *testing.T) {
	t.Parallel()
	a := newAccident(t, "")
	a.tells(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			unchanged, changed, step := 0, 0, 1
			if sig == syscall.SIGINT && os.Getenv("ROLLCALL_ATTACK") == "" {
				step = 3
			}
			for n := 1; ; n += step {
				a.reset(t)
				call, ws := signalled(t, a.command("apply", "--auto-approve"), n, sig)
				if call == "" {
					break
				}
				what := fmt.Sprintf("%s at call %d, %s", sig, n, call)
				if sig == syscall.SIGINT && !(ws.Exited() && (ws.ExitStatus() == 0 || ws.ExitStatus() == 130)) {
					t.Errorf("%s: ended with %v", what, ws)
				}
				if a.recovers(t, what) {
					changed++
				} else {
					unchanged++
				}
			}
			t.Logf("%d runs had written the state, %d had not", changed, unchanged)
			if changed < 3 || unchanged < 5/step {
				t.Errorf("%d runs had written the state, %d had not: the calls are not those that matter", changed, unchanged)
			}
		})
	}
}

// TestKilledAtEachCallShared kills an apply whose state is in a database, before each
// call by which it changes a file or asks for something; short of an attack, before
// every tenth. The next run is another machine's.
func TestKilledAtEachCallShared(t *testing.T) {
	t.Parallel()
	a := newAccidentIn(t, "", newSharedOffice(t))
	a.tells(t)
	unchanged, changed, step := 0, 0, 10
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		step = 1
	}
	for n := 1; ; n += step {
		a.reset(t)
		call, _ := signalled(t, a.command("apply", "--auto-approve"), n, syscall.SIGKILL)
		if call == "" {
			break
		}
		if a.recovers(t, fmt.Sprintf("killed at call %d, %s", n, call)) {
			changed++
		} else {
			unchanged++
		}
	}
	t.Logf("%d runs had written the state, %d had not", changed, unchanged)
	if changed < 3 || unchanged < 3 {
		t.Errorf("%d runs had written the state, %d had not: the calls are not those that matter", changed, unchanged)
	}
}

// TestKilledAtLine breaks the line to a state in a database somewhere in an apply, which
// ends as it can. What the history says of it is true, people are told of it once, and
// the next run, on another machine, ends where an undisturbed one does.
func TestKilledAtLine(t *testing.T) {
	t.Parallel()
	office := newSharedOffice(t)
	a := newAccidentIn(t, "", office)
	a.tells(t)
	proxy := servertest.NewProxy(t, "postgres://"+office.server.Host)
	p := &premises{dir: a.dir, log: &strings.Builder{}}
	through := func(host string) {
		if err := p.write("state.hcl", office.again(host)); err != nil {
			t.Fatal(err)
		}
	}
	line := strings.TrimPrefix(proxy.URL, "postgres://")
	a.reset(t)
	through(line)
	if talk, code := a.run(t, "apply", "--auto-approve"); code != 0 {
		t.Fatalf("exit %d\n%s", code, talk)
	}
	whole := proxy.Sent()
	random := rand.New(rand.NewPCG(1, 5))
	changed, most := 0, cases(8)
	for n := range most {
		a.reset(t)
		through(line)
		proxy.CutAll(whole*int64(n)/int64(most)+random.Int64N(whole/int64(most)), servertest.Reset)
		talk, code := a.run(t, "apply", "--auto-approve")
		proxy.Cut(0, servertest.Whole)
		through("")
		what := fmt.Sprintf("cut %d, exit %d\n%s", n, code, talk)
		written := bytes.Equal(a.accounts(t), a.after)
		switch exitCode(code) {
		case exitOK, exitIncomplete:
		case exitUnreachable, exitLocked:
			if written {
				t.Errorf("%s: it has written the state", what)
			}
		default:
			t.Errorf("%s", what)
		}
		if a.recovers(t, what) {
			changed++
		}
	}
	t.Logf("%d of %d runs had written the state", changed, most)
}

// TestNoticeKilledAtEachCall kills an apply that has nothing to do but to say what is
// rejected since the last one, before each call by which it changes a file; short of an
// attack, before every second one. People are told of it, and by one id.
func TestNoticeKilledAtEachCall(t *testing.T) {
	t.Parallel()
	program, start := program(t), newOffice(t, 3)
	start.apply(exitOK)
	start.person(1, "p1@example.com", "bad address")
	calls, kept, step := 0, 0, 2
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		step = 1
	}
	for n := 1; ; n += step {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(start.dir)); err != nil {
			t.Fatal(err)
		}
		a := accident{program: program, dir: dir}
		call, _ := signalled(t, a.command("apply", "--auto-approve"), n, syscall.SIGKILL)
		if call == "" {
			break
		}
		calls++
		if box, err := state.At(filepath.Join(dir, "rollcall.state.jsonl")).Outbox(t.Context()); err != nil || len(box.Messages) > 0 {
			kept++
		}
		if talk, code := a.run(t, "apply", "--auto-approve"); code != 0 {
			t.Fatalf("call %d, %s: exit %d\n%s", n, call, code, talk)
		}
		ids := map[string]bool{}
		for _, notice := range start.hook.next("/ops") {
			if notice.Kind != run.NoticeNewRejections {
				t.Errorf("call %d, %s: told %s", n, call, notice.Kind)
			}
			ids[notice.id] = true
		}
		if len(ids) != 1 {
			t.Errorf("call %d, %s: %d notices", n, call, len(ids))
		}
	}
	t.Logf("%d calls, after %d of which a notice waited", calls, kept)
	if calls < 10 || kept < 3 {
		t.Errorf("%d calls, after %d of which a notice waited: they are not those that matter", calls, kept)
	}
}

// TestEditKilledAtEachCall kills an import that gives accounts other owners and
// brings a new one, before each call by which it changes a file.
// It has done all of it or nothing, the history says which, and what it has done
// can be taken back.
func TestEditKilledAtEachCall(t *testing.T) {
	a := newAccident(t, "")
	export := filepath.Join(a.dir, "mailboxes.csv")
	if err := os.WriteFile(export, []byte("PrimarySMTPAddress,GUID\nann@example.com,00000002-1111-4222-8333-000000000001\n"+
		"bob@example.com,00000001-1111-4222-8333-000000000001\nnew@example.com,00000099-1111-4222-8333-000000000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	edit := []string{"state", "import", export, "--auto-approve"}
	a.reset(t)
	if talk, code := a.run(t, edit...); code != 0 {
		t.Fatalf("undisturbed: exit %d\n%s", code, talk)
	}
	edited := a.accounts(t)
	if bytes.Equal(edited, a.before) {
		t.Fatal("the edit changes nothing")
	}
	unchanged, changed := 0, 0
	for n := 1; ; n++ {
		a.reset(t)
		call, _ := signalled(t, a.command(edit...), n, syscall.SIGKILL)
		if call == "" {
			break
		}
		what := fmt.Sprintf("killed at call %d, %s", n, call)
		now := a.accounts(t)
		done := bytes.Equal(now, edited)
		if !done && !bytes.Equal(now, a.before) {
			t.Fatalf("%s: half of the edit is done:\n%s", what, now)
		}
		// The same edit again finds it done, or does it.
		if talk, code := a.run(t, edit...); code != 0 || !bytes.Equal(a.accounts(t), edited) {
			t.Fatalf("%s: again: exit %d\n%s", what, code, talk)
		}
		last := 0
		for _, r := range a.runs(t) {
			switch {
			case r.Outcome.Changed() && last == 0:
				last = r.Number
			case r.Outcome != run.Interrupted:
				t.Errorf("%s: run %d is %s", what, r.Number, r.Outcome)
			}
		}
		undo := filepath.Join(a.dir, "undo.json")
		if talk, code := a.run(t, "undo", fmt.Sprint(last), "-o", "json="+undo); code != 0 {
			t.Fatalf("%s: undo %d: exit %d\n%s", what, last, code, talk)
		}
		if talk, code := a.run(t, "apply", undo); code != 0 || !bytes.Equal(a.accounts(t), a.before) {
			t.Fatalf("%s: undone: exit %d\n%s", what, code, talk)
		}
		if done {
			changed++
		} else {
			unchanged++
		}
	}
	t.Logf("%d edits had written the state, %d had not", changed, unchanged)
	if changed < 3 || unchanged < 5 {
		t.Errorf("%d edits had written the state, %d had not: the calls are not those that matter", changed, unchanged)
	}
}

// TestFullDisk applies on a file system with ever more room, from none to
// enough.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		if os.Getenv("ROLLCALL_SERVERS") == "required" {
			t.Fatal(err)
		}
		t.Skipf("mounting is not permitted here: %v", err)
	}
	// A process that another test is just starting may hold the disk for a moment.
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	a := newAccident(t, filepath.Join(disk, "rollcall.state.jsonl"))
	ballast := filepath.Join(disk, "ballast")
	free := func() int64 {
		var s syscall.Statfs_t
		if err := syscall.Statfs(disk, &s); err != nil {
			t.Fatal(err)
		}
		return int64(s.Bavail) * s.Bsize
	}
	enough := 0
	for pages := int64(0); enough < 2; pages++ {
		a.reset(t)
		if pages > 200 {
			t.Fatal("no room is enough")
		}
		if err := os.WriteFile(ballast, make([]byte, free()-pages*int64(os.Getpagesize())), 0o600); err != nil {
			t.Fatal(err)
		}
		talk, code := a.run(t, "apply", "--auto-approve")
		changed := bytes.Equal(a.accounts(t), a.after)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%d pages free", pages)
		switch {
		case code == 0 && changed:
			enough++
		case code != 1 || changed || !strings.Contains(talk, "no space left"):
			t.Errorf("%s: exit %d, changed: %t\n%s", what, code, changed, talk)
		}
		a.recovers(t, what)
	}
}

// signalled runs a command and sends it a signal as traced does, or ends the test.
func signalled(t *testing.T, cmd *exec.Cmd, n int, sig syscall.Signal) (call string, ws syscall.WaitStatus) {
	t.Helper()
	call, ws, err := traced(cmd, n, sig)
	if errors.Is(err, syscall.EPERM) && os.Getenv("ROLLCALL_SERVERS") != "required" {
		t.Skip("tracing is not permitted here")
	}
	if err != nil {
		t.Fatal(err)
	}
	return call, ws
}

// traced runs a command and sends it a signal before the n-th call by which it
// changes a file. It returns that call's name, or "" if there was none, and how
// the command ended.
func traced(cmd *exec.Cmd, n int, sig syscall.Signal) (call string, ws syscall.WaitStatus, err error) {
	runtime.LockOSThread() // a traced process knows one thread as its tracer
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release()
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return "", 0, err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := errors.Join(syscall.PtraceSetOptions(pid, options), syscall.PtraceSyscall(pid, 0)); err != nil {
		return "", 0, err
	}
	for count := 0; ; {
		// All threads are in the group of the process.
		thread, err := syscall.Wait4(-pid, &ws, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		if !ws.Stopped() {
			if thread == pid {
				return call, ws, nil
			}
			continue
		}
		var deliver syscall.Signal
		switch stop := ws.StopSignal(); stop {
		case syscall.SIGTRAP | 0x80:
			if name := changingCall(thread); name != "" {
				if count++; count == n {
					call = name
					if err := syscall.Kill(pid, sig); err != nil {
						return "", 0, err
					}
				}
			}
		case syscall.SIGTRAP, syscall.SIGSTOP: // a new thread
		default:
			deliver = stop
		}
		if err := syscall.PtraceSyscall(thread, int(deliver)); err != nil && err != syscall.ESRCH {
			return "", 0, err
		}
	}
}

var changingCalls = map[uint64]string{
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_OPENAT: "openat",
	unix.SYS_RENAME: "rename", unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_LINKAT: "linkat",
	unix.SYS_UNLINK: "unlink", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_FCHMOD: "fchmod", unix.SYS_FCHMODAT: "fchmodat",
}

// changingCall returns the name of the call that a thread is about to make, if
// it changes a file, or "".
func changingCall(thread int) string {
	// struct ptrace_syscall_info of ptrace(2): the first octet tells entries,
	// which are 1, from exits; the number of the call is at 24, its arguments
	// follow.
	var info [88]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != 1 {
		return ""
	}
	number, arguments := binary.LittleEndian.Uint64(info[24:]), info[32:]
	argument := func(i int) uint64 { return binary.LittleEndian.Uint64(arguments[8*i:]) }
	switch number {
	case unix.SYS_WRITE:
		if argument(0) <= 2 {
			return ""
		}
	case unix.SYS_OPENAT:
		if argument(2)&(unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT) == 0 {
			return ""
		}
	}
	return changingCalls[number]
}

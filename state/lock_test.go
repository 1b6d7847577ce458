package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// holding is the variable that makes the test program take the lock of the
// state that it names, and hold it until it is killed.
const holding = "ROLLCALL_TEST_HOLDS"

func TestMain(m *testing.M) {
	if path := os.Getenv(holding); path != "" {
		if _, err := At(path).Lock(ctx, "rollcall apply", 0); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("holds")
		for {
			time.Sleep(time.Hour)
		}
	}
	indexed, settled = 0, 0
	os.Exit(m.Run())
}

// TestLockLeftBehind: the lock of a process that was killed is taken over, and
// says whose it was; one that was given back says nothing.
func TestLockLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holding+"="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "holds\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, err = At(path).Lock(ctx, "rollcall apply", 0)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.PID != holder.Process.Pid || !locked.Holder.Running() {
		t.Fatalf("while the process holds it: %v", err)
	}
	if strings.Contains(locked.Hint(), "unlock") {
		t.Errorf("of a process at work, the hint is %q", locked.Hint())
	}
	if err := At(path).Unlock(ctx, locked.Holder); !errors.As(err, new(*LockedError)) {
		t.Errorf("the lock of a process at work is removed: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	if locked.Holder.Running() {
		t.Error("a killed process is said to be running")
	}
	for _, left := range []bool{true, false} {
		l, err := At(path).Lock(ctx, "rollcall apply", 0)
		if err != nil {
			t.Fatal(err)
		}
		if (l.Left != nil) != left || left && *l.Left != *locked.Holder {
			t.Errorf("left behind by %v", l.Left)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path + ".lock"); err != nil || len(bytes.Trim(text, "\x00")) > 0 {
		t.Errorf("given back, the lock file says %q, %v", text, err)
	}
}

// TestLockPassing: what a process that was killed had just started keeps its lock for
// a moment, which is waited for; a lock that stays is reported.
func TestLockPassing(t *testing.T) {
	t.Parallel()
	ended := exec.Command(os.Args[0], "-test.run", "^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	killed := Holder{Command: "rollcall apply", PID: ended.Process.Pid, User: "ann", Host: hostname(), Since: day}
	path := filepath.Join(t.TempDir(), "s")
	old := kept(t, path, killed)
	time.AfterFunc(300*time.Millisecond, func() { old.Release() })
	if l, err := At(path).Lock(ctx, "x", 0); err != nil {
		t.Errorf("a lock that goes in a moment: %v", err)
	} else {
		l.Release()
	}
	defer kept(t, path, killed).Release()
	var locked *LockedError
	if _, err := At(path).Lock(ctx, "x", 0); !errors.As(err, &locked) || *locked.Holder != killed || !strings.Contains(locked.Hint(), "state unlock") {
		t.Errorf("a lock that stays: %v", err)
	}
}

// TestLockForbidden: who may not write the lock file is reported what to do.
func TestLockForbidden(t *testing.T) {
	err := lockFailed("s.lock", &fs.PathError{Op: "open", Path: "s.lock", Err: fs.ErrPermission})
	var failure *Error
	if !errors.As(err, &failure) || err.Error() != "s.lock: no permission to lock the state" || !strings.Contains(failure.Hint(), "as the user who owns the state") {
		t.Errorf("%v", err)
	}
	if err := lockFailed("s.lock", errors.New("no locks available")); err.Error() != "lock the state: no locks available" {
		t.Errorf("%v", err)
	}
}

// kept is a lock that is held, as a network file system would keep it for the
// given holder.
func kept(t *testing.T, path string, h Holder) *Lock {
	t.Helper()
	l, err := At(path).Lock(ctx, "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".lock", append([]byte{0}, text...), atomicfile.Mode); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestUnlock: a lock that outlived its holder is removed, unless the process is
// there or somebody else has the lock by now. Who has locked the file that was
// removed does not keep the next from locking the new one.
func TestUnlock(t *testing.T) {
	elsewhere := Holder{Command: "rollcall apply", PID: 7, User: "ann", Host: "elsewhere.example.com", Since: day}
	here := elsewhere
	here.PID, here.Host = os.Getpid(), hostname()
	other := elsewhere
	other.PID = 8
	for _, c := range []struct {
		name      string
		holds, of Holder
		removed   bool
	}{
		{"another host", elsewhere, elsewhere, true},
		{"at work on this host", here, here, false},
		{"somebody else by now", other, elsewhere, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.removed && runtime.GOOS == "windows" {
				t.Skip("Windows removes no file that is open, as that of a lock is that this program holds")
			}
			path := filepath.Join(t.TempDir(), "s")
			old := kept(t, path, c.holds)
			defer old.Release()
			_, err := At(path).Lock(ctx, "x", 0)
			var locked *LockedError
			if !errors.As(err, &locked) || locked.Holder == nil || *locked.Holder != c.holds {
				t.Fatalf("locked: %v", err)
			}
			if running := c.holds == here; strings.Contains(locked.Hint(), "state unlock") == running {
				t.Errorf("hint %q", locked.Hint())
			}
			err = At(path).Unlock(ctx, &c.of)
			if removed := err == nil; removed != c.removed || !removed && !errors.As(err, &locked) {
				t.Fatalf("unlock: %v", err)
			}
			next, err := At(path).Lock(ctx, "x", 0)
			if (err == nil) != c.removed {
				t.Fatalf("afterwards: %v", err)
			}
			if err != nil {
				return
			}
			// The old lock, given back late, is none of the new one's business.
			old.Release()
			_, err = At(path).Lock(ctx, "x", 0)
			if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.PID != os.Getpid() {
				t.Errorf("the new lock: %v", err)
			}
			next.Release()
		})
	}
}

// TestReaders: whoever reads while states are written has one of their versions
// whole, never an older one than before, and waits for nobody.
func TestReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	accounts := saved(t, path, 400).Accounts
	lock, err := At(path).Lock(ctx, "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	stop, written := make(chan struct{}), make(chan error, 1)
	go func() {
		s, err := At(path).Load(ctx)
		for err == nil {
			select {
			case <-stop:
				written <- nil
				return
			default:
			}
			s.Accounts = accounts[:100+int(s.Serial+1)%300]
			err = At(path).Save(ctx, s, "test", day.Add(time.Duration(s.Serial)*time.Second), nil)
		}
		written <- err
	}()
	const reads = 200
	last, versions := int64(1), 0
	for n := 0; n < reads || versions < 20; n++ {
		s, err := At(path).Load(ctx)
		if err != nil {
			t.Fatalf("read %d: %v", n, err)
		}
		if s.Serial > 1 && len(s.Accounts) != 100+int(s.Serial)%300 {
			t.Fatalf("version %d has %d accounts", s.Serial, len(s.Accounts))
		}
		if s.Serial < last {
			t.Fatalf("version %d after version %d", s.Serial, last)
		}
		if s.Serial > last {
			versions++
		}
		last = s.Serial
	}
	close(stop)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestHeld: who holds a lock learns that it was taken away.
func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lock, err := At(path).Lock(ctx, "rollcall test", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := lock.Held(ctx); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Skip("open files cannot be removed here")
	}
	if err := lock.Held(ctx); !errors.As(err, new(*LostError)) {
		t.Errorf("a lock that was removed: %v", err)
	}
}

// TestHolderOfAnother: of another program no more is said than is known, and what to do
// about a lock that stays depends on who has it.
func TestHolderOfAnother(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]Holder{
		`"apply"`:               {Command: "apply"},
		`"apply" of ann on mx1`: {Command: "apply", User: "ann", Host: "mx1"},
		`"apply", process 7 of ann on mx1, since 2026-11-20T22:00:00Z`: {Command: "apply", PID: 7, User: "ann", Host: "mx1", Since: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)},
	} {
		if got := h.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if h := (&Holder{Command: "apply", Host: hostname()}); h.Running() {
		t.Error("a process without a number is there")
	}
	for want, e := range map[string]LockedError{
		"on the server":   {Stays: true},
		"state unlock":    {Stays: true, Holder: &Holder{Host: "elsewhere", PID: 7}},
		"--lock-timeout":  {Stays: true, Holder: holder("apply")},
		"process does":    {Holder: holder("apply")},
		"lock ends in 5s": {Ends: 5 * time.Second, Holder: holder("apply")},
	} {
		hint := e.Hint()
		if !strings.Contains(hint, want) || e.Stays && strings.Contains(hint, "process does") {
			t.Errorf("%s, want %s", hint, want)
		}
	}
}

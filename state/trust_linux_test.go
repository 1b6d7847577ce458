package state

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRootIsNotRaced: somebody swaps the files and folders of a state for links
// and back while root works with it. Whatever root's commands come to, nothing
// outside is touched, and root gives away no folder that it has not made.
func TestRootIsNotRaced(t *testing.T) {
	asRoot(t)
	home := folderOf(t, bob)
	victim, check := untouched(t)
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "work")
	makeDir(t, bob, dir)
	path := filepath.Join(dir, "s.jsonl")
	// Root's own folder, in a place where bob can rename it.
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swap := func(at string, put func(aside string)) {
		swapping.Add(1)
		go func() {
			defer swapping.Done()
			runtime.LockOSThread() // which ends with its user
			if err := syscall.Setfsuid(bob); err != nil {
				t.Error(err)
				return
			}
			aside := at + ".aside"
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rand.IntN(20_000)) * time.Microsecond):
				}
				if os.Rename(at, aside) == nil {
					put(at)
					os.Remove(at) // a link; a folder that is not empty stays
					os.Rename(aside, at)
				}
			}
		}()
	}
	linkTo := func(target string) func(string) {
		return func(at string) { _ = os.Symlink(target, at) }
	}
	swap(dir, linkTo(victim))
	var mineIsHistory sync.Mutex // else the test would remove it with that
	swap(filepath.Join(dir, "s.history"), func(at string) {
		if rand.IntN(2) == 0 {
			linkTo(victim)(at)
			return
		}
		mineIsHistory.Lock()
		defer mineIsHistory.Unlock()
		if os.Rename(mine, at) == nil {
			for os.Rename(at, mine) != nil { // dir is swapped, too
				time.Sleep(time.Millisecond)
			}
		}
	})
	swap(filepath.Join(dir, "s.history", "rejections.jsonl"), linkTo(filepath.Join(victim, "victim")))
	swap(path, linkTo(filepath.Join(victim, "victim")))
	swap(path+".lock", linkTo(filepath.Join(victim, "victim")))
	runs, done := 0, 0
	long := 2 * time.Second
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		long *= 20
	}
	for began := time.Now(); time.Since(began) < long; runs++ {
		if work(path) == nil {
			done++
		}
		if runs%8 == 0 {
			mineIsHistory.Lock()
			os.RemoveAll(filepath.Join(dir, "s.history"))
			mineIsHistory.Unlock()
		}
	}
	close(stop)
	swapping.Wait()
	check()
	t.Logf("%d of %d runs got through", done, runs)
	secrets, err := filepath.Glob(filepath.Join(home, "*", "*", "secret"))
	if err != nil || len(secrets) != 1 {
		t.Fatal(secrets, err)
	}
	for _, at := range []string{filepath.Dir(secrets[0]), secrets[0]} {
		if info, err := os.Lstat(at); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("root gave %s away: %v", at, err)
		}
	}
}

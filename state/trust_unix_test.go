//go:build !windows

package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// bob is somebody less trusted than root.
const bob = 65534

// asRoot skips a test of what only root can do.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act for others")
	}
}

// folderOf makes a folder of a user.
func folderOf(t *testing.T, uid int) string {
	t.Helper()
	dir := t.TempDir()
	give(t, uid, dir)
	return dir
}

// give makes somebody the owner of files, and of links as such.
func give(t *testing.T, uid int, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Lchown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
}

// link makes a link of a user.
func link(t *testing.T, uid int, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	give(t, uid, path)
}

// work does all that a command does with a state, and joins what fails.
func work(path string) error {
	lock, err := At(path).Lock(ctx, "rollcall test", 0)
	if err != nil {
		return err
	}
	defer lock.Release()
	if _, _, err := At(path).Settle(ctx, time.Now()); err != nil {
		return err
	}
	s, err := At(path).Load(ctx)
	if err != nil {
		return err
	}
	record, err := At(path).Begin(ctx, run.Head{Started: time.Now()})
	if err != nil {
		return err
	}
	_, err = At(path).Runs(ctx)
	return errors.Join(err, At(path).Save(ctx, s, "test", time.Now(), nil), record.End(ctx, run.Failed, "", time.Now()),
		At(path).SaveRejections(ctx, map[string]time.Time{`"corp"`: time.Now()}), At(path).Prune(ctx, 1, 2, time.Now()))
}

// untouched returns a folder of root with a file, and a function that fails the
// test if anything there has changed.
func untouched(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "victim")
	if err := os.WriteFile(file, []byte("dear\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "victim" {
				t.Errorf("%s was made in a folder of root", e.Name())
			}
		}
		for _, path := range []string{dir, file} {
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
				t.Errorf("%s belongs to %d now", path, uid)
			}
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != "dear\n" {
			t.Errorf("the file of root is %q, %v", text, err)
		}
	}
}

// TestRootFollowsNoLinks: whatever link somebody puts among the files of a state,
// root neither reads nor writes nor makes anything where it leads, and says whose
// link it is.
func TestRootFollowsNoLinks(t *testing.T) {
	asRoot(t)
	for _, c := range []struct {
		name string
		lay  func(t *testing.T, dir, victim string) // links in bob's folder
		says string
	}{
		{"state", func(t *testing.T, dir, victim string) {
			link(t, bob, filepath.Join(victim, "victim"), filepath.Join(dir, "s.jsonl"))
		}, "s.jsonl"},
		{"dangling state", func(t *testing.T, dir, victim string) {
			link(t, bob, filepath.Join(victim, "new"), filepath.Join(dir, "s.jsonl"))
		}, "s.jsonl"},
		{"relative", func(t *testing.T, dir, victim string) {
			back, err := filepath.Rel(dir, victim)
			if err != nil {
				t.Fatal(err)
			}
			link(t, bob, filepath.Join(back, "new"), filepath.Join(dir, "s.jsonl"))
		}, "s.jsonl"},
		{"chain", func(t *testing.T, dir, victim string) {
			link(t, bob, filepath.Join(victim, "new"), filepath.Join(dir, "next"))
			link(t, bob, "next", filepath.Join(dir, "s.jsonl"))
		}, "next"},
		{"lock", func(t *testing.T, dir, victim string) {
			link(t, bob, filepath.Join(victim, "victim"), filepath.Join(dir, "s.jsonl.lock"))
		}, "s.jsonl.lock"},
		{"history", func(t *testing.T, dir, victim string) {
			link(t, bob, victim, filepath.Join(dir, "s.history"))
		}, "s.history"},
		{"rejections", func(t *testing.T, dir, victim string) {
			makeDir(t, bob, filepath.Join(dir, "s.history"))
			link(t, bob, filepath.Join(victim, "z.sh"), filepath.Join(dir, "s.history", "rejections.jsonl"))
		}, "rejections.jsonl"},
		{"run", func(t *testing.T, dir, victim string) {
			makeDir(t, bob, filepath.Join(dir, "s.history"))
			link(t, bob, filepath.Join(victim, "victim"), filepath.Join(dir, "s.history", "000007.jsonl"))
		}, "000007.jsonl"},
		{"somebody else's link", func(t *testing.T, dir, _ string) {
			link(t, bob-1, "other.jsonl", filepath.Join(dir, "s.jsonl"))
		}, "s.jsonl"},
		{"hard link", func(t *testing.T, dir, victim string) {
			if err := os.Link(filepath.Join(victim, "victim"), filepath.Join(dir, "s.jsonl.lock")); err != nil {
				t.Fatal(err)
			}
		}, "s.jsonl.lock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folderOf(t, bob)
			victim, check := untouched(t)
			c.lay(t, dir, victim)
			err := work(filepath.Join(dir, "s.jsonl"))
			var said *Error
			if !errors.As(err, &said) {
				t.Fatalf("it works, or says no reason: %v", err)
			}
			if !strings.HasSuffix(said.Path, c.says) || said.Hint() == "" {
				t.Errorf("it says %v, hint: %s", said, said.Hint())
			}
			check()
		})
	}
}

func makeDir(t *testing.T, uid int, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	give(t, uid, path)
}

// TestRootFollowsTrustedLinks: a link of root is followed, and so is one of the
// owner of its folder into a folder of theirs. What is made there is theirs.
func TestRootFollowsTrustedLinks(t *testing.T) {
	asRoot(t)
	for _, c := range []struct {
		name   string
		linker int
		target int // the owner of the folder that it leads into
	}{{"root's, to root", 0, 0}, {"root's, to bob", 0, bob}, {"bob's, to bob", bob, bob}} {
		t.Run(c.name, func(t *testing.T) {
			dir, target := folderOf(t, bob), folderOf(t, c.target)
			path := filepath.Join(dir, "s.jsonl")
			link(t, c.linker, filepath.Join(target, "real.jsonl"), path)
			for range 2 {
				if err := work(path); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"real.jsonl", "real.jsonl.lock", "real.jsonl.backup", "real.history", "real.history/000001.jsonl", "real.history/rejections.jsonl"} {
				info, err := os.Lstat(filepath.Join(target, name))
				if err != nil {
					t.Fatal(err)
				}
				if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != c.target {
					t.Errorf("%s belongs to %d", name, uid)
				}
			}
		})
	}
}

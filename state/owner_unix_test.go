//go:build !windows

package state

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// TestOwner: what root writes beside a state of another user is that user's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const nobody = 65534
	path := filepath.Join(t.TempDir(), "rollcall.state.jsonl")
	s := &State{}
	if err := At(path).Save(ctx, s, "test", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	lock, err := At(path).Lock(ctx, "rollcall test", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	record, err := At(path).Begin(ctx, run.Head{Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(At(path).Save(ctx, s, "test", time.Now(), nil), record.End(ctx, run.Failed, "", time.Now()), At(path).SaveRejections(ctx, nil)); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(At(path).Files(), At(path).Folders()[0], recordPath(path, 1), notePath(path, rejections)) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != nobody || owner.Gid != nobody {
			t.Errorf("%s belongs to %d:%d", name, owner.Uid, owner.Gid)
		}
	}
}

// TestOwnerOfFolder: where there is no state yet, its folder shows whose it is
// going to be.
func TestOwnerOfFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rollcall.state.jsonl")
	if err := At(path).Save(ctx, &State{}, "test", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != nobody {
		t.Errorf("the state belongs to %d", owner.Uid)
	}
}

// TestLockIsNoLink: a symbolic link in place of the lock leads nowhere.
func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	if err := os.Symlink(victim, path+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := At(path).Lock(ctx, "rollcall test", 0); err == nil {
		t.Error("the lock is taken through a link")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "dear" {
		t.Errorf("%q, %v", text, err)
	}
}

//go:build !windows

package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// lock waits until nobody publishes, and for a writer until nobody reads. Where there
// is no lock file yet, a reader needs none.
func (c *Console) lock(ctx context.Context, writes bool) (*os.File, error) {
	path := c.paths[recipients] + locking
	dir, base, err := c.locate(recipients)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	flag, how := os.O_RDONLY, syscall.LOCK_SH
	if writes {
		flag, how = os.O_RDWR, syscall.LOCK_EX
	}
	f, err := dir.OpenNoLink(base+locking, flag)
	if errors.Is(err, fs.ErrNotExist) {
		if !writes {
			return nil, nil
		}
		f, err = made(dir, base+locking)
	}
	if err != nil {
		return nil, c.unread(err, "run rollcall as the owner of the lock file, or give the file to a group of yours: chgrp GROUP "+path)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(c.timeout)
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, c.unread(&fs.PathError{Op: "lock", Path: path, Err: err}, "use a file system that has locks")
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-late:
			err = c.unread(fmt.Errorf("another run has held %s for %v", path, c.timeout), "wait until it has ended; fuser shows who has the file open")
		}
		f.Close()
		return nil, err
	}
}

// lockMode is the mode of a lock file that is new. Whoever may open it can keep
// everybody else from the tables.
const lockMode fs.FileMode = 0o640

// made makes a lock file, or opens one that somebody else has made meanwhile. It belongs
// to the owner and the group of the folder.
func made(dir *atomicfile.Folder, name string) (*os.File, error) {
	f, err := dir.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrExist) {
		return dir.OpenNoLink(name, os.O_RDWR)
	}
	if err != nil {
		return nil, err
	}
	dir.GiveAway(f, ".")
	return f, f.Chmod(lockMode)
}

// unlock gives the lock back, once the programs that inherited it have ended.
func unlock(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// separate runs a program in a process group of its own, which a Ctrl-C of the
// terminal does not reach, with the lock as file descriptor 3.
func separate(cmd *exec.Cmd, lock *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
}

// writable reports why files cannot be made in a folder; nil if they can.
func writable(dir string) error {
	const writeAndSearch = 2 | 1
	return syscall.Access(dir, writeAndSearch)
}

//go:build !windows

package connector

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownGroup makes a command run in a process group of its own, which a Ctrl-C of
// the terminal does not reach, with the lock as file descriptor 3.
func ownGroup(cmd *exec.Cmd, lock *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
}

// groupAlive reports whether a process of the group is there.
func groupAlive(cmd *exec.Cmd) bool { return syscall.Kill(-cmd.Process.Pid, 0) != syscall.ESRCH }

// endGroup asks all processes of the group to end, or ends them.
func endGroup(cmd *exec.Cmd, now bool) {
	signal := syscall.SIGTERM
	if now {
		signal = syscall.SIGKILL
	}
	syscall.Kill(-cmd.Process.Pid, signal)
}

// errHeld is a lock that somebody else has.
var errHeld = errors.New("the lock is held")

// acquireLock opens and locks a file, and waits for that. The lock belongs to the
// open file, and so to every process that has inherited it: it is free when all of
// them have ended, however they did. Those that were written down and are still
// there are returned with errHeld.
func acquireLock(ctx context.Context, path string, wait time.Duration) (*os.File, []string, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(wait)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
			return f, nil, nil
		case syscall.EWOULDBLOCK, syscall.EINTR:
		default:
			f.Close()
			return nil, nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-late:
			err = errHeld
		}
		holders := alive(f)
		f.Close()
		return nil, holders, err
	}
}

// alive returns the processes that a lock file names and that are there.
func alive(f *os.File) (pids []string) {
	text := make([]byte, 4096)
	n, _ := f.ReadAt(text, 0)
	for _, line := range strings.Fields(string(text[:n])) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 1 && syscall.Kill(-pid, 0) != syscall.ESRCH {
			pids = append(pids, line)
		}
	}
	return pids
}

// unlock gives the lock back, once the processes that inherited it have ended.
func unlock(lock *os.File) {
	if lock != nil {
		lock.Close()
	}
}

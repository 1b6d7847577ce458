//go:build !windows

package state

import (
	"os"
	"path/filepath"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

// sameOwner gives a file that root has made to the owner of another one, or of
// its folder where that is not there, so that a command of root leaves the state
// to who works with it. A file of several names stays whose it is.
func sameOwner(f *os.File, like string) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Stat(like)
	if err != nil {
		info, err = os.Stat(filepath.Dir(like))
	}
	mine, mineErr := f.Stat()
	if err != nil || mineErr != nil {
		return
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if own, is := mine.Sys().(*syscall.Stat_t); ok && is && (mine.IsDir() || own.Nlink == 1) {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // else it stays root's
	}
}

// noFollow opens no symbolic link.
const noFollow = syscall.O_NOFOLLOW

// syncDir makes a rename in dir durable where the file system can. Whether it
// does or not, one of two whole versions is there.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

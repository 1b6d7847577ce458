//go:build !windows

package state

import (
	"os"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

// sameOwner gives a file that root has made to the owner of another one, so that
// a command of root leaves the state to who works with it.
func sameOwner(path, like string) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(like); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = os.Lchown(path, int(owner.Uid), int(owner.Gid)) // else it stays root's
		}
	}
}

// syncDir makes a rename in dir durable where the file system can. Whether it
// does or not, one of two whole versions is there.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

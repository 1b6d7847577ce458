//go:build !windows

package atomicfile

import (
	"os"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

// NoFollow is a flag that opens no symbolic link.
const NoFollow = syscall.O_NOFOLLOW

// syncDir makes a rename in dir durable where the file system can. Whether it
// does or not, one of two whole versions is there.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

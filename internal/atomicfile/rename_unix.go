//go:build !windows

package atomicfile

import (
	"os"
	"syscall"
)

func (d *Folder) open(name string, flag int) (*os.File, error) {
	return os.OpenFile(d.Path(name), flag, Mode)
}

func (d *Folder) rename(from, to string) error { return os.Rename(d.Path(from), d.Path(to)) }

// replaceable is no error: whether a file may be replaced is up to its folder.
func (d *Folder) replaceable(string) error { return nil }

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

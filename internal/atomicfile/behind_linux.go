package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginSync asks the system to bring a part of a file to the disk, and does not wait
// (sync_file_range(2)). What goes wrong with it, the sync of the file says.
func beginSync(f *os.File, at, length int64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), at, length, unix.SYNC_FILE_RANGE_WRITE) })
	}
}

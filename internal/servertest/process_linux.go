package servertest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithUs lets the system kill the program when this process ends, however
// it ends.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// LimitFiles keeps a running program from writing files that are longer than so many
// octets, as if the disk were full.
func LimitFiles(pid int, octets uint64) error {
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: octets, Max: unix.RLIM_INFINITY}, nil)
}

// reserved are the ports of this process. Those of others have their octet of the
// file locked.
var reserved = struct {
	sync.Mutex
	file  *os.File
	ports map[int]bool
}{ports: map[int]bool{}}

// reserve takes a port from all other tests on the machine until this process ends,
// and reports whether it was there to be taken.
func reserve(t T, port int) bool {
	t.Helper()
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.file == nil {
		var err error
		path := filepath.Join(os.TempDir(), fmt.Sprintf("rollcall-test-ports.%d", os.Getuid()))
		if reserved.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			t.Fatalf("%v", err)
		}
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: int64(port), Len: 1}
	if reserved.ports[port] || syscall.FcntlFlock(reserved.file.Fd(), syscall.F_SETLK, &lock) != nil {
		return false
	}
	reserved.ports[port] = true
	return true
}

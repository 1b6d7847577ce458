//go:build !windows

package state

import (
	"syscall"
)

// alive reports whether a process of this host is there, whoever it belongs to.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || err == syscall.EPERM
}

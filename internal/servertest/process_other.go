//go:build !linux

package servertest

import "syscall"

func endWithUs() *syscall.SysProcAttr { return nil }

// reserve leaves it to luck that no other test takes the port meanwhile.
func reserve(T, int) bool { return true }

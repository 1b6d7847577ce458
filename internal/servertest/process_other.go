//go:build !linux

package servertest

import (
	"errors"
	"syscall"
)

func endWithUs() *syscall.SysProcAttr { return nil }

// reserve leaves it to luck that no other test takes the port meanwhile.
func reserve(T, int) bool { return true }

// LimitFiles is an error: only Linux limits programs that run.
func LimitFiles(int, uint64) error { return errors.ErrUnsupported }

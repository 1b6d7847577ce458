//go:build !windows

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the most memory that the process had, in octets.
func peak(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}

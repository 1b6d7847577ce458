//go:build !windows

package plan_test

import (
	"syscall"
	"time"
)

// spent returns how long the processors have worked for this process. Unlike a
// clock it does not count what others do meanwhile.
func spent() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

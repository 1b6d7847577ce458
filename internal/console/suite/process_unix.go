//go:build !windows

package suite

import (
	"os"
	"os/exec"
	"syscall"
)

// grouped gives a command a process group of its own, so that what it starts ends
// with it.
func grouped(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a process and its group. One that was waited for is left alone: its
// number may be another's.
func kill(p *os.Process) error {
	if err := p.Signal(syscall.Signal(0)); err != nil {
		return err
	}
	return syscall.Kill(-p.Pid, syscall.SIGKILL)
}

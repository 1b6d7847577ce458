package servertest

import "syscall"

// endWithUs lets the system kill the program when this process ends, however
// it ends.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

//go:build !linux

package servertest

import "syscall"

func endWithUs() *syscall.SysProcAttr { return nil }

package ldap

import "syscall"

// canWait says that SO_RCVLOWAT is heeded by whoever waits for a connection (socket(7)).
const canWait = true

func setLow(fd uintptr, octets int) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, octets)
}

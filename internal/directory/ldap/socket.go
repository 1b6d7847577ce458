package ldap

import (
	"bufio"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a TCP connection of which much is read at a time: all that is there, and where
// more is sure to come, not before there is more. Servers such as slapd send each entry by
// itself, and who wakes for each of them, and has the kernel wake somebody for each, keeps
// two processors busy with that.
type socket struct {
	net.Conn
	in *bufio.Reader
	// coming is how many octets the server is thought to send before it waits for
	// anything.
	coming atomic.Int64

	raw syscall.RawConn // nil where the system cannot wait for more
	low int             // how many octets it waits for
}

const (
	socketBuffer = 128 << 10 // octets
	// mostLow and leastLow are for how many octets it is worth while to wait.
	mostLow, leastLow = 64 << 10, 1 << 10
	// soon is how long they are waited for, in case that they do not come.
	soon = 5 * time.Millisecond
)

func newSocket(nc net.Conn) *socket {
	s := &socket{Conn: nc, low: 1}
	s.in = bufio.NewReaderSize(waiting{s}, socketBuffer)
	if tcp, is := nc.(*net.TCPConn); is && canWait {
		s.raw, _ = tcp.SyscallConn()
	}
	return s
}

func (s *socket) Read(p []byte) (int, error) { return s.in.Read(p) }

// waitFor has the next read wait for so many octets, and reports whether it does.
func (s *socket) waitFor(octets int) bool {
	if octets == s.low {
		return true
	}
	failed := s.raw.Control(func(fd uintptr) {
		if setLow(fd, octets) == nil {
			s.low = octets
		}
	})
	return failed == nil && s.low == octets
}

// waiting reads the connection below a socket.
type waiting struct{ *socket }

func (w waiting) Read(p []byte) (int, error) {
	s := w.socket
	if s.raw == nil {
		return s.Conn.Read(p)
	}
	octets := min(s.coming.Load(), mostLow, int64(len(p)))
	if octets >= leastLow && s.waitFor(int(octets)) {
		_ = s.SetReadDeadline(time.Now().Add(soon))
		n, err := s.Conn.Read(p)
		_ = s.SetReadDeadline(time.Time{})
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	s.waitFor(1)
	return s.Conn.Read(p)
}

package ldap

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// pair is a socket and what is at its other end.
func pair(t *testing.T) (*socket, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return newSocket(near), far.(*net.TCPConn)
}

// TestSocketWaits: where more is sure to come, few reads get much; what does not come is
// not waited for.
func TestSocketWaits(t *testing.T) {
	t.Parallel()
	s, far := pair(t)
	const pieces, size = 2000, 500
	go func() {
		piece := make([]byte, size)
		for range pieces {
			if _, err := far.Write(piece); err != nil {
				return
			}
		}
	}()
	reads, got := 0, 0
	for got < pieces*size {
		s.coming.Store(int64(pieces*size - got))
		n, err := s.Read(make([]byte, socketBuffer))
		if err != nil {
			t.Fatal(err)
		}
		reads, got = reads+1, got+n
	}
	if canWait && reads > pieces/10 {
		t.Errorf("%d reads for %d pieces", reads, pieces)
	}

	// It says less than it was thought to.
	s.coming.Store(1 << 20)
	if _, err := far.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	b := make([]byte, 10)
	if n, err := s.Read(b); err != nil || string(b[:n]) != "end" || time.Since(begun) > 10*time.Second {
		t.Errorf("%q, %v after %v", b[:n], err, time.Since(begun))
	}

	// A deadline of somebody else counts where nothing is known to come.
	s.coming.Store(0)
	_ = s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := s.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = s.SetReadDeadline(time.Time{})

	s.coming.Store(1 << 20)
	go func() {
		time.Sleep(3 * soon)
		far.Write([]byte("last"))
		far.Close()
	}()
	if b, err := io.ReadAll(s); err != nil || string(b) != "last" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestSocketCloses: a read that waits ends when the connection is closed.
func TestSocketCloses(t *testing.T) {
	t.Parallel()
	s, _ := pair(t)
	s.coming.Store(1 << 20)
	time.AfterFunc(20*time.Millisecond, func() { s.Close() })
	if _, err := s.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

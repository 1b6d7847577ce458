package servertest

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProxy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() { // says the alphabet after each line
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				line := make([]byte, 100)
				for {
					if _, err := c.Read(line); err != nil {
						c.Close()
						return
					}
					io.WriteString(c, "abcdefghijklmnopqrstuvwxyz")
				}
			}()
		}
	}()
	p := NewProxy(t, "ldaps://"+l.Addr().String())
	for i, q := range []struct {
		how  Cut
		want error
	}{{Finished, nil}, {Reset, syscall.ECONNRESET}, {Stalled, errTimeout}} {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "ldaps://"))
		must(t, err)
		p.Cut(30, Whole)
		io.WriteString(c, "say\n")
		got := make([]byte, 26)
		_, err = io.ReadFull(c, got)
		must(t, err)
		p.Cut(30, q.how)
		io.WriteString(c, "say\n")
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		rest, err := io.ReadAll(c)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			err = errTimeout
		}
		if string(got)+string(rest) != "abcdefghijklmnopqrstuvwxyzabcd" || !errors.Is(err, q.want) {
			t.Errorf("cut %d: got %q, %q, %v", q.how, got, rest, err)
		}
		if p.Connections() != i+1 || p.Sent() != int64(30*(i+1)) {
			t.Errorf("cut %d: counts %d connections and %d bytes", q.how, p.Connections(), p.Sent())
		}
		c.Close()
	}
}

var errTimeout = errors.New("nothing comes")

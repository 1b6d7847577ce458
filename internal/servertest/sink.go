package servertest

import (
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Sink is a mail server that takes everything (RFC 5321), as the next hop of a
// gateway.
type Sink struct {
	// Address is 127.0.0.1:PORT.
	Address string

	mu    sync.Mutex
	taken map[string]int
}

// NewSink starts a sink.
func NewSink(t T) *Sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &Sink{Address: l.Addr().String(), taken: map[string]int{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(textproto.NewConn(c))
		}
	}()
	return s
}

// Taken returns how many mails came for an address.
func (s *Sink) Taken(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[address]
}

// Await reports whether mail for an address came in time.
func (s *Sink) Await(address string) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s.Taken(address) > 0 {
			return true
		}
	}
	return false
}

func (s *Sink) serve(c *textproto.Conn) {
	defer c.Close()
	var to []string
	c.PrintfLine("220 sink")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, ":")
		switch strings.ToUpper(verb) {
		case "MAIL FROM":
			to = nil
			c.PrintfLine("250 ok")
		case "RCPT TO":
			rest, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), "<"), ">")
			to = append(to, strings.ToLower(rest))
			c.PrintfLine("250 ok")
		case "DATA":
			c.PrintfLine("354 go on")
			if _, err := c.ReadDotBytes(); err != nil {
				return
			}
			s.mu.Lock()
			for _, x := range to {
				s.taken[x]++
			}
			s.mu.Unlock()
			c.PrintfLine("250 taken")
		case "QUIT":
			c.PrintfLine("221 bye")
			return
		default:
			c.PrintfLine("250 ok")
		}
	}
}

// Recipients asks a mail server whether it takes mail for addresses, in one session, and
// returns the codes of its answers.
func Recipients(server string, addresses ...string) (codes []int, err error) {
	c, err := mail(server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, x := range addresses {
		code := 250
		if err := c.Rcpt(x); err != nil {
			var said *textproto.Error
			if !errors.As(err, &said) {
				return nil, err
			}
			code = said.Code
		}
		codes = append(codes, code)
	}
	return codes, c.Quit()
}

// Deliver hands a mail for an address to a mail server.
func Deliver(server, address string) error {
	c, err := mail(server)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Rcpt(address); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write([]byte("Subject: test\r\n\r\ntest\r\n"))
	return errors.Join(err, w.Close(), c.Quit())
}

// mail begins a mail.
func mail(server string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", server, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := c.Mail("sender@sender.example"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

package servertest

import (
	"net"
	"net/url"
	"sync"
)

// Proxy is a line to a server that can break.
type Proxy struct {
	// URL is the server's, by way of the proxy.
	URL string

	mu          sync.Mutex
	cut         Cut
	after       int64
	total       bool // after counts what all connections have been sent
	connections int
	sent        int64
}

// Cut is how a line breaks.
type Cut int

const (
	// Whole does not break.
	Whole Cut = iota
	// Finished ends the connection as if the server had sent all (FIN).
	Finished
	// Reset breaks it off (RST).
	Reset
	// Stalled goes silent.
	Stalled
)

// NewProxy starts a proxy to an ldap:// or ldaps:// URL with a port.
func NewProxy(t T, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &Proxy{URL: u.Scheme + "://" + l.Addr().String()}
	var open sync.Map
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", u.Host)
			if err != nil {
				client.Close()
				continue
			}
			open.Store(client, nil)
			open.Store(server, nil)
			p.mu.Lock()
			p.connections++
			p.mu.Unlock()
			go func() {
				pass(client, server, nil)
				server.Close()
			}()
			go p.answer(client.(*net.TCPConn), server)
		}
	}()
	return p
}

// Cut breaks every connection, also those that are open, when the server has
// sent it n bytes.
func (p *Proxy) Cut(n int64, how Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.cut, p.total = n, how, false
}

// CutAll breaks every connection once the server has sent n more bytes over any of
// them, and all that are made later.
func (p *Proxy) CutAll(n int64, how Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.cut, p.total = p.sent+n, how, true
}

// Connections counts those made so far.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connections
}

// Sent counts the bytes that came from the server and were passed on.
func (p *Proxy) Sent() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// answer passes on what the server sends.
func (p *Proxy) answer(client *net.TCPConn, server net.Conn) {
	var sent int64
	how := Whole
	pass(server, client, func(n int) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		before := sent
		if p.total {
			before = p.sent
		}
		if p.cut != Whole && before+int64(n) >= p.after {
			how = p.cut
			n = int(max(0, p.after-before))
		}
		sent += int64(n)
		p.sent += int64(n)
		return n
	})
	switch how {
	case Stalled:
		return
	case Reset:
		client.SetLinger(0)
	}
	client.Close()
	server.Close()
}

// pass copies until an end or until allow, which is given a number of bytes,
// lets fewer through.
func pass(from, to net.Conn, allow func(int) int) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		allowed := n
		if allow != nil && n > 0 {
			allowed = allow(n)
		}
		if _, failed := to.Write(buffer[:allowed]); err != nil || failed != nil || allowed < n {
			return
		}
	}
}

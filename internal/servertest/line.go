package servertest

import (
	"net"
	"sync"
)

// Line leads to a server, and can be down: for one user of a server that many share,
// the server is then away.
type Line struct {
	// Host is 127.0.0.1:PORT.
	Host string

	t    T
	to   string
	mu   sync.Mutex
	l    net.Listener // nil while it is down
	open map[net.Conn]bool
}

// NewLine makes a line to host:port.
func NewLine(t T, to string) *Line {
	t.Helper()
	x := &Line{t: t, to: to, Host: "127.0.0.1:0", open: map[net.Conn]bool{}}
	x.Start()
	t.Cleanup(x.Stop)
	return x
}

// Start brings the line up, at the same port as before.
func (x *Line) Start() {
	x.t.Helper()
	l, err := net.Listen("tcp", x.Host)
	must(x.t, err)
	x.mu.Lock()
	x.l, x.Host = l, l.Addr().String()
	x.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go x.connect(client)
		}
	}()
}

func (x *Line) connect(client net.Conn) {
	server, err := net.Dial("tcp", x.to)
	if err != nil {
		client.Close()
		return
	}
	x.mu.Lock()
	if x.l == nil {
		x.mu.Unlock()
		client.Close()
		server.Close()
		return
	}
	x.open[client], x.open[server] = true, true
	x.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			pass(way[0], way[1], nil)
			client.Close()
			server.Close()
		})
	}
	both.Wait()
	x.mu.Lock()
	delete(x.open, client)
	delete(x.open, server)
	x.mu.Unlock()
}

// Stop takes the line down: connections break at once.
func (x *Line) Stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.l == nil {
		return
	}
	x.l.Close()
	x.l = nil
	for c := range x.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

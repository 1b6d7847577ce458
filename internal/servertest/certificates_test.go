package servertest

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCertificates looks at them as a client that trusts one authority alone.
func TestCertificates(t *testing.T) {
	ca := NewCA(t)
	for _, c := range []struct {
		story string
		ca    *CA
		leaf  Leaf
		want  string // of the client's error; "" for none
	}{
		{"a good one", ca, Leaf{}, ""},
		{"soon expired", ca, Leaf{Until: 24 * time.Hour}, ""},
		{"expired", ca, Leaf{Until: -time.Hour}, "certificate has expired"},
		{"not yet valid", ca, Leaf{From: time.Hour}, "is before"},
		{"another host", ca, Leaf{Hosts: []string{"dc2.example.com", "127.0.0.9"}}, "certificate is valid for 127.0.0.9, not 127.0.0.1"},
		{"no host", ca, Leaf{NoHosts: true}, "certificate relies on legacy Common Name field"},
		{"self-signed", ca, Leaf{SelfSigned: true}, "unknown authority"},
		{"another authority", NewCA(t), Leaf{}, "unknown authority"},
		{"an authority between, which is not sent", ca.Intermediate(t), Leaf{}, "unknown authority"},
		{"a negative serial number", ca, Leaf{NegativeSerial: true}, "negative serial number"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		served := make(chan struct{})
		go func() {
			defer close(served)
			if conn, err := l.Accept(); err == nil {
				tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.ca.Issue(t, c.leaf).TLS}}).Handshake()
				conn.Close()
			}
		}()
		conn, err := tls.Dial("tcp", l.Addr().String(), ca.client(t))
		switch {
		case err == nil && c.want == "":
			conn.Close()
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: got %v", c.story, err)
		}
		l.Close()
		<-served
	}
}

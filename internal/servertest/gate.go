package servertest

import (
	"net"
	"net/url"
	"strings"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// The requests that change something (RFC 4511 section 4), as a gate asks of them.
const (
	ModifyRequest   = 6
	AddRequest      = 8
	DelRequest      = 10
	ModifyDNRequest = 12
)

// Broken is what breaks a connection in place of a result code.
const Broken = -1

// NewGate starts a line to an ldap:// server, and returns its URL. Of each request,
// judge says what becomes of it, by its type: 0 lets it pass, a result code is the
// answer, and [Broken] ends the connection.
func NewGate(t T, target string, judge func(request int) (result int)) string {
	t.Helper()
	u, err := url.Parse(target)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var open sync.Map
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	})
	serve := func(client net.Conn) {
		defer client.Close()
		server, err := net.Dial("tcp", u.Host)
		if err != nil {
			return
		}
		defer server.Close()
		open.Store(server, nil)
		go func() {
			pass(server, client, nil)
			client.Close()
		}()
		for {
			packet, err := ber.ReadPacket(client)
			if err != nil || len(packet.Children) < 2 {
				return
			}
			request := int(packet.Children[1].Tag)
			switch result := judge(request); result {
			case 0:
				_, err = server.Write(packet.Bytes())
			case Broken:
				return
			default:
				answer := ber.NewSequence("")
				answer.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, packet.Children[0].Value, ""))
				said := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ber.Tag(request+1), nil, "")
				said.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(result), ""))
				for range 2 {
					said.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
				}
				answer.AppendChild(said)
				_, err = client.Write(answer.Bytes())
			}
			if err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(client, nil)
			go serve(client)
		}
	}()
	return strings.Replace(target, u.Host, l.Addr().String(), 1)
}

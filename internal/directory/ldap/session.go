package ldap

import (
	"context"

	goldap "github.com/go-ldap/ldap/v3"
)

// Session is a connection to the first of the servers that can be reached, on which
// somebody is logged in. It makes one request at a time.
type Session struct {
	source *Source
	conn   *conn
}

// Begin logs in. A refused login is a [directory.RefusedError], and is not tried on
// another server. When ctx ends later, the session goes on.
func (s *Source) Begin(ctx context.Context) (*Session, error) {
	c, err := s.first(ctx)
	if err != nil {
		return nil, err
	}
	c.stop()
	return &Session{s, c}, nil
}

// Server is the URL of the server.
func (s *Session) Server() string { return s.conn.target.url }

// Vendor is what the server says that it is, or "".
func (s *Session) Vendor() string { return s.conn.root.vendor }

// Offers reports whether the server says that it knows a control, by its object
// identifier.
func (s *Session) Offers(control string) bool { return s.conn.root.offers(control) }

// ContextOf returns the naming context that holds a DN.
func (s *Session) ContextOf(dn string) string { return s.conn.root.contextOf(dn) }

// Do makes a request, whose time is limited. Its error is as go-ldap has it; see
// [Session.Cause] and [Answered].
func (s *Session) Do(request func(*goldap.Conn) error) error {
	s.conn.wire.await()
	defer s.conn.wire.done()
	return request(s.conn.Conn)
}

// Cause says in words why a request failed, with advice in a method Hint.
func (s *Session) Cause(ctx context.Context, err error) error {
	return s.source.cause(ctx, s.conn, err)
}

// Close ends the connection at once; a request under way fails.
func (s *Session) Close() { s.conn.close() }

// Answered reports whether an error is what a server answered, and not that no answer
// came.
func Answered(err error) bool { return isAnswer(err) }

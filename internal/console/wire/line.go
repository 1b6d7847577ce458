package wire

import (
	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Line is what one line of a connector says. What it does not say is nil, false or
// "".
type Line struct {
	connector.Line
	// Account is one of those that were asked for, or, with Key, what became of it.
	// It is valid until the next line is read.
	Account *identity.Live
	// Accounts and Complete end a read.
	Accounts *int64
	Complete bool
	// Key names the change that is answered, OK says that it was made, Ref and Rev
	// are those of the account afterwards.
	Key      *string
	OK       bool
	Ref, Rev string
	// Done ends the answers to changes.
	Done *int64
	// Error is what went wrong: with the change, or with the whole request.
	Error *apply.Error
	// Ledger answers ledger.
	Ledger string
}

// Line reads one line, without its newline. An error says why it is no message.
func (d *Decoder) Line(line []byte) (Line, error) {
	if err := connector.CheckUTF8(line); err != nil {
		return Line{}, err
	}
	if l, ok := d.accountLine(line); ok {
		return l, nil
	}
	return d.anyLine(line)
}

// accountLine reads a line that has an id and a plain account and nothing else.
func (d *Decoder) accountLine(line []byte) (Line, bool) {
	s := connector.Scanner{Rest: line}
	if !s.Is('{') || !s.Key("id") {
		return Line{}, false
	}
	id, ok := s.Number()
	if !ok || !s.Is(',') || !s.Key("account") || !d.plain(&s, &d.live) || !s.Is('}') {
		return Line{}, false
	}
	s.Space()
	return Line{Line: connector.Line{ID: id}, Account: &d.live}, len(s.Rest) == 0
}

// anyLine reads every line.
func (d *Decoder) anyLine(line []byte) (Line, error) {
	l, found, err := d.object(line)
	if err == nil && !found {
		err = connector.ErrNoID
	}
	return l, err
}

// object reads a line, and reports whether it has an id.
func (d *Decoder) object(line []byte) (l Line, id bool, err error) {
	m := connector.NewMembers(line)
	if m.Err != nil {
		return l, false, m.Err
	}
	l.Line, id = m.Line()
	l.Accounts, l.Done, l.Key = m.Number("accounts"), m.Number("done"), m.Text("key")
	m.Value("complete", &l.Complete, "true or false")
	m.Value("ok", &l.OK, "true or false")
	m.Value("ref", &l.Ref, "a string")
	m.Value("rev", &l.Rev, "a string")
	m.Value("ledger", &l.Ledger, "a string")
	var said struct {
		Code, Message, Address, Holder string
		RetryAfter                     float64 `json:"retry_after"`
	}
	if m.Value("error", &said, "an object with code and message") {
		l.Error = &apply.Error{Code: code(said.Code), Message: said.Message, Address: said.Address, Holder: said.Holder, RetryAfter: connector.Seconds(said.RetryAfter)}
	}
	if m.Err == nil && !connector.Absent(m.Raw["account"]) {
		l.Account = &d.live
		m.Err = d.odd(m.Raw["account"], l.Account)
	}
	return l, id, m.Err
}

// code returns a code of the protocol; one that it does not have is internal.
func code(name string) apply.Code {
	switch c := apply.Code(name); c {
	case apply.Taken, apply.Changed, apply.Gone, apply.Throttled, apply.Temporary, apply.Refused,
		apply.Cancelled, apply.Unsupported, apply.Auth, apply.Misused:
		return c
	}
	return apply.Internal
}

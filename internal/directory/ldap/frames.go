package ldap

import (
	"errors"
	"fmt"
)

// Tags of BER (X.690) as LDAP messages use them (RFC 4511 section 5.1 and
// appendix B). Lengths are definite.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagSequence = 0x30
	tagSet      = 0x31

	opBindResponse     = 0x61
	opSearchRequest    = 0x63
	opEntry            = 0x64
	opDone             = 0x65
	opReference        = 0x73
	opExtendedResponse = 0x78
)

var errMalformed = errors.New("the server sent a malformed message")

// headOf returns the operation and id of a message from its first octets, or
// zeros.
func headOf(b []byte) (op byte, id int64) {
	_, b, ok := header(b)
	if !ok || len(b) < 2 || b[0] != tagInteger {
		return 0, 0
	}
	n := int(b[1])
	if n == 0 || n > 5 || len(b) < 2+n+1 {
		return 0, 0
	}
	for _, c := range b[2 : 2+n] {
		id = id<<8 | int64(c)
	}
	return b[2+n], id
}

// header splits off a tag and its length, which may exceed what follows.
func header(b []byte) (length int, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	length, rest = int(b[1]), b[2:]
	if length < 0x80 {
		return length, rest, true
	}
	octets := length & 0x7f
	if octets == 0 || octets > 4 || len(rest) < octets {
		return 0, nil, false
	}
	length = 0
	for _, c := range rest[:octets] {
		length = length<<8 | int(c)
	}
	return length, rest[octets:], true
}

// element splits off the element with which b begins.
func element(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != tag {
		return nil, nil, false
	}
	n, rest, ok := header(b)
	if !ok || n < 0 || n > len(rest) {
		return nil, nil, false
	}
	return rest[:n:n], rest[n:], true
}

// message is an LDAPMessage (RFC 4511 section 4.1.1).
type message struct {
	id   int64
	op   byte
	body []byte
}

func parseMessage(b []byte) (message, error) {
	body, rest, ok := element(b, tagSequence)
	if !ok || len(rest) > 0 {
		return message{}, errMalformed
	}
	id, body, ok := element(body, tagInteger)
	if !ok || len(id) == 0 || len(id) > 5 || len(body) == 0 {
		return message{}, errMalformed
	}
	m := message{op: body[0]}
	for _, c := range id {
		m.id = m.id<<8 | int64(c)
	}
	if m.body, rest, ok = element(body, m.op); !ok {
		return message{}, errMalformed
	}
	if len(rest) > 0 {
		// Controls, of which entries have none that matter here.
		if _, rest, ok = element(rest, 0xa0); !ok || len(rest) > 0 {
			return message{}, errMalformed
		}
	}
	return m, nil
}

// cut splits the first message off a block.
func cut(block []byte) (frame, rest []byte, err error) {
	if _, rest, ok := element(block, tagSequence); ok {
		return block[:len(block)-len(rest)], rest, nil
	}
	return nil, nil, errMalformed
}

// parseEntry calls attribute for each attribute of a SearchResultEntry (RFC
// 4511 section 4.5.2), in order, and returns the entry's name. values yields
// the attribute's values and must be called to its end.
func parseEntry(body []byte, attribute func(description []byte, values []byte) error) (dn []byte, err error) {
	dn, list, ok := element(body, tagOctets)
	if !ok {
		return nil, errMalformed
	}
	list, rest, ok := element(list, tagSequence)
	if !ok || len(rest) > 0 {
		return nil, errMalformed
	}
	for len(list) > 0 {
		var one, description, values []byte
		if one, list, ok = element(list, tagSequence); !ok {
			return nil, errMalformed
		}
		if description, one, ok = element(one, tagOctets); !ok {
			return nil, errMalformed
		}
		if values, one, ok = element(one, tagSet); !ok || len(one) > 0 {
			return nil, errMalformed
		}
		if err := attribute(description, values); err != nil {
			return nil, err
		}
	}
	return dn, nil
}

// appendOctets appends the octet strings that b consists of.
func appendOctets(to [][]byte, b []byte) ([][]byte, error) {
	for len(b) > 0 {
		var v []byte
		var ok bool
		if v, b, ok = element(b, tagOctets); !ok {
			return nil, errMalformed
		}
		to = append(to, v)
	}
	return to, nil
}

// parseReference returns the URLs of a SearchResultReference (RFC 4511 section
// 4.5.3).
func parseReference(body []byte) ([]string, error) {
	values, err := appendOctets(nil, body)
	if err != nil {
		return nil, fmt.Errorf("%w: a continuation reference", err)
	}
	var urls []string
	for _, v := range values {
		urls = append(urls, string(v))
	}
	return urls, nil
}

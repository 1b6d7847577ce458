package ldap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/compact"
)

// tlv encodes an element of BER.
func tlv(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	n := len(body)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 1<<16:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func octets(s string) []byte { return tlv(tagOctets, []byte(s)) }

// entryFrame encodes a SearchResultEntry of "name: value" pairs; a name may
// recur.
func entryFrame(id byte, dn string, pairs ...string) []byte {
	var names []string
	values := map[string][][]byte{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, ": ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		values[name] = append(values[name], octets(value))
	}
	var list [][]byte
	for _, name := range names {
		list = append(list, tlv(tagSequence, octets(name), tlv(tagSet, values[name]...)))
	}
	return tlv(tagSequence, tlv(tagInteger, []byte{id}), tlv(opEntry, octets(dn), tlv(tagSequence, list...)))
}

func doneFrame(id byte, controls ...[]byte) []byte {
	done := tlv(opDone, tlv(0x0a, []byte{0}), octets(""), octets(""))
	if len(controls) > 0 {
		return tlv(tagSequence, tlv(tagInteger, []byte{id}), done, tlv(0xa0, controls...))
	}
	return tlv(tagSequence, tlv(tagInteger, []byte{id}), done)
}

// replay is a connection on which a server says what it has to say after the
// first request, and closes.
type replay struct {
	answer io.Reader
	asked  chan struct{}
	once   sync.Once
}

func newReplay(frames ...[]byte) *replay {
	return &replay{answer: bytes.NewReader(bytes.Join(frames, nil)), asked: make(chan struct{})}
}

func (r *replay) Read(p []byte) (int, error) {
	<-r.asked
	return r.answer.Read(p)
}

func (r *replay) Write(p []byte) (int, error) {
	r.once.Do(func() { close(r.asked) })
	return len(p), nil
}

func (r *replay) Close() error {
	r.once.Do(func() { close(r.asked) })
	return nil
}
func (r *replay) LocalAddr() net.Addr              { return nil }
func (r *replay) RemoteAddr() net.Addr             { return nil }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }

// byGoLDAP decodes an entry as go-ldap does.
func byGoLDAP(frame []byte) (string, error) {
	c := goldap.NewConn(newReplay(frame, doneFrame(1)), false)
	c.Start()
	defer c.Close()
	result, err := c.Search(goldap.NewSearchRequest("", 0, 0, 0, 0, false, "(a=*)", nil, nil))
	if err != nil {
		return "", err
	}
	if len(result.Entries) != 1 {
		return "", fmt.Errorf("%d entries", len(result.Entries))
	}
	e := result.Entries[0]
	var b strings.Builder
	fmt.Fprintf(&b, "%q", e.DN)
	for _, a := range e.Attributes {
		fmt.Fprintf(&b, " %q:%q", a.Name, a.ByteValues)
	}
	return b.String(), nil
}

// byUs decodes an entry as a read does.
func byUs(frame []byte) (string, error) {
	m, err := parseMessage(frame)
	if err != nil {
		return "", err
	}
	if m.op != opEntry {
		return "", errors.New("no entry")
	}
	var b strings.Builder
	dn, err := parseEntry(m.body, func(description, values []byte) error {
		list, err := appendOctets(nil, values)
		fmt.Fprintf(&b, " %q:%q", description, list)
		return err
	})
	return fmt.Sprintf("%q", dn) + b.String(), err
}

func TestEntryFrames(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, frame := range [][]byte{
		entryFrame(1, "cn=a"),
		entryFrame(1, ""),
		entryFrame(1, "cn=Jürgen,dc=example", "mail: j@example.com", "proxyAddresses: SMTP:j@example.com", "proxyAddresses: smtp:k@example.com"),
		entryFrame(1, "cn=a", "objectGUID: \x00\xff\x30\x84", "member;range=0-1499: cn=b", "empty: "),
		entryFrame(1, "cn="+long, "mail: "+long),
	} {
		want, err := byGoLDAP(frame)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := byUs(frame); err != nil || got != want {
			t.Errorf("got %.200s, %v, want %.200s", got, err, want)
		}
	}
}

func TestMalformedFrames(t *testing.T) {
	whole := entryFrame(1, "cn=a", "mail: a@example.com", "cn: a")
	for n := range whole {
		if _, err := byUs(whole[:n]); err == nil {
			t.Errorf("the first %d octets of %d are an entry", n, len(whole))
		}
	}
	for _, frame := range [][]byte{
		append(slices.Clone(whole), 0),
		{0x30, 0x80, 0, 0},
		{0x30, 0x85, 0, 0, 0, 0, 0},
		{0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		tlv(tagSequence, tlv(tagInteger), tlv(opEntry, octets(""), tlv(tagSequence))),
		tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(opEntry, octets(""))),
		tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(opEntry, octets(""), tlv(tagSequence), octets(""))),
		tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(opEntry, octets(""), tlv(tagSequence, tlv(tagSequence, octets("mail"))))),
		tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(opEntry, octets(""), tlv(tagSequence)), octets("")),
	} {
		if got, err := byUs(frame); err == nil {
			t.Errorf("%x is taken for %s", frame, got)
		}
	}
}

// FuzzEntryFrame compares our decoder with go-ldap's: what ours accepts, that
// one must read in the same way.
func FuzzEntryFrame(f *testing.F) {
	f.Add(entryFrame(1, "cn=a", "mail: a@example.com", "mail: b@example.com", "cn: a")[2:])
	f.Add(entryFrame(1, "")[2:])
	f.Add([]byte{2, 1, 1, 0x64, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		frame := tlv(tagSequence, body)
		if op, id := headOf(frame); op != opEntry || id != 1 {
			return
		}
		got, err := byUs(frame)
		if err != nil {
			return
		}
		want, err := byGoLDAP(frame)
		if err != nil || got != want {
			t.Errorf("%x:\n got %s\nwant %s %v", frame, got, want, err)
		}
	})
}

// FuzzEntryValues encodes an entry with go-ldap's encoder and decodes it with
// ours.
func FuzzEntryValues(f *testing.F) {
	f.Add("cn=a", "mail", "a@example.com", "b@example.com")
	f.Add("", "", "", "\xff\x00")
	f.Fuzz(func(t *testing.T, dn, name, one, two string) {
		packet := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		packet.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
		entry := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
		entry.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
		list := ber.NewSequence("")
		attribute := ber.NewSequence("")
		attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, name, ""))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range []string{one, two} {
			values.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, ""))
		}
		attribute.AppendChild(values)
		list.AppendChild(attribute)
		entry.AppendChild(list)
		packet.AppendChild(entry)
		want := fmt.Sprintf("%q %q:%q", dn, name, []string{one, two})
		if got, err := byUs(packet.Bytes()); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

func TestReferenceFrame(t *testing.T) {
	urls, err := parseReference(slices.Concat(octets("ldap://a/dc=x"), octets("ldap://b/dc=x")))
	if err != nil || fmt.Sprint(urls) != "[ldap://a/dc=x ldap://b/dc=x]" {
		t.Errorf("got %v, %v", urls, err)
	}
	if _, err := parseReference([]byte{tagOctets, 5, 'x'}); err == nil {
		t.Error("a cut reference is one")
	}
}

func TestAttributeRange(t *testing.T) {
	for _, c := range []struct {
		description, name string
		next              int
		last              bool
		fails             bool
	}{
		{"mail", "mail", 0, false, false},
		{"proxyAddresses;range=0-1499", "proxyaddresses", 1500, false, false},
		{"member;Range=1500-*", "member", 0, true, false},
		{"member;binary;range=0-9", "member", 10, false, false},
		{"mail;lang-en", "mail", 0, false, false},
		{"member;range=", "", 0, false, true},
		{"member;range=5-2", "", 0, false, true},
		{"member;range=a-b", "", 0, false, true},
		{"member;range=0-99999999999", "", 0, false, true},
	} {
		name, _, next, last, err := attributeRange(c.description)
		if name != c.name || next != c.next || last != c.last || (err != nil) != c.fails {
			t.Errorf("%s: got %q, %d, %v, %v", c.description, name, next, last, err)
		}
	}
}

func TestObject(t *testing.T) {
	var texts compact.Arena
	o := newObject([]string{"entryuuid", "mail", "objectguid", "proxyaddresses"}, []string{"objectguid", "entryuuid"}, &texts)
	set := func(frame []byte) {
		t.Helper()
		m, err := parseMessage(frame)
		if err == nil {
			err = o.set(m.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	shown := func() string {
		var b strings.Builder
		for name, values := range o.Attributes() {
			fmt.Fprintf(&b, "%s=%s ", name, values)
		}
		return fmt.Sprintf("%s: %s%v", o.DN(), b.String(), o.parts)
	}
	set(entryFrame(1, "cn=a", "Mail: a@example.com", "mail;lang-en: b@example.com", "sn: x", "proxyAddresses: ", "proxyAddresses;range=0-1: smtp:c", "proxyAddresses;range=0-1: smtp:d"))
	if got := shown(); got != "cn=a: Mail=[a@example.com] Mail;lang-en=[b@example.com] proxyAddresses=[ smtp:c smtp:d] [{proxyaddresses 3 2 []}]" {
		t.Error(got)
	}
	o.complete([]latePart{{attribute: "proxyaddresses", index: 3, values: [][]byte{[]byte("smtp:e")}}})
	if got := shown(); got != "cn=a: Mail=[a@example.com] Mail;lang-en=[b@example.com] proxyAddresses=[ smtp:c smtp:d smtp:e] []" {
		t.Error(got)
	}
	if got := fmt.Sprintf("%s %q %q", o.Values("mail"), o.Options("mail", 0), o.Options("mail", 1)); got != `[a@example.com b@example.com] "" ";lang-en"` {
		t.Error(got)
	}
	if !o.guid().IsZero() {
		t.Error("a GUID out of nothing")
	}
	set(entryFrame(1, "cn=b", "entryUUID: 8c4ac332-975f-4717-ad7b-ba4a4e968fff"))
	if got := shown(); got != "cn=b: entryUUID=[8c4ac332-975f-4717-ad7b-ba4a4e968fff] []" || o.guid().String() != "8c4ac332-975f-4717-ad7b-ba4a4e968fff" {
		t.Error(got)
	}
	set(entryFrame(1, "cn=c", "objectGUID: \x32\xc3\x4a\x8c\x5f\x97\x17\x47\xad\x7b\xba\x4a\x4e\x96\x8f\xff"))
	if o.guid().String() != "8c4ac332-975f-4717-ad7b-ba4a4e968fff" {
		t.Error(o.guid())
	}
}

// The octets of a paged search that are no entries still reach go-ldap, and
// the entries do not; whatever the sizes in which they come.
func TestWire(t *testing.T) {
	paging := goldap.NewControlPaging(2)
	var stream [][]byte
	for i := range 3000 {
		stream = append(stream, entryFrame(1, fmt.Sprintf("cn=%d", i), "mail: "+strings.Repeat("x", i)))
	}
	stream = append(stream, tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(opReference, octets("ldap://a/dc=x"))))
	stream = append(stream, doneFrame(1, paging.Encode().Bytes()))
	below := newReplay(stream...)
	w := newWire(below, below, time.Minute)
	c := goldap.NewConn(w, false)
	c.Start()
	defer c.Close()
	var got int
	var urls []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		for b := range w.batches {
			for block := b.block; len(block) > 0; {
				frame, rest, err := cut(block)
				if err != nil {
					t.Error(err)
					return
				}
				block = rest
				m, err := parseMessage(frame)
				if err != nil {
					t.Error(err)
					return
				}
				if m.op == opReference {
					urls, _ = parseReference(m.body)
					continue
				}
				if !bytes.Equal(frame, stream[got]) {
					t.Errorf("entry %d differs", got)
				}
				got++
			}
			w.reuse(b.block)
		}
	}()
	result, err := c.Search(goldap.NewSearchRequest("", 2, 0, 0, 0, false, "(a=*)", nil, []goldap.Control{paging}))
	close(w.batches)
	<-read
	if err != nil || len(result.Entries) != 0 || len(result.Referrals) != 0 || len(result.Controls) != 1 {
		t.Errorf("go-ldap got %+v, %v", result, err)
	}
	if got != 3000 || fmt.Sprint(urls) != "[ldap://a/dc=x]" {
		t.Errorf("got %d entries, references %v", got, urls)
	}
}

func TestWireRefuses(t *testing.T) {
	for _, c := range []struct {
		stream []byte
		want   string
	}{
		{[]byte("HTTP/1.1 400 Bad Request\r\n"), "octet 0x48"},
		{[]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, "2147483647 octets"},
		{[]byte{0x30, 0x80, 0, 0}, "length cannot be read"},
		{[]byte{0x30, 0x10, 1, 2}, "unexpected EOF"},
		{[]byte{0x30}, "unexpected EOF"},
		{nil, "EOF"},
	} {
		below := newReplay(c.stream)
		_ = below.Close()
		w := newWire(below, below, time.Minute)
		if _, err := w.Read(make([]byte, 100)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v", c.stream, err)
		}
	}
}

// TestOtherName: a server may answer with another name of an attribute than it
// was asked for.
func TestOtherName(t *testing.T) {
	o := newObject([]string{"mail", "sn", "uid"}, nil, nil)
	for name, want := range map[string]int{"mail": 0, "rfc822Mailbox": 0, "SURNAME": 1, "2.5.4.4": 1, "userid": 2, "cn": -1, "commonName": -1, "2.5.4.99": -1} {
		if got := o.index([]byte(name)); got != want {
			t.Errorf("%s is number %d, want %d", name, got, want)
		}
	}
}

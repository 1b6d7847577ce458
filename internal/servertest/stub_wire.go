package servertest

import (
	"bufio"
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// NewStub starts a server in this process. It holds the domain's own objects
// and no people.
func NewStub(t T, o StubOptions) *Stub {
	t.Helper()
	if o.CA == nil {
		o.CA = NewCA(t)
	}
	if o.Certificate == nil {
		o.Certificate = o.CA.Issue(t, Leaf{})
	}
	if o.PageSize == 0 {
		o.PageSize = 1000
	}
	if o.ValRange == 0 {
		o.ValRange = 1500
	}
	s := &Stub{CA: o.CA, options: o, usn: 12_000, byGUID: map[string]*object{}, byName: map[string]*object{}}
	s.Put(NewEntry(Base, "objectClass", "top", "objectClass", "domain", "objectClass", "domainDNS"))
	for _, c := range contexts[:len(contexts)-1] {
		s.Put(NewEntry(c, "objectClass", "top"))
	}
	s.Put(NewEntry("CN=Deleted Objects,"+Base, "objectClass", "top", "objectClass", "container", "isDeleted", "TRUE"),
		NewEntry(service, "objectClass", "top", "objectClass", "nTDSDSA", "invocationId", "\x03\x02\x01\x00\x05\x04\x07\x06\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	settings := &tls.Config{Certificates: []tls.Certificate{o.Certificate.TLS}}
	if o.TLS != nil {
		o.TLS(settings)
	}
	serve := func(encrypted bool) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		var connections sync.Map
		t.Cleanup(func() {
			l.Close()
			connections.Range(func(c, _ any) bool { return c.(net.Conn).Close() == nil || true })
		})
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				connections.Store(c, nil)
				go func() {
					defer connections.Delete(c)
					defer c.Close()
					session := &session{stub: s, raw: c, tls: settings, searches: map[string]*search{}}
					session.use(c)
					if encrypted {
						session.encrypt()
					}
					session.serve()
				}()
			}
		}()
		return l.Addr().String()
	}
	s.URL, s.LDAPS = "ldap://"+serve(false), "ldaps://"+serve(true)
	return s
}

// session is one connection.
type session struct {
	stub      *Stub
	raw       net.Conn
	tls       *tls.Config
	conn      net.Conn // raw, or TLS over it
	in        *bufio.Reader
	out       *bufio.Writer
	encrypted bool
	bound     bool
	searches  map[string]*search // paged, by cookie
	cookies   int
}

// search is what is left of a search.
type search struct {
	guids      []string
	references []string
	page       int
}

func (c *session) use(conn net.Conn) {
	c.conn, c.in, c.out = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
}

func (c *session) encrypt() {
	c.use(tls.Server(c.raw, c.tls))
	c.encrypted = true
}

// serve answers requests until the connection ends.
func (c *session) serve() {
	for {
		p, err := ber.ReadPacket(c.in)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		var controls []*ber.Packet
		if len(p.Children) > 2 {
			controls = p.Children[2].Children
		}
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			c.send(id, outcome(ldap.ApplicationBindResponse, c.bind(op, controls)), controlPackets(c.stub.options.BindControls)...)
		case ldap.ApplicationSearchRequest:
			if !c.search(id, op, controls) {
				return
			}
		case ldap.ApplicationExtendedRequest:
			if op.Children[0].Data.String() != startTLS || c.encrypted {
				c.send(id, outcome(ldap.ApplicationExtendedResponse, Result{Code: 2, Message: "unknown extended operation"}))
				break
			}
			c.stub.note("StartTLS")
			c.send(id, outcome(ldap.ApplicationExtendedResponse, Result{}))
			c.encrypt()
		case ldap.ApplicationAbandonRequest:
		case ldap.ApplicationUnbindRequest:
			return
		default:
			// Responses have the number after the request's.
			c.stub.note("operation %d", op.Tag)
			c.send(id, outcome(op.Tag+1, Result{Code: 53, Message: "the server is read only"}))
		}
	}
}

func controlPackets(values map[string]string) (controls []*ber.Packet) {
	for _, oid := range slices.Sorted(maps.Keys(values)) {
		control := ber.NewSequence("")
		control.AppendChild(octets(oid))
		control.AppendChild(octets(values[oid]))
		controls = append(controls, control)
	}
	return controls
}

func (c *session) bind(op *ber.Packet, controls []*ber.Packet) Result {
	b := Bind{Name: op.Children[1].Data.String(), Encrypted: c.encrypted}
	if auth := op.Children[2]; auth.Tag == 0 {
		b.Password = auth.Data.String()
	} else {
		b.Mechanism = auth.Children[0].Data.String()
	}
	note := "bind " + b.Name + b.Mechanism
	for _, control := range controls {
		note += " " + control.Children[0].Data.String()
	}
	c.stub.note("%s", note)
	c.bound = false
	if b.Password == "" && b.Mechanism == "" {
		return Result{} // anonymous
	}
	var r Result
	if c.stub.options.Bind != nil {
		r = c.stub.options.Bind(b)
	}
	c.bound = r.Code == 0
	return r
}

// lineBreaks escapes those in values, which [filter.Parse] takes for layout.
var lineBreaks = strings.NewReplacer("\n", `\0a`, "\r", `\0d`)

// search answers a search, and reports whether the connection goes on.
func (c *session) search(id int64, op *ber.Packet, controls []*ber.Packet) bool {
	text := func(i int) string { return op.Children[i].Data.String() }
	number := func(p *ber.Packet) int { n, _ := ber.ParseInt64(p.Data.Bytes()); return int(n) }
	a := &Answer{Base: text(0), Scope: []string{"base", "one", "sub"}[number(op.Children[1])], Page: 1}
	limit := number(op.Children[3])
	for _, attribute := range op.Children[7].Children {
		a.Attributes = append(a.Attributes, attribute.Data.String())
	}
	cookie := ""
	for _, control := range controls {
		oid := control.Children[0].Data.String()
		a.Controls = append(a.Controls, oid)
		if oid == controlPaging {
			value := ber.DecodePacket(control.Children[len(control.Children)-1].Data.Bytes())
			a.PageSize, cookie = number(value.Children[0]), value.Children[1].Data.String()
		}
	}
	var left *search
	var err error
	if a.Filter, err = ldap.DecompileFilter(op.Children[6]); err != nil {
		a.Result = Result{Code: 87, Message: err.Error()}
	} else if a.Filter = lineBreaks.Replace(a.Filter); a.Base == "" && a.Scope == "base" {
		e, _ := c.stub.show(c.stub.root(), a.Attributes)
		a.Entries = []Entry{e}
	} else if !c.bound {
		a.Result = NotBound
	} else if cookie == "" {
		left = &search{}
		left.guids, a.Result = c.stub.find(a)
		left.references, a.References = a.References, nil
	} else if left = c.searches[cookie]; left == nil {
		a.Result = PageRefused
	}
	if left != nil {
		delete(c.searches, cookie)
		left.page++
		a.Page = left.page
		c.fill(a, left, limit)
	}
	c.stub.note("search %s %s %s page %d", a.Base, a.Scope, a.Filter, a.Page)
	if c.stub.options.Answer != nil {
		c.stub.options.Answer(a)
	}
	if a.Silent {
		return true
	}
	for i, e := range a.Entries {
		var its map[string]string
		if i < len(a.EntryControls) {
			its = a.EntryControls[i]
		}
		c.queue(id, e.packet(), controlPackets(its)...)
	}
	for _, response := range a.Intermediate {
		p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationIntermediateResponse, nil, "")
		for i, part := range response {
			p.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, ber.Tag(i), part, ""))
		}
		c.queue(id, p)
	}
	for _, url := range a.References {
		p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
		p.AppendChild(octets(url))
		c.queue(id, p)
	}
	if a.Notice {
		notice := outcome(ldap.ApplicationExtendedResponse, a.Result)
		notice.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, "1.3.6.1.4.1.1466.20036", ""))
		c.queue(0, notice)
	}
	if a.Close || a.Notice {
		c.out.Flush()
		return false
	}
	done := outcome(ldap.ApplicationSearchResultDone, a.Result)
	if a.PageSize == 0 || a.NoPaging {
		c.send(id, done, controlPackets(a.DoneControls)...)
		return true
	}
	paging := &ldap.ControlPaging{}
	if a.More {
		if left == nil {
			left = &search{page: a.Page}
		}
		c.cookies++
		paging.Cookie = []byte("cookie " + strconv.Itoa(c.cookies))
		c.searches[string(paging.Cookie)] = left
	}
	c.send(id, done, paging.Encode())
	return true
}

// fill puts the next page into the answer.
func (c *session) fill(a *Answer, left *search, limit int) {
	n := c.stub.options.PageSize
	if a.PageSize > 0 {
		n = min(n, a.PageSize)
	}
	if a.PageSize == 0 && limit > 0 {
		n = min(n, limit)
	}
	n = min(n, len(left.guids))
	for _, guid := range left.guids[:n] {
		o := c.stub.object(guid)
		if o.deleted() && !slices.Contains(a.Controls, controlShowDeleted) {
			continue
		}
		e, ok := c.stub.show(o, a.Attributes)
		if !ok {
			a.Result = Result{Code: 1, Message: "00000057: LdapErr: DSID-0C090B21, comment: Error in attribute conversion operation, data 0, v4563\x00"}
			return
		}
		a.Entries = append(a.Entries, e)
	}
	left.guids = left.guids[n:]
	switch {
	case len(left.guids) == 0:
		a.References = left.references
	case a.PageSize == 0:
		a.Result = Result{Code: 4, Message: "00002023: SvcErr: DSID-0320086B, problem 5010 (SIZE_LIMIT_EXCEEDED), data 0\x00"}
	default:
		a.More = true
	}
}

// object returns the object as it is now.
func (s *Stub) object(guid string) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byGUID[guid]
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func (e *Entry) packet() *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	attributes := ber.NewSequence("")
	for _, a := range e.Attributes {
		attribute := ber.NewSequence("")
		attribute.AppendChild(octets(a.Name))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			values.AppendChild(octets(v))
		}
		attribute.AppendChild(values)
		attributes.AppendChild(attribute)
	}
	p.AppendChild(attributes)
	return p
}

// outcome makes the response of an operation.
func outcome(tag ber.Tag, r Result) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, r.Code, ""))
	p.AppendChild(octets(r.Matched))
	p.AppendChild(octets(r.Message))
	if r.Referrals != nil {
		referrals := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		for _, url := range r.Referrals {
			referrals.AppendChild(octets(url))
		}
		p.AppendChild(referrals)
	}
	return p
}

// queue writes a message of RFC 4511 section 4.1.1, and send sees that it
// leaves.
func (c *session) queue(id int64, op *ber.Packet, controls ...*ber.Packet) {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, control := range controls {
			list.AppendChild(control)
		}
		p.AppendChild(list)
	}
	c.out.Write(p.Bytes())
}

func (c *session) send(id int64, op *ber.Packet, controls ...*ber.Packet) {
	c.queue(id, op, controls...)
	c.out.Flush()
}

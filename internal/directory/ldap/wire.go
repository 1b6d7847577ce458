package ldap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// wire is the connection that go-ldap reads and writes. It passes all messages
// through but the entries and continuation references of a paged search, which
// are most of what a directory sends: these it collects into blocks, for
// [frames] to decode.
//
//	server ──> wire ──> go-ldap             bind, results, controls, other searches
//	             └────> blocks ──> frames   entries and references of paged searches
//
// Each block is passed on before the result of its page is, so that whoever
// has the result has every block of the page on its way. A reader of blocks
// that falls behind stops the server, not the program's memory.
type wire struct {
	net.Conn // TCP, or TLS over it
	// below is the connection whose Close never waits.
	below net.Conn
	in    *bufio.Reader
	rest  []byte // of a message that go-ldap has begun to read
	buf   []byte

	// tapped is the message id of the paged search, which wire sees in the
	// request.
	tapped atomic.Int64
	// socket is told what is coming: of a page of entries entries were read, and the one
	// before had full.
	socket        *socket
	entries, full int
	block         []byte
	batches       chan batch
	spare         chan []byte

	timeout  time.Duration
	timer    *time.Timer
	timedOut atomic.Bool
	waiting  sync.Mutex // guards awaited
	awaited  bool       // the timer runs

	// fault is why nothing more can be read.
	fault  atomic.Pointer[error]
	closed chan struct{}
	once   sync.Once
}

const (
	// maxMessage is the largest message that is read, in octets: far above
	// the 10 MB that Active Directory sends (MaxReceiveBuffer is for requests;
	// the largest object with all its values is a few megabytes).
	maxMessage = 32 << 20
	// blockSize is when a block is passed on, in octets.
	blockSize = 256 << 10
	// blocksAhead is how many blocks may wait for their reader: a page or two.
	blocksAhead = 8
	readBuffer  = 64 << 10
)

func newWire(conn, below net.Conn, timeout time.Duration) *wire {
	w := &wire{
		Conn: conn, below: below, in: bufio.NewReaderSize(conn, readBuffer),
		batches: make(chan batch, blocksAhead), spare: make(chan []byte, blocksAhead+2),
		timeout: timeout, closed: make(chan struct{}),
	}
	w.timer = time.AfterFunc(timeout, func() {
		w.timedOut.Store(true)
		_ = w.Close()
	})
	w.timer.Stop()
	return w
}

// await starts the time in which the server must have answered, done ends it.
func (w *wire) await() { w.watch(true) }
func (w *wire) done()  { w.watch(false) }

func (w *wire) watch(on bool) {
	w.waiting.Lock()
	defer w.waiting.Unlock()
	w.awaited = on
	if on {
		w.timer.Reset(w.timeout)
	} else {
		w.timer.Stop()
	}
}

// hold stops the time while the reader of the blocks is waited for.
func (w *wire) hold(wait func()) {
	w.waiting.Lock()
	w.timer.Stop()
	w.waiting.Unlock()
	wait()
	w.waiting.Lock()
	defer w.waiting.Unlock()
	if w.awaited {
		w.timer.Reset(w.timeout)
	}
}

// Close ends the connection at once, whatever waits on it.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.below.Close()
}

// Write notes the message id of a paged search on its way to the server.
// go-ldap writes one message at a time.
func (w *wire) Write(p []byte) (int, error) {
	if bytes.Contains(p, pagedResults) {
		if m, err := parseMessage(p); err == nil && m.op == opSearchRequest {
			w.tapped.Store(m.id)
		}
	}
	return w.Conn.Write(p)
}

// Read gives go-ldap the messages that are for it.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		if err := w.next(); err != nil {
			w.fault.CompareAndSwap(nil, &err)
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// next reads one message, into the block or into rest.
func (w *wire) next() error {
	size, err := w.size()
	if err != nil {
		return err
	}
	head, err := w.in.Peek(min(size, 16))
	if err != nil {
		return unexpected(err)
	}
	op, id := headOf(head)
	tapped := id == w.tapped.Load() && id != 0
	if tapped && (op == opEntry || op == opReference) {
		if w.block == nil {
			w.block = w.empty()
		}
		if len(w.block) > 0 && len(w.block)+size > blockSize {
			if err := w.pass(); err != nil {
				return err
			}
			w.block = w.empty()
		}
		w.entries++
		w.expect(max(w.full-w.entries, 0))
		start := len(w.block)
		if cap(w.block)-start < size {
			w.block = append(make([]byte, 0, start+size), w.block...)
		}
		w.block = w.block[:start+size]
		_, err := io.ReadFull(w.in, w.block[start:])
		return unexpected(err)
	}
	if tapped && op == opDone {
		w.full, w.entries = w.entries, 0
		w.expect(0)
		if len(w.block) > 0 {
			if err := w.pass(); err != nil {
				return err
			}
		}
	}
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	w.rest = w.buf[:size]
	if _, err = io.ReadFull(w.in, w.rest); err != nil {
		return unexpected(err)
	}
	switch {
	case op == opBindResponse:
		w.rest = readableControls(w.rest)
	case op == opExtendedResponse && id == 0:
		return farewell(w.rest)
	}
	return nil
}

// expect says how many entries are coming, none of which is shorter than this.
func (w *wire) expect(entries int) {
	const shortest = 64 // octets
	if w.socket != nil {
		w.socket.coming.Store(int64(entries) * shortest)
	}
}

// readableControls leaves out of the response to a login the controls that cannot
// be read, at which go-ldap fails: they say something about a password, and not
// whether the login was accepted.
func readableControls(response []byte) []byte {
	p, err := ber.DecodePacketErr(response)
	if err != nil || len(p.Children) < 3 {
		return response
	}
	whole := ber.NewSequence("")
	controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	for _, c := range p.Children[2].Children {
		// What is read is changed by it.
		if copied, err := ber.DecodePacketErr(c.Bytes()); err == nil {
			if _, err = goldap.DecodeControl(copied); err == nil {
				controls.AppendChild(c)
			}
		}
	}
	if len(controls.Children) == len(p.Children[2].Children) {
		return response
	}
	for _, c := range append(p.Children[:2:2], controls) {
		whole.AppendChild(c)
	}
	return whole.Bytes()
}

// farewellError is the notice by which a server ends a connection of itself (RFC
// 4511 section 4.4.1). It wraps the result code and text.
type farewellError struct{ err error }

func (e *farewellError) Error() string { return e.err.Error() }
func (e *farewellError) Unwrap() error { return e.err }

func farewell(notice []byte) error {
	p, err := ber.DecodePacketErr(notice)
	if err == nil {
		err = goldap.GetLDAPError(p)
	}
	if err == nil {
		return io.EOF
	}
	return &farewellError{err}
}

// size returns the length of the next message with its head, in octets.
func (w *wire) size() (int, error) {
	head, err := w.in.Peek(2)
	if err != nil {
		if len(head) == 0 {
			return 0, err
		}
		return 0, unexpected(err)
	}
	if head[0] != tagSequence {
		return 0, fmt.Errorf("the server sent octet 0x%02x where a message begins", head[0])
	}
	if n := int(head[1]); n < 0x80 {
		return 2 + n, nil
	}
	octets := int(head[1] & 0x7f)
	if octets == 0 || octets > 4 {
		return 0, errors.New("the server sent a message whose length cannot be read")
	}
	if head, err = w.in.Peek(2 + octets); err != nil {
		return 0, unexpected(err)
	}
	n := 0
	for _, c := range head[2:] {
		n = n<<8 | int(c)
	}
	if n > maxMessage {
		return 0, fmt.Errorf("the server sent a message of %d octets, and %d are the most that is read", n, maxMessage)
	}
	return 2 + octets + n, nil
}

// pass hands the block over.
func (w *wire) pass() error {
	block := w.block
	w.block = nil
	select {
	case w.batches <- batch{block: block}:
		return nil
	default:
	}
	err := net.ErrClosed
	w.hold(func() {
		select {
		case w.batches <- batch{block: block}:
			err = nil
		case <-w.closed:
		}
	})
	return err
}

// empty returns a block to fill, used ones first.
func (w *wire) empty() []byte {
	select {
	case block := <-w.spare:
		return block
	default:
		return make([]byte, 0, blockSize)
	}
}

// reuse takes back a block that has been read.
func (w *wire) reuse(block []byte) {
	if cap(block) > 2*blockSize {
		return
	}
	select {
	case w.spare <- block[:0]:
	default:
	}
}

// unexpected makes an error of an end within a message.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

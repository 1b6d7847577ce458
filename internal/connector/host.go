// Package connector runs the programs of users that speak one of rollcall's
// protocols of lines of JSON on standard input and output, as
// docs/reference/console-protocol.md says under "Lines" and "The end".
//
//	adapter ── a request ──> Host ──> process ── lines ──> connector
//	        <── answers ────      <──         <── lines ──
//
// A [Host] has up to Concurrency processes, each with one request at a time.
// They are started when they are needed, and each begins with "hello". Whatever
// breaks the protocol is a loss: the process is ended, with its process group, and
// the next request starts another. What a loss means depends on the request, and is
// for the adapter to say. After [Restarts] losses without a good answer between them
// the connector is unreachable.
//
// What a connector says reaches messages and logs only after the values of its
// configuration are masked in it.
package connector

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	// Restarts is how often a connector is started again without a good answer.
	Restarts = 3
	// Silence is how long a connector may be silent where nobody says.
	Silence = 60 * time.Second
	// Grace is how long a connector has to end when it is asked to.
	Grace = 5 * time.Second
)

// Options say how a connector is run.
type Options struct {
	// Label is that of the block.
	Label string
	// Command is the program and its arguments, run without a shell in Dir. A
	// program without a slash is looked for in PATH.
	Command []string
	Dir     string
	// Config is any JSON value. It is secret, and handed over in "hello" alone.
	Config json.RawMessage
	// Release is the version of rollcall.
	Release string
	// Timeout is how long a line may take; 0 is a minute. What is written to
	// standard error is no line.
	Timeout time.Duration
	// Grace is how long a connector has to end when it is asked to; 0 is 5 seconds.
	Grace time.Duration
	// Concurrency is the most processes; 0 is one.
	Concurrency int
	// LockFile is held by rollcall and by the connector until both have ended, so
	// that the run after a crash waits for the connector of the one before; "" for
	// none. Windows cannot hand it over, and has none.
	LockFile string
	// Log, unless nil, hears each line that the connector writes to standard error,
	// Progress what it says of itself. Their calls do not overlap.
	Log, Progress func(text string)
	// Mask, unless nil, masks secrets beside those in Config.
	Mask func(text string) string
}

// Protocol is what one of the protocols has of its own. L is one of its lines.
type Protocol[L any] struct {
	// Noun is the block that names a connector: "console" or "directory". The page of
	// the protocol and the command that tests a connector are called after it.
	Noun string
	// Version is the one that is spoken.
	Version int64
	// Hello are the members of "hello" beside those of every protocol, each with a
	// comma before it.
	Hello []byte
	// Decoder returns what reads the lines of one process. A line is valid until the
	// next.
	Decoder func() func(line []byte) (L, error)
	// Common returns what a line has that those of every protocol have.
	Common func(*L) *Line
	// Failed returns the error that a line has for the whole request, or nil.
	Failed func(*L) error
	// Facts reads what a connector states of itself in "hello", and returns it as it
	// is always written.
	Facts func(text []byte) (written []byte, err error)
	// Unread returns the error of a connector that cannot be used any more.
	Unread func(err error, advice string) error
}

// Host runs one connector.
type Host[L any] struct {
	// Options do not change while there is a request.
	Options  Options
	protocol Protocol[L]
	secrets  *Secrets
	slots    chan struct{} // as many as there are requests
	talk     sync.Mutex    // of Log and Progress

	mu      sync.Mutex
	idle    []*process[L]
	running []*process[L]
	closed  bool
	lock    *os.File // nil until it is held
	losses  int      // since the last good answer
	// hello is what the first process said; nil before.
	hello *Greeting
}

// Greeting is what a connector says of itself, without secrets. Facts are as
// [Protocol] writes them.
type Greeting struct {
	Name, Version string
	Facts         []byte
}

// New prepares a host; nothing is started yet.
func New[L any](o Options, p Protocol[L]) *Host[L] {
	o.Timeout, o.Grace = cmp.Or(o.Timeout, Silence), cmp.Or(o.Grace, Grace)
	return &Host[L]{Options: o, protocol: p, secrets: NewSecrets(o.Config, o.Mask), slots: make(chan struct{}, max(o.Concurrency, 1))}
}

// name is how messages name the block.
func (h *Host[L]) name() string { return fmt.Sprintf("%s %q", h.protocol.Noun, h.Options.Label) }

// Clean masks the secrets of a text of the connector, and escapes what a terminal
// would act upon.
func (h *Host[L]) Clean(text string) string { return h.secrets.Clean(text) }

// Open starts the connector and learns what it says of itself.
func (h *Host[L]) Open(ctx context.Context) error {
	p, err := h.acquire(ctx)
	if err != nil {
		return err
	}
	h.release(p)
	return nil
}

// Greeting is what the connector says of itself; the zero Greeting before it was
// started.
func (h *Host[L]) Greeting() Greeting {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hello == nil {
		return Greeting{}
	}
	return *h.hello
}

// Processes counts the processes that are there.
func (h *Host[L]) Processes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.running)
}

// Request makes one request of a process, with the members of body, each of which has
// a comma before it. take gets its answers until one is the last. When ctx ends, the
// process is ended, or, where the request cancels, is told so and goes on to answer.
//
// An error is one of take that is no [Breach], that of ctx, a [LostError], what the
// protocol makes of an answer that has failed, or of a connector that cannot be
// reached.
func (h *Host[L]) Request(ctx context.Context, kind string, body []byte, cancels bool, take func(*L) (last bool, err error)) error {
	p, err := h.acquire(ctx)
	if err != nil {
		return err
	}
	defer h.release(p)
	if err := p.ask(ctx, kind, body, cancels, take); err != nil {
		return err
	}
	h.Good()
	return nil
}

// Close ends the connector, once its requests have. An error says what it wrote
// that nobody had asked for.
func (h *Host[L]) Close() error {
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	defer func() {
		for range cap(h.slots) {
			<-h.slots
		}
	}()
	h.mu.Lock()
	idle := h.idle
	h.idle, h.closed = nil, true
	h.mu.Unlock()
	errs := make([]error, len(idle))
	var all sync.WaitGroup
	for i, p := range idle {
		all.Go(func() { errs[i] = p.bye() })
	}
	all.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	unlock(h.lock)
	h.lock = nil
	return errors.Join(errs...)
}

// HangUp closes what processes without a request read, without a word, as when rollcall
// is killed, and reports whether they have ended by themselves within [Options.Grace].
// Those that have not are ended.
func (h *Host[L]) HangUp() bool {
	h.mu.Lock()
	idle := h.idle
	h.idle = nil
	h.mu.Unlock()
	ended := true
	for _, p := range idle {
		p.shut()
		ended = p.endsBy(h.Options.Grace) && ended
		p.discard()
	}
	return ended
}

// acquire takes a process that has no request.
func (h *Host[L]) acquire(ctx context.Context) (*process[L], error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p, err := h.ready(ctx)
	if err != nil {
		<-h.slots
	}
	return p, err
}

func (h *Host[L]) ready(ctx context.Context) (*process[L], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		h.mu.Lock()
		n := len(h.idle)
		if h.closed {
			h.mu.Unlock()
			return nil, fmt.Errorf("%s is closed", h.name())
		}
		if n == 0 {
			h.mu.Unlock()
			return h.start(ctx)
		}
		p := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		if !p.over() {
			return p, nil
		}
		p.discard()
		if err := h.lose(p.died("anything was asked of it again")); !errors.As(err, new(*LostError)) {
			return nil, err
		}
	}
}

// release gives a process back, unless it has ended or is about to.
func (h *Host[L]) release(p *process[L]) {
	if !p.over() {
		h.mu.Lock()
		h.idle = append(h.idle, p)
		h.mu.Unlock()
	} else {
		p.discard()
	}
	<-h.slots
}

// Good notes that the connector has answered well.
func (h *Host[L]) Good() {
	h.mu.Lock()
	h.losses = 0
	h.mu.Unlock()
}

// lose counts a loss, and reports it.
func (h *Host[L]) lose(b *Breach) error {
	b.Advice = cmp.Or(b.Advice, fmt.Sprintf("this is a fault of the connector: %s says what is expected, and %s looks for such faults", h.page(), h.test()))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.losses++
	if h.losses > Restarts {
		return h.protocol.Unread(fmt.Errorf("not reachable: started again %d times, the connector %w", Restarts, b), b.Advice)
	}
	return &LostError{h.name(), b}
}

// page is where the protocol is described, and test the command that tests a
// connector.
func (h *Host[L]) page() string { return "docs/reference/" + h.protocol.Noun + "-protocol.md" }

func (h *Host[L]) test() string { return "rollcall " + h.protocol.Noun + " test" }

// say hands a text of the connector on.
func (h *Host[L]) say(to func(string), text string) {
	if to == nil {
		return
	}
	h.talk.Lock()
	defer h.talk.Unlock()
	to(h.secrets.Clean(text))
}

// greeted remembers what a process says of itself, and fails where it states other
// facts than the first.
func (h *Host[L]) greeted(said *Greeting) error {
	h.mu.Lock()
	first := h.hello
	if first == nil {
		h.hello = said
	}
	h.mu.Unlock()
	if first != nil && !bytes.Equal(first.Facts, said.Facts) {
		return h.lose(&Breach{Text: "states other facts than when it was started first",
			Advice: "every process of a connector states the same facts; start the run again if the " + h.protocol.Noun + " itself was changed"})
	}
	return nil
}

// Breach is how a connector has broken the protocol. Its text goes on from "the
// connector", and ends with what the connector wrote.
type Breach struct{ Text, Advice, Said string }

func (b *Breach) Error() string { return b.Text + b.Said }

// Quoted is what the connector wrote.
func (b *Breach) Quoted() string { return b.Said }

// Hint says what to do next.
func (b *Breach) Hint() string { return b.Advice }

// Unexpected is an answer that does not belong to the request.
func Unexpected(kind string) error {
	return &Breach{Text: "answered " + kind + " with a message that does not belong there"}
}

// Counted compares what a connector says that it has sent with what came.
func Counted(verb, what string, came int, said int64) error {
	if int64(came) == said {
		return nil
	}
	return &Breach{Text: fmt.Sprintf("says that it %s %d %s, and %s %d", verb, said, what, verb, came)}
}

// LostError is a connector that was ended in the middle of a request.
type LostError struct {
	name string
	// Breach is why.
	*Breach
}

func (e *LostError) Error() string { return fmt.Sprintf("%s: the connector %v", e.name, e.Breach) }

// Unwrap returns the breach.
func (e *LostError) Unwrap() error { return e.Breach }

// Package exec is a console behind a connector: a program of anybody's that
// speaks the protocol rollcall-console/1 on standard input and output, as
// docs/reference/console-protocol.md says.
//
//	Console ── a request ──> process ── lines ──> connector
//	        <── answers ────         <── lines ──
//
// A [Console] has up to Concurrency processes, each with one request at a time.
// They are started when they are needed, and each begins with "hello". Whatever
// breaks the protocol is a loss: the process is ended, with its process group, and
// the next request starts another. What a loss means depends on the request. A
// read has failed. A change without an answer has an unknown outcome, and somebody
// has to look it up. After [restarts] losses without a good answer between them
// the console is unreachable.
//
// What a connector says reaches messages and logs only after the values of its
// configuration are masked in it.
package exec

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

const (
	// protocol is the version of the protocol.
	protocol = 1
	// restarts is how often a connector is started again without a good answer.
	restarts = 3
	// silence is how long a connector may be silent where nobody says.
	silence = 60 * time.Second
	// grace is how long a connector has to end when it is asked to.
	grace = 5 * time.Second
	// asked is how many accounts one request asks for at most.
	asked = 10_000
	// enough is how many octets of changes one request has, if it can be divided,
	// and overhead more than it has beside them.
	enough   = 4 << 20
	overhead = 1 << 10
)

// Options say how a connector is run.
type Options struct {
	// Label is that of the console's block.
	Label string
	// Command is the program and its arguments, run without a shell in Dir. A
	// program without a slash is looked for in PATH.
	Command []string
	Dir     string
	// Config is any JSON value. It is secret, and handed over in "hello" alone.
	Config json.RawMessage
	// Domains are those that matter, Owner is the mark's, Release the version of
	// rollcall.
	Domains []string
	Owner   string
	Release string
	// Timeout is how long a line may take; 0 is a minute. What is written to
	// standard error is no line.
	Timeout time.Duration
	// Concurrency is the most processes; 0 is one.
	Concurrency int
	// LockFile is held by rollcall and by the connector until both have ended, so
	// that the run after a crash waits for the connector of the one before. A
	// console that is only read needs none: "". Windows cannot hand it over, and
	// has none.
	LockFile string
	// Log, unless nil, hears each line that the connector writes to standard error,
	// Progress what it says of itself. Their calls do not overlap.
	Log, Progress func(text string)
	// Mask, unless nil, masks secrets beside those in Config.
	Mask func(text string) string
}

var (
	_ console.Target  = (*Console)(nil)
	_ console.Checker = (*Console)(nil)
	_ apply.Trier     = (*Console)(nil)

	_ console.Ledgered = (*Console)(nil)
)

// Console is a console behind a connector.
type Console struct {
	o       Options
	grace   time.Duration
	secrets *secrets
	slots   chan struct{} // as many as there are requests
	talk    sync.Mutex    // of Log and Progress

	mu      sync.Mutex
	idle    []*process
	running []*process
	closed  bool
	lock    *os.File // nil until it is held
	losses  int      // since the last good answer
	// hello is what the first process said of the console; nil before.
	hello *greeting
}

// greeting is what a connector says of its console.
type greeting struct {
	product, version string
	facts            plan.Facts
}

// New prepares a console; nothing is started yet.
func New(o Options) *Console {
	o.Timeout = cmp.Or(o.Timeout, silence)
	return &Console{o: o, grace: grace, secrets: newSecrets(o.Config, o.Mask), slots: make(chan struct{}, max(o.Concurrency, 1))}
}

// Open starts the connector and learns its facts.
func (c *Console) Open(ctx context.Context) error {
	p, err := c.acquire(ctx)
	if err != nil {
		return c.unread(err)
	}
	c.release(p)
	return nil
}

// Facts are what the connector states; the zero Facts before it was started.
func (c *Console) Facts() plan.Facts { return c.greeting().facts }

func (c *Console) greeting() greeting {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return greeting{}
	}
	return *c.hello
}

// Accounts reads every account.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	var n int
	refs := map[string]bool{}
	err := c.request(ctx, "read", nil, false, func(l *wire.Line) (bool, error) {
		switch {
		case l.Account != nil:
			if err := c.checkRef(l.Account); err != nil {
				return false, err
			}
			if refs[l.Account.Ref] {
				return false, &breach{text: "sent twice the account with ref ", quoted: wire.Quote(l.Account.Ref),
					advice: "a read has each account once; a page of a list may have moved while it was read"}
			}
			refs[l.Account.Ref] = true
			n++
			return false, yield(*l.Account)
		case l.Accounts == nil:
			return false, unexpected("read")
		case !l.Complete:
			return false, &breach{text: `ended its accounts without "complete": true`, advice: "the connector says so where it could not read all; its log may say why"}
		}
		return true, counted("sent", "accounts", n, *l.Accounts)
	})
	if err != nil {
		return console.Receipt{}, c.unread(err)
	}
	g := c.greeting()
	return console.Receipt{Product: g.product, Version: g.version, Accounts: n}, nil
}

// checkRef makes sure that an account can be asked for again.
func (c *Console) checkRef(a *identity.Live) error {
	if a.Odd != "" {
		a.Odd = c.secrets.clean(a.Odd)
	}
	if a.Ref == "" {
		return &breach{text: fmt.Sprintf("sent account %s without a ref", wire.Quote(a.Primary.String())),
			advice: `each account has a ref that is a string; where the console has no key of its own, the primary with the fact "ref_stable": false`}
	}
	return nil
}

// Apply makes changes. When ctx ends, the connector is told to begin no other, and
// its answers are awaited.
func (c *Console) Apply(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	return c.change(ctx, "apply", steps, answer)
}

// Try says what changes would come to, with the fact dry_run alone.
func (c *Console) Try(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	if f := c.Facts(); !f.DryRun {
		return fmt.Errorf("console %q: %w", c.o.Label, &apply.Error{Code: apply.Unsupported, Message: `the connector cannot try changes: it does not state the fact "dry_run"`})
	}
	return c.change(ctx, "try", steps, answer)
}

// change makes one request of all steps, or, where that would be too long, several,
// none of which divides a group.
func (c *Console) change(ctx context.Context, kind string, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	facts := c.Facts()
	var changes []byte
	first := 0
	for i := range steps {
		changes = wire.AppendChange(append(changes, ','), &steps[i], &facts)
		last := i+1 == len(steps)
		if last || len(changes) > enough && steps[i+1].Group != steps[i].Group {
			// The first has no comma before it.
			err := c.changeSome(ctx, kind, steps[first:i+1], changes[1:], func(n int, a apply.Answer) { answer(first+n, a) })
			if err != nil {
				return err
			}
			changes, first = changes[:0], i+1
		}
	}
	return nil
}

func (c *Console) changeSome(ctx context.Context, kind string, steps []apply.Step, changes []byte, answer func(i int, a apply.Answer)) error {
	answered := make([]bool, len(steps))
	// unasked answers for the connector what it was not asked.
	unasked := func(code apply.Code, why string) {
		for i := range steps {
			if !answered[i] {
				answer(i, apply.Answer{Err: &apply.Error{Code: code, Message: why}})
			}
		}
	}
	if len(changes) > wire.MaxLine-overhead {
		unasked(apply.Unsupported, fmt.Sprintf("changes of one group are longer than %d MiB, which is the most of a request", wire.MaxLine>>20))
		return nil
	}
	index := make(map[string]int, len(steps))
	refs := make(map[string]bool, len(steps)) // which no account that is created has
	for i := range steps {
		index[steps[i].Key] = i
		if !steps[i].Creates() {
			refs[steps[i].Live.Ref] = true
		}
	}
	body := append(append([]byte(`,"changes":[`), changes...), ']')
	var n int
	err := c.request(ctx, kind, body, kind == "apply", func(l *wire.Line) (bool, error) {
		if l.Key != nil {
			i, known := index[*l.Key]
			switch {
			case !known:
				return false, &breach{text: fmt.Sprintf("answered change %s, for which it was not asked", wire.Quote(*l.Key))}
			case answered[i]:
				return false, &breach{text: fmt.Sprintf("answered change %s twice", wire.Quote(*l.Key))}
			}
			a, err := c.answer(l, &steps[i])
			if err != nil {
				return false, err
			}
			if steps[i].Creates() && a.Err == nil && !c.Facts().Unstable {
				if refs[a.Ref] {
					return false, &breach{text: fmt.Sprintf("created the account of change %s with ref %s, which another account has", wire.Quote(*l.Key), wire.Quote(a.Ref))}
				}
				refs[a.Ref] = true
			}
			answered[i] = true
			n++
			c.good()
			answer(i, a)
			return false, nil
		}
		if l.Done == nil {
			return false, unexpected(kind)
		}
		if err := counted("answered", "changes", n, *l.Done); err != nil {
			return false, err
		}
		if i := slices.Index(answered, false); i >= 0 {
			return false, &breach{text: fmt.Sprintf("was done without an answer to change %s", wire.Quote(steps[i].Key))}
		}
		return true, nil
	})
	if err != nil && err == ctx.Err() {
		// A request under way to apply is never given up for that.
		unasked(apply.Cancelled, "not started")
		return nil
	}
	return err
}

// answer is what the connector says to a step.
func (c *Console) answer(l *wire.Line, s *apply.Step) (apply.Answer, error) {
	if l.Error != nil {
		return apply.Answer{Err: c.clean(l.Error)}, nil
	}
	if !l.OK {
		return apply.Answer{}, &breach{text: fmt.Sprintf(`answered change %s with neither "ok": true nor an error`, wire.Quote(*l.Key))}
	}
	a := apply.Answer{Ref: l.Ref, Rev: l.Rev}
	switch {
	case s.Removes():
		a = apply.Answer{}
	case a.Ref == "" && s.Creates():
		return apply.Answer{}, &breach{text: fmt.Sprintf("created the account of change %s and gave it no ref", wire.Quote(*l.Key))}
	case a.Ref == "":
		a.Ref = s.Live.Ref
	case !s.Creates() && a.Ref != s.Live.Ref && !c.Facts().Unstable:
		return apply.Answer{}, &breach{text: fmt.Sprintf("answered change %s of account %s with ref %s", wire.Quote(*l.Key), wire.Quote(s.Live.Ref), wire.Quote(a.Ref)),
			advice: `a ref stays when an account is changed; where it does not, the connector states the fact "ref_stable": false`}
	}
	if l.Account != nil {
		found := *l.Account
		found.Odd = c.secrets.clean(found.Odd)
		a.Found = &found
	}
	return a, nil
}

// Get asks for accounts. A connector that is lost meanwhile is started again and
// asked again; one that cannot answer now is not unreachable.
func (c *Console) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	var found []identity.Live
	have := map[string]bool{}
	for len(refs)+len(addresses) > 0 {
		r := refs[:min(len(refs), asked)]
		a := addresses[:min(len(addresses), asked-len(r))]
		refs, addresses = refs[len(r):], addresses[len(a):]
		some, err := c.get(ctx, r, a)
		var lost *lostError
		for errors.As(err, &lost) && ctx.Err() == nil {
			some, err = c.get(ctx, r, a)
		}
		if code := apply.CodeOf(err); code == apply.Throttled || code == apply.Temporary {
			return nil, err
		}
		if err != nil {
			return nil, c.unread(err)
		}
		for _, l := range some {
			if !have[l.Ref] {
				have[l.Ref] = true
				found = append(found, l)
			}
		}
	}
	return found, nil
}

func (c *Console) get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	wanted := make(map[string]bool, len(refs)+len(addresses))
	for _, ref := range refs {
		wanted["ref "+ref] = true
	}
	for _, a := range addresses {
		wanted[a.String()] = true
	}
	body := append(wire.AppendTexts([]byte(`,"refs":[`), refs, func(s string) string { return s }), `],"addresses":[`...)
	body = append(wire.AppendTexts(body, addresses, identity.Address.String), ']')
	var found []identity.Live
	n := 0
	err := c.request(ctx, "get", body, false, func(l *wire.Line) (bool, error) {
		switch {
		case l.Account != nil:
			if err := c.checkRef(l.Account); err != nil {
				return false, err
			}
			n++
			match := wanted["ref "+l.Account.Ref]
			l.Account.EachAddress(func(a identity.Address) { match = match || wanted[a.String()] })
			if match {
				found = append(found, *l.Account)
			}
			return false, nil
		case l.Accounts == nil:
			return false, unexpected("get")
		}
		return true, counted("sent", "accounts", n, *l.Accounts)
	})
	return found, err
}

// Check asks the connector to look for problems. One that does not know how has
// found none.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	var found []console.Finding
	err := c.request(ctx, "check", nil, false, func(l *wire.Line) (bool, error) {
		for _, f := range l.Findings {
			switch f.Status {
			case "ok", "warning", "failed":
			default:
				return false, &breach{text: fmt.Sprintf(`found something whose status %s is not "ok", "warning" or "failed"`, wire.Quote(f.Status))}
			}
			found = append(found, console.Finding{Check: c.secrets.clean(f.Check), Status: f.Status, Evidence: c.secrets.clean(f.Evidence), Remedy: c.secrets.clean(f.Remedy)})
		}
		return true, nil
	})
	if apply.CodeOf(err) == apply.Unsupported {
		return nil, nil
	}
	return found, c.unread(err)
}

// Publish does nothing: each change has taken effect when it is answered.
func (c *Console) Publish(context.Context) error { return nil }

// Close ends the connector, once its requests have. An error says what it wrote
// that nobody had asked for.
func (c *Console) Close() error {
	for range cap(c.slots) {
		c.slots <- struct{}{}
	}
	defer func() {
		for range cap(c.slots) {
			<-c.slots
		}
	}()
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	errs := make([]error, len(idle))
	var all sync.WaitGroup
	for i, p := range idle {
		all.Go(func() { errs[i] = p.bye() })
	}
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	unlock(c.lock)
	c.lock = nil
	return errors.Join(errs...)
}

// request makes one request of a process. take gets its answers until one is the
// last.
func (c *Console) request(ctx context.Context, kind string, body []byte, cancels bool, take func(*wire.Line) (last bool, err error)) error {
	p, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	defer c.release(p)
	if err := p.ask(ctx, kind, body, cancels, take); err != nil {
		return err
	}
	c.good()
	return nil
}

// acquire takes a process that has no request.
func (c *Console) acquire(ctx context.Context) (*process, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p, err := c.ready(ctx)
	if err != nil {
		<-c.slots
	}
	return p, err
}

func (c *Console) ready(ctx context.Context) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		c.mu.Lock()
		n := len(c.idle)
		if c.closed {
			c.mu.Unlock()
			return nil, fmt.Errorf("console %q is closed", c.o.Label)
		}
		if n == 0 {
			c.mu.Unlock()
			return c.start(ctx)
		}
		p := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		if !p.over() {
			return p, nil
		}
		p.discard()
		if err := c.lose(p.died("anything was asked of it again")); errors.As(err, new(*console.ReadError)) {
			return nil, err
		}
	}
}

// release gives a process back, unless it has ended or is about to.
func (c *Console) release(p *process) {
	if !p.over() {
		c.mu.Lock()
		c.idle = append(c.idle, p)
		c.mu.Unlock()
	} else {
		p.discard()
	}
	<-c.slots
}

// good notes that the connector has answered well.
func (c *Console) good() {
	c.mu.Lock()
	c.losses = 0
	c.mu.Unlock()
}

// lose counts a loss, and reports it.
func (c *Console) lose(b *breach) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses++
	if c.losses > restarts {
		return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("not reachable: started again %d times, the connector %w", restarts, b), Advice: b.Hint()}
	}
	return &lostError{c.o.Label, b}
}

// refused makes an error of one that the connector has given for a whole request.
func (c *Console) refused(e *apply.Error) error {
	switch e.Code {
	case apply.Auth:
		return &console.RefusedError{Console: c.o.Label, Err: e}
	case apply.Misused:
		return &misusedError{c.o.Label, e}
	}
	return fmt.Errorf("console %q: %w", c.o.Label, e)
}

// unread makes an error of a read of one of a request.
func (c *Console) unread(err error) error {
	var (
		lost    *lostError
		read    *console.ReadError
		refused *console.RefusedError
		said    *apply.Error
	)
	switch {
	case errors.As(err, &read), errors.As(err, &refused):
		return err
	case errors.As(err, &lost):
		return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("the connector %w", lost.breach), Advice: lost.Hint()}
	case errors.As(err, &said) && said.Code != apply.Misused:
		return &console.ReadError{Console: c.o.Label, Err: said, Advice: adviceFor(said.Code)}
	}
	return err
}

func adviceFor(code apply.Code) string {
	switch code {
	case apply.Throttled, apply.Temporary:
		return "try again later: the connector says that it may work then"
	case apply.Unsupported:
		return "the connector does not know this request; docs/reference/console-protocol.md says what it is"
	}
	return "this is what the connector says; its log may say more"
}

// clean masks the texts of an error.
func (c *Console) clean(e *apply.Error) *apply.Error {
	e.Message, e.Address, e.Holder = c.secrets.clean(e.Message), c.secrets.clean(e.Address), c.secrets.clean(e.Holder)
	return e
}

// say hands a text of the connector on.
func (c *Console) say(to func(string), text string) {
	if to == nil {
		return
	}
	c.talk.Lock()
	defer c.talk.Unlock()
	to(c.secrets.clean(text))
}

// breach is how a connector has broken the protocol; its text goes on from "the
// connector", and ends with what the connector wrote.
type breach struct{ text, advice, quoted string }

func (b *breach) Error() string { return b.text + b.quoted }

// Quoted is what the connector wrote.
func (b *breach) Quoted() string { return b.quoted }

func (b *breach) Hint() string {
	return cmp.Or(b.advice, "this is a fault of the connector: docs/reference/console-protocol.md says what is expected, and rollcall console test looks for such faults")
}

// unexpected is an answer that does not belong to the request.
func unexpected(kind string) error {
	return &breach{text: "answered " + kind + " with a message that does not belong there"}
}

// counted compares what a connector says that it has sent with what came.
func counted(verb, what string, came int, said int64) error {
	if int64(came) == said {
		return nil
	}
	return &breach{text: fmt.Sprintf("says that it %s %d %s, and %s %d", verb, said, what, verb, came)}
}

// lostError is a connector that was ended in the middle of a request.
type lostError struct {
	console string
	*breach
}

func (e *lostError) Error() string {
	return fmt.Sprintf("console %q: the connector %v", e.console, e.breach)
}

// misusedError is a configuration that the connector does not take.
type misusedError struct {
	console string
	err     *apply.Error
}

func (e *misusedError) Error() string { return fmt.Sprintf("console %q: %v", e.console, e.err) }

func (e *misusedError) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *misusedError) Hint() string { return "correct config in the console block" }

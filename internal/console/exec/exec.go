// Package exec is a console behind a connector: a program of anybody's that
// speaks the protocol rollcall-console/1 on standard input and output, as
// docs/reference/console-protocol.md says.
//
//	Console ── a request ──> connector.Host ──> connector
//	        <── answers ────                <──
//
// Package connector runs it, and says what breaks the protocol. What that means depends
// on the request. A read has failed. A change without an answer has an unknown outcome,
// and somebody has to look it up.
package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

const (
	// protocol is the version of the protocol.
	protocol = 1
	// asked is how many accounts one request asks for at most.
	asked = 10_000
	// enough is how many octets of changes one request has, if it can be divided,
	// and overhead more than it has beside them.
	enough   = 4 << 20
	overhead = 1 << 10
)

// Options say how a connector is run.
type Options struct {
	connector.Options
	// Domains are those that matter, Owner is the mark's.
	Domains []string
	Owner   string
}

var (
	_ console.Target  = (*Console)(nil)
	_ console.Checker = (*Console)(nil)
	_ apply.Trier     = (*Console)(nil)

	_ console.Ledgered = (*Console)(nil)
)

// Console is a console behind a connector.
type Console struct {
	label string
	host  *connector.Host[wire.Line]
}

// New prepares a console; nothing is started yet.
func New(o Options) *Console {
	c := &Console{label: o.Label}
	hello := append(connector.AppendTexts([]byte(`,"domains":[`), o.Domains, func(s string) string { return s }), `],"owner":`...)
	c.host = connector.New(o.Options, connector.Protocol[wire.Line]{
		Noun: "console", Version: protocol, Hello: identity.AppendJSONString(hello, o.Owner),
		Decoder: func() func([]byte) (wire.Line, error) { return new(wire.Decoder).Line },
		Common:  func(l *wire.Line) *connector.Line { return &l.Line },
		Failed: func(l *wire.Line) error {
			if l.Error == nil || l.Key != nil {
				return nil
			}
			return c.refused(c.clean(l.Error))
		},
		Facts: func(text []byte) ([]byte, error) {
			f, err := plan.ParseFacts(text)
			return f.AppendJSON(nil), err
		},
		Unread: func(err error, advice string) error {
			return &console.ReadError{Console: o.Label, Err: err, Advice: advice}
		},
	})
	return c
}

// Open starts the connector and learns its facts.
func (c *Console) Open(ctx context.Context) error { return c.unread(c.host.Open(ctx)) }

// Facts are what the connector states; the zero Facts before it was started.
func (c *Console) Facts() plan.Facts {
	// They were read before, and are nothing before that.
	f, _ := plan.ParseFacts(c.host.Greeting().Facts)
	return f
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
				return false, &connector.Breach{Text: "sent twice the account with ref ", Said: connector.Quote(l.Account.Ref),
					Advice: "a read has each account once; a page of a list may have moved while it was read"}
			}
			refs[l.Account.Ref] = true
			n++
			return false, yield(*l.Account)
		case l.Accounts == nil:
			return false, connector.Unexpected("read")
		case !l.Complete:
			return false, &connector.Breach{Text: `ended its accounts without "complete": true`, Advice: "the connector says so where it could not read all; its log may say why"}
		}
		return true, connector.Counted("sent", "accounts", n, *l.Accounts)
	})
	if err != nil {
		return console.Receipt{}, c.unread(err)
	}
	g := c.host.Greeting()
	return console.Receipt{Product: g.Name, Version: g.Version, Accounts: n}, nil
}

// checkRef makes sure that an account can be asked for again.
func (c *Console) checkRef(a *identity.Live) error {
	if a.Odd != "" {
		a.Odd = c.host.Clean(a.Odd)
	}
	if a.Ref == "" {
		return &connector.Breach{Text: fmt.Sprintf("sent account %s without a ref", connector.Quote(a.Primary.String())),
			Advice: `each account has a ref that is a string; where the console has no key of its own, the primary with the fact "ref_stable": false`}
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
		return fmt.Errorf("console %q: %w", c.label, &apply.Error{Code: apply.Unsupported, Message: `the connector cannot try changes: it does not state the fact "dry_run"`})
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
	if len(changes) > connector.MaxLine-overhead {
		unasked(apply.Unsupported, fmt.Sprintf("changes of one group are longer than %d MiB, which is the most of a request", connector.MaxLine>>20))
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
				return false, &connector.Breach{Text: fmt.Sprintf("answered change %s, for which it was not asked", connector.Quote(*l.Key))}
			case answered[i]:
				return false, &connector.Breach{Text: fmt.Sprintf("answered change %s twice", connector.Quote(*l.Key))}
			}
			a, err := c.answer(l, &steps[i])
			if err != nil {
				return false, err
			}
			if steps[i].Creates() && a.Err == nil && !c.Facts().Unstable {
				if refs[a.Ref] {
					return false, &connector.Breach{Text: fmt.Sprintf("created the account of change %s with ref %s, which another account has", connector.Quote(*l.Key), connector.Quote(a.Ref))}
				}
				refs[a.Ref] = true
			}
			answered[i] = true
			n++
			c.host.Good()
			answer(i, a)
			return false, nil
		}
		if l.Done == nil {
			return false, connector.Unexpected(kind)
		}
		if err := connector.Counted("answered", "changes", n, *l.Done); err != nil {
			return false, err
		}
		if i := slices.Index(answered, false); i >= 0 {
			return false, &connector.Breach{Text: fmt.Sprintf("was done without an answer to change %s", connector.Quote(steps[i].Key))}
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
		return apply.Answer{}, &connector.Breach{Text: fmt.Sprintf(`answered change %s with neither "ok": true nor an error`, connector.Quote(*l.Key))}
	}
	a := apply.Answer{Ref: l.Ref, Rev: l.Rev}
	switch {
	case s.Removes():
		a = apply.Answer{}
	case a.Ref == "" && s.Creates():
		return apply.Answer{}, &connector.Breach{Text: fmt.Sprintf("created the account of change %s and gave it no ref", connector.Quote(*l.Key))}
	case a.Ref == "":
		a.Ref = s.Live.Ref
	case !s.Creates() && a.Ref != s.Live.Ref && !c.Facts().Unstable:
		return apply.Answer{}, &connector.Breach{Text: fmt.Sprintf("answered change %s of account %s with ref %s", connector.Quote(*l.Key), connector.Quote(s.Live.Ref), connector.Quote(a.Ref)),
			Advice: `a ref stays when an account is changed; where it does not, the connector states the fact "ref_stable": false`}
	}
	if l.Account != nil {
		found := *l.Account
		found.Odd = c.host.Clean(found.Odd)
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
		var lost *connector.LostError
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
	body := append(connector.AppendTexts([]byte(`,"refs":[`), refs, func(s string) string { return s }), `],"addresses":[`...)
	body = append(connector.AppendTexts(body, addresses, identity.Address.String), ']')
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
			return false, connector.Unexpected("get")
		}
		return true, connector.Counted("sent", "accounts", n, *l.Accounts)
	})
	return found, err
}

// Check asks the connector to look for problems. One that does not know how has
// found none.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	var found []console.Finding
	err := c.request(ctx, "check", nil, false, func(l *wire.Line) (bool, error) {
		for _, f := range l.Findings {
			f, err := c.host.Finding(f)
			if err != nil {
				return false, err
			}
			found = append(found, console.Finding(f))
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
func (c *Console) Close() error { return c.host.Close() }

// request makes one request of a process. take gets its answers until one is the
// last.
func (c *Console) request(ctx context.Context, kind string, body []byte, cancels bool, take func(*wire.Line) (last bool, err error)) error {
	return c.host.Request(ctx, kind, body, cancels, take)
}

// refused makes an error of one that the connector has given for a whole request.
func (c *Console) refused(e *apply.Error) error {
	switch e.Code {
	case apply.Auth:
		return &console.RefusedError{Console: c.label, Err: e}
	case apply.Misused:
		return &misusedError{c.label, e}
	}
	return fmt.Errorf("console %q: %w", c.label, e)
}

// unread makes an error of a read of one of a request.
func (c *Console) unread(err error) error {
	var (
		lost    *connector.LostError
		read    *console.ReadError
		refused *console.RefusedError
		said    *apply.Error
	)
	switch {
	case errors.As(err, &read), errors.As(err, &refused):
		return err
	case errors.As(err, &lost):
		return &console.ReadError{Console: c.label, Err: fmt.Errorf("the connector %w", lost.Breach), Advice: lost.Hint()}
	case errors.As(err, &said) && said.Code != apply.Misused:
		return &console.ReadError{Console: c.label, Err: said, Advice: adviceFor(said.Code)}
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
	e.Message, e.Address, e.Holder = c.host.Clean(e.Message), c.host.Clean(e.Address), c.host.Clean(e.Holder)
	return e
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

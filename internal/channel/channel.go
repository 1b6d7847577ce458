// Package channel sends what an outbox holds. A way to send is a [Kind], in a folder of
// its own; what it cannot deliver now stays, in its order, for the next time.
package channel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is a way to send, and what is configured of it.
type Kind struct {
	settings.Kind
	// Open returns a sender. Release is the version of the program.
	Open func(v settings.Values, release string) Sender
}

// Sender sends to one channel.
type Sender interface {
	// Send sends a message, once more if it was sent before: it bears its ID, so that who
	// gets it twice can know.
	Send(ctx context.Context, m *run.Message) Outcome
	// Recipients are those to whom each message goes by itself; none of a channel that
	// has just one.
	Recipients() []string
	// Examine tests the way as far as that goes without a message.
	Examine(ctx context.Context, c *doctor.Check)
	// Close ends what sending has left open.
	Close()
}

// Trust returns a configuration of TLS for a server. It trusts what the system does, or
// the certificates in a file.
func Trust(host, file string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return c, nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Outcome is what came of a message.
type Outcome struct {
	// Delivered are the recipients that have it, of a message to several.
	Delivered []string
	// Refused says why it is lost, in whole or for some recipients, who are RefusedBy.
	Refused   []error
	RefusedBy []string
	// Err is why it could not be sent now, and no other could be; nil where that is not
	// so. Until is when the server wants to be asked again, zero where it has not said.
	Err   error
	Until time.Time
	// Waits is why some recipients can have it later only, to whom nothing else is sent
	// until then; nil for none.
	Waits error
}

const (
	// Timeout is how long one channel may take in one run.
	Timeout = 20 * time.Second
	// Longest is the longest that a server can hold its channel.
	Longest = 24 * time.Hour
	// Kept is how many messages wait for a channel at most; the oldest go first.
	Kept = 500
)

// Report is what came of a channel.
type Report struct {
	Channel string
	Sent    int
	Left    int
	// Refused are why messages are lost: for the recipients in RefusedBy, or in whole.
	Refused   []error
	RefusedBy []string
	// Recipients are those of the channel, if it has several.
	Recipients []string
	// Err is why the others are left; nil where a server has asked earlier to wait until
	// Held.
	Err  error
	Held time.Time
}

// Deliver sends what the outbox has, each channel beside the others, and takes out of
// it what was sent or refused. As it goes on, and in the end, it calls save, one at a
// time. Messages for channels without a sender stay.
func Deliver(ctx context.Context, box *run.Outbox, senders map[string]Sender, now func() time.Time, save func() error) (reports []Report, err error) {
	// One that is longer was set by a clock that was wrong.
	maps.DeleteFunc(box.Held, func(_ string, until time.Time) bool { return !until.After(now()) || until.Sub(now()) > Longest })
	queues := map[string][]run.Message{}
	for _, m := range box.Messages {
		if senders[m.Channel] != nil {
			queues[m.Channel] = append(queues[m.Channel], m)
		}
	}
	labels := slices.Sorted(maps.Keys(queues))
	reports = make([]Report, len(labels))
	held := maps.Clone(box.Held)
	d := &delivery{box: box, save: save, now: now}
	var all sync.WaitGroup
	for i, label := range labels {
		if until, waits := held[label]; waits {
			reports[i] = Report{Channel: label, Left: len(queues[label]), Held: until}
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Timeout)
			defer cancel()
			reports[i] = d.drain(ctx, label, queues[label], senders[label])
		})
	}
	all.Wait()
	return reports, d.err
}

// delivery is the outbox while several send.
type delivery struct {
	mu   sync.Mutex
	box  *run.Outbox
	save func() error
	now  func() time.Time

	saved time.Time
	err   error // of saving
}

// drain sends the messages of a channel in their order, up to one that cannot be sent
// now.
func (d *delivery) drain(ctx context.Context, label string, queue []run.Message, to Sender) Report {
	r := Report{Channel: label, Recipients: to.Recipients()}
	defer to.Close()
	for i := range queue {
		m := &queue[i]
		out := to.Send(ctx, m)
		for _, err := range out.Refused {
			r.Refused = append(r.Refused, fmt.Errorf("notice %q: %w", m.Kind, err))
		}
		for _, to := range out.RefusedBy {
			if !slices.Contains(r.RefusedBy, to) {
				r.RefusedBy = append(r.RefusedBy, to)
			}
		}
		if out.Err != nil && ctx.Err() != nil && r.Sent > 0 {
			out.Err = fmt.Errorf("%v were not enough for all", Timeout)
		}
		r.Held = d.settle(m, &out, i == len(queue)-1)
		switch {
		case out.Err != nil:
			r.Err = out.Err
			r.Left += len(queue) - i
			return r
		case out.Waits != nil:
			r.Err = out.Waits
			r.Left++
		case len(out.Refused) == 0:
			r.Sent++
		}
	}
	return r
}

// every is how much time lies between two times that the outbox is saved while a server
// takes one message after the other.
const every = time.Second

// settle writes down what came of a message, and returns until when the channel is held.
func (d *delivery) settle(m *run.Message, out *Outcome, last bool) (held time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.IndexFunc(d.box.Messages, func(x run.Message) bool { return x.ID == m.ID })
	if out.Err == nil && out.Waits == nil {
		d.box.Messages = slices.Delete(d.box.Messages, at, at+1)
	} else {
		d.box.Messages[at].Delivered = append(d.box.Messages[at].Delivered, out.Delivered...)
		if wait := out.Until.Sub(d.now()); wait > 0 {
			if d.box.Held == nil {
				d.box.Held = map[string]time.Time{}
			}
			held = d.now().Add(min(wait, Longest)).UTC().Truncate(time.Second)
			d.box.Held[m.Channel] = held
		}
	}
	if !last && out.Err == nil && time.Since(d.saved) < every {
		return held
	}
	d.saved = time.Now()
	if err := d.save(); err != nil && d.err == nil {
		d.err = err
	}
	return held
}

// Brief is an error in at most 500 octets, in which each of some texts is concealed,
// whatever a server has repeated.
func Brief(err error, secrets ...string) string {
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range secrets {
		if len(secret) > 1 {
			pairs = append(pairs, secret, settings.Concealed)
		}
	}
	const most = 500
	text := strings.Join(strings.Fields(strings.NewReplacer(pairs...).Replace(err.Error())), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " ..."
	}
	return text
}

// Forget drops the messages that are not to be kept, and returns how many.
func Forget(box *run.Outbox, keep func(*run.Message) bool) int {
	n := len(box.Messages)
	box.Messages = slices.DeleteFunc(box.Messages, func(m run.Message) bool { return !keep(&m) })
	return n - len(box.Messages)
}

// Trim drops the oldest messages of channels for which too many wait, and returns how
// many.
func Trim(messages []run.Message) (kept []run.Message, dropped int) {
	waiting := map[string]int{}
	for i := range messages {
		waiting[messages[i].Channel]++
	}
	for _, m := range messages {
		if waiting[m.Channel] > Kept {
			waiting[m.Channel]--
			dropped++
			continue
		}
		kept = append(kept, m)
	}
	return kept, dropped
}

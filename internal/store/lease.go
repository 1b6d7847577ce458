package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/state"
)

// Lease is a lock that ends some time after it was renewed last, by the clock of the
// store. It renews itself until it is released.
//
// How long it lasts still is reckoned from the moment at which the last renewal was
// sent that was answered, which cannot be later than the store's. So no two clocks need
// to agree. A machine that sleeps counts as time that passes.
type Lease struct {
	store string
	terms Terms
	over  func(since time.Time) time.Duration // how much time is over, at most

	mu      sync.Mutex
	length  time.Duration // asked for: that of the configuration, and what is covered
	margin  time.Duration // what is covered
	sent    time.Time     // when the renewal was sent that was answered last
	granted time.Duration // what it asked for
	lingers bool
	lost    error

	renewing sync.Mutex
	stop     context.CancelFunc
	stopped  chan struct{}
}

// Terms are how a store keeps a lease.
type Terms struct {
	// Renew asks for so much time from now on, of which the last part is covered: who
	// breaks the lock gives it to nobody before that is over. It is a
	// [*state.LostError] if somebody else has the lock, or nobody.
	Renew func(ctx context.Context, length, covered time.Duration) error
	// Free gives the lock back, if it is held still. Nobody gets it before a time is over.
	Free func(ctx context.Context, after time.Duration) error
}

// patience is how long one renewal may take at most, and giving a lock back.
const patience = 10 * time.Second

// NewLease returns the lease that was asked for, for a length of time, by a request that
// was sent at a time, and begins to renew it.
func NewLease(store string, length time.Duration, sent time.Time, terms Terms) *Lease {
	l := newLease(store, length, sent, terms)
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.keep(ctx)
	return l
}

func newLease(store string, length time.Duration, sent time.Time, terms Terms) *Lease {
	return &Lease{store: store, terms: terms, over: over, length: length, sent: sent, granted: length, stop: func() {}, stopped: make(chan struct{})}
}

// keep renews the lease when a third of it is over.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.stopped)
	for {
		l.mu.Lock()
		pause := max((l.granted-l.margin)/3-l.over(l.sent), (l.granted-l.margin)/30)
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, 10*time.Millisecond)):
		}
		if err := l.Renew(ctx); errors.As(err, new(*state.LostError)) {
			return
		}
	}
}

// Renew asks for the lease once more.
func (l *Lease) Renew(ctx context.Context) error {
	l.renewing.Lock()
	defer l.renewing.Unlock()
	l.mu.Lock()
	lost, length, margin := l.lost, l.length, l.margin
	most := min(patience, max(time.Second, (l.granted-margin)/3))
	l.mu.Unlock()
	if lost != nil {
		return lost
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	sent := time.Now()
	err := l.terms.Renew(ctx, length, margin)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.sent, l.granted = sent, length
	case errors.As(err, new(*state.LostError)):
		l.lost = err
	}
	return err
}

// over is how much time is over, by whichever of the clocks of a machine has gone
// further: the one stands still while the machine sleeps, the other can be set.
func over(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// Lasts reports whether the lease outlives what is covered.
func (l *Lease) Lasts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost == nil && l.granted-l.over(l.sent) > l.margin
}

// Margin is for how long the lock has to last when something is written.
func (l *Lease) Margin() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.margin
}

// Lose says that a request has found the lock to be lost.
func (l *Lease) Lose(err *state.LostError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.lost = err
	}
}

// Held is a [*state.LostError] if the lock is lost, or does not outlive what is covered
// and cannot be renewed.
func (l *Lease) Held(ctx context.Context) error {
	if l.Lasts() {
		return nil
	}
	err := l.Renew(ctx)
	if l.Lasts() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.lost != nil:
		return l.lost
	case ctx.Err() != nil:
		return ctx.Err()
	}
	lost := &state.LostError{Store: l.store, Reason: "the lock could not be renewed in time", Advice: "look whether the store can be reached, and run the command again"}
	if err != nil {
		lost.Reason += ": " + err.Error()
	}
	return lost
}

// Cover asks for so much more time than the configuration says, from now on.
func (l *Lease) Cover(ctx context.Context, d time.Duration) error {
	l.mu.Lock()
	longer := d > l.margin
	if longer {
		l.length += d - l.margin
		l.margin = d
	}
	l.mu.Unlock()
	if !longer {
		return nil
	}
	if err := l.Renew(ctx); err != nil {
		return err
	}
	return l.Held(ctx)
}

// Linger says that what was asked for may be under way when the lock is given back.
func (l *Lease) Linger() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lingers = true
}

// Release ends the renewals and gives the lock back.
func (l *Lease) Release() error {
	l.stop()
	<-l.stopped
	l.mu.Lock()
	after := time.Duration(0)
	if l.lingers {
		after = l.margin
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.terms.Free(ctx, after)
}

package s3

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

const (
	locks = "lock/"
	// slack is how much longer than its lease a lock is left to its holder: the times of
	// the service have whole seconds, and not all of its machines need to have the same.
	slack = 2 * time.Second
	// patience is how long it may take to give back a lock that was not got.
	patience = 5 * time.Second
	// kept is how many of the newest objects of the lock stay.
	kept = 100
)

// The events of a lock.
const (
	taken    = "taken"
	renewed  = "renewed"
	released = "released"
	broken   = "broken" // or released, with a version that may be on its way
)

// record is an object of the lock.
type record struct {
	Event string `json:"event"`
	// Holder is who has the lock, or had it.
	Holder *state.Holder `json:"holder"`
	// Seconds is how long it lasts, unless it is renewed; of one that was given back or
	// broken, for how long nobody gets it. Covered is how much of it is left to the holder
	// if it is broken.
	Seconds float64 `json:"seconds,omitempty"`
	Covered float64 `json:"covered,omitempty"`
	// Left is the holder before, if it has not given the lock back.
	Left *state.Holder `json:"left,omitempty"`

	number int64
	age    time.Duration
	before []int64 // objects of the lock that were listed with it
}

// lasts is for how much longer nobody else gets the lock.
func (r *record) lasts() time.Duration {
	if r.number == 0 || r.ended() && r.Seconds == 0 {
		return 0
	}
	return max(0, time.Duration(r.Seconds*float64(time.Second))+slack-r.age)
}

func (r *record) of(h *state.Holder) bool { return r.Holder != nil && r.Holder.ID == h.ID }

// ended reports whether the holder has the lock no more whatever the time is.
func (r *record) ended() bool { return r.Event == released || r.Event == broken }

// record reads an object of the lock.
func (s *Store) record(ctx context.Context, number int64) (*record, error) {
	text, o, err := s.get(ctx, locks+numbered(number))
	if err != nil {
		return nil, err
	}
	r := &record{number: number, age: o.age}
	if err := json.Unmarshal(text, r); err != nil || r.Holder == nil {
		return nil, s.access(errors.New(s.prefix+locks+numbered(number)+" does not say whose lock it is"), "look who else writes to the bucket")
	}
	return r, nil
}

// now reads the newest object of the lock; one with number 0 if there is none.
func (s *Store) now(ctx context.Context) (*record, error) {
	for range again {
		all, err := s.end(ctx, locks)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return &record{}, nil
		}
		r, err := s.record(ctx, last(all))
		if err == nil {
			r.before = all
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
	}
	return nil, s.changing()
}

// write makes an object of the lock.
func (s *Store) write(ctx context.Context, number int64, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.put(ctx, locks+numbered(number), append(text, '\n'), nil, true)
}

// Lock takes the lock, if nobody has it or its time is over.
func (s *Store) Lock(ctx context.Context, command string, wait time.Duration) (*state.Lock, error) {
	if err := s.probe(ctx); err != nil {
		return nil, err
	}
	holder := state.Me(command)
	for deadline := time.Now().Add(wait); ; {
		sent := time.Now()
		l, left, err := s.take(ctx, holder)
		if err == nil {
			lease := store.NewLease(s.Name(0), s.length, sent, store.Terms{Renew: l.renew, Free: l.free})
			s.mu.Lock()
			l.lease, s.lock = lease, l
			s.mu.Unlock()
			return &state.Lock{Left: left, Hold: &hold{lease, l}}, nil
		}
		if errors.Is(err, errTaken) && ctx.Err() == nil {
			continue
		}
		var locked *state.LockedError
		if !errors.As(err, &locked) || !time.Now().Before(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(s.poll, time.Until(deadline))):
		}
	}
}

// take tries to take the lock once. If somebody was quicker the error is errTaken.
func (s *Store) take(ctx context.Context, holder *state.Holder) (*lock, *state.Holder, error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, nil, err
	}
	mine := now.number > 0 && now.of(holder) // by a request that was not answered
	if lasts := now.lasts(); lasts > 0 && !mine {
		locked := &state.LockedError{Path: s.Name(0), Holder: now.Holder, Ends: lasts}
		if now.ended() {
			locked.Holder = nil
		}
		return nil, nil, locked
	}
	next := record{Event: taken, Holder: holder, Seconds: s.length.Seconds()}
	switch {
	case mine:
		next.Left = now.Left
	case now.number > 0 && !now.ended():
		next.Left = now.Holder
	}
	l := &lock{s: s, holder: holder, number: now.number + 1, taken: now.number + 1}
	fenced := now.number == 0 || now.Event == released
	err = s.write(ctx, l.number, next)
	if err == nil {
		err = l.confirm(ctx)
	}
	if err == nil {
		l.tidy(ctx, now.before...)
	}
	if err == nil && !fenced {
		err = s.fence(ctx)
	}
	switch {
	case err == nil:
		return l, next.Left, nil
	case errors.Is(err, errTaken), errors.As(err, new(*state.LostError)):
		return nil, nil, errTaken
	}
	// The lock may be ours, or be going to be, and nobody shall wait until it ends.
	l.unclear.Store(!fenced)
	l.abandon(context.WithoutCancel(ctx))
	return nil, nil, err
}

// abandon gives back a lock of which is not known whether it was taken: nobody has it by
// that number afterwards, or it is somebody else's.
func (l *lock) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	event := released
	if l.unclear.Load() {
		event = broken
	}
	if err := l.s.write(ctx, l.number, record{Event: event, Holder: l.holder}); !errors.Is(err, errTaken) {
		return // it ends by itself
	}
	if now, err := l.s.record(ctx, l.number); err == nil && now.of(l.holder) && !now.ended() {
		_ = l.free(ctx, 0) // it ends by itself
	}
}

// lock is the lock while this process has it.
type lock struct {
	s      *Store
	holder *state.Holder
	taken  int64 // the number by which it was taken
	lease  *store.Lease
	// unclear is that a version may be on its way still, so that who comes next has to make
	// a fence.
	unclear atomic.Bool

	mu      sync.Mutex
	number  int64 // of the newest object that is known to be ours
	over    bool
	folders int // of records, in which something was written
}

// confirm is a [*state.LostError] unless the newest object of the lock is ours.
func (l *lock) confirm(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed(ctx)
}

func (l *lock) confirmed(ctx context.Context) error {
	all, err := l.s.chain(ctx, locks, l.number)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return l.lose() // to somebody who has removed it
	}
	if n := last(all); n != l.number {
		// It may be a renewal that was not answered.
		now, err := l.s.record(ctx, n)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || !now.of(l.holder) || now.ended() {
			return l.lose()
		}
		l.number = n
	}
	return nil
}

// tidy removes what is old of the lock, among it some that were listed. They would be in
// nobody's way.
func (l *lock) tidy(ctx context.Context, listed ...int64) {
	var old []string
	// Two, because it is taken and released.
	for _, n := range append(listed, l.number-kept-1, l.number-kept) {
		if n > 0 && n <= l.number-kept {
			old = append(old, locks+numbered(n))
		}
	}
	_ = l.s.remove(ctx, old...)
}

// lose says that the lock is lost.
func (l *lock) lose() error {
	lost := state.Lost(l.s.Name(0))
	l.s.mu.Lock()
	lease := l.lease
	l.s.mu.Unlock()
	if lease != nil {
		lease.Lose(lost)
	}
	return lost
}

// renew makes the lock last for a time from now on.
func (l *lock) renew(ctx context.Context, length, covered time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return state.Lost(l.s.Name(0))
	}
	return l.append(ctx, record{Event: renewed, Holder: l.holder, Seconds: length.Seconds(), Covered: covered.Seconds()})
}

// append makes the next object of the lock, if the lock is ours.
func (l *lock) append(ctx context.Context, r record) error {
	for {
		err := l.s.write(ctx, l.number+1, r)
		if err == nil {
			l.number++
			if r.Event != renewed {
				return nil
			}
			l.tidy(ctx)
			return l.confirmed(ctx)
		}
		if !errors.Is(err, errTaken) {
			return err
		}
		// It may be one of ours that was not answered.
		now, err := l.s.record(ctx, l.number+1)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && (!now.of(l.holder) || now.ended()):
			return state.Lost(l.s.Name(0))
		case err != nil:
			return err
		}
		l.number++
	}
}

// free gives the lock back, if it is held still.
func (l *lock) free(ctx context.Context, after time.Duration) error {
	event := released
	if l.unclear.Load() {
		event = broken
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	err := l.append(ctx, record{Event: event, Holder: l.holder, Seconds: after.Seconds()})
	if errors.As(err, new(*state.LostError)) {
		err = nil
	}
	l.over = err == nil
	return err
}

// hold is the lock as commands have it.
type hold struct {
	*store.Lease
	l *lock
}

func (h *hold) Release() error {
	err := h.Lease.Release()
	s := h.l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == h.l {
		s.lock = nil
	}
	return err
}

// held returns the lock if this process holds it, by the clock and by what the bucket
// says.
func (s *Store) held(ctx context.Context) (*lock, error) {
	l, err := s.leased(ctx)
	if err == nil {
		err = l.confirm(ctx)
	}
	return l, err
}

// leased returns the lock if this process holds it, by the clock.
func (s *Store) leased(ctx context.Context) (*lock, error) {
	s.mu.Lock()
	l := s.lock
	s.mu.Unlock()
	if l == nil {
		return nil, state.Lost(s.Name(0))
	}
	return l, l.lease.Held(ctx)
}

// same reports whether two texts name the same holder.
func same(a, b *state.Holder) bool {
	x, y := *a, *b
	x.Since, y.Since = x.Since.UTC(), y.Since.UTC()
	return x == y
}

// Break takes the lock away from a holder.
func (s *Store) Break(ctx context.Context, h *state.Holder) error {
	for {
		now, err := s.now(ctx)
		if err != nil {
			return err
		}
		if now.number == 0 || now.ended() {
			return &state.LockedError{Path: s.Name(0)}
		}
		if !same(now.Holder, h) {
			return &state.LockedError{Path: s.Name(0), Holder: now.Holder}
		}
		err = s.write(ctx, now.number+1, record{Event: broken, Holder: h, Seconds: min(now.Covered, now.lasts().Seconds())})
		if !errors.Is(err, errTaken) || ctx.Err() != nil {
			return err
		}
	}
}

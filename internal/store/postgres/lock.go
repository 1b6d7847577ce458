package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// Lock takes the lock, if nobody has it or its time is over.
func (s *Store) Lock(ctx context.Context, command string, wait time.Duration) (*state.Lock, error) {
	if err := s.known(ctx); err != nil {
		return nil, err
	}
	holder := state.Me(command)
	me, err := json.Marshal(holder)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(wait); ; {
		sent := time.Now()
		generation, left, err := s.take(ctx, string(me))
		if err == nil {
			lease := store.NewLease(s.Name(0), s.length, sent, store.Terms{
				Renew: func(ctx context.Context, d, covered time.Duration) error { return s.renew(ctx, string(me), d, covered) },
				Free:  func(ctx context.Context, after time.Duration) error { return s.free(ctx, string(me), after) },
			})
			s.mu.Lock()
			s.lease, s.generation, s.me = lease, generation, string(me)
			s.mu.Unlock()
			return &state.Lock{Left: left, Hold: &hold{lease, s}}, nil
		}
		var locked *state.LockedError
		if errors.As(err, &locked) && locked.Holder == nil && locked.Ends == 0 && ctx.Err() == nil {
			continue // it was given back meanwhile
		}
		if !errors.As(err, &locked) || !time.Now().Before(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(500*time.Millisecond, time.Until(deadline))):
		}
	}
}

// hold is the lock while it is held.
type hold struct {
	*store.Lease
	s *Store
}

func (h *hold) Release() error {
	err := h.Lease.Release()
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if h.s.lease == h.Lease {
		h.s.lease = nil
	}
	return h.s.failed(err)
}

// take tries to take the lock once.
func (s *Store) take(ctx context.Context, me string) (generation int64, left *state.Holder, err error) {
	var previous *string
	err = s.row(ctx, `INSERT INTO {lock} AS l (state, generation, holder, expires) VALUES ($1, 1, $2, clock_timestamp() + $3::float8 * interval '1 second')
ON CONFLICT (state) DO UPDATE SET generation = l.generation + 1, previous = l.holder, holder = excluded.holder, expires = excluded.expires, covered = 0
WHERE l.expires <= clock_timestamp()
RETURNING generation, previous`, []any{s.name, me, s.length.Seconds()}, &generation, &previous)
	if err == nil {
		return generation, holderOf(previous), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, s.failed(err)
	}
	// Somebody has it, which may be this process, whose request was sent again.
	var now *string
	var seconds float64
	err = s.row(ctx, "SELECT generation, holder, previous, extract(epoch FROM expires - clock_timestamp())::float8 FROM {lock} WHERE state = $1", []any{s.name}, &generation, &now, &previous, &seconds)
	if err != nil {
		return 0, nil, s.failed(err)
	}
	if now != nil && *now == me {
		return generation, holderOf(previous), nil
	}
	return 0, nil, &state.LockedError{Path: s.Name(0), Holder: holderOf(now), Ends: max(0, time.Duration(seconds*float64(time.Second)))}
}

func holderOf(text *string) *state.Holder {
	var h state.Holder
	if text == nil || json.Unmarshal([]byte(*text), &h) != nil {
		return nil
	}
	return &h
}

func (s *Store) renew(ctx context.Context, me string, d, covered time.Duration) error {
	rows, err := s.exec(ctx, "UPDATE {lock} SET expires = greatest(expires, clock_timestamp() + $3::float8 * interval '1 second'), covered = $4::float8 WHERE state = $1 AND holder = $2",
		s.name, me, d.Seconds(), covered.Seconds())
	if err == nil && rows == 0 {
		return state.Lost(s.Name(0))
	}
	return s.failed(err)
}

func (s *Store) free(ctx context.Context, me string, after time.Duration) error {
	_, err := s.exec(ctx, "UPDATE {lock} SET holder = NULL, expires = clock_timestamp() + $3::float8 * interval '1 second' WHERE state = $1 AND holder = $2", s.name, me, after.Seconds())
	return err
}

// Break takes the lock away from a holder. Nobody gets it before what it has covered is
// over.
func (s *Store) Break(ctx context.Context, h *state.Holder) error {
	var was, previous *string
	if err := s.row(ctx, "SELECT holder FROM {lock} WHERE state = $1", []any{s.name}, &was); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s.failed(err)
	}
	if now := holderOf(was); now == nil || now.ID != h.ID {
		return &state.LockedError{Path: s.Name(0), Holder: now}
	}
	rows, err := s.exec(ctx, "UPDATE {lock} SET generation = generation + 1, previous = holder, holder = NULL, expires = least(expires, clock_timestamp() + covered * interval '1 second') WHERE state = $1 AND holder = $2", s.name, *was)
	if err != nil {
		return s.failed(err)
	}
	if rows == 0 {
		var now *string
		if err := s.row(ctx, "SELECT holder, previous FROM {lock} WHERE state = $1", []any{s.name}, &now, &previous); err != nil {
			return s.failed(err)
		}
		if now == nil && previous != nil && *previous == *was {
			return nil // a statement that was sent again has met itself
		}
		return &state.LockedError{Path: s.Name(0), Holder: holderOf(now)}
	}
	return nil
}

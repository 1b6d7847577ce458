package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/state"
)

// landlord is a store that keeps one lease.
type landlord struct {
	asked   []time.Duration
	covered time.Duration
	err     error
	freed   bool
}

func (k *landlord) terms() Terms {
	return Terms{
		Renew: func(_ context.Context, length, covered time.Duration) error {
			if k.err == nil {
				k.asked, k.covered = append(k.asked, length), covered
			}
			return k.err
		},
		Free: func(context.Context, time.Duration) error { k.freed = true; return nil },
	}
}

// TestLease: what is left of a lease is reckoned from when it was asked for; once too
// little is left it is asked for again, and only an answer counts.
func TestLease(t *testing.T) {
	var k landlord
	l := newLease("the store", time.Minute, time.Now(), k.terms())
	passed := time.Duration(0)
	l.over = func(since time.Time) time.Duration { return passed }
	held := func(want bool, renewals int) {
		t.Helper()
		err := l.Held(t.Context())
		if (err == nil) != want || err != nil && !errors.As(err, new(*state.LostError)) || len(k.asked) != renewals {
			t.Errorf("after %v: %v after %d renewals", passed, err, len(k.asked))
		}
	}
	held(true, 0)
	passed = 59 * time.Second
	held(true, 0)

	// An answer begins it anew, from when it was asked for.
	passed = time.Hour
	l.over = func(since time.Time) time.Duration { return max(0, passed-time.Hour*time.Duration(len(k.asked))) }
	held(true, 1)

	// What is covered is asked for at once, and comes on top.
	if err := l.Cover(t.Context(), 30*time.Second); err != nil || k.asked[1] != 90*time.Second || k.covered != 30*time.Second || l.Margin() != 30*time.Second {
		t.Errorf("%v, %+v", err, k)
	}
	if err := l.Cover(t.Context(), 10*time.Second); err != nil || len(k.asked) != 2 || l.Margin() != 30*time.Second {
		t.Errorf("less than before: %v, %+v", err, k)
	}
	passed = 2*time.Hour + 59*time.Second
	held(true, 2)
	passed = 2*time.Hour + 61*time.Second
	held(true, 3)

	// A store that cannot be reached for too long may have given the lock to somebody
	// else; once it answers that it has not, all is well.
	passed = 3*time.Hour + 61*time.Second
	k.err = errors.New("no route to host")
	held(false, 3)
	k.err = nil
	held(true, 4)

	// Who has lost it has lost it.
	passed = 4*time.Hour + 61*time.Second
	k.err = state.Lost("the store")
	held(false, 4)
	k.err = nil
	passed = 4 * time.Hour
	held(false, 4)
}

// TestLeaseClocks: a clock that is set, and a machine that sleeps, are time that is over.
func TestLeaseClocks(t *testing.T) {
	now := time.Now()
	if d := over(now); d < 0 || d > time.Minute {
		t.Errorf("nothing has happened, and %v are over", d)
	}
	if d := over(now.Round(0).Add(-5 * time.Hour)); d < 5*time.Hour {
		t.Errorf("the clock was set forward by hours: %v", d)
	}
	if d := over(now.Add(-5 * time.Hour)); d < 5*time.Hour {
		t.Errorf("hours are over: %v", d)
	}
}

// TestLeaseKept: a lease renews itself until it is given back, or lost.
func TestLeaseKept(t *testing.T) {
	t.Parallel()
	var renewed atomic.Int64
	var lost, freed atomic.Bool
	terms := Terms{
		Renew: func(context.Context, time.Duration, time.Duration) error {
			if renewed.Add(1); lost.Load() {
				return state.Lost("the store")
			}
			return nil
		},
		Free: func(context.Context, time.Duration) error { freed.Store(true); return nil },
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	l := NewLease("the store", 60*time.Millisecond, time.Now(), terms)
	wait("it is not renewed", func() bool { return renewed.Load() > 3 })
	if err := l.Held(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Release(); err != nil || !freed.Load() {
		t.Errorf("%v, freed: %t", err, freed.Load())
	}
	after := renewed.Load()
	time.Sleep(100 * time.Millisecond)
	if renewed.Load() != after {
		t.Error("it is renewed after it was given back")
	}
	l = NewLease("the store", 60*time.Millisecond, time.Now(), terms)
	lost.Store(true)
	wait("nobody finds out that it is lost", func() bool { return errors.As(l.Held(t.Context()), new(*state.LostError)) })
	l.Release()
}

package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/local"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// trial is the local console with a state of its own in a temporary folder, for
// its test.
type trial struct {
	s     *session
	store *state.Store
	// staged is what was applied and not published yet; nil for nothing.
	staged *local.Console
	ledger *apply.Ledger
}

// trial makes a local console to be tested, and returns what removes it.
func (s *session) trial(domain string) (suite.Subject, func(), error) {
	folder, err := os.MkdirTemp("", "rollcall-console-test-")
	if err != nil {
		return suite.Subject{}, nil, err
	}
	store := state.At(filepath.Join(folder, "rollcall.state.jsonl"))
	return suite.Subject{
		Domain: domain,
		Open:   func(context.Context, string) (console.Target, error) { return &trial{s: s, store: store}, nil },
	}, func() { _ = os.RemoveAll(folder) }, nil
}

// begin loads the state, unless that was done since it was written last.
func (t *trial) begin(ctx context.Context) error {
	if t.staged != nil {
		return nil
	}
	st, err := t.store.Load(ctx)
	if err != nil {
		return err
	}
	t.staged, t.ledger = local.New(st.Accounts), apply.NewLedger(st.Accounts, nil)
	return nil
}

func (t *trial) Facts() plan.Facts { return local.Facts }

func (t *trial) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	st, err := t.store.Load(ctx)
	if err != nil {
		return console.Receipt{}, err
	}
	return local.New(st.Accounts).Accounts(ctx, yield)
}

func (t *trial) Apply(ctx context.Context, steps []apply.Step, answer func(int, apply.Answer)) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	var failed error
	err := t.staged.Apply(ctx, steps, func(i int, a apply.Answer) {
		if s := &steps[i]; a.Err == nil && failed == nil {
			failed = t.record(s)
		}
		answer(i, a)
	})
	if err == nil {
		err = failed
	}
	return err
}

func (t *trial) record(s *apply.Step) error {
	if s.Removes() {
		return t.ledger.Remove(s.Live.Primary)
	}
	a := s.Outcome().Account
	a.Directory, a.GUID = s.After.Directory, s.After.GUID
	if s.Creates() {
		return t.ledger.Put(identity.Address{}, &a, identity.Placed{})
	}
	return t.ledger.Put(s.Live.Primary, &a, identity.Placed{})
}

func (t *trial) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	st, err := t.store.Load(ctx)
	if err != nil {
		return nil, err
	}
	return local.New(st.Accounts).Get(ctx, refs, addresses)
}

func (t *trial) Publish(ctx context.Context) error {
	if t.staged == nil {
		return nil
	}
	if err := t.staged.Publish(ctx); err != nil {
		return err
	}
	st, err := t.store.Load(ctx)
	if err != nil {
		return err
	}
	st.Accounts, _ = t.ledger.Accounts()
	t.staged = nil
	return t.store.Save(ctx, st, release, t.s.now(), func(*state.State) error { return nil })
}

func (t *trial) Close() error { return nil }

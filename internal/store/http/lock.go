package http

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/state"
)

// claim is what a request for the lock says, in the form of Terraform. GitLab keeps
// nothing of it but the ID, and tells who comes later what that says itself, so that the
// ID says who has the lock: see [idOf].
type claim struct {
	ID        string `json:"ID"`
	Operation string `json:"Operation"`
	Info      string `json:"Info"`
	Who       string `json:"Who"`
	Version   string `json:"Version"`
	Created   string `json:"Created"`
	Path      string `json:"Path"`

	raw []byte // as it is sent
}

func newClaim(me *state.Holder, release string) *claim {
	info, err := json.Marshal(me)
	if err != nil {
		panic(err) // it has nothing that cannot be written
	}
	c := &claim{ID: idOf(me), Operation: me.Command, Info: string(info), Who: me.User + "@" + me.Host, Version: "rollcall " + release, Created: me.Since.Format(time.RFC3339)}
	if c.raw, err = json.Marshal(c); err != nil {
		panic(err)
	}
	return c
}

// longestID is how long an ID may be in GitLab.
const longestID = 255

// idOf returns the ID of a lock: what no other has, a dot, and Base64 (RFC 4648 section 5)
// of who has it: a list in JSON of the command, the process, the user, the host, and the
// Unix time since when. Texts are cut where it would be too long.
func idOf(h *state.Holder) string {
	cut := func(s string, n int) string { return strings.ToValidUTF8(s[:min(n, len(s))], "") }
	for n := longestID; ; n-- {
		said, err := json.Marshal([]any{cut(h.Command, n), h.PID, cut(h.User, n), cut(h.Host, n), h.Since.Unix()})
		if err != nil {
			panic(err)
		}
		if id := h.ID + "." + base64.RawURLEncoding.EncodeToString(said); len(id) <= longestID {
			return id
		}
	}
}

// holderIn returns who has the lock with an ID of [idOf]; nil for another one.
func holderIn(id string) *state.Holder {
	_, said, _ := strings.Cut(id, ".")
	text, err := base64.RawURLEncoding.DecodeString(said)
	if err != nil {
		return nil
	}
	h := &state.Holder{ID: id}
	var since int64
	list := []any{&h.Command, &h.PID, &h.User, &h.Host, &since}
	if json.Unmarshal(text, &list) != nil || len(list) != 5 || h.PID <= 0 {
		return nil
	}
	h.Since = time.Unix(since, 0).UTC()
	return h
}

// holderOf says who has the lock, by what the server has answered to who asked; nil if it
// does not say.
func holderOf(a *answer, asked *claim) (*claim, *state.Holder) {
	var c claim
	if json.Unmarshal(a.body, &c) != nil || c.ID == "" {
		return nil, nil
	}
	c.raw = bytes.Clone(a.body)
	if h := holderIn(c.ID); h != nil {
		return &c, h
	}
	h := &state.Holder{Command: "another program", ID: c.ID, User: c.Who}
	if c.Operation != "" && c.Info != asked.Info {
		h.Command = c.Operation
	}
	if i := strings.LastIndexByte(c.Who, '@'); i > 0 {
		h.User, h.Host = c.Who[:i], c.Who[i+1:]
	}
	if at, err := time.Parse(time.RFC3339, c.Created); err == nil {
		h.Since = at.UTC()
	}
	return &c, h
}

// takenError says who has the lock.
type takenError struct {
	*state.LockedError
	by *claim // nil if the server does not say
}

func (e takenError) Unwrap() error { return e.LockedError }

// take asks for the lock. If somebody else has it, the error is a [takenError]. Where no
// clear answer comes, the lock is not taken afterwards.
func (s *Store) take(ctx context.Context, c *claim) error {
	known, err := s.try(ctx, c)
	if !known {
		s.abandon(ctx, c)
	}
	return err
}

// try is take, and says whether it is known whose the lock is.
func (s *Store) try(ctx context.Context, c *claim) (known bool, err error) {
	a, _, err := s.persist(ctx, s.lockMethod, s.lock, c.raw, "")
	switch {
	case err != nil:
		return false, s.failed(err)
	case a.ok():
		return true, nil
	case !a.taken():
		return !a.passing(), s.refused(a)
	}
	by, h := holderOf(a, c)
	if by != nil && by.ID == c.ID {
		return true, nil // the answer to this, sent before, was lost
	}
	return true, takenError{&state.LockedError{Path: s.Name(0), Holder: h, Stays: true}, by}
}

// free gives a lock back. A lock that somebody else has is a [*state.LostError].
func (s *Store) free(ctx context.Context, c *claim) error {
	a, asked, err := s.persist(ctx, s.unlockMethod, s.unlock, c.raw, "")
	switch {
	case err != nil:
		return s.failed(err)
	case a.ok(), a.taken() && asked > 1: // which was answered, and the answer was lost
		return nil
	case a.taken():
		return state.Lost(s.Name(0))
	}
	return s.refused(a)
}

// brief is how long something may take that ends what was interrupted.
const brief = 10 * time.Second

// abandon gives a lock back of which nobody knows whether it was taken. It asks for it
// again before, since not every server looks whose lock is given back.
func (s *Store) abandon(ctx context.Context, c *claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brief)
	defer cancel()
	if _, err := s.try(ctx, c); err == nil {
		_ = s.free(ctx, c) // or state unlock does
	}
}

// robbed reports whether the lock is somebody else's, or nobody's. The only way to ask is
// to ask for it, as somebody else: not every server refuses who has it already.
func (s *Store) robbed(ctx context.Context, h *hold) bool {
	another := newClaim(state.Me("rollcall state"), s.release)
	a, err := s.ask(ctx, s.lockMethod, s.lock, another.raw, "")
	switch {
	case err != nil:
		return false
	case a.ok():
		_ = s.free(ctx, another)
		return true
	case a.taken():
		by, _ := holderOf(a, another)
		return by != nil && by.ID != h.claim.ID
	}
	return false
}

// hold is the lock while it is held.
type hold struct {
	s     *Store
	claim *claim
	local *state.Lock // keeps away others that use the same folder
	work  *work
	lost  atomic.Pointer[state.LostError]
	ended atomic.Bool
}

// lose says that an answer has shown the lock to be lost.
func (h *hold) lose() error {
	h.lost.CompareAndSwap(nil, state.Lost(h.s.Name(0)))
	return h.lost.Load()
}

// held returns the lock, which is a [*state.LostError] if it is not held.
func (s *Store) held() (*hold, error) {
	s.mu.Lock()
	h := s.hold
	s.mu.Unlock()
	if h == nil {
		return nil, state.Lost(s.Name(0))
	}
	return h, h.Held(context.Background())
}

// Lock takes the lock, reads the document, and finds what a process has left behind that
// ended before it could send it.
func (s *Store) Lock(ctx context.Context, command string, wait time.Duration) (*state.Lock, error) {
	if err := s.begin(); err != nil {
		return nil, s.access(err, "let rollcall write the folder of the state's path")
	}
	deadline := time.Now().Add(wait)
	c := newClaim(state.Me(command), s.release)
	for {
		err := s.take(ctx, c)
		if err == nil {
			break
		}
		if !errors.As(err, new(takenError)) || !time.Now().Before(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(s.again, time.Until(deadline))):
		}
	}
	_, locker := s.files()
	local, err := locker.Lock(ctx, command, time.Until(deadline))
	var locked *state.LockedError
	if errors.As(err, &locked) {
		// Somebody has broken its lock on the server, and it does not know.
		err = &state.LockedError{Path: s.Folders()[0], Holder: locked.Holder}
	}
	if err != nil {
		s.abandon(ctx, c)
		return nil, err
	}
	h := &hold{s: s, claim: c, local: local}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.refresh(ctx); err == nil {
		h.work, err = s.resume(ctx)
	}
	if err != nil {
		s.abandon(ctx, c)
		_ = local.Release()
		return nil, err
	}
	s.hold = h
	return &state.Lock{Left: local.Left, Hold: h}, nil
}

// Held is a [*state.LostError] if the server has said that the lock is lost. It is not
// asked: the protocol has no way to.
func (h *hold) Held(context.Context) error {
	if lost := h.lost.Load(); lost != nil {
		return lost
	}
	if h.ended.Load() {
		return state.Lost(h.s.Name(0))
	}
	return nil
}

// Cover does nothing: the lock lasts until a person breaks it.
func (h *hold) Cover(context.Context, time.Duration) error { return nil }

// Linger does nothing: the protocol gives a lock back at once. What was asked for bears a
// mark, by which the next run knows it.
func (h *hold) Linger() {}

// Release sends what was not sent yet, and gives the lock back, whether that was to be
// sent or not.
func (h *hold) Release() error {
	if h.ended.Swap(true) {
		return nil
	}
	s, ctx := h.s, context.Background()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.hold, s.asked = nil, time.Time{} }()
	lost := h.lost.Load() != nil
	var unsent error
	if h.work.dirty() && !lost {
		if _, unsent = s.compare(ctx, h); unsent == nil {
			unsent = s.push(ctx, h, nil)
		}
		if unsent != nil {
			lost = h.lost.Load() != nil
			advice := "the next command on this machine that takes the lock sends it, unless another machine writes before; then it is set aside there"
			unsent = s.access(fmt.Errorf("what the run has written down last is in %s alone: %w", s.Folders()[0], unsent), advice)
		}
	}
	if !h.work.dirty() {
		h.work.clear(ctx)
	}
	var err error
	switch {
	case !lost:
		if err = s.free(ctx, h.claim); err != nil && !errors.As(err, new(*state.LostError)) {
			err = s.access(fmt.Errorf("the lock may be held still: %w", err), "rollcall state unlock removes it, if it is")
		}
	case unsent == nil && h.work.dirty():
		err = h.lost.Load()
		fallthrough
	default:
		s.abandon(ctx, h.claim)
	}
	if unsent != nil && err != nil {
		err = fmt.Errorf("%w; %w", unsent, err)
	} else if unsent != nil {
		err = unsent
	}
	return errors.Join(err, h.local.Release())
}

// Break takes the lock away from a holder. Who that is, the server says to who asks for
// the lock.
func (s *Store) Break(ctx context.Context, h *state.Holder) error {
	mine := newClaim(state.Me("rollcall state unlock"), s.release)
	err := s.take(ctx, mine)
	if err == nil {
		err = s.free(ctx, mine)
		if err == nil {
			err = &state.LockedError{Path: s.Name(0)}
		}
		return err
	}
	var taken takenError
	if !errors.As(err, &taken) {
		return err
	}
	if taken.by == nil || taken.Holder == nil || *taken.Holder != *h {
		return err
	}
	a, asked, err := s.persist(ctx, s.unlockMethod, s.unlock, taken.by.raw, "")
	switch {
	case err != nil:
		return s.failed(err)
	case a.ok(), a.taken() && asked > 1, a.code == http.StatusNotFound:
		return nil
	case a.taken():
		return &state.LockedError{Path: s.Name(0)}
	}
	return s.refused(a)
}

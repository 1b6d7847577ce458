package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// scripted is a sender that does as it is told, by the IDs of messages.
type scripted struct {
	mu     sync.Mutex
	by     map[string]Outcome
	sent   []string
	closed bool
}

func (s *scripted) Send(_ context.Context, m *run.Message) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, m.ID)
	return s.by[m.ID]
}

func (s *scripted) Recipients() []string                   { return nil }
func (s *scripted) Examine(context.Context, *doctor.Check) {}
func (s *scripted) Close()                                 { s.closed = true }

func outbox(ids ...string) *run.Outbox {
	box := &run.Outbox{}
	for _, id := range ids {
		label, _, _ := strings.Cut(id, "-")
		box.Messages = append(box.Messages, run.Message{ID: id, Channel: label, Notice: run.Notice{Kind: run.NoticeFailed}})
	}
	return box
}

func left(box *run.Outbox) string {
	var ids []string
	for i := range box.Messages {
		ids = append(ids, box.Messages[i].ID)
	}
	return strings.Join(ids, " ")
}

// TestDeliver: each channel goes on in its order up to what cannot be sent, whatever
// becomes of others, and everything is saved at once.
func TestDeliver(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	box := outbox("a-1", "b-1", "a-2", "c-1", "b-2", "a-3", "c-2", "d-1")
	a := &scripted{by: map[string]Outcome{"a-2": {Refused: []error{errors.New("550")}, RefusedBy: []string{"it"}}}}
	b := &scripted{by: map[string]Outcome{"b-1": {Err: errors.New("451"), Delivered: []string{"it"}, Until: now.Add(time.Hour)}}}
	c := &scripted{by: map[string]Outcome{"c-2": {Err: errors.New("down")}}}
	saved := 0
	senders := map[string]Sender{"a": a, "b": b, "c": c}
	reports, err := Deliver(t.Context(), box, senders, clock, func() error { saved++; return nil })
	if err != nil || saved == 0 {
		t.Fatalf("%v, %d times saved", err, saved)
	}
	if got := left(box); got != "b-1 b-2 c-2 d-1" {
		t.Errorf("left: %s", got)
	}
	if !slices.Equal(a.sent, []string{"a-1", "a-2", "a-3"}) || !slices.Equal(b.sent, []string{"b-1"}) || !slices.Equal(c.sent, []string{"c-1", "c-2"}) || !a.closed || !b.closed || !c.closed {
		t.Errorf("sent %v, %v, %v", a.sent, b.sent, c.sent)
	}
	if got := fmt.Sprint(reports[0].Sent, len(reports[0].Refused), reports[0].Left, reports[1].Sent, reports[1].Left, reports[1].Held, reports[2].Sent, reports[2].Left, reports[2].Err); got != "2 1 0 0 2 2026-11-30 09:00:00 +0000 UTC 1 1 down" {
		t.Errorf("reports: %s", got)
	}
	if !box.Held["b"].Equal(now.Add(time.Hour)) || box.Messages[0].Delivered[0] != "it" {
		t.Errorf("held %v, delivered %v", box.Held, box.Messages[0].Delivered)
	}

	// While a channel is held, nothing of it overtakes; afterwards it goes on.
	b.by, c.by = nil, nil
	now = now.Add(59 * time.Minute)
	if _, err = Deliver(t.Context(), box, senders, clock, func() error { return nil }); err != nil || left(box) != "b-1 b-2 d-1" {
		t.Errorf("held: %v, left %s", err, left(box))
	}
	now = now.Add(2 * time.Minute)
	if _, err = Deliver(t.Context(), box, senders, clock, func() error { return nil }); err != nil || left(box) != "d-1" || len(box.Held) > 0 {
		t.Errorf("after that: %v, left %s, held %v", err, left(box), box.Held)
	}
	if gone := Forget(box, func(*run.Message) bool { return false }); gone != 1 || len(box.Messages) > 0 {
		t.Errorf("%d forgotten", gone)
	}
}

// TestWaits: who can have nothing now keeps nothing from others, and nothing is lost.
func TestWaits(t *testing.T) {
	t.Parallel()
	box := outbox("a-1", "a-2", "a-3")
	full := Outcome{Waits: errors.New("452"), Delivered: []string{"good"}}
	a := &scripted{by: map[string]Outcome{"a-1": full, "a-2": full, "a-3": full}}
	reports, err := Deliver(t.Context(), box, map[string]Sender{"a": a}, time.Now, func() error { return nil })
	if err != nil || left(box) != "a-1 a-2 a-3" || len(a.sent) != 3 || reports[0].Left != 3 || reports[0].Err == nil {
		t.Errorf("%v, left %s, %+v", err, left(box), reports)
	}
	for i := range box.Messages {
		if !slices.Equal(box.Messages[i].Delivered, []string{"good"}) {
			t.Errorf("%+v", box.Messages[i])
		}
	}
}

// TestBrief conceals secrets, the longest first, and is short.
func TestBrief(t *testing.T) {
	t.Parallel()
	if got := Brief(errors.New("550 pass\r\nword secret /SECRET/x /SECRET"), "/SECRET", "/SECRET/x", "", "/", "secret"); got != "550 pass word (secret) (secret) (secret)" {
		t.Error(got)
	}
	if got := Brief(errors.New(strings.Repeat("é", 100_000))); len(got) > 520 || !strings.HasSuffix(got, "é ...") {
		t.Error(len(got), got)
	}
}

// TestHeld: no server holds a channel for ever, and no clock that was wrong.
func TestHeld(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	box := outbox("a-1")
	s := &scripted{by: map[string]Outcome{"a-1": {Err: errors.New("503"), Until: now.AddDate(10, 0, 0)}}}
	save := func() error { return nil }
	if _, err := Deliver(t.Context(), box, map[string]Sender{"a": s}, clock, save); err != nil || !box.Held["a"].Equal(now.Add(Longest)) {
		t.Errorf("%v, held until %v", err, box.Held["a"])
	}
	now = now.AddDate(-1, 0, 0)
	s.by = nil
	if _, err := Deliver(t.Context(), box, map[string]Sender{"a": s}, clock, save); err != nil || left(box) != "" {
		t.Errorf("%v, left %s", err, left(box))
	}
}

// TestUnsaved: what could not be written down is said.
func TestUnsaved(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	_, err := Deliver(t.Context(), outbox("a-1", "a-2"), map[string]Sender{"a": &scripted{}}, time.Now, func() error { return full })
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

// TestTrim drops the oldest of a channel alone.
func TestTrim(t *testing.T) {
	t.Parallel()
	box := outbox("b-1")
	for n := range Kept + 3 {
		box.Messages = append(box.Messages, run.Message{ID: fmt.Sprint("a-", n), Channel: "a"})
	}
	kept, dropped := Trim(box.Messages)
	if dropped != 3 || len(kept) != Kept+1 || kept[0].ID != "b-1" || kept[1].ID != "a-3" {
		t.Errorf("%d dropped, %d kept, the first %s and %s", dropped, len(kept), kept[0].ID, kept[1].ID)
	}
	if kept, dropped = Trim(outbox("a-1").Messages); dropped != 0 || len(kept) != 1 {
		t.Errorf("of one, %d dropped", dropped)
	}
}

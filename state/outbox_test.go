package state

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// TestOutbox: a draft is taken over if its run has changed the state, dropped if it has
// not, and left alone as long as that is unknown.
func TestOutbox(t *testing.T) {
	t.Parallel()
	j := newJourney(t)
	ctx := t.Context()
	box := func() string {
		t.Helper()
		box, err := At(j.path).Outbox(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i := range box.Messages {
			ids = append(ids, box.Messages[i].ID)
		}
		for i := range box.Conditions {
			ids = append(ids, box.Conditions[i].Key)
		}
		if box.Draft != nil {
			ids = append(ids, "draft")
		}
		return strings.Join(ids, " ")
	}
	file := func(number int) {
		t.Helper()
		err := At(j.path).SaveOutbox(ctx, &run.Outbox{
			Conditions: []run.Condition{{Key: "before"}}, Messages: []run.Message{{ID: "old"}}, Held: map[string]time.Time{"ops": time.Now()},
			Draft: &run.Draft{Run: number, Conditions: []run.Condition{{Key: "after"}}, Messages: []run.Message{{ID: "new"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := box(); got != "" {
		t.Errorf("at first: %s", got)
	}
	file(1)
	if got := box(); got != "old before" {
		t.Errorf("of a run that is not there: %s", got)
	}
	r := j.begin(t)
	file(r.Number())
	if got := box(); got != "old before draft" {
		t.Errorf("of a run that goes on: %s", got)
	}
	if err := r.End(ctx, run.Failed, "no", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := box(); got != "old before" {
		t.Errorf("of a run that failed: %s", got)
	}
	j.apply(t)
	file(2)
	if got := box(); got != "old new after" {
		t.Errorf("of a run that has changed the state: %s", got)
	}
	path := notePath(j.path, outbox)
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, text := range []string{"", "{", "{}", "{\"outbox\":1}\n", "[]\n", "\x00\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if empty, err := At(j.path).Outbox(ctx); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) || empty == nil || len(empty.Messages) > 0 {
			t.Errorf("%q: %v, %v", text, empty, err)
		}
	}
}

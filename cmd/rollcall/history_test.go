package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/state"
)

// TestHistoryOfAnswers: what a person at a terminal says is on record.
func TestHistoryOfAnswers(t *testing.T) {
	dir := quickstart(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	at(context.Background(), strings.NewReader("no\n"), true, "-C", dir, "apply")
	at(cancelled, strings.NewReader(""), true, "-C", dir, "apply")
	at(context.Background(), strings.NewReader("yes\n"), true, "-C", dir, "apply")
	runs, err := state.Runs(filepath.Join(dir, "rollcall.state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []state.Outcome
	for _, r := range runs {
		got = append(got, r.Outcome)
		if r.Automatic || r.User == "" || r.Host == "" {
			t.Errorf("run %d: %+v", r.Number, r)
		}
	}
	if want := []state.Outcome{state.Declined, state.Interrupted, state.Applied}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r := runs[len(runs)-1]; r.Applied != 21 || r.SerialAfter != r.Serial+1 || r.Summary["add"] != 8 || r.Summary["rejection"] != 22 {
		t.Errorf("applied: %+v", r)
	}
}

// TestHistoryPage: the page explains every key and every outcome.
func TestHistoryPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/history.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{}
	line, err := json.Marshal(&state.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !regexp.MustCompile("(?m)^\\| .*`" + key + "`.* \\|").Match(page) {
			t.Errorf("the page does not explain %s", key)
		}
	}
	for _, o := range []state.Outcome{state.Applied, state.Incomplete, state.Withheld, state.Declined, state.Rejected, state.Stale,
		state.Expired, state.Failed, state.Interrupted, state.Unfinished, state.Damaged} {
		if !strings.Contains(string(page), "| `"+string(o)+"` |") {
			t.Errorf("the page does not explain %s", o)
		}
	}
}

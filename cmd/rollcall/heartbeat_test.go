package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/heartbeat"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// broken panics when it is written to.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("broken") }

// TestPings: how a run ends is what monitoring hears, also of one that crashes; and no
// message has the URL.
func TestPings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.URL.Path)
	}))
	defer server.Close()
	configure := func(url string) {
		text := fmt.Sprintf("heartbeat {\n  ping     = %q\n  textfile = \"rollcall.prom\"\n}\n", url+"/0123")
		if err := os.WriteFile(filepath.Join(dir, "heartbeat.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(want exitCode, s *session) string {
		t.Helper()
		var talk bytes.Buffer
		s.stdin, s.stderr, s.now = strings.NewReader(""), &talk, time.Now
		if code := execute(context.Background(), []string{"-C", dir, "apply", "--auto-approve"}, s); code != want {
			t.Fatalf("exit %d, want %d\n%s", code, want, talk.String())
		}
		return talk.String()
	}
	hears := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		heard = nil
	}
	configure(server.URL)
	apply(exitInternal, &session{stdout: broken{}})
	hears("/0123/start", "/0123/fail")
	if text, err := os.ReadFile(filepath.Join(dir, "rollcall.prom")); err != nil || !strings.Contains(string(text), "} 70\n") {
		t.Errorf("%s, %v", text, err)
	}
	apply(exitOK, &session{stdout: new(bytes.Buffer)})
	hears("/0123/start", "/0123")
	shows := func(code exitCode) {
		t.Helper()
		if text, err := os.ReadFile(filepath.Join(dir, "rollcall.prom")); err != nil || !strings.Contains(string(text), fmt.Sprintf("exit_code{config=%q} %d\n", dir, code)) {
			t.Errorf("%s, %v", text, err)
		}
	}
	lock, err := state.At(filepath.Join(dir, "rollcall.state.jsonl")).Lock(context.Background(), "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	apply(exitLocked, &session{stdout: new(bytes.Buffer)})
	hears("/0123/start", "/0123/fail")
	shows(exitLocked)
	lock.Release()
	if err := os.Rename(filepath.Join(dir, "corp.ldif"), filepath.Join(dir, "gone.ldif")); err != nil {
		t.Fatal(err)
	}
	apply(exitUnreachable, &session{stdout: new(bytes.Buffer)})
	hears("/0123/start", "/0123/fail")
	if err := os.Rename(filepath.Join(dir, "gone.ldif"), filepath.Join(dir, "corp.ldif")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	talk := apply(exitOK, &session{stdout: new(bytes.Buffer)})
	if !strings.Contains(talk, "could not send a heartbeat to "+strings.TrimPrefix(server.URL, "http://")) || strings.Contains(talk, "0123") {
		t.Error(talk)
	}
}

// TestSilentServer: a server that did not answer while the run waited for it is not
// asked again; one that was silent long before is.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	var heard atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
	defer server.Close()
	b := &beating{s: &session{ctx: context.Background()}, cfg: &config.Config{Heartbeat: config.Heartbeat{Ping: server.URL + "/0123"}}}
	silent := &begun[struct{}]{err: heartbeat.ErrSilent}
	waiting := make(chan *begun[struct{}])
	go func() { waiting <- silent }()
	b.first = waiting
	if err := b.signal(exitOK); err != heartbeat.ErrSilent || heard.Load() != 0 {
		t.Errorf("%v, and %d pings", err, heard.Load())
	}
	done := make(chan *begun[struct{}], 1)
	done <- silent
	b.first = done
	if err := b.signal(exitOK); err != heartbeat.ErrSilent || heard.Load() != 1 {
		t.Errorf("%v, and %d pings", err, heard.Load())
	}
}

// TestFigures: what a plan did not read keeps its figures, and what is not declared any
// more has none.
func TestFigures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	b := &beating{s: &session{now: func() time.Time { return now }}, started: now}
	account := func(directory string) *identity.Account {
		return &identity.Account{Primary: identity.MustAddress("ann@example.com"), Directory: directory, GUID: identity.GUID{1}}
	}
	whole := &plan.Plan{
		Header: plan.Header{Created: now, Directories: []identity.Receipt{{Name: "corp", Entries: 5}, {Name: "hr", Entries: 7}, {Name: "old", Entries: 1}}},
		Active: []plan.ActiveAccounts{{Directory: "corp", Accounts: 4}, {Directory: "hr", Accounts: 6}},
		Rejections: []plan.Rejection{
			{Directory: "corp", Reason: plan.AliasRejected}, {Directory: "hr", Reason: plan.PrerequisiteMissing, Overdue: true, New: true},
		},
		Accounts: []plan.AccountChange{{Before: account("hr"), Withheld: true}},
	}
	var last run.Beat
	b.update(&last, whole, exitOK)
	if !last.Read.Equal(now) || last.Figures.New != 1 || last.Figures.Rejections["corp"]["guid_changed"] != 0 || len(last.Figures.Rejections["corp"]) != len(plan.ReasonNames()) {
		t.Errorf("%+v", last)
	}
	part := &plan.Plan{
		Header:     plan.Header{Created: now.Add(time.Hour), Directories: []identity.Receipt{{Name: "corp", Entries: 8}}, Unread: []string{"hr"}},
		Active:     []plan.ActiveAccounts{{Directory: "corp", Accounts: 5}},
		Rejections: []plan.Rejection{{Directory: "corp", Reason: plan.GUIDChanged}},
	}
	b.update(&last, part, exitOK)
	f := last.Figures
	got := []int{f.Accounts["corp"], f.Accounts["hr"], f.Entries["corp"], f.Entries["hr"], f.Rejections["corp"]["alias_rejected"], f.Rejections["corp"]["guid_changed"],
		f.Rejections["hr"]["prerequisite_missing"], f.Overdue["hr"], f.Withheld["hr"], f.New}
	if want := []int{5, 6, 8, 7, 0, 1, 1, 1, 1, 0}; !slices.Equal(got, want) || !last.Read.Equal(now) {
		t.Errorf("after a part %v, want %v; read %s", got, want, last.Read)
	}
	if _, known := f.Entries["old"]; known || f.Rejections["old"] != nil {
		t.Errorf("a directory that is not declared has figures: %+v", f)
	}
	b.update(&last, &plan.Plan{Header: plan.Header{Created: now.Add(2 * time.Hour), Undoes: 1}}, exitOK)
	b.update(&last, nil, exitFailed)
	if !last.Read.Equal(now) || last.Exit != int(exitFailed) || !reflect.DeepEqual(last.Figures, f) {
		t.Errorf("after an undo and a failed run %+v", last)
	}
	copied := &plan.Plan{Header: plan.Header{Created: now.Add(3 * time.Hour), Directories: []identity.Receipt{{Name: "corp", Server: "snapshot monday/corp.ldif"}}}}
	b.update(&last, copied, exitOK)
	if !last.Read.Equal(now) {
		t.Error("a snapshot is a read")
	}
}

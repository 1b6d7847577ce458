package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
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

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// stateServer is a mock of a plain server for Terraform's http backend.
type stateServer struct {
	mu         sync.Mutex
	body, lock []byte
	full       bool // it takes no document
}

func (s *stateServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	id := func(text []byte) string {
		var c struct{ ID string }
		_ = json.Unmarshal(text, &c)
		return c.ID
	}
	switch {
	case r.Method == "LOCK" && s.lock != nil:
		w.WriteHeader(http.StatusLocked)
		_, _ = w.Write(s.lock)
	case r.Method == "LOCK":
		s.lock = body
	case r.Method == "UNLOCK" && id(body) != id(s.lock), r.Method == "POST" && r.URL.Query().Get("ID") != id(s.lock):
		w.WriteHeader(http.StatusConflict)
	case r.Method == "UNLOCK":
		s.lock = nil
	case r.Method == "POST" && s.full:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case r.Method == "POST":
		s.body = body
	case r.Method == "GET":
		_, _ = w.Write(s.body)
	}
}

func (s *stateServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// TestStateHTTP: commands on a state behind Terraform's http backend, from setup to a lock
// that is left behind, and a run whose end cannot be sent.
func TestStateHTTP(t *testing.T) {
	t.Parallel()
	server := &stateServer{}
	web := httptest.NewServer(server)
	defer web.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"rollcall.hcl":   "directory \"corp\" {\n kind = \"ldif\"\n path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"all\" {\n directory = directory.corp\n guid_attribute = \"employeeNumber\"\n}\n",
		"corp.ldif":      "dn: CN=ann\nobjectClass: user\nmail: ann@example.com\nemployeeNumber: 8c4ac332-975f-4717-ad7b-ba4a4e968fff\n",
		"accounts.jsonl": "{\"primary\":\"ann@example.com\"}\n",
	} {
		write(name, text)
	}
	run := func(want exitCode, args ...string) string {
		t.Helper()
		out, talk, code := at(t.Context(), strings.NewReader(""), false, append([]string{"-C", dir}, args...)...)
		if code != want {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, out, talk)
		}
		return out + talk
	}
	has := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in %s", w, text)
			}
		}
	}
	run(exitOK, "state", "import", filepath.Join(dir, "accounts.jsonl"))
	write("state.hcl", fmt.Sprintf("state {\n http {\n  address = \"%s/states/corp\"\n }\n}\n", web.URL))
	has(run(exitOK, "state", "setup"), "nothing to do")
	has(run(exitFailed, "plan"), "state migrate")
	run(exitOK, "state", "migrate", "--auto-approve")
	has(run(exitOK, "state", "verify"), "intact: version 1, 1 account")

	// What a run writes down after the state is reported if it cannot be sent, and sent
	// by the next one.
	server.set(func() { server.full = true })
	has(run(exitUnreachable, "apply", "--auto-approve"), "413", "could not give the lock of the state back", "rollcall.state.http alone", "the next command on this machine")
	server.set(func() { server.full = false })
	run(exitOK, "apply", "--auto-approve")
	for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.http", "rollcall.state.cache"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	has(run(exitOK, "history"), "applied", "failed")
	has(run(exitOK, "state", "verify"), "intact: version 2, 1 account")

	server.set(func() {
		server.lock = []byte(`{"ID":"2b6a6738","Operation":"OperationTypeApply","Info":"","Who":"bob@build1","Version":"1.11.4","Created":"2026-11-30T08:00:00Z","Path":""}`)
	})
	run(exitOK, "plan")
	has(run(exitLocked, "apply", "--auto-approve"), `"OperationTypeApply" of bob on build1, since 2026-11-30T08:00:00Z`, "rollcall state unlock removes it")
	has(run(exitOK, "state", "unlock", "--auto-approve"), "removed the lock")
	run(exitOK, "apply", "--auto-approve")
	server.set(func() {
		if server.lock != nil {
			t.Error("the lock is held")
		}
	})
}

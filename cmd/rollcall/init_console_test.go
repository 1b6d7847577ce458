package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestInitPutOff: the time of silence is no bound on all that init asks a console.
func TestInitPutOff(t *testing.T) {
	if os.Getenv("ROLLCALL_ATTACK") == "" {
		t.Skip("it waits for longer than a minute")
	}
	t.Parallel()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case asked.Add(1) <= 2:
			w.Header().Set("Retry-After", "31")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.URL.Path == "/Users":
			_, _ = io.WriteString(w, `{"totalResults":0}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	if err := os.Setenv("ROLLCALL_TEST_PUT_OFF", "x"); err != nil { // of no other test; t.Setenv forbids those in parallel
		t.Fatal(err)
	}
	if out, talk, code := at(context.Background(), nil, false, "-C", filepath.Join(t.TempDir(), "new"), "init", "--console", "scim",
		"--console-set", "url="+s.URL, "--console-set", `token=env("ROLLCALL_TEST_PUT_OFF")`); code != exitOK {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
}

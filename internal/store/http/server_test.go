package http

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
)

// server is a mock of two servers that cannot run here. With gitlab it is GitLab's managed
// Terraform state, as its code says (lib/api/terraform/state.rb and
// app/services/terraform/remote_state_handler.rb of gitlabhq/gitlabhq, late 2025): the
// serial has to be there and new, who meets a lock is told its ID and its own words, and a
// write with the ID of another lock is an exception that nothing catches. Without, it is
// a plain server as the documentation of Terraform's http backend asks for one.
type server struct {
	*httptest.Server
	gitlab  bool
	etags   bool // it tags what it has
	heedful bool // it looks at the ID of a write and of who unlocks
	mute    bool // it does not say who has the lock
	hasty   bool // it believes what is JSON
	most    int  // how long a body may be, in octets; 0 for any

	mu       sync.Mutex
	present  bool
	versions map[int64][]byte // by serial; a plain server has one
	newest   int64
	lock     []byte // what who has it has sent; nil for nobody
	requests map[string]int
	sent     int64 // octets of documents that were read
	// before may answer a request in place of the server, and says so; after may take the
	// answer away.
	before func(w http.ResponseWriter, r *http.Request, n int) bool
	after  func(r *http.Request, n int) bool
}

const (
	username = "gitlab-ci-token"
	password = "glpat-S3cr3t"
)

func newServer(t testing.TB, change func(*server)) *server {
	s := &server{heedful: true, etags: true, versions: map[int64][]byte{}, requests: map[string]int{}}
	if change != nil {
		change(s)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() { s.Server.Close() })
	return s
}

// restart ends the server, and begins it again with what it has.
func (s *server) restart(t testing.TB) {
	at := s.Listener.Addr().String()
	s.CloseClientConnections()
	s.Server.Close()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Server.Listener.Close()
	s.Server.Listener = l
	s.Server.Start()
}

func (s *server) path() string {
	if s.gitlab {
		return "/api/v4/projects/17/terraform/state/corp"
	}
	return "/states/corp"
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := r.Method + strings.TrimPrefix(r.URL.Path, s.path())
	s.requests[what]++
	n := s.requests[what]
	if s.before != nil && s.before(w, r, n) {
		return
	}
	if s.after == nil {
		s.handle(w, r)
		return
	}
	recorded := httptest.NewRecorder()
	s.handle(recorded, r)
	if s.after(r, n) {
		panic(http.ErrAbortHandler)
	}
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(recorded.Body.Bytes())
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	if user, pass, ok := r.BasicAuth(); !ok || user != username || pass != password {
		said(w, http.StatusUnauthorized, "401 Unauthorized")
		return
	}
	body := make([]byte, max(r.ContentLength, 0))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		panic(http.ErrAbortHandler)
	}
	locks := map[bool][2]string{true: {"POST /lock", "DELETE /lock"}, false: {"LOCK ", "UNLOCK "}}[s.gitlab]
	switch what := r.Method + " " + strings.TrimPrefix(r.URL.Path, s.path()); what {
	case "GET ":
		s.get(w, r)
	case "POST ":
		s.post(w, r, body)
	case locks[0]:
		s.take(w, body)
	case locks[1]:
		s.free(w, body)
	default:
		said(w, http.StatusNotFound, "404 Not found")
	}
}

func said(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.present:
		said(w, http.StatusNotFound, "404 Not found")
		return
	case s.newest == 0:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body := s.versions[s.newest]
	if s.etags {
		tag := fmt.Sprintf(`W/"%s"`, summed(body))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	n, _ := w.Write(body)
	s.sent += int64(n)
}

// id is the ID of the lock; "" for none.
func (s *server) id() string { return idIn(s.lock) }

func idIn(body []byte) string {
	var c struct{ ID string }
	_ = json.Unmarshal(body, &c)
	return c.ID
}

func (s *server) post(w http.ResponseWriter, r *http.Request, body []byte) {
	if s.most > 0 && len(body) > s.most {
		said(w, http.StatusRequestEntityTooLarge, "413 Request Entity Too Large")
		return
	}
	var head struct{ Serial *int64 }
	text := body
	if first := bytes.IndexByte(body, ','); s.hasty && first > 0 {
		text = append(bytes.Clone(body[:first]), '}') // which has the serial
	}
	err := json.Unmarshal(text, &head)
	wrong := r.URL.Query().Get("ID") != s.id()
	switch {
	case !s.gitlab && s.heedful && wrong:
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write(s.lock)
		return
	case !s.gitlab:
		s.present, s.newest, s.versions = true, 1, map[int64][]byte{1: body}
		return
	case len(body) == 0:
		w.WriteHeader(http.StatusNoContent)
		return
	case err != nil:
		said(w, http.StatusUnprocessableEntity, "422 Unprocessable entity - invalid JSON")
		return
	case head.Serial == nil:
		said(w, http.StatusUnprocessableEntity, "422 Unprocessable entity - No serial in payload")
		return
	case wrong:
		said(w, http.StatusInternalServerError, "500 Internal Server Error")
		return
	case s.versions[*head.Serial] != nil:
		said(w, http.StatusUnprocessableEntity, "PG::UniqueViolation: duplicate key value")
		return
	}
	s.present = true
	s.versions[*head.Serial] = body
	s.newest = max(s.newest, *head.Serial)
}

func (s *server) take(w http.ResponseWriter, body []byte) {
	var asked map[string]any
	if json.Unmarshal(body, &asked) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, name := range []string{"ID", "Operation", "Info", "Who", "Version", "Created", "Path"} {
		if _, text := asked[name].(string); s.gitlab && !text || len(fmt.Sprint(asked["ID"])) > 255 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	s.present = true
	code := http.StatusOK
	switch {
	case s.lock == nil:
		s.lock = body
	case s.gitlab:
		code = http.StatusConflict
	default:
		code = http.StatusLocked
	}
	if s.gitlab {
		var has map[string]any
		_ = json.Unmarshal(s.lock, &has)
		asked["ID"], asked["Who"], asked["Created"] = has["ID"], "project_17_bot", "2026-11-30T08:00:00.123Z"
		body, _ = json.Marshal(asked)
	} else {
		body = s.lock
	}
	w.WriteHeader(code)
	if !s.mute {
		_, _ = w.Write(body)
	}
}

func (s *server) free(w http.ResponseWriter, body []byte) {
	if id := idIn(body); s.heedful && id != s.id() && !(s.gitlab && id == "") {
		w.WriteHeader(http.StatusConflict)
		return
	}
	s.lock = nil
}

// count returns how many requests there were.
func (s *server) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[what]
}

// set changes what the server does.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// body returns the document that the server has.
func (s *server) body() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[s.newest]
}

func opening(address, cache string, more map[string]any) store.Opening {
	set := map[string]any{"address": address, "username": username, "password": settings.NewSecret(password)}
	for name, value := range more {
		set[name] = value
	}
	return store.Opening{Settings: Kind.Values("state", filepath.Dir(cache), set), Cache: cache, Release: "test"}
}

// opened opens the store at an address, and reads what is there each time.
func opened(t testing.TB, address, cache string) *Store {
	t.Helper()
	s, err := open(opening(address, cache, nil))
	if err != nil {
		t.Fatal(err)
	}
	s.fresh, s.again, s.pace = 0, 20*time.Millisecond, 3*time.Millisecond
	t.Cleanup(func() { s.Close() })
	return s
}

// opened opens the store in a server.
func (s *server) opened(t testing.TB, cache string) *Store {
	t.Helper()
	return opened(t, s.URL+s.path(), cache)
}

// machine opens the store as one that has not used it.
func (s *server) machine(t testing.TB) *Store {
	t.Helper()
	return s.opened(t, filepath.Join(t.TempDir(), "s.jsonl"))
}

var background = context.Background()

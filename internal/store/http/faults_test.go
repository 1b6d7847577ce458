package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/store/suite"
	"github.com/rollcall-cli/rollcall/state"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lock(t testing.TB, s *state.Store) *state.Lock {
	t.Helper()
	l, err := s.Lock(background, "rollcall apply", time.Minute)
	must(t, err)
	return l
}

// add adds an account to the state.
func add(s *state.Store, n int, intend func(*state.State) error) error {
	st, err := s.Load(background)
	if err != nil {
		return err
	}
	st.Accounts = append(st.Accounts, identity.Account{Primary: identity.MustAddress(fmt.Sprintf("a%06d@example.com", n))})
	return s.Save(background, st, "test", time.Now(), intend)
}

// on is the state in a store.
func on(s *Store) *state.Store { return state.On(s, s.cache) }

func begin(t testing.TB, s *state.Store) *state.Recorder {
	t.Helper()
	r, err := s.Begin(background, run.Head{Started: time.Now(), Command: "rollcall apply", Tool: "test", Console: "gateway", Accounts: 1, Summary: map[string]int{}})
	must(t, err)
	after := identity.Account{Primary: identity.MustAddress("a@example.com")}
	must(t, r.Changes(background, 1, func(int) *identity.Change { return &identity.Change{After: &after} }))
	must(t, r.Step(background, []run.Step{{Key: "k", Op: run.Put, Final: true, After: &after, At: time.Now().UTC().Truncate(time.Second)}}))
	return r
}

// applied is a run as apply makes it: notes before and after the commit.
func applied(t testing.TB, s *state.Store, n int) {
	t.Helper()
	l := lock(t, s)
	r := begin(t, s)
	must(t, s.SaveOutbox(background, &run.Outbox{}))
	must(t, add(s, n, func(next *state.State) error { return r.Intend(run.Result{Applied: 1}, next) }))
	must(t, r.End(background, run.Applied, "", time.Now()))
	must(t, s.SaveRejections(background, map[string]time.Time{"x": time.Now()}))
	must(t, s.SaveBeat(background, run.Beat{Read: time.Now()}))
	must(t, s.SaveOutbox(background, &run.Outbox{}))
	must(t, l.Release())
}

// TestRequests: a run writes the document twice, and where the server tags what it has,
// nobody reads twice what is the same.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.gitlab = true })
	cache := filepath.Join(t.TempDir(), "s.jsonl")
	for n := range 3 {
		before := s.count("POST")
		applied(t, on(s.opened(t, cache)), n)
		if posts := s.count("POST") - before; posts != 2 {
			t.Errorf("run %d has written the document %d times", n, posts)
		}
	}
	lists := func(m *Store) {
		t.Helper()
		st, err := on(m).Load(background)
		must(t, err)
		runs, err := on(m).Runs(background)
		must(t, err)
		if len(st.Accounts) != 3 || len(runs) != 3 || runs[2].Outcome != run.Applied {
			t.Errorf("%d accounts, %+v", len(st.Accounts), runs)
		}
	}
	var sent int64
	s.set(func() { sent = s.sent })
	lists(s.opened(t, cache))
	s.set(func() {
		if s.sent != sent {
			t.Errorf("%d octets were read again", s.sent-sent)
		}
	})
	other := filepath.Join(t.TempDir(), "s.jsonl")
	lists(s.opened(t, other))
	s.set(func() { sent = s.sent - sent })
	if sent == 0 || sent > int64(len(s.body())) {
		t.Errorf("%d octets of a document of %d", sent, len(s.body()))
	}
	// What is believed to be the newest for a moment is not asked for.
	m := s.opened(t, other)
	m.fresh = time.Hour
	before := s.count("GET")
	lists(m)
	if n := s.count("GET") - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
	// What was saved of another address does not count.
	s.set(func() { s.versions, s.newest, s.present = map[int64][]byte{}, 0, false })
	if runs, err := on(s.opened(t, other)).Runs(background); err != nil || len(runs) > 0 {
		t.Error(runs, err)
	}
}

// TestAnswers: whatever a server says to who reads is nothing, an error, or a document.
func TestAnswers(t *testing.T) {
	t.Parallel()
	whole := string(sample().encode())
	var elsewhere atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer trap.Close()
	for _, c := range []struct {
		code    int
		body    string
		header  string // Location
		serial  int64
		says    string // in the error, "" for none
		refused bool
	}{
		{200, whole, "", 7, "", false},
		{200, "", "", 0, "", false},
		{200, " \n", "", 0, "", false},
		{204, "", "", 0, "", false},
		{404, `{"message":"404 Not found"}`, "", 0, "", false},
		{404, "<html>", "", 0, "", false},
		{404, `{"message":"404 Project Not Found"}`, "", 0, "no such project", true},
		{401, "", "", 0, "401", true},
		{403, "", "", 0, "403", true},
		{400, "", "", 0, "400", false},
		{405, "", "", 0, "405", false},
		{410, "", "", 0, "410", false},
		{422, `{"message":"scheduled for deletion"}`, "", 0, "422", false},
		{500, "", "", 0, "500", false},
		{503, "", "", 0, "503", false},
		{429, "", "", 0, "429", false},
		{206, whole, "", 0, "206", false},
		{304, "", "", 0, "304", false},
		{301, "", trap.URL, 0, "somewhere else", false},
		{307, "", trap.URL, 0, "somewhere else", false},
		{200, whole[:len(whole)/2], "", 0, "cut off", false},
		{200, strings.Replace(whole, `"serial":12`, `"serial":13`, 1), "", 0, "cut off", false},
		{200, "<html>", "", 0, "cut off", false},
		{200, `{"version":4,"serial":3,"resources":[]}`, "", 0, "no state of rollcall", false},
		{200, strings.Replace(whole, `"format_version":1`, `"format_version":9`, 1), "", 0, "newer version", false},
	} {
		s := newServer(t, nil)
		s.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if c.header != "" {
				w.Header().Set("Location", c.header)
			}
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
			return true
		}
		m := s.machine(t)
		v, err := m.Newest(background)
		var access *state.AccessError
		switch {
		case c.says == "" && c.serial == 0:
			if !absent(err) {
				t.Errorf("%d %.40q: %v", c.code, c.body, err)
			}
		case c.says == "":
			if err != nil || v.Serial != c.serial {
				t.Errorf("%d %.40q: %+v, %v", c.code, c.body, v, err)
			}
		default:
			if !errors.As(err, &access) || !strings.Contains(err.Error(), c.says) || access.Refused != c.refused || access.Hint() == "" {
				t.Errorf("%d %.40q: %v", c.code, c.body, err)
			}
			if _, err := m.Lock(background, "rollcall apply", 0); !errors.As(err, &access) && !errors.As(err, new(*state.LockedError)) && c.code != 200 {
				t.Errorf("%d: the lock: %v", c.code, err)
			}
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestPassing: what fails once works the next time.
func TestPassing(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.gitlab = true })
	fails := map[string]int{}
	s.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		what := r.Method + strings.TrimPrefix(r.URL.Path, s.path())
		fails[what]++
		switch fails[what] {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			if r.Method == "GET" {
				_, _ = io.WriteString(w, "{")
				return true
			}
			panic(http.ErrAbortHandler)
		case 3:
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fails[what] = 0
			return false
		}
		return true
	}
	m := on(s.machine(t))
	for n := range 3 {
		applied(t, m, n)
	}
	s.set(func() { s.before = nil })
	st, err := on(s.machine(t)).Load(background)
	must(t, err)
	if st.Serial != 3 || s.id() != "" {
		t.Errorf("version %d, and the lock is %q", st.Serial, s.id())
	}
}

// TestLostAnswers: who does not get the answer to a request that was fulfilled finds out.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, gitlab := range []bool{true, false} {
		s := newServer(t, func(s *server) { s.gitlab = gitlab })
		lost := map[string]int{}
		s.after = func(r *http.Request, n int) bool {
			what := r.Method + r.URL.Path
			lost[what]++
			return lost[what]%2 == 1
		}
		m := on(s.machine(t))
		for n := range 3 {
			applied(t, m, n)
		}
		s.set(func() { s.after = nil })
		st, err := on(s.machine(t)).Load(background)
		must(t, err)
		if st.Serial != 3 || s.id() != "" || gitlab && len(s.versions) != 6 {
			t.Errorf("GitLab %t: version %d, %d documents, and the lock is %q", gitlab, st.Serial, len(s.versions), s.id())
		}
	}
}

// TestLate: a version whose request was lost on the way, and comes late, is known to be the
// own one.
func TestLate(t *testing.T) {
	t.Parallel()
	for _, gitlab := range []bool{true, false} {
		s := newServer(t, func(s *server) { s.gitlab = gitlab })
		m := on(s.machine(t))
		applied(t, m, 0)
		l := lock(t, m)
		st, err := m.Load(background)
		must(t, err)
		var body []byte
		s.set(func() {
			s.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.Method != "POST" || strings.HasSuffix(r.URL.Path, "/lock") {
					return false
				}
				body, _ = io.ReadAll(r.Body)
				panic(http.ErrAbortHandler)
			}
		})
		next := *st
		if err := m.Save(background, &next, "test", time.Now(), nil); !errors.As(err, new(*state.AccessError)) {
			t.Errorf("%v", err)
		}
		s.set(func() {
			s.before = nil
			request := httptest.NewRequest("POST", s.path()+"?ID="+s.id(), bytes.NewReader(body))
			s.post(httptest.NewRecorder(), request, body)
		})
		must(t, m.SaveBeat(background, run.Beat{Read: time.Unix(7, 0)}))
		must(t, l.Release())
		other := on(s.machine(t))
		got, err := other.Load(background)
		must(t, err)
		beat, err := other.Beat(background)
		must(t, err)
		if got.Serial != 2 || beat.Read.Unix() != 7 {
			t.Errorf("GitLab %t: version %d, %+v", gitlab, got.Serial, beat)
		}
	}
}

// TestWritten: what a server may say to who writes.
func TestWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		gitlab bool
		before func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool // of a POST
		want   func(err error) bool
	}{
		{"201", true, func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool {
			s.versions[1], s.newest = body, 1
			w.WriteHeader(http.StatusCreated)
			return true
		}, func(err error) bool { return err == nil }},
		{"204", false, func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool {
			s.versions[1], s.newest, s.present = body, 1, true
			w.WriteHeader(http.StatusNoContent)
			return true
		}, func(err error) bool { return err == nil }},
		{"written, and said not to be", true, func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool {
			s.versions[1], s.newest = body, 1
			w.WriteHeader(http.StatusUnprocessableEntity)
			return true
		}, func(err error) bool { return err == nil }},
		{"said to be written, and not", false, func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool { return true },
			func(err error) bool { return strings.Contains(err.Error(), "has what was there before") }},
		{"somebody else's", true, func(s *server, w http.ResponseWriter, r *http.Request, body []byte) bool {
			s.versions[1], s.newest = sample().encode(), 1
			w.WriteHeader(http.StatusUnprocessableEntity)
			return true
		}, func(err error) bool { return errors.Is(err, state.ErrOvertaken) }},
		{"401", true, coded(401), func(err error) bool { return refusal(err) }},
		{"403", true, coded(403), func(err error) bool { return refusal(err) }},
		{"409", true, coded(409), func(err error) bool { return errors.As(err, new(*state.LostError)) }},
		{"423", false, coded(423), func(err error) bool { return errors.As(err, new(*state.LostError)) }},
		{"413", true, coded(413), func(err error) bool {
			var access *state.AccessError
			return errors.As(err, &access) && strings.Contains(access.Advice, "how large")
		}},
		{"422", true, coded(422), func(err error) bool { return errors.As(err, new(*state.AccessError)) && !refusal(err) }},
		{"400", false, coded(400), func(err error) bool { return errors.As(err, new(*state.AccessError)) }},
		{"404", false, coded(404), func(err error) bool { return errors.As(err, new(*state.AccessError)) }},
		{"500", false, coded(500), func(err error) bool { return errors.As(err, new(*state.AccessError)) }},
		{"302", false, coded(302), func(err error) bool { return errors.As(err, new(*state.AccessError)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(s *server) { s.gitlab = c.gitlab })
			m := s.machine(t)
			l, err := m.Lock(background, "rollcall apply", 0)
			must(t, err)
			s.set(func() {
				s.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
					if r.Method != "POST" || strings.HasSuffix(r.URL.Path, "/lock") {
						return false
					}
					body, _ := io.ReadAll(r.Body)
					return c.before(s, w, r, body)
				}
			})
			ready := 0
			err = m.Commit(background, state.Version{}, func(w io.Writer) (state.Version, error) {
				_, err := io.WriteString(w, "text")
				return state.Version{Lineage: "l", Serial: 1, Sum: "s"}, err
			}, func() error { ready++; return nil })
			if !c.want(err) || ready != 1 {
				t.Errorf("%v", err)
			}
			if lost := l.Held(background) != nil; lost != (errors.As(err, new(*state.LostError)) || errors.Is(err, state.ErrOvertaken)) {
				t.Errorf("the lock is lost: %t", lost)
			}
			must(t, l.Release())
			if id := s.id(); id != "" {
				t.Errorf("the lock is %q", id)
			}
		})
	}
}

func coded(code int) func(*server, http.ResponseWriter, *http.Request, []byte) bool {
	return func(_ *server, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(code)
		return true
	}
}

func refusal(err error) bool {
	var access *state.AccessError
	return errors.As(err, &access) && access.Refused
}

// TestHeedless: where a server does not look at the ID of who writes, one whose lock was
// broken finds what others have written, and writes nothing over it.
func TestHeedless(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.heedful = false })
	a, b := on(s.machine(t)), on(s.machine(t))
	applied(t, a, 0)
	l := lock(t, a)
	r := begin(t, a)
	st, err := a.Load(background)
	must(t, err)
	s.set(func() { s.lock = nil })
	applied(t, b, 1)
	err = a.Save(background, st, "test", time.Now(), func(next *state.State) error { return r.Intend(run.Result{}, next) })
	if !errors.As(err, new(*state.LostError)) {
		t.Error(err)
	}
	if err := l.Release(); !errors.As(err, new(*state.LostError)) {
		t.Errorf("given back: %v", err)
	}
	// One that has written no version has written all the same.
	l = lock(t, a)
	st, err = a.Load(background)
	must(t, err)
	s.set(func() { s.lock = nil })
	other := lock(t, b)
	must(t, b.SaveBeat(background, run.Beat{Read: time.Now()}))
	must(t, other.Release())
	if err := a.Save(background, st, "test", time.Now(), nil); !errors.As(err, new(*state.LostError)) {
		t.Error(err)
	}
	l.Release()
	if st, err := on(s.machine(t)).Load(background); err != nil || st.Serial != 2 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestForeign: a lock of Terraform is shown, and taken away from nobody but who was shown.
func TestForeign(t *testing.T) {
	t.Parallel()
	const theirs = `{"ID":"2b6a6738-5dd5-50d6-c0ae-f6352977666b","Operation":"OperationTypeApply","Info":"","Who":"ann@build1","Version":"1.11.4","Created":"2026-11-30T08:00:00Z","Path":""}`
	for _, gitlab := range []bool{true, false} {
		s := newServer(t, func(s *server) { s.gitlab = gitlab; s.lock = []byte(theirs) })
		m := on(s.machine(t))
		var locked *state.LockedError
		if _, err := m.Lock(background, "rollcall apply", 0); !errors.As(err, &locked) || locked.Holder == nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: `"another program" of project_17_bot, since 2026-11-30T08:00:00Z`, false: `"OperationTypeApply" of ann on build1, since 2026-11-30T08:00:00Z`}[gitlab]
		if got := locked.Holder.String(); got != want || !strings.Contains(locked.Hint(), "state unlock") {
			t.Errorf("%s, want %s; %s", got, want, locked.Hint())
		}
		other := *locked.Holder
		other.ID = "another"
		if err := m.Unlock(background, &other); !errors.As(err, new(*state.LockedError)) || s.id() == "" {
			t.Error(err)
		}
		must(t, m.Unlock(background, locked.Holder))
		if s.id() != "" {
			t.Errorf("it is still %s", s.lock)
		}
		// By now nobody has it, and nobody has it afterwards.
		if err := m.Unlock(background, locked.Holder); !errors.As(err, &locked) || locked.Holder != nil || s.id() != "" {
			t.Error(err, s.id())
		}
		must(t, lock(t, m).Release())
	}
	s := newServer(t, func(s *server) { s.mute = true; s.lock = []byte(theirs) })
	var locked *state.LockedError
	if _, err := on(s.machine(t)).Lock(background, "rollcall apply", 0); !errors.As(err, &locked) || locked.Holder != nil || !strings.Contains(locked.Hint(), "on the server") || strings.Contains(err.Error(), "just begun") {
		t.Errorf("%v; %s", err, locked.Hint())
	}
}

// TestInterrupted: who is interrupted while it asks for the lock does not have it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.gitlab = true })
	ctx, cancel := context.WithCancel(background)
	s.after = func(r *http.Request, n int) bool {
		if strings.HasSuffix(r.URL.Path, "/lock") && n == 1 && r.Method == "POST" {
			cancel()
			return true
		}
		return false
	}
	if _, err := on(s.machine(t)).Lock(ctx, "rollcall apply", time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s.set(func() { s.after = nil }); s.id() != "" {
		t.Error("the lock is held")
	}
}

// TestUnsent: what could not be sent when the lock was given back is reported, and sent by
// who takes the lock next on this machine.
func TestUnsent(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.gitlab = true })
	cache := filepath.Join(t.TempDir(), "s.jsonl")
	m := on(s.opened(t, cache))
	applied(t, m, 0)
	l := lock(t, m)
	must(t, m.SaveBeat(background, run.Beat{Read: time.Unix(7, 0)}))
	s.set(func() { s.most = 100 })
	err := l.Release()
	var access *state.AccessError
	if !errors.As(err, &access) || !strings.Contains(err.Error(), "s.http alone") || !strings.Contains(err.Error(), "413") || !strings.Contains(access.Hint(), "sends it") {
		t.Error(err)
	}
	if s.id() != "" {
		t.Error("the lock is held")
	}
	s.set(func() { s.most = 0 })
	if beat, err := m.Beat(background); err != nil || beat.Read.Unix() == 7 {
		t.Errorf("%+v, %v", beat, err)
	}
	must(t, lock(t, on(s.opened(t, cache))).Release())
	if beat, err := on(s.machine(t)).Beat(background); err != nil || beat.Read.Unix() != 7 {
		t.Errorf("%+v, %v", beat, err)
	}
	// It is there now, and nothing is sent again.
	before := s.count("POST")
	must(t, lock(t, m).Release())
	if s.count("POST") != before {
		t.Error("it was sent twice")
	}
}

// TestGone: where the server is gone when the lock is given back, both are said: what is
// here alone, and that the lock may be held.
func TestGone(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	m := on(s.machine(t))
	l := lock(t, m)
	must(t, m.SaveBeat(background, run.Beat{}))
	s.Close()
	err := l.Release()
	if err == nil || !strings.Contains(err.Error(), "s.http alone") || !strings.Contains(err.Error(), "held still") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	must(t, l.Release())
}

const childAddress, childCache, childUntil = "ROLLCALL_TEST_ADDRESS", "ROLLCALL_TEST_CACHE", "ROLLCALL_TEST_UNTIL"

// TestMain is the process that is killed, if it is asked to be that.
func TestMain(m *testing.M) {
	if address := os.Getenv(childAddress); address != "" {
		child(address, os.Getenv(childCache), os.Getenv(childUntil))
	}
	os.Exit(m.Run())
}

// child makes a run up to where it is killed.
func child(address, cache, until string) {
	stop := func(at string) {
		if at == until {
			fmt.Println("here")
			for {
				time.Sleep(time.Hour)
			}
		}
	}
	fatal := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	o := opening(address, cache, nil)
	store, err := open(o)
	fatal(err)
	s := on(store)
	_, err = s.Lock(background, "rollcall apply", time.Minute)
	fatal(err)
	stop("lock")
	after := identity.Account{Primary: identity.MustAddress("a@example.com")}
	r, err := s.Begin(background, run.Head{Started: time.Now(), Command: "rollcall apply", Tool: "test", Console: "gateway", Accounts: 1, Summary: map[string]int{}})
	fatal(err)
	fatal(r.Changes(background, 1, func(int) *identity.Change { return &identity.Change{After: &after} }))
	fatal(r.Step(background, []run.Step{{Key: "k", Op: run.Put, Final: true, After: &after, At: time.Now().UTC().Truncate(time.Second)}}))
	stop("step")
	fatal(add(s, 5, func(next *state.State) error {
		err := r.Intend(run.Result{Applied: 1}, next)
		if err == nil {
			stop("intend")
		}
		return err
	}))
	stop("commit")
	fatal(r.End(background, run.Applied, "", time.Now()))
	stop("end")
	fatal(fmt.Errorf("%q is nowhere", until))
}

// killed runs the child and kills it where it stops.
func killed(t *testing.T, s *server, cache, until string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), childAddress+"="+s.URL+s.path(), childCache+"="+cache, childUntil+"="+until)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	text := make([]byte, 200)
	n, _ := out.Read(text)
	must(t, c.Process.Kill())
	_ = c.Wait()
	if got := string(text[:n]); got != "here\n" {
		t.Fatalf("the child says %q", got)
	}
}

// unlocked breaks the lock of a process that is gone.
func unlocked(t *testing.T, s *state.Store) {
	t.Helper()
	var locked *state.LockedError
	if _, err := s.Lock(background, "rollcall state unlock", 0); !errors.As(err, &locked) || !strings.Contains(locked.Hint(), "state unlock") {
		t.Fatalf("nobody has the lock: %v", err)
	}
	must(t, s.Unlock(background, locked.Holder))
}

// TestKilled: what a process that was killed has left behind is gone on with on its
// machine, and known to others as far as it was sent.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		until string
		here  string // what the machine knows of the run
		there string // what others know
	}{
		{"lock", "none", "none"},
		{"step", "unsettled", "none"},
		{"intend", "unsettled", "none"},
		{"commit", "applied", "applied"},
		{"end", "applied", "applied"},
	} {
		for _, there := range []bool{false, true} {
			t.Run(fmt.Sprint(c.until, there), func(t *testing.T) {
				t.Parallel()
				s := newServer(t, func(s *server) { s.gitlab = true })
				applied(t, on(s.machine(t)), 0)
				cache := filepath.Join(t.TempDir(), "s.jsonl")
				killed(t, s, cache, c.until)
				unlocked(t, on(s.machine(t)))

				at, want := cache, c.here
				if there {
					at, want = filepath.Join(t.TempDir(), "s.jsonl"), c.there
				}
				m := on(s.opened(t, at))
				l := lock(t, m)
				if (l.Left != nil) != !there {
					t.Errorf("who was killed was %v", l.Left)
				}
				past, open, err := m.Settle(background, time.Now())
				must(t, err)
				got := "none"
				switch runs, err := m.Runs(background); {
				case err != nil:
					t.Fatal(err)
				case open != nil && len(open.Steps) == 1:
					got = "unsettled"
				case past != nil:
					got = string(past.Outcome)
				case len(runs) == 2:
					got = string(runs[1].Outcome)
				}
				if want == "applied" && got == "incomplete" {
					got = want // nobody has answered the step
				}
				if got != want {
					t.Errorf("after %q the run is %s, want %s", c.until, got, want)
				}
				must(t, l.Release())
				runs, err := on(s.machine(t)).Runs(background)
				must(t, err)
				if want == "none" != (len(runs) == 1) {
					t.Errorf("others see %+v", runs)
				}
				st, err := on(s.machine(t)).Load(background)
				must(t, err)
				if wantSerial := map[string]int64{"applied": 2}[want]; st.Serial != max(1, wantSerial) {
					t.Errorf("version %d", st.Serial)
				}
			})
		}
	}
}

// TestSetAside: what a process that was killed has left behind is set aside where others
// have written since, and nothing of it is lost; what they know already is not kept.
func TestSetAside(t *testing.T) {
	t.Parallel()
	for until, kept := range map[string]bool{"step": true, "commit": false, "end": true} {
		t.Run(until, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(s *server) { s.gitlab = true })
			cache := filepath.Join(t.TempDir(), "s.jsonl")
			killed(t, s, cache, until)
			other := on(s.machine(t))
			unlocked(t, other)
			l := lock(t, other)
			_, _, err := other.Settle(background, time.Now())
			must(t, err)
			must(t, add(other, 1, nil))
			must(t, l.Release())

			var warned []string
			o := opening(s.URL+s.path(), cache, nil)
			o.Warn = func(text string) { warned = append(warned, text) }
			opened, err := open(o)
			must(t, err)
			m := on(opened)
			must(t, lock(t, m).Release())
			left, err := filepath.Glob(filepath.Join(filepath.Dir(cache), "s.http", "left-*", "*.jsonl"))
			must(t, err)
			if (len(left) > 0) != kept || len(warned) != len(left) {
				t.Fatalf("%v is left; %q", left, warned)
			}
			if kept {
				text, err := os.ReadFile(left[0])
				must(t, err)
				if filepath.Base(left[0]) != "000001.jsonl" || !bytes.Contains(text, []byte(`"step":`)) || !strings.Contains(warned[0], filepath.Dir(left[0])) {
					t.Errorf("%s; %s", warned[0], text)
				}
			}
			applied(t, m, 2)
			st, err := on(s.machine(t)).Load(background)
			must(t, err)
			if want := map[string]int64{"step": 2, "commit": 3, "end": 3}[until]; st.Serial != want {
				t.Errorf("version %d, want %d", st.Serial, want)
			}
		})
	}
}

// TestBesides: two that use one folder do not write there at the same time, although the
// lock of the first was broken.
func TestBesides(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	cache := filepath.Join(t.TempDir(), "s.jsonl")
	l := lock(t, on(s.opened(t, cache)))
	s.set(func() { s.lock = nil })
	var locked *state.LockedError
	if _, err := on(s.opened(t, cache)).Lock(background, "rollcall apply", 0); !errors.As(err, &locked) || !locked.Holder.Running() {
		t.Error(err)
	}
	if s.id() != "" {
		t.Error("the lock is held")
	}
	l.Release()
	must(t, lock(t, on(s.opened(t, cache))).Release())
}

// TestSilence: a server that says nothing is not waited for, and one that is slow is.
func TestSilence(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	whole := sample().encode()
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slow.Load() {
			<-released
			return
		}
		for piece := range slices.Chunk(whole, len(whole)/24+1) {
			_, _ = w.Write(piece)
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}))
	defer server.Close()
	defer close(released)
	m := opened(t, server.URL, filepath.Join(t.TempDir(), "s.jsonl"))
	m.silence = 500 * time.Millisecond
	if _, err := m.Newest(background); !errors.As(err, new(*state.AccessError)) || !strings.Contains(err.Error(), "no answer within 500ms") {
		t.Error(err)
	}
	slow.Store(true)
	begun := time.Now()
	if v, err := m.Newest(background); err != nil || v.Serial != 7 || time.Since(begun) < 2*m.silence {
		t.Errorf("%+v, %v after %v", v, err, time.Since(begun))
	}
	m.most = 100
	if _, err := m.Newest(background); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

// TestSecrets: no error has a password, a user, what follows the path of an address, or the
// ID of a lock in it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	gone := newServer(t, nil)
	address := gone.URL
	gone.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() { // no HTTP
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, password+"\r\n\r\n")
			c.Close()
		}
	}()
	s.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		switch {
		case r.Method == "LOCK" || r.Method == "GET":
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.URL.String()+r.Header.Get("Authorization")+password)
		return true
	}
	m := opened(t, s.URL+s.path()+"?token=T0k3n", filepath.Join(t.TempDir(), "s.jsonl"))
	held, err := m.Lock(background, "rollcall apply", 0)
	must(t, err)
	var all []error
	collect := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		all = append(all, err)
	}
	collect(on(m).Save(background, &state.State{}, "test", time.Now(), nil))
	collect(held.Release())
	for _, at := range []string{address, "http://" + l.Addr().String(), "http://localhost:1", "http://127.0.0.1:" + l.Addr().String()[10:] + "/%zz"} {
		m, err := open(opening(at+"/states/corp?token=T0k3n", filepath.Join(t.TempDir(), "s.jsonl"), nil))
		if err == nil {
			m.pace = time.Millisecond
			_, err = m.Newest(background)
			_, locking := m.Lock(background, "rollcall apply", 0)
			err = errors.Join(err, locking)
		}
		collect(err)
	}
	for _, err := range all {
		for _, secret := range []string{password, username, "T0k3n", "ID=", s.id()} {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, text)
			}
		}
	}
}

// TestTLS: a server is trusted by the authority that is named, and may ask for a
// certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := servertest.NewCA(t)
	s := newServer(t, nil)
	s.Server.Close()
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.TLS, s.Config.ErrorLog = ca.Demanding(t), stdlog.New(io.Discard, "", 0)
	s.StartTLS()
	mine, other := ca.Issue(t, servertest.Leaf{}), servertest.NewCA(t)
	for _, c := range []struct {
		ca, cert string
		want     string
	}{
		{ca.File, mine.CertFile, ""},
		{ca.File, "", "certificate required"},
		{"", mine.CertFile, "certificate is not trusted"},
		{other.File, mine.CertFile, "certificate is not trusted"},
		{filepath.Join(t.TempDir(), "none.pem"), "", "none.pem"},
		{mine.KeyFile, "", "no certificate in PEM"},
		{ca.File, ca.File, "client_cert"},
	} {
		more := map[string]any{}
		if c.ca != "" {
			more["ca_file"] = c.ca
		}
		if c.cert != "" {
			more["client_cert"], more["client_key"] = c.cert, mine.KeyFile
		}
		m, err := open(opening(s.URL+s.path(), filepath.Join(t.TempDir(), "s.jsonl"), more))
		if err == nil {
			m.pace = time.Millisecond
			_, err = m.Newest(background)
		}
		var access *state.AccessError
		if c.want == "" && !absent(err) || c.want != "" && (!errors.As(err, &access) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestSetup: a server that gives its lock to two at a time is found out.
func TestSetup(t *testing.T) {
	t.Parallel()
	for _, gitlab := range []bool{true, false} {
		s := newServer(t, func(s *server) { s.gitlab = gitlab })
		o := opening(s.URL+s.path(), filepath.Join(t.TempDir(), "s.jsonl"), nil)
		if made, err := Kind.Setup(background, o); err != nil || made.Script != "" || s.id() != "" {
			t.Errorf("%v, and the lock is %q", err, s.id())
		}
		s.before = func(w http.ResponseWriter, r *http.Request, _ int) bool { return r.Method != "GET" }
		if _, err := Kind.Setup(background, o); err == nil || !strings.Contains(err.Error(), "two at a time") {
			t.Error(err)
		}
	}
}

// TestSettings: where and how a server is asked that is GitLab, or is not, and what is
// wrong with settings.
func TestSettings(t *testing.T) {
	t.Parallel()
	const at = "https://gitlab.example.com/api/v4/projects/17/terraform/state/corp"
	for _, c := range []struct {
		set  map[string]any
		want string
	}{
		{map[string]any{"address": at}, "POST " + at + ", POST " + at + "/lock, DELETE " + at + "/lock"},
		{map[string]any{"address": at + "%2Feu?x=1"}, "POST " + at + "%2Feu?x=1, POST " + at + "%2Feu/lock?x=1, DELETE " + at + "%2Feu/lock?x=1"},
		{map[string]any{"address": at + "/versions"}, "POST " + at + "/versions, LOCK " + at + "/versions, UNLOCK " + at + "/versions"},
		{map[string]any{"address": "https://h/s"}, "POST https://h/s, LOCK https://h/s, UNLOCK https://h/s"},
		{map[string]any{"address": "https://h/s", "lock_address": "https://h/l", "update_method": "PUT", "lock_method": "PUT", "unlock_method": "DELETE"}, "PUT https://h/s, PUT https://h/l, DELETE https://h/l"},
		{map[string]any{"address": at, "unlock_address": "https://h/u"}, "POST " + at + ", POST " + at + "/lock, DELETE https://h/u"},
	} {
		p, err := protocolOf(Kind.Values("state", ".", c.set))
		must(t, err)
		if got := fmt.Sprintf("%s %s, %s %s, %s %s", p.updateMethod, p.state, p.lockMethod, p.lock, p.unlockMethod, p.unlock); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	for text, good := range map[string]bool{"": true, at: true, "http://localhost:8080/s?state=x": true, "http://[::1]/s": true, "http://h/s": false, "ftp://h/s": false, "h/s": false, "https://u:p@h/s": false, "https://": false, "%": false} {
		if p := checkAddress(text); (p.Summary == "") != good {
			t.Errorf("%q: %q", text, p.Summary)
		}
	}
	for text, good := range map[string]bool{"": true, "PUT": true, "put": false, "P T": false} {
		if p := checkMethod(text); (p.Summary == "") != good {
			t.Errorf("%q: %q", text, p.Summary)
		}
	}
	for name, n := range map[string]int{"username": 1, "password": 1, "client_cert": 1, "ca_file": 0} {
		if all := check(Kind.Values("state", ".", map[string]any{"address": at, name: nil})); len(all) != n {
			t.Errorf("%s alone: %v", name, all)
		}
	}
	if where := Kind.Where(Kind.Values("state", ".", map[string]any{"address": at + "?token=x"})); len(where) != 1 || where[0] != at {
		t.Errorf("%v", where)
	}
}

// TestReadable: a person has what is in the document with tools that are everywhere.
func TestReadable(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"jq", "base64", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	s := newServer(t, nil)
	applied(t, on(s.machine(t)), 1)
	c := exec.Command("sh", "-c", "jq -r '.versions[0].text' | base64 -d | zstd -d")
	c.Stdin = bytes.NewReader(s.body())
	out, err := c.Output()
	must(t, err)
	var head struct{ Serial int64 }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&head); err != nil || head.Serial != 1 {
		t.Errorf("%s", out)
	}
}

// BenchmarkStore writes and reads a state with 100,000 accounts.
func BenchmarkStore(b *testing.B) {
	s := newServer(b, func(s *server) { s.gitlab = true })
	st := &state.State{}
	for n := range 100_000 {
		st.Accounts = append(st.Accounts, identity.Account{
			Primary: identity.MustAddress(fmt.Sprintf("a%06d@example.com", n)), Username: fmt.Sprintf("user%06d", n), DN: fmt.Sprintf("CN=Person %d,OU=Staff,DC=example,DC=com", n*7919%100_003),
			Aliases: []identity.Address{identity.MustAddress(fmt.Sprintf("first.last%06d@example.com", n))},
		})
	}
	m := on(s.machine(b))
	b.Run("up", func(b *testing.B) {
		for b.Loop() {
			l := lock(b, m)
			must(b, m.Save(background, st, "test", time.Now(), nil))
			must(b, l.Release())
		}
		b.ReportMetric(float64(len(s.body()))/1e6, "MB")
	})
	b.Run("down", func(b *testing.B) {
		for b.Loop() {
			_, err := on(s.machine(b)).Load(background)
			must(b, err)
		}
	})
	b.Run("copy", func(b *testing.B) {
		cache := filepath.Join(b.TempDir(), "s.jsonl")
		for b.Loop() {
			_, err := on(s.opened(b, cache)).Load(background)
			must(b, err)
		}
	})
	b.Run("local", func(b *testing.B) {
		local := state.At(m.Files()[0])
		for b.Loop() {
			_, err := local.Load(background)
			must(b, err)
		}
	})
}

// BenchmarkMillion measures a million accounts beside a file.
func BenchmarkMillion(b *testing.B) {
	s := newServer(b, func(s *server) { s.gitlab, s.hasty = true, true })
	suite.Benchmark(b, func(cache string) *state.Store { return state.On(s.opened(b, cache), cache) })
}

package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/store/suite"
	"github.com/rollcall-cli/rollcall/state"
)

// lease is the lease of locks in tests that wait for their end.
const lease = 2 * time.Second

// opening is how a state is opened: at an endpoint, with what else is set.
func opening(url, bucket, prefix string, more map[string]any) store.Opening {
	set := map[string]any{"endpoint": url, "bucket": bucket, "prefix": prefix, "region": "us-east-1",
		"access_key": settings.NewSecret(servertest.S3User), "secret_key": settings.NewSecret(servertest.Password)}
	for name, value := range more {
		if set[name] = value; value == nil {
			delete(set, name)
		}
	}
	return store.Opening{Settings: Kind.Values("state", ".", set), Release: "test"}
}

// opened opens a state, with short pauses between attempts.
func opened(t testing.TB, o store.Opening) *Store {
	t.Helper()
	s, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.pause, s.poll = 5*time.Millisecond, 150*time.Millisecond
	t.Cleanup(func() { s.Close() })
	return s
}

// places are states in buckets of a server.
func places(server *servertest.S3, more map[string]any) func(t *testing.T) suite.Place {
	var all atomic.Int64
	return func(t *testing.T) suite.Place {
		bucket, prefix := server.Bucket(t), fmt.Sprint("some/state-", all.Add(1))
		at := opening(server.URL, bucket, prefix, more)
		proxy := servertest.NewProxy(t, server.URL)
		line := opening(proxy.URL, bucket, prefix, more)
		return suite.Place{
			Open:  func(cache string) *state.Store { return state.On(opened(t, at), cache) },
			Break: func(h *state.Holder) error { return opened(t, at).Break(context.Background(), h) },
			Line: &suite.Line{
				Open: func(cache string) *state.Store { return state.On(opened(t, line), cache) },
				Cut:  func(n int64) { proxy.CutAll(n, servertest.Reset) },
				Mend: func() { proxy.Cut(0, servertest.Whole) },
			},
			Restart: func() {
				server.Kill()
				server.Start()
			},
		}
	}
}

// TestSuite: a lock that nobody renews is left to its holder for the slack.
func TestSuite(t *testing.T) {
	t.Parallel()
	suite.Run(t, subject(t))
}

func TestWriters(t *testing.T) {
	t.Parallel()
	suite.Writers(t, subject(t))
}

func subject(t *testing.T) suite.Subject {
	return suite.Subject{New: places(servertest.NewS3(t, false), map[string]any{"lease": lease}), Lease: lease + slack, Slack: slack, Fenced: true}
}

var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// front is a server before another one, which handles each request in a way of its own
// and signs what goes on anew, because what is signed may have been changed.
func front(t *testing.T, server *servertest.S3, handle func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	next := &httputil.ReverseProxy{ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", server.Host()
		r.Out.Header.Del("Authorization")
		signer.SignV4(*r.Out, servertest.S3User, servertest.Password, "", "us-east-1")
	}}
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, next) }))
	t.Cleanup(f.Close)
	return f.URL
}

// machine opens the state as one that has not used it yet.
func machine(t *testing.T, s *Store) *state.Store {
	t.Helper()
	return state.On(s, filepath.Join(t.TempDir(), "s.jsonl"))
}

func locked(t *testing.T, s *state.Store) *state.Lock {
	t.Helper()
	l, err := s.Lock(t.Context(), "rollcall apply", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// add adds an account to the newest version.
func add(ctx context.Context, s *state.Store, name string) error {
	st, err := s.Load(ctx)
	if err != nil {
		return err
	}
	st.Accounts = append(st.Accounts, identity.Account{Primary: identity.MustAddress(name + "@example.com")})
	return s.Save(ctx, st, "test", time.Now(), nil)
}

func added(t *testing.T, s *state.Store, name string) {
	t.Helper()
	l := locked(t, s)
	if err := errors.Join(add(t.Context(), s, name), l.Release()); err != nil {
		t.Fatal(err)
	}
}

// accounts are the local parts of those of the newest version.
func accounts(t *testing.T, s *state.Store) string {
	t.Helper()
	st, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range st.Accounts {
		local, _, _ := strings.Cut(st.Accounts[i].Primary.String(), "@")
		all = append(all, local)
	}
	return strings.Join(all, " ")
}

// TestUnconditional: a service that makes objects although they are there is refused,
// and one that knows no conditions. There is none here, and so one is made of a server
// that does, by leaving out what it is asked.
func TestUnconditional(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	for want, handle := range map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
		"for the second time": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("If-None-Match")
			next.ServeHTTP(w, r)
		},
		"(NotImplemented, status 501)": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("If-None-Match") == "" {
				next.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusNotImplemented)
			io.WriteString(w, "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message></Error>")
		},
	} {
		bucket := server.Bucket(t)
		o := opening(front(t, server, handle), bucket, "corp", nil)
		_, err := opened(t, o).Lock(t.Context(), "rollcall apply", 0)
		_, setUp := Kind.Setup(t.Context(), o)
		for _, err := range []error{err, setUp} {
			var access *state.AccessError
			if !errors.As(err, &access) || !strings.Contains(err.Error(), want) || access.Hint() == "" {
				t.Errorf("%v, want one with %q", err, want)
			}
		}
		if left, err := opened(t, opening(server.URL, bucket, "corp", nil)).list(t.Context(), "", ""); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
	}
}

// TestLostAnswer: a request that is sent once more because it was not answered meets what
// it has made itself.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	var dropped sync.Map
	bucket := server.Bucket(t)
	at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if _, again := dropped.LoadOrStore(r.URL.Path, true); r.Method != http.MethodPut || again {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	m := machine(t, opened(t, opening(at, bucket, "corp", nil)))
	for _, name := range []string{"a", "b", "c"} {
		l := locked(t, m)
		r, err := m.Begin(t.Context(), run.Head{Command: "rollcall apply", Tool: "test"})
		if err == nil {
			err = r.End(t.Context(), run.Interrupted, "", time.Now())
		}
		if err = errors.Join(err, add(t.Context(), m, name), l.Held(t.Context()), l.Release()); err != nil {
			t.Fatal(err)
		}
	}
	direct := machine(t, opened(t, opening(server.URL, bucket, "corp", nil)))
	if got := accounts(t, direct); got != "a b c" {
		t.Errorf("accounts %s", got)
	}
	if runs, err := direct.Runs(t.Context()); err != nil || len(runs) != 3 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
	st, err := direct.Load(t.Context())
	if err != nil || st.Serial != 3 {
		t.Errorf("version %d, %v", st.Serial, err)
	}
}

// TestConflict: a service may let nobody win who makes an object at the same time as
// somebody else, and ask for another attempt, as Amazon S3 does; the server here does
// not, and so one before it says it.
func TestConflict(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	var told sync.Map
	m := machine(t, opened(t, opening(front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if _, again := told.LoadOrStore(r.URL.Path, true); r.Method != http.MethodPut || again {
			next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, "<Error><Code>ConditionalRequestConflict</Code><Message>The conditional request cannot succeed due to a conflicting operation against this resource.</Message></Error>")
	}), server.Bucket(t), "corp", nil)))
	added(t, m, "a")
	if got := accounts(t, m); got != "a" {
		t.Errorf("accounts %s", got)
	}
}

// TestDelayed: a version that was on its way when the lock of who sent it was taken away
// comes too late, whether the new holder has written one or not, and so does a part of a
// record.
func TestDelayed(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	for _, writes := range []bool{false, true} {
		bucket := server.Bucket(t)
		arrived, goOn := make(chan bool), make(chan bool)
		var hold atomic.Value
		hold.Store("nothing")
		var answers atomic.Int64
		at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, hold.Load().(string)) {
				hold.Store("nothing")
				arrived <- true
				<-goOn
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				answers.Store(int64(answer.Code))
				maps.Copy(w.Header(), answer.Header())
				w.WriteHeader(answer.Code)
				w.Write(answer.Body.Bytes())
				return
			}
			next.ServeHTTP(w, r)
		})
		direct := opened(t, opening(server.URL, bucket, "corp", nil))
		a, b := machine(t, opened(t, opening(at, bucket, "corp", nil))), machine(t, direct)
		added(t, a, "a")

		// A version.
		l := locked(t, a)
		ended := make(chan error, 1)
		hold.Store("/version/")
		go func() { ended <- add(context.WithoutCancel(t.Context()), a, "late") }()
		<-arrived
		taken := robbed(t, direct, b)
		want := "a"
		if writes {
			if err := add(t.Context(), b, "b"); err != nil {
				t.Fatal(err)
			}
			want = "a b"
		}
		goOn <- true
		if err := <-ended; !errors.As(err, new(*state.LostError)) {
			t.Errorf("who came too late has %v", err)
		}
		if got := answers.Load(); got != http.StatusPreconditionFailed {
			t.Errorf("the late version was answered by %d", got)
		}
		if got := accounts(t, machine(t, direct)); got != want {
			t.Errorf("accounts %s, want %s", got, want)
		}
		l.Release()

		// A part of a record, which the new holder continues.
		if err := taken.Release(); err != nil {
			t.Fatal(err)
		}
		l = locked(t, a)
		r, err := a.Begin(t.Context(), run.Head{Command: "rollcall apply", Tool: "test", Console: "c", Accounts: 1})
		if err == nil {
			err = r.Changes(t.Context(), 1, func(int) *identity.Change {
				return &identity.Change{After: &identity.Account{Primary: identity.MustAddress("x@example.com")}}
			})
		}
		if err == nil {
			err = r.Step(t.Context(), []run.Step{{Key: "early", Op: run.Put, At: time.Now()}})
		}
		if err != nil {
			t.Fatal(err)
		}
		hold.Store("/journal/")
		go func() {
			ended <- r.Step(context.WithoutCancel(t.Context()), []run.Step{{Key: "late", Op: run.Put, At: time.Now()}})
		}()
		<-arrived
		taken = robbed(t, direct, b)
		if writes {
			_, open, err := b.Settle(t.Context(), time.Now())
			if err != nil || len(open.Steps) != 1 {
				t.Fatal(open, err)
			}
			again, err := b.Resume(t.Context(), open)
			if err == nil {
				err = again.Answer(t.Context(), []run.Answer{{Key: "early", Ref: "u"}})
			}
			if err == nil {
				err = again.End(t.Context(), run.Interrupted, "", time.Now())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		goOn <- true
		if err := <-ended; !errors.As(err, new(*state.LostError)) {
			t.Errorf("who came too late has %v", err)
		}
		if writes {
			past, err := machine(t, direct).Run(t.Context(), 1, nil)
			if err != nil || past.Outcome != run.Interrupted || !past.Settled {
				t.Errorf("%+v, %v", past, err)
			}
		}
		l.Release()
		taken.Release()
	}
}

// robbed takes the lock away, and takes it.
func robbed(t *testing.T, s *Store, m *state.Store) *state.Lock {
	t.Helper()
	var held *state.LockedError
	if _, err := m.Lock(t.Context(), "rollcall state unlock", 0); !errors.As(err, &held) {
		t.Fatalf("nobody has the lock: %v", err)
	}
	if err := s.Break(t.Context(), held.Holder); err != nil {
		t.Fatal(err)
	}
	return locked(t, m)
}

// TestUnclear: who gives the lock back while a version may be on its way keeps it off
// from who comes next.
func TestUnclear(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	late := make(chan *http.Request, 10)
	at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/version/") {
			body, _ := io.ReadAll(r.Body)
			kept := r.Clone(context.Background())
			kept.Body = io.NopCloser(bytes.NewReader(body))
			late <- kept
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	a := machine(t, opened(t, opening(at, bucket, "corp", nil)))
	l := locked(t, a)
	if err := add(t.Context(), a, "late"); !errors.As(err, new(*state.AccessError)) {
		t.Errorf("a version that was not answered: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	direct := opened(t, opening(server.URL, bucket, "corp", nil))
	b := machine(t, direct)
	l = locked(t, b)
	defer l.Release()
	r := <-late
	w := httptest.NewRecorder()
	(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", server.Host() }}).ServeHTTP(w, r)
	if w.Code != http.StatusPreconditionFailed {
		t.Errorf("the late version was answered by %d", w.Code)
	}
	if err := add(t.Context(), b, "b"); err != nil {
		t.Error(err)
	}
	if got := accounts(t, machine(t, direct)); got != "b" {
		t.Errorf("accounts %s", got)
	}
}

// TestClock: machines whose clocks are wrong by hours log in, and share a lock with
// others. Here the clock of the server is, which is a server before it that shows other
// times and, as Amazon S3 does, refuses what was signed a quarter of an hour ago.
func TestClock(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	for _, wrong := range []time.Duration{-5 * time.Hour, 7 * time.Hour} {
		bucket := server.Bucket(t)
		var refused, taken atomic.Int64
		at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			signed, err := time.Parse(stamp, r.Header.Get("X-Amz-Date"))
			if err != nil || time.Since(signed.Add(-wrong)).Abs() > 15*time.Minute {
				refused.Add(1)
				w.Header().Set("Date", time.Now().Add(wrong).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>")
				return
			}
			taken.Add(1)
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			maps.Copy(w.Header(), answer.Header())
			for _, name := range []string{"Date", "Last-Modified"} {
				if date, err := http.ParseTime(w.Header().Get(name)); err == nil {
					w.Header().Set(name, date.Add(wrong).Format(http.TimeFormat))
				}
			}
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
		})
		skewed := machine(t, opened(t, opening(at, bucket, "corp", nil)))
		direct := machine(t, opened(t, opening(server.URL, bucket, "corp", nil)))
		added(t, direct, "a")
		added(t, skewed, "b")
		for _, pair := range [][2]*state.Store{{direct, skewed}, {skewed, direct}} {
			l := locked(t, pair[0])
			var held *state.LockedError
			if _, err := pair[1].Lock(t.Context(), "rollcall apply", 0); !errors.As(err, &held) || held.Ends > time.Minute+slack || held.Ends < slack {
				t.Errorf("with clocks that differ by %v: %v, %+v", wrong, err, held)
			}
			if err := l.Release(); err != nil {
				t.Error(err)
			}
		}
		if got := accounts(t, direct); got != "a b" {
			t.Errorf("accounts %s", got)
		}
		if refused.Load() > 2 || taken.Load() < 10 {
			t.Errorf("%d requests were refused, and %d taken", refused.Load(), taken.Load())
		}
	}
}

// TestSign: what is signed once more for the same time has the same signature.
func TestSign(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPut, "http://bucket.s3.example.com/corp/version/0000000001?list-type=2&prefix=corp%2Flock%2F&start-after=", strings.NewReader("text"))
	r.Header.Set("If-None-Match", "*")
	r.Header.Set("X-Amz-Meta-Sum", " two   blanks ")
	r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
	signer.SignV4(*r, "key", "secret", "token", "eu-central-1")
	want := r.Header.Get("Authorization")
	at, err := time.Parse(stamp, r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	sign(r, at.Add(time.Hour), "key", "secret")
	if other := r.Header.Get("Authorization"); other == want {
		t.Error("the signature is the same an hour later")
	}
	sign(r, at, "key", "secret")
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("signed %s\nwant   %s", got, want)
	}
	sign(r, at.Add(time.Hour), "another key", "secret")
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("signed for somebody else: %s", got)
	}
}

// TestTorn: a version is read to its end although connections break.
func TestTorn(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	var torn atomic.Int64
	at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/version/") {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		body := answer.Body.Bytes()
		if len(body) > 1000 {
			w.Write(body[:len(body)*2/3])
			w.(http.Flusher).Flush()
			torn.Add(1)
			panic(http.ErrAbortHandler)
		}
		w.Write(body)
	})
	direct := machine(t, opened(t, opening(server.URL, bucket, "corp", nil)))
	l := locked(t, direct)
	defer l.Release()
	st := &state.State{}
	for n := range 20_000 {
		st.Accounts = append(st.Accounts, identity.Account{Primary: identity.MustAddress(fmt.Sprintf("a%d@example.com", n)), Username: rand.Text()})
	}
	if err := direct.Save(t.Context(), st, "test", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	read, err := machine(t, opened(t, opening(at, bucket, "corp", nil))).Load(t.Context())
	if err != nil || len(read.Accounts) != len(st.Accounts) || torn.Load() < 3 {
		t.Errorf("%v, after %d breaks", err, torn.Load())
	}
}

// TestTidy: of the lock no more is kept than is needed, and fences go with the versions
// before them.
func TestTidy(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	s := opened(t, opening(server.URL, server.Bucket(t), "", nil))
	m := machine(t, s)
	for n := range 4 {
		l := locked(t, m)
		if err := add(t.Context(), m, fmt.Sprint("a", n)); err != nil {
			t.Fatal(err)
		}
		robbed(t, s, m).Release()
		l.Release()
	}
	now, err := s.now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(kept) {
		if err := s.write(t.Context(), now.number+1+n, record{Event: released, Holder: now.Holder}); err != nil {
			t.Fatal(err)
		}
	}
	// The first finds all, and the others go on.
	m = machine(t, opened(t, opening(server.URL, s.bucket, "", nil)))
	for range 3 {
		if err := locked(t, m).Release(); err != nil {
			t.Fatal(err)
		}
		if all, err := s.chain(t.Context(), locks, 0); err != nil || len(all) > kept+1 {
			t.Errorf("%d objects of the lock, %v", len(all), err)
		}
	}
	m = machine(t, s)
	l := locked(t, m)
	defer l.Release()
	before, err := s.chain(t.Context(), versions, 0)
	if err == nil {
		err = s.Forget(t.Context(), 100)
	}
	after, asked := s.chain(t.Context(), versions, 0)
	if err = errors.Join(err, asked); err != nil || len(before) != 8 || fmt.Sprint(after) != "[5 6 7 8]" {
		t.Errorf("of %d are left %v, %v", len(before), after, err)
	}
	backup, _, err := m.LoadBackup(t.Context())
	if got := accounts(t, machine(t, s)); err != nil || got != "a0 a1 a2 a3" || backup.Serial != 3 {
		t.Errorf("accounts %s, %v", got, err)
	}
}

// TestKind: what is wrong with a block is found before anybody is asked.
func TestKind(t *testing.T) {
	t.Parallel()
	secret := settings.NewSecret("s3cr3t-value")
	key := settings.NewSecret(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	for want, set := range map[string]map[string]any{
		"":                               {"sse": "kms", "kms_key": "alias/rollcall", "access_key": secret, "secret_key": secret, "session_token": secret},
		" ":                              {"customer_key": key, "endpoint": "s3.example.com:9000"},
		"a lease is at least 5s":         {"lease": 4 * time.Second},
		"access_key needs secret_key":    {"access_key": secret},
		"secret_key needs access_key":    {"secret_key": secret},
		"session_token needs access_key": {"session_token": secret},
		"kms_key is for a key of the key service":                     {"kms_key": "x", "sse": "s3"},
		"what is encrypted with customer_key is not encrypted":        {"customer_key": key, "sse": "s3"},
		"customer_key would go over the network for anybody to read":  {"customer_key": key, "endpoint": "http://localhost:9000"},
		"customer_key would go over the network for anybody to read ": {"customer_key": key, "endpoint": "http://127.0.0.1"},
	} {
		problems := Kind.Check(Kind.Values("state", ".", set))
		if text := fmt.Sprint(problems); strings.TrimSpace(want) == "" != (len(problems) == 0) || !strings.Contains(text, strings.TrimSpace(want)) || strings.Contains(text, "s3cr3t") {
			t.Errorf("%v: %s", want, text)
		}
	}
	for name, texts := range map[string]map[string]bool{
		"bucket":       {"example-rollcall": true, "a.b.c": true, "ab": false, "Big": false, "s3://x": false, "a/b": false, "-ab": false},
		"prefix":       {"corp": true, "rollcall/corp_1": true, "a//b": false, "/a": false, "a/": false, "a/../b": false, "..": false, "a b": false, "ä": false},
		"endpoint":     {"s3.example.com": true, "https://s3.example.com:9000/": true, "http://127.0.0.1:9000": true, "http://[::1]:9000": true, "http://s3.example.com": false, "https://u:p@s3.example.com": false, "https://s3.example.com/bucket": false, "ftp://x": false, "": false, "https://": false},
		"customer_key": {key.Reveal(): true, "": false, "c2hvcnQ=": false, "no Base64": false},
		"access_key":   {"AKIA": true, "": false},
	} {
		i := slices.IndexFunc(Kind.Settings, func(s settings.Setting) bool { return s.Name == name })
		for text, good := range texts {
			if p := Kind.Settings[i].Check(text); (p.Summary == "") != good || !good && p.Hint == "" {
				t.Errorf("%s = %q: %+v", name, text, p)
			}
		}
	}
}

// TestHosts: where a bucket is.
func TestHosts(t *testing.T) {
	for _, c := range []struct {
		set  map[string]any
		env  string
		host string
	}{
		{nil, "", "s3.us-east-1.amazonaws.com"},
		{nil, "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		{map[string]any{"region": "eu-central-1"}, "eu-west-1", "s3.eu-central-1.amazonaws.com"},
		{map[string]any{"region": "cn-north-1"}, "", "s3.cn-north-1.amazonaws.com.cn"},
		{map[string]any{"endpoint": "minio.example.com:9000"}, "", "minio.example.com:9000"},
	} {
		t.Setenv("AWS_REGION", c.env)
		t.Setenv("AWS_DEFAULT_REGION", "")
		if host, secure := endpoint(Kind.Values("state", ".", c.set)); host != c.host || !secure {
			t.Errorf("%v: %s, %t", c, host, secure)
		}
	}
	// The URLs that are asked, of which nobody answers here.
	for want, set := range map[string]map[string]any{
		"bucket1.s3.eu-central-1.amazonaws.com/corp/version/1": {"endpoint": nil, "region": "eu-central-1"},
		"s3.eu-central-1.amazonaws.com/bucket1/corp/version/1": {"endpoint": nil, "region": "eu-central-1", "path_style": true},
		"s3.example.com/bucket1/corp/version/1":                {},
		"bucket1.s3.example.com/corp/version/1":                {"path_style": false},
	} {
		s := opened(t, opening("https://s3.example.com", "bucket1", "corp", set))
		u, err := s.client.PresignedGetObject(t.Context(), s.bucket, s.prefix+"version/1", time.Minute, nil)
		if err != nil || u.Host+u.Path != want {
			t.Errorf("asked %v, want %s", u, want)
		}
	}
}

// TestHostStyle: names of buckets may stand in those of hosts, and certificates are
// verified.
func TestHostStyle(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, true)
	bucket := server.Bucket(t)
	there := func(s *Store) *Store {
		s.transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, server.Host())
		}
		return s
	}
	trusted := there(opened(t, opening("https://"+servertest.S3Domain, bucket, "corp", map[string]any{"path_style": false, "ca_file": server.CA.File})))
	added(t, machine(t, trusted), "a")
	if got := accounts(t, machine(t, opened(t, opening(server.URL, bucket, "corp", map[string]any{"ca_file": server.CA.File})))); got != "a" {
		t.Errorf("accounts %s", got)
	}
	_, err := there(opened(t, opening("https://"+servertest.S3Domain, bucket, "corp", nil))).Newest(t.Context())
	var access *state.AccessError
	if !errors.As(err, &access) || !strings.Contains(access.Advice, "ca_file") {
		t.Errorf("an authority that is not known: %v", err)
	}
}

// TestErrors: who is refused, and what is not there, is told so with what to do, and
// without a secret.
func TestErrors(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	const secret = "a-secret-nobody-may-read"
	for _, c := range []struct {
		url, bucket  string
		set          map[string]any
		refused      bool
		text, advice string
	}{
		{server.URL, bucket, map[string]any{"secret_key": settings.NewSecret(secret)}, true, "SignatureDoesNotMatch", "correct access_key"},
		{server.URL, bucket, map[string]any{"access_key": settings.NewSecret(secret)}, true, "InvalidAccessKeyId", "correct access_key"},
		{server.URL, bucket, map[string]any{"access_key": settings.NewSecret(servertest.S3Limited)}, true, "AccessDenied", "grant s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on " + bucket + "/corp/*"},
		{server.URL, "another-bucket", nil, false, "there is no bucket another-bucket", "make the bucket"},
		{server.URL, bucket, map[string]any{"region": "eu-central-1"}, false, "AuthorizationHeaderMalformed", "region"},
		{"http://127.0.0.1:1", bucket, nil, false, "connection refused", "can be reached at 127.0.0.1:1"},
	} {
		s := opened(t, opening(c.url, c.bucket, "corp", c.set))
		_, err := s.Newest(t.Context())
		_, lock := s.Lock(t.Context(), "rollcall apply", 0)
		for _, err := range []error{err, lock} {
			var access *state.AccessError
			if !errors.As(err, &access) || access.Refused != c.refused || !strings.Contains(err.Error(), c.text) || !strings.Contains(access.Advice, c.advice) {
				t.Errorf("%v, want %s\n%+v", err, c.text, access)
			} else if text := err.Error() + access.Advice; strings.Contains(text, secret) {
				t.Errorf("a secret: %s", text)
			}
		}
	}
}

// TestPolicy: the policy that the documentation shows is enough, and is no more than for
// one state.
func TestPolicy(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/howto/shared-state.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("the page has no policy")
	}
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	// What is granted to a user is granted by the bucket here, which says to whom.
	policy := strings.NewReplacer("example-rollcall", bucket, `"Effect"`, `"Principal": {"AWS": ["`+servertest.S3Limited+`"]}, "Effect"`).Replace(string(found[1]))
	if err := opened(t, opening(server.URL, bucket, "corp", nil)).client.SetBucketPolicy(t.Context(), bucket, policy); err != nil {
		t.Fatal(err)
	}
	user := map[string]any{"access_key": settings.NewSecret(servertest.S3Limited)}
	s := opened(t, opening(server.URL, bucket, "corp", user))
	m := machine(t, s)
	for n := range 4 {
		l := locked(t, m)
		r, err := m.Begin(t.Context(), run.Head{Command: "rollcall apply", Tool: "test"})
		if err == nil {
			err = r.End(t.Context(), run.Interrupted, "", time.Now())
		}
		if err = errors.Join(err, add(t.Context(), m, fmt.Sprint("a", n)), m.SaveBeat(t.Context(), run.Beat{}), s.Forget(t.Context(), 100), m.Prune(t.Context(), 1, 1, time.Now()), l.Release()); err != nil {
			t.Fatal(err)
		}
	}
	if got := accounts(t, m); got != "a0 a1 a2 a3" {
		t.Errorf("accounts %s", got)
	}
	var access *state.AccessError
	if _, err := opened(t, opening(server.URL, bucket, "other", user)).Newest(t.Context()); !errors.As(err, &access) || !access.Refused {
		t.Errorf("another state: %v", err)
	}
}

// TestEncryption: what is stored is stored encrypted as is configured, and a key of ours
// goes along with whatever reads. The server does not encrypt; one before it looks at
// what it would be asked, and leaves that out.
func TestEncryption(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	ca := servertest.NewCA(t)
	key := make([]byte, 32)
	rand.Read(key)
	encoded := base64.StdEncoding.EncodeToString(key)
	for name, c := range map[string]struct {
		set           map[string]any
		writes, reads map[string]string
	}{
		"s3":  {map[string]any{"sse": "s3"}, map[string]string{"": "AES256"}, nil},
		"kms": {map[string]any{"sse": "kms", "kms_key": "alias/rollcall"}, map[string]string{"": "aws:kms", "-Aws-Kms-Key-Id": "alias/rollcall"}, nil},
		"customer": {map[string]any{"customer_key": settings.NewSecret(encoded)},
			map[string]string{"-Customer-Algorithm": "AES256", "-Customer-Key": encoded}, map[string]string{"-Customer-Algorithm": "AES256", "-Customer-Key": encoded}},
		"none": {},
	} {
		bucket := server.Bucket(t)
		var asked atomic.Int64
		const prefix = "X-Amz-Server-Side-Encryption"
		plain := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			want := c.reads
			if r.Method == http.MethodPut {
				want = c.writes
			}
			if r.Method == http.MethodPut || r.Method != http.MethodDelete && strings.Contains(r.URL.Path, "/corp/") {
				for suffix, value := range want {
					if got := r.Header.Get(prefix + suffix); got != value {
						t.Errorf("%s: %s %s with %s%s %q", name, r.Method, r.URL.Path, prefix, suffix, got)
					}
				}
				asked.Add(1)
			}
			for header := range r.Header {
				if suffix, ok := strings.CutPrefix(header, prefix); ok {
					if _, wanted := want[suffix]; !wanted && suffix != "-Customer-Key-Md5" {
						t.Errorf("%s: %s with %s", name, r.Method, header)
					}
					r.Header.Del(header)
				}
			}
			next.ServeHTTP(w, r)
		})
		to, err := url.Parse(plain)
		if err != nil {
			t.Fatal(err)
		}
		secure := httptest.NewUnstartedServer(&httputil.ReverseProxy{ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }})
		secure.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, servertest.Leaf{}).TLS}}
		secure.StartTLS()
		t.Cleanup(secure.Close)
		c.set = maps.Clone(c.set)
		if c.set == nil {
			c.set = map[string]any{}
		}
		c.set["ca_file"] = ca.File
		s := opened(t, opening(secure.URL, bucket, "corp", c.set))
		m := machine(t, s)
		added(t, m, "a")
		l := locked(t, m)
		r, err := m.Begin(t.Context(), run.Head{Command: "rollcall apply", Tool: "test"})
		if err == nil {
			err = r.End(t.Context(), run.Interrupted, "", time.Now())
		}
		if err = errors.Join(err, m.SaveBeat(t.Context(), run.Beat{}), l.Release()); err != nil {
			t.Fatal(err)
		}
		again := machine(t, s)
		if _, err := again.Run(t.Context(), 1, nil); err != nil || accounts(t, again) != "a" || asked.Load() < 10 {
			t.Errorf("%s: %v, %d requests", name, err, asked.Load())
		}
	}
}

// TestLogin: who logs in is found where programs of AWS look.
func TestLogin(t *testing.T) {
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	none := map[string]any{"access_key": nil, "secret_key": nil}
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n[rollcall]\naws_access_key_id = %s\naws_secret_access_key = %s\n", servertest.S3User, servertest.Password)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": %q, "Expiration": %q}`, servertest.S3User, servertest.Password, time.Now().Add(time.Hour).Format(time.RFC3339))
	}))
	defer role.Close()
	gone := httptest.NewServer(nil)
	gone.Close() // nobody is asked who may be there
	clear := map[string]string{"HOME": dir, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY": "", "AWS_SECRET_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"), "AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_CONTAINER_CREDENTIALS_FULL_URI": gone.URL,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_WEB_IDENTITY_TOKEN_FILE": ""}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"AWS_ACCESS_KEY_ID": servertest.S3User, "AWS_SECRET_ACCESS_KEY": servertest.Password}, "file does not exist"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "rollcall"}, "file does not exist"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file}, "InvalidAccessKeyId"},
		{map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": role.URL}, "file does not exist"},
		{nil, "nothing says who logs in"},
	} {
		for name, value := range clear {
			t.Setenv(name, value)
		}
		for name, value := range c.env {
			t.Setenv(name, value)
		}
		_, err := opened(t, opening(server.URL, bucket, "corp", none)).Newest(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.env, err, c.want)
		}
		var access *state.AccessError
		if errors.As(err, &access) && !access.Refused {
			t.Errorf("%v: %+v", c.env, access)
		}
	}
}

// TestFull: where the server can store no more, the state is what it was, and grows
// again once there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	m := machine(t, opened(t, opening(server.URL, bucket, "corp", nil)))
	added(t, m, "a")
	l := locked(t, m)
	defer l.Release()
	limit := func(octets uint64) {
		t.Helper()
		if err := servertest.LimitFiles(server.Pid(), octets); err != nil {
			t.Skip(err)
		}
	}
	st, err := m.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5000 {
		st.Accounts = append(st.Accounts, identity.Account{Primary: identity.MustAddress(fmt.Sprintf("b%d@example.com", n)), Username: rand.Text()})
	}
	limit(20_000)
	next := *st
	var access *state.AccessError
	if err := m.Save(t.Context(), &next, "test", time.Now(), nil); !errors.As(err, &access) || !strings.Contains(err.Error(), "the service says") {
		t.Errorf("a full server: %v", err)
	}
	if got := accounts(t, m); got != "a" {
		t.Errorf("accounts %s", got)
	}
	limit(1 << 40)
	if err := m.Save(t.Context(), st, "test", time.Now(), nil); err != nil {
		t.Error(err)
	}
	if now, err := machine(t, opened(t, opening(server.URL, bucket, "corp", nil))).Load(t.Context()); err != nil || len(now.Accounts) != 5001 {
		t.Errorf("%v", err)
	}
}

// BenchmarkVersion commits and reads a version of a million accounts.
func BenchmarkVersion(b *testing.B) {
	server := servertest.NewS3(b, false)
	s := opened(b, opening(server.URL, server.Bucket(b), "corp", nil))
	st := &state.State{}
	for n := range 1_000_000 {
		st.Accounts = append(st.Accounts, identity.Account{
			Primary: identity.MustAddress(fmt.Sprintf("given.family%d@example.com", n)), Username: fmt.Sprintf("user%d", n), Directory: "corp",
			DN: fmt.Sprintf("CN=Given Family %d,OU=People,DC=corp,DC=example,DC=com", n),
		})
	}
	m := state.On(s, filepath.Join(b.TempDir(), "s.jsonl"))
	l, err := m.Lock(b.Context(), "rollcall apply", time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Release()
	b.Run("Commit", func(b *testing.B) {
		for b.Loop() {
			if err := m.Save(b.Context(), st, "test", time.Now(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			r, err := s.Open(b.Context(), 0)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, r)
			if err = errors.Join(err, r.Close()); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
}

// TestGivenBack: who does not learn that it has got the lock stands in nobody's way.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	server := servertest.NewS3(t, false)
	bucket := server.Bucket(t)
	at := front(t, server, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Query().Get("start-after"), "/"+locks+numbered(2)) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	direct := machine(t, opened(t, opening(server.URL, bucket, "corp", nil)))
	added(t, direct, "a") // two objects of the lock
	var access *state.AccessError
	if _, err := machine(t, opened(t, opening(at, bucket, "corp", nil))).Lock(t.Context(), "rollcall apply", 0); !errors.As(err, &access) || !access.Refused {
		t.Errorf("who cannot look whether it has the lock: %v", err)
	}
	l, err := direct.Lock(t.Context(), "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.Left != nil {
		t.Errorf("%v has given it back", l.Left)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

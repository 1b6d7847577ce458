package postgres

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/store/suite"
	"github.com/rollcall-cli/rollcall/state"
)

// lease is the lease of locks in tests.
const lease = 2 * time.Second

func opening(url, name string) store.Opening {
	return store.Opening{Settings: Kind.Values("state", ".", map[string]any{"url": settings.NewSecret(url), "name": name, "lease": lease})}
}

// database makes a database with the tables, and returns where it is.
func newDatabase(t testing.TB, server *servertest.SQL) string {
	t.Helper()
	name, _ := server.Database(t)
	url := server.URL(servertest.Superuser, servertest.Password, name)
	setup, err := Kind.Setup(t.Context(), opening(url, "corp"))
	if err != nil {
		t.Fatal(err)
	}
	if err := setup.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return url
}

func opened(t testing.TB, url, name string) *Store {
	t.Helper()
	s, err := open(opening(url, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// places are states in databases of a server.
// They are reached at a host.
func places(server *servertest.SQL, host string) func(t *testing.T) suite.Place {
	var all atomic.Int64
	return func(t *testing.T) suite.Place {
		url := strings.Replace(newDatabase(t, server), server.Host, host, 1)
		name := fmt.Sprint("state ", all.Add(1))
		proxy := servertest.NewProxy(t, "postgres://"+host)
		line := strings.Replace(url, host, strings.TrimPrefix(proxy.URL, "postgres://"), 1)
		return suite.Place{
			Open:  func(cache string) *state.Store { return state.On(opened(t, url, name), cache) },
			Break: func(h *state.Holder) error { return opened(t, url, name).Break(context.Background(), h) },
			Line: &suite.Line{
				Open: func(cache string) *state.Store { return state.On(opened(t, line, name), cache) },
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

func TestSuite(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	suite.Run(t, suite.Subject{New: places(server, server.Host), Lease: lease, Fenced: true})
}

func TestWriters(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	suite.Writers(t, suite.Subject{New: places(server, server.Host), Lease: lease, Fenced: true})
}

// TestFullDisk: a server without room takes no version, and loses none.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	url := newDatabase(t, server)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m,mode=777"); err != nil {
		if os.Getenv("ROLLCALL_SERVERS") == "required" {
			t.Fatal(err)
		}
		t.Skipf("mounting is not permitted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	if err := os.Chmod(filepath.Dir(disk), 0o755); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600)
	db := server.Open(t, servertest.Superuser, filepath.Base(url))
	for _, statement := range []string{"CREATE TABLESPACE tiny LOCATION '" + disk + "/data'", "ALTER TABLE rollcall.content SET TABLESPACE tiny"} {
		if err == nil {
			err = os.MkdirAll(filepath.Join(disk, "data"), 0o777)
		}
		if err == nil {
			err = exec.Command("chown", "postgres", filepath.Join(disk, "data")).Run()
		}
		if err == nil {
			_, err = db.Exec(statement)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s := state.On(opened(t, url, "corp"), filepath.Join(t.TempDir(), "s.jsonl"))
	lock, err := s.Lock(t.Context(), "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	st := &state.State{}
	random := rand.NewChaCha8([32]byte{1})
	text := make([]byte, 1<<20)
	var before state.State
	for n := 0; err == nil; n++ {
		if n > 60 {
			t.Fatal("the disk is never full")
		}
		before = *st
		_, _ = random.Read(text) // never fails
		st.Accounts = []identity.Account{{Primary: identity.MustAddress("ann@example.com"), Username: base64.StdEncoding.EncodeToString(text)}}
		err = s.Save(t.Context(), st, "test", time.Now(), nil)
	}
	var failure *state.AccessError
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("a full disk: %v", err)
	}
	if now, err := s.Load(t.Context()); err != nil || now.Serial != before.Serial || now.Serial == 0 {
		t.Errorf("version %d, %v, and the last was %d", now.Serial, err, before.Serial)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), st, "test", time.Now(), nil); err != nil {
		t.Error(err)
	}
}

// TestPgBouncer: a pool that hands out connections by the transaction is no matter.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	suite.Run(t, suite.Subject{New: places(server, servertest.NewPgBouncer(t, server)), Lease: lease, Fenced: true})
}

// BenchmarkMillion measures a million accounts over the loopback interface.
func BenchmarkMillion(b *testing.B) {
	url := newDatabase(b, servertest.NewPostgres(b))
	suite.Benchmark(b, func(cache string) *state.Store { return state.On(opened(b, url, "corp"), cache) })
}

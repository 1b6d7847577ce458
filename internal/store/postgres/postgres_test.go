package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
func newDatabase(t *testing.T, server *servertest.SQL) string {
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

func opened(t *testing.T, url, name string) *Store {
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

// TestPgBouncer: a pool that hands out connections by the transaction is no matter.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	suite.Run(t, suite.Subject{New: places(server, servertest.NewPgBouncer(t, server)), Lease: lease, Fenced: true})
}

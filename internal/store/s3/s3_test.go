package s3

import (
	"context"
	"fmt"
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
const lease = time.Second

// opening is how a state is opened: at an endpoint, with what else is set.
func opening(url, bucket, prefix string, more map[string]any) store.Opening {
	set := map[string]any{"endpoint": url, "bucket": bucket, "prefix": prefix, "lease": lease, "region": "us-east-1",
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
	suite.Run(t, suite.Subject{New: places(servertest.NewS3(t, false), nil), Lease: lease + slack, Fenced: true})
}

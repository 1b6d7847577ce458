package http

import (
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/store/suite"
	"github.com/rollcall-cli/rollcall/state"
)

func places(change func(*server)) func(t *testing.T) suite.Place {
	return func(t *testing.T) suite.Place {
		s := newServer(t, change)
		proxy := servertest.NewProxy(t, s.URL)
		return suite.Place{
			Open:  func(cache string) *state.Store { return state.On(s.opened(t, cache), cache) },
			Break: func(h *state.Holder) error { return s.machine(t).Break(background, h) },
			Line: &suite.Line{
				Open: func(cache string) *state.Store {
					return state.On(opened(t, strings.TrimSuffix(proxy.URL, "/")+s.path(), cache), cache)
				},
				Cut:  func(n int64) { proxy.CutAll(n, servertest.Reset) },
				Mend: func() { proxy.Cut(0, servertest.Whole) },
			},
			Restart: func() { s.restart(t) },
		}
	}
}

func TestSuite(t *testing.T) { overAll(t, suite.Run) }

func TestWriters(t *testing.T) { overAll(t, suite.Writers) }

// overAll runs a test over each kind of server.
func overAll(t *testing.T, test func(*testing.T, suite.Subject)) {
	t.Parallel()
	for name, change := range map[string]func(*server){
		"GitLab": func(s *server) { s.gitlab = true },
		"plain":  func(s *server) { s.etags = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each place has a server of its own
			test(t, suite.Subject{New: places(change)})
		})
	}
}

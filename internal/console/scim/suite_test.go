package scim

import (
	"context"
	"io"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// toScimmy are the options of a console in a scimmy.
func toScimmy(s *servertest.Scimmy) Options {
	return Options{Label: "saas", Owner: "hq", URL: s.URL, Token: settings.NewSecret(s.Token), CAFile: s.CA.File, Timeout: 20 * time.Second}
}

// noPause waits for nothing.
func noPause(context.Context, time.Duration) error { return nil }

// opened opens a console.
func opened(t *testing.T, o Options) *Console {
	t.Helper()
	c, err := New(o)
	if err == nil {
		err = c.open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// suiteOf runs the suite, which skips no check but those named.
func suiteOf(t *testing.T, o Options, many int, skipped string) {
	t.Helper()
	suite.Hold(t.Context(), t, suite.Subject{
		Open: func(ctx context.Context, owner string) (console.Target, error) {
			o := o
			o.Owner = owner
			c, err := New(o)
			if err != nil {
				return nil, err
			}
			c.pause = noPause
			return c, c.open(ctx)
		},
		Owner: "hq", Domain: "example.com", Many: many,
	}, skipped)
}

// TestScimmy: the console keeps its contract with a real service.
func TestScimmy(t *testing.T) {
	t.Parallel()
	many := 300
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		many = 10_000
	}
	suiteOf(t, toScimmy(servertest.NewScimmy(t)), many, "type_change username_change dn_change stale_rev dry_run hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled")
}

// TestServices: the console keeps its contract with services of other abilities, which
// are scripted: ETags and bulk, PUT alone, filters of every kind, short pages.
func TestServices(t *testing.T) {
	const always = "type_change username_change dn_change dry_run hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"
	without := func(s string) string { return strings.Replace(always, "dry_run", s+" dry_run", 1) }
	for name, c := range map[string]struct {
		service *service
		skipped string
	}{
		"ETags and bulk":                {&service{etag: true, bulk: true}, always},
		"ETags that are passed over":    {&service{etag: true, deafMatch: true, silentPatch: true}, always},
		"PUT alone":                     {&service{noPatch: true}, without("stale_rev")},
		"filters that know letter case": {&service{caseful: true, bulk: true}, without("stale_rev")},
		"filters that return everybody": {&service{filterless: true}, without("stale_rev")},
		"no filters, short pages":       {&service{noFilters: true, most: 7, silentPatch: true}, without("stale_rev")},
		"pages that are aligned":        {&service{aligned: true}, without("stale_rev")},
		"no configuration, no schemas":  {&service{noConfig: true}, without("stale_rev")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suiteOf(t, c.service.start(t).options(), 120, c.skipped)
		})
	}
}

// pauses notes how long a console waits, and does not wait.
func pauses(all *[]time.Duration) func(context.Context, time.Duration) error {
	return func(_ context.Context, d time.Duration) error {
		*all = append(*all, d)
		return nil
	}
}

// quiet is the log of a server that says nothing.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

package ldap

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// block reads the inside of a console block.
func block(t *testing.T, inside string) (settings.Values, config.Diagnostics) {
	t.Helper()
	text := fmt.Sprintf("console \"tree\" {\n  kind = \"ldap\"\n  owner = \"hq\"\n%s\n}\n", inside) + `
domain "example.com" {}
directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
scope "staff" {
  directory = directory.corp
  base_dn   = "DC=example,DC=com"
}
`
	c, diags := config.Check(t.TempDir(), "rollcall.hcl", []byte(text), time.Now(), config.Kinds{Directories: []settings.Kind{ldif.Kind.Kind}, Consoles: []settings.Kind{Kind.Kind}})
	if c == nil || c.Console == nil {
		t.Fatalf("%v\n%s", diags, text)
	}
	return c.Console.Settings, diags
}

// open opens a console as a configuration with that owner does.
func open(t *testing.T, inside, owner string) (*Console, error) {
	t.Helper()
	values, _ := block(t, inside)
	target, err := Kind.Open(t.Context(), opening(values, owner))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { target.Close() })
	return target.(*Console), nil
}

func opening(values settings.Values, owner string) console.Opening {
	return console.Opening{Label: "tree", Settings: values, Owner: owner, Domains: []string{"example.com"}, Timeout: 20 * time.Second, Concurrency: 1}
}

// cases returns a number of cases, which is greater where time does not matter.
func cases(few, many int) int {
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		return many
	}
	return few
}

// conforms runs the suite, which skips no checks but those that do not apply to any
// tree, and those named.
func conforms(t *testing.T, w *worlds.World, many int, skipped string) {
	t.Helper()
	w.Add("somebody@example.com", "someone@example.com")
	values, _ := block(t, w.Block)
	suite.Hold(t.Context(), t, suite.Subject{
		Open: func(ctx context.Context, owner string) (console.Target, error) {
			return Kind.Open(ctx, opening(values, owner))
		},
		Owner: "hq", Domain: "example.com", Many: cases(many, 10_000),
	}, skipped)
}

const never = "dry_run hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"

func TestOpenLDAP(t *testing.T) {
	t.Parallel()
	m := servertest.NewMailTree(t)
	conforms(t, worlds.Trees(m)(t), 120, "dn_change "+never)
	pitfalls(t, m)
}

func Test389(t *testing.T) {
	t.Parallel()
	m := servertest.NewMailTree389(t)
	conforms(t, worlds.Trees(m)(t), 30, "dn_change stale_rev "+never)
	pitfalls(t, m)
}

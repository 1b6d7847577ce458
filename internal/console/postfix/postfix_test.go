package postfix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// gateway is a Postfix, or its files alone, and a console of them.
type gateway struct {
	*servertest.Postfix
	t    testing.TB
	kind string
	set  map[string]any
	logs []string
}

var allMaps = []string{"lmdb", "hash", "cdb", "btree", texthash}

// serve starts a Postfix that delivers to next; with "" mail stays in its queue.
func serve(t *testing.T, kind, next string) *gateway {
	t.Helper()
	p := servertest.NewPostfix(t, servertest.PostfixOptions{Map: kind, Next: next})
	return &gateway{Postfix: p, t: t, kind: kind, set: map[string]any{
		"recipients": p.Recipients, "aliases": p.Aliases, "map": kind, "postmap": p.Postmap(), "reload": reloadOf(p, kind),
	}}
}

func reloadOf(p *servertest.Postfix, kind string) any {
	if kind == texthash {
		return p.Reload()
	}
	return nil
}

// files are tables that no Postfix reads.
func files(t testing.TB, kind string) *gateway {
	t.Helper()
	if kind != texthash {
		servertest.Need(t, "postmap", "postfix")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for who reads the tables
		t.Fatal(err)
	}
	p := &servertest.Postfix{Folder: dir, Recipients: filepath.Join(dir, "recipients"), Aliases: filepath.Join(dir, "aliases")}
	return &gateway{Postfix: p, t: t, kind: kind, set: map[string]any{"recipients": p.Recipients, "aliases": p.Aliases, "map": kind, "reload": []string{"true"}}}
}

// opening opens the console as a run that may change it.
func (g *gateway) opening(owner string) console.Opening {
	v := Kind.Values("relay", g.Folder, g.set)
	return console.Opening{
		Label: "relay", Owner: owner, Settings: v, LockFile: filepath.Join(g.Folder, "unused"),
		Log: func(text string) { g.logs = append(g.logs, text) },
	}
}

func (g *gateway) open() *Console {
	g.t.Helper()
	target, err := Kind.Open(context.Background(), g.opening("hq"))
	if err != nil {
		g.t.Fatal(err)
	}
	return target.(*Console)
}

func address(name string) identity.Address { return identity.MustAddress(name + "@example.com") }

func account(name string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: address(name), Directory: "corp", GUID: identity.GUID{1}}
	for _, x := range aliases {
		a.Aliases = append(a.Aliases, address(x))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
	return a
}

var keys atomic.Int64

// step makes an account of another; either may be nil.
func step(before, after *identity.Account) apply.Step {
	s := apply.Step{Key: fmt.Sprint("k", keys.Add(1)), Group: 1, After: after, By: "hq"}
	if before != nil {
		live := identity.Live{Account: *before, Ref: before.Primary.String()}
		live.Directory, live.GUID = "", identity.GUID{}
		s.Live = &live
		if after != nil {
			s.Fields = []string{plan.FieldPrimary, plan.FieldAliases}
		}
	}
	return s
}

// stage asks for steps, which must be taken.
func stageAll(t *testing.T, c *Console, steps ...apply.Step) {
	t.Helper()
	err := c.Apply(context.Background(), steps, func(i int, a apply.Answer) {
		if a.Err != nil {
			t.Fatalf("step %d: %v", i, a.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// publish makes changes and publishes them.
func publish(t *testing.T, c *Console, steps ...apply.Step) {
	t.Helper()
	stageAll(t, c, steps...)
	if err := c.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// shown are the accounts of a console as texts: PRIMARY ALIAS…
func shown(t *testing.T, c *Console) (all []string) {
	t.Helper()
	_, err := c.Accounts(context.Background(), func(l identity.Live) error {
		text := l.Primary.Local()
		if l.Odd != "" {
			text = "odd " + l.Ref
		}
		for _, x := range l.Aliases {
			text += " " + x.Local()
		}
		all = append(all, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func expect(t *testing.T, c *Console, want ...string) {
	t.Helper()
	if got := shown(t, c); !slices.Equal(got, want) {
		t.Errorf("the accounts are %q, not %q", got, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cases are those that a test takes; the others are for an attack.
func cases[T any](short []T, long ...T) []T {
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		return append(short, long...)
	}
	return short
}

// TestSuite: the console keeps the contract beside a Postfix that reads its tables.
func TestSuite(t *testing.T) {
	for _, kind := range cases([]string{"lmdb"}, "hash", "cdb", "btree", texthash) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			passes(t, serve(t, kind, ""), 10_000)
		})
	}
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		g := files(t, "hash")
		delete(g.set, "aliases")
		passes(t, g, 500)
	})
	t.Run("without an index", func(t *testing.T) {
		t.Parallel()
		passes(t, files(t, texthash), 500)
	})
}

func passes(t *testing.T, g *gateway, many int) {
	t.Helper()
	const want = "directory_switch type_change username_change adoption guid_change attribute_change dn_change attribute_cleared initial_attributes texts " +
		"stale_rev mark_twice foreign dry_run hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"
	suite.Hold(context.Background(), t, suite.Subject{
		Owner: "hq", Domain: "example.com", Many: many,
		Open: func(ctx context.Context, owner string) (console.Target, error) {
			return Kind.Open(ctx, g.opening(owner))
		},
	}, want)
}

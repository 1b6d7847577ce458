package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestLive holds every kind of source to the same, through the program: what
// happens to people in a directory becomes these changes and no others, and a plan
// after an apply is empty.
func TestLive(t *testing.T) {
	for _, k := range worlds.All {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			suite.Through(t, k, func(t *testing.T, k *suite.Subject, w suite.World, unit string) suite.Site {
				return worldSite(t, k, w, unit)
			})
		})
	}
}

// TestSnapshotInChain: a snapshot has what a filter found that only the server
// can judge.
func TestSnapshotInChain(t *testing.T) {
	t.Parallel()
	ann := &suite.Object{Name: "Ann", Unit: suite.StaffUnit, Username: "ann", Primary: "ann@example.com"}
	bob := &suite.Object{Name: "Bob", Unit: suite.StaffUnit, Username: "bob", Primary: "bob@example.com"}
	inner := &suite.Object{Class: suite.List, Name: "Inner", Unit: suite.StaffUnit, Username: "inner", Primary: "inner@example.com", Members: []*suite.Object{ann}}
	outer := &suite.Object{Class: suite.List, Name: "Outer", Unit: suite.StaffUnit, Username: "outer", Primary: "outer@example.com", Members: []*suite.Object{inner}}
	w := worlds.Samba.Begin(t, []string{suite.StaffUnit}, []*suite.Object{ann, bob, inner, outer})
	s := worldSite(t, &worlds.Samba, w, suite.StaffUnit)
	s.more += fmt.Sprintf("filter = %q\n", "(memberOf:1.2.840.113556.1.4.1941:="+outer.DN(servertest.Base)+")")
	want := []string{"add ann", "add inner"}
	for _, p := range []*plan.Plan{s.Plan(suite.Options{}), s.PlanSnapshot(suite.Options{})} {
		if diff := cmp.Diff(want, suite.Rows(p)); diff != "" {
			t.Errorf("in a group of a group (-want +got):\n%s", diff)
		}
	}
	s.becomes("applied", want...)
}

// site is a configuration directory with one directory, corp, and one scope.
type site struct {
	t         *testing.T
	dir       string
	password  string // in the file of that name
	base      string
	directory string // what the directory block says
	// scope is what the scope says beside base_dn and what its directory
	// demands, which is more.
	scope, more string
}

func newSite(t *testing.T, password, base string) *site {
	s := &site{t: t, dir: t.TempDir(), base: base}
	s.setPassword(password)
	return s
}

// worldSite reads a unit of a world.
func worldSite(t *testing.T, k *suite.Subject, w suite.World, unit string) *site {
	says := w.Settings()
	password := servertest.Password
	if secret, ok := says["bind_password"].(settings.Secret); ok {
		password = secret.Reveal()
	}
	s := newSite(t, password, unit+","+k.Base)
	s.directory = arguments(says) + fmt.Sprintf("kind = %q\n", k.Kind.Name)
	s.more = arguments(map[string]any{"alias_attributes": k.Scope.AliasAttributes, "username_attribute": k.Scope.UsernameAttribute})
	if k.Scope.GUIDAttribute != "" {
		s.more += arguments(map[string]any{"guid_attribute": k.Scope.GUIDAttribute})
	}
	return s
}

// arguments writes settings as a block has them; a secret is in the file
// "password".
func arguments(says map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(says)) {
		value := fmt.Sprintf("%#v", says[name])
		switch v := says[name].(type) {
		case []string:
			value = strings.ReplaceAll(fmt.Sprintf("%q", v), `" "`, `", "`)
		case time.Duration:
			value = fmt.Sprintf("%q", v)
		case settings.Secret:
			value = `file("password")`
		}
		fmt.Fprintf(&b, "%s = %s\n", name, value)
	}
	return b.String()
}

func (s *site) setPassword(password string) {
	s.t.Helper()
	s.password = password
	s.write("password", password+"\n")
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command line on the configuration as it is now, and sees to it
// that the password is shown nowhere and kept nowhere.
func (s *site) run(ctx context.Context, args ...string) (out, talk string, code exitCode) {
	s.t.Helper()
	s.configure()
	out, talk, code = at(ctx, nil, false, append([]string{"-C", s.dir}, args...)...)
	s.discreet(out + talk)
	return out, talk, code
}

func (s *site) configure() {
	s.t.Helper()
	s.write("rollcall.hcl", fmt.Sprintf("directory \"corp\" {\n%s}\ndomain \"example.com\" {}\nscope \"people\" {\ndirectory = directory.corp\nbase_dn = %q\n%s%s\n}\n",
		s.directory, s.base, s.more, s.scope))
}

func (s *site) discreet(said string) {
	s.t.Helper()
	if strings.Contains(said, s.password) {
		s.t.Fatalf("the password is shown:\n%s", said)
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "password" || f.IsDir() {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(s.dir, f.Name())); err != nil || bytes.Contains(data, []byte(s.password)) {
			s.t.Fatalf("%s holds the password, or %v", f.Name(), err)
		}
	}
}

// ok runs a command line that succeeds.
func (s *site) ok(args ...string) string {
	s.t.Helper()
	out, talk, code := s.run(context.Background(), args...)
	if code != exitOK {
		s.t.Fatalf("%v: exit %d\n%s%s", args, code, out, talk)
	}
	return out
}

func (s *site) decode(into any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.ok(args...)), into); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

// plan runs a command that makes a plan.
func (s *site) plan(command ...string) *plan.Plan {
	s.t.Helper()
	p, err := plan.ReadJSON(strings.NewReader(s.ok(append(command, "-o", "json")...)))
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// becomes plans what happened, expects these rows, applies them, and is
// settled then.
func (s *site) becomes(story string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, suite.Rows(s.plan("plan"))); diff != "" {
		s.t.Fatalf("%s (-want +got):\n%s", story, diff)
	}
	s.ok("apply", "--auto-approve")
	s.settled(story)
}

// settled sees that a plan after an apply is empty, and that the state holds
// together. It returns that plan.
func (s *site) settled(story string) *plan.Plan {
	s.t.Helper()
	p := s.plan("plan", "--detailed-exitcode")
	if len(p.Changes) > 0 {
		s.t.Fatalf("%s: a plan after the apply still has %v", story, suite.Rows(p))
	}
	s.ok("state", "verify")
	return p
}

// Plan implements [suite.Site].
func (s *site) Plan(o suite.Options) *plan.Plan {
	s.t.Helper()
	s.says(o)
	return s.plan("plan")
}

// PlanSnapshot implements [suite.Site].
func (s *site) PlanSnapshot(o suite.Options) *plan.Plan {
	s.t.Helper()
	s.says(o)
	saved := filepath.Join(s.t.TempDir(), "saved")
	s.ok("snapshot", "-o", saved)
	return s.plan("plan", "--snapshot", saved)
}

// Apply implements [suite.Site].
func (s *site) Apply(o suite.Options) *plan.Plan {
	s.t.Helper()
	s.says(o)
	s.ok("apply", "--auto-approve")
	return s.settled("after the apply")
}

// Accounts implements [suite.Site].
func (s *site) Accounts() (accounts []identity.Account) {
	s.t.Helper()
	var listed []struct{ Primary, Type string }
	s.decode(&listed, "state", "list", "-o", "json")
	for _, a := range listed {
		account := identity.Account{Primary: identity.MustAddress(a.Primary)}
		if a.Type == identity.List.String() {
			account.Type = identity.List
		}
		accounts = append(accounts, account)
	}
	return accounts
}

// says has the scope say no more than this.
func (s *site) says(o suite.Options) {
	s.scope = ""
	if o.Inactive {
		s.scope += "disabled = \"inactive\"\n"
	}
	if o.Rebind {
		s.scope += "on_guid_change = \"rebind\"\n"
	}
}

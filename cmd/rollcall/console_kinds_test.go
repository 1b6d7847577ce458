//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// TestConsoleKinds: the life of people, edits by hand and what goes wrong, over the
// real product of each kind of console.
func TestConsoleKinds(t *testing.T) {
	t.Parallel()
	for _, s := range worlds.All {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			begin := s.Serve(t)
			for _, test := range []struct {
				name string
				run  func(*testing.T, *kindSite)
			}{
				{"life", lifeOverKind}, {"edited", editedByHand}, {"away", kindAway}, {"refused", kindRefused}, {"read-only", kindReadOnly}, {"begun", begunOverKind},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(t, newKindSite(t, s, begin(t))) })
			}
			t.Run("killed", func(t *testing.T) {
				if first := slices.IndexFunc(worlds.All, func(x *worlds.Subject) bool { return x.Kind == s.Kind }); worlds.All[first] != s && cases(1) == 1 {
					t.Skipf("make attack runs it; make test kills over %s", worlds.All[first].Name)
				}
				killedOverKind(t, s, begin)
			})
		})
	}
}

// kindSite is a configuration whose accounts live in a product.
type kindSite struct {
	*worlds.World
	t    *testing.T
	kind string
	dir  string
	// removes tells that an inactive account is not in the product.
	removes bool
}

func newKindSite(t *testing.T, s *worlds.Subject, w *worlds.World) *kindSite {
	t.Helper()
	k := &kindSite{World: w, t: t, kind: s.Kind, dir: t.TempDir()}
	k.configure(w.Block)
	k.directory()
	if w.Setup {
		k.must(exitOK, "console", "setup", "--auto-approve")
	}
	var seen struct{ Facts struct{ Inactive string } }
	if err := json.Unmarshal([]byte(k.must(exitOK, "console", "-o", "json")), &seen); err != nil {
		t.Fatal(err)
	}
	k.removes = seen.Facts.Inactive == "removed"
	return k
}

func (k *kindSite) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// configure writes the configuration with a console block.
func (k *kindSite) configure(block string) {
	k.t.Helper()
	k.write("rollcall.hcl", fmt.Sprintf("directory \"corp\" {\n kind = \"ldif\"\n path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\n"+
		"scope \"all\" {\n directory = directory.corp\n guid_attribute = \"objectGUID\"\n adopt = true\n on_guid_change = \"rebind\"\n}\n"+
		"limits {\n deactivations = 1000\n primary_changes = 1000\n removals = 1000\n}\n"+
		"console \"target\" {\n kind = %q\n owner = \"hq\"\n timeout = \"20s\"\n%s}\n", k.kind, block))
}

// somebody is an entry: its number, its primary and its aliases.
type somebody struct {
	number    int
	addresses string // the primary first; their domain is left out
	name      string
}

// directory writes the entries of the directory.
func (k *kindSite) directory(people ...somebody) {
	k.t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\n")
	for _, p := range people {
		names := strings.Fields(p.addresses)
		fmt.Fprintf(&b, "\ndn: cn=%d,ou=Staff,dc=corp\nobjectClass: user\nobjectGUID: %08d-1111-4222-8333-000000000001\nsAMAccountName: user%d\ndisplayName: %s\nmail: %s@example.com\n",
			p.number, p.number, p.number, p.name+fmt.Sprint(" Person ", p.number), names[0])
		for _, x := range names[1:] {
			fmt.Fprintf(&b, "proxyAddresses: smtp:%s@example.com\n", x)
		}
	}
	k.write("corp.ldif", b.String())
}

// run runs a command.
func (k *kindSite) run(args ...string) (out, talk string, code exitCode) {
	return at(context.Background(), nil, false, append([]string{"-C", k.dir}, args...)...)
}

// must runs a command that has to end so, and returns what it has printed.
func (k *kindSite) must(want exitCode, args ...string) string {
	k.t.Helper()
	out, talk, code := k.run(args...)
	if code != want {
		k.t.Fatalf("rollcall %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, talk)
	}
	return out + talk
}

// follow applies the directory, after which there is nothing to do and no drift.
func (k *kindSite) follow() {
	k.t.Helper()
	k.must(exitOK, "apply", "--auto-approve", "--lock-timeout", "1m")
	k.quiet()
}

// quiet holds a plan to have nothing to do, and no drift but what nobody owns in a
// console that is all ours.
func (k *kindSite) quiet() {
	k.t.Helper()
	out, talk, code := k.run("plan", "-o", "json")
	var left struct {
		Changes []json.RawMessage
		Drift   []struct{ Kind, Primary, Field string }
	}
	err := json.Unmarshal([]byte(out), &left)
	drift := slices.DeleteFunc(left.Drift, func(d struct{ Kind, Primary, Field string }) bool {
		return d.Kind == "unrecorded" && k.kind == "postfix"
	})
	if err != nil || code != exitOK || len(left.Changes)+len(drift) > 0 {
		k.t.Fatalf("the plan after it: exit %d, %v\nchanges %s\ndrift %v\n%s", code, err, left.Changes, drift, talk)
	}
}

// account is one of the product, as "console accounts" has it.
type account struct {
	Primary, Status, Whose string
	Aliases                []string
}

// listed returns the accounts of the product.
func (k *kindSite) listed() (all []account) {
	k.t.Helper()
	out, talk, code := k.run("console", "accounts", "-o", "json")
	if code != exitOK {
		k.t.Fatalf("console accounts: exit %d\n%s", code, talk)
	}
	for line := range strings.Lines(out) {
		var a account
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			k.t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// answered holds the mail server that reads the product, where there is one, to take mail
// for all addresses of the active accounts and for no others, which are those of inactive
// ones and some that are gone.
func (k *kindSite) answered(gone ...string) {
	k.t.Helper()
	if k.Codes == nil {
		return
	}
	addresses, want := append(gone, "nobody@example.com"), []int{}
	for range addresses {
		want = append(want, 550)
	}
	for _, a := range k.listed() {
		for _, x := range append([]string{a.Primary}, a.Aliases...) {
			code := 250
			if a.Status != "active" {
				code = 550
			}
			addresses, want = append(addresses, x), append(want, code)
		}
	}
	if got := k.Codes(addresses...); !slices.Equal(got, want) {
		k.t.Errorf("the mail server answers %v for %v, not %v", got, addresses, want)
	}
}

// accounts returns the accounts of the product: primary and aliases, whether it is
// inactive, and whose it is.
func (k *kindSite) accounts() []string {
	k.t.Helper()
	var all []string
	for _, a := range k.listed() {
		text := strings.Join(append([]string{a.Primary}, a.Aliases...), " ")
		if a.Status != "active" {
			text += " " + a.Status
		}
		if a.Whose != "owned" {
			text += " " + a.Whose
		}
		all = append(all, strings.ReplaceAll(text, "@example.com", ""))
	}
	slices.Sort(all)
	return all
}

// has holds the product to have these accounts. One that is inactive is not there
// where the product removes it.
func (k *kindSite) has(want ...string) {
	k.t.Helper()
	var gone []string
	if k.removes {
		for _, a := range want {
			if name, inactive := strings.CutSuffix(a, " inactive"); inactive {
				gone = append(gone, name+"@example.com")
			}
		}
		want = slices.DeleteFunc(want, func(a string) bool { return strings.HasSuffix(a, " inactive") })
	}
	if diff := cmp.Diff(want, k.accounts()); diff != "" {
		k.t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if len(want) > 0 {
		k.answered(gone...)
	}
}

// lifeOverKind: what becomes of people becomes of their accounts.
func lifeOverKind(t *testing.T, k *kindSite) {
	k.directory()
	k.must(exitOK, "apply", "--auto-approve", "--allow-empty")
	for _, step := range []struct {
		what   string
		people []somebody
		want   []string
	}{
		{"add", []somebody{{1, "ann a.smith", ""}, {2, "bob", ""}, {3, "carl c1 c2", ""}, {4, "dana", ""}}, []string{"ann a.smith", "bob", "carl c1 c2", "dana"}},
		{"alias_add, alias_remove", []somebody{{1, "ann", ""}, {2, "bob b1", ""}, {3, "carl c1 c3", ""}, {4, "dana", ""}}, []string{"ann", "bob b1", "carl c1 c3", "dana"}},
		{"alias_move", []somebody{{1, "ann b1", ""}, {2, "bob", ""}, {3, "carl c1 c3", ""}, {4, "dana", ""}}, []string{"ann b1", "bob", "carl c1 c3", "dana"}},
		{"primary_change", []somebody{{1, "anna ann b1", ""}, {2, "bob", ""}, {3, "carl c1 c3", ""}, {4, "dana", ""}}, []string{"anna ann b1", "bob", "carl c1 c3", "dana"}},
		{"alias_switch", []somebody{{1, "ann anna b1", ""}, {2, "bob", ""}, {3, "carl c1 c3", ""}, {4, "dana", ""}}, []string{"ann anna b1", "bob", "carl c1 c3", "dana"}},
		{"a swap", []somebody{{1, "bob anna b1", ""}, {2, "ann", ""}, {3, "carl c1 c3", ""}, {4, "dana", ""}}, []string{"ann", "bob anna b1", "carl c1 c3", "dana"}},
		{"a ring", []somebody{{1, "ann anna b1", ""}, {2, "carl", ""}, {3, "bob c1 c3", ""}, {4, "dana", ""}}, []string{"ann anna b1", "bob c1 c3", "carl", "dana"}},
		{"attribute_change", []somebody{{1, "ann anna b1", "Dr"}, {2, "carl", ""}, {3, "bob c1 c3", ""}, {4, "dana", "Dr"}}, []string{"ann anna b1", "bob c1 c3", "carl", "dana"}},
		{"inactive", []somebody{{1, "ann anna b1", "Dr"}, {2, "carl", ""}, {4, "dana", "Dr"}}, []string{"ann anna b1", "bob inactive", "carl", "dana"}},
		{"reactivation", []somebody{{1, "ann anna b1", "Dr"}, {2, "carl", ""}, {3, "bob c1", ""}, {4, "dana", "Dr"}}, []string{"ann anna b1", "bob c1", "carl", "dana"}},
		{"a new person gets the aliases of one who leaves", []somebody{{1, "ann anna b1", "Dr"}, {2, "carl", ""}, {4, "dana", "Dr"}, {5, "eve c1", ""}}, []string{"ann anna b1", "bob inactive", "carl", "dana", "eve c1"}},
		{"guid_change", []somebody{{1, "ann anna b1", "Dr"}, {2, "carl", ""}, {6, "dana", ""}, {5, "eve c1", ""}}, []string{"ann anna b1", "bob inactive", "carl", "dana", "eve c1"}},
	} {
		k.directory(step.people...)
		k.t.Log(step.what)
		k.follow()
		k.has(step.want...)
	}
	k.Add("fred@example.com", "f.fox@example.com")
	if !k.removes { // in a console that is all ours, it is an account like any other
		k.quiet()
	}
	k.directory(somebody{1, "ann anna b1", "Dr"}, somebody{2, "carl", ""}, somebody{6, "dana", ""}, somebody{5, "eve c1", ""}, somebody{7, "fred", ""})
	k.follow()
	k.has("ann anna b1", "bob inactive", "carl", "dana", "eve c1", "fred")
}

// editedByHand: what a person changes in the product is told as drift, and corrected.
func editedByHand(t *testing.T, k *kindSite) {
	people := []somebody{{1, "ann a.smith", ""}, {2, "bob", ""}, {3, "carl c1", ""}}
	k.directory(people...)
	k.follow()
	k.SetAliases("ann@example.com", "sales@example.com")
	k.Remove("bob@example.com")
	out := k.must(exitOK, "plan", "-o", "json")
	var told struct {
		Drift []struct{ Kind, Primary, Field string }
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&told); err != nil {
		t.Fatal(err)
	}
	var drift []string
	for _, d := range told.Drift {
		drift = append(drift, strings.TrimSpace(d.Kind+" "+d.Primary+" "+d.Field))
	}
	slices.Sort(drift)
	if want := []string{"changed ann@example.com aliases", "gone bob@example.com"}; !slices.Equal(drift, want) {
		t.Errorf("drift %q, want %q", drift, want)
	}
	k.follow()
	k.has("ann a.smith", "bob", "carl c1")
}

// kindAway: a product that goes away ends a run, which the next one completes.
func kindAway(t *testing.T, k *kindSite) {
	if k.Stop == nil {
		t.Skip("files do not go away")
	}
	k.directory(somebody{1, "ann a.smith", ""}, somebody{2, "bob", ""})
	k.follow()
	k.Stop()
	if out := k.must(exitUnreachable, "plan"); !strings.Contains(out, "hint: ") {
		t.Errorf("a product that is away: %s", out)
	}
	k.must(exitUnreachable, "apply", "--auto-approve")
	k.Start()
	k.quiet()

	// Now in the middle: it goes and comes while an apply runs.
	var people []somebody
	for n := range 60 {
		people = append(people, somebody{n + 1, fmt.Sprintf("p%02d q%02d", n+1, n+1), ""})
	}
	k.directory(people...)
	cmd := exec.Command("rollcall", "-C", k.dir, "apply", "--auto-approve")
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
	k.Stop()
	err := cmd.Wait()
	if code := exitCode(cmd.ProcessState.ExitCode()); err != nil && code != exitIncomplete && code != exitUnreachable {
		t.Errorf("a product that goes away in the middle: exit %d\n%s", code, &talk)
	}
	k.Start()
	k.follow()
	want := make([]string, len(people))
	for i, p := range people {
		want[i] = p.addresses
	}
	k.has(want...)
}

// kindRefused: wrong credentials are exit 12, a certificate that is not trusted 10.
// Neither is said with a secret, and nothing changes.
func kindRefused(t *testing.T, k *kindSite) {
	k.directory(somebody{1, "ann", ""})
	for _, c := range []struct {
		block string
		code  exitCode
	}{{k.Refused, exitRefused}, {k.Untrusted, exitUnreachable}} {
		if c.block == "" {
			continue
		}
		k.configure(c.block)
		for _, command := range [][]string{{"plan"}, {"apply", "--auto-approve"}, {"console"}} {
			if out := k.must(c.code, command...); !strings.Contains(out, "hint: ") {
				t.Errorf("%v: no hint\n%s", command, out)
			}
		}
	}
	k.configure(k.Block)
	k.has()
}

// kindReadOnly: with credentials that may only read, an apply changes nothing and
// says so; a plan works.
func kindReadOnly(t *testing.T, k *kindSite) {
	if k.ReadOnly == "" {
		t.Skip("the product has no such thing")
	}
	k.directory(somebody{1, "ann a1", ""}, somebody{2, "bob", ""})
	k.configure(k.ReadOnly)
	k.must(exitOK, "plan")
	_, talk, code := k.run("apply", "--auto-approve")
	if code != exitFailed && code != exitIncomplete && code != exitRefused {
		t.Errorf("exit %d\n%s", code, talk)
	}
	if !strings.Contains(talk, "error: ") {
		t.Errorf("it does not say why: %s", talk)
	}
	k.has()
	k.configure(k.Block)
	k.follow()
	k.has("ann a1", "bob")
}

// begunOverKind: the block that init writes, of the few settings that it is given and
// what the product says, reads the product. A secret stays in the environment.
func begunOverKind(t *testing.T, k *kindSite) {
	kind := consoles.Kind(k.kind)
	if kind.Survey == nil {
		t.Skip("the kind asks nothing")
	}
	args := []string{"init", "--console", k.kind}
	for _, match := range regexp.MustCompile(`(?m)^ *(\w+) *= (.*)$`).FindAllStringSubmatch(k.Block, -1) {
		name, value := match[1], match[2]
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		if slices.ContainsFunc(kind.Settings, func(s settings.Setting) bool { return s.Name == name && s.Secret }) {
			variable := "ROLLCALL_TEST_" + strings.ToUpper(name)
			if err := os.Setenv(variable, value); err != nil { // of no other test; t.Setenv forbids those in parallel
				t.Fatal(err)
			}
			args = append(args, "--console-set", fmt.Sprintf("%s=env(%q)", name, variable))
			continue
		}
		args = append(args, "--console-set", name+"="+value)
	}
	dir := filepath.Join(t.TempDir(), "new")
	for _, command := range [][]string{args, {"validate"}, {"console"}} {
		out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, command...)...)
		if code != exitOK {
			t.Fatalf("%q: exit %d\n%s%s", command, code, out, talk)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "rollcall.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "# "+kind.Help+"\n")
	notes, _, _ := strings.Cut(block, "console ")
	if notes == "" || k.kind == "postfix" && !strings.Contains(notes, "Postfix relays mail for: ") {
		t.Errorf("the product has said nothing:\n%s", block)
	}
	t.Log(notes)
}

// killedOverKind: wherever rollcall is killed, the next run ends where it would have
// ended without.
func killedOverKind(t *testing.T, s *worlds.Subject, begin func(t *testing.T) *worlds.World) {
	undisturbed, killed := newKindSite(t, s, begin(t)), newKindSite(t, s, begin(t))
	w := newCompany(7)
	r := rand.New(rand.NewPCG(7, 7))
	both := func(f func(k *kindSite)) { f(undisturbed); f(killed) }
	both(func(k *kindSite) {
		k.write("corp.ldif", w.ldif())
		k.Add("local@example.com", "local.alias@example.com")
	})
	longest := time.Millisecond
	for n := range cases(15) {
		for range 1 + r.IntN(4) {
			w.turn()
		}
		both(func(k *kindSite) { k.write("corp.ldif", w.ldif()) })
		start := time.Now()
		undisturbed.must(exitOK, "apply", "--auto-approve")
		longest = max(longest, time.Since(start))
		for range 1 + r.IntN(3) {
			cmd := exec.Command("rollcall", "-C", killed.dir, "apply", "--auto-approve", "--lock-timeout", "1m")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(r.Int64N(int64(longest))), func() { _ = cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			var ended *exec.ExitError
			if code := exitCode(cmd.ProcessState.ExitCode()); errors.As(err, &ended) && code != -1 && code != exitIncomplete {
				t.Fatalf("round %d: exit %d", n, code)
			}
		}
		killed.follow()
		undisturbed.quiet()
		if diff := cmp.Diff(undisturbed.accounts(), killed.accounts()); diff != "" {
			t.Fatalf("round %d: it does not end as without (-want +got):\n%s\n%s", n, diff, w.ldif())
		}
		killed.answered()
	}
}

var measuring = flag.Int("kinds.measure", 0, "how many accounts TestConsoleKindsMeasured makes; make bench says 20,000")

// TestConsoleKindsMeasured measures, for each product, a plan and an apply of one
// percent, beside the plainest client that reads the same, in turn.
func TestConsoleKindsMeasured(t *testing.T) {
	n := *measuring
	if n == 0 {
		t.Skip("make bench runs it")
	}
	people := make([]somebody, n)
	for i := range people {
		people[i] = somebody{i + 1, fmt.Sprintf("p%06d a%06d", i+1, i+1), ""}
	}
	fmt.Printf("%-24s %12s %12s %12s %14s %14s\n", fmt.Sprint(n, " accounts"), "client", "plan", "apply 1 %", "plan/client", "apply/client")
	for _, s := range worlds.All {
		t.Run(s.Name, func(t *testing.T) {
			k := newKindSite(t, s, s.Serve(t)(t))
			k.directory(people...)
			k.must(exitOK, "apply", "--auto-approve")
			program, err := exec.LookPath("rollcall")
			if err != nil {
				t.Fatal(err)
			}
			took := func(command ...string) time.Duration {
				start := time.Now()
				if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
				return time.Since(start)
			}
			var client, plans, applies []time.Duration
			for round := range 3 {
				for i := round; i < n; i += 100 {
					people[i].addresses = fmt.Sprintf("p%06d a%06d b%06d.%d", i+1, i+1, i+1, round)
				}
				k.directory(people...)
				client = append(client, took(k.Client...))
				plans = append(plans, took(program, "-C", k.dir, "plan", "-o", "json"))
				applies = append(applies, took(program, "-C", k.dir, "apply", "--auto-approve"))
			}
			k.quiet()
			middle := func(all []time.Duration) time.Duration {
				slices.Sort(all)
				return all[len(all)/2].Round(time.Millisecond)
			}
			c, p, a := middle(client), middle(plans), middle(applies)
			fmt.Printf("%-24s %12v %12v %12v %14.1f %14.1f\n", s.Name, c, p, a, p.Seconds()/c.Seconds(), a.Seconds()/c.Seconds())
		})
	}
}

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
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
				{"life", lifeOverKind}, {"edited", editedByHand}, {"away", kindAway}, {"refused", kindRefused}, {"read-only", kindReadOnly}, {"begun", begunOverKind}, {"states", statesOverKind},
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
	// removes says that an inactive account is not in the product.
	removes bool
	// types are those of accounts that it has, stores what it keeps of them.
	types, stores []string
}

func newKindSite(t *testing.T, s *worlds.Subject, w *worlds.World) *kindSite {
	t.Helper()
	k := &kindSite{World: w, t: t, kind: s.Kind, dir: t.TempDir()}
	k.configure(w.Block)
	k.directory()
	if w.Setup {
		k.must(exitOK, "console", "setup", "--auto-approve")
	}
	var seen struct {
		Facts struct {
			Inactive      string
			Types, Stores []string
		}
	}
	if err := json.Unmarshal([]byte(k.must(exitOK, "console", "-o", "json")), &seen); err != nil {
		t.Fatal(err)
	}
	k.removes = seen.Facts.Inactive == "removed"
	k.types, k.stores = seen.Facts.Types, seen.Facts.Stores
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
		fmt.Fprintf(&b, "\ndn: cn=%d,ou=Staff,dc=corp\nobjectClass: user\nobjectGUID: %s\nsAMAccountName: user%d\ndisplayName: %s\nmail: %s@example.com\n",
			p.number, guidNumbered(p.number), p.number, p.name+fmt.Sprint(" Person ", p.number), names[0])
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

// statesOverKind: a second state with the owner of the first is refused, until it takes
// the product over; then the first is. No account is changed by that.
func statesOverKind(t *testing.T, k *kindSite) {
	k.directory(somebody{1, "ann ann.a", ""}, somebody{2, "bob", ""}, somebody{3, "carl c.carl", ""})
	k.follow()
	second := *k
	second.dir = t.TempDir()
	for _, name := range []string{"rollcall.hcl", "corp.ldif"} {
		text, err := os.ReadFile(filepath.Join(k.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		second.write(name, string(text))
	}
	const refused = "belong to another state"
	before := k.listed()
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		if said := second.must(exitFailed, args...); !strings.Contains(said, refused) {
			t.Errorf("%s: %s", args[0], said)
		}
	}
	second.must(exitOK, "apply", "--auto-approve", "--new-state")
	second.quiet()
	if diff := cmp.Diff(before, k.listed()); diff != "" {
		t.Errorf("the accounts are others: %s", diff)
	}
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		if said := k.must(exitFailed, args...); !strings.Contains(said, refused) {
			t.Errorf("%s: %s", args[0], said)
		}
	}
	second.directory(somebody{1, "ann ann.a", ""}, somebody{2, "bob.new", ""}, somebody{4, "dora", ""})
	second.follow()
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

// person is somebody as a directory has him.
type person struct {
	somebody
	username string
	list     bool
}

// persons reads people: "1 ann a.smith | annie Dr list" is number 1 with a primary, an
// alias, the username annie and the title Dr, as a list where there are any.
func persons(lists bool, lines string) (all []person) {
	for line := range strings.Lines(lines) {
		who, more, _ := strings.Cut(line, "|")
		number, addresses, ok := strings.Cut(strings.TrimSpace(who), " ")
		if !ok {
			continue
		}
		n, _ := strconv.Atoi(number)
		p := person{somebody: somebody{number: n, addresses: addresses}, username: "user" + number}
		for _, word := range strings.Fields(more) {
			switch {
			case word == "list":
				p.list = lists
			case word == strings.ToLower(word):
				p.username = word
			default:
				p.name = word + " "
			}
		}
		p.name += "Person " + number
		all = append(all, p)
	}
	return all
}

// export writes the entries of a directory.
func (k *kindSite) export(file string, people []person) {
	k.t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\n")
	for _, p := range people {
		class := "user"
		if p.list {
			class = "group"
		}
		names := strings.Fields(p.addresses)
		fmt.Fprintf(&b, "\ndn: cn=%d,ou=Staff,dc=corp\nobjectClass: %s\nobjectGUID: %s\nsAMAccountName: %s\ndisplayName: %s\nmail: %s@example.com\n", p.number, class, guidNumbered(p.number), p.username, p.name, names[0])
		for _, x := range names[1:] {
			fmt.Fprintf(&b, "proxyAddresses: smtp:%s@example.com\n", x)
		}
	}
	k.write(file, b.String())
}

func guidNumbered(number int) string { return fmt.Sprintf("%08d-1111-4222-8333-000000000001", number) }

// lives returns the accounts of the product as lines, with all that it stores.
func (k *kindSite) lives() (lines []string) {
	k.t.Helper()
	out := k.must(exitOK, "console", "accounts", "-o", "json")
	for line := range strings.Lines(out) {
		var a struct {
			Primary, Type, Status, Username string
			Aliases                         []string
			Owner                           *struct{ By, Directory, GUID string }
			Attributes                      map[string]string
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			k.t.Fatalf("%v: %s", err, line)
		}
		owner := "none"
		if a.Owner != nil {
			owner = a.Owner.By + ":" + a.Owner.Directory + "/" + a.Owner.GUID
		}
		lines = append(lines, strings.ReplaceAll(k.line(append([]string{a.Primary}, a.Aliases...), a.Status, a.Type, owner, a.Username, a.Attributes["display_name"]), "@example.com", ""))
	}
	slices.Sort(lines)
	return lines
}

// line is an account in what the product stores.
func (k *kindSite) line(addresses []string, status, typ, owner, username, name string) string {
	slices.Sort(addresses[1:])
	words := append(slices.Clone(addresses), status)
	for _, f := range [][2]string{{"type", typ}, {"owner", owner}, {"username", username}, {"display_name", name}} {
		if slices.Contains(k.stores, f[0]) {
			words = append(words, fmt.Sprintf("%s=%q", f[0], f[1]))
		}
	}
	return strings.Join(words, " ")
}

// lifeOverKind: what becomes of people becomes of their accounts, in all categories of
// changes. After each apply, the product has what the directories say.
func lifeOverKind(t *testing.T, k *kindSite) {
	block, err := os.ReadFile(filepath.Join(k.dir, "rollcall.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	k.write("rollcall.hcl", string(block)+"directory \"lab\" {\n kind = \"ldif\"\n path = \"lab.ldif\"\n}\nscope \"lab\" {\n directory = directory.lab\n guid_attribute = \"objectGUID\"\n}\n")
	shown := map[string]bool{}
	for _, round := range []struct {
		corp, lab, left, categories string
	}{
		{`1 ann a.smith
		2 bob b1
		3 carl c1 c2
		4 dana
		5 eve e1
		6 finn f1
		7 team | list`, `8 lena`, ``, "add"},

		{`1 ann a.smith b1 | annie Dr
		2 bob
		3 carl c2
		4 dd
		6 finn f1 dana
		7 team
		9 c1
		10 fred`, `8 lena`, `5 eve`, "add inactive primary_change alias_switch alias_to_primary primary_to_alias type_change username_change adoption attribute_change"},

		// A swap, and a ring of three.
		{`1 bob a.smith b1 | annie Dr
		2 ann
		3 finn c2
		4 carl
		5 eve e2
		6 dd f1 dana
		7 crew team
		11 c1`, `10 fred`, `8 lena`, "primary_change primary_switch directory_switch guid_change reactivation inactive"},

		// Who is new gets the address of somebody who had left, and one of who leaves.
		{`1 bob a.smith b1 | annie Dr
		2 ann
		3 finn c2
		4 carl
		6 dd f1
		7 crew team | list
		11 c1 c3
		12 nina lena e2`, `10 fred`, `5 eve`, "add inactive type_change alias_switch removal"},
	} {
		lists := slices.Contains(k.types, "list")
		corp, lab := persons(lists, round.corp), persons(lists, round.lab)
		k.export("corp.ldif", corp)
		k.export("lab.ldif", lab)
		var made struct{ Summary map[string]any }
		out, talk, code := k.run("apply", "--auto-approve", "-o", "json")
		if err := json.Unmarshal([]byte(out), &made); err != nil || code != exitOK {
			t.Fatalf("apply: exit %d, %v\n%s", code, err, talk)
		}
		for _, category := range strings.Fields(round.categories) {
			if n, _ := made.Summary[category].(float64); n == 0 && (category != "type_change" || lists) {
				t.Errorf("%s is not among %v", category, made.Summary)
			}
			shown[category] = true
		}
		k.quiet()
		var want []string
		for directory, people := range map[string][]person{"corp": corp, "lab": lab} {
			for _, p := range people {
				typ := "user"
				if p.list {
					typ = "list"
				}
				want = append(want, k.line(strings.Fields(p.addresses), "active", typ, "hq:"+directory+"/"+guidNumbered(p.number), p.username, p.name))
			}
		}
		for _, p := range persons(lists, round.left) {
			if !k.removes {
				directory := "corp"
				if p.number == 8 {
					directory = "lab"
				}
				want = append(want, k.line(strings.Fields(p.addresses), "inactive", "user", "hq:"+directory+"/"+guidNumbered(p.number), p.username, p.name))
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, k.lives()); diff != "" {
			t.Fatalf("accounts (-want +got):\n%s", diff)
		}
		if len(shown) == 1 {
			k.Add("fred@example.com", "f.fox@example.com")
			if !k.removes { // in a console that is all ours, it is an account like any other
				k.quiet()
			}
		}
	}
	if len(shown) != int(plan.Categories) {
		t.Errorf("%d categories of %d are shown: %v", len(shown), plan.Categories, shown)
	}
}

// editedByHand: what a person changes in the product is reported as drift, and corrected.
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

// kindRefused: wrong credentials are exit 12, a certificate that is not trusted or has
// another name 10.
// Neither is said with a secret, and nothing changes.
func kindRefused(t *testing.T, k *kindSite) {
	k.directory(somebody{1, "ann", ""})
	for _, c := range []struct {
		block string
		code  exitCode
	}{{k.Refused, exitRefused}, {k.Untrusted, exitUnreachable}, {k.Misnamed, exitUnreachable}} {
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

// variables counts those of the environment that tests have set.
var variables atomic.Int64

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
			variable := fmt.Sprintf("ROLLCALL_TEST_%s_%d", strings.ToUpper(name), variables.Add(1))
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

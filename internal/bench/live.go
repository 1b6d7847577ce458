package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/state"
)

const liveConfiguration = `directory "corp" {
  kind          = "ldap"
  urls          = ["%s"]
  bind_dn       = "%s"
  bind_password = env("BENCH_PASSWORD")
  ca_file       = "%s"
}
domain "` + corpus.Domain + `" {}
scope "staff" {
  directory          = directory.corp
  base_dn            = "OU=Staff,` + corpus.Base + `"
  filter             = "` + liveFilter + `"
  username_attribute = "sAMAccountName"
}
`

const (
	liveFilter = "(|(mail=*)(proxyAddresses=*))"
	livePage   = 1000
)

// liveScope is the scope of liveConfiguration.
func liveScope() directory.Scope {
	return directory.Scope{Name: "staff", Base: "OU=Staff," + corpus.Base, Filter: liveFilter, PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"},
		UsernameAttribute: "sAMAccountName", Type: directory.Auto, Attributes: []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}}}
}

// live measures reading an OpenLDAP server on this machine over TLS: the
// reader alone and whole plans, on a state of which one percent differs and on an empty
// one, each beside a paged ldapsearch for the same attributes, in turn.
func live(dir, program string, n, runs int, each perEntry) error {
	fmt.Printf("\nlive directory of %d entries, slapd on this machine, ldaps, pages of %d\n", n, livePage)
	host := &host{}
	defer host.end()
	server := host.slapd(n)
	if host.failed != nil {
		return host.failed
	}
	conf, empty := filepath.Join(dir, fmt.Sprintf("live-%d", n)), filepath.Join(dir, fmt.Sprintf("live-%d-empty", n))
	if err := errors.Join(os.Mkdir(conf, 0o700), os.Mkdir(empty, 0o700)); err != nil {
		return err
	}
	text := fmt.Sprintf(liveConfiguration, server.LDAPS, server.Admin, server.CA.File)
	if err := os.WriteFile(filepath.Join(empty, "rollcall.hcl"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(conf, "rollcall.hcl"), []byte(text), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// The most memory of this process counts for each command that it starts.
	if out, err := exec.Command(self, "-accounts", conf, "-n", fmt.Sprint(n)).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	scope := liveScope()
	search := append([]string{"-x", "-LLL", "-E", fmt.Sprintf("pr=%d/noprompt", livePage), "-H", server.LDAPS, "-D", server.Admin, "-w", servertest.Password, "-b", scope.Base, scope.Filter},
		directory.NewMapper(&scope).Attributes()...)
	env := append(os.Environ(), "LDAPTLS_CACERT="+server.CA.File, "BENCH_PASSWORD="+servertest.Password, "BENCH_URL="+server.LDAPS, "BENCH_DN="+server.Admin)
	rivals := []rival{
		{title: "ldapsearch, paged", command: append([]string{"ldapsearch"}, search...)},
		{title: "read", command: []string{self, "-read"}},
		{title: "plan -o json", command: []string{program, "-C", conf, "plan", "-o", "json"}},
		{title: "plan -o json, no state yet", command: []string{program, "-C", empty, "plan", "-o", "json"}},
	}
	if err := inTurn(runs, "ldapsearch", env, rivals); err != nil {
		return err
	}
	each.compare(rivals, n)
	return follow(host, server, dir, program, self, text, n, runs, env)
}

// perEntry is how long each entry of the smallest company took, by the title of the command.
type perEntry map[string]growth

type growth struct {
	entries int
	each    time.Duration
}

// compare prints how the time for an entry grows with their number.
func (p perEntry) compare(rivals []rival, n int) {
	for i := range rivals {
		r := &rivals[i]
		each := median(r.samples).wall / time.Duration(n)
		first, known := p[r.title]
		if !known {
			p[r.title] = growth{n, each}
			continue
		}
		fmt.Printf("%-44s an entry takes %.1f µs, %.2f times as long as among %d\n", r.title, float64(each.Nanoseconds())/1000, float64(each)/float64(first.each), first.entries)
	}
}

// seed writes the state of a company, with DNs as slapd spells them.
func seed(folder string, n int) error {
	s := state.State{Accounts: corpus.Accounts(n, "corp")}
	spelled := strings.NewReplacer("CN=", "cn=", "OU=", "ou=", "DC=", "dc=")
	for i := range s.Accounts {
		s.Accounts[i].DN = spelled.Replace(s.Accounts[i].DN)
	}
	return state.At(filepath.Join(folder, stateFile)).Save(context.Background(), &s, "bench", time.Now(), nil)
}

// changes is how many people come and go between two plans of a followed directory.
const changes = 10

// follow measures plans and applies of a few changes in a directory that is followed, beside
// a complete read, and beside copying, hashing and syncing the state.
func follow(host *host, server *servertest.Slapd, dir, program, self, text string, n, runs int, env []string) error {
	fmt.Printf("\nthe same directory, followed: %d people come or go\n", changes)
	conf := filepath.Join(dir, fmt.Sprintf("live-%d-followed", n))
	if err := os.Mkdir(conf, 0o700); err != nil {
		return err
	}
	text = strings.Replace(text, "  ca_file ", "  delta         = true\n  ca_file ", 1)
	if err := os.WriteFile(filepath.Join(conf, "rollcall.hcl"), []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := once(exec.Command(program, "-C", conf, "apply", "--auto-approve"), env); err != nil {
		return err
	}
	people, err := some(server.Connect(host), 1000)
	if host.failed != nil || err != nil {
		return errors.Join(host.failed, err)
	}
	round := 0
	change := func() error {
		c := server.Connect(host)
		if host.failed != nil {
			return host.failed
		}
		defer c.Close()
		round++
		for i := range changes / 2 {
			if err := c.Del(goldap.NewDelRequest(people[0], nil)); err != nil {
				return err
			}
			people = people[1:]
			name := fmt.Sprintf("Newcomer %d-%d", round, i)
			a := goldap.NewAddRequest("CN="+name+",OU=Unit00,OU=Staff,"+corpus.Base, nil)
			a.Attribute("objectClass", []string{"user"})
			a.Attribute("sn", []string{name})
			a.Attribute("sAMAccountName", []string{name})
			a.Attribute("mail", []string{fmt.Sprintf("newcomer.%d.%d@%s", round, i, corpus.Domain)})
			if err := c.Add(a); err != nil {
				return err
			}
		}
		return nil
	}
	plan := func(more ...string) []string {
		return append([]string{program, "-C", conf, "plan", "-o", "json"}, more...)
	}
	if err := inTurn(runs, "the complete one", env, []rival{
		{title: "plan -o json --full", command: plan("--full")},
		{title: "plan -o json of the changes", command: plan(), before: change},
		{title: "plan -o json of nothing", command: plan()},
	}); err != nil {
		return err
	}
	return inTurn(runs, "copying, hashing and syncing the state", env, []rival{
		{title: "copy, hash and sync the state", command: []string{self, "-copy", filepath.Join(conf, stateFile)}, before: change},
		{title: "apply of the changes", command: []string{program, "-C", conf, "apply", "--auto-approve"}},
	})
}

// some returns the names of some people.
func some(c *goldap.Conn, n int) (names []string, err error) {
	defer c.Close()
	result, err := c.Search(goldap.NewSearchRequest("OU=Staff,"+corpus.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, n, 0, false, "(&(objectClass=user)(mail=*))", []string{"1.1"}, nil))
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) {
		return nil, err
	}
	for _, e := range result.Entries {
		names = append(names, e.DN)
	}
	if len(names) == 0 {
		return nil, errors.New("nobody was found")
	}
	return names, nil
}

// copyOnce is the command "copy": what any program does at least that writes the state anew.
func copyOnce(path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(path + ".copy")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name())
	defer to.Close()
	if _, err := io.Copy(io.MultiWriter(to, sha256.New()), from); err != nil {
		return err
	}
	return to.Sync()
}

// rival is a command that is measured beside others.
type rival struct {
	title   string
	command []string
	before  func() error // what happens before it is measured, unless nil
	samples []sample
}

// inTurn runs commands in turn, and prints of each how many times it takes as
// long as the first one, whose name is base.
func inTurn(runs int, base string, env []string, rivals []rival) error {
	debug.FreeOSMemory() // or a command seems to have had what this process has when it begins
	for range runs {
		for i := range rivals {
			r := &rivals[i]
			if r.before != nil {
				if err := r.before(); err != nil {
					return err
				}
			}
			s, err := once(exec.Command(r.command[0], r.command[1:]...), env)
			if err != nil {
				return fmt.Errorf("%s: %w", r.title, err)
			}
			r.samples = append(r.samples, s)
		}
	}
	first := median(rivals[0].samples)
	for i := range rivals {
		m := median(rivals[i].samples)
		show(rivals[i].title, m, fmt.Sprintf("%.2f times %s, %.2f of its processor time", float64(m.wall)/float64(first.wall), base, float64(m.processor)/float64(first.processor)))
	}
	return nil
}

// readOnce is the command "read": it makes entries of what a file or a server
// has, and does nothing with them.
func readOnce() error {
	scopes := []directory.Scope{liveScope()}
	if path := os.Getenv("BENCH_LDIF"); path != "" {
		scopes[0].Filter = staffFilter
		_, err := ldif.New("corp", []string{path}).Read(context.Background(), scopes, directory.NewCollector(scopes), nil)
		return err
	}
	source := ldap.New(ldap.Options{Label: "corp", URLs: []string{os.Getenv("BENCH_URL")}, BindDN: os.Getenv("BENCH_DN"), Password: func() string { return os.Getenv("BENCH_PASSWORD") },
		CAFile: os.Getenv("LDAPTLS_CACERT"), Timeout: time.Minute, PageSize: livePage})
	collector := directory.NewCollector(scopes)
	receipt, err := source.Read(context.Background(), scopes, collector, nil)
	if err == nil && len(collector.Entries()) != receipt.Scanned {
		err = errors.New("not every object is an entry")
	}
	return err
}

// host stands in for a test where servers are started without one.
type host struct {
	cleanups []func()
	failed   error
}

// slapd starts a server that holds the company.
func (h *host) slapd(n int) (s *servertest.Slapd) {
	defer func() {
		if p := recover(); p != nil && p != any(h) {
			panic(p)
		}
	}()
	r, w := io.Pipe()
	go func() { w.CloseWithError(corpus.WriteLDIF(w, n)) }()
	people := bufio.NewReader(r)
	if _, err := people.ReadString('\n'); err != nil { // version: 1
		h.Fatalf("%v", err)
	}
	return servertest.NewSlapd(h, servertest.SlapdOptions{LDIF: io.MultiReader(strings.NewReader(units()), people), Database: []string{"syncprov-sessionlog 100000"}})
}

// units are the organizational units of the company.
func units() string {
	var b strings.Builder
	unit := func(name, base string) {
		fmt.Fprintf(&b, "dn: OU=%s,%s\nobjectClass: top\nobjectClass: organizationalUnit\nou: %s\n\n", name, base, name)
	}
	unit("Staff", corpus.Base)
	for i := range corpus.Units {
		unit(fmt.Sprintf("Unit%02d", i), "OU=Staff,"+corpus.Base)
	}
	return b.String()
}

func (h *host) Helper()                   {}
func (h *host) Cleanup(f func())          { h.cleanups = append(h.cleanups, f) }
func (h *host) Skipf(f string, a ...any)  { h.Fatalf(f, a...) }
func (h *host) Fatalf(f string, a ...any) { h.failed = fmt.Errorf(f, a...); panic(h) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		h.Fatalf("%v", err)
	}
	h.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (h *host) end() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
}

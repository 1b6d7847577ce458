package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/partial"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// followedRules are the rules of a directory that is followed, with all that a plan may
// speak of. The connection is put before it.
const followedRules = `
domain "example.com" {
  aliases = ["example.net"]
}
domain "gmail.com" {
  public    = true
  alias_for = ["example.com"]
}
domain "tenant.com" {
  ignore = true
}
scope "people" {
  directory = directory.corp
  base_dn   = "%[1]s"
  filter    = "(&(objectClass=user)(!(department=none)))"
  domains   = ["example.com"]
  attributes = { department = "department" }
}
scope "lists" {
  directory = directory.corp
  base_dn   = "%[1]s"
  filter    = "(objectClass=group)"
  domains   = ["example.com"]
  on_guid_change = "rebind"
}
scope "nobody" {
  directory = directory.corp
  base_dn   = "%[1]s"
  filter    = "(department=nothing)"
}
protected "roles" {
  reason    = "test"
  addresses = ["person3@example.com", "shared1@example.com"]
}
legal_hold "case" {
  reason    = "test"
  addresses = ["person5@example.com"]
}
limits {
  deactivations = 6
}
`

// branchRules are those of another directory on the same server.
const branchRules = `
scope "branch" {
  directory = directory.branch
  base_dn   = "%s"
  filter    = "(|(objectClass=user)(objectClass=group))"
}
`

// followedWorld is a directory that changes, and a configuration that follows it.
type followedWorld struct {
	*rand.Rand
	dir  string
	base string
	put  func(servertest.Entry)
	drop func(dn string)
	move func(e servertest.Entry, to string) servertest.Entry

	entries []servertest.Entry
	next    int
}

var followedUnits = []string{"OU=A,", "OU=A,", "OU=B,", "OU=Elsewhere,"}

// fresh makes up an object.
func (w *followedWorld) fresh() servertest.Entry {
	w.next++
	e := servertest.Person(w.next)
	unit := followedUnits[w.IntN(len(followedUnits))]
	e.DN = fmt.Sprintf("CN=Person %d,%s%s", w.next, unit, w.base)
	e.Set("objectGUID", fmt.Sprintf("guid%012d", w.next))
	if w.IntN(8) == 0 {
		e.Set("objectClass", "top", "group")
	}
	w.address(&e)
	return e
}

// address gives an object addresses of which others may have some.
func (w *followedWorld) address(e *servertest.Entry) {
	own := e.Get("mail")
	var all []string
	if len(own) > 0 && w.IntN(10) > 0 {
		all = append(all, "SMTP:"+own[0])
	}
	for range w.IntN(3) {
		all = append(all, "smtp:"+[]string{
			fmt.Sprintf("shared%d@example.com", w.IntN(40)), fmt.Sprintf("shared%d@example.net", w.IntN(40)), fmt.Sprintf("person%d@example.com", w.IntN(80)),
			fmt.Sprintf("x%d@gmail.com", w.IntN(20)), fmt.Sprintf("x%d@tenant.com", w.IntN(9)), fmt.Sprintf("x%d@nowhere.com", w.IntN(9)), "not an address",
		}[w.IntN(7)])
	}
	if w.IntN(12) == 0 {
		all = append(all, fmt.Sprintf("SMTP:shared%d@example.com", w.IntN(40)))
	}
	e.Set("proxyAddresses", all...)
}

// change lets something happen in the directory, and says what.
func (w *followedWorld) change() string {
	if len(w.entries) == 0 {
		return w.come()
	}
	i := w.IntN(len(w.entries))
	e := &w.entries[i]
	switch w.IntN(9) {
	case 0:
		return w.come()
	case 1:
		if len(w.entries) < 50 {
			return w.come()
		}
		fallthrough
	case 2:
		w.drop(e.DN)
		dn := e.DN
		w.entries = append(w.entries[:i], w.entries[i+1:]...)
		return "deleted " + dn
	case 3:
		rdn, _, _ := strings.Cut(e.DN, ",")
		*e = w.move(*e, rdn+","+followedUnits[w.IntN(len(followedUnits))]+w.base)
		return "moved " + e.DN
	case 4:
		e.Set("department", []string{"none", "sales", "lab"}[w.IntN(3)])
	case 5:
		e.Set("displayName", fmt.Sprint("Name ", w.IntN(5)))
	case 6:
		e.Set("mail", fmt.Sprintf("person%d@example.com", w.IntN(80)))
	default:
		w.address(e)
	}
	w.put(*e)
	return "changed " + e.DN
}

func (w *followedWorld) come() string {
	e := w.fresh()
	w.put(e)
	w.entries = append(w.entries, e)
	return "added " + e.DN
}

// document is a plan without what is said of its read. A whole one is of a complete read and
// leaves nothing for the next.
func (w *followedWorld) document(t *testing.T, now time.Time, whole bool) (text string, made *plan.Plan) {
	t.Helper()
	var talk bytes.Buffer
	s := &session{ctx: t.Context(), dir: w.dir, stdin: strings.NewReader(""), stdout: &talk, stderr: &talk, now: func() time.Time { return now }}
	defer s.hangUp()
	cfg, err := s.configuration()
	if err != nil {
		t.Fatalf("%v\n%s", err, &talk)
	}
	if whole {
		s.copies = map[string]directory.Source{}
	}
	m, err := s.plan(cfg, reading{AllowEmpty: true}, [plan.Brakes]int{})
	if err != nil {
		t.Fatalf("%v\n%s", err, &talk)
	}
	p := *m.plan
	p.Directories = nil
	for _, r := range m.plan.Directories {
		p.Directories = append(p.Directories, identity.Receipt{Name: r.Name, Entries: r.Entries, PassedOver: r.PassedOver})
	}
	receipt := *p.Console
	receipt.Seconds, receipt.Expiries = 0, nil
	p.Console = &receipt
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String() + talk.String(), m.plan
}

// follow lets so many things happen, and compares after each the plan of what changed with
// that of all.
func (w *followedWorld) follow(t *testing.T, steps int) {
	t.Helper()
	deltas, parts, why := 0, 0, map[string]int{}
	now := time.Now().UTC().Truncate(time.Second)
	for step := range steps {
		var happened []string
		for range 1 + w.IntN(3) {
			happened = append(happened, w.change())
		}
		if w.IntN(6) == 0 {
			happened = append(happened, "applied")
			if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", w.dir, "apply", "--auto-approve", "--allow-empty"); code != exitOK && code != exitWithheld {
				t.Fatalf("step %d: exit code %d\n%s", step, code, talk)
			}
		}
		got, made := w.document(t, now, false)
		want, _ := w.document(t, now, true)
		if got != want {
			t.Fatalf("step %d, after %s: the plan of what has changed is\n%s\nand that of all\n%s", step, strings.Join(happened, ", "), got, want)
		}
		if r := &made.Directories[0]; r.Delta {
			deltas++
		} else {
			why[r.Full]++
		}
		if made.Console.Accounts > made.Sums.Accounts && made.Sums.Accounts > 0 {
			parts++
		}
	}
	t.Logf("%d steps, %d of them deltas, %d planned in part; the others because of %v", steps, deltas, parts, why)
	if deltas < steps*3/4 || parts < steps/2 {
		t.Errorf("%d of %d steps were deltas, and %d planned in part: %v", deltas, steps, parts, why)
	}
}

// configure writes the configuration, with the one directory or with another on its server.
func (w *followedWorld) configure(t *testing.T, directory string, two bool) {
	t.Helper()
	w.dir = t.TempDir()
	text := fmt.Appendf(nil, directory+followedRules, "OU=A,"+w.base)
	if two {
		text = fmt.Appendf(text, strings.Replace(directory, `"corp"`, `"branch"`, 1)+branchRules, "OU=B,"+w.base)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "corp.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// scripted is a world on a scripted domain controller.
func scripted(t *testing.T, seed uint64, people int, two bool) *followedWorld {
	t.Helper()
	s := servertest.NewStub(t, servertest.StubOptions{})
	w := &followedWorld{Rand: rand.New(rand.NewPCG(seed, 7)), base: servertest.Base}
	w.put = func(e servertest.Entry) { s.Put(e) }
	w.drop = s.Delete
	w.move = func(e servertest.Entry, to string) servertest.Entry {
		e.DN = to
		s.Put(e)
		return e
	}
	w.configure(t, fmt.Sprintf(`directory "corp" {
  kind          = "active_directory"
  urls          = [%q]
  bind_dn       = "svc@corp.example.com"
  bind_password = "secret"
  insecure      = true
  delta         = true
}
`, s.URL), two)
	for _, unit := range followedUnits {
		s.Put(servertest.NewEntry(unit+w.base, "objectClass", "top", "objectClass", "organizationalUnit"))
	}
	former := w.fresh() // by which deleted objects are seen to be shown
	s.Put(former)
	s.Delete(former.DN)
	for range people {
		w.come()
	}
	return w
}

// TestFollowed: whatever happens in a directory and to a state, the plan of what has changed
// is that of a complete read.
func TestFollowed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cases(2)) {
		scripted(t, seed, 40, true).follow(t, 40)
	}
}

// TestFollowedSteps: the same in very many steps, without what a command does beside.
func TestFollowedSteps(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cases(8)) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := scripted(t, 1000+seed, 12, seed%8 == 1)
			s := &session{ctx: t.Context(), dir: w.dir, stderr: io.Discard, now: time.Now}
			cfg, err := s.configuration()
			if err != nil {
				t.Fatal(err)
			}
			w.steps(t, s, cfg, 625)
		})
	}
}

// steps lets so many things happen, and compares.
func (w *followedWorld) steps(t *testing.T, s *session, cfg *config.Config, steps int) {
	t.Helper()
	domains := plan.NewDomains(cfg.Rules.Domains)
	var accounts, before []identity.Account
	var base partial.Earlier
	in := plan.Input{Rules: cfg.Rules, Read: cfg.Rules.Directories, Now: time.Now()}
	deltas := 0
	why := map[string]int{}
	for step := range steps {
		for range 1 + w.IntN(3) {
			w.change()
		}
		all, err := s.reader(cfg, in.Read, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Progress = nil
		in.Accounts, in.Count, in.Rest = accounts, true, nil
		if in.Entries, _, err = all.Entries(t.Context()); err != nil {
			t.Fatal(err)
		}
		want, err := plan.Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		r := followed.Reader{Reader: *all, Path: filepath.Join(w.dir, "entries"), All: true, Canonical: domains.Canonical, Now: time.Now}
		read, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := read.Delta(); d != nil {
			deltas++
			world := partial.World{Canonical: domains.Canonical, Kept: d.Find, Touched: d.Touched, Fresh: d.Fresh, Objects: d.Objects,
				Held: func(_ map[uint32]struct{}, each func(identity.Account)) error {
					for _, a := range accounts {
						each(a)
					}
					return nil
				},
				Gone: missing(before, accounts), Come: missing(accounts, before),
			}
			part, err := world.Find(&base, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			rest := in
			rest.Entries, rest.Accounts = nil, nil
			got, err := part.Compute(rest, &base, in.Now)
			if err != nil {
				t.Fatal(err)
			}
			if x, y := planned(t, got), planned(t, want); x != y {
				t.Fatalf("step %d: the plan of what has changed is\n%s\nand that of all\n%s", step, x, y)
			}
		} else {
			why[read.Receipts[0].Full]++
		}
		entries, err := read.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if x, y := sortedEntries(entries.Whole), sortedEntries(in.Entries); x != y {
			t.Fatalf("step %d: what is read is\n%s\nand all is\n%s", step, x, y)
		}
		if _, err := read.Keep(false); err != nil {
			t.Fatal(err)
		}
		if read.ID() == "" || w.IntN(40) == 0 {
			if read.ID() != "" {
				if _, err := read.Keep(true); err != nil {
					t.Fatal(err)
				}
			}
			objects := read.Objects()
			in.Entries = entries.Whole
			made, err := plan.Compute(in)
			if err != nil {
				t.Fatal(err)
			}
			before, base = slices.Clone(accounts), partial.Earlier{Sums: made.Sums}
			for _, i := range made.Spoken.Entries {
				base.Objects = append(base.Objects, objects[i])
			}
			for _, a := range made.Spoken.Accounts {
				base.Primaries = append(base.Primaries, accounts[a].Primary)
			}
		}
		read.Close()
		if w.IntN(6) == 0 {
			accounts = after(accounts, want)
		}
	}
	if deltas < steps*3/4 {
		t.Errorf("%d of %d steps were deltas: %v", deltas, steps, why)
	}
}

// planned is a plan as a text.
func planned(t *testing.T, p *plan.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String() + fmt.Sprint(p.Active, p.Ignored, p.IgnoredObjects, p.Ambiguities(), p.WithoutAccount)
}

func sortedEntries(entries []identity.Entry) string {
	var lines []string
	for i := range entries {
		lines = append(lines, fmt.Sprintf("%+v", entries[i]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// missing are the accounts that others are without.
func missing(accounts, others []identity.Account) (all []identity.Account) {
	for i := range accounts {
		if !slices.ContainsFunc(others, func(b identity.Account) bool { return b.Equal(&accounts[i]) }) {
			all = append(all, accounts[i])
		}
	}
	return all
}

// after are accounts after what is planned of them.
func after(accounts []identity.Account, p *plan.Plan) (all []identity.Account) {
	results := map[identity.Address]*identity.Account{}
	changed := map[identity.Address]bool{}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		if c.Before != nil {
			changed[c.Before.Primary] = true
		}
		if a := c.Result(); a != nil {
			results[a.Primary] = a
		}
	}
	for _, a := range accounts {
		if !changed[a.Primary] {
			all = append(all, a)
		}
	}
	for _, a := range results {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	return all
}

// onServer is a world on a real server, whose objects have the attributes that change.
func onServer(t *testing.T, c *goldap.Conn, seed uint64, base, suffix string, more func(n int, e *servertest.Entry)) *followedWorld {
	t.Helper()
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &followedWorld{Rand: rand.New(rand.NewPCG(seed, 8)), base: base}
	for _, unit := range []string{"OU=A,", "OU=B,", "OU=Elsewhere,"} {
		add := goldap.NewAddRequest(unit+base, nil)
		add.Attribute("objectClass", []string{"organizationalUnit"})
		try(c.Add(add))
	}
	there := map[string]bool{}
	w.put = func(e servertest.Entry) {
		changing, class := []string{"mail", "proxyAddresses", "displayName", "department"}, "user"
		if slices.Contains(e.Get("objectClass"), "group") {
			changing, class = changing[:3], "group"
		}
		if there[e.DN] {
			m := goldap.NewModifyRequest(e.DN, nil)
			for _, name := range changing {
				m.Replace(name, distinct(e.Get(name)))
			}
			try(c.Modify(m))
			return
		}
		there[e.DN] = true
		made := servertest.NewEntry(e.DN, "objectClass", class)
		more(w.next, &made)
		add := goldap.NewAddRequest(e.DN, nil)
		for _, a := range made.Attributes {
			add.Attribute(a.Name, a.Values)
		}
		for _, name := range changing {
			if values := distinct(e.Get(name)); len(values) > 0 {
				add.Attribute(name, values)
			}
		}
		try(c.Add(add))
	}
	w.drop = func(dn string) {
		delete(there, dn)
		try(c.Del(goldap.NewDelRequest(dn, nil)))
	}
	w.move = func(e servertest.Entry, to string) servertest.Entry {
		rdn, parent, _ := strings.Cut(to, ",")
		try(c.ModifyDN(goldap.NewModifyDNRequest(e.DN, rdn, true, parent)))
		delete(there, e.DN)
		there[to], e.DN = true, to
		return e
	}
	w.configure(t, suffix, true)
	former := w.fresh()
	w.put(former)
	w.drop(former.DN)
	for range 40 {
		w.come()
	}
	return w
}

// distinct are values each once, whose letter case does not count.
func distinct(values []string) (all []string) {
	for _, v := range values {
		if !slices.ContainsFunc(all, func(x string) bool { return strings.EqualFold(x, v) }) {
			all = append(all, v)
		}
	}
	return all
}

// TestFollowedOpenLDAP is TestFollowed on an OpenLDAP server.
func TestFollowedOpenLDAP(t *testing.T) {
	t.Parallel()
	s := servertest.NewSlapd(t, servertest.SlapdOptions{Database: []string{"syncprov-sessionlog 10000"}})
	w := onServer(t, s.Connect(t), 1, servertest.Base, fmt.Sprintf(`directory "corp" {
  kind          = "ldap"
  urls          = [%q]
  ca_file       = %q
  bind_dn       = %q
  bind_password = %q
  delta         = true
}
`, s.LDAPS, s.CA.File, s.Admin, servertest.Password), func(_ int, e *servertest.Entry) {
		if e.Get("objectClass")[0] == "user" {
			e.Set("sn", "x")
		}
	})
	w.follow(t, cases(25))
}

// TestFollowedSamba is TestFollowed on a domain controller of Samba. make attack runs it.
func TestFollowedSamba(t *testing.T) {
	if os.Getenv("ROLLCALL_ATTACK") == "" {
		t.Skip("make attack")
	}
	t.Parallel()
	d := servertest.NewSamba(t, servertest.SambaOptions{})
	w := onServer(t, d.Connect(t), 2, servertest.Base, fmt.Sprintf(`directory "corp" {
  kind          = "active_directory"
  urls          = [%q]
  ca_file       = %q
  bind_dn       = %q
  bind_password = %q
  delta         = true
}
`, d.LDAPS, d.CA.File, d.Admin, servertest.Password), func(n int, e *servertest.Entry) {
		e.Set("sAMAccountName", fmt.Sprint("someone", n))
		if e.Get("objectClass")[0] == "user" {
			e.Set("userAccountControl", "544")
		}
	})
	w.follow(t, 300)
}

// kept are the files of a folder, by name.
func kept(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Type().IsRegular() {
			if all[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// keeps are the files that are kept of a followed directory.
var keeps = []string{"rollcall.state.entries", "rollcall.state.base"}

// editByHand gives an account of a state another name, and the file the checksum that fits.
func editByHand(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(st.Accounts, func(a identity.Account) bool { return a.Active() && !a.Local() })
	st.Accounts[n].Username += "-edited"
	var b bytes.Buffer
	if err := st.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFollowedCaches: whatever lies in the place of what was kept, be it old, of another
// time than the rest, damaged or not there, the plan is that of a complete read.
func TestFollowedCaches(t *testing.T) {
	t.Parallel()
	w := scripted(t, 5, 25, true)
	apply := func() {
		t.Helper()
		if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", w.dir, "apply", "--auto-approve", "--allow-empty"); code != exitOK && code != exitWithheld {
			t.Fatalf("exit code %d\n%s", code, talk)
		}
	}
	apply()
	now := time.Now().UTC().Truncate(time.Second)
	var times []map[string][]byte
	for range 3 {
		for range 4 {
			w.change()
		}
		apply()
		for _, name := range keeps { // so that they are made anew
			os.Remove(filepath.Join(w.dir, name))
		}
		w.document(t, now, false)
		times = append(times, kept(t, w.dir))
	}
	w.change()
	want, _ := w.document(t, now, true)
	put := func(files map[string][]byte) {
		t.Helper()
		for _, name := range keeps {
			os.Remove(filepath.Join(w.dir, name))
			if files[name] == nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(w.dir, name), files[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(what string, delta bool) {
		t.Helper()
		for range 2 { // what is made anew is of use, too
			got, made := w.document(t, now, false)
			if got != want {
				t.Fatalf("%s: the plan is\n%s\nand that of all\n%s", what, got, want)
			}
			if made.Directories[0].Delta != delta {
				t.Errorf("%s: delta is %t: %s", what, made.Directories[0].Delta, made.Directories[0].Full)
			}
			delta = true
		}
	}
	for i, old := range times {
		put(old)
		check(fmt.Sprint("kept at time ", i), true)
		for j, other := range times {
			put(map[string][]byte{keeps[0]: old[keeps[0]], keeps[1]: other[keeps[1]]})
			check(fmt.Sprintf("entries of time %d and base of %d", i, j), true)
		}
	}
	put(nil)
	check("nothing kept", false)
	editByHand(t, filepath.Join(w.dir, "rollcall.state.jsonl"))
	before := kept(t, w.dir)
	want, _ = w.document(t, now, true)
	put(before)
	if !strings.Contains(want, "-edited") {
		t.Error("the edit is not seen")
	}
	check("a state that was edited by hand, with the right checksum", true)
	last := times[len(times)-1]
	for _, name := range keeps {
		whole := last[name]
		for range cases(15) {
			i := w.IntN(len(whole))
			for what, b := range map[string][]byte{"cut": whole[:i], "changed": append(append(slices.Clone(whole[:i]), whole[i]^1<<w.IntN(8)), whole[i+1:]...), "empty": make([]byte, i)} {
				put(map[string][]byte{keeps[0]: last[keeps[0]], keeps[1]: last[keeps[1]], name: b})
				if got, _ := w.document(t, now, false); got != want {
					t.Fatalf("%s %s at %d: the plan is\n%s\nand that of all\n%s", name, what, i, got, want)
				}
			}
		}
	}
	for _, name := range keeps {
		if info, err := os.Stat(filepath.Join(w.dir, name)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

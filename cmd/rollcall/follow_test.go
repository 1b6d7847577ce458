package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
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
	case 0, 1:
		return w.come()
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
	m, err := s.plan(cfg, reading{}, [plan.Brakes]int{})
	if err != nil {
		t.Fatalf("%v\n%s", err, &talk)
	}
	p := *m.plan
	p.Directories = []identity.Receipt{{Name: "corp", Entries: p.Directories[0].Entries}}
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
			if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", w.dir, "apply", "--auto-approve"); code != exitOK && code != exitWithheld {
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
		if made.Sums.Accounts > 0 && len(made.Accounts) >= 0 && made.Spoken.Entries != nil {
			parts++
		}
	}
	t.Logf("%d steps, %d of them deltas; the others because of %v", steps, deltas, why)
	if deltas < steps*3/4 {
		t.Errorf("%d of %d steps were deltas: %v", deltas, steps, why)
	}
}

func (w *followedWorld) configure(t *testing.T, directory string) {
	t.Helper()
	w.dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(w.dir, "corp.hcl"), fmt.Appendf(nil, directory+followedRules, "OU=A,"+w.base), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFollowed: whatever happens in a directory, the plan of what has changed is that of a
// complete read.
func TestFollowed(t *testing.T) {
	t.Parallel()
	s := servertest.NewStub(t, servertest.StubOptions{})
	w := &followedWorld{Rand: rand.New(rand.NewPCG(7, 7)), base: servertest.Base}
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
`, s.URL))
	former := w.fresh()
	s.Put(former)
	s.Delete(former.DN)
	for range 40 {
		w.come()
	}
	w.follow(t, cases(100))
}

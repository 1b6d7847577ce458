package ldap

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// picture is a sink that keeps what each object has, by its key.
type picture struct {
	t       *testing.T
	numbers []identity.GUID
	objects map[identity.GUID]string
}

func newPicture(t *testing.T) *picture {
	return &picture{t, nil, map[identity.GUID]string{}}
}

func (p *picture) Put(scope int, o directory.Object) error {
	p.numbers = append(p.numbers, o.(directory.Keyed).Key())
	return p.Replace(len(p.numbers)-1, scope, o)
}

func (p *picture) Replace(n, scope int, o directory.Object) error {
	if o == nil {
		delete(p.objects, p.numbers[n])
		return nil
	}
	if key := o.(directory.Keyed).Key(); key != p.numbers[n] {
		p.t.Errorf("object %d was %s and is %s", n, p.numbers[n], key)
	}
	lines := []string{fmt.Sprintf("scope %d, %s", scope, o.DN())}
	for name, values := range o.Attributes() {
		for _, v := range values {
			lines = append(lines, fmt.Sprintf("%s: %q", strings.ToLower(name), v))
		}
	}
	slices.Sort(lines[1:])
	p.objects[p.numbers[n]] = strings.Join(lines, "\n  ")
	return nil
}

func (p *picture) Reset() error {
	p.numbers, p.objects = nil, map[identity.GUID]string{}
	return nil
}

// followed is a directory, as a complete read had it.
type followed struct {
	t       *testing.T
	options Options
	scopes  []directory.Scope
	full    *picture
	receipt identity.Receipt
	most    int
}

// follow reads the scopes completely.
func follow(t *testing.T, o Options, scopes ...directory.Scope) *followed {
	t.Helper()
	o.FullEvery = time.Hour
	f := &followed{t: t, options: o, scopes: scopes, most: 1000}
	f.full, f.receipt = f.read()
	return f
}

func (f *followed) read() (*picture, identity.Receipt) {
	f.t.Helper()
	p := newPicture(f.t)
	receipt, err := New(f.options).Read(f.t.Context(), f.scopes, p, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return p, receipt
}

// delta follows, and returns the complete read with what changed.
func (f *followed) delta() (map[identity.GUID]string, identity.Receipt, []identity.GUID, error) {
	f.t.Helper()
	p := newPicture(f.t)
	has := func(keys []identity.GUID) (map[identity.GUID]bool, error) {
		had := map[identity.GUID]bool{}
		for _, g := range keys {
			if _, ok := f.full.objects[g]; ok {
				had[g] = true
			}
		}
		return had, nil
	}
	receipt, touched, err := New(f.options).Follow(f.t.Context(), f.scopes, directory.Since{Mark: f.receipt.Mark, Has: has, Most: f.most}, p, nil)
	if err != nil {
		return nil, receipt, nil, err
	}
	objects := maps.Clone(f.full.objects)
	for _, g := range touched {
		delete(objects, g)
	}
	for g, values := range p.objects {
		if !slices.Contains(touched, g) {
			f.t.Errorf("%s was given and is not among the touched", g)
		}
		objects[g] = values
	}
	return objects, receipt, touched, nil
}

// same checks that following gives what a complete read does.
func (f *followed) same(story string) (receipt identity.Receipt, touched []identity.GUID) {
	f.t.Helper()
	if f.receipt.Mark == "" {
		f.t.Fatalf("%s: no mark: %s", story, f.receipt.Full)
	}
	got, receipt, touched, err := f.delta()
	if err != nil {
		f.t.Fatalf("%s: %v", story, err)
	}
	want, _ := f.read()
	if !maps.Equal(got, want.objects) {
		for g := range want.objects {
			if got[g] != want.objects[g] {
				f.t.Errorf("%s: %s: got %s, want %s", story, g, got[g], want.objects[g])
			}
		}
		for g := range got {
			if _, ok := want.objects[g]; !ok {
				f.t.Errorf("%s: %s: got %s, want none", story, g, got[g])
			}
		}
		f.t.FailNow()
	}
	if !receipt.Delta || !receipt.Complete || receipt.Mark != "" || receipt.Server != f.options.URLs[0] {
		f.t.Errorf("%s: receipt %+v", story, receipt)
	}
	return receipt, touched
}

// refuses checks that following says why it is not possible.
func (f *followed) refuses(story, why string) {
	f.t.Helper()
	_, _, _, err := f.delta()
	var not *directory.NotFollowedError
	if !errors.As(err, &not) || !strings.Contains(not.Why, why) {
		f.t.Errorf("%s: got %v, want %q", story, err, why)
	}
}

// openLDAP is an OpenLDAP server with people in two units.
type openLDAP struct {
	*servertest.Slapd
	t *testing.T
	c *goldap.Conn
	n int
}

func startOpenLDAP(t *testing.T, database ...string) *openLDAP {
	t.Helper()
	s := &openLDAP{Slapd: servertest.NewSlapd(t, servertest.SlapdOptions{Database: database}), t: t}
	s.c = s.Connect(t)
	for _, ou := range []string{"a", "b", "elsewhere"} {
		s.unit("ou=" + ou + "," + servertest.Base)
	}
	s.unit("ou=inner,ou=a," + servertest.Base)
	for range 4 {
		s.person("ou=a,")
		s.person("ou=b,")
	}
	s.person("ou=inner,ou=a,")
	return s
}

func (s *openLDAP) unit(dn string) {
	s.t.Helper()
	add(s.t, s.c, "entryUUID", dn, "objectClass", "organizationalUnit")
}

func (s *openLDAP) person(below string) string {
	s.t.Helper()
	s.n++
	dn := fmt.Sprintf("cn=p%d,%s%s", s.n, below, servertest.Base)
	add(s.t, s.c, "entryUUID", dn, "objectClass", "user", "sn", "x", "mail", fmt.Sprintf("p%d@example.com", s.n))
	return dn
}

func (s *openLDAP) modify(dn, attribute string, values ...string) {
	s.t.Helper()
	m := goldap.NewModifyRequest(dn, nil)
	m.Replace(attribute, values)
	try(s.t, s.c.Modify(m))
}

// move renames an object, and moves it unless to is "".
func (s *openLDAP) move(dn, rdn, to string) string {
	s.t.Helper()
	try(s.t, s.c.ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, to)))
	if to == "" {
		to = identity.ParentDN(dn)
	}
	return rdn + "," + to
}

func (s *openLDAP) remove(dn string) {
	s.t.Helper()
	try(s.t, s.c.Del(goldap.NewDelRequest(dn, nil)))
}

func (s *openLDAP) restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
	s.c = s.Connect(s.t)
}

// reconfigure restarts the server with other lines in its configuration, old and new
// in pairs.
func (s *openLDAP) reconfigure(pairs ...string) {
	s.t.Helper()
	path := filepath.Join(filepath.Dir(s.Log), "slapd.conf")
	conf, err := os.ReadFile(path)
	try(s.t, err)
	changed := strings.NewReplacer(pairs...).Replace(string(conf))
	if changed == string(conf) {
		s.t.Fatalf("%q is not in the configuration", pairs)
	}
	try(s.t, os.WriteFile(path, []byte(changed), 0o600))
	s.restart()
}

func (s *openLDAP) options() Options {
	return Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 5}
}

// units are scopes of the two units, the first of which takes active people alone.
func units() []directory.Scope {
	scope := func(name, base string) directory.Scope {
		return directory.Scope{Name: name, Base: base + servertest.Base, Filter: "(&(objectClass=user)(!(department=none)))", PrimaryAttribute: "mail",
			AliasAttributes: []string{"proxyAddresses"}, Type: directory.Users, SkipDisabled: true}
	}
	return []directory.Scope{scope("inner", "ou=inner,ou=a,"), scope("b", "ou=b,"), scope("a", "ou=a,")}
}

func (s *openLDAP) people() (dns []string) {
	s.t.Helper()
	result, err := s.c.Search(goldap.NewSearchRequest(servertest.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=user)", []string{"1.1"}, nil))
	try(s.t, err)
	for _, e := range result.Entries {
		dns = append(dns, e.DN)
	}
	slices.Sort(dns)
	return dns
}

func TestFollowOpenLDAP(t *testing.T) {
	t.Parallel()
	s := startOpenLDAP(t, "syncprov-sessionlog 1000")
	f := follow(t, s.options(), units()...)
	if f.receipt.Full != "" {
		t.Fatal(f.receipt.Full)
	}
	if _, touched := f.same("nothing changed"); len(touched) != 0 {
		t.Errorf("touched %v", touched)
	}
	s.person("ou=elsewhere,")
	if _, touched := f.same("changes elsewhere"); len(touched) != 0 {
		t.Errorf("touched %v", touched)
	}
	s.modify("ou=a,"+servertest.Base, "description", "changed")
	f.same("a container with the same name")
	old := s.people()[0]
	s.remove(old)
	add(t, s.c, "entryUUID", old, "objectClass", "user", "sn", "x", "mail", "again@example.com")
	f.same("deleted and added again")

	random := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		for range 1 + random.IntN(6) {
			people := s.people()
			dn := people[random.IntN(len(people))]
			to := []string{"ou=a,", "ou=b,", "ou=inner,ou=a,", "ou=elsewhere,"}[random.IntN(4)]
			rdn, _, _ := strings.Cut(dn, ",")
			switch random.IntN(8) {
			case 0:
				s.person(to)
			case 1:
				s.remove(dn)
			case 2, 3:
				s.move(dn, rdn, to+servertest.Base)
			case 4:
				s.n++
				s.move(dn, fmt.Sprintf("cn=renamed %d", s.n), "")
			case 5:
				s.modify(dn, "mail", []string{}...)
			case 6:
				s.modify(dn, "department", []string{"none", "some"}[random.IntN(2)])
			case 7:
				s.modify(dn, "userAccountControl", []string{"512", "514"}[random.IntN(2)])
				s.modify(dn, "mail", fmt.Sprintf("new%d@example.com", random.IntN(1000)))
			}
		}
		f.same("random changes")
	}
	// Objects below others, which are no containers otherwise.
	dn := s.person("ou=a,")
	add(t, s.c, "entryUUID", "cn=phone,"+dn, "objectClass", "device")
	f.full, f.receipt = f.read()
	s.modify(dn, "mail", "parent@example.com")
	f.same("a person with something below")

	f.most = 0
	f.refuses("many changes", "more than 0 objects changed")
	f.most = 1000

	f.options.BindDN = s.Admin // whose searches have no limit
	f.refuses("another account", "somebody else logs in")
	f.full, f.receipt = f.read()
	f.same("an account without limits")
	f.options.BindDN = s.Reader
	f.full, f.receipt = f.read()
	for range 300 {
		s.modify(s.people()[0], "mail", "many@example.com")
	}
	f.same("many changes of one")

	s.restart() // the log is kept in memory
	f.refuses("a lost session log", "the server no longer knows what was deleted")
	f = follow(t, s.options(), units()...)
	f.same("nothing changed after the restart")
	s.person("ou=a,")
	f.same("a new log")

	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1050 * time.Millisecond))) // times of creation are in seconds
	s.unit("ou=sub,ou=b," + servertest.Base)
	s.person("ou=sub,ou=b,")
	f.same("a new container")
	f.full, f.receipt = f.read()
	sub := s.move("ou=sub,ou=b,"+servertest.Base, "ou=renamed", "")
	f.refuses("a renamed container", "was renamed, moved or deleted")
	sub = s.move(sub, "ou=sub", "ou=elsewhere,"+servertest.Base)
	f.refuses("a container that left", "was renamed, moved or deleted")
	s.move(sub, "ou=sub", "ou=b,"+servertest.Base)
	f.same("and came back")
	s.move("ou=inner,ou=a,"+servertest.Base, "ou=core", "")
	f.refuses("a renamed base", "is not what it was")
	s.unit("ou=inner,ou=a," + servertest.Base)
	f.refuses("another base of the name", "is not what it was")
	s.remove("ou=inner,ou=a," + servertest.Base)
	s.move("ou=core,ou=a,"+servertest.Base, "ou=inner", "")
	f.same("the base again")
	s.unit("ou=full,ou=elsewhere," + servertest.Base)
	s.person("ou=full,ou=elsewhere,")
	f.same("another container elsewhere")
	s.move("ou=full,ou=elsewhere,"+servertest.Base, "ou=full", "ou=b,"+servertest.Base)
	f.refuses("a container that comes into a scope", "may have changed")
	s.move("ou=full,ou=b,"+servertest.Base, "ou=full", "ou=elsewhere,"+servertest.Base)
	f.same("and goes again")
}

// What a server does not say for certain is not followed.
func TestNotFollowedOpenLDAP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		database []string
		why      string
	}{
		{nil, "the server no longer knows what was deleted"},
		{[]string{"syncprov-sessionlog 2"}, "the server no longer knows what was deleted"},
		{[]string{"syncprov-nopresent TRUE"}, "the server does not tell what was deleted"},
		{[]string{"syncprov-reloadhint TRUE"}, "the server no longer knows what was deleted"},
		{[]string{"syncprov-reloadhint TRUE", "syncprov-nopresent TRUE", "syncprov-sessionlog 2"}, "the server no longer knows what was deleted"},
	} {
		s := startOpenLDAP(t, c.database...)
		s.restart() // a log from the first entry on says nothing of what was before
		f := follow(t, s.options(), units()...)
		for _, dn := range s.people()[:5] {
			s.remove(dn)
		}
		if f.receipt.Mark == "" { // known from the beginning
			if !strings.Contains(f.receipt.Full, c.why) {
				t.Errorf("%q: %s", c.database, f.receipt.Full)
			}
			continue
		}
		f.refuses(strings.Join(c.database, ", "), c.why)
	}
}

func isRefused(err error) bool { return errors.As(err, new(*directory.RefusedError)) }

// A search that asks for what changed has no pages, and the limit of others.
func TestFollowSizeLimit(t *testing.T) {
	t.Parallel()
	s := &openLDAP{Slapd: servertest.NewSlapd(t, servertest.SlapdOptions{Database: []string{"syncprov-sessionlog 1000"},
		ReaderLimits: "size.soft=5 size.hard=5 size.pr=1000 size.prtotal=unlimited"}), t: t}
	s.c = s.Connect(t)
	s.unit("ou=a," + servertest.Base)
	s.person("ou=a,")
	f := follow(t, s.options(), units()[2])
	for range 5 {
		s.person("ou=a,")
	}
	f.same("as many as may be")
	s.person("ou=a,")
	f.refuses("one more", "limit")
}

// Whoever moves between scopes while they are followed is never gone.
func TestFollowOpenLDAPDuringChanges(t *testing.T) {
	t.Parallel()
	s := startOpenLDAP(t, "syncprov-sessionlog 100000")
	f := follow(t, s.options(), units()...)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c, random := s.Connect(t), rand.New(rand.NewPCG(7, 8))
		people := s.people()
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			i := random.IntN(len(people))
			rdn, _, _ := strings.Cut(people[i], ",")
			to := []string{"ou=a,", "ou=b,", "ou=inner,ou=a,"}[random.IntN(3)] + servertest.Base
			if err := c.ModifyDN(goldap.NewModifyDNRequest(people[i], rdn, true, to)); err != nil {
				t.Error(err)
				return
			}
			people[i] = rdn + "," + to
		}
	}()
	gone := 0
	for range 30 {
		got, _, _, err := f.delta()
		switch {
		case errors.As(err, new(*directory.NotFollowedError)) && (strings.Contains(err.Error(), "again and again") || strings.Contains(err.Error(), "one entryUUID")):
			gone++
		case err != nil || len(got) != len(f.full.objects):
			t.Errorf("got %d of %d objects, %v", len(got), len(f.full.objects), err)
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d of 30 not followed", gone)
	f.same("in the end")
}

// Whom the account may not see any more is gone, as in a complete read.
func TestFollowHidden(t *testing.T) {
	t.Parallel()
	hidden := func(what string) string {
		return "to " + what + ` by dn.exact="cn=reader,` + servertest.Base + `" none by * read`
	}
	s := &openLDAP{Slapd: servertest.NewSlapd(t, servertest.SlapdOptions{Database: []string{"syncprov-sessionlog 1000"},
		Access: []string{hidden(`dn.subtree="ou=trash,` + servertest.Base + `"`), hidden(`filter="(department=hidden)"`)}}), t: t}
	s.c = s.Connect(t)
	s.unit("ou=a," + servertest.Base)
	s.unit("ou=trash," + servertest.Base)
	one, two := s.person("ou=a,"), s.person("ou=a,")
	s.person("ou=a,")
	f := follow(t, s.options(), units()[2])
	s.move(one, "cn=moved", "ou=trash,"+servertest.Base)
	f.same("moved to where nothing can be read")
	s.modify(two, "department", "hidden")
	if _, touched := f.same("hidden by its own value"); len(touched) != 2 {
		t.Errorf("touched %v", touched)
	}
	s.modify(two, "department", "seen")
	f.same("seen again")
}

// Changes of several servers are counted apart, and those of glued databases together
// if the overlay glue comes first.
func TestFollowSeveral(t *testing.T) {
	t.Parallel()
	s := startOpenLDAP(t, "syncprov-sessionlog 1000")
	f := follow(t, s.options(), units()...)
	s.reconfigure("loglevel none\n", "loglevel none\nserverID 7\n")
	s.person("ou=a,")
	f.refuses("a new writer", "come from other servers than before")
	f.full, f.receipt = f.read()
	if !strings.Contains(f.receipt.Identity, "#007#") || !strings.Contains(f.receipt.Identity, "#000#") {
		t.Errorf("contextCSN %s", f.receipt.Identity)
	}
	s.person("ou=a,")
	s.remove(s.people()[1])
	s.modify(s.people()[1], "mail", "new@example.com")
	f.same("two writers")

	sub := "ou=b," + servertest.Base
	for _, dn := range s.people() {
		if strings.HasSuffix(strings.ToLower(dn), ",ou=b,"+strings.ToLower(servertest.Base)) {
			s.remove(dn)
		}
	}
	s.remove(sub)
	dir := filepath.Join(filepath.Dir(s.Log), "sub")
	try(t, os.Mkdir(dir, 0o700))
	s.reconfigure("database mdb\n", fmt.Sprintf("database mdb\nsuffix %q\nsubordinate\nrootdn %q\ndirectory %q\nindex entryUUID,entryCSN eq\nlimits dn.exact=%q size=unlimited\n\ndatabase mdb\n", sub, s.Admin, dir, s.Reader),
		"overlay syncprov\n", "overlay glue\noverlay syncprov\n")
	s.unit(sub)
	s.person("ou=b,")
	s.person("ou=b,")
	whole := units()[2:]
	whole[0].Base = servertest.Base
	f = follow(t, s.options(), whole...)
	person := s.person("ou=b,")
	s.modify(s.people()[0], "mail", "new@example.com")
	f.same("glued databases")
	s.remove(person)
	f.same("a deletion in one")
	s.reconfigure("overlay glue\n", "")
	f.full, f.receipt = f.read()
	s.remove(s.person("ou=b,"))
	f.refuses("databases glued above the overlay", "without its state")
	const refused = "the server does not know a control that the search needs"
	f.scopes = units()[1:2]
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, refused) {
		t.Errorf("receipt %+v", receipt)
	}

	s.reconfigure("overlay syncprov\n", "", "syncprov-sessionlog 1000\n", "")
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, refused) {
		t.Errorf("receipt %+v", receipt)
	}
}

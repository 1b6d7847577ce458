package ldap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// departments are scopes of units of the stub, one of which is in another.
func departments() []directory.Scope {
	var scopes []directory.Scope
	for i, base := range []string{"OU=Inner,OU=A,", "OU=B,", "OU=A,"} {
		s := staff()
		s.Name, s.Base, s.Index, s.SkipDisabled = fmt.Sprint("s", i), base+servertest.Base, int32(i), true
		s.Filter = "(&(objectClass=user)(!(department=none)))"
		scopes = append(scopes, s)
	}
	return scopes
}

// byNumber makes up a person with a GUID of its own, below a part of a DN.
func byNumber(n int, below string) servertest.Entry {
	e := servertest.Person(n)
	e.DN = fmt.Sprintf("CN=Person %d,%s%s", n, below, servertest.Base)
	e.Set("objectGUID", fmt.Sprintf("guid%012d", n))
	return e
}

var places = []string{"OU=Inner,OU=A,", "OU=A,", "OU=B,", "OU=Sub,OU=B,", "OU=Elsewhere,"}

// people puts so many persons into all places, and one that is deleted at once.
func people(s *servertest.Stub, n int) {
	former := byNumber(999, "OU=A,")
	s.Put(former)
	s.Delete(former.DN)
	for i := range n {
		s.Put(byNumber(i, places[i%len(places)]))
	}
}

// After any changes, what a complete read had and what changed since is what a
// complete read has.
func TestFollowRandomChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := servertest.NewStub(t, servertest.StubOptions{PageSize: 7, ValRange: 7})
	people(s, 40)
	o := optionsOf(s)
	o.URLs = []string{s.URL} // which is faster
	f := follow(t, o, departments()...)
	next, all := 40, map[int]servertest.Entry{}
	for i := range 40 {
		all[i] = byNumber(i, places[i%len(places)])
	}
	for range 36 {
		for range random.IntN(120) {
			var n int
			for n = range all {
				if random.IntN(4) == 0 {
					break
				}
			}
			e := all[n]
			switch random.IntN(9) {
			case 0:
				n, next = next, next+1
				e = byNumber(n, places[random.IntN(len(places))])
			case 1:
				if len(all) > 10 {
					s.Delete(e.DN)
					delete(all, n)
				}
				continue
			case 2, 3:
				e.DN = byNumber(n, places[random.IntN(len(places))]).DN
			case 4:
				e.DN = fmt.Sprintf("CN=Renamed %d %d,%s", n, random.IntN(100), identity.ParentDN(e.DN))
			case 5:
				e.Set("mail")
				e.Set("proxyAddresses")
			case 6:
				e.Set("department", []string{"none", "some"}[random.IntN(2)])
			case 7:
				e.Set("userAccountControl", []string{"512", "514"}[random.IntN(2)])
			case 8:
				var values []string
				for range random.IntN(12) {
					values = append(values, fmt.Sprintf("smtp:n%d@example.com", random.IntN(1000)))
				}
				slices.Sort(values)
				e.Set("proxyAddresses", slices.Compact(values)...)
			}
			all[n] = e
			s.Put(e)
		}
		f.same("random changes")
		if random.IntN(5) == 0 {
			f.full, f.receipt = f.read()
		}
	}
}

// Objects that change while they are followed are taken as they are in the end, and
// none is taken for gone that moved.
func TestFollowDuringChanges(t *testing.T) {
	var left shared[int]
	inside := rand.New(rand.NewPCG(5, 6))
	var s *servertest.Stub
	s = servertest.NewStub(t, servertest.StubOptions{PageSize: 5, Answer: func(a *servertest.Answer) {
		left.mu.Lock()
		defer left.mu.Unlock()
		if a.PageSize == 0 || left.value == 0 {
			return
		}
		left.value--
		e := byNumber(inside.IntN(30), places[inside.IntN(len(places))])
		e.Set("displayName", fmt.Sprint("changed ", left.value))
		s.Put(e)
	}})
	people(s, 30)
	f := follow(t, optionsOf(s), departments()...)
	random := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		left.set(random.IntN(12))
		e := byNumber(random.IntN(30), places[random.IntN(len(places))])
		s.Put(e)
		f.same("changes meanwhile")
	}
}

// An object that is never where it is looked for is not gone.
func TestFollowOnTheMove(t *testing.T) {
	var s *servertest.Stub
	var moving shared[bool]
	s = servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if !moving.get() || a.PageSize == 0 || !ofScope(a) {
			return
		}
		for _, unit := range []string{"OU=A,", "OU=B,"} {
			if strings.HasPrefix(a.Base, unit) {
				s.Put(byNumber(7, unit))
			}
		}
	}})
	people(s, 6)
	s.Put(byNumber(7, "OU=A,"))
	f := follow(t, optionsOf(s), departments()...)
	moving.set(true)
	s.Put(byNumber(7, "OU=A,"))
	f.refuses("on the move", "changed again and again")
	moving.set(false)
	f.same("at rest")
}

func TestFollowContainers(t *testing.T) {
	s := servertest.NewStub(t, servertest.StubOptions{})
	people(s, 10)
	s.Put(byNumber(20, "OU=Deep,OU=Elsewhere,"))
	system := servertest.NewEntry("CN=System Objects,OU=B,"+servertest.Base, "objectClass", "msExchSystemObjectsContainer", "objectGUID", "fedcba9876543210")
	s.Put(system, byNumber(30, "CN=System Objects,OU=B,"))
	f := follow(t, optionsOf(s), departments()...)
	f.same("nothing changed")
	s.Put(byNumber(21, "OU=New,OU=B,"))
	f.same("a new container")
	s.Put(servertest.NewEntry("OU=Sub,OU=B,"+servertest.Base, "objectClass", "organizationalUnit", "description", "changed"))
	f.same("a container with the same name")
	s.Rename("OU=Sub,OU=B,"+servertest.Base, "OU=Other,OU=B,"+servertest.Base)
	f.refuses("a renamed container", "was renamed or moved")
	s.Rename("OU=Other,OU=B,"+servertest.Base, "OU=Sub,OU=B,"+servertest.Base)
	f.same("renamed back")
	s.Rename("OU=Deep,OU=Elsewhere,"+servertest.Base, "OU=Deep,OU=A,"+servertest.Base)
	f.refuses("a container that came", "was renamed or moved")
	s.Rename("OU=Deep,OU=A,"+servertest.Base, "OU=Deeper,OU=Elsewhere,"+servertest.Base)
	f.same("a container elsewhere")
	s.Put(system)
	f.same("a container of another class with the same name")
	s.Rename(system.DN, "CN=System,OU=B,"+servertest.Base)
	f.refuses("a renamed container of another class", "was renamed or moved")
	s.Rename("CN=System,OU=B,"+servertest.Base, system.DN)
	s.Rename("OU=Inner,OU=A,"+servertest.Base, "OU=Core,OU=A,"+servertest.Base)
	f.refuses("a renamed base", "is not what it was")
}

// What a domain controller does not say for certain is not followed.
func TestNotFollowedAD(t *testing.T) {
	type fault struct {
		invocation, host string
		hides            func(a *servertest.Answer, dn string) bool
		refused          bool
	}
	var faults shared[fault]
	s := servertest.NewStub(t, servertest.StubOptions{
		Bind: func(servertest.Bind) servertest.Result {
			if faults.get().refused {
				return servertest.LoginRefused("52e")
			}
			return servertest.Result{}
		},
		Answer: func(a *servertest.Answer) {
			now := faults.get()
			for i := range a.Entries {
				e := &a.Entries[i]
				if e.Get("invocationId") != nil && now.invocation != "" {
					e.Set("invocationId", now.invocation)
				}
				if e.Get("dnsHostName") != nil && now.host != "" {
					e.Set("dnsHostName", now.host)
				}
			}
			if now.hides != nil {
				a.Entries = slices.DeleteFunc(a.Entries, func(e servertest.Entry) bool { return now.hides(a, e.DN) })
			}
		},
	})
	people(s, 20)
	f := follow(t, optionsOf(s), departments()...)
	if f.receipt.Full != "" {
		t.Fatal(f.receipt.Full)
	}
	s.Delete("CN=Person 1,OU=A," + servertest.Base)
	s.Put(byNumber(2, "OU=Elsewhere,"))
	f.same("changes")

	faults.set(fault{invocation: "another database"})
	f.refuses("another database", "the server is another one, or was restored")
	faults.set(fault{host: "dc2.corp.example.com"})
	f.refuses("another server", "the server is another one, or was restored")
	faults.set(fault{hides: func(_ *servertest.Answer, dn string) bool { return strings.Contains(dn, "ADEL:") }})
	f.refuses("hidden deletions", "no deleted object can be seen")
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, "no deleted object can be seen: the account needs the right") {
		t.Errorf("receipt %+v", receipt)
	}
	faults.set(fault{hides: func(_ *servertest.Answer, dn string) bool { return strings.HasPrefix(dn, "OU=Sub,OU=B") }})
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, `"OU=Sub,OU=B,DC=corp,DC=example,DC=com" cannot be read, and so not when it is renamed`) {
		t.Errorf("receipt %+v", receipt)
	}
	faults.set(fault{hides: func(a *servertest.Answer, dn string) bool {
		return strings.Contains(dn, "ADEL:") && strings.Contains(a.Filter, "objectGUID=")
	}})
	f.refuses("a deleted object that is not to be found", "is not to be found, and the server does not say that it was deleted")
	faults.set(fault{})
	f.same("changes again")

	before := f.receipt.Mark
	change := func(old, changed string) {
		if f.receipt.Mark = strings.Replace(before, old, changed, 1); f.receipt.Mark == before {
			t.Errorf("%s is not in %s", old, before)
		}
	}
	change(`"usn":`, `"usn":9`)
	f.refuses("a server with fewer changes", "fewer changes than before")
	change(s.LDAPS, "ldaps://elsewhere.example.com")
	f.refuses("another server", "is not among those of the directory now")
	f.receipt.Mark = "{}"
	f.refuses("no mark", "cannot be read")
	f.receipt.Mark = before
	f.most = 1
	f.refuses("many changes", "more than 1 objects changed")
	f.most = 100
	f.scopes[0].Filter = "(memberOf=CN=All," + servertest.Base + ")"
	f.refuses("a back link", "tests memberof")

	f.scopes = departments()
	faults.set(fault{refused: true})
	if _, _, _, err := f.delta(); !isRefused(err) {
		t.Errorf("got %v", err)
	}
	faults.set(fault{})
	f.options.Timeout = 300 * time.Millisecond
	f.options.URLs, f.receipt.Mark = []string{"ldaps://127.0.0.1:1"}, strings.Replace(before, s.LDAPS, "ldaps://127.0.0.1:1", 1)
	f.refuses("nobody there", "nothing listens")
}

// What was renamed during the read has no mark, or one from which a delta sees it.
func TestMarkDuringChanges(t *testing.T) {
	var s *servertest.Stub
	var act shared[func()]
	s = servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if act := act.get(); act != nil && ofScope(a) && a.PageSize > 0 {
			act()
		}
	}})
	people(s, 10)
	o := optionsOf(s)
	o.FullEvery = time.Hour
	outer := "OU=Outer," + servertest.Base
	s.Put(byNumber(50, "OU=Base,OU=Outer,"), byNumber(51, "OU=Base,OU=Other,"))
	scope := departments()[2]
	scope.Base = "OU=Base," + outer
	f := follow(t, o, scope)
	act.set(func() {
		act.set(nil)
		s.Rename(outer, "OU=Aside,"+servertest.Base)
		s.Rename("OU=Other,"+servertest.Base, outer)
	})
	f.full, f.receipt = f.read()
	f.same("another base of the name")

	f = follow(t, o, departments()...)
	act.set(func() {
		act.set(nil)
		e := byNumber(2, "OU=B,")
		e.Set("displayName", "changed")
		s.Put(e)
		s.Delete(byNumber(3, "OU=Sub,OU=B,").DN)
	})
	f.full, f.receipt = f.read()
	f.same("changes while the directory was read")
}

// broken is a sink that takes nothing.
type broken struct{ err error }

func (b broken) Put(int, directory.Object) error          { return b.err }
func (b broken) Replace(int, int, directory.Object) error { return b.err }
func (b broken) Reset() error                             { return b.err }

// An error of the sink, and the end of the context, are no reason to read completely.
func TestFollowEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var ends shared[bool]
	s := servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if ends.get() && ofScope(a) {
			stop()
		}
	}})
	people(s, 6)
	f := follow(t, optionsOf(s), departments()...)
	s.Put(byNumber(7, "OU=A,"))
	full := errors.New("the disk is full")
	since := directory.Since{Mark: f.receipt.Mark, Has: func([]identity.GUID) (map[identity.GUID]bool, error) { return nil, nil }, Most: 100}
	if _, _, err := New(f.options).Follow(ctx, f.scopes, since, broken{full}, nil); err != full {
		t.Errorf("got %v", err)
	}
	ends.set(true)
	if _, _, err := New(f.options).Follow(ctx, f.scopes, since, newPicture(t), nil); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if _, _, err := New(f.options).Follow(ctx, f.scopes, since, newPicture(t), nil); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

// A domain controller of Samba, and who may not see what is deleted there.
func TestFollowSamba(t *testing.T) {
	t.Parallel()
	d := servertest.NewSamba(t, servertest.SambaOptions{})
	c := d.Connect(t)
	for _, ou := range []string{"OU=A,", "OU=Inner,OU=A,", "OU=B,", "OU=Sub,OU=B,", "OU=Elsewhere,"} {
		add(t, c, "objectGUID", ou+servertest.Base, "objectClass", "organizationalUnit")
	}
	person := func(n int) string {
		dn := fmt.Sprintf("CN=Person %d,%s%s", n, places[n%len(places)], servertest.Base)
		add(t, c, "objectGUID", dn, "objectClass", "user", "sAMAccountName", fmt.Sprint("person", n), "userAccountControl", "544", "mail", fmt.Sprintf("p%d@example.com", n))
		return dn
	}
	var dns []string
	for n := range 20 {
		dns = append(dns, person(n))
	}
	try(t, c.Del(goldap.NewDelRequest(person(99), nil)))
	o := Options{Label: "corp", ActiveDirectory: true, URLs: []string{d.LDAPS}, CAFile: d.CA.File, BindDN: d.Admin, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 5}
	f := follow(t, o, departments()...)
	if _, touched := f.same("nothing changed"); len(touched) != 0 {
		t.Errorf("touched %v", touched)
	}
	modify := func(dn, attribute string, values ...string) {
		m := goldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, values)
		try(t, c.Modify(m))
	}
	move := func(dn, rdn, to string) { try(t, c.ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, to))) }
	modify(dns[0], "mail", "new@example.com")
	modify(dns[1], "mail")
	modify(dns[2], "userAccountControl", "546")
	modify(dns[3], "department", "none")
	move(dns[5], "CN=Person 5", "OU=Elsewhere,"+servertest.Base)
	move(dns[4], "CN=Person 4", "OU=Sub,OU=B,"+servertest.Base)
	move(dns[6], "CN=Person 6", "OU=Inner,OU=A,"+servertest.Base)
	move(dns[7], "CN=Seven", "")
	try(t, c.Del(goldap.NewDelRequest(dns[8], nil)), c.Del(goldap.NewDelRequest(dns[13], nil)))
	person(20)
	f.same("changes")
	add(t, c, "objectGUID", "OU=New,OU=B,"+servertest.Base, "objectClass", "organizationalUnit")
	modify("OU=A,"+servertest.Base, "description", "changed")
	f.same("containers")
	move("OU=Sub,OU=B,"+servertest.Base, "OU=Other", "")
	f.refuses("a renamed container", "was renamed or moved")

	f.options.BindDN = d.Reader
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, "no deleted object can be seen") {
		t.Errorf("receipt %+v", receipt)
	}
	f.refuses("another account", "somebody else logs in")
	f.receipt.Mark = strings.ReplaceAll(f.receipt.Mark, d.Admin, d.Reader)
	f.refuses("who sees no deletions", "no deleted object can be seen")

	d.ShowDeleted(t, "reader", "RP")
	f.refuses("who reads the container alone", "no deleted object can be seen")
	d.ShowDeleted(t, "reader", "LC")
	f.full, f.receipt = f.read()
	deleted := person(22)
	f.same("added")
	f.full, f.receipt = f.read()
	try(t, c.Del(goldap.NewDelRequest(deleted, nil)))
	if _, touched := f.same("deleted"); len(touched) == 0 {
		t.Error("the deletion was not seen")
	}
}

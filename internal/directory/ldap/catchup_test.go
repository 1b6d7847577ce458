package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// person makes up a person in a unit with a GUID that stays.
func person(n int, unit string) servertest.Entry {
	e := servertest.Person(n)
	e.DN = fmt.Sprintf("CN=Person %d,OU=%s,%s", n, unit, servertest.Base)
	e.Set("objectGUID", fmt.Sprintf("0123456789abcd%02d", n))
	return e
}

// twoScopes are OU=A and OU=B, in that order.
func twoScopes() (a, b directory.Scope) {
	a, b = staff(), staff()
	a.Name, a.Base = "a", "OU=A,"+servertest.Base
	b.Name, b.Base, b.Index = "b", "OU=B,"+servertest.Base, 1
	return a, b
}

// once makes a hook that acts the first time that when is true.
func once(when func(*servertest.Answer) bool, act func()) func(*servertest.Answer) {
	done := false
	return func(a *servertest.Answer) {
		if !done && a.PageSize > 0 && when(a) {
			done = true
			act()
		}
	}
}

func ofScope(a *servertest.Answer) bool { return strings.Contains(a.Filter, "objectClass=user") }

// A container that is moved or renamed changes the names below it without a
// trace there, so the read starts over; one that is only changed, or new, does
// not.
func TestContainersDuringRead(t *testing.T) {
	unit := func(dn string) servertest.Entry {
		return servertest.NewEntry(dn+","+servertest.Base, "objectClass", "top", "objectClass", "organizationalUnit", "objectGUID", "fedcba9876543210")
	}
	described := unit("OU=Sales,OU=Staff")
	described.Set("description", "changed")
	for _, c := range []struct {
		story string
		after servertest.Entry
		pages int
	}{
		{"renamed", unit("OU=Selling,OU=Staff"), 6},
		{"moved out of the scope", unit("OU=Sales"), 6},
		{"changed", described, 3},
		{"new", servertest.NewEntry("OU=New,"+staffBase, "objectClass", "top", "objectClass", "organizationalUnit"), 3},
	} {
		var s *servertest.Stub
		s = company(t, 30, servertest.StubOptions{PageSize: 10, Answer: once(func(a *servertest.Answer) bool { return ofScope(a) && a.Page == 2 }, func() { s.Put(c.after) })})
		s.Put(unit("OU=Sales,OU=Staff"))
		scope := staff()
		scope.Base = staffBase
		got, receipt, err := read(t, optionsOf(s), scope)
		if err != nil || len(got) != 30 || receipt.Pages != c.pages {
			t.Errorf("%s: got %d entries, %+v, %v", c.story, len(got), receipt, err)
		}
	}

	n := 0
	var s *servertest.Stub
	s = company(t, 30, servertest.StubOptions{PageSize: 10, Answer: func(a *servertest.Answer) {
		if a.PageSize > 0 && ofScope(a) {
			n++
			s.Put(unit(fmt.Sprintf("OU=Sales %d,OU=Staff", n)))
		}
	}})
	s.Put(unit("OU=Sales,OU=Staff"))
	if _, _, err := read(t, optionsOf(s)); !errors.As(err, new(*directory.ReadError)) || !strings.Contains(err.Error(), "renamed or moved") {
		t.Errorf("got %v", err)
	}
}

// An object that moves again and again from a later scope to an earlier one,
// between their searches, is never taken for gone.
func TestObjectOnTheMove(t *testing.T) {
	round, touched := 0, 0
	var s *servertest.Stub
	s = servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if a.PageSize == 0 || !ofScope(a) {
			return
		}
		if strings.Contains(a.Filter, "uSNChanged") && strings.HasPrefix(a.Base, "OU=A") {
			if round++; round == maxCatchUps {
				s.Put(person(7, "A"))
			}
		}
		if strings.HasPrefix(a.Base, "OU=B") && round < maxCatchUps {
			touched++
			e := person(7, "B")
			e.Set("displayName", fmt.Sprint(touched))
			s.Put(e)
		}
	}})
	s.Put(person(1, "A"), person(7, "B"))
	a, b := twoScopes()
	got, _, err := read(t, optionsOf(s), a, b)
	if err != nil || len(got) != 2 || round != maxCatchUps {
		t.Errorf("got %d entries in %d rounds, %v", len(got), round, err)
	}
}

// Objects without a GUID are known by their names.
func TestNewObjectsWithoutGUID(t *testing.T) {
	var s *servertest.Stub
	change := once(ofScope, func() { s.Put(servertest.Person(10), servertest.Person(11), servertest.Person(12)) })
	s = company(t, 3, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		for i := range a.Entries {
			if strings.Contains(a.Entries[i].DN, "OU=Staff") {
				a.Entries[i].Set("objectGUID")
			}
		}
		change(a)
	}})
	if got, receipt, err := read(t, optionsOf(s)); err != nil || len(got) != 6 {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
}

// The references are those of the scopes, whatever changes.
func TestReferencesDuringChanges(t *testing.T) {
	var s *servertest.Stub
	s = company(t, 3, servertest.StubOptions{References: []string{"ldaps://child.corp.example.com/DC=child," + servertest.Base}, Answer: once(ofScope, func() { s.Put(servertest.Person(10)) })})
	scope := staff()
	scope.Base = staffBase
	if _, receipt, err := read(t, optionsOf(s), scope); err != nil || len(receipt.References) != 0 || receipt.Reread != 1 {
		t.Errorf("got %+v, %v", receipt, err)
	}
}

// An account that may not see the head of the domain reads its scopes all the
// same; what is deleted meanwhile waits for the next read.
func TestHiddenHead(t *testing.T) {
	var s *servertest.Stub
	change := once(ofScope, func() { s.Put(servertest.Person(10)); s.Delete("CN=Person 1," + staffBase) })
	s = company(t, 3, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		change(a)
		if a.Base == servertest.Base && a.Scope == "sub" {
			a.Entries, a.References, a.Result = nil, nil, servertest.Result{Code: 32, Message: "0000208D: NameErr"}
		}
	}})
	scope := staff()
	scope.Base = staffBase
	if got, receipt, err := read(t, optionsOf(s), scope); err != nil || len(got) != 4 || receipt.Reread != 1 {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
}

// Outside Active Directory contextCSN says that something changed, and
// entryCSN what.
func TestContextCSN(t *testing.T) {
	const old, before, after = "20251231000000.000000Z#000000#000#000000", "20260101000000.000000Z#000000#000#000000", "20260102000000.000000Z#000000#000#000000"
	at := func(e servertest.Entry, csn string) servertest.Entry {
		e.Set("entryCSN", csn)
		e.Set("entryUUID", fmt.Sprintf("00000000-0000-4000-8000-0000000000%s", e.Get("objectGUID")[0][14:]))
		return e
	}
	csn := before
	var s *servertest.Stub
	move := once(func(a *servertest.Answer) bool { return strings.HasPrefix(a.Base, "OU=A") }, func() {
		s.Put(at(person(7, "A"), after))
		csn = after
	})
	s = servertest.NewStub(t, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if slices.Contains(a.Attributes, "contextCSN") {
			a.Entries[0].Set("contextCSN", csn)
		}
		move(a)
	}})
	s.Put(at(person(1, "A"), old), at(person(7, "B"), old), at(person(2, "B"), old))
	o := optionsOf(s)
	o.ActiveDirectory = false
	a, b := twoScopes()
	got, receipt, err := read(t, o, a, b)
	if err != nil || len(got) != 3 || receipt.Identity != after || receipt.Reread != 1 || got["person7@example.com"].Scope != 0 {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
}

// Outside Active Directory objectGUID is an attribute like any other: two
// objects with the same one stay two, for the plan to refuse.
func TestSameGUID(t *testing.T) {
	s := company(t, 3, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if len(a.Entries) == 3 {
			a.Entries[2].Set("objectGUID", a.Entries[0].Get("objectGUID")...)
		}
	}})
	o := optionsOf(s)
	o.ActiveDirectory = false
	if got, _, err := read(t, o); err != nil || len(got) != 3 || got["person0@example.com"].GUID != got["person2@example.com"].GUID {
		t.Errorf("got %d entries, %v", len(got), err)
	}
}

// Servers that cannot be read completely are refused before.
func TestUnfitServers(t *testing.T) {
	for _, c := range []struct {
		story string
		root  map[string][]string
		base  string
		want  string
	}{
		{"no update sequence number", map[string][]string{"highestCommittedUSN": nil}, servertest.Base, "highestCommittedUSN"},
		{"not synchronized", map[string][]string{"isSynchronized": {"FALSE"}}, servertest.Base, "isSynchronized is FALSE"},
		{"no paging", map[string][]string{"supportedControl": {oidShowDeleted}}, servertest.Base, "does not offer paged results"},
		{"no naming context", map[string][]string{"namingContexts": nil, "defaultNamingContext": nil}, "", "names no naming context"},
	} {
		s := company(t, 3, servertest.StubOptions{RootDSE: c.root})
		scope := staff()
		scope.Base = c.base
		if _, _, err := read(t, optionsOf(s), scope); !errors.As(err, new(*directory.ReadError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.story, err)
		}
	}

	s := company(t, 3, servertest.StubOptions{RootDSE: map[string][]string{"supportedCapabilities": {oidActiveDirectory, oidReadOnly}}})
	_, receipt, err := read(t, optionsOf(s))
	if err != nil || len(receipt.Notes) != 1 || !strings.Contains(receipt.Notes[0], "read-only domain controller") {
		t.Errorf("got %q, %v", receipt.Notes, err)
	}
}

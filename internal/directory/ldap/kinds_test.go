package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// collected reads a source as a plan does.
func collected(t *testing.T, s *Source, scope directory.Scope) ([]identity.Entry, identity.Receipt) {
	t.Helper()
	scopes := []directory.Scope{scope}
	c := directory.NewCollector(scopes)
	receipt, err := s.Read(context.Background(), scopes, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Tell(&receipt)
	entries := c.Entries()
	slices.SortFunc(entries, func(a, b identity.Entry) int { return strings.Compare(a.DN, b.DN) })
	return entries, receipt
}

// TestKinds: what is no entry in a file is none of a server, and what changes
// while it is read counts as it is in the end.
func TestKinds(t *testing.T) {
	with := func(n int, dn string, pairs ...string) servertest.Entry {
		e := servertest.Person(n)
		if dn != "" {
			e.DN = dn + "," + staffBase
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			e.Set(pairs[i], append(slices.Clone(e.Get(pairs[i])), pairs[i+1])...)
		}
		return e
	}
	done := false
	var s *servertest.Stub
	s = company(t, 0, servertest.StubOptions{PageSize: 3, Answer: func(a *servertest.Answer) {
		for i := range a.Entries {
			if e := &a.Entries[i]; e.DN == "CN=Person 1,"+staffBase && slices.Contains(a.Attributes, "mail") {
				e.Attributes = append(slices.Clone(e.Attributes),
					servertest.Attribute{Name: "mail;lang-de", Values: []string{"eins@example.com"}},
					servertest.Attribute{Name: "proxyAddresses;vdcsn-5a3b0000000200010000;deleted", Values: []string{"smtp:gone@example.com"}},
					servertest.Attribute{Name: "displayName;lang-de", Values: []string{"Eins"}})
			}
		}
		if a.Page == 2 && a.PageSize > 0 && !done {
			done = true
			s.Put(with(3, "", "nsds5ReplConflict", "namingConflict")) // was an entry
			s.Put(with(4, `CN=Person 4`, "displayName", "M\xfcller")) // was a loser
			s.Delete(`CN=Person 7\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,` + staffBase)
		}
	}})
	four := with(4, "", "nsds5ReplConflict", "namingConflict")
	s.Put(with(1, ""), with(2, "CN=HealthMailboxc3d7722415ad41a5b19e3e00e165edbe"), with(3, ""), four,
		with(5, "", "objectClass", "nsTombstone"), with(6, "", "msExchRecipientTypeDetails", "549755813888"),
		with(7, `CN=Person 7\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff`), with(8, `CN=Person 8\0aCNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff`), with(9, "CN=AAD_Admins", "objectClass", "group"))
	scope := staff()
	scope.Attributes = []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}}
	entries, receipt := collected(t, New(optionsOf(s)), scope)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", e.DN[3:len(e.DN)-len(staffBase)-1], e.Primaries, e.Aliases, e.Type, identity.Lookup(e.Attributes, identity.DisplayName)))
	}
	want := []string{"AAD_Admins [person9@example.com] [p9@example.com] list Person 9", "Person 1 [person1@example.com] [p1@example.com] user Person 1",
		"Person 4 [person4@example.com] [p4@example.com] user M\uFFFDller"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if over := receipt.PassedOver; over != (identity.PassedOver{Deleted: 1, Conflict: 2, System: 2}) || receipt.Entries != 3 {
		t.Errorf("%d entries, %+v", receipt.Entries, over)
	}
	if len(receipt.Notes) != 1 {
		t.Errorf("%q", receipt.Notes)
	}
}

// TestKinds389: 389 Directory Server shows conflicts, disabled accounts and
// languages when it is asked by name.
func TestKinds389(t *testing.T) {
	x := servertest.NewDS389(t)
	c := x.Connect(t)
	for name, attributes := range map[string]map[string][]string{
		"ann": {"mail": {"ann@example.com"}, "mail;lang-de": {"anne@example.com"}},
		"bob": {"mail": {"bob@example.com"}, "nsAccountLock": {"true"}},
		"cyn": {"mail": {"cyn@example.com"}, "nsds5ReplConflict": {"namingConflict (ADD) uid=cyn," + servertest.Base}},
	} {
		add := goldap.NewAddRequest("uid="+name+","+servertest.Base, nil)
		add.Attribute("objectClass", []string{"inetOrgPerson"})
		add.Attribute("cn", []string{name})
		add.Attribute("sn", []string{name})
		for attribute, values := range attributes {
			add.Attribute(attribute, values)
		}
		if err := c.Add(add); err != nil {
			t.Fatal(err)
		}
	}
	scope := directory.Scope{Name: "staff", Base: servertest.Base, PrimaryAttribute: "mail", UsernameAttribute: "uid", Type: directory.Auto, SkipDisabled: true}
	o := Options{Label: "lab", URLs: []string{x.LDAPS}, BindDN: x.Admin, Password: func() string { return x.AdminPassword }, CAFile: x.CAFile, Timeout: 20 * time.Second, PageSize: 1000}
	entries, receipt := collected(t, New(o), scope)
	if len(entries) != 1 || fmt.Sprintf("%s %s %s", entries[0].Username, entries[0].Primaries, entries[0].Aliases) != "ann [ann@example.com] [anne@example.com]" {
		t.Errorf("%+v", entries)
	}
	if receipt.PassedOver != (identity.PassedOver{Conflict: 1}) {
		t.Errorf("%+v", receipt.PassedOver)
	}
}

package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// bench is a console, and who administers its tree.
type bench struct {
	t     *testing.T
	c     *Console
	admin *goldap.Conn
	keys  int
}

// begin opens a console on a new tree of a server.
func begin(t *testing.T, m *servertest.MailTree, more string) *bench {
	t.Helper()
	c, err := open(t, inside(t, m, m.Tree(t), more), "hq")
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, c: c, admin: m.Connect(t)}
}

func inside(t *testing.T, m *servertest.MailTree, base, more string) string {
	t.Helper()
	text := fmt.Sprintf("urls = [%q]\nca_file = %q\nbind_dn = %q\nbind_password = %q\nbase_dn = %q\n", m.LDAPS, m.CAFile, m.Writer, m.WriterPassword, base)
	if m.Alias != "mailLocalAddress" {
		text += "alias_attribute = \"mailAlternateAddress\"\nuser_classes = [\"inetOrgPerson\", \"mailRecipient\"]\nlist_classes = [\"inetOrgPerson\", \"mailRecipient\", \"mailGroup\"]\n"
	}
	return text + more
}

func account(primary string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: identity.MustAddress(primary), Directory: "corp", Username: "ann", GUID: identity.GUID{0x8c, 0x4a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, byte(len(primary))}}
	for _, x := range aliases {
		a.Aliases = append(a.Aliases, identity.MustAddress(x))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
	return a
}

// with returns a copy of an account, changed.
func with(a *identity.Account, change func(*identity.Account)) *identity.Account {
	b := *a
	change(&b)
	return &b
}

func (b *bench) step(live *identity.Live, after *identity.Account, fields ...string) *apply.Step {
	b.keys++
	return &apply.Step{Key: fmt.Sprint(b.keys), Group: b.keys, Live: live, After: after, By: "hq", Fields: fields}
}

// ask makes a change and returns the answer.
func (b *bench) ask(s *apply.Step) (a apply.Answer) {
	b.t.Helper()
	if err := b.c.Apply(b.t.Context(), []apply.Step{*s}, func(_ int, x apply.Answer) { a = x }); err != nil {
		b.t.Fatal(err)
	}
	return a
}

// made makes a change, and returns the account as the console then has it.
func (b *bench) made(s *apply.Step) *identity.Live {
	b.t.Helper()
	a := b.ask(s)
	if a.Err != nil {
		b.t.Fatal(a.Err)
	}
	return b.get(a.Ref)
}

// refused asks for a change that is answered with a code.
func (b *bench) refused(s *apply.Step, code apply.Code, text string) *apply.Error {
	b.t.Helper()
	a := b.ask(s)
	if a.Err == nil || a.Err.Code != code || !strings.Contains(a.Err.Message, text) {
		b.t.Fatalf("the answer is %v, want %s with %q", a.Err, code, text)
	}
	return a.Err
}

func (b *bench) get(ref string) *identity.Live {
	b.t.Helper()
	found, err := b.c.Get(b.t.Context(), []string{ref}, nil)
	if err != nil || len(found) != 1 {
		b.t.Fatalf("%d accounts have the ref %q: %v", len(found), ref, err)
	}
	return &found[0]
}

// all reads all accounts by their primaries.
func (b *bench) all() map[string]identity.Live {
	b.t.Helper()
	all := map[string]identity.Live{}
	if _, err := b.c.Accounts(b.t.Context(), func(l identity.Live) error { all[l.Primary.String()] = l; return nil }); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// add makes an entry by hand; the DN ends with that of the tree.
func (b *bench) add(rdn string, attributes ...string) string {
	b.t.Helper()
	dn := rdn + "," + b.c.tree.base
	request := goldap.NewAddRequest(dn, nil)
	values := map[string][]string{}
	for i := 0; i < len(attributes); i += 2 {
		values[attributes[i]] = append(values[attributes[i]], attributes[i+1])
	}
	for name, all := range values {
		request.Attribute(name, all)
	}
	b.must(b.admin.Add(request))
	return dn
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// edit changes an attribute by hand.
func (b *bench) edit(dn, attribute string, values ...string) {
	b.t.Helper()
	request := goldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, values)
	b.must(b.admin.Modify(request))
}

// entry returns the entry with a ref.
func (b *bench) entry(ref string) *entry {
	b.t.Helper()
	r, err := b.admin.Search(goldap.NewSearchRequest(b.c.tree.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, fmt.Sprintf("(%s=%s)", b.c.tree.ref, ref), []string{"*", "+"}, nil))
	b.must(err)
	if len(r.Entries) != 1 {
		b.t.Fatalf("%d entries have the ref %s", len(r.Entries), ref)
	}
	e := ofResult(r.Entries[0])
	return &e
}

func (b *bench) has(e *entry, attribute string, want ...string) {
	b.t.Helper()
	got := slices.Sorted(slices.Values(e.get(attribute)))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Errorf("%s of %s is %q, want %q", attribute, e.dn, got, want)
	}
}

// testInactive: who goes out of service is moved and has no address that gateways ask
// for, and comes back.
func testInactive(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	a := account("ann@example.com", "a@example.com")
	live := b.made(b.step(nil, a))
	e := b.entry(live.Ref)
	b.has(e, m.Alias, "ann@example.com", "a@example.com")
	b.has(e, "employeeNumber", "hq:corp/"+a.GUID.String())
	b.has(e, "sn", a.GUID.String())
	if want := "cn=" + a.GUID.String() + "," + b.c.tree.base; !identity.EqualDN(e.dn, want) {
		t.Errorf("the entry is %s, want %s", e.dn, want)
	}
	idle := with(a, func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil })
	live = b.made(b.step(live, idle, plan.FieldStatus, plan.FieldAliases))
	e = b.entry(live.Ref)
	b.has(e, m.Alias)
	b.has(e, "mail", "ann@example.com")
	if want := "cn=" + a.GUID.String() + ",ou=inactive," + b.c.tree.base; !identity.EqualDN(e.dn, want) || live.Status != identity.Inactive {
		t.Errorf("the entry is %s and %s, want %s", e.dn, live.Status, want)
	}
	if err := b.refused(b.step(nil, account("annabel@example.com", "ann@example.com")), apply.Taken, ""); err.Address != "ann@example.com" || err.Holder != live.Ref {
		t.Errorf("the reserved address is refused with %+v", err)
	}
	live = b.made(b.step(live, a, plan.FieldStatus, plan.FieldAliases))
	e = b.entry(live.Ref)
	b.has(e, m.Alias, "ann@example.com", "a@example.com")
	if !identity.EqualDN(identity.ParentDN(e.dn), b.c.tree.base) || live.Status != identity.Active {
		t.Errorf("the entry is %s and %s", e.dn, live.Status)
	}

	// A crash between the move and the modify: the account is what it was.
	rdn := "cn=" + a.GUID.String()
	b.must(b.admin.ModifyDN(goldap.NewModifyDNRequest(e.dn, rdn, false, b.c.tree.inactive)))
	if live = b.get(live.Ref); live.Status != identity.Active || len(live.Aliases) != 1 {
		t.Errorf("after the move alone the account is %+v", live)
	}
	live = b.made(b.step(live, idle, plan.FieldStatus, plan.FieldAliases))
	b.must(b.admin.ModifyDN(goldap.NewModifyDNRequest(b.entry(live.Ref).dn, rdn, false, b.c.tree.base)))
	if live = b.get(live.Ref); live.Status != identity.Inactive {
		t.Errorf("after the move alone the account is %+v", live)
	}
	b.made(b.step(live, a, plan.FieldStatus, plan.FieldAliases))
}

// testInPlace: where inactive accounts have no place of their own, nobody is moved.
func testInPlace(t *testing.T, m *servertest.MailTree) {
	base := m.Tree(t)
	c, err := open(t, inside(t, m, base, fmt.Sprintf("inactive_dn = %q", base)), "hq")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, c: c, admin: m.Connect(t)}
	dn := b.add("cn=ann", "objectClass", m.Classes[0], "objectClass", m.Classes[1], "sn", "x", "mail", "ann@example.com", m.Alias, "ann@example.com")
	ann := b.all()["ann@example.com"]
	a := account("ann@example.com")
	live := b.made(b.step(&ann, a, plan.FieldOwner))
	idle := with(a, func(a *identity.Account) { a.Status = identity.Inactive })
	live = b.made(b.step(live, idle, plan.FieldStatus))
	e := b.entry(live.Ref)
	b.has(e, m.Alias)
	if ann.Status != identity.Active || live.Status != identity.Inactive || !identity.EqualDN(e.dn, dn) {
		t.Errorf("%s was %s, and %s is %s", dn, ann.Status, e.dn, live.Status)
	}
}

// testMeanwhile: the server refuses what does not fit any more, because somebody has
// changed the entry, or made another of its name, after it was looked at.
func testMeanwhile(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	a := account("ann@example.com", "a@example.com")
	renamed := with(a, func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.com") })
	aliased := with(a, func(a *identity.Account) { a.Aliases = append(a.Aliases, identity.MustAddress("b@example.com")) })
	idle := with(a, func(a *identity.Account) { a.Status = identity.Inactive })
	remove := func(e *entry) { b.must(b.admin.Del(goldap.NewDelRequest(e.dn, nil))) }
	another := func(e *entry) {
		remove(e)
		b.add("cn="+a.GUID.String(), "objectClass", m.Classes[0], "objectClass", m.Classes[1], "sn", "x", "mail", "ann@example.com", m.Alias, "ann@example.com", "employeeNumber", "branch:corp/"+a.GUID.String())
	}
	for _, c := range []struct {
		name  string
		edit  func(e *entry)
		after *identity.Account
		field string
		code  apply.Code
	}{
		{"primary", func(e *entry) { b.edit(e.dn, "mail", "anna@example.com") }, renamed, plan.FieldPrimary, apply.Changed},
		{"mark", func(e *entry) { b.edit(e.dn, "employeeNumber", "other:corp/"+a.GUID.String()) }, renamed, plan.FieldPrimary, apply.Changed},
		{"removed", remove, renamed, plan.FieldPrimary, apply.Gone},
		{"another gets an alias", another, aliased, plan.FieldAliases, apply.Changed},
		{"another is moved", another, idle, plan.FieldStatus, apply.Changed},
		{"another is removed", another, nil, "", apply.Changed},
	} {
		if strings.HasSuffix(c.name, "moved") || strings.HasSuffix(c.name, "removed") && c.after == nil {
			if !b.c.asserts {
				continue // such a server cannot be asked for more than the values of a modify
			}
		}
		live := b.made(b.step(nil, a))
		s, _, err := b.c.session(t.Context())
		b.must(err)
		ch := &change{Console: b.c, Step: b.step(live, c.after, c.field), s: s}
		was, err := ch.find()
		b.must(err)
		c.edit(was)
		found, err := b.c.Get(t.Context(), nil, []identity.Address{a.Primary})
		b.must(err)
		_, err = ch.makeOf(was)
		if apply.CodeOf(err) != c.code {
			t.Errorf("%s: the answer is %v, want %s", c.name, err, c.code)
		}
		b.c.release(s, nil)
		now, err := b.c.Get(t.Context(), nil, []identity.Address{a.Primary})
		b.must(err)
		if diff := cmp.Diff(found, now, cmp.AllowUnexported(identity.Address{})); diff != "" {
			t.Errorf("%s: the entry was written: %s", c.name, diff)
		}
		for _, l := range b.all() {
			remove(b.entry(l.Ref))
		}
	}
}

// testByHand: entries that somebody has made are read as they are, and nothing of them
// is written but what was asked for.
func testByHand(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	class := func(more ...string) []string {
		all := []string{"sn", "x"}
		for _, c := range m.Classes {
			all = append(all, "objectClass", c)
		}
		return append(all, more...)
	}
	b.add("uid=ann", class("cn", "Ann", "uid", "ann", "mail", "Ann@Example.com", m.Alias, "ANN@example.com", m.Alias, "A.Smith@Example.com", "displayName", "Ann")...)
	b.add("cn=two", class("mail", "two@example.com", "mail", "zwei@example.com")...)
	b.add("cn=broken", class("mail", "broken@example.com", m.Alias, "no address")...)
	b.add("cn=number", class("mail", "number@example.com", "employeeNumber", "4711")...)
	b.add("cn=person", class("uid", "person")...) // has no address
	b.add("cn=plain", "objectClass", "inetOrgPerson", "sn", "x", "mail", "plain@example.com")
	all := b.all()
	if len(all) != 5 {
		t.Errorf("read %v", all)
	}
	for primary, odd := range map[string]string{
		"ann@example.com": "", "plain@example.com": "", "two@example.com": "2 values of mail", "broken@example.com": `"no address", which is no address`, "number@example.com": `employeeNumber is "4711"`,
	} {
		l, ok := all[primary]
		if !ok || (l.Odd == "") != (odd == "") || !strings.Contains(l.Odd, odd) || !l.Mark.IsZero() || l.Status != identity.Active {
			t.Errorf("%s is read as %+v", primary, l)
		}
	}
	ann := all["ann@example.com"]
	if got := fmt.Sprintf("%v %v %v", ann.Aliases, ann.Username, ann.Attributes); got != "[a.smith@example.com] ann [{display_name Ann}]" {
		t.Errorf("ann is %s", got)
	}

	// Adopted, with the addresses in other letter case.
	owned := account("ann@example.com", "a.smith@example.com")
	owned.Attributes = ann.Attributes
	now := b.made(b.step(&ann, owned, plan.FieldOwner))
	e := b.entry(ann.Ref)
	b.has(e, "mail", "Ann@Example.com")
	b.has(e, m.Alias, "ANN@example.com", "A.Smith@Example.com")
	b.has(e, "employeeNumber", "hq:corp/"+owned.GUID.String())

	// The username is the name of the entry, which stays.
	other := with(owned, func(a *identity.Account) { a.Username = "asmith" })
	now = b.made(b.step(now, other, plan.FieldUsername))
	b.has(b.entry(ann.Ref), "uid", "ann", "asmith")
	if now.Username != "asmith" {
		t.Errorf("the username is %q", now.Username)
	}

	// An entry without the class of aliases gets it when it is adopted, and its primary
	// where gateways look.
	plain := all["plain@example.com"]
	b.made(b.step(&plain, account("plain@example.com"), plan.FieldOwner))
	e = b.entry(plain.Ref)
	b.has(e, m.Alias, "plain@example.com")
	if !slices.Contains(e.get("objectClass"), m.Classes[1]) {
		t.Errorf("the classes are %q", e.get("objectClass"))
	}

	number := all["number@example.com"]
	b.refused(b.step(&number, account("number@example.com"), plan.FieldOwner), apply.Refused, "another owner_attribute")
	b.has(b.entry(number.Ref), "employeeNumber", "4711")

	// Below an account there is something.
	b.must(b.admin.Add(&goldap.AddRequest{DN: "cn=device," + e.dn, Attributes: []goldap.Attribute{{Type: "objectClass", Vals: []string{"device"}}}}))
	b.refused(b.step(b.get(plain.Ref), nil), apply.Refused, "there are entries below this one")
}

// testOthersValues: of what somebody else has written beside the account, nothing goes
// that the step does not name.
func testOthersValues(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, `attributes = { department = "departmentNumber", display_name = "displayName" }`)
	var class []string
	for _, c := range append(m.Classes, m.ListClass) {
		class = append(class, "objectClass", c)
	}
	b.c.tree.listed = append(b.c.tree.listed, "simpleSecurityObject") // the entry has one of two classes of lists
	b.add("cn=ann", append(class, "sn", "x", "uid", "asmith", "uid", "zann", "departmentNumber", "Sales", "departmentNumber", "Z-Board", "mail", "ann@example.com", m.Alias, "ann@example.com")...)
	found := b.all()["ann@example.com"]
	a := account("ann@example.com")
	a.Username, a.Attributes = found.Username, found.Attributes
	left := func(uids, departments string) {
		t.Helper()
		e := b.entry(found.Ref)
		b.has(e, "uid", strings.Fields(uids)...)
		b.has(e, "departmentNumber", strings.Fields(departments)...)
		if !slices.Contains(e.get("objectClass"), m.ListClass) {
			t.Errorf("the classes are %q", e.get("objectClass"))
		}
	}
	live := b.made(b.step(&found, a, plan.FieldOwner))
	left("asmith zann", "Sales Z-Board")
	a = with(a, func(a *identity.Account) { a.Aliases = []identity.Address{identity.MustAddress("a@example.com")} })
	live = b.made(b.step(live, a, plan.FieldAliases))
	left("asmith zann", "Sales Z-Board")
	a = with(a, func(a *identity.Account) {
		a.Username, a.Attributes = "ann", []identity.Attribute{{Name: "department", Value: "Board"}}
	})
	live = b.made(b.step(live, a, plan.FieldUsername, "department"))
	left("ann zann", "Board Z-Board")
	if live.Username != "ann" || identity.Lookup(live.Attributes, "department") != "Board" {
		t.Errorf("the account is %+v", live)
	}

	// The value that stays would be taken for the account's.
	b.refused(b.step(live, with(a, func(a *identity.Account) { a.Username = "zz" }), plan.FieldUsername), apply.Refused, `has uid "zann" beside "ann"`)
	s := b.step(live, with(a, func(a *identity.Account) { a.Attributes = nil }), "department")
	s.Clear = []string{"department"}
	b.refused(s, apply.Refused, `has departmentNumber "Z-Board" beside "Board"`)
	left("ann zann", "Board Z-Board")
	b.made(b.step(live, with(a, func(a *identity.Account) { a.Username = "Zann" }), plan.FieldUsername))
	left("zann", "Board Z-Board")
}

// testDemanded: an attribute that a class demands can lose its value.
func testDemanded(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, `attributes = { family_name = "sn" }`)
	a := account("ann@example.com")
	named := func(name string) *identity.Account {
		return with(a, func(a *identity.Account) { a.Attributes = []identity.Attribute{{Name: "family_name", Value: name}} })
	}
	live := b.made(b.step(nil, a))
	is := func(want string) {
		t.Helper()
		if got := identity.Lookup(live.Attributes, "family_name"); got != want {
			t.Errorf("the family name is %q, want %q", got, want)
		}
	}
	is("")
	live = b.made(b.step(live, named("Smith"), "family_name"))
	is("Smith")
	b.has(b.entry(live.Ref), "sn", "Smith")
	s := b.step(live, a, "family_name")
	s.Clear = []string{"family_name"}
	live = b.made(s)
	is("")
	live = b.made(b.step(live, named("Jones"), "family_name"))
	is("Jones")
}

// testNames: a name that another entry has is not taken for the account.
func testNames(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	a := account("ann@example.com")
	first := b.made(b.step(nil, a))
	rebound := with(a, func(a *identity.Account) { a.GUID[0]++ })
	b.made(b.step(first, rebound, plan.FieldOwner))
	second := b.made(b.step(nil, with(a, func(a *identity.Account) { a.Primary = identity.MustAddress("bob@example.com") })))
	if dn := b.entry(second.Ref).dn; !strings.HasPrefix(dn, "cn="+a.GUID.String()+"-2,") {
		t.Errorf("the second entry is %s", dn)
	}

	// The first is out of service, so that its name is free, and the next who had that
	// goes out of service, too.
	idle := func(a *identity.Account) { a.Status = identity.Inactive }
	carl := with(a, func(a *identity.Account) { a.Primary, a.GUID[1] = identity.MustAddress("carl@example.com"), 77 })
	old := b.made(b.step(nil, carl))
	old = b.made(b.step(old, with(carl, idle), plan.FieldStatus))
	old = b.made(b.step(old, with(with(carl, idle), func(a *identity.Account) { a.GUID[1]++ }), plan.FieldOwner))
	dora := with(carl, func(a *identity.Account) { a.Primary = identity.MustAddress("dora@example.com") })
	young := b.made(b.step(nil, dora))
	young = b.made(b.step(young, with(dora, idle), plan.FieldStatus))
	if dn := b.entry(young.Ref).dn; !strings.HasPrefix(dn, "cn="+carl.GUID.String()+"-2,") || !identity.EqualDN(identity.ParentDN(dn), b.c.tree.inactive) {
		t.Errorf("the entry is %s", dn)
	}
	b.has(b.entry(young.Ref), "cn", carl.GUID.String()+"-2")
	b.has(b.entry(old.Ref), "cn", carl.GUID.String())

	// A name that somebody else has given stays.
	byHand := b.add("cn=eve", "objectClass", m.Classes[0], "objectClass", m.Classes[1], "sn", "x", "mail", "eve@example.com", m.Alias, "eve@example.com")
	b.add("cn=eve,ou=inactive", "objectClass", "device")
	found := b.all()["eve@example.com"]
	eve := account("eve@example.com")
	eve.GUID[2] = 99
	live := b.made(b.step(&found, eve, plan.FieldOwner))
	b.refused(b.step(live, with(eve, idle), plan.FieldStatus), apply.Refused, "there is an entry of this name already")
	if dn := b.entry(live.Ref).dn; !identity.EqualDN(dn, byHand) {
		t.Errorf("the entry is %s", dn)
	}
}

// testOwnerOfMany: where the attribute of the mark has several values, those of others
// stay.
func testOwnerOfMany(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, `owner_attribute = "description"`)
	a := account("ann@example.com")
	live := b.made(b.step(nil, a))
	dn := b.entry(live.Ref).dn
	b.edit(dn, "description", "likes tea", "hq:corp/"+a.GUID.String())
	live = b.made(b.step(b.get(live.Ref), with(a, func(a *identity.Account) { a.Directory = "lab" }), plan.FieldOwner))
	b.has(b.entry(live.Ref), "description", "likes tea", "hq:lab/"+a.GUID.String())
	b.edit(dn, "description", "other:x/"+a.GUID.String(), "hq:lab/"+a.GUID.String())
	if live = b.get(live.Ref); !strings.Contains(live.Odd, "marks of 2 owners") {
		t.Errorf("the account is %+v", live)
	}
}

// testEscapes: names and values in which every octet means something.
func testEscapes(t *testing.T, m *servertest.MailTree) {
	above := m.Tree(t)
	base := `ou=Empf\C3\A4nger\, \2B \"A\" (*) \\ \#1,` + above
	admin := m.Connect(t)
	request := goldap.NewAddRequest(base, nil)
	request.Attribute("objectClass", []string{"organizationalUnit"})
	if err := admin.Add(request); err != nil {
		t.Fatal(err)
	}
	c, err := open(t, inside(t, m, base, ""), "hq")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, c: c, admin: admin}
	a := account("o'hara+x=y@example.com", "a*b@example.com", "{x}|y@example.com")
	a.Directory, a.Username = `a:b/c (x)*\`, `CORP\ann, "Ann" (x)*`
	live := b.made(b.step(nil, a))
	if live.Mark.Directory != a.Directory || live.Username != a.Username || len(live.Aliases) != 2 {
		t.Errorf("the account is %+v", live)
	}
	found, err := c.Get(t.Context(), nil, []identity.Address{identity.MustAddress("a*b@example.com"), identity.MustAddress("axb@example.com")})
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
	b.refused(b.step(nil, with(a, func(a *identity.Account) { a.Primary, a.Aliases = identity.MustAddress("bob@example.com"), nil })), apply.Taken, "has the mark")
	idle := with(a, func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil })
	live = b.made(b.step(live, idle, plan.FieldStatus, plan.FieldAliases))
	if all := b.all(); len(all) != 1 || all[a.Primary.String()].Status != identity.Inactive {
		t.Errorf("read %v", all)
	}
	if a := b.ask(b.step(live, nil)); a.Err != nil {
		t.Error(a.Err)
	}
}

// pitfalls are what goes wrong with trees.
func pitfalls(t *testing.T, m *servertest.MailTree) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *servertest.MailTree)
	}{
		{"inactive", testInactive}, {"in place", testInPlace}, {"meanwhile", testMeanwhile}, {"by hand", testByHand}, {"others' values", testOthersValues}, {"demanded", testDemanded}, {"names", testNames}, {"owner of many", testOwnerOfMany},
		{"escapes", testEscapes}, {"doctor", testDoctor}, {"halfway", testHalfway}, {"lost answers", testLostAnswers}, {"together", testTogether}, {"ways", testWays}, {"look failed", testLookFailed}, {"survey", testSurvey}, {"unique", testUnique}, {"ledger", testLedger}, {"claims", testClaims}, {"lost claim", testLostClaim},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, m) })
	}
}

// testDoctor: each finding, where something is wrong and where nothing is.
func testDoctor(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	find := func(c *Console) map[string]console.Finding {
		t.Helper()
		all, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]console.Finding{}
		for _, f := range all {
			byName[strings.Fields(f.Check)[0]] = f
		}
		return byName
	}
	for _, f := range find(b.c) {
		if f.Status != "ok" && f.Check != "unique addresses" {
			t.Errorf("%+v", f)
		}
	}
	live := b.made(b.step(nil, account("ann@example.com")))
	adds := "add entries, delete it"
	if b.c.asserts { // OpenLDAP does not say that
		adds = "; the server does not say whether it may " + adds
	} else {
		adds = ", " + adds
	}
	if f := find(b.c)["rights"]; f.Status != "ok" || !strings.Contains(f.Evidence, "the account may change objectClass, mail, "+m.Alias+", employeeNumber, uid, displayName, move it"+adds) {
		t.Errorf("%+v", f)
	}
	before := b.entry(live.Ref)
	reader, err := open(t, strings.ReplaceAll(inside(t, m, b.c.tree.base, ""), m.Writer, m.Reader), "hq")
	b.must(err)
	if f := find(reader)["rights"]; f.Status != "failed" || !strings.Contains(f.Evidence, "may not") {
		t.Errorf("%+v", f)
	}
	if after := b.entry(live.Ref); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("doctor has changed %v to %v", before, after)
	}
	wrong, err := open(t, strings.ReplaceAll(inside(t, m, "ou=nowhere,"+b.c.tree.base, `attributes = { department = "departement" }`), "user_classes", "owner_attribute = \"telexNumber\"\nuser_classes"), "hq")
	b.must(err)
	found := find(wrong)
	if f := found["schema"]; f.Status != "failed" || !strings.Contains(f.Evidence, "there is no attribute departement") {
		t.Errorf("%+v", f)
	}
	if f := found["base_dn"]; f.Status != "failed" {
		t.Errorf("%+v", f)
	}
	if f := found["tls"]; f.Status != "ok" || !strings.Contains(f.Evidence, "valid from") {
		t.Errorf("%+v", f)
	}
}

// testUnique: what the server alone knows to be taken is answered with who has it,
// though he is outside of base_dn.
func testUnique(t *testing.T, m *servertest.MailTree) {
	outer := begin(t, m, "")
	if m.Alias == "mailAlternateAddress" {
		plugin := goldap.NewModifyRequest("cn=attribute uniqueness,cn=plugins,cn=config", nil)
		plugin.Replace("uniqueness-attribute-name", []string{"mail", m.Alias})
		plugin.Replace("uniqueness-subtrees", []string{outer.c.tree.base})
		plugin.Replace("nsslapd-pluginEnabled", []string{"on"})
		outer.must(outer.admin.Modify(plugin))
		defer func() { outer.edit("cn=attribute uniqueness,cn=plugins,cn=config", "nsslapd-pluginEnabled", "off") }()
	}
	outer.add("cn=out", "objectClass", m.Classes[0], "objectClass", m.Classes[1], "sn", "x", "mail", "out@example.com", m.Alias, "out@example.com")
	outer.add("ou=inner", "objectClass", "organizationalUnit")
	c, err := open(t, inside(t, m, "ou=inner,"+outer.c.tree.base, ""), "hq")
	outer.must(err)
	b := &bench{t: t, c: c, admin: outer.admin}
	holder := outer.all()["out@example.com"]
	if len(b.all()) != 0 {
		t.Error("what is outside of base_dn is read")
	}
	if err := b.refused(b.step(nil, account("bob@example.com", "out@example.com")), apply.Taken, "cn=out"); err.Address != "out@example.com" || err.Holder != holder.Ref {
		t.Errorf("%+v", err)
	}
	live := b.made(b.step(nil, account("bob@example.com")))
	if err := b.refused(b.step(live, account("out@example.com"), plan.FieldPrimary), apply.Taken, "cn=out"); err.Holder != holder.Ref {
		t.Errorf("%+v", err)
	}
}

// TestUnread: whatever cuts an answer short is a read that failed.
func TestUnread(t *testing.T) {
	t.Parallel()
	m := servertest.NewMailTree(t)
	b := begin(t, m, "")
	read := func(inside string) (err error) {
		c, err := open(t, inside, "hq")
		if err == nil {
			_, err = c.Accounts(t.Context(), func(identity.Live) error { return nil })
		}
		return err
	}
	here := inside(t, m, b.c.tree.base, "")
	for i := range 3 {
		b.made(b.step(nil, account(fmt.Sprintf("ann%s@example.com", strings.Repeat("x", i)))))
	}
	if err := read(here); err != nil {
		t.Fatal(err)
	}
	b.must(b.admin.Add(&goldap.AddRequest{DN: "cn=limited," + servertest.Base, Attributes: []goldap.Attribute{
		{Type: "objectClass", Vals: []string{"organizationalRole", "simpleSecurityObject"}}, {Type: "userPassword", Vals: []string{"secret"}}}}))
	failed := func(name, inside, text string) {
		t.Helper()
		var e *console.ReadError
		if err := read(inside); !errors.As(err, &e) || !strings.Contains(e.Error(), text) || e.Advice == "" {
			t.Errorf("%s: %v (%T), want %q and advice", name, err, err, text)
		}
	}
	failed("no base", inside(t, m, "ou=nowhere,"+b.c.tree.base, ""), "there is no such entry")
	failed("no ref", here+`ref_attribute = "telexNumber"`, "has no telexNumber, by which accounts are known")
	failed("untrusted", strings.ReplaceAll(here, "ca_file", "# ca_file"), "not trusted")
	failed("away", strings.ReplaceAll(here, m.LDAPS, "ldaps://127.0.0.1:1"), "nothing listens")
	failed("not LDAPS", strings.ReplaceAll(here, m.LDAPS, strings.Replace(m.URL, "ldap:", "ldaps:", 1)), "TLS")
	b.add("cn=elsewhere", "objectClass", "referral", "objectClass", "extensibleObject", "ref", "ldap://other.example.com/ou=more,dc=example,dc=com")
	failed("referral", here, "a part of")
	if _, err := b.c.Get(t.Context(), nil, []identity.Address{identity.MustAddress("annx@example.com")}); err == nil {
		t.Error("a search that was answered with a referral is complete")
	}

	var refused *console.RefusedError
	if err := read(strings.Replace(here, fmt.Sprintf("%q", m.WriterPassword), `"wrong"`, 1)); !errors.As(err, &refused) {
		t.Errorf("a wrong password: %v", err)
	}
	var quoting console.Quoting
	if err := read(inside(t, m, "ou=nowhere,"+b.c.tree.base, "")); err != nil && strings.Contains(err.Error(), m.WriterPassword) || errors.As(err, &quoting) && quoting.Quoted() == "" {
		t.Errorf("%v", err)
	}
}

// TestSizeLimit: a server that gives no more than a number of entries is not read.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	s := servertest.NewSlapd(t, servertest.SlapdOptions{SizeLimit: 2, Schemas: []string{"misc"}, ReaderLimits: "size.soft=2 size.hard=2 size.prtotal=2",
		LDIF: strings.NewReader(entries(5))})
	c, err := open(t, fmt.Sprintf("urls = [%q]\nca_file = %q\nbind_dn = %q\nbind_password = %q\nbase_dn = %q\n", s.LDAPS, s.CA.File, s.Reader, servertest.Password, servertest.Base), "hq")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = c.Accounts(t.Context(), func(identity.Live) error { n++; return nil })
	var e *console.ReadError
	if !errors.As(err, &e) || n > 0 || !strings.Contains(err.Error(), "limit") {
		t.Errorf("%d accounts, %v", n, err)
	}
	var some []identity.Address
	for i := range 5 {
		some = append(some, identity.MustAddress(fmt.Sprintf("n%d@example.com", i)))
	}
	if found, err := c.Get(t.Context(), nil, some); !errors.As(err, &e) || len(found) > 0 {
		t.Errorf("%d accounts, %v", len(found), err)
	}
}

func entries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "dn: cn=n%[1]d,%[2]s\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\ncn: n%[1]d\nsn: x\nmail: n%[1]d@example.com\nmailLocalAddress: n%[1]d@example.com\n\n", i, servertest.Base)
	}
	return b.String()
}

// TestPartRights: of an account that may write a part of what changes write, doctor says
// what it lacks.
func TestPartRights(t *testing.T) {
	t.Parallel()
	s := servertest.NewSlapd(t, servertest.SlapdOptions{Schemas: []string{"misc"}, LDIF: strings.NewReader(entries(1)), Access: []string{
		"to attrs=userPassword by * auth", fmt.Sprintf("to attrs=mailLocalAddress,description by dn.exact=%q write by * read", "cn=reader,"+servertest.Base)}})
	for base, want := range map[string]string{
		servertest.Base:                `the account may not change objectClass, mail, employeeNumber, uid, displayName, move it; entry "cn=n0,`,
		"cn=reader," + servertest.Base: "the account may not change objectClass, mail, employeeNumber, uid, displayName; entry ",
	} {
		c, err := open(t, fmt.Sprintf("urls = [%q]\nca_file = %q\nbind_dn = %q\nbind_password = %q\nbase_dn = %q\n", s.LDAPS, s.CA.File, s.Reader, servertest.Password, base), "hq")
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(f console.Finding) bool { return f.Check == "rights" })
		if i < 0 || all[i].Status != failed || !strings.Contains(all[i].Evidence, want) {
			t.Errorf("%s: %+v", base, all)
		}
	}
}

// TestReadOnly: who may not write is reported so by each change, and by no error.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	w := worlds.OpenLDAP.Serve(t)(t)
	w.Add("ann@example.com")
	c, err := open(t, w.ReadOnly, "hq")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, c: c}
	b.refused(b.step(nil, account("bob@example.com")), apply.Refused, "may not write this")
	ann := b.all()["ann@example.com"]
	b.refused(b.step(&ann, account("ann@example.com"), plan.FieldOwner), apply.Refused, "may not write this")
}

// testHalfway: a change of which the move alone was made is made when it is tried again,
// be it that the server was busy or that the line broke.
func testHalfway(t *testing.T, m *servertest.MailTree) {
	for _, result := range []int{goldap.LDAPResultBusy, servertest.Broken} {
		var turned atomic.Int32 // away
		gate := servertest.NewGate(t, m.URL, func(request int) int {
			if request != servertest.ModifyRequest || turned.Load() > 0 {
				return 0
			}
			turned.Add(1)
			return result
		})
		c, err := open(t, strings.ReplaceAll(inside(t, m, m.Tree(t), "insecure = true"), m.LDAPS, gate), "hq")
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, c: c, admin: m.Connect(t)}
		a := account("ann@example.com", "a@example.com")
		live := b.made(b.step(nil, a))
		s := b.step(live, with(a, func(a *identity.Account) { a.Status = identity.Inactive }), plan.FieldStatus)
		err = c.Apply(t.Context(), []apply.Step{*s}, func(_ int, a apply.Answer) {
			if apply.CodeOf(a.Err) != apply.Temporary {
				t.Errorf("a server that is busy: %v", a.Err)
			}
		})
		if result == servertest.Broken {
			if err == nil || turned.Load() != 1 {
				t.Fatalf("the line is broken: %v", err)
			}
			s.Live = b.get(live.Ref) // as whoever has no answer looks
			if s.Live.Status != identity.Active || len(s.Live.Aliases) != 1 || !b.entry(live.Ref).within(c.tree.inactive) {
				t.Errorf("halfway the account is %+v", s.Live)
			}
		}
		if live = b.made(s); live.Status != identity.Inactive || len(live.Aliases) != 1 {
			t.Errorf("the account is %+v", live)
		}
	}
}

// testLostAnswers: wherever the line breaks, a change was made as a whole or not at all;
// what was answered is made, what was not is an error, and a look tells the truth.
func testLostAnswers(t *testing.T, m *servertest.MailTree) {
	p := servertest.NewProxy(t, m.URL)
	plain := strings.ReplaceAll(inside(t, m, m.Tree(t), "insecure = true"), m.LDAPS, p.URL)
	unknown, there := 0, 0
	var atOpen, length int64 // what the server has sent when the console is open, and what it sends for the change
	n := cases(8, 200)
	for i := range n {
		p.Cut(0, servertest.Whole)
		c, err := open(t, plain, "hq")
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, c: c}
		a := account(fmt.Sprintf("ann%s@example.com", strings.Repeat("n", i%40)), "a@example.com")
		opened := p.Sent()
		if i == 0 {
			b.made(b.step(nil, a))
		} else {
			p.Cut(atOpen+int64(i)*length/int64(n-1), []servertest.Cut{servertest.Finished, servertest.Reset}[i%2])
			answered := false
			err = c.Apply(t.Context(), []apply.Step{*b.step(nil, a)}, func(_ int, x apply.Answer) { answered = x.Err == nil })
			p.Cut(0, servertest.Whole)
			if answered == (err != nil) {
				t.Fatalf("cut %d: answered %v, %v", i, answered, err)
			}
			if err != nil && !errors.As(err, new(*console.ReadError)) {
				unknown++
			}
			found, err := c.Get(t.Context(), nil, []identity.Address{a.Primary})
			if err != nil || answered && len(found) != 1 || len(found) == 1 && len(found[0].Aliases) != 1 {
				t.Fatalf("cut %d: answered %v, found %v, %v", i, answered, found, err)
			}
			there += len(found)
			if len(found) == 0 {
				continue
			}
		}
		if i == 0 {
			atOpen, length = opened, p.Sent()-opened
		}
		found, err := c.Get(t.Context(), nil, []identity.Address{a.Primary})
		b.must(err)
		if x := b.ask(b.step(&found[0], nil)); x.Err != nil {
			t.Fatal(x.Err)
		}
	}
	if unknown == 0 || there == 0 {
		t.Errorf("%d outcomes were unknown, %d of %d accounts were there", unknown, there, n-1)
	}
}

// TestSilent: a server that says nothing any more is given up after the time that the
// console block says.
func TestSilent(t *testing.T) {
	t.Parallel()
	m := servertest.NewMailTree(t)
	p := servertest.NewProxy(t, m.URL)
	values, _ := block(t, strings.ReplaceAll(inside(t, m, m.Tree(t), "insecure = true"), m.LDAPS, p.URL))
	o := opening(values, "hq")
	o.Timeout = 300 * time.Millisecond
	target, err := Kind.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	p.Cut(1, servertest.Stalled)
	for name, ask := range map[string]func() error{
		"get": func() error { _, err := target.Get(t.Context(), []string{"x"}, nil); return err },
		"read": func() error {
			_, err := target.Accounts(t.Context(), func(identity.Live) error { return nil })
			return err
		},
		"apply": func() error {
			return target.Apply(t.Context(), []apply.Step{{Key: "1", After: account("ann@example.com"), By: "hq"}}, func(int, apply.Answer) { t.Error("an answer") })
		},
	} {
		var e *console.ReadError
		if err := ask(); !errors.As(err, &e) || !strings.Contains(err.Error(), "no answer within 300ms") || !strings.Contains(e.Advice, "set timeout in the console block") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

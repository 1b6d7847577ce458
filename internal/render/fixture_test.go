package render

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; accept with -update):\n%s", file, diff)
	}
}

var mail = identity.MustAddress

func guidOf(n int) identity.GUID {
	return identity.GUID{0x8c, 0x4a, 0xc3, byte(n), 0x97, 0x5f, 0x47, 0x17, 0xad, 0x7b, 0xba, 0x4a, 0x4e, 0x96, byte(n >> 8), byte(n)}
}

// person is an active account of the directory corp.
func person(n int, username, name, ou string, addresses ...string) *identity.Account {
	a := &identity.Account{
		Primary: mail(addresses[0]), Directory: "corp", GUID: guidOf(n), Username: username,
		DN:         "CN=" + name + ",OU=" + ou + ",DC=corp,DC=example,DC=com",
		Attributes: []identity.Attribute{{Name: identity.DisplayName, Value: name}},
	}
	for _, x := range addresses[1:] {
		a.Aliases = append(a.Aliases, mail(x))
	}
	return a
}

// but returns a copy of an account with changes.
func but(a *identity.Account, change func(*identity.Account)) *identity.Account {
	b := *a
	change(&b)
	return &b
}

func inactive(a *identity.Account) *identity.Account {
	return but(a, func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil })
}

func header() plan.Header {
	made := time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	return plan.Header{
		ToolVersion: "1.0.0", Created: made, Expires: made.Add(24 * time.Hour), Serial: 7,
		Directories: []identity.Receipt{
			{
				Name: "corp", Kind: "active_directory", Server: "ldaps://dc1.corp.example.com", Scanned: 13950, Entries: 12480,
				Identity: "8c4ac332-975f-4717-ad7b-ba4a4e968fff", USNBefore: 812345, USNAfter: 812351, Reread: 6, Pages: 14, Ranged: 1600,
				References: []string{"ldap://child.corp.example.com/DC=child,DC=corp,DC=example,DC=com"}, Seconds: 3.217, Complete: true,
			},
			{Name: "lab", Kind: "ldif", Server: "lab.ldif", Scanned: 1, Entries: 1, Complete: true},
		},
	}
}

// everything is a plan with each category and each reason.
func everything() *plan.Plan {
	p := &plan.Plan{Header: header(), Unchanged: 12403}
	p.Unread = []string{"hr"}
	p.Warnings = []string{`legal_hold "case-2024-003" ended on 2026-10-31; its addresses are free to change, and the block can go`}

	ann := person(1, "asmith", "Ann Smith", "Sales", "ann.smith@example.com", "a.smith@example.com", "sales@example.com")
	bob := person(2, "bjones", "Bob Jones", "Sales", "bob@example.com", "info@example.com")
	change := func(before, after *identity.Account) {
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: after})
	}
	// A wedding: primary, username, name and department change at once, the
	// old primary stays as an alias, and a shared alias goes to a colleague.
	change(ann, but(ann, func(a *identity.Account) {
		a.Primary, a.Aliases = mail("ann.jones@example.com"), []identity.Address{mail("a.smith@example.com"), mail("ann.smith@example.com")}
		a.Username, a.DN = "ajones", "CN=Ann Jones,OU=Marketing,DC=corp,DC=example,DC=com"
		a.Attributes = []identity.Attribute{{Name: "department", Value: "Marketing"}, {Name: identity.DisplayName, Value: "Ann Jones"}}
	}))
	change(bob, but(bob, func(a *identity.Account) { a.Aliases = []identity.Address{mail("sales@example.com")} }))
	change(nil, person(3, "ijones", "Information Desk", "Front Office", "info@example.com"))
	change(nil, person(4, "li.wei", "李伟", "研究", "wei.li@example.com", "li@example.com", "wei@example.org"))
	change(nil, person(5, "jorgen", "Jørgen Ångström", "Forschung & Entwicklung", "jorgen.angstrom@contoso-international.example.org"))
	change(nil, but(person(6, "", "All Hands", "Groups", "all@example.com"), func(a *identity.Account) { a.Type = identity.List }))
	eve := person(7, "eve", "Eve Adams", "Sales", "office@example.com")
	dan := person(8, "dan", "Dan Brown", "Sales", "dan@example.com")
	change(eve, inactive(eve))
	p.Accounts[len(p.Accounts)-1].After = nil
	change(dan, but(dan, func(a *identity.Account) { a.Aliases = []identity.Address{mail("office@example.com")} }))
	fay, gus := person(9, "fay", "Fay Wong", "Sales", "desk@example.com"), person(10, "gus", "Gus Hall", "Sales", "gus@example.com")
	change(fay, but(fay, func(a *identity.Account) { a.Primary = mail("fay@example.com") }))
	change(gus, but(gus, func(a *identity.Account) { a.Primary = mail("desk@example.com") }))
	team := person(11, "team", "Team", "Groups", "team@example.com")
	change(team, but(team, func(a *identity.Account) { a.Type = identity.List }))
	ivy := person(12, "ivy", "Ivy 👩‍🔬 Chen", "Lab", "ivy@example.com")
	change(ivy, but(ivy, func(a *identity.Account) {
		a.Directory, a.DN = "lab", "uid=ivy,ou=people,dc=lab"
		a.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: "Ivy 👩‍🔬 Chen-Müller"}}
	}))
	local := but(person(13, "", "", "", "kim@example.com"), func(a *identity.Account) {
		a.Directory, a.GUID, a.DN, a.Username, a.Attributes = "", identity.GUID{}, "", "", nil
	})
	change(local, person(13, "kim", "Kim Lee", "Sales", "kim@example.com"))
	lou := person(14, "lou", "Lou Reed", "Sales", "lou@example.com")
	change(lou, but(lou, func(a *identity.Account) { a.GUID = guidOf(15) }))
	mia := inactive(person(16, "mia", "Mia Wallace", "Sales", "mia@example.com"))
	change(mia, but(mia, func(a *identity.Account) { a.Status = identity.Active }))
	for i, name := range []string{"leaver.one", "leaver.two", "leaver.three"} {
		a := person(20+i, name, "Leaver", "Leavers", name+"@example.com", name+"@example.org")
		change(a, inactive(a))
	}
	for i := range 20 {
		name := fmt.Sprintf("student%02d", i)
		a := person(30+i, name, "Student", "Lab", name+"@example.org", name+".old@example.org")
		a.Directory = "lab"
		change(a, inactive(a))
		c := &p.Accounts[len(p.Accounts)-1]
		c.Withheld, c.Kept = true, a
	}
	p.Changes = plan.Rows(p.Accounts)
	lost := 0
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Category == plan.Inactive {
			c.Reason = plan.LossReasons()[lost%len(plan.LossReasons())]
			lost++
		}
	}
	p.Allowances = []plan.Allowance{
		{Directory: "corp", Accounts: 12_410, Addresses: 20_117, Losses: [plan.Brakes]plan.Loss{{Count: 3, Bound: 500}, {Count: 1, Bound: 500}, {Count: 1, Bound: 500}}},
		{Directory: "lab", Accounts: 110, Addresses: 150, Losses: [plan.Brakes]plan.Loss{{Count: 20, Bound: 11}, {Bound: 15}, {Bound: 11}}},
	}
	p.Rejections = rejections()
	return assessed(p)
}

// rejections has each reason, in their order.
func rejections() []plan.Rejection {
	dn := func(name string) string { return "CN=" + name + ",OU=Sales,DC=corp,DC=example,DC=com" }
	entry := func(reason plan.Reason, address, name string) plan.Rejection {
		return plan.Rejection{Reason: reason, Address: address, Primary: "pat@example.com", DN: dn(name), Directory: "corp", Scope: "staff", GUID: guidOf(99)}
	}
	with := func(r plan.Rejection, change func(*plan.Rejection)) plan.Rejection {
		change(&r)
		return r
	}
	other := func(name string) plan.Party {
		return plan.Party{Kind: plan.EntryParty, Name: dn(name), Directory: "corp"}
	}
	account := func(primary, directory string) plan.Party {
		return plan.Party{Kind: plan.AccountParty, Name: primary, Directory: directory}
	}
	return []plan.Rejection{
		with(entry(plan.AliasRejected, "hotline@example.com", "Pat Smith"), func(r *plan.Rejection) { r.Other = other("Quinn Lee") }),
		with(entry(plan.AliasRejected, "hotline@example.com", "Quinn Lee"), func(r *plan.Rejection) { r.Other = other("Pat Smith"); r.Other.More = 2 }),
		with(entry(plan.PrimaryRejected, "pat@example.com", "Pat Smith"), func(r *plan.Rejection) { r.Other = other("Patrick Smith"); r.Other.Directory = "lab" }),
		entry(plan.AliasMalformed, "pat smith@example.com", "Pat Smith"),
		entry(plan.PrimaryMalformed, "pat@example..com", "Pat Smith"),
		with(entry(plan.ProtectedDeactivation, "ceo@example.com", "Chief"), func(r *plan.Rejection) {
			r.Guard, r.DN, r.Primary, r.Other = "executives", "", "ceo@example.com", account("ceo@example.com", "corp")
		}),
		with(entry(plan.ProtectedPrimaryToAlias, "cfo@example.com", "Finance"), func(r *plan.Rejection) {
			r.Guard, r.Wanted, r.Other = "executives", "cfo.new@example.com", other("Finance")
		}),
		with(entry(plan.ProtectedMove, "board@example.com", "Pat Smith"), func(r *plan.Rejection) {
			r.Guard, r.Other = "executives", account("chair@example.com", "corp")
		}),
		entry(plan.UnknownDomain, "pat@example.info", "Pat Smith"),
		entry(plan.UnknownDomain, "pat@subsidiary.example", "Pat Smith"),
		entry(plan.UnknownDomain, "quinn@example.info", "Quinn Lee"),
		with(entry(plan.PreexistingAddress, "web@example.com", "Pat Smith"), func(r *plan.Rejection) { r.Other = account("webmaster@example.com", "") }),
		with(entry(plan.LocalPrimaryNotAdopted, "support@example.com", "Pat Smith"), func(r *plan.Rejection) { r.Other = account("helpdesk@example.com", "") }),
		entry(plan.NoValidPrimary, "nobody@example.com", "Nobody"),
		with(entry(plan.OtherDirectory, "rob@example.com", "Rob"), func(r *plan.Rejection) { r.Other = account("rob@example.com", "hr") }),
		entry(plan.PublicAddress, "pat.smith@gmail.com", "Pat Smith"),
		with(entry(plan.LegalHold, "sue@example.com", "Sue Doe"), func(r *plan.Rejection) { r.Guard, r.Attribute, r.Other = "case-2026-017", "type, dn", other("Sue Doe") }),
		with(entry(plan.LegalHold, "sue@example.org", "Sue Doe"), func(r *plan.Rejection) { r.Guard, r.Other = "case-2026-017", other("Sue Doe") }),
		with(entry(plan.AttributeTooLong, "tom@example.com", "Tom"), func(r *plan.Rejection) { r.Attribute, r.Length, r.Limit = "department", 1300, 255 }),
		with(entry(plan.GUIDChanged, "uma@example.com", "Uma"), func(r *plan.Rejection) { r.Other = account("uma@example.com", "corp") }),
		with(entry(plan.MissingGUID, "vic@example.com", "Vic"), func(r *plan.Rejection) { r.GUID = identity.GUID{} }),
		with(entry(plan.PrerequisiteMissing, "wendy@example.com", "Wendy"), func(r *plan.Rejection) {
			r.Other = plan.Party{Kind: plan.DirectoryParty, Name: "cloud", Directory: "cloud"}
			r.Guard, r.Attribute = "in-the-cloud", "mail"
		}),
		with(entry(plan.ConsoleUnsupported, "sales@example.com", "Sales"), func(r *plan.Rejection) { r.Cause, r.Length, r.Limit = plan.FactMaxAliases, 12, 10 }),
		with(entry(plan.ConsoleUnsupported, "uma@example.com", "Uma"), func(r *plan.Rejection) {
			r.Cause, r.Detail, r.Other = plan.SharedAddress, "uma@example.com", account("uma@example.com", "corp")
		}),
	}
}

// part is a plan with a row of each category, most of them left out: what is
// not selected, what goes with it, and hostile text.
func part(t testing.TB) *plan.Plan {
	t.Helper()
	in := plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp", "lab"},
			Domains:     []plan.Domain{{Name: "example.com"}, {Name: "example.org"}},
			Scopes:      []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com", "example.org"}, Adopt: true, Rebind: true}},
			Limits:      plan.Limits{{Most: 100, Percent: 100}, {Most: 100, Percent: 100}, {Most: 100, Percent: 100}},
		},
		Read: []string{"corp", "lab"},
	}
	have := func(a *identity.Account) { in.Accounts = append(in.Accounts, *a) }
	want := func(a *identity.Account) {
		e := identity.Entry{GUID: a.GUID, DN: a.DN, Username: a.Username, Primaries: []string{a.Primary.String()}, Attributes: a.Attributes, Type: a.Type}
		for _, x := range a.Aliases {
			e.Aliases = append(e.Aliases, x.String())
		}
		in.Entries = append(in.Entries, e)
	}
	for i := range 20 {
		name := fmt.Sprintf("joiner%02d", i)
		want(person(100+i, name, "Joiner", "Sales", name+"@example.com"))
	}
	have(person(1, "ann", "Ann Smith", "Sales", "ann@example.com", "sales@example.com"))
	want(person(1, "asmith", hostile, hostile, "ann.smith@example.com", "=ann@example.com"))
	want(person(2, "bob", "Bob Jones", "Sales", "bob@example.com", "sales@example.com"))
	have(person(3, "leaver", "Leaver", "Leavers", "leaver@example.com", "desk@example.com", "info@example.com"))
	want(person(4, "desk", "Desk", "Sales", "desk@example.com", "leaver@example.com", "ann@example.com"))
	have(but(person(5, "team", "Team", "Groups", "team@example.com"), func(a *identity.Account) { a.Directory = "lab" }))
	want(but(person(5, "team", "Team", "Groups", "team@example.com"), func(a *identity.Account) { a.Type = identity.List }))
	have(but(person(6, "", "", "", "kim@example.com"), func(a *identity.Account) {
		a.Directory, a.GUID, a.DN, a.Username, a.Attributes = "", identity.GUID{}, "", "", nil
	}))
	want(person(6, "kim", "Kim Lee", "Sales", "kim@example.com"))
	have(person(7, "lou", "Lou Reed", "Sales", "lou@example.com"))
	want(person(8, "lou", "Lou Reed", "Sales", "lou@example.com"))
	have(inactive(person(9, "mia", "Mia Wallace", "Sales", "mia@example.com")))
	want(person(9, "mia", "Mia Wallace", "Sales", "mia@example.com"))
	have(person(10, "fay", "Fay Wong", "Sales", "counter@example.com"))
	want(person(10, "fay", "Fay Wong", "Sales", "fay@example.com"))
	have(person(11, "gus", "Gus Hall", "Sales", "gus@example.com"))
	want(person(11, "gus", "Gus Hall", "Sales", "counter@example.com"))
	except := []string{"alias_switch", "primary_change", "username_change", "inactive", "team@example.com"}
	for _, text := range except {
		s, err := plan.ParseSelector(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		in.Selection.Except = append(in.Selection.Except, s)
	}
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	p.Header = header()
	p.Only, p.Except = []string{"scope:" + hostile}, except
	return assessed(p)
}

// nothing is a plan that changes nothing.
func nothing() *plan.Plan {
	p := &plan.Plan{Header: header(), Unchanged: 12480}
	p.Directories = p.Directories[:1]
	return assessed(p)
}

// standing is a plan of rejections alone, of which some were known before.
func standing() *plan.Plan {
	p := nothing()
	p.Rejections = rejections()
	known := map[string]time.Time{}
	for i := range p.Rejections {
		if i%7 != 3 {
			before := &plan.Plan{Header: plan.Header{Created: p.Created.AddDate(0, 0, -i), Directories: p.Directories}, Rejections: p.Rejections[i : i+1]}
			maps.Copy(known, before.Remembered(nil))
		}
	}
	p.MarkNew(known, nil)
	return assessed(p)
}

// hostile is text that nobody should see as it is.
const hostile = " =cmd|'/c calc'!A1\x1b[2J\x1b]0;owned\a\u202egnp.exe\u2066\xff\xfe\x00\r\n\t\u200b\ufeff\u00a0e\u0301\U000e0041 "

// poisoned has hostile text in every field that comes from outside.
func poisoned() *plan.Plan {
	p := &plan.Plan{Header: plan.Header{
		Directories: []identity.Receipt{{Name: hostile, Kind: hostile, Server: hostile, Identity: hostile, References: []string{hostile}, Full: hostile, Scanned: 2, Entries: 1, Complete: false}},
		Unread:      []string{hostile, hostile}, Warnings: []string{hostile},
	}}
	bad := func(n int, address string) *identity.Account {
		return &identity.Account{
			Primary: mail(address), Directory: hostile, GUID: guidOf(n), Username: hostile, DN: hostile,
			Attributes: []identity.Attribute{{Name: hostile, Value: hostile}},
		}
	}
	a, b := bad(1, "=a@example.com"), bad(2, "+b@example.com")
	p.Accounts = []plan.AccountChange{
		{After: bad(3, "-c@example.com")},
		{Before: a, After: inactive(a)},
		{Before: b, After: but(b, func(x *identity.Account) {
			x.Directory, x.DN, x.Username = hostile+"2", "x"+hostile, "y"+hostile
			x.Attributes = []identity.Attribute{{Name: hostile, Value: hostile + "z"}}
		})},
	}
	p.Changes = plan.Rows(p.Accounts)
	for reason := plan.AliasRejected; int(reason) < plan.Reasons; reason++ {
		for kind := plan.NoParty; kind <= plan.AccountParty; kind++ {
			p.Rejections = append(p.Rejections, plan.Rejection{
				Reason: reason, Address: hostile, Primary: hostile, DN: hostile, Directory: hostile, Scope: hostile, Guard: hostile,
				Attribute: hostile, Wanted: hostile, Other: plan.Party{Kind: kind, Name: hostile, Directory: hostile, More: 1},
			})
		}
	}
	return assessed(p)
}

// console is the receipt of a console that is not the state file.
func console() *plan.ConsoleReceipt {
	return &plan.ConsoleReceipt{
		Name: "gateway", Kind: "exec", Product: "acme-gateway", Version: "3.1", Accounts: 12512, Owned: 12403, Local: 79, Foreign: 30, Seconds: 2.149,
	}
}

// drifting is a plan with each kind of drift, more than is shown at once, and
// changes that take some of it back.
func drifting() *plan.Plan {
	p := everything()
	p.Console = console()
	add := func(kind plan.DriftKind, primary, ref, field, recorded, found string) {
		d := plan.Drift{Kind: kind, Ref: ref, Field: field, Recorded: recorded, Found: found}
		if primary != "" {
			d.Primary = mail(primary)
		}
		p.Drift = append(p.Drift, d)
	}
	var crowd []string
	for i := range 40 {
		crowd = append(crowd, fmt.Sprintf("member%02d@example.com", i))
	}
	add(plan.DriftGone, "all@example.com", "u-7", "", "", "")
	add(plan.DriftGone, "wei.li@example.com", "u-4", "", "", "")
	add(plan.DriftForeign, "branch@example.com", "u-90", "owner", "hq", "branch")
	add(plan.DriftOwner, "mia@example.com", "u-16", "owner", "corp/"+guidOf(16).String(), "corp/"+guidOf(99).String())
	add(plan.DriftChanged, "ann.smith@example.com", "u-1", "aliases", "a.smith@example.com sales@example.com", "a.smith@example.com ann@example.com sales@example.com")
	add(plan.DriftChanged, "ann.smith@example.com", "u-1", "display_name", "Ann Smith", "Ann Smith (Sales)")
	add(plan.DriftChanged, "crowd@example.com", "u-40", "aliases", strings.Join(crowd[:20], " "), strings.Join(crowd[2:], " "))
	add(plan.DriftChanged, "dana@example.com", "u-41", "display_name", "דנה לוי", "مها خليل")
	add(plan.DriftChanged, "dana@example.com", "u-41", "status", "active", "inactive")
	add(plan.DriftChanged, "ivy@example.com", "u-12", "department", "Lab", "")
	add(plan.DriftUnrecorded, "", "u-97", "", "", "")
	add(plan.DriftUnrecorded, "temp@example.com", "u-98", "", "", "")
	add(plan.DriftUnrecorded, "trainee@example.com", "u-99", "", "", "")
	for i := range p.Changes {
		c := &p.Changes[i]
		switch a := c.Address.String(); {
		case c.Category == plan.Add && (a == "all@example.com" || a == "wei.li@example.com"), c.Category == plan.AttributeChange && a == "ann.jones@example.com" && c.Attribute == identity.DisplayName,
			c.Category == plan.Inactive && a == "student00@example.org":
			c.Drift = true
		}
	}
	return assessed(p)
}

// poisonedDrift has hostile text in everything that a console says.
func poisonedDrift() *plan.Plan {
	p := &plan.Plan{Header: plan.Header{Console: &plan.ConsoleReceipt{Name: hostile, Kind: hostile, Product: hostile, Version: hostile, Accounts: 1, Foreign: 1}}}
	for kind := range plan.DriftKind(plan.DriftKinds) {
		p.Drift = append(p.Drift, plan.Drift{Kind: kind, Primary: mail("=a@example.com"), Ref: hostile, Field: hostile, Recorded: hostile + "a", Found: hostile + "b"})
	}
	a := person(1, "a", "A", "Staff", "+a@example.com")
	p.Accounts = []plan.AccountChange{{Before: a, After: but(a, func(a *identity.Account) { a.Username = hostile })}}
	p.Changes = plan.Rows(p.Accounts)
	p.Changes[0].Drift = true
	return assessed(p)
}

// assessed groups the changes of a plan and judges its risk, of which each directory had 110 active
// accounts.
func assessed(p *plan.Plan) *plan.Plan {
	for _, name := range []string{"corp", "lab"} {
		p.Active = append(p.Active, plan.ActiveAccounts{Directory: name, Accounts: 110})
	}
	p.Group()
	p.Assess(plan.DefaultRisk())
	return p
}

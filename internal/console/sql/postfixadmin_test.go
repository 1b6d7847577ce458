package sql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// desk is a console of which a test changes accounts.
type desk struct {
	*testDatabase
	c    *Console
	keys int
}

func newDesk(t *testing.T, d *testDatabase, more ...func(map[string]any)) *desk {
	t.Helper()
	set := postfixadmin(d.url)
	for _, change := range more {
		change(set)
	}
	return &desk{testDatabase: d, c: opened(t, "hq", set)}
}

func opened(t *testing.T, owner string, set map[string]any) *Console {
	t.Helper()
	c, err := open(t.Context(), opening(owner, set))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// account makes up an account of which the entry is known by its name.
func account(primary string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: identity.MustAddress(primary), Directory: "corp", Username: "u", DN: "CN=" + primary}
	copy(a.GUID[:], primary)
	for _, x := range aliases {
		a.Aliases = append(a.Aliases, identity.MustAddress(x))
	}
	slices.SortFunc(a.Aliases, identity.Address.Compare)
	return a
}

// read returns an account as it is read, or nil.
func (d *desk) read(primary string) (l *identity.Live) {
	d.t.Helper()
	for _, x := range d.reads() {
		if x.Primary.String() == primary {
			l = &x
		}
	}
	return l
}

func (d *desk) reads() (all []identity.Live) {
	d.t.Helper()
	if _, err := d.c.Accounts(d.t.Context(), func(l identity.Live) error { all = append(all, l); return nil }); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// step is a change of an account to what after says; live is nil for a new one.
func (d *desk) step(live *identity.Live, after *identity.Account, fields ...string) apply.Step {
	d.keys++
	return apply.Step{Key: fmt.Sprint(d.keys), Group: d.keys, Live: live, After: after, By: "hq", Fields: fields}
}

// apply makes changes as one group, which may fail.
func (d *desk) apply(steps ...apply.Step) []apply.Answer {
	d.t.Helper()
	answers := make([]apply.Answer, len(steps))
	for i := range steps {
		steps[i].Group = steps[0].Group
	}
	if err := d.c.Apply(d.t.Context(), steps, func(i int, a apply.Answer) { answers[i] = a }); err != nil {
		d.t.Fatal(err)
	}
	return answers
}

// make makes changes that have to be made.
func (d *desk) make(steps ...apply.Step) {
	d.t.Helper()
	for i, a := range d.apply(steps...) {
		if a.Err != nil {
			d.t.Fatalf("change %d: %v", i, a.Err)
		}
	}
}

// change changes an account that is there.
func (d *desk) change(primary string, change func(a *identity.Account), fields ...string) {
	d.t.Helper()
	l := d.read(primary)
	if l == nil {
		d.t.Fatalf("%s is not there", primary)
	}
	a := l.Account
	a.Directory, a.GUID = l.Mark.Directory, l.Mark.GUID
	a.Aliases, a.Attributes = slices.Clone(a.Aliases), slices.Clone(a.Attributes)
	change(&a)
	d.make(d.step(l, &a, fields...))
}

// sees compares the rows of a query.
func (d *desk) sees(what, want, query string, args ...any) {
	d.t.Helper()
	if got := d.rows(query, args...); got != want {
		d.t.Errorf("%s: the rows are\n%s\nwant\n%s", what, got, want)
	}
}

const (
	allMailboxes = "SELECT username, name, maildir, active FROM mailbox ORDER BY username"
	allAliases   = "SELECT address, goto, active FROM alias ORDER BY address"
)

// The pitfalls of PostfixAdmin's tables.
var pitfalls = map[string]func(*desk){
	// Mail is accepted for an inactive mailbox whose own alias is active: both go out
	// of service, and the aliases are nobody's any more.
	"InactiveIsBothRows": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "a@example.com")))
		d.change("ann@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
		d.sees("mailboxes", "ann@example.com  example.com/ann/ 0", allMailboxes)
		d.sees("aliases", "ann@example.com ann@example.com 0", allAliases)
		// Whoever brings one of them back by hand is seen, either way.
		d.do("UPDATE alias SET active = ?", true)
		if l := d.read("ann@example.com"); l.Active() != true {
			d.t.Error("an inactive account that gets mail is read as inactive")
		}
		d.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Inactive }, plan.FieldStatus)
		d.sees("aliases", "ann@example.com ann@example.com 0", allAliases)
		d.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
		d.do("UPDATE mailbox SET active = ?", false)
		if l := d.read("ann@example.com"); l.Active() {
			d.t.Error("an active account whose mailbox was put out of service is read as active")
		}
		d.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
		d.sees("mailboxes", "ann@example.com  example.com/ann/ 1", allMailboxes)
		// So with a mailbox whose own alias somebody removed.
		d.do("DELETE FROM alias")
		if l := d.read("ann@example.com"); l.Active() {
			d.t.Error("an account without its own alias is as it was asked for")
		}
		d.change("ann@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
		d.sees("aliases", "ann@example.com ann@example.com 1", allAliases)
	},
	// Mail stays where it is when somebody is renamed, and the next of that name does
	// not get it.
	"RenameKeepsTheMaildir": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "a@example.com")))
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('team@example.com', 'ann@example.com,bob@example.org', 'example.com')")
		d.do("UPDATE alias SET goto = 'ann@example.com,copy@example.org' WHERE address = 'ann@example.com'")
		d.change("ann@example.com", func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.com") }, plan.FieldPrimary)
		d.sees("mailboxes", "ann.smith@example.com  example.com/ann/ 1", allMailboxes)
		d.sees("local parts", "ann.smith example.com", "SELECT local_part, domain FROM mailbox")
		d.sees("aliases", "a@example.com ann.smith@example.com 1\nann.smith@example.com ann.smith@example.com,copy@example.org 1\nteam@example.com ann@example.com,bob@example.org 1", allAliases)
		next := account("ann@example.com")
		next.GUID = identity.GUID{9}
		d.make(d.step(nil, next))
		d.sees("mailboxes", "ann.smith@example.com  example.com/ann/ 1\nann@example.com  example.com/ann-2/ 1", allMailboxes)
	},
	// Whom a list reaches is nobody's business here.
	"ListsKeepTheirTargets": func(d *desk) {
		list := account("all@example.com", "everybody@example.com")
		list.Type = identity.List
		d.make(d.step(nil, list))
		d.sees("aliases", "all@example.com all@example.com 1\neverybody@example.com all@example.com 1", allAliases)
		d.do("UPDATE alias SET goto = 'bob@example.com,carl@example.com' WHERE address = 'all@example.com'")
		d.change("all@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
		d.change("all@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
		d.change("all@example.com", func(a *identity.Account) { a.Primary = identity.MustAddress("staff@example.com") }, plan.FieldPrimary)
		d.sees("aliases", "staff@example.com bob@example.com,carl@example.com 1", allAliases)
		d.sees("mailboxes", "", allMailboxes)
		// A list that becomes a user keeps them, and gets the mail itself, too.
		d.change("staff@example.com", func(a *identity.Account) { a.Type = identity.User }, plan.FieldType)
		d.sees("aliases", "staff@example.com staff@example.com,bob@example.com,carl@example.com 1", allAliases)
		d.sees("mailboxes", "staff@example.com  example.com/staff/ 1", allMailboxes)
		// And a user that becomes a list keeps the mailbox with its mail.
		d.change("staff@example.com", func(a *identity.Account) { a.Type = identity.List }, plan.FieldType)
		if l := d.read("staff@example.com"); l.Type != identity.List {
			d.t.Error("the user is no list")
		}
		d.sees("mailboxes", "staff@example.com  example.com/staff/ 1", allMailboxes)
	},
	// A list with one member is no alias of that member, if it is ours.
	"ListWithOneMember": func(d *desk) {
		list := account("all@example.com")
		list.Type = identity.List
		d.make(d.step(nil, account("ann@example.com")), d.step(nil, list))
		d.do("UPDATE alias SET goto = 'ann@example.com' WHERE address = 'all@example.com'")
		if l := d.read("ann@example.com"); len(l.Aliases) > 0 {
			d.t.Errorf("ann has %v", l.Aliases)
		}
		if l := d.read("all@example.com"); l == nil || l.Type != identity.List || l.Mark.IsZero() {
			d.t.Errorf("the list is read as %+v", l)
		}
	},
	// The addresses that PostfixAdmin makes for a new domain stay local, wherever they
	// lead, unless an entry lists them.
	"SystemAliasesAreLocal": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "webmaster@example.net")))
		for _, name := range []string{"abuse", "hostmaster", "postmaster", "webmaster"} {
			d.do("INSERT INTO alias (address, goto, domain) VALUES (?, 'ann@example.com', 'example.com')", name+"@example.com")
		}
		if got := fmt.Sprint(d.read("ann@example.com").Aliases); got != "[webmaster@example.net]" {
			d.t.Errorf("ann has %s", got)
		}
		for _, name := range []string{"abuse", "hostmaster", "postmaster", "webmaster"} {
			if l := d.read(name + "@example.com"); l == nil || !l.Mark.IsZero() {
				d.t.Errorf("%s is read as %+v", name, l)
			}
		}
		before := d.rows(allAliases + " LIMIT 3")
		d.change("ann@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
		if after := d.rows(allAliases + " LIMIT 3"); strings.Replace(after, "ann@example.com ann@example.com 0", "ann@example.com ann@example.com 1", 1) != before {
			d.t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	},
	// What somebody adds to an account of ours is its alias, and can be taken back. What
	// somebody puts out of service it has no more, and gets again.
	"AliasesByHand": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "a@example.com")))
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('help@example.com', 'ann@example.com', 'example.com')")
		d.do("UPDATE alias SET active = ? WHERE address = 'a@example.com'", false)
		if got := fmt.Sprint(d.read("ann@example.com").Aliases); got != "[help@example.com]" {
			d.t.Errorf("ann has %s", got)
		}
		d.change("ann@example.com", func(a *identity.Account) { a.Aliases = []identity.Address{identity.MustAddress("a@example.com")} }, plan.FieldAliases)
		d.sees("aliases", "a@example.com ann@example.com 1\nann@example.com ann@example.com 1", allAliases)
	},
	// A catch-all is no account.
	"CatchAll": func(d *desk) {
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('@example.com', 'ann@example.com', 'example.com')")
		if all := d.reads(); len(all) > 0 {
			d.t.Errorf("read %+v", all)
		}
	},
	// An account that somebody removed by hand is made again, with its mark.
	"RemovedByHand": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com")))
		d.do("DELETE FROM mailbox")
		d.do("DELETE FROM alias")
		if all := d.reads(); len(all) > 0 {
			d.t.Errorf("read %+v", all)
		}
		d.make(d.step(nil, account("ann.smith@example.com")), d.step(nil, func() *identity.Account {
			a := account("ann@example.com")
			a.GUID = identity.GUID{3}
			return a
		}()))
		d.make(d.step(nil, account("x@example.com")))
		d.sees("owners", "ann.smith@example.com\nann@example.com\nx@example.com", "SELECT address FROM rollcall_owner ORDER BY address")
	},
	// The key of an account that was adopted stays its own when others get its former
	// address, also after it is gone.
	"RefsAreNotUsedAgain": func(d *desk) {
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('ann@example.com', 'ann@example.org', 'example.com')")
		local := d.read("ann@example.com")
		owned := account("ann@example.com")
		owned.Type = identity.List
		d.make(d.step(local, owned, plan.FieldOwner, plan.FieldUsername, plan.FieldDN))
		d.change("ann@example.com", func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.com") }, plan.FieldPrimary)
		if l := d.read("ann.smith@example.com"); l.Ref != local.Ref {
			d.t.Errorf("the ref was %q and is %q", local.Ref, l.Ref)
		}
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('ann@example.com', 'other@example.org', 'example.com')")
		second := d.read("ann@example.com")
		if second.Ref == local.Ref {
			d.t.Errorf("a second account has the ref %q", local.Ref)
		}
		d.make(d.step(d.read("ann.smith@example.com"), nil))
		if l := d.read("ann@example.com"); l.Ref != second.Ref {
			d.t.Errorf("the ref was %q and is %q", second.Ref, l.Ref)
		}
		if got, err := d.c.Get(d.t.Context(), []string{second.Ref}, nil); err != nil || len(got) != 1 || got[0].Ref != second.Ref {
			d.t.Errorf("got %+v, %v", got, err)
		}
		owned = account("ann@example.com")
		owned.Type = identity.List
		d.make(d.step(second, owned, plan.FieldOwner, plan.FieldUsername, plan.FieldDN))
		if l := d.read("ann@example.com"); l.Ref != second.Ref || l.Mark.IsZero() {
			d.t.Errorf("the adopted account is %+v", l)
		}
	},
	// What an account begins with: a password that nobody has, and what initial says.
	"Initial": func(d *desk) {
		step := d.step(nil, account("ann@example.com"))
		step.Initial = []identity.Attribute{{Name: "maildir", Value: "%d/%n/Maildir/"}, {Name: "policy", Value: "strict"}, {Name: "quota", Value: "1048576"}}
		d.make(step)
		d.sees("mailbox", "{CRYPT}! example.com/ann/Maildir/ 1048576", "SELECT password, maildir, quota FROM mailbox")
		if got := fmt.Sprint(d.read("ann@example.com").Attributes); got != "[{policy strict}]" {
			d.t.Errorf("its attributes are %s", got)
		}
		list := account("all@example.com")
		list.Type = identity.List
		step = d.step(nil, list)
		step.Initial = []identity.Attribute{{Name: "goto", Value: "moderator@example.org"}}
		d.make(step)
		d.sees("list", "moderator@example.org", "SELECT goto FROM alias WHERE address = 'all@example.com'")
		for _, wrong := range []identity.Attribute{{Name: "quota", Value: "much"}, {Name: "password", Value: "hunter2"}, {Name: "maildir", Value: "example.com/ann/Maildir/"}} {
			step = d.step(nil, account("bob@example.com"))
			step.Initial = []identity.Attribute{wrong}
			var tried apply.Answer
			if err := d.c.Try(d.t.Context(), []apply.Step{step}, func(_ int, a apply.Answer) { tried = a }); err != nil {
				d.t.Fatal(err)
			}
			for _, a := range []apply.Answer{tried, d.apply(step)[0]} {
				if a.Err == nil || a.Err.Code != apply.Misused || strings.Contains(a.Err.Message, "hunter2") {
					d.t.Errorf("initial %s: %+v", wrong.Name, a)
				}
			}
		}
	},
	// Two accounts swap their primaries and their marks, and nothing temporary is left.
	"SwapOfMarks": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "a@example.com")), d.step(nil, account("bob@example.com")))
		ann, bob := d.read("ann@example.com"), d.read("bob@example.com")
		d.make(d.step(ann, account("bob@example.com", "a@example.com"), plan.FieldPrimary, plan.FieldOwner), d.step(bob, account("ann@example.com"), plan.FieldPrimary, plan.FieldOwner))
		d.sees("mailboxes", "ann@example.com  example.com/bob/ 1\nbob@example.com  example.com/ann/ 1", allMailboxes)
		d.sees("aliases", "a@example.com bob@example.com 1\nann@example.com ann@example.com 1\nbob@example.com bob@example.com 1", allAliases)
		if l := d.read("bob@example.com"); l.Ref != ann.Ref || l.Mark != bob.Mark {
			d.t.Errorf("bob is %+v", l)
		}
	},
	// A domain that is not in the database has no accounts: the facts say so, and so
	// does the answer to who tries.
	"Domains": func(d *desk) {
		if got := fmt.Sprint(d.c.Facts().Domains); got != "[example.com example.net]" {
			d.t.Errorf("the domains are %s", got)
		}
		if d.server.Scheme == "postgres" {
			if a := d.apply(d.step(nil, account("ann@example.test")))[0]; a.Err == nil || a.Err.Code != apply.Refused || !strings.Contains(a.Err.Message, "domain") {
				d.t.Errorf("%+v", a)
			}
		}
	},
	// Addresses in capitals are read in small letters. Two that differ in that alone are
	// both told.
	"Case": func(d *desk) {
		d.do("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES ('Carl@Example.com', '', 'Carl', 'c/', 'Carl', 'example.com')")
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('Carl@Example.com', 'Carl@Example.com', 'example.com'), ('C@example.com', 'carl@Example.com', 'example.com')")
		carl := d.read("carl@example.com")
		if carl == nil || carl.Odd != "" || fmt.Sprint(carl.Aliases) != "[c@example.com]" {
			d.t.Fatalf("carl is read as %+v", carl)
		}
		owned := account("carl@example.com", "c@example.com")
		d.make(d.step(carl, owned, plan.FieldOwner))
		d.change("carl@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
		d.sees("mailboxes", "Carl@Example.com Carl c/ 0", allMailboxes)
		d.sees("aliases", "Carl@Example.com Carl@Example.com 0", allAliases)
		found, err := d.c.Check(d.t.Context())
		if err != nil || !strings.Contains(fmt.Sprint(found), "1 address is stored with capitals") {
			d.t.Errorf("found %v, %v", found, err)
		}
		if d.server.Scheme != "postgres" {
			return // whose keys do not know capitals
		}
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('Bob@example.com', 'x@example.org', 'example.com'), ('bob@example.com', 'y@example.org', 'example.com')")
		var refs []string
		for _, l := range d.reads() {
			if l.Primary.String() == "bob@example.com" {
				refs = append(refs, l.Ref)
			}
		}
		if len(refs) != 2 || refs[0] == refs[1] {
			d.t.Errorf("the accounts with one address are read with the refs %q", refs)
		}
	},
	// What somebody else changed since it was read is not written over.
	"ChangedMeanwhile": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com", "a@example.com")))
		for _, hand := range []string{
			"UPDATE mailbox SET name = 'Ann' WHERE username = 'ann@example.com'",
			"INSERT INTO alias (address, goto, domain) VALUES ('new@example.com', 'ann@example.com', 'example.com')",
			"UPDATE alias SET goto = 'x@example.org' WHERE address = 'a@example.com'",
			"UPDATE rollcall_owner SET username = 'someone'",
		} {
			live := d.read("ann@example.com")
			d.do(hand)
			before := d.rows(allMailboxes) + d.rows(allAliases)
			after := live.Account
			after.Directory, after.GUID, after.Status, after.Aliases = live.Mark.Directory, live.Mark.GUID, identity.Inactive, nil
			if a := d.apply(d.step(live, &after, plan.FieldStatus, plan.FieldAliases))[0]; a.Err == nil || a.Err.Code != apply.Changed {
				d.t.Errorf("%s: %+v", hand, a)
			}
			if now := d.rows(allMailboxes) + d.rows(allAliases); now != before {
				d.t.Errorf("%s: before\n%s\nafter\n%s", hand, before, now)
			}
		}
	},
	// A list whose only target is a mailbox is read as an alias of it until an entry has
	// it: it then keeps its target.
	"ListWithOneMemberIsAdopted": func(d *desk) {
		for _, hand := range []string{"UPDATE alias SET goto = goto", "UPDATE alias SET active = ?, address = 'sales@example.com' WHERE lower(address) = 'sales@example.com'", "DELETE FROM rollcall_owner"} {
			d.do("DELETE FROM alias")
			d.do("DELETE FROM mailbox")
			d.do("DELETE FROM rollcall_owner")
			d.make(d.step(nil, account("ann@example.com")))
			d.do("INSERT INTO alias (address, goto, domain) VALUES ('Sales@example.com', 'ann@example.com', 'example.com'), ('team@example.com', 'ann@example.com', 'example.com')")
			if strings.Contains(hand, "?") {
				d.do(hand, false)
			} else {
				d.do(hand)
			}
			steps := []apply.Step{d.step(nil, func() *identity.Account {
				a := account("sales@example.com", "sell@example.com")
				a.Type = identity.List
				return a
			}())}
			if live := d.read("ann@example.com"); len(live.Aliases) > 1 {
				after := *account("ann.smith@example.com", "team@example.com")
				after.GUID = account("ann@example.com").GUID
				steps = append(steps, d.step(live, &after, plan.FieldAliases, plan.FieldPrimary, plan.FieldOwner))
			}
			d.make(steps...)
			d.sees(hand, "ann@example.com 1", "SELECT goto, active FROM alias WHERE lower(address) = 'sales@example.com'")
			if l := d.read("sales@example.com"); l == nil || l.Type != identity.List || l.Mark.IsZero() || fmt.Sprint(l.Aliases) != "[sell@example.com]" {
				d.t.Errorf("%s: the list is read as %+v", hand, l)
			}
		}
	},
	// Where the mail of who has gone lies, nobody else's is put.
	"MaildirsOfWhoHasGone": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com")))
		d.make(d.step(d.read("ann@example.com"), nil))
		d.make(d.step(nil, account("ann@example.com")))
		d.sees("ann again", "ann@example.com  example.com/ann/ 1", allMailboxes)
		d.make(d.step(d.read("ann@example.com"), nil))
		second := account("ann@example.com")
		second.GUID = identity.GUID{8}
		d.make(d.step(nil, second))
		d.sees("a second ann", "ann@example.com  example.com/ann-2/ 1", allMailboxes)
		d.do("UPDATE rollcall_owner SET ref = 'ann@example.com' WHERE address = 'ann@example.com'") // as of one that was adopted
		d.make(d.step(d.read("ann@example.com"), nil), d.step(nil, func() *identity.Account {
			a := account("ann@example.com")
			a.GUID = identity.GUID{9}
			return a
		}()))
		d.sees("a third ann", "ann@example.com  example.com/ann-3/ 1", allMailboxes)
		// One entry may have left two.
		d.make(d.step(d.read("ann@example.com"), nil))
		d.do("UPDATE rollcall_owner SET attributes = replace(attributes, '" + identity.GUID{9}.String() + "', '" + identity.GUID{8}.String() + "')")
		d.make(d.step(nil, second))
		if got := d.rows("SELECT maildir FROM mailbox"); got != "example.com/ann-2/" && got != "example.com/ann-3/" {
			d.t.Errorf("the second ann again has %s", got)
		}
		next := account("ann@example.net")
		step := d.step(nil, next)
		step.Initial = []identity.Attribute{{Name: "maildir", Value: "example.com/%n/"}}
		d.make(step)
		d.sees("a fourth ann", "example.com/ann-4/", "SELECT maildir FROM mailbox WHERE username = 'ann@example.net'")
	},
	// An alias that somebody put out of service goes to whom the plan gives it.
	"ParkedAliases": func(d *desk) {
		park := func() {
			d.do("UPDATE alias SET active = ? WHERE address = 'x@example.com'", false)
		}
		d.make(d.step(nil, account("ann@example.com", "x@example.com")), d.step(nil, account("bob@example.com")))
		park()
		d.change("bob@example.com", func(a *identity.Account) { a.Aliases = []identity.Address{identity.MustAddress("x@example.com")} }, plan.FieldAliases)
		d.sees("the alias of another", "x@example.com bob@example.com 1", allAliases+" DESC LIMIT 1")
		park()
		d.change("bob@example.com", func(a *identity.Account) { a.Primary = identity.MustAddress("x@example.com") }, plan.FieldPrimary)
		d.sees("its primary", "ann@example.com ann@example.com 1\nx@example.com x@example.com 1", allAliases)
		// An account that is adopted gets those that it is to have.
		d.do("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES ('carl@example.com', '', '', 'c/', 'carl', 'example.com')")
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('carl@example.com', 'carl@example.com', 'example.com'), ('y@example.com', 'carl@example.com', 'example.com')")
		d.do("UPDATE alias SET active = ? WHERE address = 'y@example.com'", false)
		d.make(d.step(d.read("carl@example.com"), account("carl@example.com", "y@example.com"), plan.FieldOwner, plan.FieldUsername, plan.FieldDN))
		if got := fmt.Sprint(d.read("carl@example.com").Aliases); got != "[y@example.com]" {
			d.t.Errorf("carl has %s", got)
		}
		// One that is removed, or renamed, in the same moment.
		d.make(d.step(nil, account("dora@example.com", "z@example.com")))
		d.do("UPDATE alias SET active = ? WHERE address = 'z@example.com'", false)
		dora, carl := d.read("dora@example.com"), d.read("carl@example.com")
		d.make(d.step(dora, nil), d.step(carl, account("carl@example.com", "y@example.com", "z@example.com"), plan.FieldAliases))
		d.sees("of one that is removed", "z@example.com carl@example.com 1", allAliases+" DESC LIMIT 1")
		// One of another configuration is left alone.
		d.do("UPDATE alias SET active = ? WHERE address = 'z@example.com'", false)
		d.do("UPDATE rollcall_owner SET owner = 'branch' WHERE address = 'carl@example.com'")
		if a := d.apply(d.step(nil, account("z@example.com")))[0]; a.Err == nil || a.Err.Code != apply.Taken || a.Err.Holder != carl.Ref {
			d.t.Errorf("the alias of an account of another configuration: %+v", a)
		}
	},
	// A row that is there already is not tried again and again.
	"DuplicateRow": func(d *desk) {
		for _, err := range []error{&mysqldriver.MySQLError{Number: 1062, Message: "Duplicate entry"}, &pgconn.PgError{Code: "23505", Message: "duplicate key"}} {
			if e := d.c.failed(err); e.Code != apply.Refused {
				d.t.Errorf("%v: %+v", err, e)
			}
		}
	},
	// Who forwards all mail to somebody is no alias of that one.
	"ForwardedMailbox": func(d *desk) {
		d.make(d.step(nil, account("ann@example.com")))
		d.do("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES ('bob@example.com', '', '', 'b/', 'bob', 'example.com')")
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('bob@example.com', 'ann@example.com', 'example.com')")
		d.change("ann@example.com", func(a *identity.Account) { a.Username = "ann" }, plan.FieldUsername)
		d.sees("bob", "bob@example.com ann@example.com 1", allAliases+" DESC LIMIT 1")
	},
	// MariaDB's keys do not know capitals: the rows of a mailbox are one account.
	"CaseOfBothRows": func(d *desk) {
		if d.server.Scheme == "postgres" {
			return
		}
		d.do("INSERT INTO mailbox (username, password, name, maildir, local_part, domain) VALUES ('Ann@example.com', '', '', 'a/', 'Ann', 'example.com')")
		d.do("INSERT INTO alias (address, goto, domain) VALUES ('ann@example.com', 'Ann@example.com', 'example.com'), ('a@example.com', 'ann@example.com', 'example.com')")
		if all := d.reads(); len(all) != 1 || fmt.Sprint(all[0].Aliases) != "[a@example.com]" {
			d.t.Fatalf("read %+v", all)
		}
		d.make(d.step(d.read("ann@example.com"), account("ann@example.com", "a@example.com"), plan.FieldOwner))
		d.change("ann@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
		d.sees("mailboxes", "Ann@example.com  a/ 0", allMailboxes)
		d.sees("aliases", "ann@example.com Ann@example.com 0", allAliases)
		d.change("ann@example.com", func(a *identity.Account) {
			a.Primary, a.Status = identity.MustAddress("ann.smith@example.com"), identity.Active
		}, plan.FieldPrimary, plan.FieldStatus)
		d.sees("aliases", "ann.smith@example.com ann.smith@example.com 1", allAliases)
	},
	// A domain that is stored in capitals is written as it is stored.
	"CaseOfDomains": func(d *desk) {
		d.do("UPDATE domain SET domain = 'Example.net' WHERE domain = 'example.net'")
		d.c.Close()
		d.c = opened(d.t, "hq", postfixadmin(d.url))
		d.make(d.step(nil, account("ann@example.net", "a@example.net")))
		d.change("ann@example.net", func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.net") }, plan.FieldPrimary)
		d.sees("domains", "Example.net", "SELECT DISTINCT domain FROM alias")
		d.sees("domains", "ann.smith@example.net Example.net", "SELECT username, domain FROM mailbox")
	},
}

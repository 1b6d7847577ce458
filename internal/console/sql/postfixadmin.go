package sql

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// postfixAdmin is the profile "postfixadmin": the tables mailbox, alias and domain of
// PostfixAdmin, which Postfix and Dovecot read.
//
//	account   rows
//	user      mailbox, with an alias to itself: address = goto
//	list      alias with other targets, which are never changed
//	alias     alias with one target, which is the account
//
// An account is in service where both its rows are active. Where one alone is, somebody
// changed it by hand, and it is read as the opposite of what was asked for: what the
// plan then does brings both to where they belong.
//
// A user that becomes a list keeps the mailbox, because its mail would be lost, until
// somebody takes it out of the targets.
type postfixAdmin struct {
	// maildirs are those of all mailboxes, and of those that were removed, for the
	// changes of one request; nil until one is asked for.
	maildirs map[string]bool
	// freed are the maildirs of mailboxes that were removed, by whose they were.
	freed map[string]string
	// small says that the last read found all targets in small letters, as PostfixAdmin
	// writes them.
	small bool
	// domains are those of the table, as it has them, by their names in small letters.
	domains map[string]string
	// folds says that the keys of the tables do not know capitals.
	folds bool
}

// unusable is a password that no scheme accepts (see the field "password" of the
// table "mailbox", and doveadm-pw(1)): a salt that crypt(3) refuses.
const unusable = "{CRYPT}!"

// system are the addresses that PostfixAdmin makes for each new domain. They stay
// local, even where their only target is an account of ours.
var system = []string{"abuse", "hostmaster", "postmaster", "webmaster"}

// initial attributes of an account that say what its rows begin with.
const (
	initialQuota   = "quota"
	initialMaildir = "maildir"
	initialGoto    = "goto"
)

// checkInitial says what is wrong with an attribute that mailboxes begin with.
func checkInitial(name, text string) (p settings.Problem) {
	switch name {
	case "password":
		p.Summary, p.Hint = "initial has no password, which everybody would have", "set passwords in PostfixAdmin, or let Dovecot ask the directory"
	case initialQuota:
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || n < 0 {
			p.Summary, p.Hint = "initial quota is no number of octets", `write octets, as "1073741824" for a GiB, or 0 for no bound`
		}
	}
	return p
}

func (p *postfixAdmin) facts(ctx context.Context, a asker) (plan.Facts, error) {
	p.domains = map[string]string{}
	f := plan.Facts{Marks: true, Groups: true, DryRun: true, Lengths: map[string]int{identity.DisplayName: 255}, Domains: []string{}}
	err := a.each(ctx, "SELECT domain FROM domain WHERE domain <> 'ALL' ORDER BY domain", nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		lower := strings.ToLower(name)
		f.Domains = append(f.Domains, lower)
		if name == lower || p.domains[lower] == "" {
			p.domains[lower] = name
		}
		return err
	})
	slices.Sort(f.Domains)
	f.Domains = slices.Compact(f.Domains)
	switch {
	case err != nil:
		return f, err
	case len(f.Domains) == 0:
		return f, errNoDomains
	case a.d.postgres:
		return f, nil
	}
	keys := 0
	err = a.each(ctx, "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND (table_name = 'mailbox' AND column_name = 'username' OR table_name = 'alias' AND column_name = 'address') AND collation_name LIKE '%\\_ci'",
		nil, func(scan func(...any) error) error { return scan(&keys) })
	if err != nil {
		return f, err
	}
	p.folds = keys == 2
	// Older versions of PostfixAdmin made tables of MyISAM.
	return f, a.transactional(ctx, []string{"mailbox", "alias"})
}

// domain is that of an address, as the table of domains has it.
func (p *postfixAdmin) domain(x identity.Address) string {
	return cmp.Or(p.domains[x.Domain()], x.Domain())
}

func (p *postfixAdmin) all(ctx context.Context, a asker) (snapshot, error) {
	t := newTables(p.folds)
	if err := t.readMailboxes(ctx, a, ""); err != nil {
		return nil, err
	}
	err := t.readAliases(ctx, a, "")
	p.small = err == nil
	for _, r := range t.aliases {
		p.small = p.small && r.targets == strings.ToLower(r.targets)
	}
	return t, err
}

func (p *postfixAdmin) some(ctx context.Context, a asker, keys []string, addresses []identity.Address, lock bool) (snapshot, error) {
	t := newTables(p.folds)
	if err := t.read(ctx, a, keys, lock); err != nil {
		return nil, err
	}
	more := make([]string, len(addresses))
	for i, x := range addresses {
		more[i] = x.String()
	}
	if err := t.read(ctx, a, more, false); err != nil {
		return nil, err
	}
	// Whether a row is an account or the alias of one, its target says, and that one's.
	for range 2 {
		more := t.unknownTargets(t.keys())
		if err := t.read(ctx, a, more, false); err != nil {
			return nil, err
		}
	}
	target := "lower(goto)"
	if p.small {
		target = "goto" // which an index can find, and costs less without one
	}
	err := inChunks(t.keys(), func(some []string) error {
		lower := make([]string, len(some))
		for i, key := range some {
			lower[i] = strings.ToLower(key)
		}
		return t.readAliases(ctx, a, " WHERE "+target+" IN ("+marks(len(some))+")", values(lower)...)
	})
	if err != nil {
		return nil, err
	}
	// Those with a mailbox are no aliases.
	return t, inChunks(t.keys(), func(some []string) error {
		return t.readMailboxes(ctx, a, " WHERE username IN ("+marks(len(some))+")", values(some)...)
	})
}

func (*postfixAdmin) keeps(c *change, name string) bool {
	return name == identity.DisplayName && (c.is.Type == identity.User || c.was != nil && c.was.detail.(*postfixDetail).mailbox != nil)
}

// handed are rows that a change is handed.
type handed struct {
	own    *aliasRow   // the alias that becomes a new list
	parked []*aliasRow // those in the way of its account's addresses
}

// take keeps the alias that becomes a new list: whom it reached, the list reaches.
func (*postfixAdmin) take(c *change, from *found, x identity.Address) {
	d := from.detail.(*postfixDetail)
	r := d.aliases[x]
	if r == nil {
		return // the primary of from
	}
	h, _ := c.detail.(*handed)
	if h == nil {
		h = &handed{}
		c.detail = h
	}
	switch parked := slices.Contains(from.parked, x); {
	case c.was == nil && c.is.Type == identity.List && x == c.is.Primary:
		h.own, c.key = r, r.key
	case parked:
		h.parked = append(h.parked, r)
	default:
		return // from releases it
	}
	delete(d.aliases, x)
	from.parked = slices.DeleteFunc(slices.Clone(from.parked), func(p identity.Address) bool { return p == x })
}

func (p *postfixAdmin) release(ctx context.Context, a asker, c *change) error {
	if h, is := c.detail.(*handed); is {
		for _, r := range h.parked {
			if err := a.one(ctx, "DELETE FROM alias WHERE address = ? AND active = ?", r.key, false); err != nil {
				return err
			}
		}
	}
	if c.was == nil {
		return nil
	}
	d := c.was.detail.(*postfixDetail)
	for _, x := range c.was.account.Aliases {
		if r := d.aliases[x]; r != nil && (c.is == nil || !c.is.Holds(x) || c.is.Primary == x) {
			if err := a.one(ctx, "DELETE FROM alias WHERE address = ? AND goto = ?", r.key, r.targets); err != nil {
				return err
			}
		}
	}
	switch {
	case c.is == nil:
		for _, x := range c.was.parked {
			if err := a.one(ctx, "DELETE FROM alias WHERE address = ? AND goto = ?", d.aliases[x].key, d.aliases[x].targets); err != nil {
				return err
			}
		}
		if d.own != nil {
			if err := a.one(ctx, "DELETE FROM alias WHERE address = ?", c.key); err != nil {
				return err
			}
		}
		if d.mailbox != nil {
			return p.deleteMailbox(ctx, a, c)
		}
	case c.renames() && !c.temporary.IsZero():
		return p.rename(ctx, a, c, c.temporary)
	}
	return nil
}

// leftEntry is the attribute of what is left of an account that says whose it was.
const leftEntry = "entry"

func entry(m identity.Mark) string { return m.By + ":" + m.Directory + "/" + m.GUID.String() }

// deleteMailbox deletes the row of a mailbox, and keeps in mind where its mail is.
func (*postfixAdmin) deleteMailbox(ctx context.Context, a asker, c *change) error {
	maildir := ""
	err := a.each(ctx, "SELECT maildir FROM mailbox WHERE username = ?", []any{c.key}, func(scan func(...any) error) error { return scan(&maildir) })
	if err != nil {
		return err
	}
	if maildir != "" {
		c.left = []identity.Attribute{{Name: leftEntry, Value: entry(c.was.live.Mark)}, {Name: initialMaildir, Value: maildir}, {Name: "username", Value: c.key}}
	}
	return a.one(ctx, "DELETE FROM mailbox WHERE username = ?", c.key)
}

// rename gives the account another primary: its mailbox, which stays where it is, its
// own alias, and the target of its aliases.
func (p *postfixAdmin) rename(ctx context.Context, a asker, c *change, to identity.Address) error {
	d := c.was.detail.(*postfixDetail)
	if d.mailbox != nil {
		if err := a.one(ctx, "UPDATE mailbox SET username = ?, local_part = ?, domain = ?, modified = CURRENT_TIMESTAMP WHERE username = ?",
			to.String(), to.Local(), p.domain(to), c.key); err != nil {
			return err
		}
	}
	if d.own != nil {
		targets := retarget(d.own.targets, c.key, to.String())
		if err := a.one(ctx, "UPDATE alias SET address = ?, domain = ?, goto = ?, modified = CURRENT_TIMESTAMP WHERE address = ?",
			to.String(), p.domain(to), targets, c.key); err != nil {
			return err
		}
		d.own.targets = targets
	}
	for x, r := range d.aliases {
		if !c.is.Holds(x) && !slices.Contains(c.was.parked, x) || c.is.Primary == x {
			continue // released
		}
		if err := a.one(ctx, "UPDATE alias SET goto = ?, modified = CURRENT_TIMESTAMP WHERE address = ?", to.String(), r.key); err != nil {
			return err
		}
	}
	c.key = to.String()
	return nil
}

// retarget replaces an address among the targets of an alias.
func retarget(targets, from, to string) string {
	all := strings.Split(targets, ",")
	for i, t := range all {
		if strings.EqualFold(strings.TrimSpace(t), from) {
			all[i] = to
		}
	}
	return strings.Join(all, ",")
}

// delivered adds an address to the targets of an alias, unless it is there.
func delivered(targets, to string) string {
	for t := range strings.SplitSeq(targets, ",") {
		if strings.EqualFold(strings.TrimSpace(t), to) {
			return targets
		}
	}
	if strings.TrimSpace(targets) == "" {
		return to
	}
	return to + "," + targets
}

func (p *postfixAdmin) put(ctx context.Context, a asker, c *change) error {
	if c.is == nil {
		return nil
	}
	if c.renames() {
		if err := p.rename(ctx, a, c, c.is.Primary); err != nil {
			return err
		}
	}
	d := &postfixDetail{aliases: map[identity.Address]*aliasRow{}}
	if c.was != nil {
		d = c.was.detail.(*postfixDetail)
	} else if h, is := c.detail.(*handed); is {
		d.own = h.own
	}
	if err := p.putMailbox(ctx, a, c, d); err != nil {
		return err
	}
	if err := p.putOwn(ctx, a, c, d); err != nil {
		return err
	}
	return p.putAliases(ctx, a, c, d)
}

func (p *postfixAdmin) putMailbox(ctx context.Context, a asker, c *change, d *postfixDetail) error {
	name, active := identity.Lookup(c.is.Attributes, identity.DisplayName), c.is.Active()
	switch {
	case d.mailbox == nil && c.is.Type == identity.User:
		maildir, err := p.maildir(ctx, a, c)
		if err != nil {
			return err
		}
		quota := int64(0)
		if text := identity.Lookup(c.initial, initialQuota); text != "" {
			quota, _ = strconv.ParseInt(text, 10, 64) // by checkInitial it is one
		}
		return a.one(ctx, "INSERT INTO mailbox (username, password, name, maildir, quota, local_part, domain, created, modified, active) VALUES (?, ?, ?, ?, ?, ?, ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, ?)",
			c.key, unusable, name, maildir, quota, c.is.Primary.Local(), p.domain(c.is.Primary), active)
	case d.mailbox != nil && (d.mailbox.name != name || d.mailbox.active != active):
		return a.one(ctx, "UPDATE mailbox SET name = ?, active = ?, modified = CURRENT_TIMESTAMP WHERE username = ? AND name = ? AND active = ?",
			name, active, c.key, d.mailbox.name, d.mailbox.active)
	}
	return nil
}

func (p *postfixAdmin) forget() { p.maildirs = nil }

// maildir is where the mail of a new mailbox is put: where that of the same entry was,
// or its own domain and name, unless a mailbox that was renamed has kept that, or mail
// of one that was removed is there.
// %d, %n and %u stand for the domain, the local part and the whole address, as in
// Dovecot.
func (p *postfixAdmin) maildir(ctx context.Context, a asker, c *change) (string, error) {
	if p.maildirs == nil {
		all := map[string]bool{}
		err := a.each(ctx, "SELECT maildir FROM mailbox", nil, func(scan func(...any) error) error {
			var one string
			err := scan(&one)
			all[folder(one)] = true
			return err
		})
		if err != nil {
			return "", err
		}
		left, err := a.left(ctx)
		if err != nil {
			return "", err
		}
		p.maildirs, p.freed = maps.Clone(all), map[string]string{}
		for _, x := range left {
			if one := identity.Lookup(x, initialMaildir); one != "" && !all[folder(one)] {
				p.maildirs[folder(one)], p.freed[identity.Lookup(x, leftEntry)] = true, one
			}
		}
	}
	if own := p.freed[entry(c.is.Mark)]; own != "" {
		delete(p.freed, entry(c.is.Mark))
		return own, nil
	}
	pattern := identity.Lookup(c.initial, initialMaildir)
	if pattern == "" {
		pattern = "%d/%n/"
	}
	x := c.is.Primary
	for n := 1; ; n++ {
		local := x.Local()
		if n > 1 {
			local += "-" + strconv.Itoa(n)
		}
		maildir := strings.NewReplacer("%d", x.Domain(), "%n", local, "%u", local+"@"+x.Domain()).Replace(pattern)
		switch {
		case !p.maildirs[folder(maildir)]:
			p.maildirs[folder(maildir)] = true
			return maildir, nil
		case n == 100 || !strings.ContainsAny(pattern, "%"):
			return "", &apply.Error{Code: apply.Misused, Message: fmt.Sprintf("the maildir %q belongs to another mailbox, or to one that was removed", maildir)}
		}
	}
}

// folder is a maildir however it is written.
func folder(maildir string) string { return strings.Trim(maildir, "/") }

// putOwn writes the alias row of the account itself.
func (p *postfixAdmin) putOwn(ctx context.Context, a asker, c *change, d *postfixDetail) error {
	active := c.is.Active()
	if d.own == nil {
		if c.was != nil && !active {
			return nil // a mailbox that needs none to be out of service
		}
		targets := c.key
		if c.is.Type == identity.List {
			if to := identity.Lookup(c.initial, initialGoto); to != "" {
				targets = to
			}
		}
		return a.one(ctx, "INSERT INTO alias (address, goto, domain, created, modified, active) VALUES (?, ?, ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, ?)",
			c.key, targets, p.domain(c.is.Primary), active)
	}
	targets := d.own.targets
	if c.is.Type == identity.User && d.mailbox == nil {
		targets = delivered(targets, c.key)
	}
	if targets == d.own.targets && active == d.own.active {
		return nil
	}
	return a.one(ctx, "UPDATE alias SET goto = ?, active = ?, modified = CURRENT_TIMESTAMP WHERE address = ? AND goto = ? AND active = ?",
		targets, active, c.key, d.own.targets, d.own.active)
}

func (p *postfixAdmin) putAliases(ctx context.Context, a asker, c *change, d *postfixDetail) error {
	for _, x := range c.is.Aliases {
		var err error
		switch r := d.aliases[x]; {
		case r != nil && r.active:
		case r != nil:
			err = a.one(ctx, "UPDATE alias SET active = ?, modified = CURRENT_TIMESTAMP WHERE address = ? AND active = ?", true, r.key, false)
		default:
			err = a.one(ctx, "INSERT INTO alias (address, goto, domain, created, modified, active) VALUES (?, ?, ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, ?)",
				x.String(), c.key, p.domain(x), true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *postfixAdmin) check(ctx context.Context, a asker) ([]console.Finding, error) {
	t := newTables(p.folds)
	if err := t.readMailboxes(ctx, a, ""); err != nil {
		return nil, err
	}
	if err := t.readAliases(ctx, a, ""); err != nil {
		return nil, err
	}
	var capitals, halves []string
	for _, key := range t.keys() {
		if key != strings.ToLower(key) {
			capitals = append(capitals, key)
		}
		m, r := t.mailboxes[key], t.aliases[key]
		if m != nil && !m.active && r != nil && r.active {
			halves = append(halves, key)
		}
	}
	found := []console.Finding{rights(ctx, a, []string{
		"UPDATE mailbox SET name = name WHERE 1 = 0", "DELETE FROM mailbox WHERE 1 = 0",
		"INSERT INTO mailbox (username, password, name, maildir, quota, local_part, domain, created, modified, active) SELECT username, password, name, maildir, quota, local_part, domain, created, modified, active FROM mailbox WHERE 1 = 0",
		"UPDATE alias SET goto = goto WHERE 1 = 0", "DELETE FROM alias WHERE 1 = 0",
		"INSERT INTO alias (address, goto, domain, created, modified, active) SELECT address, goto, domain, created, modified, active FROM alias WHERE 1 = 0",
	})}
	if len(capitals) > 0 {
		found = append(found, console.Finding{Check: "case", Status: "warning",
			Evidence: fmt.Sprintf("%s with capitals, which Postfix looks up in small letters: %s", plural(len(capitals), "address is stored", "addresses are stored"), firstOf(capitals)),
			Remedy:   "write them in small letters: " + a.d.name + " finds them otherwise"})
	}
	if len(halves) > 0 {
		found = append(found, console.Finding{Check: "inactive", Status: "warning",
			Evidence: fmt.Sprintf("%s inactive, and its alias is not, so that mail is accepted: %s", plural(len(halves), "mailbox is", "mailboxes are"), firstOf(halves)),
			Remedy:   "those that belong to rollcall the next apply puts right; set alias.active to false for the others"})
	}
	if t.catchAlls > 0 {
		found = append(found, console.Finding{Check: "catch_all", Status: "ok", Evidence: t.skipped() + ", left as they are: whoever is inactive still gets mail there"})
	}
	return found, nil
}

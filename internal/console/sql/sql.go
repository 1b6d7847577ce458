// Package sql is a console in a database: the tables of PostfixAdmin in PostgreSQL or
// MariaDB, which Postfix and Dovecot read, or tables of anybody's.
//
//	Console ── reads all accounts ──> profile ──> mailbox, alias, domain, or read
//	        ── changes of a group ──> profile ──> their rows
//	        ── whose they are ──────> owners ──> rollcall_owner
//
// What a product stores and how is a profile: [postfixAdmin] or [custom]. Whose an
// account is, its key that never changes, and all that the product has no column for
// are in a table of ours, rollcall_owner, which "rollcall console setup" makes. An
// account without a row there is local. Beside it, rollcall_ledger says to which state the
// accounts of each owner belong.
//
// A read is one transaction that sees the database as it is at one moment. The changes
// of a group are one transaction: it locks and reads the accounts, compares them with
// what the plan saw, looks for whoever has an address that is wanted, takes from each
// account what it loses, by a temporary primary if it gets another, and then makes
// each what it is to be. All of it is committed, or nothing. A connection that is lost
// at the commit leaves the outcome unknown, and [Console.Get] finds it out: through a
// connection that has the lock of the run, which the database gives only when that of
// before has ended.
package sql

import (
	"context"
	"crypto/tls"
	dbsql "database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/expiry"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var (
	_ console.Target  = (*Console)(nil)
	_ console.Checker = (*Console)(nil)
	_ apply.Trier     = (*Console)(nil)

	_ console.Ledgered = (*Console)(nil)
)

// Console is a console in a database.
type Console struct {
	label, owner string
	place        *place
	db           *dbsql.DB
	security     *tls.Config // nil without TLS
	timeout      time.Duration
	lockWait     time.Duration // how long to wait for another run
	profile      profile
	log          func(string)
	known        plan.Facts
	version      string

	mu       sync.Mutex
	session  *session                // nil until something is changed
	changing bool                    // somebody changes it: what is read waits for the lock
	made     map[string]apply.Answer // by key
}

// silence is how long a database may say nothing, where nobody says.
const silence = 60 * time.Second

// open opens a console, whose database is reached and has what the profile needs.
func open(ctx context.Context, o console.Opening) (*Console, error) {
	c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	return c, c.begin(ctx, o)
}

// begin reaches the database.
func (c *Console) begin(ctx context.Context, o console.Opening) error {
	c.changing = o.LockFile != ""
	err := c.reading(ctx, c.changing, func(a asker) (err error) {
		if err := a.each(ctx, a.d.version, nil, func(scan func(...any) error) error { return scan(&c.version) }); err != nil {
			return err
		}
		if c.known, err = c.profile.facts(ctx, a); err != nil {
			return err
		}
		return a.each(ctx, "SELECT "+ownerColumns+" FROM "+ownerTable+" WHERE 1 = 0", nil, nil)
	})
	if err == nil {
		c.known.Ledger, err = c.hasLedgers(ctx)
	}
	if err != nil {
		_ = c.Close() // what failed is reported already
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return c.unread(err)
}

// prepare makes a console that has not been reached.
func prepare(o console.Opening) (*Console, error) {
	c := &Console{label: o.Label, owner: o.Owner, timeout: o.Timeout, log: o.Log, made: map[string]apply.Answer{}}
	if c.timeout <= 0 {
		c.timeout = silence
	}
	c.lockWait = c.timeout
	if c.log == nil {
		c.log = func(string) {}
	}
	var err error
	if c.place, err = parseURL(o.Settings.Secret("url").Reveal()); err != nil {
		return nil, &console.ReadError{Console: c.label, Err: err, Advice: "correct url in the console block"}
	}
	if c.profile, err = profileOf(o.Settings, c.place.d); err != nil {
		return nil, &console.ReadError{Console: c.label, Err: err, Advice: "correct the block statements"}
	}
	if c.db, c.security, err = c.place.open(o.Settings, c.timeout); err != nil {
		return nil, &console.ReadError{Console: c.label, Err: err, Advice: "correct the console block"}
	}
	return c, nil
}

func (c *Console) postfix() bool {
	_, is := c.profile.(*postfixAdmin)
	return is
}

// Facts are what the product can do.
func (c *Console) Facts() plan.Facts { return c.known }

// Accounts reads every account.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	receipt := console.Receipt{Product: c.place.d.name, Version: c.version}
	var yielding error
	err := c.reading(ctx, c.changing, func(a asker) error {
		all, err := a.allOwners(ctx)
		if err != nil {
			return err
		}
		s, err := c.profile.all(ctx, a)
		if err != nil {
			return err
		}
		capitals := 0
		for _, r := range s.accounts(all) {
			f := merge(r, all)
			if f.odd == "" && f.key != f.account.Primary.String() {
				capitals++
			}
			receipt.Accounts++
			if yielding = yield(f.live); yielding != nil {
				return yielding
			}
		}
		if capitals > 0 {
			c.log(plural(capitals, "account is", "accounts are") + " stored with capitals in the address, and read in small letters")
		}
		if text := s.skipped(); text != "" {
			c.log(text + " passed over: no account has them")
		}
		return nil
	})
	switch {
	case yielding != nil:
		return receipt, yielding
	case err != nil && ctx.Err() != nil:
		return receipt, ctx.Err()
	}
	receipt.Expiries = expiry.Certificates(fmt.Sprintf("console %q", c.label), c.place.Shown())
	return receipt, c.unread(err)
}

// Get returns the accounts with one of the refs, or with one of the addresses.
func (c *Console) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []identity.Live
	err := c.reading(ctx, c.changing, func(a asker) error {
		seen, err := c.look(ctx, a, refs, addresses, false)
		if err != nil {
			return err
		}
		wanted := map[any]bool{}
		for _, ref := range refs {
			wanted[ref] = true
		}
		for _, x := range addresses {
			wanted[x] = true
		}
		for _, f := range seen {
			is := wanted[f.live.Ref]
			f.live.EachAddress(func(x identity.Address) { is = is || wanted[x] })
			if is {
				list = append(list, f.live)
			}
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return list, c.unread(err)
}

// look reads the accounts with one of the refs, those that hold one of the addresses,
// and some others. Those with the refs are locked, if lock is set.
func (c *Console) look(ctx context.Context, a asker, refs []string, addresses []identity.Address, lock bool) ([]*found, error) {
	all := newOwners()
	if err := a.ownersOf(ctx, refs, nil, lock, all); err != nil {
		return nil, err
	}
	var keys []string
	for _, ref := range refs {
		if o := all.byRef[ref]; o == nil {
			keys = append(keys, localKey(ref))
		} else if o.key != "" {
			keys = append(keys, o.key)
		}
	}
	s, err := c.profile.some(ctx, a, keys, addresses, lock)
	if err != nil {
		return nil, err
	}
	// Whose the rows are, and which refs are used already.
	keys = s.keys()
	if err := a.ownersOf(ctx, keys, keys, false, all); err != nil {
		return nil, err
	}
	for more := true; more; {
		var next []string
		for _, key := range keys {
			if ref := all.localRef(key); all.of(key) == nil && ref != key {
				next = append(next, ref)
			}
		}
		before := len(all.byRef)
		if err := a.ownersOf(ctx, next, nil, false, all); err != nil {
			return nil, err
		}
		more = len(all.byRef) > before
	}
	var list []*found
	for _, r := range s.accounts(all) {
		list = append(list, merge(r, all))
	}
	return list, nil
}

// Publish does nothing: each change has taken effect when it is answered.
func (c *Console) Publish(context.Context) error { return nil }

// Close ends the connections.
func (c *Console) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	return c.db.Close()
}

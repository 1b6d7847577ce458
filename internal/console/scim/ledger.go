package scim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// A service has no place but its accounts that says to which state those of an owner
// belong: the lineage stands in their marks. Accounts that are made, or get another mark,
// have it; those that were marked without one are left so, but for one of them where no
// other would say it.

// Ledger returns the lineage of the state to which the accounts of the owner belong; of
// several, all, in byte order with blanks between. It reads all accounts, which
// [Console.Accounts] does not do again.
func (c *Console) Ledger(ctx context.Context) (string, error) {
	x, err := c.known(ctx, time.Now())
	if err != nil {
		return "", c.unread(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = x
	return x.ledger(c.owner), nil
}

// Claim writes it into the marks of the accounts that have another, one by one: a new
// read says how far it came.
func (c *Console) Claim(ctx context.Context, lineage, was string) error {
	x, err := c.known(ctx, time.Now())
	if err != nil {
		return c.unread(err)
	}
	c.mu.Lock()
	now := x.ledger(c.owner)
	refs := x.outside(c.owner, lineage)
	c.mu.Unlock()
	if _, err := console.Claimed(now, lineage, was); err != nil {
		return err
	}
	if len(refs) > 1 && c.log != nil {
		c.log(fmt.Sprintf("writing into the marks of %s to which state they belong", counted(len(refs), "user")))
	}
	for i, ref := range refs {
		if err := c.relabel(ctx, ref, lineage, was); err != nil {
			return err
		}
		if c.progress != nil && (i+1)%100 == 0 {
			c.progress(fmt.Sprintf("%s of %s are written", number.Thousands(i+1), number.Thousands(len(refs))))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lineage = lineage
	return nil
}

// ledger returns the lineages of the accounts of an owner, in byte order with blanks
// between.
func (x *index) ledger(owner string) string {
	var all []string
	for l := range x.ledgers {
		if l.owner == owner && l.lineage != "" {
			all = append(all, l.lineage)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// outside returns the refs of the accounts of an owner whose marks change so that all
// that have a lineage have this one, and one has it at least. A lineage of "" is none.
func (x *index) outside(owner, lineage string) (refs []string) {
	without := ""
	for ref, h := range x.accounts {
		switch {
		case h.mark.By != owner || h.lineage == lineage:
		case h.lineage != "":
			refs = append(refs, ref)
		case without == "" || ref < without:
			without = ref
		}
	}
	if len(refs) == 0 && without != "" && x.ledgers[ledger{owner, lineage}] == 0 {
		return []string{without}
	}
	slices.Sort(refs)
	return refs
}

// mine returns the lineage that the marks of accounts get: that of the state which has
// claimed them through this, or else of that to which they belonged when all were read.
func (c *Console) mine() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lineage
}

// markText is the externalId that an account gets.
func (c *Console) markText(l *identity.Live) string { return externalID(l.Mark, c.mine()) }

// relabel writes a lineage into the mark of an account. One that is gone, or has another
// owner by now, needs none.
func (c *Console) relabel(ctx context.Context, ref, lineage, was string) error {
	r := &run{Console: c}
	for attempt := 1; ; attempt++ {
		if err := c.admitted(ctx); err != nil {
			return err
		}
		reply, err := c.one(ctx, ref)
		if f := asFailure(err); f != nil && f.code() == apply.Gone {
			c.forget(ref)
			return nil
		}
		var done bool
		if err == nil {
			// What was begun comes to its end.
			done, err = r.rewrite(context.WithoutCancel(ctx), ref, reply, lineage, was)
		}
		f := asFailure(err)
		switch {
		case done || err != nil && f == nil:
			return err
		case f == nil: // it is not what it was
		case f.code() == apply.Throttled, f.code() == apply.Changed, f.code() == apply.Gone:
		case f.code() == apply.Auth, f.code() == apply.Refused:
			return &console.UnclaimedError{Console: c.label, Err: f, Advice: "let these credentials write externalId of users"}
		default:
			return c.unread(f)
		}
		if attempt == attempts {
			if f == nil {
				f = &contentError{text: "a mark is not kept as it was written", advice: "this is a fault of the service, or somebody else writes externalId"}
			}
			return c.unread(f)
		}
	}
}

// rewrite writes a lineage into the mark of an account as it was just read. It is done
// where the account has it.
func (r *run) rewrite(ctx context.Context, ref string, read *reply, lineage, was string) (done bool, err error) {
	user, l, err := r.decodeOf(ref, read.body)
	if err != nil {
		return false, err
	}
	m, is := markOf(user.ExternalID)
	switch {
	case m.By != r.owner, is == lineage:
		return true, nil
	case is != "" && !slices.Contains(strings.Fields(was), is):
		return false, &console.ClaimedError{Lineage: is}
	}
	t, err := parse(read.body)
	if err != nil {
		return false, r.notJSON(read.body)
	}
	_, err = r.write(ctx, ref, r.etag(read, l), t, []edit{{core, "externalId", externalID(m, lineage)}})
	switch s := status(err); {
	case s == 409 || s == 500 || errors.As(err, new(*lostError)):
		return false, nil // it may have been made all the same, and a read says so
	case err != nil:
		return false, err
	}
	r.noteAs(l, lineage)
	return r.facts.Settles > 0, nil // else a read says it, too
}

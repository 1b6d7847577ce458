package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The entry that says to which ledger the accounts of an owner belong is
// cn=rollcall-OWNER directly below base_dn, of the class applicationProcess (RFC 4519
// section 3.1); its description is the lineage.
const (
	ledgerClass  = "applicationProcess"
	ledgerPrefix = "rollcall-"
	ledgerValue  = "description"
)

func ledgerName(owner string) string { return ledgerPrefix + owner }

func (t *tree) ledgerDN(owner string) string {
	return "cn=" + goldap.EscapeDN(ledgerName(owner)) + "," + t.base
}

// isLedger reports whether an entry says to which ledger accounts belong, and is none
// itself, whichever attributes accounts have.
func (t *tree) isLedger(e *entry) bool {
	if !slices.ContainsFunc(e.get("objectClass"), func(class string) bool { return strings.EqualFold(class, ledgerClass) }) || !identity.EqualDN(identity.ParentDN(e.dn), t.base) {
		return false
	}
	dn, err := goldap.ParseDN(e.dn)
	if err != nil || len(dn.RDNs) == 0 || len(dn.RDNs[0].Attributes) != 1 {
		return false
	}
	name := dn.RDNs[0].Attributes[0]
	return strings.EqualFold(name.Type, "cn") && strings.HasPrefix(strings.ToLower(name.Value), ledgerPrefix)
}

// ledgerEntry is what a server has as the ledger of the owner.
type ledgerEntry struct {
	there   bool
	lineage string // "" for none
}

func (c *Console) ledgerEntry(s *servers.Session) (l ledgerEntry, err error) {
	dn := c.tree.ledgerDN(c.o.Owner)
	e, err := object(s, dn, ledgerValue)
	if err != nil || e == nil {
		return l, err
	}
	values := e.get(ledgerValue)
	if len(values) > 1 {
		return l, &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("%s: entry %q has %d values of %s, of which one can be the state that its accounts belong to", s.Server(), dn, len(values), ledgerValue),
			Advice: "leave the lineage of the right state there; it is in the first line of rollcall state pull"}
	}
	return ledgerEntry{true, e.one(ledgerValue)}, nil
}

// Ledger returns the lineage of the state to which the accounts of the owner belong.
func (c *Console) Ledger(ctx context.Context) (lineage string, err error) {
	err = c.look(ctx, func(s *servers.Session) error {
		l, err := c.ledgerEntry(s)
		lineage = l.lineage
		return err
	})
	return lineage, err
}

// Claim writes it. A server replaces a value by another only if that value is there, so
// that of two who claim at one moment one is refused. If it lets this account add no
// such entry, the log hears it, and nothing is claimed.
func (c *Console) Claim(ctx context.Context, lineage, was string) error {
	var outcome error
	err := c.look(ctx, func(s *servers.Session) error {
		l, err := c.ledgerEntry(s)
		if err != nil {
			return err
		}
		var made bool
		if made, outcome = console.Claimed(l.lineage, lineage, was); made || outcome != nil {
			return nil
		}
		err = s.Do(func(conn *goldap.Conn) error { return c.tree.claim(conn, c.o.Owner, l, lineage) })
		if err == nil || !servers.Answered(err) {
			return err
		}
		outcome = c.refusedClaim(s, l, was, err)
		return nil
	})
	if err != nil {
		return err
	}
	return outcome
}

// claim makes the request that changes the entry of an owner from what it is.
func (t *tree) claim(conn *goldap.Conn, owner string, l ledgerEntry, lineage string) error {
	dn := t.ledgerDN(owner)
	if lineage == "" {
		return conn.Del(goldap.NewDelRequest(dn, nil))
	}
	if !l.there {
		add := goldap.NewAddRequest(dn, nil)
		add.Attribute("objectClass", []string{ledgerClass})
		add.Attribute("cn", []string{ledgerName(owner)})
		add.Attribute(ledgerValue, []string{lineage})
		return conn.Add(add)
	}
	modify := goldap.NewModifyRequest(dn, nil)
	if l.lineage != "" {
		modify.Delete(ledgerValue, []string{l.lineage})
	}
	modify.Add(ledgerValue, []string{lineage})
	return conn.Modify(modify)
}

// refusedClaim makes an error of what a server said to a claim of an entry, which was l.
func (c *Console) refusedClaim(s *servers.Session, l ledgerEntry, was string, said error) error {
	dn := c.tree.ledgerDN(c.o.Owner)
	if goldap.IsErrorAnyOf(said, goldap.LDAPResultEntryAlreadyExists, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultNoSuchObject) {
		now, err := c.ledgerEntry(s)
		switch {
		case err == nil && now.lineage != was:
			return &console.ClaimedError{Lineage: now.lineage}
		case err == nil && !now.there && !l.there && goldap.IsErrorWithCode(said, goldap.LDAPResultEntryAlreadyExists):
			return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("%s: entry %q is there, and cannot be read", s.Server(), dn), Advice: "let this account read it"}
		}
	}
	refused := newRefusal(dn, said)
	if !l.there && apply.CodeOf(refused) == apply.Refused {
		if c.o.Log != nil {
			c.o.Log("it cannot be written there to which state the accounts belong, so that another one with this owner would not be noticed: " + refused.Error())
		}
		return nil
	}
	if apply.CodeOf(refused) == apply.Refused {
		return &console.UnclaimedError{Console: c.o.Label, Err: quoting(fmt.Errorf("%s: %w", s.Server(), refused)), Advice: "let this account write the entry"}
	}
	return &console.ReadError{Console: c.o.Label, Err: quoting(fmt.Errorf("%s: %w", s.Server(), refused)), Advice: "try again later; if it says so again, look into the log of the server"}
}

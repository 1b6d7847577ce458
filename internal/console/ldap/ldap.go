// Package ldap keeps accounts in a tree on an LDAP server that gateways query: each is
// an entry below base_dn.
//
//	account        entry
//	primary        mail
//	aliases        mailLocalAddress; of an active account the primary stands there, too
//	type           the classes that lists have and users have not
//	status         active if the primary is among mailLocalAddress; an inactive account
//	               is kept in ou=inactive
//	mark           employeeNumber: owner:directory/GUID
//	username       uid
//	attributes     displayName and those of the configuration
//	ref, rev       entryUUID, entryCSN
//
// All names can be set. Of an entry without a mark, which somebody else has made, the
// status is its place. A new entry is called cn=GUID, and is never renamed. The entry
// cn=rollcall-OWNER is no account: it says to which state those of the owner belong.
//
// A change begins with a look at the entry and at who holds the addresses that it is
// to get. Then it is a single request, an add, a modify or a delete:
//
//	look: entry, holders ──> move to or from ou=inactive, with the status alone
//	                         modify, under the assertion that entryCSN is what was seen
//	                         look again: entryUUID and entryCSN for the answer
//
// Where the server knows no assertions (RFC 4528), as 389 Directory Server, values are
// deleted by name, and the mark with them, so that the server refuses what does not fit
// any more. The move comes first and counts for nothing: until the modify is made, the
// account is what it was.
//
// Reads are those of package directory/ldap, with its guarantees: pages, limits,
// referrals, and entries that move while they are read.
package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var (
	_ console.Target  = (*Console)(nil)
	_ console.Checker = (*Console)(nil)

	_ console.Ledgered = (*Console)(nil)
)

// Console is a tree on a server.
type Console struct {
	o      console.Opening
	source *servers.Source
	tree   tree
	facts  plan.Facts
	// product and version are what the server calls itself.
	product, version string
	// asserts says that the server knows assertions.
	asserts bool

	mu     sync.Mutex
	idle   []*servers.Session
	closed bool
	made   map[string]apply.Answer // by key
	moved  map[string]string       // the revs that moves have left, by key
}

func newConsole(o console.Opening) *Console {
	options := servers.ConnectionOptions(o.Settings)
	options.Label, options.Timeout = o.Label, o.Timeout
	return &Console{o: o, source: servers.New(options), tree: newTree(o.Settings), made: map[string]apply.Answer{}, moved: map[string]string{}}
}

// assertion is the control of RFC 4528.
const assertion = "1.3.6.1.1.12"

// open logs in, and reads what the server can do.
func (c *Console) open(ctx context.Context) error {
	return c.look(ctx, func(s *servers.Session) error {
		root, err := object(s, "", "supportedControl", "subschemaSubentry", "vendorName", "vendorVersion", "objectClass")
		if err != nil {
			return err
		}
		if root == nil {
			root = &entry{}
		}
		c.product, c.version = root.one("vendorName"), strings.TrimPrefix(root.one("vendorVersion"), "389-Directory/")
		for _, class := range root.get("objectClass") {
			if class == "OpenLDAProotDSE" {
				c.product = "OpenLDAP"
			}
		}
		c.asserts = s.Offers(assertion)
		at := root.one("subschemaSubentry")
		said, err := object(s, at, "attributeTypes", "objectClasses")
		if err == nil && said != nil {
			c.tree.schema = newSchema(said.get("attributeTypes"), said.get("objectClasses"))
		}
		if err != nil && !servers.Answered(err) {
			return err
		}
		if c.tree.schema == nil || len(c.tree.schema.classes) == 0 {
			return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("%s: the schema %q cannot be read", s.Server(), at),
				Advice: "let this account read the root entry and the subschema entry, as everybody may on most servers"}
		}
		c.tree.singleOwner = c.tree.schema.single(c.tree.owner)
		c.facts = c.tree.facts()
		return nil
	})
}

// facts are what the tree stores.
func (t *tree) facts() plan.Facts {
	f := plan.Facts{Marks: true, Ledger: t.schema.classes[strings.ToLower(ledgerClass)] != nil, Stores: []string{plan.FieldAliases, plan.FieldStatus, plan.FieldUsername}}
	if len(t.listed) > 0 {
		f.Stores = append(f.Stores, plan.FieldType)
	}
	for _, m := range t.attributes {
		f.Stores = append(f.Stores, m.name)
		if n := t.schema.bound(m.attribute); n > 0 {
			if f.Lengths == nil {
				f.Lengths = map[string]int{}
			}
			f.Lengths[m.name] = n
		}
	}
	return f
}

// Facts are what the tree stores.
func (c *Console) Facts() plan.Facts { return c.facts }

// Publish does nothing: each change has taken effect when it is answered.
func (c *Console) Publish(context.Context) error { return nil }

// Close ends the sessions.
func (c *Console) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, s := range c.idle {
		s.Close()
	}
	c.idle = nil
	return nil
}

// Accounts reads every account below base_dn.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	t := &c.tree
	scope := directory.Scope{Base: t.base, Filter: fmt.Sprintf("(|(%s=*)(%s=*)(%s=*))", t.primary, t.alias, t.owner), PrimaryAttribute: t.primary, AliasAttributes: []string{t.alias}}
	for _, name := range t.asked() {
		scope.Attributes = append(scope.Attributes, directory.Attribute{Name: name, Source: name})
	}
	all := &accounts{tree: t}
	receipt, err := c.source.Read(ctx, []directory.Scope{scope}, all, nil)
	switch {
	case err != nil:
		return console.Receipt{}, c.failure(err)
	case len(receipt.References) > 0:
		return console.Receipt{}, &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("%s: a part of %q is on another server, %s", receipt.Server, t.base, strings.Join(receipt.References, " ")),
			Advice: "name the server that holds all of base_dn in urls, or a base_dn without referrals below it"}
	}
	if c.o.Log != nil {
		for _, note := range receipt.Notes {
			c.o.Log(note)
		}
	}
	n := 0
	for i := range all.live {
		l := &all.live[i]
		if !all.is[i] {
			continue
		}
		if l.Ref == "" {
			return console.Receipt{}, c.unnamed(receipt.Server, all.dns[i])
		}
		n++
		if err := yield(*l); err != nil {
			return console.Receipt{}, err
		}
	}
	return console.Receipt{Product: c.product, Version: c.version, Accounts: n, Expiries: receipt.Expiries}, nil
}

// unnamed is the error of an account without the attribute by which it is known.
func (c *Console) unnamed(server, dn string) error {
	return &console.ReadError{Console: c.o.Label, Err: fmt.Errorf("%s: entry %q has no %s, by which accounts are known", server, dn, c.tree.ref),
		Advice: `let this account read it; where 389 Directory Server has no plugin entryUUID, set ref_attribute = "nsUniqueId"`}
}

// accounts is a [directory.Sink].
type accounts struct {
	tree *tree
	live []identity.Live
	is   []bool // an account
	dns  []string
}

func (a *accounts) Put(scope int, o directory.Object) error {
	a.live, a.is, a.dns = append(a.live, identity.Live{}), append(a.is, false), append(a.dns, "")
	return a.Replace(len(a.live)-1, scope, o)
}

func (a *accounts) Replace(n, _ int, o directory.Object) error {
	if o == nil {
		a.is[n] = false
		return nil
	}
	e := a.tree.ofObject(o)
	a.live[n], a.is[n] = a.tree.live(&e)
	a.dns[n] = e.dn
	return nil
}

func (a *accounts) Reset() error {
	*a = accounts{tree: a.tree}
	return nil
}

// atOnce is how many accounts a search asks for.
const atOnce = 50

// Get returns the accounts that have one of the refs or hold one of the addresses.
func (c *Console) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	var found []identity.Live
	have := map[string]bool{}
	for len(refs)+len(addresses) > 0 {
		someRefs := refs[:min(len(refs), atOnce)]
		some := addresses[:min(len(addresses), atOnce-len(someRefs))]
		refs, addresses = refs[len(someRefs):], addresses[len(some):]
		var entries []entry
		err := c.look(ctx, func(s *servers.Session) (err error) {
			entries, err = c.search(s, c.tree.base, c.tree.filter(someRefs, some, identity.Mark{}))
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range entries {
			l, is := c.tree.live(&entries[i])
			switch {
			case !is || have[l.Ref]:
			case l.Ref == "":
				return nil, c.unnamed("", entries[i].dn)
			default:
				have[l.Ref] = true
				found = append(found, l)
			}
		}
	}
	return found, nil
}

// filter finds entries by ref, address or mark (RFC 4515).
func (t *tree) filter(refs []string, addresses []identity.Address, mark identity.Mark) string {
	var b strings.Builder
	equal := func(attribute, value string) { fmt.Fprintf(&b, "(%s=%s)", attribute, goldap.EscapeFilter(value)) }
	for _, ref := range refs {
		equal(t.ref, ref)
	}
	for _, a := range addresses {
		equal(t.primary, a.String())
		equal(t.alias, a.String())
	}
	if !mark.IsZero() {
		equal(t.owner, formatMark(mark))
	}
	return "(|" + b.String() + ")"
}

// search finds entries of the tree. A search that says that there may be more is an
// error.
func (c *Console) search(s *servers.Session, base, filter string) (entries []entry, err error) {
	r, err := search(s, base, goldap.ScopeWholeSubtree, filter, c.tree.asked())
	if err != nil {
		return nil, err
	}
	if len(r.Referrals) > 0 {
		return nil, fmt.Errorf("a part of %q is on another server, %s", base, strings.Join(r.Referrals, " "))
	}
	for _, e := range r.Entries {
		entries = append(entries, ofResult(e))
	}
	return entries, nil
}

func search(s *servers.Session, base string, scope int, filter string, attributes []string, controls ...goldap.Control) (r *goldap.SearchResult, err error) {
	err = s.Do(func(conn *goldap.Conn) error {
		r, err = conn.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, controls))
		return err
	})
	return r, err
}

// object reads one entry; nil where there is none.
func object(s *servers.Session, dn string, attributes ...string) (*entry, error) {
	r, err := search(s, dn, goldap.ScopeBaseObject, "(objectClass=*)", attributes)
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
		return nil, nil
	case err != nil || len(r.Entries) != 1:
		return nil, err
	}
	e := ofResult(r.Entries[0])
	return &e, nil
}

// session returns one that is idle, or begins one.
func (c *Console) session(ctx context.Context) (s *servers.Session, used bool, err error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, false, fmt.Errorf("console %q is closed", c.o.Label)
	}
	if n := len(c.idle); n > 0 {
		s, c.idle = c.idle[n-1], c.idle[:n-1]
		c.mu.Unlock()
		return s, true, nil
	}
	c.mu.Unlock()
	s, err = c.source.Begin(ctx)
	return s, false, c.failure(err)
}

// release keeps a session for another use, unless a request on it had no answer.
func (c *Console) release(s *servers.Session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || err != nil && !servers.Answered(err) {
		s.Close()
		return
	}
	c.idle = append(c.idle, s)
}

// look asks without changing anything. Where a session that was idle is not there any
// more, another is begun. What the server cannot do now is an [apply.Error].
func (c *Console) look(ctx context.Context, ask func(s *servers.Session) error) error {
	for {
		s, used, err := c.session(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, s.Close)
		err = ask(s)
		if !stop() { // it was closed
			return ctx.Err()
		}
		c.release(s, err)
		if used && lost(err) {
			continue
		}
		return c.lookFailed(ctx, s, err)
	}
}

// lost reports whether an error is a connection that is not there any more.
func lost(err error) bool {
	var said *goldap.Error
	return errors.As(err, &said) && !servers.Answered(err)
}

// lookFailed makes an error of a read of one that a server has answered, or has not.
func (c *Console) lookFailed(ctx context.Context, s *servers.Session, err error) error {
	var failed *console.ReadError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	if goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable) {
		return fmt.Errorf("console %q: %w", c.o.Label, &apply.Error{Code: apply.Temporary, Message: c.words(ctx, s, err).Error()})
	}
	why := c.words(ctx, s, err)
	failed = &console.ReadError{Console: c.o.Label, Err: quoting(fmt.Errorf("%s: %w", s.Server(), why)), Advice: advice(why)}
	if goldap.IsErrorWithCode(err, goldap.LDAPResultAdminLimitExceeded) {
		t := &c.tree
		failed.Advice = fmt.Sprintf("index %s, %s, %s and %s for equality: without, each change looks at all entries", t.primary, t.alias, t.owner, t.ref)
	}
	return failed
}

package scim

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const (
	// stale is how old an index may be where addresses cannot be looked up, or else
	// often times what it took to read it.
	stale = time.Minute
	often = 10
	// longest is how many octets a filter has at most: URLs of more than 2,000 are
	// cut off on the way by some.
	longest = 1200
	// Accounts are asked for one by one as long as, since the last change, they are
	// fewer than one in lookups of all, or in all fewer than lookups.
	lookups = 10
)

// The attributes by which accounts are looked up.
const (
	byEmail    = "emails.value"
	byUserName = "userName"
	byMark     = "externalId"
)

// trust says how far filters on an attribute can be relied on.
type trust struct {
	// tested says that the rest is known, but for each.
	tested bool
	// exact: who has the value, written as it is, is found, and nobody else.
	exact bool
	// folding: the letter case does not matter.
	folding bool
	// each is how long the service took for a value that was asked for.
	each time.Duration
}

// one reads a User with everything in it.
func (c *Console) one(ctx context.Context, ref string) (*reply, error) {
	return c.do(ctx, request{method: "GET", path: userPath(ref)})
}

func userPath(ref string) string { return "/Users/" + url.PathEscape(ref) }

// note keeps the index up to date with an account as it was read.
func (c *Console) note(l *identity.Live, r *resource) {
	c.noteAs(l, r.lineage())
}

// noteAs keeps it up to date with one that is known otherwise.
func (c *Console) noteAs(l *identity.Live, lineage string) {
	c.amend(func(x *index) { x.put(l, lineage) })
}

func (c *Console) forget(ref string) { c.amend(func(x *index) { x.drop(ref) }) }

// amend changes the index, and the one that a read under way makes.
func (c *Console) amend(change func(*index)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index != nil {
		change(c.index)
	}
	if c.amended {
		c.since = append(c.since, change)
	}
}

// Get returns the accounts that have one of the refs or hold one of the addresses.
// Where filters do not find addresses whatever their letter case, all accounts are read.
func (c *Console) Get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	found, err := c.get(ctx, refs, addresses)
	if err == nil {
		return found, nil
	}
	if f := asFailure(err); f != nil && status(err) != 0 && (f.code() == apply.Throttled || f.code() == apply.Temporary || f.code() == "") {
		return nil, answerOf(f).Err
	}
	return nil, c.unread(err)
}

func (c *Console) get(ctx context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	x, err := c.known(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if wrote := c.wrote.Load(); c.askedSince != wrote {
		c.askedSince, c.asked = wrote, 0
	}
	c.asked += len(refs) + len(addresses)
	few := c.asked <= max(lookups, len(x.accounts)/lookups)
	c.mu.Unlock()
	if few && len(addresses) > 0 {
		for _, by := range []string{byEmail, byUserName} {
			if few {
				t, err := c.trusted(ctx, by, len(addresses), x.took)
				if err != nil {
					return nil, err
				}
				few = t.folding
			}
		}
	}
	if !few {
		return c.getFromAll(ctx, refs, addresses)
	}
	got := map[string]*identity.Live{}
	for _, ref := range refs {
		if got[ref] != nil {
			continue
		}
		l, err := c.account(ctx, ref)
		if err != nil {
			return nil, err
		}
		if l != nil {
			got[ref] = l
		}
	}
	for _, by := range []string{byEmail, byUserName} {
		users, ok, err := c.lookUp(ctx, by, texts(addresses), x.took)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return c.getFromAll(ctx, refs, addresses)
		}
		for i := range users {
			got[users[i].live.Ref] = users[i].live
		}
	}
	// What an answer to a filter says may be older than what the account says.
	var found []identity.Live
	wanted := wanting(refs, addresses)
	for _, l := range got {
		if wanted(l) {
			found = append(found, *l)
		}
	}
	return found, nil
}

// account reads one account; nil where there is none.
func (c *Console) account(ctx context.Context, ref string) (*identity.Live, error) {
	body, err := c.reading(ctx, userPath(ref), nil)
	switch {
	case status(err) == 404 || status(err) == 410:
		c.forget(ref)
		return nil, nil
	case err != nil:
		return nil, err
	}
	_, l, err := c.decodeOf(ref, body)
	return l, err
}

// decodeOf reads the User that was asked for by its ref, and notes it.
func (c *Console) decodeOf(ref string, body []byte) (*resource, *identity.Live, error) {
	r, l, err := c.decode(body)
	if err != nil {
		return nil, nil, err
	}
	if l.Ref != ref {
		return nil, nil, &contentError{text: "it sent another user than was asked for: ", quoted: c.quote(l.Ref), advice: "this is a fault of the service"}
	}
	c.note(l, r)
	return r, l, nil
}

// getFromAll reads all accounts, unless that was done since anything was written, and
// not long ago: after an apply, accounts are asked for in many parts.
func (c *Console) getFromAll(ctx context.Context, refs []string, addresses []identity.Address) (found []identity.Live, err error) {
	c.mu.Lock()
	x := c.index
	c.mu.Unlock()
	newer := time.Now()
	if x != nil && c.facts.Settles == 0 {
		newer = later(newer.Add(-x.patience()), time.Unix(0, c.wrote.Load()))
	}
	if x, err = c.known(ctx, newer); err != nil {
		return nil, err
	}
	wanted := wanting(refs, addresses)
	for i := range x.all {
		if wanted(&x.all[i]) {
			found = append(found, x.all[i])
		}
	}
	return found, nil
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wanting says which accounts are asked for.
func wanting(refs []string, addresses []identity.Address) func(*identity.Live) bool {
	byRef, byAddress := map[string]bool{}, map[identity.Address]bool{}
	for _, ref := range refs {
		byRef[ref] = true
	}
	for _, x := range addresses {
		byAddress[x] = true
	}
	return func(l *identity.Live) bool {
		wanted := byRef[l.Ref]
		l.EachAddress(func(x identity.Address) { wanted = wanted || byAddress[x] })
		return wanted
	}
}

func texts(addresses []identity.Address) []string {
	all := make([]string, len(addresses))
	for i, x := range addresses {
		all[i] = x.String()
	}
	return all
}

// filter is an expression that asks who has one of the values (RFC 7644 section
// 3.4.2.2).
func filter(by string, values ...string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(by + " eq " + string(encode(v)))
	}
	return b.String()
}

// lookUp asks who has one of the values. It is not ok where filters on the attribute
// cannot be relied on, or where that would take longer than most: some services go
// through all users for each value.
func (c *Console) lookUp(ctx context.Context, by string, values []string, most time.Duration) (found []listed, ok bool, err error) {
	for len(values) > 0 {
		t, err := c.trusted(ctx, by, len(values), most)
		if err != nil || !t.exact || time.Duration(len(values))*t.each > most {
			return nil, false, err
		}
		n := 1
		for n < len(values) && len(filter(by, values[:n+1]...)) <= longest {
			n++
		}
		begun := time.Now()
		users, complete, err := c.filtered(ctx, filter(by, values[:n]...))
		if err != nil || !complete {
			return nil, false, err
		}
		t.each = time.Since(begun) / time.Duration(n)
		c.trust(by, t)
		for i := range users {
			c.note(users[i].live, users[i].resource)
		}
		found, values = append(found, users...), values[n:]
	}
	return found, true, nil
}

func (c *Console) trust(by string, t trust) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filters[by] = t
}

// filtered asks for the users that a filter selects. It is not complete where the
// service does not take the filter, or has found more than it gives at a time.
func (c *Console) filtered(ctx context.Context, filter string) (users []listed, complete bool, err error) {
	users, n, err := c.list(ctx, url.Values{"filter": {filter}, "count": {strconv.Itoa(usualPage)}})
	var content *contentError
	var lost *lostError
	switch s := status(err); {
	case s == 400 || s == 403 || s == 404 || s == 405 || s == 413 || s == 414 || s == 431 || s == 500 || s == 501, errors.As(err, &content), errors.As(err, &lost):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return users, n == len(users), nil
}

// trusted finds out whether filters on an attribute can be relied on for so many values,
// by an account that is there and by a value that nobody has. Where it is seen that they
// would take longer than most, the test is left for another time.
func (c *Console) trusted(ctx context.Context, by string, values int, most time.Duration) (trust, error) {
	c.mu.Lock()
	t := c.filters[by]
	var s sample
	if c.index != nil {
		s = c.index.sample
	}
	c.mu.Unlock()
	value := map[string]string{byEmail: s.email, byUserName: s.userName, byMark: s.externalID}[by]
	if t.tested || value == "" { // or there is nobody to test it on
		return t, nil
	}
	const none = "rollcall-nobody@rollcall.invalid"
	finds := func(want string, values ...string) (bool, error) {
		users, complete, err := c.filtered(ctx, filter(by, values...))
		if err != nil || !complete {
			return false, err
		}
		found := want == ""
		for i := range users {
			if !has(users[i].resource, by, value) {
				return false, nil
			}
			found = found || users[i].resource.ID == want
		}
		return found && (want != "" || len(users) == 0), nil
	}
	begun := time.Now()
	var err error
	if t.exact, err = finds("", none); err != nil {
		return trust{}, err
	}
	t.each = time.Since(begun)
	if t.exact && time.Duration(values)*t.each > most {
		return trust{}, nil
	}
	if t.exact {
		t.exact, err = finds(s.ref, none, value)
	}
	if err == nil && t.exact {
		t.folding, err = finds(s.ref, swapped(value), none)
	}
	if err != nil {
		return trust{}, err
	}
	t.tested = true
	c.trust(by, t)
	return t, nil
}

// has reports whether a user has a value.
func has(r *resource, by, value string) bool {
	switch by {
	case byUserName:
		return strings.EqualFold(r.UserName, value)
	case byMark:
		return r.ExternalID == value
	}
	for _, e := range r.Emails {
		if strings.EqualFold(e.Value, value) {
			return true
		}
	}
	return false
}

// swapped returns a text with the other letter case.
func swapped(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, text)
}

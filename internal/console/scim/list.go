package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const (
	// passes is how often the users are read until they have stayed the same
	// meanwhile.
	passes = 4
	// usualPage is how many users a page has where the service does not say, and
	// mostPage how many are asked for at most.
	usualPage = 100
	mostPage  = 1000
)

// page is a list response (RFC 7644 section 3.4.2).
type page struct {
	TotalResults *int
	Resources    []json.RawMessage
}

// movedError is a list that has changed while it was read, or that was not given as it
// was asked for: one read does not show which.
type movedError struct{ text string }

func (e *movedError) Error() string { return e.text }

// known returns the index, after a read of all users where there is none yet, or where
// it was not begun after a time. Nothing is written meanwhile: what this run adds would
// move the users that are read.
func (c *Console) known(ctx context.Context, newer time.Time) (*index, error) {
	there := func() *index {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.index != nil && c.index.at.After(newer) {
			return c.index
		}
		return nil
	}
	if x := there(); x != nil {
		return x, nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if x := there(); x != nil { // read for somebody else
		return x, nil
	}
	return c.readAll(ctx)
}

// readAll reads every user, and makes the index of them.
func (c *Console) readAll(ctx context.Context) (*index, error) {
	amended := func(amended bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.amended, c.since = amended, nil
	}
	amended(true)
	defer amended(false)
	var failed error
	for pass := range passes {
		begun := time.Now()
		// A page normally begins with the last user of the one before. Some
		// services give whole pages alone, and are asked for that user apart.
		all, x, err := c.pass(ctx, pass%2 == 1)
		if err == nil {
			x.at, x.took, x.all = begun, time.Since(begun), all
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, change := range c.since {
				change(x)
			}
			c.index = x
			if is := x.ledger(c.owner); c.lineage == "" && console.IsLineage(is) {
				c.lineage = is
			}
			return x, nil
		}
		var moved *movedError
		if !errors.As(err, &moved) {
			return nil, err
		}
		failed = &contentError{text: fmt.Sprintf("the users could not be read completely, in %d attempts: %s", passes, moved.text),
			advice: "if somebody changes users just now, try again later; else the service does not give pages as RFC 7644 section 3.4.2.4 says"}
	}
	return nil, failed
}

// pageSize is how many users are asked for at a time.
func (c *Console) pageSize() int {
	if n := c.provider.Filter.MaxResults; n > 0 {
		return min(n, mostPage)
	}
	return usualPage
}

// pass reads every user once. None is missing where the total has not become smaller
// and is that of the users in the end, no id came twice, each page goes on where the one
// before has ended, and there is nothing behind the end: a user that is removed meanwhile
// moves those behind it, of which one may fall between two pages. Users that are added at
// the end meanwhile are read, too.
func (c *Console) pass(ctx context.Context, apart bool) ([]identity.Live, *index, error) {
	var all []identity.Live
	x := newIndex()
	seen := map[string]bool{}
	size, total, full := c.pageSize(), -1, false
	last := func() string { return all[len(all)-1].Ref }
	for {
		if len(all) == total {
			grown, err := c.ends(ctx, total, full, seen)
			if err != nil || grown == total {
				return all, x, err
			}
			total = grown
		}
		apart := apart || size == 1
		overlap := 0
		if len(all) > 0 && !apart {
			overlap = 1
		}
		users, n, err := c.page(ctx, len(all)+1-overlap, size)
		switch {
		case err != nil:
			return nil, nil, err
		case n < total:
			return nil, nil, &movedError{fmt.Sprintf("there were %d, and then %d", total, n)}
		}
		total = n
		if overlap > 0 {
			if len(users) == 0 || users[0].live.Ref != last() {
				return nil, nil, &movedError{fmt.Sprintf("the page from user %d on does not go on where the one before has ended", len(all)+1)}
			}
			users = users[1:]
		}
		if len(users) == 0 && len(all) < total {
			return nil, nil, &movedError{fmt.Sprintf("of %d, the service gave %d", total, len(all))}
		}
		for _, u := range users {
			if seen[u.live.Ref] {
				return nil, nil, &movedError{fmt.Sprintf("the user with id %s came twice", c.quote(u.live.Ref))}
			}
			seen[u.live.Ref] = true
		}
		if apart && len(all) > 0 {
			if err := c.still(ctx, len(all), last()); err != nil {
				return nil, nil, err
			}
		}
		full = len(users)+overlap >= size
		for _, u := range users {
			all = append(compact.Grown(all), *u.live)
			x.put(u.live, u.resource.lineage())
			x.sampled(u.resource, u.live)
		}
		if n := len(users); n < size && len(all) < total && n > 0 {
			size = n + overlap // it gives no more
		}
		if len(all) > total {
			return nil, nil, &movedError{fmt.Sprintf("the service says that there are %d, and gave %d", total, len(all))}
		}
	}
}

// still makes sure that the user at a place is the one that was there.
func (c *Console) still(ctx context.Context, place int, id string) error {
	users, _, err := c.page(ctx, place, 1)
	if err == nil && (len(users) == 0 || users[0].live.Ref != id) {
		err = &movedError{fmt.Sprintf("user %d is another one by now", place)}
	}
	return err
}

// ends makes sure that there is nobody behind the end, since some services give the
// users of a page as their total. It returns the total, which may have grown.
func (c *Console) ends(ctx context.Context, total int, full bool, seen map[string]bool) (int, error) {
	users, n, err := c.page(ctx, total+1, 1)
	switch {
	case status(err) == 400 || status(err) == 404:
		return total, nil // there is no such page
	case err != nil:
		return 0, err
	case len(users) == 0 && (n == total || n == 0):
		return total, nil
	case len(users) == 0:
		return 0, &movedError{fmt.Sprintf("there were %d, and then %d", total, n)}
	case !seen[users[0].live.Ref] && n > total:
		return n, nil
	case !seen[users[0].live.Ref]:
		return 0, &movedError{fmt.Sprintf("the service says that there are %d, and gives more", total)}
	case full:
		return 0, &movedError{fmt.Sprintf("after the last of %d, the service begins anew", total)}
	}
	return total, nil
}

// listed is a user of a page.
type listed struct {
	resource *resource
	live     *identity.Live
}

// page reads some users, from a place on that counts from 1, and the total of them.
func (c *Console) page(ctx context.Context, from, count int) ([]listed, int, error) {
	return c.list(ctx, url.Values{"startIndex": {strconv.Itoa(from)}, "count": {strconv.Itoa(count)}})
}

// list reads a list of users.
func (c *Console) list(ctx context.Context, query url.Values) ([]listed, int, error) {
	body, err := c.reading(ctx, "/Users", query)
	if err != nil {
		return nil, 0, err
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil && !mistyped(err) {
		return nil, 0, c.notJSON(body)
	}
	if p.TotalResults == nil || *p.TotalResults < 0 {
		return nil, 0, &contentError{text: "it sent a list without totalResults: ", quoted: c.quote(string(body)),
			advice: "url has to be the base of a SCIM 2.0 service; without a total, missing users go unnoticed"}
	}
	users := make([]listed, len(p.Resources))
	for i, text := range p.Resources {
		r, l, err := c.decode(text)
		if err != nil {
			return nil, 0, err
		}
		users[i] = listed{r, l}
	}
	return users, *p.TotalResults, nil
}

package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"
)

// query is a search of a subtree that is read to its end, page by page.
type query struct {
	base, filter string
	attributes   []string
	controls     []goldap.Control
	// told says that the receipt tells of the answer's pages and references:
	// it is a scope's.
	told bool
}

// batch is what comes from a server, in order: a block of messages, an object
// whose values came in ranges, a question, or the end of a search.
type batch struct {
	block []byte
	late  *late
	// settled is closed by the reader when it has read everything before.
	settled chan<- struct{}
	end     bool
}

// late is an object that came without some of its values, and later with them.
type late struct {
	message []byte // the SearchResultEntry
	dn      string
	// handle is the name to ask for it by: in Active Directory its GUID, which
	// it keeps when it is renamed or moved meanwhile.
	handle string
	parts  []latePart
}

type latePart struct {
	attribute string // without options
	index     int    // into object.wanted
	next      int    // the number of the first value that is missing
	values    [][]byte
}

// fetcher asks one server for everything: pages of searches, and the rest of
// values that come in ranges. It asks for the next page as soon as the present
// one has come, while the reader of the batches still decodes that.
type fetcher struct {
	source *Source
	conn   *conn
	// pages counts the pages of scopes.
	pages int

	// quit is closed when nobody reads the batches any more.
	quit chan struct{}

	mu   sync.Mutex
	late []*late // to be fetched
}

// maxEmptyPages is how many pages in a row may come without an entry: a server
// may send some while it looks for entries, but not for ever.
const maxEmptyPages = 1000

// run performs a search to its end. Only an answer that certainly is complete
// is no error: each page ends with result code 0 and says by its control
// whether another one follows (RFC 2696 section 3).
func (f *fetcher) run(ctx context.Context, q query) error {
	var cookie []byte
	empty := 0
	for page := 1; ; page++ {
		paging := goldap.NewControlPaging(uint32(f.source.options.PageSize))
		paging.SetCookie(cookie)
		result, err := f.page(q, paging)
		if err != nil {
			return within(f.source.cause(ctx, f.conn, err), fmt.Sprintf("search below %q, page %d", q.base, page))
		}
		if len(result.Entries)+len(result.Referrals) > 0 {
			return fmt.Errorf("search below %q, page %d: %w", q.base, page, errMalformed)
		}
		if q.told {
			f.pages++
		}
		answer, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok {
			return fmt.Errorf("search below %q, page %d: the answer does not say whether more follows (it lacks the control for paged results)", q.base, page)
		}
		if f.conn.wire.entries.Load() > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyPages {
			return fmt.Errorf("search below %q: %d pages came without an entry, and still more are to follow", q.base, empty)
		}
		if cookie = answer.Cookie; len(cookie) == 0 {
			break
		}
		if err := f.fetchLate(ctx); err != nil {
			return err
		}
	}
	settled := make(chan struct{})
	if err := f.send(batch{settled: settled}); err != nil {
		return err
	}
	select {
	case <-settled:
	case <-f.quit:
		return net.ErrClosed
	}
	return f.fetchLate(ctx)
}

// page asks for one page, whose entries go past go-ldap; see [wire].
func (f *fetcher) page(q query, paging *goldap.ControlPaging) (*goldap.SearchResult, error) {
	f.conn.wire.await()
	defer f.conn.wire.done()
	return f.conn.Search(goldap.NewSearchRequest(q.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, q.filter, q.attributes,
		append([]goldap.Control{paging}, q.controls...)))
}

// send passes a batch on, behind what the server sent before.
func (f *fetcher) send(b batch) error {
	select {
	case f.conn.wire.batches <- b:
		return nil
	case <-f.quit:
		return net.ErrClosed
	}
}

// postpone leaves an incomplete object to the fetcher. The reader calls it.
func (f *fetcher) postpone(l *late) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, l)
}

// fetchLate asks for the missing values of the objects that are incomplete.
func (f *fetcher) fetchLate(ctx context.Context) error {
	f.mu.Lock()
	list := f.late
	f.late = nil
	f.mu.Unlock()
	for _, l := range list {
		for i := range l.parts {
			if err := f.fetchValues(l, &l.parts[i]); err != nil {
				return within(f.source.cause(ctx, f.conn, err), fmt.Sprintf("%s: values %d and following of %s", l.dn, l.parts[i].next, l.parts[i].attribute))
			}
		}
		if err := f.send(batch{late: l}); err != nil {
			return err
		}
	}
	return nil
}

// fetchValues asks for an attribute's values to the last one (MS-ADTS section
// 3.1.1.3.1.3.3). A server may send fewer at a time than it was asked for.
func (f *fetcher) fetchValues(l *late, p *latePart) error {
	for {
		asked := fmt.Sprintf("%s;range=%d-*", p.attribute, p.next)
		result, err := f.conn.search(l.handle, goldap.ScopeBaseObject, "(objectClass=*)", []string{asked})
		if err != nil {
			return err
		}
		if len(result.Entries) != 1 {
			return errors.New("the object went away while it was read")
		}
		whole, next := false, p.next
		for _, a := range result.Entries[0].Attributes {
			name, first, bounds, whole1, err := attributeRange(a.Name)
			if err != nil {
				return err
			}
			if name != p.attribute || bounds == 0 && !whole1 {
				continue
			}
			if first != p.next {
				return fmt.Errorf("the server sent the values %q", a.Name)
			}
			whole, next = whole1, bounds
			p.values = append(p.values, a.ByteValues...)
		}
		if whole {
			return nil
		}
		if next <= p.next {
			return errors.New("the server sent no values from there on")
		}
		p.next = next
	}
}

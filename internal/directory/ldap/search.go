package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// query is a search of a subtree that is read to its end, page by page.
type query struct {
	base, filter string
	attributes   []string
	controls     []goldap.Control
	// told says that the receipt has the answer's pages and references:
	// it is a scope's.
	told bool
	// puts says that the sink is given what is found.
	puts bool
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

// late is an object that came with a question, and later with the answer: which
// are the values that it came without, and whether it was moved, or is another
// with the same GUID.
type late struct {
	message []byte // the SearchResultEntry
	dn      string
	// handle is the name to ask for it by: in Active Directory its GUID, which
	// it keeps when it is renamed or moved meanwhile.
	handle string
	parts  []latePart
	whole  bool // nothing is missing in the parts any more
	// guid is the object's, and earlier are the names at which objects with it
	// were before. gone are those of them at which there is none any more.
	guid          identity.GUID
	earlier, gone []string
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
	// fresh counts the objects that had not come before in the present search.
	// The reader of the batches does, and may be some pages behind.
	fresh atomic.Int64

	// quit is closed when nobody reads the batches any more.
	quit chan struct{}

	mu   sync.Mutex
	late []*late // to be fetched
}

// maxStalePages is how many pages in a row may come without an object that is
// new in the search. A server may send some while it looks for entries, but not
// for ever, and one whose cookies go round in a circle never ends.
const maxStalePages = 1000

// run performs a search to its end. Only an answer that certainly is complete
// is no error: each page ends with result code 0 and says by its control
// whether another one follows (RFC 2696 section 3).
func (f *fetcher) run(ctx context.Context, q query) error {
	var cookie []byte
	stale, fresh := 0, f.fresh.Load()
	for page := 1; ; page++ {
		paging := goldap.NewControlPaging(uint32(f.source.options.PageSize))
		paging.SetCookie(cookie)
		result, err := f.page(q, paging)
		if err != nil {
			return within(f.source.cause(ctx, f.conn, ofPage(err, page)), fmt.Sprintf("search below %q, page %d", q.base, page))
		}
		if len(result.Entries)+len(result.Referrals) > 0 {
			return fmt.Errorf("search below %q, page %d: %w", q.base, page, errMalformed)
		}
		if q.told {
			f.pages++
		}
		answer, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok {
			return hinted{fmt.Errorf("search below %q, page %d: the answer does not say whether more follows (it lacks the control for paged results)", q.base, page), pagingHint}
		}
		if cookie = answer.Cookie; len(cookie) == 0 {
			break
		}
		stale++
		if n := f.fresh.Load(); n > fresh {
			stale, fresh = 0, n
		}
		if stale > maxStalePages {
			return hinted{fmt.Errorf("search below %q, page %d: page after page came without a new object, and still more are to follow: the server goes round in a circle", q.base, page),
				"set another page_size; if something stands between here and the server, name the server itself in urls"}
		}
		if _, err := f.fetchLate(ctx); err != nil {
			return err
		}
	}
	// What is fetched may bring up another question.
	for {
		settled := make(chan struct{})
		if err := f.send(batch{settled: settled}); err != nil {
			return err
		}
		select {
		case <-settled:
		case <-f.quit:
			return net.ErrClosed
		}
		if some, err := f.fetchLate(ctx); !some || err != nil {
			return err
		}
	}
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

// fetchLate answers the questions about objects, and reports whether there were
// some.
func (f *fetcher) fetchLate(ctx context.Context) (some bool, err error) {
	f.mu.Lock()
	list := f.late
	f.late = nil
	f.mu.Unlock()
	for _, l := range list {
		for i := range l.parts {
			if l.whole {
				break
			}
			if err := f.fetchValues(l, &l.parts[i]); err != nil {
				return true, within(f.source.cause(ctx, f.conn, err), fmt.Sprintf("%s: values %d and following of %s", l.dn, l.parts[i].next, l.parts[i].attribute))
			}
		}
		l.whole, l.gone = true, nil
		for _, dn := range l.earlier {
			there, err := f.isThere(dn, l.guid)
			if err != nil {
				return true, within(f.source.cause(ctx, f.conn, err), fmt.Sprintf("%s: whether %s, which has the same GUID, is still there", l.dn, dn))
			}
			if !there {
				l.gone = append(l.gone, dn)
			}
		}
		if err := f.send(batch{late: l}); err != nil {
			return true, err
		}
	}
	return len(list) > 0, nil
}

// isThere reports whether the object of this name has the GUID.
func (f *fetcher) isThere(dn string, guid identity.GUID) (bool, error) {
	ids := guidAttributes(f.source.options.ActiveDirectory)
	result, err := f.conn.search(dn, goldap.ScopeBaseObject, "(objectClass=*)", ids)
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultReferral):
		return false, nil
	case err != nil || len(result.Entries) != 1:
		return false, err
	}
	return idOf(ids, result.Entries[0].GetEqualFoldRawAttributeValues) == guid, nil
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
		end, next := false, p.next
		for _, a := range result.Entries[0].Attributes {
			name, first, bounds, whole, err := attributeRange(a.Name)
			if err != nil {
				return err
			}
			if name != p.attribute || bounds == 0 && !whole {
				continue
			}
			if first != p.next {
				return fmt.Errorf("the server sent the values %q", a.Name)
			}
			end, next = whole, bounds
			p.values = append(p.values, a.ByteValues...)
		}
		if end {
			return nil
		}
		if next <= p.next {
			return errors.New("the server sent no values from there on")
		}
		p.next = next
	}
}

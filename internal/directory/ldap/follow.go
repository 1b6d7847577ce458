package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var _ directory.Follower = (*Source)(nil)

// FullEvery implements [directory.Follower].
func (s *Source) FullEvery() time.Duration { return s.options.FullEvery }

// Follow implements [directory.Follower]. Only the server that was read knows what
// changed on it since: OpenLDAP by content synchronization (RFC 4533), a domain
// controller by its update sequence numbers (MS-ADTS section 3.1.1.1.9). What it says
// counts if it certainly is all.
func (s *Source) Follow(ctx context.Context, scopes []directory.Scope, since directory.Since, sink directory.Sink, progress func(directory.Progress)) (identity.Receipt, []identity.GUID, error) {
	none := identity.Receipt{Name: s.options.Label}
	plan, err := s.searches(scopes)
	if err != nil {
		return none, nil, err
	}
	m, err := parseMark(since.Mark, s.options.ActiveDirectory)
	if err != nil {
		return none, nil, notFollowed("%v", err)
	}
	if m.Login != s.options.login() {
		return none, nil, notFollowed("somebody else logs in")
	}
	why, err := unfollowed(scopes)
	if err != nil {
		return none, nil, err
	}
	if why != "" {
		return none, nil, notFollowed("%s", why)
	}
	targets, err := s.targets(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return none, nil, ctx.Err()
		}
		return none, nil, notFollowed("%v", err)
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.url == m.URL })
	if i < 0 {
		return none, nil, notFollowed("the server that was read is not among those of the directory now")
	}
	r := &reading{source: s, scopes: plan, sink: sink, progress: progress, target: targets[i]}
	f := &following{reading: r, mark: m, since: since, touched: map[identity.GUID]bool{}, gone: map[identity.GUID]bool{}}
	err = f.run(ctx)
	var own *sinkError
	var login *loginError
	var not *directory.NotFollowedError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return none, nil, ctx.Err()
	case errors.As(err, &own):
		return none, nil, own.err
	case errors.As(err, &login):
		return none, nil, &directory.RefusedError{Directory: s.options.Label, From: r.target.url, Err: login.err}
	case errors.As(err, &not):
		return none, nil, not
	default:
		return none, nil, notFollowed("%s: %v", r.target.url, err)
	}
	touched := make([]identity.GUID, 0, len(f.touched))
	for g := range f.touched {
		touched = append(touched, g)
	}
	slices.SortFunc(touched, identity.GUID.Compare)
	return r.receipt, touched, nil
}

func notFollowed(format string, args ...any) error {
	return &directory.NotFollowedError{Why: fmt.Sprintf(format, args...)}
}

// following is a reading of what changed since a mark.
type following struct {
	*reading
	mark  *mark
	since directory.Since
	// touched are all that changed, and gone those of them that the server says are
	// deleted or left the bases.
	touched map[identity.GUID]bool
	gone    map[identity.GUID]bool
}

// changes are objects that were touched; of those that are gone it is true.
type changes map[identity.GUID]bool

func (f *following) run(ctx context.Context) error {
	began := time.Now()
	f.tell()
	c, err := f.source.open(ctx, f.target)
	if err != nil {
		return err
	}
	defer c.close()
	f.conn, f.fetch = c, &fetcher{source: f.source, conn: c}
	f.begin()
	if err := f.follow(ctx); err != nil {
		return err
	}
	f.receipt.Name, f.receipt.Server = f.source.options.Label, f.target.url
	f.receipt.Expiries = f.source.expiries(c, time.Now())
	f.receipt.Pages = f.fetch.pages
	f.receipt.Scanned = len(f.byGUID)
	f.receipt.Seconds = time.Since(began).Seconds()
	f.receipt.Delta, f.receipt.Complete = true, true
	return nil
}

func (f *following) follow(ctx context.Context) error {
	if err := f.fit(); err != nil {
		return f.said(ctx, err)
	}
	now, err := f.position()
	if err != nil {
		return f.said(ctx, err)
	}
	if err := f.sameServer(ctx, now); err != nil {
		return f.said(ctx, err)
	}
	f.receipt.USNBefore, f.receipt.USNAfter = now.usn, now.usn
	changed, err := f.changedSince(ctx, position{f.mark.CSN, f.mark.USN})
	if err != nil {
		return err
	}
	if err := f.readChanged(ctx, changed); err != nil {
		return err
	}
	for round := 1; round <= maxCatchUps; round++ {
		next, err := f.position()
		if err != nil {
			return f.said(ctx, err)
		}
		if why := f.after(next, now); why != "" {
			return notFollowed("%s", why)
		}
		if next.usn == now.usn && next.csn.equal(now.csn) {
			break
		}
		f.receipt.USNAfter = next.usn
		// What changed before is known; of what changed since, the values may be older.
		if changed, err = f.changedSince(ctx, now); err != nil {
			return err
		}
		now = next
		if err := f.readChangedAgain(ctx, changed, round < maxCatchUps); err != nil {
			return err
		}
	}
	if len(f.twins) > 0 || len(f.byDN) > 0 {
		return notFollowed("several objects have one %s, or none", guidName(f.source.options.ActiveDirectory))
	}
	for g := range f.byGUID {
		if !f.touched[g] {
			return notFollowed("the server answered with objects that it was not asked for")
		}
	}
	if err := f.checkAbove(); err != nil {
		return f.said(ctx, err)
	}
	if f.receipt.Identity = f.mark.Invocation; !f.source.options.ActiveDirectory {
		f.receipt.Identity = now.csn.identity()
	}
	return f.checkLeavers(ctx, now)
}

// said puts an error of a request into words.
func (f *following) said(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*directory.NotFollowedError)) {
		return err
	}
	return f.source.cause(ctx, f.conn, err)
}

// position asks how far the changes of the server are.
func (f *following) position() (p position, err error) {
	if f.source.options.ActiveDirectory {
		err = f.conn.readRoot()
		return position{usn: f.conn.root.usn}, err
	}
	p.csn, err = f.conn.state(f.contexts())
	return p, err
}

// after says why a server is not the one that was at the position before; "" if it
// is.
func (f *following) after(now, before position) string {
	if f.source.options.ActiveDirectory {
		if now.usn < before.usn {
			return "the server has made fewer changes than before, as after a restore"
		}
		return ""
	}
	return now.csn.since(before.csn)
}

// sameServer checks that the server and its data are those that were read, and that
// it tells all that changed.
func (f *following) sameServer(ctx context.Context, now position) error {
	if why := f.after(now, position{f.mark.CSN, f.mark.USN}); why != "" {
		return notFollowed("%s", why)
	}
	if err := f.checkAbove(); err != nil {
		return err
	}
	if !f.source.options.ActiveDirectory {
		return f.tellsDeleted(ctx, now.csn)
	}
	invocation, err := f.conn.identity(f.contexts())
	if err != nil {
		return err
	}
	if invocation != f.mark.Invocation || !strings.EqualFold(f.conn.root.hostName, f.mark.Host) {
		return notFollowed("the server is another one, or was restored")
	}
	why, err := f.seesDeleted()
	if err == nil && why != "" {
		err = notFollowed("%s", why)
	}
	return err
}

// checkAbove checks that the bases, and what is above them, are what they were.
func (f *following) checkAbove() error {
	above, err := f.above()
	if err != nil {
		return err
	}
	for dn, g := range f.mark.Above {
		if now, known := above[dn]; !known || now != g {
			return notFollowed("%q is not what it was", dn)
		}
	}
	if len(above) != len(f.mark.Above) {
		return notFollowed("the scopes have other bases")
	}
	return nil
}

// changes asks for what changed since a position.
func (f *following) changes(ctx context.Context, p position) (changes, error) {
	if f.source.options.ActiveDirectory {
		return f.changedByUSN(ctx, p.usn)
	}
	return f.synchronize(ctx, p.csn)
}

// changedSince asks for what changed since a position, and takes note of it.
func (f *following) changedSince(ctx context.Context, p position) (changes, error) {
	changed, err := f.changes(ctx, p)
	if err != nil {
		return nil, err
	}
	for g, gone := range changed {
		f.touched[g], f.gone[g] = true, gone
	}
	if len(f.touched) > f.since.Most {
		return nil, f.tooMany()
	}
	if !f.source.options.ActiveDirectory {
		err = f.checkContainers(ctx, changed)
	}
	return changed, err
}

func (f *following) tooMany() error {
	return notFollowed("more than %d objects changed", f.since.Most)
}

// inChunks calls do with filters that select the objects, as many at a time as one
// search asks for.
func (f *following) inChunks(guids []identity.GUID, do func(filter string) error) error {
	for some := range slices.Chunk(guids, maxLookups) {
		var b strings.Builder
		b.WriteString("(|")
		for _, g := range some {
			if f.source.options.ActiveDirectory {
				wire, _ := identity.WireGUID(g[:]) // it is its own inverse
				b.WriteString("(objectGUID=" + escaped(wire[:]) + ")")
			} else {
				b.WriteString("(entryUUID=" + g.String() + ")")
			}
		}
		b.WriteString(")")
		if err := do(b.String()); err != nil {
			return err
		}
	}
	return nil
}

// escaped writes octets as a filter has them (RFC 4515 section 3).
func escaped(octets []byte) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*len(octets))
	for _, c := range octets {
		b = append(b, '\\', digits[c>>4], digits[c&15])
	}
	return string(b)
}

func (c changes) guids() []identity.GUID {
	list := make([]identity.GUID, 0, len(c))
	for g := range c {
		list = append(list, g)
	}
	slices.SortFunc(list, identity.GUID.Compare)
	return list
}

// readChanged reads the objects of the scopes that changed, as [reading.attempt] does
// all.
func (f *following) readChanged(ctx context.Context, changed changes) error {
	guids := changed.guids()
	for i := range f.scopes {
		s := &f.scopes[i]
		o := f.object(s.attributes)
		take := func() (bool, error) { return f.take(int32(i), o) }
		for _, base := range f.bases(s) {
			err := f.inChunks(guids, func(some string) error {
				return f.search(ctx, query{base: base, filter: "(&" + s.filter + some + ")", attributes: s.attributes, told: true, puts: true}, o, take)
			})
			if err != nil {
				return within(err, fmt.Sprintf("scope %q", s.name))
			}
		}
	}
	return nil
}

// readChangedAgain replaces objects that changed while they were read. Those that no
// scope selects any more are gone, unless there is no round in which one could be found
// that moved to a scope which had been searched.
func (f *following) readChangedAgain(ctx context.Context, changed changes, goes bool) error {
	again := map[int32]bool{}
	err := f.inChunks(changed.guids(), func(some string) error {
		found, err := f.readAgain(ctx, some)
		for n := range found {
			again[n] = true
		}
		return err
	})
	if err != nil || !goes {
		return err
	}
	touched := make(map[identity.GUID]bool, len(changed))
	for g := range changed {
		touched[g] = true
	}
	return f.remove(touched, again)
}

// checkLeavers looks the objects up that the read had and that no scope selects now.
// None of them may have changed meanwhile, since the position now.
func (f *following) checkLeavers(ctx context.Context, now position) error {
	var missing []identity.GUID
	for g := range f.touched {
		if _, here := f.byGUID[g]; !here {
			missing = append(missing, g)
		}
	}
	had, err := f.since.Has(missing)
	if err != nil {
		return notFollowed("what is kept of the last complete read is damaged")
	}
	if len(had) == 0 {
		return nil
	}
	left := make(changes, len(had))
	for g := range had {
		left[g] = f.gone[g]
	}
	guids := left.guids()
	for i := range f.scopes {
		s := &f.scopes[i]
		o := f.object(guidAttributes(f.source.options.ActiveDirectory))
		for _, base := range f.bases(s) {
			err := f.inChunks(guids, func(some string) error {
				return f.search(ctx, query{base: base, filter: "(&" + s.filter + some + ")", attributes: o.wanted}, o, func() (bool, error) {
					return true, f.restless(o.guid())
				})
			})
			if err != nil {
				return err
			}
		}
	}
	found, err := f.lookUp(ctx, guids)
	if err != nil {
		return err
	}
	for g, gone := range left {
		if _, ok := found[g]; !ok && (!gone || f.source.options.ActiveDirectory) {
			return notFollowed("the object with the %s %s is not to be found, and the server does not say that it was deleted", guidName(f.source.options.ActiveDirectory), g)
		}
	}
	next, err := f.position()
	if err != nil || next.usn == now.usn && next.csn.equal(now.csn) {
		return f.said(ctx, err)
	}
	changed, err := f.changes(ctx, now)
	if err != nil {
		return err
	}
	for g := range left {
		if _, again := changed[g]; again {
			return f.restless(g)
		}
	}
	return nil
}

func (f *following) restless(g identity.GUID) error {
	return notFollowed("the object with the %s %s changed again and again while it was read", guidName(f.source.options.ActiveDirectory), g)
}

// whereabouts is where an object is, whether others are below it, and when it was
// made, a GeneralizedTime.
type whereabouts struct {
	dn      string
	parent  bool
	created string
}

func first(values [][]byte) string {
	if len(values) == 0 {
		return ""
	}
	return string(values[0])
}

// lookUp finds objects anywhere in the naming contexts, in Active Directory deleted
// ones too.
func (f *following) lookUp(ctx context.Context, guids []identity.GUID) (map[identity.GUID]whereabouts, error) {
	ad := f.source.options.ActiveDirectory
	attributes := append([]string{"createtimestamp", "hassubordinates"}, guidAttributes(ad)...)
	slices.Sort(attributes)
	o := f.object(attributes)
	found := map[identity.GUID]whereabouts{}
	q := query{attributes: attributes}
	if ad {
		q.controls = f.conn.root.showDeleted()
	}
	for _, context := range f.contexts() {
		q.base = context
		err := f.inChunks(guids, func(some string) error {
			q.filter = some
			return f.search(ctx, q, o, func() (bool, error) {
				g, dn := o.guid(), o.DN()
				if was, twice := found[g]; twice && !sameName(was.dn, dn) {
					return false, notFollowed("%q and %q have one %s", was.dn, dn, guidName(ad))
				}
				found[g] = whereabouts{dn, strings.EqualFold(first(o.Values("hassubordinates")), "TRUE"), first(o.Values("createtimestamp"))}
				return true, nil
			})
		})
		if err != nil {
			return nil, within(err, "looking for what left the scopes")
		}
	}
	return found, nil
}

// changedByUSN finds the objects that changed since (MS-ADTS section 3.1.1.1.9), as
// [reading.changed] does.
func (f *following) changedByUSN(ctx context.Context, usn int64) (changes, error) {
	changed := changes{}
	o := f.object([]string{"isdeleted", "objectclass", "objectguid", "usncreated"})
	q := query{filter: fmt.Sprintf("(uSNChanged>=%d)", usn+1), attributes: o.wanted, controls: f.conn.root.showDeleted()}
	for _, context := range f.contexts() {
		q.base = context
		err := f.search(ctx, q, o, func() (bool, error) {
			g := o.guid()
			if g.IsZero() {
				return false, notFollowed("%q changed and shows no objectGUID, by which it is known", o.DN())
			}
			deleted := len(o.Values("isdeleted")) > 0
			_, twice := changed[g]
			if changed[g] = deleted; len(changed) > f.since.Most {
				return false, f.tooMany()
			}
			return !twice, f.checkContainer(g, o, deleted)
		})
		if err != nil {
			return nil, within(err, "looking for what changed")
		}
	}
	return changed, nil
}

// checkContainer checks that an object that changed has the name that it had, if
// others may be below it. Nothing is below a deleted one.
func (f *following) checkContainer(g identity.GUID, o *object, deleted bool) error {
	is := o.DN()
	was, noted := f.mark.Containers[g.String()]
	switch {
	case deleted:
		return nil
	case noted && was != is && (f.nearScope(was) || f.nearScope(is)):
		return notFollowed("%q was renamed or moved, by which names below it changed", was)
	case noted || !isContainer(o) || !f.nearScope(is):
		return nil
	}
	if n, err := strconv.ParseInt(first(o.Values("usncreated")), 10, 64); err == nil && n > f.mark.USN {
		return nil // what is below it now was touched
	}
	return notFollowed("%q was changed, by which names below it may have changed", is)
}

// isContainer reports whether [containerFilter] selects the object.
func isContainer(o *object) bool {
	return slices.ContainsFunc(o.Values("objectclass"), func(v []byte) bool {
		return slices.ContainsFunc([]string{"organizationalUnit", "container", "builtinDomain"}, func(class string) bool { return strings.EqualFold(class, string(v)) })
	})
}

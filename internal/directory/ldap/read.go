package ldap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Read implements [directory.Source]. Servers are tried in order, each from
// the first page, until one has answered completely. A refused login ends it.
func (s *Source) Read(ctx context.Context, scopes []directory.Scope, sink directory.Sink, progress func(directory.Progress)) (identity.Receipt, error) {
	none := identity.Receipt{Name: s.options.Label}
	plan, err := s.searches(scopes)
	if err != nil {
		return none, err
	}
	why := ""
	if s.options.FullEvery > 0 {
		if why, err = unfollowed(scopes); err != nil {
			return none, err
		}
	}
	targets, err := s.targets(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		return none, &directory.ReadError{Directory: s.options.Label, From: cmp.Or(s.options.Domain, "DNS"), Err: err}
	}
	var failures []*directory.ReadError
	for i, t := range targets {
		if i > 0 {
			if err := sink.Reset(); err != nil {
				return none, err
			}
		}
		r := &reading{source: s, scopes: plan, sink: sink, progress: progress, target: t, unfollowed: why}
		receipt, err := r.read(ctx)
		var own *sinkError
		var login *loginError
		switch {
		case err == nil:
			for _, f := range failures {
				receipt.Notes = append(receipt.Notes, fmt.Sprintf("%s was given up, and %s read in its place: %v", f.From, t.url, f.Err))
			}
			return receipt, nil
		case ctx.Err() != nil:
			return none, ctx.Err()
		case errors.As(err, &own):
			return none, own.err
		case errors.As(err, &login):
			return none, &directory.RefusedError{Directory: s.options.Label, From: t.url, Err: login.err}
		}
		if file := (*fileError)(nil); errors.As(err, &file) {
			return none, fmt.Errorf("directory %q: %w", s.options.Label, err)
		}
		failures = append(failures, &directory.ReadError{Directory: s.options.Label, From: t.url, Err: err})
	}
	if len(failures) == 1 {
		return none, failures[0]
	}
	return none, s.allFailed(failures)
}

// allFailed makes one error of those of several servers.
func (s *Source) allFailed(failures []*directory.ReadError) error {
	var names, causes []string
	for _, f := range failures {
		names = append(names, f.From)
		causes = append(causes, fmt.Sprintf("%s: %v", f.From, f.Err))
	}
	return &directory.ReadError{Directory: s.options.Label, From: strings.Join(names, ", "),
		Err: hinted{errors.New("no server could be read\n  " + strings.Join(causes, "\n  ")), directory.HintOf(failures[0].Err)}}
}

// scopeSearch is a scope as a server is asked for it.
type scopeSearch struct {
	name, base, filter string
	attributes         []string // in lower case, sorted
	addresses          []string // those of them that hold addresses
}

func (s *Source) searches(scopes []directory.Scope) ([]scopeSearch, error) {
	var list []scopeSearch
	var all []string // what the scopes that are read whole need
	for i := range scopes {
		scope := &scopes[i]
		if _, err := identity.ParseDN(scope.Base); err != nil {
			return nil, fmt.Errorf("scope %q: base DN: %w", scope.Name, err)
		}
		f, err := scope.ParseFilter()
		if err != nil {
			return nil, err
		}
		if _, err := goldap.CompileFilter(f.String()); err != nil {
			return nil, fmt.Errorf("scope %q: filter: %w", scope.Name, err)
		}
		attributes := append(directory.NewMapper(scope).Attributes(), guidAttributes(s.options.ActiveDirectory)...)
		if scope.Whole {
			all = append(append(all, attributes...), f.Attributes()...)
		}
		slices.Sort(attributes)
		list = append(list, scopeSearch{scope.Name, scope.Base, f.String(), slices.Compact(attributes), addressAttributes(scope)})
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for i := range list {
		if scopes[i].Whole {
			list[i].attributes = all
		}
	}
	return list, nil
}

func addressAttributes(s *directory.Scope) []string {
	return slices.DeleteFunc(append([]string{s.PrimaryAttribute}, s.AliasAttributes...), func(name string) bool { return name == "" })
}

// sinkError is a fault of the sink, not of the server.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

// reading is the read of one server. An object is known by its GUID, or by its
// DN where it has none that can be read.
//
// One that comes under another name than before was moved, unless its GUID is
// still to be found at the earlier name: a database that was restored or cloned
// may hold two objects with one entryUUID. Then both are given to the sink.
type reading struct {
	source   *Source
	scopes   []scopeSearch
	sink     directory.Sink
	progress func(directory.Progress)
	target   target

	conn    *conn
	fetch   *fetcher
	places  []place // by the number of an object
	byGUID  map[identity.GUID]int32
	twins   map[identity.GUID][]int32 // those after the first with the GUID
	byDN    map[string]int32
	round   int32 // counts the searches
	texts   compact.Arena
	receipt identity.Receipt
	seen    int // entries that came
	refs    map[string]bool
	// containers are the DNs of the containers of Active Directory when the
	// attempt began.
	containers map[identity.GUID]string
	// unfollowed says why what changes in the scopes cannot be followed, and began is
	// what the server had when the attempt began.
	unfollowed string
	began      position
	// aboveBegan are the bases then, and what is above them; see [mark].
	aboveBegan map[string]string
}

// position is how far the changes of a server are: see [mark].
type position struct {
	csn state
	usn int64
}

// maxReferences is how many continuation references are reported.
const maxReferences = 1000

// place is where an object was put: the scope that took it, the name that it
// had, if it has a GUID, and the last search that found it.
type place struct {
	scope, round int32
	dn           string
}

func (r *reading) read(ctx context.Context) (identity.Receipt, error) {
	began := time.Now()
	r.tell()
	c, err := r.source.open(ctx, r.target)
	if err != nil {
		return identity.Receipt{}, err
	}
	defer c.close()
	r.conn = c
	r.fetch = &fetcher{source: r.source, conn: c}
	if err := r.fit(); err != nil {
		return identity.Receipt{}, r.source.cause(ctx, c, err)
	}
	r.receipt.Name, r.receipt.Server = r.source.options.Label, r.target.url
	if r.receipt.Identity, err = c.identity(r.contexts()); err != nil {
		return identity.Receipt{}, r.source.cause(ctx, c, err)
	}
	r.receipt.Expiries = r.source.expiries(c, time.Now())
	if r.source.options.ActiveDirectory {
		r.receipt.USNBefore = c.root.usn
	}
	for restart := 0; ; restart++ {
		settled, err := r.attempt(ctx)
		if err != nil {
			return identity.Receipt{}, err
		}
		if settled {
			break
		}
		if restart == maxRestarts {
			return identity.Receipt{}, errors.New("containers were renamed or moved during each of several reads, so that none is a picture of one moment")
		}
		if err := r.sink.Reset(); err != nil {
			return identity.Receipt{}, &sinkError{err}
		}
		r.receipt.USNBefore, r.receipt.Reread, r.receipt.Ranged = r.receipt.USNAfter, 0, 0
	}
	if r.source.options.FullEvery > 0 {
		if r.receipt.Mark, r.receipt.Full, err = r.mark(ctx); err != nil {
			if err = r.source.cause(ctx, c, err); ctx.Err() != nil {
				return identity.Receipt{}, err
			}
			r.receipt.Full = fmt.Sprintf("the server does not say where to ask for what changes from now on: %v", err)
		}
	}
	r.receipt.Pages = r.fetch.pages
	for u := range r.refs {
		r.receipt.References = append(r.receipt.References, u)
	}
	slices.Sort(r.receipt.References)
	r.receipt.Scanned = len(r.byGUID) + len(r.byDN)
	for _, others := range r.twins {
		r.receipt.Scanned += len(others)
	}
	r.receipt.Seconds = time.Since(began).Seconds()
	r.receipt.Complete = true
	return r.receipt, nil
}

// begin forgets what an attempt before this one took.
func (r *reading) begin() {
	r.places, r.byGUID, r.twins, r.byDN = nil, map[identity.GUID]int32{}, map[identity.GUID][]int32{}, map[string]int32{}
	r.seen, r.refs = 0, map[string]bool{}
}

// tell says how far the read is.
func (r *reading) tell() {
	if r.progress != nil {
		r.progress(directory.Progress{Directory: r.source.options.Label, From: r.target.url, Objects: r.seen})
	}
}

// contexts returns the naming contexts that the scopes lie in, sorted.
func (r *reading) contexts() []string {
	var list []string
	for i := range r.scopes {
		for _, base := range r.bases(&r.scopes[i]) {
			list = append(list, r.conn.root.contextOf(base))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// bases returns what is searched for a scope. Servers have no tree at "".
func (r *reading) bases(s *scopeSearch) []string {
	if s.base == "" && !slices.Contains(r.conn.root.namingContexts, "") {
		return r.conn.root.contexts()
	}
	return []string{s.base}
}

const noPaging = "the server does not offer paged results (RFC 2696), without which a complete answer cannot be distinguished from a part"

// fit checks that the server is one to be read.
func (r *reading) fit() error {
	root := &r.conn.root
	if len(root.controls) > 0 && !root.offers(oidPaging) {
		return hinted{errors.New(noPaging), pagingHint}
	}
	if warning := policyWarning(r.conn.policy); warning != "" {
		r.receipt.Notes = append(r.receipt.Notes, r.target.url+": "+warning)
	}
	if !r.source.options.ActiveDirectory {
		return nil
	}
	switch {
	case root.usn == 0:
		return hinted{errors.New("the server does not report its update sequence number (highestCommittedUSN), by which changes during the read are seen"),
			`set kind = "ldap" if it is no domain controller`}
	case strings.EqualFold(root.synchronized, "FALSE"):
		return errors.New("the domain controller has not yet got all data from another (isSynchronized is FALSE)")
	case slices.Contains(root.capabilities, oidReadOnly):
		r.receipt.Notes = append(r.receipt.Notes, r.target.url+" is a read-only domain controller, which may hide attributes")
	}
	if !r.target.isCatalog() {
		return nil
	}
	var names []string
	for i := range r.scopes {
		names = append(names, r.scopes[i].addresses...)
	}
	missing, err := r.conn.notInCatalog(names)
	if err == nil && len(missing) > 0 {
		err = hinted{fmt.Errorf("the global catalog does not hold %s", strings.Join(missing, " and ")), catalogHint}
	}
	return err
}

// attempt reads every scope once, and then what changed meanwhile. It is not
// settled when the read must start over.
func (r *reading) attempt(ctx context.Context) (settled bool, err error) {
	r.begin()
	if r.source.options.ActiveDirectory {
		r.began.usn = r.receipt.USNBefore
		if err := r.listContainers(ctx); err != nil {
			return false, within(err, "listing the containers")
		}
	} else if r.source.options.FullEvery > 0 {
		if r.began.csn, err = r.conn.state(r.contexts()); err != nil {
			return false, r.source.cause(ctx, r.conn, err)
		}
	}
	if r.source.options.FullEvery > 0 {
		if r.aboveBegan, err = r.above(); err != nil {
			return false, r.source.cause(ctx, r.conn, err)
		}
	}
	for i := range r.scopes {
		s := &r.scopes[i]
		o := r.object(s.attributes)
		bases := r.bases(s)
		if len(bases) == 0 {
			return false, hinted{fmt.Errorf("scope %q has no base_dn, and the server names no naming context", s.name), "set base_dn in the scope"}
		}
		for _, base := range bases {
			err := r.search(ctx, query{base: base, filter: s.filter, attributes: s.attributes, told: true, puts: true}, o, func() (bool, error) { return r.take(int32(i), o) })
			if err != nil {
				if s.name == "" { // nobody has declared it
					return false, err
				}
				return false, within(err, fmt.Sprintf("scope %q", s.name))
			}
		}
	}
	if r.source.options.ActiveDirectory {
		return r.catchUp(ctx)
	}
	return true, r.catchUpByCSN(ctx)
}

func (r *reading) object(wanted []string) *object {
	return newObject(wanted, guidAttributes(r.source.options.ActiveDirectory), &r.texts)
}

// search performs a query and calls take for each entry, which o then holds, and
// which take reports to be new in this search or not.
func (r *reading) search(ctx context.Context, q query, o *object, take func() (fresh bool, err error)) error {
	r.round++
	failed := make(chan error, 1)
	fetched := make(chan struct{})
	r.fetch.quit = make(chan struct{})
	go func() {
		defer close(fetched)
		err := r.fetch.run(ctx, q)
		if err == nil {
			err = r.fetch.send(batch{end: true})
		}
		if err != nil {
			failed <- err
		}
	}()
	for {
		var b batch
		select {
		case b = <-r.conn.wire.batches:
		case err := <-failed:
			return cmp.Or(ctx.Err(), err)
		}
		var err error
		switch {
		case b.end:
			<-fetched
			return nil
		case b.settled != nil:
			close(b.settled)
		case b.late != nil:
			err = r.takeLate(b.late, q.puts, o, take)
		default:
			err = r.takeBlock(b.block, &q, o, take)
			r.conn.wire.reuse(b.block)
			r.tell()
		}
		if err != nil {
			close(r.fetch.quit)
			_ = r.conn.wire.Close()
			<-fetched
			return err
		}
	}
}

func (r *reading) takeBlock(block []byte, q *query, o *object, take func() (bool, error)) error {
	for len(block) > 0 {
		frame, rest, err := cut(block)
		if err != nil {
			return err
		}
		block = rest
		m, err := parseMessage(frame)
		if err != nil {
			return err
		}
		if m.op == opReference {
			urls, err := parseReference(m.body)
			if err != nil {
				return err
			}
			for _, u := range urls {
				if q.told && len(r.refs) < maxReferences {
					r.refs[u] = true
				}
			}
			continue
		}
		if err := o.set(m.body); err != nil {
			return err
		}
		if q.told {
			r.seen++
		}
		var earlier []string
		if q.puts {
			earlier = r.earlier(o)
		}
		if len(o.parts)+len(earlier) > 0 {
			r.fetch.postpone(&late{message: bytes.Clone(frame), dn: o.DN(), handle: r.handle(o), parts: slices.Clone(o.parts), guid: o.guid(), earlier: earlier})
			continue
		}
		if err := r.hand(take); err != nil {
			return err
		}
	}
	return nil
}

// hand gives an entry to take, and counts it if it is new.
func (r *reading) hand(take func() (bool, error)) error {
	fresh, err := take()
	if fresh {
		r.fetch.fresh.Add(1)
	}
	return err
}

// handle returns the name to ask for an object by; see [late].
func (r *reading) handle(o *object) string {
	if g := o.guid(); r.source.options.ActiveDirectory && !g.IsZero() {
		return "<GUID=" + g.String() + ">"
	}
	return o.DN()
}

func (r *reading) takeLate(l *late, puts bool, o *object, take func() (bool, error)) error {
	m, err := parseMessage(l.message)
	if err != nil {
		return err
	}
	if err := o.set(m.body); err != nil {
		return err
	}
	if puts {
		if earlier := r.earlier(o); slices.ContainsFunc(earlier, func(dn string) bool { return !slices.Contains(l.earlier, dn) }) {
			// Another one with the GUID came meanwhile.
			l.earlier = earlier
			r.fetch.postpone(l)
			return nil
		}
		r.moved(o, l.gone)
	}
	o.complete(l.parts)
	for _, p := range l.parts {
		r.receipt.Ranged += len(o.values[p.index])
	}
	return r.hand(take)
}

// take gives an object of the scope to the sink. One that came before, because
// it was moved while it was read, replaces what was taken; one that an earlier
// scope took stays there.
func (r *reading) take(scope int32, o *object) (fresh bool, err error) {
	n, known := r.find(o)
	switch {
	case !known:
		return true, r.put(scope, o)
	case r.places[n].scope == scope:
		err = r.replace(n, scope, o)
	}
	return r.found(n), err
}

// again gives an object that changed to the sink, whoever took it before, and
// returns its number.
func (r *reading) again(scope int32, o *object) (n int32, err error) {
	n, known := r.find(o)
	if !known {
		return int32(len(r.places)), r.put(scope, o)
	}
	r.places[n].scope, r.places[n].round = scope, r.round
	return n, r.replace(n, scope, o)
}

func (r *reading) put(scope int32, o *object) error {
	n := int32(len(r.places))
	at := place{scope: scope, round: r.round}
	if g := o.guid(); g.IsZero() {
		r.byDN[dnKey(o.DN())] = n
	} else if at.dn = o.DN(); len(r.numbers(g)) == 0 {
		r.byGUID[g] = n
	} else {
		r.twins[g] = append(r.twins[g], n)
	}
	r.places = append(compact.Grown(r.places), at)
	if err := r.sink.Put(int(scope), o); err != nil {
		return &sinkError{err}
	}
	return nil
}

func (r *reading) replace(n, scope int32, o *object) error {
	if err := r.sink.Replace(int(n), int(scope), o); err != nil {
		return &sinkError{err}
	}
	return nil
}

// found notes that the present search found an object, and reports whether that
// is new.
func (r *reading) found(n int32) bool {
	fresh := r.places[n].round != r.round
	r.places[n].round = r.round
	return fresh
}

// numbers returns the objects that have a GUID.
func (r *reading) numbers(g identity.GUID) []int32 {
	if n, known := r.byGUID[g]; known {
		return append([]int32{n}, r.twins[g]...)
	}
	return nil
}

// find returns the number of the object that has the GUID and the name, or the
// name alone where it has no GUID.
func (r *reading) find(o *object) (n int32, known bool) {
	g := o.guid()
	if g.IsZero() {
		n, known = r.byDN[dnKey(o.DN())]
		return n, known
	}
	if n, known = r.byGUID[g]; known && !sameName(r.places[n].dn, o.DN()) {
		known = false
		for _, n = range r.twins[g] {
			if known = sameName(r.places[n].dn, o.DN()); known {
				break
			}
		}
	}
	return n, known
}

// earlier returns the names of the objects with the GUID of one that comes under
// a name that none of them has.
func (r *reading) earlier(o *object) (names []string) {
	if _, known := r.find(o); known {
		return nil
	}
	for _, n := range r.numbers(o.guid()) {
		names = append(names, r.places[n].dn)
	}
	return names
}

// moved notes that an object is the one that had one of the names which are gone.
func (r *reading) moved(o *object, gone []string) {
	if _, known := r.find(o); known {
		return
	}
	for _, n := range r.numbers(o.guid()) {
		if slices.Contains(gone, r.places[n].dn) {
			r.places[n].dn = o.DN()
			return
		}
	}
}

func sameName(a, b string) bool { return a == b || dnKey(a) == dnKey(b) }

// dnKey returns a form of a DN that is equal for equal DNs.
func dnKey(text string) string {
	if dn, err := identity.ParseDN(text); err == nil {
		return strings.Join(dn, ",")
	}
	return strings.ToLower(text)
}

// within says in which step an error came about; what ends the read at the
// user's wish, and faults of the sink, stay as they are.
func within(err error, step string) error {
	if errors.Is(err, context.Canceled) || errors.As(err, new(*sinkError)) {
		return err
	}
	return fmt.Errorf("%s: %w", step, err)
}

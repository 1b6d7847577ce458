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
		r := &reading{source: s, scopes: plan, sink: sink, progress: progress, target: t}
		receipt, err := r.read(ctx)
		var own *sinkError
		var login *loginError
		switch {
		case err == nil:
			return receipt, nil
		case ctx.Err() != nil:
			return none, ctx.Err()
		case errors.As(err, &own):
			return none, own.err
		case errors.As(err, &login):
			return none, &directory.RefusedError{Directory: s.options.Label, From: t.url, Err: login.err}
		}
		failures = append(failures, &directory.ReadError{Directory: s.options.Label, From: t.url, Err: err})
		if file := (*fileError)(nil); errors.As(err, &file) {
			break
		}
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
	hint := ""
	if h := interface{ Hint() string }(nil); errors.As(failures[0].Err, &h) {
		hint = h.Hint()
	}
	return &directory.ReadError{Directory: s.options.Label, From: strings.Join(names, ", "),
		Err: hinted{errors.New("no server could be read\n  " + strings.Join(causes, "\n  ")), hint}}
}

// scopeSearch is a scope as a server is asked for it.
type scopeSearch struct {
	name, base, filter string
	attributes         []string // in lower case, sorted
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
		attributes := append(directory.NewMapper(scope).Attributes(), guidAttributes...)
		if scope.Whole {
			all = append(append(all, attributes...), f.Attributes()...)
		}
		slices.Sort(attributes)
		list = append(list, scopeSearch{scope.Name, scope.Base, f.String(), slices.Compact(attributes)})
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

// sinkError is a fault of the sink, not of the server.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

// reading is the read of one server. An object is known by its GUID, or by its
// DN where it has none that can be read.
type reading struct {
	source   *Source
	scopes   []scopeSearch
	sink     directory.Sink
	progress func(directory.Progress)
	target   target

	conn    *conn
	fetch   *fetcher
	byGUID  map[identity.GUID]place
	byDN    map[string]place
	count   int32 // objects put
	texts   identity.Arena
	receipt identity.Receipt
	seen    int // entries that came
	refs    map[string]bool
}

// place is where an object was put: its number and the scope that took it.
type place struct{ number, scope int32 }

// maxRestarts is how often a read starts over because containers were moved or
// renamed under it; maxCatchUps how often it reads again what changed.
const (
	maxRestarts = 3
	maxCatchUps = 3
)

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
	if !slices.Contains(c.root.controls, oidPaging) && len(c.root.controls) > 0 {
		return identity.Receipt{}, errors.New("the server does not offer paged results (RFC 2696), without which a complete answer cannot be told from a part")
	}
	contexts := r.contexts()
	r.receipt = identity.Receipt{Name: r.source.options.Label, Server: r.target.url, Identity: c.identity(contexts)}
	if r.source.options.ActiveDirectory {
		r.receipt.USNBefore = c.root.usn
	}
	for restart := 0; ; restart++ {
		settled, err := r.attempt(ctx, contexts)
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
	r.receipt.Pages = r.fetch.pages
	for u := range r.refs {
		r.receipt.References = append(r.receipt.References, u)
	}
	slices.Sort(r.receipt.References)
	r.receipt.Scanned = len(r.byGUID) + len(r.byDN)
	r.receipt.Seconds = time.Since(began).Seconds()
	r.receipt.Complete = true
	return r.receipt, nil
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

// attempt reads every scope once, and then what changed meanwhile. It is not
// settled when the read must start over.
func (r *reading) attempt(ctx context.Context, contexts []string) (settled bool, err error) {
	r.byGUID, r.byDN, r.count, r.seen, r.refs = map[identity.GUID]place{}, map[string]place{}, 0, 0, map[string]bool{}
	for i := range r.scopes {
		s := &r.scopes[i]
		o := newObject(s.attributes, &r.texts)
		for _, base := range r.bases(s) {
			err := r.search(ctx, query{base: base, filter: s.filter, attributes: s.attributes}, o, func() error { return r.take(int32(i), o) })
			if err != nil {
				return false, within(err, fmt.Sprintf("scope %q", s.name))
			}
		}
	}
	for range maxCatchUps {
		before := max(r.receipt.USNBefore, r.receipt.USNAfter)
		if before == 0 {
			return true, nil
		}
		if err := r.conn.readRoot(); err != nil {
			return false, r.source.cause(ctx, r.conn, err)
		}
		r.receipt.USNAfter = r.conn.root.usn
		if r.receipt.USNAfter <= before {
			break
		}
		changed, moved, err := r.changedSince(ctx, contexts, before)
		if err != nil {
			return false, within(err, "looking for what changed during the read")
		}
		if moved {
			return false, nil
		}
		if err := r.readAgain(ctx, changed, before); err != nil {
			return false, within(err, "reading again what changed during the read")
		}
		if len(changed) == 0 {
			break
		}
	}
	return true, nil
}

// search performs a query and calls take for each entry, which o then holds.
func (r *reading) search(ctx context.Context, q query, o *object, take func() error) error {
	failed := make(chan error, 1)
	fetched := make(chan struct{})
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
			err = r.takeLate(b.late, o, take)
		default:
			err = r.takeBlock(b.block, o, take)
			r.conn.wire.reuse(b.block)
			r.tell()
		}
		if err != nil {
			_ = r.conn.wire.Close()
			<-fetched
			return err
		}
	}
}

func (r *reading) takeBlock(block []byte, o *object, take func() error) error {
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
				r.refs[u] = true
			}
			continue
		}
		if err := o.set(m.body); err != nil {
			return err
		}
		r.seen++
		if len(o.parts) > 0 {
			r.fetch.postpone(&late{message: bytes.Clone(frame), dn: o.DN(), handle: r.handle(o), parts: slices.Clone(o.parts)})
			continue
		}
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// handle returns the name to ask for an object by; see [late].
func (r *reading) handle(o *object) string {
	if g := o.guid(); r.source.options.ActiveDirectory && !g.IsZero() {
		return "<GUID=" + g.String() + ">"
	}
	return o.DN()
}

func (r *reading) takeLate(l *late, o *object, take func() error) error {
	m, err := parseMessage(l.message)
	if err != nil {
		return err
	}
	if err := o.set(m.body); err != nil {
		return err
	}
	o.complete(l.parts)
	for _, p := range l.parts {
		r.receipt.Ranged += len(o.values[p.index])
	}
	return take()
}

// take gives an object of the scope to the sink. One that came before, because
// it was moved while it was read, replaces what was taken; one that an earlier
// scope took stays there.
func (r *reading) take(scope int32, o *object) error {
	at, known := r.find(o)
	var err error
	switch {
	case !known:
		r.keep(o, place{r.count, scope})
		r.count++
		err = r.sink.Put(int(scope), o)
	case at.scope == scope:
		err = r.sink.Replace(int(at.number), int(scope), o)
	}
	if err != nil {
		return &sinkError{err}
	}
	return nil
}

func (r *reading) find(o *object) (place, bool) {
	if g := o.guid(); !g.IsZero() {
		at, ok := r.byGUID[g]
		return at, ok
	}
	at, ok := r.byDN[dnKey(o.DN())]
	return at, ok
}

func (r *reading) keep(o *object, at place) {
	if g := o.guid(); !g.IsZero() {
		r.byGUID[g] = at
	} else {
		r.byDN[dnKey(o.DN())] = at
	}
}

// dnKey returns a form of a DN that is equal for equal DNs.
func dnKey(text string) string {
	if dn, err := identity.ParseDN(text); err == nil {
		return strings.Join(dn, ",")
	}
	return strings.ToLower(text)
}

// containerClasses are those of objects whose move or new name changes the
// names below them, which leaves no trace on the objects there.
var containerClasses = []string{"organizationalunit", "container", "builtindomain"}

// changedSince finds the objects of the naming contexts that changed after an
// update sequence number of the server (MS-ADTS section 3.1.1.1.9), deleted
// ones too where they may be read. moved is true if a container above or in a
// scope is among them.
func (r *reading) changedSince(ctx context.Context, contexts []string, usn int64) (changed map[identity.GUID]bool, moved bool, err error) {
	changed = map[identity.GUID]bool{}
	o := newObject([]string{"objectclass", "objectguid"}, &r.texts)
	deleted := goldap.NewControlString(oidShowDeleted, true, "")
	for _, context := range contexts {
		q := query{base: context, filter: since(usn), attributes: o.wanted, controls: []goldap.Control{deleted}}
		err := r.search(ctx, q, o, func() error {
			for _, class := range o.Values("objectclass") {
				if slices.Contains(containerClasses, strings.ToLower(string(class))) && r.nearScope(o.DN()) {
					moved = true
				}
			}
			if g := o.guid(); !g.IsZero() {
				changed[g] = true
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return changed, moved, nil
}

func since(usn int64) string { return fmt.Sprintf("(uSNChanged>=%d)", usn+1) }

// nearScope reports whether a name is above or in the base of a scope.
func (r *reading) nearScope(text string) bool {
	dn, err := identity.ParseDN(text)
	if err != nil {
		return true
	}
	for i := range r.scopes {
		for _, base := range r.bases(&r.scopes[i]) {
			b, err := identity.ParseDN(base)
			if err != nil || dn.Within(b) || b.Within(dn) {
				return true
			}
		}
	}
	return false
}

// readAgain replaces the objects that changed, and takes those for gone that
// no scope selects any more.
func (r *reading) readAgain(ctx context.Context, changed map[identity.GUID]bool, usn int64) error {
	again := map[identity.GUID]bool{}
	for i := range r.scopes {
		s, scope := &r.scopes[i], int32(i)
		o := newObject(s.attributes, &r.texts)
		take := func() error {
			g := o.guid()
			if again[g] {
				return nil
			}
			again[g] = true
			r.receipt.Reread++
			at, known := r.find(o)
			var err error
			if known {
				err = r.sink.Replace(int(at.number), i, o)
				r.keep(o, place{at.number, scope})
			} else {
				r.keep(o, place{r.count, scope})
				r.count++
				err = r.sink.Put(i, o)
			}
			if err != nil {
				return &sinkError{err}
			}
			return nil
		}
		for _, base := range r.bases(s) {
			q := query{base: base, filter: "(&" + s.filter + since(usn) + ")", attributes: s.attributes}
			if err := r.search(ctx, q, o, take); err != nil {
				return err
			}
		}
	}
	for g := range changed {
		if at, known := r.byGUID[g]; known && !again[g] {
			delete(r.byGUID, g)
			r.receipt.Reread++
			if err := r.sink.Replace(int(at.number), int(at.scope), nil); err != nil {
				return &sinkError{err}
			}
		}
	}
	return nil
}

// within says in which step an error came about; what ends the read at the
// user's wish, and faults of the sink, stay as they are.
func within(err error, step string) error {
	if errors.Is(err, context.Canceled) || errors.As(err, new(*sinkError)) {
		return err
	}
	return fmt.Errorf("%s: %w", step, err)
}

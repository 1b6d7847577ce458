// Package exec is a directory behind a connector: a program of anybody's that
// speaks the protocol rollcall-directory/1 on standard input and output, as
// docs/reference/directory-protocol.md says.
//
//	Source ── read, find, check ──> connector.Host ──> connector
//	       <── objects ────                        <──
//
// Package connector runs it, and says what breaks the protocol. The connector sends
// objects; which of them a scope takes, and what becomes of them, is judged here, as
// of objects in files. Each method starts a connector of its own, and ends it.
//
// What a connector with the fact "find" is not able to know, such as the objects by
// which it has an ID that is no GUID, and all that one without it is asked for, is
// looked for among all objects, in a read of everything.
package exec

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const (
	// protocol is the version of the protocol.
	protocol = 1
	// asked is how many GUIDs one request asks for at most.
	asked = 1000
	// subject names the connector. Its command does not: that may hold a secret.
	subject = "connector"
	// progressEvery is the number of objects between two calls of progress.
	progressEvery = 10_000
)

// Options say how the connector is run.
type Options struct {
	connector.Options
	// Domains are the mail domains that matter.
	Domains []string
}

// Source is a directory behind a connector.
type Source struct{ o Options }

var (
	_ directory.Source    = (*Source)(nil)
	_ directory.Finder    = (*Source)(nil)
	_ directory.Locator   = (*Source)(nil)
	_ directory.Diagnoser = (*Source)(nil)
)

// New returns a directory; nothing is started yet.
func New(o Options) *Source { return &Source{o} }

// Facts are what a connector states of itself.
type Facts struct {
	// Find says that it knows the request, Deleted that it then looks among deleted
	// objects, too.
	Find    bool `json:"find"`
	Deleted bool `json:"deleted"`
}

// parseFacts reads what a connector states; nil is nothing.
func parseFacts(text []byte) (f Facts, err error) {
	var raw map[string]json.RawMessage
	if len(text) > 0 && json.Unmarshal(text, &raw) != nil {
		return f, fmt.Errorf("facts are %s, where an object is expected", connector.Kind(text))
	}
	for _, fact := range []struct {
		name string
		to   *bool
	}{{"find", &f.Find}, {"deleted", &f.Deleted}} {
		if value := raw[fact.name]; !connector.Absent(value) && json.Unmarshal(value, fact.to) != nil {
			return f, fmt.Errorf("fact %q is %s, where true or false is expected", fact.name, connector.Kind(value))
		}
	}
	return f, nil
}

// talk is a connector at work for one call of a method.
type talk struct {
	label    string
	host     *connector.Host[line]
	decoder  decoder
	progress func(directory.Progress)
	objects  int // of the answer
	seen     files.Seen
	key      []byte
}

// with starts a connector for do, and ends it. What it wrote afterwards is an error.
func (s *Source) with(ctx context.Context, do func(t *talk) error) error {
	t := s.begin(nil)
	return t.end(ctx, do(t))
}

// end ends the connector of a talk that has ended with an error, or with nil. What the
// connector wrote afterwards is an error.
func (t *talk) end(ctx context.Context, err error) error {
	closed := t.host.Close()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && closed != nil:
		if b := (*connector.Breach)(nil); errors.As(closed, &b) {
			closed = fmt.Errorf("the connector %w", b)
		}
		return t.unread(closed)
	}
	return err
}

// begin prepares a talk; nothing is started yet.
func (s *Source) begin(progress func(directory.Progress)) *talk {
	t := &talk{label: s.o.Label, progress: progress}
	o := s.o.Options
	if progress != nil {
		o.Progress = func(text string) {
			progress(directory.Progress{Directory: t.label, From: subject, Objects: t.objects, Doing: text})
		}
	}
	hello := identity.AppendJSONString([]byte(`,"directory":`), s.o.Label)
	hello = append(connector.AppendTexts(append(hello, `,"domains":[`...), s.o.Domains, func(s string) string { return s }), ']')
	t.host = connector.New(o, connector.Protocol[line]{
		Noun: "directory", Version: protocol, Hello: hello,
		Decoder: func() func([]byte) (line, error) { return t.decoder.line },
		Common:  func(l *line) *connector.Line { return &l.Line },
		Failed: func(l *line) error {
			if l.Error == nil {
				return nil
			}
			l.Error.Code, l.Error.Message = t.host.Clean(l.Error.Code), t.host.Clean(l.Error.Message)
			return t.refused(l.Error)
		},
		Facts: func(text []byte) ([]byte, error) {
			f, err := parseFacts(text)
			if err != nil {
				return nil, err
			}
			return json.Marshal(f)
		},
		Unread: func(err error, _ string) error { return t.unread(err) },
	})
	t.decoder.holding(nil, &files.Selection{})
	return t
}

// unread is a read that has failed, or another error as it is.
func (t *talk) unread(err error) error {
	var lost *connector.LostError
	if errors.As(err, &lost) {
		err = fmt.Errorf("the connector %w", lost.Breach)
	}
	return &directory.ReadError{Directory: t.label, Err: err}
}

// refused makes an error of one that the connector has given for a request.
func (t *talk) refused(e *Error) error {
	switch e.Code {
	case "auth":
		return &directory.RefusedError{Directory: t.label, Err: e}
	case "config":
		return &misusedError{t.label, e}
	}
	return t.unread(e)
}

// request makes a request. A connector that is lost meanwhile has failed the read.
func (t *talk) request(ctx context.Context, kind string, body []byte, take func(*line) (last bool, err error)) error {
	err := t.host.Request(ctx, kind, body, false, take)
	if errors.As(err, new(*connector.LostError)) && ctx.Err() == nil {
		return t.unread(err)
	}
	return err
}

// facts starts the connector, and returns what it states.
func (t *talk) facts(ctx context.Context) (Facts, error) {
	if err := t.host.Open(ctx); err != nil {
		if errors.As(err, new(*connector.LostError)) {
			err = t.unread(err)
		}
		return Facts{}, err
	}
	return parseFacts(t.host.Greeting().Facts)
}

// server is how receipts name what was read: as the connector calls itself, if it does.
func (t *talk) server() string {
	g := t.host.Greeting()
	if name := strings.TrimSpace(g.Name + " " + g.Version); g.Name != "" {
		return name
	}
	return subject
}

// seed is that of the hashes by which objects of a read are known.
var seed = maphash.MakeSeed()

// twice reports whether an object of the name was in the answer before. That two names
// have one hash happens once in 37 million reads of a million objects.
func (t *talk) twice(o *object) bool {
	t.key = o.Name().AppendKey(t.key[:0])
	_, _, twice := t.seen.Twice(maphash.Bytes(seed, t.key), "", o.number)
	return twice
}

// answer takes the answers to a request for objects, with these attributes, and gives
// each object to put.
func (t *talk) answer(ctx context.Context, kind string, body []byte, attributes []string, sel *files.Selection, put func(*object) error) error {
	t.decoder.holding(attributes, sel)
	t.objects, t.seen = 0, files.Seen{}
	return t.request(ctx, kind, body, func(l *line) (bool, error) {
		o := &t.decoder.object
		switch {
		case l.Object:
			t.objects++
			o.number = t.objects
			if len(o.Name().Text) == 0 {
				return false, nameless
			}
			if o.odd != nil {
				return false, &connector.Breach{Text: fmt.Sprintf("sent an object whose dn %s is no DN (%v)", connector.Quote(string(o.Name().Text)), o.odd),
					Advice: `a dn is written as RFC 4514 has it, as in "CN=Smith\, Ann,OU=Staff,DC=example"`}
			}
			if t.twice(o) {
				if kind != "read" {
					return false, nil // it was found in two ways
				}
				return false, &connector.Breach{Text: "sent twice the object with dn ", Said: connector.Quote(string(o.Name().Text)),
					Advice: "a read has each object once; a page of a list may have moved while it was read"}
			}
			if t.progress != nil && t.objects%progressEvery == 0 {
				t.progress(directory.Progress{Directory: t.label, From: subject, Objects: t.objects})
			}
			return false, put(o)
		case l.Attributes:
			return false, nameless
		case l.Objects == nil:
			return false, connector.Unexpected(kind)
		case kind == "read" && !l.Complete:
			return false, &connector.Breach{Text: `ended its objects without "complete": true`, Advice: "the connector says so where it could not read all; its log may say why"}
		}
		return true, connector.Counted("sent", "objects", t.objects, *l.Objects)
	})
}

var nameless = &connector.Breach{Text: "sent an object without a dn", Advice: "each object has a dn that tells it apart from all others; where the directory has no such names, make one of its key, as in id=4711,ou=people"}

// Read implements [directory.Source].
func (s *Source) Read(ctx context.Context, scopes []directory.Scope, sink directory.Sink, progress func(directory.Progress)) (identity.Receipt, error) {
	return s.begin(progress).Read(ctx, scopes, sink, progress)
}

// Read is [Source.Read] in a talk that may have begun, and ends it.
func (t *talk) Read(ctx context.Context, scopes []directory.Scope, sink directory.Sink, _ func(directory.Progress)) (identity.Receipt, error) {
	receipt := identity.Receipt{Name: t.label}
	sel, err := files.NewSelection(scopes)
	if err == nil {
		err = sel.Unsupported()
	}
	if err != nil {
		return receipt, err
	}
	began := time.Now()
	err = t.answer(ctx, "read", appendWanted(appendScopes(nil, scopes), sel.Attributes, scopes), sel.Attributes, sel, func(o *object) error {
		receipt.Scanned++
		if scope := sel.Scope(o); scope >= 0 {
			return sink.Put(scope, o)
		}
		return nil
	})
	receipt.Server = t.server()
	err = t.end(ctx, err)
	receipt.Seconds, receipt.Complete = time.Since(began).Seconds(), err == nil
	return receipt, err
}

// everything is a scope that has every object.
var everything = []directory.Scope{{Filter: "(objectClass=*)"}}

// all gives every object of the directory to put.
func (t *talk) all(ctx context.Context, attributes []string, scopes []directory.Scope, sel *files.Selection, put func(*object) error) error {
	return t.answer(ctx, "read", appendWanted(appendScopes(nil, everything), attributes, scopes), attributes, sel, put)
}

// Find implements [directory.Finder].
func (s *Source) Find(ctx context.Context, q directory.Query, scopes []directory.Scope) (found directory.Findings, err error) {
	search, err := files.NewSearch(q, scopes)
	if err != nil {
		return found, err
	}
	sel, err := files.NewSelection(scopes)
	if err != nil {
		return found, err
	}
	put := func(o *object) error {
		search.Take(o, -1)
		return nil
	}
	err = s.with(ctx, func(t *talk) error {
		facts, err := t.facts(ctx)
		if err != nil {
			return err
		}
		if facts.Find {
			err := t.answer(ctx, "find", appendWanted(appendQuery(nil, &q), search.Attributes(), scopes), search.Attributes(), sel, put)
			if err != nil || !isKeyed(q.GUID, scopes) || search.Has(q.GUID) {
				return err
			}
			if search, err = files.NewSearch(q, scopes); err != nil {
				return err
			}
		}
		return t.all(ctx, search.Attributes(), scopes, sel, put)
	})
	if err != nil {
		return found, err
	}
	return search.Found(), nil
}

// isKeyed reports whether a GUID may stand for a text by which the connector knows the
// object, and which nobody can find out of it.
func isKeyed(g identity.GUID, scopes []directory.Scope) bool {
	const nameBased = 5 // a version of RFC 9562
	return g[6]>>4 == nameBased && slices.ContainsFunc(scopes, func(s directory.Scope) bool { return s.Keyspace != "" && s.GUIDAttribute != "" })
}

// Locate implements [directory.Locator].
func (s *Source) Locate(ctx context.Context, guids []identity.GUID, scopes []directory.Scope) (map[identity.GUID]directory.Located, error) {
	if len(guids) == 0 {
		return nil, nil
	}
	sel, err := files.NewSelection(scopes)
	if err != nil {
		return nil, err
	}
	located := map[identity.GUID]directory.Located{}
	mappers := make([]*directory.Mapper, len(scopes))
	for i := range scopes {
		mappers[i] = directory.NewMapper(&scopes[i])
	}
	look := func(guids []identity.GUID, ask func(attributes []string, put func(*object) error) error) error {
		lookup, err := directory.NewLookup(guids, scopes)
		wanted := map[identity.GUID]bool{}
		for _, g := range guids {
			wanted[g] = true
		}
		if err == nil {
			err = ask(lookup.Attributes(), func(o *object) error {
				lookup.Take(o, -1)
				if scope := sel.Scope(o); scope >= 0 {
					if e, why := mappers[scope].Entry(o); why == "" && wanted[e.GUID] {
						return fmt.Errorf("%s is in scope %q, and was not in what was read: see whether the connector reads everything", o.DN(), scopes[scope].Name)
					}
				}
				return nil
			})
		}
		if err == nil {
			maps.Copy(located, lookup.Located())
		}
		return err
	}
	err = s.with(ctx, func(t *talk) error {
		facts, err := t.facts(ctx)
		if err != nil {
			return err
		}
		left := guids
		if facts.Find {
			for some := range slices.Chunk(guids, asked) {
				if err := look(some, func(attributes []string, put func(*object) error) error {
					return t.answer(ctx, "find", appendWanted(appendFind(nil, some, nil, nil, nil), attributes, scopes), attributes, sel, put)
				}); err != nil {
					return err
				}
			}
			left = slices.DeleteFunc(slices.Clone(guids), func(g identity.GUID) bool {
				_, found := located[g]
				return found || !isKeyed(g, scopes)
			})
		}
		if len(left) == 0 {
			return nil
		}
		return look(left, func(attributes []string, put func(*object) error) error {
			return t.all(ctx, attributes, scopes, sel, put)
		})
	})
	if err != nil {
		return nil, err
	}
	return located, nil
}

// Diagnose implements [directory.Diagnoser]: it starts the connector, reads what the
// scopes have, and lets it look for problems itself.
func (s *Source) Diagnose(ctx context.Context, scopes []directory.Scope, _ func() time.Time, progress func(directory.Progress)) (*doctor.Report, error) {
	r := &doctor.Report{Name: s.o.Label}
	t := s.begin(progress)
	failed := func(k *doctor.Check, err error) {
		r.Refused = r.Refused || errors.As(err, new(*directory.RefusedError))
		k.Fail(strings.TrimPrefix(err.Error(), fmt.Sprintf("directory %q: ", s.o.Label)), directory.HintOf(err))
	}
	reach := r.Check(doctor.Reach, subject, func(k *doctor.Check) {
		facts, err := t.facts(ctx)
		if err != nil {
			failed(k, err)
			return
		}
		evidence := []string{"it does not find single objects: explain reads everything"}
		switch {
		case facts.Find && facts.Deleted:
			evidence[0] = "it finds single objects, deleted ones, too"
		case facts.Find:
			evidence[0] = "it finds single objects"
		}
		if name := t.server(); name != subject {
			evidence = append([]string{name}, evidence...)
		}
		k.Pass("the connector answers", evidence...)
	})
	directory.Examine(ctx, t, subject, scopes, r, progress, reach)
	t.host.Close() // which has ended already, unless there was nothing to read
	var found []doctor.Found
	r.Check(doctor.Finding, subject, func(k *doctor.Check) {
		if r.Refused {
			k.Skip("not tested, because the credentials were refused")
			return
		}
		err := s.with(ctx, func(t *talk) (err error) {
			found, err = t.check(ctx, scopes)
			return err
		})
		switch {
		case err != nil:
			failed(k, err)
		case len(found) == 0:
			k.Skip("the connector has no checks of its own")
		default:
			what := "findings"
			if len(found) == 1 {
				what = "finding"
			}
			k.Pass(fmt.Sprintf("the connector's own check: %d %s", len(found), what))
		}
	}, reach)
	r.Findings(found)
	return r, ctx.Err()
}

// check asks the connector to look for problems. One that does not know how has found
// none.
func (t *talk) check(ctx context.Context, scopes []directory.Scope) ([]doctor.Found, error) {
	sel, err := files.NewSelection(scopes)
	if err != nil {
		return nil, err
	}
	var found []doctor.Found
	err = t.request(ctx, "check", appendWanted(appendScopes(nil, scopes), sel.Attributes, scopes), func(l *line) (bool, error) {
		if l.Object || l.Attributes || l.Objects != nil {
			return false, connector.Unexpected("check")
		}
		for _, f := range l.Findings {
			f, err := t.host.Finding(f)
			if err != nil {
				return false, err
			}
			found = append(found, doctor.Found(f))
		}
		return true, nil
	})
	if said := (*Error)(nil); errors.As(err, &said) && said.Code == unsupported {
		return nil, nil
	}
	return found, err
}

// appendScopes appends the member of a request that names scopes.
func appendScopes(b []byte, scopes []directory.Scope) []byte {
	b = append(b, `,"scopes":[`...)
	for i := range scopes {
		if i > 0 {
			b = append(b, ',')
		}
		text := scopes[i].Filter
		if f, err := scopes[i].ParseFilter(); err == nil {
			text = f.String()
		}
		b = identity.AppendJSONString(append(b, `{"base":`...), scopes[i].Base)
		b = append(identity.AppendJSONString(append(b, `,"filter":`...), text), '}')
	}
	return append(b, ']')
}

// appendQuery appends what is looked for.
func appendQuery(b []byte, q *directory.Query) []byte {
	var guids []identity.GUID
	if !q.GUID.IsZero() {
		guids = []identity.GUID{q.GUID}
	}
	dns, usernames := slices.Clone(q.Entries), []string(nil)
	if q.DN != "" && !slices.Contains(dns, q.DN) {
		dns = append(dns, q.DN)
	}
	if q.Username != "" {
		usernames = []string{q.Username}
	}
	return appendFind(b, guids, q.Addresses, dns, usernames)
}

func appendFind(b []byte, guids []identity.GUID, addresses, dns, usernames []string) []byte {
	b = append(connector.AppendTexts(append(b, `,"guids":[`...), guids, identity.GUID.String), ']')
	for _, list := range []struct {
		name  string
		texts []string
	}{{"addresses", addresses}, {"dns", dns}, {"usernames", usernames}} {
		b = append(connector.AppendTexts(append(b, `,"`+list.name+`":[`...), list.texts, func(s string) string { return s }), ']')
	}
	return b
}

// appendWanted appends the attributes that are wanted, as the scopes spell them, or
// schemas do.
func appendWanted(b []byte, attributes []string, scopes []directory.Scope) []byte {
	spelled := map[string]string{}
	for _, name := range schemaNames {
		spelled[filter.AttributeName(name)] = name
	}
	for i := range scopes {
		s := &scopes[i]
		names := append([]string{s.PrimaryAttribute, s.UsernameAttribute, s.GUIDAttribute}, s.AliasAttributes...)
		for _, a := range s.Attributes {
			names = append(names, a.Source)
		}
		for _, name := range names {
			spelled[filter.AttributeName(name)] = name
		}
	}
	b = append(b, `,"attributes":[`...)
	return append(connector.AppendTexts(b, attributes, func(name string) string { return cmp.Or(spelled[name], name) }), ']')
}

// schemaNames are attributes that are read whatever a scope names, as schemas spell them.
var schemaNames = []string{
	"objectClass", "objectGUID", "entryUUID", "nsUniqueId", "isDeleted", "msExchRecipientTypeDetails", "nsds5ReplConflict", "userAccountControl",
	"proxyAddresses", "mailAlternateAddress", "mailLocalAddress", "userPrincipalName", "sAMAccountName", "displayName",
	"msDS-UserAccountDisabled", "nsAccountLock", "nsRoleDN", "pwdAccountLockedTime", "loginDisabled", "orclIsEnabled", "ibm-pwdAccountLocked", "inetUserStatus", "zimbraAccountStatus",
}

// Error is one that a connector has given for a request.
type Error struct {
	// Code is one of the protocol, or another, which means "internal".
	Code, Message string
	RetryAfter    time.Duration
}

const unsupported = "unsupported"

func (e *Error) Error() string { return cmp.Or(e.Message, e.Code, "it failed and did not say why") }

// Quoted is what the connector wrote.
func (e *Error) Quoted() string { return e.Message }

// Hint says what to do next.
func (e *Error) Hint() string {
	switch e.Code {
	case "throttled", "temporary":
		if e.RetryAfter > 0 {
			return fmt.Sprintf("try again in %v: the connector says that it may work then", e.RetryAfter)
		}
		return "try again later: the connector says that it may work then"
	case unsupported:
		return "the connector does not know this request; docs/reference/directory-protocol.md says what it is"
	case "auth":
		return "see whether config in the directory block has the right credentials, and whether they are still valid"
	}
	return "this is what the connector says; its log may say more"
}

// misusedError is a configuration that the connector does not take.
type misusedError struct {
	label string
	err   *Error
}

func (e *misusedError) Error() string {
	return fmt.Sprintf("directory %q: %v", e.label, e.err)
}

func (e *misusedError) Unwrap() error { return e.err }

// Hint says what to do next.
func (*misusedError) Hint() string { return "correct config in the directory block" }

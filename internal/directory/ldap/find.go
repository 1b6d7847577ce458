package ldap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/filter"
)

var _ directory.Finder = (*Source)(nil)

// Find implements [directory.Finder]. The first server that can be reached is
// asked for the naming contexts of the scopes and those that it names as its
// own, in Active Directory for deleted objects, too, as far as they may be seen.
func (s *Source) Find(ctx context.Context, q directory.Query, scopes []directory.Scope) (directory.Findings, error) {
	judge, err := directory.NewJudge(q, scopes)
	if err != nil {
		return directory.Findings{}, err
	}
	plan, err := s.searches(scopes)
	if err != nil {
		return directory.Findings{}, err
	}
	targets, err := s.targets(ctx)
	if err != nil {
		return directory.Findings{}, err
	}
	var failed error
	for _, t := range targets {
		c, err := s.open(ctx, t)
		if err != nil {
			if failed = s.failure(ctx, t, err); errors.As(err, new(*loginError)) || ctx.Err() != nil {
				break
			}
			continue
		}
		defer c.close()
		r := &reading{source: s, scopes: plan, target: t, conn: c}
		f := finding{reading: r, judge: judge, seen: map[string]bool{}}
		if err := f.run(&q); err != nil {
			return directory.Findings{}, &directory.ReadError{Directory: s.options.Label, From: t.url, Err: s.cause(ctx, c, err)}
		}
		var cut bool
		f.found.Objects, cut = directory.SortFound(f.found.Objects)
		f.found.Cut = f.found.Cut || cut
		return f.found, nil
	}
	return directory.Findings{}, failed
}

// finding is one answer to a query.
type finding struct {
	*reading
	judge *directory.Judge
	seen  map[string]bool
	found directory.Findings
}

func (f *finding) run(q *directory.Query) error {
	for _, dn := range append(slices.Clone(q.Entries), q.DN) {
		if dn == "" {
			continue
		}
		if _, err := f.look(dn, goldap.ScopeBaseObject, "(objectClass=*)"); err != nil {
			return err
		}
	}
	filter := f.judge.Filter()
	if filter == "" {
		return nil
	}
	contexts := append(f.contexts(), f.conn.root.contexts()...)
	slices.Sort(contexts)
	for _, context := range slices.Compact(contexts) {
		refused, err := f.look(context, goldap.ScopeWholeSubtree, filter)
		if err != nil {
			return err
		}
		if refused != nil {
			f.note("below %q only the scopes were searched: %v", context, explain(refused, f.source.options.ActiveDirectory))
			if err := f.searchScopes(context, filter); err != nil {
				return err
			}
			continue
		}
		if f.source.options.ActiveDirectory {
			// Who may not see deleted objects is shown none.
			deleted := goldap.NewControlString(oidShowDeleted, true, "")
			if _, err := f.look(context, goldap.ScopeWholeSubtree, "(&(isDeleted=TRUE)"+filter+")", deleted); err != nil {
				return err
			}
		}
	}
	return nil
}

// searchScopes searches the bases of the scopes in a naming context, whose head
// may be hidden from who sees what is below.
func (f *finding) searchScopes(context, filter string) error {
	for i := range f.scopes {
		for _, base := range f.bases(&f.scopes[i]) {
			if base == context || f.conn.root.contextOf(base) != context {
				continue
			}
			refused, err := f.look(base, goldap.ScopeWholeSubtree, filter)
			if err != nil {
				return err
			}
			if refused != nil {
				f.note("%q was not searched: %v", base, explain(refused, f.source.options.ActiveDirectory))
			}
		}
	}
	return nil
}

// look takes what a search finds, and returns why the server refused it, if
// it did.
func (f *finding) look(base string, scope int, filter string, controls ...goldap.Control) (refused, err error) {
	f.conn.wire.await()
	request := goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, directory.MaxFound+1, 0, false, filter, f.judge.Attributes(), controls)
	result, err := f.conn.Search(request)
	f.conn.wire.done()
	var answer *goldap.Error
	if err != nil && (!errors.As(err, &answer) || answer.ResultCode >= goldap.ErrorNetwork) {
		return nil, err
	}
	for _, e := range result.Entries {
		if err := f.take(e); err != nil {
			return nil, err
		}
	}
	switch {
	case answer == nil:
	case answer.ResultCode == goldap.LDAPResultReferral:
		if scope != goldap.ScopeBaseObject { // a name may be one of another directory
			f.note("below %q nothing was searched: the server refers to another", base)
		}
	case answer.ResultCode == goldap.LDAPResultSizeLimitExceeded:
		f.found.Cut = true
	default:
		return answer, nil
	}
	return nil, nil
}

func (f *finding) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(f.found.Notes, note) {
		f.found.Notes = append(f.found.Notes, note)
	}
}

func (f *finding) take(e *goldap.Entry) error {
	key := dnKey(e.DN)
	if f.seen[key] {
		return nil
	}
	f.seen[key] = true
	o, err := f.objectOf(e)
	if err != nil {
		return err
	}
	values := f.judge.Values(o)
	wanted := f.judge.Wants([]byte(e.DN))
	if len(values) == 0 && !wanted {
		return nil
	}
	found := f.judge.Found(o, values, -1, func(part string) (holds, known bool) {
		result, err := f.conn.search(e.DN, goldap.ScopeBaseObject, part, []string{"1.1"})
		return err == nil && len(result.Entries) > 0, err == nil
	})
	if wanted {
		f.found.Entries = append(f.found.Entries, found)
	}
	if len(values) > 0 {
		f.found.Objects = append(f.found.Objects, found)
	}
	return nil
}

// foundObject is an object as go-ldap reads it.
type foundObject struct {
	dn     string
	names  []string // as the server writes them, with the options of [directory.Options]
	values [][][]byte
}

var _ directory.Object = (*foundObject)(nil)

// objectOf makes an object of a search result, and asks for those values of it
// that come in ranges.
func (f *finding) objectOf(e *goldap.Entry) (*foundObject, error) {
	o := &foundObject{dn: e.DN}
	fetch := &fetcher{source: f.source, conn: f.conn}
	for _, a := range e.Attributes {
		name, _, next, _, err := attributeRange(a.Name)
		if err != nil {
			return nil, err
		}
		values := a.ByteValues
		if next > 0 {
			rest := &latePart{attribute: name, next: next}
			if err := fetch.fetchValues(&late{handle: e.DN}, rest); err != nil {
				return nil, err
			}
			values = append(values, rest.values...)
		}
		base, tail, _ := strings.Cut(a.Name, ";")
		options, deleted := directory.Options(tail)
		if deleted {
			continue
		}
		spelled := base + options
		if i := slices.Index(o.names, spelled); i >= 0 {
			o.values[i] = append(o.values[i], values...)
			continue
		}
		o.names, o.values = append(o.names, spelled), append(o.values, values)
	}
	return o, nil
}

// DN implements [directory.Object].
func (o *foundObject) DN() string { return o.dn }

// Values implements [directory.Object].
func (o *foundObject) Values(name string) (values [][]byte) {
	for i, spelled := range o.names {
		if filter.AttributeName(spelled) == strings.ToLower(name) {
			values = append(values, o.values[i]...)
		}
	}
	return values
}

// Options implements [directory.Object].
func (o *foundObject) Options(name string, n int) string {
	for i, spelled := range o.names {
		if filter.AttributeName(spelled) != strings.ToLower(name) {
			continue
		}
		if n < len(o.values[i]) {
			_, options, tagged := strings.Cut(spelled, ";")
			if tagged {
				options = ";" + options
			}
			return options
		}
		n -= len(o.values[i])
	}
	return ""
}

// Attributes implements [directory.Object].
func (o *foundObject) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		for i, name := range o.names {
			if len(o.values[i]) > 0 && !yield(name, o.values[i]) {
				return
			}
		}
	}
}

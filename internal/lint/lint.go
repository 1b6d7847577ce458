// Package lint finds what is wrong in the mail data of directories, before any
// plan: it looks at each object as it is read, and in the end compares the
// addresses of all.
//
//	directory ── objects ──> values ──> findings of one entry
//	                            └─────> listings ── of all entries ──> duplicates
//
// What a plan has no entry for, it does not look at: objects without an
// address, deleted ones, the server's own mailboxes, and disabled ones in a scope
// that skips these. Of a conflict object it says that it is one.
//
// A value has one repair at most, which puts all right that is wrong with it:
// several findings of one value propose the same. So do all of an attribute
// where values cannot be told apart, and one repair has to replace them all.
package lint

import (
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// mostFindings is how many findings of one code are kept; the others are
// counted.
const mostFindings = 100_000

// Linter is a [directory.Sink] that looks at what it takes. For one directory
// after the other, call Begin, let the source be read, and call End.
type Linter struct {
	rules   *plan.Rules
	least   Severity
	domains *plan.Domains
	seed    maphash.Seed
	texts   compact.Arena

	directories []string
	receipts    []identity.Receipt
	scopes      []scope
	first       int // of the scopes of the directory that is read
	objects     []object
	listings    []listing
	fresh       []Finding // of the entry that is looked at
	findings    [codes][]Finding
	last        [codes]*Finding // of those that are kept, once some are not
	dropped     []dropped
	// at holds, by its number in the read, the index of an object, or none.
	at    []int32
	start mark

	values []value // of one object
}

const none = -1

// mark is where the directory that is read begins.
type mark struct{ objects, listings, dropped int }

// scope is how the objects of a scope are looked at.
type scope struct {
	directory.Scope
	mapper    *directory.Mapper
	directory int32
	kind      string
	takes     map[*plan.Domain]bool // by the number of a domain
	// attributes are those of addresses: first the alias attributes, and last
	// the primary attribute, if there is one.
	attributes []attribute
	primary    int // the index of the primary attribute, or none
	limits     []limit
	// last is the domain of the last address: most have the same.
	last  *plan.Domain
	named string
}

type attribute struct {
	name, asked string
	// prefixed marks an attribute whose values all bear a prefix.
	prefixed bool
}

type limit struct {
	attribute
	most int
}

// object is an entry that was read.
type object struct {
	dn    string
	guid  identity.GUID
	scope int32
	gone  bool
	named bool // by guid in Active Directory
	ldap  bool // it is none of Active Directory
	row   bool // no command changes it
}

// listing is an address that an entry lists.
type listing struct {
	hash      uint64
	raw       string
	object    int32
	attribute int32
}

// dropped is a finding that is only counted.
type dropped struct {
	object int32
	code   Code
}

var _ directory.Sink = (*Linter)(nil)

// New returns a linter for findings of a severity or worse.
func New(rules *plan.Rules, least Severity) *Linter {
	return &Linter{rules: rules, least: least, domains: plan.NewDomains(rules.Domains), seed: maphash.MakeSeed()}
}

// Begin says of which directory the next objects are, its kind, and by which
// scopes they are read.
func (l *Linter) Begin(name, kind string, scopes []directory.Scope) {
	l.directories = append(l.directories, name)
	l.first, l.at = len(l.scopes), nil
	l.start = mark{len(l.objects), len(l.listings), len(l.dropped)}
	for i := range scopes {
		s := scope{Scope: scopes[i], mapper: directory.NewMapper(&scopes[i]), directory: int32(len(l.directories) - 1), kind: kind, primary: none, takes: map[*plan.Domain]bool{}}
		of := &l.rules.Scopes[s.Index]
		for _, name := range of.Domains {
			s.takes[l.domains.Of(name)] = true
		}
		for _, name := range s.AliasAttributes {
			s.attributes = append(s.attributes, attribute{written(name), filter.AttributeName(name), strings.EqualFold(written(name), "proxyAddresses")})
		}
		if s.PrimaryAttribute != "" {
			s.primary = len(s.attributes)
			s.attributes = append(s.attributes, attribute{name: written(s.PrimaryAttribute), asked: filter.AttributeName(s.PrimaryAttribute)})
		}
		if s.UsernameAttribute != "" {
			s.limits = append(s.limits, limit{attribute{name: written(s.UsernameAttribute), asked: filter.AttributeName(s.UsernameAttribute)}, of.Limit(plan.Username)})
		}
		for _, a := range s.Attributes {
			s.limits = append(s.limits, limit{attribute{name: written(a.Source), asked: filter.AttributeName(a.Source)}, of.Limit(a.Name)})
		}
		l.scopes = append(l.scopes, s)
	}
}

// End takes the receipt of a read that is complete.
func (l *Linter) End(r identity.Receipt) { l.receipts = append(l.receipts, r) }

// written returns an attribute's name without options.
func written(description string) string {
	name, _, _ := strings.Cut(description, ";")
	return name
}

// Reset implements [directory.Sink].
func (l *Linter) Reset() error {
	for c, found := range l.findings {
		l.findings[c] = slices.DeleteFunc(found, func(f Finding) bool { return int(f.object) >= l.start.objects })
	}
	l.objects, l.listings = l.objects[:l.start.objects], l.listings[:l.start.listings]
	l.dropped, l.at, l.last = l.dropped[:l.start.dropped], nil, [codes]*Finding{}
	return nil
}

// Put implements [directory.Sink].
func (l *Linter) Put(scope int, o directory.Object) error {
	l.at = append(compact.Grown(l.at), l.take(l.first+scope, o))
	l.keep()
	return nil
}

// Replace implements [directory.Sink].
func (l *Linter) Replace(n, scope int, o directory.Object) error {
	if i := l.at[n]; i != none {
		l.objects[i].gone = true
		l.at[n] = none
	}
	if o != nil {
		l.at[n] = l.take(l.first+scope, o)
		l.keep()
	}
	return nil
}

// take looks at an object and returns its index, or none if it is no entry.
func (l *Linter) take(number int, o directory.Object) int32 {
	s := &l.scopes[number]
	l.values = s.read(l.values[:0], &l.texts, o)
	if len(l.values) == 0 {
		return none
	}
	absent := s.mapper.Absent(o)
	if absent == directory.Deleted || absent == directory.System || absent == directory.Disabled {
		return none
	}
	n := int32(len(l.objects))
	l.objects = append(compact.Grown(l.objects), object{
		dn: o.DN(), guid: s.mapper.GUID(o), scope: int32(number),
		named: s.mapper.ByObjectGUID(o), ldap: !directory.InActiveDirectory(s.kind, o), row: directory.IsRow(s.kind, o),
	})
	e := entry{l, s, n}
	if absent == directory.Conflict {
		e.find(Finding{Code: ConflictObject})
		return n
	}
	if escaped(o.DN()) {
		e.find(Finding{Code: DNEscaping})
	}
	for _, m := range s.limits {
		v := directory.Plainest(o, m.asked)
		if !utf8.Valid(v) {
			e.find(Finding{Code: WrongEncoding, Attribute: m.name, Value: string(v)})
		}
		// A value has no more characters than octets.
		if len(v) > m.most {
			if has := utf8.RuneCount(v); has > m.most {
				e.find(Finding{Code: AttributeTooLong, Attribute: m.name, Value: string(v), Reason: lengths(has, m.most, "characters")})
			}
		}
	}
	e.addresses(l.values, o)
	return n
}

// escaped reports whether the relative name has an escape.
func escaped(dn string) bool {
	end := strings.IndexAny(dn, `\,`)
	return end >= 0 && dn[end] == '\\'
}

// entry is an object that is being looked at.
type entry struct {
	*Linter
	of     *scope
	object int32
}

// find takes a finding of the entry.
func (e entry) find(f Finding) {
	if f.Severity() < e.least {
		return
	}
	o := &e.objects[e.object]
	f.Entry, f.number, f.object, f.named, f.ldap = e.named(e.object), e.of.directory, e.object, o.named, o.ldap
	if o.row {
		f.fix = undecided
	}
	e.fresh = append(e.fresh, f)
}

// keep takes the fresh findings, as far as there is room for them.
func (l *Linter) keep() {
	for i := range l.fresh {
		f := &l.fresh[i]
		if last := l.last[f.Code]; last != nil && f.compare(last) > 0 {
			l.drop(f)
			continue
		}
		found := append(compact.Grown(l.findings[f.Code]), *f)
		if l.findings[f.Code] = found; len(found) == 2*mostFindings {
			l.cut(f.Code)
		}
	}
	l.fresh = l.fresh[:0]
}

// drop counts a finding and keeps it not.
func (l *Linter) drop(f *Finding) {
	l.dropped = append(compact.Grown(l.dropped), dropped{f.object, f.Code})
}

// cut orders the findings of a code and keeps the first, in whatever order they
// came.
func (l *Linter) cut(c Code) {
	found := slices.DeleteFunc(l.findings[c], func(f Finding) bool { return l.objects[f.object].gone })
	slices.SortFunc(found, func(a, b Finding) int { return a.compare(&b) })
	// An object that moves while it is read may come twice.
	found = slices.CompactFunc(found, func(a, b Finding) bool { return a.compare(&b) == 0 })
	if len(found) > mostFindings {
		for i := range found[mostFindings:] {
			l.drop(&found[mostFindings+i])
		}
		found = found[:mostFindings]
		last := found[mostFindings-1]
		l.last[c] = &last
	}
	l.findings[c] = found
}

func (l *Linter) named(object int32) Entry {
	o := &l.objects[object]
	s := &l.scopes[o.scope]
	return Entry{l.directories[s.directory], s.Name, o.dn, o.guid.String()}
}

// Report compares the addresses of all entries and returns what was found. The
// linter must not be used any more.
func (l *Linter) Report() *Report {
	l.duplicates()
	r := &Report{Directories: l.receipts}
	for c := range codes {
		l.cut(c)
		r.Counts[c] = len(l.findings[c])
	}
	r.Findings = slices.Concat(l.findings[:]...)
	for _, d := range l.dropped {
		if !l.objects[d.object].gone {
			r.Counts[d.code]++
		}
	}
	return r
}

// known returns the declared domain of an address, or nil.
func (l *Linter) known(s *scope, name string) *plan.Domain {
	if s.named != name {
		s.last, s.named = l.domains.Of(name), name
	}
	return s.last
}

// overlong reports whether a text is no address because it, or a part of it,
// is too long, and says which.
func overlong(text string, err error) (string, bool) {
	local, domain, _ := strings.Cut(text, "@")
	switch {
	case errors.Is(err, identity.ErrAddressLength) && len(local) > 64:
		return lengths(len(local), 64, "octets before the @"), true
	case errors.Is(err, identity.ErrAddressLength) && len(domain) > 255:
		return lengths(len(domain), 255, "octets in the domain"), true
	case errors.Is(err, identity.ErrAddressLength):
		return lengths(len(text), 254, "octets"), true
	case errors.Is(err, identity.ErrAddressDomain):
		for label := range strings.SplitSeq(domain, ".") {
			if len(label) > 63 {
				return lengths(len(label), 63, "octets in a label of the domain"), true
			}
		}
	}
	return "", false
}

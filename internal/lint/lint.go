// Package lint finds what is wrong in the mail data of directories, before any
// plan: it looks at each object as it is read, and in the end compares the
// addresses of all.
//
//	directory ── objects ──> values ──> findings of one entry
//	                            └─────> listings ── of all entries ──> duplicates
//
// What a plan has no entry for, it does not look at: objects without an
// address, the server's own mailboxes, and disabled ones in a scope that skips
// these. Of a conflict object it tells that it is one.
//
// A value has one repair at most, which puts all right that is wrong with it:
// several findings of one value propose the same.
package lint

import (
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf8"

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
	domains map[string]*domain
	seed    maphash.Seed
	texts   identity.Arena

	directories []string
	receipts    []identity.Receipt
	scopes      []scope
	first       int // of the scopes of the directory that is read
	objects     []object
	listings    []listing
	findings    []Finding
	kept        [codes]int
	dropped     []dropped
	// at holds, by its number in the read, the index of an object, or none.
	at    []int32
	start mark

	values []value // of one object
}

const none = -1

// mark is where the directory that is read begins.
type mark struct{ objects, listings, findings, dropped int }

type domain struct {
	name     string
	number   int
	public   bool
	aliasFor []string
}

// scope is how the objects of a scope are looked at.
type scope struct {
	directory.Scope
	mapper    *directory.Mapper
	directory int32
	takes     []bool // by the number of a domain
	// attributes are those of addresses: first the alias attributes, and last
	// the primary attribute, if there is one.
	attributes []attribute
	primary    int // the index of the primary attribute, or none
	limits     []limit
	// last is the domain of the last address: most have the same.
	last  *domain
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
	l := &Linter{rules: rules, least: least, domains: map[string]*domain{}, seed: maphash.MakeSeed()}
	for i := range rules.Domains {
		d := &rules.Domains[i]
		own := &domain{d.Name, i, d.Public, d.AliasFor}
		l.domains[d.Name] = own
		for _, alias := range d.Aliases {
			l.domains[alias] = own
		}
	}
	return l
}

// Begin says of which directory the next objects are, and by which scopes.
func (l *Linter) Begin(name string, scopes []directory.Scope) {
	l.directories = append(l.directories, name)
	l.first, l.at = len(l.scopes), nil
	l.start = mark{len(l.objects), len(l.listings), len(l.findings), len(l.dropped)}
	for i := range scopes {
		s := scope{Scope: scopes[i], mapper: directory.NewMapper(&scopes[i]), directory: int32(len(l.directories) - 1), primary: none, takes: make([]bool, len(l.rules.Domains))}
		of := &l.rules.Scopes[s.Index]
		for _, name := range of.Domains {
			s.takes[l.domains[name].number] = true
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
	for _, f := range l.findings[l.start.findings:] {
		l.kept[f.Code]--
	}
	l.objects, l.listings = l.objects[:l.start.objects], l.listings[:l.start.listings]
	l.findings, l.dropped, l.at = l.findings[:l.start.findings], l.dropped[:l.start.dropped], nil
	return nil
}

// Put implements [directory.Sink].
func (l *Linter) Put(scope int, o directory.Object) error {
	l.at = append(identity.Grown(l.at), l.take(l.first+scope, o))
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
	if absent == directory.System || absent == directory.Disabled {
		return none
	}
	n := int32(len(l.objects))
	l.objects = append(identity.Grown(l.objects), object{dn: o.DN(), guid: s.mapper.GUID(o), scope: int32(number)})
	e := entry{l, s, n}
	if absent == directory.Conflict {
		e.find(Finding{Code: ConflictObject})
		return n
	}
	if escaped(o.DN()) {
		e.find(Finding{Code: DNEscaping})
	}
	for _, m := range s.limits {
		// A value has no more characters than octets.
		if v := directory.Least(o, m.asked); len(v) > m.most {
			if has := utf8.RuneCount(v); has > m.most {
				e.find(Finding{Code: AttributeTooLong, Attribute: m.name, Value: string(v), Reason: lengths(has, m.most, "characters")})
			}
		}
	}
	e.addresses(l.values)
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
	if e.kept[f.Code] == mostFindings {
		e.dropped = append(e.dropped, dropped{e.object, f.Code})
		return
	}
	e.kept[f.Code]++
	f.Entry, f.number, f.object = e.named(e.object), e.of.directory, e.object
	e.findings = append(identity.Grown(e.findings), f)
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
	r := &Report{Directories: l.receipts, Findings: slices.DeleteFunc(l.findings, func(f Finding) bool { return l.objects[f.object].gone })}
	r.sort()
	// An object that moves while it is read may come twice.
	r.Findings = slices.CompactFunc(r.Findings, func(a, b Finding) bool { return a.compare(&b) == 0 })
	for i := range r.Findings {
		r.Counts[r.Findings[i].Code]++
	}
	for _, d := range l.dropped {
		if !l.objects[d.object].gone {
			r.Counts[d.code]++
		}
	}
	return r
}

// known returns the declared domain of an address, or nil.
func (l *Linter) known(s *scope, name string) *domain {
	if s.named != name {
		s.last, s.named = l.domains[name], name
	}
	return s.last
}

// canonical returns an address in the domain that its own is rewritten to.
func (l *Linter) canonical(s *scope, a identity.Address) identity.Address {
	if d := l.known(s, a.Domain()); d != nil && d.name != a.Domain() {
		return a.WithDomain(d.name)
	}
	return a
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

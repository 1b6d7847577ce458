package lint

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/repair"
)

// value is a mail address as an entry lists it.
type value struct {
	raw       string // as the directory has it
	prefix    string // before the colon, or ""
	text      string // the address, trimmed and without prefix
	attribute int
	options   string // of the attribute's name where this value stands, such as ";lang-de"
	role      role
	address   identity.Address // without dots at its end
	err       error            // why it is none
	dotted    bool
	// twin is another value of the attribute with the same address, which stays
	// when this one goes, or nil.
	twin *value
	// fix and to are the repair, if the value has a finding with one.
	fix fix
	to  string
}

// role is what a value is for.
type role uint8

const (
	alias    role = iota
	primary       // begins with SMTP:
	declared      // in the primary attribute
)

// read appends the values of an object, as [directory.Mapper] reads them, and,
// of the primary attribute, those that are not read beside SMTP:.
func (s *scope) read(values []value, texts *compact.Arena, o directory.Object) []value {
	for i, a := range s.attributes {
		for k, octets := range o.Values(a.asked) {
			trimmed := bytes.TrimSpace(octets)
			n := directory.Prefix(trimmed)
			smtp := n == 4 && bytes.EqualFold(trimmed[:n], []byte("smtp"))
			if n > 0 && !smtp && i != s.primary {
				continue
			}
			v := value{raw: texts.String(octets), attribute: i, options: o.Options(a.asked, k)}
			v.text = strings.TrimSpace(v.raw)
			if smtp {
				v.prefix, v.text = v.text[:n], strings.TrimSpace(v.text[n+1:])
			}
			if v.text == "" {
				continue
			}
			switch {
			case directory.InLanguage(v.options): // an alias at most
			case i == s.primary:
				v.role = declared
			case v.prefix == "SMTP":
				v.role = primary
			}
			// Most values of mail repeat the primary.
			if len(values) > 0 && values[0].text == v.text {
				v.address, v.err, v.dotted = values[0].address, values[0].err, values[0].dotted
			} else {
				v.parse()
			}
			values = append(values, v)
		}
	}
	return values
}

// parse reads the address, without dots at its end.
func (v *value) parse() {
	if v.address, v.err = identity.ParseAddress(v.text); v.err == nil {
		return
	}
	if short := strings.TrimRight(v.text, ". "); short != v.text {
		if a, err := identity.ParseAddress(short); err == nil {
			v.address, v.err, v.dotted = a, nil, true
		}
	}
}

// spelled is the address as it is written, without what is wrong at its end.
func (v *value) spelled() string {
	if v.dotted {
		return strings.TrimRight(v.text, ". ")
	}
	return v.text
}

// fits reports whether a plan reads the value as an address.
func (v *value) fits() bool {
	return v.err == nil && !v.dotted && (v.role != declared || v.prefix == "")
}

// bare reports whether the value has no white space around it, nor behind its
// prefix.
func (v *value) bare() bool {
	n := len(v.text)
	if v.prefix != "" {
		n += len(v.prefix) + 1
	}
	return len(v.raw) == n
}

// same reports whether two values are one address.
func (v *value) same(w *value) bool {
	if v.err != nil || w.err != nil {
		return v.text == w.text
	}
	return v.address == w.address
}

// addresses looks at the values of an entry.
func (e entry) addresses(values []value, o directory.Object) {
	pair(values)
	var primaries, mails []*value
	for i := range values {
		switch v := &values[i]; {
		case v.twin != nil:
		case v.role == primary:
			primaries = append(primaries, v)
		case v.role == declared:
			mails = append(mails, v)
		}
	}
	l := listed{entry: e, mails: len(mails)}
	l.prefixed = slices.ContainsFunc(values, func(v value) bool { return e.of.attributes[v.attribute].prefixed })
	candidates, among := primaries, "values with SMTP:"
	if len(primaries) == 0 {
		candidates, among = mails, "values"
	}
	switch {
	case len(candidates) == 1:
		l.primary = candidates[0]
	case len(candidates) == 0:
		e.find(Finding{Code: NoPrimary, advice: l.declaring()})
	default:
		l.several(candidates, among)
	}
	l.named = l.primary != nil && slices.ContainsFunc(mails, l.primary.same)
	for i := range values {
		v := &values[i]
		if v.twin == nil && v.role == declared && len(primaries) > 0 {
			l.beside(v)
			continue
		}
		l.value(v)
	}
	if len(l.fresh) > 0 {
		l.settle(values, o)
	}
}

// mostReplaced is of how many values of an attribute a repair replaces all.
const mostReplaced = 200

// settle looks at the repairs of each attribute together: those of the entry's
// findings. If one replaces all values, or if a server cannot tell the values
// apart that others name, all become the one that puts the whole attribute right.
func (l *listed) settle(values []value, o directory.Object) {
	for i, a := range l.of.attributes {
		for _, options := range optionsOf(values, i) {
			l.settleOne(values, o, i, a.asked, options)
		}
	}
}

// optionsOf returns the options with which an attribute has values, each once.
func optionsOf(values []value, attribute int) (all []string) {
	for i := range values {
		if v := &values[i]; v.attribute == attribute && !slices.Contains(all, v.options) {
			all = append(all, v.options)
		}
	}
	return all
}

// settleOne looks at the values of an attribute with the same options, which a
// server changes apart from the others (RFC 4511 section 4.6).
func (l *listed) settleOne(values []value, o directory.Object, attribute int, asked, options string) {
	var edits []repair.Edit
	var all []string
	for n := range values {
		if v := &values[n]; v.attribute == attribute && v.options == options && v.fix != undecided {
			edits = append(edits, repair.Edit{From: v.raw, To: v.to})
			if v.fix == set {
				all = []string{v.to}
			}
		}
	}
	if len(edits) == 0 {
		return
	}
	fix := set
	if all == nil {
		var present []string
		for k, octets := range o.Values(asked) {
			if o.Options(asked, k) == options {
				present = append(present, string(octets))
			}
		}
		var apart bool
		if all, apart = repair.After(present, edits); apart {
			return
		}
		if len(all) > mostReplaced {
			fix, all = undecided, nil
		}
	}
	for n := range l.fresh {
		if f := &l.fresh[n]; f.fix != undecided && f.Attribute == l.of.attributes[attribute].name+options {
			f.fix, f.to = fix, all
		}
	}
}

// manyValues is the number of values from which an entry's are compared by a
// table.
const manyValues = 32

// pair finds the values of an attribute that list an address which another one
// lists, too.
func pair(values []value) {
	if len(values) < manyValues {
		for j := range values {
			for i := range j {
				v, w := &values[i], &values[j]
				if v.twin == nil && v.err == nil && w.err == nil && v.address == w.address && v.attribute == w.attribute {
					if yields(v, w) {
						v, w = w, v
					}
					if w.twin = v; w == &values[j] {
						break
					}
				}
			}
		}
		return
	}
	type key struct {
		address   identity.Address
		attribute int
	}
	stays := map[key]*value{}
	for i := range values {
		v := &values[i]
		if v.err != nil {
			continue
		}
		k := key{v.address, v.attribute}
		w := stays[k]
		if w != nil && yields(v, w) {
			v, w = w, v
		}
		if stays[k] = v; w != nil {
			w.twin = v
		}
	}
}

// yields reports whether v goes and w stays: the primary stays, else one that
// is right, else the first in byte order.
func yields(v, w *value) bool {
	switch {
	case v.role != w.role:
		return w.role == primary
	case v.fits() != w.fits():
		return w.fits()
	case v.bare() != w.bare():
		return w.bare()
	}
	return w.raw < v.raw
}

// listed is an entry whose values are looked at.
type listed struct {
	entry
	// primary is the value that declares the primary; nil if none does, or if
	// it is unknown which.
	primary *value
	mails   int // values of the primary attribute
	// prefixed is set if the entry has values in an attribute whose values all
	// bear a prefix.
	prefixed bool
	// named is set if one of these is the primary.
	named bool
}

// declaring says how the entry declares a primary.
func (l *listed) declaring() string {
	s := l.of
	prefixed := (l.prefixed || !l.objects[l.object].ldap) && slices.ContainsFunc(s.attributes, func(a attribute) bool { return a.prefixed })
	switch {
	case s.primary == none:
		return "write SMTP: before the primary"
	case prefixed:
		return "write SMTP: before the primary, and put it into " + s.attributes[s.primary].name
	}
	return "put the primary into " + s.attributes[s.primary].name
}

// several looks at an entry with several primaries. A plan prefers the one that
// the account has, and none of a wrong domain, so that no entry says which one
// may become an alias.
func (l *listed) several(candidates []*value, among string) {
	for _, v := range candidates {
		f := Finding{Code: SeveralPrimaries, Reason: fmt.Sprintf("one of %d %s", len(candidates), among)}
		f.Attribute, f.Value = l.of.attributes[v.attribute].name+v.options, v.raw
		if v.role == declared {
			f.advice = "keep one value, and move the others to " + l.forAliases()
		} else {
			f.advice = "leave SMTP: on one value and write smtp: before the others"
		}
		l.find(f)
	}
}

// forAliases names where aliases of the entry belong. Few servers but Active
// Directory have proxyAddresses.
func (l *listed) forAliases() string {
	for _, a := range l.of.attributes[:max(l.of.primary, 0)] {
		if !a.prefixed || l.prefixed || !l.objects[l.object].ldap {
			return a.name
		}
	}
	return "an attribute for aliases, such as mailLocalAddress or mailAlternateAddress, and name it in alias_attributes"
}

// beside looks at a value of the primary attribute of an entry that declares
// its primary with SMTP:. A plan does not read it.
func (l *listed) beside(v *value) {
	if p := l.primary; p != nil && p.err == nil {
		switch {
		case v.same(p):
			if v.spelled() != p.spelled() {
				l.set(v, Finding{Code: CaseVariant, Other: p.raw})
			}
		case l.named: // it is one more
		case l.takes(p):
			l.set(v, Finding{Code: MailNotPrimary, Other: p.raw})
		default: // the other may be right
			l.report(v, Finding{Code: MailNotPrimary, Other: p.raw})
			return
		}
	}
	l.spelling(v)
}

// set takes a finding whose repair puts the primary into the primary attribute.
func (l *listed) set(v *value, f Finding) {
	v.fix, v.to = set, l.primary.spelled()
	if l.named && l.mails > 1 { // the other values stay
		v.fix = swap
	}
	l.report(v, f)
}

// takes reports whether the scope takes addresses in the domain of a value as
// primaries.
func (l *listed) takes(v *value) bool {
	d := l.known(l.of, v.address.Domain())
	return d != nil && !d.Public && l.of.takes[d]
}

// value looks at a value that a plan reads.
func (l *listed) value(v *value) {
	if v.twin != nil {
		f := Finding{Code: RepeatedAddress, Other: v.twin.raw}
		if v.spelled() != v.twin.spelled() {
			f.Code = CaseVariant
		}
		l.found(v, f)
		return
	}
	l.spelling(v)
	if v.err != nil {
		f := Finding{Code: Malformed, Reason: v.err.Error()}
		if reason, long := overlong(v.text, v.err); long {
			f.Code, f.Reason = AddressTooLong, reason
		}
		l.found(v, f)
		return
	}
	if !v.fits() {
		return
	}
	d := l.known(l.of, v.address.Domain())
	switch {
	case d != nil && d.Ignore:
		return
	case d == nil || !d.Public && !l.of.takes[d]:
		l.found(v, Finding{Code: UnknownDomain})
	case !d.Public:
	case v == l.primary:
		l.found(v, Finding{Code: PublicAddress, Reason: "it is the primary"})
	case l.primary != nil && l.primary.fits() && !slices.Contains(d.AliasFor, l.domains.Canonical(l.primary.address).Domain()):
		l.found(v, Finding{Code: PublicAddress, Other: l.primary.raw})
	}
	l.list(v)
}

// spelling looks at what is around an address.
func (l *listed) spelling(v *value) {
	if !v.bare() {
		l.found(v, Finding{Code: SurroundingSpace})
	}
	switch {
	case v.role == declared:
		if v.prefix != "" {
			l.found(v, Finding{Code: PrefixInMail})
		}
	case v.prefix == "":
		if l.of.attributes[v.attribute].prefixed {
			l.found(v, Finding{Code: MissingPrefix})
		}
	case v.prefix != "smtp" && v.prefix != "SMTP":
		f := Finding{Code: MixedCasePrefix}
		if !l.of.attributes[v.attribute].prefixed {
			f.advice = "take the prefix away, or write SMTP: before the primary"
		}
		l.found(v, f)
	}
	if v.dotted {
		l.found(v, Finding{Code: TrailingDot})
	}
}

// found takes a finding of a value, whose repair puts all right that is wrong
// with the value.
func (l *listed) found(v *value, f Finding) {
	prefixed := l.of.attributes[v.attribute].prefixed
	to := ""
	switch {
	case v.fix != undecided:
	case v.twin != nil:
		v.fix = drop
	case v.err != nil:
	case l.primary == nil && !v.fits(): // it would be one more to choose from
	case v.role == declared:
		to = v.spelled()
	case v.role == primary:
		to = "SMTP:" + v.spelled()
	case v.prefix == "smtp":
		to = "smtp:" + v.spelled()
	case v.prefix == "" && !prefixed:
		to = v.spelled()
	case l.primary == nil: // it may be meant for one
	case prefixed:
		to = "smtp:" + v.spelled()
	default:
		to = v.spelled()
	}
	if to != "" && to != v.raw {
		v.fix, v.to = swap, to
		if v.role == declared && l.mails == 1 {
			v.fix = set
		}
	}
	l.report(v, f)
}

// report takes a finding of a value, with its repair.
func (l *listed) report(v *value, f Finding) {
	f.Attribute, f.Value, f.fix = l.of.attributes[v.attribute].name+v.options, v.raw, v.fix
	if v.to != "" {
		f.to = []string{v.to}
	}
	l.find(f)
}

// list keeps an address for the comparison of all entries.
func (l *listed) list(v *value) {
	text := l.domains.Canonical(v.address).String()
	l.listings = append(compact.Grown(l.listings), listing{maphash.String(l.seed, text), v.raw, l.object, int32(v.attribute)})
}

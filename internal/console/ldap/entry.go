package ldap

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// entry is an entry as the server has it.
type entry struct {
	dn     string
	values map[string][]string // by [identity.AttributeName]
}

func (e *entry) get(attribute string) []string { return e.values[identity.AttributeName(attribute)] }

// one returns the only value of an attribute that has one at most.
func (e *entry) one(attribute string) string {
	if all := e.get(attribute); len(all) > 0 {
		return all[0]
	}
	return ""
}

// inRDN reports whether a value stands in the entry's own name, so that it cannot be
// deleted.
func (e *entry) inRDN(attribute, value string) bool {
	dn, err := goldap.ParseDN(e.dn)
	if err != nil || len(dn.RDNs) == 0 {
		return false
	}
	return slices.ContainsFunc(dn.RDNs[0].Attributes, func(a *goldap.AttributeTypeAndValue) bool {
		return identity.AttributeName(a.Type) == identity.AttributeName(attribute) && strings.EqualFold(a.Value, value)
	})
}

// text returns the value of an attribute of which an account has one.
func (e *entry) text(attribute string) string { return e.chosen(attribute, e.get(attribute)) }

// chosen returns which of the values of an attribute is the account's: one that is not
// in the name, for that one is kept when another is written.
func (e *entry) chosen(attribute string, values []string) string {
	free := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(values) > 1 && e.inRDN(attribute, v) })
	if len(free) == 0 {
		free = values
	}
	if len(free) == 0 {
		return ""
	}
	return slices.Min(free)
}

// ofObject copies an entry that a read gives. Values with options, as in
// "displayName;lang-de", are others.
func (t *tree) ofObject(o directory.Object) entry {
	e := entry{o.DN(), map[string][]string{}}
	for _, name := range t.asked() {
		key := identity.AttributeName(name)
		var values []string
		for i, v := range o.Values(key) {
			if o.Options(key, i) == "" {
				values = append(values, string(v))
			}
		}
		e.values[key] = values
	}
	return e
}

func ofResult(r *goldap.Entry) entry {
	e := entry{r.DN, map[string][]string{}}
	for _, a := range r.Attributes {
		if !strings.Contains(a.Name, ";") {
			key := identity.AttributeName(a.Name)
			e.values[key] = append(e.values[key], a.Values...)
		}
	}
	return e
}

// within reports whether an entry is below a DN, or is it.
func (e *entry) within(base string) bool {
	dn, err := identity.ParseDN(e.dn)
	if err != nil {
		return false
	}
	above, err := identity.ParseDN(base)
	return err == nil && dn.Within(above)
}

// addresses reads those of an attribute: the values by address, and those that are
// none.
func (e *entry) addresses(attribute string) (all map[identity.Address]string, broken []string) {
	all = map[identity.Address]string{}
	for _, v := range e.get(attribute) {
		if a, err := identity.ParseAddress(v); err == nil {
			all[a] = v
		} else {
			broken = append(broken, v)
		}
	}
	return all, broken
}

// marks returns those of an entry.
func (t *tree) marks(e *entry) (all []identity.Mark) {
	for _, v := range e.get(t.owner) {
		if m, ok := parseMark(v); ok {
			all = append(all, m)
		}
	}
	return all
}

// text returns the value of an attribute of which an account has one. What stands there
// because the classes demand something, is none: a GUID, as a name has it.
func (t *tree) text(e *entry, attribute string) string {
	v := e.text(attribute)
	if _, filled := numberedOf(v); filled && t.demands(e, attribute) {
		return ""
	}
	return v
}

// demands reports whether the classes of an entry demand an attribute.
func (t *tree) demands(e *entry, attribute string) bool {
	return slices.ContainsFunc(t.schema.musts(e.get("objectClass")), func(must string) bool { return identity.AttributeName(must) == identity.AttributeName(attribute) })
}

// live returns the account that an entry is, and whether it is one: it has an address
// or a mark.
func (t *tree) live(e *entry) (l identity.Live, is bool) {
	odd := func(format string, args ...any) {
		if l.Odd == "" {
			l.Odd = fmt.Sprintf(format, args...)
		}
	}
	primaries, broken := e.addresses(t.primary)
	aliases, brokenAliases := e.addresses(t.alias)
	marks := t.marks(e)
	if len(e.get(t.primary))+len(e.get(t.alias))+len(marks) == 0 || t.isLedger(e) {
		return l, false
	}
	l.Ref, l.Rev = e.one(t.ref), e.one(entryCSN)
	for a := range primaries {
		if l.Primary.IsZero() || a.Compare(l.Primary) < 0 {
			l.Primary = a
		}
	}
	if n := len(e.get(t.primary)); n > 1 {
		odd("it has %d values of %s, of which one can be the primary", n, t.primary)
		for a := range primaries {
			aliases[a] = ""
		}
	}
	for _, v := range broken {
		odd("%s is %q, which is no address", t.primary, v)
	}
	for _, v := range brokenAliases {
		odd("%s has %q, which is no address", t.alias, v)
	}
	_, served := aliases[l.Primary]
	for a := range aliases {
		if a != l.Primary {
			l.Aliases = append(l.Aliases, a)
		}
	}
	slices.SortFunc(l.Aliases, identity.Address.Compare)
	switch values := e.get(t.owner); {
	case len(marks) > 1:
		odd("it has the marks of %d owners in %s", len(marks), t.owner)
	case len(marks) == 1:
		l.Mark = marks[0]
	case len(values) > 0 && t.singleOwner:
		odd("%s is %q, in whose place no mark can be written; name another owner_attribute", t.owner, values[0])
	}
	if len(marks) > 0 && !served || len(marks) == 0 && t.apart() && e.within(t.inactive) {
		l.Status = identity.Inactive
	}
	if len(t.listed) > 0 && len(without(t.listed, e.get("objectClass"))) == 0 {
		l.Type = identity.List
	}
	text := func(attribute string) string {
		v := t.text(e, attribute)
		if !utf8.ValidString(v) {
			odd("%s is not UTF-8", attribute)
			return ""
		}
		return v
	}
	l.Username = text(t.username)
	for _, m := range t.attributes {
		if v := text(m.attribute); v != "" {
			l.Attributes = append(l.Attributes, identity.Attribute{Name: m.name, Value: v})
		}
	}
	return l, true
}

package directory

import (
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Lookup compares the objects of a directory with GUIDs, for a [Locator]. It is
// given all objects that may have one of them:
//
//	of the objects with the GUID        told
//	----------------------------------  -----------------------
//	one is an entry                     nothing
//	one is live                         that, and why it is none
//	all are deleted                     the first
//
// An object in the base of a scope that the filter keeps out is reported as disabled,
// or without an address, where nothing but that keeps it out: many filters test
// both. What only a server can judge of a filter does not count.
type Lookup struct {
	judge   *Judge
	wanted  map[identity.GUID]bool
	located map[identity.GUID]Located
}

// NewLookup fails where a scope cannot be read.
func NewLookup(guids []identity.GUID, scopes []Scope) (*Lookup, error) {
	judge, err := NewJudge(Query{}, scopes)
	if err != nil {
		return nil, err
	}
	l := &Lookup{judge: judge, wanted: map[identity.GUID]bool{}, located: map[identity.GUID]Located{}}
	for _, g := range guids {
		l.wanted[g] = !g.IsZero()
	}
	return l, nil
}

// Attributes returns the names of the attributes that the lookup reads, in lower
// case, sorted.
func (l *Lookup) Attributes() []string {
	names := append(l.judge.Attributes(), objectClass)
	slices.Sort(names)
	return slices.Compact(names)
}

// Filter returns a search filter of RFC 4515 for those of the GUIDs that are
// looked for and not located yet; "" if there are none.
func (l *Lookup) Filter(guids []identity.GUID) string {
	var b strings.Builder
	for _, g := range guids {
		if _, located := l.located[g]; l.wanted[g] && !located {
			l.judge.query.GUID = g
			b.WriteString(l.judge.Filter())
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "(|" + b.String() + ")"
}

// Take judges an object. taker is the index of the scope that is known to select
// it, or -1.
func (l *Lookup) Take(o Object, taker int) {
	if !slices.ContainsFunc(l.judge.scopes, func(s judged) bool { return l.wanted[s.mapper.GUID(o)] }) {
		return
	}
	f := l.judge.Found(o, nil, taker, nil)
	at := Located{DN: f.DN, Deleted: f.Deleted || isDeleted(o)}
	entry := false
	for i := range f.Verdicts {
		if at.Deleted || entry || at.Disabled || at.WithoutAddress {
			break
		}
		at.Disabled, at.WithoutAddress, entry = l.judge.why(i, o, &f.Verdicts[i])
	}
	for i := range f.Verdicts {
		g := f.Verdicts[i].GUID
		if !l.wanted[g] {
			continue
		}
		switch before, known := l.located[g]; {
		case entry:
			delete(l.located, g)
			l.wanted[g] = false
		case !known || before.Deleted && !at.Deleted:
			l.located[g] = at
		}
	}
}

// Located returns what was found.
func (l *Lookup) Located() map[identity.GUID]Located { return l.located }

// why says what alone keeps an object of a scope's base from being an entry of
// it, or that it is one, or would be if it were not the server's own.
func (j *Judge) why(n int, o Object, v *Verdict) (disabled, withoutAddress, entry bool) {
	s := &j.scopes[n]
	var unknown bool
	for _, x := range v.Obstacles {
		switch x.Kind {
		case OutsideBase:
			return false, false, false
		case Disabled:
			disabled = true
		case NoAddress:
			withoutAddress = true
		case FilterUnknown:
			unknown = true
		case FilterFalse:
			switch {
			case readsOnly(x.Clause.Text, append(s.mapper.aliases[:len(s.mapper.aliases):len(s.mapper.aliases)], s.mapper.primary)) && !s.mapper.addresses(o):
				withoutAddress = true
			case readsOnly(x.Clause.Text, flagNames) && isDisabled(o):
				disabled = true
			default:
				return false, false, false
			}
		}
	}
	return disabled, withoutAddress && !disabled, !disabled && !withoutAddress && !unknown
}

// readsOnly reports whether a part of a filter reads no attributes but these.
func readsOnly(part string, names []string) bool {
	f, err := filter.Parse(part)
	return err == nil && !slices.ContainsFunc(f.Attributes(), func(name string) bool { return !slices.Contains(names, name) })
}

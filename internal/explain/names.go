package explain

import (
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// labels name entries by their display names, or else by the first value of their DNs.
type labels struct {
	m     plan.Masker
	named map[plan.EntryRef]string // by directory and DN
}

// labels names those that sentences may speak of. Where two have one name, it says
// where they are.
func (b *builder) labels() *labels {
	l := &labels{b.m, map[plan.EntryRef]string{}}
	add := func(dn, directory, name string) {
		key := plan.EntryRef{Directory: directory, DN: dn}
		if _, known := l.named[key]; !known && dn != "" {
			if name == "" {
				name = identity.LeafValue(dn)
			}
			l.named[key] = b.m.Name(name)
		}
	}
	party := func(p plan.Party) {
		if p.Kind == plan.EntryParty {
			add(p.Name, p.Directory, "")
		}
	}
	for n := range b.x.Entries {
		f := &b.x.Entries[n]
		add(f.Ref.DN, f.Ref.Directory, identity.Lookup(f.Entry.Attributes, "display_name"))
	}
	for _, r := range b.x.Rejections {
		add(r.DN, r.Directory, "")
		party(r.Other)
	}
	for n := range b.x.Steps {
		party(b.x.Steps[n].Other)
	}
	l.part(func(e plan.EntryRef, name string) string { return Short(name, b.m.DN(e.DN)) })
	l.part(func(e plan.EntryRef, name string) string { return name + " of directory " + quoted(e.Directory) })
	return l
}

// part gives longer names to entries that share theirs.
func (l *labels) part(longer func(e plan.EntryRef, name string) string) {
	bearers := map[string]int{}
	for _, name := range l.named {
		bearers[strings.ToLower(name)]++
	}
	for e, name := range l.named {
		if bearers[strings.ToLower(name)] > 1 {
			l.named[e] = longer(e, name)
		}
	}
}

func (l *labels) of(dn, directory string) string {
	if name, known := l.named[plan.EntryRef{Directory: directory, DN: dn}]; known {
		return name
	}
	return l.m.Name(identity.LeafValue(dn))
}

// label names an entry.
func (b *builder) label(e plan.EntryRef) string { return b.names.Entry(e.DN, e.Directory) }

// Short names an object by its name and where it is, without the domain components of
// its DN.
func Short(name, dn string) string {
	at := dn
	if identity.LeafValue(dn) == name {
		at = identity.ParentDN(dn)
	}
	var parents []string
	for p := at; p != ""; p = identity.ParentDN(p) {
		parents = append(parents, p)
	}
	end := len(at)
	for n := len(parents) - 1; n >= 0 && len(parents[n]) > 3 && strings.EqualFold(parents[n][:3], "DC="); n-- {
		end = len(at) - len(parents[n])
	}
	if at = strings.TrimRight(at[:end], ", "); at == "" {
		return name
	}
	return name + " (" + at + ")"
}

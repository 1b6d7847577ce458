package explain

import (
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// labels name entries by their display names, or else by the first value of their DNs:
// plain, and in sentences so that no two have one name.
type labels struct {
	m            plan.Masker
	plain, named map[plan.EntryRef]string // by directory and DN
}

// newLabels names those that sentences may speak of. Where two have one name, it says
// of which directories they are, or where they are in one.
func (b *builder) newLabels() *labels {
	l := &labels{b.m, map[plan.EntryRef]string{}, map[plan.EntryRef]string{}}
	add := func(dn, directory, name string) {
		key := plan.EntryRef{Directory: directory, DN: dn}
		if _, known := l.plain[key]; !known && dn != "" {
			if name == "" {
				name = identity.LeafValue(dn)
			}
			l.plain[key] = b.m.Name(name)
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
	for n := range b.x.Accounts {
		if a := b.x.Accounts[n].Before; a != nil && b.x.Accounts[n].Standing == plan.Orphan {
			add(a.DN, a.Directory, "")
		}
	}
	for _, r := range b.x.Rejections {
		add(r.DN, r.Directory, "")
		party(r.Other)
	}
	for n := range b.x.Steps {
		party(b.x.Steps[n].Other)
	}
	l.part()
	return l
}

// part gives longer names to entries that share theirs.
func (l *labels) part() {
	bearers := map[plan.EntryRef]int{} // by name, and by directory and name
	for e, name := range l.plain {
		name = strings.ToLower(name)
		bearers[plan.EntryRef{DN: name}]++
		bearers[plan.EntryRef{Directory: e.Directory, DN: name}]++
	}
	for e, name := range l.plain {
		same := strings.ToLower(name)
		switch {
		case bearers[plan.EntryRef{DN: same}] == 1:
			l.named[e] = name
		case bearers[plan.EntryRef{Directory: e.Directory, DN: same}] == 1:
			l.named[e] = name + " of directory " + quoted(e.Directory)
		default:
			l.named[e] = Short(name, l.m.DN(e.DN))
		}
	}
}

func (l *labels) of(dn, directory string) string {
	if name, known := l.named[plan.EntryRef{Directory: directory, DN: dn}]; known {
		return name
	}
	return l.m.Name(identity.LeafValue(dn))
}

// name returns the display name of an entry.
func (b *builder) name(e plan.EntryRef) string {
	return b.labels.plain[plan.EntryRef{Directory: e.Directory, DN: e.DN}]
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

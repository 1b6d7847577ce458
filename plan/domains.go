package plan

import (
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Domains is the one reader of addresses by the domains that are declared: which
// of them an address belongs to, and how it is written there.
type Domains struct {
	list   []Domain
	byName map[string]int // names and aliases -> index
	below  map[string]int // what follows "*." -> index
}

// NewDomains indexes declared domains.
func NewDomains(list []Domain) *Domains {
	d := &Domains{list: list, byName: map[string]int{}, below: map[string]int{}}
	for n := range list {
		if rest, wild := strings.CutPrefix(list[n].Name, "*."); wild {
			d.below[rest] = n
			continue
		}
		d.byName[list[n].Name] = n
		for _, alias := range list[n].Aliases {
			d.byName[alias] = n
		}
	}
	return d
}

// index returns the index of the declared domain that a name in lower case
// belongs to: the one of that name or alias, or else the nearest one above it
// that stands for all below, or none.
func (d *Domains) index(name string) int {
	if n, declared := d.byName[name]; declared {
		return n
	}
	for len(d.below) > 0 {
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[dot+1:]
		if n, wild := d.below[name]; wild {
			return n
		}
	}
	return none
}

// Ignoring reports whether any domain is ignored.
func (d *Domains) Ignoring() bool {
	return slices.ContainsFunc(d.list, func(x Domain) bool { return x.Ignore })
}

// OnlyIgnored reports whether an object lists addresses, and each is well-formed
// and in an ignored domain. Such an object is no entry.
func (d *Domains) OnlyIgnored(e identity.Entry) bool {
	ignored := func(text string) bool {
		x, err := identity.ParseAddress(text)
		if err != nil {
			return false
		}
		own := d.Of(x.Domain())
		return own != nil && own.Ignore
	}
	for _, texts := range [...][]string{e.Primaries, e.Aliases} {
		for _, text := range texts {
			if !ignored(text) {
				return false
			}
		}
	}
	return len(e.Primaries)+len(e.Aliases) > 0
}

// Of returns the declared domain that a name in lower case belongs to, or nil.
func (d *Domains) Of(name string) *Domain {
	if n := d.index(name); n != none {
		return &d.list[n]
	}
	return nil
}

// Canonical returns an address in the domain that its own is an alias of, or as
// it is.
func (d *Domains) Canonical(x identity.Address) identity.Address {
	name := x.Domain()
	if n, declared := d.byName[name]; declared && d.list[n].Name != name {
		return x.WithDomain(d.list[n].Name)
	}
	return x
}

// Spellings returns an address in each of the domains that are rewritten to its
// own, that one first.
func (d *Domains) Spellings(x identity.Address) []identity.Address {
	x = d.Canonical(x)
	all := []identity.Address{x}
	if own := d.Of(x.Domain()); own != nil {
		for _, alias := range own.Aliases {
			all = append(all, x.WithDomain(alias))
		}
	}
	return all
}

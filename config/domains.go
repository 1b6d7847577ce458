package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// domains are the declared domains as the other blocks ask for them.
type domains struct {
	declared map[string]*block // by name in lower case
	public   map[string]bool
	ignored  map[string]bool
	reader   *plan.Domains // once an address was asked about
	// aliasOf leads from an alias domain to the domain it is rewritten to.
	aliasOf map[string]string
}

func (d *decoder) readDomains(blocks []*block) {
	d.domains = domains{declared: map[string]*block{}, public: map[string]bool{}, ignored: map[string]bool{}, aliasOf: map[string]string{}}
	for _, b := range blocks {
		name := strings.ToLower(b.label)
		ignored := b.flag("ignore", false)
		below, wild := strings.CutPrefix(name, "*.")
		switch {
		case wild && !ignored && identity.ValidDomain("x."+below):
			d.errorf(b.labelRange(), "add ignore = true, or write each domain by its name", "%q stands for many domains, whose addresses can only be ignored", b.label)
		case !wild && !identity.ValidDomain(name), wild && !identity.ValidDomain("x."+below):
			d.errorf(b.labelRange(), identity.DomainHint(b.label), "%q is not a domain", b.label)
		}
		if first := d.declared[name]; first != nil {
			d.twice(b, first)
			continue
		}
		d.declared[name] = b
		d.public[name], d.ignored[name] = b.flag("public", false), ignored
		for _, other := range []string{"public", "aliases", "alias_for"} {
			if ignored && b.has(other) {
				d.errorf(b.Body.Attributes[other].NameRange, "remove it, or ignore = true", "%q has no effect on an ignored domain", other)
			}
		}
	}
	if len(blocks) == 0 {
		d.errorf(whole(""), `write domain "example.com" { } for each domain whose addresses are synchronized`, "the configuration declares no domain")
	} else if len(d.ownDomains()) == 0 {
		d.errorf(blocks[0].header(), "declare the domains of primary addresses; an address in a public or ignored domain is never one", "every declared domain is public or ignored")
	}

	aliasAt := map[string]string{}
	for _, b := range blocks {
		name := strings.ToLower(b.label)
		if d.declared[name] != b {
			continue
		}
		rule := plan.Domain{Name: name, Public: d.public[name], Ignore: d.ignored[name]}
		aliases, _ := b.texts("aliases")
		for _, it := range aliases {
			alias := strings.ToLower(it.text)
			first, twice := d.aliasOf[alias]
			switch {
			case it.shown == "": // not a string, and reported
				continue
			case !identity.ValidDomain(alias):
				d.errorf(it.rng, identity.DomainHint(it.text), "%s is not a domain", it.shown)
				continue
			case d.declared[alias] != nil:
				d.errorf(it.rng, "remove it from here, or remove the domain block at "+place(d.declared[alias].labelRange()), "%s is a declared domain, and cannot be an alias too", it.shown)
				continue
			case twice && first == name:
				continue
			case twice:
				d.errorf(it.rng, "remove it from one of them; the first one is at "+aliasAt[alias], "%s is an alias of %q already", it.shown, first)
				continue
			}
			d.aliasOf[alias] = name
			aliasAt[alias] = place(it.rng)
			rule.Aliases = append(rule.Aliases, alias)
		}
		slices.Sort(rule.Aliases)
		d.config.Rules.Domains = append(d.config.Rules.Domains, rule)
	}

	// alias_for may name what is declared further down, and its aliases.
	for i := range d.config.Rules.Domains {
		rule := &d.config.Rules.Domains[i]
		b := d.declared[rule.Name]
		if b.has("alias_for") && !rule.Public && !rule.Ignore {
			d.errorf(b.Body.Attributes["alias_for"].NameRange, "set public = true, or write aliases = [...] for domains that are rewritten to this one",
				"%q is for public domains, and %q is not one", "alias_for", rule.Name)
		}
		rule.AliasFor = d.ownOnly(b, "alias_for")
	}
	slices.SortFunc(d.config.Rules.Domains, func(a, b plan.Domain) int { return strings.Compare(a.Name, b.Name) })
}

// ownDomains returns the declared domains that are neither public nor ignored,
// sorted.
func (d *domains) ownDomains() []string {
	var names []string
	for name := range d.declared {
		if !d.public[name] && !d.ignored[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ownOnly reads a list of declared domains that are neither public nor ignored,
// sorted, each once.
func (d *decoder) ownOnly(b *block, attribute string) []string {
	items, _ := b.texts(attribute)
	var names []string
	for _, it := range items {
		name := strings.ToLower(it.text)
		target, alias := d.aliasOf[name]
		switch {
		case it.shown == "": // not a string, and reported
		case alias && !d.public[target]:
			d.errorf(it.rng, fmt.Sprintf("write %q, which covers its aliases", target), "%s is an alias domain", it.shown)
		case d.public[name], d.public[target]:
			d.errorf(it.rng, "remove it; use alias_for of the public domain to say which primaries may have aliases there", "%s is a public domain", it.shown)
		case d.ignored[name]:
			d.errorf(it.rng, "remove it, or remove ignore = true", "%s is an ignored domain", it.shown)
		case d.declared[name] == nil:
			hint := "declare it in a domain block, or remove it"
			if s := words.Nearest(name, d.ownDomains()); s != "" && it.quoted() {
				hint = fmt.Sprintf("did you mean %q?", s)
			}
			d.errorf(it.rng, hint, "%s is not a declared domain", it.shown)
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

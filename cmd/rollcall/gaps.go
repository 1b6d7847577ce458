package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// gaps tells what complete reads have left out. A server that was empty where
// it had accounts is an error, unless that is allowed: a moved base or a lost
// right to read looks the same as everybody's leaving. A file may be a part, so
// that of it an empty scope is a warning. What all entries of a scope have lost at
// once is an error for every kind: a right was taken away, or a name misspelt, and
// nobody emptied them all on purpose.
func gaps(cfg *config.Config, read []identity.Receipt, in *plan.Input, allowed bool) (warnings []string, err error) {
	in = counting(in)
	for i := range read {
		r := &read[i]
		for _, note := range r.Notes {
			warnings = append(warnings, fmt.Sprintf("directory %q: %s", r.Name, note))
		}
		empty, lost := emptied(cfg.Scopes, r.Name, in), bared(cfg.Scopes, r.Name, in)
		failed, hint := lost, "check the names of attributes in the scope and what the account that reads may see (rollcall doctor); if all of it is meant to go, give --allow-empty"
		if len(empty) > 0 && r.Kind != config.LDIF {
			failed, hint = append(empty, lost...), "check base_dn, filter and what the account that reads may see; if these accounts are meant to go, give --allow-empty"
		}
		if len(failed) > 0 && !allowed {
			return nil, hinted{&directory.ReadError{Directory: r.Name, From: r.Server, Err: errors.New(strings.Join(failed, "; "))}, hint}
		}
		empty = append(empty, lost...)
		for _, text := range empty {
			warnings = append(warnings, fmt.Sprintf("directory %q: %s", r.Name, text))
		}
		if len(empty) == 0 {
			warnings = append(warnings, unselective(cfg.Scopes, r.Name, in)...)
		}
		for _, name := range uncovered(r.Name, r.References, cfg.Scopes) {
			warnings = append(warnings, fmt.Sprintf("directory %q: the server refers to %s, which no scope covers: entries there are not read", r.Name, name))
		}
	}
	return warnings, nil
}

// counting returns the input without the objects that list nothing but addresses
// in ignored domains: they are no entries.
func counting(in *plan.Input) *plan.Input {
	domains := plan.NewDomains(in.Rules.Domains)
	if !domains.Ignoring() {
		return in
	}
	counting := *in
	if i := slices.IndexFunc(in.Entries, domains.OnlyIgnored); i >= 0 {
		counting.Entries = slices.DeleteFunc(slices.Clone(in.Entries), domains.OnlyIgnored)
	}
	return &counting
}

// emptied tells of each scope of a directory that found no entry although
// active accounts that came from it are found nowhere, by the GUIDs of all
// entries. Accounts do not record their scope; DN and type tell:
//
//	below the base of a scope with entries
//	of the account's type                     came from that scope
//	else, of scopes without                   from the first of them
//	below no base                             from the first scope, if all are empty
func emptied(scopes []config.Scope, name string, in *plan.Input) []string {
	type reach struct {
		*config.Scope
		base        identity.DN
		found, lost int
		types       map[identity.Type]bool // of its entries
	}
	all := make([]reach, len(scopes))
	for i := range all {
		all[i].types = map[identity.Type]bool{}
	}
	for i := range in.Entries {
		r := &all[in.Entries[i].Scope]
		r.found++
		r.types[in.Entries[i].Type] = true
	}
	for i := range all {
		all[i].Scope = &scopes[i]
		all[i].base, _ = identity.ParseDN(scopes[i].BaseDN) // was checked when it was read
	}
	all = slices.DeleteFunc(all, func(r reach) bool { return r.Directory != name })
	empty := func(r reach) bool { return r.found == 0 }
	full := func(r reach) bool { return r.found > 0 }
	if !slices.ContainsFunc(all, empty) {
		return nil
	}
	const nowhere = -1
	other := 0
	if slices.ContainsFunc(all, full) {
		other = nowhere
	}
	from := func(a *identity.Account) int {
		dn, err := identity.ParseDN(a.DN)
		if err != nil {
			return other
		}
		above := func(r reach) bool { return dn.Within(r.base) }
		if slices.ContainsFunc(all, func(r reach) bool { return r.types[a.Type] && above(r) }) {
			return nowhere
		}
		if first := slices.IndexFunc(all, func(r reach) bool { return empty(r) && above(r) }); first != nowhere {
			return first
		}
		return other
	}
	lost := map[identity.GUID]int{}
	for i := range in.Accounts {
		if a := &in.Accounts[i]; a.Active() && a.Directory == name {
			if scope := from(a); scope != nowhere {
				lost[a.GUID] = scope
			}
		}
	}
	for i := range in.Entries {
		delete(lost, in.Entries[i].GUID)
	}
	for _, scope := range lost {
		all[scope].lost++
	}
	var told []string
	for _, r := range all {
		if r.lost > 0 {
			filter := "the default filter"
			if r.Filter != "" {
				filter = "filter " + r.Filter
			}
			told = append(told, fmt.Sprintf("scope %q found no entry with base_dn %q and %s, and had %s",
				r.Name, r.BaseDN, filter, counted(r.lost, "active account")))
		}
	}
	return told
}

// unselective warns of the scopes of a directory that select no entry.
func unselective(scopes []config.Scope, name string, in *plan.Input) []string {
	found := make([]bool, len(scopes))
	for i := range in.Entries {
		found[in.Entries[i].Scope] = true
	}
	var warnings []string
	for i := range scopes {
		if s := &scopes[i]; s.Directory == name && !found[i] {
			warnings = append(warnings, fmt.Sprintf("scope %q selects no entry with an address: check its base_dn and filter, and what the account that reads may see (rollcall doctor)", s.Name))
		}
	}
	return warnings
}

// fewLosers is how many accounts may lose a thing at once without a question.
const fewLosers = 10

// thing is something that entries have and accounts record.
type thing struct {
	what string // none of the entries has it any more, in words
	has  func(*identity.Entry) bool
	// lost reports whether an account has the thing, which its entry has not.
	lost func(*identity.Account, *identity.Entry) bool
}

// things are those that entries of a scope may have. An alias that is the primary
// now, as in a migration that a brake has stopped halfway, is none that was lost.
func things(s *config.Scope, domains *plan.Domains) []thing {
	all := []thing{
		{"an alias (" + strings.Join(s.AliasAttributes, ", ") + ")",
			func(e *identity.Entry) bool { return len(e.Aliases) > 0 || len(e.Primaries) > 1 },
			func(a *identity.Account, e *identity.Entry) bool {
				return slices.ContainsFunc(a.Aliases, func(x identity.Address) bool {
					return !slices.ContainsFunc(e.Primaries, func(text string) bool {
						y, err := identity.ParseAddress(text)
						return err == nil && domains.Canonical(y) == x
					})
				})
			}},
		{"the type list (objectClass)",
			func(e *identity.Entry) bool { return e.Type == identity.List },
			func(a *identity.Account, _ *identity.Entry) bool { return a.Type == identity.List }},
	}
	if s.UsernameAttribute != "" {
		all = append(all, thing{"a username (" + s.UsernameAttribute + ")",
			func(e *identity.Entry) bool { return e.Username != "" },
			func(a *identity.Account, _ *identity.Entry) bool { return a.Username != "" }})
	}
	for _, attr := range s.Attributes {
		all = append(all, thing{"the attribute " + attr.Name + " (" + attr.Source + ")",
			func(e *identity.Entry) bool { return identity.Lookup(e.Attributes, attr.Name) != "" },
			func(a *identity.Account, _ *identity.Entry) bool {
				return identity.Lookup(a.Attributes, attr.Name) != ""
			}})
	}
	return all
}

// bared tells what no entry of a scope has any more that many active accounts
// have which its entries own by GUID.
func bared(scopes []config.Scope, name string, in *plan.Input) (told []string) {
	domains := plan.NewDomains(in.Rules.Domains)
	missing := make([][]thing, len(scopes)) // of each scope, what no entry was seen to have yet
	for i := range scopes {
		if scopes[i].Directory == name {
			missing[i] = things(&scopes[i], domains)
		}
	}
	for n := range in.Entries {
		e := &in.Entries[n]
		if all := missing[e.Scope]; len(all) > 0 {
			missing[e.Scope] = slices.DeleteFunc(all, func(t thing) bool { return t.has(e) })
		}
	}
	var losable []thing // each once: scopes mostly read the same attributes
	for _, t := range slices.Concat(missing...) {
		if !slices.ContainsFunc(losable, func(u thing) bool { return u.what == t.what }) {
			losable = append(losable, t)
		}
	}
	owners := map[identity.GUID]*identity.Account{}
	nothing := &identity.Entry{}
	for n := range in.Accounts {
		a := &in.Accounts[n]
		if a.Active() && a.Directory == name && slices.ContainsFunc(losable, func(t thing) bool { return t.lost(a, nothing) }) {
			owners[a.GUID] = a
		}
	}
	if len(owners) <= fewLosers {
		return nil
	}
	losers := make([][]int, len(scopes))
	for i := range losers {
		losers[i] = make([]int, len(missing[i]))
	}
	for n := range in.Entries {
		e := &in.Entries[n]
		a := owners[e.GUID]
		for k, t := range missing[e.Scope] {
			if a != nil && t.lost(a, e) {
				losers[e.Scope][k]++
			}
		}
	}
	for i := range scopes {
		for k, t := range missing[i] {
			if losers[i][k] > fewLosers {
				told = append(told, fmt.Sprintf("scope %q: no entry has %s any more, and %s have", scopes[i].Name, t.what, counted(losers[i][k], "active account")))
			}
		}
	}
	return told
}

// ownPartitions begin the naming contexts that Active Directory keeps for
// itself. It refers to them from the head of each domain.
var ownPartitions = []string{"cn=configuration", "cn=schema", "dc=domaindnszones", "dc=forestdnszones"}

// uncovered returns the names, sorted, that continuation references of a
// directory lead to and that have no scope at or below them. A scope of another
// directory without a base may be anywhere, and covers all. A reference is an
// LDAP URL (RFC 4516); one without a name stands for itself.
func uncovered(directory string, references []string, scopes []config.Scope) []string {
	var names []string
	for _, reference := range references {
		name := ""
		if u, err := url.Parse(reference); err == nil {
			name = strings.TrimPrefix(u.Path, "/")
		}
		dn, err := identity.ParseDN(name)
		covered := func(s config.Scope) bool {
			base, _ := identity.ParseDN(s.BaseDN)
			return base.Within(dn) || s.BaseDN == "" && s.Directory != directory
		}
		switch {
		case err != nil || len(dn) == 0:
			names = append(names, reference)
		case !slices.Contains(ownPartitions, dn[0]) && !slices.ContainsFunc(scopes, covered):
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

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
// right to read looks the same as everybody's leaving. Files are written on
// purpose, so that of them it is a warning.
func gaps(cfg *config.Config, read []identity.Receipt, in *plan.Input, allowed bool) (warnings []string, err error) {
	for i := range read {
		r := &read[i]
		for _, note := range r.Notes {
			warnings = append(warnings, fmt.Sprintf("directory %q: %s", r.Name, note))
		}
		empty := append(emptied(cfg.Scopes, r.Name, in), bared(cfg.Scopes, r.Name, in)...)
		if len(empty) > 0 && r.Kind != config.LDIF && !allowed {
			return nil, hinted{&directory.ReadError{Directory: r.Name, From: r.Server, Err: errors.New(strings.Join(empty, "; "))},
				"check base_dn, filter and what the account that reads may see; if these accounts are meant to go, give --allow-empty"}
		}
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

// fewAliases is how many accounts may lose all their aliases at once without a
// question.
const fewAliases = 10

// bared tells of a directory whose entries list no alias at all although its
// accounts have some: the alias attributes may have become unreadable, which
// the server does not tell.
func bared(scopes []config.Scope, name string, in *plan.Input) []string {
	listed, entries := 0, 0
	for i := range in.Entries {
		if e := &in.Entries[i]; scopes[e.Scope].Directory == name {
			entries++
			listed += len(e.Aliases)
		}
	}
	if listed > 0 || entries == 0 {
		return nil
	}
	accounts := 0
	for i := range in.Accounts {
		if a := &in.Accounts[i]; a.Active() && a.Directory == name && len(a.Aliases) > 0 {
			accounts++
		}
	}
	if accounts <= fewAliases {
		return nil
	}
	return []string{fmt.Sprintf("no entry lists an alias any more, and %s have some", counted(accounts, "active account"))}
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

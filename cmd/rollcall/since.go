package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// What has changed of a configuration since it was last applied explains what
// goes away without anybody's having left: a scope or a domain that is gone, be
// it misspelt, takes all of its accounts or addresses.

// scopesOf returns what a run records of the scopes.
func scopesOf(cfg *config.Config) []run.Scope {
	all := []run.Scope{}
	for i := range cfg.Scopes {
		c := &cfg.Scopes[i]
		all = append(all, run.Scope{Name: c.Name, Directory: c.Directory, BaseDN: c.BaseDN, Filter: c.Filter, Disabled: c.Disabled})
	}
	return all
}

// domainsOf returns what a run records of the domains, which are sorted.
func domainsOf(cfg *config.Config) []run.Domain {
	all := []run.Domain{}
	for i := range cfg.Rules.Domains {
		d := &cfg.Rules.Domains[i]
		all = append(all, run.Domain{Name: d.Name, Aliases: append([]string{}, d.Aliases...), Kind: domainKind(d)})
	}
	return all
}

func domainKind(d *plan.Domain) string {
	switch {
	case d.Ignore:
		return run.IgnoredDomain
	case d.Public:
		return run.PublicDomain
	}
	return run.OwnDomain
}

// lastApplied returns the last run that read all directories, changed the state,
// withheld nothing and left nothing out: what has not happened since has the same
// cause. Where there is none, the first that changed the state counts; nil if there is
// none at all, or that is unknown.
func (s *session) lastApplied() (last *run.Run) {
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return nil
	}
	for i := range runs {
		run := &runs[i]
		whole := run.Summary["withheld"]+run.Summary["left_out"] == 0 && len(run.Unread) == 0
		if run.Outcome.Changed() && run.Reads() && (last == nil || whole) {
			last = run
		}
	}
	return last
}

// sinceApplied begins each of what has changed since the last applied run with
// when that was.
func (s *session) sinceApplied(changed func(last *run.Run) []string) []string {
	last := s.lastApplied()
	if last == nil {
		return nil
	}
	told := changed(last)
	for i := range told {
		told[i] = fmt.Sprintf("since run %d, of %s, %s", last.Number, stamp(last.Started), told[i])
	}
	return told
}

// undeclaredSince says which scopes and domains the configuration does not have
// any more, as far as accounts or entries depend on them.
func (s *session) undeclaredSince(cfg *config.Config, in *plan.Input) []string {
	return s.sinceApplied(func(last *run.Run) []string {
		return append(lostDomains(cfg, in, last.Domains), lostScopes(cfg, in, last.Scopes)...)
	})
}

// rescoped says which scopes read something else than before.
func (s *session) rescoped(cfg *config.Config) []string {
	return s.sinceApplied(func(last *run.Run) []string { return changedScopes(cfg, last.Scopes) })
}

func changedScopes(cfg *config.Config, scopes []run.Scope) (told []string) {
	now := map[string]run.Scope{}
	for _, c := range scopesOf(cfg) {
		now[c.Name] = c
	}
	for _, before := range scopes {
		after, there := now[before.Name]
		if !there {
			continue
		}
		for _, setting := range []struct{ name, before, after string }{
			{"directory", before.Directory, after.Directory},
			{"base_dn", before.BaseDN, after.BaseDN},
			{"filter", before.Filter, after.Filter},
			{"disabled", before.Disabled, after.Disabled},
		} {
			if setting.before != setting.after {
				told = append(told, fmt.Sprintf("scope %q has %s %q, and had %q", before.Name, setting.name, setting.after, setting.before))
			}
		}
	}
	return told
}

// lostScopes says which scopes are not declared any more that left accounts
// behind: active ones of a directory that was read, below the base, without an
// entry. An account does not record its scope; one below the base of a scope that
// has entries of its type, user or list, counts for that.
func lostScopes(cfg *config.Config, in *plan.Input, scopes []run.Scope) (told []string) {
	lost := slices.DeleteFunc(slices.Clone(scopes), func(before run.Scope) bool {
		return slices.ContainsFunc(cfg.Scopes, func(c config.Scope) bool { return c.Name == before.Name })
	})
	if len(lost) == 0 {
		return nil
	}
	listed := in.Listed()
	entries := make(map[identity.GUID]bool, listed.Len())
	types := make([]map[identity.Type]bool, len(cfg.Scopes))
	for i := range types {
		types[i] = map[identity.Type]bool{}
	}
	for _, e := range listed.All() {
		entries[e.GUID], types[e.Scope][e.Type] = true, true
	}
	within := func(dn identity.DN, base string) bool {
		at, _ := identity.ParseDN(base) // was checked when it was read
		return dn.Within(at)
	}
	for _, before := range lost {
		n := 0
		for i := range in.Accounts {
			a := &in.Accounts[i]
			if !a.Active() || a.Directory != before.Directory || entries[a.GUID] || !slices.Contains(in.Read, a.Directory) {
				continue
			}
			dn, err := identity.ParseDN(a.DN)
			if err != nil || !within(dn, before.BaseDN) {
				continue
			}
			covered := false
			for k := range cfg.Scopes {
				c := &cfg.Scopes[k]
				covered = covered || c.Directory == a.Directory && types[k][a.Type] && within(dn, c.BaseDN)
			}
			if !covered {
				n++
			}
		}
		if n > 0 {
			told = append(told, fmt.Sprintf("scope %q is no longer declared: no scope has an entry for %s below its base", before.Name, oneOrMany(n, "account", "accounts")))
		}
	}
	return told
}

// lostDomains says which domains are not synchronized any more that accounts of
// directories have addresses in, and which domains are no aliases any more that
// entries list addresses in.
func lostDomains(cfg *config.Config, in *plan.Input, domains []run.Domain) (told []string) {
	known := plan.NewDomains(cfg.Rules.Domains)
	// now returns the domain of this name or alias.
	now := func(name string) *plan.Domain {
		if d := known.Of(name); d != nil && !strings.HasPrefix(d.Name, "*.") {
			return d
		}
		return nil
	}
	gone, unaliased := map[string]string{}, map[string]string{}
	for _, before := range domains {
		d := now(before.Name)
		switch {
		case before.Kind != run.OwnDomain:
		case d == nil:
			gone[before.Name] = fmt.Sprintf("domain %q is no longer declared", before.Name)
		case d.Name != before.Name:
			gone[before.Name] = fmt.Sprintf("domain %q is an alias of %q", before.Name, d.Name)
		case domainKind(d) != run.OwnDomain:
			gone[before.Name] = fmt.Sprintf("domain %q is %s", before.Name, domainKind(d))
		}
		for _, alias := range before.Aliases {
			if d := now(alias); d == nil || d.Name != before.Name && d.Name != alias {
				unaliased[alias] = before.Name
			}
		}
	}
	if len(gone) > 0 {
		addresses, accounts := map[string]int{}, map[string]int{}
		for i := range in.Accounts {
			a := &in.Accounts[i]
			if !a.Active() || a.Local() {
				continue
			}
			counts := map[string]bool{}
			for n := -1; n < len(a.Aliases); n++ {
				x := a.Primary
				if n >= 0 {
					x = a.Aliases[n]
				}
				if domain := x.Domain(); gone[domain] != "" {
					addresses[domain]++
					counts[domain] = true
				}
			}
			for domain := range counts {
				accounts[domain]++
			}
		}
		for _, before := range domains {
			if n := addresses[before.Name]; n > 0 {
				told = append(told, fmt.Sprintf("%s, and has %s of %s", gone[before.Name],
					oneOrMany(n, "address", "addresses"), oneOrMany(accounts[before.Name], "account", "accounts")))
			}
		}
	}
	if len(unaliased) > 0 {
		entries, listed := map[string]int{}, in.Listed()
		for _, e := range listed.All() {
			counts := map[string]bool{}
			for _, list := range [...][]string{e.Primaries, e.Aliases} {
				for _, x := range list {
					if domain := strings.ToLower(x[strings.LastIndexByte(x, '@')+1:]); unaliased[domain] != "" {
						counts[domain] = true
					}
				}
			}
			for domain := range counts {
				entries[domain]++
			}
		}
		for _, before := range domains {
			for _, alias := range before.Aliases {
				if n := entries[alias]; n > 0 && unaliased[alias] != "" {
					told = append(told, fmt.Sprintf("%q is no longer an alias of domain %q, and %s addresses in it",
						alias, before.Name, oneOrMany(n, "entry lists", "entries list")))
				}
			}
		}
	}
	return told
}

// oneOrMany counts with separators between thousands.
func oneOrMany(n int, one, many string) string { return number.Count(n, one, many) }

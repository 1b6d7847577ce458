package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// recorded is a state whose accounts are read as the rules write addresses.
type recorded struct {
	*state.State
	originals map[identity.Address]original
}

// original is an account that is recorded otherwise than it is read.
type original struct{ recorded, read identity.Account }

// known reads the state with its addresses as the rules write them, and returns
// what is to be said of that.
func (r reading) known(s *session, cfg *config.Config) (*recorded, []string, error) {
	st, err := r.state(s)
	if err != nil {
		return nil, nil, err
	}
	known := &recorded{State: st}
	var told []string
	st.Accounts, known.originals, told = canonical(&cfg.Rules, st.Accounts)
	return known, told, nil
}

// keep takes over accounts as they are read. Those that were not changed stay as
// they are recorded.
func (r *recorded) keep(accounts []identity.Account) {
	r.Accounts = accounts
	if len(r.originals) == 0 {
		return
	}
	for i := range accounts {
		if o, other := r.originals[accounts[i].Primary]; other && bytes.Equal(accounts[i].AppendJSON(nil), o.read.AppendJSON(nil)) {
			accounts[i] = o.recorded
		}
	}
	slices.SortFunc(accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
}

// canonical rewrites addresses of accounts in alias domains to the domains that
// entries have them in, so that an import or an earlier configuration doubles
// nobody. An account whose address somebody else has there stays as it is.
func canonical(rules *plan.Rules, accounts []identity.Account) ([]identity.Account, map[identity.Address]original, []string) {
	if !slices.ContainsFunc(rules.Domains, func(d plan.Domain) bool { return len(d.Aliases) > 0 }) {
		return accounts, nil, nil
	}
	domains := plan.NewDomains(rules.Domains)
	other := func(x identity.Address) bool { return domains.Canonical(x) != x }
	var odd []int
	for i := range accounts {
		if a := &accounts[i]; other(a.Primary) || slices.ContainsFunc(a.Aliases, other) {
			odd = append(odd, i)
		}
	}
	if len(odd) == 0 {
		return accounts, nil, nil
	}
	holder := map[identity.Address]int{}
	for _, i := range odd {
		accounts[i].EachAddress(func(x identity.Address) { holder[domains.Canonical(x)] = -1 })
	}
	for i := range accounts {
		accounts[i].EachAddress(func(x identity.Address) {
			if _, wanted := holder[x]; wanted {
				holder[x] = i
			}
		})
	}
	accounts = slices.Clone(accounts)
	originals := map[identity.Address]original{}
	var rewritten, kept []string
	for _, i := range odd {
		a := &accounts[i]
		taken := identity.Address{}
		a.EachAddress(func(x identity.Address) {
			if h := holder[domains.Canonical(x)]; h >= 0 && h != i {
				taken = x
			}
		})
		if !taken.IsZero() {
			y := domains.Canonical(taken)
			remedy := "rollcall state remove " + a.Primary.String()
			if !a.Local() {
				remedy = "rollcall state release " + a.Primary.String() + ", and then state remove"
			}
			kept = append(kept, fmt.Sprintf("account %s holds %s, which is read as %s, and account %s holds that: if both are one person, %s",
				a.Primary, taken, y, accounts[holder[y]].Primary, remedy))
			continue
		}
		was := *a
		*a = *canonicalAccount(domains, a)
		originals[a.Primary] = original{was, *a}
		a.EachAddress(func(x identity.Address) { holder[x] = i })
		rewritten = append(rewritten, was.Primary.String())
	}
	slices.SortFunc(accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	var told []string
	if n := len(rewritten); n > 0 {
		told = append(told, fmt.Sprintf("%s addresses in alias domains, such as %s: they are read as addresses of the domain itself",
			oneOrMany(n, "account holds", "accounts hold"), rewritten[0]))
	}
	const shown = 3
	told = append(told, kept[:min(len(kept), shown)]...)
	if more := len(kept) - shown; more > 0 {
		told = append(told, fmt.Sprintf("%s more accounts hold addresses in alias domains that others have", plan.Thousands(more)))
	}
	return accounts, originals, told
}

// canonicalAccount returns an account with its addresses in the domains that
// theirs are rewritten to; nil for nil.
func canonicalAccount(domains *plan.Domains, a *identity.Account) *identity.Account {
	if a == nil {
		return nil
	}
	read := *a
	read.Primary = domains.Canonical(a.Primary)
	read.Aliases = nil
	for _, x := range a.Aliases {
		if x = domains.Canonical(x); x != read.Primary {
			read.Aliases = append(read.Aliases, x)
		}
	}
	slices.SortFunc(read.Aliases, identity.Address.Compare)
	read.Aliases = slices.Compact(read.Aliases)
	return &read
}

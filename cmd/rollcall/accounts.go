package main

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// known reads the state with its addresses as the rules write them, and returns
// what is to be told of that.
func (r reading) known(cfg *config.Config) (*state.State, []string, error) {
	st, err := r.state(cfg)
	if err != nil {
		return nil, nil, err
	}
	var told []string
	st.Accounts, told = canonical(&cfg.Rules, st.Accounts)
	return st, told, nil
}

// canonical rewrites addresses of accounts in alias domains to the domains that
// entries have them in, so that an import or an earlier configuration doubles
// nobody. An account whose address somebody else has there stays as it is.
func canonical(rules *plan.Rules, accounts []identity.Account) ([]identity.Account, []string) {
	if !slices.ContainsFunc(rules.Domains, func(d plan.Domain) bool { return len(d.Aliases) > 0 }) {
		return accounts, nil
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
		return accounts, nil
	}
	holder := map[identity.Address]int{}
	for _, i := range odd {
		eachAddress(&accounts[i], func(x identity.Address) { holder[domains.Canonical(x)] = -1 })
	}
	for i := range accounts {
		eachAddress(&accounts[i], func(x identity.Address) {
			if _, wanted := holder[x]; wanted {
				holder[x] = i
			}
		})
	}
	accounts = slices.Clone(accounts)
	var rewritten, kept []string
	for _, i := range odd {
		a := &accounts[i]
		taken := identity.Address{}
		eachAddress(a, func(x identity.Address) {
			if h := holder[domains.Canonical(x)]; h >= 0 && h != i {
				taken = x
			}
		})
		if !taken.IsZero() {
			y := domains.Canonical(taken)
			kept = append(kept, fmt.Sprintf("account %s holds %s, which is %s, and account %s has that: take it away from one of them in the console, and import both again (state import)",
				a.Primary, taken, y, accounts[holder[y]].Primary))
			continue
		}
		was := a.Primary
		a.Primary = domains.Canonical(a.Primary)
		var aliases []identity.Address
		for _, x := range a.Aliases {
			if x = domains.Canonical(x); x != a.Primary {
				aliases = append(aliases, x)
			}
		}
		slices.SortFunc(aliases, identity.Address.Compare)
		a.Aliases = slices.Compact(aliases)
		eachAddress(a, func(x identity.Address) { holder[x] = i })
		rewritten = append(rewritten, was.String())
	}
	slices.SortFunc(accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	var told []string
	if n := len(rewritten); n > 0 {
		told = append(told, fmt.Sprintf("%s addresses in alias domains, such as %s: they are read as addresses of the domain itself, and the next apply that changes anything records them so",
			oneOrMany(n, "account holds", "accounts hold"), rewritten[0]))
	}
	const shown = 3
	told = append(told, kept[:min(len(kept), shown)]...)
	if more := len(kept) - shown; more > 0 {
		told = append(told, fmt.Sprintf("%s more accounts hold addresses in alias domains that others have", plan.Thousands(more)))
	}
	return accounts, told
}

func eachAddress(a *identity.Account, f func(identity.Address)) {
	f(a.Primary)
	for _, x := range a.Aliases {
		f(x)
	}
}

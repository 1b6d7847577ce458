package plan

import (
	"fmt"
	"strings"
)

// Totals count what would really happen, with nothing of what a brake withholds.
// Each account counts once, for the first that it fits.
type Totals struct {
	// Removed are records that go, Leaving accounts that lose all mail, Returning
	// those that were inactive, Added new ones, Renamed those that get another
	// primary, Changed those that change otherwise.
	Removed, Leaving, Returning, Added, Renamed, Changed, Unchanged int
	// AddressesAdded start receiving mail, AddressesLost stop.
	AddressesAdded, AddressesLost int
	// WithoutAccount counts the entries that list an address and get no account.
	WithoutAccount int
}

// totals counts the accounts of the plan.
func (p *Plan) totals() Totals {
	t := Totals{Unchanged: p.Unchanged, WithoutAccount: p.WithoutAccount}
	for i := range p.Accounts {
		c := &p.Accounts[i]
		switch after := c.Result(); {
		case c.Before == nil:
			t.Added++
		case after == nil:
			t.Removed++
		case c.Before.Active() && !after.Active():
			t.Leaving++
		case !c.Before.Active() && after.Active():
			t.Returning++
		case c.Before.Primary != after.Primary:
			t.Renamed++
		case c.Withheld && c.Before.Equal(after):
			t.Unchanged++
		default:
			t.Changed++
		}
	}
	return t
}

// Accounts is how many accounts change.
func (t *Totals) Accounts() int {
	return t.Removed + t.Leaving + t.Returning + t.Added + t.Renamed + t.Changed
}

// VerdictSeparator stands between the parts of a verdict.
const VerdictSeparator = " · "

// Verdict is the plan in one line: what becomes of accounts, how much is kept
// back or rejected, and the risk.
func (p *Plan) Verdict() string {
	t := p.totals()
	var accounts counts
	accounts.add(t.Added, "added", "added")
	accounts.add(t.Returning, "returns", "return")
	accounts.add(t.Renamed, "renamed", "renamed")
	accounts.add(t.Leaving, "leaves", "leave")
	accounts.add(t.Removed, "removed", "removed")
	if others := "other change"; len(accounts) == 0 {
		accounts.add(t.Changed, "account changes", "accounts change")
	} else {
		accounts.add(t.Changed, others, others+"s")
	}
	if len(accounts) == 0 {
		accounts = counts{"no changes"}
	}
	parts := []string{accounts.String()}
	if withheld := p.withheld(); len(withheld) > 0 {
		parts = append(parts, "withheld: "+withheld.String())
	}
	aside := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", Thousands(n), what))
		}
	}
	aside(p.LeftOutAccounts, oneOrMany(p.LeftOutAccounts, "account", "accounts")+" left out")
	aside(len(p.Rejections), "rejected")
	aside(len(p.Drift), "drift")
	return strings.Join(append(parts, "risk: "+p.RiskLevel().String()), VerdictSeparator)
}

// counts are numbers with what they are of.
type counts []string

func (c *counts) add(n int, one, many string) {
	if n > 0 {
		*c = append(*c, several(n, one, many))
	}
}

func (c counts) String() string { return strings.Join(c, ", ") }

// withheld says what would become of the accounts from which a brake withholds
// something, each once.
func (p *Plan) withheld() (all counts) {
	renamed, leave, removed, lose := 0, 0, 0, 0
	for i := range p.Accounts {
		switch c := &p.Accounts[i]; {
		case !c.Withheld:
		case c.After == nil:
			removed++
		case !c.After.Active():
			leave++
		case c.Before.Primary != c.After.Primary:
			renamed++
		default:
			lose++
		}
	}
	all.add(renamed, "renamed", "renamed")
	all.add(leave, "leaves", "leave")
	all.add(removed, "removed", "removed")
	all.add(lose, "loses addresses", "lose addresses")
	return all
}

func (t *Totals) appendJSON(b []byte) []byte {
	return fmt.Appendf(b, `{"accounts_removed": %d, "accounts_leaving": %d, "accounts_returning": %d, "accounts_added": %d, "accounts_renamed": %d, `+
		`"accounts_changed": %d, "accounts_unchanged": %d, "addresses_added": %d, "addresses_lost": %d, "entries_without_account": %d}`,
		t.Removed, t.Leaving, t.Returning, t.Added, t.Renamed, t.Changed, t.Unchanged, t.AddressesAdded, t.AddressesLost, t.WithoutAccount)
}

package main

import (
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// gaps says what complete reads have left out, which is an error where they are
// taken for incomplete ones, unless that is allowed.
func gaps(cfg *config.Config, read []identity.Receipt, in *plan.Input, allowed bool) (warnings []string, err error) {
	domains := plan.NewDomains(in.Rules.Domains)
	reading := directory.Reading{Directories: directories(cfg), Entries: heeded(domains, in.Listed()), Accounts: in.Accounts, Canonical: domains.Canonical}
	for i := range read {
		g := reading.Gaps(&read[i])
		if err := g.Err(); err != nil && !allowed {
			return nil, err
		}
		warnings = append(warnings, g.Warnings()...)
	}
	return warnings, nil
}

// heeded are the entries without those that are none because of their domains.
func heeded(domains *plan.Domains, entries identity.Entries) identity.Entries {
	if domains.Ignoring() && slices.ContainsFunc(entries.Whole, domains.OnlyIgnored) {
		entries.Whole = slices.DeleteFunc(slices.Clone(entries.Whole), domains.OnlyIgnored)
	}
	return entries
}

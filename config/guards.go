package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// readGuards reads blocks that keep addresses as they are, sorted by label.
func (d *decoder) readGuards(blocks []*block) []plan.Guard {
	var guards []plan.Guard
	for _, b := range blocks {
		g := plan.Guard{Label: b.label}
		if reason, ok := b.text("reason"); ok {
			g.Reason = reason.text
		}
		if b.require("addresses", `write addresses = ["ceo@example.com"], or lines(file("addresses.txt"))`) {
			items, ok := b.texts("addresses")
			if ok && len(items) == 0 {
				d.warnf(b.rangeOf("addresses"), "name the addresses, or remove the block", "%s %q holds no address", b.Type, b.label)
			}
			for _, it := range items {
				g.Addresses = append(g.Addresses, d.guarded(it)...)
			}
		}
		slices.SortFunc(g.Addresses, identity.Address.Compare)
		g.Addresses = slices.Compact(g.Addresses)
		if until, ok := b.text("until"); ok {
			g.Until = d.lastDay(b, until)
			if g.Over(d.now) {
				d.warnf(until.rng, "remove the block, or set a later day if the hold goes on", "legal hold %q ended on %s", b.label, g.Until.Format(time.DateOnly))
			}
		}
		guards = append(guards, g)
	}
	slices.SortFunc(guards, func(a, b plan.Guard) int { return strings.Compare(a.Label, b.Label) })
	return guards
}

// guarded returns an address as it is written and, in an alias domain, also as
// it is rewritten, for a console may have either.
func (d *decoder) guarded(it item) []identity.Address {
	if it.shown == "" { // not a string, and reported
		return nil
	}
	a, err := identity.ParseAddress(it.text)
	if err != nil {
		hint := err.Error()
		switch {
		case errors.Is(err, identity.ErrAddressDomain):
			hint = identity.DomainHint(it.text[strings.IndexByte(it.text, '@')+1:])
		case strings.TrimSpace(it.text) != it.text:
			hint = "remove the spaces around it"
		case strings.Contains(it.text, ":"):
			hint = "write the address without a prefix such as smtp:"
		}
		d.errorf(it.rng, hint, "%s is not a mail address", it.shown)
		return nil
	}
	if target, ok := d.aliasOf[a.Domain()]; ok {
		return []identity.Address{a, a.WithDomain(target)}
	}
	if d.reader == nil {
		d.reader = plan.NewDomains(d.config.Rules.Domains)
	}
	if d.reader.Of(a.Domain()) == nil {
		hint := "check its spelling; what is in no declared domain is not synchronized in the first place"
		if s := d.similarDomain(a.Domain()); s != "" && it.quoted() {
			hint = "did you mean " + a.Local() + "@" + s + "?"
		}
		d.warnf(it.rng, hint, "the domain of %s is not declared", it.shown)
	}
	return []identity.Address{a}
}

// similarDomain returns the declared domain or alias that a domain may be meant
// to be, or "".
func (d *decoder) similarDomain(domain string) string {
	s, known := d.similar[domain]
	if known {
		return s
	}
	if d.similar == nil {
		d.similar = map[string]string{}
	}
	if len(d.similar) < mostSuggestions {
		names := slices.AppendSeq(slices.Collect(maps.Keys(d.declared)), maps.Keys(d.aliasOf))
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "*.") })
		s = words.Nearest(domain, names)
		d.similar[domain] = s
	}
	return s
}

// mostSuggestions is for how many domains a similar one is looked for.
const mostSuggestions = 100

func (d *decoder) lastDay(b *block, it item) time.Time {
	day, err := time.Parse(time.DateOnly, it.text)
	if err != nil {
		d.errorf(it.rng, `write the last day of the hold as year, month and day: "2027-06-30"`, "%s is not a date", it.shown)
		return time.Time{}
	}
	return day
}

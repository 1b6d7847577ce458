package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Masker gives masks in place of what identifies people. Equal values have
// equal masks, the mask of a well-formed address is a well-formed address, and
// that of a GUID a GUID.
type Masker interface {
	Address(string) string
	Name(string) string
	DN(string) string
	GUID(string) string
	// Text masks what it knows or recognizes in a sentence.
	Text(string) string
}

// Redact returns a copy of the plan that has masks in place of addresses,
// names, DNs and GUIDs, and in place of the digest of the configuration, by which
// its addresses could be guessed. Labels of the configuration stay, and so does
// what servers are called. The copy is marked, belongs to no state, and is ordered by
// its masks.
func (p *Plan) Redact(m Masker) *Plan {
	masked := *p
	masked.Redacted, masked.Lineage, masked.ConfigDigest, masked.id = true, "", m.Name(p.ConfigDigest), ""
	masked.Accounts = make([]AccountChange, len(p.Accounts))
	for i := range p.Accounts {
		masked.Accounts[i] = RedactChange(&p.Accounts[i], m)
	}
	sortFunc(masked.Accounts, func(x, y AccountChange) int {
		return cmp.Or(subject(&x).Primary.Compare(subject(&y).Primary), compareBefore(&x, &y))
	})
	masked.derive(func(x identity.Address) identity.Address { return identity.MustAddress(m.Address(x.String())) })

	masked.LeftOut = make([]LeftOut, len(p.LeftOut))
	for i := range p.LeftOut {
		masked.LeftOut[i] = p.LeftOut[i].redacted(m)
	}
	slices.SortFunc(masked.LeftOut, func(x, y LeftOut) int {
		a, b := x.row, y.row
		return cmp.Or(cmp.Compare(a.Category, b.Category), strings.Compare(a.Address, b.Address), strings.Compare(a.Attribute, b.Attribute))
	})
	masked.Rejections = make([]Rejection, len(p.Rejections))
	for i := range p.Rejections {
		masked.Rejections[i] = p.Rejections[i].redacted(m)
	}
	slices.SortStableFunc(masked.Rejections, compareRejections)
	masked.Risks = slices.Clone(p.Risks)
	for i := range masked.Risks {
		r := &masked.Risks[i]
		r.Names = each(r.Names, m.Address)
		slices.Sort(r.Names)
	}

	masked.Drift = make([]Drift, len(p.Drift))
	for i := range p.Drift {
		masked.Drift[i] = p.Drift[i].Redacted(m)
	}
	slices.SortStableFunc(masked.Drift, compareDrift)

	// Sentences last: by now, each value that they could speak of has its mask.
	for i := range masked.Rejections {
		r := &masked.Rejections[i]
		r.Detail = redactDetail(r.Cause, r.Detail, m)
	}
	for i := range masked.Risks {
		masked.Risks[i].Words = m.Text(masked.Risks[i].Words)
	}
	masked.Directories = slices.Clone(p.Directories)
	for i := range masked.Directories {
		r := &masked.Directories[i]
		r.Expiries = redactedExpiries(r.Expiries, m)
		r.Full = m.Text(r.Full)
		r.Server, r.Identity, r.References, r.Notes = m.Text(r.Server), m.Text(r.Identity), each(r.References, m.Text), each(r.Notes, m.Text)
	}
	masked.Prerequisites = slices.Clone(p.Prerequisites)
	for i := range masked.Prerequisites {
		r := &masked.Prerequisites[i]
		r.Server, r.Expiries = m.Text(r.Server), redactedExpiries(r.Expiries, m)
	}
	if p.Console != nil {
		c := *p.Console
		c.Product, c.Version = "", "" // they are what it says of itself, which may be anything
		c.Expiries = redactedExpiries(c.Expiries, m)
		masked.Console = &c
	}
	masked.Only, masked.Except = each(p.Only, m.Text), each(p.Except, m.Text)
	masked.Causes, masked.Warnings = each(p.Causes, m.Text), each(p.Warnings, m.Text)
	return &masked
}

// redactedExpiries masks who logs in, and what certificates say.
func redactedExpiries(all []identity.Expiry, m Masker) []identity.Expiry {
	masked := slices.Clone(all)
	for i := range masked {
		e := &masked[i]
		e.What = m.Text(e.What)
		switch {
		case !e.Person:
			e.Name = m.Text(e.Name)
		case strings.Contains(e.Name, "="):
			e.Name = m.DN(e.Name)
		case strings.Contains(e.Name, "@"):
			e.Name = m.Address(e.Name)
		default:
			e.Name = m.Name(e.Name)
		}
	}
	return masked
}

// RedactChange returns a copy of a change with masks.
func RedactChange(c *AccountChange, m Masker) AccountChange {
	masked := *c
	masked.Before, masked.After, masked.Kept = RedactAccount(c.Before, m), RedactAccount(c.After, m), RedactAccount(c.Kept, m)
	return masked
}

// RedactAccount returns a copy of an account with masks; nil for nil.
func RedactAccount(a *identity.Account, m Masker) *identity.Account {
	if a == nil {
		return nil
	}
	masked := *a
	masked.Primary = identity.MustAddress(m.Address(a.Primary.String()))
	masked.Aliases = nil
	for _, x := range a.Aliases {
		masked.Aliases = append(masked.Aliases, identity.MustAddress(m.Address(x.String())))
	}
	slices.SortFunc(masked.Aliases, identity.Address.Compare)
	masked.GUID = redactedGUID(a.GUID, m)
	masked.Username, masked.DN = m.Name(a.Username), m.DN(a.DN)
	masked.Attributes = nil
	for _, attr := range a.Attributes {
		masked.Attributes = append(masked.Attributes, identity.Attribute{Name: attr.Name, Value: m.Name(attr.Value)})
	}
	return &masked
}

func redactedGUID(g identity.GUID, m Masker) identity.GUID {
	masked, _ := identity.ParseGUID(m.GUID(g.String())) // the zero GUID stays what it is
	return masked
}

func (l *LeftOut) redacted(m Masker) LeftOut {
	r := l.Row()
	for _, x := range []*string{&r.Address, &r.NewPrimary, &r.OriginalPrimary} {
		*x = m.Address(*x)
	}
	for _, g := range []*string{&r.GUID, &r.OriginalGUID, &r.NewGUID} {
		*g = m.GUID(*g)
	}
	for _, name := range []*string{&r.Username, &r.OriginalUsername, &r.NewUsername} {
		*name = m.Name(*name)
	}
	r.DN = m.DN(r.DN)
	mask := m.Name
	if r.Attribute == AttributeDN {
		mask = m.DN
	}
	r.Original, r.New = mask(r.Original), mask(r.New)
	if r.Attribute == AttributeDN {
		r.DNChange = DNChangeText(r.Original, r.New)
	}
	with := l.With
	if !with.Address.IsZero() {
		with.Address = identity.MustAddress(m.Address(with.Address.String()))
	}
	return LeftOut{row: &r, With: with}
}

func (r *Rejection) redacted(m Masker) Rejection {
	masked := *r
	masked.Address, masked.Primary, masked.Wanted = m.Address(r.Address), m.Address(r.Primary), m.Address(r.Wanted)
	masked.DN, masked.GUID = m.DN(r.DN), redactedGUID(r.GUID, m)
	switch r.Other.Kind {
	case EntryParty:
		masked.Other.Name = m.DN(r.Other.Name)
	case AccountParty:
		masked.Other.Name = m.Address(r.Other.Name)
	case DirectoryParty:
	default:
		masked.Other.Name = m.Name(r.Other.Name)
	}
	return masked
}

// each returns what f makes of every text; nil of none.
func each(texts []string, f func(string) string) (all []string) {
	for _, text := range texts {
		all = append(all, f(text))
	}
	return all
}

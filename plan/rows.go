package plan

import (
	"cmp"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// AttributeDN is the attribute name under which a changed DN is told.
const AttributeDN = "dn"

// Rows spells out account changes as the rows of a change set: first what
// becomes of each address, then what becomes of each account. The rows depend
// on the account changes alone, so that a saved plan can be checked against
// them.
func Rows(changes []AccountChange) []Change {
	// lost are the addresses that an account had in service and has no more.
	lost := map[identity.Address]*AccountChange{}
	for n := range changes {
		c := &changes[n]
		eachAddress(c.Before, func(x identity.Address) {
			if c.After == nil || !c.After.Active() || !c.After.Holds(x) {
				lost[x] = c
			}
		})
	}
	gains := 0
	for n := range changes {
		changes[n].eachGain(func(identity.Address) { gains++ })
	}
	rows := make([]Change, 0, gains)
	for n := range changes {
		c := &changes[n]
		c.eachGain(func(x identity.Address) {
			loser, moved := lost[x]
			if !moved {
				rows = append(identity.Grown(rows), Change{Category: Add, Address: x, Before: c.Before, After: c.After})
				return
			}
			delete(lost, x)
			rows = append(identity.Grown(rows), Change{Category: move(loser.Before.Primary == x, c.After.Primary == x), Address: x, Before: loser.Before, After: c.After})
		})
		rows = c.accountRows(rows)
	}
	for n := range changes {
		c := &changes[n]
		eachAddress(c.Before, func(x identity.Address) {
			if lost[x] == c {
				rows = append(identity.Grown(rows), Change{Category: Inactive, Address: x, Before: c.Before, After: c.After, Withheld: c.Withheld})
			}
		})
	}
	sortFunc(rows, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.Category, y.Category), x.Address.Compare(y.Address), strings.Compare(x.Attribute, y.Attribute))
	})
	return rows
}

// eachAddress calls f with each address that an account has in service.
func eachAddress(a *identity.Account, f func(identity.Address)) {
	if a == nil || !a.Active() {
		return
	}
	f(a.Primary)
	for _, x := range a.Aliases {
		f(x)
	}
}

// eachGain calls f with each address that the account has in service after the
// change and had not before. The primary of an account that comes back with it
// is no gain: its reactivation says so.
func (c *AccountChange) eachGain(f func(identity.Address)) {
	eachAddress(c.After, func(x identity.Address) {
		switch {
		case c.Before == nil:
		case c.Before.Holds(x) && (c.Before.Active() || x == c.After.Primary):
			return
		}
		f(x)
	})
}

func move(wasPrimary, isPrimary bool) Category {
	switch {
	case wasPrimary && isPrimary:
		return PrimarySwitch
	case wasPrimary:
		return PrimaryToAlias
	case isPrimary:
		return AliasToPrimary
	}
	return AliasSwitch
}

// accountRows appends the rows that stand at the account's primary.
func (c *AccountChange) accountRows(rows []Change) []Change {
	before, after := c.Before, c.After
	if before == nil || after == nil || !after.Active() {
		return rows
	}
	row := func(category Category, attribute string) {
		rows = append(identity.Grown(rows), Change{Category: category, Address: after.Primary, Before: before, After: after, Attribute: attribute})
	}
	adopted := before.Local() && !after.Local()
	if before.Primary != after.Primary {
		row(PrimaryChange, "")
	}
	if before.Type != after.Type {
		row(TypeChange, "")
	}
	if !before.Active() {
		row(Reactivation, "")
	}
	if adopted {
		row(Adoption, "")
		return rows
	}
	moved := before.Directory != after.Directory
	if moved {
		row(DirectorySwitch, "")
	}
	if before.Username != after.Username {
		row(UsernameChange, "")
	}
	if before.GUID != after.GUID {
		row(GUIDChange, "")
	}
	if !moved && before.DN != after.DN {
		row(AttributeChange, AttributeDN)
	}
	eachAttribute(before, after, func(name, old, new string) {
		if old != new {
			row(AttributeChange, name)
		}
	})
	return rows
}

// eachAttribute calls f with the attributes that either account has, in order
// of their names.
func eachAttribute(before, after *identity.Account, f func(name, old, new string)) {
	x, y := before.Attributes, after.Attributes
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].Name < y[0].Name:
			f(x[0].Name, x[0].Value, "")
			x = x[1:]
		case len(x) == 0 || y[0].Name < x[0].Name:
			f(y[0].Name, "", y[0].Value)
			y = y[1:]
		default:
			f(x[0].Name, x[0].Value, y[0].Value)
			x, y = x[1:], y[1:]
		}
	}
}

// Row spells out a change; fields that its category does not have are "".
func (c *Change) Row() Row {
	after := c.After
	if c.Category == Inactive {
		after = c.Before
	}
	r := Row{
		Category: c.Category, Withheld: c.Withheld, Address: c.Address.String(),
		Type: after.Type.String(), Directory: after.Directory,
	}
	switch c.Category {
	case Add:
		r.NewPrimary, r.GUID, r.Username, r.DN = after.Primary.String(), after.GUID.String(), after.Username, after.DN
	case Inactive, AliasToPrimary:
		r.OriginalPrimary = c.Before.Primary.String()
	case PrimaryChange, AliasSwitch:
		r.OriginalPrimary, r.NewPrimary = c.Before.Primary.String(), after.Primary.String()
	case DirectorySwitch:
		r.OriginalDirectory, r.NewDirectory = c.Before.Directory, after.Directory
	case PrimaryToAlias:
		r.NewPrimary = after.Primary.String()
	case PrimarySwitch, GUIDChange:
		r.OriginalGUID, r.NewGUID = c.Before.GUID.String(), after.GUID.String()
	case TypeChange:
		r.OriginalType, r.NewType = c.Before.Type.String(), after.Type.String()
		r.Reason = "the entry is a " + after.Type.String() + " now"
	case UsernameChange:
		r.OriginalUsername, r.NewUsername = c.Before.Username, after.Username
	case Adoption:
		r.GUID, r.Username, r.DN = after.GUID.String(), after.Username, after.DN
	case Reactivation:
		r.GUID = after.GUID.String()
	case AttributeChange:
		r.Attribute = c.Attribute
		if c.Attribute == AttributeDN {
			r.Original, r.New = c.Before.DN, after.DN
		} else {
			r.Original, r.New = identity.Lookup(c.Before.Attributes, c.Attribute), identity.Lookup(after.Attributes, c.Attribute)
		}
	}
	return r
}

// Summary counts the rows of the plan.
func (p *Plan) Summary() Summary {
	s := Summary{Rejections: len(p.Rejections), Unchanged: p.Unchanged, LeftOut: len(p.LeftOut), LeftOutAccounts: p.LeftOutAccounts}
	for i := range p.Changes {
		s.Changes[p.Changes[i].Category]++
		s.Withheld += boolInt(p.Changes[i].Withheld)
	}
	for i := range p.Accounts {
		s.WithheldAccounts += boolInt(p.Accounts[i].Withheld)
	}
	return s
}

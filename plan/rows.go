package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// AttributeDN is the attribute name under which a changed DN is reported.
const AttributeDN = "dn"

// Rows spells out account changes as the rows of a change set: first what
// becomes of each address, then what becomes of each account. What a brake
// withholds has its rows too, marked. The rows depend on the account changes
// alone, so that a saved plan can be checked against them; only why an address
// is lost they do not say.
func Rows(changes []AccountChange) []Change {
	// A first import has several rows for each of very many accounts. They are sorted before
	// they are made, so that none has to be moved.
	gains := 0
	for n := range changes {
		if c := &changes[n]; c.Before == nil {
			eachGain(nil, c.Result(), func(identity.Address) { gains++ })
		}
	}
	places := make([]place, 0, gains)
	rows := rowsOf(changes, (*AccountChange).Result, func(n, k int) {
		places = append(compact.Grown(places), place{at: int32(n), of: int32(k)})
	})
	if slices.ContainsFunc(changes, func(c AccountChange) bool { return c.Withheld }) {
		rows = append(rows, withheldRows(changes, rows)...)
	}
	for i := range rows {
		places = append(compact.Grown(places), place{at: int32(i), of: none})
	}
	at := func(p place) Change {
		if p.of == none {
			return rows[p.at]
		}
		a := changes[p.at].Result()
		return Change{Category: Add, Address: addressOf(a, int(p.of)), After: a}
	}
	sortPlaces(places, func(p place, from int) sortKey {
		if p.of == none {
			return keyOf(byte(rows[p.at].Category), rows[p.at].Address.String(), from)
		}
		return keyOf(byte(Add), addressOf(changes[p.at].Result(), int(p.of)).String(), from)
	}, func(p, q place) int {
		x, y := at(p), at(q)
		return cmp.Or(cmp.Compare(x.Category, y.Category), x.Address.Compare(y.Address), strings.Compare(x.Attribute, y.Attribute))
	})
	all := make([]Change, len(places))
	inParts(len(all), func(first, end int) {
		for i := first; i < end; i++ {
			all[i] = at(places[i])
		}
	})
	return all
}

// addressOf returns the primary of an account, or alias k counted from 1.
func addressOf(a *identity.Account, k int) identity.Address {
	if k == 0 {
		return a.Primary
	}
	return a.Aliases[k-1]
}

// withheldRows returns the rows of losses which do not happen: those of
// the changes as the directories want them that are not among the real ones.
func withheldRows(changes []AccountChange, real []Change) []Change {
	type key struct {
		category Category
		address  identity.Address
		before   *identity.Account
	}
	happens := map[key]bool{}
	for n := range real {
		if r := &real[n]; r.Category.Loses() {
			happens[key{r.Category, r.Address, r.Before}] = true
		}
	}
	var rows []Change
	for _, r := range rowsOf(changes, func(c *AccountChange) *identity.Account { return c.After }, func(int, int) {}) {
		if r.Category.Loses() && !happens[key{r.Category, r.Address, r.Before}] {
			r.Withheld = true
			rows = append(rows, r)
		}
	}
	return rows
}

// Loses reports whether rows of the category take something away, so that a
// brake may withhold them.
func (c Category) Loses() bool { return c == Inactive || c == PrimaryChange || c == Removal }

// rowsOf returns the rows of changes that end as the function says, in no order. Those that
// say that an account is new with an address which nobody had are not made: fresh gets
// which change that is, and which address.
func rowsOf(changes []AccountChange, end func(*AccountChange) *identity.Account, fresh func(n, k int)) []Change {
	// lost are the addresses that an account had in service and has no more, and
	// gone the primaries of records that go, with who has them now.
	lost := map[identity.Address]*AccountChange{}
	gone := map[identity.Address]*identity.Account{}
	for n := range changes {
		c := &changes[n]
		after := end(c)
		if !c.Gone {
			eachInService(c.Before, func(x identity.Address) {
				if after == nil || !after.Active() || !after.Holds(x) {
					lost[x] = c
				}
			})
		}
		if after == nil && c.Before != nil {
			gone[c.Before.Primary] = nil
		}
	}
	for n := range changes {
		if len(gone) > 0 {
			after := end(&changes[n])
			after.EachAddress(func(x identity.Address) {
				if _, is := gone[x]; is {
					gone[x] = after
				}
			})
		}
	}
	var rows []Change
	for n := range changes {
		c := &changes[n]
		after, k := end(c), -1
		eachGain(c.Before, after, func(x identity.Address) {
			loser, moved := lost[x]
			k++
			switch {
			case !moved && c.Before == nil:
				fresh(n, k)
				return
			case !moved:
				rows = append(compact.Grown(rows), Change{Category: Add, Address: x, Before: c.Before, After: after})
				return
			}
			delete(lost, x)
			rows = append(compact.Grown(rows), Change{Category: move(loser.Before.Primary == x, after.Primary == x), Address: x, Before: loser.Before, After: after})
		})
		if after == nil && c.Before != nil {
			rows = append(rows, Change{Category: Removal, Address: c.Before.Primary, Before: c.Before, After: gone[c.Before.Primary]})
		}
		rows = accountRows(rows, c.Before, after)
	}
	for n := range changes {
		c := &changes[n]
		eachInService(c.Before, func(x identity.Address) {
			if lost[x] == c {
				rows = append(compact.Grown(rows), Change{Category: Inactive, Address: x, Before: c.Before, After: end(c)})
			}
		})
	}
	return rows
}

// eachInService calls f with each address that an account has in service.
func eachInService(a *identity.Account, f func(identity.Address)) {
	if a != nil && a.Active() {
		a.EachAddress(f)
	}
}

// eachGain calls f with each address that an account has in service afterwards
// and had not before. The primary of an account that comes back with it is no
// gain: its reactivation says so.
func eachGain(before, after *identity.Account, f func(identity.Address)) {
	eachInService(after, func(x identity.Address) {
		switch {
		case before == nil:
		case before.Holds(x) && (before.Active() || x == after.Primary):
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

// accountRows appends the rows that stand at the primary of an account that
// stays.
func accountRows(rows []Change, before, after *identity.Account) []Change {
	if before == nil || after == nil || !after.Active() {
		return rows
	}
	row := func(category Category, attribute string) {
		rows = append(compact.Grown(rows), Change{Category: category, Address: after.Primary, Before: before, After: after, Attribute: attribute})
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
	if c.Category == Inactive || c.Category == Removal {
		after = c.Before
	}
	r := Row{
		Category: c.Category, Withheld: c.Withheld, Drift: c.Drift, Address: c.Address.String(),
		Type: after.Type.String(), Directory: after.Directory,
	}
	switch c.Category {
	case Add:
		r.NewPrimary, r.GUID, r.Username, r.DN = after.Primary.String(), after.GUID.String(), after.Username, after.DN
	case Inactive:
		r.OriginalPrimary, r.GUID, r.Username, r.DN = after.Primary.String(), after.GUID.String(), after.Username, after.DN
		r.Reason = string(c.Reason)
	case Removal:
		r.GUID, r.OriginalDirectory = after.GUID.String(), after.Directory
		if c.After != nil {
			r.NewPrimary = c.After.Primary.String()
		}
	case AliasToPrimary:
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
			r.Original, r.New, r.DNChange = c.Before.DN, after.DN, DNChangeText(c.Before.DN, after.DN)
		} else {
			r.Original, r.New = identity.Lookup(c.Before.Attributes, c.Attribute), identity.Lookup(after.Attributes, c.Attribute)
		}
	}
	return r
}

// Summary counts what is in the plan.
func (p *Plan) Summary() Summary {
	s := Summary{Rejections: len(p.Rejections), Unchanged: p.Unchanged, Ignored: p.Ignored, LeftOut: len(p.LeftOut), LeftOutAccounts: p.LeftOutAccounts, Totals: p.totals()}
	for i := range p.Changes {
		c := &p.Changes[i]
		s.Changes[c.Category]++
		s.WithheldChanges[c.Category] += boolInt(c.Withheld)
		s.Withheld += boolInt(c.Withheld)
	}
	s.Totals.AddressesAdded = s.Changes[Add] - s.WithheldChanges[Add]
	s.Totals.AddressesLost = s.Changes[Inactive] - s.WithheldChanges[Inactive]
	for i := range p.Accounts {
		s.WithheldAccounts += boolInt(p.Accounts[i].Withheld)
	}
	return s
}

package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/repair"
	"github.com/rollcall-cli/rollcall/plan"
)

// object is one of a directory as a scope reads it.
type object struct {
	*directory.Found
	directory *Directory
	scope     *directory.Scope
}

// entry returns the object of an entry; its fields are nil where no search
// found it.
func (b *builder) entry(e plan.EntryRef) object {
	for n := range b.c.Directories {
		d := &b.c.Directories[n]
		s := slices.IndexFunc(d.Scopes, func(s directory.Scope) bool { return s.Name == e.Scope })
		if d.Name != e.Directory || s < 0 {
			continue
		}
		for _, list := range [...][]directory.Found{d.Found.Entries, d.Found.Objects} {
			for k := range list {
				o := &list[k]
				if guid := o.Verdicts[s].GUID; o.DN == e.DN && (guid == e.GUID || guid.IsZero() || e.GUID.IsZero()) {
					return object{o, d, &d.Scopes[s]}
				}
			}
		}
	}
	return object{}
}

// held returns the values of an attribute, as the directory has them, each with
// its options.
func (o *object) held(attribute string) (values []directory.FoundValue) {
	for _, v := range o.Held {
		name, options, _ := strings.Cut(v.Attribute, ";")
		if strings.EqualFold(name, attribute) {
			if options != "" {
				options = ";" + options
			}
			values = append(values, directory.FoundValue{Attribute: attribute + options, Value: v.Value})
		}
	}
	return values
}

// declared returns the values that begin with SMTP:, beside which the primary
// attribute is not read.
func (o *object) declared() (values []directory.FoundValue) {
	for _, attribute := range o.scope.AliasAttributes {
		for _, v := range o.held(attribute) {
			if prefix, _ := bare(v.Value); prefix == "SMTP:" {
				values = append(values, v)
			}
		}
	}
	return values
}

// lists returns the values by which the object lists an address, given without
// prefix. The primary attribute has its part in them where it is read, or would
// be once the others are gone.
func (o *object) lists(value string, role plan.Role) (values []directory.FoundValue) {
	if o.Found == nil {
		return nil
	}
	if role != plan.AliasRole || len(o.declared()) == 0 {
		for _, v := range o.held(o.scope.PrimaryAttribute) {
			if same(strings.TrimSpace(v.Value), value) {
				values = append(values, v)
			}
		}
	}
	values = append(values, o.aliases(value)...)
	slices.SortFunc(values, func(v, w directory.FoundValue) int {
		return cmp.Or(strings.Compare(strings.ToLower(v.Attribute), strings.ToLower(w.Attribute)), strings.Compare(v.Value, w.Value))
	})
	return values
}

// aliases are those of lists in the alias attributes.
func (o *object) aliases(value string) (values []directory.FoundValue) {
	for _, attribute := range o.scope.AliasAttributes {
		for _, v := range o.held(attribute) {
			if _, address := bare(v.Value); same(address, value) {
				values = append(values, v)
			}
		}
	}
	return values
}

// same compares an address of the directory with one as an entry has it.
func same(raw, value string) bool {
	return strings.EqualFold(strings.ToValidUTF8(raw, "\uFFFD"), value)
}

// bare returns a value of an alias attribute without prefix.
func bare(value string) (prefix, address string) {
	value = strings.TrimSpace(value)
	n := directory.Prefix([]byte(value))
	if n > 0 && strings.EqualFold(value[:n], "smtp") {
		return value[:n+1], strings.TrimSpace(value[n+1:])
	}
	return "", value
}

// alias returns the attribute for the aliases of the object, and the prefix that
// its values bear. Few servers but Active Directory have proxyAddresses: elsewhere
// it is one where the object has values in it.
func (o *object) alias() (attribute, prefix string) {
	for _, attribute := range o.scope.AliasAttributes {
		switch {
		case !strings.EqualFold(attribute, "proxyAddresses"):
			return attribute, ""
		case !o.LDAP || len(o.held(attribute)) > 0:
			return attribute, "smtp:"
		}
	}
	return "", ""
}

// edits are what becomes of the values of an object, by attribute with options.
type edits map[string][]repair.Edit

func (e edits) add(attribute, from, to string) {
	if edit := (repair.Edit{From: from, To: to}); !slices.Contains(e[attribute], edit) {
		e[attribute] = append(e[attribute], edit)
	}
}

// scripts writes the change of an object into an action, where a command makes it.
func (b *builder) scripts(a *Action, o *object, changed edits) {
	if o.Row {
		return
	}
	change := repair.Change{DN: b.m.DN(o.DN), GUID: b.identity(o), LDAP: o.LDAP}
	order := append([]string{o.scope.PrimaryAttribute}, o.scope.AliasAttributes...)
	rank := func(description string) int {
		name, _, _ := strings.Cut(description, ";")
		return (slices.Index(order, name) + len(order) + 1) % (len(order) + 1) // those of other scopes last
	}
	for _, attribute := range slices.SortedFunc(maps.Keys(changed), func(v, w string) int { return cmp.Or(rank(v)-rank(w), strings.Compare(v, w)) }) {
		name, _, _ := strings.Cut(attribute, ";")
		list := changed[attribute]
		var present []string
		for _, v := range o.held(name) {
			if v.Attribute == attribute {
				present = append(present, b.value(attribute, v.Value))
			}
		}
		for n := range list {
			list[n] = repair.Edit{From: b.value(attribute, list[n].From), To: b.value(attribute, list[n].To)}
		}
		if len(present) == 1 && len(list) == 1 && list[0].From != "" && list[0].To != "" {
			change.Replace = append(change.Replace, repair.Of(attribute, list[0].To)...)
			continue
		}
		change.Edit(attribute, present, list...)
	}
	a.LDIF, a.PowerShell = change.LDIF(), change.PowerShell()
}

// identity returns the objectGUID of an object, "" for none.
func (b *builder) identity(o *object) string {
	if o.ObjectGUID.IsZero() {
		return ""
	}
	return b.m.GUID(o.ObjectGUID.String())
}

// value masks a value of an attribute, "" for none.
func (b *builder) value(attribute, value string) string {
	_, address := bare(value)
	switch at := strings.LastIndex(value, address); {
	case strings.TrimSpace(value) == "":
		return value
	case strings.EqualFold(attribute, "dn"):
		return b.m.DN(value)
	case isGUID(value):
		return b.m.GUID(value)
	case strings.Contains(address, "@") || at > 0:
		return value[:at] + b.m.Address(address) + value[at+len(address):]
	}
	return b.m.Name(value)
}

// removal returns the values that go if an address is taken from an entry. Without
// a value that begins with SMTP:, the primary attribute is read: what the plan did
// not know of it is worked out now, and more says so.
func (b *builder) removal(f *plan.Fix) (o object, gone edits, more string) {
	if o = b.entry(f.Listing.Entry); o.Found == nil {
		return o, nil, ""
	}
	gone = edits{}
	var unknown []string
	for _, l := range f.Listings {
		o := b.entry(l.Entry)
		for _, v := range o.aliases(l.Value) {
			gone.add(v.Attribute, v.Value, "")
		}
	}
	for _, l := range f.Listings {
		o := b.entry(l.Entry)
		declared := o.declared()
		if slices.ContainsFunc(declared, func(v directory.FoundValue) bool {
			return !slices.Contains(gone[v.Attribute], repair.Edit{From: v.Value})
		}) {
			continue
		}
		for _, v := range o.held(o.scope.PrimaryAttribute) {
			address := strings.TrimSpace(v.Value)
			switch {
			case address == "":
			case slices.ContainsFunc(f.Listings, func(l plan.Listing) bool { return same(address, l.Value) }):
				gone.add(v.Attribute, v.Value, "")
			case len(declared) > 0 && l.Entry == f.Listing.Entry && !slices.Contains(unknown, address):
				unknown = append(unknown, strings.ToValidUTF8(address, "\uFFFD"))
			}
		}
	}
	if len(unknown) > 0 {
		if b.x.Declaring(f, unknown) != nil {
			return o, nil, ""
		}
		more = "; " + o.scope.PrimaryAttribute + " is read then"
	}
	return o, gone, more
}

// replacement puts another address wherever an object lists one, also where it is
// not read: its mail is to say the same.
func (b *builder) replacement(a *Action, f *plan.Fix) {
	o, changed := b.entry(f.Listing.Entry), edits{}
	if o.Found == nil {
		return
	}
	for _, l := range f.Listings {
		o := b.entry(l.Entry)
		for _, v := range append(o.aliases(l.Value), o.held(o.scope.PrimaryAttribute)...) {
			_, address := bare(v.Value)
			if at := strings.LastIndex(v.Value, address); same(address, l.Value) {
				changed.add(v.Attribute, v.Value, v.Value[:at]+f.New+v.Value[at+len(address):])
			}
		}
	}
	if len(changed) > 0 {
		b.scripts(a, &o, changed)
	}
}

// restoration gives an address back to an entry, as an alias.
func (b *builder) restoration(a *Action, f *plan.Fix) {
	o := b.entry(f.Listing.Entry)
	if o.Found == nil {
		return
	}
	if attribute, prefix := o.alias(); attribute != "" {
		changed := edits{}
		changed.add(attribute, "", prefix+f.Address)
		b.scripts(a, &o, changed)
	}
}

// promotion makes an address the primary of an entry, and what was it an alias.
func (b *builder) promotion(a *Action, f *plan.Fix) {
	o := b.entry(f.Listing.Entry)
	if o.Found == nil {
		return
	}
	attribute, prefix := o.alias()
	listed, changed := o.lists(f.Address, plan.AliasRole), edits{}
	if declared := o.declared(); len(declared) > 0 {
		for _, v := range declared {
			_, address := bare(v.Value)
			alias := "smtp:" + address
			if len(o.lists(address, plan.AliasRole)) > 1 { // the others are aliases
				alias = ""
			}
			changed.add(v.Attribute, v.Value, alias)
		}
		found := false
		for _, v := range listed {
			_, address := bare(v.Value)
			to := "SMTP:" + address
			if found {
				to = ""
			}
			changed.add(v.Attribute, v.Value, to)
			found = true
		}
		if !found {
			changed.add(attribute, "", "SMTP:"+f.Address)
		}
		for _, v := range o.held(o.scope.PrimaryAttribute) {
			if same(strings.TrimSpace(v.Value), f.Wanted) {
				changed.add(v.Attribute, v.Value, f.Address)
			}
		}
		b.scripts(a, &o, changed)
		return
	}
	before := o.held(o.scope.PrimaryAttribute)
	if len(before) != 1 || attribute == "" {
		return
	}
	changed.add(before[0].Attribute, before[0].Value, f.Address)
	for _, v := range listed {
		if v.Attribute != before[0].Attribute {
			changed.add(v.Attribute, v.Value, "")
		}
	}
	if wanted := o.lists(f.Wanted, plan.AliasRole); !slices.ContainsFunc(wanted, func(v directory.FoundValue) bool { return v.Attribute != before[0].Attribute }) {
		changed.add(attribute, "", prefix+f.Wanted)
	}
	b.scripts(a, &o, changed)
}

// mostOutside bounds the objects beside the plan for which changes are written.
const mostOutside = 2

// outsideActions are changes of objects after which a scope takes them, or their
// address counts.
func (b *builder) outsideActions() {
	shown := 0
	for n := range b.c.Directories {
		d := &b.c.Directories[n]
		for k := range d.Found.Objects {
			found := &d.Found.Objects[k]
			if shown == mostOutside || !b.isOutside(d, found) {
				continue
			}
			before := len(b.d.Actions)
			for i := range found.Verdicts {
				o := object{found, d, &d.Scopes[i]}
				if before == len(b.d.Actions) {
					b.moveBack(&o, &found.Verdicts[i])
					b.refill(&o, &found.Verdicts[i])
					b.correct(&o, &found.Verdicts[i])
				}
			}
			shown += min(len(b.d.Actions)-before, 1)
		}
	}
}

// account returns the account of an object that is no entry, or nil.
func (b *builder) account(d *Directory, o *directory.Found) *plan.AccountFacts {
	for n := range b.x.Accounts {
		f := &b.x.Accounts[n]
		if f.Standing == plan.Orphan && f.Before != nil && f.Before.Directory == d.Name &&
			slices.ContainsFunc(o.Verdicts, func(v directory.Verdict) bool { return !v.GUID.IsZero() && v.GUID == f.Before.GUID }) {
			return f
		}
	}
	return nil
}

// moveBack moves an object to where a scope takes it, if its place is all that
// is wrong: to where its account had it, or else to the base of the only scope.
func (b *builder) moveBack(o *object, v *directory.Verdict) {
	if o.Row || len(v.Obstacles) != 1 || v.Obstacles[0].Kind != directory.OutsideBase {
		return
	}
	target := ""
	if a := b.account(o.directory, o.Found); a != nil {
		base, err := identity.ParseDN(o.scope.Base)
		was, err2 := identity.ParseDN(identity.ParentDN(a.Before.DN))
		if err == nil && err2 == nil && was.Within(base) {
			target = identity.ParentDN(a.Before.DN)
		}
	}
	switch {
	case target != "":
	case len(o.directory.Scopes) == 1:
		target = o.scope.Base
	default:
		return
	}
	dn := b.m.DN(o.DN)
	move := repair.Move{DN: dn, GUID: b.identity(o), Name: firstName(dn), To: b.m.DN(target)}
	a := Action{
		Kind: "move", Address: b.only(), Text: fmt.Sprintf("if it is to stay, move %s to %s", b.m.Name(identity.LeafValue(o.DN)), move.To),
		Effect: "then scope " + quoted(v.Scope) + " takes it", LDIF: move.LDIF(),
	}
	if lists := func(v directory.FoundValue) bool { return !isGUID(v.Value) }; b.x.Subject.Kind == plan.AddressSubject && !slices.ContainsFunc(o.Values, lists) {
		a.Effect += ", but it does not list " + b.subject()
	}
	if !o.LDAP {
		a.PowerShell = move.PowerShell()
	}
	b.d.Actions = append(b.d.Actions, a)
}

// refill gives an object that lists no address those of its account back, if that is
// all that is wrong.
func (b *builder) refill(o *object, v *directory.Verdict) {
	f := b.account(o.directory, o.Found)
	if f == nil || len(v.Obstacles) != 1 || v.Obstacles[0].Kind != directory.NoAddress {
		return
	}
	primary, where := f.Before.Primary.String(), o.scope.PrimaryAttribute
	changed := edits{}
	changed.add(where, "", primary)
	if attribute, prefix := o.alias(); attribute != "" && len(f.Before.Aliases) > 0 {
		where += " and " + attribute
		for _, alias := range f.Before.Aliases {
			changed.add(attribute, "", prefix+alias.String())
		}
	}
	what := b.m.Address(primary)
	if n := len(f.Before.Aliases); n == 1 {
		what += " and its alias"
	} else if n > 1 {
		what += " and its aliases"
	}
	a := Action{
		Kind: "restore", Address: b.only(), Text: fmt.Sprintf("if it is to stay, restore %s in %s of %s", what, where, b.m.Name(identity.LeafValue(o.DN))),
		Effect: "then nothing is lost",
	}
	b.scripts(&a, o, changed)
	b.d.Actions = append(b.d.Actions, a)
}

// firstName returns the first relative name of a DN as it is written.
func firstName(dn string) string {
	parent := identity.ParentDN(dn)
	if parent == "" {
		return dn
	}
	return strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(dn, parent), " "), ",")
}

// correct makes an address count that stands beside a value with SMTP:, or makes
// the primary attribute say what that value does.
func (b *builder) correct(o *object, v *directory.Verdict) {
	at := func(kind directory.ObstacleKind) bool {
		return slices.ContainsFunc(v.Obstacles, func(x directory.Obstacle) bool { return x.Kind == kind })
	}
	if !v.Taken || !at(directory.BesideSMTP) || b.x.Subject.Kind != plan.AddressSubject {
		return
	}
	// An address that somebody has or lists could be lost to a contest.
	free := !slices.ContainsFunc(b.x.Addresses, func(f plan.AddressFacts) bool { return f.Before != nil || f.After != nil || len(f.Listed) > 0 })
	primary, declared := o.scope.PrimaryAttribute, o.declared()
	for _, value := range o.held(primary) {
		address := strings.TrimSpace(value.Value)
		if !slices.ContainsFunc(o.Values, func(v directory.FoundValue) bool {
			return strings.EqualFold(v.Attribute, value.Attribute) && v.Value == strings.ToValidUTF8(value.Value, "\uFFFD")
		}) {
			continue
		}
		name := b.m.Name(identity.LeafValue(o.DN))
		if attribute, _ := o.alias(); free && !at(directory.OtherDomain) {
			a := Action{Kind: "add_value", Address: b.only(), Text: fmt.Sprintf("to make it an alias, add smtp:%s to %s of %s", b.m.Address(address), attribute, name), Effect: "then the entry lists it; see the plan for what else changes"}
			changed := edits{}
			changed.add(attribute, "", "smtp:"+address)
			b.scripts(&a, o, changed)
			b.d.Actions = append(b.d.Actions, a)
		}
		if len(declared) == 1 {
			_, right := bare(declared[0].Value)
			a := Action{Kind: "correct_value", Address: b.only(), Text: fmt.Sprintf("if it is out of date, correct %s of %s to %s", primary, name, b.m.Address(right)), Effect: "then nothing else changes, because " + primary + " is not read there"}
			changed := edits{}
			changed.add(value.Attribute, value.Value, right)
			b.scripts(&a, o, changed)
			b.d.Actions = append(b.d.Actions, a)
		}
	}
}

// only is the address that the subject is, or "".
func (b *builder) only() string {
	if b.x.Subject.Kind != plan.AddressSubject {
		return ""
	}
	return b.m.Address(b.x.Subject.Text)
}

// quoted is a name in a sentence, as it is: renderers escape what must be.
func quoted(s string) string { return `"` + s + `"` }

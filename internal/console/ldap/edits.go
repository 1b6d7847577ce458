package ldap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// edit is what becomes of the values of an attribute.
type edit struct {
	attribute   string
	gone, fresh []string
}

// edits make an entry that of an account.
type edits struct{ all []edit }

// set makes values of an attribute what is wanted. Those that the server takes for
// equal stay as they are written.
func (x *edits) set(e *entry, attribute string, wanted []string, equal func(a, b string) bool) {
	var d edit
	now := e.get(attribute)
	lacks := func(all []string, v string) bool {
		return !slices.ContainsFunc(all, func(other string) bool { return equal(v, other) })
	}
	for _, v := range now {
		if lacks(wanted, v) && !e.inRDN(attribute, v) {
			d.gone = append(d.gone, v)
		}
	}
	for _, v := range wanted {
		if lacks(now, v) {
			d.fresh = append(d.fresh, v)
		}
	}
	if len(d.gone)+len(d.fresh) > 0 {
		d.attribute = attribute
		x.all = append(x.all, d)
	}
}

func exact(a, b string) bool { return a == b }

// touches reports whether values of an attribute change.
func (x *edits) touches(attribute string) bool {
	return slices.ContainsFunc(x.all, func(e edit) bool { return identity.AttributeName(e.attribute) == identity.AttributeName(attribute) })
}

// added returns the addresses that an entry gets which it had in none of the
// attributes, sorted.
func (x *edits) added(attributes ...string) (fresh []identity.Address) {
	var had []string
	for _, e := range x.all {
		if slices.Contains(attributes, e.attribute) {
			had = append(had, e.gone...)
		}
	}
	for _, e := range x.all {
		if !slices.Contains(attributes, e.attribute) {
			continue
		}
		for _, v := range e.fresh {
			if a, err := identity.ParseAddress(v); err == nil && !slices.ContainsFunc(had, func(h string) bool { return strings.EqualFold(h, v) }) {
				fresh = append(fresh, a)
			}
		}
	}
	slices.SortFunc(fresh, identity.Address.Compare)
	return slices.Compact(fresh)
}

// edits returns what makes an entry that of the account, in the fields that a step
// writes. What is so already is not among it, and the classes are touched where the
// account cannot be held without.
func (t *tree) edits(e *entry, want *identity.Live, writes func(fields ...string) bool) (*edits, error) {
	x := &edits{}
	if writes(plan.FieldPrimary) {
		var primary []string
		if !want.Primary.IsZero() {
			primary = []string{want.Primary.String()}
		}
		x.set(e, t.primary, primary, strings.EqualFold)
	}
	if writes(plan.FieldPrimary, plan.FieldAliases, plan.FieldStatus, plan.FieldOwner) {
		var served []string // the values of the attribute of aliases
		if want.Status == identity.Active && !want.Primary.IsZero() {
			served = append(served, want.Primary.String())
		}
		for _, a := range want.Aliases {
			served = append(served, a.String())
		}
		x.set(e, t.alias, served, strings.EqualFold)
	}
	if writes(plan.FieldOwner) {
		t.setOwner(x, e, want.Mark)
	}
	if writes(plan.FieldUsername) {
		if err := t.setText(x, e, t.username, want.Username, want.Mark.GUID); err != nil {
			return nil, err
		}
	}
	for _, m := range t.attributes {
		if writes(m.name) {
			if err := t.setText(x, e, m.attribute, identity.Lookup(want.Attributes, m.name), want.Mark.GUID); err != nil {
				return nil, err
			}
		}
	}
	if writes(plan.FieldType) || x.touches(t.alias) || x.touches(t.owner) {
		t.setClasses(x, e, want.Type)
	}
	return x, nil
}

// setText makes the one value that an account has of an attribute what is wanted. The
// others are of somebody else and stay. It is an error if one of them would then be
// taken for the account's. An attribute that the classes demand gets the GUID of the
// owner in place of nothing.
func (t *tree) setText(x *edits, e *entry, attribute, wanted string, owner identity.GUID) error {
	if t.text(e, attribute) == wanted {
		return nil
	}
	read, rest := e.text(attribute), e.get(attribute)
	d := edit{attribute: attribute}
	if read != "" && !e.inRDN(attribute, read) {
		d.gone = []string{read}
		rest = slices.DeleteFunc(slices.Clone(rest), func(v string) bool { return v == read })
	}
	if wanted == "" && len(rest) == 0 && t.demands(e, attribute) {
		d.fresh = []string{owner.String()}
	}
	if wanted != "" && !slices.ContainsFunc(rest, func(v string) bool { return strings.EqualFold(v, wanted) }) {
		d.fresh = []string{wanted}
	}
	if then := e.chosen(attribute, slices.Concat(rest, d.fresh)); len(rest) > 0 && !strings.EqualFold(then, wanted) && !e.inRDN(attribute, then) {
		return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("entry %q has %s %q beside %q, and would be read with it; remove it by hand, or map another attribute", e.dn, attribute, then, read)}
	}
	if len(d.gone)+len(d.fresh) > 0 {
		x.all = append(x.all, d)
	}
	return nil
}

// setOwner writes the mark. Other values of its attribute stay.
func (t *tree) setOwner(x *edits, e *entry, mark identity.Mark) {
	var values []string
	for _, v := range e.get(t.owner) {
		if m, ok := parseMark(v); !ok || m == mark {
			values = append(values, v)
		}
	}
	if !mark.IsZero() && !slices.Contains(t.marks(e), mark) {
		values = append(values, formatMark(mark))
	}
	x.set(e, t.owner, values, exact)
}

func (t *tree) typeOf(e *entry) identity.Type {
	if len(t.listed) > 0 && len(without(t.listed, e.get("objectClass"))) == 0 {
		return identity.List
	}
	return identity.User
}

// setClasses adds those of the type that are missing, and, of an entry that has the
// other, takes away those that the other alone has. An entry that has the type stays what it is by its structural
// class, which somebody else may have given it.
func (t *tree) setClasses(x *edits, e *entry, typ identity.Type) {
	classes, others := t.users, t.listed
	if typ == identity.List {
		classes, others = t.lists, t.used
	}
	values := e.get("objectClass")
	missing := without(classes, values)
	switch {
	case t.typeOf(e) != typ:
		values = without(values, others)
	case len(values) > 0:
		missing = without(missing, t.schema.structural(missing))
	}
	x.set(e, "objectClass", slices.Concat(values, missing), strings.EqualFold)
}

// fill gives a new entry its name in those attributes that its classes demand and the
// account does not have, such as sn. [tree.text] reads it as nothing.
func (t *tree) fill(x *edits, e *entry, typ identity.Type) {
	classes := t.users
	if typ == identity.List {
		classes = t.lists
	}
	for _, must := range t.schema.musts(classes) {
		if len(e.get(must)) == 0 && !x.touches(must) {
			x.all = append(x.all, edit{attribute: must, fresh: []string{e.one(t.name)}})
		}
	}
}

package plan

import (
	"slices"
	"strconv"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Field is a field of a row as text, by its key in the plan document. The keys
// of the other party of a rejection begin with "other_", but for its name, which
// is "other".
type Field struct{ Name, Value string }

// Fields returns the fields that the rows of the category have, beside category
// and address.
func (r *Row) Fields() []Field {
	all := []Field{{"type", r.Type}, {"directory", r.Directory}}
	for _, f := range fields[r.Category] {
		all = append(all, Field{f.key, *f.value(r)})
	}
	return append(all, Field{"withheld", strconv.FormatBool(r.Withheld)}, Field{"drift", strconv.FormatBool(r.Drift)})
}

// Fields returns the fields of the rejection, beside reason, address and since
// when it stands.
func (r *Rejection) Fields() []Field {
	return []Field{
		{"type", r.Type.String()}, {"primary", r.Primary}, {"guid", r.GUID.String()}, {"dn", r.DN}, {"directory", r.Directory}, {"scope", r.Scope},
		{"other", r.Other.Name}, {"other_kind", r.Other.Kind.String()}, {"other_directory", r.Other.Directory}, {"other_owner", r.Other.Owner}, {"other_more", strconv.Itoa(r.Other.More)},
		{"guard", r.Guard}, {"attribute", r.Attribute}, {"limit", strconv.Itoa(r.Limit)}, {"length", strconv.Itoa(r.Length)}, {"wanted", r.Wanted},
		{"cause", string(r.Cause)}, {"detail", r.Detail}, {"no_account", strconv.FormatBool(r.NoAccount)},
	}
}

// RedactFields returns fields of one row with masks in place of what identifies
// people. A name that may be one of an entry is, if it has the form of one.
func RedactFields(all []Field, m Masker) []Field {
	all = slices.Clone(all)
	ofDN := func(f Field) bool { return f.Name == "attribute" && f.Value != AttributeDN }
	text := slices.ContainsFunc(all, ofDN)
	for i := range all {
		f := &all[i]
		switch f.Name {
		case "primary", "new_primary", "original_primary", "wanted":
			f.Value = m.Address(f.Value)
		case "guid", "original_guid", "new_guid":
			f.Value = m.GUID(f.Value)
		case "dn":
			f.Value = m.DN(f.Value)
		case "username", "original_username", "new_username":
			f.Value = m.Name(f.Value)
		case "detail":
			f.Value = redactDetail(NotUnderstood, f.Value, m)
		case "other", "original", "new":
			if _, err := identity.ParseDN(f.Value); err == nil && f.Value != "" && (f.Name == "other" || !text) {
				f.Value = m.DN(f.Value)
			} else {
				f.Value = m.Name(f.Value)
			}
		}
	}
	field := func(name string) *Field {
		if i := slices.IndexFunc(all, func(f Field) bool { return f.Name == name }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	if change := field("dn_change"); change != nil && change.Value != "" {
		change.Value = DNChangeText(field("original").Value, field("new").Value)
	}
	return all
}

// CategoryNames returns the names of the categories in their order.
func CategoryNames() []string { return slices.Clone(categoryNames[:]) }

// ReasonNames returns the names of the reasons in their order.
func ReasonNames() []string {
	names := make([]string, 0, Reasons-1)
	for _, row := range reasons[1:] {
		names = append(names, row.name)
	}
	return names
}

// FieldNames returns the names of the fields that changes have, and of those
// that rejections have.
func FieldNames() (changes, rejections []string) {
	for c := range Category(Categories) {
		row := Row{Category: c}
		for _, f := range row.Fields() {
			changes = append(changes, f.Name)
		}
	}
	for _, f := range new(Rejection).Fields() {
		rejections = append(rejections, f.Name)
	}
	slices.Sort(changes)
	return slices.Compact(changes), rejections
}

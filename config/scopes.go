package config

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// reserved are the names of an account's own fields.
var reserved = []string{"aliases", "directory", "dn", "guid", "primary", "status", "type", plan.Username}

func (d *decoder) readScopes(blocks []*block) {
	if len(blocks) == 0 {
		d.errorf(whole(""), `write scope "staff" { directory = directory.NAME } and what to read`, "the configuration declares no scope")
	}
	for _, b := range blocks {
		scope := Scope{Name: b.label}
		var kind settings.Kind
		if a := b.Body.Attributes["directory"]; a == nil {
			d.errorf(b.header(), "write directory = directory.NAME", "scope %q lacks the attribute %q", b.label, "directory")
		} else if name, ok := d.labelled(directoryBlock, a.Expr); ok {
			scope.Directory = name
			kind = d.kindOf(name)
		}
		if base, ok := b.text("base_dn"); ok {
			scope.BaseDN = base.text
			d.checkDN(base)
		}
		if it, ok := b.text("filter"); ok {
			scope.Filter = d.filter(it, kind)
		}
		scope.PrimaryAttribute = d.schemaName(b, kind, "primary_attribute", "mail")
		scope.AliasAttributes = []string{"proxyAddresses"}
		if names, ok := b.texts("alias_attributes"); ok {
			scope.AliasAttributes = nil
			for _, it := range names {
				name, _ := d.checkSchemaName(kind, it, it.rng)
				scope.AliasAttributes = append(scope.AliasAttributes, name)
			}
		}
		scope.UsernameAttribute = d.schemaName(b, kind, "username_attribute", cmp.Or(kind.Username, "sAMAccountName"))
		scope.GUIDAttribute = d.schemaName(b, kind, "guid_attribute", "")
		scope.Type = b.oneOf("type", "auto", "user", "list")
		scope.Disabled = b.oneOf("disabled", DisabledKeep, DisabledInactive)
		scope.Attributes = d.attributes(b, kind)
		scope.Named = namedIn(b, &scope)
		scope.Attributes = withDisplayName(scope.Attributes)
		d.config.Scopes = append(d.config.Scopes, scope)

		rule := plan.Scope{Name: b.label, Directory: scope.Directory, GUIDAttribute: scope.GUIDAttribute, Domains: d.ownDomains(), Adopt: b.flag("adopt", true)}
		rule.Base, _ = identity.ParseDN(scope.BaseDN) // is checked where it is read
		rule.Rebind = b.oneOf("on_guid_change", "reject", "rebind") == "rebind"
		if b.has("domains") {
			rule.Domains = d.ownOnly(b, "domains")
			if v, ok := b.value("domains"); ok && isEmpty(v) {
				d.errorf(b.rangeOf("domains"), "name the domains whose addresses it takes, or remove the attribute for all that are not public", "%q is empty", "domains")
			}
		}
		rule.MaxLength = d.maxLength(b, scope.Attributes)
		d.config.Rules.Scopes = append(d.config.Rules.Scopes, rule)
	}
}

func isEmpty(v cty.Value) bool {
	plain, _ := v.Unmark()
	return plain.CanIterateElements() && plain.LengthInt() == 0
}

// namedIn returns the attributes of the directory that a block names.
func namedIn(b *block, s *Scope) (names []string) {
	for argument, its := range map[string][]string{
		"primary_attribute": {s.PrimaryAttribute}, "alias_attributes": s.AliasAttributes, "username_attribute": {s.UsernameAttribute}, "guid_attribute": {s.GUIDAttribute},
	} {
		if b.has(argument) {
			names = append(names, its...)
		}
	}
	for _, a := range s.Attributes {
		names = append(names, a.Source)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// kindOf returns the kind of a directory; the zero Kind where it is not known.
func (d *decoder) kindOf(directory string) (kind settings.Kind) {
	for i := range d.config.Directories {
		if d.config.Directories[i].Name != directory {
			continue
		}
		for _, k := range d.kinds.Directories {
			if k.Name == d.config.Directories[i].Kind {
				return k
			}
		}
	}
	return kind
}

// checkDN points at what keeps a text from being a distinguished name.
func (d *decoder) checkDN(it item) {
	_, err := identity.ParseDN(it.text)
	if e, ok := errors.AsType[*identity.ErrDN](err); ok {
		d.errorf(it.part(e.Offset, 1), remedy(e.Reason, it), "%s is not a distinguished name (RFC 4514)", it.shown)
	}
}

// remedy is the reason of a parser's error; what it says to write with one
// backslash takes two in the quotes of HCL.
func remedy(reason string, it item) string {
	if it.literal && strings.Contains(reason, `\`) {
		return reason + "; in quotes each backslash is written twice"
	}
	return reason
}

// filter points at what keeps a text from being a search filter, or its conditions
// from ever being true.
func (d *decoder) filter(it item, kind settings.Kind) string {
	f, err := filter.Parse(it.text)
	if err != nil {
		hint, rng := "write a filter of RFC 4515", it.rng
		if e, ok := errors.AsType[*filter.SyntaxError](err); ok {
			hint = remedy(e.Reason, it)
			rng = it.part(e.Offset, 1)
			if kind.Attribute != nil {
				hint += "; a column is named without spaces and brackets"
			}
		}
		d.errorf(rng, hint, "%s is not a search filter", it.shown)
		return ""
	}
	for _, i := range f.Impossible() {
		what, hint := i.Text+" "+i.Reason, remedy(i.Remedy, it)
		if !it.quoted() {
			what, hint = "part of it compares with a value of another kind", "compare with what the attribute can hold"
		}
		d.errorf(it.part(i.Offset, i.Length), hint, "a condition of the filter can never hold, and nor can its negation: %s", what)
	}
	if why := f.Unsupported(); why != "" && (kind.Files || kind.Judged) {
		on, hint := "on a file", "rewrite that part with attributes that the file has"
		if kind.Judged {
			on, hint = "by rollcall", "rewrite that part with attributes that the directory has"
		}
		if i := strings.LastIndex(why, "; "); i >= 0 {
			why, hint = why[:i], why[i+2:]
		}
		if !it.quoted() {
			why = "part of it asks what only a server knows"
		}
		d.errorf(it.rng, hint, "the filter cannot be judged %s: %s", on, why)
	}
	return f.String()
}

// schemaName reads the name of an LDAP attribute.
func (d *decoder) schemaName(b *block, kind settings.Kind, name, byDefault string) string {
	if it, ok := b.text(name); ok {
		if text, ok := d.checkSchemaName(kind, it, it.rng); ok {
			return text
		}
	}
	return byDefault
}

// checkSchemaName accepts attribute descriptions of RFC 4512 section 2.5: a
// name or an OID, and options. Some servers allow underscores. It returns what the
// kind of directory makes of it.
func (d *decoder) checkSchemaName(kind settings.Kind, it item, rng hcl.Range) (name string, ok bool) {
	odd := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && r != ';' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	name = it.text
	if kind.Attribute != nil {
		name = kind.Attribute(name)
	}
	if name == "" || strings.ContainsFunc(name, odd) || strings.HasPrefix(name, ";") {
		if it.shown != "" {
			d.errorf(rng, `expected a name as in "displayName"`, "%s is not the name of an LDAP attribute", it.shown)
		}
		return name, false
	}
	return name, true
}

// attributes reads what is kept of an entry.
func (d *decoder) attributes(b *block, kind settings.Kind) []Attribute {
	const example = `department = "department"`
	entries, _ := b.table("attributes", example)
	var list []Attribute
	for _, e := range entries {
		if !d.attributeName(e) {
			continue
		}
		plain, _ := e.value.Unmark()
		if plain.IsNull() || plain.Type() != cty.String {
			d.errorf(e.rng, "put the name of an LDAP attribute in quotes", "attribute %s is %s; expected a string", e.shown, typeName(plain))
			continue
		}
		it := b.item(e.value, e.rng, e.expr, -1)
		if name, ok := d.checkSchemaName(kind, it, e.rng); ok {
			list = append(list, Attribute{e.name, name})
		}
	}
	return list
}

// withDisplayName adds the display name to attributes that lack it.
func withDisplayName(list []Attribute) []Attribute {
	if slices.ContainsFunc(list, func(a Attribute) bool { return a.Name == identity.DisplayName }) {
		return list
	}
	list = append(list, Attribute{identity.DisplayName, "displayName"})
	slices.SortFunc(list, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// attributeName reports a name that no attribute of an account can have.
func (d *decoder) attributeName(e entry) bool {
	switch {
	case slices.Contains(reserved, e.name):
		d.errorf(e.nameRng, "give it another name", "%s is a field of every account, and no attribute", e.shown)
	case !snakeCase(e.name):
		d.errorf(e.nameRng, "use lower-case letters, digits and underscores, a letter first", "%s cannot be the name of an attribute", e.shown)
	default:
		return true
	}
	return false
}

func snakeCase(s string) bool {
	odd := func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsFunc(s, odd)
}

// maxLength reads limits of attributes that the scope reads.
func (d *decoder) maxLength(b *block, attributes []Attribute) map[string]int {
	entries, _ := b.table("max_length", "display_name = 64")
	names := []string{plan.Username}
	for _, a := range attributes {
		names = append(names, a.Name)
	}
	var limits map[string]int
	for _, e := range entries {
		if !slices.Contains(names, e.name) {
			hint := "expected " + words.Alternatives(names, "%s")
			switch read, _ := b.value("attributes"); {
			case read != cty.NilVal && read.ContainsMarked():
				hint = "name one that the attribute \"attributes\" does"
			case e.name == "dn":
				hint = "remove it; a DN has no limit"
			case strings.HasPrefix(e.shown, `"`):
				hint = didYouMean(e.name, names, "%s")
			}
			d.errorf(e.nameRng, hint, "scope %q reads no attribute of the name %s", b.label, e.shown)
			continue
		}
		if n, ok := b.whole(e.value, e.rng, "the limit of "+e.shown, 1, math.MaxInt32); ok {
			if limits == nil {
				limits = map[string]int{}
			}
			limits[e.name] = n
		}
	}
	return limits
}

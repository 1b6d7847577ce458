package config

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/rollcall-cli/rollcall/plan"
)

// Prerequisite says which objects of a directory to read, and of which attribute
// the values.
type Prerequisite struct {
	Name, Directory string
	// BaseDN and Filter are as those of a [Scope]; a filter of "" is every object
	// that has the attribute.
	BaseDN, Filter string
	// Attribute is an LDAP attribute, as written.
	Attribute string
}

func (d *decoder) readPrerequisites(blocks []*block) {
	seen := map[string]string{}
	for _, b := range blocks {
		d.fileLabel(b, seen)
		p, rule := Prerequisite{Name: b.label}, plan.Prerequisite{Label: b.label}
		if a := b.Body.Attributes["directory"]; a == nil {
			d.errorf(b.header(), "write directory = directory.NAME", "%s lacks the attribute %q", b.named(), "directory")
		} else if name, ok := d.labelled(directoryBlock, a.Expr); ok {
			p.Directory = name
		}
		if base, ok := b.text("base_dn"); ok {
			p.BaseDN = base.text
			d.checkDN(base)
		}
		if it, ok := b.text("filter"); ok {
			p.Filter = d.filter(it, d.kindOf(p.Directory))
		}
		if b.require("attribute", `write attribute = "mail", or whichever of the directory's attributes is compared`) {
			p.Attribute = d.schemaName(b, d.kindOf(p.Directory), "attribute", "")
		}
		rule.Directory, rule.Attribute = p.Directory, p.Attribute
		rule.Match, _ = plan.ParseMatch(b.oneOf("match", plan.MatchNames()...))
		rule.Overdue, _ = b.duration("overdue")
		rule.Scopes = d.scopesOf(b)
		d.config.Prerequisites = append(d.config.Prerequisites, p)
		d.config.Rules.Prerequisites = append(d.config.Rules.Prerequisites, rule)
	}
}

// scopesOf returns the labels of the scopes that a prerequisite refers to.
func (d *decoder) scopesOf(b *block) (labels []string) {
	const hint = "write scopes = [scope.NAME]"
	a := b.Body.Attributes["scopes"]
	if a == nil {
		d.errorf(b.header(), hint, "%s lacks the attribute %q", b.named(), "scopes")
		return nil
	}
	list, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok || len(list.Exprs) == 0 {
		d.errorf(a.Expr.Range(), hint, "expected a list of references to scopes")
		return nil
	}
	for _, expr := range list.Exprs {
		if label, ok := d.labelled(scopeBlock, expr); ok {
			labels = append(labels, label)
		}
	}
	return labels
}

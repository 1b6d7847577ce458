package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// namedKind returns the kind that a block names, or nil.
func (e *evaluator) namedKind(raw *hclsyntax.Block, kinds []settings.Kind) *settings.Kind {
	a := raw.Body.Attributes["kind"]
	if a == nil {
		return nil
	}
	v, ok := e.eval(a.Expr, false)
	if !ok {
		return nil
	}
	plain, _ := v.Unmark()
	if plain.IsNull() || plain.Type() != cty.String {
		return nil
	}
	i := slices.IndexFunc(kinds, func(k settings.Kind) bool { return k.Name == plain.AsString() })
	if i < 0 {
		return nil
	}
	return &kinds[i]
}

// ofKind returns the type of a block with the attributes and blocks of a kind
// beside its own.
func (t blockType) ofKind(k *settings.Kind) blockType {
	names := func(all []settings.Setting) (names, secrets []string) {
		for i := range all {
			names = append(names, all[i].Name)
			if all[i].Secret {
				secrets = append(secrets, all[i].Name)
			}
		}
		return names, secrets
	}
	own, secrets := names(k.Settings)
	t.kind, t.attributes, t.secrets = k.Name, slices.Concat(t.attributes, own), secrets
	for i := range k.Blocks {
		inner := blockType{name: k.Blocks[i].Name, example: k.Blocks[i].Name + " {"}
		inner.attributes, inner.secrets = names(k.Blocks[i].Settings)
		t.blocks = append(t.blocks, inner)
	}
	return t
}

// ofKind reads what a block says of the settings of its kind.
func (b *block) ofKind(k *settings.Kind, folder string) settings.Values {
	set := b.set(k.Settings)
	for i := range k.Blocks {
		of := &k.Blocks[i]
		inner := b.single(b.inside(of.Name))
		switch {
		case inner != nil:
			set[of.Name] = of.Values(folder, inner.set(of.Settings))
		case of.Required:
			b.errorf(b.header(), "write "+of.Name+" { ... } in it", "%s lacks the block %q", b.named(), of.Name)
		}
	}
	values := k.Values(b.label, folder, set)
	if k.Check != nil {
		for _, p := range k.Check(values) {
			severity := Error
			if p.Warning {
				severity = Warning
			}
			b.report(severity, b.at(p.Setting), p.Hint, p.Summary)
		}
	}
	return values
}

// inside returns the blocks of a type that stand in the block.
func (b *block) inside(name string) (found []*block) {
	for _, inner := range b.blocks {
		if inner.Type == name {
			found = append(found, inner)
		}
	}
	return found
}

// at returns where a setting of the block stands, written as problems name it.
func (b *block) at(name string) hcl.Range {
	first, rest, _ := strings.Cut(name, ".")
	if a := b.Body.Attributes[first]; a != nil {
		return a.SrcRange
	}
	if inner := b.inside(first); len(inner) > 0 {
		return inner[0].at(rest)
	}
	return b.header()
}

// set reads the settings of the block that are written. One that cannot be read
// is nil.
func (b *block) set(all []settings.Setting) map[string]any {
	set := map[string]any{}
	for i := range all {
		s := &all[i]
		switch {
		case b.has(s.Name):
			set[s.Name] = b.setting(s)
		case s.Required:
			b.require(s.Name, "write "+s.Name+" = "+exampleOf(s))
		}
	}
	return set
}

func (b *block) setting(s *settings.Setting) any {
	switch s.Type {
	case settings.Texts:
		if list, ok := b.checked(s); ok {
			return list
		}
	case settings.Number:
		if v, ok := b.value(s.Name); ok {
			if n, ok := b.whole(v, b.rangeOf(s.Name), fmt.Sprintf("%q", s.Name), s.Least, cmp.Or(s.Most, math.MaxInt32)); ok {
				return n
			}
		}
	case settings.Flag:
		if yes, ok := b.truth(s.Name); ok {
			return yes
		}
	case settings.Duration:
		if d, ok := b.duration(s.Name); ok {
			return d
		}
	case settings.Any:
		if v, ok := b.value(s.Name); ok {
			return settings.JSON{All: settings.NewSecret(jsonText(v)), Shown: jsonText(conceal("", v))}
		}
	case settings.Map:
		entries, ok := b.table(s.Name, cmp.Or(s.Example, `name = "..."`))
		texts := map[string]string{}
		for _, e := range entries {
			text, isText := b.texted(e, s.Name)
			ok = ok && isText
			texts[e.name] = text
		}
		if ok {
			return texts
		}
	default:
		it, ok := b.text(s.Name)
		if !ok || !b.fullText(s.Name, it) || !b.isWord(s.Name, it, s.Words) || !b.fits(s, it) {
			return nil
		}
		if !s.Secret {
			return it.text
		}
		if v, _ := b.value(s.Name); !v.IsMarked() {
			b.warnf(b.Body.Attributes[s.Name].NameRange, `use env("NAME") or file("path"), and change it`, "%q of %s is a secret and stands in the configuration", s.Name, b.named())
		}
		return settings.NewSecret(it.text)
	}
	return nil
}

// checked returns a list of texts.
func (b *block) checked(s *settings.Setting) (list []string, ok bool) {
	items, ok := b.texts(s.Name)
	if ok && len(items) == 0 && s.Required {
		b.errorf(b.rangeOf(s.Name), "write "+s.Name+" = "+exampleOf(s), "%q is empty", s.Name)
		return nil, false
	}
	for _, it := range items {
		ok = ok && b.fits(s, it)
		list = append(list, it.text)
	}
	return list, ok
}

// fits reports what the check of a setting has against a text.
func (b *block) fits(s *settings.Setting, it item) bool {
	if s.Check == nil {
		return true
	}
	wrong, advice := s.Check(it.text)
	if wrong == "" {
		return true
	}
	shown := it.shown
	if s.Secret {
		shown = fmt.Sprintf("%q", s.Name)
	}
	b.errorf(it.rng, advice, "%s %s", shown, wrong)
	return false
}

// exampleOf is how a setting is written.
func exampleOf(s *settings.Setting) string {
	switch {
	case s.Example != "":
		return s.Example
	case s.Secret:
		return `env("NAME")`
	}
	return [...]string{
		settings.Text: `"..."`, settings.Texts: `["..."]`, settings.Number: "1", settings.Flag: "true", settings.Duration: `"60s"`,
		settings.Any: "{ ... }", settings.Map: `{ name = "..." }`, settings.Path: `"path"`,
	}[s.Type]
}

// jsonText returns a value as JSON, without its marks.
func jsonText(v cty.Value) string {
	plain, _ := v.UnmarkDeep()
	text, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		panic(err) // every value of an expression can be written
	}
	return string(text)
}

// conceal replaces what is marked in a value, and what has the name of a secret.
func conceal(name string, v cty.Value) cty.Value {
	switch {
	case v.IsMarked(), secretName(name) && !v.IsNull():
		return cty.StringVal(settings.Concealed)
	case v.IsNull() || !v.CanIterateElements():
		return v
	}
	keyed := v.Type().IsObjectType() || v.Type().IsMapType()
	members, list := map[string]cty.Value{}, []cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		key, element := it.Element()
		if keyed {
			members[key.AsString()] = conceal(key.AsString(), element)
		} else {
			list = append(list, conceal("", element))
		}
	}
	if keyed {
		return cty.ObjectVal(members)
	}
	return cty.TupleVal(list)
}

package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// Kinds are what the attribute kind of blocks may say.
type Kinds struct {
	// [Local] is among the consoles in any case. Channels are blocks in that of a
	// channel, by their names, and Stores in that of the state.
	Directories, Consoles, Channels, Stores []settings.Kind
}

// blockTypes are what a configuration consists of, whose blocks take what any of
// the kinds does.
func (k *Kinds) blockTypes() []blockType {
	all := slices.Clone(blockTypes)
	for i := range all {
		switch t := &all[i]; t.name {
		case directoryBlock:
			t.takes(k.Directories)
		case consoleBlock:
			t.takes(k.Consoles)
		case notifyBlock:
			t.holds(k.Channels)
		case stateBlock:
			t.holds(k.Stores)
		}
	}
	return all
}

// takes adds the attributes and blocks of kinds to those of the type.
func (t *blockType) takes(kinds []settings.Kind) {
	t.attributes = slices.Clone(t.attributes)
	for _, k := range kinds {
		t.add(k.Settings)
		for _, b := range k.Blocks {
			i := slices.IndexFunc(t.blocks, func(inner blockType) bool { return inner.name == b.Name })
			if i < 0 {
				i = len(t.blocks)
				t.blocks = append(t.blocks, blockType{name: b.Name, example: b.Name + " {"})
			}
			t.blocks[i].add(b.Settings)
		}
	}
}

// holds lets a block of each kind stand inside those of the type.
func (t *blockType) holds(kinds []settings.Kind) {
	for _, k := range kinds {
		inner := blockType{name: k.Name, example: k.Name + " {"}
		inner.add(k.Settings)
		t.blocks = append(t.blocks, inner)
	}
}

func (t *blockType) add(all []settings.Setting) {
	for _, s := range all {
		if !slices.Contains(t.attributes, s.Name) {
			t.attributes = append(t.attributes, s.Name)
		}
		if s.Secret {
			t.secrets = append(t.secrets, s.Name)
		}
	}
}

// kind returns the kind that the block says it is of, or nil. What stands in it
// and belongs to other kinds alone is reported and forgotten.
func (b *block) kind(kinds []settings.Kind, common ...string) *settings.Kind {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	if !b.require("kind", "expected "+words.Alternatives(names, "kind = %q")) {
		return nil
	}
	it, ok := b.text("kind")
	if !ok || !b.isWord("kind", it, names) {
		return nil // which attributes belong here is anybody's guess
	}
	k := &kinds[slices.Index(names, it.text)]
	of := fmt.Sprintf("a %s of kind %q", b.Type, k.Name)
	hint := "remove it"
	if len(k.Settings) > 0 {
		hint += "; the kind takes " + words.Alternatives(namesOf(k.Settings), "%s")
	}
	b.only(k.Settings, append(common, "kind"), of, hint)
	b.blocks = slices.DeleteFunc(b.blocks, func(inner *block) bool {
		i := slices.IndexFunc(k.Blocks, func(known settings.Block) bool { return known.Name == inner.Type })
		if i < 0 {
			b.errorf(inner.TypeRange, hint, "%s has no block %q", of, inner.Type)
			return true
		}
		inner.only(k.Blocks[i].Settings, nil, fmt.Sprintf("the %s block of %s", inner.Type, of), "remove it; the block takes "+words.Alternatives(namesOf(k.Blocks[i].Settings), "%s"))
		return false
	})
	return k
}

// only reports and forgets the attributes that are none of the settings.
func (b *block) only(all []settings.Setting, common []string, of, hint string) {
	for _, a := range inOrder(b.Body.Attributes) {
		known := slices.Contains(common, a.Name) || slices.Contains(namesOf(all), a.Name)
		if !known && b.has(a.Name) {
			b.errorf(a.NameRange, hint, "%s has no attribute %q", of, a.Name)
			delete(b.values, a.Name)
		}
	}
}

func namesOf(all []settings.Setting) (names []string) {
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names
}

// settings reads what the block says of the settings of its kind, and where that
// is.
func (b *block) settings(k *settings.Kind, folder string) (values settings.Values, where []string) {
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
	values = k.Values(b.label, folder, set)
	if k.Check != nil {
		for _, p := range k.Check(values) {
			b.problem(&p)
		}
	}
	if k.Where != nil && !b.diags.HasErrors() {
		where = k.Where(values)
	}
	return values, where
}

// problem reports what a kind has against its settings.
func (b *block) problem(p *settings.Problem) {
	name, rest, _ := strings.Cut(p.Setting, ".")
	a := b.Body.Attributes[name]
	if inner := b.inside(name); a == nil && len(inner) > 0 {
		of := *p
		of.Setting = rest
		inner[0].problem(&of)
		return
	}
	severity, rng, summary := Error, b.header(), p.Summary
	if p.Warning {
		severity = Warning
	}
	switch {
	case a == nil:
	case p.Part == settings.Name:
		rng = a.NameRange
	case p.Part == settings.Value:
		rng = b.rangeOf(name)
		if it, ok := b.valueAt(name, p.Item); ok {
			rng, summary = it.rng, strings.ReplaceAll(summary, "%s", it.shown)
		}
	default:
		rng = a.SrcRange
	}
	b.report(severity, rng, p.Hint, summary)
}

// valueAt returns a text, or that of a list.
func (b *block) valueAt(name string, i int) (item, bool) {
	items, _ := b.textOrTexts(name) // whose problems are reported already
	if i < len(items) {
		return items[i], true
	}
	return item{}, false
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
			hint := "write " + s.Name + " = " + exampleOf(s)
			if s.Help != "" {
				hint += "; " + s.Help
			}
			b.require(s.Name, hint)
		}
	}
	return set
}

func (b *block) setting(s *settings.Setting) any {
	switch s.Type {
	case settings.Texts:
		if list := b.list(s); list != nil {
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
		if !ok || !b.fits(s, it) || !b.fullText(s.Name, it) || !b.isWord(s.Name, it, s.Words) {
			return nil
		}
		if !s.Secret {
			return it.text
		}
		if v, _ := b.value(s.Name); !v.IsMarked() {
			noun := s.Name[strings.LastIndexByte(s.Name, '_')+1:]
			b.warnf(b.Body.Attributes[s.Name].NameRange, `use env("NAME") or file("path"), and change the `+noun, "the %s of %s is written in the configuration", noun, b.named())
		}
		return settings.NewSecret(it.text)
	}
	return nil
}

// list returns a list of texts, where those that are wrong are empty.
func (b *block) list(s *settings.Setting) []string {
	read := b.texts
	if s.Alone {
		read = b.textOrTexts
	}
	items, ok := read(s.Name)
	if ok && len(items) == 0 {
		b.errorf(b.rangeOf(s.Name), "write "+s.Name+" = "+exampleOf(s), "%q is empty", s.Name)
	}
	list := make([]string, len(items))
	for i, it := range items {
		if it.shown != "" && b.fits(s, it) {
			list[i] = it.text
		}
	}
	return list
}

// fits reports what the check of a setting has against a text.
func (b *block) fits(s *settings.Setting, it item) bool {
	if s.Check == nil {
		return true
	}
	p := s.Check(it.text)
	if p.Summary == "" {
		return true
	}
	shown, rng, hint := it.shown, it.rng, p.Hint
	if s.Secret {
		shown = fmt.Sprintf("%q", s.Name)
	}
	if p.Length > 0 {
		rng, hint = it.part(p.Offset, p.Length), remedy(hint, it)
	}
	b.errorf(rng, hint, "%s", strings.ReplaceAll(p.Summary, "%s", shown))
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

package config

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// block is one block, its attributes known and evaluated.
type block struct {
	*hclsyntax.Block
	*evaluator
	label string
	// values lacks the attributes that are null or are references. It holds
	// NilVal for those that failed.
	values map[string]cty.Value
	// blocks are those in it.
	blocks []*block
}

// open checks the shape of a block and evaluates its attributes. It returns nil
// for a block that has no name to go on with.
func (e *evaluator) open(raw *hclsyntax.Block) *block {
	t, ok := blockTypeOf(e.types, raw.Type)
	if !ok {
		e.errorf(raw.TypeRange, didYouMean(raw.Type, blockNames(e.types), "%s"), "there is no block %q", raw.Type)
		return nil
	}
	return e.openAs(t, raw)
}

func (e *evaluator) openAs(t blockType, raw *hclsyntax.Block) *block {
	b := &block{Block: raw, evaluator: e, values: map[string]cty.Value{}}
	for _, nested := range raw.Body.Blocks {
		if t, ok := blockTypeOf(t.blocks, nested.Type); ok {
			if opened := e.openAs(t, nested); opened != nil {
				b.blocks = append(b.blocks, opened)
			}
			continue
		}
		hint := "a block ends with } before the next one begins"
		if s := words.Nearest(nested.Type, blockNames(t.blocks)); s != "" {
			hint = "did you mean " + s + "?"
		}
		if slices.Contains(t.attributes, nested.Type) {
			hint = "it is an attribute; write " + nested.Type + " = ..."
		}
		e.errorf(nested.TypeRange, hint, "%s block holds no block %q", t.named(), nested.Type)
	}
	if t.name == localsBlock {
		if len(raw.Labels) > 0 {
			e.errorf(raw.LabelRanges[0], "write "+t.example, "a locals block has no label")
		}
		return b
	}
	for _, a := range inOrder(raw.Body.Attributes) {
		if !slices.Contains(t.attributes, a.Name) {
			hint := t.misspelt(a.Name)
			if n, ok := blockTypeOf(t.blocks, a.Name); ok {
				hint = "it is a block; write " + n.example + " ... }"
			}
			e.errorf(a.NameRange, hint, "%s block has no attribute %q", t.named(), a.Name)
			continue
		}
		if slices.Contains(t.references, a.Name) {
			continue
		}
		value, ok := e.eval(a.Expr, slices.Contains(t.secrets, a.Name))
		if !ok {
			b.values[a.Name] = cty.NilVal
		} else if !value.IsNull() {
			b.values[a.Name] = value
		}
	}
	switch {
	case !t.labelled && len(raw.Labels) > 0:
		e.errorf(raw.LabelRanges[0], "write "+t.example, "%s block has no label", t.named())
	case t.labelled && len(raw.Labels) == 0:
		e.errorf(raw.TypeRange, "write "+t.example, "%s block needs a label", t.named())
		return nil
	case t.labelled && len(raw.Labels) > 1:
		e.errorf(raw.LabelRanges[1], "write "+t.example, "%s block has one label", t.named())
	case t.labelled && strings.TrimSpace(raw.Labels[0]) == "":
		e.errorf(raw.LabelRanges[0], "write "+t.example, "the label is empty")
		return nil
	case t.labelled && (strings.ContainsFunc(raw.Labels[0], identity.Unprintable) || len(raw.Labels[0]) > maxLabel):
		e.errorf(raw.LabelRanges[0], fmt.Sprintf("use at most %d octets without control characters", maxLabel), "the label cannot be shown in a plan")
		return nil
	}
	if t.labelled {
		b.label = raw.Labels[0]
	}
	return b
}

// maxLabel bounds labels; the longest that is needed is a domain.
const maxLabel = 255

// header is the range to underline for a problem of the whole block.
func (b *block) header() hcl.Range {
	rng := b.TypeRange
	if n := len(b.LabelRanges); n > 0 {
		rng = hcl.RangeBetween(rng, b.LabelRanges[n-1])
	}
	return rng
}

// named names the block, by its label if it has one.
func (b *block) named() string {
	if b.label == "" {
		return "the " + b.Type + " block"
	}
	return fmt.Sprintf("%s %q", b.Type, b.label)
}

func (b *block) labelRange() hcl.Range { return b.LabelRanges[0] }

// has reports whether the block sets an attribute, be it in vain.
func (b *block) has(name string) bool {
	_, ok := b.values[name]
	return ok
}

func (b *block) rangeOf(name string) hcl.Range { return b.Body.Attributes[name].Expr.Range() }

// require reports a missing attribute.
func (b *block) require(name, hint string) bool {
	if !b.has(name) {
		b.errorf(b.header(), hint, "%s lacks the attribute %q", b.named(), name)
		return false
	}
	return true
}

// value returns what an attribute is set to, if it is set and known.
func (b *block) value(name string) (cty.Value, bool) {
	v := b.values[name]
	return v, v != cty.NilVal
}

// item is one text of an attribute.
type item struct {
	text string
	// shown is how a message speaks of it: quoted, or, if it came from env or
	// file, by its place alone: there may be a secret where an address belongs.
	shown string
	rng   hcl.Range
	// within is the range of the text itself, if the source spells it octet by
	// octet.
	within *hcl.Range
	// literal is set for a text in quotes in the source.
	literal bool
	// sealed is set for one that came from env or file.
	sealed bool
}

// quoted reports whether messages may show the text.
func (i item) quoted() bool { return i.shown != "" && !i.sealed }

// part returns the range of some octets of the text, as far as that is known.
func (i item) part(offset, length int) hcl.Range {
	if i.within == nil || offset > len(i.text) {
		return i.rng
	}
	rng := *i.within
	rng.Start.Byte += offset
	rng.End.Byte = min(rng.Start.Byte+length, rng.End.Byte)
	return rng
}

// item makes one of a string; expr is its own source or nil, position its index
// in a list or -1.
func (b *block) item(v cty.Value, rng hcl.Range, expr hclsyntax.Expression, position int) item {
	plain, marks := v.Unmark()
	it := item{text: plain.AsString(), rng: rng}
	it.shown = fmt.Sprintf("%q", it.text)
	if expr == nil && position >= 0 {
		it.shown = fmt.Sprintf("value %d (%s)", position+1, it.shown)
	}
	if it.sealed = len(marks) > 0; it.sealed {
		switch line := b.read.name(it.text); {
		case line != "":
			it.shown = line
		case position >= 0:
			it.shown = fmt.Sprintf("value %d", position+1)
		default:
			it.shown = "the value"
		}
	}
	if template, ok := expr.(*hclsyntax.TemplateExpr); ok && template.IsStringLiteral() {
		it.literal = true
		within := template.Range()
		within.Start.Byte++
		within.End.Byte--
		if src := b.sources[rng.Filename]; within.Start.Byte <= within.End.Byte && string(src.text[within.Start.Byte:within.End.Byte]) == it.text {
			it.within = &within
		}
	}
	return it
}

// text returns an attribute that is a string.
func (b *block) text(name string) (item, bool) {
	v, ok := b.value(name)
	if !ok {
		return item{}, false
	}
	if v.Type() != cty.String {
		b.wrongType(name, v, "a string", `"..."`)
		return item{}, false
	}
	return b.item(v, b.rangeOf(name), b.Body.Attributes[name].Expr, -1), true
}

// texts returns an attribute that is a list of strings.
func (b *block) texts(name string) ([]item, bool) {
	v, ok := b.value(name)
	if !ok {
		return nil, false
	}
	list, marks := v.Unmark()
	if t := list.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		b.wrongType(name, v, "a list of strings", `["..."]`)
		return nil, false
	}
	items := make([]item, 0, list.LengthInt())
	exprs := []hclsyntax.Expression(nil)
	if tuple, ok := b.Body.Attributes[name].Expr.(*hclsyntax.TupleConsExpr); ok {
		exprs = tuple.Exprs
	}
	good := true
	for _, element := range list.AsValueSlice() {
		position, rng, expr := len(items), b.rangeOf(name), hclsyntax.Expression(nil)
		if exprs != nil {
			expr = exprs[position]
			rng = expr.Range()
		}
		plain, _ := element.Unmark()
		if plain.Type() != cty.String || plain.IsNull() {
			b.errorf(rng, "put each of them in quotes", "value %d of %q is %s; expected a list of strings", position+1, name, typeName(plain))
			items = append(items, item{})
			good = false
			continue
		}
		items = append(items, b.item(element.WithMarks(marks), rng, expr, position))
	}
	return items, good
}

// textOrTexts returns an attribute that is a string or a list of strings.
func (b *block) textOrTexts(name string) ([]item, bool) {
	if v, ok := b.value(name); ok && v.Type() == cty.String {
		it, ok := b.text(name)
		return []item{it}, ok
	}
	return b.texts(name)
}

// flag returns an attribute that is true or false, or the default.
func (b *block) flag(name string, byDefault bool) bool {
	if yes, ok := b.truth(name); ok {
		return yes
	}
	return byDefault
}

// truth returns an attribute that is true or false.
func (b *block) truth(name string) (yes, ok bool) {
	v, ok := b.value(name)
	if !ok {
		return false, false
	}
	plain, _ := v.Unmark()
	truth, err := convert.Convert(plain, cty.Bool)
	if err != nil || truth.IsNull() {
		b.wrongType(name, v, "true or false", "true")
		return false, false
	}
	return truth.True(), true
}

// duration returns an attribute that is a duration above zero, as Go spells it.
func (b *block) duration(name string) (time.Duration, bool) {
	it, ok := b.text(name)
	if !ok {
		return 0, false
	}
	t, err := time.ParseDuration(it.text)
	if err != nil || t <= 0 {
		b.errorf(it.rng, `write a number and its unit, as in "60s" or "2m"`, "%s is not a duration", it.shown)
		return 0, false
	}
	return t, true
}

// number returns an attribute that is a whole number of a range, or the
// default.
func (b *block) number(name string, least, most, byDefault int) int {
	v, ok := b.value(name)
	if !ok {
		return byDefault
	}
	n, ok := b.whole(v, b.rangeOf(name), fmt.Sprintf("%q", name), least, most)
	if !ok {
		return byDefault
	}
	return n
}

func (b *block) whole(v cty.Value, rng hcl.Range, what string, least, most int) (int, bool) {
	plain, _ := v.Unmark()
	hint := fmt.Sprintf("write a whole number from %d to %d", least, most)
	number, err := convert.Convert(plain, cty.Number)
	if err != nil || number.IsNull() {
		b.errorf(rng, hint, "%s is %s; expected a number", what, typeName(plain))
		return 0, false
	}
	n, accuracy := number.AsBigFloat().Int64()
	if accuracy != big.Exact || n < int64(least) || n > int64(most) {
		b.errorf(rng, hint, "%s is out of range", what)
		return 0, false
	}
	return int(n), true
}

// oneOf returns an attribute that is one of a few words, or the default, which
// is the first.
func (b *block) oneOf(name string, words ...string) string {
	it, ok := b.text(name)
	if !ok {
		return words[0]
	}
	if !b.isWord(name, it, words) {
		return words[0]
	}
	return it.text
}

// isWord reports a text that is none of the words, if there are any.
func (b *block) isWord(name string, it item, known []string) bool {
	if len(known) == 0 || slices.Contains(known, it.text) {
		return true
	}
	hint := "expected " + words.Alternatives(known, "%q")
	if it.quoted() {
		hint = didYouMean(it.text, known, "%q")
	}
	b.errorf(it.rng, hint, "%s is not a value of %q", it.shown, name)
	return false
}

// path returns an attribute that is a path, relative to the configuration's
// directory, or "".
func (b *block) path(name, dir string) string {
	it, ok := b.text(name)
	if !ok || !b.fullText(name, it) {
		return ""
	}
	return settings.Resolve(dir, it.text)
}

// fullText reports a text that is empty or blank.
func (b *block) fullText(name string, it item) bool {
	if strings.TrimSpace(it.text) == "" {
		b.errorf(it.rng, "give it a value, or remove it", "%q is empty", name)
		return false
	}
	return true
}

// entry is one element of an attribute that is a map.
type entry struct {
	name string
	// shown is how a message speaks of the name.
	shown   string
	nameRng hcl.Range
	value   cty.Value
	rng     hcl.Range
	expr    hclsyntax.Expression
}

// table returns an attribute that is a map, sorted by name.
func (b *block) table(name, example string) ([]entry, bool) {
	v, ok := b.value(name)
	if !ok {
		return nil, false
	}
	all, marks := v.Unmark()
	if t := all.Type(); !t.IsObjectType() && !t.IsMapType() {
		b.wrongType(name, v, "a map", "{ "+example+" }")
		return nil, false
	}
	places := map[string]hclsyntax.ObjectConsItem{}
	if object, ok := b.Body.Attributes[name].Expr.(*hclsyntax.ObjectConsExpr); ok {
		for _, it := range object.Items {
			key, diags := it.KeyExpr.Value(nil)
			if diags.HasErrors() || key.Type() != cty.String || key.IsNull() || !key.IsKnown() {
				continue
			}
			if first, twice := places[key.AsString()]; twice {
				b.errorf(it.KeyExpr.Range(), "remove one of them; the first one is at "+place(first.KeyExpr.Range()), "%q appears twice in %q", key.AsString(), name)
			} else {
				places[key.AsString()] = it
			}
		}
	}
	var entries []entry
	for it := all.ElementIterator(); it.Next(); {
		key, element := it.Element()
		e := entry{name: key.AsString(), value: element.WithMarks(marks), nameRng: b.rangeOf(name), rng: b.rangeOf(name)}
		e.shown = fmt.Sprintf("%q", e.name)
		if len(marks) > 0 {
			e.shown = "a name"
		}
		if at, ok := places[e.name]; ok {
			e.nameRng, e.rng, e.expr = at.KeyExpr.Range(), at.ValueExpr.Range(), at.ValueExpr
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, true
}

func (b *block) wrongType(name string, v cty.Value, want, example string) {
	plain, marks := v.Unmark()
	if plain.Type() == cty.String && want == "a list of strings" && len(marks) == 0 {
		example = fmt.Sprintf("[%q]", plain.AsString())
	}
	b.errorf(b.rangeOf(name), "write "+name+" = "+example, "%q is %s; expected %s", name, typeName(plain), want)
}

// texted returns the element of a map as text.
func (e *evaluator) texted(of entry, name string) (string, bool) {
	plain, _ := of.value.Unmark()
	if plain.IsNull() || plain.Type() != cty.String {
		e.errorf(of.rng, "put it in quotes", "%s of %q is %s; expected a string", of.shown, name, typeName(plain))
		return "", false
	}
	return plain.AsString(), true
}

// typeName names the type of an unmarked value as users know it.
func typeName(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	case t.IsObjectType(), t.IsMapType():
		return "a map"
	case t == cty.Bool:
		return "true or false"
	}
	return "a " + t.FriendlyName()
}

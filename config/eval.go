package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/rollcall-cli/rollcall/internal/words"
)

// evaluator turns expressions into values.
type evaluator struct {
	*reporter
	functions map[string]function.Function
	read      *fileLines
	locals    map[string]*localValue
	// names are the locals' names, in order.
	names []string
	// labels are those that a reference may name, by the type of the block.
	labels map[string][]string
	// types are the blocks that there are.
	types []blockType
}

type localValue struct {
	attr  *hclsyntax.Attribute
	state uint8
	value cty.Value // valid when state is done
}

const (
	untried uint8 = iota
	visiting
	failed
	done
)

// readLocals collects the locals of all files and evaluates them.
func (e *evaluator) readLocals(blocks []*hclsyntax.Block) {
	e.locals = map[string]*localValue{}
	for _, b := range blocks {
		if b.Type != localsBlock {
			continue
		}
		for _, a := range inOrder(b.Body.Attributes) {
			if first := e.locals[a.Name]; first != nil {
				e.errorf(a.NameRange, "rename one of them; the first one is at "+place(first.attr.NameRange), "local.%s is declared twice", a.Name)
				continue
			}
			e.locals[a.Name] = &localValue{attr: a}
			e.names = append(e.names, a.Name)
		}
	}
	slices.Sort(e.names)
	for _, name := range e.names {
		e.local(name, nil)
	}
}

// place names a position for use in a hint.
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

// local evaluates a local that exists, after those it refers to. The path is
// that of the locals which led to it.
func (e *evaluator) local(name string, path []string) *localValue {
	l := e.locals[name]
	switch l.state {
	case visiting:
		l.state = failed
		cycle := append(path[slices.Index(path, name):], name)
		e.errorf(l.attr.SrcRange, "give one of them a value that does not need the others", "local.%s refers to itself: %s", name, strings.Join(cycle, " -> "))
	case untried:
		l.state = visiting
		value, ok := e.expression(l.attr.Expr, secretName(name) || e.secrets[name], append(path, name))
		switch {
		case l.state == failed:
		case ok:
			l.state, l.value = done, value
		default:
			l.state = failed
		}
	}
	return l
}

// eval returns the value of an expression, with its marks. It reports why
// there is none, unless that was reported already. Of a sealed expression no name
// is reported, because it may be a secret without its quotes.
func (e *evaluator) eval(expr hclsyntax.Expression, sealed bool) (cty.Value, bool) {
	return e.expression(expr, sealed, nil)
}

func (e *evaluator) expression(expr hclsyntax.Expression, sealed bool, path []string) (cty.Value, bool) {
	calls := callsIn(expr)
	ok := true
	for _, call := range calls {
		if _, known := e.functions[call.Name]; !known {
			e.errorf(call.NameRange, didYouMean(call.Name, functionNames(), "%s"), "there is no function %q", call.Name)
			ok = false
		}
	}
	locals := map[string]cty.Value{}
	for _, t := range expr.Variables() {
		name, found := e.reference(t, sealed)
		if !found {
			ok = false
			continue
		}
		if l := e.local(name, path); l.state == done {
			locals[name] = l.value
		} else {
			ok = false
		}
	}
	if !ok {
		return cty.NilVal, false
	}
	context := &hcl.EvalContext{
		Functions: e.functions,
		Variables: map[string]cty.Value{localRoot: cty.ObjectVal(locals)},
	}
	value, diags := expr.Value(context)
	if diags.HasErrors() {
		for _, v := range locals {
			sealed = sealed || v.ContainsMarked()
		}
		for _, call := range calls {
			sealed = sealed || readers[call.Name]
		}
		for _, d := range diags {
			e.hcl(d, sealed)
		}
		return cty.NilVal, false
	}
	if !value.IsWhollyKnown() {
		e.errorf(expr.Range(), "simplify the expression", "the expression has no definite value")
		return cty.NilVal, false
	}
	return value, true
}

// referrers say where blocks may be referred to.
var referrers = map[string]string{
	directoryBlock: `only the attribute "directory" of a scope or a prerequisite refers to a directory`,
	scopeBlock:     `only the attribute "scopes" of a prerequisite refers to scopes`,
}

// reference returns the name of the local that a traversal leads to.
func (e *evaluator) reference(t hcl.Traversal, sealed bool) (string, bool) {
	root := t.RootName()
	rng := t.SourceRange()
	switch {
	case root == localRoot:
		name, at := "", rng
		if len(t) > 1 {
			name, at = step(t[1])
		}
		switch {
		case name == "":
			e.errorf(rng, "write local.NAME", "local is not a value; only its members are")
		case e.locals[name] == nil:
			e.errorf(at, didYouMean(name, e.names, "local.%s"), "there is no local.%s", name)
		default:
			return name, true
		}
	case root == directoryBlock || root == scopeBlock:
		e.errorf(rng, referrers[root], "a %s is not a value", root)
	case sealed:
		e.errorf(rng, "use env() or file(), and write texts in quotes", "the expression refers to something that does not exist")
	case e.locals[root] != nil:
		e.errorf(rng, "did you mean local."+root+"?", "there is nothing called %q", root)
	default:
		hint := fmt.Sprintf("a text stands in quotes: %q", root)
		if s := words.Nearest(root, []string{localRoot}); s != "" && len(t) > 1 {
			hint = "did you mean local?"
		} else if readers[root] && len(t) > 1 {
			hint = fmt.Sprintf(`call the function: %s("...")`, root)
		}
		e.errorf(rng, hint, "there is nothing called %q", root)
	}
	return "", false
}

// step returns the name that one step of a traversal goes to, and where it
// stands; "" if that is no name.
func step(t hcl.Traverser) (string, hcl.Range) {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		rng := t.SrcRange
		if rng.End.Byte-rng.Start.Byte == len(t.Name)+1 { // the dot is part of the step
			rng.Start.Byte++
			rng.Start.Column++
		}
		return t.Name, rng
	case hcl.TraverseIndex:
		if t.Key.Type() == cty.String && t.Key.IsKnown() && !t.Key.IsNull() {
			return t.Key.AsString(), t.SrcRange
		}
		return "", t.SrcRange
	}
	return "", t.SourceRange()
}

// labelled resolves a reference such as directory.corp to the label.
func (e *evaluator) labelled(blockName string, expr hclsyntax.Expression) (string, bool) {
	known := e.labels[blockName]
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		hint := "write " + blockName + ".NAME"
		if v, valueDiags := expr.Value(nil); !valueDiags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			hint = "write " + referenceTo(blockName, v.AsString())
		}
		e.errorf(expr.Range(), hint, "expected a reference to a %s", blockName)
		return "", false
	}
	if t.RootName() != blockName || len(t) != 2 {
		hint := "write " + blockName + ".NAME"
		if slices.Contains(known, t.RootName()) {
			hint = "write " + blockName + "." + t.RootName()
		} else if len(t) == 2 && t.RootName() != blockName {
			if name, _ := step(t[1]); slices.Contains(known, name) {
				hint = "did you mean " + blockName + "." + name + "?"
			}
		}
		e.errorf(expr.Range(), hint, "expected a reference to a %s", blockName)
		return "", false
	}
	name, at := step(t[1])
	if !slices.Contains(known, name) {
		e.errorf(at, didYouMean(name, known, blockName+".%s"), "there is no %s %q", blockName, name)
		return "", false
	}
	return name, true
}

// callsIn returns the function calls of an expression.
func callsIn(expr hclsyntax.Expression) []*hclsyntax.FunctionCallExpr {
	var calls []*hclsyntax.FunctionCallExpr
	_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			calls = append(calls, call)
		}
		return nil
	})
	return calls
}

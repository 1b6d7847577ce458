package filter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Clause is a part of a filter because of which the filter is not true for an
// object.
type Clause struct {
	// Text is the part, in the form of RFC 4515.
	Text string
	// Holds is set for a part that is true, where a "!" around it wants it
	// false. Any other is false or unknown.
	Holds bool
	// Unknown says why nobody but a server can judge the part, or that it
	// compares with what cannot be compared; "" where it was judged.
	Unknown string
	// Attribute is the one that the part reads, as the filter spells it; "" if
	// it reads several. Values are the first of those that the object has, as
	// text, and More counts the others.
	Attribute string
	Values    []string
	More      int
}

// What a clause says of an object's values.
const (
	maxValues = 6
	maxValue  = 100 // octets
)

// String says in half a sentence what is wrong with the clause.
func (c *Clause) String() string {
	text := c.Text + " is not true"
	switch {
	case c.Unknown != "":
		return c.Text + " " + c.Unknown
	case c.Holds:
		text = c.Text + " is true, and the filter negates it"
	case c.Attribute != "" && len(c.Values) == 0:
		return text + ": the object has no " + c.Attribute + ", or none that may be read"
	}
	if len(c.Values) == 0 {
		return text
	}
	if disabledBit.MatchString(c.Text) {
		return fmt.Sprintf("%s: the object is %s (%s is %s)", text, map[bool]string{true: "disabled", false: "enabled"}[c.Holds], c.Attribute, c.Values[0])
	}
	quoted := make([]string, len(c.Values))
	for i, v := range c.Values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	more := ""
	if c.More > 0 {
		more = fmt.Sprintf(" and %d more", c.More)
	}
	return fmt.Sprintf("%s: the object's %s is %s%s", text, c.Attribute, strings.Join(quoted, ", "), more)
}

// disabledBit tests the bit of userAccountControl that disables a user account
// (MS-ADTS section 2.2.16).
var disabledBit = regexp.MustCompile(`(?i)^\(userAccountControl:1\.2\.840\.113556\.1\.4\.803:=2\)$`)

// Explain returns the smallest parts of the filter because of which it is not
// true for the object, in the order of the filter; none if it is true:
//
//	(&(a)(b))      of the parts that are not true, each; with all of them it is
//	(|(a)(b))      the whole: any of its parts would do
//	(!(|(a)(b)))   the parts that are true
//	(!(&(a)(b)))   the whole and
//
// Parts that only a server can judge are unknown, unless ask, which may be nil,
// knows of such a part whether it is true.
func (f *Filter) Explain(o Object, ask func(part string) (holds, known bool)) []Clause {
	e := explanation{object: o, ask: ask, asked: map[string]truth{}}
	e.why(&f.root, yes)
	return e.clauses
}

type explanation struct {
	object  Object
	ask     func(part string) (holds, known bool)
	asked   map[string]truth // answers of ask
	clauses []Clause
}

// why adds the smallest parts of n that keep it from being what is wanted, yes
// or no.
func (e *explanation) why(n *node, want truth) {
	is := e.eval(n)
	switch {
	case is == want:
		return
	case n.op == '!':
		e.why(&n.nodes[0], yes-want)
		return
	case n.op != 0 && (len(n.nodes) == 1 || len(n.nodes) > 1 && (n.op == '&') == (want == yes)):
		for i := range n.nodes {
			e.why(&n.nodes[i], want)
		}
		return
	}
	c := Clause{Text: text(n), Holds: want == no, Attribute: attribute(n)}
	if is == undefined {
		c.Unknown = e.unknown(n)
	}
	if slices.ContainsFunc(e.clauses, func(other Clause) bool { return other.Text == c.Text && other.Holds == c.Holds }) {
		return
	}
	if c.Attribute != "" {
		it := item{attribute: AttributeName(c.Attribute), options: optionsOf(c.Attribute)}
		values := e.object.Values(it.attribute)
		if len(it.options) > 0 {
			values = it.bearing(e.object, values)
		}
		c.More = max(len(values)-maxValues, 0)
		for _, v := range values[:min(len(values), maxValues)] {
			c.Values = append(c.Values, shown(v))
		}
	}
	e.clauses = append(e.clauses, c)
}

// eval is that of the node, but for parts that are asked for.
func (e *explanation) eval(n *node) truth {
	switch {
	case n.op == '!':
		return yes - e.eval(&n.nodes[0])
	case n.op != 0:
		result, combine := yes, truth.and
		if n.op == '|' {
			result, combine = no, truth.or
		}
		for i := range n.nodes {
			result = combine(result, e.eval(&n.nodes[i]))
		}
		return result
	case n.item.unsupported == "":
		return n.item.eval(e.object)
	}
	part := text(n)
	answer, known := e.asked[part]
	if !known {
		answer = undefined
		if e.ask != nil {
			if holds, known := e.ask(part); known {
				answer = is(holds)
			}
		}
		e.asked[part] = answer
	}
	return answer
}

func (t truth) and(u truth) truth { return min(t, u) }
func (t truth) or(u truth) truth  { return max(t, u) }

// unknown says why a part is undefined.
func (e *explanation) unknown(n *node) string {
	for i := range n.nodes {
		if part := &n.nodes[i]; e.eval(part) == undefined {
			why := e.unknown(part)
			if part.op == 0 {
				why = "cannot be judged: " + text(part) + " " + why
			}
			return why
		}
	}
	if why := n.item.unsupported + n.item.impossible; why != "" {
		return why
	}
	return "compares with a value of another kind"
}

func text(n *node) string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

// attribute returns the one attribute that a part reads, as it is spelled there
// first, or "".
func attribute(n *node) string {
	if n.op == 0 {
		return n.item.description
	}
	name := ""
	for i := range n.nodes {
		switch one := attribute(&n.nodes[i]); {
		case one == "" || name != "" && !strings.EqualFold(one, name):
			return ""
		case name == "":
			name = one
		}
	}
	return name
}

// shown is a value as text: what is none is escaped as in a filter.
func shown(v []byte) string {
	more := ""
	if len(v) > maxValue {
		cut := maxValue
		for cut > maxValue-utf8.UTFMax && !utf8.RuneStart(v[cut]) {
			cut--
		}
		v, more = v[:cut], "…"
	}
	if utf8.Valid(v) {
		return string(v) + more
	}
	return Escape(string(v)) + more
}

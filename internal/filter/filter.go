// Package filter reads LDAP search filters (RFC 4515) and matches them against
// objects in memory, so that a file of objects answers a search as the server
// would that wrote it.
//
// A [Filter] is a tree of and, or and not over items; an item compares the
// values of one attribute with an assertion. There is no schema in a file, so
// the rule of comparison follows from the attribute's name and from the looks
// of the value:
//
//	names (memberOf, manager ...)   as distinguished names, RFC 4514
//	objectCategory=person           as AD resolves the short form
//	objectGUID, objectSid ...       octet by octet
//	userAccountControl, uidNumber   by number
//	whenChanged, createTimestamp    as points in time
//	msExchHideFromAddressLists      TRUE or FALSE
//	telephoneNumber                 without spaces and hyphens
//	>= and <= on two numbers        by number, and on two times as points in time
//	what is not UTF-8               octet by octet
//	everything else                 as text: letter case and extra spaces do not count
//
// An attribute may go by any of its names ([AttributeName]), and a class by its
// OID. An attribute without options stands for its values with any options too;
// one with options for those that bear them all ([Tagged]).
//
// Items are true, false or undefined (RFC 4511 section 4.5.1.7). An object
// without the attribute makes an item false, and so its negation true; a value
// that the rule cannot compare makes it undefined, and so its negation too. What
// can never be compared, as (userAccountControl=0x2), is undefined for every
// object, and [Filter.Impossible] speaks of it. An object matches when the whole
// filter is true.
package filter

import (
	"slices"
	"strings"
)

// Object is what a filter is matched against.
type Object interface {
	// DN returns the object's distinguished name.
	DN() string
	// Values returns the values of an attribute, which is named in lower case
	// and without options. They are only read, and only until the next call.
	Values(attribute string) [][]byte
}

// Tagged is an [Object] that knows which of its values bear options (RFC 4512
// section 2.5.2). Of any other object, none do.
type Tagged interface {
	Object
	// Options returns the options of value n of an attribute, which is named as
	// for Values, as a description has them behind its name: ";lang-de"; "" for a
	// value without.
	Options(attribute string, n int) string
}

// hasOptions reports whether the options of a value (";lang-de-AT;x-new") include
// all that are wanted, which are in lower case. One that ends in "-" is a range of
// languages (RFC 3866 section 2.2): "lang-de-" stands for lang-de and whatever
// begins with lang-de-.
func hasOptions(options string, wanted []string) bool {
	for _, want := range wanted {
		found := false
		for option := range strings.SplitSeq(strings.ToLower(options), ";") {
			found = found || option == want || strings.HasSuffix(want, "-") && strings.HasPrefix(option+"-", want)
		}
		if !found {
			return false
		}
	}
	return true
}

// Filter is a parsed search filter. It does not change and may be used by
// several goroutines at once.
type Filter struct {
	root        node
	attributes  []string
	unsupported string
	impossible  []Impossible
}

// Impossible is a comparison that is true for no object, and nor is its negation,
// because the attribute holds nothing like its value.
type Impossible struct {
	// Text is the comparison in the form of RFC 4515; it stands at Offset of the
	// filter as it was written, and has Length octets there.
	Text           string
	Offset, Length int
	// Reason goes on from Text: what is compared with what. Remedy says what to
	// write.
	Reason, Remedy string
}

// String returns the filter in the form of RFC 4515, without the layout that
// it was written in: the text to send to a server.
func (f *Filter) String() string {
	var b strings.Builder
	f.root.write(&b)
	return b.String()
}

// Attributes returns the names of the attributes that the filter reads, in
// lower case, without options, sorted.
func (f *Filter) Attributes() []string { return slices.Clone(f.attributes) }

// Unsupported names the first part of the filter that nobody but a server can
// judge, and why; it is "" where there is none. [Filter.Match] takes such a
// part as undefined.
func (f *Filter) Unsupported() string { return f.unsupported }

// Impossible returns the comparisons that can never be true.
func (f *Filter) Impossible() []Impossible { return f.impossible }

// Match reports whether the filter is true for the object.
func (f *Filter) Match(o Object) bool { return f.root.eval(o) == yes }

// truth is ordered such that "and" is the least of its operands, "or" the
// greatest, and "not" the distance from yes.
type truth uint8

const (
	no truth = iota
	undefined
	yes
)

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}

// node is "&", "|" or "!" over other nodes, or, with op 0, an item.
type node struct {
	op    byte
	nodes []node
	item  item
}

func (n *node) eval(o Object) truth {
	switch n.op {
	case '&':
		all := yes
		for i := range n.nodes {
			if all = min(all, n.nodes[i].eval(o)); all == no {
				break
			}
		}
		return all
	case '|':
		some := no
		for i := range n.nodes {
			if some = max(some, n.nodes[i].eval(o)); some == yes {
				break
			}
		}
		return some
	case '!':
		return yes - n.nodes[0].eval(o)
	}
	return n.item.eval(o)
}

func (n *node) write(b *strings.Builder) {
	b.WriteByte('(')
	if n.op == 0 {
		b.WriteString(n.item.text)
	} else {
		b.WriteByte(n.op)
		for i := range n.nodes {
			n.nodes[i].write(b)
		}
	}
	b.WriteByte(')')
}

// item is one comparison, compiled.
type item struct {
	// attribute is asked of the object.
	attribute string
	// test judges one value; without one, the item is undefined.
	test test
	// presence asks for the attribute alone; always is that of an attribute which
	// every object has.
	presence, always bool
	// ownName is set for the attributes that repeat the object's name, which
	// exports tend to leave out.
	ownName bool
	// options are those of the values that count, see Tagged; none for all.
	options []string
	// rdn is a relative name, folded, which the object's name may contain in
	// place of a value; "" for none.
	rdn string
	// text is the canonical form, without parentheses, which begins with the
	// description: the attribute as it was written.
	text, description string
	// unsupported says why only a server can judge the item, and impossible why
	// it is true for no object; "" if neither is so.
	unsupported, impossible string
}

type test func(value []byte) truth

func (it *item) eval(o Object) truth {
	if it.always {
		return yes
	}
	if it.test == nil && !it.presence {
		return undefined
	}
	values := o.Values(it.attribute)
	if len(it.options) > 0 {
		values = it.bearing(o, values)
	} else if len(values) == 0 && it.ownName {
		values = [][]byte{[]byte(o.DN())}
	}
	if it.presence {
		return is(len(values) > 0)
	}
	some := no
	for _, v := range values {
		if some = max(some, it.test(v)); some == yes {
			return yes
		}
	}
	if it.rdn != "" && hasRDN(o.DN(), it.rdn) {
		return yes
	}
	return some
}

// bearing returns those of the values that bear the item's options.
func (it *item) bearing(o Object, values [][]byte) (bearing [][]byte) {
	tagged, ok := o.(Tagged)
	for n := 0; ok && n < len(values); n++ {
		if hasOptions(tagged.Options(it.attribute, n), it.options) {
			bearing = append(bearing, values[n])
		}
	}
	return bearing
}

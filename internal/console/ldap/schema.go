package ldap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// schema is what a server says of its attributes and classes (RFC 4512 section 4.1).
// Its keys are names in lower case and object identifiers.
type schema struct {
	attributes map[string]*attributeType
	classes    map[string]*objectClass
}

type attributeType struct {
	super  string
	single bool // SINGLE-VALUE
	bound  int  // of characters; 0 for none
}

type objectClass struct {
	supers      []string
	structural  bool
	must, might []string
}

// newSchema reads descriptions of a subschema entry. One that cannot be read is
// passed over.
func newSchema(attributeTypes, objectClasses []string) *schema {
	s := &schema{map[string]*attributeType{}, map[string]*objectClass{}}
	for _, text := range attributeTypes {
		d, ok := parseDescription(text)
		if !ok {
			continue
		}
		a := &attributeType{super: d.first("SUP"), single: d.has("SINGLE-VALUE")}
		if _, bound, ok := strings.Cut(d.first("SYNTAX"), "{"); ok {
			a.bound, _ = strconv.Atoi(strings.TrimSuffix(bound, "}")) // 0 where it is none
			a.bound = max(a.bound, 0)
		}
		for _, name := range d.names() {
			s.attributes[name] = a
		}
	}
	for _, text := range objectClasses {
		d, ok := parseDescription(text)
		if !ok {
			continue
		}
		c := &objectClass{supers: d.fields["SUP"], structural: !d.has("AUXILIARY") && !d.has("ABSTRACT"), must: d.fields["MUST"], might: d.fields["MAY"]}
		for _, name := range d.names() {
			s.classes[name] = c
		}
	}
	return s
}

// depth is how far types and classes are followed to those above them.
const depth = 20

func (s *schema) attribute(name string) *attributeType { return s.attributes[strings.ToLower(name)] }

// single reports whether an attribute has one value at most.
func (s *schema) single(name string) bool {
	a := s.attribute(name)
	return a != nil && a.single
}

// bound returns the most characters of an attribute's values, or 0.
func (s *schema) bound(name string) int {
	for range depth {
		a := s.attribute(name)
		if a == nil {
			break
		}
		if a.bound > 0 {
			return a.bound
		}
		name = a.super
	}
	return 0
}

// above returns classes and all above them, each once.
func (s *schema) above(names []string) (all []*objectClass) {
	for level := 0; len(names) > 0 && level < depth; level++ {
		var next []string
		for _, name := range names {
			if c := s.classes[strings.ToLower(name)]; c != nil && !slices.Contains(all, c) {
				all = append(all, c)
				next = append(next, c.supers...)
			}
		}
		names = next
	}
	return all
}

// musts returns the attributes that classes demand, sorted.
func (s *schema) musts(classes []string) (names []string) {
	for _, c := range s.above(classes) {
		names = append(names, c.must...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// allows reports whether an entry of the classes may have an attribute.
func (s *schema) allows(classes []string, attribute string) bool {
	is := func(name string) bool { return identity.AttributeName(name) == identity.AttributeName(attribute) }
	return slices.ContainsFunc(s.above(classes), func(c *objectClass) bool {
		return slices.ContainsFunc(c.must, is) || slices.ContainsFunc(c.might, is)
	})
}

// structural returns those of the classes that are structural and not above another
// of them.
func (s *schema) structural(classes []string) (names []string) {
	for _, name := range classes {
		c := s.classes[strings.ToLower(name)]
		if c == nil || !c.structural {
			continue
		}
		below := slices.ContainsFunc(classes, func(other string) bool {
			o := s.classes[strings.ToLower(other)]
			return o != nil && o != c && slices.Contains(s.above(o.supers), c)
		})
		if !below {
			names = append(names, name)
		}
	}
	return names
}

// description is a definition of RFC 4512 section 4.1: what stands behind each
// keyword.
type description struct {
	oid    string
	fields map[string][]string
}

func (d *description) has(keyword string) bool {
	_, ok := d.fields[keyword]
	return ok
}

func (d *description) first(keyword string) string {
	if all := d.fields[keyword]; len(all) > 0 {
		return all[0]
	}
	return ""
}

// names returns the names and the object identifier, in lower case.
func (d *description) names() []string {
	all := []string{strings.ToLower(d.oid)}
	for _, name := range d.fields["NAME"] {
		all = append(all, strings.ToLower(name))
	}
	return all
}

// flags are the keywords behind which nothing stands.
var flags = []string{"OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION", "ABSTRACT", "STRUCTURAL", "AUXILIARY"}

func parseDescription(text string) (d description, ok bool) {
	words := tokens(text)
	if len(words) < 3 || words[0] != "(" || words[len(words)-1] != ")" {
		return d, false
	}
	d = description{words[1], map[string][]string{}}
	for words = words[2 : len(words)-1]; len(words) > 0; {
		keyword := strings.ToUpper(words[0])
		words = words[1:]
		if slices.Contains(flags, keyword) {
			d.fields[keyword] = nil
			continue
		}
		if len(words) == 0 {
			return d, false
		}
		if words[0] != "(" {
			d.fields[keyword] = []string{unquoted(words[0])}
			words = words[1:]
			continue
		}
		end := slices.Index(words, ")")
		if end < 0 {
			return d, false
		}
		var list []string
		for _, word := range words[1:end] {
			if word != "$" {
				list = append(list, unquoted(word))
			}
		}
		d.fields[keyword] = list
		words = words[end+1:]
	}
	return d, true
}

func unquoted(word string) string { return strings.Trim(word, "'") }

// tokens parts a description at blanks, parentheses and dollars, none of which
// counts in quotes.
func tokens(text string) (words []string) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return words
		}
		n := 1
		switch text[0] {
		case '(', ')', '$':
		case '\'':
			if end := strings.IndexByte(text[1:], '\''); end >= 0 {
				n = end + 2
			} else {
				n = len(text)
			}
		default:
			if n = strings.IndexAny(text, " \t\r\n()$'"); n < 0 {
				n = len(text)
			}
		}
		words = append(words, text[:n])
		text = text[n:]
	}
}

package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// The schemas of users (RFC 7643 sections 4.1 and 4.3).
const (
	core       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// attribute is one that is stored: by its name in rollcall, and where it is in a User,
// in the schema core or in that of an extension.
type attribute struct {
	name, schema, path string
}

// attributes are sorted by name.
var attributes = []attribute{
	{"cost_center", enterprise, "costCenter"},
	{"department", enterprise, "department"},
	{identity.DisplayName, core, "displayName"},
	{"division", enterprise, "division"},
	{"employee_number", enterprise, "employeeNumber"},
	{"family_name", core, "name.familyName"},
	{"formatted_name", core, "name.formatted"},
	{"given_name", core, "name.givenName"},
	{"locale", core, "locale"},
	{"nick_name", core, "nickName"},
	{"organization", enterprise, "organization"},
	{"preferred_language", core, "preferredLanguage"},
	{"timezone", core, "timezone"},
	{"title", core, "title"},
	{"user_type", core, "userType"},
}

// stored returns the names of the attributes that the schemas have, of those that can
// be given at creation alone, and of those that are read only. Where a service tells
// nothing of its schemas, it is taken to have what every user has, and no extension.
func stored(schemas map[string]map[string]string) (names, initial, readOnly []string) {
	known := schemas[strings.ToLower(core)]
	for _, a := range attributes {
		in := schemas[strings.ToLower(a.schema)]
		path := strings.ToLower(a.path)
		first, _, _ := strings.Cut(path, ".")
		mutability, there := in[first]
		switch is := func(m string) bool { return strings.EqualFold(mutability, m) || strings.EqualFold(in[path], m) }; {
		case a.schema == core && known == nil:
			names = append(names, a.name)
		case !there:
		case is("readOnly"):
			readOnly = append(readOnly, a.name)
		case is("immutable"), is("writeOnly"): // which could not be compared
			initial = append(initial, a.name)
		default:
			names = append(names, a.name)
		}
	}
	return names, initial, readOnly
}

// resource is a User as services send it.
type resource struct {
	ID         string
	ExternalID string
	UserName   string
	Active     truth
	Emails     []email
	Meta       struct{ Version string }

	DisplayName, NickName, Title, UserType, PreferredLanguage, Locale, Timezone string

	Name       struct{ Formatted, FamilyName, GivenName string }
	Enterprise struct {
		EmployeeNumber, CostCenter, Organization, Division, Department string
	} `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
}

type email struct {
	Value   string
	Primary truth
}

// lineage is that in the mark, "" for none.
func (r *resource) lineage() string {
	_, lineage := markOf(r.ExternalID)
	return lineage
}

// value returns that of an attribute.
func (r *resource) value(a attribute) string {
	switch a.path {
	case "costCenter":
		return r.Enterprise.CostCenter
	case "department":
		return r.Enterprise.Department
	case "displayName":
		return r.DisplayName
	case "division":
		return r.Enterprise.Division
	case "employeeNumber":
		return r.Enterprise.EmployeeNumber
	case "name.familyName":
		return r.Name.FamilyName
	case "name.formatted":
		return r.Name.Formatted
	case "name.givenName":
		return r.Name.GivenName
	case "locale":
		return r.Locale
	case "nickName":
		return r.NickName
	case "organization":
		return r.Enterprise.Organization
	case "preferredLanguage":
		return r.PreferredLanguage
	case "timezone":
		return r.Timezone
	case "title":
		return r.Title
	case "userType":
		return r.UserType
	}
	panic("no attribute " + a.path)
}

// decode reads a User. An error is one that has no id, so that nobody knows which it is.
func (c *Console) decode(body []byte) (*resource, *identity.Live, error) {
	r := resource{Active: yes}
	odd := ""
	if err := json.Unmarshal(body, &r); err != nil {
		if !mistyped(err) {
			return nil, nil, c.notJSON(body)
		}
		odd = "it has a value of a type that it should not have"
	}
	if r.ID == "" || r.ID == "." || r.ID == ".." {
		return nil, nil, &contentError{text: "it sent a user without an id: ", quoted: c.quote(r.UserName), advice: "each user has an id (RFC 7643 section 3.1); this is a fault of the service"}
	}
	l := c.live(&r)
	if odd != "" {
		l.Odd = odd
	}
	return &r, l, nil
}

// live makes an account of a User. The primary is the e-mail that is marked primary,
// else userName where that is an address, else the only e-mail. A userName that is
// another address is one of the account, too.
func (c *Console) live(r *resource) *identity.Live {
	mark, _ := markOf(r.ExternalID)
	l := &identity.Live{Ref: r.ID, Mark: mark}
	if c.provider.ETag.Supported == yes {
		l.Rev = r.Meta.Version
	}
	switch r.Active {
	case neither:
		l.Odd = "its active is neither true nor false"
	case no:
		l.Status = identity.Inactive
	}
	var all []identity.Address
	name, err := identity.ParseAddress(r.UserName)
	if err == nil {
		all = append(all, name)
	}
	for _, e := range r.Emails {
		if e.Value == "" {
			continue
		}
		x, err := identity.ParseAddress(e.Value)
		if err != nil {
			l.Odd = fmt.Sprintf("its e-mail %s: %v", c.quote(e.Value), err)
			continue
		}
		all = append(all, x)
		switch {
		case e.Primary != yes || l.Primary == x:
		case l.Primary.IsZero():
			l.Primary = x
		default:
			l.Odd = "two of its e-mails are marked primary"
		}
	}
	slices.SortFunc(all, identity.Address.Compare)
	all = slices.Compact(all)
	switch {
	case !l.Primary.IsZero():
	case !name.IsZero():
		l.Primary = name
	case len(all) == 1:
		l.Primary = all[0]
	case len(all) > 1:
		l.Odd = "none of its e-mails is marked primary"
		l.Primary = all[0]
	}
	if l.Aliases = slices.DeleteFunc(all, func(x identity.Address) bool { return x == l.Primary }); len(l.Aliases) == 0 {
		l.Aliases = nil
	}
	for _, a := range attributes {
		if v := r.value(a); v != "" && c.facts.Keeps(a.name) {
			l.Attributes = append(l.Attributes, identity.Attribute{Name: a.name, Value: v})
		}
	}
	return l
}

// tree is a JSON object with everything that a service has sent. Names of attributes
// are equal without their letter case (RFC 7643 section 2.1).
type tree map[string]any

// parse reads an object, whose numbers stay as they are written.
func parse(body []byte) (tree, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var t tree
	if err := d.Decode(&t); err != nil || t == nil {
		return nil, errors.New("it is no JSON object")
	}
	return t, nil
}

// key returns the name by which the object has an attribute, or else the name itself.
func (t tree) key(name string) string {
	if _, there := t[name]; there {
		return name
	}
	for k := range t {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return name
}

// edit is one attribute that changes. A nil value removes it.
type edit struct {
	schema, path string
	value        any
}

// steps are the names of the attributes that lead to the edited one.
func (e *edit) steps() []string {
	names := strings.Split(e.path, ".")
	if e.schema != core {
		return append([]string{e.schema}, names...)
	}
	return names
}

// in reports whether the object has a value there already.
func (e *edit) in(t tree) bool {
	var v any = map[string]any(t)
	for _, name := range e.steps() {
		m, is := v.(map[string]any)
		if !is {
			return false
		}
		v = m[tree(m).key(name)]
	}
	list, many := v.([]any)
	return v != nil && !(many && len(list) == 0)
}

// to makes the edit.
func (e *edit) to(t tree) {
	names := e.steps()
	m := t
	for _, name := range names[:len(names)-1] {
		k := m.key(name)
		inner, is := m[k].(map[string]any)
		if !is {
			if e.value == nil {
				return
			}
			inner = map[string]any{}
			m[k] = inner
		}
		m = inner
	}
	k := m.key(names[len(names)-1])
	if e.value == nil {
		delete(m, k)
		return
	}
	m[k] = e.value
	if e.schema != core {
		t.declare(e.schema)
	}
}

// declare puts a schema among those of the object.
func (t tree) declare(schema string) {
	k := t.key("schemas")
	list, _ := t[k].([]any)
	for _, x := range list {
		if s, is := x.(string); is && strings.EqualFold(s, schema) {
			return
		}
	}
	t[k] = append(list, schema)
}

// operation is one of a PATCH (RFC 7644 section 3.5.2). What has no value yet is
// added: some services replace only what is there.
func (e *edit) operation(t tree) map[string]any {
	path := e.path
	if e.schema != core {
		path = e.schema + ":" + path
	}
	switch {
	case e.value == nil:
		return map[string]any{"op": "remove", "path": path}
	case e.in(t):
		return map[string]any{"op": "replace", "path": path, "value": e.value}
	}
	return map[string]any{"op": "add", "path": path, "value": e.value}
}

// edits returns what makes a User, which the service has as t, the account. Fields are
// the names of what changes, and lineage is that of a mark which does.
func edits(t tree, was, want *identity.Live, fields []string, lineage string) (all []edit) {
	changes := func(name string) bool { return slices.Contains(fields, name) }
	set := func(schema, path string, value any) { all = append(all, edit{schema, path, value}) }
	if changes(plan.FieldPrimary) || changes(plan.FieldAliases) {
		if name := userName(t, was, want); name != "" {
			set(core, "userName", name)
		}
		set(core, "emails", emails(t, want))
	}
	if changes(plan.FieldStatus) {
		set(core, "active", want.Active())
	}
	if changes(plan.FieldOwner) {
		set(core, "externalId", orNil(externalID(want.Mark, lineage)))
	}
	for _, a := range attributes {
		if changes(a.name) {
			set(a.schema, a.path, orNil(identity.Lookup(want.Attributes, a.name)))
		}
	}
	// What is not there is not removed.
	return slices.DeleteFunc(all, func(e edit) bool { return e.value == nil && !e.in(t) })
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// userName returns what a userName becomes, "" for one that stays: one that is no
// address, and one that is another address which the account keeps.
func userName(t tree, was, want *identity.Live) string {
	text, _ := t[t.key("userName")].(string)
	if x, err := identity.ParseAddress(text); text != "" && (err != nil || x == want.Primary || x != was.Primary && want.Holds(x)) {
		return ""
	}
	return want.Primary.String()
}

// emails returns what e-mails become, the primary first. Those that stay keep what is
// said of them.
func emails(t tree, want *identity.Live) (all []any) {
	there, _ := t[t.key("emails")].([]any)
	want.EachAddress(func(x identity.Address) {
		kind := "other"
		if x == want.Primary {
			kind = "work"
		}
		e := tree{"value": x.String(), "type": kind}
		for _, old := range there {
			m, _ := old.(map[string]any)
			text, _ := m[tree(m).key("value")].(string)
			if y, err := identity.ParseAddress(text); err == nil && x == y {
				e = tree{}
				for k, v := range m {
					e[k] = v
				}
				break
			}
		}
		delete(e, e.key("primary"))
		if x == want.Primary {
			e["primary"] = true
		}
		all = append(all, map[string]any(e))
	})
	return all
}

// encode writes JSON.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // texts, numbers, and what was read as JSON
	}
	return bytes.TrimSpace(b.Bytes())
}

// Package wire is the language of the protocol rollcall-console/1, as
// docs/reference/console-protocol.md describes it: what rollcall writes to a connector, and
// what it understands of the answers. A saved copy of a console has the same
// lines.
//
// Each message is one JSON object on a line of its own. Keys that are not known
// are passed over, and null is as good as no key.
//
// An account that cannot be understood is no error, since a console may hold what
// it likes: what is understood is kept, and the rest is said in
// [identity.Live.Odd], so that the account is left alone.
package wire

import (
	"strconv"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// keyAttributes is the key that an account's attributes are under.
const keyAttributes = "attributes"

// fields are the keys of accounts that are no attributes, but for the primary.
var fields = map[string]bool{
	plan.FieldAliases: true, plan.FieldType: true, plan.FieldStatus: true,
	plan.FieldOwner: true, plan.FieldUsername: true, plan.FieldDN: true,
}

// AppendAccount appends an account as a JSON object. Keys that the console does
// not store are left out, and so are a ref and a rev that it has not given.
func AppendAccount(b []byte, a *identity.Live, f *plan.Facts) []byte {
	b = append(b, '{')
	b = appendText(b, "ref", a.Ref)
	b = appendText(b, "rev", a.Rev)
	b = appendOr(appendKey(b, plan.FieldPrimary), a.Primary.String())
	if f.Keeps(plan.FieldAliases) {
		b = appendAliases(appendKey(b, plan.FieldAliases), a.Aliases)
	}
	if f.Keeps(plan.FieldType) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldType), a.Type.String())
	}
	if f.Keeps(plan.FieldStatus) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldStatus), a.Status.String())
	}
	if f.Keeps(plan.FieldOwner) {
		b = appendMark(appendKey(b, plan.FieldOwner), a.Mark)
	}
	if f.Keeps(plan.FieldUsername) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldUsername), a.Username)
	}
	if f.Keeps(plan.FieldDN) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldDN), a.DN)
	}
	if keepsAttributes(f) {
		b = append(appendKey(b, keyAttributes), '{')
		for _, attr := range a.Attributes {
			if f.Keeps(attr.Name) {
				b = identity.AppendJSONString(appendKey(b, attr.Name), attr.Value)
			}
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// keepsAttributes reports whether the console stores any attribute.
func keepsAttributes(f *plan.Facts) bool {
	for _, name := range f.Stores {
		if name != plan.FieldPrimary && !fields[name] {
			return true
		}
	}
	return f.Stores == nil
}

// AppendChange appends a step as an element of "changes".
//
// "after" has the keys that are wanted: all of an account that is created, and of
// another the fields of the step. Null clears what it stands at.
func AppendChange(b []byte, s *apply.Step, f *plan.Facts) []byte {
	b = append(b, '{')
	b = identity.AppendJSONString(appendKey(b, "key"), s.Key)
	op := "put"
	if s.Removes() {
		op = "remove"
	}
	b = identity.AppendJSONString(appendKey(b, "op"), op)
	b = strconv.AppendInt(appendKey(b, "group"), int64(s.Group), 10)
	if !s.Creates() {
		b = appendText(b, "ref", s.Live.Ref)
		b = appendText(b, "rev", s.Live.Rev)
		b = AppendAccount(appendKey(b, "before"), s.Live, f)
	}
	if !s.Removes() {
		b = appendAfter(appendKey(b, "after"), s, f)
	}
	if len(s.Moves) > 0 {
		b = append(appendKey(b, "moves"), '[')
		for i, m := range s.Moves {
			if i > 0 {
				b = append(b, ',')
			}
			b = identity.AppendJSONString(append(b, `{"address":`...), m.Address.String())
			b = append(appendText(b, "from", m.From), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// AppendClaim appends the fields of "claim": the lineage that is to be remembered, and
// the one that has to be there; "" for none.
func AppendClaim(b []byte, lineage, was string) []byte {
	b = identity.AppendJSONString(append(b, `,"ledger":`...), lineage)
	return identity.AppendJSONString(append(b, `,"was":`...), was)
}

func appendAfter(b []byte, s *apply.Step, f *plan.Facts) []byte {
	a := s.After
	// wanted says whether a key is to be written.
	wanted := func(name string) bool {
		return (name == plan.FieldPrimary || f.Keeps(name)) && (s.Creates() || has(s.Fields, name))
	}
	b = append(b, '{')
	if wanted(plan.FieldPrimary) {
		b = appendOr(appendKey(b, plan.FieldPrimary), a.Primary.String())
	}
	if wanted(plan.FieldAliases) {
		b = appendAliases(appendKey(b, plan.FieldAliases), a.Aliases)
	}
	if wanted(plan.FieldType) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldType), a.Type.String())
	}
	if wanted(plan.FieldStatus) {
		b = identity.AppendJSONString(appendKey(b, plan.FieldStatus), a.Status.String())
	}
	if wanted(plan.FieldOwner) {
		var mark identity.Mark
		if !a.Local() {
			mark = identity.Mark{By: s.By, Directory: a.Directory, GUID: a.GUID}
		}
		b = appendMark(appendKey(b, plan.FieldOwner), mark)
	}
	if wanted(plan.FieldUsername) {
		b = appendOr(appendKey(b, plan.FieldUsername), a.Username)
	}
	if wanted(plan.FieldDN) {
		b = appendOr(appendKey(b, plan.FieldDN), a.DN)
	}
	n := len(b)
	b = append(appendKey(b, keyAttributes), '{')
	none := len(b)
	for _, attr := range a.Attributes {
		if wanted(attr.Name) {
			b = identity.AppendJSONString(appendKey(b, attr.Name), attr.Value)
		}
	}
	for _, attr := range s.Initial {
		if s.Creates() && wanted(attr.Name) && identity.Lookup(a.Attributes, attr.Name) == "" {
			b = identity.AppendJSONString(appendKey(b, attr.Name), attr.Value)
		}
	}
	for _, name := range s.Clear {
		if wanted(name) && identity.Lookup(a.Attributes, name) == "" {
			b = append(appendKey(b, name), "null"...)
		}
	}
	if len(b) == none {
		b = b[:n] // no attribute is wanted
	} else {
		b = append(b, '}')
	}
	return append(b, '}')
}

func has(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// appendKey appends a key of an object, with the comma that it needs.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(identity.AppendJSONString(b, key), ':')
}

// appendText appends a key and its text, or nothing for no text.
func appendText(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return identity.AppendJSONString(appendKey(b, key), text)
}

// appendOr appends a text, or null for none.
func appendOr(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return identity.AppendJSONString(b, text)
}

func appendAliases(b []byte, aliases []identity.Address) []byte {
	return append(connector.AppendTexts(append(b, '['), aliases, identity.Address.String), ']')
}

func appendMark(b []byte, m identity.Mark) []byte {
	if m.IsZero() {
		return append(b, "null"...)
	}
	b = identity.AppendJSONString(append(b, `{"by":`...), m.By)
	b = identity.AppendJSONString(append(b, `,"directory":`...), m.Directory)
	b = append(b, `,"guid":"`...)
	return append(m.GUID.Append(b), `"}`...)
}

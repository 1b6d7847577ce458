package ldap

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/console"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// effectiveRights is the control by which 389 Directory Server says what somebody may do
// with an entry (draft-ietf-ldapext-acl-model).
const effectiveRights = "1.3.6.1.4.1.42.2.27.9.5.2"

// deeds are things that an account may do with entries, or may not.
type deeds struct{ attributes, acts []string }

func (d deeds) none() bool { return len(d.attributes)+len(d.acts) == 0 }

func (d deeds) String() string {
	all := d.acts
	if len(d.attributes) > 0 {
		all = append([]string{"change " + strings.Join(d.attributes, ", ")}, all...)
	}
	return strings.Join(all, ", ")
}

// checkRights asks the server for what it cannot make: to delete values that an entry
// does not have, and to move it to a place that is not there. Whoever may do that hears
// that there is no such thing, anybody else that he may not. The entry is that of an
// account or, where there is none, base_dn. No request asks for the right to add entries
// without adding one.
func (c *Console) checkRights(s *servers.Session) (console.Finding, error) {
	f := console.Finding{Check: "rights", Status: fine}
	t := &c.tree
	e, err := c.sample(s)
	if err != nil {
		return f, err
	}
	if e == nil {
		f.Status, f.Evidence, f.Remedy = failed, "there is no entry "+t.base+", or none that this account may see", "correct base_dn, or make the entry"
		return f, nil
	}
	var may, mayNot, unknown deeds
	var refusal error
	made := false
	ask := func(absent uint16, request func(conn *goldap.Conn) error) (into *deeds, err error) {
		err = s.Do(request)
		switch {
		case err == nil:
			made = true
			return &unknown, nil
		case !servers.Answered(err):
			return nil, err
		case goldap.IsErrorWithCode(err, absent):
			return &may, nil
		case goldap.IsErrorAnyOf(err, goldap.LDAPResultUndefinedAttributeType, goldap.LDAPResultInappropriateMatching, goldap.LDAPResultConstraintViolation, goldap.LDAPResultInvalidAttributeSyntax, goldap.LDAPResultObjectClassViolation):
			return &unknown, nil
		}
		if refusal == nil {
			refusal = newRefusal(e.dn, err)
		}
		return &mayNot, nil
	}
	for _, attribute := range t.written() {
		value := identity.Temporary(rand.Text(), "example.invalid").String()
		if attribute == "objectClass" {
			value = without([]string{"organizationalUnit", "person"}, e.get(attribute))[0]
		}
		request := goldap.NewModifyRequest(e.dn, nil)
		request.Delete(attribute, []string{value})
		into, err := ask(goldap.LDAPResultNoSuchAttribute, func(conn *goldap.Conn) error { return conn.Modify(request) })
		if err != nil {
			return f, err
		}
		into.attributes = append(into.attributes, attribute)
	}
	if dn, err := goldap.ParseDN(e.dn); t.apart() && err == nil && !identity.EqualDN(e.dn, t.base) {
		request := goldap.NewModifyDNRequest(e.dn, dn.RDNs[0].String(), false, "ou="+rand.Text()+","+t.base)
		into, err := ask(goldap.LDAPResultNoSuchObject, func(conn *goldap.Conn) error { return conn.ModifyDN(request) })
		if err != nil {
			return f, err
		}
		into.acts = append(into.acts, "move it")
	}
	for _, act := range []struct{ right, dn, words string }{{"a", t.base, "add entries"}, {"d", e.dn, "delete it"}} {
		known, has, err := c.right(s, act.dn, act.right)
		if err != nil {
			return f, err
		}
		into := &unknown
		switch {
		case has:
			into = &may
		case known:
			into = &mayNot
		}
		into.acts = append(into.acts, act.words)
	}
	switch {
	case made:
		f.Status, f.Evidence, f.Remedy = warning, "the server has taken a change that changes nothing: whether this account may write is not known", "see which rights it has"
		return f, nil
	case !mayNot.none():
		f.Status, f.Evidence = failed, fmt.Sprintf("of %q the account may not %v", e.dn, mayNot)
		if refusal != nil {
			f.Evidence += "; " + refusal.Error()
		}
		f.Remedy = "give the account the right to write base_dn and everything below it"
		return f, nil
	}
	f.Evidence = fmt.Sprintf("of %q the account may %v", e.dn, may)
	if !unknown.none() {
		f.Evidence += fmt.Sprintf("; the server does not say whether it may %v", unknown)
	}
	return f, nil
}

// written are the attributes of an entry that is there which changes write.
func (t *tree) written() []string {
	all := []string{"objectClass", t.primary, t.alias, t.owner, t.username}
	for _, m := range t.attributes {
		all = append(all, m.attribute)
	}
	return all
}

// sample returns the entry of an account or, where there is none, that of base_dn; nil
// for neither.
func (c *Console) sample(s *servers.Session) (e *entry, err error) {
	var found *goldap.SearchResult
	err = s.Do(func(conn *goldap.Conn) (err error) {
		found, err = conn.Search(goldap.NewSearchRequest(c.tree.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 1, 0, false, fmt.Sprintf("(%s=*)", c.tree.alias), []string{"objectClass"}, nil))
		return err
	})
	if err != nil && !servers.Answered(err) {
		return nil, err
	}
	if found != nil && len(found.Entries) > 0 {
		e := ofResult(found.Entries[0])
		return &e, nil
	}
	return object(s, c.tree.base, "objectClass")
}

// right asks a server that can say it whether this account has a right to an entry: "a"
// to add others below it, "d" to delete it.
func (c *Console) right(s *servers.Session, dn, right string) (known, has bool, err error) {
	who := c.o.Settings.Text("bind_dn")
	if !s.Offers(effectiveRights) || who == "" {
		return false, false, nil
	}
	r, err := search(s, dn, goldap.ScopeBaseObject, "(objectClass=*)", []string{"objectClass"}, goldap.NewControlString(effectiveRights, true, "dn: "+who))
	switch {
	case err != nil && !servers.Answered(err):
		return false, false, err
	case err != nil || len(r.Entries) != 1:
		return false, false, nil
	}
	rights := r.Entries[0].GetEqualFoldAttributeValues("entryLevelRights")
	return len(rights) > 0, slices.ContainsFunc(rights, func(all string) bool { return strings.Contains(all, right) }), nil
}

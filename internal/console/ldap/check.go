package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/console"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/doctor"
)

// Statuses of findings.
const (
	fine, warning, failed = "ok", "warning", "failed"
)

// Check tests the way to every server, and then what the tree and the account of the
// console need. It changes nothing.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	report, err := c.source.Diagnose(ctx, nil, time.Now, nil)
	if err != nil {
		return nil, err
	}
	var found []console.Finding
	for _, k := range report.Checks {
		switch {
		case k.Name == doctor.Read, k.Name == doctor.Changes, k.Status == doctor.Skipped:
			continue
		}
		found = append(found, console.Finding{Check: k.Name + " of " + k.Subject, Status: string(k.Status),
			Evidence: strings.Join(append([]string{k.Finding}, k.Evidence...), "; "), Remedy: strings.ReplaceAll(k.Remedy, "the directory block", "the console block")})
	}
	err = c.look(ctx, func(s *servers.Session) error {
		for _, check := range []func(*servers.Session) (console.Finding, error){c.checkBase, c.checkInactive, c.checkRights, c.checkUnique} {
			f, err := check(s)
			if err != nil {
				return err
			}
			found = append(found, f)
		}
		return nil
	})
	return append(found, c.checkSchema(), c.checkAssertions()), err
}

func (c *Console) checkBase(s *servers.Session) (console.Finding, error) {
	f := console.Finding{Check: "base_dn", Status: fine, Evidence: c.tree.base + " is there"}
	e, err := object(s, c.tree.base, "objectClass")
	if err == nil && e == nil {
		f.Status, f.Evidence, f.Remedy = failed, "there is no entry "+c.tree.base+", or none that this account may see", "correct base_dn, or make the entry"
	}
	return f, err
}

func (c *Console) checkInactive(s *servers.Session) (console.Finding, error) {
	f := console.Finding{Check: "inactive_dn", Status: fine, Evidence: c.tree.inactive + " is there"}
	e, err := object(s, c.tree.inactive, "objectClass")
	if err == nil && e == nil {
		f.Evidence = c.tree.inactive + " is not there; it is made for the first inactive account"
		if !strings.EqualFold(c.tree.inactive[:min(3, len(c.tree.inactive))], "ou=") {
			f.Status, f.Evidence, f.Remedy = failed, c.tree.inactive+" is not there, and no account can become inactive", "make the entry, or correct inactive_dn"
		}
	}
	return f, err
}

// checkUnique looks for a rule by which the server itself keeps addresses unique. Its
// configuration can seldom be read.
func (c *Console) checkUnique(s *servers.Session) (console.Finding, error) {
	f := console.Finding{Check: "unique addresses", Status: fine}
	const filter = "(|(objectClass=olcUniqueConfig)(&(nsslapd-pluginPath=libattr-unique-plugin)(nsslapd-pluginEnabled=on)))"
	r, err := search(s, "cn=config", goldap.ScopeWholeSubtree, filter, []string{"olcUniqueURI", "uniqueness-attribute-name"})
	if err != nil && !servers.Answered(err) {
		return f, err
	}
	readable, err := object(s, "cn=config", "objectClass")
	if err != nil && !servers.Answered(err) {
		return f, err
	}
	var rules []string
	if r != nil {
		for _, e := range r.Entries {
			rules = append(rules, append(e.GetEqualFoldAttributeValues("olcUniqueURI"), e.GetEqualFoldAttributeValues("uniqueness-attribute-name")...)...)
		}
	}
	named := slices.ContainsFunc(rules, func(rule string) bool { return strings.Contains(strings.ToLower(rule), strings.ToLower(c.tree.alias)) })
	switch {
	case named:
		f.Evidence = "the server keeps " + c.tree.alias + " unique: " + strings.Join(rules, " ")
	case readable == nil:
		f.Evidence = "whether the server keeps addresses unique cannot be seen by this account; each change looks for other holders first"
	default:
		f.Status, f.Evidence = warning, "the server does not keep "+c.tree.alias+" unique: two programs that write at one moment may give an address twice"
		f.Remedy = "let the server refuse it: overlay unique of OpenLDAP, plugin attribute uniqueness of 389 Directory Server"
	}
	return f, nil
}

// checkSchema compares the names of the configuration with the schema.
func (c *Console) checkSchema() console.Finding {
	f := console.Finding{Check: "schema", Status: fine}
	t := &c.tree
	var wrong []string
	report := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, class := range slices.Concat(t.users, t.listed) {
		if c.tree.schema.classes[strings.ToLower(class)] == nil {
			report("there is no class %s", class)
		}
	}
	attributes := []string{t.name, t.primary, t.alias, t.owner, t.username}
	for _, m := range t.attributes {
		attributes = append(attributes, m.attribute)
	}
	for _, name := range attributes {
		switch {
		case c.tree.schema.attribute(name) == nil:
			report("there is no attribute %s", name)
		case !c.tree.schema.allows(t.users, name):
			report("%s has no attribute %s", strings.Join(t.users, " "), name)
		case !c.tree.schema.allows(t.lists, name):
			report("%s has no attribute %s", strings.Join(t.lists, " "), name)
		}
	}
	if c.tree.schema.single(t.alias) {
		report("%s has one value at most, and an account has several addresses", t.alias)
	}
	if len(c.tree.schema.structural(t.users)) != 1 || len(c.tree.schema.structural(t.lists)) != 1 {
		report("an entry has one structural class, and those of users are %s, those of lists %s", strings.Join(c.tree.schema.structural(t.users), " "), strings.Join(c.tree.schema.structural(t.lists), " "))
	}
	if len(wrong) > 0 {
		f.Status, f.Evidence, f.Remedy = failed, strings.Join(wrong, "; "), "load the schema into the server (inetLocalMailRecipient is in OpenLDAP's misc.tree.schema), or set other names in the console block"
		return f
	}
	if users, lists := c.tree.schema.structural(t.users), c.tree.schema.structural(t.lists); !slices.Equal(users, lists) {
		f.Status, f.Remedy = warning, "let list_classes be those of users and an auxiliary one"
		f.Evidence = fmt.Sprintf("users are %s and lists %s by their structural class, which an entry mostly keeps: no user can become a list", users[0], lists[0])
		return f
	}
	f.Evidence = "it has all classes and attributes that the console block names"
	return f
}

func (c *Console) checkAssertions() console.Finding {
	f := console.Finding{Check: "assertions", Status: fine, Evidence: "a change is made under the assertion that nobody has changed the entry meanwhile (RFC 4528)"}
	if !c.asserts {
		f.Evidence = "the server knows no assertions (RFC 4528): each change names the values that it replaces, so that the server refuses it where they are others"
	}
	return f
}

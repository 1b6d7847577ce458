package ldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// survey asks a server for what a block has to say that nobody has given: where the
// tree may be, and the names that its schema has.
func survey(ctx context.Context, o console.Opening, given func(setting string) bool) (out console.Survey, err error) {
	c := newConsole(o)
	defer c.Close()
	if err := c.open(ctx); err != nil {
		return out, err
	}
	out.Settings = map[string]string{}
	note := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	t := &c.tree
	if c.tree.schema.attribute(t.alias) == nil && c.tree.schema.classes["mailrecipient"] != nil && !given("alias_attribute") && !given("user_classes") && !given("list_classes") {
		t.alias, t.users, t.lists = "mailAlternateAddress", []string{"inetOrgPerson", "mailRecipient"}, []string{"inetOrgPerson", "mailRecipient", "mailGroup"}
		t.listed, t.used = without(t.lists, t.users), nil
		out.Settings["alias_attribute"] = t.alias
		out.Settings["user_classes"], out.Settings["list_classes"] = inHCL(t.users), inHCL(t.lists)
	}
	err = c.look(ctx, func(s *servers.Session) error {
		if !given("base_dn") {
			context, err := contextOf(s)
			if err != nil || context == "" {
				return err
			}
			t.base = "ou=recipients," + context
			out.Settings["base_dn"] = t.base
		}
		context := s.ContextOf(t.base)
		base, err := object(s, t.base, "objectClass")
		if err != nil {
			return err
		}
		if base == nil {
			note("There is no entry %s, or this account may not see it: make it, or name another.", t.base)
		}
		above, err := object(s, context, t.ref, "nsUniqueId")
		if err != nil {
			return err
		}
		if above != nil && above.one(t.ref) == "" && above.one("nsUniqueId") != "" && !given("ref_attribute") {
			out.Settings["ref_attribute"] = "nsUniqueId"
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if f := c.checkSchema(); f.Status != fine {
		note("The schema does not fit: %s; %s.", f.Evidence, f.Remedy)
	}
	if c.product != "" {
		note("The server is %s.", strings.TrimSpace(c.product+" "+c.version))
	}
	return out, nil
}

// inHCL writes names as a list in HCL.
func inHCL(names []string) string { return `["` + strings.Join(names, `", "`) + `"]` }

// contextOf returns the naming context that a server holds first of all, or "".
func contextOf(s *servers.Session) (string, error) {
	root, err := object(s, "", "defaultNamingContext", "namingContexts")
	if err != nil || root == nil {
		return "", err
	}
	for _, context := range append(root.get("defaultNamingContext"), root.get("namingContexts")...) {
		if dn, err := identity.ParseDN(context); err == nil && len(dn) > 0 && !strings.HasPrefix(strings.ToLower(context), "cn=") {
			return context, nil
		}
	}
	return "", nil
}

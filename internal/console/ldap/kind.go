package ldap

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "ldap".
var Kind = func() console.Kind {
	connection, blocks := servers.Connection()
	return console.Kind{
		Kind: settings.Kind{
			Name: "ldap", Help: "A tree on an LDAP server, such as OpenLDAP or 389 Directory Server, that gateways query.",
			Settings: append(connection,
				settings.Setting{Name: "base_dn", Required: true, Check: servers.CheckDN, Example: `"ou=recipients,dc=example,dc=com"`, Help: "below which the accounts are; whatever has an address there is one"},
				settings.Setting{Name: "inactive_dn", Check: servers.CheckDN, Example: `"ou=inactive,ou=recipients,dc=example,dc=com"`, Help: "where inactive accounts are, base_dn or below it"},
				named("name_attribute", "cn"),
				named("primary_attribute", "mail"),
				named("alias_attribute", "mailLocalAddress"),
				named("owner_attribute", "employeeNumber"),
				named("username_attribute", "uid"),
				named("ref_attribute", "entryUUID"),
				settings.Setting{Name: "user_classes", Type: settings.Texts, Default: []string{"inetOrgPerson", "inetLocalMailRecipient"}, Check: checkName, Example: `["inetOrgPerson", "inetLocalMailRecipient"]`},
				settings.Setting{Name: "list_classes", Type: settings.Texts, Default: []string{"inetOrgPerson", "inetLocalMailRecipient", "labeledURIObject"}, Check: checkName, Example: `["inetOrgPerson", "inetLocalMailRecipient", "labeledURIObject"]`, Help: "of lists; what users have not tells them apart"},
				settings.Setting{Name: "attributes", Type: settings.Map, Default: map[string]string{identity.DisplayName: "displayName"}, Example: `{ display_name = "displayName" }`, Help: "where attributes of accounts stand"},
			),
			Blocks: blocks,
			Check:  check,
			Where: func(v settings.Values) []string {
				return append(servers.ConnectionWhere(v), strings.ToLower(v.Text("base_dn")))
			},
		},
		Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
			c := newConsole(o)
			if err := c.open(ctx); err != nil {
				_ = c.Close() // what failed is reported already
				return nil, err
			}
			return c, nil
		},
		Survey: survey,
	}
}()

func named(name, attribute string) settings.Setting {
	return settings.Setting{Name: name, Default: attribute, Check: checkName, Example: fmt.Sprintf("%q", attribute)}
}

// checkName checks the name of an attribute or of a class (RFC 4512 section 1.4).
func checkName(text string) (p settings.Problem) {
	if !isName(text) {
		return settings.Problem{Summary: "%s is not the name of an attribute or a class", Hint: "a name begins with a letter and consists of letters, digits and hyphens (RFC 4512)"}
	}
	return p
}

func isName(text string) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	for i := range len(text) {
		if c := text[i]; !letter(c) && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return text != ""
}

// check looks for settings that do not go together.
func check(v settings.Values) []settings.Problem {
	problems := servers.CheckConnection("console", v)
	report := func(setting, hint, format string, args ...any) {
		problems = append(problems, settings.Problem{Setting: setting, Hint: hint, Summary: fmt.Sprintf(format, args...)})
	}
	if !v.Has("bind_dn") && !v.Has("client_cert") && !v.Has("kerberos") {
		problems = append(problems, settings.Problem{Warning: true, Hint: "set bind_dn and bind_password, or write a kerberos block",
			Summary: fmt.Sprintf("console %q has no login, and servers let nobody write without one", v.Label())})
	}
	if base, err := identity.ParseDN(v.Text("base_dn")); err == nil && v.Has("inactive_dn") {
		if place, err := identity.ParseDN(v.Text("inactive_dn")); err == nil && !place.Within(base) {
			report("inactive_dn", "write a name below base_dn, or remove it: ou=inactive below base_dn is meant then", "inactive accounts would be outside of base_dn, where nothing is read")
		}
	}
	uses := map[string]string{"objectclass": "the class of an entry"}
	use := func(setting, attribute, as string) {
		key := identity.AttributeName(attribute)
		if other, twice := uses[key]; twice && key != "" {
			report(setting, "name another attribute", "the attribute %s is %s already", attribute, other)
		}
		uses[key] = as
	}
	for _, name := range []string{"name_attribute", "primary_attribute", "alias_attribute", "owner_attribute", "username_attribute", "ref_attribute"} {
		use(name, v.Text(name), "the "+name)
	}
	attributes := v.Map("attributes")
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if !isName(attributes[name]) {
			report("attributes", `write attributes = { department = "departmentNumber" }`, "the attribute %q of accounts goes to %q, which is not the name of an attribute", name, attributes[name])
			continue
		}
		use("attributes", attributes[name], fmt.Sprintf("for the attribute %q", name))
	}
	if missing := without(v.Texts("user_classes"), v.Texts("list_classes")); len(missing) > 0 && !slices.Contains(v.Texts("user_classes"), "") {
		problems = append(problems, settings.Problem{Setting: "list_classes", Warning: true, Hint: "let lists have the classes of users and one more, which needs to be auxiliary",
			Summary: fmt.Sprintf("a list does not have %s of users: most servers do not let an entry change its structural class, and no user could become a list", strings.Join(missing, " and "))})
	}
	return problems
}

// tree says what of an account stands where in an entry.
type tree struct {
	base, inactive                             string // DNs
	name, primary, alias, owner, username, ref string // attributes
	users, lists                               []string
	// lists alone have listed, users alone used.
	listed, used []string
	attributes   []mapped // by name
	// singleOwner says that the attribute of the mark has one value at most.
	singleOwner bool
	schema      *schema // of the server
}

// mapped is an attribute of accounts and the one of entries that holds it.
type mapped struct{ name, attribute string }

// entryCSN changes with the entry, in OpenLDAP; see draft-ietf-ldup-lcup.
const entryCSN = "entryCSN"

func newTree(v settings.Values) tree {
	t := tree{
		base: v.Text("base_dn"), inactive: cmp.Or(v.Text("inactive_dn"), "ou=inactive,"+v.Text("base_dn")),
		name: v.Text("name_attribute"), primary: v.Text("primary_attribute"), alias: v.Text("alias_attribute"), owner: v.Text("owner_attribute"),
		username: v.Text("username_attribute"), ref: v.Text("ref_attribute"), users: v.Texts("user_classes"), lists: v.Texts("list_classes"),
	}
	t.listed, t.used = without(t.lists, t.users), without(t.users, t.lists)
	attributes := v.Map("attributes")
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		t.attributes = append(t.attributes, mapped{name, attributes[name]})
	}
	return t
}

// without returns the names that the others have not, whatever their letter case.
func without(names, others []string) (rest []string) {
	for _, name := range names {
		if !slices.ContainsFunc(others, func(o string) bool { return strings.EqualFold(name, o) }) {
			rest = append(rest, name)
		}
	}
	return rest
}

// asked are the attributes that are read of an entry.
func (t *tree) asked() []string {
	all := []string{"objectClass", t.primary, t.alias, t.owner, t.username, t.ref, entryCSN}
	for _, m := range t.attributes {
		all = append(all, m.attribute)
	}
	return all
}

package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func TestEmptied(t *testing.T) {
	staff := config.Scope{Name: "staff", Directory: "corp", BaseDN: "OU=Staff,DC=corp"}
	groups := config.Scope{Name: "groups", Directory: "corp", BaseDN: "OU=Groups,DC=corp", Filter: "(objectClass=group)"}
	sales := config.Scope{Name: "sales", Directory: "corp", BaseDN: "ou=sales, ou=staff, dc=corp"}
	all := config.Scope{Name: "all", Directory: "corp"}
	lab := config.Scope{Name: "lab", Directory: "lab", BaseDN: "OU=Staff,DC=corp"}
	type accounts = map[byte]string // DNs by GUID
	const (
		noStaff  = `scope "staff" found no entry with base_dn "OU=Staff,DC=corp" and the default filter, and had `
		noGroups = `scope "groups" found no entry with base_dn "OU=Groups,DC=corp" and filter (objectClass=group), and had `
	)
	for _, c := range []struct {
		story    string
		scopes   []config.Scope
		entries  map[byte]int32 // scopes by GUID
		accounts accounts
		want     []string
	}{
		{"a first read", []config.Scope{staff}, nil, nil, nil},
		{"everybody is gone", []config.Scope{staff}, nil, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "cn=b,ou=x,ou=staff,dc=corp"}, []string{noStaff + "2 active accounts"}},
		{"a leaver", []config.Scope{staff}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=b,OU=Staff,DC=corp"}, nil},
		{"one scope of two", []config.Scope{staff, groups}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=g,OU=Groups,DC=corp"}, []string{noGroups + "1 active account"}},
		{"both scopes", []config.Scope{staff, groups}, nil, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=g,OU=Groups,DC=corp"}, []string{noStaff + "1 active account", noGroups + "1 active account"}},
		{"a scope that never had one", []config.Scope{staff, groups}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=b,OU=Staff,DC=corp"}, nil},
		{"everybody has moved to another scope", []config.Scope{staff, groups}, map[byte]int32{1: 1}, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
		{"everybody has moved to another directory", []config.Scope{staff, lab}, map[byte]int32{1: 1}, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
		{"below the base of a scope that has entries", []config.Scope{sales, all}, map[byte]int32{1: 1}, accounts{2: "CN=b,OU=Sales,OU=Staff,DC=corp"}, nil},
		{"of two empty ones, from the first", []config.Scope{staff, sales}, nil, accounts{1: "CN=a,OU=Sales,OU=Staff,DC=corp"}, []string{noStaff + "1 active account"}},
		{"no DN, and nothing is left", []config.Scope{staff, groups}, nil, accounts{1: "", 2: "no DN"}, []string{noStaff + "2 active accounts"}},
		{"no DN, and something is left", []config.Scope{staff, groups}, map[byte]int32{1: 0}, accounts{2: "", 3: "no DN"}, nil},
		{"another directory has an equal base", []config.Scope{lab}, nil, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
	} {
		in := &plan.Input{Accounts: []identity.Account{
			{DN: "CN=local,OU=Staff,DC=corp"},
			{GUID: identity.GUID{250}, Directory: "corp", DN: "CN=inactive,OU=Staff,DC=corp", Status: identity.Inactive},
		}}
		for n, dn := range c.accounts {
			in.Accounts = append(in.Accounts, identity.Account{GUID: identity.GUID{n}, Directory: "corp", DN: dn})
		}
		for n, scope := range c.entries {
			in.Entries = append(in.Entries, identity.Entry{GUID: identity.GUID{n}, Scope: scope})
		}
		if diff := cmp.Diff(c.want, emptied(c.scopes, "corp", in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

// Scopes often share a base and part users from groups by their filters.
func TestEmptiedOfOneType(t *testing.T) {
	users := config.Scope{Name: "users", Directory: "corp", BaseDN: "DC=corp", Filter: "(objectClass=user)"}
	groups := config.Scope{Name: "groups", Directory: "corp", BaseDN: "DC=corp", Filter: "(objectClass=group)"}
	in := &plan.Input{
		Entries: []identity.Entry{{GUID: identity.GUID{1}, Type: identity.User}},
		Accounts: []identity.Account{
			{GUID: identity.GUID{1}, Directory: "corp", DN: "CN=a,DC=corp", Type: identity.User},
			{GUID: identity.GUID{2}, Directory: "corp", DN: "CN=leaver,DC=corp", Type: identity.User},
			{GUID: identity.GUID{3}, Directory: "corp", DN: "CN=list,DC=corp", Type: identity.List},
		},
	}
	want := []string{`scope "groups" found no entry with base_dn "DC=corp" and filter (objectClass=group), and had 1 active account`}
	if diff := cmp.Diff(want, emptied([]config.Scope{users, groups}, "corp", in)); diff != "" {
		t.Error(diff)
	}
}

// What more than ten active accounts have, and no entry of their scope any more,
// was not read: aliases, usernames, each attribute, and the type list.
func TestBared(t *testing.T) {
	scopes := []config.Scope{
		{Name: "other", Directory: "lab"},
		{Name: "staff", Directory: "corp", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid", Attributes: []config.Attribute{{Name: "display_name", Source: "displayName"}}},
		{Name: "guests", Directory: "corp"},
	}
	shown := []identity.Attribute{{Name: "display_name", Value: "x"}}
	for _, c := range []struct {
		story    string
		accounts int
		account  identity.Account
		entry    identity.Entry // of each account
		more     []identity.Entry
		want     []string
	}{
		{"aliases", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, []identity.Entry{{Aliases: []string{"a@x.example"}}, {Scope: 2, Aliases: []string{"a@x.example"}}},
			[]string{`scope "staff": no entry has an alias (proxyAddresses) any more, and 11 active accounts have`}},
		{"ten", 10, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, nil, nil},
		{"one entry has aliases", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Aliases: []string{"a@ignored.example"}}}, nil},
		{"one entry has two primaries", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Primaries: []string{"a@x.example", "b@x.example"}}}, nil},
		{"the entries are gone", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 0}, nil, nil},
		{"inactive accounts", 11, identity.Account{Username: "u", Status: identity.Inactive}, identity.Entry{Scope: 1}, nil, nil},
		{"usernames", 12, identity.Account{Username: "u"}, identity.Entry{Scope: 1}, nil,
			[]string{`scope "staff": no entry has a username (uid) any more, and 12 active accounts have`}},
		{"usernames that nobody reads", 12, identity.Account{Username: "u"}, identity.Entry{Scope: 2}, nil, nil},
		{"an attribute", 11, identity.Account{Attributes: shown}, identity.Entry{Scope: 1}, nil,
			[]string{`scope "staff": no entry has the attribute display_name (displayName) any more, and 11 active accounts have`}},
		{"an attribute that is not configured any more", 11, identity.Account{Attributes: []identity.Attribute{{Name: "department", Value: "x"}}}, identity.Entry{Scope: 1}, nil, nil},
		{"lists", 11, identity.Account{Type: identity.List}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 0, Type: identity.List}},
			[]string{`scope "staff": no entry has the type list (objectClass) any more, and 11 active accounts have`}},
		{"a list is left", 11, identity.Account{Type: identity.List}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Type: identity.List}}, nil},
	} {
		in := &plan.Input{Entries: slices.Clone(c.more)}
		for n := range c.accounts {
			a, e := c.account, c.entry
			a.GUID, a.Directory, e.GUID = identity.GUID{byte(n), 1}, "corp", identity.GUID{byte(n), 1}
			in.Accounts, in.Entries = append(in.Accounts, a), append(in.Entries, e)
		}
		if diff := cmp.Diff(c.want, bared(scopes, "corp", in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

func TestUncovered(t *testing.T) {
	scopes := []config.Scope{
		{BaseDN: "DC=corp,DC=example"},
		{BaseDN: "OU=Staff,DC=child,DC=corp,DC=example"},
		{BaseDN: `OU=A\, B,DC=elsewhere`},
		{Directory: "corp", BaseDN: ""},
	}
	for _, c := range []struct {
		story      string
		references []string
		want       []string
	}{
		{"none", nil, nil},
		{"the partitions that every domain has", []string{
			"ldap://corp.example/CN=Configuration,DC=corp,DC=example",
			"ldap://corp.example/CN=Schema,CN=Configuration,DC=corp,DC=example",
			"ldaps://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example",
			"ldap://ForestDnsZones.corp.example/dc=forestdnszones,dc=corp,dc=example??base",
		}, nil},
		{"a scope is below it", []string{"ldap://child.corp.example/DC=child,DC=corp,DC=example"}, nil},
		{"a scope is the same", []string{"ldap://x/ou=a%5C,%20b,dc=elsewhere??sub"}, nil},
		{"none of the scopes, though one is above", []string{"ldap://b.example/DC=b,DC=corp,DC=example", "ldap://a.example/DC=a,DC=corp,DC=example"},
			[]string{"DC=a,DC=corp,DC=example", "DC=b,DC=corp,DC=example"}},
		{"two servers of one", []string{"ldap://one.example/DC=b,DC=example", "ldap://two.example:389/DC=b,DC=example"}, []string{"DC=b,DC=example"}},
		{"no name", []string{"ldap://other.example/"}, []string{"ldap://other.example/"}},
		{"no URL", []string{"ldap://%zz/DC=b"}, []string{"ldap://%zz/DC=b"}},
	} {
		if diff := cmp.Diff(c.want, uncovered("corp", c.references, scopes)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

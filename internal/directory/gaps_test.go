package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// readOf is what was read by scopes, each of which names its directory.
func readOf(scopes ...declared) *Reading {
	r := &Reading{Canonical: func(a identity.Address) identity.Address { return a }}
	for i, s := range scopes {
		at := slices.IndexFunc(r.Directories, func(d Directory) bool { return d.Name == s.directory })
		if at < 0 {
			at = len(r.Directories)
			r.Directories = append(r.Directories, Directory{Name: s.directory})
		}
		scope := *s.Scope
		scope.Index = int32(i)
		r.Directories[at].Scopes = append(r.Directories[at].Scopes, scope)
	}
	if !slices.ContainsFunc(r.Directories, func(d Directory) bool { return d.Name == "corp" }) {
		r.Directories = append(r.Directories, Directory{Name: "corp"})
	}
	return r
}

// ofCorp is the receipt of the directory that most tests are about.
var ofCorp = identity.Receipt{Name: "corp", Server: "dc1"}

func TestEmptied(t *testing.T) {
	staff := declared{&Scope{Name: "staff", Base: "OU=Staff,DC=corp"}, "corp"}
	groups := declared{&Scope{Name: "groups", Base: "OU=Groups,DC=corp", Filter: "(objectClass=group)"}, "corp"}
	sales := declared{&Scope{Name: "sales", Base: "ou=sales, ou=staff, dc=corp"}, "corp"}
	all := declared{&Scope{Name: "all"}, "corp"}
	lab := declared{&Scope{Name: "lab", Base: "OU=Staff,DC=corp"}, "lab"}
	type accounts = map[byte]string // DNs by GUID
	const (
		noStaff  = `scope "staff" found no entry with base_dn "OU=Staff,DC=corp" and the default filter, and had `
		noGroups = `scope "groups" found no entry with base_dn "OU=Groups,DC=corp" and filter (objectClass=group), and had `
	)
	for _, c := range []struct {
		story    string
		scopes   []declared
		entries  map[byte]int32 // scopes by GUID
		accounts accounts
		want     []string
	}{
		{"a first read", []declared{staff}, nil, nil, nil},
		{"everybody is gone", []declared{staff}, nil, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "cn=b,ou=x,ou=staff,dc=corp"}, []string{noStaff + "2 active accounts"}},
		{"a leaver", []declared{staff}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=b,OU=Staff,DC=corp"}, nil},
		{"one scope of two", []declared{staff, groups}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=g,OU=Groups,DC=corp"}, []string{noGroups + "1 active account"}},
		{"both scopes", []declared{staff, groups}, nil, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=g,OU=Groups,DC=corp"}, []string{noStaff + "1 active account", noGroups + "1 active account"}},
		{"a scope that never had one", []declared{staff, groups}, map[byte]int32{1: 0}, accounts{1: "CN=a,OU=Staff,DC=corp", 2: "CN=b,OU=Staff,DC=corp"}, nil},
		{"everybody has moved to another scope", []declared{staff, groups}, map[byte]int32{1: 1}, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
		{"everybody has moved to another directory", []declared{staff, lab}, map[byte]int32{1: 1}, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
		{"below the base of a scope that has entries", []declared{sales, all}, map[byte]int32{1: 1}, accounts{2: "CN=b,OU=Sales,OU=Staff,DC=corp"}, nil},
		{"of two empty ones, from the first", []declared{staff, sales}, nil, accounts{1: "CN=a,OU=Sales,OU=Staff,DC=corp"}, []string{noStaff + "1 active account"}},
		{"no DN, and nothing is left", []declared{staff, groups}, nil, accounts{1: "", 2: "no DN"}, []string{noStaff + "2 active accounts"}},
		{"no DN, and something is left", []declared{staff, groups}, map[byte]int32{1: 0}, accounts{2: "", 3: "no DN"}, nil},
		{"another directory has an equal base", []declared{lab}, nil, accounts{1: "CN=a,OU=Staff,DC=corp"}, nil},
	} {
		r := readOf(c.scopes...)
		r.Accounts = []identity.Account{
			{DN: "CN=local,OU=Staff,DC=corp"},
			{GUID: identity.GUID{250}, Directory: "corp", DN: "CN=inactive,OU=Staff,DC=corp", Status: identity.Inactive},
		}
		for n, dn := range c.accounts {
			r.Accounts = append(r.Accounts, identity.Account{GUID: identity.GUID{n}, Directory: "corp", DN: dn})
		}
		for n, scope := range c.entries {
			r.Entries.Whole = append(r.Entries.Whole, identity.Entry{GUID: identity.GUID{n}, Scope: scope})
		}
		if diff := cmp.Diff(c.want, r.Gaps(&ofCorp).Emptied); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

// Scopes often share a base and part users from groups by their filters.
func TestEmptiedOfOneType(t *testing.T) {
	users := declared{&Scope{Name: "users", Base: "DC=corp", Filter: "(objectClass=user)"}, "corp"}
	groups := declared{&Scope{Name: "groups", Base: "DC=corp", Filter: "(objectClass=group)"}, "corp"}
	r := readOf(users, groups)
	r.Entries.Whole = []identity.Entry{{GUID: identity.GUID{1}, Type: identity.User}}
	r.Accounts = []identity.Account{
		{GUID: identity.GUID{1}, Directory: "corp", DN: "CN=a,DC=corp", Type: identity.User},
		{GUID: identity.GUID{2}, Directory: "corp", DN: "CN=leaver,DC=corp", Type: identity.User},
		{GUID: identity.GUID{3}, Directory: "corp", DN: "CN=list,DC=corp", Type: identity.List},
	}
	want := []string{`scope "groups" found no entry with base_dn "DC=corp" and filter (objectClass=group), and had 1 active account`}
	if diff := cmp.Diff(want, r.Gaps(&ofCorp).Emptied); diff != "" {
		t.Error(diff)
	}
}

// What more than ten active accounts have, and no entry of their scope any more,
// was not read: aliases, usernames, each attribute, and the type list.
func TestBared(t *testing.T) {
	scopes := []declared{
		{&Scope{Name: "other"}, "lab"},
		{&Scope{Name: "staff", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid", Attributes: []Attribute{{Name: "display_name", Source: "displayName"}}}, "corp"},
		{&Scope{Name: "guests"}, "corp"},
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
			[]string{`scope "staff": no entry has an alias (proxyAddresses), and 11 active accounts had`}},
		{"ten", 10, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, nil, nil},
		{"one entry has aliases", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Aliases: []string{"a@ignored.example"}}}, nil},
		{"one entry has two primaries", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Primaries: []string{"a@x.example", "b@x.example"}}}, nil},
		{"the entries are gone", 11, identity.Account{Aliases: make([]identity.Address, 1)}, identity.Entry{Scope: 0}, nil, nil},
		{"inactive accounts", 11, identity.Account{Username: "u", Status: identity.Inactive}, identity.Entry{Scope: 1}, nil, nil},
		{"usernames", 12, identity.Account{Username: "u"}, identity.Entry{Scope: 1}, nil,
			[]string{`scope "staff": no entry has a username (uid), and 12 active accounts had`}},
		{"usernames that nobody reads", 12, identity.Account{Username: "u"}, identity.Entry{Scope: 2}, nil, nil},
		{"an attribute", 11, identity.Account{Attributes: shown}, identity.Entry{Scope: 1}, nil,
			[]string{`scope "staff": no entry has the attribute display_name (displayName), and 11 active accounts had`}},
		{"an attribute that is not configured any more", 11, identity.Account{Attributes: []identity.Attribute{{Name: "department", Value: "x"}}}, identity.Entry{Scope: 1}, nil, nil},
		{"lists", 11, identity.Account{Type: identity.List}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 0, Type: identity.List}},
			[]string{`scope "staff": no entry has the type list (objectClass), and 11 active accounts had`}},
		{"a list is left", 11, identity.Account{Type: identity.List}, identity.Entry{Scope: 1}, []identity.Entry{{Scope: 1, Type: identity.List}}, nil},
	} {
		r := readOf(scopes...)
		r.Entries.Whole = slices.Clone(c.more)
		for n := range c.accounts {
			a, e := c.account, c.entry
			a.GUID, a.Directory, e.GUID = identity.GUID{byte(n), 1}, "corp", identity.GUID{byte(n), 1}
			r.Accounts, r.Entries.Whole = append(r.Accounts, a), append(r.Entries.Whole, e)
		}
		if diff := cmp.Diff(c.want, r.Gaps(&ofCorp).Bared); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

func TestUncovered(t *testing.T) {
	scopes := []declared{
		{&Scope{Base: "DC=corp,DC=example"}, "lab"},
		{&Scope{Base: "OU=Staff,DC=child,DC=corp,DC=example"}, "lab"},
		{&Scope{Base: `OU=A\, B,DC=elsewhere`}, "lab"},
		{&Scope{Base: ""}, "corp"},
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
		if diff := cmp.Diff(c.want, readOf(scopes...).Gaps(&identity.Receipt{Name: "corp", References: c.references}).Uncovered); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.story, diff)
		}
	}
}

// TestGaps: what is missing on a server fails the read, and of files only what all
// entries have lost. Who goes on nevertheless is reported all of it.
func TestGaps(t *testing.T) {
	const (
		noEntry    = `scope "staff" found no entry with base_dn "OU=Staff" and the default filter, and had 1 active account`
		noUsername = `scope "all": no entry has a username (uid), and 11 active accounts had`
		reference  = `the server refers to DC=b, which no scope covers: entries there are not read`
	)
	receipt := identity.Receipt{Name: "corp", Server: "dc1", Notes: []string{"a note"}, References: []string{"ldap://b.example/DC=b"}}
	left := identity.Account{GUID: identity.GUID{99}, Directory: "corp", DN: "CN=left,OU=Staff"}
	for _, c := range []struct {
		story            string
		files            bool
		accounts, losers int
		failed, hint     string
		warnings         []string
	}{
		{"nothing", false, 0, 0, "", "", []string{`directory "corp": a note`,
			`scope "staff" selects no entry with an address: check its base_dn and filter, and what the account that reads may see (rollcall doctor)`, `directory "corp": ` + reference}},
		{"a server without its people", false, 1, 0, noEntry, "check base_dn, filter", []string{`directory "corp": a note`, `directory "corp": ` + noEntry, `directory "corp": ` + reference}},
		{"files without them", true, 1, 0, "", "", []string{`directory "corp": a note`, `directory "corp": ` + noEntry, `directory "corp": ` + reference}},
		{"both at once", false, 1, 11, noEntry + "; " + noUsername, "check base_dn, filter", nil},
		{"both in files", true, 1, 11, noUsername, "check the names of attributes", nil},
	} {
		r := readOf(declared{&Scope{Name: "staff", Base: "OU=Staff"}, "corp"}, declared{&Scope{Name: "all", Base: "OU=All", UsernameAttribute: "uid"}, "corp"})
		r.Directories[0].Kind.Files = c.files
		r.Accounts = slices.Repeat([]identity.Account{left}, c.accounts)
		r.Entries.Whole = []identity.Entry{{GUID: identity.GUID{98}, Scope: 1}}
		for n := range c.losers {
			r.Entries.Whole = append(r.Entries.Whole, identity.Entry{GUID: identity.GUID{byte(n), 1}, Scope: 1})
			r.Accounts = append(r.Accounts, identity.Account{GUID: identity.GUID{byte(n), 1}, Directory: "corp", Username: "u", DN: "CN=u,OU=All"})
		}
		g := r.Gaps(&receipt)
		failed := ""
		if err := g.Err(); err != nil {
			failed = err.Error()
			if !strings.HasPrefix(HintOf(err), c.hint) || !errors.As(err, new(*ReadError)) {
				t.Errorf("%s: hint %q", c.story, HintOf(err))
			}
		}
		if want := `directory "corp": dc1: ` + c.failed; failed != want && (failed != "" || c.failed != "") {
			t.Errorf("%s: %q, not %q", c.story, failed, c.failed)
		}
		if got := g.Warnings(); c.warnings != nil && !slices.Equal(got, c.warnings) {
			t.Errorf("%s: %q", c.story, got)
		}
	}
}

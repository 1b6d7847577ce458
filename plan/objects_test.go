package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestObjects: which results are one object, and what becomes of their
// addresses.
func TestObjects(t *testing.T) {
	rules := plan.Rules{
		Directories: []string{"corp"},
		Domains:     []plan.Domain{{Name: "example.com"}},
		Scopes: []plan.Scope{
			{Name: "first", Directory: "corp", Domains: []string{"example.com"}},
			{Name: "second", Directory: "corp", Domains: []string{"example.com"}},
		},
		Limits: bounded(100, 100),
	}
	guid := func(n byte) identity.GUID { return identity.GUID{15: n} }
	entry := func(scope int32, g byte, dn, primary string, aliases ...string) identity.Entry {
		e := identity.Entry{Scope: scope, GUID: guid(g), DN: dn, Aliases: aliases}
		if primary != "" {
			e.Primaries = []string{primary}
		}
		return e
	}
	for _, c := range []struct {
		name     string
		entries  []identity.Entry
		granted  []string
		rejected []string
	}{
		{"two scopes match it: the first has it",
			[]identity.Entry{entry(1, 1, "CN=a,DC=x", "b@example.com"), entry(0, 1, "cn=A, dc=x", "a@example.com")},
			[]string{"a@example.com"}, nil},
		{"the first scope finds no address in it: no entry",
			[]identity.Entry{entry(1, 1, "CN=a,DC=x", "b@example.com"), entry(0, 1, "CN=a,DC=x", "")},
			nil, nil},
		{"read twice, the addresses changed in between: none is dropped",
			[]identity.Entry{entry(0, 1, "CN=a,DC=x", "a@example.com", "b@example.com"), entry(0, 1, "CN=a,DC=x", "a@example.com", "c@example.com")},
			[]string{"a@example.com", "b@example.com", "c@example.com"}, nil},
		{"no GUID, the same name: one object without a GUID",
			[]identity.Entry{entry(0, 0, "CN=a,DC=x", "a@example.com"), entry(1, 0, "cn=a,dc=x", "b@example.com")},
			nil, []string{"missing_guid a@example.com"}},
		{"a comma in a name is not one between names",
			[]identity.Entry{entry(0, 0, `CN=a\,OU=b,DC=x`, "a@example.com"), entry(1, 0, "CN=a,OU=b,DC=x", "b@example.com")},
			nil, []string{"missing_guid a@example.com", "missing_guid b@example.com"}},
		{"the same GUID, other names: nobody's",
			[]identity.Entry{entry(0, 1, "CN=a,DC=x", "a@example.com"), entry(0, 1, "CN=b,DC=x", "b@example.com")},
			nil, []string{"missing_guid a@example.com", "missing_guid b@example.com"}},
		{"names that are none are equal when their bytes are",
			[]identity.Entry{entry(0, 1, "a", "a@example.com"), entry(0, 1, "a", "a@example.com"), entry(0, 2, "A", "b@example.com")},
			[]string{"a@example.com", "b@example.com"}, nil},
	} {
		for range 2 {
			slices.Reverse(c.entries)
			p, err := plan.Compute(plan.Input{Rules: rules, Entries: c.entries, Read: []string{"corp"}, Now: time.Unix(0, 0)})
			if err != nil {
				t.Fatal(err)
			}
			var granted, rejected []string
			for i := range p.Changes {
				granted = append(granted, p.Changes[i].Address.String())
			}
			for _, r := range p.Rejections {
				rejected = append(rejected, r.Reason.String()+" "+r.Address)
			}
			if !slices.Equal(granted, c.granted) || !slices.Equal(rejected, c.rejected) {
				t.Errorf("%s: granted %v, rejected %v", c.name, granted, rejected)
			}
		}
	}
}

// TestImpossibleInput: what cannot be is an error and no plan.
func TestImpossibleInput(t *testing.T) {
	rules := plan.Rules{
		Directories: []string{"corp"}, Domains: []plan.Domain{{Name: "example.com"}},
		Scopes: []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}}},
	}
	a := identity.MustAddress("a@example.com")
	held := []identity.Account{{Primary: a}, {Primary: identity.MustAddress("b@example.com"), Aliases: []identity.Address{a}}}
	asks := []identity.Entry{{GUID: identity.GUID{1}, DN: "cn=a", Primaries: []string{"a@example.com"}}}
	for name, in := range map[string]plan.Input{
		"an address held twice":                 {Rules: rules, Accounts: held, Entries: asks, Read: []string{"corp"}},
		"an entry of a directory not read":      {Rules: rules, Entries: asks},
		"an entry of a scope that is not there": {Rules: rules, Entries: []identity.Entry{{Scope: 1}}, Read: []string{"corp"}},
	} {
		if _, err := plan.Compute(in); err == nil {
			t.Errorf("%s is planned", name)
		}
	}
}

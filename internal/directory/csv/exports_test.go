package csv

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestExports reads what products write, by the columns that docs/reference/csv.md
// names, as that page says.
func TestExports(t *testing.T) {
	t.Parallel()
	number := func(n string) string { return identity.NamedGUID("hr:" + n).String() }
	for _, c := range []struct {
		file, format string
		o            Options
		scope        directory.Scope
		want         []string
	}{
		{
			"entra.csv", "commas, UTF-8", Options{ID: []string{"objectId"}},
			directory.Scope{
				Filter: "(&(userType=Member)(accountEnabled=True))", PrimaryAttribute: "mail", AliasAttributes: []string{"alternateEmailAddress"},
				UsernameAttribute: "userPrincipalName", GUIDAttribute: "objectId",
			},
			[]string{"user objectId=8c4ac332-975f-4717-ad7b-ba4a4e968fff 8c4ac332-975f-4717-ad7b-ba4a4e968fff ann.smith@example.com Smith, Ann: ann.smith@example.com"},
		},
		{
			"intune.csv", "commas, UTF-8", Options{ID: []string{"id"}},
			directory.Scope{Filter: "(accountEnabled=True)", PrimaryAttribute: "mail", UsernameAttribute: "userPrincipalName", GUIDAttribute: "id"},
			[]string{"user id=8c4ac332-975f-4717-ad7b-ba4a4e968fff 8c4ac332-975f-4717-ad7b-ba4a4e968fff ann.smith@example.com Ann Smith: ann.smith@example.com"},
		},
		{
			"google.csv", "commas, UTF-8", Options{ID: []string{"Email Address [Required]"}, Separator: ","},
			directory.Scope{
				Filter: "(&(StatusREADONLY=Active)(EmployeeID=*))", PrimaryAttribute: AttributeName("Email Address [Required]"), AliasAttributes: []string{AttributeName("Work Secondary Email")},
				GUIDAttribute: AttributeName("Employee ID"),
			},
			[]string{"user EmailAddressRequired=ann@example.com " + number("E-4711") + " : ann@example.com a.smith@example.com smith@example.com"},
		},
		{
			"csvde.csv", "commas, UTF-16LE", Options{},
			directory.Scope{
				Base: "OU=Staff,DC=corp,DC=example,DC=com", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", SkipDisabled: true,
			},
			[]string{
				`user CN=Smith\, Ann,OU=Staff,DC=corp,DC=example,DC=com 8c4ac332-975f-4717-ad7b-ba4a4e968fff asmith Smith, Ann: ann@example.com a.smith@example.com`,
				`list CN=Help,OU=Staff,DC=corp,DC=example,DC=com 2b7de0d1-6d4a-4c0f-8a0e-1e5a6a8c9d02 help Help Desk: help@example.com support@example.com`,
			},
		},
		{
			"hr.csv", "semicolons, windows-1252", Options{ID: []string{"Personalnummer"}, Encoding: "windows-1252"},
			directory.Scope{
				Filter: "(Status=aktiv)", PrimaryAttribute: AttributeName("E-Mail (geschäftlich)"), AliasAttributes: []string{AttributeName("Weitere E-Mails")},
				UsernameAttribute: AttributeName("Kürzel"), GUIDAttribute: "Personalnummer", Attributes: []directory.Attribute{{Name: identity.DisplayName, Source: "Anzeigename"}},
			},
			[]string{
				"user Personalnummer=0004711 " + number("0004711") + " AS Smith, Ann: ann.smith@example.com a.smith@example.com smith@example.com",
				"user Personalnummer=0004713 " + number("0004713") + " CG Groß, Chloé: chloe.gross@example.com",
			},
		},
	} {
		c.scope.Name, c.scope.Type, c.scope.Keyspace = "people", directory.Auto, "hr"
		if c.scope.Attributes == nil {
			c.scope.Attributes = []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}}
		}
		if c.o.Separator == "" {
			c.o.Separator = ";"
		}
		scopes := []directory.Scope{c.scope}
		collector := directory.NewCollector(scopes)
		receipt, err := New("hr", []string{filepath.Join("testdata", c.file)}, c.o).Read(t.Context(), scopes, collector, nil)
		var got []string
		for _, e := range collector.Entries() {
			line := e.Type.String() + " " + e.DN + " " + e.GUID.String() + " "
			if e.Username != "" {
				line += e.Username + " "
			}
			for _, a := range e.Attributes {
				line += a.Value
			}
			got = append(got, line+": "+strings.Join(slices.Concat(e.Primaries, e.Aliases), " "))
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" || receipt.Server != c.file+" ("+c.format+")" {
			t.Errorf("%s: %v, %s\n%s", c.file, err, receipt.Server, diff)
		}
	}
}

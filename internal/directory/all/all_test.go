package all

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
)

// TestKinds: the configuration takes the kinds of the list and no other, and each
// opens without touching anything.
func TestKinds(t *testing.T) {
	var names []string
	for _, k := range Kinds {
		names = append(names, fmt.Sprintf("kind = %q", k.Name))
		if source, err := Kind(k.Name).Open(directory.Opening{Settings: k.Values("corp", ".", nil)}); err != nil || source == nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
	_, diags := config.Check(t.TempDir(), "rollcall.hcl", []byte("directory \"corp\" {}\n"), time.Now(), config.Kinds{Directories: Settings()})
	last := len(names) - 1
	want := "expected " + strings.Join(names[:last], ", ") + " or " + names[last]
	for i := range diags {
		if diags[i].Hint == want {
			return
		}
	}
	t.Errorf("the configuration does not say %q: %v", want, diags)
}

// TestColumns: attributes of a directory of rows may be written as its header names
// them.
func TestColumns(t *testing.T) {
	check := func(kind, scope string) (*config.Config, config.Diagnostics) {
		text := "directory \"hr\" {\n  kind = \"" + kind + "\"\n  path = \"hr.csv\"\n}\ndomain \"example.com\" {}\nscope \"staff\" {\n  directory = directory.hr\n" + scope + "}\n"
		return config.Check(t.TempDir(), "rollcall.hcl", []byte(text), time.Now(), config.Kinds{Directories: Settings()})
	}
	const names = `  primary_attribute  = "E-Mail (geschäftlich)"
  alias_attributes   = ["Weitere E-Mails", "mail"]
  username_attribute = "Kürzel"
  guid_attribute     = "Personal Nr."
  attributes         = { department = "Org Unit Path [Required]" }
`
	cfg, diags := check("csv", names)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := cfg.Scopes[0]
	if got := fmt.Sprint(s.PrimaryAttribute, s.AliasAttributes, s.UsernameAttribute, s.GUIDAttribute, s.Attributes); got != "E-Mailgeschaftlich[WeitereE-Mails mail]KurzelPersonalNr.[{department OrgUnitPathRequired} {display_name displayName}]" {
		t.Errorf("the scope reads %s", got)
	}
	if _, diags := check("ldif", names); len(diags) != 5 {
		t.Errorf("of LDIF: %v", diags)
	}
	for _, c := range []struct{ scope, want string }{
		{"  primary_attribute = \"社員\"\n", `"社員" is not the name of an LDAP attribute`},
		{"  filter = \"(Work E-Mail=*)\"\n", "a column is named without spaces and brackets"},
		{"  filter = \"(memberOf:1.2.840.113556.1.4.1941:=CN=x)\"\n", "the filter cannot be judged on a file"},
	} {
		if _, diags := check("csv", c.scope); len(diags) != 1 || !strings.Contains(diags[0].Summary+diags[0].Hint, c.want) {
			t.Errorf("%s: %v", c.scope, diags)
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTexts: what of a configuration may be shown. Neither a literal password
// nor a file that is one is, whatever it passes through.
func TestTexts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.hcl": `locals {
  word  = lines(file("word.txt"))[0]
  lines = lines(file("both.txt"))
}
directory "corp" {
  kind          = "ldap"
  urls          = ["ldaps://ldap.example.com"]
  bind_dn       = trimspace(file("who.txt"))
  bind_password = local.word
}
directory "lab" {
  kind          = "ldap"
  urls          = ["ldaps://lab.example.com"]
  bind_dn       = trimspace(file("both.txt"))
  bind_password = "hunter2"
}
`,
		"b.hcl": `domain "example.com" {}
scope "staff" { directory = directory.corp }
scope "lab" { directory = directory.lab }
legal_hold "case" { addresses = lines(file("case.txt")) }
protected "board" { addresses = concat(lines(file("lists/board.txt")), lines(file("${"computed"}.txt"))) }
`,
		"word.txt": "hunter3\n", "who.txt": "cn=reader", "both.txt": "cn=other", "case.txt": "ann@example.com\n",
		"lists/board.txt": "ceo@example.com\n", "computed.txt": "cfo@example.com\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, diags := Load(dir, time.Time{})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	texts, err := cfg.Texts()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, text := range texts {
		if i > 0 && texts[i-1].Name >= text.Name {
			t.Errorf("%s stands behind %s", text.Name, texts[i-1].Name)
		}
		got[text.Name] = "concealed"
		if !text.Concealed {
			got[text.Name] = "shown"
			if strings.Contains(text.Content, "hunter") {
				t.Errorf("%s shows a secret:\n%s", text.Name, text.Content)
			}
		}
	}
	want := map[string]string{
		"a.hcl": "shown", "b.hcl": "shown", "case.txt": "shown", "lists/board.txt": "shown",
		"word.txt": "concealed", "who.txt": "concealed", "both.txt": "concealed", "computed.txt": "concealed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSameSource: what makes two directories read from the same place.
func TestSameSource(t *testing.T) {
	one := Directory{Kind: LDAP, URLs: []string{"ldaps://a"}, BindDN: "cn=a"}
	for name, c := range map[string]struct {
		change func(*Directory)
		same   bool
	}{
		"nothing":  {func(*Directory) {}, true},
		"login":    {func(d *Directory) { d.BindDN, d.PageSize = "cn=b", 5 }, true},
		"kind":     {func(d *Directory) { d.Kind = ActiveDirectory }, false},
		"server":   {func(d *Directory) { d.URLs = []string{"ldaps://b"} }, false},
		"domain":   {func(d *Directory) { d.Domain = "example.com" }, false},
		"patterns": {func(d *Directory) { d.patterns = []string{"a.ldif"} }, false},
		"place":    {func(d *Directory) { d.Paths = []string{"/elsewhere/a.ldif"} }, true},
	} {
		other := one
		c.change(&other)
		if one.SameSource(&other) != c.same || other.SameSource(&one) != c.same {
			t.Errorf("%s: same is not %t", name, c.same)
		}
	}
}

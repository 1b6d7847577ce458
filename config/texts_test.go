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
	cfg, diags := Load(dir, time.Time{}, testKinds)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	texts, err := cfg.Texts(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, text := range texts {
		if i > 0 && texts[i-1].Name >= text.Name {
			t.Errorf("%s stands behind %s", text.Name, texts[i-1].Name)
		}
		got[text.Name] = "concealed"
		if text.Concealed {
			if text.Content != "" {
				t.Errorf("%s is concealed, and has its content", text.Name)
			}
		} else {
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

// TestSecretsOfBoth: what is a secret in one of two configurations is shown of
// neither, and neither is what is commented out.
func TestSecretsOfBoth(t *testing.T) {
	const rest = "domain \"example.com\" {}\nscope \"staff\" { directory = directory.corp }\n"
	const file = "directory \"corp\" {\n  kind = \"ldif\"\n  path = \"corp.ldif\"\n}\n"
	const server = "directory \"corp\" {\n  kind = \"ldap\"\n  urls = [\"ldaps://ldap.example.com\"]\n  bind_dn = \"cn=reader\"\n  bind_password = local.key\n}\n"
	for name, c := range map[string]struct{ one, other string }{
		"the local stays":             {file + "locals { key = \"hunter2\" }\n", server + "locals { key = \"hunter2\" }\n"},
		"another one by its name":     {file + "locals { key = \"hunter2\" }\n", server + "locals { key = \"hunter3\" }\n"},
		"its use is commented out":    {file + "locals { key = \"hunter2\" }\n# bind_password = local.key\n", file},
		"it is commented out":         {server + "locals { key = \"hunter3\" }\n# locals { key = \"hunter2\" }\n", file},
		"commented out":               {file + "# bind_password = \"hunter2\"\n", file},
		"with other marks":            {file + "//bind_password=\"hunter2\"\n/* bind_password = \"hunter3\" */\n", file},
		"in a remark":                 {file + "# don't ask: the password: hunter2, or hunter3\n", file},
		"as the element of an object": {file + "# { user = \"x\", \"password\" : \"hunter2\" }\n", file},
		"in more lines":               {file + "# bind_password = join(\"\", [\n#   \"hunter\",\n#   \"hunter2\",\n# ])\n# bind_dn = \"cn=shown\"\n", file},
		"as a heredoc":                {file + "# bind_password = <<EOT\n# hunter2\n# EOT\n", file},
		"behind what is harmless":     {file + "# bind_password = env(\"WORD\") # once hunter2\n", file},
		"with no line behind":         {file + "# password = \"hunter2\"", file},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := loaded(t, rest+c.one), loaded(t, rest+c.other)
			for _, both := range [][2]*Config{{one, other}, {other, one}} {
				texts, err := both[0].Texts(both[1])
				if err != nil {
					t.Fatal(err)
				}
				if text := texts[0].Content; strings.Contains(text, "hunter") {
					t.Errorf("a secret is shown:\n%s", text)
				} else if strings.Contains(c.one, "cn=shown") && both[0] == one && !strings.Contains(text, "cn=shown") {
					t.Errorf("what stands behind the secret is not shown:\n%s", text)
				}
			}
		})
	}
}

// loaded is the configuration of one file.
func loaded(t *testing.T, text string) *Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diags := Load(dir, time.Time{}, testKinds)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestSameSource: what makes two directories read from the same place.
func TestSameSource(t *testing.T) {
	const servers = `kind = "ldap"
  urls          = ["ldaps://A.example.com/", "ldaps://b.example.com"]
  bind_dn       = "cn=a"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
`
	const files = `kind = "ldif"
  path = ["a.ldif", "./more/*.ldif"]
`
	read := func(block string) *Directory {
		return &load(t, map[string]string{"a.hcl": "directory \"corp\" {\n  " + block + "}\ndomain \"example.com\" {}\nscope \"a\" { directory = directory.corp }\n"}).Directories[0]
	}
	for name, c := range map[string]struct {
		block, from, to string
		same            bool
	}{
		"nothing":         {servers, "", "", true},
		"login":           {servers, "cn=a", "cn=b", true},
		"page size":       {servers, "bind_dn", "page_size = 5\n  bind_dn", true},
		"spelling":        {servers, "A.example.com/", "a.example.com", true},
		"kind":            {servers, `"ldap"`, `"active_directory"`, false},
		"server":          {servers, "b.example.com", "c.example.com", false},
		"order":           {servers, `["ldaps://A.example.com/", "ldaps://b.example.com"]`, `["ldaps://b.example.com", "ldaps://a.example.com"]`, false},
		"domain":          {servers, `urls          = ["ldaps://A.example.com/", "ldaps://b.example.com"]`, `domain = "example.com"`, false},
		"place":           {files, "", "", true}, // each is loaded from a folder of its own
		"order of files":  {files, `["a.ldif", "./more/*.ldif"]`, `["more/*.ldif", "a.ldif"]`, true},
		"another pattern": {files, "more", "less", false},
	} {
		one, other := read(c.block), read(strings.Replace(c.block, c.from, c.to, 1))
		if one.SameSource(other) != c.same || other.SameSource(one) != c.same {
			t.Errorf("%s: same is not %t", name, c.same)
		}
	}
}

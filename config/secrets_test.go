package config

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sinks is a configuration that uses local.x and the expression %[1]s wherever a
// value stands.
const sinks = `
locals { x = %[1]s }
directory "a" {
  kind      = local.x
  urls      = local.x
  bind_dn   = local.x
  ca_file   = local.x
  timeout   = local.x
  page_size = local.x
  start_tls = local.x
  domain    = local.x
  site      = local.x
  kerberos {
    principal = local.x
    service   = local.x
    keytab    = local.x
  }
}
directory "b" {
  kind = "ldif"
  path = local.x
}
directory "c" {
  kind          = "ldap"
  urls          = %[1]s
  bind_dn       = %[1]s
  bind_password = local.x
}
domain "example.com" { aliases = local.x }
domain "example.org" {
  public    = local.x
  alias_for = local.x
}
scope "a" {
  directory          = directory.b
  base_dn            = local.x
  filter             = local.x
  domains            = local.x
  primary_attribute  = local.x
  alias_attributes   = local.x
  username_attribute = local.x
  guid_attribute     = local.x
  type               = local.x
  disabled           = local.x
  adopt              = local.x
  on_guid_change     = local.x
  attributes         = local.x
  max_length         = local.x
}
scope "b" {
  directory  = local.x
  base_dn    = "${local.x}"
  filter     = "(cn=${local.x}"
  domains    = [local.x, %[1]s]
  attributes = { a = local.x, (local.x) = "b" }
  max_length = { a = local.x, (local.x) = 5 }
}
protected "a" {
  addresses = local.x
  reason    = local.x
}
protected "b" { addresses = %[1]s }
protected "c" { addresses = [local.x, "${local.x}@example.com", "a@${local.x}"] }
protected "d" { addresses = [for one in local.x : upper(one)] }
legal_hold "a" {
  addresses = concat(local.x, ["ann@example.com"])
  until     = local.x
}
console "a" {
  kind         = "service"
  owner        = local.x
  on_drift     = local.x
  concurrency  = local.x
  rate         = local.x
  max_attempts = local.x
  timeout      = local.x
  verify       = local.x
  initial      = local.x
  url          = local.x
  token        = local.x
  mode         = local.x
  page_size    = local.x
  headers      = local.x
  ca_file      = local.x
  hosts        = local.x
  basic {
    username = local.x
    password = [%[1]s]
  }
}
console "b" {
  kind    = "exec"
  owner   = "hq"
  initial = { a = local.x, (local.x) = "b" }
  command = [local.x, %[1]s]
  config  = { a = local.x, (local.x) = "b" }
}
console "c" {
  kind = local.x
  url  = %[1]s
}
limits {
  deactivations         = local.x
  deactivations_percent = local.x
}
state {
  path         = local.x
  history_days = local.x
}
`

// TestNothingReadIsShown puts what a file and a variable hold through every
// function, as each of its arguments, good or bad, and uses what comes out
// wherever a value stands: no diagnostic shows any of it.
func TestNothingReadIsShown(t *testing.T) {
	const token = "qzx" // in everything that is secret
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one":  "QzxHunter2!\n",
		"many": "# list\nQzx1@@example.com\n\n  qzx2 \nqzx3@example.com\nann@qzx4.example\n*.qzx5.example\nqzx6.\nCN=qzx7,=\n(qzx8\n",
		"json": `{"qzx": "Qzx9", "list": ["qzx", 5, null]}`,
		"csv":  "qzx,b\nQzx1,2,3\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ROLLCALL_TEST_SECRET", "qzx=Umgebung")
	secrets := []string{`file("one")`, `file("many")`, `file("json")`, `file("csv")`, `env("ROLLCALL_TEST_SECRET")`, `lines(file("one"))`, `lines(file("many"))`}
	shapes := []string{
		"%[1]s(%[2]s)", "%[1]s([%[2]s])", "%[1]s({ a = %[2]s })", "%[1]s({ (%[2]s) = 1 })", "%[1]s(%[2]s, %[2]s)", "%[1]s(%[2]s, \"a\")", "%[1]s(\"a\", %[2]s)",
		"%[1]s([\"a\"], %[2]s)", "%[1]s([%[2]s], 7)", "%[1]s({ a = 1 }, %[2]s)", "%[1]s({ a = 1 }, \"b\", %[2]s)", "%[1]s(%[2]s, 0, 5)", "%[1]s(\"%%d\", %[2]s)",
		"%[1]s(\"a\", \"b\", %[2]s)", "%[1]s(%[2]s, \"a\", \"b\")", "%[1]s(5, %[2]s, 5)", "%[1]s(\"[\", %[2]s)", "%[1]s(%[2]s...)", "%[1]s(lines(%[2]s))[0]",
		"%[1]s(%[2]s).a", "%[1]s([\"a\"])[%[2]s]", "%[1]s(%[2]s, null)", "\"${%[1]s(%[2]s)}\"", "%[1]s(%[2]s) == 5 ? 1 : %[2]s", "-%[1]s(%[2]s)",
	}
	expressions := slices.Clone(secrets)
	for _, function := range append(slices.Sorted(maps.Keys(functions)), "no_such_function") {
		for _, shape := range shapes {
			for _, secret := range secrets {
				expressions = append(expressions, fmt.Sprintf(shape, function, secret))
			}
		}
	}
	told, tried := 0, 0
	for n, expression := range expressions {
		if os.Getenv("ROLLCALL_ATTACK") == "" && n%19 != 0 && n >= len(secrets) { // each takes some milliseconds
			continue
		}
		tried++
		if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), fmt.Appendf(nil, sinks, expression), 0o600); err != nil {
			t.Fatal(err)
		}
		_, diags := Load(dir, now, testKinds)
		told += len(diags)
		var out bytes.Buffer
		if err := diags.Write(&out, false); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, diags.Err())
		for i := range diags {
			fmt.Fprintf(&out, "%v %+v\n", diags[i].Error(), diags[i])
		}
		// The error of a path that cannot be read is of the file, by its name.
		if at := strings.Index(strings.ToLower(out.String()), token); at >= 0 {
			t.Fatalf("%s is shown: …%s…", expression, out.String()[max(0, at-200):min(out.Len(), at+60)])
		}
	}
	if told < tried {
		t.Errorf("%d diagnostics of %d configurations", told, tried)
	}
}

// TestLineOfFile: a message about a line of a file names the file and the line,
// through whatever functions it came, and not the text.
func TestLineOfFile(t *testing.T) {
	for _, expression := range []string{
		`lines(file("held.txt"))`, `sort(lines(file("held.txt")))`, `distinct(concat(lines(file("held.txt")), lines(file("held.txt"))))`,
		`[for a in lines(file("held.txt")) : a if a != "ann@example.com"]`, `split("\n", trimspace(file("held.txt")))`,
	} {
		files := exampleFiles()
		files["rollcall.hcl"] += "\nlocals { held = " + expression + " }\nprotected \"list\" { addresses = [for a in local.held : a if !startswith(a, \"#\")] }\n"
		files["held.txt"] = "\n# the board\nann@example.com\n\n  S3cret-of-bob\n"
		inDir(t, files)
		_, diags := Load(".", now, testKinds)
		text := ""
		if err := diags.Err(); err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, `line 5 of "held.txt" is not a mail address`) || strings.Contains(text, "S3cret") {
			t.Errorf("%s: %s", expression, text)
		}
	}
}

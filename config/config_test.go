package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-cli/rollcall/internal/console/exec"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// example has every block and attribute.
const example = `
locals {
  local_domains = ["example.com"] # and more to come
  everybody     = "(|(objectClass=user)(objectClass=group))"
}

directory "corp" {
  kind          = "active_directory"
  urls          = ["ldaps://dc1.corp.example.com", "LDAP://DC2.corp.example.com:389/"]
  bind_dn       = "CN=svc-rollcall,OU=Service,DC=corp,DC=example,DC=com"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
  ca_file       = "corp-ca.pem"
  insecure      = true
  timeout       = "90s"
  page_size     = 500
}

directory "found" {
  kind        = "active_directory"
  domain      = "Corp.example.com"
  site        = "Berlin"
  client_cert = "certs/client.pem"
  client_key  = "/etc/rollcall/client.key"
  start_tls   = true
}

directory "kdc" {
  kind = "active_directory"
  urls = ["ldaps://dc1.kdc.example.com"]

  kerberos {
    principal = "svc-rollcall@KDC.EXAMPLE.COM"
    keytab    = "svc.keytab"
    config    = "krb5.conf"
    service   = "ldap/dc1.kdc.example.com"
  }
}

console "gateway" {
  kind         = "exec"
  owner        = "hq"
  on_drift     = "correct"
  concurrency  = 2
  rate         = 20
  max_attempts = 4
  timeout      = "30s"
  verify       = true
  test         = false
  initial      = { policy = "ungrouped" }
  command      = ["python3", "connector.py"]
  config       = { url = "https://gateway.example.com/api", token = env("ROLLCALL_TEST_PASSWORD") }
}

directory "lab-1" {
  kind = "ldif"
  path = ["lab.ldif", "more/*.ldif"]
}

directory "tickets" {
  kind = "ldap"
  urls = ["ldaps://ldap.example.com"]

  kerberos {
    cache = "svc.cache"
  }
}

directory "people" {
  kind          = "ldap"
  urls          = ["ldaps://ldap.example.org"]
  bind_dn       = "cn=reader"
  bind_password = trimspace(file("password.txt"))
}

domain "Example.com" {
  aliases = ["example.net", "EXAMPLE.info"]
}

domain "example.org" {}

domain "gmail.com" {
  public    = true
  alias_for = ["example.org", "example.com"]
}

scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,DC=corp,DC=example,DC=com"
  filter    = local.everybody
  domains   = local.local_domains

  primary_attribute  = "mail"
  alias_attributes   = ["proxyAddresses"]
  username_attribute = "sAMAccountName"
  guid_attribute     = "objectGUID"
  type               = "auto"
  disabled           = "keep"
  adopt              = true
  on_guid_change     = "reject"
  attributes         = { department = "department" }
  max_length         = { display_name = 64, department = 32 }
}

scope "people" {
  directory      = directory.people
  disabled       = "inactive"
  adopt          = false
  on_guid_change = "rebind"
  attributes     = { display_name = "cn" }
}

scope "lab" {
  directory = directory["lab-1"]
  type      = "list"
}

scope "found" {
  directory = directory.found
}

scope "kdc" {
  directory = directory.kdc
}

scope "tickets" {
  directory = directory.tickets
}

protected "executives" {
  addresses = ["CEO@example.com", "ir@Example.net", "ceo@example.com"]
  reason    = "board request 2026-03"
}

legal_hold "case-2026-017" {
  addresses = lines(file("case.txt"))
  reason    = "Contoso v. Example"
  until     = "2027-06-30"
}

limits {
  deactivations         = 400
  removals              = 300
  removals_percent      = 5
  deactivations_percent = 0
}

state {
  path         = "states/rollcall.state.jsonl"
  history_days = 30
}
`

func exampleFiles() map[string]string {
	return map[string]string{
		"rollcall.hcl": example,
		"password.txt": password + "\n",
		"case.txt":     "\ufeff# the case\r\n\r\nann@example.com\r\n  bob@example.org\r\n",
	}
}

// load loads files that have no errors.
func load(t testing.TB, files map[string]string) *Config {
	t.Helper()
	t.Setenv("ROLLCALL_TEST_PASSWORD", password)
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, diags := Load(dir, now, testKinds)
	if diags.HasErrors() {
		var b bytes.Buffer
		_ = diags.Write(&b, false)
		t.Fatal(b.String())
	}
	return config
}

func TestLoad(t *testing.T) {
	got := load(t, exampleFiles())
	in := func(path string) string { return filepath.Join(got.Dir, filepath.FromSlash(path)) }
	display, yes := Attribute{"display_name", "displayName"}, true
	address := identity.MustAddress
	want := &Config{
		Dir:   got.Dir,
		Files: []string{in("rollcall.hcl")},
		Used:  []string{in("case.txt"), in("password.txt")},
		Directories: []Directory{
			{Name: "corp", Kind: "active_directory"}, {Name: "found", Kind: "active_directory"}, {Name: "kdc", Kind: "active_directory"},
			{Name: "lab-1", Kind: "ldif"}, {Name: "tickets", Kind: "ldap"}, {Name: "people", Kind: "ldap"},
		},
		Scopes: []Scope{
			{
				Name: "staff", Directory: "corp", BaseDN: "OU=Staff,DC=corp,DC=example,DC=com", Filter: "(|(objectClass=user)(objectClass=group))",
				PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", GUIDAttribute: "objectGUID",
				Type: "auto", Disabled: DisabledKeep, Attributes: []Attribute{{"department", "department"}, display},
				Named: []string{"department", "mail", "objectGUID", "proxyAddresses", "sAMAccountName"},
			},
			{
				Name: "people", Directory: "people", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid",
				Type: "auto", Disabled: DisabledInactive, Attributes: []Attribute{{"display_name", "cn"}}, Named: []string{"cn"},
			},
			{
				Name: "lab", Directory: "lab-1", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName",
				Type: "list", Disabled: DisabledKeep, Attributes: []Attribute{display},
			},
			{
				Name: "found", Directory: "found", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName",
				Type: "auto", Disabled: DisabledKeep, Attributes: []Attribute{display},
			},
			{
				Name: "kdc", Directory: "kdc", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName",
				Type: "auto", Disabled: DisabledKeep, Attributes: []Attribute{display},
			},
			{
				Name: "tickets", Directory: "tickets", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid",
				Type: "auto", Disabled: DisabledKeep, Attributes: []Attribute{display},
			},
		},
		Rules: plan.Rules{
			Directories: []string{"corp", "found", "kdc", "lab-1", "tickets", "people"},
			Domains: []plan.Domain{
				{Name: "example.com", Aliases: []string{"example.info", "example.net"}},
				{Name: "example.org"},
				{Name: "gmail.com", Public: true, AliasFor: []string{"example.com", "example.org"}},
			},
			Scopes: []plan.Scope{
				{Name: "staff", Directory: "corp", GUIDAttribute: "objectGUID", Base: identity.DN{"ou=staff", "dc=corp", "dc=example", "dc=com"}, Domains: []string{"example.com"}, Adopt: true, MaxLength: map[string]int{"department": 32, "display_name": 64}},
				{Name: "people", Directory: "people", Domains: []string{"example.com", "example.org"}, Rebind: true},
				{Name: "lab", Directory: "lab-1", Domains: []string{"example.com", "example.org"}, Adopt: true},
				{Name: "found", Directory: "found", Domains: []string{"example.com", "example.org"}, Adopt: true},
				{Name: "kdc", Directory: "kdc", Domains: []string{"example.com", "example.org"}, Adopt: true},
				{Name: "tickets", Directory: "tickets", Domains: []string{"example.com", "example.org"}, Adopt: true},
			},
			Protected: []plan.Guard{{
				Label: "executives", Reason: "board request 2026-03",
				Addresses: []identity.Address{address("ceo@example.com"), address("ir@example.com"), address("ir@example.net")},
			}},
			Holds: []plan.Guard{{
				Label: "case-2026-017", Reason: "Contoso v. Example", Until: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC),
				Addresses: []identity.Address{address("ann@example.com"), address("bob@example.org")},
			}},
			Limits: plan.Limits{{Most: 400, Percent: 0}, {Most: 300, Percent: 5}, {Most: plan.DefaultMost, Percent: plan.DefaultPercent}},
			Risk:   plan.DefaultRisk(),
		},
		Console: &Console{
			Name: "gateway", Kind: "exec", Owner: "hq", Concurrency: 2, Rate: 20, MaxAttempts: 4, Timeout: 30 * time.Second, Verify: &yes,
			Initial: []identity.Attribute{{Name: "policy", Value: "ungrouped"}},
			Settings: exec.Kind.Values("gateway", got.Dir, map[string]any{
				"command": []string{"python3", "connector.py"},
				"config": settings.JSON{
					All:   settings.NewSecret(`{"token":"` + password + `","url":"https://gateway.example.com/api"}`),
					Shown: `{"token":"(secret)","url":"https://gateway.example.com/api"}`,
				},
			}),
		},
		StatePath: in("states/rollcall.state.jsonl"), HistoryDays: 30, HistoryRuns: 1000,
	}
	secrets := cmp.Comparer(func(a, b settings.Secret) bool { return a.Reveal() == b.Reveal() })
	values := cmp.Transformer("values", func(v settings.Values) []any {
		return []any{v.Label(), v.Folder(), v.Texts("command"), v.JSON("config")}
	})
	if diff := cmp.Diff(want, got, secrets, values, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Config{}, Directory{}, Console{}), cmpopts.IgnoreFields(Directory{}, "Settings"), cmpopts.IgnoreFields(Config{}, "Store"), cmp.Comparer(func(a, b identity.Address) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if want := []string{`directory "corp" may send its password without encryption`}; !slices.Equal(got.Warnings(), want) {
		t.Errorf("warnings %q, want %q", got.Warnings(), want)
	}
}

func TestDefaults(t *testing.T) {
	got := load(t, map[string]string{"a.hcl": small})
	if want := (plan.Limits{{Most: 500, Percent: 10}, {Most: 500, Percent: 10}, {Most: 500, Percent: 10}}); got.Rules.Limits != want {
		t.Errorf("limits %v, want %v", got.Rules.Limits, want)
	}
	if want := filepath.Join(got.Dir, "rollcall.state.jsonl"); got.StatePath != want {
		t.Errorf("state %q, want %q", got.StatePath, want)
	}
	if len(got.Warnings()) > 0 {
		t.Errorf("warnings %q", got.Warnings())
	}
}

const small = `
domain "example.com" { aliases = ["example.net"] }
domain "example.org" {}
directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
directory "lab" {
  kind          = "ldap"
  urls          = ["ldaps://lab.example.com"]
  bind_dn       = "cn=reader"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
}
scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,DC=example"
  filter    = "(mail=*)"
}
scope "lab" { directory = directory.lab }
protected "a" { addresses = ["ann@example.com", "bob@example.com"] }
legal_hold "b" { addresses = ["bob@example.com"] }
`

// TestDigest changes one thing at a time.
func TestDigest(t *testing.T) {
	before := load(t, map[string]string{"a.hcl": small}).Digest()
	if !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(before) {
		t.Fatalf("digest %q", before)
	}
	directories := strings.Index(small, "directory \"corp\"")
	scopes := strings.Index(small, "scope \"staff\"")
	guards := strings.Index(small, "protected")
	swapped := strings.Replace(small, `scope "lab" { directory = directory.lab }`, "", 1)
	swapped = strings.Replace(swapped, `scope "staff"`, "scope \"lab\" { directory = directory.lab }\nscope \"staff\"", 1)
	for _, tc := range []struct {
		name  string
		files map[string]string
		same  bool
	}{
		{"two files, other order", map[string]string{
			"1.hcl": small[guards:] + "# comment\n",
			"2.hcl": small[scopes:guards] + small[:directories], "3.hcl": small[directories:scopes],
		}, true},
		{"layout", edit(small, "  base_dn   =", "\n\tbase_dn="), true},
		{"spelling of a DN", edit(small, "OU=Staff,DC=example", "ou=staff, dc=EXAMPLE"), true},
		{"layout of a filter", edit(small, `"(mail=*)"`, `"  (mail=*) "`), true},
		{"password", edit(small, `env("ROLLCALL_TEST_PASSWORD")`, `file("p.txt")`, "p.txt", "other"), true},
		{"login", edit(small, `cn=reader`, `cn=other`), true},
		{"login by Kerberos", edit(small, "  bind_dn       = \"cn=reader\"\n  bind_password = env(\"ROLLCALL_TEST_PASSWORD\")", "  kerberos {\n    cache = \"svc.cache\"\n  }"), true},
		{"timeout", edit(small, `bind_dn `, "timeout = \"5s\"\n  bind_dn "), true},
		{"state", map[string]string{"a.hcl": small + "state { path = \"x\" }\n"}, true},
		{"history", map[string]string{"a.hcl": small + "state { history_runs = 7 }\n"}, true},
		{"reason", edit(small, `protected "a" { `, "protected \"a\" {\n reason = \"x\"\n ", "", "", `"bob@example.com"] }`, "\"bob@example.com\"]\n}"), true},
		{"defaults spelt out", map[string]string{"a.hcl": small + "limits {\n deactivations = 500\n deactivations_percent = 10\n}\n"}, true},
		{"order of addresses", edit(small, `"ann@example.com", "bob@example.com"`, `"BOB@example.com", "ann@example.com"`), true},
		{"a local", edit(small, `"(mail=*)"`, "local.f", "b.hcl", "locals { f = \"(mail=*)\" }\n"), true},

		{"server", edit(small, "lab.example.com", "lab2.example.com"), false},
		{"file", edit(small, "corp.ldif", "corp2.ldif"), false},
		{"base", edit(small, "OU=Staff", "OU=Guests"), false},
		{"filter", edit(small, "(mail=*)", "(mail=a*)"), false},
		{"domain", edit(small, "example.org", "example.info"), false},
		{"alias domain", edit(small, "example.net", "example.info"), false},
		{"limits", map[string]string{"a.hcl": small + "limits { deactivations = 501 }\n"}, false},
		{"percentage", map[string]string{"a.hcl": small + "limits { deactivations_percent = 11 }\n"}, false},
		{"guarded address", edit(small, `["ann@example.com", `, `[`), false},
		{"kind of guard", edit(small, `legal_hold`, `protected`), false},
		{"order of scopes", map[string]string{"a.hcl": swapped}, false},
		{"adoption", edit(small, "  filter ", "  adopt = false\n  filter "), false},
		{"type", edit(small, "  filter ", "  type = \"user\"\n  filter "), false},
		{"max_length", edit(small, "  filter ", "  max_length = { username = 9 }\n  filter "), false},
		{"attributes", edit(small, "  filter ", "  attributes = { office = \"office\" }\n  filter "), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := load(t, tc.files)
			if after := c.Digest(); (after == before) != tc.same {
				t.Errorf("digest is the same: %v, want %v", after == before, tc.same)
			}
		})
	}
}

// edit replaces a part of a text, and adds further files.
func edit(text, from, to string, more ...string) map[string]string {
	files := map[string]string{}
	text = strings.Replace(text, from, to, 1)
	for i := 0; i+1 < len(more); i += 2 {
		if strings.Contains(more[i], ".") && !strings.Contains(more[i], "@") {
			files[more[i]] = more[i+1]
		} else if more[i] != "" {
			text = strings.Replace(text, more[i], more[i+1], 1)
		}
	}
	files["a.hcl"] = text
	return files
}

// TestSources has what cannot be read as text.
func TestSources(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"utf-16", "\xff\xfed\x00o\x00", "a.hcl: the file is not text in UTF-8: octet ff at offset 0"},
		{"latin-1", "# ok\n# K\xe4se\n", "a.hcl:2:4: the file is not text in UTF-8: octet e4 at offset 8"},
		{"nul", "domain \"\x00\" {}\n", "a.hcl: the file is not text in UTF-8: octet 00 at offset 8"},
		{"deep", "locals {\n a = " + strings.Repeat("[", 5000) + "\n}", "a.hcl:2:104: the expression nests deeper than 100 levels"},
		{"negations", "locals {\n a = " + strings.Repeat("!", 5000) + "true\n}", "a.hcl:2:1005: the expression has more than 1000 operators"},
		{"sum", "locals {\n a = (1" + strings.Repeat("+\n1", 5000) + ")\n}", "a.hcl:1002:2: the expression has more than 1000 operators"},
		{"directives", "locals {\n a = \"" + strings.Repeat("%{if true}", 5000) + "\"\n}", "a.hcl:2:10007: the expression has more than 1000 operators"},
		{"large", strings.Repeat("#\n", maxSource/2+1), "a.hcl: cannot read the file: it is larger than is read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inDir(t, map[string]string{"a.hcl": tc.text})
			_, diags := Load(".", now, testKinds)
			if len(diags) != 1 || diags[0].Error() != tc.want {
				t.Fatalf("got %v, want %s", diags.Err(), tc.want)
			}
			if err := diags.Write(new(bytes.Buffer), true); err != nil {
				t.Fatal(err)
			}
			if tc.name != "large" {
				if _, diags := Format("a.hcl", []byte(tc.text), nil); len(diags) != 1 || diags[0].Error() != tc.want {
					t.Fatalf("Format: got %v, want %s", diags.Err(), tc.want)
				}
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		inDir(t, nil)
		for dir, want := range map[string]string{
			"missing": `cannot read the directory "missing": file does not exist`,
			".":       `the configuration directory "." has no .hcl file`,
		} {
			if _, diags := Load(dir, now, testKinds); len(diags) != 1 || diags[0].Summary != want || diags[0].Hint == "" {
				t.Errorf("got %v, want %s", diags, want)
			}
		}
	})
	t.Run("byte order mark", func(t *testing.T) {
		inDir(t, map[string]string{"a.hcl": "\ufefflocals {\n  a = nope\n}\n"})
		if _, diags := Load(".", now, testKinds); diags[2].Error() != `a.hcl:2:7: there is nothing called "nope"` {
			t.Errorf("got %v", diags.Err())
		}
	})
}

// TestSecret prints a secret, and what holds one, in every way.
func TestSecret(t *testing.T) {
	s := settings.NewSecret(password)
	if s.Reveal() != password || (settings.Secret{}).Reveal() != "" {
		t.Error("Reveal does not return the text")
	}
	c := load(t, exampleFiles())
	for _, v := range []any{s, &s, []settings.Secret{s}, map[string]settings.Secret{"a": s}, struct{ s settings.Secret }{s}, c, *c, c.Directories, &c.Directories[0]} {
		for _, verb := range "vsqdxXtbcoOUeEfFgGpTw" {
			for _, flags := range []string{"", "+", "#", "-10", " ", "010.3"} {
				format := "%" + flags + string(verb)
				if text := fmt.Sprintf(format, v); leaks(text) {
					t.Errorf("%s of %T shows the secret: %s", format, v, text)
				}
			}
		}
		text, err := json.Marshal(v)
		if err != nil || leaks(string(text)) {
			t.Errorf("JSON of %T: %s, %v", v, text, err)
		}
	}
	if text, err := s.MarshalText(); err != nil || string(text) != "(secret)" {
		t.Errorf("text %q, %v", text, err)
	}
	for _, format := range []string{"%v", "%s", "%#v", "%d", "%q"} {
		if text := fmt.Sprintf(format, s); text != "(secret)" {
			t.Errorf("%s gives %s", format, text)
		}
	}
	if leaks(c.Digest()) {
		t.Error("the digest shows the secret")
	}
}

func leaks(text string) bool {
	return strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) || strings.Contains(text, fmt.Sprintf("%X", password))
}

func TestColor(t *testing.T) {
	inDir(t, map[string]string{"a.hcl": "locals {\n  a = nope\n}\n"})
	_, diags := Load(".", now, testKinds)
	var plain, colored bytes.Buffer
	if diags.Write(&plain, false) != nil || diags.Write(&colored, true) != nil {
		t.Fatal("write failed")
	}
	if stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored.String(), ""); stripped != plain.String() || colored.Len() == plain.Len() {
		t.Errorf("colours change the text:\n%s\n%s", stripped, plain.String())
	}
}

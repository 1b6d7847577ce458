package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	channels "github.com/rollcall-cli/rollcall/internal/channel/all"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/exec"
	"github.com/rollcall-cli/rollcall/internal/directory/all"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	stores "github.com/rollcall-cli/rollcall/internal/store/all"
	"github.com/rollcall-cli/rollcall/plan"
)

// serviceKind has a setting of every type, and blocks.
var serviceKind = settings.Kind{
	Name: "service",
	Settings: []settings.Setting{
		{Name: "url", Required: true, Check: func(text string) (p settings.Problem) {
			if !strings.HasPrefix(text, "https://") {
				return settings.Problem{Summary: "%s is no https:// URL", Hint: `write url = "https://idp.example.com"`}
			}
			return p
		}},
		{Name: "token", Secret: true},
		{Name: "mode", Words: []string{"full", "partial"}, Default: "full"},
		{Name: "page_size", Type: settings.Number, Least: 1, Most: 1000, Default: 100},
		{Name: "start_tls", Type: settings.Flag},
		{Name: "pause", Type: settings.Duration, Default: time.Second},
		{Name: "headers", Type: settings.Map},
		{Name: "ca_file", Type: settings.Path},
		{Name: "hosts", Type: settings.Texts},
	},
	Blocks: []settings.Block{
		{Name: "basic", Settings: []settings.Setting{{Name: "username", Required: true}, {Name: "password", Required: true, Secret: true}}},
	},
	Check: func(v settings.Values) (all []settings.Problem) {
		basic, ok := v.Block("basic")
		if ok && v.Has("token") {
			all = append(all, settings.Problem{Setting: "token", Summary: fmt.Sprintf("console %q has two logins", v.Label()), Hint: "remove one of them"})
		}
		if ok && basic.Text("username") == "root" {
			all = append(all, settings.Problem{Setting: "basic.username", Warning: true, Summary: "root may do everything", Hint: "make a user of its own"})
		}
		return all
	},
	Where: func(v settings.Values) []string { return []string{v.Text("url")} },
}

var testKinds = Kinds{Directories: all.Settings(), Consoles: append(consoles.Settings(), serviceKind), Channels: channels.Settings(), Stores: stores.Settings()}

func TestConsole(t *testing.T) {
	t.Setenv("ROLLCALL_TOKEN", password)
	c := load(t, map[string]string{"a.hcl": small + `
console "gateway" {
  kind         = "service"
  owner        = "hq"
  on_drift     = "fail"
  concurrency  = 4
  rate         = 0.5
  max_attempts = 3
  timeout      = "2m"
  verify       = false
  test         = true
  initial      = { policy = "ungrouped", folder = "Inbox" }

  url       = "https://idp.example.com"
  token     = env("ROLLCALL_TOKEN")
  mode      = "partial"
  page_size = 50
  headers   = { Accept = "text/plain" }
  ca_file   = "tls/ca.pem"
  hosts     = ["a", "b"]
}
`})
	no := false
	want := &Console{
		Name: "gateway", Kind: "service", Owner: "hq", FailOnDrift: true, Concurrency: 4, Rate: 0.5, MaxAttempts: 3, Timeout: 2 * time.Minute, Verify: &no, Test: true,
		Initial: []identity.Attribute{{Name: "folder", Value: "Inbox"}, {Name: "policy", Value: "ungrouped"}},
	}
	got := *c.Console
	v := got.Settings
	got.Settings, got.where = settings.Values{}, nil
	if diff := cmp.Diff(want, &got, cmp.AllowUnexported(Console{}, settings.Values{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, pair := range [][2]any{
		{v.Label(), "gateway"}, {v.Folder(), c.Dir}, {v.Text("url"), "https://idp.example.com"}, {v.Secret("token").Reveal(), password},
		{v.Text("mode"), "partial"}, {v.Number("page_size"), 50}, {v.Flag("start_tls"), false}, {v.Has("start_tls"), false}, {v.Duration("pause"), time.Second},
		{v.Map("headers")["Accept"], "text/plain"}, {v.Path("ca_file"), filepath.Join(c.Dir, "tls", "ca.pem")}, {v.Texts("hosts")[1], "b"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
	if printed := fmt.Sprintf("%v %+v %#v", c.Console, *c.Console, v); strings.Contains(printed, password) {
		t.Errorf("the token was printed: %s", printed)
	}
}

// TestNoConsole: without a block, and with a block of its kind, the console is the
// local one, and saved plans fit both.
func TestNoConsole(t *testing.T) {
	without := load(t, map[string]string{"a.hcl": small})
	with := load(t, map[string]string{"a.hcl": small + "console \"here\" { kind = \"local\" }\n"})
	if c := without.Console; c.Name != Local || c.Kind != Local || c.Owner != "" || c.Concurrency != 1 || c.MaxAttempts != 5 || c.Timeout != time.Minute || c.Verify != nil {
		t.Errorf("without a block: %+v", c)
	}
	if c := with.Console; c.Name != "here" || c.Kind != Local {
		t.Errorf("with a block: %+v", c)
	}
	if without.Digest() != with.Digest() {
		t.Error("the digests differ")
	}
}

// TestAny: a value of any shape is handed over as it is, and shown without what
// came from outside or has the name of a secret.
func TestAny(t *testing.T) {
	t.Setenv("ROLLCALL_JSON", `{"user": "app", "pin": 5}`)
	for _, c := range []struct{ config, all, shown string }{
		{`"text"`, `"text"`, `"text"`},
		{`[1, 2.50, 12345678901234567890, null, true]`, `[1,2.5,12345678901234567890,null,true]`, `[1,2.5,12345678901234567890,null,true]`},
		{`{ b = {}, a = [] }`, `{"a":[],"b":{}}`, `{"a":[],"b":{}}`},
		{`{ url = "https://a", token = env("ROLLCALL_TEST_PASSWORD") }`, `{"token":"` + password + `","url":"https://a"}`, `{"token":"(secret)","url":"https://a"}`},
		{`{ url = "https://${env("ROLLCALL_TEST_PASSWORD")}" }`, `{"url":"https://` + password + `"}`, `{"url":"(secret)"}`},
		{`{ list = ["a", env("ROLLCALL_TEST_PASSWORD")] }`, `{"list":["a","` + password + `"]}`, `{"list":["a","(secret)"]}`},
		{`{ deep = [{ password = "hunter2" }] }`, `{"deep":[{"password":"hunter2"}]}`, `{"deep":[{"password":"(secret)"}]}`},
		{`jsondecode(env("ROLLCALL_JSON"))`, `{"pin":5,"user":"app"}`, `"(secret)"`},
		{`{ a = jsondecode(env("ROLLCALL_JSON")).user }`, `{"a":"app"}`, `{"a":"(secret)"}`},
		{`{ a = jsonencode({ pin = jsondecode(env("ROLLCALL_JSON")).pin }) }`, `{"a":"{\"pin\":5}"}`, `{"a":"(secret)"}`},
		{`jsondecode("{\"n\": 1e3, \"x\": [null, {\"y\": \"ü\"}]}")`, `{"n":1000,"x":[null,{"y":"ü"}]}`, `{"n":1000,"x":[null,{"y":"ü"}]}`},
		{`null`, `null`, `null`},
	} {
		cfg := load(t, map[string]string{"a.hcl": small + "console \"gateway\" {\n  kind = \"exec\"\n  owner = \"hq\"\n  command = [\"./connector\"]\n  config = " + c.config + "\n}\n"})
		if got := cfg.Console.Settings.JSON("config"); got.All.Reveal() != c.all || got.Shown != c.shown {
			t.Errorf("%s is %s, shown as %s", c.config, got.All.Reveal(), got.Shown)
		}
	}
}

// TestConsoleDigest: a saved plan fits one console, whoever logs in there.
func TestConsoleDigest(t *testing.T) {
	const exec = small + `
console "gateway" {
  kind    = "exec"
  owner   = "hq"
  command = ["./connector", "--strict"]
  config  = { url = "https://a.example.com", token = env("ROLLCALL_TEST_PASSWORD") }
}
`
	before := load(t, map[string]string{"a.hcl": exec}).Digest()
	for _, c := range []struct {
		name, from, to string
		same           bool
	}{
		{"token", `env("ROLLCALL_TEST_PASSWORD")`, `"hunter2"`, true},
		{"label", `"gateway"`, `"relay"`, true},
		{"rate", `owner   =`, "rate = 3\n  owner =", true},
		{"drift", `owner   =`, "on_drift = \"fail\"\n  owner =", true},
		{"owner", `"hq"`, `"lab"`, false},
		{"command", `"--strict"`, `"--lenient"`, false},
		{"address", `a.example.com`, `b.example.com`, false},
		{"kind", exec[strings.Index(exec, "  kind    = \"exec\""):], "kind = \"local\"\n}\n", false},
	} {
		if after := load(t, edit(exec, c.from, c.to)).Digest(); (after == before) != c.same {
			t.Errorf("%s: the digest is the same: %v", c.name, after == before)
		}
	}
	c := load(t, map[string]string{"a.hcl": exec})
	if c.Digest("facts") == before || c.Digest("facts") == c.Digest("others") {
		t.Error("what a caller adds does not count")
	}
}

// TestURLWithPassword: a URL that holds a password is masked in every message and
// wherever the file is shown, whatever it is called, and so are the locals in it.
func TestURLWithPassword(t *testing.T) {
	for _, line := range []string{
		`a = "postgres://app:hunter2@db.example.com/mail" oops`,
		`a = "postgres://app:${local.b}hunter2@db.example.com" oops`,
		`a = ["x", "ldaps://hunter2@dc1"] oops`,
		`# a = "postgres://app:hunter2@db.example.com/mail"` + "\n oops",
		"# see postgres://app:hunter2@db.example.com/mail\n oops",
		"a = \"postgres://app:${local.b}@db\"\n b = \"hunter2\" oops",
	} {
		text := "locals {\n " + line + "\n}\n"
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, diags := Load(dir, now, testKinds)
		var out strings.Builder
		if err := diags.Write(&out, false); err != nil || len(diags) == 0 {
			t.Fatal(diags, err)
		}
		if shown := Conceal([]byte(text), nil); strings.Contains(out.String()+shown, "hunter2") {
			t.Errorf("%s is shown:\n%s%s", line, out.String(), shown)
		}
	}
	if text := "a = \"https://example.com/?to=ann@example.com\"\n"; Conceal([]byte(text), nil) != text {
		t.Errorf("%s is masked", text)
	}
}

// TestFacts: a test of a configuration may say what its console can do.
func TestFacts(t *testing.T) {
	read := func(facts string) (*plan.Facts, Diagnostics) {
		_, tests, diags := loadTests(t, "test \"a\" {\n  directories = { corp = \"a.ldif\" }\n  "+facts+"\n  expect {\n    add = 1\n  }\n}\n")
		if len(tests) == 0 {
			return nil, diags
		}
		return tests[0].Facts, diags
	}
	if facts, diags := read(""); facts != nil || diags.HasErrors() {
		t.Errorf("without facts %v, %v", facts, diags.Err())
	}
	facts, diags := read(`facts = { types = ["user"], inactive = "removed", rename = false, attributes = { display_name = 20 }, max_aliases = 3 }`)
	want := &plan.Facts{Types: []identity.Type{identity.User}, Removes: true, FixedPrimary: true, Lengths: map[string]int{"display_name": 20}, MaxAliases: 3}
	if diff := cmp.Diff(want, facts); diff != "" || diags.HasErrors() {
		t.Errorf("-want +got:\n%s%v", diff, diags.Err())
	}
	for facts, want := range map[string]string{
		`facts = 5`:                      `"facts" is a number; expected a map`,
		`facts = { batc = 5 }`:           `there is no fact "batc"`,
		`facts = { batch = "x" }`:        `the fact "batch" is of the wrong type`,
		`facts = { batch = -5 }`:         `facts: a number is negative`,
		`facts = { inactive = "gone" }`:  `facts: inactive "gone" is neither "kept" nor "removed"`,
		`facts = { inactive = env("A")}`: `the facts cannot be read`,
	} {
		if _, diags := read(facts); len(diags) != 1 || diags[0].Summary != want || diags[0].Range.Start.Line != 3 {
			t.Errorf("%s: %v, want %s", facts, diags.Err(), want)
		}
	}
}

// TestFactNames: each name that a test may give is one that is read.
func TestFactNames(t *testing.T) {
	values := map[string]string{
		"types": `["list"]`, "inactive": `"removed"`, "rename": "false", "owner": `"stored"`, "ref_stable": "false", "stores": `["dn"]`, "attributes": `{"a": 1}`,
		"domains": `["example.com"]`, "groups": "true", "dry_run": "true", "ledger": "true",
	}
	for _, name := range factNames {
		value := values[name]
		if value == "" {
			value = "7"
		}
		facts, err := plan.ParseFacts([]byte(`{"` + name + `": ` + value + `}`))
		if err != nil || cmp.Equal(facts, plan.Facts{}) {
			t.Errorf("%s = %s: %+v, %v", name, value, facts, err)
		}
	}
}

// TestConsoleStarter: the block to begin with is one that loads.
func TestConsoleStarter(t *testing.T) {
	want := `# A connector: a program that speaks the protocol rollcall-console/1.
console "exec" {
  kind    = "exec"
  owner   = "hq"            # the name of this configuration, with which accounts are marked as its own
  command = ["./connector"] # the program and its arguments, run without a shell in the folder of the file
  # config = { url = "https://gateway.example.com" } # what the connector gets in hello, of any shape; its texts are secret
}
`
	if got := ConsoleStarter(exec.Kind.Kind, nil, nil); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	t.Setenv("SCIM_TOKEN", "secret")
	t.Setenv("DATABASE_URL", "postgres://rollcall:secret@localhost/postfixadmin")
	t.Setenv("LDAP_PASSWORD", "secret")
	for _, k := range testKinds.Consoles {
		load(t, map[string]string{"a.hcl": small, "console.hcl": strings.Replace(ConsoleStarter(k, nil, nil), `"..."`, `"https://a"`, 1)})
	}
}

// TestInitial: what a kind has against an attribute of new accounts is reported where it
// stands.
func TestInitial(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://rollcall@localhost/mail")
	t.Setenv("ROLLCALL_TEST_PASSWORD", password)
	for _, c := range []struct{ entry, want string }{
		{`quota = "1 GiB"`, "initial quota is no number of octets"},
		{`password = env("ROLLCALL_TEST_PASSWORD")`, "initial has no password, which everybody would have"},
	} {
		text := small + "console \"mail\" {\n  kind = \"sql\"\n  owner = \"hq\"\n  url = env(\"DATABASE_URL\")\n  profile = \"postfixadmin\"\n  initial = { policy = \"x\", " + c.entry + " }\n}\n"
		inDir(t, map[string]string{"a.hcl": text})
		at := strings.Count(text, "\n") - 1
		_, diags := Load(".", now, testKinds)
		if len(diags) != 1 || diags[0].Error() != fmt.Sprintf("a.hcl:%d:29: %s", at, c.want) || diags[0].Hint == "" {
			t.Errorf("%s: %v", c.entry, diags)
		}
	}
}

package config

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

var surveys = map[string]*Survey{
	"file": nil,
	"active-directory": {
		Kind: ActiveDirectory, URL: "ldaps://dc1.corp.example.com", BindDN: `CORP\svc-rollcall`, PasswordEnv: "ROLLCALL_TEST_PASSWORD", CAFile: "corp-ca.pem",
		Base: "DC=corp,DC=example,DC=com", Entries: 1412,
		Having: map[string]int{"proxyAddresses": 1400, "sAMAccountName": 1300, "objectGUID": 1412, "msExchRecipientTypeDetails": 1180},
		Domains: []SurveyDomain{
			{"customer.example", 41, 41}, {"example.net", 17, 1}, {"gmail.com", 17, 16}, {"example.com", 1390, 0},
			{"corp.local", 1, 0}, {"example.onmicrosoft.com", 1200, 0}, {"not a domain", 7, 0},
		},
	},
	"389": {
		Kind: LDAP, URL: "ldap://ldap.example.org:3389", StartTLS: true, BindDN: "cn=Directory Manager", PasswordEnv: "ROLLCALL_TEST_PASSWORD",
		Contexts: []string{"dc=example,dc=org", "o=other"}, Entries: 2,
		Having:  map[string]int{"nsUniqueId": 2, "entryUUID": 1, "mailAlternateAddress": 1, "uid": 2},
		Domains: []SurveyDomain{{"example.org", 3, 0}},
	},
	"openldap": {
		Kind: LDAP, URL: "ldap://127.0.0.1", BindDN: "cn=reader", PasswordEnv: "ROLLCALL_TEST_PASSWORD", Insecure: true,
		Base: "dc=lab", Entries: 1, Having: map[string]int{"proxyAddresses": 1, "mailLocalAddress": 1, "sAMAccountName": 1, "entryUUID": 1, "nsUniqueId": 1},
		Domains: []SurveyDomain{{"gmail.com", 4, 0}, {"lab.local", 1, 0}, {"elsewhere.example", 1, 1}},
	},
	"empty": {Kind: LDAP, URL: "ldaps://ldap.example.org", Base: "dc=example,dc=org"},
}

// TestStarter compares what is written for each survey, and loads it.
func TestStarter(t *testing.T) {
	for name, survey := range surveys {
		t.Run(name, func(t *testing.T) {
			got := Starter(survey)
			path := filepath.Join("testdata", "starter", name+".hcl")
			if *update {
				if err := os.WriteFile(path, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if survey != nil && len(survey.Domains) == 0 {
				if _, diags := Check(".", "rollcall.hcl", got, now, testKinds); len(diags) != 1 || diags[0].Summary != "the configuration declares no domain" {
					t.Errorf("without a domain: %v", diags)
				}
				got = bytes.Replace(got, []byte("# domain \"example.com\" {\n# }"), []byte("domain \"example.com\" {\n}"), 1)
			}
			c := load(t, map[string]string{"rollcall.hcl": string(got)})
			if survey != nil && survey.Insecure != (len(c.Warnings()) > 0) {
				t.Errorf("warnings %q", c.Warnings())
			}
			if formatted, diags := Format("rollcall.hcl", got, nil); diags.HasErrors() || string(formatted) != string(got) {
				t.Errorf("not in canonical layout: %v\n%s", diags.Err(), formatted)
			}
		})
	}
}

// TestStarterExamples loads what the starter shows in comments.
func TestStarterExamples(t *testing.T) {
	text := string(Starter(nil))
	blocks := regexp.MustCompile(`(?m)^# \w+ ("[^"]+" )?\{\n(#.*\n)*?# \}$`).FindAllString(text, -1)
	if len(blocks) != 6 {
		t.Fatalf("%d blocks in comments: %q", len(blocks), blocks)
	}
	_, scope, _ := strings.Cut(text, "\nscope ")
	scope, _, _ = strings.Cut("scope "+scope, "\n\n")
	own := "\ndomain \"example.com\" {\n  # aliases = [\"example.net\"]\n}\n"
	all := regexp.MustCompile(`(?m)^( *)# `).ReplaceAllString(strings.Join(append(blocks, own, scope), "\n"), "$1")
	t.Setenv("ROLLCALL_PASSWORD", password)
	c := load(t, map[string]string{"rollcall.hcl": all, "case-1.txt": "ann@example.com\n"})
	if len(c.Warnings()) > 0 || c.Scopes[0].Disabled != DisabledInactive {
		t.Errorf("warnings %q, scope %+v", c.Warnings(), c.Scopes[0])
	}
}

// FuzzStarter: whatever a server answers, the starter is valid and says it.
func FuzzStarter(f *testing.F) {
	f.Add("DC=corp,DC=example", "o=other", "example.com")
	f.Add(`CN=a"${env("HOME")}%{ if true }$${x}$$${y}\,b`, "o=a\nstate { path = \"x\" }", "x.com\" {")
	f.Add("CN=\u2028\x00\xff", "\r\n*/", "EXAMPLE.com")
	f.Fuzz(func(t *testing.T, base, context, domain string) {
		s := &Survey{
			Kind: LDAP, URL: "ldaps://ldap.example.org", Base: base, Contexts: []string{context}, Domains: []SurveyDomain{{domain, 1, 0}},
		}
		c, diags := Check(".", "rollcall.hcl", Starter(s), now, testKinds)
		for i := range diags {
			if text := diags[i].Summary; !strings.Contains(text, "is not a distinguished name") && (text != "the configuration declares no domain" || identity.ValidDomain(domain)) {
				t.Fatalf("%v\n%s", &diags[i], Starter(s))
			}
		}
		if c == nil {
			return
		}
		if want := cty.StringVal(string([]rune(base))).AsString(); c.Scopes[0].BaseDN != want || c.StatePath != "rollcall.state.jsonl" || len(c.Scopes) != 1 {
			t.Fatalf("base %q, want %q, state %q", c.Scopes[0].BaseDN, want, c.StatePath)
		}
	})
}

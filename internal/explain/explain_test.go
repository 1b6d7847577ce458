package explain

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

func guid(n byte) identity.GUID { return identity.GUID{0: 0x8c, 6: 0x42, 8: 0x83, 15: n} }

// company has an address in contest, an alias domain, a protected address whose
// entry dropped it, a changed GUID, and an account that goes.
func company() plan.Input {
	account := func(n byte, primary, dn string, aliases ...string) identity.Account {
		a := identity.Account{Primary: identity.MustAddress(primary), Directory: "corp", GUID: guid(n), DN: dn, Username: "login" + dn[3:6]}
		for _, x := range aliases {
			a.Aliases = append(a.Aliases, identity.MustAddress(x))
		}
		return a
	}
	entry := func(n byte, dn, primary string, aliases ...string) identity.Entry {
		return identity.Entry{GUID: guid(n), DN: dn, Username: "login" + dn[3:6], Primaries: []string{primary}, Aliases: aliases}
	}
	return plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp"},
			Domains:     []plan.Domain{{Name: "example.com", Aliases: []string{"example.net"}}},
			Scopes:      []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}, Adopt: true}},
			Protected:   []plan.Guard{{Label: "board", Reason: "asked for", Addresses: []identity.Address{identity.MustAddress("vip@example.com")}}},
			Limits:      plan.Limits{{Most: 0, Percent: 100}, {Most: 0, Percent: 100}, {Most: 0, Percent: 100}},
		},
		Entries: []identity.Entry{
			entry(1, "CN=Annabel,OU=Berlin", "annabel@example.com", "desk@example.com"),
			entry(2, "CN=Bertram,OU=Berlin", "bertram@example.com", "Desk@Example.net", "typo..x@example.com"),
			entry(9, "CN=Clothilde,OU=Paris", "clothilde@example.com"),
		},
		Accounts: []identity.Account{
			account(1, "annabel@example.com", "CN=Annabel,OU=Berlin", "vip@example.com"),
			account(3, "clothilde@example.com", "CN=Clothilde,OU=Paris"),
			account(4, "leopold@example.com", "CN=Leopold,OU=Paris", "lp@example.com"),
		},
		Read: []string{"corp"},
		Now:  time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
}

// searched is what a search finds there.
func searched() []Directory {
	return []Directory{{
		Name:   "corp",
		Scopes: []directory.Scope{{Name: "staff", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}}},
		Found: directory.Findings{Objects: []directory.Found{
			{DN: "CN=Annabel,OU=Berlin", GUID: guid(1), ObjectGUID: guid(1), Values: []directory.FoundValue{{Attribute: "proxyaddresses", Value: "smtp:desk@example.com"}}, Held: []directory.FoundValue{{Attribute: "proxyaddresses", Value: "smtp:desk@example.com"}}, Verdicts: []directory.Verdict{{Scope: "staff", Taken: true}}},
			{DN: "CN=Bertram,OU=Berlin", GUID: guid(2), ObjectGUID: guid(2), Values: []directory.FoundValue{{Attribute: "proxyaddresses", Value: "smtp:Desk@Example.net"}}, Held: []directory.FoundValue{{Attribute: "proxyaddresses", Value: "smtp:Desk@Example.net"}}, Verdicts: []directory.Verdict{{Scope: "staff", Taken: true}}},
			{
				DN: "CN=Hermione,OU=Guests", GUID: guid(7), ObjectGUID: guid(7), Values: []directory.FoundValue{{Attribute: "mail", Value: "desk@example.com"}},
				Verdicts: []directory.Verdict{{Scope: "staff", Obstacles: []directory.Obstacle{
					{Kind: directory.FilterFalse, Clause: &filter.Clause{Text: "(department=Sales)", Attribute: "department", Values: []string{"Secretariat"}}},
				}}},
			},
		}},
	}}
}

func document(t *testing.T, subject string, mask plan.Masker) *Document {
	t.Helper()
	about, err := plan.ParseSubject(subject)
	if err != nil {
		t.Fatal(err)
	}
	x, err := plan.Explain(company(), about)
	if err != nil {
		t.Fatal(err)
	}
	return New(x, Context{Version: "1.2.3", Directories: searched(), Mask: mask})
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		subject, text, effect, command, powershell string
		loses                                      bool
	}{
		{
			subject: "desk@example.net", text: `take desk@example.com from entry "CN=Bertram"`, effect: "then desk@example.com becomes an alias of annabel@example.com",
			powershell: `Set-ADObject -Identity '8c000000-0000-4200-8300-000000000002' -Remove @{'proxyAddresses'='smtp:Desk@Example.net'}`,
		},
		{
			subject: "vip@example.com", text: `give vip@example.com back to entry "CN=Annabel"`,
			powershell: `Set-ADObject -Identity '8c000000-0000-4200-8300-000000000001' -Add @{'proxyAddresses'='smtp:vip@example.com'}`,
		},
		{
			subject: "clothilde@example.com", text: "if it is the same person, give account clothilde@example.com the new GUID",
			command: "rollcall state rebind clothilde@example.com 8c000000-0000-4200-8300-000000000009",
		},
		{
			subject: "lp@example.com", text: "if that is meant, commit what the plan does with lp@example.com, alone, and lift the brake with --allow-deactivations 1",
			effect:  "then leopold@example.com is lost: it goes out of service; lp@example.com is lost: it goes out of service",
			command: "rollcall apply --only address:lp@example.com --allow-deactivations 1", loses: true,
		},
		{
			subject: "bertram@example.com", text: "commit what the plan does with bertram@example.com, alone",
			command: "rollcall apply --only address:bertram@example.com",
		},
	} {
		d := document(t, c.subject, (*redact.Mask)(nil))
		found := false
		for _, a := range d.Actions {
			if a.Text == c.text {
				found = true
				if a.Effect != c.effect || a.Command != c.command || a.PowerShell != c.powershell || a.Loses != c.loses {
					t.Errorf("%s: %+v", c.subject, a)
				}
			}
		}
		if !found {
			t.Errorf("%s: no action %q among %+v", c.subject, c.text, d.Actions)
		}
	}
}

// What keeps an object out of the plan is told; what an entry stands for is not
// told again.
func TestOutside(t *testing.T) {
	d := document(t, "desk@example.com", (*redact.Mask)(nil))
	if len(d.Outside) != 1 || d.Outside[0].DN != "CN=Hermione,OU=Guests" {
		t.Fatalf("%+v", d.Outside)
	}
	if o := d.Outside[0].Verdicts[0].Obstacles[0]; o.Code != "filter" || !strings.Contains(o.Text, `"Secretariat"`) {
		t.Errorf("%+v", o)
	}
}

// No list is null, and no name passes a mask.
func TestDocument(t *testing.T) {
	names := regexp.MustCompile(`(?i)annabel|bertram|clothilde|leopold|hermione|desk|typo|berlin|paris|guests|secretariat|login|8c000000`)
	for _, subject := range []string{
		"desk@example.com", "vip@example.com", "annabel@example.com", "bertram@example.com", "clothilde@example.com", "leopold@example.com", "lp@example.com",
		"typo..x@example.com", "CN=Bertram,OU=Berlin", guid(1).String(), "loginClo", "nobody@example.org", "nobody",
	} {
		for _, mask := range []*redact.Mask{nil, redact.New([]byte("0123456789abcdef"), "example.com", "example.net")} {
			b, err := json.Marshal(document(t, subject, mask))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer(`"before":null`, "", `"after":null`, "").Replace(string(b))
			if strings.Contains(text, "null") {
				t.Errorf("%s: a list is null: %s", subject, text)
			}
			if found := names.FindAllString(text, -1); mask != nil && found != nil {
				t.Errorf("%s: %q pass the mask: %s", subject, found, text)
			}
		}
	}
}

// What a search cannot look for all of is told.
func TestQueryCut(t *testing.T) {
	rules := company().Rules
	var x plan.Explanation
	for n := range mostEntries + 2 {
		x.Entries = append(x.Entries, plan.EntryFacts{Ref: plan.EntryRef{Directory: "corp", DN: fmt.Sprintf("CN=%d", n)}})
	}
	for n := range mostAddresses {
		x.Addresses = append(x.Addresses, plan.AddressFacts{Address: fmt.Sprintf("a%d@example.com", n), Refused: n})
	}
	q, notes := Query(&x, &rules, "corp", "ldif")
	want := []string{
		"the values of 2 entries are not shown as they are there, for 40 are looked up at most",
		"20 of the addresses were not looked for outside of the scopes", // each is two, in the alias domain, too
	}
	if len(q.Entries) != mostEntries || len(q.Addresses) != mostAddresses || !slices.Equal(notes, want) {
		t.Errorf("%d entries, %d addresses, %q", len(q.Entries), len(q.Addresses), notes)
	}
	x.Entries, x.Addresses = x.Entries[:mostEntries], x.Addresses[:mostAddresses/2]
	if _, notes := Query(&x, &rules, "corp", "ldif"); notes != nil {
		t.Errorf("%q", notes)
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"ann@example.com": "ann@example.com", "": "''", "o'neil@example.com": `'o'\''neil@example.com'`, "$(x)@example.com": "'$(x)@example.com'", "a b": "'a b'", "~x": "'~x'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}

func TestFirstName(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=Ann,OU=Staff": "CN=Ann", "CN=Ann, OU=Staff": "CN=Ann", `CN=Ann\ ,OU=Staff`: `CN=Ann\ `, `CN=Smith\, Ann,OU=Staff`: `CN=Smith\, Ann`, `CN=Ann\,`: `CN=Ann\,`, "": "",
	} {
		if got := firstName(dn); got != want {
			t.Errorf("%q is %q, want %q", dn, got, want)
		}
	}
}

// TestNoGUIDSentence: advice on a missing GUID names the attribute that is read.
func TestNoGUIDSentence(t *testing.T) {
	for detail, want := range map[string]string{"": "nsUniqueId", "mS-DS-ConsistencyGuid": "give it one there"} {
		text, remedy := sentence("staff", &directory.Obstacle{Kind: directory.NoGUID, Detail: detail})
		if !strings.Contains(remedy, want) || strings.Contains(text, "objectGUID") != (detail == "") || !strings.Contains(text, detail) {
			t.Errorf("%q: %s; %s", detail, text, remedy)
		}
	}
}

// TestAliasAttribute: an object of another server than Active Directory is given
// no proxyAddresses, unless it has some.
func TestAliasAttribute(t *testing.T) {
	held := []directory.FoundValue{{Attribute: "proxyAddresses", Value: "smtp:a@example.com"}}
	for _, c := range []struct {
		story  string
		found  directory.Found
		scope  []string
		wanted string
	}{
		{"Active Directory", directory.Found{}, []string{"proxyAddresses"}, "proxyAddresses smtp:"},
		{"OpenLDAP", directory.Found{LDAP: true}, []string{"proxyAddresses"}, " "},
		{"OpenLDAP with its own attribute", directory.Found{LDAP: true}, []string{"proxyAddresses", "mailLocalAddress"}, "mailLocalAddress "},
		{"OpenLDAP with Exchange's schema", directory.Found{LDAP: true, Held: held}, []string{"proxyAddresses"}, "proxyAddresses smtp:"},
		{"no alias attribute", directory.Found{}, nil, " "},
	} {
		o := object{Found: &c.found, scope: &directory.Scope{AliasAttributes: c.scope}}
		if attribute, prefix := o.alias(); attribute+" "+prefix != c.wanted {
			t.Errorf("%s: %q %q", c.story, attribute, prefix)
		}
	}
}

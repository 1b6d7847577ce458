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
	in := plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp"},
			Domains:     []plan.Domain{{Name: "example.com", Aliases: []string{"example.net"}}},
			Scopes:      []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}, Adopt: true}},
			Protected:   []plan.Guard{{Label: "board", Reason: "asked for by Leopold", Addresses: []identity.Address{identity.MustAddress("vip@example.com")}}},
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
	in.Entries[1].Attributes = []identity.Attribute{{Name: "display_name", Value: "Bertram Beispiel"}}
	return in
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
			subject: "desk@example.net", text: "take desk@example.com from Bertram Beispiel", effect: "then desk@example.com becomes an alias of annabel@example.com",
			powershell: `Set-ADObject -Identity '8c000000-0000-4200-8300-000000000002' -Remove @{'proxyAddresses'='smtp:Desk@Example.net'}`,
		},
		{
			subject: "vip@example.com", text: "give vip@example.com back to Annabel",
			powershell: `Set-ADObject -Identity '8c000000-0000-4200-8300-000000000001' -Add @{'proxyAddresses'='smtp:vip@example.com'}`,
		},
		{
			subject: "clothilde@example.com", text: "if it is the same person, give account clothilde@example.com the new GUID",
			command: "rollcall state rebind clothilde@example.com 8c000000-0000-4200-8300-000000000009",
		},
		{
			subject: "lp@example.com", text: "if this is meant, apply it past the brake: lp@example.com",
			effect:  "then leopold@example.com and lp@example.com stop receiving mail",
			command: "rollcall apply --only address:lp@example.com --allow-deactivations 1", loses: true,
		},
		{
			subject: "bertram@example.com", text: "apply the change of bertram@example.com",
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

// What keeps an object out of the plan is reported; what an entry stands for is not
// said again.
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
	names := regexp.MustCompile(`(?i)annabel|bertram|clothilde|leopold|hermione|desk|typo|beispiel|berlin|paris|guests|secretariat|login|8c000000`)
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

// What a search cannot look for all of is reported.
func TestQueryCut(t *testing.T) {
	rules := company().Rules
	var x plan.Explanation
	for n := range mostEntries + 2 {
		x.Entries = append(x.Entries, plan.EntryFacts{Ref: plan.EntryRef{Directory: "corp", DN: fmt.Sprintf("CN=%d", n)}})
	}
	for n := range mostAddresses {
		x.Addresses = append(x.Addresses, plan.AddressFacts{Address: fmt.Sprintf("a%d@example.com", n), Rejected: n})
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
	for word, want := range map[string][2]string{
		"ann@example.com":    {"ann@example.com", "ann@example.com"},
		"":                   {"''", `""`},
		"o'neil@example.com": {`'o'\''neil@example.com'`, `"o'neil@example.com"`},
		"$(x)@example.com":   {"'$(x)@example.com'", `"$(x)@example.com"`},
		"a b":                {"'a b'", `"a b"`},
		"~x":                 {"'~x'", `"~x"`},
		`C:\a`:               {`'C:\a'`, `C:\a`},
	} {
		if unix, windows := shellWord(word, false), shellWord(word, true); unix != want[0] || windows != want[1] {
			t.Errorf("%q is %s and %s, want %s", word, unix, windows, want)
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

// TestShort: an object is named with where it is, and what all objects share is left
// out.
func TestShort(t *testing.T) {
	for _, c := range [][3]string{
		{"Ann", "CN=Ann,OU=Staff,DC=corp,DC=example", "Ann (OU=Staff)"},
		{"Ann Smith", "uid=asmith, ou=People, dc=corp", "Ann Smith (uid=asmith, ou=People)"},
		{"Smith, Ann", `CN=Smith\, Ann,OU=A\,DC=B,DC=corp`, `Smith, Ann (OU=A\,DC=B)`},
		{"Ann", "CN=Ann,DC=corp", "Ann"},
		{"Ann", "CN=Ann,O=Example", "Ann (O=Example)"},
		{"x", "no name", "x (no name)"},
		{"Ann", "", "Ann"},
	} {
		if got := Short(c[0], c[1]); got != c[2] {
			t.Errorf("%q of %q is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// TestTwins: of entries with one name, sentences say of which directory they are, or
// where they are in one.
func TestTwins(t *testing.T) {
	in := company()
	in.Rules.Directories, in.Read = append(in.Rules.Directories, "lab"), append(in.Read, "lab")
	in.Rules.Scopes = append(in.Rules.Scopes, plan.Scope{Name: "lab", Directory: "lab", Domains: []string{"example.com"}})
	for n, dn := range []string{"CN=Annabel,OU=Berlin", "CN=Annabel,OU=Paris,DC=lab"} {
		in.Entries = append(in.Entries, identity.Entry{Scope: 1, GUID: guid(byte(20 + n)), DN: dn, Primaries: []string{fmt.Sprintf("twin%d@example.com", n)}, Aliases: []string{"team@example.com"}})
	}
	in.Entries[0].Aliases = append(in.Entries[0].Aliases, "team@example.com")
	about, _ := plan.ParseSubject("team@example.com")
	x, err := plan.Explain(in, about)
	if err != nil {
		t.Fatal(err)
	}
	for _, mask := range []*redact.Mask{nil, redact.New([]byte("0123456789abcdef"), "example.com")} {
		for _, l := range New(x, Context{Mask: mask}).Addresses[0].Listed {
			if l.Name != mask.Name("Annabel") {
				t.Errorf("the name is %q", l.Name)
			}
		}
		var names []string
		for _, r := range x.Rejections {
			names = append(names, (&builder{x: x, m: mask}).newLabels().of(r.DN, r.Directory))
		}
		want := []string{`Annabel of directory "corp"`, "Annabel (OU=Berlin)", "Annabel (OU=Paris)"}
		for n, unit := range []string{"", "Berlin", "Paris"} {
			want[n] = strings.Replace(want[n], "Annabel", mask.Name("Annabel"), 1)
			if unit != "" {
				want[n] = strings.Replace(want[n], unit, mask.Name(unit), 1)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("got %q, want %q", names, want)
		}
	}
}

// TestDisabled: an explanation says of a disabled entry why it keeps its addresses.
func TestDisabled(t *testing.T) {
	about, _ := plan.ParseSubject("desk@example.com")
	x, err := plan.Explain(company(), about)
	if err != nil {
		t.Fatal(err)
	}
	found := searched()
	found[0].Found.Objects[0].Disabled = true
	found[0].Found.Objects[1].DisabledByDesign = "RoomMailbox"
	d := New(x, Context{Directories: found, Mask: (*redact.Mask)(nil)})
	want := []Disabled{
		{"corp", "CN=Annabel,OU=Berlin", `Annabel is disabled, and keeps mail because scope "staff" has disabled = "keep"`},
		{"corp", "CN=Bertram,OU=Berlin", "Bertram Beispiel is disabled, and keeps mail because sign-in is disabled by design for a RoomMailbox"},
	}
	if !slices.Equal(d.Disabled, want) {
		t.Errorf("%q", d.Disabled)
	}
	if d := document(t, "desk@example.com", (*redact.Mask)(nil)); len(d.Disabled) > 0 {
		t.Errorf("%q", d.Disabled)
	}
}

// TestPastMessage: a run that moved an address is shown from either side.
func TestPastMessage(t *testing.T) {
	for _, c := range []struct {
		before, after, want string
	}{
		{"", "an alias of ann@example.com", "in this account since run 7 (2026-11-03)"},
		{"an alias of bob@example.com", "", "an alias of bob@example.com until run 7 (2026-11-03)"},
		{WasInactive, "an alias of ann@example.com", "active again since run 7 (2026-11-03)"},
		{"an alias of bob@example.com", "an alias of ann@example.com", "in this account since run 7 (2026-11-03), before that an alias of bob@example.com"},
	} {
		p := Past{Run: 7, Started: time.Date(2026, 11, 3, 23, 0, 0, 0, time.UTC), Before: c.before, After: c.after}
		if got := p.Message(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestNoGUIDSentence: advice on a missing GUID names the attribute that is read.
func TestNoGUIDSentence(t *testing.T) {
	for detail, want := range map[string]string{"": "nsUniqueId", "mS-DS-ConsistencyGuid": "give the object a value in mS-DS-ConsistencyGuid"} {
		b := builder{m: (*redact.Mask)(nil)}
		text, remedy := b.sentence("staff", &directory.Obstacle{Kind: directory.NoGUID, Detail: detail})
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

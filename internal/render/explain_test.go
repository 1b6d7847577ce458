package render

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// explained is an explanation with every part, and with values that would like
// to be more than values.
func explained() *explain.Document {
	const hostile = "CN=\x1b[31mred\u202e,DC=*bold*|cell|[link](http://example.com) <script> &amp; `code`"
	ann := explain.Listing{
		Directory: "corp", Scope: "staff", Name: "Ann Smith", DN: "CN=Ann Smith,OU=Staff,DC=example,DC=com", GUID: "8c4ac332-975f-4717-ad7b-ba4a4e968fff",
		Role: "alias", Value: "desk@example.com", Values: []explain.Value{{Attribute: "proxyAddresses", Value: "smtp:desk@example.com"}},
	}
	evil := explain.Listing{
		Directory: "lab", Scope: "people", Name: "Evil\u202e *One*", DN: hostile, Role: "declared", Value: "Desk@example.net",
		Values: []explain.Value{{Attribute: "mail", Value: "Desk@example.net"}, {Attribute: "mailAlternateAddress", Value: "Desk@example.net"}},
	}
	return &explain.Document{
		FormatVersion: "1.0", Version: "1.2.3", Created: time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC),
		Subject:  explain.Subject{Kind: "username", Text: "asmith"},
		Answer:   `Entry "CN=Ann Smith" stands behind account ann@example.com, which stays as it is; 1 refusal. ` + hostile,
		Warnings: []string{`directory "lab": not searched beside the scopes: ` + hostile},
		History: []explain.Past{
			{Address: "desk@example.com", Run: 7, Started: time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC), Command: "rollcall apply " + hostile, Before: "an alias of bob@example.com", After: "an alias of ann@example.com"},
			{Address: "ann@example.com", Run: 1, Started: time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC), Command: "rollcall apply", After: "the primary of a user account of corp"},
		},
		Disabled: []explain.Disabled{
			{Directory: "corp", DN: ann.DN, Message: `Ann Smith is disabled, and keeps mail because scope "staff" has disabled = "keep"`}, {Message: hostile}, {}, {}, {},
		},
		Addresses: []explain.Address{
			{
				Address: "ann@example.com", Fate: "stays", Domain: explain.Domain{Name: "example.com", Declared: true, Scopes: []string{"staff"}, AliasFor: []string{}},
				Before: &explain.Holding{Primary: "ann@example.com", Role: "primary", Status: "active", Type: "user", Directory: "corp"},
				After:  &explain.Holding{Primary: "ann@example.com", Role: "primary", Status: "active", Type: "user", Directory: "corp"},
				Guards: []explain.Guard{{Kind: "protected", Label: "board", Reason: hostile}}, Listed: []explain.Listing{},
			},
			{
				Address: "desk@example.com", Fate: "changes_role", Domain: explain.Domain{Name: "example.com", Alias: "example.net", Declared: true, Scopes: []string{"staff"}, AliasFor: []string{}},
				Before: &explain.Holding{Primary: "ann@example.com", Role: "alias", Status: "active", Type: "user", Directory: "corp"},
				Guards: []explain.Guard{{Kind: "legal_hold", Label: "case", Reason: "X v. Y", Until: "2026-06-30", Over: true}},
				Listed: []explain.Listing{ann, evil}, Rejections: 1, Withheld: true,
			},
			{Address: "old@public.example", Fate: "nobody", Domain: explain.Domain{Name: "public.example", Declared: true, Public: true, Scopes: []string{}, AliasFor: []string{"example.com"}}, Guards: []explain.Guard{}, Listed: []explain.Listing{}},
		},
		Outside: []explain.Object{{
			Directory: "corp", Name: hostile, DN: hostile, GUID: "ef769d55-ed3c-5e3a-a781-81e72c0cc482", Values: []explain.Value{{Attribute: "mail", Value: hostile}},
			Verdicts: []explain.Verdict{{Scope: "staff", Obstacles: []explain.Obstacle{
				{Code: "outside_base", Text: "not below the base OU=Staff,DC=example,DC=com", Remedy: `move the object there, or give scope "staff" a base_dn above both`},
				{Code: "filter", Text: "(department=Sales) is not true: " + hostile},
			}}},
		}},
		Entries: []explain.Entry{{Directory: "corp", Scope: "staff", Name: "Ann Smith", DN: ann.DN, GUID: ann.GUID, Username: "asmith", Type: "user", Account: "ann@example.com", Primary: "ann@example.com"}, {Directory: "lab", DN: hostile}},
		Accounts: []explain.Account{
			{
				Primary: "ann@example.com", NewPrimary: "a.smith@example.com", Aliases: []string{"desk@example.com"}, Type: "user", Status: "active", NewStatus: "active",
				Directory: "corp", NewDirectory: "lab", GUID: ann.GUID, Username: "asmith", DN: ann.DN, Standing: "bound", Frozen: true, Withheld: true,
			},
			{NewPrimary: "new@example.com", Aliases: []string{}, Type: "list", NewStatus: "active", Directory: "lab", DN: hostile, Standing: "bound", New: true},
			{Primary: "scan@example.com", NewPrimary: "scan@example.com", NewStatus: "inactive", Aliases: []string{}, Type: "user", Status: "inactive", Standing: "local", Hold: "case"},
			{Primary: "dora@example.com", NewPrimary: "dora@example.com", NewStatus: "active", Aliases: []string{}, Type: "user", Status: "active", Standing: "foreign", Owner: hostile},
			{Primary: "odd@example.com", NewPrimary: "odd@example.com", NewStatus: "active", Aliases: []string{}, Type: "user", Status: "active", Directory: "corp", NewDirectory: "corp", Standing: "bound", Frozen: true, Remedy: "correct it in the console"},
		},
		Drift: []explain.Drift{
			{Kind: "changed", Primary: "ann@example.com", Ref: "u-17", Field: "display_name", Recorded: "Ann", Found: hostile, Message: "display_name of account ann@example.com is " + hostile},
		},
		Steps: []explain.Step{
			{Rule: "guid", Meaning: "by GUID", Outcome: "bound", Message: "Ann Smith has account ann@example.com, by its GUID", DN: ann.DN, Directory: "corp", Account: "ann@example.com"},
			{Rule: "value", Meaning: "claims", Outcome: "lists", Message: hostile + " lists desk@example.com as an alias", Address: "desk@example.com"},
			{Rule: "value", Meaning: "claims", Outcome: "refused", Message: "entry " + strings.Repeat("long ", 60), Reason: "unknown_domain"},
			{Rule: "contest", Meaning: "contests", Outcome: "won", Message: "Ann Smith gets desk@example.com"},
		},
		Changes: []explain.Row{
			{Category: "add", Address: "new@example.com", To: "new@example.com", Directory: "lab", Type: "list"},
			{Category: "inactive", Address: "desk@example.com", From: "ann@example.com", Withheld: true},
			{Category: "attribute_change", Address: "ann@example.com", Attribute: "dn", From: hostile, To: ann.DN},
		},
		Rejections: []explain.Rejection{
			{Reason: "alias_rejected", Message: `the alias is also listed by entry "` + hostile + `" of directory "lab"`, Remedy: "remove the address from all entries but one", Address: "desk@example.com", DN: ann.DN, Directory: "corp", Scope: "staff", Since: "2026-11-03T00:00:00Z"},
			{Reason: "alias_rejected", Message: "the alias is listed by nobody", Remedy: "remove the address from all entries but one", Address: "desk@example.com", DN: hostile, Directory: "lab", Scope: "people", Since: "2026-11-21T00:00:00Z", New: true},
		},
		Actions: []explain.Action{
			{
				Kind: "remove_value", Reason: "alias_rejected", Address: "desk@example.com", Text: "take desk@example.com from Ann Smith", Effect: "then desk@example.com stops receiving mail", Loses: true,
				PowerShell: "Set-ADObject -Identity '8c4ac332-975f-4717-ad7b-ba4a4e968fff' -Remove @{'proxyAddresses'='smtp:desk@example.com'}",
				LDIF:       "dn: CN=Ann Smith,OU=Staff,DC=example,DC=com\nchangetype: modify\ndelete: proxyAddresses\nproxyAddresses: smtp:desk@example.com\n-\n\n",
			},
			{Kind: "apply", Address: "ann@example.com", Text: "apply the change of ann@example.com", Command: "rollcall apply --only address:ann@example.com '```'"},
		},
		MoreActions: 3,
	}
}

func TestExplanationText(t *testing.T) {
	write := func(opt TextOptions) string {
		var b strings.Builder
		if err := ExplanationText(&b, explained(), opt); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, all := range []bool{false, true} {
		for _, width := range []int{80, 120} {
			for _, color := range []bool{false, true} {
				name := fmt.Sprintf("explain-%d", width)
				if all {
					name += "-verbose"
				}
				if color {
					name += "-color"
				}
				t.Run(name, func(t *testing.T) {
					got := write(TextOptions{Width: width, Color: color, All: all})
					golden(t, name+".txt", got)
					if plain := escapes.ReplaceAllString(got, ""); plain != write(TextOptions{Width: width, All: all}) {
						t.Error("colour changes more than colour")
					}
				})
			}
		}
	}
	for _, all := range []bool{false, true} {
		if got := write(TextOptions{All: all}); strings.ContainsAny(got, "\x1b\u202e") {
			t.Errorf("a value acts on the terminal:\n%q", got)
		}
	}
}

func TestExplanationJSON(t *testing.T) {
	var b strings.Builder
	if err := ExplanationJSON(&b, explained()); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.json", b.String())
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && identity.Unprintable(r) }); i >= 0 {
		t.Errorf("a character that acts: %q", b.String()[max(0, i-40):i+4])
	}
	var back explain.Document
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || !strings.Contains(back.Outside[0].DN, "\u202e") {
		t.Errorf("%v: %q", err, back.Outside[0].DN)
	}
}

// TestEscapeStrings: what acts in a string of a JSON text is escaped, and its
// layout and everything else left alone.
func TestEscapeStrings(t *testing.T) {
	for text, want := range map[string]string{
		"{\n  \"a\": \"b\"\n}\n":        "{\n  \"a\": \"b\"\n}\n",
		"\"M\u00fcller \U0001f600\"":    "\"M\u00fcller \U0001f600\"",
		"\"a\u202eb\u0085\u2066c\x7f\"": `"a\u202eb\u0085\u2066c\u007f"`,
		"\"\U000e0041\"":                `"\udb40\udc41"`,
	} {
		if got := escapeStrings(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestExplanationMarkdown(t *testing.T) {
	for name, verbose := range map[string]bool{"explain.md": false, "explain-verbose.md": true} {
		var b strings.Builder
		if err := ExplanationMarkdown(&b, explained(), verbose); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		code := regexp.MustCompile("`[^`\n]+`")
		outside := code.ReplaceAllString(strings.ReplaceAll(b.String(), "`` `code` ``", ""), "")
		if strings.Contains(outside, "<script") || strings.ContainsAny(b.String(), "\x1b\u202e") || strings.Contains(outside, "*One*") {
			t.Errorf("%s: a value passes raw", name)
		}
	}
}

// What there is too much of is cut, and it says how much.
func TestExplanationCut(t *testing.T) {
	d := explained()
	for range 100 {
		d.Steps = append(d.Steps, d.Steps[0])
	}
	var text, page strings.Builder
	if err := ExplanationText(&text, d, TextOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if err := ExplanationMarkdown(&page, d, true); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{text.String(), page.String()} {
		if !strings.Contains(got, "64 more: ") {
			t.Errorf("no count of what is cut:\n%s", got)
		}
	}
}

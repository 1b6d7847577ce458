package plan_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func corpusPlan(t testing.TB, n int, except ...string) *plan.Plan {
	t.Helper()
	in := corpusInput(n)
	in.Selection.Except = selectors(t, &in.Rules, except...)
	// A scope with a short limit and a domain too few has rejections as well.
	in.Rules.Scopes[0].MaxLength = map[string]int{identity.DisplayName: 14}
	in.Entries[0].Aliases = append(in.Entries[0].Aliases, "x@unknown.example", "\x1b[31m")
	in.Rules.Limits = bounded(1, 10)
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	p.Header = plan.Header{
		ToolVersion: "test", Created: in.Now, Expires: in.Now.Add(time.Hour), ConfigDigest: "sha256:00", Lineage: "l", Serial: 7,
		Directories: []identity.Receipt{
			{Name: "corp", Kind: "ldif", Server: "corp.ldif", Scanned: n, Entries: n, Complete: true},
			{
				Name: "ad", Kind: "active_directory", Server: "ldaps://dc1.example.com", Scanned: 3, Entries: 2,
				Identity: "8c4ac332-975f-4717-ad7b-ba4a4e968fff", USNBefore: 1<<62 + 1, USNAfter: 1<<62 + 9, Reread: 1, Pages: 2, Ranged: 1600,
				References: []string{"ldap://a.example/DC=a", "ldap://b.example/\"\x1b"}, Seconds: 1.2345, Complete: true,
			},
		},
		Except:   except,
		Warnings: []string{"a\nwarning"},
	}
	return p
}

func written(t testing.TB, p *plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDocumentRoundTrip: what is saved is read back to the same bytes, and
// every list and key of the document is there even when empty.
func TestDocumentRoundTrip(t *testing.T) {
	standing := corpusPlan(t, 600)
	standing.MarkNew(map[string]time.Time{standing.Rejections[0].Key(): standing.Created.AddDate(0, -1, 0)}, nil)
	for _, p := range []*plan.Plan{corpusPlan(t, 2000), corpusPlan(t, 2000, "inactive", "attribute_change"), corpusPlan(t, 2000, allCategories()...), standing, {}} {
		data := written(t, p)
		again, err := plan.ReadJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written(t, again), data) {
			t.Error("read and written again, the plan is another")
		}
		var doc map[string]any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"directories", "unread", "only", "except", "warnings", "risk", "limits", "changes", "left_out", "rejections", "accounts"} {
			if list, ok := doc[key].([]any); !ok {
				t.Errorf("%s is %v", key, list)
			}
		}
		if n := len(doc["summary"].(map[string]any)); n != plan.Categories+7 {
			t.Errorf("the summary has %d keys", n)
		}
		for _, receipt := range doc["directories"].([]any) {
			if got := slices.Sorted(maps.Keys(receipt.(map[string]any))); !slices.Equal(got, receiptKeys) {
				t.Errorf("a receipt has the keys %q, want %q", got, receiptKeys)
			}
		}
	}
}

var receiptKeys = []string{
	"complete", "delta", "entries", "full", "identity", "kind", "name", "pages", "passed_over", "ranged", "references",
	"reread", "scanned", "seconds", "server", "since", "usn_after", "usn_before",
}

// TestShortReceipts: a plan whose receipts say less is read all the same.
func TestShortReceipts(t *testing.T) {
	data := written(t, corpusPlan(t, 600))
	short := regexp.MustCompile(`, "identity": .*?\], ("scanned": \d+, "entries": \d+), "passed_over": .*?\}, "seconds": [\d.]+`).ReplaceAll(data, []byte(", $1"))
	p, err := plan.Parse(bytes.NewReader(short))
	if err != nil {
		t.Fatal(err)
	}
	want := []identity.Receipt{
		{Name: "corp", Kind: "ldif", Server: "corp.ldif", Scanned: 600, Entries: 600, Complete: true},
		{Name: "ad", Kind: "active_directory", Server: "ldaps://dc1.example.com", Scanned: 3, Entries: 2, Complete: true},
	}
	if diff := cmp.Diff(want, p.Directories); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

// TestUnmarkedRejections: a plan whose rejections do not say since when they
// stand is read all the same.
func TestUnmarkedRejections(t *testing.T) {
	p := corpusPlan(t, 600)
	p.MarkNew(map[string]time.Time{}, nil)
	data := written(t, p)
	old := regexp.MustCompile(`, "since": "[^"]+", "new": true`).ReplaceAll(data, nil)
	if bytes.Equal(old, data) {
		t.Fatal("no rejection is marked")
	}
	read, err := plan.Parse(bytes.NewReader(old))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range read.Rejections {
		if r.New || !r.Since.IsZero() {
			t.Errorf("%s is marked", r.Address)
		}
	}
	if len(read.Rejections) != len(p.Rejections) {
		t.Errorf("%d rejections, want %d", len(read.Rejections), len(p.Rejections))
	}
}

// TestDocumentDamage: a plan that is cut anywhere, or whose rows do not follow
// from its accounts, is refused.
func TestDocumentDamage(t *testing.T) {
	data := written(t, corpusPlan(t, 600, "primary_change"))
	for n := 0; n < len(bytes.TrimSpace(data)); n += 7 {
		if _, err := plan.ReadJSON(bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("cut to %d octets, the plan is read", n)
		}
	}
	text := string(data)
	for old, new := range map[string]string{
		`"category": "add", "address": "`: `"category": "add", "address": "x`,
		`"withheld": true, "kept"`:        `"withheld": false, "kept"`,
		`"format_version": "1.1"`:         `"format_version": "2.0"`,
		`"reason": "unknown_domain"`:      `"reason": "unknown"`,
		`"after": {"primary":"`:           `"after": {"primary":"x`,
		`"status":"inactive"`:             `"status":"active"`,
		"\n}\n":                           "\n}\n{}",
		`"rollcall_version"`:              `"tool_version"`,
		`"with": {"category": "",`:        `"with": {"category": 1,`,
		`"with": {`:                       `"withheld": false, "with": {`,
		`, "with": {`:                     `, "new_guid": "", "with": {`,
	} {
		changed := strings.Replace(text, old, new, 1)
		if changed == text && old != `"withheld": true, "kept"` {
			t.Errorf("the plan has no %s", old)
		} else if _, err := plan.ReadJSON(strings.NewReader(changed)); err == nil && changed != text {
			t.Errorf("with %s for %s, the plan is read", new, old)
		}
	}
}

// TestDocumentSealed: nothing in a plan can be changed, be it what nothing else in
// the plan contradicts.
func TestDocumentSealed(t *testing.T) {
	p := corpusPlan(t, 600, "primary_change")
	p.Unread, p.Warnings = []string{"emea"}, []string{"look here"}
	text := string(written(t, p))
	for _, change := range [][2]string{
		{`"unread": [`, `"unread": ["lab",`},
		{`look here`, `all is well`},
		{`"entries": `, `"entries": 1`},
		{`"serial": `, `"serial": 1`},
		{`"rejection": `, `"rejection": 1`},
		{`"message": "`, `"message": "not `},
		{`"format_version": "1.1"`, `"format_version": "1.2"`},
		{`"only": [`, `"Only": [], "only": [`},
		{`"changes": [`, `"changes": [], "Changes": [`},
		{"{\n", "{ \n"},
		{"}\n", "}\n\n"},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Errorf("the plan has no %s", change[0])
		} else if _, err := plan.ReadJSON(strings.NewReader(changed)); err == nil {
			t.Errorf("with %s for %s, the plan is read", change[1], change[0])
		}
	}
}

// FuzzDocument: no input panics, and what is read is written to a plan that
// reads the same.
func FuzzDocument(f *testing.F) {
	f.Add(written(f, corpusPlan(f, 600)))
	f.Add(written(f, corpusPlan(f, 600, "primary_change")))
	f.Add(written(f, &plan.Plan{}))
	marked := &plan.Plan{Header: plan.Header{Created: time.Unix(1<<30, 0)}, Rejections: []plan.Rejection{rejection}}
	marked.MarkNew(map[string]time.Time{}, nil)
	f.Add(written(f, marked))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		out := written(t, p)
		again, err := plan.ReadJSON(bytes.NewReader(out))
		if err != nil || !bytes.Equal(written(t, again), out) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

// TestSentences: every reason has a meaning, a message and a remedy.
func TestSentences(t *testing.T) {
	for n := 1; n < plan.Reasons; n++ {
		r := plan.Rejection{Reason: plan.Reason(n), Address: "ann@example.com", Primary: "ann@example.com", Scope: "staff", Guard: "vip"}
		texts := []string{r.Reason.Meaning(), r.Message(plan.Names{}), r.Remedy(plan.Names{})}
		if slices.Contains(texts, "") || strings.Contains(strings.Join(texts, ""), "\n") {
			t.Errorf("%s: %q", r.Reason, texts)
		}
	}
}

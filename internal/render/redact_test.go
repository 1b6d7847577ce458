package render

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

// formats are all in which a plan is shown.
var formats = map[string]func(io.Writer, *plan.Plan) error{
	"text":     func(w io.Writer, p *plan.Plan) error { return Text(w, p, TextOptions{All: true}) },
	"narrow":   func(w io.Writer, p *plan.Plan) error { return Text(w, p, TextOptions{Width: 60, Color: true}) },
	"json":     func(w io.Writer, p *plan.Plan) error { return p.WriteJSON(w) },
	"csv":      func(w io.Writer, p *plan.Plan) error { return CSV(w, p, Dialect{}) },
	"excel":    func(w io.Writer, p *plan.Plan) error { return CSV(w, p, Dialect{Separator: ';', Excel: true}) },
	"markdown": func(w io.Writer, p *plan.Plan) error { return Markdown(w, p, Advice{}) },
	"html":     func(w io.Writer, p *plan.Plan) error { return HTML(w, p, Advice{}) },
}

// secretive is a plan with a row of every category and reason, left out rows
// and warnings, in which everything that identifies somebody is in the list.
func secretive(t *testing.T) (*plan.Plan, []string) {
	t.Helper()
	p := everything()
	p.LeftOut, p.Only = part(t).LeftOut, []string{"address:ann.smith@example.com"}
	p.Warnings = append(p.Warnings, "ann.smith@example.com is not taken back: bob@example.com is another's",
		`directory "corp": 12 accounts go out of service at once: 10 of them were below OU=Marketing,DC=corp,DC=example,DC=com, where no entry is left`)
	secrets := []string{
		"ann.", "ann smith", "ann jones", "a.smith", "asmith", "ajones", "bjones", "information desk", "ijones", "front office", "li.wei", "李伟", "研究", "wei",
		"jørgen", "jorgen", "forschung", "all hands", "marketing", "sales@", "ou=sales", "dc=corp", "eve adams", "dan brown", "fay@", "fay wong", "gus@", "gus hall", "office@",
		"ivy", "chen", "müller", "kim lee", "kim@", "lou reed", "lou@", "mia wallace", "mia@", "leaver.", "student0", "joiner", "=ann", "leavers",
		"hotline", "pat smith", "pat@", "pat.smith", "quinn", "patrick", "ceo@", "cfo", "board@", "chair@", "subsidiary", "web@", "webmaster@", "support@", "helpdesk", "nobody@",
		"rob@", "sue", "tom@", "uma@", "vic@", "contoso", "-975f-", "bob@", "desk@", "team@", "info@", "child",
		"calc", "owned",
	}
	return p, secrets
}

// TestRedacted: in no format does a redacted plan show whom it is about, and the
// same value has the same mask in all of them.
func TestRedacted(t *testing.T) {
	p, secrets := secretive(t)
	// What servers are called stays.
	p.Directories[0].References = nil
	// Directories are labels of the configuration, which stay.
	mask := redact.New([]byte("key"), "example.com", "example.org", "gmail.com")
	masked := p.Redact(mask)
	for i := range masked.LeftOut {
		if row := masked.LeftOut[i].Row(); strings.Contains(row.DN, "corp") {
			t.Errorf("left out: %s", row.DN)
		}
	}
	texts := map[string]string{}
	for name, write := range formats {
		var clear, b strings.Builder
		if err := write(&clear, p); err != nil {
			t.Fatal(err)
		}
		if err := write(&b, masked); err != nil {
			t.Fatal(err)
		}
		texts[name] = b.String()
		found := 0
		lower, before := strings.ToLower(b.String()), strings.ToLower(clear.String())
		for _, secret := range secrets {
			if strings.Contains(before, secret) {
				found++
			}
			if i := strings.Index(lower, secret); i >= 0 && !strings.Contains(empty(t, write), secret) {
				t.Errorf("%s: %q stays in %q", name, secret, lower[max(0, i-60):min(len(lower), i+60)])
			}
		}
		if found < len(secrets)/2 {
			t.Errorf("%s: only %d of %d secrets are in the plan, so that the test shows little", name, found, len(secrets))
		}
	}
	for _, address := range []string{"ann.smith@example.com", "hotline@example.com", "leaver.one@example.org"} {
		for name, text := range texts {
			if name != "narrow" && !strings.Contains(text, mask.Address(address)) {
				t.Errorf("%s has no %s for %s", name, mask.Address(address), address)
			}
		}
	}
	for name, want := range map[string]string{"json": mask.DN("CN=Kim Lee,OU=Sales,DC=corp,DC=example,DC=com"), "csv": mask.GUID(guidOf(13).String()), "text": mask.Name("ajones"), "markdown": mask.Name("ajones")} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s has no %s", name, want)
		}
	}
	if again, err := plan.ReadJSON(strings.NewReader(texts["json"])); err != nil || !again.Redacted {
		t.Errorf("the document cannot be read: %v", err)
	}
	rows, err := csv.NewReader(strings.NewReader(texts["csv"])).ReadAll()
	if err != nil || len(rows) != 1+len(p.Changes)+len(p.LeftOut)+len(p.Rejections) {
		t.Errorf("%d rows of CSV, %v", len(rows), err)
	}
}

// empty is what a format says without any row, in lower case: its own words.
func empty(t *testing.T, write func(io.Writer, *plan.Plan) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, &plan.Plan{}); err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(b.String())
}

// TestRedactedDiff: a diff of redacted accounts shows that something differs,
// and not what.
func TestRedactedDiff(t *testing.T) {
	mask := redact.New([]byte("key"), "example.com")
	ann := person(1, "asmith", "Ann Smith", "Sales", "ann@example.com", "a@example.com")
	married := but(ann, func(a *identity.Account) { a.Username = "ajones" })
	var b strings.Builder
	if err := AccountsDiff(&b, "old", "new", []identity.Account{*plan.RedactAccount(ann, mask)}, []identity.Account{*plan.RedactAccount(married, mask)}, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-username: " + mask.Name("asmith") + "\n", "+username: " + mask.Name("ajones") + "\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if lower := strings.ToLower(b.String()); slices.ContainsFunc([]string{"ann", "smith", "sales", "jones"}, func(s string) bool { return strings.Contains(lower, s) }) {
		t.Error(lower)
	}
}

package plan_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

// secrets are the texts of a plan that a redacted one must not have, in lower
// case. What is also a label of the configuration stays there.
func secrets(p *plan.Plan) map[string]bool {
	all := map[string]bool{}
	add := func(texts ...string) {
		for _, text := range texts {
			if len(text) > 3 {
				all[strings.ToLower(text)] = true
			}
		}
	}
	dn := func(s string) {
		for part := range strings.SplitSeq(s, ",") {
			_, value, _ := strings.Cut(part, "=")
			add(value)
		}
	}
	for i := range p.Accounts {
		for _, a := range []*identity.Account{p.Accounts[i].Before, p.Accounts[i].After, p.Accounts[i].Kept} {
			if a == nil {
				continue
			}
			add(a.Primary.Local(), a.Username, a.GUID.String())
			for _, x := range a.Aliases {
				add(x.Local())
			}
			for _, attr := range a.Attributes {
				add(attr.Value)
			}
			dn(a.DN)
		}
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		local, _, _ := strings.Cut(r.Address, "@")
		add(local, r.GUID.String())
		dn(r.DN)
	}
	for i := range p.LeftOut {
		row := p.LeftOut[i].Row()
		add(row.GUID, row.Username, row.NewUsername, row.OriginalUsername)
		dn(row.DN)
	}
	for _, label := range []string{"staff", "corp", "example"} {
		delete(all, label)
	}
	return all
}

// TestRedact: the document of a redacted plan has the rows of the plan and none
// of its secrets; it can be read again, and redacting it again changes nothing.
func TestRedact(t *testing.T) {
	for name, p := range map[string]*plan.Plan{"whole": corpusPlan(t, 600), "part": corpusPlan(t, 600, "inactive", "primary_change")} {
		t.Run(name, func(t *testing.T) {
			p.Warnings = append(p.Warnings, p.Accounts[0].After.Primary.String()+" is told of")
			before := written(t, p)
			mask := redact.New([]byte("key"), "example.com")
			masked := p.Redact(mask)
			if !bytes.Equal(before, written(t, p)) {
				t.Error("the plan itself has changed")
			}
			text := written(t, masked)
			lower := strings.ToLower(string(text))
			for secret := range secrets(p) {
				if strings.Contains(lower, secret) {
					t.Errorf("%q is in the document", secret)
				}
			}
			if diff := cmp.Diff(p.Summary(), masked.Summary()); diff != "" {
				t.Errorf("the rows are others (-before +masked):\n%s", diff)
			}
			read, err := plan.ReadJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if again := written(t, read); !read.Redacted || read.Lineage != "" || !bytes.Equal(again, text) {
				t.Errorf("read again, it is another:\n%s", cmp.Diff(string(text), string(again)))
			}
			if again := written(t, read.Redact(mask)); !bytes.Equal(again, text) {
				t.Errorf("redacted again, it is another:\n%s", cmp.Diff(string(text), string(again)))
			}
			unmarked := bytes.Replace(text, []byte(`"redacted": true`), []byte(`"redacted": false`), 1)
			if _, err := plan.ReadJSON(bytes.NewReader(unmarked)); err == nil || !strings.Contains(err.Error(), "checksum") {
				t.Errorf("a redacted plan whose mark was taken off is read: %v", err)
			}
		})
	}
}

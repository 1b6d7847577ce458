package plan_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
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
			p.Warnings = append(p.Warnings, p.Accounts[0].After.Primary.String()+" is mentioned")
			p.Directories[1].Full = "container OU=Takeover Team,DC=example was changed"
			before := written(t, p)
			mask := redact.New([]byte("key"), "example.com")
			masked := p.Redact(mask)
			if !bytes.Equal(before, written(t, p)) {
				t.Error("the plan itself has changed")
			}
			text := written(t, masked)
			lower := strings.ToLower(string(text))
			if strings.Contains(lower, "takeover team") {
				t.Error("why everything was read is in the document")
			}
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

// TestRedactedCounts: masks neither hide a row nor make one, of a plan or of the
// difference of two, whatever the letter case and the spelling of values.
func TestRedactedCounts(t *testing.T) {
	names := []string{"ann@example.com", "Ann@Example.com", "ann", "Ann", "ANN@example.com", "unknown@example.biz", "n-0123456789ab"}
	counts := func(d *plan.Difference) (all []plan.Tally) {
		categories, reasons := d.Categories(), d.Reasons()
		return append(categories[:], reasons[:]...)
	}
	for n := range uint64(3000) {
		in := generate(7, n)
		rng := rand.New(rand.NewPCG(7, n))
		name := func(s *string) {
			if *s != "" && rng.IntN(2) == 0 {
				*s = names[rng.IntN(len(names))]
			}
		}
		for i := range in.Accounts {
			a := &in.Accounts[i]
			a.Attributes = slices.Clone(a.Attributes)
			name(&a.Username)
			for j := range a.Attributes {
				name(&a.Attributes[j].Value)
			}
			if a.DN != "" && rng.IntN(4) == 0 {
				a.DN = "cn=" + names[rng.IntN(len(names))] + ",dc=x"
			}
		}
		for i := range in.Entries {
			if e := &in.Entries[i]; rng.IntN(4) == 0 && !e.GUID.IsZero() {
				name(&e.Username)
			}
		}
		in.Entries = consistent(in)
		p, err := plan.Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Rules.Limits, in.Rules.Holds = bounded(1, 100), nil
		other, err := plan.Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		mask := redact.New([]byte("key"), "example.com")
		masked, maskedOther := p.Redact(mask), other.Redact(mask)
		if diff := cmp.Diff(p.Summary(), masked.Summary()); diff != "" {
			t.Fatalf("input %d: the rows are others (-before +masked):\n%s", n, diff)
		}
		if diff := cmp.Diff(counts(plan.Compare(p, other)), counts(plan.Compare(masked, maskedOther))); diff != "" {
			t.Fatalf("input %d: the difference is another (-before +masked):\n%s", n, diff)
		}
	}
}

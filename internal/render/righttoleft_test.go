package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestRightToLeft: in groups and in rows, each value that is read from right to left
// keeps its order to itself, so that before stands before after.
func TestRightToLeft(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{}
	for n := range 11 {
		before := &identity.Account{
			Primary: identity.MustAddress(fmt.Sprintf("p%d@example.com", n)), Directory: "corp",
			Attributes: []identity.Attribute{{Name: "department", Value: "שיווק"}, {Name: "display_name", Value: "דנה לוי"}},
		}
		after := *before
		after.Attributes = []identity.Attribute{{Name: "department", Value: "الدعم"}, before.Attributes[1]}
		if n == 0 {
			after.Attributes[1].Value = "مها"
		}
		p.Accounts = append(p.Accounts, plan.AccountChange{Before: before, After: &after})
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	var text, page bytes.Buffer
	if err := Text(&text, p, TextOptions{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, p, Advice{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ format, text, want string }{
		{"text", text.String(), "~ 11 accounts  department: \u2068שיווק\u2069 -> \u2068الدعم\u2069\n"},
		{"text", text.String(), "display_name  \u2068דנה לוי\u2069 -> \u2068مها\u2069  corp\n"},
		{"Markdown", commentOf(t, p, Advice{}), "- **11 accounts** department: \u2068שיווק\u2069 → \u2068الدعم\u2069\n"},
		{"Markdown", commentOf(t, p, Advice{}), `| display\_name | ` + "\u2068דנה לוי\u2069 → \u2068مها\u2069 | corp |\n"},
		{"HTML", page.String(), "<strong>11 accounts</strong> <bdi>department</bdi>: <bdi>שיווק</bdi> -&gt; <bdi>الدعم</bdi>"},
		{"HTML", page.String(), `"parts": ["11 accounts ","department",": ","שיווק"," -\u003e ","الدعم"]`},
	} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("%s does not have %q:\n%.3000s", c.format, c.want, c.text)
		}
	}
}

// TestRightToLeftSentence: in a sentence, a value keeps its order to itself as a whole,
// without the punctuation behind it, also where a line ends within it.
func TestRightToLeftSentence(t *testing.T) {
	t.Parallel()
	const sentence = `a@example.com stays the primary of משה לוי. CN=משה לוי,OU=Staff and דנה כהן, מהא list "אבי".`
	for _, c := range []struct {
		format string
		width  int
		want   string
	}{
		{"text", 0, "a@example.com stays the primary of \u2068משה לוי\u2069. \u2068CN=משה לוי,OU=Staff\u2069 and \u2068דנה כהן\u2069, \u2068מהא\u2069 list \"\u2068אבי\u2069\".\n"},
		{"text", 38, "a@example.com stays the primary of \u2068משה\u2069\n\u2068לוי\u2069. \u2068CN=משה לוי,OU=Staff\u2069 and \u2068דנה כהן\u2069,\n\u2068מהא\u2069 list \"\u2068אבי\u2069\".\n"},
		{"Markdown", 0, "`a@example.com` stays the primary of \u2068משה לוי\u2069. \u2068CN=משה לוי,OU=Staff\u2069 and \u2068דנה כהן\u2069, \u2068מהא\u2069 list \"\u2068אבי\u2069\"."},
	} {
		got := remark(sentence)
		if c.format == "text" {
			var out bytes.Buffer
			o := newPage(&out, c.width, false)
			o.prose(0, "", plain, sentence)
			if err := o.flush(); err != nil {
				t.Fatal(err)
			}
			got = out.String()
		}
		if got != c.want {
			t.Errorf("%s at %d:\n%q, want\n%q", c.format, c.width, got, c.want)
		}
	}
}

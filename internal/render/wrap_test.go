package render

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	const failed = "no server could be read\n  ldaps://dc1: nothing listens at 192.0.2.1:636\n  ldaps://dc2: DNS knows no address of it"
	for _, c := range []struct {
		story, text string
		label       int
		width       int
		want        string
	}{
		{"no terminal", failed, 7, 0, failed},
		{"wide enough", failed, 7, 80, failed},
		{"narrow", failed, 7, 30, "no server could be read\n  ldaps://dc1: nothing listens\n  at 192.0.2.1:636\n  ldaps://dc2: DNS knows no\n  address of it"},
		{"behind a label", "set ca_file to the certificate", 6, 20, "set ca_file to\nthe certificate"},
		{"below the text", "set ca_file to the certificate", 6, 26, "set ca_file to the\n      certificate"},
		{"to the last cell", "1234 6789", 6, 15, "1234 6789"},
		{"one cell too many", "1234 67890", 6, 15, "1234\n67890"},
		{"wide letters", "中文 中文", 6, 14, "中文\n中文"},
		{"a word that fits nowhere", "a ldaps://dc1.corp.example.com b", 2, 10, "a\nldaps://dc1.corp.example.com\nb"},
		{"as prose", strings.Repeat("word ", 30), 6, 200, strings.TrimSuffix(strings.Repeat("word ", 19), " ") + "\n      " + strings.Repeat("word ", 11)},
		{"from right to left", "no דנה כהן, but משה לוי.", 0, 20, "no \u2068דנה כהן\u2069, but \u2068משה\u2069\n\u2068לוי\u2069."},
		{"blanks stay", "a  b", 6, 80, "a  b"},
		{"nothing", "", 6, 80, ""},
	} {
		if got := Wrap(c.text, c.label, c.width); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.story, got, c.want)
		}
	}
}

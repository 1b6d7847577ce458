package ldif

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestLdapsearch reads what the real ldapsearch writes: complete in every mode,
// with pages or without, and cut.
func TestLdapsearch(t *testing.T) {
	program := servertest.Need(t, "ldapsearch", "ldap-utils")
	var people strings.Builder
	for n := range 7 {
		fmt.Fprintf(&people, "dn: uid=u%d,%s\nobjectClass: inetOrgPerson\nuid: u%d\ncn: u\nsn: u\nmail: u%d@example.com\nmail;lang-de: de%d@example.com\n\n", n, servertest.Base, n, n, n)
	}
	s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(people.String())})
	scope := directory.Scope{PrimaryAttribute: "mail", UsernameAttribute: "uid", Type: directory.Auto}
	export := func(args ...string) string {
		args = append([]string{"-x", "-H", s.URL, "-D", s.Admin, "-w", servertest.Password, "-b", servertest.Base}, args...)
		out, err := exec.Command(program, args...).Output()
		if err != nil && len(out) == 0 {
			t.Fatal(err)
		}
		return string(out)
	}
	for _, c := range []struct {
		story, text string
		fails       string
	}{
		{"in one answer", export("(mail=*)"), ""},
		{"in pages", export("-E", "pr=3/noprompt", "(mail=*)"), ""},
		{"in as many pages as entries", export("-E", "pr=1/noprompt", "(mail=*)"), ""},
		{"without comments", export("-LLL", "(mail=*)"), ""},
		{"two halves", export("(|(uid=u0)(uid=u1)(uid=u2))") + export("-E", "pr=2/noprompt", "(|(uid=u3)(uid=u4)(uid=u5)(uid=u6))"), ""},
		{"one of nothing behind it", export("(mail=*)") + export("(mail=nobody)"), ""},
		{"the size limit", export("-z", "3", "(mail=*)"), "Size limit exceeded"},
		{"entries that are lost", without(export("-E", "pr=3/noprompt", "(mail=*)"), "u3"), "the search returned 7 entries, but the file holds 6"},
	} {
		path := filepath.Join(t.TempDir(), "x.ldif")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		scopes := []directory.Scope{scope}
		collector := directory.NewCollector(scopes)
		_, err := New("corp", []string{path}).Read(context.Background(), scopes, collector, nil)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", c.story, err)
			}
			continue
		}
		entries := collector.Entries()
		if err != nil || len(entries) != 7 {
			t.Errorf("%s: %d entries, %v\n%s", c.story, len(entries), err, c.text)
		}
		for _, e := range entries {
			if fmt.Sprint(e.Primaries, e.Aliases) != fmt.Sprintf("[%s@example.com] [de%s@example.com]", e.Username, e.Username[1:]) {
				t.Errorf("%s: %+v", c.story, e)
			}
		}
	}
}

// without cuts the record of a user out of an export.
func without(text, uid string) string {
	start := strings.Index(text, "dn: uid="+uid+",")
	end := start + strings.Index(text[start:], "\n\n") + 2
	return text[:start] + text[end:]
}

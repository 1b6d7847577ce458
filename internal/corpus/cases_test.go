package corpus

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var identifying = regexp.MustCompile(`(?m)^(objectGUID|sAMAccountName|mail|dn):.*$`)

// TestCases: a case is the same each time, and before anything happens every object
// has a name, username, GUID and address of its own.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, n := range []int{300, 2000} {
		again := Cases(n)
		for i, c := range Cases(n) {
			for _, files := range [][2]Files{{c.Before, again[i].Before}, {c.After, again[i].After}} {
				if !maps.EqualFunc(files[0], files[1], bytes.Equal) {
					t.Errorf("%s of %d people differs from time to time", c.Name, n)
				}
			}
			if bytes.Equal(c.Before["corp.ldif"], c.After["corp.ldif"]) && c.After["acquired.ldif"] == nil {
				t.Errorf("%s: nothing happens", c.Name)
			}
			for name, content := range c.Before {
				seen := make(map[string]bool)
				for _, line := range identifying.FindAllString(string(content), -1) {
					if seen[line] {
						t.Errorf("%s of %d people: %s has %q twice", c.Name, n, name, line)
					}
					seen[line] = true
				}
			}
		}
	}
}

// TestCasesStable: pages and golden files show what is made of these.
func TestCasesStable(t *testing.T) {
	t.Parallel()
	var got []string
	for _, c := range Cases(300) {
		for _, files := range []Files{c.Before, c.After} {
			h := sha256.New()
			for _, name := range slices.Sorted(maps.Keys(files)) {
				fmt.Fprintf(h, "%s\n%s", name, files[name])
			}
			got = append(got, fmt.Sprintf("%s %x", c.Name, h.Sum(nil)[:4]))
		}
	}
	want := []string{
		"week 7e446a58",
		"week 2643b64a",
		"migration bbb1512d",
		"migration cb4f3071",
		"broken-import bbb1512d",
		"broken-import 983ca142",
		"merger bbb1512d",
		"merger 6fe414d9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the cases have changed; refresh the golden files and pages made of them:\n%s", strings.Join(got, "\n"))
	}
}

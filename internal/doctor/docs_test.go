package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocs: docs/reference/doctor.md lists every status and every check, in order.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "## Checks")
	names := func(part string) []string {
		var list []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(part, -1) {
			list = append(list, m[1])
		}
		return list
	}
	if got := names(rest); !slices.Equal(got, Names) {
		t.Errorf("the page has the checks %v, the code %v", got, Names)
	}
	var statuses []string
	for _, s := range Statuses {
		statuses = append(statuses, string(s))
	}
	if got := names(first); !slices.Equal(got, statuses) {
		t.Errorf("the page has the statuses %v, the code %v", got, statuses)
	}
}

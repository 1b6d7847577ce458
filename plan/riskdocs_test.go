package plan

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRiskDocs: docs/reference/risk.md lists every code in order, every role and every
// type of shared mailbox.
func TestRiskDocs(t *testing.T) {
	raw, err := os.ReadFile("../docs/reference/risk.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(title string) string {
		_, text, found := strings.Cut(string(raw), "\n## "+title+"\n")
		if !found {
			t.Fatalf("no section %q", title)
		}
		text, _, _ = strings.Cut(text, "\n## ")
		return text
	}
	var codes []RiskCode
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section("Codes"), -1) {
		codes = append(codes, RiskCode(m[1]))
	}
	if !slices.Equal(codes, riskOrder) {
		t.Errorf("codes %q, want %q", codes, riskOrder)
	}
	listed := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(section("Roles"), -1)
	for _, m := range listed {
		if !slices.Contains(DefaultRoles, m[1]) {
			t.Errorf("%s is no role", m[1])
		}
	}
	if len(listed) != len(DefaultRoles) {
		t.Errorf("%d roles are listed, of %d", len(listed), len(DefaultRoles))
	}
	var types []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+), (\d+) \|`).FindAllStringSubmatch(section("Shared mailboxes"), -1) {
		types = append(types, m[1:]...)
	}
	slices.Sort(types)
	if want := slices.Sorted(slices.Values(sharedTypes)); !slices.Equal(types, want) {
		t.Errorf("types %q, want %q", types, want)
	}
}

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/plan"
)

func TestRiskBlock(t *testing.T) {
	load := func(block string) (*Config, string) {
		t.Helper()
		dir := t.TempDir()
		err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), []byte(`directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
domain "example.com" {
}
scope "staff" {
  directory = directory.corp
}
`+block), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		cfg, diags := Load(dir, time.Now(), testKinds)
		if diags.HasErrors() {
			var b strings.Builder
			_ = diags.Write(&b, false)
			return nil, b.String()
		}
		return cfg, ""
	}
	cfg, failed := load("risk {\n  medium_percent = 2\n  high_percent   = 20\n  roles = [\"Invoices\", \"abuse\"]\n}\n")
	if failed != "" {
		t.Fatal(failed)
	}
	want := plan.RiskRules{MediumPercent: 2, HighPercent: 20, Roles: []string{"invoices", "abuse"}}
	if got := cfg.Rules.Risk; got.MediumPercent != want.MediumPercent || got.HighPercent != want.HighPercent || !slices.Equal(got.Roles, want.Roles) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for block, want := range map[string]string{
		"risk {\n  medium_percent = 6\n}\n":                   "medium_percent is 6, and high_percent is 5",
		"risk {\n  high_percent = 101\n}\n":                   "high_percent",
		"risk {\n  roles = [\"postmaster@example.com\"]\n}\n": "is not a role",
		"risk {\n  percent = 3\n}\n":                          "percent",
		"risk {\n}\nrisk {\n}\n":                              "risk",
	} {
		if _, failed := load(block); !strings.Contains(failed, want) {
			t.Errorf("%s: got %q, want %q", block, failed, want)
		}
	}
}

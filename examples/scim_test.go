package examples

import (
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestSCIM walks through the README of the example: doctor, a plan, an apply, and
// nothing left to do.
func TestSCIM(t *testing.T) {
	s := servertest.NewScimmy(t)
	t.Setenv("SCIM_URL", s.URL)
	t.Setenv("SCIM_TOKEN", s.Token)
	t.Setenv("SSL_CERT_FILE", s.CA.File)
	run := program(t)
	dir := copied(t, "scim")
	for _, step := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"validate"}, 0, "the configuration is valid"},
		{[]string{"fmt", "--check"}, 0, ""},
		{[]string{"doctor"}, 0, "the credentials may write"},
		{[]string{"console", "accounts"}, 0, ""},
		{[]string{"plan", "--detailed-exitcode"}, 2, "ann@example.com"},
		{[]string{"apply", "--auto-approve", "--canary", "5"}, 0, ""},
		{[]string{"plan", "--detailed-exitcode"}, 0, "2 owned"},
	} {
		out, code := run(dir, step.args...)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("rollcall %v exits %d, not %d, or does not say %q\n%s", step.args, code, step.code, step.says, out)
		}
	}
	if out, _ := run(dir, "console", "accounts", "-o", "json"); !strings.Contains(out, `"title":"Head of Sales"`) {
		t.Errorf("the accounts are %s", out)
	}
}

package sql

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/suite"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// opening is how a configuration opens a console.
func opening(owner string, set map[string]any) console.Opening {
	return console.Opening{Label: "mail", Settings: Kind.Values("mail", ".", set), Owner: owner, Timeout: 10 * time.Second}
}

// postfixadmin are settings of the profile.
func postfixadmin(url string) map[string]any {
	return map[string]any{"url": settings.NewSecret(url), "profile": profilePostfixAdmin}
}

// setUp makes the table of owners.
func setUp(t *testing.T, set map[string]any) {
	t.Helper()
	s, err := Kind.Setup(t.Context(), opening("hq", set))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Script, "CREATE TABLE rollcall_owner") {
		t.Fatalf("the script is %q", s.Script)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err = Kind.Setup(t.Context(), opening("hq", set)); err != nil || s.Script != "" {
		t.Fatalf("after it was made: %q, %v", s.Script, err)
	}
}

// conform runs the suite, in which the checks that are named do not apply.
func conform(t *testing.T, set map[string]any, skipped string) {
	t.Helper()
	many := 200
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		many = 10_000
	}
	subject := suite.Subject{Owner: "hq", Domain: "example.com", Many: many, Open: func(ctx context.Context, owner string) (console.Target, error) {
		return Kind.Open(ctx, opening(owner, set))
	}}
	const connectors = "hello unknown_type unknown_fields absent_and_null lines cancel bye end_of_input killed throttled"
	suite.Hold(t.Context(), t, subject, strings.TrimSpace(skipped+" "+connectors))
}

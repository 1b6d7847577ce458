//go:build unix

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
)

// TestConsoleSetup: what a console needs is shown and asked about; until somebody says
// yes, nothing is made, and afterwards there is nothing to do.
func TestConsoleSetup(t *testing.T) {
	t.Parallel()
	w := worlds.PostfixAdminPostgres.Serve(t)(t)
	k := &kindSite{World: w, t: t, kind: "sql", dir: t.TempDir()}
	k.configure(w.Block)
	k.directory()
	in := func(answer string, terminal bool, args ...string) (out, talk string, code exitCode) {
		return at(context.Background(), strings.NewReader(answer), terminal, append([]string{"-C", k.dir}, args...)...)
	}
	missing := func(when string) {
		t.Helper()
		if _, talk, code := in("", false, "plan"); code != exitUnreachable || !strings.Contains(talk, "hint: run rollcall console setup") {
			t.Errorf("%s: exit %d, %s", when, code, talk)
		}
	}
	missing("before")
	const script = "CREATE TABLE rollcall_owner ("
	for _, c := range []struct {
		answer   string
		terminal bool
		args     []string
		code     exitCode
		told     string
	}{
		{"", false, nil, exitFailed, "give --auto-approve"},
		{"y\n", true, nil, exitDeclined, "nothing was changed"},
		{"", true, nil, exitDeclined, "nothing was changed"},
	} {
		out, talk, code := in(c.answer, c.terminal, append([]string{"console", "setup"}, c.args...)...)
		if code != c.code || !strings.HasPrefix(out, script) || !strings.Contains(talk, c.told) {
			t.Errorf("answered %q: exit %d, %s%s", c.answer, code, out, talk)
		}
		missing("not approved")
	}
	k.configure(w.ReadOnly)
	if _, talk, code := in("yes\n", true, "console", "setup"); code != exitUnreachable || !strings.Contains(talk, "grant the right") {
		t.Errorf("who may not make tables: exit %d, %s", code, talk)
	}
	k.configure(w.Block)
	out, talk, code := in("yes\n", true, "console", "setup")
	if code != exitOK || !strings.HasPrefix(out, script) || !strings.Contains(talk, `Run this in console "target"?`) || !strings.Contains(talk, "has what it needs now") {
		t.Errorf("approved: exit %d, %s%s", code, out, talk)
	}
	if out, talk, code := in("", false, "console", "setup"); code != exitOK || out != "" || !strings.Contains(talk, "nothing to do") {
		t.Errorf("again: exit %d, %s%s", code, out, talk)
	}
	if _, talk, code := in("", false, "plan"); code != exitOK {
		t.Errorf("afterwards: exit %d, %s", code, talk)
	}
}

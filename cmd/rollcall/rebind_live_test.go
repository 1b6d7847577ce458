package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestRebindLive: servers are asked whether they have the GUID that an account is
// to get, and an answer that fails is none.
func TestRebindLive(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T) (kind, url, ca, reader string){
		"OpenLDAP": func(t *testing.T) (kind, url, ca, reader string) {
			d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(3)})
			return "ldap", d.LDAPS, d.CA.File, d.Reader
		},
		"Stub": func(t *testing.T) (kind, url, ca, reader string) {
			d := servertest.NewStub(t, servertest.StubOptions{})
			for n := range 3 {
				d.Put(servertest.Person(n))
			}
			return "active_directory", d.LDAPS, d.CA.File, "svc@corp.example.com"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, url, ca, reader := begin(t)
			s := newSite(t, servertest.Password, servertest.Base).serve(kind, url, ca, reader)
			s.apply()
			var account struct{ GUID string }
			if err := json.Unmarshal([]byte(s.ok("state", "show", "person1@example.com", "-o", "json")), &account); err != nil || account.GUID == "" {
				t.Fatal(account, err)
			}
			s.ok("state", "release", "person1@example.com")
			rebind := func(want exitCode, words, guid string, flags ...string) {
				t.Helper()
				out, talk, code := s.run(t.Context(), append([]string{"state", "rebind", "person1@example.com", guid}, flags...)...)
				if code != want || !strings.Contains(out+talk, words) {
					t.Errorf("exit %d, not %d; no %q in\n%s%s", code, want, words, out, talk)
				}
			}
			const nobody = "00000000-1111-4222-8333-000000000099"
			rebind(exitFailed, `directory "corp" has no object with GUID `+nobody, nobody)
			if name != "Stub" { // which lets everybody in
				s.setPassword("wrong " + servertest.Password)
				rebind(exitRefused, "or give --unchecked", account.GUID)
				s.setPassword(servertest.Password)
			}
			s.serve(kind, "ldaps://127.0.0.1:1", ca, reader)
			rebind(exitUnreachable, "or give --unchecked", account.GUID)
			s.serve(kind, url, ca, reader)
			rebind(exitOK, "the owner is now GUID "+account.GUID+` of directory "corp"`, account.GUID)
			s.settled("bound again")
		})
	}
}

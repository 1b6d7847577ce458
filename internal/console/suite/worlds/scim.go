package worlds

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// Scimmy is a SCIM 2.0 server. Each console has one of its own.
var Scimmy = &Subject{Name: "scimmy", Kind: "scim", Serve: func(t *testing.T) func(t *testing.T) *World {
	return func(t *testing.T) *World {
		s := servertest.NewScimmy(t)
		h := &scimmy{t, s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA.Pool()}}}}
		t.Cleanup(h.http.CloseIdleConnections)
		block := func(token, more string) string {
			return fmt.Sprintf("  url   = %q\n  token = %q\n%s", s.URL, token, more)
		}
		trust := fmt.Sprintf("  ca_file = %q\n", s.CA.File)
		return &World{
			Block: block(s.Token, trust), Refused: block("wrong-token", trust), Untrusted: block(s.Token, ""), ReadOnly: block(s.Reader, trust),
			Add: h.add, SetAliases: h.setAliases, Remove: h.remove, Client: curlPages(s), Stop: s.Kill, Start: s.Start,
		}
	}
}}

// curlPages reads all users in pages of 200, which is what scimmy gives at most.
func curlPages(s *servertest.Scimmy) []string {
	const script = `c="curl -sSf --cacert $1 -H Authorization:\ Bearer\ $2"
n=$(eval "$c '$3/Users?count=1'" | jq .totalResults)
eval "$c -o /dev/null '$3/Users?count=200&startIndex=[1-$n:200]'"`
	return []string{"sh", "-c", script, "sh", s.CA.File, s.Token, s.URL}
}

// scimmy is its admin.
type scimmy struct {
	t      *testing.T
	server *servertest.Scimmy
	http   *http.Client
}

// ask makes a request, which has to be answered well.
func (s *scimmy) ask(method, path string, body any) []byte {
	s.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.server.Token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, said, err)
	}
	return said
}

// emails are those of an account.
func emails(primary string, aliases []string) []any {
	all := []any{map[string]any{"value": primary, "type": "work", "primary": true}}
	for _, x := range aliases {
		all = append(all, map[string]any{"value": x, "type": "other"})
	}
	return all
}

func (s *scimmy) add(primary string, aliases ...string) {
	s.t.Helper()
	s.ask("POST", "/Users", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": primary, "emails": emails(primary, aliases),
	})
}

// path is that of the account with a primary.
func (s *scimmy) path(primary string) string {
	s.t.Helper()
	var list struct {
		Resources []struct{ ID, UserName string }
	}
	if err := json.Unmarshal(s.ask("GET", "/Users?count=100000", nil), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, u := range list.Resources {
		if strings.EqualFold(u.UserName, primary) {
			return "/Users/" + u.ID
		}
	}
	s.t.Fatalf("there is no account %s", primary)
	return ""
}

func (s *scimmy) setAliases(primary string, aliases ...string) {
	s.t.Helper()
	s.ask("PATCH", s.path(primary), map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "replace", "path": "emails", "value": emails(primary, aliases)}},
	})
}

func (s *scimmy) remove(primary string) {
	s.t.Helper()
	s.ask("DELETE", s.path(primary), nil)
}

package scim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// TestSettings: what is wrong with a block is reported with its line.
func TestSettings(t *testing.T) {
	for _, c := range []struct{ block, want string }{
		{"url = \"https://idp.example.com/scim/v2\"\ntoken = \"x\"", ""},
		{"url = \"http://127.0.0.1:8080\"\nbasic {\n username = \"a\"\n password = \"b\"\n}", ""},
		{"url = \"https://idp.example.com/\"\noauth {\n token_url = \"https://idp.example.com/token\"\n client_id = \"a\"\n client_secret = \"b\"\n scope = \"scim\"\n}\nca_file = \"ca.pem\"\nsettles_within = \"5s\"", ""},
		{"url = \"https://idp.example.com\"", "1: there is no way to log in"},
		{"url = \"https://idp.example.com\"\ntoken = \"x\"\nbasic {\n username = \"a\"\n password = \"b\"\n}", "6: there is more than one way to log in: token and basic"},
		{"url = \"https://idp.example.com\"\ntoken = \"\"", "5: \"token\" is empty"},
		{"url = \"https://idp.example.com\"\ntoken = \"x\\n\"", "5: \"token\" has a line feed"},
		{"url = \"http://idp.example.com\"\ntoken = \"x\"", "4: \"http://idp.example.com\" is not encrypted"},
		{"url = \"https://me:pw@idp.example.com\"\ntoken = \"x\"", "4: the URL has a user in it"},
		{"url = \"https://idp.example.com?x=1\"\ntoken = \"x\"", "4: \"https://idp.example.com?x=1\" has more than a path"},
		{"url = \"idp.example.com\"\ntoken = \"x\"", "4: \"idp.example.com\" is not a URL"},
		{"url = \"ftp://idp.example.com\"\ntoken = \"x\"", "4: \"ftp://idp.example.com\" does not begin with https://"},
		{"url = \"https://idp.example.com\"\ntoken = \"x\"\nclient_key = \"k\"", "6: client_key needs client_cert"},
		{"url = \"https://idp.example.com\"\ntoken = \"x\"\nsettles_within = \"2h\"", "6: settles_within is longer than an hour"},
		{"url = \"https://idp.example.com\"\nbasic {\n username = \"a:b\"\n password = \"b\"\n}", "6: \"a:b\" has a colon"},
		{"url = \"https://idp.example.com\"\noauth {\n token_url = \"https://idp.example.com/t\"\n client_id = \"a\"\n}", "5: the oauth block lacks the attribute \"client_secret\""},
	} {
		text := fmt.Sprintf("console \"saas\" {\nkind = \"scim\"\nowner = \"hq\"\n%s\n}\n", c.block)
		_, diags := config.Check(t.TempDir(), "rollcall.hcl", []byte(text), time.Now(), config.Kinds{Consoles: []settings.Kind{Kind.Kind}})
		var found []string
		for _, d := range diags {
			if d.Severity == config.Warning || d.Range.Start.Line == 0 {
				continue // secrets in the file, and that there is nothing else in it
			}
			found = append(found, fmt.Sprintf("%d: %s", d.Range.Start.Line, d.Summary))
			if d.Hint == "" {
				t.Errorf("%s has no hint", d.Summary)
			}
		}
		got := strings.Join(found, "\n")
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\n%s\nwant %s", text, got, c.want)
		}
	}
}

// TestWhere: where a console is has no secret in it.
func TestWhere(t *testing.T) {
	v := Kind.Values("saas", ".", map[string]any{"url": "https://idp.example.com/scim/v2/", "token": settings.NewSecret("s3cret")})
	if got := fmt.Sprint(Kind.Where(v)); got != "[https://idp.example.com/scim/v2]" {
		t.Error(got)
	}
}

// TestFiles: files that are of no use are named.
func TestFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{CAFile: "nowhere.pem"}, {CAFile: empty}, {ClientCert: empty, ClientKey: empty}} {
		o.Label, o.URL = "saas", "https://idp.example.com"
		_, err := New(o)
		var hint interface{ Hint() string }
		if err == nil || !errors.As(err, &hint) || hint.Hint() == "" || !strings.Contains(err.Error(), `console "saas": `) {
			t.Errorf("%v", err)
		}
	}
}

// TestBasic: a login by name and password.
func TestBasic(t *testing.T) {
	t.Parallel()
	s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:p:w")) {
			say(w, 401, "", "who?")
			return true
		}
		r.Header.Set("Authorization", "Bearer s3cret-token")
		return false
	}}).start(t)
	o := s.options()
	o.Token, o.Basic = settings.Secret{}, &Basic{"me", settings.NewSecret("p:w")}
	_ = opened(t, o)
}

// issuer is a token service.
type issuer struct {
	*httptest.Server
	asked int
	// refuses is an error that it answers with.
	refuses string
	seconds int
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{seconds: 3600}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked++
		id, secret, _ := r.BasicAuth()
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case i.refuses != "":
			w.WriteHeader(400)
			_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":"no"}`, i.refuses)
		case id != "me" || secret != "s3cret" || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("scope") != "scim":
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
		default:
			_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, i.asked, i.seconds)
		}
	}))
	t.Cleanup(i.Close)
	return i
}

// TestOAuth: a token is asked for once, again where the service takes it no more, and
// not again where it never took one, or where the secret is refused.
func TestOAuth(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	valid := "Bearer token-1"
	s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != valid {
			say(w, 401, "", "which token?")
			return true
		}
		r.Header.Set("Authorization", "Bearer s3cret-token")
		return false
	}}).start(t, person("ann"))
	o := s.options()
	o.Token, o.OAuth = settings.Secret{}, &OAuth{i.URL, "me", settings.NewSecret("s3cret"), "scim"}
	c := opened(t, o)
	_ = accounts(t, c)
	if i.asked != 1 {
		t.Errorf("asked %d times for a token", i.asked)
	}
	valid = "Bearer token-2" // it has expired before its time
	_ = accounts(t, c)
	if i.asked != 2 {
		t.Errorf("asked %d times for a token", i.asked)
	}
	valid = "none"
	_, err := c.Get(t.Context(), []string{"u-1"}, nil)
	if !errors.As(err, new(*console.RefusedError)) || i.asked != 3 {
		t.Errorf("%v, asked %d times", err, i.asked)
	}
	for _, refuses := range []string{"invalid_client", "unauthorized_client", ""} {
		i.refuses, i.asked = refuses, 0
		o.OAuth = &OAuth{i.URL, "me", settings.NewSecret("wr0ng"), "scim"}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.open(t.Context())
		if !errors.As(err, new(*console.RefusedError)) || i.asked != 1 || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v, asked %d times", refuses, err, i.asked)
		}
	}
	i.refuses = "invalid_scope"
	k, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.open(t.Context()); !errors.As(err, new(*console.ReadError)) || !strings.Contains(err.Error(), "invalid_scope") {
		t.Error(err)
	}
	i.Close()
	if k, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := k.open(t.Context()); !errors.As(err, new(*console.ReadError)) || !strings.Contains(err.Error(), "nothing listens") {
		t.Error(err)
	}
}

// TestClientCertificate: a service that asks for a certificate is shown it.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := servertest.NewCA(t)
	s := (&service{}).start(t)
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = quiet()
	server.TLS = ca.Demanding(t)
	server.StartTLS()
	defer server.Close()
	mine := ca.Issue(t, servertest.Leaf{CommonName: "rollcall"})
	o := s.options()
	o.URL, o.CAFile = server.URL, ca.File
	without, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := without.open(t.Context()); !errors.As(err, new(*console.ReadError)) {
		t.Errorf("without a certificate: %v", err)
	}
	o.ClientCert, o.ClientKey = mine.CertFile, mine.KeyFile
	c := opened(t, o)
	found, err := c.Check(t.Context())
	if err != nil || found[0].Check != "certificate" || found[0].Status != "ok" {
		t.Errorf("%+v, %v", found, err)
	}
	soon, _ := c.certificate(time.Now().AddDate(0, 11, 15))
	if soon.Status != "warning" {
		t.Errorf("%+v", soon)
	}
	o.URL = strings.Replace(o.URL, "127.0.0.1", "127.0.0.2", 1)
	elsewhere, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := elsewhere.open(t.Context()); err == nil {
		t.Error("127.0.0.2 was taken for 127.0.0.1")
	}
}

// TestSurvey: what init writes above a block.
func TestSurvey(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t, person("ann", ours), person("bob", `"externalId":"00u1"`), person("carl"))
	v := Kind.Values("scim", ".", map[string]any{"url": s.url, "token": settings.NewSecret("s3cret-token")})
	found, err := Kind.Survey(t.Context(), console.Opening{Label: "scim", Settings: v, Owner: "hq", Timeout: time.Minute}, func(string) bool { return true })
	want := []string{
		strings.TrimPrefix(s.url, "http://") + ": it changes users by PATCH, has no ETags, takes nothing in bulk, gives up to 100 users a page.",
		"It has 3 users: 1 marked by rollcall, 1 with an externalId of somebody else, which are left alone, and 1 with none.",
		"Scopes may read these attributes for it: display_name, family_name, formatted_name, given_name, locale, nick_name, preferred_language, timezone, title, user_type.",
	}
	if err != nil || !slices.Equal(found.Notes, want) || len(found.Settings) > 0 {
		t.Errorf("%q, %v", found.Notes, err)
	}
}

// TestStarter: the block that init begins with has one login, be it another one.
func TestStarter(t *testing.T) {
	for _, c := range []struct {
		given map[string]string
		want  string
	}{{nil, "\n  token = env(\"SCIM_TOKEN\")"}, {map[string]string{"basic.username": "me"}, "\n  # token = env(\"SCIM_TOKEN\")"}} {
		if got := config.ConsoleStarter(Kind.Kind, c.given, nil); !strings.Contains(got, c.want) {
			t.Errorf("%v: %s", c.given, got)
		}
	}
}

// TestOAuthConcurrently: of the requests whose token is refused at the same time, one
// gets another token for all.
func TestOAuthConcurrently(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.seconds = 0 // it does not say how long a token is good
	var used sync.Map
	s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		n, _ := used.LoadOrStore(r.Header.Get("Authorization"), new(atomic.Int32))
		if n.(*atomic.Int32).Add(1) > 20 {
			say(w, 401, "", "token expired")
			return true
		}
		time.Sleep(time.Millisecond)
		r.Header.Set("Authorization", "Bearer s3cret-token")
		return false
	}}).start(t, person("ann"))
	o := s.options()
	o.Token, o.OAuth = settings.Secret{}, &OAuth{i.URL, "me", settings.NewSecret("s3cret"), "scim"}
	c := opened(t, o)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 50 {
				if _, err := c.account(t.Context(), "u-1"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	// An expired token, and a client that is refused by now.
	c.login.(*credentials).token.Expiry = time.Now().Add(-time.Minute)
	i.refuses, i.asked = "invalid_client", 0
	if _, err := c.Get(t.Context(), []string{"u-1"}, nil); !errors.As(err, new(*console.RefusedError)) || i.asked != 1 {
		t.Errorf("%v, asked %d times", err, i.asked)
	}
}

// TestTokenServiceOfNoUse: a token service that answers something else is one that gives
// no token, and not one that cannot be reached.
func TestTokenServiceOfNoUse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"<html>log in</html>", "{}", ""} {
		s := (&service{on: func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(body))
			return true
		}}).start(t)
		o := s.options()
		o.Token, o.OAuth = settings.Secret{}, &OAuth{s.url, "me", settings.NewSecret("s3cret"), "scim"}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.open(t.Context())
		var read *console.ReadError
		if !errors.As(err, &read) || !strings.Contains(err.Error(), "gives no token: its answer has none in it") || !strings.Contains(read.Advice, "token_url") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// people are ten persons with an alias each, one of them with one more.
func people() string {
	var b strings.Builder
	b.WriteString("dn: OU=Staff," + servertest.Base + "\nobjectClass: organizationalUnit\nou: Staff\n")
	for n := range 10 {
		fmt.Fprintf(&b, "\ndn: CN=Person %[1]d,OU=Staff,%[2]s\nobjectClass: user\ncn: Person %[1]d\nsn: %[1]d\nsAMAccountName: person%[1]d\n"+
			"mail: person%[1]d@example.com\nproxyAddresses: SMTP:person%[1]d@example.com\nproxyAddresses: smtp:p%[1]d@example.net\n", n, servertest.Base)
	}
	b.WriteString("proxyAddresses: smtp:person@gmail.com\n")
	return b.String()
}

// TestInit: the configuration that init makes for a server reads it.
func TestInit(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_PASSWORD", servertest.Password)
	t.Setenv("ROLLCALL_TEST_WRONG", "wrong")
	for name, start := range map[string]func(t *testing.T) (flags []string, kind, base string){
		"OpenLDAP": func(t *testing.T) (flags []string, kind, base string) {
			s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(people())})
			return []string{"--url", s.LDAPS, "--bind-dn", s.Reader, "--ca-file", s.CA.File}, "ldap", strings.ToLower(servertest.Base)
		},
		"Samba": func(t *testing.T) (flags []string, kind, base string) {
			s := servertest.NewSamba(t, servertest.SambaOptions{LDIF: people()})
			return []string{"--url", s.URL, "--start-tls", "--bind-dn", s.Reader, "--ca-file", s.CA.File}, "active_directory", servertest.Base
		},
	} {
		t.Run(name, func(t *testing.T) {
			flags, kind, base := start(t)
			dir := filepath.Join(t.TempDir(), "new")
			rollcall := func(want exitCode, args ...string) (out, talk string) {
				t.Helper()
				out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
				if code != want {
					t.Fatalf("%v exits %d, not %d\n%s%s", args, code, want, out, talk)
				}
				return out, talk
			}
			rollcall(exitRefused, append([]string{"init", "--password-env", "ROLLCALL_TEST_WRONG"}, flags...)...)
			if _, err := os.Stat(dir); err == nil {
				t.Error("a refused login leaves something behind")
			}
			_, talk := rollcall(exitOK, append([]string{"init", "--password-env", "ROLLCALL_TEST_PASSWORD"}, flags...)...)
			if !strings.Contains(talk, "10 entries with addresses in 3 domains") {
				t.Errorf("said: %s", talk)
			}
			text, err := os.ReadFile(filepath.Join(dir, "rollcall.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{
				`= "` + kind + `"`, `base_dn   = "` + base + `"`, "# 10 addresses\ndomain \"example.com\" {", "# 10 addresses\ndomain \"example.net\" {",
				"# 1 address; a mail provider's\ndomain \"gmail.com\" {\n  public = true",
			} {
				if !strings.Contains(string(text), line) {
					t.Errorf("%s is not in\n%s", line, text)
				}
			}
			rollcall(exitOK, "validate")
			rollcall(exitOK, "fmt", "--check")
			out, _ := rollcall(exitOK, "plan", "-o", "json")
			var plan struct{ Summary map[string]int }
			if err := json.Unmarshal([]byte(out), &plan); err != nil {
				t.Fatal(err)
			}
			if plan.Summary["add"] != 20 || plan.Summary["rejection"] != 1 {
				t.Errorf("summary %v", plan.Summary)
			}
		})
	}
}

// TestInitWords: what goes wrong is reported in flags, for there is no file yet.
func TestInitWords(t *testing.T) {
	well, password := servertest.StubOptions{}, []string{"--bind-dn", "svc@corp.example.com"}
	inClear := servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.SigningRequired }}
	wrong := servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.LoginRefused("52e") }}
	limited := servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if a.PageSize > 0 {
			a.Result = servertest.Result{Code: 3}
		}
	}}
	t.Setenv("ROLLCALL_PASSWORD", servertest.Password)
	for name, c := range map[string]struct {
		stub        servertest.StubOptions
		plain, anon bool
		untrusted   bool
		code        exitCode
		err, hint   string
	}{
		"authority":      {stub: well, untrusted: true, code: exitUnreachable, err: "which is not trusted here", hint: "name with --ca-file the certificate of"},
		"signing":        {stub: inClear, plain: true, code: exitUnreachable, err: "accepts no password in clear", hint: "use ldaps://, or give --start-tls"},
		"wrong password": {stub: wrong, code: exitRefused, err: "the name or the password is wrong", hint: "check --password-env, and --bind-dn: a distinguished name"},
		"time limit":     {stub: limited, code: exitUnreachable, err: "search below", hint: "raise the limit for this account, or write the file without --url"},
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.NewStub(t, c.stub)
			s.Put(servertest.Person(1))
			url, flags := s.LDAPS, password
			if c.plain {
				url, flags = s.URL, append([]string{"--insecure"}, password...)
			}
			if !c.untrusted {
				flags = append([]string{"--ca-file", s.CA.File}, flags...)
			}
			dir := filepath.Join(t.TempDir(), "new")
			_, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir, "init", "--url", url}, flags...)...)
			told, hint, _ := strings.Cut(talk, "\nhint: ")
			if code != c.code || !strings.HasPrefix(told, "error: "+url+": ") || !strings.Contains(told, c.err) || !strings.HasPrefix(hint, c.hint) {
				t.Errorf("exit %d, %s", code, talk)
			}
			for _, word := range []string{"survey", `directory "`, "ca_file", "bind_", "start_tls", "urls", "base_dn"} {
				if strings.Contains(talk, word) {
					t.Errorf("%s speaks of %s", talk, word)
				}
			}
		})
	}
}

// TestInitEmpty: where a server shows nothing, nothing is made up.
func TestInitEmpty(t *testing.T) {
	s, dir := servertest.NewStub(t, servertest.StubOptions{}), t.TempDir()
	t.Setenv("ROLLCALL_PASSWORD", servertest.Password)
	_, talk, code := at(context.Background(), nil, false, "-C", dir, "init", "--url", s.LDAPS, "--ca-file", s.CA.File, "--bind-dn", "svc@corp.example.com")
	for _, line := range []string{
		"warning: the server showed no entry with an address: check the rights of the account\n",
		"warning: the file is not valid yet: the configuration declares no domain\n",
	} {
		if code != exitOK || !strings.Contains(talk, line) {
			t.Errorf("exit %d, %s lacks %s", code, talk, line)
		}
	}
	path := filepath.Join(dir, "rollcall.hcl")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "\n# domain \"example.com\" {\n# }\n") {
		t.Errorf("%v in\n%s", err, text)
	}
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "validate"); code != exitFailed || !strings.Contains(talk, "declares no domain") {
		t.Errorf("exit %d, %s", code, talk)
	}
}

// TestKerberos: a login by keytab or by a cache of tickets needs no password.
func TestKerberos(t *testing.T) {
	s := servertest.NewSamba(t, servertest.SambaOptions{LDIF: people(), Kerberos: true})
	keytab, cache := s.Keytab(t, "reader"), filepath.Join(t.TempDir(), "cache")
	kinit := exec.Command(servertest.Need(t, "kinit", "krb5-user"), "-k", "-t", keytab, "-c", cache, "reader@"+s.Realm)
	kinit.Env = append(os.Environ(), "KRB5_CONFIG="+s.Krb5Conf)
	if out, err := kinit.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, login := range map[string]string{
		"keytab": fmt.Sprintf("principal = %q\nkeytab = %q", "reader@"+s.Realm, keytab),
		"cache":  fmt.Sprintf("cache = %q", cache),
	} {
		dir := t.TempDir()
		text := fmt.Sprintf(`
directory "corp" {
  kind    = "active_directory"
  urls    = [%q]
  ca_file = %q

  kerberos {
    %s
    config  = %q
    service = "ldap/%s"
  }
}
domain "example.com" {}
scope "staff" { directory = directory.corp }
`, s.LDAPS, s.CA.File, login, s.Krb5Conf, s.Host)
		if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, talk, code := at(context.Background(), nil, false, "-C", dir, "plan")
		if code != exitOK || !strings.Contains(out, "person9@example.com") {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, talk)
		}
	}
}

package database

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/trust"
)

// kind is what has the settings of TLS.
var kind = settings.Kind{Settings: trust.Settings}

// TestPlace: a URL is read without its secrets, and TLS is verified everywhere but on
// this machine.
func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://u:p@db.example.com/mail":                            "postgres://db.example.com:5432/mail tls",
		"postgresql://u:p%40@127.0.0.1:6000/mail":                       "postgres://127.0.0.1:6000/mail",
		"mysql://u:p@[::1]/mail":                                        "mysql://[::1]:3306/mail",
		"mariadb://u@192.0.2.1/mail?sslmode=verify-full":                "mysql://192.0.2.1:3306/mail tls",
		"postgres://u@/mail?host=/run/postgresql":                       "postgres:/run/postgresql/mail",
		"mysql://u:p@/mail?host=/run/mysqld/mysqld.sock":                "mysql:/run/mysqld/mysqld.sock/mail",
		"postgres://u:hunter2@db/mail?sslmode=disable":                  "!after its ?",
		"mysql://u:hunter2@db/mail?tls=skip-verify":                     "!after its ?",
		"http://u:hunter2@db/mail":                                      "!neither with postgres:// nor with mysql://",
		"postgres://db/mail":                                            "!no user",
		"postgres://u:hunter2@db":                                       "!no database",
		"postgres://u:hunter2@db/":                                      "!no database",
		"postgres://u:hunter2@/mail":                                    "!no host",
		"postgres://u:hunter2%zz@db/mail":                               "!no URL",
		"postgres://u:hunter2@db/a/b":                                   "!no database",
		"host=db user=u password=hunter2":                               "!neither with",
		"postgres://u:hunter2@db/mail?host=/run/postgresql":             "!after its ?",
		"postgres://u:hunter2@db/mail?host=%zz":                         "!cannot be read",
		"postgres://u:hunter2@db:99999999999/mail?sslmode=verify-full%": "!cannot be read",
	} {
		p, err := Parse(text, Postgres, MySQL)
		if wrong, fails := strings.CutPrefix(want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		security, err := p.Security(kind.Values("mail", ".", nil))
		got := p.String()
		if security != nil {
			got += " tls"
			if security.InsecureSkipVerify || security.ServerName != p.Host {
				t.Errorf("%s: TLS is not verified", text)
			}
		}
		if err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, set := range []map[string]any{{"ca_file": noPEM}, {"client_cert": noPEM, "client_key": noPEM}} {
		if _, err := (&Place{Host: "db"}).Security(kind.Values("mail", ".", set)); err == nil {
			t.Errorf("%v is taken", set)
		}
	}
}

// FuzzURL: whatever stands in a URL, no error quotes it.
func FuzzURL(f *testing.F) {
	f.Add("postgres://u:hunter2@db.example.com:5432/mail?host=/run/x")
	f.Add("mysql://u:hunter2@[::1]/mail")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text, Postgres, MySQL)
		if err == nil && (p.Scheme == "" || p.Host == "" || p.User == "" || p.Database == "") {
			t.Errorf("%q is taken, and lacks something", text)
		}
		if err == nil && len(p.Password) > 8 && p.Password != p.User && !strings.Contains(p.Host+p.Database, p.Password) && strings.Contains(p.String(), p.Password) {
			t.Errorf("%q is shown as %s", text, p.String())
		}
	})
}

package ldap

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// TestOptions: what a block says is what is connected to. Its mistakes are reported in
// the tests of the package config.
func TestOptions(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_PASSWORD", "correct horse battery staple")
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	absolute := in("client.key")
	for block, want := range map[string]Options{
		`kind          = "active_directory"
  urls          = ["ldaps://DC1.corp.example.com", "LDAP://dc2.corp.example.com:389/", "ldaps://dc1.corp.example.com/"]
  bind_dn       = "CN=svc,DC=corp"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
  ca_file       = "corp-ca.pem"
  insecure      = true
  timeout       = "90s"
  page_size     = 500`: {
			ActiveDirectory: true, URLs: []string{"ldaps://dc1.corp.example.com", "ldap://dc2.corp.example.com:389"},
			BindDN: "CN=svc,DC=corp", CAFile: in("corp-ca.pem"), Timeout: 90 * time.Second, PageSize: 500,
		},
		`kind        = "active_directory"
  domain      = "Corp.example.com"
  site        = "Berlin"
  client_cert = "certs/client.pem"
  client_key  = "` + filepath.ToSlash(absolute) + `"
  start_tls   = true`: {
			ActiveDirectory: true, Domain: "corp.example.com", Site: "Berlin", ClientCert: in("certs/client.pem"), ClientKey: absolute,
			StartTLS: true, Timeout: time.Minute, PageSize: 1000,
		},
		`kind = "ldap"
  urls = ["ldaps://ldap.example.com"]
  kerberos {
    principal = "svc@EXAMPLE.COM"
    keytab    = "svc.keytab"
    config    = "krb5.conf"
    service   = "ldap/ldap.example.com"
  }`: {
			URLs: []string{"ldaps://ldap.example.com"}, Timeout: time.Minute, PageSize: 1000,
			Kerberos: &Kerberos{Principal: "svc@EXAMPLE.COM", Keytab: in("svc.keytab"), Config: in("krb5.conf"), Service: "ldap/ldap.example.com"},
		},
		`kind = "ldap"
  urls = ["ldaps://ldap.example.com"]
  kerberos {
    cache = "svc.cache"
  }`: {
			URLs: []string{"ldaps://ldap.example.com"}, Timeout: time.Minute, PageSize: 1000,
			Kerberos: &Kerberos{Cache: in("svc.cache"), Config: "/etc/krb5.conf"},
		},
	} {
		text := "directory \"corp\" {\n  " + block + "\n}\ndomain \"example.com\" {}\nscope \"staff\" { directory = directory.corp }\n"
		kinds := config.Kinds{Directories: []settings.Kind{ActiveDirectory.Kind, LDAP.Kind}}
		cfg, diags := config.Check(dir, "rollcall.hcl", []byte(text), time.Now(), kinds)
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		open := LDAP.Open
		if cfg.Directories[0].Kind == ActiveDirectory.Name {
			open = ActiveDirectory.Open
		}
		source, err := open(directory.Opening{Settings: cfg.Directories[0].Settings})
		if err != nil {
			t.Fatal(err)
		}
		got := source.(*Source).options
		if password := got.Password(); (password != "") != (want.BindDN != "") {
			t.Errorf("the password is %q", password)
		}
		want.Label, got.Password = "corp", nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

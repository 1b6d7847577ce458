package ldap

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/config"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// redHat is the krb5.conf that Red Hat Enterprise Linux 9 comes with.
const redHat = `# To opt out of the system crypto-policies configuration of krb5, remove the
# symlink at /etc/krb5.conf.d/crypto-policies which will not be recreated.
includedir krb5.conf.d/

[logging]
    default = FILE:/var/log/krb5libs.log
    kdc = FILE:/var/log/krb5kdc.log
    admin_server = FILE:/var/log/kadmind.log

[libdefaults]
    dns_lookup_realm = false
    ticket_lifetime = 24h
    renew_lifetime = 7d
    forwardable = true
    rdns = false
    pkinit_anchors = FILE:/etc/pki/tls/certs/ca-bundle.crt
    spake_preauth_groups = edwards25519
    dns_canonicalize_hostname = fallback
    qualify_shortname = ""
#    default_realm = EXAMPLE.COM
    default_ccache_name = KEYRING:persistent:%{uid}

[realms]
# EXAMPLE.COM = {
#     kdc = kerberos.example.com
#     admin_server = kerberos.example.com
# }

[domain_realm]
# .example.com = EXAMPLE.COM
# example.com = EXAMPLE.COM
`

// krb5 writes files and returns the path of krb5.conf, which they begin with.
func krb5(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(files[i+1]), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "krb5.conf")
}

func TestKerberosConfig(t *testing.T) {
	type want struct {
		realm   string
		servers map[string][]string
		domains config.DomainRealm
		dns     bool
	}
	none := config.DomainRealm{}
	for _, c := range []struct {
		name  string
		files []string
		want  want
	}{
		{"Red Hat's", []string{"krb5.conf", redHat, "krb5.conf.d/crypto-policies", "[libdefaults]\npermitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96\n"},
			want{"", map[string][]string{}, none, true}},
		{"names of included files", []string{"krb5.conf", redHat,
			"krb5.conf.d/corp.example.com.conf", "[libdefaults]\ndefault_realm = CORP\n[realms]\nCORP = {\n kdc = dc1\n}\n",
			"krb5.conf.d/lab-2_x", "[realms]\nLAB = {\n kdc = lab:1088\n}\n",
			"krb5.conf.d/old.conf.rpmsave", "[realms]\nOLD = {\n kdc = old\n}\n",
			"krb5.conf.d/.hidden.conf", "[realms]\nHIDDEN = {\n kdc = hidden\n}\n",
			"krb5.conf.d/backup~", "not one to be read",
			"krb5.conf.d/folder.conf/x.conf", "nor this"},
			want{"CORP", map[string][]string{"CORP": {"dc1:88"}, "LAB": {"lab:1088"}}, none, true}},
		{"the first value", []string{"krb5.conf", "[libdefaults]\ndefault_realm = CORP\ndns_lookup_kdc = off\ninclude more\ndefault_realm = LAST\n[domain_realm]\n.corp = CORP\n.corp = LAST\n",
			"more", "[libdefaults]\r\ndefault_realm = MORE\r\ndns_lookup_kdc = on\r\n[domain_realm]\r\n.more = MORE\r\n"},
			want{"CORP", map[string][]string{}, config.DomainRealm{".corp": "CORP", ".more": "MORE"}, false}},
		{"all servers, wherever the file is included", []string{"krb5.conf", "[realms]\nCORP = {\n kdc = a\ninclude more\n auth_to_local_names = {\n  kdc = nobody\n }\n kdc = b\n}\n",
			"more", "[realms]\nCORP = {\n kdc = c\n}\nLAB = { \n kdc = tcp/lab\n kdc = https://proxy/KdcProxy\n}\n"},
			want{"", map[string][]string{"CORP": {"a:88", "c:88", "b:88"}, "LAB": {"lab:88"}}, none, true}},
		{"values of MIT Kerberos", []string{"krb5.conf", "\xef\xbb\xbf; a comment\n[libdefaults]*\n default_realm* = \"CORP\"\n CORP = {\n  ticket_lifetime = 1h\n }\n ticket_lifetime = 1d 2h\n" +
			" preferred_preauth_types = 17, 16\n default_tkt_enctypes = aes256-cts-hmac-sha1-96, aes128-cts-hmac-sha1-96\n forwardable = nil\n kdc_default_options = 0x10\n[plugins]\n x = {\n y = z\n }\n"},
			want{"CORP", map[string][]string{}, none, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := kerberosConfig(krb5(t, c.files...))
			if err != nil {
				t.Fatal(err)
			}
			servers := map[string][]string{}
			for _, r := range got.Realms {
				servers[r.Realm] = r.KDC
			}
			if diff := cmp.Diff(c.want, want{got.LibDefaults.DefaultRealm, servers, got.DomainRealm, got.LibDefaults.DNSLookupKDC}, cmp.AllowUnexported(want{})); diff != "" {
				t.Error(diff)
			}
			if c.name == "values of MIT Kerberos" {
				l := got.LibDefaults
				if l.TicketLifetime != 26*time.Hour || len(l.PreferredPreauthTypes) != 2 || len(l.DefaultTktEnctypeIDs) != 2 {
					t.Errorf("got %+v", l)
				}
			}
		})
	}
	for _, c := range []struct{ name, conf, words, hint string }{
		{"no folder", redHat, "krb5.conf.d: ", "that the file is there"},
		{"no file", "include nowhere.conf\n", "nowhere.conf: ", "that the file is there"},
		{"itself", "include krb5.conf\n", "files include each other without end", "take out"},
		{"a wrong value", "[libdefaults]\nclockskew = soon\n", "clockskew = soon", "correct"},
	} {
		path := krb5(t, "krb5.conf", c.conf)
		_, err := kerberosConfig(path)
		var file *fileError
		if !errors.As(err, &file) || !strings.Contains(err.Error(), c.words) || !strings.Contains(file.hint, c.hint) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// A login by the krb5.conf of Red Hat, and what keeps one from the Kerberos
// server, each in its own words.
func TestKerberosOfRedHat(t *testing.T) {
	d := servertest.NewSamba(t, servertest.SambaOptions{Kerberos: true})
	d.User(t, "well", "mail", "well@example.com")
	keys := d.Keytab(t, "well")
	host := strings.TrimPrefix(d.URL, "ldap://")
	realm := func(kdc string) string {
		return "[realms]\n" + d.Realm + " = {\n kdc = " + kdc + "\n}\n[domain_realm]\n.corp.example.com = " + d.Realm + "\n"
	}
	options := func(principal string, files ...string) Options {
		return Options{Label: "corp", ActiveDirectory: true, URLs: []string{d.LDAPS}, CAFile: d.CA.File, Timeout: 20 * time.Second, PageSize: 500,
			Kerberos: &Kerberos{Principal: principal, Keytab: keys, Config: krb5(t, files...), Service: "ldap/" + d.Host}}
	}
	scope := directory.Scope{Name: "staff", Base: "CN=Users," + servertest.Base, PrimaryAttribute: "mail", Type: directory.Auto}
	if got, _, err := read(t, options("well@"+d.Realm, "krb5.conf", redHat, "krb5.conf.d/corp.conf", realm(host)), scope); err != nil || len(got) != 1 {
		t.Errorf("got %d entries, %v", len(got), err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	const offline = "[libdefaults]\ndns_lookup_kdc = false\n"
	for _, c := range []struct{ name, principal, conf, words, hint string }{
		{"realm in lower case", "well@corp.example.com", offline + realm(host), "krb5.conf names no Kerberos server of the realm, and forbids to ask DNS for one", "upper case"},
		{"no realm", "well@" + d.Realm, offline, "krb5.conf names no Kerberos server of the realm", "dns_lookup_kdc = true"},
		{"no such host", "well@" + d.Realm, realm("nowhere.invalid"), "DNS knows no address of the realm's Kerberos server", "check kdc"},
		{"another service", "well@" + d.Realm, realm(host + ":389"), "what answers for the realm's Kerberos server does not speak Kerberos", "host and port"},
		{"nobody there", "well@" + d.Realm, realm(nobody), "no Kerberos server of the realm answers", "port 88"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := read(t, options(c.principal, "krb5.conf", c.conf), scope)
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(directory.HintOf(err), c.hint) {
				t.Errorf("got %v\nhint: %s", err, directory.HintOf(err))
			}
			if c.name != "nobody there" && strings.Contains(directory.HintOf(err), "port 88") {
				t.Errorf("port 88 is blamed: %s", directory.HintOf(err))
			}
		})
	}
}

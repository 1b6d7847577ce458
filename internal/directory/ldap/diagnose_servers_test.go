package ldap

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// bundle is a file that holds several authorities.
func bundle(t *testing.T, authorities ...*servertest.CA) string {
	t.Helper()
	var all []byte
	for _, ca := range authorities {
		pem, err := os.ReadFile(ca.File)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pem...)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func secret(s string) func() string { return func() string { return s } }

// TestDiagnoseSamba sees all failures of a login that Samba can produce.
func TestDiagnoseSamba(t *testing.T) {
	d := servertest.NewSamba(t, servertest.SambaOptions{})
	options := func(name, password string) Options {
		return Options{Label: "corp", ActiveDirectory: true, URLs: []string{d.LDAPS}, CAFile: d.CA.File, BindDN: name, Password: secret(password), Timeout: 20 * time.Second, PageSize: 1000}
	}
	well := d.User(t, "well", "mail", "well@example.com", "proxyAddresses", "smtp:w@example.com")
	scope := directory.Scope{Name: "staff", Base: "CN=Users," + servertest.Base, PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, Type: directory.Auto}

	t.Run("well", func(t *testing.T) {
		r := diagnose(t, options(well, servertest.Password), scope)
		for _, line := range []string{
			"tls ok", "signing ok", "login ok: logged in as well@corp.example.com", "server ok: this is dc1.corp.example.com, a domain controller",
			"password ok", "clock ok", "global-catalog ok: port 636", "base ok", "right ok", "paging ok", "ranges ok", "changes ok: DirSync is offered",
			"deleted ok: the account sees no deleted object", "read ok", "entries ok: of 1 entry, 1 with mail, 1 with proxyAddresses, 1 with a GUID",
		} {
			expect(t, r, line, "")
		}
		if n := r.Count(doctor.OK); n != len(r.Checks) {
			t.Errorf("%d of %d checks are well:\n%s", n, len(r.Checks), strings.Join(outcomes(r), "\n"))
		}
	})
	t.Run("deleted objects", func(t *testing.T) {
		d.User(t, "leaver")
		if err := d.Connect(t).Del(goldap.NewDelRequest("CN=leaver,CN=Users,"+servertest.Base, nil)); err != nil {
			t.Fatal(err)
		}
		expect(t, diagnose(t, options(well, servertest.Password), scope), "deleted ok: the account sees no deleted object", "")
		expect(t, diagnose(t, options(d.Admin, servertest.Password), scope), "deleted ok: deleted objects can be read", "")
	})
	t.Run("in clear", func(t *testing.T) {
		o := options(well, servertest.Password)
		o.URLs = []string{d.URL}
		expect(t, diagnose(t, o, scope), "signing failed: the server demands signing or encryption", "start_tls")
		o.StartTLS = true
		expect(t, diagnose(t, o, scope), "read ok", "")
	})
	t.Run("global catalog", func(t *testing.T) {
		o := options(well, servertest.Password)
		o.URLs = []string{d.LDAPS + ":3269"}
		expect(t, diagnose(t, o, scope), "global-catalog failed: the global catalog does not hold proxyAddresses", "636 for ldaps://")
		scope := scope
		scope.AliasAttributes = nil
		expect(t, diagnose(t, o, scope), "global-catalog warning: this is the global catalog, which holds a part of each entry", "636 for ldaps://")
	})
	t.Run("nobody", func(t *testing.T) {
		r := diagnose(t, options("", ""), scope)
		expect(t, r, "login warning: nobody is logged in", "set bind_dn")
		expect(t, r, "base failed: the server answers only those who have logged in", "set bind_dn")
	})

	locked := d.User(t, "locked")
	head := goldap.NewModifyRequest(servertest.Base, nil)
	head.Replace("lockoutThreshold", []string{"3"})
	if err := d.Connect(t).Modify(head); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		diagnose(t, options(locked, "wrong"), scope)
	}
	for _, c := range []struct {
		name, user, password, finding string
	}{
		{"wrong password", well, "wrong", "the name or the password is wrong"},
		{"unknown", "nobody@corp.example.com", "x", "the name or the password is wrong"},
		{"disabled", d.User(t, "off", "userAccountControl", "514"), servertest.Password, "the account is disabled"},
		{"disabled, wrong password", "off@corp.example.com", "wrong", "the name or the password is wrong"},
		{"expired", d.User(t, "old", "accountExpires", "133000000000000000"), servertest.Password, "the account has expired"},
		{"must change", d.User(t, "fresh", "pwdLastSet", "0"), servertest.Password, "the account's password must be changed before it can be used"},
		{"hours", d.User(t, "night", "logonHours", strings.Repeat("\x00", 21)), servertest.Password, "the account may not log in at this hour"},
		{"locked", locked, servertest.Password, "the account is locked out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := diagnose(t, options(c.user, c.password), scope)
			expect(t, r, "login failed: "+c.finding+" (result code 49: 80090308: LdapErr: ", " ")
			if !r.Refused {
				t.Error("not reported as refused")
			}
			untested(t, r, doctor.Server, "login of "+d.LDAPS+" failed")
		})
	}
	t.Run("password's age", func(t *testing.T) {
		age := goldap.NewModifyRequest(servertest.Base, nil)
		age.Replace("maxPwdAge", []string{"-" + strconv.Itoa((10*24+12)*3600*10_000_000)})
		if err := d.Connect(t).Modify(age); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{well, `CORP\well`, "CN=well,CN=Users," + servertest.Base} {
			expect(t, diagnose(t, options(name, servertest.Password), scope), "password warning: the password expires in 10 days", "in time")
			ends(t, options(name, servertest.Password), scope, "the certificate of "+d.LDAPS, 300*24*time.Hour)
			ends(t, options(name, servertest.Password), scope, "the password of "+name+` in directory "corp"`, 10*24*time.Hour)
		}
	})
}

// ends reads a scope and looks for what the read says to end, in so long and a day at
// most.
func ends(t *testing.T, o Options, scope directory.Scope, what string, in time.Duration) {
	t.Helper()
	read, err := New(o).Read(t.Context(), []directory.Scope{scope}, nowhere{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range read.Expiries {
		if left := time.Until(e.At); e.Text() == what && left > in && (left < in+24*time.Hour || in > 100*24*time.Hour) && e.Remedy != "" {
			return
		}
	}
	t.Errorf("%q is not among %+v", what, read.Expiries)
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

func (nowhere) Put(int, directory.Object) error          { return nil }
func (nowhere) Replace(int, int, directory.Object) error { return nil }
func (nowhere) Reset() error                             { return nil }

// TestDiagnoseKerberos sees what the Kerberos server of a domain says.
func TestDiagnoseKerberos(t *testing.T) {
	d := servertest.NewSamba(t, servertest.SambaOptions{Kerberos: true})
	scope := directory.Scope{Name: "staff", Base: "CN=Users," + servertest.Base, PrimaryAttribute: "mail", Type: directory.Auto}
	d.User(t, "well", "mail", "well@example.com")
	well := d.Keytab(t, "well")
	options := func(principal, keytab string) Options {
		return Options{Label: "corp", ActiveDirectory: true, URLs: []string{d.LDAPS}, CAFile: d.CA.File, Timeout: 20 * time.Second, PageSize: 1000,
			Kerberos: &Kerberos{Principal: principal, Keytab: keytab, Config: d.Krb5Conf, Service: "ldap/" + d.Host}}
	}
	r := diagnose(t, options("well@"+d.Realm, well), scope)
	expect(t, r, "signing ok: the server takes a Kerberos login over TLS and demands no channel binding", "")
	expect(t, r, "login ok: logged in as well@CORP.EXAMPLE.COM", "")
	expect(t, r, "entries ok: of 1 entry, 1 with mail, 1 with a GUID", "")

	age := goldap.NewModifyRequest(servertest.Base, nil)
	age.Replace("maxPwdAge", []string{"-" + strconv.Itoa((10*24+12)*3600*10_000_000)})
	if err := d.Connect(t).Modify(age); err != nil {
		t.Fatal(err)
	}
	ends(t, options("well@"+d.Realm, well), scope, "the password of well@"+d.Realm+` in directory "corp"`, 10*24*time.Hour)
	d.User(t, "off", "userAccountControl", "514")
	d.User(t, "moved")
	moved := d.Keytab(t, "moved")
	change := goldap.NewModifyRequest("CN=moved,CN=Users,"+servertest.Base, nil)
	change.Replace("unicodePwd", []string{"\"\x00n\x00e\x00w\x00\"\x00"})
	if err := d.Connect(t).Modify(change); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, principal, keytab, line string
		refused                       bool
	}{
		{"nobody", "nobody@" + d.Realm, well, "login failed: the Kerberos realm has no such principal (KDC_ERR_C_PRINCIPAL_UNKNOWN)", true},
		{"key of another", "reader@" + d.Realm, well, "login failed: the keytab holds no key of the principal", true},
		{"disabled", "off@" + d.Realm, d.Keytab(t, "off"), "login failed: the account is disabled, locked or expired (KDC_ERR_CLIENT_REVOKED)", true},
		{"new password", "moved@" + d.Realm, moved, "login failed: the keytab does not hold the account's present password (KDC_ERR_PREAUTH_FAILED)", true},
		{"no keytab", "well@" + d.Realm, "nowhere.keytab", "login failed: kerberos keytab nowhere.keytab: ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := diagnose(t, options(c.principal, c.keytab), scope)
			for _, k := range r.Checks {
				if k.Name == doctor.Login && !strings.HasPrefix(outcome(k), c.line) {
					t.Errorf("got  %s\nwant %s", outcome(k), c.line)
				}
			}
			if r.Refused != c.refused {
				t.Errorf("refused is %v", r.Refused)
			}
		})
	}
	o := options("well@"+d.Realm, well)
	o.Kerberos.Service = "ldap/other.example.com"
	expect(t, diagnose(t, o, scope), "login failed: the Kerberos realm does not know the server's service", "set service")
}

// TestDiagnoseSlapd sees what OpenLDAP says of logins and passwords.
func TestDiagnoseSlapd(t *testing.T) {
	s := servertest.NewSlapd(t, servertest.SlapdOptions{PasswordPolicy: true})
	options := func(name, password string) Options {
		return Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: name, Password: secret(password), Timeout: 20 * time.Second, PageSize: 500}
	}
	scope := directory.Scope{Name: "all", Base: servertest.Base, PrimaryAttribute: "mail", Filter: "(objectClass=*)", Type: directory.Auto}
	for _, c := range []struct {
		name, person, password, line, remedy string
	}{
		{"fine", "fine", servertest.Password, "password ok", ""},
		{"warned", "warned", servertest.Password, "password warning: the password expires in ", "in time"},
		{"grace", "grace", servertest.Password, "password warning: the password has expired, and 1 login is left", "in time"},
		{"reset", "reset", servertest.Password, "password failed: the account's password was reset and must be changed before", "without the demand"},
		{"reset, right", "reset", servertest.Password, "base failed: the account must change its password before it may do anything else", "without the demand"},
		{"expired", "expired", servertest.Password, "login failed: the account's password has expired, and no login is left (result code 49)", "set a new password"},
		{"locked", "locked", servertest.Password, "login failed: the account is locked (result code 49)", "unlock"},
		{"wrong", "fine", "wrong", "login failed: the name or the password is wrong, or the account is locked: the server does not say which (result code 49)", "bind_dn"},
		{"no password", "fine", "", "login failed: the password is empty", "bind_password"},
		{"syncrepl", "fine", servertest.Password, "changes ok: content synchronization (syncrepl, RFC 4533) is offered", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := diagnose(t, options(s.Person(c.person), c.password), scope)
			expect(t, r, c.line, c.remedy)
			if c.name == "warned" {
				ends(t, options(s.Person(c.person), c.password), scope, "the password of "+s.Person(c.person)+` in directory "lab"`, 0)
			}
			if refused := strings.HasPrefix(c.line, "login failed"); r.Refused != refused {
				t.Errorf("refused is %v", r.Refused)
			}
		})
	}
	t.Run("server", func(t *testing.T) {
		expect(t, diagnose(t, options(s.Admin, servertest.Password), scope), "server ok: this is OpenLDAP", "")
	})
	t.Run("base", func(t *testing.T) {
		scope := scope
		scope.Base = "OU=Staff,OU=Berlin," + servertest.Base
		expect(t, diagnose(t, options(s.Admin, servertest.Password), scope), "base failed: OU=Staff,OU=Berlin,DC=corp,DC=example,DC=com is not there, or the account may not see it; the nearest entry above it is", "base_dn")
	})
	t.Run("size limit", func(t *testing.T) {
		var more strings.Builder
		for n := range 5 {
			more.WriteString("dn: cn=n" + strconv.Itoa(n) + "," + servertest.Base + "\nobjectClass: user\ncn: n" + strconv.Itoa(n) + "\n\n")
		}
		few := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(more.String()), ReaderLimits: "size.prtotal=3"})
		o := options(few.Reader, servertest.Password)
		o.URLs, o.CAFile = []string{few.LDAPS}, few.CA.File
		r := diagnose(t, o, scope)
		expect(t, r, "right ok", "")
		expect(t, r, "paging failed: the server's size limit ended the search before its last entry", "page by page")
	})
	t.Run("client certificate", func(t *testing.T) {
		strict := servertest.NewSlapd(t, servertest.SlapdOptions{ClientCertificates: "demand"})
		mine := strict.CA.Issue(t, servertest.Leaf{CommonName: "reader", Until: 5 * 24 * time.Hour})
		o := Options{Label: "lab", URLs: []string{strict.LDAPS}, CAFile: strict.CA.File, ClientCert: mine.CertFile, ClientKey: mine.KeyFile, Timeout: 20 * time.Second, PageSize: 500}
		r := diagnose(t, o, scope)
		expect(t, r, `tls warning: the certificate "CN=reader" expires on *, in 4 days`, "in time")
		expect(t, r, "login ok: logged in as the owner of the client certificate", "")
		expect(t, r, "read ok", "")
		ends(t, o, scope, "the certificate of the client, "+mine.CertFile, 4*24*time.Hour)

		theirs := servertest.NewCA(t).Issue(t, servertest.Leaf{CommonName: "reader"})
		o.ClientCert, o.ClientKey = theirs.CertFile, theirs.KeyFile
		expect(t, diagnose(t, o, scope), "login failed: the server", "client certificate")
		o.ClientCert, o.ClientKey = "", ""
		expect(t, diagnose(t, o, scope), "server failed: the server", "client certificate")
	})
	t.Run("confidential", func(t *testing.T) {
		strict := servertest.NewSlapd(t, servertest.SlapdOptions{Confidential: true})
		o := options(strict.Reader, servertest.Password)
		o.URLs, o.CAFile = []string{strict.URL}, strict.CA.File
		expect(t, diagnose(t, o, scope), "signing failed: the server demands encryption", "start_tls")
	})
	t.Run("login demanded", func(t *testing.T) {
		strict := servertest.NewSlapd(t, servertest.SlapdOptions{NoAnonymous: true})
		o := options("", "")
		o.URLs, o.CAFile = []string{strict.LDAPS}, strict.CA.File
		expect(t, diagnose(t, o, scope), "server failed: the server answers only those who have logged in", "set bind_dn")
	})
}

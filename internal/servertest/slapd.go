package servertest

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Password is that of everybody in a [Slapd] and a [Samba].
const Password = "secret"

// SlapdOptions change what a [Slapd] is. The zero value is a server as
// distributions set it up: anybody may read.
type SlapdOptions struct {
	// LDIF is loaded before the server starts, without checks against the
	// schema. The objects Base, cn=admin and cn=reader are there already;
	// other parents must come before their children.
	LDIF io.Reader
	// CA and Certificate replace the server's own.
	CA          *CA
	Certificate *Certificate
	// SizeLimit is how many entries a search may give, paged or not, to
	// anybody but the two below; 0 stands for 500.
	SizeLimit int
	// ReaderLimits are the limits of cn=reader in the words of
	// slapd.conf(5). The default is the like of Active Directory's: 500
	// entries, any number of them in pages of up to 1000.
	ReaderLimits string
	// Access are rules in the words of slapd.access(5), before which nobody's
	// rights are limited.
	Access []string
	// NoAnonymous demands a login before anything else, with code 53.
	NoAnonymous bool
	// Confidential demands encryption before anything else but StartTLS,
	// with code 13.
	Confidential bool
	// ClientCertificates is "try" or "demand": SASL EXTERNAL logs a
	// certificate of the CA with the name NAME in as cn=NAME,[Base].
	ClientCertificates string
	// PasswordPolicy adds the overlay and people to it, see [Slapd.Person].
	PasswordPolicy bool
	// Schemas are more of those that OpenLDAP comes with, such as "misc".
	Schemas []string
	// Database are more lines for the database, in the words of slapd.conf(5).
	Database []string
}

// Slapd is an OpenLDAP server with attributes and classes of Active Directory
// and Exchange: user, contact and group. It holds contextCSN and offers
// syncrepl. Everybody's password is [Password].
type Slapd struct {
	*Server
	// URL is ldap://127.0.0.1:PORT with StartTLS, and LDAPS is
	// ldaps://127.0.0.1:PORT.
	URL, LDAPS string
	// CA has certified the server; its file is CA.File.
	CA *CA
	// Admin is the name of who may do anything and has no limits, Reader that
	// of a service account.
	Admin, Reader string
}

//go:embed ad.schema
var adSchema string

// NewSlapd starts an OpenLDAP server (Debian's slapd). It needs no rights.
func NewSlapd(t T, o SlapdOptions) *Slapd {
	t.Helper()
	program := Need(t, "slapd", "slapd")
	add := Need(t, "slapadd", "slapd")
	dir := folder(t)
	if o.CA == nil {
		o.CA = NewCA(t)
	}
	if o.Certificate == nil {
		o.Certificate = o.CA.Issue(t, Leaf{})
	}
	plain, tls := fmt.Sprintf("127.0.0.1:%d", freePort(t, "127.0.0.1")), fmt.Sprintf("127.0.0.1:%d", freePort(t, "127.0.0.1"))
	s := &Slapd{URL: "ldap://" + plain, LDAPS: "ldaps://" + tls, CA: o.CA, Admin: "cn=admin," + Base, Reader: "cn=reader," + Base}

	conf := filepath.Join(dir, "slapd.conf")
	must(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	write(t, filepath.Join(dir, "ad.schema"), adSchema)
	write(t, conf, s.conf(dir, o))
	if o.LDIF == nil {
		o.LDIF = strings.NewReader("")
	}
	for _, ldif := range []io.Reader{strings.NewReader(s.base(o)), unversioned(o.LDIF)} {
		_, err := run(ldif, add, "-q", "-s", "-w", "-f", conf)
		must(t, err)
	}
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{plain, tls}, command: func() *exec.Cmd {
		return exec.Command(program, "-f", conf, "-h", s.URL+"/ "+s.LDAPS+"/", "-d", "0")
	}}
	s.Start()
	return s
}

func (s *Slapd) conf(dir string, o SlapdOptions) string {
	if o.SizeLimit == 0 {
		o.SizeLimit = 500
	}
	if o.ReaderLimits == "" {
		o.ReaderLimits = "size.soft=500 size.hard=500 size.pr=1000 size.prtotal=unlimited"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, schema := range append([]string{"core", "cosine", "inetorgperson"}, o.Schemas...) {
		line("include /etc/ldap/schema/%s.schema", schema)
	}
	line("include %s/ad.schema", dir)
	line("modulepath /usr/lib/ldap")
	for _, module := range []string{"back_mdb", "syncprov", "ppolicy", "unique"} {
		line("moduleload %s", module)
	}
	line("pidfile %s/pid", dir)
	line("TLSCACertificateFile %s", o.CA.File)
	line("TLSCertificateFile %s", o.Certificate.CertFile)
	line("TLSCertificateKeyFile %s", o.Certificate.KeyFile)
	if o.ClientCertificates != "" {
		line("TLSVerifyClient %s", o.ClientCertificates)
		line(`authz-regexp "^cn=([^,]+)$" "cn=$1,%s"`, Base)
	}
	line("loglevel none")
	line("sizelimit %d", o.SizeLimit)
	if o.NoAnonymous {
		line("require authc")
	}
	if o.Confidential {
		line("security tls=1")
	}
	for _, rule := range o.Access {
		line("access %s", rule)
	}
	if o.Access != nil {
		line("access to * by * read")
	}
	line("database mdb")
	line("suffix %q", Base)
	line("rootdn %q", s.Admin)
	line("rootpw %s", Password)
	line("directory %s/db", dir)
	line("maxsize 17179869184")
	line("dbnosync")
	line("index objectClass,entryCSN,entryUUID,mail,proxyAddresses,sAMAccountName,userPrincipalName,objectGUID,uSNChanged eq")
	line("limits dn.exact=%q %s", s.Reader, o.ReaderLimits)
	line("overlay syncprov")
	if o.PasswordPolicy {
		line("overlay ppolicy")
		line(`ppolicy_default "cn=policy,%s"`, Base)
		line("ppolicy_use_lockout")
	}
	for _, more := range o.Database {
		line("%s", more)
	}
	return b.String()
}

// Person is the name of somebody for whom the password policy has a word:
//
//	fine     nothing
//	reset    must change the password before anything else
//	expired  has let the password expire
//	grace    too, but has two more logins
//	warned   has an hour left
//	locked   is locked
//
// A third wrong password locks an account.
func (s *Slapd) Person(name string) string { return "cn=" + name + "," + Base }

// base is what every server holds.
func (s *Slapd) base(o SlapdOptions) string {
	var b strings.Builder
	object := func(dn, more string) { fmt.Fprintf(&b, "dn: %s\n%s\n", dn, more) }
	role := "objectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: " + Password + "\n"
	object(Base, "objectClass: dcObject\nobjectClass: organization\no: Corp\n")
	object(s.Admin, role)
	object(s.Reader, role)
	if o.PasswordPolicy {
		const year, hour = 365 * 24 * 3600, 3600
		policy := func(name string, grace int) {
			object("cn="+name+","+Base, fmt.Sprintf("objectClass: organizationalRole\nobjectClass: pwdPolicy\npwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 3\n"+
				"pwdMustChange: TRUE\npwdMaxAge: %d\npwdExpireWarning: %d\npwdGraceAuthNLimit: %d\n", year, 24*hour, grace))
		}
		policy("policy", 0)
		policy("lenient", 2)
		for _, p := range []struct {
			name string
			age  int
			more string
		}{
			{"fine", 0, ""},
			{"reset", 0, "pwdReset: TRUE\n"},
			{"expired", 2 * year, ""},
			{"grace", 2 * year, "pwdPolicySubentry: cn=lenient," + Base + "\n"},
			{"warned", year - hour, ""},
			{"locked", 0, "pwdAccountLockedTime: 000001010000Z\n"},
		} {
			object(s.Person(p.name), role+"pwdChangedTime: "+ago(p.age)+"\n"+p.more)
		}
	}
	return b.String()
}

// unversioned passes over the line "version: 1", which slapadd does not know.
func unversioned(ldif io.Reader) io.Reader {
	r := bufio.NewReader(ldif)
	if start, _ := r.Peek(8); string(start) == "version:" {
		r.ReadString('\n')
	}
	return r
}

// Connect returns a connection of the admin, which ends with the test.
func (s *Slapd) Connect(t T) *ldap.Conn {
	t.Helper()
	return connect(t, s.URL, nil, s.Admin, Password)
}

package servertest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// SambaOptions change what a [Samba] is.
type SambaOptions struct {
	// LDIF is loaded before the server starts, some 800 objects a second.
	// Parents must come before their children, and objectGUID must be absent.
	LDIF string
	// CA and Certificate replace the server's own.
	CA          *CA
	Certificate *Certificate
	// Kerberos starts the key distribution center, too, and allows GSSAPI
	// over TLS, which Samba does not of itself.
	Kerberos bool
}

// Samba is a domain controller of the domain CORP (corp.example.com), with the
// schema's mailNickname, targetAddress, extensionAttribute1,
// msExchHideFromAddressLists and msExchRecipientTypeDetails. Passwords have no
// rules and do not expire, and everybody's is [Password].
//
// Unlike a domain controller of Windows, it limits neither the size of results
// nor the number of values; [Stub] does.
type Samba struct {
	*Server
	// URL is ldap://IP with StartTLS, and LDAPS is ldaps://IP. Samba's ports
	// are fixed; the address is one of the loopback network.
	URL, LDAPS string
	// Host is the name of the server, for its certificate and for Kerberos.
	Host string
	// CA has certified the server; its file is CA.File.
	CA *CA
	// Admin and Reader are user principal names of an administrator and of a
	// user without special rights.
	Admin, Reader string
	// Realm is that of Kerberos, and Krb5Conf a krb5.conf for it.
	Realm, Krb5Conf string

	conf string
}

const (
	sambaHost  = "dc1.corp.example.com"
	sambaRealm = "CORP.EXAMPLE.COM"
)

// NewSamba starts a domain controller (Debian's samba). It needs root. The
// first one on a machine takes five seconds, for a template in the user's
// cache folder, and the others half a second.
func NewSamba(t T, o SambaOptions) *Samba {
	t.Helper()
	program := Need(t, "samba", "samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind python3-samba python3-markdown ldb-tools")
	if os.Getuid() != 0 {
		unavailable(t, "samba needs root for its ports")
	}
	from, err := template(program)
	must(t, err)
	dir, address := folder(t), sambaAddress(t)
	must(t, os.CopyFS(dir, os.DirFS(from)), os.MkdirAll(filepath.Join(dir, "log"), 0o700), os.MkdirAll(filepath.Join(dir, "run"), 0o700))
	if o.CA == nil {
		o.CA = NewCA(t)
	}
	if o.Certificate == nil {
		o.Certificate = o.CA.Issue(t, Leaf{Hosts: []string{sambaHost, address, "127.0.0.1", "localhost"}})
	}
	d := &Samba{
		URL: "ldap://" + address, LDAPS: "ldaps://" + address, Host: sambaHost, CA: o.CA, Realm: sambaRealm,
		Admin: "Administrator@corp.example.com", Reader: "reader@corp.example.com",
		conf: filepath.Join(dir, "smb.conf"), Krb5Conf: filepath.Join(dir, "krb5.conf"),
	}
	more := []string{
		"interfaces = " + address + "/8", "bind interfaces only = yes", "log level = 1",
		"tls keyfile = " + o.Certificate.KeyFile, "tls certfile = " + o.Certificate.CertFile, "tls cafile = " + o.CA.File,
		"tls priority = NORMAL:-VERS-TLS1.0:-VERS-TLS1.1",
	}
	services, answers := "ldap", []string{address + ":389", address + ":636"}
	if o.Kerberos {
		services, answers = "ldap kdc", append(answers, address+":88")
		more = append(more, "ldap server require strong auth = allow_sasl_over_tls")
	}
	write(t, d.conf, smbConf(dir, append(more, "server services = "+services)...))
	write(t, d.Krb5Conf, fmt.Sprintf("[libdefaults]\n default_realm = %[1]s\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n udp_preference_limit = 1\n"+
		"[realms]\n %[1]s = {\n  kdc = %[2]s:88\n }\n[domain_realm]\n .corp.example.com = %[1]s\n corp.example.com = %[1]s\n", d.Realm, address))
	if o.LDIF != "" {
		must(t, load(d.conf, o.LDIF))
	}
	d.Server = &Server{t: t, Log: filepath.Join(dir, "log", "samba"), answers: answers, command: func() *exec.Cmd {
		cmd := exec.Command(program, "--interactive", "--model=single", "--configfile="+d.conf)
		cmd.Env = append(os.Environ(), "KRB5_CONFIG="+d.Krb5Conf)
		return cmd
	}}
	d.Start()
	return d
}

// sambaAddress returns a loopback address with Samba's ports free.
func sambaAddress(t T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		if free(address, 389) && free(address, 636) && free(address, 88) {
			return address
		}
	}
	t.Fatalf("the ports 389, 636 and 88 are taken on all addresses")
	return ""
}

// smbConf is the configuration of a server that keeps all its files in dir.
func smbConf(dir string, more ...string) string {
	lines := append([]string{
		"[global]", "netbios name = DC1", "realm = " + sambaRealm, "workgroup = CORP", "server role = active directory domain controller",
		"idmap_ldb:use rfc2307 = yes", "logging = file", "log file = " + dir + "/log/%m", "max log size = 0",
		"private dir = " + dir + "/private", "lock directory = " + dir, "state directory = " + dir + "/state", "cache directory = " + dir + "/cache",
		"pid directory = " + dir + "/run", "ncalrpc dir = " + dir + "/ncalrpc", "winbindd socket directory = " + dir + "/run/winbindd",
		"ntp signd socket directory = " + dir + "/run/ntp_signd", "binddns dir = " + dir + "/bind-dns",
	}, more...)
	return strings.Join(lines, "\n\t") + "\n"
}

var templates sync.Mutex

// template returns a folder with a domain that no server runs on, and makes it
// if there is none of this version.
func template(samba string) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	version, err := run(nil, samba, "--version")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(version + smbConf("") + fmt.Sprint(provision("", ""), schemaLDIF())))
	dir := filepath.Join(cache, "rollcall", fmt.Sprintf("samba-%x", digest[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(dir), "unfinished")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	conf := filepath.Join(unfinished, "smb.conf")
	for _, command := range provision(unfinished, conf) {
		if _, err := run(strings.NewReader(command.stdin), command.args[0], command.args[1:]...); err != nil {
			return "", err
		}
		if _, err := os.Stat(conf); err != nil {
			if err := errors.Join(os.RemoveAll(filepath.Join(unfinished, "state", "sysvol")), os.WriteFile(conf, []byte(smbConf(unfinished)), 0o600)); err != nil {
				return "", err
			}
		}
	}
	// Another process may have been faster; its template is as good.
	if err := os.Rename(unfinished, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

type command struct {
	stdin string
	args  []string
}

// provision returns the commands that make a domain, of which the first needs
// no configuration.
func provision(dir, conf string) []command {
	const first = "Passw0rd!" // has to please the rules that the domain begins with
	db, config := filepath.Join(dir, "private", "sam.ldb"), "--configfile="+conf
	schema := schemaLDIF()
	return []command{
		{args: []string{"samba-tool", "domain", "provision", "--configfile=/dev/null", "--targetdir=" + dir, "--realm=" + sambaRealm, "--domain=CORP", "--server-role=dc",
			"--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass=" + first, "--dns-backend=NONE", "--use-rfc2307"}},
		{schema[0], []string{"ldbmodify", "-H", db, config, "--option=dsdb:schema update allowed=true"}},
		{schema[1], []string{"ldbmodify", "-H", db, config, "--option=dsdb:schema update allowed=true"}},
		{args: []string{"samba-tool", "domain", "passwordsettings", "set", "-H", db, config, "--complexity=off", "--min-pwd-length=0", "--max-pwd-age=0", "--min-pwd-age=0"}},
		{args: []string{"samba-tool", "user", "setpassword", "Administrator", "--newpassword=" + Password, "-H", db, config}},
		{args: []string{"samba-tool", "user", "create", "reader", Password, "-H", db, config}},
		{args: []string{"samba-tool", "spn", "add", "ldap/" + sambaHost, "DC1$", "-H", db, config}},
	}
}

// schemaLDIF returns the attributes of Exchange, and then the change to the
// class that has them, which must not come along with them.
func schemaLDIF() [2]string {
	var attributes strings.Builder
	class := "dn: CN=Mail-Recipient,CN=Schema,CN=Configuration," + Base + "\nchangetype: modify\nadd: mayContain\n"
	const text, boolean, integer64 = "2.5.5.12\noMSyntax: 64", "2.5.5.8\noMSyntax: 1", "2.5.5.16\noMSyntax: 65"
	for _, a := range []struct{ cn, name, oid, syntax string }{
		{"ms-Exch-Mail-Nickname", "mailNickname", "1.2.840.113556.1.2.447", text},
		{"ms-Exch-Target-Address", "targetAddress", "1.2.840.113556.1.2.352", text},
		{"ms-Exch-Extension-Attribute-1", "extensionAttribute1", "1.2.840.113556.1.2.423", text},
		{"ms-Exch-Hide-From-Address-Lists", "msExchHideFromAddressLists", "1.2.840.113556.1.2.73", boolean},
		{"ms-Exch-Recipient-Type-Details", "msExchRecipientTypeDetails", "1.3.6.1.4.1.99999.1.1", integer64},
	} {
		fmt.Fprintf(&attributes, "dn: CN=%s,CN=Schema,CN=Configuration,%s\nchangetype: add\nobjectClass: top\nobjectClass: attributeSchema\nattributeID: %s\n"+
			"attributeSyntax: %s\nisSingleValued: TRUE\nlDAPDisplayName: %s\nsearchFlags: 0\nsystemOnly: FALSE\n\n", a.cn, Base, a.oid, a.syntax, a.name)
		class += "mayContain: " + a.name + "\n"
	}
	return [2]string{attributes.String(), class + "-\n"}
}

// load adds objects in one transaction, which is ten times as fast as ldbadd.
func load(conf, ldif string) error {
	const script = `
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(lp=lp, session_info=system_session(), options=["batch_mode:1"])
db.transaction_start()
for _, message in db.parse_ldif(sys.stdin.read()):
    db.add(message)
db.transaction_commit()
`
	_, err := run(strings.NewReader(ldif), "/usr/bin/python3", "-c", script, conf)
	return err
}

// Connect returns a connection of the admin, which ends with the test.
func (d *Samba) Connect(t T) *ldap.Conn {
	t.Helper()
	return connect(t, d.LDAPS, d.CA, d.Admin, Password)
}

// User makes a user CN=NAME,CN=Users who may log in, and returns the user
// principal name. The attributes, names and values in pairs, are set after the
// password:
//
//	userAccountControl 514                   the account is disabled
//	accountExpires     133000000000000000    has expired
//	pwdLastSet         0                     must change the password
//	logonHours         21 octets of zero     may log in at no hour
func (d *Samba) User(t T, name string, pairs ...string) string {
	t.Helper()
	c := d.Connect(t)
	defer c.Close()
	dn, upn := "CN="+ldap.EscapeDN(name)+",CN=Users,"+Base, name+"@corp.example.com"
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{upn})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{quotedUTF16(Password)})
	must(t, c.Add(add))
	e := NewEntry(dn, pairs...)
	for _, a := range e.Attributes {
		change := ldap.NewModifyRequest(dn, nil)
		change.Replace(a.Name, a.Values)
		must(t, c.Modify(change))
	}
	return upn
}

// ShowDeleted gives a user, or "reader", rights over the container of deleted objects,
// in the words of SDDL (MS-DTYP section 2.5.1.1), such as "LCRP".
func (d *Samba) ShowDeleted(t T, name, rights string) {
	t.Helper()
	const script = `
import sys
from ldb import Dn, FLAG_MOD_REPLACE, Message, MessageElement, SCOPE_BASE
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(lp=lp, session_info=system_session())
name = "CN=Deleted Objects," + str(db.get_default_basedn())
controls = ["show_deleted:1", "sd_flags:1:4"]
domain = security.dom_sid(db.get_domain_sid())
sid = ndr_unpack(security.dom_sid, db.search(expression="(sAMAccountName=%s)" % sys.argv[2], attrs=["objectSid"])[0]["objectSid"][0])
old = ndr_unpack(security.descriptor, db.search(name, SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=controls)[0]["nTSecurityDescriptor"][0]).as_sddl(domain)
at = old.index("(")
new = old[:at] + "(A;CI;%s;;;%s)" % (sys.argv[3], sid) + old[at:]
change = Message(Dn(db, name))
change["nTSecurityDescriptor"] = MessageElement(ndr_pack(security.descriptor.from_sddl(new, domain)), FLAG_MOD_REPLACE, "nTSecurityDescriptor")
db.modify(change, controls=controls)
`
	_, err := run(nil, "/usr/bin/python3", "-c", script, d.conf, name, rights)
	must(t, err)
}

// quotedUTF16 is the form of unicodePwd (MS-ADTS section 3.1.1.3.1.5.1).
func quotedUTF16(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + s + `"`)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// Keytab returns a file with the keys of a user, by the name that [Samba.User]
// was given, or of "reader".
func (d *Samba) Keytab(t T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".keytab")
	_, err := run(nil, "samba-tool", "domain", "exportkeytab", path, "--principal="+name, "--configfile="+d.conf)
	must(t, err)
	return path
}

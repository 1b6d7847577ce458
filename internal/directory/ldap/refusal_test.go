package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// answered is the error that go-ldap makes of a server's answer.
func answered(code uint16, text string) error {
	return &goldap.Error{ResultCode: code, Err: errors.New(text)}
}

// windows is how a domain controller answers a login that it refuses.
func windows(sub string) error {
	return answered(49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data "+sub+", v1db1\x00")
}

func policy(err error, code int8) error {
	return &policyError{err, &goldap.ControlBeheraPasswordPolicy{Expire: -1, Grace: -1, Error: code}}
}

// kerberos is the text that the library makes of an error of a KDC.
func kerberos(text string) error {
	return errors.New("[Root cause: KDC_Error] KDC_Error: AS Exchange Error: kerberos error response from KDC: " + text)
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		ad      bool
		words   string // the beginning of the text
		hint    string // a part of it
		refused bool
	}{
		{"no such user", windows("525"), true, "the directory has no account of this name (result code 49: 80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 525, v1db1)", "check bind_password, and bind_dn", true},
		{"wrong password", windows("52e"), true, "the name or the password is wrong (result code 49", "each attempt counts towards a lockout", true},
		{"logon hours", windows("530"), true, "the account may not log in at this hour", "logonHours", true},
		{"workstation", windows("531"), true, "the account may not log in from this computer", "userWorkstations", true},
		{"password expired", windows("532"), true, "the account's password has expired", "set a new password", true},
		{"disabled", windows("533"), true, "the account is disabled", "enable the account", true},
		{"too many groups", windows("568"), true, "the account is a member of too many groups", "out of groups", true},
		{"channel binding, old", windows("57"), true, "the server does not accept the login's parameters", "channel binding concerns Kerberos", true},
		{"account expired", windows("701"), true, "the account has expired", "accountExpires", true},
		{"must change", windows("773"), true, "the account's password must be changed", "at next logon", true},
		{"locked out", windows("775"), true, "the account is locked out", "only then try again", true},
		{"channel binding", windows("80090346"), true, "the server demands channel binding", "bind_dn and bind_password", true},
		{"context expired", windows("80090317"), true, "the login's security context has expired", "ticket", true},
		{"unknown sub-code", windows("abc"), true, "the server refuses the login", "each attempt counts towards a lockout", true},

		{"OpenLDAP login", answered(49, ""), false, "the name or the password is wrong, or the account is locked: the server does not say which (result code 49)", "check bind_dn", true},
		{"OpenLDAP locked", policy(answered(49, ""), 1), false, "the account is locked (result code 49)", "each attempt may lock it anew", true},
		{"OpenLDAP expired", policy(answered(49, ""), 0), false, "the account's password has expired, and no login is left", "set a new password", true},
		{"policy says nothing", policy(answered(49, ""), -1), false, "the name or the password is wrong", "check bind_dn", true},
		{"OpenLDAP must change", answered(50, "Operations are restricted to bind/unbind/abandon/StartTLS/modify password"), false, "the account must change its password before", "without the demand", false},
		{"OpenLDAP empty password", answered(53, "unauthenticated bind (DN with no password) disallowed"), false, "the server refuses a login with a name and an empty password", "it is empty", true},
		{"OpenLDAP demands login", answered(8, "authentication required"), false, "the server answers only those who have logged in", "set bind_dn", false},
		{"OpenLDAP demands authentication", answered(53, "authentication required"), false, "the server answers only those who have logged in", "set bind_dn", false},
		{"OpenLDAP no anonymous", answered(48, "anonymous bind disallowed"), false, "the server does not accept this kind of login", "set bind_dn", true},
		{"389 expired", answered(49, "password expired!"), false, "the account's password has expired", "set a new password", true},
		{"389 inactive", answered(53, "Account inactivated. Contact system administrator."), false, "the account is disabled", "enable", true},
		{"389 locked", answered(19, "Exceed password retry limit. Please try later."), false, "the account is locked after too many failed logins", "unlock it", true},
		{"no password", answered(goldap.ErrorEmptyPassword, "ldap: empty password not allowed by the client"), false, "the password is empty", "bind_password", true},

		{"signing", answered(8, "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\\TLS are not already active on the connection, data 0, v2580\x00"), true,
			"the server demands signing or encryption and accepts no password in clear", "ldaps://", false},
		{"Samba, simple login", answered(8, "BindSimple: Transport encryption required."), true, "the server demands signing or encryption", "start_tls", false},
		{"Samba, Kerberos", answered(8, "SASL:[GSSAPI]: Sign or Seal are required."), true, "the server does not accept a Kerberos login over TLS", "allow_sasl_over_tls", false},
		{"Samba, Kerberos over TLS", answered(8, "SASL:[GSSAPI]: not allowed if TLS is used."), true, "the server does not accept a Kerberos login over TLS", "allow_sasl_over_tls", false},
		{"confidentiality", answered(13, "TLS confidentiality required"), false, "the server demands encryption", "start_tls", false},
		{"StartTLS", fmt.Errorf("StartTLS: %w", answered(2, "unsupported extended operation")), false, "the server does not begin TLS on this connection (StartTLS) (result code 2: unsupported extended operation)", "certificate", false},
		{"mechanism", answered(7, "SASL(-4): no mechanism available"), false, "the server does not offer this way to log in", "kerberos", false},

		{"nobody", answered(1, "000004DC: LdapErr: DSID-0C0907E1, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v1db1\x00"), true,
			"the server answers only those who have logged in", "set bind_dn", false},
		{"Samba, nobody", answered(1, "00002020: Operation unavailable without authentication"), true, "the server answers only those", "kerberos", false},
		{"size limit", answered(4, ""), false, "the server's size limit ended the search before its last entry (result code 4)", "page by page", false},
		{"time limit", answered(3, ""), false, "the server's time limit", "narrower", false},
		{"admin limit", answered(11, ""), false, "an administrative limit", "index", false},
		{"referral", answered(10, "0000202B: RefErr: DSID-03100835, data 0, 1 access points\n\tref 1: 'corp.example.com'\n\x00"), true,
			"the server does not hold this part of the directory and refers to another (result code 10: 0000202B: RefErr: DSID-03100835, data 0, 1 access points ref 1: 'corp.example.com')", "correct base_dn", false},
		{"cookie", answered(12, "00000057: LdapErr: DSID-0C090AA9, comment: Error processing control, data 0, v2580\x00"), true, "the server lost its place in the paged search", "at the same time", false},
		{"control", answered(12, "critical extension is not recognized"), false, "the server does not know a control", "", false},
		{"base", &goldap.Error{ResultCode: 32, MatchedDN: "DC=corp,DC=example", Err: errors.New("")}, false, `there is no such entry, and the nearest one above it is "DC=corp,DC=example" (result code 32)`, `escaped by \`, false},
		{"hidden base", answered(32, ""), false, "there is no such entry, or none that this account may see", "correct base_dn", false},
		{"DN", answered(34, "invalid DN"), false, "the server cannot read the distinguished name (result code 34: invalid DN)", "# or blank", false},
		{"right", answered(50, ""), false, "the account may not read this", "give the account the right", false},
		{"busy", answered(51, ""), true, "the server is too busy", "try again later", false},
		{"unavailable", answered(52, ""), true, "the server is not available", "try again later", false},
		{"unwilling", answered(53, "consumer state is newer than provider!"), false, "the server is not willing to do this", "", false},
		{"another code", answered(80, "whatever"), false, "the server failed for a reason that LDAP has no code for (result code 80: whatever)", "log", false},
		{"cut off", answered(200, "unable to read LDAP response packet: unexpected EOF"), false, "the server, or something on the way to it, closed the connection", "client certificate", false},
		{"cut off while asked", errors.New("unable to send request: write tcp 127.0.0.1:1->127.0.0.1:636: write: broken pipe"), false, "the server, or something on the way to it, closed the connection", "client certificate", false},
		{"wrapped", fmt.Errorf("scope %q: %w", "staff", answered(51, "")), false, "the server is too busy", "", false},
		{"long text", answered(51, strings.Repeat("0123456789", 100)), false, "the server is too busy (result code 51: " + strings.Repeat("0123456789", 30) + "…)", "", false},

		{"Kerberos principal", kerberos("KRB Error: (6) KDC_ERR_C_PRINCIPAL_UNKNOWN Client not found in Kerberos database"), true, "the Kerberos realm has no such principal", "upper case", true},
		{"Kerberos service", kerberos("KRB Error: (7) KDC_ERR_S_PRINCIPAL_UNKNOWN Server not found in Kerberos database"), true, "the Kerberos realm does not know the server's service", "set service", false},
		{"Kerberos keys", kerberos("KRB Error: (14) KDC_ERR_ETYPE_NOSUPP KDC has no support for encryption type"), true, "the Kerberos realm supports none", "AES", false},
		{"Kerberos policy", kerberos("KRB Error: (12) KDC_ERR_POLICY KDC policy rejects request"), true, "a policy of the Kerberos realm", "logon hours", true},
		{"Kerberos revoked", kerberos("KRB Error: (18) KDC_ERR_CLIENT_REVOKED Clients credentials have been revoked"), true, "the account is disabled, locked or expired (KDC_ERR_CLIENT_REVOKED)", "lock the account anew", true},
		{"Kerberos expired", kerberos("KRB Error: (23) KDC_ERR_KEY_EXPIRED Password has expired; change password to reset"), true, "the account's password has expired", "keytab", true},
		{"Kerberos password", kerberos("KRB Error: (24) KDC_ERR_PREAUTH_FAILED Pre-authentication information was invalid"), true, "the keytab does not hold the account's present password", "export", true},
		{"Kerberos ticket", kerberos("KRB Error: (32) KRB_AP_ERR_TKT_EXPIRED Ticket expired"), true, "the Kerberos ticket has expired", "new ticket", true},
		{"Kerberos clock", kerberos("KRB Error: (37) KRB_AP_ERR_SKEW Clock skew too great"), true, "this machine's clock", "set the clock", false},
		{"Kerberos wrong key", kerberos("KRB Error: (41) KRB_AP_ERR_MODIFIED Message stream modified"), true, "the server cannot read the Kerberos ticket", "service", false},
		{"keytab", errors.New("[Root cause: Encrypting_Error] Encrypting_Error: matching key not found in keytab. Looking for \"svc\" realm: CORP"), true, "the keytab holds no key of the principal", "klist -k", true},
		{"Kerberos network", errors.New("[Root cause: Networking_Error] Networking_Error: AS Exchange Error: failed sending AS_REQ to KDC"), true, "no Kerberos server of the realm answers", "port 88", false},

		{"DNS", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "dc9.corp.example.com", IsNotFound: true}}, false, "DNS knows no address of dc9.corp.example.com", "spelling", false},
		{"DNS silent", &net.DNSError{Err: "i/o timeout", Name: "dc9.corp.example.com", IsTimeout: true}, false, "DNS does not answer for dc9.corp.example.com", "DNS server", false},
		{"refused", tcp(os.NewSyscallError("connect", syscall.ECONNREFUSED)), false, "nothing listens at 192.0.2.1:636", "636 is for ldaps://", false},
		{"refused on Windows", tcp(os.NewSyscallError("connectex", wsaRefused)), false, "nothing listens at 192.0.2.1:636", "host and port", false},
		{"no route", tcp(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), false, "no way leads to 192.0.2.1:636", "firewalls", false},
		{"reset", tcp(os.NewSyscallError("read", syscall.ECONNRESET)), false, "the server, or something on the way to it, closed", "what the URL says", false},
		{"silence", tcp(os.ErrDeadlineExceeded), false, "192.0.2.1:636 does not answer", "firewall", false},
		{"end", io.EOF, false, "the server, or something on the way to it, closed", "", false},

		{"closed in the handshake", &handshakeError{io.EOF, &asked{}}, false, "the server, or something on the way to it, closed the connection in the TLS handshake", "a server without a certificate does so, too", false},
		{"expired authority", x509.CertificateInvalidError{Cert: &x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "Corp CA"}}, Reason: x509.Expired, Detail: "is after"}, false, `the certificate "CN=Corp CA" expired on `, "put the new one into ca_file", false},
		{"suite that was not offered", errors.New("tls: server chose an unconfigured cipher suite"), false, "the server and rollcall have no cipher suite in common", "ECDHE", false},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, false, "no TLS is spoken at this port", "start_tls", false},
		{"old TLS", errors.New("tls: server selected unsupported protocol version 301"), false, "the server speaks no TLS 1.2", "update", false},
		{"client certificate", &net.OpError{Op: "remote error", Err: tls.AlertError(48)}, false, "the server does not accept the client certificate", "client_cert", false},
		{"handshake", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, false, "the server and rollcall have no cipher suite in common", "ECDHE", false},
		{"negative serial number", errors.New("tls: failed to parse certificate from server: x509: negative serial number"), true, "the server's certificate has a negative serial number", "tls certfile", false},
		{"self-signed", unverified(x509.UnknownAuthorityError{Cert: cert("dc1", "dc1")}, cert("dc1", "dc1")), false, `the server's certificate "CN=dc1" is self-signed`, "ca_file", false},
		{"authority", unverified(x509.UnknownAuthorityError{Cert: cert("dc1", "Corp CA")}, cert("dc1", "Corp CA")), false,
			`the server's certificate comes from the authority "CN=Corp CA", which is not trusted here`, `the certificate of "CN=Corp CA", in PEM; if that is no root`, false},
		{"root", unverified(x509.UnknownAuthorityError{Cert: cert("Corp CA", "Corp CA")}, cert("dc1", "Corp CA"), cert("Corp CA", "Corp CA")), false,
			`the server's certificate comes from the authority "CN=Corp CA"`, `set ca_file to the certificate of "CN=Corp CA", in PEM`, false},
		{"host", x509.HostnameError{Certificate: cert("dc1", "Corp CA", "dc1.corp.example.com", "dc1"), Host: "dc2.corp.example.com"}, false,
			"the server's certificate is for dc1.corp.example.com, dc1, not for dc2.corp.example.com", "name the server in urls", false},
		{"no host", x509.HostnameError{Certificate: cert("dc1", "Corp CA"), Host: "dc1"}, false, `the server's certificate "CN=dc1" names no host`, "subject alternative name", false},
		{"expired", expired("current time 2026-11-21T00:00:00Z is after 2026-01-31T00:00:00Z"), false, `the certificate "CN=dc1" expired on 2026-01-31T00:00:00Z`, "renew", false},
		{"not yet valid", expired("current time 2024-11-21T00:00:00Z is before 2025-01-31T00:00:00Z"), false, `the certificate "CN=dc1" is not valid before 2025-01-31T00:00:00Z`, "clock", false},

		{"interrupted", context.Canceled, false, "context canceled", "", false},
		{"anything else", &url.Error{Op: "parse", URL: "x", Err: errors.New("bad")}, false, `parse "x": bad`, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := explain(test.err, test.ad)
			if !strings.HasPrefix(got.Error(), test.words) {
				t.Errorf("says  %s\nwants %s", got, test.words)
			}
			hint := ""
			if h := interface{ Hint() string }(nil); errors.As(got, &h) {
				hint = h.Hint()
			}
			if !strings.Contains(hint, test.hint) || test.hint == "" && test.words == test.err.Error() && hint != "" {
				t.Errorf("hint  %s\nwants %s", hint, test.hint)
			}
			if strings.ContainsAny(got.Error(), "\x00\n\t") {
				t.Errorf("%q is not one line", got)
			}
			if !errors.Is(got, test.err) {
				t.Error("the error itself is lost")
			}
			if again := explain(fmt.Errorf("at %w", got), test.ad); !strings.HasPrefix(again.Error(), "at "+test.words) {
				t.Errorf("explained twice it says %s", again)
			}
			for _, err := range []error{test.err, got} {
				if refused(err) != test.refused {
					t.Errorf("refused(%v) = %v", err, !test.refused)
				}
			}
		})
	}
}

// TestSubCodesAreExplained holds every sub-code to its own words.
func TestSubCodesAreExplained(t *testing.T) {
	if err := explain(nil, true); err != nil || refused(nil) {
		t.Errorf("nothing is explained as %v", err)
	}
	for code, want := range subCodes {
		if got := explain(windows(code), true); !strings.HasPrefix(got.Error(), want.words+" (") {
			t.Errorf("data %s: %s", code, got)
		}
	}
}

func TestPolicyWarning(t *testing.T) {
	for _, test := range []struct {
		expire, grace int64
		code          int8
		want          string
	}{
		{-1, -1, -1, ""},
		{90000, -1, -1, "the password expires in 25 hours"},
		{-1, 1, -1, "the password has expired, and 1 login is left"},
		{-1, 2, -1, "the password has expired, and 2 logins are left"},
		{-1, -1, 2, "the account's password was reset and must be changed before it can be used"},
	} {
		if got := policyWarning(&goldap.ControlBeheraPasswordPolicy{Expire: test.expire, Grace: test.grace, Error: test.code}); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if got := policyWarning(nil); got != "" {
		t.Errorf("no reply is reported as %q", got)
	}
}

func tcp(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 636}, Err: err}
}

func cert(name, issuer string, hosts ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, RawSubject: []byte(name),
		Issuer: pkix.Name{CommonName: issuer}, RawIssuer: []byte(issuer),
		DNSNames:  hosts,
		NotBefore: time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
	}
}

func unverified(err error, chain ...*x509.Certificate) error {
	return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
}

func expired(detail string) error {
	return unverified(x509.CertificateInvalidError{Cert: cert("dc1", "Corp CA"), Reason: x509.Expired, Detail: detail}, cert("dc1", "Corp CA"))
}

// TestFileErrors: a file that cannot be used is reported with the attribute that
// names it, and what to do.
func TestFileErrors(t *testing.T) {
	ca := servertest.NewCA(t)
	mine, theirs := ca.Issue(t, servertest.Leaf{}), ca.Issue(t, servertest.Leaf{})
	for _, c := range []struct {
		name    string
		options Options
		words   string
		hint    string
	}{
		{"no authority", Options{CAFile: "nix.pem"}, "ca_file nix.pem: ", "who may read it"},
		{"no certificate in it", Options{CAFile: mine.KeyFile}, "ca_file " + mine.KeyFile + ": it holds no certificate in PEM", "BEGIN CERTIFICATE"},
		{"no client certificate", Options{ClientCert: "nix.pem", ClientKey: mine.KeyFile}, "client_cert nix.pem: ", "who may read it"},
		{"no key", Options{ClientCert: mine.CertFile, ClientKey: "nix.key"}, "client_key nix.key: ", "who may read it"},
		{"the key of another", Options{ClientCert: mine.CertFile, ClientKey: theirs.KeyFile}, "client_cert " + mine.CertFile + " with client_key " + theirs.KeyFile + ": tls: private key does not match", "belongs to it"},
		{"no krb5.conf", Options{Kerberos: &Kerberos{Config: "nix.conf", Keytab: mine.KeyFile}}, "kerberos config nix.conf: ", "who may read it"},
		{"no keytab", Options{Kerberos: &Kerberos{Config: mine.KeyFile, Keytab: "nix.keytab"}}, "kerberos keytab nix.keytab: ", "who may read it"},
		{"no cache", Options{Kerberos: &Kerberos{Config: mine.KeyFile, Cache: "nix"}}, "kerberos cache nix: ", "who may read it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(c.options)
			_, err := s.tlsConfig(target{host: "dc1"})
			if c.options.Kerberos != nil {
				err = s.bindKerberos(nil)
			}
			var file *fileError
			if !errors.As(err, &file) || !strings.HasPrefix(err.Error(), c.words) || !strings.Contains(file.Hint(), c.hint) {
				t.Errorf("got %v", err)
			}
		})
	}
}

package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// explained is an error of a server, the network or TLS in plain words, with
// what the server itself said.
type explained struct {
	words, hint string
	err         error
}

func (e *explained) Error() string { return e.words }
func (e *explained) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *explained) Hint() string { return e.hint }

// explain puts the failure of a connection, a login or a search into words. An
// error that it has no words for, or that has them already, is returned as it
// is. ad is true for domain controllers.
func explain(err error, ad bool) error {
	var done *explained
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	for _, reason := range []func(error, bool) (string, string){resultReason, kerberosReason, certificateReason, networkReason} {
		if words, hint := reason(err, ad); words != "" {
			return &explained{words, hint, err}
		}
	}
	return err
}

// refused reports whether the error of a login says that the credentials are
// not accepted, so that the same ones must not be tried again, here or on
// another server: each attempt counts towards a lockout.
func refused(err error) bool {
	var e *goldap.Error
	if err == nil {
		return false
	}
	if !errors.As(err, &e) {
		i := kerberosFault(err)
		return i >= 0 && kerberosReasons[i].refused
	}
	switch e.ResultCode {
	case goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication, goldap.ErrorEmptyPassword:
		return true
	case goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultConstraintViolation:
		// OpenLDAP and 389 Directory Server refuse logins so, the latter
		// because of an account that is inactive or locked.
		return loginText.MatchString(diagnostic(e))
	}
	return false
}

var loginText = regexp.MustCompile(`(?i)unauthenticated|inactivated|password|account`)

// reason is what a code means, and what to do.
type reason struct {
	words, hint string
}

// subCodes are the Windows error codes, in hexadecimal, by which Active
// Directory says why it answers a login with result code 49.
var subCodes = map[string]reason{
	"525": {"the directory has no account of this name", nameHint},
	"52e": {"the name or the password is wrong", nameHint + lockoutHint},
	"530": {"the account may not log in at this hour", "widen the account's logon hours (logonHours), or run at another time"},
	"531": {"the account may not log in from this computer", `add this computer to the account's "Log On To" list (userWorkstations), or clear the list`},
	"532": {"the account's password has expired", "set a new password, and for a service account one that does not expire"},
	"533": {"the account is disabled", "enable the account, or name another one"},
	"568": {"the account is a member of too many groups for a login", "take the account out of groups, or name one made for this purpose"},
	"57":  {"the server does not accept the login's parameters, as when it demands channel binding", bindingHint},
	"701": {"the account has expired", "move the account's expiry date (accountExpires), or clear it"},
	"773": {"the account's password must be changed before it can be used", `set a new password without "User must change password at next logon"`},
	"775": {"the account is locked out", "find out what locks the account, unlock it, and only then try again: each attempt may lock it anew"},

	"80090346": {"the server demands channel binding, and the login gave none that fits", bindingHint},
	"80090317": {"the login's security context has expired", "get a new Kerberos ticket, and compare this machine's clock with the server's"},
}

const (
	nameHint    = `check bind_password, and bind_dn: a distinguished name, a user principal name such as svc@corp.example.com, or CORP\svc`
	lockoutHint = "; each attempt counts towards a lockout of the account"
	bindingHint = "log in with bind_dn and bind_password over ldaps:// or start_tls: channel binding concerns Kerberos and NTLM only"
	escapeHint  = `in a DN the characters , + " \ < > ; and a # or blank at the beginning of a value are escaped by \, and in HCL \ is written \\`
	anotherHint = "try again later, or name more servers in urls"
	closedWords = "the server, or something on the way to it, closed the connection"
	closedHint  = "see the server's log: it may demand a client certificate (client_cert), have too many connections, or be stopping"
	secureHint  = "use ldaps://, or set start_tls = true"
	logHint     = "see the server's log of this moment"
	pagingHint  = `let this account read page by page (RFC 2696); if a proxy or a backend cannot, name the server behind it in urls, or export LDIF and read that with kind = "ldif"`
	loginHint   = "set bind_dn and bind_password, or log in with kerberos or client_cert"
)

var subCode = regexp.MustCompile(`\bdata ([0-9a-f]+)\b`)

// resultReason explains result codes (RFC 4511 section 4.1.9 and appendix A).
func resultReason(err error, ad bool) (words, hint string) {
	var e *goldap.Error
	if !errors.As(err, &e) {
		return "", ""
	}
	said := diagnostic(e)
	var r reason
	var unsent *unsentError
	switch {
	case strings.HasPrefix(err.Error(), "StartTLS: ") && e.ResultCode < goldap.ErrorNetwork:
		r = reason{"the server does not begin TLS on this connection (StartTLS)", "the server needs a certificate of its own; or use ldaps://"}
	case errors.As(err, new(*cookieError)):
		r = lostPlace
	case errors.As(err, &unsent) && e.ResultCode < goldap.ErrorNetwork:
		r = unsent.reason()
	default:
		r = resultCode(e, said, ad)
	}
	if errors.As(err, new(*farewellError)) {
		r = reason{"the server ended the connection: " + r.words, cmp.Or(r.hint, closedHint)}
	}
	var policy *policyError
	if errors.As(err, &policy) {
		if words := policyErrors[policy.policy.Error]; words.words != "" {
			r = words
		}
	}
	if r.words == "" || e.ResultCode >= goldap.ErrorNetwork {
		return r.words, r.hint
	}
	answer := fmt.Sprintf(" (result code %d", e.ResultCode)
	if said != "" {
		answer += ": " + said
	}
	return r.words + answer + ")", r.hint
}

// cookieError is the refusal of a page after the first.
type cookieError struct{ err error }

func (e *cookieError) Error() string { return e.err.Error() }
func (e *cookieError) Unwrap() error { return e.err }

// ofPage marks an error of a page that says that the cookie of the page before is
// not known: servers do so in several ways.
func ofPage(err error, page int) error {
	if page > 1 && goldap.IsErrorAnyOf(err, goldap.LDAPResultProtocolError, goldap.LDAPResultUnavailableCriticalExtension, goldap.LDAPResultUnwillingToPerform) ||
		page > 1 && isAnswer(err) && strings.Contains(err.Error(), "00002040") {
		return &cookieError{err}
	}
	return err
}

var lostPlace = reason{"the server lost its place in the paged search",
	"if a load balancer spreads the requests over several servers, name one server in urls; else run fewer programs that read this server at the same time"}

func resultCode(e *goldap.Error, said string, ad bool) reason {
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(said), strings.ToLower(text)) })
	}
	switch e.ResultCode {
	case goldap.LDAPResultOperationsError:
		if has("000004DC", "00002020", "successful bind", "without authentication") {
			return reason{"the server answers only those who have logged in", loginHint}
		}
		return reason{"the server could not do what was asked", logHint + "; another server may do it"}
	case goldap.LDAPResultProtocolError:
		return reason{"the server does not understand the request", logHint + "; a proxy may not pass on all of LDAP version 3: name the server itself in urls"}
	case goldap.LDAPResultTimeLimitExceeded:
		return reason{"the server's time limit ended the search before its last entry", "raise the limit for this account, or make base_dn and filter narrower"}
	case goldap.LDAPResultSizeLimitExceeded:
		return reason{"the server's size limit ended the search before its last entry", "let this account read any number of entries, page by page"}
	case goldap.LDAPResultAdminLimitExceeded:
		switch {
		case has("page size"):
			return reason{"the server gives this account no pages of this size", "lower page_size in the directory block"}
		case has("paged", "paging"):
			return reason{"the server does not let this account read page by page", pagingHint}
		}
		return reason{"an administrative limit of the server ended the search before its last entry", "raise the limit for this account, or index the attributes of the filter"}
	case goldap.LDAPResultAuthMethodNotSupported:
		return reason{"the server does not offer this way to log in", "log in another way: bind_dn, client_cert or kerberos"}
	case goldap.LDAPResultStrongAuthRequired:
		switch {
		case has("not allowed if TLS is used", "sign or seal"):
			return reason{"the server does not accept a Kerberos login over TLS without signing", `on Samba set "ldap server require strong auth = allow_sasl_over_tls"; or log in with bind_dn and bind_password`}
		case has("authentication required"):
			return reason{"the server answers only those who have logged in", loginHint}
		}
		return reason{"the server demands signing or encryption and accepts no password in clear", secureHint}
	case goldap.LDAPResultConfidentialityRequired:
		return reason{"the server demands encryption", secureHint}
	case goldap.LDAPResultReferral:
		return reason{"the server does not hold this part of the directory and refers to another", "correct base_dn, or name a server of its domain in urls"}
	case goldap.LDAPResultUnavailableCriticalExtension:
		switch {
		case has("00000057"):
			return lostPlace
		case has("search filter"):
			return reason{"the server cannot evaluate the filter", "write the filter of the scope with fewer or other tests, such as without matching rules by OID"}
		}
		return reason{"the server does not know a control that the search needs", pagingHint}
	case goldap.LDAPResultConstraintViolation:
		if loginText.MatchString(said) {
			return reason{"the account is locked after too many failed logins", subCodes["775"].hint}
		}
	case goldap.LDAPResultNoSuchObject:
		if e.MatchedDN != "" {
			return reason{fmt.Sprintf("there is no such entry, and the nearest one above it is %q", e.MatchedDN), "correct base_dn; " + escapeHint}
		}
		return reason{"there is no such entry, or none that this account may see", "correct base_dn; " + escapeHint}
	case goldap.LDAPResultInvalidDNSyntax:
		return reason{"the server cannot read the distinguished name", escapeHint}
	case goldap.LDAPResultInappropriateAuthentication:
		return reason{"the server does not accept this kind of login for this account", loginHint}
	case goldap.LDAPResultInvalidCredentials:
		if m := subCode.FindStringSubmatch(said); m != nil {
			if r, ok := subCodes[m[1]]; ok {
				return r
			}
		}
		if has("password expired") { // 389 Directory Server
			return subCodes["532"]
		}
		if ad {
			return reason{"the server refuses the login", nameHint + lockoutHint}
		}
		return reason{"the name or the password is wrong, or the account is locked: the server does not say which",
			"check bind_dn, a distinguished name such as cn=reader,dc=example,dc=com, and bind_password"}
	case goldap.LDAPResultInsufficientAccessRights:
		if has("modify password") {
			return reason{"the account must change its password before it may do anything else", policyErrors[2].hint}
		}
		return reason{"the account may not read this", "give the account the right to read base_dn and everything below it"}
	case goldap.LDAPResultBusy:
		return reason{"the server is too busy", anotherHint}
	case goldap.LDAPResultUnavailable:
		return reason{"the server is not available: it is starting, stopping or being maintained", anotherHint}
	case goldap.LDAPResultUnwillingToPerform:
		switch {
		case has("unauthenticated"):
			return reason{"the server refuses a login with a name and an empty password", "check where bind_password comes from: it is empty"}
		case has("inactivated"):
			return subCodes["533"]
		case has("authentication required"):
			return reason{"the server answers only those who have logged in", loginHint}
		}
		return reason{"the server is not willing to do this", logHint}
	case goldap.LDAPResultOther:
		return reason{"the server failed for a reason that LDAP has no code for", logHint + "; its database may be damaged or a server behind it not answer"}
	case goldap.ErrorEmptyPassword:
		return reason{"the password is empty", "check where bind_password comes from"}
	case goldap.ErrorNetwork:
		text := e.Err.Error()
		if strings.Contains(text, "EOF") || strings.Contains(text, "closed") || strings.Contains(text, "reset") {
			return reason{closedWords, closedHint}
		}
		return reason{text, ""}
	}
	return reason{strings.ToLower(cmp.Or(goldap.LDAPResultCodeMap[e.ResultCode], "the server refused")), logHint}
}

// policyErrors are those of the password policy control
// (draft-behera-ldap-password-policy-10 section 6.2) that concern a login.
var policyErrors = map[int8]reason{
	0: {"the account's password has expired, and no login is left", subCodes["532"].hint},
	1: {"the account is locked", subCodes["775"].hint},
	2: {"the account's password was reset and must be changed before it can be used", "change the password as the account itself, or have it set without the demand to change it"},
}

// policyWarning says what the password policy says of a login that was
// accepted, or "" for nothing.
func policyWarning(p *goldap.ControlBeheraPasswordPolicy) string {
	switch {
	case p == nil:
		return ""
	case policyErrors[p.Error].words != "":
		return policyErrors[p.Error].words
	case p.Grace >= 0:
		return fmt.Sprintf("the password has expired, and %s left", count(int(p.Grace), "login is", "logins are"))
	case p.Expire >= 0:
		return "the password expires in " + period(time.Duration(p.Expire)*time.Second)
	}
	return ""
}

// period writes how long something lasts, in words that are exact enough.
func period(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return count(int(d/(24*time.Hour)), "day", "days")
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), "hour", "hours")
	}
	return count(int(d/time.Minute), "minute", "minutes")
}

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// kerberosReasons explain errors of Kerberos (RFC 4120 section 7.5.9), which
// the library gives as text.
var kerberosReasons = []struct {
	text string
	reason
	refused bool
}{
	{"KDC_ERR_C_PRINCIPAL_UNKNOWN", reason{"the Kerberos realm has no such principal", "check principal in the kerberos block; a realm is written in upper case"}, true},
	{"KDC_ERR_S_PRINCIPAL_UNKNOWN", reason{"the Kerberos realm does not know the server's service", "name the server in urls as the realm does, or set service in the kerberos block, such as ldap/dc1.corp.example.com"}, false},
	{"KDC_ERR_ETYPE_NOSUPP", reason{"the Kerberos realm supports none of the kinds of keys that are offered", "export the keytab anew with AES keys, and see what krb5.conf permits"}, false},
	{"KDC_ERR_POLICY", reason{"a policy of the Kerberos realm forbids this login", "see the account's logon hours and computers"}, true},
	{"KDC_ERR_CLIENT_REVOKED", reason{"the account is disabled, locked or expired", "find out which, and only then try again: each attempt may lock the account anew"}, true},
	{"KDC_ERR_KEY_EXPIRED", reason{"the account's password has expired", "set a new password and export the keytab anew"}, true},
	{"KDC_ERR_PREAUTH_FAILED", reason{"the keytab does not hold the account's present password", "export the keytab anew: each change of the password makes the old one useless"}, true},
	{"matching key not found in keytab", reason{"the keytab holds no key of the principal", "compare principal in the kerberos block with the list that klist -k prints"}, true},
	{"KRB_AP_ERR_TKT_EXPIRED", reason{"the Kerberos ticket has expired", "get a new ticket for the credential cache, or use a keytab"}, true},
	{"KRB_AP_ERR_SKEW", reason{"this machine's clock and the Kerberos server's differ by more than Kerberos allows", "set the clock: five minutes are usually allowed"}, false},
	{"clock skew with KDC too large", reason{"this machine's clock and the Kerberos server's differ by more than Kerberos allows", "set the clock: five minutes are usually allowed"}, false},
	{"KRB_AP_ERR_MODIFIED", reason{"the server cannot read the Kerberos ticket, which is for another account", "see that service in the kerberos block is one of this server's account"}, false},
	{"could not find TGT session for", reason{"the credential cache holds no ticket of the realm", "get a ticket of the server's realm for the credential cache, or use a keytab"}, true},
	{"no KDCs defined in configuration", noRealm, false},
	{"does not have any defined KDCs", noRealm, false},
	{"_kerberos._", reason{"krb5.conf names no Kerberos server of the realm, and DNS does not either", "check the realm in principal, which is written in upper case; or set kdc for it in [realms] of krb5.conf"}, false},
	{"no KDC SRV records found", reason{"krb5.conf names no Kerberos server of the realm, and DNS does not either", "check the realm in principal, which is written in upper case; or set kdc for it in [realms] of krb5.conf"}, false},
	{"error resolving KDC address", reason{"DNS knows no address of the realm's Kerberos server", "check kdc in [realms] of krb5.conf, and that this machine asks a DNS server that knows the name"}, false},
	{"error reading response", reason{"what answers for the realm's Kerberos server does not speak Kerberos", "check host and port of kdc in [realms] of krb5.conf; 88 is usual"}, false},
	{"Networking_Error", reason{"no Kerberos server of the realm answers", "see kdc in krb5.conf, and that port 88 can be reached"}, false},
}

// noRealm is a realm of which no server is known.
var noRealm = reason{"krb5.conf names no Kerberos server of the realm, and forbids to ask DNS for one", "check the realm in principal, which is written in upper case; set kdc for it in [realms] of krb5.conf, or dns_lookup_kdc = true"}

// kerberosFault returns the index of the error in kerberosReasons, or -1.
func kerberosFault(err error) int {
	text := err.Error()
	for i := range kerberosReasons {
		if strings.Contains(text, kerberosReasons[i].text) {
			return i
		}
	}
	return -1
}

func kerberosReason(err error, _ bool) (words, hint string) {
	if i := kerberosFault(err); i >= 0 {
		r := kerberosReasons[i]
		return r.words + " (" + r.text + ")", r.hint
	}
	return "", ""
}

// certificateReason explains why TLS was not established.
func certificateReason(err error, _ bool) (words, hint string) {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		noTLS   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		var chain []*x509.Certificate
		if errors.As(err, &verify) {
			chain = verify.UnverifiedCertificates
		}
		return unknownAuthority(unknown, chain)
	case errors.As(err, &host):
		return wrongHost(host)
	case errors.As(err, &invalid):
		return invalidCertificate(invalid)
	case strings.Contains(err.Error(), "x509: negative serial number"):
		return "the server's certificate has a negative serial number, which RFC 5280 section 4.1.2.2 forbids; Samba makes itself such ones",
			"give the server a certificate of your own authority (in Samba's smb.conf: tls certfile, tls keyfile, tls cafile)"
	case errors.As(err, &noTLS):
		return "no TLS is spoken at this port", "ldaps:// is for port 636; for port 389 write ldap:// and set start_tls = true"
	case alertOf(err) != "":
		return alertReason(err)
	case strings.Contains(err.Error(), "unsupported protocol version"): // crypto/tls's
		return oldTLS.words, oldTLS.hint
	case strings.Contains(err.Error(), "unconfigured cipher suite"):
		return oldCiphers.words, oldCiphers.hint
	}
	return "", ""
}

// alertOf returns the text of the TLS alert by which a server ended a
// connection, or "". crypto/tls gives an alert that came over TCP as the cause of
// a "remote error", of a type that it keeps to itself.
func alertOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" && op.Err != nil {
		return op.Err.Error()
	}
	return ""
}

var (
	oldTLS     = reason{"the server speaks no TLS 1.2 or later", "enable TLS 1.2 or 1.3 on the server, or update it"}
	oldCiphers = reason{"the server and rollcall have no cipher suite in common",
		"enable TLS 1.3 on the server, or for TLS 1.2 suites with ECDHE such as ECDHE-RSA-AES128-GCM-SHA256: key exchange by RSA alone is not offered, since it has no forward secrecy"}
)

// alerts are those of TLS (RFC 8446 section 6.2, RFC 5246 section 7.2.2) that
// have a reason of their own.
var alerts = map[tls.AlertError]reason{
	40:  oldCiphers, // handshake_failure
	71:  oldCiphers, // insufficient_security
	70:  oldTLS,     // protocol_version
	86:  oldTLS,     // inappropriate_fallback
	80:  {"the server failed in the TLS handshake", "see the server's log: its certificate or key may be missing"},
	112: {"the server has no certificate for the name by which it is asked", "name the server in urls as its certificate does"},
}

// aboutCertificate are the alerts that speak of the client's certificate.
var aboutCertificate = []tls.AlertError{41, 42, 43, 44, 45, 46, 48, 49, 116}

func alertReason(err error) (words, hint string) {
	text := alertOf(err)
	var handshake *handshakeError
	a := &asked{}
	if errors.As(err, &handshake) {
		a = handshake.asked
	}
	r := reason{"the server broke off the TLS handshake", "see the server's log"}
	for alert, known := range alerts {
		if alert.Error() == text {
			r = known
		}
	}
	// A server asks for a certificate after it has chosen version and suite.
	is := func(alert tls.AlertError) bool { return alert.Error() == text }
	switch failed := is(40); {
	case !slices.ContainsFunc(aboutCertificate, is) && !(failed && a.certificate):
	case a.certificate && !a.given && len(a.authorities) > 0:
		r = reason{"the server demands a client certificate of an authority that it knows", "set client_cert to a certificate that is issued by " + either(a.authorities)}
	case a.certificate && !a.given:
		r = reason{"the server demands a client certificate", "set client_cert and client_key"}
	default:
		r = reason{"the server does not accept the client certificate", "see that client_cert is issued by an authority that the server trusts, and has not expired"}
	}
	return r.words + " (" + text + ")", r.hint
}

// reason says why a client certificate was not sent.
func (e *unsentError) reason() reason {
	if !e.asked.certificate {
		return reason{"the server asks for no client certificate, so that nobody is logged in by client_cert", "let the server ask for client certificates (OpenLDAP: TLSVerifyClient try), or log in another way: bind_dn or kerberos"}
	}
	return reason{"the server accepts no client certificate of the authority that issued client_cert", "set client_cert to a certificate that is issued by " + either(e.asked.authorities)}
}

// either lists a few names.
func either(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], " or ") + " or another that the server names"
	}
	return strings.Join(names, " or ")
}

// unknownAuthority names the authority whose certificate is missing, or says why
// the one of its name is of no use.
func unknownAuthority(e x509.UnknownAuthorityError, chain []*x509.Certificate) (words, hint string) {
	cert := e.Cert
	if cert == nil {
		return "the server's certificate is issued by an authority that is not trusted here", "set ca_file to the certificate of that authority, in PEM"
	}
	last := cert
	if len(chain) > 0 {
		last = chain[len(chain)-1]
	}
	if len(chain) <= 1 && selfSigned(last) {
		return fmt.Sprintf("the server's certificate %q is self-signed and not trusted here", nameOf(last)),
			"set ca_file to this certificate, in PEM, or better give the server one of an authority"
	}
	// crypto/x509 says what it tried in the text alone.
	switch said := e.Error(); {
	case strings.Contains(said, "insecure algorithm"):
		if i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return !selfSigned(c) && outdated[c.SignatureAlgorithm] }); i >= 0 {
			cert = chain[i]
		}
		return fmt.Sprintf("the certificate %q is signed with %s, which can be forged and is not accepted", nameOf(cert), cert.SignatureAlgorithm),
			"have its authority issue it anew, signed with SHA-256 or better"
	case strings.Contains(said, "candidate authority certificate"):
		return fmt.Sprintf("the server's certificate is not signed by the authority %q that is trusted here, but by another of the same name: it was renewed, or is not genuine", last.Issuer.String()),
			"ask for the authority's new certificate and add it to ca_file, in PEM; the old one may stay until no server needs it"
	}
	hint = fmt.Sprintf("set ca_file to the certificate of %q, in PEM", last.Issuer.String())
	if !selfSigned(last) {
		hint += "; if that is no root, the server should send it, too"
	}
	return fmt.Sprintf("the server's certificate comes from the authority %q, which is not trusted here", last.Issuer.String()), hint
}

// outdated are the signatures that crypto/x509 does not verify.
var outdated = map[x509.SignatureAlgorithm]bool{
	x509.MD2WithRSA: true, x509.MD5WithRSA: true, x509.SHA1WithRSA: true, x509.DSAWithSHA1: true, x509.ECDSAWithSHA1: true,
}

func selfSigned(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// nameOf returns what a certificate is called by.
func nameOf(c *x509.Certificate) string {
	return cmp.Or(c.Subject.String(), strings.Join(hostsOf(c), ", "))
}

// hostsOf returns the host names and addresses that a certificate is for.
func hostsOf(c *x509.Certificate) []string {
	hosts := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

func wrongHost(e x509.HostnameError) (words, hint string) {
	hosts := hostsOf(e.Certificate)
	if len(hosts) == 0 {
		return fmt.Sprintf("the server's certificate %q names no host (no subject alternative name), so not %s either", nameOf(e.Certificate), e.Host),
			"give the server a certificate with its host name as subject alternative name"
	}
	return fmt.Sprintf("the server's certificate is for %s, not for %s", strings.Join(hosts, ", "), e.Host),
		"name the server in urls as its certificate does, or give it a certificate for " + e.Host
}

func invalidCertificate(e x509.CertificateInvalidError) (words, hint string) {
	c := e.Cert
	if c == nil || e.Reason != x509.Expired {
		return "the server's certificate is not valid: " + strings.TrimPrefix(e.Error(), "x509: "), ""
	}
	if strings.Contains(e.Detail, "is before") {
		return fmt.Sprintf("the certificate %q is not valid before %s", nameOf(c), c.NotBefore.UTC().Format(time.RFC3339)), "compare this machine's clock with the server's"
	}
	words = fmt.Sprintf("the certificate %q expired on %s", nameOf(c), c.NotAfter.UTC().Format(time.RFC3339))
	if c.IsCA {
		return words, "renew the authority's certificate, and put the new one into ca_file"
	}
	return words, "renew the certificate on the server"
}

// Error numbers of Windows that [syscall] does not map.
const (
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaReset           = syscall.Errno(10054)
	wsaRefused         = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

// networkReason explains what DNS and TCP say.
func networkReason(err error, _ bool) (words, hint string) {
	var (
		dns     *net.DNSError
		op      *net.OpError
		timeout net.Error
		errno   syscall.Errno
	)
	at := "the server"
	if errors.As(err, &op) && op.Addr != nil {
		at = op.Addr.String()
	}
	errors.As(err, &errno)
	switch {
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "DNS knows no address of " + dns.Name, "check the spelling, and that this machine asks a DNS server that knows the name"
		}
		return "DNS does not answer for " + dns.Name, "see whether this machine's DNS server can be reached"
	case slices.Contains([]syscall.Errno{syscall.ECONNREFUSED, wsaRefused}, errno):
		return "nothing listens at " + at, "check host and port in urls, or the SRV records of domain, and that the server runs: 636 is for ldaps://, 389 for ldap://"
	case slices.Contains([]syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, wsaNetUnreachable, wsaHostUnreachable}, errno):
		return "no way leads to " + at, "check routes and firewalls between this machine and the server"
	case slices.Contains([]syscall.Errno{syscall.ECONNRESET, wsaReset}, errno), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		hint = "check that the port speaks what the URL says: 636 is for ldaps://, 389 for ldap://"
		if errors.As(err, new(*handshakeError)) {
			return closedWords + " in the TLS handshake", hint + "; a server without a certificate does so, too, and one without TLS 1.2 or without a suite with ECDHE"
		}
		return closedWords, hint
	case strings.HasPrefix(err.Error(), "unable to send request"): // go-ldap's
		return closedWords, closedHint
	case errors.As(err, &timeout) && timeout.Timeout():
		return at + " does not answer", "the server is down, or a firewall drops what is sent to it"
	}
	return "", ""
}

// diagnostic returns what a server said, on one line and not too long. Active
// Directory ends it with NUL.
func diagnostic(e *goldap.Error) string {
	if e.Err == nil {
		return ""
	}
	said := strings.Join(strings.Fields(strings.ReplaceAll(e.Err.Error(), "\x00", " ")), " ")
	const most = 300
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}

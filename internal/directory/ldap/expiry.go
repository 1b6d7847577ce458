package ldap

import (
	"crypto/x509"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/expiry"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// expiries are the ends of what a connection rests on: certificates, and the password
// of who is logged in, as far as the server says.
func (s *Source) expiries(c *conn, now time.Time) (all []identity.Expiry) {
	all = expiry.Certificates(c.target.url, c.chain)
	if c.client != nil {
		all = append(all, expiry.Certificates("the client, "+s.options.ClientCert, []*x509.Certificate{c.client})...)
	}
	o := &s.options
	login, remedy := o.BindDN, "set a new one in time, and for a service account one that does not expire"
	if o.Kerberos != nil {
		login, remedy = o.Kerberos.Principal, remedy+"; then write a new keytab"
	}
	if at, ok := s.passwordEnds(c, now); ok && login != "" {
		all = append(all, identity.Expiry{What: "the password of", Name: login, In: fmt.Sprintf(" in directory %q", o.Label), Person: true, At: at, Remedy: remedy})
	}
	return all
}

// passwordEnds is when the password of who is logged in expires, by what the server
// replied to the login, or by what Active Directory computes for the account.
func (s *Source) passwordEnds(c *conn, now time.Time) (time.Time, bool) {
	switch {
	case s.options.ActiveDirectory:
		return s.computedEnd(c)
	case c.policy != nil && c.policy.Error < 0 && c.policy.Grace >= 0:
		return now, true // it has ended, and a few logins are left
	case c.policy != nil && c.policy.Error < 0 && c.policy.Expire >= 0:
		return now.Add(time.Duration(c.policy.Expire) * time.Second), true
	}
	return time.Time{}, false
}

// computedEnd asks a domain controller when the password expires (MS-ADTS section
// 3.1.1.4.5.35); false where it does not say, or never.
func (s *Source) computedEnd(c *conn) (at time.Time, ok bool) {
	const attribute = "msDS-UserPasswordExpiryTimeComputed"
	name, _, _ := strings.Cut(s.options.BindDN, "@")
	if s.options.Kerberos != nil {
		name, _, _ = strings.Cut(s.options.Kerberos.Principal, "@")
	}
	base, scope, filter := c.root.defaultContext, goldap.ScopeWholeSubtree, "(sAMAccountName="+goldap.EscapeFilter(name)+")"
	switch dn := s.options.BindDN; {
	case name == "":
		return at, false
	case s.options.Kerberos != nil:
	case strings.Contains(dn, "="):
		base, scope, filter = dn, goldap.ScopeBaseObject, "(objectClass=*)"
	case strings.Contains(dn, `\`):
		_, name, _ = strings.Cut(dn, `\`)
		filter = "(sAMAccountName=" + goldap.EscapeFilter(name) + ")"
	default:
		filter = "(userPrincipalName=" + goldap.EscapeFilter(dn) + ")"
	}
	result, err := c.search(base, scope, filter, []string{attribute})
	if err != nil || len(result.Entries) != 1 {
		return at, false
	}
	ticks, err := strconv.ParseInt(result.Entries[0].GetEqualFoldAttributeValue(attribute), 10, 64)
	if err != nil || ticks <= 0 || ticks == math.MaxInt64 {
		return at, false
	}
	const epoch = 11_644_473_600 // seconds from 1601 to 1970
	return time.Unix(ticks/10_000_000-epoch, 0), true
}

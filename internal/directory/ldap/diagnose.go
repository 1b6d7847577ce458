package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Diagnose tests the way to every server, and on the first one that lets log in
// everything else that a read needs. It changes nothing, and stops to log in
// once a server has refused it. The error is that of ctx.
func (s *Source) Diagnose(ctx context.Context, scopes []directory.Scope, now func() time.Time, progress func(directory.Progress)) (*doctor.Report, error) {
	d := &diagnosis{Source: s, now: now, Report: doctor.Report{Name: s.options.Label}}
	d.all(ctx, scopes, progress)
	if d.conn != nil {
		d.conn.close()
	}
	return &d.Report, ctx.Err()
}

// diagnosis is one under way.
type diagnosis struct {
	doctor.Report
	*Source
	now  func() time.Time
	conn *conn // logged in on
}

func (d *diagnosis) all(ctx context.Context, scopes []directory.Scope, progress func(directory.Progress)) {
	t, login := d.enter(ctx)
	server := d.Check(doctor.Server, t.url, func(k *doctor.Check) { d.server(ctx, k) }, login)
	if d.options.BindDN != "" {
		d.Check(doctor.Password, t.url, d.password, server)
	}
	// adCheck tests what domain controllers alone have.
	adCheck := func(name string, test func(*doctor.Check)) {
		if !d.options.ActiveDirectory {
			return
		}
		d.Check(name, t.url, func(k *doctor.Check) {
			if !d.controller() {
				k.Skip("not tested, because this is no domain controller")
				return
			}
			test(k)
		}, server)
	}
	adCheck(doctor.Clock, d.clock)
	adCheck(doctor.Catalog, func(k *doctor.Check) { d.catalog(ctx, t, scopes, k) })
	needs := []*doctor.Check{server}
	var seen *directory.Scope // the first in which the account sees something
	for i := range scopes {
		subject := `scope "` + scopes[i].Name + `"`
		base := d.Check(doctor.Base, subject, func(k *doctor.Check) { d.base(ctx, &scopes[i], k) }, server)
		right := d.Check(doctor.Right, subject, func(k *doctor.Check) { d.right(ctx, &scopes[i], k) }, base)
		needs = append(needs, base, right)
		if seen == nil && right.Status == doctor.OK {
			seen = &scopes[i]
		}
	}
	needs = append(needs, d.Check(doctor.Paging, t.url, func(k *doctor.Check) { d.paging(ctx, seen, k) }, server))
	adCheck(doctor.Ranges, func(k *doctor.Check) { d.ranges(ctx, k) })
	d.Check(doctor.Changes, t.url, d.changes, server)
	adCheck(doctor.Deleted, func(k *doctor.Check) { d.deleted(ctx, k) })
	directory.Examine(ctx, d.Source, t.url, scopes, &d.Report, progress, needs...)
}

// fail ends a check with an error and its hint.
func fail(k *doctor.Check, err error, evidence ...string) {
	k.Fail(err.Error(), directory.HintOf(err), evidence...)
}

// enter goes to every server, and logs in on the first that can be reached and
// does not fail. It returns the server that is tested further, and the check of
// the login there.
func (d *diagnosis) enter(ctx context.Context) (target, *doctor.Check) {
	var targets []target
	var named []*doctor.Check
	if d.options.Domain != "" && len(d.options.URLs) == 0 {
		named = append(named, d.Check(doctor.DNS, d.options.Domain, func(k *doctor.Check) {
			var err error
			if targets, err = d.targets(ctx); err != nil {
				fail(k, err)
				return
			}
			words := "DNS names " + count(len(targets), "server", "servers")
			if site := d.options.Site; site != "" {
				name := d.options.serviceNames()[0]
				if records, err := d.lookup(ctx, name); err != nil || len(records) == 0 {
					k.Warn(fmt.Sprintf("%s, but none of site %q: those of the whole domain are used", words, site), "correct site, or ask DNS for SRV records of "+name, urls(targets)...)
					return
				}
			}
			k.Pass(words, urls(targets)...)
		}))
		if len(targets) == 0 {
			// The checks that follow are skipped, and say of which server.
			targets = []target{{url: d.options.Domain}}
		}
	} else {
		targets, _ = d.targets(ctx) // as configured
	}
	ways := make([]*doctor.Check, len(targets))
	var open []int
	for i, t := range targets {
		if ways[i] = d.way(ctx, t, named); ways[i].Status != doctor.Failed && ways[i].Status != doctor.Skipped {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return targets[0], d.login(ctx, targets[0], ways[0])
	}
	var chosen target
	var login *doctor.Check
	for _, i := range open {
		chosen, login = targets[i], d.login(ctx, targets[i], ways[i])
		if d.conn != nil || d.Refused {
			break
		}
	}
	return chosen, login
}

func urls(targets []target) []string {
	var list []string
	for _, t := range targets {
		list = append(list, t.url)
	}
	return list
}

// way tests how a server is reached, and returns the last of its checks.
func (d *diagnosis) way(ctx context.Context, t target, named []*doctor.Check) *doctor.Check {
	dns := d.Check(doctor.DNS, t.url, func(k *doctor.Check) {
		if net.ParseIP(t.host) != nil {
			k.Pass("the URL has an address, so DNS is not asked")
			return
		}
		limited, stop := context.WithTimeout(ctx, d.options.Timeout)
		defer stop()
		addresses, err := net.DefaultResolver.LookupHost(limited, t.host)
		if err != nil {
			fail(k, d.cause(ctx, nil, err))
			return
		}
		slices.Sort(addresses)
		k.Pass(t.host + " is " + strings.Join(addresses, ", "))
	}, named...)
	var nc net.Conn
	tcp := d.Check(doctor.TCP, t.url, func(k *doctor.Check) {
		began := d.now()
		var err error
		if nc, err = d.dial(ctx, t); err != nil {
			fail(k, d.cause(ctx, nil, err))
			return
		}
		k.Pass("connected to "+nc.RemoteAddr().String(), "in "+d.now().Sub(began).Round(time.Millisecond).String())
	}, dns)
	if nc != nil {
		defer nc.Close()
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	}
	return d.Check(doctor.TLS, t.url, func(k *doctor.Check) { d.tls(ctx, t, nc, k) }, tcp)
}

func (d *diagnosis) encrypted(t target) bool { return t.tls || d.options.StartTLS }

func (d *diagnosis) tls(ctx context.Context, t target, nc net.Conn, k *doctor.Check) {
	if !d.encrypted(t) {
		k.Warn("the connection is not encrypted: everybody on the way can read and change what it carries, the password too", secureHint+", and drop insecure")
		return
	}
	config, err := d.tlsConfig(t)
	if err != nil {
		fail(k, err)
		return
	}
	secure, err := d.encrypt(ctx, t, nc, config)
	if err != nil {
		var verify *tls.CertificateVerificationError
		var evidence []string
		if errors.As(err, &verify) {
			evidence = described(verify.UnverifiedCertificates)
		}
		fail(k, d.cause(ctx, nil, err), evidence...)
		return
	}
	state := secure.(*tls.Conn).ConnectionState()
	chain := slices.Clone(state.VerifiedChains[0])
	evidence := append([]string{tls.VersionName(state.Version)}, described(chain)...)
	if len(config.Certificates) > 0 {
		chain = append(chain, config.Certificates[0].Leaf)
		evidence = append(evidence, "client "+described(chain[len(chain)-1:])[0])
	}
	first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	if left := first.NotAfter.Sub(d.now()); left < doctor.Expiry {
		k.Warn(fmt.Sprintf("the certificate %q expires on %s, in %s", nameOf(first), first.NotAfter.UTC().Format(time.DateOnly), period(left)), "renew it in time", evidence...)
		return
	}
	k.Pass(fmt.Sprintf("the certificate for %s expires on %s", t.host, first.NotAfter.UTC().Format(time.DateOnly)), evidence...)
}

// described says what each certificate of a chain is.
func described(chain []*x509.Certificate) []string {
	var list []string
	for _, c := range chain {
		text := fmt.Sprintf("certificate %q", nameOf(c))
		if hosts := hostsOf(c); len(hosts) > 0 {
			text += " for " + strings.Join(hosts, ", ")
		}
		list = append(list, fmt.Sprintf("%s, issued by %q, valid from %s to %s", text, c.Issuer.String(), c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly)))
	}
	return list
}

// login logs in on a server that can be reached. The outcome makes two checks:
// whether the server puts up with how the login is protected, and whether it
// accepts it.
func (d *diagnosis) login(ctx context.Context, t target, way *doctor.Check) *doctor.Check {
	var err error // of the login
	signing := d.Check(doctor.Signing, t.url, func(k *doctor.Check) {
		c, failed := d.connect(ctx, t)
		if failed != nil {
			fail(k, d.cause(ctx, nil, failed))
			return
		}
		if err = d.bind(ctx, c); err != nil {
			d.Refused = refused(err)
			err = d.cause(ctx, c, err)
			c.close()
		} else {
			d.conn = c
		}
		d.signing(t, err, k)
	}, way)
	needs := []*doctor.Check{way}
	if signing.Status == doctor.Failed {
		needs = append(needs, signing)
	}
	return d.Check(doctor.Login, t.url, func(k *doctor.Check) {
		switch {
		case err != nil:
			fail(k, err)
			k.Remedy = cmp.Or(k.Remedy, closedHint)
		case d.who() == "":
			k.Warn("nobody is logged in, so the server shows what everybody may see", loginHint)
		default:
			k.Pass("logged in as " + d.who())
		}
	}, needs...)
}

// who returns whom a login names.
func (d *diagnosis) who() string {
	switch o := &d.options; {
	case o.Kerberos != nil:
		return cmp.Or(o.Kerberos.Principal, "the owner of the credential cache")
	case o.BindDN != "":
		return o.BindDN
	case o.ClientCert != "":
		return "the owner of the client certificate"
	}
	return ""
}

func (d *diagnosis) signing(t target, err error, k *doctor.Check) {
	var e *goldap.Error
	demands := false
	if errors.As(err, &e) {
		switch e.ResultCode {
		case goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired:
			demands = true
		case goldap.LDAPResultInvalidCredentials:
			m := subCode.FindStringSubmatch(diagnostic(e))
			demands = m != nil && subCodes[m[1]].hint == bindingHint
		}
	}
	switch {
	case demands:
		fail(k, err)
	case err != nil && !refused(err):
		k.Skip("not known, because the login failed before")
	case d.who() == "":
		k.Pass("nobody logs in, so there is nothing to protect")
	case !d.encrypted(t):
		k.Warn("the server takes a password over a connection that is not encrypted", secureHint+", and let the server demand signing")
	case d.options.Kerberos != nil:
		k.Pass("the server takes a Kerberos login over TLS and demands no channel binding")
	default:
		k.Pass("TLS meets any demand for signing, and channel binding does not concern this kind of login")
	}
}

func (d *diagnosis) server(ctx context.Context, k *doctor.Check) {
	if err := d.conn.readRoot(); err != nil {
		fail(k, d.cause(ctx, d.conn, err))
		k.Remedy = cmp.Or(k.Remedy, closedHint)
		return
	}
	root := &d.conn.root
	var evidence []string
	for _, context := range root.namingContexts {
		evidence = append(evidence, "naming context "+context)
	}
	if len(root.namingContexts)+len(root.controls) == 0 {
		k.Warn("the root entry (rootDSE) names neither naming contexts nor controls: what the server holds and can do is not known", rootHint)
		return
	}
	controller := d.controller()
	what := "a domain controller of Active Directory"
	if !controller {
		what = cmp.Or(root.vendor, d.vendor(), "an LDAP server")
	}
	if root.hostName != "" {
		what = root.hostName + ", " + what
	}
	switch {
	case controller && !d.options.ActiveDirectory:
		k.Warn("this is "+what+`, and kind = "ldap" does not notice what changes while it is read`, `set kind = "active_directory"`, evidence...)
	case !controller && d.options.ActiveDirectory:
		k.Warn("this is "+what+", and no domain controller", `set kind = "ldap"`, evidence...)
	default:
		k.Pass("this is "+what, evidence...)
	}
}

// controller reports whether the server says that it is a domain controller.
func (d *diagnosis) controller() bool {
	return slices.Contains(d.conn.root.capabilities, oidActiveDirectory)
}

// vendor returns whose server this is by the class of its root entry, or "".
func (d *diagnosis) vendor() string {
	result, err := d.conn.search("", goldap.ScopeBaseObject, "(objectClass=*)", []string{"objectClass"})
	if err == nil && len(result.Entries) == 1 && slices.Contains(result.Entries[0].GetEqualFoldAttributeValues("objectClass"), "OpenLDAProotDSE") {
		return "OpenLDAP"
	}
	return ""
}

// password says when the password of a login by name ends: what the password
// policy replied, or what Active Directory computes for the account.
func (d *diagnosis) password(k *doctor.Check) {
	p := d.conn.policy
	if d.options.ActiveDirectory {
		p = nil
		if at, ok := d.computedEnd(d.conn); ok {
			p = &goldap.ControlBeheraPasswordPolicy{Expire: max(at.Unix()-d.now().Unix(), 0), Grace: -1, Error: -1}
		}
	}
	warning := policyWarning(p)
	switch {
	case warning == "":
		k.Pass("the server does not limit the password's age, or does not say")
	case policyErrors[p.Error].words != "":
		k.Fail(warning, policyErrors[p.Error].hint)
	case p.Grace >= 0 || time.Duration(p.Expire)*time.Second < doctor.Expiry:
		k.Warn(warning, "set a new password in time, and for a service account one that does not expire")
	default:
		k.Pass(warning)
	}
}

// clockSkew is how far clocks may be apart for Kerberos (RFC 4120 section
// 1.6), which most realms leave as it is.
const clockSkew = 5 * time.Minute

func (d *diagnosis) clock(k *doctor.Check) {
	text := d.conn.root.time
	theirs, err := time.Parse("20060102150405Z", strings.Replace(text, ".0Z", "Z", 1))
	if err != nil {
		k.Skip("not tested, because the server does not say what time it has")
		return
	}
	ours := d.now().UTC()
	apart := ours.Sub(theirs).Abs()
	evidence := []string{"server " + theirs.Format(time.RFC3339), "here " + ours.Format(time.RFC3339)}
	if apart > clockSkew {
		k.Warn("this machine's clock and the server's are "+period(apart)+" apart, and Kerberos allows five minutes", "set the clock that is wrong, and keep both by NTP", evidence...)
		return
	}
	k.Pass(fmt.Sprintf("the clocks differ by %d s", apart/time.Second), evidence...)
}

func (d *diagnosis) catalog(ctx context.Context, t target, scopes []directory.Scope, k *doctor.Check) {
	if !t.isCatalog() {
		k.Pass("port " + t.port + " is the domain's own")
		return
	}
	var names []string
	for i := range scopes {
		names = append(names, addressAttributes(&scopes[i])...)
	}
	missing, err := d.conn.notInCatalog(names)
	switch {
	case err != nil:
		k.Warn("this is the global catalog, which holds a part of each entry: "+d.cause(ctx, d.conn, err).Error(), catalogHint)
	case len(missing) > 0:
		k.Fail("the global catalog does not hold "+strings.Join(missing, " and "), catalogHint)
	default:
		k.Warn("this is the global catalog, which holds a part of each entry; what the scopes read is in it", catalogHint)
	}
}

// base tests that a scope's base is there, and else finds the nearest entry
// above it.
func (d *diagnosis) base(ctx context.Context, s *directory.Scope, k *doctor.Check) {
	if s.Base == "" {
		contexts := d.conn.root.contexts()
		if len(contexts) == 0 {
			k.Fail("the scope has no base_dn, and the server names no naming context", "set base_dn")
			return
		}
		k.Pass("no base_dn: the scope reads "+strings.Join(contexts, " and "), contexts...)
		return
	}
	if _, err := identity.ParseDN(s.Base); err != nil {
		k.Fail(fmt.Sprintf("base_dn %q is no distinguished name: %v", s.Base, err), escapeHint)
		return
	}
	err := d.exists(s.Base)
	if err == nil {
		k.Pass(s.Base + " is there")
		return
	}
	var e *goldap.Error
	if !errors.As(err, &e) || e.ResultCode != goldap.LDAPResultNoSuchObject {
		fail(k, d.cause(ctx, d.conn, err))
		return
	}
	above := e.MatchedDN
	for dn := s.Base; above == ""; {
		if dn = identity.ParentDN(dn); dn == "" {
			fail(k, explain(err, d.options.ActiveDirectory), namingContexts(&d.conn.root)...)
			return
		}
		if d.exists(dn) == nil {
			above = dn
		}
	}
	k.Fail(fmt.Sprintf("%s is not there, or the account may not see it; the nearest entry above it is %s", s.Base, above), "correct base_dn; "+escapeHint, namingContexts(&d.conn.root)...)
}

func namingContexts(r *rootDSE) []string {
	var list []string
	for _, context := range r.namingContexts {
		list = append(list, "the server holds "+context)
	}
	return list
}

// exists returns nil if an entry is there and may be seen. Domain controllers
// may show one that may not in a result that is empty and no error.
func (d *diagnosis) exists(dn string) error {
	result, err := d.conn.search(dn, goldap.ScopeBaseObject, "(objectClass=*)", []string{"1.1"})
	if err == nil && len(result.Entries) == 0 {
		err = goldap.NewError(goldap.LDAPResultNoSuchObject, errors.New(""))
	}
	return err
}

// right tests that a scope's search is allowed and shows something.
func (d *diagnosis) right(ctx context.Context, s *directory.Scope, k *doctor.Check) {
	f, err := s.ParseFilter()
	if err != nil {
		fail(k, err)
		return
	}
	bases := []string{s.Base}
	if s.Base == "" {
		bases = d.conn.root.contexts()
	}
	for _, base := range bases {
		result, err := d.one(base, goldap.ScopeWholeSubtree, f.String())
		if err != nil && !(goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) && len(result.Entries) > 0) {
			fail(k, d.cause(ctx, d.conn, err))
			return
		}
		if len(result.Entries) > 0 {
			k.Pass("the account may read there", "for example "+result.Entries[0].DN)
			return
		}
	}
	k.Warn("the server finds nothing there that the account may see", "see whether filter fits, and give the account the right to read base_dn and everything below it", "filter "+f.String())
}

// one asks for one entry below a base. If there are more, the error says that
// the limit was exceeded, and the result holds it all the same; it is never nil.
func (d *diagnosis) one(base string, scope int, filter string, controls ...goldap.Control) (*goldap.SearchResult, error) {
	d.conn.wire.await()
	defer d.conn.wire.done()
	result, err := d.conn.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 1, 0, false, filter, []string{"1.1"}, controls))
	return cmp.Or(result, &goldap.SearchResult{}), err
}

// paging reads the first pages of a scope, which may be nil: what a server offers
// an account, a backend or a proxy need not do.
func (d *diagnosis) paging(ctx context.Context, s *directory.Scope, k *doctor.Check) {
	controls := d.conn.root.controls
	if len(controls) > 0 && !d.conn.root.offers(oidPaging) {
		k.Fail(noPaging, pagingHint)
		return
	}
	pages := 0
	if s != nil {
		var err error
		if pages, err = d.pages(s); err != nil {
			fail(k, d.cause(ctx, d.conn, err))
			return
		}
	}
	switch {
	case len(controls) == 0:
		k.Warn("the server does not list its controls", "let the account read supportedControl in the root entry")
	case pages == 0:
		k.Pass("paged results are offered")
	default:
		k.Pass("paged results are offered, and a search is answered so", count(pages, "page was read", "pages were read"))
	}
}

// pages reads two pages of a scope, or all if there are fewer.
func (d *diagnosis) pages(s *directory.Scope) (n int, err error) {
	f, err := s.ParseFilter()
	if err != nil {
		return 0, err
	}
	q := query{base: s.Base, filter: f.String(), attributes: []string{"1.1"}}
	if s.Base == "" {
		q.base = d.conn.root.contexts()[0]
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case b := <-d.conn.wire.batches:
				d.conn.wire.reuse(b.block)
			case <-done:
				return
			}
		}
	}()
	fetch := &fetcher{source: d.Source, conn: d.conn}
	var cookie []byte
	for n < 2 {
		paging := goldap.NewControlPaging(uint32(d.options.PageSize))
		paging.SetCookie(cookie)
		result, err := fetch.page(q, paging)
		if err != nil {
			return n, within(ofPage(err, n+1), fmt.Sprintf("page %d", n+1))
		}
		n++
		answer, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok {
			return n, hinted{errors.New("the server ignores that a search is to be answered in pages (it lacks the control for paged results), so that a complete answer cannot be distinguished from a part"), pagingHint}
		}
		if cookie = answer.Cookie; len(cookie) == 0 {
			return n, nil
		}
	}
	// A server keeps its place in a search until it is reported not to (RFC 2696
	// section 3). Whether it heeds that does not matter.
	end := goldap.NewControlPaging(0)
	end.SetCookie(cookie)
	_, _ = fetch.page(q, end)
	return n, nil
}

// ranges asks for a range of values, as a domain controller makes them of long
// lists (MS-ADTS section 3.1.1.3.1.3.3).
func (d *diagnosis) ranges(ctx context.Context, k *doctor.Check) {
	result, err := d.conn.search(d.conn.root.defaultContext, goldap.ScopeBaseObject, "(objectClass=*)", []string{"objectClass;range=0-0"})
	if err != nil {
		fail(k, d.cause(ctx, d.conn, err))
		return
	}
	for _, e := range result.Entries {
		for _, a := range e.Attributes {
			if strings.Contains(a.Name, ";range=") {
				k.Pass("long lists of values are given in ranges, and read to the end", "answered "+a.Name)
				return
			}
		}
	}
	k.Warn("the server gives no ranges of values, as domain controllers do", `see whether kind = "active_directory" is right`)
}

func (d *diagnosis) changes(k *doctor.Check) {
	var offers []string
	for _, c := range []struct{ oid, name string }{{oidDirSync, "DirSync"}, {oidSyncRequest, "content synchronization (syncrepl, RFC 4533)"}} {
		if slices.Contains(d.conn.root.controls, c.oid) {
			offers = append(offers, c.name)
		}
	}
	if len(offers) == 0 {
		k.Pass("neither DirSync nor content synchronization is offered, and neither is needed")
		return
	}
	k.Pass(strings.Join(offers, " and ") + " is offered")
}

// deleted looks for a deleted object. Servers show nobody that there are some
// whom they do not show them.
func (d *diagnosis) deleted(ctx context.Context, k *doctor.Check) {
	container := "CN=Deleted Objects," + d.conn.root.defaultContext
	controls := d.conn.root.showDeleted()
	if controls == nil {
		k.Pass("the server does not offer to show deleted objects: what is deleted during a read is noticed by the next one")
		return
	}
	result, err := d.one(container, goldap.ScopeSingleLevel, "(isDeleted=TRUE)", controls...)
	switch {
	case err != nil && !goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultSizeLimitExceeded):
		fail(k, d.cause(ctx, d.conn, err))
	case len(result.Entries) > 0:
		k.Pass("deleted objects can be read", "for example "+result.Entries[0].DN)
	default:
		k.Pass("the account sees no deleted object, as is usual: what is deleted during a read is noticed by the next one", container)
	}
}

package ldap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/go-ldap/ldap/v3/gssapi"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// target is a server to speak to.
type target struct {
	// url is how it is shown: scheme, host and, if it is not the usual one,
	// port.
	url        string
	host, port string
	tls        bool // from the start, as ldaps
}

// targets returns the servers in the order in which they are tried: those of
// the configuration, or those that DNS names (RFC 2782), the ones of the site
// first.
func (s *Source) targets(ctx context.Context) ([]target, error) {
	var list []target
	for _, u := range s.options.URLs {
		scheme, rest, _ := strings.Cut(u, "://")
		t := target{url: u, tls: scheme == "ldaps", port: "389"}
		if t.tls {
			t.port = "636"
		}
		if host, port, err := net.SplitHostPort(rest); err == nil {
			t.host, t.port = host, port
		} else {
			t.host = strings.Trim(rest, "[]")
		}
		list = append(list, t)
	}
	if len(list) > 0 {
		return list, nil
	}
	var failed error
	ctx, stop := context.WithTimeout(ctx, s.options.Timeout)
	defer stop()
	for _, name := range s.options.serviceNames() {
		records, err := s.lookup(ctx, name)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		for _, r := range records {
			host := strings.TrimSuffix(r.Target, ".")
			if host == "" {
				continue // RFC 2782: the service is not offered
			}
			// Anybody can answer for DNS, and have a certificate for a name of
			// their own: the certificate proves no more than the name does.
			if !withinDomain(host, s.options.Domain) {
				failed = cmp.Or(failed, fmt.Errorf("it names %s, which is not in that domain, and so might be anybody's", host))
				continue
			}
			t := target{host: host, port: fmt.Sprint(r.Port), tls: !s.options.StartTLS}
			scheme := "ldap"
			if t.tls {
				// Domain controllers register their port without encryption.
				scheme = "ldaps"
				if t.port == "389" {
					t.port = "636"
				}
			}
			t.url = scheme + "://" + net.JoinHostPort(host, t.port)
			if !slices.ContainsFunc(list, func(o target) bool { return o.url == t.url }) {
				list = append(list, t)
			}
		}
	}
	if len(list) == 0 {
		return nil, hinted{fmt.Errorf("DNS names no server of %s: %w", s.options.Domain, cmp.Or(failed, errors.New("the record says that there is none"))),
			"ask DNS for SRV records of " + s.options.serviceNames()[0] + ", or name the servers with urls"}
	}
	return list, nil
}

func withinDomain(host, domain string) bool {
	host = strings.ToLower(host)
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// serviceNames are the names of SRV records, the first choice first: those of
// domain controllers (MS-ADTS section 6.3.2.3) or of RFC 2782.
func (o *Options) serviceNames() []string {
	if !o.ActiveDirectory {
		return []string{"_ldap._tcp." + o.Domain}
	}
	names := []string{"_ldap._tcp.dc._msdcs." + o.Domain}
	if o.Site != "" {
		names = append([]string{"_ldap._tcp." + o.Site + "._sites.dc._msdcs." + o.Domain}, names...)
	}
	return names
}

func lookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	return records, err
}

// conn is a connection that somebody is logged in on.
type conn struct {
	*goldap.Conn
	wire   *wire
	target target
	root   rootDSE
	// policy is what the password policy said to the login, or nil.
	policy *goldap.ControlBeheraPasswordPolicy
	// chain is that of the server, and client the certificate of the client, as far as
	// there are any.
	chain  []*x509.Certificate
	client *x509.Certificate
	// asked is what the handshake asked for, or nil without TLS.
	asked *asked
	// stop ends the watch over the context.
	stop func() bool
}

// open connects to a server and logs in. When ctx ends, the connection does.
func (s *Source) open(ctx context.Context, t target) (*conn, error) {
	c, err := s.connect(ctx, t)
	if err != nil {
		return nil, s.cause(ctx, nil, err)
	}
	if err := s.bind(ctx, c); err != nil {
		why := s.cause(ctx, c, err)
		c.close()
		if ctx.Err() == nil && refused(err) {
			why = &loginError{why}
		}
		return nil, why
	}
	if err := c.readRoot(); err != nil {
		err = s.cause(ctx, c, err)
		c.close()
		return nil, err
	}
	return c, nil
}

// connect makes a connection, encrypted where it is to be, on which nobody is
// logged in yet.
func (s *Source) connect(ctx context.Context, t target) (*conn, error) {
	settings, err := s.tlsConfig(t)
	if err != nil {
		return nil, err
	}
	nc, err := s.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	below := nc // stays TCP, whose Close never waits, when nc becomes TLS
	socket := newSocket(nc)
	nc = socket
	stop := context.AfterFunc(ctx, func() { _ = below.Close() })
	encrypted := t.tls || s.options.StartTLS
	if encrypted {
		if nc, err = s.encrypt(ctx, t, nc, settings); err != nil {
			stop()
			_ = below.Close()
			return nil, cmp.Or(ctx.Err(), err)
		}
	}
	w := newWire(nc, below, s.options.Timeout)
	w.socket = socket
	c := &conn{Conn: goldap.NewConn(w, encrypted), wire: w, target: t, asked: &settings.asked, stop: stop}
	if secure, ok := nc.(*tls.Conn); ok {
		c.chain = secure.ConnectionState().VerifiedChains[0]
	}
	if len(settings.Certificates) > 0 {
		c.client = settings.Certificates[0].Leaf
	}
	c.Start()
	return c, nil
}

// dial makes the TCP connection.
func (s *Source) dial(ctx context.Context, t target) (net.Conn, error) {
	d := net.Dialer{Timeout: s.options.Timeout}
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.host, t.port))
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	return nc, nil
}

// encrypt makes a TLS connection of a TCP connection, by StartTLS where the
// target does not begin with TLS.
func (s *Source) encrypt(ctx context.Context, t target, nc net.Conn, settings *tlsSettings) (net.Conn, error) {
	if err := nc.SetDeadline(time.Now().Add(s.options.Timeout)); err != nil {
		return nil, err
	}
	if !t.tls {
		if err := startTLS(nc); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	secure := tls.Client(nc, &settings.Config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &handshakeError{err, &settings.asked}
	}
	return secure, nc.SetDeadline(time.Time{})
}

// startTLS asks for encryption (RFC 4511 section 4.14). go-ldap would put TLS
// above [wire], which then saw nothing.
func startTLS(nc net.Conn) error {
	const oid = "1.3.6.1.4.1.1466.20037"
	packet := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	packet.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "")
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oid, ""))
	packet.AppendChild(request)
	if _, err := nc.Write(packet.Bytes()); err != nil {
		return err
	}
	answer, err := ber.ReadPacket(io.LimitReader(nc, maxMessage))
	if err != nil {
		return err
	}
	return goldap.GetLDAPError(answer)
}

// tlsSettings are those of one connection.
type tlsSettings struct {
	tls.Config
	asked asked
}

// asked is what a server asked of the client in the handshake.
type asked struct {
	// certificate is set where it asked for one, given where it got it, and
	// authorities are those whose certificates it accepts, if it says so.
	certificate, given bool
	authorities        []string
}

// handshakeError is what ended a handshake.
type handshakeError struct {
	err   error
	asked *asked
}

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// tlsConfig verifies chain and host name. Its errors are faults of files of
// the configuration.
func (s *Source) tlsConfig(t target) (*tlsSettings, error) {
	config := &tlsSettings{Config: tls.Config{ServerName: t.host, MinVersion: tls.VersionTLS12}}
	if file := s.options.CAFile; file != "" {
		pem, err := readPEM("ca_file", file)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &fileError{fmt.Errorf("ca_file %s: it holds no certificate in PEM", file), "name a file of certificates that begin with -----BEGIN CERTIFICATE-----"}
		}
	}
	if cert, key := s.options.ClientCert, s.options.ClientKey; cert != "" {
		certPEM, err := readPEM("client_cert", cert)
		if err != nil {
			return nil, err
		}
		keyPEM, err := readPEM("client_key", key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			return nil, &fileError{fmt.Errorf("client_cert %s with client_key %s: %w", cert, key, err), "name a certificate and the key that belongs to it, both in PEM"}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		config.asked = asked{certificate: true, authorities: namesOf(r.AcceptableCAs)}
		for i := range config.Certificates {
			if r.SupportsCertificate(&config.Certificates[i]) == nil {
				config.asked.given = true
				return &config.Certificates[i], nil
			}
		}
		return new(tls.Certificate), nil // none
	}
	return config, nil
}

// namesOf reads distinguished names in DER, as certificates have them.
func namesOf(list [][]byte) (names []string) {
	for _, der := range list {
		var name pkix.RDNSequence
		if _, err := asn1.Unmarshal(der, &name); err == nil {
			names = append(names, name.String())
		}
	}
	return names
}

// readPEM reads a file that an attribute names. What editors put before its
// first line would hide the first certificate.
func readPEM(attribute, file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	switch {
	case err != nil:
		return nil, unreadable(attribute, file, err)
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, &fileError{fmt.Errorf("%s %s: the file is UTF-16", attribute, file), "save it as ASCII or UTF-8"}
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// fileError is a fault of a file that the configuration names: no other server
// helps.
type fileError struct {
	err  error
	hint string
}

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *fileError) Hint() string { return e.hint }

// unreadable is the fault of a file that an attribute names and that cannot be
// read.
func unreadable(attribute, file string, err error) *fileError {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return &fileError{fmt.Errorf("%s %s: %w", attribute, file, err), "see that the file is there, and who may read it"}
}

// readable tries to open files, each an attribute and its path, whose readers
// say less of what is wrong.
func readable(files ...[2]string) error {
	for _, file := range files {
		f, err := os.Open(file[1])
		if err != nil {
			return unreadable(file[0], file[1], err)
		}
		f.Close()
	}
	return nil
}

// bind logs in: by Kerberos, by name and password, or as whom the client
// certificate names (RFC 4513 section 5.2.3).
func (s *Source) bind(ctx context.Context, c *conn) error {
	c.wire.await()
	defer c.wire.done()
	switch o := &s.options; {
	case o.Kerberos != nil:
		// Key distribution centres are asked without ctx and timeout.
		bound := make(chan error, 1)
		go func() { bound <- s.bindKerberos(c) }()
		select {
		case err := <-bound:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wire.closed:
			return net.ErrClosed
		}
	case o.BindDN != "":
		request := goldap.NewSimpleBindRequest(o.BindDN, o.Password(), nil)
		if !o.ActiveDirectory {
			// Some servers fall silent at a control that they do not know.
			if err := c.readRoot(); err != nil && !isAnswer(err) {
				return err
			}
			c.wire.await()
			if c.root.offers(goldap.ControlTypeBeheraPasswordPolicy) {
				request.Controls = []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}
			}
		}
		result, err := c.SimpleBind(request)
		if result != nil {
			c.policy, _ = goldap.FindControl(result.Controls, goldap.ControlTypeBeheraPasswordPolicy).(*goldap.ControlBeheraPasswordPolicy)
		}
		if err != nil && c.policy != nil {
			return &policyError{err, c.policy}
		}
		return err
	case o.ClientCert != "":
		err := c.ExternalBind()
		if err != nil && !c.asked.given {
			return &unsentError{err, c.asked}
		}
		return err
	}
	return nil
}

// unsentError is a refused login as whom a client certificate names that was not
// sent.
type unsentError struct {
	err   error
	asked *asked
}

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// isAnswer reports whether an error is what a server answered, and not that it did
// not.
func isAnswer(err error) bool {
	var e *goldap.Error
	return errors.Is(err, errNoRoot) || errors.As(err, &e) && e.ResultCode < goldap.ErrorNetwork
}

// noFAST keeps from asking for FAST (RFC 6113), which KDCs of Windows do not
// offer and gokrb5 then fails.
var noFAST = client.DisablePAFXFAST(true)

func (s *Source) bindKerberos(c *conn) error {
	k := s.options.Kerberos
	tickets := [2]string{"kerberos cache", k.Cache}
	if k.Cache == "" {
		tickets = [2]string{"kerberos keytab", k.Keytab}
	}
	if err := readable(tickets); err != nil {
		return err
	}
	krb5, err := kerberosConfig(k.Config)
	if err != nil {
		return err
	}
	var login gssapi.Client
	if k.Cache != "" {
		var cache *credentials.CCache
		if cache, err = credentials.LoadCCache(k.Cache); err == nil {
			login.Client, err = client.NewFromCCache(cache, krb5, noFAST)
		}
	} else {
		var keys *keytab.Keytab
		if keys, err = keytab.Load(k.Keytab); err == nil {
			name, realm, _ := strings.Cut(k.Principal, "@")
			login.Client = client.NewWithKeytab(name, realm, keys, krb5, noFAST)
		}
	}
	if err != nil {
		return &fileError{fmt.Errorf("%s %s: %w", tickets[0], tickets[1], err), "make the file anew"}
	}
	defer login.Close()
	return c.GSSAPIBind(&login, cmp.Or(k.Service, "ldap/"+c.target.host), "")
}

// loginError says that the credentials were refused, in words.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// policyError is a refused login, with what the password policy says of it.
type policyError struct {
	err    error
	policy *goldap.ControlBeheraPasswordPolicy
}

func (e *policyError) Error() string { return e.err.Error() }
func (e *policyError) Unwrap() error { return e.err }

// close ends the connection without a farewell.
func (c *conn) close() {
	c.stop()
	_ = c.wire.Close()
	_ = c.Conn.Close()
	c.wire.done()
}

// search asks for what is read by go-ldap: base objects and the like, never
// the entries of a directory.
func (c *conn) search(base string, scope int, filter string, attributes []string, controls ...goldap.Control) (*goldap.SearchResult, error) {
	c.wire.await()
	defer c.wire.done()
	return c.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, controls))
}

// cause says why an operation failed, in words, and prefers what is known
// better here: that the user stopped it, or that the time was up.
func (s *Source) cause(ctx context.Context, c *conn, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c != nil && c.wire.timedOut.Load() {
		return hinted{fmt.Errorf("no answer within %s", s.options.Timeout), "set timeout in the directory block if the server needs longer"}
	}
	if file := (*fileError)(nil); errors.As(err, &file) {
		return err
	}
	// In TLS 1.3 a client certificate is judged after the handshake.
	if c != nil && c.asked != nil && c.wire.fault.Load() != nil && alertOf(*c.wire.fault.Load()) != "" {
		return explain(&handshakeError{*c.wire.fault.Load(), c.asked}, s.options.ActiveDirectory)
	}
	// go-ldap keeps no more than the text of what ended the connection.
	var result *goldap.Error
	if c != nil && c.wire.fault.Load() != nil && (!errors.As(err, &result) || result.ResultCode == goldap.ErrorNetwork) {
		if err = *c.wire.fault.Load(); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			hint := closedHint
			if s.options.ClientCert != "" {
				hint = strings.Replace(closedHint, "demand a client certificate (client_cert)", "not accept the client certificate", 1)
			}
			err = hinted{errors.New("the server closed the connection before its answer was complete"), hint}
		}
	}
	return explain(err, s.options.ActiveDirectory)
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// Hint says what to do next.
func (e hinted) Hint() string { return e.hint }

package scim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
)

// failure is a request that came to nothing.
type failure interface {
	error
	// code is what it means for a change.
	code() apply.Code
	// Hint says what to do next.
	Hint() string
}

func asFailure(err error) failure {
	var f failure
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// unreachedError is a service to which a request could not be sent.
type unreachedError struct {
	host    string
	err     error
	timeout time.Duration
}

func (e *unreachedError) Error() string {
	words, _ := e.reason()
	return fmt.Sprintf("%s is not reachable: %s", e.host, words)
}

func (e *unreachedError) Unwrap() error { return e.err }

func (e *unreachedError) code() apply.Code { return apply.Temporary }

func (e *unreachedError) Hint() string {
	_, hint := e.reason()
	return hint
}

// reason explains what DNS, TCP and TLS say.
func (e *unreachedError) reason() (words, hint string) {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		noTLS   tls.RecordHeaderError
		op      *net.OpError
	)
	is := func(all ...error) bool {
		for _, target := range all {
			if errors.Is(e.err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.As(e.err, &dns):
		return "DNS knows no address of " + dns.Name, "check the host in url, and that this machine's DNS server can be asked"
	case errors.As(e.err, &unknown):
		return "its certificate comes from an authority that is not trusted here", "set ca_file to the certificate of that authority, in PEM"
	case errors.As(e.err, &host):
		return "its certificate is not for this name", "name the service in url as its certificate does"
	case errors.As(e.err, &invalid):
		if invalid.Reason == x509.Expired {
			return "its certificate has expired, or is not valid yet", "renew the certificate of the service, and compare the clocks"
		}
		return "its certificate is not valid", "give the service another certificate"
	case errors.As(e.err, &noTLS), is(http.ErrSchemeMismatch):
		return "no TLS is spoken at this port", "correct the port in url"
	case errors.As(e.err, &op) && op.Op == "remote error":
		return "it broke off the TLS handshake (" + op.Err.Error() + ")", "where it asks for a client certificate, set client_cert and client_key to one that it knows"
	case is(syscall.ECONNREFUSED, syscall.Errno(10061)):
		return "nothing listens at its port", "see that the service runs, and that url has its port"
	case is(errSilent):
		return fmt.Sprintf("it does not answer within %v", e.timeout), "see whether a firewall or a proxy (HTTPS_PROXY) is between; timeout in the console block is how long it may be silent"
	case is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.Errno(10054)):
		return "it closes the connection", "see that url has the right port, and what the log of the service says"
	}
	return e.err.Error(), "see whether the service runs and can be reached from here"
}

// tokenError is a token service that gives no token.
type tokenError struct {
	host         string
	status       int // 0 where the answer says that all is well
	said, advice string
}

func (e *tokenError) Error() string {
	if e.status == 0 {
		return e.host + " gives no token: its answer has none in it"
	}
	text := fmt.Sprintf("%s gives no token: it answered %d", e.host, e.status)
	if e.said != "" {
		text += ": " + e.said
	}
	return text
}

// Quoted is what the token service says.
func (e *tokenError) Quoted() string { return e.said }

func (e *tokenError) code() apply.Code { return apply.Temporary }

func (e *tokenError) Hint() string { return e.advice }

// unsent reports whether a request was never sent, since the way there is closed.
func unsent(err error) bool {
	return errors.As(err, new(*unreachedError)) || errors.As(err, new(*tokenError))
}

// lostError is a request whose answer did not come, or not whole.
type lostError struct {
	host    string
	err     error
	timeout time.Duration
}

func (e *lostError) Error() string {
	switch {
	case errors.Is(e.err, errSilent):
		return fmt.Sprintf("%s was silent for %v", e.host, e.timeout)
	case errors.Is(e.err, errLong):
		return fmt.Sprintf("%s: %v", e.host, e.err)
	}
	return fmt.Sprintf("%s broke off before its answer was complete", e.host)
}

func (e *lostError) Unwrap() error { return e.err }

func (e *lostError) code() apply.Code { return "" } // nobody knows

func (e *lostError) Hint() string {
	return "try again later; timeout in the console block is how long the service may be silent"
}

// statusError is an answer that says that the request came to nothing.
type statusError struct {
	host     string
	status   int
	scimType string // as the service says
	quoted   string // what else it says, in quotes
	after    time.Duration
}

// status is that of an answer, or 0.
func status(err error) int {
	var s *statusError
	if errors.As(err, &s) {
		return s.status
	}
	return 0
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answered %d", e.host, e.status)
	if name := http.StatusText(e.status); name != "" {
		text += " (" + name + ")"
	}
	if e.quoted != "" {
		text += ": " + e.quoted
	}
	return text
}

// Quoted is what the service says.
func (e *statusError) Quoted() string { return e.quoted }

func (e *statusError) code() apply.Code {
	switch e.status {
	case 401:
		return apply.Auth
	case 404, 410:
		return apply.Gone
	case 412:
		return apply.Changed
	case 429, 503:
		return apply.Throttled
	case 500:
		return apply.Temporary
	case 501:
		return apply.Refused
	}
	if e.status > 501 || e.status == 408 {
		return "" // whatever is behind the gateway may have done it
	}
	return apply.Refused
}

func (e *statusError) Hint() string {
	switch s := e.status; {
	case s >= 300 && s < 400:
		return "write the base of the service at that host as url (the header Location of its answer has the path); redirects are not followed, so that credentials reach no other host"
	case s == 401:
		return "renew the credentials in the console block; nothing is tried again with these"
	case s == 403:
		return "give the credentials the right to read and write users, in the service"
	case s == 404, s == 405:
		return "url has to be the base of a SCIM 2.0 service, below which /Users is"
	case s == 429, s == 503:
		return "try again later, or set rate in the console block"
	case s >= 500:
		return "the service has failed: try again later, and see its log"
	}
	return "this is what the service says; its log may say more"
}

// contentError is an answer that cannot be what it should be.
type contentError struct{ text, quoted, advice string }

func (e *contentError) Error() string { return e.text + e.quoted }

// Quoted is what the service has sent.
func (e *contentError) Quoted() string { return e.quoted }

func (e *contentError) code() apply.Code { return "" }

func (e *contentError) Hint() string { return e.advice }

// answerOf is what a change is answered of which a request came to nothing, and which
// was certainly not made.
func answerOf(f failure) apply.Answer {
	e := &apply.Error{Code: f.code(), Message: f.Error()}
	var s *statusError
	switch {
	case errors.As(f, &s) && e.Code == apply.Throttled:
		e.RetryAfter = max(s.after, time.Second)
	case e.Code == apply.Refused && status(f) == 403:
		e.Message += "; the credentials may not write users: give them that right in the service"
	case e.Code == "":
		e.Code = apply.Temporary
	}
	return apply.Answer{Err: e}
}

package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/trust"
	"github.com/rollcall-cli/rollcall/state"
)

const (
	// silence is how long the server may say nothing, and take nothing either.
	silence = 30 * time.Second
	// most is how long an answer may be, in octets.
	most = 1 << 30
	// attempts is how often something is asked that has no clear answer.
	attempts = 4
)

// client asks a server.
type client struct {
	http               *http.Client
	username, password string
	agent              string
	silence            time.Duration
	pace               time.Duration // of attempts, which come at ever longer intervals
	most               int64
}

// answer is what a server says.
type answer struct {
	code int
	etag string
	body []byte
}

// ok reports whether the server has done what it was asked to.
func (a *answer) ok() bool { return a.code/100 == 2 }

// taken reports whether the server says that somebody else has the lock.
func (a *answer) taken() bool { return a.code == http.StatusLocked || a.code == http.StatusConflict }

// passing reports whether the server may answer otherwise if it is asked again.
func (a *answer) passing() bool {
	return a.code >= 500 && a.code != http.StatusNotImplemented || a.code == http.StatusTooManyRequests
}

func newClient(v settings.Values, release string) (*client, error) {
	c := &client{username: v.Text("username"), password: v.Secret("password").Reveal(), agent: "rollcall/" + release, silence: silence, pace: 100 * time.Millisecond, most: most}
	security, err := trust.Config(v)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.MaxResponseHeaderBytes = security, 1<<16
	c.http = &http.Client{
		Transport: transport,
		// Another address would get a password that was not meant for it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// watch ends a request when nothing has moved for a time.
type watch struct {
	timer *time.Timer
	after time.Duration
}

func (w *watch) moved() { w.timer.Reset(w.after) }

// watched is a body whose octets are seen to move.
type watched struct {
	io.Reader
	*watch
}

func (r watched) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.moved()
	return n, err
}

var errSilent = errors.New("silent")

// ask sends a request and reads the answer whole. Nothing that is not nil is sent as
// JSON. With a tag, the answer may be that nothing else is there: 304.
func (c *client) ask(ctx context.Context, method string, at *url.URL, body []byte, etag string) (*answer, error) {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{time.AfterFunc(c.silence, func() { cancel(errSilent) }), c.silence}
	defer w.timer.Stop()
	a, err := c.send(inner, w, method, at, body, etag)
	switch {
	case err == nil:
		return a, nil
	case errors.Is(context.Cause(inner), errSilent):
		return nil, fmt.Errorf("no answer within %v", c.silence)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, explained(err)
}

func (c *client) send(ctx context.Context, w *watch, method string, at *url.URL, body []byte, etag string) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, errors.New("the address is not well-formed")
	}
	if body != nil {
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(watched{bytes.NewReader(body), w}), nil }
		request.Body, _ = request.GetBody()
	}
	request.Header.Set("User-Agent", c.agent)
	request.Header.Set("Cache-Control", "no-cache")
	if body != nil {
		request.ContentLength = int64(len(body))
		request.Header.Set("Content-Type", "application/json")
	}
	if c.username != "" {
		request.SetBasicAuth(c.username, c.password)
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	w.moved()
	var text bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= c.most {
		text.Grow(int(n) + bytes.MinRead)
	}
	n, err := io.Copy(&text, watched{io.LimitReader(response.Body, c.most+1), w})
	if err != nil {
		return nil, err
	}
	if n > c.most {
		return nil, errTooLong
	}
	return &answer{response.StatusCode, response.Header.Get("ETag"), text.Bytes()}, nil
}

var errTooLong = errors.New("the server's answer is too long")

// explained is an error without the address, which may have a secret behind its path.
func explained(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	var network *net.OpError
	var resolving *net.DNSError
	switch {
	case errors.Is(err, errTooLong):
		return err
	case untrusted(err):
		return fmt.Errorf("its certificate is not trusted: %w", err)
	case errors.As(err, &resolving):
		return resolving
	case errors.As(err, &network):
		return network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was lost")
	}
	return errors.New("the server's answer is not well-formed")
}

// untrusted reports whether the server has not shown who it is.
func untrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError))
}

// final reports whether asking again is in vain.
func final(err error) bool {
	return untrusted(err) || errors.Is(err, errTooLong) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// pause waits before the next of several attempts, and reports whether there is one.
func (c *client) pause(ctx context.Context, attempt int) bool {
	if attempt >= attempts {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(attempt*attempt) * c.pace):
		return true
	}
}

// persist asks until there is a clear answer, or the last attempt has failed. It says how
// many there were.
func (c *client) persist(ctx context.Context, method string, at *url.URL, body []byte, etag string) (a *answer, asked int, err error) {
	for asked = 1; ; asked++ {
		a, err = c.ask(ctx, method, at, body, etag)
		if err != nil && final(err) || err == nil && !a.passing() || !c.pause(ctx, asked) {
			return a, asked, err
		}
	}
}

// access is the error of a store that cannot be used.
func (s *Store) access(err error, advice string) *state.AccessError {
	return &state.AccessError{Store: s.Name(0), Err: err, Advice: advice}
}

// failed makes an error of the store of one of the network.
func (s *Store) failed(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case untrusted(err):
		return s.access(err, "name the authority of the server's certificate with ca_file, and the server by a name of the certificate in address")
	}
	return s.access(err, "look whether the server can be reached from here")
}

// refused makes an error of an answer that is no success.
func (s *Store) refused(a *answer) error {
	// What the server calls the code may be anything.
	err := s.access(fmt.Errorf("the server answered %d %s", a.code, http.StatusText(a.code)), "look into the log of the server")
	switch {
	case a.code == http.StatusUnauthorized:
		err.Refused, err.Advice = true, "correct username and password"
	case a.code == http.StatusForbidden:
		err.Refused, err.Advice = true, "give who logs in the right to read, lock and write states; in GitLab, that is the role Maintainer, and Developer to read"
	case a.code == http.StatusRequestEntityTooLarge:
		err.Advice = "raise how large a state may be on the server, or keep fewer runs with history_days and history_runs"
	case a.code/100 == 3:
		err.Err, err.Advice = fmt.Errorf("the server answered %d: it is somewhere else", a.code), "write the address to which it leads, if that is the right one; nothing is sent there by itself"
	case a.code == http.StatusNotFound, a.code == http.StatusMethodNotAllowed, a.code == http.StatusNotImplemented:
		err.Advice = "correct the addresses and methods in the block http of the state: the server's documentation lists them for Terraform"
	}
	return err
}

package scim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

const (
	// maxBody is the most octets of an answer, maxSaid of one that is an error.
	maxBody = 64 << 20
	maxSaid = 64 << 10
	// attempts is how often something is asked for that the service puts off, and
	// mostPause how long it may ask to wait for a read.
	attempts  = 5
	mostPause = 5 * time.Minute

	mediaType   = "application/scim+json" // RFC 7644 section 8.1
	errorSchema = "urn:ietf:params:scim:api:messages:2.0:error"
)

// client sends requests.
type client struct {
	label   string
	base    string // without a slash at the end
	host    string // as messages name it
	http    *http.Client
	tls     *tls.Config
	login   login
	token   settings.Secret // of the configuration, or ""
	timeout time.Duration
	most    int64 // octets of an answer
	agent   string
	writing sync.RWMutex                        // held by each write, and alone by a read of all users
	plain   atomic.Bool                         // bodies are sent as application/json
	wrote   atomic.Int64                        // when a write was answered last, in ns
	closed  atomic.Int64                        // until when the service wants no changes, in ns
	secured atomic.Pointer[tls.ConnectionState] // that of the last answer
	pause   func(ctx context.Context, d time.Duration) error
}

func newClient(o *Options) (*client, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("console %q: url is not a URL", o.Label) // as config has checked
	}
	c := &client{label: o.Label, token: o.Token, base: strings.TrimRight(o.URL, "/"), host: u.Host, timeout: o.Timeout, most: maxBody, agent: strings.TrimSuffix("rollcall/"+o.Release, "/"), pause: wait}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, &fileError{o.Label, fmt.Errorf("ca_file: %w", err), "correct ca_file in the console block"}
		}
		c.tls.RootCAs = x509.NewCertPool()
		if !c.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &fileError{o.Label, fmt.Errorf("ca_file %s: %w", o.CAFile, errNoCertificate), "name a file of certificates that begin with -----BEGIN CERTIFICATE-----"}
		}
	}
	if o.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(o.ClientCert, o.ClientKey)
		if err != nil {
			return nil, &fileError{o.Label, fmt.Errorf("client_cert %s with client_key %s: %w", o.ClientCert, o.ClientKey, err), "name a certificate and the key that belongs to it, both in PEM"}
		}
		c.tls.Certificates = []tls.Certificate{pair}
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.tls, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.login = newLogin(c, o)
	return c, nil
}

// wait waits for a time, or until the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// request is one of HTTP. Its path begins behind the base.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	match        string // If-Match, or ""
}

// reply is an answer that says that all is well.
type reply struct {
	status   int
	location string
	etag     string
	body     []byte
}

// reading reads a resource, again where the service puts that off or has failed.
func (c *Console) reading(ctx context.Context, path string, query url.Values) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		r, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
		if err == nil {
			return r.body, nil
		}
		again, d := retryable(err, attempt)
		if query.Has("filter") && errors.As(err, new(*lostError)) {
			again = false // the service may still be at it
		}
		if !again || attempt == attempts {
			return nil, err
		}
		if err := c.pause(ctx, d); err != nil {
			return nil, err
		}
	}
}

// retryable reports whether a read that failed may come to something a while later.
func retryable(err error, attempt int) (bool, time.Duration) {
	d := time.Second << (attempt - 1)
	if errors.As(err, new(*lostError)) {
		return attempt <= 2, d
	}
	var token *tokenError
	if errors.As(err, &token) {
		return attempt <= 2 && (token.status == http.StatusTooManyRequests || token.status >= 500), d
	}
	var s *statusError
	if !errors.As(err, &s) {
		return false, 0
	}
	switch s.status {
	case 429, 503:
		if s.after > 0 {
			d = s.after
		}
		return d <= mostPause, d
	case 500, 502, 504:
		return attempt <= 2, d
	}
	return false, 0
}

// do sends one request and returns its answer. A service that does not know the media
// type of SCIM gets the body as JSON, and a login that can be renewed is renewed once:
// neither has done anything yet.
func (c *client) do(ctx context.Context, r request) (*reply, error) {
	if r.method != http.MethodGet {
		c.writing.RLock()
		defer c.writing.RUnlock()
		defer func() { c.wrote.Store(time.Now().UnixNano()) }()
	}
	answer, authorization, err := c.once(ctx, r)
	again := false
	switch status(err) {
	case 415:
		again = c.plain.CompareAndSwap(false, true)
	case 401:
		again = c.login.renew(authorization)
	}
	if again {
		answer, _, err = c.once(ctx, r)
	}
	return answer, err
}

// once sends a request, and returns its answer and the authorization that it had. The
// time of silence begins anew with everything that comes.
func (c *client) once(ctx context.Context, r request) (answer *reply, authorization string, err error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.timeout, func() { cancel(errSilent) })
	defer silence.Stop()
	if authorization, err = c.login.authorization(within); err != nil {
		return nil, "", ended(ctx, err)
	}
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(within, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	target := c.base + r.path
	if len(r.query) > 0 {
		// Some services take a plus sign for itself.
		target += "?" + strings.ReplaceAll(r.query.Encode(), "+", "%20")
	}
	req, err := http.NewRequestWithContext(traced, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, "", &unreachedError{host: c.host, err: errors.New("url is not a URL")}
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Accept", mediaType+", application/json")
	req.Header.Set("User-Agent", c.agent)
	if r.body != nil {
		req.Header.Set("Content-Type", mediaType)
		if c.plain.Load() {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	if r.match != "" {
		req.Header.Set("If-Match", r.match)
	}
	resp, err := c.http.Do(req)
	if err == nil {
		silence.Reset(c.timeout)
		c.secured.Store(resp.TLS)
		defer resp.Body.Close()
		var body []byte
		if body, err = c.readBody(resp, func() { silence.Reset(c.timeout) }); err == nil {
			if resp.StatusCode != http.StatusUnauthorized {
				c.login.taken(authorization)
			}
			answer, err = c.answer(resp, body)
			return answer, authorization, err
		}
		sent.Store(true)
	}
	if context.Cause(within) == errSilent {
		err = errSilent
	}
	err = bare(err)
	if ctx.Err() != nil && !sent.Load() || ctx.Err() != nil && r.method == http.MethodGet {
		return nil, "", ctx.Err()
	}
	if sent.Load() {
		return nil, "", &lostError{host: c.host, err: err, timeout: c.timeout}
	}
	return nil, "", &unreachedError{host: c.host, err: err, timeout: c.timeout}
}

var (
	errSilent = errors.New("it is silent")
	errLong   = fmt.Errorf("its answer is longer than the %d MiB that are read", maxBody>>20)
)

// ended returns the error of a context that has ended, or else err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// bare returns the cause of an error without the URL.
func bare(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	return err
}

func (c *client) readBody(resp *http.Response, heard func()) ([]byte, error) {
	most := c.most
	if resp.StatusCode >= 300 {
		most = maxSaid
	}
	body, err := io.ReadAll(&listening{io.LimitReader(resp.Body, most+1), heard})
	if int64(len(body)) > most {
		if resp.StatusCode < 300 {
			return nil, errLong
		}
		return body[:most], nil
	}
	return body, err
}

// listening notes whatever comes.
type listening struct {
	io.Reader
	heard func()
}

func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.heard()
	}
	return n, err
}

// answer says whether all is well. Some services say with status 200 that it is not.
func (c *client) answer(resp *http.Response, body []byte) (*reply, error) {
	said := saidError(body)
	if resp.StatusCode < 300 && said == nil {
		return &reply{resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("ETag"), body}, nil
	}
	e := &statusError{host: c.host, status: resp.StatusCode}
	detail := ""
	if said != nil {
		e.scimType, detail = said.ScimType, said.Detail
		if n, err := strconv.Atoi(string(said.Status)); err == nil && resp.StatusCode < 300 {
			e.status = n
		}
	}
	if e.status < 300 {
		e.status = http.StatusInternalServerError
	}
	if said := strings.TrimSpace(e.scimType + " " + detail); said != "" {
		e.quoted = c.quote(said)
	}
	if u, err := resp.Location(); resp.StatusCode >= 300 && resp.StatusCode < 400 && err == nil {
		e.quoted = c.quote(u.Scheme + "://" + u.Host) // a path may have a secret in it
	}
	e.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if e.code() == apply.Throttled {
		c.putOff(time.Now().Add(e.after))
	}
	return nil, e
}

// putOff puts off the changes of all workers.
func (c *client) putOff(until time.Time) {
	for {
		was := c.closed.Load()
		if was >= until.UnixNano() || c.closed.CompareAndSwap(was, until.UnixNano()) {
			return
		}
	}
}

// admitted waits until the service takes changes again, as far as it has said.
func (c *client) admitted(ctx context.Context) error {
	for until := c.closed.Load(); ; {
		d := time.Until(time.Unix(0, until))
		if d <= 0 {
			return nil
		}
		if err := c.pause(ctx, d); err != nil {
			return err
		}
		now := c.closed.Load()
		if now == until {
			return nil
		}
		until = now
	}
}

// saying is an error as services write it (RFC 7644 section 3.12).
type saying struct {
	Schemas          []string
	Status           word
	ScimType, Detail string
}

// saidError reads an error of a service; nil for what is none.
func saidError(body []byte) *saying {
	if len(body) > maxSaid || !bytes.Contains(bytes.ToLower(body), []byte(errorSchema)) {
		return nil
	}
	var s saying
	if err := json.Unmarshal(body, &s); err != nil && !mistyped(err) {
		return nil
	}
	for _, schema := range s.Schemas {
		if strings.EqualFold(schema, errorSchema) {
			return &s
		}
	}
	return nil
}

// retryAfter reads a Retry-After (RFC 9110 section 10.2.3), which is a number of
// seconds or a date; 0 for none.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0) {
			return 0
		}
		return time.Duration(min(seconds, most.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(text)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), most)
}

// word is a text or a number.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	*w = word(strings.Trim(string(b), `"`))
	return nil
}

// truth is true or false, which some services write as a text, or neither.
type truth uint8

const (
	no truth = iota
	yes
	neither
)

func (t *truth) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(strings.Trim(string(b), `"`)) {
	case "null", "":
	case "true":
		*t = yes
	case "false":
		*t = no
	default:
		*t = neither
	}
	return nil
}

// mistyped reports whether JSON is well-formed, and a value of it not what it should
// be; whatever else there is was read.
func mistyped(err error) bool { return errors.As(err, new(*json.UnmarshalTypeError)) }

// notJSON is the error for a body that is not what was asked for.
func (c *client) notJSON(body []byte) error {
	said := "nothing"
	if text := strings.TrimSpace(string(body)); text != "" {
		said = c.quote(text)
	}
	return &contentError{text: "it answered what is no JSON of SCIM: ", quoted: said, advice: "url has to be the base of a SCIM 2.0 service; a page for people, as of a login, is none"}
}

// quote shows a text of the service in a message, without what it was reported in
// confidence.
func (c *client) quote(text string) string { return quoted(text, c.login.secrets()...) }

// quoted shows a text on one line, not too long, and without secrets.
func quoted(text string, secrets ...string) string {
	const most = 300
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, settings.Concealed)
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

var _ console.Quoting = (*contentError)(nil)

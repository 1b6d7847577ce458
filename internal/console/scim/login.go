package scim

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// login is how the console says who it is.
type login interface {
	// authorization returns the value of the header Authorization.
	authorization(ctx context.Context) (string, error)
	// taken notes that the service has taken such a value. renew reports whether
	// there is another one, or will be, now that it was refused.
	taken(authorization string)
	renew(authorization string) bool
	// secrets are what nobody else may read.
	secrets() []string
}

func newLogin(c *client, o *Options) login {
	switch {
	case o.Basic != nil:
		encoded := base64.StdEncoding.EncodeToString([]byte(o.Basic.Username + ":" + o.Basic.Password.Reveal()))
		return &constant{"Basic " + encoded, []string{encoded, o.Basic.Password.Reveal()}}
	case o.OAuth != nil:
		host := "the token service"
		if u, err := url.Parse(o.OAuth.TokenURL); err == nil {
			host = u.Host
		}
		config := clientcredentials.Config{
			ClientID: o.OAuth.ClientID, ClientSecret: o.OAuth.ClientSecret.Reveal(), TokenURL: o.OAuth.TokenURL, AuthStyle: oauth2.AuthStyleInHeader,
		}
		if o.OAuth.Scope != "" {
			config.Scopes = []string{o.OAuth.Scope}
		}
		return &credentials{host: host, http: c.http, config: config}
	}
	return &constant{"Bearer " + o.Token.Reveal(), []string{o.Token.Reveal()}}
}

// constant is a login that stays the same.
type constant struct {
	value  string
	hidden []string
}

func (l *constant) authorization(context.Context) (string, error) { return l.value, nil }

func (*constant) taken(string) {}

func (*constant) renew(string) bool { return false }

func (l *constant) secrets() []string { return l.hidden }

// credentials are those of a client, for which a token service gives tokens.
type credentials struct {
	host   string // of the token service
	http   *http.Client
	config clientcredentials.Config

	mu    sync.Mutex
	token *oauth2.Token
	fresh bool // the service has not taken the token yet
}

func (l *credentials) authorization(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.token.Valid() {
		token, err := l.config.Token(context.WithValue(ctx, oauth2.HTTPClient, l.http))
		if err != nil {
			return "", l.failed(ctx, err)
		}
		l.token, l.fresh = token, true
	}
	return bearing(l.token), nil
}

func bearing(t *oauth2.Token) string { return t.Type() + " " + t.AccessToken }

// renew gives a token up that worked once. One that never did is not asked for again,
// and another request may have renewed it already.
func (l *credentials) renew(authorization string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case authorization == "":
		return false // the token service gave none
	case l.token != nil && bearing(l.token) == authorization:
		if l.fresh {
			return false
		}
		l.token = nil
	}
	return true
}

func (l *credentials) taken(authorization string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token != nil && bearing(l.token) == authorization {
		l.fresh = false
	}
}

func (l *credentials) secrets() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []string{l.config.ClientSecret}
	if l.token != nil {
		all = append(all, l.token.AccessToken)
	}
	return all
}

// failed makes an error of that of the token service.
func (l *credentials) failed(ctx context.Context, err error) error {
	const look = "see that token_url is the token endpoint, and scope one that the client may ask for"
	var said *oauth2.RetrieveError
	var way *url.Error
	switch {
	case errors.As(err, &said):
	case errors.Is(context.Cause(ctx), errSilent):
		return &unreachedError{host: l.host, err: errSilent}
	case errors.As(err, &way):
		return &unreachedError{host: l.host, err: bare(err)}
	default: // it says that all is well
		return &tokenError{host: l.host, advice: look}
	}
	text := ""
	if said.ErrorCode != "" {
		text = quoted(said.ErrorCode+" "+said.ErrorDescription, l.config.ClientSecret)
	}
	code := said.Response.StatusCode
	switch said.ErrorCode {
	case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied": // RFC 6749 section 5.2
		code = http.StatusUnauthorized
	}
	if code == http.StatusUnauthorized {
		return &statusError{host: l.host, status: code, quoted: text}
	}
	advice := look
	if code == http.StatusTooManyRequests || code >= 500 {
		advice = "try again later: the token service has failed"
	}
	return &tokenError{l.host, code, text, advice}
}

package scim

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "scim".
var Kind = console.Kind{
	Kind: settings.Kind{
		Name: "scim", Help: "A service that takes its users by SCIM 2.0 (RFC 7643, RFC 7644).",
		Settings: []settings.Setting{
			{Name: "url", Required: true, Check: checkURL, Example: `"https://idp.example.com/scim/v2"`, Help: "the base of the service, below which /Users is"},
			{Name: "token", Usual: true, Secret: true, Check: secret("token"), Example: `env("SCIM_TOKEN")`, Help: "the bearer token; or a block basic or oauth"},
			{Name: "ca_file", Type: settings.Path, Help: "authorities to trust in place of those of the system, in PEM"},
			{Name: "client_cert", Type: settings.Path, Help: "a certificate to show to the service, in PEM"},
			{Name: "client_key", Type: settings.Path, Help: "the key of client_cert, in PEM"},
			{Name: "settles_within", Type: settings.Duration, Help: "how long the service may take until what was changed is seen"},
		},
		Blocks: []settings.Block{
			{Name: "basic", Help: "a login by name and password (RFC 7617)", Settings: []settings.Setting{
				{Name: "username", Required: true, Check: checkUsername, Example: `"rollcall"`},
				{Name: "password", Required: true, Secret: true, Check: secret("password"), Example: `env("SCIM_PASSWORD")`},
			}},
			{Name: "oauth", Help: "a login by client credentials (RFC 6749 section 4.4)", Settings: []settings.Setting{
				{Name: "token_url", Required: true, Check: checkURL, Example: `"https://idp.example.com/oauth2/token"`},
				{Name: "client_id", Required: true, Example: `"rollcall"`},
				{Name: "client_secret", Required: true, Secret: true, Check: secret("client_secret"), Example: `env("SCIM_CLIENT_SECRET")`},
				{Name: "scope", Example: `"scim"`, Help: "what the token is for, as the service names it"},
			}},
		},
		Check: check,
		Where: func(v settings.Values) []string { return []string{strings.TrimRight(v.Text("url"), "/")} },
	},
	Survey: survey,
	Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
		c, err := New(options(o))
		if err != nil {
			return nil, err
		}
		if err := c.open(ctx); err != nil {
			_ = c.Close() // it only lets go of connections
			return nil, err
		}
		return c, nil
	},
}

// options reads the block of a console.
func options(o console.Opening) Options {
	v := o.Settings
	options := Options{
		Label: o.Label, Owner: o.Owner, URL: v.Text("url"), Token: v.Secret("token"), CAFile: v.Path("ca_file"),
		ClientCert: v.Path("client_cert"), ClientKey: v.Path("client_key"), Settles: v.Duration("settles_within"),
		Timeout: o.Timeout, Release: o.Release, Log: o.Log, Progress: o.Progress,
	}
	if b, ok := v.Block("basic"); ok {
		options.Basic = &Basic{b.Text("username"), b.Secret("password")}
	}
	if b, ok := v.Block("oauth"); ok {
		options.OAuth = &OAuth{b.Text("token_url"), b.Text("client_id"), b.Secret("client_secret"), b.Text("scope")}
	}
	return options
}

// check looks for settings that do not go together.
func check(v settings.Values) (problems []settings.Problem) {
	var logins []string
	for _, name := range []string{"token", "basic", "oauth"} {
		if v.Has(name) {
			logins = append(logins, name)
		}
	}
	switch {
	case len(logins) == 0:
		problems = append(problems, settings.Problem{Summary: "there is no way to log in",
			Hint: `write token = env("SCIM_TOKEN"), or a block basic or oauth`})
	case len(logins) > 1:
		problems = append(problems, settings.Problem{Setting: logins[1], Part: settings.Name, Summary: "there is more than one way to log in: " + strings.Join(logins, " and "),
			Hint: "remove all but one of them"})
	}
	if v.Has("client_key") != v.Has("client_cert") {
		there, missing := "client_cert", "client_key"
		if v.Has(missing) {
			there, missing = missing, there
		}
		problems = append(problems, settings.Problem{Setting: there, Part: settings.Name, Summary: there + " needs " + missing, Hint: "set both, or neither"})
	}
	if v.Has("settles_within") && v.Duration("settles_within") > time.Hour {
		problems = append(problems, settings.Problem{Setting: "settles_within", Part: settings.Value, Summary: "settles_within is longer than an hour",
			Hint: "an apply may wait that long for each change; write what the service takes until a change is seen"})
	}
	return problems
}

// checkURL looks at a URL that gets credentials.
func checkURL(text string) (p settings.Problem) {
	problem := func(summary, hint string) settings.Problem { return settings.Problem{Summary: summary, Hint: hint} }
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return problem("%s is not a URL", `write it as in "https://idp.example.com/scim/v2"`)
	case u.User != nil:
		return problem("the URL has a user in it", "write who logs in as token, or in a block basic or oauth")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return problem("%s has more than a path", "end the URL before ? and #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return problem("%s is not encrypted, and would show the credentials to the network", "write https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return problem("%s does not begin with https://", `write it as in "https://idp.example.com/scim/v2"`)
	}
	return p
}

// loopback reports whether a host is this machine by its name alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secret looks at a secret, of which nothing is shown.
func secret(name string) func(string) settings.Problem {
	return func(text string) (p settings.Problem) {
		switch {
		case text == "":
			return settings.Problem{Summary: strconv.Quote(name) + " is empty", Hint: "see that the environment variable or the file has a value"}
		case strings.ContainsAny(text, "\r\n"):
			return settings.Problem{Summary: strconv.Quote(name) + " has a line feed in it", Hint: "take the line feed out, as with trimspace(file(...))"}
		}
		return p
	}
}

func checkUsername(text string) (p settings.Problem) {
	if strings.Contains(text, ":") {
		return settings.Problem{Summary: "%s has a colon, which no username of a basic login may have (RFC 7617)", Hint: "use another account"}
	}
	return p
}

// fileError is a file of the configuration that is of no use.
type fileError struct {
	console string
	err     error
	advice  string
}

func (e *fileError) Error() string { return "console \"" + e.console + "\": " + e.err.Error() }

func (e *fileError) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *fileError) Hint() string { return e.advice }

var errNoCertificate = errors.New("it holds no certificate in PEM")

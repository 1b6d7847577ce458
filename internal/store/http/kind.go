package http

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/trust"
	"github.com/rollcall-cli/rollcall/state"
)

// Kind is the store "http".
var Kind = store.Kind{
	Kind: settings.Kind{
		Name: "http", Help: "A server that keeps states for Terraform's http backend, such as GitLab.",
		Settings: append([]settings.Setting{
			{Name: "address", Required: true, Check: checkAddress, Example: `"https://gitlab.example.com/api/v4/projects/17/terraform/state/corp"`, Help: "where the state is"},
			{Name: "lock_address", Check: checkAddress, Help: "where it is locked"},
			{Name: "unlock_address", Check: checkAddress, Help: "where it is unlocked"},
			{Name: "update_method", Check: checkMethod, Help: "the method that writes"},
			{Name: "lock_method", Check: checkMethod, Help: "the method that locks"},
			{Name: "unlock_method", Check: checkMethod, Help: "the method that unlocks"},
			{Name: "username", Help: "who logs in"},
			{Name: "password", Secret: true, Example: `env("STATE_PASSWORD")`, Help: "a password or a token"},
		}, trust.Settings...),
		Check: check,
		Where: func(v settings.Values) []string {
			at, err := url.Parse(v.Text("address"))
			if err != nil {
				return nil
			}
			return []string{shown(at)}
		},
	},
	Open: func(o store.Opening) (state.Shared, error) {
		s, err := open(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	},
	Setup: setup,
}

// checkAddress looks at an address, which may be empty where it need not be written.
func checkAddress(text string) (p settings.Problem) {
	if text == "" {
		return p
	}
	at, err := url.Parse(text)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !loopback(at.Hostname())):
		return settings.Problem{Summary: "it is not an address that begins with https://", Hint: `write "https://HOST/PATH"; http:// is for servers on this machine`}
	case at.User != nil:
		return settings.Problem{Summary: "there is a user in the address", Hint: `write username = "…" and password = env("STATE_PASSWORD") beside it`}
	}
	return p
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

var method = regexp.MustCompile(`^[A-Z]+$`)

func checkMethod(text string) (p settings.Problem) {
	if text != "" && !method.MatchString(text) {
		return settings.Problem{Summary: "%s is not a method of HTTP", Hint: `write it in capitals, as "PUT"`}
	}
	return p
}

func check(v settings.Values) (all []settings.Problem) {
	if v.Has("username") != v.Has("password") {
		all = append(all, settings.Problem{Summary: "username and password go together", Hint: "write both, or neither"})
	}
	return append(all, trust.Check(v)...)
}

// gitlab is how addresses of states in GitLab end, whose lock has an address of its own.
var gitlab = regexp.MustCompile(`/terraform/state/[^/]+$`)

// protocol is how a server is asked.
type protocol struct {
	state, lock, unlock                    *url.URL
	updateMethod, lockMethod, unlockMethod string
}

// protocolOf reads how a server is asked. Where nothing is written, an address that is one
// of GitLab is locked by POST and unlocked by DELETE at the address with /lock behind its
// path, and any other by LOCK and UNLOCK where it is itself.
func protocolOf(v settings.Values) (p protocol, err error) {
	if p.state, err = url.Parse(v.Text("address")); err != nil {
		return p, errors.New("the address is not well-formed")
	}
	p.updateMethod, p.lockMethod, p.unlockMethod = "POST", "LOCK", "UNLOCK"
	p.lock = p.state
	if gitlab.MatchString(p.state.EscapedPath()) {
		p.lock = p.state.JoinPath("lock")
		p.lockMethod, p.unlockMethod = "POST", "DELETE"
	}
	if text := v.Text("lock_address"); text != "" {
		if p.lock, err = url.Parse(text); err != nil {
			return p, errors.New("the lock_address is not well-formed")
		}
	}
	p.unlock = p.lock
	if text := v.Text("unlock_address"); text != "" {
		if p.unlock, err = url.Parse(text); err != nil {
			return p, errors.New("the unlock_address is not well-formed")
		}
	}
	for name, method := range map[string]*string{"update_method": &p.updateMethod, "lock_method": &p.lockMethod, "unlock_method": &p.unlockMethod} {
		if text := v.Text(name); text != "" {
			*method = text
		}
	}
	return p, nil
}

// shown is an address without what may be a secret in it: who asks, and what follows the
// path.
func shown(at *url.URL) string {
	return (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: at.Path, RawPath: at.RawPath}).String()
}

// setup finds out whether the server keeps a second lock away, and makes nothing.
func setup(ctx context.Context, o store.Opening) (store.Setup, error) {
	s, err := open(o)
	if err != nil {
		return store.Setup{}, err
	}
	defer s.Close()
	if _, _, err := s.fetch(ctx, nil, ""); err != nil {
		return store.Setup{}, err
	}
	const command = "rollcall state setup"
	first := newClaim(state.Me(command), s.release)
	if err := s.take(ctx, first); err != nil {
		return store.Setup{}, err
	}
	second := newClaim(state.Me(command), s.release)
	err = s.take(ctx, second)
	if err == nil {
		err = s.access(errors.New("the server gives its lock to two at a time"), "write lock_address, lock_method and unlock_method as the server's documentation says for Terraform")
	} else if errors.As(err, new(*state.LockedError)) {
		err = nil
	}
	return store.Setup{}, errors.Join(err, s.free(ctx, first))
}

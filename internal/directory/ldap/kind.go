package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// ActiveDirectory are the domain controllers of a domain.
var ActiveDirectory = directory.Kind{
	Kind: settings.Kind{
		Name:     "active_directory",
		Settings: append([]settings.Setting{{Name: "site"}}, readSettings(checkLogin)...), Blocks: []settings.Block{ticketLogin},
		Check: func(v settings.Values) []settings.Problem {
			problems := check("directory", v)
			if !v.Has("bind_dn") && !v.Has("client_cert") && !v.Has("kerberos") {
				problems = append(problems, settings.Problem{Warning: true, Hint: "set bind_dn and bind_password, or write a kerberos block",
					Summary: fmt.Sprintf("directory %q has no login, and Active Directory answers no search without one", v.Label())})
			}
			if v.Has("site") && !v.Has("domain") {
				problems = append(problems, settings.Problem{Setting: "site", Hint: `write domain = "corp.example.com" in place of urls, or remove site`,
					Summary: `"site" chooses among the servers of a domain, and there is no "domain"`})
			}
			return problems
		},
		Where: where,
	},
	Open: func(opening directory.Opening) (directory.Source, error) {
		o := options(opening.Settings)
		o.ActiveDirectory, o.Site = true, opening.Settings.Text("site")
		return New(o), nil
	},
}

// LDAP are other servers that hold the same.
var LDAP = directory.Kind{
	Kind: settings.Kind{Name: "ldap", Username: "uid", Settings: readSettings(checkDN), Blocks: []settings.Block{ticketLogin}, Where: where,
		Check: func(v settings.Values) []settings.Problem { return check("directory", v) }},
	Open: func(o directory.Opening) (directory.Source, error) { return New(options(o.Settings)), nil },
}

// Connection are the settings of servers and of the login there, and the blocks, for
// kinds of consoles. Servers are named, since not every one that DNS knows may be
// written, and how long a console may be silent is said by its block.
func Connection() (all []settings.Setting, blocks []settings.Block) {
	for _, s := range common(checkDN) {
		switch s.Name {
		case "domain", "timeout":
			continue
		case "urls":
			s.Required, s.Example, s.Help = true, `["ldaps://ldap.example.com"]`, "the servers, tried in order"
		case "bind_dn":
			s.Example, s.Help = `"cn=rollcall,dc=example,dc=com"`, "who logs in"
		case "bind_password":
			s.Example = `env("LDAP_PASSWORD")`
		case "page_size":
			s.Example = "1000"
		}
		all = append(all, s)
	}
	return all, []settings.Block{ticketLogin}
}

// CheckConnection looks for settings of a connection that do not go together. The
// noun says what the block is.
func CheckConnection(noun string, v settings.Values) []settings.Problem { return check(noun, v) }

// ConnectionWhere says where a connection leads; see [settings.Kind].
func ConnectionWhere(v settings.Values) []string { return serverURLs(v) }

// CheckDN says what is wrong with a distinguished name.
func CheckDN(text string) settings.Problem { return checkDN(text) }

// readSettings are the settings of both kinds, which differ in who logs in.
func readSettings(login func(string) settings.Problem) []settings.Setting {
	return append(common(login),
		settings.Setting{Name: "delta", Type: settings.Flag},
		settings.Setting{Name: "full_every", Type: settings.Duration, Default: 24 * time.Hour})
}

// mostBetween is how long a directory may be followed without a complete read. Active
// Directory shows deleted objects for 60 days at least (MS-ADTS section 3.1.1.1.15).
const mostBetween = 30 * 24 * time.Hour

// common are those of them that connections have, too.
func common(login func(string) settings.Problem) []settings.Setting {
	return []settings.Setting{
		{Name: "urls", Type: settings.Texts, Check: checkURL, Example: `["ldaps://dc1.example.com"]`},
		{Name: "domain", Check: func(text string) (p settings.Problem) {
			if !identity.ValidDomain(text) {
				return settings.Problem{Summary: "%s is not a domain", Hint: identity.DomainHint(text)}
			}
			return p
		}},
		{Name: "bind_dn", Check: login},
		{Name: "bind_password", Secret: true, Check: func(text string) (p settings.Problem) {
			if text == "" {
				return settings.Problem{Summary: "the password is empty", Hint: "give it a value; a server takes an empty password as no login at all (RFC 4513 section 5.1.2)"}
			}
			return p
		}},
		{Name: "ca_file", Type: settings.Path},
		{Name: "client_cert", Type: settings.Path},
		{Name: "client_key", Type: settings.Path},
		{Name: "start_tls", Type: settings.Flag},
		{Name: "insecure", Type: settings.Flag},
		{Name: "timeout", Type: settings.Duration, Default: 60 * time.Second},
		{Name: "page_size", Type: settings.Number, Least: 1, Most: 100_000, Default: 1000},
	}
}

// ticketLogin is a login by a ticket (RFC 4752).
var ticketLogin = settings.Block{
	Name: "kerberos",
	Settings: []settings.Setting{
		{Name: "principal", Check: func(text string) (p settings.Problem) {
			if !inTwo(text, "@") {
				return settings.Problem{Summary: "%s is not the principal of a Kerberos user", Hint: "write name@REALM; the realm is mostly the domain in capitals"}
			}
			return p
		}},
		{Name: "keytab", Type: settings.Path},
		{Name: "cache", Type: settings.Path},
		{Name: "config", Type: settings.Path},
		{Name: "service", Check: func(text string) (p settings.Problem) {
			if !inTwo(text, "/") || strings.Contains(text, "@") {
				return settings.Problem{Summary: "%s is not the principal of a service", Hint: `write "ldap/" and the name by which Kerberos knows the server, without a realm`}
			}
			return p
		}},
	},
}

// options reads the block of a directory.
func options(v settings.Values) Options {
	o := ConnectionOptions(v)
	o.Domain, o.Timeout = strings.ToLower(v.Text("domain")), v.Duration("timeout")
	if v.Flag("delta") {
		o.FullEvery = v.Duration("full_every")
	}
	return o
}

// ConnectionOptions reads the settings of [Connection]; Timeout is not among them.
func ConnectionOptions(v settings.Values) Options {
	o := Options{
		Label: v.Label(), URLs: serverURLs(v),
		BindDN: v.Text("bind_dn"), Password: v.Secret("bind_password").Reveal,
		CAFile: v.Path("ca_file"), ClientCert: v.Path("client_cert"), ClientKey: v.Path("client_key"),
		StartTLS: v.Flag("start_tls"), PageSize: v.Number("page_size"),
	}
	if k, ok := v.Block("kerberos"); ok {
		o.Kerberos = &Kerberos{
			Principal: k.Text("principal"), Keytab: k.Path("keytab"), Cache: k.Path("cache"),
			Config: cmp.Or(k.Path("config"), "/etc/krb5.conf"), Service: k.Text("service"),
		}
	}
	return o
}

// serverURLs returns the URLs in lower case, each once.
func serverURLs(v settings.Values) (urls []string) {
	for _, text := range v.Texts("urls") {
		if text = strings.TrimSuffix(strings.ToLower(text), "/"); !slices.Contains(urls, text) {
			urls = append(urls, text)
		}
	}
	return urls
}

func where(v settings.Values) []string {
	site := ""
	if v.Has("site") {
		site = v.Text("site")
	}
	return append(serverURLs(v), strings.ToLower(v.Text("domain")), site)
}

// check looks for settings of a directory, or of what the noun says, that do not go
// together.
func check(noun string, v settings.Values) (problems []settings.Problem) {
	report := func(p settings.Problem, format string, args ...any) {
		p.Summary = fmt.Sprintf(format, args...)
		problems = append(problems, p)
	}
	const remove = "remove one of them"
	label := v.Label()
	switch {
	case noun != "directory": // whose servers are named
	case !v.Has("urls") && !v.Has("domain"):
		report(settings.Problem{Hint: `write urls = ["ldaps://dc1.example.com"], or domain = "corp.example.com" to have the servers looked up`},
			"directory %q has neither %q nor %q", label, "urls", "domain")
	case v.Has("urls") && v.Has("domain"):
		report(settings.Problem{Setting: "domain", Hint: remove}, "directory %q has both %q and %q", label, "urls", "domain")
	}

	if v.Has("full_every") && v.Duration("full_every") > mostBetween {
		report(settings.Problem{Setting: "full_every", Part: settings.Value, Hint: "servers forget what was deleted; write at most 30 days, as \"720h\""}, "%%s is more than 30 days")
	}
	if v.Has("full_every") && !v.Flag("delta") {
		report(settings.Problem{Setting: "full_every", Hint: "write delta = true, or remove full_every"}, "directory %q has %q and reads completely every time", label, "full_every")
	}
	plain := -1
	for i, text := range v.Texts("urls") {
		switch encrypted := strings.HasPrefix(strings.ToLower(text), "ldaps:"); {
		case text == "":
		case encrypted && v.Flag("start_tls"):
			report(settings.Problem{Setting: "urls", Part: settings.Value, Item: i, Hint: "remove start_tls, or write ldap://"},
				"%%s is encrypted from the start, and start_tls begins without encryption")
		case !encrypted && plain < 0:
			plain = i
		}
	}
	if plain >= 0 && !v.Flag("start_tls") {
		at := settings.Problem{Setting: "urls", Part: settings.Value, Item: plain, Hint: "use ldaps://, or set start_tls = true"}
		switch {
		case v.Has("kerberos"):
			report(at, "a login by Kerberos needs encryption, and %%s has none")
		case v.Has("bind_password") && !v.Flag("insecure"):
			report(at, "the password would pass over %%s without encryption")
		}
	}
	if v.Flag("insecure") {
		report(settings.Problem{Setting: "insecure", Warning: true, Hint: "use ldaps:// or start_tls = true, with ca_file for a certificate authority of your own"},
			"%s %q may send its password without encryption", noun, label)
	}

	switch {
	case v.Has("bind_password") && !v.Has("bind_dn"):
		report(settings.Problem{Setting: "bind_password", Part: settings.Name, Hint: "say with bind_dn whose password it is"}, "%s %q has a password and nobody to log in as", noun, label)
	case v.Has("bind_dn") && !v.Has("bind_password"):
		report(settings.Problem{Setting: "bind_dn", Part: settings.Name, Hint: `write bind_password = env("NAME") or file("path")`}, "%s %q has %q without a password", noun, label, "bind_dn")
	}
	for _, pair := range [][2]string{{"client_cert", "client_key"}, {"client_key", "client_cert"}} {
		if v.Has(pair[0]) && !v.Has(pair[1]) {
			report(settings.Problem{Setting: pair[0], Hint: "set both, to files in PEM"}, "%s %q sets %q without %q", noun, label, pair[0], pair[1])
		}
	}

	k, ok := v.Block("kerberos")
	if !ok {
		return problems
	}
	for _, name := range []string{"bind_dn", "bind_password"} {
		if v.Has(name) {
			report(settings.Problem{Setting: name, Part: settings.Name, Hint: remove}, "%s %q has both %q and %q", noun, label, "kerberos", name)
		}
	}
	ticket := func(name, hint, format string, args ...any) {
		report(settings.Problem{Setting: "kerberos." + name, Part: settings.Name, Hint: hint}, "the Kerberos login of %s %q "+format, append([]any{noun, label}, args...)...)
	}
	switch keytab, cache, principal := k.Has("keytab"), k.Has("cache"), k.Has("principal"); {
	case keytab && cache:
		ticket("cache", remove, "has both %q and %q", "keytab", "cache")
	case !keytab && !cache:
		ticket("", `write keytab = "svc.keytab" and whose keys it holds, or cache = "/run/krb5cc_svc" for tickets that something else renews`, "has neither %q nor %q", "keytab", "cache")
	case keytab && !principal:
		ticket("keytab", `write principal = "svc-rollcall@CORP.EXAMPLE.COM"`, "has a %q and no %q", "keytab", "principal")
	case cache && principal:
		ticket("principal", "remove it; the cache says whose tickets it holds", "has both %q and %q", "cache", "principal")
	}
	return problems
}

// checkURL checks an LDAP URL (RFC 4516), of which only scheme, host and port may
// be given.
func checkURL(text string) (p settings.Problem) {
	p.Hint = "write ldaps://host or ldaps://host:port"
	scheme, rest, ok := strings.Cut(strings.ToLower(text), "://")
	host, port, hasPort := hostPort(strings.TrimSuffix(rest, "/"))
	switch n, err := strconv.Atoi(port); {
	case strings.Contains(text, "@"):
		return settings.Problem{Summary: "the URL of a server holds no user and password", Hint: "use bind_dn and bind_password"}
	case !ok:
		p.Summary = "%s is not a URL"
	case scheme != "ldap" && scheme != "ldaps":
		p.Summary = "%s is not the URL of an LDAP server"
	case strings.ContainsAny(host+port, "/?#"):
		p.Summary = "%s holds more than a host"
		p.Hint += "; what to read is said by the base_dn and filter of scopes"
	case !validHost(host):
		p.Summary = "%s names no host"
	case hasPort && (err != nil || n < 1 || n > math.MaxUint16 || len(port) > 5):
		p.Summary = "%s has no valid port"
		p.Hint = "a port is a number from 1 to 65535; the usual ones are 636 for ldaps:// and 389 for ldap://"
	}
	return p
}

// hostPort splits host:port, where the host may be an IPv6 address in brackets.
func hostPort(s string) (host, port string, hasPort bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < strings.LastIndexByte(s, ']') || colon < 0 {
		return s, "", false
	}
	return s[:colon], s[colon+1:], true
}

// validHost accepts names of one or more labels, IPv4 addresses, and IPv6
// addresses in brackets, which are not looked into.
func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && strings.Contains(inner, ":") && strings.Trim(inner, "0123456789abcdef:.") == ""
	}
	return identity.ValidDomain("x." + host)
}

// checkLogin checks who logs in to Active Directory.
func checkLogin(text string) (p settings.Problem) {
	switch {
	case strings.Contains(text, "="):
		return checkDN(text)
	case strings.TrimSpace(text) != "" && !strings.ContainsAny(text, `@\`):
		return settings.Problem{Summary: "%s is not a name to log in with", Hint: `write a distinguished name, name@domain, or DOMAIN\name (a backslash is written twice in quotes)`}
	}
	return p
}

func checkDN(text string) (p settings.Problem) {
	_, err := identity.ParseDN(text)
	if e, ok := errors.AsType[*identity.ErrDN](err); ok && strings.TrimSpace(text) != "" {
		return settings.Problem{Summary: "%s is not a distinguished name (RFC 4514)", Hint: e.Reason, Offset: e.Offset, Length: 1}
	}
	return p
}

// inTwo reports whether a text consists of two parts without white space and
// the separator between them.
func inTwo(text, separator string) bool {
	a, b, ok := strings.Cut(text, separator)
	return ok && a != "" && b != "" && !strings.Contains(b, separator) && !strings.ContainsFunc(text, unicode.IsSpace)
}

package config

import (
	"cmp"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

func (d *decoder) readDirectories(blocks []*block) {
	seen := map[string]string{}
	for _, b := range blocks {
		d.directoryLabel(b, seen)
		dir := Directory{Name: b.label, Kind: b.oneOf("kind", kinds...)}
		d.config.Rules.Directories = append(d.config.Rules.Directories, b.label)
		kind, known := b.text("kind")
		known = known && slices.Contains(kinds, kind.text)
		if !b.require("kind", "expected "+alternatives(kinds, "kind = %q")) || !known {
			// Which attributes belong here is anybody's guess.
			d.config.Directories = append(d.config.Directories, dir)
			continue
		}
		for _, a := range inOrder(b.Body.Attributes) {
			if a.Name != "kind" && b.has(a.Name) && !slices.Contains(kindAttributes[dir.Kind], a.Name) {
				d.errorf(a.NameRange, "remove it; the kind takes "+alternatives(kindAttributes[dir.Kind], "%s"), "a directory of kind %q has no attribute %q", dir.Kind, a.Name)
				delete(b.values, a.Name)
			}
		}
		if dir.Kind == LDIF {
			for _, inner := range b.blocks {
				d.errorf(inner.TypeRange, "remove it; the kind takes "+alternatives(kindAttributes[dir.Kind], "%s"), "a directory of kind %q has no block %q", dir.Kind, inner.Type)
			}
			d.files(b, &dir)
		} else {
			d.server(b, &dir)
		}
		d.config.Directories = append(d.config.Directories, dir)
	}
}

// directoryLabel checks that a label can name a file, for snapshots do, on
// systems too where letter case does not count in names of files.
func (d *decoder) directoryLabel(b *block, seen map[string]string) {
	odd := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	if strings.ContainsFunc(b.label, odd) || strings.HasPrefix(b.label, ".") || strings.HasSuffix(b.label, ".") || len(b.label) > 64 {
		d.errorf(b.labelRange(), "use at most 64 letters a to z, digits, hyphens, underscores and inner dots", "the label %q cannot name the directory's snapshot file", b.label)
	}
	folded := strings.ToLower(b.label)
	if first, ok := seen[folded]; ok && first != b.label {
		d.errorf(b.labelRange(), "give it another name", "directory %q differs from directory %q in letter case alone", b.label, first)
	} else {
		seen[folded] = b.label
	}
}

func (d *decoder) files(b *block, dir *Directory) {
	if !b.require("path", `write path = "export.ldif"; it is relative to this file`) {
		return
	}
	paths, ok := b.textOrTexts("path")
	if !ok {
		return
	}
	if len(paths) == 0 {
		d.errorf(b.rangeOf("path"), `write path = "export.ldif"`, "%q is empty", "path")
	}
	for _, p := range paths {
		if !b.fullText("path", p) {
			continue
		}
		base := d.config.Dir
		if strings.ContainsAny(p.text, "*?[") {
			if _, err := filepath.Match(p.text, ""); err != nil {
				d.errorf(p.rng, `a set of characters is written [a-z]; a literal "[" is written [[]`, "%s is not a pattern of file names", p.shown)
				continue
			}
			base = literalPattern(base)
		}
		dir.Paths = append(dir.Paths, settings.Resolve(base, p.text))
		dir.patterns = append(dir.patterns, filepath.ToSlash(filepath.Clean(p.text)))
	}
}

// literalPattern returns a pattern that matches the path alone.
func literalPattern(path string) string {
	if runtime.GOOS == "windows" {
		return path // has no escapes in patterns
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (d *decoder) server(b *block, dir *Directory) {
	plain := d.addresses(b, dir)
	if k := d.single(b.blocks); k != nil {
		dir.Kerberos = d.kerberos(b, k)
	}
	d.credentials(b, dir)
	dir.CAFile = b.path("ca_file", d.config.Dir)
	dir.ClientCert = b.path("client_cert", d.config.Dir)
	dir.ClientKey = b.path("client_key", d.config.Dir)
	for _, pair := range [][2]string{{"client_cert", "client_key"}, {"client_key", "client_cert"}} {
		if b.has(pair[0]) && !b.has(pair[1]) {
			d.errorf(b.Body.Attributes[pair[0]].SrcRange, "set both, to files in PEM", "%s %q sets %q without %q", b.Type, b.label, pair[0], pair[1])
		}
	}
	dir.StartTLS = b.flag("start_tls", false)
	dir.Insecure = b.flag("insecure", false)
	if dir.Insecure {
		d.warnf(b.Body.Attributes["insecure"].SrcRange, "use ldaps:// or start_tls = true, with ca_file for a certificate authority of your own",
			"directory %q may send its password without encryption", b.label)
	}
	if plain != nil && !dir.StartTLS {
		const hint = "use ldaps://, or set start_tls = true"
		switch {
		case dir.Kerberos != nil:
			d.errorf(plain.rng, hint, "a login by Kerberos needs encryption, and %s has none", plain.shown)
		case b.has(bindPassword) && !dir.Insecure:
			d.errorf(plain.rng, hint, "the password would pass over %s without encryption", plain.shown)
		}
	}
	dir.Timeout = DefaultTimeout
	if t, ok := b.duration("timeout"); ok {
		dir.Timeout = t
	}
	dir.PageSize = b.number("page_size", 1, 100_000, DefaultPageSize)
}

// addresses reads where the servers are. It returns the first URL that is not
// encrypted from the start.
func (d *decoder) addresses(b *block, dir *Directory) (plain *item) {
	if !b.has("urls") && !b.has("domain") {
		d.errorf(b.header(), `write urls = ["ldaps://dc1.example.com"], or domain = "corp.example.com" to have the servers looked up`,
			"directory %q has neither %q nor %q", b.label, "urls", "domain")
	}
	if b.has("urls") && b.has("domain") {
		d.errorf(b.Body.Attributes["domain"].SrcRange, "remove one of them", "directory %q has both %q and %q", b.label, "urls", "domain")
	}
	if urls, ok := b.texts("urls"); ok {
		if len(urls) == 0 {
			d.errorf(b.rangeOf("urls"), `write urls = ["ldaps://dc1.example.com"]`, "%q is empty", "urls")
		}
		startTLS := b.flag("start_tls", false)
		for i := range urls {
			text, ok := d.serverURL(urls[i])
			if !ok {
				continue
			}
			encrypted := strings.HasPrefix(text, "ldaps:")
			if encrypted && startTLS {
				d.errorf(urls[i].rng, "remove start_tls, or write ldap://", "%s is encrypted from the start, and start_tls begins without encryption", urls[i].shown)
			}
			if !encrypted && plain == nil {
				plain = &urls[i]
			}
			if !slices.Contains(dir.URLs, text) {
				dir.URLs = append(dir.URLs, text)
			}
		}
	}
	if domain, ok := b.text("domain"); ok {
		if !identity.ValidDomain(domain.text) {
			d.errorf(domain.rng, domainHint(domain.text), "%s is not a domain", domain.shown)
		}
		dir.Domain = strings.ToLower(domain.text)
	}
	if site, ok := b.text("site"); ok && b.fullText("site", site) {
		dir.Site = site.text
	}
	if b.has("site") && !b.has("domain") {
		d.errorf(b.Body.Attributes["site"].SrcRange, `write domain = "corp.example.com" in place of urls, or remove site`, "%q chooses among the servers of a domain, and there is no %q", "site", "domain")
	}
	return plain
}

// serverURL checks an LDAP URL (RFC 4516), of which only scheme, host and port
// may be given, and returns it in lower case.
func (d *decoder) serverURL(it item) (string, bool) {
	hint := "write ldaps://host or ldaps://host:port"
	scheme, rest, ok := strings.Cut(strings.ToLower(it.text), "://")
	host, port, hasPort := hostPort(strings.TrimSuffix(rest, "/"))
	what := ""
	switch n, err := strconv.Atoi(port); {
	case strings.Contains(it.text, "@"):
		d.errorf(it.rng, "use bind_dn and bind_password", "the URL of a server holds no user and password")
		return "", false
	case !ok:
		what = "is not a URL"
	case scheme != "ldap" && scheme != "ldaps":
		what = "is not the URL of an LDAP server"
	case strings.ContainsAny(host+port, "/?#"):
		what = "holds more than a host"
		hint += "; what to read is said by the base_dn and filter of scopes"
	case !validHost(host):
		what = "names no host"
	case hasPort && (err != nil || n < 1 || n > math.MaxUint16 || len(port) > 5):
		what = "has no valid port"
		hint = "a port is a number from 1 to 65535; the usual ones are 636 for ldaps:// and 389 for ldap://"
	default:
		return strings.TrimSuffix(scheme+"://"+rest, "/"), true
	}
	d.errorf(it.rng, hint, "%s %s", it.shown, what)
	return "", false
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

func (d *decoder) credentials(b *block, dir *Directory) {
	password, hasPassword := b.value(bindPassword)
	if hasPassword {
		if it, ok := b.text(bindPassword); ok {
			dir.BindPassword = settings.NewSecret(it.text)
			switch {
			case it.text == "":
				d.errorf(it.rng, "give it a value; a server takes an empty password as no login at all (RFC 4513 section 5.1.2)", "the password is empty")
			case !password.IsMarked():
				d.warnf(b.Body.Attributes[bindPassword].NameRange, `use env("NAME") or file("path"), and change the password`, "the password of directory %q stands in the configuration", b.label)
			}
		}
	}
	switch {
	case b.has(bindPassword) && !b.has("bind_dn"):
		d.errorf(b.Body.Attributes[bindPassword].NameRange, "say with bind_dn whose password it is", "directory %q has a password and nobody to log in as", b.label)
	case b.has("bind_dn") && !b.has(bindPassword):
		d.errorf(b.Body.Attributes["bind_dn"].NameRange, `write bind_password = env("NAME") or file("path")`, "directory %q has %q without a password", b.label, "bind_dn")
	case !b.has("bind_dn") && dir.Kind == ActiveDirectory && !b.has("client_cert") && dir.Kerberos == nil:
		d.warnf(b.header(), "set bind_dn and bind_password, or write a kerberos block", "directory %q has no login, and Active Directory answers no search without one", b.label)
	}
	dn, ok := b.text("bind_dn")
	if !ok || !b.fullText("bind_dn", dn) {
		return
	}
	dir.BindDN = dn.text
	if dir.Kind == ActiveDirectory && !strings.Contains(dn.text, "=") {
		if !strings.ContainsAny(dn.text, `@\`) {
			d.errorf(dn.rng, `write a distinguished name, name@domain, or DOMAIN\name (a backslash is written twice in quotes)`, "%s is not a name to log in with", dn.shown)
		}
		return
	}
	d.checkDN(dn)
}

// kerberos reads the block k of the directory b.
func (d *decoder) kerberos(b, k *block) *Kerberos {
	for _, name := range []string{"bind_dn", bindPassword} {
		if b.has(name) {
			d.errorf(b.Body.Attributes[name].NameRange, "remove one of them", "directory %q has both %q and %q", b.label, kerberosBlock, name)
		}
	}
	switch keytab, cache := k.has("keytab"), k.has("cache"); {
	case keytab && cache:
		d.errorf(k.Body.Attributes["cache"].NameRange, "remove one of them", "the Kerberos login of directory %q has both %q and %q", b.label, "keytab", "cache")
	case !keytab && !cache:
		d.errorf(k.header(), `write keytab = "svc.keytab" and whose keys it holds, or cache = "/run/krb5cc_svc" for tickets that something else renews`,
			"the Kerberos login of directory %q has neither %q nor %q", b.label, "keytab", "cache")
	case keytab && !k.has("principal"):
		d.errorf(k.Body.Attributes["keytab"].NameRange, `write principal = "svc-rollcall@CORP.EXAMPLE.COM"`, "the Kerberos login of directory %q has a %q and no %q", b.label, "keytab", "principal")
	case cache && k.has("principal"):
		d.errorf(k.Body.Attributes["principal"].NameRange, "remove it; the cache says whose tickets it holds", "the Kerberos login of directory %q has both %q and %q", b.label, "cache", "principal")
	}
	login := &Kerberos{
		Keytab: k.path("keytab", d.config.Dir), Cache: k.path("cache", d.config.Dir),
		Config: cmp.Or(k.path("config", d.config.Dir), DefaultKerberos),
	}
	if it, ok := k.text("principal"); ok {
		if login.Principal = it.text; !inTwo(it.text, "@") {
			d.errorf(it.rng, "write name@REALM; the realm is mostly the domain in capitals", "%s is not the principal of a Kerberos user", it.shown)
		}
	}
	if it, ok := k.text("service"); ok {
		if login.Service = it.text; !inTwo(it.text, "/") || strings.Contains(it.text, "@") {
			d.errorf(it.rng, `write "ldap/" and the name by which Kerberos knows the server, without a realm`, "%s is not the principal of a service", it.shown)
		}
	}
	return login
}

// inTwo reports whether a text consists of two parts without white space and
// the separator between them.
func inTwo(text, separator string) bool {
	a, b, ok := strings.Cut(text, separator)
	return ok && a != "" && b != "" && !strings.Contains(b, separator) && !strings.ContainsFunc(text, unicode.IsSpace)
}

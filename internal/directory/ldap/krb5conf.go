package ldap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/config"
)

// A krb5.conf is written for MIT Kerberos, and gokrb5 reads less than that: it
// stops at values that it does not know, passes over included files, and lets the
// last of several values count. So the file is read here as MIT does
// (https://web.mit.edu/kerberos/krb5-latest/doc/admin/conf_files/krb5_conf.html),
// and gokrb5 is given what it goes by, in its own form:
//
//   - "include FILE" and "includedir FOLDER" are followed wherever they stand.
//     Files of a folder count whose names are letters, digits, dashes and
//     underscores, or end in ".conf" and do not begin with a dot. A file begins
//     outside of every section, and leaves the one that includes it as it was.
//   - Of several values of one name the first counts; of several blocks of one
//     realm, the Kerberos servers of all.
//   - DNS is asked for the servers of a realm for which none is named, unless
//     dns_lookup_kdc says no.

// profile holds the lines of a krb5.conf by section.
type profile struct {
	libdefaults, domains relations
	// servers are the values of kdc by realm, in their order.
	servers relations
}

// relations are names with their values, in the order in which they came.
type relations struct {
	names  []string
	values map[string][]string
}

func (r *relations) add(name string, values ...string) {
	if r.values == nil {
		r.values = map[string][]string{}
	}
	if _, known := r.values[name]; !known {
		r.names = append(r.names, name)
	}
	r.values[name] = append(r.values[name], values...)
}

// maxIncludes is how deep files may include each other.
const maxIncludes = 10

// kerberosConfig reads a krb5.conf. Its errors are faults of files.
func kerberosConfig(path string) (*config.Config, error) {
	var p profile
	if err := p.file(path, 0); err != nil {
		return nil, err
	}
	c, err := config.NewFromString(p.String())
	if err != nil {
		return nil, &fileError{fmt.Errorf("kerberos config %s: %w", path, err), "correct the value there"}
	}
	return c, nil
}

func (p *profile) file(path string, depth int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return unreadable("kerberos config", path, err)
	}
	if depth > maxIncludes {
		return &fileError{fmt.Errorf("kerberos config %s: files include each other without end", path), "take out the include or includedir that leads back"}
	}
	section, realm, blocks := "", "", 0
	for line := range strings.Lines(string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if m := include.FindStringSubmatch(line); m != nil {
			if err := p.include(path, m[1] == "dir", m[2], depth+1); err != nil {
				return err
			}
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section, _, _ = strings.Cut(name, "]")
			blocks = 0
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		name, value = strings.TrimSpace(strings.TrimRight(name, "* \t")), unquoted(value)
		switch {
		case strings.HasPrefix(line, "}"):
			blocks--
		case strings.HasPrefix(value, "{"):
			if blocks++; blocks == 1 {
				realm = name
				if section == "realms" {
					p.servers.add(realm)
				}
			}
			if strings.HasSuffix(value, "}") {
				blocks--
			}
		case section == "libdefaults" && blocks == 0:
			p.libdefaults.add(name, value)
		case section == "domain_realm" && blocks == 0:
			p.domains.add(strings.ToLower(name), value)
		case section == "realms" && blocks == 1 && name == "kdc":
			p.servers.add(realm, value)
		}
	}
	return nil
}

var (
	include  = regexp.MustCompile(`^include(dir)?\s+([^=\s].*)$`)
	included = regexp.MustCompile(`^([A-Za-z0-9_-]+|[^.].*\.conf)$`)
)

// include reads the file, or the files of the folder, that another one names.
func (p *profile) include(from string, folder bool, path string, depth int) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from), path)
	}
	if !folder {
		return p.file(path, depth)
	}
	files, err := os.ReadDir(path) // sorted
	if err != nil {
		return unreadable("kerberos config "+from+": includedir", path, err)
	}
	for _, f := range files {
		if f.IsDir() || !included.MatchString(f.Name()) {
			continue
		}
		if err := p.file(filepath.Join(path, f.Name()), depth); err != nil {
			return err
		}
	}
	return nil
}

// unquoted returns a value without the spaces and quotes around it.
func unquoted(value string) string {
	value = strings.TrimSpace(value)
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// libdefaults are the names in [libdefaults] that gokrb5 goes by, each with what
// makes its form of MIT's.
var libdefaults = map[string]func(string) string{
	"default_realm":           asIs,
	"ticket_lifetime":         duration,
	"renew_lifetime":          duration,
	"clockskew":               duration,
	"udp_preference_limit":    asIs,
	"default_tgs_enctypes":    list,
	"default_tkt_enctypes":    list,
	"permitted_enctypes":      list,
	"preferred_preauth_types": func(v string) string { return strings.ReplaceAll(v, " ", "") },
	"allow_weak_crypto":       boolean,
	"canonicalize":            boolean,
	"dns_lookup_kdc":          boolean,
	"forwardable":             boolean,
	"noaddresses":             boolean,
	"proxiable":               boolean,
}

func asIs(v string) string { return v }

func list(v string) string { return strings.ReplaceAll(v, ",", " ") }

// duration takes the spaces out of "1d 12h".
func duration(v string) string { return strings.Join(strings.Fields(v), "") }

func boolean(v string) string {
	switch strings.ToLower(v) {
	case "on":
		return "true"
	case "off", "nil":
		return "false"
	}
	return v
}

// String writes what gokrb5 is to read.
func (p *profile) String() string {
	var b strings.Builder
	b.WriteString("[libdefaults]\n")
	if !slices.Contains(p.libdefaults.names, "dns_lookup_kdc") {
		b.WriteString("dns_lookup_kdc = true\n")
	}
	for _, name := range p.libdefaults.names {
		if form := libdefaults[name]; form != nil {
			fmt.Fprintf(&b, "%s = %s\n", name, form(p.libdefaults.values[name][0]))
		}
	}
	b.WriteString("[realms]\n")
	for _, realm := range p.servers.names {
		fmt.Fprintf(&b, "%s = {\n", realm)
		for _, server := range p.servers.values[realm] {
			// A proxy by HTTPS (MS-KKDCP) or a socket is beyond gokrb5.
			if !strings.Contains(server, "/") {
				fmt.Fprintf(&b, "kdc = %s\n", server)
			} else if host, ok := strings.CutPrefix(server, "tcp/"); ok {
				fmt.Fprintf(&b, "kdc = %s\n", host)
			} else if host, ok := strings.CutPrefix(server, "udp/"); ok {
				fmt.Fprintf(&b, "kdc = %s\n", host)
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("[domain_realm]\n")
	for _, domain := range p.domains.names {
		fmt.Fprintf(&b, "%s = %s\n", domain, p.domains.values[domain][0])
	}
	return b.String()
}

package ldap

import (
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
)

// ActiveDirectory are the domain controllers of a domain.
var ActiveDirectory = directory.Kind{
	Name: "active_directory",
	Open: func(label string, s directory.Settings) (directory.Source, error) {
		return New(options(label, true, s)), nil
	},
}

// LDAP are other servers that hold the same.
var LDAP = directory.Kind{
	Name: "ldap",
	Open: func(label string, s directory.Settings) (directory.Source, error) {
		return New(options(label, false, s)), nil
	},
}

// options reads the arguments of a directory block.
func options(label string, activeDirectory bool, s directory.Settings) Options {
	text := func(name string) string { return directory.Setting[string](s, name) }
	o := Options{
		Label: label, ActiveDirectory: activeDirectory,
		URLs: directory.Setting[[]string](s, "urls"), Domain: text("domain"), Site: text("site"),
		BindDN: text("bind_dn"), Password: directory.Setting[func() string](s, "bind_password"),
		CAFile: text("ca_file"), ClientCert: text("client_cert"), ClientKey: text("client_key"),
		StartTLS: directory.Setting[bool](s, "start_tls"), Timeout: directory.Setting[time.Duration](s, "timeout"), PageSize: directory.Setting[int](s, "page_size"),
	}
	if k := directory.Setting[directory.Settings](s, "kerberos"); k != nil {
		of := func(name string) string { return directory.Setting[string](k, name) }
		o.Kerberos = &Kerberos{Principal: of("principal"), Keytab: of("keytab"), Cache: of("cache"), Config: of("config"), Service: of("service")}
	}
	return o
}

// Package all is the list of the kinds of sources. A new kind is a folder beside
// this one and a line here.
package all

import (
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/csv"
	"github.com/rollcall-cli/rollcall/internal/directory/exec"
	"github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kinds are what the argument "kind" of a directory block may say.
var Kinds = []directory.Kind{
	ldap.ActiveDirectory,
	ldap.LDAP,
	ldif.Kind,
	csv.Kind,
	exec.Kind,
}

// Settings are what can be configured of each.
func Settings() (all []settings.Kind) {
	for _, k := range Kinds {
		all = append(all, k.Kind)
	}
	return all
}

// Kind returns the kind of this name, which the configuration has checked. It
// panics where there is none.
func Kind(name string) directory.Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k
		}
	}
	panic("no kind of directory is called " + name)
}

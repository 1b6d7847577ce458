// Package all is the list of the kinds of consoles. A new kind is a folder beside
// this one and a line here.
package all

import (
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/console/exec"
	"github.com/rollcall-cli/rollcall/internal/console/ldap"
	"github.com/rollcall-cli/rollcall/internal/console/local"
	"github.com/rollcall-cli/rollcall/internal/console/postfix"
	"github.com/rollcall-cli/rollcall/internal/console/scim"
	"github.com/rollcall-cli/rollcall/internal/console/sql"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kinds are what the argument "kind" of a console block may say.
var Kinds = []console.Kind{
	local.Kind,
	postfix.Kind,
	sql.Kind,
	scim.Kind,
	ldap.Kind,
	exec.Kind,
}

// Settings are what can be configured of each kind.
func Settings() []settings.Kind {
	kinds := make([]settings.Kind, len(Kinds))
	for i := range Kinds {
		kinds[i] = Kinds[i].Kind
	}
	return kinds
}

// Kind returns the kind of this name, which the configuration has checked. It
// panics where there is none.
func Kind(name string) *console.Kind {
	for i := range Kinds {
		if Kinds[i].Name == name {
			return &Kinds[i]
		}
	}
	panic("no kind of console is called " + name)
}

// Package all is the list of the stores that several machines can use. A new one is a
// folder beside this one and a line here.
package all

import (
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/store/http"
	"github.com/rollcall-cli/rollcall/internal/store/postgres"
	"github.com/rollcall-cli/rollcall/internal/store/s3"
)

// Kinds are the blocks that the state block may hold.
var Kinds = []store.Kind{postgres.Kind, s3.Kind, http.Kind}

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
func Kind(name string) *store.Kind {
	for i := range Kinds {
		if Kinds[i].Name == name {
			return &Kinds[i]
		}
	}
	panic("no store is called " + name)
}

// Package all is the list of the ways to send notices. A new one is a folder beside this
// one and a line here.
package all

import (
	"github.com/rollcall-cli/rollcall/internal/channel"
	"github.com/rollcall-cli/rollcall/internal/channel/mail"
	"github.com/rollcall-cli/rollcall/internal/channel/webhook"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kinds are the blocks that a notify block may hold.
var Kinds = []channel.Kind{mail.Kind, webhook.Kind}

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
func Kind(name string) *channel.Kind {
	for i := range Kinds {
		if Kinds[i].Name == name {
			return &Kinds[i]
		}
	}
	panic("no way to send is called " + name)
}

package ldap_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
)

func TestSource(t *testing.T) {
	for _, s := range []*suite.Subject{&worlds.Stub, &worlds.Samba, &worlds.OpenLDAP, &worlds.DS389} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			suite.Run(t, s)
		})
	}
}

package ldap

import (
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// formatMark writes a mark as owner:directory/GUID. In the owner, a colon and a
// percent sign are written %3A and %25.
func formatMark(m identity.Mark) string {
	if m.IsZero() {
		return ""
	}
	return strings.NewReplacer("%", "%25", ":", "%3A").Replace(m.By) + ":" + m.Directory + "/" + m.GUID.String()
}

// parseMark reads what formatMark has written, in any letter case of the GUID.
func parseMark(text string) (identity.Mark, bool) {
	by, rest, colon := strings.Cut(text, ":")
	slash := strings.LastIndexByte(rest, '/')
	if !colon || slash <= 0 || by == "" {
		return identity.Mark{}, false
	}
	guid, err := identity.ParseGUID(rest[slash+1:])
	if err != nil || guid.IsZero() || len(rest[slash+1:]) != len(guid.String()) {
		return identity.Mark{}, false
	}
	return identity.Mark{By: strings.NewReplacer("%25", "%", "%3A", ":", "%3a", ":").Replace(by), Directory: rest[:slash], GUID: guid}, true
}

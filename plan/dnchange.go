package plan

import (
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// DNChange returns what of a DN became what, by whole components as they are
// written: what both have at their ends is left out. "" is none, as for an entry that
// moved a level up. Names that differ in how they are written alone are returned
// whole.
func DNChange(before, after string) (from, to string) {
	var one, other [16]string
	x, y := components(one[:0], before), components(other[:0], after)
	for len(x) > 0 && len(y) > 0 && identity.EqualDN(x[len(x)-1], y[len(y)-1]) {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	for len(x) > 0 && len(y) > 0 && identity.EqualDN(x[0], y[0]) {
		x, y = x[1:], y[1:]
	}
	if len(x) == 0 && len(y) == 0 {
		return before, after
	}
	return strings.Join(x, ","), strings.Join(y, ",")
}

// components appends the relative names of a DN as they are written (RFC 4514
// section 2).
func components(all []string, dn string) []string {
	for dn != "" {
		parent := identity.ParentDN(dn)
		own := dn[:len(dn)-len(parent)]
		if parent != "" {
			own = own[:strings.LastIndexByte(own, ',')]
		}
		all = append(all, strings.TrimSpace(own))
		dn = parent
	}
	return all
}

// DNChangeText is a change of a DN as it is shown: "OU=Berlin -> OU=Zurich".
func DNChangeText(before, after string) string {
	from, to := DNChange(before, after)
	return orNone(from) + " -> " + orNone(to)
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

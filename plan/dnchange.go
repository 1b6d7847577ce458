package plan

import (
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// DNChange returns what of a DN became what, by whole components: what both have
// at their ends is left out. "" is none, as for an entry that moved a level up.
// Texts that are no names are returned whole.
func DNChange(before, after string) (from, to string) {
	if identity.PlainDN(before) && identity.PlainDN(after) {
		return plainDNChange(before, after)
	}
	x, errX := identity.ParseDN(before)
	y, errY := identity.ParseDN(after)
	if errX != nil || errY != nil || len(x) == 0 || len(y) == 0 {
		return before, after
	}
	old, new := components(before, len(x)), components(after, len(y))
	if old == nil || new == nil {
		return before, after
	}
	last := 0
	for last < min(len(x), len(y)) && x[len(x)-1-last] == y[len(y)-1-last] {
		last++
	}
	x, y, old, new = x[:len(x)-last], y[:len(y)-last], old[:len(old)-last], new[:len(new)-last]
	first := 0
	for first < min(len(x), len(y)) && x[first] == y[first] {
		first++
	}
	if from, to = strings.Join(old[first:], ","), strings.Join(new[first:], ","); from == "" && to == "" {
		return before, after // they differ in how they are written alone
	}
	return from, to
}

// plainDNChange is DNChange for names without escapes, whose letter case alone
// does not count.
func plainDNChange(before, after string) (from, to string) {
	from, to = before, after
	for {
		i, j := strings.LastIndexByte(from, ','), strings.LastIndexByte(to, ',')
		if !strings.EqualFold(from[i+1:], to[j+1:]) {
			break
		}
		from, to = from[:max(i, 0)], to[:max(j, 0)]
		if from == "" || to == "" {
			break
		}
	}
	for from != "" && to != "" {
		x, behind, _ := strings.Cut(from, ",")
		y, beyond, _ := strings.Cut(to, ",")
		if !strings.EqualFold(x, y) {
			break
		}
		from, to = behind, beyond
	}
	if from == "" && to == "" {
		return before, after
	}
	return from, to
}

// components returns the n relative names of a DN as they are written, nil if
// there are not so many.
func components(dn string, n int) []string {
	all := make([]string, 0, n)
	for rest := dn; rest != ""; {
		parent := identity.ParentDN(rest)
		own := strings.TrimSuffix(rest, parent)
		if parent != "" {
			own = own[:strings.LastIndexByte(own, ',')]
		}
		all = append(all, strings.TrimSpace(own))
		rest = parent
	}
	if len(all) != n {
		return nil
	}
	return slices.Clip(all)
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

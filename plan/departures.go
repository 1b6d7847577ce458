package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// manyDepartures is how many accounts of a directory must go at once for it to
// be worth saying what they have in common; manyVanished is how many of the
// containers that they were in are named.
const (
	manyDepartures = 10
	manyVanished   = 3
)

// Departures tells what accounts have in common that go out of service at once,
// by directory: the containers in which no entry is left, or else the one that
// most of them were in. It also tells of directories in which many accounts have
// entries with other GUIDs. entries and scopes are those that the plan was made
// of.
func (p *Plan) Departures(entries []identity.Entry, scopes []Scope) []string {
	leaving := map[string][]*identity.Account{}
	for i := range p.Accounts {
		if c := &p.Accounts[i]; c.deactivates() {
			leaving[c.Before.Directory] = append(leaving[c.Before.Directory], c.Before)
		}
	}
	var told []string
	for _, name := range slices.Sorted(maps.Keys(leaving)) {
		if all := leaving[name]; len(all) >= manyDepartures {
			here := func(e *identity.Entry) bool { return scopes[e.Scope].Directory == name }
			told = append(told, fmt.Sprintf("directory %q: %s accounts go out of service at once", name, thousands(len(all)))+common(all, entries, here))
		}
	}

	refused, rebound := map[string]map[string]bool{}, map[string]int{}
	for i := range p.Rejections {
		if r := &p.Rejections[i]; r.Reason == GUIDChanged {
			if refused[r.Directory] == nil {
				refused[r.Directory] = map[string]bool{}
			}
			refused[r.Directory][r.Other.Name] = true
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Category == GUIDChange {
			rebound[c.After.Directory]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if n := len(refused[name]); n >= manyDepartures {
			told = append(told, fmt.Sprintf("directory %q: %s accounts have entries with other GUIDs, as after a restore or a migration of the directory: "+
				`state import repairs them from an export, or on_guid_change = "rebind" does`, name, thousands(n)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rebound)) {
		if n := rebound[name]; n >= manyDepartures {
			told = append(told, fmt.Sprintf("directory %q: %s accounts are bound anew, to entries with other GUIDs, as after a restore or a migration of the directory", name, thousands(n)))
		}
	}
	return told
}

// container is one that leavers were in, or in a container of it.
type container struct {
	name string // as it is written
	gone int    // leavers
	left int    // entries
}

// common says what the leavers of a directory have in common, whose entries are
// here; "" where that is nothing.
func common(leavers []*identity.Account, entries []identity.Entry, here func(*identity.Entry) bool) string {
	parents, total := map[string]int{}, 0
	for _, a := range leavers {
		parents[identity.ParentDN(a.DN)]++
	}
	lines := [][]*container{} // of each parent, upwards
	all := map[string]*container{}
	for _, parent := range slices.Sorted(maps.Keys(parents)) {
		var line []*container
		upwards(parent, func(name, key string) {
			if all[key] == nil {
				all[key] = &container{name: name}
			}
			all[key].gone += parents[parent]
			line = append(line, all[key])
		})
		lines = append(lines, line)
	}
	clear(parents)
	for i := range entries {
		if here(&entries[i]) {
			parents[identity.ParentDN(entries[i].DN)]++
			total++
		}
	}
	for parent, n := range parents {
		upwards(parent, func(_, key string) {
			if c := all[key]; c != nil {
				c.left += n
			}
		})
	}

	if text := vanished(lines, len(leavers)); text != "" {
		return text
	}
	most := func(n, of int) bool { return n*5 >= of*4 }
	for _, line := range lines {
		for _, c := range line {
			switch {
			case !most(c.gone, len(leavers)):
				continue
			case most(c.left, total):
				return "" // so are those that stay
			}
			left := thousands(c.left) + " entries are left"
			if c.left == 1 {
				left = "1 entry is left"
			}
			return fmt.Sprintf(": %s of them were below %s, where %s", share(c.gone, len(leavers)), c.name, left)
		}
	}
	return ""
}

// vanished names the containers in which no entry is left, if one in five
// leavers, and many, were in them: of each the deepest that has all of its
// leavers, and those with the most leavers first.
func vanished(lines [][]*container, leavers int) string {
	found, n := []*container{}, 0
	for _, line := range lines {
		staying := slices.IndexFunc(line, func(c *container) bool { return c.left > 0 })
		if staying < 0 {
			staying = len(line)
		}
		if staying == 0 {
			continue
		}
		gone := line[staying-1].gone
		deepest := line[slices.IndexFunc(line, func(c *container) bool { return c.gone == gone })]
		if gone > 1 && !slices.Contains(found, deepest) {
			found = append(found, deepest)
			n += gone
		}
	}
	if n < manyDepartures || n*5 < leavers {
		return ""
	}
	slices.SortStableFunc(found, func(x, y *container) int { return cmp.Compare(y.gone, x.gone) })
	if len(found) == 1 {
		return fmt.Sprintf(": %s of them were below %s, where no entry is left", share(n, leavers), found[0].name)
	}
	text := ": "
	for i, c := range found[:min(len(found), manyVanished)] {
		form := "%s were below %s"
		if i > 0 {
			form = ", %s below %s"
		}
		text += fmt.Sprintf(form, thousands(c.gone), c.name)
	}
	if more := len(found) - manyVanished; more > 0 {
		text += fmt.Sprintf(", and %s more", thousands(more))
	}
	return text + ", where no entry is left"
}

// upwards calls f with a container and those that it is in, each as it is
// written and as a key that equal names share. What is no name is in none.
func upwards(name string, f func(name, key string)) {
	dn, err := identity.ParseDN(name)
	if err != nil {
		return
	}
	for ; len(dn) > 0; dn, name = dn[1:], identity.ParentDN(name) {
		f(name, strings.Join(dn, "\x00"))
	}
}

// share is a number of leavers, or "all".
func share(n, of int) string {
	if n == of {
		return "all"
	}
	return thousands(n)
}

// thousands writes a number with separators.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

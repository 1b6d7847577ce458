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
		if c := &p.Accounts[i]; deactivates(c) {
			leaving[c.Before.Directory] = append(leaving[c.Before.Directory], c.Before)
		}
	}
	var told []string
	for _, name := range slices.Sorted(maps.Keys(leaving)) {
		if all := leaving[name]; len(all) >= manyDepartures {
			here := func(e *identity.Entry) bool { return scopes[e.Scope].Directory == name }
			told = append(told, fmt.Sprintf("directory %q: %s accounts go out of service at once", name, Thousands(len(all)))+common(all, entries, here))
		}
	}

	rejected, rebound := map[string]map[string]bool{}, map[string]int{}
	for i := range p.Rejections {
		if r := &p.Rejections[i]; r.Reason == GUIDChanged {
			if rejected[r.Directory] == nil {
				rejected[r.Directory] = map[string]bool{}
			}
			rejected[r.Directory][r.Other.Name] = true
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Category == GUIDChange {
			rebound[c.After.Directory]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rejected)) {
		if n := len(rejected[name]); n >= manyDepartures {
			told = append(told, fmt.Sprintf("directory %q: %s accounts have entries with other GUIDs, as after a restore or a migration of the directory: "+
				`state import repairs them from an export, or on_guid_change = "rebind" does`, name, Thousands(n)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rebound)) {
		if n := rebound[name]; n >= manyDepartures {
			told = append(told, fmt.Sprintf("directory %q: %s accounts are bound anew, to entries with other GUIDs, as after a restore or a migration of the directory", name, Thousands(n)))
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
	all, numbers := map[int]*container{}, tree{}
	for _, parent := range slices.Sorted(maps.Keys(parents)) {
		var line []*container
		numbers.upwards(parent, func(name string, number int) {
			if all[number] == nil {
				all[number] = &container{name: name}
			}
			all[number].gone += parents[parent]
			line = append(line, all[number])
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
		numbers.upwards(parent, func(_ string, number int) {
			if c := all[number]; c != nil {
				c.left += n
			}
		})
	}

	if text := vanished(lines, len(leavers)); text != "" {
		return text
	}
	most := func(n, of int) bool { return n*5 >= of*4 }
	var deepest *container
	depth := 0
	for _, line := range lines {
		for i, c := range line {
			if most(c.gone, len(leavers)) && len(line)-i > depth {
				deepest, depth = c, len(line)-i
			}
		}
	}
	if deepest == nil || most(deepest.left, total) {
		return "" // those that stay have as much in common
	}
	left := Thousands(deepest.left) + " entries are left"
	if deepest.left == 1 {
		left = "1 entry is left"
	}
	return fmt.Sprintf(": %s of them were below %s, where %s", share(deepest.gone, len(leavers)), deepest.name, left)
}

// vanished names the containers in which no entry is left, if one in five of the
// leavers shared one: of each the deepest that has all of its leavers, and those
// with the most leavers first.
func vanished(lines [][]*container, leavers int) string {
	var found []*container
	for _, line := range lines {
		top := len(line) - 1
		if staying := slices.IndexFunc(line, func(c *container) bool { return c.left > 0 }); staying >= 0 {
			top = staying - 1
		}
		if top >= 0 && line[top].gone > 1 {
			found = append(found, line[slices.IndexFunc(line, func(c *container) bool { return c.gone == line[top].gone })])
		}
	}
	slices.SortFunc(found, func(x, y *container) int { return cmp.Or(cmp.Compare(y.gone, x.gone), strings.Compare(x.name, y.name)) })
	found = slices.Compact(found)
	gone := 0
	for _, c := range found {
		gone += c.gone
	}
	if gone*5 < leavers {
		return ""
	}
	if len(found) == 1 {
		return fmt.Sprintf(": %s of them were below %s, where no entry is left", share(gone, leavers), found[0].name)
	}
	text := ""
	for i, c := range found[:min(len(found), manyVanished)] {
		form := ", %s below %s"
		if i == 0 {
			form = ": %s were below %s"
		}
		text += fmt.Sprintf(form, Thousands(c.gone), c.name)
	}
	if more := len(found) - manyVanished; more > 0 {
		text += fmt.Sprintf(", and %s more", Thousands(more))
	}
	return text + ", where no entry is left"
}

// tree numbers containers, so that equal names have one number: each by that of
// the container around it, 0 at the root, and its own relative name. It takes a
// time that grows with the length of the names, not with its square.
type tree map[branch]int

type branch struct {
	above int
	rdn   string
}

// upwards calls f with a container and those that it is in, each as it is
// written and by its number. What is no name is in none.
func (t tree) upwards(name string, f func(name string, number int)) {
	dn, err := identity.ParseDN(name)
	if err != nil {
		return
	}
	numbers := make([]int, len(dn)+1)
	for i := len(dn) - 1; i >= 0; i-- {
		b := branch{numbers[i+1], dn[i]}
		if t[b] == 0 {
			t[b] = len(t) + 1
		}
		numbers[i] = t[b]
	}
	for i := range dn {
		f(name, numbers[i])
		name = identity.ParentDN(name)
	}
}

// share is a number of leavers, or "all".
func share(n, of int) string {
	if n == of {
		return "all"
	}
	return Thousands(n)
}

// Thousands writes an integer with separators between thousands.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

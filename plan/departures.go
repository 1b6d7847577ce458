package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// manyVanished is how many of the containers that leavers were in are named.
const manyVanished = 3

// container is one that leavers were in, or in a container of it.
type container struct {
	name string // as it is written
	gone int    // leavers
	left int    // entries
}

// common says what the leavers of a directory have in common, whose entries are
// here; "" where that is nothing.
func common(leavers []*identity.Account, entries identity.Entries, here func(*identity.Entry) bool) string {
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
	for _, e := range entries.All() {
		if here(e) {
			parents[identity.ParentDN(e.DN)]++
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
	return fmt.Sprintf("%s of them were below %s, where %s left", share(deepest.gone, len(leavers)), deepest.name, several(deepest.left, "entry is", "entries are"))
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
		return fmt.Sprintf("%s of them were below %s, where no entry is left", share(gone, leavers), found[0].name)
	}
	text := ""
	for i, c := range found[:min(len(found), manyVanished)] {
		form := ", %s below %s"
		if i == 0 {
			form = "%s were below %s"
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

// share is a number of leavers, or "All".
func share(n, of int) string {
	if n == of {
		return "All"
	}
	return Thousands(n)
}

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// manyDepartures is how many accounts of a directory must go at once for it to
// be worth saying what they have in common.
const manyDepartures = 10

// Departures tells what accounts have in common that go out of service at once,
// by directory: the container that most of them were in, and how many entries
// are left there. It also tells of directories in which many accounts have
// entries with other GUIDs. entries are those that the plan was made of.
func (p *Plan) Departures(entries []identity.Entry) []string {
	leaving, rebound := map[string][]*identity.Account{}, map[string]int{}
	for i := range p.Accounts {
		if c := &p.Accounts[i]; c.deactivates() {
			leaving[c.Before.Directory] = append(leaving[c.Before.Directory], c.Before)
		}
	}
	for i := range p.Rejections {
		if r := &p.Rejections[i]; r.Reason == GUIDChanged {
			rebound[r.Directory]++
		}
	}
	var told []string
	for _, name := range slices.Sorted(maps.Keys(leaving)) {
		if all := leaving[name]; len(all) >= manyDepartures {
			text := fmt.Sprintf("directory %q: %d accounts go out of service at once", name, len(all))
			if container, n := common(all); n > 0 {
				text += fmt.Sprintf(": %d of them were below %s, where %s", n, container, left(entries, container))
			}
			told = append(told, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rebound)) {
		if n := rebound[name]; n >= manyDepartures {
			told = append(told, fmt.Sprintf("directory %q: %d accounts have entries with other GUIDs, as after a restore or a migration of the directory: "+
				`state import repairs them from an export, or on_guid_change = "rebind" does`, name, n))
		}
	}
	return told
}

// common returns the deepest container that four in five of the accounts are
// in, and how many.
func common(accounts []*identity.Account) (container string, n int) {
	count, shown := map[string]int{}, map[string]string{}
	for _, a := range accounts {
		for dn := identity.ParentDN(a.DN); dn != ""; dn = identity.ParentDN(dn) {
			key := strings.ToLower(dn)
			if count[key]++; shown[key] == "" {
				shown[key] = dn
			}
		}
	}
	var found []string
	for key, n := range count {
		if n*5 >= len(accounts)*4 {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		return "", 0
	}
	deepest := slices.MaxFunc(found, func(x, y string) int { return cmp.Or(cmp.Compare(depth(x), depth(y)), strings.Compare(y, x)) })
	return shown[deepest], count[deepest]
}

func depth(dn string) (n int) {
	for ; dn != ""; dn = identity.ParentDN(dn) {
		n++
	}
	return n
}

// left says how many entries are below a container.
func left(entries []identity.Entry, container string) string {
	n := 0
	for i := range entries {
		dn := entries[i].DN
		if at := len(dn) - len(container); at > 0 && strings.EqualFold(dn[at:], container) && strings.HasSuffix(strings.TrimRight(dn[:at], " "), ",") {
			n++
		}
	}
	switch n {
	case 0:
		return "no entry is left"
	case 1:
		return "1 entry is left"
	}
	return fmt.Sprintf("%d entries are left", n)
}

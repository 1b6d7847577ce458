package lint

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// maxOthers is how many of the other entries that list an address are named.
const maxOthers = 3

// duplicates finds the addresses that several entries list. Addresses with the
// same hash follow each other in a table with room for twice as many, and few
// are ever compared.
func (l *Linter) duplicates() {
	table := make([]int32, 1<<bits.Len(uint(2*len(l.listings)))) // index + 1
	groups := map[int32][]int32{}
	for i := range l.listings {
		x := &l.listings[i]
		if l.objects[x.object].gone {
			continue
		}
		for slot := x.hash; ; slot++ {
			at := &table[slot&uint64(len(table)-1)]
			if *at == 0 {
				*at = int32(i) + 1
				break
			}
			first := *at - 1
			if y := &l.listings[first]; y.hash == x.hash && l.address(y) == l.address(x) {
				if x.object != y.object {
					if groups[first] == nil {
						groups[first] = append(groups[first], first)
					}
					groups[first] = append(groups[first], int32(i))
				}
				break
			}
		}
	}
	for _, first := range slices.Sorted(maps.Keys(groups)) {
		l.duplicate(groups[first])
	}
}

// address returns what a listing is compared by.
func (l *Linter) address(x *listing) identity.Address {
	text := strings.TrimSpace(x.raw)
	if n := directory.Prefix([]byte(text)); n > 0 {
		text = strings.TrimSpace(text[n+1:])
	}
	a, _ := identity.ParseAddress(text)
	return l.domains.Canonical(a)
}

// duplicate takes the findings of an address that these listings have.
func (l *Linter) duplicate(group []int32) {
	slices.SortFunc(group, func(a, b int32) int {
		return cmp.Or(l.compareObjects(l.listings[a].object, l.listings[b].object), cmp.Compare(l.listings[a].attribute, l.listings[b].attribute),
			strings.Compare(l.listings[a].raw, l.listings[b].raw))
	})
	// One listing an entry, which may have come twice.
	group = slices.CompactFunc(group, func(a, b int32) bool { return l.compareObjects(l.listings[a].object, l.listings[b].object) == 0 })
	if len(group) < 2 {
		return
	}
	others := make([]Other, min(len(group), maxOthers+1))
	for i := range others {
		x := &l.listings[group[i]]
		others[i] = Other{l.named(x.object), l.scopes[l.objects[x.object].scope].attributes[x.attribute].name, x.raw}
	}
	key := l.address(&l.listings[group[0]]).String()
	for i, n := range group {
		x := &l.listings[n]
		s := &l.scopes[l.objects[x.object].scope]
		f := Finding{Code: DuplicateAddress, Attribute: s.attributes[x.attribute].name, Value: x.raw, key: key}
		for j := range others {
			if j != i && len(f.Others) < maxOthers {
				f.Others = append(f.Others, others[j])
			}
		}
		f.More = len(group) - 1 - len(f.Others)
		entry{l, s, x.object}.find(f)
	}
	l.keep()
}

// compareObjects orders entries by directory and name. One that moved while it
// was read may have come twice, and is equal to itself.
func (l *Linter) compareObjects(a, b int32) int {
	x, y := &l.objects[a], &l.objects[b]
	return cmp.Or(cmp.Compare(l.scopes[x.scope].directory, l.scopes[y.scope].directory), strings.Compare(x.dn, y.dn), x.guid.Compare(y.guid))
}

func lengths(has, most int, of string) string { return fmt.Sprintf("%d %s, at most %d", has, of, most) }

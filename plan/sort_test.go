package plan

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSortFunc(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func(i int) int{
		"random": func(int) int { return random.Int() }, "few values": func(int) int { return random.IntN(3) }, "one value": func(int) int { return 7 },
		"sorted": func(i int) int { return i }, "reversed": func(i int) int { return -i },
	} {
		for _, n := range []int{0, 1, manyToSort - 1, manyToSort, 5*manyToSort + 3} {
			list := make([]int, n)
			for i := range list {
				list[i] = next(i)
			}
			want := slices.Sorted(slices.Values(list))
			for _, processors := range []int{1, 2, 3, 8} {
				got := slices.Clone(list)
				if sortWith(got, cmp.Compare[int], processors); !slices.Equal(got, want) {
					t.Errorf("%s, %d elements, %d processors: not sorted", name, n, processors)
				}
			}
		}
	}
}

func TestSortByKey(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	type named struct {
		kind byte
		name string
		n    int
	}
	compare := func(x, y *named) int {
		return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.name, y.name), cmp.Compare(x.n, y.n))
	}
	for _, n := range []int{0, 5, manyByKey, manyToSort, 3*manyToSort + 1} {
		list := make([]named, n)
		for i := range list {
			name := []byte("a name that begins alike for more octets than a key has"[:random.IntN(56)])
			for range random.IntN(8) {
				name = append(name, "ab."[random.IntN(3)])
			}
			list[i] = named{byte(random.IntN(3)), string(name), random.IntN(4)}
		}
		want := slices.Clone(list)
		slices.SortFunc(want, func(x, y named) int { return compare(&x, &y) })
		if sortByKey(list, func(x *named, from int) sortKey { return keyOf(x.kind, x.name, from) }, compare); !slices.Equal(list, want) {
			t.Errorf("%d elements: not sorted", n)
		}
	}
}

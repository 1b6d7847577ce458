package plan

import (
	"cmp"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"sync"
)

// manyToSort is how many elements are worth a second goroutine.
const manyToSort = 1 << 16

// sortFunc sorts as [slices.SortFunc] does, long lists with several
// processors and without more memory.
func sortFunc[T any](list []T, compare func(x, y T) int) {
	sortWith(list, compare, runtime.GOMAXPROCS(0))
}

// sortKey is what elements are sorted by first: the beginning of a text, behind an octet.
type sortKey [2]uint64

func keyOf(first byte, text string) sortKey {
	var b [16]byte
	b[0] = first
	copy(b[1:], text)
	return sortKey{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// sortByKey is sortFunc for elements of which those with lesser keys come first. Long lists
// are sorted by the keys, which lie beside each other, where the texts do not.
func sortByKey[T any](list []T, of func(x *T) sortKey, compare func(x, y *T) int) {
	if len(list) < manyToSort || len(list) > math.MaxInt32 {
		slices.SortFunc(list, func(x, y T) int { return compare(&x, &y) })
		return
	}
	type place struct {
		sortKey
		at int32
	}
	places := make([]place, len(list))
	for i := range list {
		places[i] = place{of(&list[i]), int32(i)}
	}
	sortFunc(places, func(x, y place) int {
		switch {
		case x.sortKey[0] != y.sortKey[0]:
			return cmp.Compare(x.sortKey[0], y.sortKey[0])
		case x.sortKey[1] != y.sortKey[1]:
			return cmp.Compare(x.sortKey[1], y.sortKey[1])
		}
		return compare(&list[x.at], &list[y.at])
	})
	const done = -1
	for start := range places {
		if places[start].at == done {
			continue
		}
		first, to := list[start], start
		for {
			from := int(places[to].at)
			if places[to].at = done; from == start {
				list[to] = first
				break
			}
			list[to] = list[from]
			to = from
		}
	}
}

func sortWith[T any](list []T, compare func(x, y T) int, processors int) {
	if processors < 2 || len(list) < manyToSort {
		slices.SortFunc(list, compare)
		return
	}
	// What is less than a middle element goes to the left.
	sample := make([]T, 0, 255)
	for i := range cap(sample) {
		sample = append(sample, list[i*(len(list)/cap(sample))])
	}
	slices.SortFunc(sample, compare)
	middle := sample[len(sample)/2]
	left := 0
	for i := range list {
		if compare(list[i], middle) < 0 {
			list[left], list[i] = list[i], list[left]
			left++
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { sortWith(list[:left], compare, processors/2) })
	sortWith(list[left:], compare, processors-processors/2)
	wg.Wait()
}

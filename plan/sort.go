package plan

import (
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

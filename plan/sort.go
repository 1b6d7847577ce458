package plan

import (
	"cmp"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// manyToSort is how many elements are worth a second goroutine.
const manyToSort = 1 << 16

// manyByKey is how many elements are worth a list of their keys.
const manyByKey = 1 << 8

// sortFunc sorts as [slices.SortFunc] does, long lists with several
// processors and without more memory.
func sortFunc[T any](list []T, compare func(x, y T) int) {
	sortWith(list, compare, runtime.GOMAXPROCS(0))
}

// sortKey is a part of a text, of which elements are sorted by the first octets first.
type sortKey [2]uint64

const keyOctets = 16

// keyOf returns the octets of a text from one on, behind an octet which counts as the first
// one; zeros are behind the end.
func keyOf(first byte, text string, from int) sortKey {
	var b [keyOctets]byte
	if from == 0 {
		b[0] = first
		copy(b[1:], text)
	} else if from <= len(text) {
		copy(b[:], text[from-1:])
	}
	return sortKey{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// place is where an element is that has a key: in a list, or something of what is there.
type place struct {
	sortKey
	at, of int32
}

func (p *place) octet(n int) byte { return byte(p.sortKey[n/8] >> (56 - n%8*8)) }

// sortByKey is sortFunc for elements of which those with lesser keys, as of [keyOf], come
// first. Long lists are sorted by the keys, which lie beside each other, where the texts do
// not.
func sortByKey[T any](list []T, of func(x *T, from int) sortKey, compare func(x, y *T) int) {
	if len(list) < manyByKey || len(list) > math.MaxInt32 {
		slices.SortFunc(list, func(x, y T) int { return compare(&x, &y) })
		return
	}
	places := make([]place, len(list))
	for i := range list {
		places[i].at = int32(i)
	}
	sortPlaces(places, func(p place, from int) sortKey { return of(&list[p.at], from) }, func(x, y place) int { return compare(&list[x.at], &list[y.at]) })
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

// inParts calls a function with the parts of a long list, beside each other.
func inParts(n int, do func(first, end int)) {
	parts := min(runtime.GOMAXPROCS(0), n/manyToSort)
	if parts < 2 {
		do(0, n)
		return
	}
	var others sync.WaitGroup
	for i := range parts {
		others.Go(func() { do(i*n/parts, (i+1)*n/parts) })
	}
	others.Wait()
}

// sortPlaces sorts by keys, and elements whose keys do not differ as compare says, with
// several processors.
func sortPlaces(places []place, key func(p place, from int) sortKey, compare func(x, y place) int) {
	s := radix{key: key, compare: compare, idle: make(chan struct{}, runtime.GOMAXPROCS(0)-1)}
	s.sort(places, 0)
	s.others.Wait()
}

// radix is a radix sort in place, octet by octet from the first.
type radix struct {
	key     func(p place, from int) sortKey
	compare func(x, y place) int
	idle    chan struct{} // has room while a processor is idle
	others  sync.WaitGroup
}

// fewToSort is how many elements are sorted by comparing them.
const fewToSort = 32

// sort sorts elements that have the octets before one in common.
func (s *radix) sort(list []place, octet int) {
	for {
		n := octet % keyOctets
		if n == 0 {
			if !s.load(list, octet) {
				sortFunc(list, s.compare)
				return
			}
		}
		if len(list) <= fewToSort {
			s.sortFew(list, octet)
			return
		}
		var ends [256]int
		for i := range list {
			ends[list[i].octet(n)]++
		}
		if octet++; ends[list[0].octet(n)] == len(list) {
			continue
		}
		var next [256]int
		for c, sum := 0, 0; c < len(ends); c++ {
			next[c] = sum
			sum += ends[c]
			ends[c] = sum
		}
		for c, first := 0, 0; c < len(ends); first, c = ends[c], c+1 {
			for next[c] < ends[c] {
				p := list[next[c]]
				for b := p.octet(n); int(b) != c; b = p.octet(n) {
					p, list[next[b]] = list[next[b]], p
					next[b]++
				}
				list[next[c]] = p
				next[c]++
			}
			s.part(list[first:ends[c]], octet)
		}
		return
	}
}

// load gives elements their keys from an octet on, and reports whether one has any.
func (s *radix) load(list []place, octet int) (more bool) {
	if len(list) >= 2*manyToSort {
		var some atomic.Bool
		inParts(len(list), func(first, end int) {
			if s.loadPart(list[first:end], octet) {
				some.Store(true)
			}
		})
		return some.Load()
	}
	return s.loadPart(list, octet)
}

func (s *radix) loadPart(list []place, octet int) (more bool) {
	for i := range list {
		list[i].sortKey = s.key(list[i], octet)
		more = more || list[i].sortKey != sortKey{}
	}
	return more
}

// sortFew sorts a few elements by their keys, and then those whose keys are the same.
func (s *radix) sortFew(list []place, octet int) {
	slices.SortFunc(list, func(x, y place) int {
		if x.sortKey[0] != y.sortKey[0] {
			return cmp.Compare(x.sortKey[0], y.sortKey[0])
		}
		return cmp.Compare(x.sortKey[1], y.sortKey[1])
	})
	for len(list) > 1 {
		n := 1
		for n < len(list) && list[n].sortKey == list[0].sortKey {
			n++
		}
		if n > 1 {
			s.sort(list[:n], octet-octet%keyOctets+keyOctets)
		}
		list = list[n:]
	}
}

// part sorts a part, beside the others if a processor is idle.
func (s *radix) part(list []place, octet int) {
	if len(list) >= manyToSort {
		select {
		case s.idle <- struct{}{}:
			s.others.Go(func() {
				s.sort(list, octet)
				<-s.idle
			})
			return
		default:
		}
	}
	if len(list) > 1 {
		s.sort(list, octet)
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

// Package compact keeps many small values in few large blocks, which are cheap for
// the garbage collector.
package compact

import (
	"slices"
	"strings"
)

// Arena stores many short texts in few large blocks, which keeps a million
// entries cheap for the garbage collector. A text lives as long as any text of
// its block. The zero Arena is ready to use, by one goroutine at a time.
type Arena struct{ block strings.Builder }

const (
	arenaBlock = 256 << 10 // octets
	slabBlock  = 4 << 10   // elements
)

// String returns a string equal to b.
func (a *Arena) String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > arenaBlock/4 {
		return string(b)
	}
	if a.block.Cap()-a.block.Len() < len(b) {
		a.block = strings.Builder{}
		a.block.Grow(arenaBlock)
	}
	start := a.block.Len()
	a.block.Write(b)
	return a.block.String()[start:]
}

// Grown returns s with room for one more element. It doubles the room, where
// append adds a quarter to long slices and so copies each element several
// times.
func Grown[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	return slices.Grow(s, max(len(s), 16))
}

// Slab stores many short slices in few large arrays. The zero Slab is ready to
// use, by one goroutine at a time.
type Slab[T any] struct{ free []T }

// Copy returns a slice with the elements of s and no spare capacity; an empty
// one is nil.
func (s *Slab[T]) Copy(elems []T) []T {
	n := len(elems)
	if n == 0 {
		return nil
	}
	if n > len(s.free) {
		if n > slabBlock/4 {
			return append([]T(nil), elems...)
		}
		s.free = make([]T, slabBlock)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	copy(out, elems)
	return out
}

// Package compact keeps many small values in few large blocks, which are cheap for
// the garbage collector.
package compact

import "unsafe"

// Arena stores many short texts in few large blocks, which keeps a million
// entries cheap for the garbage collector. A text lives as long as any text of
// its block. The zero Arena is ready to use, by one goroutine at a time.
type Arena struct {
	block  []byte
	size   int
	blocks int
}

// How large blocks are: the first is small, and each is twice as large as the one before, up
// to a bound.
const (
	firstArenaBlock, arenaBlock = 4 << 10, 256 << 10 // octets
	firstSlabBlock, slabBlock   = 64, 4 << 10        // elements
)

func next(size, first, most int) int { return min(max(2*size, first), most) }

// String returns a string equal to b.
func (a *Arena) String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > arenaBlock/4 {
		return string(b)
	}
	if cap(a.block)-len(a.block) < len(b) {
		a.size = max(next(a.size, firstArenaBlock, arenaBlock), len(b))
		a.block = make([]byte, 0, a.size)
		a.blocks++
	}
	start := len(a.block)
	a.block = append(a.block, b...)
	// What is in the block does not change as long as somebody has the text.
	return unsafe.String(&a.block[start], len(b))
}

// Mark is a place in an arena.
type Mark struct{ blocks, length int }

// Mark returns where the next text goes.
func (a *Arena) Mark() Mark { return Mark{a.blocks, len(a.block)} }

// Rewind forgets the texts since a mark. Nobody may have one of them any more.
func (a *Arena) Rewind(to Mark) {
	if a.blocks != to.blocks {
		to.length = 0
	}
	a.block = a.block[:to.length]
}

// Grown returns s with room for one more element. It doubles the room, where
// append adds a quarter to long slices and so copies each element several
// times.
func Grown[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	grown := make([]T, len(s), max(2*len(s), 16))
	copy(grown, s)
	return grown
}

// Slab stores many short slices in few large arrays. The zero Slab is ready to
// use, by one goroutine at a time.
type Slab[T any] struct {
	free []T
	size int
}

// Room returns the room that is left, for [Slab.Rewind].
func (s *Slab[T]) Room() []T { return s.free }

// Rewind forgets the slices since there was so much room. Nobody may have one of them any
// more.
func (s *Slab[T]) Rewind(room []T) { s.free = room }

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
		s.size = max(next(s.size, firstSlabBlock, slabBlock), n)
		s.free = make([]T, s.size)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	copy(out, elems)
	return out
}

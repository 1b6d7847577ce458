package identity

import "testing"

// TestIndex: things are found among others with the same hash, while the index
// grows, and those that are not the right ones any more are passed over.
func TestIndex(t *testing.T) {
	x := NewIndex(0)
	const n = 1000
	hash := func(number int) uint32 { return uint32(number%10) * 0x1999_9999 }
	for i := range n {
		x.Add(hash(i), i)
	}
	for i := range n {
		if got := x.Find(hash(i), func(number int) bool { return number == i }); got != i {
			t.Errorf("%d is found as %d", i, got)
		}
		if got := x.Find(hash(i)+1, func(int) bool { return true }); got != -1 {
			t.Errorf("%d is found under a hash that is nobody's", got)
		}
	}
	if got := x.Find(hash(3), func(int) bool { return false }); got != -1 {
		t.Errorf("%d is found, and is not the right one", got)
	}
	// Two places of one thing are one answer.
	x.Add(hash(5), 3)
	if got := x.Find(hash(5), func(number int) bool { return number == 3 }); got != 3 {
		t.Errorf("3 is found as %d", got)
	}
}

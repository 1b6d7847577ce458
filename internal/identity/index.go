package identity

// Index finds things that have numbers by hashes of what they are known by. It is
// a hash table with open addressing that keeps no keys: at a million accounts most
// of the time of a map goes into fetching them. Nothing is taken out of it. Whoever
// looks says whether a thing is the right one, and so whether it still is.
type Index struct {
	places []place // at least a quarter of them are free
	used   int
}

// place is the number of a thing and one, so that 0 is free, and its hash.
type place struct{ number, hash uint32 }

// NewIndex makes an index with room for n things.
func NewIndex(n int) *Index { return &Index{places: make([]place, 8+n+n/2)} }

// begin returns where to look for a hash first, and next where after that.
func (x *Index) begin(hash uint32) int { return int(uint64(hash) * uint64(len(x.places)) >> 32) }

func (x *Index) next(at int) int {
	if at++; at < len(x.places) {
		return at
	}
	return 0
}

// Add puts in a thing under a hash. It may be there under others, too.
func (x *Index) Add(hash uint32, number int) {
	if x.used++; 4*x.used > 3*len(x.places) {
		all := x.places
		x.places = make([]place, 2*len(all))
		for _, p := range all {
			if p.number != 0 {
				x.put(p)
			}
		}
	}
	x.put(place{uint32(number) + 1, hash})
}

func (x *Index) put(p place) {
	at := x.begin(p.hash)
	for x.places[at].number != 0 {
		at = x.next(at)
	}
	x.places[at] = p
}

// Find returns a thing that is under a hash and the right one, or -1.
func (x *Index) Find(hash uint32, right func(number int) bool) int {
	for at := x.begin(hash); x.places[at].number != 0; at = x.next(at) {
		if p := x.places[at]; p.hash == hash && right(int(p.number)-1) {
			return int(p.number) - 1
		}
	}
	return -1
}

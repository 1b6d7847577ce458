package state

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

// rest are the accounts of a version of the state without some, which are elsewhere. They
// are written as they stand there: what is read of them is compared with the checksums of
// the index, and not taken apart.
type rest struct {
	rows *Rows
	// was are the others, as that version has them, in byte order of their primaries.
	was     []identity.Account
	written bool
}

// Part returns the state of which some accounts are at hand. A [Store.Save] of it, of which
// there may be one, writes those that it has then in their place, and the others as they
// are. Without an index, all accounts are at hand. The rows stay open until then.
func (r *Rows) Part(accounts []identity.Account) (*State, error) {
	if r.x == nil {
		return &State{Lineage: r.Lineage, Serial: r.Serial, Sum: r.Sum, Accounts: r.all}, nil
	}
	if r.x.Placed > 0 {
		return nil, fmt.Errorf("accounts of the state are in a console")
	}
	st := r.x.begun()
	st.Accounts = slices.SortedFunc(slices.Values(accounts), func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	st.rest = &rest{rows: r, was: slices.Clone(st.Accounts)}
	return st, nil
}

// count is how many accounts the state has.
func (s *State) count() int {
	if s.rest == nil {
		return len(s.Accounts)
	}
	return s.rest.rows.x.Rows() - len(s.rest.was) + len(s.Accounts)
}

// stretch are accounts that follow each other: a block as it is, or what becomes of one.
type stretch struct {
	block    int // of the rest
	accounts []identity.Account
	changed  bool
}

// write writes the accounts of the rest and of a state, and their blocks into an index
// unless that is nil.
func (r *rest) write(out io.Writer, x *indexWriter, s *State) error {
	stretches, err := r.stretches(s)
	if err != nil {
		return err
	}
	if x == nil {
		x = &indexWriter{w: io.Discard}
	}
	x.begin(s, len(stretches))
	starts, err := r.starts()
	if err != nil {
		return err
	}
	both := &both{lines: out, blocks: x, lengths: make([]int, len(stretches))}
	var mu sync.Mutex
	var failed error
	err = parallel.WriteBlocks(both, len(stretches), func(b []byte, n int) []byte {
		t := &stretches[n]
		if t.changed {
			for i := range t.accounts {
				b = append(t.accounts[i].AppendJSON(b), '\n')
			}
			both.lengths[n] = len(b)
			x.line(n, t.accounts, b)
			return x.append(b, n, t.accounts)
		}
		b, err := r.copy(b, starts[t.block], t.block)
		both.lengths[n] = len(b)
		if err == nil {
			x.pieces[n] = r.rows.x.Pieces[t.block]
			if x.extends {
				x.Keep(n, r.rows.x.File, t.block)
			} else {
				b, err = x.AppendCopy(b, n, r.rows.x.File, t.block)
			}
		}
		if err != nil {
			mu.Lock()
			failed = cmp.Or(failed, err)
			mu.Unlock()
		}
		return b
	})
	return cmp.Or(failed, err)
}

// starts returns where the lines of each block begin in the file.
func (r *rest) starts() ([]int64, error) {
	file := r.rows.file.(*os.File)
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	_, last, err := lastLines(file)
	if err != nil {
		return nil, err
	}
	at := info.Size() - int64(len(last)) - 1
	starts := make([]int64, len(r.rows.x.Pieces))
	for n, p := range slices.Backward(r.rows.x.Pieces) {
		at -= int64(p.Lines)
		starts[n] = at
	}
	if at < 0 {
		return nil, errNoIndex
	}
	return starts, nil
}

// copy appends the lines of a block.
func (r *rest) copy(b []byte, at int64, block int) ([]byte, error) {
	p := &r.rows.x.Pieces[block]
	begin := len(b)
	b = slices.Grow(b, p.Lines)[:begin+p.Lines]
	if _, err := r.rows.file.(*os.File).ReadAt(b[begin:], at); err != nil {
		return b, err
	}
	if blockfile.Key(b[begin:]) != p.Sum {
		return b, &Error{Reason: "accounts are damaged", Advice: "put back a good copy of the state"}
	}
	return b, nil
}

// stretches returns the accounts of the rest and of a state in their order.
func (r *rest) stretches(s *State) ([]stretch, error) {
	x := r.rows.x
	gone, come := map[identity.Address]bool{}, map[int][]identity.Account{}
	touched := map[int]bool{}
	of := func(primary identity.Address) int {
		n, exact := slices.BinarySearchFunc(x.Pieces, primary, func(p indexPiece, a identity.Address) int { return p.First.Compare(a) })
		if !exact {
			n--
		}
		return max(n, 0)
	}
	is := make(map[identity.Address]*identity.Account, len(s.Accounts))
	for i := range s.Accounts {
		is[s.Accounts[i].Primary] = &s.Accounts[i]
	}
	for i := range r.was {
		a := &r.was[i]
		if now := is[a.Primary]; now != nil && now.Equal(a) {
			delete(is, a.Primary)
			continue
		}
		gone[a.Primary], touched[of(a.Primary)] = true, true
	}
	for primary, a := range is {
		n := of(primary)
		come[n], touched[n] = append(come[n], *a), true
	}
	var all []stretch
	var reader rowReader
	var buf []byte
	left := len(gone)
	for n := range max(len(x.Blocks), 1) {
		if !touched[n] {
			if n < len(x.Blocks) {
				all = append(all, stretch{block: n})
			}
			continue
		}
		accounts := come[n]
		if len(x.Blocks) > 0 {
			var err error
			if buf, err = x.Texts(buf, n); err != nil {
				return nil, err
			}
			err = reader.each(x.Blocks[n].Rows, buf, func(_ int, a identity.Account, _ *identity.Placed) {
				if gone[a.Primary] {
					left--
				} else {
					accounts = append(accounts, a)
				}
			})
			if err != nil {
				return nil, err
			}
		}
		slices.SortFunc(accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
		for parts := blockfile.Blocks(len(accounts)); parts > 0; parts-- { // of equal lengths, for more will come
			n := len(accounts) / parts
			all = append(all, stretch{accounts: accounts[:n], changed: true})
			accounts = accounts[n:]
		}
	}
	if left > 0 {
		return nil, errNoIndex
	}
	return all, nil
}

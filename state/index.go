package state

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

// The index of a state file has the same accounts in a form that is read several times as
// fast, and of which one account is read without the others. It is a cache: it names the
// file that it was made of, and one that is of another file, damaged or not there is made
// anew by whoever reads all of the file. Its format is that of package blockfile: a row is
// an account and what is known of it in a console, and its keys are its addresses and its
// GUID. Whoever may write the index may write the state.
const (
	indexFormat  = "rollcall-index"
	indexVersion = 2
)

// Tests change these.
var (
	// indexed is how many accounts are worth an index.
	indexed = 10_000
	// settled is how old the last change of a file has to be so that a later one has
	// another time: clocks of file systems go in steps, the longest of 10 ms.
	settled = 20 * time.Millisecond
)

// indexAbout says what an index is of.
type indexAbout struct {
	Of     stamp        `json:"of"`
	State  header       `json:"state"`
	Sum    string       `json:"sha256"` // in the last line of the state
	Placed int          `json:"placed"` // how many accounts are in a console
	Pieces []indexPiece `json:"pieces"`
}

// indexPiece is what the file has of the accounts of a block.
type indexPiece struct {
	First identity.Address `json:"first"` // its first primary
	Lines int              `json:"lines"` // octets
	Sum   uint32           `json:"sum"`   // their checksum, as blocks have it
}

// stamp tells a file from what it was before, as far as its file system does.
type stamp struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // in ns since 1970
	Changed  int64  `json:"changed"`  // the same, of the inode; 0 where there is no such time
	Inode    uint64 `json:"inode"`
}

// settles is how long it takes until another change has another stamp.
func (s *stamp) settles() time.Duration {
	return settled - time.Since(time.Unix(0, max(s.Modified, s.Changed)))
}

// indexName returns the name of the index for that of a state.
func indexName(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".index" }

// indexOf reads what a state file says of itself at its ends.
func indexOf(file *os.File) (about indexAbout, err error) {
	if about.Of, err = stampOf(file); err != nil {
		return about, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return about, err
	}
	about.State = peekHeader(file)
	_, last, err := lastLines(file)
	if err != nil {
		return about, err
	}
	about.Sum = versionOf(about.State, last).Sum
	_, err = file.Seek(0, io.SeekStart)
	return about, err
}

// index is one that fits its state file.
type index struct {
	*blockfile.File
	indexAbout
	file *os.File
}

// errNoIndex is the error of an index that is of no use.
var errNoIndex = errors.New("the index is of another state, or damaged")

// openIndex opens the index of a state file.
func (f files) openIndex(file *os.File) (_ *index, err error) {
	want, err := indexOf(file)
	if err != nil {
		return nil, err
	}
	x := &index{}
	if x.file, err = atomicfile.Open(indexName(atomicfile.Resolve(f.path))); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			x.file.Close()
		}
	}()
	if x.File, err = blockfile.Open(x.file, indexFormat, indexVersion, &x.indexAbout); err != nil {
		return nil, err
	}
	if x.Of != want.Of || x.State != want.State || x.Sum != want.Sum || x.Sum == "" || len(x.Pieces) != len(x.Blocks) {
		return nil, errNoIndex
	}
	return x, nil
}

// begun returns the state without accounts.
func (x *index) begun() *State {
	h := x.State
	return &State{Lineage: h.Lineage, Serial: h.Serial, Written: h.Written, Tool: h.Tool, Sum: x.Sum}
}

// rowReader reads the rows of blocks.
type rowReader struct {
	rows identity.RowReader
	dec  identity.Decoder
}

// each reads the accounts of a block, each with what is known of it in a console.
func (r *rowReader) each(accounts int, texts []byte, account func(i int, a identity.Account, p *identity.Placed)) error {
	r.rows.Reset(string(texts))
	for i := range accounts {
		a := r.rows.Account()
		p, err := r.placed()
		if err = errors.Join(err, r.rows.Err()); err != nil {
			return err
		}
		account(i, a, p)
	}
	if !r.rows.Done() {
		return errNoIndex
	}
	return nil
}

// The octet after the row of an account.
const (
	rowPlaced = 1 << iota
	rowUndecided
	rowApplied
	rowFound
)

func appendRowPlaced(b []byte, p *identity.Placed, is bool) []byte {
	if !is {
		return append(b, 0)
	}
	first := byte(rowPlaced)
	if p.Undecided {
		first |= rowUndecided
	}
	if !p.Applied.IsZero() {
		first |= rowApplied
	}
	if p.Found != nil {
		first |= rowFound
	}
	b = identity.AppendText(append(b, first), p.Ref)
	if first&rowApplied != 0 {
		b = binary.AppendUvarint(b, uint64(p.Applied.Unix()))
		b = binary.AppendUvarint(b, uint64(p.Applied.Nanosecond()))
	}
	if first&rowFound != 0 {
		b = identity.AppendText(b, string(p.Found.AppendJSON(nil)))
	}
	return b
}

func (r *rowReader) placed() (p *identity.Placed, err error) {
	first := r.rows.Byte()
	if first&rowPlaced == 0 {
		return nil, nil
	}
	p = &identity.Placed{Ref: r.rows.Text(), Undecided: first&rowUndecided != 0}
	if first&rowApplied != 0 {
		seconds := int64(r.rows.Number())
		p.Applied = time.Unix(seconds, int64(r.rows.Number())).UTC()
	}
	if first&rowFound != 0 {
		p.Found, err = r.dec.OptionalFound([]byte(r.rows.Text()))
	}
	return p, err
}

// all reads the state.
func (x *index) all() (*State, error) {
	st := x.begun()
	st.Accounts = make([]identity.Account, x.Rows())
	if x.Placed > 0 {
		st.Placed = make(map[identity.Address]identity.Placed, x.Placed)
	}
	var mu sync.Mutex
	err := x.Each(func() func(n, first int, texts []byte) error {
		var r rowReader
		return func(n, first int, texts []byte) error {
			placed := map[identity.Address]*identity.Placed{}
			err := r.each(x.Blocks[n].Rows, texts, func(i int, a identity.Account, p *identity.Placed) {
				st.Accounts[first+i] = a
				if p != nil {
					placed[a.Primary] = p
				}
			})
			if len(placed) > 0 {
				mu.Lock()
				for x, p := range placed {
					st.Placed[x] = *p
				}
				mu.Unlock()
			}
			return err
		}
	})
	if err == nil && len(st.Placed) != x.Placed {
		err = errNoIndex
	}
	return st, err
}

// holding reads the accounts that hold one of some addresses.
func (x *index) holding(addresses []identity.Address) (*State, error) {
	st := x.begun()
	wanted := map[uint32]struct{}{}
	for _, a := range addresses {
		wanted[blockfile.Key([]byte(a.String()))] = struct{}{}
	}
	var r rowReader
	var buf []byte
	err := x.Find(wanted, func(n int) (err error) {
		if buf, err = x.Texts(buf, n); err != nil {
			return err
		}
		return r.each(x.Blocks[n].Rows, buf, func(_ int, a identity.Account, p *identity.Placed) {
			if !slices.ContainsFunc(addresses, a.Holds) {
				return
			}
			st.Accounts = append(st.Accounts, a)
			if p != nil {
				if st.Placed == nil {
					st.Placed = map[identity.Address]identity.Placed{}
				}
				st.Placed[a.Primary] = *p
			}
		})
	})
	return st, err
}

// indexing writes the index of the version that commit makes, while it makes it. Without
// an index, who reads the state next makes one.
func (f files) indexing(next *State, commit func(*indexWriter) error) (failed error) {
	committed := false
	_ = f.replaceIndex(next, func(x *indexWriter) error {
		failed, committed = commit(x), true
		return failed
	})
	if !committed {
		failed = commit(nil)
	}
	return failed
}

// index writes the index of a state that was read from its file.
func (f files) index(st *State) error {
	return f.replaceIndex(st, func(x *indexWriter) error {
		x.begin(st, blockfile.Blocks(len(st.Accounts)))
		if err := x.look(f.path); err != nil {
			return err
		}
		return parallel.WriteBlocks(x, len(x.pieces), func(b []byte, n int) []byte { return x.append(b, n, piece(st, n)) })
	})
}

// look finds the lines of the blocks in the file.
func (x *indexWriter) look(path string) error {
	file, err := atomicfile.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	if _, err := in.ReadBytes('\n'); err != nil {
		return err
	}
	var lines []byte
	for n := range x.pieces {
		lines = lines[:0]
		for range piece(x.st, n) {
			for {
				some, err := in.ReadSlice('\n')
				lines = append(lines, some...)
				if err == nil {
					break
				}
				if !errors.Is(err, bufio.ErrBufferFull) {
					return err
				}
			}
		}
		x.line(n, piece(x.st, n), lines)
	}
	return nil
}

// line notes the lines of block n.
func (x *indexWriter) line(n int, accounts []identity.Account, lines []byte) {
	x.pieces[n] = indexPiece{accounts[0].Primary, len(lines), blockfile.Key(lines)}
}

// replaceIndex writes an index, of which write writes the blocks. One that is of no use
// any more is removed.
func (f files) replaceIndex(st *State, write func(*indexWriter) error) error {
	d, name, err := atomicfile.Locate(f.path)
	if err != nil {
		return err
	}
	defer d.Close()
	of := name
	name = indexName(of)
	if st.count() < indexed {
		if _, err := d.Lstat(name); err == nil {
			_ = d.Remove(name)
		}
		return errNoIndex
	}
	d.RemoveLeftovers(name, abandoned)
	if st.rest != nil && st.rest.rows.x.Extensible() {
		return f.extendIndex(d, name, st, write)
	}
	return d.ReplaceCopy(name, func(w io.Writer) error {
		if file, is := w.(*os.File); is {
			d.GiveAway(file, of)
		}
		x := &indexWriter{w: w}
		if err := write(x); err != nil {
			return err
		}
		if err := x.end(f); err != nil {
			return err
		}
		if st.rest != nil {
			st.rest.rows.x.file.Close() // not every system replaces a file that is open
		}
		return nil
	})
}

// extendIndex writes what has changed behind the index of the rest of a state, once that is in
// its file.
func (f files) extendIndex(d *atomicfile.Folder, name string, st *State, write func(*indexWriter) error) error {
	var changed bytes.Buffer
	x := &indexWriter{w: &changed, extends: true}
	if err := write(x); err != nil {
		return err
	}
	if err := x.end(f); err != nil {
		return err
	}
	file, err := d.OpenNoLink(name, os.O_RDWR)
	if err != nil {
		return err
	}
	return errors.Join(st.rest.rows.x.Extend(file, changed.Bytes()), file.Close())
}

// indexWriter writes an index.
type indexWriter struct {
	*blockfile.Writer
	w       io.Writer
	extends bool // the index of the rest of the state
	again   bool
	st      *State
	pieces  []indexPiece
	placed  atomic.Int64
}

// begin says of which state it is, and how many blocks that has.
func (x *indexWriter) begin(st *State, blocks int) {
	x.again = x.st != nil
	x.st, x.pieces = st, make([]indexPiece, blocks)
	if x.extends {
		x.Writer = blockfile.Extend(x.w, st.rest.rows.x.File, blocks)
	} else {
		x.Writer = blockfile.NewWriter(x.w, blocks)
	}
}

// piece are the accounts of a block.
func piece(st *State, n int) []identity.Account {
	first, end := blockfile.Bounds(len(st.Accounts), n)
	return st.Accounts[first:end]
}

// append appends a block.
func (x *indexWriter) append(b []byte, n int, accounts []identity.Account) []byte {
	return x.Writer.Append(b, n, len(accounts), func(b []byte) []byte {
		for i := range accounts {
			EachKey(&accounts[i], func(key uint32) { b = blockfile.AppendKey(b, key) })
		}
		return b
	}, func(b []byte) []byte {
		var row identity.RowWriter
		for i := range accounts {
			b = row.Append(b, &accounts[i])
			p, is := x.st.Placed[accounts[i].Primary]
			if is {
				x.placed.Add(1)
			}
			b = appendRowPlaced(b, &p, is)
		}
		return row.AppendNames(b)
	})
}

// EachKey calls a function with each key by which an account is found in an index: those of
// its addresses and of its GUID.
func EachKey(a *identity.Account, key func(uint32)) {
	var text []byte
	a.EachAddress(func(address identity.Address) {
		text = append(text[:0], address.String()...)
		key(blockfile.Key(text))
	})
	if !a.GUID.IsZero() {
		key(blockfile.Key(a.GUID[:]))
	}
}

// Rows is a state whose accounts are found by their keys: by its index where it has one, so
// that the others need not be read.
type Rows struct {
	Version
	x    *index
	file io.Closer
	all  []identity.Account // where there is no index
}

// Rows opens the state.
func (s *Store) Rows(ctx context.Context) (*Rows, error) {
	r, err := s.backend.Open(ctx, 0)
	if file, is := r.(*os.File); is && err == nil {
		if x, err := s.local.openIndex(file); err == nil {
			return &Rows{Version: Version{x.State.Lineage, x.State.Serial, x.Sum}, x: x, file: r}, nil
		}
	}
	if err == nil {
		r.Close()
	}
	st, err := s.Recall(ctx)
	if err != nil {
		return nil, err
	}
	return &Rows{Version: Version{st.Lineage, st.Serial, st.Sum}, all: st.Accounts}, nil
}

// Close closes the files.
func (r *Rows) Close() {
	if r.x != nil {
		r.x.file.Close()
		r.file.Close()
	}
}

// Find calls a function with the accounts that have one of some keys, and with others.
func (r *Rows) Find(wanted map[uint32]struct{}, each func(a identity.Account)) error {
	if r.x == nil {
		for i := range r.all {
			each(r.all[i])
		}
		return nil
	}
	var reader rowReader
	var buf []byte
	return r.x.Find(wanted, func(n int) (err error) {
		if buf, err = r.x.Texts(buf, n); err != nil {
			return err
		}
		return reader.each(r.x.Blocks[n].Rows, buf, func(_ int, a identity.Account, _ *identity.Placed) { each(a) })
	})
}

// end writes the foot, once the state is in its file.
func (x *indexWriter) end(f files) error {
	file, err := atomicfile.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := indexOf(file)
	if err != nil {
		return err
	}
	if x.st == nil || x.again || about.Sum != x.st.Sum {
		return errNoIndex
	}
	time.Sleep(about.Of.settles())
	if now, err := stampOf(file); err != nil || now != about.Of {
		return errors.Join(err, errNoIndex)
	}
	about.Placed, about.Pieces = int(x.placed.Load()), x.pieces
	return x.Writer.End(indexFormat, indexVersion, about)
}

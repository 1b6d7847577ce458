package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

// The index of a state file has the same accounts in a form that is read several times as
// fast, and of which one account is read without the others. It is a cache: it names the
// file that it was made of, and one that is of another file, damaged or not there is made
// anew by whoever reads all of the file.
//
//	blocks   of up to 1024 accounts each: their keys, a row each, and the names in these
//	foot     JSON: what it is of, and where the blocks are
//	end      12 octets: where the foot begins, and its checksum
//
// The keys of an account are checksums of its addresses: an address that is among no keys
// is nobody's. Checksums are CRC-32C, for what is damaged by chance; whoever may write the
// index may write the state.
const (
	indexFormat  = "rollcall-index"
	indexVersion = 1
	indexPiece   = 1024
	indexEnd     = 12
	keySize      = 4
)

// Tests change these.
var (
	// indexed is how many accounts are worth an index.
	indexed = 10_000
	// settled is how old the last change of a file has to be so that a later one has
	// another time: clocks of file systems go in steps, the longest of 10 ms.
	settled = 20 * time.Millisecond
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// indexFoot says what an index is of.
type indexFoot struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Of      stamp        `json:"of"`
	State   header       `json:"state"`
	Sum     string       `json:"sha256"` // in the last line of the state
	Placed  int          `json:"placed"` // how many accounts are in a console
	Blocks  []indexBlock `json:"blocks"`
}

// indexBlock is where a block is, and how long its parts are.
type indexBlock struct {
	At       int64  `json:"at"`
	Accounts int    `json:"accounts"`
	Keys     int    `json:"keys"`
	KeysSum  uint32 `json:"keys_sum"`
	Rows     int    `json:"rows"`
	Names    int    `json:"names"`
	RowsSum  uint32 `json:"rows_sum"` // with the names
}

func (b *indexBlock) length() int64 { return int64(b.Keys) + int64(b.Rows) + int64(b.Names) }

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
func indexOf(file *os.File) (foot indexFoot, err error) {
	foot = indexFoot{Format: indexFormat, Version: indexVersion}
	if foot.Of, err = stampOf(file); err != nil {
		return foot, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return foot, err
	}
	foot.State = peekHeader(file)
	_, last, err := lastLines(file)
	if err != nil {
		return foot, err
	}
	foot.Sum = versionOf(foot.State, last).Sum
	_, err = file.Seek(0, io.SeekStart)
	return foot, err
}

// index is one that fits its state file.
type index struct {
	file *os.File
	indexFoot
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
	info, err := x.file.Stat()
	if err != nil || info.Size() < indexEnd {
		return nil, errors.Join(err, errNoIndex)
	}
	end := make([]byte, indexEnd)
	if _, err := x.file.ReadAt(end, info.Size()-indexEnd); err != nil {
		return nil, err
	}
	at := int64(binary.LittleEndian.Uint64(end))
	if at < 0 || at > info.Size()-indexEnd {
		return nil, errNoIndex
	}
	text := make([]byte, info.Size()-indexEnd-at)
	if _, err := x.file.ReadAt(text, at); err != nil {
		return nil, err
	}
	if checksum(text) != binary.LittleEndian.Uint32(end[8:]) || strict(text, &x.indexFoot) != nil {
		return nil, errNoIndex
	}
	if x.Format != indexFormat || x.Version != indexVersion || x.Of != want.Of || x.State != want.State || x.Sum != want.Sum || x.Sum == "" {
		return nil, errNoIndex
	}
	next := int64(0)
	for _, b := range x.Blocks {
		if b.At != next || b.Accounts < 1 || b.Accounts > indexPiece || b.Keys < 0 || b.Keys%keySize != 0 || b.Rows < b.Accounts || b.Names < 0 {
			return nil, errNoIndex
		}
		next += b.length()
	}
	if next != at {
		return nil, errNoIndex
	}
	return x, nil
}

// begun returns the state without accounts.
func (x *index) begun() *State {
	h := x.State
	return &State{Lineage: h.Lineage, Serial: h.Serial, Written: h.Written, Tool: h.Tool, Sum: x.Sum}
}

// part reads a part of a block.
func (x *index) part(buf []byte, at int64, length int, sum uint32) ([]byte, error) {
	if cap(buf) < length {
		buf = make([]byte, length)
	}
	buf = buf[:length]
	if _, err := x.file.ReadAt(buf, at); err != nil {
		return buf, err
	}
	if checksum(buf) != sum {
		return buf, errNoIndex
	}
	return buf, nil
}

// blockReader reads blocks one after the other.
type blockReader struct {
	*index
	rows identity.RowReader
	dec  identity.Decoder
	buf  []byte
}

// rowsOf reads the accounts of a block, each with what is known of it in a console.
func (r *blockReader) rowsOf(b *indexBlock, account func(i int, a identity.Account, p *identity.Placed)) error {
	var err error
	if r.buf, err = r.part(r.buf, b.At+int64(b.Keys), b.Rows+b.Names, b.RowsSum); err != nil {
		return err
	}
	text := string(r.buf)
	r.rows.Reset(text[:b.Rows], text[b.Rows:])
	for i := range b.Accounts {
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

func (r *blockReader) placed() (p *identity.Placed, err error) {
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
	starts := make([]int, len(x.Blocks)+1)
	for i := range x.Blocks {
		starts[i+1] = starts[i] + x.Blocks[i].Accounts
	}
	st.Accounts = make([]identity.Account, starts[len(x.Blocks)])
	if x.Placed > 0 {
		st.Placed = make(map[identity.Address]identity.Placed, x.Placed)
	}
	var mu sync.Mutex
	var failed error
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(x.Blocks)) {
		readers.Go(func() {
			r := blockReader{index: x}
			for {
				n := int(next.Add(1)) - 1
				if n >= len(x.Blocks) {
					return
				}
				placed := map[identity.Address]*identity.Placed{}
				err := r.rowsOf(&x.Blocks[n], func(i int, a identity.Account, p *identity.Placed) {
					st.Accounts[starts[n]+i] = a
					if p != nil {
						placed[a.Primary] = p
					}
				})
				mu.Lock()
				for x, p := range placed {
					st.Placed[x] = *p
				}
				failed = errors.Join(failed, err)
				broken := failed != nil
				mu.Unlock()
				if broken {
					return
				}
			}
		})
	}
	readers.Wait()
	if failed == nil && len(st.Placed) != x.Placed {
		failed = errNoIndex
	}
	return st, failed
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// holding reads the accounts that hold one of some addresses.
func (x *index) holding(addresses []identity.Address) (*State, error) {
	st := x.begun()
	want := make([][]byte, len(addresses))
	for i, a := range addresses {
		want[i] = binary.LittleEndian.AppendUint32(nil, checksum([]byte(a.String())))
	}
	r := blockReader{index: x}
	var keys []byte
	for i := range x.Blocks {
		b := &x.Blocks[i]
		var err error
		if keys, err = x.part(keys, b.At, b.Keys, b.KeysSum); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(want, func(key []byte) bool { return among(keys, key) }) {
			continue
		}
		err = r.rowsOf(b, func(_ int, a identity.Account, p *identity.Placed) {
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
		if err != nil {
			return nil, err
		}
	}
	return st, nil
}

// among reports whether a key is one of several.
func among(keys, key []byte) bool {
	for at := 0; ; {
		i := bytes.Index(keys[at:], key)
		if i < 0 {
			return false
		}
		if at += i; at%keySize == 0 {
			return true
		}
		at++
	}
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
		blocks := x.begin(st)
		return parallel.WriteBlocks(x, blocks, x.append)
	})
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
	if len(st.Accounts) < indexed {
		if _, err := d.Lstat(name); err == nil {
			_ = d.Remove(name)
		}
		return errNoIndex
	}
	d.RemoveLeftovers(name, abandoned)
	return d.ReplaceCopy(name, func(w io.Writer) error {
		if file, is := w.(*os.File); is {
			d.GiveAway(file, of)
		}
		x := &indexWriter{w: w}
		if err := write(x); err != nil {
			return err
		}
		return x.end(f)
	})
}

// indexWriter writes an index. What cannot be written is in its error, and does not keep
// the state from being written.
type indexWriter struct {
	w      io.Writer
	err    error
	st     *State
	blocks []indexBlock
	placed atomic.Int64
}

// begin says of which state it is, and returns how many blocks that has.
func (x *indexWriter) begin(st *State) int {
	if x.st != nil {
		x.err = errNoIndex // it was begun already
	}
	x.st, x.blocks = st, make([]indexBlock, pieces(st))
	return len(x.blocks)
}

// pieces is how many blocks a state has.
func pieces(st *State) int { return (len(st.Accounts) + indexPiece - 1) / indexPiece }

// piece are the accounts of a block.
func piece(st *State, n int) []identity.Account {
	return st.Accounts[n*indexPiece : min((n+1)*indexPiece, len(st.Accounts))]
}

// append appends a block.
func (x *indexWriter) append(b []byte, n int) []byte {
	accounts := piece(x.st, n)
	begin := len(b)
	var text []byte
	for i := range accounts {
		accounts[i].EachAddress(func(address identity.Address) {
			text = append(text[:0], address.String()...)
			b = binary.LittleEndian.AppendUint32(b, checksum(text))
		})
	}
	keys := len(b)
	var row identity.RowWriter
	for i := range accounts {
		b = row.Append(b, &accounts[i])
		p, is := x.st.Placed[accounts[i].Primary]
		if is {
			x.placed.Add(1)
		}
		b = appendRowPlaced(b, &p, is)
	}
	rows := len(b)
	b = row.AppendNames(b)
	x.blocks[n] = indexBlock{Accounts: len(accounts), Keys: keys - begin, KeysSum: checksum(b[begin:keys]),
		Rows: rows - keys, Names: len(b) - rows, RowsSum: checksum(b[keys:])}
	return b
}

func (x *indexWriter) Write(b []byte) (int, error) {
	if x.err == nil {
		_, x.err = x.w.Write(b)
	}
	return len(b), nil
}

// end writes the foot, once the state is in its file.
func (x *indexWriter) end(f files) error {
	file, err := atomicfile.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	foot, err := indexOf(file)
	if err != nil {
		return err
	}
	if x.st == nil || foot.Sum != x.st.Sum {
		return errNoIndex
	}
	time.Sleep(foot.Of.settles())
	if now, err := stampOf(file); err != nil || now != foot.Of {
		return errors.Join(err, errNoIndex)
	}
	at := int64(0)
	for i := range x.blocks {
		x.blocks[i].At = at
		at += x.blocks[i].length()
	}
	foot.Placed, foot.Blocks = int(x.placed.Load()), x.blocks
	text, err := json.Marshal(foot)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint64(nil, uint64(at))
	end = binary.LittleEndian.AppendUint32(end, checksum(text))
	_, _ = x.Write(append(text, end...))
	return x.err
}
